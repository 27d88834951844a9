//! What a record of an earlier run is worth, by the files as they are now.

use std::collections::BTreeMap;

use base::{Bitfield, FileIndex, PieceIndex};

use crate::job::{FileSpec, FileStamp, ResumeRecord};
use crate::layout::Layout;

/// Which pieces the record vouches for, and which must be compared with the disk.
///
/// A file is believed if it has the recorded length and modification time; if the last run was
/// cut short while writing, a later time is expected. A missing or short file cannot hold a
/// piece, so that its pieces are neither believed nor compared.
pub(super) fn judge_files(
    layout: &Layout,
    stamps: &[FileStamp],
    record: Option<&ResumeRecord>,
) -> (Bitfield, Vec<PieceIndex>) {
    let piece_count = layout.piece_count();
    let now: BTreeMap<FileIndex, &FileStamp> =
        stamps.iter().map(|stamp| (stamp.file, stamp)).collect();
    let then: BTreeMap<FileIndex, &FileStamp> =
        record.iter().flat_map(|record| &record.stamps).map(|stamp| (stamp.file, stamp)).collect();
    let unchanged = |file: FileIndex| {
        now.get(&file).zip(then.get(&file)).is_some_and(|(now, then)| {
            let writing = record.is_some_and(|record| record.writing);
            now.length_bytes == then.length_bytes
                && (now.modified_ns == then.modified_ns
                    || (writing && now.modified_ns > then.modified_ns))
        })
    };
    let in_full = |stamps: &BTreeMap<FileIndex, &FileStamp>, spec: &FileSpec| {
        stamps.get(&spec.file).is_some_and(|stamp| stamp.length_bytes >= spec.length_bytes)
    };
    let mut absent = vec![false; piece_count as usize];
    let mut believed = vec![record.is_some(); piece_count as usize];
    let mut judge = |piece: usize, is_there: bool, as_recorded: bool| {
        absent[piece] |= !is_there;
        believed[piece] &= as_recorded;
    };
    for spec in layout.specs() {
        let (is_there, as_recorded) = (in_full(&now, &spec), unchanged(spec.file));
        if Some(spec.file) == layout.part_file() {
            for piece in layout.pieces_in_part() {
                judge(piece.0 as usize, is_there, as_recorded);
            }
        } else {
            // What is put aside lies in the part file, as far as that goes. A record of a time
            // when the file itself was there says nothing of the part file.
            let aside = layout.is_aside(spec.file);
            let was_aside = !in_full(&then, &spec);
            for piece in layout.pieces_of(spec.file) {
                match aside && layout.slot(PieceIndex(piece)).is_some() {
                    true => judge(piece as usize, true, was_aside),
                    false => judge(piece as usize, is_there, as_recorded),
                }
            }
        }
    }
    let recorded = record.and_then(|record| Bitfield::from_bytes(&record.have, piece_count));
    let mut trusted = Bitfield::empty(piece_count);
    let mut unknown = Vec::new();
    for piece in (0..piece_count).map(PieceIndex) {
        let at = piece.0 as usize;
        if absent[at] {
            continue;
        }
        let had = recorded.as_ref().is_some_and(|bits| bits.has(piece));
        let checked = record.is_some_and(|record| piece.0 < record.checked_to && !record.writing);
        match (believed[at], had) {
            (true, true) => {
                trusted.set(piece);
            }
            // Compared before and found missing, and nobody wrote since.
            (true, false) if checked => {}
            (true | false, _) => unknown.push(piece),
        }
    }
    (trusted, unknown)
}
