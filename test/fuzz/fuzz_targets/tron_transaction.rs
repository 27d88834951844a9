//! Transactions as strangers send them, and records as our own database keeps them. What is read is
//! written again byte for byte.
#![no_main]

use ledger::outbox::Record;
use ledger::transaction::{Signed, Unsigned, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((owner, action, terms)) = read(bytes) {
        let again = Unsigned::build(owner, &action, &terms).expect("was read whole");
        assert_eq!(again.raw(), bytes);
    }
    if let Ok(signed) = Signed::from_bytes(bytes) {
        let again = Signed::from_bytes(&signed.to_bytes());
        assert_eq!(again.as_ref(), Ok(&signed));
    }
    if let Ok(record) = Record::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes);
    }
});
