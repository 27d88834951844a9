//! Vouchers, releases and mandates as peers send them. What is read is written again, and read the same.
#![no_main]

use ledger::voucher::{Mandate, Received, Release, Voucher};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(voucher) = Received::<Voucher>::decode(bytes) {
        assert_eq!(Received::<Voucher>::decode(&voucher.encode()), Ok(voucher));
    }
    if let Ok(release) = Received::<Release>::decode(bytes) {
        assert_eq!(Received::<Release>::decode(&release.encode()), Ok(release));
    }
    if let Ok(mandate) = Received::<Mandate>::decode(bytes) {
        assert_eq!(Received::<Mandate>::decode(&mandate.encode()), Ok(mandate));
    }
});
