//! One walk through the key space towards a target.
//!
//! Source: BEP 5, Kademlia. Nodes nearer and nearer are asked until the [`K`](super::table::K) nearest of those
//! that answer have answered.
//!
//! What we do differently:
//! - A node that takes longer than usual frees its slot, and the walk no longer waits for it; its
//!   answer still counts if it comes. So a third of dead nodes costs little time.
//! - Nodes named by somebody whose nodes have not answered so far are asked last; of one address there is one
//!   candidate, and one that calls itself something else than was said is none. So liars cost a few queries.
//! - Who may not call itself what it does (BEP 42) counts half; where most keep to BEP 42, not at all.
//!
//! Invariant: `candidates` is sorted by distance, addresses are unique, `in_flight` counts those asked
//! and not yet slow.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use wire::krpc::NodeId;

use super::id::{Distance, is_allowed, is_local, neighbourhood};

/// Queries under way at once (Kademlia's α).
const PARALLEL: usize = 4;

/// The same while nobody has answered: from nothing but hints, it is luck who is there.
const PARALLEL_AT_FIRST: usize = 8;

/// Most candidates kept; the farthest that were not asked go. A walk asks some 20 to 30.
const CANDIDATES_MAX: usize = 96;

/// Most nodes taken from one answer: twice what BEP 5 says.
const NODES_PER_ANSWER_MAX: usize = 16;

/// Most candidates of one neighbourhood (/24, /64): they are likely of one owner.
const PER_NEIGHBOURHOOD_MAX: usize = 2;

/// Most queries of one walk. Honest networks of ten million nodes need about 40.
const ASKED_MAX: u32 = 96;

/// Most peers reported by one walk.
pub(crate) const PEERS_MAX: usize = 2000;

/// Most doubtful nodes asked once the nearest of the others have answered.
const DOUBTFUL_MAX: u32 = 8;

/// The weight of a node whose id is allowed.
const FULL_WEIGHT: usize = 2;

/// Silent nodes of one naming after which its others are asked last, if none has answered.
const BLAME_MAX: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Asked { slow: bool },
    Answered,
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    distance: Distance,
    /// Unknown of those that we have by their address only.
    id: Option<NodeId>,
    addr: SocketAddr,
    state: State,
    /// Who named it first, by position in `namers`.
    namer: Option<usize>,
    /// Its id follows from its address (BEP 42).
    allowed: bool,
    token: Option<Box<[u8]>>,
    /// The number of the version of what it stores (BEP 44).
    seq: Option<i64>,
}

/// What came of the nodes that somebody named.
#[derive(Clone, Copy, Debug)]
struct Namer {
    good: u8,
    bad: u8,
}

/// A node that answered.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: NodeId,
    pub(crate) addr: SocketAddr,
    /// What entitles to store there.
    pub(crate) token: Option<Box<[u8]>>,
    /// The number of the version of what it stores (BEP 44).
    pub(crate) seq: Option<i64>,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Walk {
    target: NodeId,
    own: NodeId,
    /// How many of the nearest must have answered.
    width: usize,
    candidates: Vec<Candidate>,
    namers: Vec<Namer>,
    in_flight: usize,
    asked: u32,
    /// Of these, those that were doubtful.
    doubtful_asked: u32,
    answered: u32,
    /// Nodes that we knew ourselves, and those of them whose ids are allowed.
    known_at_first: usize,
    allowed_at_first: usize,
    /// Peers reported so far, so that each is reported once.
    pub(crate) peers: BTreeSet<SocketAddr>,
}

impl Walk {
    pub(crate) fn new(target: NodeId, own: NodeId, width: usize) -> Self {
        Self {
            target,
            own,
            width,
            candidates: Vec::new(),
            namers: Vec::new(),
            in_flight: 0,
            asked: 0,
            doubtful_asked: 0,
            answered: 0,
            known_at_first: 0,
            allowed_at_first: 0,
            peers: BTreeSet::new(),
        }
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked
    }

    pub(crate) fn answered(&self) -> u32 {
        self.answered
    }

    /// Somebody to ask, perhaps.
    pub(crate) fn add(&mut self, id: Option<NodeId>, addr: SocketAddr) {
        self.offer(id, addr, None);
    }

    fn offer(&mut self, id: Option<NodeId>, addr: SocketAddr, namer: Option<usize>) {
        if id == Some(self.own) || self.is_named_again(id, addr, namer) || self.is_known(id, addr) {
            return;
        }
        let distance = id.map_or(Distance::MAX, |id| Distance::between(self.target, id));
        let at = self.candidates.partition_point(|other| other.distance <= distance);
        let allowed = id.is_none_or(|id| is_allowed(id, addr.ip()));
        if namer.is_none() && id.is_some() {
            self.known_at_first += 1;
            self.allowed_at_first += usize::from(allowed);
        }
        let token = None;
        let state = State::New;
        self.candidates
            .insert(at, Candidate { distance, id, addr, state, namer, allowed, token, seq: None });
        if self.candidates.len() > CANDIDATES_MAX {
            let new = |c: &Candidate| c.state == State::New;
            let doubtful = |c: &Candidate| new(c) && self.weight(c) == 0;
            let last = self.candidates.iter().rposition(doubtful);
            let last = last.or_else(|| self.candidates.iter().rposition(new));
            self.candidates.remove(last.expect("at least the one that has just come"));
        }
    }

