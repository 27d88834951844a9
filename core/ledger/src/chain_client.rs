//! Questions to the nodes of a network: whom to ask, whom to believe, when to try again.
//!
//! Source: our own; the languages are those of `tron_client` and `evm_client`.
//!
//! A node is believed in nothing before it has shown that it is of our chain: by the first block's id
//! on TRON, by the chain id elsewhere. Of a development chain nothing is known beforehand, so the first
//! node that answers says what the chain is, and every other must say the same.
//!
//! Where money depends on the answer (final balances, receipts, events, calls, the block that a
//! transaction refers to) up to [`VOICES_MAX`] nodes are asked, and more than half of those that answer
//! must say the same; two at least, where the network has two. Nodes that are a block apart differ for
//! a moment, so they are asked again before they are said to disagree. A network with one node is
//! believed as that node is: no client that does not follow the chain itself can do better, and
//! `docs/lying-nodes.md` says so.
//!
//! A node that answers for something else than it was asked for, or says what can't be, is not asked
//! again by this machine, and a [`Notice`] names it.
//!
//! Invariant: an ask has either a run of its present probe or a time to try again, never neither.

mod endpoint;
mod fault;
mod probe;
pub mod query;
mod run;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{ExchangeId, Family, HttpError, HttpPost, HttpReply, HttpRequest, Instant, Purpose};

pub use fault::{ClientError, Fault, Said};
pub(crate) use probe::{Agreed, Executed, Fact, Placed, PlacedLog, Probe, Request, Spread};
pub use query::{
    Answer, Block, BlockLogs, BroadcastRefusal, Echoed, Fate, Log, Network, Place, Query, Quote,
    Receipt, Resources, Revert, View, Word,
};

use crate::network::{Kind, Profile, Worth, is_known_as_real};
use crate::now::Now;
use crate::outbox::NetworkId;
use crate::transaction::BlockId;
use crate::{evm_client, tron_client};
use endpoint::{Endpoint, Standing};
use run::{Run, Verdict, Voice};

/// Top byte of every [`ExchangeId`] that the client gives out.
pub const EXCHANGE_TAG: u8 = b'$';

/// Time for one exchange with a node.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most nodes asked for what money depends on. One liar among three is outvoted.
pub const VOICES_MAX: usize = 3;

/// How often a question is put before it ends in an error.
pub const ROUNDS_MAX: u32 = 3;

/// Between the first two rounds; then twice as long. More than a block, so that a node which is one behind
/// has it.
const ROUND_PAUSE: Duration = Duration::from_secs(4);

/// Most questions under way; each has a few exchanges and what they answered in memory.
pub const ASKS_MAX: usize = 256;

/// Most endpoints of a profile that are used.
pub const ENDPOINTS_MAX: usize = 16;

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What is to be done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Carry out an exchange; its end goes to [`ChainClient::on_http`].
    Http(HttpRequest),
    /// The answer to a question.
    Answer(AskId, Box<Result<Answer, ClientError>>),
    /// Something about a node that a person should know.
    Notice(Notice),
}

/// Something about a node that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is not asked any more.
    Dropped(Said<Fault>),
    /// It said something else than the others, which were believed.
    Outvoted {
        /// About what.
        what: &'static str,
        /// What was believed.
        believed: String,
        /// What it said.
        said: Said<String>,
    },
}

impl core::fmt::Display for Notice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Dropped(said) => {
                write!(f, "node {} is not asked any more: {}", said.endpoint, said.what)
            }
            Self::Outvoted { what, believed, said } => write!(
                f,
                "node {} says of {what}: {}, but the others say: {believed}",
                said.endpoint, said.what
            ),
        }
    }
}

/// What the next step of a question is, told by the chain's own language.
#[derive(Debug)]
pub(crate) enum Step {
    /// Find this out.
    Probe(Probe),
    /// That was all.
    Done(Box<Answer>),
    /// It can't be answered.
    Fail(ClientError),
}

/// What is known of the chain when a step is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) profile: &'a Profile,
    /// Known since the first node was found to be of it.
    pub(crate) network: NetworkId,
    pub(crate) chain_id: u64,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct ChainClient {
    profile: Profile,
    endpoints: Vec<Endpoint>,
    /// The chain's identity, once a node has shown it.
    network: Option<(NetworkId, u64)>,
    asks: BTreeMap<AskId, Ask>,
    asks_given: u64,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    exchanges_given: u64,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Ask {
    query: Query,
    facts: Vec<Agreed>,
    run: Run,
    /// When the next round begins.
    again_at: Option<Instant>,
}

/// Whose exchange it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    /// Whether this endpoint is of our chain.
    Check(usize),
    /// This endpoint's voice in the run of this ask.
    Voice(AskId, usize),
}

