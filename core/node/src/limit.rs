//! Rate limits: what the user wants, and the global ones leased to shards in quanta.
//!
//! Source: architecture rule 3: limits are leased (bytes per 50 ms), never asked per block. A
//! shard that has used up its lease says for how many torrents it asks, and gets a part in that
//! proportion: shares are equal by torrent, not by shard. It may overdraw by one read or one
//! block, which the next lease pays. Within a shard, `shard::fair` shares the lease.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{BLOCK_BYTES, Instant};

/// How often leases are given out.
pub const QUANTUM: Duration = Duration::from_millis(50);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Received.
    Down,
    /// Sent.
    Up,
}

/// Where a peer is, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anywhere.
    Internet,
    /// In the local network. Bytes from and to it don't use the line that limits are there for.
    Lan,
}

impl Class {
    /// The class of an address. Local are loopback, the private networks (RFC 1918, RFC 4193)
    /// and link-local addresses (RFC 3927, RFC 4291). 100.64.0.0/10 (RFC 6598) is not: it lies
    /// between a provider and its customers, on the other side of the line.
    pub fn of(ip: IpAddr) -> Self {
        let local = match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        };
        if local { Self::Lan } else { Self::Internet }
    }
}

/// How peers of the local network are limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LanLimit {
    /// Like all others.
    #[default]
    Shared,
    /// By this alone, in bytes per second; `None`: not at all. They count for no other limit.
    Apart(Option<u64>),
}

/// The limits of one direction, in bytes per second. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of all torrents together.
    pub global: Option<u64>,
    /// Of each torrent.
    pub torrent: Option<u64>,
    /// Of the local network.
    pub lan: LanLimit,
}

impl Rates {
    /// The class by which a peer of class `class` is limited.
    pub fn class(&self, class: Class) -> Class {
        match self.lan {
            LanLimit::Shared => Class::Internet,
            LanLimit::Apart(_) => class,
        }
    }

    /// The limit that is leased to shards.
    pub fn leased(&self, class: Class) -> Option<u64> {
        match (class, self.lan) {
            (Class::Internet, LanLimit::Shared | LanLimit::Apart(_)) => self.global,
            (Class::Lan, LanLimit::Apart(rate)) => rate,
            (Class::Lan, LanLimit::Shared) => None,
        }
    }

    /// Bytes per peer that may be made ready to be sent: about a second's worth of one of eight
    /// peers, and 8 blocks at least, which a disk takes a millisecond for.
    pub fn ahead_bytes(&self) -> u64 {
        let rate = [self.global, self.torrent].into_iter().flatten().min();
        rate.map_or(u64::MAX, |rate| (rate / 8).max(8 * u64::from(BLOCK_BYTES)))
    }

    /// The limit of each torrent.
    pub fn per_torrent(&self, class: Class) -> Option<u64> {
        match class {
            Class::Internet => self.torrent,
            Class::Lan => None,
        }
    }
}

/// All limits. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of what is received.
    pub down: Rates,
    /// Of what is sent.
    pub up: Rates,
}

impl Limits {
    /// The limits of one direction.
    pub fn of(&self, direction: Direction) -> &Rates {
        match direction {
            Direction::Down => &self.down,
            Direction::Up => &self.up,
        }
    }
}

const NANO: u128 = 1_000_000_000;

/// The hub's side of the leases.
#[derive(Debug, Default)]
pub struct Leases {
    buckets: BTreeMap<(Direction, Class), Bucket>,
}

impl Leases {
    /// Follows `limits` from now on.
    pub fn set(&mut self, limits: &Limits, now: Instant) {
        for direction in [Direction::Down, Direction::Up] {
            for class in [Class::Internet, Class::Lan] {
                let key = (direction, class);
                match limits.of(direction).leased(class) {
                    Some(rate) => {
                        let bucket =
                            self.buckets.entry(key).or_insert_with(|| Bucket::new(rate, now));
                        bucket.rate = rate.max(1);
                    }
                    None => drop(self.buckets.remove(&key)),
                }
            }
        }
    }

