//! Where hosts are, how long a datagram takes between two of them, and who lets it in.
//!
//! Invented, but of the right size: round trips of 20 to 60 ms within a region, 110 to 300 ms between
//! regions, a factor of each pair's own, a few hosts behind full queues, jitter, 1 % loss.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use base::{Instant, Rng};

/// Regions: Europe, North America, East Asia, South America, the rest; percent of the hosts in each.
const REGIONS: [u32; 5] = [35, 25, 20, 10, 10];

/// Round trips between regions, in ms, without the hosts' own last mile.
const ROUND_TRIP_MS: [[u32; 5]; 5] = [
    [30, 110, 210, 200, 230],
    [110, 50, 160, 140, 190],
    [210, 160, 60, 280, 130],
    [200, 140, 280, 50, 260],
    [230, 190, 130, 260, 60],
];

/// Datagrams lost, in percent.
const LOSS_PERCENT: u32 = 1;

/// A NAT forgets an endpoint that its host has not sent anything to for so long.
const MAPPING_LIFE: Duration = Duration::from_secs(60);

/// Endpoints after which a NAT looks for some to forget.
const MAPPINGS_SWEPT: usize = 1024;

/// Where a host is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    region: usize,
    /// Its last mile, one way.
    access_us: u32,
}

impl Place {
    /// One of the world. Three percent have a slow last mile: a full queue, or a radio.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut left = rng.below(100);
        let mut region = 0;
        while left >= REGIONS[region] {
            left -= REGIONS[region];
            region += 1;
        }
        let slow = if rng.chance(3, 100) { 50_000 + rng.below(250_000) } else { 0 };
        Self { region, access_us: 1000 + rng.below(14_000) + slow }
    }

    /// How long this datagram takes; `None`: it is lost. `pair` is the same in both directions.
    pub fn delay(self, other: Self, pair: u64, rng: &mut Rng) -> Option<Duration> {
        if rng.chance(LOSS_PERCENT, 100) {
            return None;
        }
        // 0.7 to 1.5 of what is usual between their regions.
        let factor = 700 + Rng::from_seed(pair).below(800);
        let way_us = ROUND_TRIP_MS[self.region][other.region] * factor / 2;
        let burst_us = if rng.chance(1, 100) { rng.below(300_000) } else { 0 };
        let jitter_us = rng.below(8000) + burst_us;
        let us = way_us + self.access_us + other.access_us + jitter_us;
        Some(Duration::from_micros(us.into()))
    }
}

/// A NAT that lets in only those whom its host has just written to.
#[derive(Debug, Default)]
pub struct Nat {
    written: BTreeMap<SocketAddr, Instant>,
}

impl Nat {
    /// Its host writes to `to`.
    pub fn on_sent(&mut self, to: SocketAddr, now: Instant) {
        self.written.insert(to, now);
        if self.written.len() >= MAPPINGS_SWEPT {
            self.written.retain(|_, at| at.after(MAPPING_LIFE) > now);
        }
    }

    /// Whether a datagram of `from` reaches its host.
    pub fn lets_in(&self, from: SocketAddr, now: Instant) -> bool {
        self.written.get(&from).is_some_and(|at| at.after(MAPPING_LIFE) > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_those_of_the_world() {
        let mut rng = Rng::from_seed(1);
        let mut trips: Vec<u128> = Vec::new();
        for pair in 0..10_000 {
            let (a, b) = (Place::draw(&mut rng), Place::draw(&mut rng));
            let there = a.delay(b, pair, &mut rng);
            let back = b.delay(a, pair, &mut rng);
            trips.extend(there.zip(back).map(|(there, back)| (there + back).as_millis()));
        }
        assert!((9700..9900).contains(&trips.len()), "{} of 10000 came back", trips.len());
        trips.sort_unstable();
        let at = |percent: usize| trips[trips.len() * percent / 100];
        assert!((20..80).contains(&at(5)), "{} ms", at(5));
        assert!((150..250).contains(&at(50)), "{} ms", at(50));
        assert!((300..700).contains(&at(95)), "{} ms", at(95));
    }

    #[test]
    fn a_nat_lets_in_who_was_written_to_within_a_minute() {
        let [a, b]: [SocketAddr; 2] = [([1, 1, 1, 1], 1).into(), ([1, 1, 1, 1], 2).into()];
        let at = |s| Instant::START.after(Duration::from_secs(s));
        let mut nat = Nat::default();
        nat.on_sent(a, at(1));
        assert!(nat.lets_in(a, at(60)) && !nat.lets_in(b, at(60)) && !nat.lets_in(a, at(61)));
    }
}
