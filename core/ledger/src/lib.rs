//! Money: amounts, addresses, transactions, what is signed and what is owed.
//!
//! Sans-IO like all of core: time, bytes and randomness come in, what to do comes out. Every number
//! is an integer with a type, every sum is checked, and every refusal says with which numbers.

pub mod address;
pub mod amount;
pub mod book;
pub mod chain_client;
pub mod channel;
pub mod desk;
mod evm_client;
pub mod evm_transaction;
pub mod follower;
pub mod network;
pub mod now;
pub mod outbox;
pub mod parties;
pub mod payment_uri;
pub mod transaction;
mod tron_client;
pub mod typed_data;
pub mod voucher;

pub use crate::address::Address;
pub use crate::amount::{Amount, Sun};
pub use crate::parties::{AccountId, ChannelId, Parties};
pub use crate::transaction::{BlockId, TxId};
