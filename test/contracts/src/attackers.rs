//! Random calls by parties who know everything that was ever signed.
//!
//! Each call is drawn from a seed: honest ones, replays of what was signed before (elsewhere, by
//! others, changed), forgeries, and times just before and after those that matter. After each
//! call the contract must have said what the model says, hold exactly what it owes, and have paid
//! no payee more than his payer's signer vouchered or than was locked for him. In the end
//! everybody takes out what is his, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};

use base::Rng;
use keys::Digest32;
use revm::primitives::{Address, U256};

use crate::model::{Channel, DELAY_MAX, Model, ORDER, address_of_scalar};
use crate::operation::{Entry, Mandate, Operation};
use crate::party::Party;
use crate::stage::{Cast, Stage, cast};
use crate::statement::{Condition, Domain, Statement, account_of, channel_of};
use crate::suite::other_forms;

/// How often each event and each refusal was seen, by name.
pub type Tally = BTreeMap<String, u64>;

/// One run of random calls.
#[derive(Debug)]
pub struct Attack {
    seed: u64,
    rng: Rng,
    stage: Stage,
    /// Tokens that somebody sent to the Vault by mistake.
    donated: U256,
    /// Vouchers that were made, good and bad; any party may use any of them.
    entries: Vec<Entry>,
    conditionals: Vec<(Entry, Vec<Condition>, Vec<U256>)>,
    releases: Vec<Vec<u8>>,
    mandates: Vec<Mandate>,
    /// Accounts that were paid into, and channels that were opened: owner, signer, payee.
    accounts: BTreeSet<(Address, Address)>,
    channels: BTreeSet<(Address, Address, Address)>,
    /// The highest claim that the right signer ever signed, by channel.
    vouchered: BTreeMap<Digest32, U256>,
    /// What went into a channel, to its payee, and back, as events tell.
    locked: BTreeMap<Digest32, U256>,
    paid: BTreeMap<Digest32, U256>,
    returned: BTreeMap<Digest32, U256>,
    tally: Tally,
}

/// Names of a channel.
#[derive(Clone, Copy)]
struct Names {
    owner: &'static Party,
    signer: &'static Party,
    payee: &'static Party,
}

impl Names {
    fn id(self) -> Digest32 {
        channel_of(self.owner.address, self.signer.address, self.payee.address)
    }
}

fn by_address(address: Address) -> &'static Party {
    let found = cast().all().into_iter().find(|party| party.address == address);
    found.expect("only the cast owns accounts")
}

fn owners() -> [&'static Party; 3] {
    let Cast { owner, other_owner, stranger, .. } = cast();
    [owner, other_owner, stranger]
}

fn signers() -> [&'static Party; 3] {
    let Cast { signer, other_signer, owner, .. } = cast();
    [signer, other_signer, owner]
}

fn payees() -> [&'static Party; 4] {
    let Cast { payee, other_payee, signer, owner, .. } = cast();
    [payee, other_payee, signer, owner]
}

impl Attack {
    /// The run of a seed, before its first call.
    #[must_use]
    pub fn new(stage: Stage, seed: u64) -> Self {
        Self {
            seed,
            rng: Rng::from_seed(seed),
            stage,
            donated: U256::ZERO,
            entries: Vec::new(),
            conditionals: Vec::new(),
            releases: Vec::new(),
            mandates: Vec::new(),
            accounts: BTreeSet::new(),
            channels: BTreeSet::new(),
            vouchered: BTreeMap::new(),
            locked: BTreeMap::new(),
            paid: BTreeMap::new(),
            returned: BTreeMap::new(),
            tally: Tally::new(),
        }
    }

    /// Makes that many calls, checks after each, and empties the Vault in the end.
    ///
    /// # Panics
    /// If anything is not as it should be; the message names the seed.
    #[must_use]
    pub fn run(mut self, calls: u32) -> Tally {
        for _ in 0..calls {
            let seconds = [0, 0, 1, 9, 10, 11, 30][self.below(7)];
            self.stage.world.wait(seconds);
            let (sender, operation) = self.operation();
            self.call(sender, &operation);
            if self.rng.chance(1, 50) {
                self.donate();
            }
        }
        self.wind_down();
        self.tally
    }

