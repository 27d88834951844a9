use proptest::prelude::*;

use super::*;

const HEX: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
const BASE32: &str = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

/// In the notation of [`said`].
fn read(text: &str) -> String {
    Magnet::decode(text).map_or_else(|error| format!("! {error}"), |magnet| said(&magnet))
}

/// The parts that are there, in short.
fn said(magnet: &Magnet) -> String {
    let mut words = vec![match &magnet.topic {
        Topic::Torrent(names) => {
            let v1 = names.of_v1().map(|v1| format!("v1:{:.4}", v1.to_string()));
            let v2 = names.of_v2().map(|v2| format!("v2:{:.4}", v2.to_string()));
            [v1, v2].into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        Topic::Mutable { public_key, salt } => {
            format!("key:{:.4} salt:{}", hex(public_key), hex(salt))
        }
    }];
    words.extend(magnet.name.iter().map(|name| format!("dn:{name}")));
    words.extend(magnet.length_bytes.iter().map(|length| format!("xl:{length}")));
    words.extend(magnet.trackers.iter().map(|url| format!("tr:{url}")));
    words.extend(magnet.web_seeds.iter().map(|url| format!("ws:{url}")));
    words.extend(magnet.peers.iter().map(|addr| format!("pe:{addr}")));
    words.extend(magnet.select.iter().map(|(first, last)| format!("so:{first}-{last}")));
    words.join(" ")
}

#[test]
fn links_by_table() {
    let v1 = format!("xt=urn:btih:{HEX}");
    let v2 = format!("xt=urn:btmh:1220{V2}");
    for (query, expected) in [
        (v1.clone(), "v1:c12f"),
        (format!("xt=urn:btih:{}", HEX.to_uppercase()), "v1:c12f"),
        (format!("xt=urn:btih:{BASE32}"), "v1:c12f"),
        (format!("xt=URN:BTIH:{}", BASE32.to_lowercase()), "v1:c12f"),
        (v2.clone(), "v2:caf1"),
        (format!("{v1}&{v2}"), "v1:c12f v2:caf1"),
        (format!("xt.1=urn:btih:{HEX}&xt.2=urn:btmh:1220{V2}"), "v1:c12f v2:caf1"),
        (format!("{v1}&{v1}"), "v1:c12f"),
        (format!("xt=urn:ed2k:354B15E68FB8F36D7CD88FF94116CDC1&{v1}"), "v1:c12f"),
        (format!("{v1}&dn=a+b%20c%C3%A9%zz%"), "v1:c12f dn:a b cé%zz%"),
        (format!("dn=%1b[31mred&{v1}"), "v1:c12f dn:[31mred"),
        (format!("{v1}&dn=&xl=12&xl=x"), "v1:c12f"),
        (format!("{v1}&xl=12"), "v1:c12f xl:12"),
        (
            format!("{v1}&tr=http%3A%2F%2Ft%2Fa%3Fk%3D1&tr.1=udp://u&tr=udp://u&tr="),
            "v1:c12f tr:http://t/a?k=1 tr:udp://u",
        ),
        (format!("{v1}&ws=http%3A%2F%2Fw%2F"), "v1:c12f ws:http://w/"),
        (
            format!("{v1}&x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=host:7&x.pe=1.2.3.4:5"),
            "v1:c12f pe:1.2.3.4:5 pe:[::1]:6",
        ),
        (format!("{v1}&so=0,2,4,6-8,9-1,x"), "v1:c12f so:0-0 so:2-2 so:4-4 so:6-8"),
        (format!("xs=urn:btpk:{V2}"), "key:caf1 salt:"),
        (format!("xs=urn:btpk:{V2}&s=6e"), "key:caf1 salt:6e"),
        (format!("{v1}&&novalue&=x&unknown=1"), "v1:c12f"),
        ("dn=x".into(), "! names no torrent: xt=urn:btih:… is missing"),
        (
            "xt=urn:btih:c12f".into(),
            "! has a wrong btih: c12f; it must be 40 hexadecimal digits or 32 of base32",
        ),
        (
            format!("xt=urn:btih:{HEX}0"),
            "! has a wrong btih: c12fe1c06bba254a9dc9f519b335aa7c1367a88a0; it must be 40 hexadecimal digits or 32 of base32",
        ),
        (
            format!("xt=urn:btmh:1320{V2:.4}"),
            "! has a wrong btmh: 1320caf1; it must be 1220 and 64 hexadecimal digits (SHA-256)",
        ),
        ("xs=urn:btpk:xy".into(), "! has a wrong btpk: xy; it must be 64 hexadecimal digits"),
        (format!("{v1}&xt=urn:btih:{}", HEX.replace('c', "d")), "! names two different torrents"),
        (format!("{v1}&xs=urn:btpk:{V2}"), "! names two different torrents"),
        (
            format!("xs=urn:btpk:{V2}&s=6"),
            "! has a salt (s=) that is not at most 64 bytes in hexadecimal digits",
        ),
    ] {
        assert_eq!(read(&format!("magnet:?{query}")), expected, "{query}");
        assert_eq!(read(&format!(" MAGNET:?{query}\n")), expected, "{query}");
    }
    let not = "! does not begin with magnet:?";
    for text in ["", "magnet:", "magnet", "http://a/?xt=urn:btih:", "é"] {
        assert_eq!(read(text), not, "{text}");
    }
    assert_eq!(
        read(&format!("magnet:?{}", "x".repeat(LINK_BYTES_MAX))),
        "! is longer than 65536 bytes"
    );
}

#[test]
fn what_is_meant_as_a_link_is_known() {
    for (text, expected) in [
        ("magnet:?xt=", true),
        ("Magnet:", true),
        ("magnet", false),
        ("a.torrent", false),
        ("éééé", false),
    ] {
        assert_eq!(is_magnet(text), expected, "{text}");
    }
}

#[test]
fn lists_are_bounded() {
    let peers: String = (0..200).map(|n| format!("&x.pe=10.0.0.{n}:1")).collect();
    let trackers: String = (0..600).map(|n| format!("&tr=udp://{n}")).collect();
    let magnet = Magnet::decode(&format!("magnet:?xt=urn:btih:{HEX}{peers}{trackers}")).unwrap();
    assert_eq!((magnet.peers.len(), magnet.trackers.len()), (PEERS_MAX, TRACKERS_MAX));
}

fn any_magnet() -> impl Strategy<Value = Magnet> {
    let topic = prop_oneof![
        any::<[u8; 20]>().prop_map(|v1| Topic::Torrent(InfoHashes::v1(InfoHash(v1)))),
        (any::<[u8; 20]>(), any::<[u8; 32]>()).prop_map(|(v1, v2)| {
            Topic::Torrent(InfoHashes::hybrid(InfoHash(v1), InfoHashV2(v2)))
        }),
        (any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(public_key, salt)| Topic::Mutable { public_key, salt }),
    ];
    let urls = || prop::collection::btree_set("[a-z%&=?+ é]{1,20}", 0..4);
    let ranges = prop::collection::vec((0..9_u32, 0..9_u32), 0..4);
    let parts = (topic, "[a-z&=+%é]{0,9}", any::<Option<u64>>(), urls(), urls(), ranges);
    parts.prop_map(|(topic, name, length_bytes, trackers, web_seeds, ranges)| Magnet {
        name: Some(name).filter(|name| !name.is_empty()),
        length_bytes,
        trackers: trackers.into_iter().collect(),
        web_seeds: web_seeds.into_iter().collect(),
        peers: vec!["1.2.3.4:5".parse().unwrap(), "[::1]:2".parse().unwrap()],
        select: ranges.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect(),
        ..Magnet::of(topic)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(magnet in any_magnet()) {
        let text = magnet.encode();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Magnet::decode(&text), Ok(magnet));
    }

    #[test]
    fn nothing_makes_it_panic(text in "(magnet:\\?)?(xt=urn:bt[imp][hk]:)?\\PC{0,60}") {
        Magnet::decode(&text).ok();
    }
}
