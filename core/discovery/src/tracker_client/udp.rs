//! Queries to UDP trackers: connection ids, transactions, retransmission.
//!
//! Source: BEP 15 (protocol, time-outs), BEP 41 (path and query of the URL).
//!
//! What we do differently: BEP 15 retransmits up to n = 8, which is over an hour of waiting for
//! a tracker that is gone; we stop after [`UdpLimits::tries`] (15 + 30 + 60 + 120 s by default)
//! and leave the rest to the back-off between announces. One connection id serves all torrents
//! of a server while it is good. At most [`UdpLimits::in_flight_max`] queries are open at one
//! server, so that ten thousand torrents don't send ten thousand datagrams in one burst; when a
//! server falls silent those that wait for it fail with it.
//!
//! A reply counts only from the address asked and with the transaction id of an open query of
//! its kind. Invariants: a query with a transaction is in its server's `in_flight`, all others
//! are in its `waiting`; a server without queries and without a good connection id is dropped.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use base::{InfoHash, Instant, Rng};
use wire::tracker::{AnnounceRequest, Announced, SwarmCounts};
use wire::tracker_udp::{
    ConnectionId, Reply, ReplyBody, TransactionId, decode_reply, encode_announce, encode_connect,
    encode_scrape,
};

use super::ids::AskId;
use crate::timers::Timers;

/// How long a connection id may be used after it arrived (BEP 15).
const CONNECTION_KEPT: Duration = Duration::from_secs(60);

/// Wait for the first reply; it doubles with each try (BEP 15).
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// Bounds of the conversations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UdpLimits {
    /// How often one datagram is sent: n = 0 ..= tries - 1 of BEP 15.
    pub(crate) tries: u32,
    /// Most queries open at one server.
    pub(crate) in_flight_max: usize,
}

#[derive(Debug)]
pub(crate) enum UdpQuery {
    Announce { request: AnnounceRequest, url_data: String },
    Scrape(InfoHash),
}

#[derive(Debug)]
pub(crate) enum UdpReply {
    Announced(Announced),
    Scraped(SwarmCounts),
}

#[derive(Debug)]
pub(crate) enum UdpFailure {
    /// No answer; `unheard` if the query itself was never sent.
    Silent { unheard: bool },
    /// The tracker's words.
    Refused(String),
}

#[derive(Debug)]
pub(crate) enum UdpOut {
    Send { to: SocketAddr, bytes: Vec<u8> },
    Done { ask: AskId, result: Result<UdpReply, UdpFailure> },
}

#[derive(Debug)]
struct Query {
    to: SocketAddr,
    what: UdpQuery,
    /// Known from the start for a query with a budget, else from the first transmission.
    give_up_at: Option<Instant>,
    transaction: Option<TransactionId>,
    sent: u32,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Connecting { transaction: TransactionId, sent: u32 },
    Open { id: ConnectionId, until: Instant },
}

#[derive(Debug)]
struct Server {
    stage: Stage,
    /// To be sent, retransmissions first. May name queries that were cancelled since.
    waiting: VecDeque<AskId>,
    in_flight: BTreeMap<TransactionId, AskId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Server(SocketAddr),
    Query(AskId),
}

#[derive(Debug)]
pub(crate) struct Udp {
    limits: UdpLimits,
    rng: Rng,
    servers: BTreeMap<SocketAddr, Server>,
    queries: BTreeMap<AskId, Query>,
    timers: Timers<Timer>,
    outputs: VecDeque<UdpOut>,
}

