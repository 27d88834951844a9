//! Keys stay where they belong: not in what is printed, process arguments, environments, core dumps, or any
//! file but the encrypted wallet.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use interop::{Chain, Outcome, Scene, scene, shoal_command};
use rustix::process::{Pid, Signal};
use wire::{hex, unhex_bytes};

const LIMIT: Duration = Duration::from_secs(120);
const PASSPHRASE: &str = "correct horse battery staple";

/// Every way in which a secret could be written down.
fn forms_of(key: &str, words: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let raw = unhex_bytes(key).context("a key in hexadecimal")?;
    ensure!(raw.len() == 32, "a key has 32 bytes");
    let reversed: Vec<u8> = raw.iter().rev().copied().collect();
    let mut forms = vec![
        hex(&raw).into_bytes(),
        hex(&raw).to_uppercase().into_bytes(),
        keys::base58check::encode(&raw).into_bytes(),
        base64(&raw).into_bytes(),
        // As a list of numbers, by somebody's Debug.
        format!("{:?}", raw.get(..8).context("32 bytes")?).trim_end_matches(']').into(),
        PASSPHRASE.into(),
        raw,
        reversed,
    ];
    // Single words are in every dictionary, three in a row are not.
    let words: Vec<&str> = words.split_whitespace().collect();
    ensure!(words.len() == 12, "twelve words, not {}", words.len());
    for separator in [" ", ",", "\n", "\",\"", "\0"] {
        forms.extend(words.windows(3).map(|three| three.join(separator).into_bytes()));
    }
    Ok(forms)
}

/// Without padding and the last two digits, so that it is found at the beginning of something longer.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks_exact(3).flat_map(|three| {
        let number = three.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
    });
    digits.collect()
}

/// The first form of a secret that is in `text`.
fn found<'a>(text: &[u8], forms: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    let has = |form: &[u8]| text.windows(form.len()).any(|window| window == form);
    forms.iter().map(Vec::as_slice).find(|form| has(form))
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

struct World<'a> {
    scene: &'a Scene,
    /// The passphrase, outside of what is searched.
    passphrase: PathBuf,
    url: String,
    runs: u32,
}

impl World<'_> {
    /// Starts `shoal`; what it prints goes into files that are searched.
    fn start(&mut self, arguments: &[&str]) -> anyhow::Result<(Child, PathBuf)> {
        self.runs += 1;
        let folder = self.scene.folder("home")?;
        let printed = folder.join(format!("printed-{}", self.runs));
        let file = File::create(&printed)?;
        let mut command: Command = shoal_command()?;
        command.arg("--json").args(arguments).arg("--passphrase-file").arg(&self.passphrase);
        command.current_dir(&folder).env("HOME", &folder).env("RUST_LOG", "trace");
        command.env("RUST_BACKTRACE", "full").env_remove("SHOAL_STATE_DIR");
        command.env_remove("XDG_STATE_HOME");
        command.stdout(file.try_clone()?).stderr(file).stdin(std::process::Stdio::null());
        Ok((command.spawn()?, printed))
    }

    fn run(&mut self, arguments: &[&str]) -> anyhow::Result<String> {
        let (mut child, printed) = self.start(arguments)?;
        let status = child.wait()?;
        let text = std::fs::read_to_string(&printed)?;
        ensure!(status.success(), "{arguments:?}: {text}");
        Ok(text)
    }

    /// A secret that is asked for; the file with it is gone before anything is searched.
    fn secret(&mut self, form: &str) -> anyhow::Result<String> {
        let path = self.scene.path("secret");
        let out = path.to_string_lossy().into_owned();
        self.run(&["wallet", "export", "--as", form, "--out", &out])?;
        let secret = std::fs::read_to_string(&path)?;
        std::fs::remove_file(&path)?;
        Ok(secret.trim().to_owned())
    }
}

