//! Local service discovery: tells this network what we have, and hears who else has it.
//!
//! Source: BEP 14. Each torrent is announced every five minutes, and there is at most one announce a
//! minute for each address family, which names as many torrents as fit. Nobody is answered: who hears an
//! announce and has the torrent dials its sender.
//! What we do differently: torrents that are added together wait a second for each other, and a torrent
//! that is added right after an announce waits its minute, since all neighbours pay for what we say.
//!
//! Invariant: a torrent is in `due` exactly once.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use base::{InfoHash, Instant, Rng};
use wire::lsd::{Announce, Cookie, HASHES_MAX};

use crate::tracker_client::Families;

/// From one announce of a torrent to the next (BEP 14).
pub const ANNOUNCE_EVERY: Duration = Duration::from_secs(5 * 60);

/// Shortest time between two announces (BEP 14).
pub const ANNOUNCE_PAUSE: Duration = Duration::from_secs(60);

/// How long the first torrent waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// Datagrams looked at in a second; who sends more is no neighbour but a flood. A network of a thousand
/// machines sends fewer than twenty.
const HEARD_MAX: u32 = 100;

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Where we accept peers.
    pub port: u16,
    /// Over which families.
    pub families: Families,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this to the group of IPv6, or else to that of IPv4, on every interface.
    Announce {
        /// Which group.
        v6: bool,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// A neighbour says that it has this. We may not have it.
    Peer(InfoHash, SocketAddr),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Lsd {
    config: Config,
    cookie: Cookie,
    torrents: BTreeMap<InfoHash, Instant>,
    /// When each is to be announced.
    due: BTreeSet<(Instant, InfoHash)>,
    /// Until then nothing is said.
    quiet_until: Instant,
    /// The second that is being counted, and what was heard in it.
    heard: (Instant, u32),
    outputs: VecDeque<Output>,
}

impl Lsd {
    /// A machine without torrents.
    pub fn new(config: Config, mut rng: Rng) -> Self {
        Self {
            config,
            cookie: Cookie(u32::try_from(rng.next_u64() >> 32).expect("32 bits")),
            torrents: BTreeMap::new(),
            due: BTreeSet::new(),
            quiet_until: Instant::START,
            heard: (Instant::START, 0),
            outputs: VecDeque::new(),
        }
    }

    /// Announces a torrent from now on. It must not be private.
    pub fn add(&mut self, info_hash: InfoHash, now: Instant) {
        if !self.torrents.contains_key(&info_hash) {
            self.schedule(info_hash, now.after(GATHER));
        }
    }

    /// Announces it no more. Nobody is told: BEP 14 has no word for it.
    pub fn remove(&mut self, info_hash: InfoHash) {
        if let Some(at) = self.torrents.remove(&info_hash) {
            self.due.remove(&(at, info_hash));
        }
    }

    fn schedule(&mut self, info_hash: InfoHash, at: Instant) {
        self.remove(info_hash);
        self.torrents.insert(info_hash, at);
        self.due.insert((at, info_hash));
    }

    /// A datagram came to one of the groups.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let (since, count) = self.heard;
        self.heard = if now.saturating_since(since) < Duration::from_secs(1) {
            (since, count.saturating_add(1))
        } else {
            (now, 1)
        };
        if self.heard.1 > HEARD_MAX {
            return;
        }
        let Ok(announce) = Announce::decode(bytes) else { return };
        if announce.cookie == Some(self.cookie) {
            return;
        }
        let mut addr = from;
        addr.set_port(announce.port);
        let peers =
            announce.info_hashes.into_iter().filter(|hash| self.torrents.contains_key(hash));
        self.outputs.extend(peers.map(|info_hash| Output::Peer(info_hash, addr)));
    }

    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at.max(self.quiet_until))
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        // What would be due before the next announce may be made goes with this one.
        let until = now.after(ANNOUNCE_PAUSE);
        let soon = self.due.iter().take_while(|&&(at, _)| at < until);
        let info_hashes: Vec<InfoHash> = soon.take(HASHES_MAX).map(|&(_, hash)| hash).collect();
        for &info_hash in &info_hashes {
            self.schedule(info_hash, now.after(ANNOUNCE_EVERY));
        }
        self.quiet_until = until;
        let announce = Announce { port: self.config.port, info_hashes, cookie: Some(self.cookie) };
        for (v6, used) in [(false, self.config.families.v4), (true, self.config.families.v6)] {
            if used {
                self.outputs.push_back(Output::Announce { v6, bytes: announce.encode(v6) });
            }
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use base::Rng;
    use proptest::prelude::*;

    use super::*;

    const FROM: &str = "192.0.2.9:6771";

    fn lsd(families: (bool, bool)) -> Lsd {
        let families = Families { v4: families.0, v6: families.1 };
        Lsd::new(Config { port: 6881, families }, Rng::from_seed(0))
    }

    fn hash(n: u8) -> InfoHash {
        InfoHash([n; 20])
    }

    fn at(secs: u64) -> Instant {
        Instant::START.after(Duration::from_secs(secs))
    }

    /// What it does up to `until`: `61:4[1 2]` is an announce over IPv4 of two torrents after 61 s.
    fn run(lsd: &mut Lsd, until: Instant) -> String {
        let mut words = Vec::new();
        while let Some(now) = lsd.deadline().filter(|&at| at <= until) {
            lsd.on_deadline(now);
            while let Some(output) = lsd.poll_output() {
                let Output::Announce { v6, bytes } = output else { panic!("{output:?}") };
                let announce = Announce::decode(&bytes).unwrap();
                assert_eq!(announce.port, 6881);
                let names: Vec<_> =
                    announce.info_hashes.iter().map(|hash| hash.0[0].to_string()).collect();
                let secs = now.saturating_since(Instant::START).as_secs();
                words.push(format!("{secs}:{}[{}]", if v6 { 6 } else { 4 }, names.join(" ")));
            }
        }
        words.join(" ")
    }

    #[test]
    fn torrents_are_announced_together_every_five_minutes_over_each_family() {
        let mut lsd = lsd((true, true));
        lsd.add(hash(2), at(0));
        lsd.add(hash(1), at(0));
        lsd.add(hash(1), at(0));
        assert_eq!(run(&mut lsd, at(400)), "1:4[1 2] 1:6[1 2] 301:4[1 2] 301:6[1 2]");
        lsd.remove(hash(1));
        assert_eq!(run(&mut lsd, at(700)), "601:4[2] 601:6[2]");
        lsd.remove(hash(2));
        assert_eq!(lsd.deadline(), None);
    }

    #[test]
    fn who_comes_late_waits_a_minute() {
        let mut lsd = lsd((true, false));
        lsd.add(hash(1), at(0));
        assert_eq!(run(&mut lsd, at(10)), "1:4[1]");
        lsd.add(hash(2), at(10));
        assert_eq!(run(&mut lsd, at(420)), "61:4[2] 301:4[1] 361:4[2]");
    }

    #[test]
    fn many_torrents_take_turns() {
        let mut lsd = lsd((true, false));
        (0..60).for_each(|n| lsd.add(hash(n), at(0)));
        let said = run(&mut lsd, at(200));
        let times: Vec<_> = said.split(" ").filter(|word| word.contains(':')).collect();
        assert_eq!(times, ["1:4[0", "61:4[24", "121:4[48"], "{said}");
    }

    fn hears(lsd: &mut Lsd, announce: &Announce, now: Instant) -> Vec<Output> {
        lsd.on_datagram(FROM.parse().unwrap(), &announce.encode(false), now);
        std::iter::from_fn(|| lsd.poll_output()).collect()
    }

    #[test]
    fn a_neighbour_is_told_for_what_we_have_and_we_are_not_our_neighbour() {
        let mut lsd = lsd((true, false));
        lsd.add(hash(1), at(0));
        let mut announce =
            Announce { port: 51413, info_hashes: vec![hash(1), hash(9)], cookie: None };
        let peer = Output::Peer(hash(1), "192.0.2.9:51413".parse().unwrap());
        assert_eq!(hears(&mut lsd, &announce, at(0)), std::slice::from_ref(&peer));
        announce.cookie = Some(Cookie(lsd.cookie.0 ^ 1));
        assert_eq!(hears(&mut lsd, &announce, at(0)), [peer]);
        announce.cookie = Some(lsd.cookie);
        assert_eq!(hears(&mut lsd, &announce, at(0)), []);
        announce.cookie = None;
        lsd.remove(hash(1));
        assert_eq!(hears(&mut lsd, &announce, at(0)), []);
    }

    #[test]
    fn a_flood_is_not_listened_to_for_longer_than_it_lasts() {
        let mut lsd = lsd((true, false));
        lsd.add(hash(1), at(0));
        let announce = Announce { port: 51413, info_hashes: vec![hash(1)], cookie: None };
        let heard = (0..1000).map(|_| hears(&mut lsd, &announce, at(5)).len()).sum::<usize>();
        assert_eq!(heard, HEARD_MAX as usize);
        assert_eq!(hears(&mut lsd, &announce, at(6)).len(), 1);
    }

    proptest! {
        /// Whatever comes and goes: never two announces within a minute, none of what is gone, and
        /// none that is there waits longer than the others need.
        #[test]
        fn announces_keep_their_distance(steps in prop::collection::vec((0..40u8, any::<bool>(), 0..90u64), 1..80)) {
            let mut lsd = lsd((true, false));
            let (mut now, mut last) = (0, None);
            let mut there = BTreeSet::new();
            for (n, add, wait) in steps {
                if add {
                    lsd.add(hash(n), at(now));
                    there.insert(n);
                } else {
                    lsd.remove(hash(n));
                    there.remove(&n);
                }
                now += wait;
                while let Some(due) = lsd.deadline().filter(|&due| due <= at(now)) {
                    lsd.on_deadline(due);
                    while let Some(Output::Announce { bytes, .. }) = lsd.poll_output() {
                        prop_assert!(last.is_none_or(|last: Instant| due.saturating_since(last) >= ANNOUNCE_PAUSE));
                        last = Some(due);
                        let announce = Announce::decode(&bytes).unwrap();
                        prop_assert!(announce.info_hashes.iter().all(|hash| there.contains(&hash.0[0])));
                    }
                }
                prop_assert_eq!(lsd.due.len(), there.len());
                let first = lsd.deadline();
                prop_assert!(first.is_none_or(|first| first <= at(now).after(ANNOUNCE_EVERY)));
            }
        }
    }
}
