//! Announces and scrapes over UDP: datagrams out and in.
//!
//! Source: BEP 15; the URL's path and query from BEP 41; IPv6 peers from BEP 7 by way of BEP 15.
//! A reply carries peers of the address family over which it came. Replies may be longer than
//! their fields (BEP 15 asks to expect that); bytes left over are not looked at.

use core::time::Duration;
use std::net::IpAddr;

use base::InfoHash;

use crate::printable;
use crate::tracker::{
    AnnounceRequest, Announced, Event, PEERS_MAX, SwarmCounts, TEXT_CHARS_MAX, compact_v4,
    compact_v6,
};

/// Most swarms that one scrape may ask for (BEP 15: about 74).
pub const SCRAPE_HASHES_MAX: usize = 74;

/// Longest path and query sent along, in bytes; a longer one is left out. Passkeys are far
/// shorter, and the datagram should not be fragmented.
pub const URL_DATA_BYTES_MAX: usize = 1020;

/// The number that starts a connect request.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;

const ACTION_CONNECT: u32 = 0;
const ACTION_ANNOUNCE: u32 = 1;
const ACTION_SCRAPE: u32 = 2;
const ACTION_ERROR: u32 = 3;

/// A number that pairs a reply with its request. Draw it at random, so that others can't forge
/// replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

/// What a tracker gave us to prove our address. Good for one minute (BEP 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The datagram that asks for a connection id.
pub fn encode_connect(transaction: TransactionId) -> Vec<u8> {
    header(PROTOCOL_ID, ACTION_CONNECT, transaction)
}

/// The datagram of an announce.
///
/// `url_data` is path and query of the tracker's URL, empty if it has none (BEP 41).
pub fn encode_announce(
    connection: ConnectionId,
    transaction: TransactionId,
    request: &AnnounceRequest,
    url_data: &str,
) -> Vec<u8> {
    let mut out = header(connection.0, ACTION_ANNOUNCE, transaction);
    out.extend_from_slice(&request.info_hash.0);
    out.extend_from_slice(&request.peer_id.0);
    for bytes in [request.downloaded_bytes, request.left_bytes, request.uploaded_bytes] {
        out.extend_from_slice(&bytes.to_be_bytes());
    }
    let event: u32 = match request.event {
        Event::None | Event::Paused => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
    };
    // No address of ours: the tracker takes the sender's. No wish for peers is -1.
    let numwant = request.numwant.and_then(|numwant| i32::try_from(numwant).ok()).unwrap_or(-1);
    for field in [event.to_be_bytes(), [0; 4], request.key.to_be_bytes(), numwant.to_be_bytes()] {
        out.extend_from_slice(&field);
    }
    out.extend_from_slice(&request.port.to_be_bytes());
    if url_data.len() <= URL_DATA_BYTES_MAX {
        for chunk in url_data.as_bytes().chunks(usize::from(u8::MAX)) {
            out.push(OPTION_URL_DATA);
            out.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(chunk);
        }
    }
    out
}

/// Option type of a piece of path and query, at most 255 bytes each (BEP 41).
const OPTION_URL_DATA: u8 = 2;

/// Path and query of `url`, as [`encode_announce`] wants them; empty if `url` has neither.
pub fn url_data(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let no_fragment = after_scheme.split_once('#').map_or(after_scheme, |(before, _)| before);
    let start = no_fragment.find(['/', '?']);
    start.and_then(|start| no_fragment.get(start..)).unwrap_or_default()
}

/// The datagram of a scrape. Of `info_hashes`, those beyond [`SCRAPE_HASHES_MAX`] are left out.
pub fn encode_scrape(
    connection: ConnectionId,
    transaction: TransactionId,
    info_hashes: &[InfoHash],
) -> Vec<u8> {
    let mut out = header(connection.0, ACTION_SCRAPE, transaction);
    for info_hash in info_hashes.iter().take(SCRAPE_HASHES_MAX) {
        out.extend_from_slice(&info_hash.0);
    }
    out
}

