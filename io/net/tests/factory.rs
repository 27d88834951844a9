//! The socket factory against the system: what is promised of each kind of socket.

#![expect(clippy::unwrap_used, reason = "clippy sees helpers of an integration test as production")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use base::Purpose;
use net::factory::{FactoryConfig, SocketFactory};

const PURPOSE: Purpose = Purpose::Peer;
const BACKLOG: i32 = 16;

fn factory() -> SocketFactory {
    SocketFactory::new(FactoryConfig::default())
}

fn listen(addr: &str) -> TcpListener {
    factory().tcp_listener(PURPOSE, addr.parse().unwrap(), BACKLOG).unwrap()
}

/// Spins: nothing here may block, and there is no event loop.
fn until_ready<T>(mut attempt: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match attempt() {
            Err(error)
                if [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&error.kind()) =>
            {
                thread::yield_now();
            }
            ended => return ended,
        }
    }
}

#[test]
fn a_stream_connects_without_blocking_and_carries_bytes() {
    let listener = listen("127.0.0.1:0");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let addr = listener.local_addr().unwrap();
    let mut ours: TcpStream = factory().tcp_connect_start(PURPOSE, addr).unwrap();
    let (mut theirs, _) = until_ready(|| listener.accept()).unwrap();
    factory().tcp_accepted(PURPOSE, &theirs).unwrap();
    assert!(ours.nodelay().unwrap());
    assert!(theirs.nodelay().unwrap());
    assert_eq!(theirs.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    until_ready(|| ours.write(b"x")).unwrap();
    assert_eq!(until_ready(|| theirs.read(&mut [0])).unwrap(), 1);
}

#[test]
fn a_refusal_is_told_by_the_stream() {
    let listener = listen("127.0.0.1:0");
    let addr = listener.local_addr().unwrap();
    drop(listener);
    // Some systems say it at once.
    let refused = factory().tcp_connect_start(PURPOSE, addr).and_then(|stream| {
        until_ready(|| match stream.take_error()? {
            Some(error) => Err(error),
            None => stream.peer_addr(),
        })
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn one_port_serves_both_families_by_two_sockets() {
    let v4 = listen("0.0.0.0:0");
    let port = v4.local_addr().unwrap().port();
    let v6 = listen(&format!("[::]:{port}"));
    assert_eq!(v6.local_addr().unwrap().port(), port);

    let v4 = factory().udp_bind(PURPOSE, "0.0.0.0:0".parse().unwrap()).unwrap();
    let port = v4.local_addr().unwrap().port();
    let v6 = factory().udp_bind(PURPOSE, format!("[::]:{port}").parse().unwrap()).unwrap();
    assert_eq!(v6.recv_from(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_port_can_be_taken_again_after_a_restart() {
    let listener = listen("127.0.0.1:0");
    let addr: SocketAddr = listener.local_addr().unwrap();
    let theirs = TcpStream::connect(addr).unwrap();
    let (ours, _) = until_ready(|| listener.accept()).unwrap();
    // The side that closes first keeps the port in TIME_WAIT.
    drop((ours, listener));
    drop(theirs);
    listen(&addr.to_string());
}
