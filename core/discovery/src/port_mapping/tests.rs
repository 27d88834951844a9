//! The machine with a router that is as its fields say. What happens is shown as words: `pcp 6881/6881`
//! is news of a mapping of TCP and UDP, `-` a failure, `released` the end.

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use wire::nat_pmp::Protocol;
use wire::ssdp;
use wire::upnp::Service;

use super::*;

const PORT_OURS: u16 = 6881;
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 9);
const WORLD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const RTT: Duration = Duration::from_millis(10);

/// What a router speaks, and its memory.
#[derive(Debug)]
struct Router {
    pcp: bool,
    nat_pmp: bool,
    upnp: bool,
    /// It refuses leases that have an end.
    permanent_only: bool,
    /// Ports that are somebody else's, as far as UPnP goes.
    taken: Vec<u16>,
    /// What it gives at most.
    lifetime_s: u32,
    location: &'static str,
    control: &'static str,
    world: Ipv4Addr,
    booted: Instant,
    /// The router's port and when it is forgotten (`None`: never), by protocol.
    mapped: BTreeMap<Protocol, (u16, Option<Instant>)>,
    /// Questions that it has heard and understood.
    asked: usize,
    /// URLs that were fetched.
    fetched: Vec<String>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            pcp: false,
            nat_pmp: false,
            upnp: false,
            permanent_only: false,
            taken: Vec::new(),
            lifetime_s: u32::MAX,
            location: "http://192.168.1.1:5000/root.xml",
            control: "/ctl",
            world: WORLD,
            booted: Instant::START,
            mapped: BTreeMap::new(),
            asked: 0,
            fetched: Vec::new(),
        }
    }
}

impl Router {
    fn epoch(&self, now: Instant) -> [u8; 4] {
        u32::try_from(now.saturating_since(self.booted).as_secs()).unwrap().to_be_bytes()
    }

    fn map(&mut self, protocol: Protocol, external: u16, lifetime_s: u32, now: Instant) -> u32 {
        let lifetime_s = lifetime_s.min(self.lifetime_s);
        if lifetime_s == 0 {
            self.mapped.remove(&protocol);
        } else {
            let until = now.after(Duration::from_secs(lifetime_s.into()));
            self.mapped.insert(protocol, (external, Some(until)));
        }
        lifetime_s
    }

    /// The answer to a datagram to port 5351.
    fn on_datagram(&mut self, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let epoch = self.epoch(now);
        let u16_at = |at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        if bytes[0] == 2 && self.pcp {
            self.asked += 1;
            let mut out = vec![2, bytes[1] | 128, 0, 0, 0, 0, 0, 0];
            out.extend_from_slice(&epoch);
            out.extend_from_slice(&[0; 12]);
            if bytes[1] == 1 {
                let protocol = if bytes[36] == 6 { Protocol::Tcp } else { Protocol::Udp };
                let lifetime_s = self.map(protocol, u16_at(42), u32_at(4), now);
                out[4..8].copy_from_slice(&lifetime_s.to_be_bytes());
                out.extend_from_slice(&bytes[24..44]);
                out.extend_from_slice(&self.world.to_ipv6_mapped().octets());
            }
            return Some(out);
        }
        if !self.nat_pmp {
            return None;
        }
        self.asked += 1;
        let mut out = vec![0, bytes[1] | 128, 0, 0];
        out.extend_from_slice(&epoch);
        match bytes {
            [0, 0] => out.extend_from_slice(&self.world.octets()),
            [0, 1 | 2, ..] => {
                let protocol = if bytes[1] == 2 { Protocol::Tcp } else { Protocol::Udp };
                let lifetime_s = self.map(protocol, u16_at(6), u32_at(8), now);
                out.extend_from_slice(&bytes[4..8]);
                out.extend_from_slice(&lifetime_s.to_be_bytes());
            }
            // Unsupported version.
            _ => out[3] = 1,
        }
        Some(out)
    }

