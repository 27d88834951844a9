//! How a torrent does, as one line: live on a terminal, now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use node::message::{Phase, TorrentStatus};

use crate::out::{self, Out};
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
}

/// The line of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    said: Option<(Instant, u64, Phase)>,
    said_uploaded: u64,
}

impl Meter {
    /// Shows how it does now, if it is time.
    pub(crate) fn show(&mut self, view: &View<'_>, out: &Out, now: Instant) {
        if out.live() {
            let bar = self.bar.get_or_insert_with(|| new_bar(out));
            bar.set_message(live_line(view, out::columns().saturating_sub(1)));
        } else if self.is_due(view, now) {
            out.note(&plain_line(view));
            self.said_uploaded = view.status.stats.uploaded_bytes;
            self.said = Some((now, done_per_mille(view.status), view.status.phase));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn is_due(&mut self, view: &View<'_>, now: Instant) -> bool {
        let done = done_per_mille(view.status);
        let (at, before, phase) = *self.said.get_or_insert((now, done, view.status.phase));
        let passed = now.saturating_duration_since(at);
        match view.status.phase {
            Phase::Opening | Phase::Stopping | Phase::Failed => false,
            Phase::Checking { .. } | Phase::Downloading => {
                let same =
                    std::mem::discriminant(&phase) == std::mem::discriminant(&view.status.phase);
                let more = same && done >= before + PLAIN_STEP_PER_MILLE;
                passed >= PLAIN_EVERY || (more && passed >= PLAIN_EVERY_MIN)
            }
            Phase::Seeding => {
                passed >= PLAIN_SEEDING_EVERY
                    && view.status.stats.uploaded_bytes > self.said_uploaded
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
    bar: Option<ProgressBar>,
    said: (Instant, u64),
}

impl<'a> WorkMeter<'a> {
    /// Work that begins now.
    pub(crate) fn new(label: &'a str, total_bytes: u64) -> Self {
        let started = Instant::now();
        Self { label, total_bytes, started, bar: None, said: (started, 0) }
    }

    /// Shows how far it is, if it is time.
    pub(crate) fn show(&mut self, done_bytes: u64, out: &Out, now: Instant) {
        let per_mille = units::per_mille(done_bytes, self.total_bytes);
        let passed = now.saturating_duration_since(self.said.0);
        let due = if out.live() {
            // The first bar may wait: most work is over before anyone has read it.
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
        let rate = units::mean_rate(done_bytes, time);
        let left = self.total_bytes.saturating_sub(done_bytes).checked_div(rate);
        let left =
            left.map(|left| format!("{} left", units::time(Duration::from_secs(left.max(1)))));
        let percent = units::percent(done_bytes, self.total_bytes);
        let parts = [Some(percent), Some(units::rate(rate)), left];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if out.live() {
            let bar = self.bar.get_or_insert_with(|| new_bar(out));
            bar.set_message(compose((self.label, 0), Some(per_mille), &parts, out::columns() - 1));
        } else {
            out.note(&format!("{}: {}", self.label, parts.join(", ")));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(out: &Out) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg}").expect("the template is right");
    out.multi().add(ProgressBar::no_length().with_style(style))
}

/// How far the present phase is, in thousandths.
fn done_per_mille(status: &TorrentStatus) -> u64 {
    match status.phase {
        Phase::Checking { done, total } => units::per_mille(done.into(), total.into()),
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

fn ratio(status: &TorrentStatus) -> String {
    let per_mille = units::per_mille(status.uploaded_ever_bytes, status.total_bytes);
    format!("ratio {}.{:02}", per_mille / 1000, per_mille % 1000 / 10)
}

/// A line for a log.
fn plain_line(view: &View<'_>) -> String {
    let (name, status) = (view.name, view.status);
    let stats = &status.stats;
    match status.phase {
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
            "{name}: seeding, {} up, {} uploaded, {}, {}",
            units::rate(stats.up_rate),
            units::size(stats.uploaded_bytes),
            ratio(status),
            units::count(stats.peers.into(), "peer"),
        ),
    }
}

/// A line of at most `columns` for a terminal.
fn live_line(view: &View<'_>, columns: usize) -> String {
    let status = view.status;
    let stats = &status.stats;
    let peers = units::count(stats.peers.into(), "peer");
    let up = (stats.up_rate > 0).then(|| format!("↑ {}", units::rate(stats.up_rate)));
    // Fixed widths, so that nothing jumps about.
    let down = format!("↓ {:>10}", units::rate(stats.down_rate));
    let left = time_left(status).map(|left| format!("{:>7} left", units::time(left)));
    // From the most to the least important.
    let (bar, parts): (bool, Vec<String>) = match status.phase {
        Phase::Opening => (false, vec!["opening".into()]),
        Phase::Stopping => (false, vec!["stopping".into()]),
        Phase::Failed => (false, vec!["failed".into()]),
        Phase::Checking { done, total } => {
            let percent = units::percent(done.into(), total.into());
            (true, vec![format!("checking {percent:>6}")])
        }
        Phase::Downloading => {
            let percent = units::percent(status.have_bytes, status.total_bytes);
            let parts = [Some(format!("{percent:>6}")), Some(down), left, Some(peers), up];
            (true, parts.into_iter().flatten().collect())
        }
        Phase::Seeding if view.settled => {
            let lacks = status.have_bytes < status.total_bytes;
            let percent = units::percent(status.have_bytes, status.total_bytes);
            let word = if lacks { format!("seeding {percent}") } else { "seeding".into() };
            let parts = [Some(word), up, Some(peers), Some(ratio(status))];
            (false, parts.into_iter().flatten().collect())
        }
        Phase::Seeding => (false, vec!["writing to disk".into()]),
    };
    let share = done_per_mille(status);
    compose((view.name, view.name_columns), bar.then_some(share), &parts, columns)
}

/// Name, bar and as many of the parts as fit.
fn compose(
    (name, name_columns): (&str, usize),
    share: Option<u64>,
    parts: &[String],
    columns: usize,
) -> String {
    let name_wanted = width(name).max(name_columns.min(NAME_ALIGNED_MAX));
    let name_least = name_wanted.min(NAME_MIN);
    let mut kept = Vec::new();
    let mut right = 0;
    for part in parts {
        let more = 2 + width(part);
        if !kept.is_empty() && name_least + right + more > columns {
            break;
        }
        right += more;
        kept.push(part.as_str());
    }
    let room = columns.saturating_sub(right);
    let bar_columns = room.saturating_sub(name_wanted + 2).min(BAR_MAX);
    let bar = share.filter(|_| bar_columns >= BAR_MIN).map(|share| {
        let filled = usize::try_from(share).unwrap_or(1000) * bar_columns / 1000;
        format!("  {}{}", "█".repeat(filled), "░".repeat(bar_columns - filled))
    });
    let mut line = cut(name, room.min(name_wanted));
    let padding = name_wanted.min(room).saturating_sub(width(&line));
    line.push_str(&" ".repeat(padding));
    line.push_str(&bar.unwrap_or_default());
    for part in kept {
        line.push_str("  ");
        line.push_str(part);
    }
    line
}

/// The beginning of `text` in at most `columns`, with a mark if something is missing.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 0);
    for char in text.chars() {
        used += char_width(char);
        if used + 1 > columns {
            break;
        }
        kept.push(char);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Columns of a text, near enough.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of a character, near enough: the wide blocks of East Asia and of emoji are two.
fn char_width(char: char) -> usize {
    let wide = matches!(u32::from(char),
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd);
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloading() -> TorrentStatus {
        let mut status = TorrentStatus {
            phase: Phase::Downloading,
            have_bytes: 431 << 20,
            total_bytes: 1000 << 20,
            ..TorrentStatus::default()
        };
        status.stats.down_rate = 10 << 20;
        status.stats.peers = 5;
        status
    }

    #[test]
    fn a_line_fits_any_terminal_and_drops_the_least_important_first() {
        let status = downloading();
        for (name, columns, expected) in [
            (
                "debian.iso",
                79,
                "debian.iso  █████████░░░░░░░░░░░░░  43.1 %  ↓ 10.0 MiB/s      56s left  5 peers",
            ),
            ("debian.iso", 60, "debian.iso  43.1 %  ↓ 10.0 MiB/s      56s left  5 peers"),
            (
                "a-very-long-name-of-a-film.mkv",
                50,
                "a-very-long-n…  43.1 %  ↓ 10.0 MiB/s      56s left",
            ),
            ("映画映画映画映画映画", 20, "映画映画映…   43.1 %"),
        ] {
            let line = live_line(
                &View { name, status: &status, name_columns: 0, settled: false },
                columns,
            );
            assert!(width(&line) <= columns, "{line}");
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn a_plain_line_says_the_same_in_words() {
        let status = downloading();
        let line =
            plain_line(&View { name: "x", status: &status, name_columns: 0, settled: false });
        assert_eq!(line, "x: 43.1 % of 1.0 GiB, 10.0 MiB/s down, 0 B/s up, 5 peers, 56s left");
    }
}
