//! The DHT: one machine for all torrents of the node, and a node for others.
//!
//! Source: BEP 5 (protocol), 32 (IPv6), 33 (scrape), 42 (ids), 43 (read-only), 44 (items), 45 (one id per
//! address: each family has its own; who has several addresses of a family runs several machines), 51
//! (samples).
//!
//! `table` knows nodes, `walk` finds those near a target, `sweep` decides which torrent is announced when,
//! `torrents` and `asks` say what walks are for, `serve` answers others, out of `peers`. `contacts` bounds
//! how many endpoints we begin to talk to, `sources` what one address may cost us.
//!
//! Drive it as all our machines are driven: feed an event, call [`Dht::poll_output`] until it returns
//! `None`, sleep until [`Dht::deadline`].
//!
//! Invariants: a query in flight is in `sent`, and has a timer; a walk that is not over is in `walks`, and
//! has a query in flight, or a timer, or waits in `blocked`.

mod asks;
mod bloom;
mod contacts;
mod id;
mod items;
mod network;
mod peers;
mod saved;
mod serve;
mod sources;
mod spec;
mod sweep;
mod table;
mod tokens;
mod torrents;
mod upkeep;
mod walk;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use base::{ExchangeId, InfoHash, Instant, Resolved, Rng};
use keys::{SipKey, siphash};
use wire::krpc::{self, Body, Message, Reply, Want};

use crate::timers::Timers;
use asks::Ask;
use contacts::Contacts;
use id::{is_local, is_unicast};
use network::{Hint, Network, Side};
use sources::Sources;
use tokens::Tokens;
use torrents::Torrents;
use walk::Walk;

pub use items::{
    decode_torrent_value, encode_torrent_value, item_target, mutable_target, signed_bytes,
};
pub use spec::{
    Announce, Answer, Config, Done, Item, MutableItem, NetworkStats, Output, Query, QueryId, Stats,
};
pub use wire::krpc::NodeId;

/// Top byte of every [`ExchangeId`] that the DHT gives out, so that the hub can tell whose reply it holds.
pub const EXCHANGE_TAG: u8 = b'D';

/// Most queries in flight: a walk has some eight, and 1000 announces a second at 300 ms the rest.
const SENT_MAX: usize = 2048;

/// After so long without an answer a query has failed. Slow paths take a second or two.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// A walk that has nobody to ask waits so long for somebody to appear.
const WALK_PATIENCE: Duration = Duration::from_secs(30);

/// Walks in vain after which we ask nodes of the one family no more for those of the other: there is none here.
const LONELY_WANTS: u32 = 3;

/// Most timers handled by one call of [`Dht::on_deadline`]; if more are due, the deadline stays in the past.
const TIMERS_PER_CALL_MAX: usize = 1024;

/// Names a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WalkId(u64);

/// What a walk asks on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Nodes,
    Peers { info_hash: InfoHash, scrape: bool },
    Item { newer_than: Option<i64> },
    Samples,
}

/// For whom a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// To ourselves: our neighbours shall know us.
    Neighbours,
    /// To a bucket.
    Refresh,
    Torrent(InfoHash),
    Ask(QueryId),
}

/// A walk under way.
#[derive(Debug)]
struct Job {
    side: Side,
    walk: Walk,
    goal: Goal,
    owner: Owner,
    /// Somebody waits for it.
    urgent: bool,
    began: Instant,
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Is it there?
    Ping,
    Walk(WalkId),
    /// A torrent of ours, with a token that was asked for another one if `borrowed`.
    Announce {
        info_hash: InfoHash,
        borrowed: bool,
    },
    /// Asks for a token of its own for that.
    Token(InfoHash),
    /// What an ask wants stored.
    Store(QueryId),
}

