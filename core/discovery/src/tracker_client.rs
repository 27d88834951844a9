//! The tracker client: one machine for all torrents of the node.
//!
//! Source: BEP 3 and 23 (HTTP), 7 (IPv6), 12 (tiers), 15 and 41 (UDP), 24 (our address), 27
//! (private torrents), 31 (retry), 48 (scrape). What we do differently is said in `walk`, `pace`
//! and `udp`.
//!
//! Events: `started` goes to each tracker and family until it is acknowledged; `completed` at
//! most once per tracker, over one family, to those that knew us as a leecher; it is sent again
//! only if the first one certainly was not heard. `stopped` is tried once, and all of a
//! torrent's have [`STOP_BUDGET`] together.
//!
//! Drive it as all our machines are driven: feed an event, call [`TrackerClient::poll_output`]
//! until it returns `None`, sleep until [`TrackerClient::deadline`]. The cost of an event is
//! logarithmic in the number of torrents: each sub-machine (`http`, `udp`, `names`) has its
//! outputs in a queue and its deadlines in an ordered set, and so has the machine itself.
//!
//! Invariant: an ask is in `asks` exactly as long as a channel of its torrent is busy with it.

mod asks;
mod http;
mod ids;
mod names;
mod pace;
mod spec;
mod target;

mod udp;
mod walk;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use base::{
    ExchangeId, Family, HttpError, HttpReply, InfoHash, Instant, PeerId, Resolved, Rng, SwarmId,
};
use wire::tracker::Event;

use crate::timers::Timers;
use asks::Ask;
use http::{Http, HttpLimits};
use ids::{AskId, Ids};
use names::Names;
use target::{Target, TargetHost};

use udp::{Udp, UdpLimits};
use walk::{Channel, Standing, Tracker, TrackerIndex, Walk};

pub use ids::EXCHANGE_TAG;
pub use spec::{
    AnnounceSpec, Config, Families, NUMWANT_RANGE, Output, Progress, TRACKERS_MAX, TrackerReport,
    URLS_MAX,
};
pub use target::{IgnoredTracker, TRACKER_URL_BYTES_MAX};

/// Time for all `stopped` announces of a torrent, so that leaving is quick: a tracker that needs
/// more will forget us by itself after an interval or two.
pub const STOP_BUDGET: Duration = Duration::from_secs(5);

/// Torrents woken by one call of [`TrackerClient::on_deadline`]; if more are due, the deadline
/// stays in the past. Bounds how long the hub is kept from its other work.
const WAKES_PER_CALL_MAX: usize = 256;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct TrackerClient {
    config: Config,
    rng: Rng,
    torrents: BTreeMap<SwarmId, Torrent>,
    asks: BTreeMap<AskId, Ask>,
    asks_begun: u64,
    timers: Timers<SwarmId>,
    http: Http,
    udp: Udp,
    names: Names,
    /// Our addresses as trackers see them.
    external_v4: Option<IpAddr>,
    external_v6: Option<IpAddr>,
    /// Where the router takes peers for us, by IPv4.
    mapped_port: Option<u16>,
    outputs: VecDeque<Output>,
    /// Torrents looked at since the start; lets a test see that an event costs the same
    /// whatever their number.
    #[cfg(test)]
    visits: u64,
}

#[derive(Debug)]
struct Torrent {
    info_hash: InfoHash,
    peer_id: PeerId,
    key: u32,
    private: bool,
    progress: Progress,
    wants_peers: bool,
    /// It was complete when it was added, or before.
    was_complete: bool,
    walk: Walk,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Live,
    /// This many `stopped` are under way.
    Stopping {
        open: usize,
    },
}

impl TrackerClient {
    /// A machine without torrents.
    pub fn new(config: Config, mut rng: Rng) -> Self {
        assert!(config.families.v4 || config.families.v6, "no family reaches no tracker");
        let http = HttpLimits {
            all_max: config.http_concurrent_max,
            per_server_max: config.http_per_server_max,
        };
        let udp = UdpLimits { tries: config.udp_tries, in_flight_max: config.udp_in_flight_max };
        Self {
            config,
            torrents: BTreeMap::new(),
            asks: BTreeMap::new(),
            asks_begun: 0,
            timers: Timers::new(),
            http: Http::new(http, Ids::http()),
            udp: Udp::new(udp, rng.fork()),
            names: Names::new(Ids::names()),
            external_v4: None,
            external_v6: None,
            mapped_port: None,
            outputs: VecDeque::new(),
            #[cfg(test)]
            visits: 0,
            rng,
        }
    }

    /// Whether a reply with this id is for [`Self::on_http`] or [`Self::on_resolved`] of the
    /// tracker client.
    pub fn owns(id: ExchangeId) -> bool {
        ids::owns(id)
    }

