//! Random lives of torrents in a world of bad trackers, with every announce checked.
//!
//! A run is a function of its seed. Checked at each step: one exchange in flight per torrent,
//! tracker and family; no announce before the wait that the tracker's last answer (or its
//! failure) asks for; of a private torrent one announce in flight at all, and one family that a
//! tracker hears of; `started` before all else, `completed` at most once, `stopped` only after
//! removal; no connection id used after its minute; forged datagrams refused; deadlines bounded.
//! Checked at the end, when all trackers are well again: each torrent is announced, and nothing
//! is left behind once all are removed.

use wire::tracker_udp::TransactionId;

use super::*;

/// The trackers: four of HTTP, three of UDP. `h2` answers through a redirect, `h3` redirects
/// without end; `h1` and `u5` have no IPv6.
const URLS: [&str; 7] = [
    "http://h0/announce",
    "http://h1/announce",
    "http://h2/announce",
    "http://h3/announce",
    "udp://u4:1004/announce",
    "udp://u5:1005/announce",
    "udp://u6:1006/announce",
];

type Key = (SwarmId, usize, Family);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Slow,
    Dead,
    Refusing,
}

#[derive(Debug)]
enum Happening {
    Http(ExchangeId, Result<HttpReply, HttpError>),
    Resolved(Resolved),
    Datagram { from: SocketAddr, bytes: Vec<u8>, forged: bool },
}

#[derive(Debug, Default)]
struct Log {
    flight: Option<Flight>,
    heard_started: bool,
    quiet_until: Option<Instant>,
    back_off_until: Option<Instant>,
    last_good: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Flight {
    event: String,
    exchange: Option<ExchangeId>,
    transaction: Option<TransactionId>,
    hops: u32,
}

#[derive(Debug)]
struct Life {
    private: bool,
    complete_at_first: bool,
    completed: bool,
    removed_at: Option<Instant>,
    trackers: Vec<usize>,
}

struct World {
    seed: u64,
    rng: Rng,
    now: Instant,
    client: TrackerClient,
    happenings: BTreeMap<(Instant, u64), Happening>,
    count: u64,
    moods: [Mood; 7],
    lives: BTreeMap<SwarmId, Life>,
    logs: BTreeMap<Key, Log>,
    told: BTreeSet<(SwarmId, usize)>,
    dropped: BTreeSet<(SwarmId, usize)>,
    connections: BTreeMap<u64, (SocketAddr, Instant)>,
    calm: bool,
    trace: u64,
    announces: u64,
}

fn hash_of(torrent: SwarmId) -> InfoHash {
    let mut hash = [b'-'; 20];
    hash[..4].copy_from_slice(&torrent.torrent.0.to_be_bytes());
    InfoHash(hash)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        if first == b'%' {
            let hex = core::str::from_utf8(&more[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &more[2..];
        } else {
            bytes.push(first);
            rest = more;
        }
    }
    bytes
}

fn torrent_of(hash: &[u8]) -> SwarmId {
    swarm(u32::from_be_bytes(hash[..4].try_into().unwrap()))
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let config = Config {
            families: Families { v4: true, v6: !seed.is_multiple_of(3) },
            http_concurrent_max: 6,
            http_per_server_max: 2,
            udp_in_flight_max: 3,
            ..Config::default()
        };
        Self {
            seed,
            client: TrackerClient::new(config, rng.fork()),
            rng,
            now: Instant::START,
            happenings: BTreeMap::new(),
            count: 0,
            moods: [Mood::Good; 7],
            lives: BTreeMap::new(),
            logs: BTreeMap::new(),
            told: BTreeSet::new(),
            dropped: BTreeSet::new(),
            connections: BTreeMap::new(),
            calm: false,
            trace: 0,
            announces: 0,
        }
    }

    fn later(&mut self, delay_ms_max: u32, what: Happening) {
        let delay = Duration::from_millis(u64::from(self.rng.below(delay_ms_max)));
        self.count += 1;
        self.happenings.insert((self.now.after(delay), self.count), what);
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            self.drain();
            let happening = self.happenings.first_key_value().map(|(&key, _)| key);
            let deadline = self.client.deadline();
            if let Some(deadline) = deadline {
                assert!(deadline <= self.now.after(secs(25 * 3600)), "seed {}", self.seed);
            }
            let next = happening.map(|(at, _)| at).into_iter().chain(deadline).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            match happening.filter(|&(at, _)| at <= self.now) {
                Some(key) => {
                    let what = self.happenings.remove(&key).unwrap();
                    self.happen(what);
                }
                None => self.client.on_deadline(self.now),
            }
            self.client.http.assert_invariants();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            for byte in format!("{output:?}").bytes() {
                self.trace = self.trace.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
            }
            match output {
                Output::Http(request) => self.on_request(&request),
                Output::CancelHttp(id) => {
                    let log = self.log_of(id);
                    if let Some(log) = log {
                        log.flight = None;
                    }
                }
                Output::Resolve(request) => self.on_resolve(&request),
                Output::Datagram { to, bytes } => self.on_sent(to, &bytes),
                Output::StoppedAll { swarm: torrent } => {
                    let life = self.lives.remove(&torrent).expect("stopped once");
                    let removed_at = life.removed_at.expect("stopped after removal");
                    assert!(self.now <= removed_at.after(STOP_BUDGET), "seed {}", self.seed);
                }
                Output::Peers { swarm: torrent, .. } => {
                    assert!(self.lives[&torrent].removed_at.is_none(), "seed {}", self.seed);
                }
                Output::Report { .. } | Output::ExternalAddr(_) => {}
            }
        }
    }

