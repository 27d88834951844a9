//! Calls that change nothing: constant calls and estimates.

use crate::receipt::{ContractResult, Log};
use ledger::Address;
use ledger::Sun;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallTarget {
    /// This contract with this call data.
    Contract(Address, Vec<u8>),
    /// This creation code, constructor arguments appended.
    Deploy(Vec<u8>),
}

/// A call that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// Who asks (`msg.sender`); need not exist.
    pub owner: Address,
    /// What to run.
    pub target: CallTarget,
    /// TRX sent along; the owner must have it.
    pub call_value: Sun,
}

/// What a call that changes nothing would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutcome {
    /// Energy used.
    pub energy_used: u64,
    /// What was returned, or the revert data.
    pub output: Vec<u8>,
    /// How it ended.
    pub result: ContractResult,
    /// java-tron's words for a failure (`REVERT opcode executed`); empty if there was none.
    pub message: String,
    /// Events.
    pub logs: Vec<Log>,
    /// The contract made, for a deployment.
    pub created: Option<Address>,
}

/// Why a call was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// No contract there. java-tron: `Smart contract is not exist.`
    #[error("no contract at {0:?}")]
    NoContract(Address),
    /// The owner can't send what it should.
    #[error("{owner:?} has {balance} sun, {call_value} needed")]
    Balance {
        /// Who asks.
        owner: Address,
        /// What it has.
        balance: Sun,
        /// What should be sent along.
        call_value: Sun,
    },
    /// More bytes than a transaction may have.
    #[error("{bytes} bytes of data, at most {bytes_max}")]
    TooLong {
        /// What came.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The chain's file failed.
    #[error(transparent)]
    Chain(#[from] crate::refusal::ChainError),
}
