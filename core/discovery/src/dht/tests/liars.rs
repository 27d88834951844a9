//! One node among nodes that answer anything: other ids, the target itself, nodes without end or of nobody, errors,
//! broken bytes, twice, late, or not at all. It never panics, every question ends, and no bound is passed.

use super::*;

/// Who answers, and what.
type Answered = (SocketAddr, Vec<u8>);

struct Liars {
    rng: Rng,
    now: Instant,
    dht: Dht,
    flying: BTreeMap<(Instant, u64), Answered>,
    count: u64,
    /// Endpoints that it sent to in this minute.
    minute: BTreeSet<SocketAddr>,
}

impl Liars {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let dht = Dht::new(Config::default(), rng.fork(), Instant::START);
        let (flying, minute) = (BTreeMap::new(), BTreeSet::new());
        Self { rng, now: Instant::START, dht, flying, count: 0, minute }
    }

    fn id_near(&mut self, target: NodeId) -> NodeId {
        let bits = self.rng.below(159) as usize;
        match self.rng.below(4) {
            0 => target,
            1 => id::random_id(&mut self.rng),
            _ => id::random_beside(target, bits, &mut self.rng),
        }
    }

    /// What comes back for a query.
    fn answer(&mut self, query: &[u8]) -> Vec<u8> {
        let Message { transaction, body: Body::Query { query, .. }, .. } =
            krpc::decode(query).unwrap()
        else {
            return Vec::new();
        };
        let target = match query {
            krpc::Query::FindNode { target, .. }
            | krpc::Query::Get { target, .. }
            | krpc::Query::Sample { target, .. } => target,
            krpc::Query::GetPeers { info_hash, .. } => info_hash.into(),
            krpc::Query::Ping
            | krpc::Query::AnnouncePeer { .. }
            | krpc::Query::Put { .. }
            | krpc::Query::Unknown => NodeId([0; 20]),
        };
        let mut out = Vec::new();
        if self.rng.chance(1, 8) {
            krpc::encode_error(&mut out, transaction, code(&mut self.rng), "no");
            return out;
        }
        let (mut nodes, mut values) = (Vec::new(), Vec::new());
        for _ in 0..self.rng.below(30) {
            let at = addr(self.rng.below(3000));
            let id = self.id_near(target);
            krpc::push_node(&mut nodes, id, at);
            krpc::push_peer(&mut values, at);
        }
        let reply = Reply {
            nodes_v4: &nodes,
            values: krpc::Values::encoded(&values),
            token: self.rng.chance(1, 2).then_some(b"token"),
            value: self.rng.chance(1, 4).then_some(b"le"),
            seq: self.rng.chance(1, 4).then_some(i64::MAX),
            samples: self.rng.chance(1, 4).then_some(&target.0[..]),
            bloom_seeds: self.rng.chance(1, 4).then_some(&[0xff; 256]),
            bloom_peers: self.rng.chance(1, 4).then_some(&[0xff; 256]),
            ..Reply::of(self.id_near(target))
        };
        krpc::encode_reply(&mut out, transaction, addr(self.rng.below(3)), &reply);
        if self.rng.chance(1, 8) {
            let at = self.rng.below(u32::try_from(out.len()).unwrap()) as usize;
            out[at] ^= 0x5a;
        }
        out
    }

    fn step(&mut self, done: &mut BTreeSet<QueryId>) {
        while let Some(output) = self.dht.poll_output() {
            match output {
                Output::Datagram(to, bytes) => {
                    self.minute.insert(to);
                    for _ in 0..self.rng.below(3) {
                        let answer = self.answer(&bytes);
                        let delay = ms(u64::from(self.rng.below(4000)));
                        self.count += 1;
                        self.flying.insert((self.now.after(delay), self.count), (to, answer));
                    }
                }
                Output::Answer(id, Answer::Done(_)) => assert!(done.insert(id), "once"),
                Output::Answer(..)
                | Output::Resolve(_)
                | Output::Peers(..)
                | Output::ExternalAddr(_) => {}
            }
        }
        let lands = self.flying.first_key_value().map(|((at, _), _)| *at);
        let next = lands.into_iter().chain(self.dht.deadline()).min().unwrap().max(self.now);
        self.now = next;
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= next
        {
            let (from, bytes) = entry.remove();
            self.dht.on_datagram(from, &bytes, next);
        }
        self.dht.on_deadline(next);
    }
}

fn code(rng: &mut Rng) -> i64 {
    [201, 203, 204, 301, -1][rng.below(5) as usize]
}

#[test]
fn no_liar_ends_the_process_or_keeps_a_question_open() {
    for seed in 0..12 {
        let mut liars = Liars::new(seed);
        let now = liars.now;
        (0..20).for_each(|number| liars.dht.add_node(addr(number), now));
        let mut asked = BTreeSet::new();
        for number in 0..10 {
            let (info_hash, target) = (InfoHash([number; 20]), NodeId([number; 20]));
            let salt = Vec::new();
            let item = Item::Immutable { value: b"le".to_vec() };
            for query in [
                Query::Nodes(target),
                Query::Peers { info_hash, scrape: true },
                Query::Announce { info_hash, announce: ANNOUNCE },
                Query::Get { target, salt, newer_than: None },
                Query::Put(item),
                Query::Sample { target },
            ] {
                asked.insert(liars.dht.ask(query, now));
            }
            liars.dht.announce(info_hash, ANNOUNCE, now);
            liars.dht.want_peers(info_hash, now);
        }
        let mut done = BTreeSet::new();
        let mut minute_ends = liars.now.after(ms(60_000));
        let end = liars.now.after(Duration::from_secs(40 * 60));
        while liars.now < end {
            liars.step(&mut done);
            assert!(liars.dht.sent.len() <= SENT_MAX, "seed {seed}");
            if liars.now >= minute_ends {
                // An announce may go to a node whose minute has passed.
                let max = 2 * liars.dht.config.endpoints_per_minute;
                assert!(liars.minute.len() <= max, "seed {seed}: {}", liars.minute.len());
                liars.minute.clear();
                minute_ends = liars.now.after(ms(60_000));
            }
        }
        assert_eq!(done, asked, "seed {seed}");
    }
}
