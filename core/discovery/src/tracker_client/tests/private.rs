//! What trackers that keep accounts hear of us, and what they must never hear.

use super::*;

fn private(tiers: &[&[&str]], left: u64) -> AnnounceSpec {
    AnnounceSpec { private: true, ..spec(tiers, Some(left)) }
}

/// Plays a script against a private torrent of 9 bytes with two families, and gives back what went
/// out and was told. Steps: `<second> <what>`, where what is `ok` (the newest exchange is answered),
/// `ok 600` and `ok 600 300` (with an interval and a minimum), `no` (a failure reason), `lost`
/// (time-out), `off` (connection refused), `none` (no address), `hungry`, `done`, `quit`.
fn play(tiers: &[&[&str]], script: &[&str]) -> Vec<String> {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, private(tiers, 9), at(0));
    let mut lines = bench.drain();
    for step in script {
        let mut words = step.split(' ');
        let mut number = || words.next().map(str::to_owned);
        let second: u64 = number().unwrap().parse().unwrap();
        bench.sleep_until(second);
        lines.extend(bench.drain().into_iter().map(|line| format!("{second}: {line}")));
        let newest = bench.http.len() - 1;
        match number().unwrap().as_str() {
            "ok" => {
                let interval = number().unwrap_or("1800".to_owned());
                let least =
                    number().map(|least| format!("12:min intervali{least}e")).unwrap_or_default();
                bench.body(newest, format!("d8:intervali{interval}e{least}e").as_bytes(), second);
            }
            "no" => bench.body(newest, b"d14:failure reason7:unknowne", second),
            "lost" => bench.error(newest, HttpError::Timeout, second),
            "off" => bench.error(newest, HttpError::Connect("refused".into()), second),
            "none" => bench.error(newest, HttpError::NoAddress, second),
            "hungry" => bench.client.want_peers(T, at(second)),
            "done" => bench.client.on_completed(T, at(second)),
            "quit" => bench.client.remove(T, at(second)),
            "wait" => {}
            other => panic!("{other}?"),
        }
        lines.extend(bench.drain().into_iter().map(|line| format!("{second}: {line}")));
    }
    // Only what goes out: reports are told of in other tests.
    lines.retain(|line| line.contains(" left "));
    lines.iter().map(|line| line.replace("http://", "").replace(" left", "")).collect()
}

