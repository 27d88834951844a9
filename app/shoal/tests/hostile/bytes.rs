//! Files that are no bencode, or bencode of something else.

use crate::notation::{one, raw};
use crate::program::{Refused, assert_refused, row};

const CUT_OFF: &str = "its download ended early; download it again";
const NOT_FINISHED: &str = "its download is not finished; wait for it, or download it again";
const DAMAGED: &str = "it is damaged, or no torrent file at all; download it again";
const STRANGE: &str = "no usual torrent is like that; look for another one of the same content";
const UNPACK: &str = "unpack it first; the torrent file may be inside";
const CHANGED: &str = "an editor or a copy in text mode changed it; download it again";
const NOT_THE_FILE: &str = "take the file that ends in .torrent, not what it is about";
const PROGRAM: &str = "do not run it; take the file that ends in .torrent";
const PAGE: &str = "take the link of the file itself; the site may want a login";
const LINK: &str = "give the link itself to shoal";

/// What people save as a torrent file, and is none.
#[rustfmt::skip]
fn other_formats() -> Vec<Refused> {
    vec![
        row("empty", b"", "it is empty", "its download failed; download it again"),
        row("web page", b"<!DOCTYPE html><html>", "it is a web page, not a torrent file", PAGE),
        row("web page behind blank lines", b"\r\n\n <html>", "it is a web page, not a torrent file", PAGE),
        row("web page with a byte order mark", b"\xef\xbb\xbf<html>", "it is a web page, not a torrent file", PAGE),
        row("XML", b"<?xml version=\"1.0\"?><Error>", "it is a web page, not a torrent file", PAGE),
        row("gzip", b"\x1f\x8b\x08\0\0\0\0\0", "it is compressed with gzip, not a torrent file", "unpack it first, as with gunzip"),
        row("bzip2", b"BZh91AY", "it is compressed with bzip2, not a torrent file", "unpack it first, as with bunzip2"),
        row("xz", b"\xfd7zXZ\0\0", "it is compressed with xz, not a torrent file", "unpack it first, as with unxz"),
        row("zstd", b"\x28\xb5\x2f\xfd\x04", "it is compressed with zstd, not a torrent file", "unpack it first, as with unzstd"),
        row("zip", b"PK\x03\x04\x14", "it is a ZIP archive, not a torrent file", UNPACK),
        row("7z", b"7z\xbc\xaf\x27\x1c\0", "it is a 7z archive, not a torrent file", UNPACK),
        row("rar", b"Rar!\x1a\x07", "it is a RAR archive, not a torrent file", UNPACK),
        row("pdf", b"%PDF-1.7\n", "it is a PDF document, not a torrent file", NOT_THE_FILE),
        row("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF", "it is a JPEG picture, not a torrent file", NOT_THE_FILE),
        row("png", b"\x89PNG\r\n\x1a\n", "it is a PNG picture, not a torrent file", NOT_THE_FILE),
        row("gif", b"GIF89a", "it is a GIF picture, not a torrent file", NOT_THE_FILE),
        row("the film itself", b"\x1aE\xdf\xa3\x01", "it is a Matroska video, not a torrent file", NOT_THE_FILE),
        row("program", b"\x7fELF\x02\x01", "it is a program, not a torrent file", PROGRAM),
        row("Windows program", b"MZ\x90\0", "it is a program for Windows, not a torrent file", PROGRAM),
        row("our own database", b"SQLite format 3\0\x10\0", "it is an SQLite database, not a torrent file", NOT_THE_FILE),
        row("UTF-16, little end first", b"\xff\xfed\08\0", "it is text in UTF-16, not a torrent file", CHANGED),
        row("UTF-16, big end first", b"\xfe\xff\0d\08", "it is text in UTF-16, not a torrent file", CHANGED),
        row("byte order mark before a torrent", [b"\xef\xbb\xbf", &one("f").encode()[..]].concat(), "it is marked as UTF-8 text, not a torrent file", CHANGED),
        row("JSON error of a site", b"{\"error\":\"login\"}", "it is JSON text, not a torrent file", "a server sent a message in place of the file; open it in an editor"),
        row("magnet link in a file", b"magnet:?xt=urn:btih:0", "it is a magnet link, not a torrent file", "give the link itself, in single quotes"),
        row("link in a file", b"https://example.org/a.torrent\n", "it is a link, not a torrent file", LINK),
        row("http link in a file", b"http://example.org/a.torrent\n", "it is a link, not a torrent file", LINK),
        row("allocated, never downloaded", vec![0; 5000], "it is full of zeros, not a torrent file", NOT_FINISHED),
        row("plain text", b"Not Found", "not bencode: byte 0x4e at 0 where a value was expected", DAMAGED),
        row("terminal escapes", b"\x1b[2J\x1b]0;pwned\x07", "not bencode: byte 0x1b at 0 where a value was expected", DAMAGED),
        row("random", b"\xde\xad\xbe\xef", "not bencode: byte 0xde at 0 where a value was expected", DAMAGED),
        row("blank before a torrent", [b" ", &one("f").encode()[..]].concat(), "not bencode: byte 0x20 at 0 where a value was expected", DAMAGED),
    ]
}

