//! Peers of torrents that others announced to us.
//!
//! Source: BEP 5, BEP 33 (one entry per address, seeds apart). Torrents near our own id are ours to keep; when there
//! are too many the farthest goes, for nobody will look for it here.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use base::{InfoHash, Instant, Rng};
use wire::krpc::NodeId;

use super::id::Distance;

/// Most peers kept of one torrent. More would not fit into a dozen replies, and BEP 33 can't count beyond 6000.
const PEERS_PER_TORRENT_MAX: usize = 500;

/// How long an announce counts. Clients repeat it every 15 to 30 minutes.
const KEPT: Duration = Duration::from_secs(45 * 60);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) addr: SocketAddr,
    pub(crate) seed: bool,
    until: Instant,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct PeerStore {
    own: NodeId,
    torrents_max: usize,
    peers_max: usize,
    torrents: BTreeMap<Distance, Vec<Stored>>,
    peers: usize,
}

impl PeerStore {
    pub(crate) fn new(own: NodeId, torrents_max: usize, peers_max: usize) -> Self {
        Self { own, torrents_max, peers_max, torrents: BTreeMap::new(), peers: 0 }
    }

    /// We are somewhere else now.
    pub(crate) fn rename(&mut self, own: NodeId) {
        let old = core::mem::replace(&mut self.own, own);
        let torrents = core::mem::take(&mut self.torrents);
        let moved =
            |(distance, peers): (Distance, _)| (Distance::between(own, distance.from(old)), peers);
        self.torrents = torrents.into_iter().map(moved).collect();
    }

    pub(crate) fn torrents(&self) -> usize {
        self.torrents.len()
    }

    pub(crate) fn peers(&self) -> usize {
        self.peers
    }

    /// Somebody at `addr` has this torrent. False: there is no room for it.
    pub(crate) fn add(
        &mut self,
        hash: InfoHash,
        addr: SocketAddr,
        seed: bool,
        now: Instant,
    ) -> bool {
        let key = Distance::between(self.own, hash.into());
        let until = now.after(KEPT);
        if let Some(peers) = self.torrents.get_mut(&key) {
            if let Some(known) = peers.iter_mut().find(|peer| peer.addr.ip() == addr.ip()) {
                *known = Stored { addr, seed, until };
                return true;
            }
            if peers.len() >= PEERS_PER_TORRENT_MAX {
                // The one that was heard of longest ago makes room.
                let oldest = peers.iter_mut().min_by_key(|peer| peer.until);
                *oldest.expect("it is full") = Stored { addr, seed, until };
                return true;
            }
        }
        while self.torrents.len() >= self.torrents_max || self.peers >= self.peers_max {
            match self.torrents.last_key_value() {
                Some((farthest, _)) if *farthest > key => {
                    let (_, gone) = self.torrents.pop_last().expect("it was just there");
                    self.peers -= gone.len();
                }
                Some(_) | None => return false,
            }
        }
        self.torrents.entry(key).or_default().push(Stored { addr, seed, until });
        self.peers += 1;
        true
    }

    /// The peers of a torrent that were heard of lately.
    pub(crate) fn get(&self, hash: InfoHash, now: Instant) -> impl Iterator<Item = &Stored> {
        let peers = self.torrents.get(&Distance::between(self.own, hash.into()));
        peers.into_iter().flatten().filter(move |peer| peer.until > now)
    }

    /// Some torrents, different ones each time; all if there are no more than `max`.
    pub(crate) fn sample(&self, max: usize, rng: &mut Rng) -> Vec<InfoHash> {
        let hash = |distance: &Distance| InfoHash(distance.from(self.own).0);
        let mut sample: Vec<InfoHash> = Vec::new();
        for (at, distance) in self.torrents.keys().enumerate() {
            if at < max {
                sample.push(hash(distance));
                continue;
            }
            let bound = u32::try_from(at + 1).expect("bounded by Config::stored_torrents_max");
            if let Some(place) = sample.get_mut(rng.below(bound) as usize) {
                *place = hash(distance);
            }
        }
        sample
    }

