//! A child process whose every line is an event.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// Lines kept for the report of a failure.
const LINES_MAX: usize = 2_000;

/// Stands before lines of the standard error stream.
const ERROR_MARK: &str = "! ";

/// How often a condition that no event announces is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running program. Dropped, its whole process group is killed.
#[derive(Debug)]
pub struct Proc {
    name: String,
    pid: Pid,
    deadline: Instant,
    shared: Arc<Shared>,
    /// Line number up to which [`Proc::wait_line`] has looked.
    seen: usize,
    /// Kept open: some peers stop when it closes.
    stdin: Option<std::process::ChildStdin>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The newest lines; `first` is the number of the oldest kept.
    lines: VecDeque<Line>,
    first: usize,
    open_streams: usize,
    exit: Option<ExitStatus>,
}

#[derive(Debug)]
struct Line {
    /// Since the start of the process.
    after: Duration,
    text: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proc {
    /// Starts `command` in a process group of its own, which dies with the harness.
    pub(crate) fn spawn(name: &str, command: &Command, deadline: Instant) -> anyhow::Result<Self> {
        let mut command = dying_with_us(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("start {name}: {command:?}"))?;
        let pid = Pid::from_child(&child);
        let shared = Arc::new(Shared::default());
        shared.lock().open_streams = 2;
        if let Some(stdout) = child.stdout.take() {
            read_lines(stdout, "", Arc::clone(&shared));
        }
        if let Some(stderr) = child.stderr.take() {
            read_lines(stderr, ERROR_MARK, Arc::clone(&shared));
        }
        let stdin = child.stdin.take();
        reap(child, pid, Arc::clone(&shared));
        Ok(Self { name: name.to_owned(), pid, deadline, shared, seen: 0, stdin })
    }

    /// The name given at the start, as it stands in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes a line to its standard input.
    pub fn send_line(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is a pipe")?;
        writeln!(stdin, "{line}").with_context(|| format!("{}: cannot tell it {line}", self.name))
    }

    /// The next line (of either stream) for which `pick` gives a value.
    pub fn wait_line<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut state = self.shared.lock();
        loop {
            let skip = self.seen.saturating_sub(state.first);
            for line in state.lines.iter().skip(skip) {
                self.seen = self.seen.max(state.first) + 1;
                if let Some(value) = pick(&line.text) {
                    return Ok(value);
                }
            }
            if state.exit.is_some() && state.open_streams == 0 {
                bail!("{} exited ({:?}) before {what}", self.name, state.exit);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{}: no {what} before the deadline", self.name);
            state = self.wait(state, left);
        }
    }

    /// Waits for `condition`, which nothing announces; fails when the process exits first.
    pub fn wait_until(
        &self,
        what: &str,
        mut condition: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        loop {
            if condition() {
                return Ok(());
            }
            let state = self.shared.lock();
            if let Some(exit) = state.exit {
                bail!("{} exited ({exit}) before {what}", self.name);
            }
            ensure!(Instant::now() < self.deadline, "{}: no {what} in time", self.name);
            drop(self.wait(state, LOOK_EVERY));
        }
    }

    /// Waits for the end of the process and of its output.
    pub fn wait_exit(&self) -> anyhow::Result<ExitStatus> {
        let mut state = self.shared.lock();
        loop {
            if let Some(exit) = state.exit.filter(|_| state.open_streams == 0) {
                return Ok(exit);
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{} did not exit before the deadline", self.name);
            state = self.wait(state, left);
        }
    }

    /// The exit status, if it has come.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.shared.lock().exit
    }

    /// Asks the process to stop and waits until it has.
    pub fn stop(&self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    /// Kills the process without a word of warning and waits until it is gone.
    pub fn kill(&self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.wait_exit()
    }

    /// Number of lines so far that contain `part`, whatever their case.
    pub fn count_lines(&self, part: &str) -> usize {
        let part = part.to_lowercase();
        let state = self.shared.lock();
        state.lines.iter().filter(|line| line.text.to_lowercase().contains(&part)).count()
    }

    /// The newest lines of its standard output.
    pub fn said(&self) -> Vec<String> {
        let state = self.shared.lock();
        let lines = state.lines.iter().map(|line| line.text.clone());
        lines.filter(|line| !line.starts_with(ERROR_MARK)).collect()
    }

    /// A printer of the newest lines that outlives the process.
    pub(crate) fn log(&self) -> ProcLog {
        ProcLog { name: self.name.clone(), shared: Arc::clone(&self.shared) }
    }

    fn signal(&self, signal: Signal) {
        // The lock keeps `reap` from freeing the id between the look and the signal.
        let state = self.shared.lock();
        if state.exit.is_none() {
            rustix::process::kill_process_group(self.pid, signal).ok();
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.shared.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // A process that still dies may write into the folder that goes next.
        let patience = Instant::now() + Duration::from_secs(5);
        let mut state = self.shared.lock();
        while state.exit.is_none() && Instant::now() < patience {
            state = self.wait(state, LOOK_EVERY);
        }
    }
}

/// What a process printed, for the report of a failure.
#[derive(Debug)]
pub(crate) struct ProcLog {
    name: String,
    shared: Arc<Shared>,
}

impl ProcLog {
    /// The newest `most` lines.
    pub(crate) fn tail(&self, most: usize) -> String {
        let state = self.shared.lock();
        let mut text = format!("--- {} (exit: {:?})\n", self.name, state.exit);
        for line in state.lines.iter().skip(state.lines.len().saturating_sub(most)) {
            writeln!(text, "{:7.3} {}", line.after.as_secs_f32(), line.text).ok();
        }
        text
    }
}

/// Whether `program` is on the path (or where root's programs are).
pub fn installed(program: &str) -> bool {
    find_program(program).is_some()
}

/// Where `program` is.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// `command` under `setpriv`, so that the kernel kills it when the test is killed.
fn dying_with_us(command: &Command) -> Command {
    let Some(setpriv) = find_program("setpriv") else { return copy_of(command, None) };
    copy_of(command, Some(&setpriv))
}

fn copy_of(command: &Command, setpriv: Option<&Path>) -> Command {
    let mut copy = match setpriv {
        Some(setpriv) => {
            let mut copy = Command::new(setpriv);
            copy.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
            copy
        }
        None => Command::new(command.get_program()),
    };
    copy.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(key, value),
            None => copy.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    copy
}

fn read_lines(stream: impl Read + Send + 'static, mark: &'static str, shared: Arc<Shared>) {
    let start = Instant::now();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&bytes);
            let mut state = shared.lock();
            let text = format!("{mark}{}", text.trim_end());
            state.lines.push_back(Line { after: start.elapsed(), text });
            if state.lines.len() > LINES_MAX {
                state.lines.pop_front();
                state.first += 1;
            }
            shared.changed.notify_all();
            drop(state);
            bytes.clear();
        }
        shared.lock().open_streams -= 1;
        shared.changed.notify_all();
    });
}

fn reap(mut child: Child, pid: Pid, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let gone = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), gone) {}
        let mut state = shared.lock();
        state.exit = child.wait().ok();
        shared.changed.notify_all();
    });
}
