//! Scenarios of one or a few torrents, told in lines; `world` has the random ones.

mod private;
mod scale;
mod world;

use base::{HttpRequest, ResolveRequest, TorrentId};

use super::*;

const T: SwarmId = swarm(1);

/// A torrent is a swarm, unless it has two names.
const fn swarm(number: u32) -> SwarmId {
    SwarmId { torrent: TorrentId(number), v2: false }
}

fn at(s: u64) -> Instant {
    Instant::START.after(Duration::from_secs(s))
}

fn spec(tiers: &[&[&str]], left: Option<u64>) -> AnnounceSpec {
    AnnounceSpec {
        info_hash: InfoHash([b'h'; 20]),
        peer_id: PeerId([b'p'; 20]),
        key: 0x00c0_ffee,
        tiers: tiers.iter().map(|tier| tier.iter().map(|&url| url.to_owned()).collect()).collect(),
        private: false,
        progress: Progress { left_bytes: left, ..Progress::default() },
        was_complete: false,
    }
}

/// The value of `key` in the query of `url`.
fn param<'a>(url: &'a str, key: &str) -> Option<&'a str> {
    let query = url.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

struct Bench {
    client: TrackerClient,
    http: Vec<HttpRequest>,
    names: Vec<ResolveRequest>,
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
}

impl Bench {
    fn new(v4: bool, v6: bool) -> Self {
        let config = Config { families: Families { v4, v6 }, ..Config::default() };
        Self {
            client: TrackerClient::new(config, Rng::from_seed(1)),
            http: Vec::new(),
            names: Vec::new(),
            datagrams: Vec::new(),
        }
    }

    fn drain(&mut self) -> Vec<String> {
        let outputs: Vec<Output> = core::iter::from_fn(|| self.client.poll_output()).collect();
        outputs.into_iter().map(|output| self.line(output)).collect()
    }

    fn line(&mut self, output: Output) -> String {
        match output {
            Output::Http(request) => {
                let url = &request.url;
                let (place, _) = url.split_once('?').unwrap_or((url, ""));
                let event = param(url, "event").unwrap_or("-");
                let left = param(url, "left").unwrap_or("-");
                let line = format!("{place} {:?} {event} left {left}", request.family);
                self.http.push(request);
                line
            }
            Output::CancelHttp(id) => {
                let number = self.http.iter().position(|request| request.id == id);
                format!("cancel {}", number.unwrap())
            }
            Output::Resolve(request) => {
                let line = format!("resolve {}", request.host);
                self.names.push(request);
                line
            }
            Output::Datagram { to, bytes } => {
                let action = ["connect", "announce", "scrape"][usize::from(bytes[11])];
                self.datagrams.push((to, bytes));
                format!("{action} to {to}")
            }
            Output::Peers { addrs, .. } => format!("peers {addrs:?}"),
            Output::Report { tracker, report, .. } => match report {
                TrackerReport::Failed { reason, retry_in } => {
                    format!("{tracker} failed: {reason}, again {}", retry_in.is_some())
                }
                TrackerReport::Working { seeders, leechers, next_announce_in } => {
                    format!("{tracker} works {seeders:?} {leechers:?} {next_announce_in:?}")
                }
                TrackerReport::Warning(_)
                | TrackerReport::Ignored(_)
                | TrackerReport::Scraped { .. }
                | TrackerReport::ScrapeFailed { .. } => format!("{tracker} {report:?}"),
            },
            Output::ExternalAddr(addr) => format!("we are {addr}"),
            Output::StoppedAll { .. } => "stopped all".to_owned(),
        }
    }

    /// Answers the exchange numbered `number` with a body, at second `s`.
    fn body(&mut self, number: usize, body: &[u8], s: u64) {
        let reply =
            HttpReply { status: 200, location: None, content_type: None, body: body.to_vec() };
        self.client.on_http(self.http[number].id, Ok(reply), at(s));
    }

    fn error(&mut self, number: usize, error: HttpError, s: u64) {
        self.client.on_http(self.http[number].id, Err(error), at(s));
    }

    /// Runs to second `s` without any answers.
    fn sleep_until(&mut self, s: u64) {
        while let Some(deadline) = self.client.deadline().filter(|&deadline| deadline <= at(s)) {
            self.client.on_deadline(deadline);
        }
    }
}

const GOOD: &[u8] = b"d8:intervali1800ee";

