//! A swarm whose peers are played by the test. See the notation in the parent.

use core::time::Duration;
use std::net::Ipv6Addr;

use base::{BLOCK_BYTES, InfoHash};
use wire::extended::ExtendedHandshake;
use wire::metadata;
use wire::peer::{self, Extensions, HANDSHAKE_BYTES, HashRequest, PREFIX_BYTES};
use wire::pex;

use super::super::*;

pub(super) const PIECE_BLOCKS: u32 = 4;
const OURS: char = 'M';
/// Under which peers want to hear what we lost.
const THEIR_DONT_HAVE_ID: u8 = 9;
/// Under which they want messages of BEP 9, and of BEP 11.
const THEIR_METADATA_ID: u8 = 12;
const THEIR_PEX_ID: u8 = 13;
pub(super) const INFO_HASH: InfoHash = InfoHash([7; 20]);

pub(super) struct World {
    pub(super) swarm: Swarm,
    pub(super) pool: BufPool,
    pub(super) now: Instant,
    /// Sent to each connection and not yet decoded.
    wires: BTreeMap<ConnId, Vec<u8>>,
    greeted: BTreeSet<ConnId>,
    /// What the disk was asked for.
    pub(super) reads: VecDeque<u64>,
    /// What the torrent is that was sought.
    pub(super) metadata: Option<Box<Metadata>>,
}

pub(super) fn conn(name: char) -> ConnId {
    ConnId(u64::from(u32::from(name)))
}

pub(super) fn name(conn: ConnId) -> char {
    char::from(u8::try_from(conn.0).unwrap())
}

/// Digits live at IPv4 addresses, all others at IPv6 ones, which have no allowed-fast set.
pub(super) fn addr(name: char) -> SocketAddr {
    let last = u8::try_from(name).unwrap();
    match name.is_ascii_digit() {
        true => SocketAddr::from(([10, 0, 0, last], 6881)),
        false => SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)), 6881)),
    }
}

fn who(addr: SocketAddr) -> char {
    (0..128).map(char::from).find(|&name| self::addr(name) == addr).unwrap()
}

fn bits(have: &str) -> Bitfield {
    let mut bits = Bitfield::empty(u32::try_from(have.len()).unwrap());
    for (piece, _) in (0..).zip(have.chars()).filter(|&(_, symbol)| symbol == '*') {
        bits.set(PieceIndex(piece));
    }
    bits
}

pub(super) fn block(text: &str) -> BlockId {
    let (piece, index) = text.split_once('.').unwrap();
    let offset_bytes = index.parse::<u32>().unwrap() * BLOCK_BYTES;
    BlockId { piece: PieceIndex(piece.parse().unwrap()), offset_bytes, length_bytes: BLOCK_BYTES }
}

fn show(block: BlockId) -> String {
    format!("{}.{}", block.piece.0, block.offset_bytes / BLOCK_BYTES)
}

