//! Command lines, places and links that cannot be.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::notation::{one, two};
use crate::program::{Fence, Said, Snapshot, is_plain};

/// A command, in which `''` is an empty argument; the exit code; standard error without its `error:`.
type Row = (&'static str, i32, &'static str);

const MISSING: &str = "hint: is the name right? it is looked for from the current folder";
const HASH: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
/// With it, as many digits as a key has.
const MORE: &str = "000000000000000000000000";
const CUT: &str = "\nhint: copy the link again; it may have been cut";
const QUOTE: &str = "\nhint: copy the whole link, and put it in single quotes: its & and ? mean something to a shell";
const UNREADABLE: &str =
    "hint: your user may not read it; run as one who may, or change its permissions";
const GET: &str = "hint: shoal get --help shows what there is";

#[rustfmt::skip]
const COMMAND_LINES: &[Row] = &[
    ("--json", 2, "'shoal' requires a subcommand but one was not provided [subcommands: get, seed, create, verify, show, magnet, dht, chain, wallet, vault, completions, man, help]\nhint: shoal --help shows what there is"),
    ("fetch good.torrent", 2, "unrecognized subcommand 'fetch'\nhint: shoal --help shows what there is"),
    ("get", 2, "the following required arguments were not provided: <TORRENT>...\n{GET}"),
    ("create", 2, "the following required arguments were not provided: <PATH>\nhint: shoal create --help shows what there is"),
    ("show good.torrent good.torrent", 2, "unexpected argument 'good.torrent' found\nhint: shoal show --help shows what there is"),
    ("get good.torrent --ext", 2, "unexpected argument '--ext' found\nhint: a similar argument exists: '--exit'"),
    ("get good.torrent --exit --seed-time 1h", 2, "the argument '--exit' cannot be used with '--seed-time <T>'\n{GET}"),
    ("get good.torrent --seed-ratio 2 --seed-time 1h", 2, "the argument '--seed-ratio <R>' cannot be used with '--seed-time <T>'\n{GET}"),
    ("get good.torrent --exit --exit", 2, "the argument '--exit' cannot be used multiple times\n{GET}"),
    ("get good.torrent --down", 2, "a value is required for '--down <RATE>' but none was supplied\n{GET}"),
    ("get good.torrent --down ''", 2, "invalid value '' for '--down <RATE>': not a number with a unit, as in 500k or 2M\n{GET}"),
    ("get good.torrent --down 0", 2, "invalid value '0' for '--down <RATE>': must be at least 1 byte per second; leave the option out for no limit\n{GET}"),
    ("get good.torrent --down -1", 2, "invalid value '-1' for '--down <RATE>': not a number with a unit, as in 500k or 2M\n{GET}"),
    ("get good.torrent --up fast", 2, "invalid value 'fast' for '--up <RATE>': not a number with a unit, as in 500k or 2M\n{GET}"),
    ("get good.torrent --up 1e9", 2, "invalid value '1e9' for '--up <RATE>': unit is none of B, k, M and G (bytes, not bits): e9\n{GET}"),
    ("get good.torrent --up 3Mbit", 2, "invalid value '3Mbit' for '--up <RATE>': unit is none of B, k, M and G (bytes, not bits): Mbit\n{GET}"),
    ("get good.torrent --up 99999999999999999999G", 2, "invalid value '99999999999999999999G' for '--up <RATE>': must be at least 1 byte per second; leave the option out for no limit\n{GET}"),
    ("get good.torrent --seed-ratio -1", 2, "invalid value '-1' for '--seed-ratio <R>': not between 0 and 1000000\n{GET}"),
    ("get good.torrent --seed-ratio nan", 2, "invalid value 'nan' for '--seed-ratio <R>': not between 0 and 1000000\n{GET}"),
    ("get good.torrent --seed-ratio twice", 2, "invalid value 'twice' for '--seed-ratio <R>': not a number, as in 1.5\n{GET}"),
    ("get good.torrent --seed-time -5", 2, "invalid value '-5' for '--seed-time <T>': not a time, as in 90s, 30m, 1h or 1h30m\n{GET}"),
    ("get good.torrent --seed-time 1.5h", 2, "invalid value '1.5h' for '--seed-time <T>': not a time, as in 90s, 30m, 1h or 1h30m\n{GET}"),
    ("get good.torrent --seed-time 99999999999999999999d", 2, "invalid value '99999999999999999999d' for '--seed-time <T>': not a time, as in 90s, 30m, 1h or 1h30m\n{GET}"),
    ("get good.torrent --listen 6881", 2, "invalid value '6881' for '--listen <ADDR>': not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881\n{GET}"),
    ("get good.torrent --listen 127.0.0.1:65536", 2, "invalid value '127.0.0.1:65536' for '--listen <ADDR>': not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881\n{GET}"),
    ("get good.torrent --listen 224.0.0.1:6881", 2, "invalid value '224.0.0.1:6881' for '--listen <ADDR>': not the address of one machine\n{GET}"),
    ("get good.torrent --listen 255.255.255.255:6881", 2, "invalid value '255.255.255.255:6881' for '--listen <ADDR>': not the address of one machine\n{GET}"),
    ("get good.torrent --peer ::1:6881:x", 2, "invalid value '::1:6881:x' for '--peer <ADDR>': not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881\n{GET}"),
    ("get good.torrent --peer example.org:6881", 2, "invalid value 'example.org:6881' for '--peer <ADDR>': not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881\n{GET}"),
    ("get good.torrent --peer 192.0.2.7:0", 2, "invalid value '192.0.2.7:0' for '--peer <ADDR>': nobody listens on port 0\n{GET}"),
    ("get good.torrent --peer 0.0.0.0:6881", 2, "invalid value '0.0.0.0:6881' for '--peer <ADDR>': not the address of one machine\n{GET}"),
    ("get good.torrent --peer [ff02::1]:6881", 2, "invalid value '[ff02::1]:6881' for '--peer <ADDR>': not the address of one machine\n{GET}"),
    ("get good.torrent --state ''", 2, "a value is required for '--state <FILE>' but none was supplied\n{GET}"),
    ("get good.torrent --down 1\x1b[31mM\u{202e}", 2, "invalid value '1M\u{fffd}' for '--down <RATE>': unit is none of B, k, M and G (bytes, not bits): M\u{fffd}\n{GET}"),
    ("create data --piece-size 0", 2, "invalid value '0' for '--piece-size <N>': must be at least 1 byte, and below 8 PiB\nhint: shoal create --help shows what there is"),
    ("create data --version 3", 2, "invalid value '3' for '--version <VERSION>' [possible values: v1, v2, hybrid]\nhint: shoal create --help shows what there is"),
    ("create data --exclude ''", 2, "invalid value '' for '--exclude <PATTERN>': empty; give a pattern as in *.tmp or cache/\nhint: shoal create --help shows what there is"),
    ("create data --exclude a//b", 2, "invalid value 'a//b' for '--exclude <PATTERN>': two slashes in a row\nhint: shoal create --help shows what there is"),
    ("create data --piece-size -1", 2, "invalid value '-1' for '--piece-size <N>': not a number with a unit, as in 500k or 2M\nhint: shoal create --help shows what there is"),
];

