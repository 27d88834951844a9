use std::net::SocketAddr;

use base::PeerId;
use proptest::prelude::*;

use super::*;
use crate::bencode::OwnedValue;

fn request() -> AnnounceRequest {
    AnnounceRequest {
        info_hash: InfoHash(*b"\x00\x7f\xffabcdefghijklmno-~"),
        peer_id: PeerId(*b"-SH0010-abc.def_ghi~"),
        port: 6881,
        uploaded_bytes: 1,
        downloaded_bytes: 2,
        left_bytes: u64::MAX,
        event: Event::None,
        key: 0xab,
        numwant: None,
        tracker_id: None,
    }
}

const PLAIN: &str = "info_hash=%00%7F%FFabcdefghijklmno-~&peer_id=-SH0010-abc.def_ghi~&port=6881\
    &uploaded=1&downloaded=2&left=18446744073709551615&compact=1&no_peer_id=1&key=000000ab";

#[test]
fn url_appends_to_whatever_the_tracker_has() {
    let cases = [
        ("http://t/announce", "http://t/announce?"),
        ("http://t/announce?", "http://t/announce?"),
        ("http://t/announce?pk=1", "http://t/announce?pk=1&"),
        ("http://t/announce?pk=1&", "http://t/announce?pk=1&"),
        ("http://t/announce?pk=1#frag?x", "http://t/announce?pk=1&"),
        ("https://[::1]:80/a%20b", "https://[::1]:80/a%20b?"),
    ];
    for (base, start) in cases {
        assert_eq!(announce_url(base, &request()), format!("{start}{PLAIN}"), "{base}");
    }
}

#[test]
fn url_carries_events_and_wishes() {
    let events = [
        (Event::Started, "&event=started"),
        (Event::Stopped, "&event=stopped"),
        (Event::Completed, "&event=completed"),
        (Event::Paused, "&event=paused"),
    ];
    for (event, parameter) in events {
        let url = announce_url("http://t/a", &AnnounceRequest { event, ..request() });
        assert_eq!(url, format!("http://t/a?{PLAIN}{parameter}"));
    }
    let wish =
        AnnounceRequest { numwant: Some(50), tracker_id: Some(b"a&=\n".to_vec()), ..request() };
    let url = announce_url("http://t/a", &wish);
    assert_eq!(url, format!("http://t/a?{PLAIN}&numwant=50&trackerid=a%26%3D%0A"));
}

fn announced(body: &[u8]) -> Announced {
    match decode_announce(body).unwrap() {
        AnnounceReply::Announced(announced) => announced,
        AnnounceReply::Failure(failure) => panic!("{failure:?}"),
    }
}

fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn full_compact_reply_decodes() {
    let mut body = b"d8:completei5e10:downloadedi7e11:external ip4:\x01\x02\x03\x04\
        10:incompletei3e8:intervali1800e12:min intervali60e5:peers12:"
        .to_vec();
    body.extend_from_slice(&[10, 0, 0, 1, 0x1a, 0xe1, 10, 0, 0, 2, 0, 0]);
    body.extend_from_slice(b"6:peers618:");
    body.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80]);
    body.extend_from_slice(b"10:tracker id3:abc15:warning message8:be\x1b nicee\r\n");
    let expected = Announced {
        interval: Duration::from_secs(1800),
        min_interval: Some(Duration::from_secs(60)),
        tracker_id: Some(b"abc".to_vec()),
        complete: Some(5),
        incomplete: Some(3),
        downloaded: Some(7),
        external_ip: Some(IpAddr::from([1, 2, 3, 4])),
        warning: Some("be nice".to_owned()),
        peers: addrs(&["10.0.0.1:6881", "[2001:db8::1]:80"]),
    };
    assert_eq!(announced(&body), expected);
}