/// Bencode with faults.
#[rustfmt::skip]
fn faulty_bencode() -> Vec<Refused> {
    let info = |text: &str| one("f").set("info", raw(text));
    vec![
        row("nothing but the start", b"d", "cut off: input ends at byte 1, inside a dictionary", CUT_OFF),
        row("a torrent up to its info", one("f").cut(9), "cut off: input ends at byte 9, inside a string's length", CUT_OFF),
        row("a torrent up to a key", one("f").cut(12), "cut off: string of 6 bytes at 8 is longer than the 2 left", CUT_OFF),
        row("a torrent up to a number", one("f").cut(18), "cut off: input ends at byte 18, inside an integer", CUT_OFF),
        row("a torrent up to its digests", one("f").cut(70), "cut off: string of 20 bytes at 58 is longer than the 9 left", CUT_OFF),
        row("a torrent without its last byte", one("f").cut(82), "cut off: input ends at byte 82, inside a dictionary", CUT_OFF),
        row("a list without end", b"l1:a", "cut off: input ends at byte 4, inside a list", CUT_OFF),
        row("an integer without end", b"d4:infoi5", "cut off: input ends at byte 9, inside an integer", CUT_OFF),
        row("a value without length", b"d4:info20", "cut off: input ends at byte 9, inside a string's length", CUT_OFF),
        row("a length beyond the file", info("99:abc"), "cut off: string of 99 bytes at 7 is longer than the 4 left", CUT_OFF),
        row("a length of 2^63", info("9223372036854775808:a"), "cut off: string of 9223372036854775808 bytes at 7 is longer than the 2 left", CUT_OFF),
        row("a length of 2^64", info("18446744073709551616:a"), "not bencode: number at byte 7 does not fit 64 bits", DAMAGED),
        row("a length of a thousand digits", [b"d4:info", "9".repeat(1000).as_bytes(), b":e"].concat(), "not bencode: number at byte 7 does not fit 64 bits", DAMAGED),
        row("a length with a leading zero", info("01:a"), "not bencode: number at byte 7 is not in its shortest form", DAMAGED),
        row("a negative length", info("-1:a"), "not bencode: byte 0x2d at 7 where a value was expected", DAMAGED),
        row("an integer with a leading zero", info("i05e"), "not bencode: number at byte 8 is not in its shortest form", DAMAGED),
        row("minus zero", info("i-0e"), "not bencode: number at byte 8 is not in its shortest form", DAMAGED),
        row("two minuses", info("i--1e"), "not bencode: byte 0x2d at 9 where a digit was expected", DAMAGED),
        row("an empty integer", info("ie"), "not bencode: byte 0x65 at 8 where a digit was expected", DAMAGED),
        row("a plus", info("i+1e"), "not bencode: byte 0x2b at 8 where a digit was expected", DAMAGED),
        row("a fraction", info("i1.5e"), "not bencode: byte 0x2e at 9 where a digit or the end was expected", DAMAGED),
        row("hexadecimal", info("i0x10e"), "not bencode: byte 0x78 at 9 where a digit or the end was expected", DAMAGED),
        row("an integer of 2^63", info("i9223372036854775808e"), "not bencode: number at byte 8 does not fit 64 bits", DAMAGED),
        row("an integer below -2^63", info("i-9223372036854775809e"), "not bencode: number at byte 8 does not fit 64 bits", DAMAGED),
        row("an integer of a thousand digits", one("f").set("info", raw(format!("i{}e", "9".repeat(1000)))), "not bencode: number at byte 8 does not fit 64 bits", DAMAGED),
        row("an integer as key", b"di1e1:ae", "not bencode: byte 0x69 at 1 where a key was expected", DAMAGED),
        row("a list as key", b"dle1:ae", "not bencode: byte 0x6c at 1 where a key was expected", DAMAGED),
        row("a dictionary as key", b"dde1:ae", "not bencode: byte 0x64 at 1 where a key was expected", DAMAGED),
        row("a key without value", b"d4:infoe", "not bencode: byte 0x65 at 7 where a value was expected", DAMAGED),
        row("info twice", b"d4:infode4:infodee", "not bencode: dictionary that ends at byte 9 has a key twice", DAMAGED),
        row("a key twice, unsorted", b"d1:b0:1:a0:1:b0:e", "not bencode: dictionary that ends at byte 16 has a key twice", DAMAGED),
        row("a length twice", info("d6:lengthi1e6:lengthi2ee"), "not bencode: dictionary that ends at byte 19 has a key twice", DAMAGED),
        row("two torrents in one file", one("f").then(&one("f").encode()), "not bencode: something follows the value, which ends at byte 83", DAMAGED),
        row("a line break at the end", one("f").then(b"\n"), "not bencode: something follows the value, which ends at byte 83", DAMAGED),
        row("a page at the end", one("f").then(b"<script>"), "not bencode: something follows the value, which ends at byte 83", DAMAGED),
        row("73 levels", nested(73), "beyond our limits: nested deeper than 72 levels at byte 72", STRANGE),
        row("10,000 levels", nested(10_000), "beyond our limits: nested deeper than 72 levels at byte 72", STRANGE),
        row("a million levels", nested(1_000_000), "beyond our limits: nested deeper than 72 levels at byte 72", STRANGE),
        row("a million levels without end", vec![b'l'; 1_000_000], "beyond our limits: nested deeper than 72 levels at byte 72", STRANGE),
        row("73 levels of dictionaries", [b"d1:a".repeat(73), b"0:".to_vec(), b"e".repeat(73)].concat(), "beyond our limits: nested deeper than 72 levels at byte 288", STRANGE),
        row("four million values", [&b"l"[..], &b"0:".repeat(4_000_000), b"e"].concat(), "beyond our limits: more than 3000000 values", STRANGE),
    ]
}

