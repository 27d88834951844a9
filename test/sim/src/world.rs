//! The world: nodes, what lies between them, and time.
//!
//! Safety is checked at every step (a claimed piece can be read, buffers stay within their
//! bound, a committed have-bit is durable, no node counts more bytes than crossed the network),
//! liveness at the end (every node has everything, durable, no buffer is out, and the sums
//! agree). A leecher that wants some of the files must in the end have those, and never make
//! another. Every panic names the seed. That these checks bite is shown by `planted/run.sh`.

mod hostility;

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

use base::{ConnId, FileIndex, HttpError, HttpReply, HttpRequest, Instant, PeerId, Rng, TorrentId};
use discovery::tracker_client::Families;
use node::hub::{self, Event as News, Hub};
use node::limit::{Limits, Rates};
use node::message::{PeerNews, ToHub, ToShard};
use node::shard::{self, Shard};
use node::spec::{MagnetSpec, TorrentSpec};
use storage::durability::SyncPolicy;
use storage::job::{DiskDone, HashPart};

use crate::content::Content;
use crate::disk::{SimDisk, Started};
use crate::fault::Countdown;
use crate::hostile::{Hostile, Malice};
use crate::network::{EndId, Item, Network, Owner};
use crate::scenario::Scenario;
use crate::tally::Tally;

mod faults;

/// Shards per node.
pub const SHARDS: usize = 2;

/// Virtual time after which a swarm that is not done never will be: the slowest of 600 seeds took
/// two minutes.
const LIFE_MAX: Duration = Duration::from_secs(20 * 60);

/// Buffers a shard may have out beyond its plan: one block partly read per connection, and what
/// one gathered read may bring.
const BUFFERS_EXCESS: usize = 64;

/// A socket that was left alone for want of buffers or lease for so long is forgotten: disks that
/// are full at times and low limits take some seconds.
const STARVED_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Event {
    ToShard(usize, usize, Box<ToShard>),
    ToHub(usize, usize, ToHub),
    Disk(usize, usize, Started),
    Dialed {
        from: usize,
        conn: ConnId,
        shard: usize,
        to: SocketAddr,
    },
    Accepted(usize, usize, ConnId, bool),
    Arrive(EndId, Vec<u8>),
    Eof(EndId),
    Http(usize, HttpRequest),
    Crash,
    Restart(usize),
    Reset,
    /// A hostile peer looks for somebody to dial.
    Prowl(usize),
    /// A hostile peer says something of its own.
    Pester(usize),
    Kill {
        power_cut: bool,
    },
}

#[derive(Debug)]
struct Node {
    addr: SocketAddr,
    epoch: u64,
    /// `None` while it is down.
    machines: Option<(Hub, Vec<Shard>)>,
    disk: SimDisk,
    torrent: TorrentId,
    /// What it is about to seek, while that is not found.
    to_begin: Option<TorrentSpec>,
    /// By file: to be had in this life.
    wanted: Vec<bool>,
    /// By file: to be had in some life.
    ever_wanted: Vec<bool>,
    settled: bool,
    removed: bool,
    /// Pieces whose claim was checked against the disk.
    claimed: u32,
    tally: Tally,
    /// Whom it banned, in all its lives.
    banned: BTreeSet<IpAddr>,
    /// When the last letter of each pair arrives: letters of a pair stay in order.
    letters_at: BTreeMap<(usize, bool), Instant>,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct World {
    seed: u64,
    rng: Rng,
    scenario: Scenario,
    content: Content,
    now: Instant,
    next_event: u64,
    times: BinaryHeap<Reverse<(Instant, u64)>>,
    events: BTreeMap<u64, (usize, u64, Event)>,
    nodes: Vec<Node>,
    hostiles: Vec<Hostile>,
    network: Network,
    tracker: BTreeSet<SocketAddr>,
    /// A digest of everything that happened, to compare two runs.
    history: u64,
    steps: u64,
    steps_now: u64,
    finishing: bool,
    /// Since when everybody is done.
    done_at: Option<Instant>,
    fault_came: bool,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How long the swarm lived.
    pub lived: Duration,
    /// Events handled.
    pub steps: u64,
    /// A digest of the order of all events.
    pub history: u64,
    /// The fault of the scenario came.
    pub fault_came: bool,
}

/// Runs the world of `seed` to its end. Panics, naming the seed, if anything is wrong.
pub fn run(seed: u64) -> Outcome {
    let mut rng = Rng::from_seed(seed);
    let scenario = Scenario::draw(&mut rng);
    run_scenario(seed, scenario, rng)
}

/// Runs a given scenario.
pub fn run_scenario(seed: u64, scenario: Scenario, rng: Rng) -> Outcome {
    // Assertions inside the machines know of no seed.
    let run = AssertUnwindSafe(|| World::new(seed, scenario, &[], rng).live());
    caught(seed, run)
}

/// Runs a given scenario with hostile peers, each at an address of its own.
pub fn run_against(
    seed: u64,
    scenario: Scenario,
    hostiles: &[(SocketAddr, Malice)],
    rng: Rng,
) -> Outcome {
    let run = AssertUnwindSafe(|| World::new(seed, scenario, hostiles, rng).live());
    caught(seed, run)
}

fn caught(seed: u64, run: AssertUnwindSafe<impl FnOnce() -> Outcome>) -> Outcome {
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text =
            text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
        let text = text.strip_prefix(&format!("seed {seed}: ")).unwrap_or(text);
        panic!("seed {seed} failed: {text}\nreplay it by SIM_SEED={seed}")
    })
}

