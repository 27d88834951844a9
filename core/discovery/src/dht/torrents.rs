//! The node's torrents: who announces, who wants peers, and what follows when a walk has ended.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use base::{InfoHash, Instant};
use wire::krpc;

use super::network::Side;
use super::spec::{Announce, Output};
use super::sweep::Store;
use super::table::K;
use super::walk::Found;
use super::{Dht, Goal, Job, NodeId, Owner, Purpose, SENT_MAX, Timer};

/// Between two walks for peers of one torrent.
const WANT_PAUSE: Duration = Duration::from_secs(60);

/// The same if the first found nobody: who has it may be about to announce it.
const WANT_AGAIN: Duration = Duration::from_secs(15);

/// Walks for wanted peers at once, per family.
const WANTED_WALKS_MAX: usize = 16;

/// Most torrents that wait for their walk. A user adds fewer at a time; beyond, they are announced in their turn.
const WANTED_MAX: usize = 4096;

/// With more torrents than this, walks look for more nodes: the next torrents are near.
const MANY: usize = 256;

/// Nodes that a walk then looks for: the eight nearest of any torrent around are among them.
const WIDE: usize = 20;

/// Nodes known to bind tokens to the torrent; when it is full, we find it out anew.
const STRICT_MAX: usize = 4096;

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Torrents {
    announces: BTreeMap<InfoHash, Announce>,
    /// When those that somebody wanted lately may have another walk.
    wanted: BTreeMap<InfoHash, Instant>,
    waiting: VecDeque<InfoHash>,
    /// Restored: when they are due, so that a restart does not announce all anew.
    remembered: BTreeMap<InfoHash, Instant>,
    strict: std::collections::BTreeSet<SocketAddr>,
    pace: Pace,
}

impl Torrents {
    pub(super) fn new(announces_per_second: u32) -> Self {
        Self {
            announces: BTreeMap::new(),
            wanted: BTreeMap::new(),
            waiting: VecDeque::new(),
            remembered: BTreeMap::new(),
            strict: std::collections::BTreeSet::new(),
            pace: Pace::new(announces_per_second),
        }
    }

    pub(super) fn announced(&self) -> usize {
        self.announces.len()
    }

    /// A torrent was announced before the restart, and is due in a while.
    pub(super) fn remember(&mut self, info_hash: InfoHash, due_in: Duration, now: Instant) {
        self.remembered.insert(info_hash, now.after(due_in));
    }

    /// Where we accept peers of a torrent that we announce.
    pub(super) fn port_of(&self, info_hash: InfoHash) -> Option<u16> {
        self.announces.get(&info_hash).map(|announce| announce.port)
    }

    pub(super) fn is_wanted(&self, info_hash: InfoHash) -> bool {
        self.wanted.contains_key(&info_hash)
    }
}

/// So many a second, in bursts of a tenth of a second.
#[derive(Debug)]
struct Pace {
    each: Duration,
    /// When the next may go, if there was no pause.
    next: Instant,
}

impl Pace {
    const BURST: Duration = Duration::from_millis(100);

    fn new(per_second: u32) -> Self {
        Self { each: Duration::from_secs(1) / per_second.max(1), next: Instant::START }
    }

    /// Whether one may go now; else when.
    fn ready(&self, now: Instant) -> Result<(), Instant> {
        if self.next > now.after(Self::BURST) { Err(self.next) } else { Ok(()) }
    }

    /// One goes.
    fn count(&mut self, now: Instant) {
        self.next = self.next.max(now).after(self.each);
    }
}

impl Dht {
    /// Announces a torrent from now on, until [`Self::withdraw`]; a walk begins at once, or soon if many others
    /// wait. Called again, it changes how.
    pub fn announce(&mut self, info_hash: InfoHash, announce: Announce, now: Instant) {
        if self.torrents.announces.insert(info_hash, announce).is_some_and(|old| old == announce) {
            return;
        }
        let due = self.torrents.remembered.remove(&info_hash).unwrap_or(now);
        for side in self.sides() {
            self.network(side).sweep.add(info_hash, due.max(now));
            self.pump_torrents(side, now);
        }
    }

    /// Announces this torrent no more. Nodes forget us in their time.
    pub fn withdraw(&mut self, info_hash: InfoHash) {
        self.torrents.announces.remove(&info_hash);
        self.torrents.wanted.remove(&info_hash);
        self.torrents.waiting.retain(|other| *other != info_hash);
        self.timers.set(Timer::Want(info_hash), None);
        for side in self.sides() {
            self.network(side).sweep.remove(info_hash);
        }
    }

    /// Looks for peers of a torrent, announced or not: now, or a minute after the last time. They come as
    /// [`Output::Peers`].
    pub fn want_peers(&mut self, info_hash: InfoHash, now: Instant) {
        if let Some(again) = self.torrents.wanted.get(&info_hash).filter(|again| **again > now) {
            self.timers.set(Timer::Want(info_hash), Some(*again));
            return;
        }
        let waits = self.torrents.waiting.contains(&info_hash);
        if !waits && self.torrents.waiting.len() < WANTED_MAX {
            self.torrents.waiting.push_back(info_hash);
        }
        self.pump_wanted(now);
    }

    fn pump_wanted(&mut self, now: Instant) {
        // Not those of a family where nobody is.
        let is_busy = |job: &&Job| {
            job.urgent && matches!(job.owner, Owner::Torrent(_)) && !job.walk.is_starving()
        };
        while self.walks.values().filter(is_busy).count() < 2 * WANTED_WALKS_MAX {
            let Some(info_hash) = self.torrents.waiting.pop_front() else {
                break;
            };
            self.torrents.wanted.retain(|_, again| *again > now);
            self.torrents.wanted.insert(info_hash, now.after(WANT_PAUSE));
            for side in self.sides() {
                let owner = Owner::Torrent(info_hash);
                let under_way = |job: &&mut Job| job.side == side && job.owner == owner;
                if let Some(job) = self.walks.values_mut().find(under_way) {
                    job.urgent = true;
                    continue;
                }
                if self.torrents.announces.contains_key(&info_hash) {
                    self.network(side).sweep.begin(info_hash);
                }
                self.walk_to_torrent(side, info_hash, now);
            }
        }
    }

