//! The UDP port: one socket for each address that we listen on, read and written in batches.
//!
//! Source: recvmmsg(2), sendmmsg(2). One call takes up to [`BATCH_MAX`] datagrams; elsewhere than on Linux
//! it takes one. Measured on loopback with 104 bytes each: 290 ns a datagram, 320 ns by a call each. That
//! is where system calls are cheap; a buffer of 64 KiB made for each call had cost 1,600 ns.
//! Nothing here waits for ever: a socket gives [`BATCHES_PER_TURN`] batches, then the loop has other
//! work and comes back; what a full send buffer does not take is tried again, up to [`WAITING_MAX`],
//! and then lost, as datagrams may be anywhere.
//!
//! Invariant: a socket that told us of datagrams is `readable` until it said that it has no more,
//! since the poll tells only once.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use base::Purpose;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
#[cfg(target_os = "linux")]
use rustix::net::sockopt;

use crate::factory::SocketFactory;

/// Datagrams read or written by one system call.
const BATCH_MAX: usize = 64;

/// Batches read of a socket in one turn of the loop: about a millisecond of work.
const BATCHES_PER_TURN: usize = 4;

/// Room for the longest datagram there is, so that none is ever cut. A tracker's answer may be that
/// long. 33 cache lines more keep the beginnings of all slots from falling into the same few sets
/// of the cache.
const SLOT_BYTES: usize = 64 * 1024 + 33 * 64;

/// Datagrams of a socket that wait for room in the system's buffer; more are lost.
const WAITING_MAX: usize = 256;

/// What the system may keep for us until we come to read: 4 ms of 1 Gbit/s in small datagrams, which
/// count as 768 bytes or more there. The system grants less if its own bound is lower.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// See the [module documentation](self).
pub(crate) struct UdpPort {
    opener: Opener,
    sockets: Vec<Bound>,
    batch: Batch,
}

/// Where sockets come from, and who is to tell of them.
struct Opener {
    factory: SocketFactory,
    poll: Registry,
    /// The token of the first socket; the others follow.
    first_token: usize,
}

struct Bound {
    addr: SocketAddr,
    /// `None` until it is first needed.
    socket: Option<UdpSocket>,
    readable: bool,
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl UdpPort {
    /// Sockets at `addrs`, none of them open. The poll will tell of them with tokens from
    /// `first_token` on.
    pub(crate) fn new(
        addrs: &[SocketAddr],
        factory: SocketFactory,
        poll: Registry,
        first_token: usize,
    ) -> Self {
        let closed =
            |&addr| Bound { addr, socket: None, readable: false, waiting: VecDeque::new() };
        Self {
            opener: Opener { factory, poll, first_token },
            sockets: addrs.iter().map(closed).collect(),
            batch: Batch::new(),
        }
    }

    /// Opens what is not open yet, for others to reach us before we have sent anything. One that the
    /// system refuses is tried again with the next call.
    pub(crate) fn open(&mut self) {
        for (index, bound) in self.sockets.iter_mut().enumerate() {
            bound.open(&self.opener, index);
        }
    }

    /// The poll said that there is something to be read.
    pub(crate) fn on_readable(&mut self, index: usize) {
        if let Some(bound) = self.sockets.get_mut(index) {
            bound.readable = true;
        }
    }

    /// Whether there is work that the poll will not tell of: the loop should not sleep.
    pub(crate) fn is_readable(&self) -> bool {
        self.sockets.iter().any(|bound| bound.readable)
    }

    /// Whether datagrams wait for room: the loop should come back soon.
    pub(crate) fn has_waiting(&self) -> bool {
        self.sockets.iter().any(|bound| !bound.waiting.is_empty())
    }

    /// Gives each batch of this turn to `take`.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(&Batch)) {
        for bound in &mut self.sockets {
            for _ in 0..BATCHES_PER_TURN {
                let Some(socket) = bound.socket.as_ref().filter(|_| bound.readable) else { break };
                match self.batch.receive(socket) {
                    Ok(()) => take(&self.batch),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        bound.readable = false;
                    }
                    // Somebody refused a datagram of ours (ICMP), which is told once; who sent it
                    // has a time-out.
                    Err(_) => {}
                }
            }
        }
    }

    /// Queues a datagram for the socket of the right family, opening it when it is first needed.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        let same_family = |(_, bound): &(usize, &mut Bound)| bound.addr.is_ipv4() == to.is_ipv4();
        let Some((index, bound)) = self.sockets.iter_mut().enumerate().find(same_family) else {
            return;
        };
        bound.open(&self.opener, index);
        if bound.socket.is_some() && bound.waiting.len() < WAITING_MAX {
            bound.waiting.push_back((to, bytes));
            if bound.waiting.len() == BATCH_MAX {
                bound.flush();
            }
        }
    }

    /// Sends what was queued, as far as the system takes it.
    pub(crate) fn flush(&mut self) {
        self.sockets.iter_mut().for_each(Bound::flush);
    }
}

impl Bound {
    fn open(&mut self, opener: &Opener, index: usize) {
        if self.socket.is_some() {
            return;
        }
        let Ok(socket) = opener.factory.udp_bind(Purpose::Tracker, self.addr) else { return };
        // What it grants is good enough.
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES).ok();
        // Nothing of ours is longer than 1400 bytes. Who may cut a datagram into pieces has to number it
        // first, which is 7 % of what an answer of the DHT costs.
        #[cfg(target_os = "linux")]
        sockopt::set_ip_mtu_discover(&socket, sockopt::Ipv4PathMtuDiscovery::DO).ok();
        let mut socket = UdpSocket::from_std(socket);
        let token = Token(opener.first_token + index);
        if opener.poll.register(&mut socket, token, Interest::READABLE).is_ok() {
            self.socket = Some(socket);
        }
    }

    fn flush(&mut self) {
        let Some(socket) = &self.socket else { return };
        while !self.waiting.is_empty() {
            let datagrams = self.waiting.make_contiguous();
            match send_batch(socket, &datagrams[..datagrams.len().min(BATCH_MAX)]) {
                Ok(sent) => drop(self.waiting.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The first one cannot be sent, for want of a route for example; those behind it can.
                Err(_) => drop(self.waiting.pop_front()),
            }
        }
    }
}

