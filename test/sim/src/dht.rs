//! A world of DHT nodes: the machine of `core/discovery` thousands of times, on a network as the real one
//! is.
//!
//! [`links`] says how long datagrams take and who is behind a NAT, [`sybil`] who lies. Nodes join one after
//! the other by way of a few routers. A few of them announce torrents; then a third dies at once, so that
//! what the others know is out of date; then some look torrents up. A run is a function of its seed and its
//! [`Setting`].
//!
//! Events are in one heap. A node's deadline has an event there when it is earlier than the one that is
//! there; those that have become void are passed over. So an event costs the logarithm of their number.

pub mod links;
pub mod sybil;

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};

use base::{InfoHash, Instant, Rng};
use discovery::dht::{Announce, Answer, Config, Dht, Output, Query, QueryId};
use discovery::tracker_client::Families;
use wire::bencode::{self, KeyOrder, Limits, Value};
use wire::krpc::{NodeId, Reply};

use links::{Nat, Place};
use sybil::{Gang, Lie, Sybil};

/// Nodes that others begin with; they are always there.
const ROUTERS: usize = 4;

/// Time in which all join.
const JOINING: Duration = Duration::from_secs(300);

/// Time to find their places, for the last of them.
const SETTLING: Duration = Duration::from_secs(1500);

/// Time between announces and deaths, and from deaths to the first lookup.
const PAUSE: Duration = Duration::from_secs(20);

/// A lookup that takes longer has failed.
const LOOKUP_MAX: Duration = Duration::from_secs(60);

/// Between two messages of a Sybil to people it does not know.
const GREETING: Duration = Duration::from_secs(15);

/// What a world is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Machines that join.
    pub nodes: usize,
    /// Of all hosts, so many percent are Sybils.
    pub sybil_percent: usize,
    /// Of the machines, so many percent die before the lookups.
    pub dead_percent: usize,
    /// Of the machines, so many percent are behind NATs; a fifth of them says so (BEP 43).
    pub nat_percent: u32,
    /// Lookups, each by a node that has made none.
    pub lookups: usize,
    /// What Sybils do.
    pub lies: &'static [Lie],
}

impl Setting {
    /// The one of the figures in `docs`.
    pub fn of(nodes: usize, lookups: usize) -> Self {
        // So many that 30 % of what tables name is dead when the lookups begin.
        Self {
            nodes,
            sybil_percent: 10,
            dead_percent: 37,
            nat_percent: 25,
            lookups,
            lies: &Lie::ALL,
        }
    }
}

/// How a lookup went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// When a peer was reported that has announced the torrent and is alive.
    pub first: Option<Duration>,
    /// When the machine said that this was all.
    pub done: Option<Duration>,
    /// Of those who announced the torrent, so many were reported.
    pub true_peers: usize,
    /// Of so many.
    pub announcers: usize,
    /// Peers reported that are none.
    pub false_peers: usize,
    /// Nodes asked.
    pub asked: u32,
    /// Nodes that answered.
    pub answered: u32,
    /// Datagrams of the node, in and out, until it was done; those of its upkeep among them.
    pub datagrams: u32,
    /// Endpoints that it wrote to until then.
    pub endpoints: BTreeSet<SocketAddr>,
    /// Most bytes to or from it that were under way at once.
    pub flying_bytes_max: usize,
    flying_bytes: usize,
}

/// What live nodes have in their tables when the lookups begin; see [`World::tables`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// All entries that the machines take for good.
    pub entries: usize,
    /// Of these, nodes that have died.
    pub dead: usize,
    /// Sybils.
    pub sybils: usize,
    /// Nodes behind NATs.
    pub behind_nat: usize,
}

#[derive(Debug)]
enum Kind {
    /// Has not come yet, or has gone.
    Nobody,
    Node(Box<Dht>),
    Sybil(Sybil),
}

#[derive(Debug)]
struct Host {
    addr: SocketAddr,
    place: Place,
    kind: Kind,
    nat: Option<Nat>,
    read_only: bool,
    /// The event of its deadline.
    wake: Option<Instant>,
    /// Its lookup under way.
    lookup: Option<(QueryId, usize)>,
}

