//! What routers say by UPnP. The first byte chooses: a description, an answer to an action, an answer to
//! a search. Whatever it is, what is kept of it is bounded, and the words may be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::ssdp::{LOCATION_BYTES_MAX, decode_location};
use wire::upnp::{decode_answer, decode_description};

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => {
            let description = decode_description(bytes);
            let control = description.control.map(|(_, url)| url);
            for url in description.base_url.into_iter().chain(control) {
                assert!(url.len() <= 1024);
            }
        }
        1 => {
            let answer = decode_answer(bytes);
            if let Some(fault) = answer.fault {
                assert!(fault.words.chars().count() <= 100);
                assert!(!fault.words.contains(char::is_control));
            }
        }
        _ => {
            if let Some(url) = decode_location(bytes) {
                assert!(url.len() <= LOCATION_BYTES_MAX);
            }
        }
    }
});
