//! A shard: its torrents, their peers, their files.
//!
//! Source: architecture rules 3 to 7. For each torrent a [`Swarm`] and a [`Store`] that know
//! nothing of each other; this routes between them, leases bandwidth, and shares the buffers.
//!
//! Drive it: feed an event, then call [`Shard::poll_output`] until `None`, then sleep until
//! [`Shard::deadline`]. To read from a socket, ask [`Shard::recv_plan`], read, report by
//! [`Shard::on_received`]; a `None` means to leave the socket alone until [`Output::ReadAgain`],
//! which is answered by [`Shard::recv_plan`] or [`Shard::pass`]. Sending a block at once rather
//! than later, and reporting it, makes for fairer shares of a limit: who is next depends on it.
//!
//! Invariants: a connection is in `conns` exactly while the driver holds its socket or dials it;
//! at most one timer per torrent is valid (`armed`).

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use base::{Bitfield, BlockId, BufPool, ConnId, Instant, PeerId, Rng, SwarmId, TorrentId};
use storage::job::{DiskDone, DiskError, DiskJob, DoneKind, HashPart, JobKind};
use storage::store::{self, Store};
use torrent::diary::Entry as DiaryEntry;
use torrent::receive::RecvPlan;
use torrent::swarm::{self, CloseReason, Swarm};
use wire::peer::{PIECE_HEADER_BYTES, piece_header};

use crate::limit::{Class, Limits};
use crate::message::{PeerNews, Phase, ToHub, ToShard, View};

use self::paced::{Go, Paced, Whose};

mod beginning;
mod fair;
mod paced;
mod status;

/// A dial that takes longer is given up; the system's own patience is minutes.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// How often a changing torrent tells how it does.
const STATUS_EVERY: Duration = Duration::from_millis(250);

/// Settings of a shard.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its number, from 0.
    pub index: u8,
    /// Our name (BEP 20).
    pub peer_id: PeerId,
    /// What our program is called (BEP 10).
    pub client: String,
    /// Where the node listens.
    pub listen_port: Option<u16>,
    /// Payload buffers of 16 KiB. What the download may hold in memory, all torrents together.
    pub buffers: usize,
    /// Most connections of this shard.
    pub connections_max: usize,
    /// Rate limits. The global ones are leased by the hub.
    pub limits: Limits,
    /// Settings of every store.
    pub store: store::Config,
    /// Whether there is a node of the DHT at `listen_port` (BEP 5).
    pub dht: bool,
    /// Whether peers of public torrents tell each other of peers (BEP 11).
    pub pex: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Tell the hub.
    ToHub(ToHub),
    /// Dial; answer by [`Shard::on_dialed`].
    Dial(ConnId, SocketAddr),
    /// Close, whatever is still to be sent.
    Close(ConnId, CloseReason),
    /// Send these bytes.
    Send(ConnId, Vec<u8>),
    /// Send a block; answer by [`Shard::on_sent`] when all of it is in the kernel's hands.
    SendBlock(BlockOut),
    /// Give this to the disk pools; answer by [`Shard::on_disk`].
    Disk(DiskJob),
    /// This socket was left alone and may be tried again.
    ReadAgain(ConnId),
}

/// A block to be sent: header first, then the parts, straight from the page cache.
#[derive(Debug)]
pub struct BlockOut {
    /// To whom.
    pub conn: ConnId,
    /// Of which torrent.
    pub torrent: TorrentId,
    /// Which block.
    pub block: BlockId,
    /// What precedes it.
    pub header: [u8; PIECE_HEADER_BYTES],
    /// Where its bytes lie.
    pub parts: Vec<HashPart>,
}

#[derive(Debug)]
struct Entry {
    swarm: Swarm,
    store: Store,
    total_bytes: u64,
    writable: bool,
    phase: Phase,
    removing: bool,
    /// The time in the newest timer of this torrent; older timers are stale.
    armed: Option<Instant>,
    changed: bool,
    status_at: Option<Instant>,
    have_bytes: u64,
    wanted_have_bytes: u64,
}

