//! Two machines of one network find each other without a tracker (BEP 14).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use interop::{
    Content, Outcome, Proc, Scene, assert_identical, in_own_network, inside, installed, run,
    shoal_command, skip,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const V4: &str = "0.0.0.0:6881";
const V6: &str = "[::]:6881";

/// Two machines, `a` and `b`, joined by a wire. Transmission joins the group where the default route
/// leads.
const TOPOLOGY: &str = "\
    ip netns add a
    ip netns add b
    ip -n a link add e0 type veth peer name e0 netns b
    ip -n a link set lo up
    ip -n b link set lo up
    ip -n a link set e0 up
    ip -n b link set e0 up
    ip -n a addr add 192.168.77.1/24 dev e0
    ip -n b addr add 192.168.77.2/24 dev e0
    ip -n a route add default dev e0
    ip -n a addr add fd00::1/64 dev e0 nodad
    ip -n b addr add fd00::2/64 dev e0 nodad";

/// What there is to be sent, and its torrent.
fn prepare(scene: &Scene, private: bool) -> anyhow::Result<(Content, PathBuf)> {
    for line in TOPOLOGY.lines() {
        run(line)?;
    }
    let content = Content::of_size(&scene.folder("content")?, 300_000)?;
    let torrent = scene.folder("torrents")?.join("t.torrent");
    let mut create = shoal_command()?;
    create.arg("create").arg(&content.path).arg("-o").arg(&torrent);
    create.args(private.then_some("--private"));
    let exit = scene.spawn("shoal create", &mut create)?.wait_exit()?;
    ensure!(exit.success(), "shoal create: {exit}");
    Ok((content, torrent))
}

/// `shoal VERB TORRENT …` on machine `on`.
fn shoal(
    scene: &Scene,
    on: &str,
    (verb, torrent): (&str, &PathBuf),
    arguments: &[&str],
) -> anyhow::Result<Proc> {
    let mut command = shoal_command()?;
    command.arg(verb).arg(torrent).arg("--no-port-mapping").args(arguments);
    command.arg("--state").arg(scene.path(&format!("{verb}.db")));
    scene.spawn(&format!("shoal {verb}"), &mut inside(on, &command))
}

/// What machine `b` gets from whoever runs on `a`.
fn arrives(scene: &Scene, content: &Content, torrent: &PathBuf, at: &str) -> anyhow::Result<()> {
    let out = scene.folder("out")?;
    let arguments = ["-o", out.to_str().unwrap_or_default(), "--exit", "--listen", at];
    let exit = shoal(scene, "b", ("get", torrent), &arguments)?.wait_exit()?;
    ensure!(exit.success(), "shoal get: {exit}");
    assert_identical(content, &out, true)
}

fn seeds(scene: &Scene, content: &Content, torrent: &PathBuf, at: &str) -> anyhow::Result<Proc> {
    let data = content.parent()?.to_str().unwrap_or_default().to_owned();
    let mut seed = shoal(scene, "a", ("seed", torrent), &["--data", &data, "--listen", at])?;
    seed.wait_line("its data", |line| line.starts_with("! seeding").then_some(()))?;
    Ok(seed)
}

#[test]
fn neighbours_find_each_other_by_ipv4() -> Outcome {
    in_own_network("neighbours_find_each_other_by_ipv4", LIMIT, |scene| {
        let (content, torrent) = prepare(scene, false)?;
        let _seed = seeds(scene, &content, &torrent, V4)?;
        arrives(scene, &content, &torrent, V4)
    })
}

#[test]
fn neighbours_find_each_other_by_ipv6() -> Outcome {
    in_own_network("neighbours_find_each_other_by_ipv6", LIMIT, |scene| {
        let (content, torrent) = prepare(scene, false)?;
        let _seed = seeds(scene, &content, &torrent, V6)?;
        arrives(scene, &content, &torrent, V6)
    })
}

#[test]
fn transmission_finds_us_and_is_found() -> Outcome {
    if !installed("transmission-daemon") {
        skip("transmission-daemon is missing: run test/setup/peers.sh");
        return Ok(());
    }
    in_own_network("transmission_finds_us_and_is_found", LIMIT, |scene| {
        let (content, torrent) = prepare(scene, false)?;
        let settings = scene.folder("transmission")?;
        let json = json!({
            "dht-enabled": false,
            "download-dir": content.parent()?,
            "encryption": 0,
            "lpd-enabled": true,
            "message-level": 2,
            "pex-enabled": false,
            "port-forwarding-enabled": false,
            "utp-enabled": false,
            "watch-dir": torrent.parent(),
            "watch-dir-enabled": true,
        });
        fs::write(settings.join("settings.json"), json.to_string())?;
        let mut command = Command::new("transmission-daemon");
        command.arg("-f").arg("-g").arg(&settings);
        let _daemon = scene.spawn("transmission", &mut inside("a", &command))?;
        arrives(scene, &content, &torrent, V4)
    })
}

/// Whoever announces a private torrent to the neighbours gets his account closed.
#[test]
fn nobody_hears_of_a_private_torrent() -> Outcome {
    in_own_network("nobody_hears_of_a_private_torrent", LIMIT, |scene| {
        let (content, torrent) = prepare(scene, true)?;
        // Another program of machine b, which hears all that is said to the group.
        let mut listener = Command::new("python3");
        listener.arg("-c").arg(LISTENER);
        let mut listener = scene.spawn("listener", &mut inside("b", &listener))?;
        listener.wait_line("its start", |line| line.contains("ready").then_some(()))?;
        let _private = seeds(scene, &content, &torrent, V4)?;
        // A public one is announced a second after it is open, and that is what ends the test.
        let public = scene.path("public.torrent");
        let mut create = shoal_command()?;
        create.arg("create").arg(&content.path).arg("-o").arg(&public);
        scene.spawn("shoal create", &mut create)?.wait_exit()?;
        let _public = seeds(scene, &content, &public, "0.0.0.0:6882")?;
        let port = listener.wait_line("an announce", |line| {
            line.split_once("Port: ").map(|(_, port)| port.trim().to_owned())
        })?;
        ensure!(port == "6882", "the first announce is of {port}");
        Ok(())
    })
}

const LISTENER: &str = "
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('239.192.152.143', 6771))
group = socket.inet_aton('239.192.152.143') + socket.inet_aton('192.168.77.2')
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
print('ready', flush=True)
while True:
    print(s.recv(2048).decode(), flush=True)
";
