//! Does every honest node finish among peers that mean harm, and are the right ones blamed?
//!
//! Method: the world of `swarms`, with hostile peers in it: they corrupt, turn bad, are silent,
//! never answer, reject, drip, talk, flood; some are Sybils, eight of one subnet. Every node must
//! finish with everything durable, nobody may be banned but those that sent wrong bytes, and who
//! spoilt several pieces of a node must have been named by it.

use std::net::SocketAddr;

use base::Rng;
use sim::hostile::Malice;
use sim::scenario::Scenario;
use sim::world;

/// Sybils: addresses of one subnet.
const SYBILS: u8 = 8;

fn hostiles(rng: &mut Rng) -> Vec<(SocketAddr, Malice)> {
    let mut hostiles = Vec::new();
    for index in (0..4).take(1 + rng.below(4) as usize) {
        hostiles.push((SocketAddr::from(([90, index, 0, 1], 6881)), Malice::draw(rng)));
    }
    if rng.chance(1, 3) {
        let malice = Malice::draw(rng);
        for last in 1..=SYBILS {
            hostiles.push((SocketAddr::from(([91, 0, 0, last], 6881)), malice));
        }
    }
    hostiles
}

fn run(seed: u64) -> world::Outcome {
    let mut rng = Rng::from_seed(seed);
    let scenario = Scenario::draw(&mut rng);
    let hostiles = hostiles(&mut rng);
    world::run_against(seed, scenario, &hostiles, rng)
}

#[test]
fn every_honest_node_finishes_and_the_culprits_are_named() {
    for seed in sim::seeds(60) {
        run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(5), run(5));
}
