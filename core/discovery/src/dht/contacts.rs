//! How many endpoints we have begun to talk to in the last minute.
//!
//! Home routers keep an entry per endpoint for one to three minutes. Some have room for 8192, others for
//! far less, and when it is full nothing works any more, for the whole household. So the bound is exact: no minute
//! has more than so many endpoints, and those that somebody waits for have a quarter of it for themselves.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use base::Instant;

use super::id::is_local;

const MINUTE: Duration = Duration::from_secs(60);

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Contacts {
    per_minute: usize,
    /// Oldest first.
    begun: VecDeque<(Instant, SocketAddr)>,
    known: BTreeSet<SocketAddr>,
}

impl Contacts {
    pub(crate) fn new(per_minute: usize) -> Self {
        Self { per_minute: per_minute.max(4), begun: VecDeque::new(), known: BTreeSet::new() }
    }

    /// Whether we may send a query to `addr` now; if so, it counts.
    pub(crate) fn allow(&mut self, addr: SocketAddr, urgent: bool, now: Instant) -> bool {
        while let Some((begun, old)) = self.begun.front().copied()
            && begun.after(MINUTE) <= now
        {
            self.begun.pop_front();
            self.known.remove(&old);
        }
        if is_local(addr.ip()) || self.known.contains(&addr) {
            return true;
        }
        let max = if urgent { self.per_minute } else { self.per_minute / 4 * 3 };
        if self.begun.len() >= max {
            return false;
        }
        self.begun.push_back((now, addr));
        self.known.insert(addr);
        true
    }

    /// When there will be room again for one that was not allowed.
    pub(crate) fn free_at(&self, now: Instant) -> Instant {
        self.begun.front().map_or(now, |(begun, _)| begun.after(MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::START.after(Duration::from_secs(s))
    }

    fn addr(number: u8) -> SocketAddr {
        SocketAddr::from(([11, 0, 0, number], 1))
    }

    #[test]
    fn no_minute_has_more_new_endpoints_than_allowed() {
        let mut contacts = Contacts::new(8);
        let allowed = (0..20).filter(|n| contacts.allow(addr(*n), true, at(u64::from(*n)))).count();
        assert_eq!(allowed, 8);
        assert_eq!(contacts.free_at(at(20)), at(60));
        assert!(contacts.allow(addr(3), true, at(21)), "known");
        assert!(contacts.allow("127.0.0.1:1".parse().unwrap(), true, at(21)), "local");
        assert!(!contacts.allow(addr(30), true, at(59)));
        assert!(contacts.allow(addr(30), true, at(60)));
        assert!(!contacts.allow(addr(31), true, at(60)));
    }

    #[test]
    fn who_is_waited_for_has_a_share_of_its_own() {
        let mut contacts = Contacts::new(8);
        assert_eq!((0..20).filter(|n| contacts.allow(addr(*n), false, at(0))).count(), 6);
        assert_eq!((20..40).filter(|n| contacts.allow(addr(*n), true, at(0))).count(), 2);
    }
}
