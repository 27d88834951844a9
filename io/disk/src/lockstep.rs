//! Reads several pieces in lockstep and hashes them in lanes.
//!
//! A round takes a step of each piece and hashes these together. What is in the page cache is hashed where it
//! is ([`Mapping`]); small parts and the rest are read into a buffer, the steps of a round being small enough
//! that they are hashed from the second-level cache. Pieces that are not in the page cache are read one
//! after the other, as disks and read-ahead like it: then the disk is what is waited for.

use std::fs::File;
use std::sync::Arc;

use base::FileIndex;
use keys::{Feed, PieceHash};
use rustix::io::{Errno, pread};
use storage::job::{Extent, HashPart};

use crate::execute::is_hole;
use crate::mapped::{Mapper, Mapping};
use crate::resident::is_resident;

/// Bytes of the buffer: half of a common second-level cache, a step for each of sixteen pieces.
const BUFFER_BYTES: usize = 1 << 20;

/// Bytes of one piece in one round. Of 16 to 128 KiB all measured the same.
const STEP_BYTES: usize = BUFFER_BYTES / 16;

/// The same for a piece that is read alone: larger reads cost a third more CPU.
const STEP_ALONE_BYTES: usize = 256 * 1024;

/// Most bytes mapped at once for a piece, so that the memory that we seem to use stays small.
const WINDOW_BYTES: u64 = 1 << 20;

/// Parts shorter than this are copied: making a mapping takes as long as copying about 50 KiB.
const MAPPED_BYTES_MIN: u64 = 128 * 1024;

static ZEROS: [u8; STEP_BYTES] = [0; STEP_BYTES];

/// A piece, or what is left of one, to be read and hashed.
#[derive(Debug)]
pub struct Lane {
    /// What was hashed before, and in the end all.
    pub hash: PieceHash,
    /// What to read, in order.
    pub parts: Vec<HashPart>,
}

/// Whoever has pieces hashed.
pub trait LaneFiles {
    /// Why a file cannot be opened.
    type Error;

    /// The file of a lane, which is named by its position. Asked again when another was read in between.
    fn open(&mut self, lane: usize, file: FileIndex) -> Result<Arc<File>, Self::Error>;

    /// A lane is read next, from a disk and without the others.
    fn on_alone(&mut self, _lane: usize) {}

    /// So many more bytes were read; false to stop.
    fn on_bytes(&mut self, _bytes: u64) -> bool {
        true
    }
}

/// Why a piece could not be read.
#[derive(Debug)]
pub enum LaneError<E> {
    /// Who opens files says so.
    Open(E),
    /// As told by [`LaneFiles::on_bytes`].
    Stopped,
    /// The file ends too early.
    Short(FileIndex),
    /// What the system said.
    Read(FileIndex, Errno),
}

/// A reader for one thread. Its buffer is taken when it is needed.
#[derive(Debug, Default)]
pub struct LaneReader {
    buffer: Vec<u8>,
    mapper: Mapper,
}

impl LaneReader {
    /// Reads and hashes all parts of all lanes; the outcomes come in the same order.
    ///
    /// At best for sixteen lanes, or for many that are small.
    pub fn hash<F: LaneFiles>(
        &mut self,
        lanes: Vec<Lane>,
        files: &mut F,
    ) -> Vec<Result<PieceHash, LaneError<F::Error>>> {
        let (mut sources, mut hashes) = (Vec::new(), Vec::new());
        for (number, Lane { hash, parts }) in lanes.into_iter().enumerate() {
            sources.push(Source::new(number, parts));
            hashes.push(hash);
        }
        // One after the other as soon as one would wait for the disk.
        let at_once = if sources.iter_mut().all(|source| source.is_at_hand(files)) {
            sources.len()
        } else {
            sources.iter().take_while(|source| source.length_bytes() < STEP_BYTES as u64).count()
        };
        // One stream waits for memory at every block; our lanes ask for it ahead.
        let has_lanes = keys::lanes() > 1;
        for (source, hash) in sources.iter_mut().zip(&hashes) {
            source.may_map = has_lanes && (at_once > 1 || !hash.kinds().v1);
        }
        let mut rest = (&mut *sources, &mut *hashes);
        while !rest.0.is_empty() {
            let count = at_once.clamp(1, rest.0.len());
            let (sources, later_sources) = rest.0.split_at_mut(count);
            let (hashes, later_hashes) = rest.1.split_at_mut(count);
            if at_once <= 1 {
                files.on_alone(sources[0].number);
            }
            self.hash_together(sources, hashes, files);
            rest = (later_sources, later_hashes);
        }
        self.mapper.end();
        let outcomes = sources.into_iter().zip(hashes);
        outcomes.map(|(source, hash)| source.error.map_or(Ok(hash), Err)).collect()
    }

