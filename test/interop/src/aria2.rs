//! aria2 1.36. It cannot be told a peer: it is dialled, or finds peers by a tracker.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::client::{Client, Completion, Job, Running};
use crate::process::installed;
use crate::scene::{Scene, free_port, listening};

/// aria2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aria2;

impl Aria2 {
    fn run(scene: &Scene, job: &Job<'_>, role: &str) -> anyhow::Result<Running> {
        let port = free_port()?;
        let mut command = Command::new("aria2c");
        command.args([
            "--no-conf",
            "--enable-dht=false",
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
        command.arg(format!("--dir={}", job.folder.display()));
        if !job.trackers {
            command.arg("--bt-exclude-tracker=*");
        }
        if role == "seed" {
            command.args(["--check-integrity=true", "--seed-ratio=0.0"]);
        } else {
            command.arg("--seed-time=0");
        }
        command.arg(job.torrent);
        let process = scene.spawn(&format!("aria2 {role}"), &mut command)?;
        process.wait_until("its port", || listening(port))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
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
}
