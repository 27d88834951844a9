//! Real files in a folder of the test's own.

#![expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]

mod gone;
mod together;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base::{BufPool, FileIndex, InfoHash, JobId, Rng, TorrentId};
use crossbeam_channel::{Receiver, bounded, unbounded};
use keys::{Kinds, PieceHash, sha1};
use storage::job::{
    DiskDone, DiskError, DiskErrorKind, DiskJob, DoneKind, Extent, FileSpec, FileStamp, HashPart,
    JobKind, ResumeRecord,
};

use crate::beneath::Guard;
use crate::{DiskConfig, DiskHandle, DiskPool, StartError};

const V1: Kinds = Kinds { v1: true, v2: false };

mod choices;

/// A folder that goes away with the test.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shoal-disk-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A tmpfs on a folder; only root may make one.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "shoal-disk-test"])
            .arg(at)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        println!("skipped: no right to mount a tmpfs");
        None
    }

    fn make_read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

const TORRENT: TorrentId = TorrentId(7);
const INFO_HASH: InfoHash = InfoHash([9; 20]);
/// No job of a test takes this long, whatever the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pool, one handle, and its answers.
struct Rig {
    pool: DiskPool,
    handle: DiskHandle,
    answers: Receiver<DiskDone>,
    buffers: BufPool,
}

fn config() -> DiskConfig {
    DiskConfig { workers: 2, queue_jobs_max: 16, open_files_max: 16, state_db: None }
}

impl Rig {
    fn new() -> Self {
        Self::with(config(), Guard::detect())
    }

    fn with(config: DiskConfig, guard: Guard) -> Self {
        let pool = DiskPool::start_with(config, guard).unwrap();
        let (answer, answers) = unbounded();
        let handle = pool.handle(Box::new(move |done| answer.send(done).unwrap()));
        Self { pool, handle, answers, buffers: BufPool::new(1024) }
    }

    fn run(&self, kind: JobKind) -> DoneKind {
        self.handle.submit(DiskJob { torrent: TORRENT, id: JobId(1), kind }).unwrap();
        let done = self.answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!((done.torrent, done.id), (TORRENT, JobId(1)));
        done.kind
    }

    fn open(&self, root: &Path, files: &[(&str, u64)]) -> Result<Vec<FileStamp>, DiskError> {
        self.open_with(root, files, true)
    }

    fn open_with(
        &self,
        root: &Path,
        files: &[(&str, u64)],
        create: bool,
    ) -> Result<Vec<FileStamp>, DiskError> {
        let files = (0..)
            .zip(files)
            .map(|(index, (path, length_bytes))| {
                FileSpec::plain(FileIndex(index), PathBuf::from(path), *length_bytes)
            })
            .collect();
        let kind = JobKind::Open { info_hash: INFO_HASH, root: root.to_path_buf(), files, create };
        let DoneKind::Opened { stamps, .. } = self.run(kind) else { panic!("another answer") };
        stamps
    }

    /// Writes `bytes` from blocks of the given lengths; the digest of what was hashed.
    fn write_blocks(
        &mut self,
        bytes: &[u8],
        block_lengths: &[u32],
        extents: &[Extent],
        skip: &[(u64, u64)],
    ) -> Result<[u8; 20], DiskError> {
        let mut rest = bytes;
        let blocks = block_lengths.iter().map(|&length_bytes| {
            let mut buf = self.buffers.take();
            let (block, left) = rest.split_at(length_bytes as usize);
            buf[..block.len()].copy_from_slice(block);
            rest = left;
            (buf, length_bytes)
        });
        let blocks: Vec<_> = blocks.collect();
        let count = blocks.len();
        let hash = Some(PieceHash::new(V1));
        let (extents, skip) = (extents.to_vec(), skip.to_vec());
        let kind = JobKind::Write { extents, blocks, hash, skip, pad_bytes: 0 };
        let DoneKind::Written { blocks, hash, result } = self.run(kind) else {
            panic!("another answer")
        };
        assert_eq!(blocks.len(), count, "every buffer comes home");
        for (buf, _) in blocks {
            self.buffers.give_back(buf);
        }
        assert_eq!(self.buffers.outstanding(), 0);
        let hash = hash.expect("the digest comes home");
        result.map(|()| hash.finish().sha1.unwrap())
    }

    fn write(&mut self, bytes: &[u8], extents: &[Extent]) -> Result<[u8; 20], DiskError> {
        let lengths: Vec<_> = bytes.chunks(16384).map(|block| block.len() as u32).collect();
        self.write_blocks(bytes, &lengths, extents, &[])
    }

