//! Nodes of the DHT: ours, libtorrent's, npm `bittorrent-dht`'s and crate `mainline`'s.
//!
//! The others are programs in `peers/` that know one set of commands (see `peers/dht_libtorrent.py`).
//! We are `shoal dht run` where a node has to stay, and one process a command where somebody asks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::libtorrent::{event, script};
use crate::process::Proc;
use crate::scene::Scene;
use crate::shoal::{Shoal, shoal_command, subject_is_shoal};

/// Who made the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtClient {
    /// The program under test.
    Shoal,
    /// libtorrent 2.1.1.
    Libtorrent,
    /// npm `bittorrent-dht`.
    Npm,
    /// Crate `mainline`.
    Mainline,
}

/// An Ed25519 key pair, in hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct KeyPair {
    /// The 32 bytes that the secret key is made of.
    pub seed: &'static str,
    /// The 32 bytes of the public key.
    pub public: &'static str,
}

impl KeyPair {
    /// The key pair of test 1 of RFC 8032, section 7.1.
    pub const RFC_8032_1: Self = Self {
        seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        public: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    };
}

/// A node that runs, or, of ours, what is needed to ask: see [`DhtClient::node`] and
/// [`DhtClient::asker`].
#[derive(Debug)]
pub struct DhtNode {
    address: SocketAddr,
    works: Works,
}

#[derive(Debug)]
enum Works {
    /// It obeys commands, or only stays.
    Process(Proc),
    /// A process a command.
    Commands { known: SocketAddr },
}

impl DhtClient {
    /// All of them, or all but the program under test: see [`crate::subject`].
    pub fn all() -> Vec<Self> {
        let subject = subject_is_shoal().then_some(Self::Shoal);
        [Self::Libtorrent, Self::Npm].into_iter().chain(subject).chain([Self::Mainline]).collect()
    }

    /// Its name, in reports and as what it stores.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shoal => "shoal",
            Self::Libtorrent => "libtorrent",
            Self::Npm => "npm",
            Self::Mainline => "mainline",
        }
    }

    /// Whether a node of `other` answers it. `mainline` reads only messages whose transaction id has
    /// four bytes; libtorrent and npm use two.
    pub fn is_answered_by(self, other: Self) -> bool {
        other != Self::Mainline || matches!(self, Self::Shoal | Self::Mainline)
    }

    /// A node at `address` that knows `known` and stays.
    pub fn node(
        self,
        scene: &Scene,
        address: SocketAddr,
        known: &[SocketAddr],
    ) -> anyhow::Result<DhtNode> {
        let mut command = match self {
            Self::Shoal => {
                let mut command = shoal_command()?;
                command.args(["dht", "run", "--listen", &address.to_string()]);
                command
            }
            Self::Libtorrent => script("dht_libtorrent.py"),
            Self::Npm => {
                let mut command = Command::new("node");
                command.arg(peers("dht_npm.mjs")).arg(local("npm/node_modules"));
                command
            }
            Self::Mainline => Command::new(local("bin/dht-mainline")),
        };
        let option = if self == Self::Shoal { "--bootstrap" } else { "--node" };
        if self != Self::Shoal {
            command.arg(address.to_string());
        }
        for node in known {
            command.args([option, &node.to_string()]);
        }
        let state = scene.folder(&format!("dht-{address}"))?;
        command.env("SHOAL_STATE_DIR", state);
        let mut process = scene.spawn(&format!("{} at {address}", self.name()), &mut command)?;
        if self == Self::Shoal {
            Shoal::listens(&mut process)?;
        } else {
            process.wait_line("ready", |line| event(line, "ready"))?;
        }
        Ok(DhtNode { address, works: Works::Process(process) })
    }

    /// What asks from `address`, knowing the node `known`.
    pub fn asker(
        self,
        scene: &Scene,
        address: SocketAddr,
        known: SocketAddr,
    ) -> anyhow::Result<DhtNode> {
        match self {
            Self::Shoal => Ok(DhtNode { address, works: Works::Commands { known } }),
            Self::Libtorrent | Self::Npm | Self::Mainline => self.node(scene, address, &[known]),
        }
    }
}

/// `count` nodes of libtorrent's that know each other, at `first` and the addresses after it.
/// Transmission does nothing before it knows nine.
pub fn dht_network(scene: &Scene, first: SocketAddr, count: u8) -> anyhow::Result<DhtNode> {
    let mut command = script("dht_libtorrent.py");
    command.arg(first.to_string()).args(["--nodes", &count.to_string()]);
    let mut process = scene.spawn(&format!("{count} nodes at {first}"), &mut command)?;
    process.wait_line("ready", |line| event(line, "ready"))?;
    Ok(DhtNode { address: first, works: Works::Process(process) })
}

