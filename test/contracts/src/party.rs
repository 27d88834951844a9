//! Keys with names.

use keys::secp256k1::SecretKey;
use keys::{Digest32, keccak256};
use revm::primitives::Address;

/// Somebody with a key; the same for the same name.
#[derive(Debug)]
pub struct Party {
    /// Who it is, for messages.
    pub name: String,
    /// The address of its key.
    pub address: Address,
    key: SecretKey,
}

impl Party {
    /// The party of that name.
    ///
    /// # Panics
    /// Never in practice: if the hash of the name is no key.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let key = SecretKey::from_bytes(&keccak256(name.as_bytes())).expect("nearly all are keys");
        Self { name: name.to_owned(), address: Address::from(key.public().hash20()), key }
    }

    /// A signature in the form that contracts take: r, s, 27 or 28.
    #[must_use]
    pub fn sign(&self, digest: &Digest32) -> Vec<u8> {
        self.key.sign(digest).to_bytes().to_vec()
    }

    /// The secret, for chains that hold keys of their own.
    #[must_use]
    pub fn key(&self) -> &SecretKey {
        &self.key
    }
}
