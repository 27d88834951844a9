//! Behaviours of a swarm, spoken to as a peer would.
//!
//! Notation: connections and peers are letters; `w.says('a', "unchoke req0.1")` feeds messages
//! of peer `a`, and what the swarm does comes back as text: `a:req0.1` is a message to `a`,
//! `read0.1+3` asks the disk for three blocks, `a:send0.1` hands one to the socket, `block0.1`
//! goes to storage. Block `0.1` is the second of piece 0; a piece has four. `"*."` is what
//! somebody has. Every test ends with a stop that must give every buffer back.

mod gossip;
mod justice;
mod losses;
mod manners;
mod seeking;
mod turnover;
mod v2;
mod view;
mod world;

use base::BLOCK_BYTES;
use wire::peer;

use super::*;
use crate::session::REQUESTS_QUEUED_MAX;
use world::{PIECE_BLOCKS, World, addr, block, conn, encode, name};

/// What four blocks of a piece look like in requests and elsewhere: `all("a:req", 0)`.
fn all(prefix: &str, piece: u32) -> String {
    let words: Vec<String> = (0..PIECE_BLOCKS).map(|n| format!("{prefix}{piece}.{n}")).collect();
    words.join(" ")
}

#[test]
fn what_we_have_is_said_first_and_not_before_storage_is_ready() {
    for (have, kind, expected) in [
        ("..", "", ""),
        ("..", "f", "a:have_none "),
        ("*.", "f", "a:bits*. "),
        ("*.", "", "a:bits*. "),
        ("**", "f", "a:have_all "),
        ("**", "fx", "a:have_all a:hello_upload_only "),
    ] {
        let mut w = World::unready(2);
        assert_eq!(w.meet('a', kind), "a:handshake");
        assert_eq!(w.says('a', "interested unchoke"), "", "nothing is given yet");
        assert_eq!(w.ready(have), format!("{expected}a:unchoke"), "{have} {kind}");
        let mut w = World::new(have);
        assert_eq!(w.meet('a', kind), format!("a:handshake {expected}").trim(), "{have} {kind}");
    }
}

#[test]
fn what_a_peer_said_before_storage_was_ready_counts_afterwards() {
    let mut w = World::unready(1);
    w.with('a', "f", "have_all unchoke").with('b', "f", "have_all");
    let asked = format!("a:have_none a:interested {}", all("a:req", 0));
    assert_eq!(w.ready("."), format!("b:have_none b:interested {asked}"));
    let mut w = World::unready(1);
    w.with('a', "f", "have_all");
    assert_eq!(w.ready("*"), "a:close(NothingToGive)");
}

#[test]
fn strangers_and_ourselves_are_left_and_not_dialled_again() {
    for (kind, reason) in [("d!", "WrongTorrent"), ("d=M", "Ourselves")] {
        let mut w = World::new(".");
        assert_eq!(w.meet('a', kind), format!("a:handshake a:close({reason})"));
        assert_eq!(w.wait(3600), "");
    }
    let mut w = World::new(".");
    w.swarm.on_connected(conn('c'), addr('c'), w.now);
    w.hear();
    let reply = w.feed('c', b"GET / HTTP/1.1\r\nHost: x");
    assert_eq!(reply, "c:close(Stream(NotBitTorrent))");
}

/// Whether the connection that we dialled survives when two name the same peer.
fn ours_survives(peer: char, dialled_first: bool) -> bool {
    let mut w = World::new(".");
    let (outgoing, incoming) = (format!("d={peer}"), format!("={peer}"));
    let order = [('a', outgoing), ('b', incoming)];
    let heard: String = if dialled_first {
        order.iter().map(|(name, kind)| w.meet(*name, kind)).collect()
    } else {
        order.iter().rev().map(|(name, kind)| w.meet(*name, kind)).collect()
    };
    assert_eq!(heard.matches("close(Twice)").count(), 1);
    heard.contains("b:close(Twice)")
}

