//! A TRON-compatible chain for development, in one process and one file.
//!
//! Source: `docs/chain.md`; java-tron 4.8 for rules, codes and wordings, its `EnergyCost` for costs.
//! [`Chain`] is the machine: it checks, orders and executes transactions with the instruction set
//! of the TVM on top of `revm`, makes blocks of them and keeps all of it in `SQLite`. Time comes as
//! an argument. It does no networking. [`node`] puts a chain on a thread of its own, with a bounded
//! queue in front, and commits what waits in one block: that is what servers use.
//!
//! Invariant: what a call here says is in a block is on the disk. The sum of all balances
//! in sun is what genesis made less the fees burned.
//!
//! The money on this chain is play money: its genesis is random, so nothing signed for it means
//! anything on another chain.

pub mod block;
pub mod call;
pub mod chain;
pub mod config;
pub mod execute;
mod explorer;
pub mod genesis;
mod header;
pub mod http;
mod layers;
pub mod node;
pub mod receipt;
pub mod received;
pub mod refusal;
mod rows;
pub mod state;
mod store;
#[cfg(test)]
mod tests;
mod tvm;

pub use crate::block::{Block, BlockRef, StoredTransaction};
pub use crate::call::{CallFailure, CallOutcome, CallRequest, CallTarget};
pub use crate::chain::{Chain, Genesis, SKIPPED_MS_MAX};
pub use crate::config::{BlockTime, Config};
pub use crate::node::{Handle, Node};
pub use crate::receipt::{
    ContractResult, InternalCall, Log, LogFilter, LogPage, LogRecord, Receipt,
};
pub use crate::received::Received;
pub use crate::refusal::{ChainError, FaucetError, OpenError, Refused, ResponseCode};
pub use crate::state::{Account, Contract, Resources, View};
pub use ledger::{Address, Sun, TxId};
