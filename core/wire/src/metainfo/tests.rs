use proptest::prelude::*;

use super::*;

mod version_2;

fn single() -> NewTorrent {
    NewTorrent {
        version: Version::V1,
        name: "file.bin".to_owned(),
        piece_bytes: 16_384,
        pieces: vec![[1; 20], [2; 20], [3; 20]],
        content: Content::Single(NewFile { length_bytes: 40_000, ..NewFile::default() }),
        private: false,
        source: None,
        similar: Vec::new(),
        collections: Vec::new(),
        trackers: Vec::new(),
        comment: None,
        created_by: None,
        creation_date: None,
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// An `info` of one piece for one file, to be bent by a test.
fn info() -> OwnedValue {
    OwnedValue::dict()
        .with("length", 1000_u32)
        .with("name", "n")
        .with("piece length", 16_384_u32)
        .with("pieces", vec![7_u8; 20])
}

/// A `files` entry.
fn file(length: i64, path: &[&str]) -> OwnedValue {
    OwnedValue::dict().with("length", length).with("path", list(path))
}

fn list(texts: &[&str]) -> OwnedValue {
    OwnedValue::List(texts.iter().map(|text| OwnedValue::from(*text)).collect())
}

/// An `info` of one piece that holds `files`.
fn info_of(files: Vec<OwnedValue>) -> OwnedValue {
    OwnedValue::dict()
        .with("files", files)
        .with("name", "n")
        .with("piece length", 16_384_u32)
        .with("pieces", vec![7_u8; 20])
}

fn decode_info(info: OwnedValue) -> Result<Info, DecodeError> {
    let bytes = bencode::encode(&OwnedValue::dict().with("info", info));
    Metainfo::decode(&bytes).map(|metainfo| metainfo.info)
}

fn paths(info: &Info) -> Vec<&str> {
    info.files.iter().map(|file| file.path.to_str().unwrap()).collect()
}

#[test]
fn single_file_torrent_of_ours_decodes() {
    let torrent = single();
    let metainfo = Metainfo::decode(&torrent.encode()).unwrap();
    assert_eq!(metainfo.info_bytes, torrent.encode_info());
    assert_eq!(metainfo.info_hashes.first(), InfoHash(sha1(&torrent.encode_info())));
    assert_eq!(metainfo.encode(), torrent.encode());
    let info = &metainfo.info;
    assert_eq!((info.name.as_str(), info.single_file, info.private), ("file.bin", true, false));
    assert_eq!(paths(info), ["file.bin"]);
    assert_eq!(info.total_bytes, 40_000);
    assert_eq!(info.piece_count(), 3);
    let lengths: Vec<_> = (0..4).map(|piece| info.piece_length(PieceIndex(piece))).collect();
    assert_eq!(lengths, [Some(16_384), Some(16_384), Some(7232), None]);
    assert_eq!(info.pieces.as_ref().unwrap()[1], [2; 20]);
    assert_eq!(info.piece_length(PieceIndex(u32::MAX)), None);
    assert_eq!(Info::decode(&metainfo.info_bytes).as_ref(), Ok(info));
}

#[test]
fn last_piece_may_be_full() {
    let file = NewFile { length_bytes: 3 * 16_384, executable: true, ..NewFile::default() };
    let content = Content::Single(file);
    let torrent = NewTorrent { content, ..single() };
    let info = Info::decode(&torrent.encode_info()).unwrap();
    assert_eq!(info.piece_length(PieceIndex(2)), Some(16_384));
    assert!(info.files[0].executable);
}

#[test]
fn multiple_file_torrent_of_ours_decodes() {
    let torrent = NewTorrent {
        name: "folder".to_owned(),
        content: Content::Multiple(vec![
            NewFile { path: strings(&["a.txt"]), executable: true, ..NewFile::default() },
            NewFile {
                path: strings(&["link"]),
                symlink: Some(strings(&["sub", "b.txt"])),
                ..NewFile::default()
            },
            NewFile {
                path: strings(&["sub", "b.txt"]),
                length_bytes: 40_000,
                ..NewFile::default()
            },
        ]),
        private: true,
        source: Some("SRC".to_owned()),
        trackers: vec![strings(&["http://a/x", "udp://b:1"]), vec![], strings(&["http://c/x"])],
        comment: Some("hello".to_owned()),
        created_by: Some("shoal".to_owned()),
        creation_date: Some(UnixTime(1_700_000_000)),
        ..single()
    };
    let metainfo = Metainfo::decode(&torrent.encode()).unwrap();
    let files = &metainfo.info.files;
    assert_eq!(paths(&metainfo.info), ["folder/a.txt", "folder/link", "folder/sub/b.txt"]);
    assert_eq!(files[2].display_path(), "folder/sub/b.txt");
    assert_eq!(files.iter().map(|file| file.executable).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(files[1].symlink, Some("folder/sub/b.txt".into()));
    assert!(metainfo.info.private && !metainfo.info.single_file);
    assert_eq!(metainfo.info.source.as_deref(), Some("SRC"));
    let tiers = [strings(&["http://a/x", "udp://b:1"]), strings(&["http://c/x"])];
    assert_eq!(metainfo.trackers, tiers);
    assert_eq!(metainfo.comment.as_deref(), Some("hello"));
    assert_eq!(metainfo.created_by.as_deref(), Some("shoal"));
    assert_eq!(metainfo.creation_date, Some(UnixTime(1_700_000_000)));
    assert_eq!(metainfo.encode(), torrent.encode());
}

#[test]
fn one_tracker_needs_no_tiers() {
    let torrent = NewTorrent { trackers: vec![strings(&["http://a/x"])], ..single() };
    let bytes = torrent.encode();
    assert!(!String::from_utf8_lossy(&bytes).contains("announce-list"));
    assert_eq!(Metainfo::decode(&bytes).unwrap().trackers, [strings(&["http://a/x"])]);
}

#[test]
fn info_hash_is_over_the_original_bytes_however_unsorted() {
    let info = b"d4:name1:n12:piece lengthi16384e6:lengthi5e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    let bytes = [b"d4:info", info.as_slice(), b"8:announce8:http://xe"].concat();
    let metainfo = Metainfo::decode(&bytes).unwrap();
    assert_eq!(metainfo.info_hashes.first(), InfoHash(sha1(info)));
    assert_eq!(metainfo.info_bytes, info);
    assert_eq!(metainfo.trackers, [strings(&["http://x"])]);
    let again = Metainfo::decode(&metainfo.encode()).unwrap();
    assert_eq!(again, metainfo);
}

#[test]
fn unknown_keys_are_kept_in_both_dictionaries() {
    let info = info().with("x-secret", vec![OwnedValue::Int(1)]);
    let file = OwnedValue::dict()
        .with("info", info)
        .with("nodes", vec![OwnedValue::from(vec![OwnedValue::from("h"), OwnedValue::Int(1)])])
        .with("zz", OwnedValue::dict());
    let bytes = bencode::encode(&file);
    let metainfo = Metainfo::decode(&bytes).unwrap();
    let kept = [(b"nodes".to_vec(), b"ll1:hi1eee".to_vec()), (b"zz".to_vec(), b"de".to_vec())];
    assert_eq!(metainfo.entries, kept);
    assert_eq!(metainfo.encode(), bytes);
}

#[test]
fn trackers_and_web_seeds_are_taken_as_they_come() {
    let with = |key: &str, value: OwnedValue| {
        let file = OwnedValue::dict()
            .with("info", info())
            .with("announce", "http://main")
            .with(key, value);
        Metainfo::decode(&bencode::encode(&file)).unwrap()
    };
    let cases: Vec<(OwnedValue, Vec<Vec<String>>)> = vec![
        (
            OwnedValue::List(vec![list(&["a", "b"]), list(&[]), list(&["c"])]),
            vec![strings(&["a", "b"]), strings(&["c"])],
        ),
        (list(&["a", "b"]), vec![strings(&["a"]), strings(&["b"])]),
        (
            OwnedValue::List(vec![list(&[" a\n", "a", "", "a\x1b", "wss://w"])]),
            vec![strings(&["a", "wss://w"])],
        ),
        (OwnedValue::List(vec![list(&[""])]), vec![strings(&["http://main"])]),
        (OwnedValue::Int(1), vec![strings(&["http://main"])]),
        (OwnedValue::List(vec![OwnedValue::Int(1)]), vec![strings(&["http://main"])]),
    ];
    for (value, expected) in cases {
        assert_eq!(with("announce-list", value.clone()).trackers, expected, "{value:?}");
    }
    assert_eq!(with("url-list", OwnedValue::from("http://s/")).url_list, ["http://s/"]);
    assert_eq!(with("url-list", list(&["u", "v"])).url_list, ["u", "v"]);
    assert_eq!(with("url-list", OwnedValue::from("")).url_list, Vec::<String>::new());
    let too_long = "x".repeat(URL_BYTES_MAX + 1);
    assert_eq!(with("announce", too_long.as_str().into()).trackers, Vec::<Vec<String>>::new());
    assert_eq!(with("announce", vec![0xff_u8].into()).trackers, Vec::<Vec<String>>::new());
    let many: Vec<OwnedValue> =
        (0..600).map(|n| OwnedValue::from(format!("http://{n}").as_str())).collect();
    assert_eq!(with("announce-list", many.clone().into()).trackers.len(), TRACKERS_MAX);
    assert_eq!(with("url-list", many.into()).url_list.len(), TRACKERS_MAX);
}

#[test]
fn cosmetics_of_a_wrong_type_count_as_absent() {
    let file = OwnedValue::dict()
        .with("info", info().with("source", 1_u32))
        .with("comment", 1_u32)
        .with("created by", "\x1b")
        .with("encoding", "UTF-8")
        .with("creation date", "today");
    let metainfo = Metainfo::decode(&bencode::encode(&file)).unwrap();
    assert_eq!((metainfo.comment, metainfo.created_by, metainfo.creation_date), (None, None, None));
    assert_eq!(metainfo.encoding.as_deref(), Some("UTF-8"));
    assert_eq!(metainfo.info.source, None);
}

#[test]
fn what_is_no_torrent_file_is_named() {
    let error = |bytes: &[u8]| Metainfo::decode(bytes).unwrap_err();
    assert!(matches!(error(b"<html>"), DecodeError::Bencode(_)));
    assert!(matches!(error(b"d4:infode1:aleextra"), DecodeError::Bencode(_)));
    assert_eq!(error(b"le"), DecodeError::NotADictionary { found: "list" });
    assert_eq!(error(b"de"), DecodeError::Missing { key: "info" });
    let wrong = DecodeError::WrongType { key: "info", found: "list" };
    assert_eq!(error(b"d4:infolee"), wrong);
    assert_eq!(Info::decode(b"le"), Err(wrong));
    assert!(matches!(Info::decode(b"d"), Err(DecodeError::Bencode(_))));
}

#[test]
fn fields_of_info_that_are_wrong_are_named() {
    use DecodeError as E;
    let wrong = |key, found| E::WrongType { key, found };
    let without = |key: &str| {
        let OwnedValue::Dict(mut map) = info() else { unreachable!() };
        map.remove(key.as_bytes());
        OwnedValue::Dict(map)
    };
    let empty = OwnedValue::List(vec![]);
    let cases: Vec<(OwnedValue, DecodeError)> = vec![
        (without("name"), E::Missing { key: "name" }),
        (without("piece length"), E::Missing { key: "piece length" }),
        (without("pieces"), E::Missing { key: "pieces" }),
        (without("length"), E::Missing { key: "length" }),
        (without("pieces").with("meta version", 2_u32), E::Missing { key: "pieces" }),
        (without("pieces").with("meta version", 1_u32), E::Missing { key: "pieces" }),
        (info().with("name", 1_u32), wrong("name", "integer")),
        (info().with("piece length", "1"), wrong("piece length", "string")),
        (info().with("pieces", empty.clone()), wrong("pieces", "list")),
        (info().with("length", OwnedValue::dict()), wrong("length", "dictionary")),
        (info().with("files", 1_u32), wrong("files", "integer")),
        (info().with("private", "1"), wrong("private", "string")),
        (info().with("piece length", 0_u32), E::PieceLength { bytes: 0 }),
        (info().with("piece length", -1_i64), E::PieceLength { bytes: -1 }),
        (info().with("piece length", 1023_u32), E::PieceLength { bytes: 1023 }),
        (info().with("piece length", 268_435_457_u32), E::PieceLength { bytes: 268_435_457 }),
        (info().with("piece length", i64::MAX), E::PieceLength { bytes: i64::MAX }),
        (info().with("pieces", vec![0_u8; 21]), E::RaggedPieces { bytes: 21 }),
        (info().with("pieces", ""), E::PieceCount { found: 0, needed: 1 }),
        (info().with("pieces", vec![0_u8; 40]), E::PieceCount { found: 2, needed: 1 }),
        (info().with("length", 16_385_u32), E::PieceCount { found: 1, needed: 2 }),
        (info().with("length", i64::MAX), E::PieceCount { found: 1, needed: 562_949_953_421_312 }),
        (info().with("length", -5_i64), E::NegativeLength { file: 0, bytes: -5 }),
        (info().with("length", 0_u32), E::Empty),
        (
            info().with("name", "a/b"),
            E::Name { source: PathError::Separator { component: "a/b".to_owned() } },
        ),
        (
            info().with("name", ".."),
            E::Name { source: PathError::DotComponent { component: ".." } },
        ),
    ];
    for (info, expected) in cases {
        assert_eq!(decode_info(info), Err(expected));
    }
    let pieces = vec![0_u8; 20 * (crate::peer::PIECES_MAX as usize + 1)];
    let too_many = E::TooManyPieces { pieces: crate::peer::PIECES_MAX as usize + 1 };
    assert_eq!(decode_info(info().with("pieces", pieces)), Err(too_many));
}

#[test]
fn files_that_are_wrong_are_named() {
    use DecodeError as E;
    let in_file = |file, source| E::InFile { file, source: Box::new(source) };
    let wrong = |key, found| in_file(0, E::WrongType { key, found });
    let path = |file, source| E::Path { file, source };
    let bare = || OwnedValue::dict().with("length", 1_u32);
    let half = 1_i64 << 62;
    let cases: Vec<(Vec<OwnedValue>, DecodeError)> = vec![
        (vec![], E::Empty),
        (vec![file(0, &["a"]), file(0, &["b"])], E::Empty),
        (vec![OwnedValue::Int(1)], wrong("files", "integer")),
        (vec![bare()], in_file(0, E::Missing { key: "path" })),
        (vec![bare().with("path", "a")], wrong("path", "string")),
        (vec![bare().with("path", vec![OwnedValue::Int(1)])], wrong("path", "integer")),
        (vec![file(1, &["a"]), file(1, &[])], path(1, PathError::NoComponents)),
        (vec![file(1, &["a", "", "b"])], path(0, PathError::EmptyComponent)),
        (vec![file(1, &["..", "b"])], path(0, PathError::DotComponent { component: ".." })),
        (vec![file(1, &["x"; 65])], path(0, PathError::TooDeep { components: 65 })),
        (
            vec![file(1, &["x".repeat(255).as_str(); 17])],
            path(0, PathError::TooLong { bytes: 4352 }),
        ),
        (
            vec![file(1, &["a"]), file(1, &["a"])],
            path(1, PathError::Duplicate { path: "a".to_owned() }),
        ),
        (
            vec![file(1, &["a"]), file(1, &["a", "b"])],
            path(1, PathError::FileAndFolder { path: "a".to_owned() }),
        ),
        (vec![file(1, &["a"]), file(-1, &["b"])], E::NegativeLength { file: 1, bytes: -1 }),
        (vec![file(half, &["a"]), file(half, &["b"]), file(half, &["c"]), file(half, &["d"])], {
            E::TotalOverflow
        }),
        (
            vec![file(0, &["a"]).with("attr", "l").with("symlink path", list(&[".."]))],
            E::Link { file: 0, source: PathError::DotComponent { component: ".." } },
        ),
        (vec![file(0, &["a"]).with("attr", "l").with("symlink path", 1_u32)], {
            wrong("symlink path", "integer")
        }),
    ];
    for (files, expected) in cases {
        assert_eq!(decode_info(info_of(files)), Err(expected));
    }
    let many = vec![OwnedValue::Int(0); FILES_MAX + 1];
    let too_many = E::TooManyFiles { files: FILES_MAX + 1 };
    assert_eq!(decode_info(info_of(many)), Err(too_many));
}

#[test]
fn texts_stand_behind_the_name_of_the_file_and_count_from_1() {
    let of = |bytes: &[u8]| Metainfo::decode(bytes).unwrap_err().to_string();
    let info = |value: OwnedValue| decode_info(value).unwrap_err().to_string();
    let link = |path: &[&str]| file(0, &["a"]).with("attr", "l").with("symlink path", list(path));
    for (text, expected) in [
        (of(b"d"), "cut off: input ends at byte 1, inside a dictionary"),
        (of(b"9:a"), "cut off: string of 9 bytes at 0 is longer than the 1 left"),
        (of(b"x"), "not bencode: byte 0x78 at 0 where a value was expected"),
        (of(&[b'l'; 99]), "beyond our limits: nested deeper than 72 levels at byte 72"),
        (of(b"i1e"), "it holds an integer, not a dictionary"),
        (of(b"le"), "it holds a list, not a dictionary"),
        (of(b"d4:info0:e"), "`info` must be a dictionary; found a string"),
        (info(info_of(vec![]).with("name", 1_u32)), "`name` must be a string; found an integer"),
        (info(info_of(vec![OwnedValue::Int(1)])), {
            "file 1: `files` must be a list of dictionaries; found an integer"
        }),
        (info(info_of(vec![file(1, &["a"]).with("length", "1")])), {
            "file 1: `length` must be an integer; found a string"
        }),
        (info(info_of(vec![file(1, &["a"]).with("path", "a")])), {
            "file 1: `path` must be a list of strings; found a string"
        }),
        (info(info_of(vec![]).with("name", "..")), r#"the name has the component "..""#),
        (info(info_of(vec![file(1, &["a"]), file(1, &["b", ".."])])), {
            r#"the path of file 2 has the component "..""#
        }),
        (info(info_of(vec![link(&["", "etc"])])), {
            "the link of file 1 leads to a path that has an empty component"
        }),
        (info(info_of(vec![file(-1, &["a"])])), "file 1 has the negative length -1"),
    ] {
        assert_eq!(text, expected);
    }
}

#[test]
fn files_win_over_a_length_beside_them() {
    let info = decode_info(info_of(vec![file(5, &["a"])]).with("length", 9_u32)).unwrap();
    assert_eq!((info.total_bytes, info.single_file), (5, false));
}

#[test]
fn attributes_of_bep_47_are_read() {
    let files = vec![
        file(10, &["run"]).with("attr", "xh?"),
        file(100, &[".pad", "100"]).with("attr", "p"),
        file(100, &[".pad", "100"]).with("attr", "p"),
        file(99, &["link"]).with("attr", "l").with("symlink path", list(&["sub", "target"])),
        file(7, &["no-target"]).with("attr", "l"),
    ];
    let decoded = decode_info(info_of(files)).unwrap();
    let files = &decoded.files;
    assert!(files[0].executable && files[0].hidden && !files[0].padding);
    assert!(files[1].padding && files[2].padding);
    assert_eq!(files[3].symlink, Some("n/sub/target".into()));
    assert_eq!((files[3].length_bytes, files[4].length_bytes), (0, 7));
    assert_eq!(files[4].symlink, None);
    assert_eq!(decoded.total_bytes, 217);
    let single = decode_info(info().with("attr", "xh")).unwrap();
    assert!(single.files[0].executable && single.files[0].hidden);
}

#[test]
fn names_that_are_not_utf8_take_the_alternative_or_are_mended() {
    let bad = || OwnedValue::from(&b"\xffa"[..]);
    let named = |alternative: Option<&str>| {
        let file = OwnedValue::dict()
            .with("length", 1_u32)
            .with("path", vec![bad()])
            .with_some("path.utf-8", alternative.map(|text| vec![OwnedValue::from(text)]));
        let info = info_of(vec![file]).with("name", bad()).with_some("name.utf-8", alternative);
        let info = decode_info(info).unwrap();
        (info.name.clone(), info.files[0].path.to_str().unwrap().to_owned())
    };
    assert_eq!(named(Some("å")), ("å".to_owned(), "å/å".to_owned()));
    assert_eq!(named(None), ("\u{fffd}a".to_owned(), "\u{fffd}a/\u{fffd}a".to_owned()));
    let invisible = decode_info(info().with("name", "\u{200b}")).unwrap();
    assert_eq!(invisible.name, "_");
}

#[test]
fn edges_of_the_piece_length_pass() {
    for bytes in [PIECE_BYTES_MIN, 5000, PIECE_BYTES_MAX] {
        let info = decode_info(info().with("piece length", bytes)).unwrap();
        assert_eq!(info.piece_length(PieceIndex(0)), Some(1000));
    }
}

prop_compose! {
    fn any_torrent()(
        version in prop::sample::select(vec![Version::V1, Version::V2, Version::Hybrid]),
        name in "[a-z ]{1,12}",
        files in prop::collection::btree_map("[a-z]{1,4}", 0..100_000_u64, 1..9),
        folders in prop::collection::vec("[a-z]{5,6}", 0..3),
        single: bool,
        private: bool,
        source in prop::option::of("[a-z]{1,4}"),
        tiers in prop::collection::vec(prop::collection::btree_set("[a-z]{1,8}", 0..3), 0..3),
        comment in prop::option::of("[a-z]{1,9}"),
        date in prop::option::of(any::<i64>()),
    ) -> NewTorrent {
        let mut files: Vec<_> = files.into_iter().enumerate().map(|(index, (file, length_bytes))| {
            let folder = folders.get(index % 3).cloned();
            let path = folder.into_iter().chain([file]).collect();
            let executable = length_bytes % 2 == 1;
            NewFile { path, length_bytes, executable, ..NewFile::default() }
        }).collect();
        files.sort();
        // In version 2 alone, a folder of one file would be that file.
        files.push(NewFile { path: vec!["z".repeat(9)], ..NewFile::default() });
        files[0].length_bytes += 1;
        if single {
            files.truncate(1);
        }
        let mut begin = 0;
        for file in &mut files {
            let pieces = file.length_bytes.div_ceil(16_384);
            if version.has_v2() {
                file.layer = (0..pieces).map(|piece| [(begin + piece).to_le_bytes()[0] | 1; 32]).collect();
                begin += pieces;
            } else {
                begin += file.length_bytes;
            }
        }
        let pieces = if version.has_v2() { begin } else { begin.div_ceil(16_384) };
        let pieces = if version.has_v1() { pieces } else { 0 };
        NewTorrent {
            version,
            name,
            piece_bytes: 16_384,
            pieces: (0..pieces).map(|piece| [piece.to_le_bytes()[0]; 20]).collect(),
            content: match single {
                true => Content::Single(files.remove(0)),
                false => Content::Multiple(files),
            },
            private,
            source,
            similar: vec![InfoHash([1; 20]), InfoHash([2; 20])],
            collections: vec!["films".into()],
            trackers: tiers.into_iter().map(|tier| tier.into_iter().collect()).collect(),
            comment,
            created_by: None,
            creation_date: date.map(UnixTime),
        }
    }
}

proptest! {
    #[test]
    fn what_we_make_decodes_and_encodes_to_the_same_bytes(torrent in any_torrent()) {
        let bytes = torrent.encode();
        let metainfo = Metainfo::decode(&bytes).unwrap();
        prop_assert_eq!(&metainfo.info_bytes, &torrent.encode_info());
        prop_assert_eq!(metainfo.info.version(), torrent.version);
        prop_assert_eq!(metainfo.info.pieces.as_deref().unwrap_or_default(), &torrent.pieces[..]);
        prop_assert_eq!(metainfo.info.private, torrent.private);
        prop_assert_eq!(metainfo.creation_date, torrent.creation_date);
        prop_assert_eq!(&metainfo.similar, &torrent.similar);
        prop_assert_eq!(&metainfo.collections, &torrent.collections);
        let lengths: u64 = (0..metainfo.info.piece_count())
            .map(|piece| u64::from(metainfo.info.piece_length(PieceIndex(piece)).unwrap()))
            .sum();
        prop_assert_eq!(lengths, metainfo.info.total_bytes);
        prop_assert_eq!(metainfo.encode(), bytes);
    }

    #[test]
    fn every_version_has_the_same_files(torrent in any_torrent()) {
        let decoded = Metainfo::decode(&torrent.encode()).unwrap();
        let (single, made) = match torrent.content {
            Content::Single(file) => (true, vec![file]),
            Content::Multiple(files) => (false, files),
        };
        prop_assert_eq!(decoded.info.single_file, single);
        let files: Vec<_> = decoded.info.files.iter().filter(|file| !file.padding).collect();
        prop_assert_eq!(files.len(), made.len());
        let mut pieces = 0;
        for (file, made) in files.into_iter().zip(made) {
            let below = if single { Vec::new() } else { made.path };
            prop_assert_eq!(&file.path, &core::iter::once(torrent.name.clone()).chain(below).collect::<PathBuf>());
            prop_assert_eq!((file.length_bytes, file.executable), (made.length_bytes, made.executable));
            prop_assert_eq!(file.pieces_root.is_some(), !made.layer.is_empty());
            for (within, node) in (0_u64..).zip(made.layer) {
                let (tree, _) = decoded.trees.as_ref().unwrap().of_piece(pieces).unwrap();
                prop_assert_eq!(Some(tree.root()), file.pieces_root);
                prop_assert_eq!(tree.node(tree.piece_level(), within), Some(node));
                pieces += 1;
            }
        }
    }

    #[test]
    fn any_damage_decodes_or_fails_without_panic(
        torrent in any_torrent(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = torrent.encode();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(metainfo) = Metainfo::decode(&bytes) {
            prop_assert_eq!(Metainfo::decode(&metainfo.encode()), Ok(metainfo));
        }
    }

    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>) {
        prop_assert!(Metainfo::decode(&bytes).is_err() || bytes.len() > 50);
    }
}
