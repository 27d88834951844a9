//! Announces and scrapes of one torrent, from the request to what the answer means for it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base::{Family, HttpReply, Instant, SwarmId};
use wire::tracker::{
    AnnounceReply, AnnounceRequest, Announced, Event, Failure, RetryIn, SwarmCounts,
};
use wire::tracker_http::{
    ScrapeReply, announce_url, decode_announce, decode_scrape, scrape_request_url, scrape_url,
};
use wire::tracker_udp::url_data;

use super::http::{HttpAsk, HttpFailure, HttpOut};
use super::ids::AskId;
use super::names::NamesOut;
use super::pace::{self, Asked};
use super::spec::{NUMWANT_RANGE, Output, TrackerReport};
use super::target::{Scheme, TargetHost, is_reachable};
use super::udp::{UdpFailure, UdpOut, UdpQuery, UdpReply};
use super::walk::{Busy, ChannelIndex, Counts, Due, Outlook, Standing, TrackerIndex};
use super::{Phase, Torrent, TrackerClient};

/// Time for an announce or scrape over HTTP, redirects included.
const HTTP_TIMEOUT: Duration = Duration::from_secs(15);

/// Time for one `stopped`, within the budget of all.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Shortest time between two scrapes of a torrent at one tracker.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(60);

/// What we say is left while we don't know: one block, so that nobody takes us for a seed.
const LEFT_UNKNOWN_BYTES: u64 = 16 * 1024;

/// Most peers passed on from one reply: twice the most that we ask for.
const PEERS_MAX: usize = 400;

/// One announce or scrape under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    torrent: SwarmId,
    tracker: TrackerIndex,
    channel: ChannelIndex,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// `missing`: we had less than everything when it was sent.
    Announce {
        event: Event,
        missing: bool,
    },
    Scrape,
}

impl Ask {
    /// Whether it is the first announce.
    pub(super) fn is_start(&self) -> bool {
        matches!(self.what, What::Announce { event: Event::Started, .. })
    }
}

impl What {
    fn is_stop(self) -> bool {
        matches!(self, Self::Announce { event: Event::Stopped, .. })
    }
}

/// How an ask ended.
enum Outcome {
    Announced { announced: Box<Announced>, binding: bool },
    Scraped(SwarmCounts),
    NoAddress,
    Failed { reason: String, retry_in: Option<RetryIn>, heard: Heard },
}

/// Whether a tracker that failed us knows of the announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Certainly not.
    No,
    /// Nobody knows.
    Perhaps,
    /// It said no.
    Refused,
}

impl Outcome {
    fn refused(failure: Failure) -> Self {
        let reason = if failure.reason.trim().is_empty() {
            "it refuses, and does not say why".to_owned()
        } else {
            failure.reason
        };
        Self::Failed { reason, retry_in: failure.retry_in, heard: Heard::Refused }
    }

    fn garbled(reason: String) -> Self {
        Self::Failed { reason, retry_in: None, heard: Heard::Perhaps }
    }
}

impl TrackerClient {
    /// Begins the announce `due`.
    pub(super) fn announce(&mut self, torrent: SwarmId, due: Due, now: Instant) {
        let known = self.torrents.get_mut(&torrent).expect("called for a known torrent");
        if due.event == Event::Completed {
            known.set_completed_told(due.tracker, true);
        }
        let missing = known.is_missing();
        let what = What::Announce { event: due.event, missing };
        self.begin(Ask { torrent, tracker: due.tracker, channel: due.channel, what }, now);
    }

    pub(super) fn begin_scrape(&mut self, torrent: SwarmId, now: Instant) {
        let known = self.torrents.get_mut(&torrent).expect("called for a known torrent");
        let Some(tracker) = known.walk.pick(now) else {
            return;
        };
        let place = known.walk.trackers[tracker.0].channels.iter().position(|channel| {
            let reached = matches!(channel.outlook, Outlook::Untried | Outlook::Working { .. });
            channel.busy.is_none() && reached && channel.scrape_at <= now
        });
        let Some(channel) = place.map(ChannelIndex) else {
            return;
        };
        let target = &known.walk.trackers[tracker.0].target;
        if target.scheme == Scheme::Http && scrape_url(&target.url).is_none() {
            let reason = "its URL has no place for scrapes".to_owned();
            self.report(torrent, tracker, TrackerReport::ScrapeFailed { reason });
            return;
        }
        known.walk.channel_mut(tracker, channel).scrape_at = now.after(SCRAPE_INTERVAL);
        self.begin(Ask { torrent, tracker, channel, what: What::Scrape }, now);
    }

