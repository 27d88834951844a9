//! Transactions that we send, from the wish until a block that can't be undone.
//!
//! Source: java-tron's `Manager` (a transaction enters a block only before its expiration, by the
//! time of the block); Ethereum's account nonces.
//!
//! An order goes: quote, caps, build, sign, *record*, broadcast, watch, record its end. Nothing is
//! broadcast before its record is acknowledged as stored. While a record is live the same bytes are
//! sent again, never others, and nothing else is made for the same intent: not by this machine, and
//! not after a restart, which begins with [`Outbox::resume`] for every live record.
//!
//! A transaction of TRON has expired when a *final* block is later than its expiration and the
//! transaction is nowhere. One of Ethereum, when its sender's final nonce is beyond its own and it is
//! nowhere. Only then may it be made anew. A single node could lie about that and have us pay twice, so
//! it is made anew only when several nodes say so and none contradicts, or when the chain is a
//! development chain; else the order ends as expired, and a person decides.
//!
//! Expirations are set by our clock. A node is asked for nothing that is signed but a final block's
//! id, on which the nodes must agree; on Ethereum the nonce and the price of gas, which caps bound.
//!
//! Invariant: an intent has at most one order here, and that order at most one live record.
//!
//! Drive it as all our machines are driven; [`desk`](crate::desk) joins it with a client.

mod order;
pub mod record;
mod watch;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::Instant;
use keys::secp256k1::Signature;

pub use order::{Caps, Order, Progress, SendError, ToSign};
pub use record::{
    Action, IntentId, NetworkId, REASON_BYTES_MAX, RECORD_BYTES_MAX, Record, RecordError, Settled,
    Status, Validity,
};

use crate::address::Address;
use crate::amount::{Amount, Sun};
use crate::chain_client::{Answer, Block, ClientError, Query, Quote};
use crate::evm_transaction::{EvmUnsigned, GasPrice};
use crate::network::{Kind, Profile};
use crate::now::Now;
use crate::transaction::{self, BlockId, Terms, Unsigned};

/// How long a transaction of TRON can enter a block, by our clock. As wallets commonly do: long
/// enough for a busy chain, short enough to wait for its end.
pub const EXPIRATION: Duration = Duration::from_secs(60);

/// How often we look what became of a transaction: once per block.
pub const POLL: Duration = Duration::from_secs(3);

/// How often a live transaction is sent again while it is in no block.
pub const REBROADCAST: Duration = Duration::from_secs(15);

/// Most orders at once.
pub const ORDERS_MAX: usize = 256;

