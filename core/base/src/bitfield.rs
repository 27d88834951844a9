//! One bit a piece.

use crate::PieceIndex;

/// Which pieces somebody has. Bytes are as BEP 3's bitfield message has them: the first piece is
/// the most significant bit of the first byte.
///
/// Invariant: spare bits after the last piece are zero, and `count` is the number of ones.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    len: u32,
    count: u32,
}

impl Bitfield {
    /// No piece of `len`.
    pub fn empty(len: u32) -> Self {
        Self { bytes: vec![0; len.div_ceil(8) as usize], len, count: 0 }
    }

    /// All of `len` pieces.
    pub fn full(len: u32) -> Self {
        let mut bits = Self { bytes: vec![0xff; len.div_ceil(8) as usize], len, count: len };
        if let Some(last) = bits.bytes.last_mut().filter(|_| !len.is_multiple_of(8)) {
            *last = 0xff << (8 - len % 8);
        }
        bits
    }

    /// From the bytes of a bitfield message.
    ///
    /// `None` if the length is not that of `len` pieces or a spare bit is set (BEP 3: clients
    /// should drop the connection).
    pub fn from_bytes(bytes: &[u8], len: u32) -> Option<Self> {
        if bytes.len() != len.div_ceil(8) as usize {
            return None;
        }
        let spare = (8 - len % 8) % 8;
        if bytes.last().is_some_and(|last| last.trailing_zeros() < spare) {
            return None;
        }
        let count = bytes.iter().map(|byte| byte.count_ones()).sum();
        Some(Self { bytes: bytes.to_vec(), len, count })
    }

    /// The bytes of a bitfield message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of pieces, had or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no piece to have.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of pieces had.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether every piece is had.
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Whether `piece` is had. A piece out of range is not.
    pub fn has(&self, piece: PieceIndex) -> bool {
        piece.0 < self.len && self.bytes[(piece.0 / 8) as usize] & mask(piece) != 0
    }

    /// Sets the bit of `piece`; true if it was not set before. Panics out of range.
    pub fn set(&mut self, piece: PieceIndex) -> bool {
        assert!(piece.0 < self.len, "{piece:?} is beyond {} pieces", self.len);
        let byte = &mut self.bytes[(piece.0 / 8) as usize];
        let fresh = *byte & mask(piece) == 0;
        *byte |= mask(piece);
        self.count += u32::from(fresh);
        fresh
    }

    /// Clears the bit of `piece`; true if it was set. Panics out of range.
    pub fn clear(&mut self, piece: PieceIndex) -> bool {
        assert!(piece.0 < self.len, "{piece:?} is beyond {} pieces", self.len);
        let byte = &mut self.bytes[(piece.0 / 8) as usize];
        let was = *byte & mask(piece) != 0;
        *byte &= !mask(piece);
        self.count -= u32::from(was);
        was
    }

    /// The pieces that one has and the other has not, in order. Both are of the same length.
    pub fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = PieceIndex> + 'a {
        assert_eq!(self.len, other.len, "bitfields of one torrent");
        let pairs = (0_u32..).zip(self.bytes.iter().zip(&other.bytes));
        pairs.filter(|(_, (a, b))| a != b).flat_map(|(at, (a, b))| {
            let differing = a ^ b;
            (0..8)
                .map(move |bit| PieceIndex(at * 8 + bit))
                .filter(move |&p| differing & mask(p) != 0)
        })
    }

    /// Whether every piece of `others` is had, too. Both are of the same length.
    pub fn includes(&self, others: &Self) -> bool {
        assert_eq!(self.len, others.len, "bitfields of one torrent");
        self.bytes.iter().zip(&others.bytes).all(|(own, other)| own & other == *other)
    }

    /// The pieces had, in order.
    pub fn ones(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        (0..self.len).map(PieceIndex).filter(|&piece| self.has(piece))
    }
}

fn mask(piece: PieceIndex) -> u8 {
    0x80 >> (piece.0 % 8)
}

impl core::fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.count, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert!(Bitfield::from_bytes(&[0xff, 0x80], 9).is_some_and(|bits| bits.is_full()));
        assert!(Bitfield::from_bytes(&[0xff, 0xc0], 9).is_none());
        assert!(Bitfield::from_bytes(&[0xff], 9).is_none());
        assert!(Bitfield::from_bytes(&[], 0).is_some());
    }

    #[test]
    fn differences_are_the_pieces_that_only_one_has() {
        let (mut a, mut b) = (Bitfield::empty(20), Bitfield::empty(20));
        for piece in [1, 8, 19] {
            a.set(PieceIndex(piece));
        }
        for piece in [1, 9] {
            b.set(PieceIndex(piece));
        }
        let differences: Vec<u32> = a.differences(&b).map(|piece| piece.0).collect();
        assert_eq!(differences, [8, 9, 19]);
    }

    #[test]
    fn a_set_includes_itself_and_less_but_not_more() {
        let (mut a, mut b) = (Bitfield::empty(12), Bitfield::empty(12));
        a.set(PieceIndex(11));
        assert!(a.includes(&a) && a.includes(&b) && !b.includes(&a));
        b.set(PieceIndex(3));
        assert!(!a.includes(&b));
    }

    #[test]
    fn full_equals_every_bit_set() {
        for len in 0..40 {
            let mut bits = Bitfield::empty(len);
            for piece in 0..len {
                assert!(bits.set(PieceIndex(piece)));
            }
            assert_eq!(bits, Bitfield::full(len));
        }
    }
}
