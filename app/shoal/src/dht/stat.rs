//! `shoal dht stat` and `run`: how a node does, and a node that stays.

use std::time::{Duration, Instant};

use crossbeam_channel::select;
use discovery::dht::{NetworkStats, NodeId, Query, Stats};
use serde_json::{Value, json};

use super::Tool;
use crate::failure::{Exit, Failure};
use crate::line::{Line, Style};
use crate::units;

/// How often a node that stays says how it does, where nothing can be drawn.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How often it remembers what it knows.
const SAVE_EVERY: Duration = Duration::from_secs(5 * 60);

/// Fills the table by looking for our own neighbours, then prints how the node does.
pub(super) fn stat(tool: &Tool<'_>) -> Result<Exit, Failure> {
    let node = &tool.running.node;
    let stats = node.dht_stats().unwrap_or_default();
    let own = [stats.v4, stats.v6].into_iter().flatten().map(|net| net.id).next();
    let done = tool.ask(Query::Nodes(own.unwrap_or(NodeId([0; 20]))), |_| Ok(()))?;
    let stats = node.dht_stats().unwrap_or_default();
    if tool.out.json() {
        tool.out.event(&as_json(&stats))?;
    } else {
        for (name, net) in [("IPv4", stats.v4), ("IPv6", stats.v6)] {
            let Some(net) = net else { continue };
            lines(name, &net).iter().try_for_each(|line| tool.out.data(line))?;
        }
    }
    tool.finish(done, true, "")
}

/// Runs a node until the user stops it.
pub(super) fn run(tool: &Tool<'_>) -> Result<Exit, Failure> {
    let (node, out) = (&tool.running.node, tool.out);
    for addr in node.listening() {
        out.always(&format!("listening on {addr}"));
        out.event(&json!({ "event": "listening", "addr": addr.to_string() }))?;
    }
    let (mut said, mut saved) = (Instant::now(), Instant::now());
    let every = if out.live() { super::LOOK } else { Duration::from_secs(1) };
    loop {
        select! {
            recv(tool.interrupt.wishes()) -> _ => {
                out.draw(&[]);
                return Ok(Exit::Done);
            }
            recv(node.events()) -> event => match event {
                // Nothing of what comes is for us.
                Ok(_) => continue,
                Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
            },
            default(every) => {}
        }
        let Some(stats) = node.dht_stats() else { continue };
        if out.live() {
            out.draw(&[Line::new(Style::Plain, summary(&stats))]);
        } else if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            out.progress(&summary(&stats));
            out.event(&as_json(&stats))?;
        }
        if saved.elapsed() >= SAVE_EVERY {
            saved = Instant::now();
            tool.running.save();
        }
    }
}

fn summary(stats: &Stats) -> String {
    let nets = || [stats.v4, stats.v6].into_iter().flatten();
    let nodes: usize = nets().map(|net| net.good + net.questionable).sum();
    let torrents: usize = nets().map(|net| net.stored_torrents).sum();
    format!(
        "{}, {} kept for others, {} answered",
        units::count(nodes as u64, "node"),
        units::count(torrents as u64, "torrent"),
        units::count(stats.answers_out, "question"),
    )
}

fn lines(name: &str, net: &NetworkStats) -> Vec<String> {
    let external = net.external.map_or_else(|| "not known yet".into(), |ip| ip.to_string());
    let size = match net.size {
        0 => "not known yet".into(),
        size => format!("about {}", units::count(size, "node")),
    };
    vec![
        format!("{name} id        {}", net.id),
        format!("{name} seen as   {external}"),
        format!("{name} nodes     {} good, {} others", net.good, net.questionable),
        format!("{name} network   {size}"),
        format!(
            "{name} kept      {} with {}, {} of other data",
            units::count(net.stored_torrents as u64, "torrent"),
            units::count(net.stored_peers as u64, "peer"),
            units::count(net.stored_items as u64, "item"),
        ),
    ]
}

fn as_json(stats: &Stats) -> Value {
    let net = |net: Option<NetworkStats>| {
        net.map(|net| {
            json!({
                "id": net.id.to_string(),
                "external": net.external.map(|ip| ip.to_string()),
                "good": net.good,
                "questionable": net.questionable,
                "network_size": net.size,
                "stored_torrents": net.stored_torrents,
                "stored_peers": net.stored_peers,
                "stored_items": net.stored_items,
            })
        })
    };
    json!({
        "event": "stat",
        "v4": net(stats.v4),
        "v6": net(stats.v6),
        "queries_in": stats.queries_in,
        "answers_out": stats.answers_out,
        "limited": stats.limited,
        "malformed": stats.malformed,
        "queries_out": stats.queries_out,
        "answers_in": stats.answers_in,
    })
}
