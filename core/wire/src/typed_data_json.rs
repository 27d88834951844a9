//! Structured data that somebody asks to be signed, as JSON: what its hash is, and what it says.
//!
//! Source: EIP-712; TIP-712, which is the same but for addresses in TRON's ways and `trcToken`, an integer of
//! 256 bits. The JSON is the one of `eth_signTypedData_v4`: `domain`, `types`, `primaryType`, `message`.
//!
//! It comes from a stranger and may be worth money, so whatever has an influence on the hash is listed in
//! [`TypedData::fields`] for the user to read. What would be read in two ways is refused: values of another
//! kind than their type, numbers that JSON has rounded, fields that no type mentions.

use std::collections::{BTreeMap, BTreeSet};

use keys::{Digest32, keccak256};
use serde_json::{Map, Value};

use crate::address_text::address;
use crate::{hex, unhex};

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting of structs and arrays.
const DEPTH_MAX: usize = 16;

/// Most values in a message. A user is to read them.
const FIELDS_MAX: usize = 2000;

/// Most types, and most fields of one.
const TYPES_MAX: usize = 64;

/// The fields that a domain may have, in the order of EIP-712.
const DOMAIN: [(&str, &str); 5] = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
];

/// One value that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands, as in `message.to[0].wallet`; printable.
    pub path: String,
    /// Its type.
    pub kind: String,
    /// What it is, as it was written; printable.
    pub value: String,
}

/// What would be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedData {
    /// What the signature is of.
    pub digest: Digest32,
    /// Type of the message; printable.
    pub primary_type: String,
    /// All values, of the domain and then of the message.
    pub fields: Vec<Field>,
}

/// Why a document can't be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypedDataError {
    /// Longer than [`DOCUMENT_BYTES_MAX`].
    #[error("it has {found} bytes, at most {DOCUMENT_BYTES_MAX} can be signed")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// Not JSON, or not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A part is missing or of another kind.
    #[error("it has no `{0}`, or one of another kind")]
    Part(&'static str),
    /// A type that can't be.
    #[error("its type `{0}` is not one that can be signed")]
    Type(String),
    /// A value that is not of its type, or is missing.
    #[error("`{path}` is not of type {kind}")]
    Value {
        /// Where; printable.
        path: String,
        /// Of what type it should be.
        kind: String,
    },
    /// A value that no type mentions.
    #[error("`{0}` is in no type, and would not be signed")]
    Unsigned(String),
    /// Too much for anybody to read.
    #[error("it is nested too deeply, or has more than {FIELDS_MAX} values")]
    TooMuch,
}

/// Names and types of a struct's fields.
type Struct = Vec<(String, String)>;

/// Reads a document.
///
/// # Errors
/// See [`TypedDataError`].
pub fn decode(bytes: &[u8]) -> Result<TypedData, TypedDataError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(TypedDataError::TooLong { found: bytes.len() });
    }
    let map: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_not_json| TypedDataError::NotAnObject)?;
    let part = |key: &'static str| map.get(key).ok_or(TypedDataError::Part(key));
    let domain = part("domain")?.as_object().ok_or(TypedDataError::Part("domain"))?;
    let types = part("types")?.as_object().ok_or(TypedDataError::Part("types"))?;
    let primary_type = part("primaryType")?.as_str().ok_or(TypedDataError::Part("primaryType"))?;
    let mut types = structs(types)?;
    types.entry("EIP712Domain".to_owned()).or_insert_with(|| {
        let given = DOMAIN.iter().filter(|(name, _)| domain.contains_key(*name));
        given.map(|&(name, kind)| (name.to_owned(), kind.to_owned())).collect()
    });
    let mut encoder = Encoder { types: &types, fields: Vec::new() };
    let separator = encoder.value("EIP712Domain", part("domain")?, "domain", 0)?;
    let message = encoder.value(primary_type, part("message")?, "message", 0)?;
    if !types.contains_key(primary_type) {
        return Err(TypedDataError::Type(shown(primary_type)));
    }
    let signed = [&[0x19, 0x01][..], &separator, &message].concat();
    Ok(TypedData {
        digest: keccak256(&signed),
        primary_type: shown(primary_type),
        fields: encoder.fields,
    })
}

fn shown(text: &str) -> String {
    crate::printable(text.as_bytes(), 200)
}

