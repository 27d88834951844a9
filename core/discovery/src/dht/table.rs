//! The routing table: nodes that have answered us, more of them the nearer they are.
//!
//! Source: BEP 5; Maymounkov and Mazières, *Kademlia* (2002).
//!
//! What we do differently: the buckets of the farther halves are larger ([`CAPACITIES`]). Wherever a
//! target is, we then know nodes that share some seven bits with it instead of three, which saves a
//! lookup one of its round trips; so does libtorrent.
//!
//! Of one address there is one node, of one neighbourhood (/24, /64) one per bucket, except in local
//! networks. A node that answered stays as long as it answers (long-lived nodes live long); who comes when
//! the bucket is full waits in reserve for a place.
//!
//! Invariant: bucket i holds nodes that share exactly i leading bits with us, the last those that
//! share i or more. Nobody is in it twice, nor ourselves.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use base::Instant;
use wire::krpc::NodeId;

use super::id::{Distance, is_allowed, is_local, neighbourhood};

/// Nodes in bucket i; those behind have [`K`].
const CAPACITIES: [usize; 4] = [128, 64, 32, 16];

/// Nodes in a deep bucket, nodes in a reply, nodes that store a thing (BEP 5).
pub(crate) const K: usize = 8;

/// Nodes in reserve per bucket: as many as may take over at once.
const RESERVE: usize = 8;

/// Unanswered queries after which a node is given up if somebody waits for its place.
const FAILS_STALE: u8 = 1;

/// Unanswered queries after which a node is given up in any case.
const FAILS_MAX: u8 = 3;

/// A node that has been silent for longer is asked whether it is still there (BEP 5).
pub(crate) const FRESH: Duration = Duration::from_secs(15 * 60);

/// A node that has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) addr: SocketAddr,
    /// When it last answered.
    pub(crate) seen: Instant,
    /// Queries unanswered since.
    pub(crate) fails: u8,
    /// Its id follows from its address (BEP 42).
    pub(crate) allowed: bool,
}

#[derive(Debug, Default)]
struct Bucket {
    nodes: Vec<Node>,
    /// Newest last.
    reserve: Vec<Node>,
    /// When we last looked for nodes here.
    refreshed: Option<Instant>,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    buckets: Vec<Bucket>,
}

