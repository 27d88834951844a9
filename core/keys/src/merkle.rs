//! The hash trees of BEP 52: leaves of 16 KiB, one tree a file.
//!
//! Source: BEP 52 ("pieces root", "piece layers", "hash request"). Level 0 are the leaves, SHA-256 of
//! 16 KiB each (the last of a file may be shorter); a node above is SHA-256 of its two children. A tree is as wide
//! as the next power of two; leaves beyond the end of the file are 32 zero bytes.
//!
//! A [`FileTree`] holds what a torrent file tells: the *piece layer*, whose nodes stand for one
//! piece each, and all above it. A file of at most one piece has only its root.

mod proof;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use self::proof::{PROOF_NODES_MAX, ProofError, ProofRequest};
use crate::engine::Engine;
use crate::lanes::Pass;
use crate::stream::{self, Stream};
use crate::{Digest32, Sha256};

/// Bytes of a leaf.
pub const LEAF_BYTES: u32 = 16 * 1024;

/// How many leaves `length_bytes` have.
pub fn leaf_count(length_bytes: u64) -> u64 {
    length_bytes.div_ceil(u64::from(LEAF_BYTES))
}

/// The level of the root above `nodes` nodes of level 0; 0 for none or one.
pub fn height(nodes: u64) -> u32 {
    nodes.next_power_of_two().trailing_zeros()
}

/// The node above two.
pub fn parent(left: &Digest32, right: &Digest32) -> Digest32 {
    let mut hash = Sha256::new();
    hash.update(left);
    hash.update(right);
    hash.finish()
}

/// The node of `level` that stands for nothing but leaves beyond the end of the file.
pub fn beyond_end(level: u32) -> Digest32 {
    BEYOND_END[level as usize]
}

/// By level. A file of 2^64 bytes has fewer.
static BEYOND_END: LazyLock<[Digest32; 64]> = LazyLock::new(|| {
    let mut nodes = [[0; 32]; 64];
    for level in 1..nodes.len() {
        nodes[level] = parent(&nodes[level - 1], &nodes[level - 1]);
    }
    nodes
});

/// The node of level `to` above all of `nodes`, which begin at the left edge of its subtree and are of level `from`.
///
/// Panics if they are too many for it.
pub fn root(nodes: &[Digest32], from: u32, to: u32) -> Digest32 {
    assert!(nodes.len() as u64 <= 1 << (to - from), "too many nodes for a tree of this height");
    let mut layer = nodes.to_vec();
    for level in from..to {
        layer = layer_above(&layer, level);
    }
    layer.first().copied().unwrap_or_else(|| beyond_end(to))
}

/// The nodes above all of `layer`, which begin at the left edge and are of level `level`.
fn layer_above(layer: &[Digest32], level: u32) -> Vec<Digest32> {
    let (pairs, last) = layer.as_chunks::<2>();
    let mut above = Vec::with_capacity(layer.len().div_ceil(2));
    for pairs in pairs.chunks(PAIRS_AT_ONCE) {
        let mut pass = Pass::new(pairs.len());
        for pair in pairs {
            pass.begin(Stream::new());
            pass.add(pair.as_flattened());
            pass.end();
        }
        above.extend(pass.run(Engine::current()).map(|node| stream::digest::<8, 32>(node.state)));
    }
    above.extend(last.iter().map(|last| parent(last, &beyond_end(level))));
    above
}

/// Enough to fill lanes many times over, at about 300 bytes each.
const PAIRS_AT_ONCE: usize = 256;

/// One file's tree from the piece layer up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTree {
    length_bytes: u64,
    /// The level of `layers[0]`.
    piece_level: u32,
    /// Without the nodes that stand for nothing but what is beyond the end. The last is the root alone.
    layers: Vec<Vec<Digest32>>,
}