#[test]
fn of_two_connections_both_sides_keep_the_same() {
    for first in [true, false] {
        assert!(!ours_survives('z', first), "the higher name's dial is kept");
        assert!(ours_survives('A', first), "the higher name's dial is kept");
    }
    let mut w = World::new(".");
    w.meet('a', "=z");
    assert_eq!(w.meet('b', "=z"), "b:close(Twice)", "of the same direction, the older is kept");
}

#[test]
fn interest_follows_what_a_peer_has_and_requests_follow_its_unchoke() {
    let mut w = World::new("*.");
    w.meet('a', "");
    assert_eq!(w.says('a', "have0"), "");
    assert_eq!(w.says('a', "have1"), "a:interested");
    assert_eq!(w.says('a', "unchoke"), all("a:req", 1));
    assert_eq!(w.says('a', "piece1.0 piece1.1 piece1.2 piece1.3"), all("block", 1));
    assert_eq!(w.done(1), "a:close(NothingToGive)");
}

/// Found with aria2, which sends a bitfield in place of many HAVEs: it was closed as a nuisance.
#[test]
fn a_bitfield_may_come_again_and_again_but_have_all_may_not() {
    let mut w = World::new("*.");
    w.meet('a', "f");
    for _ in 0..20 {
        assert_eq!(w.says('a', "bits**"), "a:interested");
        assert_eq!(w.says('a', "bits*."), "a:bored");
    }
    let closed = (0..20).map(|_| w.says('a', "have_none")).find(|said| said.contains("close"));
    assert_eq!(closed.as_deref(), Some("a:close(OutOfRange)"));
}

#[test]
fn a_finished_piece_is_told_to_all_but_seeds() {
    let mut w = World::new("..");
    w.with('a', "", "bits*. unchoke").with('b', "", "");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    assert_eq!(w.done(0), "b:have0 a:bored a:have0");
}

#[test]
fn a_choke_gives_requests_back_and_late_blocks_are_welcome() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke").with('b', "", "have0");
    assert_eq!(w.says('a', "choke"), "");
    assert_eq!(w.says('b', "unchoke"), all("b:req", 0));
    // It was on its way; whoever was asked in the meantime need not send it.
    assert_eq!(w.says('a', "piece0.0"), "block0.0 b:cancel0.0");
}

#[test]
fn with_the_fast_extension_a_choke_leaves_requests_until_they_are_rejected() {
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke").with('b', "f", "have_all");
    w.says('a', "choke");
    assert_eq!(w.says('a', "piece0.0"), "block0.0", "it may still be answered");
    w.says('a', "reject0.1 reject0.2");
    assert_eq!(w.says('b', "unchoke"), "b:req0.1 b:req0.2");
}

#[test]
fn a_rejected_block_is_asked_of_another() {
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke");
    w.says('a', "choke reject0.0 reject0.1 reject0.2 reject0.3");
    w.meet('b', "f");
    assert_eq!(w.says('b', "have_all unchoke"), format!("b:interested {}", all("b:req", 0)));
}

#[test]
fn who_refuses_though_it_unchoked_us_is_asked_again_a_second_later() {
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke");
    assert_eq!(w.says('a', "reject0.0 reject0.1 reject0.2 reject0.3"), "");
    assert_eq!(w.wait(1), all("a:req", 0));
}

#[test]
fn a_silent_peer_is_snubbed_and_its_late_blocks_are_accepted() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    assert_eq!(w.wait(20), "");
    let cancelled = all("a:cancel", 0);
    assert_eq!(w.wait(2), format!("{cancelled} a:req0.0"), "a little is tried again");
    w.with('b', "", "have0 unchoke");
    assert!(w.says('a', "piece0.2").starts_with("block0.2 b:cancel0.2"));
}

#[test]
fn in_the_endgame_slow_blocks_are_asked_again_and_cancelled_when_they_come() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke").with('b', "", "have0");
    assert_eq!(w.says('b', "unchoke"), all("b:req", 0));
    assert_eq!(w.says('a', "piece0.0"), "block0.0 b:cancel0.0");
    assert_eq!(w.says('b', "piece0.1"), "block0.1 a:cancel0.1");
    // The cancel came too late: the copy is dropped, and no buffer is lost.
    assert_eq!(w.says('b', "piece0.0"), "");
    assert_eq!(w.swarm.stats().wasted_bytes, u64::from(BLOCK_BYTES));
}

