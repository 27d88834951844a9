//! Torrent files.
//!
//! Source: BEP 3 ("metainfo files"), 12 (tiers), 19 (`url-list`), 27 (`private`), 47 (padding,
//! attributes, symbolic links), 52 (version 2 and hybrids).
//! The info-hash is computed over the original bytes of `info`, which are kept, and so are keys
//! that we don't know. What decides where bytes go (sizes, pieces, paths) must be right, or the
//! file is refused; what is for people (comments, dates) may be wrong, and then counts as absent.
//!
//! Invariants of a decoded [`Info`]: the pieces cover the total length exactly; the total is not
//! zero; every path is relative, of plain components, unique, and no file is another's folder. In
//! version 2 and hybrids every file with content begins a piece and has a root; a decoded [`Metainfo`]
//! of them has the trees of all these files, each of which hashes to its root.

mod create;
mod file_tree;
mod halves;
mod info;
mod path;
mod piece_layers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use base::{InfoHash, InfoHashV2, InfoHashes, PieceIndex, UnixTime};
use keys::merkle::Forest;
use keys::{Digest20, Digest32, sha1, sha256};

pub use self::create::{Content, NewFile, NewTorrent, padding};
pub use self::halves::HalvesError;
pub use self::path::PathError;
use crate::bencode::{self, Dict, Limits, OwnedValue, Value};
use crate::magnet::Magnet;
use crate::printable;

/// Longest torrent file in bytes: 64 MiB hold 2 Mi piece hashes and 20 MiB of paths.
pub const FILE_BYTES_MAX: usize = Limits::METAINFO.bytes_max;

/// Smallest piece in bytes. Clients make 16 KiB and more; 1 KiB exists in the wild.
pub const PIECE_BYTES_MIN: u32 = 1024;

/// Largest piece in bytes, 256 MiB: four times the largest that creators offer. Need not be a
/// power of two.
pub const PIECE_BYTES_MAX: u32 = 256 * 1024 * 1024;

/// Most files, padding included. The largest torrents in the wild have some 200,000.
pub const FILES_MAX: usize = 500_000;

/// Most tracker URLs kept, over all tiers; the rest is dropped.
pub const TRACKERS_MAX: usize = 500;

/// Most similar torrents, and most collections, kept of one torrent.
pub const RELATIVES_MAX: usize = 100;

/// Longest URL kept, in bytes. Longer ones are dropped.
pub const URL_BYTES_MAX: usize = 4096;

/// Longest name, comment or other text kept for display, in characters.
pub const TEXT_CHARS_MAX: usize = 2000;

/// Which versions of BitTorrent a torrent speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Version 1 alone (BEP 3).
    #[default]
    V1,
    /// Version 2 alone (BEP 52).
    V2,
    /// Both, for the same files.
    Hybrid,
}

impl Version {
    /// Whether version 1 is spoken.
    pub fn has_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Hybrid)
    }

    /// Whether version 2 is spoken.
    pub fn has_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Hybrid)
    }
}

/// A torrent file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// Its names: SHA-1 of `info_bytes`, SHA-256, or both (BEP 52).
    pub info_hashes: InfoHashes,
    /// The hash trees of its files, in their order, empty ones and padding left out (BEP 52); `None`
    /// for a torrent of version 1.
    pub trees: Option<Arc<Forest>>,
    /// The original bytes of `info`.
    pub info_bytes: Vec<u8>,
    /// What the torrent holds.
    pub info: Info,
    /// Tracker URLs by tier (BEP 12): `announce-list` if it has any, else `announce` alone. No
    /// tier is empty, no URL twice; schemes are not judged.
    pub trackers: Vec<Vec<String>>,
    /// When it was made.
    pub creation_date: Option<UnixTime>,
    /// A remark of its maker, printable.
    pub comment: Option<String>,
    /// The program that made it, printable.
    pub created_by: Option<String>,
    /// The encoding of texts that its maker claims, printable. We take UTF-8 in any case.
    pub encoding: Option<String>,
    /// Web seeds (BEP 19).
    pub url_list: Vec<String>,
    /// Torrents that have files in common with it (BEP 38), at most [`RELATIVES_MAX`].
    pub similar: Vec<InfoHash>,
    /// What it belongs to: torrents of one collection may have files in common (BEP 38).
    pub collections: Vec<String>,
    /// All top-level entries but `info`, known ones too, as key and original bytes of the
    /// value, sorted by key. [`Self::encode`] writes them back.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The part of a torrent file that the info-hash names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name for people, printable and not empty. Paths have their own form of it.
    pub name: String,
    /// Bytes per piece, the last one excepted; [`PIECE_BYTES_MIN`] to [`PIECE_BYTES_MAX`].
    pub piece_bytes: u32,
    /// SHA-1 of each piece; `None` for a torrent of version 2 alone.
    pub pieces: Option<Box<[Digest20]>>,
    /// Peers may come from its trackers only (BEP 27).
    pub private: bool,
    /// Where it comes from, printable: trackers set it to make the info-hash theirs.
    pub source: Option<String>,
    /// The files in the order of their bytes; never empty. Of a torrent of version 2 alone, with the padding
    /// that it implies between them, none behind the last byte.
    pub files: Vec<File>,
    /// One file without a folder around it.
    pub single_file: bool,
    /// Sum of the lengths of all files, in bytes; 1 to 2⁴⁹. Padding counts unless it is implied.
    pub total_bytes: u64,
}

