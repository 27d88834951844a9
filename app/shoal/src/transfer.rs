//! `shoal get` and `shoal seed`.

use std::path::Path;

use base::client::AGENT;
use discovery::port_mapping;
use node::limit::{Limits, Rates};
use node::peer_source::{Source, may_name_peers};
use node::spec::{SeedGoal, TorrentSpec};

use crate::args::{FilesArgs, GetArgs, NetworkArgs, SeedArgs, SuperSeed};
use crate::failure::{Exit, Failure, shown};
use crate::interrupt::Interrupt;
use crate::load;
use crate::load::Source as TorrentSource;
use crate::log::{Level, Log};
use crate::node_setup::{self, Running, Setup};
use crate::out::Out;
use crate::resume;
use crate::select::{self, choosable};
use crate::session::{Purpose, Session};
use crate::{place, state_dir, units};

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
        return Err(Failure::with_hint(
            format!("not a folder: {}", shown(&args.out)),
            "-o names the folder to download into",
        ));
    }
    let sources = load::sources(&args.torrents)?;
    let down = args.down.rates();
    let purpose = Purpose::Get(goal);
    let files = Some(&args.files);
    let wanted = Wanted { root: &root, goal, files, super_seed: SuperSeed::Auto, purpose };
    transfer(&sources, &args.network, down, wanted, out)
}

/// Runs `shoal seed`.
pub(crate) fn seed(args: &SeedArgs, out: &Out) -> Result<Exit, Failure> {
    let root = state_dir::absolute(&args.data)?;
    state_dir::judge_data(&args.data)?;
    let sources = load::sources(&args.torrents)?;
    let purpose = Purpose::Seed(root.clone());
    let (goal, super_seed) = (SeedGoal::Forever, args.super_seed);
    let wanted = Wanted { root: &root, goal, files: None, super_seed, purpose };
    transfer(&sources, &args.network, Rates::default(), wanted, out)
}

struct Wanted<'a> {
    root: &'a Path,
    goal: SeedGoal,
    /// How files are made; `None`: not at all.
    files: Option<&'a FilesArgs>,
    super_seed: SuperSeed,
    purpose: Purpose,
}

