//! The double-entry book: every movement of money, its cause, and nothing else.
//!
//! An [`Entry`] moves amounts between [`Account`]s; within each coin its debits equal its credits.
//! Balances are derived from entries and never stored beside them, so that they can't disagree.
//! What has one cause is booked once, however often it is told: an event of the chain is known by
//! its transaction and index, a voucher by its channel and cumulative amount. When a reorganisation
//! takes back an event, its entry stays and a counter entry is added; if the event comes again, it
//! is booked for another [turn](Cause::turn).
//!
//! Drive it: [`Book::post`] or [`Book::undo`], then [`Book::poll_output`] until it is silent. A
//! [`Commit`] is stored durably, all or nothing, and acknowledged by [`Book::on_committed`]; only then it
//! counts. A commit that fails is tried again, or the program ends: it is never given up.
//!
//! Invariant: the debits of all accounts equal the credits of all accounts, in each coin.

mod account;
mod csv;
mod entry;
mod posting;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::amount::Amount;
use crate::network::Coin;
use crate::outbox::NetworkId;
use crate::parties::ChannelId;

pub use account::{Account, TextError, coin_of_text, coin_text};
pub use csv::{CSV_HEADER, CoinName, csv_rows};
pub use entry::{Cause, Direction, Entry, EntryError, LEGS_MAX, Leg, Side, Tags, What};
pub use posting::Posting;

/// Most entries that wait for their commit: more means that the disk is stuck, and whoever earns
/// meanwhile should wait for it.
pub const STAGED_MAX: usize = 1_024;

/// Names a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(pub u64);

/// Entries to be stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// What to store. Storing one that is there already is harmless.
    pub entries: Vec<Entry>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It counts when this is committed.
    Staged(CommitId),
    /// Its cause was booked before.
    Already,
}

/// Why nothing was booked. A refused call changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The same cause was booked with another content.
    #[error("{0:?} is booked with another content")]
    Conflict(What),
    /// There is nothing to take back.
    #[error("{0:?} is not booked")]
    NotBooked(What),
    /// Vouchers are promises: nothing takes them back.
    #[error("{0:?} cannot be taken back")]
    Final(What),
    /// A sum exceeds what can be counted.
    #[error("what went through {0} exceeds what can be counted")]
    Overflow(Account),
    /// The disk is stuck.
    #[error("{waiting} entries wait to be stored")]
    Stuck {
        /// How many.
        waiting: usize,
    },
}

/// The balance of an account in one coin: its debits less its credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// More was put in than taken out: what is had, or was spent.
    Debit(Amount),
    /// More was taken out than put in: what is owed, or was earned.
    Credit(Amount),
}

impl Balance {
    /// What is had. `None`: more was taken out than put in.
    pub fn had(self) -> Option<Amount> {
        match self {
            Self::Debit(amount) => Some(amount),
            Self::Credit(amount) => amount.is_zero().then_some(amount),
        }
    }

