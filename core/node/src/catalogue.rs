//! The torrents of the node and the journal of what changed.
//!
//! Source: architecture rule 4: the view is a journal of changes by revision, so that asking
//! what is new costs as much as is new. Invariant: `journal` holds each torrent once, at the
//! revision of its last change.

use std::collections::BTreeMap;

use base::{InfoHash, InfoHashes, Instant, SwarmId, TorrentId};

use crate::message::TorrentStatus;
use crate::spec::{SeedGoal, TorrentSpec};

/// What the hub knows of a torrent.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) info_hashes: InfoHashes,
    pub(crate) private: bool,
    pub(crate) shard: usize,
    pub(crate) status: TorrentStatus,
    pub(crate) goal: SeedGoal,
    /// When everything was durable and complete.
    pub(crate) settled_at: Option<Instant>,
    /// Pieces were lost since: when it is complete again, that is news.
    pub(crate) lost: bool,
    pub(crate) removal: Option<Removal>,
    /// A tracker was asked how large the swarm is.
    pub(crate) scraped: bool,
    revision: u64,
}

/// What a removal still waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    pub(crate) shard: bool,
    /// Swarms whose trackers are being told.
    pub(crate) swarms: usize,
}

impl Item {
    /// The swarms in which it is announced. Of a hybrid, both (BEP 52); if it is private, the first
    /// alone: its tracker keeps accounts, and would book the same bytes twice.
    pub(crate) fn swarms(&self, torrent: TorrentId) -> Vec<SwarmId> {
        let of_v1 = self.info_hashes.of_v1().map(|_| SwarmId { torrent, v2: false });
        let of_v2 = self.info_hashes.of_v2().map(|_| SwarmId { torrent, v2: true });
        let most = if self.private { 1 } else { 2 };
        of_v1.into_iter().chain(of_v2).take(most).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    items: BTreeMap<TorrentId, Item>,
    by_hash: BTreeMap<InfoHash, TorrentId>,
    journal: BTreeMap<u64, TorrentId>,
    revision: u64,
    next_id: u32,
}

impl Catalogue {
    pub(crate) fn by_hash(&self, info_hash: InfoHash) -> Option<TorrentId> {
        self.by_hash.get(&info_hash).copied()
    }

    /// Adds a torrent that is public and seeds for ever until [`Self::begin`] says otherwise.
    pub(crate) fn add(&mut self, info_hashes: InfoHashes, shards: usize) -> TorrentId {
        let torrent = TorrentId(self.next_id);
        self.next_id += 1;
        let item = Item {
            info_hashes,
            private: false,
            shard: torrent.0 as usize % shards,
            status: TorrentStatus::default(),
            goal: SeedGoal::Forever,
            settled_at: None,
            lost: false,
            removal: None,
            scraped: false,
            revision: 0,
        };
        self.items.insert(torrent, item);
        self.by_hash.extend(info_hashes.in_swarms().map(|name| (name, torrent)));
        self.on_changed(torrent);
        torrent
    }

    /// It is known what the torrent is. False if one of its names is that of another.
    pub(crate) fn begin(&mut self, torrent: TorrentId, spec: &TorrentSpec) -> bool {
        let names: Vec<InfoHash> = spec.info_hashes.in_swarms().collect();
        let others = |name| self.by_hash.get(name).is_some_and(|&other| other != torrent);
        if names.iter().any(others) {
            return false;
        }
        let Some(item) = self.items.get_mut(&torrent) else { return false };
        item.info_hashes = spec.info_hashes;
        item.private = spec.private;
        item.goal = spec.goal;
        self.by_hash.extend(names.into_iter().map(|name| (name, torrent)));
        true
    }

    pub(crate) fn get(&self, torrent: TorrentId) -> Option<&Item> {
        self.items.get(&torrent)
    }

    pub(crate) fn get_mut(&mut self, torrent: TorrentId) -> Option<&mut Item> {
        self.items.get_mut(&torrent)
    }

    pub(crate) fn remove(&mut self, torrent: TorrentId) -> Option<Item> {
        let item = self.items.remove(&torrent)?;
        self.journal.remove(&item.revision);
        for name in item.info_hashes.in_swarms() {
            self.by_hash.remove(&name);
        }
        Some(item)
    }

    /// The swarms of a torrent; none if it is unknown.
    pub(crate) fn swarms(&self, torrent: TorrentId) -> Vec<SwarmId> {
        self.get(torrent).map(|item| item.swarms(torrent)).unwrap_or_default()
    }

    pub(crate) fn ids(&self) -> Vec<TorrentId> {
        self.items.keys().copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn on_changed(&mut self, torrent: TorrentId) {
        if let Some(item) = self.items.get_mut(&torrent) {
            self.journal.remove(&item.revision);
            self.revision += 1;
            item.revision = self.revision;
            self.journal.insert(self.revision, torrent);
        }
    }

    /// The revision now, and all torrents that changed after `since`.
    pub(crate) fn changes(&self, since: u64) -> (u64, impl Iterator<Item = (TorrentId, &Item)>) {
        let changed = self.journal.range(since + 1..);
        (self.revision, changed.filter_map(|(_, id)| self.items.get(id).map(|item| (*id, item))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: u8) -> InfoHashes {
        InfoHashes::v1(InfoHash([n; 20]))
    }

    #[test]
    fn the_journal_tells_each_changed_torrent_once() {
        let mut catalogue = Catalogue::default();
        let ids: Vec<TorrentId> = (0..3).map(|n| catalogue.add(names(n), 2)).collect();
        let (seen, all) = catalogue.changes(0);
        assert_eq!(all.count(), 3);
        catalogue.on_changed(ids[1]);
        catalogue.on_changed(ids[1]);
        let changed: Vec<TorrentId> = catalogue.changes(seen).1.map(|(id, _)| id).collect();
        assert_eq!(changed, [ids[1]]);
        catalogue.remove(ids[1]);
        assert_eq!(catalogue.changes(seen).1.count(), 0);
    }
}