#[derive(Debug)]
struct Torrent {
    info_hash: InfoHash,
    /// Peers as they announced themselves.
    peers: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
enum Event {
    Join(usize),
    Greet(usize),
    Wake(usize),
    /// From one host; `to` is none if it gets lost on its way.
    Land {
        from: usize,
        to: Option<usize>,
        bytes: Vec<u8>,
    },
    Look {
        host: usize,
        torrent: usize,
    },
}

/// Ordered by time, then by number; no two have the same number.
#[derive(Debug)]
struct Due {
    at: Instant,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct World {
    setting: Setting,
    now: Instant,
    rng: Rng,
    seed: u64,
    hosts: Vec<Host>,
    by_addr: HashMap<SocketAddr, usize>,
    gang: Gang,
    events: BinaryHeap<Reverse<Due>>,
    events_count: u64,
    torrents: Vec<Torrent>,
    lookups: Vec<Lookup>,
    looked_up: Vec<(usize, Instant)>,
    /// Datagrams sent.
    pub datagrams: u64,
    /// Nodes that were made to believe in an address that is not theirs.
    pub fooled: BTreeSet<SocketAddr>,
}

impl World {
    /// Hosts of which nobody has come yet.
    pub fn new(seed: u64, setting: Setting) -> Self {
        let mut rng = Rng::from_seed(seed);
        let sybils = setting.nodes * setting.sybil_percent / (100 - setting.sybil_percent);
        let count = setting.nodes + sybils;
        let mut world = Self {
            setting,
            now: Instant::START,
            seed,
            hosts: Vec::with_capacity(count),
            by_addr: HashMap::new(),
            gang: Gang::default(),
            events: BinaryHeap::new(),
            events_count: 0,
            torrents: Vec::new(),
            lookups: Vec::new(),
            looked_up: Vec::new(),
            datagrams: 0,
            fooled: BTreeSet::new(),
            rng: rng.fork(),
        };
        let mut is_sybil: Vec<bool> = (0..count).map(|at| at < sybils).collect();
        shuffle(&mut is_sybil, &mut rng);
        // The routers are none.
        is_sybil.sort_by_key(|is| usize::from(*is));
        let (routers, others) = is_sybil.split_at_mut(ROUTERS);
        routers.fill(false);
        shuffle(others, &mut rng);
        for (number, is_sybil) in is_sybil.into_iter().enumerate() {
            world.add_host(is_sybil, &mut rng);
            let share = u32::try_from(number).expect("hosts are few");
            let of = u32::try_from(count).expect("hosts are few");
            world.at(Instant::START.after(JOINING * share / of), Event::Join(number));
        }
        world
    }

    /// Most have a /24 of their own, some share one, and a few an address; Sybils share a /24 by four.
    fn add_host(&mut self, is_sybil: bool, rng: &mut Rng) {
        let shared = if is_sybil { rng.chance(3, 4) } else { rng.chance(1, 10) };
        let alike = |host: &&Host| matches!(host.kind, Kind::Sybil(_)) == is_sybil;
        let last = self.hosts.iter().rev().take(64).find(alike).map(|host| host.addr);
        let addr = loop {
            let [a, b, c, d, p, q, ..] = rng.next_u64().to_be_bytes();
            let mut ip = [20 + a % 100, b, c, d];
            if let Some(SocketAddr::V4(last)) = last.filter(|_| shared) {
                ip[..3].copy_from_slice(&last.ip().octets()[..3]);
                if !is_sybil && rng.chance(1, 3) {
                    ip = last.ip().octets();
                }
            }
            let addr = SocketAddr::from((ip, u16::from_be_bytes([p, q]) | 1024));
            if !self.by_addr.contains_key(&addr) {
                break addr;
            }
        };
        let number = self.hosts.len();
        let open = is_sybil || number < ROUTERS || !rng.chance(self.setting.nat_percent, 100);
        let read_only = !open && rng.chance(1, 5);
        let lie = self.setting.lies[below(self.setting.lies.len(), rng)];
        let kind = if is_sybil {
            Kind::Sybil(Sybil::new(addr.ip(), lie, rng.fork()))
        } else {
            Kind::Nobody
        };
        let gang = if is_sybil { &mut self.gang.members } else { &mut self.gang.others };
        gang.push(addr);
        let (place, nat) = (Place::draw(rng), (!open).then(Nat::default));
        self.hosts.push(Host { addr, place, kind, nat, read_only, wake: None, lookup: None });
        self.by_addr.insert(addr, number);
    }

    /// All of it: they join, announce, die, and look up. How the lookups went.
    pub fn live(&mut self) -> &[Lookup] {
        self.settle();
        self.announce();
        self.die();
        self.look_up()
    }

