use proptest::prelude::*;

use super::*;

fn network(bytes: &[u8]) -> Result<Value<'_>, DecodeError> {
    decode(bytes, Limits::default())
}

#[test]
fn good_values_decode() {
    use Value::{Bytes, Int, List};
    let cases: &[(&[u8], Value<'_>)] = &[
        (b"i0e", Int(0)),
        (b"i-1e", Int(-1)),
        (b"i9223372036854775807e", Int(i64::MAX)),
        (b"i-9223372036854775808e", Int(i64::MIN)),
        (b"0:", Bytes(b"")),
        (b"3:a:e", Bytes(b"a:e")),
        (b"le", List(vec![])),
        (b"li1e1:ae", List(vec![Int(1), Bytes(b"a")])),
        (b"de", Value::Dict(Dict::default())),
    ];
    for (bytes, expected) in cases {
        assert_eq!(network(bytes).as_ref(), Ok(expected), "{}", printable(bytes));
    }
}

#[test]
fn bad_values_say_what_and_where() {
    use DecodeError as E;
    let unexpected = |byte, offset, expected| E::Unexpected { byte, offset, expected };
    let cases: &[(&[u8], DecodeError)] = &[
        (b"", E::Truncated { offset: 0, inside: "a value" }),
        (b"x", unexpected(b'x', 0, "a value")),
        (b"e", unexpected(b'e', 0, "a value")),
        (b"-1:", unexpected(b'-', 0, "a value")),
        (b"i", E::Truncated { offset: 1, inside: "an integer" }),
        (b"i1", E::Truncated { offset: 2, inside: "an integer" }),
        (b"ie", unexpected(b'e', 1, "a digit")),
        (b"i-e", unexpected(b'e', 2, "a digit")),
        (b"i--1e", unexpected(b'-', 2, "a digit")),
        (b"i+1e", unexpected(b'+', 1, "a digit")),
        (b"i1 e", unexpected(b' ', 2, "a digit or the end")),
        (b"i1-e", unexpected(b'-', 2, "a digit or the end")),
        (b"i00e", E::NotShortest { offset: 1 }),
        (b"i01e", E::NotShortest { offset: 1 }),
        (b"i-0e", E::NotShortest { offset: 1 }),
        (b"i-01e", E::NotShortest { offset: 1 }),
        (b"i9223372036854775808e", E::OutOfRange { offset: 1 }),
        (b"i-9223372036854775809e", E::OutOfRange { offset: 1 }),
        (b"i99999999999999999999e", E::OutOfRange { offset: 1 }),
        (b"01:a", E::NotShortest { offset: 0 }),
        (b"1", E::Truncated { offset: 1, inside: "a string's length" }),
        (b"1a", unexpected(b'a', 1, "a digit or the end")),
        (b"2:a", E::StringTooLong { offset: 0, length_bytes: 2, left_bytes: 1 }),
        (
            b"18446744073709551615:",
            E::StringTooLong { offset: 0, length_bytes: u64::MAX, left_bytes: 0 },
        ),
        (b"18446744073709551616:", E::OutOfRange { offset: 0 }),
        (b"l", E::Truncated { offset: 1, inside: "a list" }),
        (b"lx", unexpected(b'x', 1, "a value")),
        (b"d", E::Truncated { offset: 1, inside: "a dictionary" }),
        (b"di1ei2ee", unexpected(b'i', 1, "a key")),
        (b"d1:a", E::Truncated { offset: 4, inside: "a value" }),
        (b"d1:ae", unexpected(b'e', 4, "a value")),
        (b"d1:bi1e1:ai2ee", E::UnsortedKey { offset: 7 }),
        (b"d2:aai1e1:ai2ee", E::UnsortedKey { offset: 8 }),
        (b"d1:ai1e1:ai2ee", E::DuplicateKey { offset: 7 }),
        (b"i1ei2e", E::Trailing { offset: 3, trailing_bytes: 3 }),
    ];
    for (bytes, expected) in cases {
        assert_eq!(network(bytes), Err(*expected), "{}", printable(bytes));
    }
}

#[test]
fn any_key_order_lets_unsorted_pass_but_no_duplicates() {
    let limits = Limits::METAINFO;
    let value = decode(b"d1:bi1e1:ai2ee", limits).unwrap();
    let dict = value.as_dict().unwrap();
    assert_eq!(dict.get(b"a"), Some(&Value::Int(2)));
    assert_eq!(dict.entries()[0].key, b"b");
    let twice = Err(DecodeError::DuplicateKey { offset: 19 });
    assert_eq!(decode(b"d1:bi1e1:ai2e1:bi3ee", limits), twice);
}

#[test]
fn entries_keep_the_exact_bytes_of_their_value() {
    let value = network(b"d1:ad1:xlee1:bi-5e1:c2:hie").unwrap();
    let dict = value.as_dict().unwrap();
    let raw: Vec<&[u8]> = dict.entries().iter().map(|entry| entry.raw).collect();
    assert_eq!(raw, [&b"d1:xlee"[..], b"i-5e", b"2:hi"]);
    assert_eq!(dict.entry(b"b").unwrap().value, Value::Int(-5));
    assert_eq!(dict.get(b"d"), None);
}

#[test]
fn prefix_stops_behind_the_first_value() {
    let bytes = b"d5:piecei0eedata";
    let (value, consumed) = decode_prefix(bytes, Limits::default()).unwrap();
    assert_eq!((value.kind(), &bytes[consumed..]), ("dictionary", &b"data"[..]));
}

#[test]
fn accessors_answer_for_their_kind_only() {
    let cases = [
        (b"i1e".as_slice(), "integer", [true, false, false, false]),
        (b"1:a", "string", [false, true, false, false]),
        (b"le", "list", [false, false, true, false]),
        (b"de", "dictionary", [false, false, false, true]),
    ];
    for (bytes, kind, is) in cases {
        let value = network(bytes).unwrap();
        assert_eq!(value.kind(), kind);
        let found = [
            value.as_int().is_some(),
            value.as_bytes().is_some(),
            value.as_list().is_some(),
            value.as_dict().is_some(),
        ];
        assert_eq!(found, is, "{kind}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let limits = Limits { bytes_max: 40, depth_max: 3, values_max: 5, ..Limits::NETWORK };
    assert!(decode(b"llleee", limits).is_ok());
    let too_deep = Err(DecodeError::TooDeep { offset: 3, depth_max: 3 });
    assert_eq!(decode(b"lllleeee", limits), too_deep);
    assert_eq!(
        decode(b"lld1:aleeee", limits).unwrap_err(),
        DecodeError::TooDeep { offset: 6, depth_max: 3 }
    );
    assert!(decode(b"li1ei2ei3ei4ee", limits).is_ok());
    let too_many = Err(DecodeError::TooManyValues { values_max: 5 });
    assert_eq!(decode(b"li1ei2ei3ei4ei5ee", limits), too_many);
    let mut string = b"37:".to_vec();
    string.resize(40, b'x');
    assert!(decode(&string, limits).is_ok());
    string.push(b'x');
    let too_long = Err(DecodeError::TooLong { bytes: 41, bytes_max: 40 });
    assert_eq!(decode(&string, limits), too_long);
}

#[test]
fn no_limits_allow_to_overflow_the_stack() {
    let limits = Limits { depth_max: u32::MAX, values_max: u32::MAX, ..Limits::METAINFO };
    let bytes = vec![b'l'; 1 << 20];
    let too_deep = Err(DecodeError::TooDeep { offset: 256, depth_max: DEPTH_CEILING });
    assert_eq!(decode(&bytes, limits), too_deep);
}

#[test]
fn writer_sorts_keys_and_overwrites() {
    let value = OwnedValue::dict()
        .with("b", 1_u32)
        .with("a", vec![OwnedValue::from("x"), OwnedValue::from(-1_i64)])
        .with("b", OwnedValue::Raw(b"le".to_vec()))
        .with_some("c", None::<u32>)
        .with_some("aa", Some(&b"\xff"[..]));
    assert_eq!(encode(&value), b"d1:al1:xi-1ee2:aa1:\xff1:blee");
    let mut replaced = OwnedValue::Int(1);
    replaced.set("k", b"v".to_vec());
    assert_eq!(encode(&replaced), b"d1:k1:ve");
}

fn printable(bytes: &[u8]) -> String {
    crate::printable(bytes, 80)
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(OwnedValue::Int),
        any::<Vec<u8>>().prop_map(OwnedValue::Bytes),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(OwnedValue::List),
            prop::collection::btree_map(any::<Vec<u8>>(), inner, 0..8).prop_map(OwnedValue::Dict),
        ]
    })
}

/// Bytes that look like bencode often enough to reach the depths of the decoder.
fn near_bencode() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ilde0123456789-:a".to_vec()), 0..60)
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(value in any_value()) {
        let bytes = encode(&value);
        let decoded = network(&bytes).unwrap();
        prop_assert_eq!(OwnedValue::from(&decoded), value);
    }

    #[test]
    fn what_decodes_strictly_encodes_to_the_same_bytes(bytes in near_bencode()) {
        if let Ok(value) = network(&bytes) {
            prop_assert_eq!(encode(&OwnedValue::from(&value)), bytes);
        }
    }

    #[test]
    fn any_bytes_decode_or_fail_without_panic(bytes: Vec<u8>, near in near_bencode()) {
        for bytes in [bytes, near] {
            let strict = network(&bytes);
            let lenient = decode(&bytes, Limits::METAINFO);
            if strict.is_ok() {
                prop_assert_eq!(strict, lenient);
            }
        }
    }
}