fn header(connection: u64, action: u32, transaction: TransactionId) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.0.to_be_bytes());
    out
}

/// A decoded reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whose reply it is. The caller compares it with what it sent, and the sender's address
    /// with where it sent it.
    pub transaction: TransactionId,
    /// What it says.
    pub body: ReplyBody,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// To a connect.
    Connect(ConnectionId),
    /// To an announce.
    Announce(Announced),
    /// To a scrape: one for each info-hash asked for, in that order. At most
    /// [`SCRAPE_HASHES_MAX`].
    Scrape(Vec<SwarmCounts>),
    /// A refusal of any request: the tracker's words, printable.
    Error(String),
}

/// Why a datagram is not a reply. The tracker's fault, or somebody else sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The datagram ends before its fields do.
    #[error("tracker's datagram of {bytes} bytes ends inside its field `{field}`")]
    Truncated {
        /// Length of the datagram.
        bytes: usize,
        /// The field cut short, as BEP 15 names it.
        field: &'static str,
    },
    /// The action is none of the four.
    #[error("tracker's datagram has the unknown action {action}")]
    UnknownAction {
        /// The action.
        action: u32,
    },
}

/// Decodes a datagram from a tracker at address `tracker`, whose family decides what peers look
/// like.
///
/// # Errors
///
/// [`DecodeError`] if the datagram is cut short or its action unknown.
pub fn decode_reply(datagram: &[u8], tracker: IpAddr) -> Result<Reply, DecodeError> {
    let mut fields = Fields { bytes: datagram.len(), rest: datagram };
    let action = fields.u32("action")?;
    let transaction = TransactionId(fields.u32("transaction_id")?);
    let body = match action {
        ACTION_CONNECT => {
            let id = fields.array("connection_id")?;
            ReplyBody::Connect(ConnectionId(u64::from_be_bytes(id)))
        }
        ACTION_ANNOUNCE => ReplyBody::Announce(announced(&mut fields, tracker)?),
        ACTION_SCRAPE => ReplyBody::Scrape(
            fields.rest.as_chunks().0.iter().take(SCRAPE_HASHES_MAX).map(swarm_counts).collect(),
        ),
        ACTION_ERROR => ReplyBody::Error(printable(fields.rest, TEXT_CHARS_MAX)),
        _ => return Err(DecodeError::UnknownAction { action }),
    };
    Ok(Reply { transaction, body })
}

fn announced(fields: &mut Fields<'_>, tracker: IpAddr) -> Result<Announced, DecodeError> {
    let interval = Duration::from_secs(fields.u32("interval")?.into());
    let incomplete = fields.u32("leechers")?;
    let complete = fields.u32("seeders")?;
    let peers = match tracker.to_canonical() {
        IpAddr::V4(_) => compact_v4(fields.rest).take(PEERS_MAX).collect(),
        IpAddr::V6(_) => compact_v6(fields.rest).take(PEERS_MAX).collect(),
    };
    Ok(Announced {
        interval,
        complete: Some(complete),
        incomplete: Some(incomplete),
        peers,
        ..Announced::default()
    })
}

fn swarm_counts(&[s0, s1, s2, s3, c0, c1, c2, c3, l0, l1, l2, l3]: &[u8; 12]) -> SwarmCounts {
    SwarmCounts {
        complete: u32::from_be_bytes([s0, s1, s2, s3]),
        downloaded: u32::from_be_bytes([c0, c1, c2, c3]),
        incomplete: u32::from_be_bytes([l0, l1, l2, l3]),
    }
}

/// The part of a datagram not yet read.
struct Fields<'a> {
    bytes: usize,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeError::Truncated { bytes: self.bytes, field });
        };
        self.rest = rest;
        Ok(*bytes)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }
}

#[cfg(test)]
mod tests;
