//! What a piece hashed to, and what follows: it is right, wrong, or the torrent is; who sent which block is
//! told from its leaves, and peers get them (BEP 52).

use base::{BlockId, BufPool, Instant, PieceIndex};
use keys::{Kinds, PieceDigest, PieceHash};

use super::{JobUse, Output, State, Store};
use crate::autopsy::Autopsy;
use crate::digests::Verdict;
use crate::job::{DiskError, DiskErrorKind, JobKind};

impl Store {
    /// All of a piece is written and hashed. `certain`: from memory, so that nobody but its
    /// senders can be to blame.
    pub(super) fn on_assembled(
        &mut self,
        piece: PieceIndex,
        digest: &PieceDigest,
        certain: bool,
        now: Instant,
        pool: &mut BufPool,
    ) {
        match self.spec.digests.judge(piece, digest) {
            Verdict::Right => {
                self.assemblies.remove(&piece);
                self.have.set(piece);
                self.settled_said = false;
                self.durability.on_verified(piece, self.spec.layout.piece_bytes(piece), now);
                self.outputs.push_back(Output::PieceDone(piece));
                if self.failed.remove(&piece) {
                    self.examine(piece, false, digest);
                }
            }
            Verdict::Wrong => {
                self.give_up(piece, pool);
                self.failed.insert(piece);
                if certain {
                    self.examine(piece, true, digest);
                } else {
                    self.outputs.push_back(Output::PieceFailed(piece, Vec::new()));
                }
            }
            Verdict::Contradiction if certain => self.fail(self.contradiction(piece), pool),
            // Somebody changed what was read back, between one digest and the other.
            Verdict::Contradiction => {
                self.give_up(piece, pool);
                self.outputs.push_back(Output::PieceFailed(piece, Vec::new()));
            }
        }
    }

    /// Looks at a piece block by block. One that failed is given free for a new download only
    /// then, which would overwrite it. If its leaves were hashed, there is nothing left to look at.
    fn examine(&mut self, piece: PieceIndex, failed: bool, digest: &PieceDigest) {
        if self.spec.digests.kinds().v2 {
            let leaves = digest.leaves.iter().copied().map(Some).collect();
            self.outputs.push_back(match failed {
                true => Output::PieceFailed(piece, leaves),
                false => Output::PieceExamined(piece, leaves),
            });
            return;
        }
        let autopsy = Autopsy::new(self.spec.layout.sizes().fetched_of(piece), failed);
        self.autopsies.insert(piece, autopsy);
        self.examine_more(piece);
    }

    fn examine_more(&mut self, piece: PieceIndex) {
        let next = |store: &mut Self| store.autopsies.get_mut(&piece)?.next_block();
        while let Some((offset_bytes, length_bytes)) = next(self) {
            let parts = self.spec.layout.parts(BlockId { piece, offset_bytes, length_bytes });
            let hash = PieceHash::new(Kinds { v1: false, v2: true });
            let kind = JobKind::Hash { parts, hash };
            self.job(kind, JobUse::Autopsy { piece, offset_bytes });
        }
    }

    pub(super) fn on_block_hashed(
        &mut self,
        piece: PieceIndex,
        offset_bytes: u32,
        result: Result<PieceHash, DiskError>,
    ) {
        let Some(autopsy) = self.autopsies.get_mut(&piece) else { return };
        let leaf = result.ok().and_then(|hash| hash.finish().leaves.first().copied());
        autopsy.on_hashed(offset_bytes, leaf);
        if !autopsy.is_done() {
            return self.examine_more(piece);
        }
        let Some(autopsy) = self.autopsies.remove(&piece) else { return };
        self.outputs.push_back(match autopsy.into_findings() {
            (true, digests) => Output::PieceFailed(piece, digests),
            (false, digests) => Output::PieceExamined(piece, digests),
        });
    }

    /// Hashes all of a piece.
    pub(super) fn hash_piece(&mut self, piece: PieceIndex, used_for: JobUse) {
        let parts = self.spec.layout.piece_parts(piece);
        let hash = PieceHash::new(self.spec.digests.kinds());
        self.job(JobKind::Hash { parts, hash }, used_for);
    }

    /// No bytes will ever do for both halves of the torrent.
    pub(super) fn contradiction(&self, piece: PieceIndex) -> DiskError {
        let file = self.spec.layout.first_file_of(piece);
        DiskError {
            operation: "use",
            path: self.spec.root.join(&self.spec.layout.file(file).path),
            kind: DiskErrorKind::Contradiction,
            message: format!(
                "the torrent contradicts itself: piece {} is right by one of its two versions and wrong by the other",
                piece.0
            ),
        }
    }

    /// Asks what the leaves of a piece that we have hash to (BEP 52).
    pub fn hash_leaves(&mut self, key: u64, piece: PieceIndex) {
        let able = matches!(self.state, State::Ready)
            && self.have.has(piece)
            && self.spec.digests.kinds().v2
            && !self.watch.is_doubted(piece);
        if !able {
            return self.outputs.push_back(Output::Leaves { key, leaves: Vec::new() });
        }
        let parts = self.spec.layout.piece_parts(piece);
        let hash = PieceHash::new(Kinds { v1: false, v2: true });
        self.job(JobKind::Hash { parts, hash }, JobUse::Leaves { key, piece });
    }

    /// The leaves of a piece that we have were hashed for a peer. If they are not right any more,
    /// somebody changed the file.
    pub(super) fn on_leaves_hashed(
        &mut self,
        key: u64,
        piece: PieceIndex,
        result: Result<PieceHash, DiskError>,
        now: Instant,
    ) {
        let leaves = result.map(|hash| hash.finish().leaves).unwrap_or_default();
        let trees = self.spec.digests.trees();
        let right = trees.is_some_and(|trees| trees.matches(piece.0, &leaves));
        if !right && matches!(self.state, State::Ready) {
            self.doubt_piece(piece);
            self.compare_more(now);
        }
        let leaves = if right { leaves } else { Vec::new() };
        self.outputs.push_back(Output::Leaves { key, leaves });
    }
}
