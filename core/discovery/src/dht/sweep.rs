//! Our own torrents, announced in the order of their keys.
//!
//! A walk to one torrent finds the nodes around it. Of all torrents whose nearest nodes must be among
//! those, and whose time will come before long, we announce each without a walk of its own; and the next walk
//! begins where this one ended. So a hundred thousand torrents cost one tour of the key space, and what
//! each costs is its eight announces.
//!
//! A token is asked for one torrent. BEP 5 binds it to the address alone, and there it serves all torrents of
//! the region; nodes that bind it to the torrent too say so by an error, and are asked for one each time
//! (see `torrents`).
//!
//! Invariant: a torrent is in one of `timers`, `ready`, `walking`.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use base::{InfoHash, Instant, Rng};

use super::id::Distance;
use super::table::K;
use super::walk::Found;
use crate::timers::Timers;

/// Time between announces of a torrent. Nodes forget them after 30 minutes or more.
pub(crate) const INTERVAL: Duration = Duration::from_secs(25 * 60);

/// Each is up to so much earlier, so that they don't come in waves: 1/5 of [`INTERVAL`].
const SPREAD_MS: u32 = 5 * 60 * 1000;

/// Until the next try, if nobody answered.
const RETRY: Duration = Duration::from_secs(60);

/// Walks at once.
const WALKS_MAX: usize = 4;

/// What a region sends a second: a torrent each [`PAUSE`], at K nodes.
const REGION_PER_SECOND: u32 = 4 * 8;

/// Between torrents of a region. Its nodes are the same for all, and nodes block who sends more than five
/// datagrams a second for long (libtorrent does).
const PAUSE: Duration = Duration::from_millis(250);

/// Most torrents of a region: as many as go out while the tokens are good, which is five minutes.
const TORRENTS_MAX: usize = 1000;

/// Torrents whose nearest nodes are all known.
#[derive(Debug)]
struct Region {
    /// The torrent for which the nodes gave their tokens.
    target: InfoHash,
    nodes: Vec<Found>,
    /// Those whose turn is to come.
    hashes: Vec<InfoHash>,
    /// The one whose turn it is.
    current: InfoHash,
    /// Its nearest nodes, those not yet told.
    left: Vec<usize>,
    /// When the next torrent may go out.
    next: Instant,
}

/// An announce to be sent.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) info_hash: InfoHash,
    /// The node gave its token for another torrent.
    pub(crate) borrowed: bool,
    pub(crate) node: Found,
}

impl Region {
    fn is_over(&self) -> bool {
        self.hashes.is_empty() && self.left.is_empty()
    }

