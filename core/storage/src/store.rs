//! The files of one torrent: opened, checked, written, read, made durable, closed.
//!
//! Source: architecture rules 6 and 8. Drive it like every machine: feed an event, then call
//! [`Store::poll_output`] until `None`, then sleep until [`Store::deadline`].
//!
//! What an earlier run recorded is believed for a file that looks as it did at the last sync;
//! every other piece is compared with its digest before we say that we have it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use base::{
    Bitfield, BlockId, BufPool, BufRef, FileIndex, InfoHash, Instant, JobId, PieceIndex, TorrentId,
};
use keys::Sha1;

use crate::assembly::{Assembly, Step};
use crate::autopsy::{Autopsy, BlockDigests};
use crate::durability::{Durability, Next, SyncPolicy};
use crate::job::{
    DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, FileStamp, HashPart, JobKind,
    ResumeRecord,
};
use crate::layout::Layout;
use crate::recheck::Recheck;

/// How long to wait before a failed write or commit is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Settings of one store.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A run is written once it has this many bytes. One piece of common size is one write;
    /// larger ones are cut so that memory stays small.
    pub run_bytes: u32,
    /// Pieces under comparison at once: keeps two workers busy with one waiting each.
    pub recheck_in_flight_max: usize,
    /// When to sync.
    pub sync: SyncPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self { run_bytes: 1 << 20, recheck_in_flight_max: 4, sync: SyncPolicy::default() }
    }
}

/// What a store needs to know of its torrent.
#[derive(Debug)]
pub struct Spec {
    /// Its name in this process.
    pub torrent: TorrentId,
    /// Its name in the world.
    pub info_hash: InfoHash,
    /// The folder below which its files lie, absolute.
    pub root: PathBuf,
    /// Where its bytes lie.
    pub layout: Layout,
    /// SHA-1 of each piece, 20 bytes each.
    pub digests: Vec<u8>,
    /// Whether files may be created and written. Without it, a store only reads.
    pub writable: bool,
    /// Compare every piece with the disk, whatever the record says.
    pub recheck: bool,
}

/// What happened, or what to do.
#[derive(Debug)]
pub enum Output {
    /// Give this to the pools.
    Job(DiskJob),
    /// The files cannot be used. The store is dead.
    Failed(DiskError),
    /// Opened, checked: these pieces are there.
    Ready(Bitfield),
    /// Verified, written, readable. Not yet durable.
    PieceDone(PieceIndex),
    /// The bytes do not match the digest; all blocks of the piece are wanted again. This is what
    /// each of them looked like; nothing, if the disk may be to blame as well.
    PieceFailed(PieceIndex, BlockDigests),
    /// What each block of a verified piece looks like that had failed before.
    PieceExamined(PieceIndex, BlockDigests),
    /// The bytes are gone from the disk before they could be verified; nobody's fault but the
    /// disk's. All blocks of the piece are wanted again.
    PieceLost(PieceIndex),
    /// The range asked for by [`Store::make_resident`] can be sent without waiting, or not at all.
    Resident {
        /// As given.
        key: u64,
        /// Why not.
        result: Result<(), DiskError>,
    },
    /// A write failed; it is tried again by and by. Said once until [`Output::Recovered`].
    Trouble(DiskError),
    /// Writing works again.
    Recovered,
    /// Every piece so far verified is durable and recorded.
    Settled,
    /// All jobs are home, everything is recorded, the files are closed.
    Closed,
}

#[derive(Debug)]
enum JobUse {
    Open,
    Write { piece: PieceIndex, offset_bytes: u32, length_bytes: u32 },
    HashAhead { piece: PieceIndex, offset_bytes: u32, length_bytes: u32 },
    Check(PieceIndex),
    Autopsy { piece: PieceIndex, offset_bytes: u32 },
    Resident(u64),
    Sync,
    Commit,
    Close,
}

