//! A network of a test's own.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::scene::{Outcome, Scene, scene};

/// Set in the process that has its own network.
const INSIDE: &str = "SHOAL_TEST_OWN_NETWORK";

/// Every address of it can be used at once, and none is in 127.0.0.0/8, which Transmission refuses.
const ADDRESSES: &str = "10.60.0.1/24";

/// Runs the test `name`, which calls this, in a network namespace with the addresses 10.60.0.1 to
/// 10.60.0.254 and nothing else. It takes root: without it the test fails rather than say nothing.
pub fn in_own_network(
    name: &str,
    limit: Duration,
    test: impl FnOnce(&Scene) -> anyhow::Result<()>,
) -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        return scene(limit, |scene| {
            ip(&["link", "set", "lo", "up"])?;
            ip(&["address", "add", ADDRESSES, "dev", "lo"])?;
            test(scene)
        });
    }
    scene(limit, |_| {
        let output = Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe()?)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output()
            .context("run unshare")?;
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (said(&output.stdout), said(&output.stderr));
        ensure!(output.status.success(), "in a network namespace (this takes root):\n{out}{error}");
        ensure!(out.contains("1 passed"), "no test is called {name}:\n{out}");
        Ok(())
    })
}

fn ip(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(words).output().context("run ip")?;
    ensure!(output.status.success(), "ip: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