impl Entry {
    fn new(swarm: Swarm, store: Store, phase: Phase) -> Self {
        Self {
            swarm,
            store,
            total_bytes: 0,
            writable: false,
            phase,
            removing: false,
            armed: None,
            changed: true,
            status_at: None,
            have_bytes: 0,
            wanted_have_bytes: 0,
        }
    }

    /// Whether all that is wanted is there; of what is only served, whether everything is.
    fn is_complete(&self) -> bool {
        if self.writable { self.swarm.is_complete() } else { self.store.have().is_full() }
    }
}

#[derive(Debug, Clone, Copy)]
struct Conn {
    torrent: TorrentId,
    addr: SocketAddr,
    class: Class,
    /// While it is dialled: when that is given up.
    dial_until: Option<Instant>,
    /// It stands in `starved`.
    starved: bool,
}

impl Conn {
    fn new(torrent: TorrentId, addr: SocketAddr, dial_until: Option<Instant>) -> Self {
        Self { torrent, addr, class: Class::of(addr.ip()), dial_until, starved: false }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Shard {
    config: Config,
    rng: Rng,
    torrents: BTreeMap<TorrentId, Entry>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: u64,
    dials_waiting: VecDeque<(TorrentId, SocketAddr)>,
    /// Dials under way, by when they are given up.
    dials: BTreeSet<(Instant, ConnId)>,
    /// Addresses that sent corrupt data, to whichever torrent of the node.
    banned: BTreeSet<IpAddr>,
    external: Option<IpAddr>,
    pool: BufPool,
    /// Buffers on their way to disk: they come back by themselves.
    writing: usize,
    /// Torrents that may hold blocks in memory.
    assembling: BTreeSet<TorrentId>,
    /// What limits hold back.
    paced: Paced,
    /// Sockets that were left alone for want of buffers, in order.
    starved: VecDeque<ConnId>,
    timers: BinaryHeap<Reverse<(Instant, TorrentId)>>,
    outputs: VecDeque<Output>,
    /// How often a torrent was looked at: the cost of events, for tests.
    visits: u64,
    /// Whether what happens to peers is told.
    diary: bool,
}

impl Shard {
    /// A shard without torrents.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self {
            rng,
            torrents: BTreeMap::new(),
            conns: BTreeMap::new(),
            next_conn: 0,
            dials_waiting: VecDeque::new(),
            dials: BTreeSet::new(),
            banned: BTreeSet::new(),
            external: None,
            pool: BufPool::new(config.buffers),
            writing: 0,
            assembling: BTreeSet::new(),
            paced: Paced::new(config.limits),
            starved: VecDeque::new(),
            timers: BinaryHeap::new(),
            outputs: VecDeque::new(),
            visits: 0,
            diary: false,
            config,
        }
    }

