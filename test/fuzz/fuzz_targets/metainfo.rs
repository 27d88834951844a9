//! Torrent files of every version. What decodes survives encode and decode; its paths stay inside the
//! folder, its pieces cover its files, its trees are those of its files.
#![no_main]

mod invariants;

use libfuzzer_sys::fuzz_target;
use wire::metainfo::Metainfo;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(metainfo) = Metainfo::decode(bytes) {
        invariants::check(&metainfo);
    }
});
