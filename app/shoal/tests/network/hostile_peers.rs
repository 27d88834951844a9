//! Peers that lie, stall, flood and talk nonsense, on raw sockets. Each row is one that the test
//! plays, and what the program says of it. Whatever it does, good peers beside it get everything.
//!
//! "For ever" is not waited for here: that it ends is tested in virtual time (`core/torrent`). Here
//! it must only not be in anybody's way.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use base::InfoHash;
use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;

use crate::rig::{Folder, PATIENCE, Running, assert_sane, each, is_event};

/// Where hostile peers are: not at the address of the good ones, who may be at 127.0.0.1.
const HOSTILE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Most bytes of a flood; a connection that takes them all took them in its stride.
const FLOOD_BYTES_MAX: usize = 8 << 20;

/// Whom it meets and how.
#[derive(Clone, Copy, PartialEq)]
enum Meets {
    /// It is dialled by a download.
    Dialled,
    /// It dials a download.
    Dials,
    /// It dials a seed.
    DialsSeed,
}

use Meets::{Dialled, Dials, DialsSeed};

/// What it is, whom it meets, what it does, why it is closed or `banned`. Empty: nothing is said
/// of it for now.
type Row = (&'static str, Meets, fn(&mut Wire), &'static str);

/// One end of a connection to the program.
struct Wire {
    stream: TcpStream,
    info_hash: InfoHash,
}

impl Wire {
    /// Sends; the other side may have hung up, which is its right.
    fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn handshake(&mut self) {
        let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04".to_vec();
        bytes.extend_from_slice(&self.info_hash.0);
        bytes.extend_from_slice(b"-XX0000-hostile-peer");
        self.say(&bytes);
    }

    fn frame(&mut self, id: u8, payload: &[u8]) -> bool {
        self.say(&frame(id, payload))
    }

    /// Handshake and everything: who is interested may ask.
    fn seems_good(&mut self) {
        self.handshake();
        self.frame(HAVE_ALL, &[]);
        self.frame(UNCHOKE, &[]);
    }

    /// Answers every request until the other side hangs up.
    fn serve(&mut self, answer: fn(&[u8]) -> Vec<u8>) {
        let mut handshake = [0; 68];
        let mut length = [0; 4];
        if self.stream.read_exact(&mut handshake).is_err() {
            return;
        }
        while self.stream.read_exact(&mut length).is_ok() {
            let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
            if self.stream.read_exact(&mut bytes).is_err() {
                return;
            }
            if bytes.first() == Some(&REQUEST) && !self.say(&answer(&bytes[1..])) {
                return;
            }
        }
    }

    fn flood(&mut self, bytes: &[u8]) {
        let chunk = bytes.repeat((64 * 1024 / bytes.len()).max(1));
        for _ in 0..FLOOD_BYTES_MAX / chunk.len() {
            if !self.say(&chunk) {
                return;
            }
        }
    }

    /// Takes what comes until the other side hangs up.
    fn hold(&mut self) {
        std::io::copy(&mut self.stream, &mut std::io::sink()).ok();
    }
}

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const PORT: u8 = 9;
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
const EXTENDED: u8 = 20;
const HASH_REQUEST: u8 = 21;
const HASHES: u8 = 22;

fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

/// Numbers as messages have them.
fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A block of garbage with this place.
fn garbage(piece: u32, offset: u32, length: usize) -> Vec<u8> {
    frame(PIECE, &[numbers(&[piece, offset]), vec![0xbd; length]].concat())
}

