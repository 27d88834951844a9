//! Torrent files that other programs made; `test/fuzz/make_corpus.py` made them do it. Hashes,
//! sizes and paths are what libtorrent 2.1.1 says about them.

use super::*;

macro_rules! capture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../test/fuzz/corpus/metainfo/", $name)).as_slice()
    };
}

#[test]
fn files_of_other_programs_have_the_info_hash_that_libtorrent_finds() {
    let cases: &[(&[u8], &str, u32, u64)] = &[
        (capture!("libtorrent_hybrid"), "a2c0427954f299ef44e7d218a11a3543c8262188", 8, 131_072),
        (capture!("libtorrent_v1_links"), "a2ccf5122c6768b6774e18952f52a6b0aef27df4", 5, 72_210),
        (capture!("libtorrent_v1_multi"), "8f2f437943183e7f46214cd06f6e59422520e6cb", 5, 73_210),
        (capture!("libtorrent_v1_padding"), "6fe524b3154b1f37a88a4bfcbef07d0bcfb7b9c7", 9, 147_456),
        (capture!("libtorrent_v1_single"), "22898272455bd5e3ecd3c64c835aff0e1a1ae0f2", 4, 51_200),
        (capture!("mktorrent_multi"), "42cd4558e8cd2f97fdfba6c320b42a9836b22f9f", 3, 73_210),
        (capture!("transmission_multi"), "b3d09c8420c4516029335bd702a30118a951ec64", 3, 73_210),
        (capture!("unsorted"), "0ec04370c6311a05ae50205d7c52db11f31d9e14", 1, 5),
        (capture!("mended"), "02a9c721a514c49e6b1597b18f4b96c093e19245", 1, 10),
    ];
    for (bytes, info_hash, pieces, total_bytes) in cases {
        let metainfo = Metainfo::decode(bytes).unwrap();
        assert_eq!(metainfo.info_hashes.first().to_string(), *info_hash);
        assert_eq!(metainfo.info.piece_count(), *pieces, "{info_hash}");
        assert_eq!(metainfo.info.total_bytes, *total_bytes, "{info_hash}");
    }
}

#[test]
fn padding_of_one_length_shares_a_path_and_is_no_duplicate() {
    let info = Metainfo::decode(capture!("libtorrent_v1_padding")).unwrap().info;
    let files: Vec<_> =
        info.files.iter().map(|file| (file.display_path(), file.length_bytes)).collect();
    let padding = ("sample/.pad/15384".to_owned(), 15_384);
    assert_eq!((&files[1], &files[4]), (&padding, &padding));
    assert!(info.files[1].padding && info.files[4].padding);
    assert_eq!(files[9], ("sample/sub/deep/grüße 世界.txt".to_owned(), 20_000));
    assert!(info.files[5].executable);
}

#[test]
fn links_of_libtorrent_point_below_the_name() {
    let metainfo = Metainfo::decode(capture!("libtorrent_v1_links")).unwrap();
    let link = &metainfo.info.files[2];
    assert_eq!(link.path, PathBuf::from("sample/link"));
    assert_eq!(link.symlink, Some(PathBuf::from("sample/a.txt")));
    assert_eq!(link.length_bytes, 0);
    assert!(metainfo.info.private);
}

#[test]
fn everything_mktorrent_offers_is_read() {
    let metainfo = Metainfo::decode(capture!("mktorrent_multi")).unwrap();
    let tiers = [vec!["http://a.test/announce", "http://b.test/a"], vec!["udp://c.test:1"]];
    assert_eq!(metainfo.trackers, tiers);
    assert_eq!(metainfo.url_list, ["http://seed.test/"]);
    assert_eq!(metainfo.comment.as_deref(), Some("note"));
    assert_eq!(metainfo.created_by.as_deref(), Some("mktorrent 1.1"));
    assert_eq!(metainfo.info.source.as_deref(), Some("SRC"));
    assert!(metainfo.creation_date.is_some());
    assert_eq!(metainfo.encode(), capture!("mktorrent_multi"));
}

#[test]
fn version_2_of_libtorrent_has_the_names_and_trees_that_it_finds() {
    let hybrid = Metainfo::decode(capture!("libtorrent_hybrid")).unwrap();
    let alone = Metainfo::decode(capture!("libtorrent_v2")).unwrap();
    assert_eq!(hybrid.info.version(), Version::Hybrid);
    assert_eq!(alone.info.version(), Version::V2);
    assert_eq!(
        hybrid.info_hashes.of_v2().unwrap().to_string(),
        "0eba0cfe16eda7f4cc2892df2c4a958ec035002d0d8bb3cada5f43fa599269f2"
    );
    assert_eq!(
        alone.info_hashes.of_v2().unwrap().to_string(),
        "a6e3487d3726368f735f19a4f2adff24dc696cdb28f0fd849b46df1c8dde8388"
    );
    assert_eq!(alone.info_hashes.of_v1(), None);
    // The link is a file here: this one was made without links.
    let files = alone.info.files.iter().map(|file| (file.display_path(), file.length_bytes));
    let expected = [
        ("sample/a.txt", 1000),
        ("sample/.pad/15384", 15_384),
        ("sample/empty", 0),
        ("sample/link", 1000),
        ("sample/.pad/15384", 15_384),
        ("sample/run.sh", 10),
        ("sample/.pad/16374", 16_374),
        ("sample/sub/b.bin", 51_200),
        ("sample/.pad/14336", 14_336),
        ("sample/sub/deep/grüße 世界.txt", 20_000),
    ];
    assert_eq!(files.collect::<Vec<_>>(), expected.map(|(path, length)| (path.to_owned(), length)));
}