    fn hash(&self, parts: &[HashPart]) -> Result<[u8; 20], DiskError> {
        let DoneKind::Hashed { result } =
            self.run(JobKind::Hash { parts: parts.to_vec(), hash: PieceHash::new(V1) })
        else {
            panic!("another answer")
        };
        result.map(|hash| hash.finish().sha1.unwrap())
    }

    fn make_resident(&self, extents: &[Extent]) -> Result<(), DiskError> {
        let DoneKind::Resident { result } =
            self.run(JobKind::MakeResident { extents: extents.to_vec() })
        else {
            panic!("another answer")
        };
        result.map(drop)
    }

    fn sync(&self, files: &[u32]) -> Result<Vec<FileStamp>, DiskError> {
        let files = files.iter().map(|&file| FileIndex(file)).collect();
        let DoneKind::Synced { result } = self.run(JobKind::Sync { files }) else {
            panic!("another answer")
        };
        result
    }

    fn commit(&self, record: &ResumeRecord) -> Result<(), DiskError> {
        let DoneKind::Committed { result } =
            self.run(JobKind::Commit { record: Box::new(record.clone()) })
        else {
            panic!("another answer")
        };
        result
    }

    fn load(&self, root: &Path) -> Option<ResumeRecord> {
        let root = root.to_path_buf();
        let kind = JobKind::Open { info_hash: INFO_HASH, root, files: Vec::new(), create: true };
        let DoneKind::Opened { resume, .. } = self.run(kind) else { panic!("another answer") };
        resume.map(|record| *record)
    }
}

fn extent(file: u32, offset_bytes: u64, length_bytes: u64) -> Extent {
    Extent { file: FileIndex(file), offset_bytes, length_bytes }
}

fn kind_of<T: std::fmt::Debug>(result: Result<T, DiskError>) -> DiskErrorKind {
    result.unwrap_err().kind
}

/// Bytes that repeat nowhere near.
fn content(length: usize) -> Vec<u8> {
    let mut rng = Rng::from_seed(length as u64);
    (0..length).map(|_| rng.next_u64().to_le_bytes()[0]).collect()
}

#[test]
fn a_run_over_three_files_and_padding_is_hashed_whole_and_written_without_the_padding() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let files = [("a", 40_000), ("deep/er/b", 10_000), ("c", 50_000)];
    assert_eq!(rig.open(&dir.join("new/root"), &files), Ok(vec![]));
    let mut run = content(60_000);
    run[30_000..36_384].fill(0);
    let extents = [extent(0, 10_000, 30_000), extent(1, 0, 10_000), extent(2, 0, 13_616)];
    let blocks = [16_384, 16_384, 16_384, 10_848];
    let digest = rig.write_blocks(&run, &blocks, &extents, &[(30_000, 6_384)]).unwrap();
    assert_eq!(digest, sha1(&run));

    let a = fs::read(dir.join("new/root/a")).unwrap();
    assert_eq!(a.len(), 40_000);
    assert!(a[..10_000].iter().all(|&byte| byte == 0));
    assert_eq!(a[10_000..], run[..30_000]);
    assert_eq!(fs::read(dir.join("new/root/deep/er/b")).unwrap(), run[36_384..46_384]);
    let c = fs::read(dir.join("new/root/c")).unwrap();
    assert_eq!((c.len(), &c[..13_616]), (50_000, &run[46_384..]));

    let mut parts: Vec<_> = extents.map(HashPart::File).to_vec();
    parts.insert(1, HashPart::Zeros(6_384));
    assert_eq!(rig.hash(&parts), Ok(digest));
    assert_eq!(rig.make_resident(&extents), Ok(()));
}

