//! A torrent made up from a seed: what every disk must hold in the end.

use base::{BlockId, InfoHash, InfoHashes, PieceIndex, Rng};
use keys::{Digest20, sha1};
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

impl Content {
    /// A torrent of some files, a few of them empty or padding, in 4 to 40 pieces.
    pub fn new(rng: &mut Rng) -> Self {
        let piece_bytes = (16 * 1024) << rng.below(3);
        let pieces = 4 + rng.below(36);
        let mut left =
            u64::from(piece_bytes) * u64::from(pieces) - u64::from(rng.below(piece_bytes - 1));
        let (mut files, mut bytes) = (Vec::new(), Vec::new());
        while left > 0 {
            let length_bytes = match rng.below(6) {
                0 => 0,
                1 => u64::from(1 + rng.below(100)).min(left),
                2 | 3 => u64::from(1 + rng.below(3 * piece_bytes)).min(left),
                _ => left,
            };
            let padding = length_bytes > 0 && length_bytes < 100 && rng.chance(1, 2);
            let path = format!("f{}", files.len()).into();
            files.push(FileEntry { path, length_bytes, padding, ..FileEntry::default() });
            let real = if padding { 0 } else { length_bytes };
            bytes.push((0..real).map(|_| u8::try_from(rng.below(256)).expect("a byte")).collect());
            left -= length_bytes;
        }
        let total_bytes = files.iter().map(|file| file.length_bytes).sum();
        let layout = Layout::new(files.clone(), piece_bytes).with_part("part".into());
        let mut content = Self {
            spec: TorrentSpec {
                info_hashes: InfoHashes::v1(InfoHash([0; 20])),
                name: "content".into(),
                root: "/content".into(),
                files,
                piece_bytes,
                total_bytes,
                digests: Digests::default(),
                private: false,
                trackers: vec![vec!["http://tracker.example/announce".into()]],
                peers: Vec::new(),
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
        let digests = (0..content.layout.piece_count()).map(PieceIndex);
        let digests: Vec<Digest20> = digests.map(|piece| sha1(&content.piece(piece))).collect();
        content.spec.info_hashes = InfoHashes::v1(InfoHash(sha1(digests.as_flattened())));
        content.spec.digests = Digests::v1(digests);
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

/// The bytes of an extent in a file's bytes; panics if the file is too short.
pub fn slice(bytes: &[u8], extent: Extent) -> &[u8] {
    let start = usize::try_from(extent.offset_bytes).expect("small");
    &bytes[start..start + usize::try_from(extent.length_bytes).expect("small")]
}
