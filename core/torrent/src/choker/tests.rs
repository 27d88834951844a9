//! Table tests in a small notation.

use std::collections::BTreeSet;

use super::*;

/// `"9 5 -7 3s 2d"`: rates that a peer gives and takes; `-` not interested, `s` snubbed, `d` a
/// debtor, `u` it has a slot, `o` its turn is over, `w` it waits. Connections are numbered from 0.
fn candidates(notation: &str) -> Vec<Candidate> {
    let parse = |(index, word): (usize, &str)| {
        let rate = word.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        Candidate {
            conn: ConnId(index as u64),
            interested: !word.starts_with('-'),
            gives: rate,
            takes: rate,
            snubbed: word.contains('s'),
            unchoked: word.contains('u'),
            turn_over: word.contains('o'),
            waited: u64::from(word.contains('w')),
            debtor: word.contains('d'),
        }
    };
    notation.split_whitespace().enumerate().map(parse).collect()
}

fn situation(slots: usize) -> Situation {
    Situation { seeding: false, slots, starved: false, rotate: true }
}

fn seeding(slots: usize) -> Situation {
    Situation { seeding: true, ..situation(slots) }
}

#[test]
fn the_fastest_that_want_something_keep_their_slots() {
    for (peers, situation, certain) in [
        ("1 9 5 7", situation(3), vec![1, 3]),
        ("1 -9 5 7", situation(2), vec![3]),
        ("1 9s 5 7", situation(3), vec![3, 2]),
        ("1 9", situation(3), vec![0, 1]),
        ("-1 -9", situation(3), vec![]),
        ("1 9", situation(0), vec![]),
        // A debtor has no regular slot, however fast and however many there are.
        ("1 9d 5 7", situation(3), vec![3, 2]),
        // A seed's slots go round: who had its turn is behind who waited.
        ("1u 9uo 5w 7w", seeding(4), vec![0, 2, 3]),
        ("1u 9uo 5w 7w", seeding(3), vec![0, 3]),
    ] {
        let choice = choose(&candidates(peers), situation, &[], &mut Rng::from_seed(1));
        for &conn in &certain {
            assert!(choice.unchoked.contains(&ConnId(conn)), "{peers}: {choice:?}");
        }
        assert!(choice.unchoked.len() <= situation.slots);
        assert_eq!(certain.is_empty(), choice.unchoked.is_empty(), "{peers}");
    }
}

#[test]
fn everybody_gets_the_optimistic_slot_in_time_and_a_debtor_seldom() {
    let peers = candidates("9 8 0 0 0d 0");
    let (mut seen, mut optimistic, mut rng) = (BTreeSet::new(), Vec::new(), Rng::from_seed(3));
    let mut turns_of_debtor = 0;
    for _ in 0..400 {
        optimistic = choose(&peers, situation(3), &optimistic, &mut rng).optimistic;
        assert_eq!(optimistic.len(), 1);
        turns_of_debtor += usize::from(optimistic[0] == ConnId(4));
        seen.extend(optimistic.clone());
    }
    assert_eq!(seen.len(), 4);
    assert!((1..40).contains(&turns_of_debtor), "{turns_of_debtor} of 400");
}

#[test]
fn without_rotation_the_optimistic_peer_stays_unless_it_owes() {
    for (peers, stays) in [("9 8 0 0", true), ("9 8 0 0d", false)] {
        let still = Situation { rotate: false, ..situation(3) };
        let choice = choose(&candidates(peers), still, &[ConnId(3)], &mut Rng::from_seed(0));
        assert_eq!(choice.optimistic.contains(&ConnId(3)), stays, "{peers}");
    }
}

#[test]
fn who_gets_nothing_trusts_one_more() {
    let starved = Situation { starved: true, ..situation(3) };
    let choice = choose(&candidates("0 0 0 0"), starved, &[], &mut Rng::from_seed(0));
    assert_eq!((choice.unchoked.len(), choice.optimistic.len()), (3, 2));
}

#[test]
fn slots_follow_what_the_uplink_fills() {
    let peers = |count: usize, rate: u64| candidates(&format!("{rate}u ").repeat(count));
    for (count, rate, before, busy, expected) in [
        (30, 100_000, 8, true, 26), // the 24th of them still takes 24 × 4 KiB/s
        (30, 1_000, 8, true, 4),    // a slow line: few, or nobody gets anything in time
        (30, 1_000, 8, false, 10),  // slow peers: more of them
        (6, 1_000_000, 8, true, 6),
        (2, 1_000_000, 8, false, SLOTS_MIN),
    ] {
        assert_eq!(slots(&peers(count, rate), before, busy), expected, "{count} at {rate}");
    }
}

#[test]
fn a_debtor_took_eight_times_what_it_gave_and_an_allowance() {
    for (given, got, owes) in [(100, 0, false), (101, 0, true), (900, 100, false), (901, 100, true)]
    {
        assert_eq!(is_debtor(given, got, 100), owes, "{given} for {got}");
    }
}
