//! Shares of lanes: torrents and peers by letters, each with its greed in bytes per second.

use core::fmt::Write as _;

use super::*;
use crate::limit::{Class, Direction, Leases, Limits, Rates};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A peer: its torrent, what it has to move a second, and in units of how many bytes.
#[derive(Debug)]
struct Peer {
    shard: usize,
    torrent: TorrentId,
    conn: ConnId,
    greed: u64,
    chunk: u64,
    has: u64,
    moved: u64,
}

struct World {
    hub: Leases,
    lanes: Vec<Lane>,
    peers: Vec<Peer>,
    now: Instant,
    /// Turns are read: one has to end before the next begins, and it moves all it may.
    reads: bool,
}

const KEY: (Direction, Class) = (Direction::Up, Class::Internet);

/// `"A:9,9 B:1"` on each shard: torrent A with two peers that have 9 KiB a second each to move.
/// `9/1000` moves them in units of 1,000 bytes instead of blocks.
fn world(shards: &[&str], global: Option<u64>, torrent: Option<u64>, reads: bool) -> World {
    let mut hub = Leases::default();
    let up = Rates { global, torrent, ..Rates::default() };
    hub.set(&Limits { up, ..Limits::default() }, Instant::START);
    let turn = if reads { 16 * BLOCK_BYTES } else { BLOCK_BYTES };
    let lanes = shards.iter().map(|_| Lane::new(global.is_some(), torrent, turn)).collect();
    let mut peers = Vec::new();
    for (shard, text) in shards.iter().enumerate() {
        for word in text.split_whitespace() {
            let (name, list) = word.split_once(':').unwrap();
            let torrent = TorrentId(u32::from(name.as_bytes()[0] - b'A'));
            for greed in list.split(',') {
                let (greed, chunk) = greed.split_once('/').unwrap_or((greed, "16384"));
                peers.push(Peer {
                    shard,
                    torrent,
                    conn: ConnId(peers.len() as u64),
                    greed: greed.parse::<u64>().unwrap() << 10,
                    chunk: chunk.parse().unwrap(),
                    has: 0,
                    moved: 0,
                });
            }
        }
    }
    World { hub, lanes, peers, now: Instant::START, reads }
}

impl World {
    fn run(&mut self, seconds: u64) {
        const STEP_MS: u64 = 5;
        for _ in 0..seconds * 1000 / STEP_MS {
            self.now = self.now.after(Duration::from_millis(STEP_MS));
            for peer in &mut self.peers {
                // A socket or a pipeline does not save up more than so much.
                peer.has = (peer.has + peer.greed * STEP_MS / 1000).min(2 << 20);
                if peer.has >= peer.chunk {
                    self.lanes[peer.shard].join(peer.torrent, peer.conn, self.now);
                }
            }
            for shard in 0..self.lanes.len() {
                self.lanes[shard].unpark(self.now);
                self.turns(shard);
                if let Some(torrents) = self.lanes[shard].must_ask() {
                    self.hub.on_wanted(shard, KEY, torrents);
                }
                self.lanes[shard].assert_invariants();
            }
            for (shard, _, bytes) in self.hub.share(self.now) {
                self.lanes[shard].grant(bytes);
                self.turns(shard);
            }
        }
    }

    fn turns(&mut self, shard: usize) {
        let lane = &mut self.lanes[shard];
        while let Some(turn) = lane.next(self.now) {
            let peer = &mut self.peers[usize::try_from(turn.conn.0).unwrap()];
            let most =
                if self.reads { (turn.bytes as u64).next_multiple_of(peer.chunk) } else { 0 };
            let bytes = most.max(peer.chunk).min(peer.has);
            peer.has -= bytes;
            peer.moved += bytes;
            lane.spend(turn.torrent, turn.conn, bytes);
            if peer.has >= peer.chunk {
                lane.rejoin(turn.torrent, turn.conn, self.now);
            }
        }
    }

