//! The two halves of a hybrid, `files` of version 1 and `file tree` of version 2, made one list.
//!
//! Source: BEP 52 ("upgrade path"): file names, order and alignment must be identical. libtorrent asks
//! this of files with content only; we ask it of all. Neither asks it of attributes that
//! change no byte: a file is executable, or hidden, if both halves say so.

use super::File;
use crate::bencode::Dict;

/// Where the halves of a hybrid say different things. Texts go behind "the parts of version 1 and 2
/// do not agree:".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HalvesError {
    /// A file that only one of them has.
    #[error("only version {version} has \"{path}\"")]
    Alone {
        /// Which of them, 1 or 2.
        version: u8,
        /// Its path, printable.
        path: String,
    },
    /// Another name, or another order.
    #[error("where version 1 has \"{v1}\", version 2 has \"{v2}\"")]
    Path {
        /// A path, printable.
        v1: String,
        /// The other, printable.
        v2: String,
    },
    /// Another length.
    #[error("\"{path}\" has {v1} bytes in version 1, but {v2} in version 2")]
    Length {
        /// The path of the file, printable.
        path: String,
        /// Its length in bytes.
        v1: u64,
        /// The other.
        v2: u64,
    },
    /// A link in one of them, or one that leads elsewhere.
    #[error("\"{path}\" is not the same link in both")]
    Link {
        /// The path of the file, printable.
        path: String,
    },
    /// A file of version 1 does not begin where its first piece does.
    #[error("\"{path}\" begins at byte {found} in version 1, but at {needed} in version 2")]
    Alignment {
        /// The path of the file, printable.
        path: String,
        /// The offset of its first byte from the start of the torrent.
        found: u64,
        /// Where that should be.
        needed: u64,
    },
    /// Padding beyond the last piece.
    #[error("version 1 has {v1} pieces, version 2 has {v2}")]
    Pieces {
        /// Number of pieces.
        v1: u64,
        /// The other.
        v2: u64,
    },
}

/// Whether the dictionary says where content goes in version 1.
pub(super) fn has_v1(info: &Dict<'_>) -> bool {
    [b"pieces".as_slice(), b"files", b"length"].iter().any(|key| info.get(key).is_some())
}

/// Gives the files of version 1 what those of version 2 know. Both have paths of the same root; the sum of
/// the lengths of `v1` fits 64 bits.
pub(super) fn join(v1: &mut [File], v2: Vec<File>, piece_bytes: u32) -> Result<(), HalvesError> {
    let piece_bytes = u64::from(piece_bytes.max(1));
    let mut v2 = v2.into_iter();
    // Where the next file begins in either.
    let (mut offset, mut aligned) = (0_u64, 0_u64);
    for file in v1 {
        let begin = offset;
        offset = offset.saturating_add(file.length_bytes);
        if file.padding {
            continue;
        }
        let path = file.display_path();
        let Some(twin) = v2.next() else {
            return Err(HalvesError::Alone { version: 1, path });
        };
        if file.path != twin.path {
            return Err(HalvesError::Path { v1: path, v2: twin.display_path() });
        }
        if file.symlink != twin.symlink {
            return Err(HalvesError::Link { path });
        }
        if file.length_bytes != twin.length_bytes {
            return Err(HalvesError::Length { path, v1: file.length_bytes, v2: twin.length_bytes });
        }
        if file.length_bytes > 0 {
            if begin != aligned {
                return Err(HalvesError::Alignment { path, found: begin, needed: aligned });
            }
            let whole = file.length_bytes.checked_next_multiple_of(piece_bytes).unwrap_or(u64::MAX);
            aligned = aligned.saturating_add(whole);
        }
        file.pieces_root = twin.pieces_root;
        file.executable &= twin.executable;
        file.hidden &= twin.hidden;
    }
    if let Some(twin) = v2.next() {
        return Err(HalvesError::Alone { version: 2, path: twin.display_path() });
    }
    let pieces = (offset.div_ceil(piece_bytes), aligned.div_ceil(piece_bytes));
    if pieces.0 != pieces.1 {
        return Err(HalvesError::Pieces { v1: pieces.0, v2: pieces.1 });
    }
    Ok(())
}
