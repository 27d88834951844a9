//! Open descriptors, at most so many, the least recently used closed first.
//!
//! Invariant: `entries` and `by_age` hold the same keys, and at most `open_max` of them.
//! A descriptor that somebody still uses stays open beyond its eviction until that use ends;
//! the excess is at most what the workers and the running `sendfile`s hold.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{FileIndex, TorrentId};

use crate::files::TorrentFiles;

/// Whose descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Which torrent.
    pub(crate) torrent: TorrentId,
    /// Which of its files; none is its root folder.
    pub(crate) file: Option<FileIndex>,
}

/// What a descriptor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// The cache. Shared by all threads.
#[derive(Debug)]
pub(crate) struct Descriptors {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// From the use that is longest ago.
    by_age: BTreeMap<u64, Key>,
    uses: u64,
    open_max: usize,
}

#[derive(Debug)]
struct Entry {
    file: Arc<File>,
    access: Access,
    last_use: u64,
}

impl Descriptors {
    /// An empty cache of at most `open_max` descriptors, at least one.
    pub(crate) fn new(open_max: usize) -> Self {
        let inner = Inner {
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            uses: 0,
            open_max: open_max.max(1),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// A descriptor that is good for `access`, if one is open.
    pub(crate) fn get(&self, key: Key, access: Access) -> Option<Arc<File>> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let entry = inner.entries.get_mut(&key).filter(|entry| entry.access >= access)?;
        inner.uses += 1;
        inner.by_age.remove(&entry.last_use);
        inner.by_age.insert(inner.uses, key);
        entry.last_use = inner.uses;
        Some(Arc::clone(&entry.file))
    }

    /// Keeps `file`, unless its torrent was closed meanwhile.
    pub(crate) fn insert(
        &self,
        torrent: &TorrentFiles,
        key: Key,
        access: Access,
        file: &Arc<File>,
    ) {
        let mut inner = self.lock();
        // Under the lock: `close_torrent` marks first and sweeps then.
        if torrent.is_closed() {
            return;
        }
        inner.uses += 1;
        let last_use = inner.uses;
        let entry = Entry { file: Arc::clone(file), access, last_use };
        let mut closing = Vec::new();
        if let Some(old) = inner.entries.insert(key, entry) {
            inner.by_age.remove(&old.last_use);
            closing.push(old.file);
        }
        inner.by_age.insert(last_use, key);
        let excess = inner.entries.len().saturating_sub(inner.open_max);
        closing.extend(inner.evict(excess));
        // close(2) can take long on a network file system: not under the lock.
        drop(inner);
        drop(closing);
    }

    /// Closes one.
    pub(crate) fn forget(&self, key: Key) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let closing = inner.entries.remove(&key);
        if let Some(entry) = &closing {
            inner.by_age.remove(&entry.last_use);
        }
        drop(guard);
        drop(closing);
    }

    /// Closes a quarter, because the process or the system ran out of descriptors.
    pub(crate) fn make_room(&self) {
        let mut inner = self.lock();
        let count = inner.entries.len().div_ceil(4);
        let closing = inner.evict(count);
        drop(inner);
        drop(closing);
    }

    /// Closes all of a torrent; its `is_closed` must already be true.
    pub(crate) fn close_torrent(&self, torrent: &TorrentFiles) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let mut closing = Vec::new();
        for key in torrent.keys() {
            if let Some(entry) = inner.entries.remove(&key) {
                inner.by_age.remove(&entry.last_use);
                closing.push(entry);
            }
        }
        drop(guard);
        drop(closing);
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let inner = self.lock();
        assert_eq!(inner.entries.len(), inner.by_age.len());
        inner.entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that can panic runs between two changes that belong together.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn evict(&mut self, count: usize) -> Vec<Arc<File>> {
        (0..count)
            .filter_map(|_| {
                let (_, key) = self.by_age.pop_first()?;
                self.entries.remove(&key).map(|entry| entry.file)
            })
            .collect()
    }
}
