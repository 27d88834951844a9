//! Behaviours of a shard over a disk that answers at once. What it does is shown as words:
//! `settled0` and the like go to the hub, `dial`, `close(Full)`, `again` to the driver.

use base::{BLOCK_BYTES, FileIndex, InfoHash, InfoHashes, PieceIndex};
use keys::sha1;
use storage::digests::Digests;
use storage::job::{DiskError, DiskErrorKind, FileStamp};
use storage::layout::FileEntry;
use torrent::peers::Source;
use wire::peer::{self, Extensions, Handshake, Message};

use super::*;
use crate::limit::{Direction, Rates};
use crate::spec::{MagnetSpec, SeedGoal, TorrentSpec};

mod limits;

const PIECES: u32 = 8;

struct Rig {
    shard: Shard,
    now: Instant,
    /// Connections that were dialled.
    dialled: Vec<ConnId>,
    /// The files can't be opened.
    broken: bool,
    /// Every file is there in full.
    complete: bool,
    outputs: usize,
}

fn rig(buffers: usize, connections_max: usize, limited: bool) -> Rig {
    // The rate is the hub's affair: leases come from the tests.
    let global = limited.then_some(1);
    let rates = Rates { global, ..Rates::default() };
    limited_rig(buffers, connections_max, Limits { down: rates, up: rates })
}

fn limited_rig(buffers: usize, connections_max: usize, limits: Limits) -> Rig {
    let config = Config {
        index: 0,
        peer_id: PeerId([99; 20]),
        client: "test".into(),
        listen_port: None,
        buffers,
        connections_max,
        limits,
        store: store::Config::default(),
        dht: false,
        pex: false,
    };
    let shard = Shard::new(config, Rng::from_seed(0));
    let now = Instant::START;
    Rig { shard, now, dialled: Vec::new(), broken: false, complete: false, outputs: 0 }
}

/// Pieces of one block of zeros.
fn spec(n: u32) -> TorrentSpec {
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    let total_bytes = u64::from(PIECES * BLOCK_BYTES);
    TorrentSpec {
        info_hashes: InfoHashes::v1(InfoHash(hash)),
        name: "t".into(),
        root: "/r".into(),
        files: vec![FileEntry {
            path: "f".into(),
            length_bytes: total_bytes,
            ..FileEntry::default()
        }],
        piece_bytes: BLOCK_BYTES,
        total_bytes,
        digests: Digests::v1(vec![sha1(&[0; BLOCK_BYTES as usize]); PIECES as usize]),
        info: None,
        private: false,
        trackers: Vec::new(),
        peers: Vec::new(),
        similar: Vec::new(),
        collections: Vec::new(),
        writable: true,
        recheck: false,
        reserve: false,
        sequential: false,
        super_seed: swarm::SuperSeed::Auto,
        goal: SeedGoal::Forever,
    }
}

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 6881))
}

fn conn(peer: u8) -> ConnId {
    ConnId(u64::from(peer) << 8)
}

fn block(piece: u32) -> BlockId {
    BlockId { piece: PieceIndex(piece), offset_bytes: 0, length_bytes: BLOCK_BYTES }
}

impl Rig {
    fn tell(&mut self, message: ToShard) -> String {
        self.shard.on_message(message, self.now);
        self.hear()
    }

    fn add(&mut self, n: u32) -> String {
        self.tell(ToShard::Add(TorrentId(n), Box::new(spec(n))))
    }

    fn remove(&mut self, n: u32) -> String {
        self.tell(ToShard::Remove(TorrentId(n)))
    }

    fn peers(&mut self, n: u32, last: u8) -> String {
        self.tell(ToShard::Peers(
            SwarmId { torrent: TorrentId(n), v2: false },
            vec![addr(last)],
            Source::User,
        ))
    }

    fn incoming(&mut self, n: u32, peer: u8) -> String {
        let extensions = Extensions { fast: true, ..Extensions::default() };
        let handshake = Handshake::new(extensions, spec(n).info_hashes.first(), PeerId([peer; 20]));
        let torrent = TorrentId(n);
        self.tell(ToShard::Incoming { torrent, conn: conn(peer), addr: addr(peer), handshake })
    }

