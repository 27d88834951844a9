//! The Internet Gateway Device of UPnP: search, description, then one action at a time.
//!
//! Source: UPnP Device Architecture 1.1; `WANIPConnection`. What routers do against it is provided for: a
//! lease that has an end may be refused, and then we take one that has none and end it ourselves; a
//! port may be in use, and then we take another.
//!
//! Invariant: at most one exchange is under way, and it is that of `busy`.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::IpAddr;

use base::{
    ExchangeId, Family, HttpError, HttpPost, HttpReply, HttpRequest, Instant, Purpose, Rng,
};
use url::{Host, Url};
use wire::nat_pmp::Protocol;
use wire::ssdp;
use wire::upnp::{self, Action, Fault, Service};

use super::{Config, EXCHANGE_TAG, Gateway, News, Output, Ports};

/// When the search is repeated, since datagrams get lost; after the last pause it is over.
const SEARCH_PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

/// Time for one exchange. Small routers are slow.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);

/// Ports tried when the first is in use.
const CONFLICTS_MAX: u32 = 4;

/// Where other ports are drawn from: above those of services, below those that systems hand out.
const OTHER_PORTS: core::ops::Range<u16> = 20_000..32_000;

/// Invalid arguments, as some routers say that a lease must have no end.
const INVALID_ARGUMENTS: u16 = 402;

#[derive(Debug)]
enum Busy {
    No,
    /// Waits for an answer, or for the time to ask again.
    Searching {
        tries: usize,
        again_at: Instant,
    },
    Describing(ExchangeId, Url),
    Acting(ExchangeId, Action),
}

#[derive(Debug)]
pub(super) struct Igd {
    config: Config,
    gateway: Gateway,
    rng: Rng,
    exchanges: u64,
    busy: Busy,
    /// What failed finding it.
    lost: bool,
    control: Option<(Url, Service)>,
    /// Ports are to be mapped as soon as it is known how.
    wanted: bool,
    releasing: bool,
    actions: VecDeque<Step>,
    /// The ports that we ask for, which are the router's once they are mapped.
    wishes: Ports,
    conflicts: u32,
    permanent: bool,
    pub(super) ports: Ports,
    pub(super) address: Option<IpAddr>,
    outputs: VecDeque<Output>,
    news: VecDeque<News>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Add(Protocol),
    Delete(Protocol),
    Address,
}

impl Igd {
    /// `exchanges` were begun by others before.
    pub(super) fn new(config: Config, gateway: Gateway, exchanges: u64, rng: Rng) -> Self {
        Self {
            config,
            gateway,
            rng,
            exchanges,
            busy: Busy::No,
            lost: false,
            control: None,
            wanted: false,
            releasing: false,
            actions: VecDeque::new(),
            wishes: Ports { tcp: Some(config.port), udp: Some(config.port) },
            conflicts: 0,
            permanent: false,
            ports: Ports::default(),
            address: None,
            outputs: VecDeque::new(),
            news: VecDeque::new(),
        }
    }

    /// How many exchanges were begun.
    pub(super) fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Looks for the device.
    pub(super) fn search(&mut self, now: Instant) {
        self.busy = Busy::Searching { tries: 0, again_at: now };
        self.on_deadline(now);
    }

    /// Makes or renews the mappings, at once or when the device is found.
    pub(super) fn map(&mut self) {
        self.wanted = true;
        if self.lost {
            self.news.push_back(News::Failed(None));
        } else if self.control.is_some() && matches!(self.busy, Busy::No) {
            self.conflicts = 0;
            self.actions =
                [Step::Add(Protocol::Tcp), Step::Add(Protocol::Udp), Step::Address].into();
            self.act();
        }
    }