#[test]
fn speaking_of_what_does_not_exist_closes() {
    let request = |piece, offset_bytes, length_bytes| {
        Message::Request(BlockId { piece: PieceIndex(piece), offset_bytes, length_bytes })
    };
    let piece_bytes = PIECE_BLOCKS * BLOCK_BYTES;
    for message in [
        request(1, 0, 1),
        request(u32::MAX, 0, 1),
        request(0, piece_bytes, 1),
        request(0, piece_bytes - 1, 2),
        request(0, u32::MAX, u32::MAX),
        request(0, 0, 0),
        Message::Have(PieceIndex(1)),
        Message::Bitfield(&[0xff]),
        Message::Bitfield(&[0x80, 0]),
    ] {
        let mut w = World::new("*");
        w.meet('a', "f");
        let mut bytes = Vec::new();
        peer::encode(message, &mut bytes);
        assert_eq!(w.feed('a', &bytes), "a:close(OutOfRange)", "{message:?}");
    }
}

#[test]
fn what_a_peer_has_is_said_a_few_times_at_most() {
    let mut w = World::new(".");
    w.meet('a', "f");
    assert_eq!(w.says('a', "have_none have_all have_none"), "a:interested a:bored");
    assert_eq!(w.says('a', "have_none have_none"), "a:close(OutOfRange)");
}

#[test]
fn a_request_while_choked_is_rejected_or_ignored() {
    let mut w = World::new("*");
    w.meet('a', "f");
    assert_eq!(w.says('a', "req0.0"), "a:reject0.0");
    w.meet('b', "");
    assert_eq!(w.says('b', "req0.0"), "");
}

#[test]
fn a_request_for_what_we_lack_or_longer_than_a_block_is_rejected() {
    let mut w = World::new(".*");
    w.with('a', "f", "interested");
    assert_eq!(w.says('a', "req0.0"), "a:reject0.0");
    let mut bytes = Vec::new();
    let long = BlockId { length_bytes: 2 * BLOCK_BYTES, ..block("1.0") };
    peer::encode(Message::Request(long), &mut bytes);
    assert_eq!(w.feed('a', &bytes), "a:reject1.0");
}

#[test]
fn allowed_fast_pieces_are_given_and_taken_while_choked() {
    let mut w = World::new("*.");
    assert_eq!(w.meet('1', "f"), "1:handshake 1:bits*. 1:allow0", "only what we have");
    assert_eq!(w.says('1', "req0.0"), "read0.0+1");
    assert_eq!(w.says('1', "have1 allow1"), format!("1:interested {}", all("1:req", 1)));
    assert_eq!(w.says('1', "piece1.0"), "block1.0");
    // A refusal ends it: it would be asked again and again.
    assert_eq!(w.says('1', "reject1.1"), "");
}

#[test]
fn a_cancelled_request_is_not_answered_with_a_block() {
    for (kind, expected) in [("f", "read0.0+1 read0.2+1 a:reject0.1"), ("", "read0.0+1 read0.2+1")]
    {
        let mut w = World::new("*");
        w.with('a', kind, "interested");
        assert_eq!(w.says('a', "req0.0 req0.1 req0.2 cancel0.1"), expected);
    }
}

#[test]
fn requests_are_read_in_runs_and_sent_block_by_block() {
    let mut w = World::new("**");
    w.with('a', "", "interested");
    assert_eq!(w.says('a', "req0.0 req0.1 req0.3 req1.0 req1.1"), "read0.0+2 read0.3+1 read1.0+2");
    assert_eq!(w.resident(true), "a:send0.0 a:send0.1");
    assert_eq!(w.sent('a', "0.0"), "");
    assert_eq!(w.swarm.stats().uploaded_bytes, u64::from(BLOCK_BYTES));
    assert_eq!(w.resident(false), "a:close(Unreadable)");
    w.reads.pop_front();
    w.swarm.on_resident(99, true);
    assert_eq!(w.hear(), "", "a question of a closed connection");
}