    /// Hands an ask to its transport and marks its channel busy.
    fn begin(&mut self, ask: Ask, now: Instant) {
        self.asks_begun += 1;
        let id = AskId(self.asks_begun);
        let known = self.torrents.get_mut(&ask.torrent).expect("called for a known torrent");
        let target = known.walk.trackers[ask.tracker.0].target.clone();
        let late_at = match target.scheme {
            Scheme::Http => None,
            Scheme::Udp => Some(now.after(known.patience(self.config.patience))),
        };
        let channel = known.walk.channel_mut(ask.tracker, ask.channel);
        assert!(channel.busy.is_none(), "a channel carries one ask at a time");
        channel.busy = Some(Busy { ask: id, late_at });
        let family = channel.family;
        self.asks.insert(id, ask);
        match (target.scheme, target.host) {
            (Scheme::Http, _) => {
                let what = HttpAsk {
                    authority: known.walk.trackers[ask.tracker.0].target.authority(),
                    url: self.http_url(ask),
                    family,
                    timeout: if ask.what.is_stop() { STOP_TIMEOUT } else { HTTP_TIMEOUT },
                    urgent: ask.what.is_stop(),
                };
                self.http.begin(id, what, now);
            }
            (Scheme::Udp, TargetHost::Name(name)) => self.names.look_up(&name, id, now),
            (Scheme::Udp, TargetHost::Literal(addr)) => self.begin_udp(id, addr, now),
        }
    }

    fn begin_udp(&mut self, id: AskId, addr: IpAddr, now: Instant) {
        let ask = self.asks[&id];
        let known = &self.torrents[&ask.torrent];
        let target = &known.walk.trackers[ask.tracker.0].target;
        let query = match ask.what {
            What::Announce { event, .. } => UdpQuery::Announce {
                request: self.request(known, ask, event),
                url_data: url_data(&target.url).to_owned(),
            },
            What::Scrape => UdpQuery::Scrape(known.info_hash),
        };
        let to = SocketAddr::new(addr, target.port);
        let budget = ask.what.is_stop().then_some(STOP_TIMEOUT);
        self.udp.begin(id, to, query, budget, now);
    }

    fn http_url(&self, ask: Ask) -> String {
        let known = &self.torrents[&ask.torrent];
        let base = &known.walk.trackers[ask.tracker.0].target.url;
        match ask.what {
            What::Announce { event, .. } => announce_url(base, &self.request(known, ask, event)),
            What::Scrape => {
                let scrape = scrape_url(base).expect("checked before the scrape began");
                scrape_request_url(&scrape, &[known.info_hash])
            }
        }
    }

    fn request(&self, known: &Torrent, ask: Ask, event: Event) -> AnnounceRequest {
        let tracker = &known.walk.trackers[ask.tracker.0];
        let mapped =
            self.mapped_port.filter(|_| tracker.channels[ask.channel.0].family != Family::V6);
        let left = if known.walk.finished { Some(0) } else { known.progress.left_bytes };
        let numwant = if known.wants_peers && event != Event::Stopped {
            self.config.numwant.clamp(*NUMWANT_RANGE.start(), *NUMWANT_RANGE.end())
        } else {
            0
        };
        AnnounceRequest {
            info_hash: known.info_hash,
            peer_id: known.peer_id,
            port: mapped.unwrap_or(self.config.listen_port),
            uploaded_bytes: known.progress.uploaded_bytes,
            downloaded_bytes: known.progress.downloaded_bytes,
            left_bytes: left.unwrap_or(LEFT_UNKNOWN_BYTES),
            event,
            key: known.key,
            numwant: Some(numwant),
            tracker_id: tracker.tracker_id.clone(),
        }
    }

    /// Ends an ask without an outcome.
    pub(super) fn cancel(&mut self, id: AskId, now: Instant) {
        if let Some(ask) = self.asks.remove(&id) {
            let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
            known.walk.channel_mut(ask.tracker, ask.channel).busy = None;
            self.http.cancel(id, now);
            self.udp.cancel(id, now);
        }
    }

