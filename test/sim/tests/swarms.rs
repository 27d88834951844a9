//! Does every honest node finish, whatever the network, the disks and the power do?
//!
//! Method: 1 or 2 seeders and 1 to 4 leechers find each other by a tracker that fails at times.
//! Streams stall and are reset, letters between hub and shards are late, disks are slow, full at
//! times and forget what was not synced when a leecher crashes. See `sim::world` for what is
//! checked at each step and at the end.

use sim::world;

#[test]
fn every_node_finishes_with_everything_durable() {
    for seed in sim::seeds(300) {
        world::run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 17] {
        assert_eq!(world::run(seed), world::run(seed), "seed {seed}");
    }
}
