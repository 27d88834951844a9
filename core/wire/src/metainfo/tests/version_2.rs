//! Torrents of version 2 and hybrids: what is read, and what is refused.

use std::collections::BTreeMap;

use keys::merkle::{FileTree, LEAF_BYTES};

use super::super::*;

const PIECE_BYTES: u32 = 2 * LEAF_BYTES;

/// A file of a test. Its content is told by its letter.
struct Sample {
    path: &'static [&'static str],
    length_bytes: u32,
    letter: u8,
}

/// Empty, of a leaf, of a piece, of several pieces, and below a folder.
const SAMPLES: &[Sample] = &[
    Sample { path: &["a"], length_bytes: 5, letter: b'a' },
    Sample { path: &["d", "b"], length_bytes: 3 * PIECE_BYTES + 1, letter: b'b' },
    Sample { path: &["d", "e"], length_bytes: 0, letter: b'e' },
    Sample { path: &["d.x"], length_bytes: PIECE_BYTES, letter: b'x' },
    Sample { path: &["z"], length_bytes: 2 * PIECE_BYTES - 1, letter: b'z' },
];

impl Sample {
    /// A digest for each piece: nobody asks whether there is content that has it.
    fn layer(&self) -> Vec<Digest32> {
        (0..self.length_bytes.div_ceil(PIECE_BYTES)).map(|_| [self.letter; 32]).collect()
    }

    fn tree(&self) -> Option<FileTree> {
        FileTree::new(self.length_bytes.into(), PIECE_BYTES, self.layer())
    }

    fn leaf(&self) -> OwnedValue {
        let root = self.tree().map(|tree| tree.root().to_vec());
        OwnedValue::dict().with("length", self.length_bytes).with_some("pieces root", root)
    }
}

fn dict(value: OwnedValue) -> BTreeMap<Vec<u8>, OwnedValue> {
    let OwnedValue::Dict(map) = value else { panic!("no dictionary: {value:?}") };
    map
}

/// `tree` with `value` at `path`, and the folders to it.
fn plant(tree: OwnedValue, path: &[&str], value: OwnedValue) -> OwnedValue {
    let Some((first, below)) = path.split_first() else { return value };
    let mut tree = dict(tree);
    let inner = tree.remove(first.as_bytes()).unwrap_or_else(OwnedValue::dict);
    tree.insert(first.as_bytes().to_vec(), plant(inner, below, value));
    OwnedValue::Dict(tree)
}

/// `value` without what is at `path`.
fn uproot(value: OwnedValue, path: &[&str]) -> OwnedValue {
    let mut map = dict(value);
    match path {
        [] => {}
        [key] => drop(map.remove(key.as_bytes())),
        [first, below @ ..] => {
            let inner = map.remove(first.as_bytes()).unwrap();
            map.insert(first.as_bytes().to_vec(), uproot(inner, below));
        }
    }
    OwnedValue::Dict(map)
}

fn file_tree(samples: &[Sample]) -> OwnedValue {
    samples.iter().fold(OwnedValue::dict(), |tree, sample| {
        plant(tree, &[sample.path, &[""]].concat(), sample.leaf())
    })
}

fn layers(samples: &[Sample]) -> OwnedValue {
    let long = samples.iter().filter(|sample| sample.length_bytes > PIECE_BYTES);
    long.fold(OwnedValue::dict(), |layers, sample| {
        let mut layers = dict(layers);
        let root = sample.tree().unwrap().root().to_vec();
        layers.insert(root, sample.layer().as_flattened().into());
        OwnedValue::Dict(layers)
    })
}

fn list(texts: &[&str]) -> OwnedValue {
    OwnedValue::List(texts.iter().map(|text| OwnedValue::from(*text)).collect())
}

fn v2_info() -> OwnedValue {
    OwnedValue::dict()
        .with("file tree", file_tree(SAMPLES))
        .with("meta version", 2_u32)
        .with("name", "n")
        .with("piece length", PIECE_BYTES)
}

fn entry(length_bytes: u32, path: &[&str]) -> OwnedValue {
    OwnedValue::dict().with("length", length_bytes).with("path", list(path))
}

