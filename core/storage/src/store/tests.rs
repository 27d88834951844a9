//! Behaviours of a store, driven by hand.

use base::BLOCK_BYTES;
use keys::{Kinds, sha1, sha256};

use super::*;

const V1: Kinds = Kinds { v1: true, v2: false };
use crate::layout::FileEntry;

mod doubt;
mod v2;

const NOW: Instant = Instant::START;

struct Rig {
    store: Store,
    pool: BufPool,
    data: Vec<u8>,
}

/// Pieces of one block each.
fn rig(pieces: u32, recheck: bool) -> Rig {
    let data: Vec<u8> = (0..pieces * BLOCK_BYTES).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let digests: Vec<_> = data.chunks(BLOCK_BYTES as usize).map(sha1).collect();
    let length_bytes = data.len() as u64;
    let file = FileEntry { path: "f".into(), length_bytes, ..FileEntry::default() };
    let spec = Spec {
        torrent: TorrentId(0),
        info_hash: InfoHash([1; 20]),
        root: "/r".into(),
        layout: Layout::new(vec![file], BLOCK_BYTES),
        digests: Digests::v1(digests),
        writable: true,
        recheck,
    };
    Rig { store: Store::new(spec, Config::default()), pool: BufPool::new(8), data }
}

impl Rig {
    fn job(&mut self) -> DiskJob {
        match self.store.poll_output() {
            Some(Output::Job(job)) => job,
            other => panic!("expected a job, got {other:?}"),
        }
    }

    fn answer(&mut self, id: JobId, kind: DoneKind) {
        let done = DiskDone { torrent: TorrentId(0), id, kind };
        self.store.on_done(done, NOW, &mut self.pool);
    }

    fn open(&mut self, stamps: Vec<FileStamp>, resume: Option<ResumeRecord>) {
        let id = self.job().id;
        self.answer(
            id,
            DoneKind::Opened { stamps: Ok(stamps), resume: resume.map(Box::new), denied: None },
        );
    }

    fn block(&mut self, piece: u32) {
        let mut buf = self.pool.take();
        let at = (piece * BLOCK_BYTES) as usize;
        buf.copy_from_slice(&self.data[at..at + BLOCK_BYTES as usize]);
        let block =
            BlockId { piece: PieceIndex(piece), offset_bytes: 0, length_bytes: BLOCK_BYTES };
        self.store.on_block(block, buf, NOW, &mut self.pool);
    }

    /// Carries out a write; returns nothing but leaves the answer in the store.
    fn write(&mut self) {
        let job = self.job();
        let JobKind::Write { blocks, hash, .. } = job.kind else { panic!("expected a write") };
        let mut hash = hash;
        for (buf, length) in &blocks {
            hash.as_mut().unwrap().update(&buf[..*length as usize]);
        }
        self.answer(job.id, DoneKind::Written { blocks, hash, result: Ok(()) });
    }
}

impl Rig {
    /// Carries out the hashing of the only block, as it was written.
    fn hash_back(&mut self) {
        let job = self.job();
        let JobKind::Hash { mut hash, .. } = job.kind else { panic!("expected a hash") };
        hash.update(&self.data);
        self.answer(job.id, DoneKind::Hashed { result: Ok(hash) });
    }
}

fn stamp(modified_ns: i64, pieces: u32) -> FileStamp {
    let length_bytes = u64::from(pieces * BLOCK_BYTES);
    FileStamp { file: FileIndex(0), length_bytes, modified_ns }
}

fn record(have: u8, modified_ns: i64, writing: bool) -> ResumeRecord {
    ResumeRecord {
        info_hash: InfoHash([1; 20]),
        root: "/r".into(),
        have: vec![have],
        stamps: vec![stamp(modified_ns, 3)],
        writing,
        checked_to: 3,
        downloaded_bytes: 5,
        uploaded_bytes: 7,
        was_complete: false,
    }
}

/// What is believed (`h`), compared (`?`) and known missing (`.`) of three pieces.
fn judged(now: &[FileStamp], record: Option<&ResumeRecord>) -> String {
    let layout = &rig(3, false).store.spec.layout;
    let (trusted, unknown) = judge_files(layout, now, record);
    let symbol = |piece| match (trusted.has(piece), unknown.contains(&piece)) {
        (true, _) => 'h',
        (false, true) => '?',
        (false, false) => '.',
    };
    (0..3).map(PieceIndex).map(symbol).collect()
}

