use proptest::prelude::*;

use super::*;

#[test]
fn dont_have_names_one_piece_in_four_bytes() {
    assert_eq!(decode_dont_have(&encode_dont_have(PieceIndex(258))), Some(PieceIndex(258)));
    assert_eq!(encode_dont_have(PieceIndex(258)), [0, 0, 1, 2]);
    for wrong in [&[][..], &[0; 3], &[0; 5]] {
        assert_eq!(decode_dont_have(wrong), None);
    }
}

#[test]
fn handshake_of_a_real_client_decodes() {
    let payload = b"d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e\
        12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei172e4:reqqi2000e\
        11:upload_onlyi1e1:v18:libtorrent/2.1.1.06:yourip4:\x7f\x00\x00\x01e";
    let handshake = ExtendedHandshake::decode(payload).unwrap();
    assert_eq!(handshake.version.as_deref(), Some("libtorrent/2.1.1.0"));
    assert_eq!(handshake.id_of(b"ut_metadata"), Some(2));
    assert_eq!(handshake.id_of(b"ut_nothing"), None);
    assert_eq!(handshake.m.len(), 6);
    assert_eq!(handshake.reqq, Some(2000));
    assert_eq!(handshake.metadata_size, Some(172));
    assert_eq!(handshake.your_ip, Some(IpAddr::from([127, 0, 0, 1])));
    assert_eq!(handshake.port, None);
    assert!(handshake.upload_only);
}

#[test]
fn fields_that_make_no_sense_count_as_absent() {
    let payloads: &[&[u8]] = &[
        b"de",
        b"d1:mi1e1:p1:x4:reqq1:x11:upload_only1:x1:vi1e6:youripi1ee",
        b"d1:mle1:pi0e4:reqqi-1e11:upload_onlyi0e1:v0:6:yourip5:12345e",
        b"d13:metadata_sizei4294967296e1:pi65536e4:reqqi4294967296e1:v2:\x1b\x07e",
        b"d1:md1:ai256e1:bi-1e1:c1:1ee",
    ];
    for payload in payloads {
        let handshake = ExtendedHandshake::decode(payload).unwrap();
        assert_eq!(handshake, ExtendedHandshake::default(), "{}", printable(payload, 80));
    }
}

#[test]
fn extension_with_id_zero_is_off() {
    let handshake = ExtendedHandshake::decode(b"d1:md6:ut_pexi0eee").unwrap();
    assert_eq!(handshake.m, [(b"ut_pex".to_vec(), 0)]);
    assert_eq!(handshake.id_of(b"ut_pex"), None);
}

#[test]
fn names_and_their_number_are_bounded() {
    let mut m = OwnedValue::dict().with(vec![b'a'; NAME_BYTES_MAX + 1], 1_u32);
    for name in 0..100_u32 {
        m.set(format!("x{name:02}"), 1_u32);
    }
    let payload = bencode::encode(&OwnedValue::dict().with("m", m));
    let handshake = ExtendedHandshake::decode(&payload).unwrap();
    assert_eq!(handshake.m.len(), EXTENSIONS_MAX);
    assert_eq!(handshake.m[0].0, b"x00");
}

#[test]
fn what_is_no_dictionary_is_refused() {
    let not = |found| Err(DecodeError::NotADictionary { found });
    assert_eq!(ExtendedHandshake::decode(b"le"), not("list"));
    assert_eq!(ExtendedHandshake::decode(b"i1e"), not("integer"));
    assert!(matches!(ExtendedHandshake::decode(b"d"), Err(DecodeError::Bencode(_))));
    assert!(matches!(ExtendedHandshake::decode(&[b'x'; 65_537]), Err(DecodeError::Bencode(_))));
}

#[test]
fn bytes_behind_the_dictionary_are_ignored() {
    let handshake = ExtendedHandshake::decode(b"d1:pi6881eejunk").unwrap();
    assert_eq!(handshake.port, Some(6881));
}

prop_compose! {
    fn any_handshake()(
        m in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..20), any::<u8>(), 0..20),
        version in prop::option::of("[a-zA-Z0-9./-]{1,64}"),
        port in prop::option::of(1..=u16::MAX),
        reqq: Option<u32>,
        upload_only: bool,
        your_ip: Option<IpAddr>,
        metadata_size: Option<u32>,
    ) -> ExtendedHandshake {
        let m = m.into_iter().collect();
        ExtendedHandshake { m, version, port, reqq, upload_only, your_ip, metadata_size }
    }
}

proptest! {
    #[test]
    fn handshake_survives_encode_then_decode(handshake in any_handshake()) {
        prop_assert_eq!(ExtendedHandshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn any_bytes_decode_or_fail_without_panic(payload: Vec<u8>) {
        if let Ok(handshake) = ExtendedHandshake::decode(&payload) {
            prop_assert_eq!(ExtendedHandshake::decode(&handshake.encode()), Ok(handshake));
        }
    }
}
