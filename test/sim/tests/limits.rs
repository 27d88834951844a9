//! Do swarms finish under limits, and keep to them?
//!
//! Method: the worlds of `swarms.rs`, with limits of all torrents, of each torrent, and of the
//! local network, where all of these nodes are. At each step no node has sent more than they allow.

use base::Rng;
use node::limit::{LanLimit, Rates};
use sim::scenario::Scenario;
use sim::world;

#[test]
fn nodes_finish_and_keep_to_their_limits() {
    let rates = |global, torrent| Rates { global, torrent, ..Rates::default() };
    let apart = |rate| Rates { lan: LanLimit::Apart(rate), ..rates(Some(1), Some(1)) };
    let limits = [
        rates(None, Some(100_000)),
        rates(Some(60_000), Some(100_000)),
        rates(Some(1 << 20), Some(200_000)),
        apart(None),
        apart(Some(100_000)),
    ];
    for seed in sim::seeds(40) {
        let mut rng = Rng::from_seed(seed);
        let drawn = Scenario::draw(&mut rng);
        let limits = limits[usize::try_from(seed).expect("small") % limits.len()];
        world::run_scenario(seed, Scenario { limits, ..drawn }, rng);
    }
}
