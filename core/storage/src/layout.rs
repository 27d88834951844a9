//! Where the bytes of a torrent lie: pieces to files.
//!
//! Source: BEP 3 ("files": the torrent's bytes are the files' bytes one after the other), BEP 47
//! (padding files: zeros that are hashed but never reach the disk; links; executables).
//!
//! A file may be skipped. If it is not on disk either, it is *put aside*: its bytes in pieces that
//! it shares with other files lie in the part file (see [`crate::part`]). A skipped file that is
//! there keeps its bytes: nothing is told apart that the disk does not show.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Bitfield, BlockId, FileIndex, PieceIndex, PieceSizes};

use crate::job::{Bring, CopyRange, Extent, FileSpec, HashPart};
use crate::part::Slots;

/// Bytes brought from elsewhere by one job: a worker has others to serve, and a stop waits for it.
const BRING_BYTES: u64 = 64 << 20;

/// One file of the torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path below the root folder, judged safe when the torrent was read.
    pub path: PathBuf,
    /// Length in bytes; 0 for a link.
    pub length_bytes: u64,
    /// Zeros that exist only to align the next file (BEP 47).
    pub padding: bool,
    /// To be had; otherwise it is skipped. Padding goes with the file before it that has bytes.
    pub wanted: bool,
    /// To be made executable (BEP 47).
    pub executable: bool,
    /// It is a symbolic link to this path, which starts at the root like `path` (BEP 47).
    pub link: Option<PathBuf>,
    /// Files elsewhere on this machine that may have the same content, absolute (BEP 38).
    pub alike: Vec<PathBuf>,
}

impl Default for FileEntry {
    /// An ordinary file that is wanted, without a name or a byte.
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            length_bytes: 0,
            padding: false,
            wanted: true,
            executable: false,
            link: None,
            alike: Vec::new(),
        }
    }
}

/// The map from pieces to files of one torrent.
///
/// Invariant: only [`Self::put_aside`] changes it, before the first piece is read or written.
#[derive(Debug)]
pub struct Layout {
    files: Vec<FileEntry>,
    /// Offset of each file from the start of the torrent, and the total as last element.
    starts: Vec<u64>,
    piece_bytes: u32,
    sizes: PieceSizes,
    wanted_bytes: u64,
    part: Option<Part>,
    /// Each file gets its full room when it is made.
    reserve: bool,
}

#[derive(Debug)]
struct Part {
    entry: FileEntry,
    slots: Slots,
    /// By file: whether it is put aside.
    aside: Vec<bool>,
}

impl Layout {
    /// A layout of `files` cut into pieces of `piece_bytes`.
    ///
    /// The sum of all lengths must have been checked against overflow; `piece_bytes` is not 0.
    pub fn new(mut files: Vec<FileEntry>, piece_bytes: u32) -> Self {
        assert!(piece_bytes > 0, "a piece has at least one byte");
        let mut starts = Vec::with_capacity(files.len() + 1);
        let mut offset = 0_u64;
        let mut wanted_before = true;
        for file in &mut files {
            starts.push(offset);
            offset = offset.checked_add(file.length_bytes).expect("the decoder checked the sum");
            // Found by `test/sim`, seed 20: an empty file may stand before it, too.
            if file.padding {
                file.wanted = wanted_before;
            } else if file.length_bytes > 0 {
                wanted_before = file.wanted;
            }
        }
        starts.push(offset);
        let sizes = sizes(&files, &starts, piece_bytes, false);
        let wanted = files.iter().filter(|file| file.wanted && !file.padding);
        let wanted_bytes = wanted.map(|file| file.length_bytes).sum();
        Self { files, starts, piece_bytes, sizes, wanted_bytes, part: None, reserve: false }
    }

    /// Takes the padding at the end of pieces for zeros, which need not be fetched. Not in torrents of version
    /// 1 alone: nothing keeps their authors from hashing something else there, for which honest peers
    /// would be blamed.
    #[must_use]
    pub fn with_known_padding(mut self) -> Self {
        self.sizes = self.sizes.with_known_padding();
        self
    }