    /// Somebody else vouches for one whose namer has been of no use.
    fn is_named_again(
        &mut self,
        id: Option<NodeId>,
        addr: SocketAddr,
        namer: Option<usize>,
    ) -> bool {
        let same = |other: &Candidate| other.addr == addr && other.id == id;
        let Some(at) = self.candidates.iter().position(same) else {
            return false;
        };
        if self.is_suspect(&self.candidates[at]) {
            self.candidates[at].namer = namer;
        }
        true
    }

    /// It, or too many of its like.
    fn is_known(&self, id: Option<NodeId>, addr: SocketAddr) -> bool {
        let ip = addr.ip();
        let near = neighbourhood(ip);
        let local = is_local(ip);
        let mut neighbours = 0;
        for other in &self.candidates {
            let same_id = id.is_some() && other.id == id && other.state != State::Failed;
            if other.addr == addr || same_id || (!local && other.addr.ip() == ip) {
                return true;
            }
            neighbours += usize::from(!local && neighbourhood(other.addr.ip()) == near);
        }
        neighbours >= PER_NEIGHBOURHOOD_MAX
    }

    /// The next node to ask, if one should be asked now; it counts as asked.
    pub(crate) fn next(&mut self) -> Option<(Option<NodeId>, SocketAddr)> {
        let at = self.choose()?;
        self.doubtful_asked += u32::from(self.is_doubtful(&self.candidates[at]));
        let candidate = &mut self.candidates[at];
        candidate.state = State::Asked { slow: false };
        let node = (candidate.id, candidate.addr);
        self.in_flight += 1;
        self.asked += 1;
        Some(node)
    }

    /// Takes back the last [`Self::next`]: it may not be asked yet.
    pub(crate) fn put_back(&mut self, addr: SocketAddr) {
        if let Some(at) = self.candidates.iter().position(|c| c.addr == addr) {
            self.candidates[at].state = State::New;
            self.in_flight -= 1;
            self.asked -= 1;
            self.doubtful_asked -= u32::from(self.is_doubtful(&self.candidates[at]));
        }
    }

    fn choose(&self) -> Option<usize> {
        let parallel = if self.answered == 0 { PARALLEL_AT_FIRST } else { PARALLEL };
        if self.in_flight >= parallel || self.asked >= ASKED_MAX {
            return None;
        }
        let mut count = Count::new(self.width);
        let mut doubtful = None;
        for (at, candidate) in self.candidates.iter().enumerate() {
            match candidate.state {
                State::New if self.is_doubtful(candidate) => doubtful = doubtful.or(Some(at)),
                State::New => return Some(at),
                State::Answered => {
                    if count.is_full_with(self.weight(candidate)) {
                        return doubtful.filter(|_| self.doubtful_asked < DOUBTFUL_MAX);
                    }
                }
                State::Asked { .. } | State::Failed => {}
            }
        }
        doubtful
    }

    /// Asked last: one whose namer has been of no use, or who calls itself what it may not where most don't.
    fn is_doubtful(&self, candidate: &Candidate) -> bool {
        self.weight(candidate) == 0 || self.is_suspect(candidate)
    }

    /// How much its answer counts. In a network that does not know BEP 42 a walk so costs twice the queries.
    fn weight(&self, candidate: &Candidate) -> usize {
        match candidate.allowed {
            true => FULL_WEIGHT,
            false if 2 * self.allowed_at_first >= self.known_at_first => 0,
            false => FULL_WEIGHT / 2,
        }
    }

    fn is_suspect(&self, candidate: &Candidate) -> bool {
        let Some(namer) = candidate.namer.and_then(|namer| self.namers.get(namer)) else {
            return false;
        };
        namer.good == 0 && namer.bad >= BLAME_MAX
    }

    /// The nearest have answered, or nobody is left who could.
    pub(crate) fn is_done(&self) -> bool {
        let mut count = Count::new(self.width);
        let (mut is_full, mut hope, mut doubtful) = (false, false, false);
        for candidate in &self.candidates {
            match candidate.state {
                State::Answered => is_full = count.is_full_with(self.weight(candidate)),
                State::Asked { slow: false } => return false,
                State::New if self.is_doubtful(candidate) => doubtful = true,
                State::New if self.asked < ASKED_MAX => return false,
                // While nobody at all has answered, the slow are all there is to hope for.
                State::Asked { slow: true } => hope |= self.answered == 0,
                State::New | State::Failed => {}
            }
            if is_full {
                break;
            }
        }
        let may_ask = !is_full || self.doubtful_asked < DOUBTFUL_MAX;
        let asks = doubtful && may_ask && self.asked < ASKED_MAX;
        is_full && !asks || !asks && !hope && !self.candidates.is_empty()
    }

