//! Distances between keys, and ids that follow from addresses.
//!
//! Source: BEP 5 (XOR metric), BEP 42 (ids). BEP 42 lets a node choose among few places only, so that
//! nobody surrounds a key with a handful of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Rng;
use wire::krpc::NodeId;

/// How far two keys are from each other. Ordered; zero is the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Distance(u128, u32);

impl Distance {
    pub(crate) const MAX: Self = Self(u128::MAX, u32::MAX);

    pub(crate) fn between(a: NodeId, b: NodeId) -> Self {
        let (a, b) = (halves(a), halves(b));
        Self(a.0 ^ b.0, a.1 ^ b.1)
    }

    /// How many leading bits two keys at this distance share: 0 to 160.
    pub(crate) fn common_bits(self) -> usize {
        let bits = match self.0 {
            0 => 128 + self.1.leading_zeros(),
            high => high.leading_zeros(),
        };
        bits as usize
    }

    /// The upper 64 bits, for estimates.
    pub(crate) fn high(self) -> u64 {
        u64::try_from(self.0 >> 64).expect("128 bits shifted by 64 fit 64")
    }

    /// The key at this distance from `origin`.
    pub(crate) fn from(self, origin: NodeId) -> NodeId {
        let (high, low) = halves(origin);
        join(high ^ self.0, low ^ self.1)
    }
}

fn halves(id: NodeId) -> (u128, u32) {
    let (high, low) = id.0.split_first_chunk::<16>().expect("20 bytes");
    (u128::from_be_bytes(*high), u32::from_be_bytes(*low.first_chunk().expect("4 bytes left")))
}

fn join(high: u128, low: u32) -> NodeId {
    let mut id = [0; 20];
    id[..16].copy_from_slice(&high.to_be_bytes());
    id[16..].copy_from_slice(&low.to_be_bytes());
    NodeId(id)
}

/// Any key.
pub(crate) fn random_id(rng: &mut Rng) -> NodeId {
    let mut id = [0; 20];
    for chunk in id.chunks_mut(8) {
        let bytes = rng.next_u64().to_be_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    NodeId(id)
}

/// A key that shares exactly the first `bits` bits with `origin`, which are below 160.
pub(crate) fn random_beside(origin: NodeId, bits: usize, rng: &mut Rng) -> NodeId {
    assert!(bits < 160, "a key has 160 bits");
    let mut id = random_id(rng);
    for bit in 0..=bits {
        let mask = 0x80 >> (bit % 8);
        let byte = &mut id.0[bit / 8];
        *byte = (*byte & !mask) | (origin.0[bit / 8] & mask);
    }
    id.0[bits / 8] ^= 0x80 >> (bits % 8);
    id
}

/// An id for a node whose address the world sees as `ip` (BEP 42).
pub(crate) fn id_for(ip: IpAddr, rng: &mut Rng) -> NodeId {
    let mut id = random_id(rng);
    let crc = prefix(ip, id.0[19]).to_be_bytes();
    id.0[0] = crc[0];
    id.0[1] = crc[1];
    id.0[2] = (crc[2] & 0xf8) | (id.0[2] & 0x07);
    id
}

/// Whether a node at `ip` may call itself `id`. In local networks all may (BEP 42).
pub(crate) fn is_allowed(id: NodeId, ip: IpAddr) -> bool {
    if is_local(ip) {
        return true;
    }
    let crc = prefix(ip, id.0[19]).to_be_bytes();
    id.0[0] == crc[0] && id.0[1] == crc[1] && (id.0[2] ^ crc[2]) & 0xf8 == 0
}

/// The checksum whose first 21 bits an id must have if its last byte is `salt`.
fn prefix(ip: IpAddr, salt: u8) -> u32 {
    let r = (salt & 0x07) << 5;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mut bytes = (u32::from(ip) & 0x030f_3fff).to_be_bytes();
            bytes[0] |= r;
            crc32c(&bytes)
        }
        IpAddr::V6(ip) => {
            let high = u64::try_from(u128::from(ip) >> 64).expect("128 bits shifted by 64 fit 64");
            let mut bytes = (high & 0x0103_070f_1f3f_7fff).to_be_bytes();
            bytes[0] |= r;
            crc32c(&bytes)
        }
    }
}

/// CRC-32C (Castagnoli), bit by bit from a table of 256.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        crc = (crc >> 8) ^ CRC_TABLE[index];
    }
    !crc
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = 0_u32;
        let mut bit = 0;
        // Reflected: the byte's bits go in from the lowest.
        while bit < 8 {
            let feed = ((index >> bit) & 1 == 1) != (crc & 1 == 1);
            crc >>= 1;
            if feed {
                crc ^= 0x82f6_3b78;
            }
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// Addresses of loopback and local networks: no NAT is between us, and no id follows from them.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_local_v4(ip),
        IpAddr::V6(ip) => is_local_v6(ip),
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    ip.is_loopback() || ip.is_private() || ip.is_link_local()
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
}

/// Whether a node or peer can be at `ip` at all, of the world or of a local network.
pub(crate) fn is_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] == 0)
                && v4.octets()[0] < 240
        }
        IpAddr::V6(v6) => {
            !(v6.is_unspecified() || v6.is_multicast()) && v6.to_ipv4_mapped().is_none()
        }
    }
}

/// The part of an address whose owner is likely the same: /24 of IPv4, /64 of IPv6.
pub(crate) fn neighbourhood(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip) >> 8),
        IpAddr::V6(ip) => {
            u64::try_from(u128::from(ip) >> 64).expect("128 bits shifted by 64 fit 64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(hex: &str) -> NodeId {
        let byte = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        NodeId(core::array::from_fn(|i| byte(2 * i)))
    }

    #[test]
    fn vectors_of_bep_42_hold() {
        let cases = [
            ("124.31.75.21", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ];
        for (ip, node) in cases {
            let ip = ip.parse().unwrap();
            assert!(is_allowed(id(node), ip), "{ip}");
            let mut other = id(node);
            other.0[2] ^= 0x08;
            assert!(!is_allowed(other, ip), "{ip} one bit off");
            let mut low_bits = id(node);
            low_bits.0[2] ^= 0x07;
            assert!(is_allowed(low_bits, ip), "{ip} in bits that are free");
        }
    }

    #[test]
    fn crc_check_value_holds() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn made_ids_are_allowed_and_bound_to_their_address() {
        let mut rng = Rng::from_seed(1);
        for ip in ["124.31.75.21", "2001:db8:1:2::3"] {
            let ip: IpAddr = ip.parse().unwrap();
            for _ in 0..64 {
                assert!(is_allowed(id_for(ip, &mut rng), ip));
            }
            assert!(!is_allowed(id_for(ip, &mut rng), "9.9.9.9".parse().unwrap()));
        }
        for local in ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.1.1", "fe80::1", "fd00::1"] {
            assert!(is_allowed(random_id(&mut rng), local.parse().unwrap()), "{local}");
        }
    }

    #[test]
    fn distances_order_keys_and_count_common_bits() {
        let zero = NodeId([0; 20]);
        let mut rng = Rng::from_seed(2);
        for bits in 0..160 {
            let beside = random_beside(zero, bits, &mut rng);
            assert_eq!(Distance::between(zero, beside).common_bits(), bits);
            assert_eq!(Distance::between(zero, beside).from(zero), beside);
        }
        assert_eq!(Distance::between(zero, zero).common_bits(), 160);
    }
}
