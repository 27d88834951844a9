//! The cost of an event does not depend on the number of torrents.

use super::*;

/// Adds `count` torrents of one HTTP tracker, answers all, and lets each announce a second time.
/// Answers with the most torrents looked at, and outputs given, by one call after that.
fn costs(count: u32) -> (u64, usize) {
    let mut bench = Bench::new(true, false);
    for number in 0..count {
        let spec = spec(&[&["http://t/a"]], Some(9));
        bench.client.add(swarm(number), spec, at(0));
    }
    bench.drain();
    let mut answered = 0;
    let mut now = at(0);
    let (mut visits_most, mut outputs_most) = (0, 0);
    while answered < 2 * count as usize {
        let visits = bench.client.visits;
        if answered < bench.http.len() {
            let reply =
                HttpReply { status: 200, location: None, content_type: None, body: GOOD.to_vec() };
            bench.client.on_http(bench.http[answered].id, Ok(reply), now);
            answered += 1;
        } else {
            now = now.max(bench.client.deadline().expect("announces go on"));
            bench.client.on_deadline(now);
        }
        visits_most = visits_most.max(bench.client.visits - visits);
        outputs_most = outputs_most.max(bench.drain().len());
        let in_flight = bench.http.len() - answered;
        assert!(in_flight <= Config::default().http_concurrent_max);
    }
    (visits_most, outputs_most)
}

#[test]
fn an_event_costs_the_same_with_ten_thousand_torrents() {
    let few = costs(1_000);
    let many = costs(10_000);
    assert_eq!(few, many);
    assert!(many.0 <= WAKES_PER_CALL_MAX as u64, "{many:?}");
}
