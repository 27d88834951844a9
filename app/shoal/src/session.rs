//! A node with its torrents, from adding them until they are gone: what `get` and `seed` share.
//!
//! Waits for news of the node, for the user's wish to stop, and for the next look at how things
//! are; never polls faster than [`LOOK_LIVE`].

mod disk;
mod magnets;
mod router;
mod waiting;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::disk::KnownFile;
use base::{InfoHash, TorrentId};
use crossbeam_channel::select;
use discovery::dht::{MutableItem, QueryId};
use discovery::tracker_client::TrackerReport;
use net::node::NodeEvent;
use node::hub::Event;
use node::message::{PeerNews, Phase, TorrentStatus, View};
use node::spec::{SeedGoal, TorrentSpec};
use serde_json::{Value, json};
use waiting::Waiting;
use wire::magnet::Magnet;
use wire::printable;

use crate::disk_news;
use crate::display::{self, LINES_MAX, Row};
use crate::ending::Ending;
use crate::failure::{Exit, Failure, shown, words};
use crate::interrupt::Interrupt;
use crate::line::unbroken;
use crate::log::{self, Level};
use crate::node_setup::Running;
use crate::orders::Orders;
use crate::out::Out;
use crate::peer_table::as_json;
use crate::piece_map::Extent;
use crate::progress::Meter;
use crate::redact;
use crate::resume;
use crate::units;

/// How often we look how the torrents do: on a terminal, and elsewhere.
const LOOK_LIVE: Duration = Duration::from_millis(250);
const LOOK_PLAIN: Duration = Duration::from_secs(1);

/// How often what the DHT knows is saved, beside at the end.
const SAVE_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long an orderly stop may take: syncing the last pieces and telling the trackers.
const STOP_MAX: Duration = Duration::from_secs(15);

/// What the torrents are here for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be downloaded, then seeded until this is reached.
    Get(SeedGoal),
    /// To be served from this folder.
    Seed(PathBuf),
}

#[derive(Debug)]
struct Item {
    info_hash: InfoHash,
    /// Printable.
    name: String,
    /// Its file or folder.
    place: PathBuf,
    total_bytes: u64,
    /// Of the files that are wanted.
    wanted_bytes: u64,
    /// Files that are wanted, and files in all.
    files: (u64, u64),
    added: Instant,
    status: TorrentStatus,
    settled: bool,
    failed: bool,
    /// The node has it no more.
    gone: bool,
    /// Said that it is incomplete though it was to be served.
    lack_said: bool,
    /// Which trackers work, as last said.
    trackers: BTreeMap<String, bool>,
    meter: Meter,
    reported: Option<Instant>,
    settled_at: Option<Instant>,
    /// What the disk keeps it waiting for.
    trouble: Option<String>,
    /// What others may want of it when it is complete: its files, and the collections it belongs to.
    known: (Vec<KnownFile>, Vec<String>),
    /// The last close look, and whether another one was asked for.
    view: Option<Box<View>>,
    looking: bool,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Session<'a> {
    out: &'a Out,
    running: Running,
    interrupt: &'a Interrupt,
    purpose: Purpose,
    /// Whether peers are to be shown.
    peers: bool,
    items: BTreeMap<TorrentId, Item>,
    /// What is wanted of every torrent.
    orders: &'a Orders<'a>,
    /// What peers are asked about.
    magnets: BTreeMap<TorrentId, Magnet>,
    /// Keys that the DHT is asked about, and the newest that it said (BEP 46).
    lookups: BTreeMap<QueryId, (Magnet, Option<MutableItem>)>,
    /// Of them, those that it knew nothing of, and those that were not waited for.
    lost_lookups: usize,
    dropped_lookups: usize,
    /// When the state of the DHT was saved last.
    saved: Instant,
    /// Torrents that are not added yet.
    waiting: Vec<Waiting>,
    /// How many items the node still has.
    open: usize,
    since: u64,
    overview: Meter,
    stop_until: Option<Instant>,
    /// Stopped while the files were still being looked at.
    stopped_early: bool,
    /// Said that descriptors are short.
    pause_said: bool,
}

