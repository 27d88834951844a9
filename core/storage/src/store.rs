//! The files of one torrent: opened, checked, written, read, made durable, closed.
//!
//! Source: architecture rules 6 and 8. Drive it like every machine: feed an event, then call
//! [`Store::poll_output`] until `None`, then sleep until [`Store::deadline`].
//!
//! What an earlier run recorded is believed for a file that looks as it did at the last sync;
//! every other piece is compared with its digest before we say that we have it.

mod doubt;
mod judge;
mod part_file;
mod recording;
mod verdict;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use base::{
    Bitfield, BlockId, BufPool, BufRef, FileIndex, InfoHash, Instant, JobId, PieceIndex, TorrentId,
};
use keys::{Digest32, PieceHash};

use crate::assembly::{Assembly, Step};
use crate::autopsy::{Autopsy, BlockDigests};
use crate::digests::{Digests, Verdict};
use crate::durability::{Durability, SyncPolicy};
use crate::job::{
    DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, FileStamp, HashPart, JobKind,
    ResumeRecord,
};
use crate::layout::Layout;
use crate::recheck::Recheck;
use crate::watch::{Doubt, Read, Watch};
use judge::judge_files;

/// How long to wait before a failed write or commit is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Settings of one store.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// A run is written once it has this many bytes. One piece of common size is one write;
    /// larger ones are cut so that memory stays small.
    pub run_bytes: u32,
    /// Pieces under comparison at once, at most: two workers have sixteen lanes each.
    pub recheck_in_flight_max: usize,
    /// When to sync.
    pub sync: SyncPolicy,
}

/// Pieces under comparison at once, at least: lanes for one worker, whatever the size of a piece.
const RECHECK_IN_FLIGHT_MIN: usize = 8;

/// Bytes of pieces under comparison, if they are more than those: what other jobs may have to wait for.
const RECHECK_BYTES_MAX: usize = 64 << 20;

impl Default for Config {
    fn default() -> Self {
        Self { run_bytes: 1 << 20, recheck_in_flight_max: 32, sync: SyncPolicy::default() }
    }
}

/// What a store needs to know of its torrent.
#[derive(Debug)]
pub struct Spec {
    /// Its name in this process.
    pub torrent: TorrentId,
    /// Its name in the resume records.
    pub info_hash: InfoHash,
    /// The folder below which its files lie, absolute.
    pub root: PathBuf,
    /// Where its bytes lie.
    pub layout: Layout,
    /// What its pieces hash to.
    pub digests: Digests,
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
    /// What the leaves asked for by [`Store::hash_leaves`] hash to; none if they cannot be read, or are
    /// not what they should be.
    Leaves {
        /// As given.
        key: u64,
        /// Their digests.
        leaves: Vec<Digest32>,
    },
    /// A write failed; it is tried again by and by. Said once until [`Output::Recovered`].
    Trouble(DiskError),
    /// Writing works again.
    Recovered,
    /// Somebody changed this file: what we have of it is compared with its digests before it is
    /// given away again.
    Doubted(PathBuf, Doubt),
    /// This piece is not there any more, or not right. With a writable torrent it is wanted again.
    PieceGone(PieceIndex),
    /// So many pieces were gone, now that everything doubted is compared.
    Lost(u32),
    /// Every piece so far verified is durable and recorded.
    Settled,
    /// All jobs are home, everything is recorded, the files are closed.
    Closed,
}