#[derive(Debug)]
enum State {
    Opening,
    Checking(Recheck),
    Ready,
    Stopping,
    Closed,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Store {
    spec: Spec,
    config: Config,
    state: State,
    have: Bitfield,
    durability: Durability,
    stamps: Vec<FileStamp>,
    assemblies: BTreeMap<PieceIndex, Assembly>,
    /// Pieces that failed and were not verified since.
    failed: BTreeSet<PieceIndex>,
    autopsies: BTreeMap<PieceIndex, Autopsy>,
    jobs: BTreeMap<JobId, JobUse>,
    next_job: u64,
    /// Payload bytes of all runs before this one, and now: (downloaded, uploaded).
    totals_before: (u64, u64),
    totals: (u64, u64),
    /// The totals of this run in the last record, and whether an earlier run was complete.
    totals_recorded: (u64, u64),
    was_complete: bool,
    retry_at: Option<Instant>,
    troubled: bool,
    settle: bool,
    settled_said: bool,
    outputs: VecDeque<Output>,
}

impl Store {
    /// A store that has asked for its files to be opened.
    pub fn new(spec: Spec, config: Config) -> Self {
        let piece_count = spec.layout.piece_count();
        assert_eq!(spec.digests.len(), piece_count as usize * 20, "one digest a piece");
        let open = JobKind::Open {
            info_hash: spec.info_hash,
            root: spec.root.clone(),
            files: spec.layout.specs(),
            create: spec.writable,
        };
        let mut store = Self {
            config,
            state: State::Opening,
            have: Bitfield::empty(piece_count),
            durability: Durability::new(config.sync, Bitfield::empty(piece_count)),
            stamps: Vec::new(),
            assemblies: BTreeMap::new(),
            failed: BTreeSet::new(),
            autopsies: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            totals_before: (0, 0),
            totals: (0, 0),
            totals_recorded: (0, 0),
            was_complete: false,
            retry_at: None,
            troubled: false,
            settle: false,
            settled_said: false,
            outputs: VecDeque::new(),
            spec,
        };
        store.job(open, JobUse::Open);
        store
    }

    /// The map from pieces to files.
    pub fn layout(&self) -> &Layout {
        &self.spec.layout
    }

    /// The pieces verified and readable.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Pieces compared and to compare, while a recheck runs.
    pub fn check_progress(&self) -> Option<(usize, usize)> {
        match &self.state {
            State::Checking(recheck) => Some(recheck.progress()),
            State::Opening | State::Ready | State::Stopping | State::Closed => None,
        }
    }

    /// Payload bytes (downloaded, uploaded) of all runs, this one included.
    pub fn totals(&self) -> (u64, u64) {
        (self.totals_before.0 + self.totals.0, self.totals_before.1 + self.totals.1)
    }

    /// Tells the totals of this run, for the record.
    pub fn set_totals(&mut self, downloaded_bytes: u64, uploaded_bytes: u64) {
        self.totals = (downloaded_bytes, uploaded_bytes);
    }

    /// Has the totals recorded by and by, if they grew: what a crash loses of them is bounded as
    /// that of data is ([`SyncPolicy::dirty_age_max`]).
    pub fn on_totals_told(&mut self, now: Instant) {
        if self.totals != self.totals_recorded && matches!(self.state, State::Ready) {
            self.durability.on_totals_grown(now);
        }
    }

    /// Whether all of it was durable in an earlier run.
    pub fn was_complete(&self) -> bool {
        self.was_complete
    }

    /// A block arrived. The caller sees to it that each byte of a piece arrives once; a second
    /// copy is given back to the pool.
    pub fn on_block(&mut self, block: BlockId, buf: BufRef, now: Instant, pool: &mut BufPool) {
        if !self.spec.writable || !matches!(self.state, State::Ready) || self.have.has(block.piece)
        {
            pool.give_back(buf);
            return;
        }
        let length_bytes = self.spec.layout.piece_bytes(block.piece);
        let assembly =
            self.assemblies.entry(block.piece).or_insert_with(|| Assembly::new(length_bytes));
        if let Some(duplicate) = assembly.on_block(block.offset_bytes, buf, block.length_bytes) {
            pool.give_back(duplicate);
        }
        self.advance(block.piece, false, now, pool);
    }

    /// Memory is short: write out what lies around, however small.
    pub fn relieve(&mut self, now: Instant, pool: &mut BufPool) {
        if self.retry_at.is_some() {
            return;
        }
        let pieces: Vec<PieceIndex> = self.assemblies.keys().copied().collect();
        for piece in pieces {
            self.advance(piece, true, now, pool);
        }
    }

