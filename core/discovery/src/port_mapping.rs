//! Port mapping: asks the router to let peers in.
//!
//! Source: RFC 6887 (PCP), RFC 6886 (NAT-PMP), the UPnP Internet Gateway Device. PCP is asked first; who
//! does not know it is asked by NAT-PMP. A UPnP router is looked for in the meantime, but only asked
//! for ports if the other two fail: a port that is mapped twice is two doors to lock. TCP and UDP are
//! mapped, renewed at half of the time that the router gives, and ended by [`PortMapper::release`].
//! A router that has forgotten (its epoch went back, its address is another one), or another router,
//! is noticed within [`LOOK_EVERY`], and asked again; UPnP has no epoch, so there only a renewal mends what a
//! restart has lost.
//! IPv6 is left out: a firewall may be in the way, but no translation, and few routers let holes be made.
//!
//! Security: only the default router is believed, and only URLs on its own address are fetched. It is
//! asked only if our address is one of those behind a NAT.
//!
//! Drive it as all our machines are driven. [`Output::FindGateway`] is answered by
//! [`PortMapper::on_gateway`], at once or later.

mod direct;
mod igd;

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base::{ExchangeId, HttpError, HttpReply, HttpRequest, Instant, Rng};
use wire::nat_pmp::{PORT, Protocol};
use wire::pcp::Nonce;

use direct::Direct;
use igd::Igd;

/// Top byte of every [`ExchangeId`] that is given out here.
pub const EXCHANGE_TAG: u8 = b'U';

/// How long a mapping should hold if nobody renews it: a crash leaves it behind.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How often we look whether the router is still the same, and still knows us.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long after a failure we try again: somebody may have switched it on.
pub const RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// How long ending the mappings may take, so that leaving is quick.
pub const RELEASE_MAX: Duration = Duration::from_secs(2);

/// Mappings are not renewed faster than this, whatever a router says.
const RENEW_MIN: Duration = Duration::from_secs(5);

/// Settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Where we accept peers, by TCP and UDP.
    pub port: u16,
    /// How long a mapping should hold; [`LIFETIME`] but for tests.
    pub lifetime: Duration,
}

/// The way to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The default router.
    pub router: Ipv4Addr,
    /// Our address on the way to it.
    pub ours: Ipv4Addr,
}

/// In place of a gateway while there is none; it is not asked.
const NOWHERE: Gateway = Gateway { router: Ipv4Addr::UNSPECIFIED, ours: Ipv4Addr::UNSPECIFIED };

/// By what a router was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// An Internet Gateway Device.
    Upnp,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// What a router has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// By what.
    pub method: Method,
    /// Its address, if it told. It need not be the world's: routers stand behind routers.
    pub address: Option<IpAddr>,
    /// The port for TCP.
    pub tcp: u16,
    /// The port for UDP, if it gave one.
    pub udp: Option<u16>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Look up the default router.
    FindGateway,
    /// Send this from the UDP socket that is bound to our address.
    Datagram {
        /// Our address.
        ours: Ipv4Addr,
        /// Where to.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Run an exchange; answer by [`PortMapper::on_http`].
    Http(HttpRequest),
    /// The end of this exchange is of no interest any more.
    CancelHttp(ExchangeId),
    /// The router maps our ports from now on as said here.
    Mapped(Mapped),
    /// It does not, for this reason, which is printable.
    Failed(String),
    /// Everything is ended, as far as could be.
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no router, or we need none.
    Alone,
    /// Asking. True: PCP and NAT-PMP have failed.
    Trying { direct_failed: bool },
    /// Mapped until at least then.
    Working { method: Method, renew_at: Instant },
    /// Failed; tried again then.
    Resting { retry_at: Instant },
    /// Ending what there is, until then.
    Releasing { until: Instant },
    /// It is over.
    Over,
}

/// What the two ways have in common: the ports of the router, by protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ports {
    tcp: Option<u16>,
    udp: Option<u16>,
}

impl Ports {
    fn of(&mut self, protocol: Protocol) -> &mut Option<u16> {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
        }
    }
}

/// What one of the ways has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    /// All is mapped that could be, for so long.
    Mapped(Duration),
    /// The router has forgotten us.
    Forgotten,
    /// It does not work, for this reason; `None` if nobody answered.
    Failed(Option<String>),
    /// All is ended.
    Released,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct PortMapper {
    config: Config,
    rng: Rng,
    gateway: Option<Gateway>,
    phase: Phase,
    direct: Direct,
    igd: Igd,
    /// For TCP and UDP, as long as we live: with others a router would not let us renew.
    nonces: [Nonce; 2],
    look_at: Instant,
    told: Option<Result<Mapped, String>>,
    /// Why PCP and NAT-PMP failed, if the router said.
    reason: Option<String>,
    outputs: VecDeque<Output>,
}

