//! Behaviours of a hub. What it does is shown as words: `1<add0` goes to shard 1, `completed!`
//! is an announce with that event, `settled0` is news for the user.

mod sources;

use crate::limit::{Class, Direction, Rates};
use base::{InfoHash, InfoHashV2, InfoHashes};
use storage::digests::Digests;
use torrent::swarm::Stats;
use wire::peer::Extensions;

use super::*;

const TOTAL: u64 = 1000;

struct Rig {
    hub: Hub,
    now: Instant,
    http: VecDeque<ExchangeId>,
}

fn spec(n: u8, goal: SeedGoal) -> TorrentSpec {
    TorrentSpec {
        info_hashes: InfoHashes::v1(InfoHash([n; 20])),
        name: "t".into(),
        root: "/r".into(),
        files: Vec::new(),
        piece_bytes: 1,
        total_bytes: TOTAL,
        digests: Digests::default(),
        info: None,
        private: false,
        trackers: vec![vec!["http://tracker.example/announce".into()]],
        peers: Vec::new(),
        similar: Vec::new(),
        collections: Vec::new(),
        writable: true,
        recheck: false,
        reserve: false,
        sequential: false,
        super_seed: torrent::swarm::SuperSeed::Auto,
        goal,
    }
}

fn status(phase: Phase, downloaded_bytes: u64, uploaded: u64) -> Box<TorrentStatus> {
    let have_bytes = if phase == Phase::Seeding { TOTAL } else { 0 };
    let stats = Stats { downloaded_bytes, uploaded_bytes: uploaded, ..Stats::default() };
    let uploaded_ever_bytes = uploaded;
    Box::new(TorrentStatus {
        phase,
        have_bytes,
        total_bytes: TOTAL,
        wanted_have_bytes: have_bytes,
        wanted_bytes: TOTAL,
        stats,
        uploaded_ever_bytes,
        ..TorrentStatus::default()
    })
}

fn rig(limit: Option<u64>) -> Rig {
    let rates = Rates { global: limit, ..Rates::default() };
    let config = Config {
        shards: 2,
        peer_id: PeerId([1; 20]),
        listen_port: 6881,
        families: Families { v4: true, v6: false },
        announce: true,
        lsd: false,
        port_mapping: None,
        dht: None,
        key_secret: [7; 16],
        limits: Limits { down: rates, up: rates },
    };
    let hub = Hub::new(config, Rng::from_seed(0), Instant::START);
    Rig { hub, now: Instant::START, http: VecDeque::new() }
}

/// A rig with torrent 0, opened, its trackers told that it started.
fn started(goal: SeedGoal, phase: Phase) -> Rig {
    let mut rig = rig(None);
    rig.hub.add(spec(1, goal), rig.now).unwrap();
    assert_eq!(rig.hear(), "0<add0");
    assert_eq!(rig.says(ToHub::Status(TorrentId(0), status(phase, 0, 0))), "started!");
    assert_eq!(rig.tracker_answers(), "tracker0");
    rig
}

impl Rig {
    fn hear(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.hub.poll_output() {
            words.push(match output {
                Output::ToShard(shard, message) => format!("{shard}<{}", letter(&message)),
                Output::Close(_) => "close".into(),
                Output::Http(request) => {
                    self.http.push_back(request.id);
                    let event = request.url.split_once("event=").map_or("", |(_, rest)| rest);
                    format!("{}!", event.split('&').next().unwrap())
                }
                Output::Event(event) => news(&event),
                Output::Announce { v6, .. } => format!("announce{}", if v6 { 6 } else { 4 }),
                Output::FindGateway => "gateway?".into(),
                Output::ToRouter { to, .. } => format!(">{}", to.port()),
                Output::Stopped => "stopped".into(),
                other @ (Output::CancelHttp(_) | Output::Resolve(_) | Output::Datagram(..)) => {
                    format!("{other:?}")
                }
            });
        }
        words.join(" ")
    }

    fn says(&mut self, message: ToHub) -> String {
        self.hub.on_message(0, message, self.now);
        self.hear()
    }

    fn tracker_answers(&mut self) -> String {
        self.tracker_says(b"d8:completei1e10:incompletei1e8:intervali1800e5:peers0:e")
    }

