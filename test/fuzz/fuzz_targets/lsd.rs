//! Announces on the local network (BEP 14). What decodes survives being written again for either group.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::lsd::{Announce, HASHES_MAX};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(announce) = Announce::decode(bytes) {
        assert!(announce.port != 0);
        assert!((1..=HASHES_MAX).contains(&announce.info_hashes.len()));
        for v6 in [false, true] {
            let again = announce.encode(v6);
            assert!(again.len() <= 1400);
            assert_eq!(Announce::decode(&again).as_ref(), Ok(&announce));
        }
    }
});
