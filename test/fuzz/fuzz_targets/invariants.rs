//! What is true of every torrent file that decodes.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use base::PieceIndex;
use wire::metainfo::{Info, Metainfo, Version};

pub fn check(metainfo: &Metainfo) {
    let again = Metainfo::decode(&metainfo.encode()).expect("what we write decodes");
    assert_eq!(again, *metainfo);
    assert_eq!(Info::decode(&metainfo.info_bytes).as_ref(), Ok(&metainfo.info));
    check_info(&metainfo.info);
    check_trees(metainfo);
}

fn check_info(info: &Info) {
    assert!(!info.name.is_empty());
    // What version 2 implies is not part of the whole.
    let counts = |padding: bool| !padding || info.version().has_v1();
    let of_files: u64 =
        info.files.iter().filter(|file| counts(file.padding)).map(|file| file.length_bytes).sum();
    let pieces = 0..info.piece_count();
    // The length of one takes time in proportion to the files.
    if u64::from(info.piece_count()) * info.files.len() as u64 <= 100_000 {
        let of_pieces: u64 = pieces
            .map(|piece| u64::from(info.piece_length(PieceIndex(piece)).expect("the piece exists")))
            .sum();
        assert_eq!(of_pieces, info.total_bytes);
    }
    assert_eq!(info.piece_length(PieceIndex(info.piece_count())), None);
    assert_eq!(of_files, info.total_bytes);
    let mut files = BTreeSet::new();
    for file in info.files.iter().filter(|file| !file.padding) {
        check_path(&file.path);
        if let Some(target) = &file.symlink {
            check_path(target);
        }
        assert!(files.insert(file.path.as_path()), "{:?} twice", file.path);
    }
    for path in &files {
        let folder = path.ancestors().skip(1).find(|folder| files.contains(folder));
        assert_eq!(folder, None, "a file is the folder of {path:?}");
    }
}

/// Each file with content begins a piece and has its tree.
fn check_trees(metainfo: &Metainfo) {
    let (info, hashes) = (&metainfo.info, &metainfo.info_hashes);
    let version = info.version();
    assert_eq!(hashes.of_v1().is_some(), version.has_v1());
    assert_eq!(hashes.of_v2().is_some(), version.has_v2());
    assert_eq!(info.pieces.is_some(), version.has_v1());
    let Some(trees) = &metainfo.trees else {
        assert_eq!(version, Version::V1);
        return;
    };
    let piece_bytes = u64::from(info.piece_bytes);
    let (mut offset, mut piece) = (0_u64, 0_u32);
    for file in &info.files {
        let begin = offset;
        offset += file.length_bytes;
        assert_eq!(file.pieces_root.is_some(), !file.padding && file.length_bytes > 0);
        let Some(root) = file.pieces_root else { continue };
        assert_eq!(begin, u64::from(piece) * piece_bytes);
        let (tree, within) = trees.of_piece(piece).expect("it has a tree");
        assert_eq!((tree.root(), tree.length_bytes(), within), (root, file.length_bytes, 0));
        assert_eq!(u64::from(tree.pieces()), file.length_bytes.div_ceil(piece_bytes));
        assert!(trees.of_root(&root).next().is_some());
        piece += tree.pieces();
    }
    assert_eq!(piece, info.piece_count());
    assert!(trees.of_piece(piece).is_none());
}

fn check_path(path: &Path) {
    assert!(path.components().count() > 0);
    for component in path.components() {
        assert!(matches!(component, Component::Normal(_)), "{path:?}");
        assert!(component.as_os_str().len() <= 255, "{path:?}");
    }
}