pub(super) fn encode(word: &str, out: &mut Vec<u8>) {
    let at = word.find(|c: char| c.is_ascii_digit() || c == '*').unwrap_or(word.len());
    let (verb, rest) = word.split_at(at);
    let piece = || PieceIndex(rest.parse().unwrap());
    let message = match verb {
        "choke" => Message::Choke,
        "unchoke" => Message::Unchoke,
        "interested" => Message::Interested,
        "bored" => Message::NotInterested,
        "have" => Message::Have(piece()),
        "have_all" => Message::HaveAll,
        "have_none" => Message::HaveNone,
        "allow" => Message::AllowedFast(piece()),
        "keepalive" => Message::KeepAlive,
        "req" => Message::Request(block(rest)),
        "cancel" => Message::Cancel(block(rest)),
        "reject" => Message::Reject(block(rest)),
        "bits" => return peer::encode(Message::Bitfield(bits(rest).as_bytes()), out),
        "piece" => {
            let data = &[0; BLOCK_BYTES as usize];
            return peer::encode(Message::Piece { block: block(rest), data }, out);
        }
        "hears_info" | "hears_pex" | "info?" | "noinfo" | "pex" => {
            return extended(verb, rest, out);
        }
        "donthave" => {
            let (id, payload) = (wire::extended::DONT_HAVE_ID, &piece().0.to_be_bytes());
            return peer::encode(Message::Extended { id, payload }, out);
        }
        "hears_donthave" => {
            let m = vec![(wire::extended::DONT_HAVE.to_vec(), THEIR_DONT_HAVE_ID)];
            let payload = &ExtendedHandshake { m, ..ExtendedHandshake::default() }.encode();
            return peer::encode(Message::Extended { id: 0, payload }, out);
        }
        "reqq" | "upload_only" => {
            let reqq = (verb == "reqq").then(|| rest.parse().unwrap());
            let upload_only = verb == "upload_only";
            let hello = ExtendedHandshake { reqq, upload_only, ..ExtendedHandshake::default() };
            let payload = hello.encode();
            return peer::encode(Message::Extended { id: 0, payload: &payload }, out);
        }
        other => panic!("no such word: {other}"),
    };
    peer::encode(message, out);
}

/// Words of BEP 9 and BEP 11.
fn extended(verb: &str, rest: &str, out: &mut Vec<u8>) {
    let piece = || rest.parse().unwrap();
    let size = (verb == "hears_info").then(|| rest.parse().unwrap());
    let hello = |name: &[u8], id| ExtendedHandshake {
        m: vec![(name.to_vec(), id)],
        metadata_size: size,
        port: Some(6881),
        ..ExtendedHandshake::default()
    };
    let peers = || rest.chars().map(|name| (addr(name), 0)).collect();
    let (id, payload) = match verb {
        "hears_info" => (0, hello(metadata::METADATA, THEIR_METADATA_ID).encode()),
        "hears_pex" => (0, hello(pex::PEX, THEIR_PEX_ID).encode()),
        "info?" => (metadata::METADATA_ID, metadata::Message::Request(piece()).encode()),
        "noinfo" => (metadata::METADATA_ID, metadata::Message::Reject(piece()).encode()),
        _ => (pex::PEX_ID, pex::Pex { added: peers(), dropped: Vec::new() }.encode()),
    };
    peer::encode(Message::Extended { id, payload: &payload }, out);
}

fn word(message: Message<'_>, pieces: u32) -> String {
    match message {
        Message::Bitfield(bytes) => {
            let bits = Bitfield::from_bytes(bytes, pieces).unwrap();
            let symbol = |piece| if bits.has(PieceIndex(piece)) { '*' } else { '.' };
            format!("bits{}", (0..pieces).map(symbol).collect::<String>())
        }
        Message::Have(piece) => format!("have{}", piece.0),
        Message::AllowedFast(piece) => format!("allow{}", piece.0),
        Message::Request(block) => format!("req{}", show(block)),
        Message::Cancel(block) => format!("cancel{}", show(block)),
        Message::Reject(block) => format!("reject{}", show(block)),
        Message::HashRequest(r) => format!("hash?{}", hash_range(&r)),
        Message::Hashes { request, hashes } => {
            format!("hashes{}={}", hash_range(&request), hashes.len())
        }
        Message::HashReject(r) => format!("nohash{}", hash_range(&r)),
        Message::Extended { id: THEIR_DONT_HAVE_ID, payload } => {
            format!("donthave{}", wire::extended::decode_dont_have(payload).unwrap().0)
        }
        Message::Extended { id: THEIR_METADATA_ID, payload } => {
            match metadata::Message::decode(payload).unwrap() {
                metadata::Message::Request(piece) => format!("info?{piece}"),
                metadata::Message::Data { piece, bytes, .. } => {
                    format!("info{piece}={}", bytes.len())
                }
                metadata::Message::Reject(piece) => format!("noinfo{piece}"),
            }
        }
        Message::Extended { id: THEIR_PEX_ID, payload } => {
            let pex = pex::Pex::decode(payload).unwrap();
            let added = pex.added.iter().map(|(addr, flags)| format!("+{}!{flags:x}", who(*addr)));
            let dropped = pex.dropped.iter().map(|addr| format!("-{}", who(*addr)));
            format!("pex{}", added.chain(dropped).collect::<String>())
        }
        Message::Extended { payload, .. } => {
            let hello = ExtendedHandshake::decode(payload).unwrap();
            if hello.upload_only { "hello_upload_only".into() } else { "hello".into() }
        }
        Message::NotInterested => "bored".into(),
        Message::HaveAll => "have_all".into(),
        Message::HaveNone => "have_none".into(),
        other @ (Message::KeepAlive
        | Message::Choke
        | Message::Unchoke
        | Message::Interested
        | Message::Piece { .. }
        | Message::Port(_)
        | Message::Suggest(_)
        | Message::Unknown(_)) => format!("{other:?}").to_lowercase(),
    }
}

