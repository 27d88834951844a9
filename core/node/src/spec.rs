//! A torrent as the node takes it: what the torrent file says and what the user wants.

use std::net::SocketAddr;
use std::path::PathBuf;

use base::InfoHash;
use core::time::Duration;
use storage::layout::FileEntry;
use wire::metainfo::Metainfo;

/// When a complete torrent stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedGoal {
    /// As soon as everything is durable.
    None,
    /// When so many thousandths of its size were uploaded.
    Ratio {
        /// 1000 is once its size.
        per_mille: u64,
    },
    /// So long after it was complete.
    Time(Duration),
    /// Never.
    Forever,
}

/// Everything a node needs to know of a torrent.
#[derive(Clone, Debug)]
pub struct TorrentSpec {
    /// Its name in the world.
    pub info_hash: InfoHash,
    /// Its name for people.
    pub name: String,
    /// The folder below which its files lie, absolute.
    pub root: PathBuf,
    /// Its files in order.
    pub files: Vec<FileEntry>,
    /// Length of all pieces but the last, in bytes.
    pub piece_bytes: u32,
    /// Length of everything, in bytes.
    pub total_bytes: u64,
    /// SHA-1 of each piece, 20 bytes each.
    pub digests: Vec<u8>,
    /// Peers may come from its trackers only (BEP 27).
    pub private: bool,
    /// Tracker URLs by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Addresses that the user named.
    pub peers: Vec<SocketAddr>,
    /// Whether files may be created and written.
    pub writable: bool,
    /// Compare every piece with the disk, whatever is remembered.
    pub recheck: bool,
    /// When to stop.
    pub goal: SeedGoal,
}

impl TorrentSpec {
    /// What `metainfo` says, to lie below `root`: for downloading, without trackers or peers
    /// beyond its own, seeding for ever.
    pub fn new(metainfo: &Metainfo, root: PathBuf) -> Self {
        let info = &metainfo.info;
        let entry = |file: &wire::metainfo::File| FileEntry {
            path: file.path.clone(),
            length_bytes: file.length_bytes,
            // A link has no bytes of its own, and is not made yet.
            padding: file.padding || file.symlink.is_some(),
        };
        Self {
            info_hash: metainfo.info_hash,
            name: info.name.clone(),
            root,
            files: info.files.iter().map(entry).collect(),
            piece_bytes: info.piece_bytes,
            total_bytes: info.total_bytes,
            digests: info.pieces.as_flattened().to_vec(),
            private: info.private,
            trackers: metainfo.trackers.clone(),
            peers: Vec::new(),
            writable: true,
            recheck: false,
            goal: SeedGoal::Forever,
        }
    }

    /// Number of pieces.
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.digests.len() / 20).expect("the decoder bounds the number of pieces")
    }
}