    /// Whether pieces are on their way from blocks to disk.
    pub fn is_assembling(&self) -> bool {
        !self.assemblies.is_empty()
    }

    /// Asks that a range of a piece that we have be made ready for `sendfile`.
    pub fn make_resident(&mut self, key: u64, range: BlockId) {
        assert!(self.have.has(range.piece), "only what is verified is sent");
        let (extents, _) = self.spec.layout.write_plan(range);
        self.job(JobKind::MakeResident { extents }, JobUse::Resident(key));
    }

    /// Wants [`Output::Settled`] as soon as everything verified so far is durable.
    pub fn settle(&mut self, now: Instant) {
        self.settle = true;
        self.settled_said = false;
        self.make_durable(now);
    }

    /// Ends: gives up unfinished pieces, makes the others durable, closes.
    pub fn stop(&mut self, now: Instant, pool: &mut BufPool) {
        match self.state {
            State::Stopping | State::Closed => return,
            State::Opening => {}
            State::Checking(_) | State::Ready => self.durability.on_writing_ended(),
        }
        self.state = State::Stopping;
        self.retry_at = None;
        for (_, assembly) in core::mem::take(&mut self.assemblies) {
            assembly.into_buffers().for_each(|buf| pool.give_back(buf));
        }
        self.autopsies.clear();
        self.make_durable(now);
    }

    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Opening | State::Closed => None,
            // Driven by the jobs that are still out.
            State::Stopping => self.retry_at,
            // Nothing is tried before the pause is over, a sync neither.
            State::Checking(_) | State::Ready => self.retry_at.or(self.durability.deadline()),
        }
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant, pool: &mut BufPool) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            let pieces: Vec<PieceIndex> = self.assemblies.keys().copied().collect();
            for piece in pieces {
                self.advance(piece, false, now, pool);
            }
        }
        self.make_durable(now);
    }

    /// What to do next, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A job came home.
    pub fn on_done(&mut self, done: DiskDone, now: Instant, pool: &mut BufPool) {
        let job = self.jobs.remove(&done.id).expect("a job comes home once");
        match (job, done.kind) {
            (JobUse::Open, DoneKind::Opened { stamps, resume }) => match stamps {
                Ok(stamps) => self.on_opened(stamps, resume, now),
                Err(error) => self.fail(error, pool),
            },
            (
                JobUse::Write { piece, offset_bytes, length_bytes },
                DoneKind::Written { blocks, hash, result },
            ) => match result {
                Ok(()) => {
                    blocks.into_iter().for_each(|(buf, _)| pool.give_back(buf));
                    self.on_written(piece, offset_bytes, length_bytes, hash);
                    self.advance(piece, false, now, pool);
                }
                Err(error) => {
                    self.on_write_failed(piece, offset_bytes, blocks, hash.is_some(), pool);
                    self.on_trouble(error, now);
                }
            },
            (
                JobUse::HashAhead { piece, offset_bytes, length_bytes },
                DoneKind::Hashed { result },
            ) => match (result, self.assemblies.get_mut(&piece)) {
                (Ok(hash), Some(assembly)) => {
                    assembly.on_hashed(offset_bytes, length_bytes, hash);
                    self.advance(piece, false, now, pool);
                }
                (Err(error), Some(assembly)) => {
                    assembly.on_hash_failed();
                    self.on_read_back_failed(piece, error, now, pool);
                }
                (_, None) => {}
            },
            (JobUse::Check(piece), DoneKind::Hashed { result }) => {
                self.on_checked(piece, result, now, pool);
            }
            (JobUse::Autopsy { piece, offset_bytes }, DoneKind::Hashed { result }) => {
                self.on_block_hashed(piece, offset_bytes, result);
            }
            (JobUse::Resident(key), DoneKind::Resident { result }) => {
                self.outputs.push_back(Output::Resident { key, result });
            }
            (JobUse::Sync, DoneKind::Synced { result }) => match result {
                Ok(stamps) => {
                    self.stamps = stamps;
                    self.durability.on_synced();
                }
                // The kernel may have dropped what it could not write: nothing since the last
                // good sync may be believed, so this run of the torrent is over.
                Err(error) => self.fail(error, pool),
            },
            (JobUse::Commit, DoneKind::Committed { result }) => {
                self.durability.on_committed(result.is_ok());
                if let Err(error) = result {
                    self.on_trouble(error, now);
                }
            }
            (JobUse::Close, DoneKind::Closed) => {
                self.state = State::Closed;
                self.outputs.push_back(Output::Closed);
            }
            (job, done) => unreachable!("{job:?} was answered by {done:?}"),
        }
        self.make_durable(now);
    }

    fn on_opened(
        &mut self,
        stamps: Vec<FileStamp>,
        resume: Option<Box<ResumeRecord>>,
        now: Instant,
    ) {
        if !matches!(self.state, State::Opening) {
            return;
        }
        let piece_count = self.spec.layout.piece_count();
        let record = resume.filter(|record| record.have.len() == piece_count.div_ceil(8) as usize);
        if let Some(record) = &record {
            self.totals_before = (record.downloaded_bytes, record.uploaded_bytes);
            self.was_complete = record.was_complete;
        }
        let record = record.filter(|_| !self.spec.recheck);
        let (trusted, unknown) = judge_files(&self.spec.layout, &stamps, record.as_deref());
        for piece in trusted.ones() {
            self.have.set(piece);
        }
        self.durability = Durability::new(self.config.sync, trusted);
        self.stamps = stamps;
        let recheck = Recheck::new(unknown, piece_count, self.config.recheck_in_flight_max);
        self.state = State::Checking(recheck);
        self.check_more(now);
    }

    fn check_more(&mut self, now: Instant) {
        let State::Checking(recheck) = &mut self.state else { return };
        let mut pieces = Vec::new();
        while let Some(piece) = recheck.next_piece() {
            pieces.push(piece);
        }
        let done = recheck.is_done();
        for piece in pieces {
            let parts = self.spec.layout.piece_parts(piece);
            self.job(JobKind::Hash { parts, hash: Sha1::new() }, JobUse::Check(piece));
        }
        if done {
            self.state = State::Ready;
            self.outputs.push_back(Output::Ready(self.have.clone()));
            // A first record, so that what was compared need not be compared again.
            self.durability.on_record_changed();
            self.make_durable(now);
        }
    }

    fn on_checked(
        &mut self,
        piece: PieceIndex,
        result: Result<Sha1, DiskError>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        let State::Checking(recheck) = &mut self.state else { return };
        recheck.on_checked(piece);
        match result {
            Ok(hash) => {
                if self.digest_matches(piece, hash) {
                    self.have.set(piece);
                    self.durability.on_verified(piece, self.spec.layout.piece_bytes(piece), now);
                }
            }
            Err(error) if error.kind == DiskErrorKind::NotFound => {}
            Err(error) => return self.fail(error, pool),
        }
        self.check_more(now);
    }

    fn digest_matches(&self, piece: PieceIndex, hash: Sha1) -> bool {
        let at = piece.0 as usize * 20;
        hash.finish() == self.spec.digests[at..at + 20]
    }

    fn on_written(&mut self, piece: PieceIndex, offset: u32, length: u32, hash: Option<Sha1>) {
        if let Some(assembly) = self.assemblies.get_mut(&piece) {
            assembly.on_written(offset, length, hash);
        }
        if self.troubled {
            self.troubled = false;
            self.outputs.push_back(Output::Recovered);
        }
    }

    fn on_write_failed(
        &mut self,
        piece: PieceIndex,
        offset_bytes: u32,
        blocks: crate::assembly::Blocks,
        hashed: bool,
        pool: &mut BufPool,
    ) {
        match self.assemblies.get_mut(&piece) {
            Some(assembly) => assembly.on_write_failed(offset_bytes, blocks, hashed),
            None => blocks.into_iter().for_each(|(buf, _)| pool.give_back(buf)),
        }
    }

    fn on_trouble(&mut self, error: DiskError, now: Instant) {
        self.retry_at.get_or_insert(now.after(RETRY_AFTER));
        if !self.troubled {
            self.troubled = true;
            self.outputs.push_back(Output::Trouble(error));
        }
    }

    /// What was written ahead cannot be read back. If the file is gone, so are those bytes.
    fn on_read_back_failed(
        &mut self,
        piece: PieceIndex,
        error: DiskError,
        now: Instant,
        pool: &mut BufPool,
    ) {
        // A write that is still out must not land on top of what is fetched anew.
        let busy = self.assemblies.get(&piece).is_some_and(Assembly::busy);
        if error.kind == DiskErrorKind::NotFound && !busy {
            self.give_up(piece, pool);
            self.outputs.push_back(Output::PieceLost(piece));
        }
        self.on_trouble(error, now);
    }

    fn fail(&mut self, error: DiskError, pool: &mut BufPool) {
        for piece in self.assemblies.keys().copied().collect::<Vec<_>>() {
            self.give_up(piece, pool);
        }
        self.autopsies.clear();
        self.outputs.push_back(Output::Failed(error));
        self.state = State::Closed;
    }

    /// Lets a piece take its next steps.
    fn advance(&mut self, piece: PieceIndex, relieve: bool, now: Instant, pool: &mut BufPool) {
        if self.retry_at.is_some() {
            return;
        }
        while let Some(assembly) = self.assemblies.get_mut(&piece) {
            match assembly.next_step(self.config.run_bytes, relieve) {
                None => return,
                Some(Step::Write { offset_bytes, blocks, hash }) => {
                    let length_bytes = blocks.iter().map(|&(_, length)| length).sum();
                    let (extents, skip) =
                        self.spec.layout.write_plan(BlockId { piece, offset_bytes, length_bytes });
                    let kind = JobKind::Write { extents, blocks, hash, skip };
                    self.job(kind, JobUse::Write { piece, offset_bytes, length_bytes });
                }
                Some(Step::Hash { offset_bytes, length_bytes, hash }) => {
                    let parts =
                        self.spec.layout.parts(BlockId { piece, offset_bytes, length_bytes });
                    let hashing = JobUse::HashAhead { piece, offset_bytes, length_bytes };
                    self.job(JobKind::Hash { parts, hash }, hashing);
                }
                Some(Step::Finished(hash)) => {
                    let certain = !assembly.was_read_back();
                    if self.digest_matches(piece, hash) {
                        self.assemblies.remove(&piece);
                        self.have.set(piece);
                        self.settled_said = false;
                        self.durability.on_verified(
                            piece,
                            self.spec.layout.piece_bytes(piece),
                            now,
                        );
                        self.outputs.push_back(Output::PieceDone(piece));
                        if self.failed.remove(&piece) {
                            self.examine(piece, false);
                        }
                    } else {
                        self.give_up(piece, pool);
                        self.failed.insert(piece);
                        if certain {
                            self.examine(piece, true);
                        } else {
                            self.outputs.push_back(Output::PieceFailed(piece, Vec::new()));
                        }
                    }
                }
            }
        }
    }

    /// Looks at a piece block by block. One that failed is given free for a new download only
    /// then, which would overwrite it.
    fn examine(&mut self, piece: PieceIndex, failed: bool) {
        let autopsy = Autopsy::new(self.spec.layout.piece_bytes(piece), failed);
        self.autopsies.insert(piece, autopsy);
        self.examine_more(piece);
    }

    fn examine_more(&mut self, piece: PieceIndex) {
        let next = |store: &mut Self| store.autopsies.get_mut(&piece)?.next_block();
        while let Some((offset_bytes, length_bytes)) = next(self) {
            let parts = self.spec.layout.parts(BlockId { piece, offset_bytes, length_bytes });
            let kind = JobKind::Hash { parts, hash: Sha1::new() };
            self.job(kind, JobUse::Autopsy { piece, offset_bytes });
        }
    }

    fn on_block_hashed(
        &mut self,
        piece: PieceIndex,
        offset_bytes: u32,
        result: Result<Sha1, DiskError>,
    ) {
        let Some(autopsy) = self.autopsies.get_mut(&piece) else { return };
        autopsy.on_hashed(offset_bytes, result.ok().map(Sha1::finish));
        if !autopsy.is_done() {
            return self.examine_more(piece);
        }
        let Some(autopsy) = self.autopsies.remove(&piece) else { return };
        self.outputs.push_back(match autopsy.into_findings() {
            (true, digests) => Output::PieceFailed(piece, digests),
            (false, digests) => Output::PieceExamined(piece, digests),
        });
    }

    fn give_up(&mut self, piece: PieceIndex, pool: &mut BufPool) {
        if let Some(assembly) = self.assemblies.remove(&piece) {
            assembly.into_buffers().for_each(|buf| pool.give_back(buf));
        }
    }

    fn make_durable(&mut self, now: Instant) {
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
        if self.settle && !self.settled_said && matches!(self.state, State::Ready) {
            self.settled_said = true;
            self.outputs.push_back(Output::Settled);
        }
        if stopping && self.jobs.is_empty() {
            self.job(JobKind::Close, JobUse::Close);
        }
    }

    fn record(&mut self) -> ResumeRecord {
        self.totals_recorded = self.totals;
        let (downloaded_bytes, uploaded_bytes) = self.totals();
        let checked_to = match &self.state {
            State::Checking(recheck) => recheck.cursor(),
            State::Opening | State::Ready | State::Stopping | State::Closed => self.have.len(),
        };
        ResumeRecord {
            info_hash: self.spec.info_hash,
            root: self.spec.root.clone(),
            have: self.durability.durable().as_bytes().to_vec(),
            stamps: self.stamps.clone(),
            writing: self.spec.writable
                && !self.durability.durable().is_full()
                && !matches!(self.state, State::Stopping),
            checked_to,
            downloaded_bytes,
            uploaded_bytes,
            was_complete: self.was_complete || self.durability.durable().is_full(),
        }
    }

    fn files_of(&self, pieces: &[PieceIndex]) -> Vec<FileIndex> {
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

    fn job(&mut self, kind: JobKind, used_for: JobUse) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.jobs.insert(id, used_for);
        self.outputs.push_back(Output::Job(DiskJob { torrent: self.spec.torrent, id, kind }));
    }
}

