//! Does every leecher get the files that it wants, and no other?
//!
//! Method: worlds as in `swarms`, with more crashes. Each leecher wants some files, and after a
//! crash perhaps others: what is in the part file, or in files that are not wanted any more, must
//! serve it then. See `sim::world` for what is checked at each step and at the end.

use base::Rng;
use sim::scenario::Scenario;
use sim::world;

#[test]
fn every_node_gets_what_it_wants_and_makes_no_other_file() {
    for seed in sim::seeds(200) {
        let mut rng = Rng::from_seed(seed);
        let mut scenario = Scenario::draw(&mut rng);
        scenario.selective = true;
        scenario.crashes *= 2;
        world::run_scenario(seed, scenario, rng);
    }
}
