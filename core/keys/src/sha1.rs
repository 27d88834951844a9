//! SHA-1, resumable between runs of a piece, and two streams at once.
//!
//! Source: BEP 3 (info-hash, piece hashes), FIPS 180-4 section 6.1.
//! SHA-1 is broken for collisions; BitTorrent v1 leaves no choice. A torrent's author can make
//! two contents of one info-hash, a stranger cannot.
//!
//! The CPU's SHA instructions wait for their own results. [`Sha1::update_pair`] fills the gaps
//! with a second stream, 1.2 times the bytes per second on one core where it was measured, and
//! pieces are independent, so that there is always a second one in a download. The `sha1` crate does all that is not paired.

#[cfg(target_arch = "x86_64")]
mod pair;

/// A SHA-1 digest: 20 raw bytes.
pub type Digest20 = [u8; 20];

const BLOCK: usize = 64;

/// A SHA-1 computation in progress. Cloning saves the state between runs of a piece.
///
/// Invariant: `buffered` is the number of bytes in `buffer`, less than a block.
#[derive(Clone)]
pub struct Sha1 {
    state: [u32; 5],
    length_bytes: u64,
    buffer: [u8; BLOCK],
    buffered: usize,
}

impl Default for Sha1 {
    fn default() -> Self {
        Self {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0],
            length_bytes: 0,
            buffer: [0; BLOCK],
            buffered: 0,
        }
    }
}

impl core::fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sha1 of {} bytes", self.length_bytes)
    }
}

impl Sha1 {
    /// An empty computation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = self.align(bytes).as_chunks::<BLOCK>();
        self.length_bytes += (blocks.len() * BLOCK) as u64;
        ::sha1::block_api::compress(&mut self.state, blocks);
        self.keep(rest);
    }

    /// Adds `first` to `self` and `second` to `other`. Same result as two updates, faster when
    /// both are long and of about the same length.
    pub fn update_pair(&mut self, first: &[u8], other: &mut Self, second: &[u8]) {
        let (first, second) = (self.align(first), other.align(second));
        let both = first.len().min(second.len()) / BLOCK;
        let (a, first) = first.split_at(both * BLOCK);
        let (b, second) = second.split_at(both * BLOCK);
        compress_pair(&mut self.state, a.as_chunks().0, &mut other.state, b.as_chunks().0);
        self.length_bytes += a.len() as u64;
        other.length_bytes += b.len() as u64;
        self.update(first);
        other.update(second);
    }

    /// Completes a block begun earlier with the start of `bytes`; returns what is left of them.
    fn align<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.buffered == 0 {
            return bytes;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.buffered));
        self.keep(head);
        rest
    }

    /// Buffers less than what completes a block, or exactly that.
    fn keep(&mut self, bytes: &[u8]) {
        let end = self.buffered + bytes.len();
        self.buffer[self.buffered..end].copy_from_slice(bytes);
        self.length_bytes += bytes.len() as u64;
        self.buffered = end;
        if end == BLOCK {
            ::sha1::block_api::compress(&mut self.state, &[self.buffer]);
            self.buffered = 0;
        }
    }

    /// The digest of all bytes added.
    pub fn finish(mut self) -> Digest20 {
        let bits = self.length_bytes * 8;
        self.keep(&[0x80]);
        if self.buffered > BLOCK - 8 {
            self.keep(&[0; BLOCK][self.buffered..]);
        }
        self.keep(&[0; BLOCK][self.buffered..BLOCK - 8]);
        self.keep(&bits.to_be_bytes());
        let mut digest = [0; 20];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// Compresses as many blocks of `a` as of `b`.
fn compress_pair(
    a: &mut [u32; 5],
    a_blocks: &[[u8; BLOCK]],
    b: &mut [u32; 5],
    b_blocks: &[[u8; BLOCK]],
) {
    #[cfg(target_arch = "x86_64")]
    if pair::compress(a, a_blocks, b, b_blocks) {
        return;
    }
    ::sha1::block_api::compress(a, a_blocks);
    ::sha1::block_api::compress(b, b_blocks);
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
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    /// The `sha1` crate's digest, computed by its own buffering.
    fn reference(bytes: &[u8]) -> Digest20 {
        ::sha1::Sha1::digest(bytes).into()
    }

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
            assert_eq!(sha1(&bytes[..length]), reference(&bytes[..length]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_split_and_any_pairing_agrees_with_the_reference(
            a in prop::collection::vec(any::<u8>(), 0..2000),
            b in prop::collection::vec(any::<u8>(), 0..2000),
            cuts in prop::collection::vec((0_usize..400, 0_usize..400, any::<bool>()), 0..12),
        ) {
            let (mut left, mut right) = (Sha1::new(), Sha1::new());
            let (mut a_rest, mut b_rest) = (&a[..], &b[..]);
            for (a_cut, b_cut, paired) in cuts {
                let (a_now, a_later) = a_rest.split_at(a_cut.min(a_rest.len()));
                let (b_now, b_later) = b_rest.split_at(b_cut.min(b_rest.len()));
                if paired {
                    left.update_pair(a_now, &mut right, b_now);
                } else {
                    left.update(a_now);
                    right.update(b_now);
                }
                (a_rest, b_rest) = (a_later, b_later);
            }
            left.update_pair(a_rest, &mut right, b_rest);
            prop_assert_eq!(left.finish(), reference(&a));
            prop_assert_eq!(right.finish(), reference(&b));
        }
    }
}
