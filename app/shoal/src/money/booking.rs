//! What a transaction of ours did, as entries of the book: read from its receipt, booked once.

use base::UnixTime;
use disk::{MoneyBatch, MoneyDb, MoneyError};
use ledger::address::Address;
use ledger::amount::Amount;
use ledger::book::{Account, Book, Direction, Leg, Posting, Side, Tags, What};
use ledger::chain_client::{Log, Receipt};
use ledger::network::Coin;
use ledger::outbox::{Action, Record, Settled, Status};
use ledger::{AccountId, ChannelId};
use wire::abi::{self, Decoder};

/// Whose money the book is of, and where it may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Addresses of the wallet.
    pub(crate) ours: Vec<Address>,
    pub(crate) vault: Option<Address>,
    /// The token that the Vault holds.
    pub(crate) token: Option<Address>,
    /// What the sender had before: the first entry of a coin that the book does not know yet.
    pub(crate) before: Vec<(Coin, Amount)>,
}

/// Stores the end of a transaction with everything that it moved, together.
pub(crate) fn book(
    db: &MoneyDb,
    record: &Record,
    receipt: Option<&Receipt>,
    scope: &Scope,
) -> Result<(), MoneyError> {
    let mut batch = MoneyBatch { records: vec![record.clone()], ..MoneyBatch::default() };
    if let Status::Confirmed(settled) | Status::Failed { settled, .. } = &record.status {
        let entries = db.entries(record.network)?;
        // A book that does not add up is not added to; the transaction's end is stored all the same.
        if let Ok(mut book) = Book::restore(record.network, entries) {
            let receipt = receipt.filter(|_| matches!(record.status, Status::Confirmed(_)));
            for posting in postings(&book, record, settled, receipt, scope) {
                // Refused is what is booked already.
                book.post(posting).ok();
            }
            while let Some(commit) = book.poll_output() {
                batch.entries.extend(commit.entries);
            }
        }
    }
    db.commit(&batch)
}

fn postings(
    book: &Book,
    record: &Record,
    settled: &Settled,
    receipt: Option<&Receipt>,
    scope: &Scope,
) -> Vec<Posting> {
    let seconds = i64::try_from(settled.block_time_ms / 1000).unwrap_or(i64::MAX);
    let (at, tx, from) = (UnixTime(seconds), record.id, record.from);
    let mut postings = Vec::new();
    for (coin, there) in &scope.before {
        let what = What::Opening { address: from, coin: *coin };
        // What came by other transactions of this book is booked already.
        let booked = book.balance(Account::Wallet(from), *coin).had().unwrap_or_default();
        let amount = there.saturating_minus(booked);
        if !amount.is_zero() && !book.is_booked(what) {
            let from_to = (Account::Opening, Account::Wallet(from));
            postings.extend(Posting::moved(what, at, *coin, amount, from_to).ok());
        }
    }
    if !settled.fee.is_zero() {
        postings.extend(Posting::fee(tx, at, from, settled.fee).ok());
    }
    let Some(receipt) = receipt else { return postings };
    let target = match &record.action {
        Action::Transfer { to, .. } => Some(*to),
        Action::Call { contract, .. } => Some(*contract),
        Action::Deploy { .. } => settled.contract,
    };
    if let (Some(to), false) = (target, record.action.value().is_zero()) {
        let from_to = (Account::Wallet(from), holder(scope, to));
        let what = What::Transfer { tx };
        postings
            .extend(Posting::moved(what, at, Coin::Native, record.action.value(), from_to).ok());
    }
    let vault_tells = receipt.logs.iter().any(|log| Some(log.contract) == scope.vault);
    for (index, log) in receipt.logs.iter().enumerate() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let event = Event { what: What::Event { tx, index }, at, sender: from, vault_tells };
        postings.extend(of_log(book, &event, log, scope).unwrap_or_default());
    }
    postings
}

struct Event {
    what: What,
    at: UnixTime,
    /// Who sent the transaction.
    sender: Address,
    /// Whether the Vault has told of the transaction.
    vault_tells: bool,
}

fn holder(scope: &Scope, address: Address) -> Account {
    if scope.ours.contains(&address) {
        Account::Wallet(address)
    } else {
        Account::External(address)
    }
}