impl ChainClient {
    /// A client of the network's nodes; nothing is asked yet.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        // One node under two names would be two voices.
        let mut seen = BTreeSet::new();
        let urls = profile
            .endpoints
            .iter()
            .filter(|url| seen.insert(url.trim_end_matches('/').to_ascii_lowercase()));
        Self {
            endpoints: urls.take(ENDPOINTS_MAX).map(|url| Endpoint::new(url)).collect(),
            profile,
            network: None,
            asks: BTreeMap::new(),
            asks_given: 0,
            exchanges: BTreeMap::new(),
            exchanges_given: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Whether the end of an exchange with this id is for [`Self::on_http`] of a client.
    #[must_use]
    pub fn owns(id: ExchangeId) -> bool {
        id.0 >> 56 == u64::from(EXCHANGE_TAG)
    }

    /// Asks. The answer comes as an output with the id that is returned.
    pub fn ask(&mut self, query: Query, now: Now) -> AskId {
        self.asks_given += 1;
        let id = AskId(self.asks_given);
        if self.endpoints.is_empty() {
            self.outputs.push_back(Output::Answer(id, Box::new(Err(ClientError::NoEndpoint))));
            return id;
        }
        if self.asks.len() >= ASKS_MAX {
            let busy = ClientError::Busy(self.asks.len());
            self.outputs.push_back(Output::Answer(id, Box::new(Err(busy))));
            return id;
        }
        let step = self.step(&query, &[]);
        self.proceed(id, query, Vec::new(), step, now);
        id
    }

    /// The end of an exchange. Others' ids and ended ones are ignored.
    pub fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>, now: Now) {
        let Some(exchange) = self.exchanges.remove(&id) else { return };
        let body = match result {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body),
            // Nodes say why they refuse in the body of an error as well.
            Ok(reply) if (400..600).contains(&reply.status) && reply.body.starts_with(b"{") => {
                Ok(reply.body)
            }
            Ok(reply) => Err(Fault::Status(reply.status)),
            Err(error) => Err(Fault::Http(error)),
        };
        match exchange {
            Exchange::Check(endpoint) => self.on_checked(endpoint, id, body, now),
            Exchange::Voice(ask, endpoint) => self.on_voice(ask, endpoint, id, body, now),
        }
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Now) {
        let due: Vec<AskId> = self
            .asks
            .iter()
            .filter(|(_, ask)| ask.again_at.is_some_and(|at| at <= now.instant))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(ask) = self.asks.get_mut(&id) {
                ask.again_at = None;
                ask.run.begin_round();
            }
            self.call_voices(id, now);
        }
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.asks.values().filter_map(|ask| ask.again_at).min()
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn answer(&mut self, id: AskId, answer: Result<Answer, ClientError>) {
        self.outputs.push_back(Output::Answer(id, Box::new(answer)));
    }

    fn step(&self, query: &Query, facts: &[Agreed]) -> Step {
        let (network, chain_id) = self.network.unwrap_or((NetworkId([0; 32]), 0));
        let context = Context { profile: &self.profile, network, chain_id };
        match self.profile.kind {
            Kind::Tron => tron_client::step(query, facts, context),
            Kind::Evm => evm_client::step(query, facts, context),
        }
    }

    fn proceed(&mut self, id: AskId, query: Query, facts: Vec<Agreed>, step: Step, now: Now) {
        match step {
            Step::Probe(probe) => {
                let run = Run::new(probe);
                self.asks.insert(id, Ask { query, facts, run, again_at: None });
                self.call_voices(id, now);
            }
            Step::Done(answer) => self.answer(id, Ok(*answer)),
            Step::Fail(error) => self.answer(id, Err(error)),
        }
    }

    /// Asks as many endpoints as the run still needs.
    fn call_voices(&mut self, id: AskId, now: Now) {
        loop {
            let Some(ask) = self.asks.get_mut(&id) else { return };
            let Some(endpoint) = ask.run.next_endpoint(&self.endpoints, now.instant) else { break };
            ask.run.voices.insert(endpoint, Voice::Waiting);
            match self.endpoints.get(endpoint).map(|known| &known.standing) {
                Some(Standing::Good) => self.call(id, endpoint),
                Some(Standing::Unchecked) => self.check(endpoint),
                // Called when the check is done.
                Some(Standing::Checking) => {}
                Some(Standing::Wrong(_)) | None => break,
            }
        }
        self.weigh(id, now);
    }

    fn call(&mut self, id: AskId, endpoint: usize) {
        let Some(ask) = self.asks.get(&id) else { return };
        let request = ask.run.probe.request.clone();
        self.exchange(Exchange::Voice(id, endpoint), endpoint, &request);
    }

    fn check(&mut self, endpoint: usize) {
        let request = match self.profile.kind {
            Kind::Tron => tron_client::check(),
            Kind::Evm => evm_client::check(),
        };
        if let Some(known) = self.endpoints.get_mut(endpoint) {
            known.standing = Standing::Checking;
        }
        self.exchange(Exchange::Check(endpoint), endpoint, &request);
    }

    fn exchange(&mut self, whose: Exchange, endpoint: usize, request: &Request) {
        self.exchanges_given += 1;
        let id = ExchangeId(u64::from(EXCHANGE_TAG) << 56 | self.exchanges_given);
        let Some(known) = self.endpoints.get(endpoint) else { return };
        let (url, body, body_bytes_max) = match request {
            Request::Tron(request) => {
                (known.below(request.path()), request.body(), wire::tron_http::REPLY_BYTES_MAX)
            }
            Request::Evm(request) => {
                (known.url.clone(), request.body(id.0), wire::json_rpc::REPLY_BYTES_MAX)
            }
        };
        self.exchanges.insert(id, whose);
        self.outputs.push_back(Output::Http(HttpRequest {
            id,
            purpose: Purpose::Chain,
            url,
            family: Family::Any,
            timeout: EXCHANGE_TIMEOUT,
            body_bytes_max,
            post: Some(HttpPost {
                headers: vec![("content-type", "application/json".to_owned())],
                body,
            }),
        }));
    }

    fn on_checked(
        &mut self,
        endpoint: usize,
        id: ExchangeId,
        body: Result<Vec<u8>, Fault>,
        now: Now,
    ) {
        let identity = body.and_then(|body| match self.profile.kind {
            Kind::Tron => tron_client::identity(&body),
            Kind::Evm => evm_client::identity(&body, id.0),
        });
        let found = identity.and_then(|(network, chain_id)| {
            self.judge_identity(network, chain_id)?;
            Ok((network, chain_id))
        });
        let waiting: Vec<AskId> = self
            .asks
            .iter()
            .filter(|(_, ask)| ask.run.voices.get(&endpoint) == Some(&Voice::Waiting))
            .map(|(id, _)| *id)
            .collect();
        match found {
            Ok(identity) => {
                self.network = Some(identity);
                if let Some(known) = self.endpoints.get_mut(endpoint) {
                    known.standing = Standing::Good;
                }
                for id in waiting {
                    self.call(id, endpoint);
                }
            }
            Err(fault) => {
                self.blame(endpoint, &fault, now);
                for id in waiting {
                    self.hear(id, endpoint, Err(fault.clone()), now);
                }
            }
        }
    }

    /// Whether a node is of the chain that the profile names, and of the one that others showed.
    fn judge_identity(&self, network: NetworkId, chain_id: u64) -> Result<(), Fault> {
        if let Some(expected) = self.profile.chain_id.filter(|expected| *expected != chain_id) {
            return Err(Fault::OtherChain { expected, got: chain_id });
        }
        if self.profile.worth == Worth::Play && is_known_as_real(self.profile.kind, chain_id) {
            return Err(Fault::RealMoney { chain_id });
        }
        let genesis = self.profile.genesis.filter(|_| self.profile.kind == Kind::Tron);
        let shown = self.network.map(|(known, _)| BlockId(known.0));
        for expected in [genesis, shown].into_iter().flatten() {
            if expected.0 != network.0 {
                return Err(Fault::OtherGenesis { expected, got: BlockId(network.0) });
            }
        }
        Ok(())
    }

    fn on_voice(
        &mut self,
        id: AskId,
        endpoint: usize,
        exchange: ExchangeId,
        body: Result<Vec<u8>, Fault>,
        now: Now,
    ) {
        let Some(ask) = self.asks.get(&id) else { return };
        let is_development = self.profile.is_development();
        let fact = body.and_then(|body| match &ask.run.probe.request {
            Request::Tron(request) => tron_client::fact(request, &body),
            Request::Evm(request) => evm_client::fact(request, &body, exchange.0),
        });
        let fact = fact.and_then(|fact| {
            // A block by its number may be of any age.
            if ask.run.probe.request.is_of_now() {
                judge_time(&fact, is_development, now)?;
            }
            if !is_development {
                judge_prices(&fact)?;
            }
            Ok(fact)
        });
        match &fact {
            Ok(_) => {
                if let Some(known) = self.endpoints.get_mut(endpoint) {
                    known.on_answer();
                }
            }
            Err(fault) if fault.refusal().is_some() => {}
            Err(fault) => {
                let fault = fault.clone();
                self.blame(endpoint, &fault, now);
            }
        }
        self.hear(id, endpoint, fact, now);
    }

    /// Tells of a node that was outvoted, once for each thing that it says.
    fn tell(&mut self, notice: Notice) {
        if let Notice::Outvoted { said, .. } = &notice {
            let doubted = self.endpoints.iter_mut().find(|known| known.url == said.endpoint);
            if let Some(known) = doubted {
                known.is_doubted = true;
            }
        }
        self.outputs.push_back(Output::Notice(notice));
    }

    fn blame(&mut self, endpoint: usize, fault: &Fault, now: Now) {
        let Some(known) = self.endpoints.get_mut(endpoint) else { return };
        if fault.is_final() {
            known.standing = Standing::Wrong(fault.clone());
            let said = Said { endpoint: known.url.clone(), what: fault.clone() };
            self.outputs.push_back(Output::Notice(Notice::Dropped(said)));
        } else {
            known.on_fault(now.instant);
        }
    }

    fn hear(&mut self, id: AskId, endpoint: usize, fact: Result<Fact, Fault>, now: Now) {
        let Some(ask) = self.asks.get_mut(&id) else { return };
        let voice = match fact {
            Ok(fact) => Voice::Said(fact),
            Err(fault) => Voice::Failed(fault),
        };
        ask.run.voices.insert(endpoint, voice);
        self.call_voices(id, now);
    }

    /// Ends the run if enough is said.
    fn weigh(&mut self, id: AskId, now: Now) {
        let Some(ask) = self.asks.get_mut(&id) else { return };
        if ask.again_at.is_some() {
            return;
        }
        match ask.run.weigh(&self.endpoints) {
            Verdict::Wait => {}
            Verdict::Again => {
                let pause = ROUND_PAUSE.saturating_mul(ask.run.round.saturating_add(1));
                ask.again_at = Some(now.instant.after(pause));
            }
            Verdict::Agreed(agreed, notices) => {
                for notice in notices {
                    self.tell(notice);
                }
                let Some(mut ask) = self.asks.remove(&id) else { return };
                ask.facts.push(*agreed);
                let step = self.step(&ask.query, &ask.facts);
                self.proceed(id, ask.query, ask.facts, step, now);
            }
            Verdict::Failed(error) => {
                self.asks.remove(&id);
                self.answer(id, Err(error));
            }
        }
    }
}

