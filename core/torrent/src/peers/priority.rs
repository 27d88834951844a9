//! Whom to prefer, so that the swarm as a whole is well connected.
//!
//! Source: BEP 40 (canonical peer priority): the CRC32-C of both addresses, masked so that an
//! attacker with one subnet cannot choose its priority. Both ends compute the same number, and a
//! peer is preferred by a random part of the swarm and not by everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// The addresses that one party usually has together: a /24, or a /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet(u128);

impl Subnet {
    /// The subnet of `ip`.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(u128::from(u32::from(ip) >> 8)),
            // No IPv6 network begins with 64 zero bits and then has anything in the next.
            IpAddr::V6(ip) => Self(u128::from(ip) >> 64 << 64 | 1 << 63),
        }
    }
}

/// Whether the address is of this machine or its neighbourhood.
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The priority that two peers have for each other; the higher, the sooner dialled and the later
/// dropped. Zero for addresses of different families, which cannot meet.
pub fn priority(ours: SocketAddr, theirs: SocketAddr) -> u32 {
    match (ours.ip().to_canonical(), theirs.ip().to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            of_octets(&a.octets(), &b.octets(), &[2, 3, 4], ours.port(), theirs.port())
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let prefixes = [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
            of_octets(&a.octets(), &b.octets(), &prefixes, ours.port(), theirs.port())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// Peers of so many subnets must say the same of our address before it is believed.
const VOTES_MIN: usize = 3;

/// Different addresses that peers may say of us and are remembered.
const CANDIDATES_MAX: usize = 8;

/// What peers say our address is (BEP 10, `yourip`), when no tracker does.
#[derive(Debug, Default)]
pub struct Votes(BTreeMap<IpAddr, BTreeSet<Subnet>>);

impl Votes {
    /// The peer at `from` sees us at `ours`. Gives it back when enough of them agree.
    pub fn on_vote(&mut self, from: IpAddr, ours: IpAddr) -> Option<IpAddr> {
        let ours = ours.to_canonical();
        let room = self.0.len() < CANDIDATES_MAX || self.0.contains_key(&ours);
        if is_local(from) || is_local(ours) || !room {
            return None;
        }
        let voters = self.0.entry(ours).or_default();
        if voters.len() < VOTES_MIN {
            voters.insert(Subnet::of(from));
        }
        (voters.len() >= VOTES_MIN).then_some(ours)
    }
}

/// `prefixes`: lengths in bytes; two addresses that share one are told apart by one byte more.
fn of_octets(a: &[u8], b: &[u8], prefixes: &[usize], port_a: u16, port_b: u16) -> u32 {
    if a == b {
        let mut ports = [port_a, port_b];
        ports.sort_unstable();
        return crc32c(ports.iter().flat_map(|port| port.to_be_bytes()));
    }
    let length = prefixes.iter().copied().find(|&length| a[..length] != b[..length]);
    let kept = length.unwrap_or(a.len());
    let mask = |at: usize| if at < kept { 0xff } else { 0x55 };
    let masked = |ip: &[u8]| -> Vec<u8> {
        ip.iter().enumerate().map(|(at, byte)| byte & mask(at)).collect()
    };
    let mut pair = [masked(a), masked(b)];
    pair.sort_unstable();
    crc32c(pair.into_iter().flatten())
}

/// CRC-32 with the polynomial of Castagnoli, as in iSCSI. Bit by bit: some ten bytes a peer.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c([0; 32].into_iter()), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
    }

    #[test]
    fn the_examples_of_bep_40() {
        for (ours, theirs, expected) in [
            ("123.213.32.10:0", "98.76.54.32:0", 0xec2d_7224),
            ("123.213.32.10:0", "123.213.32.234:0", 0x9956_8189),
        ] {
            assert_eq!(priority(addr(ours), addr(theirs)), expected, "{ours} {theirs}");
            assert_eq!(priority(addr(theirs), addr(ours)), expected, "{theirs} {ours}");
        }
    }

    #[test]
    fn one_host_is_told_apart_by_its_ports() {
        let one = priority(addr("10.0.0.1:1"), addr("10.0.0.1:2"));
        assert_eq!(one, crc32c([0, 1, 0, 2].into_iter()));
        assert_eq!(one, priority(addr("10.0.0.1:2"), addr("10.0.0.1:1")));
        assert_ne!(one, priority(addr("10.0.0.1:1"), addr("10.0.0.1:3")));
    }

    #[test]
    fn a_subnet_of_an_attacker_has_few_priorities() {
        let ours = addr("[2001:db8:1::1]:0");
        let of_subnet = |n: u16| priority(ours, addr(&format!("[2001:dead:2:{n:x}::{n:x}]:0")));
        let all: BTreeSet<u32> = (0..2000).map(of_subnet).collect();
        assert!(all.len() <= 256, "{}", all.len());
        assert_eq!(priority(ours, addr("10.0.0.1:0")), 0);
    }

    #[test]
    fn our_address_is_believed_when_three_subnets_agree() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut votes = Votes::default();
        for (from, ours, believed) in [
            ("80.0.0.1", "90.9.9.9", false),
            ("80.0.0.2", "90.9.9.9", false),
            ("80.0.1.1", "90.9.9.9", false),
            ("80.0.2.1", "91.1.1.1", false),
            ("10.0.0.1", "90.9.9.9", false),
            ("80.0.3.1", "192.168.0.1", false),
            ("80.0.4.1", "::ffff:90.9.9.9", true),
        ] {
            let expected = believed.then(|| ip("90.9.9.9"));
            assert_eq!(votes.on_vote(ip(from), ip(ours)), expected, "{from} {ours}");
        }
        for n in 0..100 {
            votes.on_vote(ip("80.0.0.1"), IpAddr::from([92, 0, 0, n]));
        }
        assert_eq!(votes.0.len(), CANDIDATES_MAX);
    }

    #[test]
    fn subnets_are_those_of_one_party() {
        for (a, b, same) in [
            ("1.2.3.4", "1.2.3.200", true),
            ("1.2.3.4", "1.2.4.4", false),
            ("::ffff:1.2.3.4", "1.2.3.5", true),
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::1", "0.0.0.1", false),
        ] {
            let subnet = |ip: &str| Subnet::of(ip.parse().unwrap());
            assert_eq!(subnet(a) == subnet(b), same, "{a} {b}");
        }
    }
}
