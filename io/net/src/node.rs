//! A running node: the hub's thread, the shards' threads, and how a program talks to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use base::{PeerId, Purpose, Rng, TorrentId};
use crossbeam_channel::{Receiver, bounded};
use discovery::dht::{Query, QueryId, Stats};
use discovery::tracker_client::Families;
use mio::net::TcpListener;
use mio::{Interest, Poll, Token, Waker};
use node::hub::{self, DhtSettings, Hub};
use node::limit::Limits;
use node::message::TorrentStatus;
use node::shard::{self, Shard};
use node::spec::{MagnetSpec, TorrentSpec};
use storage::job::DiskDone;

use crate::budget::SocketBudget;
use crate::clock::Clock;
pub use crate::connection::FileForSend;
use crate::factory::SocketFactory;
pub use crate::hub_loop::NodeEvent;
use crate::hub_loop::{Command, HubLoop, HubMail, LAN_TOKENS, UDP_TOKENS};
use crate::lan::Lan;
use crate::mail::{self, Post};
use crate::services::Services;
pub use crate::shard_loop::DiskPort;
use crate::shard_loop::{ShardLoop, ShardMail, WAKER};
use crate::udp::UdpPort;

/// Letters that may wait for a loop.
const LETTERS_MAX: usize = 4096;
/// News that may wait for the program.
const EVENTS_MAX: usize = 4096;
/// Connections waiting in the kernel to be accepted.
const BACKLOG: i32 = 256;

/// Gives a completed disk job to its shard; called on the pools' threads.
pub type DiskCompletion = Box<dyn Fn(DiskDone) + Send + Sync>;

/// Settings of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to accept peers. Port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// How many shards.
    pub shards: u8,
    /// Our name (BEP 20).
    pub peer_id: PeerId,
    /// What our program is called (BEP 10).
    pub client: String,
    /// Whether trackers are told and asked.
    pub announce: bool,
    /// The node of the DHT, if there is to be one (BEP 5).
    pub dht: Option<DhtSettings>,
    /// Whether peers tell us of peers, and we them (BEP 11).
    pub pex: bool,
    /// Names us to private trackers; see `node::hub::Config`. A secret.
    pub key_secret: [u8; 16],
    /// Whether neighbours are told what we have (BEP 14). Without effect where all of `listen` is
    /// loopback.
    pub lsd: bool,
    /// For how long the router is asked to map our port; `None`: not at all. Without effect where all of
    /// `listen` is loopback.
    pub port_mapping: Option<Duration>,
    /// Rate limits.
    pub limits: Limits,
    /// Payload buffers of 16 KiB per shard.
    pub buffers: usize,
    /// Most connections with peers that said hello.
    pub connections_max: usize,
    /// Most peer sockets open, newcomers included: leaves descriptors for files.
    pub sockets_max: usize,
    /// Settings of every store.
    pub store: storage::store::Config,
    /// Seed of all decisions by chance. Not for secrets.
    pub seed: u64,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no room for another thread or poll.
    #[error("cannot start the event loops: {0}")]
    System(#[from] io::Error),
}

/// A running node. Dropping it stops the threads without ado; stop torrents first.
#[derive(Debug)]
pub struct Node {
    hub: Arc<Post<HubMail>>,
    events: Receiver<NodeEvent>,
    listening: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Post<HubMail> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post")
    }
}

/// What every loop of a node has.
struct Shared {
    listen_port: u16,
    clock: Clock,
    factory: SocketFactory,
    budget: SocketBudget,
    hub: Arc<Post<HubMail>>,
}