/// One file of a torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its length in bytes; 0 for a symbolic link.
    pub length_bytes: u64,
    /// Where it goes, relative to the download folder: the torrent's name and the components
    /// below it, or the name alone for a single file. Safe to join to a folder: only plain
    /// components, at most 255 bytes each. Unique among files that are not padding.
    pub path: PathBuf,
    /// It holds zeros and exists to align the next file to a piece. Not to be written.
    pub padding: bool,
    /// To be made executable.
    pub executable: bool,
    /// To be hidden, where the system has a flag for that.
    pub hidden: bool,
    /// It is a symbolic link to this path, which starts at the download folder like `path`. It
    /// may name a folder, or nothing.
    pub symlink: Option<PathBuf>,
    /// The root of its hash tree (BEP 52); `None` in torrents of version 1, and of empty files.
    pub pieces_root: Option<Digest32>,
}

impl File {
    /// The path for people, with `/` between components, printable.
    pub fn display_path(&self) -> String {
        let path = self.path.to_string_lossy();
        let text = printable(path.as_bytes(), TEXT_CHARS_MAX);
        if std::path::MAIN_SEPARATOR == '/' {
            text
        } else {
            text.replace(std::path::MAIN_SEPARATOR, "/")
        }
    }
}

impl Info {
    /// Decodes the bencoded `info` dictionary alone, which is what peers send (BEP 9). The
    /// caller compares `sha1(bytes)` with the info-hash first.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for [`Metainfo::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let value = bencode::decode(bytes, Limits::METAINFO)?;
        let found = value.kind();
        let dict = value.as_dict().ok_or(DecodeError::WrongType { key: "info", found })?;
        info::decode(dict)
    }

    /// What it is a torrent of.
    pub fn version(&self) -> Version {
        let has_trees = self.files.iter().any(|file| file.pieces_root.is_some());
        match (&self.pieces, has_trees) {
            (None, _) => Version::V2,
            (Some(_), true) => Version::Hybrid,
            (Some(_), false) => Version::V1,
        }
    }

    /// Bytes of the files alone, without padding.
    pub fn content_bytes(&self) -> u64 {
        let files = self.files.iter().filter(|file| !file.padding);
        files.fold(0, |sum, file| sum.saturating_add(file.length_bytes))
    }

    /// How many pieces there are; at least 1, at most [`crate::peer::PIECES_MAX`].
    pub fn piece_count(&self) -> u32 {
        let end = self.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.length_bytes));
        u32::try_from(end.div_ceil(u64::from(self.piece_bytes.max(1)))).unwrap_or(u32::MAX)
    }

    /// The length of `piece` in bytes, or `None` if there is no such piece.
    pub fn piece_length(&self, piece: PieceIndex) -> Option<u32> {
        if self.pieces.is_none() {
            return self.tight_piece_length(piece);
        }
        let after = self.piece_count().checked_sub(piece.0)?.checked_sub(1)?;
        if after > 0 {
            return Some(self.piece_bytes);
        }
        let before = u64::from(piece.0).checked_mul(self.piece_bytes.into())?;
        u32::try_from(self.total_bytes.checked_sub(before)?).ok()
    }

    /// The length of a piece that ends with its file.
    fn tight_piece_length(&self, piece: PieceIndex) -> Option<u32> {
        let begin = u64::from(piece.0).checked_mul(self.piece_bytes.into())?;
        let mut end = 0_u64;
        for file in &self.files {
            end = end.checked_add(file.length_bytes)?;
            if begin < end {
                return u32::try_from(end.checked_sub(begin)?.min(self.piece_bytes.into())).ok();
            }
        }
        None
    }
}

