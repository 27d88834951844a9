//! What is strange in a torrent file but no reason to refuse it: what its user sees of it, and where
//! its files go.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, kill_process};
use wire::bencode::OwnedValue;

use crate::notation::{CONTENT, Torrent, files, hybrid, int, list, one, raw, second, strings, two};
use crate::program::{Fence, PATIENCE, is_plain};

struct Safe {
    name: &'static str,
    torrent: Torrent,
    /// Lines that `show` has, whole.
    shown: Vec<String>,
    /// Where its files go, below the target folder, in their order; their content is
    /// [`CONTENT`], cut at their lengths.
    places: Vec<(String, usize)>,
}

fn row(name: &'static str, torrent: Torrent, shown: &[&str], places: &[(&str, usize)]) -> Safe {
    Safe {
        name,
        torrent,
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
        places: places.iter().map(|(place, bytes)| ((*place).to_owned(), *bytes)).collect(),
    }
}

#[rustfmt::skip]
fn names() -> Vec<Safe> {
    let bytes = |bytes: &[u8]| OwnedValue::from(bytes);
    let stem = "x".repeat(300);
    let cut = format!("{}.mkv", "x".repeat(251));
    let smileys = "\u{263a}".repeat(100);
    vec![
        row("a name that is not UTF-8", one("").set("info/name", bytes(b"latin-\xe4")), &["name       latin-\u{fffd}"], &[("latin-\u{fffd}", 5)]),
        row("another name in UTF-8", one("").set("info/name", bytes(b"\xe4")).set("info/name.utf-8", "\u{e4}"), &["name       \u{e4}"], &[("\u{e4}", 5)]),
        row("a path that is not UTF-8", files("not-utf-8", &[(5, &["x"])]).set("info/files/0/path/0", bytes(b"a\xff\xfeb")), &["       5 B  not-utf-8/a\u{fffd}\u{fffd}b"], &[("not-utf-8/a\u{fffd}\u{fffd}b", 5)]),
        row("half a character", files("half", &[(5, &["x"])]).set("info/files/0/path/0", bytes(b"a\xe2\x98")), &["       5 B  half/a\u{fffd}"], &[("half/a\u{fffd}", 5)]),
        row("colours", one("\x1b[31mred\x1b[0m"), &["name       [31mred[0m"], &[("_[31mred_[0m", 5)]),
        row("the title of the window", one("\x1b]0;pwned\x07"), &["name       ]0;pwned"], &[("_]0;pwned_", 5)]),
        row("one-byte escapes", one("a\u{9b}2Jb"), &["name       a2Jb"], &[("a_2Jb", 5)]),
        row("a line break in a name", one("a\nerror: b"), &["name       a error: b"], &[("a_error: b", 5)]),
        row("carriage returns and backspaces", one("safe\r\x08\x7fx"), &["name       safe x"], &[("safe___x", 5)]),
        row("an extension written backwards", one("photo\u{202e}gpj.exe"), &["name       photogpj.exe"], &[("photo_gpj.exe", 5)]),
        row("isolated directions", files("marks", &[(5, &["a\u{2066}b\u{2069}c"])]), &["       5 B  marks/a_b_c"], &[("marks/a_b_c", 5)]),
        row("a name that nobody sees", one("\u{200b}\u{feff}"), &["name       _"], &[("\u{200b}\u{feff}", 5)]),
        row("a device of Windows", one("CON"), &["name       CON"], &[("CON", 5)]),
        row("devices of Windows in a folder", files("devices", &[(2, &["NUL.txt"]), (3, &["COM1", "aux.c"])]), &["       2 B  devices/NUL.txt", "       3 B  devices/COM1/aux.c"], &[("devices/NUL.txt", 2), ("devices/COM1/aux.c", 3)]),
        row("a device of ours", files("dev", &[(5, &["dev", "null"])]), &["       5 B  dev/dev/null"], &[("dev/dev/null", 5)]),
        row("a drive", files("C:", &[(5, &["Windows"])]), &["       5 B  C:/Windows"], &[("C:/Windows", 5)]),
        row("a stream of NTFS", one("file.txt:stream"), &["name       file.txt:stream"], &[("file.txt:stream", 5)]),
        row("dots and blanks at the end", files("ends ", &[(2, &["dot."]), (3, &["blank "])]), &["name       ends", "       2 B  ends /dot."], &[("ends /dot.", 2), ("ends /blank ", 3)]),
        row("three dots", one("..."), &["name       ..."], &[("...", 5)]),
        row("a name that looks like an option", one("-rf"), &["name       -rf"], &[("-rf", 5)]),
        row("what a shell would do", one("$(reboot);`x`*~"), &["name       $(reboot);`x`*~"], &[("$(reboot);`x`*~", 5)]),
        row("a hidden file of ours", one(".bashrc"), &["name       .bashrc"], &[(".bashrc", 5)]),
        row("percent signs", one("%2e%2e%2foutside"), &["name       %2e%2e%2foutside"], &[("%2e%2e%2foutside", 5)]),
        row("slashes of other scripts", one("..\u{2215}outside"), &["name       ..\u{2215}outside"], &[("..\u{2215}outside", 5)]),
        row("a name of 304 bytes", one(&format!("{stem}.mkv")), &[&format!("name       {stem}.mkv")], &[(&cut, 5)]),
        row("a name cut between characters", one(&smileys), &[&format!("name       {smileys}")], &[(&"\u{263a}".repeat(85), 5)]),
        row("large and small letters", files("letters", &[(2, &["a"]), (3, &["A"])]), &["       2 B  letters/a", "       3 B  letters/A"], &[("letters/a", 2), ("letters/A", 3)]),
        row("composed and decomposed", files("forms", &[(2, &["\u{e9}"]), (3, &["e\u{301}"])]), &["files      2"], &[("forms/\u{e9}", 2), ("forms/e\u{301}", 3)]),
        row("one name after mending", files("mended", &[(2, &["a\x01"]), (3, &["a_"])]), &["       2 B  mended/a_~1", "       3 B  mended/a_"], &[("mended/a_~1", 2), ("mended/a_", 3)]),
        row("64 folders", files("deep", &[(5, &["x"; 64])]), &[&format!("       5 B  deep{}", "/x".repeat(64))], &[(&format!("deep{}", "/x".repeat(64)), 5)]),
    ]
}

