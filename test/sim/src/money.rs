//! A payer and a payee with real databases on disks that lose power, and a model of the Vault's chain.
//!
//! The payer deposits, locks, vouchers and withdraws, the payee redeems; each is the outbox, the channel
//! and the book of `ledger` over `disk::MoneyDb`. A program can stop before and after each effect: a
//! question to the chain, a broadcast, a record stored. It starts again with what its disk kept. At the end the chain
//! has carried out every wish once, and both books agree with it.

mod chain;

use std::time::Duration;

use base::{Instant, Rng, UnixTime};
use disk::{Cursor, MoneyBatch, MoneyDb, MoneyError, StoredVoucher};
use keys::secp256k1::SecretKey;
use ledger::book::{Account, Book, Direction, Posting, What};
use ledger::chain_client::ClientError;
use ledger::channel::{Payee, PayeeOutput, PayeeRecord, PayeeTerms, Payer, PayerOutput};
use ledger::network::{Coin, Kind, Profile, Worth};
use ledger::outbox::{self, Action, Caps, IntentId, Order, Outbox, Status};
use ledger::typed_data::{Domain, Separator};
use ledger::voucher::{ChainTime, Received, Voucher};
use ledger::{Address, Amount, BlockId, Parties};

pub use chain::{Call, Chain, Happened, Money, NETWORK, VAULT};

use crate::power::PowerDisk;

/// The coin of the model, and how much of it goes where.
const TOKEN: Coin = Coin::Token(Address::new([0x70; 20]));
/// What the payer has at first.
pub const START: u128 = 1_000;
const DEPOSIT: u128 = 100;
const LOCK: u128 = 60;
const VOUCHER: u128 = 10;
const VOUCHERED: u128 = 30;
const WITHDRAW: u128 = 40;

/// The program stopped, by order or because its disk lost power.
#[derive(Debug)]
pub struct Crash;

impl From<MoneyError> for Crash {
    /// The programs of this world contradict themselves never: an error is a dead disk.
    fn from(error: MoneyError) -> Self {
        assert!(!matches!(error, MoneyError::Refused(_) | MoneyError::Damaged { .. }), "{error}");
        Self
    }
}

/// Who a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Deposits, locks, vouchers, withdraws.
    Payer,
    /// Redeems.
    Payee,
}

/// What is in memory, and dies with the program.
#[derive(Debug)]
struct Running {
    db: MoneyDb,
    outbox: Outbox,
    book: Book,
    payer: Payer,
    payee: Payee,
    /// What the payer has given. He says it again and again, for the payee may have missed it.
    newest: Option<Received<Voucher>>,
}

/// A program and its disk.
#[derive(Debug)]
pub struct Program {
    role: Role,
    key: SecretKey,
    /// Its disk.
    pub disk: PowerDisk,
    running: Option<Running>,
    effects: u64,
    /// The effect to stop at.
    pub stops_at: Option<u64>,
    /// How often it stopped.
    pub crashes: u64,
    rng: Rng,
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a key")
}

fn address(byte: u8) -> Address {
    Address::of_key(&key(byte).public())
}

/// The payer signs with his own key here: what a hot key changes is no matter of crashes.
pub fn parties() -> Parties {
    Parties { owner: address(1), signer: address(1), payee: address(3) }
}

fn domain() -> Separator {
    Domain { name: "Shoal Vault", version: "1", chain_id: 1, contract: VAULT }.separator()
}

fn profile() -> Profile {
    Profile {
        name: "local".to_owned(),
        kind: Kind::Tron,
        worth: Worth::Play,
        endpoints: Vec::new(),
        chain_id: None,
        genesis: None,
        btt: None,
        vault: Some(VAULT),
        confirmations: 1,
    }
}

impl Program {
    /// A program that never ran.
    pub fn new(role: Role, mut rng: Rng) -> Self {
        let key = key(if role == Role::Payer { 1 } else { 3 });
        let disk = PowerDisk::new();
        let rng = rng.fork();
        Self { role, key, disk, running: None, effects: 0, stops_at: None, crashes: 0, rng }
    }

    /// How many effects it has had.
    pub fn effects(&self) -> u64 {
        self.effects
    }

    fn name(&self) -> Address {
        Address::of_key(&self.key.public())
    }

    /// One turn: it starts if it does not run, does what is to be done now, and is told what the other
    /// side says. Gives what it says. A crash loses all but the disk.
    pub fn turn(
        &mut self,
        chain: &mut Chain,
        heard: &[Received<Voucher>],
    ) -> Vec<Received<Voucher>> {
        let mut said = Vec::new();
        if self.try_turn(chain, heard, &mut said).is_err() {
            self.running = None;
            self.crashes += 1;
            self.stops_at = None;
            self.disk.restart(&mut self.rng);
        }
        said
    }