fn transfer(
    sources: &[TorrentSource],
    args: &NetworkArgs,
    down: Rates,
    wanted: Wanted<'_>,
    out: &Out,
) -> Result<Exit, Failure> {
    open_log(args, out)?;
    let interrupt = Interrupt::listen()?;
    let spec = |metainfo: &_| {
        let mut spec = TorrentSpec::new(metainfo, wanted.root.to_path_buf());
        spec.peers.clone_from(&args.peer);
        spec.writable = wanted.files.is_some();
        spec.reserve = wanted.files.is_some_and(|files| files.preallocate);
        spec.sequential = wanted.files.is_some_and(|files| files.sequential);
        spec.super_seed = wanted.super_seed.or(spec.super_seed);
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
    let all_read = specs.len() == sources.len();
    if all_read {
        choose(&mut specs, wanted.files, out)?;
    }
    let state = state_dir::database(args.state.as_deref(), |name| std::env::var_os(name));
    if let Some(state) = &state {
        state_dir::judge_database(state)?;
    } else {
        out.warn("no HOME and no --state: what is done is forgotten at the end");
    }
    let setup = Setup {
        listen: args.listen.clone(),
        announce: !args.no_discovery,
        lsd: !args.no_discovery && !args.no_lsd,
        port_mapping: (!args.no_discovery && !args.no_port_mapping)
            .then(|| args.port_mapping_lease.unwrap_or(port_mapping::LIFETIME)),
        limits: Limits { down, up: args.up.rates() },
        state,
    };
    let running = Running::start(&setup)?;
    if out.logs(Level::Info) {
        running.node.keep_diary();
    }
    let mut session = Session::new(out, running, &interrupt, wanted.purpose, args.peers)?;
    for source in sources {
        if let TorrentSource::Url(url) = source {
            let fetched = node_setup::fetch(&session.running().node, url, &interrupt);
            if matches!(fetched, Err(Failure::Interrupted)) {
                out.copyable(&format!("stopped; go on {}", resume::with(resume::command())));
            }
            let metainfo = fetched?;
            specs.push(spec(&metainfo));
            judge_peers(specs.last(), args)?;
        }
    }
    if !all_read {
        choose(&mut specs, wanted.files, out)?;
    }
    let on_collision = wanted.files.map(|files| files.on_collision).unwrap_or_default();
    for spec in &mut specs {
        place::settle(spec, on_collision, session.running().disk(), out)?;
    }
    if wanted.files.is_some_and(|files| files.preallocate) && !disk::can_reserve(wanted.root) {
        let root = shown(wanted.root);
        out.warn(&format!("the file system of {root} can't take room ahead; files are sparse"));
    }
    say_what(&specs, wanted.root, args, out);
    session.add_all(specs)?;
    session.run()
}

/// Marks what `--select` chooses. Of several torrents, those of which nothing is chosen go.
fn choose(
    specs: &mut Vec<TorrentSpec>,
    args: Option<&FilesArgs>,
    out: &Out,
) -> Result<(), Failure> {
    let Some(expressions) = args.map(|args| &*args.select).filter(|select| !select.is_empty())
    else {
        return Ok(());
    };
    if specs.len() > 1 && expressions.iter().any(select::Expression::is_number) {
        return Err(Failure::with_hint(
            format!("--select by number is for one torrent, not for {}", specs.len()),
            "take a pattern as in '*.mkv', or one torrent at a time",
        ));
    }
    let mut matched = vec![false; expressions.len()];
    for spec in specs.iter_mut() {
        let here = select::choose(&mut spec.files, expressions);
        matched.iter_mut().zip(here).for_each(|(matched, here)| *matched |= here);
    }
    if let Some((expression, _)) = expressions.iter().zip(matched).find(|(_, matched)| !matched) {
        let files: Vec<_> = specs.iter().flat_map(|spec| spec.files.clone()).collect();
        return Err(select::nothing_for(expression, &files));
    }
    let before = specs.len();
    let chosen = |spec: &TorrentSpec| choosable(&spec.files).any(|at| spec.is_wanted(at));
    for spec in specs.iter().filter(|spec| before > 1 && !chosen(spec)) {
        let name = wire::printable(spec.name.as_bytes(), 200);
        out.warn(&format!("left out, none of its files is selected: {name}"));
    }
    specs.retain(chosen);
    if specs.is_empty() {
        return Err(Failure::with_hint(
            "--select leaves no file",
            "expressions count in their order: one with ! takes out what is in before it",
        ));
    }
    Ok(())
}

/// Begins the log, if there is to be one, with who writes it and what was asked.
fn open_log(args: &NetworkArgs, out: &Out) -> Result<(), Failure> {
    let Some(path) = &args.log else { return Ok(()) };
    out.set_log(Log::open(path, args.log_level)?);
    let system = std::env::consts::OS;
    out.log(Level::Info, &format!("{AGENT} on {system}: {}", resume::shown()));
    Ok(())
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
    let total = specs.iter().map(TorrentSpec::wanted_bytes).fold(0, u64::saturating_add);
    let what = match specs {
        [spec] => {
            let name = wire::printable(spec.name.as_bytes(), 200);
            let (wanted, files) = spec.file_counts();
            if wanted < files {
                format!("{name}, {wanted} of {}", units::count(files, "file"))
            } else {
                let files = units::count(files, "file");
                format!("{name}, {files} in {}", units::count(spec.pieces().into(), "piece"))
            }
        }
        several => format!("{} torrents", several.len()),
    };
    out.note(&format!("{what}, {}, in {}", units::size(total), shown(root)));
    let no_tracker = args.no_discovery || specs.iter().all(|spec| spec.trackers.is_empty());
    if no_tracker && args.peer.is_empty() && specs.iter().any(|spec| spec.writable) {
        out.warn("no tracker and no --peer: waiting for peers that connect to us");
    }
}
