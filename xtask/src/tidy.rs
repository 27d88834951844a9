//! The arrows between rooms, and what every file owes its reader.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const PREFIX: &str = "shoal-";

/// Rows of the architecture, lowest first. A crate depends on lower rows only: two machines of
/// one row never depend on each other (`ARCHITECTURE.md`).
const ROWS: [(&str, &[&str]); 8] = [
    ("vocabulary", &["base"]),
    ("secrets", &["keys"]),
    ("codecs", &["wire"]),
    ("machines", &["torrent", "storage", "discovery", "ledger"]),
    ("node", &["node"]),
    ("io", &["net", "disk"]),
    ("servers", &["devchain"]),
    ("app", &["shoal"]),
];

/// The last row that must not reach the world.
const CORE_ROW_LAST: usize = 4;

/// Crates outside the rows: they may use anything, and nothing may use them.
const AROUND: [&str; 4] = ["contracts", "sim", "interop", "xtask"];

/// External crates allowed under core/, and the crates that may name them (none: all of core).
/// Anything that could reach a clock, a socket, a file or a thread is not here.
const CORE_EXTERNAL: [(&str, &[&str]); 20] = [
    ("thiserror", &[]),
    ("url", &[]),
    ("sha1", &["keys"]),
    ("sha2", &["keys"]),
    ("quick-xml", &["wire"]),
    ("ed25519-dalek", &["keys"]),
    ("aes", &["keys"]),
    ("argon2", &["keys"]),
    ("bip39", &["keys"]),
    ("bs58", &["keys"]),
    ("chacha20poly1305", &["keys"]),
    ("ctr", &["keys"]),
    ("hmac", &["keys"]),
    ("pbkdf2", &["keys"]),
    ("scrypt", &["keys"]),
    ("secp256k1", &["keys"]),
    ("sha3", &["keys"]),
    ("zeroize", &["keys"]),
    ("prost", &["wire"]),
    ("serde_json", &["wire"]),
];

/// The same for tests under core/.
const CORE_EXTERNAL_IN_TESTS: [&str; 1] = ["proptest"];

const PRODUCTION_LINES_MAX: usize = 800;

const BANNED_NAMES: [&str; 6] = ["util", "utils", "common", "helpers", "misc", "types"];

const LEFTOVERS: [&str; 3] =
    [concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// Checks all and returns the number of files looked at; an error lists every fault.
pub(crate) fn check_repository() -> anyhow::Result<usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let mut faults = Vec::new();
    check_arrows(&metadata(root)?, &mut faults)?;
    check_clippy_configs_agree(
        &std::fs::read_to_string(root.join("clippy.toml"))?,
        &std::fs::read_to_string(root.join("core/clippy.toml"))?,
        &mut faults,
    );
    let mut looked_at = 0;
    for path in files_of(root)? {
        let Ok(bytes) = std::fs::read(root.join(&path)) else { continue }; // Deleted, not committed.
        let Ok(text) = String::from_utf8(bytes) else { continue }; // Test material.
        looked_at += 1;
        check_paths(&path, &text, &mut faults);
        if path.ends_with(".rs") {
            check_source(&path, &text, &mut faults);
        }
    }
    if faults.is_empty() {
        return Ok(looked_at);
    }
    bail!("{} faults\n{}", faults.len(), faults.join("\n"))
}