/// Waits until the process has printed `what`.
fn wait_for(child: &mut Child, printed: &Path, what: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT / 2;
    loop {
        let text = std::fs::read_to_string(printed)?;
        if text.contains(what) {
            return Ok(());
        }
        ensure!(child.try_wait()?.is_none(), "it ended before {what:?}: {text}");
        ensure!(Instant::now() < deadline, "no {what:?} in time: {text}");
        std::thread::yield_now();
    }
}

/// What the system shows of a process, and what it leaves when it is aborted.
fn abort(child: &mut Child, forms: &[Vec<u8>]) -> anyhow::Result<ExitStatus> {
    let of = |name: &str| std::fs::read(format!("/proc/{}/{name}", child.id()));
    for name in ["cmdline", "environ", "comm", "maps"] {
        // Where it is not even shown to us, so much the better.
        let Ok(text) = of(name) else { continue };
        ensure!(found(&text, forms).is_none(), "a secret is in /proc/PID/{name}");
    }
    let limits = String::from_utf8(of("limits")?)?;
    let cores = limits.lines().find(|line| line.starts_with("Max core file size"));
    let cores: Vec<&str> = cores.context("the limit of core dumps")?.split_whitespace().collect();
    ensure!(cores.get(4..6) == Some(&["0", "0"]), "core dumps are limited to {cores:?}");
    let pid = Pid::from_child(child);
    rustix::process::kill_process(pid, Signal::ABORT)?;
    Ok(child.wait()?)
}

#[test]
fn keys_are_in_no_log_argument_core_dump_or_database() -> Outcome {
    scene(LIMIT, |scene| {
        // Blocks are far apart, so that a payment can be looked at while it waits for one.
        let chain = Chain::start(scene, &["--block-time", "5s"])?;
        let passphrase = scene.path("passphrase");
        std::fs::write(&passphrase, PASSPHRASE)?;
        let mut world = World { scene, passphrase, url: chain.url.clone(), runs: 0 };
        world.run(&["wallet", "new", "main", "--no-confirm"])?;
        let (key, words) = (world.secret("key")?, world.secret("words")?);
        let key = key.trim_start_matches("0x").to_owned();
        let forms = forms_of(&key, &words)?;
        for form in [key.as_bytes(), words.as_bytes(), PASSPHRASE.as_bytes()] {
            ensure!(found(form, &forms).is_some(), "the search finds what is there");
        }

        let said = world.run(&["wallet", "address"])?;
        let address = said.split('"').find(|part| part.starts_with('T') && part.len() == 34);
        let address = address.context("an address")?.to_owned();
        let node = chain.url.trim_start_matches("http://").to_owned();
        let mut faucet = shoal_command()?;
        faucet.args(["chain", "faucet", &address, "--node", &node]);
        ensure!(scene.spawn("faucet", &mut faucet)?.wait_exit()?.success(), "play money");
        world.run(&["wallet", "sign", "a text"])?;
        let url = world.url.clone();
        // Right behind the block with the faucet's money there is time until the next.
        while !world.run(&["wallet", "balance", "--node", &url])?.contains("10000000000") {}
        let to = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";
        let (mut child, printed) =
            world.start(&["wallet", "send", "1", "TRX", to, "--yes", "--node", &url])?;
        wait_for(&mut child, &printed, "recorded")?;
        let status = abort(&mut child, &forms)?;
        ensure!(!status.core_dumped() && status.signal().is_some(), "aborted: {status}");
        chain.process.stop()?;
        let told = [chain.process.said().join("\n"), chain.told.to_string()].concat();
        ensure!(found(told.as_bytes(), &forms).is_none(), "the chain says a secret");

        let mut files = Vec::new();
        files_below(&scene.folder("home")?, &mut files)?;
        let names = |name: &str| files.iter().any(|file| file.ends_with(name));
        ensure!(names("money.db") && names("wallet.json"), "the search sees {files:?}");
        for file in &files {
            let form = found(&std::fs::read(file)?, &forms).map(String::from_utf8_lossy);
            ensure!(form.is_none(), "{} has a secret: {form:?}", file.display());
        }
        Ok(())
    })
}
