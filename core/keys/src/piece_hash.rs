//! What the bytes of one piece hash to: SHA-1 of all (BEP 3), SHA-256 of each leaf (BEP 52), or both.
//!
//! The state is small, resumable between runs, and knows nothing of where the piece lies. [`feed`] adds to
//! several pieces at once, which is several times faster than one after the other; the leaves of one piece
//! are several at once already.

use crate::engine::Engine;
use crate::lanes::{self, Pass};
use crate::merkle::LEAF_BYTES;
use crate::stream::{self, Stream};
use crate::{Digest20, Digest32, Sha1};

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
    /// Boxed, so that version 1 does not carry the room for it through every queue.
    leaves: Option<Box<Leaves>>,
}

#[derive(Clone)]
struct Leaves {
    done: Vec<Digest32>,
    /// Less than a leaf.
    current: Stream<8>,
}

impl core::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} leaves and {} bytes", self.done.len(), self.current.length_bytes())
    }
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
        let leaves = || Box::new(Leaves { done: Vec::new(), current: Stream::new() });
        Self { sha1: kinds.v1.then(Sha1::new), leaves: kinds.v2.then(leaves) }
    }

    /// What is computed.
    pub fn kinds(&self) -> Kinds {
        Kinds { v1: self.sha1.is_some(), v2: self.leaves.is_some() }
    }

    /// Adds content.
    pub fn update(&mut self, bytes: &[u8]) {
        feed(&mut [Feed { hash: self, parts: vec![bytes] }]);
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
            if leaves.current.length_bytes() > 0 {
                leaves.done.push(stream::digest(leaves.current.finish()));
            }
            leaves.done
        });
        PieceDigest { sha1: self.sha1.map(Sha1::finish), leaves: leaves.unwrap_or_default() }
    }
}

/// How many pieces of version 1 [`feed`] hashes at once at best. Leaves of version 2 are many in one piece.
pub fn lanes() -> usize {
    lanes::width::<5>(Engine::current())
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
    feed_by(Engine::current(), feeds);
}

pub(crate) fn feed_by(engine: Engine, feeds: &mut [Feed<'_>]) {
    feed_sha1(engine, feeds);
    feed_leaves(engine, feeds);
}

fn feed_sha1(engine: Engine, feeds: &mut [Feed<'_>]) {
    let mut pass = Pass::new(feeds.len());
    for feed in feeds.iter() {
        let Some(sha1) = &feed.hash.sha1 else { continue };
        pass.begin(sha1.0.clone());
        for part in &feed.parts {
            pass.add(part);
        }
    }
    let fed = feeds.iter_mut().filter_map(|feed| feed.hash.sha1.as_mut());
    for (sha1, stream) in fed.zip(pass.run(engine)) {
        sha1.0 = stream;
    }
}

fn feed_leaves(engine: Engine, feeds: &mut [Feed<'_>]) {
    let asked = feeds.iter().filter(|feed| feed.hash.leaves.is_some());
    let full = |feed: &Feed<'_>| {
        let bytes: usize = feed.parts.iter().map(|part| part.len()).sum();
        bytes / LEAF_BYTES as usize + 1
    };
    let mut pass = Pass::new(asked.map(full).sum());
    for feed in feeds.iter() {
        let Some(leaves) = &feed.hash.leaves else { continue };
        pass.begin(leaves.current.clone());
        let mut room = LEAF_BYTES as usize - filled(&leaves.current);
        for part in &feed.parts {
            let mut rest = *part;
            while rest.len() >= room {
                let (now, later) = rest.split_at(room);
                pass.add(now);
                pass.end();
                pass.begin(Stream::new());
                rest = later;
                room = LEAF_BYTES as usize;
            }
            pass.add(rest);
            room -= rest.len();
        }
    }
    let mut streams = pass.run(engine);
    for leaves in feeds.iter_mut().filter_map(|feed| feed.hash.leaves.as_mut()) {
        for stream in streams.by_ref() {
            if filled(&stream) < LEAF_BYTES as usize {
                leaves.current = stream;
                break;
            }
            leaves.done.push(stream::digest(stream.state));
        }
    }
}

fn filled(leaf: &Stream<8>) -> usize {
    usize::try_from(leaf.length_bytes()).expect("at most a leaf")
}
