//! opentracker as Debian builds it: it serves only the torrents on its list.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{Proc, find_program};
use crate::scene::{Scene, free_port, listening};

/// How a client asks a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// BEP 3 and 23.
    Http,
    /// BEP 15.
    Udp,
}

/// A tracker; first only an address, since a torrent names its tracker and the tracker its
/// torrents.
#[derive(Debug)]
pub struct Opentracker {
    port: u16,
    serving: Option<(Proc, String)>,
}

/// Counts of a swarm, as a scrape tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have all.
    pub complete: u32,
    /// Peers that have said that they came to have all.
    pub downloaded: u32,
    /// Peers that lack something.
    pub incomplete: u32,
}

impl Opentracker {
    /// Why it cannot run here, if so.
    pub fn missing() -> Option<String> {
        find_program("opentracker")
            .is_none()
            .then(|| "opentracker is missing: run test/setup/peers.sh".to_owned())
    }

    /// Reserves an address.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { port: free_port()?, serving: None })
    }

    /// The URL to announce to.
    pub fn url(&self, scheme: Scheme) -> String {
        let name = match scheme {
            Scheme::Http => "http",
            Scheme::Udp => "udp",
        };
        format!("{name}://127.0.0.1:{}/announce", self.port)
    }

    /// Serves the torrent `info_hash`, in hexadecimal digits.
    pub fn serve(&mut self, scene: &Scene, info_hash: &str) -> anyhow::Result<()> {
        let folder = scene.folder("opentracker")?;
        std::fs::write(folder.join("wl.txt"), format!("{info_hash}\n"))?;
        let port = self.port.to_string();
        let program = find_program("opentracker").context("opentracker is installed")?;
        let mut command = Command::new(program);
        command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-u", "nobody", "-w", "wl.txt"]);
        command.arg("-d").arg(&folder).current_dir(&folder);
        let process = scene.spawn("opentracker", &mut command)?;
        process.wait_until("its port", || listening(self.port))?;
        self.serving = Some((process, info_hash.to_owned()));
        Ok(())
    }

    /// Waits until a scrape (all zero for a torrent that nobody announced) pleases `condition`.
    pub fn wait_counts(
        &self,
        what: &str,
        condition: impl Fn(Counts) -> bool,
    ) -> anyhow::Result<()> {
        let (process, info_hash) = self.serving.as_ref().context("the tracker serves")?;
        let mut last = None;
        let waited = process.wait_until(what, || {
            last = self.scrape(info_hash).ok();
            last.is_some_and(&condition)
        });
        waited.with_context(|| format!("the last scrape said {last:?}"))
    }

    fn scrape(&self, info_hash: &str) -> anyhow::Result<Counts> {
        let escaped: String = info_hash
            .as_bytes()
            .chunks(2)
            .map(|digits| format!("%{}", String::from_utf8_lossy(digits)))
            .collect();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /scrape?info_hash={escaped} HTTP/1.0\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply);
        if reply.contains("5:filesde") {
            return Ok(Counts::default());
        }
        let count = |name: &str| -> anyhow::Result<u32> {
            let key = format!("{}:{name}i", name.len());
            let (_, rest) = reply.split_once(&key).with_context(|| format!("no {name}"))?;
            Ok(rest.split_once('e').context("an end")?.0.parse()?)
        };
        Ok(Counts {
            complete: count("complete")?,
            downloaded: count("downloaded")?,
            incomplete: count("incomplete")?,
        })
    }
}