    fn try_turn(
        &mut self,
        chain: &mut Chain,
        heard: &[Received<Voucher>],
        said: &mut Vec<Received<Voucher>>,
    ) -> Result<(), Crash> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        self.follow(&mut running, chain)?;
        self.deal(&mut running, chain, heard, said)?;
        self.wish(&mut running)?;
        running.outbox.on_deadline(chain.now());
        self.send(&mut running, chain)?;
        self.running = Some(running);
        Ok(())
    }

    /// Something that the world could see is about to happen, or has happened.
    fn effect(&mut self) -> Result<(), Crash> {
        self.effects += 1;
        if self.stops_at == Some(self.effects) { Err(Crash) } else { Ok(()) }
    }

    fn start(&self) -> Result<Running, Crash> {
        let db = MoneyDb::open(Some(&self.disk.path("money.db")))?;
        let entries = db.entries(NETWORK)?;
        let book = Book::restore(NETWORK, entries).expect("the book balances after every crash");
        let mut outbox = Outbox::new(&profile());
        for record in db.live_records(NETWORK)? {
            outbox.resume(record);
        }
        let channel = parties().channel();
        let verified = |stored: StoredVoucher| {
            let verified = stored.voucher.verify(&domain(), &key(1).public());
            verified.expect("what was stored was verified")
        };
        let given = db.voucher(NETWORK, channel, Direction::Given)?.map(verified);
        let payer = Payer::new(parties(), domain(), Amount::new(LOCK), given.as_ref());
        let mut payee =
            Payee::new(parties(), domain(), PayeeTerms { delay_s_min: 10, margin_s: 1 });
        if let Some(received) = db.voucher(NETWORK, channel, Direction::Received)? {
            payee.restore(PayeeRecord::Voucher(verified(received)));
        }
        let newest = given.map(|given| given.to_received());
        Ok(Running { db, outbox, book, payer, payee, newest })
    }

    /// Books what became final on the chain, together with how far it was followed.
    fn follow(&mut self, running: &mut Running, chain: &Chain) -> Result<(), Crash> {
        let from = running.db.cursor(NETWORK, "vault")?.map_or(0, |cursor| cursor.block);
        let mut batch = MoneyBatch::default();
        let mut last = None;
        for block in chain.solid_after(from) {
            for happened in chain.events_in(block) {
                let postings = self.postings(happened, chain);
                for posting in postings {
                    running.book.post(posting).expect("what is final is booked without conflict");
                }
            }
            last = Some(block);
        }
        let Some(last) = last else { return Ok(()) };
        let mut committed = None;
        while let Some(commit) = running.book.poll_output() {
            committed = Some(commit.id);
            batch.entries.extend(commit.entries);
        }
        let block_id = BlockId(chain.block(last).id);
        batch.cursors.push(Cursor {
            network: NETWORK,
            name: "vault".to_owned(),
            block: last,
            block_id,
        });
        self.effect()?;
        running.db.commit(&batch)?;
        self.effect()?;
        if let Some(id) = committed {
            running.book.on_committed(id);
        }
        let view = chain.solid_view();
        let viewed = match self.role {
            Role::Payer => running.payer.on_view(view),
            Role::Payee => running.payee.on_view(view),
        };
        viewed.expect("the chain takes nothing that was not signed, and does not go back");
        Ok(())
    }

    /// What an event means to this program.
    fn postings(&self, happened: &Happened, chain: &Chain) -> Vec<Posting> {
        let Happened { tx, sender, call, block } = *happened;
        let time = i64::try_from(chain.block(block).time_ms / 1_000).expect("small");
        let (what, at) = (What::Event { tx, index: 0 }, UnixTime(time));
        let (account, channel) = (parties().account(), parties().channel());
        let free = Account::VaultFree(account);
        let moved = |amount: u128, from, to| {
            let posting = Posting::moved(what, at, TOKEN, Amount::new(amount), (from, to));
            posting.expect("two legs of one amount")
        };
        let mut postings = Vec::new();
        if sender == self.name() {
            let fee = Posting::fee(tx, at, sender, Amount::new(chain::FEE));
            postings.push(fee.expect("two legs of one amount"));
        }
        let owner = Account::Wallet(parties().owner);
        let locked = Account::VaultLocked(channel);
        postings.extend(match (self.role, call) {
            (Role::Payer, Call::Deposit(amount)) => Some(moved(amount, owner, free)),
            (Role::Payer, Call::Lock(amount)) => Some(moved(amount, free, locked)),
            (Role::Payer, Call::Withdraw(amount)) => Some(moved(amount, free, owner)),
            (Role::Payer, Call::Redeem(amount)) => {
                Some(moved(amount, locked, Account::OwedByUs(channel)))
            }
            (Role::Payee, Call::Redeem(amount)) => {
                let to = Account::Wallet(parties().payee);
                Some(moved(amount, Account::OwedToUs(channel), to))
            }
            (Role::Payee, Call::Deposit(_) | Call::Lock(_) | Call::Withdraw(_)) => None,
        });
        postings
    }

    /// Vouchers: signed or judged, stored and booked at once, then sent or counted.
    fn deal(
        &mut self,
        running: &mut Running,
        chain: &Chain,
        heard: &[Received<Voucher>],
        said: &mut Vec<Received<Voucher>>,
    ) -> Result<(), Crash> {
        if self.role == Role::Payer && running.payer.cumulative().units() < VOUCHERED {
            running.payer.pay(Amount::new(VOUCHER), &self.key).ok();
        }
        if self.role == Role::Payee {
            for voucher in heard {
                let now = ChainTime(chain.now().unix_ms / 1_000);
                running.payee.on_voucher(voucher.clone(), now).ok();
                self.count(running)?;
            }
        }
        while let Some(output) = running.payer.poll_output() {
            match output {
                PayerOutput::Store(voucher) => {
                    self.keep(running, Direction::Given, voucher.to_received())?;
                    running.payer.on_stored();
                }
                PayerOutput::Send(voucher) => {
                    self.effect()?;
                    running.newest = Some(voucher.to_received());
                }
            }
        }
        said.extend(running.newest.clone());
        Ok(())
    }

    fn count(&mut self, running: &mut Running) -> Result<(), Crash> {
        while let Some(output) = running.payee.poll_output() {
            match output {
                PayeeOutput::Store(PayeeRecord::Voucher(voucher)) => {
                    self.keep(running, Direction::Received, voucher.to_received())?;
                    running.payee.on_stored();
                }
                PayeeOutput::Store(PayeeRecord::Release(_) | PayeeRecord::Scalar(_))
                | PayeeOutput::Credited { .. }
                | PayeeOutput::SendRelease(_)
                | PayeeOutput::SendScalar(_) => {}
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        running: &mut Running,
        direction: Direction,
        voucher: Received<Voucher>,
    ) -> Result<(), Crash> {
        let channel = parties().channel();
        let before = running.book.vouchered(channel, direction);
        let amounts = (before, voucher.statement.cumulative());
        let posting = Posting::voucher((channel, direction), UnixTime(0), TOKEN, amounts);
        running.book.post(posting.expect("it is higher")).expect("it is new");
        let commit = running.book.poll_output().expect("it was staged");
        let stored = StoredVoucher { network: NETWORK, direction, parties: parties(), voucher };
        self.effect()?;
        running.db.commit(&MoneyBatch {
            entries: commit.entries,
            vouchers: vec![stored],
            ..MoneyBatch::default()
        })?;
        self.effect()?;
        running.book.on_committed(commit.id);
        Ok(())
    }

    /// What is to be done on the chain, in order; the next when the one before is final.
    fn wish(&mut self, running: &mut Running) -> Result<(), Crash> {
        let wishes: &[Call] = match self.role {
            Role::Payer => &[Call::Deposit(DEPOSIT), Call::Lock(LOCK), Call::Withdraw(WITHDRAW)],
            Role::Payee => &[Call::Redeem(VOUCHERED)],
        };
        for (number, call) in (0_u8..).zip(wishes) {
            let intent = IntentId([number; 16]);
            let known = running.db.records_of(intent)?;
            match known.last().map(|record| &record.status) {
                Some(Status::Confirmed(_)) => continue,
                Some(Status::Failed { reason, .. }) => panic!("{call:?} failed: {reason}"),
                Some(Status::Live) => return Ok(()),
                Some(Status::Expired) | None => {}
            }
            let counted = running.payee.counted().units();
            if matches!(call, Call::Redeem(_)) && counted < VOUCHERED {
                return Ok(());
            }
            let order = Order {
                intent,
                from: self.name(),
                action: Action::Call { contract: VAULT, value: Amount::ZERO, data: call.encode() },
                caps: Caps { fee_max: Amount::new(100), spend_max: Vec::new() },
                quote: None,
                rebuilds_max: 2,
            };
            // Refused while it is under way.
            running.outbox.send(order, &known).ok();
            return Ok(());
        }
        Ok(())
    }

    /// Carries out what the outbox asks for.
    fn send(&mut self, running: &mut Running, chain: &mut Chain) -> Result<(), Crash> {
        while let Some(output) = running.outbox.poll_output() {
            match output {
                outbox::Output::Ask(ticket, query) => {
                    self.effect()?;
                    let answer = chain.answer(&query);
                    self.effect()?;
                    let lost = ClientError::Unsupported("such luck");
                    running.outbox.on_answer(ticket, answer.ok_or(lost), chain.now());
                }
                outbox::Output::Sign(intent, to_sign) => {
                    let signature = to_sign.sign(&self.key).map_err(|error| error.to_string());
                    running.outbox.on_signed(intent, signature);
                }
                outbox::Output::Store(record) => {
                    self.effect()?;
                    running.db.store_record(&record)?;
                    self.effect()?;
                    let (intent, attempt) = (record.intent, record.attempt);
                    running.outbox.on_stored(intent, attempt, Ok(()), chain.now());
                }
                outbox::Output::Progress(..) | outbox::Output::Done(..) => {}
            }
        }
        Ok(())
    }

    /// Compares the book on disk with the chain, after a last power cut.
    pub fn check(&mut self, chain: &Chain) {
        self.running = None;
        self.disk.restart(&mut self.rng);
        let db = MoneyDb::open(Some(&self.disk.path("money.db"))).expect("the disk works");
        let entries = db.entries(NETWORK).expect("the disk works");
        let book = Book::restore(NETWORK, entries).expect("the book balances");
        let had = |account| book.balance(account, TOKEN).had().map(Amount::units);
        let channel = parties().channel();
        let money = chain.money();
        match self.role {
            Role::Payer => {
                let spent = book.balance(Account::Wallet(self.name()), TOKEN).owed();
                let spent = spent.expect("more went out than came in").units();
                assert_eq!(START - spent, money.owner, "the payer's wallet");
                assert_eq!(had(Account::VaultFree(parties().account())), Some(money.free));
                assert_eq!(had(Account::VaultLocked(channel)), Some(money.locked));
                let owed = book.balance(Account::OwedByUs(channel), TOKEN).owed();
                let owed = owed.map(Amount::units);
                assert_eq!(owed, Some(VOUCHERED - money.redeemed));
            }
            Role::Payee => {
                assert_eq!(had(Account::Wallet(self.name())), Some(money.payee));
                assert_eq!(had(Account::OwedToUs(channel)), Some(VOUCHERED - money.redeemed));
            }
        }
        let fees = book.balance(Account::Fees, Coin::Native).had().map(Amount::units);
        let sent = chain.carried_of(self.name());
        assert_eq!(fees, Some(sent * chain::FEE), "fees of {sent} transactions");
        assert_eq!(db.live_records(NETWORK).expect("the disk works"), [], "nothing is under way");
    }
}

/// Where the power is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Nowhere.
    Never,
    /// The program stops at this effect.
    Effect(u64),
    /// Its disk dies at this change.
    Change(u64),
}