impl World {
    fn new(seed: u64, scenario: Scenario, hostiles: &[(SocketAddr, Malice)], mut rng: Rng) -> Self {
        let content = Content::new(&mut rng);
        let mut world = Self {
            seed,
            scenario,
            content,
            now: Instant::START,
            next_event: 0,
            times: BinaryHeap::new(),
            events: BTreeMap::new(),
            nodes: Vec::new(),
            hostiles: Vec::new(),
            network: Network::default(),
            tracker: BTreeSet::new(),
            history: 0,
            steps: 0,
            steps_now: 0,
            finishing: false,
            done_at: None,
            fault_came: false,
            rng,
        };
        for index in 0..scenario.seeders + scenario.leechers {
            let mut disk = SimDisk::new(scenario.disk, world.rng.fork());
            if let Some(fault) = scenario.fault.filter(|fault| fault.node == index) {
                disk.countdown = Countdown::new(fault);
            }
            if index < scenario.seeders {
                disk.fill(&world.content);
            } else if scenario.half_there {
                disk.fill_half(&world.content);
            }
            let octet = u8::try_from(index + 1).expect("few nodes");
            world.nodes.push(Node {
                addr: SocketAddr::from(([10, 0, 0, octet], 6881)),
                epoch: 0,
                machines: None,
                disk,
                torrent: TorrentId(0),
                wanted: vec![true; world.content.files.len()],
                to_begin: None,
                ever_wanted: vec![!scenario.selective; world.content.files.len()],
                settled: false,
                removed: false,
                claimed: 0,
                tally: Tally::default(),
                banned: BTreeSet::new(),
                letters_at: BTreeMap::new(),
            });
            let start = world.millis(3000);
            world.at(start, index, Event::Restart(index));
        }
        for _ in 0..scenario.crashes {
            let when = world.millis(60_000);
            world.at(when, usize::MAX, Event::Crash);
        }
        for _ in 0..scenario.resets {
            let when = world.millis(60_000);
            world.at(when, usize::MAX, Event::Reset);
        }
        world.let_loose(hostiles);
        world
    }

    fn millis(&mut self, below: u32) -> Duration {
        Duration::from_millis(u64::from(self.rng.below(below + 1)))
    }

    fn at(&mut self, after: Duration, node: usize, event: Event) {
        self.at_instant(self.now.after(after), node, event);
    }

    fn at_instant(&mut self, when: Instant, node: usize, event: Event) {
        let epoch = self.nodes.get(node).map_or(0, |node| node.epoch);
        self.times.push(Reverse((when, self.next_event)));
        self.events.insert(self.next_event, (node, epoch, event));
        self.next_event += 1;
    }

