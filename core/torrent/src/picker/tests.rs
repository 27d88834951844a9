//! Table tests in a small notation, and the picker against a naive model.

use std::net::SocketAddr;

use base::Rng;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::*;

/// `"1*21"`: how many peers have each piece; `*` for one that we have, `-` for one that nobody
/// wants and two peers have. Pieces of `blocks` blocks.
fn picker(notation: &str, blocks: u32) -> Picker {
    picker_in(Order::Rarest, notation, blocks)
}

fn picker_in(order: Order, notation: &str, blocks: u32) -> Picker {
    let count = u32::try_from(notation.len()).unwrap();
    let mut have = Bitfield::empty(count);
    let mut wanted = Bitfield::full(count);
    for (piece, symbol) in (0..).map(PieceIndex).zip(notation.chars()) {
        if symbol == '*' {
            have.set(piece);
        }
        if symbol == '-' {
            wanted.clear(piece);
        }
    }
    let piece_bytes = blocks * BLOCK_BYTES;
    let total = u64::from(piece_bytes) * u64::from(count);
    let sizes = PieceSizes::new(piece_bytes, total);
    let mut picker = Picker::new(&have, &wanted, sizes, order, &mut Rng::from_seed(1));
    for (piece, symbol) in (0..).map(PieceIndex).zip(notation.chars()) {
        let peers = if symbol == '-' { 2 } else { symbol.to_digit(10).unwrap_or(0) };
        for _ in 0..peers {
            picker.on_peer_has(piece);
        }
    }
    picker.assert_invariants();
    picker
}

/// `"x.xx"`: the pieces that a peer has.
fn peer(notation: &str) -> Bitfield {
    let mut bits = Bitfield::empty(u32::try_from(notation.len()).unwrap());
    for (piece, symbol) in (0..).map(PieceIndex).zip(notation.chars()) {
        if symbol == 'x' {
            bits.set(piece);
        }
    }
    bits
}

/// `"0.0 0.1 3.0"`: piece and block of each pick.
fn picked(picker: &mut Picker, peer_has: &str, last: Option<u32>, count: usize) -> String {
    let mut out = Vec::new();
    let asker = Asker { last: last.map(PieceIndex), ..anybody() };
    picker.pick(&peer(peer_has), count, &asker, &mut Rng::from_seed(5), &mut out);
    picker.assert_invariants();
    shown(&out)
}

/// Somebody of whom nothing bad is known.
fn anybody() -> Asker {
    Asker::trusted(ConnId(0), Instant::START)
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 6881))
}

