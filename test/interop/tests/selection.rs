//! A part of a torrent: downloaded from libtorrent, and given on to it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use interop::{
    Client as _, Job, Libtorrent, Outcome, Proc, Scene, Shape, Shoal, assert_identical,
    create_torrent, scene, shoal_command, skip,
};

const LIMIT: Duration = Duration::from_secs(90);
/// Small, so that most pieces at the edge of a file have bytes of others.
const PIECE_BYTES: u32 = 32_768;

/// What two halves select. Some files of either lie in one piece with files of the other.
const HALVES: [&str; 2] = ["b/**,!zero too", "a,zero too,*.iso,z*.bin"];

/// Downloads a half from `peer` and goes on to seed it; returns once it is complete.
fn half(
    scene: &Scene,
    torrent: &Path,
    folder: &Path,
    which: &str,
    peer: SocketAddr,
) -> anyhow::Result<(Proc, SocketAddr)> {
    let mut command = shoal_command()?;
    command.arg("get").arg(torrent).arg("-o").arg(folder).args(["--select", which]);
    command.args(["--seed-time", "1h", "--listen", "127.0.0.1:0", "--no-discovery"]);
    command.args(["--peer", &peer.to_string()]);
    let mut process = scene.spawn("shoal get", &mut command)?;
    let address = Shoal::listens(&mut process)?;
    process
        .wait_line("\"files complete\"", |line| line.contains("files complete").then_some(()))?;
    Ok((process, address))
}

/// Files below `folder`, by name alone.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => drop(found.insert(entry.file_name().to_string_lossy().into_owned())),
            }
        }
    }
    Ok(found)
}

#[test]
fn two_halves_from_libtorrent_are_a_whole_to_libtorrent() -> Outcome {
    let libtorrent = Libtorrent::default();
    if let Some(reason) = libtorrent.missing() {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let torrent = create_torrent(scene, &content, PIECE_BYTES, &[])?;
        let folders = [scene.folder("first")?, scene.folder("second")?];
        let job = Job { torrent: &torrent.path, folder: &folders[0], peers: &[], trackers: false };
        let whole = libtorrent.seed(scene, &Job { folder: content.parent()?, ..job })?;
        let mut halves = Vec::new();
        for (folder, which) in folders.iter().zip(HALVES) {
            halves.push(half(scene, &torrent.path, folder, which, whole.address)?);
        }
        drop(whole);
        let all = names(&content.path)?;
        let (mut first, mut second) = (names(&folders[0])?, names(&folders[1])?);
        for names in [&mut first, &mut second] {
            let parts = names.len();
            names.retain(|name| !(name.starts_with('.') && name.ends_with(".parts")));
            ensure!(names.len() + 1 == parts, "one part file: {names:?}");
        }
        ensure!(first.is_disjoint(&second), "{first:?} and {second:?}");
        ensure!(first.union(&second).eq(&all), "{first:?} and {second:?} are not {all:?}");

        let download = scene.folder("download")?;
        let peers: Vec<_> = halves.iter().map(|(_, address)| *address).collect();
        libtorrent
            .leech(scene, &Job { folder: &download, peers: &peers, ..job })?
            .wait_complete()?;
        assert_identical(&content, &download, false)
    })
}