    fn live(mut self) -> Outcome {
        loop {
            if !self.finishing && self.everybody_is_done() && self.justice_had_time() {
                self.finish();
            }
            if self.finishing && self.nodes.iter().all(|node| node.removed) {
                break;
            }
            let event = self.times.peek().map(|&Reverse((at, _))| at);
            let deadline = self.deadline();
            let Some(next) = [event, deadline].into_iter().flatten().min() else {
                panic!("seed {}: nothing will ever happen again\n{}", self.seed, self.report());
            };
            if next > self.now {
                self.now = next;
                self.steps_now = 0;
            }
            self.steps_now += 1;
            assert!(
                self.steps_now < 100_000,
                "seed {}: time stands still\n{}",
                self.seed,
                self.report()
            );
            let lived = self.now.since(Instant::START);
            assert!(
                lived < LIFE_MAX,
                "seed {}: not done after {lived:?}\n{}",
                self.seed,
                self.report()
            );
            self.steps += 1;
            assert!(self.steps < 2_000_000, "seed {}: busy for ever\n{}", self.seed, self.report());
            if event == Some(next) {
                let Some(Reverse((_, id))) = self.times.pop() else { unreachable!("just peeked") };
                let (node, epoch, event) = self.events.remove(&id).expect("queued once");
                self.mix(id ^ (node as u64) << 32);
                let stale = self.nodes.get(node).is_some_and(|node| node.epoch != epoch);
                if !stale {
                    self.on_event(node, event);
                }
            } else {
                self.run_deadlines();
            }
            self.check();
        }
        self.check_end();
        Outcome {
            lived: self.now.since(Instant::START),
            steps: self.steps,
            history: self.history,
            fault_came: self.fault_came,
        }
    }

    fn mix(&mut self, value: u64) {
        let since = u64::try_from(self.now.since(Instant::START).as_nanos()).unwrap_or(0);
        self.history = Rng::from_seed(self.history ^ value.rotate_left(17) ^ since).next_u64();
    }

    fn everybody_is_done(&self) -> bool {
        self.nodes.iter().all(|node| node.settled && node.machines.is_some())
    }

