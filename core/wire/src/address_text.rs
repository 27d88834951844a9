//! The ways in which the same 20 bytes of an address are written.
//!
//! Source: java-tron's `WalletUtil`; Ethereum's JSON-RPC. Where a format leaves open which.

use keys::base58check;

use crate::unhex;

/// From 40 digits with or without `0x`, from 42 that begin with 41, or from Base58 with a checksum.
pub(crate) fn address(text: &str) -> Option<[u8; 20]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if let Some(address) = unhex(digits) {
        return Some(address);
    }
    let bytes: [u8; 21] = match unhex(digits) {
        Some(bytes) => bytes,
        None => base58check::decode(text, 21).ok()?.try_into().ok()?,
    };
    match bytes {
        [0x41, address @ ..] => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_mean_the_same() {
        let expected = address("1a642f0e3c3af545e7acbd38b07251b3990914f1");
        assert!(expected.is_some());
        for text in [
            "0x1A642F0E3C3AF545E7ACBD38B07251B3990914F1",
            "411a642f0e3c3af545e7acbd38b07251b3990914f1",
            "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7",
        ] {
            assert_eq!(address(text), expected, "{text}");
        }
        for text in ["", "T", "42 1a64", "421a642f0e3c3af545e7acbd38b07251b3990914f1", "1BvBMSE"] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
