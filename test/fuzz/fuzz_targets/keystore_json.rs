//! V3 keystores of other wallets. What decodes survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::keystore_json::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keystore) = decode(bytes) {
        assert_eq!(decode(encode(&keystore).as_bytes()), Ok(keystore));
    }
});
