//! rtorrent 0.9.8 without a terminal, driven by its start file.
//!
//! It keeps one connection an address: told of itself by a tracker on loopback it dials itself and
//! nobody else, so there it only seeds. Its DHT is off unless asked for; `dht.mode.set = disable` would keep it from loading anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::client::{Client, Completion, Job, Running};
use crate::process::installed;
use crate::scene::{Scene, free_port, listening};

/// rtorrent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtorrent;

impl Rtorrent {
    fn run(scene: &Scene, job: &Job<'_>, role: &str) -> anyhow::Result<Running> {
        let port = free_port()?;
        let own = scene.folder(&format!("rtorrent-{port}"))?;
        let session = scene.folder(&format!("rtorrent-{port}/session"))?;
        let (checked, finished) = (own.join("checked"), own.join("finished"));
        let udp = if job.trackers { "yes" } else { "no" };
        let start_file = own.join("rtorrent.rc");
        std::fs::write(
            &start_file,
            format!(
                "system.daemon.set = true\n\
                 session.path.set = {session}\n\
                 directory.default.set = {data}\n\
                 network.port_range.set = {port}-{port}\n\
                 network.port_random.set = no\n\
                 protocol.pex.set = no\n\
                 protocol.encryption.set = none\n\
                 trackers.use_udp.set = {udp}\n\
                 system.umask.set = 0022\n\
                 method.set_key = event.download.hash_done, checked, \"execute2 = {{touch, {checked}}}\"\n\
                 method.set_key = event.download.finished, finished, \"execute2 = {{touch, {finished}}}\"\n\
                 schedule2 = load, 1, 0, \"load.start = {torrent}\"\n",
                session = session.display(),
                data = job.folder.display(),
                checked = checked.display(),
                finished = finished.display(),
                torrent = job.torrent.display(),
            ),
        )?;
        let mut command = Command::new("rtorrent");
        command.arg("-n").arg("-o").arg(format!("import={}", start_file.display()));
        command.current_dir(&own);
        let process = scene.spawn(&format!("rtorrent {role}"), &mut command)?;
        process.wait_until("its port", || listening(port))?;
        process.wait_until("checked data", || checked.exists())?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Running { process, address, completion: Completion::File(finished) })
    }
}

impl Client for Rtorrent {
    fn name(&self) -> &'static str {
        "rtorrent"
    }

    fn missing(&self) -> Option<String> {
        (!installed("rtorrent")).then(|| "rtorrent is missing: run test/setup/peers.sh".to_owned())
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