    fn hash_together<F: LaneFiles>(
        &mut self,
        sources: &mut [Source<F::Error>],
        hashes: &mut [PieceHash],
        files: &mut F,
    ) {
        // With many lanes, these are small.
        let step_bytes = if sources.len() == 1 { STEP_ALONE_BYTES } else { STEP_BYTES };
        let needed = BUFFER_BYTES.max(sources.len().min(16) * STEP_BYTES);
        if self.buffer.len() < needed {
            self.buffer.resize(needed, 0);
        }
        let per_turn = (self.buffer.len() / step_bytes).max(1);
        for (sources, hashes) in sources.chunks_mut(per_turn).zip(hashes.chunks_mut(per_turn)) {
            while sources.iter().any(|source| !source.is_through()) {
                round(
                    sources,
                    hashes,
                    (&mut self.mapper, self.buffer.chunks_mut(step_bytes)),
                    files,
                );
            }
        }
    }
}

/// One step of each piece that is not through.
fn round<'b, F: LaneFiles>(
    sources: &mut [Source<F::Error>],
    hashes: &mut [PieceHash],
    (mapper, buffers): (&mut Mapper, impl Iterator<Item = &'b mut [u8]>),
    files: &mut F,
) {
    let mut feeds = Vec::with_capacity(sources.len());
    for ((source, hash), buffer) in sources.iter_mut().zip(hashes.iter_mut()).zip(buffers) {
        if source.is_through() {
            continue;
        }
        if let Err(error) = source.step((hash, buffer), mapper, files) {
            source.error = Some(error);
            continue;
        }
        feeds.push(Feed { hash, parts: source.taken(buffer) });
    }
    keys::feed(&mut feeds);
    let bytes = feeds.iter().flat_map(|feed| &feed.parts).map(|part| part.len() as u64).sum();
    drop(feeds);
    let goes_on = files.on_bytes(bytes);
    for source in sources {
        source.check_window();
        if !goes_on && !source.is_through() {
            source.error = Some(LaneError::Stopped);
        }
    }
}

/// What is left to read of a piece.
struct Source<E> {
    number: usize,
    /// The next last.
    parts: Vec<HashPart>,
    /// Where the next part is, opened.
    file: Option<(FileIndex, Arc<File>)>,
    /// Bytes of a file as memory, and where they begin.
    window: Option<(Extent, Mapping)>,
    /// What was found of the next part: nothing of it was ever written.
    is_hole: Option<bool>,
    /// What is in the page cache is hashed there.
    may_map: bool,
    taken: Vec<Taken>,
    error: Option<LaneError<E>>,
}

/// Bytes that a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    InWindow { at: usize, length: usize },
    InBuffer { at: usize, length: usize },
    Zeros { length: usize },
}

impl<E> Source<E> {
    fn new(number: usize, mut parts: Vec<HashPart>) -> Self {
        parts.reverse();
        let (file, window, is_hole, taken, error) = (None, None, None, Vec::new(), None);
        Self { number, parts, file, window, is_hole, may_map: false, taken, error }
    }

    fn is_through(&self) -> bool {
        self.error.is_some() || self.parts.is_empty()
    }

    fn length_bytes(&self) -> u64 {
        let length = |part: &HashPart| match part {
            HashPart::File(extent) => extent.length_bytes,
            HashPart::Zeros(length_bytes) => *length_bytes,
        };
        self.parts.iter().map(length).sum()
    }