#[rustfmt::skip]
const PLACES: &[Row] = &[
    ("show no.torrent", 1, "cannot read no.torrent: no such file or directory\n{MISSING}"),
    ("verify no.torrent", 1, "cannot read no.torrent: no such file or directory\n{MISSING}"),
    ("get ''", 1, "a torrent without a name: the argument is empty\nhint: is a variable empty that should name it?"),
    ("get a\x1b[2J\n\u{202e}b.torrent", 1, "cannot read a\u{fffd}[2J\u{fffd}\u{fffd}b.torrent: no such file or directory\n{MISSING}"),
    ("show good.torrent/x", 1, "cannot read good.torrent/x: not a directory\n{MISSING}"),
    ("show secret.torrent", 1, "cannot read secret.torrent: permission denied\n{UNREADABLE}"),
    ("get secret", 1, "cannot read secret: permission denied\n{UNREADABLE}"),
    ("show folder", 1, "cannot read folder: it is a folder\nhint: name one torrent file; `get` and `seed` take folders of them"),
    ("get folder", 1, "no .torrent file in the folder folder\nhint: name the folder that holds them, or the files themselves"),
    ("get mixed", 1, "cannot use mixed/b.torrent: it is empty\nhint: its download failed; download it again"),
    ("show pipe", 1, "cannot read pipe: it is a pipe or a device\nhint: save the torrent as a file first"),
    ("get pipe", 1, "cannot read pipe: it is a pipe or a device\nhint: save the torrent as a file first"),
    ("show /dev/zero", 1, "cannot read /dev/zero: it is a pipe or a device\nhint: save the torrent as a file first"),
    ("show large", 1, "cannot use large: 65.0 MiB are more than a torrent file may have, 64.0 MiB\nhint: name the torrent file, not what it is about"),
    ("show good.torrent.part", 1, "cannot use good.torrent.part: cut off: string of 20 bytes at 61 is longer than the 6 left\nhint: its download is not finished; wait for it, or download it again"),
    ("get good.torrent -o large", 1, "not a folder: large\nhint: -o names the folder to download into"),
    ("get good.torrent -o large/below", 1, "cannot use the folder large/below: not a directory\nhint: name another folder; one that is missing is made"),
    ("seed good.torrent --data nowhere", 1, "no such folder: nowhere\nhint: --data names the folder that holds the torrent's file or folder"),
    ("seed good.torrent --data large", 1, "not a folder: large\nhint: --data names the folder that holds the torrent's file or folder"),
    ("verify good.torrent --data nowhere", 1, "no such folder: nowhere\nhint: --data names the folder that holds the torrent's file or folder"),
    ("verify good.torrent --data data/good", 1, "not a folder: data/good\nhint: --data names the folder that holds the torrent's file or folder"),
    ("get good.torrent --log folder", 1, "cannot write the log folder: is a directory\nhint: --log names a file to write to; - is standard error"),
    ("get good.torrent --log nowhere/log", 1, "cannot write the log nowhere/log: no such file or directory\nhint: --log names a file to write to; - is standard error"),
    ("get good.torrent --log unread", 1, "cannot write the log unread: no such device or address\nhint: --log names a file to write to; - is standard error"),
    ("get good.torrent --state folder", 1, "cannot use the state database folder: it is a folder\nhint: --state names a file"),
    ("get good.torrent --state pipe", 1, "cannot use the state database pipe: it is a pipe or a device\nhint: --state names a file"),
    ("get good.torrent --state large/x", 1, "cannot create the folder of the state database large/x: file exists\nhint: --state takes another place"),
    ("get good.torrent --state mixed/text", 1, "cannot use the state database mixed/text: file is not a database\nhint: --state takes another file; if this one is damaged, move it away, and torrents are checked again"),
    ("get good.torrent --state newer.db", 1, "cannot use the state database newer.db: its version 99 is newer than 2\nhint: use the release that wrote it, or another file with --state"),
    ("get good.torrent --state damaged.db", 1, "cannot use the state database damaged.db: database disk image is malformed\nhint: --state takes another file; if this one is damaged, move it away, and torrents are checked again"),
    ("get good.torrent --listen {taken}", 1, "cannot listen on {taken}: address in use\nhint: another program listens there; take another port, as in --listen 127.0.0.1:0"),
    ("get good.torrent --listen 192.0.2.1:0", 1, "cannot listen on 192.0.2.1:0: not an address of this machine\nhint: --listen 0.0.0.0:0 takes all of them"),
    ("get good.torrent --listen 127.0.0.1:1", 1, "cannot listen on 127.0.0.1:1: permission denied\nhint: ports below 1024 are for the administrator; take a larger one"),
    ("create nowhere", 1, "cannot read nowhere: no such file or directory\n{MISSING}"),
    ("create nothing", 1, "cannot make a torrent: the file is empty: nothing\nhint: a torrent needs at least one byte"),
    ("create folder", 1, "cannot make a torrent: the folder holds no bytes: folder\nhint: a torrent needs at least one byte"),
    ("create secret.torrent -o x", 1, "cannot read {here}secret.torrent: permission denied\n{UNREADABLE}"),
    ("create secret -o x", 1, "cannot read {here}secret: permission denied\n{UNREADABLE}"),
    ("create pipe", 1, "cannot make a torrent of a pipe or a device: {here}pipe\nhint: a torrent holds files and folders"),
    ("create /dev/null -o x", 1, "cannot make a torrent of a pipe or a device: /dev/null\nhint: a torrent holds files and folders"),
    ("create strange", 1, "cannot use a name with control characters: strange/a\u{fffd}b\nhint: rename it; who downloads it would get another name"),
    ("create back\\slash", 1, "cannot make a torrent of back\\slash: the name has a slash, a backslash or a zero byte inside the component \"back\\slash\"\nhint: rename what it names, or leave it out"),
    ("create data/good -o good.torrent", 1, "already exists: good.torrent\nhint: --force replaces it, -o takes another name"),
    ("create data/good -o data --force", 1, "cannot write to a folder: data\nhint: -o names the torrent file"),
    ("create data/good -o pipe --force", 1, "cannot write to a pipe or a device: pipe\nhint: -o names the torrent file"),
    ("create data/good -o nowhere/x", 1, "cannot write nowhere/x: its folder does not exist\nhint: make the folder first, or name another with -o"),
    ("create data/good -o x --piece-size 1", 2, "not a piece size: 1\nhint: a piece size is a power of two from 16k to 256M"),
    ("create data/good -o x --piece-size 48k", 2, "not a piece size: 49152\nhint: a piece size is a power of two from 16k to 256M"),
    ("create data/good -o x --piece-size 512M", 2, "not a piece size: 536870912\nhint: a piece size is a power of two from 16k to 256M"),
    ("create data/good --tracker t.example/announce", 2, "not a tracker: t.example/announce\nhint: a tracker begins with http://, https:// or udp://"),
    ("create data/good --tracker wss://t.example/", 2, "not a tracker: wss://t.example/\nhint: a tracker begins with http://, https:// or udp://"),
    ("create data/good --tracker http://", 2, "not a tracker: http://\nhint: a tracker is like https://example.org/announce or udp://example.org:6969"),
    ("create data/good --tracker udp:///announce", 2, "not a tracker: udp:///announce\nhint: it names no host"),
    ("create data/good --tracker udp://t.example", 2, "not a tracker: udp://t.example\nhint: it needs a port, as in udp://example.org:6969"),
    ("create data/good --tracker udp://t.example/s3cret/announce", 2, "not a tracker: udp://t.example/…\nhint: it needs a port, as in udp://example.org:6969"),
    ("create data/good --tracker http://t.example:0/", 2, "not a tracker: http://t.example:0/\nhint: it needs a port, as in udp://example.org:6969"),
    ("create data/good --tracker http://a\x1b[2J/", 2, "not a tracker: http://a\u{fffd}[2J/\nhint: a tracker is like https://example.org/announce or udp://example.org:6969"),
];

