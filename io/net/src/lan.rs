//! Sockets for the local network: the groups of local discovery, and the way to the router.
//!
//! Source: ip(7), ipv6(7), proc(5). The groups are joined on every interface on which we listen, but not
//! on the loopback one (what is sent to a group comes back to other programs of this machine in any
//! case), nor on those that lead to one other machine: that is a tunnel and no neighbourhood. Interfaces
//! come and go, so they are looked up for each announce, of which there is one a minute.
//! The default router is read from the routing table; where there is none to be read, there is no
//! port mapping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base::Purpose;
use discovery::port_mapping::Gateway;
use if_addrs::{IfAddr, Interface};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use node::hub::Speaker;
use socket2::SockRef;

use crate::factory::SocketFactory;

/// Datagrams read of a socket in one turn.
const DATAGRAMS_PER_TURN: usize = 64;

/// Longest datagram that is looked at; all that are sent here by rule are shorter.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// Most interfaces on which is announced; a machine with containers has dozens.
const INTERFACES_MAX: usize = 64;

/// Places of the sockets.
const GROUP_V4: usize = 0;
const GROUP_V6: usize = 1;
const ROUTER: usize = 2;

/// See the [module documentation](self).
pub(crate) struct Lan {
    factory: SocketFactory,
    poll: Registry,
    first_token: usize,
    /// Where we accept peers.
    listening: Vec<SocketAddr>,
    sockets: [Option<UdpSocket>; 3],
    readable: [bool; 3],
    /// Our address on the way to the router, where the third socket is bound.
    ours: Option<Ipv4Addr>,
    bytes: Vec<u8>,
}

impl Lan {
    /// No sockets yet. The poll will tell of three, with tokens from `first_token` on.
    pub(crate) fn new(
        listening: Vec<SocketAddr>,
        factory: SocketFactory,
        poll: Registry,
        first_token: usize,
    ) -> Self {
        Self {
            factory,
            poll,
            first_token,
            listening,
            sockets: [None, None, None],
            readable: [false; 3],
            ours: None,
            bytes: vec![0; DATAGRAM_BYTES_MAX],
        }
    }

    /// The poll said that there is something to be read.
    pub(crate) fn on_readable(&mut self, index: usize) {
        if let Some(readable) = self.readable.get_mut(index) {
            *readable = true;
        }
    }

    /// Whether there is work that the poll will not tell of.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable.contains(&true)
    }

    /// Gives what came to `take`, as far as this turn goes.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Speaker, SocketAddr, &[u8])) {
        let speakers = [Speaker::Neighbour, Speaker::Neighbour, Speaker::Router];
        for ((socket, readable), speaker) in
            self.sockets.iter().zip(&mut self.readable).zip(speakers)
        {
            let Some(socket) = socket.as_ref().filter(|_| *readable) else { continue };
            for _ in 0..DATAGRAMS_PER_TURN {
                match socket.recv_from(&mut self.bytes) {
                    Ok((length, from)) => take(speaker, from, &self.bytes[..length]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        *readable = false;
                        break;
                    }
                    // A datagram of ours was refused; who sent it has a time-out.
                    Err(_) => {}
                }
            }
        }
    }

    /// Sends to a group on every interface, and listens there from now on.
    pub(crate) fn announce(&mut self, v6: bool, bytes: &[u8]) {
        let (place, group) = match v6 {
            true => (GROUP_V6, IpAddr::from(wire::lsd::GROUP_V6)),
            false => (GROUP_V4, IpAddr::from(wire::lsd::GROUP_V4)),
        };
        let to = SocketAddr::new(group, wire::lsd::PORT);
        if self.sockets[place].is_none() {
            let socket = self.factory.udp_group(Purpose::LocalDiscovery, to);
            self.sockets[place] = socket.ok().and_then(|socket| self.register(place, socket));
        }
        let Some(socket) = &self.sockets[place] else { return };
        for interface in interfaces(&self.listening, v6) {
            let options = SockRef::from(socket);
            let ready = match (&interface.addr, interface.index) {
                (IfAddr::V4(addr), _) => {
                    // Joining twice fails, and so does what would be said there.
                    options.join_multicast_v4(&wire::lsd::GROUP_V4, &addr.ip).ok();
                    options.set_multicast_if_v4(&addr.ip)
                }
                (IfAddr::V6(_), Some(index)) => {
                    options.join_multicast_v6(&wire::lsd::GROUP_V6, index).ok();
                    options.set_multicast_if_v6(index)
                }
                (IfAddr::V6(_), None) => continue,
            };
            if ready.is_ok() {
                // It is said again in five minutes.
                socket.send_to(bytes, to).ok();
            }
        }
    }

    /// The default router, if we listen at our address on the way to it.
    pub(crate) fn gateway(&self) -> Option<Gateway> {
        let (name, router) = default_route()?;
        let near = |interface: &&Interface| match &interface.addr {
            IfAddr::V4(addr) => {
                interface.name == name && is_listened_at(&self.listening, addr.ip.into())
            }
            IfAddr::V6(_) => false,
        };
        let all = if_addrs::get_if_addrs().ok()?;
        let of_router = |interface: &&Interface| match &interface.addr {
            IfAddr::V4(addr) => {
                u32::from(addr.ip) & u32::from(addr.netmask)
                    == u32::from(router) & u32::from(addr.netmask)
            }
            IfAddr::V6(_) => false,
        };
        let found = all.iter().filter(near).find(of_router).or(all.iter().find(near))?;
        match &found.addr {
            IfAddr::V4(addr) => Some(Gateway { router, ours: addr.ip }),
            IfAddr::V6(_) => None,
        }
    }

    /// Sends from a socket that is bound to `ours`.
    pub(crate) fn send_to_router(&mut self, ours: Ipv4Addr, to: SocketAddr, bytes: &[u8]) {
        if self.ours != Some(ours) || self.sockets[ROUTER].is_none() {
            self.sockets[ROUTER] = self.bind(ours).ok().and_then(|s| self.register(ROUTER, s));
            self.ours = Some(ours);
        }
        if let Some(socket) = &self.sockets[ROUTER] {
            // Whoever sends it repeats it.
            socket.send_to(bytes, to).ok();
        }
    }

    fn bind(&self, ours: Ipv4Addr) -> io::Result<std::net::UdpSocket> {
        let socket =
            self.factory.udp_bind(Purpose::PortMapping, SocketAddr::new(ours.into(), 0))?;
        SockRef::from(&socket).set_multicast_if_v4(&ours)?;
        Ok(socket)
    }

    fn register(&self, place: usize, socket: std::net::UdpSocket) -> Option<UdpSocket> {
        let mut socket = UdpSocket::from_std(socket);
        let token = Token(self.first_token + place);
        self.poll.register(&mut socket, token, Interest::READABLE).ok()?;
        Some(socket)
    }
}

