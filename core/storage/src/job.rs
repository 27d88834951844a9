//! What storage asks of the disk pools, and what comes back.
//!
//! A job is moved to a pool (`io/disk`, or the simulated disk) and answered by exactly one
//! [`DiskDone`] with the same torrent and id, in any order relative to other jobs. Buffers and
//! hash states travel with the job and come home in the answer, whatever happened.

use std::path::PathBuf;
use std::sync::Arc;

use base::{BufRef, FileIndex, InfoHash, JobId, TorrentId};
use keys::PieceHash;

/// A byte range of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which file of the torrent.
    pub file: FileIndex,
    /// Where it starts, in bytes.
    pub offset_bytes: u64,
    /// How long it is, in bytes; at least 1.
    pub length_bytes: u64,
}

/// One file of a torrent as the pools know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Which file of the torrent.
    pub file: FileIndex,
    /// Path below the root, already judged safe by `wire::metainfo`. The pool still refuses to
    /// leave the root by a symbolic link.
    pub path: PathBuf,
    /// Full length in bytes; 0 for a link.
    pub length_bytes: u64,
    /// It may be made if it is not there. A skipped file is never made.
    pub make: bool,
    /// Whoever may read it may also execute it, from when it is written to.
    pub executable: bool,
    /// It gets its full room when it is made; otherwise it is sparse.
    pub reserve: bool,
    /// It is a symbolic link that says this, and has no stamp. Made when the torrent is opened,
    /// unless something is there.
    pub link: Option<PathBuf>,
}

impl FileSpec {
    /// An ordinary file.
    pub fn plain(file: FileIndex, path: PathBuf, length_bytes: u64) -> Self {
        let (make, executable, reserve, link) = (true, false, false, None);
        Self { file, path, length_bytes, make, executable, reserve, link }
    }
}

/// A range to be copied from one file to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRange {
    /// What to read.
    pub from: Extent,
    /// Where to write; as long as `from`.
    pub to: Extent,
}

/// A range to be filled from elsewhere on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bring {
    /// Which file of the torrent; at the first range it is not there yet.
    pub file: FileIndex,
    /// Where, in bytes.
    pub offset_bytes: u64,
    /// How much, in bytes.
    pub length_bytes: u64,
    /// Files that may have its content, absolute. The first is taken that has its length and can be read.
    pub sources: Arc<[PathBuf]>,
}

/// What a file looked like on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Which file of the torrent.
    pub file: FileIndex,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// Its modification time in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// What is kept about a torrent between runs of the program.
///
/// Invariant: a bit in `have` says that the piece was verified **and** that the bytes were
/// synced before this record was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeRecord {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Its root folder, absolute. The same torrent in two folders has two records.
    pub root: PathBuf,
    /// One bit a piece, most significant bit first, as in BEP 3's bitfield.
    pub have: Vec<u8>,
    /// The files as they were at the last sync; missing files have no stamp.
    pub stamps: Vec<FileStamp>,
    /// True while a process may be writing: modification times may then be later than the stamps.
    pub writing: bool,
    /// Pieces before this one were compared with the disk; a recheck goes on from here.
    pub checked_to: u32,
    /// Payload bytes received in all runs.
    pub downloaded_bytes: u64,
    /// Payload bytes sent in all runs.
    pub uploaded_bytes: u64,
    /// All of it was durable once, whatever is missing now. Never false again.
    pub was_complete: bool,
}

/// A job for the disk pools.
#[derive(Debug)]
pub struct DiskJob {
    /// Whose files.
    pub torrent: TorrentId,
    /// Comes back in the answer.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
}