#[derive(Debug)]
enum JobUse {
    Open,
    Write {
        piece: PieceIndex,
        offset_bytes: u32,
        length_bytes: u32,
    },
    HashAhead {
        piece: PieceIndex,
        offset_bytes: u32,
        length_bytes: u32,
    },
    Check(PieceIndex),
    Autopsy {
        piece: PieceIndex,
        offset_bytes: u32,
    },
    /// A piece that we have, of a file that somebody changed.
    Compare(PieceIndex),
    Resident(Read),
    /// A peer wants the leaves of a piece that we have.
    Leaves {
        key: u64,
        piece: PieceIndex,
    },
    Copy,
    RemovePart,
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
    part: part_file::PartFile,
    watch: Watch,
    /// Why nothing can be written, as the files were opened.
    denied: Option<DiskError>,
    /// Pieces under way whose written bytes are gone; given up as soon as no job is out.
    doomed: BTreeSet<PieceIndex>,
    /// Pieces that could not be read, and are read once more.
    read_twice: BTreeSet<PieceIndex>,
    /// Files of which it was said that they cannot be read.
    unreadable: BTreeSet<PathBuf>,
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
    /// The piece whose write failed last: the trouble is over when it is written, or given up.
    stuck: Option<PieceIndex>,
    /// When a failed commit is tried again. It holds up no write.
    commit_at: Option<Instant>,
    commit_troubled: bool,
    settle: bool,
    settled_said: bool,
    outputs: VecDeque<Output>,
}

impl Store {
    /// A store that has asked for its files to be opened.
    pub fn new(spec: Spec, config: Config) -> Self {
        let open = JobKind::Open {
            info_hash: spec.info_hash,
            root: spec.root.clone(),
            files: spec.layout.specs(),
            create: spec.writable,
        };
        let mut store = Self { state: State::Opening, ..Self::closed(spec, config) };
        store.job(open, JobUse::Open);
        store
    }

