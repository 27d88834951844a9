//! Signatures that TRON and Ethereum check: ECDSA over secp256k1, recoverable.
//!
//! Source: SEC 1 version 2 (2009), section 4.1; deterministic nonces of RFC 6979. Signatures are
//! accepted with a low `s` only (EIP-2), so that nobody can make a second one out of a first.

use std::sync::LazyLock;

use ::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use ::secp256k1::{All, Message, Secp256k1};
use zeroize::Zeroizing;

use crate::{Digest32, keccak256};

/// Tables of the library, made once.
static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// Half of the group's order: the highest `s` that we accept.
const S_MAX: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A secret key. Its bytes are overwritten when it is dropped.
pub struct SecretKey {
    secret: ::secp256k1::SecretKey,
    public: PublicKey,
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretKey of {:?}", self.public)
    }
}

impl SecretKey {
    /// From 32 bytes, big-endian. `None`: zero, or not less than the group's order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let secret = ::secp256k1::SecretKey::from_byte_array(*bytes).ok()?;
        Some(Self { public: PublicKey(secret.public_key(&CURVE)), secret })
    }

    /// The secret itself.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.secret_bytes())
    }

    /// This key plus `tweak`, modulo the group's order (BIP-32's derivation). `None`: the sum is no key.
    #[must_use]
    pub fn add(&self, tweak: &[u8; 32]) -> Option<Self> {
        let tweak = ::secp256k1::Scalar::from_be_bytes(*tweak).ok()?;
        let secret = self.secret.add_tweak(&tweak).ok()?;
        Some(Self { public: PublicKey(secret.public_key(&CURVE)), secret })
    }

    /// The key that others know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature of a digest; the same each time, with a low `s`.
    #[must_use]
    pub fn sign(&self, digest: &Digest32) -> Signature {
        let signature = CURVE.sign_ecdsa_recoverable(Message::from_digest(*digest), &self.secret);
        let (id, bytes) = signature.serialize_compact();
        let mut signature = Signature { r: [0; 32], s: [0; 32], parity: 0 };
        let (r, s) = bytes.split_at(32);
        signature.r.copy_from_slice(r);
        signature.s.copy_from_slice(s);
        signature.parity = u8::from(matches!(id, RecoveryId::One | RecoveryId::Three));
        signature
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(::secp256k1::PublicKey);

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PublicKey {}", self.0)
    }
}

impl PublicKey {
    /// From 33 (compressed) or 65 bytes. `None`: no point of the curve.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        ::secp256k1::PublicKey::from_slice(bytes).ok().map(Self)
    }

    /// 0x02 or 0x03, and x.
    #[must_use]
    pub fn compressed(&self) -> [u8; 33] {
        self.0.serialize()
    }

    /// 0x04, x and y.
    #[must_use]
    pub fn uncompressed(&self) -> [u8; 65] {
        self.0.serialize_uncompressed()
    }

    /// The last 20 bytes of Keccak-256 over x and y: what addresses of TRON and Ethereum hold.
    #[must_use]
    pub fn hash20(&self) -> [u8; 20] {
        let [_, point @ ..] = self.0.serialize_uncompressed();
        let [_, _, _, _, _, _, _, _, _, _, _, _, hash @ ..] = keccak256(&point);
        hash
    }

    /// Whether `signature` is this key's signature of `digest`. Faster than to recover the key.
    #[must_use]
    pub fn verify(&self, digest: &Digest32, signature: &Signature) -> bool {
        let compact = signature.compact();
        signature.is_canonical()
            && ::secp256k1::ecdsa::Signature::from_compact(&compact).is_ok_and(|signature| {
                CURVE.verify_ecdsa(Message::from_digest(*digest), &signature, &self.0).is_ok()
            })
    }
}

/// A recoverable signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature {
    /// x of the nonce's point, big-endian.
    pub r: [u8; 32],
    /// The proof, big-endian.
    pub s: [u8; 32],
    /// Whether y of the nonce's point is odd: 0 or 1.
    pub parity: u8,
}

