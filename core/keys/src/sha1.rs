//! SHA-1, one stream, resumable between runs of a piece.
//!
//! Source: BEP 3 (info-hash, piece hashes), FIPS 180-4 section 6.1.
//! SHA-1 is broken for collisions; BitTorrent v1 leaves no choice. A torrent's author can make
//! two contents of one info-hash, a stranger cannot.

use ::sha1::Digest as _;

/// A SHA-1 digest: 20 raw bytes.
pub type Digest20 = [u8; 20];

/// A SHA-1 computation in progress. Cloning saves the state between runs of a piece.
#[derive(Clone, Default)]
pub struct Sha1(::sha1::Sha1);

impl core::fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sha1")
    }
}

impl Sha1 {
    /// An empty computation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest20 {
        self.0.finalize().into()
    }
}

/// The digest of `bytes`.
pub fn sha1(bytes: &[u8]) -> Digest20 {
    let mut hash = Sha1::new();
    hash.update(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abc_gives_the_digest_of_fips_180() {
        let mut hash = Sha1::new();
        hash.update(b"a");
        hash.clone().update(b"x");
        hash.update(b"bc");
        assert_eq!(
            hash.finish(),
            [
                0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
                0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d
            ]
        );
    }
}
