//! Bodies of trackers' replies to announces and scrapes. Text comes out printable, lists
//! bounded; what decodes survives being written again as a tracker would.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use wire::bencode::{OwnedValue, encode};
use wire::tracker::{AnnounceReply, Announced, Failure, PEERS_MAX, RetryIn, TEXT_CHARS_MAX};
use wire::tracker_http::{
    SCRAPE_FILES_MAX, ScrapeReply, announce_url, decode_announce, decode_scrape, scrape_url,
};

fuzz_target!(|body: &[u8]| {
    match decode_announce(body) {
        Ok(AnnounceReply::Announced(announced)) => check_announced(&announced),
        Ok(AnnounceReply::Failure(failure)) => check_failure(&failure),
        Err(error) => check_text(&error.to_string(), 400),
    }
    match decode_scrape(body) {
        Ok(ScrapeReply::Scraped(files)) => assert!(files.len() <= SCRAPE_FILES_MAX),
        Ok(ScrapeReply::Failure(failure)) => check_failure(&failure),
        Err(error) => check_text(&error.to_string(), 400),
    }
    if let Ok(url) = core::str::from_utf8(body) {
        check_urls(url);
    }
});

fn check_announced(announced: &Announced) {
    assert!(announced.peers.len() <= PEERS_MAX);
    assert!(announced.peers.iter().all(|peer| peer.port() != 0));
    check_text(announced.warning.as_deref().unwrap_or_default(), TEXT_CHARS_MAX);
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in &announced.peers {
        let (out, octets) = match peer.ip() {
            IpAddr::V4(ip) => (&mut v4, ip.octets().to_vec()),
            IpAddr::V6(ip) => (&mut v6, ip.octets().to_vec()),
        };
        out.extend_from_slice(&octets);
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
    let seconds = |duration: core::time::Duration| {
        OwnedValue::Int(i64::try_from(duration.as_secs()).expect("seconds come from 32 bits"))
    };
    let external_ip = announced.external_ip.map(|ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    });
    let body = OwnedValue::dict()
        .with("interval", seconds(announced.interval))
        .with_some("min interval", announced.min_interval.map(seconds))
        .with_some("tracker id", announced.tracker_id.clone())
        .with_some("complete", announced.complete)
        .with_some("incomplete", announced.incomplete)
        .with_some("downloaded", announced.downloaded)
        .with_some("external ip", external_ip)
        .with_some("warning message", announced.warning.as_deref())
        .with("peers", v4)
        .with("peers6", v6);
    let AnnounceReply::Announced(mut again) =
        decode_announce(&encode(&body)).expect("a good reply decodes")
    else {
        panic!("a good reply is not a failure");
    };
    // The two families come in two lists, so their order among each other is lost.
    let mut expected = announced.clone();
    expected.peers.sort_by_key(SocketAddr::is_ipv6);
    again.peers.sort_by_key(SocketAddr::is_ipv6);
    assert_eq!(again, expected);
}

fn check_failure(failure: &Failure) {
    check_text(&failure.reason, TEXT_CHARS_MAX);
    let retry_in = failure.retry_in.map(|retry_in| match retry_in {
        RetryIn::Minutes(minutes) => OwnedValue::from(minutes),
        RetryIn::Never => OwnedValue::from("never"),
    });
    let body = OwnedValue::dict()
        .with("failure reason", failure.reason.as_str())
        .with_some("retry in", retry_in);
    let again = decode_announce(&encode(&body));
    assert_eq!(again, Ok(AnnounceReply::Failure(failure.clone())));
}

fn check_urls(base: &str) {
    let request = wire::tracker::AnnounceRequest {
        info_hash: base::InfoHash([0xff; 20]),
        peer_id: base::PeerId([b'p'; 20]),
        port: 1,
        uploaded_bytes: 0,
        downloaded_bytes: 0,
        left_bytes: 0,
        event: wire::tracker::Event::None,
        key: 0,
        numwant: None,
        tracker_id: Some(base.as_bytes().to_vec()),
    };
    let url = announce_url(base, &request);
    let kept = base.split('#').next().unwrap_or_default();
    let added = url.strip_prefix(kept).expect("the tracker's own part is kept");
    assert!(added.is_ascii() && !added.contains(['#', ' ', '/']));
    if let Some(scrape) = scrape_url(base) {
        assert_eq!(scrape.len(), base.len() - "announce".len() + "scrape".len());
    }
}

fn check_text(text: &str, chars_max: usize) {
    assert!(text.chars().count() <= chars_max);
    assert!(!text.contains(char::is_control));
}