/// A query in flight.
#[derive(Clone, Copy, Debug)]
struct Sent {
    to: SocketAddr,
    /// Whom we expect there.
    id: Option<NodeId>,
    at: Instant,
    purpose: Purpose,
    slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Query(u32),
    Walk(WalkId),
    Upkeep(Side),
    Blocked,
    Torrents(Side),
    Want(InfoHash),
    Expire,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Dht {
    config: Config,
    rng: Rng,
    /// Makes transaction ids that who has seen some can't guess.
    key: SipKey,
    tokens: Tokens,
    sources: Sources,
    networks: [Option<Network>; 2],
    sent: BTreeMap<u32, Sent>,
    sent_count: u64,
    walks: BTreeMap<WalkId, Job>,
    walk_count: u64,
    /// Walks that may not send because of `contacts`.
    blocked: BTreeSet<WalkId>,
    contacts: Contacts,
    torrents: Torrents,
    asks: BTreeMap<QueryId, Ask>,
    ask_count: u64,
    names: BTreeMap<ExchangeId, u16>,
    names_count: u64,
    timers: Timers<Timer>,
    outputs: VecDeque<Output>,
    stats: Stats,
    /// Pings to those who asked us something, in flight.
    checks: usize,
    /// Nodes for an answer, of each family: buffers that are used again.
    scratch: [Vec<u8>; 2],
}

impl Dht {
    /// A machine that knows nobody yet. It begins with the routers at the first deadline, which is at once.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Self {
        assert!(config.families.v4 || config.families.v6, "no family reaches no node");
        let mut secret = Vec::new();
        (0..4).for_each(|_| secret.extend_from_slice(&rng.next_u64().to_le_bytes()));
        // Hashed, so that what others see of it says nothing about our other draws.
        let secret = keys::sha256(&secret);
        let (low, high) = secret.split_at(16);
        let key = |half: &[u8]| SipKey::new(half.try_into().expect("half of 32 bytes"));
        let is_there = |side| match side {
            Side::V4 => config.families.v4,
            Side::V6 => config.families.v6,
        };
        let networks =
            Side::BOTH.map(|side| is_there(side).then(|| Network::new(&config, &mut rng)));
        let mut timers = Timers::new();
        for side in Side::BOTH.into_iter().filter(|side| is_there(*side)) {
            timers.set(Timer::Upkeep(side), Some(now));
        }
        let mut dht = Self {
            key: key(low),
            tokens: Tokens::new(key(high)),
            sources: Sources::new(key(low), config.source_bytes_per_second),
            networks,
            sent: BTreeMap::new(),
            sent_count: 0,
            walks: BTreeMap::new(),
            walk_count: 0,
            blocked: BTreeSet::new(),
            contacts: Contacts::new(config.endpoints_per_minute),
            torrents: Torrents::new(config.announces_per_second),
            asks: BTreeMap::new(),
            ask_count: 0,
            names: BTreeMap::new(),
            names_count: 0,
            timers,
            outputs: VecDeque::new(),
            stats: Stats::default(),
            checks: 0,
            scratch: [Vec::new(), Vec::new()],
            rng,
            config,
        };
        dht.resolve_routers();
        dht
    }

    /// Whether a reply with this id is for [`Self::on_resolved`] of the DHT.
    pub fn owns(id: ExchangeId) -> bool {
        id.0 >> 56 == u64::from(EXCHANGE_TAG)
    }

    /// There may be a node at `addr`: somebody said so whom the user or a peer's connection vouches for.
    pub fn add_node(&mut self, addr: SocketAddr, now: Instant) {
        let addr = canonical(addr);
        if is_endpoint(addr) {
            self.hint(Hint { id: None, addr, router: false }, now);
        }
    }

    /// Addresses of a router.
    pub fn on_resolved(&mut self, resolved: Resolved, now: Instant) {
        let Some(port) = self.names.remove(&resolved.id) else {
            return;
        };
        for ip in resolved.addrs.into_iter().take(16) {
            let addr = canonical(SocketAddr::new(ip, port));
            if is_endpoint(addr) {
                self.hint(Hint { id: None, addr, router: true }, now);
            }
        }
    }

