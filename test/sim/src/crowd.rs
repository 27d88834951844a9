//! A crowd: many swarm machines of one torrent, where only upload bandwidth is scarce.
//!
//! [`crate::world`] runs whole nodes and asks whether everybody finishes. This asks *when*, and who
//! got how much of whom: choosing peers and pieces is `core/torrent`'s alone, so that is what runs
//! here, between uplinks of a known rate. An uplink serves the connections that have blocks
//! queued in turn, as the shard does; messages overtake blocks that wait for it, as they do there.

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;

use base::{
    BLOCK_BYTES, Bitfield, BlockId, BufPool, ConnId, InfoHash, InfoHashes, Instant, PeerId,
    PieceSizes, Rng,
};
use torrent::peers::Source;
use torrent::swarm::{Config, Output, Shape, Swarm};
use wire::peer::{HANDSHAKE_BYTES, Handshake, piece_header};

/// A crowd that is not done by then never will be.
const LIFE_MAX: Duration = Duration::from_secs(3600);

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has everything at the start.
    Seeder,
    /// Takes and gives.
    Leecher,
    /// Takes and never gives.
    FreeRider,
}

/// One member.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What it is.
    pub kind: Kind,
    /// What its uplink carries, in payload bytes per second.
    pub up_rate: u64,
    /// When it comes.
    pub start: Duration,
}

/// What a crowd is made of.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// Its members.
    pub members: Vec<Member>,
    /// Pieces of the torrent.
    pub pieces: u32,
    /// Bytes of a piece.
    pub piece_bytes: u32,
    /// One-way delay between any two.
    pub delay: Duration,
    /// The crowd is left alone when so many leechers are done.
    pub watched_until_done: usize,
}

/// How a member fared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// When it was done.
    pub done: Option<Duration>,
    /// Payload bytes it received and sent.
    pub down: u64,
    /// Payload bytes it received and sent.
    pub up: u64,
}

#[derive(Debug)]
enum Event {
    Start(usize),
    Arrive(usize, ConnId, Vec<u8>),
    Uplink(usize),
}

