//! The `info` dictionary: sizes, pieces and files.
//!
//! Source: BEP 3 ("info dictionary"), BEP 47 (`attr`, `symlink path`), BEP 52 (`meta version`, which it
//! wants looked at first).

use keys::Digest20;
use keys::merkle::LEAF_BYTES;

use super::path::{self, Component, Tree};
use super::{
    DecodeError, FILES_MAX, File, Info, PIECE_BYTES_MAX, PIECE_BYTES_MIN, TEXT_CHARS_MAX, Version,
    file_tree, halves, text,
};
use crate::bencode::{Dict, Value};
use crate::peer::PIECES_MAX;
use crate::printable;

pub(super) fn decode(info: &Dict<'_>) -> Result<Info, DecodeError> {
    let version = version(info)?;
    let pieces = version.has_v1().then(|| pieces(info)).transpose()?;
    let piece_bytes = piece_bytes(info, version)?;
    let private = match info.get(b"private") {
        None => false,
        Some(Value::Int(flag)) => *flag != 0,
        // Whoever wrote this meant something by it; a guess may leak a private swarm.
        Some(other) => {
            return Err(DecodeError::WrongType { key: "private", found: other.kind() });
        }
    };
    let (root, name) = name(info)?;
    let (mut files, single_file) = match version {
        Version::V1 | Version::Hybrid => listed(info, &root)?,
        Version::V2 => file_tree::decode(info, &root, false)?,
    };
    let total_bytes = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.length_bytes))
        .ok_or(DecodeError::TotalOverflow)?;
    if total_bytes == 0 {
        return Err(DecodeError::Empty);
    }
    match version {
        Version::V1 => {}
        Version::V2 => {
            file_tree::pieces(&files, piece_bytes)?;
            files = file_tree::aligned(files, &root, piece_bytes);
            if files.len() > FILES_MAX {
                return Err(DecodeError::TooManyFiles { files: files.len() });
            }
        }
        Version::Hybrid => {
            let (tree, _) = file_tree::decode(info, &root, !single_file)?;
            file_tree::pieces(&tree, piece_bytes)?;
            halves::join(&mut files, tree, piece_bytes)?;
        }
    }
    let needed = total_bytes.div_ceil(u64::from(piece_bytes.max(1)));
    if let Some(pieces) = pieces.filter(|pieces| u64::try_from(pieces.len()) != Ok(needed)) {
        return Err(DecodeError::PieceCount { found: pieces.len(), needed });
    }
    Ok(Info {
        name,
        piece_bytes,
        pieces: pieces.map(Into::into),
        private,
        source: text(info, b"source"),
        files,
        single_file,
        total_bytes,
    })
}

fn version(info: &Dict<'_>) -> Result<Version, DecodeError> {
    let version = match info.get(b"meta version") {
        None => 1,
        Some(Value::Int(version)) => *version,
        Some(other) => {
            return Err(DecodeError::WrongType { key: "meta version", found: other.kind() });
        }
    };
    match version {
        3.. => Err(DecodeError::MetaVersion { version }),
        2 if halves::has_v1(info) => Ok(Version::Hybrid),
        2 => Ok(Version::V2),
        // Its maker meant something that we would not see.
        _ if info.get(b"file tree").is_some() => Err(DecodeError::TreeWithoutVersion),
        _ => Ok(Version::V1),
    }
}

/// The files as version 1 has them, and whether it is one without a folder around it.
fn listed(info: &Dict<'_>, root: &Component) -> Result<(Vec<File>, bool), DecodeError> {
    match info.get(b"files") {
        None => Ok((vec![single_file(info, root)?], true)),
        Some(Value::List(files)) => Ok((multiple_files(files, root)?, false)),
        Some(other) => Err(DecodeError::WrongType { key: "files", found: other.kind() }),
    }
}

fn pieces<'a>(info: &Dict<'a>) -> Result<&'a [Digest20], DecodeError> {
    let bytes = match info.get(b"pieces") {
        Some(Value::Bytes(bytes)) => *bytes,
        Some(other) => {
            return Err(DecodeError::WrongType { key: "pieces", found: other.kind() });
        }
        None => return Err(DecodeError::Missing { key: "pieces" }),
    };
    let (pieces, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(DecodeError::RaggedPieces { bytes: bytes.len() });
    }
    if u32::try_from(pieces.len()).map_or(true, |pieces| pieces > PIECES_MAX) {
        return Err(DecodeError::TooManyPieces { pieces: pieces.len() });
    }
    Ok(pieces)
}

fn piece_bytes(info: &Dict<'_>, version: Version) -> Result<u32, DecodeError> {
    let bytes = int(info, "piece length")?;
    let bytes = u32::try_from(bytes)
        .ok()
        .filter(|bytes| (PIECE_BYTES_MIN..=PIECE_BYTES_MAX).contains(bytes))
        .ok_or(DecodeError::PieceLength { bytes })?;
    if version.has_v2() && (bytes < LEAF_BYTES || !bytes.is_power_of_two()) {
        return Err(DecodeError::PieceLengthV2 { bytes });
    }
    Ok(bytes)
}

/// The torrent's name as a path component and for people.
fn name(info: &Dict<'_>) -> Result<(Component, String), DecodeError> {
    let name = match info.get(b"name") {
        Some(Value::Bytes(name)) => *name,
        Some(other) => return Err(DecodeError::WrongType { key: "name", found: other.kind() }),
        None => return Err(DecodeError::Missing { key: "name" }),
    };
    let name = path::utf8_or(name, info.get(b"name.utf-8").and_then(Value::as_bytes));
    let root = Component::new(name).map_err(|source| DecodeError::Name { source })?;
    let display = printable(name, TEXT_CHARS_MAX);
    let display = if display.is_empty() { "_".to_owned() } else { display };
    Ok((root, display))
}