impl PortMapper {
    /// A machine that has not asked yet; it will at its first deadline.
    pub fn new(config: Config, mut rng: Rng) -> Self {
        let nonces = [nonce(&mut rng), nonce(&mut rng)];
        Self {
            config,
            gateway: None,
            phase: Phase::Alone,
            direct: Direct::new(config, NOWHERE, nonces),
            igd: Igd::new(config, NOWHERE, 0, rng.fork()),
            nonces,
            look_at: Instant::START,
            told: None,
            reason: None,
            outputs: VecDeque::new(),
            rng,
        }
    }

    /// Whether a reply with this id is for [`Self::on_http`].
    pub fn owns(id: ExchangeId) -> bool {
        id.0 >> 56 == u64::from(EXCHANGE_TAG)
    }

    /// What the router maps for us.
    pub fn mapped(&self) -> Option<Mapped> {
        match self.phase {
            Phase::Working { .. } => self.told.clone().and_then(Result::ok),
            Phase::Alone
            | Phase::Trying { .. }
            | Phase::Resting { .. }
            | Phase::Releasing { .. }
            | Phase::Over => None,
        }
    }

    /// This is the default router now.
    pub fn on_gateway(&mut self, gateway: Option<Gateway>, now: Instant) {
        let gateway = gateway.filter(|gateway| is_behind_nat(gateway.ours));
        if matches!(self.phase, Phase::Releasing { .. } | Phase::Over) || gateway == self.gateway {
            return;
        }
        self.gateway = gateway;
        self.told = None;
        self.begin(now);
    }

    /// Asks the router from the start.
    fn begin(&mut self, now: Instant) {
        self.igd.give_up();
        self.take_igd();
        self.phase = Phase::Alone;
        let gateway = self.gateway.unwrap_or(NOWHERE);
        self.direct = Direct::new(self.config, gateway, self.nonces);
        self.igd = Igd::new(self.config, gateway, self.igd.exchanges(), self.rng.fork());
        if self.gateway.is_some() {
            self.phase = Phase::Trying { direct_failed: false };
            self.direct.map(now);
            self.igd.search(now);
            self.settle(now);
        }
    }

