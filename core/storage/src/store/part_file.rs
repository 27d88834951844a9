//! The part file in the life of a store: given back from at the start, deleted when of no use.
//!
//! Nothing here is trusted: what came out of the part file is compared with its digest before it
//! is claimed, as whatever else no record vouches for, and the part file stays until the record
//! says that its bytes are durable elsewhere. A crash in between costs at most the pieces at the
//! edges of the files that came back.

use std::collections::{BTreeSet, VecDeque};

use base::{Bitfield, BufPool, FileIndex, Instant, PieceIndex};

use super::{JobUse, State, Store};
use crate::job::{Bring, CopyRange, FileStamp, JobKind, ResumeRecord};

/// What a store knows of its part file.
#[derive(Debug)]
pub(super) struct PartFile {
    /// The pieces that hold bytes of wanted files.
    pub(super) wanted: Bitfield,
    /// It is there, and nothing in it is needed.
    obsolete: bool,
    /// What it has could not be given back: the next run may.
    kept: bool,
    /// What the disk told when it was opened, while the part file gives back what is wanted now.
    looked: Option<Looked>,
}

#[derive(Debug)]
struct Looked {
    stamps: Vec<FileStamp>,
    resume: Option<Box<ResumeRecord>>,
    /// The files that get something.
    written: BTreeSet<FileIndex>,
    /// What is brought next, step by step.
    brings: VecDeque<Bring>,
    /// What comes back from the part file, at last.
    ranges: Vec<CopyRange>,
}

impl PartFile {
    pub(super) fn new(wanted: Bitfield) -> Self {
        Self { wanted, obsolete: false, kept: false, looked: None }
    }
}

impl Store {
    /// The files were looked at. Those that were skipped before and are wanted now first get back
    /// what the part file has of them; those that are elsewhere on this machine are brought.
    pub(super) fn on_first_look(
        &mut self,
        stamps: Vec<FileStamp>,
        resume: Option<Box<ResumeRecord>>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        if !matches!(self.state, State::Opening) {
            return;
        }
        let layout = &mut self.spec.layout;
        let lengths = layout.lengths();
        let mut present: Vec<FileIndex> = stamps
            .iter()
            .filter(|stamp| lengths.get(stamp.file.0 as usize) <= Some(&stamp.length_bytes))
            .map(|stamp| stamp.file)
            .collect();
        present.sort_unstable();
        let is_present = |file: FileIndex| present.binary_search(&file).is_ok();
        layout.put_aside(self.spec.writable, is_present);
        let has_part = layout.part_file().is_some_and(is_present);
        let record = resume.as_deref().filter(|_| !self.spec.recheck);
        let had = record.map(|record| Bitfield::from_bytes(&record.have, layout.piece_count()));
        let had = |piece: PieceIndex| match &had {
            Some(Some(bits)) => bits.has(piece),
            Some(None) | None => true,
        };
        let ranges = if has_part && self.spec.writable {
            layout.restorable(|file| !is_present(file), had)
        } else {
            Vec::new()
        };
        let brings = if self.spec.writable { layout.to_bring(is_present) } else { Vec::new() };
        if ranges.is_empty() && brings.is_empty() {
            return self.on_opened(stamps, resume, now, pool);
        }
        let restored = ranges.iter().map(|range| range.to.file);
        let written: BTreeSet<_> = restored.chain(brings.iter().map(|bring| bring.file)).collect();
        let mut resume = resume;
        if let Some(record) = &mut resume {
            // Whatever it says of them, it does not say of what comes there now.
            record.stamps.retain(|stamp| !written.contains(&stamp.file));
        }
        self.watch.on_write(written.iter().copied());
        let brings = brings.into();
        self.part.looked = Some(Looked { stamps, resume, written, brings, ranges });
        self.copy_more();
    }

    /// The next step of what is copied; false if there is none.
    fn copy_more(&mut self) -> bool {
        let Some(looked) = &mut self.part.looked else { return false };
        let (bring, ranges) = match looked.brings.pop_front() {
            Some(bring) => (Some(bring), Vec::new()),
            None => (None, core::mem::take(&mut looked.ranges)),
        };
        let any = bring.is_some() || !ranges.is_empty();
        if any {
            self.job(JobKind::Copy { bring, ranges }, JobUse::Copy);
        }
        any
    }

