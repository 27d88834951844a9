//! One torrent's swarm: all its peers, what is asked of them and given to them.
//!
//! Source: BEP 3, 6, 10, 20, 21. Files are storage's business: blocks go out as
//! [`Output::Block`], verdicts come in by [`Swarm::on_piece_done`] and
//! [`Swarm::on_piece_failed`]. Sockets are the driver's: it asks for a plan, reads, and reports.
//!
//! Invariants: a block counted as requested in the picker is in the `requests` of exactly so
//! many sessions; `useful` of a session is the number of pieces it has and we want and lack.

mod choking;
mod close_reason;
mod gossip;
mod greeting;
mod hashes;
mod introduction;
mod justice;
mod losses;
mod messages;
mod seeking;
mod spreading;
mod turnover;
mod upkeep;
mod uploads;
pub mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use base::{
    Bitfield, BlockId, BufPool, BufRef, ConnId, InfoHashes, Instant, PeerId, PieceIndex,
    PieceSizes, Rng,
};
use keys::Digest32;
use keys::merkle::Forest;
use wire::peer::{Handshake, Message};

use crate::blame::Blame;
use crate::diary::Entry;
use crate::manners::Shunned;
use crate::peers::{Peers, Source};
use crate::picker::{Order, Picker};
use crate::receive::{Received, Receiver, RecvPlan};
use crate::session::{Asked, Rate, Session};
use crate::spread::Spread;

pub use self::close_reason::CloseReason;
pub use self::seeking::Early;
use self::seeking::Seeking;

/// Payload a peer may send unasked before it is closed: two full pipelines that crossed a choke.
const UNASKED_BYTES_MAX: u64 = 64 << 20;

/// When a seed shows its pieces one by one (BEP 16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuperSeed {
    /// As long as it is the only one that has every piece.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Settings of one swarm.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our name in this session (BEP 20).
    pub peer_id: PeerId,
    /// What we call our program (BEP 10).
    pub client: String,
    /// Where we listen, told to peers (BEP 10).
    pub listen_port: Option<u16>,
    /// Most connections, both directions.
    pub connections_max: usize,
    /// Most dials under way: home routers drop bursts.
    pub dials_max: usize,
    /// Peers unchoked at once; `None`: by the measured rate.
    pub unchoke_slots: Option<usize>,
    /// When to super seed.
    pub super_seed: SuperSeed,
    /// Whether we have a node of the DHT, at the port where we listen (BEP 5).
    pub dht: bool,
    /// Whether peers tell each other of peers (BEP 11).
    pub pex: bool,
    /// Whether what happens to peers is told by [`Output::Diary`].
    pub diary: bool,
}

impl Config {
    /// Defaults for a client named `client` with `peer_id`.
    pub fn new(peer_id: PeerId, client: String) -> Self {
        Self {
            peer_id,
            client,
            listen_port: None,
            connections_max: 80,
            dials_max: 16,
            unchoke_slots: None,
            super_seed: SuperSeed::Auto,
            dht: false,
            pex: false,
            diary: false,
        }
    }
}

/// What a swarm needs to know of its torrent.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The torrent's names.
    pub info_hashes: InfoHashes,
    /// How long its pieces are.
    pub sizes: PieceSizes,
    /// The hash trees of its files, if it has any (BEP 52).
    pub trees: Option<Arc<Forest>>,
    /// Its `info` dictionary, which peers may ask for (BEP 9).
    pub info: Option<Arc<[u8]>>,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Dial this address; answer by [`Swarm::on_connected`] or [`Swarm::on_dial_failed`].
    Dial(SocketAddr),
    /// Close this connection; [`Swarm::on_closed`] is not called for it.
    Close(ConnId, CloseReason),
    /// Nobody at the IP address of this peer is talked to any more.
    Banned(SocketAddr),
    /// Send these bytes.
    Send(ConnId, Vec<u8>),
    /// Send a block that is resident: its header and its bytes.
    SendBlock(ConnId, BlockId),
    /// Make a range of a piece resident; answer by [`Swarm::on_resident`].
    MakeResident {
        /// To be given back.
        key: u64,
        /// The range; all of it lies in one piece.
        range: BlockId,
    },
    /// Hash the leaves of a piece (BEP 52); answer by [`Swarm::on_leaves`].
    HashLeaves {
        /// To be given back.
        key: u64,
        /// The piece.
        piece: PieceIndex,
    },
    /// A block for storage.
    Block(BlockId, BufRef),
    /// More addresses would help.
    WantPeers,
    /// What a magnet link stands for is known; continue by [`Swarm::on_shape`].
    Metadata(Box<Metadata>),
    /// A peer has a node of the DHT at this port (BEP 5).
    DhtNode(SocketAddr),
    /// For a log; only with [`Config::diary`].
    Diary(Entry),
}

