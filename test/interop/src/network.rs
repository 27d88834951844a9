//! Networks of a test's own: it runs in a network namespace, and makes others beside it.
//!
//! All of it takes root, and goes with the process: without root a test fails rather than say nothing.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::scene::{Outcome, Scene, scene};

/// Set in the process that has its own network.
const INSIDE: &str = "SHOAL_TEST_OWN_NETWORK";

/// Every address of it can be used at once, and none is in 127.0.0.0/8, which Transmission refuses.
const ADDRESSES: &str = "10.60.0.1/24";

/// Runs the test called `name` in network and mount namespaces of its own, in which namespaces can be named
/// as one likes. It has the addresses 10.60.0.1 to 10.60.0.254 and loopback, and nothing else.
pub fn in_own_network(
    name: &str,
    limit: Duration,
    test: impl FnOnce(&Scene) -> anyhow::Result<()>,
) -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        return scene(limit, |scene| {
            // Where `ip netns` keeps the names.
            run("mkdir -p /run/netns")?;
            run("mount -t tmpfs shoal-test /run/netns")?;
            run("ip link set lo up")?;
            run(&format!("ip address add {ADDRESSES} dev lo"))?;
            test(scene)
        });
    }
    scene(limit, |_| {
        let output = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private"])
            .arg(std::env::current_exe()?)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output()
            .context("run unshare")?;
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (said(&output.stdout), said(&output.stderr));
        ensure!(output.status.success(), "in its own network (this takes root):\n{out}{error}");
        ensure!(out.contains("1 passed"), "no test is called {name}:\n{out}");
        Ok(())
    })
}

/// Runs a command of words without blanks to its end, and returns what it prints.
pub fn run(line: &str) -> anyhow::Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a program")?;
    // Debian keeps tools of the administrator where not every PATH leads.
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .with_context(|| line.to_owned())?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `command`, in the namespace called `namespace`.
pub fn inside(namespace: &str, command: &Command) -> Command {
    let mut wrapped = Command::new("ip");
    wrapped.args(["netns", "exec", namespace]).arg(command.get_program()).args(command.get_args());
    wrapped
}
