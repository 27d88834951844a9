//! The hub: everything that torrents share.
//!
//! Source: architecture rule 3. It knows which shard has which torrent, hands incoming
//! connections over once their handshake names one, announces to trackers, leases the global
//! limits, and says when a torrent has reached its goal.
//!
//! Drive it like a shard. Messages for shards are outputs; the driver delivers them.

mod dht;
mod lan;
mod magnets;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use base::{
    ConnId, ExchangeId, HttpError, HttpReply, HttpRequest, Instant, PeerId, ResolveRequest,
    Resolved, Rng, SwarmId, TorrentId,
};
use discovery::dht::{Answer, Dht, QueryId};
use discovery::port_mapping::{Mapped, PortMapper};
use discovery::tracker_client::{
    self, AnnounceSpec, Families, Progress, TrackerClient, TrackerReport,
};
use storage::job::DiskError;
use storage::watch::Doubt;
use torrent::diary::Entry;
use torrent::peers::Source;
use torrent::peers::priority::is_local;
use wire::peer::{HANDSHAKE_BYTES, Handshake};

use crate::catalogue::{Catalogue, Removal};
use crate::fetch::{Fetch, Step};
use crate::limit::{Leases, Limits};
use crate::message::{Metadata, PeerNews, Phase, ToHub, ToShard, TorrentStatus, View};
use crate::peer_source::may_name_peers;
use crate::second_swarm::SecondSwarms;
use crate::shard::BANNED_MAX;
use crate::spec::{SeedGoal, TorrentSpec};

pub use dht::Settings as DhtSettings;
use lan::Lan;
pub use lan::Speaker;

/// Incoming connections that have not shown a handshake yet; more are closed at once.
const PENDING_MAX: usize = 128;

/// The same of one address; local ones are exempt. A provider may have many customers behind one.
const PENDING_PER_IP_MAX: usize = 32;

/// A handshake that takes longer never comes.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a removal waits for trackers to hear `completed`, which a `stopped` would overtake.
const COMPLETED_MAX: Duration = Duration::from_secs(3);

/// The same for private torrents: their trackers are often slow, and keep accounts of downloads.
const COMPLETED_MAX_PRIVATE: Duration = Duration::from_secs(10);

/// First number of our own HTTP exchanges; the tracker client's have another top byte.
const FETCH_EXCHANGES: u64 = (b'F' as u64) << 56;

