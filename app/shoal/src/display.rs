//! What is drawn at the end of a terminal while torrents run: a line for each, a map of its
//! pieces, what it waits for, its peers. Fits any terminal; what matters most comes first.

use node::message::{PeerView, Phase, TorrentStatus, View};

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
            return Some("no peers yet".into());
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
            lines.push(Line::new(
                Style::Odd,
                format!("  {}", signs.shorten(&hint, columns.saturating_sub(2))),
            ));
        }
    }
    lines.truncate(height);
    if peers {
        let seen = shown.iter().filter_map(|row| row.view.map(|view| (row.name, view)));
        let all: Vec<(&str, &PeerView)> =
            seen.flat_map(|(name, view)| view.peers.iter().map(move |peer| (name, peer))).collect();
        let room = height.saturating_sub(lines.len() + 1);
        let table = peer_table::table(&all, columns, room, signs);
        if !table.is_empty() {
            lines.push(Line::default());
            lines.extend(table);
        }
    }
    // The smallest terminals have room for no map and no table.
    lines.iter().map(|line| line.cut(columns)).collect()
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

#[cfg(test)]
mod tests {
    use node::message::Bucket;

    use super::*;
    use crate::line::Signs;

    fn peer(last: u8, down_rate: u64, choking: bool) -> PeerView {
        PeerView {
            addr: ([192, 0, 2, last], 6881).into(),
            client: Some("shoal/0.1.0".into()),
            outgoing: true,
            have_per_mille: 1000,
            down_rate,
            up_rate: 0,
            downloaded_bytes: 0,
            uploaded_bytes: 0,
            requests: 0,
            am_interested: true,
            am_choking: true,
            peer_interested: false,
            peer_choking: choking,
            snubbed: false,
            optimistic: false,
        }
    }

    fn bucket(have: u32, nowhere: u32) -> Bucket {
        Bucket { pieces: 10, have, begun: 0, nowhere }
    }

    fn downloading(rate: u64, peers: u32) -> TorrentStatus {
        let mut status = TorrentStatus {
            phase: Phase::Downloading,
            have_bytes: 10 << 20,
            total_bytes: 20 << 20,
            pieces_have: 10,
            pieces: 20,
            ..TorrentStatus::default()
        };
        status.stats.down_rate = rate;
        status.stats.peers = peers;
        status
    }

    fn row<'a>(name: &'a str, status: TorrentStatus, view: Option<&'a View>) -> Row<'a> {
        Row { name, status, view, settled: false, goal: None, ended: false, trouble: None }
    }

    fn shown(rows: &[Row<'_>], columns: usize, height: usize) -> Vec<String> {
        let terminal = Terminal { columns, rows: height, signs: &Signs::UNICODE };
        let lines = frame(rows, true, terminal);
        assert!(lines.len() < height, "{lines:#?} in {height}");
        assert!(lines.iter().all(|line| line.width() < columns), "{lines:#?} in {columns}");
        lines.iter().map(|line| line.paint(false)).collect()
    }

    #[test]
    fn a_frame_says_how_far_it_is_what_is_there_and_from_whom() {
        let view = View {
            pieces: vec![bucket(10, 0), bucket(0, 0)],
            peers: vec![peer(1, 0, true), peer(2, 1 << 20, false)],
        };
        assert_eq!(
            shown(&[row("a.iso", downloading(1 << 20, 2), Some(&view))], 60, 24),
            [
                "a.iso  50.0 %  ↓  1.0 MiB/s      10s left   2 peers",
                "  ██████████████████████·····················  10/20 pieces",
                "",
                "  peer                         down          up  flags",
                "  192.0.2.2:6881          1.0 MiB/s           -  D",
                "  192.0.2.1:6881                  -           -  d",
                "  D downloading from it, d it makes us wait",
            ]
        );
    }

    #[test]
    fn what_keeps_a_download_waiting_is_said() {
        let view = |nowhere, choking| View {
            pieces: vec![bucket(10, 0), bucket(0, nowhere)],
            peers: vec![peer(1, 0, choking)],
        };
        for (status, view, trouble, expected) in [
            (downloading(0, 0), view(10, true), None, "no peers yet"),
            (
                downloading(0, 1),
                view(10, false),
                None,
                "the connected peers have nothing of what is missing",
            ),
            (
                downloading(0, 1),
                view(0, true),
                None,
                "waiting for a peer to let us download: all are busy with others",
            ),
            (downloading(9, 1), view(3, false), None, "3 pieces not with any connected peer"),
            (downloading(9, 1), view(0, false), None, ""),
            (downloading(9, 1), view(0, false), Some("disk full"), "waiting: disk full"),
        ] {
            let row = Row { trouble, ..row("a.iso", status, Some(&view)) };
            assert_eq!(row.hint().unwrap_or_default(), expected);
        }
    }

    #[test]
    fn many_torrents_are_summed_up_and_those_that_move_are_shown() {
        let names: Vec<String> = (0..20).map(|n| format!("song {n:02}.flac")).collect();
        let rate = |n: usize| if n.is_multiple_of(5) { 1 << 20 } else { 0 };
        let rows: Vec<Row<'_>> = names
            .iter()
            .enumerate()
            .map(|(n, name)| row(name, downloading(rate(n), 1), None))
            .collect();
        let lines = shown(&rows, 80, 24);
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(lines[0].starts_with("0 of 20 complete  "), "{lines:#?}");
        assert!(lines[0].contains("50.0 %  ↓  4.0 MiB/s"), "{lines:#?}");
        assert!(lines[4].starts_with("song 15.flac"), "{lines:#?}");
    }

    #[test]
    fn any_terminal_is_large_enough() {
        let pieces = vec![bucket(5, 1); 100];
        let view = View { pieces, peers: (0..80).map(|n| peer(n, 9, false)).collect() };
        for count in [1, 2, 8, 9] {
            let rows: Vec<Row<'_>> = (0..count)
                .map(|_| row("映画の名前.mkv", downloading(9, 80), Some(&view)))
                .collect();
            for columns in [2, 3, 10, 20, 40, 60, 80, 300] {
                for height in [2, 3, 4, 5, 10, 24, 100] {
                    shown(&rows, columns, height);
                }
            }
        }
    }
}
