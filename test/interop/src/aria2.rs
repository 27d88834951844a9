//! aria2 1.36. It cannot be told a peer: it is dialled, or finds peers by a tracker.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::client::{ByDht, Client, Completion, Job, PORT, Running, Task};
use crate::process::installed;
use crate::scene::{Scene, free_port, listening};

/// aria2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aria2;

impl Aria2 {
    fn run(scene: &Scene, job: &Job<'_>, role: &str) -> anyhow::Result<Running> {
        let port = free_port()?;
        let mut command = Self::command(port, job.folder, role);
        command.arg("--enable-dht=false");
        if !job.trackers {
            command.arg("--bt-exclude-tracker=*");
        }
        command.arg(job.torrent);
        Self::start(scene, &mut command, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), role)
    }

    fn command(port: u16, folder: &Path, role: &str) -> Command {
        let mut command = Command::new("aria2c");
        command.args([
            "--no-conf",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
            "--enable-peer-exchange=false",
            "--disable-ipv6=true",
            "--file-allocation=none",
            "--allow-overwrite=true",
            "--summary-interval=0",
            "--console-log-level=info",
            "--show-console-readout=false",
            "--follow-torrent=mem",
        ]);
        command.arg(format!("--listen-port={port}"));
        command.arg(format!("--dir={}", folder.display()));
        if role == "seed" {
            command.args(["--check-integrity=true", "--seed-ratio=0.0"]);
        } else {
            command.arg("--seed-time=0");
        }
        command
    }

    fn start(
        scene: &Scene,
        command: &mut Command,
        address: SocketAddr,
        role: &str,
    ) -> anyhow::Result<Running> {
        let process = scene.spawn(&format!("aria2 {role}"), command)?;
        process.wait_until("its port", || listening(address.port()))?;
        Ok(Running { process, address, completion: Completion::Exit })
    }
}

impl Client for Aria2 {
    fn name(&self) -> &'static str {
        "aria2"
    }

    fn missing(&self) -> Option<String> {
        (!installed("aria2c")).then(|| "aria2c is missing: run test/setup/peers.sh".to_owned())
    }

    fn dials(&self) -> bool {
        false
    }

    fn seed(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        Self::run(scene, job, "seed")
    }

    fn leech(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        Self::run(scene, job, "leech")
    }

    fn by_dht(&self, scene: &Scene, job: &ByDht<'_>) -> anyhow::Result<Running> {
        let mut command = Self::command(PORT, job.folder, job.task.name());
        command.arg(format!("--interface={}", job.host));
        command.args(["--bt-exclude-tracker=*", "--enable-dht=true"]);
        command.arg(format!("--dht-listen-port={PORT}"));
        command.arg(format!("--dht-file-path={}", scene.path("aria2-dht").display()));
        if let Some(node) = job.nodes.first() {
            command.arg(format!("--dht-entry-point={node}")); // It takes one.
        }
        match job.task {
            Task::Seed(torrent) => command.arg(torrent),
            Task::Fetch(link) => command.arg(link),
        };
        Self::start(scene, &mut command, SocketAddr::new(job.host, PORT), job.task.name())
    }
}