#[test]
fn a_bounded_amount_is_under_way_and_what_is_sent_makes_room() {
    let mut w = World::new("*");
    w.with('a', "f", "interested");
    // 2 MiB, which is 128 blocks: 32 runs of a piece each.
    let heard = w.says('a', &"req0.0 req0.1 req0.2 req0.3 ".repeat(40));
    assert_eq!(heard.matches("read0.0+4").count(), 32, "{heard}");
    assert_eq!(w.resident(true), all("a:send", 0));
    assert_eq!(w.sent('a', "0.0"), "read0.0+4");
    assert_eq!(w.sent('a', "0.1"), "", "that was more than was sent");
}

#[test]
fn under_a_limit_less_is_under_way_so_that_a_choke_means_something() {
    let mut w = World::new("*");
    w.swarm.set_ahead(3 * u64::from(BLOCK_BYTES));
    w.with('a', "", "interested");
    assert_eq!(w.says('a', "req0.0 req0.1 req0.2 req0.3"), "read0.0+3");
    assert_eq!(w.says('a', "bored"), "a:choke");
    assert_eq!(w.sent('a', "0.0"), "", "the fourth is not sent any more");
}

#[test]
fn queued_requests_are_bounded_by_what_reqq_says() {
    let mut w = World::new("*");
    w.with('a', "f", "interested");
    let heard = w.says('a', &"req0.0 ".repeat(REQUESTS_QUEUED_MAX + 500));
    let (reads, rejects) = (heard.matches("read").count(), heard.matches("reject").count());
    assert!(reads >= 128 && rejects > 0, "{reads} {rejects}");
    let queued = w.swarm.sessions[&conn('a')].asked.len();
    assert_eq!(queued, REQUESTS_QUEUED_MAX + 500 - reads - rejects);
    assert!(queued <= REQUESTS_QUEUED_MAX);
    let heard = w.says('a', "bored");
    assert!(heard.starts_with("a:choke a:reject0.0"), "what is dropped is rejected by name");
}

#[test]
fn the_only_sender_of_a_corrupt_piece_is_banned() {
    let mut w = World::new(".");
    w.with('a', "d", "have0 unchoke");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    assert_eq!(w.failed(0), "a:close(Corrupt) ban:a");
    assert_eq!(w.meet('a', ""), "a:close(Banned)");
    w.swarm.add_peers(&[addr('a')], Source::Tracker, w.now);
    assert_eq!(w.wait(3600), "");
}

#[test]
fn a_piece_that_storage_lost_before_it_was_whole_is_asked_again_and_nobody_is_blamed() {
    let mut w = World::new(".");
    w.with('a', "", "have0 unchoke");
    w.says('a', "piece0.0 piece0.1");
    assert_eq!(w.lost(0), "a:req0.0 a:req0.1");
    w.says('a', "piece0.2 piece0.3 piece0.0 piece0.1");
    assert_eq!(w.done(0), "a:close(NothingToGive)");
}

#[test]
fn only_what_is_wanted_makes_us_interested_and_is_asked_for() {
    let mut w = World::choosing("...", ".*.");
    w.meet('a', "f");
    assert_eq!(w.says('a', "bits*.* unchoke"), "", "it has nothing that we want");
    assert_eq!(w.says('a', "allow0 allow2"), "");
    let asked = format!("a:interested {}", all("a:req", 1));
    assert_eq!(w.says('a', "have1"), asked);
}

#[test]
fn who_wants_nothing_more_says_so_and_goes_on_giving() {
    let mut w = World::choosing("...", ".*.");
    w.with('a', "fx", "have_all unchoke").with('b', "fx", "interested").with('c', "f", "have1");
    w.says('a', "piece1.0 piece1.1 piece1.2 piece1.3");
    // Of `a` and `c` nothing is wanted, and `a` wants nothing. `b` is told.
    let done = w.done(1);
    let mut words: Vec<&str> = done.split(' ').collect();
    words.sort_unstable();
    let expected =
        ["a:close(NothingToGive)", "b:have1", "b:hello_upload_only", "c:bored", "c:have1"];
    assert_eq!(words, expected, "{done}");
    assert_eq!(w.says('b', "req1.0"), "read1.0+1");
    let newcomer = "d:handshake d:bits.*. d:hello_upload_only";
    assert_eq!(w.meet('d', "fx"), newcomer, "and from the start to who comes later");
    assert_eq!(w.says('d', "upload_only"), "d:close(NothingToGive)");
}