    fn finish(&mut self) {
        self.finishing = true;
        for index in 0..self.nodes.len() {
            let (torrent, now) = (self.nodes[index].torrent, self.now);
            if let Some((hub, _)) = &mut self.nodes[index].machines {
                hub.remove(torrent, now);
            }
            self.drain(index);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let of_node = |(hub, shards): &(Hub, Vec<Shard>)| {
            shards.iter().filter_map(Shard::deadline).chain(hub.deadline()).min()
        };
        self.nodes.iter().filter_map(|node| node.machines.as_ref().and_then(of_node)).min()
    }

    fn run_deadlines(&mut self) {
        let now = self.now;
        for index in 0..self.nodes.len() {
            if let Some((hub, shards)) = &mut self.nodes[index].machines {
                if hub.deadline().is_some_and(|at| at <= now) {
                    hub.on_deadline(now);
                }
                for shard in shards {
                    if shard.deadline().is_some_and(|at| at <= now) {
                        shard.on_deadline(now);
                    }
                }
            }
            self.drain(index);
        }
    }

    fn on_event(&mut self, node: usize, event: Event) {
        let now = self.now;
        match event {
            Event::ToShard(node, shard, message) => self.deliver(node, shard, *message),
            Event::ToHub(node, shard, message) => {
                self.hub(node).on_message(shard, message, now);
            }
            Event::Disk(node, shard, started) => {
                let done: DiskDone = self.nodes[node].disk.finish(started, &self.content);
                self.watch_for_fault();
                self.shard(node, shard).on_disk(done, now);
            }
            Event::Dialed { from, conn, shard, to } => self.on_dial(from, conn, shard, to),
            Event::Accepted(node, shard, conn, ok) => {
                // The dialler may have given up meanwhile.
                if self.shard_knows(node, conn) || !ok {
                    self.shard(node, shard).on_dialed(conn, ok, now);
                }
            }
            Event::Arrive(id, bytes) => {
                if let Some(end) = self.network.get(id) {
                    end.in_flight -= bytes.len();
                    end.inbox.extend(bytes);
                    self.read(id);
                }
            }
            Event::Eof(id) => {
                if let Some(end) = self.network.get(id) {
                    end.eof = true;
                    self.read(id);
                }
            }
            Event::Http(node, request) => self.on_announce(node, &request),
            Event::Crash => self.crash(),
            Event::Restart(node) => self.boot(node),
            Event::Reset => self.reset(),
            Event::Prowl(index) => self.prowl(index),
            Event::Pester(index) => self.pester(index),
            Event::Kill { power_cut } => self.kill(node, power_cut),
        }
        if node < self.nodes.len() {
            self.drain(node);
        }
    }

    fn shard_knows(&self, node: usize, conn: ConnId) -> bool {
        self.network.find(node, conn).is_some()
    }

    fn hub(&mut self, node: usize) -> &mut Hub {
        &mut self.nodes[node].machines.as_mut().expect("events of the dead are stale").0
    }

    fn shard(&mut self, node: usize, shard: usize) -> &mut Shard {
        &mut self.nodes[node].machines.as_mut().expect("events of the dead are stale").1[shard]
    }

    fn limits(&self) -> Limits {
        Limits { down: self.scenario.limits, up: self.scenario.limits }
    }

    fn boot(&mut self, index: usize) {
        let mut rng = self.rng.fork();
        let mut name = [0; 20];
        name[..8].copy_from_slice(&rng.next_u64().to_be_bytes());
        let peer_id = PeerId(name);
        let config = hub::Config {
            shards: SHARDS,
            peer_id,
            listen_port: 6881,
            families: Families { v4: true, v6: false },
            announce: true,
            lsd: false,
            port_mapping: None,
            dht: None,
            key_secret: [0; 16],
            limits: self.limits(),
        };
        let mut hub = Hub::new(config, rng.fork(), self.now);
        let shards = (0..SHARDS)
            .map(|shard| {
                let config = shard::Config {
                    index: u8::try_from(shard).expect("few shards"),
                    peer_id,
                    client: "sim".into(),
                    listen_port: Some(6881),
                    dht: false,
                    pex: true,
                    buffers: self.scenario.buffers,
                    connections_max: 50,
                    limits: self.limits(),
                    store: storage::store::Config {
                        run_bytes: 32 * 1024,
                        recheck_in_flight_max: 4,
                        sync: SyncPolicy {
                            dirty_bytes_max: 128 * 1024,
                            dirty_age_max: Duration::from_secs(2),
                        },
                    },
                };
                Shard::new(config, rng.fork())
            })
            .collect();
        let mut spec = self.content.spec.clone();
        spec.writable = index >= self.scenario.seeders;
        if spec.writable && self.scenario.selective {
            self.choose(index);
            spec.sequential = self.rng.chance(1, 3);
        }
        for (file, &wanted) in spec.files.iter_mut().zip(&self.nodes[index].wanted) {
            file.wanted = wanted;
        }
        let torrent = if spec.writable && self.scenario.magnets {
            let magnet = MagnetSpec {
                info_hashes: spec.info_hashes,
                trackers: spec.trackers.clone(),
                linked_peers: Vec::new(),
                peers: Vec::new(),
            };
            self.nodes[index].to_begin = Some(spec);
            hub.seek(magnet, self.now)
        } else {
            hub.add(spec, self.now)
        };
        let torrent = torrent.expect("a fresh hub has no torrents");
        let node = &mut self.nodes[index];
        node.machines = Some((hub, shards));
        node.torrent = torrent;
        node.claimed = 0;
        node.tally.on_boot(self.now);
        self.forgive(index);
        self.drain(index);
    }

    /// Draws which files a leecher wants in this life: now and then all, now and then other ones
    /// than before. Its user deletes some that are not wanted any more.
    fn choose(&mut self, index: usize) {
        let files = self.content.files.len();
        let all = self.rng.chance(1, 4);
        let again = self.nodes[index].epoch == 0 || self.rng.chance(2, 3);
        if again {
            let wanted = (0..files).map(|_| all || self.rng.chance(1, 2)).collect();
            self.nodes[index].wanted = wanted;
        }
        let node = &mut self.nodes[index];
        for (ever, wanted) in node.ever_wanted.iter_mut().zip(&node.wanted) {
            *ever |= wanted;
        }
        for file in 0..files {
            if !self.nodes[index].wanted[file] && self.rng.chance(1, 3) {
                let file = FileIndex(u32::try_from(file).expect("few files"));
                self.nodes[index].disk.delete(file);
            }
        }
    }

    /// Pulls the plug of a leecher.
    fn crash(&mut self) {
        let leechers = u32::try_from(self.scenario.leechers).expect("few");
        let index = self.scenario.seeders + self.rng.below(leechers) as usize;
        if self.finishing || self.nodes[index].machines.is_none() {
            return;
        }
        self.kill(index, true);
    }

    /// Resets a connection.
    fn reset(&mut self) {
        let ends = self.network.all();
        if ends.is_empty() {
            return;
        }
        let id = ends[self.rng.below(u32::try_from(ends.len()).expect("few")) as usize];
        let Some(end) = self.network.get(id) else { return };
        let (node, peer) = (end.node, end.peer);
        self.on_gone(id);
        self.drain(node);
        if let Some(end) = self.network.get(peer) {
            let node = end.node;
            self.on_gone(peer);
            self.drain(node);
        }
    }

    fn on_dial(&mut self, from: usize, conn: ConnId, shard: usize, to: SocketAddr) {
        if let Some(hostile) = self.hostiles.iter().position(|hostile| hostile.addr == to) {
            self.dialled_hostile(from, conn, shard, hostile);
            let back = self.delay();
            return self.at(back, from, Event::Accepted(from, shard, conn, true));
        }
        let target = self.nodes.iter().position(|node| node.addr == to && node.machines.is_some());
        let now = self.now;
        let ip = self.nodes[from].addr.ip();
        let accepted = target
            .and_then(|node| self.hub(node).on_accepted(ip, now).map(|theirs| (node, theirs)));
        if let Some((node, theirs)) = accepted {
            self.network.join((from, conn, Owner::Shard(shard)), (node, theirs, Owner::Hub), now);
        }
        let back = self.delay();
        self.at(back, from, Event::Accepted(from, shard, conn, accepted.is_some()));
    }

    fn delay(&mut self) -> Duration {
        let jitter = u32::try_from(self.scenario.jitter.as_micros()).expect("short");
        let lost = self.rng.chance(self.scenario.loss_per_mille, 1000);
        let stall = if lost {
            Duration::from_millis(u64::from(200 + self.rng.below(2000)))
        } else {
            Duration::ZERO
        };
        self.scenario.delay_min + Duration::from_micros(u64::from(self.rng.below(jitter))) + stall
    }

    /// Lets the holder of an end read what arrived.
    fn read(&mut self, id: EndId) {
        let now = self.now;
        while let Some(end) = self.network.get(id) {
            let (node, conn, owner) = (end.node, end.conn, end.owner);
            match owner {
                Owner::Moving => return,
                Owner::Hostile => return self.read_hostile(id),
                Owner::Hub => {
                    if end.inbox.len() >= 68 {
                        let mut bytes = [0; 68];
                        bytes
                            .iter_mut()
                            .zip(end.inbox.drain(..68))
                            .for_each(|(to, byte)| *to = byte);
                        let peer_node = end.peer_node;
                        end.owner = Owner::Moving;
                        let port = 40_000 + u16::try_from(id.0 % 20_000).expect("fits");
                        let addr = SocketAddr::new(self.ip_of(peer_node), port);
                        self.on_read(id, bytes.len());
                        self.hub(node).on_handshake(conn, addr, &bytes);
                    } else if end.eof {
                        self.on_gone(id);
                    }
                    return self.drain(node);
                }
                Owner::Shard(shard) => {
                    if end.inbox.is_empty() {
                        if end.eof {
                            self.on_gone(id);
                            self.drain(node);
                        }
                        return;
                    }
                    let Some(mut plan) = self.shard(node, shard).recv_plan(conn, now) else {
                        if let Some(end) = self.network.get(id) {
                            end.starved.get_or_insert(now);
                        }
                        return self.drain(node);
                    };
                    let whole = self.rng.chance(3, 4);
                    let cut = if whole { usize::MAX } else { 1 + self.rng.below(40_000) as usize };
                    let end = self.network.get(id).expect("planning closes nothing");
                    let mut left = end.inbox.len().min(cut);
                    let before = end.inbox.len();
                    for slot in &mut plan.slots {
                        let bytes = slot.bytes_mut();
                        let count = bytes.len().min(left);
                        bytes[..count]
                            .iter_mut()
                            .zip(end.inbox.drain(..count))
                            .for_each(|(to, byte)| *to = byte);
                        left -= count;
                    }
                    let read = before - end.inbox.len();
                    let peer = end.peer;
                    self.on_read(id, read);
                    self.shard(node, shard).on_received(conn, plan, read, now);
                    self.drain(node);
                    self.flush(peer);
                }
            }
        }
    }

    fn on_gone(&mut self, id: EndId) {
        let Some(end) = self.network.remove(id) else { return };
        let now = self.now;
        match end.owner {
            Owner::Hub => self.hub(end.node).on_closed(end.conn),
            Owner::Moving => {}
            Owner::Hostile => self.hostiles[end.node - hostility::FIRST].on_closed(end.conn),
            Owner::Shard(shard) => self.shard(end.node, shard).on_closed(end.conn, now),
        }
    }

    /// This side closes; the other sees the end of the stream after what is on its way.
    fn close(&mut self, id: EndId) {
        let Some(end) = self.network.remove(id) else { return };
        let delay = self.delay();
        let Some(peer) = self.network.get(end.peer) else { return };
        let when = peer.last_arrival.max(self.now.after(delay));
        peer.last_arrival = when;
        let node = peer.node;
        self.at_instant(when, node, Event::Eof(end.peer));
    }

    /// Sends what the window takes.
    fn flush(&mut self, id: EndId) {
        while let Some(end) = self.network.get(id) {
            let (node, conn, peer, owner) = (end.node, end.conn, end.peer, end.owner);
            if matches!(owner, Owner::Hub | Owner::Moving) {
                return;
            }
            let room = self.network.room(peer, self.scenario.window);
            let end = self.network.get(id).expect("just seen");
            let Some(item) = end.queue.front_mut() else { return };
            let bytes = match item {
                Item::Bytes(bytes, gone) => {
                    let count = room.min(bytes.len() - *gone);
                    let chunk = bytes[*gone..*gone + count].to_vec();
                    *gone += count;
                    if *gone == bytes.len() {
                        end.queue.pop_front();
                    }
                    chunk
                }
                Item::Block(out) => {
                    let Owner::Shard(shard) = owner else { unreachable!("only nodes have disks") };
                    if room < out.header.len() + out.block.length_bytes as usize {
                        return;
                    }
                    let Some(Item::Block(out)) = end.queue.pop_front() else {
                        unreachable!("just seen")
                    };
                    let disk = &self.nodes[node].disk;
                    let mut bytes = out.header.to_vec();
                    for part in &out.parts {
                        bytes.extend(match *part {
                            HashPart::File(extent) => disk.read(extent).expect("it is resident"),
                            HashPart::Zeros(length) => {
                                vec![0; usize::try_from(length).expect("small")]
                            }
                        });
                    }
                    let now = self.now;
                    self.nodes[node].tally.on_sent(out.block);
                    let to = self.network.get(peer).map(|end| end.node);
                    if let Some(to) = to.and_then(|to| self.nodes.get_mut(to)) {
                        to.tally.on_sent_here(out.block);
                    }
                    self.shard(node, shard).on_sent(conn, out.torrent, out.block, now);
                    bytes
                }
            };
            if bytes.is_empty() {
                return;
            }
            self.transmit(peer, bytes);
        }
    }

    fn transmit(&mut self, to: EndId, bytes: Vec<u8>) {
        let delay = self.delay();
        let Some(end) = self.network.get(to) else { return };
        end.in_flight += bytes.len();
        let when = end.last_arrival.max(self.now.after(delay));
        end.last_arrival = when;
        let node = end.node;
        self.at_instant(when, node, Event::Arrive(to, bytes));
    }

    fn deliver(&mut self, node: usize, shard: usize, message: ToShard) {
        let now = self.now;
        let mut moved = None;
        if let ToShard::Incoming { conn, .. } = &message {
            // The connection may have ended while it was handed over.
            let Some(id) = self.network.find(node, *conn) else { return };
            if let Some(end) = self.network.get(id) {
                end.owner = Owner::Shard(shard);
            }
            moved = Some(id);
        }
        self.shard(node, shard).on_message(message, now);
        self.drain(node);
        if let Some(id) = moved {
            self.read(id);
        }
    }

    fn letter_time(&mut self, node: usize, pair: (usize, bool)) -> Instant {
        let delay_us = u32::try_from(self.scenario.letter_delay.as_micros()).expect("short");
        let delay = Duration::from_micros(u64::from(self.rng.below(delay_us + 1)));
        let before = self.nodes[node].letters_at.get(&pair).copied().unwrap_or(self.now);
        let when = before.max(self.now.after(delay));
        self.nodes[node].letters_at.insert(pair, when);
        when
    }

    /// Carries out what a node's machines want, until they want nothing more.
    fn drain(&mut self, index: usize) {
        loop {
            let machines = self.nodes.get_mut(index).and_then(|node| node.machines.as_mut());
            let Some((hub, shards)) = machines else { return };
            if let Some(output) = hub.poll_output() {
                self.on_hub(index, output);
                continue;
            }
            let found = shards
                .iter_mut()
                .enumerate()
                .find_map(|(shard, machine)| Some((shard, machine.poll_output()?)));
            let Some((shard, output)) = found else { return };
            self.on_shard(index, shard, output);
        }
    }

    fn on_hub(&mut self, node: usize, output: hub::Output) {
        match output {
            hub::Output::ToShard(shard, message) => {
                let when = self.letter_time(node, (shard, true));
                self.at_instant(when, node, Event::ToShard(node, shard, Box::new(message)));
            }
            hub::Output::Close(conn) => {
                if let Some(id) = self.network.find(node, conn) {
                    self.close(id);
                }
            }
            hub::Output::Http(request) => {
                let delay = self.delay() + self.delay();
                self.at(delay, node, Event::Http(node, request));
            }
            hub::Output::Event(News::Settled(..)) => self.nodes[node].settled = true,
            hub::Output::Event(News::Metadata(torrent, metadata)) => {
                let seed = self.seed;
                let info = self.content.spec.info.as_deref();
                assert_eq!(Some(&*metadata.info), info, "seed {seed}: another torrent was found");
                let spec = self.nodes[node].to_begin.take().expect("found once in a life");
                let now = self.now;
                assert!(self.hub(node).begin(torrent, spec, now), "seed {seed}: it is not begun");
            }
            hub::Output::Event(News::Removed(..)) => self.nodes[node].removed = true,
            hub::Output::Event(News::Failed(_, why)) => self.on_failed(node, &why.to_string()),
            hub::Output::Event(News::Peer(_, addr, PeerNews::Banned)) => {
                self.on_banned(node, addr);
            }
            hub::Output::Event(_) | hub::Output::CancelHttp(_) => {}
            hub::Output::Resolve(_)
            | hub::Output::Datagram(..)
            | hub::Output::Announce { .. }
            | hub::Output::FindGateway
            | hub::Output::ToRouter { .. }
            | hub::Output::Stopped => {
                panic!("seed {}: no names, datagrams and routers in this world", self.seed)
            }
        }
    }

    fn on_shard(&mut self, node: usize, shard: usize, output: shard::Output) {
        match output {
            shard::Output::ToHub(message) => {
                if let ToHub::Status(_, status) = &message {
                    let wrong = self.nodes[node].tally.on_status(status, &self.content.layout);
                    if let Some(wrong) = wrong {
                        panic!("seed {}: node {node} counts {wrong}: {status:?}", self.seed);
                    }
                }
                let when = self.letter_time(node, (shard, false));
                self.at_instant(when, node, Event::ToHub(node, shard, message));
            }
            shard::Output::Dial(conn, to) => {
                let delay = self.delay();
                self.at(delay, node, Event::Dialed { from: node, conn, shard, to });
            }
            shard::Output::Close(conn, _) => {
                if let Some(id) = self.network.find(node, conn) {
                    self.close(id);
                }
            }
            shard::Output::Send(conn, bytes) => self.enqueue(node, conn, Item::Bytes(bytes, 0)),
            shard::Output::SendBlock(block) => self.enqueue(node, block.conn, Item::Block(block)),
            shard::Output::Disk(job) => {
                let started = self.nodes[node].disk.start(job);
                let usual = u32::try_from(self.scenario.disk_delay.as_micros()).expect("short");
                let slow = if self.rng.chance(1, 100) { 50 } else { 1 };
                let delay = Duration::from_micros(u64::from(self.rng.below(usual)) * slow);
                self.at(delay, node, Event::Disk(node, shard, started));
            }
            shard::Output::ReadAgain(conn) => {
                let id = self.network.find(node, conn);
                let starved = id.and_then(|id| self.network.get(id)?.starved.take());
                match id.filter(|_| starved.is_some()) {
                    Some(id) => self.read(id),
                    None => self.shard(node, shard).pass(conn),
                }
            }
        }
    }

    fn enqueue(&mut self, node: usize, conn: ConnId, item: Item) {
        if let Some(id) = self.network.find(node, conn)
            && let Some(end) = self.network.get(id)
        {
            end.queue.push_back(item);
            self.flush(id);
        }
    }

    /// The tracker: knows who announced, answers after a while, or does not.
    fn on_announce(&mut self, node: usize, request: &HttpRequest) {
        let addr = self.nodes[node].addr;
        let result = if self.rng.chance(self.scenario.tracker_failures_per_mille, 1000) {
            Err(HttpError::Timeout)
        } else if request.url.contains("/scrape") {
            Ok(HttpReply { status: 404, location: None, content_type: None, body: Vec::new() })
        } else {
            if request.url.contains("event=stopped") {
                self.tracker.remove(&addr);
            } else {
                self.tracker.insert(addr);
            }
            let mut body = b"d8:intervali1800e12:min intervali60e5:peers".to_vec();
            let hostile = self.hostiles.iter().map(|hostile| &hostile.addr);
            let others: Vec<u8> = self
                .tracker
                .iter()
                .chain(hostile)
                .filter(|other| **other != addr)
                .flat_map(|other| {
                    let SocketAddr::V4(other) = other else { unreachable!("IPv4 only") };
                    other.ip().octets().into_iter().chain(other.port().to_be_bytes())
                })
                .collect();
            body.extend(format!("{}:", others.len()).into_bytes());
            body.extend(others);
            body.push(b'e');
            Ok(HttpReply { status: 200, location: None, content_type: None, body })
        };
        let now = self.now;
        self.hub(node).on_http(request.id, result, now);
    }

    /// Nobody waits for buffers that are there, and nobody waits for ever: a wake-up that was lost
    /// shows at once, also where other events would make up for it by and by.
    fn check_wake_ups(&self) {
        let (seed, buffers) = (self.seed, self.scenario.buffers);
        for (end, shard, since) in self.network.starved() {
            let (node, conn) = (end.node, end.conn);
            let Some((_, shards)) = &self.nodes[node].machines else { continue };
            let out = shards[shard].buffers_out();
            // With limits, it may be waiting for a lease.
            let fed = self.scenario.limits != Rates::default() || out >= buffers;
            assert!(
                fed,
                "seed {seed}: node {node} leaves {conn:?} alone with {out} of {buffers} buffers out"
            );
            let waited = self.now.since(since);
            assert!(
                waited < STARVED_MAX,
                "seed {seed}: node {node} leaves {conn:?} alone for {waited:?}"
            );
        }
    }

    /// Safety, after every event.
    fn check(&mut self) {
        self.check_wake_ups();
        let thorough = self.steps.is_multiple_of(8);
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let Some((_, shards)) = &node.machines else { continue };
            let excess = node.tally.excess(self.scenario.limits, self.now);
            assert!(excess == 0, "seed {}: node {index} sent {excess} B beyond limits", self.seed);
            for shard in shards {
                let out = shard.buffers_out();
                let bound = self.scenario.buffers + BUFFERS_EXCESS;
                assert!(out <= bound, "seed {}: node {index} has {out} buffers out", self.seed);
                // It costs more than the rest, and what is forgotten stays so.
                let request =
                    if thorough { shard.misremembered_request(node.torrent) } else { None };
                assert!(
                    request.is_none(),
                    "seed {}: node {index} miscounts requests of {request:?}",
                    self.seed
                );
                let Some(have) = shard.have(node.torrent) else { continue };
                if have.count() == node.claimed {
                    continue;
                }
                node.claimed = have.count();
                for piece in have.ones() {
                    assert!(
                        node.disk.holds(piece, &self.content),
                        "seed {}: node {index} claims {piece:?}, which is not there",
                        self.seed
                    );
                }
            }
        }
    }

