//! What a private tracker hears of us through the life of a torrent: downloads, restarts, a crash,
//! a recheck, a lost file. `docs/private-trackers.md` promises what is checked here.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use base::client::{AGENT, PEER_ID_PREFIX, VERSION};

use crate::rig::{CONTENT_BYTES, Folder, PATIENCE, Running, assert_sane, is_event};

const PASSKEY: &str = "0123456789abcdef0123456789abcdef";

/// An HTTP tracker that keeps the heads of all requests and sends everybody to one peer.
struct Recorder {
    port: u16,
    heads: Receiver<String>,
}

impl Recorder {
    fn start(peer: SocketAddr) -> Self {
        // Both families, if there are two: who asks twice is to be seen.
        let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("127.0.0.1:0"));
        let listener = listener.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heads) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(head) = answer(stream, peer) else { continue };
                if sender.send(head).is_err() {
                    return;
                }
            }
        });
        Self { port, heads }
    }

    fn url(&self) -> String {
        format!("http://localhost:{}/{PASSKEY}/announce", self.port)
    }

    /// The next announce.
    fn hears(&self) -> Announce {
        Announce { head: self.heads.recv_timeout(PATIENCE).expect("an announce in time") }
    }
}

fn answer(stream: TcpStream, peer: SocketAddr) -> Option<String> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let SocketAddr::V4(peer) = peer else { panic!("the test is of IPv4") };
    let mut body = b"d8:completei1e10:incompletei1e8:intervali1800e5:peers6:".to_vec();
    body.extend_from_slice(&peer.ip().octets());
    body.extend_from_slice(&peer.port().to_be_bytes());
    body.extend_from_slice(b"10:tracker id5:room1e");
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = reader.into_inner();
    stream.write_all(&[reply.as_bytes(), &body].concat()).ok()?;
    Some(head)
}

struct Announce {
    head: String,
}

impl Announce {
    fn param(&self, key: &str) -> &str {
        let query = self.head.split_once('?').unwrap().1.split_once(' ').unwrap().0;
        query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap_or("-")
    }

    /// Event, uploaded, downloaded, left.
    fn counts(&self) -> (String, usize, usize, usize) {
        let number = |key| self.param(key).parse().unwrap();
        let event = self.param("event").to_owned();
        (event, number("uploaded"), number("downloaded"), number("left"))
    }

    fn keys(&self) -> Vec<&str> {
        let query = self.head.split_once('?').unwrap().1.split_once(' ').unwrap().0;
        query.split('&').map(|pair| pair.split_once('=').unwrap().0).collect()
    }
}

fn count(
    event: &str,
    uploaded: usize,
    downloaded: usize,
    left: usize,
) -> (String, usize, usize, usize) {
    (event.to_owned(), uploaded, downloaded, left)
}

/// What the ratio counts, as the end of a run says it.
fn uploaded_ever(lines: &[String]) -> u64 {
    let line = lines.iter().find(|line| is_event(line, "goal_reached")).unwrap();
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    value["uploaded_ever_bytes"].as_u64().unwrap()
}

#[test]
fn a_private_tracker_hears_each_event_once_and_right_totals_through_restarts_and_a_crash() {
    let folder = Folder::new();
    // The seed serves a torrent of the same info-hash that names no tracker.
    folder.torrent(&["--private", "--source", "T"]);
    let (_seed, seed_addr) = Running::seed(&folder, &[]);
    let (tracker, second) = (Recorder::start(seed_addr), Recorder::start(seed_addr));
    let (url, second_url) = (tracker.url(), second.url());
    folder.torrent(&[
        "--private",
        "--source",
        "T",
        "--force",
        "--tracker",
        &url,
        "--tracker",
        &second_url,
    ]);
    let mut heard = Vec::new();
    let mut said = Vec::new();
    let run = |more: &[&str]| {
        let first = ["get", "t.torrent", "--json", "-o", "out", "--listen", "[::1]:0"];
        Running::listening(&folder, "state", &[&first[..], more].concat())
    };
    let total = CONTENT_BYTES;

    // A download from beginning to end.
    let (code, lines) = run(&["--exit"]).0.end(false);
    assert_eq!(code, Some(0), "{lines:#?}");
    said.extend(lines);
    heard.extend((0..3).map(|_| tracker.hears()));
    let counts: Vec<_> = heard.iter().map(Announce::counts).collect();
    let life = [
        count("started", 0, 0, total),
        count("completed", 0, total, 0),
        count("stopped", 0, total, 0),
    ];
    assert_eq!(counts, life);

    // It seeds, and dies in the middle of it: the tracker hears only that it started.
    let (mut seeding, addr) = run(&["--seed-time", "1h", "--up", "25k"]);
    seeding.event("complete");
    heard.push(tracker.hears());
    assert_eq!(heard.last().unwrap().counts(), count("started", 0, 0, 0));
    let addr = addr.to_string();
    let leech =
        ["get", "t.torrent", "--json", "-o", "leech", "--no-discovery", "--exit", "--peer", &addr];
    let (leech, _) = Running::listening(&folder, "state-of-leech", &leech);
    let (code, lines) = leech.end(false);
    assert_eq!(code, Some(0), "{lines:#?}");
    seeding.kill();
    said.extend(seeding.said().iter().cloned());

    // After the crash, everything is compared again: complete, and never completed again.
    let (code, lines) = run(&["--exit", "--recheck"]).0.end(false);
    assert_eq!(code, Some(0), "{lines:#?}");
    let ever = uploaded_ever(&lines);
    said.extend(lines);
    heard.extend((0..2).map(|_| tracker.hears()));
    let counts: Vec<_> = heard[4..].iter().map(Announce::counts).collect();
    assert_eq!(counts, [count("started", 0, 0, 0), count("stopped", 0, 0, 0)]);
    // At 25 KiB a second the upload took ten seconds; at most the last five are forgotten.
    assert!(ever >= 32 * 1024, "{ever} bytes survived the crash");
    assert!(ever <= total as u64, "{ever} bytes are counted of {total}");

    // The file is lost and fetched again: downloaded, but no second `completed`.
    fs::remove_file(folder.0.join("out/film")).unwrap();
    let (code, lines) = run(&["--exit"]).0.end(false);
    assert_eq!(code, Some(0), "{lines:#?}");
    assert_eq!(uploaded_ever(&lines), ever, "counted once");
    said.extend(lines);
    heard.extend((0..2).map(|_| tracker.hears()));
    let counts: Vec<_> = heard[6..].iter().map(Announce::counts).collect();
    assert_eq!(counts, [count("started", 0, 0, total), count("stopped", 0, total, 0)]);
    assert!(folder.is_downloaded("out/film"));

    assert!(tracker.heads.try_recv().is_err(), "nothing else");
    assert!(second.heads.try_recv().is_err(), "the second tier is for when the first fails");
    assert_names(&heard);
    assert_sane("private", &said);
    for line in &said {
        assert!(!line.contains(PASSKEY), "{line}");
    }
}

