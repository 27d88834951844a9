//! Bencode: a strict decoder that borrows, and a canonical writer.
//!
//! Source: BEP 3 ("bencoding").
//! One value has one encoding: no leading zeros, no `-0`, no bytes after the value, dictionary
//! keys sorted and unique. Real files break only one of these rules often, the order of keys,
//! and [`KeyOrder::Any`] lets that pass where nothing depends on it. Duplicate keys never pass:
//! two readers of such a dictionary may see two different values.
//!
//! The decoder recurses at most [`Limits::depth_max`] levels and makes at most
//! [`Limits::values_max`] values, each below 100 bytes; byte strings are never copied.

use std::collections::BTreeMap;

/// A decoded value. Borrows every byte string from the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i…e`. Values outside 64 bits are an error of decoding.
    Int(i64),
    /// `n:…`: raw bytes, not necessarily text.
    Bytes(&'a [u8]),
    /// `l…e`.
    List(Vec<Self>),
    /// `d…e`.
    Dict(Dict<'a>),
}

impl<'a> Value<'a> {
    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    /// The byte string, if this is one.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The dictionary, if this is one.
    pub fn as_dict(&self) -> Option<&Dict<'a>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// What kind of value this is, for messages: `integer`, `string`, `list` or `dictionary`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "integer",
            Self::Bytes(_) => "string",
            Self::List(_) => "list",
            Self::Dict(_) => "dictionary",
        }
    }
}

/// A dictionary: its entries in the order of the input, keys unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dict<'a> {
    entries: Vec<Entry<'a>>,
}

/// One key of a dictionary and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, raw.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// The exact bytes that `value` was decoded from.
    pub raw: &'a [u8],
}

impl<'a> Dict<'a> {
    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<&Value<'a>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, for who needs the original bytes. Linear in the number of entries.
    pub fn entry(&self, key: &[u8]) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// All entries in the order of the input.
    pub fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

/// What a decoder may spend on one input, and what it lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest input in bytes.
    pub bytes_max: usize,
    /// Deepest nesting of lists and dictionaries; the outermost value has depth 1. Values
    /// above [`DEPTH_CEILING`] count as that.
    pub depth_max: u32,
    /// Most values in the input, each list, dictionary, integer and string counting one, keys
    /// not counting. It bounds memory: at most 64 bytes each, twice that while a vector grows.
    pub values_max: u32,
    /// Whether keys must be sorted.
    pub key_order: KeyOrder,
}

/// No [`Limits`] allow deeper nesting than this, so that no stack overflows.
pub const DEPTH_CEILING: u32 = 256;

/// Whether the keys of a dictionary must come sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// An unsorted dictionary is an error, as BEP 3 asks.
    Sorted,
    /// Any order passes. Duplicates are still errors.
    Any,
}

impl Limits {
    /// For messages and replies from the network: 2 MiB (a tracker's dictionary-form list of
    /// 10,000 peers has 1 MiB), 64 levels, 100,000 values, keys sorted.
    pub const NETWORK: Self = Self {
        bytes_max: 2 * 1024 * 1024,
        depth_max: 64,
        values_max: 100_000,
        key_order: KeyOrder::Sorted,
    };

    /// For torrent files: 64 MiB, 72 levels (each of the 64 components of a path is one in `file tree`),
    /// 3 million values (500,000 files with 6 values each), keys in any order, because some creators do not sort and the info-hash is
    /// computed over the original bytes anyhow.
    pub const METAINFO: Self = Self {
        bytes_max: 64 * 1024 * 1024,
        depth_max: 72,
        values_max: 3_000_000,
        key_order: KeyOrder::Any,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::NETWORK
    }
}

