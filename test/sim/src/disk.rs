//! A disk that forgets: what was not synced may be lost in a crash, page by page.
//!
//! It also checks the order of writes: a have-bit that is committed while the bytes of its piece
//! are not durable fails the run at once.

use std::collections::BTreeMap;

use base::{Bitfield, BlockId, FileIndex, PieceIndex, Rng};
use keys::{PieceHash, sha1};
use storage::job::{
    DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, Extent, FileSpec, FileStamp, HashPart,
    JobKind, ResumeRecord,
};

use crate::content::{Content, slice};
use crate::fault::{Countdown, Operation};

const PAGE: usize = 4096;

#[derive(Debug, Default, Clone)]
struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Writes not yet synced: number, offset, bytes.
    unsynced: Vec<(u64, usize, Vec<u8>)>,
    modified: i64,
}

/// How a disk misbehaves.
#[derive(Debug, Clone, Copy)]
pub struct DiskFaults {
    /// Of a thousand writes, how many fail for want of room.
    pub full_per_mille: u32,
}

/// The files and the resume record of one node.
#[derive(Debug)]
pub struct SimDisk {
    files: BTreeMap<FileIndex, File>,
    specs: Vec<FileSpec>,
    record: Option<ResumeRecord>,
    writes: u64,
    clock: i64,
    faults: DiskFaults,
    /// To the one operation that fails.
    pub countdown: Countdown,
    rng: Rng,
}

/// A job that was started: what it will answer, and what to do when it ends.
#[derive(Debug)]
pub struct Started {
    job: DiskJob,
    /// Writes that a sync covers: those before it began.
    covers: u64,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(faults: DiskFaults, rng: Rng) -> Self {
        Self {
            files: BTreeMap::new(),
            specs: Vec::new(),
            record: None,
            writes: 0,
            clock: 0,
            faults,
            countdown: Countdown::default(),
            rng,
        }
    }

    /// Puts the whole content there, durable.
    pub fn fill(&mut self, content: &Content) {
        for (index, entry) in (0..).map(FileIndex).zip(&content.spec.files) {
            if !entry.padding {
                let bytes = content.files[index.0 as usize].clone();
                let file = File { cached: bytes.clone(), durable: bytes, ..File::default() };
                self.files.insert(index, file);
            }
        }
    }

    /// Puts the first half of each file there, durable, and zeros behind it.
    pub fn fill_half(&mut self, content: &Content) {
        self.fill(content);
        for file in self.files.values_mut() {
            let half = file.durable.len() / 2;
            file.durable[half..].fill(0);
            file.cached.clone_from(&file.durable);
        }
    }

    /// The job begins.
    pub fn start(&self, job: DiskJob) -> Started {
        Started { job, covers: self.writes }
    }

    /// The power fails: of what is not synced, each page survives or not, by chance.
    pub fn crash(&mut self) {
        for file in self.files.values_mut() {
            for (_, offset, bytes) in core::mem::take(&mut file.unsynced) {
                if file.durable.len() < offset + bytes.len() {
                    file.durable.resize(offset + bytes.len(), 0);
                }
                for (page, chunk) in bytes.chunks(PAGE).enumerate() {
                    if self.rng.chance(1, 2) {
                        let at = offset + page * PAGE;
                        file.durable[at..at + chunk.len()].copy_from_slice(chunk);
                    }
                }
            }
            file.cached.clone_from(&file.durable);
        }
    }

    /// The job ends: its effect is there from now on.
    pub fn finish(&mut self, started: Started, content: &Content) -> DiskDone {
        let DiskJob { torrent, id, kind } = started.job;
        let kind = match kind {
            JobKind::Open { files, .. } => {
                for spec in files.iter().filter(|spec| spec.length_bytes == 0 && spec.make) {
                    self.files.entry(spec.file).or_default();
                }
                self.specs = files;
                let opened = self.operate("open", Operation::Open);
                DoneKind::Opened {
                    stamps: opened.map(|()| self.stamps()),
                    resume: self.record.clone().map(Box::new),
                    denied: None,
                }
            }
            JobKind::Write { extents, blocks, mut hash, skip, pad_bytes } => {
                let bytes: Vec<u8> = blocks
                    .iter()
                    .flat_map(|(buf, length)| &buf[..*length as usize])
                    .copied()
                    .collect();
                if let Some(hash) = &mut hash {
                    hash.update(&bytes);
                    hash.pad(pad_bytes);
                }
                let result = self.write(&extents, &bytes, &skip);
                DoneKind::Written { blocks, hash, result }
            }
            JobKind::Hash { parts, hash } => DoneKind::Hashed { result: self.hash(&parts, hash) },
            JobKind::MakeResident { extents } => {
                let read = extents.iter().try_for_each(|&extent| {
                    self.operate("read", Operation::Read)?;
                    self.read(extent).map(drop)
                });
                let result = read.map(|()| self.stamps_of(&extents));
                DoneKind::Resident { result }
            }
            JobKind::Copy { bring: _, ranges } => {
                let copied = ranges.iter().try_for_each(|range| {
                    let bytes = self.read(range.from)?;
                    self.write(&[range.to], &bytes, &[])
                });
                DoneKind::Copied { stamps: copied.map(|()| self.stamps()) }
            }
            JobKind::Remove { file } => {
                self.files.remove(&file);
                DoneKind::Removed { result: Ok(()) }
            }
            JobKind::Sync { files } => {
                let synced =
                    files.into_iter().try_for_each(|index| self.sync(index, started.covers));
                DoneKind::Synced { result: synced.map(|()| self.stamps()) }
            }
            JobKind::Commit { record } => {
                self.check_order(&record, content);
                let result = self.operate("commit to", Operation::Commit);
                if result.is_ok() {
                    self.record = Some(*record);
                }
                DoneKind::Committed { result }
            }
            JobKind::Close => DoneKind::Closed,
        };
        DiskDone { torrent, id, kind }
    }

