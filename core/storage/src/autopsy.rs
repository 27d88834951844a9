//! What each block of a piece looked like, to tell later which of them were wrong.
//!
//! Source: our own design; libtorrent calls the idea "smart ban". A piece that fails its digest
//! says nothing about its blocks. So the blocks of a failed piece are hashed one by one, from the
//! page cache and before any of them is fetched anew, and once more when the piece has come out
//! right: a block whose two digests differ was wrong, whoever sent it.

use base::BLOCK_BYTES;
use keys::Digest32;

/// Jobs of one piece under way at once: they share the queue with writes that users wait for.
const IN_FLIGHT_MAX: usize = 4;

/// SHA-256 of each block of a piece in order, which are its leaves (BEP 52); `None` for one that could not be read.
pub type BlockDigests = Vec<Option<Digest32>>;

/// One piece being looked at.
#[derive(Debug)]
pub struct Autopsy {
    length_bytes: u32,
    /// The piece did not match its digest.
    failed: bool,
    next_offset: u32,
    in_flight: usize,
    digests: BlockDigests,
}

impl Autopsy {
    /// Begins with a piece of `length_bytes` that `failed`, or that came right after it had.
    pub fn new(length_bytes: u32, failed: bool) -> Self {
        let blocks = length_bytes.div_ceil(BLOCK_BYTES) as usize;
        Self { length_bytes, failed, next_offset: 0, in_flight: 0, digests: vec![None; blocks] }
    }

    /// Offset and length of the next block to be hashed, if another may be under way.
    pub fn next_block(&mut self) -> Option<(u32, u32)> {
        if self.in_flight == IN_FLIGHT_MAX || self.next_offset >= self.length_bytes {
            return None;
        }
        let offset_bytes = self.next_offset;
        let length_bytes = BLOCK_BYTES.min(self.length_bytes - offset_bytes);
        self.next_offset += length_bytes;
        self.in_flight += 1;
        Some((offset_bytes, length_bytes))
    }

    /// The block at `offset_bytes` was hashed, or could not be read.
    pub fn on_hashed(&mut self, offset_bytes: u32, digest: Option<Digest32>) {
        self.in_flight -= 1;
        self.digests[(offset_bytes / BLOCK_BYTES) as usize] = digest;
    }

    /// Whether every block was looked at.
    pub fn is_done(&self) -> bool {
        self.in_flight == 0 && self.next_offset >= self.length_bytes
    }

    /// Whether the piece failed, and what was found.
    pub fn into_findings(self) -> (bool, BlockDigests) {
        (self.failed, self.digests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_looked_at_once_and_few_at_a_time() {
        let mut autopsy = Autopsy::new(5 * BLOCK_BYTES + 7, true);
        let mut open = Vec::new();
        let mut seen = Vec::new();
        while !autopsy.is_done() {
            while let Some((offset, length)) = autopsy.next_block() {
                open.push(offset);
                seen.push((offset / BLOCK_BYTES, length));
            }
            assert!(open.len() <= IN_FLIGHT_MAX);
            let offset = open.pop().unwrap();
            autopsy.on_hashed(offset, (offset > 0).then_some([1; 32]));
        }
        let lengths = [BLOCK_BYTES; 5].into_iter().chain([7]);
        assert_eq!(seen, (0..).zip(lengths).collect::<Vec<_>>());
        let (failed, digests) = autopsy.into_findings();
        assert!(failed);
        assert_eq!(digests.iter().filter(|digest| digest.is_none()).count(), 1);
    }
}
