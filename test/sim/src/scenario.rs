//! What kind of world a seed means.

use core::time::Duration;

use base::Rng;
use node::limit::Rates;

use crate::disk::DiskFaults;
use crate::fault::Fault;

/// The dice, thrown.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Nodes that have everything at the start.
    pub seeders: usize,
    /// Nodes that have nothing.
    pub leechers: usize,
    /// One-way delay between nodes, at least.
    pub delay_min: Duration,
    /// Added to it at random.
    pub jitter: Duration,
    /// Of a thousand chunks, how many are lost once and come a retransmission later.
    pub loss_per_mille: u32,
    /// Bytes under way per direction.
    pub window: usize,
    /// Longest delay of a letter between hub and shard.
    pub letter_delay: Duration,
    /// Longest usual time of a disk job; some take 50 times as long.
    pub disk_delay: Duration,
    /// How disks misbehave.
    pub disk: DiskFaults,
    /// One disk operation that fails. Never drawn: `tests/fail_at.rs` tries them all.
    pub fault: Option<Fault>,
    /// Leechers have the first half of each file at the start, and do not know it.
    pub half_there: bool,
    /// Crashes of leechers, all together.
    pub crashes: u32,
    /// Connections reset, all together.
    pub resets: u32,
    /// Buffers per shard.
    pub buffers: usize,
    /// Limits of every node, the same in both directions.
    pub limits: Rates,
    /// Of a thousand announces, how many fail.
    pub tracker_failures_per_mille: u32,
    /// Leechers want some files only, and others after a crash.
    pub selective: bool,
    /// Leechers know the torrent by name alone.
    pub magnets: bool,
}

impl Scenario {
    /// A quick download from one node to another, in which nothing goes wrong but `fault`.
    pub fn plain(fault: Fault) -> Self {
        let millis = Duration::from_millis;
        Self {
            seeders: 1,
            leechers: 1,
            delay_min: millis(5),
            jitter: millis(5),
            loss_per_mille: 0,
            window: 200_000,
            letter_delay: millis(1),
            disk_delay: millis(20),
            disk: DiskFaults { full_per_mille: 0 },
            fault: Some(fault),
            selective: false,
            magnets: false,
            half_there: false,
            crashes: 0,
            resets: 0,
            // Few, so that runs are written ahead and read back.
            buffers: 3,
            limits: Rates::default(),
            tracker_failures_per_mille: 0,
        }
    }

    /// What `rng` says.
    pub fn draw(rng: &mut Rng) -> Self {
        let millis = |n: u32| Duration::from_millis(u64::from(n));
        let quiet = rng.chance(1, 4);
        Self {
            seeders: 1 + rng.below(2) as usize,
            leechers: 1 + rng.below(4) as usize,
            delay_min: millis(rng.below(100)),
            jitter: millis(1 + rng.below(200)),
            loss_per_mille: if quiet { 0 } else { rng.below(60) },
            window: 20_000 + rng.below(300_000) as usize,
            letter_delay: millis(rng.below(60)),
            disk_delay: millis(1 + rng.below(30)),
            disk: DiskFaults { full_per_mille: if rng.chance(1, 5) { rng.below(100) } else { 0 } },
            fault: None,
            half_there: false,
            crashes: if quiet { 0 } else { rng.below(4) },
            resets: if quiet { 0 } else { rng.below(12) },
            buffers: 4 + rng.below(40) as usize,
            limits: Rates {
                global: rng.chance(1, 4).then(|| u64::from(50_000 + rng.below(2_000_000))),
                ..Rates::default()
            },
            tracker_failures_per_mille: rng.below(300),
            selective: false,
            magnets: false,
        }
    }
}
