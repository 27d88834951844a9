//! SHA-1, resumable between runs of a piece.
//!
//! Source: BEP 3 (info-hash, piece hashes), FIPS 180-4 section 6.1.
//! SHA-1 is broken for collisions; BitTorrent v1 leaves no choice. A torrent's author can make
//! two contents of one info-hash, a stranger cannot.

use crate::stream::{self, Block, Rounds, Stream};

/// A SHA-1 digest: 20 raw bytes.
pub type Digest20 = [u8; 20];

/// A SHA-1 computation in progress. Cloning saves the state between runs of a piece.
#[derive(Clone)]
pub struct Sha1(pub(crate) Stream<5>);

impl Rounds for [u32; 5] {
    const INITIAL: Self = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress(&mut self, blocks: &[Block]) {
        ::sha1::block_api::compress(self, blocks);
    }
}

impl Default for Sha1 {
    fn default() -> Self {
        Self(Stream::new())
    }
}

impl core::fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sha1 of {} bytes", self.0.length_bytes())
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
        stream::digest(self.0.finish())
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
    use ::sha1::Digest as _;

    use super::*;

    #[test]
    fn abc_gives_the_digest_of_fips_180() {
        let expected = [
            0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
            0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d,
        ];
        assert_eq!(sha1(b"abc"), expected);
    }

    #[test]
    fn every_length_around_the_padding_agrees_with_the_reference() {
        let bytes: Vec<u8> = (0..300_u16).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for length in 0..bytes.len() {
            let expected: Digest20 = ::sha1::Sha1::digest(&bytes[..length]).into();
            assert_eq!(sha1(&bytes[..length]), expected, "{length}");
        }
    }
}