    fn log_of(&mut self, id: ExchangeId) -> Option<&mut Log> {
        let mut logs = self.logs.values_mut();
        logs.find(|log| log.flight.as_ref().is_some_and(|flight| flight.exchange == Some(id)))
    }

    fn on_request(&mut self, request: &HttpRequest) {
        let host = request.url.as_bytes()[8];
        let tracker = usize::from(host - b'0');
        let torrent = torrent_of(&unescape(param(&request.url, "info_hash").unwrap()));
        let is_scrape = request.url.contains("/scrape");
        let has_address = request.family == Family::V4 || tracker != 1;
        if !is_scrape {
            let key = (torrent, tracker, request.family);
            let log = self.logs.entry(key).or_default();
            if let Some(flight) = log.flight.as_mut().filter(|flight| flight.exchange.is_none()) {
                assert!(request.url.contains("/hop"), "seed {}", self.seed);
                flight.exchange = Some(request.id);
            } else {
                let event = param(&request.url, "event").unwrap_or("").to_owned();
                assert!(event != "completed" || request.url.contains("left=0&"));
                self.check(key, &event);
                let exchange = Some(request.id);
                let flight = Flight { event, exchange, transaction: None, hops: 0 };
                self.logs.get_mut(&key).unwrap().flight = Some(flight);
            }
        }
        let lost = !self.calm && self.rng.chance(1, 50);
        if lost {
            return;
        }
        if !has_address {
            self.later(100, Happening::Http(request.id, Err(HttpError::NoAddress)));
            return;
        }
        let timeout_ms = u32::try_from(request.timeout.as_millis()).unwrap().max(1);
        match self.moods[tracker] {
            Mood::Good => {
                let reply = self.good_reply(tracker, &request.url);
                self.later(timeout_ms.min(900), Happening::Http(request.id, Ok(reply)));
            }
            Mood::Slow => {
                let reply = self.good_reply(tracker, &request.url);
                self.later(timeout_ms, Happening::Http(request.id, Ok(reply)));
            }
            Mood::Dead => {
                let error = if self.rng.chance(1, 2) {
                    HttpError::Connect("refused".to_owned())
                } else {
                    HttpError::Timeout
                };
                self.later(timeout_ms, Happening::Http(request.id, Err(error)));
            }
            Mood::Refusing => {
                let bodies: [&[u8]; 5] = [
                    b"d14:failure reason4:busye",
                    b"d14:failure reason4:busy8:retry ini7ee",
                    b"<html>",
                    b"d14:failure reason4:gone8:retry in5:nevere",
                    b"d14:failure reason4:busye",
                ];
                let body = bodies[self.rng.below(5) as usize].to_vec();
                let reply = HttpReply { status: 200, location: None, content_type: None, body };
                self.later(500, Happening::Http(request.id, Ok(reply)));
            }
        }
    }

