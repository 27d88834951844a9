//! Finding a router that speaks UPnP: a question to a multicast group, answered by who is meant.
//!
//! Source: UPnP Device Architecture 1.1, section 1.3 (search).

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::http_datagram::head;

/// The group that is asked.
pub const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900);

/// What routers are. Those of version 2 answer to version 1, too, but not every one knows that.
pub const GATEWAYS: [&str; 2] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
];

/// Longest URL that is taken from an answer, in bytes.
pub const LOCATION_BYTES_MAX: usize = 1024;

/// The datagram that asks who is a `target`; answers may take a second.
pub fn encode_search(target: &str) -> Vec<u8> {
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n"
    )
    .into_bytes()
}

/// Where the router that answers describes itself; `None` if the datagram is no answer of a router.
pub fn decode_location(datagram: &[u8]) -> Option<&str> {
    let (first, fields) = head(datagram);
    let mut words = first.split_ascii_whitespace();
    let good = words.next()?.starts_with("HTTP/1.") && words.next() == Some("200");
    let (mut location, mut is_gateway) = (None, false);
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("location") {
            location = Some(value);
        } else if name.eq_ignore_ascii_case("st") {
            is_gateway = GATEWAYS.contains(&value);
        }
    }
    location.filter(|url| good && is_gateway && url.len() <= LOCATION_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_search_is_as_in_the_architecture() {
        let text = String::from_utf8(encode_search(GATEWAYS[0])).unwrap();
        assert!(
            text.starts_with("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn answers_by_table() {
        let st = GATEWAYS[0];
        for (text, expected) in [
            (
                format!(
                    "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {st}\r\nEXT:\r\n\
                     LOCATION: http://192.0.2.1:5000/rootDesc.xml\r\n\r\n"
                ),
                Some("http://192.0.2.1:5000/rootDesc.xml"),
            ),
            (format!("HTTP/1.0 200 OK\nlocation:x\nst:{st}\n"), Some("x")),
            (format!("HTTP/1.1 404 Not Found\r\nST: {st}\r\nLocation: x\r\n\r\n"), None),
            (format!("NOTIFY * HTTP/1.1\r\nNT: {st}\r\nLocation: x\r\n\r\n"), None),
            ("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLocation: x\r\n\r\n".into(), None),
            (format!("HTTP/1.1 200 OK\r\nST: {st}\r\n\r\n"), None),
            (format!("HTTP/1.1 200 OK\r\nST: {st}\r\nLocation: {}", "x".repeat(2000)), None),
            (String::new(), None),
        ] {
            assert_eq!(decode_location(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let location = decode_location(&bytes);
            prop_assert!(location.is_none_or(|url| url.len() <= LOCATION_BYTES_MAX));
        }
    }
}
