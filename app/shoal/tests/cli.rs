//! The program as its users meet it: its output, its exit codes, its bytes on disk.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[path = "cli/endings.rs"]
mod endings;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/versions.rs"]
mod versions;

/// Nothing here takes more than a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of its own for a test, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().canonicalize().unwrap().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The program in this folder, with its state there.
    fn shoal(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command.args(arguments).current_dir(&self.0).env_clear();
        command.env("SHOAL_STATE_DIR", self.0.join("state")).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.shoal(arguments).output().unwrap()
    }

    /// Runs, and must succeed.
    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{stdout}{stderr}");
        stdout
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Files of all kinds: long, short, empty, nested, with blanks and umlauts.
    fn sample(&self) -> &'static str {
        self.write("data/sample/long", &noise(1, 1_000_003));
        self.write("data/sample/b/short", &noise(2, 10));
        self.write("data/sample/b/empty", b"");
        self.write("data/sample/b c/Straße", &noise(3, 70_000));
        self.write("data/sample/b-x", &noise(4, 16_384));
        self.stdout(&["create", "data/sample", "-o", "s.torrent", "--piece-size", "32k"]);
        "s.torrent"
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A running program, whose standard error is read line by line.
struct Running {
    child: Child,
    stderr: Receiver<String>,
    stdout: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = lines(child.stderr.take().unwrap());
        let stdout = lines(child.stdout.take().unwrap());
        Self { child, stderr, stdout }
    }

    /// Seeds `torrent` from `data`; returns its address too, once everything is checked.
    fn seed(folder: &Folder, torrent: &str) -> (Self, String) {
        let running = Self::start(&mut folder.shoal(&[
            "seed",
            torrent,
            "--data",
            "data",
            "--listen",
            "127.0.0.1:0",
            "--no-discovery",
        ]));
        let line = running.wait_for("listening on ");
        running.wait_for("seeding ");
        (running, line.trim_start_matches("listening on ").to_owned())
    }

    /// The first line of standard error that holds `needle`.
    fn wait_for(&self, needle: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.stderr.recv_timeout(left) else {
                panic!("no line with {needle:?}, but {seen:#?}");
            };
            if line.contains(needle) {
                return line;
            }
            seen.push(line);
        }
    }

    fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Waits for its end. Its output ends when it does, so that needs no polling.
    fn end(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let drain = |lines: &Receiver<String>| {
            let mut all = Vec::new();
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match lines.recv_timeout(left) {
                    Ok(line) => all.push(line),
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return all,
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                        panic!("still running, said {all:#?}")
                    }
                }
            }
        };
        let (stdout, stderr) = (drain(&self.stdout), drain(&self.stderr));
        (self.child.wait().unwrap(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes that don't repeat.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = base::Rng::from_seed(seed);
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.next_u64().to_le_bytes())
        .take(length / 8 + 1)
        .flatten()
        .collect();
    bytes[..length].to_vec()
}

/// All files below a folder with their bytes.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_created_and_seeded_arrives_byte_for_byte() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let said = folder.stdout(&["verify", torrent, "--data", "data"]);
    assert_eq!(said, "sample: complete, 1.0 MiB, 34 pieces\n");
    let (seed, addr) = Running::seed(&folder, torrent);
    let said = folder.stdout(&[
        "get",
        torrent,
        "-o",
        "out",
        "--listen",
        "127.0.0.1:0",
        "--peer",
        &addr,
        "--no-discovery",
        "--exit",
    ]);
    assert!(said.starts_with("sample: complete, 1.0 MiB in "), "{said}");
    assert!(said.ends_with(&format!(", in {}/out/sample\n", folder.0.display())), "{said}");
    assert_eq!(tree(&folder.0.join("out")), tree(&folder.0.join("data")));
    let said = folder.stdout(&["verify", torrent, "--data", "out"]);
    assert_eq!(said, "sample: complete, 1.0 MiB, 34 pieces\n");
    seed.interrupt();
    let (status, _, _) = seed.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_download_that_is_complete_is_not_done_again() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let said = folder.stdout(&[
        "get",
        torrent,
        "-o",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
        "--exit",
    ]);
    let place = folder.0.join("data/sample");
    assert_eq!(
        said,
        format!("sample: complete, 1.0 MiB, was there already, in {}\n", place.display())
    );
}