    fn dialed(&mut self, connected: bool) -> String {
        let conn = self.dialled.pop().unwrap();
        self.shard.on_dialed(conn, connected, self.now);
        self.hear()
    }

    fn closed(&mut self, peer: u8) -> String {
        self.shard.on_closed(conn(peer), self.now);
        self.hear()
    }

    /// Reads `bytes` from a peer's socket; `None` if the shard takes nothing now.
    fn read(&mut self, peer: u8, bytes: &[u8]) -> Option<String> {
        self.take_in(peer, bytes)?;
        Some(self.hear())
    }

    fn take_in(&mut self, peer: u8, mut bytes: &[u8]) -> Option<()> {
        let mut plan = self.shard.recv_plan(conn(peer), self.now)?;
        let before = bytes.len();
        for slot in &mut plan.slots {
            let to = slot.bytes_mut();
            let (now, later) = bytes.split_at(to.len().min(bytes.len()));
            to[..now.len()].copy_from_slice(now);
            bytes = later;
        }
        self.shard.on_received(conn(peer), plan, before - bytes.len(), self.now);
        Some(())
    }

    fn says(&mut self, peer: u8, messages: &[Message<'_>]) -> Option<String> {
        let mut bytes = Vec::new();
        messages.iter().for_each(|&message| peer::encode(message, &mut bytes));
        self.read(peer, &bytes)
    }

    fn hear(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.shard.poll_output() {
            self.outputs += 1;
            words.push(match output {
                Output::ToHub(message) => letter(&message),
                Output::Dial(conn, _) => {
                    self.dialled.push(conn);
                    "dial".into()
                }
                Output::Close(_, reason) => format!("close({reason:?})"),
                Output::Send(..) => "send".into(),
                Output::SendBlock(_) => "block".into(),
                Output::ReadAgain(_) => "again".into(),
                Output::Disk(DiskJob { torrent, id, kind }) => {
                    let done = DiskDone { torrent, id, kind: self.disk(kind) };
                    self.shard.on_disk(done, self.now);
                    continue;
                }
            });
        }
        words.retain(|word| !word.starts_with("status"));
        words.join(" ")
    }

    fn stamps(&self) -> Vec<FileStamp> {
        if self.complete { vec![stamp()] } else { Vec::new() }
    }

    fn disk(&self, job: JobKind) -> DoneKind {
        match job {
            JobKind::Open { .. } => {
                let (path, message) = ("/r".into(), "no".into());
                let (operation, kind) = ("open", DiskErrorKind::Denied);
                let error = DiskError { operation, path, kind, message };
                let stamps = if self.broken { Err(error) } else { Ok(self.stamps()) };
                DoneKind::Opened { stamps, resume: None, denied: None }
            }
            JobKind::Write { blocks, mut hash, .. } => {
                for (buf, length) in &blocks {
                    hash.as_mut().unwrap().update(&buf[..*length as usize]);
                }
                DoneKind::Written { blocks, hash, result: Ok(()) }
            }
            JobKind::Hash { mut hash, .. } => {
                hash.update(&[0; BLOCK_BYTES as usize]);
                DoneKind::Hashed { result: Ok(hash) }
            }
            JobKind::MakeResident { .. } => DoneKind::Resident { result: Ok(Vec::new()) },
            // What was written is there.
            JobKind::Sync { .. } => DoneKind::Synced { result: Ok(vec![stamp()]) },
            JobKind::Commit { .. } => DoneKind::Committed { result: Ok(()) },
            JobKind::Copy { .. } | JobKind::Remove { .. } => panic!("there is no part file"),
            JobKind::Close => DoneKind::Closed,
        }
    }

    /// Time passes, and nobody says anything.
    fn wait(&mut self, patience: Duration) -> String {
        let end = self.now.after(patience);
        let mut words = Vec::new();
        while let Some(at) = self.shard.deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.shard.on_deadline(self.now);
            words.push(self.hear());
        }
        self.now = end;
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }
}

fn stamp() -> FileStamp {
    let length_bytes = u64::from(PIECES * BLOCK_BYTES);
    FileStamp { file: FileIndex(0), length_bytes, modified_ns: 1 }
}