#[test]
fn a_life_over_http() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://t/announce"]], Some(100)), at(0));
    assert_eq!(bench.drain(), ["http://t/announce V4 started left 100"]);
    assert_eq!(param(&bench.http[0].url, "numwant"), Some("80"));
    assert!(TrackerClient::owns(bench.http[0].id));
    let body = b"d8:completei3e11:external ip4:\xc0\x00\x02\x0110:incompletei4e8:intervali900e\
        5:peers24:\xc0\x00\x02\x01\x1a\xe1\xc0\x00\x02\x02\x00\x01\xe0\x00\x00\x01\x00\x01\
        \xc0\x00\x02\x02\x00\x01e";
    bench.body(0, body, 1);
    assert_eq!(
        bench.drain(),
        ["we are 192.0.2.1", "peers [192.0.2.2:1]", "http://t/announce works Some(3) Some(4) 900s"]
    );
    bench.client.set_progress(
        T,
        Progress { uploaded_bytes: 7, downloaded_bytes: 60, left_bytes: Some(40) },
    );
    bench.sleep_until(900);
    assert!(bench.drain().is_empty());
    bench.client.enough_peers(T);
    bench.sleep_until(901);
    assert_eq!(bench.drain(), ["http://t/announce V4 - left 40"]);
    assert_eq!(param(&bench.http[1].url, "uploaded"), Some("7"));
    assert_eq!(param(&bench.http[1].url, "numwant"), Some("0"));
    bench.body(1, GOOD, 902);
    bench.drain();
    bench.client.on_completed(T, at(950));
    bench.client.on_completed(T, at(950));
    assert_eq!(bench.drain(), ["http://t/announce V4 completed left 0"]);
    bench.body(2, GOOD, 951);
    bench.client.on_completed(T, at(952));
    bench.drain();
    bench.client.remove(T, at(960));
    assert_eq!(bench.drain(), ["http://t/announce V4 stopped left 0"]);
    assert_eq!(bench.http[3].timeout, Duration::from_secs(3));
    bench.body(3, GOOD, 961);
    assert_eq!(bench.drain(), ["stopped all"]);
    assert_eq!(bench.client.deadline(), None);
}

#[test]
fn a_torrent_complete_at_first_never_says_completed() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://t/a"]], Some(0)), at(0));
    bench.drain();
    bench.body(0, GOOD, 1);
    bench.drain();
    bench.client.on_completed(T, at(2));
    assert!(bench.drain().is_empty());
}

#[test]
fn completed_is_repeated_only_if_it_certainly_was_not_heard() {
    for (error, until, again) in [
        (HttpError::Connect("refused".to_owned()), 20, "http://t/a V4 completed left 0"),
        // Heard, perhaps: the next one is a usual announce, and keeps the minimum of 300 s.
        (HttpError::Timeout, 301, "http://t/a V4 - left 0"),
    ] {
        let mut bench = Bench::new(true, false);
        bench.client.add(T, spec(&[&["http://t/a"]], None), at(0));
        assert_eq!(bench.drain(), ["http://t/a V4 started left 16384"]);
        bench.body(0, GOOD, 1);
        bench.client.on_completed(T, at(2));
        bench.drain();
        bench.error(1, error, 3);
        bench.drain();
        bench.sleep_until(until - 15);
        assert!(bench.drain().is_empty());
        bench.sleep_until(until);
        assert_eq!(bench.drain(), [again]);
    }
}

#[test]
fn both_families_announce_and_a_family_without_address_is_no_failure() {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, spec(&[&["http://t/a"], &["http://u/a"]], Some(9)), at(0));
    assert_eq!(bench.drain(), ["http://t/a V4 started left 9", "http://t/a V6 started left 9"]);
    let keys = [0, 1].map(|at| param(&bench.http[at].url, "key").unwrap().to_owned());
    assert_eq!(keys[0], keys[1]);
    bench.error(1, HttpError::NoAddress, 1);
    assert!(bench.drain().is_empty());
    bench.body(0, GOOD, 2);
    assert_eq!(bench.drain(), ["http://t/a works None None 1800s"]);
    bench.client.on_completed(T, at(3));
    assert_eq!(bench.drain(), ["http://t/a V4 completed left 0"]);
    bench.error(2, HttpError::NoAddress, 4);
    let lines = bench.drain();
    assert_eq!(lines[0], "http://t/a failed: the name has no address, again true");
    assert_eq!(lines[1..], ["http://u/a V4 started left 0", "http://u/a V6 started left 0"]);
}

#[test]
fn a_tier_is_tried_whole_before_the_next() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://a/", "http://b/"], &["http://c/"]], Some(9)), at(0));
    let mut order = Vec::new();
    for number in 0..3 {
        bench.drain();
        order.push(bench.http[number].url.as_bytes()[7]);
        bench.error(number, HttpError::Timeout, 0);
    }
    bench.drain();
    assert_eq!(bench.http.len(), 3);
    assert_eq!(order[2], b'c');
    bench.sleep_until(17);
    bench.drain();
    assert!(bench.http.len() > 3);
}

