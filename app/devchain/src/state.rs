//! Accounts and contracts, as they are shown.

use ledger::Sun;
use ledger::{Address, TxId};

/// As of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum View {
    /// The newest block (`/wallet`).
    #[default]
    Head,
    /// The newest final block (`/walletsolidity`).
    Solid,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its balance.
    pub balance: Sun,
    /// Time of the block that made it.
    pub created_ms: u64,
    /// Time of the block with its last transaction; 0: none yet.
    pub latest_operation_ms: u64,
    /// Whether code lives there.
    pub is_contract: bool,
    /// Free bandwidth used of late, in bytes, as of the view's block.
    pub free_net_used: u64,
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// Its address.
    pub address: Address,
    /// Who deployed it: a person, or the contract that made it.
    pub origin: Address,
    /// Its name as deployed; may be empty.
    pub name: String,
    /// The `SmartContract.ABI` message as deployed; empty if a contract made it.
    pub abi: Vec<u8>,
    /// Creation code as deployed, without call value; empty if a contract made it.
    pub bytecode: Vec<u8>,
    /// The code that runs.
    pub runtime: Vec<u8>,
    /// Keccak-256 of `runtime`, as java-tron has it in `code_hash`.
    pub code_hash: [u8; 32],
    /// The share of energy that callers pay, in percent.
    pub consume_user_resource_percent: u32,
    /// The most energy that the deployer would pay per call.
    pub origin_energy_limit: u64,
    /// The transaction that made it.
    pub transaction: TxId,
    /// Version of the contract: 1 for all on this chain.
    pub version: u32,
}

/// What an account may use without paying. Nobody stakes on this chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Free bandwidth used of late, in bytes.
    pub free_net_used: u64,
    /// Free bandwidth per day, in bytes.
    pub free_net_max: u64,
    /// Of all accounts, for display.
    pub total_net_max: u64,
    /// Of all accounts, for display.
    pub total_energy_max: u64,
}