    /// What is owed. `None`: more was put in than taken out.
    pub fn owed(self) -> Option<Amount> {
        match self {
            Self::Credit(amount) => Some(amount),
            Self::Debit(amount) => amount.is_zero().then_some(amount),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turnover {
    debits: Amount,
    credits: Amount,
}

/// What is known of a cause other than a voucher.
#[derive(Clone, Debug)]
struct Standing {
    entry: Entry,
    is_live: bool,
}

type Totals = BTreeMap<(Account, Coin), Turnover>;

/// The book of one network.
#[derive(Debug)]
pub struct Book {
    network: NetworkId,
    /// What is durable.
    totals: Totals,
    /// The same, and what is staged.
    totals_ahead: Totals,
    standings: BTreeMap<What, Standing>,
    /// How far the vouchers of a channel are booked.
    vouchers: BTreeMap<(ChannelId, Direction), Amount>,
    staged: VecDeque<Commit>,
    commits: u64,
    outputs: VecDeque<Commit>,
}

impl Book {
    /// An empty book.
    pub fn new(network: NetworkId) -> Self {
        Self {
            network,
            totals: Totals::new(),
            totals_ahead: Totals::new(),
            standings: BTreeMap::new(),
            vouchers: BTreeMap::new(),
            staged: VecDeque::new(),
            commits: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The book that was stored: its entries in the order in which they were. Those of other
    /// networks are skipped.
    pub fn restore(
        network: NetworkId,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<Self, BookError> {
        let mut book = Self::new(network);
        for entry in entries.into_iter().filter(|entry| entry.network() == network) {
            add(&mut book.totals, &entry)?;
            book.note(&entry);
        }
        book.totals_ahead.clone_from(&book.totals);
        book.assert_invariants();
        Ok(book)
    }

    /// The balance of an account, by what is durable.
    pub fn balance(&self, account: Account, coin: Coin) -> Balance {
        let turnover = self.totals.get(&(account, coin)).copied().unwrap_or_default();
        turnover.balance()
    }

    /// All accounts with their balances, in order.
    pub fn balances(&self) -> impl Iterator<Item = (Account, Coin, Balance)> {
        self.totals.iter().map(|(&(account, coin), turnover)| (account, coin, turnover.balance()))
    }

    /// How far the vouchers of a channel are booked, staged ones included.
    pub fn vouchered(&self, channel: ChannelId, direction: Direction) -> Amount {
        self.vouchers.get(&(channel, direction)).copied().unwrap_or(Amount::ZERO)
    }

    /// Whether an event, a transfer or a fee is booked and not taken back.
    pub fn is_booked(&self, what: What) -> bool {
        match what {
            What::Voucher { channel, direction, cumulative } => {
                cumulative <= self.vouchered(channel, direction)
            }
            What::Event { .. }
            | What::Transfer { .. }
            | What::Fee { .. }
            | What::Opening { .. } => {
                self.standings.get(&what).is_some_and(|standing| standing.is_live)
            }
        }
    }

    /// Books what happened.
    pub fn post(&mut self, posting: Posting) -> Result<Posted, BookError> {
        let what = posting.what();
        let mut turn = 1;
        match what {
            What::Voucher { .. } if self.is_booked(what) => return Ok(Posted::Already),
            What::Voucher { .. } => {}
            What::Event { .. }
            | What::Transfer { .. }
            | What::Fee { .. }
            | What::Opening { .. } => {
                if let Some(standing) = self.standings.get(&what) {
                    match (standing.is_live, posting.is(&standing.entry)) {
                        (true, true) => return Ok(Posted::Already),
                        (true, false) => return Err(BookError::Conflict(what)),
                        (false, _) => turn = standing.entry.cause().turn.saturating_add(1),
                    }
                }
            }
        }
        self.stage(posting.into_entry(self.network, turn))
    }

    /// Takes back what a reorganisation of the chain has undone, by a counter entry.
    pub fn undo(&mut self, what: What) -> Result<Posted, BookError> {
        if let What::Voucher { .. } = what {
            return Err(BookError::Final(what));
        }
        let standing = self.standings.get(&what).ok_or(BookError::NotBooked(what))?;
        if !standing.is_live {
            return Ok(Posted::Already);
        }
        self.stage(standing.entry.counter_entry())
    }

    /// A commit is durable.
    pub fn on_committed(&mut self, id: CommitId) {
        while let Some(commit) = self.staged.pop_front_if(|commit| commit.id <= id) {
            for entry in &commit.entries {
                add(&mut self.totals, entry).expect("it was added to the totals ahead");
            }
        }
        self.assert_invariants();
    }

    /// What to store next.
    pub fn poll_output(&mut self) -> Option<Commit> {
        self.outputs.pop_front()
    }

    fn stage(&mut self, entry: Entry) -> Result<Posted, BookError> {
        let waiting = self.staged.len();
        if waiting >= STAGED_MAX {
            return Err(BookError::Stuck { waiting });
        }
        add(&mut self.totals_ahead, &entry)?;
        self.note(&entry);
        self.commits += 1;
        let commit = Commit { id: CommitId(self.commits), entries: vec![entry] };
        self.staged.push_back(commit.clone());
        self.outputs.push_back(commit);
        Ok(Posted::Staged(CommitId(self.commits)))
    }

    /// Remembers that a cause is booked.
    fn note(&mut self, entry: &Entry) {
        let Cause { what, is_undo, .. } = entry.cause();
        if let What::Voucher { channel, direction, cumulative } = what {
            let far = self.vouchers.entry((channel, direction)).or_insert(Amount::ZERO);
            *far = cumulative.max(*far);
        } else if is_undo {
            if let Some(standing) = self.standings.get_mut(&what) {
                standing.is_live = false;
            }
        } else {
            self.standings.insert(what, Standing { entry: entry.clone(), is_live: true });
        }
    }

    fn assert_invariants(&self) {
        if !cfg!(debug_assertions) {
            return; // It looks at all accounts.
        }
        let mut sums: BTreeMap<Coin, (Wide, Wide)> = BTreeMap::new();
        for ((_, coin), turnover) in &self.totals {
            let (debits, credits) = sums.entry(*coin).or_default();
            debits.add(turnover.debits);
            credits.add(turnover.credits);
        }
        for (coin, (debits, credits)) in sums {
            assert!(debits == credits, "debits and credits in {coin:?} differ");
        }
    }
}

/// A sum of many amounts, each of which fits 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wide {
    low: u128,
    carries: u64,
}

impl Wide {
    fn add(&mut self, amount: Amount) {
        let (low, carried) = self.low.overflowing_add(amount.units());
        self.low = low;
        self.carries += u64::from(carried);
    }
}

impl Turnover {
    fn balance(self) -> Balance {
        match self.debits.minus(self.credits) {
            Ok(more) => Balance::Debit(more),
            Err(_less) => Balance::Credit(self.credits.saturating_minus(self.debits)),
        }
    }
}

/// Adds the legs of an entry, all or none.
fn add(totals: &mut Totals, entry: &Entry) -> Result<(), BookError> {
    let mut changed: Vec<((Account, Coin), Turnover)> = Vec::with_capacity(entry.legs().len());
    for leg in entry.legs() {
        let key = (leg.account, leg.coin);
        let known = changed.iter().rev().find(|(other, _)| *other == key);
        let mut turnover = known
            .map(|(_, turnover)| *turnover)
            .or_else(|| totals.get(&key).copied())
            .unwrap_or_default();
        let side = match leg.side {
            Side::Debit => &mut turnover.debits,
            Side::Credit => &mut turnover.credits,
        };
        *side = side.plus(leg.amount).map_err(|_sum| BookError::Overflow(leg.account))?;
        changed.push((key, turnover));
    }
    totals.extend(changed);
    Ok(())
}