    /// The answer to an exchange, by the words of its body.
    fn on_http(&mut self, request: &HttpRequest, now: Instant) -> (u16, String) {
        self.fetched.push(request.url.clone());
        let Some(post) = &request.post else {
            let kind = Service::Ip1.urn();
            let control = self.control;
            return (
                200,
                format!(
                    "<root><service><serviceType>{kind}</serviceType>\
                     <controlURL>{control}</controlURL></service></root>"
                ),
            );
        };
        self.asked += 1;
        let body = String::from_utf8(post.body.clone()).unwrap();
        let field = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            rest.split_once('<').map(|(value, _)| value.to_owned())
        };
        let number = |name: &str| field(name).unwrap_or_default().parse::<u32>().unwrap_or(0);
        let fault = |code: u16| {
            (
                500,
                format!(
                    "<Fault><errorCode>{code}</errorCode><errorDescription>no</errorDescription></Fault>"
                ),
            )
        };
        let protocol = if body.contains(">TCP<") { Protocol::Tcp } else { Protocol::Udp };
        let external = u16::try_from(number("NewExternalPort")).unwrap();
        if body.contains("u:AddPortMapping") {
            let lease_s = number("NewLeaseDuration");
            if self.permanent_only && lease_s > 0 {
                return fault(725);
            }
            if self.taken.contains(&external) {
                return fault(718);
            }
            assert_eq!(field("NewInternalClient"), Some(OURS.to_string()));
            let until = now.after(Duration::from_secs(lease_s.into()));
            self.mapped.insert(protocol, (external, (lease_s > 0).then_some(until)));
        } else if body.contains("u:DeletePortMapping") {
            let ours = self.mapped.remove(&protocol);
            if ours.is_none_or(|(port, _)| port != external) {
                return fault(714);
            }
        }
        let world = self.world;
        (200, format!("<NewExternalIPAddress>{world}</NewExternalIPAddress>"))
    }
}

struct Rig {
    mapper: PortMapper,
    router: Router,
    gateway: Option<Gateway>,
    now: Instant,
    /// Whether the router is there at all.
    reachable: bool,
    words: Vec<String>,
}

impl Rig {
    fn new(router: Router) -> Self {
        let config = Config { port: PORT_OURS, lifetime: LIFETIME };
        Self {
            mapper: PortMapper::new(config, Rng::from_seed(0)),
            router,
            gateway: Some(Gateway { router: ROUTER, ours: OURS }),
            now: Instant::START,
            reachable: true,
            words: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.mapper.poll_output() {
            match output {
                Output::FindGateway => self.mapper.on_gateway(self.gateway, self.now),
                Output::Datagram { ours, to, bytes } => {
                    assert_eq!(ours, OURS);
                    self.carry(to, &bytes);
                }
                Output::Http(request) => {
                    self.now = self.now.after(RTT);
                    let result = if self.reachable {
                        let (status, body) = self.router.on_http(&request, self.now);
                        let body = body.into_bytes();
                        Ok(HttpReply { status, location: None, content_type: None, body })
                    } else {
                        Err(HttpError::Timeout)
                    };
                    self.mapper.on_http(request.id, result, self.now);
                }
                Output::CancelHttp(_) => {}
                Output::Mapped(mapped) => {
                    let port = |port: Option<u16>| port.map_or("-".into(), |port| port.to_string());
                    let Mapped { method, tcp, udp, .. } = mapped;
                    self.words.push(format!("{method} {}/{}", port(Some(tcp)), port(udp)));
                    assert_eq!(mapped.address, Some(self.router.world.into()));
                    assert_eq!(self.mapper.mapped(), Some(mapped));
                }
                Output::Failed(_) => self.words.push("-".into()),
                Output::Released => self.words.push("released".into()),
            }
        }
    }

    fn carry(&mut self, to: SocketAddr, bytes: &[u8]) {
        let answer = if to == SocketAddr::from((ROUTER, PORT)) {
            self.router.on_datagram(bytes, self.now)
        } else {
            assert_eq!(to, ssdp::GROUP.into());
            let (st, location) = (ssdp::GATEWAYS[0], self.router.location);
            self.router.upnp.then(|| {
                format!("HTTP/1.1 200 OK\r\nST: {st}\r\nLocation: {location}\r\n\r\n").into_bytes()
            })
        };
        if let Some(answer) = answer.filter(|_| self.reachable) {
            self.now = self.now.after(RTT);
            let from = if to.port() == PORT { to } else { (ROUTER, 1900).into() };
            self.mapper.on_datagram(from, &answer, self.now);
        }
    }

    /// What is told within `time`.
    fn run(&mut self, time: Duration) -> String {
        let end = self.now.after(time);
        self.drain();
        while let Some(at) = self.mapper.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.mapper.on_deadline(self.now);
            self.drain();
            self.router.mapped.retain(|_, (_, until)| until.is_none_or(|until| until > self.now));
        }
        self.now = self.now.max(end);
        std::mem::take(&mut self.words).join(" ")
    }

