//! The `piece layers` beside `info`: what the pieces of each file hash to.
//!
//! Source: BEP 52 ("piece layers": every file longer than a piece has one, and each hashes to its root).
//! What is verified is bounded by [`PIECES_MAX`](crate::peer::PIECES_MAX) pieces, though one layer may serve
//! many files of the same content.

use std::collections::BTreeMap;

use keys::Digest32;
use keys::merkle::{FileTree, Forest};

use super::{DecodeError, File, Info};
use crate::bencode::{Dict, Value};

/// The trees of the files of `info`, which has version 2, by the layers in `metainfo`.
pub(super) fn trees(metainfo: &Dict<'_>, info: &Info) -> Result<Forest, DecodeError> {
    let key = "piece layers";
    let entries = match metainfo.get(key.as_bytes()) {
        Some(Value::Dict(layers)) => layers.entries(),
        Some(other) => return Err(DecodeError::WrongType { key, found: other.kind() }),
        None => return Err(DecodeError::Missing { key }),
    };
    // By root: the layer, and whether any file needed it.
    let mut layers = BTreeMap::new();
    for entry in entries {
        let Value::Bytes(layer) = entry.value else {
            return Err(DecodeError::WrongType { key, found: entry.value.kind() });
        };
        layers.insert(entry.key, (layer, false));
    }
    let mut trees = Vec::new();
    for file in &info.files {
        let Some(root) = file.pieces_root else { continue };
        let layer = if file.length_bytes <= u64::from(info.piece_bytes) {
            vec![root]
        } else {
            let path = || file.display_path();
            let (layer, used) = layers
                .get_mut(root.as_slice())
                .ok_or_else(|| DecodeError::LayerMissing { path: path() })?;
            *used = true;
            digests(layer, file, info.piece_bytes)?
        };
        trees.push(tree(file, info.piece_bytes, root, layer)?);
    }
    if let Some((root, _)) = layers.iter().find(|(_, (_, used))| !used) {
        let root = root.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
        return Err(DecodeError::LayerUnknown { root });
    }
    Ok(Forest::new(trees))
}

/// The digests of a layer, which are as many as the file has pieces.
fn digests(layer: &[u8], file: &File, piece_bytes: u32) -> Result<Vec<Digest32>, DecodeError> {
    let pieces = file.length_bytes.div_ceil(u64::from(piece_bytes.max(1)));
    let needed = pieces.saturating_mul(32);
    let (digests, _) = layer.as_chunks();
    if layer.len() as u64 == needed {
        Ok(digests.to_vec())
    } else {
        Err(DecodeError::LayerLength { path: file.display_path(), found: layer.len(), needed })
    }
}

fn tree(
    file: &File,
    piece_bytes: u32,
    root: Digest32,
    layer: Vec<Digest32>,
) -> Result<FileTree, DecodeError> {
    FileTree::new(file.length_bytes, piece_bytes, layer)
        .filter(|tree| tree.root() == root)
        .ok_or_else(|| DecodeError::LayerMismatch { path: file.display_path() })
}
