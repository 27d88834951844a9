use base::PeerId;
use wire::tracker::Event;

use super::*;

fn at(s: u64) -> Instant {
    Instant::START.after(Duration::from_secs(s))
}

fn server() -> SocketAddr {
    "192.0.2.1:6969".parse().unwrap()
}

fn query() -> UdpQuery {
    let request = AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
        port: 1,
        uploaded_bytes: 2,
        downloaded_bytes: 3,
        left_bytes: 4,
        event: Event::Started,
        key: 5,
        numwant: Some(80),
        tracker_id: None,
    };
    UdpQuery::Announce { request, url_data: "/announce?pass=1".to_owned() }
}

struct Bench {
    udp: Udp,
    sent: Vec<Vec<u8>>,
}

impl Bench {
    fn new(in_flight_max: usize) -> Self {
        let limits = UdpLimits { tries: 4, in_flight_max };
        Self { udp: Udp::new(limits, Rng::from_seed(1)), sent: Vec::new() }
    }

    /// `connect`, `announce` and `scrape` went out; `1 ok`, `1 silent` and the like are results.
    fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(out) = self.udp.poll() {
            lines.push(match out {
                UdpOut::Send { bytes, .. } => {
                    let name = ["connect", "announce", "scrape"][usize::from(bytes[11])];
                    self.sent.push(bytes);
                    name.to_owned()
                }
                UdpOut::Done { ask, result: Ok(UdpReply::Announced(announced)) } => {
                    format!("{} {:?}", ask.0, announced.interval)
                }
                UdpOut::Done { ask, result: Ok(UdpReply::Scraped(counts)) } => {
                    format!("{} {}", ask.0, counts.complete)
                }
                UdpOut::Done { ask, result: Err(UdpFailure::Silent { unheard }) } => {
                    format!("{} silent{}", ask.0, if unheard { " unheard" } else { "" })
                }
                UdpOut::Done { ask, result: Err(UdpFailure::Refused(words)) } => {
                    format!("{} {words}", ask.0)
                }
            });
        }
        lines
    }

    /// Answers the datagram numbered `number` with `action` and `rest`.
    fn answer(&mut self, number: usize, action: u32, rest: &[u8], s: u64) -> bool {
        self.answer_from(server(), number, action, rest, s)
    }

    fn answer_from(
        &mut self,
        from: SocketAddr,
        number: usize,
        action: u32,
        rest: &[u8],
        s: u64,
    ) -> bool {
        let bytes = [&action.to_be_bytes()[..], &self.sent[number][12..16], rest].concat();
        self.udp.on_datagram(from, &bytes, at(s))
    }

    fn fire(&mut self) -> Instant {
        let now = self.udp.deadline().expect("something is under way");
        self.udp.on_deadline(now);
        now
    }
}

const ANNOUNCED: [u8; 12] = [0, 0, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2];

#[test]
fn one_connection_id_serves_all_queries_for_a_minute() {
    let mut bench = Bench::new(9);
    bench.udp.begin(AskId(1), server(), query(), None, at(0));
    bench.udp.begin(AskId(2), server(), UdpQuery::Scrape(InfoHash([1; 20])), None, at(0));
    assert_eq!(bench.drain(), ["connect"]);
    assert!(bench.answer(0, 0, &[9; 8], 1));
    assert_eq!(bench.drain(), ["announce", "scrape"]);
    assert!(bench.sent[1].starts_with(&[9; 8]));
    assert!(bench.sent[1].ends_with(b"\x02\x10/announce?pass=1"));
    assert!(bench.answer(1, 1, &ANNOUNCED, 2));
    assert!(bench.answer(2, 2, &[0; 12], 2));
    assert_eq!(bench.drain(), ["1 1800s", "2 0"]);

    bench.udp.begin(AskId(3), server(), query(), None, at(60));
    assert_eq!(bench.drain(), ["announce"]);
    assert!(bench.answer(3, 1, &ANNOUNCED, 60));
    bench.drain();
    assert_eq!(bench.fire(), at(61));
    assert!(bench.udp.is_empty());
    bench.udp.begin(AskId(4), server(), query(), None, at(61));
    assert_eq!(bench.drain(), ["connect"]);
}

#[test]
fn a_silent_server_is_given_up_after_four_tries_with_all_who_wait() {
    let mut bench = Bench::new(9);
    bench.udp.begin(AskId(1), server(), query(), None, at(0));
    bench.udp.begin(AskId(2), server(), query(), None, at(100));
    let mut times = Vec::new();
    while bench.udp.deadline().is_some() {
        times.push(bench.fire());
    }
    assert_eq!(times, [at(15), at(45), at(105), at(225)]);
    assert_eq!(
        bench.drain(),
        ["connect", "connect", "connect", "connect", "1 silent unheard", "2 silent unheard"]
    );
    assert!(bench.udp.is_empty());
}

