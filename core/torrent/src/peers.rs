//! The addresses of a swarm: whom we know, whom to dial next, whom never again.
//!
//! Source: our own design; BEP 40 for the order. Addresses come from trackers and from the user; a
//! failed one is tried again ever more seldom, a banned one never. Of those that may be dialled
//! now, the ones that the user named come first, then by canonical priority.
//!
//! Invariants: an address that waits is in exactly one of `later` and `due`; `spare` holds exactly
//! the waiting ones that somebody else than the user named.

pub mod priority;

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use base::{Instant, Rng};

use priority::{Votes, priority};

/// Most addresses kept for one torrent: some 200 bytes each.
pub const KNOWN_MAX: usize = 5_000;

/// First pause after a failed dial; doubled with each failure.
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// The same for an address that the user named: he waits for it.
const RETRY_FIRST_USER: Duration = Duration::from_secs(1);
/// Longest pause.
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);
/// After so many failures in a row an address that a tracker named is forgotten.
const FAILURES_MAX: u32 = 6;
/// In a full table, an address that nobody named for so long makes room for a new one: trackers
/// say who is there about twice an hour.
const STALE_AFTER: Duration = Duration::from_secs(45 * 60);

/// Who named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user.
    User,
    /// A tracker.
    Tracker,
    /// The magnet link (BEP 9, `x.pe`).
    Link,
    /// The distributed hash table (BEP 5).
    Dht,
    /// Another peer (BEP 11).
    Pex,
    /// The local network (BEP 14).
    Lan,
}

/// Place in the order of dialling: first those of the user, then the highest priority.
type Rank = (bool, Reverse<u32>);

/// What an address is worth that waits: failures, and when it was named last.
type Worth = (Reverse<u32>, Instant);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In `later`, until then.
    Later(Instant),
    /// In `due`, at this place.
    Due(Rank),
    /// Dialled or connected.
    Busy,
}

#[derive(Debug)]
struct Known {
    source: Source,
    failures: u32,
    /// When it was named last.
    named_at: Instant,
    /// It was named for the swarm of version 2 (BEP 52).
    v2: bool,
    state: State,
}

impl Known {
    /// The order in which those that wait are given up for others: who failed most first, then
    /// who was named longest ago.
    fn worth(&self) -> Worth {
        (Reverse(self.failures), self.named_at)
    }
}

/// The known addresses of one torrent.
#[derive(Debug, Default)]
pub struct Peers {
    known: BTreeMap<SocketAddr, Known>,
    later: BTreeSet<(Instant, SocketAddr)>,
    due: BTreeSet<(Rank, SocketAddr)>,
    spare: BTreeSet<(Worth, SocketAddr)>,
    banned: BTreeSet<IpAddr>,
    /// Those that are complete, as we are: trackers go on to name them.
    seeds: BTreeSet<SocketAddr>,
    /// Where others find us, by IPv4 and IPv6, once somebody has said so.
    ours: [Option<SocketAddr>; 2],
    votes: Votes,
    /// In place of a priority while that is not known: random, and the same for an address each
    /// time.
    salt: u64,
}

impl Peers {
    /// No addresses yet. `salt` is random.
    pub fn new(salt: u64) -> Self {
        Self { salt, ..Self::default() }
    }

    /// Adds an address; true if it was not known, is not banned, and there was room.
    pub fn add(&mut self, addr: SocketAddr, source: Source, now: Instant) -> bool {
        let useless = addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast();
        let seed = source != Source::User && self.seeds.contains(&addr);
        if useless || seed || self.is_banned(addr.ip()) {
            return false;
        }
        if let Some(mut known) = self.take(addr) {
            known.named_at = now;
            self.put(addr, known);
            return false;
        }
        if self.known.len() >= KNOWN_MAX && !self.make_room(source, now) {
            return false;
        }
        let state = State::Due(self.rank(addr, source));
        self.put(addr, Known { source, failures: 0, named_at: now, v2: false, state });
        true
    }

    /// It is in the swarm of version 2 of a hybrid (BEP 52).
    pub fn on_v2(&mut self, addr: SocketAddr) {
        if let Some(known) = self.known.get_mut(&addr) {
            known.v2 = true;
        }
    }

    /// Whether it is known to be in the swarm of version 2.
    pub fn is_v2(&self, addr: SocketAddr) -> bool {
        self.known.get(&addr).is_some_and(|known| known.v2)
    }

    /// Forgets the address that is worth least, if it is worth less than a new one of `source`.
    fn make_room(&mut self, source: Source, now: Instant) -> bool {
        let Some(&((Reverse(failures), named_at), addr)) = self.spare.first() else { return false };
        let stale = now.saturating_since(named_at) > STALE_AFTER;
        let room = failures > 0 || stale || source == Source::User;
        if room {
            self.forget(addr);
        }
        room
    }

