//! How long the pieces of a torrent are.
//!
//! Source: BEP 3 (only the last piece is shorter), BEP 52 (each file begins a piece, so that the last
//! piece of each file is shorter), BEP 47 (padding: zeros at the end of a piece that need not be fetched).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Bitfield, PieceIndex};

/// The length of each piece. Cheap to clone.
///
/// Invariant: no piece has a length of 0, none more content than its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceSizes {
    usual: u32,
    count: u32,
    /// Pieces that are shorter than usual or end with padding: length, and bytes of content.
    odd: Arc<BTreeMap<PieceIndex, (u32, u32)>>,
    /// Bytes by which all pieces together are shorter than usual.
    lacking: u64,
    /// Bytes of padding at their ends.
    padding: u64,
    /// The padding is known to be zeros and need not be fetched.
    known_padding: bool,
}

impl PieceSizes {
    /// Pieces of `piece_bytes`, the last one excepted. `piece_bytes` is not 0.
    pub fn new(piece_bytes: u32, total_bytes: u64) -> Self {
        let count = total_bytes.div_ceil(u64::from(piece_bytes));
        let count = u32::try_from(count).expect("the decoder bounds the number of pieces");
        let odd = count.checked_sub(1).map(|last| {
            let rest = total_bytes - u64::from(piece_bytes) * u64::from(last);
            let rest = u32::try_from(rest).expect("at most a piece");
            (PieceIndex(last), (rest, rest))
        });
        Self::with_odd(piece_bytes, count, odd.into_iter().collect())
    }

    /// `count` pieces of `piece_bytes`, except for the length and bytes of content of those in `odd`.
    pub fn with_odd(usual: u32, count: u32, mut odd: BTreeMap<PieceIndex, (u32, u32)>) -> Self {
        odd.retain(|_, sizes| *sizes != (usual, usual));
        let (mut lacking, mut padding) = (0, 0);
        for &(length, content) in odd.values() {
            assert!(0 < content && content <= length && length <= usual, "an impossible piece");
            lacking += u64::from(usual - length);
            padding += u64::from(length - content);
        }
        Self { usual, count, odd: Arc::new(odd), lacking, padding, known_padding: false }
    }

    /// Takes padding at the end of pieces for zeros that need not be fetched.
    #[must_use]
    pub fn with_known_padding(mut self) -> Self {
        self.known_padding = true;
        self
    }

    /// The length of a piece that is not shorter than others, in bytes.
    pub fn usual(&self) -> u32 {
        self.usual
    }

    /// How many pieces there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// All of them together, in bytes.
    pub fn total(&self) -> u64 {
        u64::from(self.usual) * u64::from(self.count) - self.lacking
    }

    /// All of them together without the padding at their ends, in bytes.
    pub fn content(&self) -> u64 {
        self.total() - self.padding
    }

    /// The length of `piece` in bytes: what others may ask for. Panics out of range.
    pub fn of(&self, piece: PieceIndex) -> u32 {
        self.both(piece).0
    }

    /// The length of what has to be fetched of `piece`. Panics out of range.
    pub fn fetched_of(&self, piece: PieceIndex) -> u32 {
        let (length, content) = self.both(piece);
        if self.known_padding { content } else { length }
    }

    fn both(&self, piece: PieceIndex) -> (u32, u32) {
        assert!(piece.0 < self.count, "{piece:?} is beyond the end");
        self.odd.get(&piece).copied().unwrap_or((self.usual, self.usual))
    }

    /// Bytes of the pieces that `have` has.
    pub fn total_in(&self, have: &Bitfield) -> u64 {
        self.sum_in(have, |(length, _)| length)
    }

    /// The same without the padding at their ends.
    pub fn content_in(&self, have: &Bitfield) -> u64 {
        self.sum_in(have, |(_, content)| content)
    }

    fn sum_in(&self, have: &Bitfield, of: impl Fn((u32, u32)) -> u32) -> u64 {
        let odd = self.odd.iter().filter(|&(&piece, _)| have.has(piece));
        let lacking: u64 = odd.map(|(_, &sizes)| u64::from(self.usual - of(sizes))).sum();
        u64::from(have.count()) * u64::from(self.usual) - lacking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_piece_of_a_plain_torrent_is_shorter() {
        let sizes = PieceSizes::new(10, 25);
        assert_eq!([0, 1, 2].map(|piece| sizes.of(PieceIndex(piece))), [10, 10, 5]);
        assert_eq!((sizes.count(), sizes.total()), (3, 25));
        let mut have = Bitfield::empty(3);
        have.set(PieceIndex(2));
        assert_eq!(sizes.total_in(&have), 5);
    }

    #[test]
    fn odd_pieces_count_with_their_own_length() {
        let odd = BTreeMap::from([(PieceIndex(0), (10, 4)), (PieceIndex(1), (7, 7))]);
        let sizes = PieceSizes::with_odd(10, 3, odd);
        assert_eq!([0, 1, 2].map(|piece| sizes.fetched_of(PieceIndex(piece))), [10, 7, 10]);
        let known = sizes.clone().with_known_padding();
        assert_eq!([0, 1, 2].map(|piece| known.fetched_of(PieceIndex(piece))), [4, 7, 10]);
        assert_eq!((sizes.of(PieceIndex(0)), sizes.total()), (10, 27));
        assert_eq!(sizes.total_in(&Bitfield::full(3)), 27);
        assert_eq!((sizes.content(), sizes.content_in(&Bitfield::full(3))), (21, 21));
    }
}
