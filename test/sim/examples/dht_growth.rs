//! How DHT lookups and memory grow with the network: a row per size, for `bench/dht_growth.py`.
//!
//!     cargo run -p shoal-sim --example dht_growth -- [SEED] [NODES...]
//!
//! Memory is counted where it is allocated, and told by what taking all machines out of the world frees.

#![expect(unsafe_code, reason = "an allocator that counts has to be one")]

use core::cell::Cell;
use core::time::Duration;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write as _};
use std::time::Instant;

use sim::dht::{Setting, World, percentile};

struct Counting;

thread_local! {
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all work is `System`'s; what is counted besides is a cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.set(LIVE_BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the caller keeps the promises that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE_BYTES.set(LIVE_BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the promises that `System` wants.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const COLUMNS: &str = "nodes\tlookups\tsuccess\tfirst_ms\tfirst_p95_ms\tdone_ms\tdone_p95_ms\tasked\
    \tdatagrams\tendpoints\tflying_bytes\tdead\tsybils\tbehind_nat\ttable\tnode_bytes\twall_s";

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let seed = args.next().unwrap_or(0);
    let mut sizes: Vec<usize> = args.collect();
    if sizes.is_empty() {
        sizes = vec![100, 300, 1000, 3000, 10_000];
    }
    let mut out = io::stdout();
    writeln!(out, "{COLUMNS}")?;
    for nodes in sizes {
        writeln!(out, "{}", row(u64::try_from(seed).expect("a seed"), nodes))?;
    }
    Ok(())
}

fn row(seed: u64, nodes: usize) -> String {
    let began = Instant::now();
    let count = 1000;
    let mut world = World::new(seed, Setting::of(nodes, count));
    world.settle();
    world.announce();
    world.die();
    let tables = world.tables();
    let lookups = world.look_up().to_vec();
    let full = LIVE_BYTES.get();
    let left = world.clear();
    let node_bytes = (full - LIVE_BYTES.get()) / left;
    let success = lookups.iter().filter(|lookup| lookup.first.is_some()).count();
    let ms = |percent, time: fn(&sim::dht::Lookup) -> Option<Duration>| {
        percentile(lookups.iter().filter_map(time), percent).as_millis()
    };
    let median = |of: fn(&sim::dht::Lookup) -> usize| percentile(lookups.iter().map(of), 50);
    let percent = |part: usize| 100.0 * part as f64 / tables.entries as f64;
    let columns = [
        nodes.to_string(),
        count.to_string(),
        format!("{:.2}", 100.0 * success as f64 / count as f64),
        ms(50, |lookup| lookup.first).to_string(),
        ms(95, |lookup| lookup.first).to_string(),
        ms(50, |lookup| lookup.done).to_string(),
        ms(95, |lookup| lookup.done).to_string(),
        median(|lookup| lookup.asked as usize).to_string(),
        median(|lookup| lookup.datagrams as usize).to_string(),
        median(|lookup| lookup.endpoints.len()).to_string(),
        median(|lookup| lookup.flying_bytes_max).to_string(),
        format!("{:.1}", percent(tables.dead)),
        format!("{:.1}", percent(tables.sybils)),
        format!("{:.1}", percent(tables.behind_nat)),
        (tables.entries / left).to_string(),
        node_bytes.to_string(),
        format!("{:.1}", began.elapsed().as_secs_f64()),
    ];
    columns.join("\t")
}
