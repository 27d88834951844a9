//! Fields of JSON that a stranger's node wrote, each judged as it is read.
//!
//! Source: RFC 8259. Depth is bounded by the library (128 levels), size by who fetched it.

use serde_json::Value;

use crate::{printable, unhex_bytes};

/// Longest text of a node that is kept, in characters.
pub const TEXT_CHARS_MAX: usize = 300;

/// What is wrong with a node's reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// It is not JSON.
    #[error("the reply is not JSON")]
    NotJson,
    /// Something must be there and is not.
    #[error("the reply lacks {0:?}")]
    Missing(&'static str),
    /// Something is there, but not of its kind or size.
    #[error("the reply has a {0:?} that cannot be")]
    Wrong(&'static str),
    /// More than we take.
    #[error("the reply has more than {max} in {field:?}")]
    TooMany {
        /// Which list.
        field: &'static str,
        /// Its bound.
        max: usize,
    },
    /// The node says that it can't or won't: in its words, printable.
    #[error("the node refuses: {text}")]
    Refused {
        /// Its code, if it has one: a number for JSON-RPC.
        code: Option<i64>,
        /// Its words.
        text: String,
        /// What a contract returned on its revert, if that is why.
        data: Vec<u8>,
    },
}

/// Reads a whole reply.
pub(crate) fn parse(body: &[u8]) -> Result<Value, ReplyError> {
    serde_json::from_slice(body).map_err(|_syntax| ReplyError::NotJson)
}

/// A node's words, made safe to show.
pub(crate) fn text(words: &str) -> String {
    printable(words.as_bytes(), TEXT_CHARS_MAX)
}

/// Digits to bytes; a prefix `0x` is fine.
pub(crate) fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    unhex_bytes(digits.strip_prefix("0x").unwrap_or(digits))
}

/// Exactly `N` bytes.
pub(crate) fn array_of<const N: usize>(digits: &str) -> Option<[u8; N]> {
    bytes_of(digits)?.try_into().ok()
}

/// A text field; absent is empty.
pub(crate) fn str_of<'a>(of: &'a Value, field: &'static str) -> Result<&'a str, ReplyError> {
    match of.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ReplyError::Wrong(field)),
    }
}

/// A number that is not negative, as a JSON number or decimal digits; absent is zero.
pub(crate) fn uint(of: &Value, field: &'static str) -> Result<u64, ReplyError> {
    match of.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Number(number)) => number.as_u64().ok_or(ReplyError::Wrong(field)),
        Some(Value::String(text)) => {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits);
            number.ok_or(ReplyError::Wrong(field))
        }
        Some(_) => Err(ReplyError::Wrong(field)),
    }
}

/// Bytes in hexadecimal digits; absent is empty.
pub(crate) fn bytes(of: &Value, field: &'static str) -> Result<Vec<u8>, ReplyError> {
    bytes_of(str_of(of, field)?).ok_or(ReplyError::Wrong(field))
}

/// Exactly `N` bytes, which must be there.
pub(crate) fn array<const N: usize>(
    of: &Value,
    field: &'static str,
) -> Result<[u8; N], ReplyError> {
    if of.get(field).is_none() {
        return Err(ReplyError::Missing(field));
    }
    array_of(str_of(of, field)?).ok_or(ReplyError::Wrong(field))
}

/// A list; absent is empty.
pub(crate) fn list<'a>(
    of: &'a Value,
    field: &'static str,
    max: usize,
) -> Result<&'a [Value], ReplyError> {
    match of.get(field) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) if items.len() <= max => Ok(items),
        Some(Value::Array(_)) => Err(ReplyError::TooMany { field, max }),
        Some(_) => Err(ReplyError::Wrong(field)),
    }
}
