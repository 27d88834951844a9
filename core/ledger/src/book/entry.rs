//! One entry of the book: what happened, and what it moved.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use base::{InfoHash, UnixTime};
use wire::{hex, unhex};

use super::account::{Account, TextError, coin_of_text, coin_text};
use crate::address::Address;
use crate::amount::Amount;
use crate::network::Coin;
use crate::outbox::NetworkId;
use crate::parties::ChannelId;
use crate::transaction::TxId;

/// Most legs of an entry: a redemption of a batch has one for each payer.
pub const LEGS_MAX: usize = 256;

/// Which way a voucher went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From us.
    Given,
    /// To us.
    Received,
}

/// What is booked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// An event in the log of a transaction.
    Event {
        /// The transaction.
        tx: TxId,
        /// Which of its events, from 0.
        index: u32,
    },
    /// The chain's own coin that a transaction carried.
    Transfer {
        /// The transaction.
        tx: TxId,
    },
    /// What a transaction cost.
    Fee {
        /// The transaction.
        tx: TxId,
    },
    /// A voucher.
    Voucher {
        /// Its channel.
        channel: ChannelId,
        /// From us or to us.
        direction: Direction,
        /// How far it goes.
        cumulative: Amount,
    },
    /// What an address had when the book was opened.
    Opening {
        /// The address.
        address: Address,
        /// What of it.
        coin: Coin,
    },
}

/// Why an entry is in the book. No two entries have the same cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// What happened.
    pub what: What,
    /// For the how manyth time, from 1: an event that a reorganisation took back may come again.
    pub turn: u32,
    /// Whether this takes it back.
    pub is_undo: bool,
}

/// The side of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Into the account.
    Debit,
    /// Out of the account.
    Credit,
}

/// What an entry does to one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Which account.
    pub account: Account,
    /// Of what.
    pub coin: Coin,
    /// In or out.
    pub side: Side,
    /// How much; not zero.
    pub amount: Amount,
}

/// What an entry is for, beyond its cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The torrent.
    pub torrent: Option<InfoHash>,
    /// Who was dealt with.
    pub peer: Option<Address>,
}

/// An entry.
///
/// Invariant: it has at least two legs, none of nothing, and within each coin as much goes in as
/// comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    network: NetworkId,
    cause: Cause,
    at: UnixTime,
    tags: Tags,
    legs: Vec<Leg>,
}

/// Why legs make no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Too few or too many.
    #[error("an entry has 2 to {LEGS_MAX} legs, not {0}")]
    Legs(usize),
    /// A leg of nothing.
    #[error("a leg of {0} is of nothing")]
    Zero(Account),
    /// As much must go in as comes out.
    #[error("{debits} go in and {credits} come out")]
    Unbalanced {
        /// What goes in, of the first coin that differs.
        debits: Amount,
        /// What comes out.
        credits: Amount,
    },
    /// A sum exceeds what can be counted.
    #[error("the legs exceed what can be counted")]
    Overflow,
}

impl Entry {
    /// Puts legs together.
    pub fn new(
        network: NetworkId,
        cause: Cause,
        at: UnixTime,
        tags: Tags,
        legs: Vec<Leg>,
    ) -> Result<Self, EntryError> {
        if legs.len() < 2 || legs.len() > LEGS_MAX {
            return Err(EntryError::Legs(legs.len()));
        }
        let mut sums: BTreeMap<Coin, (Amount, Amount)> = BTreeMap::new();
        for leg in &legs {
            if leg.amount.is_zero() {
                return Err(EntryError::Zero(leg.account));
            }
            let (debits, credits) = sums.entry(leg.coin).or_default();
            let side = match leg.side {
                Side::Debit => debits,
                Side::Credit => credits,
            };
            *side = side.plus(leg.amount).map_err(|_sum| EntryError::Overflow)?;
        }
        match sums.into_values().find(|(debits, credits)| debits != credits) {
            Some((debits, credits)) => Err(EntryError::Unbalanced { debits, credits }),
            None => Ok(Self { network, cause, at, tags, legs }),
        }
    }

    /// On which chain.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// Why it is in the book.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// When it happened.
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// What it is for.
    pub fn tags(&self) -> Tags {
        self.tags
    }

    /// What it does to which account.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// The entry that takes this one back.
    pub(super) fn counter_entry(&self) -> Self {
        let mut counter = self.clone();
        counter.cause.is_undo = true;
        for leg in &mut counter.legs {
            leg.side = match leg.side {
                Side::Debit => Side::Credit,
                Side::Credit => Side::Debit,
            };
        }
        counter
    }
}

/// `event:ID:0`, `fee:ID`, `given:CHANNEL:5`…, with `#2` for a second turn and `/undone` behind what
/// takes it back.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Event { tx, index } => write!(f, "event:{tx}:{index}")?,
            What::Transfer { tx } => write!(f, "transfer:{tx}")?,
            What::Fee { tx } => write!(f, "fee:{tx}")?,
            What::Voucher { channel, direction, cumulative } => {
                let direction = match direction {
                    Direction::Given => "given",
                    Direction::Received => "received",
                };
                write!(f, "{direction}:{channel}:{cumulative}")?;
            }
            What::Opening { address, coin } => {
                write!(f, "opening:{}:{}", hex(address.bytes()), coin_text(coin))?;
            }
        }
        if self.turn != 1 {
            write!(f, "#{}", self.turn)?;
        }
        if self.is_undo { f.write_str("/undone") } else { Ok(()) }
    }
}

impl FromStr for Cause {
    type Err = TextError;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let (text, is_undo) = match text.strip_suffix("/undone") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, turn) = match text.split_once('#') {
            Some((text, turn)) => (text, turn.parse().map_err(|_number| TextError)?),
            None => (text, 1),
        };
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(TextError);
        let kind = next()?;
        let first = next()?;
        let tx = || unhex(first).map(TxId).ok_or(TextError);
        let channel = || unhex(first).map(ChannelId).ok_or(TextError);
        let what = match kind {
            "event" => {
                What::Event { tx: tx()?, index: next()?.parse().map_err(|_number| TextError)? }
            }
            "transfer" => What::Transfer { tx: tx()? },
            "fee" => What::Fee { tx: tx()? },
            "given" | "received" => {
                let direction =
                    if kind == "given" { Direction::Given } else { Direction::Received };
                let cumulative = next()?.parse().map_err(|_number| TextError)?;
                What::Voucher { channel: channel()?, direction, cumulative }
            }
            "opening" => {
                let address = unhex(first).map(Address::new).ok_or(TextError)?;
                What::Opening { address, coin: coin_of_text(next()?)? }
            }
            _ => return Err(TextError),
        };
        if parts.next().is_some() { Err(TextError) } else { Ok(Self { what, turn, is_undo }) }
    }
}
