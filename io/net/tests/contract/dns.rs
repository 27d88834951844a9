//! Names, with a small name server on loopback in place of the system's.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use base::{Family, HttpError, HttpRequest};

use crate::{LOOPBACK, PATIENCE, Real, SAYS_HI, listen};

const A: u16 = 1;
const AAAA: u16 = 28;
const NAME_ERROR: u16 = 3;
const TRUNCATED: u16 = 0x0200;

#[test]
fn names_become_addresses_of_both_families() {
    let real = Real::start_with_name_servers(&[name_server()]);
    let mut addrs = real.resolve("both.example", PATIENCE);
    addrs.sort();
    assert_eq!(addrs, [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    assert_eq!(real.resolve("four.example", PATIENCE), [LOOPBACK]);
}

#[test]
fn a_name_may_be_written_in_any_script() {
    let real = Real::start_with_name_servers(&[name_server()]);
    assert_eq!(real.resolve("BÜCHER.example", PATIENCE), [LOOPBACK]);
}

#[test]
fn at_most_sixteen_addresses_are_given() {
    let real = Real::start_with_name_servers(&[name_server()]);
    assert_eq!(real.resolve("many.example", PATIENCE).len(), 16);
}

#[test]
fn an_answer_too_long_for_udp_comes_over_tcp() {
    let real = Real::start_with_name_servers(&[name_server()]);
    assert_eq!(real.resolve("long.example", PATIENCE), [LOOPBACK]);
}

#[test]
fn a_name_that_does_not_exist_has_no_address() {
    let real = Real::start_with_name_servers(&[name_server()]);
    assert_eq!(real.resolve("nobody.example", PATIENCE), [] as [IpAddr; 0]);
    assert_eq!(real.resolve("not a name", PATIENCE), [] as [IpAddr; 0]);
    assert_eq!(real.get("http://nobody.example/"), Err(HttpError::NoAddress));
}

#[test]
fn a_silent_name_server_is_waited_for_as_long_as_asked() {
    let real = Real::start_with_name_servers(&[name_server()]);
    let timeout = Duration::from_millis(200);
    let begun = Instant::now();
    assert_eq!(real.resolve("silent.example", timeout), [] as [IpAddr; 0]);
    assert!(begun.elapsed() >= timeout);
    let request = HttpRequest { timeout, ..real.request("http://silent.example/") };
    assert_eq!(real.fetch(request), Err(HttpError::Timeout));
}

#[test]
fn without_name_servers_only_localhost_and_literals_work() {
    let real = Real::start_with_name_servers(&[]);
    let (port, _heard) = listen(LOOPBACK, &SAYS_HI);
    let begun = Instant::now();
    assert_eq!(real.get("http://four.example/"), Err(HttpError::NoAddress));
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody to wait for");
    assert_eq!(real.get(&format!("http://localhost:{port}/")).unwrap().body, b"hi");
    assert_eq!(real.get(&format!("http://127.0.0.1:{port}/")).unwrap().body, b"hi");
}

#[test]
fn http_goes_by_names_in_the_family_asked_for() {
    let real = Real::start_with_name_servers(&[name_server()]);
    let (port, heard) = listen(LOOPBACK, &SAYS_HI);
    let url = format!("http://four.example:{port}/");
    assert_eq!(real.get(&url).unwrap().body, b"hi");
    let heard = heard.recv_timeout(PATIENCE).unwrap();
    assert!(heard.contains(&format!("Host: four.example:{port}\r\n")), "{heard}");
    let request = HttpRequest { family: Family::V6, ..real.request(&url) };
    assert_eq!(real.fetch(request), Err(HttpError::NoAddress));
}

/// A name server over UDP and TCP that knows the names above.
fn name_server() -> SocketAddr {
    // UDP may get a port that TCP cannot have.
    let (udp, tcp) = (0..100)
        .find_map(|_| {
            let udp = UdpSocket::bind((LOOPBACK, 0)).unwrap();
            let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
            Some((udp, tcp))
        })
        .expect("a port free for both");
    let addr = udp.local_addr().unwrap();
    thread::spawn(move || {
        let mut packet = [0; 4096];
        loop {
            let (bytes, from) = udp.recv_from(&mut packet).unwrap();
            if let Some(answer) = answer(&packet[..bytes], true) {
                udp.send_to(&answer, from).unwrap();
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            // hickory keeps the connection for the next question.
            while stream.read_exact(&mut length).is_ok() {
                let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut packet).unwrap();
                let answer = answer(&packet, false).expect("no silence over TCP");
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length, answer.as_slice()].concat()).unwrap();
            }
        }
    });
    addr
}

/// The answer to a question (RFC 1035, section 4), or silence.
fn answer(query: &[u8], is_udp: bool) -> Option<Vec<u8>> {
    let (name, kind, question_end) = question(query);
    let v4 = |last: u8| [127, 0, 0, last].to_vec();
    let (flags, data): (u16, Vec<Vec<u8>>) = match (name.as_str(), kind) {
        ("silent.example", _) => return None,
        ("long.example", A) if is_udp => (TRUNCATED, vec![]),
        ("both.example" | "four.example" | "long.example" | "xn--bcher-kva.example", A) => {
            (0, vec![v4(1)])
        }
        ("both.example", AAAA) => (0, vec![Ipv6Addr::LOCALHOST.octets().to_vec()]),
        ("many.example", A) => (0, (1..=20).map(v4).collect()),
        ("four.example" | "many.example" | "long.example" | "xn--bcher-kva.example", _) => {
            (0, vec![])
        }
        _ => (NAME_ERROR, vec![]),
    };
    let mut answer = query[..2].to_vec();
    answer.extend((0x8180 | flags).to_be_bytes());
    answer.extend([0, 1, 0, u8::try_from(data.len()).unwrap(), 0, 0, 0, 0]);
    answer.extend(&query[12..question_end]);
    for address in data {
        // The name by reference to the question, the type asked for, class IN, 60 s.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(address.len()).unwrap()]);
        answer.extend(address);
    }
    Some(answer)
}

fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..end].to_ascii_lowercase()).unwrap());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (labels.join("."), kind, at + 5)
}
