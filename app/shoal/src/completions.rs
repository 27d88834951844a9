//! `shoal completions`: what a shell needs to complete our command line.

use clap::CommandFactory as _;
use clap_complete::{Generator as _, Shell};

use crate::args::Cli;
use crate::failure::{Exit, Failure};
use crate::out::Out;

/// Runs `shoal completions`.
pub(crate) fn completions(shell: Shell, out: &Out) -> Result<Exit, Failure> {
    out.document(script(shell).trim_end())?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    command.set_bin_name("shoal");
    command.build();
    let mut script = Vec::new();
    shell.generate(&command, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_names_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    /// What bash offers for a line, one word each.
    fn bash_offers(words: &[&str]) -> Vec<String> {
        let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let test = format!(
            "{}\nCOMP_WORDS=({list})\nCOMP_CWORD={}\n_shoal shoal \"{}\" \"{}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            script(Shell::Bash),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        // By standard input: the script is longer than an argument may be.
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-s"]).stdin(Stdio::piped());
        let mut bash = bash.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        bash.stdin.take().unwrap().write_all(test.as_bytes()).unwrap();
        let output = bash.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_options_and_values() {
        for (words, expected) in [
            (&["shoal", "se"][..], "seed"),
            (&["shoal", "get", "--seed-r"], "--seed-ratio"),
            (&["shoal", "--color", "nev"], "never"),
            (&["shoal", "completions", "z"], "zsh"),
        ] {
            assert_eq!(bash_offers(words), [expected], "{words:?}");
        }
    }
}
