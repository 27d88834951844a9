//! A torrent made up from a seed: what every disk must hold in the end.

use std::sync::Arc;

use base::{BlockId, InfoHash, InfoHashV2, InfoHashes, PieceIndex, Rng};
use keys::merkle::{self, FileTree, Forest};
use keys::{Digest20, Digest32, sha1, sha256};
use node::spec::{SeedGoal, TorrentSpec};
use storage::digests::Digests;
use storage::job::{Extent, HashPart};
use storage::layout::{FileEntry, Layout};

/// The truth about a torrent.
#[derive(Debug)]
pub struct Content {
    /// What nodes are told.
    pub spec: TorrentSpec,
    /// Where bytes lie when everything is wanted; the slots of the part file are always these.
    pub layout: Layout,
    /// The bytes of each file; padding files are empty here.
    pub files: Vec<Vec<u8>>,
}

/// Which versions of the format a torrent is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// BEP 3.
    V1,
    /// BEP 52.
    V2,
    /// Both.
    Hybrid,
}

/// Makes `info` as long as three pieces of BEP 9.
const INFO_PADDING_BYTES: usize = 40_000;

impl Content {
    /// A torrent of some files, a few of them empty or padding, in 4 to 40 pieces or a few more.
    pub fn new(rng: &mut Rng) -> Self {
        let version = [Version::V1, Version::V2, Version::Hybrid][rng.below(3) as usize];
        let piece_bytes = (16 * 1024) << rng.below(3);
        let pieces = 4 + rng.below(36);
        let mut left =
            u64::from(piece_bytes) * u64::from(pieces) - u64::from(rng.below(piece_bytes - 1));
        let (mut files, mut bytes) = (Vec::new(), Vec::new());
        let mut at = 0_u64;
        while left > 0 {
            let length_bytes = match rng.below(6) {
                0 => 0,
                1 => u64::from(1 + rng.below(100)).min(left),
                2 | 3 => u64::from(1 + rng.below(3 * piece_bytes)).min(left),
                _ => left,
            };
            let small = length_bytes > 0 && length_bytes < 100;
            let padding = small && rng.chance(1, 2) && version == Version::V1;
            let gap = at.next_multiple_of(u64::from(piece_bytes)) - at;
            if version != Version::V1 && length_bytes > 0 && gap > 0 {
                let path = format!(".pad/{gap}").into();
                let length_bytes = gap;
                files.push(FileEntry { path, length_bytes, padding: true, ..FileEntry::default() });
                bytes.push(Vec::new());
                at += gap;
            }
            let path = format!("f{}", files.len()).into();
            files.push(FileEntry { path, length_bytes, padding, ..FileEntry::default() });
            let real = if padding { 0 } else { length_bytes };
            bytes.push((0..real).map(|_| u8::try_from(rng.below(256)).expect("a byte")).collect());
            left -= length_bytes;
            at += length_bytes;
        }
        Self::of(version, files, bytes, piece_bytes)
    }

    fn of(version: Version, files: Vec<FileEntry>, bytes: Vec<Vec<u8>>, piece_bytes: u32) -> Self {
        let trees = (version != Version::V1).then(|| Arc::new(trees(&bytes, piece_bytes)));
        let layout = Layout::new(files.clone(), piece_bytes);
        let layout = match version {
            Version::V1 => layout,
            Version::V2 => layout.with_tight_pieces(),
            Version::Hybrid => layout.with_known_padding(),
        };
        let layout = layout.with_part("part".into());
        let mut content = Self {
            spec: TorrentSpec {
                info_hashes: InfoHashes::v1(InfoHash([0; 20])),
                name: "content".into(),
                root: "/content".into(),
                files,
                piece_bytes,
                total_bytes: layout.total_bytes(),
                digests: Digests::default(),
                info: None,
                private: false,
                trackers: vec![vec!["http://tracker.example/announce".into()]],
                peers: Vec::new(),
                similar: Vec::new(),
                collections: Vec::new(),
                writable: true,
                recheck: false,
                reserve: false,
                sequential: false,
                super_seed: torrent::swarm::SuperSeed::Auto,
                goal: SeedGoal::Forever,
            },
            layout,
            files: bytes,
        };
        let pieces = (0..content.layout.piece_count()).map(PieceIndex);
        let pieces: Vec<Digest20> = pieces.map(|piece| sha1(&content.piece(piece))).collect();
        // Nobody but the machines looks into it, and they look at its hash alone.
        let mut info = pieces.as_flattened().to_vec();
        info.resize(info.len() + INFO_PADDING_BYTES, 0);
        let (v1, v2) = (InfoHash(sha1(&info)), InfoHashV2(sha256(&info)));
        content.spec.info = Some(info.into());
        content.spec.info_hashes = match version {
            Version::V1 => InfoHashes::v1(v1),
            Version::V2 => InfoHashes::v2(v2),
            Version::Hybrid => InfoHashes::hybrid(v1, v2),
        };
        let pieces = (version != Version::V2).then(|| pieces.into());
        content.spec.digests = Digests::new(pieces, trees);
        content
    }

    /// The bytes of a range, by reading `file` (the bytes of an extent that begins so many bytes
    /// after the range), with padding filled in.
    pub fn gather(&self, range: BlockId, mut file: impl FnMut(Extent, u64) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for part in self.layout.parts(range) {
            match part {
                HashPart::File(extent) => out.extend(file(extent, out.len() as u64)),
                HashPart::Zeros(length) => {
                    out.extend(vec![0; usize::try_from(length).expect("small")]);
                }
            }
        }
        out
    }

    /// The true bytes of a piece.
    pub fn piece(&self, piece: PieceIndex) -> Vec<u8> {
        let length_bytes = self.layout.piece_bytes(piece);
        let range = BlockId { piece, offset_bytes: 0, length_bytes };
        self.gather(range, |extent, _| slice(&self.files[extent.file.0 as usize], extent).to_vec())
    }
}

/// The trees of all files that have bytes.
fn trees(files: &[Vec<u8>], piece_bytes: u32) -> Forest {
    let tree = |bytes: &Vec<u8>| {
        let leaves = |piece: &[u8]| -> Vec<Digest32> {
            piece.chunks(merkle::LEAF_BYTES as usize).map(sha256).collect()
        };
        let pieces: Vec<Vec<Digest32>> = bytes.chunks(piece_bytes as usize).map(leaves).collect();
        let whole = merkle::height(u64::from(piece_bytes / merkle::LEAF_BYTES));
        let height = if pieces.len() > 1 { whole } else { merkle::height(pieces[0].len() as u64) };
        let layer = pieces.iter().map(|leaves| merkle::root(leaves, 0, height)).collect();
        FileTree::new(bytes.len() as u64, piece_bytes, layer).expect("one node a piece")
    };
    Forest::new(files.iter().filter(|bytes| !bytes.is_empty()).map(tree))
}

/// The bytes of an extent in a file's bytes; panics if the file is too short.
pub fn slice(bytes: &[u8], extent: Extent) -> &[u8] {
    let start = usize::try_from(extent.offset_bytes).expect("small");
    &bytes[start..start + usize::try_from(extent.length_bytes).expect("small")]
}