    /// Ends the last piece of each file with the file (BEP 52): the padding up to the next piece is
    /// hashed by nobody and asked for by nobody.
    #[must_use]
    pub fn with_tight_pieces(mut self) -> Self {
        self.sizes = sizes(&self.files, &self.starts, self.piece_bytes, true);
        self
    }

    /// Gives it a part file at `path` below the root, if any piece has more than one file.
    #[must_use]
    pub fn with_part(mut self, path: PathBuf) -> Self {
        // Found by `test/sim`, seed 28: padding is wanted with the file before it, so that a piece
        // of padding and the file after it has two claimants.
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for (index, file) in self.indexed().filter(|(_, file)| file.length_bytes > 0) {
            let pieces = self.pieces_of(index);
            match spans.last_mut().filter(|_| file.padding) {
                Some((_, last)) => *last = pieces.end - 1,
                None => spans.push((pieces.start, pieces.end - 1)),
            }
        }
        let slots = Slots::new(spans.into_iter(), self.piece_bytes);
        if !slots.pieces().is_empty() {
            let aside = vec![false; self.files.len()];
            let length_bytes = slots.length_bytes();
            let entry = FileEntry { path, length_bytes, ..FileEntry::default() };
            self.part = Some(Part { entry, slots, aside });
        }
        self
    }

    /// Lets each file get its full room when it is made.
    #[must_use]
    pub fn with_room_reserved(mut self, reserve: bool) -> Self {
        self.reserve = reserve;
        self
    }

    /// Puts each file aside that is neither `present` in full nor, if anything may be written
    /// (`writable`), wanted.
    pub fn put_aside(&mut self, writable: bool, present: impl Fn(FileIndex) -> bool) {
        let Some(part) = &mut self.part else { return };
        for (index, (file, aside)) in (0..).zip(self.files.iter().zip(&mut part.aside)) {
            let needed = file.wanted && writable;
            *aside =
                !file.padding && !needed && file.length_bytes > 0 && !present(FileIndex(index));
        }
    }

    /// Whether `file` is put aside.
    pub fn is_aside(&self, file: FileIndex) -> bool {
        self.part.as_ref().is_some_and(|part| part.aside.get(file.0 as usize) == Some(&true))
    }

    /// The name of the part file among the torrent's files, if it has one.
    pub fn part_file(&self) -> Option<FileIndex> {
        self.part.as_ref().map(|_| self.part_index())
    }

    fn part_index(&self) -> FileIndex {
        FileIndex(u32::try_from(self.files.len()).expect("the decoder bounds the files"))
    }

    /// Where `piece` begins in the part file, in bytes, if more than one file has a share in it.
    pub fn slot(&self, piece: PieceIndex) -> Option<u64> {
        self.part.as_ref().and_then(|part| part.slots.offset(piece))
    }

    /// Lengths of all files by index, the part file last, in bytes.
    pub fn lengths(&self) -> Vec<u64> {
        let part = self.part.iter().map(|part| part.entry.length_bytes);
        self.files.iter().map(|file| file.length_bytes).chain(part).collect()
    }

    /// The pieces that have bytes in the part file, ascending.
    pub fn pieces_in_part(&self) -> impl Iterator<Item = PieceIndex> {
        let slots = self.part.iter().flat_map(|part| part.slots.pieces());
        slots.copied().filter(|&piece| self.files_of(piece).any(|file| self.is_aside(file)))
    }

    /// Ranges of files that are wanted, not `present`, and may be elsewhere on this machine.
    pub fn to_bring(&self, present: impl Fn(FileIndex) -> bool) -> Vec<Bring> {
        let missing = self.indexed().filter(|&(index, file)| {
            file.wanted && file.length_bytes > 0 && !file.alike.is_empty() && !present(index)
        });
        let steps = missing.flat_map(|(file, entry)| {
            let sources: Arc<[PathBuf]> = entry.alike.clone().into();
            let whole = entry.length_bytes;
            (0..whole.div_ceil(BRING_BYTES)).map(move |step| {
                let offset_bytes = step * BRING_BYTES;
                let length_bytes = BRING_BYTES.min(whole - offset_bytes);
                Bring { file, offset_bytes, length_bytes, sources: Arc::clone(&sources) }
            })
        });
        steps.collect()
    }

