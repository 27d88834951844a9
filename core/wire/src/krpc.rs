//! Messages of the DHT: datagrams in and out.
//!
//! Source: BEP 5 (KRPC), 32 (`want`, `nodes6`), 33 (scrape), 42 (`ip`), 43 (`ro`), 44 (get, put), 51 (samples).
//!
//! Every node of the network may send us these, as fast as it likes. So decoding allocates nothing: a
//! message borrows from its datagram, and lists are read when somebody walks them. Keys may come in
//! any order, as some nodes don't sort; of a key twice the last counts. Only a value to be stored
//! (BEP 44) is held to the letter of bencode, where it is stored.

mod encode;
mod scan;

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use base::InfoHash;

use crate::tracker::{compact_v4, compact_v6};
use scan::{Cursor, Pairs, as_bytes, as_int, as_list};

pub use encode::{encode_error, encode_query, encode_reply, push_node, push_peer};

/// Longest datagram looked at, in bytes. BEP 32 asks senders to stay below 1024; a reply with many
/// peers may fill an Ethernet frame, and a little more.
pub const DATAGRAM_BYTES_MAX: usize = 4096;

/// Longest transaction id accepted, in bytes, since it is sent back. Nodes use 2 to 8.
pub const TRANSACTION_BYTES_MAX: usize = 20;

/// Longest write token kept and sent back, in bytes. Nodes use 4 to 20.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Longest encoded value of an item, in bytes (BEP 44).
pub const VALUE_BYTES_MAX: usize = 1000;

/// Longest salt, in bytes (BEP 44).
pub const SALT_BYTES_MAX: usize = 64;

/// Bytes of a Bloom filter (BEP 33).
pub const BLOOM_BYTES: usize = 256;

/// Where a node is in the key space, or a key: 20 raw bytes, compared by XOR (BEP 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<InfoHash> for NodeId {
    fn from(info_hash: InfoHash) -> Self {
        Self(info_hash.0)
    }
}

/// A decoded datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Pairs a reply with its query: 1 to [`TRANSACTION_BYTES_MAX`] bytes.
    pub transaction: &'a [u8],
    /// The receiver's address as the sender sees it (BEP 42).
    pub ip: Option<SocketAddr>,
    /// The sender answers no queries, and belongs in no routing table (BEP 43).
    pub read_only: bool,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Somebody asks.
    Query {
        /// What the sender calls itself.
        sender: NodeId,
        /// For what.
        query: Query<'a>,
    },
    /// Somebody asks, but an argument is missing or of a wrong type.
    BadQuery {
        /// The argument.
        argument: &'static str,
    },
    /// Somebody answers.
    Reply(Reply<'a>),
    /// Somebody refuses.
    Error {
        /// The code: see [`code`].
        code: i64,
        /// Words of a stranger, raw.
        text: &'a [u8],
    },
}

/// Codes of errors.
pub mod code {
    /// Something else went wrong (BEP 5).
    pub const GENERIC: i64 = 201;
    /// We can't do it now (BEP 5).
    pub const SERVER: i64 = 202;
    /// Malformed, bad argument, bad token (BEP 5).
    pub const PROTOCOL: i64 = 203;
    /// Nobody knows this method (BEP 5).
    pub const METHOD_UNKNOWN: i64 = 204;
    /// Longer than 1000 bytes (BEP 44).
    pub const VALUE_TOO_BIG: i64 = 205;
    /// Not signed by that key (BEP 44).
    pub const SIGNATURE_BAD: i64 = 206;
    /// Longer than 64 bytes (BEP 44).
    pub const SALT_TOO_BIG: i64 = 207;
    /// Somebody else wrote in between (BEP 44).
    pub const CAS_MISMATCH: i64 = 301;
    /// A newer value is there (BEP 44).
    pub const SEQ_TOO_OLD: i64 = 302;
}

/// Which families of nodes a querier wants (BEP 32); neither: that of the datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// `n4`.
    pub v4: bool,
    /// `n6`.
    pub v6: bool,
}

