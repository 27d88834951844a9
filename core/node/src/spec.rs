//! A torrent as the node takes it: what the torrent file says and what the user wants.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{FileIndex, InfoHash, InfoHashes};
use core::time::Duration;
use keys::Digest32;
use storage::digests::Digests;
use storage::layout::{FileEntry, Layout};
pub use torrent::swarm::SuperSeed;
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
    /// Its names in the world.
    pub info_hashes: InfoHashes,
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
    /// What its pieces hash to.
    pub digests: Digests,
    /// Its `info` dictionary, for peers that know its name alone (BEP 9).
    pub info: Option<Arc<[u8]>>,
    /// Peers may come from its trackers only (BEP 27).
    pub private: bool,
    /// Tracker URLs by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Addresses that the user named.
    pub peers: Vec<SocketAddr>,
    /// Torrents that have files in common with it (BEP 38).
    pub similar: Vec<InfoHash>,
    /// What it belongs to (BEP 38).
    pub collections: Vec<String>,
    /// Whether files may be created and written.
    pub writable: bool,
    /// Compare every piece with the disk, whatever is remembered.
    pub recheck: bool,
    /// Each file gets its full room when it is made; otherwise files are sparse.
    pub reserve: bool,
    /// Pieces come in their order rather than the rarest first.
    pub sequential: bool,
    /// When a seed shows its pieces one by one (BEP 16). Not by itself in private torrents: their
    /// trackers see a seed that peers see nothing of.
    pub super_seed: SuperSeed,
    /// When to stop.
    pub goal: SeedGoal,
}

/// A torrent of which only this is known, by a magnet link (BEP 9).
#[derive(Clone, Debug)]
pub struct MagnetSpec {
    /// Its names, as far as the link has them.
    pub info_hashes: InfoHashes,
    /// Tracker URLs by tier.
    pub trackers: Vec<Vec<String>>,
    /// Addresses that the link names.
    pub linked_peers: Vec<SocketAddr>,
    /// Addresses that the user named.
    pub peers: Vec<SocketAddr>,
}

impl TorrentSpec {
    /// What `metainfo` says, to lie below `root`: for downloading, without trackers or peers
    /// beyond its own, seeding for ever.
    pub fn new(metainfo: &Metainfo, root: PathBuf) -> Self {
        let info = &metainfo.info;
        let entry = |file: &wire::metainfo::File| FileEntry {
            path: file.path.clone(),
            length_bytes: file.length_bytes,
            padding: file.padding,
            wanted: true,
            executable: file.executable,
            link: file.symlink.clone(),
            alike: Vec::new(),
        };
        Self {
            info_hashes: metainfo.info_hashes,
            name: info.name.clone(),
            root,
            files: info.files.iter().map(entry).collect(),
            piece_bytes: info.piece_bytes,
            total_bytes: info.total_bytes,
            digests: Digests::new(
                info.pieces.as_deref().map(Arc::from),
                metainfo.trees.as_ref().map(Arc::clone),
            ),
            info: Some(metainfo.info_bytes.as_slice().into()),
            private: info.private,
            trackers: metainfo.trackers.clone(),
            peers: Vec::new(),
            similar: metainfo.similar.clone(),
            collections: metainfo.collections.clone(),
            writable: true,
            recheck: false,
            reserve: false,
            sequential: false,
            super_seed: if info.private { SuperSeed::Never } else { SuperSeed::Auto },
            goal: SeedGoal::Forever,
        }
    }

    /// The file or folder below the root that everything is in.
    pub fn top(&self) -> &Path {
        let first = self.files.first().and_then(|file| file.path.components().next());
        first.map_or(Path::new(""), |first| Path::new(first.as_os_str()))
    }

    /// Puts everything into another file or folder below the root than the torrent says.
    pub fn set_top(&mut self, top: &str) {
        let moved = |path: &Path| -> PathBuf {
            let below = path.components().skip(1).map(|part| Path::new(part.as_os_str()));
            core::iter::once(Path::new(top)).chain(below).collect()
        };
        for file in &mut self.files {
            file.path = moved(&file.path);
            file.link = file.link.as_deref().map(moved);
        }
    }

    /// Whether the user wants `file`.
    pub fn is_wanted(&self, file: FileIndex) -> bool {
        self.files.get(file.0 as usize).is_some_and(|file| file.wanted)
    }

    /// Bytes of the wanted files.
    pub fn wanted_bytes(&self) -> u64 {
        self.bare_layout().wanted_bytes()
    }

    /// Files that are wanted, and files in all; padding is none.
    pub fn file_counts(&self) -> (u64, u64) {
        let files = self.files.iter().filter(|file| !file.padding);
        (files.clone().filter(|file| file.wanted).count() as u64, files.count() as u64)
    }

    /// Its files that have bytes of their own, each with the root of its hash tree if it has one (BEP 52).
    pub fn contents(&self) -> impl Iterator<Item = (FileIndex, &FileEntry, Option<Digest32>)> {
        let mut roots = self.digests.trees().into_iter().flat_map(|trees| trees.roots());
        let files = (0..).map(FileIndex).zip(&self.files);
        let files = files.filter(|(_, file)| !file.padding && file.length_bytes > 0);
        files.map(move |(index, file)| (index, file, roots.next()))
    }

    /// Where its bytes lie, skipped ones included.
    pub fn layout(&self) -> Layout {
        let name = self.info_hashes.first();
        let part = storage::part::part_path(&self.top().to_string_lossy(), name);
        self.bare_layout().with_part(part).with_room_reserved(self.reserve)
    }

    fn bare_layout(&self) -> Layout {
        let layout = Layout::new(self.files.clone(), self.piece_bytes);
        match (self.digests.kinds().v1, self.digests.kinds().v2) {
            (true, true) => layout.with_known_padding(),
            (false, true) => layout.with_tight_pieces(),
            (_, false) => layout,
        }
    }

    /// Number of pieces.
    pub fn pieces(&self) -> u32 {
        self.bare_layout().piece_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_place_takes_the_links_along() {
        let file = |path: &str, link: Option<&str>| FileEntry {
            path: path.into(),
            link: link.map(PathBuf::from),
            ..FileEntry::default()
        };
        let mut spec = TorrentSpec {
            info_hashes: InfoHashes::v1(InfoHash([0xcd; 20])),
            name: "t".into(),
            root: "/r".into(),
            files: vec![file("t/a/b", None), file("t/link", Some("t/a"))],
            piece_bytes: 1,
            total_bytes: 0,
            digests: Digests::default(),
            info: None,
            private: false,
            trackers: Vec::new(),
            peers: Vec::new(),
            similar: Vec::new(),
            collections: Vec::new(),
            writable: true,
            recheck: false,
            reserve: false,
            sequential: false,
            super_seed: SuperSeed::Auto,
            goal: SeedGoal::Forever,
        };
        assert_eq!(spec.top(), Path::new("t"));
        spec.set_top("t (1)");
        assert_eq!(spec.files, [file("t (1)/a/b", None), file("t (1)/link", Some("t (1)/a"))]);
    }
}