    fn tracker_says(&mut self, body: &[u8]) -> String {
        let id = self.http.pop_front().unwrap();
        let body = body.to_vec();
        let reply = HttpReply { status: 200, location: None, content_type: None, body };
        self.hub.on_http(id, Ok(reply), self.now);
        self.hear()
    }

    /// Time passes up to the deadline, which must be within `patience`.
    fn wait(&mut self, patience: Duration) -> String {
        let at = self.hub.deadline().expect("something is to come");
        assert!(at <= self.now.after(patience), "{at:?} is late");
        self.now = at;
        self.hub.on_deadline(at);
        self.hear()
    }

    fn handshake(&mut self, info_hash: u8) -> String {
        let conn = self.hub.on_accepted([10, 0, 0, 9].into(), self.now).unwrap();
        let hash = InfoHash([info_hash; 20]);
        let handshake = Handshake::new(Extensions::default(), hash, PeerId([2; 20]));
        self.hub.on_handshake(conn, SocketAddr::from(([10, 0, 0, 9], 1)), &handshake.encode());
        self.hear()
    }
}

fn letter(message: &ToShard) -> String {
    match message {
        ToShard::Add(torrent, _) => format!("add{}", torrent.0),
        ToShard::Seek(torrent, _) => format!("seek{}", torrent.0),
        ToShard::Begin(torrent, _) => format!("begin{}", torrent.0),
        ToShard::Peers(swarm, ..) => format!("peers{}", swarm.torrent.0),
        ToShard::Incoming { torrent, .. } => format!("incoming{}", torrent.0),
        ToShard::Remove(torrent) => format!("remove{}", torrent.0),
        ToShard::Lease(direction, class, bytes) => format!("{direction:?}{class:?}{bytes}"),
        ToShard::Limits(_) => "limits".into(),
        ToShard::Ban(ip) => format!("ban{ip}"),
        ToShard::ExternalAddr(ip) => format!("we{ip}"),
        ToShard::Look(torrent, buckets) => format!("look{}:{buckets}", torrent.0),
        ToShard::KeepDiary => "diary".into(),
    }
}

fn news(event: &Event) -> String {
    match event {
        Event::Settled(torrent, _) => format!("settled{}", torrent.0),
        Event::Metadata(torrent, _) => format!("metadata{}", torrent.0),
        Event::Failed(torrent, _) => format!("failed{}", torrent.0),
        Event::Trouble(torrent, _) => format!("trouble{}", torrent.0),
        Event::Doubted(torrent, ..) => format!("doubted{}", torrent.0),
        Event::Lost(torrent, pieces) => format!("lost{}:{pieces}", torrent.0),
        Event::GoalReached(torrent) => format!("goal{}", torrent.0),
        Event::Removed(torrent, _) => format!("removed{}", torrent.0),
        Event::Tracker(torrent, ..) => format!("tracker{}", torrent.0),
        Event::Peer(torrent, _, news) => format!("peer{}{news:?}", torrent.0),
        Event::View(torrent, _) => format!("view{}", torrent.0),
        Event::Diary(torrent, _) => format!("diary{}", torrent.0),
        Event::Dht(..) => "dht".into(),
        Event::Fetched(_) => "fetched".into(),
        Event::PortMapped(mapped) => format!("mapped{}", mapped.tcp),
        Event::PortMapFailed(_) => "unmapped".into(),
    }
}

#[test]
fn a_connection_is_handed_over_only_for_a_torrent_that_is_here() {
    let mut rig = started(SeedGoal::Forever, Phase::Downloading);
    rig.hub.add(spec(2, SeedGoal::Forever), rig.now).unwrap();
    assert_eq!(rig.hear(), "1<add1");
    assert_eq!(rig.handshake(1), "0<incoming0");
    assert_eq!(rig.handshake(2), "1<incoming1");
    assert_eq!(rig.handshake(3), "close");
    rig.hub.remove(TorrentId(0), rig.now);
    rig.hear();
    assert_eq!(rig.handshake(1), "close");
}

#[test]
fn a_torrent_is_taken_once() {
    let mut rig = started(SeedGoal::Forever, Phase::Downloading);
    assert_eq!(rig.hub.add(spec(1, SeedGoal::None), rig.now), None);
    assert_eq!((rig.hear().as_str(), rig.hub.torrents()), ("", 1));
}

