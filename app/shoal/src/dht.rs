//! `shoal dht`: the DHT as a tool of its own.

mod item;
mod stat;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base::InfoHash;
use crossbeam_channel::select;
use discovery::dht::{Announce, Answer, Done, NodeId, Query};
use net::node::NodeEvent;
use node::hub::Event;
use serde_json::{Value, json};
use wire::magnet::{Magnet, Topic, is_magnet};
use wire::unhex;

use crate::args::dht::{AnnounceArgs, Command, DhtArgs, LookupArgs, PeersArgs};
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::line::{Line, Style};
use crate::node_setup::{Running, Setup};
use crate::out::Out;
use crate::{state_dir, units};

/// How often we look how it goes.
const LOOK: Duration = Duration::from_millis(250);

/// Runs `shoal dht`.
pub(crate) fn dht(args: &DhtArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let tool = |read_only| Tool::start(args, read_only, &interrupt, out);
    match &args.command {
        Command::Lookup(what) => tool(true)?.run(|tool| lookup(tool, what)),
        Command::Peers(what) => tool(true)?.run(|tool| peers(tool, what)),
        Command::Announce(what) => tool(true)?.run(|tool| announce(tool, what)),
        Command::Get(what) => {
            let wanted = item::wanted(what)?;
            tool(true)?.run(|tool| item::get(tool, &wanted))
        }
        Command::Put(what) => {
            let put = item::to_put(what, out)?;
            tool(true)?.run(|tool| item::put(tool, put))
        }
        Command::Stat => tool(false)?.run(stat::stat),
        Command::Run => tool(false)?.run(stat::run),
    }
}

/// A node of the DHT for one command.
pub(crate) struct Tool<'a> {
    running: Running,
    interrupt: &'a Interrupt,
    out: &'a Out,
}

impl<'a> Tool<'a> {
    fn start(
        args: &DhtArgs,
        read_only: bool,
        interrupt: &'a Interrupt,
        out: &'a Out,
    ) -> Result<Self, Failure> {
        let state = state_dir::database(args.state.as_deref(), |name| std::env::var_os(name));
        if let Some(state) = &state {
            state_dir::judge_database(state)?;
        }
        let setup = Setup {
            listen: args.listen.clone(),
            bootstrap: args.bootstrap.clone(),
            dht: true,
            read_only,
            state,
            ..Setup::default()
        };
        Ok(Self { running: Running::start(&setup)?, interrupt, out })
    }

    /// Runs a command, then ends the node.
    fn run(self, command: impl FnOnce(&Self) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
        let exit = command(&self);
        self.out.draw(&[]);
        self.running.stop();
        exit
    }

    /// Asks, and gives every answer to `take` until the last one, which says how it went.
    fn ask(
        &self,
        query: Query,
        mut take: impl FnMut(Answer) -> Result<(), Failure>,
    ) -> Result<Done, Failure> {
        let node = &self.running.node;
        let Some(id) = node.ask_dht(query) else {
            return Err(Failure::new("the node is stopping"));
        };
        let began = Instant::now();
        loop {
            let event = select! {
                recv(node.events()) -> event => event,
                recv(self.interrupt.wishes()) -> _ => return Err(Failure::Interrupted),
                default(LOOK) => {
                    self.show(began);
                    continue;
                }
            };
            match event {
                Ok(NodeEvent::Torrent(Event::Dht(of, answer))) if of == id => {
                    self.out.draw(&[]);
                    if let Answer::Done(done) = answer {
                        return Ok(done);
                    }
                    take(answer)?;
                }
                Ok(_) => {}
                Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
            }
        }
    }

    fn show(&self, began: Instant) {
        if !self.out.live() {
            return;
        }
        let Some(stats) = self.running.node.dht_stats() else { return };
        let asked = units::count(stats.queries_out, "question");
        let text = format!(
            "asking the DHT, {asked}, {}, {}",
            units::count(stats.answers_in, "answer"),
            units::time(began.elapsed())
        );
        self.out.draw(&[Line::new(Style::Dim, text)]);
    }

