//! A small network in memory: every datagram takes 20 to 120 ms.

use super::*;

mod liars;

/// From, to and content of a datagram.
type Flight = (SocketAddr, SocketAddr, Vec<u8>);

struct World {
    now: Instant,
    rng: Rng,
    nodes: BTreeMap<SocketAddr, Dht>,
    dead: BTreeSet<SocketAddr>,
    flying: BTreeMap<(Instant, u64), Flight>,
    count: u64,
    /// Whose queries are counted, and how many of each kind there were.
    watched: Option<SocketAddr>,
    sent: BTreeMap<&'static str, usize>,
    heard: Vec<(SocketAddr, Output)>,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn addr(number: u32) -> SocketAddr {
    // One neighbourhood each.
    SocketAddr::from(((0x0b00_0001 + (number << 8)).to_be_bytes(), 6881))
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: Instant::START,
            rng: Rng::from_seed(seed),
            nodes: BTreeMap::new(),
            dead: BTreeSet::new(),
            flying: BTreeMap::new(),
            count: 0,
            watched: None,
            sent: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    fn join(&mut self, at: SocketAddr, router: SocketAddr) {
        let routers = vec![(router.ip().to_string(), router.port())];
        let config = Config { routers, stored_torrents_max: 20_000, ..Config::default() };
        let dht = Dht::new(config, self.rng.fork(), self.now);
        self.nodes.insert(at, dht);
    }

    /// `count` nodes that joined one after the other by way of the first.
    fn of(seed: u64, count: u32) -> Self {
        let mut world = Self::new(seed);
        for number in 0..count {
            world.join(addr(number), addr(0));
            world.run(ms(50));
        }
        world.run(ms(60_000));
        world
    }

    fn drain(&mut self) {
        for (from, dht) in &mut self.nodes {
            while let Some(output) = dht.poll_output() {
                let Output::Datagram(to, bytes) = output else {
                    self.heard.push((*from, output));
                    continue;
                };
                if self.watched == Some(*from)
                    && let Some(kind) = kind_of(&bytes)
                {
                    *self.sent.entry(kind).or_default() += 1;
                }
                self.count += 1;
                let delay = ms(20 + u64::from(self.rng.below(100)));
                self.flying.insert((self.now.after(delay), self.count), (*from, to, bytes));
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        loop {
            self.drain();
            let due = self.nodes.values().filter_map(Dht::deadline).min();
            let lands = self.flying.first_key_value().map(|((at, _), _)| *at);
            let next = due.into_iter().chain(lands).min().unwrap_or(end).max(self.now);
            if next >= end {
                break;
            }
            // In steps of 4 ms, which nobody notices and which spares most looks at all nodes.
            let next = self.now.after(ms(4)).max(next).min(end);
            self.now = next;
            while let Some(entry) = self.flying.first_entry()
                && entry.key().0 <= next
            {
                let (from, to, bytes) = entry.remove();
                if let Some(dht) = self.nodes.get_mut(&to)
                    && !self.dead.contains(&to)
                {
                    dht.on_datagram(from, &bytes, next);
                }
            }
            for dht in self.nodes.values_mut() {
                if dht.deadline().is_some_and(|at| at <= next) {
                    dht.on_deadline(next);
                }
            }
        }
        self.now = end;
    }

    fn at(&mut self, number: u32) -> &mut Dht {
        self.nodes.get_mut(&addr(number)).unwrap()
    }

    fn peers(&self, number: u32) -> BTreeSet<SocketAddr> {
        let mut all = BTreeSet::new();
        for (_, output) in self.heard.iter().filter(|(at, _)| *at == addr(number)) {
            if let Output::Peers(_, peers) | Output::Answer(_, Answer::Peers(peers)) = output {
                all.extend(peers);
            }
        }
        all
    }
}

fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let Body::Query { query, .. } = krpc::decode(bytes).unwrap().body else {
        return None;
    };
    Some(match query {
        krpc::Query::GetPeers { .. } => "get_peers",
        krpc::Query::AnnouncePeer { .. } => "announce_peer",
        krpc::Query::Ping
        | krpc::Query::FindNode { .. }
        | krpc::Query::Get { .. }
        | krpc::Query::Put { .. }
        | krpc::Query::Sample { .. }
        | krpc::Query::Unknown => "other",
    })
}

const HASH: InfoHash = InfoHash([0x5a; 20]);
const ANNOUNCE: Announce = Announce { port: 7000, implied_port: false, seed: false };

#[test]
fn what_one_announces_another_finds() {
    for count in [2, 3, 10, 100] {
        let mut world = World::of(1, count);
        let now = world.now;
        world.at(1).announce(HASH, ANNOUNCE, now);
        world.run(ms(5000));
        let last = count - 1;
        let asker = if last == 1 { 0 } else { last };
        let now = world.now;
        world.at(asker).want_peers(HASH, now);
        world.run(ms(5000));
        let expected = BTreeSet::from([SocketAddr::new(addr(1).ip(), 7000)]);
        assert_eq!(world.peers(asker), expected, "{count} nodes");
    }
}

#[test]
fn a_third_of_dead_nodes_costs_time_and_no_success() {
    let mut world = World::of(2, 300);
    world.dead = (0..300).filter(|number| number % 3 == 0).map(addr).collect();
    let now = world.now;
    world.at(1).announce(HASH, ANNOUNCE, now);
    world.run(ms(10_000));
    let now = world.now;
    for number in (2..300).step_by(3) {
        world.at(number).want_peers(HASH, now);
    }
    world.run(ms(3000));
    for number in (2..300).step_by(3) {
        assert_eq!(world.peers(number).len(), 1, "node {number}");
    }
}

#[test]
fn a_torrent_wanted_before_anybody_is_known_is_found_at_once() {
    let mut world = World::of(3, 50);
    let now = world.now;
    world.at(1).announce(HASH, ANNOUNCE, now);
    world.run(ms(5000));
    world.join(addr(1000), addr(0));
    let now = world.now;
    world.at(1000).want_peers(HASH, now);
    world.run(ms(1000));
    assert_eq!(world.peers(1000).len(), 1);
}

#[test]
fn an_ask_says_how_it_went() {
    let mut world = World::of(4, 60);
    let now = world.now;
    let id = world.at(5).ask(Query::Announce { info_hash: HASH, announce: ANNOUNCE }, now);
    world.run(ms(5000));
    let Some((_, Output::Answer(ask, Answer::Done(done)))) = world.heard.last() else {
        panic!("it is over");
    };
    assert_eq!(*ask, id);
    assert_eq!((done.stored, done.refused), (8, 0), "{done:?}");
    assert!(done.asked >= 8 && done.answered >= 8, "{done:?}");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut world = World::of(5, 60);
    let now = world.now;
    world.at(7).announce(HASH, ANNOUNCE, now);
    world.run(ms(5000));
    let now = world.now;
    let saved = world.at(7).save(now);
    let id = world.at(7).stats(now).v4.unwrap().id;

    let mut again = Dht::new(Config::default(), Rng::from_seed(99), now);
    again.restore(&saved, Duration::from_secs(60), now);
    again.announce(HASH, ANNOUNCE, now);
    assert_eq!(again.stats(now).v4.unwrap().id, id);
    world.nodes.insert(addr(7), again);
    world.run(ms(10_000));
    let now = world.now;
    assert!(world.at(7).stats(now).v4.unwrap().good >= 12);
    assert_eq!(world.at(7).stats(now).walks, 2, "to itself and a bucket, not to its torrent");
}

#[test]
fn garbage_restores_nothing() {
    let dht = || Dht::new(Config::default(), Rng::from_seed(1), Instant::START);
    let saved: &[&[u8]] = &[
        b"",
        b"x",
        b"de",
        b"d1:4i1e1:6lee",
        b"d1:4d2:id3:abc5:nodes5:abcdee",
        b"d9:announces3:abce",
    ];
    for saved in saved {
        let mut dht = dht();
        dht.restore(saved, Duration::ZERO, Instant::START);
        assert!(dht.networks.iter().flatten().all(|network| network.hints.is_empty()));
    }
}

/// The answers to an ask of node 5, when it is over.
fn answers(world: &mut World, query: Query) -> Vec<Answer> {
    let now = world.now;
    let id = world.at(5).ask(query, now);
    world.heard.clear();
    world.run(ms(10_000));
    let heard = world.heard.iter().filter_map(|(at, output)| match output {
        Output::Answer(ask, answer) if (*ask, *at) == (id, addr(5)) => Some(answer.clone()),
        Output::Answer(..)
        | Output::Datagram(..)
        | Output::Resolve(_)
        | Output::Peers(..)
        | Output::ExternalAddr(_) => None,
    });
    let mut answers: Vec<Answer> = heard.collect();
    assert!(matches!(answers.last(), Some(Answer::Done(_))), "{answers:?}");
    if !matches!(answers[..], [Answer::Done(_)]) {
        answers.pop();
    }
    answers
}

fn done(answers: &[Answer]) -> Done {
    let Some(Answer::Done(done)) = answers.last() else { panic!("{answers:?}") };
    *done
}

fn signed(seq: i64, value: &[u8]) -> MutableItem {
    let key = keys::ed25519::SigningKey::from_seed(&[1; 32]);
    let signature = key.sign(&signed_bytes(b"blog", seq, value));
    let (salt, value) = (b"blog".to_vec(), value.to_vec());
    MutableItem { key: key.public(), salt, seq, value, signature }
}

#[test]
fn an_immutable_item_is_stored_and_found() {
    let mut world = World::of(6, 60);
    let item = Item::Immutable { value: b"5:hello".to_vec() };
    let target = item_target(&item);
    assert_eq!(done(&answers(&mut world, Query::Put(item))).stored, 8);
    let get = Query::Get { target, salt: Vec::new(), newer_than: None };
    assert_eq!(answers(&mut world, get), [Answer::Immutable(b"5:hello".to_vec())]);
    let other = Query::Get { target: NodeId([3; 20]), salt: Vec::new(), newer_than: None };
    assert!(done(&answers(&mut world, other)).answered >= 8);
}

#[test]
fn a_mutable_item_goes_from_version_to_version() {
    let mut world = World::of(7, 60);
    let put = |seq, value: &[u8], cas| Query::Put(Item::Mutable { item: signed(seq, value), cas });
    let target = mutable_target(&signed(1, b"le").key, b"blog");
    let get = |newer_than| Query::Get { target, salt: b"blog".to_vec(), newer_than };
    assert_eq!(done(&answers(&mut world, put(1, b"1:a", None))).stored, 8);
    assert_eq!(answers(&mut world, get(None)), [Answer::Mutable(signed(1, b"1:a"))]);
    assert_eq!(done(&answers(&mut world, put(2, b"1:b", Some(1)))).stored, 8);
    assert_eq!(answers(&mut world, get(Some(1))), [Answer::Mutable(signed(2, b"1:b"))]);
    assert!(done(&answers(&mut world, get(Some(2)))).answered >= 8, "nothing newer");

    let late = done(&answers(&mut world, put(3, b"1:c", Some(1))));
    assert_eq!((late.stored, late.refused, late.refusal), (0, 8, Some(301)));
    let old = done(&answers(&mut world, put(1, b"1:c", None)));
    assert_eq!((old.stored, old.refused, old.refusal), (0, 8, Some(302)));
}

#[test]
fn a_scrape_counts_seeds_and_peers() {
    let mut world = World::of(8, 60);
    let now = world.now;
    for number in 10..40 {
        let seed = number % 3 == 0;
        world.at(number).announce(HASH, Announce { seed, ..ANNOUNCE }, now);
    }
    world.run(ms(10_000));
    let found = answers(&mut world, Query::Peers { info_hash: HASH, scrape: true });
    // Of the forty bits of those twenty peers four meet others: an estimate is one.
    assert_eq!(found.last(), Some(&Answer::Scrape { seeds: 10, peers: 18 }));
}

#[test]
fn samples_name_what_was_announced() {
    let mut world = World::of(9, 60);
    let now = world.now;
    world.at(1).announce(HASH, ANNOUNCE, now);
    world.run(ms(10_000));
    let found = answers(&mut world, Query::Sample { target: HASH.into() });
    let named = found.iter().filter(|answer| {
        matches!(answer, Answer::Samples { info_hashes, all: Some(1), .. } if *info_hashes == [HASH])
    });
    // The one who announced and the one who asks may be among the nearest themselves.
    assert!((6..=8).contains(&named.count()), "{found:?}");
}

#[test]
fn a_hundred_thousand_torrents_cost_one_tour_of_the_key_space() {
    const TORRENTS: usize = 100_000;
    let mut world = World::of(10, 200);
    world.watched = Some(addr(7));
    let mut rng = Rng::from_seed(10);
    let now = world.now;
    for _ in 0..TORRENTS {
        world.at(7).announce(InfoHash(id::random_id(&mut rng).0), ANNOUNCE, now);
    }
    world.run(Duration::from_secs(17 * 60));
    let announces = world.sent.get("announce_peer").copied().unwrap_or_default();
    let asked = world.sent.get("get_peers").copied().unwrap_or_default();
    assert!(asked < TORRENTS / 5, "{asked} queries for places");
    let now = world.now;
    let stats = |number| world.nodes[&addr(number)].stats(now);
    assert!(announces < 9 * TORRENTS, "{announces} announces");
    assert!(stats(7).walks < 500, "{} walks", stats(7).walks);
    let stored: usize = (0..200).map(|number| stats(number).v4.unwrap().stored_torrents).sum();
    assert!(stored >= 8 * TORRENTS / 100 * 99, "{stored} stored");
}

/// What one node at `addr(0)` answers to a query from `addr(1)`.
fn ask_once(dht: &mut Dht, query: &krpc::Query<'_>, read_only: bool, now: Instant) -> Vec<u8> {
    let mut bytes = Vec::new();
    krpc::encode_query(&mut bytes, b"aa", NodeId([9; 20]), read_only, query);
    dht.on_datagram(addr(1), &bytes, now);
    let mut answer = Vec::new();
    while let Some(output) = dht.poll_output() {
        if let Output::Datagram(_, bytes) = output
            && krpc::decode(&bytes).unwrap().transaction == b"aa"
        {
            answer = bytes;
        }
    }
    answer
}

fn alone(config: Config) -> Dht {
    Dht::new(config, Rng::from_seed(1), Instant::START)
}

#[test]
fn a_read_only_node_answers_nobody_and_says_so() {
    let now = Instant::START;
    let mut dht = alone(Config { read_only: true, ..Config::default() });
    assert!(ask_once(&mut dht, &krpc::Query::Ping, false, now).is_empty());
    dht.add_node(addr(5), now);
    dht.on_deadline(now);
    let Some(Output::Datagram(_, bytes)) = dht.poll_output() else { panic!("a query") };
    assert!(krpc::decode(&bytes).unwrap().read_only);
}

#[test]
fn who_asks_is_asked_back_unless_it_is_read_only() {
    let now = Instant::START;
    for read_only in [false, true] {
        let mut dht = alone(Config::default());
        assert!(!ask_once(&mut dht, &krpc::Query::Ping, read_only, now).is_empty());
        assert_eq!(dht.stats(now).queries_out, u64::from(!read_only));
    }
}

#[test]
fn an_announce_needs_the_token_of_its_address() {
    let now = Instant::START;
    let mut dht = alone(Config::default());
    let (want, info_hash) = (Want::default(), HASH);
    let get = krpc::Query::GetPeers { info_hash, want, no_seeds: false, scrape: false };
    let answer = ask_once(&mut dht, &get, true, now);
    let Body::Reply(reply) = krpc::decode(&answer).unwrap().body else { panic!("an answer") };
    assert!(reply.values.is_empty());
    let token = reply.token.unwrap();
    let announce = |token| {
        let (implied_port, port, seed) = (false, 7, false);
        krpc::Query::AnnouncePeer { info_hash, implied_port, port, seed, token }
    };
    let refused = ask_once(&mut dht, &announce(b"wrong"), true, now);
    assert_eq!(refused, b"d1:eli203e9:bad tokene1:t2:aa1:y1:ee");
    let _taken = ask_once(&mut dht, &announce(token), true, now);
    let answer = ask_once(&mut dht, &get, true, now);
    let Body::Reply(reply) = krpc::decode(&answer).unwrap().body else { panic!("an answer") };
    let expected = SocketAddr::new(addr(1).ip(), 7);
    assert_eq!(reply.values.iter().collect::<Vec<_>>(), [expected]);
}

#[test]
fn one_address_gets_no_more_than_its_rate_and_no_answer_is_too_long() {
    let mut dht = alone(Config { source_bytes_per_second: 1000, ..Config::default() });
    let store = dht.network(Side::V4);
    for number in 0..400 {
        assert!(store.peers.add(HASH, addr(number), false, Instant::START));
        store.table.on_answer(
            id::random_id(&mut Rng::from_seed(number.into())),
            addr(number),
            Instant::START,
        );
    }
    let want = Want { v4: true, v6: true };
    let mut bytes = 0;
    for step in 0..1000 {
        let query =
            krpc::Query::GetPeers { info_hash: HASH, want, no_seeds: false, scrape: step % 2 == 0 };
        let answer = ask_once(&mut dht, &query, true, Instant::START.after(ms(10 * step)));
        assert!(answer.len() <= 1024, "{}", answer.len());
        bytes += answer.len();
    }
    assert!((13_000..16_000).contains(&bytes), "{bytes} in 10 s");
    assert!(dht.stats(Instant::START).limited > 900);
}

#[test]
fn garbage_is_counted_and_answered_by_nobody() {
    let mut dht = alone(Config::default());
    for bytes in [&b""[..], b"d", b"x", b"d1:t1:a1:y1:qe", b"d1:rd2:id1:xe1:t2:aa1:y1:re"] {
        dht.on_datagram(addr(1), bytes, Instant::START);
    }
    assert_eq!(dht.stats(Instant::START).malformed, 5);
    assert_eq!(dht.poll_output(), None);
    let bad = b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe";
    dht.on_datagram(addr(1), bad, Instant::START);
    let Some(Output::Datagram(_, refusal)) = dht.poll_output() else { panic!("a refusal") };
    assert_eq!(refusal, b"d1:eli203e6:targete1:t2:aa1:y1:ee");
}

#[test]
fn an_id_follows_the_address_that_most_see() {
    let mut world = World::of(11, 30);
    for number in 0..30 {
        let now = world.now;
        let stats = world.at(number).stats(now).v4.unwrap();
        assert_eq!(stats.external, Some(addr(number).ip()));
        assert!(id::is_allowed(stats.id, addr(number).ip()), "node {number}");
    }
    let told = |(_, output): &&(SocketAddr, Output)| matches!(output, Output::ExternalAddr(_));
    assert_eq!(world.heard.iter().filter(told).count(), 30);
}

#[test]
fn answers_to_nobody_s_question_change_nothing() {
    let now = Instant::START;
    let mut dht = alone(Config::default());
    dht.add_node(addr(5), now);
    dht.on_deadline(now);
    let Some(Output::Datagram(to, bytes)) = dht.poll_output() else { panic!("a query") };
    assert_eq!(to, addr(5));
    let transaction = krpc::decode(&bytes).unwrap().transaction.to_vec();
    let mut answer = Vec::new();
    krpc::encode_reply(&mut answer, &transaction, addr(0), &Reply::of(NodeId([5; 20])));
    dht.on_datagram(addr(6), &answer, now);
    assert_eq!(dht.stats(now).answers_in, 0, "from somebody else");
    dht.on_datagram(addr(5), &answer, now);
    assert_eq!(dht.stats(now).answers_in, 1);
    dht.on_datagram(addr(5), &answer, now);
    assert_eq!(dht.stats(now).answers_in, 1, "a second time");
}

#[test]
fn a_torrent_that_nobody_has_is_looked_for_again_soon_and_then_rarely() {
    let mut world = World::of(12, 40);
    world.watched = Some(addr(3));
    let mut walks = Vec::new();
    let now = world.now;
    world.at(3).announce(HASH, ANNOUNCE, now);
    world.run(ms(5000));
    world.sent.clear();
    for minute in 0..3 {
        if minute == 1 {
            let now = world.now;
            world.at(1).announce(HASH, ANNOUNCE, now);
        }
        for _ in 0..60 {
            let now = world.now;
            world.at(3).want_peers(HASH, now);
            world.run(ms(1000));
        }
        walks.push(world.sent.remove("get_peers").unwrap_or_default() / 8);
    }
    assert!((4..=8).contains(&walks[0]), "every 15 s in vain: {walks:?}");
    assert!((1..=3).contains(&walks[2]), "every minute with peers: {walks:?}");
    let other = SocketAddr::new(addr(1).ip(), ANNOUNCE.port);
    assert!(world.peers(3).contains(&other));
}

#[test]
fn a_family_that_nobody_answers_in_does_not_use_up_the_endpoints() {
    let mut world = World::of(13, 40);
    let fresh = addr(100);
    world.join(fresh, addr(0));
    // All that it hears of the other family leads nowhere.
    for number in 0..200_u16 {
        let v6 = SocketAddr::from(([0x2a00, number, 0, 0, 0, 0, 0, 1], 1));
        let dht = world.nodes.get_mut(&fresh).unwrap();
        let hint = Hint { id: Some(id::random_id(&mut dht.rng)), addr: v6, router: false };
        dht.hint(hint, world.now);
    }
    for number in 0..50 {
        let now = world.now;
        world.at(100).want_peers(InfoHash([number; 20]), now);
    }
    world.run(Duration::from_secs(120));
    let now = world.now;
    let stats = world.at(100).stats(now);
    assert_eq!(stats.v6.unwrap().good, 0);
    assert!(stats.v4.unwrap().good >= 20);
    // One walk for each torrent, and some to ourselves and to buckets.
    assert!((50..=170).contains(&stats.walks), "{}", stats.walks);
}

#[test]
fn an_answer_with_the_longest_item_fits_a_frame() {
    let (now, mut rng) = (Instant::START, Rng::from_seed(1));
    let item = signed(i64::MAX, format!("996:{}", "x".repeat(996)).as_bytes());
    let MutableItem { key, salt, seq, value, signature } = &item;
    let mutable = krpc::PutMutable { key, salt, seq: *seq, signature, cas: None };
    let target = mutable_target(key, salt);
    let v6 = |number| SocketAddr::from(([0x2a00, number, 0, 0, 0, 0, 0, 1], 1));
    for from in [addr(1), v6(1)] {
        let mut dht = alone(Config::default());
        for number in 0..100 {
            let node = if from.is_ipv4() { addr(number.into()) } else { v6(number) };
            dht.network(Side::of(from)).table.on_answer(id::random_id(&mut rng), node, now);
        }
        assert_eq!(dht.network(Side::of(from)).items.put(value, Some(&mutable), now), Ok(()));
        let want = Want { v4: true, v6: true };
        let mut query = Vec::new();
        let get = krpc::Query::Get { target, want, newer_than: None };
        krpc::encode_query(&mut query, &[1; 20], NodeId([9; 20]), true, &get);
        dht.on_datagram(from, &query, now);
        let outputs: Vec<Output> = core::iter::from_fn(|| dht.poll_output()).collect();
        let [Output::Datagram(_, answer)] = &outputs[..] else { panic!("an answer") };
        // What is left of 1500 bytes beside the headers of IP and UDP.
        let frame = if from.is_ipv4() { 1472 } else { 1452 };
        assert!((1300..=frame).contains(&answer.len()), "{} to {from}", answer.len());
        let Body::Reply(reply) = krpc::decode(answer).unwrap().body else { panic!("an answer") };
        assert_eq!(reply.value, Some(&value[..]));
        assert!(reply.nodes().count() >= 4);
    }
}