/// What a node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// `ping`: are you there?
    Ping,
    /// `find_node`: who is near?
    FindNode {
        /// To what.
        target: NodeId,
        /// Families of nodes.
        want: Want,
    },
    /// `get_peers`: who has this torrent?
    GetPeers {
        /// The torrent.
        info_hash: InfoHash,
        /// Families of nodes.
        want: Want,
        /// Rather not seeds (BEP 33).
        no_seeds: bool,
        /// And how many are they (BEP 33)?
        scrape: bool,
    },
    /// `announce_peer`: I have this torrent.
    AnnouncePeer {
        /// The torrent.
        info_hash: InfoHash,
        /// The port of the datagram instead of `port`.
        implied_port: bool,
        /// Where it accepts peers; 0 only with `implied_port`.
        port: u16,
        /// All of it (BEP 33).
        seed: bool,
        /// What `get_peers` gave.
        token: &'a [u8],
    },
    /// `get`: what is stored here (BEP 44)?
    Get {
        /// The key.
        target: NodeId,
        /// Families of nodes.
        want: Want,
        /// Only if its sequence number is greater.
        newer_than: Option<i64>,
    },
    /// `put`: store this (BEP 44).
    Put {
        /// The key. BEP 44 leaves it out, as it follows from the rest, and so it is not believed; but
        /// nodes of crate `mainline` refuse a `put` without it.
        target: Option<NodeId>,
        /// What `get` gave.
        token: &'a [u8],
        /// Bencode, not checked, of any length.
        value: &'a [u8],
        /// `None`: the value is stored by its own hash.
        mutable: Option<PutMutable<'a>>,
    },
    /// `sample_infohashes`: what torrents do you know (BEP 51)?
    Sample {
        /// And who is near this.
        target: NodeId,
        /// Families of nodes.
        want: Want,
    },
    /// A method that we don't know.
    Unknown,
}

/// What makes a stored value changeable (BEP 44).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutMutable<'a> {
    /// The Ed25519 key.
    pub key: &'a [u8; 32],
    /// Tells apart the values of one key; of any length.
    pub salt: &'a [u8],
    /// The number of this version.
    pub seq: i64,
    /// Over salt, number and value.
    pub signature: &'a [u8; 64],
    /// Only if the stored version has this number.
    pub cas: Option<i64>,
}

/// An answer. Which fields belong to which query nobody says, so all are here. The default is empty, for who
/// encodes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What the sender calls itself.
    pub sender: NodeId,
    /// Nodes near the target: 26 bytes each. See [`Reply::nodes`].
    pub nodes_v4: &'a [u8],
    /// The same of the IPv6 network: 38 bytes each (BEP 32).
    pub nodes_v6: &'a [u8],
    /// Peers of a torrent.
    pub values: Values<'a>,
    /// What entitles to announce or put here.
    pub token: Option<&'a [u8]>,
    /// A stored value: bencode, not checked (BEP 44).
    pub value: Option<&'a [u8]>,
    /// Its key, if it is mutable.
    pub key: Option<&'a [u8; 32]>,
    /// Its number, if it is mutable; may come without a value.
    pub seq: Option<i64>,
    /// Its signature, if it is mutable.
    pub signature: Option<&'a [u8; 64]>,
    /// Seeds of a torrent (BEP 33).
    pub bloom_seeds: Option<&'a [u8; BLOOM_BYTES]>,
    /// Its other peers.
    pub bloom_peers: Option<&'a [u8; BLOOM_BYTES]>,
    /// Info-hashes, 20 bytes each (BEP 51). See [`Reply::samples`].
    pub samples: Option<&'a [u8]>,
    /// How many the node has.
    pub samples_all: Option<i64>,
    /// How long it gives the same samples, in seconds: 0 to 21600, if it keeps to BEP 51.
    pub interval: Option<i64>,
}