    /// A datagram came to the socket at our address.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        // Nobody else is asked, so nobody else answers.
        if self.gateway.is_none_or(|gateway| from.ip() != gateway.router) {
            return;
        }
        if from.port() == PORT {
            self.direct.on_datagram(bytes, now);
        } else {
            self.igd.on_datagram(bytes);
        }
        self.settle(now);
    }

    /// An exchange ended. Ended ones are ignored.
    pub fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>, now: Instant) {
        self.igd.on_http(id, result);
        self.settle(now);
    }

    /// Ends the mappings: [`Output::Released`] comes within [`RELEASE_MAX`].
    pub fn release(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Releasing { .. } | Phase::Over) {
            return;
        }
        self.phase = Phase::Releasing { until: now.after(RELEASE_MAX) };
        self.igd.give_up();
        let direct = self.direct.release(now);
        let igd = self.igd.release();
        if !direct && !igd {
            self.end();
        }
        self.settle(now);
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.outputs.push_back(Output::Released);
    }

    /// When to call [`Self::on_deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        let ours = match self.phase {
            Phase::Over => return None,
            Phase::Alone | Phase::Trying { .. } => Some(self.look_at),
            Phase::Working { renew_at: at, .. } | Phase::Resting { retry_at: at } => {
                Some(at.min(self.look_at))
            }
            Phase::Releasing { until } => Some(until),
        };
        [ours, self.direct.deadline(), self.igd.deadline()].into_iter().flatten().min()
    }

    /// The deadline passed.
    pub fn on_deadline(&mut self, now: Instant) {
        match self.phase {
            Phase::Over => return,
            Phase::Releasing { until } if until <= now => {
                self.igd.give_up();
                self.end();
            }
            Phase::Working { method, renew_at } if renew_at <= now => {
                self.phase = Phase::Working { method, renew_at: now.after(RETRY_AFTER) };
                match method {
                    Method::Pcp | Method::NatPmp => self.direct.map(now),
                    Method::Upnp => self.igd.map(),
                }
            }
            Phase::Resting { retry_at } if retry_at <= now => self.begin(now),
            Phase::Alone
            | Phase::Trying { .. }
            | Phase::Working { .. }
            | Phase::Resting { .. }
            | Phase::Releasing { .. } => {}
        }
        if self.look_at <= now && !matches!(self.phase, Phase::Releasing { .. } | Phase::Over) {
            self.look_at = now.after(LOOK_EVERY);
            self.outputs.push_back(Output::FindGateway);
            if matches!(self.phase, Phase::Working { method: Method::Pcp | Method::NatPmp, .. }) {
                self.direct.check(now);
            }
        }
        self.direct.on_deadline(now);
        self.igd.on_deadline(now);
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Passes on what the two ways want, and draws conclusions from what they say.
    fn settle(&mut self, now: Instant) {
        loop {
            let Gateway { router, ours } = self.gateway.unwrap_or(NOWHERE);
            while let Some(bytes) = self.direct.poll_send() {
                let to = (router, PORT).into();
                self.outputs.push_back(Output::Datagram { ours, to, bytes });
            }
            self.take_igd();
            if let Some(news) = self.direct.poll_news() {
                self.on_direct(news, now);
            } else if let Some(news) = self.igd.poll_news() {
                self.on_igd(news, now);
            } else {
                return;
            }
        }
    }

    fn take_igd(&mut self) {
        while let Some(output) = self.igd.poll_output() {
            self.outputs.push_back(output);
        }
    }

    fn on_direct(&mut self, news: News, now: Instant) {
        match (news, self.phase) {
            (News::Mapped(lifetime), Phase::Trying { .. } | Phase::Working { .. }) => {
                self.igd.give_up();
                let method = self.direct.method();
                self.on_mapped(method, self.direct.address, self.direct.ports, lifetime, now);
            }
            (News::Forgotten, Phase::Working { .. }) => self.direct.map(now),
            (News::Failed(reason), Phase::Trying { .. }) => {
                self.reason = reason;
                self.phase = Phase::Trying { direct_failed: true };
                self.igd.map();
            }
            // It worked, and does no more: perhaps it is another router.
            (News::Failed(_), Phase::Working { .. }) => self.begin(now),
            (News::Released | News::Failed(_), Phase::Releasing { .. }) => self.end(),
            (
                News::Mapped(_) | News::Forgotten | News::Failed(_) | News::Released,
                Phase::Alone
                | Phase::Trying { .. }
                | Phase::Working { .. }
                | Phase::Resting { .. }
                | Phase::Releasing { .. }
                | Phase::Over,
            ) => {}
        }
    }

    fn on_igd(&mut self, news: News, now: Instant) {
        match (news, self.phase) {
            (News::Mapped(lifetime), Phase::Trying { .. } | Phase::Working { .. }) => {
                self.on_mapped(Method::Upnp, self.igd.address, self.igd.ports, lifetime, now);
            }
            (News::Failed(reason), Phase::Trying { direct_failed: true }) => {
                self.phase = Phase::Resting { retry_at: now.after(RETRY_AFTER) };
                let reason = reason.or(self.reason.take()).unwrap_or_else(|| {
                    "the router answers to none of PCP, NAT-PMP and UPnP".to_owned()
                });
                self.tell(Err(reason));
            }
            (News::Failed(_), Phase::Working { method: Method::Upnp, .. }) => self.begin(now),
            (News::Released | News::Failed(_), Phase::Releasing { .. }) => self.end(),
            (
                News::Mapped(_) | News::Forgotten | News::Failed(_) | News::Released,
                Phase::Alone
                | Phase::Trying { .. }
                | Phase::Working { .. }
                | Phase::Resting { .. }
                | Phase::Releasing { .. }
                | Phase::Over,
            ) => {}
        }
    }

    fn on_mapped(
        &mut self,
        method: Method,
        address: Option<IpAddr>,
        ports: Ports,
        lifetime: Duration,
        now: Instant,
    ) {
        let Some(tcp) = ports.tcp else { return };
        let half = lifetime.min(self.config.lifetime) / 2;
        self.phase = Phase::Working { method, renew_at: now.after(half.max(RENEW_MIN)) };
        self.tell(Ok(Mapped { method, address, tcp, udp: ports.udp }));
    }

    /// Tells what is news, not each renewal.
    fn tell(&mut self, news: Result<Mapped, String>) {
        if self.told.as_ref() == Some(&news) {
            return;
        }
        self.told = Some(news.clone());
        self.outputs.push_back(match news {
            Ok(mapped) => Output::Mapped(mapped),
            Err(reason) => Output::Failed(reason),
        });
    }
}

fn nonce(rng: &mut Rng) -> Nonce {
    let mut bytes = [0; 12];
    for chunk in bytes.as_chunks_mut::<4>().0 {
        *chunk = u32::try_from(rng.next_u64() >> 32).expect("32 bits").to_be_bytes();
    }
    Nonce(bytes)
}

/// Whether the address is one that the world cannot reach: private, link-local, or of a provider's
/// own NAT (RFC 6598).
pub fn is_behind_nat(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
}

#[cfg(test)]
mod tests;
