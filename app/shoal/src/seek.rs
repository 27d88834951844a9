//! What a magnet link stands for, for commands that want to know nothing else.

use std::time::Duration;

use base::{InfoHashes, TorrentId};
use crossbeam_channel::select;
use discovery::dht::{Answer, MutableItem, Query, decode_torrent_value, mutable_target};
use net::node::NodeEvent;
use node::hub::Event;
use node::message::Metadata;
use node::spec::MagnetSpec;
use wire::magnet::{Magnet, Topic};
use wire::metainfo::Metainfo;

use crate::args::DiscoveryArgs;
use crate::display::{self, Row};
use crate::failure::{Failure, words};
use crate::interrupt::Interrupt;
use crate::node_setup::{Running, Setup};
use crate::out::Out;
use crate::progress::Meter;
use crate::state_dir;

/// How often we look how it does.
const LOOK: Duration = Duration::from_millis(250);

/// Asks peers what a link stands for. Ends when they have told, or the user stops it.
///
/// # Errors
/// The user stopped it, what they told is of no use, or the node can't be started.
pub(crate) fn metainfo(
    magnet: &Magnet,
    args: &DiscoveryArgs,
    interrupt: &Interrupt,
    out: &Out,
) -> Result<Metainfo, Failure> {
    let state = state_dir::database(args.state.as_deref(), |name| std::env::var_os(name));
    if let Some(state) = &state {
        state_dir::judge_database(state)?;
    }
    let running = Running::start(&Setup { state, ..Setup::new(args) })?;
    let found = wait(magnet, args, &running, interrupt, out);
    out.draw(&[]);
    running.stop();
    let Metadata { info, layers } = found?;
    Metainfo::of_magnet(&info, &layers, magnet).map_err(|error| {
        Failure::with_hint(
            format!("the torrent is of no use: {}", words(&error.to_string())),
            "whoever made it has to make it again",
        )
    })
}

/// The spec of a link, as the command line wants peers to be found.
pub(crate) fn spec(magnet: &Magnet, args: &DiscoveryArgs) -> Result<MagnetSpec, Failure> {
    let Topic::Torrent(info_hashes) = magnet.topic else {
        return Err(Failure::new("a link by public key has to be looked up first"));
    };
    Ok(MagnetSpec {
        info_hashes,
        trackers: magnet.trackers.iter().map(|url| vec![url.clone()]).collect(),
        linked_peers: if args.no_discovery { Vec::new() } else { magnet.peers.clone() },
        peers: args.peer.clone(),
    })
}

fn wait(
    magnet: &Magnet,
    args: &DiscoveryArgs,
    running: &Running,
    interrupt: &Interrupt,
    out: &Out,
) -> Result<Metadata, Failure> {
    let node = &running.node;
    let magnet = &by_name(magnet, running, interrupt)?;
    let spec = spec(magnet, args)?;
    let name = magnet.name.clone().unwrap_or_else(|| spec.info_hashes.first().to_string());
    let Some(torrent) = node.seek(spec) else { return Err(Failure::new("the node is stopping")) };
    let (mut meter, mut since) = (Meter::default(), 0);
    loop {
        let event = select! {
            recv(node.events()) -> event => event,
            recv(interrupt.wishes()) -> _ => {
                leave(running, torrent);
                return Err(Failure::Interrupted);
            }
            default(LOOK) => {
                show(running, torrent, &name, &mut since, &mut meter, out);
                continue;
            }
        };
        match event {
            Ok(NodeEvent::Torrent(Event::Metadata(_, metadata))) => {
                leave(running, torrent);
                return Ok(*metadata);
            }
            Ok(_) => {}
            Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
        }
    }
}

/// The link by the name of the torrent that its owner named last, if it is one by key (BEP 46).
fn by_name(magnet: &Magnet, running: &Running, interrupt: &Interrupt) -> Result<Magnet, Failure> {
    let Topic::Mutable { public_key, salt } = &magnet.topic else { return Ok(magnet.clone()) };
    let node = &running.node;
    let id = node.ask_dht(key_query(public_key, salt)).ok_or_else(no_dht)?;
    let mut newest = None;
    loop {
        let event = select! {
            recv(node.events()) -> event => event,
            recv(interrupt.wishes()) -> _ => return Err(Failure::Interrupted),
        };
        match event {
            Ok(NodeEvent::Torrent(Event::Dht(of, Answer::Mutable(item)))) if of == id => {
                newest = Some(item);
            }
            Ok(NodeEvent::Torrent(Event::Dht(of, Answer::Done(_)))) if of == id => {
                return named(magnet, newest.as_ref()).ok_or_else(unknown_key);
            }
            Ok(_) => {}
            Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
        }
    }
}

/// The question which torrent a key stands for.
pub(crate) fn key_query(public_key: &[u8; 32], salt: &[u8]) -> Query {
    let target = mutable_target(public_key, salt);
    Query::Get { target, salt: salt.to_vec(), newer_than: None }
}

/// The link by the name that the DHT has, if it has one.
pub(crate) fn named(magnet: &Magnet, newest: Option<&MutableItem>) -> Option<Magnet> {
    let name = decode_torrent_value(&newest?.value)?;
    Some(Magnet { topic: Topic::Torrent(InfoHashes::v1(name)), ..magnet.clone() })
}

/// A link by key and no DHT.
pub(crate) fn no_dht() -> Failure {
    Failure::with_hint(
        "a link by public key is looked up in the DHT, which is switched off",
        "leave out --no-dht and --no-discovery",
    )
}

/// A key that stands for nothing.
pub(crate) fn unknown_key() -> Failure {
    Failure::with_hint(
        "the DHT knows of no torrent by that key",
        "what is stored there is forgotten after two hours; its owner has to put it again",
    )
}

/// Leaves the swarm in order: trackers forget us.
fn leave(running: &Running, torrent: TorrentId) {
    running.node.remove(torrent);
    let until = std::time::Instant::now() + Duration::from_secs(2);
    while let Ok(event) = running.node.events().recv_deadline(until) {
        if matches!(event, NodeEvent::Torrent(Event::Removed(..))) {
            return;
        }
    }
}

fn show(
    running: &Running,
    torrent: TorrentId,
    name: &str,
    since: &mut u64,
    meter: &mut Meter,
    out: &Out,
) {
    let (revision, changes) = running.node.changes(*since);
    *since = revision;
    let Some((_, status)) = changes.into_iter().find(|(other, _)| *other == torrent) else {
        return;
    };
    if out.live() {
        let row = Row {
            name,
            status,
            view: None,
            settled: false,
            goal: None,
            ended: false,
            trouble: None,
        };
        out.draw(&display::frame(&[row], false, out.terminal()));
    } else {
        meter.show(name, &status, out, std::time::Instant::now());
    }
}
