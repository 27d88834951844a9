//! Sizes, pieces and types that a torrent file must not have.

use wire::bencode::OwnedValue;

use crate::notation::{files, int, list, one, raw, strings, two};
use crate::program::{Refused, assert_refused, row};

const FAULTY: &str =
    "the program that made it did it wrong; look for another torrent of the same content";
const NEWER: &str =
    "a newer shoal may know it; or look for a torrent of version 1 of the same content";
const LARGER_PIECES: &str = "whoever made it can make it again with larger pieces";
const FEWER_FILES: &str =
    "whoever made it can pack the files into an archive, or make several torrents";

#[rustfmt::skip]
fn missing_and_mistyped() -> Vec<Refused> {
    vec![
        row("no name", one("f").without("info/name"), "`name` is missing", FAULTY),
        row("no piece length", one("f").without("info/piece length"), "`piece length` is missing", FAULTY),
        row("no pieces", one("f").without("info/pieces"), "`pieces` is missing", FAULTY),
        row("neither length nor files", one("f").without("info/length"), "`length` is missing", FAULTY),
        row("a later version", one("f").set("info/meta version", int(3)), "it is of version 3 of BitTorrent; shoal knows 1 and 2", NEWER),
        row("name is an integer", one("f").set("info/name", int(1)), "`name` must be a string; found an integer", FAULTY),
        row("name is a list", one("f").set("info/name", strings(&["f"])), "`name` must be a string; found a list", FAULTY),
        row("piece length is a string", one("f").set("info/piece length", "16384"), "`piece length` must be an integer; found a string", FAULTY),
        row("pieces is a list", one("f").set("info/pieces", strings(&["aaaaaaaaaaaaaaaaaaaa"])), "`pieces` must be a string; found a list", FAULTY),
        row("pieces is an integer", one("f").set("info/pieces", int(20)), "`pieces` must be a string; found an integer", FAULTY),
        row("length is a string", one("f").set("info/length", "5"), "`length` must be an integer; found a string", FAULTY),
        row("length is a dictionary", one("f").set("info/length", raw("de")), "`length` must be an integer; found a dictionary", FAULTY),
        row("private is a string", one("f").set("info/private", "1"), "`private` must be an integer; found a string", FAULTY),
        row("private is a list", one("f").set("info/private", raw("le")), "`private` must be an integer; found a list", FAULTY),
        row("files is an integer", two("d").set("info/files", int(2)), "`files` must be a list of dictionaries; found an integer", FAULTY),
        row("files is a dictionary", two("d").set("info/files", raw("de")), "`files` must be a list of dictionaries; found a dictionary", FAULTY),
        row("the first file is a string", two("d").set("info/files/0", "a"), "file 1: `files` must be a list of dictionaries; found a string", FAULTY),
        row("the second file is a list", two("d").set("info/files/1", raw("le")), "file 2: `files` must be a list of dictionaries; found a list", FAULTY),
        row("a file without a path", two("d").without("info/files/1/path"), "file 2: `path` is missing", FAULTY),
        row("a file without a length", two("d").without("info/files/0/length"), "file 1: `length` is missing", FAULTY),
        row("a path is a string", two("d").set("info/files/0/path", "a"), "file 1: `path` must be a list of strings; found a string", FAULTY),
        row("a path is an integer", two("d").set("info/files/0/path", int(0)), "file 1: `path` must be a list of strings; found an integer", FAULTY),
        row("a component is an integer", two("d").set("info/files/1/path/0", int(0)), "file 2: `path` must be a list of strings; found an integer", FAULTY),
        row("a component is a list", two("d").set("info/files/1/path/1", strings(&["c"])), "file 2: `path` must be a list of strings; found a list", FAULTY),
        row("a length is a string in a list", two("d").set("info/files/1/length", "3"), "file 2: `length` must be an integer; found a string", FAULTY),
        row("a link leads to an integer", two("d").set("info/files/0/attr", "l").set("info/files/0/symlink path", int(1)), "file 1: `symlink path` must be a list of strings; found an integer", FAULTY),
    ]
}

