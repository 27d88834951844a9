//! A chain client, an outbox and a follower of events behind one door.
//!
//! Questions of the two go to the client and their answers back; what the caller sees is what
//! needs the world: HTTP, a signature, a record to be stored. Drive it as all our machines are driven:
//! feed an event, call [`Desk::poll_output`] until it returns `None`, sleep until [`Desk::deadline`].

use std::collections::{BTreeMap, VecDeque};

use base::{ExchangeId, HttpError, HttpReply, HttpRequest, Instant};
use keys::secp256k1::Signature;

use crate::address::Address;
use crate::chain_client::{self, Answer, AskId, ChainClient, ClientError, Notice, Query};
use crate::follower::{self, Cursor, Follower};
use crate::network::Profile;
use crate::now::Now;
use crate::outbox::{self, IntentId, Order, Outbox, Progress, Record, SendError, Ticket, ToSign};

/// What is to be done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Carry out an exchange; its end goes to [`Desk::on_http`].
    Http(HttpRequest),
    /// Sign this; the signature goes to [`Desk::on_signed`].
    Sign(IntentId, ToSign),
    /// Store this record, synced; the acknowledgement goes to [`Desk::on_stored`].
    Store(Record),
    /// The answer to a question of the caller's.
    Answer(AskId, Box<Result<Answer, ClientError>>),
    /// How far an order is.
    Progress(IntentId, Progress),
    /// An order's end.
    Done(IntentId, Result<Record, SendError>),
    /// What contracts tell; never [`follower::Output::Ask`].
    Told(follower::Output),
    /// Something about a node that a person should know.
    Notice(Notice),
}

/// Who asked the client.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Outbox(Ticket),
    Follower,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Desk {
    client: ChainClient,
    outbox: Outbox,
    follower: Option<Follower>,
    /// Questions under way that are not the caller's.
    askers: BTreeMap<AskId, Asker>,
    outputs: VecDeque<Output>,
}

impl Desk {
    /// A desk for one network.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let outbox = Outbox::new(&profile);
        Self {
            client: ChainClient::new(profile),
            outbox,
            follower: None,
            askers: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Asks the chain.
    pub fn ask(&mut self, query: Query, now: Now) -> AskId {
        let id = self.client.ask(query, now);
        self.settle(now);
        id
    }

    /// Begins an order. `known` are the records that are stored for its intent.
    ///
    /// # Errors
    /// It is under way or done already, or spends more than its caps.
    pub fn send(&mut self, order: Order, known: &[Record], now: Now) -> Result<(), SendError> {
        self.outbox.send(order, known)?;
        self.settle(now);
        Ok(())
    }

    /// Goes on with a live record, after a restart.
    pub fn resume(&mut self, record: Record, now: Now) {
        self.outbox.resume(record);
        self.settle(now);
    }

    /// Begins to follow what contracts tell, in place of what was followed before. See
    /// [`Follower::new`].
    pub fn follow(&mut self, contracts: Vec<Address>, cursor: Option<Cursor>, now: Now) {
        self.askers.retain(|_, asker| !matches!(asker, Asker::Follower));
        self.follower = Some(Follower::new(contracts, cursor));
        self.settle(now);
    }

    /// Gives up an order that is not signed yet; false if it is too late.
    pub fn give_up(&mut self, intent: IntentId) -> bool {
        self.outbox.give_up(intent)
    }

    /// The end of an exchange.
    pub fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>, now: Now) {
        self.client.on_http(id, result, now);
        self.settle(now);
    }

    /// The signature that was asked for, or why there is none.
    pub fn on_signed(&mut self, intent: IntentId, signature: Result<Signature, String>, now: Now) {
        self.outbox.on_signed(intent, signature);
        self.settle(now);
    }

    /// Whether a record is stored, synced; else why not.
    pub fn on_stored(
        &mut self,
        intent: IntentId,
        attempt: u32,
        stored: Result<(), String>,
        now: Now,
    ) {
        self.outbox.on_stored(intent, attempt, stored, now);
        self.settle(now);
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Now) {
        self.client.on_deadline(now);
        self.outbox.on_deadline(now);
        if let Some(follower) = &mut self.follower {
            follower.on_deadline(now);
        }
        self.settle(now);
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let follower = self.follower.as_ref().and_then(Follower::deadline);
        [self.client.deadline(), self.outbox.deadline(), follower].into_iter().flatten().min()
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Carries what one machine says to the others until all are silent.
    fn settle(&mut self, now: Now) {
        loop {
            let told = self.follower.as_mut().and_then(Follower::poll_output);
            if let Some(output) = self.outbox.poll_output() {
                self.on_outbox(output, now);
            } else if let Some(output) = self.client.poll_output() {
                self.on_client(output, now);
            } else if told.is_none() {
                return;
            }
            match told {
                Some(follower::Output::Ask(query)) => {
                    let id = self.client.ask(query, now);
                    self.askers.insert(id, Asker::Follower);
                }
                Some(told) => self.outputs.push_back(Output::Told(told)),
                None => {}
            }
        }
    }

    fn on_outbox(&mut self, output: outbox::Output, now: Now) {
        let output = match output {
            outbox::Output::Ask(ticket, query) => {
                let id = self.client.ask(query, now);
                self.askers.insert(id, Asker::Outbox(ticket));
                return;
            }
            outbox::Output::Sign(intent, to_sign) => Output::Sign(intent, to_sign),
            outbox::Output::Store(record) => Output::Store(record),
            outbox::Output::Progress(intent, progress) => Output::Progress(intent, progress),
            outbox::Output::Done(intent, how) => Output::Done(intent, how),
        };
        self.outputs.push_back(output);
    }

    fn on_client(&mut self, output: chain_client::Output, now: Now) {
        match output {
            chain_client::Output::Http(request) => self.outputs.push_back(Output::Http(request)),
            chain_client::Output::Answer(id, answer) => match self.askers.remove(&id) {
                Some(Asker::Outbox(ticket)) => self.outbox.on_answer(ticket, *answer, now),
                Some(Asker::Follower) => {
                    if let Some(follower) = &mut self.follower {
                        follower.on_answer(*answer, now);
                    }
                }
                None => self.outputs.push_back(Output::Answer(id, answer)),
            },
            chain_client::Output::Notice(notice) => {
                self.outputs.push_back(Output::Notice(notice));
            }
        }
    }
}
