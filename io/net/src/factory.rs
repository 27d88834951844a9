//! The one place of the program where sockets are made.
//!
//! Source: rule 9 of our own `ARCHITECTURE.md`. A bound interface, a proxy or a kill switch will
//! be put here, by purpose, and then nothing has a way around. Libraries get ours: `hyper` speaks
//! over a stream from here, `hickory` asks here for its UDP and TCP sockets.
//! Every socket is non-blocking and closed on exec; an IPv6 socket never takes IPv4 traffic, so
//! that each family is bound, limited and reported by itself.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use base::Purpose;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// How sockets leave the machine. Nothing to choose yet; interface and proxy belong here.
#[derive(Clone, Debug, Default)]
pub struct FactoryConfig {}

/// Makes every socket. Clones share the configuration.
#[derive(Clone, Debug, Default)]
pub struct SocketFactory {
    config: FactoryConfig,
}

impl SocketFactory {
    /// A factory that follows `config`.
    #[must_use]
    pub fn new(config: FactoryConfig) -> Self {
        Self { config }
    }

    /// A listening socket at `addr`, with room for `backlog` connections not yet accepted.
    ///
    /// The address can be taken again at once after a restart (`SO_REUSEADDR`, on Unix only:
    /// elsewhere the option would let another program steal the port).
    ///
    /// # Errors
    /// What the system says: the address is in use, not ours, or not permitted.
    pub fn tcp_listener(
        &self,
        purpose: Purpose,
        addr: SocketAddr,
        backlog: i32,
    ) -> io::Result<TcpListener> {
        let socket = self.open(purpose, addr, Type::STREAM, Protocol::TCP)?;
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(backlog)?;
        Ok(socket.into())
    }

    /// Sets up a stream that a listener of ours has accepted, as [`Self::tcp_connect_start`] does
    /// for those that we open.
    ///
    /// # Errors
    /// What the system says; usually that the peer is gone already.
    pub fn tcp_accepted<'s>(
        &self,
        _purpose: Purpose,
        stream: impl Into<SockRef<'s>>,
    ) -> io::Result<()> {
        let socket = stream.into();
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)
    }

    /// Starts to connect to `addr`. The stream becomes writable when that has ended, well or
    /// badly: `take_error` tells which.
    ///
    /// `TCP_NODELAY` is set for every purpose: our writers gather messages themselves, and a
    /// request held back for an acknowledgement costs a round trip. `TCP_NOTSENT_LOWAT` is left
    /// alone: it would keep less unsent payload in the kernel, at the price of more wake-ups per
    /// byte, and no measurement of ours asks for it yet.
    ///
    /// # Errors
    /// What the system says, if the attempt failed before it began (no route, for example).
    pub fn tcp_connect_start(&self, purpose: Purpose, addr: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.open(purpose, addr, Type::STREAM, Protocol::TCP)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&addr.into()) {
            Ok(()) => {}
            Err(error) if is_in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(socket.into())
    }

    /// A UDP socket bound to `addr`; port 0 lets the system choose.
    ///
    /// # Errors
    /// What the system says: the address is in use, not ours, or not permitted.
    pub fn udp_bind(&self, purpose: Purpose, addr: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open(purpose, addr, Type::DGRAM, Protocol::UDP)?;
        socket.bind(&addr.into())?;
        Ok(socket.into())
    }

    /// A UDP socket for what is sent to `group`, which other programs of this machine may read as well.
    /// It is joined nowhere yet, and what it sends to a group stays on the network it is sent to.
    ///
    /// # Errors
    /// What the system says: the port is somebody's alone, or there is no such family.
    pub fn udp_group(&self, purpose: Purpose, group: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.open(purpose, group, Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_address(true)?;
        // What Linux means by the option above is another one there.
        #[cfg(any(target_os = "macos", target_os = "freebsd"))]
        socket.set_reuse_port(true)?;
        // Bound to the group, it gets nothing that is sent to the machine alone, from wherever. Only Unix
        // can do that.
        let any: std::net::IpAddr = match group {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let at = if cfg!(unix) { group } else { SocketAddr::new(any, group.port()) };
        socket.bind(&at.into())?;
        Ok(socket.into())
    }

    /// `Socket::new` sets close-on-exec, in the same system call where there is one.
    fn open(
        &self,
        _purpose: Purpose,
        addr: SocketAddr,
        kind: Type,
        protocol: Protocol,
    ) -> io::Result<Socket> {
        // Whoever adds a field must obey it here.
        let FactoryConfig {} = self.config;
        let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    }
}

/// Unix says `EINPROGRESS`, Windows `WSAEWOULDBLOCK`.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}
