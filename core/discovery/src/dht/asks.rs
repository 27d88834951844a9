//! Questions that are asked once.

use std::net::SocketAddr;

use base::{InfoHash, Instant};
use wire::krpc::{self, PutMutable, Reply};

use super::bloom::Bloom;
use super::items::{item_target, mutable_target};
use super::network::Side;
use super::spec::{Announce, Answer, Done, Item, MutableItem, Output, Query, QueryId};
use super::table::K;
use super::walk::Found;
use super::{Dht, Goal, Job, NodeId, Owner, Purpose, Timer, WalkId};

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Ask {
    query: Query,
    /// Walks and stores under way.
    open: u32,
    done: Done,
    nodes: Vec<(NodeId, SocketAddr)>,
    /// The newest version told of; of an immutable item, that it was.
    told: Option<i64>,
    /// Seeds and other peers, if anybody counted them (BEP 33).
    blooms: Option<Box<(Bloom, Bloom)>>,
}

impl Ask {
    fn new(query: Query, open: u32) -> Self {
        let (done, nodes, told, blooms) = (Done::default(), Vec::new(), None, None);
        Self { query, open, done, nodes, told, blooms }
    }
}

impl Dht {
    /// Asks the network. Answers come as [`Output::Answer`]; the last is [`Answer::Done`].
    pub fn ask(&mut self, query: Query, now: Instant) -> QueryId {
        self.ask_count += 1;
        let id = QueryId(self.ask_count);
        let (target, goal) = match &query {
            Query::Nodes(target) => (*target, Goal::Nodes),
            Query::Peers { info_hash, scrape } => {
                ((*info_hash).into(), Goal::Peers { info_hash: *info_hash, scrape: *scrape })
            }
            Query::Announce { info_hash, .. } => {
                ((*info_hash).into(), Goal::Peers { info_hash: *info_hash, scrape: false })
            }
            Query::Get { target, newer_than, .. } => {
                (*target, Goal::Item { newer_than: *newer_than })
            }
            Query::Put(item) => (item_target(item), Goal::Item { newer_than: None }),
            Query::Sample { target } => (*target, Goal::Samples),
        };
        let is_inhabited = |side: &Side| {
            let network = self.networks[*side as usize].as_ref();
            network.is_some_and(|network| network.table.len() + network.hints.len() > 0)
        };
        // Of a family that we know nobody of, no answer comes; unless we have just begun.
        let mut sides: Vec<Side> = self.sides().filter(is_inhabited).collect();
        if sides.is_empty() {
            sides.extend(self.sides());
        }
        let open = u32::try_from(sides.len()).expect("at most two");
        self.asks.insert(id, Ask::new(query, open));
        for side in sides {
            self.start_walk(side, target, (goal, Owner::Ask(id)), K, now);
        }
        id
    }

    /// Forgets a question: nothing more is said about it.
    pub fn cancel(&mut self, id: QueryId) {
        self.asks.remove(&id);
        let walks: Vec<WalkId> = self
            .walks
            .iter()
            .filter(|(_, job)| job.owner == Owner::Ask(id))
            .map(|(walk, _)| *walk)
            .collect();
        for walk in walks {
            self.walks.remove(&walk);
            self.blocked.remove(&walk);
            self.timers.set(Timer::Walk(walk), None);
        }
    }

    /// A node has counted the peers that it knows; from one that does not count, those that it names.
    pub(super) fn on_blooms(&mut self, job: &Job, reply: &Reply<'_>) {
        let Owner::Ask(id) = job.owner else {
            return;
        };
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        if !matches!(ask.query, Query::Peers { scrape: true, .. }) {
            return;
        }
        let empty = || Box::new((Bloom::EMPTY, Bloom::EMPTY));
        let blooms = ask.blooms.get_or_insert_with(empty);
        match (reply.bloom_seeds, reply.bloom_peers) {
            (Some(seeds), Some(peers)) => {
                blooms.0.unite(seeds);
                blooms.1.unite(peers);
            }
            _ => reply.values.iter().for_each(|peer| blooms.1.insert(peer.ip())),
        }
    }

