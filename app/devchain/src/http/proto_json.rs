//! Protobuf as the JSON of a TRON full node, and back, by the tables of [`schema`](super::schema).
//!
//! As the real node does: what has its default value is left out; bytes are hexadecimal digits, or,
//! where `visible` is asked for, addresses in base58check and names as text; whole numbers may be
//! text; names of enumerations match whatever their case; what no table knows is skipped.

use serde_json::{Map, Value};
use thiserror::Error;

use super::schema::{
    ANY_URL, ANY_VALUE, CONTRACT_KINDS, CONTRACT_PARAMETER, CONTRACT_PERMISSION, CONTRACT_TYPE,
    ContractKind, Field, Kind, Message,
};

/// How values look in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Addresses in base58check and names as text, rather than in hexadecimal digits.
    pub(super) visible: bool,
    /// 64-bit numbers as text: `int64_as_string` of newer nodes.
    pub(super) int64_as_text: bool,
}

/// JSON that stands for no message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum JsonError {
    #[error("Couldn't parse integer: For input string: \"{0}\"")]
    Integer(String),
    #[error("Expected \"true\" or \"false\".")]
    Bool,
    #[error("Expected string.")]
    Text,
    #[error("INVALID hex String")]
    Hex,
    #[error("INVALID base58 String, {0}")]
    Base58(String),
    #[error("Enum type has no value named \"{0}\".")]
    EnumName(String),
    #[error("Expected \"{{\".")]
    Object,
    #[error("Expected \"[\".")]
    Array,
}

/// Bytes that are no protobuf.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("While parsing a protocol message, the input ended unexpectedly in the middle of a field.")]
pub(super) struct Malformed;

/// The JSON of an encoded message.
pub(super) fn to_json(message: &Message, bytes: &[u8], form: Form) -> Result<Value, Malformed> {
    let mut object = Map::new();
    let mut reader = Reader { bytes };
    while let Some((number, wire)) = reader.next()? {
        let Some(field) = message.fields.iter().find(|field| field.number == number) else {
            continue;
        };
        let Some(value) = value_of(field, wire, form)? else { continue };
        if field.many {
            let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(value);
            }
        } else {
            object.insert(field.name.to_owned(), value);
        }
    }
    Ok(Value::Object(object))
}

/// A value of a field; `None` if it is the default, which is not shown.
fn value_of(field: &Field, wire: Wire<'_>, form: Form) -> Result<Option<Value>, Malformed> {
    let value = match (&field.kind, wire) {
        (Kind::Bool, Wire::Varint(number)) => (number != 0).then_some(Value::Bool(true)),
        (Kind::Int64 | Kind::Int32, Wire::Varint(number)) => {
            (number != 0).then(|| int(&field.kind, number.cast_signed(), form))
        }
        (Kind::Enum(names), Wire::Varint(number)) => (number != 0).then(|| name_of(names, number)),
        (Kind::Message(inner), Wire::Bytes(bytes)) => Some(to_json(inner, bytes, form)?),
        (Kind::Contract, Wire::Bytes(bytes)) => contract_to_json(bytes, form)?,
        (Kind::Text, Wire::Bytes(bytes)) => {
            shown(field, bytes, |bytes| String::from_utf8_lossy(bytes).into_owned())
        }
        (Kind::Bytes, Wire::Bytes(bytes)) => shown(field, bytes, hex),
        (Kind::Address, Wire::Bytes(bytes)) => shown(field, bytes, |bytes| address(bytes, form)),
        (Kind::Name, Wire::Bytes(bytes)) => shown(field, bytes, |bytes| name(bytes, form)),
        // A field of another wire type than ours is an unknown field.
        _ => None,
    };
    Ok(value)
}

fn shown(field: &Field, bytes: &[u8], show: impl FnOnce(&[u8]) -> String) -> Option<Value> {
    (field.many || !bytes.is_empty()).then(|| Value::String(show(bytes)))
}

fn int(kind: &Kind, number: i64, form: Form) -> Value {
    if matches!(kind, Kind::Int64) && form.int64_as_text {
        Value::String(number.to_string())
    } else {
        number.into()
    }
}

