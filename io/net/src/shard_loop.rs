//! The event loop of a shard: sockets, letters, timers; one thread.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::{ConnId, Purpose};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use node::message::ToShard;
use node::shard::{Output, Shard};
use storage::job::{DiskDone, DiskJob};

use crate::budget::{Slot, SocketBudget};
use crate::clock::Clock;
use crate::connection::{Connection, FileForSend, Flushed};
use crate::factory::SocketFactory;
use crate::hub_loop::HubMail;
use crate::mail::{Inbox, Post};
use crate::outbox::Outbox;

pub(crate) const WAKER: Token = Token(usize::MAX);

/// Events taken from the system at once.
const EVENTS: usize = 256;

/// Jobs that wait for a full disk queue, beyond which peers are not read: as many as the queue
/// takes. One read may add a few more.
const JOBS_WAITING_MAX: usize = 1024;

/// How a shard reaches the disk pools.
pub struct DiskPort {
    /// Takes a job, or gives it back when the queue is full.
    pub submit: Box<dyn Fn(DiskJob) -> Result<(), DiskJob> + Send>,
    /// The descriptor to send a file from.
    pub file: FileForSend,
}

impl std::fmt::Debug for DiskPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskPort")
    }
}

/// A letter to a shard.
pub(crate) enum ShardMail {
    Hub(Box<ToShard>),
    /// A connection that was dialled to us, with its message.
    Incoming(TcpStream, Slot, Box<ToShard>),
    Stop,
}

pub(crate) struct ShardLoop {
    pub(crate) index: usize,
    pub(crate) shard: Shard,
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) factory: SocketFactory,
    pub(crate) budget: SocketBudget,
    pub(crate) mail: Inbox<ShardMail>,
    pub(crate) done: Inbox<DiskDone>,
    pub(crate) hub: Arc<Post<HubMail>>,
    pub(crate) disk: DiskPort,
    pub(crate) state: State,
}

/// What the loop keeps between turns.
#[derive(Default)]
pub(crate) struct State {
    conns: HashMap<ConnId, Connection>,
    /// Connections to be read, in turn.
    ready: VecDeque<ConnId>,
    jobs_waiting: VecDeque<DiskJob>,
    letters_waiting: Outbox,
    stopping: bool,
}

