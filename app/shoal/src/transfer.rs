//! `shoal get` and `shoal seed`.

use std::path::Path;

use node::peer_source::{Source, may_name_peers};
use node::spec::{SeedGoal, TorrentSpec};

use crate::args::{GetArgs, NetworkArgs, SeedArgs};
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::load;
use crate::load::Source as TorrentSource;
use crate::node_setup::{self, Running, Setup};
use crate::out::Out;
use crate::redact;
use crate::session::{Purpose, Session};
use crate::state_dir;
use crate::units;

/// Runs `shoal get`.
pub(crate) fn get(args: &GetArgs, out: &Out) -> Result<Exit, Failure> {
    let goal = match (args.seed_ratio, args.seed_time, args.exit) {
        (_, _, true) | (Some(0), _, _) => SeedGoal::None,
        (Some(per_mille), _, _) => SeedGoal::Ratio { per_mille },
        (_, Some(time), _) => SeedGoal::Time(time),
        (None, None, false) => SeedGoal::Ratio { per_mille: 1000 },
    };
    let root = state_dir::absolute(&args.out)?;
    if root.exists() && !root.is_dir() {
        return Err(Failure::new(format!("not a folder: {}", args.out.display())));
    }
    let sources = load::sources(&args.torrents)?;
    let down = args.down;
    let wanted = Wanted { root: &root, goal, writable: true, purpose: Purpose::Get(goal) };
    let exit = transfer(&sources, &args.network, down, wanted, out)?;
    if exit == Exit::Interrupted {
        let command = command().map(|command| format!(": {command}")).unwrap_or_default();
        out.note(&format!("incomplete; the same command goes on where it stopped{command}"));
    }
    Ok(exit)
}

/// Runs `shoal seed`.
pub(crate) fn seed(args: &SeedArgs, out: &Out) -> Result<Exit, Failure> {
    let root = state_dir::absolute(&args.data)?;
    if !root.is_dir() {
        return Err(Failure::with_hint(
            format!("no such folder: {}", args.data.display()),
            "--data names the folder that holds the torrent's file or folder",
        ));
    }
    let sources = load::sources(&args.torrents)?;
    let purpose = Purpose::Seed(root.clone());
    let wanted = Wanted { root: &root, goal: SeedGoal::Forever, writable: false, purpose };
    transfer(&sources, &args.network, None, wanted, out)
}

struct Wanted<'a> {
    root: &'a Path,
    goal: SeedGoal,
    writable: bool,
    purpose: Purpose,
}

fn transfer(
    sources: &[TorrentSource],
    args: &NetworkArgs,
    down: Option<u64>,
    wanted: Wanted<'_>,
    out: &Out,
) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let spec = |metainfo: &_| {
        let mut spec = TorrentSpec::new(metainfo, wanted.root.to_path_buf());
        spec.peers.clone_from(&args.peer);
        spec.writable = wanted.writable;
        spec.recheck = args.recheck;
        spec.goal = wanted.goal;
        spec
    };
    // What is wrong with a file is said before anything is started.
    let mut specs = Vec::new();
    for source in sources {
        if let TorrentSource::Path(path) = source {
            specs.push(spec(&load::read(path)?));
            judge_peers(specs.last(), args)?;
        }
    }
    let state = state_dir::database(args.state.as_deref(), |name| std::env::var_os(name));
    if state.is_none() {
        out.warn("no HOME and no --state: what is done is forgotten at the end");
    }
    let setup = Setup {
        listen: args.listen.clone(),
        announce: !args.no_discovery,
        down,
        up: args.up,
        state,
    };
    let mut session = Session::new(out, Running::start(&setup)?, &interrupt, wanted.purpose)?;
    for source in sources {
        if let TorrentSource::Url(url) = source {
            let metainfo = node_setup::fetch(&session.running().node, url, &interrupt)?;
            specs.push(spec(&metainfo));
            judge_peers(specs.last(), args)?;
        }
    }
    say_what(&specs, wanted.root, args, out);
    for spec in specs {
        session.add(spec)?;
    }
    session.run()
}

/// Refuses peers that the user names where it would cost him his account.
fn judge_peers(spec: Option<&TorrentSpec>, args: &NetworkArgs) -> Result<(), Failure> {
    let Some(spec) = spec.filter(|spec| !spec.peers.is_empty()) else { return Ok(()) };
    if may_name_peers(Source::User, spec.private, !args.no_discovery) {
        return Ok(());
    }
    let name = wire::printable(spec.name.as_bytes(), 200);
    Err(Failure::with_hint(
        format!("a private torrent takes peers from its tracker only, not from --peer: {name}"),
        "with --no-discovery too, --peer works and no tracker hears of it",
    ))
}

/// One line on what is to be done, and a warning if it can't lead anywhere.
fn say_what(specs: &[TorrentSpec], root: &Path, args: &NetworkArgs, out: &Out) {
    let total = specs.iter().map(|spec| spec.total_bytes).fold(0, u64::saturating_add);
    let what = match specs {
        [spec] => {
            let files = spec.files.iter().filter(|file| !file.padding).count();
            format!(
                "{}, {} in {}",
                wire::printable(spec.name.as_bytes(), 200),
                units::count(u64::try_from(files).unwrap_or(u64::MAX), "file"),
                units::count(spec.pieces().into(), "piece"),
            )
        }
        several => format!("{} torrents", several.len()),
    };
    out.note(&format!("{what}, {}, in {}", units::size(total), root.display()));
    let no_tracker = args.no_discovery || specs.iter().all(|spec| spec.trackers.is_empty());
    if no_tracker && args.peer.is_empty() && specs.iter().any(|spec| spec.writable) {
        out.warn("no tracker and no --peer: waiting for peers that connect to us");
    }
}

/// The command line, as a shell would read it. `None` if there may be a secret in it.
fn command() -> Option<String> {
    let secret = |argument: std::ffi::OsString| {
        let text = argument.to_string_lossy();
        text.contains("://") && redact::link(&text) != text
    };
    if std::env::args_os().any(secret) {
        return None;
    }
    let quoted = std::env::args_os().enumerate().map(|(index, argument)| {
        if index == 0 { "shoal".into() } else { quote(&argument.to_string_lossy()) }
    });
    Some(quoted.collect::<Vec<String>>().join(" "))
}

fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%[]".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", wire::printable(argument.as_bytes(), 4096).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell_where_needed() {
        for (argument, expected) in
            [("a.torrent", "a.torrent"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quote(argument), expected);
        }
    }
}
