//! The `file tree` of version 2: names and lengths of files, and the root of each one's hash tree.
//!
//! Source: BEP 52 ("file tree", "upgrade path"), BEP 47 (`attr`, `symlink path`).
//! The order of the tree says which piece is whose, so a tree whose keys are not sorted is refused:
//! another reader may sort it. As in libtorrent, the torrent's name is the folder around the files unless the
//! tree is a single file, folders without files are passed over, and an empty file may name a root.
//!
//! A tree shares folders, so that few bytes can spell many long paths. Together they may have
//! [`COMPONENTS_ALL_MAX`] components and [`PATH_BYTES_ALL_MAX`] bytes.

use keys::Digest32;

use super::info::{self, Attr, ComponentsError};
use super::path::{self, Component, PathError, Tree};
use super::{DecodeError, FILE_BYTES_MAX, FILES_MAX, File, padding};
use crate::bencode::{Dict, Entry, Limits, Value};
use crate::peer::PIECES_MAX;
use crate::printable;

/// Most components of all paths together: what a list of files could spell.
const COMPONENTS_ALL_MAX: usize = Limits::METAINFO.values_max as usize;

/// Longest paths of all files together, in bytes: what a list of files could spell.
const PATH_BYTES_ALL_MAX: usize = FILE_BYTES_MAX;

/// The files of `info` in their order, without what aligns them, and whether it is one file without a
/// folder around it, which `in_folder` rules out.
pub(super) fn decode(
    info: &Dict<'_>,
    root: &Component,
    in_folder: bool,
) -> Result<(Vec<File>, bool), DecodeError> {
    let tree = match info.get(b"file tree") {
        Some(Value::Dict(tree)) => tree,
        Some(other) => {
            return Err(DecodeError::WrongType { key: "file tree", found: other.kind() });
        }
        None => return Err(DecodeError::Missing { key: "file tree" }),
    };
    let mut walk = Walk {
        root,
        below: Vec::new(),
        files: Vec::new(),
        paths: Vec::new(),
        components: 0,
        path_bytes: 0,
    };
    walk.folder(tree)?;
    let Walk { mut files, paths, .. } = walk;
    let placed = Tree::default()
        .place(&paths, files.iter().map(|_| false))
        .map_err(|(file, source)| DecodeError::Path { file, source })?;
    let alone = match tree.entries() {
        [only] => !in_folder && leaf(&only.value).is_some(),
        _ => false,
    };
    for (file, below) in files.iter_mut().zip(placed) {
        file.path = if alone { below } else { std::path::Path::new(&root.text).join(below) };
    }
    Ok((files, alone))
}

/// What describes the file that `value` is, if it is one.
fn leaf<'v, 'a>(value: &'v Value<'a>) -> Option<&'v Value<'a>> {
    match value.as_dict()?.entries() {
        [only] if only.key.is_empty() => Some(&only.value),
        _ => None,
    }
}

struct Walk<'a> {
    root: &'a Component,
    /// Where we are.
    below: Vec<Component>,
    files: Vec<File>,
    /// Their paths below the root.
    paths: Vec<Vec<Component>>,
    /// Of all paths.
    components: usize,
    path_bytes: usize,
}

