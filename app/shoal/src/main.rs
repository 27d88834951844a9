//! `shoal`: downloads, seeds, makes and checks BitTorrent torrents.
//!
//! This crate is the surface: it reads the command line, starts a node (`net::node`), and puts
//! its news into words. What it decides itself is only what a user sees.

mod args;
mod create;
mod failure;
mod hashing;
mod interrupt;
mod load;
mod node_setup;
mod out;
mod progress;
mod redact;
mod session;
mod show;
mod state_dir;
mod transfer;
mod units;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::failure::Exit;
use crate::out::Out;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(cli.json);
    let result = match cli.command {
        Command::Get(args) => transfer::get(&args, &out),
        Command::Seed(args) => transfer::seed(&args, &out),
        Command::Create(args) => create::create(&args, &out),
        Command::Verify(args) => verify::verify(&args, &out),
        Command::Show(args) => show::show(&args, &out),
    };
    let exit: Exit = result.unwrap_or_else(|failure| {
        out.error(&failure);
        failure.exit()
    });
    exit.into()
}