/// What to do.
#[derive(Debug)]
pub enum JobKind {
    /// Register the torrent's root and files (all but padding), look at each, and load the
    /// resume record of (`info_hash`, `root`) if there is one. Answer: [`DoneKind::Opened`].
    Open {
        /// Which torrent.
        info_hash: InfoHash,
        /// The folder below which every file lies.
        root: PathBuf,
        /// The files, in order of their index.
        files: Vec<FileSpec>,
        /// Create the root, and of what may be made the files of length zero and the links;
        /// without it nothing is created ever.
        create: bool,
    },
    /// Hash the blocks on top of `hash` (if given), then write them to the extents, in order.
    /// Files are created and brought to their full length (sparse) at the first write. One that
    /// had its full length and is gone or short is [`DiskErrorKind::NotFound`] once, and made anew
    /// by the next write. The lengths of extents and blocks add up to the same. Answer:
    /// [`DoneKind::Written`].
    Write {
        /// Where to.
        extents: Vec<Extent>,
        /// From what; each with the number of its bytes that count.
        blocks: Vec<(BufRef, u32)>,
        /// Running digest of the piece up to here. Padding inside the run is in `extents` as
        /// nothing and in `blocks` as zeros: see [`Self::Write::skip`].
        hash: Option<PieceHash>,
        /// Byte ranges of the run (offset from its start, length) that are padding: hashed,
        /// never written. Sorted, disjoint; not counted in `extents`.
        skip: Vec<(u64, u64)>,
        /// Bytes of padding behind the run, in no block: hashed, never written.
        pad_bytes: u64,
    },
    /// Read the parts and hash them on top of `hash`. Answer: [`DoneKind::Hashed`].
    Hash {
        /// What to read, in order.
        parts: Vec<HashPart>,
        /// Running digest to start from.
        hash: PieceHash,
    },
    /// Bring these ranges into the page cache, so that a `sendfile` from them will not wait.
    /// Answer: [`DoneKind::Resident`].
    MakeResident {
        /// Which ranges.
        extents: Vec<Extent>,
    },
    /// Fill a range from elsewhere, copy ranges between files, then look at all files. Files are made as
    /// for a write. Answer: [`DoneKind::Copied`].
    Copy {
        /// What cannot be brought is left out: nobody has promised it.
        bring: Option<Bring>,
        /// In order.
        ranges: Vec<CopyRange>,
    },
    /// Delete a file of ours. Answer: [`DoneKind::Removed`].
    Remove {
        /// Which file; if it is not there that is as good.
        file: FileIndex,
    },
    /// Make the data of these files durable, then look at all files. Answer: [`DoneKind::Synced`].
    Sync {
        /// Which files; not existing ones are skipped.
        files: Vec<FileIndex>,
    },
    /// Replace the resume record, durably. Answer: [`DoneKind::Committed`].
    Commit {
        /// The new record.
        record: Box<ResumeRecord>,
    },
    /// Forget the torrent and close its files. Answer: [`DoneKind::Closed`].
    Close,
}

/// A part of a piece to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashPart {
    /// Bytes of a file. A missing file, a short file or a hole that reaches over the whole part
    /// need not be read: answer [`DiskErrorKind::NotFound`] or hash zeros, as the disk finds it.
    File(Extent),
    /// That many zeros of padding (BEP 47).
    Zeros(u64),
}

/// The answer to a [`DiskJob`].
#[derive(Debug)]
pub struct DiskDone {
    /// Whose files.
    pub torrent: TorrentId,
    /// Of which job.
    pub id: JobId,
    /// What happened.
    pub kind: DoneKind,
}

/// What happened.
#[derive(Debug)]
pub enum DoneKind {
    /// Files looked at. Missing files have no stamp.
    Opened {
        /// Existing files, or why the root cannot be used.
        stamps: Result<Vec<FileStamp>, DiskError>,
        /// The record of an earlier run.
        resume: Option<Box<ResumeRecord>>,
        /// Why nothing can be written there, if the job was to create and that is known already.
        denied: Option<DiskError>,
    },
    /// The run was written, or not. Buffers and digest come home either way; after an error the
    /// digest is of no use.
    Written {
        /// The buffers of the job.
        blocks: Vec<(BufRef, u32)>,
        /// The running digest after this run.
        hash: Option<PieceHash>,
        /// Written, or why not.
        result: Result<(), DiskError>,
    },
    /// The running digest after the parts.
    Hashed {
        /// The digest, or why the parts could not be read.
        result: Result<PieceHash, DiskError>,
    },
    /// The ranges are in the page cache.
    Resident {
        /// What their files look like, or why they cannot be read.
        result: Result<Vec<FileStamp>, DiskError>,
    },
    /// The ranges are copied, not yet durable.
    Copied {
        /// Stamps of all existing files, or why not all could be copied.
        stamps: Result<Vec<FileStamp>, DiskError>,
    },
    /// The file is deleted.
    Removed {
        /// Or not.
        result: Result<(), DiskError>,
    },
    /// The data is durable; stamps of all existing files after the sync.
    Synced {
        /// The stamps, or why the sync failed. After a failed sync nothing may be believed
        /// durable: the kernel may have dropped the dirty pages.
        result: Result<Vec<FileStamp>, DiskError>,
    },
    /// The record is durable.
    Committed {
        /// Or not.
        result: Result<(), DiskError>,
    },
    /// The torrent is forgotten.
    Closed,
}

/// Why a disk operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {}: {message}", path.display())]
pub struct DiskError {
    /// What was tried, as a verb: `write`, `read`, `sync`, `create`, `open`.
    pub operation: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What kind of trouble.
    pub kind: DiskErrorKind,
    /// What the system said.
    pub message: String,
}

/// What kind of trouble a [`DiskError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// No room: goes on when there is.
    Full,
    /// Not allowed, or a read-only file system.
    Denied,
    /// The file is not there, or shorter than it must be.
    NotFound,
    /// The path would leave the root folder.
    Escapes,
    /// Not the disk's fault: the two versions of a hybrid torrent disagree about its content.
    Contradiction,
    /// Anything else the system said.
    Other,
}
