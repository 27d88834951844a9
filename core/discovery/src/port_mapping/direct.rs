//! PCP and NAT-PMP: one question at a time to the router, repeated until it is answered.
//!
//! Source: RFC 6887, RFC 6886. A question is repeated after a quarter of a second, and then after twice
//! as long each time; both RFCs would go on for a minute and more, while we have UPnP to turn to.
//!
//! Invariant: `asks` holds what is left of a round, the first of it being asked.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::IpAddr;

use base::Instant;
use wire::nat_pmp::{self, Protocol};
use wire::pcp::{self, MapRequest, Nonce};

use super::{Config, Gateway, Method, News, Ports};

/// First pause before a question is repeated.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// How often a question is asked by PCP as long as nothing was heard: 1.75 s.
const TRIES_PCP: u32 = 3;

/// How often any other is: 3.75 s.
const TRIES: u32 = 4;

/// An epoch may be so many seconds behind what we expect, and by an eighth (RFC 6886, section 3.6).
const EPOCH_SLACK_S: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Map(Protocol),
    End(Protocol),
    /// The external address, and with it the epoch.
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Map,
    Check,
    Release,
}

#[derive(Debug)]
pub(super) struct Direct {
    config: Config,
    gateway: Gateway,
    nonces: [Nonce; 2],
    /// PCP until we know better.
    pcp: bool,
    /// The router has answered.
    heard: bool,
    round: Round,
    asks: VecDeque<Ask>,
    tries: u32,
    again_at: Option<Instant>,
    /// What the router has mapped.
    pub(super) ports: Ports,
    /// The router's address.
    pub(super) address: Option<IpAddr>,
    /// The shortest time that it gave in this round.
    lifetime_s: u32,
    /// The last one, and when it came.
    epoch: Option<(u32, Instant)>,
    forgotten: bool,
    sends: VecDeque<Vec<u8>>,
    news: VecDeque<News>,
}

impl Direct {
    pub(super) fn new(config: Config, gateway: Gateway, nonces: [Nonce; 2]) -> Self {
        Self {
            config,
            gateway,
            nonces,
            pcp: true,
            heard: false,
            round: Round::Map,
            asks: VecDeque::new(),
            tries: 0,
            again_at: None,
            ports: Ports::default(),
            address: None,
            lifetime_s: 0,
            epoch: None,
            forgotten: false,
            sends: VecDeque::new(),
            news: VecDeque::new(),
        }
    }

    pub(super) fn method(&self) -> Method {
        if self.pcp { Method::Pcp } else { Method::NatPmp }
    }

    /// Makes or renews the mappings.
    pub(super) fn map(&mut self, now: Instant) {
        self.lifetime_s = u32::MAX;
        let maps = [Ask::Map(Protocol::Tcp), Ask::Map(Protocol::Udp)];
        let asks = if self.pcp { &maps[..] } else { &[Ask::Look, maps[0], maps[1]] };
        self.begin(Round::Map, asks, now);
    }

    /// Asks whether the router still knows us, unless it is being asked something in any case.
    pub(super) fn check(&mut self, now: Instant) {
        if self.asks.is_empty() {
            self.begin(Round::Check, &[Ask::Look], now);
        }
    }

