//! A swarm that knows its torrent by name alone: `hears_info40` says that `info` has 40 bytes, `a:info?0`
//! asks for a piece of it, `metadata40` is what came of it.

use base::{InfoHash, InfoHashV2, InfoHashes};
use wire::metadata::{METADATA_ID, Message as Word, PIECE_BYTES};

use super::world::INFO_HASH;
use super::*;

/// The name of a torrent whose `info` is `bytes`, as the world's peers greet.
fn world(info: &[u8]) -> World {
    let mut w = World::seeking(InfoHashes::v1(InfoHash(keys::sha1(info))));
    // Peers greet by the name that all worlds have.
    w.swarm.shape.info_hashes = InfoHashes::v1(INFO_HASH);
    w
}

fn gives(w: &mut World, name: char, piece: u32, bytes: &[u8]) -> String {
    let payload = Word::Data { piece, total_bytes: None, bytes }.encode();
    let mut message = Vec::new();
    peer::encode(Message::Extended { id: METADATA_ID, payload: &payload }, &mut message);
    w.feed(name, &message)
}

fn shape(pieces: u32, info: &[u8]) -> Shape {
    Shape {
        info_hashes: InfoHashes::v1(INFO_HASH),
        sizes: PieceSizes::new(
            PIECE_BLOCKS * BLOCK_BYTES,
            u64::from(pieces * PIECE_BLOCKS * BLOCK_BYTES),
        ),
        trees: None,
        info: Some(info.into()),
    }
}

#[test]
fn the_first_block_is_asked_for_in_the_moment_in_which_the_torrent_is_ready() {
    let info = vec![7; 40];
    let mut w = world(&info);
    assert_eq!(w.meet('a', "fxd"), "a:handshake a:have_none a:hello");
    assert_eq!(w.says('a', "bits*. have1 allow1 unchoke"), "");
    assert_eq!(w.says('a', "hears_info40"), "a:info?0");
    assert_eq!(gives(&mut w, 'a', 0, &info), "metadata40");
    assert_eq!(w.metadata.take().unwrap().info, info);
    w.swarm.on_shape(shape(2, &info));
    assert_eq!(w.hear(), "a:hello");
    let heard = w.ready("..");
    assert!(heard.starts_with("a:interested a:req"), "{heard}");
    assert_eq!(heard.matches("a:req").count(), 8, "{heard}");
}

#[test]
fn what_we_have_already_is_told_piece_by_piece() {
    let info = vec![7; 40];
    let mut w = world(&info);
    w.with('a', "fx", "hears_info40").with('b', "", "have0");
    gives(&mut w, 'a', 0, &info);
    w.swarm.on_shape(shape(3, &info));
    w.hear();
    assert_eq!(w.ready("*.*"), "b:have0 b:have2 a:have0 a:have2");
}

#[test]
fn who_said_what_no_torrent_of_that_size_has_is_closed() {
    let info = vec![7; 40];
    let mut w = world(&info);
    w.with('a', "fx", "hears_info40").with('b', "", "have5").with('c', "", "bits**.........");
    gives(&mut w, 'a', 0, &info);
    w.swarm.on_shape(shape(3, &info));
    assert_eq!(w.hear(), "b:close(OutOfRange) c:close(OutOfRange) a:hello");
}

#[test]
fn a_liar_is_left_and_the_next_one_asked() {
    let info = vec![7; PIECE_BYTES + 1];
    let mut w = world(&info);
    assert_eq!(w.with('a', "fx", "").says('a', "hears_info16385"), "a:info?0 a:info?1");
    assert_eq!(gives(&mut w, 'a', 1, &[9]), "");
    assert_eq!(gives(&mut w, 'a', 0, &info[..PIECE_BYTES]), "a:close(WrongHashes)");
    assert_eq!(w.with('b', "fx", "").says('b', "hears_info16385"), "b:info?0 b:info?1");
    assert_eq!(gives(&mut w, 'b', 0, &info[..PIECE_BYTES]), "");
    assert_eq!(gives(&mut w, 'b', 1, &[7]), "metadata16385");
}

#[test]
fn who_is_silent_or_has_nothing_is_not_waited_for() {
    let info = vec![7; 40];
    let mut w = world(&info);
    for name in ['a', 'b', 'c'] {
        assert_eq!(w.with(name, "fx", "").says(name, "hears_info40"), format!("{name}:info?0"));
    }
    assert_eq!(w.with('d', "fx", "").says('d', "hears_info40"), "", "three are enough");
    assert_eq!(w.says('c', "noinfo0"), "d:info?0");
    assert_eq!(w.with('e', "fx", "").says('e', "hears_info40"), "");
    assert_eq!(w.wait(10), "e:info?0");
}

