//! `shoal wallet`, and the libraries that other wallets are made with.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;

use crate::dht::{local, peers};
use crate::scene::Scene;
use crate::shoal::shoal_command;

/// Runs `shoal wallet` in `folder`, with its state there and the passphrase in the file `passphrase`.
/// Gives the last line of its output.
pub fn wallet(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = shoal_command()?;
    command.arg("wallet").args(arguments).args(["--passphrase-file", "passphrase"]);
    command.current_dir(folder).env("SHOAL_STATE_DIR", folder.join("state"));
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "shoal wallet {arguments:?}: {said}");
    let stdout = String::from_utf8(output.stdout)?;
    Ok(stdout.lines().last().unwrap_or_default().to_owned())
}

/// Lets tronweb and ethers make one of the checks of `peers/wallet_tronweb.mjs`.
pub fn wallet_tronweb(scene: &Scene, folder: &Path, check: &str) -> anyhow::Result<()> {
    let modules = local("npm/node_modules");
    let there = modules.join("tronweb").is_dir();
    ensure!(there, "no tronweb in {}: run test/setup/peers.sh", modules.display());
    let mut command = Command::new("node");
    command.arg(peers("wallet_tronweb.mjs")).arg(modules).arg(folder).arg(check);
    let process = scene.spawn(&format!("tronweb {check}"), &mut command)?;
    ensure!(process.wait_exit()?.success(), "tronweb finds fault with {check}");
    let well = process.said().iter().any(|line| line.contains("all is well"));
    ensure!(well, "{check} checked nothing");
    Ok(())
}
