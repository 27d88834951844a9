//! The one place that prints.
//!
//! Data goes to standard output, everything else to standard error; live lines only to a
//! terminal. Text from strangers is made printable by whoever puts it into a line; what was forgotten,
//! or came in by a path, loses its control characters here.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde_json::Value;

use crate::failure::{Failure, reason};

/// Where a command's words go.
#[derive(Debug)]
pub(crate) struct Out {
    json: bool,
    live: bool,
    colour: bool,
    multi: MultiProgress,
}

impl Out {
    /// Looks at what the standard streams are.
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let live = terminal && !dumb && !json;
        let target =
            if live { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let multi = MultiProgress::with_draw_target(target);
        Self { json, live, colour: terminal && !dumb && !no_colour, multi }
    }

    /// Whether data is to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether lines that change may be drawn.
    pub(crate) fn live(&self) -> bool {
        self.live
    }

    /// Where live lines are drawn.
    pub(crate) fn multi(&self) -> &MultiProgress {
        &self.multi
    }

    /// A line of data.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] if nobody reads it.
    pub(crate) fn data(&self, line: &str) -> Result<(), Failure> {
        self.put(&wire::visible(line))
    }

    fn put(&self, line: &str) -> Result<(), Failure> {
        let result = self.multi.suspend(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{line}").and_then(|()| stdout.flush())
        });
        result.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Failure::OutputClosed;
            }
            Failure::new(format!("cannot write to standard output: {}", reason(&error)))
        })
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
        if !self.json {
            self.always(line);
        }
    }

    /// A line for people, whatever is wanted: scripts wait for it.
    pub(crate) fn always(&self, line: &str) {
        self.say("", line);
    }

    /// A line, or several, behind a `label` of ours.
    fn say(&self, label: &str, text: &str) {
        let lines: Vec<String> = text.split('\n').map(wire::visible).collect();
        let line = format!("{label}{}", lines.join("\n"));
        self.multi.suspend(|| {
            // Nobody to tell that standard error is gone.
            writeln!(io::stderr().lock(), "{line}").ok();
        });
    }

    /// Something that the user should know, with JSON too.
    pub(crate) fn warn(&self, message: &str) {
        self.labelled("warning:", "33", message);
    }

    /// Why it ended.
    pub(crate) fn error(&self, failure: &Failure) {
        match failure {
            Failure::Told { .. } => self.labelled("error:", "31", &failure.to_string()),
            Failure::Interrupted | Failure::OutputClosed => {}
        }
    }

    fn labelled(&self, label: &str, colour: &str, message: &str) {
        if self.colour {
            self.say(&format!("\x1b[1;{colour}m{label}\x1b[0m "), message);
        } else {
            self.say(&format!("{label} "), message);
        }
    }
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

/// Columns of the terminal, if standard error is one.
pub(crate) fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|&columns| columns > 1)
        .unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let value = Value::from("a\u{202e}b\u{9b}c\u{7f}\n");
        let text = escaped(&value.to_string());
        assert_eq!(text, r#""a\u202eb\u009bc\u007f\n""#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
