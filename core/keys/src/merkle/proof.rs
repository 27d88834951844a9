//! Nodes of a tree with what proves them: what peers ask of each other with a hash request.
//!
//! Source: BEP 52 ("hash request", "hashes"). A request names `length` nodes of its base layer. They make
//! the node that is log2(`length`) layers higher; from there, an uncle a layer leads up to the node above
//! layer `base_layer + proof_layers`. Layers are counted from the leaves, as levels are here. Layers
//! that follow from the nodes asked for count among the proof layers, but have no uncle.

use super::{FileTree, beyond_end, layer_above, parent, root};
use crate::Digest32;

/// Most nodes in one request: the leaves of a piece of 128 MiB, as in libtorrent.
pub const PROOF_NODES_MAX: u32 = 8192;

/// Which nodes of a file's tree are asked for, and how far up they are to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProofRequest {
    /// The level of the nodes.
    pub base_layer: u32,
    /// The first of them, a multiple of `length`.
    pub index: u32,
    /// How many, a power of two of at least 2.
    pub length: u32,
    /// The layers above the base layer that have an uncle, or would have one.
    pub proof_layers: u32,
}

/// Why there is no answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Their fault: not a number of nodes that makes a subtree.
    #[error("{0} nodes asked for, not a power of two from 2 to {PROOF_NODES_MAX}")]
    Length(u32),
    /// Their fault: the nodes are of two subtrees.
    #[error("{length} nodes asked for from {index}, which is not a multiple")]
    Unaligned {
        /// The first node.
        index: u32,
        /// How many.
        length: u32,
    },
    /// Their fault: the layer does not have so many nodes, or there is no such layer.
    #[error("nodes up to {end} of layer {base_layer} asked for in a tree of height {height}")]
    Beyond {
        /// The layer.
        base_layer: u32,
        /// The node after the last.
        end: u64,
        /// The layer of the root.
        height: u32,
    },
    /// Their fault: the root has no uncle.
    #[error("{proof_layers} proof layers above layer {base_layer} in a tree of height {height}")]
    AboveRoot {
        /// The layer of the nodes.
        base_layer: u32,
        /// Layers above it.
        proof_layers: u32,
        /// The layer of the root.
        height: u32,
    },
    /// Nobody's fault: below the piece layer, only nodes of one piece are given.
    #[error("{0} nodes asked for below the piece layer, more than one piece has")]
    SeveralPieces(u32),
    /// Our fault: the leaves are missing, or not those of the piece.
    #[error("no leaves that are those of piece {0} of the file")]
    Leaves(u32),
}

impl ProofRequest {
    /// The node that the answer proves itself against: its level, and which of that level it is.
    pub fn ancestor(&self) -> (u32, u64) {
        let above = self.subtree_height().max(self.proof_layers.saturating_add(1));
        (
            self.base_layer.saturating_add(above),
            u64::from(self.index).checked_shr(above).unwrap_or(0),
        )
    }

    /// How many uncles follow the nodes.
    pub fn uncles(&self) -> u32 {
        self.proof_layers.saturating_add(1).saturating_sub(self.subtree_height())
    }

    /// Whether `hashes`, nodes and uncles, lead up to the node `ancestor`, which is the one that
    /// [`ancestor`](Self::ancestor) tells of. True only for what is in the tree.
    pub fn is_proven_by(&self, hashes: &[Digest32], ancestor: &Digest32) -> bool {
        let well_formed = self.check_shape().is_ok()
            && self.ancestor().0 < LEVELS_MAX
            && hashes.len() as u64 == u64::from(self.length) + u64::from(self.uncles());
        if !well_formed {
            return false;
        }
        let (nodes, uncles) = hashes.split_at(self.length as usize);
        let mut node = root(nodes, 0, self.subtree_height());
        let mut index = self.index >> self.subtree_height();
        for uncle in uncles {
            let (left, right) =
                if index.is_multiple_of(2) { (&node, uncle) } else { (uncle, &node) };
            node = parent(left, right);
            index /= 2;
        }
        node == *ancestor
    }

