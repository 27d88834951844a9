//! How fast each engine hashes: `cargo run --release -p shoal-keys --example lanes`.
//!
//! Prints GB/s of one core for each engine and number of streams, from chunks of 16 KiB that stay in the
//! cache: SHA-1 of as many pieces, and SHA-256 of as many leaves.
//!
//! With `FILE v1|v2 THREADS`: reads the file and hashes it in lanes, sixteen pieces of 1 MiB at once, and
//! nothing else. That is the limit that `bench/hash.py` measures `verify` and `create` against.

#![expect(clippy::disallowed_types, reason = "a measurement needs a clock, and reads a file")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::io::{Error, Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use keys::{Engine, Feed, Kinds, PieceHash};

const CHUNK_BYTES: usize = 16 * 1024;

/// Chunks do not begin at the same place of their pages: sixteen of these would share twelve ways of a cache.
const STRIDE_BYTES: usize = CHUNK_BYTES + 64;

const STREAMS: [usize; 14] = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 14, 16, 32];

const TIME_EACH: Duration = Duration::from_millis(100);

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments {
        [] => table(),
        [file, kind, threads] => {
            let v1 = kind == "v1";
            let threads = threads.parse().map_err(Error::other)?;
            read_and_hash(file, Kinds { v1, v2: !v1 }, threads)
        }
        _ => Err(Error::other("usage: lanes [FILE v1|v2 THREADS]")),
    }
}

const PIECE_BYTES: usize = 1 << 20;
const LANES: usize = 16;
/// Sixteen of these stay in the second-level cache.
const STEP_BYTES: usize = 64 * 1024;

/// A file of a whole number of groups of pieces.
fn read_and_hash(path: &str, kinds: Kinds, threads: usize) -> std::io::Result<()> {
    let length = usize::try_from(File::open(path)?.metadata()?.len()).map_err(Error::other)?;
    let groups = length / (LANES * PIECE_BYTES);
    std::thread::scope(|scope| {
        let work = |thread| {
            scope.spawn(move || -> std::io::Result<()> {
                let mut file = File::open(path)?;
                let mut memory = vec![0; LANES * (STEP_BYTES + 64)];
                for group in (thread..groups).step_by(threads) {
                    hash_group(&mut file, group * LANES * PIECE_BYTES, kinds, &mut memory)?;
                }
                Ok(())
            })
        };
        let threads: Vec<_> = (0..threads).map(work).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })
}

fn hash_group(
    file: &mut File,
    start: usize,
    kinds: Kinds,
    memory: &mut [u8],
) -> std::io::Result<()> {
    let mut hashes = vec![PieceHash::new(kinds); LANES];
    for step in 0..PIECE_BYTES / STEP_BYTES {
        let mut feeds = Vec::with_capacity(LANES);
        let buffers = memory.chunks_mut(STEP_BYTES + 64);
        for (lane, (hash, buffer)) in hashes.iter_mut().zip(buffers).enumerate() {
            let at = start + lane * PIECE_BYTES + step * STEP_BYTES;
            file.seek(SeekFrom::Start(at as u64))?;
            let buffer = &mut buffer[..STEP_BYTES];
            file.read_exact(buffer)?;
            feeds.push(Feed { hash, parts: vec![&*buffer] });
        }
        keys::feed(&mut feeds);
    }
    black_box(hashes);
    Ok(())
}

fn table() -> std::io::Result<()> {
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