#[test]
fn a_record_is_believed_only_for_a_file_that_looks_as_it_did() {
    let here = [stamp(100, 3)];
    for (case, now, record, expected) in [
        ("no record", &here[..], None, "???"),
        ("same", &here[..], Some(record(0b1100_0000, 100, false)), "hh."),
        ("touched since", &here[..], Some(record(0b1100_0000, 99, false)), "???"),
        ("killed while writing", &here[..], Some(record(0b1100_0000, 99, true)), "hh?"),
        ("older than recorded", &here[..], Some(record(0b1100_0000, 101, true)), "???"),
        ("file gone", &[], Some(record(0b1100_0000, 100, false)), "..."),
        ("file short", &[stamp(100, 2)][..], Some(record(0b1100_0000, 100, false)), "..."),
        ("spare bits set", &here[..], Some(record(0b1101_0000, 100, false)), "..."),
    ] {
        assert_eq!(judged(now, record.as_ref()), expected, "{case}");
    }
}

#[test]
fn have_bits_are_committed_only_after_the_sync_of_their_data() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    assert!(matches!(rig.store.poll_output(), Some(Output::Ready(_))));
    let first = rig.job();
    assert!(matches!(&first.kind, JobKind::Commit { record } if record.have == [0]));
    rig.answer(first.id, DoneKind::Committed { result: Ok(()) });

    rig.block(1);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(PieceIndex(1)))));
    assert!(rig.store.poll_output().is_none(), "no commit before a sync");

    rig.store.settle(NOW);
    let sync = rig.job();
    assert!(matches!(&sync.kind, JobKind::Sync { files } if files == &[FileIndex(0)]));
    assert!(rig.store.poll_output().is_none(), "no commit before the sync is done");
    rig.answer(sync.id, DoneKind::Synced { result: Ok(vec![stamp(9, 2)]) });
    let commit = rig.job();
    assert!(matches!(&commit.kind, JobKind::Commit { record } if record.have == [0b0100_0000]));
    rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
    assert!(matches!(rig.store.poll_output(), Some(Output::Settled)));
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn corrupt_piece_is_wanted_again_and_never_had() {
    let mut rig = rig(1, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.store.poll_output();
    rig.data[0] ^= 1;
    rig.block(0);
    rig.write();
    rig.hash_back();
    let bad = sha256(&rig.data);
    let Some(Output::PieceFailed(PieceIndex(0), blocks)) = rig.store.poll_output() else {
        panic!("it failed");
    };
    assert_eq!(blocks, [Some(bad)]);
    assert!(!rig.store.have().has(PieceIndex(0)));
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn a_piece_that_failed_is_looked_at_again_when_it_is_right() {
    let mut rig = rig(1, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.store.poll_output();
    rig.data[0] ^= 1;
    rig.block(0);
    rig.write();
    let unreadable = rig.job();
    assert!(rig.store.poll_output().is_none(), "not wanted again before it was looked at");
    let result = Err(disk_error(DiskErrorKind::Other));
    rig.answer(unreadable.id, DoneKind::Hashed { result });
    let failed = rig.store.poll_output();
    assert!(matches!(failed, Some(Output::PieceFailed(_, blocks)) if blocks == [None]));

    rig.data[0] ^= 1;
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(PieceIndex(0)))));
    rig.hash_back();
    let good = sha256(&rig.data);
    let examined = rig.store.poll_output();
    assert!(matches!(examined, Some(Output::PieceExamined(_, blocks)) if blocks == [Some(good)]));
}

#[test]
fn full_disk_is_said_once_and_the_write_is_tried_again() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.store.poll_output();
    for _ in 0..2 {
        if rig.pool.outstanding() == 0 {
            rig.block(0);
        }
        let job = rig.job();
        let JobKind::Write { blocks, hash, .. } = job.kind else { panic!("a write") };
        let error = DiskError {
            operation: "write",
            path: "/r/f".into(),
            kind: DiskErrorKind::Full,
            message: "no space left on device".into(),
        };
        rig.answer(job.id, DoneKind::Written { blocks, hash, result: Err(error) });
        if let Some(output) = rig.store.poll_output() {
            assert!(matches!(output, Output::Trouble(_)));
        }
        assert!(rig.store.poll_output().is_none(), "said once, and not hammered");
        let at = rig.store.deadline().unwrap();
        rig.store.on_deadline(at, &mut rig.pool);
    }
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::Recovered)));
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(PieceIndex(0)))));
}