    /// A datagram that may be a message of the DHT: those start with `d`.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let from = canonical(from);
        let side = Side::of(from);
        if !is_endpoint(from) || self.networks[side as usize].is_none() {
            return;
        }
        let Ok(Message { transaction, ip, read_only, body }) = krpc::decode(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        match body {
            Body::Query { .. } | Body::BadQuery { .. } => {
                self.on_query(from, transaction, body, read_only, now);
            }
            Body::Reply(reply) => {
                if let Some(sent) = self.take_sent(transaction, from) {
                    self.on_reply(from, sent, &reply, ip.map(|addr| addr.ip()), now);
                }
            }
            Body::Error { code, .. } => {
                if let Some(sent) = self.take_sent(transaction, from) {
                    self.on_failure(sent, Some(code), now);
                }
            }
        }
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Instant) {
        for _ in 0..TIMERS_PER_CALL_MAX {
            match self.timers.pop_due(now) {
                None => break,
                Some(Timer::Query(number)) => self.on_query_timer(number, now),
                Some(Timer::Walk(id)) => self.on_walk_timer(id, now),
                Some(Timer::Upkeep(side)) => self.keep_up(side, now),
                Some(Timer::Blocked) => self.unblock(now),
                Some(Timer::Torrents(side)) => self.pump_torrents(side, now),
                Some(Timer::Want(info_hash)) => self.want_peers(info_hash, now),
                Some(Timer::Expire) => self.expire(now),
            }
        }
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first. `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How it goes. Costs a look at each node of the table.
    pub fn stats(&self, now: Instant) -> Stats {
        let of = |side: Side| self.networks[side as usize].as_ref().map(|net| net.stats(now));
        Stats {
            v4: of(Side::V4),
            v6: of(Side::V6),
            announced: self.torrents.announced(),
            ..self.stats
        }
    }

    fn network(&mut self, side: Side) -> &mut Network {
        self.networks[side as usize]
            .as_mut()
            .expect("what concerns a network that we are not in ends early")
    }

    fn sides(&self) -> impl Iterator<Item = Side> + use<> {
        let there = [self.networks[0].is_some(), self.networks[1].is_some()];
        Side::BOTH.into_iter().filter(move |side| there[*side as usize])
    }

    /// Whether a node that `namer` named is worth a datagram.
    fn is_usable(&self, addr: SocketAddr, namer: IpAddr) -> bool {
        is_endpoint(addr)
            && self.networks[Side::of(addr) as usize].is_some()
            && (self.config.local || !is_local(addr.ip()) || is_local(namer))
    }

    // Queries of ours.

    /// Sends a query. The caller has asked `contacts`.
    fn send(
        &mut self,
        (to, id): (SocketAddr, Option<NodeId>),
        query: &krpc::Query<'_>,
        purpose: Purpose,
        now: Instant,
    ) {
        let side = Side::of(to);
        let number = loop {
            self.sent_count += 1;
            let hash = siphash(self.key, &self.sent_count.to_le_bytes());
            let number = u32::try_from(hash >> 32).expect("the upper half of 64 bits fits 32");
            if !self.sent.contains_key(&number) {
                break number;
            }
        };
        let read_only = self.config.read_only;
        let network = self.network(side);
        let wait = if matches!(purpose, Purpose::Walk(_)) {
            network.rtt.slow_after()
        } else {
            SILENT_AFTER
        };
        let mut bytes = Vec::with_capacity(160);
        krpc::encode_query(
            &mut bytes,
            &number.to_be_bytes(),
            network.table.own(),
            read_only,
            query,
        );
        self.outputs.push_back(Output::Datagram(to, bytes));
        self.sent.insert(number, Sent { to, id, at: now, purpose, slow: false });
        self.timers.set(Timer::Query(number), Some(now.after(wait)));
        self.checks += usize::from(purpose == Purpose::Ping);
        self.stats.queries_out += 1;
    }

    /// The query that `from` may answer by this transaction id; it is over.
    fn take_sent(&mut self, transaction: &[u8], from: SocketAddr) -> Option<Sent> {
        let number = u32::from_be_bytes(transaction.try_into().ok()?);
        self.sent.get(&number).filter(|sent| sent.to == from)?;
        Some(self.forget_sent(number))
    }

    fn forget_sent(&mut self, number: u32) -> Sent {
        let sent = self.sent.remove(&number).expect("called for a query in flight");
        self.timers.set(Timer::Query(number), None);
        self.checks -= usize::from(sent.purpose == Purpose::Ping);
        sent
    }

    fn on_query_timer(&mut self, number: u32, now: Instant) {
        let sent = self.sent.get_mut(&number).expect("a timer belongs to a query in flight");
        if let (Purpose::Walk(walk), false) = (sent.purpose, sent.slow) {
            sent.slow = true;
            let (to, end) = (sent.to, sent.at.after(SILENT_AFTER));
            self.timers.set(Timer::Query(number), Some(end));
            self.with_walk(walk, now, |_, job| job.walk.on_slow(to));
            return;
        }
        let sent = self.forget_sent(number);
        let side = Side::of(sent.to);
        if let Some(id) = sent.id {
            self.network(side).table.on_silence(id, sent.to);
        }
        self.network(side).hints.retain(|hint| hint.addr != sent.to || hint.router);
        self.on_failure(sent, None, now);
    }

    fn on_reply(
        &mut self,
        from: SocketAddr,
        sent: Sent,
        reply: &Reply<'_>,
        seen_as: Option<IpAddr>,
        now: Instant,
    ) {
        self.stats.answers_in += 1;
        let side = Side::of(from);
        let spared = self.is_router(side, from);
        let network = self.network(side);
        network.rtt.on_sample(now.saturating_since(sent.at));
        if let Some(id) = sent.id.filter(|id| *id != reply.sender) {
            network.table.forget(id, from);
        }
        if !spared {
            network.table.on_answer(reply.sender, from, now);
        }
        if let Some(ip) = seen_as
            && network.vote(from, ip)
        {
            self.on_external(side, ip);
        }
        match sent.purpose {
            Purpose::Walk(walk) => self.on_walk_reply(walk, from, reply, now),
            Purpose::Token(info_hash) => {
                self.on_token(info_hash, (from, reply.sender), reply.token, now);
            }
            Purpose::Store(ask) => self.on_stored(ask, Ok(())),
            Purpose::Ping | Purpose::Announce { .. } => {}
        }
        self.welcome(side, reply.sender, from, now);
    }

    /// The query was refused (with a code), or not answered.
    fn on_failure(&mut self, sent: Sent, code: Option<i64>, now: Instant) {
        match sent.purpose {
            Purpose::Walk(walk) => self.with_walk(walk, now, |_, job| job.walk.on_failure(sent.to)),
            Purpose::Announce { info_hash, borrowed: true } if code.is_some() => {
                self.ask_token(info_hash, (sent.to, sent.id), now);
            }
            Purpose::Store(ask) => self.on_stored(ask, Err(code)),
            Purpose::Ping | Purpose::Announce { .. } | Purpose::Token(_) => {}
        }
    }

    fn on_external(&mut self, side: Side, ip: IpAddr) {
        self.outputs.push_back(Output::ExternalAddr(ip));
        let network = self.networks[side as usize].as_mut().expect("it has just voted");
        if let Some(own) = network.better_id(&mut self.rng) {
            network.rename(own);
            // Our new neighbours don't know us yet.
            network.settled = None;
        }
    }

    // Walks.

    fn start_walk(
        &mut self,
        side: Side,
        target: NodeId,
        (goal, owner): (Goal, Owner),
        width: usize,
        now: Instant,
    ) {
        self.walk_count += 1;
        let id = WalkId(self.walk_count);
        let network = self.network(side);
        let mut walk = Walk::new(target, network.table.own(), width);
        // After a try in vain, addresses that nobody has answered from are for ourselves to try.
        let guess = network.lonely == 0 || matches!(owner, Owner::Neighbours | Owner::Ask(_));
        network.begin(&mut walk, guess);
        let urgent = match owner {
            Owner::Ask(_) => true,
            Owner::Torrent(info_hash) => self.torrents.is_wanted(info_hash),
            Owner::Neighbours | Owner::Refresh => false,
        };
        let job = Job { side, walk, goal, owner, urgent, began: now };
        self.timers.set(Timer::Walk(id), Some(now.after(WALK_PATIENCE)));
        self.walks.insert(id, job);
        self.with_walk(id, now, |_, _| {});
    }

    /// Changes a walk, and lets it go on.
    fn with_walk(&mut self, id: WalkId, now: Instant, change: impl FnOnce(&mut Self, &mut Job)) {
        let Some(mut job) = self.walks.remove(&id) else {
            return;
        };
        change(self, &mut job);
        while self.sent.len() < SENT_MAX
            && let Some((node, addr)) = job.walk.next()
        {
            if !self.contacts.allow(addr, job.urgent, now) {
                job.walk.put_back(addr);
                self.blocked.insert(id);
                let free_at = self.contacts.free_at(now);
                let at = self.timers.get(Timer::Blocked).map_or(free_at, |at| at.min(free_at));
                self.timers.set(Timer::Blocked, Some(at));
                break;
            }
            let query = self.query_of(&job);
            self.send((addr, node), &query, Purpose::Walk(id), now);
        }
        let starving = job.walk.answered() == 0 && now < job.began.after(WALK_PATIENCE);
        if job.walk.is_done() && !starving {
            self.finish_walk(id, &job, now);
        } else {
            self.walks.insert(id, job);
        }
    }

    fn query_of(&mut self, job: &Job) -> krpc::Query<'static> {
        let target = job.walk.target();
        let want = self.want(job.side);
        match job.goal {
            Goal::Nodes => krpc::Query::FindNode { target, want },
            Goal::Peers { info_hash, scrape } => {
                krpc::Query::GetPeers { info_hash, want, no_seeds: false, scrape }
            }
            Goal::Item { newer_than } => krpc::Query::Get { target, want, newer_than },
            Goal::Samples => krpc::Query::Sample { target, want },
        }
    }

    /// Nodes of the other family, too, while we know few of them (BEP 32).
    fn want(&self, side: Side) -> Want {
        let other = Side::BOTH[1 - side as usize];
        match &self.networks[other as usize] {
            Some(network) if network.table.len() < table::K && network.lonely < LONELY_WANTS => {
                Want { v4: true, v6: true }
            }
            Some(_) | None => Want::default(),
        }
    }

    fn on_walk_reply(&mut self, id: WalkId, from: SocketAddr, reply: &Reply<'_>, now: Instant) {
        let mut elsewhere = Vec::new();
        self.with_walk(id, now, |dht, job| {
            if !job.walk.on_answer(reply.sender, from) {
                return;
            }
            let side = job.side;
            let usable = reply.nodes().filter(|(_, addr)| dht.is_usable(*addr, from.ip()));
            let (here, other): (Vec<_>, Vec<_>) =
                usable.partition(|(_, addr)| Side::of(*addr) == side);
            job.walk.on_nodes(here.into_iter());
            job.walk.note(from, reply.token, reply.seq);
            elsewhere = other;
            dht.on_found(job, from, reply);
        });
        for (node, addr) in elsewhere.into_iter().take(table::K) {
            self.hint(Hint { id: Some(node), addr, router: false }, now);
        }
    }

    /// What a node on the way said to the goal of the walk.
    fn on_found(&mut self, job: &mut Job, from: SocketAddr, reply: &Reply<'_>) {
        match job.goal {
            Goal::Nodes => {}
            Goal::Peers { .. } => {
                let usable = |addr: &SocketAddr| self.is_usable(*addr, from.ip());
                let peers: Vec<SocketAddr> = reply.values.iter().filter(usable).collect();
                self.report_peers(job, peers.into_iter());
                self.on_blooms(job, reply);
            }
            Goal::Item { .. } => self.on_item(job, reply),
            Goal::Samples => self.on_samples(job, from, reply),
        }
    }

    /// Tells of peers that this walk has not told of; not of ourselves, as far as we know our address.
    fn report_peers(&mut self, job: &mut Job, peers: impl Iterator<Item = SocketAddr>) {
        let room = walk::PEERS_MAX.saturating_sub(job.walk.peers.len());
        let own = self.own_peer(job);
        let fresh: Vec<SocketAddr> = peers
            .filter(|peer| Some(*peer) != own && job.walk.peers.insert(*peer))
            .take(room)
            .collect();
        if fresh.is_empty() {
            return;
        }
        match job.owner {
            Owner::Torrent(info_hash) => self.outputs.push_back(Output::Peers(info_hash, fresh)),
            Owner::Ask(ask) => self.outputs.push_back(Output::Answer(ask, Answer::Peers(fresh))),
            Owner::Neighbours | Owner::Refresh => {}
        }
    }

    /// What others call us who have heard of our announce.
    fn own_peer(&self, job: &Job) -> Option<SocketAddr> {
        let Owner::Torrent(info_hash) = job.owner else {
            return None;
        };
        let ip = self.networks[job.side as usize].as_ref()?.external?;
        Some(SocketAddr::new(ip, self.torrents.port_of(info_hash)?))
    }

    fn on_walk_timer(&mut self, id: WalkId, now: Instant) {
        let Some(job) = self.walks.get(&id) else {
            return;
        };
        if self.blocked.contains(&id) || !job.walk.is_starving() {
            // It waits for its turn, or for answers.
            self.timers.set(Timer::Walk(id), Some(now.after(WALK_PATIENCE)));
            self.with_walk(id, now, |_, _| {});
        } else if let Some(job) = self.walks.remove(&id) {
            self.finish_walk(id, &job, now);
        }
    }

    fn unblock(&mut self, now: Instant) {
        // Those that somebody waits for first, else the oldest.
        let mut blocked: Vec<WalkId> = core::mem::take(&mut self.blocked).into_iter().collect();
        blocked.sort_by_key(|id| self.walks.get(id).is_none_or(|job| !job.urgent));
        for id in blocked {
            self.with_walk(id, now, |_, _| {});
        }
    }

    fn finish_walk(&mut self, id: WalkId, job: &Job, now: Instant) {
        self.timers.set(Timer::Walk(id), None);
        self.blocked.remove(&id);
        self.stats.walks += 1;
        let found: Vec<walk::Found> = job.walk.found().collect();
        let network = self.network(job.side);
        network.measure(job.walk.target(), &found);
        match job.owner {
            Owner::Neighbours => self.on_settled(job.side, !found.is_empty(), now),
            Owner::Refresh => {}
            Owner::Torrent(info_hash) => self.on_torrent_walked(job, info_hash, found, now),
            Owner::Ask(ask) => self.on_ask_walked(ask, job, &found, now),
        }
    }

    /// Somebody is there: walks that have nobody to ask may ask it.
    fn welcome(&mut self, side: Side, id: NodeId, addr: SocketAddr, now: Instant) {
        if self.walks.is_empty() || self.network(side).table.len() > 2 * table::K {
            return;
        }
        self.feed_walks(side, Some(id), addr, now);
    }

    fn feed_walks(&mut self, side: Side, id: Option<NodeId>, addr: SocketAddr, now: Instant) {
        let starving = |(_, job): &(&WalkId, &Job)| job.side == side && job.walk.is_starving();
        let hungry: Vec<WalkId> = self.walks.iter().filter(starving).map(|(id, _)| *id).collect();
        for walk in hungry {
            self.with_walk(walk, now, |_, job| job.walk.add(id, addr));
        }
    }

    /// Keeps an address where a node may be, and uses it at once if we know few.
    fn hint(&mut self, hint: Hint, now: Instant) {
        let side = Side::of(hint.addr);
        let Some(network) = self.networks[side as usize].as_mut() else {
            return;
        };
        let few = network.table.len() < 4 * table::K;
        if !few || !network.hint(hint) {
            return;
        }
        // What strangers of the other family named is not worth a new beginning.
        let vouched = hint.id.is_none();
        if !vouched && network.lonely > 0 {
            return;
        }
        self.feed_walks(side, hint.id, hint.addr, now);
        self.settle_soon(side, now);
    }
}

fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Whether anybody can be at `addr`.
fn is_endpoint(addr: SocketAddr) -> bool {
    addr.port() != 0 && is_unicast(addr.ip())
}

#[cfg(test)]
mod tests;