    /// What of the part file belongs into files that are wanted and not there: the shares of each
    /// `missing` file in pieces that it has in common with others, as far as they are `had`.
    pub fn restorable(
        &self,
        missing: impl Fn(FileIndex) -> bool,
        had: impl Fn(PieceIndex) -> bool,
    ) -> Vec<CopyRange> {
        let Some(part) = &self.part else { return Vec::new() };
        let mut copies = Vec::new();
        for &piece in part.slots.pieces().iter().filter(|&&piece| had(piece)) {
            let slot = part.slots.offset(piece).expect("it has a slot");
            let start = u64::from(piece.0) * u64::from(self.piece_bytes);
            for file in self.files_of(piece) {
                let entry = self.file(file);
                if entry.padding || !entry.wanted || !missing(file) {
                    continue;
                }
                let begin = self.starts[file.0 as usize].max(start);
                let end = self.starts[file.0 as usize + 1];
                let end = end.min(start + u64::from(self.piece_bytes(piece)));
                let length_bytes = end - begin;
                let offset_bytes = slot + (begin - start);
                let from = Extent { file: self.part_index(), offset_bytes, length_bytes };
                let offset_bytes = begin - self.starts[file.0 as usize];
                copies.push(CopyRange { from, to: Extent { file, offset_bytes, length_bytes } });
            }
        }
        copies
    }

    /// The files that have bytes of `piece`, padding included.
    fn files_of(&self, piece: PieceIndex) -> impl Iterator<Item = FileIndex> {
        let start = u64::from(piece.0) * u64::from(self.piece_bytes);
        let end = start + u64::from(self.piece_bytes(piece));
        let first = self.starts.partition_point(|&at| at <= start) - 1;
        (first..self.files.len())
            .take_while(move |&index| self.starts[index] < end)
            .filter(|&index| self.files[index].length_bytes > 0)
            .map(|index| FileIndex(u32::try_from(index).expect("the decoder bounds the files")))
    }

    /// The pieces that have bytes of wanted files.
    pub fn wanted_pieces(&self) -> Bitfield {
        let mut wanted = Bitfield::empty(self.piece_count());
        for (index, _) in self.indexed().filter(|(_, file)| file.wanted) {
            for piece in self.pieces_of(index) {
                wanted.set(PieceIndex(piece));
            }
        }
        wanted
    }

    /// Bytes of all wanted files together; padding is none of them.
    pub fn wanted_bytes(&self) -> u64 {
        self.wanted_bytes
    }

    /// Bytes of wanted files in the pieces that `have` has.
    pub fn wanted_bytes_in(&self, have: &Bitfield) -> u64 {
        if self.wanted_bytes == self.sizes.content() {
            // Asked several times a second while everything is compared.
            return self.sizes.content_in(have);
        }
        have.ones().map(|piece| self.wanted_bytes_of(piece)).sum()
    }

    /// Bytes of wanted files in `piece`.
    pub fn wanted_bytes_of(&self, piece: PieceIndex) -> u64 {
        let start = u64::from(piece.0) * u64::from(self.piece_bytes);
        let end = start + u64::from(self.piece_bytes(piece));
        let counts = |file: &FileEntry| file.wanted && !file.padding;
        let wanted = self.files_of(piece).filter(|&file| counts(self.file(file)));
        let share = |file: FileIndex| {
            let at = file.0 as usize;
            self.starts[at + 1].min(end) - self.starts[at].max(start)
        };
        wanted.map(share).sum()
    }

    /// All bytes of all pieces, padding in them included.
    pub fn total_bytes(&self) -> u64 {
        self.sizes.total()
    }

    /// Number of pieces.
    pub fn piece_count(&self) -> u32 {
        self.sizes.count()
    }

    /// How long the pieces are.
    pub fn sizes(&self) -> &PieceSizes {
        &self.sizes
    }

    /// Length of `piece` in bytes. Panics out of range.
    pub fn piece_bytes(&self, piece: PieceIndex) -> u32 {
        self.sizes.of(piece)
    }