#[test]
fn a_full_disk_is_over_when_what_failed_is_written_and_not_when_something_else_is() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.store.poll_output();
    rig.block(0);
    let job = rig.job();
    let JobKind::Write { blocks, hash, .. } = job.kind else { panic!("a write") };
    let result = Err(disk_error(DiskErrorKind::Full));
    rig.answer(job.id, DoneKind::Written { blocks, hash, result });
    assert!(matches!(rig.store.poll_output(), Some(Output::Trouble(_))));
    rig.block(1);
    let at = rig.store.deadline().unwrap();
    rig.store.on_deadline(at, &mut rig.pool);
    // Both are tried. There is room for one, with `--preallocate` for a smaller file.
    let again = rig.job();
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(PieceIndex(1)))));
    let JobKind::Write { blocks, hash, .. } = again.kind else { panic!("a write") };
    let result = Err(disk_error(DiskErrorKind::Full));
    rig.answer(again.id, DoneKind::Written { blocks, hash, result });
    assert!(rig.store.poll_output().is_none(), "said once");
    let at = rig.store.deadline().unwrap();
    rig.store.on_deadline(at, &mut rig.pool);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::Recovered)));
}

#[test]
fn stop_gives_back_every_buffer_and_waits_for_jobs_under_way() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    let commit = rig.job();
    rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
    rig.block(0);
    let write = rig.job();
    rig.store.stop(NOW, &mut rig.pool);
    assert!(rig.store.poll_output().is_none(), "the write is still out");
    let JobKind::Write { blocks, hash, .. } = write.kind else { panic!("a write") };
    rig.answer(write.id, DoneKind::Written { blocks, hash, result: Ok(()) });
    let look = rig.job();
    assert!(matches!(&look.kind, JobKind::Sync { .. }), "times after the last write");
    rig.answer(look.id, DoneKind::Synced { result: Ok(vec![stamp(42, 2)]) });
    let commit = rig.job();
    let JobKind::Commit { record } = &commit.kind else { panic!("a commit") };
    assert!(!record.writing && record.stamps == [stamp(42, 2)]);
    rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
    let close = rig.job();
    assert!(matches!(close.kind, JobKind::Close));
    rig.answer(close.id, DoneKind::Closed);
    assert!(matches!(rig.store.poll_output(), Some(Output::Closed)));
    assert_eq!(rig.pool.outstanding(), 0);
}

/// A piece of three blocks whose last block was written ahead while memory was short; the first
/// two are in memory, not yet written.
fn rig_with_a_block_ahead() -> Rig {
    let mut rig = rig(3, false);
    rig.store = {
        let length_bytes = rig.data.len() as u64;
        let file = FileEntry { path: "f".into(), length_bytes, ..FileEntry::default() };
        let spec = Spec {
            torrent: TorrentId(0),
            info_hash: InfoHash([1; 20]),
            root: "/r".into(),
            layout: Layout::new(vec![file], 3 * BLOCK_BYTES),
            digests: Digests::v1([sha1(&rig.data)]),
            writable: true,
            recheck: false,
        };
        Store::new(spec, Config::default())
    };
    rig.open(Vec::new(), None);
    assert!(matches!(rig.store.poll_output(), Some(Output::Ready(_))));
    let commit = rig.job();
    rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
    rig.part(2);
    rig.store.relieve(NOW, &mut rig.pool);
    let job = rig.job();
    let JobKind::Write { blocks, hash: None, .. } = job.kind else { panic!("written ahead") };
    rig.answer(job.id, DoneKind::Written { blocks, hash: None, result: Ok(()) });
    rig.part(0);
    rig.part(1);
    rig
}

impl Rig {
    /// Block `index` of the only piece.
    fn part(&mut self, index: u32) {
        let mut buf = self.pool.take();
        let at = (index * BLOCK_BYTES) as usize;
        buf.copy_from_slice(&self.data[at..at + BLOCK_BYTES as usize]);
        let offset_bytes = index * BLOCK_BYTES;
        let block = BlockId { piece: PieceIndex(0), offset_bytes, length_bytes: BLOCK_BYTES };
        self.store.on_block(block, buf, NOW, &mut self.pool);
    }
}