/// How far a node's clock, or the time of its newest block, may be before ours.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// How old the newest block of a chain may be that makes one every few seconds.
const BEHIND_MAX: Duration = Duration::from_secs(5 * 60);

fn judge_time(fact: &Fact, is_development: bool, now: Now) -> Result<(), Fault> {
    let Fact::Block(Some(block)) = fact else { return Ok(()) };
    let ahead = Duration::from_millis(block.time_ms.saturating_sub(now.unix_ms));
    if ahead > AHEAD_MAX {
        return Err(Fault::Ahead { ahead_s: ahead.as_secs() });
    }
    let behind = Duration::from_millis(now.unix_ms.saturating_sub(block.time_ms));
    // A development chain may make blocks only when there is something to put in them.
    if behind > BEHIND_MAX && !is_development {
        return Err(Fault::Behind { behind_s: behind.as_secs() });
    }
    Ok(())
}

/// Nothing is free on a chain whose money is worth something: a fee limit made of such prices would
/// have our transactions fail for want of energy.
fn judge_prices(fact: &Fact) -> Result<(), Fault> {
    if let Fact::Parameters(prices) = fact
        && (prices.energy_price == 0 || prices.byte_price == 0)
    {
        return Err(Fault::Impossible("that energy or bandwidth is for nothing"));
    }
    Ok(())
}