    /// A shard has nothing left, and so many torrents want more.
    pub fn on_wanted(&mut self, shard: usize, key: (Direction, Class), torrents: u32) {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            bucket.on_wanted(shard, torrents);
        }
    }

    /// When [`Self::share`] has something to give.
    pub fn deadline(&self) -> Option<Instant> {
        self.buckets.values().filter_map(Bucket::deadline).min()
    }

    /// What waiting shards get now.
    pub fn share(&mut self, now: Instant) -> Vec<(usize, (Direction, Class), u64)> {
        let shares = self.buckets.iter_mut().map(|(&key, bucket)| (key, bucket.share(now)));
        shares
            .flat_map(|(key, leases)| {
                leases.into_iter().map(move |(shard, bytes)| (shard, key, bytes))
            })
            .collect()
    }
}

/// A token bucket of two quanta.
#[derive(Debug)]
struct Bucket {
    rate: u64,
    /// What is in it, in bytes × 10⁻⁹: a slow bucket must not lose the fractions.
    nano_bytes: u128,
    filled_at: Instant,
    /// Shards, and for how many torrents they ask.
    waiting: BTreeMap<usize, u32>,
}

impl Bucket {
    /// A bucket for `rate` bytes per second, empty at `now`.
    fn new(rate: u64, now: Instant) -> Self {
        Self { rate: rate.max(1), nano_bytes: 0, filled_at: now, waiting: BTreeMap::new() }
    }

    fn on_wanted(&mut self, shard: usize, torrents: u32) {
        self.waiting.insert(shard, torrents.max(1));
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.filled_at.after(self.pause()))
    }

    /// A quantum, or as long as it takes to fill one byte for each who waits.
    fn pause(&self) -> Duration {
        let byte =
            Duration::from_nanos(1_000_000_000 * self.waiting.len().max(1) as u64 / self.rate + 1);
        QUANTUM.max(byte)
    }

    /// What each waiting shard gets now: a byte, so that none waits for ever, and of the rest
    /// its part.
    fn share(&mut self, now: Instant) -> Vec<(usize, u64)> {
        let elapsed = now.saturating_since(self.filled_at);
        if elapsed < self.pause() || self.waiting.is_empty() {
            return Vec::new();
        }
        let elapsed = elapsed.min(2 * self.pause());
        self.nano_bytes += u128::from(self.rate) * elapsed.as_nanos();
        self.filled_at = now;
        let shards = self.waiting.len() as u128;
        let Some(rest) = (self.nano_bytes / NANO).checked_sub(shards) else { return Vec::new() };
        let torrents: u128 = self.waiting.values().map(|&torrents| u128::from(torrents)).sum();
        let mut leases = Vec::with_capacity(self.waiting.len());
        for (shard, weight) in core::mem::take(&mut self.waiting) {
            let bytes = 1 + rest * u128::from(weight) / torrents;
            self.nano_bytes -= bytes * NANO;
            leases.push((shard, u64::try_from(bytes).unwrap_or(u64::MAX)));
        }
        leases
    }
}

/// A shard's side.
#[derive(Debug)]
pub struct Lease {
    limited: bool,
    bytes: i64,
    /// For how many torrents more was asked; 0: it was not.
    asked: u32,
}

impl Lease {
    /// Nothing yet, or no limit at all.
    pub fn new(limited: bool) -> Self {
        Self { limited, bytes: 0, asked: 0 }
    }

    /// Whether there is a limit.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Bytes that may be moved now; `usize::MAX` without a limit.
    pub fn available(&self) -> usize {
        if self.limited { usize::try_from(self.bytes).unwrap_or(0) } else { usize::MAX }
    }

    /// Bytes were moved.
    pub fn spend(&mut self, bytes: u64) {
        if self.limited {
            self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Whether to ask the hub now, for so many torrents: once per lease, and again when there
    /// are twice as many as it was told.
    pub fn must_ask(&mut self, torrents: u32) -> bool {
        let more = torrents > 0 && torrents / 2 >= self.asked;
        let ask = self.limited && self.bytes <= 0 && more;
        if ask {
            self.asked = torrents;
        }
        ask
    }

    /// A lease came.
    pub fn grant(&mut self, bytes: u64) {
        self.asked = 0;
        if self.limited {
            self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

#[cfg(test)]
mod tests;