/// What cargo knows of our own packages.
fn metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Files that git has or would take, relative to the root.
fn files_of(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Dependencies point down the rows, and core/ names no crate that could do I/O.
fn check_arrows(metadata: &serde_json::Value, faults: &mut Vec<String>) -> anyhow::Result<()> {
    for package in metadata["packages"].as_array().context("packages")? {
        let full_name = package["name"].as_str().context("name")?;
        let name = short(full_name);
        if AROUND.contains(&name) {
            continue;
        }
        let Some(row) = row_of(name) else {
            faults.push(format!("{full_name}: has no row in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().context("dependencies")? {
            let target = dependency["name"].as_str().context("dependency name")?;
            let in_tests = dependency["kind"].as_str() == Some("dev");
            if let Some(fault) = fault_of_arrow(name, row, target, in_tests) {
                faults.push(format!("{name} -> {target}: {fault}"));
            }
        }
    }
    Ok(())
}

fn fault_of_arrow(name: &str, row: usize, target: &str, in_tests: bool) -> Option<&'static str> {
    let ours = target.starts_with(PREFIX) || AROUND.contains(&target);
    match row_of(short(target)).filter(|_| ours) {
        Some(below) if below < row => None,
        Some(_) => Some("not downward"),
        None if ours => Some("nothing may use this"),
        None if row > CORE_ROW_LAST => None,
        None if in_tests && CORE_EXTERNAL_IN_TESTS.contains(&target) => None,
        None => match CORE_EXTERNAL.iter().find(|(external, _)| *external == target) {
            Some((_, users)) if users.is_empty() || users.contains(&name) => None,
            Some(_) => Some("only some crates of core may use this"),
            None => Some("not on the allow-list of core"),
        },
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

fn row_of(name: &str) -> Option<usize> {
    ROWS.iter().position(|(_, names)| names.contains(&name))
}

/// Clippy reads only the nearest clippy.toml, so core's must repeat the root's settings.
fn check_clippy_configs_agree(root: &str, core: &str, faults: &mut Vec<String>) {
    let is_setting =
        |line: &&str| line.contains(" = ") && !line.ends_with('[') && !line.starts_with(['#', ' ']);
    for setting in root.lines().filter(is_setting) {
        if !core.lines().any(|line| line == setting) {
            faults.push(format!("core/clippy.toml: lacks `{setting}`"));
        }
    }
}

/// No path that exists on one machine only.
fn check_paths(path: &str, text: &str, faults: &mut Vec<String>) {
    for folder in MACHINE_FOLDERS {
        for (at, _) in text.match_indices(folder) {
            let before = text.get(..at).and_then(|head| head.chars().next_back());
            let inside_a_path = before.is_some_and(|last| {
                last.is_alphanumeric() || matches!(last, '.' | '_' | '-' | '}')
            });
            if !inside_a_path {
                let line = text.get(..at).map_or(0, |head| head.matches('\n').count()) + 1;
                faults.push(format!("{path}:{line}: a path of one machine, {folder}"));
            }
        }
    }
}

fn check_source(path: &str, text: &str, faults: &mut Vec<String>) {
    let is_test = path.starts_with("test/") || path.contains("/tests");
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = production.lines().count();
    if lines > PRODUCTION_LINES_MAX && !is_test {
        faults.push(format!("{path}: {lines} lines without tests, limit {PRODUCTION_LINES_MAX}"));
    }
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if BANNED_NAMES.contains(&stem) {
        faults.push(format!("{path}: name a file after what it holds, not `{stem}`"));
    }
    // A fuzz target begins with `#![no_main]`.
    let has_docs = text.lines().take(3).any(|line| line.starts_with("//!"));
    if !has_docs && !path.ends_with("/tests.rs") {
        faults.push(format!("{path}: no module documentation"));
    }
    // Modules within a format's own need not repeat it.
    let format = path.strip_prefix("core/wire/src/");
    let parses_a_standard = format.is_some_and(|name| name != "lib.rs" && !name.contains('/'));
    if parses_a_standard && !text.contains("//! Source: ") {
        faults.push(format!("{path}: no `//! Source:` line naming the BEP or RFC"));
    }
    for leftover in LEFTOVERS {
        if production.contains(leftover) {
            faults.push(format!("{path}: leftover {leftover}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_tidy() {
        check_repository().unwrap();
    }

    #[test]
    fn arrows_point_down() {
        let fault = |name, target| fault_of_arrow(name, row_of(name).unwrap(), target, false);
        assert_eq!(fault("torrent", "shoal-wire"), None);
        assert_eq!(fault("wire", "shoal-keys"), None);
        assert_eq!(fault("torrent", "shoal-storage"), Some("not downward"));
        assert_eq!(fault("keys", "shoal-wire"), Some("not downward"));
        assert_eq!(fault("node", "shoal-net"), Some("not downward"));
        assert_eq!(fault("net", "shoal-disk"), Some("not downward"));
        assert_eq!(fault("node", "shoal-sim"), Some("nothing may use this"));
    }

    #[test]
    fn core_names_only_crates_that_cannot_reach_the_world() {
        let fault = |name, target, test| fault_of_arrow(name, row_of(name).unwrap(), target, test);
        assert_eq!(fault("wire", "thiserror", false), None);
        assert_eq!(fault("keys", "sha1", false), None);
        assert!(fault("wire", "sha1", false).is_some());
        assert!(fault("node", "tokio", false).is_some());
        assert!(fault("wire", "proptest", false).is_some());
        assert_eq!(fault("wire", "proptest", true), None);
        assert_eq!(fault("net", "tokio", false), None);
    }

    #[test]
    fn a_source_file_has_its_faults_named() {
        let faults_of = |path: &str, text: &str| {
            let mut faults = Vec::new();
            check_source(path, text, &mut faults);
            faults
        };
        assert!(faults_of("core/wire/src/krpc.rs", "//! KRPC.\n//! Source: BEP 5\n").is_empty());
        assert_eq!(faults_of("core/wire/src/krpc.rs", "//! KRPC.\n").len(), 1);
        assert_eq!(faults_of("io/net/src/utils.rs", "//! Bits.\n").len(), 1);
        assert_eq!(faults_of("io/net/src/lib.rs", "mod dns;\n").len(), 1);
        let leftover = format!("//! Doc.\n// {}\n", LEFTOVERS[0]);
        assert_eq!(faults_of("io/net/src/lib.rs", &leftover).len(), 1);
        let long = "//! Doc.\n".repeat(PRODUCTION_LINES_MAX + 1);
        assert_eq!(faults_of("io/net/src/lib.rs", &long).len(), 1);
        assert!(faults_of("test/sim/src/lib.rs", &long).is_empty());
        assert!(faults_of("core/wire/src/krpc/tests.rs", "use super::*;\n").is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let faults_of = |text: &str| {
            let mut faults = Vec::new();
            check_paths("README.md", text, &mut faults);
            faults.len()
        };
        let folder = MACHINE_FOLDERS[0];
        assert_eq!(faults_of(&format!("see {folder}me/x")), 1);
        assert_eq!(faults_of(&format!("https://example.org{folder}x")), 0);
        assert_eq!(faults_of("see ~/x"), 0);
    }

    #[test]
    fn clippy_configs_must_agree() {
        let mut faults = Vec::new();
        check_clippy_configs_agree("a = 1\nb = [\n  1,\n]\n", "a = 1\n", &mut faults);
        assert!(faults.is_empty());
        check_clippy_configs_agree("a = 1\n", "a = 2\n", &mut faults);
        assert_eq!(faults.len(), 1);
    }
}
