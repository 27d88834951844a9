use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The example of EIP-712.
fn mail() -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
                { "name": "verifyingContract", "type": "address" }
            ],
            "Person": [
                { "name": "name", "type": "string" },
                { "name": "wallet", "type": "address" }
            ],
            "Mail": [
                { "name": "from", "type": "Person" },
                { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" }
            ]
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!"
        }
    })
}

fn read(document: &Value) -> Result<TypedData, TypedDataError> {
    decode(document.to_string().as_bytes())
}

#[test]
fn the_example_of_eip_712_hashes_as_printed_there() {
    let expected = "0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
    let data = read(&mail()).unwrap();
    assert_eq!(digest_text(&data.digest), expected);
    let listed: Vec<(&str, &str)> =
        data.fields.iter().map(|field| (&*field.path, &*field.value)).collect();
    assert_eq!(listed.len(), 9);
    assert_eq!(listed[2], ("domain.chainId", "1"));
    assert_eq!(listed[8], ("message.contents", "Hello, Bob!"));
    let mut without = mail();
    without["types"].as_object_mut().unwrap().remove("EIP712Domain");
    assert_eq!(
        digest_text(&read(&without).unwrap().digest),
        expected,
        "the domain says its fields"
    );
    let mut bob = mail();
    bob["message"]["to"]["wallet"] = "41bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb".into();
    assert_eq!(digest_text(&read(&bob).unwrap().digest), expected, "the same address");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let changed = |path: &str, value: Value| {
        let mut document = mail();
        *document.pointer_mut(path).unwrap() = value;
        read(&document)
    };
    let value = |path: &str, kind: &str| {
        Err(TypedDataError::Value { path: path.into(), kind: kind.into() })
    };
    for (path, new, expected) in [
        ("/message/contents", json!(1), value("message.contents", "string")),
        ("/domain/chainId", json!(1e40), value("domain.chainId", "uint256")),
        ("/domain/chainId", json!(-1), value("domain.chainId", "uint256")),
        ("/domain/chainId", json!("1 "), value("domain.chainId", "uint256")),
        ("/message/to/wallet", json!("0xbb"), value("message.to.wallet", "address")),
        ("/message/to", json!(null), value("message.to", "Person")),
        ("/message/to", json!({ "name": "Bob" }), value("message.to.wallet", "address")),
        (
            "/message/to",
            json!({ "name": "", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB", "amount": 1 }),
            Err(TypedDataError::Unsigned("message.to.amount".into())),
        ),
        ("/types/Person/0/type", json!("String"), Err(TypedDataError::Type("String".into()))),
        ("/types/Person/0/type", json!("uint7"), Err(TypedDataError::Type("uint7".into()))),
        ("/types/Person/0/name", json!("a,address b"), Err(TypedDataError::Type("Person".into()))),
        ("/types/Person/0/name", json!("wallet"), Err(TypedDataError::Type("Person".into()))),
        ("/primaryType", json!("Letter"), Err(TypedDataError::Type("Letter".into()))),
        ("/primaryType", json!(7), Err(TypedDataError::Part("primaryType"))),
        (
            "/types/Mail/0/type",
            json!("Mail"),
            Err(TypedDataError::Unsigned("message.from.name".into())),
        ),
    ] {
        assert_eq!(changed(path, new.clone()), expected, "{path} {new}");
    }
    assert_eq!(decode(b"[]"), Err(TypedDataError::NotAnObject));
    assert_eq!(decode(b"{}"), Err(TypedDataError::Part("domain")));
    let found = DOCUMENT_BYTES_MAX + 1;
    assert_eq!(decode(&vec![b' '; found]), Err(TypedDataError::TooLong { found }));
}

#[test]
fn lists_that_nobody_can_read_are_refused() {
    let document = |kind: &str, value: &Value| {
        read(&json!({
            "types": { "T": [{ "name": "a", "type": kind }] },
            "primaryType": "T", "domain": {}, "message": { "a": value },
        }))
    };
    assert!(document("uint8[]", &json!(vec![1; 100])).is_ok());
    assert_eq!(document("uint8[]", &json!(vec![1; 3000])), Err(TypedDataError::TooMuch));
    let deep = (0..20).fold(json!(1), |value, _| json!([value]));
    assert_eq!(document(&format!("uint8{}", "[]".repeat(20)), &deep), Err(TypedDataError::TooMuch));
    assert!(document("uint8[2][]", &json!([[1, 2], [3, 4]])).is_ok());
    assert!(document("uint8[2][]", &json!([[1, 2], [3]])).is_err());
    assert!(document("uint8[]", &json!([])).is_ok());
}

#[test]
fn integers_fit_their_bits_or_are_refused() {
    let number = |kind: &str, value: &str| {
        basic(kind).and_then(|basic| word(basic, &json!(value))).map(|word| hex(&word))
    };
    let ones = |count: usize| Some("0".repeat(64 - count) + &"f".repeat(count));
    let two_256 = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    for (kind, value, expected) in [
        ("uint8", "255", ones(2)),
        ("uint8", "256", None),
        ("uint8", "0xff", ones(2)),
        ("uint8", "0x", None),
        ("uint8", "", None),
        ("uint8", "-0", ones(0)),
        ("uint8", "+1", None),
        ("uint256", max, ones(64)),
        ("uint256", two_256, None),
        ("uint", max, ones(64)),
        ("trcToken", max, ones(64)),
        ("int8", "127", Some(format!("{:0>64}", "7f"))),
        ("int8", "128", None),
        ("int8", "-128", Some("f".repeat(62) + "80")),
        ("int8", "-129", None),
        ("int8", "-1", ones(64)),
        ("int16", "-255", Some("f".repeat(61) + "f01")),
        ("int256", max, None),
    ] {
        assert_eq!(number(kind, value), expected, "{kind} {value}");
    }
}

proptest! {
    #[test]
    fn decimal_and_hexadecimal_mean_the_same(value: u128, negative: bool) {
        let sign = if negative { "-" } else { "" };
        let decimal = integer(&json!(format!("{sign}{value}")), 256, true);
        prop_assert_eq!(decimal, integer(&json!(format!("{sign}0x{value:x}")), 256, true));
        prop_assert!(decimal.is_some());
    }

    #[test]
    fn any_bytes_are_a_document_or_refused(bytes: Vec<u8>) {
        decode(&bytes).ok();
    }
}
