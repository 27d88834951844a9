//! Pieces with leaves (BEP 52): what failed is known at once, peers get leaves, and a torrent whose two
//! versions contradict each other ends.

use std::sync::Arc;

use keys::merkle::{self, FileTree, Forest};

use super::*;

/// A hybrid of one piece of two blocks, which is right by its leaves. `v1` is its other digest.
fn hybrid(v1: impl FnOnce(&[u8]) -> [u8; 20]) -> Rig {
    let data: Vec<u8> = (0..2 * BLOCK_BYTES).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let leaves: Vec<_> = data.chunks(BLOCK_BYTES as usize).map(sha256).collect();
    let length_bytes = data.len() as u64;
    let tree = FileTree::new(length_bytes, 2 * BLOCK_BYTES, vec![merkle::root(&leaves, 0, 1)]);
    let file = FileEntry { path: "f".into(), length_bytes, ..FileEntry::default() };
    let trees = Some(Arc::new(Forest::new(tree)));
    let spec = Spec {
        torrent: TorrentId(0),
        info_hash: InfoHash([1; 20]),
        root: "/r".into(),
        layout: Layout::new(vec![file], 2 * BLOCK_BYTES),
        digests: Digests::new(Some([v1(&data)].into()), trees),
        writable: true,
        recheck: false,
    };
    let mut rig = Rig { store: Store::new(spec, Config::default()), pool: BufPool::new(8), data };
    rig.open(Vec::new(), None);
    assert!(matches!(rig.store.poll_output(), Some(Output::Ready(_))));
    assert!(matches!(rig.store.poll_output(), Some(Output::Job(_))), "a first record");
    rig
}

impl Rig {
    /// Both blocks come and are written.
    fn piece(&mut self) -> Output {
        for index in 0..2 {
            let mut buf = self.pool.take();
            let at = (index * BLOCK_BYTES) as usize;
            buf.copy_from_slice(&self.data[at..at + BLOCK_BYTES as usize]);
            let block = BlockId {
                piece: PieceIndex(0),
                offset_bytes: index * BLOCK_BYTES,
                length_bytes: BLOCK_BYTES,
            };
            self.store.on_block(block, buf, NOW, &mut self.pool);
        }
        self.write();
        self.store.poll_output().expect("a verdict")
    }
}

#[test]
fn the_leaves_of_a_failed_piece_are_known_without_reading_it_again() {
    let mut rig = hybrid(sha1);
    rig.data[0] ^= 1;
    let wrong: Vec<_> =
        rig.data.chunks(BLOCK_BYTES as usize).map(|leaf| Some(sha256(leaf))).collect();
    assert!(matches!(rig.piece(), Output::PieceFailed(_, leaves) if leaves == wrong));
    assert!(rig.store.poll_output().is_none());
    rig.data[0] ^= 1;
    let right: Vec<_> =
        rig.data.chunks(BLOCK_BYTES as usize).map(|leaf| Some(sha256(leaf))).collect();
    assert!(matches!(rig.piece(), Output::PieceDone(_)));
    let examined = rig.store.poll_output();
    assert!(matches!(examined, Some(Output::PieceExamined(_, leaves)) if leaves == right));
}

#[test]
fn a_torrent_that_contradicts_itself_ends_and_no_peer_is_to_blame() {
    let mut rig = hybrid(|_| [7; 20]);
    let Output::Failed(error) = rig.piece() else { panic!("it fails") };
    assert_eq!(error.kind, DiskErrorKind::Contradiction);
    let said = error.to_string();
    assert!(said.starts_with("cannot use /r/f: the torrent contradicts itself: piece 0"), "{said}");
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn leaves_are_hashed_again_for_peers_and_told_only_if_they_are_right() {
    let mut rig = hybrid(sha1);
    let told = |rig: &mut Rig| match rig.store.poll_output() {
        Some(Output::Leaves { key, leaves }) => (key, leaves.len()),
        other => panic!("leaves, not {other:?}"),
    };
    rig.store.hash_leaves(1, PieceIndex(0));
    assert_eq!(told(&mut rig), (1, 0), "it is not there");
    assert!(matches!(rig.piece(), Output::PieceDone(_)));
    rig.store.hash_leaves(2, PieceIndex(0));
    rig.hash_back();
    assert_eq!(told(&mut rig), (2, 2));
    rig.store.hash_leaves(3, PieceIndex(0));
    rig.data[5] ^= 1;
    rig.hash_back();
    // Somebody changed the file: all of it is compared.
    let compared = rig.job();
    assert_eq!(told(&mut rig), (3, 0));
    let JobKind::Hash { mut hash, .. } = compared.kind else { panic!("a comparison") };
    hash.update(&rig.data);
    rig.answer(compared.id, DoneKind::Hashed { result: Ok(hash) });
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceGone(PieceIndex(0)))));
}
