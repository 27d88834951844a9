//! A hybrid: two names, and hashes of its trees. `hash?0.4+4` asks for four leaves from the fifth on,
//! `hashes…=4` gives as many, `nohash…` refuses.

use base::InfoHashV2;
use keys::merkle::{self, FileTree};
use keys::{Digest32, sha256};
use wire::peer::HashRequest;

use super::world::{INFO_HASH, PIECE_BLOCKS};
use super::*;

const PIECE_BYTES: u32 = PIECE_BLOCKS * BLOCK_BYTES;

/// The right leaves of every piece: block after block of one digit, `0` the first of the piece.
fn leaves() -> Vec<Digest32> {
    b"0123".iter().map(|&digit| sha256(&[digit; BLOCK_BYTES as usize])).collect()
}

/// One file of so many pieces.
fn tree(pieces: u32) -> FileTree {
    let layer = vec![merkle::root(&leaves(), 0, 2); pieces as usize];
    FileTree::new(u64::from(pieces * PIECE_BYTES), PIECE_BYTES, layer).unwrap()
}

fn hybrid(have: &str) -> World {
    let pieces = u32::try_from(have.len()).unwrap();
    let mut world = World::of(Shape {
        info_hashes: InfoHashes::hybrid(INFO_HASH, InfoHashV2([2; 32])),
        sizes: PieceSizes::new(PIECE_BYTES, u64::from(pieces * PIECE_BYTES)),
        trees: Some(Arc::new(Forest::new([tree(pieces)]))),
        info: None,
    });
    assert_eq!(world.ready(have), "");
    world
}

fn request(base_layer: u32, index: u32, length: u32, proof_layers: u32) -> HashRequest {
    HashRequest { pieces_root: tree(4).root(), base_layer, index, length, proof_layers }
}

impl World {
    fn message(&mut self, name: char, message: Message<'_>) -> String {
        let mut bytes = Vec::new();
        peer::encode(message, &mut bytes);
        self.feed(name, &bytes)
    }

    /// Blocks that came and whose leaves are wrong where a capital stands.
    fn failed_leaves(&mut self, piece: u32, blocks: &str) -> String {
        let digest =
            |(leaf, symbol): (Digest32, char)| Some(if symbol == 'X' { [9; 32] } else { leaf });
        let digests: Vec<_> = leaves().into_iter().zip(blocks.chars()).map(digest).collect();
        self.swarm.on_piece_failed(PieceIndex(piece), &digests, self.now);
        self.hear()
    }

    /// Pieces 0 of which `a` sent the first two blocks and `b` the others; `c` has it, too.
    fn two_senders(kinds: [&str; 3]) -> Self {
        let mut w = hybrid("....");
        w.with('a', kinds[0], "bits*... unchoke").with('b', kinds[1], "bits*...");
        w.with('c', kinds[2], "bits*...");
        w.says('a', "piece0.0 piece0.1 choke");
        w.says('b', "unchoke");
        w.says('b', "piece0.2 piece0.3");
        w
    }
}

#[test]
fn who_may_speak_version_2_does() {
    for (kind, heard) in [
        ("", "a:handshake+v2"),
        ("u", "a:handshake_v2"),
        ("2", "a:handshake_v2"),
        ("!", "a:close(WrongTorrent)"),
        ("d", "a:handshake+v2"),
        ("d2", "a:handshake+v2"),
        ("ds2", "a:handshake_v2"),
        ("ds", "a:handshake_v2 a:close(WrongTorrent)"),
        ("d!", "a:handshake+v2 a:close(WrongTorrent)"),
    ] {
        let mut w = hybrid("....");
        let said = w.meet('a', kind);
        let said = said.replace("a:handshake+v2 a:handshake+v2", "a:handshake+v2");
        assert_eq!(said, heard, "{kind}");
        if let Some(session) = w.swarm.sessions.get(&ConnId(u64::from(b'a'))) {
            assert_eq!(session.v2, kind.contains(['u', '2']), "{kind}");
        }
    }
}

#[test]
fn a_torrent_of_version_2_alone_has_one_name() {
    for (kind, heard) in
        [("2", "a:handshake_v2"), ("d2", "a:handshake_v2"), ("", "a:close(WrongTorrent)")]
    {
        let mut w = World::of(Shape {
            info_hashes: InfoHashes::v2(InfoHashV2([2; 32])),
            sizes: PieceSizes::new(PIECE_BYTES, u64::from(4 * PIECE_BYTES)),
            trees: Some(Arc::new(Forest::new([tree(4)]))),
            info: None,
        });
        assert_eq!(w.ready("...."), "");
        assert!(w.meet('a', kind).ends_with(heard), "{kind}");
    }
}

#[test]
fn hashes_above_the_pieces_come_from_memory_and_below_from_the_disk() {
    let mut w = hybrid("*...");
    w.with('a', "2", "");
    let layer = w.message('a', Message::HashRequest(request(2, 0, 4, 0)));
    assert_eq!(layer, "a:hashes2.0+4=4");
    assert_eq!(w.message('a', Message::HashRequest(request(2, 2, 2, 1))), "a:hashes2.2+2=3");
    assert_eq!(w.message('a', Message::HashRequest(request(0, 0, 4, 3))), "leaves0");
    w.swarm.on_leaves(w.reads.pop_front().unwrap(), &leaves());
    assert_eq!(w.hear(), "a:hashes0.0+4=6");
    assert_eq!(w.message('a', Message::HashRequest(request(0, 0, 4, 3))), "leaves0");
    w.swarm.on_leaves(w.reads.pop_front().unwrap(), &[]);
    assert_eq!(w.hear(), "a:nohash0.0+4", "unreadable");
}

