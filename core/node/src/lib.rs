//! A node: one [`hub::Hub`] and N [`shard::Shard`]s, made of the machines of the row below.
//!
//! The hub owns what is shared: who listens, trackers, the catalogue, the global limits. A shard
//! owns torrents with their peers and files. They talk by the messages in [`message`], which may
//! be late. Neither touches the world: `io/` carries out what they return, `test/sim` simulates
//! it. Start at [`shard`], then [`hub`].

pub mod fetch;
pub mod hub;
pub mod limit;
pub mod message;
pub mod peer_source;
pub mod shard;
pub mod spec;

mod catalogue;
mod second_swarm;
