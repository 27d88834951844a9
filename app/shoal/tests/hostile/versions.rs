//! What BEP 52 forbids: version 2, hybrids, and what calls itself either.

use wire::bencode::OwnedValue;

use crate::notation::{CONTENT, Torrent, hybrid, int, list, one, raw, second, strings};
use crate::program::{Refused, assert_refused, row};

const FAULTY: &str =
    "the program that made it did it wrong; look for another torrent of the same content";
const HARMFUL: &str =
    "no honest program writes such a path; look for another torrent of the same content";
const NEWER: &str =
    "a newer shoal may know it; or look for a torrent of version 1 of the same content";
const LARGER_PIECES: &str = "whoever made it can make it again with larger pieces";

/// A leaf of the tree: a file of so many bytes.
fn leaf(length_bytes: i64) -> OwnedValue {
    let root = keys::sha256(CONTENT).to_vec();
    OwnedValue::dict().with("length", length_bytes).with("pieces root", root)
}

/// A file of two pieces called `f`, and its layer.
fn long() -> (Torrent, OwnedValue) {
    let layer = [[1_u8; 32], [2; 32]];
    let root = keys::merkle::parent(&layer[0], &layer[1]);
    let torrent = second("f").set("info/file tree/f//length", int(32_768));
    let torrent = torrent.set("info/file tree/f//pieces root", root.to_vec());
    let layers = OwnedValue::dict().with(root, layer.as_flattened());
    (torrent, layers)
}

#[rustfmt::skip]
fn trees() -> Vec<Refused> {
    let two = |other: OwnedValue| second("f").set("info/file tree/g", OwnedValue::dict().with("", other));
    let link = |target: &[&str]| two(OwnedValue::dict().with("attr", "l").with("symlink path", strings(target)));
    vec![
        row("version 3", second("f").set("info/meta version", int(3)), "it is of version 3 of BitTorrent; shoal knows 1 and 2", NEWER),
        row("a later version, and all else is wrong", raw_info(b"d12:meta versioni99ee"), "it is of version 99 of BitTorrent; shoal knows 1 and 2", NEWER),
        row("a version in words", second("f").set("info/meta version", "two"), "`meta version` must be an integer; found a string", FAULTY),
        row("a tree in version 1", one("f").set("info/file tree", raw("de")), "it has a `file tree`, but no `meta version` 2", FAULTY),
        row("a tree in what says it is version 1", hybrid("f").set("info/meta version", int(1)), "it has a `file tree`, but no `meta version` 2", FAULTY),
        row("no tree", second("f").without("info/file tree"), "`file tree` is missing", FAULTY),
        row("a tree that is a list", second("f").set("info/file tree", strings(&["f"])), "`file tree` must be a tree of dictionaries; found a list", FAULTY),
        row("an empty tree", second("f").set("info/file tree", raw("de")), "it has no content: no file, or only empty ones", FAULTY),
        row("a folder of nothing", second("f").set("info/file tree/f", raw("de")), "it has no content: no file, or only empty ones", FAULTY),
        row("an empty file", second("f").set("info/file tree/f//length", int(0)), "it has no content: no file, or only empty ones", FAULTY),
        row("a leaf that is a string", second("f").set("info/file tree/f", "f"), "file 1: `file tree` must be a tree of dictionaries; found a string", FAULTY),
        row("a file that is an integer", second("f").set("info/file tree/f/", int(5)), "file 1: `file tree` must be a tree of dictionaries; found an integer", FAULTY),
        row("the tree is a file", second("f").set("info/file tree/", leaf(5)), "the path of file 1 needs one name for a file and a folder: \"\"", FAULTY),
        row("a file with a file below it", second("f").set("info/file tree/f/g", OwnedValue::dict().with("", leaf(5))), "the path of file 1 needs one name for a file and a folder: \"f\"", FAULTY),
        row("a tree out of order", Torrent::from_bytes(&unsorted()), "`file tree` is out of order at \"a\"", FAULTY),
        row("a name twice", Torrent::from_bytes(&replaced(&two(leaf(5)).encode(), b"1:gd0:", b"1:fd0:")), "not bencode: dictionary that ends at byte 89 has a key twice", "it is damaged, or no torrent file at all; download it again"),
        row("dots", second("..").set("info/name", "f"), "the path of file 1 has the component \"..\"", HARMFUL),
        row("dots as the name", second("f").set("info/name", ".."), "the name has the component \"..\"", HARMFUL),
        row("a backslash", second("a\\b").set("info/name", "f"), "the path of file 1 has a slash, a backslash or a zero byte inside the component \"a\\b\"", HARMFUL),
        row("65 folders", second("f").set("info/file tree/f", raw([&b"d1:x".repeat(64)[..], b"d0:d6:lengthi5e11:pieces root32:", &keys::sha256(CONTENT), b"ee", &b"e".repeat(64)].concat())), "the path of file 1 has 65 components, more than 64", FAULTY),
        row("a link that leads out", link(&["..", "etc"]), "the link of file 2 leads to a path that has the component \"..\"", HARMFUL),
        row("padding", second("f").set("info/file tree/f//attr", "p"), "file 1: it is padding, which has no place in `file tree`", FAULTY),
        row("no length", second("f").without("info/file tree/f//length"), "file 1: `length` is missing", FAULTY),
        row("a length below zero", second("f").set("info/file tree/f//length", int(-5)), "file 1 has the negative length -5", FAULTY),
        row("a length of 2^63-1", second("f").set("info/file tree/f//length", int(i64::MAX)), "562949953421312 pieces exceed the limit of 2097152", LARGER_PIECES),
        row("lengths of 2^64", two(leaf(i64::MAX)).set("info/file tree/f//length", int(i64::MAX)).set("info/file tree/h", OwnedValue::dict().with("", leaf(i64::MAX))), "the files together are longer than 64 bits can say", FAULTY),
        row("no root", second("f").without("info/file tree/f//pieces root"), "file 1: `pieces root` is missing", FAULTY),
        row("a root of zeros", second("f").set("info/file tree/f//pieces root", vec![0; 32]), "file 1: `pieces root` is zero", FAULTY),
        row("a root of SHA-1", second("f").set("info/file tree/f//pieces root", vec![1; 20]), "file 1: `pieces root` has 20 bytes, not 32", FAULTY),
        row("a root that is a list", second("f").set("info/file tree/f//pieces root", raw("le")), "file 1: `pieces root` must be a string; found a list", FAULTY),
        row("pieces of less than a block", second("f").set("info/piece length", int(8192)), "piece length 8192 is not a power of two from 16384 on, as version 2 wants it", FAULTY),
        row("pieces of three blocks", second("f").set("info/piece length", int(49_152)), "piece length 49152 is not a power of two from 16384 on, as version 2 wants it", FAULTY),
    ]
}

