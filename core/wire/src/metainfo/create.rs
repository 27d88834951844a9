//! Torrent files of our own making.
//!
//! Source: BEP 3 ("metainfo files"), 12 (tiers), 27 (`private`), 47 (attributes, links).

use base::UnixTime;
use keys::Digest20;

use crate::bencode::{self, OwnedValue};

/// What a new torrent file says. Nothing is judged here: decode the outcome with
/// [`super::Metainfo::decode`] before handing it to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTorrent {
    /// Name of the file, or of the folder around the files.
    pub name: String,
    /// Bytes per piece.
    pub piece_bytes: u32,
    /// Digest of each piece.
    pub pieces: Vec<Digest20>,
    /// What the pieces hold.
    pub content: Content,
    /// Peers may come from the trackers only (BEP 27).
    pub private: bool,
    /// A text that makes the info-hash another one.
    pub source: Option<String>,
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
    /// One file.
    Single {
        /// Its length in bytes.
        length_bytes: u64,
        /// It is a program.
        executable: bool,
    },
    /// Files below a folder, in the order of their bytes.
    Multiple(Vec<NewFile>),
}

/// One file of a new torrent that has several. The order is by path.
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
}

impl NewTorrent {
    /// The canonical bytes of `info`, whose SHA-1 is the info-hash.
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
            .with_some("creation date", self.creation_date.map(|date| date.0));
        bencode::encode(&file)
    }

    fn info(&self) -> OwnedValue {
        let info = OwnedValue::dict()
            .with("name", self.name.as_str())
            .with("piece length", self.piece_bytes)
            .with("pieces", self.pieces.as_flattened())
            .with_some("private", self.private.then_some(1_u32))
            .with_some("source", self.source.as_deref());
        match &self.content {
            Content::Single { length_bytes, executable } => {
                info.with_some("attr", executable.then_some("x")).with("length", int(*length_bytes))
            }
            Content::Multiple(files) => {
                let files = files.iter().map(|file| {
                    let attr = match (&file.symlink, file.executable) {
                        (Some(_), _) => Some("l"),
                        (None, true) => Some("x"),
                        (None, false) => None,
                    };
                    OwnedValue::dict()
                        .with_some("attr", attr)
                        .with("length", int(file.length_bytes))
                        .with("path", strings(&file.path))
                        .with_some("symlink path", file.symlink.as_deref().map(strings))
                });
                info.with("files", files.collect::<Vec<_>>())
            }
        }
    }
}

fn strings(texts: &[String]) -> OwnedValue {
    OwnedValue::List(texts.iter().map(|text| text.as_str().into()).collect())
}

/// File systems end far below 2⁶³ bytes.
fn int(length_bytes: u64) -> OwnedValue {
    OwnedValue::Int(i64::try_from(length_bytes).unwrap_or(i64::MAX))
}
