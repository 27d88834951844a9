//! Announces and scrapes over HTTP: URLs out, bodies in.
//!
//! Source: BEP 3 ("trackers"), 7 (`peers6`), 21 (`paused`), 23 (compact peers), 24 (`external
//! ip`), 31 (`retry in`), 48 (scrape).
//! Keys may come in any order: opentracker lists the swarms of a scrape in the order that it
//! was asked for them. What follows the dictionary is not looked at: trackers are scripts, and
//! some end with a line break. A field of a wrong type counts as absent, except `peers`, without which the reply is
//! worth nothing.

use core::fmt::Write as _;
use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::InfoHash;

use crate::bencode::{self, Dict, KeyOrder, Limits, Value};
use crate::printable;
use crate::tracker::{
    AnnounceReply, AnnounceRequest, Announced, Event, Failure, INTERVAL_DEFAULT, PEERS_MAX,
    RetryIn, SwarmCounts, TEXT_CHARS_MAX, TRACKER_ID_BYTES_MAX, compact_v4, compact_v6, peer_addr,
};

/// Most swarms taken from one scrape; the rest is dropped. We ask for fewer.
pub const SCRAPE_FILES_MAX: usize = 2000;

/// Characters of a body that is not a reply, kept for the message.
const EXCERPT_CHARS_MAX: usize = 80;

const LIMITS: Limits = Limits { key_order: KeyOrder::Any, ..Limits::NETWORK };

/// Why a body is not a tracker's reply. The tracker's fault, or it is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body is not bencode, HTML perhaps.
    #[error("tracker's reply is not bencode ({source}): {excerpt:?}")]
    Bencode {
        /// What is wrong with it.
        source: bencode::DecodeError,
        /// How the body begins, printable.
        excerpt: String,
    },
    /// The body is bencode of another type.
    #[error("tracker's reply is of type {found}, not a dictionary")]
    NotADictionary {
        /// What it is.
        found: &'static str,
    },
    /// A key that must be there is not.
    #[error("tracker's reply has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong type.
    #[error("`{key}` of the tracker's reply is of type {found}")]
    WrongType {
        /// Its key.
        key: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Compact peers that don't come out even.
    #[error("`{key}` of the tracker's reply has {bytes} bytes, not a multiple of {each_bytes}")]
    Ragged {
        /// Its key.
        key: &'static str,
        /// Its length.
        bytes: usize,
        /// The length of one peer.
        each_bytes: usize,
    },
}

/// The URL of an announce to the tracker at `base`, which may have a query of its own (a
/// passkey, say) and keeps it. A fragment is dropped.
pub fn announce_url(base: &str, request: &AnnounceRequest) -> String {
    let mut url = Query::after(base);
    url.raw("info_hash", &request.info_hash.0);
    url.raw("peer_id", &request.peer_id.0);
    url.number("port", request.port.into());
    url.number("uploaded", request.uploaded_bytes);
    url.number("downloaded", request.downloaded_bytes);
    url.number("left", request.left_bytes);
    url.number("compact", 1);
    // Nobody needs the ids of peers. Trackers that don't know `compact` know this (BEP 3, BEP 23).
    url.number("no_peer_id", 1);
    url.raw("key", format!("{:08x}", request.key).as_bytes());
    if let Some(numwant) = request.numwant {
        url.number("numwant", numwant.into());
    }
    match request.event {
        Event::None => {}
        Event::Started => url.raw("event", b"started"),
        Event::Stopped => url.raw("event", b"stopped"),
        Event::Completed => url.raw("event", b"completed"),
        Event::Paused => url.raw("event", b"paused"),
    }
    if let Some(tracker_id) = &request.tracker_id {
        url.raw("trackerid", tracker_id);
    }
    url.text
}

/// Where the tracker that announces at `announce` answers scrapes, by the convention of BEP 48:
/// `announce` at the start of the last path segment becomes `scrape`. `None` if it is not there.
pub fn scrape_url(announce: &str) -> Option<String> {
    let (before, last) = announce.rsplit_once('/')?;
    let rest = last.strip_prefix("announce")?;
    Some(format!("{before}/scrape{rest}"))
}

/// The URL that asks `scrape_url` for the state of `info_hashes`.
pub fn scrape_request_url(scrape_url: &str, info_hashes: &[InfoHash]) -> String {
    let mut url = Query::after(scrape_url);
    for info_hash in info_hashes {
        url.raw("info_hash", &info_hash.0);
    }
    url.text
}

/// A URL that grows parameters.
struct Query {
    text: String,
    separator: &'static str,
}

impl Query {
    fn after(base: &str) -> Self {
        let text = base.split('#').next().unwrap_or_default().to_owned();
        let separator = if !text.contains('?') {
            "?"
        } else if text.ends_with(['?', '&']) {
            ""
        } else {
            "&"
        };
        Self { text, separator }
    }

    fn name(&mut self, name: &str) {
        self.text.push_str(self.separator);
        self.text.push_str(name);
        self.text.push('=');
        self.separator = "&";
    }

    fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.text.push_str(&number.to_string());
    }

    fn raw(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.text.push(char::from(byte));
            } else {
                // Writing to a string can't fail.
                write!(self.text, "%{byte:02X}").unwrap_or_default();
            }
        }
    }
}

