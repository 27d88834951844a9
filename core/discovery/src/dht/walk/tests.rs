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
    assert_eq!(ask(&mut walk), [], "four from then on");
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
    assert_eq!(ask(&mut walk), []);
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