#[test]
fn connections_without_a_handshake_are_bounded_in_number_and_time() {
    let mut rig = rig(None);
    let conns: Vec<ConnId> = (0..PENDING_MAX)
        .map(|_| rig.hub.on_accepted([10, 0, 0, 9].into(), rig.now).unwrap())
        .collect();
    assert_eq!(rig.hub.on_accepted([10, 0, 0, 9].into(), rig.now), None);
    rig.hub.on_closed(conns[0]);
    assert!(rig.hub.on_accepted([10, 0, 0, 9].into(), rig.now).is_some());
    assert_eq!(rig.wait(HANDSHAKE_MAX).matches("close").count(), PENDING_MAX);
    assert_eq!(rig.hub.deadline(), None);
    let late = Handshake::new(Extensions::default(), InfoHash([1; 20]), PeerId([2; 20]));
    rig.hub.on_handshake(conns[1], SocketAddr::from(([10, 0, 0, 9], 1)), &late.encode());
    assert_eq!(rig.hear(), "", "it was closed already");
}

#[test]
fn a_torrent_that_shall_not_seed_ends_when_it_is_settled() {
    let mut rig = started(SeedGoal::None, Phase::Downloading);
    assert_eq!(rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0))), "");
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "settled0 goal0 0<remove0 completed!");
}

/// A program that is slow finds nothing of it among the changes any more.
#[test]
fn how_a_torrent_did_comes_with_the_news_of_its_end() {
    let mut rig = rig(None);
    let spec = TorrentSpec { trackers: Vec::new(), ..spec(1, SeedGoal::None) };
    rig.hub.add(spec, rig.now).unwrap();
    let last = ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0));
    for message in [last, ToHub::Settled(TorrentId(0)), ToHub::Removed(TorrentId(0))] {
        rig.hub.on_message(0, message, rig.now);
    }
    let mut told = Vec::new();
    while let Some(output) = rig.hub.poll_output() {
        if let Output::Event(Event::Settled(_, status) | Event::Removed(_, status)) = output {
            told.push(status.have_bytes);
        }
    }
    assert_eq!(told, [TOTAL, TOTAL]);
    assert!(rig.hub.changes(0).1.is_empty());
}

#[test]
fn a_ratio_is_reached_by_what_was_ever_uploaded_and_not_before_it_is_settled() {
    let mut rig = started(SeedGoal::Ratio { per_mille: 1500 }, Phase::Downloading);
    let says = |rig: &mut Rig, uploaded| {
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, uploaded)))
    };
    assert_eq!(says(&mut rig, 2000), "");
    says(&mut rig, 1499);
    assert!(!rig.says(ToHub::Settled(TorrentId(0))).contains("goal"));
    assert_eq!(says(&mut rig, 1500), "goal0 0<remove0");
}

#[test]
fn a_time_counts_from_when_it_was_first_settled() {
    let mut rig = started(SeedGoal::Time(Duration::from_secs(60)), Phase::Seeding);
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "settled0");
    rig.now = rig.now.after(Duration::from_secs(30));
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "", "said twice");
    assert_eq!(rig.wait(Duration::from_secs(30)), "goal0 0<remove0 stopped!");
}

#[test]
fn for_ever_is_for_ever() {
    let mut rig = started(SeedGoal::Forever, Phase::Seeding);
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "settled0");
    assert_eq!(rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, 0, 1 << 40))), "");
}

#[test]
fn a_removal_ends_when_shard_and_trackers_have_ended() {
    for shard_first in [true, false] {
        let mut rig = started(SeedGoal::Forever, Phase::Downloading);
        rig.hub.remove(TorrentId(0), rig.now);
        assert_eq!(rig.hear(), "0<remove0 stopped!");
        rig.hub.remove(TorrentId(0), rig.now);
        assert_eq!(rig.hear(), "", "once is enough");
        let shard = |rig: &mut Rig| rig.says(ToHub::Removed(TorrentId(0)));
        let first = if shard_first { shard(&mut rig) } else { rig.tracker_answers() };
        assert!(!first.contains("removed0"), "{first}");
        assert_eq!(rig.hub.torrents(), 1);
        let second = if shard_first { rig.tracker_answers() } else { shard(&mut rig) };
        assert!(second.ends_with("removed0"), "{second}");
        assert_eq!(rig.hub.torrents(), 0);
    }
}

