//! Who is next under a limit: equal shares for torrents, and for the peers of a torrent.
//!
//! Source: M. Shreedhar, G. Varghese, "Efficient Fair Queuing using Deficit Round Robin" (1995),
//! on two levels. A torrent whose turn comes may move a quantum of bytes, so may one of its peers
//! within it; what is moved beyond, at most a block or a read, is taken off the next turn. Who has
//! nothing to move is not in the round, so that nobody's share is left unused.
//!
//! Invariants: a connection stands in `waiting` of its torrent exactly if its flow says so; a
//! torrent with somebody waiting is in the ring or parked until its own limit allows more. What a
//! turn costs does not depend on how many torrents there are, only on those that were in debt.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{BLOCK_BYTES, ConnId, Instant, TorrentId};

use crate::limit::{Lease, QUANTUM};

/// What a turn is worth at least, in bytes: one block, since less cannot be moved.
const TURN_BYTES: i64 = BLOCK_BYTES as i64;

/// What of a turn's excess is remembered, in bytes: the longest read of messages. Who is alone may
/// move far more than its turn, and does not owe that to those who come later. So a debt is paid in
/// a few rounds.
const OVERDRAFT_MAX: i64 = 2 * BLOCK_BYTES as i64;

/// A turn: whose it is, and how many bytes may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) torrent: TorrentId,
    pub(super) conn: ConnId,
    pub(super) bytes: usize,
}

/// All connections that share one lease: those of one direction and class of address.
#[derive(Debug)]
pub(super) struct Lane {
    lease: Lease,
    /// Of each torrent, in bytes per second.
    torrent_rate: Option<u64>,
    /// A turn now, in bytes.
    turn_bytes: i64,
    /// A turn at most, in bytes.
    turn_bytes_max: i64,
    /// Torrents in the order of their turns. Some may have nobody waiting any more.
    ring: VecDeque<TorrentId>,
    shares: BTreeMap<TorrentId, Share>,
    flows: BTreeMap<ConnId, Flow>,
    /// Torrents that have used up their own limit, by when they may go on.
    parked: BTreeSet<(Instant, TorrentId)>,
    /// Torrents that wait for the lease alone.
    hungry: u32,
    /// Connections waiting.
    waiting: u32,
}

/// A torrent's.
#[derive(Debug, Default)]
struct Share {
    waiting: VecDeque<ConnId>,
    /// Bytes that it may still move in this turn.
    deficit: i64,
    in_ring: bool,
    parked: Option<Instant>,
    own: Option<OwnLimit>,
}

/// A connection's.
#[derive(Debug, Default)]
struct Flow {
    deficit: i64,
    waiting: bool,
}

impl Share {
    fn is_hungry(&self) -> bool {
        self.parked.is_none() && !self.waiting.is_empty()
    }
}

impl Lane {
    /// A lane without anybody. A turn is of `turn_bytes_max` bytes when there is so much to share.
    pub(super) fn new(limited: bool, torrent_rate: Option<u64>, turn_bytes_max: u32) -> Self {
        Self {
            lease: Lease::new(limited),
            torrent_rate,
            turn_bytes: TURN_BYTES,
            turn_bytes_max: i64::from(turn_bytes_max).max(TURN_BYTES),
            ring: VecDeque::new(),
            shares: BTreeMap::new(),
            flows: BTreeMap::new(),
            parked: BTreeSet::new(),
            hungry: 0,
            waiting: 0,
        }
    }

    /// Whether there is no limit at all: nobody needs to wait for a turn.
    pub(super) fn is_open(&self) -> bool {
        !self.lease.is_limited() && self.torrent_rate.is_none()
    }

    /// Whether exactly one connection waits.
    pub(super) fn is_one_waiting(&self) -> bool {
        self.waiting == 1
    }

    /// Follows other limits from now on.
    pub(super) fn set(&mut self, limited: bool, torrent_rate: Option<u64>, now: Instant) {
        // What was asked may have been asked of a limit that is gone.
        self.lease = Lease::new(limited);
        self.torrent_rate = torrent_rate;
        for share in self.shares.values_mut() {
            share.own = torrent_rate.map(|rate| OwnLimit::new(rate, now));
        }
        self.unpark(Instant::START.after(Duration::MAX));
    }