#[test]
fn any_split_of_a_run_into_blocks_files_and_padding_gives_the_same_bytes() {
    let mut rig = Rig::new();
    for seed in 0..150 {
        let dir = TempDir::new();
        let mut rng = Rng::from_seed(seed);
        let mut run = content(1 + rng.below(600_000) as usize);
        let (mut extents, mut skip, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let mut want = Vec::new();
        let mut at = 0;
        while at < run.len() {
            let length = (1 + rng.below(200_000) as usize).min(run.len() - at);
            if rng.chance(1, 4) {
                run[at..at + length].fill(0);
                skip.push((at as u64, length as u64));
            } else {
                let file = files.len() as u32;
                let before = u64::from(rng.below(5_000));
                // Sometimes one file's bytes come as two extents that touch.
                let first = 1 + u64::from(rng.below(length as u32));
                extents.push(extent(file, before, first));
                if first < length as u64 {
                    extents.push(extent(file, before + first, length as u64 - first));
                }
                files.push((format!("folder {}/{file}", file % 3), before + length as u64));
                want.push((before as usize, at..at + length));
            }
            at += length;
        }
        let mut blocks = Vec::new();
        let mut left = run.len() as u32;
        while left > 0 {
            let length = if rng.chance(1, 3) { rng.below(16_385) } else { 16_384 };
            blocks.push(length.min(left));
            left -= length.min(left);
        }
        let files: Vec<_> = files.iter().map(|(path, length)| (path.as_str(), *length)).collect();
        rig.open(&dir.0, &files).unwrap();
        let digest = rig.write_blocks(&run, &blocks, &extents, &skip).unwrap();
        assert_eq!(digest, sha1(&run), "seed {seed}");
        for ((path, _), (before, range)) in files.iter().zip(want) {
            let found = fs::read(dir.join(path)).unwrap();
            assert!(found[before..] == run[range], "seed {seed}, {path}");
        }
    }
}

#[test]
fn more_blocks_than_one_system_call_takes_are_written_whole() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("a", 3_000)]).unwrap();
    let run = content(3_000);
    rig.write_blocks(&run, &[1; 3_000], &[extent(0, 0, 3_000)], &[]).unwrap();
    assert_eq!(fs::read(dir.join("a")).unwrap(), run);
}

#[test]
fn a_run_that_does_not_add_up_is_refused_and_writes_nothing() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("a", 3_000)]).unwrap();
    let result = rig.write(&content(100), &[extent(0, 0, 99)]);
    assert_eq!(kind_of(result), DiskErrorKind::Other);
    let result = rig.write(&content(100), &[extent(3, 0, 100)]);
    assert_eq!(kind_of(result), DiskErrorKind::Other);
    assert!(!dir.join("a").exists());
}

#[test]
fn a_torrent_that_is_not_open_is_refused_and_the_buffers_come_home() {
    let mut rig = Rig::new();
    assert_eq!(kind_of(rig.write(&content(100), &[extent(0, 0, 100)])), DiskErrorKind::Other);
    assert_eq!(kind_of(rig.sync(&[0])), DiskErrorKind::Other);
    assert!(matches!(rig.run(JobKind::Close), DoneKind::Closed));
}

#[test]
fn a_short_file_is_extended_and_a_long_one_left_as_it_is() {
    let dir = TempDir::new();
    fs::write(dir.join("short"), b"s").unwrap();
    fs::write(dir.join("long"), [b'l'; 50]).unwrap();
    let mut rig = Rig::new();
    let stamps = rig.open(&dir.0, &[("short", 10), ("long", 10)]).unwrap();
    assert_eq!(stamps.iter().map(|stamp| stamp.length_bytes).collect::<Vec<_>>(), [1, 50]);
    rig.write(b"xy", &[extent(0, 4, 1), extent(1, 4, 1)]).unwrap();
    assert_eq!(fs::read(dir.join("short")).unwrap(), b"s\0\0\0x\0\0\0\0\0");
    let long = fs::read(dir.join("long")).unwrap();
    assert_eq!((long.len(), &long[3..6]), (50, &b"lyl"[..]));
}

#[test]
fn empty_files_are_made_at_open_if_asked_and_nothing_is_made_otherwise() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let files = [("e/mpty", 0), ("full", 5)];
    let root = dir.join("root");
    assert_eq!(kind_of(rig.open_with(&root, &files, false)), DiskErrorKind::NotFound);
    assert!(!root.exists());
    let stamps = rig.open(&root, &files).unwrap();
    assert_eq!(stamps.len(), 1);
    assert_eq!(fs::metadata(root.join("e/mpty")).unwrap().len(), 0);
    assert!(!root.join("full").exists());

    rig.open_with(&root, &files, false).unwrap();
    assert_eq!(kind_of(rig.write(b"12345", &[extent(1, 0, 5)])), DiskErrorKind::Denied);
    assert!(!root.join("full").exists());
}

#[test]
fn a_root_that_is_a_file_is_refused_and_one_that_is_a_link_is_followed() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    fs::write(dir.join("file"), b"").unwrap();
    assert_eq!(kind_of(rig.open(&dir.join("file"), &[("a", 1)])), DiskErrorKind::Other);
    assert_eq!(kind_of(rig.open_with(&dir.join("file"), &[], false)), DiskErrorKind::Other);
    fs::create_dir(dir.join("real")).unwrap();
    symlink("real", dir.join("link")).unwrap();
    rig.open(&dir.join("link"), &[("a", 1)]).unwrap();
    rig.write(b"x", &[extent(0, 0, 1)]).unwrap();
    assert_eq!(fs::read(dir.join("real/a")).unwrap(), b"x");
}