    /// Ends what is mapped; false if nothing is.
    pub(super) fn release(&mut self, now: Instant) -> bool {
        let ends: Vec<Ask> = [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .filter(|&protocol| self.ports.of(protocol).is_some() || self.is_asking(protocol))
            .map(Ask::End)
            .collect();
        self.begin(Round::Release, &ends, now);
        !ends.is_empty()
    }

    /// It may have been mapped though we have not heard yet.
    fn is_asking(&self, protocol: Protocol) -> bool {
        self.heard && self.asks.front() == Some(&Ask::Map(protocol))
    }

    fn begin(&mut self, round: Round, asks: &[Ask], now: Instant) {
        self.round = round;
        self.asks = asks.iter().copied().collect();
        self.forgotten = false;
        self.ask(now);
    }

    fn ask(&mut self, now: Instant) {
        self.tries = 0;
        self.again_at = None;
        if !self.asks.is_empty() {
            self.repeat(now);
        }
    }

    fn repeat(&mut self, now: Instant) {
        let Some(&ask) = self.asks.front() else { return };
        self.sends.push_back(if self.pcp { self.pcp_request(ask) } else { self.request(ask) });
        self.again_at = Some(now.after(PAUSE_FIRST * (1 << self.tries)));
        self.tries += 1;
    }

    fn lifetime_wanted_s(&self) -> u32 {
        u32::try_from(self.config.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn pcp_request(&self, ask: Ask) -> Vec<u8> {
        let client = self.gateway.ours.into();
        let (protocol, lifetime_s) = match ask {
            Ask::Look => return pcp::encode_announce(client),
            Ask::Map(protocol) => (protocol, self.lifetime_wanted_s()),
            Ask::End(protocol) => (protocol, 0),
        };
        let internal = self.config.port;
        let external = self.external(protocol);
        let nonce = self.nonce(protocol);
        MapRequest { nonce, protocol, client, internal, external, lifetime_s }.encode()
    }

    fn request(&self, ask: Ask) -> Vec<u8> {
        let internal = self.config.port;
        match ask {
            Ask::Look => nat_pmp::encode_external_address(),
            Ask::Map(protocol) => {
                let external = self.external(protocol);
                nat_pmp::encode_map(protocol, internal, external, self.lifetime_wanted_s())
            }
            Ask::End(protocol) => nat_pmp::encode_map(protocol, internal, 0, 0),
        }
    }

    /// What we have, or else what TCP has, since peers look for us at one number, or else our own port.
    fn external(&self, protocol: Protocol) -> u16 {
        let mut ports = self.ports;
        ports.of(protocol).or(self.ports.tcp).unwrap_or(self.config.port)
    }

    fn nonce(&self, protocol: Protocol) -> Nonce {
        let [tcp, udp] = self.nonces;
        match protocol {
            Protocol::Tcp => tcp,
            Protocol::Udp => udp,
        }
    }

    /// The router says something.
    pub(super) fn on_datagram(&mut self, bytes: &[u8], now: Instant) {
        let Some(&ask) = self.asks.front() else { return };
        if self.pcp {
            match pcp::decode_reply(bytes) {
                Ok(reply) => self.on_pcp(ask, reply, now),
                // It answers as NAT-PMP does.
                Err(pcp::DecodeError::Version { version: 0 }) => self.change_to_nat_pmp(now),
                Err(_) => {}
            }
        } else if let Ok(reply) = nat_pmp::decode_reply(bytes) {
            self.on_nat_pmp(ask, reply, now);
        }
    }

    fn on_pcp(&mut self, ask: Ask, reply: pcp::Reply, now: Instant) {
        match (ask, reply.body) {
            (Ask::Look, pcp::ReplyBody::Announced) => {}
            (
                Ask::Map(asked) | Ask::End(asked),
                pcp::ReplyBody::Mapped { nonce, protocol, internal, external, address },
            ) => {
                let ours = nonce == self.nonce(asked) && internal == self.config.port;
                if !ours || protocol != asked {
                    return;
                }
                self.on_mapping(ask, external, reply.lifetime_s);
                if reply.lifetime_s > 0 {
                    self.on_address(address);
                }
            }
            (_, pcp::ReplyBody::Refused(why)) => {
                if why == pcp::Refusal::UnsupportedVersion && !self.heard {
                    return self.change_to_nat_pmp(now);
                }
                self.heard = true;
                return self.on_refused(ask, &why.to_string(), now);
            }
            // An answer to an earlier question.
            (Ask::Look | Ask::Map(_) | Ask::End(_), _) => return,
        }
        self.on_answered(reply.epoch_s, now);
    }

    fn on_nat_pmp(&mut self, ask: Ask, reply: nat_pmp::Reply, now: Instant) {
        match (ask, reply.body) {
            (Ask::Look, nat_pmp::ReplyBody::ExternalAddress(address)) => {
                self.on_address(address.into());
            }
            (
                Ask::Map(asked) | Ask::End(asked),
                nat_pmp::ReplyBody::Mapped { protocol, internal, external, lifetime_s },
            ) => {
                if protocol != asked || internal != self.config.port {
                    return;
                }
                self.on_mapping(ask, external, lifetime_s);
            }
            (_, nat_pmp::ReplyBody::Refused(why)) => {
                self.heard = true;
                return self.on_refused(ask, &why.to_string(), now);
            }
            (Ask::Look | Ask::Map(_) | Ask::End(_), _) => return,
        }
        self.on_answered(reply.epoch_s, now);
    }

    fn on_address(&mut self, address: IpAddr) {
        let known = (!address.is_unspecified()).then_some(address);
        // Where the router is now, nothing of the old place holds.
        self.forgotten |= self.address.is_some() && known != self.address;
        self.address = known;
    }

    fn on_mapping(&mut self, ask: Ask, external: u16, lifetime_s: u32) {
        match ask {
            Ask::Map(protocol) if lifetime_s > 0 && external > 0 => {
                *self.ports.of(protocol) = Some(external);
                self.lifetime_s = self.lifetime_s.min(lifetime_s);
            }
            Ask::Map(protocol) | Ask::End(protocol) => *self.ports.of(protocol) = None,
            Ask::Look => {}
        }
    }

    /// The first question is answered: on to the next.
    fn on_answered(&mut self, epoch_s: u32, now: Instant) {
        self.heard = true;
        if let Some((last_s, at)) = self.epoch {
            let passed_s = now.saturating_since(at).as_secs();
            let expected_s = u64::from(last_s) + passed_s * 7 / 8;
            self.forgotten |= u64::from(epoch_s) + EPOCH_SLACK_S < expected_s;
        }
        self.epoch = Some((epoch_s, now));
        self.go_on(now);
    }

    fn go_on(&mut self, now: Instant) {
        self.asks.pop_front();
        self.ask(now);
        if !self.asks.is_empty() {
            return;
        }
        match self.round {
            Round::Map if self.ports.tcp.is_some() => {
                let lifetime = Duration::from_secs(self.lifetime_s.into());
                self.news.push_back(News::Mapped(lifetime));
            }
            Round::Map => self.fail(Some("the router maps no port".to_owned())),
            Round::Check if self.forgotten => self.news.push_back(News::Forgotten),
            Round::Check => {}
            Round::Release => self.news.push_back(News::Released),
        }
    }

    fn on_refused(&mut self, ask: Ask, why: &str, now: Instant) {
        match ask {
            // What it cannot tell, it need not.
            Ask::Look | Ask::End(_) => self.go_on(now),
            // Peers come by TCP; UDP is good to have.
            Ask::Map(Protocol::Udp) => {
                self.ports.udp = None;
                self.go_on(now);
            }
            Ask::Map(Protocol::Tcp) if self.pcp => self.change_to_nat_pmp(now),
            Ask::Map(Protocol::Tcp) => {
                self.ports.tcp = None;
                self.fail(Some(why.to_owned()));
            }
        }
    }

    fn change_to_nat_pmp(&mut self, now: Instant) {
        self.pcp = false;
        self.epoch = None;
        match self.round {
            Round::Map => self.map(now),
            // Whoever mapped by PCP has no right to change.
            Round::Check | Round::Release => self.go_on(now),
        }
    }

    fn fail(&mut self, why: Option<String>) {
        self.asks.clear();
        self.again_at = None;
        self.news.push_back(News::Failed(why));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.again_at
    }

    pub(super) fn on_deadline(&mut self, now: Instant) {
        if self.again_at.is_none_or(|at| at > now) {
            return;
        }
        let unknown = self.pcp && !self.heard;
        match (unknown, self.tries) {
            (true, TRIES_PCP..) => self.change_to_nat_pmp(now),
            (false, TRIES..) if self.round == Round::Check => {
                // Gone, or with a lot to do: the renewal will tell.
                self.asks.clear();
                self.again_at = None;
            }
            (false, TRIES..) => self.fail(None),
            (true | false, _) => self.repeat(now),
        }
    }

    pub(super) fn poll_send(&mut self) -> Option<Vec<u8>> {
        self.sends.pop_front()
    }

    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}
