//! A file that two torrents share is fetched once.
//!
//! Source: BEP 52 (files with one root have one content), BEP 38 (a torrent names others, or a
//! collection, that it may have files in common with; there a file of the same length is tried).
//! What is taken from elsewhere is a copy, or shares its blocks where the file system can; it is compared
//! with its digests before it counts.

use std::collections::BTreeSet;

use disk::{DiskPool, KnownFile};
use node::spec::TorrentSpec;
use storage::job::DiskError;

/// Smaller files are fetched sooner than found.
const SIZE_MIN: u64 = 16 << 10;

/// Most files remembered of a torrent, the largest.
const FILES_MAX: usize = 10_000;

/// Most places tried for one file.
const PLACES_MAX: usize = 8;

/// What a torrent has once it is complete.
pub(crate) fn known_files(spec: &TorrentSpec) -> Vec<KnownFile> {
    let files = spec.contents().filter(|(_, file, _)| file.wanted && file.length_bytes >= SIZE_MIN);
    let known = files.map(|(_, file, pieces_root)| KnownFile {
        path: spec.root.join(&file.path),
        length_bytes: file.length_bytes,
        pieces_root,
    });
    let mut known: Vec<KnownFile> = known.collect();
    known.sort_by_key(|file| core::cmp::Reverse(file.length_bytes));
    known.truncate(FILES_MAX);
    known
}

/// Looks for the files of `spec` in torrents that were complete, and notes where they may be. Gives back
/// how many are found that are not in their place, and their bytes.
///
/// # Errors
/// The state database can't be read.
pub(crate) fn find(spec: &mut TorrentSpec, pool: &DiskPool) -> Result<(u64, u64), DiskError> {
    let relatives = if spec.similar.is_empty() && spec.collections.is_empty() {
        Vec::new()
    } else {
        pool.files_of_relatives(&spec.similar, &spec.collections)?
    };
    let mut found = Vec::new();
    for (index, file, root) in spec.contents() {
        let place = spec.root.join(&file.path);
        if !file.wanted || file.length_bytes < SIZE_MIN || place.symlink_metadata().is_ok() {
            continue;
        }
        let mut alike = match root {
            Some(root) => pool.files_with_root(&root)?,
            None => Vec::new(),
        };
        let of_relatives = relatives.iter().filter(|known| {
            // Of two that have a root, the roots have been compared.
            known.length_bytes == file.length_bytes
                && (root.is_none() || known.pieces_root.is_none())
        });
        alike.extend(of_relatives.map(|known| known.path.clone()).take(PLACES_MAX));
        alike.retain(|path| {
            *path != place && path.metadata().is_ok_and(|look| look.len() == file.length_bytes)
        });
        if !alike.is_empty() {
            found.push((index, alike));
        }
    }
    let (mut files, mut bytes) = (0, 0);
    for (index, alike) in found {
        let Some(file) = spec.files.get_mut(index.0 as usize) else { continue };
        file.alike = alike;
        files += 1;
        bytes += file.length_bytes;
    }
    Ok((files, bytes))
}

/// How many files of `later` are in `earlier`, too, which is to be downloaded first.
pub(crate) fn in_common(later: &TorrentSpec, earlier: &TorrentSpec) -> u64 {
    let names = |spec: &TorrentSpec| spec.collections.iter().cloned().collect::<BTreeSet<_>>();
    let related = earlier.info_hashes.in_swarms().any(|name| later.similar.contains(&name))
        || later.info_hashes.in_swarms().any(|name| earlier.similar.contains(&name))
        || !names(later).is_disjoint(&names(earlier));
    let large = |spec: &TorrentSpec| known_files(spec);
    let roots: BTreeSet<_> = large(earlier).iter().filter_map(|file| file.pieces_root).collect();
    let lengths: BTreeSet<u64> = large(earlier).iter().map(|file| file.length_bytes).collect();
    let common = large(later).into_iter().filter(|file| match file.pieces_root {
        Some(root) if !roots.is_empty() => roots.contains(&root),
        _ => related && lengths.contains(&file.length_bytes),
    });
    common.count() as u64
}