#[test]
fn who_only_gives_is_upload_only_with_whatever_it_has() {
    let mut w = World::choosing("*.", "..");
    assert_eq!(w.meet('a', "fx"), "a:handshake a:bits*. a:hello_upload_only");
    assert_eq!(w.says('a', "have1 unchoke"), "");
    assert_eq!(w.says('a', "have0"), "a:close(NothingToGive)");
}

#[test]
fn two_that_are_complete_part() {
    for words in ["have_all", "bits*", "have0", "upload_only"] {
        let mut w = World::new("*");
        w.meet('a', "fx");
        assert_eq!(w.says('a', words), "a:close(NothingToGive)", "{words}");
    }
    let mut w = World::new(".");
    w.with('a', "d", "have0 unchoke");
    w.says('a', "piece0.0 piece0.1 piece0.2 piece0.3");
    assert_eq!(w.done(0), "a:close(NothingToGive)");
    assert_eq!(w.wait(3600), "");
}

#[test]
fn we_keep_a_connection_alive_and_drop_a_silent_one() {
    let mut w = World::new(".");
    w.meet('a', "");
    assert_eq!(w.wait(100), "");
    assert_eq!(w.wait(2), "a:keepalive");
    w.says('a', "keepalive");
    assert_eq!(w.wait(149), "a:keepalive");
    assert_eq!(w.wait(3), "a:close(Silent)");
    assert_eq!(w.swarm.deadline(), None, "nothing is left to be done");
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let mut w = World::new(".");
    w.swarm.on_connected(conn('a'), addr('a'), w.now);
    assert_eq!(w.hear(), "a:handshake");
    assert_eq!(w.wait(15), "");
    assert_eq!(w.feed('a', b"\x13BitTorrent"), "");
    assert_eq!(w.wait(7), "a:close(Silent)", "bytes by the drop don't help");
}

#[test]
fn no_more_is_asked_than_a_peer_queues() {
    let mut w = World::new("..");
    w.meet('a', "fx");
    let heard = w.says('a', "reqq3 have_all unchoke");
    assert_eq!(heard.matches("req").count(), 3, "{heard}");
}

#[test]
fn at_most_so_many_are_unchoked_and_everybody_has_a_turn() {
    let mut w = World::new("*");
    let mut heard: String = String::new();
    for name in "abcdef".chars() {
        w.meet(name, "");
        heard += &w.says(name, "interested");
    }
    assert_eq!(heard, "a:unchokeb:unchokec:unchoke");
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        "abcdef".chars().for_each(|name| drop(w.says(name, "keepalive")));
        w.wait(10);
        let open = w.swarm.sessions.iter().filter(|(_, session)| !session.am_choking);
        let open: Vec<char> = open.map(|(&conn, _)| name(conn)).collect();
        assert_eq!(open.len(), 3);
        seen.extend(open);
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn dials_are_bounded_and_failures_are_tried_again_ever_later() {
    let mut w = World::new(".");
    let addrs: Vec<SocketAddr> = "abcdefghij".chars().map(addr).collect();
    w.swarm.add_peers(&addrs, Source::Tracker, w.now);
    let dialled = |w: &mut World| -> Vec<char> {
        w.hear()
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("dial:")?.chars().next())
            .collect()
    };
    let first = dialled(&mut w);
    assert_eq!(first.len(), 2, "two at a time");
    w.swarm.on_dial_failed(addr(first[0]), w.now);
    let mut next = dialled(&mut w);
    assert_eq!(next.len(), 1, "another in its place");
    next.push(first[1]);
    while w.swarm.sessions.len() < 7 {
        let name = next.pop().unwrap();
        w.swarm.on_connected(conn(name), addr(name), w.now);
        w.swarm.dial_more(w.now);
        next.extend(dialled(&mut w));
    }
    assert_eq!(w.swarm.sessions.len() + w.swarm.dialing.len(), 8, "all connections together");
    assert_eq!(w.meet('z', ""), "z:handshake", "one of them is still dialled");
    assert_eq!(w.meet('y', ""), "y:close(Full)");
}