    /// A lease came.
    pub(super) fn grant(&mut self, bytes: u64) {
        self.lease.grant(bytes);
        let each = i64::try_from(bytes).unwrap_or(i64::MAX) / i64::from(self.waiting.max(1));
        self.turn_bytes = each.clamp(TURN_BYTES, self.turn_bytes_max);
    }

    /// Whether to ask the hub for a lease, and for how many torrents.
    pub(super) fn must_ask(&mut self) -> Option<u32> {
        self.lease.must_ask(self.hungry).then_some(self.hungry)
    }

    /// `conn` has something to move.
    pub(super) fn join(&mut self, torrent: TorrentId, conn: ConnId, now: Instant) {
        let flow = self.flows.entry(conn).or_default();
        if !flow.waiting {
            // Who had nothing to move saves nothing up.
            flow.deficit = flow.deficit.min(0);
            self.stand(torrent, conn, now, false);
        }
    }

    /// `conn` has moved something and has more: it stays in turn if it has not had all of it.
    pub(super) fn rejoin(&mut self, torrent: TorrentId, conn: ConnId, now: Instant) {
        let flow = self.flows.entry(conn).or_default();
        if !flow.waiting {
            let first = flow.deficit > 0;
            self.stand(torrent, conn, now, first);
        }
    }

    fn stand(&mut self, torrent: TorrentId, conn: ConnId, now: Instant, first: bool) {
        self.flows.entry(conn).or_default().waiting = true;
        self.waiting += 1;
        let rate = self.torrent_rate;
        let share = self.shares.entry(torrent).or_insert_with(|| Share {
            own: rate.map(|rate| OwnLimit::new(rate, now)),
            ..Share::default()
        });
        let was_hungry = share.is_hungry();
        if first {
            share.waiting.push_front(conn);
        } else {
            share.waiting.push_back(conn);
        }
        if share.parked.is_none() && !share.in_ring {
            share.in_ring = true;
            self.ring.push_back(torrent);
        }
        self.hungry += u32::from(share.is_hungry() && !was_hungry);
    }

    /// `conn` is over.
    pub(super) fn leave(&mut self, torrent: TorrentId, conn: ConnId) {
        let Some(flow) = self.flows.remove(&conn) else { return };
        if !flow.waiting {
            return;
        }
        self.waiting -= 1;
        if let Some(share) = self.shares.get_mut(&torrent) {
            let was_hungry = share.is_hungry();
            share.waiting.retain(|&other| other != conn);
            self.hungry -= u32::from(was_hungry && !share.is_hungry());
        }
    }

    /// `torrent` is over, and its connections are.
    pub(super) fn forget(&mut self, torrent: TorrentId) {
        let Some(share) = self.shares.remove(&torrent) else { return };
        self.hungry -= u32::from(share.is_hungry());
        if let Some(at) = share.parked {
            self.parked.remove(&(at, torrent));
        }
        for conn in share.waiting {
            self.waiting -= 1;
            self.flows.remove(&conn);
        }
    }

    /// Who moves something next. It is not in the round any more until it joins again.
    pub(super) fn next(&mut self, now: Instant) -> Option<Turn> {
        loop {
            let lease = self.lease.available();
            let &torrent = self.ring.front().filter(|_| lease > 0)?;
            let alone = self.ring.len() == 1;
            let Some(share) = self.shares.get_mut(&torrent) else {
                self.ring.pop_front();
                continue;
            };
            if share.waiting.is_empty() {
                share.in_ring = false;
                share.deficit = share.deficit.min(0);
                self.ring.pop_front();
                continue;
            }
            let own = share.own.as_mut().map_or(usize::MAX, |own| own.available(now));
            if own == 0 {
                self.park(torrent);
                continue;
            }
            if share.deficit <= 0 {
                share.deficit += self.turn_bytes;
                self.ring.rotate_left(1);
                continue;
            }
            let Some(conn) = share.waiting.pop_front() else { continue };
            let Some(flow) = self.flows.get_mut(&conn) else { continue };
            if flow.deficit <= 0 {
                flow.deficit += self.turn_bytes;
                share.waiting.push_back(conn);
                continue;
            }
            flow.waiting = false;
            self.waiting -= 1;
            let alone = alone && share.waiting.is_empty();
            self.hungry -= u32::from(share.waiting.is_empty());
            let turn = flow.deficit.min(share.deficit);
            let turn = if alone { usize::MAX } else { usize::try_from(turn).unwrap_or(usize::MAX) };
            return Some(Turn { torrent, conn, bytes: turn.min(lease).min(own) });
        }
    }