/// The types of a document, of names that mean one thing in the text that is hashed.
fn structs(types: &Map<String, Value>) -> Result<BTreeMap<String, Struct>, TypedDataError> {
    if types.len() > TYPES_MAX {
        return Err(TypedDataError::TooMuch);
    }
    let mut structs = BTreeMap::new();
    for (name, fields) in types {
        let wrong = || TypedDataError::Type(shown(name));
        let fields = fields.as_array().filter(|list| list.len() <= TYPES_MAX).ok_or_else(wrong)?;
        let mut seen = BTreeSet::new();
        let mut list = Struct::new();
        for field in fields {
            let text = |key: &str| field.get(key).and_then(Value::as_str).ok_or_else(wrong);
            let (field, kind) = (text("name")?, text("type")?);
            if !is_name(field) || !seen.insert(field) {
                return Err(wrong());
            }
            list.push((field.to_owned(), kind.to_owned()));
        }
        if !is_name(name) || basic(name).is_some() {
            return Err(wrong());
        }
        structs.insert(name.clone(), list);
    }
    Ok(structs)
}

/// An identifier of Solidity: nothing that could end a name in the text that is hashed.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
}

/// A type that is no struct and no array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basic {
    Uint { bits: u16 },
    Int { bits: u16 },
    FixedBytes { length: usize },
    Address,
    Bool,
    Bytes,
    Text,
}

fn basic(kind: &str) -> Option<Basic> {
    let bits = |digits: &str| -> Option<u16> {
        if digits.is_empty() {
            return Some(256);
        }
        let bits: u16 = digits.parse().ok()?;
        let usual =
            bits.is_multiple_of(8) && (8..=256).contains(&bits) && bits.to_string() == digits;
        usual.then_some(bits)
    };
    match kind {
        "address" => Some(Basic::Address),
        "bool" => Some(Basic::Bool),
        "bytes" => Some(Basic::Bytes),
        "string" => Some(Basic::Text),
        "trcToken" => Some(Basic::Uint { bits: 256 }),
        _ => {
            if let Some(digits) = kind.strip_prefix("uint") {
                return bits(digits).map(|bits| Basic::Uint { bits });
            }
            if let Some(digits) = kind.strip_prefix("int") {
                return bits(digits).map(|bits| Basic::Int { bits });
            }
            let digits = kind.strip_prefix("bytes")?;
            let length: usize = digits.parse().ok()?;
            let usual = (1..=32).contains(&length) && length.to_string() == digits;
            usual.then_some(Basic::FixedBytes { length })
        }
    }
}

/// Element type and length of an array: `uint8[3][]` is a list of arrays of three.
fn array(kind: &str) -> Option<(&str, Option<usize>)> {
    let (element, length) = kind.strip_suffix(']')?.rsplit_once('[')?;
    let length = if length.is_empty() { None } else { Some(length.parse().ok()?) };
    Some((element, length))
}

struct Encoder<'a> {
    types: &'a BTreeMap<String, Struct>,
    fields: Vec<Field>,
}

impl Encoder<'_> {
    /// The word that stands for a value in what is hashed.
    fn value(
        &mut self,
        kind: &str,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<Digest32, TypedDataError> {
        if depth > DEPTH_MAX || self.fields.len() >= FIELDS_MAX {
            return Err(TypedDataError::TooMuch);
        }
        let wrong = || TypedDataError::Value { path: shown(path), kind: shown(kind) };
        let deeper = depth.saturating_add(1);
        if let Some(basic) = basic(kind) {
            let word = word(basic, value).ok_or_else(wrong)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = crate::printable(text.as_bytes(), 4096);
            self.fields.push(Field { path: shown(path), kind: kind.to_owned(), value });
            return Ok(word);
        }
        if let Some((element, length)) = array(kind) {
            let list = value.as_array().ok_or_else(wrong)?;
            if length.is_some_and(|length| length != list.len()) {
                return Err(wrong());
            }
            let mut bytes = Vec::new();
            for (index, value) in list.iter().enumerate() {
                let path = format!("{path}[{index}]");
                bytes.extend_from_slice(&self.value(element, value, &path, deeper)?);
            }
            if list.is_empty() {
                let (path, kind) = (shown(path), shown(kind));
                self.fields.push(Field { path, kind, value: "[]".into() });
            }
            return Ok(keccak256(&bytes));
        }
        let types = self.types;
        let fields = types.get(kind).ok_or_else(|| TypedDataError::Type(shown(kind)))?;
        let map = value.as_object().ok_or_else(wrong)?;
        let known = |name: &&String| fields.iter().any(|(field, _)| field == *name);
        if let Some(unknown) = map.keys().find(|name| !known(name)) {
            return Err(TypedDataError::Unsigned(shown(&format!("{path}.{unknown}"))));
        }
        let mut bytes = keccak256(encoded_type(types, kind)?.as_bytes()).to_vec();
        for (name, kind) in fields {
            let path = format!("{path}.{name}");
            let missing = || TypedDataError::Value { path: shown(&path), kind: shown(kind) };
            let value = map.get(name).ok_or_else(missing)?;
            bytes.extend_from_slice(&self.value(kind, value, &path, deeper)?);
        }
        Ok(keccak256(&bytes))
    }
}