/// Bencode that is no torrent file.
#[rustfmt::skip]
fn other_bencode() -> Vec<Refused> {
    vec![
        row("a list", b"le", "it holds a list, not a dictionary", DAMAGED),
        row("an integer", b"i5e", "it holds an integer, not a dictionary", DAMAGED),
        row("a string", b"5:hello", "it holds a string, not a dictionary", DAMAGED),
        row("an empty dictionary", b"de", "`info` is missing", DAMAGED),
        row("a tracker's reply", b"d8:intervali1800e5:peers0:e", "`info` is missing", DAMAGED),
        row("info is a string", one("f").set("info", "x"), "`info` must be a dictionary; found a string", DAMAGED),
        row("info is a list", one("f").set("info", raw("le")), "`info` must be a dictionary; found a list", DAMAGED),
        row("info is an integer", one("f").set("info", raw("i0e")), "`info` must be a dictionary; found an integer", DAMAGED),
    ]
}

fn nested(levels: usize) -> Vec<u8> {
    [vec![b'l'; levels], vec![b'e'; levels]].concat()
}

#[test]
fn files_of_other_formats_are_called_by_their_name() {
    assert_refused(&other_formats());
}

#[test]
fn faults_of_bencode_are_named_with_their_place() {
    assert_refused(&faulty_bencode());
}

#[test]
fn bencode_of_something_else_is_told_apart() {
    assert_refused(&other_bencode());
}