    /// Nothing is there to be asked, and nobody has answered: whoever appears is welcome.
    pub(crate) fn is_starving(&self) -> bool {
        self.answered < u32::try_from(self.width).unwrap_or(u32::MAX)
            && !self.candidates.iter().any(|candidate| candidate.state == State::New)
    }

    /// The node at `addr` answered as `id`. False: it is not who it was said to be, and its answer is worth
    /// nothing.
    pub(crate) fn on_answer(&mut self, id: NodeId, addr: SocketAddr) -> bool {
        let Some(at) = self.candidates.iter().position(|candidate| candidate.addr == addr) else {
            return false;
        };
        let candidate = &mut self.candidates[at];
        self.in_flight -= usize::from(candidate.state == State::Asked { slow: false });
        if candidate.id.is_some_and(|said| said != id) || id == self.own {
            candidate.state = State::Failed;
            let namer = candidate.namer;
            self.blame(namer);
            return false;
        }
        candidate.state = State::Answered;
        self.answered += 1;
        if let Some(namer) = candidate.namer.and_then(|namer| self.namers.get_mut(namer)) {
            namer.good = namer.good.saturating_add(1);
        }
        if self.candidates[at].id.is_none() {
            // Now that we know where it is.
            let mut candidate = self.candidates.remove(at);
            candidate.id = Some(id);
            candidate.distance = Distance::between(self.target, id);
            candidate.allowed = is_allowed(id, addr.ip());
            let twice = self.candidates.iter().any(|other| other.id == Some(id));
            if !twice {
                let distance = candidate.distance;
                let at = self.candidates.partition_point(|other| other.distance <= distance);
                self.candidates.insert(at, candidate);
            }
        }
        true
    }

    /// What else the node at `addr` said.
    pub(crate) fn note(&mut self, addr: SocketAddr, token: Option<&[u8]>, seq: Option<i64>) {
        if let Some(candidate) = self.candidates.iter_mut().find(|c| c.addr == addr) {
            candidate.token = token.map(Box::from);
            candidate.seq = seq;
        }
    }

    /// Whom one that has answered named.
    pub(crate) fn on_nodes(&mut self, nodes: impl Iterator<Item = (NodeId, SocketAddr)>) {
        let namer = self.namers.len();
        self.namers.push(Namer { good: 0, bad: 0 });
        for (id, node) in nodes.take(NODES_PER_ANSWER_MAX) {
            self.offer(Some(id), node, Some(namer));
        }
    }

    /// The node takes longer than usual.
    pub(crate) fn on_slow(&mut self, addr: SocketAddr) {
        let asked = |c: &&mut Candidate| c.addr == addr && c.state == State::Asked { slow: false };
        if let Some(candidate) = self.candidates.iter_mut().find(asked) {
            candidate.state = State::Asked { slow: true };
            self.in_flight -= 1;
            let namer = candidate.namer;
            self.blame(namer);
        }
    }

    /// The node does not answer, or refuses.
    pub(crate) fn on_failure(&mut self, addr: SocketAddr) {
        self.on_slow(addr);
        let candidate = self.candidates.iter_mut().find(|candidate| candidate.addr == addr);
        if let Some(candidate) = candidate.filter(|c| c.state != State::Answered) {
            candidate.state = State::Failed;
        }
    }

    fn blame(&mut self, namer: Option<usize>) {
        if let Some(namer) = namer.and_then(|namer| self.namers.get_mut(namer)) {
            namer.bad = namer.bad.saturating_add(1);
        }
    }

    /// The nodes that answered, nearest first; but of the first `width` at most half are such as may not
    /// call themselves what they do, where most don't.
    pub(crate) fn found(&self) -> impl Iterator<Item = Found> {
        let mut room = self.width / 2;
        let mut takes = |candidate: &&Candidate| {
            let doubted = self.weight(candidate) == 0;
            let takes = !doubted || room > 0;
            room -= usize::from(doubted && takes);
            takes
        };
        let answered = self.candidates.iter().filter(|c| c.state == State::Answered);
        let (first, rest): (Vec<&Candidate>, Vec<&Candidate>) = answered.partition(&mut takes);
        let found = first.into_iter().chain(rest);
        found.filter_map(|c| {
            Some(Found { id: c.id?, addr: c.addr, token: c.token.clone(), seq: c.seq })
        })
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        assert!(self.candidates.is_sorted_by_key(|candidate| candidate.distance));
        let asked = |c: &&Candidate| c.state == State::Asked { slow: false };
        assert_eq!(self.in_flight, self.candidates.iter().filter(asked).count());
        let addrs: BTreeSet<SocketAddr> = self.candidates.iter().map(|c| c.addr).collect();
        assert_eq!(addrs.len(), self.candidates.len());
    }
}

/// How many of the nearest answers are enough.
struct Count {
    width: usize,
    weight: usize,
}

impl Count {
    fn new(width: usize) -> Self {
        Self { width, weight: 0 }
    }

    fn is_full_with(&mut self, weight: usize) -> bool {
        self.weight += weight;
        self.weight >= FULL_WEIGHT * self.width
    }
}

#[cfg(test)]
mod tests;