#[test]
fn a_torrent_removed_before_it_was_opened_is_never_announced() {
    let mut rig = rig(None);
    rig.hub.add(spec(1, SeedGoal::Forever), rig.now);
    rig.hub.remove(TorrentId(0), rig.now);
    assert_eq!(rig.hear(), "0<add0 0<remove0");
    let phase = Phase::Downloading;
    assert_eq!(rig.says(ToHub::Status(TorrentId(0), status(phase, 0, 0))), "");
    assert_eq!(rig.says(ToHub::Removed(TorrentId(0))), "removed0");
}

#[test]
fn completed_is_heard_before_stopped_or_had_its_time() {
    for answered in [true, false] {
        let mut rig = started(SeedGoal::None, Phase::Downloading);
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0)));
        let heard = rig.says(ToHub::Settled(TorrentId(0)));
        assert_eq!(heard, "settled0 goal0 0<remove0 completed!");
        assert_eq!(rig.says(ToHub::Removed(TorrentId(0))), "");
        let heard = if answered { rig.tracker_answers() } else { rig.wait(COMPLETED_MAX) };
        assert!(heard.contains("stopped!"), "{heard}");
    }
}

#[test]
fn leases_go_to_who_asked_and_share_the_limit() {
    let mut rig = rig(Some(100_000));
    assert_eq!(rig.hub.deadline(), None, "nobody wants anything");
    let wants =
        |direction, torrents| ToHub::LeaseWanted { direction, class: Class::Internet, torrents };
    rig.hub.on_message(0, wants(Direction::Down, 3), rig.now);
    rig.hub.on_message(1, wants(Direction::Down, 1), rig.now);
    assert_eq!(rig.hear(), "", "the first quantum is not over");
    let heard = rig.wait(Duration::from_millis(50));
    assert_eq!(heard, "0<DownInternet3749 1<DownInternet1250", "by how many torrents they have");
    rig.hub.on_message(1, wants(Direction::Up, 1), rig.now);
    assert_eq!(rig.hear(), "1<UpInternet5000");
    assert_eq!(rig.hub.deadline(), None);
}

#[test]
fn limits_that_change_are_told_to_every_shard() {
    let mut rig = rig(Some(100_000));
    rig.hub.set_limits(Limits::default(), rig.now);
    assert_eq!(rig.hear(), "0<limits 1<limits");
    let class = Class::Internet;
    rig.hub.on_message(
        0,
        ToHub::LeaseWanted { direction: Direction::Down, class, torrents: 1 },
        rig.now,
    );
    assert_eq!(rig.hub.deadline(), None, "there is nothing to lease");
}

#[test]
fn the_view_tells_only_what_changed() {
    let mut rig = started(SeedGoal::Forever, Phase::Downloading);
    rig.hub.add(spec(2, SeedGoal::Forever), rig.now);
    let (seen, all) = rig.hub.changes(0);
    assert_eq!(all.len(), 2);
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 5, 0)));
    let (_, changed) = rig.hub.changes(seen);
    assert_eq!(changed.iter().map(|(torrent, _)| torrent.0).collect::<Vec<_>>(), [0]);
}

#[test]
fn who_has_all_that_it_wants_but_not_all_there_is_never_says_completed() {
    let mut rig = rig(None);
    rig.hub.add(spec(1, SeedGoal::Ratio { per_mille: 1000 }), rig.now).unwrap();
    rig.hear();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
    rig.tracker_answers();
    let mut part = status(Phase::Seeding, 400, 0);
    (part.have_bytes, part.wanted_have_bytes, part.wanted_bytes) = (450, 400, 400);
    rig.says(ToHub::Status(TorrentId(0), part.clone()));
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "settled0");
    assert_eq!(rig.wait(Duration::from_secs(1800)), "paused!", "BEP 21, when it is due");
    rig.tracker_answers();
    part.uploaded_ever_bytes = 400;
    let goal = rig.says(ToHub::Status(TorrentId(0), part));
    assert_eq!(goal, "goal0 0<remove0 stopped!", "its share is of what was wanted");
}

#[test]
fn a_tracker_that_hides_the_size_of_the_swarm_is_scraped_once() {
    const SILENT: &[u8] = b"d8:intervali1800e5:peers0:e";
    let mut rig = rig(None);
    rig.hub.add(spec(1, SeedGoal::Forever), rig.now).unwrap();
    rig.hear();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
    assert_eq!(rig.tracker_says(SILENT), "tracker0 !", "a scrape has no event");
    rig.tracker_says(b"d5:filesd20:\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01d8:completei5e10:downloadedi9e10:incompletei7eeee");
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0)));
    rig.says(ToHub::Settled(TorrentId(0)));
    rig.http.truncate(1);
    assert_eq!(rig.tracker_says(SILENT), "tracker0", "once is enough");
}

