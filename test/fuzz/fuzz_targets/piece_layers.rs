//! Trees and piece layers, whose hashes chance never gets right: the input says which files a torrent of
//! version 2 or a hybrid has, we make it, and then damage it as the input says. What we make is read
//! as it was made; what is damaged is refused, or all is true of it that has to be.
#![no_main]

mod invariants;

use libfuzzer_sys::fuzz_target;
use wire::metainfo::{Content, Metainfo, NewFile, NewTorrent, Version};

/// Files of one input; more are damage.
const FILES_MAX: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((&[kind, count], rest)) = bytes.split_first_chunk() else { return };
    let (files, damage) = rest.as_chunks().0.split_at(
        (usize::from(count) % FILES_MAX).min(rest.len() / 4),
    );
    let Some(torrent) = torrent(kind, files) else { return };
    let mut bytes = torrent.encode();
    let metainfo = Metainfo::decode(&bytes).expect("what we make decodes");
    assert_eq!(metainfo.info.version(), torrent.version);
    invariants::check(&metainfo);
    for &[high, low, what, value] in damage {
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        match what % 4 {
            0 => bytes[at] = value,
            1 => bytes[at] ^= 1 << (value % 8),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, value),
        }
        if bytes.is_empty() {
            return;
        }
    }
    if let Ok(metainfo) = Metainfo::decode(&bytes) {
        invariants::check(&metainfo);
    }
});

/// Each file has two bytes of length in leaves and bytes, one of content, one of kind.
fn torrent(kind: u8, specs: &[[u8; 4]]) -> Option<NewTorrent> {
    let version = if kind & 1 == 0 { Version::V2 } else { Version::Hybrid };
    let piece_bytes = 16_384_u32 << (kind >> 1 & 3);
    let single = kind & 8 != 0;
    let mut files = Vec::new();
    let mut pieces = 0;
    for (number, &[leaves, bytes, letter, file_kind]) in (0_u32..).zip(specs) {
        let link = file_kind & 1 != 0 && number > 0 && !single;
        let length_bytes =
            if link { 0 } else { u64::from(leaves) * 16_384 + u64::from(bytes) % 3 };
        let of_file = length_bytes.div_ceil(piece_bytes.into());
        pieces += of_file;
        let name = format!("{number:02}");
        let path = if file_kind & 4 == 0 { vec![name] } else { vec![name, "below".to_owned()] };
        files.push(NewFile {
            path,
            length_bytes,
            executable: file_kind & 2 != 0,
            symlink: link.then(|| vec!["00".to_owned()]),
            layer: (0..of_file).map(|piece| [piece.to_le_bytes()[0] ^ letter | 1; 32]).collect(),
        });
    }
    if single {
        files.truncate(1);
        pieces = files.first()?.length_bytes.div_ceil(piece_bytes.into());
    }
    if pieces == 0 {
        return None;
    }
    Some(NewTorrent {
        version,
        name: "n".to_owned(),
        piece_bytes,
        pieces: if version.has_v1() { (0..pieces).map(|_| [7; 20]).collect() } else { Vec::new() },
        content: if single { Content::Single(files.remove(0)) } else { Content::Multiple(files) },
        private: false,
        source: None,
        similar: Vec::new(),
        collections: Vec::new(),
        trackers: Vec::new(),
        comment: None,
        created_by: None,
        creation_date: None,
    })
}
