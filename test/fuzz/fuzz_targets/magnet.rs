//! Magnet links (BEP 9). What decodes survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::magnet::{Magnet, PEERS_MAX, SALT_BYTES_MAX, Topic};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(magnet) = Magnet::decode(text) {
        assert!(magnet.peers.len() <= PEERS_MAX);
        if let Topic::Mutable { salt, .. } = &magnet.topic {
            assert!(salt.len() <= SALT_BYTES_MAX);
        }
        let again = magnet.encode();
        assert!(again.is_ascii());
        // Escaped it may be longer than a link can be.
        if again.len() <= wire::magnet::LINK_BYTES_MAX {
            assert_eq!(Magnet::decode(&again).as_ref(), Ok(&magnet));
        }
    }
});