#[test]
fn unusable_trackers_are_reported_once() {
    let mut bench = Bench::new(true, false);
    let tiers: &[&[&str]] = &[&["wss://t/", "udp://t/", "http://[2001:db8::1]/a", "?"]];
    bench.client.add(T, spec(tiers, Some(9)), at(0));
    assert_eq!(
        bench.drain(),
        [
            "wss://t/ Ignored(Scheme)",
            "udp://t/ Ignored(NoPort)",
            "http://[2001:db8::1]/a Ignored(Family)",
            "? Ignored(NotAUrl)"
        ]
    );
    bench.client.want_peers(T, at(1));
    assert!(bench.drain().is_empty());
    bench.client.remove(T, at(2));
    assert_eq!(bench.drain(), ["stopped all"]);
}

#[test]
fn repetitions_and_trackers_beyond_the_bound_are_left_out() {
    let mut bench = Bench::new(true, false);
    let urls: Vec<String> = (0..300).map(|number| format!("http://t{number}/")).collect();
    let mut names: Vec<&str> = urls.iter().map(String::as_str).collect();
    names.insert(1, "http://T0:80/#again");
    bench.client.add(T, spec(&[&names], Some(9)), at(0));
    let ignored = bench.drain().iter().filter(|line| line.ends_with("Ignored(TooMany)")).count();
    let walk = &bench.client.torrents[&T].walk;
    assert_eq!(walk.trackers.len(), TRACKERS_MAX);
    assert_eq!(ignored, URLS_MAX - TRACKERS_MAX - 1);
}

#[test]
fn never_means_never_and_minutes_are_waited() {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, spec(&[&["http://t/a"]], Some(9)), at(0));
    bench.drain();
    bench.body(0, b"d14:failure reason4:busy8:retry ini30ee", 1);
    bench.error(1, HttpError::Timeout, 1);
    assert_eq!(bench.drain(), ["http://t/a failed: no answer in time, again true"]);
    bench.sleep_until(15);
    let before = bench.http.len();
    bench.error(before - 1, HttpError::Timeout, 15);
    bench.drain();
    bench.sleep_until(1800);
    assert!(bench.drain().iter().all(|line| !line.contains("V4")));
    bench.sleep_until(1801);
    assert!(bench.drain().contains(&"http://t/a V4 started left 9".to_owned()));
    let number = bench.http.iter().rposition(|request| request.family == Family::V4).unwrap();
    bench.body(number, b"d14:failure reason4:gone8:retry in5:nevere", 1802);
    let lines = bench.drain();
    assert_eq!(lines.last().unwrap(), "http://t/a failed: gone, again false");
    bench.client.want_peers(T, at(9000));
    bench.sleep_until(99_000);
    assert!(bench.drain().is_empty());
    assert_eq!(bench.client.deadline(), None);
}

#[test]
fn a_silent_tracker_is_passed_over_unless_the_torrent_is_private() {
    for private in [false, true] {
        let mut bench = Bench::new(true, false);
        let mut spec = spec(&[&["http://a/"], &["http://b/"]], Some(9));
        spec.private = private;
        bench.client.add(T, spec, at(0));
        assert_eq!(bench.drain(), ["http://a/ V4 started left 9"]);
        bench.sleep_until(6);
        let second = ["http://b/ V4 started left 9".to_owned()];
        assert_eq!(bench.drain(), if private { &[][..] } else { &second[..] });
        bench.sleep_until(17);
        let lines = bench.drain();
        assert_eq!(lines[..2], ["cancel 0", "http://a/ failed: no answer in time, again true"]);
        assert_eq!(&lines[2..], if private { &second[..] } else { &[][..] });
    }
}

#[test]
fn hunger_waits_for_the_minimum_interval() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://t/a"]], Some(9)), at(0));
    bench.drain();
    bench.body(0, b"d8:intervali1800e12:min intervali600ee", 0);
    bench.client.want_peers(T, at(1));
    bench.sleep_until(599);
    assert_eq!(bench.drain(), ["http://t/a works None None 1800s"]);
    bench.sleep_until(600);
    assert_eq!(bench.drain(), ["http://t/a V4 - left 9"]);
}