    fn release(&mut self) -> String {
        self.mapper.release(self.now);
        self.run(RELEASE_MAX)
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Routers by what they speak.
fn router(speaks: &str) -> Router {
    Router {
        pcp: speaks.contains("pcp"),
        nat_pmp: speaks.contains("nat"),
        upnp: speaks.contains("upnp"),
        ..Router::default()
    }
}

#[test]
fn each_router_is_asked_by_what_it_speaks_and_one_mapping_is_made() {
    for (speaks, expected) in [
        ("pcp", "PCP 6881/6881"),
        ("nat", "NAT-PMP 6881/6881"),
        ("upnp", "UPnP 6881/6881"),
        ("pcp nat upnp", "PCP 6881/6881"),
        ("nat upnp", "NAT-PMP 6881/6881"),
        ("", "-"),
    ] {
        let mut rig = Rig::new(router(speaks));
        assert_eq!(rig.run(secs(30)), expected, "{speaks}");
        let mapped = rig.router.mapped.len();
        assert_eq!(mapped, if speaks.is_empty() { 0 } else { 2 }, "{speaks}");
    }
}

#[test]
fn a_mapping_is_renewed_for_as_long_as_we_are_there_and_ended_when_we_leave() {
    for speaks in ["pcp", "nat", "upnp"] {
        let mut rig = Rig::new(router(speaks));
        rig.run(secs(30));
        for hour in 0..24 {
            assert_eq!(rig.run(secs(3600)), "", "{speaks}: news in hour {hour}");
            assert_eq!(rig.router.mapped.len(), 2, "{speaks}: hour {hour}");
        }
        assert_eq!(rig.release(), "released", "{speaks}");
        assert!(rig.router.mapped.is_empty(), "{speaks}");
        assert_eq!(rig.mapper.deadline(), None);
    }
}

#[test]
fn a_router_that_gives_less_time_is_asked_more_often_but_not_without_bound() {
    for (lifetime_s, asked) in [(120, 60..80), (1, 700..2200)] {
        let mut rig = Rig::new(Router { lifetime_s, ..router("nat") });
        rig.run(secs(30));
        rig.router.asked = 0;
        rig.run(secs(3600));
        // A renewal is three questions, and there are sixty looks.
        let renewals = rig.router.asked.saturating_sub(60) / 3;
        assert!(asked.contains(&renewals), "{lifetime_s}: {renewals}");
    }
}

#[test]
fn a_router_that_was_switched_off_and_on_maps_again_within_two_looks() {
    for speaks in ["pcp", "nat"] {
        let mut rig = Rig::new(router(speaks));
        rig.run(secs(300));
        rig.router.mapped.clear();
        rig.router.booted = rig.now;
        rig.run(LOOK_EVERY * 2);
        assert_eq!(rig.router.mapped.len(), 2, "{speaks}");
    }
}

#[test]
fn a_new_address_of_the_router_is_news() {
    let mut rig = Rig::new(router("nat"));
    rig.run(secs(300));
    rig.router.world = Ipv4Addr::new(198, 51, 100, 7);
    assert_eq!(rig.run(LOOK_EVERY * 2), "NAT-PMP 6881/6881");
}

#[test]
fn another_router_is_asked_from_the_start_and_none_at_all_not() {
    let mut rig = Rig::new(router("nat"));
    assert_eq!(rig.run(secs(30)), "NAT-PMP 6881/6881");
    rig.gateway = None;
    assert_eq!(rig.run(LOOK_EVERY * 2), "");
    rig.router.asked = 0;
    rig.run(secs(7200));
    assert_eq!((rig.router.asked, rig.mapper.mapped()), (0, None));
    rig.gateway = Some(Gateway { router: ROUTER, ours: OURS });
    rig.router = router("upnp");
    assert_eq!(rig.run(LOOK_EVERY * 2), "UPnP 6881/6881");
}

#[test]
fn who_is_behind_no_nat_asks_nobody() {
    let mut rig = Rig::new(router("pcp nat upnp"));
    rig.gateway = Some(Gateway { router: ROUTER, ours: Ipv4Addr::new(198, 51, 100, 7) });
    assert_eq!(rig.run(secs(3600)), "");
    assert_eq!(rig.router.asked, 0);
    assert_eq!(rig.release(), "released");
}

#[test]
fn failure_is_told_once_and_success_after_it() {
    let mut rig = Rig::new(router(""));
    assert_eq!(rig.run(secs(4 * 3600)), "-");
    rig.router.nat_pmp = true;
    assert_eq!(rig.run(RETRY_AFTER + secs(30)), "NAT-PMP 6881/6881");
}

#[test]
fn a_router_that_falls_silent_is_given_up_and_found_again() {
    for speaks in ["pcp", "nat", "upnp"] {
        let mut rig = Rig::new(router(speaks));
        let first = rig.run(secs(30));
        rig.reachable = false;
        assert_eq!(rig.run(secs(3600)), "-", "{speaks}");
        assert!(rig.mapper.mapped().is_none(), "{speaks}");
        rig.reachable = true;
        assert_eq!(rig.run(RETRY_AFTER * 2), first, "{speaks}");
    }
}

#[test]
fn a_port_that_is_taken_is_replaced_by_another() {
    let mut rig = Rig::new(Router { taken: vec![PORT_OURS], ..router("upnp") });
    let said = rig.run(secs(30));
    let ports: Vec<u16> =
        said.strip_prefix("UPnP ").unwrap().split('/').map(|port| port.parse().unwrap()).collect();
    assert!((20_000..32_000).contains(&ports[0]), "{said}");
    assert_eq!(ports[0], ports[1], "for TCP and UDP alike");
    assert_eq!(rig.run(secs(7200)), "", "and it is kept");
    assert_eq!(rig.release(), "released");
    assert!(rig.router.mapped.is_empty());
}

#[test]
fn where_every_port_is_taken_we_stop_asking() {
    let mut rig = Rig::new(Router { taken: (1..=u16::MAX).collect(), ..router("upnp") });
    assert_eq!(rig.run(secs(30)), "-");
    assert!(rig.router.asked <= 5, "{}", rig.router.asked);
}

#[test]
fn a_router_with_permanent_leases_only_gets_one_that_we_end() {
    let mut rig = Rig::new(Router { permanent_only: true, ..router("upnp") });
    assert_eq!(rig.run(secs(30)), "UPnP 6881/6881");
    assert!(rig.router.mapped.values().all(|(_, until)| until.is_none()));
    assert_eq!(rig.release(), "released");
    assert!(rig.router.mapped.is_empty());
}

#[test]
fn nothing_is_fetched_from_anywhere_but_the_router() {
    for (location, control, fetched) in [
        ("http://192.168.1.1:5000/root.xml", "http://192.168.1.7/ctl", 1),
        ("http://192.168.1.1:5000/root.xml", "//192.168.1.7/ctl", 1),
        ("http://192.168.1.1:5000/root.xml", "https://192.168.1.1/ctl", 1),
        ("http://192.168.1.7:5000/root.xml", "/ctl", 0),
        ("http://192.168.1.1.example.org/root.xml", "/ctl", 0),
        ("http://192.168.1.1@127.0.0.1/root.xml", "/ctl", 0),
        ("http://localhost:5000/root.xml", "/ctl", 0),
        ("file:///etc/passwd", "/ctl", 0),
        ("not a url", "/ctl", 0),
    ] {
        let mut rig = Rig::new(Router { location, control, ..router("upnp") });
        assert_eq!(rig.run(secs(30)), "-", "{location} {control}");
        assert_eq!(rig.router.fetched.len(), fetched, "{:?}", rig.router.fetched);
    }
}

#[test]
fn what_others_than_the_router_say_is_not_heard() {
    let mut rig = Rig::new(router(""));
    rig.mapper.on_deadline(rig.now);
    rig.drain();
    let mapped = [0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 5];
    rig.mapper.on_datagram((Ipv4Addr::new(192, 168, 1, 7), PORT).into(), &mapped, rig.now);
    assert_eq!(rig.run(secs(30)), "-");
}

#[test]
fn a_router_that_is_silent_when_we_leave_costs_two_seconds() {
    for speaks in ["pcp", "nat", "upnp"] {
        let mut rig = Rig::new(router(speaks));
        rig.run(secs(30));
        rig.reachable = false;
        rig.mapper.release(rig.now);
        assert_eq!(rig.run(RELEASE_MAX), "released", "{speaks}");
    }
}

#[test]
fn a_mapping_of_which_we_have_not_heard_yet_is_ended_too() {
    let mut rig = Rig::new(router("upnp"));
    while rig.router.mapped.is_empty() {
        rig.now = rig.mapper.deadline().unwrap();
        rig.mapper.on_deadline(rig.now);
        while let Some(output) = rig.mapper.poll_output() {
            match output {
                Output::FindGateway => rig.mapper.on_gateway(rig.gateway, rig.now),
                Output::Datagram { to, bytes, .. } => rig.carry(to, &bytes),
                Output::Http(request) => {
                    let (status, body) = rig.router.on_http(&request, rig.now);
                    if request.post.is_none() {
                        let (location, content_type) = (None, None);
                        let body = body.into_bytes();
                        let reply = HttpReply { status, location, content_type, body };
                        rig.mapper.on_http(request.id, Ok(reply), rig.now);
                    }
                }
                Output::CancelHttp(_)
                | Output::Mapped(_)
                | Output::Failed(_)
                | Output::Released => {}
            }
        }
    }
    assert_eq!(rig.release(), "released");
    assert!(rig.router.mapped.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a router does, sends and forgets, there is no panic, no storm, and we get away in time.
    #[test]
    fn a_router_gone_mad_costs_little(
        speaks in 0..8u8,
        steps in prop::collection::vec((0..6u8, prop::collection::vec(any::<u8>(), 0..70)), 0..40),
    ) {
        let mut rig = Rig::new(Router {
            pcp: speaks & 1 != 0,
            nat_pmp: speaks & 2 != 0,
            upnp: speaks & 4 != 0,
            ..Router::default()
        });
        for (step, bytes) in steps {
            match step {
                0 => rig.reachable = !rig.reachable,
                1 => rig.router.booted = rig.now,
                2 => rig.router.mapped.clear(),
                3 => rig.router.upnp = !rig.router.upnp,
                4 => rig.router.nat_pmp = !rig.router.nat_pmp,
                _ => {
                    let from = SocketAddr::from((ROUTER, if bytes.len() % 2 == 0 { PORT } else { 1900 }));
                    rig.mapper.on_datagram(from, &bytes, rig.now);
                }
            }
            rig.router.asked = 0;
            rig.run(secs(600));
            assert!(rig.router.asked < 200, "{} questions in ten minutes", rig.router.asked);
        }
        rig.words.clear();
        let said = rig.release();
        assert!(said.ends_with("released"), "{said}");
    }
}
