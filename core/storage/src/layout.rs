//! Where the bytes of a torrent lie: pieces to files.
//!
//! Source: BEP 3 ("files": the torrent's bytes are the files' bytes one after the other), BEP 47
//! (padding files: zeros that are hashed but never reach the disk).

use std::path::PathBuf;

use base::{BlockId, FileIndex, PieceIndex};

use crate::job::{Extent, FileSpec, HashPart};

/// One file of the torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Path below the root folder, judged safe when the torrent was read.
    pub path: PathBuf,
    /// Length in bytes.
    pub length_bytes: u64,
    /// Zeros that exist only to align the next file (BEP 47).
    pub padding: bool,
}

/// The map from pieces to files of one torrent. Immutable.
#[derive(Debug)]
pub struct Layout {
    files: Vec<FileEntry>,
    /// Offset of each file from the start of the torrent, and the total as last element.
    starts: Vec<u64>,
    piece_bytes: u32,
}

impl Layout {
    /// A layout of `files` cut into pieces of `piece_bytes`.
    ///
    /// The sum of all lengths must have been checked against overflow; `piece_bytes` is not 0.
    pub fn new(files: Vec<FileEntry>, piece_bytes: u32) -> Self {
        assert!(piece_bytes > 0, "a piece has at least one byte");
        let mut starts = Vec::with_capacity(files.len() + 1);
        let mut offset = 0_u64;
        for file in &files {
            starts.push(offset);
            offset = offset.checked_add(file.length_bytes).expect("the decoder checked the sum");
        }
        starts.push(offset);
        Self { files, starts, piece_bytes }
    }

    /// All bytes, padding included.
    pub fn total_bytes(&self) -> u64 {
        self.starts[self.files.len()]
    }

    /// Number of pieces.
    pub fn piece_count(&self) -> u32 {
        u32::try_from(self.total_bytes().div_ceil(u64::from(self.piece_bytes)))
            .expect("the decoder bounds the number of pieces")
    }

    /// Length of `piece` in bytes; the last one may be shorter. Panics out of range.
    pub fn piece_bytes(&self, piece: PieceIndex) -> u32 {
        let start = u64::from(piece.0) * u64::from(self.piece_bytes);
        assert!(start < self.total_bytes(), "{piece:?} is beyond the end");
        u32::try_from((self.total_bytes() - start).min(u64::from(self.piece_bytes)))
            .expect("bounded by a u32")
    }

    /// The files on disk, padding left out.
    pub fn specs(&self) -> Vec<FileSpec> {
        self.indexed()
            .filter(|(_, file)| !file.padding)
            .map(|(index, file)| FileSpec {
                file: index,
                path: file.path.clone(),
                length_bytes: file.length_bytes,
            })
            .collect()
    }

    /// One file.
    pub fn file(&self, index: FileIndex) -> &FileEntry {
        &self.files[index.0 as usize]
    }

    fn indexed(&self) -> impl Iterator<Item = (FileIndex, &FileEntry)> {
        (0..).map(FileIndex).zip(&self.files)
    }

    /// The pieces that hold bytes of `file`, as a half-open range; empty for an empty file.
    pub fn pieces_of(&self, file: FileIndex) -> core::ops::Range<u32> {
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
        let mut at =
            u64::from(range.piece.0) * u64::from(self.piece_bytes) + u64::from(range.offset_bytes);
        let end = at + u64::from(range.length_bytes);
        assert!(end <= self.total_bytes(), "{range:?} is beyond the end");
        let mut index = self.starts.partition_point(|&start| start <= at) - 1;
        while at < end {
            let length_bytes = self.starts[index + 1].min(end) - at;
            if length_bytes > 0 {
                let file = FileIndex(u32::try_from(index).expect("the decoder bounds the files"));
                let offset_bytes = at - self.starts[index];
                parts.push(if self.files[index].padding {
                    HashPart::Zeros(length_bytes)
                } else {
                    HashPart::File(Extent { file, offset_bytes, length_bytes })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `"5 3p 0 9"`: lengths, `p` for padding.
    fn layout(notation: &str, piece_bytes: u32) -> Layout {
        let files = notation
            .split_whitespace()
            .enumerate()
            .map(|(index, word)| FileEntry {
                path: PathBuf::from(index.to_string()),
                length_bytes: word.trim_end_matches('p').parse().unwrap(),
                padding: word.ends_with('p'),
            })
            .collect();
        Layout::new(files, piece_bytes)
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
        ] {
            let layout = layout(files, piece_bytes);
            assert_eq!(shown(&layout.piece_parts(PieceIndex(piece))), expected, "{files}");
        }
    }

    #[test]
    fn a_file_knows_its_pieces() {
        let layout = layout("3 0 5 8", 4);
        let pieces = |file| layout.pieces_of(FileIndex(file));
        assert_eq!((pieces(0), pieces(1), pieces(2), pieces(3)), (0..1, 0..0, 0..2, 2..4));
    }

    proptest! {
        #[test]
        fn parts_cover_every_range_exactly_once(
            lengths in prop::collection::vec((0_u64..50, any::<bool>()), 1..12),
            piece_bytes in 1_u32..40,
        ) {
            let files = lengths.iter().map(|&(length_bytes, padding)| FileEntry {
                path: PathBuf::new(), length_bytes, padding,
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
