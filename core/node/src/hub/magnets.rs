//! Torrents that are known by name alone, until somebody tells what they are.
//!
//! Source: BEP 9. Such a torrent looks for peers as others do. What it is, its peers tell its shard; whoever
//! added it hears of it by [`Event::Metadata`](super::Event::Metadata), chooses files and a place, and
//! calls [`Hub::begin`].

use base::{Instant, SwarmId, TorrentId};
use discovery::tracker_client::{AnnounceSpec, Progress};

use super::{Hub, Output};
use crate::message::ToShard;
use crate::peer_source::{Source, may_name_peers};
use crate::spec::{MagnetSpec, TorrentSpec};

impl Hub {
    /// Looks for a torrent. `None`: it is here already.
    pub fn seek(&mut self, magnet: MagnetSpec, now: Instant) -> Option<TorrentId> {
        let names = magnet.info_hashes;
        if names.in_swarms().any(|name| self.catalogue.by_hash(name).is_some()) {
            return None;
        }
        let torrent = self.catalogue.add(names, self.config.shards);
        if self.config.announce && !magnet.trackers.is_empty() {
            let announce = AnnounceSpec {
                info_hash: names.first(),
                peer_id: self.config.peer_id,
                key: self.key,
                tiers: magnet.trackers.clone(),
                private: false,
                progress: Progress::default(),
                was_complete: false,
            };
            self.announce_swarms(torrent, &[], &announce, now);
        }
        self.announce_in_dht(torrent, now);
        self.want_dht_peers(torrent, now);
        self.tell_neighbours(torrent, now);
        let shard = self.catalogue.get(torrent).expect("just added").shard;
        self.outputs.push_back(Output::ToShard(shard, ToShard::Seek(torrent, Box::new(magnet))));
        self.forward(now);
        Some(torrent)
    }

    /// It is known what a torrent is that was sought. False if it is gone, or is another by its second name.
    pub fn begin(&mut self, torrent: TorrentId, mut spec: TorrentSpec, now: Instant) -> bool {
        let Some(item) = self.catalogue.get(torrent).filter(|item| item.removal.is_none()) else {
            return false;
        };
        let (shard, before) = (item.shard, item.swarms(torrent));
        if spec.private {
            self.withdraw_from_dht(torrent);
            self.leave_neighbours(torrent);
            // Its tracker keeps accounts: it is told anew, as private torrents are.
            if self.announced.remove(&torrent) {
                self.leave_trackers(torrent, now);
            }
        }
        if !self.catalogue.begin(torrent, &spec) {
            return false;
        }
        if !may_name_peers(Source::User, spec.private, self.config.announce) {
            spec.peers.clear();
        }
        if self.announced.contains(&torrent) {
            let announce = self.announce_of(&spec);
            self.announce_swarms(torrent, &before, &announce, now);
        } else {
            self.announce_later(torrent, &spec);
        }
        self.outputs.push_back(Output::ToShard(shard, ToShard::Begin(torrent, Box::new(spec))));
        self.forward(now);
        true
    }

    /// Announces the swarms of a torrent but those in `known`.
    pub(super) fn announce_swarms(
        &mut self,
        torrent: TorrentId,
        known: &[SwarmId],
        announce: &AnnounceSpec,
        now: Instant,
    ) {
        let Some(item) = self.catalogue.get(torrent) else { return };
        let (swarms, names) = (item.swarms(torrent), item.info_hashes);
        for (swarm, name) in swarms.into_iter().zip(names.in_swarms()) {
            if !known.contains(&swarm) {
                let announce = AnnounceSpec { info_hash: name, ..announce.clone() };
                self.trackers.add(swarm, announce, now);
            }
        }
        self.announced.insert(torrent);
    }
}
