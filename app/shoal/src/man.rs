//! `shoal man`: the manual pages, made of the same definitions as the help.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::args::{Cli, ManArgs};
use crate::failure::{Exit, Failure, reason, shown};
use crate::out::Out;
use crate::units;

/// Runs `shoal man`.
pub(crate) fn man(args: &ManArgs, out: &Out) -> Result<Exit, Failure> {
    let pages = pages();
    let Some(folder) = &args.folder else {
        let page = pages.into_iter().next().map(|(_, page)| page).unwrap_or_default();
        out.document(page.trim_end())?;
        return Ok(Exit::Done);
    };
    write(&pages, folder).map_err(|(path, error)| {
        Failure::new(format!("cannot write {}: {}", shown(&path), reason(&error)))
    })?;
    let count = units::count(pages.len() as u64, "page");
    out.result(&format!("{count} written to {}", shown(folder)))?;
    Ok(Exit::Done)
}

fn write(
    pages: &[(String, String)],
    folder: &Path,
) -> Result<(), (std::path::PathBuf, std::io::Error)> {
    fs::create_dir_all(folder).map_err(|error| (folder.to_path_buf(), error))?;
    for (name, page) in pages {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).map_err(|error| (path, error))?;
    }
    Ok(())
}

/// Names and texts: of the program, then of each command.
fn pages() -> Vec<(String, String)> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let name = program.get_name().to_owned();
    let mut pages = vec![(name.clone(), page(&program))];
    for command in program.get_subcommands() {
        let full = format!("{name}-{}", command.get_name());
        let typed = format!("{name} {}", command.get_name());
        let command = command.clone().name(full.clone()).display_name(full.clone());
        pages.push((full, page(&command.bin_name(typed))));
    }
    pages
}

fn page(command: &clap::Command) -> String {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    let mut render = || {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        if command.get_arguments().next().is_some() {
            man.render_options_section(&mut page)?;
        }
        if command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        Ok::<(), std::io::Error>(())
    };
    // Writing into memory cannot fail.
    render().ok();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    String::from_utf8_lossy(&page).into_owned() + &sections(&after)
}

/// What stands below the options in the help, as sections of a page. A paragraph whose first
/// line is a heading becomes one; indented lines stay lines.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for paragraph in text.split("\n\n") {
        let (heading, rest) = paragraph.split_once(':').unwrap_or(("", paragraph));
        let heading = match heading {
            "Exit codes" => "EXIT STATUS".to_owned(),
            heading if heading.starts_with("Examples") => heading.to_uppercase(),
            _ => String::new(),
        };
        let body = if heading.is_empty() { paragraph } else { rest };
        page.push_str(&if heading.is_empty() {
            ".PP\n".into()
        } else {
            format!(".SH {heading}\n")
        });
        let as_lines = body.starts_with('\n');
        page.push_str(if as_lines { ".nf\n" } else { "" });
        for line in body.trim_matches('\n').lines() {
            page.push_str(&escaped(line.trim_start()));
            page.push('\n');
        }
        page.push_str(if as_lines { ".fi\n" } else { "" });
    }
    page
}

/// A line of text as groff reads it. Source: groff(7), "Escape sequences".
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('`', "\\(ga");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn there_is_a_page_for_the_program_and_for_each_command() {
        let names: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[0], "shoal");
        for command in Cli::command().get_subcommands() {
            assert!(names.contains(&format!("shoal-{}", command.get_name())), "{names:?}");
        }
    }

    #[test]
    fn groff_takes_every_page_without_a_warning() {
        for (name, page) in pages() {
            let mut groff = Command::new("groff");
            // Plain text: no bold, no underlining.
            groff.args(["-man", "-Tutf8", "-Kutf8", "-ww", "-P-cbou"]);
            groff.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let Ok(mut groff) = groff.spawn() else {
                // A machine without groff has nobody who reads the pages either.
                return;
            };
            groff.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
            let output = groff.wait_with_output().unwrap();
            let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(complaints, "", "{name}");
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(shown.contains("SYNOPSIS") && shown.contains(&name), "{shown}");
        }
    }
}
