//! Torrent files. What decodes survives encode and decode; its paths stay inside the folder and
//! its pieces cover its files.
#![no_main]

use std::collections::BTreeSet;
use std::path::{Component, Path};

use base::PieceIndex;
use libfuzzer_sys::fuzz_target;
use wire::metainfo::{Info, Metainfo};

fuzz_target!(|bytes: &[u8]| {
    let Ok(metainfo) = Metainfo::decode(bytes) else {
        return;
    };
    let again = Metainfo::decode(&metainfo.encode()).expect("what we write decodes");
    assert_eq!(again, metainfo);
    assert_eq!(Info::decode(&metainfo.info_bytes).as_ref(), Ok(&metainfo.info));
    check_info(&metainfo.info);
});

fn check_info(info: &Info) {
    assert!(!info.name.is_empty());
    let of_files: u64 = info.files.iter().map(|file| file.length_bytes).sum();
    let pieces = 0..info.piece_count();
    let of_pieces: u64 = pieces
        .map(|piece| u64::from(info.piece_length(PieceIndex(piece)).expect("the piece exists")))
        .sum();
    assert_eq!(of_files, info.total_bytes);
    assert_eq!(of_pieces, info.total_bytes);
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

fn check_path(path: &Path) {
    assert!(path.components().count() > 0);
    for component in path.components() {
        assert!(matches!(component, Component::Normal(_)), "{path:?}");
        assert!(component.as_os_str().len() <= 255, "{path:?}");
    }
}
