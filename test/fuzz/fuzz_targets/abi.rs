//! What contracts return and tell. Nothing is longer than what came, and words stay what they were.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::abi::{Decoder, Encoder, address_word, uint_word};

fuzz_target!(|bytes: &[u8]| {
    let decoder = Decoder::new(bytes);
    if let Ok(number) = decoder.clone().uint() {
        assert_eq!(bytes[..32], uint_word(number));
    }
    if let Ok(address) = decoder.clone().address() {
        assert_eq!(bytes[..32], address_word(&address));
    }
    if let Ok(tail) = decoder.clone().bytes() {
        assert!(tail.len() <= bytes.len());
        let encoded = Encoder::new().bytes(tail).finish();
        assert_eq!(Decoder::new(&encoded).bytes(), Ok(tail));
    }
    if let Ok(words) = decoder.clone().words() {
        assert!(32 * words.len() <= bytes.len());
    }
    if let Ok(list) = decoder.clone().bytes_list() {
        assert!(list.len() <= bytes.len());
    }
    decoder.clone().text().ok();
    decoder.clone().bool().ok();
    Decoder::of_call("Error(string)", bytes).map(|mut arguments| arguments.text().map(str::len));
});
