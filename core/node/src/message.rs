//! What hub and shards tell each other, and what both tell the user.
//!
//! Messages may be delayed, and those of different shards reordered; those of one pair arrive
//! in order. The driver bounds the queues and holds the sender's outputs back when one is full.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use base::{ConnId, SwarmId, TorrentId};
use storage::job::DiskError;
use storage::watch::Doubt;
pub use torrent::diary::Entry as DiaryEntry;
use torrent::peers::Source;
pub use torrent::swarm::view::{BUCKETS_MAX, Bucket, PeerView};
pub use torrent::swarm::{CloseReason, Metadata, Stats};
use wire::peer::Handshake;

use crate::limit::{Class, Direction, Limits};
use crate::spec::{MagnetSpec, TorrentSpec};

/// From the hub to a shard.
#[derive(Debug)]
pub enum ToShard {
    /// Take this torrent.
    Add(TorrentId, Box<TorrentSpec>),
    /// Find out what this torrent is; answered by [`ToHub::Metadata`].
    Seek(TorrentId, Box<MagnetSpec>),
    /// This is what it is, and what is wanted of it.
    Begin(TorrentId, Box<TorrentSpec>),
    /// Addresses to try, of one of its swarms.
    Peers(SwarmId, Vec<SocketAddr>, Source),
    /// A connection that was dialled to us; its socket goes with this message.
    Incoming {
        /// Whose.
        torrent: TorrentId,
        /// Its name.
        conn: ConnId,
        /// Where it is.
        addr: SocketAddr,
        /// What it said.
        handshake: Handshake,
    },
    /// Stop this torrent; answered by [`ToHub::Removed`].
    Remove(TorrentId),
    /// Bytes that may be moved from or to addresses of a class.
    Lease(Direction, Class, u64),
    /// From now on these limits hold; what was leased or asked for before does not count.
    Limits(Limits),
    /// Nobody at this address is talked to any more, in any torrent.
    Ban(IpAddr),
    /// Others see us at this address.
    ExternalAddr(IpAddr),
    /// Look closely at a torrent, its pieces in so many buckets; answered by [`ToHub::View`].
    Look(TorrentId, usize),
    /// Tell what happens to the peers of all torrents that come from now on.
    KeepDiary,
}

/// From a shard to the hub.
#[derive(Debug)]
pub enum ToHub {
    /// How a torrent does. At most four a second for each.
    Status(TorrentId, Box<TorrentStatus>),
    /// What a torrent is that was known by name alone.
    Metadata(TorrentId, Box<Metadata>),
    /// A peer of a public torrent has a node of the DHT here (BEP 5).
    DhtNode(SocketAddr),
    /// A swarm is short of addresses.
    WantPeers(TorrentId),
    /// Everything that the torrent has is durable and recorded, and it has all that is wanted.
    Settled(TorrentId),
    /// The torrent cannot go on.
    Failed(TorrentId, DiskError),
    /// The disk makes trouble; the torrent waits and tries again. `None`: no longer.
    Trouble(TorrentId, Option<DiskError>),
    /// Somebody changed a file of the torrent; what we have of it is compared again.
    Doubted(TorrentId, PathBuf, Doubt),
    /// So many pieces were lost by that.
    Lost(TorrentId, u32),
    /// The torrent is stopped and its files are closed.
    Removed(TorrentId),
    /// A lease is used up.
    LeaseWanted {
        /// Which way.
        direction: Direction,
        /// With whom.
        class: Class,
        /// How many torrents want more: shares are equal by torrent.
        torrents: u32,
    },
    /// News of a peer.
    Peer(TorrentId, SocketAddr, PeerNews),
    /// A close look at a torrent.
    View(TorrentId, Box<View>),
    /// For a log.
    Diary(TorrentId, DiaryEntry),
}

/// What became of a peer, as far as the user may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerNews {
    /// We closed its connection because it misbehaved.
    Left(CloseReason),
    /// Nobody at its IP address is talked to any more.
    Banned,
}

/// A torrent looked at closely. Made when somebody asks, so that nobody else pays for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its pieces, in as many buckets as were asked for or fewer.
    pub pieces: Vec<Bucket>,
    /// Its peers.
    pub peers: Vec<PeerView>,
}

/// Where a torrent stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Only its name is known.
    Seeking,
    /// Its files are being looked at.
    #[default]
    Opening,
    /// What is on disk is compared with its digests.
    Checking {
        /// Pieces compared.
        done: u32,
        /// Pieces to compare.
        total: u32,
    },
    /// Something wanted is missing.
    Downloading,
    /// Nothing wanted is missing.
    Seeding,
    /// It is being stopped.
    Stopping,
    /// It cannot go on.
    Failed,
}

/// How a torrent does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TorrentStatus {
    /// Where it stands.
    pub phase: Phase,
    /// Pieces verified.
    pub pieces_have: u32,
    /// Pieces in all.
    pub pieces: u32,
    /// Bytes of the verified pieces.
    pub have_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes of wanted files that are in verified pieces.
    pub wanted_have_bytes: u64,
    /// Bytes of wanted files; `total_bytes` if nothing is skipped.
    pub wanted_bytes: u64,
    /// Traffic of this run.
    pub stats: Stats,
    /// Payload bytes of all runs.
    pub downloaded_ever_bytes: u64,
    /// Payload bytes of all runs.
    pub uploaded_ever_bytes: u64,
    /// It was complete in an earlier run.
    pub was_complete: bool,
}