impl Reply<'_> {
    /// An answer that says nothing but who answers.
    pub const fn of(sender: NodeId) -> Self {
        Self {
            sender,
            nodes_v4: &[],
            nodes_v6: &[],
            values: Values { items: &[] },
            token: None,
            value: None,
            key: None,
            seq: None,
            signature: None,
            bloom_seeds: None,
            bloom_peers: None,
            samples: None,
            samples_all: None,
            interval: None,
        }
    }

    /// The nodes that it names, of both families. Bytes left over are not looked at, nor nodes with port 0.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, SocketAddr)> {
        let v4 = self.nodes_v4.as_chunks::<26>().0.iter().filter_map(|node| split_node(node));
        let v6 = self.nodes_v6.as_chunks::<38>().0.iter().filter_map(|node| split_node(node));
        v4.chain(v6)
    }

    /// The info-hashes that it gives (BEP 51). Bytes left over are not looked at.
    pub fn samples(&self) -> impl Iterator<Item = InfoHash> {
        self.samples.unwrap_or_default().as_chunks::<20>().0.iter().map(|hash| InfoHash(*hash))
    }
}

fn split_node(bytes: &[u8]) -> Option<(NodeId, SocketAddr)> {
    let (id, addr) = bytes.split_first_chunk::<20>()?;
    Some((NodeId(*id), compact(addr)?))
}

/// An address of 6 or 18 bytes.
fn compact(bytes: &[u8]) -> Option<SocketAddr> {
    match bytes.len() {
        6 => compact_v4(bytes).next(),
        18 => compact_v6(bytes).next(),
        _ => None,
    }
}

/// Peers of a torrent in compact form, of either family (BEP 32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// What is between `l` and `e`, well-formed.
    items: &'a [u8],
}

impl<'a> Values<'a> {
    /// Peers that [`push_peer`] has written, to be encoded.
    pub fn encoded(items: &'a [u8]) -> Self {
        Self { items }
    }

    /// The peers. What is not one is passed over, as is port 0.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        let mut cursor = Cursor::new(self.items);
        core::iter::from_fn(move || cursor.raw()).filter_map(as_bytes).filter_map(compact)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Why a datagram is no message. The sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than [`DATAGRAM_BYTES_MAX`].
    #[error("datagram of {bytes} bytes exceeds the limit of {DATAGRAM_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not a bencoded dictionary.
    #[error("datagram is not a bencoded dictionary")]
    NotADictionary,
    /// A field without which it says nothing is missing, of a wrong type or too long.
    #[error("datagram's field `{field}` is missing or of no use")]
    Field {
        /// The field, as the BEPs name it.
        field: &'static str,
    },
}

/// Decodes a datagram. Bytes behind the dictionary are not looked at.
///
/// # Errors
///
/// [`DecodeError`] if it is none that could be answered, or be an answer.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, DecodeError> {
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return Err(DecodeError::TooLong { bytes: datagram.len() });
    }
    let mut top = Top::default();
    let mut pairs = Pairs::of(datagram).ok_or(DecodeError::NotADictionary)?;
    while let Some((key, raw)) = pairs.next().ok_or(DecodeError::NotADictionary)? {
        match key {
            b"a" => top.arguments = Some(raw),
            b"e" => top.error = Some(raw),
            b"ip" => top.ip = as_bytes(raw).and_then(compact),
            b"q" => top.method = as_bytes(raw),
            b"r" => top.reply = Some(raw),
            b"ro" => top.read_only = as_int(raw) == Some(1),
            b"t" => top.transaction = as_bytes(raw),
            b"y" => top.kind = as_bytes(raw),
            _ => {}
        }
    }
    let transaction = top
        .transaction
        .filter(|t| (1..=TRANSACTION_BYTES_MAX).contains(&t.len()))
        .ok_or(DecodeError::Field { field: "t" })?;
    let body = match top.kind {
        Some(b"q") => top.query()?,
        Some(b"r") => {
            Body::Reply(top.reply.and_then(reply).ok_or(DecodeError::Field { field: "r" })?)
        }
        Some(b"e") => {
            let (code, text) =
                top.error.and_then(error).ok_or(DecodeError::Field { field: "e" })?;
            Body::Error { code, text }
        }
        Some(_) | None => return Err(DecodeError::Field { field: "y" }),
    };
    Ok(Message { transaction, ip: top.ip, read_only: top.read_only, body })
}