#[rustfmt::skip]
fn sizes() -> Vec<Refused> {
    let piece = |bytes: i64| one("f").set("info/piece length", int(bytes));
    let long = |bytes: i64| one("f").set("info/length", int(bytes));
    let half = 1_i64 << 62;
    vec![
        row("a length below zero", long(-1), "file 1 has the negative length -1", FAULTY),
        row("the smallest length", long(i64::MIN), "file 1 has the negative length -9223372036854775808", FAULTY),
        row("a second length below zero", files("d", &[(5, &["a"]), (-5, &["b"])]), "file 2 has the negative length -5", FAULTY),
        row("lengths that cancel out", files("d", &[(10, &["a"]), (-5, &["b"])]), "file 2 has the negative length -5", FAULTY),
        row("a length of 2^63-1", long(i64::MAX), "the number of piece hashes is 1, but its files need 562949953421312", FAULTY),
        row("a length of an exbibyte", long(1 << 60), "the number of piece hashes is 1, but its files need 70368744177664", FAULTY),
        row("a sum of 2^63", files("d", &[(half, &["a"]), (half, &["b"])]), "the number of piece hashes is 1, but its files need 562949953421312", FAULTY),
        row("a sum of 2^64", files("d", &[(half, &["a"]), (half, &["b"]), (half, &["c"]), (half, &["d"])]), "the files together are longer than 64 bits can say", FAULTY),
        row("three lengths of 2^63-1", files("d", &[(i64::MAX, &["a"]), (i64::MAX, &["b"]), (i64::MAX, &["c"])]), "the files together are longer than 64 bits can say", FAULTY),
        row("no byte", long(0), "it has no content: no file, or only empty ones", FAULTY),
        row("no file", files("d", &[]), "it has no content: no file, or only empty ones", FAULTY),
        row("only empty files", files("d", &[(0, &["a"]), (0, &["b"])]), "it has no content: no file, or only empty ones", FAULTY),
        row("only a link", files("d", &[(5, &["a"])]).set("info/files/0/attr", "l").set("info/files/0/symlink path", strings(&["b"])), "it has no content: no file, or only empty ones", FAULTY),
        row("half a million files and one", two("d").set("info/files", list(&vec![int(0); 500_001])), "500001 files exceed the limit of 500000", FEWER_FILES),
        row("pieces of nothing", piece(0), "piece length 0 is not between 1024 and 268435456", FAULTY),
        row("pieces of one byte", piece(1), "piece length 1 is not between 1024 and 268435456", FAULTY),
        row("pieces of three bytes", piece(3), "piece length 3 is not between 1024 and 268435456", FAULTY),
        row("pieces below zero", piece(-16_384), "piece length -16384 is not between 1024 and 268435456", FAULTY),
        row("pieces of a byte too few", piece(1023), "piece length 1023 is not between 1024 and 268435456", FAULTY),
        row("pieces of a byte too many", piece(268_435_457), "piece length 268435457 is not between 1024 and 268435456", FAULTY),
        row("pieces of 2^31", piece(1 << 31), "piece length 2147483648 is not between 1024 and 268435456", FAULTY),
        row("pieces of 2^32", piece(1 << 32), "piece length 4294967296 is not between 1024 and 268435456", FAULTY),
        row("pieces of 2^63-1", piece(i64::MAX), "piece length 9223372036854775807 is not between 1024 and 268435456", FAULTY),
        row("pieces of 2^63", one("f").set("info/piece length", raw("i9223372036854775808e")), "not bencode: number at byte 44 does not fit 64 bits", "it is damaged, or no torrent file at all; download it again"),
        row("no digest", one("f").set("info/pieces", ""), "the number of piece hashes is 0, but its files need 1", FAULTY),
        row("a digest too many", one("f").set("info/pieces", vec![0; 40]), "the number of piece hashes is 2, but its files need 1", FAULTY),
        row("a digest too few", long(16_385), "the number of piece hashes is 1, but its files need 2", FAULTY),
        row("a byte too few in the digests", one("f").set("info/pieces", vec![0; 19]), "`pieces` has 19 bytes, not a multiple of 20", FAULTY),
        row("a byte too many in the digests", one("f").set("info/pieces", vec![0; 21]), "`pieces` has 21 bytes, not a multiple of 20", FAULTY),
        row("two million pieces and one", one("f").set("info/pieces", vec![0; 20 * 2_097_153]), "2097153 pieces exceed the limit of 2097152", LARGER_PIECES),
        row("files of the wrong sum", two("d").set("info/files/1/length", int(16_383)), "the number of piece hashes is 1, but its files need 2", FAULTY),
        row("files win over a length", two("d").set("info/length", int(5)).set("info/files", list(&[OwnedValue::dict().with("length", int(-1)).with("path", strings(&["a"]))])), "file 1 has the negative length -1", FAULTY),
    ]
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    assert_refused(&missing_and_mistyped());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    assert_refused(&sizes());
}
