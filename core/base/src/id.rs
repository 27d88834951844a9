//! Typed identifiers. An index of one kind can't be used where another kind is meant.

use core::fmt;

macro_rules! hex_debug {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

/// SHA-1 of a torrent's bencoded `info` dictionary: 20 raw bytes (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);
hex_debug!(InfoHash);

/// SHA-256 of a torrent's bencoded `info` dictionary: 32 raw bytes (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub [u8; 32]);
hex_debug!(InfoHashV2);

impl InfoHashV2 {
    /// What handshakes and trackers have room for: the first 20 bytes (BEP 52).
    pub fn truncated(&self) -> InfoHash {
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        InfoHash(bytes)
    }
}

/// The names of one torrent: a hybrid has two (BEP 52).
///
/// Invariant: there is at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoHashes {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// The name of a torrent of version 1.
    pub fn v1(v1: InfoHash) -> Self {
        Self { v1: Some(v1), v2: None }
    }

    /// The name of a torrent of version 2.
    pub fn v2(v2: InfoHashV2) -> Self {
        Self { v1: None, v2: Some(v2) }
    }

    /// The names of a torrent of both versions.
    pub fn hybrid(v1: InfoHash, v2: InfoHashV2) -> Self {
        Self { v1: Some(v1), v2: Some(v2) }
    }

    /// The name of version 1, if it has one.
    pub fn of_v1(&self) -> Option<InfoHash> {
        self.v1
    }

    /// The name of version 2, if it has one.
    pub fn of_v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The name in one swarm: of version 1, if it has one.
    pub fn first(&self) -> InfoHash {
        self.v1.or(self.in_v2_swarm()).expect("there is at least one")
    }

    /// The name in the swarm of version 2, if it has one.
    pub fn in_v2_swarm(&self) -> Option<InfoHash> {
        self.v2.map(|v2| v2.truncated())
    }

    /// The names in all its swarms, [`Self::first`] first.
    pub fn in_swarms(&self) -> impl Iterator<Item = InfoHash> {
        self.v1.into_iter().chain(self.in_v2_swarm())
    }

    /// Whether it has a name of each version.
    pub fn is_hybrid(&self) -> bool {
        self.v1.is_some() && self.v2.is_some()
    }
}

/// What a client calls itself for one session: 20 raw bytes (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);
hex_debug!(PeerId);

/// Position of a piece in its torrent, counted from 0 (BEP 3).
///
/// Not checked against any torrent's piece count: a value from the wire may be out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(pub u32);

/// Position of a file in its torrent's file list, counted from 0, padding files included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIndex(pub u32);

/// One block: the unit of request on the peer wire (BEP 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The piece that holds the block.
    pub piece: PieceIndex,
    /// Byte offset of the block from the start of its piece.
    pub offset_bytes: u32,
    /// Length of the block in bytes, 1 to 16 KiB by custom.
    pub length_bytes: u32,
}

/// A torrent in this process. Given out by the hub, never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TorrentId(pub u32);

/// One swarm of a torrent in this process: a hybrid is in two, by either of its names (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwarmId {
    /// The torrent.
    pub torrent: TorrentId,
    /// The swarm of its name of version 2.
    pub v2: bool,
}

/// A connection in this process. Given out by the hub or a shard, never reused.
///
/// The lowest 8 bits say who gave it out, so that two givers never collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A disk job of one torrent, unique within the process for its giver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// An HTTP exchange or a DNS query asked of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);
