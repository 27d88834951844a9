//! What peers say of peers (BEP 11), and of `info` (BEP 9). What decodes survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::metadata::Message;
use wire::pex::{Pex, TAKEN_MAX};

fuzz_target!(|bytes: &[u8]| {
    if let Some(pex) = Pex::decode(bytes) {
        assert!(pex.added.len() <= TAKEN_MAX && pex.dropped.len() <= TAKEN_MAX);
        let again = Pex::decode(&pex.encode()).expect("what we write is read");
        // By family; an IPv4 address written as one of IPv6 becomes what it is.
        assert_eq!(again.added.len(), pex.added.len());
        assert_eq!(again.dropped.len(), pex.dropped.len());
    }
    if let Some(message) = Message::decode(bytes) {
        let again = message.encode();
        assert_eq!(Message::decode(&again), Some(message));
    }
});
