//! Signatures of those who change what they have stored in the DHT (BEP 44): Ed25519.
//!
//! Source: RFC 8032. Verification is strict: no keys of small order, for which anybody has signatures.

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::Sha512;

/// A secret key.
pub struct SigningKey {
    expanded: ExpandedSecretKey,
    public: VerifyingKey,
}

impl core::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SigningKey of {:02x?}", self.public.as_bytes())
    }
}

impl SigningKey {
    /// From 32 secret bytes, as RFC 8032 makes keys.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(ExpandedSecretKey::from(seed))
    }

    /// From the 64 bytes that BEP 44 and libtorrent call the private key: scalar and prefix.
    pub fn from_expanded(bytes: &[u8; 64]) -> Self {
        Self::new(ExpandedSecretKey::from_bytes(bytes))
    }

    fn new(expanded: ExpandedSecretKey) -> Self {
        let public = VerifyingKey::from(&expanded);
        Self { expanded, public }
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.public.to_bytes()
    }

    /// The signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        raw_sign::<Sha512>(&self.expanded, message, &self.public).to_bytes()
    }
}

/// Whether `signature` is one of `message` by the owner of `public`.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(public) = VerifyingKey::from_bytes(public) else {
        return false;
    };
    public.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let byte = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        assert_eq!(hex.len(), 2 * N);
        core::array::from_fn(|i| byte(2 * i))
    }

    #[test]
    fn vectors_of_bep_44_hold() {
        let key = SigningKey::from_expanded(&bytes(
            "e06d3183d14159228433ed599221b80bd0a5ce8352e4bdf0262f76786ef1c74d\
             b7e7a9fea2c0eb269d61e3b38e450a22e754941ac78479d6c54e1faf6037881d",
        ));
        let public = bytes("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
        assert_eq!(key.public(), public);
        let cases = [
            (
                "3:seqi1e1:v12:Hello World!",
                "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
                 1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01",
            ),
            (
                "4:salt6:foobar3:seqi1e1:v12:Hello World!",
                "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
                 df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08",
            ),
        ];
        for (message, signature) in cases {
            assert_eq!(key.sign(message.as_bytes()), bytes(signature));
            assert!(verify(&public, message.as_bytes(), &bytes(signature)));
            assert!(!verify(&public, b"3:seqi2e1:v12:Hello World!", &bytes(signature)));
        }
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn a_vector_of_rfc_8032_holds() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::from_seed(&seed);
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(key.public(), public);
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(key.sign(&[0x72]), signature);
        assert!(verify(&public, &[0x72], &signature));
    }

    #[test]
    fn what_is_no_key_or_of_small_order_verifies_nothing() {
        let identity = {
            let mut key = [0; 32];
            key[0] = 1;
            key
        };
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!verify(&identity, b"anything", &signature));
        assert!(!verify(&[0xff; 32], b"anything", &signature));
    }
}
