//! Finding peers, and being found: the tracker client, the local network, the router.
//!
//! Source: BEP 3, 7, 12, 14, 15, 23, 24, 27, 31, 41, 48; each module names its own.
//!
//! All machines here are sans-IO and belong to the hub: one [`tracker_client::TrackerClient`]
//! serves all torrents of the node, one [`lsd::Lsd`] talks to its neighbours, one
//! [`port_mapping::PortMapper`] to its router. [`redirect`] is a pure function.

pub mod dht;
pub mod lsd;
pub mod port_mapping;
pub mod redirect;
mod timers;
pub mod tracker_client;