    /// Takes an address out of every index.
    fn take(&mut self, addr: SocketAddr) -> Option<Known> {
        let known = self.known.remove(&addr)?;
        match known.state {
            State::Later(at) => drop(self.later.remove(&(at, addr))),
            State::Due(rank) => drop(self.due.remove(&(rank, addr))),
            State::Busy => {}
        }
        self.spare.remove(&(known.worth(), addr));
        Some(known)
    }

    /// Puts it back.
    fn put(&mut self, addr: SocketAddr, known: Known) {
        match known.state {
            State::Later(at) => drop(self.later.insert((at, addr))),
            State::Due(rank) => drop(self.due.insert((rank, addr))),
            State::Busy => {}
        }
        if known.source != Source::User && known.state != State::Busy {
            self.spare.insert((known.worth(), addr));
        }
        self.known.insert(addr, known);
    }

    fn rank(&self, addr: SocketAddr, source: Source) -> Rank {
        (source != Source::User, Reverse(self.priority(addr)))
    }

    /// How much a peer is preferred to others (BEP 40), or at random until our address is known.
    pub fn priority(&self, addr: SocketAddr) -> u32 {
        match self.ours[family(addr.ip())] {
            Some(ours) => priority(ours, addr),
            None => {
                let (ip, port) = (addr.ip().to_canonical(), addr.port());
                let bits = match ip {
                    IpAddr::V4(ip) => u64::from(u32::from(ip)),
                    IpAddr::V6(ip) => {
                        let [a, b] = [u128::from(ip) >> 64, u128::from(ip) & u128::from(u64::MAX)];
                        u64::try_from(a ^ b).unwrap_or_default()
                    }
                };
                let seed = self.salt ^ bits.rotate_left(16) ^ u64::from(port);
                u32::try_from(Rng::from_seed(seed).next_u64() >> 32).unwrap_or_default()
            }
        }
    }

    /// Others find us at this address.
    pub fn set_ours(&mut self, ours: SocketAddr) {
        let known = &mut self.ours[family(ours.ip())];
        if known.replace(ours) == Some(ours) {
            return;
        }
        let due: Vec<SocketAddr> = self.due.iter().map(|&(_, addr)| addr).collect();
        for addr in due {
            if let Some(known) = self.take(addr) {
                let state = State::Due(self.rank(addr, known.source));
                self.put(addr, Known { state, ..known });
            }
        }
    }

    /// The peer at `from` says that it sees us at `ip`. A tracker's word counts more.
    pub fn on_our_ip(&mut self, from: IpAddr, ip: IpAddr, listen_port: u16) {
        if self.ours[family(ip)].is_none()
            && let Some(ip) = self.votes.on_vote(from, ip)
        {
            self.set_ours(SocketAddr::new(ip, listen_port));
        }
    }

    /// The next address to dial now, which thereby is busy.
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        self.wake(now);
        loop {
            let &(_, addr) = self.due.first()?;
            if self.is_banned(addr.ip()) {
                // It was known before it was banned.
                self.forget(addr);
                continue;
            }
            let known = self.take(addr)?;
            self.put(addr, Known { state: State::Busy, ..known });
            return Some(addr);
        }
    }

    /// Whether somebody waits to be dialled now.
    pub fn is_anybody_due(&mut self, now: Instant) -> bool {
        self.wake(now);
        !self.due.is_empty()
    }

    /// Those whose pause is over are due.
    fn wake(&mut self, now: Instant) {
        while let Some(&(at, addr)) = self.later.first() {
            if at > now {
                return;
            }
            let Some(known) = self.take(addr) else { return };
            let state = State::Due(self.rank(addr, known.source));
            self.put(addr, Known { state, ..known });
        }
    }

    /// When [`Self::next`] has something.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(Instant::START);
        }
        self.later.first().map(|&(at, _)| at)
    }

    /// Payload moved between us: it is worth another try. A handshake alone proves nothing.
    pub fn on_useful(&mut self, addr: SocketAddr) {
        if let Some(known) = self.take(addr) {
            self.put(addr, Known { failures: 0, ..known });
        }
    }

    /// The dial failed, or the connection ended: try again later, unless it is forgotten.
    pub fn on_gone(&mut self, addr: SocketAddr, now: Instant, rng: &mut Rng) {
        let Some(mut known) = self.take(addr) else { return };
        known.failures += 1;
        // Next by the name of version 1, which offers version 2, too.
        known.v2 = false;
        let hopeless = known.failures > FAILURES_MAX && known.source != Source::User;
        if hopeless || self.is_banned(addr.ip()) {
            return;
        }
        let first = match known.source {
            Source::User => RETRY_FIRST_USER,
            Source::Tracker | Source::Link | Source::Dht | Source::Pex | Source::Lan => RETRY_FIRST,
        };
        let pause = (first * (1 << (known.failures - 1).min(10))).min(RETRY_MAX);
        let jitter = Duration::from_millis(u64::from(rng.below(1000)));
        known.state = State::Later(now.after(pause).after(jitter));
        self.put(addr, known);
    }

    /// It made room for somebody else: its turn comes again, after everybody's.
    pub fn on_replaced(&mut self, addr: SocketAddr, now: Instant) {
        if let Some(known) = self.take(addr) {
            let state = State::Later(now.after(RETRY_MAX));
            self.put(addr, Known { state, ..known });
        }
    }

    /// It is complete, and so are we: there is no use in another try.
    pub fn on_seed(&mut self, addr: SocketAddr) {
        self.take(addr);
        if self.seeds.len() < KNOWN_MAX {
            self.seeds.insert(addr);
        }
    }

    /// We lack something: those that are complete are of use.
    pub fn welcome_seeds(&mut self, now: Instant) {
        for addr in core::mem::take(&mut self.seeds) {
            self.add(addr, Source::Tracker, now);
        }
    }

    /// Never again.
    pub fn forget(&mut self, addr: SocketAddr) {
        self.take(addr);
    }

    /// Nobody at this IP address is talked to any more. False if that was so before.
    pub fn ban(&mut self, ip: IpAddr) -> bool {
        self.banned.len() < KNOWN_MAX && self.banned.insert(ip.to_canonical())
    }

    /// Whether nobody at this IP address is talked to.
    pub fn is_banned(&self, ip: IpAddr) -> bool {
        self.banned.contains(&ip.to_canonical())
    }
}

