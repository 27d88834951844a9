//! Making what is verified durable, and recording it.
//!
//! Source: architecture rule 8 (data, sync, have-bit).

use std::collections::BTreeSet;

use base::{BufPool, FileIndex, Instant, PieceIndex};

use super::{JobUse, Output, State, Store};
use crate::durability::Next;
use crate::job::{DiskError, DiskErrorKind, FileStamp, HashPart, JobKind, ResumeRecord};

impl Store {
    pub(super) fn on_synced(
        &mut self,
        result: Result<Vec<FileStamp>, DiskError>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        match result {
            Ok(stamps) => {
                self.on_looked(stamps, now, pool);
                self.durability.on_synced();
            }
            Err(error)
                if self.spec.writable
                    && matches!(error.kind, DiskErrorKind::Full | DiskErrorKind::NotFound) =>
            {
                self.on_sync_refused(error, now, pool);
            }
            // The kernel may have dropped what it could not write: nothing since the last good
            // sync may be believed, so this run of the torrent is over.
            Err(error) => self.fail(error, pool),
        }
    }

    pub(super) fn make_durable(&mut self, now: Instant) {
        let stopping = match self.state {
            State::Opening | State::Closed => return,
            State::Checking(_) | State::Ready => false,
            State::Stopping => true,
        };
        let writing = || self.jobs.values().any(|job| matches!(job, JobUse::Write { .. }));
        if (self.retry_at.is_some() && !stopping) || (stopping && writing()) {
            return;
        }
        while let Some(next) = self.durability.next_step(now, self.settle || stopping) {
            match next {
                Next::Sync(pieces) => {
                    let files = self.files_of(&pieces);
                    self.watch.on_look();
                    self.job(JobKind::Sync { files }, JobUse::Sync);
                }
                Next::Commit => {
                    let record = Box::new(self.record());
                    self.job(JobKind::Commit { record }, JobUse::Commit);
                }
            }
        }
        if !self.durability.is_settled() {
            return;
        }
        self.drop_part_file();
        if self.settle && !self.settled_said && matches!(self.state, State::Ready) {
            self.settled_said = true;
            self.outputs.push_back(Output::Settled);
        }
        if stopping && self.jobs.is_empty() {
            self.job(JobKind::Close, JobUse::Close);
        }
    }

    pub(super) fn record(&mut self) -> ResumeRecord {
        self.totals_recorded = self.totals;
        let (downloaded_bytes, uploaded_bytes) = self.totals();
        let checked_to = match &self.state {
            State::Checking(recheck) => recheck.cursor(),
            State::Opening | State::Ready | State::Stopping | State::Closed => self.have.len(),
        };
        // Found by `test/sim`, failing syncs: what is there and not durable yet was taken for
        // compared and missing, and a seed never looked at it again.
        let durable = self.durability.durable();
        let unsure = self.have.differences(durable).find(|&piece| self.have.has(piece));
        let checked_to = unsure.map_or(checked_to, |piece| checked_to.min(piece.0));
        ResumeRecord {
            info_hash: self.spec.info_hash,
            root: self.spec.root.clone(),
            have: self.durability.durable().as_bytes().to_vec(),
            stamps: self.stamps.clone(),
            writing: self.spec.writable
                && !self.durability.durable().includes(&self.part.wanted)
                && !matches!(self.state, State::Stopping),
            checked_to,
            downloaded_bytes,
            uploaded_bytes,
            was_complete: self.was_complete || self.durability.durable().is_full(),
        }
    }

    pub(super) fn files_of(&self, pieces: &[PieceIndex]) -> Vec<FileIndex> {
        let files: BTreeSet<FileIndex> = pieces
            .iter()
            .flat_map(|&piece| self.spec.layout.piece_parts(piece))
            .filter_map(|part| match part {
                HashPart::File(extent) => Some(extent.file),
                HashPart::Zeros(_) => None,
            })
            .collect();
        files.into_iter().collect()
    }
}
