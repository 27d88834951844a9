//! What happens to money, and which accounts it moves between.

use base::UnixTime;

use super::account::Account;
use super::entry::{Cause, Direction, Entry, EntryError, Leg, Side, Tags, What};
use crate::address::Address;
use crate::amount::Amount;
use crate::network::Coin;
use crate::outbox::NetworkId;
use crate::parties::{AccountId, ChannelId};
use crate::transaction::TxId;

/// An entry before it has a turn. It is balanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting(Entry);

/// Nothing of a network is in a posting: the book knows which it is of.
const NOWHERE: NetworkId = NetworkId([0; 32]);

impl Posting {
    /// Anything that can be booked. The functions below are for what happens often.
    pub fn new(what: What, at: UnixTime, tags: Tags, legs: Vec<Leg>) -> Result<Self, EntryError> {
        let cause = Cause { what, turn: 1, is_undo: false };
        Entry::new(NOWHERE, cause, at, tags, legs).map(Self)
    }

    /// `amount` from one account to another.
    pub fn moved(
        what: What,
        at: UnixTime,
        coin: Coin,
        amount: Amount,
        from_to: (Account, Account),
    ) -> Result<Self, EntryError> {
        let leg = |account, side| Leg { account, coin, side, amount };
        let legs = vec![leg(from_to.1, Side::Debit), leg(from_to.0, Side::Credit)];
        Self::new(what, at, Tags::default(), legs)
    }

    /// A transaction of ours has cost `amount`.
    pub fn fee(tx: TxId, at: UnixTime, payer: Address, amount: Amount) -> Result<Self, EntryError> {
        let from_to = (Account::Wallet(payer), Account::Fees);
        Self::moved(What::Fee { tx }, at, Coin::Native, amount, from_to)
    }

    /// A voucher that goes beyond what was vouchered `before`: from us or to us.
    pub fn voucher(
        (channel, direction): (ChannelId, Direction),
        at: UnixTime,
        coin: Coin,
        (before, cumulative): (Amount, Amount),
    ) -> Result<Self, EntryError> {
        let from_to = match direction {
            Direction::Given => (Account::OwedByUs(channel), Account::Spent),
            Direction::Received => (Account::Earned, Account::OwedToUs(channel)),
        };
        let what = What::Voucher { channel, direction, cumulative };
        Self::moved(what, at, coin, cumulative.saturating_minus(before), from_to)
    }

    /// Money went into an account of the Vault.
    pub fn deposited(
        what: What,
        at: UnixTime,
        coin: Coin,
        amount: Amount,
        (from, account): (Address, AccountId),
    ) -> Result<Self, EntryError> {
        Self::moved(what, at, coin, amount, (Account::Wallet(from), Account::VaultFree(account)))
    }

    /// Free money of an account of the Vault was locked for a payee.
    pub fn locked(
        what: What,
        at: UnixTime,
        coin: Coin,
        amount: Amount,
        (account, channel): (AccountId, ChannelId),
    ) -> Result<Self, EntryError> {
        let from_to = (Account::VaultFree(account), Account::VaultLocked(channel));
        Self::moved(what, at, coin, amount, from_to)
    }

    /// With these tags.
    #[must_use]
    pub fn tagged(self, tags: Tags) -> Self {
        let (cause, at) = (self.0.cause(), self.0.at());
        let legs = self.0.legs().to_vec();
        Self(Entry::new(NOWHERE, cause, at, tags, legs).expect("its legs are balanced"))
    }

    /// What it books.
    pub fn what(&self) -> What {
        self.0.cause().what
    }

    /// Whether `entry` says the same, whenever it happened and whatever it was for.
    pub(super) fn is(&self, entry: &Entry) -> bool {
        self.what() == entry.cause().what && self.0.legs() == entry.legs()
    }

    /// As an entry of a book.
    pub(super) fn into_entry(self, network: NetworkId, turn: u32) -> Entry {
        let cause = Cause { turn, ..self.0.cause() };
        let (at, tags, legs) = (self.0.at(), self.0.tags(), self.0.legs().to_vec());
        Entry::new(network, cause, at, tags, legs).expect("its legs are balanced")
    }
}