#[test]
fn json_says_every_step_on_lines_of_its_own() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let (_seed, addr) = Running::seed(&folder, torrent);
    let said = folder.stdout(&[
        "--json",
        "get",
        torrent,
        "-o",
        "out",
        "--listen",
        "127.0.0.1:0",
        "--peer",
        &addr,
        "--no-discovery",
        "--exit",
    ]);
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .filter(|&name| name != "progress")
        .collect();
    assert_eq!(names, ["added", "listening", "complete", "goal_reached"]);
    let complete = events.iter().find(|event| event["event"] == "complete").unwrap();
    assert_eq!(complete["total_bytes"], 1_086_397);
    assert_eq!(complete["name"], "sample");
    assert_eq!(complete["info_hash"].as_str().unwrap().len(), 40);
}

#[test]
fn progress_comes_as_json_about_once_a_second() {
    let folder = Folder::new();
    folder.write("data/x", &noise(9, 3_000_000));
    folder.stdout(&["create", "data/x"]);
    let (_seed, addr) = Running::seed(&folder, "x.torrent");
    let said = folder.stdout(&[
        "get",
        "x.torrent",
        "-o",
        "out",
        "--listen",
        "127.0.0.1:0",
        "--peer",
        &addr,
        "--no-discovery",
        "--exit",
        "--json",
        "--down",
        "1M",
    ]);
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let progress: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "progress").collect();
    assert!((1..=8).contains(&progress.len()), "{said}");
    for field in ["have_bytes", "total_bytes", "down_rate", "up_rate", "peers"] {
        assert!(progress.iter().all(|event| event[field].is_u64()), "{field} in {said}");
    }
}