impl ShardLoop {
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.state.stopping {
            self.sleep(&mut events);
            self.take_letters();
            for event in &events {
                self.on_event(event);
            }
            self.read_ready();
            let now = self.clock.now();
            if self.shard.deadline().is_some_and(|at| at <= now) {
                self.shard.on_deadline(now);
            }
            self.carry_out();
        }
    }

    fn sleep(&mut self, events: &mut Events) {
        let busy = !self.state.ready.is_empty() && self.may_read();
        let waiting = !self.state.jobs_waiting.is_empty() || !self.state.letters_waiting.is_empty();
        let mut timeout = self.clock.sleep(self.shard.deadline());
        if waiting {
            // A full queue drains within microseconds; there is no event for that.
            timeout =
                Some(timeout.map_or(Duration::from_millis(1), |t| t.min(Duration::from_millis(1))));
        }
        if busy || !self.mail.may_sleep() || !self.done.may_sleep() {
            timeout = Some(Duration::ZERO);
        }
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            // The poll itself is broken: nothing can go on.
            self.state.stopping = true;
        }
        self.mail.awake();
        self.done.awake();
    }

    fn take_letters(&mut self) {
        let now = self.clock.now();
        while let Some(done) = self.done.take() {
            self.shard.on_disk(done, now);
        }
        while let Some(letter) = self.mail.take() {
            match letter {
                ShardMail::Hub(message) => self.shard.on_message(*message, now),
                ShardMail::Incoming(stream, slot, message) => {
                    self.on_incoming(stream, slot, *message);
                }
                ShardMail::Stop => self.state.stopping = true,
            }
        }
    }

    fn on_incoming(&mut self, mut stream: TcpStream, slot: Slot, message: ToShard) {
        let ToShard::Incoming { conn, .. } = message else {
            unreachable!("only incoming connections travel with a socket");
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, token(conn), interest).is_err() {
            return;
        }
        let mut connection = Connection::new(stream, slot, false);
        connection.readable = true;
        self.state.conns.insert(conn, connection);
        self.list(conn);
        self.shard.on_message(message, self.clock.now());
    }

    fn on_event(&mut self, event: &mio::event::Event) {
        if event.token() == WAKER {
            return;
        }
        let conn = ConnId(event.token().0 as u64);
        let Some(connection) = self.state.conns.get_mut(&conn) else { return };
        if connection.dialing && (event.is_writable() || event.is_error() || event.is_read_closed())
        {
            let failed = connection.stream.take_error().map_or(true, |error| error.is_some());
            if !failed && connection.stream.peer_addr().is_err() {
                return;
            }
            connection.dialing = false;
            if failed {
                self.drop_connection(conn);
            }
            self.shard.on_dialed(conn, !failed, self.clock.now());
        }
        let Some(connection) = self.state.conns.get_mut(&conn) else { return };
        if event.is_writable() {
            connection.on_writable();
            self.flush(conn);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            if let Some(connection) = self.state.conns.get_mut(&conn) {
                connection.readable = true;
            }
            self.list(conn);
        }
    }

    fn list(&mut self, conn: ConnId) {
        if let Some(connection) = self.state.conns.get_mut(&conn)
            && connection.readable
            && !connection.listed
            && !connection.dialing
        {
            connection.listed = true;
            self.state.ready.push_back(conn);
        }
    }

    /// One read for each connection that has something, so that none starves the others.
    fn read_ready(&mut self) {
        for _ in 0..self.state.ready.len() {
            if !self.may_read() {
                return;
            }
            let Some(conn) = self.state.ready.pop_front() else { return };
            let Some(connection) = self.state.conns.get_mut(&conn) else { continue };
            connection.listed = false;
            if connection.is_clogged() {
                // It asks and does not read the answers: it is heard again when it does.
                connection.deaf = true;
                self.shard.pass(conn);
                continue;
            }
            let now = self.clock.now();
            // If nothing can be taken now, the shard says when.
            let Some(mut plan) = self.shard.recv_plan(conn, now) else { continue };
            match connection.read(&mut plan) {
                Ok(Some(0)) | Err(_) => {
                    self.shard.on_received(conn, plan, 0, now);
                    self.on_gone(conn);
                }
                Ok(Some(read)) => self.shard.on_received(conn, plan, read, now),
                Ok(None) => self.shard.on_received(conn, plan, 0, now),
            }
            self.list(conn);
            self.carry_out();
        }
    }

    /// Whether the disk keeps up: what is read makes jobs, blocks to be written and ranges to be
    /// made resident.
    fn may_read(&self) -> bool {
        self.state.jobs_waiting.len() < JOBS_WAITING_MAX
    }

    fn on_gone(&mut self, conn: ConnId) {
        self.drop_connection(conn);
        self.shard.on_closed(conn, self.clock.now());
    }

    fn drop_connection(&mut self, conn: ConnId) {
        if let Some(mut connection) = self.state.conns.remove(&conn) {
            // Closing deregisters on every system; saying so first is what mio asks for.
            self.poll.registry().deregister(&mut connection.stream).ok();
        }
    }

    fn flush(&mut self, conn: ConnId) {
        let Some(connection) = self.state.conns.get_mut(&conn) else { return };
        let mut sent = Vec::new();
        let flushed = connection.flush(&self.disk.file, &mut sent);
        if !sent.is_empty() {
            let now = self.clock.now();
            for (torrent, block) in sent {
                self.shard.on_sent(conn, torrent, block, now);
            }
        }
        if flushed == Flushed::Broken {
            return self.on_gone(conn);
        }
        if let Some(connection) = self.state.conns.get_mut(&conn)
            && connection.deaf
            && !connection.is_clogged()
        {
            connection.deaf = false;
            self.list(conn);
        }
    }

    /// Does what the shard wants until it wants nothing more.
    fn carry_out(&mut self) {
        let mut unflushed: Vec<ConnId> = Vec::new();
        loop {
            while let Some(output) = self.shard.poll_output() {
                self.on_output(output, &mut unflushed);
            }
            match unflushed.pop() {
                Some(conn) => self.flush(conn),
                None => break,
            }
        }
        while let Some(job) = self.state.jobs_waiting.pop_front() {
            if let Err(job) = (self.disk.submit)(job) {
                self.state.jobs_waiting.push_front(job);
                break;
            }
        }
        let (hub, index) = (&self.hub, self.index);
        self.state.letters_waiting.send(|letter| {
            match hub.try_post(HubMail::Shard(index, letter)) {
                Err(HubMail::Shard(_, letter)) => Err(letter),
                Ok(()) | Err(HubMail::Service(_) | HubMail::Command(_)) => Ok(()),
            }
        });
    }

    fn on_output(&mut self, output: Output, unflushed: &mut Vec<ConnId>) {
        let conn = match output {
            Output::ToHub(message) => return self.state.letters_waiting.push(message),
            Output::Disk(job) => return self.state.jobs_waiting.push_back(job),
            Output::Dial(conn, addr) => return self.dial(conn, addr),
            Output::Close(conn, _reason) => {
                // One chance for what is queued ahead of it: a handshake, say, by which a node
                // that dialled itself knows itself.
                if let Some(connection) = self.state.conns.get_mut(&conn) {
                    connection.flush(&self.disk.file, &mut Vec::new());
                }
                return self.drop_connection(conn);
            }
            Output::ReadAgain(conn) => {
                self.list(conn);
                if !self.state.conns.get(&conn).is_some_and(|connection| connection.listed) {
                    self.shard.pass(conn);
                }
                return;
            }
            Output::Send(conn, bytes) => {
                let Some(connection) = self.state.conns.get_mut(&conn) else { return };
                connection.send(bytes);
                conn
            }
            Output::SendBlock(block) => {
                let conn = block.conn;
                let Some(connection) = self.state.conns.get_mut(&conn) else { return };
                connection.send_block(block);
                if self.shard.paces_uploads() {
                    // Who gets the next one depends on whether this one finds room.
                    return self.flush(conn);
                }
                conn
            }
        };
        if !unflushed.contains(&conn) {
            unflushed.push(conn);
        }
    }

    fn dial(&mut self, conn: ConnId, addr: std::net::SocketAddr) {
        let slot = self.budget.take().ok_or(io::ErrorKind::QuotaExceeded);
        let dialed = slot.map_err(io::Error::from).and_then(|slot| {
            let stream = self.factory.tcp_connect_start(Purpose::Peer, addr)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, token(conn), interest)?;
            Ok((stream, slot))
        });
        match dialed {
            Ok((stream, slot)) => {
                self.state.conns.insert(conn, Connection::new(stream, slot, true));
            }
            Err(_) => self.shard.on_dialed(conn, false, self.clock.now()),
        }
    }
}

fn token(conn: ConnId) -> Token {
    Token(usize::try_from(conn.0).expect("64-bit systems, or fewer than 2^24 connections"))
}
