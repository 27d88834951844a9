//! Several streams at once: one in each lane of a vector.
//!
//! A [`Pass`] collects computations and what is to be added to them, as whole blocks where they lie; only
//! blocks across two parts are copied. Lanes go in lockstep for as many blocks as all of them have in one
//! place. A lane whose stream is through takes the longest that waits. When too few are left for a width
//! to be worth it, they go on in a narrower one.

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(test)]
mod tests;

use core::ops::Range;

use crate::engine::Engine;
use crate::stream::{Block, Rounds, Stream, Taken};

/// Asks for what follows `block` by a few blocks, so that content that is in no cache is hashed as fast as
/// other. Beyond the end it is a hint without effect.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse")]
fn prefetch(block: &Block) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(512).cast());
}

/// Adds blocks to `N` states, which are stored word by word: as many of each row as the first has.
///
/// Unsafe to call unless the CPU has what it was compiled for.
type Kernel<const W: usize, const N: usize> = unsafe fn(&mut [[u32; N]; W], [&[Block]; N]);

/// A kernel, and how many busy lanes it takes to be faster than the next narrower.
struct Width<const W: usize, const N: usize> {
    kernel: Kernel<W, N>,
    busy_min: usize,
}

/// What an engine has for an algorithm.
///
/// Invariant: made by [`kernels`](Lanes::kernels) only, of what this CPU has.
pub(crate) struct Kernels<const W: usize> {
    sixteen: Option<Width<W, 16>>,
    eight: Option<Width<W, 8>>,
    two: Option<Width<W, 2>>,
}

/// An algorithm that has lanes.
pub(crate) trait Lanes<const W: usize>: Rounds {
    /// Panics if this CPU lacks `engine`.
    #[cfg(target_arch = "x86_64")]
    fn kernels(engine: Engine) -> Kernels<W>;

    /// None: the crates use the SHA instructions of aarch64, and four lanes would be no faster.
    #[cfg(not(target_arch = "x86_64"))]
    fn kernels(_engine: Engine) -> Kernels<W> {
        Kernels { sixteen: None, eight: None, two: None }
    }
}

// The least numbers of lanes were measured on Sapphire Rapids, by `examples/lanes`. What a CPU without SHA
// instructions does one by one takes twice as long, so that fewer lanes suffice.

impl Lanes<5> for [u32; 5] {
    #[cfg(target_arch = "x86_64")]
    fn kernels(engine: Engine) -> Kernels<5> {
        let has = engine.instructions();
        let sixteen = Width { kernel: avx512::sha1 as Kernel<5, 16>, busy_min: 10 };
        let ternary = Width { kernel: avx2::ternary::sha1 as Kernel<5, 8>, busy_min: 4 };
        let busy_min = if has.sha { 6 } else { 3 };
        let plain = Width { kernel: avx2::plain::sha1 as Kernel<5, 8>, busy_min };
        let two = Width { kernel: sha_ni::sha1 as Kernel<5, 2>, busy_min: 2 };
        Kernels {
            sixteen: has.avx512.then_some(sixteen),
            eight: has.avx512.then_some(ternary).or(has.avx2.then_some(plain)),
            two: has.sha.then_some(two),
        }
    }
}

impl Lanes<8> for [u32; 8] {
    #[cfg(target_arch = "x86_64")]
    fn kernels(engine: Engine) -> Kernels<8> {
        let has = engine.instructions();
        let sixteen = Width { kernel: avx512::sha256 as Kernel<8, 16>, busy_min: 11 };
        let ternary = Width { kernel: avx2::ternary::sha256 as Kernel<8, 8>, busy_min: 6 };
        let plain = Width { kernel: avx2::plain::sha256 as Kernel<8, 8>, busy_min: 3 };
        let two = Width { kernel: sha_ni::sha256 as Kernel<8, 2>, busy_min: 2 };
        // Without rotations, eight lanes are slower than the SHA instructions.
        let plain = (has.avx2 && !has.sha).then_some(plain);
        Kernels {
            sixteen: has.avx512.then_some(sixteen),
            eight: has.avx512.then_some(ternary).or(plain),
            two: has.sha.then_some(two),
        }
    }
}

/// The most streams that `engine` has lanes for.
pub(crate) fn width<const W: usize>(engine: Engine) -> usize
where
    [u32; W]: Lanes<W>,
{
    let kernels = <[u32; W]>::kernels(engine);
    let eight = kernels.eight.map(|_| 8);
    let two = kernels.two.map(|_| 2);
    kernels.sixteen.map(|_| 16).or(eight).or(two).unwrap_or(1)
}

/// Computations, and the blocks that they are owed.
pub(crate) struct Pass<'a, const W: usize> {
    jobs: Vec<Job<W>>,
    runs: Vec<Run<'a>>,
    /// Blocks across two parts, and paddings.
    kept: Vec<Block>,
}

struct Job<const W: usize> {
    stream: Stream<W>,
    /// What is left of its runs.
    runs: Range<usize>,
    /// Blocks done of the first of them.
    done: usize,
    /// Blocks in `runs`, those done too.
    blocks: usize,
}

/// Adjacent blocks.
#[derive(Clone, Copy)]
enum Run<'a> {
    There(&'a [Block]),
    Kept(usize, usize),
}

