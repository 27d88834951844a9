//! A wallet's desk among full nodes some of which lie, in virtual time.
//!
//! A [`Lie`] is what one node does to one kind of reply. The model chain behind all of them is what
//! is true. Every exchange takes its time, drawn from the seed; a block comes every three seconds;
//! the desk may be dropped at any effect and started again from the records that were stored.
//!
//! Checked at each signature: it is over what was meant, within our own minute, and refers to a block
//! of the true chain. Checked at each end: what the desk says happened is what happened.

mod lie;

use std::collections::BTreeMap;
use std::time::Duration;

use base::{ExchangeId, HttpError, HttpReply, HttpRequest, Instant, Rng};
use keys::secp256k1::SecretKey;
use ledger::chain_client::{Answer, AskId, ClientError, Query};
use ledger::desk::{Desk, Output};
use ledger::follower::{self, Cursor, Event};
use ledger::network::{Kind, Profile, Worth};
use ledger::now::Now;
use ledger::outbox::{
    Action, Caps, EXPIRATION, IntentId, Order, Progress, Record, SendError, Status, ToSign,
};
use ledger::{Address, Amount, BlockId, transaction};

pub use lie::{ALL as LIES, Lie};

use crate::tron_chain::{BLOCK_MS, Chain, Money, Node, TOKEN, transfer_data};

/// Most that an order of ours may cost in fees, in sun.
pub const FEE_CAP: u64 = 20_000_000;

/// The end of an exchange.
type Reply = (ExchangeId, Result<HttpReply, HttpError>);

/// One node of the world.
#[derive(Debug)]
struct Endpoint {
    url: String,
    node: Node,
    lie: Option<Lie>,
    /// Its first reply to each question, for the liar that repeats them.
    old: BTreeMap<(String, Vec<u8>), Vec<u8>>,
}

/// The world.
#[derive(Debug)]
pub struct World {
    seed: u64,
    rng: Rng,
    /// Since the start.
    at: Duration,
    epoch_ms: u64,
    /// What is true.
    pub chain: Chain,
    endpoints: Vec<Endpoint>,
    desk: Desk,
    profile: Profile,
    /// What was stored, synced.
    pub stored: BTreeMap<(IntentId, u32), Record>,
    replies: BTreeMap<(Duration, u64), Reply>,
    /// Records on their way to the disk.
    writes: BTreeMap<(Duration, u64), Record>,
    exchanges: u64,
    next_block: Duration,
    /// Whether blocks are undone and the desk crashes now and then.
    pub rough: bool,
    /// Notices, troubles and errors, as a person would read them.
    pub said: Vec<String>,
    answers: BTreeMap<AskId, Result<Answer, ClientError>>,
    ended: BTreeMap<IntentId, Result<Record, SendError>>,
    orders: BTreeMap<IntentId, Order>,
    /// The follower's cursor as it was stored with what was credited; none: nothing is followed.
    cursor: Option<Option<Cursor>>,
    /// What was credited to the friend by final events.
    pub credited: u128,
    /// Events shown and not taken back, by block.
    seen: BTreeMap<[u8; 32], u32>,
    /// Blocks that were shown and taken back.
    pub undone: u32,
    /// Crashes so far.
    pub crashes: u32,
    /// Signatures so far.
    pub signatures: u32,
    crashed: bool,
}

/// Our key.
#[must_use]
pub fn key() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).expect("a key")
}

/// Our address.
#[must_use]
pub fn owner() -> Address {
    Address::of_key(&key().public())
}

/// Somebody who has an account already.
pub const FRIEND: Address = Address::new([0x0f; 20]);