/// The place of a request.
fn place(request: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(request[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}

const NOT_OURS: &str = "it broke the protocol: does not speak BitTorrent";
const OVERSIZED: &str = "it broke the protocol: frame of ";
const NO_SUCH: &str = "it spoke of something that does not exist";
const UNASKED: &str = "it sent blocks that nobody asked for";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Before there is a handshake.
    ("hangs up at once", Dialled, |_| {}, ""),
    ("a web server", Dialled, |wire| { wire.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n................"); wire.hold(); }, NOT_OURS),
    ("a TLS hello", Dialled, |wire| { wire.say(&[&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 100]].concat()); wire.hold(); }, NOT_OURS),
    ("random bytes", Dialled, |wire| { wire.say(&[0xa5; 4096]); wire.hold(); }, NOT_OURS),
    ("silence", Dialled, Wire::hold, ""),
    ("half a handshake", Dialled, |wire| { wire.say(b"\x13BitTorrent proto"); wire.hold(); }, ""),
    ("a handshake by dribs and drabs", Dialled, |wire| {
        wire.stream.set_read_timeout(Some(Duration::from_millis(100))).ok();
        for byte in b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0" {
            if !wire.say(&[*byte]) || matches!(wire.stream.read(&mut [0]), Ok(0)) { return; }
        }
    }, ""),
    ("another torrent", Dialled, |wire| { wire.info_hash = InfoHash([9; 20]); wire.handshake(); wire.hold(); }, "it serves another torrent"),
    ("a web browser", Dials, |wire| { wire.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"); wire.hold(); }, ""),
    ("dials and says nothing", Dials, |_| {}, ""),
    ("dials for another torrent", Dials, |wire| { wire.info_hash = InfoHash([9; 20]); wire.handshake(); wire.hold(); }, ""),
    // Frames.
    ("a frame of 4 GiB", Dialled, |wire| { wire.handshake(); wire.say(&[0xff; 4]); wire.hold(); }, OVERSIZED),
    ("a frame of 10 MiB for the extensions", Dials, |wire| { wire.handshake(); wire.say(&numbers(&[10 << 20])); wire.flood(&[EXTENDED]); }, OVERSIZED),
    ("a second handshake", Dialled, |wire| { wire.handshake(); wire.handshake(); wire.hold(); }, OVERSIZED),
    ("a HAVE cut short", Dialled, |wire| { wire.handshake(); wire.frame(HAVE, &[0]); wire.hold(); }, "it broke the protocol: message id 4 ends inside its field"),
    ("a choke with a cargo", Dials, |wire| { wire.handshake(); wire.frame(CHOKE, &[1, 2, 3]); wire.hold(); }, "it broke the protocol: message id 0 has 3 bytes too many"),
    ("a port cut short", DialsSeed, |wire| { wire.handshake(); wire.frame(PORT, &[1]); wire.hold(); }, "it broke the protocol: message id 9 ends inside its field"),
    ("half a message, for ever", Dialled, |wire| { wire.seems_good(); wire.say(&[0, 0, 0, 5, HAVE, 0]); wire.hold(); }, ""),
    ("half a block, for ever", Dialled, |wire| { wire.seems_good(); wire.serve(|request| { let (piece, offset) = place(request); garbage(piece, offset, 16384)[..100].to_vec() }); }, ""),
    ("a hash request cut short", Dialled, |wire| { wire.handshake(); wire.frame(HASH_REQUEST, &[7; 47]); wire.hold(); }, "it broke the protocol: message id 21 ends inside its field"),
    ("hashes and a half", Dials, |wire| { wire.handshake(); wire.frame(HASHES, &[7; 48 + 33]); wire.hold(); }, "it broke the protocol: message id 22 has 1 bytes too many"),
    ("hashes that nobody asked for", Dialled, |wire| { wire.seems_good(); wire.flood(&frame(HASHES, &[7; 48 + 64])); wire.hold(); }, ""),
    ("hash requests for nothing that is there", DialsSeed, |wire| { wire.handshake(); for length in [0, 1, 2, 3, u32::MAX] { wire.frame(HASH_REQUEST, &[vec![7; 32], numbers(&[u32::MAX, u32::MAX, length, u32::MAX])].concat()); } wire.hold(); }, ""),
    ("hash requests by the million", DialsSeed, |wire| { wire.handshake(); wire.flood(&frame(HASH_REQUEST, &[vec![7; 32], numbers(&[0, 0, 512, 0])].concat())); wire.hold(); }, ""),
    // What it has.
    ("a HAVE out of range", Dialled, |wire| { wire.handshake(); wire.frame(HAVE, &numbers(&[9])); wire.hold(); }, NO_SUCH),
    ("a HAVE of the last number", Dials, |wire| { wire.handshake(); wire.frame(HAVE, &[0xff; 4]); wire.hold(); }, NO_SUCH),
    ("a bitfield too short", Dialled, |wire| { wire.handshake(); wire.frame(BITFIELD, &[0xff]); wire.hold(); }, NO_SUCH),
    ("a bitfield too long", Dialled, |wire| { wire.handshake(); wire.frame(BITFIELD, &[0xff, 0x80, 0]); wire.hold(); }, NO_SUCH),
    ("a bitfield with spare bits", Dialled, |wire| { wire.handshake(); wire.frame(BITFIELD, &[0xff, 0x81]); wire.hold(); }, NO_SUCH),
    ("an empty bitfield", Dials, |wire| { wire.handshake(); wire.frame(BITFIELD, &[]); wire.hold(); }, NO_SUCH),
    ("all and nothing in turn", Dialled, |wire| { wire.handshake(); wire.flood(&[frame(HAVE_ALL, &[]), frame(HAVE_NONE, &[])].concat()); }, NO_SUCH),
    ("allowed fast out of range", Dialled, |wire| { wire.handshake(); wire.flood(&frame(ALLOWED_FAST, &[0xff; 4])); wire.hold(); }, ""),
    ("suggestions out of range", Dialled, |wire| { wire.handshake(); wire.flood(&frame(SUGGEST, &[0xff; 4])); wire.hold(); }, ""),
    // Blocks.
    ("corrupt data", Dialled, |wire| { wire.seems_good(); wire.serve(|request| { let (piece, offset) = place(request); let length = if (piece, offset) == (8, 0) { 777 } else { 16384 }; garbage(piece, offset, length) }); }, "banned"),
    ("blocks that nobody asked for", Dialled, |wire| { wire.seems_good(); wire.flood(&garbage(0, 0, 16384)); }, ""),
    ("blocks of a piece that is none", Dials, |wire| { wire.handshake(); wire.flood(&garbage(1 << 31, 0, 16384)); }, ""),
    ("blocks for a seed", DialsSeed, |wire| { wire.handshake(); (0..9).for_each(|_| wire.flood(&garbage(0, 0, 16384))); }, UNASKED),
    ("blocks of another length", Dialled, |wire| { wire.seems_good(); wire.serve(|request| { let (piece, offset) = place(request); garbage(piece, offset, 100) }); }, ""),
    ("empty blocks", Dialled, |wire| { wire.seems_good(); wire.serve(|request| { let (piece, offset) = place(request); garbage(piece, offset, 0) }); }, ""),
    ("has all and rejects all", Dialled, |wire| { wire.seems_good(); wire.serve(|request| frame(REJECT, request)); }, ""),
    ("rejects what was not asked", Dialled, |wire| { wire.seems_good(); wire.flood(&frame(REJECT, &numbers(&[0, 0, 16384]))); wire.hold(); }, ""),
    ("chokes at every request", Dialled, |wire| { wire.seems_good(); wire.serve(|_| [frame(CHOKE, &[]), frame(UNCHOKE, &[])].concat()); }, ""),
    // Floods.
    ("keep-alives", Dialled, |wire| { wire.handshake(); wire.flood(&[0; 4]); wire.hold(); }, ""),
    ("chokes and unchokes", Dialled, |wire| { wire.seems_good(); wire.flood(&[frame(CHOKE, &[]), frame(UNCHOKE, &[])].concat()); }, ""),
    ("messages that nobody knows", Dialled, |wire| { wire.handshake(); wire.flood(&frame(99, b"what is this")); wire.hold(); }, ""),
    ("extensions that nobody knows", Dialled, |wire| { wire.handshake(); wire.flood(&frame(EXTENDED, b"\x63d1:xi1ee")); wire.hold(); }, ""),
    ("an extension handshake of garbage", Dialled, |wire| { wire.handshake(); wire.frame(EXTENDED, b"\0<html>\x1b[31m\xff"); wire.hold(); }, ""),
    ("an extension handshake of towers", Dials, |wire| { wire.handshake(); wire.frame(EXTENDED, &[&[0][..], &[b'l'; 200_000]].concat()); wire.hold(); }, ""),
    ("a client with a painted name", Dials, |wire| { wire.handshake(); wire.frame(EXTENDED, b"\0d1:v9:\x1b[31mevil4:reqqi-1ee"); wire.hold(); }, ""),
    ("interest by the million", DialsSeed, |wire| { wire.handshake(); wire.flood(&[frame(INTERESTED, &[]), frame(3, &[])].concat()); }, ""),
    ("cancels by the million", DialsSeed, |wire| { wire.handshake(); wire.flood(&frame(CANCEL, &numbers(&[0, 0, 16384]))); wire.hold(); }, ""),
    ("asks by the million and never reads", DialsSeed, |wire| {
        wire.handshake();
        wire.frame(INTERESTED, &[]);
        wire.stream.set_write_timeout(Some(Duration::from_secs(1))).ok();
        wire.flood(&frame(REQUEST, &numbers(&[0, 0, 16384])));
    }, ""),
    // Requests.
    ("asks for a piece out of range", DialsSeed, |wire| { wire.handshake(); wire.frame(REQUEST, &numbers(&[9, 0, 16384])); wire.hold(); }, NO_SUCH),
    ("asks beyond the end of the last piece", DialsSeed, |wire| { wire.handshake(); wire.frame(REQUEST, &numbers(&[8, 0, 16384])); wire.hold(); }, NO_SUCH),
    ("asks for a gibibyte", DialsSeed, |wire| { wire.handshake(); wire.frame(REQUEST, &numbers(&[0, 0, 1 << 30])); wire.hold(); }, NO_SUCH),
    ("asks for nothing", DialsSeed, |wire| { wire.handshake(); wire.frame(REQUEST, &numbers(&[0, 0, 0])); wire.hold(); }, NO_SUCH),
    ("asks around the end of numbers", DialsSeed, |wire| { wire.handshake(); wire.frame(REQUEST, &numbers(&[0, u32::MAX, 2])); wire.hold(); }, NO_SUCH),
    ("asks for a whole piece at once", DialsSeed, |wire| { wire.handshake(); wire.frame(INTERESTED, &[]); wire.frame(REQUEST, &numbers(&[0, 0, 32768])); wire.hold(); }, ""),
    ("asks who has nothing", Dials, |wire| { wire.handshake(); wire.flood(&frame(REQUEST, &numbers(&[0, 0, 16384]))); }, ""),
];

/// Dials from where hostile peers are.
fn dial(to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(HOSTILE, 0)).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    socket.into()
}

/// Waits for what is said of the hostile peer.
fn judge(name: &str, program: &mut Running, reason: &str) {
    if reason.is_empty() {
        return;
    }
    let state = if reason == "banned" { "banned" } else { "left" };
    let line = program.wait(reason, |line| {
        is_event(line, "peer") && line.contains(&format!("\"state\":\"{state}\""))
    });
    let event: Value = serde_json::from_str(&line).unwrap();
    assert!(event["addr"].as_str().unwrap().starts_with("127.0.0.3:"), "{name}: {line}");
    if state == "left" {
        assert!(event["reason"].as_str().unwrap().starts_with(reason), "{name}: {line}");
    }
}

fn run(&(name, meets, script, reason): &Row) {
    let folder = Folder::new();
    let info_hash = folder.torrent(&[]);
    let play = move |stream: TcpStream| {
        stream.set_nodelay(true).ok();
        std::thread::spawn(move || script(&mut Wire { stream, info_hash }));
    };
    let (get, seed) = if meets == DialsSeed {
        let (mut seed, addr) = Running::seed(&folder, &[]);
        play(dial(addr));
        judge(name, &mut seed, reason);
        (Running::get(&folder, &["--no-discovery", "--peer", &addr.to_string()]).0, seed)
    } else {
        let listener = TcpListener::bind((HOSTILE, 0)).unwrap();
        let hostile = listener.local_addr().unwrap().to_string();
        // It may be dialled again.
        std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(play));
        let peers: &[&str] = if meets == Dialled { &["--peer", &hostile] } else { &[] };
        let (mut get, addr) = Running::get(&folder, &[&["--no-discovery"], peers].concat());
        if meets == Dials {
            play(dial(addr));
        }
        judge(name, &mut get, reason);
        (get, Running::seed(&folder, &["--peer", &addr.to_string()]).0)
    };
    finish(name, &folder, get, seed);
}

/// The download completes, everything ends in order, and nothing lies where it should not.
fn finish(name: &str, folder: &Folder, mut get: Running, seed: Running) {
    get.event("complete");
    for program in [get, seed] {
        let (code, lines) = program.end(true);
        assert_eq!(code, Some(0), "{name}: {lines:#?}");
        assert_sane(name, &lines);
    }
    assert!(folder.is_downloaded("out/film"), "{name}");
    let names = ["data", "data/film", "out", "out/film", "state", "state-of-seed", "t.torrent"];
    assert_eq!(folder.names(), names, "{name}");
}

#[test]
fn a_hostile_peer_is_named_and_costs_only_itself() {
    each(ROWS, |row| row.0.to_owned(), run);
}

#[test]
fn five_hundred_connections_of_one_address_are_bounded_and_in_nobodys_way() {
    let folder = Folder::new();
    let info_hash = folder.torrent(&[]);
    let (get, addr) = Running::get(&folder, &["--no-discovery"]);
    let mut wires: Vec<Wire> = (0..500).map(|_| Wire { stream: dial(addr), info_hash }).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        // One name each, or all but one were closed for that.
        let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend_from_slice(&info_hash.0);
        bytes.extend_from_slice(format!("-XX0000-{number:012}").as_bytes());
        wire.say(&bytes);
    }
    // Those that were closed read to their end; the others have our handshake.
    let open = wires.iter_mut().filter_map(|wire| {
        wire.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        wire.stream.read_exact(&mut [0; 68]).is_ok().then_some(())
    });
    let open = open.count();
    assert!(open <= 80, "{open} connections of one torrent");
    // Room for the good one.
    drop(wires);
    let (seed, _) = Running::seed(&folder, &["--peer", &addr.to_string()]);
    finish("five hundred", &folder, get, seed);
}

#[test]
fn who_is_told_to_dial_itself_does_so_in_vain() {
    let folder = Folder::new();
    folder.torrent(&[]);
    // The program must know its port beforehand: a free one, at an address of no other test.
    let addr = TcpListener::bind("127.0.0.5:0").unwrap().local_addr().unwrap().to_string();
    let (get, other) =
        Running::get(&folder, &["--no-discovery", "--listen", &addr, "--peer", &addr]);
    let (seed, _) = Running::seed(&folder, &["--peer", &other.to_string()]);
    finish("itself", &folder, get, seed);
}
