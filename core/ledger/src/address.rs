//! Addresses of accounts and contracts, on TRON and on chains like Ethereum's.
//!
//! Source: java-tron's `WalletUtil`, EIP-55. The same 20 bytes are written `T…` (Base58 with a
//! checksum, of 0x41 and these bytes), `41…` (hexadecimal, as nodes send them) or `0x…`.

use core::fmt;
use core::str::FromStr;

use keys::secp256k1::PublicKey;
use keys::{base58check, keccak256};
use wire::{hex, unhex};

/// First of the 21 bytes that TRON's protobuf and Base58 hold.
pub const PREFIX: u8 = 0x41;

/// An account or a contract: the last 20 bytes of a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

impl Address {
    /// Of these 20 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Whom a key's signatures speak for.
    #[must_use]
    pub fn of_key(key: &PublicKey) -> Self {
        Self(key.hash20())
    }

    /// The 20 bytes that contracts know.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The 21 bytes that TRON's messages hold.
    #[must_use]
    pub fn prefixed(&self) -> [u8; 21] {
        let mut bytes = [PREFIX; 21];
        let (_, rest) = bytes.split_at_mut(1);
        rest.copy_from_slice(&self.0);
        bytes
    }

    /// From the 21 bytes that TRON's messages hold.
    ///
    /// # Errors
    /// Another length or first byte.
    pub fn from_prefixed(bytes: &[u8]) -> Result<Self, AddressError> {
        match <&[u8; 21]>::try_from(bytes) {
            Ok(&[PREFIX, ref rest @ ..]) => Ok(Self(*rest)),
            Ok(&[other, ..]) => Err(AddressError::Prefix(other)),
            Err(_) => Err(AddressError::Length(bytes.len())),
        }
    }

    /// `41…`, as nodes write it in JSON.
    #[must_use]
    pub fn tron_hex(&self) -> String {
        hex(&self.prefixed())
    }

    /// `0x…`, with the letters' case as a checksum (EIP-55).
    #[must_use]
    pub fn ethereum(&self) -> String {
        let digits = hex(&self.0);
        let hash = keccak256(digits.as_bytes());
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let cased = digits
            .chars()
            .zip(nibbles)
            .map(|(digit, nibble)| if nibble >= 8 { digit.to_ascii_uppercase() } else { digit });
        "0x".chars().chain(cased).collect()
    }
}

/// `T…`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base58check::encode(&self.prefixed()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text or bytes are no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not 21 bytes.
    #[error("an address has 21 bytes, not {0}")]
    Length(usize),
    /// Of another network of the same software.
    #[error("an address of TRON begins with byte 0x41, not {0:#04x}")]
    Prefix(u8),
    /// Neither of the ways in which addresses are written.
    #[error("an address begins with T and has 34 characters, or is hexadecimal after 41 or 0x")]
    Form,
    /// Mistyped or cut, by its own checksum.
    #[error("the address {0}")]
    Base58(#[from] base58check::Base58Error),
    /// `0x…` in mixed case, and the case is wrong.
    #[error("the address has a wrong checksum in the case of its letters: it is mistyped")]
    Case,
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads all three ways.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let hex_digits = |digits: &str| unhex::<20>(digits).ok_or(AddressError::Form).map(Self);
        if let Some(digits) = text.strip_prefix("0x") {
            let address = hex_digits(digits)?;
            let is_mixed = digits.bytes().any(|byte| byte.is_ascii_uppercase())
                && digits.bytes().any(|byte| byte.is_ascii_lowercase());
            return if is_mixed && address.ethereum() != text {
                Err(AddressError::Case)
            } else {
                Ok(address)
            };
        }
        if text.len() == 42 {
            return text.strip_prefix("41").ok_or(AddressError::Form).and_then(hex_digits);
        }
        if !text.starts_with('T') {
            return Err(AddressError::Form);
        }
        Self::from_prefixed(&base58check::decode(text, 21)?)
    }
}

#[cfg(test)]
mod tests {
    use keys::secp256k1::SecretKey;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_known_key_has_the_known_address_in_all_its_forms() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let address = Address::of_key(&key.public());
        assert_eq!(address.to_string(), "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7");
        assert_eq!(address.tron_hex(), "411a642f0e3c3af545e7acbd38b07251b3990914f1");
        assert_eq!(address.ethereum(), "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1");
    }

    #[test]
    fn the_token_of_the_main_network_is_read_from_either_form() {
        let text = "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4";
        let address: Address = text.parse().unwrap();
        assert_eq!(address.tron_hex(), "41032017411f4663b317fe77c257d28d5cd1b26e3d");
        assert_eq!(address.tron_hex().parse(), Ok(address));
    }

    #[test]
    fn what_is_no_address_is_refused_and_says_why() {
        use AddressError as E;
        use base58check::Base58Error as B;
        for (text, error) in [
            ("", E::Form),
            ("TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp5", E::Base58(B::Checksum)),
            ("TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp", E::Base58(B::Checksum)),
            ("TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp0", E::Base58(B::Character)),
            ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", E::Form),
            ("42032017411f4663b317fe77c257d28d5cd1b26e3d", E::Form),
            ("41032017411f4663b317fe77c257d28d5cd1b26e3", E::Form),
            ("0x1A642f0E3c3aF545E7AcBD38b07251B3990914F1", E::Case),
            ("0x1a64", E::Form),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_is_read_again(bytes in any::<[u8; 20]>()) {
            let address = Address::new(bytes);
            for text in [
                address.to_string(), address.tron_hex(), address.ethereum(),
                address.ethereum().to_lowercase(),
            ] {
                prop_assert_eq!(text.parse(), Ok(address));
            }
        }

        #[test]
        fn any_text_is_an_address_or_refused(text in ".{0,50}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
