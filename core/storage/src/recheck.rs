//! Comparing what is on disk with the digests of the torrent, several pieces at once.
//!
//! Source: our own design. The cursor is the first piece not yet compared; it is saved with the
//! resume record, so that an interrupted recheck goes on where it was.

use std::collections::BTreeSet;

use base::PieceIndex;

/// A recheck in progress.
#[derive(Debug)]
pub struct Recheck {
    todo: std::vec::IntoIter<PieceIndex>,
    in_flight: BTreeSet<PieceIndex>,
    in_flight_max: usize,
    total: usize,
    finished: usize,
    piece_count: u32,
}

impl Recheck {
    /// Checks `pieces` (ascending) of a torrent of `piece_count`, at most `in_flight_max` at once.
    pub fn new(pieces: Vec<PieceIndex>, piece_count: u32, in_flight_max: usize) -> Self {
        let total = pieces.len();
        Self {
            todo: pieces.into_iter(),
            in_flight: BTreeSet::new(),
            in_flight_max,
            total,
            finished: 0,
            piece_count,
        }
    }

    /// The next piece to hash, if another may be under way.
    pub fn next_piece(&mut self) -> Option<PieceIndex> {
        if self.in_flight.len() >= self.in_flight_max {
            return None;
        }
        let piece = self.todo.next()?;
        self.in_flight.insert(piece);
        Some(piece)
    }

    /// A piece was compared, with whatever result.
    pub fn on_checked(&mut self, piece: PieceIndex) {
        assert!(self.in_flight.remove(&piece), "{piece:?} was not being checked");
        self.finished += 1;
    }

    /// Whether every piece was compared.
    pub fn is_done(&self) -> bool {
        self.in_flight.is_empty() && self.todo.as_slice().is_empty()
    }

    /// Pieces before this one need not be compared again.
    pub fn cursor(&self) -> u32 {
        let oldest = self.in_flight.first().or(self.todo.as_slice().first());
        oldest.map_or(self.piece_count, |piece| piece.0)
    }

    /// Pieces compared and pieces to compare in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.finished, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_waits_for_the_oldest_piece_in_flight() {
        let mut check = Recheck::new([1, 2, 5].map(PieceIndex).to_vec(), 8, 2);
        assert_eq!(check.next_piece(), Some(PieceIndex(1)));
        assert_eq!(check.next_piece(), Some(PieceIndex(2)));
        assert_eq!(check.next_piece(), None);
        check.on_checked(PieceIndex(2));
        assert_eq!((check.cursor(), check.progress()), (1, (1, 3)));
        assert_eq!(check.next_piece(), Some(PieceIndex(5)));
        check.on_checked(PieceIndex(1));
        assert_eq!((check.cursor(), check.is_done()), (5, false));
        check.on_checked(PieceIndex(5));
        assert_eq!((check.cursor(), check.is_done()), (8, true));
    }
}
