//! `shoal chain`, and unmodified `tronweb` that drives it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::dht::{local, peers};
use crate::process::Proc;
use crate::scene::Scene;
use crate::shoal::shoal_command;

/// A running chain.
#[derive(Debug)]
pub struct Chain {
    /// Its process.
    pub process: Proc,
    /// Where it answers.
    pub url: String,
    /// What it said of itself.
    pub told: Value,
}

impl Chain {
    /// Starts one with these arguments.
    pub fn start(scene: &Scene, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = shoal_command()?;
        command.args(["--json", "chain", "run", "--listen", "127.0.0.1:0"]).args(arguments);
        command.env("SHOAL_STATE_DIR", scene.folder("state")?);
        let mut process = scene.spawn("shoal chain", &mut command)?;
        let told = process.wait_line("the chain's address", |line| {
            let told: Value = serde_json::from_str(line).ok()?;
            (told["event"] == "chain").then_some(told)
        })?;
        let url = told["url"].as_str().context("a URL")?.to_owned();
        Ok(Self { process, url, told })
    }

    /// Lets tronweb make one of the checks of `peers/tronweb.mjs`; gives what it printed.
    pub fn tronweb(
        &self,
        scene: &Scene,
        check: &str,
        transactions: &[String],
    ) -> anyhow::Result<Vec<String>> {
        let modules = local("npm/node_modules");
        ensure!(
            modules.join("tronweb").is_dir(),
            "no tronweb in {}: run test/setup/peers.sh",
            modules.display()
        );
        let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts");
        let mut command = Command::new("node");
        command.arg(peers("tronweb.mjs")).arg(modules).arg(&self.url).arg(artifacts).arg(check);
        command.args(transactions);
        let process = scene.spawn(&format!("tronweb {check}"), &mut command)?;
        let status = process.wait_exit()?;
        ensure!(status.success(), "tronweb finds fault with {check}");
        let said = process.said();
        ensure!(said.iter().any(|line| line.contains("all is well")), "{check} checked nothing");
        Ok(said)
    }
}