    /// `conn` has moved `bytes` bytes.
    pub(super) fn spend(&mut self, torrent: TorrentId, conn: ConnId, bytes: u64) {
        self.lease.spend(bytes);
        let spent = i64::try_from(bytes).unwrap_or(i64::MAX);
        let rest = |deficit: i64| deficit.saturating_sub(spent).max(-OVERDRAFT_MAX);
        if let Some(flow) = self.flows.get_mut(&conn) {
            flow.deficit = rest(flow.deficit);
        }
        if let Some(share) = self.shares.get_mut(&torrent) {
            share.deficit = rest(share.deficit);
            if let Some(own) = &mut share.own {
                own.spend(bytes);
            }
        }
    }

    /// When [`Self::unpark`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parked.first().map(|&(at, _)| at)
    }

    /// Lets torrents go on whose own limit allows it again.
    pub(super) fn unpark(&mut self, now: Instant) {
        while let Some(&(at, torrent)) = self.parked.first() {
            if at > now {
                return;
            }
            self.parked.pop_first();
            let share = self.shares.get_mut(&torrent).expect("it is forgotten in both");
            share.parked = None;
            if share.is_hungry() {
                share.in_ring = true;
                self.ring.push_back(torrent);
                self.hungry += 1;
            }
        }
    }

    /// The torrent whose turn it is has used up its own limit.
    fn park(&mut self, torrent: TorrentId) {
        self.ring.pop_front();
        let share = self.shares.get_mut(&torrent).expect("the caller saw it");
        let Some(own) = &share.own else { return };
        let at = own.ready_at();
        share.parked = Some(at);
        share.in_ring = false;
        share.deficit = share.deficit.min(0);
        self.parked.insert((at, torrent));
        self.hungry -= 1;
    }

    /// Panics if the counts are wrong, for tests.
    #[cfg(test)]
    pub(super) fn assert_invariants(&self) {
        let waiting: usize = self.shares.values().map(|share| share.waiting.len()).sum();
        assert_eq!(self.waiting as usize, waiting, "connections waiting");
        assert_eq!(waiting, self.flows.values().filter(|flow| flow.waiting).count(), "flows");
        let hungry = self.shares.values().filter(|share| share.is_hungry()).count();
        assert_eq!(self.hungry as usize, hungry, "torrents waiting");
        for (torrent, share) in &self.shares {
            let in_ring = self.ring.iter().filter(|other| *other == torrent).count();
            assert_eq!(in_ring, usize::from(share.in_ring), "places in the ring");
            let parked = share.parked.is_some_and(|at| self.parked.contains(&(at, *torrent)));
            assert_eq!(parked, share.parked.is_some());
            assert!(share.waiting.is_empty() || share.in_ring != parked, "{torrent:?} is nowhere");
        }
    }
}

/// A torrent's own limit: a bucket of two quanta, which may be overdrawn by a block or a read.
#[derive(Debug)]
struct OwnLimit {
    rate: u64,
    /// In bytes × 10⁻⁹.
    nano_bytes: i128,
    filled_at: Instant,
}

const NANO: i128 = 1_000_000_000;

impl OwnLimit {
    fn new(rate: u64, now: Instant) -> Self {
        let rate = rate.max(1);
        Self { rate, nano_bytes: Self::of(rate, QUANTUM), filled_at: now }
    }

    fn of(rate: u64, time: Duration) -> i128 {
        i128::from(rate) * i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / (1 << 64))
    }

    /// Bytes that may be moved now.
    fn available(&mut self, now: Instant) -> usize {
        let elapsed = now.saturating_since(self.filled_at);
        self.filled_at = self.filled_at.max(now);
        // A slow limit must come to a whole byte at last.
        let full = Self::of(self.rate, 2 * QUANTUM).max(NANO);
        self.nano_bytes = (self.nano_bytes + Self::of(self.rate, elapsed)).min(full);
        usize::try_from(self.nano_bytes / NANO).unwrap_or(0)
    }

    fn spend(&mut self, bytes: u64) {
        self.nano_bytes -= i128::from(bytes) * NANO;
    }

    /// When a quantum's worth is there again, or a byte if that is more.
    fn ready_at(&self) -> Instant {
        let missing = Self::of(self.rate, QUANTUM).max(NANO) - self.nano_bytes;
        let nanos = missing.max(0) / i128::from(self.rate) + 1;
        self.filled_at.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests;