fn letter(message: &ToHub) -> String {
    match message {
        ToHub::Status(torrent, _) => format!("status{}", torrent.0),
        ToHub::WantPeers(torrent) => format!("want{}", torrent.0),
        ToHub::Settled(torrent) => format!("settled{}", torrent.0),
        ToHub::Failed(torrent, _) => format!("failed{}", torrent.0),
        ToHub::Trouble(torrent, _) => format!("trouble{}", torrent.0),
        ToHub::Doubted(torrent, ..) => format!("doubted{}", torrent.0),
        ToHub::Lost(torrent, pieces) => format!("lost{}:{pieces}", torrent.0),
        ToHub::Removed(torrent) => format!("removed{}", torrent.0),
        ToHub::LeaseWanted { direction, .. } => format!("lease{direction:?}"),
        ToHub::Peer(torrent, _, news) => format!("peer{}{news:?}", torrent.0),
        ToHub::View(torrent, view) => {
            format!("view{}:{}/{}", torrent.0, view.pieces.len(), view.peers.len())
        }
        ToHub::Metadata(torrent, _) => format!("metadata{}", torrent.0),
        ToHub::DhtNode(addr) => format!("node{addr}"),
        ToHub::Diary(torrent, entry) => format!("diary{}:{entry:?}", torrent.0),
    }
}

#[test]
fn connections_are_bounded_and_dials_wait_for_room() {
    let mut rig = rig(16, 2, false);
    assert_eq!(rig.add(0), "");
    assert_eq!(rig.incoming(0, 1), "send");
    assert_eq!(rig.incoming(0, 2), "send");
    assert_eq!(rig.incoming(0, 3), "close(Full)");
    assert_eq!(rig.incoming(9, 3), "close(Full)", "no such torrent");
    assert_eq!(rig.peers(0, 4), "");
    assert_eq!(rig.closed(1), "dial");
}

#[test]
fn a_dial_that_takes_too_long_is_given_up_and_its_answer_is_stale() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    assert_eq!(rig.peers(0, 4), "dial");
    assert_eq!(rig.wait(DIAL_MAX), "close(Silent)");
    assert_eq!(rig.dialed(true), "", "the driver has closed it");
    assert_eq!(rig.wait(Duration::from_secs(3)), "dial", "the user's addresses are tried again");
}

#[test]
fn a_dial_that_succeeds_after_its_torrent_is_gone_is_closed() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    assert_eq!(rig.peers(0, 4), "dial");
    assert_eq!(rig.remove(0), "removed0");
    assert_eq!(rig.dialed(true), "close(Stopped)");
    assert!(rig.shard.conns.is_empty());
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.shard.deadline(), None);
}

#[test]
fn a_failed_torrent_is_removed_with_all_that_waited_for_it() {
    let mut rig = rig(16, 1, false);
    rig.add(1);
    rig.incoming(1, 1);
    rig.add(0);
    assert_eq!(rig.peers(0, 4), "", "there is no room");
    rig.broken = true;
    assert_eq!(rig.add(2), "failed2");
    assert_eq!(rig.remove(2), "removed2");
    rig.shard.torrents.get_mut(&TorrentId(0)).unwrap().phase = Phase::Failed;
    assert_eq!(rig.remove(0), "removed0");
    assert_eq!(rig.closed(1), "", "nobody is dialled for it");
    assert_eq!(rig.incoming(2, 3), "close(Full)");
}

#[test]
fn a_removal_in_the_middle_of_opening_ends_whether_the_files_open_or_not() {
    for broken in [true, false] {
        let mut rig = rig(16, 9, false);
        rig.broken = broken;
        rig.shard.on_message(ToShard::Add(TorrentId(0), Box::new(spec(0))), rig.now);
        rig.shard.on_message(ToShard::Remove(TorrentId(0)), rig.now);
        let expected = if broken { "failed0 removed0" } else { "removed0" };
        assert_eq!(rig.hear(), expected);
        assert!(rig.shard.torrents.is_empty());
    }
}

