//! Trackers that lie, stall and talk nonsense. Each row is one that the test plays, and what the
//! user is told of it. Whatever it does, the download completes with the peer that comes by itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use serde_json::Value;

use crate::rig::{Folder, Running, assert_sane, each, is_event};

/// What a tracker does.
enum Does {
    /// Answers a GET of this path with these bytes, and closes.
    Raw(fn(&str) -> Vec<u8>),
    /// Answers with status 200 and this body.
    Body(fn(&str) -> Vec<u8>),
    /// Answers a GET of this path so that it never ends: the bytes, then these again and again.
    Endless(&'static str, &'static str),
    /// The same, with a pause of 50 ms each time.
    Drips(&'static str, &'static str),
    /// Nothing, and closes at once.
    Closes,
    /// There is none at this URL.
    At(&'static str),
    /// Speaks this, where TLS is expected.
    NoTls,
    /// Answers each datagram with these.
    Udp(fn(&[u8]) -> Vec<Vec<u8>>),
}

use Does::{At, Body, Closes, Drips, Endless, NoTls, Raw, Udp};

/// What it is, what it does, how what is said of it begins. Nothing is said of one that has not
/// failed yet when the download is complete.
type Row = (&'static str, Does, &'static str);

fn head(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\n{more}\r\n").as_bytes(), body].concat()
}

fn peers(bytes: &[u8]) -> Vec<u8> {
    [format!("d8:intervali1800e5:peers{}:", bytes.len()).as_bytes(), bytes, b"e"].concat()
}

/// Ourselves, as the announce says.
fn us(path: &str) -> Vec<u8> {
    // A scrape has no port.
    let Some((_, port)) = path.split_once("&port=") else { return b"de".to_vec() };
    let port: u16 = port.split('&').next().unwrap().parse().unwrap();
    peers(&[&[127, 0, 0, 1][..], &port.to_be_bytes()].concat())
}

/// An answer over UDP to the datagram `asked`.
fn reply(action: u8, asked: &[u8], rest: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, action][..], &asked[12..16], rest].concat()
}