/// Why bytes are not a torrent file that we can use. The fault of whoever made it. Texts go behind
/// the name of the file; they count files from 1, as people do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not bencode, or beyond the limits.
    #[error("{fault}: {0}", fault = bencode_fault(.0))]
    Bencode(#[from] bencode::DecodeError),
    /// Bencode of another type.
    #[error("it holds {}, not a dictionary", with_article(found))]
    NotADictionary {
        /// What it is.
        found: &'static str,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong type.
    #[error("`{key}` must be {}; found {}", wanted(key), with_article(found))]
    WrongType {
        /// Its key.
        key: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A version of the format that did not exist when this was written (BEP 52).
    #[error("it is of version {version} of BitTorrent; shoal knows 1 and 2")]
    MetaVersion {
        /// The version.
        version: i64,
    },
    /// A part of version 2 in what does not say that it is of version 2.
    #[error("it has a `file tree`, but no `meta version` 2")]
    TreeWithoutVersion,
    /// Piece length outside [`PIECE_BYTES_MIN`] to [`PIECE_BYTES_MAX`].
    #[error("piece length {bytes} is not between {PIECE_BYTES_MIN} and {PIECE_BYTES_MAX}")]
    PieceLength {
        /// The piece length.
        bytes: i64,
    },
    /// A piece length that version 2 does not allow.
    #[error("piece length {bytes} is not a power of two from 16384 on, as version 2 wants it")]
    PieceLengthV2 {
        /// The piece length.
        bytes: u32,
    },
    /// A `pieces` that doesn't come out even.
    #[error("`pieces` has {bytes} bytes, not a multiple of 20")]
    RaggedPieces {
        /// Its length.
        bytes: usize,
    },
    /// More or fewer pieces than the files need.
    #[error("the number of piece hashes is {found}, but its files need {needed}")]
    PieceCount {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: u64,
    },
    /// More pieces than [`crate::peer::PIECES_MAX`].
    #[error("{pieces} pieces exceed the limit of {}", crate::peer::PIECES_MAX)]
    TooManyPieces {
        /// How many there are.
        pieces: usize,
    },
    /// More files than [`FILES_MAX`].
    #[error("{files} files exceed the limit of {FILES_MAX}")]
    TooManyFiles {
        /// How many there are.
        files: usize,
    },
    /// A file of less than nothing.
    #[error("file {} has the negative length {bytes}", file.saturating_add(1))]
    NegativeLength {
        /// Its position, from 0.
        file: usize,
        /// Its length.
        bytes: i64,
    },
    /// The sum of all lengths does not fit 64 bits.
    #[error("the files together are longer than 64 bits can say")]
    TotalOverflow,
    /// No file, or no byte in any of them.
    #[error("it has no content: no file, or only empty ones")]
    Empty,
    /// A torrent's name that we refuse to write to.
    #[error("the name {source}")]
    Name {
        /// What is wrong.
        source: PathError,
    },
    /// A path that we refuse to write to.
    #[error("the path of file {} {source}", file.saturating_add(1))]
    Path {
        /// Its position, from 0.
        file: usize,
        /// What is wrong.
        source: PathError,
    },
    /// A symbolic link that leads to a path which we refuse.
    #[error("the link of file {} leads to a path that {source}", file.saturating_add(1))]
    Link {
        /// Its position, from 0.
        file: usize,
        /// What is wrong.
        source: PathError,
    },
    /// Keys of a folder that are not sorted.
    #[error("`file tree` is out of order at \"{path}\"")]
    TreeOrder {
        /// The path that comes too late, printable.
        path: String,
    },
    /// More in the paths of `file tree` than a list of files could say.
    #[error("the paths of its files together are too long")]
    PathsTooLong,
    /// A root of another length than 32 bytes.
    #[error("`pieces root` has {bytes} bytes, not 32")]
    RootLength {
        /// Its length.
        bytes: usize,
    },
    /// A root that stands for nothing.
    #[error("`pieces root` is zero")]
    ZeroRoot,
    /// A padding file in `file tree`, where alignment goes without saying.
    #[error("it is padding, which has no place in `file tree`")]
    PaddingInTree,
    /// A file longer than a piece without its piece layer.
    #[error("`piece layers` lacks that of \"{path}\"")]
    LayerMissing {
        /// The path of the file, printable.
        path: String,
    },
    /// A piece layer that is not as long as the file needs.
    #[error("the piece layer of \"{path}\" has {found} bytes, but its pieces need {needed}")]
    LayerLength {
        /// The path of the file, printable.
        path: String,
        /// How many bytes there are.
        found: usize,
        /// How many it takes.
        needed: u64,
    },
    /// A piece layer that is not that of the file.
    #[error("the piece layer of \"{path}\" does not hash to its `pieces root`")]
    LayerMismatch {
        /// The path of the file, printable.
        path: String,
    },
    /// A piece layer of no file that needs one.
    #[error("`piece layers` has one of no file longer than a piece: {root}")]
    LayerUnknown {
        /// The root that it is said to have, in hexadecimal digits.
        root: String,
    },
    /// The two halves of a hybrid are not about the same files.
    #[error("the parts of version 1 and 2 do not agree: {0}")]
    Halves(#[from] HalvesError),
    /// Something else in an entry of `files` or `file tree`.
    #[error("file {}: {source}", file.saturating_add(1))]
    InFile {
        /// Its position, from 0.
        file: usize,
        /// What is wrong.
        source: Box<Self>,
    },
}

/// What kind of fault it is, before where it is.
fn bencode_fault(error: &bencode::DecodeError) -> &'static str {
    use bencode::DecodeError as E;
    match error {
        E::TooLong { .. } | E::TooDeep { .. } | E::TooManyValues { .. } => "beyond our limits",
        E::Truncated { .. } | E::StringTooLong { .. } => "cut off",
        E::Unexpected { .. }
        | E::NotShortest { .. }
        | E::OutOfRange { .. }
        | E::UnsortedKey { .. }
        | E::DuplicateKey { .. }
        | E::Trailing { .. } => "not bencode",
    }
}

/// What the value of `key` has to be (BEP 3, 27, 47 and 52).
fn wanted(key: &str) -> &'static str {
    match key {
        "length" | "piece length" | "private" | "meta version" => "an integer",
        "files" => "a list of dictionaries",
        "path" | "symlink path" => "a list of strings",
        "info" => "a dictionary",
        "file tree" => "a tree of dictionaries",
        "piece layers" => "a dictionary of strings",
        _ => "a string",
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with('i') { "an" } else { "a" };
    format!("{article} {kind}")
}

impl Metainfo {
    /// Decodes a torrent file. Keys may come in any order.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] names what is wrong with the first thing found wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_as(bytes, false)
    }

    /// What a magnet link stands for, as a torrent file: `info` as peers gave it (BEP 9), the piece layers by root
    /// (BEP 52), and what the link says. A hybrid without its layers is taken for its half of version 1.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as for [`Self::decode`].
    pub fn of_magnet(
        info: &[u8],
        layers: &BTreeMap<Digest32, Vec<u8>>,
        magnet: &Magnet,
    ) -> Result<Self, DecodeError> {
        // It is judged alone first: written into a dictionary it might be something else.
        let version = Info::decode(info)?.version();
        let text = |url: &String| OwnedValue::from(url.as_str());
        let tiers = magnet.trackers.iter().map(|url| OwnedValue::List(vec![text(url)])).collect();
        let seeds = magnet.web_seeds.iter().map(text).collect();
        let mut dict = OwnedValue::dict().with("info", OwnedValue::Raw(info.to_vec()));
        if !magnet.trackers.is_empty() {
            dict.set("announce-list", OwnedValue::List(tiers));
        }
        if !magnet.web_seeds.is_empty() {
            dict.set("url-list", OwnedValue::List(seeds));
        }
        if version.has_v2() {
            let mut by_root = OwnedValue::dict();
            for (root, layer) in layers {
                by_root.set(root.as_slice(), layer.as_slice());
            }
            dict.set("piece layers", by_root);
        }
        Self::decode_as(&bencode::encode(&dict), layers.is_empty())
    }

    /// With `lenient`, a hybrid may lack its layers.
    fn decode_as(bytes: &[u8], lenient: bool) -> Result<Self, DecodeError> {
        let value = bencode::decode(bytes, Limits::METAINFO)?;
        let Value::Dict(dict) = &value else {
            return Err(DecodeError::NotADictionary { found: value.kind() });
        };
        let entry = dict.entry(b"info").ok_or(DecodeError::Missing { key: "info" })?;
        let Value::Dict(info_dict) = &entry.value else {
            return Err(DecodeError::WrongType { key: "info", found: entry.value.kind() });
        };
        let others = dict.entries().iter().filter(|entry| entry.key != b"info");
        let mut entries: Vec<_> =
            others.map(|entry| (entry.key.to_vec(), entry.raw.to_vec())).collect();
        entries.sort();
        let info = info::decode(info_dict)?;
        let version = info.version();
        let trees = match version.has_v2().then(|| piece_layers::trees(dict, &info)) {
            Some(Err(DecodeError::LayerMissing { .. })) if lenient && version.has_v1() => None,
            trees => trees.transpose()?,
        };
        let v1 = || InfoHash(sha1(entry.raw));
        let v2 = || InfoHashV2(sha256(entry.raw));
        Ok(Self {
            info_hashes: match version {
                Version::V1 => InfoHashes::v1(v1()),
                Version::V2 => InfoHashes::v2(v2()),
                Version::Hybrid => InfoHashes::hybrid(v1(), v2()),
            },
            trees: trees.map(Arc::new),
            info_bytes: entry.raw.to_vec(),
            info,
            trackers: trackers(dict),
            creation_date: dict.get(b"creation date").and_then(Value::as_int).map(UnixTime),
            comment: text(dict, b"comment"),
            created_by: text(dict, b"created by"),
            encoding: text(dict, b"encoding"),
            url_list: url_list(dict),
            similar: similar(dict, info_dict),
            collections: collections(dict, info_dict),
            entries,
        })
    }

    /// The torrent file again: `info_bytes` and `entries` with sorted keys. Same content, same
    /// info-hash; the same bytes if the keys were sorted before.
    pub fn encode(&self) -> Vec<u8> {
        let mut dict = OwnedValue::dict().with("info", OwnedValue::Raw(self.info_bytes.clone()));
        for (key, raw) in &self.entries {
            dict.set(key.as_slice(), OwnedValue::Raw(raw.clone()));
        }
        bencode::encode(&dict)
    }
}

fn trackers(dict: &Dict<'_>) -> Vec<Vec<String>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in dict.get(b"announce-list").and_then(Value::as_list).unwrap_or_default() {
        // Some creators forget the inner lists; each string is then a tier of its own.
        let urls = tier.as_list().unwrap_or(core::slice::from_ref(tier));
        let mut kept = Vec::new();
        for url in urls.iter().filter_map(url) {
            if seen.len() < TRACKERS_MAX && seen.insert(url.clone()) {
                kept.push(url);
            }
        }
        if !kept.is_empty() {
            tiers.push(kept);
        }
    }
    if tiers.is_empty() {
        tiers.extend(dict.get(b"announce").and_then(url).map(|url| vec![url]));
    }
    tiers
}

