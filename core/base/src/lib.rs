//! The nouns every other crate speaks in: ids, time, units, payload handles, seeded randomness
//! and the effects that more than one machine asks for.
//!
//! `base` depends on nothing and does nothing: no parsing, no state machines, no I/O. A type
//! belongs here only if at least two crates of the row above must agree on it.

mod bitfield;
mod buf;
pub mod client;
mod id;
mod piece_sizes;
mod rng;
mod service;
mod time;

pub use bitfield::Bitfield;
pub use buf::{BLOCK_BYTES, BufPool, BufRef};
pub use id::{
    BlockId, ConnId, ExchangeId, FileIndex, InfoHash, InfoHashV2, InfoHashes, JobId, PeerId,
    PieceIndex, SwarmId, TorrentId,
};
pub use piece_sizes::PieceSizes;
pub use rng::Rng;
pub use service::{
    Family, HttpError, HttpPost, HttpReply, HttpRequest, Purpose, ResolveRequest, Resolved,
};
pub use time::{Instant, UnixTime};
