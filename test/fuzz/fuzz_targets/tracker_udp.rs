//! Datagrams of UDP trackers. The first byte chooses the tracker's address family. What decodes
//! survives being written again as a tracker would.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use wire::tracker::{PEERS_MAX, TEXT_CHARS_MAX};
use wire::tracker_udp::{Reply, ReplyBody, decode_reply, url_data};

fuzz_target!(|bytes: &[u8]| {
    let Some((&family, datagram)) = bytes.split_first() else {
        return;
    };
    let tracker = if family.is_multiple_of(2) {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        IpAddr::V6(Ipv6Addr::LOCALHOST)
    };
    if let Ok(reply) = decode_reply(datagram, tracker) {
        assert_eq!(decode_reply(&encode_reply(&reply, tracker), tracker), Ok(reply));
    }
    if let Ok(url) = core::str::from_utf8(bytes) {
        assert!(url.contains(url_data(url)));
    }
});

fn encode_reply(reply: &Reply, tracker: IpAddr) -> Vec<u8> {
    let action: u32 = match reply.body {
        ReplyBody::Connect(_) => 0,
        ReplyBody::Announce(_) => 1,
        ReplyBody::Scrape(_) => 2,
        ReplyBody::Error(_) => 3,
    };
    let mut out = action.to_be_bytes().to_vec();
    out.extend_from_slice(&reply.transaction.0.to_be_bytes());
    match &reply.body {
        ReplyBody::Connect(connection) => out.extend_from_slice(&connection.0.to_be_bytes()),
        ReplyBody::Announce(announced) => {
            assert!(announced.peers.len() <= PEERS_MAX);
            let interval =
                u32::try_from(announced.interval.as_secs()).expect("it came from 32 bits");
            let leechers = announced.incomplete.expect("always there over UDP");
            let seeders = announced.complete.expect("always there over UDP");
            for field in [interval, leechers, seeders] {
                out.extend_from_slice(&field.to_be_bytes());
            }
            for peer in &announced.peers {
                assert!(peer.port() != 0);
                match (peer.ip(), tracker.is_ipv6()) {
                    (IpAddr::V4(ip), false) => out.extend_from_slice(&ip.octets()),
                    (IpAddr::V4(ip), true) => {
                        out.extend_from_slice(&ip.to_ipv6_mapped().octets());
                    }
                    (IpAddr::V6(ip), _) => out.extend_from_slice(&ip.octets()),
                }
                out.extend_from_slice(&peer.port().to_be_bytes());
            }
        }
        ReplyBody::Scrape(counts) => {
            for count in counts {
                for field in [count.complete, count.downloaded, count.incomplete] {
                    out.extend_from_slice(&field.to_be_bytes());
                }
            }
        }
        ReplyBody::Error(text) => {
            assert!(text.chars().count() <= TEXT_CHARS_MAX);
            assert!(!text.contains(char::is_control));
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}