#[test]
fn a_banned_address_is_not_dialled_though_it_was_known_before() {
    let mut w = World::unready(1);
    w.swarm.add_peers(&[addr('a')], Source::User, w.now);
    w.swarm.peers.ban(addr('a').ip());
    assert_eq!(w.ready("."), "");
    assert_eq!(w.swarm.deadline(), None);
}

#[test]
fn a_stop_closes_everything_in_the_middle_of_it() {
    let mut w = World::new("*.");
    w.with('a', "", "have1 unchoke interested").with('b', "f", "interested");
    w.says('b', "req0.0");
    let mut bytes = Vec::new();
    encode("piece1.0", &mut bytes);
    assert_eq!(w.feed('a', &bytes[..100]), "", "half a block is here");
    assert!(w.pool.outstanding() > 0);
    w.swarm.stop(w.now, &mut w.pool);
    assert_eq!(w.hear(), "a:close(Stopped) b:close(Stopped)");
    assert_eq!(w.resident(true), "");
    assert_eq!(w.meet('c', ""), "c:close(Stopped)");
    w.swarm.add_peers(&[addr('d')], Source::User, w.now);
    assert_eq!(w.wait(3600), "");
    assert_eq!(w.swarm.deadline(), None);
}

#[test]
fn a_swarm_without_connections_or_addresses_has_no_deadline() {
    let w = World::new(".");
    assert_eq!(w.swarm.deadline(), None);
}

#[test]
fn the_only_seed_shows_newcomers_piece_after_piece() {
    let mut w = World::new("****");
    assert_eq!(
        w.meet('a', "f"),
        "a:handshake a:have_all",
        "the first one has nobody to share with"
    );
    w.says('a', "have_none interested");
    let shown = w.meet('b', "f");
    assert!(shown.starts_with("b:handshake b:have_none b:have"), "{shown}");
    assert_eq!(shown.matches("b:have").count(), 2, "none, and one to wake its interest: {shown}");
    // Unchoked, it has more to fetch, and each piece only as long as nobody else has it.
    w.says('b', "have_none interested");
    let more = w.says('a', "have0");
    assert!(more.contains("b:have"), "{more}");
    let all = w.says('a', "have1 have2 have3");
    let told = format!("{shown} {more} {all}");
    for piece in 0..4 {
        assert_eq!(told.matches(&format!("b:have{piece}")).count(), 1, "{told}");
    }
}

#[test]
fn a_second_seed_ends_super_seeding() {
    let mut w = World::new("****");
    w.with('a', "f", "have_none");
    let shown = w.meet('b', "f");
    assert_eq!(shown.matches("b:have").count(), 2, "{shown}");
    w.meet('c', "f");
    let told = w.says('c', "have_all");
    assert_eq!(told.matches("b:have").count(), 3, "{told}");
}

#[test]
fn a_peer_that_we_do_not_read_is_neither_silent_nor_slow() {
    let keepalives = |text: String| text.split_whitespace().all(|word| word.contains("keepalive"));
    let mut w = World::new(".");
    w.with('a', "f", "have_all unchoke");
    // A full disk, or a limit far below what comes: there is nothing to read it with.
    assert!(w.swarm.recv_plan(conn('a'), 0, &mut w.pool).is_none());
    let heard = w.wait(600);
    assert!(heard.contains("keepalive"), "it must not take us for gone: {heard}");
    assert!(keepalives(heard), "it is neither given up nor asked less");
    // From here on it is heard, and says nothing.
    let plan = w.swarm.recv_plan(conn('a'), usize::MAX, &mut w.pool).unwrap();
    w.swarm.on_received(conn('a'), plan, 0, w.now, &mut w.pool);
    assert!(w.wait(30).contains("a:cancel"), "now it is slow");
    assert!(w.wait(121).ends_with("a:close(Silent)"), "and then silent");
}