#[test]
fn a_close_look_and_a_diary_are_asked_of_the_shards_and_passed_on() {
    let mut rig = started(SeedGoal::Forever, Phase::Downloading);
    rig.hub.look(TorrentId(0), 60);
    rig.hub.look(TorrentId(9), 60);
    assert_eq!(rig.hear(), "0<look0:60", "no such torrent is no question");
    assert_eq!(rig.says(ToHub::View(TorrentId(0), Box::default())), "view0");
    rig.hub.keep_diary();
    assert_eq!(rig.hear().matches("<diary").count(), rig.hub.config.shards);
    let entry = Entry::Unreachable(SocketAddr::from(([10, 0, 0, 9], 1)));
    assert_eq!(rig.says(ToHub::Diary(TorrentId(0), entry)), "diary0");
}

/// What a hub with this seed and secret does first for a torrent whose user named a peer: the peers
/// that go to the shard, and the key and peer id of the announce.
fn first_steps(seed: u64, private: bool, announce: bool) -> (usize, Option<(String, String)>) {
    let mut rig = rig(None);
    rig.hub.config.announce = announce;
    rig.hub = Hub::new(rig.hub.config.clone(), Rng::from_seed(seed), rig.now);
    let peers = vec![SocketAddr::from(([10, 0, 0, 9], 1))];
    let spec = TorrentSpec { private, peers, ..spec(1, SeedGoal::Forever) };
    rig.hub.add(spec, rig.now);
    let status = ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0));
    rig.hub.on_message(0, status, rig.now);
    let (mut peers, mut names) = (0, None);
    while let Some(output) = rig.hub.poll_output() {
        match output {
            Output::ToShard(_, ToShard::Add(_, spec)) => peers = spec.peers.len(),
            Output::Http(request) => {
                let of = |key: &str| {
                    let (_, rest) = request.url.split_once(&format!("&{key}=")).unwrap();
                    rest.split('&').next().unwrap().to_owned()
                };
                names = Some((of("key"), of("peer_id")));
            }
            other @ (Output::ToShard(..)
            | Output::Close(_)
            | Output::CancelHttp(_)
            | Output::Resolve(_)
            | Output::Datagram(..)
            | Output::Announce { .. }
            | Output::FindGateway
            | Output::ToRouter { .. }
            | Output::Stopped
            | Output::Event(_)) => panic!("{other:?}"),
        }
    }
    (peers, names)
}

#[test]
fn peers_that_the_user_names_for_a_private_torrent_are_dialled_only_if_no_tracker_is_told() {
    for (private, announce, expected) in
        [(false, true, 1), (true, true, 0), (true, false, 1), (false, false, 1)]
    {
        assert_eq!(first_steps(1, private, announce).0, expected, "{private} {announce}");
    }
}

#[test]
fn the_key_of_a_private_torrent_outlives_the_process_and_that_of_a_public_one_does_not() {
    let key = |seed, private| first_steps(seed, private, true).1.unwrap().0;
    assert_eq!(key(1, true), key(2, true));
    assert_ne!(key(1, false), key(2, false));
    assert_ne!(key(1, true), key(1, false));
}

#[test]
fn a_private_tracker_may_take_its_time_to_hear_completed() {
    let mut rig = rig(None);
    rig.hub.add(TorrentSpec { private: true, ..spec(1, SeedGoal::None) }, rig.now);
    rig.hear();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
    rig.tracker_answers();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Seeding, TOTAL, 0)));
    let heard = rig.says(ToHub::Settled(TorrentId(0)));
    assert_eq!(heard, "settled0 goal0 0<remove0 completed!");
    rig.says(ToHub::Removed(TorrentId(0)));
    let before = rig.now;
    assert!(rig.wait(COMPLETED_MAX_PRIVATE).contains("stopped!"));
    assert_eq!(rig.now, before.after(COMPLETED_MAX_PRIVATE));
}