    /// The copies are made. If not, nothing of those files counts as there: their pieces are
    /// fetched again, and what is wrong with the disk is told when they are written.
    pub(super) fn on_copied(
        &mut self,
        stamps: Option<Vec<FileStamp>>,
        now: Instant,
        pool: &mut BufPool,
    ) {
        if stamps.is_some() && matches!(self.state, State::Opening) && self.copy_more() {
            return;
        }
        let Some(before) = self.part.looked.take() else { return };
        self.watch.on_write_done(before.written.into_iter());
        self.part.kept = stamps.is_none();
        self.on_opened(stamps.unwrap_or(before.stamps), before.resume, now, pool);
    }

    /// Everything is compared: is the part file of any use?
    pub(super) fn judge_part_file(&mut self) {
        let layout = &self.spec.layout;
        let Some(part) = layout.part_file().filter(|_| self.spec.writable) else { return };
        let exists = self.stamps.iter().any(|stamp| stamp.file == part);
        let of_use = |piece| self.part.wanted.has(piece) || self.have.has(piece);
        self.part.obsolete = exists && !self.part.kept && !layout.pieces_in_part().any(of_use);
    }

    /// Everything is durable and recorded: a part file of no use goes.
    pub(super) fn drop_part_file(&mut self) {
        if let Some(file) = self.spec.layout.part_file()
            && matches!(self.state, State::Ready)
            && core::mem::take(&mut self.part.obsolete)
        {
            // It is we who take it away.
            self.note_stamp(file, None);
            self.job(JobKind::Remove { file }, JobUse::RemovePart);
        }
    }
}

#[cfg(test)]
mod tests {
    use base::{BLOCK_BYTES, BlockId, InfoHash, JobId, TorrentId};
    use keys::sha1;

    use super::super::{Config, Output, Spec, judge_files};
    use super::*;
    use crate::digests::Digests;
    use crate::job::{DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind};
    use crate::layout::{FileEntry, Layout};

    const NOW: Instant = Instant::START;
    const PART: FileIndex = FileIndex(3);
    /// Pieces: `a`, `a` and `b`, `b` and `c`, `c`.
    const LENGTHS: [u32; 3] = [BLOCK_BYTES * 3 / 2, BLOCK_BYTES, BLOCK_BYTES * 3 / 2];

    fn layout(wanted: &str) -> Layout {
        let entry = |(name, length): (char, u32)| FileEntry {
            path: name.to_string().into(),
            length_bytes: length.into(),
            wanted: wanted.contains(name),
            ..FileEntry::default()
        };
        let files = "abc".chars().zip(LENGTHS).map(entry).collect();
        Layout::new(files, BLOCK_BYTES).with_part("part".into())
    }

    /// `"a1 c1 p2"`: files that are there in full, `p` the part file, with their times.
    fn stamps(notation: &str) -> Vec<FileStamp> {
        let stamp = |word: &str| {
            let (name, time) = word.split_at(1);
            let file = FileIndex(u32::try_from("abcp".find(name).unwrap()).unwrap());
            let length_bytes = layout("abc").lengths()[file.0 as usize];
            FileStamp { file, length_bytes, modified_ns: time.parse().unwrap() }
        };
        notation.split_whitespace().map(stamp).collect()
    }

    fn record(then: &str) -> ResumeRecord {
        ResumeRecord {
            info_hash: InfoHash([1; 20]),
            root: "/r".into(),
            have: vec![0b1111_0000],
            stamps: stamps(then),
            writing: false,
            checked_to: 4,
            downloaded_bytes: 0,
            uploaded_bytes: 0,
            was_complete: false,
        }
    }

    #[test]
    fn a_record_vouches_for_the_part_file_only_if_the_bytes_were_in_it_then() {
        // `b` is skipped. Believed (`h`), to be compared (`?`), known missing (`.`).
        for (case, now, then, expected) in [
            ("as it was", "a1 c1 p1", "a1 c1 p1", "hhhh"),
            ("the part file was written to", "a1 c1 p2", "a1 c1 p1", "h??h"),
            ("the part file is gone", "a1 c1", "a1 c1 p1", "h..h"),
            ("b was there, and its bytes in it", "a1 c1 p1", "a1 b1 c1 p1", "h??h"),
            ("b came back from elsewhere", "a1 b1 c1 p1", "a1 c1 p1", "h??h"),
            ("b is there as it was", "a1 b1 c1", "a1 b1 c1", "hhhh"),
            ("b is there, the part file changed", "a1 b1 c1 p2", "a1 b1 c1 p1", "hhhh"),
        ] {
            let mut layout = layout("ac");
            let now = stamps(now);
            layout.put_aside(true, |file| now.iter().any(|stamp| stamp.file == file));
            let (trusted, unknown) = judge_files(&layout, &now, Some(&record(then)));
            let symbol = |piece| match (trusted.has(piece), unknown.contains(&piece)) {
                (true, _) => 'h',
                (false, true) => '?',
                (false, false) => '.',
            };
            let shown: String = (0..4).map(PieceIndex).map(symbol).collect();
            assert_eq!(shown, expected, "{case}");
        }
    }

