//! `shoal chain reset`.

use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use devchain::{Chain, Config, OpenError};

use super::run::{entropy, not_opened, now_ms};
use super::{database, folder};
use crate::args::chain::ResetArgs;
use crate::failure::{Exit, Failure, reason, shown};
use crate::out::Out;

/// What `SQLite` keeps beside its database.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Throws a chain away, if nobody uses it and the user means it.
pub(super) fn reset(args: &ResetArgs, out: &Out) -> Result<Exit, Failure> {
    let path = database(&folder(args.data.data.as_deref())?);
    if !path.exists() {
        return Err(Failure::new(format!("there is no chain at {}", shown(&path))));
    }
    // Nobody else may begin to use it before it is gone. One that is damaged may go, too. A file
    // without a chain gets one, which must be like any other if it is then left.
    let held = match Chain::open(Some(&path), Config::default(), entropy()?, now_ms()) {
        Err(error @ OpenError::InUse { .. }) => return Err(not_opened(&error)),
        Ok(chain) => Some(chain),
        Err(OpenError::Format { .. } | OpenError::Chain(_)) => None,
    };
    if !args.yes && !is_meant(&path, out)? {
        return Err(Failure::new("the chain is left as it is"));
    }
    for suffix in SUFFIXES {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let name = shown(Path::new(&name));
                return Err(Failure::new(format!("cannot remove {name}: {}", reason(&error))));
            }
            Ok(()) | Err(_) => {}
        }
    }
    drop(held);
    out.note(&format!("removed {}; the next `shoal chain` begins anew", shown(&path)));
    Ok(Exit::Done)
}

fn is_meant(path: &Path, out: &Out) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::with_hint(
            format!("cannot ask whether {} may go: this is not a terminal", shown(path)),
            "--yes says that it may",
        ));
    }
    out.always(&format!("throw away {} with all accounts and contracts on it? [y/N]", shown(path)));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Failure::new(format!("cannot read from the terminal: {}", reason(&error)))
    })?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
