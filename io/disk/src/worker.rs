//! A worker: one job after the other, except for those that hash, which are better done together.
//!
//! Pieces of version 1 are hashed in lanes, one each, so that several must be there at once. While they
//! come fast, they are staged: whoever stages the last that there is room for does them all, or whoever has
//! waited in vain for another. Then each is written and answered by itself. At 1 GiB/s this took hashing
//! from 0.5 to 0.2 CPU s/GiB; a job is held up for some milliseconds, in which others arrive.
//!
//! No staged job is forgotten: the thread that staged it comes back after [`LINGER`] at the latest,
//! and whatever else it is to do, it does those first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use storage::job::DiskJob;

use crate::execute::{Executor, Scratch, hash_of, run_to_hash};
use crate::lockstep::LaneReader;
use crate::pool::Completion;
use crate::run::{hash_all, run_bytes};

/// Bytes of writes that are hashed together: half of a shard's buffers, so that it can go on reading.
const BATCH_BYTES_MAX: u64 = 8 << 20;

/// How long another job is waited for.
const LINGER: Duration = Duration::from_millis(2);

/// Jobs come fast if they are no farther apart. Slower ones are not held up: there is time to hash
/// them one by one.
const FAST: Duration = Duration::from_millis(4);

#[expect(clippy::large_enum_variant, reason = "nearly every message is a job")]
pub(crate) enum Message {
    Job(DiskJob, Arc<Completion>),
    Stop,
}

/// What the workers of one queue hold up for each other.
#[derive(Default)]
pub(crate) struct Staging(Mutex<Staged>);

#[derive(Default)]
struct Staged {
    batch: Batch,
    /// When the last job came.
    last: Option<Instant>,
}

/// Jobs of which something is hashed.
#[derive(Default)]
struct Batch {
    writes: Vec<(DiskJob, Arc<Completion>)>,
    reads: Vec<(DiskJob, Arc<Completion>)>,
    /// Of the writes.
    bytes: u64,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.reads.is_empty()
    }

    /// Whether another job would not make it better.
    fn is_full(&self) -> bool {
        let lanes = keys::lanes();
        self.writes.len() >= lanes || self.reads.len() >= lanes || self.bytes >= BATCH_BYTES_MAX
    }
}

impl Staging {
    /// Adds a job; gives what is to be done now.
    fn add(&self, job: DiskJob, completion: Arc<Completion>, is_read: bool) -> Option<Batch> {
        // Leaves of version 2 fill lanes by themselves.
        let waits = hash_of(&job).is_some_and(|hash| hash.kinds().v1);
        let now = Instant::now();
        let mut staged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of a recheck come as others are answered, and nobody waits for one of them.
        let is_fast = is_read || staged.last.is_some_and(|last| now.duration_since(last) < FAST);
        staged.last = Some(now);
        let batch = &mut staged.batch;
        if is_read {
            batch.reads.push((job, completion));
        } else {
            batch.writes.push((job, completion));
        }
        let mut job = batch.writes.last_mut().filter(|_| !is_read);
        let run = job.as_mut().and_then(|(job, _)| run_to_hash(job));
        batch.bytes += run.and_then(|run| run_bytes(run.blocks)).unwrap_or(0);
        (!waits || !is_fast || batch.is_full()).then(|| core::mem::take(batch))
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).batch.is_empty()
    }

    /// What is staged, if nothing came for so long.
    fn take_after(&self, quiet: Duration) -> Batch {
        let mut staged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if staged.last.is_some_and(|last| last.elapsed() < quiet) {
            return Batch::default();
        }
        core::mem::take(&mut staged.batch)
    }
}

/// Does jobs until it is stopped. Of the workers, and of the sync thread.
pub(crate) fn perform(executor: &Executor, staging: &Staging, jobs: &Receiver<Message>) {
    let mut worker =
        Worker { executor, scratch: Scratch::default(), reader: LaneReader::default() };
    loop {
        let message = if staging.is_empty() {
            jobs.recv().map_err(|_all_gone| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(LINGER)
        };
        match message {
            Ok(Message::Job(mut job, completion)) => {
                let is_write = run_to_hash(&mut job).is_some();
                if is_write || executor.is_at_hand(&job) {
                    if let Some(batch) = staging.add(job, completion, !is_write) {
                        worker.finish(batch);
                    }
                } else {
                    worker.finish(staging.take_after(Duration::ZERO));
                    worker.execute(job, &completion);
                }
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                worker.finish(staging.take_after(Duration::ZERO));
                return;
            }
            Err(RecvTimeoutError::Timeout) => worker.finish(staging.take_after(LINGER)),
        }
    }
}

struct Worker<'a> {
    executor: &'a Executor,
    scratch: Scratch,
    reader: LaneReader,
}

impl Worker<'_> {
    fn execute(&mut self, job: DiskJob, completion: &Completion) {
        completion(self.executor.execute(job, &mut self.scratch, &mut self.reader));
    }

    fn finish(&mut self, batch: Batch) {
        let Batch { mut writes, reads, .. } = batch;
        hash_all(writes.iter_mut().filter_map(|(job, _)| run_to_hash(job)).collect());
        for (job, completion) in writes {
            self.execute(job, &completion);
        }
        let (jobs, completions): (Vec<_>, Vec<_>) = reads.into_iter().unzip();
        let done = self.executor.hash_together(jobs, &mut self.reader);
        for (done, completion) in done.into_iter().zip(completions) {
            completion(done);
        }
    }
}
