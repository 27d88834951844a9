//! The threads, their queues, and the handle that a shard submits through.
//!
//! Every queue is bounded by `queue_jobs_max`: a full one gives the job back. Each job that was
//! taken is answered exactly once, on the thread that did it.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base::{FileIndex, InfoHash, TorrentId};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use storage::job::{DiskDone, DiskError, DiskJob, DoneKind, JobKind};

use crate::beneath::Guard;
use crate::execute::Executor;
use crate::files::FileTable;
use crate::known_files::KnownFile;
use crate::resume_db::{Place, ResumeDb, StartError};
use crate::worker::{Message, Staging, perform};

/// Most records committed in one transaction: one sync of the database serves them all, and the
/// last waits no longer than the writing of so many.
const COMMIT_BATCH_MAX: usize = 64;

/// How a pool is made.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// How many threads write, read and hash, at least 1.
    pub workers: usize,
    /// How many jobs may wait in each of the three queues (work, sync, commit), at least 1.
    pub queue_jobs_max: usize,
    /// How many descriptors are kept open, root folders included, at least 1.
    pub open_files_max: usize,
    /// The database of resume records. Without it they are kept in memory and die with the pool.
    pub state_db: Option<PathBuf>,
}

/// Called with each answer on the thread that did the job. It must not block for long: it pushes
/// into the shard's queue and wakes the shard.
pub type Completion = Box<dyn Fn(DiskDone) + Send + Sync>;

struct Shared {
    executor: Arc<Executor>,
    work: Sender<Message>,
    sync: Sender<Message>,
    commit: Sender<Message>,
    stopping: AtomicBool,
}

impl Shared {
    fn queue(&self, kind: &JobKind) -> &Sender<Message> {
        match kind {
            JobKind::Open { .. }
            | JobKind::Write { .. }
            | JobKind::Hash { .. }
            | JobKind::MakeResident { .. }
            | JobKind::Copy { .. }
            | JobKind::Remove { .. }
            | JobKind::Close => &self.work,
            JobKind::Sync { .. } => &self.sync,
            JobKind::Commit { .. } => &self.commit,
        }
    }
}

/// The disk threads. Dropping it finishes the jobs that wait and joins the threads.
pub struct DiskPool {
    shared: Arc<Shared>,
    workers: usize,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for DiskPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskPool").field("workers", &self.workers).finish_non_exhaustive()
    }
}

impl DiskPool {
    /// Opens the database and starts the threads.
    ///
    /// # Errors
    /// The database can't be used, or there are no threads to be had.
    pub fn start(config: DiskConfig) -> Result<Self, StartError> {
        Self::start_with(config, Guard::detect())
    }

    pub(crate) fn start_with(config: DiskConfig, guard: Guard) -> Result<Self, StartError> {
        let DiskConfig { workers, queue_jobs_max, open_files_max, state_db } = config;
        let workers = workers.max(1);
        let db = ResumeDb::open(state_db.as_deref())?;
        let executor = Arc::new(Executor { table: FileTable::new(open_files_max, guard), db });
        let (work, work_jobs) = bounded(queue_jobs_max.max(1));
        let (sync, sync_jobs) = bounded(queue_jobs_max.max(1));
        let (commit, commit_jobs) = bounded(queue_jobs_max.max(1));
        let shared = Shared {
            executor: Arc::clone(&executor),
            work,
            sync,
            commit,
            stopping: AtomicBool::new(false),
        };
        // From here on `Drop` stops the threads that did start.
        let mut pool = Self { shared: Arc::new(shared), workers, threads: Vec::new() };
        let staging = Arc::new(Staging::default());
        for number in 0..workers {
            let staging = Arc::clone(&staging);
            let work = move |executor: &Executor, jobs: &_| perform(executor, &staging, jobs);
            pool.spawn(format!("disk-{number}"), work_jobs.clone(), work)?;
        }
        let sync = |executor: &Executor, jobs: &_| perform(executor, &Staging::default(), jobs);
        pool.spawn("disk-sync".to_owned(), sync_jobs, sync)?;
        pool.spawn("disk-commit".to_owned(), commit_jobs, perform_commits)?;
        Ok(pool)
    }

    fn spawn(
        &mut self,
        name: String,
        jobs: Receiver<Message>,
        body: impl FnOnce(&Executor, &Receiver<Message>) + Send + 'static,
    ) -> Result<(), StartError> {
        let executor = Arc::clone(&self.shared.executor);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || body(&executor, &jobs))
            .map_err(StartError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Bytes that nobody else knows, drawn when the state database was made: the same in each run
    /// that uses it. Without a database they are anew.
    pub fn installation(&self) -> [u8; 16] {
        self.shared.executor.db.installation()
    }

    /// A way to submit jobs, whose answers go to `completion`. One for each shard.
    pub fn handle(&self, completion: Completion) -> DiskHandle {
        DiskHandle { shared: Arc::clone(&self.shared), completion: Arc::new(completion) }
    }

    /// What is known of the place of a torrent in the folder `root`.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn place(&self, info_hash: InfoHash, root: &Path) -> Result<Place, DiskError> {
        self.shared.executor.db.place(info_hash, root)
    }

