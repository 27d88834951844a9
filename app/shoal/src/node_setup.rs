//! Starting a node and its disk pool with the settings of a command.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::PeerId;
use base::client::{AGENT, PEER_ID_PREFIX};
use crossbeam_channel::select;
use discovery::port_mapping;
use disk::{DiskConfig, DiskPool};
use net::node::{Config, DiskPort, Node, NodeEvent, StartError};
use node::hub::{DhtSettings, Event};
use node::limit::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};
use wire::metainfo::Metainfo;

use crate::args::DiscoveryArgs;
use crate::failure::{Failure, reason, words};
use crate::interrupt::Interrupt;
use crate::load::{self, Source};
use crate::redact;
use crate::state_dir;

/// Ports tried when the user named none: the range that BEP 3 names.
const PORTS: std::ops::RangeInclusive<u16> = 6881..=6889;

/// Nodes of the DHT that everybody begins with.
const ROUTERS: [(&str, u16); 4] = [
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("dht.libtorrent.org", 25401),
    ("router.utorrent.com", 6881),
];

/// Under which name the state database has what the DHT knows.
const DHT_STATE: &str = "dht";

/// Payload buffers of 16 KiB per shard: 16 MiB hold the bandwidth-delay product of 1 Gbit/s over
/// 100 ms, and what waits for the disk.
const BUFFERS: usize = 1024;

/// Most connections: enough for the fastest swarm, few enough for any router.
const CONNECTIONS_MAX: usize = 500;

/// Descriptors kept for files.
const OPEN_FILES_MAX: usize = 512;

/// Descriptors that are neither peers nor files: streams, polls, listeners, the database.
const DESCRIPTORS_RESERVED: usize = 32;

/// Jobs that wait in each queue of the disk pool; a shard holds back what doesn't fit.
const JOBS_MAX: usize = 1024;

/// Longest thread of a disk pool or shard set that helps; more cores don't make one disk faster.
const WORKERS_MAX: usize = 8;

/// What a command wants of its node.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Where to accept peers; empty: the usual ports.
    pub(crate) listen: Vec<SocketAddr>,
    /// Whether trackers are told and asked.
    pub(crate) announce: bool,
    /// Whether there is a node of the DHT.
    pub(crate) dht: bool,
    /// It asks and answers nobody: for who is gone in a minute.
    pub(crate) read_only: bool,
    /// Nodes of the DHT to begin with; empty: well-known ones.
    pub(crate) bootstrap: Vec<(String, u16)>,
    /// Whether peers tell each other of peers.
    pub(crate) pex: bool,
    /// Whether neighbours are told what we have.
    pub(crate) lsd: bool,
    /// For how long the router is asked to map our port; `None`: not at all.
    pub(crate) port_mapping: Option<Duration>,
    /// Rate limits.
    pub(crate) limits: Limits,
    /// Where resume state is kept; `None`: in memory.
    pub(crate) state: Option<PathBuf>,
}

impl Setup {
    /// What the command line says of finding peers; no limits, and no state.
    pub(crate) fn new(args: &DiscoveryArgs) -> Self {
        let any = !args.no_discovery;
        Self {
            listen: args.listen.clone(),
            announce: any && !args.no_trackers,
            dht: any && !args.no_dht,
            read_only: false,
            bootstrap: args.bootstrap.clone(),
            pex: any && !args.no_pex,
            lsd: any && !args.no_lsd,
            port_mapping: (any && !args.no_port_mapping)
                .then(|| args.port_mapping_lease.unwrap_or(port_mapping::LIFETIME)),
            limits: Limits::default(),
            state: None,
        }
    }
}

/// A node and its disk pool.
#[derive(Debug)]
pub(crate) struct Running {
    /// The node.
    pub(crate) node: Node,
    disk: DiskPool,
}

