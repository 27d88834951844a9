//! Finding peers: the tracker client, and what it shares with others.
//!
//! Source: BEP 3, 7, 12, 15, 23, 24, 27, 31, 41, 48; each module names its own.
//!
//! All machines here are sans-IO and belong to the hub: one [`tracker_client::TrackerClient`]
//! serves all torrents of the node. [`redirect`] is a pure function.

pub mod dht;
pub mod redirect;
mod timers;
pub mod tracker_client;
