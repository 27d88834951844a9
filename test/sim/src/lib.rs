//! A deterministic world for whole nodes: virtual clock, network, disks, tracker, crashes.
//!
//! A run is a function of its seed and nothing else: faults are drawn from the seed, the clock
//! jumps to the next event. The nodes are the ones that users run, a hub and two shards each;
//! only sockets, threads and disks are simulated. Start at [`world`].

#![expect(clippy::panic, reason = "a world that is wrong ends its run by a panic")]

use std::io::Write as _;

pub mod content;
pub mod crowd;
pub mod dht;
pub mod disk;
pub mod fault;
pub mod hostile;
pub mod lying;
pub mod money;
pub mod network;
pub mod power;
pub mod scenario;
pub mod tally;
pub mod tron_chain;
pub mod world;

/// The seeds that a simulation test runs.
///
/// `SIM_SEED=n` runs that one seed, to replay a failure. `SIM_SEEDS=count` and
/// `SIM_FIRST_SEED=n` set the range. Otherwise `count_default` seeds from a first one that is
/// new each day of CI (`SIM_FIRST_SEED` is set there), or 0.
///
/// Tells every hundredth seed, past the test harness, which would swallow it when the process
/// is aborted (by want of memory, say).
pub fn seeds(count_default: u64) -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = if let Some(seed) = number("SIM_SEED") {
        seed..seed + 1
    } else {
        let first = number("SIM_FIRST_SEED").unwrap_or(0);
        first..first + number("SIM_SEEDS").unwrap_or(count_default)
    };
    let (first, end) = (seeds.start, seeds.end);
    seeds.inspect(move |seed| {
        if (seed - first).is_multiple_of(100) {
            let last = end.min(seed + 100) - 1;
            writeln!(std::io::stderr(), "simulating seeds {seed} to {last}")
                .expect("stderr is open");
        }
    })
}