#[test]
fn a_private_tracker_is_not_scraped() {
    let mut rig = rig(None);
    rig.hub.add(TorrentSpec { private: true, ..spec(1, SeedGoal::Forever) }, rig.now);
    rig.hear();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
    assert_eq!(rig.tracker_says(b"d8:intervali1800e5:peers0:e"), "tracker0");
}

#[test]
fn what_was_complete_before_is_not_completed_again_and_nobody_waits_for_it() {
    let mut rig = rig(None);
    rig.hub.add(spec(1, SeedGoal::None), rig.now);
    rig.hear();
    let was_complete = |phase, bytes| {
        let status = TorrentStatus { was_complete: true, ..*status(phase, bytes, 0) };
        ToHub::Status(TorrentId(0), Box::new(status))
    };
    assert_eq!(rig.says(was_complete(Phase::Downloading, 0)), "started!");
    rig.tracker_answers();
    rig.says(was_complete(Phase::Seeding, TOTAL));
    assert_eq!(rig.says(ToHub::Settled(TorrentId(0))), "settled0 goal0 0<remove0 stopped!");
}

#[test]
fn who_is_banned_by_one_torrent_is_banned_by_all_shards_and_at_the_door() {
    let mut rig = started(SeedGoal::Forever, Phase::Downloading);
    let bad = SocketAddr::from(([80, 1, 2, 3], 5));
    assert!(rig.hub.on_accepted(bad.ip(), rig.now).is_some());
    let banned = ToHub::Peer(TorrentId(0), bad, PeerNews::Banned);
    assert_eq!(rig.says(banned), "0<ban80.1.2.3 1<ban80.1.2.3 peer0Banned");
    assert_eq!(rig.hub.on_accepted(bad.ip(), rig.now), None);
    assert_eq!(rig.hub.on_accepted("::ffff:80.1.2.3".parse().unwrap(), rig.now), None);
    let again = ToHub::Peer(TorrentId(0), bad, PeerNews::Banned);
    assert_eq!(rig.says(again), "peer0Banned", "shards were told");
}

#[test]
fn one_address_does_not_occupy_the_door_but_neighbours_may() {
    for (ip, most) in [([80, 1, 2, 3], PENDING_PER_IP_MAX), ([127, 0, 0, 1], PENDING_MAX)] {
        let mut rig = rig(None);
        let taken = (0..).take_while(|_| rig.hub.on_accepted(ip.into(), rig.now).is_some());
        assert_eq!(taken.count(), most, "{ip:?}");
        let other = rig.hub.on_accepted([80, 1, 2, 4].into(), rig.now);
        assert_eq!(other.is_some(), most < PENDING_MAX);
    }
}

#[test]
fn shards_are_told_our_address_when_it_changes() {
    let mut rig = rig(None);
    rig.hub.add(spec(1, SeedGoal::Forever), rig.now).unwrap();
    rig.hear();
    rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
    let body =
        b"d8:completei1e11:external ip4:\x50\x01\x02\x0310:incompletei1e8:intervali1800e5:peers0:e";
    assert_eq!(rig.tracker_says(body), "0<we80.1.2.3 1<we80.1.2.3 tracker0");
}

#[test]
fn a_hybrid_is_announced_in_both_its_swarms_and_a_private_one_in_the_first() {
    for (private, announces) in [(false, "started! started!"), (true, "started!")] {
        let mut rig = rig(None);
        let names = InfoHashes::hybrid(InfoHash([1; 20]), InfoHashV2([2; 32]));
        let hybrid = TorrentSpec { info_hashes: names, private, ..spec(1, SeedGoal::Forever) };
        rig.hub.add(hybrid, rig.now).unwrap();
        assert_eq!(rig.hear(), "0<add0");
        let begun = rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
        assert_eq!(begun, announces);
        // By either name it is the same torrent, and known.
        assert_eq!(
            (rig.handshake(1).as_str(), rig.handshake(2).as_str()),
            ("0<incoming0", "0<incoming0")
        );
        assert_eq!(rig.hub.add(spec(1, SeedGoal::Forever), rig.now), None);
        let peer =
            b"d8:completei1e10:incompletei1e8:intervali1800e5:peers6:\x50\x01\x02\x03\x1a\xe1e";
        let told: Vec<String> = announces.split(' ').map(|_| rig.tracker_says(peer)).collect();
        assert!(told.iter().all(|words| words.contains("0<peers0")), "{told:?}");
        // One tracker, one report, whatever it says of each swarm.
        let reports = told.iter().filter(|words| words.contains("tracker0")).count();
        assert_eq!(reports, 1, "{told:?}");
        rig.hub.remove(TorrentId(0), rig.now);
        let stopped = rig.hear();
        assert_eq!(stopped.matches("stopped!").count(), announces.split(' ').count(), "{stopped}");
        rig.says(ToHub::Removed(TorrentId(0)));
        let last = announces.split(' ').map(|_| rig.tracker_answers()).last().unwrap();
        assert_eq!(last, "removed0");
        assert_eq!(rig.handshake(2), "close");
    }
}