    fn next_store(&mut self, now: Instant) -> Option<Store> {
        while self.left.is_empty() && self.next <= now {
            self.current = self.hashes.pop()?;
            self.left = nearest(self.current, &self.nodes);
            self.next = now.after(PAUSE);
        }
        let node = self.nodes[self.left.pop()?].clone();
        let info_hash = self.current;
        Some(Store { info_hash, borrowed: info_hash != self.target, node })
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Sweep {
    rng: Rng,
    /// Regions whose announces are being sent, before the next walk begins: as many as can all go at their pace.
    regions_max: usize,
    timers: Timers<InfoHash>,
    ready: BTreeSet<InfoHash>,
    walking: BTreeSet<InfoHash>,
    /// Where the tour is.
    cursor: InfoHash,
    regions: VecDeque<Region>,
}

impl Sweep {
    /// Sends at most so many announces a second.
    pub(crate) fn new(announces_per_second: u32, rng: Rng) -> Self {
        let regions_max = (announces_per_second / REGION_PER_SECOND).max(1) as usize;
        Self {
            rng,
            regions_max,
            timers: Timers::new(),
            ready: BTreeSet::new(),
            walking: BTreeSet::new(),
            cursor: InfoHash([0; 20]),
            regions: VecDeque::new(),
        }
    }

    /// Announces this torrent from `due` on.
    pub(crate) fn add(&mut self, hash: InfoHash, due: Instant) {
        if !self.walking.contains(&hash) {
            self.ready.remove(&hash);
            self.timers.set(hash, Some(due));
        }
    }

    pub(crate) fn remove(&mut self, hash: InfoHash) {
        self.timers.set(hash, None);
        self.ready.remove(&hash);
        self.walking.remove(&hash);
        for region in &mut self.regions {
            if region.current == hash {
                region.left.clear();
            }
            region.hashes.retain(|other| *other != hash);
        }
    }

    /// The torrent to walk to now, if any.
    pub(crate) fn next_walk(&mut self, now: Instant) -> Option<InfoHash> {
        while let Some(hash) = self.timers.pop_due(now) {
            self.ready.insert(hash);
        }
        if self.walking.len() >= WALKS_MAX || self.regions.len() >= self.regions_max {
            return None;
        }
        let hash = *self.ready.range(self.cursor..).next().or(self.ready.first())?;
        self.cursor = hash;
        self.begin(hash);
        Some(hash)
    }

    /// A walk to this torrent has begun.
    pub(crate) fn begin(&mut self, hash: InfoHash) {
        self.timers.set(hash, None);
        self.ready.remove(&hash);
        self.walking.insert(hash);
    }

    /// The walk to `hash` found these nodes, nearest first. `torrents` are ours in a range of keys. In a
    /// `small` network there may be less than K nodes.
    pub(crate) fn on_walked<I: Iterator<Item = InfoHash>>(
        &mut self,
        hash: InfoHash,
        (nodes, small): (Vec<Found>, bool),
        torrents: impl FnOnce(InfoHash, InfoHash) -> I,
        now: Instant,
    ) {
        if !self.walking.remove(&hash) {
            return;
        }
        let jitter = Duration::from_millis(self.rng.below(SPREAD_MS).into());
        let next = now.after(INTERVAL.saturating_sub(jitter));
        self.timers.set(hash, Some(next));
        if nodes.is_empty() {
            // We are cut off, or the first here.
            self.timers.set(hash, Some(now.after(RETRY)));
            return;
        }
        let bits = if nodes.len() < K && !small { 160 } else { known_bits(hash, &nodes) };
        let (first, last) = range(hash, bits);
        let soon = now.after(INTERVAL / 4);
        let is_due = |hash: &InfoHash| {
            self.ready.contains(hash) || self.timers.get(*hash).is_some_and(|due| due <= soon)
        };
        let hashes: Vec<InfoHash> =
            torrents(first, last).filter(is_due).take(TORRENTS_MAX).collect();
        for other in &hashes {
            self.ready.remove(other);
            self.timers.set(*other, Some(next));
        }
        let left = nearest(hash, &nodes);
        self.cursor = last;
        let next = now.after(PAUSE);
        self.regions.push_back(Region { target: hash, nodes, hashes, current: hash, left, next });
    }

    /// The next announce to send, regions taking turns; else when there will be one, if ever.
    pub(crate) fn next_store(&mut self, now: Instant) -> Result<Store, Option<Instant>> {
        let mut soonest = None;
        for _ in 0..self.regions.len() {
            let Some(mut region) = self.regions.pop_front() else {
                break;
            };
            if let Some(store) = region.next_store(now) {
                if !region.is_over() {
                    self.regions.push_back(region);
                }
                return Ok(store);
            }
            if !region.is_over() {
                soonest = soonest.into_iter().chain([region.next]).min();
                self.regions.push_back(region);
            }
        }
        Err(soonest)
    }

    /// How long ago this torrent was announced, at least; `None` if it was not, or is due.
    pub(crate) fn age(&self, hash: InfoHash, now: Instant) -> Option<Duration> {
        let due_in = self.timers.get(hash)?.saturating_since(now);
        (!due_in.is_zero()).then(|| INTERVAL.saturating_sub(due_in))
    }

    /// When a torrent's time comes, or `now` if a walk could begin at once.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.walking.len() >= WALKS_MAX || self.regions.len() >= self.regions_max {
            return None;
        }
        if self.ready.is_empty() { self.timers.first() } else { Some(now) }
    }
}

/// Which of `nodes` shall be told of `hash`.
fn nearest(hash: InfoHash, nodes: &[Found]) -> Vec<usize> {
    let can = |at: &usize| nodes[*at].token.is_some();
    let mut order: Vec<usize> = (0..nodes.len()).filter(can).collect();
    order.sort_by_key(|at| Distance::between(nodes[*at].id, hash.into()));
    order.truncate(K);
    order
}

/// Of keys that share so many bits with `hash`, the K nearest nodes are among `nodes`: that many nodes share
/// them, too.
fn known_bits(hash: InfoHash, nodes: &[Found]) -> usize {
    let bits = |found: &Found| Distance::between(found.id, hash.into()).common_bits();
    match nodes.get(K - 1) {
        Some(farthest) => bits(farthest).min(159),
        None => 0,
    }
}

/// The first and the last key that share `bits` bits with `hash`.
fn range(hash: InfoHash, bits: usize) -> (InfoHash, InfoHash) {
    let (mut first, mut last) = (hash, hash);
    for bit in bits..160 {
        let mask = 0x80 >> (bit % 8);
        first.0[bit / 8] &= !mask;
        last.0[bit / 8] |= mask;
    }
    (first, last)
}

#[cfg(test)]
mod tests;
