//! What the hub tells the tracker client, and what comes out of it.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use base::{ExchangeId, Family, HttpRequest, InfoHash, PeerId, ResolveRequest, SwarmId};

use super::target::IgnoredTracker;

/// Most trackers used per torrent. Public lists that people paste hold up to about 100; those
/// beyond 64 never had a turn in practice.
pub const TRACKERS_MAX: usize = 64;

/// Most URLs of a torrent looked at, bad ones and repetitions included.
pub const URLS_MAX: usize = 256;

/// Bounds of [`Config::numwant`]: fewer than 50 starve a new torrent, and most trackers give no
/// more than 200.
pub const NUMWANT_RANGE: core::ops::RangeInclusive<u32> = 50..=200;

/// Which address families we announce over (BEP 7). At least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

impl Families {
    pub(crate) fn iter(self) -> impl Iterator<Item = Family> {
        let v4 = self.v4.then_some(Family::V4);
        v4.into_iter().chain(self.v6.then_some(Family::V6))
    }
}

/// Settings of the machine, the same for all torrents.
#[derive(Clone, Debug)]
pub struct Config {
    /// TCP port where we accept peers.
    pub listen_port: u16,
    /// Families that we have addresses of.
    pub families: Families,
    /// Peers wanted per announce, clamped to [`NUMWANT_RANGE`].
    pub numwant: u32,
    /// Most HTTP exchanges at once. Each is a connection, perhaps with a TLS handshake: 50 at
    /// 100 ms serve 10,000 torrents in 20 s.
    pub http_concurrent_max: usize,
    /// Most of them with one server (and family).
    pub http_per_server_max: usize,
    /// Most UDP queries open at one server; a datagram each.
    pub udp_in_flight_max: usize,
    /// How often a UDP datagram is sent, after 15 · 2ⁿ s each: 1 to 9. BEP 15 says 9.
    pub udp_tries: u32,
    /// When a silent tracker is passed over in favour of the next; private torrents wait for
    /// the failure. `Duration::MAX` is BEP 12 by the letter.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen_port: 6881,
            families: Families { v4: true, v6: true },
            numwant: 80,
            http_concurrent_max: 50,
            http_per_server_max: 8,
            udp_in_flight_max: 64,
            udp_tries: 4,
            patience: Duration::from_secs(6),
        }
    }
}

/// A torrent to be announced.
#[derive(Clone, Debug)]
pub struct AnnounceSpec {
    /// Its info-hash.
    pub info_hash: InfoHash,
    /// What we call ourselves in its swarm.
    pub peer_id: PeerId,
    /// Names us to its trackers across changes of address, the same over both families (BEP 7).
    pub key: u32,
    /// URLs by tier (BEP 12). Order within a tier does not matter.
    pub tiers: Vec<Vec<String>>,
    /// The `private` flag of the metainfo (BEP 27).
    pub private: bool,
    /// Counters at the start. Nothing left means: no `completed` will be sent.
    pub progress: Progress,
    /// It was complete in an earlier run: no `completed` will be sent either, whatever is missing
    /// now. A tracker counts each as a download.
    pub was_complete: bool,
}

/// The counters of an announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Payload sent since the torrent was added, in bytes.
    pub uploaded_bytes: u64,
    /// Payload received since the torrent was added, in bytes.
    pub downloaded_bytes: u64,
    /// What is missing, in bytes; `None` while the metainfo is (magnet links).
    pub left_bytes: Option<u64>,
}

/// What the machine wants done, or has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Run this exchange; its end comes back by `on_http`.
    Http(HttpRequest),
    /// The end of this exchange is of no interest any more.
    CancelHttp(ExchangeId),
    /// Resolve this name; the answer comes back by `on_resolved`.
    Resolve(ResolveRequest),
    /// Send this datagram from the node's UDP port.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Peers of a swarm, no address twice, none that nobody can be at, not ourselves as far as
    /// we know our address.
    Peers {
        /// The swarm.
        swarm: SwarmId,
        /// At most 400.
        addrs: Vec<SocketAddr>,
        /// Who named them: the URL as the torrent spells it.
        tracker: String,
    },
    /// News of a tracker, for the user.
    Report {
        /// The swarm.
        swarm: SwarmId,
        /// The URL as the torrent spells it.
        tracker: String,
        /// The news.
        report: TrackerReport,
    },
    /// Our address as a tracker sees it (BEP 24), when it is another than before.
    ExternalAddr(IpAddr),
    /// All trackers of a removed torrent have answered `stopped`, or had their time.
    StoppedAll {
        /// The swarm; forgotten now.
        swarm: SwarmId,
    },
}

/// News of a tracker of one torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerReport {
    /// It answered an announce.
    Working {
        /// Peers that have everything, if it says; the larger number of two families.
        seeders: Option<u32>,
        /// Peers that don't.
        leechers: Option<u32>,
        /// Until the next announce.
        next_announce_in: Duration,
    },
    /// It answered, with words for the user.
    Warning(String),
    /// It failed over all families.
    Failed {
        /// Why, printable.
        reason: String,
        /// `None`: not until the torrent is added again (BEP 31 "never").
        retry_in: Option<Duration>,
    },
    /// It is not used at all.
    Ignored(IgnoredTracker),
    /// It answered a scrape.
    Scraped {
        /// Peers that have everything.
        seeders: u32,
        /// Peers that don't.
        leechers: u32,
        /// How often the download was completed.
        downloaded: u32,
    },
    /// A scrape failed; that says nothing of announces.
    ScrapeFailed {
        /// Why, printable.
        reason: String,
    },
}