fn name_of(names: &[(i32, &str)], number: u64) -> Value {
    let found = names.iter().find(|(known, _)| i64::from(*known) == number.cast_signed());
    found.map_or_else(|| number.into(), |(_, name)| Value::from(*name))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    wire::hex(bytes)
}

/// Bytes of an address as its text.
pub(super) fn address(bytes: &[u8], form: Form) -> String {
    if form.visible { keys::base58check::encode(bytes) } else { hex(bytes) }
}

fn name(bytes: &[u8], form: Form) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if form.visible => text.to_owned(),
        _ => hex(bytes),
    }
}

/// `Transaction.Contract`: its payload is opened, as callers want to see what it asks for.
fn contract_to_json(bytes: &[u8], form: Form) -> Result<Option<Value>, Malformed> {
    let (mut number, mut permission, mut any) = (0, 0, &[][..]);
    let mut reader = Reader { bytes };
    while let Some((field, wire)) = reader.next()? {
        match (field, wire) {
            (CONTRACT_TYPE, Wire::Varint(value)) => number = value,
            (CONTRACT_PERMISSION, Wire::Varint(value)) => permission = value,
            (CONTRACT_PARAMETER, Wire::Bytes(value)) => any = value,
            _ => {}
        }
    }
    let is_it = |kind: &&ContractKind| i64::from(kind.number) == number.cast_signed();
    let Some(kind) = CONTRACT_KINDS.iter().find(is_it) else { return Ok(None) };
    let (mut url, mut payload) = (String::new(), &[][..]);
    let mut reader = Reader { bytes: any };
    while let Some((field, wire)) = reader.next()? {
        match (field, wire) {
            (ANY_URL, Wire::Bytes(value)) => url = String::from_utf8_lossy(value).into_owned(),
            (ANY_VALUE, Wire::Bytes(value)) => payload = value,
            _ => {}
        }
    }
    let value = to_json(kind.message, payload, form)?;
    let mut object = Map::new();
    object.insert("parameter".into(), serde_json::json!({ "value": value, "type_url": url }));
    object.insert("type".into(), kind.name.into());
    if permission > 0 {
        object.insert("Permission_id".into(), permission.into());
    }
    Ok(Some(Value::Object(object)))
}

/// The encoding of the message that a JSON object stands for.
pub(super) fn to_bytes(
    message: &Message,
    object: &Map<String, Value>,
    form: Form,
) -> Result<Vec<u8>, JsonError> {
    let mut bytes = Vec::new();
    for field in message.fields {
        match object.get(field.name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) if field.many => {
                for value in list {
                    put(&mut bytes, field, value, form)?;
                }
            }
            Some(_) if field.many => return Err(JsonError::Array),
            Some(value) => put(&mut bytes, field, value, form)?,
        }
    }
    Ok(bytes)
}

fn put(bytes: &mut Vec<u8>, field: &Field, value: &Value, form: Form) -> Result<(), JsonError> {
    match &field.kind {
        Kind::Bool => {
            let flag = value.as_bool().ok_or(JsonError::Bool)?;
            put_varint_field(bytes, field.number, u64::from(flag));
        }
        Kind::Int32 | Kind::Int64 => {
            let number = whole(value)?;
            put_varint_field(bytes, field.number, number.cast_unsigned());
        }
        Kind::Enum(names) => {
            put_varint_field(bytes, field.number, number_of(names, value)?.cast_unsigned());
        }
        Kind::Message(inner) => {
            let object = value.as_object().ok_or(JsonError::Object)?;
            put_bytes(bytes, field.number, &to_bytes(inner, object, form)?);
        }
        Kind::Contract => {
            if let Some(contract) = contract_to_bytes(value, form)? {
                put_bytes(bytes, field.number, &contract);
            }
        }
        Kind::Text | Kind::Bytes | Kind::Address | Kind::Name => {
            let content = content(&field.kind, value.as_str().ok_or(JsonError::Text)?, form)?;
            if field.many || !content.is_empty() {
                put_bytes(bytes, field.number, &content);
            }
        }
    }
    Ok(())
}