    struct Rig {
        store: Store,
        pool: BufPool,
        data: Vec<u8>,
    }

    impl Rig {
        fn new(wanted: &str) -> Self {
            Self::of(layout(wanted))
        }

        fn of(layout: Layout) -> Self {
            let length = LENGTHS.iter().sum::<u32>();
            let data: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let spec = Spec {
                torrent: TorrentId(0),
                info_hash: InfoHash([1; 20]),
                root: "/r".into(),
                layout,
                digests: Digests::v1(
                    data.chunks(BLOCK_BYTES as usize).map(sha1).collect::<Vec<_>>(),
                ),
                writable: true,
                recheck: false,
            };
            let store = Store::new(spec, Config::default());
            Self { store, pool: BufPool::new(1), data }
        }

        fn open(&mut self, now: &str, then: &str) {
            self.open_with(now, record(then));
        }

        fn open_with(&mut self, now: &str, record: ResumeRecord) {
            let Some(Output::Job(open)) = self.store.poll_output() else { panic!("it opens") };
            let resume = Some(Box::new(record));
            self.answer(
                open.id,
                DoneKind::Opened { stamps: Ok(stamps(now)), resume, denied: None },
            );
        }

        fn answer(&mut self, id: JobId, kind: DoneKind) {
            let done = DiskDone { torrent: TorrentId(0), id, kind };
            self.store.on_done(done, NOW, &mut self.pool);
        }

        /// What it does, on a disk where the copies end as `copied` says.
        fn hear(&mut self, copied: Result<&str, ()>) -> String {
            let mut words = Vec::new();
            while let Some(output) = self.store.poll_output() {
                if let Output::Ready(have) = &output {
                    words.push(format!("ready{}", have.count()));
                    continue;
                }
                let Output::Job(DiskJob { id, kind, .. }) = output else {
                    panic!("not expected: {output:?}");
                };
                let (word, answer) = match kind {
                    JobKind::Copy { bring, ranges } => {
                        let failed = || DiskError {
                            operation: "write",
                            path: "/r/b".into(),
                            kind: DiskErrorKind::Full,
                            message: "simulated".into(),
                        };
                        let stamps = copied.map(stamps).map_err(|()| failed());
                        let word = match bring {
                            None => format!("copy{}", ranges.len()),
                            Some(bring) => format!("bring{}", bring.file.0),
                        };
                        (word, DoneKind::Copied { stamps })
                    }
                    JobKind::Hash { parts, mut hash } => {
                        let piece =
                            words.iter().filter(|word| word.starts_with("hash")).count() + 1;
                        let at = piece * BLOCK_BYTES as usize;
                        hash.update(&self.data[at..at + BLOCK_BYTES as usize]);
                        let answer = DoneKind::Hashed { result: Ok(hash) };
                        (format!("hash{}", parts.len()), answer)
                    }
                    JobKind::Sync { files } => {
                        let files: Vec<String> = files.iter().map(|f| f.0.to_string()).collect();
                        let answer = DoneKind::Synced { result: Ok(stamps("a1 b2 c1 p1")) };
                        (format!("sync{}", files.join("+")), answer)
                    }
                    JobKind::Commit { record } => {
                        let answer = DoneKind::Committed { result: Ok(()) };
                        (format!("commit{:04b}", record.have[0] >> 4), answer)
                    }
                    JobKind::Remove { file: PART } => {
                        ("remove".into(), DoneKind::Removed { result: Ok(()) })
                    }
                    JobKind::Open { .. }
                    | JobKind::Write { .. }
                    | JobKind::MakeResident { .. }
                    | JobKind::Remove { .. }
                    | JobKind::Close => panic!("not expected: {kind:?}"),
                };
                words.push(word);
                self.answer(id, answer);
            }
            words.join(" ")
        }
    }

