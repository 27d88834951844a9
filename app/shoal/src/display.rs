//! What is drawn at the end of a terminal while torrents run: a line for each, a map of its
//! pieces, what it waits for, its peers. Fits any terminal; what matters most comes first.

use node::message::{Phase, TorrentStatus, View};

use crate::line::{Line, Style, width};
use crate::out::Terminal;
use crate::piece_map::{self, Extent};
use crate::progress::{self, live_line};
use crate::{peer_table, units};

/// With more torrents than this, one line tells of all, and lines of those that are active follow.
pub(crate) const LINES_MAX: usize = 8;

/// A torrent, as it is shown.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// Printable.
    pub(crate) name: &'a str,
    /// How it does.
    pub(crate) status: TorrentStatus,
    /// A close look at it, if there was one.
    pub(crate) view: Option<&'a View>,
    /// Everything is on disk.
    pub(crate) settled: bool,
    /// What it seeds for.
    pub(crate) goal: Option<String>,
    /// It failed, or the node has it no more.
    pub(crate) ended: bool,
    /// What keeps it from going on.
    pub(crate) trouble: Option<&'a str>,
}

impl Row<'_> {
    fn is_busy(&self) -> bool {
        let stats = &self.status.stats;
        stats.down_rate + stats.up_rate > 0 || matches!(self.status.phase, Phase::Checking { .. })
    }

    fn has_map(&self) -> bool {
        matches!(self.status.phase, Phase::Checking { .. } | Phase::Downloading)
    }

    /// What the user may want to know when nothing arrives.
    fn hint(&self) -> Option<String> {
        if let Some(trouble) = self.trouble {
            return Some(format!("waiting: {trouble}"));
        }
        let stats = &self.status.stats;
        if self.status.phase != Phase::Downloading {
            return None;
        }
        if stats.peers == 0 {
            return Some("no peers yet: looking for some".into());
        }
        let view = self.view?;
        let nowhere: u32 = view.pieces.iter().map(|bucket| bucket.nowhere).sum();
        let missing = self.status.pieces.saturating_sub(self.status.pieces_have);
        if nowhere > 0 && nowhere >= missing {
            return Some("the connected peers have nothing of what is missing".into());
        }
        let wanted = view.peers.iter().filter(|peer| peer.am_interested);
        if stats.down_rate == 0 && wanted.clone().all(|peer| peer.peer_choking) {
            return Some("waiting for a peer to let us download: all are busy with others".into());
        }
        (nowhere > 0).then(|| {
            format!("{} not with any connected peer", units::count(nowhere.into(), "piece"))
        })
    }
}

/// The whole display, at most one row less than the terminal has.
pub(crate) fn frame(rows: &[Row<'_>], peers: bool, terminal: Terminal) -> Vec<Line> {
    let (columns, signs) = (terminal.columns - 1, terminal.signs);
    let height = terminal.rows - 1;
    let mut lines = Vec::new();
    let mut shown: Vec<&Row<'_>> = rows.iter().filter(|row| !row.ended).collect();
    if rows.len() > LINES_MAX.min(height) {
        lines.push(overview(rows, terminal));
        shown.retain(|row| row.is_busy());
        shown.truncate(LINES_MAX.min(height - 1));
    }
    let maps = shown.iter().filter(|row| row.has_map()).count();
    let roomy = lines.len() + shown.len() + maps <= height.min(16);
    let name_columns = shown.iter().map(|row| width(row.name)).max().unwrap_or(0);
    for row in &shown {
        let map = row.view.filter(|view| roomy && row.has_map() && !view.pieces.is_empty());
        let view = progress::View {
            name: row.name,
            status: &row.status,
            name_columns,
            settled: row.settled,
            goal: row.goal.as_deref(),
            bar: map.is_none(),
        };
        lines.push(live_line(&view, columns, signs));
        if let Some(view) = map {
            let extent = Extent::of(&row.status, rows.len() - 1, terminal);
            lines.extend(piece_map::lines(&view.pieces, &row.status, extent, terminal));
        }
        if roomy && let Some(hint) = row.hint() {
            lines.push(Line::new(Style::Odd, format!("  {}", signs.shorten(&hint, columns - 2))));
        }
    }
    lines.truncate(height);
    if peers {
        let busy = shown.iter().filter_map(|row| row.view);
        let all: Vec<_> = busy.flat_map(|view| view.peers.iter().cloned()).collect();
        let room = height.saturating_sub(lines.len() + 1);
        let table = peer_table::table(&all, columns, room, signs);
        if !table.is_empty() {
            lines.push(Line::default());
            lines.extend(table);
        }
    }
    lines
}

fn overview(rows: &[Row<'_>], terminal: Terminal) -> Line {
    let status = overall(rows);
    let name = overall_name(rows);
    let view = progress::View {
        name: &name,
        status: &status,
        name_columns: 0,
        settled: true,
        goal: None,
        bar: true,
    };
    live_line(&view, terminal.columns - 1, terminal.signs)
}

/// What all torrents together are called.
pub(crate) fn overall_name(rows: &[Row<'_>]) -> String {
    let done = rows.iter().filter(|row| row.settled).count();
    format!("{done} of {} complete", rows.len())
}

/// All torrents taken together.
pub(crate) fn overall(rows: &[Row<'_>]) -> TorrentStatus {
    let mut sum = TorrentStatus::default();
    let mut checking = (0, 0);
    for Row { status, .. } in rows {
        if let Phase::Checking { done, total } = status.phase {
            checking = (checking.0 + done, checking.1 + total);
        }
        sum.total_bytes += status.total_bytes;
        sum.have_bytes += status.have_bytes;
        sum.uploaded_ever_bytes += status.uploaded_ever_bytes;
        sum.stats.uploaded_bytes += status.stats.uploaded_bytes;
        sum.stats.down_rate += status.stats.down_rate;
        sum.stats.up_rate += status.stats.up_rate;
        sum.stats.peers += status.stats.peers;
    }
    let settled = rows.iter().all(|row| row.settled || row.ended);
    sum.phase = match checking {
        (done, total) if total > 0 => Phase::Checking { done, total },
        _ if settled => Phase::Seeding,
        _ => Phase::Downloading,
    };
    sum
}