#[test]
fn hash_requests_that_have_no_answer_are_rejected() {
    let unknown = HashRequest { pieces_root: [1; 32], ..request(2, 0, 4, 0) };
    for (bad, why) in [
        (unknown, "an unknown file"),
        (request(2, 0, 3, 0), "no power of two"),
        (request(2, 1, 2, 0), "not aligned"),
        (request(2, 4, 4, 0), "beyond the end"),
        (request(9, 0, 2, 0), "no such layer"),
        (request(2, 0, 4, 7), "above the root"),
        (request(0, 0, 8, 0), "leaves of two pieces"),
        (request(0, 4, 4, 0), "a piece that we lack"),
        (request(u32::MAX, u32::MAX, u32::MAX, u32::MAX), "nonsense"),
    ] {
        let mut w = hybrid("*...");
        w.with('a', "2", "");
        let heard = w.message('a', Message::HashRequest(bad));
        assert!(heard.starts_with("a:nohash"), "{why}: {heard}");
    }
    let mut v1 = World::new("*...");
    v1.with('a', "", "");
    assert!(v1.message('a', Message::HashRequest(request(2, 0, 4, 0))).starts_with("a:nohash"));
}

#[test]
fn hash_requests_are_paid_for() {
    let mut w = hybrid("*...");
    w.with('a', "2", "");
    let mut hashed = 0;
    for _ in 0..20_000 {
        let heard = w.message('a', Message::HashRequest(request(0, 0, 4, 0)));
        if let Some(key) = w.reads.pop_front() {
            w.swarm.on_leaves(key, &leaves());
            w.hear();
            hashed += 1;
        } else if heard.contains("close") {
            break;
        }
    }
    assert!((1000..4000).contains(&hashed), "{hashed} pieces were hashed for one peer");
}

#[test]
fn the_sender_of_one_bad_block_is_banned_alone_as_soon_as_anybody_tells_the_leaves() {
    let mut w = World::two_senders(["2", "2", "2"]);
    let heard = w.failed_leaves(0, "..X.");
    let asked = heard.split(' ').find(|word| word.contains("hash?")).unwrap().to_owned();
    let teller = asked.chars().next().unwrap();
    assert!(asked.ends_with("hash?0.0+4"), "{heard}");
    let told = Message::Hashes {
        request: HashRequest { proof_layers: 0, ..request(0, 0, 4, 0) },
        hashes: &leaves(),
    };
    let heard = w.message(teller, told);
    assert!(heard.contains("b:close(Corrupt) ban:b"), "{heard}");
    assert!(!heard.contains("ban:a") && !heard.contains("ban:c"), "{heard}");
}

#[test]
fn wrong_hashes_and_refusals_are_asked_of_another() {
    let mut w = World::two_senders(["2", "2", "2"]);
    let heard = w.failed_leaves(0, "X...");
    let first =
        heard.split(' ').find(|word| word.contains("hash?")).unwrap().chars().next().unwrap();
    let lies = Message::Hashes { request: request(0, 0, 4, 0), hashes: &[[5; 32]; 4] };
    let heard = w.message(first, lies);
    assert!(heard.contains(&format!("{first}:close(WrongHashes)")), "{heard}");
    let second =
        heard.split(' ').find(|word| word.contains("hash?")).unwrap().chars().next().unwrap();
    assert_ne!(first, second);
    let heard = w.message(second, Message::HashReject(request(0, 0, 4, 0)));
    assert!(heard.contains("hash?0.0+4") && !heard.contains(&format!("{second}:hash?")), "{heard}");
    assert!(w.wait(11).contains("hash?"), "silence is asked of another, too");
    // What nobody asked for is nobody's fault and of no use.
    let unasked = Message::Hashes { request: request(0, 4, 4, 0), hashes: &leaves() };
    assert_eq!(w.message(second, unasked), "");
}

#[test]
fn peers_of_version_1_are_asked_for_no_hashes() {
    let mut w = World::two_senders(["", "", ""]);
    assert!(!w.failed_leaves(0, "X...").contains("hash?"));
}

#[test]
fn of_two_files_with_one_content_the_one_that_is_there_tells_its_leaves() {
    let mut w = World::of(Shape {
        info_hashes: InfoHashes::hybrid(INFO_HASH, InfoHashV2([2; 32])),
        sizes: PieceSizes::new(PIECE_BYTES, u64::from(2 * PIECE_BYTES)),
        trees: Some(Arc::new(Forest::new([tree(1), tree(1)]))),
        info: None,
    });
    assert_eq!(w.ready(".*"), "");
    w.with('a', "2", "");
    let request = HashRequest { pieces_root: tree(1).root(), ..request(0, 0, 4, 0) };
    assert_eq!(w.message('a', Message::HashRequest(request)), "leaves1");
}