fn shown(blocks: &[BlockId]) -> String {
    let word = |b: &BlockId| format!("{}.{}", b.piece.0, b.offset_bytes / BLOCK_BYTES);
    blocks.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn block(piece: u32, index: u32) -> BlockId {
    let offset_bytes = index * BLOCK_BYTES;
    BlockId { piece: PieceIndex(piece), offset_bytes, length_bytes: BLOCK_BYTES }
}

#[test]
fn rarest_piece_that_the_peer_has_comes_first() {
    for (availability, peer_has, expected) in [
        ("****31245", "xxxxxxxxx", "5.0 6.0 4.0 7.0 8.0"),
        ("****31245", "....x.x.x", "6.0 4.0 8.0"),
        ("****3", "xxxx.", ""),
        ("****3--2", "xxxxxxxx", "7.0 4.0"),
        ("****-", "xxxxx", ""),
        ("*****", "xxxxx", ""),
    ] {
        let mut picker = picker(availability, 1);
        assert_eq!(picked(&mut picker, peer_has, None, 9), expected, "{availability} {peer_has}");
    }
}

/// Found in a crowd of ten: the HAVEs that all hear alike had undone the shuffle, so that all
/// asked the seeder for the same pieces, and it sent each of them two and a half times.
#[test]
fn two_that_hear_the_same_ask_for_different_pieces() {
    let picked = |seed| {
        let mut rng = Rng::from_seed(seed);
        let (none, all) = (Bitfield::empty(200), Bitfield::full(200));
        let sizes = PieceSizes::new(BLOCK_BYTES, 200 * 16_384);
        let mut picker = Picker::new(&none, &all, sizes, Order::Rarest, &mut rng);
        (0..200).for_each(|piece| picker.on_peer_has(PieceIndex(piece)));
        let mut out = Vec::new();
        picker.pick(&Bitfield::full(200), 50, &anybody(), &mut rng, &mut out);
        out
    };
    let (one, other) = (picked(1), picked(2));
    let same = one.iter().filter(|block| other.contains(block)).count();
    assert!((5..25).contains(&same), "{same} of 50, where chance gives 12");
}

/// Found there, too: a seeder was asked for the rest of pieces that everybody had.
#[test]
fn what_others_have_too_waits_for_what_only_this_peer_has() {
    let mut picker = picker("****31", 3);
    assert_eq!(picked(&mut picker, "xxxxx.", None, 1), "4.0");
    assert_eq!(picked(&mut picker, "xxxxxx", None, 4), "5.0 5.1 5.2 4.1");
}

#[test]
fn in_sequence_the_lowest_piece_that_the_peer_has_comes_first() {
    for (availability, peer_has, expected) in [
        ("31245", "xxxxx", "0.0 1.0 2.0 3.0 4.0"),
        ("31245", ".x.xx", "1.0 3.0 4.0"),
        ("3-2*5", "xxxxx", "0.0 2.0 4.0"),
    ] {
        let mut picker = picker_in(Order::Sequential, availability, 1);
        assert_eq!(picked(&mut picker, peer_has, None, 9), expected, "{availability} {peer_has}");
    }
}

#[test]
fn in_sequence_a_piece_that_failed_comes_before_later_ones() {
    let mut picker = picker_in(Order::Sequential, "1111", 1);
    assert_eq!(picked(&mut picker, "xxxx", None, 2), "0.0 1.0");
    picker.on_block(block(0, 0), ConnId(1), addr(1), true);
    picker.on_piece_failed(PieceIndex(0));
    picker.give_back(block(1, 0));
    assert_eq!(picked(&mut picker, "xxxx", None, 3), "0.0 1.0 2.0");
}

#[test]
fn in_sequence_what_is_begun_comes_before_what_is_rarer() {
    let mut picker = picker_in(Order::Sequential, "4311", 3);
    assert_eq!(picked(&mut picker, "xx..", None, 1), "0.0");
    assert_eq!(picked(&mut picker, ".x..", None, 1), "1.0");
    assert_eq!(picked(&mut picker, "xxxx", None, 6), "0.1 0.2 1.1 1.2 2.0 2.1");
}

#[test]
fn several_peers_share_the_work_in_sequence() {
    let mut picker = picker_in(Order::Sequential, "222", 2);
    assert_eq!(picked(&mut picker, "xxx", None, 1), "0.0");
    assert_eq!(picked(&mut picker, "xxx", None, 3), "0.1 1.0 1.1");
    assert_eq!(picked(&mut picker, "xxx", Some(0), 1), "2.0");
}

#[test]
fn what_nobody_wants_is_neither_asked_for_nor_taken() {
    let mut picker = picker("****-1", 1);
    let mut out = Vec::new();
    picker.pick_allowed(PieceIndex(4), 5, &anybody(), &mut out);
    assert_eq!(shown(&out), "");
    assert_eq!(picker.on_block(block(4, 0), ConnId(1), addr(1), false), Accepted::Duplicate);
    assert_eq!((picker.lacks(PieceIndex(4)), picker.lacks(PieceIndex(5))), (false, true));
    assert_eq!(picked(&mut picker, "xxxxxx", None, 5), "5.0");
    assert!(picker.is_endgame() && !picker.is_complete());
    picker.on_block(block(5, 0), ConnId(1), addr(1), true);
    picker.on_piece_done(PieceIndex(5));
    assert!(picker.is_complete());
}

#[test]
fn partial_pieces_come_before_new_ones_and_the_own_piece_before_all() {
    let mut picker = picker("****111", 3);
    let first = picked(&mut picker, "xxxxx..", None, 1);
    assert_eq!(first, "4.0");
    assert_eq!(picked(&mut picker, "xxxx.x.", None, 1), "5.0");
    assert_eq!(picked(&mut picker, "xxxxxxx", Some(5), 5), "5.1 5.2 4.1 4.2 6.0");
}

#[test]
fn the_first_pieces_of_a_download_are_random() {
    let firsts: BTreeSet<String> = (0..40)
        .map(|seed| {
            let mut picker = picker("1234567", 1);
            let mut out = Vec::new();
            let mut rng = Rng::from_seed(seed);
            picker.pick(&peer("xxxxxxx"), 1, &anybody(), &mut rng, &mut out);
            shown(&out)
        })
        .collect();
    assert!(firsts.len() > 3, "{firsts:?}");
}

#[test]
fn a_given_back_block_is_picked_again_and_an_untouched_piece_is_missing_again() {
    let mut picker = picker("****12", 2);
    assert_eq!(picked(&mut picker, "xxxxxx", None, 2), "4.0 4.1");
    picker.give_back(block(4, 0));
    assert_eq!(picked(&mut picker, "xxxxxx", None, 1), "4.0");
    picker.give_back(block(4, 0));
    picker.give_back(block(4, 1));
    picker.assert_invariants();
    assert!(picker.partials.is_empty());
}

#[test]
fn endgame_asks_others_for_what_is_under_way_but_not_the_same_peer() {
    let mut picker = picker("****1", 2);
    assert_eq!(picked(&mut picker, "xxxxx", None, 5), "4.0 4.1");
    assert!(picker.is_endgame());
    let mut out = Vec::new();
    picker.pick_again(&peer("xxxxx"), |id| id == block(4, 0), 5, &mut out);
    assert_eq!(shown(&out), "4.1");
    let accepted = picker.on_block(block(4, 1), ConnId(1), addr(1), true);
    assert_eq!(accepted, Accepted::Wanted { asked_others: true });
    assert_eq!(picker.on_block(block(4, 1), ConnId(2), addr(2), true), Accepted::Duplicate);
}

#[test]
fn a_failed_piece_names_its_senders_and_is_wanted_again() {
    let mut picker = picker("****1", 2);
    picked(&mut picker, "xxxxx", None, 5);
    picker.on_block(block(4, 0), ConnId(7), addr(7), true);
    picker.on_block(block(4, 1), ConnId(8), addr(8), true);
    assert!(picker.pick_is_empty());
    let provenance = picker.on_piece_failed(PieceIndex(4));
    assert_eq!(provenance.senders(), [addr(7), addr(8)]);
    assert_eq!(provenance.blocks().collect::<Vec<_>>(), [(0, addr(7)), (1, addr(8))]);
    assert_eq!(picked(&mut picker, "xxxxx", None, 5), "4.0 4.1");
}

#[test]
fn a_piece_lost_before_it_was_whole_is_wanted_again_and_nobody_is_to_blame() {
    let mut picker = picker("****1", 2);
    picked(&mut picker, "xxxxx", None, 5);
    picker.on_block(block(4, 0), ConnId(7), addr(7), true);
    picker.on_piece_lost(PieceIndex(4));
    picker.assert_invariants();
    // The other block was asked for and comes all the same.
    picker.on_block(block(4, 1), ConnId(8), addr(8), true);
    assert_eq!(picked(&mut picker, "xxxxx", None, 5), "4.0");
}

#[test]
fn the_last_block_is_as_long_as_the_torrent_says() {
    let total = u64::from(3 * BLOCK_BYTES) + 5;
    let (have, wanted) = (Bitfield::empty(2), Bitfield::full(2));
    let sizes = PieceSizes::new(2 * BLOCK_BYTES, total);
    let mut picker = Picker::new(&have, &wanted, sizes, Order::Rarest, &mut Rng::from_seed(0));
    let mut out = Vec::new();
    picker.pick(&Bitfield::full(2), 9, &anybody(), &mut Rng::from_seed(0), &mut out);
    let lengths: u64 = out.iter().map(|block| u64::from(block.length_bytes)).sum();
    assert_eq!((out.len(), lengths), (4, total));
}

impl Picker {
    fn pick_is_empty(&mut self) -> bool {
        let mut out = Vec::new();
        let all = Bitfield::full(u32::try_from(self.pieces.len()).unwrap());
        self.pick(&all, 1, &anybody(), &mut Rng::from_seed(0), &mut out);
        out.is_empty()
    }
}

proptest! {
    /// Random peers come, announce, deliver, fail and go: the invariants hold at each step, each
    /// pick is rarest by a naive count, what has an owner comes from it alone, and nobody who may
    /// be asked is left idle in the end.
    #[test]
    fn random_life_keeps_invariants_and_finishes(seed: u64, pieces in 1_u32..30, blocks in 1_u32..4) {
        let mut rng = Rng::from_seed(seed);
        let total = u64::from(pieces * blocks * BLOCK_BYTES) - u64::from(rng.below(BLOCK_BYTES));
        let mut wanted = Bitfield::full(pieces);
        for piece in (0..pieces).map(PieceIndex) {
            if rng.chance(1, 4) { wanted.clear(piece); }
        }
        let order = if rng.chance(1, 2) { Order::Rarest } else { Order::Sequential };
        let (have, sizes) =
            (Bitfield::empty(pieces), PieceSizes::new(blocks * BLOCK_BYTES, total));
        let mut picker = Picker::new(&have, &wanted, sizes, order, &mut rng);
        let mut peers: Vec<Played> = Vec::new();
        for turn in 0_u64..4_000 {
            if picker.is_complete() {
                break;
            }
            if peers.len() < 4 || rng.chance(1, 50) {
                let (has, suspect) = (Bitfield::empty(pieces), rng.chance(1, 3));
                peers.push(Played { conn: ConnId(turn), has, asked: Vec::new(), suspect });
            }
            let index = rng.below(u32::try_from(peers.len()).unwrap()) as usize;
            let asker = asker(&picker, &peers, index);
            let Played { has, asked, .. } = &mut peers[index];
            match rng.below(6) {
                0 | 1 => {
                    let piece = PieceIndex(rng.below(pieces));
                    if has.set(piece) {
                        picker.on_peer_has(piece);
                    }
                }
                2 => {
                    let from = asked.len();
                    let naive = naive_rarest(&picker, has);
                    picker.pick(has, 1 + rng.below(3) as usize, &asker, &mut rng, asked);
                    if let Some(first) = asked.get(from)
                        && let Some(naive) = naive.filter(|_| !asker.alone)
                    {
                        let available = |p: PieceIndex| picker.availability[p.0 as usize];
                        match order {
                            Order::Rarest => prop_assert_eq!(
                                available(first.piece), available(naive), "turn {}", turn
                            ),
                            Order::Sequential => prop_assert_eq!(first.piece, naive),
                        }
                        prop_assert!(asked.iter().all(|block| wanted.has(block.piece)));
                    }
                }
                3 if picker.is_endgame() && !asker.alone => {
                    let before = asked.clone();
                    picker.pick_again(has, |id| before.contains(&id), 2, asked);
                }
                3 | 4 => {
                    while let Some(block) = asked.pop() {
                        picker.on_block(block, asker.conn, addr(u8::try_from(asker.conn.0 % 256).unwrap()), true);
                        let at = block.piece;
                        if picker.verifying.contains_key(&at) {
                            if rng.chance(1, 8) {
                                picker.on_piece_failed(at);
                            } else {
                                picker.on_piece_done(at);
                            }
                        }
                    }
                }
                _ if rng.chance(1, 10) => {
                    let gone = peers.swap_remove(index);
                    gone.asked.into_iter().for_each(|block| picker.give_back(block));
                    gone.has.ones().for_each(|piece| picker.on_peer_lost(piece));
                    picker.release(gone.conn);
                }
                _ => {}
            }
            picker.assert_invariants();
        }
        // Whoever is left can go on: no piece waits for somebody who is gone or must not.
        peers.retain(|played| {
            played.asked.iter().for_each(|&block| picker.give_back(block));
            picker.release(played.conn);
            played.has.ones().for_each(|piece| picker.on_peer_lost(piece));
            false
        });
        for suspect in [true, false] {
            let conn = ConnId(u64::MAX - u64::from(suspect));
            let has = Bitfield::full(pieces);
            peers.push(Played { conn, has, asked: Vec::new(), suspect });
            (0..pieces).for_each(|piece| picker.on_peer_has(PieceIndex(piece)));
        }
        for index in [1, 0] {
            let asker = asker(&picker, &peers, index);
            let Played { has, asked, .. } = &mut peers[index];
            picker.pick(has, usize::MAX >> 1, &asker, &mut rng, asked);
            prop_assert!(index == 0 || picker.order.is_empty() && picker.is_endgame());
        }
        for block in core::mem::take(&mut peers[1].asked) {
            picker.on_block(block, peers[1].conn, addr(1), true);
            if picker.verifying.contains_key(&block.piece) {
                picker.on_piece_done(block.piece);
            }
        }
        prop_assert!(picker.is_complete());
    }
}

/// A peer of the random life.
struct Played {
    conn: ConnId,
    has: Bitfield,
    asked: Vec<BlockId>,
    suspect: bool,
}

/// How far the peer is trusted; what is delicate is left to others that have it.
fn asker(picker: &Picker, peers: &[Played], index: usize) -> Asker {
    let Played { conn, suspect, .. } = peers[index];
    let others = |piece: &PieceIndex| {
        peers.iter().any(|other| suspect && !other.suspect && other.has.has(*piece))
    };
    let barred = picker.delicate().filter(others).collect();
    Asker { alone: suspect, barred, ..Asker::trusted(conn, Instant::START) }
}

#[test]
fn a_piece_that_failed_is_asked_of_one_peer_alone() {
    let mut picker = picker("****2", 3);
    picked(&mut picker, "xxxxx", None, 3);
    for index in 0..3 {
        picker.on_block(block(4, index), ConnId(0), addr(0), true);
    }
    picker.on_piece_failed(PieceIndex(4));
    assert_eq!(picker.delicate().collect::<Vec<_>>(), [PieceIndex(4)]);
    assert_eq!(picked(&mut picker, "xxxxx", None, 1), "4.0");
    let other = Asker::trusted(ConnId(1), Instant::START);
    let pick = |picker: &mut Picker, asker: &Asker| {
        let mut out = Vec::new();
        picker.pick(&peer("xxxxx"), 9, asker, &mut Rng::from_seed(0), &mut out);
        shown(&out)
    };
    assert_eq!(pick(&mut picker, &other), "", "it has an owner");
    assert!(picker.is_endgame(), "for the others");
    let late = picker.on_block(block(4, 1), ConnId(1), addr(1), false);
    assert_eq!(late, Accepted::Duplicate, "late blocks of others would spoil the proof");
    picker.release(ConnId(0));
    assert_eq!(pick(&mut picker, &other), "", "its owner may still answer");
    picker.give_back(block(4, 0));
    assert_eq!(pick(&mut picker, &other), "4.0 4.1 4.2");
}

#[test]
fn a_suspect_shares_no_piece_and_leaves_delicate_ones_to_others() {
    let mut picker = picker("****111", 2);
    assert_eq!(picked(&mut picker, "xxxxx..", None, 1), "4.0");
    let mut suspect = Asker { alone: true, ..Asker::trusted(ConnId(1), Instant::START) };
    suspect.barred.insert(PieceIndex(5));
    let mut out = Vec::new();
    picker.pick(&peer("xxxxxxx"), 9, &suspect, &mut Rng::from_seed(0), &mut out);
    assert_eq!(shown(&out), "6.0 6.1");
    assert_eq!(picked(&mut picker, "xxxxxxx", None, 9), "4.1 5.0 5.1");
}

/// The rarest missing piece that the peer has, or in sequence the lowest, when no partial or random rule comes before.
fn naive_rarest(picker: &Picker, has: &Bitfield) -> Option<PieceIndex> {
    let started = picker.partials.len() + picker.verifying.len() + picker.have_count as usize;
    let open = picker.partials.iter().any(|(piece, partial)| partial.free > 0 && has.has(*piece));
    let missing = |piece: &PieceIndex| matches!(picker.pieces[piece.0 as usize], Piece::Missing(_));
    if open {
        return None;
    }
    if picker.sequence == Order::Sequential {
        return has.ones().find(missing);
    }
    if started < RANDOM_FIRST_PIECES as usize {
        return None;
    }
    has.ones().filter(missing).min_by_key(|piece| picker.availability[piece.0 as usize])
}
