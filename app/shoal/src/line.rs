//! A line for a terminal: text with styles, measured in columns.
//!
//! Everything is measured and cut as plain text; colour comes last, and only if it is wanted.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

/// How a piece of text looks. Nothing may be told by this alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// As the terminal likes.
    #[default]
    Plain,
    /// What a line is about.
    Bold,
    /// Of less interest.
    Dim,
    /// Done.
    Good,
    /// Under way.
    Busy,
    /// Not as it should be.
    Odd,
}

impl Style {
    /// The parameters of the escape sequence (ECMA-48, SGR).
    fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Busy => "36",
            Self::Odd => "33",
        }
    }
}

/// See the [module documentation](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    spans: Vec<(Style, String)>,
}

impl Line {
    /// A line in one style.
    pub(crate) fn new(style: Style, text: impl Into<String>) -> Self {
        Self { spans: vec![(style, wire::visible(&text.into()))] }
    }

    /// Puts text at the end. Nothing in it acts on the terminal.
    pub(crate) fn push(&mut self, style: Style, text: &str) {
        let text = wire::visible(text);
        match self.spans.last_mut() {
            Some((last, before)) if *last == style => before.push_str(&text),
            _ => self.spans.push((style, text)),
        }
    }

    /// Puts another line at the end.
    pub(crate) fn append(&mut self, other: &Self) {
        other.spans.iter().for_each(|(style, text)| self.push(*style, text));
    }

    /// Columns.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| width(text)).sum()
    }

    /// The beginning, in at most so many columns.
    pub(crate) fn cut(&self, columns: usize) -> Self {
        let (mut kept, mut room) = (Self::default(), columns);
        for (style, text) in &self.spans {
            let text = head(text, room);
            room -= width(text);
            kept.push(*style, text);
        }
        kept
    }

    /// As it is written to a terminal.
    pub(crate) fn paint(&self, colour: bool) -> String {
        let mut painted = String::new();
        for (style, text) in self.spans.iter().filter(|(_, text)| !text.is_empty()) {
            let codes = style.codes();
            if colour && !codes.is_empty() {
                // Writing into a String cannot fail.
                write!(painted, "\x1b[{codes}m{text}\x1b[0m").ok();
            } else {
                painted.push_str(text);
            }
        }
        painted
    }
}

/// The signs that a terminal can show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Of a map or bar: all, more than half, some, begun, nothing.
    pub(crate) shades: [char; 5],
    /// Before a rate.
    pub(crate) down: &'static str,
    /// Before a rate.
    pub(crate) up: &'static str,
    /// In the place of what was cut off.
    pub(crate) cut: &'static str,
    unicode: bool,
}

impl Signs {
    /// For a locale in UTF-8.
    pub(crate) const UNICODE: Self =
        Self {
            shades: ['█', '▓', '▒', '░', '·'], down: "↓", up: "↑", cut: "…", unicode: true
        };
    /// For all others.
    pub(crate) const ASCII: Self = Self {
        shades: ['#', '=', '-', '~', '.'],
        down: "down",
        up: "up",
        cut: "..",
        unicode: false,
    };

    /// What the locale in the environment can show. Source: POSIX, "Environment Variables".
    pub(crate) fn of_locale(get: impl Fn(&str) -> Option<std::ffi::OsString>) -> &'static Self {
        let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(get);
        let mut given = set.map(|value| value.to_string_lossy().to_ascii_lowercase());
        let locale = given.find(|value| !value.is_empty()).unwrap_or_default();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        if unicode { &Self::UNICODE } else { &Self::ASCII }
    }

    /// Whether more than ASCII can be shown.
    pub(crate) fn are_unicode(&self) -> bool {
        self.unicode
    }

    /// A text as it can be shown.
    pub(crate) fn text(&self, text: &str) -> String {
        if self.unicode {
            return text.to_owned();
        }
        let sign = |char: char| if char.is_ascii() { char } else { '?' };
        text.chars().map(sign).collect()
    }

    /// `text` in at most `columns`: what is too much is taken out of the middle, since names
    /// often differ at their ends.
    pub(crate) fn shorten(&self, text: &str, columns: usize) -> String {
        if width(text) <= columns {
            return text.to_owned();
        }
        let room = columns.saturating_sub(width(self.cut));
        if room < 8 {
            let text = head(text, room);
            return format!("{text}{}", head(self.cut, columns));
        }
        let after = tail(text, room * 2 / 5);
        let before = head(text, room - width(after));
        format!("{before}{}{after}", self.cut)
    }

    /// A bar of so many columns.
    pub(crate) fn bar(&self, per_mille: u64, columns: usize) -> Line {
        let filled = usize::try_from(per_mille.min(1000)).unwrap_or(1000) * columns / 1000;
        let [full, .., begun, _] = self.shades;
        let rest = if self.unicode { begun } else { '.' };
        let mut bar = Line::new(Style::Good, full.to_string().repeat(filled));
        bar.push(Style::Dim, &rest.to_string().repeat(columns - filled));
        bar
    }
}

