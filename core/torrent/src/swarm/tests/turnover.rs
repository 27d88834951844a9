//! Who makes room for whom. A swarm here has eight connections at most.

use super::*;

/// Peer `name` dials us from the public address `a.b.0.1`.
fn comes(w: &mut World, name: char, [a, b]: [u8; 2]) -> String {
    let addr = SocketAddr::from(([a, b, 0, 1], 6881));
    w.swarm.on_incoming(conn(name), addr, &w.greeting(name), w.now);
    w.hear()
}

/// Eight strangers are here and want nothing.
fn full(have: &str) -> World {
    let mut w = World::new(have);
    for (b, name) in (0..).zip("abcdefgh".chars()) {
        let heard = comes(&mut w, name, [80, b]);
        assert!(heard.starts_with(&format!("{name}:handshake")), "{heard}");
    }
    w
}

fn chat(w: &mut World) {
    "abcdefgh".chars().for_each(|name| drop(w.says(name, "keepalive")));
}

#[test]
fn a_newcomer_takes_the_place_of_who_is_missed_least_but_not_at_once() {
    let mut w = full("*.");
    assert_eq!(comes(&mut w, 'i', [81, 0]), "i:close(Full)", "everybody gets a minute");
    w.wait(60);
    // `a` has something for us, `b` wants something: the others are of no use.
    w.says('a', "have1");
    w.says('b', "interested");
    let useless = |conn: &ConnId| !"ab".contains(name(*conn));
    let least = w.swarm.sessions.iter().filter(|(conn, _)| useless(conn));
    let least = least.min_by_key(|(_, session)| w.swarm.peers.priority(session.addr));
    let least = name(*least.unwrap().0);
    assert_eq!(
        comes(&mut w, 'i', [81, 0]),
        format!("{least}:close(Replaced) i:handshake i:bits*.")
    );
    assert_eq!(comes(&mut w, 'j', [82, 0]), "j:close(Full)", "one in five seconds");
    w.wait(5);
    assert!(comes(&mut w, 'j', [82, 0]).contains("j:handshake"));
}

#[test]
fn who_moves_payload_stays_and_who_waits_for_ever_goes_at_last() {
    let mut w = full("*");
    for name in "abcdefgh".chars() {
        w.says(name, "interested");
    }
    for _ in 0..10 {
        w.wait(20);
        chat(&mut w);
        for name in "abc".chars() {
            if !w.swarm.sessions[&conn(name)].am_choking {
                w.says(name, "req0.0");
                w.resident(true);
                w.sent(name, "0.0");
            }
        }
    }
    let now = w.now;
    let moved: Vec<char> = w
        .swarm
        .sessions
        .iter()
        .filter(|(_, session)| now.since(session.moved_at).as_secs() < 60)
        .map(|(&conn, _)| name(conn))
        .collect();
    assert!(!moved.is_empty());
    let mut gone = Vec::new();
    for (b, newcomer) in (0..).zip("ijklmnop".chars()) {
        w.wait(6);
        let heard = comes(&mut w, newcomer, [81, b]);
        gone.extend(
            heard
                .split_whitespace()
                .filter_map(|word| word.strip_suffix(":close(Replaced)")?.chars().next()),
        );
    }
    assert!(gone.iter().all(|name| !moved.contains(name)), "{gone:?} {moved:?}");
    assert_eq!(gone.len() + moved.len(), 8, "all others: {gone:?} {moved:?}");
}

#[test]
fn neighbours_are_never_dropped_for_strangers() {
    let mut w = World::new("*");
    for name in "abcdefgh".chars() {
        w.meet(name, "");
    }
    w.wait(100);
    chat(&mut w);
    w.wait(100);
    assert_eq!(comes(&mut w, 'i', [80, 0]), "i:close(Full)");
}

