//! The TVM: contract code executed as TRON executes it.
//!
//! Source: java-tron 4.8 `EnergyCost`, `OperationRegistry`, `Program`, `PrecompiledContracts`;
//! TIP-26, 174, 272, 474, 712. The interpreter is revm's at its Cancun rules; on top come TRON's
//! energy table, its way to address new contracts, its depth of 64 calls, its 3 MiB of memory
//! and its precompiled contracts. There are no refunds, no cold and warm, no cost of call data.
//!
//! Differs from the network: the instructions 0xd0 to 0xdf (TRC-10, staking, votes) do not exist
//! here, nor the precompiled contracts for shielded transfers, votes and staking; no contract is
//! popular enough to be made dearer (dynamic energy); no clock limits CPU time. Transactions are
//! bounded by what they pay. Calls that pay nothing have a budget of work ([`Run::work_max`]), the
//! same on every machine, where the network has 80 ms.
//!
//! Invariant: a run that did not succeed changes nothing. One that did may change only what
//! [`Ran::changes`] holds.

mod addresses;
mod failure;
mod instructions;
mod machine;
mod precompiles;

use revm::primitives::{Address, B256, Bytes, Log, U256};
use revm::state::EvmState;

use crate::receipt::{ContractResult, InternalCall};

pub(crate) use self::machine::run;
pub(crate) use self::precompiles::recover;

/// Price of energy in sun, what `GASPRICE` and `BASEFEE` give.
pub(crate) const ENERGY_PRICE_SUN: u64 = 100;

/// What the state gives as the nonce of an account without code. TRON has no nonces; for revm it is
/// what makes an account exist.
pub(crate) const NONCE_PERSON: u64 = 1;

/// The same for a contract: nothing can be made at its address.
pub(crate) const NONCE_CONTRACT: u64 = 2;

/// The block that code sees around itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    pub(crate) number: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) witness: Address,
    pub(crate) chain_id: u32,
}

/// Where a run begins.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// In this contract, which must exist.
    Call { contract: Address, data: Bytes },
    /// In creation code, for this address.
    Create { address: Address, code: Bytes },
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) owner: Address,
    /// Sun sent along.
    pub(crate) value: u64,
    pub(crate) energy_max: u64,
    /// Bound of what energy is too cheap for: reading state, hashing, precompiled contracts. None: what
    /// runs is paid for.
    pub(crate) work_max: Option<u64>,
    pub(crate) entry: Entry,
    /// Id of the transaction, from which contracts made by contracts get their addresses.
    pub(crate) transaction: B256,
}

/// What a run did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: ContractResult,
    pub(crate) message: String,
    pub(crate) energy_used: u64,
    pub(crate) output: Bytes,
    pub(crate) logs: Vec<Log>,
    pub(crate) internal: Vec<InternalCall>,
    /// Contracts made: (address, who made it).
    pub(crate) created: Vec<(Address, Address)>,
    /// Accounts as the run left them; empty unless it succeeded.
    pub(crate) changes: EvmState,
}

/// A word for the interpreter.
fn word(value: u64) -> U256 {
    U256::from(value)
}