    /// Drops what nobody has repeated.
    pub(crate) fn expire(&mut self, now: Instant) {
        let mut peers = 0;
        self.torrents.retain(|_, stored| {
            stored.retain(|peer| peer.until > now);
            stored.shrink_to_fit();
            peers += stored.len();
            !stored.is_empty()
        });
        self.peers = peers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::START.after(Duration::from_secs(s))
    }

    fn addr(number: u32) -> SocketAddr {
        SocketAddr::from(((0x0b00_0000 + number).to_be_bytes(), 1))
    }

    fn hash(first: u8) -> InfoHash {
        let mut hash = [0; 20];
        hash[0] = first;
        InfoHash(hash)
    }

    fn found(store: &PeerStore, hash: InfoHash, now: Instant) -> Vec<(SocketAddr, bool)> {
        store.get(hash, now).map(|peer| (peer.addr, peer.seed)).collect()
    }

    #[test]
    fn an_address_has_one_entry_and_it_ends() {
        let mut store = PeerStore::new(NodeId([0; 20]), 10, 100);
        assert!(store.add(hash(1), addr(1), false, at(0)));
        assert!(store.add(hash(1), SocketAddr::new(addr(1).ip(), 99), true, at(60)));
        assert!(store.add(hash(1), addr(2), false, at(60)));
        let port_99 = SocketAddr::new(addr(1).ip(), 99);
        assert_eq!(found(&store, hash(1), at(60)), [(port_99, true), (addr(2), false)]);
        assert_eq!(found(&store, hash(2), at(60)), []);
        assert_eq!(found(&store, hash(1), at(60 + 45 * 60)), []);
        store.expire(at(60 + 45 * 60));
        assert_eq!((store.torrents(), store.peers()), (0, 0));
    }

    #[test]
    fn a_full_store_gives_up_the_farthest_and_refuses_what_is_farther() {
        let mut store = PeerStore::new(NodeId([0; 20]), 3, 100);
        for first in [4, 2, 8] {
            assert!(store.add(hash(first), addr(1), false, at(0)));
        }
        assert!(!store.add(hash(9), addr(1), false, at(0)));
        assert!(store.add(hash(1), addr(1), false, at(0)));
        assert_eq!(found(&store, hash(8), at(0)), []);
        assert_eq!((store.torrents(), store.peers()), (3, 3));

        let mut store = PeerStore::new(NodeId([0; 20]), 100, 3);
        assert!((1..=3).all(|n| store.add(hash(2), addr(n), false, at(0))));
        assert!(!store.add(hash(2), addr(4), false, at(0)));
        assert!(store.add(hash(1), addr(4), false, at(0)));
        assert_eq!((store.torrents(), store.peers()), (1, 1));
    }

    #[test]
    fn a_torrent_keeps_the_latest() {
        let mut store = PeerStore::new(NodeId([0; 20]), 10, 10_000);
        for number in 0..600 {
            assert!(store.add(hash(1), addr(number), false, at(u64::from(number))));
        }
        let kept = found(&store, hash(1), at(600));
        assert_eq!(kept.len(), PEERS_PER_TORRENT_MAX);
        assert!(!kept.contains(&(addr(99), false)) && kept.contains(&(addr(100), false)));
        assert_eq!(store.peers(), PEERS_PER_TORRENT_MAX);
    }

    #[test]
    fn samples_are_of_what_is_there_and_all_of_it_in_time() {
        let mut store = PeerStore::new(NodeId([3; 20]), 100, 1000);
        (0..50).for_each(|n| assert!(store.add(hash(n), addr(1), false, at(0))));
        let mut rng = Rng::from_seed(1);
        assert_eq!(store.sample(60, &mut rng).len(), 50);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let sample = store.sample(10, &mut rng);
            assert_eq!(sample.len(), 10);
            seen.extend(sample);
        }
        assert_eq!(seen.len(), 50);
    }

    #[test]
    fn another_id_of_ours_keeps_what_is_stored() {
        let mut store = PeerStore::new(NodeId([3; 20]), 100, 1000);
        (0..50).for_each(|n| assert!(store.add(hash(n), addr(1), false, at(0))));
        store.rename(NodeId([9; 20]));
        assert!((0..50).all(|n| found(&store, hash(n), at(0)).len() == 1));
    }
}