    /// False if it begins with much that is not in the page cache.
    fn is_at_hand(&mut self, files: &mut impl LaneFiles<Error = E>) -> bool {
        let Some(&HashPart::File(extent)) = self.parts.last() else { return true };
        if extent.length_bytes < MAPPED_BYTES_MIN {
            return true;
        }
        let first = extent.length_bytes.min(WINDOW_BYTES);
        match self.open(extent, files) {
            Ok(file) => {
                self.is_hole == Some(true) || is_resident(&file, extent.offset_bytes, first)
            }
            Err(error) => {
                self.error = Some(error);
                true
            }
        }
    }

    /// Takes at most as much as the buffer has room for. Padding goes to the hash at once.
    fn step(
        &mut self,
        (hash, buffer): (&mut PieceHash, &mut [u8]),
        mapper: &mut Mapper,
        files: &mut impl LaneFiles<Error = E>,
    ) -> Result<(), LaneError<E>> {
        self.taken.clear();
        let (mut room, mut filled) = (buffer.len(), 0);
        // Leaves fill lanes by themselves, and nobody comes back to them while they are in the cache.
        let only_leaves = !hash.kinds().v1;
        while let Some(&part) = self.parts.last()
            && room > 0
        {
            let extent = match part {
                HashPart::File(extent) => extent,
                HashPart::Zeros(length_bytes) if self.taken.is_empty() => {
                    hash.pad(length_bytes);
                    self.parts.pop();
                    continue;
                }
                // It comes behind what was taken.
                HashPart::Zeros(_) => break,
            };
            let file = self.open(extent, files)?;
            let length = usize::try_from(extent.length_bytes).unwrap_or(usize::MAX);
            let wanted = room.min(length);
            let in_place = if only_leaves { length } else { wanted };
            let taken = if self.is_hole == Some(true) {
                Taken::Zeros { length: wanted.min(ZEROS.len()) }
            } else if let Some(taken) = self.in_window(extent, in_place) {
                taken
            } else if self.taken.iter().any(|taken| matches!(taken, Taken::InWindow { .. })) {
                // The window is in use until the step is hashed.
                break;
            } else if self.map(mapper, &file, extent) {
                continue;
            } else {
                let read = read(&file, &mut buffer[filled..filled + wanted], extent)?;
                filled += read;
                Taken::InBuffer { at: filled - read, length: read }
            };
            room = room.saturating_sub(taken.length());
            self.go_on(extent, taken.length());
            self.taken.push(taken);
        }
        Ok(())
    }

    /// The file of the next part. Finds out whether that is a hole, when it is looked at first.
    fn open(
        &mut self,
        extent: Extent,
        files: &mut impl LaneFiles<Error = E>,
    ) -> Result<Arc<File>, LaneError<E>> {
        let file = match &self.file {
            Some((index, file)) if *index == extent.file => Arc::clone(file),
            _ => {
                let file = files.open(self.number, extent.file).map_err(LaneError::Open)?;
                self.file = Some((extent.file, Arc::clone(&file)));
                file
            }
        };
        if self.is_hole.is_none() {
            let hole = is_hole(&file, &extent);
            if hole && !reaches(&file, extent) {
                return Err(LaneError::Short(extent.file));
            }
            self.is_hole = Some(hole);
        }
        Ok(file)
    }

    /// Maps the beginning of the next part, if it is in the page cache, and worth it.
    fn map(&mut self, mapper: &mut Mapper, file: &File, extent: Extent) -> bool {
        if !self.may_map || extent.length_bytes < MAPPED_BYTES_MIN {
            return false;
        }
        let length_bytes = extent.length_bytes.min(WINDOW_BYTES);
        let range = Extent { length_bytes, ..extent };
        // The window before is given back first: it may be of the same pages.
        self.window = None;
        if !is_resident(file, range.offset_bytes, length_bytes) {
            return false;
        }
        let length = usize::try_from(length_bytes).expect("a window is small");
        // Without a mapping it is read.
        self.window = mapper.map(file, range.offset_bytes, length).ok().map(|map| (range, map));
        self.window.is_some()
    }