#[test]
fn dictionary_peers_decode_and_bad_ones_are_skipped() {
    let body = b"d5:peersld2:ip9:127.0.0.17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1ee\
        d2:ip3:::14:porti2eed2:ip7:::ffff:4:porti3eed2:ip16:::ffff:127.0.0.14:porti4ee\
        d2:ip4:name4:porti5eed2:ip9:127.0.0.14:porti0eed2:ip9:127.0.0.14:porti65536ee\
        d2:ip1:\xff4:porti1eed4:porti1eei7eee";
    assert_eq!(announced(body).peers, addrs(&["127.0.0.1:1", "[::1]:2", "127.0.0.1:4"]));
}

#[test]
fn fields_that_make_no_sense_count_as_absent() {
    let bodies: &[&[u8]] = &[
        b"de",
        b"d8:intervali-1ee",
        b"d8:completei-1e11:external ip3:abc8:interval1:x12:min intervalle\
          6:peers6i1e10:tracker idi1e15:warning messagei1ee",
        b"d15:warning message2:\x1b\x07e",
    ];
    for body in bodies {
        assert_eq!(announced(body), Announced::default(), "{}", printable(body, 80));
    }
    let mut long_id = b"d10:tracker id257:".to_vec();
    long_id.resize(long_id.len() + 257, b'x');
    long_id.push(b'e');
    assert_eq!(announced(&long_id).tracker_id, None);
}

#[test]
fn external_ip_of_16_bytes_is_ipv6_or_mapped() {
    let mut body = b"d11:external ip16:".to_vec();
    body.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
    body.push(b'e');
    assert_eq!(announced(&body).external_ip, Some(Ipv6Addr::LOCALHOST.into()));
}

#[test]
fn peers_are_bounded() {
    let compact = OwnedValue::dict()
        .with("peers", vec![1_u8; 6 * (PEERS_MAX - 1)])
        .with("peers6", vec![1_u8; 18 * 10]);
    assert_eq!(announced(&bencode::encode(&compact)).peers.len(), PEERS_MAX);
    let peer = OwnedValue::dict().with("ip", "1.2.3.4").with("port", 5_u32);
    let list = OwnedValue::dict().with("peers", vec![peer; PEERS_MAX + 1]);
    assert_eq!(announced(&bencode::encode(&list)).peers.len(), PEERS_MAX);
}

#[test]
fn failure_says_why_and_when() {
    let minutes = |minutes| Some(RetryIn::Minutes(minutes));
    let cases = [
        (b"d14:failure reason4:nopee".as_slice(), "nope", None),
        (b"d14:failure reason6:no\x1b[3me", "no[3m", None),
        (b"d14:failure reasoni1ee", "", None),
        (b"d14:failure reason4:nope8:retry ini5ee", "nope", minutes(5)),
        (b"d14:failure reason4:nope8:retry ini-5ee", "nope", None),
        (b"d14:failure reason4:nope8:retry in5:nevere", "nope", Some(RetryIn::Never)),
        (b"d14:failure reason4:nope8:retry in5:maybee", "nope", None),
        (b"d14:failure reason4:nope8:retry inlee", "nope", None),
        (b"d14:failure reason4:nope8:retry indee", "nope", None),
    ];
    for (body, reason, retry_in) in cases {
        let failure = Failure { reason: reason.to_owned(), retry_in };
        assert_eq!(decode_announce(body), Ok(AnnounceReply::Failure(failure.clone())));
        assert_eq!(decode_scrape(body), Ok(ScrapeReply::Failure(failure)));
    }
}

#[test]
fn what_is_no_reply_is_named() {
    let error = |body: &[u8]| decode_announce(body).unwrap_err().to_string();
    assert_eq!(
        error(b"<html>\n<title>\x1b404</title>"),
        "tracker's reply is not bencode (byte 0x3c at 0 where a value was expected): \
         \"<html> <title>404</title>\""
    );
    assert_eq!(error(b"le"), "tracker's reply is of type list, not a dictionary");
    assert_eq!(error(b"d5:peersi1ee"), "`peers` of the tracker's reply is of type integer");
    assert_eq!(error(b"d5:peersdee"), "`peers` of the tracker's reply is of type dictionary");
    assert_eq!(
        error(b"d5:peers5:abcdee"),
        "`peers` of the tracker's reply has 5 bytes, not a multiple of 6"
    );
    assert_eq!(
        error(b"d6:peers65:abcdee"),
        "`peers6` of the tracker's reply has 5 bytes, not a multiple of 18"
    );
    assert!(error(&[b'<'; 999]).len() < 200);
}