#[test]
fn show_tells_what_create_was_told() {
    let folder = Folder::new();
    folder.write("d/b", b"bb");
    folder.write("d/a", b"a");
    let created = folder.stdout(&[
        "create",
        "d",
        "--json",
        "--private",
        "--source",
        "S",
        "--comment",
        "C\u{1b}[31m",
        "--tracker",
        "http://a.example/announce",
        "--tracker",
        "udp://b.example:1",
    ]);
    let created: Value = serde_json::from_str(&created).unwrap();
    let shown: Value =
        serde_json::from_str(&folder.stdout(&["show", "d.torrent", "--json"])).unwrap();
    assert_eq!(shown["info_hash"], created["info_hash"]);
    assert_eq!(shown["private"], true);
    assert_eq!(shown["source"], "S");
    assert_eq!(shown["creation_date"], Value::Null);
    assert_eq!(
        shown["trackers"],
        serde_json::json!([["http://a.example/announce"], ["udp://b.example:1"]])
    );
    let lines = folder.stdout(&["show", "d.torrent"]);
    let expected = "\
name       d
version    1
info-hash  HASH
size       3 B (3 bytes)
pieces     1 of 16.0 KiB
files      2
private    yes
source     S
comment    C[31m
created by shoal/0.1.0
trackers   1: http://a.example/announce
           2: udp://b.example:1

  1       1 B  d/a
  2       2 B  d/b
";
    assert_eq!(lines, expected.replace("HASH", created["info_hash"].as_str().unwrap()));
}

#[test]
fn the_same_content_gives_the_same_torrent_file() {
    let folder = Folder::new();
    for (at, names) in [("one", ["z", "a/b", "a b"]), ("two", ["a b", "z", "a/b"])] {
        for name in names {
            folder.write(&format!("{at}/d/{name}"), name.as_bytes());
        }
        folder.stdout(&["create", &format!("{at}/d"), "-o", &format!("{at}.torrent")]);
    }
    let read = |name: &str| fs::read(folder.0.join(name)).unwrap();
    assert_eq!(read("one.torrent"), read("two.torrent"));
    // By components: the folder `a` comes before the file `a b`.
    let shown = folder.stdout(&["show", "one.torrent"]);
    let files: Vec<&str> = shown.lines().rev().take(3).collect();
    assert_eq!(files, ["  3       1 B  d/z", "  2       3 B  d/a b", "  1       3 B  d/a/b"]);
}

#[test]
fn links_are_left_out_with_a_warning() {
    let folder = Folder::new();
    folder.write("d/a", b"a");
    std::os::unix::fs::symlink("a", folder.0.join("d/link")).unwrap();
    let output = folder.run(&["create", "d"]);
    let link = folder.0.join("d/link");
    let expected = format!(
        "warning: left out, a symbolic link: {}\nd: 1 B in 1 file, 1 piece of 16.0 KiB\n",
        link.display()
    );
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn verify_names_what_is_missing_and_what_is_damaged() {
    let folder = Folder::new();
    let torrent = folder.sample();
    fs::remove_file(folder.0.join("data/sample/b/short")).unwrap();
    let long = folder.0.join("data/sample/long");
    let mut bytes = fs::read(&long).unwrap();
    bytes[500_000] ^= 1;
    fs::write(&long, bytes).unwrap();
    let output = folder.run(&["verify", torrent, "--data", "data"]);
    assert_eq!(
        text(&output.stdout),
        "\
missing       10 B  sample/b/short
damaged   68.4 KiB  sample/b c/Straße  1 of 3 pieces: 0
damaged    977 KiB  sample/long  1 of 32 pieces: 17
sample: incomplete, 93.9 % of 1.0 MiB, 32 of 34 pieces, 2 of 5 files
"
    );
    assert_eq!(output.status.code(), Some(1));
    let output = folder.run(&["verify", torrent, "--data", "data", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["event"], "incomplete");
    assert_eq!(report["bad_pieces"], serde_json::json!([0, 17]));
    assert_eq!(output.status.code(), Some(1));
}

/// Arguments, exit code and standard error.
type Case<'a> = (&'a [&'a str], i32, String);

fn assert_errors(folder: &Folder, cases: &[Case<'_>]) {
    for (arguments, code, expected) in cases {
        let output = folder.run(arguments);
        assert_eq!(text(&output.stderr), *expected, "{arguments:?}");
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_one_line_and_a_hint() {
    let folder = Folder::new();
    let torrent = folder.sample();
    folder.write("page.torrent", b"<html>");
    folder.write("empty/nothing", b"");
    folder.write("none/readme", b"x");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let cases: &[Case<'_>] = &[
        (&["show", "no.torrent"], 1, "error: cannot read no.torrent: no such file or directory\n\
             hint: is the name right? it is looked for from the current folder\n".into()),
        (
            &["show", "page.torrent"],
            1,
            "error: cannot use page.torrent: it is a web page, not a torrent file\n\
             hint: take the link of the file itself; the site may want a login\n"
                .into(),
        ),
        (
            &["get", "magnet:?xt=urn:btih:0"],
            1,
            "error: the magnet link has a wrong btih: 0; it must be 40 hexadecimal digits or 32 of base32\n\
             hint: copy the link again; it may have been cut\n".into(),
        ),
        (
            &["get", torrent, "--listen", &addr],
            1,
            format!(
                "error: cannot listen on {addr}: address in use\n\
                 hint: another program listens there; take another port, as in --listen 127.0.0.1:0\n"
            ),
        ),
        (&["get", torrent, "-o", torrent], 1, format!("error: not a folder: {torrent}\nhint: -o names the folder to download into\n")),
        (
            &["seed", torrent, "--data", "nowhere"],
            1,
            "error: no such folder: nowhere\n\
             hint: --data names the folder that holds the torrent's file or folder\n"
                .into(),
        ),
        (&["seed", "none"], 1, "error: no .torrent file in the folder none\n\
             hint: name the folder that holds them, or the files themselves\n".into()),
        (
            &["create", "data/sample", "-o", torrent],
            1,
            format!("error: already exists: {torrent}\nhint: --force replaces it, -o takes another name\n"),
        ),
        (&["create", "empty"], 1, "error: cannot make a torrent: the folder holds no bytes: empty\n\
             hint: a torrent needs at least one byte\n".into()),
    ];
    assert_errors(&folder, cases);
}

#[test]
fn values_that_make_no_sense_are_refused_with_the_right_form() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let cases: &[Case<'_>] = &[
        (
            &["create", "data/sample", "--piece-size", "3M"],
            2,
            "error: not a piece size: 3145728\nhint: a piece size is a power of two from 16k to 256M\n".into(),
        ),
        (
            &["create", "data/sample", "--tracker", "ftp://x"],
            2,
            "error: not a tracker: ftp://x\nhint: a tracker begins with http://, https:// or udp://\n".into(),
        ),
        (
            &["get", torrent, "--down", "3Mbit"],
            2,
            "error: invalid value '3Mbit' for '--down <RATE>': unit is none of B, k, M and G (bytes, not bits): Mbit\n\
             hint: shoal get --help shows what there is\n"
                .into(),
        ),
        (
            &["get", torrent, "--peer", "localhost:1"],
            2,
            "error: invalid value 'localhost:1' for '--peer <ADDR>': not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881\n\
             hint: shoal get --help shows what there is\n"
                .into(),
        ),
    ];
    assert_errors(&folder, cases);
}

#[test]
fn two_goals_at_once_are_a_wrong_command_line() {
    let folder = Folder::new();
    let output = folder.run(&["get", "x.torrent", "--exit", "--seed-time", "1h"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn seeding_what_is_not_there_fails_with_the_right_folder_as_hint() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let arguments =
        ["seed", torrent, "--data", "data/sample", "--listen", "127.0.0.1:0", "--no-discovery"];
    let output = folder.run(&arguments);
    let data = folder.0.join("data");
    let expected = format!(
        "error: sample: nothing of it is in {0}/sample\n\
         hint: name the folder that holds sample: --data {0}\n",
        data.display()
    );
    assert!(text(&output.stderr).ends_with(&expected), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn seeding_a_part_says_how_much_there_is() {
    let folder = Folder::new();
    let torrent = folder.sample();
    fs::remove_file(folder.0.join("data/sample/b/short")).unwrap();
    let seed = Running::start(&mut folder.shoal(&[
        "seed",
        torrent,
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
    ]));
    let line = seed.wait_for("warning:");
    assert_eq!(line, "warning: sample has 33 of 34 pieces; only these are served");
    seed.interrupt();
    assert_eq!(seed.end().0.code(), Some(130));
}

/// Found by hand: a seed with a damaged piece fetched it from a peer and wrote it over the user's
/// file.
#[test]
fn a_seed_never_writes_to_the_files_it_serves() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let whole = folder.0.join("whole/sample");
    for (path, bytes) in tree(&folder.0.join("data/sample")) {
        let path = whole.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let damaged = folder.0.join("data/sample/b/short");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[0] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--no-discovery"];
    let full = Running::start(folder.shoal(&["seed", torrent, "--data", "whole"]).args(listen));
    let full_addr = full.wait_for("listening on ").replace("listening on ", "");
    let part = folder.shoal(&["seed", torrent, "--data", "data", "--peer", &full_addr]);
    let part = Running::start({ part }.args(listen));
    let part_addr = part.wait_for("listening on ").replace("listening on ", "");
    part.wait_for("only these are served");
    let peers = format!("{part_addr},{full_addr}");
    let get = ["get", torrent, "-o", "out", "--peer", &peers, "--exit"];
    assert!(folder.shoal(&get).args(listen).output().unwrap().status.success());
    assert_eq!(tree(&folder.0.join("out/sample")), tree(&whole));
    assert_eq!(fs::read(&damaged).unwrap(), bytes);
    full.interrupt();
    part.interrupt();
    full.end();
    part.end();
}

#[test]
fn an_interrupted_download_ends_in_order_and_says_how_to_go_on() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let get = Running::start(&mut folder.shoal(&[
        "get",
        torrent,
        "-o",
        "new folder",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
    ]));
    get.wait_for("warning: no tracker and no --peer: waiting for peers that connect to us");
    get.wait_for("listening on ");
    get.interrupt();
    let (status, stdout, stderr) = get.end();
    let program = env!("CARGO_BIN_EXE_shoal");
    let command =
        format!("{program} get s.torrent -o 'new folder' --listen 127.0.0.1:0 --no-discovery");
    assert_eq!(stderr[0], "stopping; Ctrl-C again ends at once");
    // It may still have been looking for files.
    assert!(stderr[1].starts_with("stopped "), "{stderr:?}");
    assert!(stderr[1].ends_with(&format!("; go on with: {command}")), "{stderr:?}");
    assert_eq!(stderr.len(), 2, "{stderr:?}");
    assert_eq!((status.code(), stdout.len()), (Some(130), 0));
}

#[test]
fn a_complete_download_that_is_interrupted_while_seeding_is_a_success() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let get = Running::start(&mut folder.shoal(&[
        "get",
        torrent,
        "-o",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
    ]));
    get.wait_for("sample: seeding until ratio 1.0; Ctrl-C stops");
    get.interrupt();
    assert_eq!(get.end().0.code(), Some(0));
}

#[test]
fn a_torrent_file_is_fetched_by_url() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let bytes = fs::read(folder.0.join(torrent)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for (status, body) in [("200 OK", &bytes[..]), ("404 Not Found", b"gone")] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            stream.write_all(body).unwrap();
        }
    });
    let url = format!("http://{addr}/s.torrent");
    assert!(folder.stdout(&["show", &url]).starts_with("name       sample\n"));
    let output = folder.run(&["show", &url]);
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: cannot fetch {url}: the server answered with status 404\n\
             hint: try the link in a browser; the file that it saves can be given, too\n"
        )
    );
    server.join().unwrap();
}

#[test]
fn a_closed_output_ends_quietly() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let mut command = folder.shoal(&["show", torrent]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_folder_of_torrents_is_seeded_and_got_whole() {
    let folder = Folder::new();
    let names: Vec<String> = (0..12).map(|number| format!("f{number}")).collect();
    fs::create_dir(folder.0.join("torrents")).unwrap();
    for (seed, name) in (0..).zip(&names) {
        folder.write(&format!("data/{name}"), &noise(seed, 50_000));
        let target = format!("torrents/{name}.torrent");
        folder.stdout(&["create", &format!("data/{name}"), "-o", &target]);
    }
    let seed = Running::start(&mut folder.shoal(&[
        "seed",
        "torrents",
        "--data",
        "data",
        "--listen",
        "127.0.0.1:0",
        "--no-discovery",
    ]));
    let line = seed.wait_for("listening on ");
    let addr = line.trim_start_matches("listening on ");
    for _ in &names {
        seed.wait_for("seeding f");
    }
    let said = folder.stdout(&[
        "get",
        "torrents",
        "-o",
        "out",
        "--listen",
        "127.0.0.1:0",
        "--peer",
        addr,
        "--no-discovery",
        "--exit",
    ]);
    assert_eq!(said.lines().count(), names.len());
    assert_eq!(tree(&folder.0.join("out")), tree(&folder.0.join("data")));
}
