//! The real program in a fresh folder with a fence around it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Nothing here takes a second on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a file outside, and a folder `here` to run in. The state would go outside, too.
pub(crate) struct Fence(PathBuf);

/// What a run left on the terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What is on disk: kind and mode, length, time of change, content of what is small.
pub(crate) type Snapshot = BTreeMap<PathBuf, (u32, u64, (i64, i64), Vec<u8>)>;

impl Fence {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-hostile-{}-{number}", std::process::id());
        let fence = Self(std::env::temp_dir().canonicalize().unwrap().join(name));
        fs::create_dir_all(fence.here("")).unwrap();
        fs::create_dir(fence.0.join("state")).unwrap();
        fs::write(fence.0.join("outside"), "precious").unwrap();
        fence
    }

    /// A path in the folder to run in.
    pub(crate) fn here(&self, path: &str) -> PathBuf {
        self.0.join("here").join(path)
    }

    /// Writes a file in it, with its folders.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.here(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The program, without what root may do beyond others: it may neither read what is not
    /// readable, nor listen on every port.
    pub(crate) fn shoal(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_shoal");
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("/usr/bin/setpriv");
            let dropped = "--bounding-set=-dac_override,-dac_read_search,-net_bind_service";
            command.args([dropped, "--inh-caps=-all", "--", program]);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).current_dir(self.here("")).env_clear();
        command.env("SHOAL_STATE_DIR", self.0.join("state")).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        finish(self.shoal(arguments))
    }

    /// Everything within the fence.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut found = Snapshot::new();
        let mut paths = vec![self.0.clone()];
        while let Some(path) = paths.pop() {
            let look = path.symlink_metadata().unwrap();
            let mut content = Vec::new();
            if look.is_dir() {
                // What we may not read, nobody changes as us.
                let below = fs::read_dir(&path).into_iter().flatten();
                paths.extend(below.map(|entry| entry.unwrap().path()));
            } else if look.is_file() && look.len() < 1 << 20 {
                content = fs::read(&path).unwrap_or_default();
            }
            let entry = (look.mode(), look.len(), (look.mtime(), look.mtime_nsec()), content);
            found.insert(path, entry);
        }
        found
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        fs::set_permissions(self.here("secret"), Permissions::from_mode(0o700)).ok();
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs `command` to its end, or kills it when it takes too long.
pub(crate) fn finish(mut command: Command) -> Said {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    // Its output ends when it does.
    let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(PATIENCE), stderr.recv_timeout(PATIENCE))
    else {
        child.kill().ok();
        child.wait().ok();
        panic!("still running: {command:?}");
    };
    Said { code: child.wait().unwrap().code(), stdout, stderr }
}

fn read_all(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        sender.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
    });
    receiver
}

/// Whether a terminal would obey something in `text`: controls, and marks of direction.
pub(crate) fn is_plain(text: &str) -> bool {
    let marks = ['\u{61c}', '\u{200e}', '\u{200f}'];
    !text.chars().any(|char| {
        (char.is_control() && char != '\n')
            || marks.contains(&char)
            || ('\u{2028}'..='\u{202e}').contains(&char)
            || ('\u{2066}'..='\u{2069}').contains(&char)
    })
}

/// A torrent file that is refused: what it is, its bytes, the words behind the file's name, and what
/// to try.
pub(crate) struct Refused {
    name: &'static str,
    bytes: Vec<u8>,
    why: &'static str,
    hint: &'static str,
}

/// A row of a table.
pub(crate) fn row(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    why: &'static str,
    hint: &'static str,
) -> Refused {
    Refused { name, bytes: bytes.into(), why, hint }
}

/// Every command says the same of each row, and nothing changes on disk.
pub(crate) fn assert_refused(rows: &[Refused]) {
    const COMMANDS: [&[&str]; 4] = [
        &["show", "x.torrent", "--json"],
        &["get", "x.torrent", "-o", "out", "--exit", "--no-discovery", "--listen", "127.0.0.1:0"],
        &["seed", "x.torrent", "--data", "out", "--no-discovery", "--listen", "127.0.0.1:0"],
        &["verify", "x.torrent", "--data", "out"],
    ];
    let mut wrong = Vec::new();
    for row in rows {
        let fence = Fence::new();
        fence.write("x.torrent", &row.bytes);
        fence.write("out/mine", "mine");
        let before = fence.snapshot();
        let stderr = format!("error: cannot use x.torrent: {}\nhint: {}\n", row.why, row.hint);
        let expected = Said { code: Some(1), stdout: String::new(), stderr };
        for command in COMMANDS {
            let said = fence.run(command);
            if said != expected || !is_plain(&said.stderr) {
                let (name, expected) = (row.name, &expected.stderr);
                let Said { code, stdout, stderr } = said;
                wrong.push(format!(
                    "{name}: {command:?}: {code:?}\n{stdout}{stderr}not\n{expected}"
                ));
                break;
            }
            assert_eq!(fence.snapshot(), before, "{}: {command:?}", row.name);
        }
    }
    assert!(!Path::new("/tmp/shoal-was-here").exists());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