    /// Starts to announce `torrent`.
    ///
    /// A torrent that is being stopped may be added again; the rest of its `stopped` announces
    /// is given up, and [`Output::StoppedAll`] comes first. One that is live may not.
    pub fn add(&mut self, torrent: SwarmId, spec: AnnounceSpec, now: Instant) {
        if let Some(known) = self.torrents.get(&torrent) {
            assert!(known.phase != Phase::Live, "a torrent is added once");
            self.end_stopping(torrent, now);
        }
        let walk = self.plan(torrent, spec.tiers, spec.private);
        let was_complete = spec.was_complete || spec.progress.left_bytes == Some(0);
        self.torrents.insert(
            torrent,
            Torrent {
                info_hash: spec.info_hash,
                peer_id: spec.peer_id,
                key: spec.key,
                private: spec.private,
                progress: spec.progress,
                wants_peers: true,
                was_complete,
                walk,
                phase: Phase::Live,
            },
        );
        self.advance(torrent, now);
        self.settle(now);
    }

    /// Sets the counters for the announces from now on.
    pub fn set_progress(&mut self, torrent: SwarmId, progress: Progress) {
        if let Some(known) = self.torrents.get_mut(&torrent) {
            // Only now it is known that nothing was missing from the start.
            let first = known.progress.left_bytes.is_none() && progress.downloaded_bytes == 0;
            known.was_complete |= first && progress.left_bytes == Some(0);
            known.progress = progress;
        }
    }

    /// What is wanted is there, though not all there is (BEP 21): from now on said with each
    /// announce that has nothing else to say.
    pub fn on_paused(&mut self, torrent: SwarmId) {
        if let Some(known) = self.torrents.get_mut(&torrent) {
            known.walk.paused = true;
        }
    }

    /// The router takes peers for us at this port of its own, by IPv4: said with the announces from now
    /// on.
    pub fn set_mapped_port(&mut self, port: Option<u16>) {
        self.mapped_port = port;
    }

    /// The download has just finished: tells the trackers that know us as a leecher. Once; a
    /// torrent that was complete when it was added, or earlier, tells nobody. Of the trackers of a
    /// private torrent only one hears it: they are doors of one house, which counts downloads.
    pub fn on_completed(&mut self, torrent: SwarmId, now: Instant) {
        let Some(known) = self.live(torrent) else {
            return;
        };
        known.walk.finished = !known.was_complete;
        while let Some(due) = self
            .live(torrent)
            .filter(|known| !known.private)
            .and_then(|known| known.walk.due_completed())
        {
            self.announce(torrent, due, now);
        }
        self.advance(torrent, now);
        self.settle(now);
    }

    /// The swarm is short of peers: announces as early as the tracker allows.
    pub fn want_peers(&mut self, torrent: SwarmId, now: Instant) {
        if let Some(known) = self.live(torrent) {
            known.wants_peers = true;
            known.walk.hungry = true;
            self.advance(torrent, now);
            self.settle(now);
        }
    }

    /// The swarm needs no more peers until [`Self::want_peers`]: announces ask for none.
    pub fn enough_peers(&mut self, torrent: SwarmId) {
        if let Some(known) = self.live(torrent) {
            known.wants_peers = false;
            known.walk.hungry = false;
        }
    }

    /// Stops announcing: `stopped` to each tracker that heard `started`, one try each, then
    /// [`Output::StoppedAll`] within [`STOP_BUDGET`]. A `started` of a private torrent that is under
    /// way is waited for, so that no tracker keeps us on its books.
    pub fn remove(&mut self, torrent: SwarmId, now: Instant) {
        let Some(known) = self.live(torrent) else {
            return;
        };
        let private = known.private;
        let mut busy: Vec<AskId> = known
            .walk
            .channels()
            .filter_map(|(_, _, channel)| channel.busy)
            .map(|b| b.ask)
            .collect();
        let knowing: Vec<_> = known
            .walk
            .channels()
            .filter(|(_, _, channel)| {
                channel.standing != Standing::Unknown && channel.outlook != walk::Outlook::Dropped
            })
            .map(|(tracker, channel, _)| (tracker, channel))
            .collect();
        let all = busy.len();
        if private {
            // It may be heard yet, and then so must `stopped`: see `finish`.
            busy.retain(|ask| {
                let sent = self.http.is_sent(*ask) || self.udp.is_sent(*ask);
                !(sent && self.asks.get(ask).is_some_and(Ask::is_start))
            });
        }
        let starting = all - busy.len();
        let known = self.torrents.get_mut(&torrent).expect("found above");
        known.phase = Phase::Stopping { open: knowing.len() + starting };
        for ask in busy {
            self.cancel(ask, now);
        }
        self.timers.set(torrent, Some(now.after(STOP_BUDGET)));
        if knowing.is_empty() && starting == 0 {
            self.end_stopping(torrent, now);
        }
        for (tracker, channel) in knowing {
            self.announce(torrent, walk::Due { tracker, channel, event: Event::Stopped }, now);
        }
        self.settle(now);
    }

    /// Asks the tracker in use for the size of the swarm (BEP 48). Ignored while it is busy and
    /// within a minute of the last scrape; an announce tells the same.
    pub fn scrape(&mut self, torrent: SwarmId, now: Instant) {
        if self.live(torrent).is_some() {
            self.begin_scrape(torrent, now);
            self.settle(now);
        }
    }

