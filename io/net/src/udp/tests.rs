use std::net::UdpSocket as StdSocket;

use mio::{Events, Poll};

use super::*;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Datagrams and where they came from.
type Arrived = Vec<(SocketAddr, Vec<u8>)>;

struct Rig {
    poll: Poll,
    port: UdpPort,
}

const FIRST: usize = 7;

impl Rig {
    /// An open port on `addrs`.
    fn new(addrs: &[&str]) -> Self {
        let mut rig = Self::closed(addrs);
        rig.port.open();
        rig
    }

    fn closed(addrs: &[&str]) -> Self {
        let addrs: Vec<SocketAddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        let poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let port = UdpPort::new(&addrs, SocketFactory::default(), registry, FIRST);
        Self { poll, port }
    }

    fn addr(&self, index: usize) -> SocketAddr {
        self.port.sockets[index].socket.as_ref().unwrap().local_addr().unwrap()
    }

    fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        self.port.send(to, bytes.to_vec());
    }

    /// One turn of a loop: what arrived, and how many batches it was.
    fn turn(&mut self) -> (Arrived, usize) {
        let mut events = Events::with_capacity(8);
        let timeout = if self.port.is_readable() { std::time::Duration::ZERO } else { PATIENCE };
        self.poll.poll(&mut events, Some(timeout)).unwrap();
        events.iter().for_each(|event| self.port.on_readable(event.token().0 - FIRST));
        let (mut got, mut batches) = (Vec::new(), 0);
        self.port.receive(|batch| {
            batches += 1;
            got.extend(batch.iter().map(|(from, bytes)| (from, bytes.to_vec())));
        });
        (got, batches)
    }

    fn receive(&mut self, count: usize) -> Arrived {
        let mut got = Vec::new();
        while got.len() < count {
            got.extend(self.turn().0);
        }
        got
    }
}

fn outside(addr: &str) -> StdSocket {
    let socket = StdSocket::bind(addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn datagrams_of_any_length_arrive_whole_in_order_and_with_their_sender() {
    for addr in ["127.0.0.1:0", "[::1]:0"] {
        let mut rig = Rig::new(&[addr]);
        let theirs = outside(addr);
        let lengths = [0, 1, 100, 1472, 4096, 4097, 40_000, 65_507, 5];
        for (n, length) in (0..).zip(lengths) {
            theirs.send_to(&vec![n; length], rig.addr(0)).unwrap();
        }
        let from = theirs.local_addr().unwrap();
        let expected: Vec<_> =
            (0..).zip(lengths).map(|(n, length)| (from, vec![n; length])).collect();
        assert!(rig.receive(lengths.len()) == expected, "{addr}");
    }
}

#[test]
fn a_flood_gets_its_share_of_a_turn_and_no_more() {
    let mut rig = Rig::new(&["127.0.0.1:0"]);
    let theirs = outside("127.0.0.1:0");
    let sent = BATCH_MAX * BATCHES_PER_TURN + 2;
    for _ in 0..sent {
        theirs.send_to(b"flood", rig.addr(0)).unwrap();
    }
    let (got, batches) = rig.turn();
    assert_eq!((got.len(), batches), (BATCH_MAX * BATCHES_PER_TURN, BATCHES_PER_TURN));
    assert!(rig.port.is_readable(), "the poll will not tell again");
    assert_eq!(rig.turn(), (vec![(theirs.local_addr().unwrap(), b"flood".to_vec()); 2], 1));
    assert!(!rig.port.is_readable());
}

#[test]
fn one_flush_sends_all_each_from_the_socket_of_its_family() {
    let mut rig = Rig::new(&["127.0.0.1:0", "[::1]:0"]);
    let theirs = [outside("127.0.0.1:0"), outside("[::1]:0")];
    let count = BATCH_MAX + 3;
    for n in 0..count {
        for socket in &theirs {
            rig.send(socket.local_addr().unwrap(), &n.to_be_bytes());
        }
    }
    rig.port.flush();
    assert!(!rig.port.has_waiting());
    for (index, socket) in theirs.iter().enumerate() {
        for n in 0..count {
            let mut bytes = [0; 16];
            let (length, from) = socket.recv_from(&mut bytes).unwrap();
            assert_eq!((from, &bytes[..length]), (rig.addr(index), &n.to_be_bytes()[..]));
        }
    }
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_keep_the_others() {
    let mut rig = Rig::new(&["127.0.0.1:0"]);
    let theirs = outside("127.0.0.1:0");
    let to = theirs.local_addr().unwrap();
    rig.send(to, b"before");
    rig.send(to, &vec![0; 70_000]);
    rig.send("0.0.0.0:0".parse().unwrap(), b"nowhere");
    rig.send(to, b"after");
    rig.port.flush();
    assert!(!rig.port.has_waiting());
    for expected in [&b"before"[..], b"after"] {
        let mut bytes = [0; 16];
        let length = theirs.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], expected);
    }
}

#[test]
fn what_has_no_socket_of_its_family_is_dropped() {
    let mut rig = Rig::new(&["127.0.0.1:0"]);
    rig.send("[::1]:9".parse().unwrap(), b"x");
    assert!(!rig.port.has_waiting());
}

#[test]
fn a_socket_opens_with_the_first_datagram_that_needs_it() {
    let mut rig = Rig::closed(&["127.0.0.1:0"]);
    let theirs = outside("127.0.0.1:0");
    rig.send(theirs.local_addr().unwrap(), b"hello");
    rig.port.flush();
    let mut bytes = [0; 16];
    let (length, from) = theirs.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"hello");
    theirs.send_to(b"hi", from).unwrap();
    assert_eq!(rig.receive(1)[0].1, b"hi");
}
