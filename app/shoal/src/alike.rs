//! A file that two torrents share is fetched once.
//!
//! Source: BEP 52 (files with one root have one content), BEP 38 (a torrent names others, or a
//! collection, that it may have files in common with; there a file of the same length is tried).
//! What is taken from elsewhere is a copy, or shares its blocks where the file system can; it is compared
//! with its digests before it counts.

use std::collections::{BTreeMap, BTreeSet};

use base::InfoHash;
use disk::{DiskPool, KnownFile};
use keys::Digest32;
use node::spec::TorrentSpec;
use storage::job::DiskError;

/// Smaller files are fetched sooner than found.
const SIZE_MIN: u64 = 16 << 10;

/// Most files remembered of a torrent, the largest.
const FILES_MAX: usize = 10_000;

/// A torrent waits for another that has at least one part in so many of it.
const WORTHWHILE: u64 = 4;

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
    let mut by_length: BTreeMap<u64, Vec<&KnownFile>> = BTreeMap::new();
    for known in &relatives {
        by_length.entry(known.length_bytes).or_default().push(known);
    }
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

/// A torrent that another one had better wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Its position.
    pub(crate) other: usize,
    /// Files that both have.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// For each torrent the earlier one that has most of it, if that is a good part of it.
pub(crate) fn waits(specs: &[TorrentSpec]) -> Vec<Option<Shared>> {
    let mut by_root: BTreeMap<Digest32, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<InfoHash, usize> = BTreeMap::new();
    let mut by_collection: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut lengths: Vec<BTreeSet<u64>> = Vec::new();
    let mut waits = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let large =
            || spec.contents().filter(|(_, file, _)| file.wanted && file.length_bytes >= SIZE_MIN);
        let named = spec.similar.iter().filter_map(|name| by_name.get(name).copied());
        let collections =
            spec.collections.iter().filter_map(|name| by_collection.get(name.as_str()));
        let relatives: BTreeSet<usize> = named.chain(collections.flatten().copied()).collect();
        let mut found: BTreeMap<usize, Shared> = BTreeMap::new();
        for (_, file, root) in large() {
            let bytes = file.length_bytes;
            let same = root.and_then(|root| by_root.get(&root).copied());
            let alike = || relatives.iter().copied().find(|&other| lengths[other].contains(&bytes));
            let Some(other) = same.or_else(alike) else { continue };
            let shared = found.entry(other).or_insert(Shared { other, files: 0, bytes: 0 });
            shared.files += 1;
            shared.bytes += bytes;
        }
        let most = found.into_values().max_by_key(|shared| shared.bytes);
        let again = spec.info_hashes.in_swarms().any(|name| by_name.contains_key(&name));
        // What is small is sooner fetched than waited for, and the same torrent again is refused.
        let worthwhile = |shared: &Shared| {
            !again && shared.bytes.saturating_mul(WORTHWHILE) >= spec.wanted_bytes()
        };
        waits.push(most.filter(worthwhile));
        let mut of_this = BTreeSet::new();
        for (_, file, root) in large().filter(|_| spec.writable) {
            of_this.insert(file.length_bytes);
            if let Some(root) = root {
                by_root.entry(root).or_insert(index);
            }
        }
        lengths.push(of_this);
        by_name.extend(spec.info_hashes.in_swarms().map(|name| (name, index)));
        for name in &spec.collections {
            by_collection.entry(name).or_default().push(index);
        }
    }
    waits
}
