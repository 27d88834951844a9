//! A chain as a program on one thread sees it: ask and get an answer, send and wait for the end.
//!
//! Source: our own. `ledger::desk` decides everything; this carries its exchanges to the HTTP
//! service and tells it the time. What only the caller can do (sign, store, show) is asked of its
//! [`Hands`].
//!
//! A question takes as long as the nodes take: about a minute at worst, when nobody answers.
//! [`Chain::interrupt_by`] names what may end it earlier.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, bounded};
use keys::secp256k1::Signature;
use ledger::chain_client::{
    ASKS_MAX, Answer, AskId, ClientError, ENDPOINTS_MAX, Fate, Network, Notice, Query, Quote,
    Resources, Revert, View,
};
use ledger::desk::{Desk, Output};
use ledger::follower::{self, Cursor};
use ledger::network::{Coin, Profile};
use ledger::now::Now;
use ledger::outbox::{Action, IntentId, Order, Progress, Record, SendError, ToSign};
use ledger::{Address, Amount, TxId};

use crate::clock::Clock;
use crate::factory::SocketFactory;
use crate::services::{ServiceDone, Services};

/// How often we look whether we are interrupted.
const LOOK: Duration = Duration::from_millis(100);

/// Whether to wait on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// Until the end: a final block.
    On,
    /// No: what is sent is on its way, and its record says so.
    Stop,
}

/// What only the caller can do for an order.
pub trait Hands {
    /// Signs with the key of [`ToSign::signer`], over [`ToSign::digest`]; or says why not.
    ///
    /// # Errors
    /// Why there is no signature, for a person.
    fn sign(&mut self, to_sign: &ToSign) -> Result<Signature, String>;

    /// Stores a record, synced, before it returns. The same intent and attempt comes again with
    /// another status.
    ///
    /// # Errors
    /// Why it is not stored, for a person. Nothing is sent then.
    fn store(&mut self, record: &Record) -> Result<(), String>;

    /// Shows how far it is, and says whether to wait on. Before [`Progress::Recorded`] nothing has
    /// been sent, and [`Go::Stop`] gives the order up.
    fn progress(&mut self, progress: &Progress) -> Go;
}

/// A chain. Dropping it ends its thread; what is under way goes on by its record another time.
pub struct Chain {
    desk: Desk,
    services: Services,
    done: Receiver<ServiceDone>,
    clock: Clock,
    /// What came for somebody else than who was waiting.
    parked: VecDeque<Output>,
    notices: Vec<Notice>,
    /// What contracts told and nobody has taken yet: at most what was told while other things were
    /// waited for.
    told: VecDeque<follower::Output>,
    is_interrupted: Box<dyn Fn() -> bool + Send>,
}

impl Chain {
    /// Nothing is asked yet, and no thread is begun.
    #[must_use]
    pub fn new(profile: Profile, factory: SocketFactory) -> Self {
        let (sender, done) = bounded(ASKS_MAX * ENDPOINTS_MAX);
        let services = Services::start(
            factory,
            Box::new(move |answer| {
                // Nobody listens any more: the chain is being dropped.
                sender.try_send(answer).ok();
            }),
        );
        Self {
            desk: Desk::new(profile),
            services,
            done,
            clock: Clock::start(),
            parked: VecDeque::new(),
            notices: Vec::new(),
            told: VecDeque::new(),
            is_interrupted: Box::new(|| false),
        }
    }

    /// What ends a question early, looked at ten times a second: a flag that Ctrl-C sets, say.
    pub fn interrupt_by(&mut self, is_interrupted: impl Fn() -> bool + Send + 'static) {
        self.is_interrupted = Box::new(is_interrupted);
    }

    /// What was found out about nodes since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Nobody answered, or not as they must.
    pub fn ask(&mut self, query: Query) -> Result<Answer, ClientError> {
        let now = self.now();
        let id = self.desk.ask(query, now);
        loop {
            if let Some(answer) = self.next_answer(id) {
                return answer;
            }
            if !self.wait() {
                return Err(ClientError::Interrupted);
            }
        }
    }

