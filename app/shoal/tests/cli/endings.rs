//! How the program ends, what it says then, and what it writes into its log.

use super::*;

/// A seed of the sample that sends slowly, and its address.
pub(super) fn slow_seed(folder: &Folder, rate: &str) -> (Running, String) {
    let torrent = folder.sample();
    let seed = ["seed", torrent, "--data", "data", "--listen", "127.0.0.1:0"];
    let mut seed = folder.shoal(&seed);
    let running = Running::start(seed.args(["--no-discovery", "--up", rate]));
    let addr = running.wait_for("listening on ").replace("listening on ", "");
    running.wait_for("seeding ");
    (running, addr)
}

#[test]
fn the_line_after_a_stop_goes_on_when_a_shell_reads_it() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "150k");
    fs::rename(folder.0.join("s.torrent"), folder.0.join("it's a $torrent.torrent")).unwrap();
    let arguments = ["get", "it's a $torrent.torrent", "-o", "new folder", "--exit"];
    let mut get = folder.shoal(&arguments);
    get.args(["--listen", "127.0.0.1:0", "--no-discovery", "--peer", &addr]);
    let get = Running::start(&mut get);
    get.wait_for(" down, ");
    get.interrupt();
    let (status, _, stderr) = get.end();
    assert_eq!(status.code(), Some(130));
    let last = stderr.last().unwrap();
    let (before, command) = last.split_once("; go on with: ").unwrap();
    let percent = before.strip_prefix("stopped at ").unwrap().strip_suffix(" %").unwrap();
    assert!((1.0..100.0).contains(&percent.parse::<f64>().unwrap()), "{last}");
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(&folder.0).env_clear();
    let output = shell.env("SHOAL_STATE_DIR", folder.0.join("state")).output().unwrap();
    let said = text(&output.stdout);
    assert!(said.starts_with("sample: complete, 1.0 MiB, "), "{command}\n{said}");
    assert_eq!(tree(&folder.0.join("new folder")), tree(&folder.0.join("data")));
}

#[test]
fn a_closed_terminal_ends_a_download_in_order() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let arguments = ["get", torrent, "-o", "out", "--listen", "127.0.0.1:0", "--no-discovery"];
    let get = Running::start(&mut folder.shoal(&arguments));
    get.wait_for("listening on ");
    kill_process(Pid::from_child(&get.child), Signal::HUP).unwrap();
    let (status, _, stderr) = get.end();
    assert_eq!(status.code(), Some(130), "{stderr:?}");
    assert!(stderr.last().unwrap().contains("; go on with: "), "{stderr:?}");
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_wish() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let arguments = ["get", torrent, "-o", "out", "--listen", "127.0.0.1:0", "--no-discovery"];
    let get = Running::start(folder.shoal(&arguments).arg("--json"));
    get.wait_for("listening on ");
    for _ in 0..2 {
        kill_process(Pid::from_child(&get.child), Signal::TERM).unwrap();
    }
    let (status, stdout, _) = get.end();
    assert_eq!(status.code(), Some(130));
    let last: Value = serde_json::from_str(stdout.last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["total_bytes"]), (&"stopped".into(), &1_086_397.into()));
}

#[test]
fn of_several_torrents_the_last_line_says_how_many_failed() {
    let folder = Folder::new();
    for name in ["good", "bad"] {
        folder.write(&format!("data/{name}"), &noise(7, 50_000));
        folder.stdout(&["create", &format!("data/{name}"), "-o", &format!("{name}.torrent")]);
    }
    // Where the file should be, there is a folder.
    fs::create_dir_all(folder.0.join("out/bad")).unwrap();
    fs::copy(folder.0.join("data/good"), folder.0.join("out/good")).unwrap();
    let get = ["get", "good.torrent", "bad.torrent", "-o", "out", "--exit", "--no-discovery"];
    let output = folder.shoal(&get).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("good: complete, "), "{}", text(&output.stdout));
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("1 of 2 torrents failed; try again with: "), "{stderr}");
}

