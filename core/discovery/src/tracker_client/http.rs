//! HTTP exchanges with trackers: how many at once, and redirects hop by hop.
//!
//! An ask waits in the lane of its server and family until a slot is free, so that one slow
//! server with a thousand torrents can't hold up the others. Lanes with waiters take turns.
//! When a server has failed as often in a row as it may have exchanges at once, its waiters fail
//! with it instead of each waiting for a time-out of its own; that loop is paid for by the calls
//! that queued them.
//!
//! Invariants: a flight is queued in its lane or has one exchange; `active` is the number of the
//! latter, in each lane and over all. A lane is in `ready` exactly if it is `listed`.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::{ExchangeId, Family, HttpError, HttpReply, HttpRequest, Instant, Purpose};

use super::ids::{AskId, Ids};
use crate::redirect::{RedirectError, next_hop};
use crate::timers::Timers;

/// Longest body of a tracker's reply, in bytes. 200 peers take 1.2 KiB compact and 20 KiB as
/// dictionaries; full scrapes, which we never ask for, are larger.
const BODY_BYTES_MAX: u32 = 1024 * 1024;

/// The service owes a reply by the time-out; after this more we end the exchange ourselves.
const GRACE: Duration = Duration::from_secs(2);

/// Most exchanges at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    pub(crate) all_max: usize,
    pub(crate) per_server_max: usize,
}

/// One GET, redirects included.
#[derive(Debug)]
pub(crate) struct HttpAsk {
    pub(crate) authority: String,
    pub(crate) url: String,
    pub(crate) family: Family,
    /// For all hops together, from the first exchange.
    pub(crate) timeout: Duration,
    /// Ahead of those that wait: `stopped`, which has no time to lose.
    pub(crate) urgent: bool,
}

#[derive(Debug)]
pub(crate) enum HttpFailure {
    Exchange(HttpError),
    Redirect(RedirectError),
}

impl HttpFailure {
    /// Whether the tracker certainly did not act on the request.
    pub(crate) fn is_unheard(&self) -> bool {
        match self {
            Self::Exchange(error) => match error {
                HttpError::BadUrl
                | HttpError::NoAddress
                | HttpError::Connect(_)
                | HttpError::Tls(_) => true,
                HttpError::Protocol(_) | HttpError::TooLarge | HttpError::Timeout => false,
            },
            Self::Redirect(_) => true,
        }
    }
}

impl core::fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exchange(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
        }
    }
}

#[derive(Debug)]
pub(crate) enum HttpOut {
    Start { ask: AskId, request: HttpRequest },
    Cancel(ExchangeId),
    Done { ask: AskId, result: Result<HttpReply, HttpFailure> },
}

#[derive(Debug)]
enum Stage {
    Queued,
    /// `told`: the owner has polled the start, so a cancel must reach it too.
    Sent {
        exchange: ExchangeId,
        give_up_at: Instant,
        told: bool,
    },
}

#[derive(Debug)]
struct Flight {
    lane: LaneKey,
    url: String,
    timeout: Duration,
    urgent: bool,
    hops: u8,
    stage: Stage,
}

type LaneKey = (String, Family);

#[derive(Debug, Default)]
struct Lane {
    active: usize,
    /// May name flights that were cancelled since.
    waiting: VecDeque<AskId>,
    failures_in_a_row: usize,
    listed: bool,
}

#[derive(Debug)]
pub(crate) struct Http {
    limits: HttpLimits,
    ids: Ids,
    flights: BTreeMap<AskId, Flight>,
    exchanges: BTreeMap<ExchangeId, AskId>,
    lanes: BTreeMap<LaneKey, Lane>,
    ready: VecDeque<LaneKey>,
    timers: Timers<AskId>,
    outputs: VecDeque<HttpOut>,
}

