//! What we know of one of the two networks (BEP 32): who is in it, who we are there, and what we keep.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use base::{InfoHash, Instant, Rng};
use wire::krpc::NodeId;

use super::id::{Distance, id_for, is_allowed, is_local, neighbourhood, random_id};
use super::items::ItemStore;
use super::peers::PeerStore;
use super::spec::{Config, NetworkStats};
use super::sweep::Sweep;
use super::table::{K, Table};
use super::walk::{Found, Walk};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    V4,
    V6,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn of(addr: SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Most addresses kept that may be nodes: as many as are saved.
const HINTS_MAX: usize = 256;

/// Votes on our address that count: the last of so many neighbourhoods.
const VOTES: usize = 16;

/// Votes that an address needs, besides the majority. More than a few liars on the way at the start.
const VOTES_MIN: usize = 4;

/// Estimates of the network's size that are kept; their median counts.
const SIZES: usize = 9;

/// An address where a node may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hint {
    pub(crate) id: Option<NodeId>,
    pub(crate) addr: SocketAddr,
    /// Of a name that many begin with: it is spared where others will do.
    pub(crate) router: bool,
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) table: Table,
    pub(crate) peers: PeerStore,
    pub(crate) items: ItemStore,
    pub(crate) sweep: Sweep,
    pub(crate) hints: Vec<Hint>,
    /// The nodes of the last walk for a torrent: near to those that come next.
    pub(crate) trail: Vec<Found>,
    pub(crate) external: Option<IpAddr>,
    /// Who says what: the latest of each neighbourhood, oldest first.
    votes: VecDeque<(u64, IpAddr)>,
    sizes: VecDeque<u64>,
    pub(crate) rtt: Rtt,
    /// What we answer to those who sample, and until when.
    pub(crate) sample: (Instant, Vec<InfoHash>),
    /// Walks to ourselves that found nobody, in a row.
    pub(crate) lonely: u32,
    /// A walk to ourselves is under way.
    pub(crate) settling: bool,
    /// When we last looked for our neighbours.
    pub(crate) settled: Option<Instant>,
}

impl Network {
    pub(crate) fn new(config: &Config, rng: &mut Rng) -> Self {
        let own = random_id(rng);
        Self {
            table: Table::new(own),
            peers: PeerStore::new(own, config.stored_torrents_max, config.stored_peers_max),
            items: ItemStore::new(own, config.stored_items_max),
            sweep: Sweep::new(config.announces_per_second, rng.fork()),
            hints: Vec::new(),
            trail: Vec::new(),
            external: None,
            votes: VecDeque::new(),
            sizes: VecDeque::new(),
            rtt: Rtt::default(),
            sample: (Instant::START, Vec::new()),
            lonely: 0,
            settling: false,
            settled: None,
        }
    }

    pub(crate) fn rename(&mut self, own: NodeId) {
        self.table.rename(own);
        self.peers.rename(own);
        self.items.rename(own);
    }

    /// Keeps an address for the next start of a walk, unless it is there.
    pub(crate) fn hint(&mut self, hint: Hint) -> bool {
        if self.hints.iter().any(|known| known.addr == hint.addr) {
            return false;
        }
        if self.hints.len() >= HINTS_MAX {
            self.hints.remove(0);
        }
        self.hints.push(hint);
        true
    }

    /// Nodes to begin with; if we know few, and may `guess`, addresses where there may be one.
    pub(crate) fn begin(&self, walk: &mut Walk, guess: bool) {
        let target = walk.target();
        for node in self.table.closest::<16>(target).iter() {
            walk.add(Some(node.id), node.addr);
        }
        let mut near: Vec<&Found> = self.trail.iter().collect();
        near.sort_by_key(|found| Distance::between(found.id, target));
        for found in near.into_iter().take(K) {
            walk.add(Some(found.id), found.addr);
        }
        // A table that holds a few dozen nodes will do.
        let few = guess && self.table.len() < 4 * K;
        for hint in self.hints.iter().filter(|hint| few && (!hint.router || self.table.len() < K)) {
            walk.add(hint.id, hint.addr);
        }
    }

