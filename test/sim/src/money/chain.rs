//! A model of a TRON chain with one Vault, which forgets transactions, loses answers and undoes blocks.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Rng;
use ledger::chain_client::{
    Answer, Block, Echoed, Fate, Network, Place, Query, Quote, Receipt, Word,
};
use ledger::channel::View;
use ledger::now::Now;
use ledger::outbox::NetworkId;
use ledger::transaction::{Action, Signed, read};
use ledger::voucher::ChainTime;
use ledger::{Address, Amount, Parties, TxId};

/// The model's chain.
pub const NETWORK: NetworkId = NetworkId([0x4e; 32]);
/// Its Vault.
pub const VAULT: Address = Address::new([0x7a; 20]);
/// What each transaction costs.
pub(super) const FEE: u128 = 5;
/// When its first block was made, in milliseconds since 1970.
pub(super) const FIRST_MS: u64 = 1_800_000_000_000;

const SOLID_DEPTH: usize = 2;

/// What the Vault can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// From the owner's wallet to his free balance.
    Deposit(u128),
    /// From there to the payee's lock.
    Lock(u128),
    /// From the free balance back to the owner.
    Withdraw(u128),
    /// A voucher up to this amount.
    Redeem(u128),
}

impl Call {
    /// As data of a transaction.
    pub fn encode(self) -> Vec<u8> {
        let (tag, amount) = match self {
            Self::Deposit(amount) => (0, amount),
            Self::Lock(amount) => (1, amount),
            Self::Withdraw(amount) => (2, amount),
            Self::Redeem(amount) => (3, amount),
        };
        [&[tag; 4], &amount.to_be_bytes()[..]].concat()
    }

    fn decode(data: &[u8]) -> Self {
        let (tag, amount) = data.split_at(4);
        let amount = u128::from_be_bytes(amount.try_into().expect("16 bytes"));
        match tag[0] {
            0 => Self::Deposit(amount),
            1 => Self::Lock(amount),
            2 => Self::Withdraw(amount),
            _ => Self::Redeem(amount),
        }
    }
}

/// A call that was carried out.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// The transaction.
    pub tx: TxId,
    /// Who sent it.
    pub sender: Address,
    /// What it did.
    pub call: Call,
    /// In which block.
    pub block: u64,
}

/// Where the money is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Money {
    /// In the owner's wallet.
    pub owner: u128,
    /// Free in his account.
    pub free: u128,
    /// Locked for the payee.
    pub locked: u128,
    /// Paid out to the payee, as the Vault counts it.
    pub redeemed: u128,
    /// In the payee's wallet.
    pub payee: u128,
}

#[derive(Clone, Debug)]
struct Made {
    header: Block,
    happened: Vec<Happened>,
    money: Money,
    carried: Vec<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: TxId,
    sender: Address,
    call: Call,
    expiration_ms: u64,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Chain {
    parties: Parties,
    blocks: Vec<Made>,
    waiting: BTreeMap<TxId, Waiting>,
    now_ms: u64,
    forks: u64,
    rng: Rng,
}

impl Chain {
    /// A chain with the owner's money on it.
    pub fn new(parties: Parties, rng: Rng) -> Self {
        let money = Money { owner: super::START, ..Money::default() };
        let header = Block { id: [0; 32], parent: [0; 32], number: 0, time_ms: FIRST_MS };
        let first = Made { header, happened: Vec::new(), money, carried: Vec::new() };
        let waiting = BTreeMap::new();
        Self { parties, blocks: vec![first], waiting, now_ms: FIRST_MS + 1, forks: 0, rng }
    }

    /// The time.
    pub fn now(&self) -> Now {
        Now { instant: super::instant(self.now_ms), unix_ms: self.now_ms }
    }

