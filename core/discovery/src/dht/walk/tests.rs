//! Keys are told apart by their first byte: node `3` is at distance 3 from the target 0.

use super::*;

fn id(first: u8) -> NodeId {
    let mut id = [0; 20];
    id[0] = first;
    NodeId(id)
}

/// One in a local network: any id is allowed there, and neighbours are no suspects.
fn addr(first: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, first], 1))
}

fn walk(known: &[u8]) -> Walk {
    let mut walk = Walk::new(id(0), id(255), 8);
    known.iter().for_each(|first| walk.add(Some(id(*first)), addr(*first)));
    walk
}

fn ask(walk: &mut Walk) -> Vec<u8> {
    let mut asked = Vec::new();
    while let Some((_, addr)) = walk.next() {
        let std::net::IpAddr::V4(ip) = addr.ip() else { panic!("an address of these tests") };
        asked.push(ip.octets()[3]);
    }
    walk.assert_invariants();
    asked
}

fn answer(walk: &mut Walk, from: u8, nodes: &[u8]) {
    assert!(walk.on_answer(id(from), addr(from)));
    walk.on_nodes(nodes.iter().map(|node| (id(*node), addr(*node))));
    walk.assert_invariants();
}

fn found(walk: &Walk) -> Vec<u8> {
    walk.found().map(|found| found.id.0[0]).collect()
}

#[test]
fn the_nearest_are_asked_first_and_a_few_at_once() {
    let mut walk = walk(&[90, 70, 80, 60, 50, 40, 30, 20, 10, 5]);
    assert_eq!(ask(&mut walk), [5, 10, 20, 30, 40, 50, 60, 70], "eight while nobody has answered");
    answer(&mut walk, 5, &[1, 2, 3]);
    assert_eq!(ask(&mut walk), Vec::<u8>::new(), "four from then on");
    for first in [10, 20, 30, 40] {
        answer(&mut walk, first, &[]);
    }
    assert_eq!(ask(&mut walk), [1]);
}

