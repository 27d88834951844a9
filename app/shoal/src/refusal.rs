//! Why a torrent file is refused, and what its user can try.
//!
//! Source: the first bytes of other formats are those of their own documents; that people save
//! web pages, archives and half downloads as `.torrent` is what forums of every client are about.

use wire::bencode::DecodeError as Bencode;
use wire::metainfo::{DecodeError, PathError};

use crate::failure::Failure;

const CUT_OFF: &str = "its download ended early; download it again";
const NOT_FINISHED: &str = "its download is not finished; wait for it, or download it again";
const DAMAGED: &str = "it is damaged, or no torrent file at all; download it again";
const FAULTY: &str =
    "the program that made it did it wrong; look for another torrent of the same content";
const HARMFUL: &str =
    "no honest program writes such a path; look for another torrent of the same content";
const OTHER_LIMITS: &str =
    "no usual torrent is like that; look for another one of the same content";
const LARGER_PIECES: &str = "whoever made it can make it again with larger pieces";
const FEWER_FILES: &str =
    "whoever made it can pack the files into an archive, or make several torrents";
const NEWER: &str =
    "a newer shoal may know it; or look for a torrent of version 1 of the same content";
const UNPACK: &str = "unpack it first; the torrent file may be inside";
const CHANGED: &str = "an editor or a copy in text mode changed it; download it again";
const NOT_THE_FILE: &str = "take the file that ends in .torrent, not what it is about";

/// Starts of files that are often taken for torrent files: what it is, and what to try.
const STARTS: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "compressed with gzip", "unpack it first, as with gunzip"),
    (b"BZh", "compressed with bzip2", "unpack it first, as with bunzip2"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it first, as with unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first, as with unzstd"),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"%PDF-", "a PDF document", NOT_THE_FILE),
    (b"\xff\xd8\xff", "a JPEG picture", NOT_THE_FILE),
    (b"\x89PNG", "a PNG picture", NOT_THE_FILE),
    (b"GIF8", "a GIF picture", NOT_THE_FILE),
    (b"\x1aE\xdf\xa3", "a Matroska video", NOT_THE_FILE),
    (b"\x7fELF", "a program", "do not run it; take the file that ends in .torrent"),
    (b"MZ", "a program for Windows", "do not run it; take the file that ends in .torrent"),
    (b"SQLite format 3\0", "an SQLite database", NOT_THE_FILE),
    (b"\xff\xfe", "text in UTF-16", CHANGED),
    (b"\xfe\xff", "text in UTF-16", CHANGED),
    (b"\xef\xbb\xbfd", "marked as UTF-8 text", CHANGED),
    (b"{", "JSON text", "a server sent a message in place of the file; open it in an editor"),
    (b"magnet:", "a magnet link", "give the link itself, in single quotes"),
    (b"http://", "a link", "give the link itself to shoal"),
    (b"https://", "a link", "give the link itself to shoal"),
];

/// What to tell of `bytes` from `place`, which is printable.
pub(crate) fn refusal(bytes: &[u8], place: &str, error: &DecodeError) -> Failure {
    if bytes.is_empty() {
        return Failure::with_hint(
            format!("cannot use {place}: it is empty"),
            "its download failed; download it again",
        );
    }
    if let Some((what, hint)) = recognise(bytes) {
        return Failure::with_hint(
            format!("cannot use {place}: it is {what}, not a torrent file"),
            hint,
        );
    }
    let hint = match hint(error) {
        CUT_OFF | DAMAGED if is_partial(place) => NOT_FINISHED,
        hint => hint,
    };
    Failure::with_hint(format!("cannot use {place}: {error}"), hint)
}

/// What bytes are that are no torrent file, and what to try.
fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Some(("full of zeros", NOT_FINISHED));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if text.starts_with(b"<") {
        return Some(("a web page", "take the link of the file itself; the site may want a login"));
    }
    let known = STARTS.iter().find(|(start, ..)| bytes.starts_with(start));
    known.map(|&(_, what, hint)| (what, hint))
}

/// Whether browsers name it so as long as they download it.
fn is_partial(place: &str) -> bool {
    [".part", ".crdownload", ".download", ".tmp"].iter().any(|end| place.ends_with(end))
}

fn hint(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Bencode(Bencode::Truncated { .. } | Bencode::StringTooLong { .. }) => CUT_OFF,
        DecodeError::Bencode(Bencode::TooDeep { .. } | Bencode::TooManyValues { .. }) => {
            OTHER_LIMITS
        }
        DecodeError::Bencode(_) | DecodeError::NotADictionary { .. } => DAMAGED,
        DecodeError::Missing { key: "info" } | DecodeError::WrongType { key: "info", .. } => {
            DAMAGED
        }
        DecodeError::MetaVersion { .. } => NEWER,
        DecodeError::TooManyPieces { .. } => LARGER_PIECES,
        DecodeError::TooManyFiles { .. } => FEWER_FILES,
        DecodeError::Name { source }
        | DecodeError::Path { source, .. }
        | DecodeError::Link { source, .. } => path_hint(source),
        DecodeError::Missing { .. }
        | DecodeError::WrongType { .. }
        | DecodeError::PieceLength { .. }
        | DecodeError::RaggedPieces { .. }
        | DecodeError::PieceCount { .. }
        | DecodeError::NegativeLength { .. }
        | DecodeError::TotalOverflow
        | DecodeError::TreeWithoutVersion
        | DecodeError::PieceLengthV2 { .. }
        | DecodeError::TreeOrder { .. }
        | DecodeError::PathsTooLong
        | DecodeError::RootLength { .. }
        | DecodeError::ZeroRoot
        | DecodeError::PaddingInTree
        | DecodeError::LayerMissing { .. }
        | DecodeError::LayerLength { .. }
        | DecodeError::LayerMismatch { .. }
        | DecodeError::LayerUnknown { .. }
        | DecodeError::Halves(_)
        | DecodeError::Empty
        | DecodeError::InFile { .. }
        | _ => FAULTY,
    }
}

fn path_hint(error: &PathError) -> &'static str {
    match error {
        PathError::DotComponent { .. } | PathError::Separator { .. } => HARMFUL,
        PathError::NoComponents
        | PathError::EmptyComponent
        | PathError::TooDeep { .. }
        | PathError::TooLong { .. }
        | PathError::Duplicate { .. }
        | PathError::FileAndFolder { .. }
        | _ => FAULTY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_start_of_another_format_hides_one_behind_it() {
        for (index, (start, ..)) in STARTS.iter().enumerate() {
            let first = STARTS.iter().position(|(other, ..)| start.starts_with(other));
            assert_eq!(first, Some(index), "{start:?}");
            assert!(!start.starts_with(b"d"), "a torrent file may start so: {start:?}");
        }
    }
}