#[test]
fn info_is_given_to_who_asks_and_at_a_price() {
    let info = vec![7; PIECE_BYTES + 5];
    let mut w = World::of(shape(1, &info));
    w.ready("*");
    w.meet('a', "fx");
    assert_eq!(w.says('a', "info?0"), "", "it has not said how to answer");
    assert_eq!(w.says('a', "hears_info0 info?0 info?1"), "a:info0=16384 a:info1=5");
    assert_eq!(w.says('a', "info?2"), "a:noinfo2");
    let heard = w.says('a', &"info?0 ".repeat(100));
    let count = |word: &str| heard.matches(word).count();
    assert_eq!((count("a:info0="), count("a:noinfo0")), (16, 84), "no more than fits its queue");
    assert_eq!(w.says('a', &"info?1 ".repeat(500)), "a:close(Flood)");
    let mut w = world(&info);
    assert_eq!(w.with('a', "fx", "hears_info0").says('a', "info?0"), "a:noinfo0");
}

/// `info` of one file of three pieces of 16 KiB, and its piece layer.
fn info_v2(hybrid: bool) -> (Vec<u8>, keys::merkle::FileTree) {
    let layer = vec![[1; 32], [2; 32], [3; 32]];
    let tree = keys::merkle::FileTree::new(3 << 14, 1 << 14, layer).unwrap();
    let mut info = b"d9:file treed1:fd0:d6:lengthi49152e11:pieces root32:".to_vec();
    info.extend(tree.root());
    info.extend(b"eee");
    info.extend(if hybrid { &b"6:lengthi49152e"[..] } else { b"" });
    info.extend(b"12:meta versioni2e4:name1:f12:piece lengthi16384e");
    info.extend(if hybrid { [&b"6:pieces60:"[..], &[5; 60]].concat() } else { Vec::new() });
    info.extend(b"e");
    (info, tree)
}

fn gives_layer(w: &mut World, name: char, hashes: &[Digest32]) -> String {
    let (_, tree) = info_v2(false);
    let request = peer::HashRequest {
        pieces_root: tree.root(),
        base_layer: 0,
        index: 0,
        length: 4,
        proof_layers: 0,
    };
    let mut message = Vec::new();
    peer::encode(Message::Hashes { request, hashes }, &mut message);
    w.feed(name, &message)
}

#[test]
fn layers_of_version_2_come_from_who_speaks_it_and_are_proven() {
    let (info, tree) = info_v2(false);
    let mut w = World::seeking(InfoHashes::v2(InfoHashV2(keys::sha256(&info))));
    w.with('a', "fx2", "");
    assert_eq!(w.says('a', &format!("hears_info{}", info.len())), "a:info?0");
    assert_eq!(gives(&mut w, 'a', 0, &info), "a:hash?0.0+4");
    let right = tree.prove(
        &keys::merkle::ProofRequest { base_layer: 0, index: 0, length: 4, proof_layers: 0 },
        &[],
    );
    let right = right.unwrap();
    let wrong = [[9; 32]; 4];
    w.with('b', "fx2", "");
    assert_eq!(gives_layer(&mut w, 'a', &wrong), "a:close(WrongHashes)");
    assert_eq!(w.wait(1), "b:hash?0.0+4");
    assert_eq!(gives_layer(&mut w, 'b', &right), format!("metadata{}", info.len()));
    let metadata = w.metadata.take().unwrap();
    assert_eq!(metadata.layers[&tree.root()], [[1; 32], [2; 32], [3; 32]].as_flattened());
}

#[test]
fn a_hybrid_does_without_layers_if_nobody_gives_them() {
    let (info, _) = info_v2(true);
    let names = InfoHashes::hybrid(InfoHash(keys::sha1(&info)), InfoHashV2(keys::sha256(&info)));
    let mut w = World::seeking(names);
    w.swarm.shape.info_hashes = InfoHashes::hybrid(INFO_HASH, InfoHashV2([2; 32]));
    w.with('a', "fx", "");
    assert_eq!(w.says('a', &format!("hears_info{}", info.len())), "a:info?0");
    assert_eq!(gives(&mut w, 'a', 0, &info), "", "it speaks version 1 alone");
    assert_eq!(w.wait(10), format!("metadata{}", info.len()));
    assert!(w.metadata.take().unwrap().layers.is_empty());
}