#[test]
fn a_lost_announce_is_sent_again_with_a_connection_id_that_is_still_good() {
    let mut bench = Bench::new(9);
    bench.udp.begin(AskId(1), server(), query(), None, at(0));
    bench.drain();
    bench.answer(0, 0, &[9; 8], 0);
    while bench.udp.deadline().is_some_and(|deadline| deadline < at(105)) {
        bench.fire();
    }
    assert_eq!(bench.drain(), ["announce", "announce", "announce"]);
    bench.fire();
    // The id is older than a minute now.
    assert_eq!(bench.drain(), ["connect"]);
    bench.answer(4, 0, &[8; 8], 106);
    assert_eq!(bench.drain(), ["announce"]);
    assert!(bench.sent[5].starts_with(&[8; 8]));
    assert_eq!(bench.sent[5][12..16], bench.sent[1][12..16]);
    while bench.udp.deadline().is_some_and(|deadline| deadline < at(225)) {
        bench.fire();
    }
    assert_eq!(bench.fire(), at(225));
    assert_eq!(bench.drain(), ["1 silent"]);
}

#[test]
fn replies_count_only_from_the_address_asked_and_with_its_transaction() {
    let mut bench = Bench::new(9);
    bench.udp.begin(AskId(1), server(), query(), None, at(0));
    bench.drain();
    let stranger = "192.0.2.2:6969".parse().unwrap();
    let other_port = "192.0.2.1:6968".parse().unwrap();
    assert!(!bench.answer_from(stranger, 0, 0, &[9; 8], 0));
    assert!(!bench.answer_from(other_port, 0, 0, &[9; 8], 0));
    assert!(!bench.udp.on_datagram(server(), &[0; 16], at(0)));
    assert!(!bench.udp.on_datagram(server(), b"x", at(0)));
    assert!(!bench.answer(0, 1, &ANNOUNCED, 0));
    assert!(bench.drain().is_empty());

    let mapped = "[::ffff:192.0.2.1]:6969".parse().unwrap();
    assert!(bench.answer_from(mapped, 0, 0, &[9; 8], 0));
    bench.drain();
    assert!(!bench.answer_from(stranger, 1, 1, &ANNOUNCED, 0));
    assert!(!bench.answer(1, 2, &[0; 12], 0));
    assert!(!bench.answer(1, 0, &[0; 12], 0));
    assert!(bench.drain().is_empty());
    assert!(bench.answer(1, 1, &ANNOUNCED, 0));
    assert!(!bench.answer(1, 1, &ANNOUNCED, 0));
    assert_eq!(bench.drain(), ["1 1800s"]);
}

#[test]
fn the_window_of_a_server_bounds_a_burst_and_urgent_queries_go_first() {
    let mut bench = Bench::new(2);
    for number in 1..=4 {
        bench.udp.begin(AskId(number), server(), query(), None, at(0));
    }
    bench.drain();
    bench.answer(0, 0, &[9; 8], 0);
    assert_eq!(bench.drain(), ["announce", "announce"]);
    bench.udp.begin(AskId(5), server(), query(), Some(Duration::from_secs(3)), at(0));
    bench.udp.cancel(AskId(3), at(0));
    bench.answer(1, 3, b"no", 1);
    assert_eq!(bench.drain(), ["1 no", "announce"]);
    bench.udp.on_deadline(at(3));
    assert_eq!(bench.drain(), ["5 silent", "announce"]);
    assert_eq!(bench.udp.queries.len(), 2);
}

#[test]
fn a_query_with_a_budget_ends_with_it_even_if_never_sent() {
    let mut bench = Bench::new(2);
    bench.udp.begin(AskId(1), server(), query(), Some(Duration::from_secs(3)), at(0));
    bench.udp.on_deadline(at(3));
    assert_eq!(bench.drain(), ["connect", "1 silent unheard"]);
}

#[test]
fn an_error_about_the_connection_makes_the_next_query_connect_anew() {
    let mut bench = Bench::new(2);
    bench.udp.begin(AskId(1), server(), query(), None, at(0));
    bench.drain();
    bench.answer(0, 0, &[9; 8], 0);
    bench.drain();
    bench.answer(1, 3, b"Connection ID mismatch.", 0);
    bench.udp.begin(AskId(2), server(), query(), None, at(0));
    assert_eq!(bench.drain(), ["1 Connection ID mismatch.", "connect"]);
    bench.answer(2, 3, b"go away", 0);
    assert_eq!(bench.drain(), ["2 go away"]);
    assert!(bench.udp.is_empty());
}
