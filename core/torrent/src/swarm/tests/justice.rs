//! Bad data: who is named, who is not, and who is asked what in between.

use super::*;

#[test]
fn who_left_before_its_piece_was_found_corrupt_is_banned_all_the_same() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    w.leave('a');
    assert_eq!(w.failed(0), "ban:a");
    assert_eq!(w.meet('a', ""), "a:close(Banned)");
}

/// Two peers made piece 0, `a` the first two blocks of it.
fn shared() -> World {
    let mut w = World::new("..");
    w.with('a', "", "bits*. unchoke").with('b', "", "bits*.");
    w.says('a', "piece0.0 piece0.1 choke");
    assert_eq!(w.says('b', "unchoke"), "b:req0.2 b:req0.3");
    w.says('b', "piece0.2 piece0.3");
    w
}

#[test]
fn of_several_senders_the_one_is_banned_whose_block_differs_from_the_right_one() {
    for (first, right, named) in
        [("00x0", "0000", "b:close(Corrupt) ban:b"), ("x000", "0000", "a:close(Corrupt) ban:a")]
    {
        let mut w = shared();
        let heard = w.failed_like(0, first);
        assert_eq!(heard, all("b:req", 0), "nobody is banned on a guess");
        w.says('b', "piece0.0 piece0.1 piece0.2 piece0.3");
        w.done(0);
        assert_eq!(w.examined(0, right), named);
    }
}

#[test]
fn a_piece_that_failed_twice_bans_who_sent_all_of_it_the_second_time() {
    let mut w = shared();
    w.failed_like(0, "x000");
    w.with('c', "", "bits*. unchoke");
    w.says('b', "piece0.0 piece0.1 piece0.2 piece0.3");
    // Now `c`, of whom nothing bad is known, is asked, and not the other suspect.
    let asked = all("c:req", 0);
    assert_eq!(w.failed(0), format!("b:close(Corrupt) ban:b {asked}"));
    assert_eq!(w.says('a', "unchoke"), "");
}

#[test]
fn a_failed_piece_has_one_source_that_loses_it_when_it_is_slow() {
    let mut w = shared();
    assert_eq!(w.failed_like(0, "x000"), all("b:req", 0));
    assert_eq!(w.says('a', "unchoke"), "", "it has an owner, and there is no endgame for it");
    // One block every ten seconds is never a snub.
    let mut heard = String::new();
    for index in 0..3 {
        heard += &w.wait(10);
        w.says('b', &format!("piece0.{index}"));
        w.says('a', "keepalive");
    }
    assert_eq!(heard, "");
    let heard = w.wait(6);
    assert!(heard.contains("b:cancel0.3") && heard.contains("req0.3"), "{heard}");
}

#[test]
fn suspicion_outlives_the_connection() {
    for (failed, asked) in [(true, ""), (false, " a:req1.2 a:req1.3")] {
        let mut w = shared();
        if failed {
            w.failed_like(0, "x000");
        } else {
            w.done(0);
        }
        w.leave('a');
        w.leave('b');
        w.meet('c', "fx");
        assert_eq!(w.says('c', "reqq2 have1 unchoke"), "c:interested c:req1.0 c:req1.1");
        w.meet('a', "");
        // A suspect shares no piece.
        assert_eq!(w.says('a', "have1 unchoke"), format!("a:interested{asked}"));
    }
}

#[test]
fn a_ban_closes_every_connection_of_the_address_and_dials_none() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    w.swarm.on_incoming(conn('b'), addr('a'), &w.greeting('b'), w.now);
    w.hear();
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    assert_eq!(w.failed(0), "a:close(Corrupt) b:close(Corrupt) ban:a");
}

#[test]
fn who_is_banned_while_it_is_dialled_is_closed() {
    let mut w = World::new(".");
    w.swarm.add_peers(&[addr('a')], Source::Tracker, w.now);
    assert_eq!(w.hear(), "dial:a");
    w.swarm.ban(addr('a').ip());
    w.swarm.on_connected(conn('a'), addr('a'), w.now);
    assert_eq!(w.hear(), "a:close(Banned)");
    assert_eq!(w.wait(3600), "");
}

/// Found by `test/sim`, seed 3 of its adversaries.
#[test]
fn who_never_answers_does_not_keep_a_piece_that_had_failed() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    w.with('c', "", "have0 unchoke");
    w.with('d', "", "have0 unchoke");
    let heard = w.failed(0);
    let (owner, other) = if heard.contains("c:req") { ('c', 'd') } else { ('d', 'c') };
    assert!(!heard.contains(&format!("{other}:req")), "{heard}");
    let heard = w.wait(22);
    assert!(heard.contains(&all(&format!("{other}:req"), 0)), "{heard}");
    assert!(!heard.contains(&format!("{owner}:req")), "{heard}");
}

/// Found by `test/sim`, seed 418 of its adversaries: peers that never answer came again and again,
/// and were asked for a piece that had failed before one that delivers.
#[test]
fn a_piece_that_had_failed_is_asked_of_who_has_delivered_before() {
    let mut w = World::new("..");
    w.with('a', "", "have0 unchoke").with('d', "", "have1 unchoke");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    w.says('d', "piece1.0 piece1.1 piece1.2 piece1.3 have0");
    w.with('c', "", "have0 unchoke");
    w.done(1);
    assert_eq!(w.failed(0), format!("a:close(Corrupt) ban:a {}", all("d:req", 0)));
}