    fn check_end(&self) {
        self.check_justice();
        for (index, node) in self.nodes.iter().enumerate() {
            let seed = self.seed;
            assert!(
                node.disk.is_durably_complete(&self.content, &node.wanted),
                "seed {seed}: node {index} is not durably complete"
            );
            let leecher = index >= self.scenario.seeders;
            for (file, _) in node.ever_wanted.iter().enumerate().filter(|(_, wanted)| !**wanted) {
                let there = node.disk.has_file(FileIndex(u32::try_from(file).expect("few files")));
                assert!(
                    !leecher || !there,
                    "seed {seed}: node {index} made the skipped file {file}"
                );
            }
            let part = self.content.layout.part_file().is_some_and(|part| node.disk.has_file(part));
            let all = node.wanted.iter().all(|wanted| *wanted);
            assert!(!part || !all, "seed {seed}: node {index} leaves a part file for nothing");
            let wrong = node.tally.at_end(node.disk.recorded_totals());
            assert!(
                wrong.is_none(),
                "seed {seed}: node {index} counted wrong: {wrong:?} {:?}",
                node.tally
            );
            let Some((_, shards)) = &node.machines else {
                panic!("seed {seed}: node {index} is down")
            };
            for shard in shards {
                assert_eq!(shard.buffers_out(), 0, "seed {seed}: node {index} leaked buffers");
            }
        }
    }

    fn report(&self) -> String {
        let mut lines = vec![format!("{:?} at {:?}", self.scenario, self.now)];
        for (index, node) in self.nodes.iter().enumerate() {
            let status = node.machines.as_ref().map(|(hub, _)| hub.changes(0).1);
            lines.push(format!(
                "node {index}: settled {} removed {} {status:?}",
                node.settled, node.removed
            ));
        }
        lines.join("\n")
    }
}
