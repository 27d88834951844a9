//! A seed that runs out of file descriptors says so once, pauses, and goes on.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use interop::{
    Client as _, Job, Libtorrent, Outcome, Shape, Shoal, assert_identical, create_torrent, scene,
    shoal_command, skip,
};

const DESCRIPTORS: u32 = 64;
const CONNECTIONS: usize = 200;
const LIMIT: Duration = Duration::from_secs(90);
const COMPLAINT: &str = "too many open files";

#[test]
fn a_seed_survives_more_connections_than_descriptors() -> Outcome {
    let libtorrent = Libtorrent::default();
    if let Some(reason) = libtorrent.missing() {
        skip(&reason);
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let torrent = create_torrent(scene, &content, 32_768, &[])?;
        let script = format!("ulimit -n {DESCRIPTORS} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(shoal_command()?.get_program());
        command.arg("seed").arg(&torrent.path).arg("--data").arg(content.parent()?);
        command.args(["--listen", "127.0.0.1:0", "--no-discovery"]);
        let mut seed = scene.spawn("shoal seed", &mut command)?;
        let address = Shoal::listens(&mut seed)?;

        // The kernel completes handshakes that nobody accepts, up to the listener's backlog.
        let wait = Duration::from_millis(100);
        let crowd: Vec<_> = (0..CONNECTIONS)
            .map_while(|_| TcpStream::connect_timeout(&address, wait).ok())
            .collect();
        assert!(crowd.len() > usize::try_from(DESCRIPTORS)?, "only {} came", crowd.len());
        seed.wait_line("a complaint", |line| {
            line.to_lowercase().contains(COMPLAINT).then_some(())
        })?;
        assert_eq!(seed.exited(), None);
        drop(crowd);

        let download = scene.folder("download")?;
        let peers = [address];
        let job = Job { torrent: &torrent.path, folder: &download, peers: &peers, trackers: false };
        libtorrent.leech(scene, &job)?.wait_complete()?;
        assert_identical(&content, &download, false)?;
        assert_eq!(seed.count_lines(COMPLAINT), 1, "one clear line, not one per attempt");
        assert_eq!(seed.exited(), None);
        Ok(())
    })
}
