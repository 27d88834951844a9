//! Transmission 3.00: a daemon and its RPC.
//!
//! It refuses peers in 127.0.0.0/8 that it is told of, and accepts them when they dial. It makes
//! no empty files, and takes padding for real files: it cannot seed from a folder without them.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::client::{ByDht, Client, Completion, Job, PORT, Running, Task};
use crate::process::installed;
use crate::scene::{Scene, free_port, listening};

/// Numbers that Transmission uses for states of a torrent.
const STOPPED: u64 = 0;
const SEEDING: u64 = 6;

/// Transmission.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transmission;

/// What one daemon is told.
struct Orders<'a> {
    /// A torrent file or a magnet link.
    torrent: &'a Path,
    folder: &'a Path,
    role: &'a str,
    address: SocketAddr,
    /// Nodes of the DHT, which is off without.
    nodes: &'a [SocketAddr],
}

impl Transmission {
    fn run(scene: &Scene, job: &Job<'_>, role: &str) -> anyhow::Result<Running> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let Job { torrent, folder, .. } = *job;
        Self::start(scene, &Orders { torrent, folder, role, address, nodes: &[] })
    }

    fn start(scene: &Scene, orders: &Orders<'_>) -> anyhow::Result<Running> {
        let (port, rpc_port) = (orders.address.port(), free_port()?);
        let settings = scene.folder(&format!("transmission-{port}"))?;
        std::fs::write(settings.join("dht.dat"), remembered(orders.nodes))?;
        std::fs::write(
            settings.join("settings.json"),
            settings_json(orders, rpc_port).to_string(),
        )?;
        let mut command = Command::new("transmission-daemon");
        command.arg("-f").arg("-g").arg(&settings);
        let process = scene.spawn(&format!("transmission {}", orders.role), &mut command)?;
        process.wait_until("its ports", || listening(rpc_port) && listening(port))?;
        let added = call(
            rpc_port,
            "torrent-add",
            &json!({ "filename": orders.torrent, "download-dir": orders.folder, "paused": false }),
        )?;
        ensure!(added["torrent-added"].is_object(), "torrent-add: {added}");
        if orders.role == "seed" {
            process.wait_until("checked data", || {
                status(rpc_port).is_ok_and(|torrent| torrent["status"] == SEEDING)
            })?;
        }
        Ok(Running { process, address: orders.address, completion: Completion::Rpc(rpc_port) })
    }
}

/// What it remembers of the DHT. It asks the first eight of these nodes every other second; named in any
/// other way, they cost a quarter of a minute each.
fn remembered(nodes: &[SocketAddr]) -> Vec<u8> {
    let mut list = Vec::new();
    for node in nodes {
        if let IpAddr::V4(ip) = node.ip() {
            list.extend_from_slice(&ip.octets());
            list.extend_from_slice(&node.port().to_be_bytes());
        }
    }
    let head = format!("d2:id20:{}5:nodes{}:", "an id of its own....", list.len());
    [head.as_bytes(), &list, b"e"].concat()
}

fn settings_json(orders: &Orders<'_>, rpc_port: u16) -> Value {
    json!({
        "bind-address-ipv4": orders.address.ip(),
        "bind-address-ipv6": "::1",
        "dht-enabled": !orders.nodes.is_empty(),
        "download-dir": orders.folder,
        "download-queue-enabled": false,
        "encryption": 0,
        "incomplete-dir-enabled": false,
        "lpd-enabled": false,
        "message-level": 2,
        "peer-port": orders.address.port(),
        "pex-enabled": false,
        "port-forwarding-enabled": false,
        "ratio-limit-enabled": false,
        "rpc-authentication-required": false,
        "rpc-bind-address": "127.0.0.1",
        "rpc-port": rpc_port,
        "rpc-whitelist-enabled": false,
        "seed-queue-enabled": false,
        "utp-enabled": false,
    })
}

impl Client for Transmission {
    fn name(&self) -> &'static str {
        "transmission"
    }

    fn missing(&self) -> Option<String> {
        (!installed("transmission-daemon"))
            .then(|| "transmission-daemon is missing: run test/setup/peers.sh".to_owned())
    }

    fn dials(&self) -> bool {
        false
    }

    fn forgets_empty_files(&self) -> bool {
        true
    }

    fn seed(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        Self::run(scene, job, "seed")
    }

    fn leech(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running> {
        Self::run(scene, job, "leech")
    }

    fn by_dht(&self, scene: &Scene, job: &ByDht<'_>) -> anyhow::Result<Running> {
        let orders = Orders {
            torrent: match job.task {
                Task::Seed(torrent) => torrent,
                Task::Fetch(link) => Path::new(link),
            },
            folder: job.folder,
            role: job.task.name(),
            address: SocketAddr::new(job.host, PORT),
            nodes: job.nodes,
        };
        Self::start(scene, &orders)
    }
}

/// Whether the only torrent of the daemon is complete.
pub(crate) fn has_all(rpc_port: u16) -> anyhow::Result<bool> {
    let torrent = status(rpc_port)?;
    Ok(torrent["percentDone"].as_f64() == Some(1.0) && torrent["status"] == SEEDING)
}

/// Asks the daemon to stop all torrents.
pub(crate) fn stop_torrent(rpc_port: u16) -> anyhow::Result<()> {
    call(rpc_port, "torrent-stop", &json!({}))?;
    Ok(())
}

/// Whether the only torrent of the daemon is stopped.
pub(crate) fn is_stopped(rpc_port: u16) -> anyhow::Result<bool> {
    Ok(status(rpc_port)?["status"] == STOPPED)
}

fn status(rpc_port: u16) -> anyhow::Result<Value> {
    let fields = json!({ "fields": ["status", "percentDone", "errorString"] });
    let mut reply = call(rpc_port, "torrent-get", &fields)?;
    Ok(reply["torrents"][0].take())
}

/// One RPC call. Transmission answers the first with the session id that it wants to see.
fn call(rpc_port: u16, method: &str, arguments: &Value) -> anyhow::Result<Value> {
    let body = json!({ "method": method, "arguments": arguments }).to_string();
    let (head, _) = post(rpc_port, "none", &body)?;
    let session = head
        .lines()
        .find_map(|line| line.strip_prefix("X-Transmission-Session-Id: "))
        .context("a session id")?;
    let (head, reply) = post(rpc_port, session, &body)?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut reply: Value = serde_json::from_str(&reply)?;
    ensure!(reply["result"] == "success", "{reply}");
    Ok(reply["arguments"].take())
}

fn post(rpc_port: u16, session: &str, body: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, rpc_port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "POST /transmission/rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         X-Transmission-Session-Id: {session}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").context("a reply with a head")?;
    Ok((head.to_owned(), body.to_owned()))
}