/// What it shows, the tiers, the script of [`play`], what goes out.
type Case<'a> = (&'a str, &'a [&'a [&'a str]], &'a [&'a str], &'a [&'a str]);

const ONE: &[&[&str]] = &[&["http://a/x"]];
const TWO: &[&[&str]] = &[&["http://a/x"], &["http://b/x"]];

const CASES: &[Case<'_>] = &[
    (
        "each event once, over one family",
        ONE,
        &["1 ok", "5 done", "6 ok", "7 done", "9 quit"],
        &["a/x V4 started 9", "5: a/x V4 completed 0", "9: a/x V4 stopped 0"],
    ),
    (
        "the interval is waited for, hungry or not",
        ONE,
        &["1 ok", "2 hungry", "1800 wait", "1801 wait"],
        &["a/x V4 started 9", "1801: a/x V4 - 9"],
    ),
    (
        "however long it is",
        ONE,
        &["0 ok 7200", "7199 wait", "7200 wait"],
        &["a/x V4 started 9", "7200: a/x V4 - 9"],
    ),
    (
        "a minimum is for the hungry",
        ONE,
        &["0 ok 1800 600", "1 hungry", "599 wait", "600 wait", "601 ok 1800 600", "2400 wait"],
        &["a/x V4 started 9", "600: a/x V4 - 9"],
    ),
    (
        "the other family only if the first never reached it",
        ONE,
        &["1 off", "2 ok", "3 done", "4 ok", "5 quit"],
        &[
            "a/x V4 started 9",
            "1: a/x V6 started 9",
            "3: a/x V6 completed 0",
            "5: a/x V6 stopped 0",
        ],
    ),
    (
        "a name without an address of one family",
        ONE,
        &["1 none", "2 ok", "1802 wait"],
        &["a/x V4 started 9", "1: a/x V6 started 9", "1802: a/x V6 - 9"],
    ),
    (
        "what may have been heard is said again over the same family",
        ONE,
        &["1 lost", "30 wait"],
        &["a/x V4 started 9", "30: a/x V4 started 9"],
    ),
    (
        "a family that was heard is kept when it fails",
        ONE,
        &["1 ok", "1801 off", "1830 wait"],
        &["a/x V4 started 9", "1801: a/x V4 - 9", "1830: a/x V4 - 9"],
    ),
    (
        "both families off: back to the first, after a pause",
        ONE,
        &["1 off", "1 off", "10 wait", "30 wait"],
        &["a/x V4 started 9", "1: a/x V6 started 9", "30: a/x V4 started 9"],
    ),
    (
        "a refusal is not argued with",
        ONE,
        &["1 no", "300 wait", "301 wait"],
        &["a/x V4 started 9", "301: a/x V4 started 9"],
    ),
    (
        "one tracker at a time, and the one that works is kept",
        TWO,
        &["1 no", "2 ok", "1700 wait", "1802 ok", "3602 wait"],
        &["a/x V4 started 9", "1: b/x V4 started 9", "1802: b/x V4 - 9", "3602: b/x V4 - 9"],
    ),
    (
        "who leaves while it starts says so once it was heard",
        ONE,
        &["1 quit", "2 ok", "3 ok"],
        &["a/x V4 started 9", "2: a/x V4 stopped 9"],
    ),
    (
        "and not to a tracker that never heard of it",
        ONE,
        &["1 quit", "2 lost", "20 wait"],
        &["a/x V4 started 9"],
    ),
    (
        "an earlier one waits for the answer of a later one",
        TWO,
        &["1 lost", "17 hungry", "17 ok", "1816 wait"],
        &["a/x V4 started 9", "1: b/x V4 started 9"],
    ),
    (
        "completed goes to one of them",
        TWO,
        &["1 ok", "1801 lost", "1802 ok", "1803 done", "1804 ok", "1805 wait"],
        &[
            "a/x V4 started 9",
            "1801: a/x V4 - 9",
            "1801: b/x V4 started 9",
            "1803: b/x V4 completed 0",
        ],
    ),
];

#[test]
fn announces_by_table() {
    for &(name, tiers, script, want) in CASES {
        assert_eq!(play(tiers, script), want, "{name}");
    }
}

#[test]
fn a_public_torrent_is_announced_over_both_families_under_one_key() {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, spec(&[&["http://a/x"]], Some(9)), at(0));
    assert_eq!(bench.drain().len(), 2);
    for what in ["peer_id", "key", "port"] {
        let [v4, v6] = [0, 1].map(|at| param(&bench.http[at].url, what).unwrap());
        assert_eq!(v4, v6, "{what}");
    }
    assert_eq!(param(&bench.http[0].url, "key"), Some("00c0ffee"));
}

#[test]
fn what_was_complete_in_an_earlier_run_is_never_completed_again() {
    for was_complete in [false, true] {
        let mut bench = Bench::new(true, false);
        let spec = AnnounceSpec { was_complete, ..private(&[&["http://a/x"]], 9) };
        bench.client.add(T, spec, at(0));
        assert_eq!(bench.drain(), ["http://a/x V4 started left 9"]);
        bench.body(0, GOOD, 1);
        bench.drain();
        bench.client.on_completed(T, at(2));
        let told = bench.drain();
        assert_eq!(told.len(), usize::from(!was_complete), "{told:?}");
    }
}

#[test]
fn over_udp_the_announces_of_a_private_torrent_go_to_one_address() {
    let mut bench = Bench::new(true, true);
    bench.client.add(T, private(&[&["udp://t:5/x"]], 9), at(0));
    assert_eq!(bench.drain(), ["resolve t"]);
    let addrs = vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
    bench.client.on_resolved(Resolved { id: bench.names[0].id, addrs }, at(1));
    assert_eq!(bench.drain(), ["connect to 192.0.2.1:5"]);
}
