//! `shoal chain`: a TRON-compatible chain on this machine, with play money, for development.

mod remote;
mod reset;
mod run;

use std::path::{Path, PathBuf};

use crate::args::chain::{ChainArgs, Command};
use crate::failure::{Exit, Failure};
use crate::out::Out;
use crate::state_dir;

/// Runs `shoal chain`.
pub(crate) fn chain(args: &ChainArgs, out: &Out) -> Result<Exit, Failure> {
    match &args.command {
        None => run::run(&args.run, out),
        Some(Command::Run(what)) => run::run(what, out),
        Some(Command::Faucet(what)) => remote::faucet(what, out),
        Some(Command::Status(what)) => remote::status(what, out),
        Some(Command::Reset(what)) => reset::reset(what, out),
    }
}

/// The folder of the chain: `given`, or beside the state database.
fn folder(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = given {
        return Ok(folder.to_path_buf());
    }
    let database = state_dir::database(None, |name| std::env::var_os(name));
    let folder = database.as_deref().and_then(Path::parent).map(|folder| folder.join("chain"));
    folder.ok_or_else(|| {
        Failure::with_hint(
            "there is no place for the chain: HOME is not set",
            "--data names a folder, --memory keeps nothing",
        )
    })
}

/// The chain's database within its folder.
fn database(folder: &Path) -> PathBuf {
    folder.join("chain.db")
}
