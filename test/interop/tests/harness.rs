//! The harness itself: libtorrent at both ends, and what must fail does.

use std::process::Command;
use std::time::Duration;

use interop::{
    Client as _, Content, Dials, Libtorrent, Outcome, Shape, assert_identical, create_torrent,
    scene, skip, transfer,
};

const LIBTORRENT: Libtorrent = Libtorrent { down_limit: 0, peer_log: false, without_layers: false };

#[test]
fn libtorrent_downloads_from_libtorrent_that_listens() -> Outcome {
    transfer(&LIBTORRENT, &LIBTORRENT, Shape::ManyFiles, Dials::Leech)
}

#[test]
fn libtorrent_downloads_from_libtorrent_that_dials() -> Outcome {
    transfer(&LIBTORRENT, &LIBTORRENT, Shape::Padded, Dials::Seed)
}

#[test]
fn a_flipped_byte_a_missing_file_and_an_extra_file_are_seen() -> Outcome {
    scene(Duration::from_secs(30), |scene| {
        let content = Shape::ManyFiles.write(&scene.folder("a")?)?;
        let copy = Shape::ManyFiles.write(&scene.folder("b")?)?;
        let folder = scene.folder("b")?;
        assert_identical(&content, &folder, false)?;

        let flipped = copy.path.join("a");
        let byte = std::fs::read(&flipped)?;
        std::fs::write(&flipped, [byte[0] ^ 1])?;
        assert!(assert_identical(&content, &folder, false).is_err());
        std::fs::write(&flipped, byte)?;

        std::fs::remove_file(copy.path.join("b/leer.txt"))?;
        assert!(assert_identical(&content, &folder, false).is_err());
        assert_identical(&content, &folder, true)?;

        std::fs::write(copy.path.join("extra"), [])?;
        assert!(assert_identical(&content, &folder, true).is_err());
        Ok(())
    })
}

#[test]
fn a_scene_that_fails_shows_what_its_processes_said() {
    let result = scene(Duration::from_millis(300), |scene| {
        let script = "echo to stdout; echo to stderr >&2; exec cat";
        let mut process = scene.spawn("talker", Command::new("sh").args(["-c", script]))?;
        process.wait_line("a line that never comes", |line| (line == "never").then_some(()))
    });
    let report = format!("{:?}", result.unwrap_err());
    for part in ["before the deadline", "--- talker", "to stdout", "! to stderr"] {
        assert!(report.contains(part), "no {part:?} in {report}");
    }
}

#[test]
fn a_dropped_process_takes_its_children_along() -> Outcome {
    scene(Duration::from_secs(20), |scene| {
        let script = "sleep 1000 & echo child $!; wait";
        let mut process = scene.spawn("parent", Command::new("sh").args(["-c", script]))?;
        let child: u32 = process.wait_line("a child", |line| {
            line.strip_prefix("child ").and_then(|id| id.parse().ok())
        })?;
        let watcher = scene.spawn("watcher", &mut Command::new("cat"))?;
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        assert!(alive());
        drop(process);
        watcher.wait_until("the end of the child", || !alive())
    })
}

#[test]
fn a_peek_sees_what_a_seed_claims() -> Outcome {
    if let Some(reason) = LIBTORRENT.missing() {
        skip(&reason);
        return Ok(());
    }
    scene(Duration::from_secs(60), |scene| {
        let content = Content::of_size(&scene.folder("content")?, 1 << 20)?;
        let torrent = create_torrent(scene, &content, 32_768, &[])?;
        let job = interop::Job {
            torrent: &torrent.path,
            folder: content.parent()?,
            peers: &[],
            trackers: false,
        };
        let seed = LIBTORRENT.seed(scene, &job)?;
        let limit = Duration::from_secs(10);
        let mut peek = interop::WirePeek::connect(seed.address, &torrent.info_hash, limit)?;
        assert_eq!(peek.first_claims(32, limit)?, (0..32).collect());
        Ok(())
    })
}
