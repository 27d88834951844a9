//! SHA-256, resumable between parts of a leaf.
//!
//! Source: BEP 52 (info-hash, Merkle trees), FIPS 180-4 section 6.2.

use crate::stream::{self, Block, Rounds, Stream};

/// A SHA-256 digest: 32 raw bytes.
pub type Digest32 = [u8; 32];

/// A SHA-256 computation in progress. Cloning saves the state.
#[derive(Clone)]
pub struct Sha256(Stream<8>);

impl Rounds for [u32; 8] {
    const INITIAL: Self = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress(&mut self, blocks: &[Block]) {
        ::sha2::block_api::compress256(self, blocks);
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self(Stream::new())
    }
}

impl core::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sha256 of {} bytes", self.0.length_bytes())
    }
}

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
        stream::digest(self.0.finish())
    }
}

/// The digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest32 {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use ::sha2::Digest as _;

    use super::*;

    #[test]
    fn abc_gives_the_digest_of_fips_180() {
        let expected = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae,
            0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
            0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(sha256(b"abc"), expected);
    }

    #[test]
    fn every_length_around_the_padding_agrees_with_the_reference() {
        let bytes: Vec<u8> = (0..300_u16).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for length in 0..bytes.len() {
            let expected: Digest32 = ::sha2::Sha256::digest(&bytes[..length]).into();
            assert_eq!(sha256(&bytes[..length]), expected, "{length}");
        }
    }
}
