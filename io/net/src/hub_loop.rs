//! The event loop of the hub: listeners, handshakes, the UDP port, services, letters; one thread.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::Duration;

use base::{ConnId, Instant, Purpose, TorrentId};
use crossbeam_channel::Sender;
use discovery::dht::{Query, QueryId, Stats};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use node::hub::{Event, Hub, Output};
use node::limit::Limits;
use node::message::{ToHub, ToShard, TorrentStatus};
use node::spec::{MagnetSpec, TorrentSpec};
use wire::peer::{HANDSHAKE_BYTES, may_be_handshake};

use crate::budget::{Slot, SocketBudget};
use crate::clock::Clock;
use crate::factory::SocketFactory;
use crate::lan::Lan;
use crate::mail::{Inbox, Post};
use crate::news::News;
use crate::services::{ServiceDone, Services};
use crate::shard_loop::{ShardMail, WAKER};
use crate::udp::UdpPort;

/// Events taken from the system at once.
const EVENTS: usize = 128;
/// Connections accepted in one turn; more wait in the kernel's backlog.
const ACCEPTS_MAX: usize = 64;
/// Letters that wait for a shard whose queue is full, beyond which none are taken that might make
/// more: as many as the queue takes. What one letter or one deadline makes comes on top.
const LETTERS_WAITING_MAX: usize = 4096;
/// How long accepting pauses when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Tokens from here on are UDP sockets, below are listeners; connections have the top bit set.
pub(crate) const UDP_TOKENS: usize = 1 << 16;
/// The same of the sockets for the local network.
pub(crate) const LAN_TOKENS: usize = 1 << 17;
const CONN_TOKENS: usize = 1 << 62;

/// A letter to the hub.
pub(crate) enum HubMail {
    Shard(usize, ToHub),
    Service(ServiceDone),
    Command(Command),
}

/// A revision, and how all torrents do that changed since the one asked for.
pub(crate) type Changes = (u64, Vec<(TorrentId, TorrentStatus)>);

/// What the program asks of the hub.
pub(crate) enum Command {
    Add(Box<TorrentSpec>, Sender<Option<TorrentId>>),
    Seek(Box<MagnetSpec>, Sender<Option<TorrentId>>),
    Begin(TorrentId, Box<TorrentSpec>, Sender<bool>),
    AskDht(Box<Query>, Sender<Option<QueryId>>),
    DhtStats(Sender<Option<Stats>>),
    SaveDht(Sender<Option<Vec<u8>>>),
    AddDhtNode(SocketAddr),
    Remove(TorrentId),
    Changes(u64, Sender<Changes>),
    Look(TorrentId, usize),
    KeepDiary,
    Fetch(String),
    Limits(Limits),
    Stop,
}

/// News for the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// News of a torrent.
    Torrent(Event),
    /// No descriptors are left: incoming connections wait until some are closed.
    AcceptPaused,
    /// Incoming connections are taken again.
    AcceptResumed,
    /// So many reports were lost, because the program did not take them in time.
    Lost(u64),
}

struct Pending {
    stream: TcpStream,
    slot: Slot,
    addr: SocketAddr,
    bytes: [u8; HANDSHAKE_BYTES],
    filled: usize,
}

pub(crate) struct HubLoop {
    pub(crate) hub: Hub,
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) factory: SocketFactory,
    pub(crate) budget: SocketBudget,
    pub(crate) mail: Inbox<HubMail>,
    pub(crate) shards: Vec<Post<ShardMail>>,
    pub(crate) services: Services,
    pub(crate) events: Sender<NodeEvent>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) udp: UdpPort,
    pub(crate) lan: Lan,
    pub(crate) state: State,
}

/// What the loop keeps between turns.
#[derive(Default)]
pub(crate) struct State {
    pending: HashMap<ConnId, Pending>,
    /// When to look at the listeners without having been told.
    accept_again_at: Option<Instant>,
    /// There is no descriptor for one more.
    accept_paused: bool,
    /// For each shard: one that is behind does not keep letters from the others.
    letters_waiting: Vec<VecDeque<ShardMail>>,
    events_waiting: News,
    stopping: bool,
}

