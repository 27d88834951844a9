//! A chain on a thread of its own.
//!
//! Source: own. Questions and broadcasts queue, bounded; the thread takes all that waits, makes one
//! block of the broadcasts on a chain that makes blocks on demand, and answers each after the block
//! is on the disk: many share one sync. Signatures are checked on the asker's thread.
//!
//! The clock is read here and nowhere else in this crate.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::TxId;
use tokio::sync::{mpsc, oneshot};

use crate::chain::Chain;
use crate::config::BlockTime;
use crate::received::Received;
use crate::refusal::{ChainError, Refused, ResponseCode};

/// Questions that wait; who asks more waits himself.
const QUEUE_MAX: usize = 4_096;

/// Questions taken before a block is made of what came with them.
const BATCH_MAX: usize = 1_024;

type Question = Box<dyn FnOnce(&mut Chain, u64) + Send>;
type Answer = oneshot::Sender<Result<TxId, Refused>>;

/// Age of the newest block at which a question has an empty one made first, on a chain that makes
/// blocks on demand. Whoever waits for a transaction's expiration waits for a final block later
/// than it, and on a chain where nothing happens would wait for ever.
const IDLE_MS_MAX: u64 = 30_000;

enum Job {
    Broadcast(Box<Received>, Answer),
    Ask(Question),
    /// The same of a chain as it is, however idle.
    Handle(Question),
}

/// The running thread. Dropping it lets the thread finish what waits, and waits for it.
#[derive(Debug)]
pub struct Node {
    thread: Option<std::thread::JoinHandle<Result<(), ChainError>>>,
    stop: Option<oneshot::Sender<()>>,
}

/// Asks a running chain; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    jobs: mpsc::Sender<Job>,
}

impl core::fmt::Debug for Job {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Broadcast(received, _) => write!(f, "Broadcast {}", received.id()),
            Self::Ask(_) => f.write_str("Ask"),
            Self::Handle(_) => f.write_str("Handle"),
        }
    }
}

impl Node {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(chain: Chain) -> std::io::Result<(Self, Handle)> {
        let (jobs, waiting) = mpsc::channel(QUEUE_MAX);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new()
            .name("chain".to_owned())
            .spawn(move || runtime.block_on(serve(chain, waiting, stopped)))?;
        Ok((Self { thread: Some(thread), stop: Some(stop) }, Handle { jobs }))
    }

    /// Ends the thread after what waits, and closes the database.
    ///
    /// # Errors
    /// What was taken for the next block could not be kept, or the thread has panicked.
    pub fn stop(mut self) -> Result<(), ChainError> {
        drop(self.stop.take());
        match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(kept)) => kept,
            // A panic there has been reported by its hook.
            Some(Err(_)) => Err(ChainError::Stopped),
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by its hook.
            drop(thread.join());
        }
    }
}

impl Handle {
    /// Offers a signed transaction. On a chain that makes blocks on demand the answer comes when
    /// it is in a block on the disk; else when it waits for one.
    ///
    /// # Errors
    /// As [`Chain::broadcast`]; `ServerBusy` if the chain has stopped.
    pub async fn broadcast(&self, bytes: Vec<u8>) -> Result<TxId, Refused> {
        let received = Received::parse(bytes)?;
        let (answer, answered) = oneshot::channel();
        self.jobs
            .send(Job::Broadcast(Box::new(received), answer))
            .await
            .map_err(|_closed| gone())?;
        answered.await.map_err(|_closed| gone())?
    }

    /// Runs `question` on the chain's thread, with its time in milliseconds. On a chain that makes
    /// blocks on demand, a block follows if the question left a transaction waiting; a question
    /// whose answer should mean that it is on the disk calls [`Chain::produce`] itself.
    ///
    /// # Errors
    /// The chain has stopped.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Chain, u64) -> T + Send + 'static,
    ) -> Result<T, ChainError> {
        self.queue(question, Job::Ask).await
    }

    /// As [`Self::ask`], but no empty block is made first however old the newest is: for who has his
    /// own hands on the chain's blocks and clock.
    ///
    /// # Errors
    /// The chain has stopped.
    pub async fn handle<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Chain, u64) -> T + Send + 'static,
    ) -> Result<T, ChainError> {
        self.queue(question, Job::Handle).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Chain, u64) -> T + Send + 'static,
        job: fn(Question) -> Job,
    ) -> Result<T, ChainError> {
        let (answer, answered) = oneshot::channel();
        let boxed: Question = Box::new(move |chain, now_ms| {
            // Who asked may have gone away.
            drop(answer.send(question(chain, now_ms)));
        });
        self.jobs.send(job(boxed)).await.map_err(|_closed| ChainError::Stopped)?;
        answered.await.map_err(|_closed| ChainError::Stopped)
    }
}