impl World {
    /// A world with one node for each entry, that lies so or not at all.
    #[must_use]
    pub fn new(seed: u64, lies: &[Option<Lie>]) -> Self {
        let rng = &mut Rng::from_seed(seed).fork();
        let mut money = Money::default();
        money.trx.insert(owner(), 10_000_000_000);
        money.trx.insert(FRIEND, 5_000_000);
        money.token.insert(owner(), 1_000_000);
        money.token.insert(FRIEND, 77);
        let mut chain = Chain::new(7, money);
        for _ in 0..10 {
            chain.make_block();
        }
        let endpoints: Vec<Endpoint> = (0..lies.len())
            .map(|index| Endpoint {
                url: format!("http://node{index}"),
                node: Node { behind: u64::from(rng.below(2)) },
                lie: lies[index],
                old: BTreeMap::new(),
            })
            .collect();
        let genesis = BlockId(chain.block(0).expect("the first").id);
        let profile = Profile {
            name: "model".to_owned(),
            kind: Kind::Tron,
            worth: Worth::Real,
            endpoints: endpoints.iter().map(|endpoint| endpoint.url.clone()).collect(),
            chain_id: Some(genesis.chain_id().into()),
            genesis: Some(genesis),
            btt: Some(TOKEN),
            vault: None,
            confirmations: 0,
        };
        let epoch_ms = chain.head().time_ms;
        Self {
            seed,
            rng: rng.fork(),
            at: Duration::ZERO,
            epoch_ms,
            chain,
            endpoints,
            desk: Desk::new(profile.clone()),
            profile,
            stored: BTreeMap::new(),
            replies: BTreeMap::new(),
            writes: BTreeMap::new(),
            exchanges: 0,
            next_block: Duration::from_millis(BLOCK_MS),
            rough: false,
            said: Vec::new(),
            answers: BTreeMap::new(),
            ended: BTreeMap::new(),
            orders: BTreeMap::new(),
            cursor: None,
            credited: 0,
            seen: BTreeMap::new(),
            undone: 0,
            crashes: 0,
            signatures: 0,
            crashed: false,
        }
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.at.as_millis()).expect("a short simulation");
        Now { instant: Instant::START.after(self.at), unix_ms: self.epoch_ms + since }
    }

    /// Asks, and runs until the answer.
    pub fn ask(&mut self, query: Query) -> Result<Answer, ClientError> {
        let id = self.desk.ask(query, self.now());
        let end = self.at + Duration::from_secs(300);
        while !self.answers.contains_key(&id) {
            assert!(self.at < end, "seed {} failed: a question without an end", self.seed);
            self.turn();
        }
        let answer = self.answers.remove(&id).expect("is there");
        if let Err(error) = &answer {
            self.said.push(error.to_string());
        }
        answer
    }

    /// An order of ours: so many units of the token, or sun, to the friend.
    #[must_use]
    pub fn order(&mut self, is_token: bool, units: u128) -> Order {
        let mut intent = [0; 16];
        intent[..8].copy_from_slice(&self.rng.next_u64().to_be_bytes());
        let amount = Amount::new(units);
        let action = if is_token {
            let data = transfer_data(FRIEND, amount);
            Action::Call { contract: TOKEN, value: Amount::ZERO, data }
        } else {
            Action::Transfer { to: FRIEND, amount }
        };
        Order {
            intent: IntentId(intent),
            from: owner(),
            action,
            caps: Caps { fee_max: Amount::new(FEE_CAP.into()), spend_max: Vec::new() },
            quote: None,
            rebuilds_max: 3,
        }
    }

    /// Begins an order.
    pub fn begin(&mut self, order: Order) -> Result<(), SendError> {
        let intent = order.intent;
        let known: Vec<Record> =
            self.stored.values().filter(|record| record.intent == intent).cloned().collect();
        self.orders.insert(intent, order.clone());
        let now = self.now();
        self.desk.send(order, &known, now)
    }

    /// Begins an order and runs until its end, or for ten minutes.
    pub fn send(&mut self, order: Order) -> Option<Result<Record, SendError>> {
        let intent = order.intent;
        if let Err(error) = self.begin(order) {
            return Some(Err(error));
        }
        self.run_until_ended(intent)
    }

    /// Runs until an order's end, or for ten minutes.
    pub fn run_until_ended(&mut self, intent: IntentId) -> Option<Result<Record, SendError>> {
        let end = self.at + Duration::from_secs(600);
        while self.at < end {
            if let Some(how) = self.ended.remove(&intent) {
                return Some(how);
            }
            self.turn();
        }
        None
    }

    /// Goes on for so long.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.at + time;
        while self.at < end {
            self.turn();
        }
    }

    /// Everything that the desk wants now, then the next thing that happens.
    fn turn(&mut self) {
        while let Some(output) = self.desk.poll_output() {
            self.carry_out(output);
        }
        let deadline = self.desk.deadline().map(|at| at.saturating_since(Instant::START));
        let reply = self.replies.keys().next().map(|(at, _)| *at);
        let write = self.writes.keys().next().map(|(at, _)| *at);
        let next = [deadline, reply, write].into_iter().flatten().min().unwrap_or(self.next_block);
        let next = next.min(self.next_block).max(self.at);
        self.at = next;
        if next == self.next_block {
            self.next_block += Duration::from_millis(BLOCK_MS);
            if self.rough && self.rng.chance(1, 8) {
                self.chain.undo(1 + u64::from(self.rng.below(2)));
            }
            // The chain's clock is that of the world, however much was undone.
            while self.chain.head().time_ms + BLOCK_MS <= self.now().unix_ms {
                self.chain.make_block();
            }
            return;
        }
        let due = self.writes.keys().next().copied().filter(|(at, _)| *at == next);
        if let Some(record) = due.and_then(|key| self.writes.remove(&key)) {
            self.store(&record);
            if self.crashed {
                self.restart();
            }
            return;
        }
        let due = self.replies.keys().next().copied().filter(|(at, _)| *at == next);
        let now = self.now();
        match due.and_then(|key| self.replies.remove(&key)) {
            Some((id, result)) => self.desk.on_http(id, result, now),
            None => self.desk.on_deadline(now),
        }
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now();
        match output {
            Output::Http(request) => self.exchange(request),
            Output::Sign(intent, to_sign) => {
                self.check_meant(intent, &to_sign);
                self.signatures += 1;
                let signature = to_sign.sign(&key()).map_err(|why| why.to_string());
                self.desk.on_signed(intent, signature, now);
            }
            Output::Store(record) => {
                self.exchanges += 1;
                let takes = Duration::from_millis(u64::from(1 + self.rng.below(500)));
                self.writes.insert((self.at + takes, self.exchanges), record);
            }
            Output::Answer(id, answer) => {
                self.answers.insert(id, *answer);
            }
            Output::Progress(_, progress) => {
                if let Progress::Trouble(trouble) = progress {
                    self.said.push(trouble);
                }
            }
            Output::Done(intent, how) => {
                self.check_end(&how);
                if let Err(error) = &how {
                    self.said.push(error.to_string());
                }
                self.ended.insert(intent, how);
            }
            Output::Told(told) => self.on_told(told),
            Output::Notice(notice) => self.said.push(notice.to_string()),
        }
    }

    /// Follows the token's events from now on.
    pub fn follow(&mut self) {
        let now = self.now();
        let cursor = self.cursor.flatten();
        self.cursor = Some(cursor);
        self.desk.follow(vec![TOKEN], cursor, now);
    }

    fn on_told(&mut self, told: follower::Output) {
        let seed = self.seed;
        match told {
            follower::Output::Ask(_) => panic!("seed {seed} failed: the desk asks by itself"),
            follower::Output::Seen(event) => {
                *self.seen.entry(event.block.id).or_default() += 1;
            }
            follower::Output::Undone(block) => {
                self.seen.remove(&block.id);
                self.undone += 1;
            }
            follower::Output::Final { cursor, events } => self.credit(cursor, &events),
            follower::Output::Trouble(trouble) => self.said.push(trouble.to_string()),
        }
    }

    /// Counts a final block's events, and checks them against the chain.
    fn credit(&mut self, cursor: Cursor, events: &[Event]) {
        let seed = self.seed;
        let before = self.cursor.flatten();
        let follows = before.is_none_or(|before| before.number + 1 == cursor.number);
        assert!(follows, "seed {seed} failed: a gap before block {}", cursor.number);
        let amount_of = |event: &Event| wire::abi::Decoder::new(&event.log.data).uint();
        let credited: u128 = events.iter().filter_map(|event| amount_of(event).ok()).sum();
        self.credited += credited;
        self.cursor = Some(Some(cursor));
        self.seen.remove(&cursor.id);
        if before.is_some() && self.majority_is_honest() {
            let block = self.chain.block(cursor.number).expect("a block of the chain");
            assert!(block.number <= self.chain.solid().number, "seed {seed} failed: not final");
            assert!(block.id == cursor.id, "seed {seed} failed: another block was counted");
            let truth = block.carried.iter().filter_map(|carried| carried.event);
            let truth: u128 = truth.map(|(_, _, amount)| amount).sum();
            assert!(
                credited == truth,
                "seed {seed} failed: block {} credits {credited}, not {truth}",
                block.number
            );
        }
    }

    fn store(&mut self, record: &Record) {
        let now = self.now();
        // A crash may come before or after the disk has it, but before we hear so.
        let crash = self.rough && self.rng.chance(1, 5);
        if !crash || self.rng.chance(1, 2) {
            let is_second = record.is_live()
                && self.stored.values().any(|other| {
                    other.intent == record.intent
                        && other.attempt != record.attempt
                        && other.is_live()
                });
            assert!(!is_second, "seed {} failed: two live records of one intent", self.seed);
            self.stored.insert((record.intent, record.attempt), record.clone());
        }
        if crash {
            self.crashed = true;
        } else {
            self.desk.on_stored(record.intent, record.attempt, Ok(()), now);
        }
    }

    /// The process ends and begins again with what was stored.
    fn restart(&mut self) {
        self.crashed = false;
        self.crashes += 1;
        self.desk = Desk::new(self.profile.clone());
        self.replies.clear();
        self.writes.clear();
        let now = self.now();
        if let Some(cursor) = self.cursor {
            self.desk.follow(vec![TOKEN], cursor, now);
        }
        let live: Vec<Record> =
            self.stored.values().filter(|record| record.is_live()).cloned().collect();
        for record in live {
            self.desk.resume(record, now);
        }
        // Whoever wanted something and sees no live record of it wants it again, by the same name.
        for order in self.orders.clone().into_values() {
            let intent = order.intent;
            let records = self.stored.values().filter(|record| record.intent == intent);
            let known: Vec<Record> = records.cloned().collect();
            if self.ended.contains_key(&intent) || known.iter().any(Record::is_live) {
                continue;
            }
            match self.desk.send(order, &known, now) {
                Ok(()) => {}
                Err(SendError::Done(id)) => {
                    let record = known.into_iter().find(|record| record.id == id);
                    self.ended.insert(intent, Ok(record.expect("is known")));
                }
                Err(error) => panic!("seed {} failed: {error}", self.seed),
            }
        }
    }

    /// Gives a request to its node, and the reply a time to arrive.
    fn exchange(&mut self, request: HttpRequest) {
        self.exchanges += 1;
        let index =
            self.endpoints.iter().position(|endpoint| request.url.starts_with(&endpoint.url));
        let endpoint = &mut self.endpoints[index.expect("a node of the profile")];
        let below = request.url.strip_prefix(&endpoint.url).expect("found by it");
        let path = below.trim_start_matches('/').to_owned();
        let body = request.post.expect("everything is asked by POST").body;
        let asked = serde_json::from_slice(&body).expect("we send JSON");
        let mut delay = Duration::from_millis(u64::from(20 + self.rng.below(200)));
        let is_dropped =
            endpoint.lie == Some(Lie::TakenAndDropped) && path.ends_with("broadcasthex");
        let honest = if is_dropped {
            // The answer of a chain that will never be.
            endpoint.node.answer(&mut self.chain.clone(), &path, &asked)
        } else {
            endpoint.node.answer(&mut self.chain, &path, &asked)
        };
        let old = endpoint
            .old
            .entry((path.clone(), body))
            .or_insert_with(|| honest.to_string().into_bytes())
            .clone();
        let result = match endpoint.lie {
            None => Ok(lie::reply(200, honest.to_string().into_bytes())),
            Some(Lie::Replay) => Ok(lie::reply(200, old)),
            Some(lie) => lie.tell(&path, &asked, honest, &self.chain, &mut self.rng),
        };
        if matches!(result, Err(HttpError::Timeout)) {
            delay = request.timeout;
        }
        self.replies.insert((self.at + delay, self.exchanges), (request.id, result));
    }

    /// Nothing is signed but what was meant.
    fn check_meant(&self, intent: IntentId, to_sign: &ToSign) {
        let seed = self.seed;
        let order = &self.orders[&intent];
        let ToSign::Tron(unsigned) = to_sign else { panic!("seed {seed} failed: not of TRON") };
        let (from, action, terms) = transaction::read(unsigned.raw()).expect("we made it");
        assert!(from == order.from, "seed {seed} failed: {from} was not meant to pay");
        match (&action, &order.action) {
            (
                transaction::Action::Transfer { to, amount },
                Action::Transfer { to: meant, amount: units },
            ) => {
                let made = (to, amount.amount());
                assert!(made == (meant, *units), "seed {seed} failed: {made:?} was not meant");
            }
            (
                transaction::Action::Trigger { contract, call_value, data },
                Action::Call { contract: meant, value, data: call },
            ) => {
                let made = (contract, call_value.amount(), data);
                assert!(
                    made == (meant, *value, call),
                    "seed {seed} failed: {made:?} was not meant"
                );
            }
            _ => panic!("seed {seed} failed: {action:?} was not meant"),
        }
        let now_ms = self.now().unix_ms;
        let life_ms = u64::try_from(EXPIRATION.as_millis()).expect("a minute");
        assert!(terms.expiration_ms <= now_ms + life_ms, "seed {seed} failed: lives too long");
        assert!(
            terms.fee_limit.0 <= FEE_CAP,
            "seed {seed} failed: {} is above the cap",
            terms.fee_limit
        );
        if self.majority_is_honest() {
            let blocks = (0..=self.chain.solid().number).filter_map(|n| self.chain.block(n));
            let refers =
                |block: &crate::tron_chain::Block| block.id[6..16] == terms.ref_block.0[6..16];
            assert!(
                blocks.into_iter().any(refers),
                "seed {seed} failed: refers to a block that is not"
            );
        }
    }

    /// Whether more than half of the nodes are honest, and at least two.
    #[must_use]
    pub fn majority_is_honest(&self) -> bool {
        let honest = self.endpoints.iter().filter(|endpoint| endpoint.lie.is_none()).count();
        honest >= 2 && 2 * honest > self.endpoints.len()
    }

    /// What the desk says happened is what happened.
    fn check_end(&self, how: &Result<Record, SendError>) {
        let seed = self.seed;
        let Ok(record) = how else { return };
        if !self.majority_is_honest() {
            return;
        }
        let carried = self.chain.final_carried().find(|carried| carried.id == record.id);
        match &record.status {
            Status::Live => panic!("seed {seed} failed: ended and live"),
            Status::Confirmed(settled) => {
                let carried =
                    carried.unwrap_or_else(|| panic!("seed {seed} failed: not on the chain"));
                assert!(!carried.failed, "seed {seed} failed: it failed");
                let fee = Amount::new(carried.fee.into());
                assert!(
                    settled.fee == fee,
                    "seed {seed} failed: it cost {fee}, not {}",
                    settled.fee
                );
            }
            Status::Failed { .. } => {
                let carried =
                    carried.unwrap_or_else(|| panic!("seed {seed} failed: not on the chain"));
                assert!(carried.failed, "seed {seed} failed: it did not fail");
            }
            Status::Expired => {
                assert!(
                    carried.is_none(),
                    "seed {seed} failed: called expired, but it is on the chain"
                );
            }
        }
    }

    /// How often the chain carried out each intent, by the records that were stored. Nothing may be
    /// there that was not stored, and nothing twice.
    pub fn check_nothing_twice(&self) {
        let seed = self.seed;
        let mut times: BTreeMap<IntentId, u32> = BTreeMap::new();
        for carried in self.chain.final_carried() {
            let record = self.stored.values().find(|record| record.id == carried.id);
            let record =
                record.unwrap_or_else(|| panic!("seed {seed} failed: sent, but not stored"));
            *times.entry(record.intent).or_default() += 1;
        }
        for (intent, times) in times {
            assert!(times <= 1, "seed {seed} failed: {intent} was carried out {times} times");
        }
    }
}
