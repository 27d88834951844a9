//! What the hub tells the DHT, and what comes out of it.

use std::net::{IpAddr, SocketAddr};

use base::{InfoHash, ResolveRequest};
use wire::krpc::NodeId;

use crate::tracker_client::Families;

/// Settings of the machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Families that we have addresses of. Each is a network of its own (BEP 32).
    pub families: Families,
    /// We ask, but answer nobody (BEP 43): for who pays by the byte, or can't be reached.
    pub read_only: bool,
    /// Where to begin when no node is known: names or address literals, with their ports.
    pub routers: Vec<(String, u16)>,
    /// Nodes in local networks are nodes, too. Else they are left alone, since anybody in the world can name
    /// them.
    pub local: bool,
    /// Most endpoints a minute that we have not sent anything to in that minute, local ones not counted. A
    /// home router keeps an entry for each, for one to three minutes, and has room for some thousands.
    pub endpoints_per_minute: usize,
    /// Most queries a second for announces of torrents that nobody waits for.
    pub announces_per_second: u32,
    /// Most bytes a second of answers to one address, after a burst of four times that.
    pub source_bytes_per_second: u32,
    /// Most torrents whose peers we keep for others, per family.
    pub stored_torrents_max: usize,
    /// Most peers that we keep for others, per family: about 40 bytes each.
    pub stored_peers_max: usize,
    /// Most items that we keep for others (BEP 44), per family: about 1300 bytes each at most.
    pub stored_items_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            families: Families { v4: true, v6: true },
            read_only: false,
            routers: Vec::new(),
            local: false,
            endpoints_per_minute: 600,
            announces_per_second: 1000,
            source_bytes_per_second: 8 * 1024,
            stored_torrents_max: 5000,
            stored_peers_max: 50_000,
            stored_items_max: 1000,
        }
    }
}

/// How a torrent of ours is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The TCP port where we accept peers.
    pub port: u16,
    /// Nodes shall take the port that our datagrams come from, which a NAT may have changed, instead.
    pub implied_port: bool,
    /// We have all of it (BEP 33).
    pub seed: bool,
}

/// A question to the network, asked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Which nodes are nearest to this?
    Nodes(NodeId),
    /// Who has this torrent?
    Peers {
        /// The torrent.
        info_hash: InfoHash,
        /// And about how many are they (BEP 33)?
        scrape: bool,
    },
    /// We have this torrent.
    Announce {
        /// The torrent.
        info_hash: InfoHash,
        /// How.
        announce: Announce,
    },
    /// What is stored under this key (BEP 44)?
    Get {
        /// SHA-1 of the value, or of public key and salt.
        target: NodeId,
        /// The salt, if it is a mutable item that has one.
        salt: Vec<u8>,
        /// Only versions with a greater number.
        newer_than: Option<i64>,
    },
    /// Store this (BEP 44).
    Put(Item),
    /// Which torrents do nodes near this know (BEP 51)?
    Sample {
        /// Where.
        target: NodeId,
    },
}

/// Something to be stored (BEP 44). Nodes refuse values longer than 1000 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Stored under its hash.
    Immutable {
        /// Bencode.
        value: Vec<u8>,
    },
    /// Stored under a public key.
    Mutable {
        /// What is stored.
        item: MutableItem,
        /// Only where the version stored has this number.
        cas: Option<i64>,
    },
}

/// A signed version of a mutable item (BEP 44).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutableItem {
    /// The Ed25519 public key.
    pub key: [u8; 32],
    /// Tells apart the items of one key; at most 64 bytes.
    pub salt: Vec<u8>,
    /// The number of the version.
    pub seq: i64,
    /// Bencode.
    pub value: Vec<u8>,
    /// Over [`signed_bytes`](super::signed_bytes).
    pub signature: [u8; 64],
}

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// What the machine wants done, or has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes there, from the node's UDP port.
    Datagram(SocketAddr, Vec<u8>),
    /// Resolve this name; the answer comes back by `on_resolved`.
    Resolve(ResolveRequest),
    /// Peers of a torrent that was announced or wanted: as they come, at least one, none twice in one walk.
    Peers(InfoHash, Vec<SocketAddr>),
    /// News of a question. [`Answer::Done`] is the last.
    Answer(QueryId, Answer),
    /// Our address as the nodes of its family see it, when it is another than before.
    ExternalAddr(IpAddr),
}

/// News of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Peers, as they come; none twice.
    Peers(Vec<SocketAddr>),
    /// An immutable item. Its hash is right.
    Immutable(Vec<u8>),
    /// A version of a mutable item, newer than the last one reported. Its signature is right.
    Mutable(MutableItem),
    /// The nearest nodes of each family that answered, nearest first.
    Nodes(Vec<(NodeId, SocketAddr)>),
    /// Torrents that a node knows (BEP 51).
    Samples {
        /// The node.
        node: SocketAddr,
        /// Some of them.
        info_hashes: Vec<InfoHash>,
        /// How many it has, if it says.
        all: Option<i64>,
    },
    /// About how many peers a torrent has (BEP 33): an estimate, unreliable above some 6000.
    Scrape {
        /// Those that have all of it.
        seeds: u32,
        /// The others.
        peers: u32,
    },
    /// That was all.
    Done(Done),
}

/// How a question went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Nodes asked.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// Nodes that took what was to be stored.
    pub stored: u32,
    /// Nodes that refused it.
    pub refused: u32,
    /// The code of the last refusal: 301 if somebody else has written in between, 302 if a newer version is there
    /// (BEP 44).
    pub refusal: Option<i64>,
}

/// State of one family's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkStats {
    /// What we call ourselves there.
    pub id: NodeId,
    /// Nodes in the table that answered in the last 15 minutes.
    pub good: usize,
    /// The others.
    pub questionable: usize,
    /// Our address, as most nodes see it.
    pub external: Option<IpAddr>,
    /// About how many nodes there are; 0 while we can't tell.
    pub size: u64,
    /// Torrents that others announced to us, and their peers.
    pub stored_torrents: usize,
    /// See there.
    pub stored_peers: usize,
    /// Items that others stored with us (BEP 44).
    pub stored_items: usize,
}

/// State of the machine, and what went by since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The IPv4 network, if we are in it.
    pub v4: Option<NetworkStats>,
    /// The IPv6 network, if we are in it.
    pub v6: Option<NetworkStats>,
    /// Queries that came.
    pub queries_in: u64,
    /// Of these, those that we answered.
    pub answers_out: u64,
    /// Bytes of these answers.
    pub answer_bytes_out: u64,
    /// Of the queries, those left unanswered because their source asks too much.
    pub limited: u64,
    /// Datagrams that are no messages of the DHT.
    pub malformed: u64,
    /// Queries that we sent.
    pub queries_out: u64,
    /// Answers that came to them.
    pub answers_in: u64,
    /// Walks through the key space that ended.
    pub walks: u64,
    /// Torrents that we announce.
    pub announced: usize,
}