    /// The end of an exchange. Others' ids and ended ones are ignored.
    pub fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>, now: Instant) {
        self.http.on_http(id, result, now);
        self.settle(now);
    }

    /// The answer to a query for a name. Others' ids and ended ones are ignored.
    pub fn on_resolved(&mut self, resolved: Resolved, now: Instant) {
        self.names.on_resolved(resolved, now);
        self.settle(now);
    }

    /// A datagram came in. False: it is not from a tracker that owes us one; somebody else may
    /// have use for it.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> bool {
        let taken = self.udp.on_datagram(from, bytes, now);
        self.settle(now);
        taken
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Instant) {
        self.names.on_deadline(now);
        self.http.on_deadline(now);
        self.udp.on_deadline(now);
        self.settle(now);
        for _ in 0..WAKES_PER_CALL_MAX {
            let Some(torrent) = self.timers.pop_due(now) else {
                break;
            };
            match self.torrents.get(&torrent).map(|known| known.phase) {
                Some(Phase::Live) => self.advance(torrent, now),
                Some(Phase::Stopping { .. }) => self.end_stopping(torrent, now),
                None => {}
            }
        }
        self.settle(now);
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first. `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        let all =
            [self.timers.first(), self.http.deadline(), self.udp.deadline(), self.names.deadline()];
        all.into_iter().flatten().min()
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn live(&mut self, torrent: SwarmId) -> Option<&mut Torrent> {
        self.torrents.get_mut(&torrent).filter(|known| known.phase == Phase::Live)
    }

    /// The trackers of a new torrent, shuffled within their tiers (BEP 12).
    fn plan(&mut self, torrent: SwarmId, tiers: Vec<Vec<String>>, private: bool) -> Walk {
        let mut walk = Walk {
            trackers: Vec::new(),
            tiers: Vec::new(),
            finished: false,
            paused: false,
            hungry: false,
            sticky: private,
        };
        let mut seen = BTreeSet::new();
        let mut urls_left = URLS_MAX;
        for tier in tiers {
            let mut order = Vec::new();
            for name in tier.into_iter().take(urls_left) {
                urls_left -= 1;
                match self.check_tracker(&name, walk.trackers.len(), private) {
                    Ok(tracker) if seen.insert(tracker.target.url.clone()) => {
                        order.push(TrackerIndex(walk.trackers.len()));
                        walk.trackers.push(tracker);
                    }
                    Ok(_again) => {}
                    Err(why) => {
                        // A name too long for use is too long for a report.
                        let tracker = name.chars().take(TRACKER_URL_BYTES_MAX).collect();
                        let report = TrackerReport::Ignored(why);
                        self.outputs.push_back(Output::Report { swarm: torrent, tracker, report });
                    }
                }
            }
            for last in (1..order.len()).rev() {
                let bound = u32::try_from(last + 1).expect("at most TRACKERS_MAX");
                order.swap(last, self.rng.below(bound) as usize);
            }
            walk.tiers.push(order);
        }
        walk
    }

    fn check_tracker(
        &self,
        name: &str,
        known: usize,
        private: bool,
    ) -> Result<Tracker, IgnoredTracker> {
        let target = Target::parse(name)?;
        let mut families = self.config.families.iter().filter(|&family| match target.host {
            TargetHost::Name(_) => true,
            TargetHost::Literal(addr) => addr.is_ipv4() == (family == Family::V4),
        });
        let channels: Vec<Channel> = if private {
            let first = families.next();
            first.map(|family| Channel::single(family, families.next())).into_iter().collect()
        } else {
            families.map(Channel::new).collect()
        };
        if channels.is_empty() {
            return Err(IgnoredTracker::Family);
        }
        if known >= TRACKERS_MAX {
            return Err(IgnoredTracker::TooMany);
        }
        Ok(Tracker {
            name: name.to_owned(),
            target,
            channels,
            completed_told: false,
            tracker_id: None,
        })
    }

    /// Sends what is due, and sets the torrent's alarm.
    fn advance(&mut self, torrent: SwarmId, now: Instant) {
        #[cfg(test)]
        {
            self.visits += 1;
        }
        let mut announced = false;
        while let Some(due) = self.live(torrent).and_then(|known| known.walk.due(now)) {
            self.announce(torrent, due, now);
            announced = true;
        }
        let Some(known) = self.live(torrent) else {
            return;
        };
        known.walk.hungry &= !announced;
        let wake_at = known.walk.wake_at(now);
        self.timers.set(torrent, wake_at);
    }

    /// Gives up what `stopped` announces are left, and forgets the torrent.
    fn end_stopping(&mut self, torrent: SwarmId, now: Instant) {
        let known = self.torrents.get(&torrent).expect("called for a known torrent");
        let busy: Vec<AskId> = known
            .walk
            .channels()
            .filter_map(|(_, _, channel)| channel.busy)
            .map(|b| b.ask)
            .collect();
        for ask in busy {
            self.cancel(ask, now);
        }
        self.torrents.remove(&torrent);
        self.timers.set(torrent, None);
        self.outputs.push_back(Output::StoppedAll { swarm: torrent });
    }
}

#[cfg(test)]
mod tests;