/// Why bytes are not bencode, or not within the limits. Offsets count bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input is longer than [`Limits::bytes_max`].
    #[error("input of {bytes} bytes exceeds the limit of {bytes_max}")]
    TooLong {
        /// Length of the input.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Nested deeper than [`Limits::depth_max`].
    #[error("nested deeper than {depth_max} levels at byte {offset}")]
    TooDeep {
        /// Where the value too deep starts.
        offset: usize,
        /// The limit.
        depth_max: u32,
    },
    /// More values than [`Limits::values_max`].
    #[error("more than {values_max} values")]
    TooManyValues {
        /// The limit.
        values_max: u32,
    },
    /// The input ends inside a value.
    #[error("input ends at byte {offset}, inside {inside}")]
    Truncated {
        /// Length of the input.
        offset: usize,
        /// What was being read.
        inside: &'static str,
    },
    /// A byte that can't stand here.
    #[error("byte 0x{byte:02x} at {offset} where {expected} was expected")]
    Unexpected {
        /// The byte.
        byte: u8,
        /// Where it is.
        offset: usize,
        /// What could stand there.
        expected: &'static str,
    },
    /// A number written with superfluous zeros, or minus zero.
    #[error("number at byte {offset} is not in its shortest form")]
    NotShortest {
        /// Where the number starts.
        offset: usize,
    },
    /// A number that 64 bits don't hold.
    #[error("number at byte {offset} does not fit 64 bits")]
    OutOfRange {
        /// Where the number starts.
        offset: usize,
    },
    /// A byte string longer than what is left of the input.
    #[error("string of {length_bytes} bytes at {offset} is longer than the {left_bytes} left")]
    StringTooLong {
        /// Where the string's length starts.
        offset: usize,
        /// Its claimed length.
        length_bytes: u64,
        /// How many bytes follow.
        left_bytes: usize,
    },
    /// A key that sorts before the one in front of it.
    #[error("dictionary key at byte {offset} is out of order")]
    UnsortedKey {
        /// Where the key starts.
        offset: usize,
    },
    /// A key twice in one dictionary.
    #[error("dictionary that ends at byte {offset} has a key twice")]
    DuplicateKey {
        /// Where the second key, or for an unsorted dictionary its end, is.
        offset: usize,
    },
    /// Bytes after the value.
    #[error("something follows the value, which ends at byte {offset}")]
    Trailing {
        /// Where the value ends.
        offset: usize,
        /// How many bytes follow.
        trailing_bytes: usize,
    },
}

/// Decodes `bytes`, which must hold one value and nothing else.
///
/// # Errors
///
/// [`DecodeError`] at the first byte that breaks a rule or a limit.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Value<'_>, DecodeError> {
    let (value, consumed) = decode_prefix(bytes, limits)?;
    match bytes.len().saturating_sub(consumed) {
        0 => Ok(value),
        trailing_bytes => Err(DecodeError::Trailing { offset: consumed, trailing_bytes }),
    }
}

/// Decodes the value at the start of `bytes` and says how many bytes it took. What follows is
/// not looked at: BEP 9 puts raw data behind a dictionary.
///
/// # Errors
///
/// [`DecodeError`] at the first byte that breaks a rule or a limit.
pub fn decode_prefix(bytes: &[u8], limits: Limits) -> Result<(Value<'_>, usize), DecodeError> {
    if bytes.len() > limits.bytes_max {
        return Err(DecodeError::TooLong { bytes: bytes.len(), bytes_max: limits.bytes_max });
    }
    let depth_max = limits.depth_max.min(DEPTH_CEILING);
    let limits = Limits { depth_max, ..limits };
    let mut parser = Parser { bytes, at: 0, values: 0, limits };
    let value = parser.value(1)?;
    Ok((value, parser.at))
}