/// Connects well, then answers an announce like this.
fn then(asked: &[u8], answer: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    vec![if asked[11] == 0 { reply(0, asked, b"12345678") } else { answer(asked) }]
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("a web page", Body(|_| b"<html><body>hello".to_vec()),
        "failed: tracker's reply is not bencode (byte 0x3c at 0 where a value was expected): \"<html><body>hello\"; next try in "),
    ("garbage with escapes", Body(|_| b"\x1b[31m\x00\xff\x07red".to_vec()), "failed: tracker's reply is not bencode (byte 0x1b at 0 where a value was expected): \"[31m�red\"; next try in "),
    ("an empty body", Body(|_| Vec::new()), "failed: tracker's reply is not bencode (input ends at byte 0, inside a value): \"\"; next try in "),
    ("a list", Body(|_| b"le".to_vec()), "failed: tracker's reply is of type list, not a dictionary; next try in "),
    ("a tower of lists", Body(|_| vec![b'l'; 100_000]), "failed: tracker's reply is not bencode (nested deeper than 64 levels at byte 64): \"llllllll"),
    ("a number too long", Body(|_| b"d8:intervali99999999999999999999999999ee".to_vec()), "failed: tracker's reply is not bencode (number at byte 12 does not fit 64 bits): \"d8:intervali99999999999999999999999999ee\"; next try in "),
    ("a string longer than the body", Body(|_| b"d5:peers99999999999:".to_vec()), "failed: tracker's reply is not bencode (string of 99999999999 bytes at 8 is longer than the 0 left): \"d5:peers99999999999:\"; next try in "),
    ("a refusal that paints", Body(|_| b"d14:failure reason19:\x1b[2J\x1b]0;you\x07\nno\r\xc2\x85\xe2e".to_vec()),
        "failed: [2J]0;you no �; next try in "),
    ("a refusal of a megabyte", Body(|_| [b"d14:failure reason1000000:", &vec![b'x'; 1_000_000][..], b"e"].concat()),
        "failed: xxxxxxxx"),
    ("a refusal that is no text", Body(|_| b"d14:failure reasoni7ee".to_vec()), "failed: it refuses, and does not say why; next try in "),
    ("a refusal for ever", Body(|_| b"d14:failure reason4:gone8:retry in5:nevere".to_vec()),
        "failed: gone; it is not tried again"),
    ("a warning that paints", Body(|_| b"d8:intervali1800e5:peers0:15:warning message11:\x1b[31mhello\x07e".to_vec()), "works"),
    ("only ourselves as peer", Body(us), "works"),
    ("ten thousand peers", Body(|_| peers(&[127, 9, 9, 9, 0, 9].repeat(10_000))), "works"),
    ("peers that nobody can be at", Body(|_| peers(&[0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 1, 224, 0, 0, 1, 0, 1])), "works"),
    ("peers of a wrong length", Body(|_| peers(&[1, 2, 3, 4, 5, 6, 7])),
        "failed: `peers` of the tracker's reply has 7 bytes, not a multiple of 6; next try in "),
    ("peers as a number", Body(|_| b"d8:intervali1800e5:peersi1ee".to_vec()),
        "failed: `peers` of the tracker's reply is of type integer; next try in "),
    ("peers of the old form with nonsense", Body(|_| b"d8:intervali1800e5:peersld2:ip4:\x1b[1m4:porti99999eed2:ip9:127.0.0.14:porti-1eed2:ip0:4:porti0ee1:xi1eee".to_vec()), "works"),
    ("no peers at all", Body(|_| b"d8:intervali1800ee".to_vec()), "works"),
    ("a negative interval", Body(|_| b"d8:intervali-5e5:peers0:e".to_vec()), "works"),
    ("an interval of 0", Body(|_| b"d8:intervali0e12:min intervali0e5:peers0:e".to_vec()), "works"),
    ("an interval of 2^40", Body(|_| b"d8:intervali1099511627776e5:peers0:e".to_vec()), "works"),
    ("redirects for ever", Raw(|path| {
        let (place, query) = path.split_once('?').unwrap();
        head("302 Found", &format!("Location: {place}x?{query}\r\n"), b"")
    }), "failed: more than 5 redirects; next try in "),
    ("a redirect to itself", Raw(|path| head("301 Moved", &format!("Location: {path}\r\n"), b"")),
        "failed: redirect to itself; next try in "),
    ("a redirect to a file", Raw(|_| head("302 Found", "Location: file:///etc/passwd\r\n", b"")),
        "failed: redirect to another scheme than http and https; next try in "),
    ("a redirect to ftp", Raw(|_| head("302 Found", "Location: ftp://127.0.0.1/x\r\n", b"")),
        "failed: redirect to another scheme than http and https; next try in "),
    ("a redirect to nowhere", Raw(|_| head("302 Found", "", b"")),
        "failed: redirect with status 302 names no location; next try in "),
    ("status 404", Raw(|_| head("404 Not Found", "", b"no")), "failed: HTTP status 404; next try in "),
    ("status 500 with a good body", Raw(|_| head("500 Oops", "", &peers(b""))), "failed: HTTP status 500; next try in "),
    ("status 503 with a page", Raw(|_| head("503 Busy", "Retry-After: 99999999\r\n", b"<html>")), "failed: HTTP status 503; next try in "),
    ("HTTP/0.9", Raw(|_| peers(b"")), "failed: not a good HTTP reply: invalid HTTP version parsed; next try in "),
    ("a status line of bytes", Raw(|_| vec![0x80; 500]), "failed: not a good HTTP reply: invalid HTTP version parsed; next try in "),
    ("a head without end", Endless("HTTP/1.1 200 OK\r\n", "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), "failed: not a good HTTP reply: message head is too large; next try in "),
    ("chunks without end", Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "10\r\n0123456789abcdef\r\n"),
        "failed: the reply is too large; next try in "),
    ("a body without end", Endless("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef"), "failed: the reply is too large; next try in "),
    ("a length of exabytes", Raw(|_| head("200 OK", "Content-Length: 9999999999999999\r\n", b"d")), "failed: the reply is too large; next try in "),
    ("a length beyond the body", Raw(|_| head("200 OK", "Content-Length: 1000\r\n", b"d8:interval")), "failed: not a good HTTP reply: error reading a body from connection: end of file before message length reached; next try in "),
    ("a length below the body", Raw(|_| head("200 OK", "Content-Length: 3\r\n", &peers(b""))), "failed: tracker's reply is not bencode (string of 8 bytes at 1 is longer than the 0 left): \"d8:\"; next try in "),
    ("gzip unasked", Raw(|_| head("200 OK", "Content-Encoding: gzip\r\n", &[0x1f, 0x8b, 8, 0])),
        "failed: not a good HTTP reply: content coding that we did not ask for: gzip; next try in "),
    ("a byte now and then", Drips("HTTP/1.1 200 OK\r\n\r\n", "d"), ""),
    ("silence", Drips("", ""), ""),
    ("closes at once", Closes, "failed: not a good HTTP reply: "),
    ("no TLS", NoTls, "failed: TLS failed: received corrupt message of type InvalidContentType; next try in "),
    ("nobody there", At("http://127.0.0.1:1/announce"), "failed: cannot connect: 127.0.0.1:1: Connection refused; next try in "),
    ("a name that is none", At("http://no-such-host.invalid/announce"), "failed: the name has no address; next try in "),
    ("a scheme of its own", At("gopher://127.0.0.1/announce"), "is not used: a scheme that we don't speak"),
    ("no URL", At("http://"), "is not used: not a URL"),
    ("UDP: silence", Udp(|_| Vec::new()), ""),
    ("UDP: another's transaction", Udp(|asked| vec![[&[0; 4][..], &[!asked[12], 0, 0, 0], b"12345678"].concat()]), ""),
    ("UDP: cut short", Udp(|asked| vec![asked[12..16].to_vec(), Vec::new(), reply(0, asked, b"1234")]), ""),
    ("UDP: a refusal of garbage", Udp(|asked| vec![reply(3, asked, b"\x1b[31mno\xff\x00\x07")]), "failed: [31mno�; next try in "),
    ("UDP: connects, then silence", Udp(|asked| if asked[11] == 0 { then(asked, |_| Vec::new()) } else { Vec::new() }), ""),
    ("UDP: connects, then cut short", Udp(|asked| then(asked, |asked| reply(1, asked, &[0; 11]))), ""),
    ("UDP: connects, then refuses", Udp(|asked| then(asked, |asked| reply(3, asked, b"go away\r\n\x1b[2J"))), "failed: go away [2J; next try in "),
    ("UDP: as large as it gets", Udp(|asked| then(asked, |asked| reply(1, asked, &[9; 60_000]))), "works"),
    ("UDP: the same a hundred times", Udp(|asked| vec![then(asked, |asked| reply(1, asked, &[0; 12])).remove(0); 100]), "works"),
    ("UDP: an unknown action", Udp(|asked| vec![reply(9, asked, &[0; 100])]), ""),
];

/// Starts the tracker; it lives as long as the test. Gives back where.
fn start(does: &Does) -> String {
    match does {
        At(url) => return (*url).to_owned(),
        Udp(answers) => {
            let (socket, answers) = (UdpSocket::bind("127.0.0.1:0").unwrap(), *answers);
            let port = socket.local_addr().unwrap().port();
            std::thread::spawn(move || {
                let mut bytes = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    for answer in answers(&bytes[..length]) {
                        socket.send_to(&answer, from).ok();
                    }
                }
            });
            return format!("udp://127.0.0.1:{port}/announce");
        }
        Raw(_) | Body(_) | Endless(..) | Drips(..) | Closes | NoTls => {}
    }
    let serve: Box<dyn Fn(TcpStream) + Send> = match does {
        Raw(answer) => once(*answer),
        Body(answer) => {
            let answer = *answer;
            Box::new(move |stream| {
                let Some((path, mut stream)) = asked(stream) else { return };
                stream.write_all(&head("200 OK", "", &answer(&path))).ok();
            })
        }
        Endless(first, again) => endless(first, again, None),
        Drips(first, again) => endless(first, again, Some(std::time::Duration::from_millis(50))),
        Closes => Box::new(drop),
        NoTls => Box::new(|mut stream| {
            stream.write_all(&head("200 OK", "", &peers(b""))).ok();
            stream.read_to_end(&mut Vec::new()).ok();
        }),
        At(_) | Udp(_) => panic!("started above"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(serve));
    let scheme = if matches!(does, NoTls) { "https" } else { "http" };
    format!("{scheme}://127.0.0.1:{port}/announce")
}

fn once(answer: fn(&str) -> Vec<u8>) -> Box<dyn Fn(TcpStream) + Send> {
    Box::new(move |stream| {
        let Some((path, mut stream)) = asked(stream) else { return };
        stream.write_all(&answer(&path)).ok();
    })
}

/// Until the other side hangs up.
fn endless(
    first: &'static str,
    again: &'static str,
    pause: Option<std::time::Duration>,
) -> Box<dyn Fn(TcpStream) + Send> {
    Box::new(move |stream| {
        let Some((_, mut stream)) = asked(stream) else { return };
        stream.write_all(first.as_bytes()).ok();
        // With a pause, the read waits for it; it ends early only with the connection.
        stream.set_read_timeout(pause).ok();
        while stream.write_all(again.as_bytes()).is_ok() {
            if pause.is_some() && matches!(stream.read(&mut [0]), Ok(0)) {
                return;
            }
        }
    })
}

/// Reads the head of a request: its path with the query.
fn asked(stream: TcpStream) -> Option<(String, TcpStream)> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some((head.split(' ').nth(1)?.to_owned(), reader.into_inner()))
}

