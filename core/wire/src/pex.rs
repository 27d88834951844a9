//! Peers that peers name.
//!
//! Source: BEP 11 (peer exchange).

use std::net::{IpAddr, SocketAddr};

use crate::bencode::{self, KeyOrder, Limits, OwnedValue, Value};
use crate::tracker::{compact_v4, compact_v6};

/// The name of the extension (BEP 10).
pub const PEX: &[u8] = b"ut_pex";

/// The id under which we want its messages.
pub const PEX_ID: u8 = 1;

/// Most addresses of each kind in one message but the first (BEP 11).
pub const ADDED_MAX: usize = 50;

/// Most addresses taken of one message. Some clients say all that they know in the first one.
pub const TAKEN_MAX: usize = 200;

/// The peer prefers encryption.
pub const PREFERS_ENCRYPTION: u8 = 0x01;
/// It is a seed or wants to upload only.
pub const SEED: u8 = 0x02;
/// The sender has reached it.
pub const REACHABLE: u8 = 0x10;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pex {
    /// Who came, with flags.
    pub added: Vec<(SocketAddr, u8)>,
    /// Who went.
    pub dropped: Vec<SocketAddr>,
}

const LIMITS: Limits =
    Limits { bytes_max: 64 * 1024, depth_max: 8, values_max: 256, key_order: KeyOrder::Any };

impl Pex {
    /// Decodes a payload, at most [`TAKEN_MAX`] addresses of each kind. Half an address at the end of a
    /// list is left out. `None` if it is no dictionary.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (value, _) = bencode::decode_prefix(payload, LIMITS).ok()?;
        let dict = value.as_dict()?;
        let bytes = |key: &[u8]| dict.get(key).and_then(Value::as_bytes).unwrap_or_default();
        let list = |v4: &[u8], v6: &[u8]| -> (Vec<SocketAddr>, Vec<SocketAddr>) {
            (compact_v4(bytes(v4)).collect(), compact_v6(bytes(v6)).collect())
        };
        let (added_v4, added_v6) = list(b"added", b"added6");
        let flagged = |addrs: Vec<SocketAddr>, key: &[u8]| {
            let flags = bytes(key).iter().copied().chain(core::iter::repeat(0));
            addrs.into_iter().zip(flags).collect::<Vec<_>>()
        };
        let mut added = flagged(added_v4, b"added.f");
        added.extend(flagged(added_v6, b"added6.f"));
        let (mut dropped, dropped_v6) = list(b"dropped", b"dropped6");
        dropped.extend(dropped_v6);
        added.truncate(TAKEN_MAX);
        dropped.truncate(TAKEN_MAX);
        Some(Self { added, dropped })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut dict = OwnedValue::dict();
        let flags = |v6| {
            let of_family = self.added.iter().filter(move |(addr, _)| is_v6(addr) == v6);
            of_family.map(|&(_, flags)| flags).collect::<Vec<u8>>()
        };
        let addrs = || self.added.iter().map(|(addr, _)| addr);
        let mut set = |key: &str, bytes: Vec<u8>| dict.set(key, bytes);
        // Empty lists too: some clients want the keys of their family.
        set("added", addrs().filter_map(packed_v4).flatten().collect());
        set("added.f", flags(false));
        set("added6", addrs().filter_map(packed_v6).flatten().collect());
        set("added6.f", flags(true));
        set("dropped", self.dropped.iter().filter_map(packed_v4).flatten().collect());
        set("dropped6", self.dropped.iter().filter_map(packed_v6).flatten().collect());
        bencode::encode(&dict)
    }
}

fn is_v6(addr: &SocketAddr) -> bool {
    addr.ip().to_canonical().is_ipv6()
}

/// 4 bytes of address and 2 of port, of an address of IPv4.
fn packed_v4(addr: &SocketAddr) -> Option<Vec<u8>> {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => Some([&ip.octets()[..], &addr.port().to_be_bytes()].concat()),
        IpAddr::V6(_) => None,
    }
}

/// 16 bytes of address and 2 of port, of an address of IPv6.
fn packed_v6(addr: &SocketAddr) -> Option<Vec<u8>> {
    match addr.ip().to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) => Some([&ip.octets()[..], &addr.port().to_be_bytes()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `added/dropped`, each a list of `address` or `address!flags`.
    fn said(pex: &Pex) -> String {
        let added = pex.added.iter().map(|(addr, flags)| match flags {
            0 => addr.to_string(),
            flags => format!("{addr}!{flags:x}"),
        });
        let dropped = pex.dropped.iter().map(ToString::to_string);
        format!("{}/{}", added.collect::<Vec<_>>().join(" "), dropped.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn payloads_by_table() {
        for (payload, expected) in [
            (&b"de"[..], "/"),
            (b"d5:added6:\x01\x02\x03\x04\x00\x05e", "1.2.3.4:5/"),
            (b"d5:added6:\x01\x02\x03\x04\x00\x057:added.f1:\x12e", "1.2.3.4:5!12/"),
            (b"d5:added8:\x01\x02\x03\x04\x00\x05\x01\x02e", "1.2.3.4:5/"),
            (b"d7:dropped6:\x01\x02\x03\x04\x00\x05e", "/1.2.3.4:5"),
            (
                b"d6:added618:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x098:added6.f1:\x02e",
                "[::1]:9!2/",
            ),
            (b"d5:addedi1ee", "/"),
        ] {
            assert_eq!(Pex::decode(payload).as_ref().map(said).as_deref(), Some(expected));
        }
        assert_eq!(Pex::decode(b"le"), None);
        assert_eq!(Pex::decode(b""), None);
    }

    #[test]
    fn a_crowd_is_cut_short() {
        let many = vec![(SocketAddr::from(([1, 2, 3, 4], 5)), 0); 500];
        let pex = Pex { added: many, dropped: Vec::new() };
        assert_eq!(Pex::decode(&pex.encode()).unwrap().added.len(), TAKEN_MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            v4 in prop::collection::vec((any::<([u8; 4], u16)>(), any::<u8>()), 0..5),
            v6 in prop::collection::vec((any::<([u16; 8], u16)>(), any::<u8>()), 0..5),
        ) {
            let v4 = v4.into_iter().map(|(addr, flags)| (SocketAddr::from(addr), flags));
            let v6 = v6.into_iter().map(|(addr, flags)| (SocketAddr::from(addr), flags));
            let v6 = v6.filter(|(addr, _)| is_v6(addr));
            let added: Vec<(SocketAddr, u8)> = v4.chain(v6).collect();
            let dropped = added.iter().map(|&(addr, _)| addr).collect();
            let pex = Pex { added, dropped };
            prop_assert_eq!(Pex::decode(&pex.encode()), Some(pex));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            Pex::decode(&bytes);
        }
    }
}
