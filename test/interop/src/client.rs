//! What every client can do for a test.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::process::Proc;
use crate::scene::Scene;

/// A BitTorrent client as a program.
pub trait Client {
    /// Its name, in reports.
    fn name(&self) -> &'static str;

    /// Why it cannot run here, if so.
    fn missing(&self) -> Option<String>;

    /// Whether it can be told the address of a peer on loopback.
    fn dials(&self) -> bool;

    /// Whether a download by it lacks the empty files.
    fn forgets_empty_files(&self) -> bool {
        false
    }

    /// Starts to serve complete data; returns once it listens.
    fn seed(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running>;

    /// Starts a download; returns once it listens.
    fn leech(&self, scene: &Scene, job: &Job<'_>) -> anyhow::Result<Running>;

    /// Starts to do `job` with peers that the DHT finds, and no others.
    fn by_dht(&self, _scene: &Scene, _job: &ByDht<'_>) -> anyhow::Result<Running> {
        bail!("{} is not tried with the DHT", self.name())
    }
}

/// One torrent for one client that finds peers by the DHT alone.
#[derive(Clone, Copy, Debug)]
pub struct ByDht<'a> {
    /// What to do with it.
    pub task: Task<'a>,
    /// The folder that holds, or will hold, the file or folder that the torrent names.
    pub folder: &'a Path,
    /// Its address, all of whose ports are free.
    pub host: IpAddr,
    /// Nodes of the DHT.
    pub nodes: &'a [SocketAddr],
}

/// What to do with a torrent.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// Serve complete data of this torrent file.
    Seed(&'a Path),
    /// Download what this magnet link names.
    Fetch(&'a str),
}

impl Task<'_> {
    /// As it stands in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Seed(_) => "seed",
            Self::Fetch(_) => "leech",
        }
    }
}

/// The port of whoever has an address of its own.
pub(crate) const PORT: u16 = 6881;

/// One torrent for one client.
#[derive(Debug)]
pub struct Job<'a> {
    /// The torrent file.
    pub torrent: &'a Path,
    /// The folder that holds, or will hold, the file or folder that the torrent names.
    pub folder: &'a Path,
    /// Peers to dial.
    pub peers: &'a [SocketAddr],
    /// Whether to ask the torrent's trackers.
    pub trackers: bool,
}

/// A client at work.
#[derive(Debug)]
pub struct Running {
    /// The process, killed when this is dropped.
    pub process: Proc,
    /// Where it accepts peers.
    pub address: SocketAddr,
    /// How it says that a download is complete.
    pub completion: Completion,
}

/// How a client says that a download is complete.
#[derive(Debug)]
pub enum Completion {
    /// It exits with status 0.
    Exit,
    /// It prints a line that contains this.
    Line(&'static str),
    /// A file appears.
    File(PathBuf),
    /// Transmission at this RPC port says so.
    Rpc(u16),
}

impl Running {
    /// Waits until the download is complete, stops the client, and waits until it is gone, so
    /// that what it kept in memory is on disk.
    pub fn wait_complete(&mut self) -> anyhow::Result<()> {
        match &self.completion {
            Completion::Exit => {
                let exit = self.process.wait_exit()?;
                ensure!(exit.success(), "{}: {exit}", self.process.name());
                return Ok(());
            }
            Completion::Line(part) => {
                self.process.wait_line(part, |line| line.contains(part).then_some(()))?;
            }
            Completion::File(path) => {
                self.process.wait_until("the sign of a complete download", || path.exists())?;
            }
            Completion::Rpc(port) => {
                self.process.wait_until("a complete download", || {
                    crate::transmission::has_all(*port).unwrap_or(false)
                })?;
                // Its own end takes 15 seconds; stopping the torrent writes what is in memory.
                crate::transmission::stop_torrent(*port)?;
                self.process.wait_until("a stopped torrent", || {
                    crate::transmission::is_stopped(*port).unwrap_or(false)
                })?;
                self.process.kill()?;
                return Ok(());
            }
        }
        self.process.stop()?;
        Ok(())
    }
}
