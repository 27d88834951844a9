//! Files that somebody changes, and a record that cannot be written.

use crate::job::HashPart;

use super::*;

/// A store that has everything of its file, which looks like `stamp(1, …)`.
fn complete(pieces: u32) -> Rig {
    let mut rig = rig(pieces, false);
    let mut record = record(0xff << (8 - pieces), 1, false);
    record.stamps = vec![stamp(1, pieces)];
    rig.open(vec![stamp(1, pieces)], Some(record));
    assert!(matches!(rig.store.poll_output(), Some(Output::Ready(have)) if have.is_full()));
    rig.commit(Ok(()));
    rig
}

impl Rig {
    /// Answers the commit that is due.
    fn commit(&mut self, result: Result<(), DiskError>) -> ResumeRecord {
        let job = self.job();
        let JobKind::Commit { record } = job.kind else { panic!("expected a commit") };
        self.answer(job.id, DoneKind::Committed { result });
        *record
    }

    /// Answers the look at a piece before it is sent.
    fn look(&mut self, result: Result<Vec<FileStamp>, DiskError>) {
        let job = self.job();
        assert!(matches!(job.kind, JobKind::MakeResident { .. }), "{job:?}");
        self.answer(job.id, DoneKind::Resident { result });
    }

    /// Compares a piece, which is as it was or not.
    fn compare(&mut self, piece: u32, right: bool) {
        let job = self.job();
        let JobKind::Hash { mut hash, .. } = job.kind else { panic!("expected a hash: {job:?}") };
        let at = (piece * BLOCK_BYTES) as usize;
        hash.update(&self.data[at..at + BLOCK_BYTES as usize]);
        if !right {
            hash.update(b"!");
        }
        self.answer(job.id, DoneKind::Hashed { result: Ok(hash) });
    }

    fn send(&mut self, key: u64, piece: u32) {
        let piece = PieceIndex(piece);
        let range = BlockId { piece, offset_bytes: 0, length_bytes: BLOCK_BYTES };
        self.store.make_resident(key, range);
    }

    /// What the store says: jobs by their verbs.
    fn said(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.store.poll_output() {
            words.push(match output {
                Output::Resident { key, result } => {
                    format!("{}{key}", if result.is_ok() { "send" } else { "refuse" })
                }
                Output::Leaves { key, leaves } => format!("leaves{key}={}", leaves.len()),
                Output::Doubted(_, doubt) => format!("{doubt:?}"),
                Output::PieceGone(piece) => format!("gone{}", piece.0),
                Output::PieceLost(piece) => format!("lost{}", piece.0),
                Output::Lost(count) => format!("{count}lost"),
                other @ (Output::Job(_)
                | Output::Failed(_)
                | Output::Ready(_)
                | Output::PieceDone(_)
                | Output::PieceFailed(..)
                | Output::PieceExamined(..)
                | Output::Trouble(_)
                | Output::Recovered
                | Output::Settled
                | Output::Closed) => format!("{other:?}"),
            });
        }
        words.join(" ")
    }
}

#[test]
fn nothing_of_a_changed_file_is_sent_before_it_was_compared() {
    let mut rig = complete(2);
    rig.send(1, 1);
    rig.look(Ok(vec![stamp(2, 2)]));
    assert!(matches!(rig.store.poll_output(), Some(Output::Doubted(_, Doubt::Changed))));
    rig.send(2, 0);
    let record = rig.commit_later();
    assert_eq!(record.have, [0], "nothing of it is claimed meanwhile");
    // The piece that somebody waits for comes first; both are compared at once.
    rig.compare_next(0, false);
    rig.compare_next(1, true);
    let said = rig.said();
    assert!(said.contains("gone0"), "{said}");
    assert!(said.contains("refuse2") && said.contains("1lost"), "{said}");
    assert!(!rig.store.have().has(PieceIndex(0)) && rig.store.have().has(PieceIndex(1)));
}

impl Rig {
    /// The commit among the jobs that are due; the others are kept back in order.
    fn commit_later(&mut self) -> ResumeRecord {
        let mut others = VecDeque::new();
        let mut found = None;
        while let Some(output) = self.store.poll_output() {
            if let Output::Job(DiskJob { id, kind: JobKind::Commit { record }, .. }) = output {
                found = Some((id, *record));
            } else {
                others.push_back(output);
            }
        }
        self.store.outputs = others;
        let (id, record) = found.expect("a commit is due");
        self.answer(id, DoneKind::Committed { result: Ok(()) });
        record
    }

    /// Answers the comparison of `piece`, wherever it stands among the jobs.
    fn compare_next(&mut self, piece: u32, right: bool) {
        let wanted = u64::from(piece * BLOCK_BYTES);
        let at = self.store.outputs.iter().position(|output| {
            matches!(output, Output::Job(DiskJob { kind: JobKind::Hash { parts, .. }, .. })
                if matches!(parts[..], [HashPart::File(extent)] if extent.offset_bytes == wanted))
        });
        let job = self.store.outputs.remove(at.expect("it is compared")).unwrap();
        self.store.outputs.push_front(job);
        self.compare(piece, right);
    }
}

#[test]
fn a_read_that_fails_once_is_tried_again_after_the_piece_was_found_right() {
    let mut rig = complete(1);
    rig.send(1, 0);
    rig.look(Err(disk_error(DiskErrorKind::Other)));
    assert!(matches!(rig.store.poll_output(), Some(Output::Doubted(_, Doubt::Unreadable))));
    rig.commit_later();
    rig.compare_next(0, true);
    rig.look(Ok(vec![stamp(1, 1)]));
    assert_eq!(rig.said(), "send1");
}

