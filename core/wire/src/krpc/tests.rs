use proptest::prelude::*;

use super::*;

const ID: NodeId = NodeId(*b"abcdefghij0123456789");
const HASH: InfoHash = InfoHash(*b"mnopqrstuvwxyz123456");

fn body(bytes: &[u8]) -> Body<'_> {
    decode(bytes).unwrap().body
}

#[test]
fn queries_of_bep_5_decode_and_encode() {
    let target = NodeId(HASH.0);
    let want = Want::default();
    let cases: &[(&[u8], Query<'_>)] = &[
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", Query::Ping),
        (
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
            Query::FindNode { target, want },
        ),
        (
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
            Query::GetPeers { info_hash: HASH, want, no_seeds: false, scrape: false },
        ),
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
            Query::AnnouncePeer {
                info_hash: HASH,
                implied_port: true,
                port: 6881,
                seed: false,
                token: b"aoeusnth",
            },
        ),
        (
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee1:q17:sample_infohashes1:t2:aa1:y1:qe",
            Query::Sample { target, want: Want { v4: true, v6: true } },
        ),
    ];
    for (bytes, query) in cases {
        let expected = Body::Query { sender: ID, query: *query };
        assert_eq!(body(bytes), expected);
        let mut out = Vec::new();
        encode_query(&mut out, b"aa", ID, false, query);
        assert_eq!(out, *bytes, "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn replies_of_bep_5_decode() {
    let reply = b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnm2:xxee1:t2:aa1:y1:re";
    let Body::Reply(reply) = body(reply) else { panic!("a reply") };
    assert_eq!(reply.sender, ID);
    assert_eq!(reply.token, Some(&b"aoeusnth"[..]));
    let peers: Vec<String> = reply.values.iter().map(|peer| peer.to_string()).collect();
    assert_eq!(peers, ["97.120.106.101:11893", "105.100.104.116:28269"]);

    let reply =
        b"d1:rd2:id20:abcdefghij01234567895:nodes26:mnopqrstuvwxyz123456axje.ue1:t2:aa1:y1:re";
    let Body::Reply(reply) = body(reply) else { panic!("a reply") };
    let nodes: Vec<_> = reply.nodes().collect();
    assert_eq!(nodes, [(NodeId(HASH.0), "97.120.106.101:11893".parse().unwrap())]);

    let error = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee";
    assert_eq!(body(error), Body::Error { code: 201, text: b"A Generic Error Ocurred" });
}

#[test]
fn what_is_no_message_says_why() {
    let field = |field| DecodeError::Field { field };
    let cases: &[(&[u8], DecodeError)] = &[
        (b"", DecodeError::NotADictionary),
        (b"x", DecodeError::NotADictionary),
        (b"d", DecodeError::NotADictionary),
        (b"d1:t", DecodeError::NotADictionary),
        (b"d:i1ee", DecodeError::NotADictionary),
        (b"d1:ti99999999999999999999ee", DecodeError::NotADictionary),
        (b"d1:t9:aae", DecodeError::NotADictionary),
        (b"de", field("t")),
        (b"d1:t0:1:y1:qe", field("t")),
        (b"d1:t21:1234567890123456789011:y1:qe", field("t")),
        (b"d1:ti1e1:y1:qe", field("t")),
        (b"d1:t1:ae", field("y")),
        (b"d1:t1:a1:y1:xe", field("y")),
        (b"d1:t1:a1:y1:qe", field("q")),
        (b"d1:q4:ping1:t1:a1:y1:qe", field("a")),
        (b"d1:ai1e1:q4:ping1:t1:a1:y1:qe", field("a")),
        (b"d1:t1:a1:y1:re", field("r")),
        (b"d1:rd2:id2:xxe1:t1:a1:y1:re", field("r")),
        (b"d1:t1:a1:y1:ee", field("e")),
        (b"d1:ele1:t1:a1:y1:ee", field("e")),
    ];
    for (bytes, expected) in cases {
        assert_eq!(decode(bytes), Err(*expected), "{}", String::from_utf8_lossy(bytes));
    }
    let long = vec![b'd'; DATAGRAM_BYTES_MAX + 1];
    assert_eq!(decode(&long), Err(DecodeError::TooLong { bytes: DATAGRAM_BYTES_MAX + 1 }));
    let mut deep = b"d1:a".to_vec();
    deep.resize(2000, b'l');
    assert_eq!(decode(&deep), Err(DecodeError::NotADictionary));
}

#[test]
fn a_query_with_a_bad_argument_names_it() {
    let cases: &[(&str, &str, &str)] = &[
        ("ping", "", "id"),
        ("ping", "2:id3:abc", "id"),
        ("find_node", "2:id20:abcdefghij0123456789", "target"),
        ("get_peers", "2:id20:abcdefghij01234567899:info_hashi1e", "info_hash"),
        (
            "announce_peer",
            "2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token1:a",
            "port",
        ),
        (
            "announce_peer",
            "2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti1e",
            "token",
        ),
        ("put", "2:id20:abcdefghij01234567891:k1:a5:token1:a1:vi1e", "k"),
        ("put", "2:id20:abcdefghij01234567895:token1:a", "v"),
    ];
    for (method, arguments, argument) in cases {
        let length = method.len();
        let bytes = format!("d1:ad{arguments}e1:q{length}:{method}1:t2:aa1:y1:qe");
        assert_eq!(body(bytes.as_bytes()), Body::BadQuery { argument }, "{bytes}");
    }
}

#[test]
fn keys_may_come_in_any_order_and_unknown_ones_are_passed_over() {
    let bytes =
        b"d1:y1:q1:t2:aa2:zzd1:xllleeee1:q4:ping2:roi1e1:ad1:zl2:hie2:id20:abcdefghij0123456789ee";
    let message = decode(bytes).unwrap();
    assert!(message.read_only);
    assert_eq!(message.body, Body::Query { sender: ID, query: Query::Ping });
    let unknown = b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe";
    assert_eq!(body(unknown), Body::Query { sender: ID, query: Query::Unknown });
}

#[test]
fn the_value_of_a_put_is_its_exact_bytes() {
    let mut bytes = b"d1:ad3:casi7e2:id20:abcdefghij01234567891:k32:".to_vec();
    bytes.extend_from_slice(&[7; 32]);
    bytes.extend_from_slice(b"4:salt3:abc3:seqi8e3:sig64:");
    bytes.extend_from_slice(&[9; 64]);
    bytes.extend_from_slice(b"6:target20:mnopqrstuvwxyz123456");
    bytes.extend_from_slice(b"5:token2:tt1:vd1:ai1e1:bl0:eee1:q3:put1:t2:aa1:y1:qe");
    let query = Query::Put {
        target: Some(NodeId(*b"mnopqrstuvwxyz123456")),
        token: b"tt",
        value: b"d1:ai1e1:bl0:ee",
        mutable: Some(PutMutable {
            key: &[7; 32],
            salt: b"abc",
            seq: 8,
            signature: &[9; 64],
            cas: Some(7),
        }),
    };
    assert_eq!(body(&bytes), Body::Query { sender: ID, query });
    let mut out = Vec::new();
    encode_query(&mut out, b"aa", ID, false, &query);
    assert_eq!(out, bytes);
}

#[test]
fn a_reply_with_everything_survives_the_way() {
    let mut values = Vec::new();
    let peers = ["192.0.2.1:1", "[2001:db8::1]:2"].map(|peer| peer.parse().unwrap());
    peers.iter().for_each(|peer| push_peer(&mut values, *peer));
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    push_node(&mut v4, ID, peers[0]);
    push_node(&mut v6, NodeId(HASH.0), peers[1]);
    let reply = Reply {
        nodes_v4: &v4,
        nodes_v6: &v6,
        values: Values::encoded(&values),
        token: Some(b"tok"),
        value: Some(b"le"),
        key: Some(&[1; 32]),
        seq: Some(-5),
        signature: Some(&[2; 64]),
        bloom_seeds: Some(&[3; BLOOM_BYTES]),
        bloom_peers: Some(&[4; BLOOM_BYTES]),
        samples: Some(&HASH.0),
        samples_all: Some(1),
        interval: Some(21600),
        ..Reply::of(ID)
    };
    let mut out = Vec::new();
    encode_reply(&mut out, b"t", peers[0], &reply);
    let message = decode(&out).unwrap();
    assert_eq!(message.ip, Some(peers[0]));
    assert_eq!(message.body, Body::Reply(reply));
    assert_eq!(reply.values.iter().collect::<Vec<_>>(), peers);
    assert_eq!(reply.nodes().collect::<Vec<_>>(), [(ID, peers[0]), (NodeId(HASH.0), peers[1])]);
    assert_eq!(reply.samples().collect::<Vec<_>>(), [HASH]);
    assert!(crate::bencode::decode(&out, crate::bencode::Limits::NETWORK).is_ok(), "canonical");
}

#[test]
fn errors_are_canonical() {
    let mut out = Vec::new();
    encode_error(&mut out, b"aa", code::PROTOCOL, "bad token");
    assert_eq!(out, b"d1:eli203e9:bad tokene1:t2:aa1:y1:ee");
}

/// Bytes that look like KRPC often enough to reach the depths of the decoder.
fn near_krpc() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"d",
        b"e",
        b"l",
        b"i1e",
        b"i-3e",
        b"1:a",
        b"1:q",
        b"1:r",
        b"1:t",
        b"1:y",
        b"1:e",
        b"2:id",
        b"20:abcdefghij0123456789",
        b"6:target",
        b"4:ping",
        b"6:values",
        b"2:aa",
        b"1:v",
        b"0:",
        b"9:",
        b"4:want",
        b"2:n4",
        b"5:nodes",
        b"5:token",
    ];
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>, near in near_krpc()) {
        for bytes in [bytes, near] {
            if let Ok(Message { body: Body::Reply(reply), .. }) = decode(&bytes) {
                let _ = (reply.nodes().count(), reply.values.iter().count());
            }
        }
    }

    #[test]
    fn announces_survive_the_way(hash: [u8; 20], port in 1_u16.., seed: bool, implied_port: bool, token: Vec<u8>) {
        let info_hash = InfoHash(hash);
        let query = Query::AnnouncePeer { info_hash, implied_port, port, seed, token: &token };
        let mut out = Vec::new();
        encode_query(&mut out, b"xyz", ID, true, &query);
        let expected = Message {
            transaction: b"xyz",
            ip: None,
            read_only: true,
            body: Body::Query { sender: ID, query },
        };
        if out.len() <= DATAGRAM_BYTES_MAX {
            prop_assert_eq!(decode(&out), Ok(expected));
        }
    }
}