/// The bytes that a text stands for in a field of a kind.
fn content(kind: &Kind, text: &str, form: Form) -> Result<Vec<u8>, JsonError> {
    if matches!(kind, Kind::Text) || (matches!(kind, Kind::Name) && form.visible) {
        return Ok(text.as_bytes().to_vec());
    }
    if matches!(kind, Kind::Address) && form.visible { address_of(text) } else { unhex(text) }
}

/// Like the real node, a contract without a type that it knows is left out: the transaction then has
/// none, and is refused for that.
fn contract_to_bytes(value: &Value, form: Form) -> Result<Option<Vec<u8>>, JsonError> {
    let kind = value.get("type").and_then(Value::as_str);
    let kind = CONTRACT_KINDS.iter().find(|known| Some(known.name) == kind);
    let (Some(kind), Some(parameter)) = (kind, value.get("parameter")) else { return Ok(None) };
    let payload = parameter.get("value").and_then(Value::as_object).ok_or(JsonError::Object)?;
    let payload = to_bytes(kind.message, payload, form)?;
    let mut any = Vec::new();
    let url = parameter.get("type_url").and_then(Value::as_str).unwrap_or_default();
    if !url.is_empty() {
        put_bytes(&mut any, ANY_URL, url.as_bytes());
    }
    if !payload.is_empty() {
        put_bytes(&mut any, ANY_VALUE, &payload);
    }
    let mut bytes = Vec::new();
    put_varint_field(&mut bytes, CONTRACT_TYPE, i64::from(kind.number).cast_unsigned());
    put_bytes(&mut bytes, CONTRACT_PARAMETER, &any);
    match value.get("Permission_id") {
        None | Some(Value::Null) => {}
        Some(id) => put_varint_field(&mut bytes, CONTRACT_PERMISSION, whole(id)?.cast_unsigned()),
    }
    Ok(Some(bytes))
}

/// A whole number, which may be text.
pub(super) fn whole(value: &Value) -> Result<i64, JsonError> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.ok_or_else(|| JsonError::Integer(value.to_string().trim_matches('"').to_owned()))
}

fn number_of(names: &[(i32, &str)], value: &Value) -> Result<i64, JsonError> {
    if let Value::String(text) = value {
        let found = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        return found
            .map(|(number, _)| i64::from(*number))
            .ok_or_else(|| JsonError::EnumName(text.clone()));
    }
    whole(value)
}

/// The bytes of hexadecimal digits, with `0x` before them or not. As in the real node, an odd digit
/// at the front stands for a byte of its own.
pub(super) fn unhex(text: &str) -> Result<Vec<u8>, JsonError> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (first, pairs) = digits.split_at(digits.len() % 2);
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for &one in first {
        bytes.push(digit(one).ok_or(JsonError::Hex)?);
    }
    for pair in pairs.chunks_exact(2) {
        let [high, low] = pair else { return Err(JsonError::Hex) };
        let (high, low) = (digit(*high), digit(*low));
        bytes.push((high.ok_or(JsonError::Hex)? << 4) | low.ok_or(JsonError::Hex)?);
    }
    Ok(bytes)
}

/// The 21 bytes of a base58check address.
pub(super) fn address_of(text: &str) -> Result<Vec<u8>, JsonError> {
    keys::base58check::decode(text, 21).map_err(|error| JsonError::Base58(error.to_string()))
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// A number, unless it is the default.
pub(super) fn put_varint_field(bytes: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_varint(bytes, u64::from(number) << 3);
        put_varint(bytes, value);
    }
}

/// A field of bytes.
pub(super) fn put_bytes(bytes: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_varint(bytes, (u64::from(number) << 3) | 2);
    put_varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

/// The bytes of a field, of the last one if there are several; none if there are none.
pub(super) fn field_bytes(bytes: &[u8], wanted: u32) -> Result<&[u8], Malformed> {
    let mut found = &[][..];
    let mut reader = Reader { bytes };
    while let Some((number, wire)) = reader.next()? {
        if let (true, Wire::Bytes(content)) = (number == wanted, wire) {
            found = content;
        }
    }
    Ok(found)
}

/// Reads fields one by one.
#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
}