    /// Which chain it is, how far, and its prices.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn network(&mut self) -> Result<Network, ClientError> {
        let Answer::Network(network) = self.ask(Query::Network)? else {
            return Err(ANOTHER);
        };
        Ok(network)
    }

    /// How much of a coin somebody has.
    ///
    /// # Errors
    /// As [`Self::ask`]; the token is none.
    pub fn balance(&mut self, of: Address, coin: Coin, view: View) -> Result<Amount, ClientError> {
        let Answer::Balance(amount) = self.ask(Query::Balance { of, coin, view })? else {
            return Err(ANOTHER);
        };
        Ok(amount)
    }

    /// An account's energy and bandwidth, on TRON.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn resources(&mut self, of: Address) -> Result<Resources, ClientError> {
        let Answer::Resources(resources) = self.ask(Query::Resources(of))? else {
            return Err(ANOTHER);
        };
        Ok(resources)
    }

    /// What a function of a contract returns, or why it fails.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn call(
        &mut self,
        from: Address,
        contract: Address,
        data: Vec<u8>,
        view: View,
    ) -> Result<Result<Vec<u8>, Revert>, ClientError> {
        let Answer::Returned(returned) = self.ask(Query::Call { from, contract, data, view })?
        else {
            return Err(ANOTHER);
        };
        Ok(returned)
    }

    /// What a transaction would cost now.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn quote(&mut self, from: Address, action: Action) -> Result<Quote, ClientError> {
        let Answer::Quote(quote) = self.ask(Query::Quote { from, action })? else {
            return Err(ANOTHER);
        };
        Ok(quote)
    }

    /// What became of a transaction.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn fate(&mut self, id: TxId, from: Address) -> Result<Fate, ClientError> {
        let Answer::Fate(fate) = self.ask(Query::Fate { id, from })? else {
            return Err(ANOTHER);
        };
        Ok(fate)
    }

    /// Carries out an order until a final block holds it, or until the hands say that they wait no
    /// longer: then the record that is returned is live, and [`Self::resume`] goes on with it.
    /// `known` are the records that are stored for its intent.
    ///
    /// # Errors
    /// Why nothing was sent.
    pub fn send(
        &mut self,
        order: Order,
        known: &[Record],
        hands: &mut dyn Hands,
    ) -> Result<Record, SendError> {
        let (intent, now) = (order.intent, self.now());
        self.desk.send(order, known, now)?;
        let mut recorded = None;
        loop {
            while let Some(output) = self.next_output() {
                match self.handle(output, hands) {
                    Handled::Done(of, how) if of == intent => return how,
                    Handled::Stored(record) if record.intent == intent => recorded = Some(record),
                    Handled::Stop(of) if of == intent => {
                        if let Some(record) = recorded {
                            return Ok(record);
                        }
                        if self.desk.give_up(intent) {
                            return Err(ClientError::Interrupted.into());
                        }
                    }
                    Handled::Done(..) | Handled::Stored(_) | Handled::Stop(_) | Handled::Other => {}
                }
            }
            if !self.wait() {
                if let Some(record) = recorded {
                    return Ok(record);
                }
                self.desk.give_up(intent);
                return Err(ClientError::Interrupted.into());
            }
        }
    }

    /// Goes on with live records, after a restart, until each has come to its end or the hands wait
    /// no longer. What has ended is returned.
    pub fn resume(&mut self, records: Vec<Record>, hands: &mut dyn Hands) -> Vec<Record> {
        let now = self.now();
        let mut left = 0;
        for record in records.into_iter().filter(Record::is_live) {
            self.desk.resume(record, now);
            left += 1_usize;
        }
        let mut ended = Vec::new();
        while left > 0 {
            while let Some(output) = self.next_output() {
                match self.handle(output, hands) {
                    Handled::Done(_, how) => {
                        left = left.saturating_sub(1);
                        ended.extend(how.ok());
                    }
                    Handled::Stop(_) => return ended,
                    Handled::Stored(_) | Handled::Other => {}
                }
            }
            if left > 0 && !self.wait() {
                return ended;
            }
        }
        ended
    }

    /// Begins to follow what contracts tell, after the cursor; without one, from the newest final
    /// block on. [`Self::next_told`] gives it.
    pub fn follow(&mut self, contracts: Vec<Address>, cursor: Option<Cursor>) {
        self.told.clear();
        let now = self.now();
        self.desk.follow(contracts, cursor, now);
    }

    /// What contracts tell next, once there is something. `None`: interrupted.
    pub fn next_told(&mut self) -> Option<follower::Output> {
        loop {
            while let Some(output) = self.desk.poll_output() {
                match output {
                    // Of a question that was interrupted.
                    Output::Answer(..) => {}
                    Output::Http(_) | Output::Notice(_) | Output::Told(_) => self.serve(output),
                    Output::Sign(..)
                    | Output::Store(_)
                    | Output::Progress(..)
                    | Output::Done(..) => self.parked.push_back(output),
                }
            }
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            if !self.wait() {
                return None;
            }
        }
    }

    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Now { instant: self.clock.now(), unix_ms }
    }

    fn next_output(&mut self) -> Option<Output> {
        self.parked.pop_front().or_else(|| self.desk.poll_output())
    }

    /// The answer to this question, if it is there; everything before it is done or parked.
    fn next_answer(&mut self, id: AskId) -> Option<Result<Answer, ClientError>> {
        while let Some(output) = self.desk.poll_output() {
            match output {
                Output::Answer(of, answer) if of == id => return Some(*answer),
                // Of a question that was interrupted.
                Output::Answer(..) => {}
                Output::Http(_) | Output::Notice(_) | Output::Told(_) => self.serve(output),
                Output::Sign(..) | Output::Store(_) | Output::Progress(..) | Output::Done(..) => {
                    self.parked.push_back(output);
                }
            }
        }
        None
    }

    fn handle(&mut self, output: Output, hands: &mut dyn Hands) -> Handled {
        let now = self.now();
        match output {
            Output::Sign(intent, to_sign) => {
                let signature = hands.sign(&to_sign);
                self.desk.on_signed(intent, signature, now);
                Handled::Other
            }
            Output::Store(record) => {
                let stored = hands.store(&record);
                let is_stored = stored.is_ok();
                let now = self.now();
                self.desk.on_stored(record.intent, record.attempt, stored, now);
                if is_stored { Handled::Stored(record) } else { Handled::Other }
            }
            Output::Progress(intent, progress) => match hands.progress(&progress) {
                Go::On => Handled::Other,
                Go::Stop => Handled::Stop(intent),
            },
            Output::Done(intent, how) => Handled::Done(intent, how),
            Output::Http(_) | Output::Notice(_) | Output::Answer(..) | Output::Told(_) => {
                self.serve(output);
                Handled::Other
            }
        }
    }

    /// What needs no hands.
    fn serve(&mut self, output: Output) {
        match output {
            Output::Http(request) => {
                if let Err(request) = self.services.http(request) {
                    let why = "too many exchanges wait".to_owned();
                    let now = self.now();
                    self.desk.on_http(request.id, Err(base::HttpError::Protocol(why)), now);
                }
            }
            Output::Notice(notice) => self.notices.push(notice),
            Output::Told(told) => self.told.push_back(told),
            Output::Answer(..)
            | Output::Sign(..)
            | Output::Store(_)
            | Output::Progress(..)
            | Output::Done(..) => {}
        }
    }

    /// Waits for an exchange or the deadline. False: we are interrupted.
    fn wait(&mut self) -> bool {
        loop {
            if (self.is_interrupted)() {
                return false;
            }
            let sleep = self.clock.sleep(self.desk.deadline()).unwrap_or(LOOK).min(LOOK);
            let done = self.done.recv_timeout(sleep);
            let now = self.now();
            if let Ok(ServiceDone::Http(id, result)) = done {
                self.desk.on_http(id, result, now);
                return true;
            }
            if self.desk.deadline().is_some_and(|at| at <= now.instant) {
                self.desk.on_deadline(now);
                return true;
            }
        }
    }
}

/// The desk answers a question by what was asked; another kind of answer is a bug of ours.
const ANOTHER: ClientError = ClientError::Unsupported("such answer");

enum Handled {
    Done(IntentId, Result<Record, SendError>),
    Stored(Record),
    Stop(IntentId),
    Other,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("desk", &self.desk).finish_non_exhaustive()
    }
}
