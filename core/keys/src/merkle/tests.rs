use ::sha2::Digest as _;
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

/// A node by its definition, over all leaves including those beyond the end.
fn node_of(leaves: &[Digest32]) -> Digest32 {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len() / 2);
    ::sha2::Sha256::digest([node_of(left), node_of(right)].concat()).into()
}

/// A file's leaves up to the next power of two, made up; `count` of them are of content.
fn padded_leaves(count: usize) -> Vec<Digest32> {
    let content = (0..count).map(|i| sha256_of(&i.to_le_bytes()));
    let mut leaves: Vec<Digest32> = content.collect();
    leaves.resize(count.next_power_of_two(), [0; 32]);
    leaves
}

fn sha256_of(bytes: &[u8]) -> Digest32 {
    ::sha2::Sha256::digest(bytes).into()
}

/// What the definition says of `index` at `level`.
fn model(leaves: &[Digest32], level: u32, index: usize) -> Digest32 {
    node_of(&leaves[index << level..(index + 1) << level])
}

/// The tree of a file of `count` leaves in pieces of `per_piece`, and its padded leaves.
fn tree_of(count: usize, per_piece: usize) -> (FileTree, Vec<Digest32>) {
    let leaves = padded_leaves(count);
    let level = height(per_piece as u64).min(height(count as u64));
    let pieces = count.div_ceil(per_piece);
    let layer = (0..pieces).map(|piece| model(&leaves, level, piece)).collect();
    // The last leaf is one byte short.
    let length_bytes = count as u64 * u64::from(LEAF_BYTES) - 1;
    let piece_bytes = u32::try_from(per_piece).unwrap() * LEAF_BYTES;
    (FileTree::new(length_bytes, piece_bytes, layer).unwrap(), leaves)
}

/// The leaves of a piece, those of content alone.
fn of_piece(leaves: &[Digest32], count: usize, per_piece: usize, piece: u32) -> &[Digest32] {
    let first = piece as usize * per_piece;
    &leaves[first..count.min(first + per_piece)]
}

/// Number of leaves of a file and of its pieces.
fn shapes() -> impl Strategy<Value = (usize, usize)> {
    (1_usize..150, prop::sample::select(vec![1, 2, 4, 8, 64]))
}

/// A shape, and a request in range of its tree.
fn requests() -> impl Strategy<Value = (usize, usize, ProofRequest)> {
    let shape = (2_usize..150, prop::sample::select(vec![1_usize, 2, 4, 8, 64]));
    shape
        .prop_flat_map(|(count, per_piece)| (Just((count, per_piece)), 0..height(count as u64)))
        .prop_flat_map(|((count, per_piece), base)| {
            let layers = height(count as u64) - base;
            (Just((count, per_piece, base, layers)), 1..=layers, 0..layers)
        })
        .prop_flat_map(|((count, per_piece, base, layers), log_length, proof_layers)| {
            let subtrees = 1_u32 << (layers - log_length);
            (Just((count, per_piece, base, log_length, proof_layers)), 0..subtrees)
        })
        .prop_map(|((count, per_piece, base_layer, log_length, proof_layers), subtree)| {
            let length = 1 << log_length;
            let index = subtree * length;
            (count, per_piece, ProofRequest { base_layer, index, length, proof_layers })
        })
}

