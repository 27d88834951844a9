//! Peers that mean harm, or are broken as badly: they speak the protocol and no more.
//!
//! They are not nodes: no picker, no disk, only what it takes to be taken for a seed. The world
//! counts what they do, to compare it with whom the nodes blame.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use base::{BlockId, ConnId, InfoHash, PeerId, PieceIndex, Rng};
use wire::peer::{self, Extensions, HANDSHAKE_BYTES, Handshake, Message, PREFIX_BYTES};

use crate::content::Content;

/// What one of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malice {
    /// One block in so many has a wrong byte.
    Corrupts(u32),
    /// So many blocks are right, then all are garbage.
    Turns(u32),
    /// Shakes hands, and that is all.
    Silent,
    /// Has everything, unchokes, and never answers.
    Ignores,
    /// Has everything, unchokes, and rejects every request.
    Rejects,
    /// Answers with one byte of a block at a time.
    Drips,
    /// Answers with one block in so many, and talks of other things in between.
    Chatters(u32),
    /// Sends messages as fast as it can.
    Floods,
}

impl Malice {
    /// One that `rng` chooses.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.below(10) {
            0 | 1 => Self::Corrupts(1),
            2 => Self::Corrupts(2 + rng.below(30)),
            3 | 4 => Self::Turns(rng.below(60)),
            5 => Self::Silent,
            6 => [Self::Ignores, Self::Rejects][rng.below(2) as usize],
            7 => Self::Drips,
            8 => Self::Chatters(2 + rng.below(10)),
            _ => Self::Floods,
        }
    }
}

/// One connection of it.
#[derive(Debug, Default)]
struct Line {
    inbox: Vec<u8>,
    /// The other side's handshake came.
    met: bool,
    /// Blocks asked of it.
    asked: u32,
    /// What it drips, byte by byte.
    drops: Vec<u8>,
    /// Bytes said, and read by the other side.
    said: u64,
    read: u64,
    /// Wrong blocks not yet read, and the count of bytes at the end of each.
    wrong: VecDeque<(u64, PieceIndex)>,
}

/// What it sends at once.
#[derive(Debug, Default)]
pub struct Reply {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The blocks in them.
    pub blocks: Vec<BlockId>,
    /// Pieces of which the other side wants some block no longer.
    pub cancelled: Vec<PieceIndex>,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Hostile {
    /// Where it is.
    pub addr: SocketAddr,
    /// What it does.
    pub malice: Malice,
    peer_id: PeerId,
    info_hash: InfoHash,
    lines: BTreeMap<ConnId, Line>,
    next_conn: u64,
    /// Whether it ever sent a wrong byte: before that it must not be banned.
    pub lied: bool,
    /// Pieces with a wrong block of it, by the node that got them.
    pub spoilt: BTreeMap<usize, BTreeSet<PieceIndex>>,
}

impl Hostile {
    /// One at `addr`, in the swarm of `content`.
    pub fn new(addr: SocketAddr, malice: Malice, content: &Content, rng: &mut Rng) -> Self {
        let mut name = [b'X'; 20];
        name[..8].copy_from_slice(&rng.next_u64().to_be_bytes());
        Self {
            addr,
            malice,
            peer_id: PeerId(name),
            info_hash: content.spec.info_hashes.first(),
            lines: BTreeMap::new(),
            next_conn: 0,
            lied: false,
            spoilt: BTreeMap::new(),
        }
    }

    /// A name for a new connection, and what it says first if it `dialled`.
    pub fn open(&mut self, dialled: bool) -> (ConnId, Vec<u8>) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let bytes = if dialled { self.greeting() } else { Vec::new() };
        let line = Line { said: bytes.len() as u64, ..Line::default() };
        self.lines.insert(conn, line);
        (conn, bytes)
    }

    /// The connection ended.
    pub fn on_closed(&mut self, conn: ConnId) {
        self.lines.remove(&conn);
    }

    fn greeting(&self) -> Vec<u8> {
        let extensions = Extensions { fast: true, extended: false, dht: false, v2: false };
        Handshake::new(extensions, self.info_hash, self.peer_id).encode().to_vec()
    }