#[test]
fn a_log_tells_what_happened_and_no_secret() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "50M");
    let tracker = "http://127.0.0.1:1/s3cretpath/announce?passkey=s3cretkey";
    let create = ["create", "data/sample", "-o", "t.torrent", "--piece-size", "32k"];
    assert!(folder.shoal(&create).args(["--tracker", tracker]).status().unwrap().success());
    let get = ["get", "t.torrent", "-o", "out", "--listen", "127.0.0.1:0", "--exit"];
    let mut get = folder.shoal(&get);
    get.args(["--peer", &addr, "--log", "shoal.log", "--log-level", "debug"]);
    let output = get.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let log = fs::read_to_string(folder.0.join("shoal.log")).unwrap();
    for expected in [
        format!("info  sample: peer {addr}: connected, we dialled it"),
        format!("debug sample: peer {addr}: is shoal/"),
        "info  sample: tracker http://127.0.0.1:1 failed: ".into(),
        "info  sample: complete, 1.0 MiB in ".into(),
        "info  listening on 127.0.0.1:".into(),
    ] {
        assert!(log.contains(&expected), "{expected:?} is not in\n{log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
    assert!(!text(&output.stderr).contains("connected, we dialled it"), "it went to the file");
    for line in log.lines() {
        let (stamp, _) = line.split_once(' ').unwrap();
        assert!(stamp.len() == 24 && stamp.ends_with('Z') && stamp.contains('T'), "{line}");
    }
}

#[test]
fn a_log_on_standard_error_says_everything_once() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let get = ["get", torrent, "-o", "data", "--listen", "127.0.0.1:0", "--exit", "--log", "-"];
    let output = folder.shoal(&get).arg("--no-discovery").output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches("sample, 5 files in 34 pieces").count(), 1, "{stderr}");
    assert!(stderr.contains("Z info  sample, 5 files in 34 pieces"), "{stderr}");
    assert!(text(&output.stdout).starts_with("sample: complete, "));
}

#[test]
fn a_log_that_cannot_be_written_is_said_before_anything_begins() {
    let folder = Folder::new();
    let torrent = folder.sample();
    let output = folder.run(&["get", torrent, "--log", "nowhere/shoal.log"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: cannot write the log nowhere/shoal.log: no such file or directory\n\
         hint: --log names a file to write to; - is standard error\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn peers_come_as_json_events() {
    let folder = Folder::new();
    let (_seed, addr) = slow_seed(&folder, "150k");
    let get = ["get", "s.torrent", "-o", "out", "--listen", "127.0.0.1:0", "--exit"];
    let mut get = folder.shoal(&get);
    let output = get.args(["--no-discovery", "--peer", &addr, "--json", "--peers"]).output();
    let stdout = text(&output.unwrap().stdout);
    let events = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let peers: Vec<Value> = events.filter(|event| event["event"] == "peers").collect();
    let mut seen = peers.iter().filter_map(|event| event["peers"].as_array()?.first());
    let peer = seen.find(|peer| peer["down_rate"].as_u64() > Some(0)).unwrap();
    assert_eq!(peer["addr"], addr.as_str());
    assert_eq!(peer["have_per_mille"], 1000);
    assert_eq!(peer["flags"], "D");
    assert!(peer["client"].as_str().unwrap().starts_with("shoal/"));
}

#[test]
fn nothing_but_a_terminal_gets_escape_codes_unless_asked() {
    let folder = Folder::new();
    let get = |colour: &[&str]| {
        let torrent = folder.sample();
        let get = ["get", torrent, "-o", "out", "--exit", "--no-discovery", "--listen"];
        let running = Running::start(folder.shoal(&get).arg("127.0.0.1:0").args(colour));
        let warning = running.wait_for("warning:");
        running.interrupt();
        running.end();
        fs::remove_file(folder.0.join(torrent)).unwrap();
        warning
    };
    assert!(!get(&[]).contains('\x1b'));
    assert!(get(&["--color", "always"]).contains("\x1b[1;33mwarning:\x1b[0m"));
    for (colour, coloured) in [("never", false), ("always", true), ("auto", false)] {
        let output = folder.run(&["get", "--color", colour]);
        let stderr = text(&output.stderr);
        assert_eq!(stderr.contains('\x1b'), coloured, "{colour}: {stderr}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let folder = Folder::new();
    let said = folder.stdout(&["man", "man1"]);
    assert_eq!(said, "13 pages written to man1\n");
    let page = fs::read_to_string(folder.0.join("man1/shoal-get.1")).unwrap();
    assert!(page.contains("shoal get") && page.contains("seed\\-ratio"), "{page}");
    assert!(folder.stdout(&["completions", "fish"]).contains("seed-ratio"));
}