#[test]
fn a_life_over_udp() {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, spec(&[&["udp://t:5/a?b"]], Some(9)), at(0));
    assert_eq!(bench.drain(), ["resolve t"]);
    let id = bench.names[0].id;
    assert!(TrackerClient::owns(id));
    let addrs = vec!["192.0.2.1".parse().unwrap(), "192.0.2.9".parse().unwrap()];
    bench.client.on_resolved(Resolved { id, addrs }, at(1));
    assert_eq!(bench.drain(), ["connect to 192.0.2.1:5"]);
    let reply = |bench: &mut Bench, number: usize, action: u32, rest: &[u8], s: u64| {
        let (from, sent) = bench.datagrams[number].clone();
        let bytes = [&action.to_be_bytes()[..], &sent[12..16], rest].concat();
        assert!(bench.client.on_datagram(from, &bytes, at(s)));
    };
    reply(&mut bench, 0, 0, &[7; 8], 2);
    assert_eq!(bench.drain(), ["announce to 192.0.2.1:5"]);
    assert!(bench.datagrams[1].1.ends_with(b"\x02\x04/a?b"));
    let swarm = b"\0\0\x02\x58\0\0\0\x01\0\0\0\x02\xc0\0\x02\x05\0\x01";
    reply(&mut bench, 1, 1, swarm, 3);
    assert_eq!(bench.drain(), ["peers [192.0.2.5:1]", "udp://t:5/a?b works Some(2) Some(1) 600s"]);
    bench.client.scrape(T, at(4));
    bench.client.scrape(T, at(4));
    assert_eq!(bench.drain(), ["scrape to 192.0.2.1:5"]);
    reply(&mut bench, 2, 2, b"\0\0\0\x01\0\0\0\x02\0\0\0\x03", 5);
    assert_eq!(bench.drain(), ["udp://t:5/a?b Scraped { seeders: 1, leechers: 3, downloaded: 2 }"]);
    bench.client.scrape(T, at(6));
    // By BEP 15 the interval binds: hunger can't shorten it.
    bench.client.want_peers(T, at(6));
    bench.sleep_until(602);
    assert!(bench.drain().is_empty());
    bench.client.remove(T, at(602));
    assert_eq!(bench.drain(), ["resolve t"]);
    bench.sleep_until(606);
    assert!(bench.drain().is_empty());
    bench.sleep_until(607);
    assert_eq!(bench.drain(), ["stopped all"]);
}

#[test]
fn scrapes_go_by_the_convention_of_bep_48() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://t/x/announce?k=1"]], Some(9)), at(0));
    bench.body_after_drain(0, GOOD, 0);
    bench.client.scrape(T, at(60));
    assert_eq!(bench.drain()[1..], ["http://t/x/scrape V4 - left -"]);
    let body = b"d5:filesd20:hhhhhhhhhhhhhhhhhhhhd8:completei5e10:downloadedi6e10:incompletei7eeee";
    bench.body(1, body, 61);
    assert_eq!(
        bench.drain(),
        ["http://t/x/announce?k=1 Scraped { seeders: 5, leechers: 7, downloaded: 6 }"]
    );
    bench.client.add(swarm(2), spec(&[&["http://u/x"]], Some(9)), at(0));
    bench.body_after_drain(2, GOOD, 61);
    bench.client.scrape(swarm(2), at(61));
    let lines = bench.drain();
    assert!(lines[1].contains("ScrapeFailed"), "{lines:?}");
}

#[test]
fn a_torrent_added_again_while_it_stops_starts_anew() {
    let mut bench = Bench::new(true, false);
    bench.client.add(T, spec(&[&["http://t/a"]], Some(9)), at(0));
    bench.body_after_drain(0, GOOD, 0);
    bench.client.remove(T, at(1));
    bench.client.add(T, spec(&[&["http://t/a"]], Some(9)), at(2));
    assert_eq!(
        bench.drain()[1..],
        ["http://t/a V4 stopped left 9", "stopped all", "cancel 1", "http://t/a V4 started left 9"]
    );
}

impl Bench {
    fn body_after_drain(&mut self, number: usize, body: &[u8], s: u64) {
        self.drain();
        self.body(number, body, s);
    }
}

#[test]
fn a_port_that_the_router_maps_is_told_over_ipv4_alone() {
    let mut bench = Bench::new(true, true);
    for (torrent, mapped, expected) in [
        (1, None, ["6881", "6881"]),
        (2, Some(51413), ["51413", "6881"]),
        (3, None, ["6881", "6881"]),
    ] {
        bench.client.set_mapped_port(mapped);
        bench.client.add(swarm(torrent), spec(&[&["http://t.example/a"]], None), at(0));
        bench.drain();
        let mut ports: Vec<(Family, String)> = std::mem::take(&mut bench.http)
            .iter()
            .map(|request| (request.family, param(&request.url, "port").unwrap().to_owned()))
            .collect();
        ports.sort();
        let said: Vec<&str> = ports.iter().map(|(_, port)| port.as_str()).collect();
        assert_eq!(said, expected, "{ports:?}");
    }
}
