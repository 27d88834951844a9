//! Names to addresses, over the factory's sockets.
//!
//! Source: RFC 1035 by `hickory-resolver`; RFC 6761 for `localhost`, which needs no server. The
//! system's `resolv.conf` and hosts file are honoured, and read again when they have changed: a
//! daemon outlives the network it was started in.
//! Answers are kept for their time to live, as DNS means it.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base::{Family, Purpose, ResolveRequest, Resolved};
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{RuntimeProvider, TokioHandle, TokioTime};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::net::{TcpStream, UdpSocket};

use super::connect;
use crate::factory::SocketFactory;

/// Most addresses given for one name: `base::Resolved` says so. Nobody tries more.
const ADDRS_MAX: usize = 16;

/// Time for one connection to a name server when hickory names none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Files that say how names are resolved; a change of either makes a new resolver.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Whom to ask.
pub(super) enum NameServers {
    /// Those that the system names, after its hosts file.
    System,
    /// These, and no hosts file.
    Fixed(Vec<SocketAddr>),
}

/// The resolver, made at the first name and again when the system's files change.
pub(super) struct Dns {
    runtime: FactoryRuntime,
    servers: NameServers,
    current: Mutex<Option<Loaded>>,
}

struct Loaded {
    files: FileTimes,
    resolver: Resolver<FactoryRuntime>,
}

/// When each of [`SYSTEM_FILES`] was last changed; `None` if it can't be read.
type FileTimes = [Option<SystemTime>; SYSTEM_FILES.len()];

impl Dns {
    pub(super) fn new(factory: SocketFactory, servers: NameServers) -> Self {
        let runtime = FactoryRuntime { factory, handle: TokioHandle::default() };
        Self { runtime, servers, current: Mutex::new(None) }
    }

    /// Answers a request of core; with no address when the time is up.
    pub(super) async fn answer(&self, request: ResolveRequest) -> Resolved {
        let lookup = async {
            match url::Host::parse(&request.host) {
                Ok(host) => self.addresses(&host, Family::Any).await,
                Err(_) => Vec::new(),
            }
        };
        let addrs = tokio::time::timeout(request.timeout, lookup).await.unwrap_or_default();
        Resolved { id: request.id, addrs }
    }

    /// The addresses of `host` in `family`, at most [`ADDRS_MAX`]; none if it has none or nobody
    /// could be asked. A literal is its own address.
    pub(super) async fn addresses(&self, host: &url::Host<String>, family: Family) -> Vec<IpAddr> {
        let mut addrs = match host {
            url::Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            url::Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
            url::Host::Domain(name) => self.lookup(name, family).await.unwrap_or_default(),
        };
        addrs.retain(|ip| match family {
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
            Family::Any => true,
        });
        addrs.truncate(ADDRS_MAX);
        addrs
    }

    /// `name` is ASCII: the URL parser has encoded what was not.
    async fn lookup(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let name = Name::from_ascii(name)?;
        let resolver = self.resolver()?;
        let record = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
            Family::Any => return Ok(resolver.lookup_ip(name).await?.iter().collect()),
        };
        let found = resolver.lookup(name, record).await?;
        Ok(found.answers().iter().filter_map(|answer| answer.data.ip_addr()).collect())
    }

    fn resolver(&self) -> Result<Resolver<FactoryRuntime>, NetError> {
        let files = match self.servers {
            NameServers::System => SYSTEM_FILES.map(changed_at),
            NameServers::Fixed(_) => [None; SYSTEM_FILES.len()],
        };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*current
            && loaded.files == files
        {
            return Ok(loaded.resolver.clone());
        }
        let (config, options) = self.configuration();
        let mut builder = Resolver::builder_with_config(config, self.runtime.clone());
        *builder.options_mut() = options;
        let resolver = builder.build()?;
        *current = Some(Loaded { files, resolver: resolver.clone() });
        Ok(resolver)
    }

    fn configuration(&self) -> (ResolverConfig, ResolverOpts) {
        match &self.servers {
            // Without a usable file there is nobody to ask: names fail at once, except localhost
            // and those of the hosts file.
            NameServers::System => hickory_resolver::system_conf::read_system_conf()
                .unwrap_or_else(|_| (servers_only(Vec::new()), ResolverOpts::default())),
            NameServers::Fixed(servers) => {
                let mut options = ResolverOpts::default();
                options.use_hosts_file = ResolveHosts::Never;
                (servers_only(servers.iter().copied().map(name_server).collect()), options)
            }
        }
    }
}

fn changed_at(path: &str) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn servers_only(servers: Vec<NameServerConfig>) -> ResolverConfig {
    ResolverConfig::from_parts(None, Vec::new(), servers)
}

fn name_server(addr: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = addr.port();
        connection
    });
    NameServerConfig::new(addr.ip(), true, connections.into())
}

/// Gives hickory the factory's sockets in place of its own.
#[derive(Clone)]
struct FactoryRuntime {
    factory: SocketFactory,
    handle: TokioHandle,
}

impl RuntimeProvider for FactoryRuntime {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = UdpSocket;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> TokioHandle {
        self.handle.clone()
    }

    /// `_bind_addr` is never set: our configuration names none, the factory chooses.
    fn connect_tcp(
        &self,
        server_addr: SocketAddr,
        _bind_addr: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Tcp>>>> {
        let factory = self.factory.clone();
        Box::pin(async move {
            let connecting = connect::connect(&factory, Purpose::Dns, server_addr);
            let stream = tokio::time::timeout(timeout.unwrap_or(CONNECT_TIMEOUT), connecting);
            Ok(AsyncIoTokioAsStd(stream.await??))
        })
    }

    fn bind_udp(
        &self,
        local_addr: SocketAddr,
        _server_addr: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Self::Udp>>>> {
        let socket = self.factory.udp_bind(Purpose::Dns, local_addr).and_then(UdpSocket::from_std);
        Box::pin(async move { socket })
    }
}
