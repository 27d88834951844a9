//! Shares of two shards, and classes of addresses.

use super::*;

/// Two shards that want all they can get for so many torrents each, for `seconds`: bytes moved
/// by each.
fn moved(rate: u64, chunk: u64, seconds: u64, torrents: [u32; 2]) -> [u64; 2] {
    let key = (Direction::Up, Class::Internet);
    let rates = Rates { global: Some(rate), ..Rates::default() };
    let mut hub = Leases::default();
    hub.set(&Limits { up: rates, ..Limits::default() }, Instant::START);
    let mut leases = [Lease::new(true), Lease::new(true)];
    let mut moved = [0; 2];
    let mut now = Instant::START;
    while now < Instant::START.after(Duration::from_secs(seconds)) {
        for (shard, lease) in leases.iter_mut().enumerate() {
            while lease.available() > 0 {
                lease.spend(chunk);
                moved[shard] += chunk;
            }
            if lease.must_ask(torrents[shard]) {
                hub.on_wanted(shard, key, torrents[shard]);
            }
        }
        now = hub.deadline().unwrap();
        for (shard, got, bytes) in hub.share(now) {
            assert_eq!(got, key);
            leases[shard].grant(bytes);
        }
    }
    moved
}

#[test]
fn two_greedy_shards_share_the_limit_and_never_exceed_it_by_much() {
    for (rate, chunk) in [(20 << 20, 16 << 10), (50_000, 16 << 10), (100, 1), (3, 1)] {
        let [a, b] = moved(rate, chunk, 20, [1, 1]);
        let allowed = rate * 20;
        assert!(a + b <= allowed + 2 * chunk + rate / 10, "{a} + {b} of {allowed}");
        assert!((a + b) * 100 >= allowed * 90, "{a} + {b} of {allowed}");
        assert!(a.abs_diff(b) <= allowed / 20 + chunk, "{a} and {b}");
    }
}

#[test]
fn shards_get_their_part_by_how_many_torrents_they_ask_for() {
    for (rate, weights) in [(1 << 20, [3, 1]), (50_000, [1, 9]), (1 << 30, [1000, 1])] {
        let [a, b] = moved(rate, 16 << 10, 20, weights);
        let whole = u64::from(weights[0] + weights[1]);
        let fair = (a + b) * u64::from(weights[0]) / whole;
        assert!(a.abs_diff(fair) <= (a + b) / 50 + (32 << 10), "{a} is not {fair} of {}", a + b);
    }
}

#[test]
fn a_shard_asks_again_when_it_has_twice_the_torrents() {
    let mut lease = Lease::new(true);
    let asked: Vec<u32> =
        [0, 1, 1, 2, 3, 4, 4].into_iter().filter(|&n| lease.must_ask(n)).collect();
    assert_eq!(asked, [1, 2, 4]);
    lease.grant(1);
    assert!(!lease.must_ask(4), "there is something left");
    lease.spend(1);
    assert!(lease.must_ask(4));
}

#[test]
fn without_a_limit_nothing_is_asked() {
    let mut lease = Lease::new(false);
    lease.spend(1 << 40);
    assert!(!lease.must_ask(1));
    assert_eq!(lease.available(), usize::MAX);
}

#[test]
fn a_limit_that_changes_holds_from_then_on() {
    let key = (Direction::Down, Class::Internet);
    let limits = |global| {
        let down = Rates { global, ..Rates::default() };
        Limits { down, ..Limits::default() }
    };
    let mut hub = Leases::default();
    let at = |ms| Instant::START.after(Duration::from_millis(ms));
    hub.set(&limits(Some(1000)), at(0));
    hub.on_wanted(0, key, 1);
    assert_eq!(hub.share(at(50)), [(0, key, 50)]);
    hub.set(&limits(Some(4000)), at(50));
    hub.on_wanted(0, key, 1);
    assert_eq!(hub.share(at(100)), [(0, key, 200)]);
    hub.set(&limits(None), at(100));
    hub.on_wanted(0, key, 1);
    assert_eq!((hub.deadline(), hub.share(at(1000))), (None, Vec::new()));
}

#[test]
fn what_is_made_ready_for_a_peer_goes_by_the_smaller_limit() {
    const BLOCKS: u64 = 8 * 16384;
    for (global, torrent, expected) in [
        (None, None, u64::MAX),
        (Some(8 << 20), None, 1 << 20),
        (Some(80 << 20), Some(16 << 20), 2 << 20),
        (None, Some(1000), BLOCKS),
    ] {
        let rates = Rates { global, torrent, ..Rates::default() };
        assert_eq!(rates.ahead_bytes(), expected, "{rates:?}");
    }
}

#[test]
fn addresses_have_a_class() {
    for (class, addrs) in [
        (Class::Lan, "127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1"),
        (Class::Lan, "169.254.1.1 ::1 fe80::1 febf::1 fc00::1 fdff::1 ::ffff:192.168.1.1"),
        (Class::Internet, "172.15.0.1 172.32.0.1 192.169.0.1 100.64.0.1 8.8.8.8 169.253.0.1"),
        (Class::Internet, "2001:db8::1 fec0::1 fe00::1 ::ffff:8.8.8.8 2002:c0a8:101::1"),
    ] {
        for addr in addrs.split(' ') {
            assert_eq!(Class::of(addr.parse().unwrap()), class, "{addr}");
        }
    }
}

#[test]
fn the_local_network_is_limited_with_the_others_or_apart() {
    let rates = |lan| Rates { global: Some(10), torrent: Some(5), lan };
    for (lan, class, leased, per_torrent) in [
        (LanLimit::Shared, Class::Internet, Some(10), Some(5)),
        (LanLimit::Apart(None), Class::Lan, None, None),
        (LanLimit::Apart(Some(7)), Class::Lan, Some(7), None),
    ] {
        let rates = rates(lan);
        assert_eq!(rates.class(Class::Lan), class);
        assert_eq!(rates.class(Class::Internet), Class::Internet);
        assert_eq!((rates.leased(class), rates.per_torrent(class)), (leased, per_torrent));
        assert_eq!(rates.leased(Class::Internet), Some(10));
    }
}
