//! The part file in the life of a store: given back from at the start, deleted when of no use.
//!
//! Nothing here is trusted: what came out of the part file is compared with its digest before it
//! is claimed, as whatever else no record vouches for, and the part file stays until the record
//! says that its bytes are durable elsewhere. A crash in between costs at most the pieces at the
//! edges of the files that came back.

use base::{Bitfield, FileIndex, Instant, PieceIndex};

use super::{JobUse, State, Store};
use crate::job::{FileStamp, JobKind, ResumeRecord};

/// What a store knows of its part file.
#[derive(Debug)]
pub(super) struct PartFile {
    /// The pieces that hold bytes of wanted files.
    pub(super) wanted: Bitfield,
    /// It is there, and nothing in it is needed.
    obsolete: bool,
}

impl PartFile {
    pub(super) fn new(wanted: Bitfield) -> Self {
        Self { wanted, obsolete: false }
    }
}

impl Store {
    /// The files were looked at. Those that were skipped before and are wanted now first get back
    /// what the part file has of them.
    pub(super) fn on_looked(
        &mut self,
        stamps: Vec<FileStamp>,
        resume: Option<Box<ResumeRecord>>,
        now: Instant,
    ) {
        if !matches!(self.state, State::Opening) {
            return;
        }
        let layout = &mut self.spec.layout;
        let lengths = layout.lengths();
        let mut present: Vec<FileIndex> = stamps
            .iter()
            .filter(|stamp| lengths.get(stamp.file.0 as usize) <= Some(&stamp.length_bytes))
            .map(|stamp| stamp.file)
            .collect();
        present.sort_unstable();
        let is_present = |file: FileIndex| present.binary_search(&file).is_ok();
        layout.put_aside(self.spec.writable, is_present);
        let has_part = layout.part_file().is_some_and(is_present);
        let record = resume.as_deref().filter(|_| !self.spec.recheck);
        let had = record.map(|record| Bitfield::from_bytes(&record.have, layout.piece_count()));
        let had = |piece: PieceIndex| match &had {
            Some(Some(bits)) => bits.has(piece),
            Some(None) | None => true,
        };
        let ranges = if has_part && self.spec.writable {
            layout.restorable(|file| !is_present(file), had)
        } else {
            Vec::new()
        };
        if ranges.is_empty() {
            return self.on_opened(stamps, resume, now);
        }
        self.opened = Some((stamps, resume));
        self.job(JobKind::Copy { ranges }, JobUse::Copy);
    }

    /// The copies are made. If not, nothing of those files counts as there: their pieces are
    /// fetched again, and what is wrong with the disk is told when they are written.
    pub(super) fn on_copied(&mut self, stamps: Option<Vec<FileStamp>>, now: Instant) {
        let Some((before, resume)) = self.opened.take() else { return };
        self.on_opened(stamps.unwrap_or(before), resume, now);
    }

    /// Everything is compared: is the part file of any use?
    pub(super) fn judge_part_file(&mut self) {
        let layout = &self.spec.layout;
        let Some(part) = layout.part_file().filter(|_| self.spec.writable) else { return };
        let exists = self.stamps.iter().any(|stamp| stamp.file == part);
        let of_use = |piece| self.part.wanted.has(piece) || self.have.has(piece);
        self.part.obsolete = exists && !layout.pieces_in_part().any(of_use);
    }

    /// Everything is durable and recorded: a part file of no use goes.
    pub(super) fn drop_part_file(&mut self) {
        if let Some(file) = self.spec.layout.part_file()
            && matches!(self.state, State::Ready)
            && core::mem::take(&mut self.part.obsolete)
        {
            self.job(JobKind::Remove { file }, JobUse::RemovePart);
        }
    }
}
