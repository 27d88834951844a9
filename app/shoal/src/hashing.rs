//! Hashing the pieces of files with all cores: for `create` and `verify`.
//!
//! Each thread takes a few consecutive pieces, reads them in small chunks and hashes what is still
//! in its cache, while the system reads ahead what the next threads will take. Memory: one chunk
//! per thread, whatever the size of a piece.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Bitfield, FileIndex, PieceIndex};
use crossbeam_channel::{Sender, bounded, select};
use keys::{Kinds, PieceDigest, PieceHash};
use storage::job::{Extent, HashPart};
use storage::layout::Layout;

use crate::failure::{Failure, reason, shown};
use crate::interrupt::Interrupt;
use crate::node_setup::cores;
use crate::out::Out;
use crate::progress::WorkMeter;

/// Bytes read at once. Half of a common second-level cache, so that they are hashed from there.
const CHUNK_BYTES: usize = 256 * 1024;

/// Bytes that a thread takes at once, if pieces are smaller: long enough that the system sees
/// sequential reading.
const SHARE_BYTES: u32 = 4 << 20;

/// Bytes that the system is asked to read ahead for each thread.
const AHEAD_BYTES: u64 = 8 << 20;

/// More threads than this don't help any disk, and keep memory below 8 MiB.
const THREADS_MAX: usize = 32;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
        let threads = cores().clamp(1, THREADS_MAX);
        let piece_bytes = self.layout.piece_bytes(PieceIndex(0));
        let shared = Shared {
            layout: self.layout,
            kinds: self.kinds,
            only: self.only,
            root: self.root,
            next: AtomicU32::new(0),
            share_pieces: (SHARE_BYTES / piece_bytes.max(1)).max(1),
            threads: u32::try_from(threads).expect("few"),
            done_bytes: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        let mut meter = WorkMeter::new(self.label, self.layout.total_bytes());
        let result = std::thread::scope(|scope| {
            let (sender, outcomes) = bounded(threads * 16);
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

impl Shared<'_> {
    fn work(&self, outcomes: &Sender<Outcome>) {
        let mut reader = Reader { open: None, chunk: vec![0; CHUNK_BYTES] };
        let pieces = self.layout.piece_count();
        loop {
            let first = self.next.fetch_add(self.share_pieces, Ordering::Relaxed);
            if first >= pieces {
                return;
            }
            self.read_ahead(first);
            for piece in
                (first..pieces.min(first.saturating_add(self.share_pieces))).map(PieceIndex)
            {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let bytes = u64::from(self.layout.piece_bytes(piece));
                if self.only.is_some_and(|only| !only.has(piece)) {
                    self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
                    continue;
                }
                let digest = self.hash(piece, &mut reader);
                self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
                if outcomes.send((piece, digest)).is_err() {
                    return;
                }
            }
        }
    }

    /// Asks the system for the beginning of what this thread or another will take next.
    fn read_ahead(&self, first: u32) {
        #[cfg(target_os = "linux")]
        {
            let ahead = u64::from(first) + u64::from(self.share_pieces) * u64::from(self.threads);
            let Some(piece) =
                u32::try_from(ahead).ok().filter(|&piece| piece < self.layout.piece_count())
            else {
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

    fn hash(&self, piece: PieceIndex, reader: &mut Reader) -> Result<PieceDigest, Broken> {
        let mut hash = PieceHash::new(self.kinds);
        for part in self.layout.piece_parts(piece) {
            match part {
                HashPart::File(extent) => {
                    let result = reader.hash(self.layout, self.root, extent, &mut hash);
                    result.map_err(|why| Broken { file: extent.file, why })?;
                }
                HashPart::Zeros(bytes) => hash.pad(bytes),
            }
        }
        Ok(hash.finish())
    }
}

/// The file that a thread reads, and its chunk.
struct Reader {
    open: Option<(FileIndex, File)>,
    chunk: Vec<u8>,
}

impl Reader {
    fn hash(
        &mut self,
        layout: &Layout,
        root: &Path,
        extent: Extent,
        hash: &mut PieceHash,
    ) -> Result<(), Why> {
        let file = match &mut self.open {
            Some((index, file)) if *index == extent.file => file,
            other => {
                let file = open(&root.join(&layout.file(extent.file).path))?;
                &mut other.insert((extent.file, file)).1
            }
        };
        file.seek(SeekFrom::Start(extent.offset_bytes)).map_err(Why::Unreadable)?;
        let mut left = extent.length_bytes;
        while left > 0 {
            let wanted = self.chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut self.chunk[..wanted]) {
                Ok(0) => return Err(Why::Short),
                Ok(read) => {
                    hash.update(&self.chunk[..read]);
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Why::Unreadable(error)),
            }
        }
        Ok(())
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