/// The answer to a request, unless it is one that nobody answers.
fn answer(
    count: usize,
    per_piece: usize,
    request: &ProofRequest,
) -> Option<(FileTree, Vec<Digest32>)> {
    let (tree, leaves) = tree_of(count, per_piece);
    let needed = match tree.leaves_needed(request) {
        Ok(needed) => needed,
        Err(ProofError::SeveralPieces(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    let of_piece = needed.map_or(&[][..], |piece| of_piece(&leaves, count, per_piece, piece));
    let hashes = tree.prove(request, of_piece).unwrap();
    Some((tree, hashes))
}

#[test]
fn a_tree_without_leaves_stands_for_zeros() {
    for level in 0..5 {
        assert_eq!(beyond_end(level), node_of(&vec![[0; 32]; 1 << level]));
        assert_eq!(root(&[], 0, level), beyond_end(level));
    }
}

#[test]
fn a_layer_of_the_wrong_length_makes_no_tree() {
    assert_eq!(FileTree::new(0, LEAF_BYTES, Vec::new()), None);
    assert_eq!(FileTree::new(u64::from(LEAF_BYTES) + 1, LEAF_BYTES, vec![[1; 32]]), None);
}

#[test]
fn a_request_out_of_range_is_named_for_what_is_wrong() {
    let (tree, _) = tree_of(13, 4);
    let request = |base_layer, index, length, proof_layers| {
        let request = ProofRequest { base_layer, index, length, proof_layers };
        tree.prove(&request, &[]).unwrap_err()
    };
    for length in [0, 1, 3, 2 * PROOF_NODES_MAX, u32::MAX] {
        assert_eq!(request(0, 0, length, 0), ProofError::Length(length));
    }
    assert_eq!(request(0, 2, 4, 0), ProofError::Unaligned { index: 2, length: 4 });
    assert_eq!(request(4, 0, 2, 0), ProofError::Beyond { base_layer: 4, end: 2, height: 4 });
    assert_eq!(request(99, 0, 2, 0), ProofError::Beyond { base_layer: 99, end: 2, height: 4 });
    assert_eq!(request(2, 4, 2, 0), ProofError::Beyond { base_layer: 2, end: 6, height: 4 });
    let last = ProofError::Beyond { base_layer: 0, end: 1 << 32, height: 4 };
    assert_eq!(request(0, u32::MAX - 1, 2, 0), last);
    for proof_layers in [2, u32::MAX] {
        let expected = ProofError::AboveRoot { base_layer: 2, proof_layers, height: 4 };
        assert_eq!(request(2, 0, 2, proof_layers), expected);
    }
    assert_eq!(request(0, 0, 8, 0), ProofError::SeveralPieces(8));
    assert_eq!(request(0, 4, 2, 0), ProofError::Leaves(1));
}

#[test]
fn leaves_of_another_piece_are_not_told() {
    let (tree, leaves) = tree_of(13, 4);
    let request = ProofRequest { base_layer: 0, index: 4, length: 4, proof_layers: 3 };
    assert!(tree.prove(&request, &leaves[4..8]).is_ok());
    for wrong in [&leaves[..4], &leaves[4..7], &leaves[4..9]] {
        assert_eq!(tree.prove(&request, wrong), Err(ProofError::Leaves(1)));
    }
}

proptest! {
    #[test]
    fn every_node_is_that_of_the_definition((count, per_piece) in shapes()) {
        let (tree, leaves) = tree_of(count, per_piece);
        let top = height(count as u64);
        prop_assert_eq!(tree.height(), top);
        prop_assert_eq!(tree.root(), node_of(&leaves));
        prop_assert_eq!(root(&leaves[..count], 0, top), node_of(&leaves));
        for level in tree.piece_level()..=top {
            let width = leaves.len() >> level;
            for index in 0..width {
                prop_assert_eq!(tree.node(level, index as u64), Some(model(&leaves, level, index)));
            }
            prop_assert_eq!(tree.node(level, width as u64), None);
        }
        prop_assert_eq!(tree.node(top + 1, 0), None);
        for piece in 0..tree.pieces() {
            let own = of_piece(&leaves, count, per_piece, piece);
            prop_assert!(tree.matches(piece, own));
            prop_assert!(!tree.matches(piece, &own[1..]));
            prop_assert!(!tree.matches(piece + 1, own));
        }
    }

    #[test]
    fn an_answer_holds_the_nodes_and_the_uncles_of_the_definition(
        (count, per_piece, request) in requests(),
    ) {
        let Some((_, hashes)) = answer(count, per_piece, &request) else { return Ok(()) };
        let leaves = padded_leaves(count);
        let mut expected = Vec::new();
        for index in request.index..request.index + request.length {
            expected.push(model(&leaves, request.base_layer, index as usize));
        }
        // As peers do it: walk up from the first node; siblings once the nodes do not tell them.
        let mut at = request.index as usize;
        for layer in 1..=request.proof_layers {
            at /= 2;
            if layer >= request.length.ilog2() {
                expected.push(model(&leaves, request.base_layer + layer, at ^ 1));
            }
        }
        prop_assert_eq!(hashes, expected);
    }

    #[test]
    fn what_is_served_is_accepted_and_nothing_else(
        (count, per_piece, request) in requests(),
        flip in 0_usize..1_000_000,
    ) {
        let Some((tree, mut hashes)) = answer(count, per_piece, &request) else { return Ok(()) };
        let (level, index) = request.ancestor();
        let leaves = padded_leaves(count);
        let ancestor = model(&leaves, level, usize::try_from(index).unwrap());
        prop_assert!(level <= tree.height());
        prop_assert!(request.is_proven_by(&hashes, &ancestor));
        if request.proof_layers == tree.height() - request.base_layer - 1 {
            prop_assert_eq!(ancestor, tree.root());
        }
        let other = ProofRequest { index: request.index ^ request.length, ..request };
        let (nodes, uncles) = hashes.split_at(request.length as usize);
        let subtree = root(nodes, 0, request.length.ilog2());
        // Both may be of nothing but zeros.
        if uncles.first().is_some_and(|uncle| *uncle != subtree) {
            prop_assert!(!other.is_proven_by(&hashes, &ancestor));
        }
        prop_assert!(!request.is_proven_by(&hashes[1..], &ancestor));
        let bit = flip % (hashes.len() * 256);
        hashes[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(!request.is_proven_by(&hashes, &ancestor));
    }

    #[test]
    fn no_request_panics(base_layer: u32, index: u32, length: u32, proof_layers: u32, sane: bool) {
        let length = if sane { 1 << (length % 14) } else { length };
        let request = ProofRequest { base_layer: base_layer % 70, index, length, proof_layers };
        let (tree, leaves) = tree_of(13, 4);
        tree.prove(&request, &leaves[..4]).ok();
        request.is_proven_by(&leaves, &tree.root());
        ProofRequest { base_layer, ..request }.is_proven_by(&leaves, &tree.root());
    }
}