fn run(&(name, ref does, says): &Row) {
    let folder = Folder::new();
    // The URL goes into the torrent file as it is: `create` would refuse some.
    folder.torrent(&[]);
    let url = start(does);
    let torrent = std::fs::read(folder.0.join("t.torrent")).unwrap();
    let announce = format!("d8:announce{}:{url}", url.len());
    std::fs::write(folder.0.join("t.torrent"), [announce.as_bytes(), &torrent[1..]].concat())
        .unwrap();

    let (mut get, addr) = Running::get(&folder, &[]);
    if !says.is_empty() {
        let line = get.wait(says, |line| is_event(line, "tracker"));
        let event: Value = serde_json::from_str(&line).unwrap();
        let text = event["text"].as_str().unwrap();
        assert!(text.starts_with(says), "{name}: {text:?}");
        assert!(text.len() < 1024, "{name}: {text}");
        let state = if says == "works" { "working" } else { "failed" };
        assert_eq!(event["state"], state, "{name}");
    }
    let (seed, _) = Running::seed(&folder, &["--peer", &addr.to_string()]);
    get.event("complete");
    let (code, lines) = get.end(true);
    assert_eq!(code, Some(0), "{name}: {lines:#?}");
    assert_sane(name, &lines);
    seed.end(true);
    assert!(folder.is_downloaded("out/film"), "{name}");
    let names = ["data", "data/film", "out", "out/film", "state", "state-of-seed", "t.torrent"];
    assert_eq!(folder.names(), names, "{name}");
}

#[test]
fn a_hostile_tracker_is_named_and_costs_only_itself() {
    each(ROWS, |row| row.0.to_owned(), run);
}

#[test]
fn what_a_tracker_says_is_a_line_for_people_too() {
    let folder = Folder::new();
    folder.torrent(&[
        "--tracker",
        &start(&Body(|_| b"d14:failure reason10:\x1b[1mno\nwaye".to_vec())),
    ]);
    let arguments = ["get", "t.torrent", "-o", "out", "--listen", "127.0.0.1:0"];
    let mut get = Running::start(folder.shoal("state", &arguments));
    let line = get.wait("the refusal", |line| line.contains(" failed: "));
    assert!(line.starts_with("film: tracker http://127.0.0.1:"), "{line}");
    assert!(line.contains(" failed: [1mno way; next try in 1"), "{line}");
    let (code, lines) = get.end(true);
    assert_eq!(code, Some(130), "{lines:#?}");
    assert_sane("for people", &lines);
}