    #[test]
    fn what_comes_back_is_compared_and_synced_before_the_part_file_goes() {
        let mut rig = Rig::new("abc");
        rig.open("a1 c1 p1", "a1 c1 p1");
        let before = rig.hear(Ok("a1 b2 c1 p1"));
        assert_eq!(before, "copy2 hash2 hash2 ready4 commit1001");
        rig.store.settle(NOW);
        let settled = rig.store.poll_output();
        let Some(Output::Job(sync)) = settled else { panic!("a sync, not {settled:?}") };
        assert!(matches!(&sync.kind, JobKind::Sync { .. }));
        rig.answer(sync.id, DoneKind::Synced { result: Ok(stamps("a1 b2 c1 p1")) });
        let Some(Output::Job(commit)) = rig.store.poll_output() else { panic!("a commit") };
        assert!(matches!(&commit.kind, JobKind::Commit { record } if record.have == [0b1111_0000]));
        assert!(rig.store.poll_output().is_none(), "the part file waits for the record");
        rig.answer(commit.id, DoneKind::Committed { result: Ok(()) });
        let Some(Output::Job(remove)) = rig.store.poll_output() else { panic!("a removal") };
        assert!(matches!(remove.kind, JobKind::Remove { file: PART }));
        assert!(matches!(rig.store.poll_output(), Some(Output::Settled)));
    }

    #[test]
    fn what_is_brought_is_compared_whatever_the_record_says_of_its_place() {
        // `b` was there in full and is gone; a file of its length is brought, later than the record,
        // which was being written when the program was killed.
        let entry = |(name, length): (char, u32)| FileEntry {
            path: name.to_string().into(),
            length_bytes: length.into(),
            alike: if name == 'b' { vec!["/elsewhere/b".into()] } else { Vec::new() },
            ..FileEntry::default()
        };
        let files = "abc".chars().zip(LENGTHS).map(entry).collect();
        let mut rig = Rig::of(Layout::new(files, BLOCK_BYTES).with_part("part".into()));
        rig.open_with("a1 c1", ResumeRecord { writing: true, ..record("a1 b1 c1") });
        assert_eq!(rig.hear(Ok("a1 b9 c1")), "bring1 hash2 hash2 ready4 commit1001");
    }

    #[test]
    fn what_cannot_come_back_is_not_there() {
        let mut rig = Rig::new("abc");
        rig.open("a1 c1 p1", "a1 c1 p1");
        let heard = rig.hear(Err(()));
        assert_eq!(heard, "copy2 ready2 commit1001", "nor is what may come back later deleted");
    }

    #[test]
    fn a_part_file_that_is_needed_stays() {
        let mut rig = Rig::new("ac");
        rig.open("a1 c1 p1", "a1 c1 p1");
        assert_eq!(rig.hear(Err(())), "ready4 commit1111");
    }

    #[test]
    fn a_part_file_that_is_taken_away_costs_the_pieces_in_it_and_no_others() {
        let mut rig = Rig::new("ac");
        rig.open("a1 c1 p1", "a1 c1 p1");
        rig.hear(Err(()));
        let range = BlockId { piece: PieceIndex(1), offset_bytes: 0, length_bytes: BLOCK_BYTES };
        rig.store.make_resident(7, range);
        let gone = || DiskError {
            operation: "read",
            path: "/r/part".into(),
            kind: DiskErrorKind::NotFound,
            message: "simulated".into(),
        };
        let mut said = Vec::new();
        while let Some(output) = rig.store.poll_output() {
            let Output::Job(job) = output else {
                said.push(output);
                continue;
            };
            let answer = if matches!(job.kind, JobKind::MakeResident { .. }) {
                DoneKind::Resident { result: Err(gone()) }
            } else if matches!(job.kind, JobKind::Commit { .. }) {
                DoneKind::Committed { result: Ok(()) }
            } else {
                assert!(matches!(job.kind, JobKind::Hash { .. }), "{job:?}");
                DoneKind::Hashed { result: Err(gone()) }
            };
            rig.answer(job.id, answer);
        }
        let said = format!("{said:?}");
        assert!(said.starts_with("[Doubted(\"/r/part\", Gone), PieceGone("), "{said}");
        assert!(said.contains("Resident { key: 7, result: Err("), "{said}");
        assert!(said.ends_with("Lost(2)]"), "{said}");
        assert_eq!(rig.store.have().ones().map(|piece| piece.0).collect::<Vec<_>>(), [0, 3]);
    }
}