    /// A message of the hub.
    pub fn on_message(&mut self, message: ToShard, now: Instant) {
        self.paced.on_time(now);
        match message {
            ToShard::Add(torrent, spec) => self.add(torrent, *spec, now),
            ToShard::Seek(torrent, spec) => self.seek(torrent, &spec, now),
            ToShard::Begin(torrent, spec) => self.begin(torrent, *spec, now),
            ToShard::Peers(SwarmId { torrent, v2 }, addrs, source) => {
                if let Some(entry) = self.torrents.get_mut(&torrent) {
                    match v2 {
                        true => entry.swarm.add_v2_peers(&addrs, source, now),
                        false => entry.swarm.add_peers(&addrs, source, now),
                    }
                    self.settle(torrent, now);
                }
            }
            ToShard::Incoming { torrent, conn, addr, handshake } => {
                if self.banned.contains(&addr.ip().to_canonical()) {
                    self.outputs.push_back(Output::Close(conn, CloseReason::Banned));
                    return;
                }
                let room = self.conns.len() < self.config.connections_max;
                let Some(entry) = self.torrents.get_mut(&torrent).filter(|_| room) else {
                    self.outputs.push_back(Output::Close(conn, CloseReason::Full));
                    return;
                };
                self.conns.insert(conn, Conn::new(torrent, addr, None));
                entry.swarm.on_incoming(conn, addr, &handshake, now);
                self.settle(torrent, now);
            }
            ToShard::Remove(torrent) => self.remove(torrent, now),
            ToShard::Lease(direction, class, bytes) => self.paced.grant(direction, class, bytes),
            ToShard::Limits(limits) => self.set_limits(limits),
            ToShard::Ban(ip) => self.ban(ip, now),
            ToShard::ExternalAddr(ip) => {
                self.external = Some(ip);
                let ours = SocketAddr::new(ip, self.config.listen_port.unwrap_or_default());
                self.torrents.values_mut().for_each(|entry| entry.swarm.set_external(ours));
            }
            ToShard::Look(torrent, buckets) => self.look(torrent, buckets),
            ToShard::KeepDiary => self.diary = true,
        }
    }

    fn look(&mut self, torrent: TorrentId, buckets: usize) {
        let Some(entry) = self.torrents.get(&torrent) else { return };
        let pieces = entry.swarm.piece_map(entry.store.have(), buckets);
        let view = Box::new(View { pieces, peers: entry.swarm.peers_view() });
        self.outputs.push_back(Output::ToHub(ToHub::View(torrent, view)));
    }

    fn note(&mut self, torrent: TorrentId, entry: DiaryEntry) {
        if self.diary {
            self.outputs.push_back(Output::ToHub(ToHub::Diary(torrent, entry)));
        }
    }

    fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
        self.paced.set(limits);
        let ahead = limits.up.ahead_bytes();
        self.torrents.values_mut().for_each(|entry| entry.swarm.set_ahead(ahead));
    }

    fn remove(&mut self, torrent: TorrentId, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        entry.removing = true;
        entry.swarm.stop(now, &mut self.pool);
        self.dials_waiting.retain(|&(other, _)| other != torrent);
        if matches!(entry.phase, Phase::Failed | Phase::Seeking) {
            // Its files were never opened, or nothing about them can be believed.
            return self.forget(torrent, now);
        }
        entry.phase = Phase::Stopping;
        // Found by `test/sim`, seed 1: the last record lacked what moved since the last status.
        let stats = entry.swarm.stats();
        entry.store.set_totals(stats.downloaded_bytes, stats.uploaded_bytes);
        entry.store.stop(now, &mut self.pool);
        self.settle(torrent, now);
    }

    fn forget(&mut self, torrent: TorrentId, now: Instant) {
        self.settle(torrent, now);
        self.torrents.remove(&torrent);
        self.assembling.remove(&torrent);
        self.paced.forget(torrent);
        self.outputs.push_back(Output::ToHub(ToHub::Removed(torrent)));
    }

    /// A dial ended.
    pub fn on_dialed(&mut self, conn: ConnId, connected: bool, now: Instant) {
        let Some(entry) = self.conns.get_mut(&conn) else { return };
        let Conn { torrent, addr, .. } = *entry;
        if let Some(until) = entry.dial_until.take() {
            self.dials.remove(&(until, conn));
        }
        if !connected {
            self.end(conn);
            self.note(torrent, DiaryEntry::Unreachable(addr));
        }
        if let Some(entry) = self.torrents.get_mut(&torrent) {
            if connected {
                entry.swarm.on_connected(conn, addr, now);
            } else {
                entry.swarm.on_dial_failed(addr, now);
            }
            self.settle(torrent, now);
        } else if self.end(conn).is_some() {
            // Its torrent was removed while it was dialled.
            self.outputs.push_back(Output::Close(conn, CloseReason::Stopped));
        }
        self.dial_waiting(now);
    }

    /// Where bytes from `conn` should go, or `None` to leave it alone for now.
    pub fn recv_plan(&mut self, conn: ConnId, now: Instant) -> Option<RecvPlan> {
        let &Conn { torrent, class, .. } = self.conns.get(&conn)?;
        let whose = Whose { torrent, conn, class };
        let bytes_max = self.paced.may_read(whose)?;
        let entry = self.torrents.get_mut(&torrent)?;
        let Some(mut plan) = entry.swarm.recv_plan(conn, bytes_max, &mut self.pool) else {
            self.paced.pass(conn);
            let entry = self.conns.get_mut(&conn)?;
            if !core::mem::replace(&mut entry.starved, true) {
                self.starved.push_back(conn);
            }
            self.relieve(now);
            return None;
        };
        self.paced
            .on_planned(whose, || plan.slots.iter_mut().map(|slot| slot.bytes_mut().len()).sum());
        Some(plan)
    }

    /// The answer to [`Output::ReadAgain`] when there is nothing to read, or nobody to read from.
    pub fn pass(&mut self, conn: ConnId) {
        self.paced.pass(conn);
    }

    /// A read gave `bytes` bytes into `plan`; zero if there was nothing to read.
    pub fn on_received(&mut self, conn: ConnId, plan: RecvPlan, bytes: usize, now: Instant) {
        let Conn { torrent, class, .. } = self.conns[&conn];
        self.paced.on_time(now);
        self.paced.on_read(Whose { torrent, conn, class }, bytes);
        let entry = self.torrents.get_mut(&torrent).expect("its connections end before it does");
        entry.swarm.on_received(conn, plan, bytes, now, &mut self.pool);
        self.settle(torrent, now);
        self.relieve(now);
    }

    /// A block is in the kernel's hands.
    pub fn on_sent(&mut self, conn: ConnId, torrent: TorrentId, block: BlockId, now: Instant) {
        self.paced.on_time(now);
        if let Some(&Conn { class, .. }) = self.conns.get(&conn) {
            self.paced.on_sent(Whose { torrent, conn, class }, block.length_bytes);
        }
        if let Some(entry) = self.torrents.get_mut(&torrent) {
            entry.swarm.on_sent(conn, block, now);
            self.settle(torrent, now);
        }
    }

    /// The connection ended by itself.
    pub fn on_closed(&mut self, conn: ConnId, now: Instant) {
        let Some(&Conn { torrent, addr, dial_until, .. }) = self.conns.get(&conn) else { return };
        if dial_until.is_some() {
            return self.on_dialed(conn, false, now);
        }
        self.end(conn);
        self.note(torrent, DiaryEntry::Left { addr, reason: None });
        if let Some(entry) = self.torrents.get_mut(&torrent) {
            entry.swarm.on_closed(conn, now, &mut self.pool);
            self.settle(torrent, now);
        }
        self.dial_waiting(now);
    }

    /// A disk job came home.
    pub fn on_disk(&mut self, done: DiskDone, now: Instant) {
        let torrent = done.torrent;
        if let DoneKind::Written { blocks, .. } = &done.kind {
            self.writing -= blocks.len();
        }
        match self.torrents.get_mut(&torrent) {
            Some(entry) => entry.store.on_done(done, now, &mut self.pool),
            // A failed torrent was forgotten before its last jobs came home.
            None => {
                if let DoneKind::Written { blocks, .. } = done.kind {
                    blocks.into_iter().for_each(|(buf, _)| self.pool.give_back(buf));
                }
            }
        }
        self.settle(torrent, now);
        self.relieve(now);
    }

    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|&Reverse((at, _))| at);
        let dial = self.dials.first().map(|&(at, _)| at);
        [timer, dial, self.paced.deadline()].into_iter().flatten().min()
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant) {
        self.paced.on_time(now);
        while let Some(&(until, conn)) = self.dials.first() {
            if until > now {
                break;
            }
            self.dials.pop_first();
            self.outputs.push_back(Output::Close(conn, CloseReason::Silent));
            self.on_dialed(conn, false, now);
        }
        while let Some(&Reverse((at, torrent))) = self.timers.peek() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(entry) = self.torrents.get_mut(&torrent) else { continue };
            if entry.armed != Some(at) {
                continue;
            }
            entry.armed = None;
            entry.swarm.on_deadline(now, &mut self.pool);
            entry.store.on_deadline(now, &mut self.pool);
            self.settle(torrent, now);
            self.relieve(now);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front().or_else(|| {
            Some(match self.paced.poll()? {
                Go::Send(block) => Output::SendBlock(block),
                Go::Read(conn) => Output::ReadAgain(conn),
                Go::Ask(direction, class, torrents) => {
                    Output::ToHub(ToHub::LeaseWanted { direction, class, torrents })
                }
            })
        })
    }

    /// Whether limits hold blocks back. Then it is fairest to send each as soon as it is given.
    pub fn paces_uploads(&self) -> bool {
        self.paced.paces_uploads()
    }

    /// Buffers that are out, for tests and for shrinking.
    pub fn buffers_out(&self) -> usize {
        self.pool.outstanding()
    }

    /// How often any torrent was looked at so far. The cost of an event in these units does not
    /// depend on how many torrents there are.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// A block whose requests the swarm miscounts, for tests.
    pub fn misremembered_request(&self, torrent: TorrentId) -> Option<BlockId> {
        self.torrents.get(&torrent).and_then(|entry| entry.swarm.misremembered_request())
    }

    /// What a torrent has, by its store's word.
    pub fn have(&self, torrent: TorrentId) -> Option<&Bitfield> {
        self.torrents.get(&torrent).map(|entry| entry.store.have())
    }

    /// Carries messages between swarm and store until both are silent, then sets the timer.
    fn settle(&mut self, torrent: TorrentId, now: Instant) {
        self.visits += 1;
        while let Some(entry) = self.torrents.get_mut(&torrent) {
            entry.changed = true;
            if let Some(output) = entry.swarm.poll_output() {
                self.on_swarm(torrent, output, now);
            } else if let Some(output) = entry.store.poll_output() {
                self.on_store(torrent, output, now);
            } else {
                break;
            }
        }
        self.tell_status(torrent, now);
        self.arm(torrent);
        self.feed();
    }

    fn arm(&mut self, torrent: TorrentId) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        let status = entry.changed.then_some(entry.status_at).flatten();
        let deadlines = [entry.swarm.deadline(), entry.store.deadline(), status];
        let next = deadlines.into_iter().flatten().min();
        if let Some(at) = next
            && entry.armed.is_none_or(|armed| at < armed)
        {
            entry.armed = Some(at);
            self.timers.push(Reverse((at, torrent)));
        }
    }

    fn on_swarm(&mut self, torrent: TorrentId, output: swarm::Output, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        match output {
            swarm::Output::Dial(addr) if self.banned.contains(&addr.ip().to_canonical()) => {
                // Another torrent found out; this one learns it when it matters.
                entry.swarm.ban(addr.ip());
                entry.swarm.on_dial_failed(addr, now);
            }
            swarm::Output::Dial(addr) => {
                self.dials_waiting.push_back((torrent, addr));
                self.dial_waiting(now);
            }
            swarm::Output::Close(conn, reason) => {
                let left = self.end(conn);
                if let Some(Conn { addr, .. }) = left {
                    self.note(torrent, DiaryEntry::Left { addr, reason: Some(reason) });
                }
                if let Some(left) = left.filter(|_| reason.is_misbehaviour()) {
                    let news = ToHub::Peer(torrent, left.addr, PeerNews::Left(reason));
                    self.outputs.push_back(Output::ToHub(news));
                }
                self.outputs.push_back(Output::Close(conn, reason));
                self.dial_waiting(now);
            }
            swarm::Output::Banned(addr) => {
                let news = ToHub::Peer(torrent, addr, PeerNews::Banned);
                self.outputs.push_back(Output::ToHub(news));
            }
            swarm::Output::Send(conn, bytes) => self.outputs.push_back(Output::Send(conn, bytes)),
            swarm::Output::SendBlock(conn, block) => {
                let (header, parts) = (piece_header(block), entry.store.layout().parts(block));
                let block = BlockOut { conn, torrent, block, header, parts };
                if let Some(&Conn { class, .. }) = self.conns.get(&conn)
                    && let Some(block) = self.paced.hold(block, class)
                {
                    self.outputs.push_back(Output::SendBlock(block));
                }
            }
            swarm::Output::MakeResident { key, range } => entry.store.make_resident(key, range),
            swarm::Output::HashLeaves { key, piece } => entry.store.hash_leaves(key, piece),
            swarm::Output::Block(block, buf) => {
                entry.store.on_block(block, buf, now, &mut self.pool);
                self.assembling.insert(torrent);
            }
            swarm::Output::Diary(entry) => self.note(torrent, entry),
            swarm::Output::Metadata(metadata) => {
                self.outputs.push_back(Output::ToHub(ToHub::Metadata(torrent, metadata)));
            }
            swarm::Output::DhtNode(addr) => {
                self.outputs.push_back(Output::ToHub(ToHub::DhtNode(addr)));
            }
            swarm::Output::WantPeers => {
                self.outputs.push_back(Output::ToHub(ToHub::WantPeers(torrent)));
            }
        }
    }

    fn on_store(&mut self, torrent: TorrentId, output: store::Output, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        match output {
            store::Output::Job(job) => {
                if let JobKind::Write { blocks, .. } = &job.kind {
                    self.writing += blocks.len();
                }
                self.outputs.push_back(Output::Disk(job));
            }
            store::Output::Failed(error) => self.on_failed(torrent, error, now),
            store::Output::Ready(have) => {
                entry.have_bytes = status::bytes_of(&have, &entry.store);
                entry.wanted_have_bytes = entry.store.layout().wanted_bytes_in(&have);
                entry.swarm.on_ready(have, now);
                let complete = entry.is_complete();
                self.on_progress(torrent, complete, now);
            }
            store::Output::PieceDone(piece) => {
                entry.have_bytes += u64::from(entry.store.layout().piece_bytes(piece));
                entry.wanted_have_bytes += entry.store.layout().wanted_bytes_of(piece);
                entry.swarm.on_piece_done(piece, now);
                let complete = entry.is_complete();
                self.on_progress(torrent, complete, now);
            }
            store::Output::PieceFailed(piece, digests) => {
                entry.swarm.on_piece_failed(piece, &digests, now);
            }
            store::Output::PieceExamined(piece, digests) => {
                entry.swarm.on_piece_examined(piece, &digests, now);
            }
            store::Output::PieceLost(piece) => entry.swarm.on_piece_lost(piece, now),
            store::Output::Resident { key, result } => {
                entry.swarm.on_resident(key, result.is_ok());
            }
            store::Output::Leaves { key, leaves } => entry.swarm.on_leaves(key, &leaves),
            store::Output::Trouble(error) => {
                // How much room is needed is said with it.
                self.say_status_now(torrent, now);
                self.outputs.push_back(Output::ToHub(ToHub::Trouble(torrent, Some(error))));
            }
            store::Output::Doubted(path, doubt) => {
                self.outputs.push_back(Output::ToHub(ToHub::Doubted(torrent, path, doubt)));
            }
            store::Output::PieceGone(piece) => {
                entry.have_bytes -= u64::from(entry.store.layout().piece_bytes(piece));
                entry.wanted_have_bytes -= entry.store.layout().wanted_bytes_of(piece);
                entry.swarm.on_piece_gone(piece, now);
                let complete = entry.is_complete();
                self.on_progress(torrent, complete, now);
            }
            store::Output::Lost(pieces) => {
                self.say_status_now(torrent, now);
                self.outputs.push_back(Output::ToHub(ToHub::Lost(torrent, pieces)));
            }
            store::Output::Recovered => {
                self.outputs.push_back(Output::ToHub(ToHub::Trouble(torrent, None)));
            }
            store::Output::Settled => {
                if entry.is_complete() {
                    self.say_status_now(torrent, now);
                    self.outputs.push_back(Output::ToHub(ToHub::Settled(torrent)));
                }
            }
            store::Output::Closed => {
                self.say_status_now(torrent, now);
                self.forget(torrent, now);
            }
        }
    }

    fn on_failed(&mut self, torrent: TorrentId, error: DiskError, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        entry.phase = Phase::Failed;
        entry.have_bytes = status::bytes_of(entry.store.have(), &entry.store);
        entry.wanted_have_bytes = entry.store.layout().wanted_bytes_in(entry.store.have());
        entry.swarm.stop(now, &mut self.pool);
        self.outputs.push_back(Output::ToHub(ToHub::Failed(torrent, error)));
        self.dials_waiting.retain(|&(other, _)| other != torrent);
        if entry.removing {
            self.forget(torrent, now);
        }
    }

    fn on_progress(&mut self, torrent: TorrentId, complete: bool, now: Instant) {
        let Some(entry) = self.torrents.get_mut(&torrent) else { return };
        if entry.removing {
            return;
        }
        entry.phase = if complete { Phase::Seeding } else { Phase::Downloading };
        if complete {
            self.assembling.remove(&torrent);
            entry.store.settle(now);
        }
    }

    /// When memory is short because of blocks that wait for others, those go to disk as they
    /// are. Buffers that are being written need no such help: they come back by themselves, and
    /// then this is asked again.
    fn relieve(&mut self, now: Instant) {
        let waiting = self.pool.outstanding() - self.writing;
        if self.pool.available() > self.config.buffers / 4 || waiting <= self.config.buffers / 2 {
            return;
        }
        let torrents: Vec<TorrentId> = self.assembling.iter().copied().collect();
        for torrent in torrents {
            let Some(entry) = self.torrents.get_mut(&torrent) else { continue };
            entry.store.relieve(now, &mut self.pool);
            if !entry.store.is_assembling() {
                self.assembling.remove(&torrent);
            }
            self.settle(torrent, now);
        }
    }

    /// Wakes the sockets that were left alone, in order, once there is something to read with.
    fn feed(&mut self) {
        if self.pool.available() == 0 {
            return;
        }
        while let Some(conn) = self.starved.pop_front() {
            if let Some(entry) = self.conns.get_mut(&conn) {
                entry.starved = false;
                self.outputs.push_back(Output::ReadAgain(conn));
            }
        }
    }

    /// A connection is over.
    fn end(&mut self, conn: ConnId) -> Option<Conn> {
        let entry = self.conns.remove(&conn)?;
        if entry.starved {
            self.starved.retain(|&other| other != conn);
        }
        self.paced.leave(entry.torrent, conn);
        Some(entry)
    }

    fn dial_waiting(&mut self, now: Instant) {
        while self.conns.len() < self.config.connections_max {
            let Some((torrent, addr)) = self.dials_waiting.pop_front() else { return };
            let conn = ConnId((self.next_conn << 8) | (u64::from(self.config.index) + 1));
            self.next_conn += 1;
            let until = now.after(DIAL_MAX);
            self.dials.insert((until, conn));
            self.conns.insert(conn, Conn::new(torrent, addr, Some(until)));
            self.outputs.push_back(Output::Dial(conn, addr));
        }
    }
}

mod bans;

pub(crate) use bans::BANNED_MAX;

#[cfg(test)]
mod accounts;

#[cfg(test)]
mod tests;
