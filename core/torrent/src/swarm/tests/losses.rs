//! Pieces that are lost, by us and by peers (BEP 54).

use super::world::World;
use super::*;

#[test]
fn a_lost_piece_is_taken_back_from_who_understands_and_fetched_again() {
    let mut w = World::new("**");
    w.with('a', "fx", "hears_donthave have1 interested").with('b', "fx", "have0");
    assert_eq!(w.gone(0), "b:interested b:hello a:donthave0 a:hello", "BEP 21, too");
    assert_eq!(w.gone(0), "", "it is lost once");
    assert_eq!(w.says('a', "req0.0"), "a:reject0.0");
    assert_eq!(w.says('b', "unchoke"), all("b:req", 0));
    let blocks: String = (0..PIECE_BLOCKS).map(|n| format!("piece0.{n} ")).collect();
    assert_eq!(w.says('b', &blocks), all("block", 0));
    assert_eq!(w.done(0), "b:bored b:have0 a:have0");
}

#[test]
fn a_lost_piece_that_nobody_wants_is_taken_back_and_not_fetched() {
    let mut w = World::choosing("**", ".*");
    w.with('a', "fx", "hears_donthave have0 interested");
    assert_eq!(w.gone(0), "a:donthave0");
    assert_eq!(w.says('a', "donthave0 have0"), "", "nor does it count");
    assert_eq!(w.gone(1), "a:donthave1 a:hello");
    assert_eq!(w.says('a', "have1"), "a:interested");
}

#[test]
fn who_loses_something_super_seeds_no_more() {
    let mut w = World::new("****");
    w.with('a', "f", "have_none");
    let shown = w.meet('b', "fx");
    let told = format!("{shown} {} {}", w.says('b', "hears_donthave"), w.gone(2));
    let count = |said: &str| told.split(' ').filter(|word| *word == said).count();
    assert_eq!([0, 1, 3].map(|piece| count(&format!("b:have{piece}"))), [1; 3], "{told}");
    assert_eq!(count("b:donthave2"), 1, "{told}");
    assert_eq!(w.says('b', "interested req2.0"), "b:unchoke b:reject2.0");
    w.says('b', "have2 unchoke");
    let blocks: String = (0..PIECE_BLOCKS).map(|n| format!("piece2.{n} ")).collect();
    w.says('b', &blocks);
    assert!(w.done(2).contains("b:have2"), "and what is there again is told");
}

#[test]
fn what_cannot_be_read_is_refused_by_name_and_the_next_is_served() {
    let mut w = World::new("**");
    w.with('a', "f", "interested");
    assert_eq!(w.says('a', "req0.0 req0.1 req1.0"), "read0.0+2 read1.0+1");
    assert_eq!(w.resident(false), "a:reject0.0 a:reject0.1");
    assert_eq!(w.resident(true), "a:send1.0");
}

#[test]
fn a_seed_that_was_left_is_dialled_again_when_something_is_lost() {
    let mut w = World::new("*");
    w.meet('a', "fd");
    assert_eq!(w.says('a', "have_all"), "a:close(NothingToGive)");
    assert_eq!(w.wait(3600), "", "both are complete");
    assert_eq!(w.gone(0), "dial:a");
}

#[test]
fn a_have_that_a_peer_takes_back_counts_no_more() {
    let mut w = World::new("..");
    w.with('a', "fx", "bits*.");
    assert_eq!(w.says('a', "unchoke"), all("a:req", 0));
    assert_eq!(w.says('a', "donthave0 donthave0 donthave1"), "a:bored");
    assert_eq!(w.says('a', "piece0.0"), "block0.0", "it was on its way");
    w.with('b', "fx", "bits**");
    assert!(w.says('b', "unchoke").contains("b:req0.1"), "others are asked");
    assert_eq!(w.says('a', "have0"), "a:interested");
    assert_eq!(w.says('a', "donthave2"), "a:close(OutOfRange)");
}

#[test]
fn a_peer_that_gives_and_takes_back_for_ever_changes_nothing() {
    let mut w = World::new(".*");
    w.meet('a', "fx");
    for _ in 0..100 {
        assert_eq!(w.says('a', "have0"), "a:interested");
        assert_eq!(w.says('a', "donthave0"), "a:bored");
    }
    w.with('b', "f", "have_all");
    assert_eq!(w.says('b', "unchoke"), all("b:req", 0));
}

#[test]
fn a_malformed_dont_have_ends_the_connection() {
    let mut w = World::new("..");
    w.meet('a', "fx");
    let mut bytes = Vec::new();
    peer::encode(
        Message::Extended { id: wire::extended::DONT_HAVE_ID, payload: b"123" },
        &mut bytes,
    );
    assert_eq!(w.feed('a', &bytes), "a:close(OutOfRange)");
}