    /// Ends what is mapped; false if nothing is.
    pub(super) fn release(&mut self) -> bool {
        self.releasing = true;
        self.actions = [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .filter(|&protocol| self.ports.of(protocol).is_some())
            .map(Step::Delete)
            .collect();
        let any = !self.actions.is_empty();
        if any {
            self.act();
        }
        any
    }

    /// Stops whatever is under way. An action that is may have its effect all the same.
    pub(super) fn give_up(&mut self) {
        match core::mem::replace(&mut self.busy, Busy::No) {
            Busy::No | Busy::Searching { .. } => {}
            Busy::Describing(id, _) => self.outputs.push_back(Output::CancelHttp(id)),
            Busy::Acting(id, action) => {
                self.outputs.push_back(Output::CancelHttp(id));
                if let Action::Add { protocol, external, .. } = action {
                    *self.ports.of(protocol) = Some(external);
                }
            }
        }
        self.wanted = false;
        self.actions.clear();
    }

    /// Somebody at the router's address answers to the search.
    pub(super) fn on_datagram(&mut self, bytes: &[u8]) {
        if !matches!(self.busy, Busy::Searching { .. }) {
            return;
        }
        let Some(url) = ssdp::decode_location(bytes).and_then(|url| Url::parse(url).ok()) else {
            return;
        };
        if !self.is_of_router(&url) {
            return;
        }
        let id = self.next_id();
        self.request(id, &url, None);
        self.busy = Busy::Describing(id, url);
    }

    /// Whoever answers must not send us elsewhere: a description is fetched, and an action asked, with
    /// the rights of this machine.
    fn is_of_router(&self, url: &Url) -> bool {
        url.scheme() == "http" && url.host() == Some(Host::Ipv4(self.gateway.router))
    }

    fn next_id(&mut self) -> ExchangeId {
        self.exchanges += 1;
        ExchangeId(u64::from(EXCHANGE_TAG) << 56 | self.exchanges)
    }

    fn request(&mut self, id: ExchangeId, url: &Url, post: Option<HttpPost>) {
        self.outputs.push_back(Output::Http(HttpRequest {
            id,
            purpose: Purpose::PortMapping,
            url: url.to_string(),
            family: Family::V4,
            timeout: EXCHANGE_MAX,
            body_bytes_max: upnp::XML_BYTES_MAX,
            post,
        }));
    }

    pub(super) fn on_http(&mut self, id: ExchangeId, result: Result<HttpReply, HttpError>) {
        match core::mem::replace(&mut self.busy, Busy::No) {
            Busy::Describing(asked, url) if asked == id => self.on_description(&url, result),
            Busy::Acting(asked, action) if asked == id => self.on_acted(action, result),
            busy
            @ (Busy::No | Busy::Searching { .. } | Busy::Describing(..) | Busy::Acting(..)) => {
                self.busy = busy;
            }
        }
    }

    fn on_description(&mut self, url: &Url, result: Result<HttpReply, HttpError>) {
        let body = result.ok().filter(|reply| reply.status == 200).map(|reply| reply.body);
        let description = upnp::decode_description(&body.unwrap_or_default());
        let base = description.base_url.and_then(|base| Url::parse(&base).ok());
        let base = base.filter(|base| self.is_of_router(base)).unwrap_or_else(|| url.clone());
        self.control = description.control.and_then(|(service, control)| {
            let control = base.join(&control).ok().filter(|url| self.is_of_router(url))?;
            Some((control, service))
        });
        if self.control.is_none() {
            self.on_lost();
        } else if self.wanted {
            self.map();
        }
    }

    fn on_lost(&mut self) {
        self.busy = Busy::No;
        self.lost = true;
        if self.wanted {
            self.news.push_back(News::Failed(None));
        }
    }

    /// Begins the first of the actions, or says that they are done.
    fn act(&mut self) {
        let Some((url, service)) = self.control.clone() else { return };
        let Some(&step) = self.actions.front() else { return self.on_done() };
        let (lifetime, internal) = (self.config.lifetime.as_secs(), self.config.port);
        let lease_s = u32::try_from(lifetime).unwrap_or(u32::MAX);
        let lease_s = if self.permanent { 0 } else { lease_s };
        let action = match step {
            Step::Add(protocol) => {
                let external = self.wishes.of(protocol).unwrap_or(internal);
                let client = self.gateway.ours;
                Action::Add { protocol, external, internal, client, lease_s }
            }
            Step::Delete(protocol) => {
                let external = self.ports.of(protocol).unwrap_or(internal);
                Action::Delete { protocol, external }
            }
            Step::Address => Action::ExternalAddress,
        };
        let headers = vec![
            ("SOAPAction", action.soap_action(service)),
            ("Content-Type", "text/xml; charset=\"utf-8\"".to_owned()),
        ];
        let id = self.next_id();
        self.request(id, &url, Some(HttpPost { headers, body: action.encode(service) }));
        self.busy = Busy::Acting(id, action);
    }

    fn on_done(&mut self) {
        self.wanted = false;
        self.news.push_back(if self.releasing {
            News::Released
        } else {
            News::Mapped(self.config.lifetime)
        });
    }

    fn on_acted(&mut self, action: Action, result: Result<HttpReply, HttpError>) {
        let answer = match &result {
            Ok(reply) => upnp::decode_answer(&reply.body),
            Err(_) => upnp::Answer::default(),
        };
        let good = result.is_ok_and(|reply| reply.status == 200) && answer.fault.is_none();
        match action {
            Action::Add { protocol, external, .. } => {
                *self.ports.of(protocol) = good.then_some(external);
                if !good {
                    return self.on_not_added(protocol, answer.fault);
                }
            }
            Action::Delete { protocol, .. } => *self.ports.of(protocol) = None,
            Action::ExternalAddress => {
                self.address = answer.external_address.filter(|ip| !ip.is_unspecified());
            }
        }
        self.actions.pop_front();
        self.act();
    }

    fn on_not_added(&mut self, protocol: Protocol, fault: Option<Fault>) {
        let code = fault.as_ref().map_or(0, |fault| fault.code);
        match code {
            Fault::ONLY_PERMANENT_LEASES | INVALID_ARGUMENTS if !self.permanent => {
                self.permanent = true;
            }
            Fault::CONFLICT if self.conflicts < CONFLICTS_MAX => {
                self.conflicts += 1;
                let span = u32::from(OTHER_PORTS.end - OTHER_PORTS.start);
                let other = u16::try_from(self.rng.below(span)).expect("below 12,000");
                *self.wishes.of(protocol) = Some(OTHER_PORTS.start + other);
                if protocol == Protocol::Tcp {
                    // Peers look for us at one number, by either.
                    self.wishes.udp = self.wishes.tcp;
                }
            }
            Fault::SAME_PORT_REQUIRED if self.wishes.of(protocol) != &Some(self.config.port) => {
                self.conflicts = CONFLICTS_MAX;
                *self.wishes.of(protocol) = Some(self.config.port);
            }
            // Peers come by TCP; UDP is good to have.
            _ if protocol == Protocol::Udp => drop(self.actions.pop_front()),
            _ => {
                self.actions.clear();
                self.wanted = false;
                let words = fault.map(|fault| match fault.words.as_str() {
                    "" => format!("the router refuses with code {}", fault.code),
                    words => format!("the router refuses: {words}"),
                });
                return self.news.push_back(News::Failed(words));
            }
        }
        self.act();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.busy {
            Busy::Searching { again_at, .. } => Some(again_at),
            Busy::No | Busy::Describing(..) | Busy::Acting(..) => None,
        }
    }

    pub(super) fn on_deadline(&mut self, now: Instant) {
        let Busy::Searching { tries, again_at } = self.busy else { return };
        if again_at > now {
            return;
        }
        let Some(&pause) = SEARCH_PAUSES.get(tries) else { return self.on_lost() };
        self.busy = Busy::Searching { tries: tries + 1, again_at: now.after(pause) };
        for target in ssdp::GATEWAYS {
            self.outputs.push_back(Output::Datagram {
                ours: self.gateway.ours,
                to: ssdp::GROUP.into(),
                bytes: ssdp::encode_search(target),
            });
        }
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}