fn gone() -> Refused {
    Refused { code: ResponseCode::ServerBusy, message: ChainError::Stopped.to_string() }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Until the next block on a schedule. The network's blocks come at whole multiples too.
fn until_block(block_time: BlockTime) -> Option<Duration> {
    match block_time {
        BlockTime::OnDemand => None,
        BlockTime::Every(interval) => {
            let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
            Some(Duration::from_millis(interval_ms - now_ms() % interval_ms))
        }
    }
}

async fn serve(
    mut chain: Chain,
    mut waiting: mpsc::Receiver<Job>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<(), ChainError> {
    let block_time = chain.config().block_time;
    let mut due = until_block(block_time).map(|wait| tokio::time::Instant::now() + wait);
    let mut jobs = Vec::new();
    loop {
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = &mut stopped => waiting.close(),
            () = timer => {
                // A failed database is told to whoever asks next.
                drop(chain.mine(now_ms()));
                due = until_block(block_time).map(|wait| tokio::time::Instant::now() + wait);
                continue;
            }
            count = waiting.recv_many(&mut jobs, BATCH_MAX) => if count == 0 {
                return chain.produce(now_ms()).map(drop);
            },
        }
        if jobs.is_empty() {
            // Told to stop: what was taken in is answered first.
            while waiting.recv_many(&mut jobs, BATCH_MAX).await > 0 {
                work(&mut chain, &mut jobs, block_time);
            }
            // What was taken for the next block is kept: nobody is left to wait for it.
            return chain.produce(now_ms()).map(drop);
        }
        work(&mut chain, &mut jobs, block_time);
    }
}

/// Answers what came: broadcasts when their block is on the disk, then questions. Nobody can tell
/// the difference, since none of them had an answer yet.
fn work(chain: &mut Chain, jobs: &mut Vec<Job>, block_time: BlockTime) {
    let mut accepted: Vec<(Answer, TxId)> = Vec::new();
    let mut questions = Vec::new();
    let now_ms = now_ms();
    chain.tick(now_ms);
    for job in jobs.drain(..) {
        match job {
            Job::Broadcast(received, answer) => {
                if !chain.has_room(&received) {
                    settle(chain, core::mem::take(&mut accepted), block_time);
                }
                match chain.accept(*received, now_ms) {
                    Ok(id) if block_time == BlockTime::OnDemand => accepted.push((answer, id)),
                    outcome => drop(answer.send(outcome)),
                }
            }
            Job::Ask(question) => questions.push((question, true)),
            Job::Handle(question) => questions.push((question, false)),
        }
    }
    settle(chain, accepted, block_time);
    for (question, wants_time_to_pass) in questions {
        let on_demand = block_time == BlockTime::OnDemand;
        if wants_time_to_pass && on_demand && chain.idle_ms() > IDLE_MS_MAX {
            // A failed database is told to who asks.
            drop(chain.mine(now_ms));
        }
        question(chain, now_ms);
    }
    settle(chain, Vec::new(), block_time);
}

/// Makes the block on a chain that makes them on demand, and answers.
fn settle(chain: &mut Chain, accepted: Vec<(Answer, TxId)>, block_time: BlockTime) {
    if block_time != BlockTime::OnDemand {
        return;
    }
    let made = chain.produce(now_ms());
    if made.is_err() {
        // They are told that it failed, and must not find it done later.
        chain.forget_waiting();
    }
    for (answer, id) in accepted {
        let outcome = match &made {
            Ok(_) => Ok(id),
            Err(error) => Err(Refused::from(error.clone())),
        };
        drop(answer.send(outcome));
    }
}