fn single_file(info: &Dict<'_>, root: &Component) -> Result<File, DecodeError> {
    let length_bytes = length(int(info, "length")?, 0)?;
    let attr = Attr::of(info);
    Ok(File {
        length_bytes,
        path: root.text.clone().into(),
        padding: false,
        executable: attr.executable,
        hidden: attr.hidden,
        symlink: None,
        pieces_root: None,
    })
}

fn multiple_files(files: &[Value<'_>], root: &Component) -> Result<Vec<File>, DecodeError> {
    if files.len() > FILES_MAX {
        return Err(DecodeError::TooManyFiles { files: files.len() });
    }
    let mut paths = Vec::with_capacity(files.len());
    let mut decoded = Vec::with_capacity(files.len());
    for (index, value) in files.iter().enumerate() {
        let found = value.kind();
        let file = value
            .as_dict()
            .ok_or_else(|| DecodeError::WrongType { key: "files", found }.in_file(index))?;
        let below = components(file, "path", b"path.utf-8").map_err(|error| match error {
            ComponentsError::Decode(error) => error.in_file(index),
            ComponentsError::Path(source) => DecodeError::Path { file: index, source },
        })?;
        let attr = Attr::of(file);
        let symlink = link(file, &attr).map_err(|error| match error {
            ComponentsError::Decode(error) => error.in_file(index),
            ComponentsError::Path(source) => DecodeError::Link { file: index, source },
        })?;
        // A link has no content (BEP 47), whatever its length says.
        let length_bytes = match symlink {
            Some(_) => 0,
            None => {
                let bytes = int(file, "length").map_err(|error| error.in_file(index))?;
                length(bytes, index)?
            }
        };
        decoded.push(File {
            length_bytes,
            path: root.text.clone().into(),
            padding: attr.padding,
            executable: attr.executable,
            hidden: attr.hidden,
            symlink: symlink.map(|target| path::join(root, &target)),
            pieces_root: None,
        });
        paths.push(below);
    }
    let mut tree = Tree::default();
    let padding = decoded.iter().map(|file| file.padding);
    let placed =
        tree.place(&paths, padding).map_err(|(file, source)| DecodeError::Path { file, source })?;
    for (file, below) in decoded.iter_mut().zip(placed) {
        file.path.push(below);
    }
    Ok(decoded)
}

/// Where the file leads, if it is a link. One that does not say so is an ordinary file to us.
pub(super) fn link(
    file: &Dict<'_>,
    attr: &Attr,
) -> Result<Option<Vec<Component>>, ComponentsError> {
    (attr.symlink && file.get(b"symlink path").is_some())
        .then(|| components(file, "symlink path", b"symlink path.utf-8"))
        .transpose()
}

/// Why a list of path components is not one.
pub(super) enum ComponentsError {
    Decode(DecodeError),
    Path(path::PathError),
}

impl DecodeError {
    /// The same, as a fault of an entry of `files` or `file tree`.
    pub(super) fn in_file(self, file: usize) -> Self {
        Self::InFile { file, source: Box::new(self) }
    }
}

fn components(
    file: &Dict<'_>,
    key: &'static str,
    key_utf8: &[u8],
) -> Result<Vec<Component>, ComponentsError> {
    let list = match file.get(key.as_bytes()) {
        Some(Value::List(list)) => list,
        Some(other) => {
            let found = other.kind();
            return Err(ComponentsError::Decode(DecodeError::WrongType { key, found }));
        }
        None => return Err(ComponentsError::Decode(DecodeError::Missing { key })),
    };
    let list_utf8 = file.get(key_utf8).and_then(Value::as_list).unwrap_or_default();
    let list_utf8 = if list_utf8.len() == list.len() { list_utf8 } else { &[] };
    path::check_depth(list.len()).map_err(ComponentsError::Path)?;
    let mut components = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let Value::Bytes(bytes) = item else {
            let found = item.kind();
            return Err(ComponentsError::Decode(DecodeError::WrongType { key, found }));
        };
        let bytes = path::utf8_or(bytes, list_utf8.get(index).and_then(Value::as_bytes));
        components.push(Component::new(bytes).map_err(ComponentsError::Path)?);
    }
    path::check_length(&components).map_err(ComponentsError::Path)?;
    Ok(components)
}

pub(super) fn int(dict: &Dict<'_>, key: &'static str) -> Result<i64, DecodeError> {
    match dict.get(key.as_bytes()) {
        Some(Value::Int(int)) => Ok(*int),
        Some(other) => Err(DecodeError::WrongType { key, found: other.kind() }),
        None => Err(DecodeError::Missing { key }),
    }
}

pub(super) fn length(bytes: i64, file: usize) -> Result<u64, DecodeError> {
    u64::try_from(bytes).map_err(|_negative| DecodeError::NegativeLength { file, bytes })
}

/// The letters of `attr` (BEP 47). Unknown ones are ignored, as it asks.
#[derive(Default)]
pub(super) struct Attr {
    pub(super) padding: bool,
    pub(super) executable: bool,
    pub(super) hidden: bool,
    pub(super) symlink: bool,
}

impl Attr {
    pub(super) fn of(dict: &Dict<'_>) -> Self {
        let attr = dict.get(b"attr").and_then(Value::as_bytes).unwrap_or_default();
        Self {
            padding: attr.contains(&b'p'),
            executable: attr.contains(&b'x'),
            hidden: attr.contains(&b'h'),
            symlink: attr.contains(&b'l'),
        }
    }
}
