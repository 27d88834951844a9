//! How a torrent does, as one line: live on a terminal, now and then elsewhere.

use std::time::{Duration, Instant};

use node::message::{Phase, TorrentStatus};

use crate::line::{Line, Signs, Style, width};
use crate::out::{Out, Terminal};
use crate::units;

/// Without a terminal, a line comes at least so long after the last one.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// …or earlier, when so much more is done, in thousandths.
const PLAIN_STEP_PER_MILLE: u64 = 100;
/// …but never sooner than this.
const PLAIN_EVERY_MIN: Duration = Duration::from_millis(900);
/// While seeding there is little to tell.
const PLAIN_SEEDING_EVERY: Duration = Duration::from_secs(60);

/// On a terminal, work is shown so often.
const LIVE_EVERY: Duration = Duration::from_millis(250);

/// Columns of a bar.
const BAR_MIN: usize = 8;
const BAR_MAX: usize = 24;
/// Longer names don't push those beside them around.
const NAME_ALIGNED_MAX: usize = 24;
/// A name is cut to no less than this before other things are left out.
const NAME_MIN: usize = 14;

/// What a line is made of.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Printable.
    pub(crate) name: &'a str,
    /// How it does.
    pub(crate) status: &'a TorrentStatus,
    /// Columns that all names beside it get, so that what follows is aligned.
    pub(crate) name_columns: usize,
    /// Everything is on disk.
    pub(crate) settled: bool,
    /// What it seeds for: ` of 1.0` behind the ratio, or `5m left`.
    pub(crate) goal: Option<&'a str>,
    /// Whether a bar is wanted; else there is a map.
    pub(crate) bar: bool,
}

/// When to print a line about a torrent where nothing can be drawn.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    said: Option<(Instant, u64, Phase)>,
    said_uploaded: u64,
}

impl Meter {
    /// Says how it does now, if it is time.
    pub(crate) fn show(&mut self, name: &str, status: &TorrentStatus, out: &Out, now: Instant) {
        if self.is_due(status, now) {
            out.progress(&plain_line(name, status));
            self.said_uploaded = status.stats.uploaded_bytes;
            self.said = Some((now, done_per_mille(status), status.phase));
        }
    }

    fn is_due(&mut self, status: &TorrentStatus, now: Instant) -> bool {
        let done = done_per_mille(status);
        let (at, before, phase) = *self.said.get_or_insert((now, done, status.phase));
        let passed = now.saturating_duration_since(at);
        match status.phase {
            Phase::Opening | Phase::Stopping | Phase::Failed => false,
            Phase::Seeking | Phase::Checking { .. } | Phase::Downloading => {
                let same = std::mem::discriminant(&phase) == std::mem::discriminant(&status.phase);
                let more = same && done >= before + PLAIN_STEP_PER_MILLE;
                passed >= PLAIN_EVERY || (more && passed >= PLAIN_EVERY_MIN)
            }
            Phase::Seeding => {
                passed >= PLAIN_SEEDING_EVERY && status.stats.uploaded_bytes > self.said_uploaded
            }
        }
    }
}

/// The line of work with a known end: hashing.
#[derive(Debug)]
pub(crate) struct WorkMeter<'a> {
    label: &'a str,
    total_bytes: u64,
    started: Instant,
    said: (Instant, u64),
}

impl<'a> WorkMeter<'a> {
    /// Work that begins now.
    pub(crate) fn new(label: &'a str, total_bytes: u64) -> Self {
        let started = Instant::now();
        Self { label, total_bytes, started, said: (started, 0) }
    }