/// Settings of a hub.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many shards there are.
    pub shards: usize,
    /// Our name (BEP 20).
    pub peer_id: PeerId,
    /// Where we accept peers.
    pub listen_port: u16,
    /// Address families that we announce over.
    pub families: Families,
    /// Whether trackers are told and asked at all.
    pub announce: bool,
    /// Whether neighbours are told what we have (BEP 14).
    pub lsd: bool,
    /// For how long the router is asked to map our port; `None`: not at all.
    pub port_mapping: Option<Duration>,
    /// What the keys of private torrents are made of (see `key_of`). The same in each run.
    pub key_secret: [u8; 16],
    /// The node of the DHT, if there is to be one.
    pub dht: Option<DhtSettings>,
    /// Rate limits; the shards are given the same.
    pub limits: Limits,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Deliver this. For [`ToShard::Incoming`], the socket goes with it.
    ToShard(usize, ToShard),
    /// Close an incoming connection.
    Close(ConnId),
    /// Run an exchange; answer by [`Hub::on_http`].
    Http(HttpRequest),
    /// The end of this exchange is of no interest any more.
    CancelHttp(ExchangeId),
    /// Resolve a name; answer by [`Hub::on_resolved`].
    Resolve(ResolveRequest),
    /// Send from the UDP port.
    Datagram(SocketAddr, Vec<u8>),
    /// Send to the group of local discovery, of IPv6 or else of IPv4, and listen there from now on. What
    /// comes is for [`Hub::on_lan_datagram`].
    Announce {
        /// Which group.
        v6: bool,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Look up the default router; answer by [`Hub::on_gateway`].
    FindGateway,
    /// Send from a UDP socket that is bound to our address on the way to the router. What comes is for
    /// [`Hub::on_lan_datagram`].
    ToRouter {
        /// Our address.
        ours: Ipv4Addr,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// News for the user.
    Event(Event),
    /// The answer to [`Hub::stop`].
    Stopped,
}

/// News for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Complete, verified, durable; and how it does. It may be gone from the changes before they are read.
    Settled(TorrentId, Box<TorrentStatus>),
    /// What a sought torrent is; see [`Hub::begin`].
    Metadata(TorrentId, Box<Metadata>),
    /// It cannot go on.
    Failed(TorrentId, DiskError),
    /// The disk makes trouble, or no longer.
    Trouble(TorrentId, Option<DiskError>),
    /// Somebody changed a file; what we have of it is compared again.
    Doubted(TorrentId, PathBuf, Doubt),
    /// So many pieces were lost by that.
    Lost(TorrentId, u32),
    /// Its goal is reached; it is being removed.
    GoalReached(TorrentId),
    /// It is gone: files closed, trackers told; and how it did.
    Removed(TorrentId, Box<TorrentStatus>),
    /// A tracker's news.
    Tracker(TorrentId, String, TrackerReport),
    /// News of a peer.
    Peer(TorrentId, SocketAddr, PeerNews),
    /// The answer to [`Hub::look`].
    View(TorrentId, Box<View>),
    /// For a log, after [`Hub::keep_diary`].
    Diary(TorrentId, Entry),
    /// News of a question to the DHT.
    Dht(QueryId, Answer),
    /// A torrent file fetched by URL, or why not.
    Fetched(Result<Vec<u8>, String>),
    /// The router maps our port as said here.
    PortMapped(Mapped),
    /// It does not, for this reason, which is printable.
    PortMapFailed(String),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Hub {
    config: Config,
    catalogue: Catalogue,
    trackers: TrackerClient,
    /// The key of public torrents: of this run only, so that it does not lead from one to another.
    key: u32,
    /// Torrents to be announced once it is known what is missing of them.
    announces_waiting: BTreeMap<TorrentId, AnnounceSpec>,
    /// Torrents that the tracker client knows.
    announced: BTreeSet<TorrentId>,
    /// Torrents whose `completed` no tracker has answered yet, and until when that matters.
    completing: BTreeMap<SwarmId, Instant>,
    second_swarms: SecondSwarms,
    external_addr: Option<IpAddr>,
    /// Connections without a handshake, and when they must have shown one.
    pending: BTreeMap<ConnId, (Instant, IpAddr)>,
    /// Addresses that sent corrupt data: nothing is taken from them.
    banned: BTreeSet<IpAddr>,
    next_conn: u64,
    leases: Leases,
    lan: Lan,
    dht: Option<Dht>,
    fetch: Option<Fetch>,
    fetches: u64,
    /// When torrents that seed for a time have done so.
    goals: BTreeSet<(Instant, TorrentId)>,
    outputs: VecDeque<Output>,
}

impl Hub {
    /// A hub without torrents.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Self {
        let trackers = tracker_client::Config {
            listen_port: config.listen_port,
            families: config.families,
            ..tracker_client::Config::default()
        };
        let dht = Self::new_dht(&config, &mut rng, now);
        let key = u32::try_from(rng.next_u64() >> 32).expect("32 bits");
        let mut leases = Leases::default();
        leases.set(&config.limits, now);
        let trackers = TrackerClient::new(trackers, rng.fork());
        Self {
            key,
            lan: Lan::new(&config, &mut rng),
            dht,
            trackers,
            catalogue: Catalogue::default(),
            announces_waiting: BTreeMap::new(),
            announced: BTreeSet::new(),
            completing: BTreeMap::new(),
            second_swarms: SecondSwarms::default(),
            external_addr: None,
            pending: BTreeMap::new(),
            banned: BTreeSet::new(),
            next_conn: 0,
            leases,
            fetch: None,
            fetches: 0,
            goals: BTreeSet::new(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes a torrent. `None`: it is here already.
    pub fn add(&mut self, mut spec: TorrentSpec, now: Instant) -> Option<TorrentId> {
        if spec.info_hashes.in_swarms().any(|name| self.catalogue.by_hash(name).is_some()) {
            return None;
        }
        let torrent = self.catalogue.add(spec.info_hashes, self.config.shards);
        self.catalogue.begin(torrent, &spec);
        if !may_name_peers(Source::User, spec.private, self.config.announce) {
            spec.peers.clear();
        }
        self.announce_later(torrent, &spec);
        let shard = self.catalogue.get(torrent).expect("just added").shard;
        self.outputs.push_back(Output::ToShard(shard, ToShard::Add(torrent, Box::new(spec))));
        self.forward(now);
        Some(torrent)
    }

    /// Announces it as soon as it is known what is missing of it.
    fn announce_later(&mut self, torrent: TorrentId, spec: &TorrentSpec) {
        if self.config.announce && !spec.trackers.is_empty() {
            let announce = self.announce_of(spec);
            self.announces_waiting.insert(torrent, announce);
        }
    }

    fn announce_of(&self, spec: &TorrentSpec) -> AnnounceSpec {
        AnnounceSpec {
            info_hash: spec.info_hashes.first(),
            peer_id: self.config.peer_id,
            key: self.key_of(spec),
            tiers: spec.trackers.clone(),
            private: spec.private,
            progress: Progress { left_bytes: Some(spec.total_bytes), ..Progress::default() },
            was_complete: false,
        }
    }

    /// The `key` of its announces. A private tracker knows its user in any case, and may take who
    /// comes back after a crash with another key for a second one; so the key stays, and is another
    /// for each torrent.
    fn key_of(&self, spec: &TorrentSpec) -> u32 {
        if !spec.private {
            return self.key;
        }
        let digest =
            keys::sha1(&[&self.config.key_secret[..], &spec.info_hashes.first().0].concat());
        let [a, b, c, d, ..] = digest;
        u32::from_be_bytes([a, b, c, d])
    }

    /// Stops a torrent; [`Event::Removed`] comes when nothing of it is left.
    pub fn remove(&mut self, torrent: TorrentId, now: Instant) {
        let announced = self.announced.contains(&torrent);
        let Some(item) = self.catalogue.get_mut(torrent).filter(|item| item.removal.is_none())
        else {
            return;
        };
        let swarms = if announced { item.swarms(torrent).len() } else { 0 };
        item.removal = Some(Removal { shard: true, swarms });
        self.outputs.push_back(Output::ToShard(item.shard, ToShard::Remove(torrent)));
        self.announces_waiting.remove(&torrent);
        self.leave_neighbours(torrent);
        self.withdraw_from_dht(torrent);
        if announced && !self.is_completing(torrent) {
            self.leave_trackers(torrent, now);
        }
        self.forward(now);
    }

    /// A tracker that does not say in its announces how large the swarm is, is asked once (BEP 48).
    /// Not that of a private torrent: it expects announces.
    fn ask_for_counts(&mut self, swarm: SwarmId, report: &TrackerReport, now: Instant) {
        let silent = matches!(report, TrackerReport::Working { seeders: None, leechers: None, .. });
        if let Some(item) = self.catalogue.get_mut(swarm.torrent)
            && silent
            && !item.private
            && !item.scraped
        {
            item.scraped = true;
            self.trackers.scrape(swarm, now);
        }
    }

    /// `completed` was heard, or need not be waited for any longer.
    fn on_completed_heard(&mut self, swarm: SwarmId, now: Instant) {
        let torrent = swarm.torrent;
        let waited = self.completing.remove(&swarm).is_some();
        let removing = self.catalogue.get(torrent).is_some_and(|item| item.removal.is_some());
        if waited && removing && !self.is_completing(torrent) {
            self.leave_trackers(torrent, now);
        }
    }

    /// Whether the trackers of one of its swarms still have to hear `completed`.
    fn is_completing(&self, torrent: TorrentId) -> bool {
        [false, true].iter().any(|&v2| self.completing.contains_key(&SwarmId { torrent, v2 }))
    }

    fn leave_trackers(&mut self, torrent: TorrentId, now: Instant) {
        for swarm in self.catalogue.swarms(torrent) {
            self.trackers.remove(swarm, now);
        }
    }

    /// Changes the limits of a running node.
    pub fn set_limits(&mut self, limits: Limits, now: Instant) {
        self.config.limits = limits;
        self.leases.set(&limits, now);
        for shard in 0..self.config.shards {
            self.outputs.push_back(Output::ToShard(shard, ToShard::Limits(limits)));
        }
    }

    /// How many torrents there are.
    pub fn torrents(&self) -> usize {
        self.catalogue.len()
    }

    /// The revision now, and how all torrents do that changed after `since`.
    pub fn changes(&self, since: u64) -> (u64, Vec<(TorrentId, TorrentStatus)>) {
        let (revision, changed) = self.catalogue.changes(since);
        (revision, changed.map(|(torrent, item)| (torrent, item.status.clone())).collect())
    }

    /// Looks closely at a torrent, its pieces in at most so many buckets. [`Event::View`] is the
    /// answer; none comes for a torrent that is gone.
    pub fn look(&mut self, torrent: TorrentId, buckets: usize) {
        if let Some(item) = self.catalogue.get(torrent) {
            let message = ToShard::Look(torrent, buckets);
            self.outputs.push_back(Output::ToShard(item.shard, message));
        }
    }

    /// From now on, what happens to the peers of torrents that come is told by [`Event::Diary`].
    pub fn keep_diary(&mut self) {
        for shard in 0..self.config.shards {
            self.outputs.push_back(Output::ToShard(shard, ToShard::KeepDiary));
        }
    }

    /// Fetches a torrent file; one at a time. [`Event::Fetched`] tells the end.
    pub fn fetch(&mut self, url: String) {
        self.fetches += 1;
        let (fetch, step) = Fetch::new(url, ExchangeId(FETCH_EXCHANGES | (self.fetches << 8)));
        self.fetch = Some(fetch);
        self.on_fetch_step(step);
    }

    fn on_fetch_step(&mut self, step: Step) {
        let result = match step {
            Step::Http(request) => return self.outputs.push_back(Output::Http(request)),
            Step::Done(bytes) => Ok(bytes),
            Step::Failed(why) => Err(why),
        };
        self.fetch = None;
        self.outputs.push_back(Output::Event(Event::Fetched(result)));
    }

    /// `from` dialled us. `None`: close it at once, it is banned or too many wait.
    pub fn on_accepted(&mut self, from: IpAddr, now: Instant) -> Option<ConnId> {
        let from = from.to_canonical();
        let of_ip = self.pending.values().filter(|(_, ip)| *ip == from).count();
        let crowd = of_ip >= PENDING_PER_IP_MAX && !is_local(from);
        if self.pending.len() >= PENDING_MAX || crowd || self.banned.contains(&from) {
            return None;
        }
        let conn = ConnId(self.next_conn << 8);
        self.next_conn += 1;
        self.pending.insert(conn, (now.after(HANDSHAKE_MAX), from));
        Some(conn)
    }

    /// An accepted connection showed its first bytes.
    pub fn on_handshake(&mut self, conn: ConnId, addr: SocketAddr, bytes: &[u8; HANDSHAKE_BYTES]) {
        if self.pending.remove(&conn).is_none() {
            return;
        }
        let torrent = Handshake::decode(bytes).ok().and_then(|handshake| {
            let torrent = self.catalogue.by_hash(handshake.info_hash)?;
            self.catalogue.get(torrent).map(|item| (handshake, torrent, item))
        });
        match torrent.filter(|(_, _, item)| item.removal.is_none()) {
            Some((handshake, torrent, item)) => {
                let message = ToShard::Incoming { torrent, conn, addr, handshake };
                self.outputs.push_back(Output::ToShard(item.shard, message));
            }
            None => self.outputs.push_back(Output::Close(conn)),
        }
    }

    /// An accepted connection ended before its handshake.
    pub fn on_closed(&mut self, conn: ConnId) {
        self.pending.remove(&conn);
    }

    /// A shard's message.
    pub fn on_message(&mut self, shard: usize, message: ToHub, now: Instant) {
        match message {
            ToHub::Status(torrent, status) => self.on_status(torrent, *status, now),
            ToHub::WantPeers(torrent) => {
                self.want_dht_peers(torrent, now);
                if self.announced.contains(&torrent) {
                    for swarm in self.catalogue.swarms(torrent) {
                        self.trackers.want_peers(swarm, now);
                    }
                }
            }
            ToHub::Metadata(torrent, metadata) => self.event(Event::Metadata(torrent, metadata)),
            ToHub::DhtNode(addr) => self.add_dht_node(addr, now),
            ToHub::Settled(torrent) => self.on_settled(torrent, now),
            ToHub::Failed(torrent, why) => {
                // Nobody is to be sent to what cannot be served.
                self.leave_neighbours(torrent);
                self.withdraw_from_dht(torrent);
                if self.announced.remove(&torrent) {
                    self.leave_trackers(torrent, now);
                }
                self.event(Event::Failed(torrent, why));
            }
            ToHub::Trouble(torrent, why) => self.event(Event::Trouble(torrent, why)),
            ToHub::Peer(torrent, addr, news) => {
                if news == PeerNews::Banned {
                    self.ban(addr.ip());
                }
                self.event(Event::Peer(torrent, addr, news));
            }
            ToHub::Doubted(torrent, path, why) => self.event(Event::Doubted(torrent, path, why)),
            ToHub::Lost(torrent, pieces) => {
                if let Some(item) = self.catalogue.get_mut(torrent) {
                    item.lost = true;
                }
                self.event(Event::Lost(torrent, pieces));
            }
            ToHub::View(torrent, view) => self.event(Event::View(torrent, view)),
            ToHub::Diary(torrent, entry) => self.event(Event::Diary(torrent, entry)),
            ToHub::Removed(torrent) => {
                if let Some(removal) =
                    self.catalogue.get_mut(torrent).and_then(|item| item.removal.as_mut())
                {
                    removal.shard = false;
                }
                self.finish_removal(torrent);
            }
            ToHub::LeaseWanted { direction, class, torrents } => {
                self.leases.on_wanted(shard, (direction, class), torrents);
                self.lease(now);
            }
        }
        self.forward(now);
    }

    /// Tells every shard; each ends what it has under way with the address.
    fn ban(&mut self, ip: IpAddr) {
        let ip = ip.to_canonical();
        if self.banned.len() < BANNED_MAX && self.banned.insert(ip) {
            let tell = |shard| Output::ToShard(shard, ToShard::Ban(ip));
            self.outputs.extend((0..self.config.shards).map(tell));
        }
    }

    fn on_status(&mut self, torrent: TorrentId, status: TorrentStatus, now: Instant) {
        let Some(item) = self.catalogue.get_mut(torrent) else { return };
        let phase = status.phase;
        let left = (phase != Phase::Seeking).then_some(status.total_bytes - status.have_bytes);
        let progress = Progress {
            uploaded_bytes: status.stats.uploaded_bytes,
            downloaded_bytes: status.stats.downloaded_bytes,
            left_bytes: left,
        };
        let was_complete = status.was_complete;
        item.status = status;
        let swarms = item.swarms(torrent);
        let open = matches!(phase, Phase::Downloading | Phase::Seeding);
        if open && let Some(mut announce) = self.announces_waiting.remove(&torrent) {
            // Only now is it known what is left, and whether `completed` may ever be sent.
            announce.progress = progress;
            announce.was_complete = was_complete;
            self.announce_swarms(torrent, &[], &announce, now);
        } else if self.announced.contains(&torrent) {
            swarms.into_iter().for_each(|swarm| self.trackers.set_progress(swarm, progress));
        }
        if open {
            self.tell_neighbours(torrent, now);
            self.announce_in_dht(torrent, now);
        }
        self.catalogue.on_changed(torrent);
        self.judge_goal(torrent, now);
    }

    fn on_settled(&mut self, torrent: TorrentId, now: Instant) {
        let Some(item) = self.catalogue.get_mut(torrent) else { return };
        if item.settled_at.is_some() {
            // Trackers and goals count the first time only.
            if core::mem::take(&mut item.lost) {
                let status = Box::new(item.status.clone());
                self.event(Event::Settled(torrent, status));
            }
            return;
        }
        item.settled_at = Some(now);
        if let SeedGoal::Time(time) = item.goal {
            self.goals.insert((now.after(time), torrent));
        }
        // `completed` is of the whole torrent; who has a part and wants no more is *paused*, which
        // trackers that keep accounts need not know.
        let whole = item.status.have_bytes == item.status.total_bytes;
        let (swarms, status) = (item.swarms(torrent), Box::new(item.status.clone()));
        if !whole && !item.private {
            swarms.into_iter().for_each(|swarm| self.trackers.on_paused(swarm));
        } else if whole && self.announced.contains(&torrent) {
            if item.status.stats.downloaded_bytes > 0 && !item.status.was_complete {
                let most = if item.private { COMPLETED_MAX_PRIVATE } else { COMPLETED_MAX };
                self.completing.extend(swarms.iter().map(|&swarm| (swarm, now.after(most))));
            }
            swarms.into_iter().for_each(|swarm| self.trackers.on_completed(swarm, now));
        }
        self.event(Event::Settled(torrent, status));
        self.judge_goal(torrent, now);
    }

    fn judge_goal(&mut self, torrent: TorrentId, now: Instant) {
        let Some(item) = self.catalogue.get(torrent) else { return };
        let Some(settled_at) = item.settled_at.filter(|_| item.removal.is_none()) else { return };
        let reached = match item.goal {
            SeedGoal::None => true,
            SeedGoal::Ratio { per_mille } => {
                let wanted = u128::from(item.status.wanted_bytes) * u128::from(per_mille);
                u128::from(item.status.uploaded_ever_bytes) * 1000 >= wanted
            }
            SeedGoal::Time(time) => settled_at.after(time) <= now,
            SeedGoal::Forever => false,
        };
        if reached {
            self.event(Event::GoalReached(torrent));
            self.remove(torrent, now);
        }
    }

    fn finish_removal(&mut self, torrent: TorrentId) {
        let removal = self.catalogue.get(torrent).and_then(|item| item.removal);
        if removal.is_some_and(|removal| !removal.shard && removal.swarms == 0) {
            let status = self.catalogue.remove(torrent).map(|item| item.status).unwrap_or_default();
            self.second_swarms.forget(torrent);
            self.announced.remove(&torrent);
            self.event(Event::Removed(torrent, Box::new(status)));
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// An exchange ended.
    pub fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>, now: Instant) {
        if TrackerClient::owns(id) {
            self.trackers.on_http(id, result, now);
        } else if PortMapper::owns(id) {
            self.on_router_http(id, result, now);
        } else if let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.awaits(id)) {
            let step = fetch.on_http(result);
            self.on_fetch_step(step);
        }
        self.forward(now);
    }

    /// A name was resolved.
    pub fn on_resolved(&mut self, resolved: Resolved, now: Instant) {
        if let Some(dht) = self.dht.as_mut().filter(|_| Dht::owns(resolved.id)) {
            dht.on_resolved(resolved, now);
            return self.forward_dht();
        }
        self.trackers.on_resolved(resolved, now);
        self.forward(now);
    }

    /// A datagram came to the UDP port.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        // Bencode; an answer of a tracker begins with a small number (BEP 15).
        if bytes.first() == Some(&b'd') {
            if let Some(dht) = &mut self.dht {
                dht.on_datagram(from, bytes, now);
            }
            return self.forward_dht();
        }
        self.trackers.on_datagram(from, bytes, now);
        self.forward(now);
    }

    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.values().next().map(|&(until, _)| until);
        let goal = self.goals.first().map(|&(at, _)| at);
        // A handful at most: torrents that were completed within the last seconds.
        let completing = self.completing.values().min().copied();
        let lease = self.leases.deadline();
        let (trackers, lan) = (self.trackers.deadline(), self.lan.deadline());
        let dht = self.dht.as_ref().and_then(Dht::deadline);
        [pending, goal, completing, lease, trackers, lan, dht].into_iter().flatten().min()
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant) {
        // Names are given in order of time, so the first is the oldest.
        while let Some((&conn, &(until, _))) = self.pending.first_key_value() {
            if until > now {
                break;
            }
            self.pending.remove(&conn);
            self.outputs.push_back(Output::Close(conn));
        }
        while let Some(&(at, torrent)) = self.goals.first() {
            if at > now {
                break;
            }
            self.goals.remove(&(at, torrent));
            self.judge_goal(torrent, now);
        }
        let unheard: Vec<SwarmId> = self
            .completing
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(&swarm, _)| swarm)
            .collect();
        unheard.into_iter().for_each(|swarm| self.on_completed_heard(swarm, now));
        self.lease(now);
        self.trackers.on_deadline(now);
        self.on_lan_deadline(now);
        if let Some(dht) =
            self.dht.as_mut().filter(|dht| dht.deadline().is_some_and(|at| at <= now))
        {
            dht.on_deadline(now);
            self.forward_dht();
        }
        self.forward(now);
    }

    fn lease(&mut self, now: Instant) {
        for (shard, (direction, class), bytes) in self.leases.share(now) {
            let lease = ToShard::Lease(direction, class, bytes);
            self.outputs.push_back(Output::ToShard(shard, lease));
        }
    }

    /// Passes on what the tracker client wants.
    fn forward(&mut self, now: Instant) {
        while let Some(output) = self.trackers.poll_output() {
            let output = match output {
                tracker_client::Output::Http(request) => Output::Http(request),
                tracker_client::Output::CancelHttp(id) => Output::CancelHttp(id),
                tracker_client::Output::Resolve(request) => Output::Resolve(request),
                tracker_client::Output::Datagram { to, bytes } => Output::Datagram(to, bytes),
                tracker_client::Output::Peers { swarm, addrs, tracker: _ } => {
                    let Some(item) = self.catalogue.get(swarm.torrent) else { continue };
                    if !may_name_peers(Source::Tracker, item.private, self.config.announce) {
                        continue;
                    }
                    Output::ToShard(item.shard, ToShard::Peers(swarm, addrs, Source::Tracker))
                }
                tracker_client::Output::Report { swarm, tracker, report } => {
                    self.on_completed_heard(swarm, now);
                    let swarms = self.catalogue.swarms(swarm.torrent);
                    if swarms.first() == Some(&swarm) {
                        self.ask_for_counts(swarm, &report, now);
                    }
                    if !self.second_swarms.is_news(&swarms, swarm, &tracker, &report) {
                        continue;
                    }
                    Output::Event(Event::Tracker(swarm.torrent, tracker, report))
                }
                tracker_client::Output::ExternalAddr(addr) => {
                    self.on_external_addr(addr);
                    continue;
                }
                tracker_client::Output::StoppedAll { swarm } => {
                    let item = self.catalogue.get_mut(swarm.torrent);
                    if let Some(removal) = item.and_then(|item| item.removal.as_mut()) {
                        removal.swarms = removal.swarms.saturating_sub(1);
                    }
                    self.finish_removal(swarm.torrent);
                    continue;
                }
            };
            self.outputs.push_back(output);
        }
    }

    fn on_external_addr(&mut self, addr: IpAddr) {
        if self.external_addr.replace(addr) != Some(addr) {
            let tell = |shard| Output::ToShard(shard, ToShard::ExternalAddr(addr));
            self.outputs.extend((0..self.config.shards).map(tell));
        }
    }

    /// Our address as a tracker sees it (BEP 24), or else as the router has it.
    pub fn external_addr(&self) -> Option<IpAddr> {
        self.external_addr
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

#[cfg(test)]
mod tests;