#[test]
fn a_failed_open_leaves_nothing_behind_for_the_next() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    fs::create_dir_all(dir.join("first/a")).unwrap();
    assert_eq!(kind_of(rig.open(&dir.join("first"), &[("a", 1)])), DiskErrorKind::Other);
    assert_eq!(rig.pool.table().open_files(), 0);
    assert_eq!(kind_of(rig.write(b"x", &[extent(0, 0, 1)])), DiskErrorKind::Other);
    rig.open(&dir.join("second"), &[("a", 1)]).unwrap();
    rig.write(b"x", &[extent(0, 0, 1)]).unwrap();
    assert_eq!(fs::read(dir.join("second/a")).unwrap(), b"x");
}

#[test]
fn no_path_leads_out_of_the_root() {
    for guard in [Guard::detect(), Guard::Walk] {
        let dir = TempDir::new();
        let mut rig = Rig::with(config(), guard);
        let root = dir.join("root");
        fs::create_dir_all(dir.join("outside")).unwrap();
        fs::create_dir_all(&root).unwrap();
        fs::write(dir.join("outside/secret"), b"secret").unwrap();
        symlink("../outside", root.join("up")).unwrap();
        symlink(dir.join("outside"), root.join("absolute")).unwrap();
        symlink("../outside/secret", root.join("file")).unwrap();
        symlink("../outside/new", root.join("dangling")).unwrap();
        symlink("/proc/self/cwd", root.join("magic")).unwrap();
        let paths = [
            "up/secret",
            "absolute/secret",
            "file",
            "magic/x",
            "../outside/secret",
            "/etc/passwd",
            "up/new/deep",
        ];
        for path in paths {
            let opened = rig.open(&root, &[(path, 6)]);
            assert_eq!(kind_of(opened), DiskErrorKind::Escapes, "{guard:?} {path}");
        }
        // A link put there after the torrent was opened.
        for (name, target) in [("later", "../outside/secret"), ("later2", "../outside/new")] {
            rig.open(&root, &[(name, 6)]).unwrap();
            symlink(target, root.join(name)).unwrap();
            let whole = extent(0, 0, 6);
            assert_eq!(kind_of(rig.write(b"hacked", &[whole])), DiskErrorKind::Escapes);
            assert_eq!(kind_of(rig.hash(&[HashPart::File(whole)])), DiskErrorKind::Escapes);
            assert_eq!(kind_of(rig.sync(&[0])), DiskErrorKind::Escapes);
            assert!(rig.handle.file_for_send(TORRENT, FileIndex(0)).is_none());
        }
        rig.open(&root, &[("folder/new", 6)]).unwrap();
        symlink("../outside", root.join("folder")).unwrap();
        assert_eq!(kind_of(rig.write(b"hacked", &[extent(0, 0, 6)])), DiskErrorKind::Escapes);
        assert_eq!(fs::read(dir.join("outside/secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(dir.join("outside")).unwrap().count(), 1);
    }
}

#[test]
fn links_that_stay_beneath_the_root_are_followed_where_the_kernel_can_guard_them() {
    let dir = TempDir::new();
    fs::create_dir(dir.join("real")).unwrap();
    symlink("real", dir.join("link")).unwrap();
    for (guard, follows) in
        [(Guard::detect(), Guard::detect() == Guard::Kernel), (Guard::Walk, false)]
    {
        let mut rig = Rig::with(config(), guard);
        let opened = rig.open(&dir.0, &[("link/a", 6), ("real/sub/b", 1)]);
        assert_eq!(opened.is_ok(), follows, "{guard:?}");
        if follows {
            rig.write(b"1234567", &[extent(0, 0, 6), extent(1, 0, 1)]).unwrap();
            assert_eq!(rig.sync(&[0, 1]).unwrap().len(), 2);
        }
    }
}

#[test]
fn the_walking_guard_makes_folders_writes_and_syncs() {
    let dir = TempDir::new();
    let mut rig = Rig::with(config(), Guard::Walk);
    rig.open(&dir.join("root"), &[("x/y/z", 3), ("x/w", 1)]).unwrap();
    rig.write(b"abcd", &[extent(0, 0, 3), extent(1, 0, 1)]).unwrap();
    assert_eq!(rig.sync(&[0, 1]).unwrap().len(), 2);
    assert_eq!(rig.hash(&[HashPart::File(extent(0, 0, 3))]), Ok(sha1(b"abc")));
}

#[test]
fn what_is_not_a_regular_file_is_refused_without_waiting_for_it() {
    let dir = TempDir::new();
    fs::create_dir(dir.join("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("later")).status().unwrap().success());
    fs::rename(dir.join("later"), dir.join("pipe")).unwrap();
    let mut rig = Rig::new();
    assert_eq!(kind_of(rig.open(&dir.0, &[("folder", 1)])), DiskErrorKind::Other);
    assert_eq!(kind_of(rig.open(&dir.0, &[("pipe", 1)])), DiskErrorKind::Other);
    rig.open(&dir.0, &[("later", 1)]).unwrap();
    fs::rename(dir.join("pipe"), dir.join("later")).unwrap();
    assert_eq!(kind_of(rig.hash(&[HashPart::File(extent(0, 0, 1))])), DiskErrorKind::Other);
    assert_eq!(kind_of(rig.write(b"x", &[extent(0, 0, 1)])), DiskErrorKind::Other);
}

#[test]
fn missing_and_short_files_are_not_found() {
    let dir = TempDir::new();
    fs::write(dir.join("short"), b"1234").unwrap();
    fs::write(dir.join("blocked"), b"").unwrap();
    let rig = Rig::new();
    rig.open(&dir.0, &[("missing", 5), ("short", 5), ("blocked/x", 5), ("no/folder", 5)]).unwrap();
    for file in 0..4 {
        let whole = extent(file, 0, 5);
        assert_eq!(kind_of(rig.hash(&[HashPart::File(whole)])), DiskErrorKind::NotFound);
        assert_eq!(kind_of(rig.make_resident(&[whole])), DiskErrorKind::NotFound);
    }
    assert_eq!(rig.hash(&[HashPart::File(extent(1, 1, 3))]), Ok(sha1(b"234")));
    let beyond = HashPart::File(extent(1, 1 << 40, 5));
    assert_eq!(kind_of(rig.hash(&[beyond])), DiskErrorKind::NotFound);
    assert_eq!(rig.sync(&[0, 1, 2, 3]).unwrap().len(), 1);
}

#[test]
fn holes_hash_as_zeros_and_ranges_beside_them_as_they_are() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("a", 8 << 20)]).unwrap();
    let data = content(1 << 20);
    rig.write(&data, &[extent(0, 4 << 20, 1 << 20)]).unwrap();
    let zeros = vec![0; 1 << 20];
    let part = |start: u64| [HashPart::File(extent(0, start, 1 << 20))];
    assert_eq!(rig.hash(&part(0)), Ok(sha1(&zeros)));
    assert_eq!(rig.hash(&part(4 << 20)), Ok(sha1(&data)));
    assert_eq!(rig.hash(&part(7 << 20)), Ok(sha1(&zeros)));
    let whole = fs::read(dir.join("a")).unwrap();
    assert_eq!(rig.hash(&part((4 << 20) - 77)), Ok(sha1(&whole[(4 << 20) - 77..(5 << 20) - 77])));
    assert_eq!(rig.hash(&part((5 << 20) - 77)), Ok(sha1(&whole[(5 << 20) - 77..(6 << 20) - 77])));
}

#[test]
fn evicted_pages_become_resident_again() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("a", 3 << 20)]).unwrap();
    rig.write(&content(3 << 20), &[extent(0, 0, 3 << 20)]).unwrap();
    rig.sync(&[0]).unwrap();
    let file = rig.handle.file_for_send(TORRENT, FileIndex(0)).unwrap();
    let range = extent(0, 100_001, 2_000_003);
    let resident = || crate::resident::is_resident(&file, range.offset_bytes, range.length_bytes);
    let was_known = resident();
    rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    rig.make_resident(&[range]).unwrap();
    assert_eq!(resident(), was_known, "known before the eviction, so known after the reading");
    assert_eq!(kind_of(rig.make_resident(&[extent(0, 1, 3 << 20)])), DiskErrorKind::NotFound);
}

