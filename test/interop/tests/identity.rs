//! Torrent files by `shoal create`, byte for byte those of other programs: libtorrent in every version,
//! `torf` and `mktorrent` in version 1. Apart from `created by` and `creation date`, which are their
//! makers' own.
//!
//! Where another program cannot make the same, the row says why, and the test sees that it still
//! cannot.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base::Rng;
use interop::{
    Client as _, Libtorrent, Outcome, Scene, installed, makers, scene, shoal_command, skip,
};
use serde_json::Value;
use wire::bencode::{self, Limits};

const LIMIT: Duration = Duration::from_secs(300);
const BLOCK: u64 = 16_384;
const PIECE: u64 = 2 * BLOCK;
const VERSIONS: [&str; 3] = ["v1", "v2", "hybrid"];

/// What is at a path of a tree.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A file of so many bytes, of noise that its path tells.
    File(u64),
    /// The same, and it is a program.
    Program(u64),
    /// A file of so many equal bytes.
    Same(u64),
    /// A symbolic link.
    Link(&'static str),
}

use Kind::{File, Link, Program, Same};

/// What torrents are made of: a file or a folder of the name `content`.
struct Tree {
    name: &'static str,
    content: &'static str,
    /// Paths below the content; of a single file, empty.
    entries: Vec<(String, Kind)>,
    /// By program: why it makes another torrent of it.
    others: &'static [(&'static str, &'static str)],
}

/// Neither writes attributes (BEP 47).
const NO_ATTRIBUTES: &[(&str, &str)] =
    &[("torf", "knows no attributes"), ("mktorrent", "knows no attributes")];
const NO_LINKS: &[(&str, &str)] = &[("torf", "follows links"), ("mktorrent", "follows links")];

fn tree(name: &'static str, content: &'static str, entries: &[(&str, Kind)]) -> Tree {
    let entries = entries.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
    Tree { name, content, entries, others: &[] }
}

impl Tree {
    fn but(mut self, others: &'static [(&'static str, &'static str)]) -> Self {
        self.others = others;
        self
    }

    fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let content = folder.join(self.content);
        for (path, kind) in &self.entries {
            let path = if path.is_empty() { content.clone() } else { content.join(path) };
            std::fs::create_dir_all(path.parent().context("it has a folder")?)?;
            match kind {
                File(bytes) | Program(bytes) => {
                    let seed = self.name.len() as u64 + path.as_os_str().len() as u64;
                    std::fs::write(&path, noise(seed, *bytes)?)?;
                }
                Same(bytes) => std::fs::write(&path, vec![b's'; usize::try_from(*bytes)?])?,
                Link(target) => symlink(target, &path)?,
            }
            if let Program(_) = kind {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(content)
    }
}

fn noise(seed: u64, bytes: u64) -> anyhow::Result<Vec<u8>> {
    let mut rng = Rng::from_seed(seed);
    let words = bytes.div_ceil(8);
    let mut noise: Vec<u8> = (0..words).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
    noise.truncate(usize::try_from(bytes)?);
    Ok(noise)
}

/// Single files.
fn files() -> Vec<Tree> {
    vec![
        tree("one byte", "f", &[("", File(1))]),
        tree("a block", "f.bin", &[("", File(BLOCK))]),
        tree("a piece", "f.bin", &[("", File(PIECE))]),
        tree("a piece and a byte", "f.bin", &[("", File(PIECE + 1))]),
        tree("a piece less a byte", "f.bin", &[("", File(PIECE - 1))]),
        tree("five pieces", "f.bin", &[("", File(5 * PIECE))]),
        tree("a file that ends in a block", "film.mkv", &[("", File(97 * PIECE + 5))]),
        tree("zeros", "zeros", &[("", Same(3 * PIECE))]),
        tree("a program", "run.sh", &[("", Program(100))]).but(NO_ATTRIBUTES),
        tree("a name of letters of many scripts", "Straße 名前 ☃ אב.txt", &[("", File(7))]),
    ]
}

/// Folders of sizes.
fn sizes() -> Vec<Tree> {
    let many: Vec<(String, Kind)> =
        (0_u64..300).map(|n| (format!("{}/{n:03}", n % 7), File(n * 131 % (3 * BLOCK)))).collect();
    vec![
        tree("a folder of one file", "d", &[("f", File(3 * PIECE + 1))]),
        tree("one byte and an empty file", "d", &[("a", File(0)), ("b", File(1))]),
        tree(
            "empty files everywhere",
            "d",
            &[
                ("a", File(0)),
                ("b", File(PIECE + 5)),
                ("c", File(0)),
                ("d", File(0)),
                ("e", File(3)),
                ("f/g", File(0)),
            ],
        ),
        tree("one byte each", "d", &[("a", File(1)), ("b", File(1)), ("c/d", File(1))]),
        tree("blocks", "d", &[("a", File(BLOCK)), ("b", File(3 * BLOCK)), ("c", File(2 * BLOCK))]),
        tree("pieces", "d", &[("a", File(PIECE)), ("b", File(4 * PIECE)), ("c", File(PIECE))]),
        tree(
            "around a piece",
            "d",
            &[
                ("a", File(PIECE - 1)),
                ("b", File(PIECE)),
                ("c", File(PIECE + 1)),
                ("d", File(2 * PIECE - 1)),
                ("e", File(2 * PIECE + 1)),
            ],
        ),
        tree(
            "a large one among small ones",
            "d",
            &[("a", File(9)), ("b", File(100 * PIECE + 12_345)), ("c", File(9))],
        ),
        tree("twins", "d", &[("a", Same(3 * PIECE)), ("b", Same(3 * PIECE)), ("c", Same(PIECE))]),
        Tree { name: "many files", content: "d", entries: many, others: &[] },
    ]
}

/// Folders of names.
fn names() -> Vec<Tree> {
    let deep = |levels: usize| vec![(format!("{}f", "x/".repeat(levels)), File(PIECE + 1))];
    let long = "l".repeat(251);
    let long = vec![(format!("a/{long}/{long}.bin"), File(5)), (format!("{long}.txt"), File(5))];
    let folder = |name, entries| Tree { name, content: "d", entries, others: &[] };
    vec![
        folder("20 folders", deep(20)),
        folder("60 folders", deep(60)),
        folder("names of 255 bytes", long),
        tree(
            "letters of many scripts",
            "Sämmlung 集",
            &[
                ("grüße/ünïcødé ☃", File(5)),
                ("Ωmega", File(5)),
                ("名前/אב", File(5)),
                ("z", File(5)),
                ("\u{1f41f}", File(5)),
            ],
        ),
        tree("composed and decomposed", "d", &[("\u{e9}", File(5)), ("e\u{301}", File(6))]),
        tree(
            "large and small letters",
            "d",
            &[("A", File(5)), ("B", File(5)), ("a", File(5)), ("b/C", File(5)), ("b/c", File(5))],
        ),
        tree("numbers", "d", &[("1", File(5)), ("10", File(6)), ("2", File(7)), ("02", File(8))]),
        tree(
            "signs and blanks",
            "d",
            &[
                (" ", File(5)),
                ("a b", File(5)),
                ("#&'~$", File(5)),
                ("[x]{y}", File(5)),
                ("-rf", File(5)),
            ],
        ),
        tree("hidden", "d", &[(".a", File(5)), (".b/c", File(5)), ("a", File(5))])
            .but(&[("torf", "leaves out what is hidden")]),
        tree(
            "files that differ by an ending",
            "d",
            &[("a", File(5)), ("a-b", File(5)), ("a.b", File(5)), ("ab", File(5))],
        ),
        tree(
            "a folder among such files",
            "d",
            &[
                ("a/b", File(PIECE + 1)),
                ("a-b", File(PIECE + 2)),
                ("a.b", File(5)),
                ("ab", File(5)),
            ],
        )
        .but(&[
            ("libtorrent hybrid", "sorts whole paths, and cannot read what it makes then"),
            ("mktorrent", "sorts whole paths"),
        ]),
    ]
}

/// What BEP 47 is for.
fn attributes() -> Vec<Tree> {
    vec![
        tree(
            "programs",
            "d",
            &[("a", Program(5)), ("b", File(PIECE + 1)), ("c", Program(PIECE)), ("e", Program(0))],
        )
        .but(NO_ATTRIBUTES),
        tree(
            "links",
            "d",
            &[
                ("a", File(PIECE + 1)),
                ("b", Link("a")),
                ("c/d", Link("../a")),
                ("c/e", Link("./d")),
                ("z", File(5)),
            ],
        )
        .but(NO_LINKS),
        tree(
            "links to folders",
            "d",
            &[("a/b", File(5)), ("c", Link("a")), ("e/f/g", Link("../../a")), ("h", Link("e/f"))],
        )
        .but(NO_LINKS),
        tree(
            "a link last, and programs",
            "d",
            &[("a", Program(PIECE + 1)), ("b", File(0)), ("z", Link("a"))],
        )
        .but(NO_LINKS),
    ]
}

/// All that two torrent files may be compared by: keys and the bytes of their values.
fn parts(path: &Path) -> anyhow::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let value = bencode::decode(&bytes, Limits::METAINFO)?;
    let entries = value.as_dict().context("a dictionary")?.entries();
    let own = [b"created by".as_slice(), b"creation date"];
    let entries = entries.iter().filter(|entry| !own.contains(&entry.key));
    Ok(entries.map(|entry| (entry.key.to_vec(), entry.raw.to_vec())).collect())
}