impl<'a> Session<'a> {
    /// A session of a node that has no torrents yet.
    pub(crate) fn new(
        out: &'a Out,
        running: Running,
        interrupt: &'a Interrupt,
        purpose: Purpose,
        orders: &'a Orders<'a>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            out,
            running,
            interrupt,
            purpose,
            peers: orders.network.peers,
            orders,
            magnets: BTreeMap::new(),
            lookups: BTreeMap::new(),
            lost_lookups: 0,
            dropped_lookups: 0,
            saved: Instant::now(),
            items: BTreeMap::new(),
            waiting: Vec::new(),
            open: 0,
            since: 0,
            overview: Meter::default(),
            stop_until: None,
            stopped_early: false,
            pause_said: false,
        })
    }

    /// The node.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }

    /// Adds a torrent.
    fn add(&mut self, spec: TorrentSpec) -> Result<(), Failure> {
        let mut item = Item::new(spec.info_hashes.first(), String::new(), PathBuf::new());
        item.become_known(&spec);
        item.status = TorrentStatus::default();
        let Some(torrent) = self.running.node.add(spec) else {
            self.out.warn(&format!("the same torrent was given twice: {}", item.name));
            return Ok(());
        };
        self.out.event(&item.added_event())?;
        self.items.insert(torrent, item);
        self.open += 1;
        Ok(())
    }

    /// Runs until every torrent is done or the user stops, then ends the node.
    pub(crate) fn run(mut self) -> Result<Exit, Failure> {
        // Only now: who dials us on this word must find the torrents.
        for addr in self.running.node.listening() {
            self.out.always(&format!("listening on {addr}"));
            self.out.event(&json!({ "event": "listening", "addr": addr.to_string() }))?;
        }
        let result = self.drive();
        if result.is_err() {
            self.wind_down();
        }
        if self.open > 0 {
            self.out.warn(
                "some disk or tracker did not answer in time; \
                 the pieces of the last seconds may have to be fetched again",
            );
        }
        self.clear();
        self.say_end();
        self.running.stop();
        result?;
        let failed = self.lost_lookups > 0 || self.items.values().any(|item| item.failed);
        let asked = self.dropped_lookups == 0;
        let complete =
            asked && self.waiting.is_empty() && self.items.values().all(|item| item.settled);
        Ok(match (failed, complete) {
            (true, _) => Exit::Failed,
            (false, true) => Exit::Done,
            (false, false) => Exit::Interrupted,
        })
    }

    fn say_end(&self) {
        let count = |is: fn(&Item) -> bool| self.items.values().filter(|item| is(item)).count();
        let sum = |of: fn(&Item) -> u64| self.items.values().map(of).fold(0, u64::saturating_add);
        let ending = Ending {
            serving: matches!(self.purpose, Purpose::Seed(_)),
            stopped: self.stop_until.is_some(),
            checking: self.stopped_early,
            torrents: self.items.len() + self.dropped_lookups,
            complete: count(|item| item.settled),
            failed: count(|item| item.failed),
            have_bytes: sum(|item| item.status.wanted_have_bytes),
            total_bytes: sum(|item| item.wanted_bytes),
            uploaded_bytes: sum(|item| item.status.stats.uploaded_bytes),
        };
        let command = resume::command();
        if let Some(words) = ending.words(&resume::with(command.clone())) {
            self.out.copyable(&words);
            if ending.stopped {
                let (have, total) = (ending.have_bytes, ending.total_bytes);
                let fields = json!({
                    "event": "stopped", "have_bytes": have, "total_bytes": total, "resume": command,
                });
                // Nobody to tell that nobody reads it.
                self.out.event(&fields).ok();
            }
        }
    }

    fn drive(&mut self) -> Result<(), Failure> {
        let every = if self.out.live() { LOOK_LIVE } else { LOOK_PLAIN };
        let mut next_look = Instant::now() + every;
        while self.open > 0 {
            let now = Instant::now();
            if self.stop_until.is_some_and(|until| until <= now) {
                return Ok(());
            }
            if next_look <= now {
                self.look(now)?;
                next_look = now + every;
            }
            let wait = next_look.saturating_duration_since(now);
            let event = select! {
                recv(self.running.node.events()) -> event => match event {
                    Ok(event) => Some(event),
                    Err(_gone) => return Err(Failure::new("the node ended unexpectedly")),
                },
                recv(self.interrupt.wishes()) -> _ => {
                    self.stop();
                    None
                },
                default(wait) => None,
            };
            if let Some(event) = event {
                self.on_event(event)?;
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        if self.stop_until.is_some() {
            return;
        }
        self.stop_until = Some(Instant::now() + STOP_MAX);
        self.clear();
        self.out.note("stopping; Ctrl-C again ends at once");
        self.take_changes();
        let early = |item: &Item| {
            let phase = item.status.phase;
            !item.settled && matches!(phase, Phase::Opening | Phase::Checking { .. })
        };
        self.stopped_early = self.items.values().any(early);
        // Their answers are of no more interest.
        self.dropped_lookups = core::mem::take(&mut self.lookups).len();
        self.open -= self.dropped_lookups;
        for &torrent in self.items.keys() {
            self.running.node.remove(torrent);
        }
    }

    /// Nobody reads what we say any more: stops in order all the same.
    fn wind_down(&mut self) {
        self.stop();
        let until = Instant::now() + STOP_MAX;
        while self.open > 0 {
            match self.running.node.events().recv_deadline(until) {
                Ok(NodeEvent::Torrent(Event::Removed(..))) => self.open -= 1,
                Ok(_) => {}
                Err(_too_late) => return,
            }
        }
    }

    fn clear(&mut self) {
        self.out.draw(&[]);
    }

    /// Looks how the torrents do and shows it.
    fn look(&mut self, now: Instant) -> Result<(), Failure> {
        let changed = self.take_changes();
        for &torrent in &changed {
            self.judge_lack(torrent)?;
        }
        if self.stop_until.is_some() {
            return Ok(());
        }
        self.judge_waiting(now)?;
        if now.saturating_duration_since(self.saved) >= SAVE_EVERY {
            self.saved = now;
            self.running.save();
        }
        if self.out.json() {
            return self.report(&changed, now);
        }
        if self.out.live() {
            self.look_closely();
            let rows = self.rows(now);
            self.out.draw(&display::frame(&rows, self.peers, self.out.terminal()));
            return Ok(());
        }
        self.say_plainly(now);
        Ok(())
    }

    /// Asks for what only those want to know who watch.
    fn look_closely(&mut self) {
        let (others, terminal) = (self.items.len().saturating_sub(1), self.out.terminal());
        let few = self.items.len() <= LINES_MAX;
        let busy = |item: &Item| item.status.stats.down_rate + item.status.stats.up_rate > 0;
        let watched = self.items.iter_mut().filter(|(_, item)| !item.failed && !item.gone);
        let watched = watched.filter(|(_, item)| few || busy(item)).take(LINES_MAX);
        for (&torrent, item) in watched.filter(|(_, item)| !item.looking) {
            let buckets = Extent::of(&item.status, others, terminal).buckets();
            item.looking = true;
            self.running.node.look(torrent, buckets);
        }
    }

    fn rows(&self, now: Instant) -> Vec<Row<'_>> {
        let row = |item| self.row(item, now);
        self.items.values().map(row).collect()
    }

    fn row<'b>(&self, item: &'b Item, now: Instant) -> Row<'b> {
        let mut status = item.wanted_status();
        status.phase = self.purpose.phase(status.phase);
        let settled = item.settled || matches!(self.purpose, Purpose::Seed(_));
        let goal = match self.purpose {
            Purpose::Get(SeedGoal::Ratio { per_mille }) => {
                Some(format!(" of {}", ratio_text(per_mille)))
            }
            Purpose::Get(SeedGoal::Time(time)) => item.settled_at.map(|since| {
                let passed = now.saturating_duration_since(since);
                format!(", {} to go", units::time_whole(time.saturating_sub(passed)))
            }),
            Purpose::Get(SeedGoal::None | SeedGoal::Forever) | Purpose::Seed(_) => None,
        };
        Row {
            name: &item.name,
            status,
            view: item.view.as_deref(),
            settled,
            goal,
            ended: item.failed || item.gone,
            trouble: item.trouble.as_deref(),
        }
    }

    /// Where nothing can be drawn: a line now and then.
    fn say_plainly(&mut self, now: Instant) {
        if self.items.len() > LINES_MAX {
            let rows = self.rows(now);
            let (name, status) = (display::overall_name(&rows), display::overall(&rows));
            self.overview.show(&name, &status, self.out, now);
            return;
        }
        for item in self.items.values_mut().filter(|item| !item.failed && !item.gone) {
            let mut status = item.wanted_status();
            status.phase = self.purpose.phase(status.phase);
            item.meter.show(&item.name, &status, self.out, now);
        }
    }

    fn on_view(&mut self, torrent: TorrentId, view: Box<View>) -> Result<(), Failure> {
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        item.looking = false;
        if self.out.json() {
            return self.out.event(&item.event("peers", &[("peers", as_json(&view.peers))]));
        }
        item.view = Some(view);
        Ok(())
    }

    fn take_changes(&mut self) -> Vec<TorrentId> {
        let (revision, changes) = self.running.node.changes(self.since);
        self.since = revision;
        let mut changed = Vec::new();
        for (torrent, status) in changes {
            if let Some(item) = self.items.get_mut(&torrent) {
                item.status = status;
                changed.push(torrent);
            }
        }
        changed
    }

    /// Progress as JSON, for each torrent at most once a second.
    fn report(&mut self, changed: &[TorrentId], now: Instant) -> Result<(), Failure> {
        for torrent in changed {
            let Some(item) = self.items.get_mut(torrent) else { continue };
            if item
                .reported
                .is_some_and(|at| now.saturating_duration_since(at) < LOOK_PLAIN * 9 / 10)
            {
                continue;
            }
            item.reported = Some(now);
            if self.peers && !item.looking {
                item.looking = true;
                self.running.node.look(*torrent, 0);
            }
            let status = &item.status;
            self.out.event(&item.event(
                "progress",
                &[
                    ("phase", phase_name(self.purpose.phase(status.phase)).into()),
                    ("have_bytes", status.have_bytes.into()),
                    ("total_bytes", item.total_bytes.into()),
                    ("wanted_have_bytes", status.wanted_have_bytes.into()),
                    ("wanted_bytes", item.wanted_bytes.into()),
                    ("down_rate", status.stats.down_rate.into()),
                    ("up_rate", status.stats.up_rate.into()),
                    ("peers", status.stats.peers.into()),
                    ("uploaded_ever_bytes", status.uploaded_ever_bytes.into()),
                ],
            ))?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: NodeEvent) -> Result<(), Failure> {
        match event {
            NodeEvent::AcceptPaused => {
                // At the limit this comes and goes every second; once is enough.
                if !std::mem::replace(&mut self.pause_said, true) {
                    self.out
                        .warn("too many open files; new peers wait until some connections close");
                }
                self.out.event(&json!({ "event": "accept_paused" }))
            }
            NodeEvent::AcceptResumed => self.out.event(&json!({ "event": "accept_resumed" })),
            NodeEvent::Lost(count) => {
                let news = units::count(count, "report");
                self.out.warn(&format!("{news} of trackers and disks not shown, too many at once"));
                self.out.event(&json!({ "event": "lost", "count": count }))
            }
            NodeEvent::Torrent(Event::Settled(torrent, status)) => {
                self.on_settled(torrent, *status)
            }
            NodeEvent::Torrent(Event::Failed(torrent, error)) => {
                self.fail(torrent, &words(&error.to_string()), disk_news::hint(&error))
            }
            NodeEvent::Torrent(Event::Trouble(torrent, why)) => {
                self.on_trouble(torrent, why.as_ref())
            }
            NodeEvent::Torrent(Event::Doubted(torrent, path, why)) => {
                self.on_doubted(torrent, &path, why)
            }
            NodeEvent::Torrent(Event::Lost(torrent, pieces)) => self.on_lost(torrent, pieces),
            NodeEvent::Torrent(Event::GoalReached(torrent)) => self.on_goal(torrent),
            NodeEvent::Torrent(Event::Removed(torrent, status)) => {
                if let Some(item) = self.items.get_mut(&torrent) {
                    item.status = *status;
                    item.gone = true;
                    self.open -= 1;
                }
                Ok(())
            }
            NodeEvent::Torrent(Event::Tracker(torrent, url, report)) => {
                self.on_tracker(torrent, &url, &report)
            }
            NodeEvent::Torrent(Event::Peer(torrent, addr, news)) => {
                self.on_peer(torrent, addr, news)
            }
            NodeEvent::Torrent(Event::View(torrent, view)) => self.on_view(torrent, view),
            NodeEvent::Torrent(Event::Diary(torrent, entry)) => {
                if let Some(item) = self.items.get(&torrent) {
                    let (level, words) = log::entry_words(&entry);
                    self.out.log(level, &format!("{}: {words}", item.name));
                }
                Ok(())
            }
            NodeEvent::Torrent(Event::Dht(id, answer)) => self.on_dht(id, answer),
            NodeEvent::Torrent(Event::Metadata(torrent, metadata)) => {
                self.on_metadata(torrent, &metadata)
            }
            NodeEvent::Torrent(Event::PortMapped(mapped)) => self.on_port_mapped(mapped),
            NodeEvent::Torrent(Event::PortMapFailed(why)) => self.on_port_map_failed(&why),
            // Only asked for before the session runs.
            NodeEvent::Torrent(Event::Fetched(_)) => Ok(()),
        }
    }

    fn on_settled(&mut self, torrent: TorrentId, status: TorrentStatus) -> Result<(), Failure> {
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        item.status = status;
        item.settled = true;
        item.settled_at = Some(Instant::now());
        let time = item.added.elapsed();
        let downloaded = item.status.stats.downloaded_bytes;
        let rate = units::mean_rate(downloaded, time);
        let what = match item.files {
            (wanted, files) if wanted < files => format!("{wanted} of {files} files complete"),
            _ => "complete".to_owned(),
        };
        self.out.event(&item.event(
            "complete",
            &[
                ("total_bytes", item.total_bytes.into()),
                ("wanted_bytes", item.wanted_bytes.into()),
                ("downloaded_bytes", downloaded.into()),
                ("seconds", time.as_secs_f64().into()),
                ("mean_rate", rate.into()),
                ("path", item.place.to_string_lossy().into()),
            ],
        ))?;
        let info_hash = item.info_hash;
        self.remember_files(info_hash, &self.items[&torrent]);
        self.say_complete(torrent, time, rate, &what)?;
        self.start_waiting(info_hash)
    }

    fn say_complete(
        &self,
        torrent: TorrentId,
        time: Duration,
        rate: u64,
        what: &str,
    ) -> Result<(), Failure> {
        let item = &self.items[&torrent];
        let size = units::size(item.wanted_bytes);
        if self.out.json() {
            self.out.log(Level::Info, &format!("{}: {what}, {size}", item.name));
            return Ok(());
        }
        let downloaded = item.status.stats.downloaded_bytes;
        let place = unbroken(&shown(&item.place));
        match &self.purpose {
            Purpose::Seed(_) => {
                self.out.note(&format!("seeding {}: {size}, complete", item.name));
            }
            Purpose::Get(goal) => {
                let name = unbroken(&item.name);
                self.out.result(&if downloaded == 0 {
                    format!("{name}: {what}, {size}, was there already, in {place}")
                } else {
                    let (time, rate) = (units::time(time), units::rate(rate));
                    // What an earlier run brought was not as fast as that.
                    let part = if downloaded < item.wanted_bytes {
                        format!(", {} of it", units::size(downloaded))
                    } else {
                        String::new()
                    };
                    format!("{name}: {what}, {size}{part} in {time} ({rate}), in {place}")
                })?;
                if let Some(until) = goal_text(*goal) {
                    self.out.note(&format!("{name}: seeding {until}; Ctrl-C stops"));
                }
            }
        }
        Ok(())
    }

    fn on_goal(&mut self, torrent: TorrentId) -> Result<(), Failure> {
        let Some(item) = self.items.get(&torrent) else { return Ok(()) };
        let uploaded = item.status.uploaded_ever_bytes;
        if self.purpose != Purpose::Get(SeedGoal::None) {
            let name = &item.name;
            self.out.note(&format!("{name}: seeded enough, {} uploaded", units::size(uploaded)));
        }
        self.out.event(&item.event("goal_reached", &[("uploaded_ever_bytes", uploaded.into())]))
    }

    fn on_peer(
        &mut self,
        torrent: TorrentId,
        addr: SocketAddr,
        news: PeerNews,
    ) -> Result<(), Failure> {
        let Some(item) = self.items.get(&torrent) else { return Ok(()) };
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let (state, reason) = match news {
            PeerNews::Left(reason) => ("left", Value::from(reason.to_string())),
            PeerNews::Banned => ("banned", Value::Null),
        };
        if news == PeerNews::Banned {
            let (name, ip) = (&item.name, addr.ip());
            self.out.warn(&format!("{name}: {ip} sent corrupt data; it is not talked to any more"));
        }
        self.out.event(&item.event(
            "peer",
            &[("addr", addr.to_string().into()), ("state", state.into()), ("reason", reason)],
        ))
    }

    fn fail(&mut self, torrent: TorrentId, why: &str, hint: Option<&str>) -> Result<(), Failure> {
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        if std::mem::replace(&mut item.failed, true) {
            return Ok(());
        }
        self.out.error(&Failure::Told {
            message: format!("{}: {why}", item.name),
            hint: self.purpose.hint(&item.place).or(hint.map(str::to_owned)),
        });
        self.out.event(&item.event("failed", &[("reason", why.into())]))?;
        let info_hash = item.info_hash;
        self.running.node.remove(torrent);
        self.start_waiting(info_hash)
    }

    /// A torrent that is to be served should be complete.
    fn judge_lack(&mut self, torrent: TorrentId) -> Result<(), Failure> {
        let Purpose::Seed(data) = &self.purpose else { return Ok(()) };
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        let status = &item.status;
        if item.lack_said || status.phase != Phase::Downloading {
            return Ok(());
        }
        item.lack_said = true;
        let (have, pieces) = (status.pieces_have, status.pieces);
        if have == 0 {
            let why = format!("nothing of it is in {}", shown(data));
            return self.fail(torrent, &why, None);
        }
        self.out.warn(&format!(
            "{} has {have} of {pieces} pieces; only these are served\n\
             hint: `shoal verify` says what is missing, `shoal get -o {}` fetches it",
            item.name,
            shown(data),
        ));
        self.out.event(
            &item.event("incomplete", &[("pieces_have", have.into()), ("pieces", pieces.into())]),
        )
    }

    /// One line per tracker when it begins to work or to fail, not for each retry.
    fn on_tracker(
        &mut self,
        torrent: TorrentId,
        url: &str,
        report: &TrackerReport,
    ) -> Result<(), Failure> {
        let Some(item) = self.items.get_mut(&torrent) else { return Ok(()) };
        let (works, text) = match report {
            TrackerReport::Working { seeders, leechers, .. } => {
                let number = |count: &Option<u32>, noun| {
                    count.map(|count| format!(", {}", units::count(count.into(), noun)))
                };
                let seeds = number(seeders, "seed").unwrap_or_default();
                let peers = number(leechers, "downloader").unwrap_or_default();
                (Some(true), format!("works{seeds}{peers}"))
            }
            TrackerReport::Failed { reason, retry_in } => {
                let again = match retry_in {
                    Some(time) => format!("; next try in {}", units::time(*time)),
                    None => "; it is not tried again".into(),
                };
                (Some(false), format!("failed: {}{again}", words(reason)))
            }
            TrackerReport::Warning(text) => (None, format!("says: {}", words(text))),
            TrackerReport::Ignored(why) => (Some(false), format!("is not used: {why}")),
            TrackerReport::Scraped { seeders, leechers, downloaded } => {
                let seeds = units::count(u64::from(*seeders), "seed");
                let peers = units::count(u64::from(*leechers), "downloader");
                let times = units::count(u64::from(*downloaded), "download");
                (None, format!("counts {seeds}, {peers}, {times} so far"))
            }
            TrackerReport::ScrapeFailed { .. } => return Ok(()),
        };
        let (name, text) = (redact::host(url), redact::text(&text, url));
        self.out.log(Level::Debug, &format!("{}: tracker {name} {text}", item.name));
        if let Some(works) = works
            && item.trackers.insert(url.to_owned(), works) == Some(works)
        {
            return Ok(());
        }
        self.out.note(&format!("{}: tracker {name} {text}", item.name));
        let state = match works {
            Some(true) => "working",
            Some(false) => "failed",
            None => "warning",
        };
        let url = redact::tracker(url);
        self.out.event(&item.event(
            "tracker",
            &[("url", url.into()), ("state", state.into()), ("text", text.into())],
        ))
    }
}