    /// Shows how far it is, if it is time.
    pub(crate) fn show(&mut self, done_bytes: u64, out: &Out, now: Instant) {
        let per_mille = units::per_mille(done_bytes, self.total_bytes);
        let passed = now.saturating_duration_since(self.said.0);
        let due = if out.live() {
            // The first line may wait: most work is over before anyone has read it.
            passed >= LIVE_EVERY
        } else {
            let more = per_mille >= self.said.1 + PLAIN_STEP_PER_MILLE;
            passed >= PLAIN_EVERY || (more && passed >= PLAIN_EVERY_MIN)
        };
        if !due {
            return;
        }
        self.said = (now, per_mille);
        let time = now.saturating_duration_since(self.started);
        if out.live() {
            out.draw(&[work_line(self.label, done_bytes, self.total_bytes, time, out.terminal())]);
        } else {
            let parts = work_parts(done_bytes, self.total_bytes, time);
            let words: Vec<String> = parts.into_iter().map(|part| part.text).collect();
            let (done, speed) = words.split_at(2);
            let parts = [&[done.join(" ")], speed].concat();
            out.progress(&format!("{}: {}", self.label, parts.join(", ")));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self, out: &Out) {
        out.draw(&[]);
    }
}

/// Percent, size, rate, time left.
fn work_parts(done_bytes: u64, total_bytes: u64, time: Duration) -> Vec<Part> {
    let rate = units::mean_rate(done_bytes, time);
    let left = total_bytes.saturating_sub(done_bytes).checked_div(rate);
    let left = left.map(|left| format!("{} left", units::time(Duration::from_secs(left.max(1)))));
    let parts = [
        Some(Part::new(0, Style::Bold, units::percent(done_bytes, total_bytes))),
        Some(Part::new(3, Style::Dim, format!("of {}", units::size(total_bytes)))),
        Some(Part::new(2, Style::Plain, units::rate(rate))),
        left.map(|left| Part::new(1, Style::Plain, left)),
    ];
    parts.into_iter().flatten().collect()
}

fn work_line(
    label: &str,
    done_bytes: u64,
    total_bytes: u64,
    time: Duration,
    terminal: Terminal,
) -> Line {
    let parts = work_parts(done_bytes, total_bytes, time);
    let share = Some(units::per_mille(done_bytes, total_bytes));
    compose((label, 0), share, parts, terminal.columns - 1, terminal.signs)
}

/// How far the present phase is, in thousandths.
fn done_per_mille(status: &TorrentStatus) -> u64 {
    match status.phase {
        Phase::Checking { done, total } => units::per_mille(done.into(), total.into()),
        Phase::Seeking => 0,
        Phase::Opening | Phase::Downloading | Phase::Seeding | Phase::Stopping | Phase::Failed => {
            units::per_mille(status.have_bytes, status.total_bytes)
        }
    }
}

/// The time until all is there at the present rate.
fn time_left(status: &TorrentStatus) -> Option<Duration> {
    let missing = status.total_bytes.saturating_sub(status.have_bytes);
    let seconds = missing.checked_div(status.stats.down_rate)?;
    // A guess of years is none.
    (missing > 0 && seconds < 100 * 86400).then(|| Duration::from_secs(seconds.max(1)))
}

/// `0.35`.
pub(crate) fn ratio(status: &TorrentStatus) -> String {
    let per_mille = units::per_mille(status.uploaded_ever_bytes, status.total_bytes);
    format!("{}.{:02}", per_mille / 1000, per_mille % 1000 / 10)
}

/// A line for a file.
fn plain_line(name: &str, status: &TorrentStatus) -> String {
    let stats = &status.stats;
    match status.phase {
        Phase::Seeking => {
            let peers = units::count(stats.peers.into(), "peer");
            format!("{name}: asking peers what it is, {peers}")
        }
        Phase::Opening => format!("{name}: opening"),
        Phase::Stopping => format!("{name}: stopping"),
        Phase::Failed => format!("{name}: failed"),
        Phase::Checking { done, total } => {
            format!("{name}: checking, {}", units::percent(done.into(), total.into()))
        }
        Phase::Downloading => {
            let left = time_left(status)
                .map_or_else(String::new, |left| format!(", {} left", units::time(left)));
            format!(
                "{name}: {} of {}, {} down, {} up, {}{left}",
                units::percent(status.have_bytes, status.total_bytes),
                units::size(status.total_bytes),
                units::rate(stats.down_rate),
                units::rate(stats.up_rate),
                units::count(stats.peers.into(), "peer"),
            )
        }
        Phase::Seeding => format!(
            "{name}: seeding, {} up, {} uploaded, ratio {}, {}",
            units::rate(stats.up_rate),
            units::size(stats.uploaded_bytes),
            ratio(status),
            units::count(stats.peers.into(), "peer"),
        ),
    }
}

/// A part of a line. When there is no room, those of the highest rank are left out first.
struct Part {
    rank: u8,
    style: Style,
    text: String,
}

impl Part {
    fn new(rank: u8, style: Style, text: impl Into<String>) -> Self {
        Self { rank, style, text: text.into() }
    }
}

/// A line of at most `columns` for a terminal.
pub(crate) fn live_line(view: &View<'_>, columns: usize, signs: &Signs) -> Line {
    let (name, share) = ((view.name, view.name_columns), done_per_mille(view.status));
    let bar =
        view.bar && !matches!(view.status.phase, Phase::Seeking | Phase::Opening | Phase::Seeding);
    compose(name, bar.then_some(share), parts(view, signs), columns, signs)
}

fn parts(view: &View<'_>, signs: &Signs) -> Vec<Part> {
    let (status, stats) = (view.status, &view.status.stats);
    let percent = || units::percent(status.have_bytes, status.total_bytes);
    // Fixed widths, so that nothing jumps about.
    let peers =
        Part::new(3, Style::Plain, format!("{:>8}", units::count(stats.peers.into(), "peer")));
    let arrow = |sign: &str, rate| format!("{sign} {:>10}", units::rate(rate));
    let word = |style, text: &str| Part::new(0, style, text);
    match status.phase {
        Phase::Seeking => vec![word(Style::Busy, "asking peers what it is"), peers],
        Phase::Opening => vec![word(Style::Dim, "opening")],
        Phase::Stopping => vec![word(Style::Dim, "stopping")],
        Phase::Failed => vec![word(Style::Odd, "failed")],
        Phase::Checking { done, total } => {
            let percent = units::percent(done.into(), total.into());
            let found = format!("{} found", units::size(status.have_bytes));
            let word = word(Style::Busy, &format!("checking {percent:>6}"));
            vec![word, Part::new(1, Style::Plain, format!("{found:>14}"))]
        }
        Phase::Downloading => {
            let down = if stats.down_rate > 0 { Style::Busy } else { Style::Plain };
            let left = time_left(status).map(|left| format!("{} left", units::time(left)));
            let left = left.map(|text| Part::new(2, Style::Plain, format!("{text:>12}")));
            let up = (stats.up_rate > 0)
                .then(|| Part::new(4, Style::Plain, arrow(signs.up, stats.up_rate)));
            let size = format!("of {}", units::size(status.total_bytes));
            let parts = [
                Some(Part::new(0, Style::Bold, format!("{:>6}", percent()))),
                Some(Part::new(5, Style::Dim, size)),
                Some(Part::new(1, down, arrow(signs.down, stats.down_rate))),
                left,
                Some(peers),
                up,
            ];
            parts.into_iter().flatten().collect()
        }
        Phase::Seeding if view.settled => {
            let lacks = status.have_bytes < status.total_bytes;
            let state = if lacks { format!("seeding {}", percent()) } else { "seeding".into() };
            let up = if stats.up_rate > 0 { Style::Busy } else { Style::Plain };
            let goal = view.goal.unwrap_or_default();
            let ratio = Part::new(2, Style::Plain, format!("ratio {}{goal}", ratio(status)));
            let uploaded = format!("{} sent", units::size(stats.uploaded_bytes));
            vec![
                word(Style::Good, &state),
                Part::new(1, up, arrow(signs.up, stats.up_rate)),
                peers,
                ratio,
                Part::new(4, Style::Dim, uploaded),
            ]
        }
        Phase::Seeding => vec![word(Style::Busy, "writing to disk")],
    }
}

/// Name, bar and as many of the parts as fit.
fn compose(
    (name, name_columns): (&str, usize),
    share: Option<u64>,
    mut parts: Vec<Part>,
    columns: usize,
    signs: &Signs,
) -> Line {
    let name = signs.text(name);
    let name_wanted = width(&name).max(name_columns.min(NAME_ALIGNED_MAX));
    let name_least = name_wanted.min(NAME_MIN);
    let right = loop {
        let right: usize = parts.iter().map(|part| 2 + width(&part.text)).sum();
        let last = parts.iter().enumerate().max_by_key(|(index, part)| (part.rank, *index));
        match last {
            Some((index, part)) if parts.len() > 1 => {
                // A bar is worth more than the number of peers and what comes after it.
                let bar = if share.is_some() && part.rank >= 3 { BAR_MIN + 2 } else { 0 };
                if name_least + right + bar <= columns {
                    break right;
                }
                parts.remove(index);
            }
            Some(_) | None => break right,
        }
    };
    let room = columns.saturating_sub(right);
    let bar_columns = |name: usize| room.saturating_sub(name + 2).min(BAR_MAX);
    // A bar is worth more than the middle of a name.
    let least = name_wanted.min((room / 2).max(NAME_MIN));
    let share = share.filter(|_| bar_columns(least) >= BAR_MIN);
    let name_columns = if share.is_some() { least } else { name_wanted }.min(room);
    let mut line = Line::new(Style::Plain, signs.shorten(&name, name_columns));
    let padding = name_columns.saturating_sub(line.width());
    line.push(Style::Plain, &" ".repeat(padding));
    if let Some(share) = share {
        line.push(Style::Plain, "  ");
        line.append(&signs.bar(share, bar_columns(name_columns)));
    }
    for part in parts {
        line.push(Style::Plain, "  ");
        line.push(part.style, &part.text);
    }
    line.cut(columns)
}

#[cfg(test)]
mod tests;
