//! The contracts on chains that others wrote: what they do, and what nobody can make them do.
//!
//! A case of [`suite`] is written once and runs on revm, on a node of hardhat and on our own chain
//! ([`world`]).
//! [`model`] is the Vault in plain Rust; it predicts the events or the refusal of every call, and
//! [`attackers`] make calls that honest parties never would. Calls and events are encoded by
//! the contract's own ABI with a library that the product does not use, digests by hand.

#![expect(clippy::panic, reason = "a world that is wrong ends its run by a panic")]

pub mod artifact;
pub mod attackers;
pub mod embedded;
pub mod model;
pub mod node;
pub mod operation;
pub mod party;
pub mod stage;
pub mod statement;
pub mod suite;
pub mod world;
