//! Plays the table's peers on loopback, on threads.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::table::{Peer, Step};

/// The head of each request, as it arrives.
pub(crate) type Heard = Receiver<String>;

/// Plays `peer` at `ip` to whoever connects, for as long as the test runs.
pub(crate) fn listen(ip: IpAddr, peer: &'static Peer) -> (u16, Heard) {
    listen_and_tell(ip, peer, || {})
}

/// The same, and calls `ended` after each connection.
pub(crate) fn listen_and_tell(
    ip: IpAddr,
    peer: &'static Peer,
    ended: impl Fn() + Send + Sync + 'static,
) -> (u16, Heard) {
    let (sender, heard) = channel();
    let steps = match peer {
        Peer::Does(steps) => steps,
        Peer::Nobody => return (reserve(SocketAddr::new(ip, 0)).unwrap(), heard),
    };
    let listener = bind_alone(ip);
    let port = listener.local_addr().unwrap().port();
    let ended = Arc::new(ended);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender, ended) =
                (stream.unwrap(), Sender::clone(&sender), Arc::clone(&ended));
            thread::spawn(move || {
                play(&mut stream, steps, &sender);
                ended();
            });
        }
    });
    (port, heard)
}

/// A port of `ip` where nobody listens on the other family's loopback, now or later: `localhost`
/// means both, and other tests run beside this one.
pub(crate) fn bind_alone(ip: IpAddr) -> TcpListener {
    let other: IpAddr = match ip {
        IpAddr::V4(_) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.into(),
    };
    (0..100)
        .find_map(|_| {
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            reserve(SocketAddr::new(other, port)).ok().map(|_| listener)
        })
        .expect("a port free on both 127.0.0.1 and ::1, which this test needs")
}

/// Bound for the rest of the test, so that no other gets it, and never listened on.
fn reserve(addr: SocketAddr) -> io::Result<u16> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    let port = socket.local_addr()?.as_socket().unwrap().port();
    std::mem::forget(socket);
    Ok(port)
}

/// One connection. Errors end it: the other side may hang up whenever it likes.
pub(crate) fn play(stream: &mut (impl Read + Write), steps: &[Step], heard: &Sender<String>) {
    let mut head = Vec::new();
    // What doesn't begin like a GET is a TLS client at a plain peer, which answers at once.
    while !(head.ends_with(b"\r\n\r\n") || head.len() == 1 && head != b"G") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return,
        }
    }
    // Whether anybody listens is the test's affair.
    drop(heard.send(String::from_utf8_lossy(&head).into_owned()));
    for step in steps {
        let sent = match step {
            Step::Send(text) => stream.write_all(text.as_bytes()),
            Step::Repeat(text, times) => stream.write_all(text.repeat(*times).as_bytes()),
            Step::Stall => {
                drop(stream.read(&mut [0]));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
    drop(stream.flush());
}
