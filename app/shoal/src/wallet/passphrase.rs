//! Where passphrases come from: a file that the user names, or the terminal; never the command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::ask::{self, Echo};
use crate::failure::{Failure, shown};
use crate::out::Out;

/// Longest passphrase, in bytes.
const BYTES_MAX: usize = 4096;

/// Shortest new passphrase, in characters. To try all of eight letters and digits drawn by lot takes one
/// machine some ten thousand years; to try all words of a dictionary takes it hours, long ones too.
const CHARS_MIN: usize = 8;

/// The passphrase of something that exists.
///
/// # Errors
/// It can't be read or asked for.
pub(crate) fn existing(
    out: &Out,
    file: Option<&Path>,
    of: &str,
    option: &str,
) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(file) => from_file(file),
        None if ask::somebody() => ask::line(out, &format!("passphrase of {of}: "), Echo::Hidden),
        None => Err(nobody(of, option)),
    }
}

/// A passphrase for something new, asked for twice.
///
/// # Errors
/// It can't be read or asked for, is too short, or was typed differently three times.
pub(crate) fn new(
    out: &Out,
    file: Option<&Path>,
    of: &str,
    option: &str,
) -> Result<Zeroizing<String>, Failure> {
    if let Some(file) = file {
        let passphrase = from_file(file)?;
        return match judge(&passphrase) {
            None => Ok(passphrase),
            Some(fault) => Err(Failure::new(format!("the passphrase for {of} {fault}"))),
        };
    }
    if !ask::somebody() {
        return Err(nobody(of, option));
    }
    for _try in 0..3 {
        let passphrase = ask::line(out, &format!("new passphrase for {of}: "), Echo::Hidden)?;
        if let Some(fault) = judge(&passphrase) {
            out.note(&format!("the passphrase {fault}"));
            continue;
        }
        if ask::line(out, "once more: ", Echo::Hidden)? == passphrase {
            return Ok(passphrase);
        }
        out.note("these were not the same");
    }
    Err(Failure::new("no passphrase was set"))
}

/// What is wrong with a new passphrase.
fn judge(passphrase: &str) -> Option<String> {
    (passphrase.chars().count() < CHARS_MIN)
        .then(|| format!("is too short: it needs {CHARS_MIN} characters or more"))
}

fn nobody(of: &str, option: &str) -> Failure {
    Failure::with_hint(
        format!("the passphrase of {of} is needed, and this is no terminal to ask on"),
        format!("{option} FILE reads it from a file, or from standard input if that is `-`"),
    )
}

/// The first line of a file, or of standard input.
fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 1));
    let mut read =
        |source: &mut dyn Read| source.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    let result = if path == Path::new("-") {
        read(&mut io::stdin().lock())
    } else {
        File::open(path).and_then(|mut file| read(&mut file))
    };
    result.map_err(|error| Failure::reading(path, &error))?;
    let text = core::str::from_utf8(&bytes).ok().filter(|text| text.len() <= BYTES_MAX);
    let line = text.and_then(|text| text.lines().next()).filter(|line| !line.is_empty());
    line.map(|line| Zeroizing::new(line.to_owned())).ok_or_else(|| {
        Failure::with_hint(
            format!("there is no passphrase in {}", shown(path)),
            "it is the first line, in UTF-8",
        )
    })
}