impl Item {
    /// How it does with what is wanted of it.
    fn wanted_status(&self) -> TorrentStatus {
        TorrentStatus {
            have_bytes: self.status.wanted_have_bytes,
            total_bytes: self.wanted_bytes,
            ..self.status.clone()
        }
    }

    fn event(&self, event: &str, fields: &[(&str, Value)]) -> Value {
        let mut value = json!({
            "event": event,
            "info_hash": self.info_hash.to_string(),
            "name": self.name,
        });
        if let Some(map) = value.as_object_mut() {
            map.extend(fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        }
        value
    }
}

impl Purpose {
    /// What is only served is never downloaded, complete or not.
    fn phase(&self, phase: Phase) -> Phase {
        match (self, phase) {
            (Self::Seed(_), Phase::Downloading) => Phase::Seeding,
            (Self::Seed(_) | Self::Get(_), phase) => phase,
        }
    }

    /// What to try when the files of a torrent to be served are not there.
    fn hint(&self, place: &Path) -> Option<String> {
        let Self::Seed(data) = self else { return None };
        let name = place.file_name()?;
        if place.exists() {
            return None;
        }
        let folder = if data.file_name() == Some(name) && data.exists() {
            data.parent()?.display().to_string()
        } else {
            "DIR".into()
        };
        let name = printable(name.as_encoded_bytes(), 200);
        Some(format!("name the folder that holds {name}: --data {folder}"))
    }
}

fn goal_text(goal: SeedGoal) -> Option<String> {
    match goal {
        SeedGoal::None => None,
        SeedGoal::Ratio { per_mille } => Some(format!("until ratio {}", ratio_text(per_mille))),
        SeedGoal::Time(time) => Some(format!("for {}", units::time(time))),
        SeedGoal::Forever => Some("until you stop it".into()),
    }
}

fn ratio_text(per_mille: u64) -> String {
    let text = format!("{}.{:03}", per_mille / 1000, per_mille % 1000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Seeking => "seeking",
        Phase::Opening => "opening",
        Phase::Checking { .. } => "checking",
        Phase::Downloading => "downloading",
        Phase::Seeding => "seeding",
        Phase::Stopping => "stopping",
        Phase::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_said_in_words() {
        for (per_mille, expected) in [(1000, "1.0"), (1500, "1.5"), (1250, "1.25"), (0, "0.0")] {
            assert_eq!(ratio_text(per_mille), expected);
        }
    }
}
