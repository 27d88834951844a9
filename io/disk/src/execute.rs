//! Does what a job says, on the thread that calls.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError};

use base::{BufRef, FileIndex, TorrentId};
use keys::PieceHash;
use rustix::io::{Errno, pread};
use storage::job::{
    CopyRange, DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, Extent, FileStamp, HashPart,
    JobKind, ResumeRecord,
};

use crate::bring::bring;
use crate::failure::{failure, found, std_failure};
use crate::files::{FileTable, TorrentFiles, stamp};
use crate::lockstep::{Lane, LaneError, LaneFiles, LaneReader};
use crate::resident::is_resident;
use crate::resume_db::ResumeDb;
use crate::run::{Cursor, HashRun, run_bytes, segments};

/// Size of a worker's read buffer in bytes. Of 128 KiB to 1 MiB this was best for pieces of 1 MiB
/// read cold in any order (ext4 on a virtual disk, 2 workers): larger reads cost a third more CPU.
const SCRATCH_BYTES: usize = 256 * 1024;

/// A worker's read buffer; its memory is taken at the first read.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    fn bytes(&mut self) -> &mut [u8] {
        if self.0.is_empty() {
            self.0 = vec![0; SCRATCH_BYTES];
        }
        &mut self.0
    }
}

/// The digest and the blocks of a write that is to be hashed.
pub(crate) fn run_to_hash(job: &mut DiskJob) -> Option<HashRun<'_>> {
    let JobKind::Write { blocks, hash: Some(hash), pad_bytes, .. } = &mut job.kind else {
        return None;
    };
    // A run that does not add up is refused by the write.
    run_bytes(blocks).map(|_| HashRun { hash, blocks, pad_bytes: *pad_bytes })
}