fn is_listened_at(listening: &[SocketAddr], ip: IpAddr) -> bool {
    let same_family = listening.iter().filter(|addr| addr.is_ipv4() == ip.is_ipv4());
    same_family.into_iter().any(|addr| addr.ip().is_unspecified() || addr.ip() == ip)
}

/// The interfaces of a family on which we listen, each once for IPv6, and once an address for IPv4.
fn interfaces(listening: &[SocketAddr], v6: bool) -> Vec<Interface> {
    let mut all = if_addrs::get_if_addrs().unwrap_or_default();
    all.retain(|interface| {
        let good = !interface.is_loopback() && interface.is_oper_up() && !interface.is_p2p();
        good && interface.ip().is_ipv6() == v6 && is_listened_at(listening, interface.ip())
    });
    if v6 {
        all.sort_by_key(|interface| interface.index);
        all.dedup_by_key(|interface| interface.index);
    }
    all.truncate(INTERFACES_MAX);
    all
}

/// The interface and the router of the default route with the best metric.
#[cfg(target_os = "linux")]
fn default_route() -> Option<(String, Ipv4Addr)> {
    parse_routes(&std::fs::read_to_string("/proc/net/route").ok()?)
}

/// We can't ask this system.
#[cfg(not(target_os = "linux"))]
fn default_route() -> Option<(String, Ipv4Addr)> {
    None
}

/// Columns: interface, destination, gateway, flags, counters (2), metric, mask. Addresses are
/// hexadecimal, as they lie in memory.
#[cfg(any(target_os = "linux", test))]
fn parse_routes(table: &str) -> Option<(String, Ipv4Addr)> {
    let route = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, destination, gateway, _flags, _, _, metric, mask, ..] = columns[..] else {
            return None;
        };
        let gateway = u32::from_str_radix(gateway, 16).ok().filter(|&gateway| gateway != 0)?;
        let any = destination == "00000000" && mask == "00000000";
        let metric: u32 = metric.parse().ok()?;
        any.then(|| (metric, name.to_owned(), Ipv4Addr::from(gateway.to_ne_bytes())))
    };
    let best = table.lines().skip(1).filter_map(route).min()?;
    Some((best.1, best.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_by_table() {
        let head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";
        let dest = |ip: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(ip));
        let line = |name: &str, to, by, metric: u32, mask| {
            let (to, by, mask) = (dest(to), dest(by), dest(mask));
            format!("{name}\t{to}\t{by}\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0 \n")
        };
        let any = [0; 4];
        let (a, b) = ([192, 168, 1, 1], [10, 0, 0, 1]);
        let lan = line("eth0", [192, 168, 1, 0], any, 0, [255, 255, 255, 0]);
        let (eth, wifi) = (line("eth0", any, a, 100, any), line("wlan0", any, b, 600, any));
        for (table, expected) in [
            (vec![], None),
            (vec![&lan], None),
            (vec![&lan, &eth], Some(("eth0", a))),
            (vec![&wifi, &eth, &lan], Some(("eth0", a))),
            (vec![&wifi], Some(("wlan0", b))),
            // A tunnel has no router.
            (vec![&line("tun0", any, any, 0, any)], None),
            (vec![&"nonsense\n".to_owned()], None),
        ] {
            let table: String = table.into_iter().map(String::as_str).collect();
            let expected = expected.map(|(name, ip)| (name.to_owned(), Ipv4Addr::from(ip)));
            assert_eq!(parse_routes(&format!("{head}{table}")), expected, "{table}");
        }
    }

    #[test]
    fn we_are_at_home_only_where_we_listen() {
        let listening = |addrs: &[&str]| -> Vec<SocketAddr> {
            addrs.iter().map(|addr| addr.parse().unwrap()).collect()
        };
        for (addrs, ip, expected) in [
            (&["0.0.0.0:1"][..], "192.168.1.9", true),
            (&["0.0.0.0:1"], "2001:db8::1", false),
            (&["[::]:1"], "192.168.1.9", false),
            (&["[::]:1", "192.168.1.9:1"], "192.168.1.9", true),
            (&["192.168.1.8:1"], "192.168.1.9", false),
            (&[], "192.168.1.9", false),
        ] {
            let got = is_listened_at(&listening(addrs), ip.parse().unwrap());
            assert_eq!(got, expected, "{addrs:?} {ip}");
        }
    }
}
