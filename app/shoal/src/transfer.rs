//! `shoal get` and `shoal seed`.

use std::path::Path;

use base::client::AGENT;
use node::limit::{Limits, Rates};
use node::spec::{SeedGoal, TorrentSpec};

use crate::args::{GetArgs, NetworkArgs, SeedArgs, SuperSeed};
use crate::failure::{Exit, Failure, shown};
use crate::interrupt::Interrupt;
use crate::load;
use crate::load::Source as TorrentSource;
use crate::log::{Level, Log};
use crate::node_setup::{self, Running, Setup};
use crate::orders::Orders;
use crate::out::Out;
use crate::resume;
use crate::session::{Purpose, Session};
use crate::{state_dir, units};

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
    let (files, network, super_seed) = (Some(&args.files), &args.network, SuperSeed::Auto);
    let orders = Orders { root, goal, files, super_seed, network };
    transfer(sources, &orders, args.down.rates(), Purpose::Get(goal), out)
}

/// Runs `shoal seed`.
pub(crate) fn seed(args: &SeedArgs, out: &Out) -> Result<Exit, Failure> {
    let root = state_dir::absolute(&args.data)?;
    state_dir::judge_data(&args.data)?;
    let sources = load::sources(&args.torrents)?;
    let purpose = Purpose::Seed(root.clone());
    if sources.iter().any(|source| matches!(source, TorrentSource::Magnet(_))) {
        return Err(Failure::with_hint(
            "a magnet link does not say which files belong to it",
            "`shoal show LINK --save FILE` makes a torrent file of it, which can be seeded; `shoal get LINK` downloads, then seeds",
        ));
    }
    let (goal, super_seed) = (SeedGoal::Forever, args.super_seed);
    let orders = Orders { root, goal, files: None, super_seed, network: &args.network };
    transfer(sources, &orders, Rates::default(), purpose, out)
}

fn transfer(
    sources: Vec<TorrentSource>,
    orders: &Orders<'_>,
    down: Rates,
    purpose: Purpose,
    out: &Out,
) -> Result<Exit, Failure> {
    let args = orders.network;
    open_log(args, out)?;
    let interrupt = Interrupt::listen()?;
    // What is wrong with a file is said before anything is started.
    let (mut specs, mut urls, mut magnets) = (Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        match source {
            TorrentSource::Path(path) => specs.push(orders.spec(&load::read(&path)?)?),
            TorrentSource::Url(url) => urls.push(url),
            TorrentSource::Magnet(magnet) => magnets.push(*magnet),
        }
    }
    if urls.is_empty() && !specs.is_empty() {
        orders.choose(&mut specs, out)?;
    }
    let state = state_dir::database(args.discovery.state.as_deref(), |name| std::env::var_os(name));
    if let Some(state) = &state {
        state_dir::judge_database(state)?;
    } else {
        out.warn("no HOME and no --state: what is done is forgotten at the end");
    }
    let limits = Limits { down, up: args.up.rates() };
    let running = Running::start(&Setup { limits, state, ..Setup::new(&args.discovery) })?;
    if out.logs(Level::Info) {
        running.node.keep_diary();
    }
    let mut session = Session::new(out, running, &interrupt, purpose, orders)?;
    for url in &urls {
        let fetched = node_setup::fetch(&session.running().node, url, &interrupt);
        if matches!(fetched, Err(Failure::Interrupted)) {
            out.copyable(&format!("stopped; go on {}", resume::with(resume::command())));
        }
        specs.push(orders.spec(&fetched?)?);
    }
    if !urls.is_empty() {
        orders.choose(&mut specs, out)?;
    }
    for spec in &mut specs {
        orders.settle(spec, session.running().disk(), out)?;
    }
    let root = &orders.root;
    if orders.files.is_some_and(|files| files.preallocate) && !disk::can_reserve(root) {
        let root = shown(root);
        out.warn(&format!("the file system of {root} can't take room ahead; files are sparse"));
    }
    if !specs.is_empty() {
        say_what(&specs, root, args, out);
    }
    for magnet in magnets {
        session.seek(magnet)?;
    }
    session.add_all(specs)?;
    session.run()
}

/// Begins the log, if there is to be one, with who writes it and what was asked.
fn open_log(args: &NetworkArgs, out: &Out) -> Result<(), Failure> {
    let Some(path) = &args.log else { return Ok(()) };
    out.set_log(Log::open(path, args.log_level)?);
    let system = std::env::consts::OS;
    out.log(Level::Info, &format!("{AGENT} on {system}: {}", resume::shown()));
    Ok(())
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
    let (silent, dht) = (args.discovery.no_discovery, !args.discovery.no_dht);
    let alone = specs.iter().all(|spec| spec.trackers.is_empty() && (spec.private || !dht));
    if (silent || alone) && args.discovery.peer.is_empty() && specs.iter().any(|spec| spec.writable)
    {
        out.warn("no tracker and no --peer: waiting for peers that connect to us");
    }
}