/// What a job adds to.
pub(crate) fn hash_of(job: &DiskJob) -> Option<&PieceHash> {
    match &job.kind {
        JobKind::Write { hash, .. } => hash.as_ref(),
        JobKind::Hash { hash, .. } => Some(hash),
        JobKind::Open { .. }
        | JobKind::MakeResident { .. }
        | JobKind::Copy { .. }
        | JobKind::Remove { .. }
        | JobKind::Sync { .. }
        | JobKind::Commit { .. }
        | JobKind::Close => None,
    }
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Executor {
    /// The open torrents.
    pub(crate) table: FileTable,
    /// The resume records.
    pub(crate) db: ResumeDb,
}

impl Executor {
    /// Does the job and gives the answer.
    pub(crate) fn execute(
        &self,
        job: DiskJob,
        scratch: &mut Scratch,
        reader: &mut LaneReader,
    ) -> DiskDone {
        let DiskJob { torrent, id, kind } = job;
        let kind = match kind {
            JobKind::Open { info_hash, root, files, create } => {
                let resume = self.db.load(info_hash, &root);
                let stamps = self.table.open(torrent, root, files, create);
                let denied = if create { self.table.denied(torrent) } else { None };
                DoneKind::Opened { stamps, resume, denied }
            }
            // Hashed already, with others.
            JobKind::Write { extents, blocks, hash, skip, .. } => {
                let result = self.write(torrent, &extents, &blocks, &skip);
                DoneKind::Written { blocks, hash, result }
            }
            JobKind::Hash { parts, hash } => {
                let job = DiskJob { torrent, id, kind: JobKind::Hash { parts, hash } };
                let mut done = self.hash_together(vec![job], reader);
                return done.pop().expect("one for one");
            }
            JobKind::MakeResident { extents } => {
                DoneKind::Resident { result: self.make_resident(torrent, &extents, scratch) }
            }
            JobKind::Copy { bring: wanted, ranges } => {
                let result = self.table.torrent("write", torrent).and_then(|torrent| {
                    wanted.iter().for_each(|range| bring(&self.table, &torrent, range));
                    ranges.iter().try_for_each(|range| self.copy(&torrent, range, scratch))?;
                    self.table.stamps(&torrent)
                });
                DoneKind::Copied { stamps: result }
            }
            JobKind::Remove { file } => {
                let torrent = self.table.torrent("delete", torrent);
                let result = torrent.and_then(|torrent| self.table.remove(&torrent, file));
                DoneKind::Removed { result }
            }
            JobKind::Sync { files } => {
                let result = self.table.torrent("sync", torrent).and_then(|torrent| {
                    self.table.sync(&torrent, &files)?;
                    // An empty file that somebody removed is missed by nobody else.
                    self.table.first_look(&torrent).or_else(|_| self.table.stamps(&torrent))
                });
                DoneKind::Synced { result }
            }
            JobKind::Commit { record } => DoneKind::Committed { result: self.commit(&[&record]) },
            JobKind::Close => {
                self.table.close(torrent);
                DoneKind::Closed
            }
        };
        DiskDone { torrent, id, kind }
    }

    /// Replaces the records, durably, all or none.
    pub(crate) fn commit(&self, records: &[&ResumeRecord]) -> Result<(), DiskError> {
        self.db.store(records)
    }

    /// Writes segment by segment.
    fn write(
        &self,
        torrent: TorrentId,
        extents: &[Extent],
        blocks: &[(BufRef, u32)],
        skip: &[(u64, u64)],
    ) -> Result<(), DiskError> {
        let torrent = self.table.torrent("write", torrent)?;
        let run = run_bytes(blocks).and_then(|run_bytes| segments(extents, skip, run_bytes));
        let Some(segments) = run else {
            let message = "the run's extents and blocks do not add up";
            let path = extents.first().map(|extent| torrent.full_path(extent.file));
            return Err(found("write", path.unwrap_or_default(), DiskErrorKind::Other, message));
        };
        let mut written = Cursor::new(blocks);
        for segment in segments {
            let file = self.table.for_write(&torrent, segment.file)?;
            written.advance_to(segment.run_offset_bytes, |_| {});
            // A file that was cut would be long enough again afterwards.
            self.table.check_there(&torrent, segment.file, &file)?;
            // A panic while it was held hurt nobody else: it guards no data.
            let one_writer = torrent.one_writer.lock().unwrap_or_else(PoisonError::into_inner);
            written
                .write(&file, segment.offset_bytes, segment.length_bytes)
                .map_err(|errno| failure("write", torrent.full_path(segment.file), errno))?;
            drop(one_writer);
            self.table.check_there(&torrent, segment.file, &file)?;
        }
        Ok(())
    }

    /// Whether it is to hash what is in the page cache, or much of it, so that it does not wait for a disk.
    pub(crate) fn is_at_hand(&self, job: &DiskJob) -> bool {
        let JobKind::Hash { parts, .. } = &job.kind else { return false };
        let Some(HashPart::File(extent)) = parts.first() else { return false };
        let torrent = self.table.torrent("read", job.torrent);
        let file = torrent.and_then(|torrent| self.table.for_look(&torrent, extent.file));
        // What is wrong is told when it is done.
        file.is_ok_and(|file| is_resident(&file, extent.offset_bytes, extent.length_bytes))
    }

    /// Does jobs of [`JobKind::Hash`], and no others.
    pub(crate) fn hash_together(
        &self,
        jobs: Vec<DiskJob>,
        reader: &mut LaneReader,
    ) -> Vec<DiskDone> {
        let (mut ids, mut lanes) = (Vec::new(), Vec::new());
        for DiskJob { torrent, id, kind } in jobs {
            let JobKind::Hash { parts, hash } = kind else { unreachable!("others are executed") };
            ids.push((torrent, id));
            lanes.push(Lane { hash, parts });
        }
        let torrents = ids.iter().map(|(torrent, _)| *torrent).collect();
        let mut files = Files { table: &self.table, torrents };
        let outcomes = reader.hash(lanes, &mut files).into_iter().zip(ids);
        let done = outcomes.map(|(outcome, (torrent, id))| {
            let result = outcome.map_err(|error| self.explain(torrent, error));
            DiskDone { torrent, id, kind: DoneKind::Hashed { result } }
        });
        done.collect()
    }

    fn explain(&self, torrent: TorrentId, error: LaneError<DiskError>) -> DiskError {
        let place = |file| self.table.torrent("read", torrent).map(|torrent| (torrent, file));
        match error {
            LaneError::Open(error) => error,
            LaneError::Short(file) => {
                place(file).map_or_else(|error| error, |(torrent, file)| too_short(&torrent, file))
            }
            LaneError::Read(file, errno) => place(file).map_or_else(
                |error| error,
                |(torrent, file)| failure("read", torrent.full_path(file), errno),
            ),
            LaneError::Stopped => unreachable!("nobody tells it to"),
        }
    }

    fn copy(
        &self,
        torrent: &TorrentFiles,
        range: &CopyRange,
        scratch: &mut Scratch,
    ) -> Result<(), DiskError> {
        let from = self.table.for_look(torrent, range.from.file)?;
        let to = self.table.for_write(torrent, range.to.file)?;
        self.table.check_there(torrent, range.to.file, &to)?;
        let mut at = range.to.offset_bytes;
        let mut written = Ok(());
        read_through(torrent, &from, &range.from, scratch, |bytes| {
            if written.is_ok() {
                written = to.write_all_at(bytes, at);
                at += bytes.len() as u64;
            }
        })?;
        written.map_err(|error| std_failure("write", torrent.full_path(range.to.file), &error))?;
        self.table.check_there(torrent, range.to.file, &to)
    }

    fn make_resident(
        &self,
        torrent: TorrentId,
        extents: &[Extent],
        scratch: &mut Scratch,
    ) -> Result<Vec<FileStamp>, DiskError> {
        let torrent = self.table.torrent("read", torrent)?;
        let mut stamps = Vec::with_capacity(extents.len());
        for extent in extents {
            let file = self.table.for_look(&torrent, extent.file)?;
            // Before the range is read: what changes later is seen at the next look.
            stamps.push(check_length(&torrent, extent, &file)?);
            if !is_resident(&file, extent.offset_bytes, extent.length_bytes) {
                read_through(&torrent, &file, extent, scratch, |_| {})?;
            }
        }
        Ok(stamps)
    }
}

/// The files of jobs, by their positions.
struct Files<'a> {
    table: &'a FileTable,
    torrents: Vec<TorrentId>,
}