/// Why bytes are no signature that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 65 bytes.
    #[error("a signature has 65 bytes, not {0}")]
    Length(usize),
    /// The last byte is none of 0, 1, 27, 28.
    #[error("a signature ends in 0, 1, 27 or 28, not {0}")]
    Recovery(u8),
    /// `s` is above half of the group's order, or a part is zero.
    #[error("the signature is malleable")]
    Malleable,
}

impl Signature {
    /// From 65 bytes: r, s, and 0, 1, 27 or 28.
    ///
    /// # Errors
    /// Another length or last byte, or a signature of which anybody could make a second one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let &[ref r_s @ .., v] =
            <&[u8; 65]>::try_from(bytes).map_err(|_length| SignatureError::Length(bytes.len()))?;
        let parity = match v {
            0 | 27 => 0,
            1 | 28 => 1,
            other => return Err(SignatureError::Recovery(other)),
        };
        let mut signature = Self { r: [0; 32], s: [0; 32], parity };
        let (r, s) = r_s.split_at(32);
        signature.r.copy_from_slice(r);
        signature.s.copy_from_slice(s);
        if signature.is_canonical() { Ok(signature) } else { Err(SignatureError::Malleable) }
    }

    fn is_canonical(&self) -> bool {
        self.s <= S_MAX && self.s != [0; 32] && self.r != [0; 32]
    }

    fn compact(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (r, s) = bytes.split_at_mut(32);
        r.copy_from_slice(&self.r);
        s.copy_from_slice(&self.s);
        bytes
    }

    /// r, s, and 27 or 28.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 65] {
        let mut bytes = [27 + self.parity; 65];
        let (r_s, _) = bytes.split_at_mut(64);
        r_s.copy_from_slice(&self.compact());
        bytes
    }

    /// The key that made this signature of `digest`, if any did.
    #[must_use]
    pub fn recover(&self, digest: &Digest32) -> Option<PublicKey> {
        let id = if self.parity == 0 { RecoveryId::Zero } else { RecoveryId::One };
        let signature = RecoverableSignature::from_compact(&self.compact(), id).ok()?;
        if !self.is_canonical() {
            return None;
        }
        CURVE.recover_ecdsa(Message::from_digest(*digest), &signature).ok().map(PublicKey)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn neither_zero_nor_the_order_is_a_key() {
        assert!(SecretKey::from_bytes(&[0; 32]).is_none());
        assert!(SecretKey::from_bytes(&[0xff; 32]).is_none());
    }

    #[test]
    fn the_second_signature_that_anybody_could_make_is_refused() {
        // n - s, with the other parity, satisfies the equation as well.
        const ORDER: [u8; 32] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c,
            0xd0, 0x36, 0x41, 0x41,
        ];
        let digest = keccak256(b"one meaning");
        let mut signature = key(1).sign(&digest);
        let mut borrow = 0_i16;
        for i in (0..32).rev() {
            let mut digit = i16::from(ORDER[i]) - i16::from(signature.s[i]) - borrow;
            borrow = i16::from(digit < 0);
            if digit < 0 {
                digit += 256;
            }
            signature.s[i] = u8::try_from(digit).unwrap();
        }
        signature.parity ^= 1;
        assert_eq!(Signature::from_bytes(&signature.to_bytes()), Err(SignatureError::Malleable));
        assert!(!key(1).public().verify(&digest, &signature));
        assert_eq!(signature.recover(&digest), None);
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies_recovers_and_survives_its_bytes(
            secret in any::<[u8; 32]>(), digest in any::<[u8; 32]>(), other in any::<[u8; 32]>(),
        ) {
            let Some(key) = SecretKey::from_bytes(&secret) else { return Ok(()) };
            let signature = key.sign(&digest);
            prop_assert!(key.public().verify(&digest, &signature));
            prop_assert_eq!(signature.recover(&digest), Some(key.public()));
            prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
            prop_assert_eq!(PublicKey::from_bytes(&key.public().compressed()), Some(key.public()));
            if digest != other {
                prop_assert!(!key.public().verify(&other, &signature));
            }
        }

        #[test]
        fn any_bytes_are_a_signature_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(signature) = Signature::from_bytes(&bytes) {
                prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
                if let Some(key) = signature.recover(&[7; 32]) {
                    prop_assert!(key.verify(&[7; 32], &signature));
                }
            }
        }
    }
}
