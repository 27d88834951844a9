//! libtorrent 2.1.1 through its Python binding, and torrent files written and read by it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::client::{ByDht, Client, Completion, Job, PORT, Running, Task};
use crate::content::{Content, Shape};
use crate::scene::Scene;

/// libtorrent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Libtorrent {
    /// Bytes per second of a download; 0 for no limit.
    pub down_limit: u32,
    /// It tells every message about hashes (BEP 52).
    pub peer_log: bool,
    /// It has to ask peers for the hashes of the pieces (BEP 52).
    pub without_layers: bool,
}

/// A torrent file.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// The file.
    pub path: PathBuf,
    /// In hexadecimal digits.
    pub info_hash: String,
}

/// What libtorrent reads in a torrent file.
#[derive(Clone, Debug)]
pub struct Inspected(Value);

impl Inspected {
    /// A field of the report: `info_hash`, `name`, `private`, `comment`, `piece_length`,
    /// `trackers`, `files`.
    pub fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }
}

/// Writes a torrent file for `content`; one tier for each of `trackers`.
pub fn create_torrent(
    scene: &Scene,
    content: &Content,
    piece_bytes: u32,
    trackers: &[String],
) -> anyhow::Result<Torrent> {
    let path = scene.path("content.torrent");
    let mut command = driver("create", &path);
    command.arg("--data").arg(&content.path).args(["--piece-size", &piece_bytes.to_string()]);
    for tracker in trackers {
        command.args(["--tracker", tracker]);
    }
    match content.shape {
        Shape::SingleFile | Shape::ManyFiles | Shape::FiftyFiles => {}
        Shape::Padded => drop(command.arg("--padded")),
        Shape::SingleV2 | Shape::V2 => drop(command.args(["--version", "v2"])),
        Shape::Hybrid => drop(command.args(["--version", "hybrid"])),
    }
    let report = report_of(scene, "libtorrent create", &mut command)?;
    let info_hash = report["info_hash"].as_str().context("an info-hash")?.to_owned();
    Ok(Torrent { path, info_hash })
}

/// Reads the torrent file `path`.
pub fn inspect_torrent(scene: &Scene, path: &Path) -> anyhow::Result<Inspected> {
    report_of(scene, "libtorrent inspect", &mut driver("inspect", path)).map(Inspected)
}

/// Runs `makers.py`, which makes and reads torrent files by libtorrent and torf; gives what it says
/// of each file.
pub fn makers(scene: &Scene, mode: &str, folders: &[&Path]) -> anyhow::Result<Value> {
    let mut command = script("makers.py");
    command.arg(mode).args(folders);
    let mut process = scene.spawn(&format!("makers.py {mode}"), &mut command)?;
    let name = if mode == "make" { "made" } else { mode };
    let mut report = process.wait_line(name, |line| event(line, name))?;
    let exit = process.wait_exit()?;
    ensure!(exit.success(), "makers.py {mode}: {exit}");
    Ok(report["files"].take())
}

fn report_of(scene: &Scene, name: &str, command: &mut Command) -> anyhow::Result<Value> {
    let mut process = scene.spawn(name, command)?;
    let report = process.wait_line("report", |line| event(line, "created"))?;
    let exit = process.wait_exit()?;
    ensure!(exit.success(), "{name}: {exit}");
    Ok(report)
}

impl Libtorrent {
    fn run(self, scene: &Scene, job: &Job<'_>, role: &str) -> anyhow::Result<Running> {
        let mut command = driver("run", job.torrent);
        command.arg("--data").arg(job.folder);
        for peer in job.peers {
            command.args(["--peer", &peer.to_string()]);
        }
        if !job.trackers {
            command.arg("--no-discovery");
        }
        if role == "leech" && self.down_limit > 0 {
            command.args(["--down", &self.down_limit.to_string()]);
        }
        if self.peer_log {
            command.arg("--peer-log");
        }
        if self.without_layers {
            command.arg("--without-layers");
        }
        Self::start(scene, &mut command, role)
    }

    fn start(scene: &Scene, command: &mut Command, role: &str) -> anyhow::Result<Running> {
        let mut process = scene.spawn(&format!("libtorrent {role}"), command)?;
        let listening = process.wait_line("listening", |line| event(line, "listening"))?;
        let port = listening["port"].as_u64().context("a port")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port)?));
        if role == "seed" {
            process.wait_line("checked data", |line| event(line, "ready"))?;
        }
        Ok(Running { process, address, completion: Completion::Line("{\"event\": \"done\"") })
    }
}

impl Client for Libtorrent {
    fn name(&self) -> &'static str {
        "libtorrent"
    }

    fn missing(&self) -> Option<String> {
        let there = python().is_file();
        (!there).then(|| "libtorrent is missing: run test/setup/peers.sh".to_owned())
    }

    fn dials(&self) -> bool {
        true
    }

    fn seed(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        self.run(scene, job, "seed")
    }

    fn leech(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        self.run(scene, job, "leech")
    }

    fn by_dht(&self, scene: &Scene, job: &ByDht<'_>) -> anyhow::Result<Running> {
        let mut command = match job.task {
            Task::Seed(torrent) => driver("run", torrent),
            Task::Fetch(link) => driver("run", Path::new(link)),
        };
        command.arg("--data").arg(job.folder).arg("--no-discovery");
        command.args(["--listen", &SocketAddr::new(job.host, PORT).to_string()]);
        for node in job.nodes {
            command.args(["--dht-node", &node.to_string()]);
        }
        Self::start(scene, &mut command, job.task.name())
    }
}

/// The interpreter that has libtorrent.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/venv/bin/python")
}

fn driver(mode: &str, torrent: &Path) -> Command {
    let mut command = script("lt_peer.py");
    command.arg(mode).arg(torrent);
    command
}

pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    command.args(["-W", "ignore"]).arg(path);
    command
}

pub(crate) fn event(line: &str, name: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == name).then_some(value)
}