impl Udp {
    pub(crate) fn new(limits: UdpLimits, rng: Rng) -> Self {
        assert!(limits.tries > 0, "a datagram never sent is never answered");
        assert!(limits.tries <= 9, "BEP 15 ends at n = 8");
        assert!(limits.in_flight_max > 0, "no query at once never ends");
        Self {
            limits,
            rng,
            servers: BTreeMap::new(),
            queries: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Asks the server at `to`. With a `budget` the query is sent once, ahead of others, and
    /// given up when the budget is over.
    pub(crate) fn begin(
        &mut self,
        ask: AskId,
        to: SocketAddr,
        what: UdpQuery,
        budget: Option<Duration>,
        now: Instant,
    ) {
        let give_up_at = budget.map(|budget| now.after(budget));
        self.timers.set(Timer::Query(ask), give_up_at);
        self.queries.insert(ask, Query { to, what, give_up_at, transaction: None, sent: 0 });
        let server = self.servers.entry(to).or_insert_with(|| Server {
            stage: Stage::Idle,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
        });
        if budget.is_some() {
            server.waiting.push_front(ask);
        } else {
            server.waiting.push_back(ask);
        }
        self.pump(to, now);
    }

    /// Whether the server may have heard of it.
    pub(crate) fn is_sent(&self, ask: AskId) -> bool {
        self.queries.get(&ask).is_some_and(|query| query.sent > 0)
    }

    /// Ends a query without a result.
    pub(crate) fn cancel(&mut self, ask: AskId, now: Instant) {
        if let Some(to) = self.retire(ask) {
            self.pump(to, now);
        }
    }

    /// Takes a datagram; false if it is not a reply that we wait for.
    pub(crate) fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> bool {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(server) = self.servers.get_mut(&from) else {
            return false;
        };
        let Ok(Reply { transaction, body }) = decode_reply(bytes, from.ip()) else {
            return false;
        };
        let is_connecting = matches!(
            server.stage,
            Stage::Connecting { transaction: ours, .. } if ours == transaction
        );
        let open = server.in_flight.get(&transaction).copied();
        match (body, open) {
            (ReplyBody::Connect(id), _) if is_connecting => {
                let until = now.after(CONNECTION_KEPT);
                server.stage = Stage::Open { id, until };
                self.timers.set(Timer::Server(from), Some(until));
            }
            (ReplyBody::Error(words), _) if is_connecting => {
                self.fail_waiting(from, |_sent| UdpFailure::Refused(words.clone()));
            }
            (ReplyBody::Error(words), Some(ask)) => {
                if words.to_ascii_lowercase().contains("connection") {
                    // Our id is no longer good there: the next query asks for another.
                    self.disconnect(from);
                }
                self.finish(ask, Err(UdpFailure::Refused(words)));
            }
            (ReplyBody::Announce(announced), Some(ask)) if self.is_announce(ask) => {
                self.finish(ask, Ok(UdpReply::Announced(announced)));
            }
            (ReplyBody::Scrape(counts), Some(ask)) if !self.is_announce(ask) => {
                let counts = counts.first().copied().unwrap_or_default();
                self.finish(ask, Ok(UdpReply::Scraped(counts)));
            }
            (
                ReplyBody::Connect(_)
                | ReplyBody::Announce(_)
                | ReplyBody::Scrape(_)
                | ReplyBody::Error(_),
                _,
            ) => return false,
        }
        self.pump(from, now);
        true
    }

    pub(crate) fn on_deadline(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Server(to) => self.on_server_timer(to, now),
                Timer::Query(ask) => self.on_query_timer(ask, now),
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    pub(crate) fn poll(&mut self) -> Option<UdpOut> {
        self.outputs.pop_front()
    }

    fn is_announce(&self, ask: AskId) -> bool {
        matches!(self.queries.get(&ask), Some(Query { what: UdpQuery::Announce { .. }, .. }))
    }

    fn on_server_timer(&mut self, to: SocketAddr, now: Instant) {
        let server = self.servers.get_mut(&to).expect("a server with a timer is kept");
        match &mut server.stage {
            Stage::Idle => {}
            Stage::Open { .. } => server.stage = Stage::Idle,
            Stage::Connecting { sent, .. } if *sent >= self.limits.tries => {
                self.fail_waiting(to, |sent| UdpFailure::Silent { unheard: sent == 0 });
            }
            Stage::Connecting { transaction, sent } => {
                let wait = FIRST_WAIT * (1 << *sent);
                *sent += 1;
                let bytes = encode_connect(*transaction);
                self.timers.set(Timer::Server(to), Some(now.after(wait)));
                self.outputs.push_back(UdpOut::Send { to, bytes });
            }
        }
        self.pump(to, now);
    }

    fn on_query_timer(&mut self, ask: AskId, now: Instant) {
        let query = self.queries.get(&ask).expect("a query with a timer is kept");
        let (to, sent) = (query.to, query.sent);
        if query.give_up_at.is_some_and(|at| at <= now) {
            self.finish(ask, Err(UdpFailure::Silent { unheard: sent == 0 }));
            if sent >= self.limits.tries {
                // Silent through all tries: those behind it have nothing better to expect.
                self.fail_waiting(to, |sent| UdpFailure::Silent { unheard: sent == 0 });
            }
        } else {
            self.timers.set(Timer::Query(ask), query.give_up_at);
            let server = self.servers.get_mut(&to).expect("a query keeps its server");
            server.waiting.push_front(ask);
        }
        self.pump(to, now);
    }

    /// Sends what may be sent, connects if needed, drops the server if it is of no more use.
    fn pump(&mut self, to: SocketAddr, now: Instant) {
        let Some(server) = self.servers.get_mut(&to) else {
            return;
        };
        while server.waiting.front().is_some_and(|ask| !self.queries.contains_key(ask)) {
            server.waiting.pop_front();
        }
        match server.stage {
            Stage::Open { id, until } if now < until => self.send_waiting(to, id, now),
            Stage::Open { .. } | Stage::Idle if !server.waiting.is_empty() => {
                let transaction = TransactionId(draw(&mut self.rng));
                server.stage = Stage::Connecting { transaction, sent: 1 };
                self.timers.set(Timer::Server(to), Some(now.after(FIRST_WAIT)));
                let bytes = encode_connect(transaction);
                self.outputs.push_back(UdpOut::Send { to, bytes });
            }
            Stage::Connecting { .. } | Stage::Open { .. } => {}
            Stage::Idle => {
                if server.in_flight.is_empty() {
                    self.servers.remove(&to);
                    self.timers.set(Timer::Server(to), None);
                }
            }
        }
    }

    fn send_waiting(&mut self, to: SocketAddr, id: ConnectionId, now: Instant) {
        let server = self.servers.get_mut(&to).expect("called for a known server");
        while let Some(&ask) = server.waiting.front() {
            let Some(query) = self.queries.get_mut(&ask) else {
                server.waiting.pop_front();
                continue;
            };
            // A retransmission has its place already.
            if query.transaction.is_none() && server.in_flight.len() >= self.limits.in_flight_max {
                break;
            }
            server.waiting.pop_front();
            let transaction = query.transaction.unwrap_or_else(|| {
                let mut number = TransactionId(draw(&mut self.rng));
                while server.in_flight.contains_key(&number) {
                    number = TransactionId(number.0.wrapping_add(1));
                }
                number
            });
            query.transaction = Some(transaction);
            server.in_flight.insert(transaction, ask);
            let all_waits = FIRST_WAIT * ((1 << self.limits.tries) - 1);
            let give_up_at = *query.give_up_at.get_or_insert(now.after(all_waits));
            let wait = FIRST_WAIT * (1 << query.sent.min(self.limits.tries));
            query.sent += 1;
            self.timers.set(Timer::Query(ask), Some(now.after(wait).min(give_up_at)));
            let bytes = match &query.what {
                UdpQuery::Announce { request, url_data } => {
                    encode_announce(id, transaction, request, url_data)
                }
                UdpQuery::Scrape(info_hash) => encode_scrape(id, transaction, &[*info_hash]),
            };
            self.outputs.push_back(UdpOut::Send { to, bytes });
        }
    }

    /// Ends all that waits for this server, and its connection. Queries in flight live on.
    fn fail_waiting(&mut self, to: SocketAddr, why: impl Fn(u32) -> UdpFailure) {
        self.disconnect(to);
        let server = self.servers.get_mut(&to).expect("called for a known server");
        for ask in core::mem::take(&mut server.waiting) {
            if let Some(query) = self.queries.get(&ask) {
                let failure = why(query.sent);
                self.finish(ask, Err(failure));
            }
        }
    }

    fn disconnect(&mut self, to: SocketAddr) {
        let server = self.servers.get_mut(&to).expect("called for a known server");
        server.stage = Stage::Idle;
        self.timers.set(Timer::Server(to), None);
    }

    /// Forgets a query and says where it went.
    fn retire(&mut self, ask: AskId) -> Option<SocketAddr> {
        let query = self.queries.remove(&ask)?;
        self.timers.set(Timer::Query(ask), None);
        if let Some(transaction) = query.transaction {
            let server = self.servers.get_mut(&query.to).expect("a query keeps its server");
            server.in_flight.remove(&transaction);
        }
        Some(query.to)
    }

    fn finish(&mut self, ask: AskId, result: Result<UdpReply, UdpFailure>) {
        self.retire(ask);
        self.outputs.push_back(UdpOut::Done { ask, result });
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self, to: SocketAddr, transaction: TransactionId) -> bool {
        self.servers.get(&to).is_some_and(|server| server.in_flight.contains_key(&transaction))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.queries.is_empty() && self.timers.first().is_none()
    }
}

fn draw(rng: &mut Rng) -> u32 {
    u32::try_from(rng.next_u64() >> 32).expect("the upper half of 64 bits fits 32")
}

#[cfg(test)]
mod tests;
