//! Local service discovery: who is in a swarm on this network.
//!
//! Source: BEP 14. A datagram to a multicast group names a port and info-hashes; the address is that
//! of its sender. What we do differently: of a datagram with too many info-hashes the first are taken,
//! and one that is none is passed over, since the others are good.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use base::InfoHash;

use crate::http_datagram::head;

/// The port of both groups.
pub const PORT: u16 = 6771;

/// The group of IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);

/// The group of IPv6.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);

/// Most info-hashes in one datagram: 52 bytes each, and BEP 14 wants no more than 1,400 bytes.
pub const HASHES_MAX: usize = 24;

/// What our own announces carry, to be known when they come back to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie(pub u32);

/// An announce: its sender accepts peers of these torrents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Where it accepts them; not 0.
    pub port: u16,
    /// The torrents, at most [`HASHES_MAX`].
    pub info_hashes: Vec<InfoHash>,
    /// `None` if there is none, or one that we would not send.
    pub cookie: Option<Cookie>,
}

impl Announce {
    /// The datagram for a group, that of IPv6 if `v6`. Info-hashes beyond [`HASHES_MAX`] are left
    /// out.
    pub fn encode(&self, v6: bool) -> Vec<u8> {
        let group = if v6 { SocketAddr::from((GROUP_V6, PORT)) } else { (GROUP_V4, PORT).into() };
        let mut text = format!("BT-SEARCH * HTTP/1.1\r\nHost: {group}\r\nPort: {}\r\n", self.port);
        for info_hash in self.info_hashes.iter().take(HASHES_MAX) {
            text.push_str(&format!("Infohash: {info_hash}\r\n"));
        }
        if let Some(Cookie(cookie)) = self.cookie {
            text.push_str(&format!("cookie: {cookie:08x}\r\n"));
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is something else, or says nothing of use.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let (first, fields) = head(datagram);
        let method = first.split_ascii_whitespace().next();
        if !method.is_some_and(|method| method.eq_ignore_ascii_case("BT-SEARCH")) {
            return Err(DecodeError::NotAnAnnounce);
        }
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), None);
        for (name, value) in fields {
            if name.eq_ignore_ascii_case("port") {
                port = value.parse().ok().filter(|&port| port != 0);
            } else if name.eq_ignore_ascii_case("infohash") && info_hashes.len() < HASHES_MAX {
                info_hashes.extend(info_hash(value));
            } else if name.eq_ignore_ascii_case("cookie") && value.len() == 8 {
                cookie = u32::from_str_radix(value, 16).ok().map(Cookie);
            }
        }
        let port = port.ok_or(DecodeError::NoPort)?;
        if info_hashes.is_empty() {
            return Err(DecodeError::NoInfoHash);
        }
        Ok(Self { port, info_hashes, cookie })
    }
}

/// 40 hexadecimal digits; letters of either case.
fn info_hash(text: &str) -> Option<InfoHash> {
    let mut hash = [0; 20];
    let (digits, rest) = text.as_bytes().as_chunks::<2>();
    if digits.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in hash.iter_mut().zip(digits) {
        let digit = |sign: u8| char::from(sign).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(InfoHash(hash))
}

/// Why a datagram is of no use. Its sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It has another method.
    #[error("datagram is no BT-SEARCH")]
    NotAnAnnounce,
    /// No field says the port, or it is none.
    #[error("BT-SEARCH without a good `Port`")]
    NoPort,
    /// No field has an info-hash.
    #[error("BT-SEARCH without a good `Infohash`")]
    NoInfoHash,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn datagrams_by_table() {
        let good = |port, hashes: &[u8], cookie: Option<u32>| {
            let info_hashes = hashes.iter().map(|&n| InfoHash([n; 20])).collect();
            Ok(Announce { port, info_hashes, cookie: cookie.map(Cookie) })
        };
        let b = "0b".repeat(20);
        for (text, expected) in [
            (
                // As libtorrent and Transmission send it.
                format!(
                    "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 51413\r\n\
                     Infohash: {A}\r\ncookie: 1a2b3c4d\r\n\r\n\r\n"
                ),
                good(51413, &[0xaa], Some(0x1a2b_3c4d)),
            ),
            (
                format!("bt-search * HTTP/1.1\nPORT:1\ninfohash:{A}\ninfohash:{b}\nX-new: 1\n"),
                good(1, &[0xaa, 0x0b], None),
            ),
            (
                format!("BT-SEARCH\r\nPort: 1\r\nInfohash: no\r\nInfohash: {b}\r\ncookie: other"),
                good(1, &[0x0b], None),
            ),
            (
                format!("GET / HTTP/1.1\r\nPort: 1\r\nInfohash: {A}"),
                Err(DecodeError::NotAnAnnounce),
            ),
            (format!("BT-SEARCH\r\nPort: 0\r\nInfohash: {A}"), Err(DecodeError::NoPort)),
            (format!("BT-SEARCH\r\nPort: 65536\r\nInfohash: {A}"), Err(DecodeError::NoPort)),
            (format!("BT-SEARCH\r\nPort: 1\r\nInfohash: {A}0"), Err(DecodeError::NoInfoHash)),
            (String::new(), Err(DecodeError::NotAnAnnounce)),
        ] {
            assert_eq!(Announce::decode(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_full_announce_fits_an_unfragmented_datagram() {
        let info_hashes = vec![InfoHash([0xab; 20]); HASHES_MAX + 5];
        let announce = Announce { port: 65535, info_hashes, cookie: Some(Cookie(u32::MAX)) };
        let bytes = announce.encode(true);
        assert!(bytes.len() <= 1400, "{} bytes", bytes.len());
        assert_eq!(Announce::decode(&bytes).unwrap().info_hashes.len(), HASHES_MAX);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            port in 1..=u16::MAX,
            hashes in prop::collection::vec(any::<[u8; 20]>(), 1..=HASHES_MAX),
            cookie in prop::option::of(any::<u32>()),
            v6: bool,
        ) {
            let info_hashes = hashes.into_iter().map(InfoHash).collect();
            let announce = Announce { port, info_hashes, cookie: cookie.map(Cookie) };
            prop_assert_eq!(Announce::decode(&announce.encode(v6)), Ok(announce));
        }

        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            if let Ok(announce) = Announce::decode(&bytes) {
                prop_assert!(announce.info_hashes.len() <= HASHES_MAX);
            }
        }
    }
}
