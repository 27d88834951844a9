//! Bencode. What decodes strictly is canonical, so it encodes to the same bytes; what decodes
//! leniently encodes to something that decodes strictly, to the same entries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::bencode::{Limits, OwnedValue, decode, decode_prefix, encode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((value, consumed)) = decode_prefix(bytes, Limits::NETWORK) {
        assert_eq!(encode(&OwnedValue::from(&value)), bytes[..consumed]);
        assert_eq!(decode(bytes, Limits::NETWORK).is_ok(), consumed == bytes.len());
    }
    if let Ok(value) = decode(bytes, Limits::METAINFO) {
        let owned = OwnedValue::from(&value);
        let canonical = encode(&owned);
        let again = decode(
            &canonical,
            Limits { key_order: wire::bencode::KeyOrder::Sorted, ..Limits::METAINFO },
        );
        assert_eq!(OwnedValue::from(&again.expect("canonical bytes decode strictly")), owned);
        if let Some(dict) = value.as_dict() {
            for entry in dict.entries() {
                let raw = decode(entry.raw, Limits::METAINFO).expect("raw bytes decode alone");
                assert_eq!(raw, entry.value);
            }
        }
    }
});