/// The outermost dictionary.
#[derive(Default)]
struct Top<'a> {
    arguments: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    ip: Option<SocketAddr>,
    method: Option<&'a [u8]>,
    reply: Option<&'a [u8]>,
    read_only: bool,
    transaction: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

impl<'a> Top<'a> {
    fn query(&self) -> Result<Body<'a>, DecodeError> {
        let method = self.method.ok_or(DecodeError::Field { field: "q" })?;
        let arguments = self.arguments.ok_or(DecodeError::Field { field: "a" })?;
        let arguments = Arguments::read(arguments).ok_or(DecodeError::Field { field: "a" })?;
        Ok(match arguments.query(method) {
            Ok((sender, query)) => Body::Query { sender, query },
            Err(argument) => Body::BadQuery { argument },
        })
    }
}

/// All arguments that any query has.
#[derive(Default)]
struct Arguments<'a> {
    id: Option<&'a [u8; 20]>,
    target: Option<&'a [u8; 20]>,
    info_hash: Option<&'a [u8; 20]>,
    want: Want,
    token: Option<&'a [u8]>,
    port: Option<i64>,
    implied_port: bool,
    seed: bool,
    no_seeds: bool,
    scrape: bool,
    value: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    salt: Option<&'a [u8]>,
    seq: Option<i64>,
    signature: Option<&'a [u8]>,
    cas: Option<i64>,
}

impl<'a> Arguments<'a> {
    fn read(dict: &'a [u8]) -> Option<Self> {
        let mut all = Self::default();
        let mut pairs = Pairs::of(dict)?;
        let flag = |raw| as_int(raw).is_some_and(|int| int != 0);
        let array = |raw| as_bytes(raw).and_then(|bytes| bytes.try_into().ok());
        while let Some((key, raw)) = pairs.next()? {
            match key {
                b"id" => all.id = array(raw),
                b"target" => all.target = array(raw),
                b"info_hash" => all.info_hash = array(raw),
                b"want" => all.want = want(raw),
                b"token" => all.token = as_bytes(raw),
                b"port" => all.port = as_int(raw),
                b"implied_port" => all.implied_port = flag(raw),
                b"seed" => all.seed = flag(raw),
                b"noseed" => all.no_seeds = flag(raw),
                b"scrape" => all.scrape = flag(raw),
                b"v" => all.value = Some(raw),
                b"k" => all.key = as_bytes(raw),
                b"salt" => all.salt = as_bytes(raw),
                b"seq" => all.seq = as_int(raw),
                b"sig" => all.signature = as_bytes(raw),
                b"cas" => all.cas = as_int(raw),
                _ => {}
            }
        }
        Some(all)
    }

    /// The query, or the argument that is wrong.
    fn query(&self, method: &[u8]) -> Result<(NodeId, Query<'a>), &'static str> {
        let sender = NodeId(*self.id.ok_or("id")?);
        let target = || self.target.map(|target| NodeId(*target)).ok_or("target");
        let info_hash = || self.info_hash.map(|hash| InfoHash(*hash)).ok_or("info_hash");
        let want = self.want;
        let query = match method {
            b"ping" => Query::Ping,
            b"find_node" => Query::FindNode { target: target()?, want },
            b"get_peers" => Query::GetPeers {
                info_hash: info_hash()?,
                want,
                no_seeds: self.no_seeds,
                scrape: self.scrape,
            },
            b"announce_peer" => Query::AnnouncePeer {
                info_hash: info_hash()?,
                implied_port: self.implied_port,
                port: self.port()?,
                seed: self.seed,
                token: self.token.ok_or("token")?,
            },
            b"get" => Query::Get { target: target()?, want, newer_than: self.seq },
            b"put" => self.put()?,
            b"sample_infohashes" => Query::Sample { target: target()?, want },
            _ => Query::Unknown,
        };
        Ok((sender, query))
    }

    fn port(&self) -> Result<u16, &'static str> {
        let port = self.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        match port {
            Some(port) => Ok(port),
            None if self.implied_port => Ok(0),
            None => Err("port"),
        }
    }

