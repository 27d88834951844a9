//! Keys are told apart by their first byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wire::krpc::NodeId;

use super::*;

fn at(ms: u64) -> Instant {
    Instant::START.after(Duration::from_millis(ms))
}

fn hash(first: u8) -> InfoHash {
    let mut hash = [0; 20];
    hash[0] = first;
    InfoHash(hash)
}

/// Nodes with these keys, as a walk to `target` finds them.
fn nodes(target: u8, firsts: impl Iterator<Item = u8>) -> Vec<Found> {
    let node = |first: u8| Found {
        id: NodeId(hash(first).0),
        addr: SocketAddr::from(([11, 0, first, 1], 1)),
        token: Some(Box::from(&b"token"[..])),
        seq: None,
    };
    let mut nodes: Vec<Found> = firsts.map(node).collect();
    nodes.sort_by_key(|found| Distance::between(found.id, hash(target).into()));
    nodes
}

struct Bench {
    sweep: Sweep,
    ours: BTreeSet<InfoHash>,
}

impl Bench {
    fn new(ours: &[u8]) -> Self {
        let mut sweep = Sweep::new(1000, Rng::from_seed(1));
        let ours: BTreeSet<InfoHash> = ours.iter().map(|first| hash(*first)).collect();
        ours.iter().for_each(|hash| sweep.add(*hash, at(0)));
        Self { sweep, ours }
    }

    fn walked(&mut self, target: u8, nodes: Vec<Found>, now: Instant) {
        let ours = &self.ours;
        let range = |first, last| ours.range(first..=last).copied();
        self.sweep.on_walked(hash(target), (nodes, false), range, now);
    }

    /// All announces of a stretch of time: at how many nodes each torrent.
    fn stores(&mut self, ms: core::ops::Range<u64>) -> BTreeMap<u8, usize> {
        let mut stores = BTreeMap::new();
        for ms in ms {
            while let Ok(store) = self.sweep.next_store(at(ms)) {
                *stores.entry(store.info_hash.0[0]).or_default() += 1;
            }
        }
        stores
    }
}

#[test]
fn torrents_around_a_walk_are_announced_without_one() {
    // Sixteen nodes below 16: a walk to 1 knows the eight nearest of whatever is there.
    let mut bench = Bench::new(&[1, 2, 5, 15, 16, 200]);
    assert_eq!(bench.sweep.next_walk(at(0)), Some(hash(1)));
    bench.walked(1, nodes(1, 0..16), at(0));
    assert_eq!(bench.stores(0..5000), BTreeMap::from([(1, 8), (2, 8), (5, 8)]));
    let left: Vec<_> = core::iter::from_fn(|| bench.sweep.next_walk(at(5000))).collect();
    assert_eq!(left, [hash(15), hash(16), hash(200)], "the tour goes on behind the region");
}

#[test]
fn each_is_told_to_the_nodes_nearest_to_itself() {
    let mut bench = Bench::new(&[1, 7]);
    bench.sweep.begin(hash(1));
    bench.walked(1, nodes(1, 0..20), at(0));
    let mut told: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
    for ms in 0..1000 {
        while let Ok(store) = bench.sweep.next_store(at(ms)) {
            told.entry(store.info_hash.0[0]).or_default().insert(store.node.id.0[0]);
            assert_eq!(store.borrowed, store.info_hash != hash(1));
        }
    }
    let near: BTreeSet<u8> = (0..8).collect();
    assert_eq!(told, BTreeMap::from([(1, near.clone()), (7, near)]));
}

#[test]
fn a_region_goes_at_four_torrents_a_second() {
    let ours: Vec<u8> = (0..8).collect();
    let mut bench = Bench::new(&ours);
    bench.sweep.begin(hash(0));
    bench.walked(0, nodes(0, 0..8), at(0));
    assert_eq!(bench.stores(0..1).len(), 1);
    assert_eq!(bench.stores(1..1000).len(), 3);
    assert_eq!(bench.stores(1000..1900).len(), 4);
    assert_eq!(bench.sweep.next_store(at(9000)).unwrap_err(), None);
}

#[test]
fn few_answers_in_a_large_network_cover_one_torrent() {
    let mut bench = Bench::new(&[1, 2, 200]);
    bench.sweep.begin(hash(1));
    bench.walked(1, nodes(1, 0..3), at(0));
    assert_eq!(bench.stores(0..2000), BTreeMap::from([(1, 3)]));
}

#[test]
fn nobody_s_answer_is_tried_again_soon_and_an_announce_repeated_in_its_time() {
    let mut bench = Bench::new(&[1]);
    bench.sweep.begin(hash(1));
    bench.walked(1, Vec::new(), at(0));
    assert_eq!(bench.sweep.deadline(at(0)), Some(Instant::START.after(RETRY)));
    assert_eq!(bench.sweep.next_walk(Instant::START.after(RETRY)), Some(hash(1)));
    let done = Instant::START.after(RETRY);
    bench.walked(1, nodes(1, 0..8), done);
    assert_eq!(bench.stores(0..1).len(), 1);
    let due = bench.sweep.deadline(done).unwrap().since(done);
    assert!((Duration::from_secs(20 * 60)..=INTERVAL).contains(&due), "{due:?}");
    assert!(bench.sweep.age(hash(1), done).unwrap() <= Duration::from_secs(5 * 60));
}

#[test]
fn what_is_withdrawn_is_announced_no_more() {
    let mut bench = Bench::new(&[0, 1, 2]);
    bench.sweep.begin(hash(0));
    bench.walked(0, nodes(0, 0..8), at(0));
    assert!(bench.sweep.next_store(at(0)).is_ok());
    bench.sweep.remove(hash(0));
    bench.sweep.remove(hash(1));
    assert_eq!(bench.stores(0..3000), BTreeMap::from([(2, 8)]));
    assert_eq!(bench.sweep.age(hash(0), at(3000)), None);
}

#[test]
fn no_more_walks_and_regions_at_once_than_allowed() {
    let ours: Vec<u8> = (0..=255).collect();
    let mut bench = Bench::new(&ours);
    let begun = core::iter::from_fn(|| bench.sweep.next_walk(at(0))).count();
    assert_eq!(begun, WALKS_MAX);
    assert_eq!(bench.sweep.deadline(at(0)), None, "an answer comes first");
}
