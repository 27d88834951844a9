//! Files and folders that somebody removes, cuts or replaces while we hold them open.

use super::*;

const WHOLE: u64 = 64 << 10;

/// A pool that has written the first half of a file and holds it open.
fn half_written(dir: &TempDir) -> Rig {
    let mut rig = Rig::new();
    rig.open(&dir.join("root"), &[("sub/a", WHOLE)]).unwrap();
    rig.write(&content(32 << 10), &[extent(0, 0, 32 << 10)]).unwrap();
    rig
}

#[test]
fn a_file_that_is_gone_or_cut_is_told_once_and_made_anew_by_the_next_write() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 4] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("cut", |path| fs::File::options().write(true).open(path).unwrap().set_len(9).unwrap()),
        ("moved away", |path| fs::rename(path, path.with_extension("moved")).unwrap()),
        ("removed with its folder", |path| fs::remove_dir_all(path.parent().unwrap()).unwrap()),
    ];
    for (name, deed) in deeds {
        for looked in [false, true] {
            let dir = TempDir::new();
            let mut rig = half_written(&dir);
            let path = dir.join("root/sub/a");
            deed(&path);
            if looked {
                // The look tells it instead of the write.
                let whole = |stamp: &FileStamp| stamp.length_bytes >= WHOLE;
                assert!(!rig.sync(&[0]).unwrap().iter().any(whole), "{name}");
            }
            let rest = content(32 << 10);
            let result = rig.write(&rest, &[extent(0, 32 << 10, 32 << 10)]);
            // Only a look tells that it was moved.
            if name != "moved away" && !looked {
                assert_eq!(kind_of(result), DiskErrorKind::NotFound, "{name}");
            }
            let there = rig.sync(&[0]).unwrap();
            let result = rig.write(&rest, &[extent(0, 32 << 10, 32 << 10)]);
            assert!(result.is_ok(), "{name}: {result:?} after {there:?}");
            assert_eq!(fs::metadata(&path).unwrap().len(), WHOLE, "{name}");
            assert_eq!(fs::read(&path).unwrap()[32 << 10..], rest, "{name}");
        }
    }
}

#[test]
fn what_is_read_is_the_file_that_has_the_name_now() {
    let dir = TempDir::new();
    let rig = half_written(&dir);
    let path = dir.join("root/sub/a");
    let first = [HashPart::File(extent(0, 0, 5))];
    assert_eq!(rig.hash(&first), Ok(sha1(&content(32 << 10)[..5])));
    fs::remove_file(&path).unwrap();
    assert_eq!(kind_of(rig.hash(&first)), DiskErrorKind::NotFound);
    assert_eq!(kind_of(rig.make_resident(&[extent(0, 0, 5)])), DiskErrorKind::NotFound);
    fs::write(&path, b"another file").unwrap();
    assert_eq!(rig.hash(&first), Ok(sha1(b"anoth")));
    fs::write(dir.join("other"), b"a third one").unwrap();
    fs::rename(dir.join("other"), &path).unwrap();
    assert_eq!(rig.hash(&first), Ok(sha1(b"a thi")));
}

#[test]
fn a_folder_that_is_put_back_is_used_again() {
    let dir = TempDir::new();
    let mut rig = half_written(&dir);
    fs::remove_dir_all(dir.join("root")).unwrap();
    for _ in 0..2 {
        let result = rig.write(b"x", &[extent(0, 0, 1)]);
        assert_eq!(kind_of(result), DiskErrorKind::NotFound, "it is not made behind our back");
    }
    assert!(!dir.join("root").exists());
    fs::create_dir(dir.join("root")).unwrap();
    rig.write(b"x", &[extent(0, 0, 1)]).unwrap();
    assert_eq!(fs::metadata(dir.join("root/sub/a")).unwrap().len(), WHOLE);
}

#[test]
fn a_read_only_file_system_is_known_when_a_download_is_opened() {
    let dir = TempDir::new();
    let root = dir.join("root");
    let Some(mount) = Mount::new(&root) else { return };
    let denied = |create| {
        let files = vec![FileSpec::plain(FileIndex(0), "sub/a".into(), WHOLE)];
        let kind = JobKind::Open { info_hash: INFO_HASH, root: root.clone(), files, create };
        let DoneKind::Opened { denied, .. } = Rig::new().run(kind) else { panic!("opened") };
        denied.map(|error| (error.kind, error.path))
    };
    assert_eq!(denied(true), None);
    mount.make_read_only();
    assert_eq!(denied(true), Some((DiskErrorKind::Denied, root.clone())));
    assert_eq!(denied(false), None, "a seed writes nothing");
}