    /// A store that is over before it begins: it asks for nothing. In place of one while the torrent's files are
    /// not known.
    pub fn closed(spec: Spec, config: Config) -> Self {
        let piece_count = spec.layout.piece_count();
        Self {
            config,
            state: State::Closed,
            have: Bitfield::empty(piece_count),
            durability: Durability::new(config.sync, Bitfield::empty(piece_count)),
            stamps: Vec::new(),
            part: part_file::PartFile::new(spec.layout.wanted_pieces()),
            watch: Watch::default(),
            denied: None,
            doomed: BTreeSet::new(),
            read_twice: BTreeSet::new(),
            unreadable: BTreeSet::new(),
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
            stuck: None,
            commit_at: None,
            commit_troubled: false,
            settle: false,
            settled_said: false,
            outputs: VecDeque::new(),
            spec,
        }
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
        let length_bytes = self.spec.layout.sizes().fetched_of(block.piece);
        let kinds = self.spec.digests.kinds();
        let assembly = self
            .assemblies
            .entry(block.piece)
            .or_insert_with(|| Assembly::new(length_bytes, kinds));
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
        self.read(Read { key, range, again: false });
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
        self.commit_at = None;
        self.durability.try_commit_again();
        self.watch.stop();
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
            State::Checking(_) | State::Ready => {
                let next = self.retry_at.or(self.durability.deadline());
                [next, self.commit_at].into_iter().flatten().min()
            }
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
        if self.commit_at.is_some_and(|at| at <= now) {
            self.commit_at = None;
            self.durability.try_commit_again();
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
            (JobUse::Open, DoneKind::Opened { stamps, resume, denied }) => match stamps {
                Ok(stamps) => {
                    self.denied = denied;
                    self.on_first_look(stamps, resume, now, pool);
                }
                Err(error) => self.fail(error, pool),
            },
            (JobUse::Copy, DoneKind::Copied { stamps }) => {
                self.on_copied(stamps.ok(), now, pool);
            }
            // It is tried again in the next run.
            (JobUse::RemovePart, DoneKind::Removed { .. }) => {}
            (
                JobUse::Write { piece, offset_bytes, length_bytes },
                DoneKind::Written { blocks, hash, result },
            ) => {
                let range = BlockId { piece, offset_bytes, length_bytes };
                self.on_write_ended(range, (blocks, hash), result, now, pool);
            }
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
                    if !self.give_up_doomed(piece, pool) {
                        self.on_read_back_failed(piece, error, now, pool);
                    }
                }
                (_, None) => {}
            },
            (JobUse::Check(piece), DoneKind::Hashed { result }) => {
                self.on_checked(piece, result, now, pool);
            }
            (JobUse::Autopsy { piece, offset_bytes }, DoneKind::Hashed { result }) => {
                self.on_block_hashed(piece, offset_bytes, result);
            }
            (JobUse::Compare(piece), DoneKind::Hashed { result }) => {
                self.on_compared(piece, result, now);
            }
            (JobUse::Leaves { key, piece }, DoneKind::Hashed { result }) => {
                self.on_leaves_hashed(key, piece, result, now);
            }
            (JobUse::Resident(read), DoneKind::Resident { result }) => {
                self.on_read(read, result, now, pool);
            }
            (JobUse::Sync, DoneKind::Synced { result }) => self.on_synced(result, now, pool),
            (JobUse::Commit, DoneKind::Committed { result }) => {
                self.on_committed(result, now);
            }
            (JobUse::Close, DoneKind::Closed) => {
                self.state = State::Closed;
                self.outputs.push_back(Output::Closed);
            }
            (job, done) => unreachable!("{job:?} was answered by {done:?}"),
        }
        self.make_durable(now);
    }

    fn on_write_ended(
        &mut self,
        range: BlockId,
        (blocks, hash): (crate::assembly::Blocks, Option<PieceHash>),
        result: Result<(), DiskError>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        let BlockId { piece, offset_bytes, length_bytes } = range;
        let files = files_in(&self.spec.layout, range);
        if result.is_ok() {
            files.iter().for_each(|&file| self.watch.on_there(file));
        }
        self.watch.on_write_done(files.into_iter());
        let Err(error) = result else {
            blocks.into_iter().for_each(|(buf, _)| pool.give_back(buf));
            self.on_written(piece, offset_bytes, length_bytes, hash);
            return self.advance(piece, false, now, pool);
        };
        self.on_write_failed(piece, offset_bytes, blocks, hash.is_some(), pool);
        let gone = error.kind == DiskErrorKind::NotFound;
        if gone && self.on_file_gone(range, &error, now, pool) {
            self.advance(piece, false, now, pool);
        } else {
            self.stuck = Some(piece);
            self.give_up_doomed(piece, pool);
            self.on_trouble(error, now);
        }
    }

    fn on_opened(
        &mut self,
        stamps: Vec<FileStamp>,
        resume: Option<Box<ResumeRecord>>,
        now: Instant,
        pool: &mut BufPool,
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
        let piece_bytes = self.spec.layout.piece_bytes(PieceIndex(0)).max(1);
        let at_once = (RECHECK_BYTES_MAX / piece_bytes as usize).max(RECHECK_IN_FLIGHT_MIN);
        let at_once = at_once.min(self.config.recheck_in_flight_max);
        let recheck = Recheck::new(unknown, piece_count, at_once);
        self.state = State::Checking(recheck);
        self.check_more(now, pool);
    }

    fn check_more(&mut self, now: Instant, pool: &mut BufPool) {
        let State::Checking(recheck) = &mut self.state else { return };
        let mut pieces = Vec::new();
        while let Some(piece) = recheck.next_piece() {
            pieces.push(piece);
        }
        let done = recheck.is_done();
        for piece in pieces {
            self.hash_piece(piece, JobUse::Check(piece));
        }
        if done {
            // Said before anything is fetched that could not be kept.
            let complete = self.have.includes(&self.part.wanted);
            if let Some(error) = self.denied.take().filter(|_| !complete) {
                return self.fail(error, pool);
            }
            self.state = State::Ready;
            self.judge_part_file();
            self.outputs.push_back(Output::Ready(self.have.clone()));
            // A first record, so that what was compared need not be compared again.
            self.durability.on_record_changed();
            self.make_durable(now);
            self.compare_more(now);
        }
    }

    fn on_checked(
        &mut self,
        piece: PieceIndex,
        result: Result<PieceHash, DiskError>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        if !matches!(self.state, State::Checking(_)) {
            return;
        }
        if result.as_ref().is_err_and(|error| error.kind == DiskErrorKind::Other)
            && self.hash_again(piece, JobUse::Check(piece))
        {
            return;
        }
        let verdict = result.map(|hash| self.spec.digests.judge(piece, &hash.finish()));
        // Somebody may have changed the file between one digest and the other.
        if matches!(verdict, Ok(Verdict::Contradiction))
            && self.hash_again(piece, JobUse::Check(piece))
        {
            return;
        }
        self.read_twice.remove(&piece);
        let State::Checking(recheck) = &mut self.state else { return };
        recheck.on_checked(piece);
        match verdict {
            Ok(Verdict::Right) => {
                self.have.set(piece);
                self.durability.on_verified(piece, self.spec.layout.piece_bytes(piece), now);
            }
            Ok(Verdict::Wrong) => {}
            Ok(Verdict::Contradiction) => return self.fail(self.contradiction(piece), pool),
            Err(error) if error.kind == DiskErrorKind::NotFound => {}
            // A bad spot on the disk: the rest is as good as ever.
            Err(error) if error.kind == DiskErrorKind::Other => {
                self.say_unreadable(error);
            }
            Err(error) => return self.fail(error, pool),
        }
        self.check_more(now, pool);
    }

    fn on_written(&mut self, piece: PieceIndex, offset: u32, length: u32, hash: Option<PieceHash>) {
        if let Some(assembly) = self.assemblies.get_mut(&piece) {
            assembly.on_written(offset, length, hash);
        }
        // With room for some files and not for others, it would be over with each write.
        let over = |stuck| stuck == piece || !self.assemblies.contains_key(&stuck);
        if self.troubled && self.stuck.is_none_or(over) {
            self.stuck = None;
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
        if self.give_up_doomed(piece, pool) || self.retry_at.is_some() {
            return;
        }
        while let Some(assembly) = self.assemblies.get_mut(&piece) {
            match assembly.next_step(self.config.run_bytes, relieve) {
                None => return,
                Some(Step::Write { offset_bytes, blocks, hash }) => {
                    let length_bytes = blocks.iter().map(|&(_, length)| length).sum();
                    let range = BlockId { piece, offset_bytes, length_bytes };
                    let (extents, skip) = self.spec.layout.write_plan(range);
                    let pad_bytes = self.spec.layout.padding_behind(range);
                    self.watch.on_write(extents_files(&extents).into_iter());
                    let kind = JobKind::Write { extents, blocks, hash, skip, pad_bytes };
                    self.job(kind, JobUse::Write { piece, offset_bytes, length_bytes });
                }
                Some(Step::Hash { offset_bytes, length_bytes, hash }) => {
                    let range = BlockId { piece, offset_bytes, length_bytes };
                    let mut parts = self.spec.layout.parts(range);
                    parts.push(HashPart::Zeros(self.spec.layout.padding_behind(range)));
                    let hashing = JobUse::HashAhead { piece, offset_bytes, length_bytes };
                    self.job(JobKind::Hash { parts, hash }, hashing);
                }
                Some(Step::Finished(hash)) => {
                    let certain = !assembly.was_read_back();
                    self.on_assembled(piece, &hash.finish(), certain, now, pool);
                }
            }
        }
    }

    fn give_up(&mut self, piece: PieceIndex, pool: &mut BufPool) {
        if let Some(assembly) = self.assemblies.remove(&piece) {
            assembly.into_buffers().for_each(|buf| pool.give_back(buf));
        }
    }

    fn job(&mut self, kind: JobKind, used_for: JobUse) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.jobs.insert(id, used_for);
        self.outputs.push_back(Output::Job(DiskJob { torrent: self.spec.torrent, id, kind }));
    }
}

/// The files of a range, each once.
fn files_in(layout: &Layout, range: BlockId) -> BTreeSet<FileIndex> {
    extents_files(&layout.write_plan(range).0)
}

fn extents_files(extents: &[crate::job::Extent]) -> BTreeSet<FileIndex> {
    extents.iter().map(|extent| extent.file).collect()
}

#[cfg(test)]
mod tests;
