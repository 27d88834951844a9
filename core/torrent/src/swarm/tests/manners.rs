//! Peers that are slow, talkative, or do not deliver.

use super::*;

/// Every `pause` seconds the peer says something. What followed, up to a close.
fn for_long(w: &mut World, pause: u64, mut says: impl FnMut(&mut World) -> String) -> String {
    let mut heard = Vec::new();
    for _ in 0..200 {
        heard.push(w.wait(pause));
        heard.push(says(w));
        if heard.iter().any(|text| text.contains("close")) {
            break;
        }
    }
    heard.retain(|text| !text.is_empty());
    heard.join(" ")
}

#[test]
fn half_a_message_for_ever_is_closed_and_not_taken_back() {
    for (word, stuck) in [("piece0.0", true), ("bits*", false)] {
        let mut w = World::new(".");
        w.swarm.on_incoming(conn('a'), "80.0.0.1:5".parse().unwrap(), &w.greeting('a'), w.now);
        w.says('a', "have0 unchoke");
        let mut bytes = Vec::new();
        encode(word, &mut bytes);
        let mut left = bytes.into_iter();
        // One byte every four seconds.
        let heard = for_long(&mut w, 4, |w| {
            let byte: Vec<u8> = left.by_ref().take(1).collect();
            w.feed('a', &byte)
        });
        assert_eq!(heard.contains("a:close(Stuck)"), stuck, "{word}: {heard}");
        if !stuck {
            continue;
        }
        let again = w.greeting('b');
        w.swarm.on_incoming(conn('b'), "80.0.0.1:6".parse().unwrap(), &again, w.now);
        assert_eq!(w.hear(), "b:close(Shunned)");
        w.wait(400);
        w.swarm.on_incoming(conn('b'), "80.0.0.1:6".parse().unwrap(), &again, w.now);
        assert_eq!(w.hear(), "b:handshake");
    }
}

#[test]
fn a_slow_peer_that_we_do_not_read_is_not_stuck() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    let mut bytes = Vec::new();
    encode("piece0.0", &mut bytes);
    w.feed('a', &bytes[..100]);
    for _ in 0..20 {
        assert!(w.swarm.recv_plan(conn('a'), 0, &mut w.pool).is_none());
        assert!(!w.wait(10).contains("close"));
    }
    assert!(w.feed('a', &bytes[100..]).contains("block0.0"));
}

#[test]
fn a_flood_of_messages_is_closed_and_a_busy_peer_is_not() {
    for (words, per_second, closed) in [
        ("interested bored", 1_000, true),
        ("req0.0", 4_000, true),
        ("choke unchoke", 100, true),
        ("cancel0.0", 10_000, true),
        ("reject0.0", 10_000, true),
        ("have1", 8_000, false),
        ("keepalive", 500, false),
    ] {
        let mut w = World::new("*.");
        w.meet('a', "f");
        let said = format!("{words} ").repeat(per_second);
        let mut heard = String::new();
        for _ in 0..20 {
            heard += &w.says('a', &said);
            heard += &w.wait(1);
        }
        assert_eq!(heard.contains("a:close(Flood)"), closed, "{words}");
    }
}

#[test]
fn who_talks_and_does_not_deliver_is_snubbed() {
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke");
    let heard = for_long(&mut w, 5, |w| {
        let keep = w.says('a', "keepalive have0");
        if w.now.since(Instant::START).as_secs() > 30 { "close".into() } else { keep }
    });
    assert!(heard.contains("a:cancel0.0 a:cancel0.1"), "{heard}");
    assert!(w.swarm.sessions[&conn('a')].snubbed);
}

#[test]
fn who_leaves_out_a_block_and_sends_others_is_snubbed_too() {
    let mut w = World::new("............");
    w.meet('a', "fx");
    let asked = w.says('a', "reqq2 have_all unchoke");
    let word = |text: &str, at: usize| {
        let found = text.split_whitespace().filter_map(|word| word.strip_prefix("a:req")).nth(at);
        found.map(str::to_owned)
    };
    let first = word(&asked, 0).unwrap();
    let mut next = word(&asked, 1);
    for _ in 0..10 {
        let heard = w.says('a', &format!("piece{}", next.unwrap())) + " " + &w.wait(5);
        next = word(&heard, 0);
    }
    let session = &w.swarm.sessions[&conn('a')];
    assert!(!session.requests.contains(&block(&first)), "it is not waited for any longer");
    assert!(session.late.contains(&block(&first)));
}

#[test]
fn who_rejects_everything_is_snubbed() {
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke");
    for _ in 0..4 {
        w.says('a', "reject0.0 reject0.1 reject0.2 reject0.3");
        w.wait(1);
    }
    assert!(w.swarm.sessions[&conn('a')].snubbed);
    assert!(w.says('a', "piece0.0").contains("block0.0"));
    assert!(!w.swarm.sessions[&conn('a')].snubbed, "until it delivers");
}

#[test]
fn what_a_choked_peer_is_allowed_is_given_twice_and_no_more() {
    let mut w = World::new("*");
    assert_eq!(w.meet('1', "f"), "1:handshake 1:have_all 1:allow0");
    let heard = w.says('1', &"req0.0 req0.1 req0.2 req0.3 ".repeat(3));
    let (reads, rejects) = (heard.matches("read").count(), heard.matches("reject").count());
    assert_eq!((reads, rejects), (2, 4), "{heard}");
}
