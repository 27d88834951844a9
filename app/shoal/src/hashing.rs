//! Hashing the pieces of files with all cores: for `create` and `verify`.
//!
//! Each thread takes a few consecutive pieces, which `disk` reads and hashes at once, while the system
//! reads ahead what the next threads will take. Memory: a buffer of 1 MiB a thread, whatever the size
//! of a piece, and what of the page cache is looked at.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Bitfield, FileIndex, PieceIndex};
use crossbeam_channel::{Sender, bounded, select};
use disk::{Lane, LaneError, LaneFiles, LaneReader};
use keys::{Engine, Kinds, PieceDigest, PieceHash};
use storage::job::HashPart;
use storage::layout::Layout;

use crate::failure::{Failure, reason, shown};
use crate::interrupt::Interrupt;
use crate::node_setup::cores;
use crate::out::Out;
use crate::progress::WorkMeter;

/// Bytes that a thread takes at once, if pieces are smaller: long enough that the system sees
/// sequential reading.
const SHARE_BYTES: u32 = 16 << 20;

/// Pieces that a thread takes at once, if they are larger: as many as the widest vectors hash at once.
const SHARE_PIECES: u32 = 16;

/// Bytes that the system is asked to read ahead for each thread.
const AHEAD_BYTES: u64 = 8 << 20;

/// More threads than this don't help any disk, and keep memory below 40 MiB.
const THREADS_MAX: usize = 32;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Names the instructions to hash with, for comparisons: see docs/performance.md.
const ENGINE_VARIABLE: &str = "SHOAL_HASH";

/// Hashes with what the environment names, if it does.
pub(crate) fn choose_engine() -> Result<(), Failure> {
    let Some(wish) = std::env::var_os(ENGINE_VARIABLE).filter(|wish| !wish.is_empty()) else {
        return Ok(());
    };
    let engine = Engine::ALL.into_iter().find(|engine| wish == engine.name());
    if engine.is_some_and(keys::choose) {
        return Ok(());
    }
    let known = Engine::ALL.into_iter().filter(|engine| engine.available());
    let known: Vec<&str> = known.map(Engine::name).collect();
    Err(Failure::with_hint(
        format!("cannot hash as {ENGINE_VARIABLE} says: {}", shown(Path::new(&wish))),
        format!("this CPU has {}", known.join(", ")),
    ))
}

/// Why a piece could not be read.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Where.
    pub(crate) file: FileIndex,
    /// Why.
    pub(crate) why: Why,
}

/// See [`Broken`].
#[derive(Debug)]
pub(crate) enum Why {
    /// There is no such file.
    Missing,
    /// It ends too early.
    Short,
    /// It is a folder, a pipe, or the like.
    NotAFile,
    /// What the system said.
    Unreadable(io::Error),
}

/// What to hash, and whom to tell.
#[derive(Debug)]
pub(crate) struct Hashing<'a> {
    /// The pieces.
    pub(crate) layout: &'a Layout,
    /// What is wanted to know of each.
    pub(crate) kinds: Kinds,
    /// These pieces only; all, if it does not say.
    pub(crate) only: Option<&'a Bitfield>,
    /// The folder below which the files lie.
    pub(crate) root: &'a Path,
    /// What is being done to what, for progress.
    pub(crate) label: &'a str,
    /// Where progress is shown.
    pub(crate) out: &'a Out,
    /// Ends it early.
    pub(crate) interrupt: &'a Interrupt,
}

struct Shared<'a> {
    layout: &'a Layout,
    kinds: Kinds,
    only: Option<&'a Bitfield>,
    root: &'a Path,
    /// The first piece that nobody took.
    next: AtomicU32,
    share_pieces: u32,
    threads: u32,
    done_bytes: AtomicU64,
    stop: AtomicBool,
}

type Outcome = (PieceIndex, Result<PieceDigest, Broken>);

impl Hashing<'_> {
    /// Gives the digest of each piece to `on_piece`, in any order.
    ///
    /// # Errors
    /// What `on_piece` says, or that the user stopped it.
    pub(crate) fn run(
        &self,
        mut on_piece: impl FnMut(PieceIndex, Result<PieceDigest, Broken>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let threads = u32::try_from(cores().clamp(1, THREADS_MAX)).expect("few");
        let shared = Shared {
            layout: self.layout,
            kinds: self.kinds,
            only: self.only,
            root: self.root,
            next: AtomicU32::new(0),
            share_pieces: self.share_pieces(threads),
            threads,
            done_bytes: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        // Padding is not read, and what is left out is no work.
        let sizes = self.layout.sizes();
        let total_bytes = self.only.map_or(sizes.content(), |only| sizes.content_in(only));
        let mut meter = WorkMeter::new(self.label, total_bytes);
        let result = std::thread::scope(|scope| {
            let (sender, outcomes) = bounded(threads as usize * 16);
            for _ in 0..threads {
                let (shared, sender) = (&shared, sender.clone());
                scope.spawn(move || shared.work(&sender));
            }
            drop(sender);
            let result = loop {
                select! {
                    recv(outcomes) -> outcome => match outcome {
                        Ok((piece, digest)) => {
                            if let Err(failure) = on_piece(piece, digest) {
                                break Err(failure);
                            }
                        }
                        Err(_all_done) => break Ok(()),
                    },
                    recv(self.interrupt.wishes()) -> _ => break Err(Failure::Interrupted),
                    default(LOOK_EVERY) => {}
                }
                meter.show(shared.done_bytes.load(Ordering::Relaxed), self.out, Instant::now());
            };
            // The threads end when they see this or can't deliver.
            shared.stop.store(true, Ordering::Relaxed);
            drop(outcomes);
            result
        });
        meter.clear(self.out);
        result
    }
}

impl Hashing<'_> {
    /// How many pieces a thread takes at once. All threads before all lanes, if there are few pieces.
    fn share_pieces(&self, threads: u32) -> u32 {
        let small = SHARE_BYTES / self.layout.piece_bytes(PieceIndex(0)).max(1);
        // The leaves of version 2 fill lanes by themselves.
        let enough = if self.kinds.v1 { SHARE_PIECES } else { 1 };
        let fair = self.layout.piece_count() / threads;
        small.max(enough).min(fair).max(1)
    }
}