fn disk_error(kind: DiskErrorKind) -> DiskError {
    DiskError { operation: "read", path: "/r/f".into(), kind, message: "simulated".into() }
}

#[test]
fn what_was_written_ahead_and_is_gone_is_wanted_again_without_blame() {
    let mut rig = rig_with_a_block_ahead();
    rig.write();
    let hash = rig.job();
    assert!(matches!(hash.kind, JobKind::Hash { .. }), "the last block is read back");
    rig.answer(hash.id, DoneKind::Hashed { result: Err(disk_error(DiskErrorKind::NotFound)) });
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceLost(PieceIndex(0)))));
    assert!(matches!(rig.store.poll_output(), Some(Output::Trouble(_))));
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn what_was_read_back_and_is_wrong_tells_nothing_of_who_sent_it() {
    let mut rig = rig_with_a_block_ahead();
    rig.write();
    let hash = rig.job();
    // Somebody else wrote into the file.
    rig.answer(hash.id, DoneKind::Hashed { result: Ok(PieceHash::new(V1)) });
    let failed = rig.store.poll_output();
    assert!(matches!(failed, Some(Output::PieceFailed(_, blocks)) if blocks.is_empty()));
    assert!(rig.store.poll_output().is_none(), "nothing is to be looked at");
}

#[test]
fn a_read_back_that_fails_for_now_is_tried_again() {
    let mut rig = rig_with_a_block_ahead();
    rig.write();
    let first = rig.job();
    rig.answer(first.id, DoneKind::Hashed { result: Err(disk_error(DiskErrorKind::Other)) });
    assert!(matches!(rig.store.poll_output(), Some(Output::Trouble(_))));
    let at = rig.store.deadline().unwrap();
    rig.store.on_deadline(at, &mut rig.pool);
    let again = rig.job();
    let JobKind::Hash { mut hash, .. } = again.kind else { panic!("it is read again") };
    hash.update(&rig.data[2 * BLOCK_BYTES as usize..]);
    rig.answer(again.id, DoneKind::Hashed { result: Ok(hash) });
    let outputs: Vec<Output> = core::iter::from_fn(|| rig.store.poll_output()).collect();
    assert!(outputs.iter().any(|o| matches!(o, Output::PieceDone(PieceIndex(0)))), "{outputs:?}");
}

#[test]
fn a_failed_sync_ends_the_store_and_gives_back_every_buffer() {
    let mut rig = rig(3, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    let commit = rig.job();
    rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(_))));
    rig.store.settle(NOW);
    let sync = rig.job();
    rig.block(1);
    let write = rig.job();
    rig.answer(sync.id, DoneKind::Synced { result: Err(disk_error(DiskErrorKind::Other)) });
    assert!(matches!(rig.store.poll_output(), Some(Output::Failed(_))));
    let JobKind::Write { blocks, hash, .. } = write.kind else { panic!("a write") };
    rig.answer(write.id, DoneKind::Written { blocks, hash, result: Ok(()) });
    assert!(rig.store.poll_output().is_none(), "nothing is claimed any more");
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn totals_are_recorded_within_seconds_though_nothing_else_changes() {
    let mut rig = rig(3, false);
    let before = ResumeRecord { was_complete: true, ..record(0b1110_0000, 5, false) };
    rig.open(vec![stamp(5, 3)], Some(before));
    assert!(rig.store.was_complete());
    let mut uploads = Vec::new();
    let mut now = NOW;
    for uploaded in [0, 100, 100, 300] {
        rig.store.set_totals(0, uploaded);
        rig.store.on_totals_told(now);
        if let Some(at) = rig.store.deadline() {
            assert!(at <= now.after(SyncPolicy::default().dirty_age_max));
            now = at;
            rig.store.on_deadline(now, &mut rig.pool);
        }
        while let Some(output) = rig.store.poll_output() {
            if let Output::Job(DiskJob { id, kind: JobKind::Commit { record }, .. }) = output {
                uploads.push(record.uploaded_bytes);
                assert!(record.was_complete);
                rig.answer(id, DoneKind::Committed { result: Ok(()) });
            }
        }
    }
    // The 7 of earlier runs count once, and what did not grow is not written again.
    assert_eq!(uploads, [7, 107, 307]);
}
