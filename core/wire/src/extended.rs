//! The handshake of the extension protocol.
//!
//! Source: BEP 10; `upload_only` from BEP 21, `metadata_size` from BEP 9, `lt_donthave` from BEP 54.
//! Only the outer shape is a condition. Every field is optional, and one of a wrong type or out
//! of range counts as absent: hanging up on a peer for a cosmetic field would cost us a peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::PieceIndex;

use crate::bencode::{self, Dict, KeyOrder, Limits, OwnedValue, Value};
use crate::printable;

/// The extended message id of this handshake.
pub const HANDSHAKE_ID: u8 = 0;

/// The extension by which a peer takes back a HAVE (BEP 54).
pub const DONT_HAVE: &[u8] = b"lt_donthave";

/// The id under which we want messages of [`DONT_HAVE`].
pub const DONT_HAVE_ID: u8 = 7;

/// Most extensions kept of one peer. Clients announce about ten.
pub const EXTENSIONS_MAX: usize = 64;

/// Longest extension name kept, in bytes. The longest in use, `ut_holepunch`-like, have 15.
pub const NAME_BYTES_MAX: usize = 64;

/// Longest version text kept, in characters.
pub const VERSION_CHARS_MAX: usize = 64;

/// What a peer says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedHandshake {
    /// Extension names and the ids under which the sender wants their messages; 0 switches an
    /// extension off. Unique names, at most [`EXTENSIONS_MAX`].
    pub m: Vec<(Vec<u8>, u8)>,
    /// Name and version of the client, made printable, at most [`VERSION_CHARS_MAX`].
    pub version: Option<String>,
    /// The TCP port where the sender listens; never 0.
    pub port: Option<u16>,
    /// How many requests the sender keeps queued without dropping any.
    pub reqq: Option<u32>,
    /// The sender downloads nothing, though it may not have everything (BEP 21).
    pub upload_only: bool,
    /// The receiver's address as the sender sees it.
    pub your_ip: Option<IpAddr>,
    /// Length of the `info` dictionary in bytes (BEP 9).
    pub metadata_size: Option<u32>,
}

/// Why a payload is not an extension handshake. The peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The payload is not bencode.
    #[error("extension handshake is not bencode: {0}")]
    Bencode(#[from] bencode::DecodeError),
    /// The payload is bencode of another type.
    #[error("extension handshake is of type {found}, not a dictionary")]
    NotADictionary {
        /// What it is.
        found: &'static str,
    },
}

/// A handshake has one level and some 30 values; the rest is headroom for what we don't know.
const LIMITS: Limits =
    Limits { bytes_max: 64 * 1024, depth_max: 16, values_max: 4096, key_order: KeyOrder::Sorted };

impl ExtendedHandshake {
    /// Decodes the payload of extended message 0. Bytes behind the dictionary are ignored.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the payload does not start with a bencoded dictionary of at most
    /// 64 KiB.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (value, _) = bencode::decode_prefix(payload, LIMITS)?;
        let Value::Dict(dict) = value else {
            return Err(DecodeError::NotADictionary { found: value.kind() });
        };
        let int = |key: &[u8]| dict.get(key).and_then(Value::as_int);
        let version = dict.get(b"v").and_then(Value::as_bytes);
        Ok(Self {
            m: dict.get(b"m").and_then(Value::as_dict).map(extensions).unwrap_or_default(),
            version: version
                .map(|version| printable(version, VERSION_CHARS_MAX))
                .filter(|version| !version.is_empty()),
            port: int(b"p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0),
            reqq: int(b"reqq").and_then(|reqq| u32::try_from(reqq).ok()),
            upload_only: int(b"upload_only").is_some_and(|flag| flag != 0),
            your_ip: dict.get(b"yourip").and_then(Value::as_bytes).and_then(ip),
            metadata_size: int(b"metadata_size").and_then(|size| u32::try_from(size).ok()),
        })
    }

    /// The payload of extended message 0.
    pub fn encode(&self) -> Vec<u8> {
        let mut m = OwnedValue::dict();
        for (name, id) in &self.m {
            m.set(name.as_slice(), u32::from(*id));
        }
        let your_ip = self.your_ip.map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        });
        let dict = OwnedValue::dict()
            .with("m", m)
            .with_some("v", self.version.as_deref())
            .with_some("p", self.port.map(u32::from))
            .with_some("reqq", self.reqq)
            .with_some("upload_only", self.upload_only.then_some(1_u32))
            .with_some("yourip", your_ip)
            .with_some("metadata_size", self.metadata_size);
        bencode::encode(&dict)
    }

    /// The id under which the sender wants messages of the extension `name`, if it takes them.
    pub fn id_of(&self, name: &[u8]) -> Option<u8> {
        let (_, id) = self.m.iter().find(|(known, _)| known == name)?;
        (*id != 0).then_some(*id)
    }
}

/// The piece that a message of [`DONT_HAVE`] names; `None` if it is no such message.
pub fn decode_dont_have(payload: &[u8]) -> Option<PieceIndex> {
    Some(PieceIndex(u32::from_be_bytes(payload.try_into().ok()?)))
}

/// The payload of a message of [`DONT_HAVE`].
pub fn encode_dont_have(piece: PieceIndex) -> [u8; 4] {
    piece.0.to_be_bytes()
}

fn extensions(m: &Dict<'_>) -> Vec<(Vec<u8>, u8)> {
    m.entries()
        .iter()
        .filter(|entry| entry.key.len() <= NAME_BYTES_MAX)
        .filter_map(|entry| Some((entry.key, u8::try_from(entry.value.as_int()?).ok()?)))
        .take(EXTENSIONS_MAX)
        .map(|(name, id)| (name.to_vec(), id))
        .collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests;
