//! Skipped files, programs, links, room taken ahead, copies, and places that are remembered.

use storage::job::CopyRange;

use super::*;

fn spec(file: u32, path: &str, length_bytes: u64) -> FileSpec {
    FileSpec::plain(FileIndex(file), path.into(), length_bytes)
}

impl Rig {
    fn open_specs(&self, root: &Path, files: &[FileSpec]) -> Result<Vec<FileStamp>, DiskError> {
        let (info_hash, root, files) = (INFO_HASH, root.to_path_buf(), files.to_vec());
        let kind = JobKind::Open { info_hash, root, files, create: true };
        let DoneKind::Opened { stamps, .. } = self.run(kind) else { panic!("another answer") };
        stamps
    }

    fn copy(&self, from: Extent, to: Extent) -> Result<Vec<FileStamp>, DiskError> {
        let kind = JobKind::Copy { bring: None, ranges: vec![CopyRange { from, to }] };
        let DoneKind::Copied { stamps } = self.run(kind) else { panic!("another answer") };
        stamps
    }

    fn remove(&self, file: u32) -> Result<(), DiskError> {
        let kind = JobKind::Remove { file: FileIndex(file) };
        let DoneKind::Removed { result } = self.run(kind) else { panic!("another answer") };
        result
    }
}

#[test]
fn a_skipped_file_is_written_to_if_it_is_there_and_never_made() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let skipped = |file, path, length| FileSpec { make: false, ..spec(file, path, length) };
    let files = [skipped(0, "t/empty", 0), skipped(1, "t/gone", 10), skipped(2, "there", 10)];
    fs::write(dir.join("there"), [0; 10]).unwrap();
    rig.open_specs(&dir.0, &files).unwrap();
    assert_eq!(kind_of(rig.write(&[7; 10], &[extent(1, 0, 10)])), DiskErrorKind::NotFound);
    rig.write(&[7; 10], &[extent(2, 0, 10)]).unwrap();
    assert_eq!(fs::read(dir.join("there")).unwrap(), [7; 10]);
    assert!(!dir.join("t").exists(), "nor is a folder made for one");
}

#[test]
fn whoever_may_read_a_program_may_run_it() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let program = |file, path| FileSpec { executable: true, ..spec(file, path, 4) };
    fs::write(dir.join("private"), [0; 4]).unwrap();
    fs::set_permissions(dir.join("private"), fs::Permissions::from_mode(0o640)).unwrap();
    rig.open_specs(&dir.0, &[program(0, "private"), program(1, "new"), spec(2, "plain", 4)])
        .unwrap();
    rig.write(&[1; 12], &[extent(0, 0, 4), extent(1, 0, 4), extent(2, 0, 4)]).unwrap();
    let mode = |path: &str| fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("private"), 0o750);
    assert_eq!(mode("new"), mode("plain") | (mode("plain") & 0o444) >> 2);
    assert_eq!(mode("plain") & 0o111, 0);
}

#[test]
fn links_are_made_where_nothing_is_and_are_no_files() {
    let dir = TempDir::new();
    let rig = Rig::new();
    let link = |file, path, says: &str| FileSpec { link: Some(says.into()), ..spec(file, path, 0) };
    fs::write(dir.join("taken"), "mine").unwrap();
    let files = [
        link(0, "t/a/link", "../nowhere"),
        link(1, "taken", "t"),
        FileSpec { make: false, ..link(2, "t/skipped", "a") },
    ];
    for _ in 0..2 {
        assert_eq!(rig.open_specs(&dir.0, &files).unwrap(), []);
        assert_eq!(fs::read_link(dir.join("t/a/link")).unwrap(), Path::new("../nowhere"));
        assert_eq!(fs::read(dir.join("taken")).unwrap(), b"mine");
        assert!(dir.join("t/skipped").symlink_metadata().is_err());
    }
}

#[test]
fn no_link_is_made_outside_the_root() {
    for guard in [Guard::detect(), Guard::Walk] {
        let (dir, outside) = (TempDir::new(), TempDir::new());
        let rig = Rig::with(config(), guard);
        symlink(&outside.0, dir.join("t")).unwrap();
        let files = [FileSpec { link: Some("x".into()), ..spec(0, "t/link", 0) }];
        assert_eq!(kind_of(rig.open_specs(&dir.0, &files)), DiskErrorKind::Escapes);
        assert_eq!(fs::read_dir(&outside.0).unwrap().count(), 0);
    }
}

#[test]
fn room_is_taken_when_a_file_is_made_or_found_sparse() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let whole = 4 << 20;
    let reserved = |file, path| FileSpec { reserve: true, ..spec(file, path, whole) };
    fs::File::create(dir.join("old")).unwrap().set_len(whole).unwrap();
    rig.open_specs(&dir.0, &[reserved(0, "new"), reserved(1, "old"), spec(2, "sparse", whole)])
        .unwrap();
    rig.write(&[1; 12], &[extent(0, 0, 4), extent(1, 0, 4), extent(2, 0, 4)]).unwrap();
    let room = |path: &str| fs::metadata(dir.join(path)).unwrap().blocks() * 512;
    if crate::can_reserve(&dir.0) {
        assert!(room("new") >= whole && room("old") >= whole);
    }
    assert!(room("sparse") < whole);
    assert_eq!(fs::metadata(dir.join("new")).unwrap().len(), whole);
}