fn padding(length_bytes: u32) -> OwnedValue {
    entry(length_bytes, &[".pad", &length_bytes.to_string()]).with("attr", "p")
}

/// `files` of version 1 for [`SAMPLES`], with padding behind the last.
fn listed() -> Vec<OwnedValue> {
    let mut files = Vec::new();
    for sample in SAMPLES {
        files.push(entry(sample.length_bytes, sample.path));
        let over = sample.length_bytes % PIECE_BYTES;
        files.extend((over > 0).then(|| padding(PIECE_BYTES - over)));
    }
    files
}

fn hybrid_info(files: Vec<OwnedValue>) -> OwnedValue {
    v2_info().with("files", files).with("pieces", vec![1_u8; 8 * 20])
}

fn decode(info: OwnedValue) -> Result<Metainfo, DecodeError> {
    decode_with(info, layers(SAMPLES))
}

fn decode_with(info: OwnedValue, layers: OwnedValue) -> Result<Metainfo, DecodeError> {
    let file = OwnedValue::dict().with("info", info).with("piece layers", layers);
    let metainfo = Metainfo::decode(&bencode::encode(&file))?;
    assert_eq!(metainfo.encode(), bencode::encode(&file));
    assert_eq!(Info::decode(&metainfo.info_bytes).as_ref(), Ok(&metainfo.info));
    Ok(metainfo)
}

/// Paths and lengths, padding in brackets.
fn shape(info: &Info) -> Vec<String> {
    let show = |file: &File| {
        let text = format!("{} {}", file.display_path(), file.length_bytes);
        if file.padding { format!("({text})") } else { text }
    };
    info.files.iter().map(show).collect()
}

#[test]
fn version_2_has_the_files_of_its_tree_and_the_padding_that_it_implies() {
    let metainfo = decode(v2_info()).unwrap();
    let info = &metainfo.info;
    assert_eq!(info.version(), Version::V2);
    assert_eq!(
        shape(info),
        [
            "n/a 5",
            "(n/.pad/32763 32763)",
            "n/d/b 98305",
            "(n/.pad/32767 32767)",
            "n/d/e 0",
            "n/d.x 32768",
            "n/z 65535"
        ]
    );
    assert_eq!((info.total_bytes, info.piece_count()), (5 + 98_305 + 32_768 + 65_535, 8));
    let lengths: Vec<_> = (0..9).map(|piece| info.piece_length(PieceIndex(piece))).collect();
    let whole = Some(PIECE_BYTES);
    let expected = [Some(5), whole, whole, whole, Some(1), whole, whole, Some(32_767), None];
    assert_eq!(lengths, expected);
    assert_eq!((info.single_file, &info.pieces), (false, &None));
    let name = InfoHashV2(sha256(&metainfo.info_bytes));
    assert_eq!(metainfo.info_hashes, InfoHashes::v2(name));
    let trees = metainfo.trees.unwrap();
    let (tree, within) = trees.of_piece(4).unwrap();
    assert_eq!((tree.root(), within), (SAMPLES[1].tree().unwrap().root(), 3));
    assert_eq!(info.files[2].pieces_root, Some(tree.root()));
}

#[test]
fn hybrid_has_both_names_and_the_files_of_version_1() {
    let metainfo = decode(hybrid_info(listed())).unwrap();
    let (v1, v2) = (sha1(&metainfo.info_bytes), sha256(&metainfo.info_bytes));
    assert_eq!(metainfo.info_hashes, InfoHashes::hybrid(InfoHash(v1), InfoHashV2(v2)));
    assert_eq!(metainfo.info.version(), Version::Hybrid);
    assert_eq!(shape(&metainfo.info).last().unwrap(), "(n/.pad/1 1)");
    let v2 = decode(v2_info()).unwrap();
    assert_eq!(metainfo.trees, v2.trees);
    assert_eq!(metainfo.info.piece_count(), v2.info.piece_count());
    // Without padding at the end, as libtorrent 2.0 made it.
    let mut files = listed();
    files.pop();
    let metainfo = decode(hybrid_info(files)).unwrap();
    assert_eq!(metainfo.info.files, v2.info.files);
}