#[rustfmt::skip]
fn other() -> Vec<Safe> {
    let link = |name: &str, target: &[&str]| {
        files(name, &[(5, &["good"]), (0, &["link"])])
            .set("info/files/1/attr", "l").set("info/files/1/symlink path", strings(target))
    };
    let deep = raw([b"l".repeat(60), b"e".repeat(60)].concat());
    let urls: Vec<String> = (0..2000).map(|n| format!("http://{n}.example/")).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    vec![
        row("a link to a file", link("link", &["good"]), &["      link  link/link -> link/good"], &[("link/good", 5)]),
        row("a link to itself", link("loop", &["link"]), &["      link  loop/link -> loop/link"], &[("loop/good", 5)]),
        row("a link without a target is a file", files("lost", &[(5, &["link"])]).set("info/files/0/attr", "l"), &["       5 B  lost/link"], &[("lost/link", 5)]),
        row("escapes in the target of a link", link("target", &["a\x1b[31m\u{202e}b"]), &["      link  target/link -> target/a_[31m_b"], &[("target/good", 5)]),
        row("attributes that nobody knows", one("attributes").set("info/attr", "pq\x1b?"), &["       5 B  attributes"], &[("attributes", 5)]),
        row("padding of odd names", files("padding", &[(3, &["a"]), (1, &["CON\x1b"]), (1, &["CON\x1b"])]).set("info/files/1/attr", "p").set("info/files/2/attr", "p").set("info/pieces", keys::sha1(b"hel\0\0").to_vec()), &["files      1, and 2 for padding"], &[("padding/a", 3)]),
        row("padding under the name of a file", files("same", &[(3, &["a"]), (2, &["a"])]).set("info/files/1/attr", "p").set("info/pieces", keys::sha1(b"hel\0\0").to_vec()), &["       3 B  same/a"], &[("same/a", 3)]),
        row("a length beside the files", two("both").set("info/length", int(99)), &["size       5 B (5 bytes)"], &[("both/a", 2), ("both/b/c", 3)]),
        row("a piece length that is no power of two", one("twenty").set("info/piece length", int(20_001)), &["pieces     1 of 19.5 KiB"], &[("twenty", 5)]),
        row("the largest pieces", one("largest").set("info/piece length", int(1 << 28)), &["pieces     1 of 256 MiB"], &[("largest", 5)]),
        row("private by five", one("private-5").set("info/private", int(5)), &["private    yes"], &[("private-5", 5)]),
        row("private below zero", one("private-1").set("info/private", int(-1)), &["private    yes"], &[("private-1", 5)]),
        row("private by zero", one("private-0").set("info/private", int(0)), &["private    no"], &[("private-0", 5)]),
        row("version 2 alone", second("second"), &["name         second", "version      2"], &[("second", 5)]),
        row("both versions", hybrid("hybrid"), &["name         hybrid", "version      hybrid"], &[("hybrid", 5)]),
        row("escapes in a comment", one("comment").set("comment", "\x1b[2J\u{202e}a\nb"), &["comment    [2Ja b"], &[("comment", 5)]),
        row("a long comment", one("long").set("comment", "c".repeat(100_000).as_str()), &[&format!("comment    {}", "c".repeat(2000))], &[("long", 5)]),
        row("escapes in a source", one("source").set("info/source", "\x07S"), &["source     S"], &[("source", 5)]),
        row("a comment that is a list", one("list").set("comment", raw("le")).set("created by", int(1)), &["private    no", ""], &[("list", 5)]),
        row("a date of a text", one("date").set("creation date", "today"), &["private    no", ""], &[("date", 5)]),
        row("a date at the end of time", one("late").set("creation date", int(i64::MAX)), &["created    9223372036854775807 seconds after 1970"], &[("late", 5)]),
        row("a date before all time", one("early").set("creation date", int(i64::MIN)), &["created    -9223372036854775808 seconds after 1970"], &[("early", 5)]),
        row("a tracker that is an integer", one("t-int").set("announce", int(1)), &["private    no", ""], &[("t-int", 5)]),
        row("a tracker that is a list", one("t-list").set("announce", strings(&["http://a/"])), &["private    no", ""], &[("t-list", 5)]),
        row("a tracker with escapes", one("t-escape").set("announce", "http://a/\x1b[2J"), &["private    no", ""], &[("t-escape", 5)]),
        row("a tracker written backwards", one("t-bidi").set("announce", "http://a/\u{202e}b"), &["trackers   http://a/b"], &[("t-bidi", 5)]),
        row("trackers that are a string", one("t-string").set("announce-list", "http://a/"), &["private    no", ""], &[("t-string", 5)]),
        row("trackers without tiers", one("t-flat").set("announce-list", strings(&["http://a/", "http://b/"])), &["trackers   1: http://a/", "           2: http://b/"], &[("t-flat", 5)]),
        row("trackers of wrong shapes", one("t-shapes").set("announce-list", list(&[int(1), raw("de"), list(&[int(2), "http://a/".into()]), list(&[])])), &["trackers   http://a/"], &[("t-shapes", 5)]),
        row("two thousand trackers", one("t-many").set("announce-list", list(&[strings(&urls)])), &["trackers   http://0.example/", "           http://499.example/"], &[("t-many", 5)]),
        row("web seeds of a wrong shape", one("w-shapes").set("url-list", list(&[int(1), "http://w/".into()])), &["web seeds  http://w/"], &[("w-shapes", 5)]),
        row("unknown keys, 61 levels deep", one("unknown").set("info/x", deep.clone()).set("y", deep), &["name       unknown"], &[("unknown", 5)]),
        row("keys that are not UTF-8", one("keys").set("\u{202e}\x1b", "x").set("info/\x1b", "x"), &["name       keys"], &[("keys", 5)]),
        row("keys in another order", Torrent::from_bytes(&[b"d4:infod4:name8:unsorted6:lengthi5e6:pieces20:", &keys::sha1(CONTENT)[..], b"12:piece lengthi16384eee"].concat()), &["name       unsorted"], &[("unsorted", 5)]),
    ]
}