impl DhtNode {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Announces that its address and `port` have the torrent.
    pub fn announce(&mut self, scene: &Scene, info_hash: &str, port: u16) -> anyhow::Result<()> {
        match &mut self.works {
            Works::Process(process) => {
                tell(process, &format!("announce {info_hash} {port}"), "announced")?;
            }
            Works::Commands { known } => {
                let words = ["announce", info_hash, "--port", &port.to_string()];
                shoal_dht(scene, self.address, *known, &words)?;
            }
        }
        Ok(())
    }

    /// The peers of a torrent.
    pub fn peers(&mut self, scene: &Scene, info_hash: &str) -> anyhow::Result<Vec<SocketAddr>> {
        let texts = match &mut self.works {
            Works::Process(process) => {
                let found = tell(process, &format!("peers {info_hash}"), "peers")?;
                let peers = found["peers"].as_array().context("a list of peers")?;
                peers.iter().filter_map(|peer| Some(peer.as_str()?.to_owned())).collect()
            }
            Works::Commands { known } => {
                shoal_dht(scene, self.address, *known, &["peers", info_hash])?
            }
        };
        texts.iter().map(|peer| peer.parse().context("an address")).collect()
    }

    /// Stores an immutable value and gives its target.
    pub fn put(&mut self, scene: &Scene, value: &str) -> anyhow::Result<String> {
        match &mut self.works {
            Works::Process(process) => {
                target(&tell(process, &format!("put {}", hex(value)), "stored")?)
            }
            Works::Commands { known } => {
                let said = shoal_dht(scene, self.address, *known, &["put", value])?;
                first(said)
            }
        }
    }

    /// Stores the first value under a key and a salt.
    pub fn sign(
        &mut self,
        scene: &Scene,
        key: KeyPair,
        salt: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        match &mut self.works {
            Works::Process(process) => {
                let (KeyPair { seed, public }, salt, value) = (key, hex(salt), hex(value));
                tell(process, &format!("sign {seed} {public} {salt} {value}"), "stored")?;
            }
            Works::Commands { known } => {
                let file = scene.path("key");
                std::fs::write(&file, format!("{}\n", key.seed))?;
                let file = file.to_str().context("our own paths are UTF-8")?;
                let words = ["put", value, "--key", file, "--salt", salt, "--seq", "1"];
                shoal_dht(scene, self.address, *known, &words)?;
            }
        }
        Ok(())
    }

    /// The immutable value of a target.
    pub fn get(&mut self, scene: &Scene, target: &str) -> anyhow::Result<String> {
        match &mut self.works {
            Works::Process(process) => value(&tell(process, &format!("get {target}"), "value")?),
            Works::Commands { known } => {
                first(shoal_dht(scene, self.address, *known, &["get", target])?)
            }
        }
    }

    /// The value under a key and a salt.
    pub fn find(&mut self, scene: &Scene, key: KeyPair, salt: &str) -> anyhow::Result<String> {
        match &mut self.works {
            Works::Process(process) => {
                let line = format!("find {} {}", key.public, hex(salt));
                let found = tell(process, &line, "value")?;
                ensure!(found["value"].is_null() || found["seq"] == 1, "{found}");
                value(&found)
            }
            Works::Commands { known } => {
                let words = ["get", "--key", key.public, "--salt", salt];
                first(shoal_dht(scene, self.address, *known, &words)?)
            }
        }
    }
}

/// Runs `shoal dht …`, which must succeed; gives the lines of its standard output.
fn shoal_dht(
    scene: &Scene,
    address: SocketAddr,
    known: SocketAddr,
    words: &[&str],
) -> anyhow::Result<Vec<String>> {
    let mut command = shoal_command()?;
    command.arg("dht").args(words);
    command.args(["--listen", &address.to_string(), "--bootstrap", &known.to_string()]);
    command.env("SHOAL_STATE_DIR", scene.folder(&format!("dht-{address}"))?);
    let process = scene.spawn(&format!("shoal dht {}", words.join(" ")), &mut command)?;
    let exit = process.wait_exit()?;
    ensure!(exit.success(), "{}: {exit}", process.name());
    Ok(process.said())
}

fn tell(process: &mut Proc, line: &str, answer: &str) -> anyhow::Result<Value> {
    process.send_line(line)?;
    process.wait_line(&format!("answer to {line}"), |line| event(line, answer))
}

fn first(said: Vec<String>) -> anyhow::Result<String> {
    said.into_iter().next().context("a line of output")
}

fn target(stored: &Value) -> anyhow::Result<String> {
    Ok(stored["target"].as_str().context("a target")?.to_owned())
}

fn value(found: &Value) -> anyhow::Result<String> {
    let digits = found["value"].as_str().with_context(|| format!("nothing was found: {found}"))?;
    let bytes = (0..digits.len() / 2).map(|at| {
        let digits = digits.get(2 * at..2 * at + 2).context("two digits")?;
        Ok(u8::from_str_radix(digits, 16)?)
    });
    Ok(String::from_utf8(bytes.collect::<anyhow::Result<_>>()?)?)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn peers(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// What `test/setup/peers.sh` put there.
pub(crate) fn local(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local").join(name)
}
