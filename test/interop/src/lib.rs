//! Drives the real `shoal` program against clients that other people wrote.
//!
//! A test is a closure given to [`scene`]: it starts processes, waits for events of theirs, and
//! compares bytes. Every wait ends at the scene's deadline; no process outlives it; when it fails,
//! the error carries what every process printed. A client that is not installed makes a line in
//! the log of skipped tests ([`skip`]), which CI wants empty.
//!
//! `test/setup/peers.sh` installs the clients.

mod aria2;
mod chain;
mod client;
mod content;
mod corrupter;
mod dht;
mod libtorrent;
mod network;
mod opentracker;
mod process;
mod rtorrent;
mod scene;
mod shoal;
mod transfer;
mod transmission;
mod wallet;
mod wire_peek;

pub use aria2::Aria2;
pub use chain::Chain;
pub use client::{ByDht, Client, Completion, Job, Running, Task};
pub use content::{Content, Shape, assert_identical};
pub use corrupter::corrupter;
pub use dht::{DhtClient, DhtNode, KeyPair, dht_network};
pub use libtorrent::{Inspected, Libtorrent, Torrent, create_torrent, inspect_torrent, makers};
pub use network::{in_own_network, inside, run};
pub use opentracker::{Counts, Opentracker, Scheme};
pub use process::{Proc, installed};
pub use rtorrent::Rtorrent;
pub use scene::{Failure, Outcome, Scene, free_port, listening, scene, skip};
pub use shoal::{Shoal, shoal_command, subject};
pub use transfer::{Dials, transfer};
pub use transmission::Transmission;
pub use wallet::{wallet, wallet_tronweb};
pub use wire_peek::WirePeek;