    /// Remembers that a torrent lies in the folder `root` as `name`. Waits for the disk: to be
    /// called before torrents run, not while.
    ///
    /// # Errors
    /// The database can't be written.
    pub fn remember_place(
        &self,
        info_hash: InfoHash,
        root: &Path,
        name: &str,
    ) -> Result<(), DiskError> {
        self.shared.executor.db.remember_place(info_hash, root, name)
    }

    /// Keeps `value` under `name` for later runs, in place of what was there. Waits for the disk.
    ///
    /// # Errors
    /// The database can't be written.
    pub fn remember(&self, name: &str, value: &[u8]) -> Result<(), DiskError> {
        self.shared.executor.db.remember(name, value)
    }

    /// What was kept under `name`, and how long ago.
    pub fn recall(&self, name: &str) -> Option<(Vec<u8>, Duration)> {
        self.shared.executor.db.recall(name)
    }

    /// Takes `files` for those of a complete torrent, which belongs to `collections` (BEP 38). Waits for
    /// the disk.
    ///
    /// # Errors
    /// The database can't be written.
    pub fn remember_files(
        &self,
        info_hash: InfoHash,
        files: &[KnownFile],
        collections: &[String],
    ) -> Result<(), DiskError> {
        self.shared.executor.db.remember_files(info_hash, files, collections)
    }

    /// Files of complete torrents that had this content, by the root of its hash tree (BEP 52).
    ///
    /// # Errors
    /// The database can't be read.
    pub fn files_with_root(&self, root: &[u8; 32]) -> Result<Vec<PathBuf>, DiskError> {
        self.shared.executor.db.files_with_root(root)
    }

    /// Files of complete torrents: of `similar` ones, and of those that belong to `collections` (BEP 38).
    ///
    /// # Errors
    /// The database can't be read.
    pub fn files_of_relatives(
        &self,
        similar: &[InfoHash],
        collections: &[String],
    ) -> Result<Vec<KnownFile>, DiskError> {
        self.shared.executor.db.files_of_relatives(similar, collections)
    }

    /// Takes no more jobs, finishes and answers those that wait, and joins the threads. A job
    /// submitted on another thread at this very moment may be dropped unanswered.
    pub fn shutdown(self) {
        drop(self);
    }

    #[cfg(test)]
    pub(crate) fn table(&self) -> &FileTable {
        &self.shared.executor.table
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Fails only if all threads of the queue are gone (or never came), and then it is done.
        for _ in 0..self.workers {
            self.shared.work.send(Message::Stop).ok();
        }
        self.shared.sync.send(Message::Stop).ok();
        self.shared.commit.send(Message::Stop).ok();
        for thread in self.threads.drain(..) {
            // A panic there was reported when it happened.
            thread.join().ok();
        }
    }
}

/// Submits jobs to the pool. Cheap to clone.
#[derive(Clone)]
pub struct DiskHandle {
    shared: Arc<Shared>,
    completion: Arc<Completion>,
}

impl fmt::Debug for DiskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskHandle").finish_non_exhaustive()
    }
}

impl DiskHandle {
    /// Takes a job, without waiting.
    ///
    /// # Errors
    /// The job itself, untouched: the queue is full (try again after some completion), or the
    /// pool is shutting down.
    #[expect(clippy::result_large_err, reason = "the job must come back to its owner by value")]
    pub fn submit(&self, job: DiskJob) -> Result<(), DiskJob> {
        if self.shared.stopping.load(Ordering::SeqCst) {
            return Err(job);
        }
        let queue = self.shared.queue(&job.kind);
        match queue.try_send(Message::Job(job, Arc::clone(&self.completion))) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => match message
            {
                Message::Job(job, _) => Err(job),
                Message::Stop => unreachable!("we sent a job"),
            },
        }
    }

    /// A descriptor of a file, good for reading, for `sendfile`. None if the torrent is not open
    /// or the file can't be opened.
    ///
    /// Mostly a look-up: the file was open when its range was made resident. Else it is opened
    /// here and now.
    pub fn file_for_send(&self, torrent: TorrentId, file: FileIndex) -> Option<Arc<File>> {
        let table = &self.shared.executor.table;
        let torrent = table.torrent("read", torrent).ok()?;
        table.for_read(&torrent, file).ok()
    }
}

/// The commit thread: what waits goes into one transaction.
fn perform_commits(executor: &Executor, jobs: &Receiver<Message>) {
    let mut stop = false;
    while !stop {
        let mut batch = Vec::new();
        let mut next = jobs.recv().ok();
        loop {
            match next {
                Some(Message::Job(job, completion)) => {
                    if let JobKind::Commit { record } = job.kind {
                        batch.push((job.torrent, job.id, record, completion));
                    }
                }
                Some(Message::Stop) => stop = true,
                None => break,
            }
            if stop || batch.len() >= COMMIT_BATCH_MAX {
                break;
            }
            next = jobs.try_recv().ok();
        }
        if batch.is_empty() {
            // Stopped, or nobody can send any more.
            return;
        }
        let records: Vec<_> = batch.iter().map(|(_, _, record, _)| &**record).collect();
        let result = executor.commit(&records);
        for (torrent, id, _, completion) in batch {
            let kind = DoneKind::Committed { result: result.clone() };
            completion(DiskDone { torrent, id, kind });
        }
    }
}
