//! A folder with a torrent in it, the program running there, and what it says.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use base::InfoHash;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wire::metainfo::Metainfo;

/// How long anything may take on a busy machine; whatever hangs fails by this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Rows of a table that run at once. Each is two processes that mostly wait.
const ROWS_AT_ONCE: usize = 8;

/// Bytes of the content of [`Folder::torrent`]: nine pieces, the last one short.
pub(crate) const CONTENT_BYTES: usize = 8 * 32 * 1024 + 777;

/// A folder of its own, gone at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-network-{}-{number}", std::process::id());
        let path = std::env::temp_dir().canonicalize().unwrap().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The program in this folder, with its state in `state` there.
    pub(crate) fn shoal(&self, state: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command.args(arguments).current_dir(&self.0).env_clear();
        command.env("SHOAL_STATE_DIR", self.0.join(state)).stdin(Stdio::null());
        command
    }

    /// Writes `data/film` and makes `t.torrent` of it, with more arguments for `create`.
    pub(crate) fn torrent(&self, more: &[&str]) -> InfoHash {
        fs::create_dir_all(self.0.join("data")).unwrap();
        fs::write(self.0.join("data/film"), noise(CONTENT_BYTES)).unwrap();
        let first = ["create", "data/film", "-o", "t.torrent", "--piece-size", "32k"];
        let output = self.shoal("state", &[&first[..], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = fs::read(self.0.join("t.torrent")).unwrap();
        Metainfo::decode(&bytes).unwrap().info_hashes.first()
    }

    /// All files and folders, by name, but for what the program keeps its state in.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.0).unwrap().to_string_lossy().into_owned();
                if path.is_dir() && !name.starts_with("state") {
                    folders.push(path);
                }
                found.push(name);
            }
        }
        found.sort();
        found
    }

    pub(crate) fn is_downloaded(&self, path: &str) -> bool {
        fs::read(self.0.join(path)).is_ok_and(|bytes| bytes == noise(CONTENT_BYTES))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Bytes that don't repeat.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut rng = base::Rng::from_seed(7);
    let words = std::iter::repeat_with(|| rng.next_u64().to_le_bytes()).take(length / 8 + 1);
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(length);
    bytes
}

/// The program, running with `--json`.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        Self { child, lines, seen: Vec::new() }
    }

    /// `get` of the torrent into `out`, which then seeds, with more arguments. Also where it
    /// listens.
    pub(crate) fn get(folder: &Folder, more: &[&str]) -> (Self, SocketAddr) {
        let first = ["get", "t.torrent", "--json", "-o", "out", "--seed-time", "1h"];
        Self::listening(folder, "state", &[&first[..], more].concat())
    }

    /// `seed` of the torrent from `data`, which tells no tracker.
    pub(crate) fn seed(folder: &Folder, more: &[&str]) -> (Self, SocketAddr) {
        let first = ["seed", "t.torrent", "--json", "--data", "data", "--no-discovery"];
        let (mut seed, addr) =
            Self::listening(folder, "state-of-seed", &[&first[..], more].concat());
        seed.event("complete");
        (seed, addr)
    }

    /// Any command that listens on a port of 127.0.0.1.
    pub(crate) fn listening(
        folder: &Folder,
        state: &str,
        arguments: &[&str],
    ) -> (Self, SocketAddr) {
        let arguments = [arguments, &["--listen", "127.0.0.1:0"]].concat();
        let mut running = Self::start(folder.shoal(state, &arguments));
        let addr = running.event("listening")["addr"].as_str().unwrap().parse().unwrap();
        (running, addr)
    }

    /// The next line that is wanted. All lines are kept for messages, and for [`Self::said`].
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        // What came while something else was waited for counts, too.
        if let Some(line) = self.seen.iter().find(|line| wanted(line)) {
            return line.clone();
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("waited for {what}, but {:#?}", self.seen);
            };
            self.seen.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The first event of this name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let line = self.wait(name, |line| is_event(line, name));
        serde_json::from_str(&line).unwrap()
    }

    /// All lines so far.
    pub(crate) fn said(&self) -> &[String] {
        &self.seen
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, of itself or by Ctrl-C, and gives back its exit code and all lines.
    pub(crate) fn end(mut self, interrupt: bool) -> (Option<i32>, Vec<String>) {
        if interrupt {
            kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("still running, said {:#?}", self.seen)
                }
            }
        }
        let code = self.child.wait().unwrap().code();
        (code, std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_lines(stream: impl std::io::Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// Whether a line is the event `name`.
pub(crate) fn is_event(line: &str, name: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value["event"] == name)
}

/// Checks what every run must keep to, whatever it meets: no panic, nothing but text in a line.
pub(crate) fn assert_sane(name: &str, lines: &[String]) {
    for line in lines {
        assert!(!line.contains("panicked"), "{name}: {lines:#?}");
        assert!(line.chars().all(|c| !c.is_control()), "{name}: {line:?}");
        assert!(line.len() < 8192, "{name}: {line:?}");
    }
}

/// Runs all rows, some at once, and tells of every one that failed.
pub(crate) fn each<R: Sync>(
    rows: &[R],
    name: impl Fn(&R) -> String + Sync,
    run: impl Fn(&R) + Sync,
) {
    let next = AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..ROWS_AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let run = std::panic::AssertUnwindSafe(|| run(row));
                    if std::panic::catch_unwind(run).is_err() {
                        failed.lock().unwrap().push(name(row));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}