/// A torrent file around the bytes of an `info`.
fn raw_info(info: &[u8]) -> Torrent {
    one("f").set("info", raw(info))
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// Two files, of which the second comes first.
fn unsorted() -> Vec<u8> {
    let good = second("f").set("info/file tree/g", OwnedValue::dict().with("", leaf(5)));
    replaced(&good.encode(), b"1:gd0:", b"1:ad0:")
}

#[rustfmt::skip]
fn layers() -> Vec<Refused> {
    let (long, good) = long();
    let (other, _) = (OwnedValue::dict().with([0xab; 32], vec![1; 64]), ());
    let OwnedValue::Dict(map) = &good else { unreachable!() };
    let root = map.keys().next().unwrap().clone();
    let of = |layer: OwnedValue| OwnedValue::dict().with(root.clone(), layer);
    let mut both = other.clone();
    both.set(root.clone(), [[1_u8; 32], [2; 32]].as_flattened());
    let swapped = [[2_u8; 32], [1; 32]].as_flattened().to_vec();
    let with = |layers: OwnedValue| long.clone().set("piece layers", layers);
    vec![
        row("no layers", second("f").without("piece layers"), "`piece layers` is missing", FAULTY),
        row("layers in `info`", second("f").without("piece layers").set("info/piece layers", raw("de")), "`piece layers` is missing", FAULTY),
        row("layers that are a list", second("f").set("piece layers", raw("le")), "`piece layers` must be a dictionary of strings; found a list", FAULTY),
        row("a layer that is a list", with(of(strings(&["a"]))), "`piece layers` must be a dictionary of strings; found a list", FAULTY),
        row("a layer that lacks", with(raw("de")), "`piece layers` lacks that of \"f\"", FAULTY),
        row("a layer of another root", with(other.clone()), "`piece layers` lacks that of \"f\"", FAULTY),
        row("a layer of one piece", with(of(vec![1; 32].into())), "the piece layer of \"f\" has 32 bytes, but its pieces need 64", FAULTY),
        row("a layer of a piece too many", with(of(vec![1; 96].into())), "the piece layer of \"f\" has 96 bytes, but its pieces need 64", FAULTY),
        row("a layer of a byte too few", with(of(vec![1; 63].into())), "the piece layer of \"f\" has 63 bytes, but its pieces need 64", FAULTY),
        row("a layer of nothing", with(of("".into())), "the piece layer of \"f\" has 0 bytes, but its pieces need 64", FAULTY),
        row("a layer of other pieces", with(of(vec![1; 64].into())), "the piece layer of \"f\" does not hash to its `pieces root`", FAULTY),
        row("a layer in another order", with(of(swapped.into())), "the piece layer of \"f\" does not hash to its `pieces root`", FAULTY),
        row("a layer of an unknown file", with(both), "`piece layers` has one of no file longer than a piece: abababababababababababababababababababababababababababababababab", FAULTY),
        row("a layer of a file of one piece", second("f").set("piece layers", OwnedValue::dict().with(keys::sha256(CONTENT), keys::sha256(CONTENT).to_vec())), "`piece layers` has one of no file longer than a piece: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", FAULTY),
        row("a layer of a short root", second("f").set("piece layers", OwnedValue::dict().with("\x1b[2J", "x")), "`piece layers` has one of no file longer than a piece: 1b5b324a", FAULTY),
        row("a layer too many in a hybrid", hybrid("f").set("piece layers", other), "`piece layers` has one of no file longer than a piece: abababababababababababababababababababababababababababababababab", FAULTY),
    ]
}

#[rustfmt::skip]
fn halves() -> Vec<Refused> {
    let file = |length: i64, path: &[&str]| OwnedValue::dict().with("length", int(length)).with("path", strings(path));
    let padding = |length: i64| file(length, &[".pad", "x"]).with("attr", "p");
    // `a` of 5 bytes and `b` of 5, both aligned.
    let folder = |files: &[OwnedValue], pieces: usize| {
        let tree = OwnedValue::dict().with("a", OwnedValue::dict().with("", leaf(5))).with("b", OwnedValue::dict().with("", leaf(5)));
        hybrid("d").without("info/length").set("info/files", list(files)).set("info/pieces", vec![1; 20 * pieces]).set("info/file tree", tree)
    };
    let (a, b) = (file(5, &["a"]), file(5, &["b"]));
    vec![
        row("half of version 1", hybrid("f").without("info/pieces"), "`pieces` is missing", FAULTY),
        row("the other half of version 1", hybrid("f").without("info/length"), "`length` is missing", FAULTY),
        row("another length", hybrid("f").set("info/length", int(6)), "the parts of version 1 and 2 do not agree: \"f\" has 6 bytes in version 1, but 5 in version 2", FAULTY),
        row("another name", hybrid("f").set("info/name", "g"), "the parts of version 1 and 2 do not agree: where version 1 has \"g\", version 2 has \"f\"", FAULTY),
        row("escapes in another name", hybrid("f").set("info/name", "\x1b[2Jg\u{202e}"), "the parts of version 1 and 2 do not agree: where version 1 has \"_[2Jg_\", version 2 has \"f\"", FAULTY),
        row("several files in one of them", hybrid("f").set("info/file tree/g", OwnedValue::dict().with("", leaf(5))), "the parts of version 1 and 2 do not agree: where version 1 has \"f\", version 2 has \"f/f\"", FAULTY),
        row("no padding", folder(&[a.clone(), b.clone()], 1), "the parts of version 1 and 2 do not agree: \"d/b\" begins at byte 5 in version 1, but at 16384 in version 2", FAULTY),
        row("too little padding", folder(&[a.clone(), padding(16_378), b.clone()], 1), "the parts of version 1 and 2 do not agree: \"d/b\" begins at byte 16383 in version 1, but at 16384 in version 2", FAULTY),
        row("a piece of padding too many", folder(&[a.clone(), padding(32_763), b.clone()], 3), "the parts of version 1 and 2 do not agree: \"d/b\" begins at byte 32768 in version 1, but at 16384 in version 2", FAULTY),
        row("padding behind the end", folder(&[a.clone(), padding(16_379), b.clone(), padding(32_763)], 3), "the parts of version 1 and 2 do not agree: version 1 has 3 pieces, version 2 has 2", FAULTY),
        row("another order", folder(&[b.clone(), padding(16_379), a.clone()], 2), "the parts of version 1 and 2 do not agree: where version 1 has \"d/b\", version 2 has \"d/a\"", FAULTY),
        row("a file that only version 1 has", folder(&[a.clone(), padding(16_379), b, file(0, &["c"])], 2), "the parts of version 1 and 2 do not agree: only version 1 has \"d/c\"", FAULTY),
        row("a file that only version 2 has", folder(std::slice::from_ref(&a), 1), "the parts of version 1 and 2 do not agree: only version 2 has \"d/b\"", FAULTY),
        row("a link in one of them", folder(&[a, padding(16_379), file(5, &["b"]).with("attr", "l").with("symlink path", strings(&["a"]))], 1), "the parts of version 1 and 2 do not agree: \"d/b\" is not the same link in both", FAULTY),
        row("a digest too many", hybrid("f").set("info/pieces", vec![0; 40]), "the number of piece hashes is 2, but its files need 1", FAULTY),
    ]
}

#[test]
fn trees_that_cannot_be_are_refused() {
    assert_refused(&trees());
}

#[test]
fn layers_that_do_not_fit_are_refused() {
    assert_refused(&layers());
}

#[test]
fn halves_that_disagree_are_refused() {
    assert_refused(&halves());
}