    /// A node says that we are at `ip`. True: we believe it, and it is news.
    pub(crate) fn vote(&mut self, voter: SocketAddr, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let local = is_local(voter.ip());
        // In a local network each address is a voter of its own.
        let who = if local { u64::from(voter.port()) << 32 } else { 0 } ^ neighbourhood(voter.ip());
        if ip.is_ipv4() != voter.is_ipv4() {
            return false;
        }
        self.votes.retain(|(other, _)| *other != who);
        if self.votes.len() >= VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((who, ip));
        let count = self.votes.iter().filter(|(_, vote)| *vote == ip).count();
        let wins = count >= VOTES_MIN && 2 * count > self.votes.len();
        if !wins || self.external == Some(ip) {
            return false;
        }
        self.external = Some(ip);
        true
    }

    /// An id that our address allows, if ours is not.
    pub(crate) fn better_id(&self, rng: &mut Rng) -> Option<NodeId> {
        let ip = self.external?;
        (!is_allowed(self.table.own(), ip)).then(|| id_for(ip, rng))
    }

    /// The nodes nearest to a target lie this densely.
    pub(crate) fn measure(&mut self, target: NodeId, found: &[Found]) {
        if found.len() < K {
            return;
        }
        let farthest = found.iter().take(K).map(|found| Distance::between(found.id, target)).max();
        let high = farthest.map_or(u64::MAX, Distance::high).max(1);
        let k = u64::try_from(K).expect("a small number");
        // Liars may call themselves the very target.
        self.sizes.push_back((u64::MAX / high).saturating_mul(k));
        if self.sizes.len() > SIZES {
            self.sizes.pop_front();
        }
    }

    fn size(&self) -> u64 {
        let mut sizes: Vec<u64> = self.sizes.iter().copied().collect();
        sizes.sort_unstable();
        let known = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        sizes.get(sizes.len() / 2).map_or(known, |size| known.max(*size))
    }

    pub(crate) fn stats(&self, now: Instant) -> NetworkStats {
        let (good, questionable) = self.table.counts(now);
        NetworkStats {
            id: self.table.own(),
            good,
            questionable,
            external: self.external,
            size: self.size(),
            stored_torrents: self.peers.torrents(),
            stored_peers: self.peers.peers(),
            stored_items: self.items.len(),
        }
    }
}

/// How long answers take, smoothed as TCP does (RFC 6298).
#[derive(Debug, Default)]
pub(crate) struct Rtt {
    smooth: Option<(Duration, Duration)>,
}

impl Rtt {
    /// After this long without an answer a node counts as slow, while nothing is known.
    const FIRST: Duration = Duration::from_millis(500);
    /// The least of it: hosts are busy now and then.
    const MIN: Duration = Duration::from_millis(100);
    /// The most of it.
    const MAX: Duration = Duration::from_secs(1);

    pub(crate) fn on_sample(&mut self, rtt: Duration) {
        let rtt = rtt.min(4 * Self::MAX);
        self.smooth = Some(match self.smooth {
            None => (rtt, rtt / 2),
            Some((mean, spread)) => {
                (mean * 7 / 8 + rtt / 8, spread * 3 / 4 + mean.abs_diff(rtt) / 4)
            }
        });
    }

    pub(crate) fn slow_after(&self) -> Duration {
        let (mean, spread) = self.smooth.unwrap_or((Self::FIRST, Duration::ZERO));
        (mean + 3 * spread).clamp(Self::MIN, Self::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by `test/sim`, seed 0 of `dht`: eight liars next to a target ended the process.
    #[test]
    fn nodes_that_call_themselves_the_target_measure_a_network_without_end() {
        let mut network = Network::new(&Config::default(), &mut Rng::from_seed(1));
        let target = NodeId([7; 20]);
        let liar = |n: u8| {
            let mut id = target;
            id.0[19] ^= n;
            Found { id, addr: SocketAddr::from(([11, 0, n, 1], 1)), token: None, seq: None }
        };
        network.measure(target, &(0..8).map(liar).collect::<Vec<_>>());
        assert_eq!(network.size(), u64::MAX);
    }
}