    /// Says how it went to who reads, and gives the exit: done if something came of it.
    fn finish(&self, done: Done, came: bool, nothing: &str) -> Result<Exit, Failure> {
        self.out.event(&json!({
            "event": "done", "asked": done.asked, "answered": done.answered,
            "stored": done.stored, "refused": done.refused,
        }))?;
        if done.answered == 0 {
            return Err(Failure::with_hint(
                "no node of the DHT answered",
                "is UDP let through? --bootstrap HOST:PORT names a node to begin with",
            ));
        }
        let (answered, asked) = (done.answered, units::count(done.asked.into(), "node"));
        self.out.note(&format!("{answered} of {asked} answered"));
        if came {
            return Ok(Exit::Done);
        }
        Err(Failure::new(nothing))
    }
}

/// An info-hash in hexadecimal digits, or a magnet link.
fn info_hash(text: &str) -> Result<InfoHash, Failure> {
    if is_magnet(text)
        && let Ok(Magnet { topic: Topic::Torrent(names), .. }) = Magnet::decode(text)
    {
        return Ok(names.first());
    }
    match (unhex(text), unhex::<32>(text)) {
        (Some(hash), _) => Ok(InfoHash(hash)),
        // The DHT has room for 20 bytes of a name of version 2 (BEP 52).
        (None, Some(hash)) => Ok(base::InfoHashV2(hash).truncated()),
        (None, None) => Err(Failure::with_hint(
            format!("not an info-hash: {}", wire::visible(text)),
            "give 40 or 64 hexadecimal digits, as `shoal show` prints them, or a magnet link",
        )),
    }
}

/// Prints lines, or events with `--json`.
fn print(out: &Out, line: &str, event: &Value) -> Result<(), Failure> {
    if out.json() { out.event(event) } else { out.data(line) }
}

fn lookup(tool: &Tool<'_>, args: &LookupArgs) -> Result<Exit, Failure> {
    let target = match unhex(&args.id) {
        Some(id) => NodeId(id),
        None => NodeId(info_hash(&args.id)?.0),
    };
    let mut found = 0;
    let done = tool.ask(Query::Nodes(target), |answer| {
        let Answer::Nodes(nodes) = answer else { return Ok(()) };
        found += nodes.len();
        nodes.iter().try_for_each(|(id, addr)| {
            let (id, addr) = (id.to_string(), units::addr(*addr));
            let event = json!({ "event": "node", "id": id, "addr": addr });
            print(tool.out, &format!("{id} {addr}"), &event)
        })
    })?;
    tool.finish(done, found > 0, "no node was found")
}

fn peers(tool: &Tool<'_>, args: &PeersArgs) -> Result<Exit, Failure> {
    let info_hash = info_hash(&args.info_hash)?;
    let mut seen: BTreeSet<SocketAddr> = BTreeSet::new();
    let mut counts = None;
    let query = Query::Peers { info_hash, scrape: args.scrape };
    let done = tool.ask(query, |answer| {
        if let Answer::Peers(addrs) = answer {
            for addr in addrs.into_iter().filter(|addr| seen.insert(*addr)) {
                let addr = units::addr(addr);
                print(tool.out, &addr, &json!({ "event": "peer", "addr": addr }))?;
            }
        } else if let Answer::Scrape { seeds, peers } = answer {
            counts = Some((seeds, peers));
        }
        Ok(())
    })?;
    if let Some((seeds, peers)) = counts {
        let event = json!({ "event": "scrape", "seeds": seeds, "peers": peers });
        tool.out.event(&event)?;
        tool.out.note(&format!(
            "about {} and {}",
            units::count(seeds.into(), "seed"),
            units::count(peers.into(), "downloader")
        ));
    }
    tool.finish(done, !seen.is_empty(), "nobody has announced this torrent")
}

fn announce(tool: &Tool<'_>, args: &AnnounceArgs) -> Result<Exit, Failure> {
    let announce = Announce { port: args.port, implied_port: false, seed: args.seed };
    let query = Query::Announce { info_hash: info_hash(&args.info_hash)?, announce };
    let done = tool.ask(query, |_| Ok(()))?;
    let nodes = units::count(done.stored.into(), "node");
    if done.stored > 0 {
        tool.out.note(&format!(
            "{nodes} will tell others for about half an hour; announce again to stay"
        ));
    }
    tool.finish(done, done.stored > 0, "no node took the announce")
}