impl FileTree {
    /// The tree over `piece_layer`: a node for each piece of `piece_bytes`, a power of two of at least
    /// [`LEAF_BYTES`]. For a file of at most one piece, it is its root alone.
    ///
    /// `None` if the number of nodes is not that of the file's pieces, or the file is empty.
    pub fn new(length_bytes: u64, piece_bytes: u32, piece_layer: Vec<Digest32>) -> Option<Self> {
        let pieces = length_bytes.div_ceil(u64::from(piece_bytes));
        if pieces == 0 || piece_layer.len() as u64 != pieces {
            return None;
        }
        let top = height(leaf_count(length_bytes));
        let piece_level = height(u64::from(piece_bytes / LEAF_BYTES)).min(top);
        let mut layers = vec![piece_layer];
        for level in piece_level..top {
            layers.push(layer_above(layers.last().expect("it begins with one"), level));
        }
        Some(Self { length_bytes, piece_level, layers })
    }

    /// Its name: the root.
    pub fn root(&self) -> Digest32 {
        self.layers[self.layers.len() - 1][0]
    }

    /// Length of the file in bytes.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// How many pieces it has; at least 1.
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.layers[0].len()).expect("the decoder bounds the number of pieces")
    }

    /// The level of the nodes that stand for a piece.
    pub fn piece_level(&self) -> u32 {
        self.piece_level
    }

    /// The level of the root.
    pub fn height(&self) -> u32 {
        self.piece_level + u32::try_from(self.layers.len() - 1).expect("few")
    }

    /// A node at or above the piece layer, also of what is beyond the end; `None` if there is none there.
    pub fn node(&self, level: u32, index: u64) -> Option<Digest32> {
        let layer = self.layers.get(usize::try_from(level.checked_sub(self.piece_level)?).ok()?)?;
        if index >= 1 << (self.height() - level) {
            return None;
        }
        let known = usize::try_from(index).ok().and_then(|index| layer.get(index));
        Some(known.copied().unwrap_or_else(|| beyond_end(level)))
    }

    /// Whether `leaves` are those of the file's piece number `piece`.
    pub fn matches(&self, piece: u32, leaves: &[Digest32]) -> bool {
        leaves.len() as u64 <= 1 << self.piece_level
            && self.layers[0].get(piece as usize) == Some(&root(leaves, 0, self.piece_level))
    }
}

/// The trees of all files of a torrent that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forest {
    /// By first piece, ascending.
    trees: Vec<(u32, FileTree)>,
    /// Positions in `trees`; several, of files with the same content.
    by_root: BTreeMap<Digest32, Vec<usize>>,
}

impl Forest {
    /// The trees in the order of their files. Each begins a piece.
    pub fn new(trees: impl IntoIterator<Item = FileTree>) -> Self {
        let mut forest = Self::default();
        let mut first_piece = 0;
        for tree in trees {
            forest.by_root.entry(tree.root()).or_default().push(forest.trees.len());
            let pieces = tree.pieces();
            forest.trees.push((first_piece, tree));
            first_piece += pieces;
        }
        forest
    }

    /// The roots of all trees in the order of their files.
    pub fn roots(&self) -> impl Iterator<Item = Digest32> {
        self.trees.iter().map(|(_, tree)| tree.root())
    }

    /// The tree of the file that has `piece`, and the number of the piece in that file.
    pub fn of_piece(&self, piece: u32) -> Option<(&FileTree, u32)> {
        let after = self.trees.partition_point(|&(first, _)| first <= piece);
        let (first, tree) = self.trees.get(after.checked_sub(1)?)?;
        let within = piece - first;
        (within < tree.pieces()).then_some((tree, within))
    }

    /// The trees with this root, each with the first piece of its file.
    pub fn of_root(&self, root: &Digest32) -> impl Iterator<Item = (u32, &FileTree)> {
        let positions = self.by_root.get(root).into_iter().flatten();
        positions.filter_map(|&at| self.trees.get(at)).map(|(first, tree)| (*first, tree))
    }

    /// Whether `leaves` are those of `piece`.
    pub fn matches(&self, piece: u32, leaves: &[Digest32]) -> bool {
        self.of_piece(piece).is_some_and(|(tree, within)| tree.matches(within, leaves))
    }
}