    fn good_reply(&mut self, tracker: usize, url: &str) -> HttpReply {
        let query = url.split_once('?').unwrap().1;
        let hop = match tracker {
            2 => !url.contains("/hop"),
            3 => !self.calm || !url.contains("/hop/hop"),
            _ => false,
        };
        if hop && !url.contains("/scrape") {
            let path = url.split_once('?').unwrap().0.strip_prefix("http://").unwrap();
            let (host, path) = path.split_once('/').unwrap();
            let location = Some(format!("http://{host}/hop/{path}?{query}"));
            return HttpReply { status: 302, location, content_type: None, body: Vec::new() };
        }
        let minimum = if self.rng.chance(1, 2) { "12:min intervali120e" } else { "" };
        let body = if url.contains("/scrape") {
            b"d5:filesdee".to_vec()
        } else {
            format!("d8:intervali600e{minimum}5:peers6:\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}e").into()
        };
        HttpReply { status: 200, location: None, content_type: None, body }
    }

    fn on_resolve(&mut self, request: &ResolveRequest) {
        if !self.calm && self.rng.chance(1, 20) {
            return;
        }
        let tracker = request.host.as_bytes()[1] - b'0';
        let mut addrs = vec![IpAddr::from([192, 0, 2, tracker])];
        if tracker != 5 {
            addrs.push(format!("2001:db8::{tracker}").parse().unwrap());
        }
        if !self.calm && self.rng.chance(1, 10) {
            addrs.clear();
        }
        self.later(2000, Happening::Resolved(Resolved { id: request.id, addrs }));
    }

    fn on_sent(&mut self, to: SocketAddr, bytes: &[u8]) {
        let tracker = usize::from(to.port() - 1000);
        let transaction: [u8; 4] = bytes[12..16].try_into().unwrap();
        let action = bytes[11];
        let mut reply = [&[0, 0, 0, action][..], &transaction].concat();
        if action == 0 {
            let id = self.rng.next_u64();
            reply.extend(id.to_be_bytes());
        } else {
            let id = u64::from_be_bytes(bytes[..8].try_into().unwrap());
            let (owner, arrived_at) = self.connections[&id];
            assert_eq!(owner, to, "seed {}", self.seed);
            assert!(self.now < arrived_at.after(secs(60)), "seed {}: stale id", self.seed);
            reply.extend([0; 12]);
        }
        if action == 1 {
            reply[10..12].copy_from_slice(&600_u16.to_be_bytes());
            let torrent = torrent_of(&bytes[16..20]);
            let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
            let event = ["", "completed", "started", "stopped"][usize::from(bytes[83])];
            let transaction = TransactionId(u32::from_be_bytes(transaction));
            self.on_sent_announce((torrent, tracker, family), to, event, transaction);
        }
        if !self.calm && self.rng.chance(1, 10) {
            let forged = if self.rng.chance(1, 2) {
                let from = SocketAddr::new(to.ip(), 9);
                Happening::Datagram { from, bytes: reply.clone(), forged: true }
            } else {
                let mut bytes = reply.clone();
                bytes[5] ^= 1;
                Happening::Datagram { from: to, bytes, forged: true }
            };
            self.later(50, forged);
        }
        let (answers, delay_ms) = match self.moods[tracker] {
            Mood::Good => (u32::from(self.calm || self.rng.chance(9, 10)), 800),
            Mood::Slow => (self.rng.below(3), 20_000),
            Mood::Dead => (0, 1),
            Mood::Refusing => {
                if action != 0 {
                    reply[3] = 3;
                }
                (1, 800)
            }
        };
        for _ in 0..answers {
            let bytes = reply.clone();
            self.later(delay_ms, Happening::Datagram { from: to, bytes, forged: false });
        }
    }

