//! What happened, line by line, for whoever wants to know later: `--log`.
//!
//! A line is a time in UTC, a level and a text. No secret gets in: of every URL only the scheme
//! and the host are kept, since private trackers put the user's key into the rest.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use node::message::DiaryEntry as Entry;
use rustix::fs::{OFlags, fcntl_setfl};

use crate::date;
use crate::failure::{Failure, reason, shown};
use crate::redact;
use crate::units;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    // Why something ended.
    Error,
    // What is wrong: disk trouble, bans.
    Warn,
    // What happens: torrents, trackers, peers that come and go.
    Info,
    // Details: who is served, who cannot be reached, every answer of a tracker.
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn ",
            Self::Info => "info ",
            Self::Debug => "debug",
        }
    }
}

#[derive(Debug)]
enum Sink {
    /// Standard error, by way of `out`.
    Stderr,
    File(File),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Log {
    level: Level,
    sink: Sink,
    broken: AtomicBool,
}

impl Log {
    /// Opens a file to be written to at its end; `-` is standard error.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(path: &Path, level: Level) -> Result<Self, Failure> {
        let sink = if path.as_os_str() == "-" {
            Sink::Stderr
        } else {
            let file = open(path).map_err(|error| {
                Failure::with_hint(
                    format!("cannot write the log {}: {}", shown(path), reason(&error)),
                    "--log names a file to write to; - is standard error",
                )
            })?;
            Sink::File(file)
        };
        Ok(Self { level, sink, broken: AtomicBool::new(false) })
    }

    /// Whether lines of this level are written.
    pub(crate) fn takes(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Whether its lines go where those for people go.
    pub(crate) fn is_on_stderr(&self) -> bool {
        matches!(self.sink, Sink::Stderr)
    }

    /// Writes a line, or gives it back to be printed.
    ///
    /// # Errors
    /// The first time that a file cannot be written, why.
    pub(crate) fn write(&self, level: Level, text: &str) -> Result<Option<String>, String> {
        if !self.takes(level) {
            return Ok(None);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let line = line(&date::stamp(seconds, now.subsec_millis()), level, text);
        match &self.sink {
            Sink::Stderr => Ok(Some(line)),
            Sink::File(file) => {
                // One write, so that lines of two programs in one file don't mix.
                match (&mut &*file).write_all((line + "\n").as_bytes()) {
                    Err(error) if !self.broken.swap(true, Ordering::Relaxed) => {
                        Err(format!("cannot write the log: {}", reason(&error)))
                    }
                    Ok(()) | Err(_) => Ok(None),
                }
            }
        }
    }
}

/// A pipe that nobody reads would otherwise keep us here; one that somebody reads is waited for.
fn open(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).custom_flags(nonblocking).open(path)?;
    fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file)
}

fn line(stamp: &str, level: Level, text: &str) -> String {
    format!("{stamp} {} {}", level.name(), wire::visible(&redact::urls(&text.replace('\n', "; "))))
}

/// An entry of a swarm's diary in words.
pub(crate) fn entry_words(entry: &Entry) -> (Level, String) {
    let list = |addrs: &[std::net::SocketAddr]| {
        addrs.iter().map(|&addr| units::addr(addr)).collect::<Vec<_>>().join(", ")
    };
    match entry {
        Entry::Unreachable(addr) => {
            (Level::Debug, format!("peer {}: cannot be reached", units::addr(*addr)))
        }
        Entry::Joined { addr, outgoing } => {
            let how = if *outgoing { "connected, we dialled it" } else { "connected to us" };
            (Level::Info, format!("peer {}: {how}", units::addr(*addr)))
        }
        Entry::Named { addr, client } => {
            (Level::Debug, format!("peer {}: is {client}", units::addr(*addr)))
        }
        Entry::Left { addr, reason } => {
            let why = reason.map_or_else(
                || "it closed the connection, or could not be reached any more".to_owned(),
                |reason| format!("we closed the connection: {reason}"),
            );
            (Level::Info, format!("peer {}: {why}", units::addr(*addr)))
        }
        Entry::Rechoked { unchoked, optimistic, interested } => {
            let trial = (!optimistic.is_empty()).then(|| list(optimistic));
            let trust = trial.map_or_else(String::new, |peers| format!("; on trial: {peers}"));
            let wanting = units::count(*interested as u64, "peer");
            let served = if unchoked.is_empty() { "nobody".into() } else { list(unchoked) };
            (Level::Debug, format!("choker: {wanting} interested; serving {served}{trust}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_time_a_level_and_a_text_without_breaks() {
        let said = line("2026-11-20T15:04:05.123Z", Level::Warn, "disk full\nhint: http://a/k");
        assert_eq!(said, "2026-11-20T15:04:05.123Z warn  disk full; hint: http://a/…");
    }

    #[test]
    fn a_level_takes_itself_and_what_matters_more() {
        let log = Log::open(Path::new("-"), Level::Info).unwrap();
        let taken: Vec<bool> = [Level::Error, Level::Warn, Level::Info, Level::Debug]
            .map(|level| log.takes(level))
            .to_vec();
        assert_eq!(taken, [true, true, true, false]);
    }

    #[test]
    fn entries_are_said_in_words() {
        let addr = |last| std::net::SocketAddr::from(([192, 0, 2, last], 6881));
        for (entry, expected) in [
            (Entry::Unreachable(addr(1)), "peer 192.0.2.1:6881: cannot be reached"),
            (
                Entry::Left { addr: addr(1), reason: Some(node::message::CloseReason::Twice) },
                "peer 192.0.2.1:6881: we closed the connection: it is connected twice",
            ),
            (
                Entry::Rechoked {
                    unchoked: vec![addr(1), addr(2)],
                    optimistic: vec![addr(2)],
                    interested: 3,
                },
                "choker: 3 peers interested; serving 192.0.2.1:6881, 192.0.2.2:6881; \
                 on trial: 192.0.2.2:6881",
            ),
        ] {
            assert_eq!(entry_words(&entry).1, expected);
        }
    }
}