    /// All join and find their places.
    pub fn settle(&mut self) {
        self.run(JOINING + SETTLING);
    }

    /// A torrent for each lookup is announced by one to five nodes, of a tenth of them. They will not die.
    pub fn announce(&mut self) {
        let mut nodes = self.nodes();
        let mut rng = self.rng.fork();
        shuffle(&mut nodes, &mut rng);
        nodes.truncate(nodes.len().div_ceil(10));
        for _ in 0..self.setting.lookups {
            let info_hash = InfoHash(sybil::any_id(&mut rng).0);
            let mut peers = BTreeSet::new();
            for _ in 0..=rng.below(5) {
                let host = nodes[below(nodes.len(), &mut rng)];
                let port = u16::try_from(1024 + rng.below(60_000)).expect("a port");
                if peers.insert(SocketAddr::new(self.hosts[host].addr.ip(), port)) {
                    let announce = Announce { port, implied_port: false, seed: false };
                    self.with_node(host, |dht, now| dht.announce(info_hash, announce, now));
                }
            }
            self.torrents.push(Torrent { info_hash, peers });
        }
        self.run(PAUSE);
    }

    /// Some die at once, and say nothing.
    pub fn die(&mut self) {
        let announced: BTreeSet<IpAddr> =
            self.torrents.iter().flat_map(|torrent| &torrent.peers).map(SocketAddr::ip).collect();
        let mut nodes = self.nodes();
        let mut rng = self.rng.fork();
        shuffle(&mut nodes, &mut rng);
        let mortal =
            |host: &usize| *host >= ROUTERS && !announced.contains(&self.hosts[*host].addr.ip());
        let count = self.setting.nodes * self.setting.dead_percent / 100;
        let dead: Vec<usize> = nodes.into_iter().filter(mortal).take(count).collect();
        assert_eq!(dead.len(), count, "seed {}: enough are left to die", self.seed);
        for host in dead {
            self.hosts[host].kind = Kind::Nobody;
        }
        self.run(PAUSE);
    }

    /// Live nodes look the torrents up, that they have not announced; twenty begin in a second.
    pub fn look_up(&mut self) -> &[Lookup] {
        let mut nodes = self.nodes();
        let mut rng = self.rng.fork();
        shuffle(&mut nodes, &mut rng);
        let mut nodes = nodes.into_iter().skip_while(|host| *host < ROUTERS).cycle();
        let mut at = self.now;
        for torrent in 0..self.torrents.len() {
            let peers = &self.torrents[torrent].peers;
            let strange =
                |host: &usize| peers.iter().all(|peer| peer.ip() != self.hosts[*host].addr.ip());
            let host = nodes.find(strange).expect("few have announced it");
            self.at(at, Event::Look { host, torrent });
            at = at.after(Duration::from_millis(50));
        }
        self.run(at.since(self.now) + LOOKUP_MAX);
        &self.lookups
    }

    /// What live nodes have in their tables.
    pub fn tables(&self) -> Tables {
        let mut tables = Tables::default();
        for host in &self.hosts {
            let Kind::Node(dht) = &host.kind else { continue };
            for addr in nodes_of(&dht.save(self.now)) {
                tables.entries += 1;
                let Some(other) = self.by_addr.get(&addr).map(|other| &self.hosts[*other]) else {
                    continue;
                };
                tables.behind_nat += usize::from(other.nat.is_some());
                match other.kind {
                    Kind::Nobody => tables.dead += 1,
                    Kind::Sybil(_) => tables.sybils += 1,
                    Kind::Node(_) => {}
                }
            }
        }
        tables
    }

    /// Takes all machines out of the world, to see what memory they held; says how many there were.
    pub fn clear(&mut self) -> usize {
        let nodes = self.nodes();
        nodes.iter().for_each(|host| self.hosts[*host].kind = Kind::Nobody);
        nodes.len()
    }

    /// Hosts where a machine runs.
    fn nodes(&self) -> Vec<usize> {
        let there = |host: &usize| matches!(self.hosts[*host].kind, Kind::Node(_));
        (0..self.hosts.len()).filter(there).collect()
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.events_count += 1;
        self.events.push(Reverse(Due { at, number: self.events_count, event }));
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while self.events.peek().is_some_and(|next| next.0.at <= end) {
            let Some(Reverse(Due { at, event, .. })) = self.events.pop() else { break };
            self.now = at;
            match event {
                Event::Join(host) => self.join(host),
                Event::Greet(host) => self.greet(host),
                Event::Wake(host) => self.wake(host),
                Event::Land { from, to, bytes } => self.land(from, to, &bytes),
                Event::Look { host, torrent } => self.look(host, torrent),
            }
        }
        self.now = end;
    }