/// The first hash, and how many.
fn hash_range(request: &HashRequest) -> String {
    format!("{}.{}+{}", request.base_layer, request.index, request.length)
}

fn digests(blocks: &str) -> Vec<Option<Digest32>> {
    blocks.bytes().map(|symbol| Some([symbol; 32])).collect()
}

impl World {
    /// Storage is still looking.
    pub(super) fn unready(pieces: u32) -> Self {
        let piece_bytes = PIECE_BLOCKS * BLOCK_BYTES;
        let total_bytes = u64::from(pieces) * u64::from(piece_bytes);
        Self::of(Shape {
            info_hashes: InfoHashes::v1(INFO_HASH),
            sizes: PieceSizes::new(piece_bytes, total_bytes),
            trees: None,
            info: None,
        })
    }

    pub(super) fn of(shape: Shape) -> Self {
        Self::around(Swarm::new(shape, Self::config(), Rng::from_seed(5)))
    }

    /// Only the name is known.
    pub(super) fn seeking(names: InfoHashes) -> Self {
        let config = Config { pex: true, ..Self::config() };
        Self::around(Swarm::seeking(names, config, Rng::from_seed(5), Instant::START))
    }

    fn config() -> Config {
        let mut config = Config::new(PeerId([u8::try_from(OURS).unwrap(); 20]), "test".into());
        config.unchoke_slots = Some(3);
        config.dials_max = 2;
        config.connections_max = 8;
        config
    }

    fn around(swarm: Swarm) -> Self {
        Self {
            swarm,
            pool: BufPool::new(16),
            now: Instant::START,
            wires: BTreeMap::new(),
            greeted: BTreeSet::new(),
            reads: VecDeque::new(),
            metadata: None,
        }
    }

    pub(super) fn new(have: &str) -> Self {
        let mut world = Self::unready(u32::try_from(have.len()).unwrap());
        assert_eq!(world.ready(have), "");
        world
    }

    /// Of what `wanted` has no `*` for, nothing is to be had.
    pub(super) fn choosing(have: &str, wanted: &str) -> Self {
        let mut world = Self::unready(u32::try_from(have.len()).unwrap());
        world.swarm.choose(bits(wanted), Order::Rarest);
        assert_eq!(world.ready(have), "");
        world
    }

    pub(super) fn ready(&mut self, have: &str) -> String {
        self.swarm.on_ready(bits(have), self.now);
        self.hear()
    }

