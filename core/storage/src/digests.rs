//! What the pieces of a torrent must hash to.

use std::sync::Arc;

use base::PieceIndex;
use keys::merkle::Forest;
use keys::{Digest20, Kinds, PieceDigest};

/// The digests of all pieces: SHA-1 of each (BEP 3), the trees of its files (BEP 52), or both. Cheap
/// to clone.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    v1: Option<Arc<[Digest20]>>,
    v2: Option<Arc<Forest>>,
}

/// What a piece turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what the torrent says.
    Right,
    /// It is not.
    Wrong,
    /// It is by one version of a hybrid, and is not by the other: no content has both digests, and the
    /// torrent's author is to blame.
    Contradiction,
}

impl Digests {
    /// Digests of version 1, version 2 or both.
    pub fn new(v1: Option<Arc<[Digest20]>>, v2: Option<Arc<Forest>>) -> Self {
        Self { v1, v2 }
    }

    /// Digests of version 1 alone.
    pub fn v1(pieces: impl Into<Arc<[Digest20]>>) -> Self {
        Self { v1: Some(pieces.into()), v2: None }
    }

    /// What has to be hashed.
    pub fn kinds(&self) -> Kinds {
        Kinds { v1: self.v1.is_some(), v2: self.v2.is_some() }
    }

    /// The trees of version 2.
    pub fn trees(&self) -> Option<&Arc<Forest>> {
        self.v2.as_ref()
    }

    /// Whether `piece` may be what hashed to `found`.
    pub fn judge(&self, piece: PieceIndex, found: &PieceDigest) -> Verdict {
        let v1 = self.v1.as_ref().map(|pieces| {
            found.sha1.is_some() && pieces.get(piece.0 as usize) == found.sha1.as_ref()
        });
        let v2 = self.v2.as_ref().map(|trees| trees.matches(piece.0, &found.leaves));
        match (v1, v2) {
            (Some(true), Some(false)) | (Some(false), Some(true)) => Verdict::Contradiction,
            (Some(true), _) | (None, Some(true)) => Verdict::Right,
            (Some(false), _) | (None, Some(false) | None) => Verdict::Wrong,
        }
    }
}