impl Node {
    /// Starts the threads. `disk` makes each shard's way to the disk pools.
    ///
    /// # Errors
    ///
    /// [`StartError`] if an address is taken or the system refuses.
    pub fn start(
        config: &Config,
        mut disk: impl FnMut(DiskCompletion) -> DiskPort,
    ) -> Result<Self, StartError> {
        let clock = Clock::start();
        let factory = SocketFactory::default();
        let budget = SocketBudget::new(config.sockets_max);
        let mut rng = Rng::from_seed(config.seed);
        let mut poll = Poll::new()?;
        let (hub_post, hub_inbox) =
            mail::queue(LETTERS_MAX, Arc::new(Waker::new(poll.registry(), WAKER)?));
        let hub_post = Arc::new(hub_post);
        let (listeners, listening) = listen(&factory, &config.listen, &mut poll)?;
        let listen_port = listening.first().map_or(0, SocketAddr::port);

        let shared = Shared {
            listen_port,
            clock,
            factory: factory.clone(),
            budget: budget.clone(),
            hub: Arc::clone(&hub_post),
        };
        let (mut shards, mut threads) = (Vec::new(), Vec::new());
        for index in 0..config.shards {
            let (post, shard) = Self::shard(config, index, &shared, &mut disk, rng.fork())?;
            shards.push(post);
            let thread = std::thread::Builder::new().name(format!("shard-{index}"));
            threads.push(thread.spawn(move || shard.run())?);
        }

        let (event_sender, events) = bounded(EVENTS_MAX);
        let service_post = Arc::clone(&hub_post);
        let services = Services::start(
            factory.clone(),
            Box::new(move |done| service_post.post(HubMail::Service(done))),
        );
        let outward = listening.iter().any(|addr| !addr.ip().is_loopback());
        let hub_config = hub::Config {
            shards: usize::from(config.shards),
            peer_id: config.peer_id,
            listen_port,
            families: families(&listening),
            announce: config.announce,
            lsd: config.lsd && outward,
            port_mapping: config.port_mapping.filter(|_| outward),
            dht: config.dht.clone(),
            key_secret: config.key_secret,
            limits: config.limits,
        };
        let mut udp =
            UdpPort::new(&listening, factory.clone(), poll.registry().try_clone()?, UDP_TOKENS);
        if config.dht.is_some() {
            udp.open();
        }
        let lan =
            Lan::new(listening.clone(), factory.clone(), poll.registry().try_clone()?, LAN_TOKENS);
        let hub = HubLoop {
            hub: Hub::new(hub_config, rng.fork(), clock.now()),
            poll,
            clock,
            factory,
            budget,
            mail: hub_inbox,
            shards,
            services,
            events: event_sender,
            listeners,
            udp,
            lan,
            state: crate::hub_loop::State::default(),
        };
        threads.push(std::thread::Builder::new().name("hub".into()).spawn(move || hub.run())?);
        Ok(Self { hub: hub_post, events, listening, threads })
    }

    fn shard(
        config: &Config,
        index: u8,
        shared: &Shared,
        disk: &mut impl FnMut(DiskCompletion) -> DiskPort,
        rng: Rng,
    ) -> Result<(Post<ShardMail>, ShardLoop), StartError> {
        let poll = Poll::new()?;
        // One poll has one waker: both queues wake through the same descriptor.
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (post, mail) = mail::queue(LETTERS_MAX, Arc::clone(&waker));
        let (done_post, done) = mail::queue::<DiskDone>(LETTERS_MAX, waker);
        let shard_config = shard::Config {
            index,
            peer_id: config.peer_id,
            client: config.client.clone(),
            listen_port: (shared.listen_port != 0).then_some(shared.listen_port),
            buffers: config.buffers,
            connections_max: (config.connections_max / usize::from(config.shards)).max(1),
            limits: config.limits,
            store: config.store,
            dht: config.dht.as_ref().is_some_and(|dht| !dht.read_only),
            pex: config.pex,
        };
        let shard = ShardLoop {
            index: usize::from(index),
            shard: Shard::new(shard_config, rng),
            poll,
            clock: shared.clock,
            factory: shared.factory.clone(),
            budget: shared.budget.clone(),
            mail,
            done,
            hub: Arc::clone(&shared.hub),
            disk: disk(Box::new(move |done| done_post.post(done))),
            state: crate::shard_loop::State::default(),
        };
        Ok((post, shard))
    }

    /// Where peers are accepted.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// News, oldest first.
    pub fn events(&self) -> &Receiver<NodeEvent> {
        &self.events
    }

    /// Adds a torrent. `None`: it is there already, or the node is stopping.
    pub fn add(&self, spec: TorrentSpec) -> Option<TorrentId> {
        let (sender, receiver) = bounded(1);
        self.command(Command::Add(Box::new(spec), sender));
        receiver.recv().ok().flatten()
    }

    /// Looks for a torrent of which only the name is known; what it is comes as [`Event::Metadata`]. `None`: it
    /// is there already, or the node is stopping.
    ///
    /// [`Event::Metadata`]: hub::Event::Metadata
    pub fn seek(&self, magnet: MagnetSpec) -> Option<TorrentId> {
        let (sender, receiver) = bounded(1);
        self.command(Command::Seek(Box::new(magnet), sender));
        receiver.recv().ok().flatten()
    }

    /// Goes on with a torrent that was sought. False if it is gone, or is there already by another name.
    pub fn begin(&self, torrent: TorrentId, spec: TorrentSpec) -> bool {
        let (sender, receiver) = bounded(1);
        self.command(Command::Begin(torrent, Box::new(spec), sender));
        receiver.recv().unwrap_or(false)
    }