#[test]
fn a_status_is_told_four_times_a_second_at_most_and_the_last_one_always() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    rig.incoming(0, 1);
    let mut told = Vec::new();
    for _ in 0..200 {
        rig.shard.on_deadline(rig.now);
        rig.take_in(1, &[0; 4]).unwrap();
        while let Some(output) = rig.shard.poll_output() {
            if matches!(output, Output::ToHub(ToHub::Status(..))) {
                told.push(rig.now);
            }
        }
        rig.now = rig.now.after(Duration::from_millis(10));
    }
    assert!((7..=9).contains(&told.len()), "{} in two seconds", told.len());
    assert!(told.windows(2).all(|pair| pair[1].since(pair[0]) >= STATUS_EVERY));
    assert!(rig.shard.deadline().is_some(), "the last change is still to be told");
}

#[test]
fn a_download_is_settled_and_gives_every_buffer_back() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    rig.incoming(0, 1);
    rig.says(1, &[Message::HaveAll, Message::Unchoke]).unwrap();
    let mut heard = String::new();
    // Not in the order asked for, and in several reads each.
    for piece in 0..PIECES {
        let mut bytes = Vec::new();
        let data = &[0; BLOCK_BYTES as usize];
        peer::encode(Message::Piece { block: block(piece), data }, &mut bytes);
        for chunk in bytes.chunks(5_000) {
            heard = rig.read(1, chunk).unwrap();
        }
    }
    assert_eq!(heard, "close(NothingToGive) settled0");
    assert!(rig.shard.have(TorrentId(0)).unwrap().is_full());
    rig.wait(Duration::from_secs(60));
    assert_eq!((rig.shard.buffers_out(), rig.shard.deadline()), (0, None));
    assert_eq!(rig.remove(0), "removed0");
}

#[test]
fn who_waits_for_a_buffer_is_woken_when_a_connection_that_held_it_ends() {
    let mut rig = rig(1, 9, false);
    rig.add(0);
    for peer in [1, 2] {
        rig.incoming(0, peer);
        rig.says(peer, &[Message::HaveAll, Message::Unchoke]).unwrap();
    }
    rig.wait(Duration::from_secs(1));
    rig.read(1, &piece_header(block(0))).unwrap();
    assert_eq!(rig.shard.buffers_out(), 1, "a part of a block is here");
    assert_eq!(rig.read(2, &[]), None);
    assert_eq!(rig.closed(1), "send again");
}

#[test]
fn a_lease_is_asked_for_once_and_wakes_who_waited() {
    let mut rig = rig(16, 9, true);
    rig.add(0);
    rig.incoming(0, 1);
    assert_eq!(rig.read(1, &[]), None);
    assert_eq!(rig.hear(), "leaseDown");
    assert_eq!(rig.read(1, &[]), None);
    assert_eq!(rig.hear(), "", "it was asked for");
    assert_eq!(rig.tell(ToShard::Lease(Direction::Down, Class::Internet, 5)), "again");
    rig.says(1, &[Message::HaveNone, Message::Interested]).unwrap();
    assert_eq!(rig.read(1, &[]), None, "five bytes were granted and ten were read");
    assert_eq!(rig.hear(), "leaseDown");
    assert_eq!(
        rig.tell(ToShard::Lease(Direction::Down, Class::Internet, 5)),
        "leaseDown",
        "it paid a debt"
    );
}

#[test]
fn blocks_leave_as_the_upload_lease_allows() {
    let mut rig = rig(16, 9, true);
    rig.complete = true;
    assert_eq!(rig.add(0), "settled0");
    rig.incoming(0, 1);
    rig.tell(ToShard::Lease(Direction::Down, Class::Internet, 1 << 20));
    rig.says(1, &[Message::Interested]).unwrap();
    let heard = rig.says(1, &[Message::Request(block(0)), Message::Request(block(1))]);
    assert_eq!(heard.as_deref(), Some("leaseUp"));
    let heard = rig.tell(ToShard::Lease(Direction::Up, Class::Internet, 1));
    assert_eq!(heard, "block leaseUp", "one block may overdraw");
    assert_eq!(rig.tell(ToShard::Lease(Direction::Up, Class::Internet, 1 << 20)), "block");
}