    /// An operation takes place, or fails.
    fn operate(&mut self, verb: &'static str, operation: Operation) -> Result<(), DiskError> {
        self.countdown.fails(operation).map_or(Ok(()), |kind| Err(error(verb, kind)))
    }

    fn hash(&mut self, parts: &[HashPart], mut hash: PieceHash) -> Result<PieceHash, DiskError> {
        for part in parts {
            match part {
                HashPart::Zeros(length) => hash.pad(*length),
                HashPart::File(extent) => {
                    self.operate("read", Operation::Read)?;
                    hash.update(&self.read(*extent)?);
                }
            }
        }
        Ok(hash)
    }

    fn write(
        &mut self,
        extents: &[Extent],
        bytes: &[u8],
        skip: &[(u64, u64)],
    ) -> Result<(), DiskError> {
        if self.rng.chance(self.faults.full_per_mille, 1000) {
            return Err(error("write", DiskErrorKind::Full));
        }
        let padding = |at: usize| {
            skip.iter().any(|&(start, length)| (start..start + length).contains(&(at as u64)))
        };
        let kept: Vec<u8> = bytes
            .iter()
            .enumerate()
            .filter(|(at, _)| !padding(*at))
            .map(|(_, byte)| *byte)
            .collect();
        let mut at = 0;
        for extent in extents {
            let length = usize::try_from(extent.length_bytes).expect("small");
            let chunk = kept[at..at + length].to_vec();
            at += length;
            let spec =
                self.specs.iter().find(|spec| spec.file == extent.file).expect("a registered file");
            assert!(
                spec.make || self.files.contains_key(&extent.file),
                "{:?} is skipped and was made",
                extent.file
            );
            let whole = usize::try_from(spec.length_bytes).expect("small");
            if !self.files.contains_key(&extent.file) {
                self.operate("create", Operation::Create)?;
                self.files.insert(extent.file, File::default());
            }
            if self.files[&extent.file].cached.len() < whole {
                self.operate("extend", Operation::Extend)?;
            }
            self.operate("write", Operation::Write)?;
            let halved = self.operate("write", Operation::WriteHalf);
            let length = if halved.is_ok() { length } else { length / 2 };
            let chunk = chunk[..length].to_vec();
            let file = self.files.get_mut(&extent.file).expect("made above");
            if file.cached.len() < whole {
                file.cached.resize(whole, 0);
            }
            let offset = usize::try_from(extent.offset_bytes).expect("small");
            file.cached[offset..offset + length].copy_from_slice(&chunk);
            self.writes += 1;
            self.clock += 1;
            file.modified = self.clock;
            file.unsynced.push((self.writes, offset, chunk));
            halved?;
        }
        assert_eq!(at, kept.len(), "a run is as long as its extents and its padding");
        Ok(())
    }