#[rustfmt::skip]
const LINKS: &[Row] = &[
    ("get magnet:?xt=urn:btih:0", 1, "the magnet link has a wrong btih: 0; it must be 40 hexadecimal digits or 32 of base32{CUT}"),
    ("show MAGNET:?xt=urn:btmh:1220ab", 1, "the magnet link has a wrong btmh: 1220ab; it must be 1220 and 64 hexadecimal digits (SHA-256){CUT}"),
    ("get magnet:?dn=film", 1, "the magnet link names no torrent: xt=urn:btih:… is missing{QUOTE}"),
    ("get magnet:", 1, "the magnet link does not begin with magnet:?{QUOTE}"),
    ("get magnet:?xt=urn:btih:{HASH}&xt=urn:btih:0000000000000000000000000000000000000000", 1, "the magnet link names two different torrents{CUT}"),
    ("get magnet:?xs=urn:btpk:{HASH}", 1, "the magnet link has a wrong btpk: {HASH}; it must be 64 hexadecimal digits{CUT}"),
    ("get magnet:?xt=urn:btih:\x1b[2J", 1, "the magnet link has a wrong btih: [2J; it must be 40 hexadecimal digits or 32 of base32{CUT}"),
    ("get magnet:?xs=urn:btpk:{HASH}{MORE}&s=xy", 1, "the magnet link has a salt (s=) that is not at most 64 bytes in hexadecimal digits{CUT}"),
    ("get --no-dht --listen 127.0.0.1:0 magnet:?xs=urn:btpk:{HASH}{MORE}", 1, "a link by public key is looked up in the DHT, which is switched off\nhint: leave out --no-dht and --no-discovery"),
    ("seed magnet:?xt=urn:btih:{HASH}", 1, "a magnet link does not say which files belong to it\nhint: `shoal show LINK --save FILE` makes a torrent file of it, which can be seeded; `shoal get LINK` downloads, then seeds"),
    ("verify magnet:?xt=urn:btih:{HASH}", 1, "this needs a torrent file, not a magnet link\nhint: `shoal show LINK --save FILE` makes one of it"),
    ("magnet magnet:?xt=urn:btih:{HASH}", 1, "this needs a torrent file, not a magnet link\nhint: `shoal show LINK --save FILE` makes one of it"),
    ("show good.torrent --save data", 1, "cannot write to a folder: data\nhint: -o names the torrent file"),
    ("dht peers xyz --listen 127.0.0.1:0", 1, "not an info-hash: xyz\nhint: give 40 or 64 hexadecimal digits, as `shoal show` prints them, or a magnet link"),
    ("dht lookup {HASH}0 --listen 127.0.0.1:0", 1, "not an info-hash: {HASH}0\nhint: give 40 or 64 hexadecimal digits, as `shoal show` prints them, or a magnet link"),
    ("dht get xyz", 1, "not a target: xyz\nhint: a target has 40 hexadecimal digits"),
    ("dht get --key xyz", 1, "not a public key: xyz\nhint: a public key has 64 hexadecimal digits"),
    ("dht put --bencode hello", 1, "with --bencode, VALUE must be bencode\nhint: as in 5:hello or d2:idi5ee; without --bencode, any text will do"),
    ("dht put hello --key good.torrent", 1, "not a key: good.torrent\nhint: a key file has 64 hexadecimal digits; one that does not exist is made"),
    ("dht put hello --key data", 1, "cannot use the key data: is a directory"),
    ("show ftp://h.example/a.torrent", 1, "cannot fetch ftp:// links: ftp://h.example/a.torrent\nhint: give a torrent file or its http(s) URL"),
    ("show file:///tmp/a.torrent", 1, "not a link that can be fetched: file:///tmp/a.torrent\nhint: name the file by its path, without file://"),
    ("show http://", 1, "cannot fetch http://: empty host\nhint: a link is like https://example.org/a.torrent"),
    ("show http://[::1/a", 1, "cannot fetch http://[::1/a: invalid IPv6 address\nhint: a link is like https://example.org/a.torrent"),
    ("show http://h.example:0/", 1, "cannot fetch http://h.example:0/: there is no port 0\nhint: leave the port out, or name the right one"),
    ("show http://h.example:65536/", 1, "cannot fetch http://h.example:65536/: invalid port number\nhint: a link is like https://example.org/a.torrent"),
    ("show http://300.1.1.1/", 1, "cannot fetch http://300.1.1.1/: invalid IPv4 address\nhint: a link is like https://example.org/a.torrent"),
    ("show https://me:secret@h.example/a.torrent?b", 1, "a user name or password in a link is not supported: https://h.example/a.torrent?…\nhint: download the torrent file with a program that can log in, and give the file"),
    ("get http://me@h.example/", 1, "a user name or password in a link is not supported: http://h.example/\nhint: download the torrent file with a program that can log in, and give the file"),
    ("show http://\x1b[2J/", 1, "cannot fetch http://\u{fffd}[2J/: invalid international domain name\nhint: a link is like https://example.org/a.torrent"),
];

