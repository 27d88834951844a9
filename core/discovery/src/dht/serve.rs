//! Answers to others.
//!
//! Source: BEP 5, 32, 33, 42, 43, 44, 51. A query is answered or dropped at once; nothing is kept of who asked.

use core::time::Duration;
use std::net::SocketAddr;

use base::{InfoHash, Instant};
use wire::krpc::{self, BLOOM_BYTES, Body, NodeId, PutMutable, Query, Reply, Values, Want, code};

use super::bloom::Bloom;
use super::network::{Network, Side};
use super::spec::Output;
use super::table::K;
use super::{Dht, Purpose};

/// Longest answer, in bytes (BEP 32). One with a value of BEP 44 may have 400 more, since such a value alone
/// takes 1000; that still fits a frame.
const ANSWER_BYTES_MAX: usize = 1024;

/// How long a sample of torrents stays the same (BEP 51: 0 to 6 hours).
const SAMPLE_KEPT: Duration = Duration::from_secs(5 * 60);

/// Torrents in a sample: as many as fit beside nodes of one family.
const SAMPLE_MAX: usize = 24;

/// Most pings at once to those who asked us something. Under a flood there are always that many.
const CHECKS_MAX: usize = 16;

impl Dht {
    pub(super) fn on_query(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        body: Body<'_>,
        read_only: bool,
        now: Instant,
    ) {
        self.stats.queries_in += 1;
        if self.config.read_only {
            return;
        }
        let Some(admitted) = self.sources.admit(from, now) else {
            self.stats.limited += 1;
            return;
        };
        let before = self.stats.answer_bytes_out;
        self.answer(from, transaction, body, read_only, now);
        let bytes = self.stats.answer_bytes_out.saturating_sub(before);
        self.sources.charge(admitted, usize::try_from(bytes).unwrap_or(usize::MAX), now);
    }

    fn answer(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        body: Body<'_>,
        read_only: bool,
        now: Instant,
    ) {
        let (sender, query) = match body {
            Body::Query { sender, query } => (sender, query),
            Body::BadQuery { argument } => {
                self.refuse(from, transaction, code::PROTOCOL, argument);
                return;
            }
            Body::Reply(_) | Body::Error { .. } => return,
        };
        match query {
            Query::Ping => self.reply(from, transaction, &Reply::of(self.own(from))),
            Query::FindNode { target, want } => {
                self.reply_nodes(from, transaction, (target, want), Reply::of(self.own(from)));
            }
            Query::GetPeers { info_hash, want, no_seeds, scrape } => {
                let wish = Wish { no_seeds, scrape };
                self.on_get_peers(from, transaction, (info_hash, want, wish), now);
            }
            Query::AnnouncePeer { info_hash, implied_port, port, seed, token } => {
                let port = if implied_port { from.port() } else { port };
                let peer = (SocketAddr::new(from.ip(), port), seed);
                self.on_announce_peer(from, transaction, (info_hash, token), peer, now);
            }
            Query::Sample { target, want } => {
                self.on_sample(from, transaction, (target, want), now);
            }
            Query::Get { target, want, newer_than } => {
                self.on_get(from, transaction, (target, want, newer_than), now);
            }
            Query::Put { target: _, token, value, mutable } => {
                self.on_put(from, transaction, token, (value, mutable.as_ref()), now);
            }
            Query::Unknown => {
                self.refuse(from, transaction, code::METHOD_UNKNOWN, "unknown method");
            }
        }
        if !read_only {
            self.check(sender, from, now);
        }
    }

    fn own(&self, from: SocketAddr) -> NodeId {
        self.serving(from).table.own()
    }

    fn serving(&self, from: SocketAddr) -> &Network {
        self.networks[Side::of(from) as usize].as_ref().expect("the query came over it")
    }

    /// Asks who asked whether it can be asked, if there is a place for it.
    fn check(&mut self, sender: NodeId, from: SocketAddr, now: Instant) {
        if self.checks >= CHECKS_MAX {
            return;
        }
        let network = self.serving(from);
        if network.table.wants(sender, from)
            && !self.sent.values().any(|sent| sent.to == from)
            && self.contacts.allow(from, false, now)
        {
            self.send((from, Some(sender)), &Query::Ping, Purpose::Ping, now);
        }
    }