    fn on_sent_announce(
        &mut self,
        key: Key,
        to: SocketAddr,
        event: &str,
        transaction: TransactionId,
    ) {
        let log = self.logs.entry(key).or_default();
        if let Some(flight) = &log.flight {
            if flight.transaction == Some(transaction) {
                return;
            }
            let old = flight.transaction.unwrap();
            assert!(!self.client.udp.is_open(to, old), "seed {}: two in flight", self.seed);
            log.flight = None;
        }
        self.check(key, event);
        let event = event.to_owned();
        let flight = Flight { event, exchange: None, transaction: Some(transaction), hops: 0 };
        self.logs.get_mut(&key).unwrap().flight = Some(flight);
    }

    /// Whether an announce is in flight. Nothing comes out when one over UDP is given up.
    fn is_flying(&self, (_, tracker, family): Key, log: &Log) -> bool {
        let Some(flight) = &log.flight else { return false };
        let number = u8::try_from(tracker).unwrap();
        let ip = match family {
            Family::V4 => IpAddr::from([192, 0, 2, number]),
            Family::V6 | Family::Any => format!("2001:db8::{number}").parse().unwrap(),
        };
        let to = SocketAddr::new(ip, 1000 + u16::from(number));
        flight.transaction.is_none_or(|open| self.client.udp.is_open(to, open))
    }

