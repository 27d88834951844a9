//! What the bytes of one piece hash to: SHA-1 of all (BEP 3), SHA-256 of each leaf (BEP 52), or both.
//!
//! The state is small, resumable between runs, and knows nothing of where the piece lies.

use crate::merkle::LEAF_BYTES;
use crate::{Digest20, Digest32, Sha1, Sha256};

/// Which of the two a torrent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// SHA-1 of the whole piece.
    pub v1: bool,
    /// SHA-256 of each 16 KiB.
    pub v2: bool,
}

/// The hashes of one piece in progress. Cloning saves the state between runs.
#[derive(Clone, Debug)]
pub struct PieceHash {
    sha1: Option<Sha1>,
    leaves: Option<Leaves>,
}

#[derive(Clone, Debug, Default)]
struct Leaves {
    done: Vec<Digest32>,
    current: Sha256,
    /// Bytes in `current`, less than a leaf.
    filled: usize,
}

/// What a piece hashed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceDigest {
    /// SHA-1 of everything, if it was asked for.
    pub sha1: Option<Digest20>,
    /// SHA-256 of each leaf; empty if not asked for. The last one may be of a short leaf.
    pub leaves: Vec<Digest32>,
}

impl PieceHash {
    /// An empty computation.
    pub fn new(kinds: Kinds) -> Self {
        Self { sha1: kinds.v1.then(Sha1::new), leaves: kinds.v2.then(Leaves::default) }
    }

    /// Adds content.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        let Some(leaves) = &mut self.leaves else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LEAF_BYTES as usize - leaves.filled;
            let (now, later) = rest.split_at(room.min(rest.len()));
            leaves.current.update(now);
            leaves.filled += now.len();
            if leaves.filled == LEAF_BYTES as usize {
                leaves.end();
            }
            rest = later;
        }
    }

    /// Adds padding behind the content: zeros that SHA-1 covers and leaves do not.
    pub fn pad(&mut self, length_bytes: u64) {
        let Some(sha1) = &mut self.sha1 else { return };
        let zeros = [0; 4096];
        let mut left = length_bytes;
        while left > 0 {
            let now = left.min(zeros.len() as u64);
            sha1.update(&zeros[..usize::try_from(now).expect("small")]);
            left -= now;
        }
    }

    /// The digests of what was added.
    pub fn finish(self) -> PieceDigest {
        let leaves = self.leaves.map(|mut leaves| {
            if leaves.filled > 0 {
                leaves.end();
            }
            leaves.done
        });
        PieceDigest { sha1: self.sha1.map(Sha1::finish), leaves: leaves.unwrap_or_default() }
    }
}

impl Leaves {
    fn end(&mut self) {
        self.done.push(core::mem::take(&mut self.current).finish());
        self.filled = 0;
    }
}

/// Content for one piece, in order.
#[derive(Debug)]
pub struct Feed<'a> {
    /// Where it is added.
    pub hash: &'a mut PieceHash,
    /// What is added.
    pub parts: Vec<&'a [u8]>,
}

/// Adds content to several pieces, as [`PieceHash::update`] would one after the other.
pub fn feed(feeds: &mut [Feed<'_>]) {
    for feed in feeds {
        for part in &feed.parts {
            feed.hash.update(part);
        }
    }
}