    fn on_get_peers(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        (info_hash, want, wish): (InfoHash, Want, Wish),
        now: Instant,
    ) {
        let token = self.tokens.give(from.ip(), now);
        let mut room = values_room(want, from);
        let skip = self.rng.next_u64();
        let network = self.serving(from);
        let mut values = Vec::new();
        let count = network.peers.get(info_hash, now).count();
        let blooms = (wish.scrape && count > 0).then(|| blooms(network, info_hash, now));
        if blooms.is_some() {
            room = room.saturating_sub(2 * (BLOOM_BYTES + 10));
        }
        if count > 0 {
            let peers = || network.peers.get(info_hash, now);
            let skip = usize::try_from(skip % u64::try_from(count).unwrap_or(1)).unwrap_or(0);
            let each = if from.is_ipv4() { 8 } else { 21 };
            peers()
                .chain(peers())
                .skip(skip)
                .take(count)
                .filter(|peer| !(wish.no_seeds && peer.seed))
                .take(room / each)
                .for_each(|peer| krpc::push_peer(&mut values, peer.addr));
        }
        let reply = Reply {
            token: Some(&token),
            values: Values::encoded(&values),
            bloom_seeds: blooms.as_ref().map(|(seeds, _)| &seeds.0),
            bloom_peers: blooms.as_ref().map(|(_, peers)| &peers.0),
            ..Reply::of(network.table.own())
        };
        self.reply_nodes(from, transaction, (info_hash.into(), want), reply);
    }

    fn on_get(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        (target, want, newer_than): (NodeId, Want, Option<i64>),
        now: Instant,
    ) {
        let token = self.tokens.give(from.ip(), now);
        let network = self.serving(from);
        let mut reply = Reply { token: Some(&token), ..Reply::of(network.table.own()) };
        let mut value = None;
        if let Some(stored) = network.items.get(target, now) {
            let version = stored.mutable.as_ref().map(|v| (v.key, v.signature, v.seq));
            let is_news = version.is_none_or(|(.., seq)| newer_than.is_none_or(|than| seq > than));
            reply.seq = version.map(|(.., seq)| seq);
            value = is_news.then(|| (stored.value.clone(), version));
        }
        if let Some((bytes, version)) = &value {
            reply.value = Some(bytes);
            reply.key = version.as_ref().map(|(key, ..)| key);
            reply.signature = version.as_ref().map(|(_, signature, _)| signature);
            // With the value there is room for the nodes of one family in a frame, and no more.
            self.reply_nodes(from, transaction, (target, Want::default()), reply);
        } else {
            self.reply_nodes(from, transaction, (target, want), reply);
        }
    }