#[test]
fn what_peers_tell_of_a_magnet_link_is_the_same_torrent() {
    let layers: BTreeMap<Digest32, Vec<u8>> = SAMPLES
        .iter()
        .filter(|sample| sample.length_bytes > PIECE_BYTES)
        .map(|sample| (sample.tree().unwrap().root(), sample.layer().as_flattened().to_vec()))
        .collect();
    let link = "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&tr=udp://t&tr=udp://u&ws=http://w/";
    let magnet = Magnet::decode(link).unwrap();
    for (info, whole) in
        [(v2_info(), true), (hybrid_info(listed()), true), (hybrid_info(listed()), false)]
    {
        let file = decode(info.clone()).unwrap();
        let layers = if whole { layers.clone() } else { BTreeMap::new() };
        let told = Metainfo::of_magnet(&bencode::encode(&info), &layers, &magnet).unwrap();
        assert_eq!(told.info_hashes, file.info_hashes);
        assert_eq!(told.trees, file.trees.filter(|_| whole), "a hybrid does without layers");
        assert_eq!(told.trackers, [["udp://t"], ["udp://u"]]);
        assert_eq!(told.url_list, ["http://w/"]);
        assert_eq!(Metainfo::decode(&told.encode()).is_ok(), whole);
    }
    let info = bencode::encode(&v2_info());
    let lacking = Metainfo::of_magnet(&info, &BTreeMap::new(), &magnet);
    assert!(matches!(lacking, Err(DecodeError::LayerMissing { .. })), "{lacking:?}");
    for bad in [&b"d1:ai1e"[..], b"dee3:foo1:x", b"de4:infode", b""] {
        assert!(Metainfo::of_magnet(bad, &BTreeMap::new(), &magnet).is_err(), "{bad:?}");
    }
}

#[test]
fn one_file_needs_no_folder_and_several_get_one() {
    let one = Sample { path: &["f"], length_bytes: 7, letter: 1 };
    let other = Sample { path: &["g"], length_bytes: 7, letter: 1 };
    let empty = Sample { path: &["h"], length_bytes: 0, letter: 0 };
    let below = Sample { path: &["d", "f"], length_bytes: 7, letter: 1 };
    for (samples, single, expected) in [
        (vec![one], true, vec!["f 7"]),
        (vec![below], false, vec!["n/d/f 7"]),
        (vec![other, empty], false, vec!["n/g 7", "n/h 0"]),
    ] {
        let info = v2_info().with("file tree", file_tree(&samples));
        let info = decode_with(info, OwnedValue::dict()).unwrap().info;
        assert_eq!(info.single_file, single, "{expected:?}");
        assert_eq!(shape(&info), expected);
    }
}

#[test]
fn links_and_attributes_of_a_tree_are_read() {
    let tree = plant(
        file_tree(SAMPLES),
        &["l", ""],
        OwnedValue::dict().with("attr", "xl").with("symlink path", list(&["d", "b"])),
    );
    let tree =
        plant(tree, &["d", "e", ""], OwnedValue::dict().with("attr", "xh").with("length", 0_u32));
    let info = decode(v2_info().with("file tree", tree)).unwrap().info;
    let named = |name: &str| info.files.iter().find(|file| file.path.ends_with(name)).unwrap();
    assert_eq!(named("l").symlink, Some("n/d/b".into()));
    assert!(named("e").executable && named("e").hidden);
}

#[test]
fn attributes_that_only_one_half_has_do_not_count() {
    let mut files = listed();
    files[0] = entry(5, &["a"]).with("attr", "x");
    let info = decode(hybrid_info(files)).unwrap().info;
    assert!(!info.files[0].executable);
}

#[test]
fn what_breaks_bep_52_without_harm_passes() {
    let folder = plant(file_tree(SAMPLES), &["empty folder"], OwnedValue::dict());
    let files = decode(v2_info()).unwrap().info.files;
    assert_eq!(decode(v2_info().with("file tree", folder)).unwrap().info.files, files);
    let leaf = OwnedValue::dict().with("length", 0_u32).with("pieces root", vec![0_u8; 32]);
    let rooted = plant(file_tree(SAMPLES), &["d", "e", ""], leaf);
    assert_eq!(decode(v2_info().with("file tree", rooted)).unwrap().info.files, files);
}