impl Shared<'_> {
    fn work(&self, outcomes: &Sender<Outcome>) {
        let mut reader = LaneReader::default();
        let pieces = self.layout.piece_count();
        loop {
            let first = self.next.fetch_add(self.share_pieces, Ordering::Relaxed);
            if first >= pieces || self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.read_ahead(
                u64::from(first) + u64::from(self.share_pieces) * u64::from(self.threads),
            );
            let share =
                (first..pieces.min(first.saturating_add(self.share_pieces))).map(PieceIndex);
            let share: Vec<PieceIndex> =
                share.filter(|&piece| self.only.is_none_or(|only| only.has(piece))).collect();
            for (piece, digest) in share.iter().zip(self.hash(&share, &mut reader)) {
                if outcomes.send((*piece, digest)).is_err() {
                    return;
                }
            }
        }
    }

    /// Asks the system for `piece` and what follows, which this thread or another will take next.
    fn read_ahead(&self, piece: u64) {
        #[cfg(target_os = "linux")]
        {
            let piece = u32::try_from(piece).ok();
            let Some(piece) = piece.filter(|&piece| piece < self.layout.piece_count()) else {
                return;
            };
            let parts = self.layout.piece_parts(PieceIndex(piece));
            let Some(HashPart::File(extent)) = parts.first() else { return };
            let path = &self.layout.file(extent.file).path;
            // It is a wish; what is wrong with the file is found when it is read.
            if let Ok(open) = open(&self.root.join(path)) {
                let length = core::num::NonZero::new(AHEAD_BYTES);
                let advice = rustix::fs::Advice::WillNeed;
                rustix::fs::fadvise(&open, extent.offset_bytes, length, advice).ok();
            }
        }
    }

    /// The digests of these pieces; fewer if it was stopped.
    fn hash(
        &self,
        pieces: &[PieceIndex],
        reader: &mut LaneReader,
    ) -> Vec<Result<PieceDigest, Broken>> {
        let lane = |&piece: &PieceIndex| Lane {
            hash: PieceHash::new(self.kinds),
            parts: self.layout.piece_parts(piece),
        };
        let lanes = pieces.iter().map(lane).collect();
        let mut files = Files { shared: self, pieces, last: None };
        let outcomes = reader.hash(lanes, &mut files).into_iter().map(|outcome| match outcome {
            Ok(hash) => Some(Ok(hash.finish())),
            Err(LaneError::Stopped) => None,
            Err(LaneError::Open(broken)) => Some(Err(broken)),
            Err(LaneError::Short(file)) => Some(Err(Broken { file, why: Why::Short })),
            Err(LaneError::Read(file, errno)) => {
                Some(Err(Broken { file, why: Why::Unreadable(errno.into()) }))
            }
        });
        outcomes.map_while(core::convert::identity).collect()
    }
}

/// The files that a thread reads.
struct Files<'a> {
    shared: &'a Shared<'a>,
    /// Of the lanes.
    pieces: &'a [PieceIndex],
    /// Opened last. Nearly always the lanes are of the same file.
    last: Option<(FileIndex, Arc<File>)>,
}

impl LaneFiles for Files<'_> {
    type Error = Broken;

    fn open(&mut self, _lane: usize, file: FileIndex) -> Result<Arc<File>, Broken> {
        if let Some((_, opened)) = self.last.as_ref().filter(|(index, _)| *index == file) {
            return Ok(Arc::clone(opened));
        }
        let path = self.shared.root.join(&self.shared.layout.file(file).path);
        let opened = open(&path).map_err(|why| Broken { file, why })?;
        let (_, opened) = self.last.insert((file, Arc::new(opened)));
        Ok(Arc::clone(opened))
    }

    fn on_alone(&mut self, lane: usize) {
        self.shared.read_ahead(u64::from(self.pieces[lane].0) + 1);
    }

    fn on_bytes(&mut self, bytes: u64) -> bool {
        self.shared.done_bytes.fetch_add(bytes, Ordering::Relaxed);
        !self.shared.stop.load(Ordering::Relaxed)
    }
}

/// Opens a regular file. Opening a pipe would wait for its other end, so we look first.
fn open(path: &Path) -> Result<File, Why> {
    let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    let failed = |error: io::Error| {
        if absent.contains(&error.kind()) { Why::Missing } else { Why::Unreadable(error) }
    };
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Why::NotAFile);
    }
    File::open(path).map_err(failed)
}

impl Why {
    /// As the end of a command that has to read the file at `path`.
    pub(crate) fn failure(&self, path: &Path) -> Failure {
        match self {
            Self::Unreadable(error) => Failure::reading(path, error),
            Self::Missing | Self::Short | Self::NotAFile => {
                Failure::new(format!("cannot read {}: {}", shown(path), self.text()))
            }
        }
    }

    /// For the user, after the name of the file.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Missing => "not found".into(),
            Self::Short => "ends too early".into(),
            Self::NotAFile => "not a regular file".into(),
            Self::Unreadable(error) => reason(error),
        }
    }
}