    /// Asks the DHT; the answers are events. `None`: there is none, or the node is stopping.
    pub fn ask_dht(&self, query: Query) -> Option<QueryId> {
        let (sender, receiver) = bounded(1);
        self.command(Command::AskDht(Box::new(query), sender));
        receiver.recv().ok().flatten()
    }

    /// How the DHT does, if there is one.
    pub fn dht_stats(&self) -> Option<Stats> {
        let (sender, receiver) = bounded(1);
        self.command(Command::DhtStats(sender));
        receiver.recv().ok().flatten()
    }

    /// What the DHT would like to know again in the next run, if there is one.
    pub fn save_dht(&self) -> Option<Vec<u8>> {
        let (sender, receiver) = bounded(1);
        self.command(Command::SaveDht(sender));
        receiver.recv().ok().flatten()
    }

    /// There may be a node of the DHT here.
    pub fn add_dht_node(&self, addr: SocketAddr) {
        self.command(Command::AddDhtNode(addr));
    }

    /// Stops a torrent; its end is an event.
    pub fn remove(&self, torrent: TorrentId) {
        self.command(Command::Remove(torrent));
    }

    /// The revision now, and how all torrents do that changed after `since`.
    pub fn changes(&self, since: u64) -> (u64, Vec<(TorrentId, TorrentStatus)>) {
        let (sender, receiver) = bounded(1);
        self.command(Command::Changes(since, sender));
        receiver.recv().unwrap_or((since, Vec::new()))
    }

    /// Looks closely at a torrent, its pieces in at most so many buckets; the answer is an event.
    pub fn look(&self, torrent: TorrentId, buckets: usize) {
        self.command(Command::Look(torrent, buckets));
    }

    /// From now on, what happens to the peers of torrents that are added comes as events.
    pub fn keep_diary(&self) {
        self.command(Command::KeepDiary);
    }

    /// Changes the rate limits.
    pub fn set_limits(&self, limits: Limits) {
        self.command(Command::Limits(limits));
    }

    /// Fetches a torrent file by URL; the end is an event.
    pub fn fetch(&self, url: String) {
        self.command(Command::Fetch(url));
    }

    fn command(&self, command: Command) {
        self.hub.post(HubMail::Command(command));
    }

    /// Ends all threads and waits for them, and up to two seconds for the router to forget us.
    pub fn stop(mut self) {
        self.command(Command::Stop);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to add.
            thread.join().ok();
        }
    }
}

/// How often the system is asked for another port, if somebody else has the one that it gave in a
/// second family.
const PORTS_TRIED_MAX: u32 = 16;

fn listen(
    factory: &SocketFactory,
    addrs: &[SocketAddr],
    poll: &mut Poll,
) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), StartError> {
    let is_ours_to_choose = addrs.first().is_some_and(|addr| addr.port() == 0);
    let mut tried = 1;
    let bound = loop {
        match bind(factory, addrs) {
            Err(StartError::Listen { source, .. })
                if is_ours_to_choose
                    && source.kind() == io::ErrorKind::AddrInUse
                    && tried < PORTS_TRIED_MAX =>
            {
                tried += 1;
            }
            bound => break bound?,
        }
    };
    let (mut listeners, mut listening) = (Vec::new(), Vec::new());
    for (index, listener) in bound.into_iter().enumerate() {
        let mut listener = TcpListener::from_std(listener);
        listening.push(listener.local_addr()?);
        poll.registry().register(&mut listener, Token(index), Interest::READABLE)?;
        listeners.push(listener);
    }
    Ok((listeners, listening))
}

/// A listener for each address. A second family takes the port that the system chose for the first.
fn bind(
    factory: &SocketFactory,
    addrs: &[SocketAddr],
) -> Result<Vec<std::net::TcpListener>, StartError> {
    let mut listeners: Vec<std::net::TcpListener> = Vec::new();
    let mut chosen = 0;
    for &wanted in addrs {
        let addr = if wanted.port() == 0 { SocketAddr::new(wanted.ip(), chosen) } else { wanted };
        let listener = factory
            .tcp_listener(Purpose::Peer, addr, BACKLOG)
            .map_err(|source| StartError::Listen { addr, source })?;
        if listeners.is_empty() {
            chosen = listener.local_addr()?.port();
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn families(listening: &[SocketAddr]) -> Families {
    let v4 = listening.iter().any(SocketAddr::is_ipv4);
    let v6 = listening.iter().any(SocketAddr::is_ipv6);
    Families { v4: v4 || !v6, v6 }
}