#[test]
fn sixty_four_components_fit_and_no_more() {
    let deep = |components: usize| {
        let path = vec!["p"; components];
        let leaf = Sample { path: &[], length_bytes: 1, letter: 1 }.leaf();
        let tree = plant(OwnedValue::dict(), &[path.as_slice(), &[""]].concat(), leaf);
        decode_with(v2_info().with("file tree", tree), OwnedValue::dict())
    };
    assert!(deep(64).is_ok());
    let too_deep = PathError::TooDeep { components: 65 };
    assert_eq!(deep(65).unwrap_err(), DecodeError::Path { file: 0, source: too_deep });
}

#[test]
fn few_bytes_that_spell_many_long_paths_are_refused() {
    let mut folder = OwnedValue::dict();
    for number in 0..60_000 {
        let leaf = plant(OwnedValue::dict(), &[""], OwnedValue::dict().with("length", 0_u32));
        folder.set(format!("{number:05}").as_str(), leaf);
    }
    let path = vec!["p"; 63];
    let tree = plant(OwnedValue::dict(), &path, folder);
    let refused = decode(v2_info().with("file tree", tree));
    assert_eq!(refused.unwrap_err(), DecodeError::PathsTooLong);
}

#[test]
fn every_fault_of_version_2_is_named() {
    use DecodeError as E;
    let info = v2_info;
    let tree = |path: &[&str], value: OwnedValue| {
        v2_info().with("file tree", plant(file_tree(SAMPLES), path, value))
    };
    let leaf = |key: &str, value: OwnedValue| tree(&["a", "", key], value);
    let without = |path: &[&str]| uproot(v2_info(), path);
    let in_file = |file, source| E::InFile { file, source: Box::new(source) };
    let wrong = |key, found| E::WrongType { key, found };
    let path = |file, source| E::Path { file, source };
    let both = |path: &str| PathError::FileAndFolder { path: path.to_owned() };
    let dots = || PathError::DotComponent { component: ".." };
    let bytes = |bytes: usize| OwnedValue::from(vec![1_u8; bytes]);
    let cases: Vec<(OwnedValue, DecodeError)> = vec![
        (info().with("meta version", 3_u32), E::MetaVersion { version: 3 }),
        // A later version is told before anything else that is wrong.
        (OwnedValue::dict().with("meta version", 9_u32), E::MetaVersion { version: 9 }),
        (info().with("meta version", "2"), wrong("meta version", "string")),
        (info().with("meta version", 1_u32), E::TreeWithoutVersion),
        (without(&["meta version"]), E::TreeWithoutVersion),
        (without(&["file tree"]), E::Missing { key: "file tree" }),
        (without(&["name"]), E::Missing { key: "name" }),
        (info().with("file tree", list(&[])), wrong("file tree", "list")),
        (info().with("file tree", OwnedValue::dict()), E::Empty),
        (info().with("piece length", 8192_u32), E::PieceLengthV2 { bytes: 8192 }),
        (info().with("piece length", 3 * 16_384_u32), E::PieceLengthV2 { bytes: 3 * 16_384 }),
        (info().with("piece length", 5_u32), E::PieceLength { bytes: 5 }),
        (tree(&["a"], 1_u32.into()), in_file(0, wrong("file tree", "integer"))),
        (tree(&["a", ""], 1_u32.into()), in_file(0, wrong("file tree", "integer"))),
        (tree(&["", "length"], 1_u32.into()), path(0, both(""))),
        (tree(&["a", "b"], OwnedValue::dict()), path(0, both("a"))),
        (tree(&["..", ""], SAMPLES[0].leaf()), path(0, dots())),
        (tree(&["d", "b\\", ""], SAMPLES[0].leaf()), {
            path(2, PathError::Separator { component: "b\\".to_owned() })
        }),
        (leaf("attr", "p".into()), in_file(0, E::PaddingInTree)),
        (without(&["file tree", "a", "", "length"]), in_file(0, E::Missing { key: "length" })),
        (leaf("length", "5".into()), in_file(0, wrong("length", "string"))),
        (leaf("length", OwnedValue::Int(-5)), E::NegativeLength { file: 0, bytes: -5 }),
        (without(&["file tree", "a", "", "pieces root"]), {
            in_file(0, E::Missing { key: "pieces root" })
        }),
        (leaf("pieces root", 1_u32.into()), in_file(0, wrong("pieces root", "integer"))),
        (leaf("pieces root", bytes(31)), in_file(0, E::RootLength { bytes: 31 })),
        (leaf("pieces root", bytes(33)), in_file(0, E::RootLength { bytes: 33 })),
        (leaf("pieces root", vec![0_u8; 32].into()), in_file(0, E::ZeroRoot)),
        (
            leaf("length", OwnedValue::Int(i64::MAX)),
            E::TooManyPieces { pieces: 281_474_976_710_663 },
        ),
        (
            tree(&["l", ""], {
                OwnedValue::dict().with("attr", "l").with("symlink path", list(&["..", "x"]))
            }),
            E::Link { file: 4, source: dots() },
        ),
        (tree(&["l", ""], OwnedValue::dict().with("attr", "l").with("symlink path", "x")), {
            in_file(4, wrong("symlink path", "string"))
        }),
    ];
    for (info, expected) in cases {
        let shown = format!("{info:?}");
        assert_eq!(decode(info), Err(expected), "{shown}");
    }
}

