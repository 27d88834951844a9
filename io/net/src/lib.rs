//! Sockets: the event loops that drive hub and shards, the one socket factory, and the HTTP and
//! DNS services.
//!
//! This crate decides nothing: it has no retry, no time-out of its own and no protocol. Anything
//! that could be wrong belongs in `core`, where it can be simulated. Start at [`node`].

pub mod chain;
pub mod factory;
pub mod node;
pub mod services;

mod budget;
mod clock;
mod connection;
mod hub_loop;
mod lan;
mod mail;
mod news;
mod outbox;
mod shard_loop;
mod udp;