    /// The files on disk: padding left out, the part file last.
    pub fn specs(&self) -> Vec<FileSpec> {
        let files = self.indexed().filter(|(_, file)| !file.padding).map(|(index, file)| {
            let link = file.link.as_ref().map(|target| relative_target(&file.path, target));
            FileSpec {
                file: index,
                path: file.path.clone(),
                length_bytes: file.length_bytes,
                make: file.wanted,
                executable: file.executable,
                reserve: self.reserve,
                link,
            }
        });
        let skips = self.files.iter().any(|file| !file.wanted);
        let part = self.part.iter().map(|part| {
            let FileEntry { path, length_bytes, .. } = &part.entry;
            let spec = FileSpec::plain(self.part_index(), path.clone(), *length_bytes);
            FileSpec { make: skips, ..spec }
        });
        files.chain(part).collect()
    }

    /// One file; the part file, too.
    pub fn file(&self, index: FileIndex) -> &FileEntry {
        match &self.part {
            Some(part) if index == self.part_index() => &part.entry,
            _ => &self.files[index.0 as usize],
        }
    }

    fn indexed(&self) -> impl Iterator<Item = (FileIndex, &FileEntry)> {
        (0..).map(FileIndex).zip(&self.files)
    }

    /// The pieces that hold bytes of `file`, as a half-open range; empty for an empty file.
    ///
    /// Of the part file, it is the range of those in it, which has others in between: see
    /// [`Self::pieces_in_part`].
    pub fn pieces_of(&self, file: FileIndex) -> core::ops::Range<u32> {
        if self.part_file() == Some(file) {
            let mut pieces = self.pieces_in_part();
            let Some(first) = pieces.next() else { return 0..0 };
            return first.0..pieces.last().unwrap_or(first).0 + 1;
        }
        let (start, end) = (self.starts[file.0 as usize], self.starts[file.0 as usize + 1]);
        if start == end {
            return 0..0;
        }
        let piece_bytes = u64::from(self.piece_bytes);
        let index = |offset: u64| u32::try_from(offset).expect("bounded by the piece count");
        index(start / piece_bytes)..index((end - 1) / piece_bytes + 1)
    }

    /// The parts of a range of a piece, in order, padding included.
    pub fn parts(&self, range: BlockId) -> Vec<HashPart> {
        let mut parts = Vec::new();
        let piece_start = u64::from(range.piece.0) * u64::from(self.piece_bytes);
        let slot = self.slot(range.piece);
        let mut at = piece_start + u64::from(range.offset_bytes);
        let end = at + u64::from(range.length_bytes);
        assert!(end <= self.starts[self.files.len()], "{range:?} is beyond the end");
        let mut index = self.starts.partition_point(|&start| start <= at) - 1;
        while at < end {
            let length_bytes = self.starts[index + 1].min(end) - at;
            if length_bytes > 0 {
                let file = FileIndex(u32::try_from(index).expect("the decoder bounds the files"));
                parts.push(match slot {
                    _ if self.files[index].padding => HashPart::Zeros(length_bytes),
                    Some(slot) if self.is_aside(file) => {
                        let offset_bytes = slot + (at - piece_start);
                        let file = self.part_index();
                        HashPart::File(Extent { file, offset_bytes, length_bytes })
                    }
                    Some(_) | None => {
                        let offset_bytes = at - self.starts[index];
                        HashPart::File(Extent { file, offset_bytes, length_bytes })
                    }
                });
            }
            at += length_bytes;
            index += 1;
        }
        parts
    }

    /// The parts of a whole piece.
    pub fn piece_parts(&self, piece: PieceIndex) -> Vec<HashPart> {
        self.parts(BlockId { piece, offset_bytes: 0, length_bytes: self.piece_bytes(piece) })
    }

    /// The file that the first byte of `piece` belongs to.
    pub fn first_file_of(&self, piece: PieceIndex) -> FileIndex {
        self.files_of(piece).next().expect("a piece has a byte")
    }

    /// Bytes of padding that follow `range` in its piece, if it reaches to the end of the content.
    pub fn padding_behind(&self, range: BlockId) -> u64 {
        let BlockId { piece, offset_bytes, length_bytes } = range;
        let (whole, content) = (self.sizes.of(piece), self.sizes.fetched_of(piece));
        if offset_bytes + length_bytes == content { u64::from(whole - content) } else { 0 }
    }