    /// Carries what the sub-machines say to where it belongs, until all are quiet.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(out) = self.http.poll() {
                self.on_http_out(out, now);
            } else if let Some(out) = self.names.poll() {
                self.on_names_out(out, now);
            } else if let Some(out) = self.udp.poll() {
                self.on_udp_out(out, now);
            } else {
                break;
            }
        }
    }

    fn on_http_out(&mut self, out: HttpOut, now: Instant) {
        match out {
            HttpOut::Start { ask, request } => {
                self.outputs.push_back(Output::Http(request));
                self.start_patience(ask, now);
            }
            HttpOut::Cancel(id) => self.outputs.push_back(Output::CancelHttp(id)),
            HttpOut::Done { ask, result } => {
                let Some(what) = self.asks.get(&ask).map(|ask| ask.what) else {
                    return;
                };
                let outcome = match result {
                    Ok(reply) => self.http_outcome(ask, what, &reply),
                    Err(HttpFailure::Exchange(base::HttpError::NoAddress)) => Outcome::NoAddress,
                    Err(error) => Outcome::Failed {
                        heard: if error.is_unheard() { Heard::No } else { Heard::Perhaps },
                        reason: error.to_string(),
                        retry_in: None,
                    },
                };
                self.finish(ask, outcome, now);
            }
        }
    }

    fn start_patience(&mut self, id: AskId, now: Instant) {
        let Some(&ask) = self.asks.get(&id) else {
            return;
        };
        let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
        let late_at = now.after(known.patience(self.config.patience));
        if let Some(busy) = &mut known.walk.channel_mut(ask.tracker, ask.channel).busy {
            busy.late_at.get_or_insert(late_at);
        }
        if known.phase == Phase::Live {
            let wake_at = known.walk.wake_at(now);
            self.timers.set(ask.torrent, wake_at);
        }
    }

    fn http_outcome(&self, id: AskId, what: What, reply: &HttpReply) -> Outcome {
        let is_success = (200..300).contains(&reply.status);
        let bad_status = || Outcome::garbled(format!("HTTP status {}", reply.status));
        match what {
            What::Announce { .. } => match decode_announce(&reply.body) {
                Ok(AnnounceReply::Failure(failure)) => Outcome::refused(failure),
                Ok(AnnounceReply::Announced(announced)) if is_success => {
                    Outcome::Announced { announced: Box::new(announced), binding: false }
                }
                Err(error) if is_success => Outcome::garbled(error.to_string()),
                Ok(AnnounceReply::Announced(_)) | Err(_) => bad_status(),
            },
            What::Scrape => match decode_scrape(&reply.body) {
                Ok(ScrapeReply::Failure(failure)) => Outcome::refused(failure),
                Ok(ScrapeReply::Scraped(swarms)) if is_success => {
                    let ours = self.torrents[&self.asks[&id].torrent].info_hash;
                    let counts = swarms.into_iter().find(|&(info_hash, _)| info_hash == ours);
                    Outcome::Scraped(counts.map(|(_, counts)| counts).unwrap_or_default())
                }
                Err(error) if is_success => Outcome::garbled(error.to_string()),
                Ok(ScrapeReply::Scraped(_)) | Err(_) => bad_status(),
            },
        }
    }

    fn on_names_out(&mut self, out: NamesOut, now: Instant) {
        let (id, addrs) = match out {
            NamesOut::Resolve(request) => {
                self.outputs.push_back(Output::Resolve(request));
                return;
            }
            NamesOut::Answer { ask, addrs } => (ask, addrs),
        };
        let Some(&ask) = self.asks.get(&id) else {
            return;
        };
        let channel = self.torrents[&ask.torrent].walk.channel(ask.tracker, ask.channel);
        let wants_v4 = channel.family == Family::V4;
        let fitting: Vec<IpAddr> =
            addrs.into_iter().filter(|addr| addr.is_ipv4() == wants_v4).collect();
        match channel.address_turn.checked_rem(fitting.len()) {
            Some(turn) => self.begin_udp(id, fitting[turn], now),
            None => self.finish(id, Outcome::NoAddress, now),
        }
    }

    fn on_udp_out(&mut self, out: UdpOut, now: Instant) {
        let (id, result) = match out {
            UdpOut::Send { to, bytes } => {
                self.outputs.push_back(Output::Datagram { to, bytes });
                return;
            }
            UdpOut::Done { ask, result } => (ask, result),
        };
        let outcome = match result {
            Ok(UdpReply::Announced(announced)) => {
                Outcome::Announced { announced: Box::new(announced), binding: true }
            }
            Ok(UdpReply::Scraped(counts)) => Outcome::Scraped(counts),
            Err(UdpFailure::Refused(reason)) => {
                Outcome::refused(Failure { reason, retry_in: None })
            }
            Err(UdpFailure::Silent { unheard }) => {
                let reason = "no answer in time".to_owned();
                let heard = if unheard { Heard::No } else { Heard::Perhaps };
                Outcome::Failed { reason, retry_in: None, heard }
            }
        };
        self.finish(id, outcome, now);
    }

    /// What the end of an ask means.
    fn finish(&mut self, id: AskId, outcome: Outcome, now: Instant) {
        let Some(ask) = self.asks.remove(&id) else {
            return;
        };
        let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
        known.walk.channel_mut(ask.tracker, ask.channel).busy = None;
        if let Phase::Stopping { open } = &mut known.phase {
            if ask.is_start() && matches!(outcome, Outcome::Announced { .. }) {
                let (tracker, channel) = (ask.tracker, ask.channel);
                self.announce(ask.torrent, Due { tracker, channel, event: Event::Stopped }, now);
                return;
            }
            *open -= 1;
            if *open == 0 {
                self.end_stopping(ask.torrent, now);
            }
            return;
        }
        match (ask.what, outcome) {
            (What::Scrape, outcome) => self.on_scraped(ask, outcome),
            (What::Announce { event, missing }, Outcome::Announced { announced, binding }) => {
                self.on_announced(ask, (event, missing), *announced, binding, now);
            }
            (What::Announce { event, .. }, outcome) => {
                self.on_announce_failed(ask, event, outcome, now);
            }
        }
        self.advance(ask.torrent, now);
    }

    fn on_scraped(&mut self, ask: Ask, outcome: Outcome) {
        let report = match outcome {
            Outcome::Scraped(counts) => TrackerReport::Scraped {
                seeders: counts.complete,
                leechers: counts.incomplete,
                downloaded: counts.downloaded,
            },
            Outcome::Failed { reason, .. } => TrackerReport::ScrapeFailed { reason },
            Outcome::NoAddress | Outcome::Announced { .. } => {
                let reason = base::HttpError::NoAddress.to_string();
                TrackerReport::ScrapeFailed { reason }
            }
        };
        self.report(ask.torrent, ask.tracker, report);
    }

    fn on_announced(
        &mut self,
        ask: Ask,
        (event, missing): (Event, bool),
        announced: Announced,
        binding: bool,
        now: Instant,
    ) {
        let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
        let pace = pace::after_success(Asked {
            interval: announced.interval,
            min_interval: announced.min_interval,
            binding,
            strict: known.private,
        });
        known.walk.on_success(ask.tracker, ask.channel, pace, now);
        let channel = known.walk.channel_mut(ask.tracker, ask.channel);
        channel.settle_family();
        channel.counts = Counts { seeders: announced.complete, leechers: announced.incomplete };
        match event {
            Event::Started if missing => channel.standing = Standing::Leecher,
            Event::Started | Event::Completed => channel.standing = Standing::Seed,
            Event::None | Event::Stopped | Event::Paused => {}
        }
        let tracker = &mut known.walk.trackers[ask.tracker.0];
        if announced.tracker_id.is_some() {
            tracker.tracker_id = announced.tracker_id;
        }
        let counts = tracker.counts();
        let name = tracker.name.clone();
        if let Some(addr) = announced.external_ip {
            self.learn_external(addr);
        }
        let addrs = self.usable_peers(announced.peers);
        if !addrs.is_empty() {
            self.outputs.push_back(Output::Peers { swarm: ask.torrent, addrs, tracker: name });
        }
        let report = TrackerReport::Working {
            seeders: counts.seeders,
            leechers: counts.leechers,
            next_announce_in: pace.regular,
        };
        self.report(ask.torrent, ask.tracker, report);
        if let Some(words) = announced.warning {
            self.report(ask.torrent, ask.tracker, TrackerReport::Warning(words));
        }
    }

    fn on_announce_failed(&mut self, ask: Ask, event: Event, outcome: Outcome, now: Instant) {
        let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
        let (tracker, channel) = (ask.tracker, ask.channel);
        let times = known.walk.failures_with_next(tracker, channel);
        let (reason, retry_in, heard) = match outcome {
            Outcome::Failed { reason, retry_in, heard } => (Some(reason), retry_in, heard),
            Outcome::NoAddress => (None, None, Heard::No),
            Outcome::Announced { .. } | Outcome::Scraped(_) => (None, None, Heard::Perhaps),
        };
        if event == Event::Completed && heard == Heard::No {
            known.set_completed_told(tracker, false);
        }
        if heard == Heard::No && known.walk.channel_mut(tracker, channel).try_spare() {
            // Still due, now over the other family.
            return;
        }
        if retry_in == Some(RetryIn::Never) {
            self.drop_tracker(ask, reason.unwrap_or_default(), now);
            return;
        }
        let minutes = match retry_in {
            Some(RetryIn::Minutes(minutes)) => Some(Duration::from_secs(u64::from(minutes) * 60)),
            Some(RetryIn::Never) | None => None,
        };
        let refused = (known.private && heard == Heard::Refused).then_some(pace::REFUSED_HOLD);
        let minutes = minutes.max(refused);
        let wait = pace::after_failure(times, minutes, &mut self.rng);
        let mut retry_at = now.after(wait);
        let reason = if let Some(reason) = reason {
            retry_at = known.walk.on_failure(tracker, channel, retry_at);
            if !known.walk.is_failed_without(tracker, channel) {
                return;
            }
            reason
        } else {
            if !known.walk.on_absent(tracker, channel, now) {
                return;
            }
            known.walk.on_no_address(tracker, times, retry_at);
            base::HttpError::NoAddress.to_string()
        };
        let retry_in = Some(retry_at.saturating_since(now));
        let report = TrackerReport::Failed { reason, retry_in };
        self.report(ask.torrent, tracker, report);
    }

    /// The tracker wants never to hear of this torrent again (BEP 31).
    fn drop_tracker(&mut self, ask: Ask, reason: String, now: Instant) {
        let known = self.torrents.get_mut(&ask.torrent).expect("an ask keeps its torrent");
        known.walk.on_dropped(ask.tracker);
        let channels = &known.walk.trackers[ask.tracker.0].channels;
        let busy: Vec<AskId> =
            channels.iter().filter_map(|channel| channel.busy).map(|b| b.ask).collect();
        for other in busy {
            self.cancel(other, now);
        }
        let report = TrackerReport::Failed { reason, retry_in: None };
        self.report(ask.torrent, ask.tracker, report);
    }

    fn learn_external(&mut self, addr: IpAddr) {
        let known = if addr.is_ipv4() { &mut self.external_v4 } else { &mut self.external_v6 };
        if is_reachable(addr) && known.replace(addr) != Some(addr) {
            self.outputs.push_back(Output::ExternalAddr(addr));
        }
    }

    fn usable_peers(&self, peers: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let mut seen = BTreeSet::new();
        let own = [self.external_v4, self.external_v6];
        let is_own = |addr: &SocketAddr| {
            let ours = [Some(self.config.listen_port), self.mapped_port];
            ours.contains(&Some(addr.port())) && own.contains(&Some(addr.ip()))
        };
        let usable = peers.into_iter().filter(|addr| {
            addr.port() != 0 && is_reachable(addr.ip()) && !is_own(addr) && seen.insert(*addr)
        });
        usable.take(PEERS_MAX).collect()
    }

    fn report(&mut self, torrent: SwarmId, tracker: TrackerIndex, report: TrackerReport) {
        let tracker = self.torrents[&torrent].walk.trackers[tracker.0].name.clone();
        self.outputs.push_back(Output::Report { swarm: torrent, tracker, report });
    }
}

impl Torrent {
    fn is_missing(&self) -> bool {
        !self.walk.finished && self.progress.left_bytes != Some(0)
    }

    /// Notes that `completed` went out to a tracker, or did not after all. Of a private torrent
    /// one counts for all.
    fn set_completed_told(&mut self, tracker: TrackerIndex, told: bool) {
        if self.private {
            self.walk.trackers.iter_mut().for_each(|tracker| tracker.completed_told = told);
        } else {
            self.walk.trackers[tracker.0].completed_told = told;
        }
    }

    fn patience(&self, configured: Duration) -> Duration {
        if self.private { Duration::MAX } else { configured }
    }
}
