//! Torrent files that `shoal create` writes, as libtorrent reads them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use interop::{
    Client as _, Content, Job, Libtorrent, Outcome, Scene, Shape, WirePeek, create_torrent,
    inspect_torrent, scene, shoal_command, skip,
};

const LIMIT: Duration = Duration::from_secs(60);
const PIECE_BYTES: u32 = 65_536;

fn with_libtorrent(test: impl FnOnce(&Scene) -> anyhow::Result<()>) -> Outcome {
    if let Some(reason) = Libtorrent::default().missing() {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, test)
}

/// `shoal create` with `arguments`.
fn create(scene: &Scene, content: &Content, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let path = scene.path("ours.torrent");
    let mut command = shoal_command()?;
    command.arg("create").arg(&content.path).arg("-o").arg(&path);
    command.args(["--piece-size", &PIECE_BYTES.to_string()]).args(arguments);
    let exit = scene.spawn("shoal create", &mut command)?.wait_exit()?;
    ensure!(exit.success(), "shoal create: {exit}");
    Ok(path)
}

/// Fails unless libtorrent, given the torrent and the data, finds every piece good.
fn data_matches(scene: &Scene, content: &Content, torrent: &Path) -> anyhow::Result<()> {
    let info_hash = inspect_torrent(scene, torrent)?;
    let info_hash = info_hash.field("info_hash").as_str().unwrap_or_default();
    let job = Job { torrent, folder: content.parent()?, peers: &[], trackers: false };
    let seed = Libtorrent::default().seed(scene, &job)?;
    let pieces = u32::try_from(content.bytes()?.div_ceil(u64::from(PIECE_BYTES)))?;
    let claims = WirePeek::connect(seed.address, info_hash, LIMIT)?.first_claims(pieces, LIMIT)?;
    ensure!(claims == (0..pieces).collect::<BTreeSet<_>>(), "has {claims:?}");
    Ok(())
}

#[test]
fn the_same_file_makes_the_same_info_hash() -> Outcome {
    with_libtorrent(|scene| {
        let content = Shape::SingleFile.write(&scene.folder("content")?)?;
        let ours = inspect_torrent(scene, &create(scene, &content, &[])?)?;
        let theirs = create_torrent(scene, &content, PIECE_BYTES, &[])?;
        assert_eq!(ours.field("info_hash"), theirs.info_hash.as_str());
        Ok(())
    })
}

#[test]
fn every_option_arrives() -> Outcome {
    with_libtorrent(|scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let (first, second) = ("http://tracker.test/announce", "udp://tracker.test:6969");
        let path = create(
            scene,
            &content,
            &[
                "--tracker",
                first,
                "--tracker",
                second,
                "--private",
                "--comment",
                "grüße",
                "--source",
                "TEST",
            ],
        )?;
        let read = inspect_torrent(scene, &path)?;
        assert_eq!(*read.field("trackers"), serde_json::json!([first, second]));
        assert_eq!(*read.field("private"), true);
        assert_eq!(*read.field("comment"), "grüße");
        assert_eq!(*read.field("name"), content.name()?);
        assert_eq!(*read.field("piece_length"), PIECE_BYTES);
        let bytes = std::fs::read(&path)?;
        assert!(bytes.windows(14).any(|window| window == b"6:source4:TEST"));
        Ok(())
    })
}

#[test]
fn many_files_have_the_right_digests() -> Outcome {
    with_libtorrent(|scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let path = create(scene, &content, &[])?;
        data_matches(scene, &content, &path)
    })
}