/// What peers told of a torrent that was known by name alone, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its `info` dictionary.
    pub info: Vec<u8>,
    /// Piece layers by root (BEP 52), 32 bytes a piece: those of all files longer than a piece. None of a hybrid
    /// whose peers don't give them.
    pub layers: BTreeMap<Digest32, Vec<u8>>,
}

/// How a swarm does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Payload bytes received.
    pub downloaded_bytes: u64,
    /// Payload bytes sent.
    pub uploaded_bytes: u64,
    /// Received payload that was of no use: duplicates and corrupt pieces.
    pub wasted_bytes: u64,
    /// Payload bytes per second, received.
    pub down_rate: u64,
    /// Payload bytes per second, sent.
    pub up_rate: u64,
    /// Connections with a handshake.
    pub peers: u32,
    /// Those of them that have everything.
    pub seeds: u32,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Swarm {
    shape: Shape,
    config: Config,
    rng: Rng,
    picker: Picker,
    /// The pieces to be had. Empty: the swarm only gives.
    wanted: Bitfield,
    order: Order,
    have: Bitfield,
    /// False until storage said what is there: until then nothing is asked or given.
    ready: bool,
    stopped: bool,
    /// While only the torrent's name is known.
    seeking: Option<Box<Seeking>>,
    peers: Peers,
    dialing: BTreeSet<SocketAddr>,
    sessions: BTreeMap<ConnId, Session>,
    /// Sessions with something to be sent.
    unflushed: Vec<ConnId>,
    residents: BTreeMap<u64, uploads::Run>,
    /// For what storage is asked next: runs and leaves.
    next_key: u64,
    /// Peers' requests for leaves, by what storage was asked with.
    leaf_debts: BTreeMap<u64, hashes::LeafDebt>,
    /// The leaves of failed pieces that peers were asked for.
    leaf_asks: BTreeMap<PieceIndex, hashes::LeafAsk>,
    ahead_bytes: u64,
    down: Rate,
    up: Rate,
    wasted_bytes: u64,
    tick_at: Option<Instant>,
    ticks: u64,
    optimistic: Vec<ConnId>,
    uplink: choking::Uplink,
    /// While we super seed.
    spread: Option<Spread>,
    /// Closed connections whose buffers and addresses are still to be given back.
    graveyard: Vec<(Receiver, Option<SocketAddr>)>,
    blame: Blame,
    shunned: Shunned,
    /// When a connection last made room for somebody who dialled us.
    room_made_at: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Swarm {
    /// A swarm that waits for [`Swarm::on_ready`].
    pub fn new(shape: Shape, config: Config, mut rng: Rng) -> Self {
        let have = Bitfield::empty(shape.sizes.count());
        let wanted = Bitfield::full(shape.sizes.count());
        Self {
            picker: Picker::new(&have, &wanted, shape.sizes.clone(), Order::Rarest, &mut rng),
            wanted,
            order: Order::Rarest,
            shape,
            config,
            have,
            ready: false,
            stopped: false,
            seeking: None,
            peers: Peers::new(rng.next_u64()),
            dialing: BTreeSet::new(),
            sessions: BTreeMap::new(),
            unflushed: Vec::new(),
            residents: BTreeMap::new(),
            next_key: 0,
            leaf_debts: BTreeMap::new(),
            leaf_asks: BTreeMap::new(),
            ahead_bytes: uploads::AHEAD_BYTES,
            down: Rate::default(),
            up: Rate::default(),
            wasted_bytes: 0,
            tick_at: None,
            ticks: 0,
            optimistic: Vec::new(),
            uplink: choking::Uplink::default(),
            spread: None,
            graveyard: Vec::new(),
            blame: Blame::default(),
            shunned: Shunned::default(),
            room_made_at: None,
            outputs: VecDeque::new(),
            rng,
        }
    }

    /// Chooses the pieces to be had, and in which order; without it all are, the rarest first.
    pub fn choose(&mut self, wanted: Bitfield, order: Order) {
        assert!(!self.ready, "chosen before storage is ready");
        self.wanted = wanted;
        self.order = order;
    }

    /// Whether storage is ready and every piece to be had is there.
    pub fn is_complete(&self) -> bool {
        self.ready && self.picker.is_complete()
    }

    /// Storage looked: these pieces are there.
    pub fn on_ready(&mut self, have: Bitfield, now: Instant) {
        assert!(!self.ready, "storage gets ready once");
        self.ready = true;
        let sizes = self.shape.sizes.clone();
        self.picker = Picker::new(&have, &self.wanted, sizes, self.order, &mut self.rng);
        self.have = have;
        self.start_spreading();
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            for piece in session.have.ones() {
                self.picker.on_peer_has(piece);
                session.useful += u32::from(self.picker.lacks(piece));
            }
            match (session.peer_id.is_some(), session.introduced) {
                (true, true) => self.introduce_late(conn),
                (true, false) => self.introduce(conn),
                (false, _) => {}
            }
            if !self.sessions.contains_key(&conn) {
                continue;
            }
            self.update_interest(conn);
            self.on_interest_changed(conn);
            self.fill(conn, now);
            self.close_if_useless(conn);
        }
        self.dial_more(now);
    }

    /// Addresses to try.
    pub fn add_peers(&mut self, addrs: &[SocketAddr], source: Source, now: Instant) {
        self.learn_peers(addrs, source, false, now);
    }

    /// Addresses to try, of the swarm of version 2 (BEP 52).
    pub fn add_v2_peers(&mut self, addrs: &[SocketAddr], source: Source, now: Instant) {
        self.learn_peers(addrs, source, true, now);
    }

    fn learn_peers(&mut self, addrs: &[SocketAddr], source: Source, v2: bool, now: Instant) {
        if !self.picker.is_complete() {
            self.peers.welcome_seeds(now);
        }
        for &addr in addrs {
            self.peers.add(addr, source, now);
            if v2 {
                self.peers.on_v2(addr);
            }
        }
        self.dial_more(now);
    }

    /// A dial succeeded.
    pub fn on_connected(&mut self, conn: ConnId, addr: SocketAddr, now: Instant) {
        self.dialing.remove(&addr);
        if self.stopped {
            self.outputs.push_back(Output::Close(conn, CloseReason::Stopped));
            return;
        }
        if self.peers.is_banned(addr.ip()) {
            // While it was dialled.
            self.peers.forget(addr);
            self.outputs.push_back(Output::Close(conn, CloseReason::Banned));
            return;
        }
        let mut session =
            Session::new(addr, true, self.shape.sizes.count(), Receiver::new(true), now);
        session.choked_at = self.ticks;
        session.v2 = self.dials_v2(addr);
        session.out.extend_from_slice(&self.handshake(session.v2).encode());
        self.sessions.insert(conn, session);
        self.touch(conn);
        self.start_ticking(now);
    }

    /// A dial failed.
    pub fn on_dial_failed(&mut self, addr: SocketAddr, now: Instant) {
        self.dialing.remove(&addr);
        self.peers.on_gone(addr, now, &mut self.rng);
        self.dial_more(now);
    }

    /// Somebody dialled us and named this torrent.
    pub fn on_incoming(
        &mut self,
        conn: ConnId,
        addr: SocketAddr,
        handshake: &Handshake,
        now: Instant,
    ) {
        let reason = if self.stopped {
            Some(CloseReason::Stopped)
        } else if self.peers.is_banned(addr.ip()) {
            Some(CloseReason::Banned)
        } else if self.shunned.contains(addr.ip(), now) {
            Some(CloseReason::Shunned)
        } else if self.is_crowd(addr.ip())
            || (self.sessions.len() >= self.config.connections_max
                && !self.make_room_for_newcomer(now))
        {
            Some(CloseReason::Full)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.outputs.push_back(Output::Close(conn, reason));
            return;
        }
        let mut session =
            Session::new(addr, false, self.shape.sizes.count(), Receiver::new(false), now);
        session.choked_at = self.ticks;
        session.v2 = self.answers_v2(handshake);
        session.out.extend_from_slice(&self.handshake(session.v2).encode());
        self.sessions.insert(conn, session);
        self.start_ticking(now);
        self.on_handshake(conn, handshake);
    }

    /// Where the next bytes from `conn` should go. `None`: nothing can be taken now.
    pub fn recv_plan(
        &mut self,
        conn: ConnId,
        bytes_max: usize,
        pool: &mut BufPool,
    ) -> Option<RecvPlan> {
        let session = self.sessions.get_mut(&conn)?;
        let plan = session.receiver.plan(session.requests.iter(), bytes_max, pool);
        session.unread = plan.is_none();
        plan
    }

    /// A read according to `plan` gave `read_bytes` bytes.
    pub fn on_received(
        &mut self,
        conn: ConnId,
        plan: RecvPlan,
        read_bytes: usize,
        now: Instant,
        pool: &mut BufPool,
    ) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            // Closed between plan and report: only the buffers matter.
            let mut receiver = Receiver::new(false);
            receiver.on_received(plan, 0, pool);
            receiver.release(pool);
            return;
        };
        // A handshake has its time from the start, however it drips.
        if read_bytes > 0 && session.peer_id.is_some() {
            session.heard_at = now;
        }
        let mut receiver = core::mem::replace(&mut session.receiver, Receiver::new(false));
        receiver.on_received(plan, read_bytes, pool);
        let mut whole = false;
        while let Some(session) = self.sessions.get(&conn) {
            let next = receiver.next(|block| session.expects(block), pool);
            whole |= matches!(next, Ok(Some(_)));
            match next {
                Ok(None) => break,
                Ok(Some(Received::Handshake(handshake))) => self.on_handshake(conn, &handshake),
                Ok(Some(Received::Block(block, buf))) => self.on_block(conn, block, buf, now, pool),
                Ok(Some(Received::Unexpected(block))) => {
                    self.wasted_bytes += u64::from(block.length_bytes);
                    self.on_unasked(conn, block);
                }
                Ok(Some(Received::Message(message))) => self.on_message(conn, message, now),
                Err(error) => self.close(conn, CloseReason::Stream(error)),
            }
        }
        match self.sessions.get_mut(&conn) {
            Some(session) => {
                let since = session.frame_at.filter(|_| !whole).unwrap_or(now);
                session.frame_at = receiver.is_in_the_middle().then_some(since);
                session.receiver = receiver;
            }
            None => receiver.release(pool),
        }
        self.pump_uploads(conn);
        self.fill(conn, now);
        self.bury(now, pool);
    }

    fn on_block(
        &mut self,
        conn: ConnId,
        block: BlockId,
        buf: BufRef,
        now: Instant,
        pool: &mut BufPool,
    ) {
        let session = self.sessions.get_mut(&conn).expect("the caller holds it");
        session.down.add(u64::from(block.length_bytes));
        self.down.add(u64::from(block.length_bytes));
        session.snubbed = false;
        session.refusals = 0;
        session.block_at = now;
        session.pipeline.on_block(block.length_bytes, now);
        if let Some((_, asked_at)) = session.probe.filter(|&(probe, _)| probe == block) {
            session.pipeline.on_round_trip(now.saturating_since(asked_at));
            session.probe = None;
        }
        let on_time = session.forget_request(block) == Some(Asked::Open);
        match self.picker.on_block(block, conn, session.addr, on_time) {
            crate::picker::Accepted::Duplicate => {
                self.wasted_bytes += u64::from(block.length_bytes);
                pool.give_back(buf);
            }
            crate::picker::Accepted::Wanted { asked_others } => {
                if asked_others {
                    self.cancel_elsewhere(conn, block);
                }
                self.outputs.push_back(Output::Block(block, buf));
            }
        }
    }

    fn cancel_elsewhere(&mut self, conn: ConnId, block: BlockId) {
        let mut cancelled = Vec::new();
        for (&other, session) in &mut self.sessions {
            if other != conn && session.forget_request(block) == Some(Asked::Open) {
                // It may be on its way already: then it is welcome to be dropped quietly.
                session.expect_late(&[block]);
                session.say(Message::Cancel(block));
                cancelled.push(other);
            }
        }
        cancelled.into_iter().for_each(|other| self.touch(other));
    }

    /// Storage verified a piece and it can be read.
    pub fn on_piece_done(&mut self, piece: PieceIndex, now: Instant) {
        let provenance = self.picker.on_piece_done(piece);
        self.blame.on_piece_done(&provenance, now);
        self.have.set(piece);
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            let session = self.sessions.get_mut(&conn).expect("just listed");
            if session.have.has(piece) {
                session.useful -= 1;
                self.update_interest(conn);
            }
            // Also to who has it: a seed that shows piece after piece waits for our word (BEP 16).
            let session = self.sessions.get_mut(&conn).expect("just listed");
            if session.peer_id.is_some() && !session.have.is_full() {
                session.say(Message::Have(piece));
                self.touch(conn);
            }
        }
        if self.is_complete() {
            self.remember_debts();
            if !self.have.is_full() {
                self.say_hello_again();
            }
            self.close_other_seeds();
        }
    }

    /// A block that nobody asked for: once in a while a crossing of messages, then a nuisance.
    fn on_unasked(&mut self, conn: ConnId, block: BlockId) {
        let session = self.session(conn);
        session.unasked_bytes += u64::from(block.length_bytes);
        if session.unasked_bytes > UNASKED_BYTES_MAX {
            self.close(conn, CloseReason::Unasked);
        }
    }

    /// Asks for as much as the pipeline allows.
    fn fill(&mut self, conn: ConnId, now: Instant) {
        let Some(session) = self.sessions.get(&conn) else { return };
        let willing = session.am_interested && session.peer_id.is_some() && !session.refused;
        if !self.ready || self.stopped || !willing {
            return;
        }
        let depth = session.pipeline.depth() as usize;
        let open = session.requests.len();
        // In batches, so that one send carries many requests.
        if open * 4 > depth * 3 {
            return;
        }
        let want = depth - open;
        let asker = self.asker(conn, session, now);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let mut blocks = Vec::new();
        if session.peer_choking {
            for &piece in &session.allowed {
                if session.have.has(piece) && blocks.len() < want {
                    let count = want - blocks.len();
                    self.picker.pick_allowed(piece, count, &asker, &mut blocks);
                }
            }
        } else {
            self.picker.pick(&session.have, want, &asker, &mut self.rng, &mut blocks);
            if blocks.is_empty() && open == 0 && !asker.alone && self.picker.is_endgame() {
                // A fast peer may take over a few blocks at a time from slow ones.
                let few = want.min(4);
                self.picker.pick_again(&session.have, |b| session.expects(b), few, &mut blocks);
            }
        }
        if !blocks.is_empty() {
            session.request(&blocks, now);
            self.touch(conn);
        }
    }

    fn fill_all(&mut self, now: Instant) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            self.fill(conn, now);
        }
    }

    fn touch(&mut self, conn: ConnId) {
        if self.sessions.get(&conn).is_some_and(|session| !session.out.is_empty()) {
            self.unflushed.push(conn);
        }
    }

    /// The connection ended by itself.
    pub fn on_closed(&mut self, conn: ConnId, now: Instant, pool: &mut BufPool) {
        if let Some(mut session) = self.sessions.remove(&conn) {
            session.receiver.release(pool);
            self.forget_session(conn, &mut session);
            if session.outgoing {
                self.peers.on_gone(session.addr, now, &mut self.rng);
            }
            self.dial_more(now);
            self.fill_all(now);
        }
    }

    fn close(&mut self, conn: ConnId, reason: CloseReason) {
        if let Some(mut session) = self.sessions.remove(&conn) {
            self.forget_session(conn, &mut session);
            self.outputs.push_back(Output::Close(conn, reason));
            let again = match reason {
                CloseReason::Stream(_)
                | CloseReason::OutOfRange
                | CloseReason::Silent
                | CloseReason::Stuck
                | CloseReason::Shunned
                | CloseReason::Full
                | CloseReason::Unreadable => true,
                CloseReason::WrongTorrent
                | CloseReason::Ourselves
                | CloseReason::Twice
                | CloseReason::Unasked
                | CloseReason::Flood
                | CloseReason::Corrupt
                | CloseReason::WrongHashes
                | CloseReason::Banned
                | CloseReason::NothingToGive
                | CloseReason::Replaced
                | CloseReason::Stopped => false,
            };
            if session.outgoing && reason == CloseReason::NothingToGive {
                // Should we lose a piece, it has something to give again.
                self.peers.on_seed(session.addr);
            } else if session.outgoing && !again && reason != CloseReason::Replaced {
                self.peers.forget(session.addr);
            }
            let retry = (session.outgoing && again).then_some(session.addr);
            self.graveyard.push((session.receiver, retry));
        }
    }

    /// Gives back what closed connections held.
    fn bury(&mut self, now: Instant, pool: &mut BufPool) {
        for (mut receiver, retry) in self.graveyard.drain(..) {
            receiver.release(pool);
            if let Some(addr) = retry {
                self.peers.on_gone(addr, now, &mut self.rng);
            }
        }
    }

    fn forget_session(&mut self, conn: ConnId, session: &mut Session) {
        for block in session.requests.drain(..) {
            self.picker.give_back(block);
        }
        if self.ready {
            session.have.ones().for_each(|piece| self.picker.on_peer_lost(piece));
        }
        if let Some(spread) = &mut self.spread {
            spread.remove(conn, &session.have, |piece| self.picker.availability(piece));
            self.show_more();
        }
        self.forget_seeker(conn);
        self.residents.retain(|_, run| run.conn != conn);
        if session.outgoing && session.down.total() + session.up.total() > 0 {
            self.peers.on_useful(session.addr);
        }
        self.picker.release(conn);
        self.optimistic.retain(|&other| other != conn);
    }

    /// Ends: closes every connection.
    pub fn stop(&mut self, now: Instant, pool: &mut BufPool) {
        self.stopped = true;
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.close(conn, CloseReason::Stopped));
        self.bury(now, pool);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(conn) = self.unflushed.pop() {
            if let Some(session) = self.sessions.get_mut(&conn)
                && !session.out.is_empty()
            {
                return Some(Output::Send(conn, core::mem::take(&mut session.out)));
            }
        }
        None
    }

    /// A block that counts as asked of more or fewer peers than it is open with, for tests: it
    /// would never come, or come twice.
    pub fn misremembered_request(&self) -> Option<BlockId> {
        let open = |block: BlockId| {
            self.sessions.values().filter(|session| session.requests.contains(&block)).count()
        };
        self.picker
            .requested()
            .find(|&(block, copies)| open(block) != usize::from(copies))
            .map(|(block, _)| block)
    }

    /// What we have, by storage's word.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// How we do.
    pub fn stats(&self) -> Stats {
        let live = self.sessions.values().filter(|session| session.peer_id.is_some());
        let count = |n: usize| u32::try_from(n).expect("bounded by connections_max");
        Stats {
            downloaded_bytes: self.down.total(),
            uploaded_bytes: self.up.total(),
            wasted_bytes: self.wasted_bytes,
            down_rate: self.down.per_second(),
            up_rate: self.up.per_second(),
            peers: count(live.clone().count()),
            seeds: count(live.filter(|session| session.have.is_full()).count()),
        }
    }
}

#[cfg(test)]
mod tests;