    fn join(&mut self, number: usize) {
        let host = &self.hosts[number];
        if matches!(host.kind, Kind::Sybil(_)) {
            let first = Duration::from_millis(self.rng.below(20_000).into());
            self.at(self.now.after(first), Event::Greet(number));
            return;
        }
        let routers = self.hosts.iter().take(ROUTERS.min(number));
        let config = Config {
            families: Families { v4: true, v6: false },
            read_only: host.read_only,
            routers: routers.map(|host| (host.addr.ip().to_string(), host.addr.port())).collect(),
            ..Config::default()
        };
        let dht = Dht::new(config, self.rng.fork(), self.now);
        self.hosts[number].kind = Kind::Node(Box::new(dht));
        self.drain(number);
    }

    fn greet(&mut self, host: usize) {
        let to = self.gang.others[below(self.gang.others.len(), &mut self.rng)];
        if let Kind::Sybil(sybil) = &mut self.hosts[host].kind {
            let bytes = sybil.greet();
            self.send(host, to, bytes);
        }
        self.at(self.now.after(GREETING), Event::Greet(host));
    }

    fn wake(&mut self, host: usize) {
        if self.hosts[host].wake != Some(self.now) {
            return;
        }
        self.hosts[host].wake = None;
        self.with_node(host, Dht::on_deadline);
    }

    fn land(&mut self, from: usize, to: Option<usize>, bytes: &[u8]) {
        self.flies(from, bytes.len(), false);
        let Some(to) = to else { return };
        self.flies(to, bytes.len(), false);
        let now = self.now;
        let sender = self.hosts[from].addr;
        let host = &mut self.hosts[to];
        if host.nat.as_ref().is_some_and(|nat| !nat.lets_in(sender, now)) {
            return;
        }
        let me = host.addr;
        match &mut host.kind {
            Kind::Nobody => {}
            Kind::Sybil(sybil) => {
                if let Some(answer) = sybil.answer(me, sender, bytes, &mut self.gang) {
                    self.send(to, sender, answer);
                }
            }
            Kind::Node(_) => self.with_node(to, |dht, now| dht.on_datagram(sender, bytes, now)),
        }
    }

    fn look(&mut self, host: usize, torrent: usize) {
        let lookup = self.lookups.len();
        let Torrent { info_hash, peers } = &self.torrents[torrent];
        let query = Query::Peers { info_hash: *info_hash, scrape: false };
        self.lookups.push(Lookup { announcers: peers.len(), ..Lookup::default() });
        self.looked_up.push((torrent, self.now));
        let now = self.now;
        let Kind::Node(dht) = &mut self.hosts[host].kind else {
            panic!("seed {}: host {host} looks up, and has no machine", self.seed)
        };
        let id = dht.ask(query, now);
        self.hosts[host].lookup = Some((id, lookup));
        self.drain(host);
    }

    fn with_node(&mut self, host: usize, change: impl FnOnce(&mut Dht, Instant)) {
        if let Kind::Node(dht) = &mut self.hosts[host].kind {
            change(dht, self.now);
            self.drain(host);
        }
    }

    /// Does what the machine wants done, and notes when it wants to be woken.
    fn drain(&mut self, number: usize) {
        loop {
            let Kind::Node(dht) = &mut self.hosts[number].kind else { return };
            match dht.poll_output() {
                Some(Output::Datagram(to, bytes)) => self.send(number, to, bytes),
                Some(Output::Answer(id, answer)) => self.on_answer(number, id, &answer),
                Some(Output::ExternalAddr(ip)) => {
                    let addr = self.hosts[number].addr;
                    if addr.ip() == ip {
                        self.fooled.remove(&addr);
                    } else {
                        self.fooled.insert(addr);
                    }
                }
                Some(Output::Peers(..) | Output::Resolve(_)) => {}
                None => break,
            }
        }
        let host = &mut self.hosts[number];
        let Kind::Node(dht) = &mut host.kind else { return };
        // A deadline in the past means at once, but not before what happens now.
        let deadline = dht.deadline().map(|at| at.max(self.now));
        if let Some(at) = deadline.filter(|at| host.wake.is_none_or(|wake| *at < wake)) {
            host.wake = Some(at);
            self.at(at, Event::Wake(number));
        }
    }