    /// Layers from the base layer to the node above all nodes asked for.
    fn subtree_height(&self) -> u32 {
        self.length.max(1).ilog2()
    }

    fn check_shape(&self) -> Result<(), ProofError> {
        let Self { index, length, .. } = *self;
        if !length.is_power_of_two() || !(2..=PROOF_NODES_MAX).contains(&length) {
            return Err(ProofError::Length(length));
        }
        if !index.is_multiple_of(length) {
            return Err(ProofError::Unaligned { index, length });
        }
        Ok(())
    }

    fn check_range(&self, height: u32) -> Result<(), ProofError> {
        self.check_shape()?;
        let Self { base_layer, index, length, proof_layers } = *self;
        let end = u64::from(index) + u64::from(length);
        if base_layer >= height || end > 1 << (height - base_layer) {
            return Err(ProofError::Beyond { base_layer, end, height });
        }
        if proof_layers >= height - base_layer {
            return Err(ProofError::AboveRoot { base_layer, proof_layers, height });
        }
        Ok(())
    }
}

/// More than any file's tree has.
const LEVELS_MAX: u32 = 64;

impl FileTree {
    /// Which of the file's pieces must tell its leaves to answer; `None` if this tree suffices.
    pub fn leaves_needed(&self, request: &ProofRequest) -> Result<Option<u32>, ProofError> {
        request.check_range(self.height())?;
        if request.base_layer >= self.piece_level() {
            return Ok(None);
        }
        let to_piece = self.piece_level() - request.base_layer;
        if request.subtree_height() > to_piece {
            return Err(ProofError::SeveralPieces(request.length));
        }
        let piece = request.index.checked_shr(to_piece).unwrap_or(0);
        Ok((piece < self.pieces()).then_some(piece))
    }

    /// The answer: the nodes, then the uncles, from below. `leaves` are those of the piece that
    /// [`leaves_needed`](Self::leaves_needed) names, or nothing.
    pub fn prove(
        &self,
        request: &ProofRequest,
        leaves: &[Digest32],
    ) -> Result<Vec<Digest32>, ProofError> {
        let needed = self.leaves_needed(request)?;
        let below = match needed {
            Some(piece) => self.layers_below(piece, leaves).ok_or(ProofError::Leaves(piece))?,
            None => Vec::new(),
        };
        let first_leaf = u64::from(needed.unwrap_or(0)) << self.piece_level();
        let node = |level: u32, index: u64| {
            if level >= self.piece_level() {
                return self.node(level, index).expect("the request is in range");
            }
            let at = usize::try_from(index - (first_leaf >> level)).expect("within the piece");
            let known = below.get(level as usize).and_then(|layer| layer.get(at));
            known.copied().unwrap_or_else(|| beyond_end(level))
        };
        let first = u64::from(request.index);
        let mut hashes: Vec<Digest32> = (first..first + u64::from(request.length))
            .map(|at| node(request.base_layer, at))
            .collect();
        for up in (request.subtree_height()..).take(request.uncles() as usize) {
            hashes.push(node(request.base_layer + up, (first >> up) ^ 1));
        }
        Ok(hashes)
    }

    /// The layers of a piece below the piece layer; `None` if these are not its leaves.
    fn layers_below(&self, piece: u32, leaves: &[Digest32]) -> Option<Vec<Vec<Digest32>>> {
        if leaves.is_empty() || leaves.len() as u64 > 1 << self.piece_level() {
            return None;
        }
        let mut layers = vec![leaves.to_vec()];
        for level in 0..self.piece_level() {
            layers.push(layer_above(layers.last()?, level));
        }
        let top = layers.pop()?;
        (self.node(self.piece_level(), piece.into()) == top.first().copied()).then_some(layers)
    }
}
