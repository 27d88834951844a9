//! Questions that are asked once.

use std::net::SocketAddr;

use base::{InfoHash, Instant};
use wire::krpc::{self, Reply};

use super::network::Side;
use super::spec::{Announce, Answer, Done, Output, Query, QueryId};
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
            Query::Put(_) => (NodeId([0; 20]), Goal::Item { newer_than: None }),
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
        self.asks.insert(id, Ask { query, open, done: Done::default(), nodes: Vec::new() });
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

    pub(super) fn on_blooms(&mut self, _job: &mut Job, _reply: &Reply<'_>) {}

    pub(super) fn on_item(&mut self, _job: &mut Job, _reply: &Reply<'_>) {}

    pub(super) fn on_samples(&mut self, job: &mut Job, node: SocketAddr, reply: &Reply<'_>) {
        let Owner::Ask(id) = job.owner else {
            return;
        };
        if reply.samples.is_some() {
            let info_hashes: Vec<InfoHash> = reply.samples().collect();
            let samples = Answer::Samples { node, info_hashes, all: reply.samples_all };
            self.outputs.push_back(Output::Answer(id, samples));
        }
    }

    pub(super) fn on_ask_walked(
        &mut self,
        id: QueryId,
        job: &Job,
        found: Vec<Found>,
        now: Instant,
    ) {
        let Some(ask) = self.asks.get_mut(&id) else {
            return;
        };
        ask.done.asked += job.walk.asked();
        ask.done.answered += job.walk.answered();
        ask.nodes.extend(found.iter().take(K).map(|node| (node.id, node.addr)));
        if let Query::Announce { info_hash, announce } = &ask.query {
            let (info_hash, announce) = (*info_hash, *announce);
            for node in found.into_iter().filter(|node| node.token.is_some()).take(K) {
                self.store_announce(id, info_hash, announce, &node, now);
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

    fn store_announce(
        &mut self,
        id: QueryId,
        info_hash: InfoHash,
        announce: Announce,
        node: &Found,
        now: Instant,
    ) {
        let Announce { port, implied_port, seed } = announce;
        let token = node.token.as_deref().unwrap_or_default();
        let query = krpc::Query::AnnouncePeer { info_hash, implied_port, port, seed, token };
        if let Some(ask) = self.asks.get_mut(&id) {
            ask.open += 1;
            self.send((node.addr, Some(node.id)), &query, Purpose::Store(id), now);
        }
    }

    /// A node took what was to be stored, or refused it with a code, or did not answer.
    pub(super) fn on_stored(
        &mut self,
        id: QueryId,
        result: Result<(), Option<i64>>,
        _now: Instant,
    ) {
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
        self.outputs.push_back(Output::Answer(id, Answer::Done(ask.done)));
    }
}