    /// Judges a new announce.
    fn check(&mut self, key: Key, event: &str) {
        self.announces += 1;
        let seed = format!("seed {}: {event:?} {key:?} at {:?}", self.seed, self.now);
        let (torrent, tracker, _) = key;
        let life = &self.lives[&torrent];
        let log = &self.logs[&key];
        assert!(log.flight.is_none(), "{seed}: two in flight");
        assert!(!self.dropped.contains(&(torrent, tracker)), "{seed}: told never");
        // What was on its way out in the same moment is not called back.
        let removed = life.removed_at.is_some_and(|at| at < self.now || event == "stopped");
        assert_eq!(removed, event == "stopped", "{seed}");
        assert_eq!(log.heard_started, event != "started", "{seed}");
        if life.private && event != "stopped" {
            let others = self.logs.iter().filter(|(other, _)| other.0 == torrent && **other != key);
            for (other, log) in others {
                assert!(!self.is_flying(*other, log), "{seed}: two at once, {other:?}");
                assert!(other.1 != tracker || !log.heard_started, "{seed}: two families");
            }
        }
        let waited = |until: Option<Instant>| until.is_none_or(|until| until <= self.now);
        match event {
            "stopped" => {}
            "completed" => {
                assert!(life.completed && !life.complete_at_first, "{seed}");
                assert!(self.told.insert((torrent, tracker)), "{seed}: completed twice");
                assert!(waited(log.back_off_until), "{seed}: too soon");
            }
            _ => {
                assert!(waited(log.back_off_until), "{seed}: too soon");
                assert!(waited(log.quiet_until), "{seed}: too soon");
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Http(id, result) => {
                self.judge_http(id, &result);
                self.client.on_http(id, result, self.now);
            }
            Happening::Resolved(resolved) => self.client.on_resolved(resolved, self.now),
            Happening::Datagram { from, bytes, forged } => {
                let taken = self.client.on_datagram(from, &bytes, self.now);
                assert!(!(forged && taken), "seed {}: forged reply taken", self.seed);
                if taken {
                    self.judge_datagram(from, &bytes);
                }
            }
        }
    }

    fn judge_http(&mut self, id: ExchangeId, result: &Result<HttpReply, HttpError>) {
        let now = self.now;
        let found = self
            .logs
            .iter_mut()
            .find(|(_, log)| log.flight.as_ref().is_some_and(|flight| flight.exchange == Some(id)));
        let Some((&(torrent, tracker, _), log)) = found else {
            return;
        };
        let flight = log.flight.as_mut().unwrap();
        let failed_until = Some(now.after(secs(13)));
        match result {
            Ok(reply) if reply.status == 302 && flight.hops < 5 => {
                flight.hops += 1;
                flight.exchange = None;
                return;
            }
            Ok(reply) if reply.body.starts_with(b"d8:interval") => {
                let named = reply.body.windows(3).any(|part| part == b"min");
                let private = self.lives.get(&torrent).is_some_and(|life| life.private);
                let unnamed = if private { 600 } else { 300 };
                log.quiet_until = Some(now.after(secs(if named { 120 } else { unnamed })));
                log.back_off_until = None;
                log.last_good = Some(now);
                log.heard_started |= flight.event == "started";
            }
            Ok(reply) => {
                let minutes = reply.body.ends_with(b"i7ee");
                let wait = if minutes { secs(420) } else { secs(13) };
                log.back_off_until = Some(now.after(wait));
                if reply.body.ends_with(b"nevere") && self.lives[&torrent].removed_at.is_none() {
                    self.dropped.insert((torrent, tracker));
                }
                let redirected = reply.status == 302;
                if redirected && flight.event == "completed" {
                    self.told.remove(&(torrent, tracker));
                }
            }
            Err(error) => {
                log.back_off_until = failed_until;
                let unheard = matches!(error, HttpError::Connect(_) | HttpError::NoAddress);
                if unheard && flight.event == "completed" {
                    self.told.remove(&(torrent, tracker));
                }
            }
        }
        log.flight = None;
    }

    fn judge_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let transaction = TransactionId(u32::from_be_bytes(bytes[4..8].try_into().unwrap()));
        if bytes[3] == 0 {
            let id = u64::from_be_bytes(bytes[8..16].try_into().unwrap());
            self.connections.insert(id, (from, self.now));
            return;
        }
        let mut logs = self.logs.values_mut();
        let log = logs.find(|log| {
            log.flight.as_ref().is_some_and(|flight| flight.transaction == Some(transaction))
        });
        let Some(log) = log else {
            return;
        };
        let flight = log.flight.take().unwrap();
        if bytes[3] == 1 {
            log.quiet_until = Some(self.now.after(secs(600)));
            log.back_off_until = None;
            log.last_good = Some(self.now);
            log.heard_started |= flight.event == "started";
        } else {
            log.back_off_until = Some(self.now.after(secs(13)));
        }
    }

    /// Something that a user or a swarm does.
    fn act(&mut self, number: u32) {
        let torrents: Vec<SwarmId> = self
            .lives
            .iter()
            .filter(|(_, life)| life.removed_at.is_none())
            .map(|(&torrent, _)| torrent)
            .collect();
        if torrents.len() < 3 || (torrents.len() < 12 && self.rng.chance(1, 4)) {
            self.add(swarm(number));
            return;
        }
        let some = u32::try_from(torrents.len()).unwrap();
        let torrent = torrents[self.rng.below(some) as usize];
        match self.rng.below(8) {
            0 => {
                self.lives.get_mut(&torrent).unwrap().completed = true;
                self.client.on_completed(torrent, self.now);
            }
            1 => {
                self.lives.get_mut(&torrent).unwrap().removed_at = Some(self.now);
                self.forget_flights(torrent);
                self.client.remove(torrent, self.now);
            }
            2 => self.client.scrape(torrent, self.now),
            3 => self.client.enough_peers(torrent),
            4 | 5 => {
                let moods = [Mood::Good, Mood::Good, Mood::Slow, Mood::Dead, Mood::Refusing];
                let tracker = self.rng.below(7) as usize;
                self.moods[tracker] = moods[self.rng.below(5) as usize];
            }
            _ => self.client.want_peers(torrent, self.now),
        }
    }

