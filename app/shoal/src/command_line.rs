//! Reading the command line, and saying what is wrong with it in our own form.

use std::process::ExitCode;

use clap::error::{Error, ErrorKind};
use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, ValueEnum as _};

use crate::args::Cli;
use crate::failure::Failure;
use crate::out::Out;

/// What the shell sees if the command line is wrong.
const WRONG: u8 = 2;

/// The command line, or how to end when there is nothing to do: it was wrong, or help was wanted.
pub(crate) fn read() -> Result<Cli, ExitCode> {
    let colour = colour_asked();
    let matches = Cli::command().color(colour).try_get_matches();
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        if !error.use_stderr()
            || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        {
            // Nobody to tell that the output is gone.
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(WRONG) } else { ExitCode::SUCCESS };
        }
        Out::new(false, colour).error(&in_our_words(&error));
        ExitCode::from(WRONG)
    })
}

/// The colours that the command line asks for, whatever else is wrong with it.
fn colour_asked() -> ColorChoice {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let next = words.iter().skip(1).map(Some).chain([None]);
    let asked =
        words.iter().zip(next).find_map(|(word, next)| match word.strip_prefix("--color") {
            Some("") => next.map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => None,
        });
    asked.and_then(|value| ColorChoice::from_str(value, true).ok()).unwrap_or_default()
}

/// The library's first sentence on one line; its tip, or where to read, as the hint.
fn in_our_words(error: &Error) -> Failure {
    let text = error.render().to_string();
    let mut sentences = text.split("\n\n");
    let first = sentences.next().unwrap_or_default();
    let message: Vec<&str> = first.trim_start_matches("error:").split_whitespace().collect();
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let hint = tip.map_or_else(|| format!("{} shows what there is", help()), str::to_owned);
    Failure::with_hint(message.join(" "), wire::visible(&hint))
}

/// How to get help for the command that was named.
fn help() -> String {
    let program = Cli::command();
    let known = || program.get_subcommands().map(clap::Command::get_name);
    let mut arguments = std::env::args_os().skip(1);
    let named = arguments.find_map(|argument| known().find(|name| argument == *name));
    named.map_or_else(|| "shoal --help".into(), |command| format!("shoal {command} --help"))
}