    /// Time passes, and a block is made; sometimes what waits is forgotten, or a block undone.
    pub fn pass(&mut self, time: Duration) {
        self.now_ms += u64::try_from(time.as_millis()).expect("small");
        if self.rng.chance(1, 12) {
            self.waiting.clear();
        }
        if self.rng.chance(1, 8) && self.blocks.len() > SOLID_DEPTH + 1 {
            let undone = self.blocks.pop().expect("there are several");
            self.waiting.extend(undone.carried.into_iter().map(|waiting| (waiting.id, waiting)));
            self.forks += 1;
        }
        self.make_block();
    }

    fn make_block(&mut self) {
        let last = self.blocks.last().expect("there is a first");
        let number = last.header.number + 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        id[8..16].copy_from_slice(&self.forks.to_be_bytes());
        let header = Block { id, parent: last.header.id, number, time_ms: self.now_ms };
        let mut made =
            Made { header, happened: Vec::new(), money: last.money, carried: Vec::new() };
        for (tx, waiting) in std::mem::take(&mut self.waiting) {
            // Sometimes a block has no room.
            if self.rng.chance(1, 4) {
                self.waiting.insert(tx, waiting);
            } else if waiting.expiration_ms > self.now_ms && self.place(tx).is_none() {
                let Waiting { sender, call, .. } = waiting;
                let call = made.money.apply(call);
                made.happened.push(Happened { tx, sender, call, block: number });
                made.carried.push(waiting);
            }
        }
        self.blocks.push(made);
    }

    fn solid_count(&self) -> usize {
        self.blocks.len().saturating_sub(SOLID_DEPTH).max(1)
    }

    /// Numbers of final blocks after this one.
    pub fn solid_after(&self, number: u64) -> impl Iterator<Item = u64> {
        let solid = self.blocks.iter().take(self.solid_count());
        let numbers: Vec<u64> = solid.map(|made| made.header.number).collect();
        numbers.into_iter().filter(move |other| *other > number)
    }

    /// What happened in a block.
    pub fn events_in(&self, number: u64) -> &[Happened] {
        &self.blocks[usize::try_from(number).expect("small")].happened
    }

    /// A block's header.
    pub fn block(&self, number: u64) -> Block {
        self.blocks[usize::try_from(number).expect("small")].header
    }

    /// The channel as of the newest final block.
    pub fn solid_view(&self) -> View {
        let made = &self.blocks[self.solid_count() - 1];
        View {
            locked: Amount::new(made.money.locked),
            redeemed: Amount::new(made.money.redeemed),
            delay_s: 600,
            unlock_at: None,
            round: 0,
            at: ChainTime(made.header.time_ms / 1_000),
        }
    }

    /// Where the money is, by the newest block.
    pub fn money(&self) -> Money {
        self.blocks.last().expect("there is a first").money
    }

    /// Whether all that anybody wants is in final blocks.
    pub fn is_done(&self) -> bool {
        self.blocks.iter().take(self.solid_count()).flat_map(|made| &made.happened).count() >= 4
    }

    /// Transactions of somebody.
    pub fn carried_of(&self, sender: Address) -> u128 {
        self.happened().filter(|happened| happened.sender == sender).count() as u128
    }

    /// Nothing was done twice: money moved as often as it was wished.
    pub fn assert_each_wish_once(&self) {
        let mut calls: Vec<Call> = self.happened().map(|happened| happened.call).collect();
        calls.sort();
        let expected = [
            Call::Deposit(super::DEPOSIT),
            Call::Lock(super::LOCK),
            Call::Withdraw(super::WITHDRAW),
            Call::Redeem(super::VOUCHERED),
        ];
        assert_eq!(calls, expected);
    }

    fn happened(&self) -> impl Iterator<Item = &Happened> {
        self.blocks.iter().flat_map(|made| &made.happened)
    }

    fn place(&self, id: TxId) -> Option<&Happened> {
        self.happened().find(|happened| happened.tx == id)
    }