    fn walk_to_torrent(&mut self, side: Side, info_hash: InfoHash, now: Instant) {
        let stored = self.network(side).peers.get(info_hash, now);
        let stored: Vec<SocketAddr> = stored.map(|peer| peer.addr).collect();
        if !stored.is_empty() {
            self.outputs.push_back(Output::Peers(info_hash, stored));
        }
        let width = if self.torrents.announced() > MANY { WIDE } else { K };
        let goal = Goal::Peers { info_hash, scrape: false };
        self.start_walk(side, info_hash.into(), (goal, Owner::Torrent(info_hash)), width, now);
    }

    /// How long ago each torrent was announced; those that were not are left out.
    pub(super) fn announce_ages(&self, now: Instant) -> impl Iterator<Item = (InfoHash, Duration)> {
        let side = self.sides().next().expect("there is a family");
        let sweep = self.networks[side as usize].as_ref().map(|network| &network.sweep);
        let hashes = self.torrents.announces.keys();
        hashes.filter_map(move |hash| Some((*hash, sweep?.age(*hash, now)?)))
    }

    /// Goes on with announces: walks that may begin, announces that may be sent.
    pub(super) fn pump_torrents(&mut self, side: Side, now: Instant) {
        while let Some(info_hash) = self.network(side).sweep.next_walk(now) {
            self.walk_to_torrent(side, info_hash, now);
        }
        let deadline = self.pump_stores(side, now);
        let sweep = self.network(side).sweep.deadline(now);
        self.timers.set(Timer::Torrents(side), deadline.into_iter().chain(sweep).min());
    }

    /// Sends announces as the pace allows; says when to go on.
    fn pump_stores(&mut self, side: Side, now: Instant) -> Option<Instant> {
        loop {
            if self.sent.len() >= SENT_MAX / 2 {
                return Some(now.after(Pace::BURST));
            }
            if let Err(at) = self.torrents.pace.ready(now) {
                return Some(at);
            }
            match self.network(side).sweep.next_store(now) {
                Ok(store) => self.announce_at(&store, now),
                Err(soonest) => return soonest,
            }
        }
    }

    fn announce_at(&mut self, store: &Store, now: Instant) {
        let Store { info_hash, borrowed, ref node } = *store;
        let Some(announce) = self.torrents.announces.get(&info_hash).copied() else {
            return;
        };
        let to = (node.addr, Some(node.id));
        if borrowed && self.torrents.strict.contains(&node.addr) {
            self.ask_token(info_hash, to, now);
            return;
        }
        let Some(token) = node.token.as_deref() else {
            return;
        };
        let query = query_of(info_hash, announce, token);
        self.torrents.pace.count(now);
        self.send(to, &query, Purpose::Announce { info_hash, borrowed }, now);
    }

    /// Asks the node for a token of its own for this torrent: it took none that was given for another.
    pub(super) fn ask_token(
        &mut self,
        info_hash: InfoHash,
        to: (SocketAddr, Option<NodeId>),
        now: Instant,
    ) {
        if self.torrents.strict.len() >= STRICT_MAX {
            self.torrents.strict.clear();
        }
        self.torrents.strict.insert(to.0);
        let want = krpc::Want::default();
        let query = krpc::Query::GetPeers { info_hash, want, no_seeds: false, scrape: false };
        self.send(to, &query, Purpose::Token(info_hash), now);
    }

    pub(super) fn on_token(
        &mut self,
        info_hash: InfoHash,
        (addr, id): (SocketAddr, NodeId),
        token: Option<&[u8]>,
        now: Instant,
    ) {
        let announce = self.torrents.announces.get(&info_hash).copied();
        if let (Some(announce), Some(token)) = (announce, token) {
            let query = query_of(info_hash, announce, token);
            let purpose = Purpose::Announce { info_hash, borrowed: false };
            self.send((addr, Some(id)), &query, purpose, now);
        }
    }

    pub(super) fn on_torrent_walked(
        &mut self,
        job: &Job,
        info_hash: InfoHash,
        found: Vec<Found>,
        now: Instant,
    ) {
        let side = job.side;
        if job.walk.peers.is_empty()
            && let Some(again) = self.torrents.wanted.get_mut(&info_hash)
        {
            *again = now.after(WANT_AGAIN).min(*again);
            let due = *again;
            if self.timers.get(Timer::Want(info_hash)).is_some() {
                self.timers.set(Timer::Want(info_hash), Some(due));
            }
        }
        let network = self.networks[side as usize].as_mut().expect("it has had a walk");
        network.trail.clone_from(&found);
        let small = network.table.len() < K;
        let announces = &self.torrents.announces;
        let ours = |first, last| announces.range(first..=last).map(|(hash, _)| *hash);
        network.sweep.on_walked(info_hash, (found, small), ours, now);
        self.pump_wanted(now);
        // Not from here: the walk that ended may have been started by the very same pump.
        self.timers.set(Timer::Torrents(side), Some(now));
    }
}

fn query_of(info_hash: InfoHash, announce: Announce, token: &[u8]) -> krpc::Query<'_> {
    let Announce { port, implied_port, seed } = announce;
    krpc::Query::AnnouncePeer { info_hash, implied_port, port, seed, token }
}
