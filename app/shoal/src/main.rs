//! `shoal`: downloads, seeds, makes and checks BitTorrent torrents.
//!
//! This crate is the surface: it reads the command line, starts a node (`net::node`), and puts
//! its news into words. What it decides itself is only what a user sees.

mod alike;
mod args;
mod ask;
mod chain;
mod chance;
mod command_line;
mod completions;
mod create;
mod date;
mod dht;
mod disk_news;
mod display;
mod ending;
mod failure;
mod hashing;
mod interrupt;
mod limits;
mod line;
mod load;
mod log;
mod magnet;
mod man;
mod money;
mod node_setup;
mod orders;
mod out;
mod peer_table;
mod piece_map;
mod place;
mod progress;
mod redact;
mod refusal;
mod resume;
mod screen;
mod seek;
mod select;
mod session;
mod show;
mod state_dir;
mod transfer;
mod units;
mod vault;
mod verify;
mod wallet;

use std::process::ExitCode;

use crate::args::Command;
use crate::failure::Exit;
use crate::out::Out;

fn main() -> ExitCode {
    let cli = match command_line::read() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let out = Out::new(cli.json, cli.color);
    let result = hashing::choose_engine().and_then(|()| match cli.command {
        Command::Get(args) => transfer::get(&args, &out),
        Command::Seed(args) => transfer::seed(&args, &out),
        Command::Create(args) => create::create(&args, &out),
        Command::Verify(args) => verify::verify(&args, &out),
        Command::Show(args) => show::show(&args, &out),
        Command::Magnet(args) => magnet::magnet(&args, &out),
        Command::Chain(args) => chain::chain(&args, &out),
        Command::Dht(args) => dht::dht(&args, &out),
        Command::Vault(args) => vault::vault(&args, &out),
        Command::Wallet(args) => wallet::wallet(&args, &out),
        Command::Completions(args) => completions::completions(args.shell, &out),
        Command::Man(args) => man::man(&args, &out),
    });
    let exit: Exit = result.unwrap_or_else(|failure| {
        out.error(&failure);
        failure.exit()
    });
    exit.into()
}