impl Running {
    /// Starts both.
    ///
    /// # Errors
    /// An address is taken, the state database is of no use, or the system refuses.
    pub(crate) fn start(setup: &Setup) -> Result<Self, Failure> {
        let descriptors = raise_descriptor_limit();
        let spare = descriptors.saturating_sub(DESCRIPTORS_RESERVED);
        let disk = DiskPool::start(DiskConfig {
            workers: cores().clamp(2, WORKERS_MAX),
            queue_jobs_max: JOBS_MAX,
            open_files_max: (spare / 4).clamp(1, OPEN_FILES_MAX),
            state_db: setup.state.clone(),
        })
        .map_err(|error| state_dir::start_failure(&error))?;
        let mut config = config(u8::try_from(cores().clamp(1, 4)).unwrap_or(1), BUFFERS)?;
        config.announce = setup.announce;
        config.dht = setup.dht.then(|| dht_settings(setup, &disk));
        config.pex = setup.pex;
        config.lsd = setup.lsd;
        config.port_mapping = setup.port_mapping;
        config.key_secret = disk.installation();
        config.limits = setup.limits;
        config.connections_max = (spare / 2).clamp(1, CONNECTIONS_MAX);
        config.sockets_max = (spare / 2).clamp(1, 2 * CONNECTIONS_MAX);
        let node = if setup.listen.is_empty() {
            start_on_usual_port(&mut config, &disk)?
        } else {
            config.listen.clone_from(&setup.listen);
            start_node(&config, &disk).map_err(|error| listen_failure(&error))?
        };
        Ok(Self { node, disk })
    }

    /// The disk pool.
    pub(crate) fn disk(&self) -> &DiskPool {
        &self.disk
    }

    /// Remembers what the DHT knows, for the next run.
    pub(crate) fn save(&self) {
        if let Some(saved) = self.node.save_dht() {
            // Without it the next run begins with well-known nodes.
            self.disk.remember(DHT_STATE, &saved).ok();
        }
    }

    /// Ends all threads; jobs on their way to the disk are finished.
    pub(crate) fn stop(self) {
        self.save();
        self.node.stop();
        self.disk.shutdown();
    }
}

/// Where the DHT begins: nodes that the user names, or else those that were there in the last run, and well-known
/// ones. Who listens on loopback alone lives in a laboratory, and asks nobody outside of it.
fn dht_settings(setup: &Setup, disk: &DiskPool) -> DhtSettings {
    let inside =
        !setup.listen.is_empty() && setup.listen.iter().all(|addr| addr.ip().is_loopback());
    let routers = match setup.bootstrap.is_empty() {
        false => setup.bootstrap.clone(),
        true if inside => Vec::new(),
        true => ROUTERS.iter().map(|&(host, port)| (host.to_owned(), port)).collect(),
    };
    DhtSettings { routers, read_only: setup.read_only, saved: disk.recall(DHT_STATE) }
}

/// Threads that can run at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn config(shards: u8, buffers: usize) -> Result<Config, Failure> {
    let chance = entropy().map_err(|error| {
        Failure::new(format!("cannot read random numbers of the system: {}", reason(&error)))
    })?;
    let (seed, rest) = chance.split_at(8);
    Ok(Config {
        listen: Vec::new(),
        shards,
        peer_id: peer_id(rest),
        client: AGENT.into(),
        announce: false,
        dht: None,
        pex: false,
        lsd: false,
        port_mapping: None,
        key_secret: [0; 16],
        limits: Limits::default(),
        buffers,
        connections_max: CONNECTIONS_MAX,
        sockets_max: CONNECTIONS_MAX,
        store: storage::store::Config::default(),
        seed: u64::from_le_bytes(seed.try_into().expect("8 bytes were split off")),
    })
}

fn start_node(config: &Config, disk: &DiskPool) -> Result<Node, StartError> {
    Node::start(config, |completion| {
        let handle = disk.handle(completion);
        let files = handle.clone();
        DiskPort {
            submit: Box::new(
                #[expect(clippy::result_large_err, reason = "the job comes back to its owner")]
                move |job| handle.submit(job),
            ),
            file: Box::new(move |torrent, file| files.file_for_send(torrent, file)),
        }
    })
}

