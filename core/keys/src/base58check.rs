//! Base58 with a checksum, as TRON writes addresses.
//!
//! Source: the encoding of Bitcoin: payload, then the first 4 bytes of SHA-256 of SHA-256 over it.

use crate::sha256;

const CHECKSUM_BYTES: usize = 4;

/// Why a text can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base58Error {
    /// Longer than what it should hold can be.
    #[error("is too long")]
    TooLong,
    /// A character that Base58 doesn't have: 0, O, I and l are among these.
    #[error("has a character that Base58 does not use")]
    Character,
    /// Mistyped or cut.
    #[error("has a wrong checksum: it is mistyped or cut")]
    Checksum,
}

/// The text for `payload`.
#[must_use]
pub fn encode(payload: &[u8]) -> String {
    let mut bytes = payload.to_vec();
    bytes.extend_from_slice(&checksum(payload));
    bs58::encode(bytes).into_string()
}

/// The payload of `text`, of at most `payload_bytes_max` bytes.
///
/// # Errors
/// It is none.
pub fn decode(text: &str, payload_bytes_max: usize) -> Result<Vec<u8>, Base58Error> {
    // A character holds 5.86 bits: decoding takes time by the square of the length.
    if text.len() > (payload_bytes_max + CHECKSUM_BYTES) * 138 / 100 + 1 {
        return Err(Base58Error::TooLong);
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_not_base58| Base58Error::Character)?;
    let (payload, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Base58Error::Checksum)?;
    if checksum(payload) != *sum {
        return Err(Base58Error::Checksum);
    }
    if payload.len() > payload_bytes_max {
        return Err(Base58Error::TooLong);
    }
    Ok(payload.to_vec())
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = sha256(&sha256(payload));
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_encoded_decodes(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode(&encode(&payload), 40), Ok(payload));
        }

        #[test]
        fn one_character_changed_is_noticed(at in 0_usize..34, to in any::<char>()) {
            let text = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";
            let changed: String =
                text.chars().enumerate().map(|(i, char)| if i == at { to } else { char }).collect();
            prop_assume!(changed != text);
            prop_assert!(decode(&changed, 21).is_err());
        }
    }
}