    fn call(&mut self, sender: &Party, operation: &Operation) {
        let said = self.stage.run(sender, operation);
        match said {
            Ok(events) => {
                self.remember(sender.address, operation);
                for event in &events {
                    self.note(event);
                }
            }
            Err(refusal) => self.count(&refusal),
        }
        self.assert_invariants(operation);
    }

    fn remember(&mut self, sender: Address, accepted: &Operation) {
        match *accepted {
            Operation::Deposit { owner, signer, .. } => {
                self.accounts.insert((owner, signer));
            }
            Operation::Lock { signer, payee, .. } => {
                self.channels.insert((sender, signer, payee));
            }
            Operation::Withdraw { .. }
            | Operation::AnnounceUnlock { .. }
            | Operation::Unlock { .. }
            | Operation::Close { .. }
            | Operation::Redeem { .. }
            | Operation::RedeemFor { .. }
            | Operation::RedeemConditional { .. } => {}
        }
    }

    fn count(&mut self, words: &str) {
        let name = words.split('(').next().unwrap_or_default();
        *self.tally.entry(name.to_owned()).or_default() += 1;
    }

    /// Reads an event as an outsider would, to keep a book of channels beside the model's.
    fn note(&mut self, event: &str) {
        self.count(event);
        let (name, arguments) = event.split_once('(').expect("events have arguments");
        let arguments: Vec<&str> = arguments.trim_end_matches(')').split(", ").collect();
        let book = match name {
            "Locked" => &mut self.locked,
            "Redeemed" => &mut self.paid,
            "Unlocked" => &mut self.returned,
            _ => return,
        };
        let id = arguments.first().and_then(|id| id.parse::<U256>().ok()).expect("a channel");
        let amount = arguments.get(3).and_then(|text| text.parse::<U256>().ok());
        *book.entry(id.to_be_bytes()).or_default() += amount.expect("an amount");
    }

    fn assert_invariants(&mut self, after: &Operation) {
        let seed = self.seed;
        let mut owed = U256::ZERO;
        for (owner, signer) in self.accounts.clone() {
            let account = account_of(owner, signer);
            let free = self.stage.free_of(account);
            assert_eq!(free, self.expected_free(account), "seed {seed} after {after:?}");
            owed += free;
        }
        for (owner, signer, payee) in self.channels.clone() {
            let id = channel_of(owner, signer, payee);
            let channel = self.stage.channel_of(id);
            assert_eq!(channel, self.expected_channel(id), "seed {seed} after {after:?}");
            let of = |book: &BTreeMap<Digest32, U256>| book.get(&id).copied().unwrap_or_default();
            assert_eq!(channel.redeemed, of(&self.paid), "seed {seed} after {after:?}");
            let rest = of(&self.locked) - of(&self.paid) - of(&self.returned);
            assert_eq!(channel.locked, rest, "seed {seed} after {after:?}");
            let most = of(&self.vouchered);
            assert!(channel.redeemed <= most, "seed {seed}: beyond {most} after {after:?}");
            owed += channel.locked;
        }
        let held = self.stage.tokens(self.stage.vault);
        assert_eq!(held, owed + self.donated, "seed {seed} after {after:?}");
        assert_eq!(owed, self.model().owed(), "seed {seed}: somebody else has money here");
    }

    fn model(&self) -> &Model {
        self.stage.model.as_ref().expect("attacks run beside a model")
    }

    fn expected_free(&self, account: Digest32) -> U256 {
        self.model().free.get(&account).copied().unwrap_or_default()
    }

    fn expected_channel(&self, id: Digest32) -> Channel {
        self.model().channels.get(&id).copied().unwrap_or_default()
    }

    fn donate(&mut self) {
        let amount = U256::from(self.rng.below(5));
        let from = self.one_of(&cast().all());
        if self.model().tokens_of(from.address) < amount {
            return;
        }
        self.stage.token_call(from, "transfer", &[self.stage.vault.into(), amount.into()]);
        let vault = self.stage.vault;
        let model = self.stage.model.as_mut().expect("attacks run beside a model");
        *model.tokens.get_mut(&from.address).expect("all hold tokens") -= amount;
        *model.tokens.entry(vault).or_default() += amount;
        self.donated += amount;
    }

