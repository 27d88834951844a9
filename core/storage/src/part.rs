//! The part file: where bytes of skipped files lie that share a piece with a wanted one.
//!
//! A piece is verified, served and recorded as a whole, and a skipped file must not appear on
//! disk. So the bytes of a skipped file that a wanted piece brings along go into one hidden file
//! beside the torrent's own, the *part file*. Its layout depends on the torrent alone, not on what
//! is chosen, so that the choice may change between runs: each piece that more than one file has a
//! share in has a *slot* of a piece's length, in order. `docs/formats.md` describes it.

use std::path::PathBuf;

use base::{InfoHash, PieceIndex};

/// Longest part of a name that the name of a part file repeats, in bytes: with what is around it
/// it stays below the 255 of common file systems.
const NAME_BYTES_MAX: usize = 200;

/// Name of the part file of a torrent whose file or folder is called `name`, below the root.
pub fn part_path(name: &str, info_hash: InfoHash) -> PathBuf {
    let name = name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default();
    let hash = info_hash.to_string();
    format!(".{name}.{}.parts", hash.get(..8).unwrap_or(&hash)).into()
}

/// Which slots a part file has.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// The pieces that more than one file has a share in, ascending.
    shared: Vec<PieceIndex>,
    piece_bytes: u32,
}

impl Slots {
    /// From the first and last piece of each file that has bytes, its padding included, in order.
    pub(crate) fn new(spans: impl Iterator<Item = (u32, u32)>, piece_bytes: u32) -> Self {
        let mut shared = Vec::new();
        let mut before = None;
        for (first, last) in spans {
            if before == Some(first) && shared.last() != Some(&PieceIndex(first)) {
                shared.push(PieceIndex(first));
            }
            before = Some(last);
        }
        Self { shared, piece_bytes }
    }

    /// Where the slot of `piece` begins in the part file, in bytes; `None` if it has none.
    pub(crate) fn offset(&self, piece: PieceIndex) -> Option<u64> {
        let slot = self.shared.binary_search(&piece).ok()?;
        Some(slot as u64 * u64::from(self.piece_bytes))
    }

    /// Length of the part file in bytes.
    pub(crate) fn length_bytes(&self) -> u64 {
        self.shared.len() as u64 * u64::from(self.piece_bytes)
    }

    /// The pieces that have a slot, ascending.
    pub(crate) fn pieces(&self) -> &[PieceIndex] {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_several_files_has_one_slot_and_others_have_none() {
        // Pieces of each file; slots as `piece@offset`.
        for (spans, expected) in [
            (&[(0, 4)][..], ""),
            (&[(0, 1), (2, 3)], ""),
            (&[(0, 1), (1, 3)], "1@0"),
            (&[(0, 1), (1, 1), (1, 1), (1, 4), (5, 6), (6, 6)], "1@0 6@10"),
        ] {
            let slots = Slots::new(spans.iter().copied(), 10);
            let word =
                |&piece: &PieceIndex| format!("{}@{}", piece.0, slots.offset(piece).unwrap());
            let shown: Vec<String> = slots.pieces().iter().map(word).collect();
            assert_eq!(shown.join(" "), expected, "{spans:?}");
            assert_eq!(slots.length_bytes(), shown.len() as u64 * 10);
        }
    }

    #[test]
    fn names_are_hidden_and_fit_a_file_system() {
        let hash = InfoHash([0xab; 20]);
        assert_eq!(part_path("film.mkv", hash), PathBuf::from(".film.mkv.abababab.parts"));
        let long = part_path(&"ü".repeat(200), hash);
        assert!(long.as_os_str().len() <= 255, "{}", long.display());
    }
}
