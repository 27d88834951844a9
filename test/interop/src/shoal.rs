//! The program under test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::client::{ByDht, Client, Completion, Job, PORT, Running, Task};
use crate::libtorrent::Libtorrent;
use crate::process::Proc;
use crate::scene::Scene;

/// `shoal`.
#[derive(Clone, Debug, Default)]
pub struct Shoal {
    /// Further arguments of `get`.
    pub get_arguments: Vec<String>,
}

/// The program of the same build as this test, or the one that `SHOAL_BIN` names.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHOAL_BIN") {
        return Ok(path.into());
    }
    // target/debug/deps/this-test -> target/debug/shoal
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent()).context("a target folder")?;
    let path = folder.join("shoal");
    anyhow::ensure!(path.is_file(), "no {}: run `cargo build --workspace` first", path.display());
    Ok(path)
}

/// A command that runs `shoal`.
pub fn shoal_command() -> anyhow::Result<Command> {
    binary().map(Command::new)
}

/// The client that every other is tried with: `shoal`, unless `SHOAL_INTEROP_SUBJECT=libtorrent`
/// proves the harness itself.
pub fn subject() -> Box<dyn Client> {
    if subject_is_shoal() { Box::new(Shoal::default()) } else { Box::new(Libtorrent::default()) }
}

pub(crate) fn subject_is_shoal() -> bool {
    std::env::var("SHOAL_INTEROP_SUBJECT").as_deref() != Ok("libtorrent")
}

impl Shoal {
    /// Waits until `process` says where it listens.
    pub fn listens(process: &mut Proc) -> anyhow::Result<SocketAddr> {
        process.wait_line("\"listening on\"", |line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split_whitespace().next()?.trim_end_matches([',', '.', ';']).parse().ok()
        })
    }

    fn run(
        scene: &Scene,
        name: &str,
        mut command: Command,
        job: &Job<'_>,
    ) -> anyhow::Result<Running> {
        command.args(["--listen", "127.0.0.1:0"]);
        if !job.peers.is_empty() {
            let peers: Vec<String> = job.peers.iter().map(SocketAddr::to_string).collect();
            command.args(["--peer", &peers.join(",")]);
        }
        if !job.trackers {
            command.arg("--no-discovery");
        }
        let mut process = scene.spawn(name, &mut command)?;
        let address = Self::listens(&mut process)?;
        Ok(Running { process, address, completion: Completion::Exit })
    }
}

impl Client for Shoal {
    fn name(&self) -> &'static str {
        "shoal"
    }

    fn missing(&self) -> Option<String> {
        None // A missing program under test is a failure.
    }

    fn dials(&self) -> bool {
        true
    }

    fn seed(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        let mut command = shoal_command()?;
        command.arg("seed").arg(job.torrent).arg("--data").arg(job.folder);
        Self::run(scene, "shoal seed", command, job)
    }

    fn leech(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        let mut command = shoal_command()?;
        command.arg("get").arg(job.torrent).arg("-o").arg(job.folder).arg("--exit");
        command.args(&self.get_arguments);
        Self::run(scene, "shoal get", command, job)
    }

    fn by_dht(&self, scene: &Scene, job: &ByDht<'_>) -> anyhow::Result<Running> {
        let mut command = shoal_command()?;
        match job.task {
            Task::Seed(torrent) => command.arg("seed").arg(torrent).arg("--data").arg(job.folder),
            Task::Fetch(link) => command.args(["get", link, "--exit", "-o"]).arg(job.folder),
        };
        command.args(["--no-pex", "--no-lsd", "--no-port-mapping"]);
        command.args(["--listen", &SocketAddr::new(job.host, PORT).to_string()]);
        for node in job.nodes {
            command.args(["--bootstrap", &node.to_string()]);
        }
        let mut process = scene.spawn(&format!("shoal {}", job.task.name()), &mut command)?;
        let address = Self::listens(&mut process)?;
        Ok(Running { process, address, completion: Completion::Exit })
    }
}
