//! One program under a limit, and equal shares: for torrents first, then for the peers of each.
//!
//! Method: torrents are sized so that all downloads end at the same time if shares are equal. What
//! is compared are the times that the program itself tells. With two cores the two torrents are on
//! two shards, so that the hub shares, too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base::Rng;
use interop::{Outcome, Proc, Scene, Shoal, scene, shoal_command};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
/// Limit of all transfers together.
const RATE: &str = "6M";
/// How long they take at that rate, in seconds.
const SECONDS: f64 = 3.0;

/// A torrent of so many bytes, in the folder of its own data.
fn torrent(scene: &Scene, name: &str, bytes: u64) -> anyhow::Result<PathBuf> {
    let mut content = vec![0; usize::try_from(bytes)?];
    let mut rng = Rng::from_seed(bytes);
    content.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&rng.next_u64().to_le_bytes()));
    let data = scene.folder("content")?.join(name);
    std::fs::write(&data, content)?;
    let torrent = scene.folder("torrents")?.join(format!("{name}.torrent"));
    let mut create = shoal_command()?;
    create.arg("create").arg(&data).arg("-o").arg(&torrent).args(["--piece-size", "64k"]);
    let exit = scene.spawn("shoal create", &mut create)?.wait_exit()?;
    anyhow::ensure!(exit.success(), "shoal create: {exit}");
    Ok(torrent)
}

/// Serves a torrent or a folder of them; returns once it listens.
fn seed(
    scene: &Scene,
    torrents: &Path,
    peers: &[SocketAddr],
    options: &[&str],
) -> anyhow::Result<(Proc, SocketAddr)> {
    let mut command = shoal_command()?;
    command.arg("seed").arg(torrents).arg("--data").arg(scene.folder("content")?);
    command.args(["--listen", "127.0.0.1:0", "--no-discovery"]).args(options);
    dial(&mut command, peers);
    let mut seed = scene.spawn("shoal seed", &mut command)?;
    let address = Shoal::listens(&mut seed)?;
    Ok((seed, address))
}

/// Downloads; returns once it listens.
fn get(
    scene: &Scene,
    torrent: &Path,
    number: usize,
    peers: &[SocketAddr],
    options: &[&str],
) -> anyhow::Result<(Proc, SocketAddr)> {
    let mut command = shoal_command()?;
    command.arg("--json").arg("get").arg(torrent);
    command.arg("-o").arg(scene.folder(&format!("download {number}"))?);
    command.arg("--state").arg(scene.path(&format!("{number}.db")));
    command.args(["--listen", "127.0.0.1:0", "--no-discovery", "--exit"]).args(options);
    dial(&mut command, peers);
    let mut get = scene.spawn(&format!("shoal get {number}"), &mut command)?;
    let address = Shoal::listens(&mut get)?;
    Ok((get, address))
}

fn dial(command: &mut Command, peers: &[SocketAddr]) {
    if !peers.is_empty() {
        let peers: Vec<String> = peers.iter().map(SocketAddr::to_string).collect();
        command.args(["--peer", &peers.join(",")]);
    }
}

/// Seconds that the next download to end took, since it was added.
fn seconds(process: &mut Proc) -> anyhow::Result<f64> {
    let text = process.wait_line("a complete download", |line| {
        let complete = line.contains("\"event\":\"complete\"");
        let (_, rest) = line.split_once("\"seconds\":").filter(|_| complete)?;
        Some(rest.split([',', '}']).next()?.to_owned())
    })?;
    text.parse().with_context(|| text.clone())
}

/// All ended within 15 % of the time, and not before the limit allows it.
fn assert_together(seconds: &[f64]) {
    let first = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let last = seconds.iter().copied().fold(0.0, f64::max);
    assert!(last - first < SECONDS * 0.15, "they should end together: {seconds:?}");
    assert!(last > SECONDS * 0.9, "faster than the limit: {seconds:?}");
    assert!(first < SECONDS * 1.5, "far slower than the limit: {seconds:?}");
}

#[test]
fn uploads_are_shared_equally_by_torrents_and_by_their_peers() -> Outcome {
    scene(LIMIT, |scene| {
        let a = torrent(scene, "a", 9 * MIB)?;
        let b = torrent(scene, "b", 3 * MIB)?;
        // One peer of the one and three of the other, who give each other nothing. They are there
        // before the seed, which dials them all at once.
        let mut peers = Vec::new();
        for (number, torrent) in [&a, &b, &b, &b].into_iter().enumerate() {
            let (peer, address) = get(scene, torrent, number, &[], &["--up", "1"])?;
            peers.push((peer, address, Instant::now()));
        }
        let addresses: Vec<SocketAddr> = peers.iter().map(|&(_, address, _)| address).collect();
        // Super seeding would show each of them something else, and who gives nothing waits for it.
        let options = ["--up", RATE, "--super-seed", "never"];
        let _seed = seed(scene, &scene.path("torrents"), &addresses, &options)?;
        let start = Instant::now();
        let mut times = Vec::new();
        for (peer, _, added) in &mut peers {
            times.push(seconds(peer)? - start.duration_since(*added).as_secs_f64());
        }
        assert_together(&times);
        Ok(())
    })
}

#[test]
fn downloads_are_shared_equally_by_torrents_however_many_peers_give() -> Outcome {
    scene(LIMIT, |scene| {
        // With two shards, the first and the last are on the same.
        let [a, b, c] = ["a", "b", "c"].map(|name| torrent(scene, name, 6 * MIB));
        let (a, b, c) = (a?, b?, c?);
        let mut seeds = Vec::new();
        for torrent in [&a, &b, &c, &c, &c] {
            seeds.push(seed(scene, torrent, &[], &[])?);
        }
        let addresses: Vec<SocketAddr> = seeds.iter().map(|&(_, address)| address).collect();
        let torrents = scene.path("torrents");
        let (mut get, _) = get(scene, &torrents, 0, &addresses, &["--down", RATE])?;
        let times = [seconds(&mut get)?, seconds(&mut get)?, seconds(&mut get)?];
        assert_together(&times);
        Ok(())
    })
}