/// Visits to torrents and outputs in the life of two peers of one torrent among `torrents`.
fn cost_among(torrents: u32) -> (u64, usize) {
    let mut rig = rig(64, 9, false);
    for n in 0..torrents {
        rig.add(n);
    }
    rig.wait(Duration::from_secs(60));
    assert_eq!(rig.shard.deadline(), None, "idle torrents want nothing");
    let before = (rig.shard.visits(), rig.outputs);
    assert_eq!(rig.peers(3, 4), "dial");
    assert_eq!(rig.dialed(true), "send");
    rig.incoming(3, 1);
    rig.says(1, &[Message::HaveAll, Message::Unchoke]).unwrap();
    rig.wait(Duration::from_secs(30));
    rig.says(1, &[Message::KeepAlive]).unwrap();
    rig.closed(1);
    rig.wait(Duration::from_secs(30));
    (rig.shard.visits() - before.0, rig.outputs - before.1)
}

/// The measure of the issue: 1,000 torrents in one process cost an event nothing.
#[test]
fn the_cost_of_an_event_does_not_depend_on_how_many_torrents_there_are() {
    let (visits, outputs) = cost_among(10);
    assert!(visits > 30, "the peers' life was seen: {visits}");
    assert_eq!(cost_among(1_000), (visits, outputs));
}

#[test]
fn a_torrent_is_looked_at_closely_only_when_somebody_asks() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    rig.incoming(0, 1);
    assert_eq!(rig.tell(ToShard::Look(TorrentId(0), 3)), "view0:3/1");
    assert_eq!(rig.tell(ToShard::Look(TorrentId(0), 999)), format!("view0:{PIECES}/1"));
    assert_eq!(rig.tell(ToShard::Look(TorrentId(7), 3)), "", "no such torrent");
}

#[test]
fn a_diary_tells_who_came_and_who_left_and_why() {
    let mut rig = rig(16, 9, false);
    rig.add(0);
    rig.peers(0, 4);
    assert_eq!(rig.dialed(false), "", "nobody asked for a diary");
    rig.tell(ToShard::KeepDiary);
    rig.add(1);
    let said = rig.incoming(1, 2);
    assert!(said.contains("Joined { addr: 10.0.0.2:"), "{said}");
    let said = rig.closed(2);
    assert!(said.contains("Left { addr: 10.0.0.2:") && said.contains("reason: None"), "{said}");
    rig.peers(1, 5);
    let said = rig.dialed(false);
    assert!(said.contains("diary1:Unreachable(10.0.0.5:"), "{said}");
}

#[test]
fn a_ban_ends_connections_and_dials_of_the_address_in_every_torrent() {
    let mut rig = rig(8, 3, false);
    for n in 0..3 {
        rig.add(n);
    }
    rig.incoming(0, 1);
    rig.incoming(1, 2);
    assert_eq!(rig.peers(1, 1), "dial");
    assert_eq!(rig.peers(2, 1), "", "it waits for room");
    assert_eq!(rig.tell(ToShard::Ban(addr(1).ip())), "close(Banned)");
    assert_eq!(rig.dialed(true), "close(Banned)");
    assert_eq!(rig.incoming(2, 1), "close(Banned)");
    rig.closed(2);
    assert_eq!(rig.peers(2, 1), "", "it is not dialled any more");
    assert_eq!(rig.peers(2, 3), "dial");
    assert_eq!(rig.tell(ToShard::Ban(addr(1).ip())), "", "once is enough");
}

/// Who was named by the DHT or a peer may not be a member of its tracker.
#[test]
fn nobody_dialled_for_a_link_is_talked_to_if_the_torrent_turns_out_private() {
    for private in [false, true] {
        let mut rig = rig(4, 1, false);
        let magnet = MagnetSpec {
            info_hashes: spec(0).info_hashes,
            trackers: Vec::new(),
            linked_peers: vec![addr(1), addr(2)],
            peers: Vec::new(),
        };
        // There is room for one connection: the other dial waits.
        let heard = rig.tell(ToShard::Seek(TorrentId(0), Box::new(magnet)));
        assert_eq!(heard.matches("dial").count(), 1, "{heard}");
        let begun = TorrentSpec { private, ..spec(0) };
        let heard = rig.tell(ToShard::Begin(TorrentId(0), Box::new(begun)));
        assert_eq!((heard.contains("close"), heard.contains("dial")), (private, false), "{heard}");
        let heard = rig.dialed(true);
        assert_eq!(heard.contains("send"), !private, "{heard}");
    }
}
