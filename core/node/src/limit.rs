//! Global rate limits, leased to shards in quanta.
//!
//! Source: architecture rule 3: limits are leased (bytes per 50 ms), never asked per block. A
//! shard that has used up its lease asks once and gets its share when there is something to
//! share. It may overdraw by one read or one block, which the next lease pays.

use core::time::Duration;
use std::collections::BTreeSet;

use base::Instant;

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

/// The hub's side: a token bucket of two quanta.
#[derive(Debug)]
pub struct Bucket {
    rate: u64,
    /// What is in it, in bytes × 10⁻⁹: a slow bucket must not lose the fractions.
    nano_bytes: u128,
    filled_at: Instant,
    waiting: BTreeSet<usize>,
}

const NANO: u128 = 1_000_000_000;

impl Bucket {
    /// A bucket for `rate` bytes per second, empty at `now`.
    pub fn new(rate: u64, now: Instant) -> Self {
        Self { rate: rate.max(1), nano_bytes: 0, filled_at: now, waiting: BTreeSet::new() }
    }

    /// A shard has nothing left.
    pub fn on_wanted(&mut self, shard: usize) {
        self.waiting.insert(shard);
    }

    /// When [`Self::share`] has something to give.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.filled_at.after(self.pause()))
    }

    /// A quantum, or as long as it takes to fill one byte for each who waits.
    fn pause(&self) -> Duration {
        let byte =
            Duration::from_nanos(1_000_000_000 * self.waiting.len().max(1) as u64 / self.rate + 1);
        QUANTUM.max(byte)
    }

    /// What each waiting shard gets now.
    pub fn share(&mut self, now: Instant) -> Vec<(usize, u64)> {
        let elapsed = now.saturating_since(self.filled_at);
        if elapsed < self.pause() || self.waiting.is_empty() {
            return Vec::new();
        }
        let elapsed = elapsed.min(2 * self.pause());
        self.nano_bytes += u128::from(self.rate) * elapsed.as_nanos();
        self.filled_at = now;
        let waiting = self.waiting.len() as u128;
        let each = u64::try_from(self.nano_bytes / NANO / waiting).unwrap_or(u64::MAX);
        if each == 0 {
            return Vec::new();
        }
        self.nano_bytes -= u128::from(each) * waiting * NANO;
        core::mem::take(&mut self.waiting).into_iter().map(|shard| (shard, each)).collect()
    }
}

/// A shard's side.
#[derive(Debug)]
pub struct Lease {
    limited: bool,
    bytes: i64,
    asked: bool,
}

impl Lease {
    /// Nothing yet, or no limit at all.
    pub fn new(limited: bool) -> Self {
        Self { limited, bytes: 0, asked: false }
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

    /// Whether to ask the hub now; true once per lease.
    pub fn must_ask(&mut self) -> bool {
        let ask = self.limited && self.bytes <= 0 && !self.asked;
        self.asked |= ask;
        ask
    }

    /// A lease came.
    pub fn grant(&mut self, bytes: u64) {
        self.asked = false;
        self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two shards that want all they can get, for `seconds`: bytes moved by each.
    fn moved(rate: u64, chunk: u64, seconds: u64) -> [u64; 2] {
        let mut bucket = Bucket::new(rate, Instant::START);
        let mut leases = [Lease::new(true), Lease::new(true)];
        let mut moved = [0; 2];
        let mut now = Instant::START;
        while now < Instant::START.after(Duration::from_secs(seconds)) {
            for (shard, lease) in leases.iter_mut().enumerate() {
                while lease.available() > 0 {
                    lease.spend(chunk);
                    moved[shard] += chunk;
                }
                if lease.must_ask() {
                    bucket.on_wanted(shard);
                }
            }
            now = bucket.deadline().unwrap();
            for (shard, bytes) in bucket.share(now) {
                leases[shard].grant(bytes);
            }
        }
        moved
    }

    #[test]
    fn two_greedy_shards_share_the_limit_and_never_exceed_it_by_much() {
        for (rate, chunk) in [(20 << 20, 16 << 10), (50_000, 16 << 10), (100, 1), (3, 1)] {
            let [a, b] = moved(rate, chunk, 20);
            let allowed = rate * 20;
            assert!(a + b <= allowed + 2 * chunk + rate / 10, "{a} + {b} of {allowed}");
            assert!((a + b) * 100 >= allowed * 90, "{a} + {b} of {allowed}");
            assert!(a.abs_diff(b) <= allowed / 20 + chunk, "{a} and {b}");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_asked() {
        let mut lease = Lease::new(false);
        lease.spend(1 << 40);
        assert!(!lease.must_ask());
        assert_eq!(lease.available(), usize::MAX);
    }
}