#[test]
fn too_many_files_are_refused_with_what_aligns_them() {
    let many = |count: usize| {
        let leaf = plant(OwnedValue::dict(), &[""], SAMPLES[0].leaf());
        let mut tree = OwnedValue::dict();
        (0..count).for_each(|number| tree.set(format!("{number:06}").as_str(), leaf.clone()));
        decode_with(v2_info().with("file tree", tree), OwnedValue::dict())
    };
    let half = FILES_MAX / 2;
    assert!(many(half).is_ok());
    assert_eq!(many(half + 1), Err(DecodeError::TooManyFiles { files: FILES_MAX + 1 }));
    assert_eq!(many(FILES_MAX + 9), Err(DecodeError::TooManyFiles { files: FILES_MAX + 1 }));
}

#[test]
fn tree_out_of_order_is_refused() {
    let bytes = bencode::encode(&v2_info());
    let (a, z) = (b"1:ad0:".as_slice(), b"1:zd0:".as_slice());
    let swapped: Vec<u8> = {
        let at = |name: &[u8]| bytes.windows(6).position(|window| window == name).unwrap();
        let mut swapped = bytes.clone();
        swapped[at(a) + 2] = b'z';
        swapped[at(z) + 2] = b'a';
        swapped
    };
    assert_eq!(Info::decode(&swapped), Err(DecodeError::TreeOrder { path: "d".to_owned() }));
}

#[test]
fn every_fault_of_piece_layers_is_named() {
    use DecodeError as E;
    let root = |sample: usize| SAMPLES[sample].tree().unwrap().root();
    let with = |root: Digest32, layer: OwnedValue| {
        let mut layers = dict(layers(SAMPLES));
        layers.insert(root.to_vec(), layer);
        OwnedValue::Dict(layers)
    };
    let mut lacking = dict(layers(SAMPLES));
    lacking.remove(root(1).as_slice());
    let path = || "n/d/b".to_owned();
    let length = |found| E::LayerLength { path: path(), found, needed: 128 };
    let layer = |bytes: usize| OwnedValue::from(vec![b'b'; bytes]);
    let mut wrong = vec![b'b'; 128];
    wrong[127] = b'c';
    let cases: Vec<(OwnedValue, DecodeError)> = vec![
        (list(&[]), E::WrongType { key: "piece layers", found: "list" }),
        (with(root(1), 1_u32.into()), E::WrongType { key: "piece layers", found: "integer" }),
        (OwnedValue::Dict(lacking), E::LayerMissing { path: path() }),
        (OwnedValue::dict(), E::LayerMissing { path: path() }),
        (with(root(1), layer(96)), length(96)),
        (with(root(1), layer(160)), length(160)),
        (with(root(1), layer(127)), length(127)),
        (with(root(1), layer(0)), length(0)),
        (with(root(1), wrong.into()), E::LayerMismatch { path: path() }),
        (with([0xab; 32], layer(64)), E::LayerUnknown { root: "ab".repeat(32) }),
        // A file of one piece needs none.
        (with(root(3), layer(32)), {
            E::LayerUnknown { root: root(3).iter().map(|byte| format!("{byte:02x}")).collect() }
        }),
    ];
    for (layers, expected) in cases {
        let shown = format!("{layers:?}");
        assert_eq!(decode_with(v2_info(), layers.clone()), Err(expected.clone()), "{shown}");
        assert_eq!(decode_with(hybrid_info(listed()), layers), Err(expected), "{shown}");
    }
    let without = bencode::encode(&OwnedValue::dict().with("info", v2_info()));
    assert_eq!(Metainfo::decode(&without), Err(E::Missing { key: "piece layers" }));
}