#[test]
fn a_walk_ends_when_the_eight_nearest_have_answered() {
    let mut walk = walk(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    ask(&mut walk);
    for first in 1..=7 {
        answer(&mut walk, first, &[]);
        assert!(!walk.is_done());
    }
    ask(&mut walk);
    answer(&mut walk, 8, &[]);
    assert!(walk.is_done());
    assert_eq!(ask(&mut walk), Vec::<u8>::new());
    assert_eq!(found(&walk)[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_slow_node_frees_its_slot_and_still_counts_if_it_answers() {
    let mut walk = walk(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    ask(&mut walk);
    for first in 2..=8 {
        answer(&mut walk, first, &[]);
    }
    walk.on_slow(addr(1));
    assert_eq!(ask(&mut walk), [9]);
    answer(&mut walk, 1, &[]);
    assert!(walk.is_done(), "the eight nearest have answered after all");
    assert_eq!(found(&walk), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn the_dead_are_not_waited_for() {
    let mut walk = walk(&[1, 2, 3]);
    ask(&mut walk);
    answer(&mut walk, 3, &[]);
    walk.on_slow(addr(1));
    assert!(!walk.is_done());
    walk.on_failure(addr(2));
    assert!(walk.is_done());
    assert_eq!(found(&walk), [3]);
}

#[test]
fn while_nobody_has_answered_the_slow_are_waited_for() {
    let mut walk = walk(&[1]);
    ask(&mut walk);
    walk.on_slow(addr(1));
    assert!(!walk.is_done());
    walk.on_failure(addr(1));
    assert!(walk.is_done());
}

#[test]
fn who_calls_itself_something_else_is_worth_nothing() {
    let mut walk = walk(&[1, 2]);
    ask(&mut walk);
    assert!(!walk.on_answer(id(9), addr(1)));
    assert!(!walk.on_answer(id(7), addr(7)), "nobody asked it");
    answer(&mut walk, 2, &[]);
    assert!(walk.is_done());
    assert_eq!(found(&walk), [2]);
}

#[test]
fn those_named_by_a_liar_are_asked_last() {
    let mut walk = walk(&[100, 101]);
    ask(&mut walk);
    answer(&mut walk, 100, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(ask(&mut walk), [1, 2, 3]);
    answer(&mut walk, 101, &[50, 51]);
    walk.on_slow(addr(1));
    walk.on_slow(addr(2));
    assert_eq!(ask(&mut walk), [50, 51, 4], "an honest one's first, though farther");
    answer(&mut walk, 50, &[]);
    answer(&mut walk, 51, &[]);
    assert_eq!(ask(&mut walk), [5, 6], "better than nobody");
}

#[test]
fn an_address_without_an_id_is_asked_and_then_has_its_place() {
    let mut walk = walk(&[9]);
    walk.add(None, addr(3));
    assert_eq!(ask(&mut walk), [9, 3]);
    answer(&mut walk, 9, &[]);
    answer(&mut walk, 3, &[]);
    assert_eq!(found(&walk), [3, 9]);
}

#[test]
fn a_neighbourhood_has_two_candidates_and_an_address_one() {
    let mut walk = walk(&[]);
    for (first, addr) in
        ["11.0.0.1:1", "11.0.0.1:2", "11.0.0.2:1", "11.0.0.3:1", "11.0.1.1:1"].iter().enumerate()
    {
        walk.add(Some(id(u8::try_from(first).unwrap() + 1)), addr.parse().unwrap());
    }
    assert_eq!(core::iter::from_fn(|| walk.next()).count(), 3);
}

#[test]
fn ids_that_their_address_does_not_allow_count_half() {
    let mut walk = Walk::new(id(0), id(255), 8);
    let addr = |first: u8| SocketAddr::from(([11, 0, first, 1], 1));
    (1..=20).for_each(|first| walk.add(Some(id(first)), addr(first)));
    let mut answered = 0;
    while let Some((_, to)) = walk.next() {
        let first = u8::try_from(answered + 1).unwrap();
        assert_eq!(to, addr(first));
        assert!(walk.on_answer(id(first), to));
        answered += 1;
    }
    assert!(walk.is_done());
    assert_eq!(answered, 16);
}

#[test]
fn candidates_and_queries_are_bounded() {
    let mut walk = Walk::new(id(0), id(255), 8);
    let mut namer = 0_u32;
    let addr = |n: u32| SocketAddr::from(((0x0b00_0000 + (n << 8)).to_be_bytes(), 1));
    let node = |n: u32| {
        let mut node = [0; 20];
        node[..4].copy_from_slice(&(u32::MAX - 1000 * n).to_be_bytes());
        NodeId(node)
    };
    walk.add(Some(node(0)), addr(0));
    // Each names others that are nearer, without end.
    while let Some((_, to)) = walk.next() {
        let n = (u32::from_be_bytes(match to.ip() {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => panic!("an address of these tests"),
        }) - 0x0b00_0000)
            >> 8;
        assert!(walk.on_answer(node(n), to));
        walk.on_nodes((1..=100).map(|more| (node(namer + more), addr(namer + more))));
        namer += 100;
        assert!(walk.candidates.len() <= CANDIDATES_MAX);
        walk.assert_invariants();
    }
    assert_eq!(walk.asked(), ASKED_MAX);
    assert!(walk.is_done());
}

/// A node of the world where every id but one in two million is not allowed; those of `sure` are.
fn far(first: u8, last: u8) -> (NodeId, SocketAddr) {
    let addr = SocketAddr::from(([11, first, last, 9], 1));
    let mut id = id(first);
    id.0[18] = last;
    (id, addr)
}

fn sure(n: u8) -> (NodeId, SocketAddr) {
    let addr = SocketAddr::from(([12, n, 1, 1], 1));
    (super::super::id::id_for(addr.ip(), &mut base::Rng::from_seed(n.into())), addr)
}

/// Found by `test/sim`, seed 0 of `dht`: liars that call themselves the target were all that a walk asked.
#[test]
fn who_may_not_call_itself_next_to_the_target_is_asked_last_and_seldom() {
    let mut walk = Walk::new(id(0), id(255), 8);
    (0..10).for_each(|n| walk.add(Some(sure(n).0), sure(n).1));
    let mut asked = Vec::new();
    while let Some((Some(id), addr)) = walk.next() {
        asked.push(addr);
        assert!(walk.on_answer(id, addr));
        let last = u8::try_from(asked.len()).unwrap();
        walk.on_nodes((0..16).map(|n| far(0, 16 * (last - 1) + n)));
        walk.assert_invariants();
    }
    let liars = asked.iter().filter(|addr| addr.ip().to_string().starts_with("11.")).count();
    assert_eq!((asked.len(), liars), (16, 8));
    assert!(asked[..8].iter().all(|addr| addr.ip().to_string().starts_with("12.")));
    assert!(walk.is_done());
    let found: Vec<SocketAddr> = walk.found().map(|found| found.addr).collect();
    assert_eq!(found.len(), 16);
    let true_ones = found[..8].iter().filter(|addr| addr.ip().to_string().starts_with("12."));
    assert_eq!(true_ones.count(), 4, "half of those that store are of the liars' making at most");
}

/// Found by `test/sim`, seed 0 of `dht`: a walk ended far from its target because two dead nodes had
/// made those whom an honest node named suspect.
#[test]
fn those_of_a_suspect_naming_are_still_asked_if_they_are_near() {
    let mut walk = walk(&[100, 101, 102, 103, 104, 105, 106, 107]);
    assert_eq!(ask(&mut walk).len(), 8);
    answer(&mut walk, 100, &[1, 2, 3, 4, 5, 6, 7]);
    (101..=107).for_each(|first| answer(&mut walk, first, &[]));
    assert_eq!(ask(&mut walk), [1, 2, 3, 4]);
    (1..=2).for_each(|first| walk.on_failure(addr(first)));
    assert_eq!(ask(&mut walk), [5, 6]);
    (3..=5).for_each(|first| walk.on_failure(addr(first)));
    assert!(!walk.is_done());
    answer(&mut walk, 6, &[]);
    assert_eq!(ask(&mut walk), [7]);
    walk.on_failure(addr(7));
    assert!(walk.is_done());
}