/// What a field looks like before its meaning is known.
#[derive(Clone, Copy, Debug)]
enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// 4 or 8 bytes, which no table has.
    Fixed,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, Malformed> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_too_large| Malformed)?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_too_large| Malformed)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed)?,
            _ => return Err(Malformed),
        };
        Ok(Some((number, wire)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else { return Err(Malformed) };
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::schema::{CONTRACT_KINDS, RAW, TRANSACTION, TRIGGER};

    fn recorded() -> Vec<Value> {
        let text = include_str!("../../../../core/wire/testdata/nile-transactions.json");
        let recorded: Value = serde_json::from_str(text).unwrap();
        recorded["captures"].as_array().unwrap().clone()
    }

    #[test]
    fn real_transactions_survive_the_way_through_json_byte_for_byte() {
        let all = recorded();
        assert_eq!(all.len(), 6);
        for capture in all {
            let digits = capture["transaction"]["raw_data_hex"].as_str().unwrap();
            let bytes = unhex(digits).unwrap();
            for visible in [false, true] {
                let form = Form { visible, int64_as_text: visible };
                let shown = to_json(&RAW, &bytes, form).unwrap();
                let again = to_bytes(&RAW, shown.as_object().unwrap(), form).unwrap();
                assert_eq!(hex(&again), digits);
            }
        }
    }

    #[test]
    fn json_of_real_transactions_is_what_the_real_node_shows() {
        // The first has other call data in its JSON than in its bytes: its documentation's fault.
        for capture in recorded().into_iter().skip(1) {
            let transaction = &capture["transaction"];
            let bytes = unhex(transaction["raw_data_hex"].as_str().unwrap()).unwrap();
            let shown = to_json(&RAW, &bytes, Form::default()).unwrap();
            assert_eq!(shown, transaction["raw_data"], "{}", capture["endpoint"]);
        }
    }

    #[test]
    fn odd_digits_prefixes_and_non_digits_of_hexadecimal_text() {
        assert_eq!(unhex("0x0aFF"), Ok(vec![0x0a, 0xff]));
        assert_eq!(unhex("abc"), Ok(vec![0x0a, 0xbc]));
        assert_eq!(unhex(""), Ok(vec![]));
        assert_eq!(unhex("0g"), Err(JsonError::Hex));
        assert_eq!(unhex("é"), Err(JsonError::Hex));
    }

    #[test]
    fn whole_numbers_may_be_text_and_nothing_else() {
        let put = |json: Value| {
            let object = serde_json::json!({ "call_value": json });
            to_bytes(&TRIGGER, object.as_object().unwrap(), Form::default())
        };
        assert_eq!(put(5.into()), put("5".into()));
        assert_eq!(put(0.into()).unwrap(), b"");
        assert!(put((-1).into()).unwrap().len() == 11);
        for bad in [Value::from(1.5), Value::from("x"), Value::from(u64::MAX), Value::Bool(true)] {
            assert!(put(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(put(Value::Null).unwrap(), b"");
    }

    #[test]
    fn numbers_are_text_where_that_is_asked_for() {
        let bytes = [0x18, 0x05];
        let form = Form { int64_as_text: true, ..Form::default() };
        let shown = to_json(&TRIGGER, &bytes, form).unwrap();
        assert_eq!(shown, serde_json::json!({ "call_value": "5" }));
    }

    #[test]
    fn bytes_that_end_early_or_never_are_refused() {
        for bytes in [&[0x0a][..], &[0x0a, 5, 1], &[0x18, 0x80], &[0x18; 1], &[0x0b], &[0xff; 12]] {
            assert_eq!(to_json(&TRANSACTION, bytes, Form::default()), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_contract_of_an_unknown_type_is_left_out() {
        let raw =
            serde_json::json!({ "contract": [{ "type": "NoSuchContract", "parameter": {} }] });
        assert_eq!(to_bytes(&RAW, raw.as_object().unwrap(), Form::default()), Ok(vec![]));
        assert!(CONTRACT_KINDS.iter().all(|kind| kind.name != "NoSuchContract"));
    }
}