impl Table {
    pub(crate) fn new(own: NodeId) -> Self {
        Self { own, buckets: vec![Bucket::default()] }
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    pub(crate) fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.nodes.len()).sum()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.buckets.iter().flat_map(|bucket| &bucket.nodes)
    }

    /// How many answered lately, and how many did not.
    pub(crate) fn counts(&self, now: Instant) -> (usize, usize) {
        let good = |node: &&Node| node.fails == 0 && now.saturating_since(node.seen) <= FRESH;
        let good = self.nodes().filter(good).count();
        (good, self.len().saturating_sub(good))
    }

    /// Takes another id; the nodes find their new places.
    pub(crate) fn rename(&mut self, own: NodeId) {
        let old = core::mem::replace(self, Self::new(own));
        for node in old.buckets.into_iter().flat_map(|bucket| bucket.nodes) {
            self.insert(node);
        }
    }

    fn index(&self, id: NodeId) -> usize {
        let bits = Distance::between(self.own, id).common_bits();
        bits.min(self.buckets.len().saturating_sub(1))
    }

    /// Whether it is of use to ask this node whether it is there.
    pub(crate) fn wants(&self, id: NodeId, addr: SocketAddr) -> bool {
        let index = self.index(id);
        let bucket = &self.buckets[index];
        if id == self.own || bucket.nodes.iter().any(|node| node.id == id || node.addr == addr) {
            return false;
        }
        let splits = index + 1 == self.buckets.len() && index < 159;
        splits
            || bucket.nodes.len() < capacity(index)
            || bucket.nodes.iter().any(|node| node.fails >= FAILS_STALE)
    }

    /// A node has answered.
    pub(crate) fn on_answer(&mut self, id: NodeId, addr: SocketAddr, now: Instant) {
        let index = self.index(id);
        let known = self.buckets[index].nodes.iter_mut().find(|node| node.id == id);
        if let Some(node) = known {
            if node.addr == addr {
                node.seen = now;
                node.fails = 0;
                return;
            }
            if node.fails == 0 {
                // Somebody else uses its name: who was there first keeps it.
                return;
            }
            self.remove(id);
        }
        let allowed = is_allowed(id, addr.ip());
        self.insert(Node { id, addr, seen: now, fails: 0, allowed });
    }

    /// A node did not answer.
    pub(crate) fn on_silence(&mut self, id: NodeId, addr: SocketAddr) {
        let index = self.index(id);
        let bucket = &mut self.buckets[index];
        let Some(at) = bucket.nodes.iter().position(|node| node.id == id && node.addr == addr)
        else {
            bucket.reserve.retain(|node| node.addr != addr);
            return;
        };
        let node = &mut bucket.nodes[at];
        node.fails = node.fails.saturating_add(1);
        let heir = bucket.reserve.pop();
        if heir.is_some() || node.fails >= FAILS_MAX {
            bucket.nodes.swap_remove(at);
        }
        if let Some(heir) = heir {
            self.insert(heir);
        }
    }

    /// Forgets who was at `addr`: it calls itself something else now, or is of no use.
    pub(crate) fn forget(&mut self, id: NodeId, addr: SocketAddr) {
        let index = self.index(id);
        let bucket = &mut self.buckets[index];
        bucket.nodes.retain(|node| node.id != id || node.addr != addr);
        bucket.reserve.retain(|node| node.id != id || node.addr != addr);
    }

    fn remove(&mut self, id: NodeId) {
        let index = self.index(id);
        self.buckets[index].nodes.retain(|node| node.id != id);
    }

    fn insert(&mut self, node: Node) {
        if node.id == self.own || !self.place_is_free(&node) {
            return;
        }
        loop {
            let index = self.index(node.id);
            let last = index + 1 == self.buckets.len();
            let bucket = &mut self.buckets[index];
            if bucket.nodes.len() < capacity(index) {
                bucket.nodes.push(node);
                bucket.reserve.retain(|spare| spare.id != node.id);
                return;
            }
            if last && index < 159 {
                self.split();
                continue;
            }
            let worse =
                |known: &Node| known.fails >= FAILS_STALE || (node.allowed && !known.allowed);
            if let Some(known) = bucket.nodes.iter_mut().find(|known| worse(known)) {
                *known = node;
                return;
            }
            bucket.reserve.retain(|spare| spare.id != node.id && spare.addr.ip() != node.addr.ip());
            if bucket.reserve.len() >= RESERVE {
                bucket.reserve.remove(0);
            }
            bucket.reserve.push(node);
            return;
        }
    }

    /// Nobody is at the same address, nor too near to it in the same bucket.
    fn place_is_free(&mut self, node: &Node) -> bool {
        let ip = node.addr.ip();
        if is_local(ip) {
            let same = |known: &Node| known.addr == node.addr;
            return self.evict(same, node);
        }
        if !self.evict(|known| known.addr.ip() == ip, node) {
            return false;
        }
        let index = self.index(node.id);
        let near = neighbourhood(ip);
        !self.buckets[index].nodes.iter().any(|known| is_near(known.addr.ip(), near))
    }

    /// Whether nobody fits `same`, after the one who did made way because it called itself something
    /// else at the very same address, or did not answer.
    fn evict(&mut self, same: impl Fn(&Node) -> bool, by: &Node) -> bool {
        for bucket in &mut self.buckets {
            if let Some(at) = bucket.nodes.iter().position(&same) {
                let known = bucket.nodes[at];
                if known.addr != by.addr && known.fails == 0 {
                    return false;
                }
                bucket.nodes.swap_remove(at);
                return true;
            }
        }
        true
    }

    /// Parts the last bucket, until what is last fits.
    fn split(&mut self) {
        loop {
            self.part();
            let index = self.buckets.len() - 1;
            if self.buckets[index].nodes.len() <= capacity(index) || index >= 159 {
                return;
            }
        }
    }

    fn part(&mut self) {
        let bits = self.buckets.len() - 1;
        let last = self.buckets.last_mut().expect("there is one");
        let refreshed = last.refreshed;
        let own = self.own;
        let deeper = |node: &Node| Distance::between(own, node.id).common_bits() > bits;
        let (nodes, stay) = core::mem::take(&mut last.nodes).into_iter().partition(deeper);
        last.nodes = stay;
        let (reserve, stay) = core::mem::take(&mut last.reserve).into_iter().partition(deeper);
        last.reserve = stay;
        // Deeper buckets are smaller: it may have grown beyond what it may have now that it is not the last.
        let surplus = last.nodes.split_off(last.nodes.len().min(capacity(bits)));
        last.reserve.extend(surplus);
        last.reserve.truncate(RESERVE);
        self.buckets.push(Bucket { nodes, reserve, refreshed });
    }

    /// Nodes near `target` that are not known to be gone: the nearest first, at most `N`.
    ///
    /// Buckets are visited in the order of their distance from the target, so that few nodes are
    /// looked at: its own, then all deeper ones together, then the others outwards.
    pub(crate) fn closest<const N: usize>(&self, target: NodeId) -> Closest<'_, N> {
        let mut found = Closest { target, near: high_bits(target), nodes: [None; N], len: 0 };
        let home = self.index(target);
        let groups = core::iter::once(home..home + 1)
            .chain(core::iter::once(home + 1..self.buckets.len()))
            .chain((0..home).rev().map(|index| index..index + 1));
        for group in groups {
            for bucket in &self.buckets[group] {
                bucket.nodes.iter().filter(|node| node.fails == 0).for_each(|n| found.offer(n));
            }
            if found.len == N {
                break;
            }
        }
        found
    }

    /// The bucket that has waited longest for a refresh, if that is longer than `age`: how many bits
    /// its ids share with ours. Notes that it is being refreshed.
    pub(crate) fn refresh(&mut self, age: Duration, now: Instant) -> Option<usize> {
        let waited =
            |bucket: &Bucket| bucket.refreshed.is_none_or(|at| now.saturating_since(at) > age);
        let at = self.buckets.iter().position(waited)?;
        self.buckets[at].refreshed = Some(now);
        Some(at.min(159))
    }

    /// The node that has been silent for longest, and since when.
    pub(crate) fn oldest(&self) -> Option<Node> {
        self.nodes().min_by_key(|node| node.seen).copied()
    }

    #[cfg(test)]
    fn assert_invariants(&self) {
        for (index, bucket) in self.buckets.iter().enumerate() {
            assert!(bucket.nodes.len() <= capacity(index));
            assert!(bucket.reserve.len() <= RESERVE);
            for node in &bucket.nodes {
                let bits = Distance::between(self.own, node.id).common_bits();
                assert!(bits >= index);
                assert!(bits == index || index + 1 == self.buckets.len());
                assert!(node.id != self.own);
                assert_eq!(self.nodes().filter(|other| other.id == node.id).count(), 1);
            }
        }
    }
}