/// The text of a type, followed by those of the structs in it, by name.
fn encoded_type(types: &BTreeMap<String, Struct>, kind: &str) -> Result<String, TypedDataError> {
    let mut needed = BTreeSet::new();
    let mut open = vec![kind];
    while let Some(next) = open.pop() {
        let fields = types.get(next).ok_or_else(|| TypedDataError::Type(shown(next)))?;
        for (_, kind) in fields {
            let mut kind = kind.as_str();
            while let Some((element, _)) = array(kind) {
                kind = element;
            }
            if basic(kind).is_none() && needed.insert(kind) {
                open.push(kind);
            }
        }
    }
    needed.remove(kind);
    let text = |name: &str| {
        let fields = types.get(name).map(Vec::as_slice).unwrap_or_default();
        let fields: Vec<String> =
            fields.iter().map(|(name, kind)| format!("{kind} {name}")).collect();
        format!("{name}({})", fields.join(","))
    };
    Ok(core::iter::once(kind).chain(needed).map(text).collect())
}

fn word(kind: Basic, value: &Value) -> Option<Digest32> {
    let mut word = [0; 32];
    match kind {
        Basic::Bool => *word.last_mut()? = u8::from(value.as_bool()?),
        Basic::Address => {
            let (_, low) = word.split_at_mut(12);
            low.copy_from_slice(&address(value.as_str()?)?);
        }
        Basic::Text => return Some(keccak256(value.as_str()?.as_bytes())),
        Basic::Bytes => return Some(keccak256(&bytes(value)?)),
        Basic::FixedBytes { length } => {
            let bytes = bytes(value).filter(|bytes| bytes.len() == length)?;
            word.split_at_mut_checked(length)?.0.copy_from_slice(&bytes);
        }
        Basic::Uint { bits } => return integer(value, bits, false),
        Basic::Int { bits } => return integer(value, bits, true),
    }
    Some(word)
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    digits.as_bytes().chunks(2).map(hex::byte).collect()
}

/// An integer of so many bits, from a number or a text. A number that JSON rounded is refused.
fn integer(value: &Value, bits: u16, signed: bool) -> Option<Digest32> {
    let text = match value {
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.as_str()),
    };
    let magnitude = match digits.strip_prefix("0x") {
        Some(digits) => from_hex(digits)?,
        None => from_decimal(digits)?,
    };
    let used = used_bits(&magnitude);
    let zero = used == 0;
    if !signed {
        return (used <= bits && (!negative || zero)).then_some(magnitude);
    }
    let room = bits.checked_sub(1)?;
    let lowest = negative && used == bits && is_power_of_two(&magnitude);
    if used > room && !lowest {
        return None;
    }
    Some(if negative { negated(magnitude) } else { magnitude })
}

fn from_hex(digits: &str) -> Option<Digest32> {
    let padded = format!("{digits:0>64}");
    (!digits.is_empty()).then(|| unhex(&padded)).flatten()
}

fn from_decimal(digits: &str) -> Option<Digest32> {
    if digits.is_empty() {
        return None;
    }
    let mut word = [0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = u16::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        for byte in word.iter_mut().rev() {
            let [high, low] =
                u16::from(*byte).saturating_mul(10).saturating_add(carry).to_be_bytes();
            *byte = low;
            carry = high.into();
        }
        if carry != 0 {
            return None;
        }
    }
    Some(word)
}

/// Bits up to the highest that is set.
fn used_bits(word: &Digest32) -> u16 {
    let zeros = word.iter().take_while(|byte| **byte == 0).count();
    let first = word.get(zeros).map_or(0, |byte| byte.leading_zeros());
    let zeros = u16::try_from(zeros).unwrap_or(32).saturating_mul(8);
    256_u16.saturating_sub(zeros).saturating_sub(u16::try_from(first).unwrap_or(8))
}

fn is_power_of_two(word: &Digest32) -> bool {
    word.iter().map(|byte| byte.count_ones()).sum::<u32>() == 1
}

/// The two's complement.
fn negated(word: Digest32) -> Digest32 {
    let mut result = word.map(|byte| !byte);
    for byte in result.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    result
}

/// The digits of a digest, for messages.
#[must_use]
pub fn digest_text(digest: &Digest32) -> String {
    format!("0x{}", hex(digest))
}

#[cfg(test)]
mod tests;
