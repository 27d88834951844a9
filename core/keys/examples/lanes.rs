//! How fast each engine hashes: `cargo run --release -p shoal-keys --example lanes`.
//!
//! Prints GB/s of one core for each engine and number of streams, from chunks of 16 KiB that stay in the
//! cache: SHA-1 of as many pieces, and SHA-256 of as many leaves.

#![expect(clippy::disallowed_types, reason = "a measurement needs a clock")]

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use keys::{Engine, Feed, Kinds, PieceHash};

const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks do not begin at the same place of their pages: sixteen of these would share twelve ways of a cache.
const STRIDE_BYTES: usize = CHUNK_BYTES + 64;

const STREAMS: [usize; 14] = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 16, 32];

const TIME_EACH: Duration = Duration::from_millis(100);

fn main() -> std::io::Result<()> {
    let memory: Vec<u8> =
        (0..32 * STRIDE_BYTES).map(|i| (i * 7 + (i >> 8)).to_le_bytes()[0]).collect();
    let mut out = std::io::stdout().lock();
    write!(out, "GB/s, streams:   ")?;
    for streams in STREAMS {
        write!(out, "{streams:>6}")?;
    }
    writeln!(out)?;
    for (kinds, name) in
        [(Kinds { v1: true, v2: false }, "SHA-1"), (Kinds { v1: false, v2: true }, "SHA-256")]
    {
        for engine in Engine::ALL {
            if !keys::choose(engine) {
                continue;
            }
            write!(out, "{name:<8} {:<8}", engine.name())?;
            for streams in STREAMS {
                write!(out, "{:>6.2}", gigabytes_per_second(kinds, streams, &memory))?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// The best of five tries.
fn gigabytes_per_second(kinds: Kinds, streams: usize, memory: &[u8]) -> f64 {
    let chunks = || memory.chunks(STRIDE_BYTES).take(streams).map(|chunk| &chunk[..CHUNK_BYTES]);
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let mut hashes = vec![PieceHash::new(kinds); streams];
        let mut bytes = 0;
        let start = Instant::now();
        while start.elapsed() < TIME_EACH / 5 {
            let mut feeds: Vec<Feed<'_>> = hashes
                .iter_mut()
                .zip(chunks())
                .map(|(hash, chunk)| Feed { hash, parts: vec![chunk] })
                .collect();
            keys::feed(&mut feeds);
            bytes += streams * CHUNK_BYTES;
        }
        let seconds = start.elapsed().as_secs_f64();
        black_box(hashes);
        best = best.max(bytes as f64 / seconds / 1e9);
    }
    best
}
