//! Does every leecher that knows the torrent by name alone get it?
//!
//! Method: worlds as in `swarms`, with as many losses, resets and crashes. A leecher asks its peers what the
//! torrent is, anew after a crash, and goes on with what its disk has. Leechers that found out tell others.

use base::Rng;
use sim::scenario::Scenario;
use sim::world;

#[test]
fn every_leecher_finds_out_what_the_torrent_is_and_gets_it() {
    for seed in sim::seeds(200) {
        let mut rng = Rng::from_seed(seed);
        let mut scenario = Scenario::draw(&mut rng);
        scenario.magnets = true;
        scenario.selective = rng.chance(1, 3);
        world::run_scenario(seed, scenario, rng);
    }
}