impl LaneFiles for Files<'_> {
    type Error = DiskError;

    fn open(&mut self, lane: usize, file: FileIndex) -> Result<Arc<File>, DiskError> {
        let torrent = self.table.torrent("read", self.torrents[lane])?;
        self.table.for_look(&torrent, file)
    }
}

/// Reads the extent in steps of the scratch buffer.
///
/// No `WILLNEED` before: cold pieces of 1 MiB in sequence then came at six tenths of the speed with
/// three times the CPU, in random order at the same (ext4, virtual disk, read-ahead of 8 MiB).
fn read_through(
    torrent: &TorrentFiles,
    file: &File,
    extent: &Extent,
    scratch: &mut Scratch,
    mut each: impl FnMut(&[u8]),
) -> Result<(), DiskError> {
    let buf = scratch.bytes();
    let mut done = 0;
    while done < extent.length_bytes {
        let left = usize::try_from(extent.length_bytes - done).unwrap_or(usize::MAX);
        let step = left.min(buf.len());
        let (target, _) = buf.split_at_mut(step);
        match pread(file, &mut *target, extent.offset_bytes + done) {
            Ok(0) => return Err(too_short(torrent, extent.file)),
            Ok(count) => {
                let (read, _) = target.split_at(count);
                each(read);
                done += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failure("read", torrent.full_path(extent.file), errno)),
        }
    }
    Ok(())
}

fn check_length(
    torrent: &TorrentFiles,
    extent: &Extent,
    file: &File,
) -> Result<FileStamp, DiskError> {
    let stat = rustix::fs::fstat(file)
        .map_err(|errno| failure("read", torrent.full_path(extent.file), errno))?;
    let end = extent.offset_bytes.saturating_add(extent.length_bytes);
    let stamp = stamp(extent.file, &stat);
    if stamp.length_bytes >= end { Ok(stamp) } else { Err(too_short(torrent, extent.file)) }
}

fn too_short(torrent: &TorrentFiles, file: FileIndex) -> DiskError {
    found("read", torrent.full_path(file), DiskErrorKind::NotFound, "the file is too short")
}

/// True if no byte of the extent was ever written, or all lie beyond the end of the file.
///
/// A sparse file is mostly this when a download is checked again; reading it would fill the page
/// cache with zeros. The seek moves the descriptor's own position, which nobody uses.
#[cfg(target_os = "linux")]
pub(crate) fn is_hole(file: &File, extent: &Extent) -> bool {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(extent.offset_bytes)) {
        Ok(data_at) => data_at >= extent.offset_bytes.saturating_add(extent.length_bytes),
        Err(errno) => errno == Errno::NXIO,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_hole(_file: &File, _extent: &Extent) -> bool {
    false
}
