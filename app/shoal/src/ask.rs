//! Questions on the terminal.
//!
//! Whoever is not on a terminal is never asked: a script gets a failure that names the option. What is
//! typed comes back in memory that is overwritten. Ctrl-C ends the question, and the terminal is as it
//! was before.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::failure::{Failure, reason};
use crate::out::Out;

/// Longest answer. The terminal itself stops at 4,095 (termios(3), canonical mode).
const ANSWER_BYTES_MAX: usize = 4096;

/// What a terminal sends for Ctrl-C.
const CTRL_C: u8 = 3;

/// Whether somebody is there to answer.
pub(crate) fn somebody() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether what is typed is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It is.
    Shown,
    /// It is a secret.
    Hidden,
}

/// Asks for a line.
///
/// # Errors
/// Nobody is there, or the user stopped it.
pub(crate) fn line(out: &Out, question: &str, echo: Echo) -> Result<Zeroizing<String>, Failure> {
    if !somebody() {
        return Err(Failure::new(format!("cannot ask `{question}`: this is not a terminal")));
    }
    let modes = Modes::set(echo)?;
    out.prompt(question);
    let answer = read();
    drop(modes);
    if !question.is_empty() && (echo == Echo::Hidden || answer.is_err()) {
        out.prompt("\n");
    }
    answer
}

/// Asks a question that is answered with yes or no; anything but `y` and `yes` is no.
///
/// # Errors
/// As [`line`].
pub(crate) fn yes(out: &Out, question: &str) -> Result<bool, Failure> {
    let answer = line(out, &format!("{question} [y/N] "), Echo::Shown)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The terminal's modes during a question.
struct Modes(Termios);

impl Modes {
    fn set(echo: Echo) -> Result<Self, Failure> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).map_err(failed)?;
        let mut modes = before.clone();
        // Ctrl-C becomes a byte that ends the line, so that the modes are always put back.
        modes.local_modes.remove(LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        modes.local_modes.insert(LocalModes::ICANON);
        modes.local_modes.set(LocalModes::ECHO, echo == Echo::Shown);
        // What was typed before the question is no answer to it.
        tcsetattr(&stdin, OptionalActions::Flush, &modes).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        // There is nobody to tell.
        tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &self.0).ok();
    }
}

fn failed(error: rustix::io::Errno) -> Failure {
    Failure::new(format!("cannot ask on the terminal: {}", reason(&error.into())))
}

fn read() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX));
    loop {
        // Unbuffered: what std keeps of standard input would stay in memory.
        let mut byte = [0];
        match rustix::io::read(io::stdin(), &mut byte) {
            Ok(0) if bytes.is_empty() => return Err(Failure::Interrupted),
            Ok(0) => break,
            Ok(_) if byte == [CTRL_C] => return Err(Failure::Interrupted),
            Ok(_) if byte == [b'\n'] => break,
            Ok(_) if bytes.len() < ANSWER_BYTES_MAX => bytes.extend_from_slice(&byte),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match core::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_bad) => Err(Failure::new("what was typed is not UTF-8")),
    }
}
