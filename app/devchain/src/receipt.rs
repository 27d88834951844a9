//! What executing a transaction did.

use ledger::BlockId;
use ledger::Sun;
use ledger::{Address, TxId};

/// How execution ended; the names are those of java-tron's `contractResult`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContractResult {
    /// No contract ran (a plain transfer).
    Default,
    /// It returned.
    Success,
    /// It reverted; energy used so far is charged.
    Revert,
    /// It jumped to no jump destination.
    BadJumpDestination,
    /// Memory beyond 3 MiB.
    OutOfMemory,
    /// A precompiled contract failed.
    PrecompiledContract,
    /// Too few words on the stack.
    StackTooSmall,
    /// Too many.
    StackTooLarge,
    /// An instruction that does not exist.
    IllegalOperation,
    /// More than 1024 words.
    StackOverflow,
    /// The energy that fee limit and balance allow was used up.
    OutOfEnergy,
    /// Execution took too long.
    OutOfTime,
    /// Calls too deep in the host.
    JvmStackOverFlow,
    /// Anything else.
    Unknown,
    /// A transfer within the execution could not be made.
    TransferFailed,
    /// The code returned by a constructor is not allowed.
    InvalidCode,
}

impl ContractResult {
    const ALL: [Self; 16] = [
        Self::Default,
        Self::Success,
        Self::Revert,
        Self::BadJumpDestination,
        Self::OutOfMemory,
        Self::PrecompiledContract,
        Self::StackTooSmall,
        Self::StackTooLarge,
        Self::IllegalOperation,
        Self::StackOverflow,
        Self::OutOfEnergy,
        Self::OutOfTime,
        Self::JvmStackOverFlow,
        Self::Unknown,
        Self::TransferFailed,
        Self::InvalidCode,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Success => "SUCCESS",
            Self::Revert => "REVERT",
            Self::BadJumpDestination => "BAD_JUMP_DESTINATION",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::PrecompiledContract => "PRECOMPILED_CONTRACT",
            Self::StackTooSmall => "STACK_TOO_SMALL",
            Self::StackTooLarge => "STACK_TOO_LARGE",
            Self::IllegalOperation => "ILLEGAL_OPERATION",
            Self::StackOverflow => "STACK_OVERFLOW",
            Self::OutOfEnergy => "OUT_OF_ENERGY",
            Self::OutOfTime => "OUT_OF_TIME",
            Self::JvmStackOverFlow => "JVM_STACK_OVER_FLOW",
            Self::Unknown => "UNKNOWN",
            Self::TransferFailed => "TRANSFER_FAILED",
            Self::InvalidCode => "INVALID_CODE",
        }
    }

    /// The number on the wire (`Transaction.Result.contractResult`).
    pub const fn number(self) -> i32 {
        match self {
            Self::Default => 0,
            Self::Success => 1,
            Self::Revert => 2,
            Self::BadJumpDestination => 3,
            Self::OutOfMemory => 4,
            Self::PrecompiledContract => 5,
            Self::StackTooSmall => 6,
            Self::StackTooLarge => 7,
            Self::IllegalOperation => 8,
            Self::StackOverflow => 9,
            Self::OutOfEnergy => 10,
            Self::OutOfTime => 11,
            Self::JvmStackOverFlow => 12,
            Self::Unknown => 13,
            Self::TransferFailed => 14,
            Self::InvalidCode => 15,
        }
    }

    /// By its number on the wire.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.number() == number)
    }

    /// What the transaction's outcome says in its block: there a plain transfer succeeded too.
    pub const fn in_block(self) -> Self {
        if matches!(self, Self::Default) { Self::Success } else { self }
    }

    /// Whether `Transaction.Result.code`, and the receipt's `result`, say FAILED.
    pub const fn failed(self) -> bool {
        !matches!(self, Self::Default | Self::Success)
    }
}

/// An event that a contract logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// At most 4.
    pub topics: Vec<[u8; 32]>,
    /// The rest.
    pub data: Vec<u8>,
}

/// A call or creation made by a contract during execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalCall {
    /// Who called.
    pub caller: Address,
    /// Who was called, or made.
    pub to: Address,
    /// TRX sent along.
    pub value: Sun,
    /// `call` or `create`, as java-tron notes them.
    pub note: &'static str,
    /// Whether it, or what it was part of, was undone.
    pub rejected: bool,
}

/// What executing a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub id: TxId,
    /// Its block.
    pub block_number: u64,
    /// That block's time.
    pub block_timestamp_ms: u64,
    /// All that was burned: energy, bandwidth, account creation.
    pub fee: Sun,
    /// What the contract returned, or the revert data; for a creation the code it made.
    pub output: Vec<u8>,
    /// The contract called or made.
    pub contract: Option<Address>,
    /// Energy used, whoever paid.
    pub energy_usage_total: u64,
    /// Of the fee, what was for energy.
    pub energy_fee: Sun,
    /// Bandwidth taken from the free allowance, in bytes.
    pub net_usage: u64,
    /// Of the fee, what was for bandwidth.
    pub net_fee: Sun,
    /// How it ended.
    pub result: ContractResult,
    /// java-tron's words for a failure (`REVERT opcode executed`); empty if there was none.
    pub message: String,
    /// Events, in order; none if it failed.
    pub logs: Vec<Log>,
    /// Calls that contracts made, in order.
    pub internal: Vec<InternalCall>,
}

impl Receipt {
    /// About how many bytes it takes to keep.
    pub(crate) fn effect_bytes(&self) -> usize {
        let of_log = |log: &Log| 64 + 32 * log.topics.len() + log.data.len();
        let logs: usize = self.logs.iter().map(of_log).sum();
        self.output.len() + logs + 64 * self.internal.len()
    }
}

/// An event with its place on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its block.
    pub block_number: u64,
    /// That block's id.
    pub block_id: BlockId,
    /// That block's time.
    pub block_timestamp_ms: u64,
    /// The transaction.
    pub transaction: TxId,
    /// Its place in the block.
    pub transaction_index: u32,
    /// The event's place in the transaction.
    pub index_in_transaction: u32,
    /// The event's place in the block.
    pub index_in_block: u32,
    /// The event.
    pub log: Log,
}

/// Which events: all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// From this block on.
    pub from_block: u64,
    /// To this block; none: to the head.
    pub to_block: Option<u64>,
    /// By one of these contracts; empty: any.
    pub addresses: Vec<Address>,
    /// For each place the topics allowed there; empty: any, but there must be one.
    pub topics: Vec<Vec<[u8; 32]>>,
    /// Not before this block time.
    pub min_timestamp_ms: Option<u64>,
    /// Not after this block time.
    pub max_timestamp_ms: Option<u64>,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// After this place in that order: (block, event's place in the block). For pages.
    pub after: Option<(u64, u32)>,
    /// Of this transaction.
    pub transaction: Option<TxId>,
}

/// Some of the events that a filter matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Those, in the filter's order.
    pub records: Vec<LogRecord>,
    /// The last place that was looked at, for the next page's [`LogFilter::after`]; none if nothing
    /// is left to look at.
    pub stopped_at: Option<(u64, u32)>,
}
