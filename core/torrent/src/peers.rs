//! The addresses of a swarm: whom we know, whom to dial next, whom never again.
//!
//! Source: our own design. Addresses come from trackers and from the user; a failed one is tried
//! again ever more seldom, a banned one never.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use base::{Instant, Rng};

/// Most addresses kept for one torrent: some 100 bytes each.
pub const KNOWN_MAX: usize = 5_000;

/// Most of them parked: enough to fetch again what was lost.
const PARKED_MAX: usize = 100;

/// First pause after a failed dial; doubled with each failure.
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// The same for an address that the user named: he waits for it.
const RETRY_FIRST_USER: Duration = Duration::from_secs(1);
/// Longest pause.
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);
/// After so many failures in a row an address that a tracker named is forgotten.
const FAILURES_MAX: u32 = 6;

/// Who named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user.
    User,
    /// A tracker.
    Tracker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In `queue`, at this time.
    Waiting(Instant),
    /// Dialled or connected.
    Busy,
    /// It has everything, as we do: of use only if we lose something.
    Parked,
}

#[derive(Debug)]
struct Known {
    source: Source,
    failures: u32,
    state: State,
}

/// The known addresses of one torrent. Invariant: `queue` holds exactly the waiting ones.
#[derive(Debug, Default)]
pub struct Peers {
    known: BTreeMap<SocketAddr, Known>,
    queue: BTreeSet<(Instant, SocketAddr)>,
    parked: BTreeSet<SocketAddr>,
    banned: BTreeSet<IpAddr>,
}

impl Peers {
    /// Adds an address; true if it was not known, is not banned, and there was room.
    pub fn add(&mut self, addr: SocketAddr, source: Source, now: Instant) -> bool {
        let useless = addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast();
        if useless || self.is_banned(addr.ip()) || self.known.contains_key(&addr) {
            return false;
        }
        if self.known.len() >= KNOWN_MAX {
            return false;
        }
        self.known.insert(addr, Known { source, failures: 0, state: State::Waiting(now) });
        self.queue.insert((now, addr));
        true
    }

    /// The next address to dial now, which thereby is busy.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        loop {
            let &(at, addr) = self.queue.first()?;
            if at > now {
                return None;
            }
            if !self.is_banned(addr.ip()) {
                self.set_busy(addr);
                return Some(addr);
            }
            // It was known before it was banned.
            self.forget(addr);
        }
    }

    /// When [`Self::next`] has something.
    pub fn deadline(&self) -> Option<Instant> {
        self.queue.first().map(|&(at, _)| at)
    }

    fn set_busy(&mut self, addr: SocketAddr) {
        if let Some(known) = self.known.get_mut(&addr) {
            if let State::Waiting(at) = known.state {
                self.queue.remove(&(at, addr));
            }
            known.state = State::Busy;
        }
    }

    /// A handshake with it succeeded.
    pub fn on_connected(&mut self, addr: SocketAddr) {
        if let Some(known) = self.known.get_mut(&addr) {
            known.failures = 0;
        }
    }

    /// The dial failed, or the connection ended: try again later, unless it is forgotten.
    pub fn on_gone(&mut self, addr: SocketAddr, now: Instant, rng: &mut Rng) {
        let Some(known) = self.known.get_mut(&addr) else { return };
        if self.banned.contains(&addr.ip()) {
            self.forget(addr);
            return;
        }
        known.failures += 1;
        if known.failures > FAILURES_MAX && known.source == Source::Tracker {
            self.forget(addr);
            return;
        }
        let first = match known.source {
            Source::User => RETRY_FIRST_USER,
            Source::Tracker => RETRY_FIRST,
        };
        let pause = (first * (1 << (known.failures - 1).min(10))).min(RETRY_MAX);
        let jitter = Duration::from_millis(u64::from(rng.below(1000)));
        let at = now.after(pause).after(jitter);
        known.state = State::Waiting(at);
        self.queue.insert((at, addr));
    }

    /// Of no use while we are complete.
    pub fn park(&mut self, addr: SocketAddr) {
        // Others need their room, too.
        if self.parked.len() >= PARKED_MAX {
            return self.forget(addr);
        }
        if let Some(known) = self.known.get_mut(&addr) {
            known.state = State::Parked;
            self.parked.insert(addr);
        }
    }

    /// We are not complete any more: all that are parked are to be dialled.
    pub fn unpark(&mut self, now: Instant) {
        for addr in core::mem::take(&mut self.parked) {
            if let Some(known) = self.known.get_mut(&addr) {
                known.state = State::Waiting(now);
                self.queue.insert((now, addr));
            }
        }
    }

    /// Never again.
    pub fn forget(&mut self, addr: SocketAddr) {
        if let Some(Known { state: State::Waiting(at), .. }) = self.known.remove(&addr) {
            self.queue.remove(&(at, addr));
        }
        self.parked.remove(&addr);
    }

    /// Nobody at this IP address is talked to any more.
    pub fn ban(&mut self, ip: IpAddr) {
        if self.banned.len() < KNOWN_MAX {
            self.banned.insert(ip);
        }
    }

    /// Whether nobody at this IP address is talked to.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.banned.contains(&ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::START;

    fn addr(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 6881))
    }

    #[test]
    fn a_failed_address_waits_twice_as_long_each_time() {
        let (mut peers, mut rng) = (Peers::default(), Rng::from_seed(0));
        assert!(peers.add(addr(1), Source::Tracker, NOW));
        assert!(!peers.add(addr(1), Source::User, NOW));
        let (mut now, mut before) = (NOW, Duration::ZERO);
        for _ in 0..FAILURES_MAX {
            assert_eq!(peers.next(now), Some(addr(1)));
            assert_eq!(peers.next(now), None, "it is busy");
            peers.on_gone(addr(1), now, &mut rng);
            let at = peers.deadline().unwrap();
            let pause = at.since(now);
            assert!(pause > before);
            (now, before) = (at, pause);
        }
        assert_eq!(peers.next(now), Some(addr(1)));
        peers.on_gone(addr(1), now, &mut rng);
        assert_eq!(peers.deadline(), None, "a tracker's address is forgotten at last");
    }

    #[test]
    fn useless_and_banned_addresses_are_refused() {
        let mut peers = Peers::default();
        peers.ban(addr(2).ip());
        for bad in ["0.0.0.0:1", "10.0.0.1:0", "239.0.0.1:5", "10.0.0.2:6881"] {
            assert!(!peers.add(bad.parse().unwrap(), Source::User, NOW), "{bad}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut peers = Peers::default();
        for port in 1..=u16::try_from(KNOWN_MAX).unwrap() + 10 {
            peers.add(SocketAddr::from(([10, 0, 0, 1], port)), Source::Tracker, NOW);
        }
        assert_eq!(peers.known.len(), KNOWN_MAX);
    }
}
