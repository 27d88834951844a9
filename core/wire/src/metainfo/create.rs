//! Torrent files of our own making.
//!
//! Source: BEP 3 ("metainfo files"), 12 (tiers), 27 (`private`), 47 (attributes, links, padding), 52
//! (version 2 and hybrids). Byte for byte what libtorrent 2.1.1 makes, also where BEPs leave
//! it open: a hybrid has padding behind its last file unless that is the only one, links have the attribute
//! `x`, and `piece layers` is there though it may be empty. Only the order of files is our own, since
//! libtorrent's gives hybrids that nobody can read: by the components of their paths, as the file tree
//! has them.

use base::{InfoHash, UnixTime};
use keys::merkle::FileTree;
use keys::{Digest20, Digest32};

use super::Version;
use crate::bencode::{self, OwnedValue};

/// What a new torrent file says. Nothing is judged here: decode the outcome with
/// [`super::Metainfo::decode`] before handing it to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTorrent {
    /// What it is a torrent of.
    pub version: Version,
    /// Name of the file, or of the folder around the files.
    pub name: String,
    /// Bytes per piece.
    pub piece_bytes: u32,
    /// Digest of each piece, padding included; without version 1, none.
    pub pieces: Vec<Digest20>,
    /// What the pieces hold.
    pub content: Content,
    /// Peers may come from the trackers only (BEP 27).
    pub private: bool,
    /// A text that makes the info-hash another one.
    pub source: Option<String>,
    /// Torrents that have files in common with it (BEP 38).
    pub similar: Vec<InfoHash>,
    /// What it belongs to (BEP 38).
    pub collections: Vec<String>,
    /// Tracker URLs by tier, the first tier asked first (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// A remark.
    pub comment: Option<String>,
    /// The program that makes it.
    pub created_by: Option<String>,
    /// When it is made.
    pub creation_date: Option<UnixTime>,
}

/// The files of a new torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One file, whose path is not used.
    Single(NewFile),
    /// Files below a folder, in order, without padding.
    Multiple(Vec<NewFile>),
}

/// One file of a new torrent. The order is by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewFile {
    /// Components of its path below the torrent's folder.
    pub path: Vec<String>,
    /// Its length in bytes; 0 for a link.
    pub length_bytes: u64,
    /// It is a program.
    pub executable: bool,
    /// It is a symbolic link to what has this path below the torrent's folder.
    pub symlink: Option<Vec<String>>,
    /// The node of its hash tree for each of its pieces, if that is one alone the root; without
    /// version 2, none.
    pub layer: Vec<Digest32>,
}

/// How many bytes lack behind `length_bytes` to the next piece.
pub fn padding(length_bytes: u64, piece_bytes: u32) -> u64 {
    let over = length_bytes.checked_rem(piece_bytes.into()).unwrap_or_default();
    if over == 0 { 0 } else { u64::from(piece_bytes).saturating_sub(over) }
}

impl NewTorrent {
    /// The canonical bytes of `info`, whose digests are the info-hashes.
    pub fn encode_info(&self) -> Vec<u8> {
        bencode::encode(&self.info())
    }

    /// The canonical bytes of the whole file.
    pub fn encode(&self) -> Vec<u8> {
        let tiers = self.trackers.iter().filter(|tier| !tier.is_empty());
        let several = self.trackers.iter().map(Vec::len).sum::<usize>() > 1;
        let list = several.then(|| tiers.clone().map(|tier| strings(tier)).collect::<Vec<_>>());
        let first = tiers.clone().flatten().next();
        let file = OwnedValue::dict()
            .with("info", self.info())
            .with_some("announce", first.map(String::as_str))
            .with_some("announce-list", list)
            .with_some("comment", self.comment.as_deref())
            .with_some("created by", self.created_by.as_deref())
            .with_some("creation date", self.creation_date.map(|date| date.0))
            .with_some("piece layers", self.version.has_v2().then(|| self.layers()));
        bencode::encode(&file)
    }

    fn info(&self) -> OwnedValue {
        let info = OwnedValue::dict()
            .with("name", self.name.as_str())
            .with("piece length", self.piece_bytes)
            .with_some("private", self.private.then_some(1_u32))
            .with_some("source", self.source.as_deref())
            .with_some("similar", (!self.similar.is_empty()).then(|| similar(&self.similar)))
            .with_some(
                "collections",
                (!self.collections.is_empty()).then(|| strings(&self.collections)),
            );
        let info = if self.version.has_v1() { self.with_list(info) } else { info };
        if self.version.has_v2() {
            info.with("file tree", self.file_tree()).with("meta version", 2_u32)
        } else {
            info
        }
    }