#[test]
fn scrape_url_follows_the_convention_of_bep_48() {
    let cases = [
        ("http://example.com/announce", Some("http://example.com/scrape")),
        ("http://example.com/x/announce", Some("http://example.com/x/scrape")),
        ("http://example.com/announce.php", Some("http://example.com/scrape.php")),
        ("http://example.com/a", None),
        ("http://example.com/announce?x2%0644", Some("http://example.com/scrape?x2%0644")),
        ("http://example.com/announce?x=2/4", None),
        ("http://example.com/x%064announce", None),
        ("announce", None),
    ];
    for (announce, scrape) in cases {
        assert_eq!(scrape_url(announce).as_deref(), scrape, "{announce}");
    }
    let hashes = [InfoHash([b'a'; 20]), InfoHash([0xff; 20])];
    let expected =
        format!("http://t/scrape?k=v&info_hash={}&info_hash={}", "a".repeat(20), "%FF".repeat(20));
    assert_eq!(scrape_request_url("http://t/scrape?k=v", &hashes), expected);
}

/// A reply of opentracker to a scrape for `b…`, then `a…`.
#[test]
fn scrape_in_the_order_of_the_request_decodes() {
    let body = b"d5:filesd20:bbbbbbbbbbbbbbbbbbbbd8:completei1e10:downloadedi0e10:incompletei1ee\
        20:aaaaaaaaaaaaaaaaaaaad8:completei0e10:downloadedi0e10:incompletei1eeee";
    let ScrapeReply::Scraped(files) = decode_scrape(body).unwrap() else { panic!("a failure") };
    assert_eq!(files.iter().map(|file| file.0.0[0]).collect::<Vec<_>>(), b"ba");
}

#[test]
fn scrape_decodes_and_skips_what_is_no_swarm() {
    let mut body = b"d5:filesd3:abcde20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e\
        10:incompletei3ee20:bbbbbbbbbbbbbbbbbbbbde20:cccccccccccccccccccci1eee"
        .to_vec();
    let counts = SwarmCounts { complete: 1, downloaded: 2, incomplete: 3 };
    let expected =
        vec![(InfoHash([b'a'; 20]), counts), (InfoHash([b'b'; 20]), SwarmCounts::default())];
    assert_eq!(decode_scrape(&body), Ok(ScrapeReply::Scraped(expected)));
    body.clear();
    assert!(matches!(decode_scrape(&body), Err(DecodeError::Bencode { .. })));
    assert_eq!(decode_scrape(b"de"), Err(DecodeError::Missing { key: "files" }));
    let wrong = Err(DecodeError::WrongType { key: "files", found: "list" });
    assert_eq!(decode_scrape(b"d5:fileslee"), wrong);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(body: Vec<u8>) {
        for body in [body.clone(), [b"d5:peers", body.as_slice()].concat()] {
            if let Err(error) = decode_announce(&body) {
                prop_assert!(error.to_string().chars().all(|char| !char.is_control()));
            }
            prop_assert!(decode_scrape(&body).is_err() || body.starts_with(b"d"));
        }
    }

    #[test]
    fn announce_url_parses_back(base in "http://[a-z]{1,9}/[a-z]{0,9}(\\?[a-z]{0,5})?", hash: [u8; 20]) {
        let url = announce_url(&base, &AnnounceRequest { info_hash: InfoHash(hash), ..request() });
        prop_assert!(url.is_ascii());
        let (_, query) = url.split_once("info_hash=").unwrap();
        let mut bytes = Vec::new();
        let mut chars = query.split('&').next().unwrap().bytes();
        while let Some(byte) = chars.next() {
            if byte == b'%' {
                let hex = [chars.next().unwrap(), chars.next().unwrap()];
                let hex = core::str::from_utf8(&hex).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        prop_assert_eq!(bytes, hash);
    }
}