/// Columns of a text.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of a character. Terminals disagree on a sign that is made an emoji by the selector
/// after it; it is better to leave a column free than to need one more.
fn char_width(char: char) -> usize {
    if char == '\u{fe0f}' { 1 } else { char.width().unwrap_or(0) }
}

/// The beginning of `text` in at most `columns`.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|&(_, char)| {
        used += char_width(char);
        used > columns
    });
    text.get(..end.map_or(text.len(), |(at, _)| at)).unwrap_or_default()
}

/// The end of `text` in at most `columns`.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().rev().find(|&(_, char)| {
        used += char_width(char);
        used > columns
    });
    let start = start.map_or(0, |(at, char)| at + char.len_utf8());
    text.get(start..).unwrap_or_default()
}

/// Stands for a blank at which a line is not broken: see [`unbroken`].
pub(crate) const GLUE: char = '\u{1}';

/// A name or path that [`wrap`] leaves whole, so that it can be copied.
pub(crate) fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{1}")
}

/// What was [`unbroken`], for where nothing is wrapped.
pub(crate) fn unglued(text: &str) -> String {
    text.replace(GLUE, " ")
}

/// `text` at its blanks in lines of at most `columns`, all but the first indented. A word that
/// is longer stays whole.
pub(crate) fn wrap(text: &str, columns: usize, indent: usize) -> String {
    let mut wrapped = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            wrapped.push('\n');
        }
        let mut used = 0;
        for (index, word) in line.split(' ').enumerate() {
            let wide = width(&unglued(word));
            if index > 0 && used + 1 + wide > columns {
                wrapped.push('\n');
                wrapped.push_str(&" ".repeat(indent));
                used = indent;
            } else if index > 0 {
                wrapped.push(' ');
                used += 1;
            }
            wrapped.push_str(&unglued(word));
            used += wide;
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_middle_and_wide_signs_count_twice() {
        for (text, columns, expected) in [
            ("short", 20, "short"),
            ("a-very-long-name-of-a-film.mkv", 20, "a-very-long-…ilm.mkv"),
            ("映画映画映画映画映画映画", 20, "映画映画映画…画映画"),
            ("映画映画", 8, "映画映画"),
            ("映画映画", 7, "映画映…"),
            ("🎬🎬🎬🎬🎬🎬🎬🎬", 11, "🎬🎬🎬…🎬🎬"),
            ("abcdef", 4, "abc…"),
            ("abcdef", 1, "…"),
            ("abcdef", 0, ""),
        ] {
            let short = Signs::UNICODE.shorten(text, columns);
            assert_eq!(short, expected, "{text} in {columns}");
            assert!(width(&short) <= columns);
        }
        assert_eq!(Signs::ASCII.shorten("a-very-long-name.mkv", 14), "a-very-l...mkv");
        assert_eq!(Signs::ASCII.text("Straße 映"), "Stra?e ?");
    }

    #[test]
    fn the_locale_says_whether_signs_beyond_ascii_are_shown() {
        for (all, ctype, lang, unicode) in [
            ("", "", "", false),
            ("", "", "en_US.UTF-8", true),
            ("", "", "C", false),
            ("C", "", "en_US.UTF-8", false),
            ("", "C.utf8", "C", true),
            ("de_DE.ISO-8859-1", "en_US.UTF-8", "", false),
        ] {
            let signs = Signs::of_locale(|name| {
                let value = match name {
                    "LC_ALL" => all,
                    "LC_CTYPE" => ctype,
                    _ => lang,
                };
                Some(value.into())
            });
            assert_eq!(signs.unicode, unicode, "{all} {ctype} {lang}");
        }
    }

    #[test]
    fn text_wraps_at_blanks_and_long_words_stay_whole() {
        for (text, columns, expected) in [
            ("one two three", 20, "one two three"),
            ("one two three", 9, "one two\n  three"),
            ("a /very/long/path b", 8, "a\n  /very/long/path\n  b"),
            ("error: x\nhint: try y", 12, "error: x\nhint: try y"),
            ("in a\u{1}b\u{1}c d", 6, "in\n  a b c\n  d"),
            ("", 5, ""),
        ] {
            assert_eq!(wrap(text, columns, 2), expected);
        }
    }

    #[test]
    fn colour_is_added_only_if_wanted_and_a_cut_keeps_styles() {
        let mut line = Line::new(Style::Bold, "name");
        line.push(Style::Plain, "  42 %");
        assert_eq!(line.paint(false), "name  42 %");
        assert_eq!(line.paint(true), "\x1b[1mname\x1b[0m  42 %");
        assert_eq!(line.cut(7).paint(true), "\x1b[1mname\x1b[0m  4");
        assert_eq!(line.width(), 10);
    }
}