/// Datagrams read together.
///
/// The buffer is reserved for the worst case, 4 MiB; the system gives pages of it only for what has
/// arrived, 256 KiB for datagrams of at most a page.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    received: Vec<(SocketAddr, Range<usize>)>,
}

impl Batch {
    fn new() -> Self {
        Self { bytes: vec![0; BATCH_MAX * SLOT_BYTES], received: Vec::with_capacity(BATCH_MAX) }
    }

    /// Where each came from, and what it holds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.received.iter().map(|(from, range)| (*from, &self.bytes[range.clone()]))
    }

    /// Replaces what is here by at least one datagram more.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.received.clear();
        #[cfg(target_os = "linux")]
        return linux::receive(socket, &mut self.bytes, &mut self.received);
        #[cfg(not(target_os = "linux"))]
        {
            let (length, from) = socket.recv_from(&mut self.bytes)?;
            self.received.push((from, 0..length));
            Ok(())
        }
    }
}

/// Sends the first of `datagrams`, and of the others as many as the system takes; returns how many.
#[cfg(target_os = "linux")]
fn send_batch(socket: &UdpSocket, datagrams: &[(SocketAddr, Vec<u8>)]) -> io::Result<usize> {
    use rustix::net::addr::SocketAddrArg as _;
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

    let addrs: Vec<_> = datagrams.iter().map(|(to, _)| to.as_any()).collect();
    let slices: Vec<_> = datagrams.iter().map(|(_, bytes)| [io::IoSlice::new(bytes)]).collect();
    let mut control: Vec<_> = datagrams.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<_> = (addrs.iter().zip(&slices).zip(&mut control))
        .map(|((addr, slices), control)| MMsgHdr::new_with_addr(addr, slices, control))
        .collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::NOSIGNAL)?)
}

/// The same, one at a time.
#[cfg(not(target_os = "linux"))]
fn send_batch(socket: &UdpSocket, datagrams: &[(SocketAddr, Vec<u8>)]) -> io::Result<usize> {
    let [(to, bytes), ..] = datagrams else { return Ok(0) };
    socket.send_to(bytes, *to)?;
    Ok(1)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe wrapper of recvmmsg(2) is among our dependencies")]
mod linux {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
    use std::os::fd::AsRawFd as _;

    use super::*;

    const NO_ADDR: libc::sockaddr_in6 = libc::sockaddr_in6 {
        sin6_family: 0,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
        sin6_scope_id: 0,
    };

    /// Fills slots of `bytes` from the first on, and says from whom and where.
    pub(super) fn receive(
        socket: &UdpSocket,
        bytes: &mut [u8],
        received: &mut Vec<(SocketAddr, Range<usize>)>,
    ) -> io::Result<()> {
        let mut addrs = [NO_ADDR; BATCH_MAX];
        let mut slots = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH_MAX];
        for (slot, bytes) in slots.iter_mut().zip(bytes.chunks_exact_mut(SLOT_BYTES)) {
            *slot = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        }
        let addr_bytes =
            libc::socklen_t::try_from(size_of::<libc::sockaddr_in6>()).expect("28 bytes");
        // SAFETY: all fields are integers or pointers, for which zeros are a value; musl's has
        // padding that cannot be named.
        let mut messages: [libc::mmsghdr; BATCH_MAX] = unsafe { std::mem::zeroed() };
        for ((message, addr), slot) in messages.iter_mut().zip(&mut addrs).zip(&mut slots) {
            message.msg_hdr.msg_name = (&raw mut *addr).cast();
            message.msg_hdr.msg_namelen = addr_bytes;
            message.msg_hdr.msg_iov = slot;
            message.msg_hdr.msg_iovlen = 1;
        }
        let (fd, at) = (socket.as_raw_fd(), messages.as_mut_ptr());
        let count = u32::try_from(messages.len()).expect("BATCH_MAX");
        // SAFETY: `at` leads to `count` messages. Each names an address, a vector of one slot, and
        // bytes that no other one names; they all outlive the call, which keeps no pointer.
        let taken = unsafe { libc::recvmmsg(fd, at, count, 0, std::ptr::null_mut()) };
        let taken = usize::try_from(taken).map_err(|_negative| io::Error::last_os_error())?;
        for (index, (message, addr)) in messages.iter().zip(&addrs).take(taken).enumerate() {
            let start = index * SLOT_BYTES;
            if let Some(from) = socket_addr(addr) {
                received.push((from, start..start + message.msg_len as usize));
            }
        }
        Ok(())
    }

    /// The address of either family: that of IPv4 lies where an IPv6 one has its flow.
    fn socket_addr(addr: &libc::sockaddr_in6) -> Option<SocketAddr> {
        let port = u16::from_be(addr.sin6_port);
        match libc::c_int::from(addr.sin6_family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(addr.sin6_flowinfo.to_ne_bytes());
                Some(SocketAddr::new(ip.into(), port))
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(addr.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, port, addr.sin6_flowinfo, addr.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