    /// What is in flight when a torrent is removed is cancelled.
    /// A removal calls back what is under way, but for a `started` that may have been heard.
    fn forget_flights(&mut self, torrent: SwarmId) {
        for (_, log) in self.logs.iter_mut().filter(|(key, _)| key.0 == torrent) {
            log.flight = log.flight.take().filter(|flight| flight.event == "started");
        }
    }

    fn add(&mut self, torrent: SwarmId) {
        let mut tiers = vec![Vec::new(), Vec::new()];
        let mut trackers = Vec::new();
        for (tracker, url) in URLS.iter().enumerate() {
            let place = self.rng.below(4) as usize;
            if let Some(tier) = tiers.get_mut(place) {
                tier.push((*url).to_owned());
                trackers.push(tracker);
            }
        }
        let complete_at_first = self.rng.chance(1, 4);
        let left_bytes = Some(if complete_at_first { 0 } else { 5 });
        let private = self.rng.chance(1, 4);
        let life =
            Life { private, complete_at_first, completed: false, removed_at: None, trackers };
        self.lives.insert(torrent, life);
        let spec = AnnounceSpec {
            info_hash: hash_of(torrent),
            peer_id: PeerId([b'p'; 20]),
            key: 1,
            tiers,
            private,
            progress: Progress { left_bytes, ..Progress::default() },
            was_complete: false,
        };
        self.client.add(torrent, spec, self.now);
    }

    fn check_all_are_announced(&self) {
        for (torrent, life) in &self.lives {
            if life.trackers.iter().any(|&at| self.dropped.contains(&(*torrent, at))) {
                continue;
            }
            let logs = self.logs.iter().filter(|(key, _)| key.0 == *torrent);
            let last = logs.filter_map(|(_, log)| log.last_good).max();
            let fresh = last.is_some_and(|last| self.now <= last.after(secs(3600)));
            assert!(fresh || life.trackers.is_empty(), "seed {}: {torrent:?}", self.seed);
        }
    }
}

/// Worlds per run of the tests: about a second's worth.
const SEEDS: u64 = 60;

/// Runs one life of the world; its trace names all that the client did.
fn run(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    for number in 0..400 {
        world.act(number);
        let pause_ms = u64::from(world.rng.below(120_000));
        let end = world.now.after(Duration::from_millis(pause_ms));
        world.run_until(end);
    }
    world.calm = true;
    world.moods = [Mood::Good; 7];
    world.run_until(world.now.after(secs(3 * 3600)));
    world.check_all_are_announced();
    let torrents: Vec<SwarmId> = world.lives.keys().copied().collect();
    for torrent in torrents {
        world.lives.get_mut(&torrent).unwrap().removed_at.get_or_insert(world.now);
        world.forget_flights(torrent);
        world.client.remove(torrent, world.now);
    }
    world.run_until(world.now.after(secs(600)));
    assert!(world.lives.is_empty(), "seed {seed}");
    assert!(world.client.torrents.is_empty(), "seed {seed}");
    assert!(world.client.asks.is_empty(), "seed {seed}");
    assert!(world.client.udp.is_empty(), "seed {seed}");
    assert_eq!(world.client.deadline(), None, "seed {seed}");
    (world.trace, world.announces)
}

#[test]
fn no_rule_is_broken_in_any_world() {
    let mut announces = 0;
    for seed in 0..SEEDS {
        announces += run(seed).1;
    }
    assert!(announces > SEEDS * 200, "the worlds were too quiet: {announces}");
}

#[test]
fn a_world_is_a_function_of_its_seed() {
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