#[test]
fn a_disk_without_the_room_says_full_before_anything_is_written() {
    let dir = TempDir::new();
    let Some(mount) = Mount::new(&dir.0) else { return };
    let mut rig = Rig::new();
    let files = [FileSpec { reserve: true, ..spec(0, "big", 8 << 20) }];
    rig.open_specs(mount.0, &files).unwrap();
    let error = rig.write(&[1; 4], &[extent(0, 0, 4)]).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Full);
    assert!(error.to_string().starts_with("cannot reserve room for "), "{error}");
    assert_eq!(fs::metadata(dir.join("big")).unwrap().len(), 0);
}

#[test]
fn a_range_is_copied_into_a_file_that_is_made_for_it() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    let length = 700_000;
    rig.open_specs(&dir.0, &[spec(0, "t/wanted", length + 5), spec(1, ".parts", length)]).unwrap();
    let bytes = content(length as usize);
    rig.write(&bytes, &[extent(1, 0, length)]).unwrap();
    let stamps = rig.copy(extent(1, 1, length - 1), extent(0, 2, length - 1)).unwrap();
    assert_eq!(
        stamps.iter().map(|stamp| stamp.length_bytes).collect::<Vec<_>>(),
        [length + 5, length]
    );
    let made = fs::read(dir.join("t/wanted")).unwrap();
    assert_eq!(made[2..=length as usize], bytes[1..]);
    assert_eq!(kind_of(rig.copy(extent(1, length, 1), extent(0, 0, 1))), DiskErrorKind::NotFound);
}

#[test]
fn a_removed_file_is_gone_and_made_anew_when_it_is_written() {
    let dir = TempDir::new();
    let mut rig = Rig::new();
    rig.open_specs(&dir.0, &[spec(0, ".parts", 8)]).unwrap();
    assert_eq!(rig.remove(0), Ok(()), "it is not there, which is as good");
    rig.write(&[1; 8], &[extent(0, 0, 8)]).unwrap();
    assert_eq!(rig.remove(0), Ok(()));
    assert!(!dir.join(".parts").exists());
    rig.write(&[2; 4], &[extent(0, 0, 4)]).unwrap();
    assert_eq!(fs::read(dir.join(".parts")).unwrap(), [2, 2, 2, 2, 0, 0, 0, 0]);
    let seed = Rig::new();
    seed.open_with(&dir.0, &[(".parts", 8)], false).unwrap();
    assert_eq!(kind_of(seed.remove(0)), DiskErrorKind::Denied, "a seed deletes nothing");
}

#[test]
fn a_place_is_remembered_for_its_folder_only() {
    let dir = TempDir::new();
    let db = dir.join("shoal.db");
    let rig = with_db(&db);
    assert_eq!(rig.pool.place(INFO_HASH, &dir.0), Ok(crate::Place::default()));
    rig.pool.remember_place(INFO_HASH, &dir.0, "t (1)").unwrap();
    rig.commit(&record(&dir.join("other"))).unwrap();
    rig.pool.shutdown();
    let rig = with_db(&db);
    let place = |root: &Path| rig.pool.place(INFO_HASH, root).unwrap();
    let (here, other) = (place(&dir.0), place(&dir.join("other")));
    assert_eq!((here.has_record, here.name.as_deref()), (false, Some("t (1)")));
    assert_eq!((other.has_record, other.name), (true, None));
}

#[test]
fn a_database_of_version_1_is_brought_to_ours_with_what_it_has() {
    let dir = TempDir::new();
    let db = dir.join("shoal.db");
    let rig = with_db(&db);
    rig.commit(&record(&dir.0)).unwrap();
    rig.pool.shutdown();
    let connection = rusqlite::Connection::open(&db).unwrap();
    connection.execute_batch("DROP TABLE place; PRAGMA user_version = 1").unwrap();
    drop(connection);
    let rig = with_db(&db);
    assert_eq!(rig.load(&dir.0), Some(record(&dir.0)));
    rig.pool.remember_place(INFO_HASH, &dir.0, "t").unwrap();
    assert!(rig.pool.place(INFO_HASH, &dir.0).unwrap().has_record);
}

#[test]
fn what_is_kept_under_a_name_is_there_again_until_something_else_is() {
    let db = crate::resume_db::ResumeDb::open(None).unwrap();
    assert_eq!(db.recall("a"), None);
    for value in [&b"one"[..], b"", b"two"] {
        db.remember("a", value).unwrap();
        let (kept, age) = db.recall("a").unwrap();
        assert_eq!(kept, value);
        assert!(age.as_secs() < 60);
    }
    assert_eq!(db.recall("b"), None);
}
