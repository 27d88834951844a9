use base::PeerId;
use proptest::prelude::*;

use super::*;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn request() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash([0xaa; 20]),
        peer_id: PeerId([0xbb; 20]),
        port: 6881,
        uploaded_bytes: 3,
        downloaded_bytes: 1,
        left_bytes: 2,
        event: Event::Started,
        key: 0x0102_0304,
        numwant: Some(50),
        tracker_id: None,
    }
}

#[test]
fn connect_request_is_as_in_bep_15() {
    let bytes = encode_connect(TransactionId(0xdead_beef));
    let expected = [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef];
    assert_eq!(bytes, expected);
}

#[test]
fn announce_request_has_its_fields_at_their_offsets() {
    let bytes = encode_announce(ConnectionId(9), TransactionId(8), &request(), "");
    assert_eq!(bytes.len(), 98);
    let expected: [(usize, &[u8]); 13] = [
        (0, &[0, 0, 0, 0, 0, 0, 0, 9]),
        (8, &[0, 0, 0, 1]),
        (12, &[0, 0, 0, 8]),
        (16, &[0xaa; 20]),
        (36, &[0xbb; 20]),
        (56, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (64, &[0, 0, 0, 0, 0, 0, 0, 2]),
        (72, &[0, 0, 0, 0, 0, 0, 0, 3]),
        (80, &[0, 0, 0, 2]),
        (84, &[0, 0, 0, 0]),
        (88, &[1, 2, 3, 4]),
        (92, &[0, 0, 0, 50]),
        (96, &[0x1a, 0xe1]),
    ];
    for (offset, field) in expected {
        assert_eq!(&bytes[offset..offset + field.len()], field, "at {offset}");
    }
}

#[test]
fn events_have_the_numbers_of_bep_15() {
    let cases = [
        (Event::None, 0),
        (Event::Completed, 1),
        (Event::Started, 2),
        (Event::Stopped, 3),
        (Event::Paused, 0),
    ];
    for (event, number) in cases {
        let request = AnnounceRequest { event, numwant: None, ..request() };
        let bytes = encode_announce(ConnectionId(9), TransactionId(8), &request, "");
        assert_eq!(bytes[80..84], [0, 0, 0, number], "{event:?}");
        assert_eq!(bytes[92..96], [0xff; 4], "{event:?}");
    }
}

#[test]
fn url_data_goes_in_pieces_of_255_or_not_at_all() {
    let encode = |url_data: &str| {
        encode_announce(ConnectionId(9), TransactionId(8), &request(), url_data).split_off(98)
    };
    assert_eq!(encode("/ann?k=v"), b"\x02\x08/ann?k=v");
    let long = "x".repeat(300);
    let expected =
        [&[2, 255][..], &long.as_bytes()[..255], &[2, 45], &long.as_bytes()[..45]].concat();
    assert_eq!(encode(&long), expected);
    assert_eq!(encode(&"x".repeat(URL_DATA_BYTES_MAX)).len(), URL_DATA_BYTES_MAX + 8);
    assert_eq!(encode(&"x".repeat(URL_DATA_BYTES_MAX + 1)), b"");
}

#[test]
fn url_data_is_path_and_query() {
    let cases = [
        ("udp://t:80", ""),
        ("udp://t:80/", "/"),
        ("udp://t:80/announce", "/announce"),
        ("udp://t:80/a/b?k=v#frag", "/a/b?k=v"),
        ("udp://t:80?k=v/x", "?k=v/x"),
        ("udp://[::1]:80/a", "/a"),
        ("nonsense", ""),
    ];
    for (url, expected) in cases {
        assert_eq!(url_data(url), expected, "{url}");
    }
}

#[test]
fn scrape_request_lists_hashes_up_to_its_bound() {
    let bytes = encode_scrape(ConnectionId(9), TransactionId(8), &[InfoHash([1; 20]); 100]);
    assert_eq!(bytes[..16], [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 8]);
    assert_eq!(bytes.len(), 16 + 20 * SCRAPE_HASHES_MAX);
}

#[test]
fn replies_decode() {
    let reply = |bytes: &[u8], tracker| decode_reply(bytes, tracker).unwrap();
    let connect = reply(&[0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8], V4);
    assert_eq!(connect.transaction, TransactionId(7));
    assert_eq!(connect.body, ReplyBody::Connect(ConnectionId(0x0102_0304_0506_0708)));

    let mut announce = vec![0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 7, 8, 0, 0, 0, 2, 0, 0, 0, 3];
    announce.extend_from_slice(&[10, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 2, 0, 0]);
    let mut expected = Announced {
        interval: Duration::from_secs(1800),
        complete: Some(3),
        incomplete: Some(2),
        peers: vec!["10.0.0.1:6881".parse().unwrap()],
        ..Announced::default()
    };
    assert_eq!(reply(&announce, V4).body, ReplyBody::Announce(expected.clone()));
    announce.push(9);
    assert_eq!(reply(&announce, V4).body, ReplyBody::Announce(expected.clone()), "left over");
    let mapped = "::ffff:1.2.3.4".parse().unwrap();
    assert_eq!(reply(&announce, mapped).body, ReplyBody::Announce(expected.clone()));

    announce.truncate(20);
    announce.extend_from_slice(&std::net::Ipv6Addr::LOCALHOST.octets());
    announce.extend_from_slice(&[0, 80]);
    expected.peers = vec!["[::1]:80".parse().unwrap()];
    assert_eq!(reply(&announce, V6).body, ReplyBody::Announce(expected));

    let scrape = [0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9];
    let counts = SwarmCounts { complete: 1, downloaded: 2, incomplete: 3 };
    assert_eq!(reply(&scrape, V4).body, ReplyBody::Scrape(vec![counts]));

    let error = reply(b"\0\0\0\x03\0\0\0\x07go\x1b away", V4);
    assert_eq!(error.body, ReplyBody::Error("go away".to_owned()));
}

#[test]
fn what_is_no_reply_is_named() {
    let truncated = |bytes, field| Err(DecodeError::Truncated { bytes, field });
    assert_eq!(decode_reply(b"", V4), truncated(0, "action"));
    assert_eq!(decode_reply(&[0; 7], V4), truncated(7, "transaction_id"));
    assert_eq!(decode_reply(&[0; 15], V4), truncated(15, "connection_id"));
    let announce = [0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 7, 8, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(decode_reply(&announce[..11], V4), truncated(11, "interval"));
    assert_eq!(decode_reply(&announce[..15], V4), truncated(15, "leechers"));
    assert_eq!(decode_reply(&announce, V4), truncated(19, "seeders"));
    let unknown = Err(DecodeError::UnknownAction { action: 4 });
    assert_eq!(decode_reply(&[0, 0, 0, 4, 0, 0, 0, 7], V4), unknown);
}

#[test]
fn peers_and_scrapes_are_bounded() {
    let mut announce = vec![0, 0, 0, 1, 0, 0, 0, 7];
    announce.resize(60_000, 1);
    let mut scrape = announce.clone();
    scrape[3] = 2;
    for tracker in [V4, V6] {
        let ReplyBody::Announce(announced) = decode_reply(&announce, tracker).unwrap().body else {
            panic!("not an announce");
        };
        assert_eq!(announced.peers.len(), PEERS_MAX, "{tracker}");
    }
    let ReplyBody::Scrape(counts) = decode_reply(&scrape, V4).unwrap().body else {
        panic!("not a scrape");
    };
    assert_eq!(counts.len(), SCRAPE_HASHES_MAX);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>, action in 0..5_u8, v6: bool) {
        let tracker = if v6 { V6 } else { V4 };
        let near = [&[0, 0, 0, action], bytes.as_slice()].concat();
        for bytes in [bytes, near] {
            if let Ok(reply) = decode_reply(&bytes, tracker) {
                prop_assert_eq!(&reply.transaction.0.to_be_bytes(), &bytes[4..8]);
            }
        }
    }
}
