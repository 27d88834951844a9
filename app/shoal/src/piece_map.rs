//! The pieces of a torrent as lines of signs: what is there, what is on its way, what is missing.

use node::message::{BUCKETS_MAX, Bucket, Phase, TorrentStatus};

use crate::line::{Line, Signs, Style};
use crate::out::Terminal;

/// Columns before and behind the signs.
const INDENT: usize = 2;

/// Rows of a terminal from which on the map of a lonely torrent has two lines, and three.
const TALL: [usize; 2] = [32, 48];

/// Lines of a map, and columns of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) lines: usize,
    columns: usize,
}

impl Extent {
    /// For a torrent that is shown with `others` beside it.
    pub(crate) fn of(status: &TorrentStatus, others: usize, terminal: Terminal) -> Self {
        let columns =
            terminal.columns.saturating_sub(1 + 2 * INDENT + label(status, terminal).len());
        let columns = columns.max(1);
        let tall = TALL.iter().filter(|&&rows| terminal.rows >= rows && others == 0).count();
        // More lines than there are pieces for show nothing more.
        let pieces = usize::try_from(status.pieces).unwrap_or(usize::MAX);
        let useful = pieces.div_ceil(columns).max(1);
        Self { lines: (1 + tall).min(useful), columns }
    }

    /// How many buckets to ask for.
    pub(crate) fn buckets(self) -> usize {
        (self.lines * self.columns).min(BUCKETS_MAX)
    }
}

fn label(status: &TorrentStatus, terminal: Terminal) -> String {
    let (have, pieces) = (status.pieces_have, status.pieces);
    let word = if terminal.columns < 60 { "" } else { " pieces" };
    // As wide as it will ever be, so that the map does not shrink.
    let widest = pieces.to_string().len();
    format!("{have:>widest$}/{pieces}{word}")
}

/// The lines of a map. Few buckets are stretched, so that the map is always as wide.
pub(crate) fn lines(
    buckets: &[Bucket],
    status: &TorrentStatus,
    extent: Extent,
    terminal: Terminal,
) -> Vec<Line> {
    if buckets.is_empty() {
        return Vec::new();
    }
    let cells = extent.lines * extent.columns;
    let cell = |index: usize| sign(buckets[index * buckets.len() / cells], terminal.signs);
    let mut lines: Vec<Line> = (0..extent.lines)
        .map(|row| {
            let mut line = Line::new(Style::Plain, " ".repeat(INDENT));
            for column in 0..extent.columns {
                let (style, sign) = cell(row * extent.columns + column);
                line.push(style, sign.encode_utf8(&mut [0; 4]));
            }
            line
        })
        .collect();
    if let Some(last) = lines.last_mut() {
        last.push(Style::Plain, &" ".repeat(INDENT));
        let checking = matches!(status.phase, Phase::Checking { .. });
        let style = if checking { Style::Dim } else { Style::Plain };
        last.push(style, &label(status, terminal));
    }
    lines
}

fn sign(bucket: Bucket, signs: &Signs) -> (Style, char) {
    let [full, most, some, begun, nothing] = signs.shades;
    let style = if bucket.begun > 0 { Style::Busy } else { Style::Good };
    match bucket {
        Bucket { pieces, have, .. } if have == pieces => (Style::Good, full),
        Bucket { pieces, have, .. } if have * 2 >= pieces => (style, most),
        Bucket { have: 1.., .. } => (style, some),
        Bucket { begun: 1.., .. } => (Style::Busy, begun),
        Bucket { .. } => (Style::Dim, nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"8 4 1 0+ 0"`: of eight pieces each, so many are there; `+` some are begun.
    fn buckets(notation: &str) -> Vec<Bucket> {
        let bucket = |word: &str| Bucket {
            pieces: 8,
            have: word.trim_end_matches('+').parse().unwrap(),
            begun: u32::from(word.ends_with('+')),
            nowhere: 0,
        };
        notation.split_whitespace().map(bucket).collect()
    }

    fn shown(notation: &str, columns: usize, rows: usize, signs: &'static Signs) -> Vec<String> {
        let terminal = Terminal { columns, rows, signs };
        let status = TorrentStatus { pieces: 4000, pieces_have: 21, ..TorrentStatus::default() };
        let extent = Extent::of(&status, 0, terminal);
        let lines = lines(&buckets(notation), &status, extent, terminal);
        assert!(columns < 20 || lines.iter().all(|line| line.width() < columns));
        lines.iter().map(|line| line.paint(false)).collect()
    }

    #[test]
    fn a_map_fills_the_width_and_says_how_many_pieces_there_are() {
        for (notation, columns, expected) in [
            ("8 4 1 0+ 0", 24, "  ██▓▓▒▒░░··    21/4000"),
            ("8 0", 24, "  █████·····    21/4000"),
            ("8", 3, "  █    21/4000"),
        ] {
            let said = shown(notation, columns, 24, &Signs::UNICODE);
            assert_eq!(said, [expected], "{columns}");
        }
    }

    #[test]
    fn a_locale_without_such_signs_gets_others() {
        assert_eq!(
            shown("8 4 1 0+ 0", 35, 24, &Signs::ASCII),
            ["  #####====----~~~~....    21/4000"]
        );
    }

    #[test]
    fn a_tall_terminal_gets_more_lines_if_there_are_pieces_for_them() {
        for (rows, expected) in [(24, 1), (32, 2), (60, 3)] {
            assert_eq!(shown("8 0", 60, rows, &Signs::UNICODE).len(), expected);
        }
        let terminal = Terminal { columns: 80, rows: 60, signs: &Signs::UNICODE };
        let few = TorrentStatus { pieces: 9, ..TorrentStatus::default() };
        assert_eq!(Extent::of(&few, 0, terminal).lines, 1);
        let many = TorrentStatus { pieces: 9000, ..TorrentStatus::default() };
        assert_eq!(Extent::of(&many, 1, terminal).lines, 1, "others need room too");
    }
}