#[test]
fn a_full_swarm_that_knows_others_tries_them_one_by_one() {
    let mut w = full("*");
    w.swarm.add_peers(&[addr('x'), addr('y')], Source::Tracker, w.now);
    assert_eq!(w.wait(59), "", "full");
    let heard = w.wait(15);
    let (closes, dials) =
        (heard.matches("close(Replaced)").count(), heard.matches("dial:").count());
    assert_eq!((closes, dials), (1, 1), "{heard}");
    assert!(w.wait(15).contains("dial:"));
    chat(&mut w);
    assert!(!w.wait(60).contains("close"), "nobody else is known");
}

#[test]
fn one_subnet_does_not_occupy_a_swarm_that_runs_full() {
    let stranger = |w: &mut World, name, last| {
        let addr = SocketAddr::from(([80, 1, 1, last], 6881));
        w.swarm.on_incoming(conn(name), addr, &w.greeting(name), w.now);
        w.hear()
    };
    let mut w = World::new("*");
    for (last, name) in (0..).zip("abcdef".chars()) {
        assert!(stranger(&mut w, name, last).contains("handshake"), "there is room");
    }
    assert_eq!(stranger(&mut w, 'g', 9), "g:close(Full)");
    assert!(comes(&mut w, 'g', [81, 0]).contains("handshake"), "of another one");
    w.swarm.add_peers(&[SocketAddr::from(([80, 1, 1, 77], 1))], Source::Tracker, w.now);
    assert_eq!(w.hear(), "", "neither is it dialled");
    w.swarm.add_peers(&[addr('y')], Source::Tracker, w.now);
    assert_eq!(w.hear(), "dial:y");
}

#[test]
fn a_subnet_with_bans_has_two_connections() {
    let mut w = World::new("*");
    let of_subnet = |last| SocketAddr::from(([80, 1, 1, last], 6881));
    w.swarm.ban(of_subnet(1).ip());
    w.swarm.ban(of_subnet(2).ip());
    for (last, name) in (3..).zip("abc".chars()) {
        w.swarm.on_incoming(conn(name), of_subnet(last), &w.greeting(name), w.now);
        let expected = if last < 5 { "handshake" } else { "close(Full)" };
        assert!(w.hear().contains(expected), "{name}");
    }
}

#[test]
fn seeds_are_not_dialled_again_by_a_seed() {
    let mut w = World::new("*");
    w.meet('a', "df");
    assert_eq!(w.says('a', "have_all"), "a:close(NothingToGive)");
    w.swarm.add_peers(&[addr('a')], Source::Tracker, w.now);
    assert_eq!(w.wait(3600), "");
    w.swarm.add_peers(&[addr('a')], Source::User, w.now);
    assert_eq!(w.hear(), "dial:a", "the user knows better");
}

#[test]
fn with_five_thousand_known_the_limits_are_kept_and_the_dead_are_forgotten() {
    let mut w = World::new(".");
    let known = u32::try_from(crate::peers::KNOWN_MAX).unwrap();
    let addrs: Vec<SocketAddr> = (0..known)
        .map(|n| SocketAddr::from(((0x5000_0000 + n * 257).to_be_bytes(), 6881)))
        .collect();
    w.swarm.add_peers(&addrs, Source::Tracker, w.now);
    let (mut dials, mut under_way) = (0, VecDeque::new());
    loop {
        while let Some(output) = w.swarm.poll_output() {
            if let Output::Dial(addr) = output {
                under_way.push_back(addr);
                dials += 1;
            }
        }
        assert!(under_way.len() <= 2, "two at a time");
        if let Some(addr) = under_way.pop_front() {
            w.swarm.on_dial_failed(addr, w.now);
        } else if let Some(at) = w.swarm.deadline() {
            w.now = w.now.max(at);
            w.swarm.on_deadline(w.now, &mut w.pool);
        } else {
            break;
        }
    }
    assert_eq!(dials, known * 7, "each was tried seven times");
    assert!(w.now.since(Instant::START).as_secs() > 15 * 63, "ever more seldom");
}
