//! Choosing files, where they go and how they are made, with the real program.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

#[path = "selection/magnets.rs"]
mod magnets;
#[path = "selection/sharing.rs"]
mod sharing;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// Files that end in the middle of pieces, with some that lie within one, and their lengths.
const FILES: [(&str, usize); 6] = [
    ("a.mkv", 100_000),
    ("b.srt", 10),
    ("docs/c.txt", 50_000),
    ("docs/empty", 0),
    ("docs/old/d.txt", 40_000),
    ("e.mkv", 70_001),
];

/// A folder of its own for a test, gone at the end: `data/t` with [`FILES`] and `t.torrent`.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-selection-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().canonicalize().unwrap().join(name));
        for (seed, (path, length)) in (1..).zip(FILES) {
            folder.write(&format!("data/t/{path}"), &noise(seed, length));
        }
        folder.done(&["create", "data/t", "-o", "t.torrent", "--piece-size", "16k"]);
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn shoal(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command.args(arguments).current_dir(&self.0).env_clear().stdin(Stdio::null());
        command.env("SHOAL_STATE_DIR", self.path("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.shoal(arguments).output().unwrap()
    }

    /// Runs, must succeed; standard output and error.
    fn done(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{stdout}{stderr}");
        (stdout, stderr)
    }

    /// Runs, must fail with this code; standard error.
    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", text(&output.stderr));
        text(&output.stderr)
    }

    fn seed(&self, torrent: &str, data: &str) -> Seed {
        let arguments = ["seed", torrent, "--data", data, "--listen", "127.0.0.1:0"];
        let mut command = self.shoal(&arguments);
        let mut child = command.arg("--no-discovery").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening =
            lines.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        // Its further words must not make it wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Seed { child, addr: listening.unwrap() }
    }

    /// Downloads `t.torrent` into `out` from `seed`.
    fn get(&self, seed: &Seed, more: &[&str]) -> (String, String) {
        self.done(&[&GET[..], &["--peer", &seed.addr], more].concat())
    }

    /// What is below a folder: length by path, `->` for a link.
    fn tree(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let look = path.symlink_metadata().unwrap();
                if look.is_dir() {
                    folders.push(path);
                } else if look.is_symlink() {
                    found.push(format!("{name}->{}", fs::read_link(path).unwrap().display()));
                } else {
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    fn assert_same(&self, files: &[&str]) {
        for file in files {
            let same = fs::read(self.path(&format!("out/{file}"))).unwrap()
                == fs::read(self.path(&format!("data/{file}"))).unwrap();
            assert!(same, "{file} differs");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const GET: [&str; 8] =
    ["get", "t.torrent", "-o", "out", "--listen", "127.0.0.1:0", "--no-discovery", "--exit"];

/// A program that seeds, and where.
struct Seed {
    child: Child,
    addr: String,
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = base::Rng::from_seed(seed);
    std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).flatten().take(length).collect()
}

fn part_file(tree: &[String]) -> Option<&String> {
    tree.iter().find(|name| name.starts_with(".t.") && name.ends_with(".parts"))
}

#[test]
fn only_selected_files_appear_and_they_are_right() {
    let folder = Folder::new();
    let seed = folder.seed("t.torrent", "data");
    let (said, told) = folder.get(&seed, &["--select", "docs/**,!docs/old/**"]);
    assert!(said.starts_with("t: 2 of 6 files complete, 48.8 KiB in "), "{said}");
    assert!(told.contains("t, 2 of 6 files, 48.8 KiB, in "), "{told}");
    folder.assert_same(&["t/docs/c.txt", "t/docs/empty"]);
    let tree = folder.tree("out");
    let part = part_file(&tree).unwrap();
    assert_eq!(tree, [part, "t/docs/c.txt", "t/docs/empty"]);
    let (said, _) = folder.done(&["verify", "t.torrent", "--data", "out", "--select", "docs/*"]);
    assert_eq!(said, "t: complete, 48.8 KiB, 4 pieces\n");
    assert!(folder.run(&["verify", "t.torrent", "--data", "out"]).status.code() == Some(1));
}

#[test]
fn numbers_are_those_that_show_prints() {
    let folder = Folder::new();
    let (shown, _) = folder.done(&["show", "t.torrent"]);
    let (_, list) = shown.split_once("\n\n").unwrap();
    let names: BTreeMap<&str, &str> = list
        .lines()
        .map(|line| (line.split_whitespace().next().unwrap(), line.rsplit(' ').next().unwrap()))
        .collect();
    assert_eq!(names["6"], "t/e.mkv");
    let seed = folder.seed("t.torrent", "data");
    folder.get(&seed, &["--select", "2", "--select", "6"]);
    let tree = folder.tree("out");
    assert_eq!(tree[1..], ["t/b.srt", "t/e.mkv"]);
    folder.assert_same(&["t/b.srt", "t/e.mkv"]);
}

#[test]
fn what_is_selected_later_uses_what_the_part_file_has() {
    let folder = Folder::new();
    let seed = folder.seed("t.torrent", "data");
    folder.get(&seed, &["--select", "a.mkv,e.mkv"]);
    // Both neighbours of c.txt are there, and with them its first and last bytes.
    let (said, _) = folder.done(&[&["--json"], &GET[..], &["--peer", &seed.addr]].concat());
    let mut events = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let complete = events.rfind(|event| event["event"] == "complete").unwrap();
    let downloaded = complete["downloaded_bytes"].as_u64().unwrap();
    let (have, total) = (7 * 16_384 + 5 * 16_384, complete["total_bytes"].as_u64().unwrap());
    assert!(downloaded <= total - have + 16_384, "{downloaded} of {total}");
    let tree = folder.tree("out");
    assert_eq!(part_file(&tree), None, "nothing in it is needed any more");
    assert_eq!(tree, folder.tree("data"));
    folder.assert_same(&FILES.map(|(path, _)| format!("t/{path}")).each_ref().map(|s| &**s));
}

#[test]
fn a_part_is_served_to_others_also_where_it_lies_in_the_part_file() {
    let folder = Folder::new();
    let whole = folder.seed("t.torrent", "data");
    folder.get(&whole, &["--select", "docs/c.txt"]);
    drop(whole);
    let part = folder.seed("t.torrent", "out");
    let into = |word| if word == "out" { "second" } else { word };
    let get = [&GET.map(into)[..], &["--peer", &part.addr, "--select", "c.txt"]].concat();
    folder.done(&get);
    let path = |at: &str| folder.path(&format!("{at}/t/docs/c.txt"));
    assert_eq!(fs::read(path("second")).unwrap(), fs::read(path("data")).unwrap());
}

#[test]
fn what_selects_nothing_is_refused_with_a_hint() {
    let folder = Folder::new();
    for (select, expected) in [
        ("*.avi", "no file for --select *.avi\nhint: `shoal show` prints the paths"),
        ("docs", "no file for --select docs\nhint: docs is a folder; 'docs/**' takes"),
        ("7", "no file for --select 7\nhint: the files are numbered from 1 to 6"),
        ("*,!*", "--select leaves no file\nhint: expressions count in their order"),
    ] {
        let said = folder.refused(1, &[&GET[..], &["--select", select]].concat());
        assert!(said.contains(expected), "{select}: {said}");
        assert!(!folder.path("out").exists(), "nothing is made");
    }
    let said = folder.refused(2, &[&GET[..], &["--select", "0"]].concat());
    assert!(said.contains("numbered from 1"), "{said}");
}

#[test]
fn several_torrents_are_chosen_from_by_pattern() {
    let folder = Folder::new();
    folder.write("data/u/x.mkv", &noise(9, 30_000));
    folder.write("data/u/y.txt", &noise(10, 30_000));
    folder.write("data/v/z.bin", &noise(11, 30_000));
    folder.done(&["create", "data/u"]);
    folder.done(&["create", "data/v"]);
    let get = [&GET[..], &["u.torrent", "v.torrent"]].concat();
    let said = folder.refused(1, &[&get[..], &["--select", "1"]].concat());
    assert!(said.contains("--select by number is for one torrent, not for 3"), "{said}");
    // Against their own data: everything that is selected is there.
    let into = |&word| if word == "out" { "data" } else { word };
    let get: Vec<&str> = get.iter().map(into).collect();
    let (said, told) = folder.done(&[&get[..], &["--select", "*.mkv"]].concat());
    assert_eq!(said.matches("files complete, ").count(), 2, "{said}");
    assert!(told.contains("left out, none of its files is selected: v"), "{told}");
}

#[test]
fn something_else_in_its_place_is_left_alone_by_choice() {
    let folder = Folder::new();
    folder.write("out/t/mine", b"mine");
    let said = folder.refused(1, &[&GET[..], &["--on-collision", "fail"]].concat());
    assert!(said.contains("already exists, and is not of this download: "), "{said}");
    assert!(said.contains("hint: --on-collision rename"), "{said}");
    let seed = folder.seed("t.torrent", "data");
    let (said, _) = folder.get(&seed, &["--on-collision", "rename", "--select", "a.mkv"]);
    assert!(said.ends_with("/out/t (1)\n"), "{said}");
    // Later runs know where it is, also without being told.
    let (said, _) = folder.get(&seed, &[]);
    assert!(said.ends_with("/out/t (1)\n"), "{said}");
    assert_eq!(fs::read(folder.path("out/t/mine")).unwrap(), b"mine");
    assert_eq!(folder.tree("out/t (1)"), folder.tree("data/t"));
    assert_eq!(folder.tree("out/t"), ["mine"]);
    let (said, _) = folder.get(&seed, &["--on-collision", "fail"]);
    assert!(said.contains("was there already"), "its own place is no collision: {said}");
}

#[test]
fn programs_and_links_come_back_as_they_were() {
    let folder = Folder::new();
    let mode = |path: &str| fs::metadata(folder.path(path)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(folder.path("data/t/b.srt"), Permissions::from_mode(0o755)).unwrap();
    symlink("../docs/c.txt", folder.path("data/t/docs/link")).unwrap();
    symlink("old", folder.path("data/t/docs/folder")).unwrap();
    symlink("../../../../etc", folder.path("data/t/docs/out")).unwrap();
    let create = ["create", "data/t", "-o", "t.torrent", "--force", "--symlinks"];
    let (_, told) = folder.done(&create);
    assert!(told.contains("left out, a symbolic link that leads out of the torrent: "), "{told}");
    let seed = folder.seed("t.torrent", "data");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "umask 027; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_shoal")]);
    shell.args(GET).args(["--peer", &seed.addr]).current_dir(&folder.0);
    let output = shell.env("SHOAL_STATE_DIR", folder.path("state")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((mode("out/t/b.srt"), mode("out/t/a.mkv")), (0o750, 0o640));
    let links: Vec<String> =
        folder.tree("out").into_iter().filter(|name| name.contains("->")).collect();
    assert_eq!(links, ["t/docs/folder->old", "t/docs/link->c.txt"]);
}

#[test]
fn a_link_out_of_the_torrent_is_refused() {
    let folder = Folder::new();
    let info = "d5:filesld4:attr1:l6:lengthi0e4:pathl1:ae12:symlink pathl2:..3:etceed6:lengthi1e\
        4:pathl1:beee4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    folder.write("evil.torrent", format!("d4:info{info}e").as_bytes());
    let said = folder.refused(1, &["get", "evil.torrent", "-o", "out"]);
    assert!(
        said.contains("the link of file 1 leads to a path that has the component \"..\""),
        "{said}"
    );
}

#[test]
fn room_is_taken_ahead_only_if_asked_for() {
    let folder = Folder::new();
    folder.write("data/big", &noise(20, 8 << 20));
    folder.done(&["create", "data/big", "--piece-size", "16k"]);
    // Only the first pieces can be had.
    folder.write("some/big", &noise(20, 40_000));
    let some = fs::File::options().write(true).open(folder.path("some/big")).unwrap();
    some.set_len(8 << 20).unwrap();
    let seed = folder.seed("big.torrent", "some");
    for (option, ahead) in [(&["--preallocate"][..], true), (&[], false)] {
        let out = if ahead { "ahead" } else { "sparse" };
        let arguments = ["get", "big.torrent", "-o", out, "--listen", "127.0.0.1:0"];
        let peer = ["--no-discovery", "--sequential", "--json", "--peer", &seed.addr];
        let mut command = folder.shoal(&[&arguments[..], &peer, option].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let some = lines.find(|line| {
            let event: Value = serde_json::from_str(line.as_ref().unwrap()).unwrap();
            event["event"] == "progress" && event["have_bytes"].as_u64() > Some(16_384)
        });
        assert!(some.is_some(), "it ended early");
        let look = fs::metadata(folder.path(&format!("{out}/big"))).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(look.len(), 8 << 20);
        assert_eq!(look.blocks() * 512 >= 8 << 20, ahead, "{} blocks", look.blocks());
    }
}
