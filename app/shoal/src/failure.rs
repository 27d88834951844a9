//! Why a command did not do what was asked, in words for the user.
//!
//! Texts are lower case, without a final period, the value last, with a hint if there is
//! something to try.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use rustix::io::Errno;

/// What the shell sees. Documented in the program's help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked is done.
    Done,
    /// It is not.
    Failed,
    /// The command line is wrong.
    Misused,
    /// Stopped by a signal before it was done: 128 and the number of SIGINT, as shells have it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Misused => Self::from(2),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told to the user.
    Told {
        /// What could not be done.
        message: String,
        /// What to try.
        hint: Option<String>,
    },
    /// An argument that can be nobody's wish.
    Misused {
        /// What is wrong with it.
        message: String,
        /// What to write.
        hint: String,
    },
    /// The user stopped it.
    Interrupted,
    /// Nobody reads our output any more; there is nobody to tell.
    OutputClosed,
}

impl Failure {
    /// A failure without anything to try.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Told { message: message.into(), hint: None }
    }

    /// A failure with something to try.
    pub(crate) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told { message: message.into(), hint: Some(hint.into()) }
    }

    /// A command line that is wrong.
    pub(crate) fn misused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Misused { message: message.into(), hint: hint.into() }
    }

    /// A file or folder of the user's that can't be read.
    pub(crate) fn reading(path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot read {}: {}", shown(path), reason(error));
        // Kinds are many, and grow.
        let hint = match Errno::from_io_error(error) {
            Some(Errno::NOENT | Errno::NOTDIR) => {
                "is the name right? it is looked for from the current folder"
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                "your user may not read it; run as one who may, or change its permissions"
            }
            _ => return Self::new(message),
        };
        Self::with_hint(message, hint)
    }

    /// What the shell sees.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Told { .. } | Self::OutputClosed => Exit::Failed,
            Self::Misused { .. } => Exit::Misused,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told { message, hint: None } => f.write_str(message),
            Self::Told { message, hint: Some(hint) } | Self::Misused { message, hint } => {
                write!(f, "{message}\nhint: {hint}")
            }
            Self::Interrupted => f.write_str("interrupted"),
            Self::OutputClosed => f.write_str("output closed"),
        }
    }
}

/// What the system said, without the number that only programs want, in lower case.
pub(crate) fn reason(error: &io::Error) -> String {
    let words = words(&error.to_string());
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

/// A text from elsewhere on one printable line, without the numbers of the system's errors.
pub(crate) fn words(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(" (os error ") {
        kept.push_str(before);
        rest = after.split_once(')').map_or("", |(_number, after)| after);
    }
    kept.push_str(rest);
    wire::printable(kept.as_bytes(), 1000)
}

/// A path within a message: on one line, and no terminal obeys it.
pub(crate) fn shown(path: impl AsRef<Path>) -> String {
    wire::visible(&path.as_ref().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_left_out() {
        for (text, expected) in [
            ("no such file (os error 2)", "no such file"),
            ("a (os error 2): b (os error 3), c", "a: b, c"),
            ("plain\n\x1b[31mtext", "plain [31mtext"),
        ] {
            assert_eq!(words(text), expected);
        }
    }
}