    fn on_put(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        token: &[u8],
        (value, mutable): (&[u8], Option<&PutMutable<'_>>),
        now: Instant,
    ) {
        if !self.tokens.is_good(token, from.ip(), now) {
            self.refuse(from, transaction, code::PROTOCOL, "bad token");
            return;
        }
        match self.network(Side::of(from)).items.put(value, mutable, now) {
            Ok(()) => {
                self.expire_later(now);
                self.reply(from, transaction, &Reply::of(self.own(from)));
            }
            Err(code) => self.refuse(from, transaction, code, refusal_text(code)),
        }
    }

    fn on_announce_peer(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        (info_hash, token): (InfoHash, &[u8]),
        (peer, seed): (SocketAddr, bool),
        now: Instant,
    ) {
        if !self.tokens.is_good(token, from.ip(), now) {
            self.refuse(from, transaction, code::PROTOCOL, "bad token");
            return;
        }
        if self.network(Side::of(from)).peers.add(info_hash, peer, seed, now) {
            self.expire_later(now);
            self.reply(from, transaction, &Reply::of(self.own(from)));
        } else {
            self.refuse(from, transaction, code::SERVER, "full");
        }
    }

    fn on_sample(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        target: (NodeId, Want),
        now: Instant,
    ) {
        let network = self.networks[Side::of(from) as usize].as_mut().expect("it came over it");
        if network.sample.0 <= now {
            network.sample =
                (now.after(SAMPLE_KEPT), network.peers.sample(SAMPLE_MAX, &mut self.rng));
        }
        let interval = network.sample.0.saturating_since(now).as_secs();
        let samples: Vec<u8> = network.sample.1.iter().flat_map(|hash| hash.0).collect();
        let reply = Reply {
            samples: Some(&samples),
            samples_all: i64::try_from(network.peers.torrents()).ok(),
            interval: i64::try_from(interval).ok(),
            ..Reply::of(network.table.own())
        };
        self.reply_nodes(from, transaction, target, reply);
    }

    /// Answers with the nodes nearest to the target, of the families wanted.
    fn reply_nodes(
        &mut self,
        from: SocketAddr,
        transaction: &[u8],
        (target, want): (NodeId, Want),
        reply: Reply<'_>,
    ) {
        let want = resolve_want(want, from);
        let [mut v4, mut v6] = core::mem::take(&mut self.scratch);
        for (wanted, side, out) in [(want.v4, Side::V4, &mut v4), (want.v6, Side::V6, &mut v6)] {
            out.clear();
            let Some(network) = self.networks[side as usize].as_ref().filter(|_| wanted) else {
                continue;
            };
            // Beside a long value the eight of IPv6 would not fit a frame.
            let is_long = side == Side::V6 && reply.value.is_some_and(|value| value.len() > 800);
            let nodes_max = if is_long { K / 2 } else { K };
            for node in network.table.closest::<K>(target).iter().take(nodes_max) {
                krpc::push_node(out, node.id, node.addr);
            }
        }
        self.reply(from, transaction, &Reply { nodes_v4: &v4, nodes_v6: &v6, ..reply });
        self.scratch = [v4, v6];
    }

    fn reply(&mut self, to: SocketAddr, transaction: &[u8], reply: &Reply<'_>) {
        let mut bytes = Vec::with_capacity(512);
        krpc::encode_reply(&mut bytes, transaction, to, reply);
        self.stats.answers_out += 1;
        self.push_answer(to, bytes);
    }

    fn refuse(&mut self, to: SocketAddr, transaction: &[u8], code: i64, text: &str) {
        let mut bytes = Vec::with_capacity(64);
        krpc::encode_error(&mut bytes, transaction, code, text);
        self.push_answer(to, bytes);
    }

    fn push_answer(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.stats.answer_bytes_out += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.outputs.push_back(Output::Datagram(to, bytes));
    }
}

/// What else `get_peers` asks for (BEP 33).
#[derive(Clone, Copy)]
struct Wish {
    no_seeds: bool,
    scrape: bool,
}

/// Seeds and other peers of a torrent, as sets.
fn blooms(network: &Network, info_hash: InfoHash, now: Instant) -> (Bloom, Bloom) {
    let (mut seeds, mut peers) = (Bloom::EMPTY, Bloom::EMPTY);
    for peer in network.peers.get(info_hash, now) {
        let set = if peer.seed { &mut seeds } else { &mut peers };
        set.insert(peer.addr.ip());
    }
    (seeds, peers)
}

fn refusal_text(code: i64) -> &'static str {
    match code {
        code::VALUE_TOO_BIG => "value too big",
        code::SIGNATURE_BAD => "invalid signature",
        code::SALT_TOO_BIG => "salt too big",
        code::CAS_MISMATCH => "cas mismatch, read again",
        code::SEQ_TOO_OLD => "sequence number too old",
        code::PROTOCOL => "value is not bencode",
        _ => "full",
    }
}

/// Bytes left for peers beside the nodes, the token and the rest.
fn values_room(want: Want, from: SocketAddr) -> usize {
    let want = resolve_want(want, from);
    let nodes = usize::from(want.v4) * 26 * K + usize::from(want.v6) * 38 * K;
    ANSWER_BYTES_MAX.saturating_sub(nodes + 160)
}

/// Nothing said means the family of the datagram (BEP 32).
fn resolve_want(want: Want, from: SocketAddr) -> Want {
    if want == Want::default() { Want { v4: from.is_ipv4(), v6: from.is_ipv6() } } else { want }
}
