//! What a store does when its files are not as it left them.
//!
//! Nothing is given away of a piece whose file somebody changed until the piece was compared with
//! its digest. A piece that is not right any more is not had any more.

use base::{BlockId, BufPool, FileIndex, Instant, PieceIndex};
use keys::PieceHash;

use super::{JobUse, Output, RETRY_AFTER, State, Store, files_in};
use crate::assembly::Assembly;
use crate::digests::Verdict;
use crate::job::{DiskError, DiskErrorKind, FileStamp, JobKind};
use crate::watch::{Doubt, Read};

impl Store {
    /// Asks that a range be made resident, once its piece is beyond doubt.
    pub(super) fn read(&mut self, read: Read) {
        if !self.have.has(read.range.piece) {
            let error = DiskError {
                operation: "read",
                path: self.spec.root.clone(),
                kind: DiskErrorKind::NotFound,
                message: "the piece is lost".into(),
            };
            self.outputs.push_back(Output::Resident { key: read.key, result: Err(error) });
        } else if self.watch.is_doubted(read.range.piece) {
            self.watch.wait(read);
        } else {
            let (extents, _) = self.spec.layout.write_plan(read.range);
            self.job(JobKind::MakeResident { extents }, JobUse::Resident(read));
        }
    }

    /// A range was made resident, or not; and this is what its files look like.
    pub(super) fn on_read(
        &mut self,
        read: Read,
        result: Result<Vec<FileStamp>, DiskError>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        if !matches!(self.state, State::Ready) {
            self.outputs.push_back(Output::Resident { key: read.key, result: result.map(drop) });
            return;
        }
        match result {
            Ok(stamps) => {
                for stamp in stamps {
                    let length_bytes = self.spec.layout.file(stamp.file).length_bytes;
                    let before = self.stamp(stamp.file);
                    if let Some(doubt) =
                        self.watch.judge(stamp.file, length_bytes, before, Some(&stamp))
                    {
                        self.doubt_file(stamp.file, Some(stamp), doubt, now, pool);
                    }
                }
                if !self.watch.is_doubted(read.range.piece) && self.have.has(read.range.piece) {
                    let done = Output::Resident { key: read.key, result: Ok(()) };
                    return self.outputs.push_back(done);
                }
            }
            // The piece was compared since the first failure, and is right.
            Err(error) if read.again => {
                let done = Output::Resident { key: read.key, result: Err(error) };
                return self.outputs.push_back(done);
            }
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                if !self.on_file_gone(read.range, &error, now, pool) {
                    self.doubt_piece(read.range.piece);
                }
            }
            Err(error) => {
                self.say_unreadable(error);
                self.doubt_piece(read.range.piece);
            }
        }
        self.read(Read { again: true, ..read });
        self.compare_more(now);
    }

    /// A look at all files, after a sync.
    pub(super) fn on_looked(&mut self, stamps: Vec<FileStamp>, now: Instant, pool: &mut BufPool) {
        let mut seen = stamps.iter().peekable();
        let mut doubts = Vec::new();
        for spec in self.spec.layout.specs() {
            while seen.next_if(|stamp| stamp.file < spec.file).is_some() {}
            let stamp = seen.next_if(|stamp| stamp.file == spec.file);
            let before = self.stamp(spec.file);
            let doubt = self.watch.judge(spec.file, spec.length_bytes, before, stamp);
            // What is put aside is not in a file of its own.
            let of_use = spec.length_bytes > 0 && !self.spec.layout.is_aside(spec.file);
            if let Some(doubt) = doubt.filter(|_| of_use) {
                doubts.push((spec.file, stamp.copied(), doubt));
            }
        }
        stamps.iter().for_each(|stamp| self.watch.on_there(stamp.file));
        for (file, stamp, doubt) in doubts {
            self.doubt_file(file, stamp, doubt, now, pool);
        }
        self.watch.on_looked();
        self.stamps = stamps;
    }

    /// The file that `error` names, one of those of `range`, is gone or short. True if that is news.
    pub(super) fn on_file_gone(
        &mut self,
        range: BlockId,
        error: &DiskError,
        now: Instant,
        pool: &mut BufPool,
    ) -> bool {
        let named = |file: &FileIndex| {
            self.spec.root.join(&self.spec.layout.file(*file).path) == error.path
        };
        let file = files_in(&self.spec.layout, range).into_iter().find(named);
        file.is_some_and(|file| self.doubt_file(file, None, Doubt::Gone, now, pool))
    }

    /// A sync found the disk full, or the folder gone: what it should have written may be gone from
    /// memory, too. It is fetched again when that is over.
    pub(super) fn on_sync_refused(&mut self, error: DiskError, now: Instant, pool: &mut BufPool) {
        for piece in self.durability.on_sync_failed() {
            self.lose(piece);
        }
        for piece in self.assemblies.keys().copied().collect::<Vec<_>>() {
            self.doom(piece, pool);
        }
        self.compare_more(now);
        self.on_trouble(error, now);
    }

    /// The record is written, or not. Without it nothing is lost but time in the next run.
    pub(super) fn on_committed(&mut self, result: Result<(), DiskError>, now: Instant) {
        let failed_before = core::mem::replace(&mut self.commit_troubled, result.is_err());
        self.durability.on_committed(result.is_ok());
        match result {
            Ok(()) if failed_before => self.outputs.push_back(Output::Recovered),
            Ok(()) => {}
            Err(error) => {
                if !failed_before {
                    self.outputs.push_back(Output::Trouble(error));
                }
                if matches!(self.state, State::Stopping) {
                    self.durability.give_up_commit();
                } else {
                    self.commit_at = Some(now.after(RETRY_AFTER));
                }
            }
        }
    }

    fn stamp(&self, file: FileIndex) -> Option<&FileStamp> {
        let at = self.stamps.binary_search_by_key(&file, |stamp| stamp.file).ok()?;
        self.stamps.get(at)
    }

    /// Once for each file.
    pub(super) fn say_unreadable(&mut self, error: DiskError) {
        if self.unreadable.insert(error.path.clone()) {
            self.outputs.push_back(Output::Doubted(error.path, Doubt::Unreadable));
        }
    }

    /// A piece could not be read: hashes it once more before that is believed. False if this was
    /// the second time.
    pub(super) fn hash_again(&mut self, piece: PieceIndex, used_for: JobUse) -> bool {
        if !self.read_twice.insert(piece) {
            self.read_twice.remove(&piece);
            return false;
        }
        self.hash_piece(piece, used_for);
        true
    }

    /// Somebody changed a file; it looks like `stamp` now. True if that is news.
    fn doubt_file(
        &mut self,
        file: FileIndex,
        stamp: Option<FileStamp>,
        doubt: Doubt,
        now: Instant,
        pool: &mut BufPool,
    ) -> bool {
        let layout = &self.spec.layout;
        let pieces: Vec<PieceIndex> = if layout.part_file() == Some(file) {
            layout.pieces_in_part().collect()
        } else {
            layout.pieces_of(file).map(PieceIndex).collect()
        };
        let had: Vec<PieceIndex> =
            pieces.iter().copied().filter(|&piece| self.have.has(piece)).collect();
        let known = doubt == Doubt::Gone && !self.watch.on_gone(file);
        let under_way: Vec<PieceIndex> = self
            .assemblies
            .iter()
            .filter(|(piece, _)| pieces.binary_search(piece).is_ok())
            // Of a write that is out nobody knows whether it came before the deed.
            .filter(|(_, assembly)| assembly.has_written() || (!known && assembly.busy()))
            .map(|(&piece, _)| piece)
            .collect();
        self.note_stamp(file, stamp);
        // Bytes of these that are on the disk may be gone; they cannot be compared yet.
        under_way.iter().for_each(|&piece| self.doom(piece, pool));
        if known || (had.is_empty() && under_way.is_empty()) {
            return false;
        }
        let path = self.spec.root.join(&self.spec.layout.file(file).path);
        self.outputs.push_back(Output::Doubted(path, doubt));
        self.durability.on_doubted(&had);
        had.into_iter().for_each(|piece| self.watch.doubt(piece));
        self.settled_said = false;
        self.compare_more(now);
        true
    }

    pub(super) fn note_stamp(&mut self, file: FileIndex, stamp: Option<FileStamp>) {
        match (self.stamps.binary_search_by_key(&file, |stamp| stamp.file), stamp) {
            (Ok(at), Some(stamp)) => self.stamps[at] = stamp,
            (Ok(at), None) => drop(self.stamps.remove(at)),
            (Err(at), Some(stamp)) => self.stamps.insert(at, stamp),
            (Err(_), None) => {}
        }
    }

    pub(super) fn doubt_piece(&mut self, piece: PieceIndex) {
        if self.have.has(piece) {
            self.durability.on_doubted(&[piece]);
            self.watch.doubt(piece);
            self.settled_said = false;
        }
    }

    /// Compares doubted pieces, as many at once as in a recheck.
    pub(super) fn compare_more(&mut self, now: Instant) {
        if !matches!(self.state, State::Ready) {
            return;
        }
        while let Some(piece) = self.watch.next_piece(self.config.recheck_in_flight_max) {
            self.hash_piece(piece, JobUse::Compare(piece));
        }
        if let Some(lost) = self.watch.take_lost() {
            self.outputs.push_back(Output::Lost(lost));
            self.make_durable(now);
        }
    }

    /// A doubted piece was compared with its digest.
    pub(super) fn on_compared(
        &mut self,
        piece: PieceIndex,
        result: Result<PieceHash, DiskError>,
        now: Instant,
    ) {
        if result.as_ref().is_err_and(|error| error.kind == DiskErrorKind::Other)
            && self.hash_again(piece, JobUse::Compare(piece))
        {
            return;
        }
        self.read_twice.remove(&piece);
        let right = result
            .is_ok_and(|hash| self.spec.digests.judge(piece, &hash.finish()) == Verdict::Right);
        let Some(waiting) = self.watch.on_compared(piece) else {
            return self.compare_more(now);
        };
        if right && self.have.has(piece) {
            self.durability.on_verified(piece, self.spec.layout.piece_bytes(piece), now);
        } else {
            self.lose(piece);
        }
        waiting.into_iter().for_each(|read| self.read(read));
        self.compare_more(now);
    }

    fn lose(&mut self, piece: PieceIndex) {
        if self.have.clear(piece) {
            self.settled_said = false;
            // Before that nobody was told that we have it.
            if !matches!(self.state, State::Checking(_)) {
                self.watch.on_lost(piece);
                self.outputs.push_back(Output::PieceGone(piece));
            }
        }
    }

    /// Gives up a piece under way, at once or as soon as its jobs are home.
    fn doom(&mut self, piece: PieceIndex, pool: &mut BufPool) {
        self.doomed.insert(piece);
        self.give_up_doomed(piece, pool);
    }

    /// True if this piece is to be given up: it takes no more steps.
    pub(super) fn give_up_doomed(&mut self, piece: PieceIndex, pool: &mut BufPool) -> bool {
        if !self.doomed.contains(&piece) {
            return false;
        }
        // A write that is still out must not land on top of what is fetched anew.
        if !self.assemblies.get(&piece).is_some_and(Assembly::busy) {
            self.doomed.remove(&piece);
            if self.assemblies.contains_key(&piece) {
                self.give_up(piece, pool);
                self.outputs.push_back(Output::PieceLost(piece));
            }
        }
        true
    }
}