    /// Where the pieces of version 1 go.
    fn with_list(&self, info: OwnedValue) -> OwnedValue {
        let info = info.with("pieces", self.pieces.as_flattened());
        match &self.content {
            Content::Single(file) => {
                info.with_some("attr", file.attr()).with("length", int(file.length_bytes))
            }
            Content::Multiple(files) => {
                let aligned = self.version.has_v2() && files.len() > 1;
                let mut list = Vec::with_capacity(files.len());
                for file in files {
                    list.push(file.entry());
                    let padding = padding(file.length_bytes, self.piece_bytes);
                    if aligned && padding > 0 {
                        list.push(padding_entry(padding));
                    }
                }
                info.with("files", list)
            }
        }
    }

    fn file_tree(&self) -> OwnedValue {
        let mut tree = OwnedValue::dict();
        match &self.content {
            Content::Single(file) => {
                plant(&mut tree, core::slice::from_ref(&self.name), self.leaf(file));
            }
            Content::Multiple(files) => {
                for file in files {
                    plant(&mut tree, &file.path, self.leaf(file));
                }
            }
        }
        tree
    }

    fn leaf(&self, file: &NewFile) -> OwnedValue {
        let leaf = OwnedValue::dict().with_some("attr", file.attr());
        match &file.symlink {
            Some(target) => leaf.with("symlink path", strings(target)),
            None => leaf
                .with("length", int(file.length_bytes))
                .with_some("pieces root", self.root(file).map(Vec::from)),
        }
    }

    /// The root of a file's tree; `None` if it is empty, or its layer is not of as many pieces.
    fn root(&self, file: &NewFile) -> Option<Digest32> {
        let tree = FileTree::new(file.length_bytes, self.piece_bytes, file.layer.clone());
        tree.map(|tree| tree.root())
    }

    fn layers(&self) -> OwnedValue {
        let files = match &self.content {
            Content::Single(file) => core::slice::from_ref(file),
            Content::Multiple(files) => files,
        };
        let mut layers = OwnedValue::dict();
        for file in files.iter().filter(|file| file.layer.len() > 1) {
            if let Some(root) = self.root(file) {
                layers.set(root, file.layer.as_flattened());
            }
        }
        layers
    }
}

impl NewFile {
    /// What it is, in letters (BEP 47).
    fn attr(&self) -> Option<&'static str> {
        match (&self.symlink, self.executable) {
            (Some(_), _) => Some("xl"),
            (None, true) => Some("x"),
            (None, false) => None,
        }
    }

    fn entry(&self) -> OwnedValue {
        OwnedValue::dict()
            .with_some("attr", self.attr())
            .with("length", int(self.length_bytes))
            .with("path", strings(&self.path))
            .with_some("symlink path", self.symlink.as_deref().map(strings))
    }
}

/// An entry of `files` that lets the next file begin a piece.
fn padding_entry(length_bytes: u64) -> OwnedValue {
    OwnedValue::dict()
        .with("attr", "p")
        .with("length", int(length_bytes))
        .with("path", strings(&[".pad".to_owned(), length_bytes.to_string()]))
}

/// Puts a file into a tree, and the folders to it.
fn plant(tree: &mut OwnedValue, path: &[String], leaf: OwnedValue) {
    let mut at = tree;
    for component in path {
        let OwnedValue::Dict(folder) = at else { return };
        at = folder.entry(component.as_bytes().to_vec()).or_insert_with(OwnedValue::dict);
    }
    at.set("", leaf);
}

fn similar(hashes: &[InfoHash]) -> OwnedValue {
    OwnedValue::List(hashes.iter().map(|hash| hash.0.as_slice().into()).collect())
}

fn strings(texts: &[String]) -> OwnedValue {
    OwnedValue::List(texts.iter().map(|text| text.as_str().into()).collect())
}

/// File systems end far below 2⁶³ bytes.
fn int(length_bytes: u64) -> OwnedValue {
    OwnedValue::Int(i64::try_from(length_bytes).unwrap_or(i64::MAX))
}