    /// The parts of a range as a write wants them: what goes to files, and which ranges of the
    /// run (offset from its start, length) are padding.
    pub fn write_plan(&self, range: BlockId) -> (Vec<Extent>, Vec<(u64, u64)>) {
        let (mut extents, mut skip, mut at) = (Vec::new(), Vec::new(), 0);
        for part in self.parts(range) {
            match part {
                HashPart::File(extent) => {
                    extents.push(extent);
                    at += extent.length_bytes;
                }
                HashPart::Zeros(length) => {
                    skip.push((at, length));
                    at += length;
                }
            }
        }
        (extents, skip)
    }
}

/// How long the pieces are. In `tight` ones, what follows the content is not counted.
fn sizes(files: &[FileEntry], starts: &[u64], piece_bytes: u32, tight: bool) -> PieceSizes {
    let (span, usual) = (starts[files.len()], u64::from(piece_bytes));
    let count = u32::try_from(span.div_ceil(usual)).expect("the decoder bounds their number");
    let small = |bytes: u64| u32::try_from(bytes).expect("at most a piece");
    let mut odd = BTreeMap::new();
    if let Some(last) = count.checked_sub(1) {
        let rest = small(span - u64::from(last) * usual);
        odd.insert(PieceIndex(last), (rest, rest));
    }
    let mut padding_from = None;
    for (at, file) in files.iter().enumerate().filter(|(_, file)| file.length_bytes > 0) {
        if !file.padding {
            padding_from = None;
            continue;
        }
        let from = *padding_from.get_or_insert(starts[at]);
        let (piece, begins) = (from / usual, from / usual * usual);
        let ends = span.min(begins + usual);
        // A piece of nothing but padding has to come from somewhere all the same.
        if starts[at + 1] >= ends && from > begins {
            let (whole, content) = (small(ends - begins), small(from - begins));
            let piece = PieceIndex(u32::try_from(piece).expect("below their number"));
            odd.insert(piece, (if tight { content } else { whole }, content));
        }
    }
    PieceSizes::with_odd(piece_bytes, count, odd)
}