/// One name in each run, another in the next; one key; and exactly these parameters.
fn assert_names(heard: &[Announce]) {
    let runs = [0..3, 3..4, 4..6, 6..8].map(|run| &heard[run]);
    let prefix = std::str::from_utf8(&PEER_ID_PREFIX).unwrap();
    let mut ids: Vec<&str> = Vec::new();
    for run in runs {
        let id = run[0].param("peer_id");
        assert!(id.starts_with(prefix), "{id}");
        for announce in run {
            assert_eq!(announce.param("peer_id"), id);
            assert_eq!(announce.param("port"), run[0].param("port"));
            assert_eq!(announce.param("key"), heard[0].param("key"));
            let numwant = if announce.param("event") == "stopped" { "0" } else { "80" };
            assert_eq!(announce.param("numwant"), numwant);
            assert!(announce.head.contains(&format!("\r\nUser-Agent: {AGENT}\r\n")));
        }
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "a name is of one run");
    let always = [
        "info_hash",
        "peer_id",
        "port",
        "uploaded",
        "downloaded",
        "left",
        "compact",
        "no_peer_id",
        "key",
        "numwant",
        "event",
    ];
    assert_eq!(heard[0].keys(), always);
    assert_eq!(heard[1].keys(), [&always[..], &["trackerid"]].concat());
    assert_eq!(heard[1].param("trackerid"), "room1");
}

#[test]
fn peers_from_elsewhere_are_refused_for_a_private_torrent() {
    let folder = Folder::new();
    folder.torrent(&["--private", "--source", "T", "--tracker", "http://127.0.0.1:9/announce"]);
    for command in
        [&["get", "t.torrent", "-o", "out"][..], &["seed", "t.torrent", "--data", "data"]]
    {
        let arguments = [command, &["--peer", "127.0.0.1:9"]].concat();
        let output = folder.shoal("state", &arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            stderr,
            "error: a private torrent takes peers from its tracker only, not from --peer: film\n\
             hint: with --no-discovery too, --peer works and no tracker hears of it\n"
        );
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(!folder.0.join("out").exists());
}

#[test]
fn the_program_has_one_version_everywhere() {
    let folder = Folder::new();
    let version = folder.shoal("state", &["--version"]).output().unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("shoal {VERSION}\n"));
    folder.torrent(&[]);
    let shown = folder.shoal("state", &["show", "t.torrent"]).output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains(&format!("created by {AGENT}\n")));
    // The page that those read who let clients in.
    let page = include_str!("../../../../docs/private-trackers.md");
    let prefix = std::str::from_utf8(&PEER_ID_PREFIX).unwrap();
    for name in [format!("`{prefix}` is {VERSION}"), format!("User-Agent: {AGENT}\n")] {
        assert!(page.contains(&name), "docs/private-trackers.md lacks {name:?}");
    }
}

#[test]
fn the_urls_of_a_private_torrent_are_shown_only_if_asked_for() {
    let folder = Folder::new();
    let url = format!("http://t.example/{PASSKEY}/announce");
    folder.torrent(&["--private", "--source", "T", "--tracker", &url]);
    for (arguments, shown) in [
        (&["show", "t.torrent"][..], false),
        (&["show", "t.torrent", "--json"], false),
        (&["show", "t.torrent", "--secrets"], true),
        (&["show", "t.torrent", "--json", "--secrets"], true),
    ] {
        let output = folder.shoal("state", arguments).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.contains(PASSKEY), shown, "{arguments:?}");
        assert!(stdout.contains("http://t.example/"), "{stdout}");
    }
}

#[test]
fn makers_of_private_torrents_are_told_what_they_forgot() {
    let folder = Folder::new();
    folder.torrent(&[]);
    let create = |more: &[&str]| {
        let first = ["create", "data/film", "--force"];
        let output = folder.shoal("state", &[&first[..], more].concat()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let (lacks, wants) = ("private torrent without a tracker", "their own --source");
    let said = create(&["--private"]);
    assert!(said.contains(lacks) && said.contains(wants), "{said}");
    let said = create(&["--private", "--source", "T", "--tracker", "http://t.example/announce"]);
    assert!(!said.contains(lacks) && !said.contains(wants), "{said}");
}
