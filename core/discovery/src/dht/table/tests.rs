use base::Rng;
use proptest::prelude::*;

use super::super::id::{random_beside, random_id};
use super::*;

const T0: Instant = Instant::START;

fn addr(number: u32) -> SocketAddr {
    // One neighbourhood each.
    SocketAddr::from(((0x0b00_0001 + (number << 8)).to_be_bytes(), 6881))
}

fn ids(table: &Table) -> usize {
    table.assert_invariants();
    table.len()
}

#[test]
fn buckets_grow_towards_ourselves() {
    let mut rng = Rng::from_seed(1);
    let own = random_id(&mut rng);
    let mut table = Table::new(own);
    for number in 0..4000 {
        table.on_answer(random_id(&mut rng), addr(number), T0);
    }
    table.assert_invariants();
    let sizes: Vec<usize> = table.buckets.iter().map(|bucket| bucket.nodes.len()).collect();
    assert_eq!(sizes[..6], [128, 64, 32, 16, 8, 8]);
    assert!(table.buckets.len() >= 8, "{sizes:?}");
}

#[test]
fn closest_is_what_a_full_search_finds() {
    let mut rng = Rng::from_seed(2);
    let own = random_id(&mut rng);
    for count in [0, 3, 8, 50, 900] {
        let mut table = Table::new(own);
        for number in 0..count {
            table.on_answer(random_id(&mut rng), addr(number), T0);
        }
        for round in 0..64 {
            let target = if round % 2 == 0 {
                random_id(&mut rng)
            } else {
                random_beside(own, round, &mut rng)
            };
            let mut all: Vec<NodeId> = table.nodes().map(|node| node.id).collect();
            all.sort_by_key(|id| Distance::between(target, *id));
            all.truncate(K);
            let found: Vec<NodeId> =
                table.closest::<K>(target).iter().map(|node| node.id).collect();
            assert_eq!(found, all, "{count} nodes, round {round}");
        }
    }
}

#[test]
fn a_full_bucket_keeps_who_answers_and_replaces_who_does_not() {
    let mut rng = Rng::from_seed(3);
    let own = NodeId([0; 20]);
    let mut table = Table::new(own);
    // Deep nodes first, so that the farthest bucket does not split any more.
    for number in 0..200 {
        table.on_answer(random_beside(own, 0, &mut rng), addr(number), T0);
    }
    for number in 200..300 {
        table.on_answer(random_beside(own, 1, &mut rng), addr(number), T0);
    }
    let oldest = table.buckets[0].nodes[0];
    let late = random_beside(own, 0, &mut rng);
    table.on_answer(late, addr(1000), T0);
    assert!(!table.nodes().any(|node| node.id == late));
    table.on_silence(oldest.id, oldest.addr);
    assert!(table.nodes().any(|node| node.id == late), "the newest in reserve takes over");
    assert!(!table.nodes().any(|node| node.id == oldest.id));
    table.assert_invariants();
}

#[test]
fn silence_removes_a_node_only_in_the_end_if_nobody_waits() {
    let mut table = Table::new(NodeId([0; 20]));
    let id = NodeId([0xff; 20]);
    table.on_answer(id, addr(1), T0);
    for fails in 1..FAILS_MAX {
        table.on_silence(id, addr(1));
        assert_eq!(table.nodes().next().unwrap().fails, fails);
        assert_eq!(table.closest::<K>(id).iter().count(), 0, "nobody is told of it");
    }
    table.on_answer(id, addr(1), T0);
    assert_eq!(table.closest::<K>(id).iter().count(), 1);
    (0..FAILS_MAX).for_each(|_| table.on_silence(id, addr(1)));
    assert_eq!(ids(&table), 0);
}

#[test]
fn one_address_has_one_node_and_one_neighbourhood_one_per_bucket() {
    let mut rng = Rng::from_seed(4);
    let own = NodeId([0; 20]);
    let mut far = || random_beside(own, 0, &mut rng);
    let cases: &[(&[&str], usize)] = &[
        (&["11.0.0.1:1", "11.0.0.1:2"], 1),
        (&["11.0.0.1:1", "11.0.0.2:1"], 1),
        (&["11.0.0.1:1", "11.0.1.1:1"], 2),
        (&["11.0.0.1:1", "11.0.0.1:1"], 1),
        (&["127.0.0.1:1", "127.0.0.1:2", "10.0.0.1:1", "10.0.0.2:1"], 4),
        (&["[2001:db8::1]:1", "[2001:db8::2]:1"], 1),
        (&["[2001:db8::1]:1", "[2001:db8:0:1::1]:1"], 2),
    ];
    for (addrs, expected) in cases {
        let mut table = Table::new(own);
        for addr in *addrs {
            table.on_answer(far(), addr.parse().unwrap(), T0);
        }
        assert_eq!(ids(&table), *expected, "{addrs:?}");
    }
}

#[test]
fn who_was_there_first_keeps_its_name_while_it_answers() {
    let mut table = Table::new(NodeId([0; 20]));
    let id = NodeId([0xff; 20]);
    table.on_answer(id, addr(1), T0);
    table.on_answer(id, addr(2), T0);
    assert_eq!(table.nodes().next().unwrap().addr, addr(1));
    table.on_silence(id, addr(1));
    table.on_answer(id, addr(2), T0);
    assert_eq!(table.nodes().next().unwrap().addr, addr(2));
    assert_eq!(ids(&table), 1);
}

#[test]
fn another_id_of_ours_keeps_the_nodes() {
    let mut rng = Rng::from_seed(5);
    let mut table = Table::new(random_id(&mut rng));
    for number in 0..100 {
        table.on_answer(random_id(&mut rng), addr(number), T0);
    }
    table.rename(random_id(&mut rng));
    assert_eq!(ids(&table), 100);
}

#[derive(Clone, Debug)]
enum Step {
    Answer { id: u8, addr: u8, depth: u8 },
    Silence { id: u8, addr: u8, depth: u8 },
    Rename(u8),
}

/// One of few ids at a depth, so that they meet.
fn deep(id: u8, depth: u8) -> NodeId {
    let mut rng = Rng::from_seed(id.into());
    random_beside(NodeId([0; 20]), usize::from(depth), &mut rng)
}

fn any_step() -> impl Strategy<Value = Step> {
    let node = || (any::<u8>(), 0..200_u8, 0..12_u8);
    prop_oneof![
        8 => node().prop_map(|(id, addr, depth)| Step::Answer { id, addr, depth }),
        3 => node().prop_map(|(id, addr, depth)| Step::Silence { id, addr, depth }),
        1 => any::<u8>().prop_map(Step::Rename),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_table_is_in_order(steps in prop::collection::vec(any_step(), 0..400)) {
        let mut table = Table::new(NodeId([0; 20]));
        for step in steps {
            match step {
                Step::Answer { id, addr: at, depth } => {
                    table.on_answer(deep(id, depth), addr(at.into()), T0);
                }
                Step::Silence { id, addr: at, depth } => {
                    table.on_silence(deep(id, depth), addr(at.into()));
                }
                Step::Rename(id) => table.rename(deep(id, id % 12)),
            }
            table.assert_invariants();
            let addrs: std::collections::BTreeSet<SocketAddr> = table.nodes().map(|n| n.addr).collect();
            prop_assert_eq!(addrs.len(), table.len());
        }
    }
}