    /// What the swarm did since it was last heard.
    pub(super) fn hear(&mut self) -> String {
        assert_eq!(self.swarm.misremembered_request(), None);
        let mut words = Vec::new();
        while let Some(output) = self.swarm.poll_output() {
            match output {
                Output::Dial(addr) => words.push(format!("dial:{}", who(addr))),
                Output::Close(conn, reason) => {
                    words.push(format!("{}:close({reason:?})", name(conn)));
                }
                Output::Banned(addr) => words.push(format!("ban:{}", who(addr))),
                Output::Send(conn, bytes) => self.decode(conn, &bytes, &mut words),
                Output::SendBlock(conn, block) => {
                    words.push(format!("{}:send{}", name(conn), show(block)));
                }
                Output::MakeResident { key, range } => {
                    self.reads.push_back(key);
                    let blocks = range.length_bytes / BLOCK_BYTES;
                    words.push(format!("read{}+{blocks}", show(range)));
                }
                Output::Metadata(metadata) => {
                    words.push(format!("metadata{}", metadata.info.len()));
                    self.metadata = Some(metadata);
                }
                Output::DhtNode(addr) => words.push(format!("node:{}", addr.port())),
                Output::HashLeaves { key, piece } => {
                    self.reads.push_back(key);
                    words.push(format!("leaves{}", piece.0));
                }
                Output::Block(block, buf) => {
                    self.pool.give_back(buf);
                    words.push(format!("block{}", show(block)));
                }
                Output::WantPeers => words.push("want".into()),
                Output::Diary(entry) => words.push(format!("{entry:?}")),
            }
        }
        words.join(" ")
    }

    pub(super) fn decode(&mut self, conn: ConnId, bytes: &[u8], words: &mut Vec<String>) {
        let wire = self.wires.entry(conn).or_default();
        wire.extend_from_slice(bytes);
        if self.greeted.insert(conn) {
            let handshake: Vec<u8> = wire.drain(..HANDSHAKE_BYTES).collect();
            let handshake = Handshake::decode(handshake.as_array().unwrap()).unwrap();
            let v2 = self.swarm.shape.info_hashes.in_v2_swarm() == Some(handshake.info_hash);
            assert!(v2 || handshake.info_hash == INFO_HASH);
            let upgrade = if handshake.extensions().v2 { "+v2" } else { "" };
            let by = if v2 { "_v2" } else { upgrade };
            words.push(format!("{}:handshake{by}", name(conn)));
        }
        while let Some(prefix) = wire.first_chunk::<PREFIX_BYTES>() {
            let end = PREFIX_BYTES + peer::frame_bytes(*prefix).unwrap();
            let message = peer::decode(&wire[PREFIX_BYTES..end]).unwrap();
            words.push(format!("{}:{}", name(conn), word(message, self.swarm.shape.sizes.count())));
            wire.drain(..end);
        }
    }

    /// A peer comes. `f` and `x`: it speaks BEP 6 and BEP 10; `d`: we dial it; `!`: it names
    /// another torrent; `=b`: it calls itself `b`; `u`: it offers version 2, `2`: it names the torrent
    /// by that, `s`: it is of that swarm.
    pub(super) fn meet(&mut self, name: char, kind: &str) -> String {
        let id = kind.split_once('=').map_or(name, |(_, id)| id.chars().next().unwrap());
        let has = |flag| kind.contains(flag);
        let extensions =
            Extensions { fast: has('f'), extended: has('x'), dht: false, v2: has('u') };
        let info_hash = match self.swarm.shape.info_hashes.in_v2_swarm() {
            _ if has('!') => InfoHash([8; 20]),
            Some(v2) if has('2') => v2,
            Some(_) | None => INFO_HASH,
        };
        let id = PeerId([u8::try_from(id).unwrap(); 20]);
        let handshake = Handshake::new(extensions, info_hash, id);
        if has('d') {
            match has('s') {
                true => self.swarm.add_v2_peers(&[addr(name)], Source::Tracker, self.now),
                false => self.swarm.add_peers(&[addr(name)], Source::Tracker, self.now),
            }
            assert_eq!(self.hear(), format!("dial:{name}"));
            self.swarm.on_connected(conn(name), addr(name), self.now);
            let before = self.hear();
            format!("{before} {}", self.feed(name, &handshake.encode())).trim().into()
        } else {
            self.swarm.on_incoming(conn(name), addr(name), &handshake, self.now);
            self.hear()
        }
    }