#[test]
fn a_sync_gives_the_stamps_of_all_existing_files() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("a", 3), ("sub/b", 4), ("sub/c", 5), ("d", 0)]).unwrap();
    rig.write(b"xyz1234", &[extent(0, 0, 3), extent(1, 0, 4)]).unwrap();
    let want: Vec<_> = [(0, "a"), (1, "sub/b"), (3, "d")]
        .map(|(file, path)| {
            let metadata = fs::metadata(dir.join(path)).unwrap();
            FileStamp {
                file: FileIndex(file),
                length_bytes: metadata.len(),
                modified_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            }
        })
        .to_vec();
    assert_eq!(rig.sync(&[0, 1, 2]), Ok(want.clone()));
    assert_eq!(rig.open(&dir.0, &[("a", 3), ("sub/b", 4), ("sub/c", 5), ("d", 0)]), Ok(want));
}

#[test]
fn a_file_deleted_behind_our_back_is_made_again_after_a_reopening() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open(&dir.0, &[("sub/a", 8)]).unwrap();
    rig.write(b"x", &[extent(0, 0, 1)]).unwrap();
    rig.sync(&[0]).unwrap();
    fs::remove_dir_all(dir.join("sub")).unwrap();
    rig.open(&dir.0, &[("sub/a", 8)]).unwrap();
    rig.write(b"y", &[extent(0, 1, 1)]).unwrap();
    assert_eq!(fs::read(dir.join("sub/a")).unwrap(), b"\0y\0\0\0\0\0\0");
}

