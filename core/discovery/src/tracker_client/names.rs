//! Host names of UDP trackers, resolved once for all torrents and kept for some minutes.
//!
//! Many waiters share one query. Invariant: a name with a query under way is in `queries`.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use base::{ExchangeId, Instant, Purpose, ResolveRequest, Resolved};

use super::ids::{AskId, Ids};
use super::target::is_reachable;
use crate::timers::Timers;

/// How long an answer with addresses is used. The effect carries no TTL; five minutes is what
/// most trackers' zones say.
const FOUND_KEPT: Duration = Duration::from_secs(5 * 60);

/// How long an empty answer is used: the same as the first back-off, so that a retry asks anew.
const MISSING_KEPT: Duration = Duration::from_secs(10);

/// Time for one query: two tries of 5 s, as resolvers do.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The service owes an answer by the time-out; after this more we answer ourselves.
const GRACE: Duration = Duration::from_secs(5);

/// Most names kept. A node with 10,000 torrents sees a few hundred; answers beyond are used
/// but not kept.
const NAMES_MAX: usize = 4096;

/// Most addresses kept per name, as [`Resolved`] promises.
const ADDRS_MAX: usize = 16;

#[derive(Debug)]
enum Name {
    Asked { waiting: Vec<AskId> },
    Known { addrs: Vec<IpAddr> },
}

#[derive(Debug)]
pub(crate) enum NamesOut {
    Resolve(ResolveRequest),
    /// Empty: the name has no address.
    Answer {
        ask: AskId,
        addrs: Vec<IpAddr>,
    },
}

#[derive(Debug)]
pub(crate) struct Names {
    ids: Ids,
    names: BTreeMap<String, Name>,
    /// By the last query for each name: under way, or answered and kept.
    queries: BTreeMap<ExchangeId, String>,
    timers: Timers<ExchangeId>,
    outputs: VecDeque<NamesOut>,
}

impl Names {
    pub(crate) fn new(ids: Ids) -> Self {
        Self {
            ids,
            names: BTreeMap::new(),
            queries: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Answers by an output, at once if the name is known.
    pub(crate) fn look_up(&mut self, host: &str, ask: AskId, now: Instant) {
        match self.names.get_mut(host) {
            Some(Name::Known { addrs }) => {
                let addrs = addrs.clone();
                self.outputs.push_back(NamesOut::Answer { ask, addrs });
            }
            Some(Name::Asked { waiting }) => waiting.push(ask),
            None => {
                let id = self.ids.next();
                self.names.insert(host.to_owned(), Name::Asked { waiting: vec![ask] });
                self.queries.insert(id, host.to_owned());
                self.timers.set(id, Some(now.after(QUERY_TIMEOUT + GRACE)));
                self.outputs.push_back(NamesOut::Resolve(ResolveRequest {
                    id,
                    purpose: Purpose::Tracker,
                    host: host.to_owned(),
                    timeout: QUERY_TIMEOUT,
                }));
            }
        }
    }

    pub(crate) fn on_resolved(&mut self, resolved: Resolved, now: Instant) {
        let Some(host) = self.queries.get(&resolved.id) else {
            return;
        };
        let Some(name) = self.names.get_mut(host) else {
            return;
        };
        let mut addrs = resolved.addrs;
        addrs.iter_mut().for_each(|addr| *addr = addr.to_canonical());
        addrs.retain(|&addr| is_reachable(addr));
        addrs.truncate(ADDRS_MAX);
        let waiting = match name {
            Name::Asked { waiting } => core::mem::take(waiting),
            Name::Known { .. } => return,
        };
        for ask in waiting {
            self.outputs.push_back(NamesOut::Answer { ask, addrs: addrs.clone() });
        }
        let kept = if addrs.is_empty() { MISSING_KEPT } else { FOUND_KEPT };
        *name = Name::Known { addrs };
        if self.names.len() > NAMES_MAX {
            self.forget(resolved.id);
        } else {
            self.timers.set(resolved.id, Some(now.after(kept)));
        }
    }

    /// Drops an old answer, or gives up on a query that the service lost.
    pub(crate) fn on_deadline(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop_due(now) {
            self.on_resolved(Resolved { id, addrs: Vec::new() }, now);
            self.forget(id);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first()
    }

    pub(crate) fn poll(&mut self) -> Option<NamesOut> {
        self.outputs.pop_front()
    }

    fn forget(&mut self, id: ExchangeId) {
        self.timers.set(id, None);
        if let Some(host) = self.queries.remove(&id) {
            self.names.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::START.after(Duration::from_secs(s))
    }

    fn drain(names: &mut Names) -> Vec<String> {
        core::iter::from_fn(|| names.poll())
            .map(|out| match out {
                NamesOut::Resolve(request) => format!("? {}", request.host),
                NamesOut::Answer { ask, addrs } => format!("{} {addrs:?}", ask.0),
            })
            .collect()
    }

    fn resolved(id: ExchangeId, addrs: &[&str]) -> Resolved {
        Resolved { id, addrs: addrs.iter().map(|addr| addr.parse().unwrap()).collect() }
    }

    #[test]
    fn waiters_share_one_query_and_its_answer_is_kept() {
        let mut ids = Ids::names();
        let id = ids.clone().next();
        let mut names = Names::new(ids.clone());
        names.look_up("t", AskId(1), at(0));
        names.look_up("t", AskId(2), at(0));
        assert_eq!(drain(&mut names), ["? t"]);

        names.on_resolved(resolved(id, &["192.0.2.1", "0.0.0.0", "::ffff:192.0.2.2"]), at(1));
        assert_eq!(drain(&mut names), ["1 [192.0.2.1, 192.0.2.2]", "2 [192.0.2.1, 192.0.2.2]"]);
        names.look_up("t", AskId(3), at(300));
        assert_eq!(drain(&mut names), ["3 [192.0.2.1, 192.0.2.2]"]);

        names.on_deadline(at(301));
        names.look_up("t", AskId(4), at(301));
        assert_eq!(drain(&mut names), ["? t"]);
        assert_ne!(ids.next(), ids.next());
    }

    #[test]
    fn a_query_that_the_service_lost_is_given_up() {
        let mut names = Names::new(Ids::names());
        names.look_up("t", AskId(1), at(0));
        drain(&mut names);
        assert_eq!(names.deadline(), Some(at(15)));
        names.on_deadline(at(15));
        assert_eq!(drain(&mut names), ["1 []"]);
        assert_eq!(names.deadline(), None);
        assert!(names.queries.is_empty() && names.names.is_empty());
    }

    #[test]
    fn an_answer_nobody_asked_for_changes_nothing() {
        let mut names = Names::new(Ids::names());
        names.on_resolved(resolved(ExchangeId(7), &["192.0.2.1"]), at(0));
        assert!(drain(&mut names).is_empty());
        assert!(names.names.is_empty());
    }
}