    fn in_window(&self, extent: Extent, wanted: usize) -> Option<Taken> {
        let (range, _) = self.window.as_ref().filter(|(range, _)| range.file == extent.file)?;
        let at = extent.offset_bytes.checked_sub(range.offset_bytes)?;
        let left = range.length_bytes.checked_sub(at).filter(|&left| left > 0)?;
        let left = usize::try_from(left).expect("a window is small");
        let at = usize::try_from(at).expect("a window is small");
        Some(Taken::InWindow { at, length: wanted.min(left) })
    }

    /// So much of the next part was taken.
    fn go_on(&mut self, extent: Extent, taken: usize) {
        self.parts.pop();
        let taken = taken as u64;
        if taken == extent.length_bytes {
            self.is_hole = None;
            return;
        }
        self.parts.push(HashPart::File(Extent {
            offset_bytes: extent.offset_bytes + taken,
            length_bytes: extent.length_bytes - taken,
            ..extent
        }));
    }

    /// The bytes of the last step.
    fn taken<'a>(&'a self, buffer: &'a [u8]) -> Vec<&'a [u8]> {
        let bytes = |taken: &Taken| match *taken {
            Taken::InBuffer { at, length } => &buffer[at..at + length],
            Taken::Zeros { length } => &ZEROS[..length],
            Taken::InWindow { at, length } => {
                let (_, mapping) = self.window.as_ref().expect("it is kept until the next step");
                &mapping.bytes()[at..at + length]
            }
        };
        self.taken.iter().map(bytes).collect()
    }

    /// What was hashed counts only if it was of the file.
    fn check_window(&mut self) {
        let Some((range, _)) = self.window.as_ref().filter(|(_, mapping)| !mapping.is_whole())
        else {
            return;
        };
        let file = self.file.as_ref().filter(|(_, file)| reaches(file, *range));
        // Cut and filled again, or the device failed.
        let error =
            file.map_or(LaneError::Short(range.file), |_| LaneError::Read(range.file, Errno::IO));
        self.error.get_or_insert(error);
    }
}

impl Taken {
    fn length(self) -> usize {
        match self {
            Self::InWindow { length, .. }
            | Self::InBuffer { length, .. }
            | Self::Zeros { length } => length,
        }
    }
}

/// Reads the beginning of `extent`, at least a byte.
fn read<E>(file: &File, target: &mut [u8], extent: Extent) -> Result<usize, LaneError<E>> {
    loop {
        match pread(file, &mut *target, extent.offset_bytes) {
            Ok(0) => return Err(LaneError::Short(extent.file)),
            Ok(read) => return Ok(read),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(LaneError::Read(extent.file, errno)),
        }
    }
}