#[test]
fn a_read_only_seed_folder_can_be_read_and_not_written() {
    let dir = TempDir::new();
    let root = dir.join("root");
    // Permissions don't bind root, but a read-only mount does.
    let mount = Mount::new(&root);
    fs::write(root.join("a"), b"seed").unwrap();
    fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    if let Some(mount) = &mount {
        mount.make_read_only();
    }
    let bound = fs::write(root.join("probe"), b"").is_err();
    let mut rig = Rig::new();
    rig.open(&root, &[("a", 4), ("b", 4), ("c/d", 1)]).unwrap();
    assert_eq!(rig.hash(&[HashPart::File(extent(0, 0, 4))]), Ok(sha1(b"seed")));
    rig.make_resident(&[extent(0, 0, 4)]).unwrap();
    assert_eq!(rig.sync(&[0, 1]).unwrap().len(), 1);
    if bound {
        for (file, length) in [(0, 4), (1, 4), (2, 1)] {
            let result = rig.write(&content(length), &[extent(file, 0, length as u64)]);
            assert_eq!(kind_of(result), DiskErrorKind::Denied, "file {file}");
        }
    }
    rig.pool.shutdown();
    drop(mount);
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_is_said_to_be_full_and_goes_on_when_there_is_room() {
    let dir = TempDir::new();
    let root = dir.join("root");
    let Some(_mount) = Mount::new(&root) else { return };
    fs::write(root.join("ballast"), vec![1; 700 << 10]).unwrap();
    let mut rig = Rig::new();
    rig.open(&root, &[("a", 512 << 10)]).unwrap();
    let bytes = content(512 << 10);
    let error = rig.write(&bytes, &[extent(0, 0, 512 << 10)]).unwrap_err();
    assert_eq!((error.kind, error.operation), (DiskErrorKind::Full, "write"));
    assert_eq!(error.path, root.join("a"));
    fs::remove_file(root.join("ballast")).unwrap();
    assert_eq!(rig.write(&bytes, &[extent(0, 0, 512 << 10)]), Ok(sha1(&bytes)));
    assert_eq!(fs::read(root.join("a")).unwrap(), bytes);
    rig.pool.shutdown();
}

#[test]
fn a_full_queue_gives_the_job_back_and_what_was_taken_is_answered_before_the_pool_ends() {
    let dir = TempDir::new();
    let config = DiskConfig { workers: 1, queue_jobs_max: 2, ..config() };
    let pool = DiskPool::start(config).unwrap();
    let (gate_out, gate) = bounded(0);
    let (answer, answers) = unbounded();
    let handle = pool.handle(Box::new(move |done: DiskDone| {
        gate.recv().unwrap();
        answer.send(done.id).unwrap();
    }));
    let job = |id| {
        let root = dir.0.clone();
        let kind = JobKind::Open { info_hash: INFO_HASH, root, files: Vec::new(), create: false };
        DiskJob { torrent: TORRENT, id: JobId(id), kind }
    };
    let mut taken = 0;
    let refused = loop {
        match handle.submit(job(taken)) {
            Ok(()) => taken += 1,
            Err(job) => break job,
        }
    };
    // Two wait; a third may have been picked up already.
    assert!(taken == 2 || taken == 3, "{taken}");
    assert_eq!(refused.id, JobId(taken));
    assert!(matches!(refused.kind, JobKind::Open { .. }));

    let ending = std::thread::spawn(move || pool.shutdown());
    for _ in 0..taken {
        gate_out.send(()).unwrap();
    }
    ending.join().unwrap();
    let done: Vec<_> = answers.try_iter().map(|id| id.0).collect();
    assert_eq!(done, (0..taken).collect::<Vec<_>>());
    assert!(handle.submit(job(99)).is_err());
}

#[test]
fn no_more_descriptors_are_kept_than_allowed() {
    let dir = TempDir::new();
    let mut rig = Rig::with(DiskConfig { open_files_max: 3, ..config() }, Guard::detect());
    let names: Vec<_> = (0..20).map(|number| format!("f{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
    rig.open(&dir.0, &files).unwrap();
    for file in 0..20 {
        rig.write(&[file; 4], &[extent(u32::from(file), 0, 4)]).unwrap();
        assert!(rig.pool.table().open_files() <= 3);
    }
    // Long closed: opened again, for sync and for sending.
    let all: Vec<_> = (0..20).collect();
    assert_eq!(rig.sync(&all).unwrap().len(), 20);
    let first = rig.handle.file_for_send(TORRENT, FileIndex(0)).unwrap();
    assert_eq!(first.metadata().unwrap().len(), 4);
    assert!(rig.pool.table().open_files() <= 3);
    rig.write(b"more", &[extent(0, 0, 4)]).unwrap();
    assert_eq!(fs::read(dir.join("f0")).unwrap(), b"more");
    rig.run(JobKind::Close);
    assert_eq!(rig.pool.table().open_files(), 0);
    assert!(rig.handle.file_for_send(TORRENT, FileIndex(0)).is_none());
}

/// The limit is the process's, so the test runs once more as a process of its own.
#[test]
fn running_out_of_descriptors_closes_old_ones() {
    const CHILD: &str = "SHOAL_DISK_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::running_out_of_descriptors_closes_old_ones"])
            .env(CHILD, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let dir = TempDir::new();
    let mut rig = Rig::with(DiskConfig { open_files_max: 1000, ..config() }, Guard::detect());
    let limit = rustix::process::Rlimit { current: Some(40), maximum: Some(40) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let names: Vec<_> = (0..100).map(|number| format!("f{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
    rig.open(&dir.0, &files).unwrap();
    for file in 0..100 {
        rig.write(&[file; 4], &[extent(u32::from(file), 0, 4)]).unwrap();
    }
    assert_eq!(rig.sync(&(0..100).collect::<Vec<_>>()).unwrap().len(), 100);
    for file in 0..100 {
        let part = HashPart::File(extent(u32::from(file), 0, 4));
        assert_eq!(rig.hash(&[part]), Ok(sha1(&[file; 4])));
    }
}

fn record(root: &Path) -> ResumeRecord {
    ResumeRecord {
        info_hash: INFO_HASH,
        root: root.to_path_buf(),
        have: vec![0xff, 0x80, 0x01],
        stamps: vec![
            FileStamp { file: FileIndex(0), length_bytes: 1 << 40, modified_ns: -5 },
            FileStamp { file: FileIndex(u32::MAX), length_bytes: 0, modified_ns: i64::MAX },
        ],
        writing: true,
        checked_to: u32::MAX,
        downloaded_bytes: 123,
        uploaded_bytes: 0,
        was_complete: false,
    }
}

fn with_db(path: &Path) -> Rig {
    let config = DiskConfig { state_db: Some(path.to_path_buf()), ..config() };
    Rig::with(config, Guard::detect())
}

#[test]
fn a_resume_record_survives_a_reopening_and_is_of_its_folder_only() {
    use std::os::unix::ffi::OsStringExt as _;
    let dir = TempDir::new();
    let db = dir.join("state/shoal.db");
    let root = dir.join("root");
    let odd = dir.0.join(std::ffi::OsString::from_vec(vec![0xff, b'x']));
    let rig = with_db(&db);
    assert_eq!(rig.load(&root), None);
    rig.commit(&record(&root)).unwrap();
    rig.commit(&record(&odd)).unwrap();
    let replaced = ResumeRecord { writing: false, have: vec![], ..record(&root) };
    rig.commit(&replaced).unwrap();
    assert_eq!(rig.load(&root), Some(replaced.clone()));
    rig.pool.shutdown();

    let rig = with_db(&db);
    assert_eq!(rig.load(&root), Some(replaced));
    assert_eq!(rig.load(&odd), Some(record(&odd)));
    assert_eq!(rig.load(&dir.join("elsewhere")), None);
}

#[test]
fn what_was_complete_once_stays_so_and_an_installation_keeps_its_secret() {
    let dir = TempDir::new();
    let db = dir.join("shoal.db");
    let root = dir.join("root");
    let rig = with_db(&db);
    let secret = rig.pool.installation();
    rig.commit(&ResumeRecord { was_complete: true, ..record(&root) }).unwrap();
    rig.commit(&record(&root)).unwrap();
    rig.pool.shutdown();

    let rig = with_db(&db);
    assert_eq!(rig.pool.installation(), secret);
    assert!(rig.load(&root).unwrap().was_complete, "a later record can't take it back");
    assert_ne!(with_db(&dir.join("other.db")).pool.installation(), secret);
}

#[test]
fn without_a_database_records_live_as_long_as_the_pool() {
    let dir = TempDir::new();
    let rig = Rig::new();
    rig.commit(&record(&dir.0)).unwrap();
    assert_eq!(rig.load(&dir.0), Some(record(&dir.0)));
    assert_eq!(Rig::new().load(&dir.0), None);
}

#[test]
fn two_pools_share_one_database() {
    let dir = TempDir::new();
    let db = dir.join("shoal.db");
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            std::thread::spawn(move || with_db(&db))
        })
        .collect();
    let rigs: Vec<_> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
    for round in 0..20 {
        for (number, rig) in rigs.iter().enumerate() {
            let root = dir.join(&format!("root {number} {round}"));
            let kind = JobKind::Commit { record: Box::new(record(&root)) };
            rig.handle.submit(DiskJob { torrent: TORRENT, id: JobId(1), kind }).unwrap();
        }
        for rig in &rigs {
            let done = rig.answers.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(done.kind, DoneKind::Committed { result: Ok(()) }), "{done:?}");
        }
    }
    for number in 0..4 {
        let root = dir.join(&format!("root {number} 19"));
        assert_eq!(rigs[0].load(&root), Some(record(&root)));
    }
}

#[test]
fn waiting_commits_are_all_answered_and_the_last_one_counts() {
    let dir = TempDir::new();
    let config = DiskConfig { queue_jobs_max: 500, state_db: Some(dir.join("db")), ..config() };
    let rig = Rig::with(config, Guard::detect());
    for id in 0..300 {
        let record = ResumeRecord { checked_to: id, ..record(&dir.0) };
        let kind = JobKind::Commit { record: Box::new(record) };
        rig.handle.submit(DiskJob { torrent: TORRENT, id: JobId(id.into()), kind }).unwrap();
    }
    for id in 0..300 {
        assert_eq!(rig.answers.recv_timeout(PATIENCE).unwrap().id, JobId(id));
    }
    assert_eq!(rig.load(&dir.0).unwrap().checked_to, 299);
}

#[test]
fn an_unreadable_record_counts_as_missing() {
    let dir = TempDir::new();
    let db = dir.join("shoal.db");
    let rig = with_db(&db);
    let spoils = [
        "UPDATE torrent SET stamps = x'010203'",
        "UPDATE torrent SET checked_to = -1",
        "UPDATE torrent SET uploaded_bytes = -1",
        "UPDATE torrent SET writing = 1 << 40, checked_to = 1 << 40",
    ];
    for spoil in spoils {
        rig.commit(&record(&dir.0)).unwrap();
        assert!(rig.load(&dir.0).is_some());
        rusqlite::Connection::open(&db).unwrap().execute(spoil, []).unwrap();
        assert_eq!(rig.load(&dir.0), None, "{spoil}");
    }
    rig.commit(&record(&dir.0)).unwrap();
    assert!(rig.load(&dir.0).is_some());
}

#[test]
fn a_damaged_or_newer_database_is_refused_by_name() {
    let dir = TempDir::new();
    let start = |db: &Path| {
        DiskPool::start(DiskConfig { state_db: Some(db.to_path_buf()), ..config() }).unwrap_err()
    };
    let garbage = dir.join("garbage.db");
    fs::write(&garbage, content(100_000)).unwrap();
    let error = start(&garbage);
    assert!(matches!(error, StartError::Database { .. }), "{error:?}");
    assert!(error.to_string().contains("garbage.db"), "{error}");

    let newer = dir.join("newer.db");
    with_db(&newer).pool.shutdown();
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let error = start(&newer);
    assert!(matches!(error, StartError::Newer { found: 3, known: 2, .. }), "{error:?}");

    let foreign = dir.join("foreign.db");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE torrent (x); PRAGMA user_version = 1").unwrap();
    assert!(matches!(start(&foreign), StartError::Database { .. }));

    let error = start(&garbage.join("below a file/shoal.db"));
    assert!(matches!(error, StartError::Folder { .. }), "{error:?}");
}
