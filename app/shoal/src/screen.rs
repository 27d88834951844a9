//! The lines at the end of a terminal that are drawn again and again.
//!
//! Makes the bytes; `out` writes them. Invariant: after what was made last, the cursor stands at
//! the beginning of the line below the block.

use std::fmt::Write as _;

use crate::line::Line;

/// See the [module documentation](self).
#[derive(Debug, Default)]
pub(crate) struct Screen {
    lines: Vec<Line>,
    columns: usize,
}

impl Screen {
    /// Takes the block away, so that something else can be printed there.
    pub(crate) fn erase(&self, columns: usize) -> String {
        // A terminal that became narrower has broken long lines into several rows.
        let columns = columns.max(1);
        let rows: usize = self.lines.iter().map(|line| line.width().div_ceil(columns).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A\x1b[J") }
    }

    /// Shows the block again where the cursor is.
    pub(crate) fn redraw(&self, colour: bool) -> String {
        self.lines.iter().map(|line| line.paint(colour) + "\n").collect()
    }

    /// Replaces the block. `None`: it looks like this already.
    pub(crate) fn draw(&mut self, lines: &[Line], columns: usize, colour: bool) -> Option<String> {
        // The last column stays free: many terminals would begin a new row.
        let lines: Vec<Line> =
            lines.iter().map(|line| line.cut(columns.saturating_sub(1))).collect();
        if lines == self.lines && columns == self.columns {
            return None;
        }
        let mut bytes = String::new();
        if columns == self.columns && !lines.is_empty() && !self.lines.is_empty() {
            // Written over line by line, so that nothing flickers.
            write!(bytes, "\r\x1b[{}A", self.lines.len()).ok();
            for line in &lines {
                bytes.push_str(&line.paint(colour));
                bytes.push_str("\x1b[K\n");
            }
            bytes.push_str("\x1b[J");
            self.lines = lines;
        } else {
            bytes.push_str(&self.erase(columns));
            self.lines = lines;
            bytes.push_str(&self.redraw(colour));
        }
        self.columns = columns;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Style;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::new(Style::Plain, *text)).collect()
    }

    #[test]
    fn a_block_is_written_over_and_only_if_it_changed() {
        let mut screen = Screen::default();
        let mut draw = |texts: &[&str], columns| screen.draw(&lines(texts), columns, false);
        assert_eq!(draw(&[], 80), Some(String::new()));
        assert_eq!(draw(&["one", "two"], 80).unwrap(), "one\ntwo\n");
        assert_eq!(draw(&["one", "two"], 80), None);
        assert_eq!(draw(&["1"], 80).unwrap(), "\r\x1b[2A1\x1b[K\n\x1b[J");
        assert_eq!(draw(&[], 80).unwrap(), "\r\x1b[1A\x1b[J");
    }

    #[test]
    fn a_line_never_reaches_the_last_column() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(&lines(&["0123456789"]), 10, false).unwrap(), "012345678\n");
        assert_eq!(
            screen.draw(&lines(&["映画映画映画"]), 10, false).unwrap(),
            "\r\x1b[1A映画映画\x1b[K\n\x1b[J"
        );
    }

    #[test]
    fn rows_that_a_narrower_terminal_broke_are_taken_away_too() {
        let mut screen = Screen::default();
        screen.draw(&lines(&["0123456789", "x"]), 40, false);
        assert_eq!(screen.draw(&lines(&["0123"]), 5, false).unwrap(), "\r\x1b[3A\x1b[J0123\n");
    }
}
