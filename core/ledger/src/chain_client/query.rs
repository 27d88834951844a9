//! What can be asked of a chain, and what it answers.

pub use wire::tron_http::{BroadcastRefusal, Resources, View};

use crate::address::Address;
use crate::amount::Amount;
use crate::network::Coin;
use crate::outbox::{Action, NetworkId};
use crate::transaction::TxId;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Which chain this is, how far it is, and its prices.
    Network,
    /// How much of a coin somebody has. [`View::Head`] is what one node says and may be undone;
    /// [`View::Solid`] is what all nodes that we ask agree on.
    Balance {
        /// Who.
        of: Address,
        /// Of what.
        coin: Coin,
        /// Newest or final.
        view: View,
    },
    /// An account's energy and bandwidth (TRON only).
    Resources(Address),
    /// What a contract's function returns.
    Call {
        /// Who asks it; matters to few contracts.
        from: Address,
        /// The contract.
        contract: Address,
        /// Selector and arguments.
        data: Vec<u8>,
        /// Newest or final.
        view: View,
    },
    /// What a transaction would cost now, and whether it would succeed.
    Quote {
        /// Who would send it.
        from: Address,
        /// What it would do.
        action: Action,
    },
    /// The newest final block: what a transaction of ours refers to.
    SolidBlock,
    /// The newest block, in one node's view.
    HeadBlock,
    /// The block of this number.
    Block(u64),
    /// Everything that contracts told in the block of this number, with its header.
    BlockLogs {
        /// Which block.
        number: u64,
        /// The contracts to listen to; at least one.
        contracts: Vec<Address>,
        /// Newest or final.
        view: View,
    },
    /// What became of a transaction.
    Fate {
        /// Which.
        id: TxId,
        /// Who sent it (Ethereum: whose nonce is looked at).
        from: Address,
    },
    /// How many transactions an account has sent, waiting ones included (Ethereum only).
    Nonce(Address),
    /// Passes a signed transaction on, to every node that we know.
    Broadcast {
        /// Its id.
        id: TxId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// The answer to the query of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Query::Network`].
    Network(Network),
    /// To [`Query::Balance`].
    Balance(Amount),
    /// To [`Query::Resources`].
    Resources(Resources),
    /// To [`Query::Call`]: returned bytes, or why it failed.
    Returned(Result<Vec<u8>, Revert>),
    /// To [`Query::Quote`].
    Quote(Quote),
    /// To [`Query::SolidBlock`], [`Query::HeadBlock`] and [`Query::Block`].
    Block(Option<Block>),
    /// To [`Query::BlockLogs`].
    BlockLogs(BlockLogs),
    /// To [`Query::Fate`].
    Fate(Fate),
    /// To [`Query::Nonce`].
    Nonce(u64),
    /// To [`Query::Broadcast`]: each node's word.
    Broadcast(Vec<Echoed>),
}

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its id.
    pub id: [u8; 32],
    /// The id of the block before.
    pub parent: [u8; 32],
    /// Its number.
    pub number: u64,
    /// Its time, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Facts of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Which it is.
    pub id: NetworkId,
    /// What signatures are bound to: the low 32 bits of the genesis id on TRON.
    pub chain_id: u64,
    /// The newest block.
    pub head: Block,
    /// The newest final block.
    pub solid: Block,
    /// Price of one energy or gas, in the chain's coin.
    pub energy_price: Amount,
    /// Price of one byte of bandwidth; zero on Ethereum.
    pub byte_price: Amount,
}

/// What a transaction would cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Energy or gas that it would use now.
    pub energy: u64,
    /// Bytes of bandwidth; zero on Ethereum.
    pub bandwidth: u64,
    /// Energy that the sender's stake covers.
    pub energy_free: u64,
    /// Bandwidth that the sender has for nothing.
    pub bandwidth_free: u64,
    /// Price of one energy or gas.
    pub energy_price: Amount,
    /// Price of one byte.
    pub byte_price: Amount,
    /// Paid for making the recipient's account; zero if it exists.
    pub activation: Amount,
    /// What it is likely to cost in all.
    pub fee: Amount,
    /// What its energy may cost at most: the estimate with a margin. This is what is signed.
    pub fee_limit: Amount,
    /// What it can cost at worst, in all.
    pub fee_max: Amount,
    /// What the sender has of the chain's coin now.
    pub balance: Amount,
    /// It would fail now: why.
    pub failure: Option<Revert>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The contract's own reason if it gave one that we can read, else the node's words; printable.
    pub reason: String,
    /// What it returned.
    pub data: Vec<u8>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The newest final block, known before the rest was asked. A transaction that is nowhere, and
    /// whose expiration is before this block's time, can't enter a block any more.
    pub solid: Block,
    /// Where it is.
    pub place: Place,
    /// Transactions that its sender had in final blocks (Ethereum only).
    pub nonce: Option<u64>,
    /// Nodes that said the same.
    pub voices: u32,
    /// Nodes that said something else.
    pub dissent: u32,
}

/// Where a transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In no block.
    Nowhere,
    /// In a block that may be undone.
    Head(Receipt),
    /// In a block that can't be undone.
    Solid(Receipt),
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which.
    pub id: TxId,
    /// The block.
    pub block_number: u64,
    /// Its time, in milliseconds since 1970; zero if the node doesn't say.
    pub block_time_ms: u64,
    /// Paid in all.
    pub fee: Amount,
    /// Energy or gas used.
    pub energy: u64,
    /// The contract that was called (TRON) or made.
    pub contract: Option<Address>,
    /// Why it failed.
    pub failure: Option<Revert>,
    /// What it told.
    pub logs: Vec<Log>,
}

/// An event of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub contract: Address,
    /// Its name by hash, and what is indexed.
    pub topics: Vec<[u8; 32]>,
    /// The rest.
    pub data: Vec<u8>,
}

/// What was told in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockLogs {
    /// The block.
    pub block: Block,
    /// Events in order, each with its transaction and its place among that transaction's events of
    /// all contracts.
    pub logs: Vec<(TxId, u32, Log)>,
}

/// What one node said to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echoed {
    /// The node.
    pub endpoint: String,
    /// Taken, refused, or why there was no answer.
    pub word: Word,
}

/// A node's word on a transaction that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It takes it.
    Taken,
    /// It has had it before: as good as taken.
    Known,
    /// It does not take it, and never will: its code and words.
    Refused(BroadcastRefusal),
    /// It does not take it now, or could not be asked; another time perhaps.
    NotNow(String),
}
