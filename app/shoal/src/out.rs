//! The one place that prints.
//!
//! Data goes to standard output, everything else to standard error; live lines only to a
//! terminal. Text from strangers is made printable by whoever puts it into a line; what was
//! forgotten, or came in by a path, loses its control characters here. Whatever is printed while
//! live lines are shown appears above them.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use clap::ColorChoice;
use serde_json::Value;

use crate::failure::{Failure, reason};
use crate::line::{GLUE, Line, Signs, unglued, wrap};
use crate::log::{Level, Log};
use crate::screen::Screen;

/// Where a command's words go.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    live: bool,
    colour: bool,
    /// Which of the standard streams are terminals: output, error.
    terminals: (bool, bool),
    signs: &'static Signs,
    screen: Mutex<Screen>,
    log: OnceLock<Log>,
}

/// What a terminal can show at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Columns, at least 2.
    pub(crate) columns: usize,
    /// Rows, at least 2.
    pub(crate) rows: usize,
    /// What its locale can show.
    pub(crate) signs: &'static Signs,
}

impl Out {
    /// Looks at what the standard streams are.
    pub(crate) fn new(json: bool, colour: ColorChoice) -> Self {
        let terminals = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let get = |name: &str| std::env::var_os(name);
        // Without a name nothing is known of the terminal.
        let dumb = get("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        // https://no-color.org: whatever the value, unless empty.
        let no_colour = get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match colour {
            ColorChoice::Auto => terminals.1 && !dumb && !no_colour,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Self {
            json,
            live: terminals.1 && !dumb && !json,
            colour,
            terminals,
            signs: Signs::of_locale(get),
            screen: Mutex::default(),
            log: OnceLock::new(),
        }
    }

    /// From now on everything is written to the log, too.
    pub(crate) fn set_log(&self, log: Log) {
        // There is one log per run.
        self.log.set(log).ok();
    }

    /// Whether lines of this level are logged.
    pub(crate) fn logs(&self, level: Level) -> bool {
        self.log.get().is_some_and(|log| log.takes(level))
    }

    /// Whether data is to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether lines that change may be drawn.
    pub(crate) fn live(&self) -> bool {
        self.live
    }

    /// How large the terminal is now.
    pub(crate) fn terminal(&self) -> Terminal {
        let size = rustix::termios::tcgetwinsize(io::stderr())
            .or_else(|_| rustix::termios::tcgetwinsize(io::stdout()))
            .ok();
        let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
        let or = |size: u16, usual| if size < 2 { usual } else { usize::from(size) };
        Terminal { columns: or(columns, 80), rows: or(rows, 24), signs: self.signs }
    }

    /// Replaces the live lines.
    pub(crate) fn draw(&self, lines: &[Line]) {
        if self.live {
            let mut screen = self.screen();
            if let Some(bytes) = screen.draw(lines, self.terminal().columns, self.colour) {
                // Nobody to tell that standard error is gone.
                io::stderr().lock().write_all(bytes.as_bytes()).ok();
            }
        }
    }

    /// Whether standard output is a terminal.
    pub(crate) fn on_terminal(&self) -> bool {
        self.terminals.0
    }

    /// A question, or a part of a line, on standard error; the cursor stays behind it.
    pub(crate) fn prompt(&self, text: &str) {
        let lines: Vec<String> = text.split('\n').map(wire::visible).collect();
        // Nobody to tell that standard error is gone.
        io::stderr().lock().write_all(lines.join("\n").as_bytes()).ok();
    }

    /// A line of data.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] if nobody reads it.
    pub(crate) fn data(&self, line: &str) -> Result<(), Failure> {
        self.put(&tame(line))
    }

    /// A text of our own, of several lines, that is data.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn document(&self, text: &str) -> Result<(), Failure> {
        self.put(text)
    }

    fn put(&self, text: &str) -> Result<(), Failure> {
        let screen = self.screen();
        if self.live && self.terminals.0 {
            let erase = screen.erase(self.terminal().columns);
            io::stderr().lock().write_all(erase.as_bytes()).ok();
        }
        let mut stdout = io::stdout().lock();
        let result = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        if self.live && self.terminals.0 {
            let again = screen.redraw(self.colour);
            io::stderr().lock().write_all(again.as_bytes()).ok();
        }
        result.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Failure::OutputClosed;
            }
            Failure::new(format!("cannot write to standard output: {}", reason(&error)))
        })
    }

    /// A line of a table that is data: on a terminal, what does not fit goes on below `indent`.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn entry(&self, line: &str, indent: usize) -> Result<(), Failure> {
        let (line, columns) = (tame(line), self.terminal().columns - 1);
        self.put(&if self.terminals.0 { wrap(&line, columns, indent) } else { line })
    }

    /// A sentence that is data: what was asked for is done. On a terminal it is wrapped.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn result(&self, sentence: &str) -> Result<(), Failure> {
        self.log(Level::Info, &unglued(sentence));
        let sentence = tame(sentence);
        let wrapped = self.terminals.0.then(|| self.wrapped(&sentence));
        self.put(&wrapped.unwrap_or_else(|| unglued(&sentence)))
    }

    /// A line of data if JSON is wanted.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub(crate) fn event(&self, value: &Value) -> Result<(), Failure> {
        if self.json { self.put(&escaped(&value.to_string())) } else { Ok(()) }
    }

    /// A line for people; nothing if JSON is wanted.
    pub(crate) fn note(&self, line: &str) {
        self.log(Level::Info, &unglued(line));
        if !self.json && !self.log_is_shown(Level::Info) {
            self.print("", &if self.terminals.1 { self.wrapped(line) } else { unglued(line) });
        }
    }

    /// A line for people that is not worth a line in the log: it says how far something is.
    pub(crate) fn progress(&self, line: &str) {
        if !self.json {
            self.print("", line);
        }
    }

    /// A line for people who copy a part of it: it is not wrapped.
    pub(crate) fn copyable(&self, line: &str) {
        self.log(Level::Info, line);
        if !self.json && !self.log_is_shown(Level::Info) {
            self.print("", line);
        }
    }

    /// A line for people, whatever is wanted: scripts wait for it.
    pub(crate) fn always(&self, line: &str) {
        self.log(Level::Info, line);
        self.print("", line);
    }

    /// A line that a question is about: whoever is asked sees it, with JSON too.
    pub(crate) fn asked(&self, line: &str) {
        if self.json { self.always(line) } else { self.copyable(line) }
    }

    /// Something that the user should know, with JSON too.
    pub(crate) fn warn(&self, message: &str) {
        self.log(Level::Warn, message);
        if !self.log_is_shown(Level::Warn) {
            self.labelled("warning:", "33", message);
        }
    }

    /// Why it ended.
    pub(crate) fn error(&self, failure: &Failure) {
        match failure {
            Failure::Told { .. } | Failure::Misused { .. } => {
                let message = failure.to_string();
                self.log(Level::Error, &message);
                if !self.log_is_shown(Level::Error) {
                    self.labelled("error:", "31", &message);
                }
            }
            Failure::Interrupted | Failure::OutputClosed => {}
        }
    }

    /// A line for the log alone.
    pub(crate) fn log(&self, level: Level, text: &str) {
        let Some(log) = self.log.get() else { return };
        match log.write(level, text) {
            Ok(None) => {}
            Ok(Some(line)) => self.print("", &line),
            Err(why) => self.labelled("warning:", "33", &why),
        }
    }

    /// Whether lines for people appear as lines of the log instead.
    fn log_is_shown(&self, level: Level) -> bool {
        self.log.get().is_some_and(|log| log.is_on_stderr() && log.takes(level))
    }

    fn labelled(&self, label: &str, colour: &str, message: &str) {
        let wrapped = if self.terminals.1 {
            self.wrapped(&format!("{label} {message}"))
        } else {
            format!("{label} {message}")
        };
        match wrapped.strip_prefix(label).filter(|_| self.colour) {
            Some(rest) => self.print(&format!("\x1b[1;{colour}m{label}\x1b[0m"), rest),
            None => self.print("", &wrapped),
        }
    }

    fn wrapped(&self, text: &str) -> String {
        wrap(text, self.terminal().columns - 1, 2)
    }

    /// A line, or several, behind a `label` of ours.
    fn print(&self, label: &str, text: &str) {
        let lines: Vec<String> = text.split('\n').map(wire::visible).collect();
        let text = format!("{label}{}\n", lines.join("\n"));
        let screen = self.screen();
        let bytes = if self.live {
            let erase = screen.erase(self.terminal().columns);
            format!("{erase}{text}{}", screen.redraw(self.colour))
        } else {
            text
        };
        // Nobody to tell that standard error is gone.
        io::stderr().lock().write_all(bytes.as_bytes()).ok();
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line, in which nothing acts on a terminal; what is [`unbroken`](crate::line::unbroken) stays so.
fn tame(line: &str) -> String {
    line.split(GLUE).map(wire::visible).collect::<Vec<_>>().join(&GLUE.to_string())
}

/// JSON whose strings hold nothing that a terminal would obey; it means the same.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if wire::is_disruptive(char) {
            text.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::unbroken;

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let value = Value::from("a\u{202e}b\u{9b}c\u{7f}\n");
        let text = escaped(&value.to_string());
        assert_eq!(text, r#""a\u202eb\u009bc\u007f\n""#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_tamed_line_keeps_only_what_is_unbroken() {
        let name = unbroken("a film\x1b[31m\n\u{202e}");
        assert_eq!(tame(&name), "a\u{1}film\u{fffd}[31m\u{fffd}\u{fffd}");
    }
}