/// What an event moves. `None`: nothing that we know.
fn of_log(book: &Book, event: &Event, log: &Log, scope: &Scope) -> Option<Vec<Posting>> {
    let (name, indexed) = log.topics.split_first()?;
    let is = |signature: &str| *name == abi::topic(signature);
    if Some(log.contract) == scope.vault {
        return of_vault(book, event, log, scope);
    }
    if !is("Transfer(address,address,uint256)") || indexed.len() != 2 {
        return None;
    }
    let address = |at: usize| abi::address_of(indexed.get(at)?).ok().map(Address::new);
    let (from, to) = (address(0)?, address(1)?);
    let amount = Decoder::new(&log.data).uint().ok().map(Amount::new)?;
    let concerns_us = scope.ours.contains(&from) || scope.ours.contains(&to);
    // What goes into and out of the Vault is told by the Vault itself, unless it was just sent there.
    let of_vault = event.vault_tells && [Some(from), Some(to)].contains(&scope.vault);
    if !concerns_us || amount.is_zero() || of_vault {
        return None;
    }
    let from_to = (holder(scope, from), holder(scope, to));
    Posting::moved(event.what, event.at, Coin::Token(log.contract), amount, from_to)
        .ok()
        .map(|posting| vec![posting])
}

fn of_vault(book: &Book, event: &Event, log: &Log, scope: &Scope) -> Option<Vec<Posting>> {
    let coin = Coin::Token(scope.token?);
    let (name, indexed) = log.topics.split_first()?;
    let is = |signature: &str| *name == abi::topic(signature);
    let account_at = |at: usize| indexed.get(at).map(|id| AccountId(*id));
    let channel_at = |at: usize| indexed.get(at).map(|id| ChannelId(*id));
    let address_at = |at: usize| abi::address_of(indexed.get(at)?).ok().map(Address::new);
    let mut data = Decoder::new(&log.data);
    let mut amount = || data.uint().ok().map(Amount::new);
    let Event { what, at, sender, .. } = *event;
    let posting = if is("Deposited(bytes32,address,address,uint256)") {
        Posting::deposited(what, at, coin, amount()?, (sender, account_at(0)?))
    } else if is("Withdrawn(bytes32,address,uint256)") {
        let from_to = (Account::VaultFree(account_at(0)?), Account::Wallet(address_at(1)?));
        Posting::moved(what, at, coin, amount()?, from_to)
    } else if is("Locked(bytes32,bytes32,address,uint256,uint64)") {
        Posting::locked(what, at, coin, amount()?, (account_at(1)?, channel_at(0)?))
    } else if is("Unlocked(bytes32,bytes32,address,uint256)") {
        let from = Account::VaultLocked(channel_at(0)?);
        Posting::moved(what, at, coin, amount()?, (from, Account::VaultFree(account_at(1)?)))
    } else if is("Redeemed(bytes32,bytes32,address,uint256,uint256)") {
        let (channel, payee) = (channel_at(0)?, address_at(2)?);
        let (paid, cumulative) = (amount()?, amount()?);
        return redeemed(book, event, coin, (channel, payee), (paid, cumulative), scope);
    } else {
        return None;
    };
    posting.ok().map(|posting| vec![posting])
}

/// What was vouchered has been paid out: to us, from what we locked, or both.
fn redeemed(
    book: &Book,
    event: &Event,
    coin: Coin,
    (channel, payee): (ChannelId, Address),
    (paid, cumulative): (Amount, Amount),
    scope: &Scope,
) -> Option<Vec<Posting>> {
    let mut postings = Vec::new();
    let mut legs = Vec::new();
    let mut moved = |from, to| {
        legs.push(Leg { account: to, coin, side: Side::Debit, amount: paid });
        legs.push(Leg { account: from, coin, side: Side::Credit, amount: paid });
    };
    let mut vouchered = |direction| {
        let before = book.vouchered(channel, direction);
        if before < cumulative {
            let sums = (before, cumulative);
            postings.extend(Posting::voucher((channel, direction), event.at, coin, sums).ok());
        }
    };
    if scope.ours.contains(&payee) {
        vouchered(Direction::Received);
        moved(Account::OwedToUs(channel), Account::Wallet(payee));
    }
    let locked = book.balance(Account::VaultLocked(channel), coin).had();
    if locked.is_some_and(|locked| locked >= paid) {
        vouchered(Direction::Given);
        moved(Account::VaultLocked(channel), Account::OwedByUs(channel));
    }
    postings.extend(Posting::new(event.what, event.at, Tags::default(), legs).ok());
    Some(postings)
}