impl Http {
    pub(crate) fn new(limits: HttpLimits, ids: Ids) -> Self {
        assert!(limits.all_max > 0, "no exchange at once never ends");
        assert!(limits.per_server_max > 0, "no exchange at once never ends");
        Self {
            limits,
            ids,
            flights: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn begin(&mut self, ask: AskId, what: HttpAsk, now: Instant) {
        let key = (what.authority, what.family);
        let lane = self.lanes.entry(key.clone()).or_default();
        if what.urgent {
            lane.waiting.push_front(ask);
        } else {
            lane.waiting.push_back(ask);
        }
        self.flights.insert(
            ask,
            Flight {
                lane: key.clone(),
                url: what.url,
                timeout: what.timeout,
                urgent: what.urgent,
                hops: 0,
                stage: Stage::Queued,
            },
        );
        self.list(key, what.urgent);
        self.pump(now);
    }

    /// Whether the server may have heard of it.
    pub(crate) fn is_sent(&self, ask: AskId) -> bool {
        let stage = self.flights.get(&ask).map(|flight| &flight.stage);
        matches!(stage, Some(Stage::Sent { told: true, .. }))
    }

    /// Ends an ask without a result.
    pub(crate) fn cancel(&mut self, ask: AskId, now: Instant) {
        if let Some(exchange) = self.retire(ask) {
            self.outputs.push_back(HttpOut::Cancel(exchange));
        }
        self.pump(now);
    }

    pub(crate) fn on_http(
        &mut self,
        id: ExchangeId,
        result: Result<HttpReply, HttpError>,
        now: Instant,
    ) {
        let Some(&ask) = self.exchanges.get(&id) else {
            return;
        };
        let result = match result {
            Ok(reply) => self.hop(ask, reply, now),
            Err(error) => Some(Err(HttpFailure::Exchange(error))),
        };
        if let Some(result) = result {
            self.finish(ask, result);
        }
        self.pump(now);
    }

    pub(crate) fn on_deadline(&mut self, now: Instant) {
        while let Some(ask) = self.timers.pop_due(now) {
            if let Some(&Flight { stage: Stage::Sent { exchange, .. }, .. }) =
                self.flights.get(&ask)
            {
                self.outputs.push_back(HttpOut::Cancel(exchange));
                self.finish(ask, Err(HttpFailure::Exchange(HttpError::Timeout)));
            }
        }
        self.pump(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// The next output; the start of an exchange that was cancelled since is left out.
    pub(crate) fn poll(&mut self) -> Option<HttpOut> {
        loop {
            let out = self.outputs.pop_front()?;
            let HttpOut::Start { ask, request } = &out else {
                return Some(out);
            };
            if let Some(Flight { stage: Stage::Sent { exchange, told, .. }, .. }) =
                self.flights.get_mut(ask)
                && *exchange == request.id
            {
                *told = true;
                return Some(out);
            }
        }
    }

    /// Follows a redirect (`None`: the next exchange is under way), or gives the result.
    fn hop(
        &mut self,
        ask: AskId,
        reply: HttpReply,
        now: Instant,
    ) -> Option<Result<HttpReply, HttpFailure>> {
        let flight = self.flights.get_mut(&ask).expect("an exchange belongs to a flight");
        let Stage::Sent { exchange, give_up_at, .. } = flight.stage else {
            unreachable!("an exchange belongs to a flight that was sent");
        };
        let next = match next_hop(&flight.url, &reply, flight.hops) {
            Ok(None) => return Some(Ok(reply)),
            Ok(Some(next)) => next,
            Err(error) => return Some(Err(HttpFailure::Redirect(error))),
        };
        let timeout = give_up_at.saturating_since(now);
        if timeout.is_zero() {
            return Some(Err(HttpFailure::Exchange(HttpError::Timeout)));
        }
        flight.hops += 1;
        flight.url = next;
        self.exchanges.remove(&exchange);
        self.send(ask, timeout, give_up_at);
        None
    }

    fn send(&mut self, ask: AskId, timeout: Duration, give_up_at: Instant) {
        let exchange = self.ids.next();
        let flight = self.flights.get_mut(&ask).expect("only live flights are sent");
        flight.stage = Stage::Sent { exchange, give_up_at, told: false };
        let request = HttpRequest {
            id: exchange,
            purpose: Purpose::Tracker,
            url: flight.url.clone(),
            family: flight.lane.1,
            timeout,
            body_bytes_max: BODY_BYTES_MAX,
            post: None,
        };
        self.exchanges.insert(exchange, ask);
        self.timers.set(ask, Some(give_up_at.after(GRACE)));
        self.outputs.push_back(HttpOut::Start { ask, request });
    }

    /// Forgets a flight and frees its slot; the exchange, if the owner knows one, is returned.
    fn retire(&mut self, ask: AskId) -> Option<ExchangeId> {
        let flight = self.flights.remove(&ask)?;
        let Stage::Sent { exchange, told, .. } = flight.stage else {
            return None;
        };
        self.timers.set(ask, None);
        self.exchanges.remove(&exchange);
        let lane = self.lanes.get_mut(&flight.lane).expect("a sent flight keeps its lane");
        lane.active -= 1;
        self.list(flight.lane, false);
        told.then_some(exchange)
    }

    fn finish(&mut self, ask: AskId, result: Result<HttpReply, HttpFailure>) {
        let key = self.flights.get(&ask).expect("a result belongs to a flight").lane.clone();
        let lane = self.lanes.get_mut(&key).expect("a sent flight keeps its lane");
        let silence = match &result {
            Err(HttpFailure::Exchange(error)) => match error {
                HttpError::NoAddress
                | HttpError::Connect(_)
                | HttpError::Tls(_)
                | HttpError::Timeout => Some(error.clone()),
                HttpError::BadUrl | HttpError::Protocol(_) | HttpError::TooLarge => None,
            },
            Ok(_) | Err(HttpFailure::Redirect(_)) => None,
        };
        lane.failures_in_a_row = if silence.is_some() { lane.failures_in_a_row + 1 } else { 0 };
        let is_dead = lane.failures_in_a_row >= self.limits.per_server_max;
        let waiting = if is_dead { core::mem::take(&mut lane.waiting) } else { VecDeque::new() };
        self.retire(ask);
        self.outputs.push_back(HttpOut::Done { ask, result });
        if let Some(error) = silence {
            self.fail_waiting(&key, waiting, &error);
        }
    }

    fn fail_waiting(&mut self, key: &LaneKey, waiting: VecDeque<AskId>, error: &HttpError) {
        for ask in waiting {
            match self.flights.get(&ask) {
                Some(flight) if flight.urgent => {
                    let lane = self.lanes.entry(key.clone()).or_default();
                    lane.waiting.push_back(ask);
                }
                Some(_) => {
                    self.flights.remove(&ask);
                    let result = Err(HttpFailure::Exchange(error.clone()));
                    self.outputs.push_back(HttpOut::Done { ask, result });
                }
                None => {}
            }
        }
        if self.lanes.contains_key(key) {
            self.list(key.clone(), false);
        }
    }

    /// Puts a lane where [`Self::pump`] finds it if it can use a slot; drops it if it is unused.
    fn list(&mut self, key: LaneKey, ahead: bool) {
        let lane = self.lanes.get_mut(&key).expect("only known lanes are listed");
        if lane.listed {
            return;
        }
        if lane.waiting.is_empty() {
            if lane.active == 0 {
                self.lanes.remove(&key);
            }
        } else if lane.active < self.limits.per_server_max {
            lane.listed = true;
            if ahead {
                self.ready.push_front(key);
            } else {
                self.ready.push_back(key);
            }
        }
    }

    fn pump(&mut self, now: Instant) {
        while self.exchanges.len() < self.limits.all_max {
            let Some(key) = self.ready.pop_front() else {
                break;
            };
            let lane = self.lanes.get_mut(&key).expect("listed lanes are known");
            lane.listed = false;
            while let Some(ask) = lane.waiting.pop_front() {
                if let Some(flight) = self.flights.get(&ask) {
                    lane.active += 1;
                    let timeout = flight.timeout;
                    self.send(ask, timeout, now.after(timeout));
                    break;
                }
            }
            self.list(key, false);
        }
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        assert!(self.exchanges.len() <= self.limits.all_max);
        let active: usize = self.lanes.values().map(|lane| lane.active).sum();
        assert_eq!(active, self.exchanges.len());
        for (key, lane) in &self.lanes {
            assert!(lane.active <= self.limits.per_server_max);
            assert_eq!(lane.listed, self.ready.contains(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::START.after(Duration::from_secs(s))
    }

    fn ask(authority: &str) -> HttpAsk {
        HttpAsk {
            authority: authority.to_owned(),
            url: format!("http://{authority}/"),
            family: Family::V4,
            timeout: Duration::from_secs(15),
            urgent: false,
        }
    }

    fn reply(status: u16, location: Option<&str>) -> HttpReply {
        let location = location.map(str::to_owned);
        HttpReply { status, location, content_type: None, body: Vec::new() }
    }

    /// The machine, and the exchanges by the order in which they were started.
    struct Bench {
        http: Http,
        started: Vec<HttpRequest>,
    }

    impl Bench {
        fn new(all_max: usize, per_server_max: usize) -> Self {
            let limits = HttpLimits { all_max, per_server_max };
            Self { http: Http::new(limits, Ids::http()), started: Vec::new() }
        }

        /// `>1 http://a/` started, `x0` cancelled the exchange numbered 0, `1 ok` done.
        fn drain(&mut self) -> Vec<String> {
            self.http.assert_invariants();
            let mut lines = Vec::new();
            while let Some(out) = self.http.poll() {
                lines.push(match out {
                    HttpOut::Start { ask, request } => {
                        let line = format!(">{} {}", ask.0, request.url);
                        self.started.push(request);
                        line
                    }
                    HttpOut::Cancel(id) => {
                        let number = self.started.iter().position(|request| request.id == id);
                        format!("x{}", number.unwrap())
                    }
                    HttpOut::Done { ask, result: Ok(reply) } => {
                        format!("{} {}", ask.0, reply.status)
                    }
                    HttpOut::Done { ask, result: Err(error) } => format!("{} {error}", ask.0),
                });
            }
            lines
        }

        fn answer(&mut self, number: usize, result: Result<HttpReply, HttpError>, s: u64) {
            self.http.on_http(self.started[number].id, result, at(s));
        }
    }

    #[test]
    fn servers_take_turns_within_the_limits() {
        let mut bench = Bench::new(3, 2);
        for (number, server) in ["a", "a", "a", "a", "b", "b", "c"].into_iter().enumerate() {
            bench.http.begin(AskId(number as u64), ask(server), at(0));
        }
        assert_eq!(bench.drain(), [">0 http://a/", ">1 http://a/", ">4 http://b/"]);
        bench.answer(0, Ok(reply(200, None)), 1);
        assert_eq!(bench.drain(), ["0 200", ">5 http://b/"]);
        bench.answer(1, Ok(reply(200, None)), 1);
        assert_eq!(bench.drain(), ["1 200", ">6 http://c/"]);
        bench.answer(2, Ok(reply(200, None)), 1);
        assert_eq!(bench.drain(), ["4 200", ">2 http://a/"]);
    }

    #[test]
    fn urgent_asks_go_first_and_cancelled_ones_never() {
        let mut bench = Bench::new(1, 1);
        bench.http.begin(AskId(0), ask("a"), at(0));
        bench.http.begin(AskId(1), ask("a"), at(0));
        bench.http.begin(AskId(2), ask("b"), at(0));
        bench.http.begin(AskId(3), HttpAsk { urgent: true, ..ask("c") }, at(0));
        bench.http.cancel(AskId(2), at(0));
        assert_eq!(bench.drain(), [">0 http://a/"]);
        bench.http.cancel(AskId(0), at(1));
        assert_eq!(bench.drain(), ["x0", ">3 http://c/"]);
        bench.answer(1, Ok(reply(200, None)), 1);
        assert_eq!(bench.drain(), ["3 200", ">1 http://a/"]);
        bench.answer(2, Ok(reply(200, None)), 1);
        assert_eq!(bench.drain(), ["1 200"]);
        assert!(bench.http.lanes.is_empty());
        assert_eq!(bench.http.deadline(), None);
    }

    #[test]
    fn redirects_share_one_time_out() {
        let mut bench = Bench::new(9, 9);
        bench.http.begin(AskId(0), ask("a"), at(0));
        bench.drain();
        bench.answer(0, Ok(reply(302, Some("https://b/"))), 6);
        assert_eq!(bench.drain(), [">0 https://b/"]);
        assert_eq!(bench.started[1].timeout, Duration::from_secs(9));
        // A late answer of the first hop is nobody's.
        bench.answer(0, Ok(reply(200, None)), 7);
        assert!(bench.drain().is_empty());
        bench.answer(1, Ok(reply(302, Some("http://a/"))), 8);
        assert_eq!(bench.drain(), ["0 redirect from https down to http"]);
    }

    #[test]
    fn an_exchange_that_the_service_lost_is_ended() {
        let mut bench = Bench::new(9, 9);
        bench.http.begin(AskId(0), ask("a"), at(0));
        bench.drain();
        assert_eq!(bench.http.deadline(), Some(at(17)));
        bench.http.on_deadline(at(17));
        assert_eq!(bench.drain(), ["x0", "0 no answer in time"]);
        assert_eq!(bench.http.deadline(), None);
    }

    #[test]
    fn waiters_of_a_dead_server_fail_with_it() {
        let mut bench = Bench::new(9, 2);
        for number in 0..100 {
            bench.http.begin(AskId(number), ask("a"), at(0));
        }
        bench.http.begin(AskId(100), HttpAsk { urgent: true, ..ask("a") }, at(0));
        assert_eq!(bench.drain().len(), 2);
        bench.answer(0, Err(HttpError::Timeout), 15);
        assert_eq!(bench.drain(), ["0 no answer in time", ">100 http://a/"]);
        bench.answer(1, Err(HttpError::Timeout), 15);
        let lines = bench.drain();
        assert_eq!(lines.len(), 99);
        assert_eq!(lines[98], "99 no answer in time");
    }
}