    /// KiB per second and peer, by torrent.
    fn rates(&self, seconds: u64) -> String {
        let (mut text, mut last) = (String::new(), None);
        for peer in &self.peers {
            let rate = (peer.moved + (seconds << 9)) / (seconds << 10);
            let name = char::from(b'A' + u8::try_from(peer.torrent.0).unwrap());
            let before = if last == Some(peer.torrent) { ",".into() } else { format!(" {name}:") };
            write!(text, "{before}{rate}").unwrap();
            last = Some(peer.torrent);
        }
        text.trim().to_owned()
    }

    fn torrents(&self) -> Vec<f64> {
        let mut sums = BTreeMap::new();
        for peer in &self.peers {
            *sums.entry(peer.torrent).or_insert(0.0) += peer.moved as f64;
        }
        sums.into_values().collect()
    }

    fn peers_of(&self, torrent: TorrentId) -> Vec<f64> {
        let its = self.peers.iter().filter(|peer| peer.torrent == torrent);
        its.map(|peer| peer.moved as f64).collect()
    }

    fn moved(&self) -> u64 {
        self.peers.iter().map(|peer| peer.moved).sum()
    }
}

/// Jain's index: 1 if all have the same, 1/n if one has all.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    sum * sum / (shares.len() as f64 * shares.iter().map(|share| share * share).sum::<f64>())
}

const GREEDY: &str = "10000";

fn greedy(torrents: &[(char, usize)]) -> String {
    let words: Vec<String> = torrents
        .iter()
        .map(|&(name, peers)| format!("{name}:{}", vec![GREEDY; peers].join(",")))
        .collect();
    words.join(" ")
}

#[test]
fn torrents_and_their_peers_get_equal_shares_however_many_they_are() {
    for reads in [false, true] {
        for shards in [
            vec![greedy(&[('A', 1), ('B', 10)])],
            vec![greedy(&[('A', 1), ('B', 8), ('C', 3)]), greedy(&[('D', 5)])],
            vec![greedy(&[('A', 2), ('B', 2), ('C', 2), ('D', 2)]), greedy(&[('E', 20)])],
        ] {
            for rate in [200_000, 2 << 20, 20 << 20] {
                let shards: Vec<&str> = shards.iter().map(String::as_str).collect();
                let mut world = world(&shards, Some(rate), None, reads);
                // Enough blocks for each peer that one more or less is no matter.
                let seconds = if rate < 1 << 20 { 200 } else { 20 };
                world.run(seconds);
                let torrents = world.torrents();
                assert!(jain(&torrents) > 0.99, "{shards:?} {rate} {reads}: {torrents:?}");
                for torrent in (0..5).map(TorrentId) {
                    let peers = world.peers_of(torrent);
                    assert!(peers.is_empty() || jain(&peers) > 0.98, "{rate} {reads}: {peers:?}");
                }
                let (moved, limit) = (world.moved(), rate * seconds);
                let slack = rate / 10 + shards.len() as u64 * 2 * BLOCK;
                assert!(moved <= limit + slack, "{moved} of {limit}");
                assert!(moved + slack >= limit, "{moved} of {limit}: some of it is left unused");
            }
        }
    }
}

