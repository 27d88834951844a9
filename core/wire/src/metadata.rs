//! Exchange of the `info` dictionary between peers.
//!
//! Source: BEP 9 ("extension message"). A message is a bencoded dictionary; that of a piece is followed by
//! the piece itself.

use crate::bencode::{self, KeyOrder, Limits, OwnedValue, Value};

/// The name of the extension (BEP 10).
pub const METADATA: &[u8] = b"ut_metadata";

/// The id under which we want its messages.
pub const METADATA_ID: u8 = 3;

/// Length of all pieces but the last, in bytes.
pub const PIECE_BYTES: usize = 16 * 1024;

/// Largest `info` taken from peers, in bytes. That of 10 TiB in pieces of 16 MiB has 13 MiB; only torrent
/// files may be larger.
pub const INFO_BYTES_MAX: u32 = 32 << 20;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Send this piece.
    Request(u32),
    /// A piece.
    Data {
        /// Its number, from 0.
        piece: u32,
        /// Length of the whole in bytes, if the sender says it.
        total_bytes: Option<u32>,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// The piece is not to be had.
    Reject(u32),
}

const LIMITS: Limits =
    Limits { bytes_max: 64 * 1024, depth_max: 8, values_max: 64, key_order: KeyOrder::Any };

impl<'a> Message<'a> {
    /// Decodes the payload of a message of [`METADATA`]; `None` if it is none that we know, as BEP 9 asks
    /// of unknown types.
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let (value, end) = bencode::decode_prefix(payload, LIMITS).ok()?;
        let dict = value.as_dict()?;
        let int = |key: &[u8]| u32::try_from(dict.get(key).and_then(Value::as_int)?).ok();
        let piece = int(b"piece")?;
        match int(b"msg_type")? {
            0 => Some(Self::Request(piece)),
            1 => {
                let bytes = payload.get(end..)?;
                Some(Self::Data { piece, total_bytes: int(b"total_size"), bytes })
            }
            2 => Some(Self::Reject(piece)),
            _ => None,
        }
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece, total, bytes) = match *self {
            Self::Request(piece) => (0_u32, piece, None, &[][..]),
            Self::Data { piece, total_bytes, bytes } => (1, piece, total_bytes, bytes),
            Self::Reject(piece) => (2, piece, None, &[][..]),
        };
        let dict = OwnedValue::dict()
            .with("msg_type", kind)
            .with("piece", piece)
            .with_some("total_size", total);
        let mut payload = bencode::encode(&dict);
        payload.extend_from_slice(bytes);
        payload
    }
}

/// How many pieces an `info` of `total_bytes` has.
pub fn piece_count(total_bytes: u32) -> u32 {
    total_bytes.div_ceil(PIECE_BYTES_U32)
}

/// Where piece `piece` of an `info` of `total_bytes` lies; `None` if it has no such piece.
pub fn piece_range(piece: u32, total_bytes: usize) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(piece).ok()?.checked_mul(PIECE_BYTES)?;
    (start < total_bytes).then(|| start..start.saturating_add(PIECE_BYTES).min(total_bytes))
}

const PIECE_BYTES_U32: u32 = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_by_table() {
        for (payload, expected) in [
            (&b"d8:msg_typei0e5:piecei0ee"[..], Some(Message::Request(0))),
            (
                b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxx",
                Some(Message::Data { piece: 0, total_bytes: Some(34256), bytes: b"xxxx" }),
            ),
            (
                b"d8:msg_typei1e5:piecei3eey",
                Some(Message::Data { piece: 3, total_bytes: None, bytes: b"y" }),
            ),
            (b"d8:msg_typei2e5:piecei0ee", Some(Message::Reject(0))),
            (b"d5:piecei0e8:msg_typei2ee", Some(Message::Reject(0))),
            (b"d8:msg_typei3e5:piecei0ee", None),
            (b"d8:msg_typei-1e5:piecei0ee", None),
            (b"d8:msg_typei0e5:piecei-1ee", None),
            (b"d8:msg_typei0ee", None),
            (b"le", None),
            (b"", None),
        ] {
            assert_eq!(Message::decode(payload), expected, "{payload:?}");
        }
    }

    #[test]
    fn pieces_cover_the_whole() {
        for (total, count) in [(1, 1), (16384, 1), (16385, 2), (50_000, 4)] {
            assert_eq!(piece_count(total), count);
            let total = total as usize;
            let ranges: Vec<_> = (0..count).map(|piece| piece_range(piece, total)).collect();
            assert_eq!(ranges.iter().flatten().map(ExactSizeIterator::len).sum::<usize>(), total);
            assert_eq!(piece_range(count, total), None);
        }
        assert_eq!(piece_range(u32::MAX, 5), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            piece in any::<u32>(),
            total_bytes in any::<Option<u32>>(),
            bytes in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let data = Message::Data { piece, total_bytes, bytes: &bytes };
            for message in [Message::Request(piece), data, Message::Reject(piece)] {
                let payload = message.encode();
                prop_assert_eq!(Message::decode(&payload), Some(message));
            }
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            Message::decode(&bytes);
        }
    }
}
