//! Whether the files are still as we left them, and which pieces are doubted since they are not.
//!
//! Source: our own design. Somebody else may remove, cut, replace or rewrite a file that we serve
//! or write. Each look at a file is compared with the look before; a file that we did not write
//! since must look the same. Pieces of one that does not are doubted: compared with their digest
//! before anything of them is given away again.
//!
//! Invariants: a piece that is doubted or compared is not durable; every read in `waiting` is of
//! a piece in `doubted` or `comparing`.

use std::collections::{BTreeMap, BTreeSet};

use base::{BlockId, FileIndex, PieceIndex};

use crate::job::FileStamp;

/// Why a file is doubted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is not there any more, or shorter than it was.
    Gone,
    /// Its length or time changed, and not by us.
    Changed,
    /// It cannot be read.
    Unreadable,
}

/// A range to be made resident: the caller's key, and whether it failed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) key: u64,
    pub(crate) range: BlockId,
    /// It was tried, failed, and the piece was found right: a second failure is the answer.
    pub(crate) again: bool,
}

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Writes under way, by file.
    writing: BTreeMap<FileIndex, u32>,
    /// Files written since the last look: they may look different.
    ours: BTreeSet<FileIndex>,
    /// Those of `ours` that nobody writes while the look under way lasts.
    covered: BTreeSet<FileIndex>,
    /// Files known to be gone.
    gone: BTreeSet<FileIndex>,
    doubted: BTreeSet<PieceIndex>,
    comparing: BTreeSet<PieceIndex>,
    waiting: BTreeMap<PieceIndex, Vec<Read>>,
    /// Pieces found lost since nothing was doubted.
    lost: u32,
}

impl Watch {
    /// A write to these files begins.
    pub(crate) fn on_write(&mut self, files: impl Iterator<Item = FileIndex>) {
        for file in files {
            *self.writing.entry(file).or_insert(0) += 1;
            self.ours.insert(file);
            self.covered.remove(&file);
        }
    }

    /// It ended.
    pub(crate) fn on_write_done(&mut self, files: impl Iterator<Item = FileIndex>) {
        for file in files {
            let count = self.writing.get_mut(&file).expect("a write of it was under way");
            *count -= 1;
            if *count == 0 {
                self.writing.remove(&file);
            }
        }
    }

    /// A look at all files begins.
    pub(crate) fn on_look(&mut self) {
        let quiet = self.ours.iter().filter(|file| !self.writing.contains_key(file));
        self.covered = quiet.copied().collect();
    }

    /// That look ended: what it saw is what the next one is compared with.
    pub(crate) fn on_looked(&mut self) {
        for file in core::mem::take(&mut self.covered) {
            self.ours.remove(&file);
        }
    }

    /// What a look at `file` means. `before` and `now`: how it looked, if it was there;
    /// `length_bytes`: what it should have.
    pub(crate) fn judge(
        &self,
        file: FileIndex,
        length_bytes: u64,
        before: Option<&FileStamp>,
        now: Option<&FileStamp>,
    ) -> Option<Doubt> {
        let whole =
            |stamp: Option<&FileStamp>| stamp.is_some_and(|s| s.length_bytes >= length_bytes);
        if !whole(now) {
            // The write that makes it may be under way still.
            let made = whole(before) || self.covered.contains(&file);
            return made.then_some(Doubt::Gone);
        }
        let changed = before.is_some() && before != now && !self.ours.contains(&file);
        changed.then_some(Doubt::Changed)
    }

    /// A file is gone. True if that is news.
    pub(crate) fn on_gone(&mut self, file: FileIndex) -> bool {
        self.gone.insert(file)
    }

    /// A file is there.
    pub(crate) fn on_there(&mut self, file: FileIndex) {
        self.gone.remove(&file);
    }

    /// A piece is doubted from now on.
    pub(crate) fn doubt(&mut self, piece: PieceIndex) {
        self.doubted.insert(piece);
    }

    /// Whether a piece must not be given away now.
    pub(crate) fn is_doubted(&self, piece: PieceIndex) -> bool {
        self.doubted.contains(&piece) || self.comparing.contains(&piece)
    }

    /// Keeps a read until the verdict on its piece.
    pub(crate) fn wait(&mut self, read: Read) {
        self.waiting.entry(read.range.piece).or_default().push(read);
    }

    /// The next piece to compare, if another may be under way. Those that somebody waits for come
    /// first.
    pub(crate) fn next_piece(&mut self, in_flight_max: usize) -> Option<PieceIndex> {
        if self.comparing.len() >= in_flight_max {
            return None;
        }
        let free = |piece: &&PieceIndex| !self.comparing.contains(piece);
        let wanted = self.waiting.keys().filter(|piece| self.doubted.contains(piece)).find(free);
        let piece = *wanted.or_else(|| self.doubted.iter().find(free))?;
        self.doubted.remove(&piece);
        self.comparing.insert(piece);
        Some(piece)
    }

