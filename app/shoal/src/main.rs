//! `shoal`: downloads, seeds, makes and checks BitTorrent torrents.
//!
//! This crate is the surface: it reads the command line, starts a node (`net::node`), and puts
//! its news into words. What it decides itself is only what a user sees.

mod args;
mod completions;
mod create;
mod date;
mod display;
mod ending;
mod failure;
mod hashing;
mod interrupt;
mod line;
mod load;
mod log;
mod man;
mod node_setup;
mod out;
mod peer_table;
mod piece_map;
mod progress;
mod resume;
mod screen;
mod session;
mod show;
mod state_dir;
mod transfer;
mod units;
mod verify;

use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, ValueEnum as _};

use crate::args::{Cli, Command};
use crate::failure::Exit;
use crate::out::Out;

fn main() -> ExitCode {
    let cli = parse();
    let out = Out::new(cli.json, cli.color);
    let result = match cli.command {
        Command::Get(args) => transfer::get(&args, &out),
        Command::Seed(args) => transfer::seed(&args, &out),
        Command::Create(args) => create::create(&args, &out),
        Command::Verify(args) => verify::verify(&args, &out),
        Command::Show(args) => show::show(&args, &out),
        Command::Completions(args) => completions::completions(args.shell, &out),
        Command::Man(args) => man::man(&args, &out),
    };
    let exit: Exit = result.unwrap_or_else(|failure| {
        out.error(&failure);
        failure.exit()
    });
    exit.into()
}

/// Reads the command line. What is wrong with it is said in the colours that it asks for.
fn parse() -> Cli {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let next = words.iter().skip(1).map(Some).chain([None]);
    let asked =
        words.iter().zip(next).find_map(|(word, next)| match word.strip_prefix("--color") {
            Some("") => next.map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => None,
        });
    let colour = asked.and_then(|value| ColorChoice::from_str(value, true).ok());
    let command = Cli::command().color(colour.unwrap_or_default());
    let matches = command.get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}