/// Which pieces the record vouches for, and which must be compared with the disk.
///
/// A file is believed if it has the recorded length and modification time; if the last run was
/// cut short while writing, a later time is expected. A missing or short file cannot hold a
/// piece, so that its pieces are neither believed nor compared.
fn judge_files(
    layout: &Layout,
    stamps: &[FileStamp],
    record: Option<&ResumeRecord>,
) -> (Bitfield, Vec<PieceIndex>) {
    let piece_count = layout.piece_count();
    let now: BTreeMap<FileIndex, &FileStamp> =
        stamps.iter().map(|stamp| (stamp.file, stamp)).collect();
    let mut absent = vec![false; piece_count as usize];
    let mut believed = vec![record.is_some(); piece_count as usize];
    for spec in layout.specs() {
        let stamp = now.get(&spec.file);
        let present = stamp.is_some_and(|stamp| stamp.length_bytes >= spec.length_bytes);
        let unchanged = record.is_some_and(|record| {
            let then = record.stamps.iter().find(|then| then.file == spec.file);
            stamp.zip(then).is_some_and(|(now, then)| {
                now.length_bytes == then.length_bytes
                    && (now.modified_ns == then.modified_ns
                        || (record.writing && now.modified_ns > then.modified_ns))
            })
        });
        for piece in layout.pieces_of(spec.file) {
            absent[piece as usize] |= !present;
            believed[piece as usize] &= unchanged;
        }
    }
    let recorded = record.and_then(|record| Bitfield::from_bytes(&record.have, piece_count));
    let mut trusted = Bitfield::empty(piece_count);
    let mut unknown = Vec::new();
    for piece in (0..piece_count).map(PieceIndex) {
        let at = piece.0 as usize;
        if absent[at] {
            continue;
        }
        let had = recorded.as_ref().is_some_and(|bits| bits.has(piece));
        let checked = record.is_some_and(|record| piece.0 < record.checked_to && !record.writing);
        match (believed[at], had) {
            (true, true) => {
                trusted.set(piece);
            }
            // Compared before and found missing, and nobody wrote since.
            (true, false) if checked => {}
            (true | false, _) => unknown.push(piece),
        }
    }
    (trusted, unknown)
}

#[cfg(test)]
mod tests;