    /// A piece was compared. Gives back the reads that waited for it, unless it was doubted anew
    /// meanwhile.
    pub(crate) fn on_compared(&mut self, piece: PieceIndex) -> Option<Vec<Read>> {
        self.comparing.remove(&piece);
        if self.doubted.contains(&piece) {
            return None;
        }
        Some(self.waiting.remove(&piece).unwrap_or_default())
    }

    /// A piece is lost.
    pub(crate) fn on_lost(&mut self, piece: PieceIndex) {
        self.doubted.remove(&piece);
        self.lost += 1;
    }

    /// How many pieces were lost, once nothing is doubted any more.
    pub(crate) fn take_lost(&mut self) -> Option<u32> {
        let done = self.doubted.is_empty() && self.comparing.is_empty();
        (done && self.lost > 0).then(|| core::mem::take(&mut self.lost))
    }

    /// The torrent ends: nothing is compared any more.
    pub(crate) fn stop(&mut self) {
        self.doubted.clear();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileIndex = FileIndex(0);

    fn stamp(length_bytes: u64, modified_ns: i64) -> FileStamp {
        FileStamp { file: FILE, length_bytes, modified_ns }
    }

    #[test]
    fn a_file_that_we_did_not_write_must_look_as_before() {
        for (before, now, expected) in [
            (Some(stamp(9, 1)), Some(stamp(9, 1)), None),
            (Some(stamp(9, 1)), Some(stamp(9, 2)), Some(Doubt::Changed)),
            (Some(stamp(9, 1)), Some(stamp(10, 1)), Some(Doubt::Changed)),
            (Some(stamp(9, 1)), Some(stamp(8, 1)), Some(Doubt::Gone)),
            (Some(stamp(9, 1)), None, Some(Doubt::Gone)),
            (None, Some(stamp(9, 1)), None),
            (None, None, None),
            (Some(stamp(8, 1)), Some(stamp(8, 1)), None),
        ] {
            let seen = Watch::default().judge(FILE, 9, before.as_ref(), now.as_ref());
            assert_eq!(seen, expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn a_look_says_nothing_of_files_that_we_write_meanwhile() {
        let (old, new) = (stamp(9, 1), stamp(9, 2));
        // `w` and `d`: a write begins and is done; `(` and `)`: a look begins and ends.
        for (story, expected) in [
            ("", Some(Doubt::Changed)),
            ("w", None),
            ("wd", None),
            ("wd()", Some(Doubt::Changed)),
            ("w(d)", None),
            ("(wd)", None),
            ("wd(wd)", None),
            ("wd(w)d()", Some(Doubt::Changed)),
        ] {
            let mut watch = Watch::default();
            for event in story.chars() {
                match event {
                    'w' => watch.on_write([FILE].into_iter()),
                    'd' => watch.on_write_done([FILE].into_iter()),
                    '(' => watch.on_look(),
                    _ => watch.on_looked(),
                }
            }
            assert_eq!(watch.judge(FILE, 9, Some(&old), Some(&new)), expected, "{story}");
        }
    }

    #[test]
    fn a_file_that_we_made_must_be_there() {
        for (story, expected) in
            [("", None), ("w(", None), ("wd(", Some(Doubt::Gone)), ("wd(w", None)]
        {
            let mut watch = Watch::default();
            for event in story.chars() {
                match event {
                    'w' => watch.on_write([FILE].into_iter()),
                    'd' => watch.on_write_done([FILE].into_iter()),
                    _ => watch.on_look(),
                }
            }
            assert_eq!(watch.judge(FILE, 9, None, None), expected, "{story}");
        }
    }

    #[test]
    fn a_piece_that_is_waited_for_is_compared_first_and_again_if_doubted_anew() {
        let mut watch = Watch::default();
        let range = BlockId { piece: PieceIndex(7), offset_bytes: 0, length_bytes: 1 };
        let read = Read { key: 1, range, again: false };
        [3, 7, 5].map(PieceIndex).into_iter().for_each(|piece| watch.doubt(piece));
        watch.wait(read);
        assert_eq!(watch.next_piece(1), Some(PieceIndex(7)));
        assert_eq!(watch.next_piece(1), None, "one at a time");
        watch.doubt(PieceIndex(7));
        assert_eq!(watch.on_compared(PieceIndex(7)), None);
        assert_eq!(watch.next_piece(1), Some(PieceIndex(7)));
        assert_eq!(watch.on_compared(PieceIndex(7)), Some(vec![read]));
        assert_eq!(watch.next_piece(2), Some(PieceIndex(3)));
    }
}
