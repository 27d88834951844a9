//! One question to nodes in their own language, and facts made of their answers.

use wire::tron_http::{ChainParameters, Resources};
use wire::{json_rpc, tron_http};

use super::query::{Block, Echoed, Log, Receipt, Revert, Word};
use crate::transaction::TxId;

/// A question in the language of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// TRON.
    Tron(tron_http::Request),
    /// Ethereum.
    Evm(json_rpc::Request),
}

/// How many nodes are asked, and what is made of their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// One after another until one answers.
    One,
    /// Several, of which the greater part must say the same.
    Agree,
    /// Several; the highest block counts that as many have reached as must agree: one that is ahead,
    /// or says so, gains nothing, and one that is behind holds up nobody.
    Reached,
    /// All, and every word counts.
    All,
}

/// A question and to how many it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) request: Request,
    pub(crate) spread: Spread,
    /// What it is about, for errors.
    pub(crate) what: &'static str,
}

/// What a node said, decoded and found to be an answer to the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Block(Option<Block>),
    Parameters(ChainParameters),
    /// Whether it exists, and what it has.
    Account {
        exists: bool,
        balance: u64,
    },
    Resources(Resources),
    Call(Executed),
    Receipt(Option<Placed>),
    Receipts(Vec<Receipt>),
    Logs(Vec<PlacedLog>),
    Number(u128),
    Word(Word),
    Words(Vec<Echoed>),
}

impl Fact {
    /// Whether two nodes say the same. What a call uses is an estimate, and no part of its result.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call(one), Self::Call(other)) => one.result == other.result,
            (one, other) => one == other,
        }
    }

    pub(crate) fn block(&self) -> Option<Block> {
        if let Self::Block(block) = self { *block } else { None }
    }
}

/// A call that was executed and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) energy: u64,
    pub(crate) result: Result<Vec<u8>, Revert>,
}

/// A receipt, and the id of its block where the node tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) receipt: Receipt,
    pub(crate) block_id: Option<[u8; 32]>,
}

/// An event as Ethereum's nodes list them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedLog {
    pub(crate) transaction: TxId,
    pub(crate) block_id: [u8; 32],
    pub(crate) index: u32,
    pub(crate) log: Log,
}

/// A fact, and how many nodes said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) fact: Fact,
    pub(crate) voices: u32,
    /// How many said something else.
    pub(crate) dissent: u32,
}

/// In a few words, for an error that sets it against another.
pub(crate) fn describe(fact: &Fact) -> String {
    match fact {
        Fact::Block(None) => "no such block".to_owned(),
        Fact::Block(Some(block)) => {
            let Block { number, id, time_ms, .. } = block;
            format!("block {number} {} of {time_ms} ms", wire::hex(id))
        }
        Fact::Parameters(parameters) => {
            format!("{} sun an energy, {} a byte", parameters.energy_price, parameters.byte_price)
        }
        Fact::Account { exists: false, .. } => "no such account".to_owned(),
        Fact::Account { balance, .. } => format!("{balance} sun"),
        Fact::Resources(resources) => format!("{} energy", resources.energy_limit),
        Fact::Call(Executed { result: Ok(bytes), .. }) => described_bytes(bytes),
        Fact::Call(Executed { result: Err(revert), .. }) => format!("failed: {}", revert.reason),
        Fact::Receipt(None) => "not there".to_owned(),
        Fact::Receipt(Some(placed)) => described_receipt(&placed.receipt),
        Fact::Receipts(receipts) => {
            let logs: usize = receipts.iter().map(|receipt| receipt.logs.len()).sum();
            format!("{} transactions with {logs} events", receipts.len())
        }
        Fact::Logs(logs) => format!("{} events", logs.len()),
        Fact::Number(number) => number.to_string(),
        Fact::Word(_) | Fact::Words(_) => "a word on a transaction".to_owned(),
    }
}

fn described_bytes(bytes: &[u8]) -> String {
    match <&[u8; 32]>::try_from(bytes).ok().and_then(|word| wire::abi::uint_of(word).ok()) {
        Some(number) => number.to_string(),
        None => format!("0x{}", wire::hex(bytes.split_at(bytes.len().min(64)).0)),
    }
}

fn described_receipt(receipt: &Receipt) -> String {
    let how = match &receipt.failure {
        None => "done".to_owned(),
        Some(revert) => format!("failed ({})", revert.reason),
    };
    let Receipt { block_number, fee, energy, logs, .. } = receipt;
    format!("{how} in block {block_number} for {fee}, {energy} energy, {} events", logs.len())
}

impl Request {
    /// Whether the answer is a block of now, whose time can be judged.
    pub(crate) fn is_of_now(&self) -> bool {
        matches!(
            self,
            Self::Tron(tron_http::Request::NowBlock(_))
                | Self::Evm(json_rpc::Request::Block(
                    json_rpc::At::Latest | json_rpc::At::Finalized
                ))
        )
    }
}
