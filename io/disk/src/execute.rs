//! Does what a job says, on the thread that calls.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::PoisonError;

use base::{BufRef, FileIndex, TorrentId};
use keys::PieceHash;
use rustix::io::{Errno, pread};
use storage::job::{
    CopyRange, DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, Extent, FileStamp, HashPart,
    JobKind, ResumeRecord,
};

use crate::failure::{failure, found, std_failure};
use crate::files::{FileTable, TorrentFiles, stamp};
use crate::resident::is_resident;
use crate::resume_db::ResumeDb;
use crate::run::{Cursor, HashRun, hash_all, run_bytes, segments};

/// Size of a worker's read buffer in bytes. Of 128 KiB to 1 MiB this was best for pieces of 1 MiB
/// read cold in any order (ext4 on a virtual disk, 2 workers): larger reads cost a third more CPU.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Zeros to hash.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

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

/// Hashes the run of a write, before it is executed; the runs of two in lockstep, which takes a
/// sixth less time than one after the other. In smaller steps between the writes, to have the
/// bytes still in the CPU's cache, it measured the same.
pub(crate) fn hash_runs(job: &mut DiskJob, second: Option<&mut DiskJob>) {
    hash_all(run_to_hash(job).into_iter().chain(second.and_then(run_to_hash)).collect());
}

/// The digest and the blocks of a write that is to be hashed.
pub(crate) fn run_to_hash(job: &mut DiskJob) -> Option<HashRun<'_>> {
    let JobKind::Write { blocks, hash: Some(hash), pad_bytes, .. } = &mut job.kind else {
        return None;
    };
    // A run that does not add up is refused by the write.
    run_bytes(blocks).map(|_| HashRun { hash, blocks, pad_bytes: *pad_bytes })
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
    pub(crate) fn execute(&self, job: DiskJob, scratch: &mut Scratch) -> DiskDone {
        let DiskJob { torrent, id, kind } = job;
        let kind = match kind {
            JobKind::Open { info_hash, root, files, create } => {
                let resume = self.db.load(info_hash, &root);
                let stamps = self.table.open(torrent, root, files, create);
                let denied = if create { self.table.denied(torrent) } else { None };
                DoneKind::Opened { stamps, resume, denied }
            }
            // Hashed already, by [`hash_runs`].
            JobKind::Write { extents, blocks, hash, skip, .. } => {
                let result = self.write(torrent, &extents, &blocks, &skip);
                DoneKind::Written { blocks, hash, result }
            }
            JobKind::Hash { parts, hash } => {
                DoneKind::Hashed { result: self.hash(torrent, &parts, hash, scratch) }
            }
            JobKind::MakeResident { extents } => {
                DoneKind::Resident { result: self.make_resident(torrent, &extents, scratch) }
            }
            JobKind::Copy { ranges } => {
                let result = self.table.torrent("write", torrent).and_then(|torrent| {
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

    fn hash(
        &self,
        torrent: TorrentId,
        parts: &[HashPart],
        mut hash: PieceHash,
        scratch: &mut Scratch,
    ) -> Result<PieceHash, DiskError> {
        let torrent = self.table.torrent("read", torrent)?;
        for part in parts {
            match part {
                HashPart::Zeros(length_bytes) => hash.pad(*length_bytes),
                HashPart::File(extent) => {
                    let file = self.table.for_look(&torrent, extent.file)?;
                    if is_hole(&file, extent) {
                        check_length(&torrent, extent, &file)?;
                        hash_zeros(extent.length_bytes, &mut hash);
                    } else {
                        read_through(&torrent, &file, extent, scratch, |bytes| hash.update(bytes))?;
                    }
                }
            }
        }
        Ok(hash)
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

fn hash_zeros(length_bytes: u64, hash: &mut PieceHash) {
    let mut left = length_bytes;
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        hash.update(ZEROS.get(..step).unwrap_or(&ZEROS));
        left -= step as u64;
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