/// Whether the file is at least so long.
fn reaches(file: &File, extent: Extent) -> bool {
    let end = extent.offset_bytes.saturating_add(extent.length_bytes);
    file.metadata().is_ok_and(|metadata| metadata.len() >= end)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use keys::Kinds;

    use super::*;

    const BOTH: Kinds = Kinds { v1: true, v2: true };

    /// Files without a name, of bytes that differ.
    fn files(lengths: &[usize]) -> Vec<(Arc<File>, Vec<u8>)> {
        let make = |(number, &length): (usize, &usize)| {
            let name = format!("shoal-lockstep-{}-{number}-{:p}", std::process::id(), lengths);
            let path = std::env::temp_dir().join(name);
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true);
            let file = options.open(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            let bytes: Vec<u8> =
                (0..length).map(|at| (at * 31 + at / 251 + number).to_le_bytes()[0]).collect();
            file.write_all_at(&bytes, 0).unwrap();
            (Arc::new(file), bytes)
        };
        lengths.iter().enumerate().map(make).collect()
    }

    fn part(file: u32, offset_bytes: u64, length_bytes: u64) -> HashPart {
        HashPart::File(Extent { file: FileIndex(file), offset_bytes, length_bytes })
    }

    fn lane(parts: &[HashPart]) -> Lane {
        Lane { hash: PieceHash::new(BOTH), parts: parts.to_vec() }
    }

    /// Files by their index.
    struct Opened<'a> {
        files: &'a [(Arc<File>, Vec<u8>)],
        bytes: u64,
        bytes_max: u64,
    }

    impl LaneFiles for Opened<'_> {
        type Error = &'static str;

        fn open(&mut self, _lane: usize, file: FileIndex) -> Result<Arc<File>, Self::Error> {
            let found = self.files.get(file.0 as usize);
            found.map(|(file, _)| Arc::clone(file)).ok_or("no such file")
        }

        fn on_bytes(&mut self, bytes: u64) -> bool {
            self.bytes += bytes;
            self.bytes <= self.bytes_max
        }
    }

    fn hash_all(
        lanes: &[Vec<HashPart>],
        files: &[(Arc<File>, Vec<u8>)],
    ) -> Vec<Result<PieceHash, LaneError<&'static str>>> {
        let lanes = lanes.iter().map(|parts| lane(parts)).collect();
        let mut files = Opened { files, bytes: 0, bytes_max: u64::MAX };
        LaneReader::default().hash(lanes, &mut files)
    }

    /// What one read after the other gives.
    fn expected(parts: &[HashPart], files: &[(Arc<File>, Vec<u8>)]) -> PieceHash {
        let mut hash = PieceHash::new(BOTH);
        for part in parts {
            match *part {
                HashPart::Zeros(length_bytes) => hash.pad(length_bytes),
                HashPart::File(extent) => {
                    let start = usize::try_from(extent.offset_bytes).unwrap();
                    let length = usize::try_from(extent.length_bytes).unwrap();
                    hash.update(&files[extent.file.0 as usize].1[start..start + length]);
                }
            }
        }
        hash
    }

    #[test]
    fn pieces_of_all_kinds_of_parts_hash_as_if_read_alone() {
        let mut files = files(&[3_000_000, 70, 1 << 20, 300_000]);
        // A hole, and some bytes behind it.
        files[3].0.set_len(0).unwrap();
        files[3].0.set_len(4_000_000).unwrap();
        files[3].1 = vec![0; 4_000_000];
        let mut lanes: Vec<Vec<HashPart>> = vec![
            vec![part(0, 0, 3_000_000)],
            vec![part(0, 1_234_567, 765_433), part(1, 0, 70), part(2, 1, 200_000)],
            vec![part(1, 10, 60), HashPart::Zeros(5), part(2, 77, 1_000_000), HashPart::Zeros(99)],
            vec![part(3, 0, 2_000_000)],
            vec![],
        ];
        lanes.extend((0..30).map(|i| vec![part(0, 16_384 * i, 16_384), part(2, i, 3)]));
        let outcomes = hash_all(&lanes, &files);
        assert_eq!(outcomes.len(), lanes.len());
        for (outcome, parts) in outcomes.into_iter().zip(&lanes) {
            let found = outcome.unwrap().finish();
            assert_eq!(found, expected(parts, &files).finish(), "{parts:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_one_piece_is_not_held_against_another() {
        let files = files(&[1_000_000, 500_000]);
        let lanes = vec![
            vec![part(0, 0, 400_000)],
            vec![part(1, 0, 500_001)],
            vec![part(7, 0, 5)],
            vec![part(0, 999_999, 2)],
            vec![part(0, 0, 1_000_000)],
        ];
        let outcomes = hash_all(&lanes, &files);
        for (at, outcome) in outcomes.into_iter().enumerate() {
            match (at, outcome) {
                (0 | 4, Ok(hash)) => {
                    assert_eq!(hash.finish(), expected(&lanes[at], &files).finish());
                }
                (1, Err(LaneError::Short(FileIndex(1))))
                | (2, Err(LaneError::Open("no such file")))
                | (3, Err(LaneError::Short(FileIndex(0)))) => {}
                (_, other) => panic!("{at}: {other:?}"),
            }
        }
    }

    #[test]
    fn it_stops_when_it_is_told_to() {
        let files = files(&[3_000_000]);
        let lanes = (0..3).map(|at| lane(&[part(0, at * 1_000_000, 1_000_000)])).collect();
        let mut files = Opened { files: &files, bytes: 0, bytes_max: 500_000 };
        let outcomes = LaneReader::default().hash(lanes, &mut files);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(LaneError::Stopped))));
        assert!(files.bytes < 1_500_000);
    }
}