/// What a run was like.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// How often a program stopped.
    pub crashes: u64,
    /// Effects of the program that was to stop.
    pub effects: u64,
    /// Changes of its disk.
    pub changes: u64,
}

/// Turns after which everything must be done: ten minutes of the chain.
const TURNS_MAX: u32 = 200;

/// Runs both programs until all is done, one of them cut once, and some effects later once more.
pub fn run(seed: u64, role: Role, cut: Cut) -> Ran {
    let mut rng = Rng::from_seed(seed);
    let mut chain = Chain::new(parties(), rng.fork());
    let mut payer = Program::new(Role::Payer, rng.fork());
    let mut payee = Program::new(Role::Payee, rng.fork());
    let victim = if role == Role::Payer { &mut payer } else { &mut payee };
    match cut {
        Cut::Never => {}
        Cut::Effect(at) => victim.stops_at = Some(at),
        Cut::Change(at) => victim.disk.fail_at(at),
    }
    let mut said = Vec::new();
    let mut turns = 0;
    while !chain.is_done() {
        let crashes = payer.crashes + payee.crashes;
        said.extend(payer.turn(&mut chain, &[]));
        payee.turn(&mut chain, &said);
        said.clear();
        if crashes == 0 && payer.crashes + payee.crashes == 1 {
            // The recovery is cut, too.
            let victim = if role == Role::Payer { &mut payer } else { &mut payee };
            victim.stops_at = Some(victim.effects + u64::from(rng.below(8)));
        }
        chain.pass(Duration::from_secs(3));
        turns += 1;
        assert!(turns < TURNS_MAX, "seed {seed}, {role:?} cut at {cut:?}: nothing moves any more");
    }
    for _ in 0..8 {
        chain.pass(Duration::from_secs(3)); // Until all that is done is final, and recorded.
        payer.turn(&mut chain, &[]);
        payee.turn(&mut chain, &[]);
    }
    chain.assert_each_wish_once();
    payer.check(&chain);
    payee.check(&chain);
    let victim = if role == Role::Payer { &payer } else { &payee };
    let (crashes, changes) = (payer.crashes + payee.crashes, victim.disk.operations());
    Ran { crashes, effects: victim.effects, changes }
}

/// The instant of the model's clock.
fn instant(unix_ms: u64) -> Instant {
    Instant::START.after(Duration::from_millis(unix_ms - chain::FIRST_MS))
}
