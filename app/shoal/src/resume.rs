//! The command line that goes on where this one stopped.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use crate::redact;

/// The command line of this process, as a shell would read it. `None`: there may be a secret in it.
pub(crate) fn command() -> Option<String> {
    let words = || std::env::args_os();
    let open = words().all(|argument| redacted(&argument) == argument);
    open.then(|| join(words()))
}

/// The same for a log: links are shown without what may be a secret in them.
pub(crate) fn shown() -> String {
    join(std::env::args_os().map(|argument| redacted(&argument)))
}

/// How to go on, for the end of a sentence.
pub(crate) fn with(command: Option<String>) -> String {
    command.map_or_else(|| "with the same command".into(), |command| format!("with: {command}"))
}

fn join(words: impl Iterator<Item = OsString>) -> String {
    words.map(|word| quote(&word)).collect::<Vec<String>>().join(" ")
}

fn redacted(argument: &OsStr) -> OsString {
    match argument.to_string_lossy() {
        text if text.contains("://") => redact::link(&text).into(),
        _ => argument.to_owned(),
    }
}

/// A word for a POSIX shell. What cannot be written as it is, for its control characters or for
/// not being UTF-8, becomes `$'…'` (POSIX.1-2024, "Dollar-Single-Quotes").
fn quote(argument: &OsStr) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    match argument.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if text == wire::printable(text.as_bytes(), usize::MAX) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        Some(_) | None => {
            let sign = |&byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                _ => format!("\\{byte:03o}"),
            };
            format!("$'{}'", argument.as_bytes().iter().map(sign).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell_where_needed() {
        let words: [(&[u8], &str); 9] = [
            (b"a.torrent", "a.torrent"),
            (b"a b", "'a b'"),
            (b"it's", r"'it'\''s'"),
            (b"", "''"),
            (b"[::1]:6881", "'[::1]:6881'"),
            ("Straße".as_bytes(), "'Straße'"),
            (b"a  b", r"$'a  b'"),
            (b"a\nb'\\", r"$'a\012b\'\\'"),
            (b"\xff", r"$'\377'"),
        ];
        for (argument, expected) in words {
            assert_eq!(quote(OsStr::from_bytes(argument)), expected);
        }
    }

    #[test]
    fn links_that_may_hold_a_secret_are_cut_short() {
        for (argument, expected) in [
            ("https://example.org/a.torrent", "https://example.org/a.torrent"),
            ("https://example.org/dl?key='s3cret", "https://example.org/dl?…"),
            ("a?b", "a?b"),
        ] {
            assert_eq!(redacted(OsStr::new(argument)), expected);
        }
        assert_eq!(with(None), "with the same command");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for argument in ["it's", "a  b", "a\nb'\\\"$x`y`", "*?[a]~!#;&|<>(){}", "\u{202e}é", " "] {
            let script = format!("printf %s {}", quote(OsStr::new(argument)));
            let output = std::process::Command::new("bash").args(["-c", &script]).output();
            // Every machine that builds us has a bash; one that has none has no line to be read.
            let Ok(output) = output else { return };
            assert_eq!(output.stdout, argument.as_bytes(), "{script}");
        }
    }
}