fn near(lsd: bool, port_mapping: bool) -> Rig {
    let mut rig = rig(None);
    let config = Config {
        lsd,
        port_mapping: port_mapping.then_some(Duration::from_secs(1800)),
        announce: false,
        ..rig.hub.config.clone()
    };
    rig.hub = Hub::new(config, Rng::from_seed(0), rig.now);
    rig
}

fn neighbour_says(rig: &mut Rig, info_hash: u8) -> String {
    let info_hashes = vec![InfoHash([info_hash; 20])];
    let announce = wire::lsd::Announce { port: 51413, info_hashes, cookie: None };
    let from = SocketAddr::from(([192, 168, 1, 9], 6771));
    rig.hub.on_lan_datagram(Speaker::Neighbour, from, &announce.encode(false), rig.now);
    rig.hear()
}

#[test]
fn neighbours_hear_of_public_torrents_as_long_as_we_have_them() {
    for (private, lsd, expected) in
        [(false, true, "announce4"), (true, true, ""), (false, false, "")]
    {
        let mut rig = near(lsd, false);
        rig.hub.add(TorrentSpec { private, ..spec(1, SeedGoal::Forever) }, rig.now).unwrap();
        rig.hear();
        assert_eq!(neighbour_says(&mut rig, 1), "", "it is not open yet");
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
        if expected.is_empty() {
            assert_eq!(rig.hub.deadline(), None);
        } else {
            assert_eq!(rig.wait(Duration::from_secs(1)), expected);
        }
        let peers = if expected.is_empty() { "" } else { "0<peers0" };
        assert_eq!(neighbour_says(&mut rig, 1), peers);
        assert_eq!(neighbour_says(&mut rig, 2), "");
        rig.hub.remove(TorrentId(0), rig.now);
        rig.hear();
        rig.says(ToHub::Status(TorrentId(0), status(Phase::Downloading, 0, 0)));
        assert_eq!(neighbour_says(&mut rig, 1), "");
        assert_eq!(rig.hub.deadline(), None);
    }
}

#[test]
fn a_hub_stops_at_once_unless_the_router_has_to_forget_something() {
    let mut rig = near(true, false);
    rig.hub.stop(rig.now);
    assert_eq!(rig.hear(), "stopped");

    let mut rig = near(false, true);
    assert_eq!(rig.wait(Duration::ZERO), "gateway?");
    let [router, ours] = [1, 9].map(|n| Ipv4Addr::new(192, 168, 1, n));
    let gateway = discovery::port_mapping::Gateway { router, ours };
    rig.hub.on_gateway(Some(gateway), rig.now);
    assert_eq!(rig.hear(), ">5351 >1900 >1900");
    // It speaks NAT-PMP.
    let mut say = |bytes: &[u8]| {
        let from = SocketAddr::from((router, 5351));
        rig.hub.on_lan_datagram(Speaker::Router, from, bytes, rig.now);
        rig.hear()
    };
    assert_eq!(say(&[0, 129, 0, 1, 0, 0, 0, 0]), ">5351");
    assert_eq!(say(&[0, 128, 0, 0, 0, 0, 0, 0, 203, 0, 113, 5]), ">5351");
    assert_eq!(say(&[0, 130, 0, 0, 0, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 7, 8]), ">5351");
    let mapped = [0, 129, 0, 0, 0, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe1, 0, 0, 7, 8];
    assert_eq!(say(&mapped), "0<we203.0.113.5 1<we203.0.113.5 mapped6882");

    rig.hub.stop(rig.now);
    assert_eq!(rig.hear(), ">5351");
    let mut said = String::new();
    while !said.contains("stopped") {
        said = rig.wait(Duration::from_secs(2));
    }
}