#[derive(Debug)]
struct Node {
    member: Member,
    swarm: Swarm,
    pool: BufPool,
    started: bool,
    /// The other end, and until it is told the first bytes of an incoming connection.
    conns: BTreeMap<ConnId, (usize, ConnId)>,
    greeting: BTreeMap<ConnId, Vec<u8>>,
    /// Blocks to be sent, by connection, and whose turn it is.
    queues: BTreeMap<ConnId, VecDeque<BlockId>>,
    turn: VecDeque<ConnId>,
    busy: Option<(ConnId, BlockId)>,
    blocks: BTreeMap<u32, u32>,
    fate: Fate,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct World {
    crowd: Crowd,
    now: Instant,
    times: BinaryHeap<Reverse<(Instant, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    next_conn: u64,
    nodes: Vec<Node>,
}

fn addr(index: usize) -> SocketAddr {
    let index = u8::try_from(index + 1).expect("a crowd has less than 255 members");
    SocketAddr::from(([10, index, index, 1], 6881))
}

/// Lets the crowd live, and tells how each member fared.
pub fn run(seed: u64, crowd: &Crowd) -> Vec<Fate> {
    World::new(seed, crowd.clone()).live()
}

impl World {
    fn new(seed: u64, crowd: Crowd) -> Self {
        let mut rng = Rng::from_seed(seed);
        let shape = Shape {
            info_hashes: InfoHashes::v1(InfoHash([7; 20])),
            sizes: PieceSizes::new(
                crowd.piece_bytes,
                u64::from(crowd.pieces) * u64::from(crowd.piece_bytes),
            ),
            trees: None,
            info: None,
        };
        let node = |member: &Member| {
            let mut name = [0; 20];
            name[..8].copy_from_slice(&rng.next_u64().to_be_bytes());
            let mut config = Config::new(PeerId(name), "crowd".into());
            if member.kind == Kind::FreeRider {
                config.unchoke_slots = Some(0);
            }
            Node {
                member: *member,
                swarm: Swarm::new(shape.clone(), config, rng.fork()),
                pool: BufPool::new(4096),
                started: false,
                conns: BTreeMap::new(),
                greeting: BTreeMap::new(),
                queues: BTreeMap::new(),
                turn: VecDeque::new(),
                busy: None,
                blocks: BTreeMap::new(),
                fate: Fate::default(),
            }
        };
        let nodes = crowd.members.iter().map(node).collect();
        let mut world = Self {
            now: Instant::START,
            times: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            next_conn: 0,
            nodes,
            crowd,
        };
        for index in 0..world.nodes.len() {
            let start = world.nodes[index].member.start;
            world.at(start, Event::Start(index));
        }
        world
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.times.push(Reverse((self.now.after(after), self.next_event)));
        self.events.insert(self.next_event, event);
        self.next_event += 1;
    }

    fn live(mut self) -> Vec<Fate> {
        let end = Instant::START.after(LIFE_MAX);
        while !self.is_done() {
            let event = self.times.peek().map(|&Reverse((at, _))| at);
            let deadlines = self.nodes.iter().filter(|node| node.started);
            let deadline = deadlines.filter_map(|node| node.swarm.deadline()).min();
            let Some(next) = [event, deadline].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if event == Some(next) {
                let Some(Reverse((_, id))) = self.times.pop() else { unreachable!("just peeked") };
                let event = self.events.remove(&id).expect("queued once");
                self.on_event(event);
            } else {
                let now = self.now;
                for index in 0..self.nodes.len() {
                    let node = &mut self.nodes[index];
                    if node.started && node.swarm.deadline().is_some_and(|at| at <= now) {
                        node.swarm.on_deadline(now, &mut node.pool);
                        self.drain(index);
                    }
                }
            }
        }
        self.nodes.into_iter().map(|node| node.fate).collect()
    }

    fn is_done(&self) -> bool {
        let done = |node: &&Node| node.member.kind == Kind::Leecher && node.fate.done.is_some();
        self.nodes.iter().filter(done).count() >= self.crowd.watched_until_done
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Start(index) => self.start(index),
            Event::Arrive(index, conn, bytes) => self.arrive(index, conn, &bytes),
            Event::Uplink(index) => self.on_uplink(index),
        }
    }

    fn start(&mut self, index: usize) {
        let now = self.now;
        let pieces = self.crowd.pieces;
        let others: Vec<SocketAddr> =
            (0..self.nodes.len()).filter(|&i| self.nodes[i].started).map(addr).collect();
        let node = &mut self.nodes[index];
        node.started = true;
        let have = match node.member.kind {
            Kind::Seeder => Bitfield::full(pieces),
            Kind::Leecher | Kind::FreeRider => Bitfield::empty(pieces),
        };
        node.swarm.on_ready(have, now);
        node.swarm.add_peers(&others, Source::Tracker, now);
        self.drain(index);
    }

    fn arrive(&mut self, index: usize, conn: ConnId, mut bytes: &[u8]) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(&(other, _)) = node.conns.get(&conn) else { return };
        if let Some(greeting) = node.greeting.get_mut(&conn) {
            let missing = HANDSHAKE_BYTES - greeting.len();
            let (head, rest) = bytes.split_at(missing.min(bytes.len()));
            greeting.extend_from_slice(head);
            bytes = rest;
            let Ok(whole) = <[u8; HANDSHAKE_BYTES]>::try_from(greeting.as_slice()) else { return };
            node.greeting.remove(&conn);
            let handshake = Handshake::decode(&whole).expect("all speak BitTorrent");
            node.swarm.on_incoming(conn, addr(other), &handshake, now);
            self.drain(index);
        }
        while !bytes.is_empty() {
            let node = &mut self.nodes[index];
            let Some(mut plan) = node.swarm.recv_plan(conn, usize::MAX, &mut node.pool) else {
                return;
            };
            let mut read = 0;
            for slot in &mut plan.slots {
                let into = slot.bytes_mut();
                let count = into.len().min(bytes.len());
                let (head, rest) = bytes.split_at(count);
                into[..count].copy_from_slice(head);
                bytes = rest;
                read += count;
            }
            node.swarm.on_received(conn, plan, read, now, &mut node.pool);
            self.drain(index);
        }
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].swarm.poll_output() {
            self.on_output(index, output);
        }
        self.pump(index);
    }

    fn on_output(&mut self, index: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Dial(to) => {
                let other = (0..self.nodes.len()).find(|&i| addr(i) == to).expect("a member");
                let (ours, theirs) = (ConnId(self.next_conn), ConnId(self.next_conn + 1));
                self.next_conn += 2;
                self.nodes[index].conns.insert(ours, (other, theirs));
                self.nodes[other].conns.insert(theirs, (index, ours));
                self.nodes[other].greeting.insert(theirs, Vec::new());
                self.nodes[index].swarm.on_connected(ours, to, now);
            }
            Output::Close(conn, _) => {
                let node = &mut self.nodes[index];
                node.queues.remove(&conn);
                let Some((other, theirs)) = node.conns.remove(&conn) else { return };
                let node = &mut self.nodes[other];
                node.conns.remove(&theirs);
                node.queues.remove(&theirs);
                node.greeting.remove(&theirs);
                node.swarm.on_closed(theirs, now, &mut node.pool);
                self.drain(other);
            }
            Output::Send(conn, bytes) => self.transmit(index, conn, bytes),
            Output::SendBlock(conn, block) => {
                let node = &mut self.nodes[index];
                let queue = node.queues.entry(conn).or_default();
                queue.push_back(block);
                if queue.len() == 1 {
                    node.turn.push_back(conn);
                }
            }
            Output::MakeResident { key, .. } => self.nodes[index].swarm.on_resident(key, true),
            Output::Block(block, buf) => {
                let of_piece = self.crowd.piece_bytes.div_ceil(BLOCK_BYTES);
                let node = &mut self.nodes[index];
                node.pool.give_back(buf);
                node.fate.down += u64::from(block.length_bytes);
                let count = node.blocks.entry(block.piece.0).or_insert(0);
                *count += 1;
                if *count == of_piece {
                    node.swarm.on_piece_done(block.piece, now);
                    if node.swarm.have().is_full() {
                        node.fate.done = Some(now.since(Instant::START));
                    }
                }
            }
            Output::Banned(addr) => panic!("{addr} was banned, and nobody lies here"),
            Output::HashLeaves { .. } => unreachable!("it has no trees"),
            Output::WantPeers | Output::Diary(_) | Output::Metadata(_) | Output::DhtNode(_) => {}
        }
    }

    /// Starts the next block on an idle uplink.
    fn pump(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        while node.busy.is_none() {
            let Some(conn) = node.turn.pop_front() else { return };
            let Some(queue) = node.queues.get_mut(&conn) else { continue };
            let Some(block) = queue.pop_front() else { continue };
            if !queue.is_empty() {
                node.turn.push_back(conn);
            }
            node.busy = Some((conn, block));
            let nanos = u64::from(block.length_bytes) * 1_000_000_000 / node.member.up_rate.max(1);
            self.at(Duration::from_nanos(nanos), Event::Uplink(index));
            return;
        }
    }

    fn on_uplink(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let (conn, block) = node.busy.take().expect("it was under way");
        node.fate.up += u64::from(block.length_bytes);
        if node.conns.contains_key(&conn) {
            let mut bytes = piece_header(block).to_vec();
            bytes.resize(bytes.len() + block.length_bytes as usize, 0);
            self.transmit(index, conn, bytes);
        }
        self.nodes[index].swarm.on_sent(conn, block, now);
        self.drain(index);
    }

    fn transmit(&mut self, index: usize, conn: ConnId, bytes: Vec<u8>) {
        if let Some(&(other, theirs)) = self.nodes[index].conns.get(&conn) {
            self.at(self.crowd.delay, Event::Arrive(other, theirs, bytes));
        }
    }
}