#[test]
fn a_piece_of_a_removed_file_is_refused_and_gone() {
    let mut rig = complete(1);
    rig.send(1, 0);
    rig.look(Err(disk_error(DiskErrorKind::NotFound)));
    assert!(matches!(rig.store.poll_output(), Some(Output::Doubted(_, Doubt::Gone))));
    let record = rig.commit_later();
    assert_eq!((record.have, record.stamps), (vec![0], vec![]));
    let job = rig.job();
    let result = Err(disk_error(DiskErrorKind::NotFound));
    rig.answer(job.id, DoneKind::Hashed { result });
    assert_eq!(rig.said(), "gone0 refuse1 1lost");
    rig.send(2, 0);
    assert_eq!(rig.said(), "refuse2", "the swarm may not have heard yet");
}

#[test]
fn a_write_that_finds_its_file_gone_gives_up_what_was_written_there_and_is_tried_again() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.commit(Ok(()));
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(_))));
    rig.block(1);
    let job = rig.job();
    let JobKind::Write { blocks, hash, .. } = job.kind else { panic!("a write") };
    let result = Err(disk_error(DiskErrorKind::NotFound));
    rig.answer(job.id, DoneKind::Written { blocks, hash, result });
    assert!(matches!(rig.store.poll_output(), Some(Output::Doubted(_, Doubt::Gone))));
    rig.compare(0, false);
    rig.write();
    let said = rig.said();
    assert!(said.starts_with("gone0 1lost"), "{said}");
    assert!(said.contains("PieceDone(PieceIndex(1))"), "{said}");
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn a_file_that_cannot_be_made_anew_is_said_to_be_gone_once_and_waited_for() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.commit(Ok(()));
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(_))));
    rig.block(1);
    let fail = |rig: &mut Rig| {
        let at = rig.store.outputs.iter().position(|output| {
            matches!(output, Output::Job(DiskJob { kind: JobKind::Write { .. }, .. }))
        });
        let Some(Output::Job(job)) = rig.store.outputs.remove(at.expect("a write")) else {
            unreachable!("just found")
        };
        let JobKind::Write { blocks, hash, .. } = job.kind else { unreachable!("just found") };
        let result = Err(disk_error(DiskErrorKind::NotFound));
        rig.answer(job.id, DoneKind::Written { blocks, hash, result });
    };
    // The folder is gone as well.
    fail(&mut rig);
    fail(&mut rig);
    let said = rig.said();
    assert_eq!(said.matches("Gone").count(), 1, "{said}");
    assert!(said.contains("Trouble") && !said.contains("Write"), "{said}");
    let at = rig.store.deadline().unwrap();
    rig.store.on_deadline(at, &mut rig.pool);
    rig.write();
    assert!(rig.said().contains("Recovered"));
    assert_eq!(rig.pool.outstanding(), 0);
}

#[test]
fn a_sync_without_room_takes_back_what_it_should_have_kept() {
    let mut rig = rig(1, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.commit(Ok(()));
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(_))));
    rig.store.settle(NOW);
    let sync = rig.job();
    rig.answer(sync.id, DoneKind::Synced { result: Err(disk_error(DiskErrorKind::Full)) });
    let said = rig.said();
    assert!(said.starts_with("gone0 1lost ") && said.contains("Trouble"), "{said}");
}

#[test]
fn a_record_that_finds_no_room_holds_up_no_write_and_no_end() {
    let mut rig = rig(2, false);
    rig.open(Vec::new(), None);
    rig.store.poll_output();
    rig.commit(Err(disk_error(DiskErrorKind::Full)));
    assert!(rig.said().starts_with("Trouble"), "said once");
    rig.block(0);
    rig.write();
    assert!(matches!(rig.store.poll_output(), Some(Output::PieceDone(_))));
    let at = rig.store.deadline().unwrap();
    rig.store.on_deadline(at, &mut rig.pool);
    rig.commit(Err(disk_error(DiskErrorKind::Full)));
    assert_eq!(rig.said(), "", "not twice");
    rig.store.stop(NOW, &mut rig.pool);
    let sync = rig.job();
    assert!(matches!(sync.kind, JobKind::Sync { .. }), "{sync:?}");
    rig.answer(sync.id, DoneKind::Synced { result: Ok(vec![stamp(9, 2)]) });
    rig.commit(Err(disk_error(DiskErrorKind::Full)));
    assert!(matches!(rig.job().kind, JobKind::Close), "the next run compares again");
}

#[test]
fn a_record_claims_as_compared_only_what_it_has_or_lacks_for_certain() {
    let mut rig = rig(2, false);
    rig.store.spec.writable = false;
    rig.open(vec![stamp(1, 2)], None);
    rig.compare(0, true);
    rig.compare(1, true);
    assert!(matches!(rig.store.poll_output(), Some(Output::Ready(have)) if have.is_full()));
    let record = rig.commit(Ok(()));
    // Both are right, and not yet synced: a run that follows a crash must look again.
    assert_eq!((record.have, record.checked_to), (vec![0], 0));
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_fetched_unless_nothing_is_missing() {
    for complete in [true, false] {
        let mut rig = rig(1, false);
        let id = rig.job().id;
        let (stamps, resume) = (vec![stamp(1, 1)], None);
        let denied = Some(disk_error(DiskErrorKind::Denied));
        rig.answer(id, DoneKind::Opened { stamps: Ok(stamps), resume, denied });
        rig.compare(0, complete);
        let said = rig.store.poll_output();
        assert_eq!(matches!(said, Some(Output::Failed(_))), !complete, "{said:?}");
    }
}