    fn put(&self) -> Result<Query<'a>, &'static str> {
        let mutable = match self.key {
            None => None,
            Some(key) => Some(PutMutable {
                key: key.try_into().or(Err("k"))?,
                salt: self.salt.unwrap_or_default(),
                seq: self.seq.ok_or("seq")?,
                signature: self.signature.and_then(|sig| sig.try_into().ok()).ok_or("sig")?,
                cas: self.cas,
            }),
        };
        let token = self.token.ok_or("token")?;
        let target = self.target.map(|target| NodeId(*target));
        Ok(Query::Put { target, token, value: self.value.ok_or("v")?, mutable })
    }
}

fn want(raw: &[u8]) -> Want {
    let mut want = Want::default();
    let mut cursor = Cursor::new(as_list(raw).unwrap_or_default());
    while let Some(item) = cursor.raw() {
        match as_bytes(item) {
            Some(b"n4") => want.v4 = true,
            Some(b"n6") => want.v6 = true,
            Some(_) | None => {}
        }
    }
    want
}

fn reply(dict: &[u8]) -> Option<Reply<'_>> {
    let mut sender = None;
    let mut all = Reply::of(NodeId([0; 20]));
    let mut pairs = Pairs::of(dict)?;
    while let Some((key, raw)) = pairs.next()? {
        match key {
            b"id" => sender = as_bytes(raw).and_then(|id| id.try_into().ok()),
            b"nodes" => all.nodes_v4 = as_bytes(raw).unwrap_or_default(),
            b"nodes6" => all.nodes_v6 = as_bytes(raw).unwrap_or_default(),
            b"values" => all.values = Values { items: as_list(raw).unwrap_or_default() },
            b"token" => {
                all.token = as_bytes(raw).filter(|token| token.len() <= TOKEN_BYTES_MAX);
            }
            b"v" => all.value = Some(raw),
            b"k" => all.key = as_bytes(raw).and_then(|key| key.try_into().ok()),
            b"seq" => all.seq = as_int(raw),
            b"sig" => all.signature = as_bytes(raw).and_then(|sig| sig.try_into().ok()),
            b"BFsd" => all.bloom_seeds = as_bytes(raw).and_then(|bloom| bloom.try_into().ok()),
            b"BFpe" => all.bloom_peers = as_bytes(raw).and_then(|bloom| bloom.try_into().ok()),
            b"samples" => all.samples = as_bytes(raw),
            b"num" => all.samples_all = as_int(raw),
            b"interval" => all.interval = as_int(raw),
            _ => {}
        }
    }
    all.sender = NodeId(sender?);
    Some(all)
}

/// Code and text. A list of the code alone is taken, too.
fn error(raw: &[u8]) -> Option<(i64, &[u8])> {
    let mut cursor = Cursor::new(as_list(raw)?);
    let code = cursor.raw().and_then(as_int)?;
    Some((code, cursor.raw().and_then(as_bytes).unwrap_or_default()))
}

/// The bytes that BEP 42 and compact forms have of an address.
pub fn ip_octets(ip: IpAddr) -> ([u8; 16], usize) {
    let mut octets = [0; 16];
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            if let Some(first) = octets.first_chunk_mut() {
                *first = v4.octets();
            }
            (octets, 4)
        }
        IpAddr::V6(v6) => (v6.octets(), 16),
    }
}

#[cfg(test)]
mod tests;