impl Walk<'_> {
    /// Recurses as deep as the decoder of bencode lets dictionaries nest.
    fn folder(&mut self, folder: &Dict<'_>) -> Result<(), DecodeError> {
        let mut before: &[u8] = b"";
        for entry in folder.entries() {
            if entry.key.is_empty() {
                let path = path::display(self.below.iter());
                return Err(self.refused(PathError::FileAndFolder { path }));
            }
            if entry.key < before {
                let mut path = path::display(self.below.iter());
                path.push_str(if path.is_empty() { "" } else { "/" });
                path.push_str(&printable(entry.key, 80));
                return Err(DecodeError::TreeOrder { path });
            }
            before = entry.key;
            self.entry(entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), DecodeError> {
        let name = Component::new(entry.key).map_err(|source| self.refused(source))?;
        self.below.push(name);
        if let Some(properties) = leaf(&entry.value) {
            self.file(properties)?;
        } else if let Value::Dict(folder) = &entry.value {
            self.folder(folder)?;
        } else {
            return Err(self.not_a_dictionary(&entry.value));
        }
        self.below.pop();
        Ok(())
    }

    fn file(&mut self, properties: &Value<'_>) -> Result<(), DecodeError> {
        if self.files.len() >= FILES_MAX {
            return Err(DecodeError::TooManyFiles { files: FILES_MAX.saturating_add(1) });
        }
        path::check_depth(self.below.len())
            .and_then(|()| path::check_length(&self.below))
            .map_err(|source| self.refused(source))?;
        self.components = self.components.saturating_add(self.below.len());
        let path_bytes = self.below.iter().map(|component| component.text.len());
        self.path_bytes = path_bytes.fold(self.path_bytes, usize::saturating_add);
        if self.components > COMPONENTS_ALL_MAX || self.path_bytes > PATH_BYTES_ALL_MAX {
            return Err(DecodeError::PathsTooLong);
        }
        let Value::Dict(properties) = properties else {
            return Err(self.not_a_dictionary(properties));
        };
        let file = self.properties(properties)?;
        self.files.push(file);
        self.paths.push(self.below.clone());
        Ok(())
    }

    /// The file without its path.
    fn properties(&self, properties: &Dict<'_>) -> Result<File, DecodeError> {
        let file = self.files.len();
        let attr = Attr::of(properties);
        if attr.padding {
            return Err(DecodeError::PaddingInTree.in_file(file));
        }
        let symlink = info::link(properties, &attr).map_err(|error| match error {
            ComponentsError::Decode(error) => error.in_file(file),
            ComponentsError::Path(source) => DecodeError::Link { file, source },
        })?;
        let length_bytes = match symlink {
            Some(_) => 0,
            None => {
                let bytes = info::int(properties, "length").map_err(|error| error.in_file(file))?;
                info::length(bytes, file)?
            }
        };
        let pieces_root = match length_bytes {
            0 => None,
            _ => Some(pieces_root(properties).map_err(|error| error.in_file(file))?),
        };
        Ok(File {
            length_bytes,
            path: std::path::PathBuf::new(),
            padding: false,
            executable: attr.executable,
            hidden: attr.hidden,
            symlink: symlink.map(|target| path::join(self.root, &target)),
            pieces_root,
        })
    }

    /// The path of the file that comes next, or of a folder before it, is refused.
    fn refused(&self, source: PathError) -> DecodeError {
        DecodeError::Path { file: self.files.len(), source }
    }

    fn not_a_dictionary(&self, value: &Value<'_>) -> DecodeError {
        let found = value.kind();
        DecodeError::WrongType { key: "file tree", found }.in_file(self.files.len())
    }
}

fn pieces_root(properties: &Dict<'_>) -> Result<Digest32, DecodeError> {
    let key = "pieces root";
    let bytes = match properties.get(key.as_bytes()) {
        Some(Value::Bytes(bytes)) => *bytes,
        Some(other) => return Err(DecodeError::WrongType { key, found: other.kind() }),
        None => return Err(DecodeError::Missing { key }),
    };
    let root = Digest32::try_from(bytes)
        .map_err(|_ragged| DecodeError::RootLength { bytes: bytes.len() })?;
    if root == [0; 32] { Err(DecodeError::ZeroRoot) } else { Ok(root) }
}

/// How many pieces `files` have if each begins one; at most [`PIECES_MAX`].
pub(super) fn pieces(files: &[File], piece_bytes: u32) -> Result<u32, DecodeError> {
    let piece_bytes = u64::from(piece_bytes.max(1));
    let pieces = files
        .iter()
        .fold(0_u64, |sum, file| sum.saturating_add(file.length_bytes.div_ceil(piece_bytes)));
    let too_many =
        || DecodeError::TooManyPieces { pieces: usize::try_from(pieces).unwrap_or(usize::MAX) };
    u32::try_from(pieces).ok().filter(|pieces| *pieces <= PIECES_MAX).ok_or_else(too_many)
}

/// `files` with padding behind each that has content, the last of them excepted, so that each begins
/// a piece: what a hybrid says in so many words.
pub(super) fn aligned(files: Vec<File>, root: &Component, piece_bytes: u32) -> Vec<File> {
    let last = files.iter().rposition(|file| file.length_bytes > 0);
    let mut aligned = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let length_bytes = padding(file.length_bytes, piece_bytes);
        aligned.push(file);
        if length_bytes > 0 && Some(index) != last {
            let path = [root.text.as_str(), ".pad", &length_bytes.to_string()].iter().collect();
            aligned.push(File { length_bytes, path, padding: true, ..File::default() });
        }
    }
    aligned
}
