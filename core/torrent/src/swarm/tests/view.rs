//! What somebody sees who looks at a swarm.

use super::*;
use crate::swarm::view::{BUCKETS_MAX, Bucket};

/// Buckets as `have+begun-nowhere/pieces`.
fn map(world: &World, buckets: usize) -> String {
    let seen = world.swarm.piece_map(world.swarm.have(), buckets);
    let word = |b: Bucket| format!("{}+{}-{}/{}", b.have, b.begun, b.nowhere, b.pieces);
    seen.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_map_counts_every_piece_in_exactly_one_bucket() {
    let mut w = World::new("**...");
    w.with('a', "", "have2 have3 unchoke");
    for (buckets, expected) in [
        (0, ""),
        (1, "2+2-1/5"),
        (2, "2+0-0/2 0+2-1/3"),
        (5, "1+0-0/1 1+0-0/1 0+1-0/1 0+1-0/1 0+0-1/1"),
        (99, "1+0-0/1 1+0-0/1 0+1-0/1 0+1-0/1 0+0-1/1"),
    ] {
        assert_eq!(map(&w, buckets), expected, "{buckets}");
    }
    let mut chosen = World::choosing("....", "**..");
    chosen.with('a', "", "have0");
    assert_eq!(map(&chosen, 1), "0+0-1/4", "of what is skipped nobody misses anything");
    let many = World::new(&".".repeat(3000));
    assert_eq!(map(&many, usize::MAX).split(' ').count(), BUCKETS_MAX);
}

#[test]
fn a_peer_is_seen_with_what_each_side_said() {
    let mut w = World::new("*...");
    // Without a handshake there is nobody to be seen.
    w.swarm.on_connected(conn('z'), addr('z'), w.now);
    w.hear();
    w.with('a', "d", "have1 have2 unchoke").with('b', "", "interested");
    let peers = w.swarm.peers_view();
    let seen: Vec<_> = peers
        .iter()
        .map(|p| (p.addr, p.outgoing, p.have_per_mille, p.am_interested, p.peer_choking))
        .collect();
    assert_eq!(seen, [(addr('a'), true, 500, true, false), (addr('b'), false, 0, false, true)]);
    assert_eq!((peers[0].requests, peers[1].requests), (8, 0));
    assert_eq!((peers[0].am_choking, peers[1].am_choking), (true, false));
    assert!(peers[1].peer_interested && !peers[0].peer_interested);
}

#[test]
fn a_diary_is_kept_only_if_somebody_wants_it() {
    for (wanted, expected) in [(false, 0), (true, 2)] {
        let mut w = World::new("*");
        w.swarm.config.diary = wanted;
        w.meet('a', "");
        w.says('a', "interested");
        let said = w.wait(10);
        let entries = said.matches("Rechoked").count() + usize::from(wanted);
        assert_eq!(entries, expected, "{said}");
        assert_eq!(said.contains("unchoked: [[fd00::61]:6881], optimistic: []"), wanted);
    }
    let mut w = World::new("*");
    w.swarm.config.diary = true;
    assert!(w.meet('a', "").contains("Joined { addr: [fd00::61]:6881, outgoing: false }"));
}