fn capacity(index: usize) -> usize {
    CAPACITIES.get(index).copied().unwrap_or(K)
}

fn high_bits(id: NodeId) -> u64 {
    u64::from_be_bytes(*id.0.first_chunk().expect("20 bytes"))
}

fn is_near(ip: IpAddr, near: u64) -> bool {
    neighbourhood(ip) == near
}

/// Nodes sorted by their distance from a target.
#[derive(Debug)]
pub(crate) struct Closest<'a, const N: usize> {
    target: NodeId,
    near: u64,
    /// With the upper bits of their distance, which decide nearly always.
    nodes: [Option<(u64, &'a Node)>; N],
    len: usize,
}

impl<'a, const N: usize> Closest<'a, N> {
    #[inline]
    fn offer(&mut self, node: &'a Node) {
        let high = high_bits(node.id) ^ self.near;
        if let Some((farthest, _)) = self.nodes[N - 1]
            && high > farthest
        {
            return;
        }
        self.insert(high, node);
    }

    fn insert(&mut self, high: u64, node: &'a Node) {
        let mut at = self.len;
        while at > 0 && self.nodes[at - 1].is_some_and(|other| self.is_nearer((high, node), other))
        {
            if at < N {
                self.nodes[at] = self.nodes[at - 1];
            }
            at -= 1;
        }
        if at < N {
            self.nodes[at] = Some((high, node));
            self.len = (self.len + 1).min(N);
        }
    }

    fn is_nearer(&self, (high, node): (u64, &Node), (other_high, other): (u64, &Node)) -> bool {
        let distance = |node: &Node| Distance::between(self.target, node.id);
        high < other_high || high == other_high && distance(node) < distance(other)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().flatten().map(|(_, node)| *node)
    }
}

#[cfg(test)]
mod tests;