fn create(scene: &Scene, content: &Path, version: &str, target: &Path) -> anyhow::Result<Value> {
    let mut command = shoal_command()?;
    command.arg("create").arg(content).arg("-o").arg(target).arg("--json");
    command.args(["--symlinks", "--version", version, "--piece-size", &PIECE.to_string()]);
    let mut process = scene.spawn("shoal create", &mut command)?;
    let created = process.wait_line("created", |line| serde_json::from_str::<Value>(line).ok())?;
    let exit = process.wait_exit()?;
    ensure!(exit.success(), "shoal create: {exit}");
    Ok(created)
}

fn mktorrent(scene: &Scene, content: &Path, target: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("mktorrent");
    let exponent = PIECE.trailing_zeros().to_string();
    command.args(["-l", &exponent, "-o"]).arg(target).arg(content);
    let exit = scene.spawn("mktorrent", &mut command)?.wait_exit()?;
    ensure!(exit.success(), "mktorrent: {exit}");
    Ok(())
}

/// Faults of `tree`: what is not as its row says.
fn compare(tree: &Tree, number: usize, out: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let ours = |version: &str| parts(&out.join(format!("{number:02}.shoal-{version}")));
    let rows = [
        ("libtorrent v1", "v1", "v1"),
        ("libtorrent v2", "v2", "v2"),
        ("libtorrent hybrid", "hybrid", "hybrid"),
        ("torf", "torf", "v1"),
        ("mktorrent", "mktorrent", "v1"),
    ];
    for (program, theirs, version) in rows {
        let path = out.join(format!("{number:02}.{theirs}"));
        let same = path.is_file() && parts(&path)? == ours(version)?;
        let reason = tree.others.iter().find(|(other, _)| *other == program);
        match (same, reason) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => faults.push(format!("{}: {program} makes another", tree.name)),
            (true, Some((_, reason))) => {
                faults.push(format!("{}: {program} makes the same, though it {reason}", tree.name));
            }
        }
    }
    Ok(faults)
}

#[test]
fn torrent_files_are_those_of_other_programs() -> Outcome {
    if let Some(reason) = Libtorrent::default().missing() {
        skip(&reason);
        return Ok(());
    }
    if !installed("mktorrent") {
        skip("mktorrent is missing: run test/setup/peers.sh");
        return Ok(());
    }
    scene(LIMIT, |scene| {
        let (folder, out) = (scene.folder("trees")?, scene.folder("out")?);
        let trees: Vec<Tree> =
            [files(), sizes(), names(), attributes()].into_iter().flatten().collect();
        ensure!(trees.len() >= 30, "{} trees", trees.len());
        let mut created = BTreeMap::new();
        for (number, tree) in trees.iter().enumerate() {
            let place = folder.join(format!("{number:02}"));
            std::fs::create_dir(&place)?;
            let content = tree.write(&place)?;
            for version in VERSIONS {
                let name = format!("{number:02}.shoal-{version}");
                let made = create(scene, &content, version, &out.join(&name))?;
                created.insert(name, made);
            }
            mktorrent(scene, &content, &out.join(format!("{number:02}.mktorrent")))?;
        }
        let made = makers(scene, "make", &[&folder, &out])?;
        let read = makers(scene, "read", &[&out])?;
        let mut faults = Vec::new();
        for (number, tree) in trees.iter().enumerate() {
            faults.extend(compare(tree, number, &out)?);
            let cannot = tree.others.iter().any(|(other, _)| *other == "libtorrent hybrid");
            let refused = made[format!("{number:02}.hybrid")]["error"].is_string();
            if cannot != refused {
                faults
                    .push(format!("{}: libtorrent reads its own hybrid: {}", tree.name, !refused));
            }
        }
        // Whatever it makes itself, it reads all of ours, under our names.
        for (name, created) in &created {
            let (theirs, version) = (&read[name.as_str()], &created["version"]);
            let v1 = if version == "2" { &Value::Null } else { &created["info_hash"] };
            if (&theirs["v1"], &theirs["v2"]) != (v1, &created["info_hash_v2"]) {
                faults.push(format!("{name}: libtorrent reads {theirs}"));
            }
        }
        ensure!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        Ok(())
    })
}
