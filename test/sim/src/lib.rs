//! A deterministic world for whole nodes: virtual clock, network, disks, tracker, crashes.
//!
//! A run is a function of its seed and nothing else: faults are drawn from the seed, the clock
//! jumps to the next event. The nodes are the ones that users run, a hub and two shards each;
//! only sockets, threads and disks are simulated. Start at [`world`].

pub mod content;
pub mod disk;
pub mod network;
pub mod scenario;
pub mod world;

/// The seeds that a simulation test runs.
///
/// `SIM_SEED=n` runs that one seed, to replay a failure. `SIM_SEEDS=count` and
/// `SIM_FIRST_SEED=n` set the range. Otherwise `count_default` seeds from a first one that is
/// new each day of CI (`SIM_FIRST_SEED` is set there), or 0.
pub fn seeds(count_default: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SIM_SEED") {
        return seed..seed + 1;
    }
    let first = number("SIM_FIRST_SEED").unwrap_or(0);
    let seeds = first..first + number("SIM_SEEDS").unwrap_or(count_default);
    eprintln!("seeds {} to {}", seeds.start, seeds.end - 1);
    seeds
}