impl HubLoop {
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        self.state.letters_waiting.resize_with(self.shards.len(), VecDeque::new);
        while !self.state.stopping {
            self.sleep(&mut events);
            while self.may_take()
                && let Some(letter) = self.mail.take()
            {
                self.on_letter(letter);
                self.take_outputs();
            }
            for event in &events {
                self.on_event(event.token());
            }
            self.receive();
            let now = self.clock.now();
            if self.state.accept_again_at.is_some_and(|at| at <= now) {
                self.state.accept_again_at = None;
                (0..self.listeners.len()).for_each(|index| self.accept(index));
            }
            if self.hub.deadline().is_some_and(|at| at <= now) {
                self.hub.on_deadline(now);
            }
            self.carry_out();
        }
        for shard in &self.shards {
            shard.post(ShardMail::Stop);
        }
    }

    fn sleep(&mut self, events: &mut Events) {
        let deadlines = [self.hub.deadline(), self.state.accept_again_at];
        let mut timeout = self.clock.sleep(deadlines.into_iter().flatten().min());
        let letters = self.state.letters_waiting.iter().any(|letters| !letters.is_empty());
        if letters || !self.state.events_waiting.is_empty() || self.udp.has_waiting() {
            timeout =
                Some(timeout.map_or(Duration::from_millis(5), |t| t.min(Duration::from_millis(5))));
        }
        let mail = !self.mail.may_sleep() && self.may_take();
        if mail || self.udp.is_readable() || self.lan.is_readable() {
            timeout = Some(Duration::ZERO);
        }
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.state.stopping = true;
        }
        self.mail.awake();
    }

    /// Whether letters can be answered. If not they wait, and who wrote them keeps the next ones;
    /// shards never wait for the hub, so that they get on in any case.
    fn may_take(&self) -> bool {
        self.state.letters_waiting.iter().all(|letters| letters.len() < LETTERS_WAITING_MAX)
    }

    fn on_letter(&mut self, letter: HubMail) {
        let now = self.clock.now();
        match letter {
            HubMail::Shard(shard, message) => self.hub.on_message(shard, message, now),
            HubMail::Service(ServiceDone::Http(id, result)) => self.hub.on_http(id, result, now),
            HubMail::Service(ServiceDone::Resolved(resolved)) => {
                self.hub.on_resolved(resolved, now);
            }
            HubMail::Command(Command::Add(spec, reply)) => {
                // Who asked and went away does not need the answer.
                reply.send(self.hub.add(*spec, now)).ok();
            }
            HubMail::Command(Command::Seek(magnet, reply)) => {
                reply.send(self.hub.seek(*magnet, now)).ok();
            }
            HubMail::Command(Command::Begin(torrent, spec, reply)) => {
                reply.send(self.hub.begin(torrent, *spec, now)).ok();
            }
            HubMail::Command(Command::AskDht(query, reply)) => {
                reply.send(self.hub.ask_dht(*query, now)).ok();
            }
            HubMail::Command(Command::DhtStats(reply)) => {
                reply.send(self.hub.dht_stats(now)).ok();
            }
            HubMail::Command(Command::SaveDht(reply)) => {
                reply.send(self.hub.save_dht(now)).ok();
            }
            HubMail::Command(Command::AddDhtNode(addr)) => self.hub.add_dht_node(addr, now),
            HubMail::Command(Command::Remove(torrent)) => self.hub.remove(torrent, now),
            HubMail::Command(Command::Changes(since, reply)) => {
                reply.send(self.hub.changes(since)).ok();
            }
            HubMail::Command(Command::Look(torrent, buckets)) => self.hub.look(torrent, buckets),
            HubMail::Command(Command::KeepDiary) => self.hub.keep_diary(),
            HubMail::Command(Command::Fetch(url)) => self.hub.fetch(url),
            HubMail::Command(Command::Limits(limits)) => self.hub.set_limits(limits, now),
            HubMail::Command(Command::Stop) => self.hub.stop(now),
        }
    }

    fn on_event(&mut self, token: Token) {
        if token == WAKER {
            return;
        }
        if token.0 >= CONN_TOKENS {
            self.read_handshake(ConnId((token.0 - CONN_TOKENS) as u64));
        } else if token.0 >= LAN_TOKENS {
            self.lan.on_readable(token.0 - LAN_TOKENS);
        } else if token.0 >= UDP_TOKENS {
            self.udp.on_readable(token.0 - UDP_TOKENS);
        } else {
            self.accept(token.0);
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_MAX {
            let Some(slot) = self.budget.take() else { return self.pause_accepting() };
            match self.listeners[index].accept() {
                Ok((stream, addr)) => {
                    self.on_accepted(stream, slot, addr);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.resume_accepting();
                }
                Err(error) if is_out_of_descriptors(&error) => return self.pause_accepting(),
                // The peer gave up while it waited, and the like: on to the next.
                Err(_) => {}
            }
        }
        // More may wait, and an edge tells only once: come back in the next turn.
        self.state.accept_again_at = Some(self.clock.now());
    }

    /// Leaves newcomers in the kernel's queue for a while; says so the first time.
    fn pause_accepting(&mut self) {
        self.state.accept_again_at = Some(self.clock.now().after(ACCEPT_PAUSE));
        if !self.state.accept_paused {
            self.state.accept_paused = true;
            self.state.events_waiting.push(NodeEvent::AcceptPaused);
        }
    }

    fn resume_accepting(&mut self) {
        if self.state.accept_paused {
            self.state.accept_paused = false;
            self.state.events_waiting.push(NodeEvent::AcceptResumed);
        }
    }

    fn on_accepted(&mut self, mut stream: TcpStream, slot: Slot, addr: SocketAddr) {
        let Some(conn) = self.hub.on_accepted(addr.ip(), self.clock.now()) else { return };
        let token =
            Token(CONN_TOKENS + usize::try_from(conn.0).expect("fewer than 2^54 connections"));
        if self.factory.tcp_accepted(Purpose::Peer, &stream).is_err()
            || self.poll.registry().register(&mut stream, token, Interest::READABLE).is_err()
        {
            return self.hub.on_closed(conn);
        }
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let pending = Pending { stream, slot, addr, bytes: [0; HANDSHAKE_BYTES], filled: 0 };
        self.state.pending.insert(conn, pending);
        self.read_handshake(conn);
    }

    /// Reads the handshake and not a byte more: the rest belongs to the shard.
    fn read_handshake(&mut self, conn: ConnId) {
        let Some(pending) = self.state.pending.get_mut(&conn) else { return };
        loop {
            match pending.stream.read(&mut pending.bytes[pending.filled..]) {
                Ok(read) if read > 0 => {
                    pending.filled += read;
                    if !may_be_handshake(&pending.bytes[..pending.filled]) {
                        break;
                    }
                    if pending.filled == HANDSHAKE_BYTES {
                        return self.hub.on_handshake(conn, pending.addr, &pending.bytes.clone());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.hub.on_closed(conn);
        self.close(conn);
    }

    fn close(&mut self, conn: ConnId) -> Option<(TcpStream, Slot)> {
        let mut pending = self.state.pending.remove(&conn)?;
        self.poll.registry().deregister(&mut pending.stream).ok();
        Some((pending.stream, pending.slot))
    }

    /// Takes this turn's share of what came to the UDP port.
    fn receive(&mut self) {
        let (hub, clock) = (&mut self.hub, self.clock);
        self.udp.receive(|batch| {
            let now = clock.now();
            batch.iter().for_each(|(from, bytes)| hub.on_datagram(from, bytes, now));
        });
        self.lan.receive(|speaker, from, bytes| {
            hub.on_lan_datagram(speaker, from, bytes, clock.now());
        });
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            self.on_output(output);
        }
    }

    fn carry_out(&mut self) {
        self.take_outputs();
        self.udp.flush();
        for (shard, letters) in self.shards.iter().zip(&mut self.state.letters_waiting) {
            while let Some(letter) = letters.pop_front() {
                if let Err(letter) = shard.try_post(letter) {
                    letters.push_front(letter);
                    break;
                }
            }
        }
        self.state.events_waiting.tell(&self.events);
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::ToShard(shard, message @ ToShard::Incoming { conn, .. }) => {
                if let Some((stream, slot)) = self.close(conn) {
                    let letters = &mut self.state.letters_waiting[shard];
                    // A shard that is so far behind is better off without one more peer.
                    if letters.len() < LETTERS_WAITING_MAX {
                        letters.push_back(ShardMail::Incoming(stream, slot, Box::new(message)));
                    }
                }
            }
            Output::ToShard(shard, message) => {
                let letters = &mut self.state.letters_waiting[shard];
                // Addresses come again with the next announce.
                let again = matches!(message, ToShard::Peers(..));
                if !again || letters.len() < LETTERS_WAITING_MAX {
                    letters.push_back(ShardMail::Hub(Box::new(message)));
                }
            }
            Output::Close(conn) => drop(self.close(conn)),
            Output::Http(request) => {
                if let Err(request) = self.services.http(request) {
                    let busy = base::HttpError::Connect("too many exchanges wait".into());
                    self.hub.on_http(request.id, Err(busy), self.clock.now());
                }
            }
            // It may have ended in this moment; its answer is then ignored.
            Output::CancelHttp(id) => drop(self.services.cancel(id)),
            Output::Resolve(request) => {
                if let Err(request) = self.services.resolve(request) {
                    let nothing = base::Resolved { id: request.id, addrs: Vec::new() };
                    self.hub.on_resolved(nothing, self.clock.now());
                }
            }
            Output::Datagram(to, bytes) => self.udp.send(to, bytes),
            Output::Announce { v6, bytes } => self.lan.announce(v6, &bytes),
            Output::FindGateway => {
                let gateway = self.lan.gateway();
                self.hub.on_gateway(gateway, self.clock.now());
            }
            Output::ToRouter { ours, to, bytes } => self.lan.send_to_router(ours, to, &bytes),
            Output::Stopped => self.state.stopping = true,
            Output::Event(event) => self.state.events_waiting.push(NodeEvent::Torrent(event)),
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| codes.iter().any(|errno| errno.raw_os_error() == code))
}