/// What a server answers, and what is said of it behind `http://ADDR/a.torrent: `.
#[rustfmt::skip]
const REPLIES: &[(&str, &[u8], &str)] = &[
    ("a page", b"HTTP/1.1 200 OK\r\n\r\n<html>Log in", "cannot use {url}: it is a web page, not a torrent file\nhint: take the link of the file itself; the site may want a login"),
    ("gzip that nobody asked for", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08", "cannot fetch {url}: not a good HTTP reply: content coding that we did not ask for: gzip\n{BROWSER}"),
    ("gzip without a word", b"HTTP/1.1 200 OK\r\n\r\n\x1f\x8b\x08", "cannot use {url}: it is compressed with gzip, not a torrent file\nhint: unpack it first, as with gunzip"),
    ("nothing", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "cannot use {url}: it is empty\nhint: its download failed; download it again"),
    ("less than announced", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nd4:info", "cannot fetch {url}: not a good HTTP reply: error reading a body from connection: end of file before message length reached\n{BROWSER}"),
    ("more than a torrent file has", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nd", "cannot fetch {url}: the reply is too large\n{BROWSER}"),
    ("not found", b"HTTP/1.1 404 Not Found\r\n\r\n", "cannot fetch {url}: the server answered with status 404\n{BROWSER}"),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "cannot fetch {url}: not a good HTTP reply: invalid HTTP version parsed\n{BROWSER}"),
    ("a redirect to itself", b"HTTP/1.1 302 Found\r\nLocation: /a.torrent\r\n\r\n", "cannot fetch {url}: redirect to itself\n{BROWSER}"),
    ("a redirect to a file of ours", b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "cannot fetch {url}: redirect to another scheme than http and https\n{BROWSER}"),
    ("a redirect with a password", b"HTTP/1.1 302 Found\r\nLocation: http://me:secret@h.example/\r\n\r\n", "cannot fetch {url}: redirect to a URL with a user name or password\n{BROWSER}"),
    ("a redirect without a place", b"HTTP/1.1 302 Found\r\n\r\n", "cannot fetch {url}: redirect with status 302 names no location\n{BROWSER}"),
];

/// The things that the tables name, in a fresh folder.
fn fixture() -> Fence {
    let fence = Fence::new();
    let good = one("good");
    fence.write("good.torrent", good.encode());
    fence.write("good.torrent.part", good.cut(70));
    fence.write("data/good", "hello");
    fence.write("mixed/a.torrent", one("a").encode());
    fence.write("mixed/b.torrent", "");
    fence.write("mixed/text", "some text\n".repeat(100));
    fence.write("strange/a\x01b", "x");
    fence.write("back\\slash", "x");
    fence.write("nothing", "");
    fence.write("secret.torrent", good.encode());
    fence.write("secret/a.torrent", good.encode());
    for path in ["secret.torrent", "secret"] {
        fs::set_permissions(fence.here(path), Permissions::from_mode(0o000)).unwrap();
    }
    fs::create_dir(fence.here("folder")).unwrap();
    File::create(fence.here("large")).unwrap().set_len(65 << 20).unwrap();
    mknodat(CWD, fence.here("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    mknodat(CWD, fence.here("unread"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fence
}

/// Databases of ours, bent: one of a later release, and one with a page of nonsense.
fn databases(fence: &Fence) {
    let made = fence.run(&[
        "get",
        "good.torrent",
        "-o",
        "data",
        "--exit",
        "--no-discovery",
        "--listen",
        "127.0.0.1:0",
        "--state",
        "newer.db",
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut bytes = fs::read(fence.here("newer.db")).unwrap();
    // The user version of an SQLite header.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fence.write("newer.db", &bytes);
    bytes[60..64].copy_from_slice(&1_u32.to_be_bytes());
    bytes[100..4096].fill(0x5a);
    fence.write("damaged.db", &bytes);
}

/// Runs the rows in one folder that none of them may change.
fn assert_said(fence: &Fence, rows: &[Row], names: &[(&str, &str)]) {
    let fill = |text: &str| {
        let all = [
            ("{GET}", GET),
            ("{MISSING}", MISSING),
            ("{UNREADABLE}", UNREADABLE),
            ("{CUT}", CUT),
            ("{QUOTE}", QUOTE),
            ("{MORE}", MORE),
            ("{HASH}", HASH),
        ];
        let all = all.iter().chain(names);
        all.fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let before = contents(fence);
    let mut wrong = Vec::new();
    for (command, code, stderr) in rows {
        let command = fill(command);
        let arguments: Vec<&str> = command
            .split(' ')
            .filter(|argument| !argument.is_empty())
            .map(|argument| if argument == "''" { "" } else { argument })
            .collect();
        let said = fence.run(&arguments);
        let stderr = format!("error: {}\n", fill(stderr));
        let expected = Said { code: Some(*code), stdout: String::new(), stderr };
        if said != expected || !is_plain(&said.stderr) {
            let Said { code, stdout, stderr } = said;
            wrong
                .push(format!("{arguments:?}: {code:?}\n{stdout}{stderr}not\n{}", expected.stderr));
        }
        assert_eq!(contents(fence), before, "{arguments:?}");
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// What is there, without our own state, and without the times of folders: `SQLite` puts a lock beside
/// a database that it looks at.
fn contents(fence: &Fence) -> Snapshot {
    let state = fence.here("../state").canonicalize().unwrap();
    let mut all = fence.snapshot();
    all.retain(|path, _| !path.starts_with(&state));
    for (path, entry) in &mut all {
        if path.is_dir() {
            (entry.1, entry.2) = (0, (0, 0));
        }
    }
    all
}

#[test]
fn command_lines_that_make_no_sense_are_refused_with_exit_code_2() {
    assert_said(&fixture(), COMMAND_LINES, &[]);
}

#[test]
fn places_that_are_not_what_they_should_be_are_named() {
    let fence = fixture();
    databases(&fence);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|addr| (addr, taken)).unwrap();
    let here = fence.here("").display().to_string();
    assert_said(&fence, PLACES, &[("{taken}", &taken.0.to_string()), ("{here}", &here)]);
}

#[test]
fn links_that_cannot_be_fetched_are_refused_before_anything_is_sent() {
    assert_said(&fixture(), LINKS, &[]);
}

#[test]
fn replies_that_are_no_torrent_file_are_called_by_their_name() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.torrent", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for (_, reply, _) in REPLIES {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(reply).unwrap();
        }
    });
    let fence = Fence::new();
    let browser = "hint: try the link in a browser; the file that it saves can be given, too";
    for (name, _, stderr) in REPLIES {
        let stderr = stderr.replace("{url}", &url).replace("{BROWSER}", browser);
        let expected =
            Said { code: Some(1), stdout: String::new(), stderr: format!("error: {stderr}\n") };
        let before = fence.snapshot();
        assert_eq!(fence.run(&["show", &url]), expected, "{name}");
        assert_eq!(fence.snapshot(), before, "{name}");
    }
    server.join().unwrap();
}

/// Found by hand: `--force` put a file in the place of `/dev/null`.
#[test]
fn force_replaces_files_only() {
    let fence = fixture();
    fs::write(fence.here("old.torrent"), "old").unwrap();
    let said = fence.run(&["create", "data/good", "-o", "old.torrent", "--force"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_ne!(fs::read(fence.here("old.torrent")).unwrap(), b"old");
    fence.run(&["create", "data/good", "-o", "pipe", "--force"]);
    let look = fence.here("pipe").symlink_metadata().unwrap();
    assert!(!look.is_file());
}

/// A link that is there already, whoever made it, is no way out either.
#[test]
fn a_link_in_the_folder_that_leads_elsewhere_is_not_followed() {
    let fence = fixture();
    fence.write("up.torrent", two("up").encode());
    fence.write("out/other", "other");
    symlink("../..", fence.here("out/up")).unwrap();
    let before = contents(&fence);
    let get = ["get", "up.torrent", "-o", "out", "--no-discovery", "--listen", "127.0.0.1:0"];
    let said = fence.run(&get);
    let place = fence.here("out/up/a");
    let expected = format!(
        "error: up: cannot open {}: the path leaves the root folder\n\
         hint: a symbolic link in the folder leads elsewhere; remove it, or name another folder\n",
        place.display()
    );
    assert!(said.stderr.ends_with(&expected), "{said:?}");
    assert_eq!((said.code, &*said.stdout), (Some(1), ""));
    assert_eq!(contents(&fence), before);
}

/// Data that is wrong is no bad input to `verify`: it says what it found.
#[test]
fn wrong_data_is_told_from_missing_data() {
    let fence = fixture();
    let verify = |content: Option<&str>| {
        let place = fence.here("data/good");
        match content {
            Some(content) => fs::write(place, content).unwrap(),
            None => fs::remove_file(place).unwrap(),
        }
        let said = fence.run(&["verify", "good.torrent", "--data", "data"]);
        assert_eq!(said.code, Some(if content == Some("hello") { 0 } else { 1 }), "{said:?}");
        said.stdout + &said.stderr
    };
    let lacks = "good: incomplete, 0.0 % of 5 B, 0 of 1 pieces, 0 of 1 files\n";
    assert_eq!(
        verify(Some("jello")),
        format!("damaged        5 B  good  1 of 1 piece: 0\n{lacks}")
    );
    assert_eq!(verify(Some("he")), format!("short          5 B  good  has 2 B\n{lacks}"));
    assert_eq!(verify(Some("hello")), "good: complete, 5 B, 1 piece\n");
    let hint = "hint: nothing of it is in data; name the folder that holds good: --data DIR\n";
    assert_eq!(verify(None), format!("missing        5 B  good\n{lacks}{hint}"));
}
