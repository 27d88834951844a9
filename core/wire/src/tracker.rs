//! What client and tracker say to each other, whatever the transport.
//!
//! Source: BEP 3 ("trackers"), 7, 15, 21, 23, 24, 31, 48.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use base::{InfoHash, PeerId};

/// Most peers taken from one reply; the rest is dropped. Trackers send 50 to 200.
pub const PEERS_MAX: usize = 2000;

/// Longest text of a tracker that is kept, in characters.
pub const TEXT_CHARS_MAX: usize = 256;

/// Longest tracker id that is kept and sent back, in bytes.
pub const TRACKER_ID_BYTES_MAX: usize = 256;

/// When to announce again if the tracker does not say: 30 minutes, the custom of trackers.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// Why a client announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// One of the announces at regular intervals.
    #[default]
    None,
    /// The first announce.
    Started,
    /// The last announce.
    Stopped,
    /// The download has just finished here; never sent if it was complete at the start.
    Completed,
    /// A partial seed that downloads nothing more (BEP 21). Over UDP it has no number, and goes
    /// out as [`Self::None`].
    Paused,
}

/// One announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The torrent.
    pub info_hash: InfoHash,
    /// What we call ourselves towards peers.
    pub peer_id: PeerId,
    /// The TCP port where we listen.
    pub port: u16,
    /// Payload sent since [`Event::Started`], in bytes.
    pub uploaded_bytes: u64,
    /// Payload received since [`Event::Started`], in bytes.
    pub downloaded_bytes: u64,
    /// What is still missing, in bytes.
    pub left_bytes: u64,
    /// Why now.
    pub event: Event,
    /// A number that names us to the tracker across changes of address, and to nobody else.
    pub key: u32,
    /// How many peers we would like; the tracker's default if `None`.
    pub numwant: Option<u32>,
    /// What the tracker called itself in an earlier reply. HTTP only.
    pub tracker_id: Option<Vec<u8>>,
}

/// The answer to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnnounceReply {
    /// The tracker took it.
    Announced(Announced),
    /// The tracker refused.
    Failure(Failure),
}

/// What a tracker says about a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// When to announce again; [`INTERVAL_DEFAULT`] if the tracker named nothing sensible. Any
    /// value from 0 to `u32::MAX` seconds: policy must clamp it.
    pub interval: Duration,
    /// Do not announce more often than this.
    pub min_interval: Option<Duration>,
    /// To be sent back in later announces.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers that have everything.
    pub complete: Option<u32>,
    /// Peers that don't.
    pub incomplete: Option<u32>,
    /// How often the download was completed.
    pub downloaded: Option<u32>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Something to tell the user, printable. The announce counts all the same.
    pub warning: Option<String>,
    /// Peers, perhaps ourselves among them, perhaps addresses that nobody should dial. At most
    /// [`PEERS_MAX`], none with port 0, no IPv4-mapped IPv6.
    pub peers: Vec<SocketAddr>,
}

impl Default for Announced {
    fn default() -> Self {
        Self {
            interval: INTERVAL_DEFAULT,
            min_interval: None,
            tracker_id: None,
            complete: None,
            incomplete: None,
            downloaded: None,
            external_ip: None,
            warning: None,
            peers: Vec::new(),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The tracker's words, printable, at most [`TEXT_CHARS_MAX`] characters.
    pub reason: String,
    /// When to try again, if the tracker says (BEP 31).
    pub retry_in: Option<RetryIn>,
}

/// When a tracker that refused may be asked again (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// After this many minutes.
    Minutes(u32),
    /// Not at all.
    Never,
}

/// The state of one swarm, from a scrape (BEP 48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwarmCounts {
    /// Peers that have everything.
    pub complete: u32,
    /// How often the download was completed.
    pub downloaded: u32,
    /// Peers that don't have everything.
    pub incomplete: u32,
}

/// A peer's address as it goes into a reply: no port 0, no IPv4 dressed as IPv6.
pub(crate) fn peer_addr(ip: IpAddr, port: u16) -> Option<SocketAddr> {
    (port != 0).then(|| SocketAddr::new(ip.to_canonical(), port))
}

/// Peers in compact form: 4 bytes of address and 2 of port each (BEP 23). Bytes left over at
/// the end are not looked at.
pub(crate) fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks().0.iter().filter_map(|&[a, b, c, d, p1, p2]| {
        peer_addr(IpAddr::from([a, b, c, d]), u16::from_be_bytes([p1, p2]))
    })
}

/// Peers in compact form: 16 bytes of address and 2 of port each (BEP 7). Bytes left over at
/// the end are not looked at.
pub(crate) fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    bytes.as_chunks::<18>().0.iter().filter_map(|chunk| {
        let (ip, port) = chunk.split_first_chunk::<16>()?;
        peer_addr(IpAddr::from(*ip), u16::from_be_bytes(*port.first_chunk()?))
    })
}
