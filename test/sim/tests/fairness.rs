//! Does a swarm spread a torrent about as fast as its uplinks allow, and who gets what?
//!
//! Method: swarm machines alone, between uplinks of a known rate (see `sim::crowd`). Nobody can be
//! done before the seeder sent every byte once, nor before all together sent it to all.

use core::time::Duration;

use base::Rng;
use sim::crowd::{self, Crowd, Fate, Kind, Member};

const PIECES: u32 = 256;
const PIECE_BYTES: u32 = 256 << 10;
const TOTAL_BYTES: u64 = PIECES as u64 * PIECE_BYTES as u64;

/// A crowd in which everybody's uplink is the same and all come within a second.
fn crowd(rng: &mut Rng, seeders: u32, leechers: u32, riders: u32) -> Crowd {
    let up_rate = u64::from(1 + rng.below(5)) << 20;
    let kinds = [(Kind::Seeder, seeders), (Kind::Leecher, leechers), (Kind::FreeRider, riders)];
    let members = kinds.into_iter().flat_map(|(kind, count)| vec![kind; count as usize]);
    let mut start = |kind| match kind {
        Kind::Seeder => Duration::ZERO,
        Kind::Leecher | Kind::FreeRider => Duration::from_millis(u64::from(rng.below(1000))),
    };
    let members: Vec<Member> =
        members.map(|kind| Member { kind, up_rate, start: start(kind) }).collect();
    let delay = Duration::from_millis(u64::from(1 + rng.below(50)));
    let watched_until_done = leechers as usize;
    Crowd { members, pieces: PIECES, piece_bytes: PIECE_BYTES, delay, watched_until_done }
}

fn last_done(fates: &[Fate]) -> Duration {
    fates.iter().filter_map(|fate| fate.done).max().expect("somebody was done")
}

#[test]
fn one_seeder_spreads_a_torrent_in_about_the_ideal_time() {
    for seed in sim::seeds(30) {
        let crowd = crowd(&mut Rng::from_seed(seed), 1, 10, 0);
        let ideal = TOTAL_BYTES as f64 / crowd.members[0].up_rate as f64;
        let fates = crowd::run(seed, &crowd);
        // The last comes up to a second late.
        let ratio = (last_done(&fates).as_secs_f64() - 1.0) / ideal;
        assert!(ratio < 1.25, "seed {seed}: {ratio:.2} times the ideal");
        let sent = fates[0].up as f64 / TOTAL_BYTES as f64;
        assert!(sent < 1.25, "seed {seed}: the seeder sent everything {sent:.2} times");
    }
}

#[test]
fn who_gives_nothing_gets_less_than_a_third_of_what_others_get() {
    for seed in sim::seeds(60) {
        let mut rng = Rng::from_seed(seed);
        let (leechers, riders) = (8 + rng.below(5), 1 + rng.below(3));
        let mut crowd = crowd(&mut rng, 1, leechers, riders);
        // Who is done has nothing better to do than to give to all.
        crowd.watched_until_done = leechers as usize / 2;
        let fates = crowd::run(seed, &crowd);
        let (givers, takers) = fates[1..].split_at(leechers as usize);
        let mean = |part: &[Fate]| {
            part.iter().map(|fate| fate.down).sum::<u64>() as f64 / part.len() as f64
        };
        let ratio = mean(takers) / mean(givers);
        assert!(ratio <= 0.3, "seed {seed}: {ratio:.2}, {leechers} leechers, {riders} riders");
    }
}