struct Parser<'a> {
    bytes: &'a [u8],
    /// Offset of the next byte; never beyond the end.
    at: usize,
    values: u32,
    limits: Limits,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: u32) -> Result<Value<'a>, DecodeError> {
        self.values = self.values.saturating_add(1);
        if self.values > self.limits.values_max {
            return Err(DecodeError::TooManyValues { values_max: self.limits.values_max });
        }
        let expected = "a value";
        match self.peek(expected)? {
            b'i' => self.int(),
            b'0'..=b'9' => Ok(Value::Bytes(self.string()?)),
            b'l' => self.list(depth),
            b'd' => self.dict(depth),
            byte => Err(DecodeError::Unexpected { byte, offset: self.at, expected }),
        }
    }

    fn list(&mut self, depth: u32) -> Result<Value<'a>, DecodeError> {
        self.open(depth)?;
        let mut items = Vec::new();
        while self.peek("a list")? != b'e' {
            items.push(self.value(depth.saturating_add(1))?);
        }
        self.skip();
        Ok(Value::List(items))
    }

    fn dict(&mut self, depth: u32) -> Result<Value<'a>, DecodeError> {
        self.open(depth)?;
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut sorted = true;
        loop {
            let key_offset = self.at;
            match self.peek("a dictionary")? {
                b'e' => break,
                b'0'..=b'9' => {}
                byte => {
                    let expected = "a key";
                    return Err(DecodeError::Unexpected { byte, offset: key_offset, expected });
                }
            }
            let key = self.string()?;
            match entries.last().map(|last| last.key.cmp(key)) {
                None | Some(core::cmp::Ordering::Less) => {}
                Some(core::cmp::Ordering::Equal) => {
                    return Err(DecodeError::DuplicateKey { offset: key_offset });
                }
                Some(core::cmp::Ordering::Greater) => match self.limits.key_order {
                    KeyOrder::Sorted => {
                        return Err(DecodeError::UnsortedKey { offset: key_offset });
                    }
                    KeyOrder::Any => sorted = false,
                },
            }
            let start = self.at;
            let value = self.value(depth.saturating_add(1))?;
            let raw = self.bytes.get(start..self.at).unwrap_or_default();
            entries.push(Entry { key, value, raw });
        }
        if !sorted {
            let mut keys: Vec<&[u8]> = entries.iter().map(|entry| entry.key).collect();
            keys.sort_unstable();
            if keys.array_windows().any(|[a, b]| a == b) {
                return Err(DecodeError::DuplicateKey { offset: self.at });
            }
        }
        self.skip();
        entries.shrink_to_fit();
        Ok(Value::Dict(Dict { entries }))
    }

    /// Steps over the first byte of a list or a dictionary at `depth`.
    fn open(&mut self, depth: u32) -> Result<(), DecodeError> {
        let depth_max = self.limits.depth_max;
        if depth > depth_max {
            return Err(DecodeError::TooDeep { offset: self.at, depth_max });
        }
        self.skip();
        Ok(())
    }

    fn int(&mut self) -> Result<Value<'a>, DecodeError> {
        self.skip();
        let offset = self.at;
        let negative = self.peek("an integer")? == b'-';
        if negative {
            self.skip();
        }
        let magnitude = self.digits(offset, b'e', "an integer")?;
        if negative && magnitude == 0 {
            return Err(DecodeError::NotShortest { offset });
        }
        let int = if negative {
            0_i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        int.map(Value::Int).ok_or(DecodeError::OutOfRange { offset })
    }

    fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let offset = self.at;
        let length_bytes = self.digits(offset, b':', "a string's length")?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let string = usize::try_from(length_bytes).ok().and_then(|length| rest.get(..length));
        let Some(string) = string else {
            let left_bytes = rest.len();
            return Err(DecodeError::StringTooLong { offset, length_bytes, left_bytes });
        };
        self.at = self.at.saturating_add(string.len());
        Ok(string)
    }

    /// Reads decimal digits and the byte `end` behind them. The number began at `offset`.
    fn digits(&mut self, offset: usize, end: u8, inside: &'static str) -> Result<u64, DecodeError> {
        let first = self.at;
        let mut number = 0_u64;
        loop {
            let byte = self.peek(inside)?;
            if byte == end && self.at != first {
                break;
            }
            if !byte.is_ascii_digit() {
                let expected = if self.at == first { "a digit" } else { "a digit or the end" };
                return Err(DecodeError::Unexpected { byte, offset: self.at, expected });
            }
            if number == 0 && self.at != first {
                return Err(DecodeError::NotShortest { offset });
            }
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(byte & 0x0f)))
                .ok_or(DecodeError::OutOfRange { offset })?;
            self.skip();
        }
        self.skip();
        Ok(number)
    }

    fn peek(&self, inside: &'static str) -> Result<u8, DecodeError> {
        self.bytes.get(self.at).copied().ok_or(DecodeError::Truncated { offset: self.at, inside })
    }

    /// Steps over a byte that [`Self::peek`] has seen.
    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }
}