fn url_list(dict: &Dict<'_>) -> Vec<String> {
    let Some(value) = dict.get(b"url-list") else {
        return Vec::new();
    };
    let urls = value.as_list().unwrap_or(core::slice::from_ref(value));
    urls.iter().filter_map(url).take(TRACKERS_MAX).collect()
}

/// BEP 38 allows them inside `info` and outside.
fn relatives<'a>(
    dict: &'a Dict<'a>,
    info: &'a Dict<'a>,
    key: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> {
    let lists = [info, dict].into_iter().filter_map(move |dict| dict.get(key)?.as_list());
    lists.flatten().filter_map(Value::as_bytes)
}

fn similar(dict: &Dict<'_>, info: &Dict<'_>) -> Vec<InfoHash> {
    let hashes = relatives(dict, info, b"similar");
    let hashes = hashes.filter_map(|bytes| bytes.try_into().ok().map(InfoHash));
    hashes.take(RELATIVES_MAX).collect()
}

fn collections(dict: &Dict<'_>, info: &Dict<'_>) -> Vec<String> {
    let names = relatives(dict, info, b"collections");
    let names = names.filter_map(|bytes| core::str::from_utf8(bytes).ok());
    let names = names.filter(|name| !name.is_empty() && name.len() <= URL_BYTES_MAX);
    names.map(str::to_owned).take(RELATIVES_MAX).collect()
}

/// A URL as written, without the blanks around it, if it is one line of text.
fn url(value: &Value<'_>) -> Option<String> {
    let url = core::str::from_utf8(value.as_bytes()?).ok()?.trim();
    let good = !url.is_empty() && url.len() <= URL_BYTES_MAX && !url.contains(char::is_control);
    good.then(|| url.to_owned())
}

fn text(dict: &Dict<'_>, key: &[u8]) -> Option<String> {
    let text = printable(dict.get(key)?.as_bytes()?, TEXT_CHARS_MAX);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod captures;
#[cfg(test)]
mod tests;