#[test]
fn what_one_does_not_use_the_others_get() {
    // Limit, limit of each torrent, peers on each shard, and what they get: all in KiB/s.
    for (global, torrent, shards, expected) in [
        // The modest have all they want, the rest is shared.
        (100, 0, "A:10,900 B:900", "A:10,40 B:50"),
        (100, 0, "A:10 B:900,900", "A:10 B:45,45"),
        (100, 0, "A:4,4 B:2 | C:900", "A:4,4 B:2 C:90"),
        (100, 0, "A:900 | B:900 C:900 D:900", "A:25 B:25 C:25 D:25"),
        // Torrents that have limits of their own leave the rest to others, too.
        (0, 50, "A:900,900 B:20", "A:25,25 B:20"),
        (200, 50, "A:900,900 B:900 | C:10", "A:25,25 B:50 C:10"),
        (100, 80, "A:900 B:900 | C:10", "A:45 B:45 C:10"),
        // Small blocks are no disadvantage.
        (100, 0, "A:900/1000,900 B:900/4000", "A:25,25 B:50"),
        // Slower than a block a second.
        (10, 0, "A:900 B:900", "A:5 B:5"),
        (0, 4, "A:900 B:900", "A:4 B:4"),
    ] {
        let rate = |kib: u64| (kib > 0).then_some(kib << 10);
        let shards: Vec<&str> = shards.split('|').collect();
        let mut world = world(&shards, rate(global), rate(torrent), false);
        world.run(100);
        let rates = world.rates(100);
        let close = rates.split([' ', ',']).zip(expected.split([' ', ','])).all(|(is, wanted)| {
            let number = |word: &str| word.rsplit(':').next().unwrap().parse::<i64>().unwrap();
            (number(is) - number(wanted)).abs() <= 1 + number(wanted) / 20
        });
        assert!(close, "{shards:?}: {rates} instead of {expected}");
    }
}

#[test]
fn a_torrent_never_moves_more_than_its_own_limit_in_any_second() {
    for rate in [5_000, 100_000, 5 << 20] {
        let mut world = world(&[&greedy(&[('A', 3), ('B', 1)])], None, Some(rate), true);
        let mut before = vec![0.0, 0.0];
        for second in 0..20 {
            world.run(1);
            for (torrent, (now, before)) in world.torrents().iter().zip(&before).enumerate() {
                let most = rate as f64 * 1.1 + BLOCK as f64;
                assert!(now - before <= most, "{torrent} in second {second}: {now} {before}");
            }
            before = world.torrents();
        }
    }
}

#[test]
fn who_ends_is_in_nobodys_way() {
    let mut world = world(&["A:900,900 B:900 C:900"], Some(100 << 10), Some(40 << 10), false);
    world.run(2);
    world.lanes[0].leave(TorrentId(0), ConnId(0));
    world.peers[0].greed = 0;
    world.peers[0].has = 0;
    world.run(2);
    world.lanes[0].leave(TorrentId(2), ConnId(3));
    world.lanes[0].forget(TorrentId(2));
    world.peers[3].greed = 0;
    world.peers[3].has = 0;
    world.run(2);
    world.lanes[0].assert_invariants();
    for conn in [1, 2] {
        world.lanes[0].leave(world.peers[conn].torrent, world.peers[conn].conn);
    }
    world.lanes[0].grant(1 << 20);
    assert_eq!(world.lanes[0].next(world.now), None);
    assert_eq!(world.lanes[0].must_ask(), None);
}

#[test]
fn a_limit_that_is_lifted_lets_all_go() {
    let mut world = world(&["A:900 B:900"], Some(1000), Some(500), false);
    world.run(2);
    let before = world.moved();
    world.lanes[0].set(false, None, world.now);
    assert!(world.lanes[0].is_open());
    world.run(2);
    assert!(world.moved() - before >= (2 * 900) << 10);
}

/// Visits to torrents don't grow with those that have nothing to move.
#[test]
fn only_who_waits_costs_a_turn() {
    let mut lane = Lane::new(true, Some(1 << 30), BLOCK_BYTES);
    lane.grant(1 << 40);
    for n in 0..1000 {
        let (torrent, conn) = (TorrentId(n), ConnId(u64::from(n)));
        lane.join(torrent, conn, Instant::START);
        let turn = lane.next(Instant::START).unwrap();
        assert_eq!((turn.torrent, turn.conn), (torrent, conn));
        lane.spend(torrent, conn, BLOCK);
        assert!(lane.ring.len() <= 1, "{} in the ring", lane.ring.len());
        assert_eq!(lane.next(Instant::START), None);
    }
}