/// A value to write. Its encoding is canonical whatever order it was put together in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedValue {
    /// `i…e`.
    Int(i64),
    /// `n:…`.
    Bytes(Vec<u8>),
    /// `l…e`.
    List(Vec<Self>),
    /// `d…e`, sorted by the map.
    Dict(BTreeMap<Vec<u8>, Self>),
    /// The encoding of one value, written as it is. For [`Entry::raw`] of a value that we keep
    /// without understanding it.
    Raw(Vec<u8>),
}

impl OwnedValue {
    /// An empty dictionary.
    pub fn dict() -> Self {
        Self::Dict(BTreeMap::new())
    }

    /// A dictionary with `key` set to `value`; anything that is not a dictionary is replaced.
    #[must_use]
    pub fn with(mut self, key: impl Into<Vec<u8>>, value: impl Into<Self>) -> Self {
        self.set(key, value);
        self
    }

    /// As [`Self::with`], only if there is a value.
    #[must_use]
    pub fn with_some(self, key: impl Into<Vec<u8>>, value: Option<impl Into<Self>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Sets `key` to `value`; anything that is not a dictionary becomes one.
    pub fn set(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Self>) {
        if let Self::Dict(map) = self {
            map.insert(key.into(), value.into());
        } else {
            *self = Self::Dict(BTreeMap::from([(key.into(), value.into())]));
        }
    }
}

impl From<i64> for OwnedValue {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<u32> for OwnedValue {
    fn from(int: u32) -> Self {
        Self::Int(i64::from(int))
    }
}

impl From<&[u8]> for OwnedValue {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<u8>> for OwnedValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&str> for OwnedValue {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<Self>> for OwnedValue {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl From<&Value<'_>> for OwnedValue {
    /// Copies a decoded value, whose depth the decoder has bounded.
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::Int(int) => Self::Int(*int),
            Value::Bytes(bytes) => Self::from(*bytes),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Dict(dict) => Self::Dict(
                dict.entries
                    .iter()
                    .map(|entry| (entry.key.to_vec(), Self::from(&entry.value)))
                    .collect(),
            ),
        }
    }
}

/// The canonical encoding of `value`.
pub fn encode(value: &OwnedValue) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(value, &mut out);
    out
}

/// Appends the canonical encoding of `value` to `out`.
pub fn encode_into(value: &OwnedValue, out: &mut Vec<u8>) {
    match value {
        OwnedValue::Int(int) => {
            out.push(b'i');
            out.extend_from_slice(int.to_string().as_bytes());
            out.push(b'e');
        }
        OwnedValue::Bytes(bytes) => put_string(bytes, out),
        OwnedValue::List(items) => {
            out.push(b'l');
            for item in items {
                encode_into(item, out);
            }
            out.push(b'e');
        }
        OwnedValue::Dict(map) => {
            out.push(b'd');
            for (key, value) in map {
                put_string(key, out);
                encode_into(value, out);
            }
            out.push(b'e');
        }
        OwnedValue::Raw(raw) => out.extend_from_slice(raw),
    }
}

fn put_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