/// Index of an address family.
fn family(ip: IpAddr) -> usize {
    usize::from(ip.to_canonical().is_ipv6())
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
        let later = NOW.after(STALE_AFTER / 2);
        let new = addr(2);
        assert!(!peers.add(new, Source::Tracker, later), "all are as good");
        let first = peers.next(later).unwrap();
        peers.on_gone(first, later, &mut Rng::from_seed(0));
        assert!(peers.add(new, Source::Tracker, later), "in place of one that failed");
        assert_eq!((peers.known.len(), peers.known.contains_key(&first)), (KNOWN_MAX, false));
        assert!(!peers.add(addr(3), Source::Tracker, later));
        assert!(peers.add(addr(3), Source::User, later), "the user's come first");
        let port = SocketAddr::from(([10, 0, 0, 1], 7));
        peers.add(port, Source::Tracker, later);
        let later = NOW.after(STALE_AFTER).after(Duration::from_secs(1));
        for last in 4..=250 {
            assert!(peers.add(addr(last), Source::Tracker, later), "nobody named the old ones");
        }
        assert!(peers.known.contains_key(&port), "it was named again");
        assert_eq!(peers.known.len(), KNOWN_MAX);
        assert_eq!(peers.spare.len(), KNOWN_MAX - 1, "all but the user's");
        assert_eq!(peers.due.len(), KNOWN_MAX);
    }

    #[test]
    fn five_thousand_are_dialled_by_priority_and_the_dead_are_forgotten() {
        let (mut peers, mut rng) = (Peers::new(7), Rng::from_seed(0));
        let ours = SocketAddr::from(([80, 1, 2, 3], 6881));
        for n in 0..u32::try_from(KNOWN_MAX).unwrap() {
            let ip = (n * 65_537 + 0x0b00_0001).to_be_bytes();
            peers.add(SocketAddr::from((ip, 6881)), Source::Tracker, NOW);
        }
        assert!(peers.add(SocketAddr::from(([9, 9, 9, 9], 1)), Source::User, NOW));
        peers.set_ours(ours);
        let dialled: Vec<SocketAddr> = core::iter::from_fn(|| peers.next(NOW)).collect();
        assert_eq!(dialled.len(), KNOWN_MAX);
        assert_eq!(dialled[0], SocketAddr::from(([9, 9, 9, 9], 1)));
        assert!(dialled[1..].is_sorted_by_key(|&addr| Reverse(priority(ours, addr))));
        let (mut now, mut dials) = (NOW, 0);
        for addr in dialled {
            peers.on_gone(addr, now, &mut rng);
        }
        while let Some(at) = peers.deadline().filter(|_| peers.known.len() > 1) {
            now = now.max(at);
            while let Some(addr) = peers.next(now) {
                dials += 1;
                peers.on_gone(addr, now, &mut rng);
            }
        }
        let expected = (KNOWN_MAX - 1) * usize::try_from(FAILURES_MAX).unwrap();
        assert!((expected..expected + 100).contains(&dials), "{dials} dials");
        let lasted = now.since(NOW);
        assert!(lasted > Duration::from_secs(15 * 63), "ever more seldom: {lasted:?}");
    }

    #[test]
    fn who_made_room_comes_again_after_the_others() {
        let mut peers = Peers::default();
        peers.add(addr(1), Source::Tracker, NOW);
        assert_eq!(peers.next(NOW), Some(addr(1)));
        peers.on_replaced(addr(1), NOW);
        assert!(!peers.is_anybody_due(NOW));
        assert_eq!(peers.deadline(), Some(NOW.after(RETRY_MAX)));
    }
}
