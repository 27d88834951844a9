//! A crowd in letters: `a` is connection 0; who has what is kept beside the machine.

use std::collections::BTreeMap;

use super::*;

const PIECES: u32 = 8;

struct Crowd {
    spread: Spread,
    has: BTreeMap<ConnId, Bitfield>,
}

impl Crowd {
    fn new(names: &str) -> Self {
        let mut spread = Spread::new(PIECES, &mut Rng::from_seed(1));
        let has: BTreeMap<ConnId, Bitfield> =
            names.chars().map(|name| (conn(name), Bitfield::empty(PIECES))).collect();
        has.keys().for_each(|&conn| spread.add(conn, false));
        Self { spread, has }
    }

    fn holders(has: &BTreeMap<ConnId, Bitfield>, piece: PieceIndex) -> u32 {
        u32::try_from(has.values().filter(|bits| bits.has(piece)).count()).unwrap()
    }

    /// What is shown to `name`, which then has `pending` to fetch.
    fn show(&mut self, name: char, pending: usize) -> Vec<PieceIndex> {
        let Self { spread, has } = self;
        let conn = conn(name);
        if spread.keeps_to_itself(conn, |_| true) {
            return Vec::new();
        }
        let next = || spread.next_piece(conn, &has[&conn], pending, |p| Self::holders(has, p), 0);
        std::iter::from_fn(next).collect()
    }

    fn got(&mut self, name: char, piece: PieceIndex) {
        self.has.get_mut(&conn(name)).unwrap().set(piece);
        self.spread.on_have(conn(name), piece, Self::holders(&self.has, piece), 0);
    }

    fn leaves(&mut self, name: char) {
        let had = self.has.remove(&conn(name)).unwrap();
        self.spread.remove(conn(name), &had, |piece| Self::holders(&self.has, piece));
    }

    fn is_done(&mut self) -> bool {
        self.spread.is_done(|piece| Self::holders(&self.has, piece))
    }
}

fn conn(name: char) -> ConnId {
    ConnId(u64::from(u32::from(name) - u32::from('a')))
}

#[test]
fn every_piece_is_shown_to_one_peer_before_it_is_shown_to_another() {
    let mut crowd = Crowd::new("abc");
    let mut shown: Vec<PieceIndex> = "abc".chars().flat_map(|name| crowd.show(name, 2)).collect();
    assert_eq!(shown.len(), 6);
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 6, "all different");
}

#[test]
fn the_next_one_comes_when_one_is_there_whoever_it_came_from() {
    let mut crowd = Crowd::new("ab");
    let first = crowd.show('a', 1)[0];
    assert!(crowd.show('a', 1).is_empty());
    crowd.got('a', first);
    let second = crowd.show('a', 1)[0];
    // Another one had it from the first, before the first told us.
    crowd.got('b', second);
    assert_eq!(crowd.show('a', 1).len(), 1);
}

#[test]
fn who_passes_nothing_on_waits_while_others_have_something_to_fetch() {
    let mut crowd = Crowd::new("ab");
    crowd.show('b', 2);
    let kept: Vec<PieceIndex> = crowd.show('a', UNSPREAD_MAX);
    for &piece in &kept {
        crowd.got('a', piece);
    }
    assert!(crowd.spread.keeps_to_itself(conn('a'), |_| true));
    assert!(crowd.show('a', 1).is_empty());
    crowd.got('b', kept[0]);
    assert!(!crowd.show('a', 1).is_empty(), "one of them went on");
}

#[test]
fn nobody_is_better_than_the_only_one() {
    let mut crowd = Crowd::new("ab");
    for piece in crowd.show('a', UNSPREAD_MAX) {
        crowd.got('a', piece);
    }
    assert!(!crowd.spread.keeps_to_itself(conn('a'), |_| true), "b has nothing to fetch");
}

#[test]
fn it_is_done_when_every_piece_is_elsewhere_and_what_leaves_comes_back() {
    let mut crowd = Crowd::new("ab");
    for piece in crowd.show('a', PIECES as usize) {
        assert!(!crowd.is_done());
        crowd.got('a', piece);
    }
    assert!(crowd.is_done());
    let mut crowd = Crowd::new("ab");
    let [one, two] = crowd.show('a', 2)[..] else { panic!("two were asked for") };
    crowd.got('a', one);
    crowd.leaves('a');
    let shown = crowd.show('b', PIECES as usize);
    assert!(shown.contains(&one) && shown.contains(&two) && shown.len() == PIECES as usize);
}

#[test]
fn what_a_slow_peer_was_shown_goes_to_others_in_the_end() {
    let mut crowd = Crowd::new("ab");
    let slow = crowd.show('a', 3);
    let shown = crowd.show('b', PIECES as usize);
    assert_eq!(shown.len(), PIECES as usize);
    assert!(slow.iter().all(|piece| shown[5..].contains(piece)), "they come last");
}

#[test]
fn what_nobody_wants_of_it_is_shown_to_others() {
    let mut crowd = Crowd::new("ab");
    let unwanted = crowd.show('a', 1);
    assert!(!crowd.spread.release_unwanted(conn('a'), 9, 10), "not yet");
    assert!(crowd.spread.release_unwanted(conn('a'), 10, 10));
    assert_eq!(crowd.show('b', 1), unwanted, "the last one put back");
}

#[test]
fn who_takes_back_what_it_said_makes_no_piece_vanish_and_no_list_grow() {
    let mut crowd = Crowd::new("ab");
    for _ in 0..3 {
        (0..PIECES).for_each(|piece| crowd.spread.on_gone(PieceIndex(piece)));
    }
    assert_eq!(crowd.show('a', 100).len(), PIECES as usize);
    crowd.spread.on_gone(PieceIndex(3));
    assert!(!crowd.is_done());
}
