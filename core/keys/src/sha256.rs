//! SHA-256.
//!
//! Source: BEP 52 (info-hash, Merkle trees), FIPS 180-4 section 6.2.

use ::sha2::Digest as _;

/// A SHA-256 digest: 32 raw bytes.
pub type Digest32 = [u8; 32];

/// A SHA-256 computation in progress. Cloning saves the state.
#[derive(Clone, Debug, Default)]
pub struct Sha256(::sha2::Sha256);

impl Sha256 {
    /// An empty computation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest32 {
        self.0.finalize().into()
    }
}

/// The digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest32 {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}