    /// Bytes came from the other side.
    pub fn on_bytes(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        dialled: bool,
        content: &Content,
        rng: &mut Rng,
    ) -> Reply {
        let mut reply = Reply::default();
        let Some(mut line) = self.lines.remove(&conn) else { return reply };
        line.inbox.extend_from_slice(bytes);
        if !line.met && line.inbox.len() >= HANDSHAKE_BYTES {
            line.inbox.drain(..HANDSHAKE_BYTES);
            line.met = true;
            if !dialled {
                reply.bytes.extend(self.greeting());
            }
            if self.malice != Malice::Silent {
                peer::encode(Message::HaveAll, &mut reply.bytes);
                peer::encode(Message::Unchoke, &mut reply.bytes);
            }
        }
        while line.met
            && let Some(prefix) = line.inbox.first_chunk::<PREFIX_BYTES>()
        {
            let end = PREFIX_BYTES + peer::frame_bytes(*prefix).expect("honest peers keep to it");
            if line.inbox.len() < end {
                break;
            }
            let frame: Vec<u8> = line.inbox.drain(..end).skip(PREFIX_BYTES).collect();
            match peer::decode(&frame) {
                Ok(Message::Request(block)) => {
                    self.answer(block, &mut line, content, rng, &mut reply);
                }
                // What came all the same was not taken.
                Ok(Message::Cancel(block)) => {
                    line.wrong.retain(|(_, piece)| *piece != block.piece);
                    reply.cancelled.push(block.piece);
                }
                Ok(_) | Err(_) => {}
            }
        }
        line.said += reply.bytes.len() as u64;
        self.lines.insert(conn, line);
        reply
    }

    fn answer(
        &mut self,
        block: BlockId,
        line: &mut Line,
        content: &Content,
        rng: &mut Rng,
        reply: &mut Reply,
    ) {
        line.asked += 1;
        let wrong = match self.malice {
            Malice::Corrupts(one_in) => rng.chance(1, one_in),
            Malice::Turns(after) => line.asked > after,
            Malice::Silent | Malice::Ignores | Malice::Floods => return,
            Malice::Rejects => return peer::encode(Message::Reject(block), &mut reply.bytes),
            Malice::Drips => false,
            Malice::Chatters(one_in) => {
                peer::encode(Message::Have(block.piece), &mut reply.bytes);
                if !line.asked.is_multiple_of(one_in) {
                    return;
                }
                false
            }
        };
        let piece = content.piece(block.piece);
        let start = block.offset_bytes as usize;
        let mut data = piece[start..start + block.length_bytes as usize].to_vec();
        if wrong {
            let at = rng.below(block.length_bytes) as usize;
            data[at] ^= 0x20;
        }
        reply.blocks.push(block);
        let message = Message::Piece { block, data: &data };
        if self.malice == Malice::Drips {
            peer::encode(message, &mut line.drops);
        } else {
            peer::encode(message, &mut reply.bytes);
        }
        if wrong {
            self.lied = true;
            line.wrong.push_back((line.said + reply.bytes.len() as u64, block.piece));
        }
    }

    /// The node at the other side read so many bytes more.
    pub fn on_read(&mut self, conn: ConnId, node: usize, bytes: usize) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        line.read += bytes as u64;
        while let Some((_, piece)) = line.wrong.pop_front_if(|(end, _)| *end <= line.read) {
            self.spoilt.entry(node).or_default().insert(piece);
        }
    }

    /// Once in a while: what it sends of its own on each connection.
    pub fn on_tick(&mut self) -> Vec<(ConnId, Vec<u8>)> {
        let mut out = Vec::new();
        for (&conn, line) in self.lines.iter_mut().filter(|(_, line)| line.met) {
            let mut bytes = Vec::new();
            match self.malice {
                Malice::Drips if !line.drops.is_empty() => bytes.push(line.drops.remove(0)),
                Malice::Chatters(_) => peer::encode(Message::KeepAlive, &mut bytes),
                Malice::Floods => {
                    for _ in 0..500 {
                        peer::encode(Message::Interested, &mut bytes);
                        peer::encode(Message::NotInterested, &mut bytes);
                    }
                }
                Malice::Corrupts(_)
                | Malice::Turns(_)
                | Malice::Silent
                | Malice::Ignores
                | Malice::Rejects
                | Malice::Drips => {}
            }
            line.said += bytes.len() as u64;
            out.push((conn, bytes));
        }
        out
    }
}