    /// The handshake of a peer that calls itself `id` and speaks nothing but BEP 3.
    pub(super) fn greeting(&self, id: char) -> Handshake {
        let extensions = Extensions::default();
        Handshake::new(extensions, INFO_HASH, PeerId([u8::try_from(id).unwrap(); 20]))
    }

    pub(super) fn feed(&mut self, name: char, mut bytes: &[u8]) -> String {
        let conn = conn(name);
        while !bytes.is_empty() && self.swarm.sessions.contains_key(&conn) {
            let mut plan = self.swarm.recv_plan(conn, usize::MAX, &mut self.pool).unwrap();
            let before = bytes.len();
            for slot in &mut plan.slots {
                let to = slot.bytes_mut();
                let (now, later) = bytes.split_at(to.len().min(bytes.len()));
                to[..now.len()].copy_from_slice(now);
                bytes = later;
            }
            let read = before - bytes.len();
            self.swarm.on_received(conn, plan, read, self.now, &mut self.pool);
        }
        self.hear()
    }

    pub(super) fn says(&mut self, name: char, words: &str) -> String {
        let mut bytes = Vec::new();
        words.split_whitespace().for_each(|word| encode(word, &mut bytes));
        self.feed(name, &bytes)
    }

    /// Meets a peer that has `have` and says `words`; what followed is of no interest.
    pub(super) fn with(&mut self, name: char, kind: &str, words: &str) -> &mut Self {
        self.meet(name, kind);
        self.says(name, words);
        self
    }

    /// The disk has answered the oldest question.
    pub(super) fn resident(&mut self, readable: bool) -> String {
        let key = self.reads.pop_front().unwrap();
        self.swarm.on_resident(key, readable);
        self.hear()
    }

    pub(super) fn sent(&mut self, name: char, text: &str) -> String {
        self.swarm.on_sent(conn(name), block(text), self.now);
        self.hear()
    }

    pub(super) fn leave(&mut self, name: char) -> String {
        self.swarm.on_closed(conn(name), self.now, &mut self.pool);
        self.greeted.remove(&conn(name));
        self.hear()
    }

    pub(super) fn done(&mut self, piece: u32) -> String {
        self.swarm.on_piece_done(PieceIndex(piece), self.now);
        self.hear()
    }

    pub(super) fn failed(&mut self, piece: u32) -> String {
        self.failed_like(piece, "0000")
    }

    /// A piece failed whose blocks had these digests, one symbol each.
    pub(super) fn failed_like(&mut self, piece: u32, blocks: &str) -> String {
        self.swarm.on_piece_failed(PieceIndex(piece), &digests(blocks), self.now);
        self.hear()
    }

    pub(super) fn examined(&mut self, piece: u32, blocks: &str) -> String {
        self.swarm.on_piece_examined(PieceIndex(piece), &digests(blocks), self.now);
        self.hear()
    }

    pub(super) fn lost(&mut self, piece: u32) -> String {
        self.swarm.on_piece_lost(PieceIndex(piece), self.now);
        self.hear()
    }

    pub(super) fn gone(&mut self, piece: u32) -> String {
        self.swarm.on_piece_gone(PieceIndex(piece), self.now);
        self.hear()
    }

    /// Time passes, and nobody says anything.
    pub(super) fn wait(&mut self, seconds: u64) -> String {
        let end = self.now.after(Duration::from_secs(seconds));
        let mut heard = Vec::new();
        while let Some(at) = self.swarm.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.swarm.on_deadline(self.now, &mut self.pool);
            heard.push(self.hear());
        }
        self.now = end;
        let words = heard.iter().flat_map(|text| text.split_whitespace());
        words.filter(|&word| word != "want").collect::<Vec<_>>().join(" ")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.swarm.stop(self.now, &mut self.pool);
            self.hear();
            assert_eq!(self.pool.outstanding(), 0, "a buffer was not given back");
            self.now = self.now.after(Duration::from_secs(3600));
            self.swarm.on_deadline(self.now, &mut self.pool);
        }
    }
}
