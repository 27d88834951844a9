//! The HTTP and DNS services against hand-written peers on loopback.
//!
//! The HTTP table in `contract/table.rs` is meant for the simulated service as well; what is here
//! besides is about the real one: bounds, cancellation, TLS, name servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees the helpers of an integration test as production code"
)]

#[path = "contract/dns.rs"]
mod dns;
#[path = "contract/peers.rs"]
mod peers;
#[path = "contract/table.rs"]
mod table;
#[path = "contract/tls.rs"]
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base::{ExchangeId, Family, HttpError, HttpReply, HttpRequest, Purpose, ResolveRequest};
use net::factory::SocketFactory;
use net::services::{EXCHANGES_MAX, ServiceDone, Services, WAITING_MAX};
use peers::{Heard, listen};
use table::{Peer, Step, World};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Longer than anything here takes, for a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(30);

const STALLS: Peer = Peer::Does(&[Step::Stall]);
const SAYS_HI: Peer =
    Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), Step::Stall]);

/// The services with their answers in a channel.
struct Real {
    services: Services,
    done: Receiver<ServiceDone>,
    next_id: AtomicU64,
}

impl Real {
    fn start() -> Self {
        let (sender, done) = channel();
        let completion = Box::new(move |done| drop(sender.send(done)));
        let services = Services::start(SocketFactory::default(), completion);
        Self { services, done, next_id: AtomicU64::new(0) }
    }

    fn start_with_name_servers(servers: &[SocketAddr]) -> Self {
        let (sender, done) = channel();
        let completion = Box::new(move |done| drop(sender.send(done)));
        let factory = SocketFactory::default();
        let services = Services::start_with_name_servers(factory, servers.to_vec(), completion);
        Self { services, done, next_id: AtomicU64::new(0) }
    }

    fn request(&self, url: &str) -> HttpRequest {
        HttpRequest {
            id: ExchangeId(self.next_id.fetch_add(1, Ordering::Relaxed)),
            purpose: Purpose::Tracker,
            url: url.to_owned(),
            family: Family::Any,
            timeout: PATIENCE / 2,
            body_bytes_max: 1000,
            post: None,
        }
    }

    /// Begins an exchange that the test ends before its time-out does.
    fn begin(&self, url: &str) -> ExchangeId {
        let request = HttpRequest { timeout: PATIENCE * 10, ..self.request(url) };
        let id = request.id;
        self.services.http(request).unwrap();
        id
    }

    fn next(&self) -> ServiceDone {
        self.done.recv_timeout(PATIENCE).expect("an answer to come")
    }

    fn fetch(&self, request: HttpRequest) -> Result<HttpReply, HttpError> {
        let asked = request.id;
        self.services.http(request).unwrap();
        match self.next() {
            ServiceDone::Http(id, reply) => {
                assert_eq!(id, asked);
                reply
            }
            ServiceDone::Resolved(resolved) => panic!("nobody asked for {resolved:?}"),
        }
    }

    fn get(&self, url: &str) -> Result<HttpReply, HttpError> {
        self.fetch(self.request(url))
    }

    fn resolve(&self, host: &str, timeout: Duration) -> Vec<IpAddr> {
        let id = ExchangeId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let host = host.to_owned();
        let request = ResolveRequest { id, purpose: Purpose::Tracker, host, timeout };
        self.services.resolve(request).unwrap();
        match self.next() {
            ServiceDone::Resolved(resolved) => {
                assert_eq!(resolved.id, id);
                resolved.addrs
            }
            ServiceDone::Http(id, reply) => panic!("nobody asked for {id:?}: {reply:?}"),
        }
    }
}

#[test]
fn the_real_service_passes_the_table() {
    let real = Real::start();
    let last: Mutex<Option<Heard>> = Mutex::new(None);
    table::run(&World {
        listen: &|ip, peer| {
            let (port, heard) = listen(ip, peer);
            *last.lock().unwrap() = Some(heard);
            port
        },
        fetch: &|request| real.fetch(request),
        heard: &|| last.lock().unwrap().take().and_then(|heard| heard.try_recv().ok()),
    });
}

#[test]
fn more_exchanges_than_run_at_once_all_finish() {
    let real = Real::start();
    let (port, _heard) = listen(LOOPBACK, &SAYS_HI);
    let mut asked: Vec<_> =
        (0..EXCHANGES_MAX + 10).map(|_| real.begin(&format!("http://127.0.0.1:{port}/"))).collect();
    while !asked.is_empty() {
        let ServiceDone::Http(id, reply) = real.next() else { panic!("nothing was resolved") };
        assert_eq!(reply.unwrap().body, b"hi");
        let at = asked.iter().position(|asked| *asked == id).expect("each answered once");
        asked.swap_remove(at);
    }
}

#[test]
fn the_queue_is_bounded_and_a_refused_request_comes_back() {
    let real = Real::start();
    let (port, heard) = listen(LOOPBACK, &STALLS);
    let url = format!("http://127.0.0.1:{port}/");
    for _ in 0..EXCHANGES_MAX {
        real.begin(&url);
    }
    for _ in 0..EXCHANGES_MAX {
        heard.recv_timeout(PATIENCE).expect("all begun");
    }
    for _ in 0..WAITING_MAX {
        real.begin(&url);
    }
    let refused = real.request(&url);
    assert_eq!(real.services.http(refused.clone()), Err(refused.clone()));
    // One that waits is cancelled: there is room again, and the one that ran is still alone.
    assert!(real.services.cancel(ExchangeId(EXCHANGES_MAX as u64)));
    assert_eq!(real.services.http(refused), Ok(()));
    // One that runs is cancelled: one that waits is begun.
    assert!(heard.try_recv().is_err());
    assert!(real.services.cancel(ExchangeId(0)));
    heard.recv_timeout(PATIENCE).expect("another one begun");
    assert!(real.done.try_recv().is_err());
}

#[test]
fn cancel_hangs_up_and_nothing_is_completed() {
    let real = Real::start();
    let (gone, hung_up) = channel();
    let (port, heard) = peers::listen_and_tell(LOOPBACK, &STALLS, move || gone.send(()).unwrap());
    let id = real.begin(&format!("http://127.0.0.1:{port}/"));
    heard.recv_timeout(PATIENCE).expect("the request");
    assert!(real.services.cancel(id));
    assert!(!real.services.cancel(id));
    hung_up.recv_timeout(PATIENCE).expect("a hang-up");
    // What comes next is the answer to the next request.
    let (port, _heard) = listen(LOOPBACK, &SAYS_HI);
    assert_eq!(real.get(&format!("http://127.0.0.1:{port}/")).unwrap().body, b"hi");
}

#[test]
fn a_finished_exchange_cannot_be_cancelled() {
    let real = Real::start();
    let request = real.request("mailto:nobody");
    let id = request.id;
    assert_eq!(real.fetch(request), Err(HttpError::BadUrl));
    assert!(!real.services.cancel(id));
}

#[test]
fn dropping_the_services_hangs_up_and_ends_the_thread() {
    let real = Real::start();
    let (gone, hung_up) = channel();
    let (port, heard) = peers::listen_and_tell(LOOPBACK, &STALLS, move || gone.send(()).unwrap());
    real.begin(&format!("http://127.0.0.1:{port}/"));
    heard.recv_timeout(PATIENCE).expect("the request");
    let Real { services, done, .. } = real;
    drop(services);
    hung_up.recv_timeout(PATIENCE).expect("a hang-up");
    assert!(done.recv_timeout(PATIENCE).is_err(), "no answer, and the sender is gone");
}