    /// A node has something stored at the target, or says so.
    pub(super) fn on_item(&mut self, job: &Job, reply: &Reply<'_>) {
        let (Owner::Ask(id), Some(value)) = (job.owner, reply.value) else {
            return;
        };
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        let Query::Get { target, salt, newer_than } = &ask.query else {
            return;
        };
        let (Some(key), Some(seq), Some(signature)) = (reply.key, reply.seq, reply.signature)
        else {
            if ask.told.is_none() && NodeId(keys::sha1(value)) == *target {
                ask.told = Some(0);
                let item = Answer::Immutable(value.to_vec());
                self.outputs.push_back(Output::Answer(id, item));
            }
            return;
        };
        let is_news = ask.told.max(*newer_than).is_none_or(|told| seq > told);
        if !is_news || mutable_target(key, salt) != *target {
            return;
        }
        let (key, signature) = (*key, *signature);
        let item = MutableItem { key, salt: salt.clone(), seq, value: value.to_vec(), signature };
        if item.is_signed() {
            ask.told = Some(seq);
            self.outputs.push_back(Output::Answer(id, Answer::Mutable(item)));
        }
    }

    pub(super) fn on_samples(&mut self, job: &Job, node: SocketAddr, reply: &Reply<'_>) {
        let Owner::Ask(id) = job.owner else {
            return;
        };
        if reply.samples.is_some() {
            let info_hashes: Vec<InfoHash> = reply.samples().collect();
            let samples = Answer::Samples { node, info_hashes, all: reply.samples_all };
            self.outputs.push_back(Output::Answer(id, samples));
        }
    }

    pub(super) fn on_ask_walked(&mut self, id: QueryId, job: &Job, found: &[Found], now: Instant) {
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        ask.done.asked += job.walk.asked();
        ask.done.answered += job.walk.answered();
        ask.nodes.extend(found.iter().take(K).map(|node| (node.id, node.addr)));
        if matches!(ask.query, Query::Announce { .. } | Query::Put(_)) {
            let query = ask.query.clone();
            for node in found.iter().filter(|node| node.token.is_some()).take(K) {
                self.store(id, &query, node, now);
            }
        }
        self.close(id);
        if job.walk.answered() > 0 {
            self.end_idle_walks(id, now);
        }
    }

    /// The other family's walk of an ask whose first has ended, if it has still found nobody to ask.
    fn end_idle_walks(&mut self, id: QueryId, now: Instant) {
        let idle =
            |(_, job): &(&WalkId, &Job)| job.owner == Owner::Ask(id) && job.walk.asked() == 0;
        let idle: Vec<WalkId> = self.walks.iter().filter(idle).map(|(walk, _)| *walk).collect();
        for walk in idle {
            if let Some(job) = self.walks.remove(&walk) {
                self.finish_walk(walk, &job, now);
            }
        }
    }

    /// Asks a node to store what the ask wants stored.
    fn store(&mut self, id: QueryId, query: &Query, node: &Found, now: Instant) {
        let token = node.token.as_deref().unwrap_or_default();
        let store = match query {
            Query::Announce { info_hash, announce } => {
                let Announce { port, implied_port, seed } = *announce;
                let info_hash = *info_hash;
                krpc::Query::AnnouncePeer { info_hash, implied_port, port, seed, token }
            }
            Query::Put(item @ Item::Immutable { value }) => {
                let target = Some(item_target(item));
                krpc::Query::Put { target, token, value, mutable: None }
            }
            Query::Put(put @ Item::Mutable { item, cas }) => {
                let target = Some(item_target(put));
                let MutableItem { key, salt, seq, value, signature } = item;
                let (seq, cas) = (*seq, cas.filter(|_| node.seq.is_some()));
                let mutable = Some(PutMutable { key, salt, seq, signature, cas });
                krpc::Query::Put { target, token, value, mutable }
            }
            Query::Nodes(_) | Query::Peers { .. } | Query::Get { .. } | Query::Sample { .. } => {
                return;
            }
        };
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.open += 1;
            self.send((node.addr, Some(node.id)), &store, Purpose::Store(id), now);
        }
    }

    /// A node took what was to be stored, or refused it with a code, or did not answer.
    pub(super) fn on_stored(&mut self, id: QueryId, result: Result<(), Option<i64>>) {
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        match result {
            Ok(()) => ask.done.stored += 1,
            Err(Some(code)) => {
                ask.done.refused += 1;
                ask.done.refusal = Some(code);
            }
            Err(None) => {}
        }
        self.close(id);
    }

    /// One of its parts is over.
    fn close(&mut self, id: QueryId) {
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        ask.open -= 1;
        if ask.open > 0 {
            return;
        }
        let ask = self.asks.remove(&id).expect("it was just there");
        if matches!(ask.query, Query::Nodes(_)) {
            self.outputs.push_back(Output::Answer(id, Answer::Nodes(ask.nodes)));
        }
        if let Some(blooms) = ask.blooms {
            let (seeds, peers) = (blooms.0.count(), blooms.1.count());
            self.outputs.push_back(Output::Answer(id, Answer::Scrape { seeds, peers }));
        }
        self.outputs.push_back(Output::Answer(id, Answer::Done(ask.done)));
    }
}
