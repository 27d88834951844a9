//! The frame of a test: a folder, a deadline, processes, and a report when it fails.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::process::{Proc, ProcLog};

/// Lines of each process in the report of a failure.
const REPORTED_LINES: usize = 60;

/// What a test works with.
#[derive(Debug)]
pub struct Scene {
    folder: PathBuf,
    deadline: Instant,
    logs: Mutex<Vec<ProcLog>>,
}

/// Runs a test that must end within `limit`.
///
/// An error comes back with the output of every process that the test started.
pub fn scene(limit: Duration, test: impl FnOnce(&Scene) -> anyhow::Result<()>) -> Outcome {
    let scene = Scene::new(limit).map_err(|error| Failure(format!("{error:#}")))?;
    test(&scene).map_err(|error| {
        let logs = scene.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let logs: String = logs.iter().map(|log| log.tail(REPORTED_LINES)).collect();
        Failure(format!("{error:#}\n{logs}"))
    })
}

/// Why a test failed, and what its processes printed.
pub struct Failure(String);

/// What a test returns.
pub type Outcome = Result<(), Failure>;

/// Cargo shows a failed test by `Debug`: the text as it is.
impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scene {
    fn new(limit: Duration) -> anyhow::Result<Self> {
        static SCENES: AtomicU32 = AtomicU32::new(0);
        let number = SCENES.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-interop-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        // opentracker reads its list as another user.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        Ok(Self { folder, deadline: Instant::now() + limit, logs: Mutex::default() })
    }

    /// An existing folder of that name below the scene's own.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A path below the scene's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts a program; what it prints goes into the report. Its HOME is the scene's.
    pub fn spawn(&self, name: &str, command: &mut Command) -> anyhow::Result<Proc> {
        let home = self.folder("home")?;
        for variable in ["SHOAL_STATE_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(variable);
        }
        command.env("HOME", home).env("LC_ALL", "C.UTF-8");
        let process = Proc::spawn(name, command, self.deadline)?;
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(process.log());
        Ok(process)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            for log in logs.iter() {
                writeln!(std::io::stderr(), "{}", log.tail(REPORTED_LINES)).ok();
            }
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Says that a test did not run, on the terminal and in the file that `SHOAL_SKIP_LOG` names.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: {test}: {reason}\n");
    // Not `println!`, which cargo hides for a test that passes.
    std::io::stdout().write_all(line.as_bytes()).ok();
    if let Some(path) = std::env::var_os("SHOAL_SKIP_LOG") {
        append(Path::new(&path), &line).expect("the log of skipped tests is writable");
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// A port that is free for TCP and UDP now, and that no other test of this process was given.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
}

/// Whether some process accepts TCP connections on `port`.
pub fn listening(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let end = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        std::fs::read_to_string(table).is_ok_and(|text| {
            text.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                words.next().is_some_and(|local| local.ends_with(&end))
                    && words.nth(1) == Some(LISTEN)
            })
        })
    })
}