    fn sync(&mut self, index: FileIndex, covers: u64) -> Result<(), DiskError> {
        let synced = self.operate("sync", Operation::Sync);
        let Some(file) = self.files.get_mut(&index) else { return synced };
        if synced.is_err() {
            // Dropped from memory, never to be written.
            file.durable.resize(file.durable.len().max(file.cached.len()), 0);
            file.cached.clone_from(&file.durable);
            file.unsynced.clear();
            return synced;
        }
        let later = file.unsynced.iter().position(|(number, _, _)| *number > covers);
        let rest = file.unsynced.split_off(later.unwrap_or(file.unsynced.len()));
        file.durable.resize(file.durable.len().max(file.cached.len()), 0);
        for (_, offset, bytes) in core::mem::replace(&mut file.unsynced, rest) {
            file.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(())
    }

    /// What a have-bit promises must be durable when the bit is committed.
    fn check_order(&self, record: &ResumeRecord, content: &Content) {
        let have =
            Bitfield::from_bytes(&record.have, content.layout.piece_count()).expect("well-formed");
        for piece in have.ones() {
            let bytes = self.piece(piece, content, |file| &file.durable);
            assert!(
                bytes.is_some_and(|bytes| bytes == content.piece(piece)),
                "have-bit of {piece:?} committed before its bytes are durable"
            );
        }
    }

    fn piece(
        &self,
        piece: PieceIndex,
        content: &Content,
        of: impl Fn(&File) -> &Vec<u8>,
    ) -> Option<Vec<u8>> {
        let length_bytes = content.layout.piece_bytes(piece);
        let mut whole = true;
        let range = BlockId { piece, offset_bytes: 0, length_bytes };
        let bytes = content.gather(range, |extent, offset_bytes| {
            let extent = self.place(piece, extent, offset_bytes, content);
            let file = extent.and_then(|extent| self.files.get(&extent.file)).map(&of);
            let Some((extent, bytes)) = extent.zip(file) else {
                whole = false;
                return Vec::new();
            };
            let end = usize::try_from(extent.offset_bytes + extent.length_bytes).expect("small");
            if bytes.len() < end {
                whole = false;
                return Vec::new();
            }
            slice(bytes, extent).to_vec()
        });
        whole.then_some(bytes)
    }

    /// Where an extent that begins at `offset_bytes` of `piece` must lie: in its file if that is
    /// there in full, else in the part file.
    fn place(
        &self,
        piece: PieceIndex,
        extent: Extent,
        offset_bytes: u64,
        content: &Content,
    ) -> Option<Extent> {
        let length = content.files[extent.file.0 as usize].len();
        if self.files.get(&extent.file).is_some_and(|file| file.cached.len() >= length) {
            return Some(extent);
        }
        let offset_bytes = content.layout.slot(piece)? + offset_bytes;
        Some(Extent { file: content.layout.part_file()?, offset_bytes, ..extent })
    }

    /// Whether a reader finds the true bytes of `piece` now.
    pub fn holds(&self, piece: PieceIndex, content: &Content) -> bool {
        self.piece(piece, content, |file| &file.cached)
            .is_some_and(|bytes| sha1(&bytes) == sha1(&content.piece(piece)))
    }

    /// Payload bytes (downloaded, uploaded) of all runs by the last record.
    pub fn recorded_totals(&self) -> Option<(u64, u64)> {
        self.record.as_ref().map(|record| (record.downloaded_bytes, record.uploaded_bytes))
    }

    /// Whether all files that `wanted` says are there, durable and true to the byte.
    pub fn is_durably_complete(&self, content: &Content, wanted: &[bool]) -> bool {
        let files = (0..).map(FileIndex).zip(content.spec.files.iter().zip(wanted));
        files.filter(|(_, (entry, wanted))| !entry.padding && **wanted).all(|(index, _)| {
            self.files
                .get(&index)
                .is_some_and(|file| file.durable == content.files[index.0 as usize])
        })
    }

    /// The user deletes `file`.
    pub fn delete(&mut self, file: FileIndex) {
        self.files.remove(&file);
    }

    /// Whether there is anything of `file`.
    pub fn has_file(&self, file: FileIndex) -> bool {
        self.files.contains_key(&file)
    }

    /// Reads for sending.
    pub fn read(&self, extent: Extent) -> Result<Vec<u8>, DiskError> {
        let end = usize::try_from(extent.offset_bytes + extent.length_bytes).expect("small");
        match self.files.get(&extent.file).filter(|file| file.cached.len() >= end) {
            Some(file) => Ok(slice(&file.cached, extent).to_vec()),
            None => Err(error("read", DiskErrorKind::NotFound)),
        }
    }

    fn stamps_of(&self, extents: &[Extent]) -> Vec<FileStamp> {
        let of = |stamp: &FileStamp| extents.iter().any(|extent| extent.file == stamp.file);
        self.stamps().into_iter().filter(of).collect()
    }

    fn stamps(&self) -> Vec<FileStamp> {
        let stamp = |(&file, content): (&FileIndex, &File)| FileStamp {
            file,
            length_bytes: content.cached.len() as u64,
            modified_ns: content.modified,
        };
        self.files.iter().map(stamp).collect()
    }
}

fn error(operation: &'static str, kind: DiskErrorKind) -> DiskError {
    DiskError { operation, path: "/content".into(), kind, message: "simulated".into() }
}