impl<'a, const W: usize> Pass<'a, W>
where
    [u32; W]: Lanes<W>,
{
    /// With room for so many computations of a part or two each.
    pub(crate) fn new(jobs: usize) -> Self {
        Self {
            jobs: Vec::with_capacity(jobs),
            runs: Vec::with_capacity(2 * jobs),
            kept: Vec::with_capacity(jobs),
        }
    }

    /// Begins with the next computation.
    pub(crate) fn begin(&mut self, stream: Stream<W>) {
        let end = self.runs.len();
        self.jobs.push(Job { stream, runs: end..end, done: 0, blocks: 0 });
    }

    /// Adds bytes to the computation begun last.
    pub(crate) fn add(&mut self, bytes: &'a [u8]) {
        let job = self.jobs.last_mut().expect("one was begun");
        let Taken { completed, blocks } = job.stream.take(bytes);
        if let Some(block) = completed {
            self.keep(&[block]);
        }
        self.push(Run::There(blocks), blocks.len());
    }

    /// Ends the computation begun last: its state becomes the digest.
    pub(crate) fn end(&mut self) {
        let job = self.jobs.last_mut().expect("one was begun");
        let (blocks, count) = job.stream.padding();
        self.keep(&blocks[..count]);
    }

    fn keep(&mut self, blocks: &[Block]) {
        let at = self.kept.len();
        self.kept.extend_from_slice(blocks);
        self.push(Run::Kept(at, blocks.len()), blocks.len());
    }

    fn push(&mut self, run: Run<'a>, blocks: usize) {
        let job = self.jobs.last_mut().expect("one was begun");
        if blocks > 0 {
            self.runs.push(run);
            job.runs.end += 1;
            job.blocks += blocks;
        }
    }

    /// Does what is owed, and gives the computations back in the order in which they were begun.
    pub(crate) fn run(mut self, engine: Engine) -> impl Iterator<Item = Stream<W>> {
        let kernels = <[u32; W]>::kernels(engine);
        let mut waiting: Vec<usize> = (0..self.jobs.len()).collect();
        waiting.retain(|&job| self.jobs[job].blocks > 0);
        waiting.sort_by_key(|&job| self.jobs[job].blocks);
        self.lockstep(kernels.sixteen.as_ref(), &mut waiting);
        self.lockstep(kernels.eight.as_ref(), &mut waiting);
        self.lockstep(kernels.two.as_ref(), &mut waiting);
        for at in waiting {
            let job = &mut self.jobs[at];
            for run in &self.runs[job.runs.clone()] {
                job.stream.state.compress(&run.blocks(&self.kept)[job.done..]);
                job.done = 0;
            }
        }
        self.jobs.into_iter().map(|job| job.stream)
    }

    /// Works on `waiting`, the longest of which is last, until too few are left for this width.
    fn lockstep<const N: usize>(&mut self, width: Option<&Width<W, N>>, waiting: &mut Vec<usize>) {
        let Some(&Width { kernel, busy_min }) = width else { return };
        let mut lanes = [None; N];
        let mut states = [[0; N]; W];
        let mut busy = 0;
        while busy + waiting.len() >= busy_min {
            for (at, lane) in lanes.iter_mut().enumerate() {
                if lane.is_none()
                    && let Some(job) = waiting.pop()
                {
                    *lane = Some(job);
                    busy += 1;
                    write_column(&mut states, at, &self.jobs[job].stream.state);
                }
            }
            let blocks = self.step(kernel, &mut states, &lanes);
            for (at, lane) in lanes.iter_mut().enumerate() {
                if let Some(job) = *lane
                    && self.is_through_after(job, blocks)
                {
                    self.jobs[job].stream.state = states.map(|word| word[at]);
                    *lane = None;
                    busy -= 1;
                }
            }
        }
        for (at, lane) in lanes.into_iter().enumerate() {
            if let Some(job) = lane {
                self.jobs[job].stream.state = states.map(|word| word[at]);
                waiting.push(job);
            }
        }
        waiting.sort_by_key(|&job| self.jobs[job].blocks - self.jobs[job].done);
    }

    /// Adds to every lane as many blocks as all have in one place; returns how many.
    fn step<const N: usize>(
        &self,
        kernel: Kernel<W, N>,
        states: &mut [[u32; N]; W],
        lanes: &[Option<usize>; N],
    ) -> usize {
        let mut rows: [Option<&[Block]>; N] = [None; N];
        for (row, lane) in rows.iter_mut().zip(lanes) {
            *row = lane.map(|job| {
                let job = &self.jobs[job];
                &self.runs[job.runs.start].blocks(&self.kept)[job.done..]
            });
        }
        let shortest = rows.iter().flatten().min_by_key(|row| row.len()).copied();
        let shortest = shortest.expect("a lane is busy");
        let blocks = shortest.len();
        // An idle lane computes along, for nobody.
        let rows = rows.map(|row| &row.unwrap_or(shortest)[..blocks]);
        // SAFETY: `Kernels` holds those of available engines only.
        #[expect(unsafe_code, reason = "the check is at run time, and once")]
        unsafe {
            kernel(states, rows);
        }
        blocks
    }

    /// Notes that `blocks` of a job were done; whether those were its last.
    fn is_through_after(&mut self, job: usize, blocks: usize) -> bool {
        let job = &mut self.jobs[job];
        job.done += blocks;
        let length = self.runs[job.runs.start].blocks(&self.kept).len();
        if job.done == length {
            job.runs.start += 1;
            job.done = 0;
            job.blocks -= length;
        }
        job.runs.is_empty()
    }
}

impl<'a> Run<'a> {
    fn blocks<'b>(self, kept: &'b [Block]) -> &'b [Block]
    where
        'a: 'b,
    {
        match self {
            Self::There(blocks) => blocks,
            Self::Kept(at, count) => &kept[at..at + count],
        }
    }
}

fn write_column<const W: usize, const N: usize>(
    states: &mut [[u32; N]; W],
    at: usize,
    state: &[u32; W],
) {
    for (words, word) in states.iter_mut().zip(state) {
        words[at] = *word;
    }
}
