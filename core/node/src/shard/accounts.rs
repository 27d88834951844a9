//! Regressions that `test/sim` found: seed 1 (totals of the last record), seed 249 (leases).

use base::{BLOCK_BYTES, InfoHash, InfoHashes, PieceIndex};
use storage::digests::Digests;
use storage::job::FileStamp;
use storage::layout::FileEntry;

use super::*;
use crate::limit::{Direction, Rates};
use crate::spec::{SeedGoal, TorrentSpec};

const TORRENT: TorrentId = TorrentId(0);
const BLOCK: BlockId = BlockId { piece: PieceIndex(0), offset_bytes: 0, length_bytes: BLOCK_BYTES };

fn shard(down: Option<u64>) -> Shard {
    let down = Rates { global: down, ..Rates::default() };
    let config = Config {
        index: 0,
        peer_id: PeerId([1; 20]),
        client: "test".into(),
        listen_port: None,
        buffers: 4,
        connections_max: 4,
        limits: Limits { down, ..Limits::default() },
        store: store::Config::default(),
        dht: false,
        pex: false,
    };
    Shard::new(config, Rng::from_seed(1))
}

fn spec() -> TorrentSpec {
    TorrentSpec {
        info_hashes: InfoHashes::v1(InfoHash([2; 20])),
        name: "file".into(),
        root: "/file".into(),
        files: vec![FileEntry {
            path: "file".into(),
            length_bytes: u64::from(BLOCK_BYTES),
            ..FileEntry::default()
        }],
        piece_bytes: BLOCK_BYTES,
        total_bytes: u64::from(BLOCK_BYTES),
        digests: Digests::v1([[0; 20]]),
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

/// Does what the shard wants of the disk, which is empty and never fails. Gives back what the
/// shard tells the hub, and the uploads in each committed record.
fn drive(shard: &mut Shard, now: Instant) -> (Vec<ToHub>, Vec<u64>) {
    let (mut told, mut recorded) = (Vec::new(), Vec::new());
    while let Some(output) = shard.poll_output() {
        let DiskJob { torrent, id, kind } = match output {
            Output::Disk(job) => job,
            Output::ToHub(message) => {
                told.push(message);
                continue;
            }
            Output::Dial(..)
            | Output::Close(..)
            | Output::Send(..)
            | Output::SendBlock(_)
            | Output::ReadAgain(_) => continue,
        };
        let kind = match kind {
            JobKind::Open { .. } => {
                DoneKind::Opened { stamps: Ok(Vec::<FileStamp>::new()), resume: None, denied: None }
            }
            JobKind::Sync { .. } => DoneKind::Synced { result: Ok(Vec::new()) },
            JobKind::Commit { record } => {
                recorded.push(record.uploaded_bytes);
                DoneKind::Committed { result: Ok(()) }
            }
            JobKind::Close => DoneKind::Closed,
            JobKind::Write { .. }
            | JobKind::Hash { .. }
            | JobKind::MakeResident { .. }
            | JobKind::Copy { .. }
            | JobKind::Remove { .. } => {
                panic!("nothing is there to be written or read")
            }
        };
        shard.on_disk(DiskDone { torrent, id, kind }, now);
    }
    (told, recorded)
}

#[test]
fn the_last_record_has_what_moved_since_the_last_status() {
    let now = Instant::START;
    let mut shard = shard(None);
    shard.on_message(ToShard::Add(TORRENT, Box::new(spec())), now);
    let (_, recorded) = drive(&mut shard, now);
    assert_eq!(recorded, [0]);
    // Too soon after a status for another one.
    shard.on_sent(ConnId(1), TORRENT, BLOCK, now);
    shard.on_message(ToShard::Remove(TORRENT), now);
    let (_, recorded) = drive(&mut shard, now);
    assert_eq!(recorded.last(), Some(&u64::from(BLOCK_BYTES)));
}

#[test]
fn a_lease_that_only_pays_for_what_was_overdrawn_is_followed_by_another() {
    let now = Instant::START;
    let mut shard = shard(Some(1));
    let asks = |shard: &mut Shard| {
        let (told, _) = drive(shard, now);
        told.iter()
            .filter(|message| {
                matches!(message, ToHub::LeaseWanted { direction: Direction::Down, .. })
            })
            .count()
    };
    shard.on_message(ToShard::Add(TORRENT, Box::new(spec())), now);
    let addr = SocketAddr::from(([10, 0, 0, 1], 1));
    let handshake = wire::peer::Handshake::new(
        wire::peer::Extensions::default(),
        InfoHash([2; 20]),
        PeerId([3; 20]),
    );
    shard.on_message(ToShard::Incoming { torrent: TORRENT, conn: ConnId(0), addr, handshake }, now);
    assert_eq!(asks(&mut shard), 0);
    assert!(shard.recv_plan(ConnId(0), now).is_none(), "there is no lease yet");
    assert_eq!(asks(&mut shard), 1);
    // One read may overdraw by a block.
    let whose = Whose { torrent: TORRENT, conn: ConnId(0), class: Class::Internet };
    shard.paced.on_read(whose, BLOCK_BYTES as usize);
    shard.on_message(ToShard::Lease(Direction::Down, Class::Internet, 1000), now);
    assert_eq!(asks(&mut shard), 1, "it is still in debt, and a socket waits");
    shard.on_message(ToShard::Lease(Direction::Down, Class::Internet, u64::from(BLOCK_BYTES)), now);
    assert_eq!(asks(&mut shard), 0);
    assert!(shard.recv_plan(ConnId(0), now).is_some());
}