    fn on_answer(&mut self, host: usize, id: QueryId, answer: &Answer) {
        let Some((_, number)) = self.hosts[host].lookup.filter(|(asked, _)| *asked == id) else {
            return;
        };
        let (torrent, began) = self.looked_up[number];
        let lookup = &mut self.lookups[number];
        let took = self.now.since(began);
        match answer {
            Answer::Peers(peers) => {
                let known = &self.torrents[torrent].peers;
                let found = peers.iter().filter(|peer| known.contains(peer)).count();
                lookup.true_peers += found;
                lookup.false_peers += peers.len() - found;
                if found > 0 && lookup.first.is_none() {
                    lookup.first = Some(took);
                }
            }
            Answer::Done(done) => {
                lookup.done = Some(took);
                lookup.asked = done.asked;
                lookup.answered = done.answered;
                self.hosts[host].lookup = None;
            }
            Answer::Immutable(_)
            | Answer::Mutable(_)
            | Answer::Nodes(_)
            | Answer::Samples { .. }
            | Answer::Scrape { .. } => {
                panic!("seed {}: {answer:?} to a search for peers", self.seed)
            }
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        self.datagrams += 1;
        let now = self.now;
        let host = &mut self.hosts[from];
        if let Some(nat) = &mut host.nat {
            nat.on_sent(to, now);
        }
        if let Some((_, lookup)) = host.lookup {
            self.lookups[lookup].endpoints.insert(to);
        }
        self.flies(from, bytes.len(), true);
        let Some(number) = self.by_addr.get(&to).copied() else {
            // It is on its way for a while all the same.
            let lost = Event::Land { from, to: None, bytes };
            self.at(now.after(Duration::from_millis(100)), lost);
            return;
        };
        let pair = u64::try_from(from.min(number) << 32 | from.max(number)).expect("64 bits");
        let pair = pair ^ self.seed << 20;
        let (here, there) = (self.hosts[from].place, self.hosts[number].place);
        let delay = here.delay(there, pair, &mut self.rng);
        let land = Event::Land { from, to: delay.map(|_| number), bytes };
        let way = delay.unwrap_or(Duration::from_millis(100));
        if delay.is_some()
            && let Event::Land { bytes, .. } = &land
        {
            self.flies(number, bytes.len(), true);
        }
        self.at(now.after(way), land);
    }

    /// A datagram of a host that looks something up starts, or has landed or is lost.
    fn flies(&mut self, host: usize, bytes: usize, starts: bool) {
        let Some((_, lookup)) = self.hosts[host].lookup else { return };
        let lookup = &mut self.lookups[lookup];
        if starts {
            lookup.datagrams += 1;
            lookup.flying_bytes += bytes;
            lookup.flying_bytes_max = lookup.flying_bytes_max.max(lookup.flying_bytes);
        } else {
            // One that started before the lookup was not counted.
            lookup.flying_bytes = lookup.flying_bytes.saturating_sub(bytes);
        }
    }
}

/// The nodes in what a machine saves.
fn nodes_of(saved: &[u8]) -> Vec<SocketAddr> {
    let limits =
        Limits { bytes_max: 1 << 20, depth_max: 4, values_max: 64, key_order: KeyOrder::Any };
    let Ok(Value::Dict(saved)) = bencode::decode(saved, limits) else { return Vec::new() };
    let of_v4 = saved.get(b"4").and_then(Value::as_dict);
    let nodes = of_v4.and_then(|dict| dict.get(b"nodes")).and_then(Value::as_bytes);
    let reply = Reply { nodes_v4: nodes.unwrap_or_default(), ..Reply::of(NodeId([0; 20])) };
    reply.nodes().map(|(_, addr)| addr).collect()
}

fn below(count: usize, rng: &mut Rng) -> usize {
    rng.below(u32::try_from(count).expect("hosts are few")) as usize
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for at in (1..items.len()).rev() {
        items.swap(at, below(at + 1, rng));
    }
}

/// The value at `percent` of `values`, sorted; zero of none.
pub fn percentile<T: Copy + Default + Ord>(values: impl Iterator<Item = T>, percent: usize) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let at = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}