/// A question of the outbox's, to be answered by [`Outbox::on_answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the chain; the answer goes to [`Outbox::on_answer`].
    Ask(Ticket, Query),
    /// Sign this; the signature goes to [`Outbox::on_signed`].
    Sign(IntentId, ToSign),
    /// Store this record, synced; the acknowledgement goes to [`Outbox::on_stored`].
    Store(Record),
    /// How far an order is.
    Progress(IntentId, Progress),
    /// An order's end: its record as it was last stored, or why nothing was sent.
    Done(IntentId, Result<Record, SendError>),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Outbox {
    kind: Kind,
    /// Whose every node may be believed alone: a development chain.
    is_play_chain: bool,
    orders: BTreeMap<IntentId, Entry>,
    tickets: BTreeMap<Ticket, IntentId>,
    tickets_given: u64,
    /// The timestamp of the last transaction that was built: the next one's is later.
    last_timestamp_ms: u64,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Entry {
    /// None: resumed from a record, whose action is all that is known of the wish.
    order: Option<Order>,
    attempt: u32,
    quote: Option<Quote>,
    stage: Stage,
}

/// What an order waits for.
#[derive(Debug)]
enum Stage {
    Network,
    Quoting {
        network: NetworkId,
        chain_id: u64,
    },
    /// For the block or nonce that the transaction refers to.
    Referring {
        network: NetworkId,
        chain_id: u64,
    },
    Signing {
        to_sign: Box<ToSign>,
        record: Box<Record>,
    },
    /// For the record to be stored before anything is sent.
    Recording(Box<Record>),
    Broadcasting(Watched),
    /// For the time to look again.
    Resting {
        watched: Watched,
        until: Instant,
    },
    Looking(Watched),
    /// For the record of the end to be stored.
    Ending {
        record: Box<Record>,
        again_at: Option<Instant>,
        anew: bool,
    },
}

/// A live transaction.
#[derive(Clone, Debug)]
struct Watched {
    record: Box<Record>,
    sent_at: Option<Instant>,
    /// The block that it was last seen in.
    seen_in: Option<u64>,
}

impl Outbox {
    /// A machine without orders.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self {
            kind: profile.kind,
            is_play_chain: profile.is_development(),
            orders: BTreeMap::new(),
            tickets: BTreeMap::new(),
            tickets_given: 0,
            last_timestamp_ms: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Begins an order. `known` are the records that are stored for its intent.
    ///
    /// # Errors
    /// It is under way or done already, or spends more than its caps.
    pub fn send(&mut self, order: Order, known: &[Record]) -> Result<(), SendError> {
        if self.orders.len() >= ORDERS_MAX {
            return Err(SendError::Busy(self.orders.len()));
        }
        let known = || known.iter().filter(|record| record.intent == order.intent);
        if let Some(entry) = self.orders.get(&order.intent) {
            let id = entry.record().map_or(crate::TxId([0; 32]), |record| record.id);
            return Err(SendError::UnderWay(id));
        }
        for record in known() {
            match record.status {
                Status::Live => return Err(SendError::UnderWay(record.id)),
                // A failed one was carried out too: a new wish needs a new name.
                Status::Confirmed(_) | Status::Failed { .. } => {
                    return Err(SendError::Done(record.id));
                }
                Status::Expired => {}
            }
        }
        check_spending(&order)?;
        let attempt = known().map(|record| record.attempt).max().unwrap_or(0).saturating_add(1);
        let (intent, quote) = (order.intent, order.quote.clone());
        let entry = Entry { order: Some(order), attempt, quote, stage: Stage::Network };
        self.orders.insert(intent, entry);
        self.ask(intent, Query::Network);
        Ok(())
    }

    /// Goes on with a record that is live, after a restart. Others are ignored.
    pub fn resume(&mut self, record: Record) {
        if !record.is_live() || self.orders.contains_key(&record.intent) {
            return;
        }
        let (intent, attempt) = (record.intent, record.attempt);
        let watched = Watched { record: Box::new(record), sent_at: None, seen_in: None };
        let query = watched.fate();
        let stage = Stage::Looking(watched);
        self.orders.insert(intent, Entry { order: None, attempt, quote: None, stage });
        self.ask(intent, query);
    }

    /// Gives up an order that is not signed yet. One that is goes on: it can't be called back.
    /// True: it is given up.
    pub fn give_up(&mut self, intent: IntentId) -> bool {
        let unsigned = self.orders.get(&intent).is_some_and(|entry| match entry.stage {
            Stage::Network
            | Stage::Quoting { .. }
            | Stage::Referring { .. }
            | Stage::Signing { .. } => true,
            Stage::Recording(_)
            | Stage::Broadcasting(_)
            | Stage::Resting { .. }
            | Stage::Looking(_)
            | Stage::Ending { .. } => false,
        });
        if unsigned {
            self.orders.remove(&intent);
        }
        unsigned
    }

    /// An answer of the chain. Those to tickets of ended orders are ignored.
    pub fn on_answer(&mut self, ticket: Ticket, answer: Result<Answer, ClientError>, now: Now) {
        let Some(intent) = self.tickets.remove(&ticket) else { return };
        let Some(mut entry) = self.orders.remove(&intent) else { return };
        match entry.stage {
            Stage::Network | Stage::Quoting { .. } | Stage::Referring { .. } => {
                match answer
                    .map_err(SendError::from)
                    .and_then(|answer| self.prepare(&mut entry, answer, now))
                {
                    Ok(output) => {
                        self.orders.insert(intent, entry);
                        self.follow(intent, output);
                    }
                    Err(error) => self.outputs.push_back(Output::Done(intent, Err(error))),
                }
            }
            Stage::Broadcasting(_) | Stage::Looking(_) => {
                self.orders.insert(intent, entry);
                self.on_watched(intent, answer, now);
            }
            Stage::Signing { .. }
            | Stage::Recording(_)
            | Stage::Resting { .. }
            | Stage::Ending { .. } => {
                self.orders.insert(intent, entry);
            }
        }
    }

    /// The signature that was asked for, or why there is none.
    pub fn on_signed(&mut self, intent: IntentId, signature: Result<Signature, String>) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        let Stage::Signing { to_sign, record } = &entry.stage else { return };
        let signed = signature
            .map_err(SendError::NotSigned)
            .and_then(|signature| to_sign.complete(&signature));
        match signed {
            Ok(signed) => {
                let record =
                    Record { id: signed.id, bytes: signed.bytes, ..record.as_ref().clone() };
                entry.stage = Stage::Recording(Box::new(record.clone()));
                self.outputs.push_back(Output::Store(record));
            }
            Err(error) => self.end(intent, Err(error)),
        }
    }

    /// Whether a record is stored, synced; else why not.
    pub fn on_stored(
        &mut self,
        intent: IntentId,
        attempt: u32,
        stored: Result<(), String>,
        now: Now,
    ) {
        let Some(entry) = self.orders.get_mut(&intent).filter(|entry| entry.attempt == attempt)
        else {
            return;
        };
        match (&mut entry.stage, stored) {
            (Stage::Recording(_), Err(why)) => self.end(intent, Err(SendError::NotStored(why))),
            (Stage::Recording(record), Ok(())) => {
                let record = record.clone();
                let progress = Progress::Recorded(record.as_ref().clone());
                self.outputs.push_back(Output::Progress(intent, progress));
                self.broadcast(intent, Watched { record, sent_at: None, seen_in: None }, now);
            }
            (Stage::Ending { again_at, .. }, Err(why)) => {
                *again_at = Some(now.instant.after(POLL));
                let trouble = Progress::Trouble(format!("its end could not be recorded: {why}"));
                self.outputs.push_back(Output::Progress(intent, trouble));
            }
            (Stage::Ending { record, anew, .. }, Ok(())) => {
                let (record, anew) = (record.as_ref().clone(), *anew);
                if anew { self.make_anew(intent) } else { self.end(intent, Ok(record)) }
            }
            (
                Stage::Network
                | Stage::Quoting { .. }
                | Stage::Referring { .. }
                | Stage::Signing { .. }
                | Stage::Broadcasting(_)
                | Stage::Resting { .. }
                | Stage::Looking(_),
                _,
            ) => {}
        }
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Now) {
        let due: Vec<IntentId> = self
            .orders
            .iter()
            .filter(|(_, entry)| entry.deadline().is_some_and(|at| at <= now.instant))
            .map(|(intent, _)| *intent)
            .collect();
        for intent in due {
            self.wake(intent, now);
        }
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.orders.values().filter_map(Entry::deadline).min()
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn ask(&mut self, intent: IntentId, query: Query) {
        self.tickets_given += 1;
        let ticket = Ticket(self.tickets_given);
        self.tickets.insert(ticket, intent);
        self.outputs.push_back(Output::Ask(ticket, query));
    }

    fn end(&mut self, intent: IntentId, how: Result<Record, SendError>) {
        self.orders.remove(&intent);
        self.outputs.push_back(Output::Done(intent, how));
    }

    fn follow(&mut self, intent: IntentId, next: Next) {
        match next {
            Next::Ask(query) => self.ask(intent, query),
            Next::Sign(to_sign) => self.outputs.push_back(Output::Sign(intent, to_sign)),
        }
    }

    fn make_anew(&mut self, intent: IntentId) {
        let Some(entry) = self.orders.get_mut(&intent) else { return };
        entry.attempt = entry.attempt.saturating_add(1);
        // What was confirmed is still what is signed, at the price that was confirmed.
        entry.stage = Stage::Network;
        let progress = Progress::MadeAnew { attempt: entry.attempt };
        self.outputs.push_back(Output::Progress(intent, progress));
        self.ask(intent, Query::Network);
    }

    /// From an answer to the next question, or to what is to be signed.
    fn prepare(&mut self, entry: &mut Entry, answer: Answer, now: Now) -> Result<Next, SendError> {
        let Some(order) = entry.order.clone() else {
            return Err(ClientError::Unsupported("order to prepare").into());
        };
        match (&entry.stage, answer) {
            (Stage::Network, Answer::Network(network)) => {
                let (network, chain_id) = (network.id, network.chain_id);
                if entry.quote.is_none() {
                    entry.stage = Stage::Quoting { network, chain_id };
                    return Ok(Next::Ask(Query::Quote { from: order.from, action: order.action }));
                }
                self.refer(entry, &order, network, chain_id)
            }
            (&Stage::Quoting { network, chain_id }, Answer::Quote(quote)) => {
                let progress = Progress::Quoted(quote.clone());
                self.outputs.push_back(Output::Progress(order.intent, progress));
                entry.quote = Some(quote);
                self.refer(entry, &order, network, chain_id)
            }
            (&Stage::Referring { network, .. }, Answer::Block(Some(block))) => {
                self.sign_tron(entry, &order, (network, block), now)
            }
            (&Stage::Referring { network, chain_id }, Answer::Nonce(nonce)) => {
                self.sign_evm(entry, &order, (network, chain_id, nonce), now)
            }
            _ => Err(ClientError::Unsupported("such answer").into()),
        }
    }

    /// Checks the quote against the caps, and asks for what the transaction refers to.
    fn refer(
        &self,
        entry: &mut Entry,
        order: &Order,
        network: NetworkId,
        chain_id: u64,
    ) -> Result<Next, SendError> {
        if let Some(quote) = &entry.quote {
            check_quote(order, quote)?;
        }
        entry.stage = Stage::Referring { network, chain_id };
        Ok(Next::Ask(match self.kind {
            Kind::Tron => Query::SolidBlock,
            Kind::Evm => Query::Nonce(order.from),
        }))
    }

    fn sign_tron(
        &mut self,
        entry: &mut Entry,
        order: &Order,
        (network, block): (NetworkId, Block),
        now: Now,
    ) -> Result<Next, SendError> {
        let quote = entry.quote.clone().ok_or(ClientError::Unsupported("order without quote"))?;
        let timestamp_ms = now.unix_ms.max(self.last_timestamp_ms.saturating_add(1));
        self.last_timestamp_ms = timestamp_ms;
        let life_ms = u64::try_from(EXPIRATION.as_millis()).unwrap_or(u64::MAX);
        let expiration_ms = now.unix_ms.saturating_add(life_ms);
        let fee_limit = sun(quote.fee_limit)?;
        let terms = Terms { ref_block: BlockId(block.id), expiration_ms, timestamp_ms, fee_limit };
        let unsigned = Unsigned::build(order.from, &tron_action(&order.action)?, &terms)?;
        let record = Record {
            id: unsigned.id(),
            validity: Validity::Until { expiration_ms },
            ..blank_record(entry, order, &quote, network, now)
        };
        let to_sign = ToSign::Tron(unsigned);
        entry.stage =
            Stage::Signing { to_sign: Box::new(to_sign.clone()), record: Box::new(record) };
        Ok(Next::Sign(to_sign))
    }

    fn sign_evm(
        &self,
        entry: &mut Entry,
        order: &Order,
        (network, chain_id, nonce): (NetworkId, u64, u64),
        now: Now,
    ) -> Result<Next, SendError> {
        let quote = entry.quote.clone().ok_or(ClientError::Unsupported("order without quote"))?;
        let nonce = nonce.max(self.next_nonce(order.from));
        let (to, data) = match &order.action {
            Action::Transfer { to, .. } => (Some(*to), Vec::new()),
            Action::Call { contract, data, .. } => (Some(*contract), data.clone()),
            Action::Deploy { code, .. } => (None, code.clone()),
        };
        // The limit of gas is what the limit of the fee buys at this price, and not more.
        let price = quote.energy_price.units().max(1);
        let gas_limit = u64::try_from(quote.fee_limit.units() / price).unwrap_or(u64::MAX);
        let unsigned = EvmUnsigned {
            chain_id,
            from: order.from,
            nonce,
            gas_price: GasPrice::Fixed(quote.energy_price),
            gas_limit,
            to,
            value: order.action.value(),
            data,
        };
        let record = Record {
            validity: Validity::Nonce(nonce),
            ..blank_record(entry, order, &quote, network, now)
        };
        let to_sign = ToSign::Evm(unsigned);
        entry.stage =
            Stage::Signing { to_sign: Box::new(to_sign.clone()), record: Box::new(record) };
        Ok(Next::Sign(to_sign))
    }

    /// One more than the highest nonce of a transaction of ours that is under way.
    fn next_nonce(&self, from: Address) -> u64 {
        let records = self.orders.values().filter_map(Entry::record);
        let nonces =
            records.filter(|record| record.from == from).map(|record| match record.validity {
                Validity::Nonce(nonce) => nonce.saturating_add(1),
                Validity::Until { .. } => 0,
            });
        nonces.max().unwrap_or(0)
    }
}

enum Next {
    Ask(Query),
    Sign(ToSign),
}

impl Entry {
    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Resting { until, .. } => Some(*until),
            Stage::Ending { again_at, .. } => *again_at,
            Stage::Network
            | Stage::Quoting { .. }
            | Stage::Referring { .. }
            | Stage::Signing { .. }
            | Stage::Recording(_)
            | Stage::Broadcasting(_)
            | Stage::Looking(_) => None,
        }
    }

    /// The transaction of the present attempt, once there is one.
    fn record(&self) -> Option<&Record> {
        match &self.stage {
            Stage::Network | Stage::Quoting { .. } | Stage::Referring { .. } => None,
            Stage::Signing { record, .. }
            | Stage::Recording(record)
            | Stage::Ending { record, .. } => Some(record),
            Stage::Broadcasting(watched)
            | Stage::Looking(watched)
            | Stage::Resting { watched, .. } => Some(&watched.record),
        }
    }
}