/// What a link at `path` must say to lead to `target`; both start at the same folder.
fn relative_target(path: &Path, target: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let common = folder.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Path::new(".."));
    let down = target.components().skip(common).map(|part| Path::new(part.as_os_str()));
    let relative: PathBuf = up.chain(down).collect();
    // The folder that the link is in.
    if relative.as_os_str().is_empty() { ".".into() } else { relative }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `"5 3p 0 9-"`: lengths, `p` for padding, `-` for skipped. None of them is there.
    fn layout(notation: &str, piece_bytes: u32) -> Layout {
        let files = notation
            .split_whitespace()
            .enumerate()
            .map(|(index, word)| FileEntry {
                path: PathBuf::from(index.to_string()),
                length_bytes: word.trim_end_matches(['p', '-']).parse().unwrap(),
                padding: word.ends_with('p'),
                wanted: !word.ends_with('-'),
                ..FileEntry::default()
            })
            .collect();
        let mut layout = Layout::new(files, piece_bytes).with_part("part".into());
        layout.put_aside(true, |_| false);
        layout
    }

    /// `"0:3+2 z3"`: file 0 from byte 3, 2 bytes; then three zeros.
    fn shown(parts: &[HashPart]) -> String {
        let word = |part: &HashPart| match part {
            HashPart::File(e) => format!("{}:{}+{}", e.file.0, e.offset_bytes, e.length_bytes),
            HashPart::Zeros(n) => format!("z{n}"),
        };
        parts.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pieces_lie_where_the_files_put_them() {
        for (files, piece_bytes, piece, expected) in [
            ("10", 4, 0, "0:0+4"),
            ("10", 4, 2, "0:8+2"),
            ("3 0 5", 4, 0, "0:0+3 2:0+1"),
            ("3 1p 5", 4, 0, "0:0+3 z1"),
            ("3 1p 5", 4, 1, "2:0+4"),
            ("0 0 4", 4, 0, "2:0+4"),
            ("4 0", 4, 0, "0:0+4"),
            ("1 1 1 1 1", 4, 1, "4:0+1"),
            // Skipped: 3 is the part file, and piece 1 its first slot.
            ("6 4- 6", 4, 1, "0:4+2 3:2+2"),
            ("6 4- 6", 4, 2, "3:4+2 2:0+2"),
            ("6 4 6-", 4, 2, "1:2+2 3:6+2"),
            ("6 4 6-", 4, 3, "2:2+4"),
            ("6 1p 3- 2", 4, 1, "0:4+2 z1 4:3+1"),
            ("4 4- 4", 4, 1, "1:0+4"),
            ("3 2p 3-", 4, 1, "z1 3:1+3"),
            ("3 1p 3-", 4, 1, "2:0+3"),
        ] {
            let layout = layout(files, piece_bytes);
            assert_eq!(shown(&layout.piece_parts(PieceIndex(piece))), expected, "{files}");
        }
    }

    #[test]
    fn wanted_pieces_are_those_with_a_byte_of_a_wanted_file() {
        // `+` for a wanted piece; bytes of wanted files in each.
        for (files, expected, bytes) in [
            ("6 4 6", "++++", "4 4 4 4"),
            ("6 4- 6", "++++", "4 2 2 4"),
            ("6- 4 6-", ".++.", "0 2 2 0"),
            ("6- 4- 6-", "....", "0 0 0 0"),
            ("5 3p 4- 4", "++.+", "4 1 0 4"),
            ("5- 3p 4 0", "..+", "0 0 4"),
            ("6 4 5", "++++", "4 4 4 3"),
        ] {
            let layout = layout(files, 4);
            let pieces = || (0..layout.piece_count()).map(PieceIndex);
            let wanted = layout.wanted_pieces();
            let shown: String =
                pieces().map(|piece| if wanted.has(piece) { '+' } else { '.' }).collect();
            let counts: Vec<u64> = pieces().map(|piece| layout.wanted_bytes_of(piece)).collect();
            assert_eq!(shown, expected, "{files}");
            assert_eq!(counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" "), bytes);
            assert_eq!(counts.iter().sum::<u64>(), layout.wanted_bytes(), "{files}");
            for last in [false, true] {
                let mut have = Bitfield::empty(layout.piece_count());
                have.set(PieceIndex(1));
                have.set(PieceIndex(if last { layout.piece_count() - 1 } else { 0 }));
                let naive: u64 = have.ones().map(|piece| layout.wanted_bytes_of(piece)).sum();
                assert_eq!(layout.wanted_bytes_in(&have), naive, "{files}");
            }
        }
    }

    #[test]
    fn a_skipped_file_that_is_there_keeps_its_bytes() {
        let mut layout = layout("6 4- 6", 4);
        layout.put_aside(true, |file| file == FileIndex(1));
        assert_eq!(shown(&layout.piece_parts(PieceIndex(1))), "0:4+2 1:0+2");
        assert_eq!(layout.pieces_in_part().count(), 0);
    }

    #[test]
    fn to_a_reader_every_missing_file_is_aside() {
        let mut layout = layout("6 4 6", 4);
        layout.put_aside(false, |file| file == FileIndex(0));
        assert_eq!(shown(&layout.piece_parts(PieceIndex(1))), "0:4+2 3:2+2");
        assert_eq!(shown(&layout.piece_parts(PieceIndex(2))), "3:4+2 3:6+2");
        assert_eq!(shown(&layout.piece_parts(PieceIndex(3))), "2:2+4");
    }

    #[test]
    fn what_is_wanted_again_comes_back_from_the_part_file() {
        let layout = layout("6 4 6-", 4);
        let copies = layout.restorable(|file| file != FileIndex(0), |_| true);
        let word = |copy: &CopyRange| {
            let shown = |e: &Extent| format!("{}:{}+{}", e.file.0, e.offset_bytes, e.length_bytes);
            format!("{}>{}", shown(&copy.from), shown(&copy.to))
        };
        let words: Vec<String> = copies.iter().map(word).collect();
        assert_eq!(words, ["3:2+2>1:0+2", "3:4+2>1:2+2"]);
        assert!(layout.restorable(|_| true, |_| false).is_empty());
    }

    #[test]
    fn links_lead_from_where_they_are() {
        for (path, target, expected) in [
            ("t/link", "t/file", "file"),
            ("t/a/link", "t/b/file", "../b/file"),
            ("t/a/b/link", "t/a", ".."),
            ("t/a/link", "t/a", "."),
            ("t/link", "t/a/b", "a/b"),
        ] {
            let relative = relative_target(Path::new(path), Path::new(target));
            assert_eq!(relative, Path::new(expected), "{path} -> {target}");
        }
    }

    #[test]
    fn a_file_knows_its_pieces() {
        let layout = layout("3 0 5 8", 4);
        let pieces = |file| layout.pieces_of(FileIndex(file));
        assert_eq!((pieces(0), pieces(1), pieces(2), pieces(3)), (0..1, 0..0, 0..2, 2..4));
        let some = self::layout("6 4- 6 2- 2", 4);
        assert_eq!(some.pieces_of(some.part_file().unwrap()), 1..5);
        assert_eq!(self::layout("6 4 6", 4).pieces_of(FileIndex(3)), 0..0);
    }

    proptest! {
        /// The part file's ranges are disjoint, inside it, and the same whatever is skipped.
        #[test]
        fn every_byte_put_aside_has_a_place_of_its_own(
            lengths in prop::collection::vec((0_u64..50, any::<bool>()), 1..12),
            piece_bytes in 1_u32..40,
        ) {
            let files = |skip: &dyn Fn(bool) -> bool| lengths.iter().map(|&(length_bytes, skipped)| {
                FileEntry { length_bytes, wanted: !skip(skipped), ..FileEntry::default() }
            }).collect::<Vec<_>>();
            let aside = |files| {
                let mut layout = Layout::new(files, piece_bytes).with_part("part".into());
                layout.put_aside(true, |_| false);
                layout
            };
            let (some, all) = (aside(files(&|skipped| skipped)), aside(files(&|_| true)));
            let Some(part) = some.part_file() else { return Ok(()) };
            let mut used = vec![false; usize::try_from(*some.lengths().last().unwrap()).unwrap()];
            for piece in (0..some.piece_count()).map(PieceIndex) {
                let everything = all.piece_parts(piece);
                let mut in_part = false;
                for extent in some.piece_parts(piece) {
                    let HashPart::File(extent) = extent else { continue };
                    if extent.file != part { continue }
                    in_part = true;
                    let start = usize::try_from(extent.offset_bytes).unwrap();
                    for byte in &mut used[start..start + usize::try_from(extent.length_bytes).unwrap()] {
                        prop_assert!(!core::mem::replace(byte, true));
                    }
                    prop_assert!(everything.contains(&HashPart::File(extent)));
                }
                prop_assert_eq!(in_part, some.pieces_in_part().any(|other| other == piece));
            }
        }

        #[test]
        fn parts_cover_every_range_exactly_once(
            lengths in prop::collection::vec((0_u64..50, any::<bool>()), 1..12),
            piece_bytes in 1_u32..40,
        ) {
            let files = lengths.iter().map(|&(length_bytes, padding)| FileEntry {
                length_bytes, padding, ..FileEntry::default()
            }).collect();
            let layout = Layout::new(files, piece_bytes);
            let mut seen = vec![0_u64; lengths.len()];
            let mut zeros = 0;
            for piece in (0..layout.piece_count()).map(PieceIndex) {
                let mut bytes = 0;
                for part in layout.piece_parts(piece) {
                    match part {
                        HashPart::File(extent) => {
                            let seen = &mut seen[extent.file.0 as usize];
                            prop_assert_eq!(*seen, extent.offset_bytes);
                            *seen += extent.length_bytes;
                            bytes += extent.length_bytes;
                        }
                        HashPart::Zeros(length) => { zeros += length; bytes += length; }
                    }
                }
                prop_assert_eq!(bytes, u64::from(layout.piece_bytes(piece)));
            }
            for (&(length, padding), &seen) in lengths.iter().zip(&seen) {
                prop_assert_eq!(seen, if padding { 0 } else { length });
            }
            let padding: u64 = lengths.iter().filter(|file| file.1).map(|file| file.0).sum();
            prop_assert_eq!(zeros, padding);
        }
    }
}
