//! Structured data to be signed. What decodes lists what it signs, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::typed_data_json::decode;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(data) = decode(bytes) {
        assert!(data.fields.len() <= 2000);
        assert_eq!(decode(bytes).map(|again| again.digest), Ok(data.digest));
    }
});