/// Without a word from the user: the usual ports, then any; both families if there are two.
fn start_on_usual_port(config: &mut Config, disk: &DiskPool) -> Result<Node, Failure> {
    let mut families: Vec<IpAddr> =
        vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    let mut ports: Vec<u16> = PORTS.chain([0]).rev().collect();
    while let Some(&port) = ports.last() {
        config.listen = families.iter().map(|&ip| SocketAddr::new(ip, port)).collect();
        match start_node(config, disk) {
            Ok(node) => return Ok(node),
            Err(StartError::Listen { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && ports.len() > 1 =>
            {
                ports.pop();
            }
            // A machine without IPv6, or without IPv4.
            Err(StartError::Listen { addr, source })
                if families.len() > 1 && source.kind() != io::ErrorKind::AddrInUse =>
            {
                families.retain(|&ip| ip != addr.ip());
            }
            Err(error) => return Err(listen_failure(&error)),
        }
    }
    unreachable!("the last port is not taken off")
}

fn listen_failure(error: &StartError) -> Failure {
    let (addr, source) = match error {
        StartError::Listen { addr, source } => (addr, source),
        StartError::System(error) => {
            return Failure::new(format!("cannot start the event loops: {}", reason(error)));
        }
    };
    let (host, port) = (Host(addr), addr.port());
    let hints = [
        (
            io::ErrorKind::AddrInUse,
            "address in use",
            format!("another program listens there; take another port, as in --listen {host}:0"),
        ),
        (
            io::ErrorKind::AddrNotAvailable,
            "not an address of this machine",
            format!("--listen 0.0.0.0:{port} takes all of them"),
        ),
        (
            io::ErrorKind::PermissionDenied,
            "permission denied",
            "ports below 1024 are for the administrator; take a larger one".into(),
        ),
    ];
    let known = hints.into_iter().find(|(kind, ..)| *kind == source.kind());
    match known {
        Some((_, why, hint)) => Failure::with_hint(format!("cannot listen on {addr}: {why}"), hint),
        None => Failure::with_hint(
            format!("cannot listen on {addr}: {}", reason(source)),
            "name an address of this machine, or leave --listen out",
        ),
    }
}

/// The host of an address as it is written before a port.
struct Host<'a>(&'a SocketAddr);

impl std::fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}"),
            IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// Raises the soft limit of descriptors to the hard one. Returns what we may have open.
fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            limit.current = limit.maximum;
        }
    }
    // No limit at all is said by `None`.
    limit.current.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// 20 random bytes: 8 for the seed, 12 for the peer id.
fn entropy() -> io::Result<[u8; 20]> {
    let mut bytes = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A peer id of BEP 20: the prefix and 12 letters and digits.
fn peer_id(chance: &[u8]) -> PeerId {
    const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = [b'0'; 20];
    let (prefix, rest) = id.split_at_mut(PEER_ID_PREFIX.len());
    prefix.copy_from_slice(&PEER_ID_PREFIX);
    for (sign, &byte) in rest.iter_mut().zip(chance) {
        // Some signs come a little more often; that names nobody.
        *sign = SIGNS[usize::from(byte) % SIGNS.len()];
    }
    PeerId(id)
}

/// Fetches a torrent file through a running node.
///
/// # Errors
/// It is not to be had, is no torrent file, or the user stopped it.
pub(crate) fn fetch(node: &Node, url: &str, interrupt: &Interrupt) -> Result<Metainfo, Failure> {
    node.fetch(url.to_owned());
    let place = redact::link(url);
    loop {
        let event = select! {
            recv(node.events()) -> event => event,
            recv(interrupt.wishes()) -> _ => return Err(Failure::Interrupted),
        };
        match event {
            Ok(NodeEvent::Torrent(Event::Fetched(Ok(bytes)))) => {
                return load::decode(&bytes, &place);
            }
            Ok(NodeEvent::Torrent(Event::Fetched(Err(why)))) => {
                return Err(Failure::with_hint(
                    format!("cannot fetch {place}: {}", words(&why)),
                    "try the link in a browser; the file that it saves can be given, too",
                ));
            }
            Ok(_) => {}
            Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
        }
    }
}

/// Reads one torrent file, if need be with a node of its own that only fetches.
///
/// # Errors
/// It is not to be had, is no torrent file, or the user stopped it.
pub(crate) fn load_one(source: &Source, interrupt: &Interrupt) -> Result<Metainfo, Failure> {
    let url = match source {
        Source::Path(path) => return load::read(path),
        Source::Url(url) => url,
        Source::Magnet(_) => {
            return Err(Failure::with_hint(
                "this needs a torrent file, not a magnet link",
                "`shoal show LINK --save FILE` makes one of it",
            ));
        }
    };
    let no_disk = |_| DiskPort { submit: Box::new(Err), file: Box::new(|_, _| None) };
    let node = Node::start(&config(1, 1)?, no_disk).map_err(|error| listen_failure(&error))?;
    let metainfo = fetch(&node, url, interrupt);
    node.stop();
    metainfo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_ids_start_with_our_prefix_and_go_on_with_letters_and_digits() {
        let id = peer_id(&[0, 61, 62, 255, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(id.0[..8], PEER_ID_PREFIX);
        assert_eq!(&id.0[8..], b"0z0712345678");
        let other = peer_id(&entropy().unwrap()[8..]);
        assert!(other.0.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'));
    }
}