    /// An honest node's answer. None: it got lost, though what was asked may be done.
    pub fn answer(&mut self, query: &Query) -> Option<Answer> {
        let answer = match query.clone() {
            Query::Network => Answer::Network(Network {
                id: NETWORK,
                chain_id: 1,
                head: self.blocks.last()?.header,
                solid: self.solid(),
                energy_price: Amount::new(1),
                byte_price: Amount::ZERO,
            }),
            Query::Quote { .. } => Answer::Quote(quote()),
            Query::SolidBlock => Answer::Block(Some(self.solid())),
            Query::Broadcast { id, bytes } => {
                self.take(id, &bytes);
                let endpoint = "model".to_owned();
                Answer::Broadcast(vec![Echoed { endpoint, word: Word::Taken }])
            }
            Query::Fate { id, .. } => {
                let place = self.place(id).map_or(Place::Nowhere, |happened| self.seen(happened));
                let (voices, dissent, solid) = (1, 0, self.solid());
                Answer::Fate(Fate { solid, place, nonce: None, voices, dissent })
            }
            Query::Balance { .. }
            | Query::Resources(_)
            | Query::Call { .. }
            | Query::HeadBlock
            | Query::Block(_)
            | Query::BlockLogs { .. }
            | Query::Nonce(_) => panic!("the outbox does not ask {query:?}"),
        };
        (!self.rng.chance(1, 10)).then_some(answer)
    }

    fn solid(&self) -> Block {
        self.blocks[self.solid_count() - 1].header
    }

    fn seen(&self, happened: &Happened) -> Place {
        let Block { number, time_ms, .. } = self.block(happened.block);
        let receipt = Receipt {
            id: happened.tx,
            block_number: number,
            block_time_ms: time_ms,
            fee: Amount::new(FEE),
            energy: 1,
            contract: Some(VAULT),
            failure: None,
            logs: Vec::new(),
        };
        if number <= self.solid().number { Place::Solid(receipt) } else { Place::Head(receipt) }
    }

    fn take(&mut self, id: TxId, bytes: &[u8]) {
        let signed = Signed::from_bytes(bytes).expect("what is sent is well-formed and signed");
        assert_eq!(signed.id(), id);
        let (sender, action, terms) = read(signed.raw()).expect("it can be read");
        let Action::Trigger { contract: VAULT, data, .. } = action else {
            panic!("{action:?} is no call of the Vault");
        };
        let call = Call::decode(&data);
        let by_payee = matches!(call, Call::Redeem(_));
        let expected = if by_payee { self.parties.payee } else { self.parties.owner };
        assert_eq!(sender, expected);
        let expiration_ms = terms.expiration_ms;
        if self.place(id).is_none() && expiration_ms > self.now_ms {
            self.waiting.insert(id, Waiting { id, sender, call, expiration_ms });
        }
    }
}

impl Money {
    /// Carries out a call. Gives what it came to.
    fn apply(&mut self, call: Call) -> Call {
        match call {
            Call::Deposit(amount) => {
                self.owner -= amount;
                self.free += amount;
                call
            }
            Call::Lock(amount) => {
                self.free -= amount;
                self.locked += amount;
                call
            }
            Call::Withdraw(amount) => {
                self.free -= amount;
                self.owner += amount;
                call
            }
            Call::Redeem(cumulative) => {
                let paid = cumulative.saturating_sub(self.redeemed).min(self.locked);
                self.locked -= paid;
                self.redeemed += paid;
                self.payee += paid;
                Call::Redeem(paid)
            }
        }
    }
}

fn quote() -> Quote {
    Quote {
        energy: 1,
        bandwidth: 1,
        energy_free: 0,
        bandwidth_free: 0,
        energy_price: Amount::new(1),
        byte_price: Amount::ZERO,
        activation: Amount::ZERO,
        fee: Amount::new(FEE),
        fee_limit: Amount::new(10),
        fee_max: Amount::new(10),
        balance: Amount::new(1_000_000),
        failure: None,
    }
}