    /// All owners get all that is theirs, whatever was done before.
    fn wind_down(&mut self) {
        for (owner, signer, payee) in self.channels.clone() {
            let channel = self.expected_channel(channel_of(owner, signer, payee));
            if !channel.locked.is_zero() && channel.unlock_at == 0 {
                self.call(by_address(owner), &Operation::AnnounceUnlock { signer, payee });
            }
        }
        self.stage.world.wait(DELAY_MAX);
        for (owner, signer, payee) in self.channels.clone() {
            if !self.expected_channel(channel_of(owner, signer, payee)).locked.is_zero() {
                self.call(&cast().tower, &Operation::Unlock { owner, signer, payee });
            }
        }
        for (owner, signer) in self.accounts.clone() {
            let amount = self.expected_free(account_of(owner, signer));
            if !amount.is_zero() {
                self.call(by_address(owner), &Operation::Withdraw { signer, amount });
            }
        }
        assert_eq!(self.model().owed(), U256::ZERO, "seed {}: something is stuck", self.seed);
        let held = self.stage.tokens(self.stage.vault);
        assert_eq!(held, self.donated, "seed {}", self.seed);
    }
}

// What is drawn.
impl Attack {
    fn below(&mut self, bound: usize) -> usize {
        let bound = u32::try_from(bound).expect("a short list");
        self.rng.below(bound).try_into().expect("fits")
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn names(&mut self) -> Names {
        // Mostly one of two channels, so that calls meet.
        let payees = payees();
        if self.rng.chance(3, 4) {
            let Cast { owner, signer, .. } = cast();
            let payee = self.one_of(&[payees[0], payees[1]]);
            return Names { owner, signer, payee };
        }
        let owner = self.one_of(&owners());
        let signer = self.one_of(&signers());
        Names { owner, signer, payee: self.one_of(&payees) }
    }

    fn amount(&mut self) -> U256 {
        match self.rng.below(60) {
            0 => U256::ZERO,
            1 => U256::from(u128::MAX),
            2 => U256::from(u128::MAX) + U256::from(1),
            3 => U256::MAX,
            4..=6 => U256::from(u128::MAX / 2 + 7),
            _ => U256::from(1 + self.rng.below(60)),
        }
    }

    fn address(&mut self) -> Address {
        match self.rng.below(10) {
            0 => Address::ZERO,
            1 => self.stage.vault,
            2 => self.stage.token,
            _ => self.one_of(&cast().all()).address,
        }
    }

    /// Mostly the address of the party, sometimes any other.
    fn near(&mut self, party: &Party) -> Address {
        if self.rng.chance(1, 30) { self.address() } else { party.address }
    }

    fn time(&mut self) -> u64 {
        let now = self.stage.world.now();
        match self.rng.below(8) {
            0 => u64::MAX,
            1 => now - 1,
            2 => now,
            3 => now + 10,
            _ => now + u64::from(self.rng.below(200)),
        }
    }

    /// Who calls what.
    fn operation(&mut self) -> (&'static Party, Operation) {
        let names = self.names();
        let Names { owner, signer, payee } = names;
        let anyone = self.one_of(&cast().all());
        let mostly_owner = if self.rng.chance(1, 10) { anyone } else { owner };
        match self.rng.below(20) {
            0..=2 => {
                // What is paid in for nobody's key would be lost, by the payer's own fault.
                let owner = if self.rng.chance(1, 30) { Address::ZERO } else { owner.address };
                let amount = self.amount();
                let is_small = amount < U256::from(100);
                let amount = if is_small { amount * U256::from(20) } else { amount };
                (anyone, Operation::Deposit { owner, signer: self.near(signer), amount })
            }
            3 => {
                let (signer, amount) = (self.near(signer), self.amount());
                (mostly_owner, Operation::Withdraw { signer, amount })
            }
            4..=7 => {
                let usual = [0, 10, 10, 30, 30];
                let odd = [9, 60, DELAY_MAX, DELAY_MAX + 1, u64::MAX];
                let is_odd = self.rng.chance(1, 8);
                let delay = self.one_of(if is_odd { &odd } else { &usual });
                let (signer, payee, amount) = (self.near(signer), self.near(payee), self.amount());
                (mostly_owner, Operation::Lock { signer, payee, amount, delay })
            }
            8 => {
                let (signer, payee) = (self.near(signer), self.near(payee));
                (mostly_owner, Operation::AnnounceUnlock { signer, payee })
            }
            9 | 10 => {
                if self.rng.chance(1, 2) {
                    self.wait_for_unlock(names);
                }
                let (owner, signer, payee) = (self.near(owner), self.near(signer), payee.address);
                (anyone, Operation::Unlock { owner, signer, payee })
            }
            11 | 12 => {
                let entry = self.entry(names);
                let release = self.release(names, entry.cumulative);
                (anyone, Operation::Close { entry, release })
            }
            13..=15 => (anyone, Operation::Redeem { entries: self.batch(names) }),
            16 | 17 => {
                let mandate = self.mandate(payee);
                let tower = cast().all().into_iter().find(|party| party.address == mandate.tower);
                let sender = tower.filter(|_| self.rng.chance(2, 3)).unwrap_or(anyone);
                (sender, Operation::RedeemFor { mandate, entries: self.batch(names) })
            }
            _ => {
                let (entry, conditions, scalars) = self.conditional(names);
                (anyone, Operation::RedeemConditional { entry, conditions, scalars })
            }
        }
    }

    /// To the announced time, or a second before it.
    fn wait_for_unlock(&mut self, names: Names) {
        let unlock_at = self.expected_channel(names.id()).unlock_at;
        let now = self.stage.world.now();
        if unlock_at > now && unlock_at < now + DELAY_MAX {
            let early = u64::from(self.rng.chance(1, 2));
            self.stage.world.wait(unlock_at - now - early);
        }
    }

    fn batch(&mut self, names: Names) -> Vec<Entry> {
        let count = self.rng.below(4);
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..count {
            let entry = match self.rng.below(5) {
                0 => entries.last().cloned().unwrap_or_else(|| self.entry(names)),
                1 => {
                    let names = self.names();
                    self.entry(names)
                }
                _ => self.entry(names),
            };
            entries.push(entry);
        }
        entries
    }

    /// A sum near what matters in a channel.
    fn sum(&mut self, id: Digest32) -> U256 {
        let Channel { locked, redeemed, .. } = self.expected_channel(id);
        match self.rng.below(12) {
            0 => redeemed,
            1 => redeemed + locked,
            2 => redeemed + locked + U256::from(1),
            3 => self.amount(),
            4 => U256::MAX,
            _ => redeemed + U256::from(self.rng.below(20)),
        }
    }

    fn entry(&mut self, names: Names) -> Entry {
        if !self.entries.is_empty() && self.rng.chance(1, 3) {
            let index = self.below(self.entries.len());
            let mut entry = self.entries[index].clone();
            if self.rng.chance(1, 3) {
                // What was signed for one channel or sum, used for another.
                match self.rng.below(4) {
                    0 => entry.owner = names.owner.address,
                    1 => entry.signer = names.signer.address,
                    2 => entry.payee = names.payee.address,
                    _ => entry.cumulative += U256::from(u8::from(entry.cumulative != U256::MAX)),
                }
            }
            return entry;
        }
        let cumulative = self.sum(names.id());
        let statement = Statement::Voucher { channel: names.id(), cumulative };
        let (voucher, is_good) = self.signature(&statement, names.signer);
        if is_good {
            self.note_vouchered(names.id(), cumulative);
        }
        let Names { owner, signer, payee } = names;
        let (owner, signer, payee) = (owner.address, signer.address, payee.address);
        let entry = Entry { owner, signer, payee, cumulative, voucher };
        self.entries.push(entry.clone());
        entry
    }

    fn note_vouchered(&mut self, id: Digest32, claim: U256) {
        let most = self.vouchered.entry(id).or_default();
        *most = claim.max(*most);
    }

    /// Mostly by whom it should be; else by another, for another domain, or in another form.
    fn signature(&mut self, statement: &Statement, right: &Party) -> (Vec<u8>, bool) {
        let domain = self.stage.domain();
        let wrong_domain = Domain { chain_id: domain.chain_id ^ 1, ..domain };
        match self.rng.below(16) {
            0 => {
                let other = self.one_of(&cast().all());
                (statement.signed(other, domain), other.address == right.address)
            }
            1 => (statement.signed(right, wrong_domain), false),
            2 => {
                let forms = other_forms(&statement.signed(right, domain));
                let index = self.below(forms.len());
                (forms[index].1.clone(), false)
            }
            3 if !self.releases.is_empty() => {
                let index = self.below(self.releases.len());
                (self.releases[index].clone(), false)
            }
            _ => (statement.signed(right, domain), true),
        }
    }

    fn release(&mut self, names: Names, cumulative: U256) -> Vec<u8> {
        if !self.releases.is_empty() && self.rng.chance(1, 5) {
            let index = self.below(self.releases.len());
            return self.releases[index].clone();
        }
        let channel = names.id();
        let round = self.expected_channel(channel).round;
        let round = if self.rng.chance(1, 8) { round + 1 } else { round };
        let statement = Statement::Release { channel, round, cumulative };
        let (release, _) = self.signature(&statement, names.payee);
        self.releases.push(release.clone());
        release
    }

    fn mandate(&mut self, payee: &Party) -> Mandate {
        if !self.mandates.is_empty() && self.rng.chance(1, 3) {
            let index = self.below(self.mandates.len());
            let mut mandate = self.mandates[index].clone();
            match self.rng.below(9) {
                0 => mandate.tower = self.address(),
                1 => mandate.share ^= 1,
                2 => mandate.payee = payee.address,
                3 => mandate.until = self.time(),
                _ => {}
            }
            return mandate;
        }
        let tower = match self.rng.below(4) {
            0 => Address::ZERO,
            1 => self.address(),
            _ => cast().tower.address,
        };
        let usual = self.one_of(&[0, 1, 100, 999, 1_000]);
        let share = if self.rng.chance(1, 8) { 1_001 } else { usual };
        let until = self.time();
        let statement = Statement::Mandate { payee: payee.address, tower, share, until };
        let (signature, _) = self.signature(&statement, payee);
        let mandate = Mandate { payee: payee.address, tower, share, until, signature };
        self.mandates.push(mandate.clone());
        mandate
    }

    fn conditional(&mut self, names: Names) -> (Entry, Vec<Condition>, Vec<U256>) {
        if !self.conditionals.is_empty() && self.rng.chance(1, 3) {
            let index = self.below(self.conditionals.len());
            let (entry, mut conditions, mut scalars) = self.conditionals[index].clone();
            match self.rng.below(6) {
                0 => conditions.reverse(),
                1 => scalars.fill(U256::ZERO),
                2 => scalars.reverse(),
                _ => {}
            }
            return (entry, conditions, scalars);
        }
        let mut conditions = Vec::new();
        let mut scalars = Vec::new();
        for _ in 0..self.rng.below(4) {
            let secret = U256::from(1 + self.rng.below(5));
            let lock = address_of_scalar(secret).filter(|_| !self.rng.chance(1, 20));
            let lock = lock.unwrap_or_default();
            conditions.push(Condition { amount: self.amount(), lock, expiry: self.time() });
            scalars.push(match self.rng.below(12) {
                0..=2 => U256::ZERO,
                3 => secret + ORDER,
                4 => self.one_of(&[ORDER, U256::MAX, secret + U256::from(1), ORDER - secret]),
                _ => secret,
            });
        }
        let cumulative = self.sum(names.id());
        let statement = Statement::Conditional {
            channel: names.id(),
            cumulative,
            conditions: conditions.clone(),
        };
        let (voucher, is_good) = self.signature(&statement, names.signer);
        if is_good {
            let all = conditions.iter().map(|condition| condition.amount);
            let claim = all.fold(cumulative, U256::saturating_add);
            self.note_vouchered(names.id(), claim);
        }
        let Names { owner, signer, payee } = names;
        let (owner, signer, payee) = (owner.address, signer.address, payee.address);
        let entry = Entry { owner, signer, payee, cumulative, voucher };
        self.conditionals.push((entry.clone(), conditions.clone(), scalars.clone()));
        (entry, conditions, scalars)
    }
}