fn all() -> Vec<Safe> {
    let mut rows = names();
    rows.extend(other());
    rows
}

/// `show` of each, for people and for programs.
#[test]
fn what_is_strange_is_shown_without_harm() {
    let mut wrong = Vec::new();
    let fence = Fence::new();
    for row in all() {
        fence.write("x.torrent", row.torrent.encode());
        let before = fence.snapshot();
        let said = fence.run(&["show", "x.torrent"]);
        let lines: Vec<&str> = said.stdout.lines().collect();
        // Files have their number in front.
        let is_number = |text: &str| text.chars().all(|char| char == ' ' || char.is_ascii_digit());
        let is_said = |row: &str| lines.iter().any(|l| l.strip_suffix(row).is_some_and(is_number));
        let missing = row.shown.iter().find(|line| !is_said(line));
        let good = said.code == Some(0) && said.stderr.is_empty() && is_plain(&said.stdout);
        if !good || missing.is_some() || lines.len() > 600 {
            wrong.push(format!("{}: {missing:?} in\n{said:#?}", row.name));
        }
        let json = fence.run(&["show", "x.torrent", "--json"]);
        assert!(is_plain(&json.stdout) && json.code == Some(0), "{}: {json:?}", row.name);
        assert!(serde_json::from_str::<serde_json::Value>(&json.stdout).is_ok(), "{}", row.name);
        assert_eq!(fence.snapshot(), before, "{}", row.name);
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// All of them in one swarm of two: what is seeded from the places of the table arrives at the places
/// of the table, and nowhere else.
#[test]
fn what_is_strange_lands_at_one_place_inside_the_folder() {
    let fence = Fence::new();
    let mut expected = BTreeMap::new();
    for (number, row) in all().into_iter().enumerate() {
        fence.write(&format!("torrents/{number}.torrent"), row.torrent.encode());
        let mut content = CONTENT;
        for (place, bytes) in row.places {
            let (start, rest) = content.split_at(bytes);
            content = rest;
            fence.write(&format!("data/{place}"), start);
            let before = expected.insert(PathBuf::from(place), start.to_vec());
            assert!(before.is_none(), "{}: another row has this place", row.name);
        }
    }
    assert_eq!(tree(&fence.here("data")), expected);
    fs::create_dir(fence.here("out")).unwrap();
    let outside = |fence: &Fence| {
        let mut all = fence.snapshot();
        let theirs = [fence.here("out"), fence.here("../state")];
        all.retain(|path, _| {
            !theirs.iter().any(|folder| path.starts_with(folder.canonicalize().unwrap()))
        });
        // What holds the state folder changes when that appears.
        all.retain(|path, _| !path.is_dir() || path.starts_with(fence.here("")));
        all
    };
    let seed = Seed::start(&fence);
    let before = outside(&fence);
    let listen = ["--no-discovery", "--listen", "127.0.0.1:0"];
    let mut get = fence.shoal(&["get", "torrents", "-o", "out", "--exit", "--peer", &seed.addr]);
    get.args(listen);
    let said = crate::program::finish(get);
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert!(is_plain(&said.stdout) && is_plain(&said.stderr), "{said:#?}");
    assert_eq!(said.stdout.lines().count(), all().len(), "{said:#?}");
    for (place, target) in LINKS {
        expected.insert(PathBuf::from(place), format!("-> {target}").into_bytes());
    }
    assert_eq!(tree(&fence.here("out")), expected);
    assert_eq!(outside(&fence), before);
}

struct Seed {
    child: Child,
    addr: String,
}

impl Seed {
    /// Serves `torrents` from `data`, once all are checked.
    fn start(fence: &Fence) -> Self {
        let mut command = fence.shoal(&["seed", "torrents", "--data", "data"]);
        command.args(["--no-discovery", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let mut seed = Self { child, addr: String::new() };
        let mut waiting = all().len();
        while waiting > 0 {
            let line = lines.recv_timeout(PATIENCE).expect("it seeds all of them");
            assert!(is_plain(&line), "{line:?}");
            if let Some(addr) = line.strip_prefix("listening on ") {
                addr.clone_into(&mut seed.addr);
            }
            assert!(!line.starts_with("error") && !line.starts_with("warning"), "{line}");
            waiting -= usize::from(line.starts_with("seeding ") && line.ends_with(", complete"));
        }
        seed
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).ok();
        self.child.wait().ok();
    }
}

/// The links of the table, and what they say: all lead to where it is theirs to lead.
const LINKS: [(&str, &str); 3] =
    [("link/link", "good"), ("loop/link", "link"), ("target/link", "a_[31m_b")];

/// The files below a folder, and where links lead, which are not followed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(path).unwrap();
                found.insert(name, format!("-> {}", target.display()).into_bytes());
            } else {
                assert!(kind.is_file(), "{}", path.display());
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}