/// Decodes the body of an answer to an announce, whatever its HTTP status: some trackers send
/// their failures with 4xx.
///
/// # Errors
///
/// [`DecodeError`] if the body is not a bencoded dictionary or its peers are no peers.
pub fn decode_announce(body: &[u8]) -> Result<AnnounceReply, DecodeError> {
    let dict = dictionary(body)?;
    if let Some(failure) = failure(&dict) {
        return Ok(AnnounceReply::Failure(failure));
    }
    let mut reply = Announced {
        interval: seconds(&dict, b"interval").unwrap_or(INTERVAL_DEFAULT),
        min_interval: seconds(&dict, b"min interval"),
        tracker_id: dict
            .get(b"tracker id")
            .and_then(Value::as_bytes)
            .filter(|id| id.len() <= TRACKER_ID_BYTES_MAX)
            .map(<[u8]>::to_vec),
        complete: count(&dict, b"complete"),
        incomplete: count(&dict, b"incomplete"),
        downloaded: count(&dict, b"downloaded"),
        external_ip: dict.get(b"external ip").and_then(Value::as_bytes).and_then(external_ip),
        warning: dict
            .get(b"warning message")
            .and_then(Value::as_bytes)
            .map(|text| printable(text, TEXT_CHARS_MAX))
            .filter(|text| !text.is_empty()),
        peers: Vec::new(),
    };
    match dict.get(b"peers") {
        Some(Value::Bytes(bytes)) => {
            check_even("peers", bytes, 6)?;
            reply.peers.extend(compact_v4(bytes).take(PEERS_MAX));
        }
        Some(Value::List(peers)) => {
            reply.peers.extend(peers.iter().filter_map(dictionary_peer).take(PEERS_MAX));
        }
        // An announce of `stopped` may be answered without peers.
        None => {}
        Some(other @ (Value::Int(_) | Value::Dict(_))) => {
            return Err(DecodeError::WrongType { key: "peers", found: other.kind() });
        }
    }
    if let Some(bytes) = dict.get(b"peers6").and_then(Value::as_bytes) {
        check_even("peers6", bytes, 18)?;
        let room = PEERS_MAX.saturating_sub(reply.peers.len());
        reply.peers.extend(compact_v6(bytes).take(room));
    }
    Ok(AnnounceReply::Announced(reply))
}

/// The answer to a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScrapeReply {
    /// The swarms that the tracker knows of those asked for, or of all; at most
    /// [`SCRAPE_FILES_MAX`], in the tracker's order.
    Scraped(Vec<(InfoHash, SwarmCounts)>),
    /// The tracker refused.
    Failure(Failure),
}

/// Decodes the body of an answer to a scrape. Counts that are absent are 0.
///
/// # Errors
///
/// [`DecodeError`] if the body is not a bencoded dictionary with `files`.
pub fn decode_scrape(body: &[u8]) -> Result<ScrapeReply, DecodeError> {
    let dict = dictionary(body)?;
    if let Some(failure) = failure(&dict) {
        return Ok(ScrapeReply::Failure(failure));
    }
    let files = match dict.get(b"files") {
        Some(Value::Dict(files)) => files,
        Some(other) => {
            return Err(DecodeError::WrongType { key: "files", found: other.kind() });
        }
        None => return Err(DecodeError::Missing { key: "files" }),
    };
    let scraped = files.entries().iter().filter_map(|entry| {
        let info_hash = InfoHash(entry.key.try_into().ok()?);
        let file = entry.value.as_dict()?;
        let counts = SwarmCounts {
            complete: count(file, b"complete").unwrap_or(0),
            downloaded: count(file, b"downloaded").unwrap_or(0),
            incomplete: count(file, b"incomplete").unwrap_or(0),
        };
        Some((info_hash, counts))
    });
    Ok(ScrapeReply::Scraped(scraped.take(SCRAPE_FILES_MAX).collect()))
}

fn dictionary(body: &[u8]) -> Result<Dict<'_>, DecodeError> {
    match bencode::decode_prefix(body, LIMITS) {
        Ok((Value::Dict(dict), _)) => Ok(dict),
        Ok((other, _)) => Err(DecodeError::NotADictionary { found: other.kind() }),
        Err(source) => {
            Err(DecodeError::Bencode { source, excerpt: printable(body, EXCERPT_CHARS_MAX) })
        }
    }
}

fn failure(dict: &Dict<'_>) -> Option<Failure> {
    let reason = dict.get(b"failure reason")?;
    let reason = printable(reason.as_bytes().unwrap_or_default(), TEXT_CHARS_MAX);
    let retry_in = match dict.get(b"retry in") {
        Some(Value::Int(minutes)) => u32::try_from(*minutes).ok().map(RetryIn::Minutes),
        Some(Value::Bytes(b"never")) => Some(RetryIn::Never),
        Some(Value::Bytes(_) | Value::List(_) | Value::Dict(_)) | None => None,
    };
    Some(Failure { reason, retry_in })
}

fn count(dict: &Dict<'_>, key: &[u8]) -> Option<u32> {
    u32::try_from(dict.get(key)?.as_int()?).ok()
}

fn seconds(dict: &Dict<'_>, key: &[u8]) -> Option<Duration> {
    count(dict, key).map(|seconds| Duration::from_secs(seconds.into()))
}

fn external_ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
}

fn check_even(key: &'static str, bytes: &[u8], each_bytes: usize) -> Result<(), DecodeError> {
    if bytes.len().is_multiple_of(each_bytes) {
        return Ok(());
    }
    Err(DecodeError::Ragged { key, bytes: bytes.len(), each_bytes })
}

/// A peer of the old form, if its address is a literal: names would have to be resolved, and no
/// tracker in use sends them.
fn dictionary_peer(peer: &Value<'_>) -> Option<core::net::SocketAddr> {
    let peer = peer.as_dict()?;
    let ip = core::str::from_utf8(peer.get(b"ip")?.as_bytes()?).ok()?;
    let port = u16::try_from(peer.get(b"port")?.as_int()?).ok()?;
    peer_addr(ip.parse().ok()?, port)
}

#[cfg(test)]
mod tests;