#[test]
fn layer_may_serve_several_files_of_the_same_content() {
    let twins = [
        Sample { path: &["a"], length_bytes: 2 * PIECE_BYTES, letter: 1 },
        Sample { path: &["b"], length_bytes: 2 * PIECE_BYTES, letter: 1 },
    ];
    let info = v2_info().with("file tree", file_tree(&twins));
    let trees = decode_with(info, layers(&twins)).unwrap().trees.unwrap();
    assert_eq!(trees.of_piece(1).unwrap().0, trees.of_piece(3).unwrap().0);
}

#[test]
fn halves_that_disagree_are_told_where() {
    use HalvesError as E;
    let changed = |change: &dyn Fn(&mut Vec<OwnedValue>)| {
        let mut files = listed();
        change(&mut files);
        hybrid_info(files)
    };
    let path = |name: &str| format!("n/{name}");
    let link = || entry(0, &["d", "e"]).with("attr", "l").with("symlink path", list(&["a"]));
    let cases: Vec<(OwnedValue, HalvesError)> = vec![
        (changed(&|files| files[0] = entry(5, &["A"])), E::Path { v1: path("A"), v2: path("a") }),
        // The order of version 1 is not that of the tree.
        (changed(&|files| files.swap(2, 5)), E::Path { v1: path("d.x"), v2: path("d/b") }),
        (changed(&|files| files[0] = entry(6, &["a"])), {
            E::Length { path: path("a"), v1: 6, v2: 5 }
        }),
        (changed(&|files| files.truncate(6)), E::Alone { version: 2, path: path("z") }),
        (
            changed(&|files| files.push(entry(0, &["zz"]))),
            E::Alone { version: 1, path: path("zz") },
        ),
        (changed(&|files| drop(files.remove(1))), {
            E::Alignment { path: path("d/b"), found: 5, needed: PIECE_BYTES.into() }
        }),
        (changed(&|files| files[1] = padding(2 * PIECE_BYTES - 5)), {
            let (found, needed) = ((2 * PIECE_BYTES).into(), PIECE_BYTES.into());
            E::Alignment { path: path("d/b"), found, needed }
        }),
        (changed(&|files| files[4] = link()), E::Link { path: path("d/e") }),
        (changed(&|files| files.push(padding(PIECE_BYTES))), E::Pieces { v1: 9, v2: 8 }),
        // One file in version 1, several in version 2.
        (v2_info().with("length", 5_u32).with("pieces", vec![1_u8; 20]), {
            E::Path { v1: "n".to_owned(), v2: path("a") }
        }),
    ];
    for (info, expected) in cases {
        let shown = format!("{info:?}");
        assert_eq!(decode(info), Err(DecodeError::Halves(expected)), "{shown}");
    }
    let half = uproot(hybrid_info(listed()), &["pieces"]);
    assert_eq!(decode(half), Err(DecodeError::Missing { key: "pieces" }));
    let other = uproot(hybrid_info(listed()), &["files"]);
    assert_eq!(decode(other), Err(DecodeError::Missing { key: "length" }));
    let count = DecodeError::PieceCount { found: 7, needed: 8 };
    assert_eq!(decode(hybrid_info(listed()).with("pieces", vec![1_u8; 140])), Err(count));
}