fn check_spending(order: &Order) -> Result<(), SendError> {
    for (coin, spent) in order.action.spends() {
        for (_, cap) in order.caps.spend_max.iter().filter(|(capped, _)| *capped == coin) {
            if spent > *cap {
                return Err(SendError::SpendCap { coin, spent, cap: *cap });
            }
        }
    }
    Ok(())
}

fn check_quote(order: &Order, quote: &Quote) -> Result<(), SendError> {
    if let Some(failure) = &quote.failure {
        return Err(SendError::WouldFail(failure.reason.clone()));
    }
    let cap = order.caps.fee_max;
    if quote.fee_max.max(quote.fee_limit) > cap {
        return Err(SendError::FeeCap { needed: quote.fee_max.max(quote.fee_limit), cap });
    }
    let value = order.action.value();
    let needed = value
        .plus(quote.fee)
        .map_err(|_overflow| SendError::Short { needed: Amount::MAX, there: quote.balance })?;
    if needed > quote.balance {
        return Err(SendError::Short { needed, there: quote.balance });
    }
    Ok(())
}

fn blank_record(
    entry: &Entry,
    order: &Order,
    quote: &Quote,
    network: NetworkId,
    now: Now,
) -> Record {
    Record {
        intent: order.intent,
        attempt: entry.attempt,
        network,
        from: order.from,
        action: order.action.clone(),
        fee_max: quote.fee_max,
        id: crate::TxId([0; 32]),
        bytes: Vec::new(),
        validity: Validity::Nonce(0),
        made_ms: now.unix_ms,
        status: Status::Live,
    }
}

/// The action as TRON's transactions carry it.
pub(crate) fn tron_action(action: &Action) -> Result<transaction::Action, SendError> {
    Ok(match action {
        Action::Transfer { to, amount } => {
            transaction::Action::Transfer { to: *to, amount: sun(*amount)? }
        }
        Action::Call { contract, value, data } => transaction::Action::Trigger {
            contract: *contract,
            call_value: sun(*value)?,
            data: data.clone(),
        },
        Action::Deploy { name, value, code, abi } => transaction::Action::Deploy {
            name: name.clone(),
            bytecode: code.clone(),
            abi: wire::tron::decode("interface", abi)
                .map_err(|error| ClientError::Unbuildable(error.to_string()))?,
            call_value: sun(*value)?,
        },
    })
}

fn sun(amount: Amount) -> Result<Sun, SendError> {
    Sun::from_amount(amount).ok_or_else(|| {
        ClientError::Unbuildable(format!("{amount} sun are more than a transaction can carry"))
            .into()
    })
}
