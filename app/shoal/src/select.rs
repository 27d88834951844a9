//! Which files of a torrent are wanted: what `--select` means.
//!
//! An expression is a number or a range of numbers as `shoal show` prints them, or a pattern for
//! the path below the torrent's folder, with `!` before it to take files out. Expressions count in
//! their order; if the first takes out, everything is in before it.
//!
//! Patterns: `*` and `?` stand for any characters and for one, but not for `/`; `**` as a whole
//! component stands for any folders; a pattern without `/` is for the name alone, in any folder.
//! Brackets mean themselves: names have them more often than people need classes.

use base::FileIndex;
use storage::layout::FileEntry;

use crate::failure::Failure;

/// One expression of `--select`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    /// As the user wrote it.
    text: String,
    takes_out: bool,
    which: Which,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    /// Numbers from 1, first to last.
    Numbers(usize, usize),
    Pattern(Vec<String>),
}

/// What `--exclude` leaves out: a pattern alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// As the user wrote it.
    pub(crate) text: String,
    parts: Vec<String>,
}

impl Pattern {
    /// Parses one pattern.
    ///
    /// # Errors
    /// What is wrong, for the user.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "" | "/") {
            return Err("empty; give a pattern as in *.tmp or cache/".into());
        }
        Ok(Self { text: text.to_owned(), parts: pattern(text)? })
    }

    /// Whether it is for the file or folder at `path`.
    pub(crate) fn is_for(&self, path: &[&str]) -> bool {
        path_matches(&self.parts, path)
    }
}

/// Parses one expression.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let (takes_out, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let which = match numbers(rest) {
        Some(range) => range?,
        None => Which::Pattern(pattern(rest)?),
    };
    Ok(Expression { text: text.to_owned(), takes_out, which })
}

/// `3`, `3-7`, `3-`; `None` if it is something else.
fn numbers(text: &str) -> Option<Result<Which, String>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.chars().all(|char| char.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(usize::MAX))
    };
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, "")) => (number(first)?, usize::MAX),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    Some(match (first, last) {
        (0, _) => Err("files are numbered from 1; `shoal show` prints the numbers".into()),
        (first, last) if first > last => Err(format!("the range is empty: {first}-{last}")),
        (first, last) => Ok(Which::Numbers(first, last)),
    })
}

fn pattern(text: &str) -> Result<Vec<String>, String> {
    let text = text.strip_prefix('/').unwrap_or(text);
    if text.is_empty() {
        return Err("empty; give a number, a range or a pattern as in 3, 2-5 or *.mkv".into());
    }
    let mut parts: Vec<String> = text.split('/').map(str::to_owned).collect();
    if parts.iter().rev().skip(1).any(String::is_empty) {
        return Err("two slashes in a row".into());
    }
    if let Some(last) = parts.last_mut().filter(|last| last.is_empty()) {
        // A folder: all that is in it.
        *last = "**".into();
    }
    if let [name] = &*parts
        && name != "**"
    {
        parts.insert(0, "**".into());
    }
    Ok(parts)
}

/// The files that people see and can choose, in order: all but padding.
pub(crate) fn choosable(files: &[FileEntry]) -> impl Iterator<Item = FileIndex> {
    (0..).map(FileIndex).zip(files).filter(|(_, file)| !file.padding).map(|(index, _)| index)
}

/// Marks the files that `expressions` choose as wanted and the others as skipped. Tells for each
/// expression whether it is for any file.
pub(crate) fn choose(files: &mut [FileEntry], expressions: &[Expression]) -> Vec<bool> {
    let all_at_first = expressions.first().is_none_or(|first| first.takes_out);
    let mut matched = vec![false; expressions.len()];
    let indexes: Vec<FileIndex> = choosable(files).collect();
    for (number, index) in (1..).zip(indexes) {
        let file = &mut files[index.0 as usize];
        let path = below(file);
        let parts: Vec<&str> = path.split('/').collect();
        file.wanted = all_at_first;
        for (expression, matched) in expressions.iter().zip(&mut matched) {
            if expression.which.is_for(number, &parts) {
                *matched = true;
                file.wanted = !expression.takes_out;
            }
        }
    }
    matched
}

/// The path below the torrent's folder, or the name of a single file.
fn below(file: &FileEntry) -> String {
    let parts: Vec<_> = file.path.iter().map(|part| part.to_string_lossy()).collect();
    match &*parts {
        [name] => name.to_string(),
        [_top, below @ ..] => below.join("/"),
        [] => String::new(),
    }
}

/// Why nothing can be done with an expression that is for no file.
pub(crate) fn nothing_for(expression: &Expression, files: &[FileEntry]) -> Failure {
    let text = wire::printable(expression.text.as_bytes(), 200);
    let count = choosable(files).count();
    let hint = match &expression.which {
        Which::Numbers(..) => format!("the files are numbered from 1 to {count}; see `shoal show`"),
        Which::Pattern(parts) => {
            let folder = parts.iter().filter(|part| *part != "**").map(String::as_str);
            let folder = folder.collect::<Vec<_>>().join("/");
            let inside = format!("{folder}/");
            if choosable(files).any(|at| below(&files[at.0 as usize]).starts_with(&inside)) {
                format!("{folder} is a folder; '{folder}/**' takes all that is in it")
            } else {
                "`shoal show` prints the paths; patterns are for the path below the torrent's \
                 folder, upper and lower case differ, and the shell needs quotes around them"
                    .into()
            }
        }
    };
    Failure::with_hint(format!("no file for --select {text}"), hint)
}

impl Expression {
    /// Whether it is by number, which means something in one torrent only.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.which, Which::Numbers(..))
    }
}

impl Which {
    fn is_for(&self, number: usize, path: &[&str]) -> bool {
        match self {
            Self::Numbers(first, last) => (*first..=*last).contains(&number),
            Self::Pattern(pattern) => path_matches(pattern, path),
        }
    }
}

/// Goes back to the last `**` only: an earlier one could take no more than that one can.
fn path_matches(pattern: &[String], path: &[&str]) -> bool {
    let (mut at, mut p) = (0, 0);
    let mut retry = None;
    while at < path.len() {
        if pattern.get(p).is_some_and(|part| part == "**") {
            p += 1;
            retry = Some((p, at));
        } else if pattern.get(p).is_some_and(|part| name_matches(part, path[at])) {
            (at, p) = (at + 1, p + 1);
        } else if let Some((after, from)) = retry {
            (at, p) = (from + 1, after);
            retry = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|part| part == "**")
}

/// As [`path_matches`], with `*` and `?` in a name.
fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut p) = (0, 0);
    let mut retry = None;
    while at < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, at));
            }
            Some(&sign) if sign == '?' || sign == name[at] => (at, p) = (at + 1, p + 1),
            Some(_) | None => {
                let Some((after, from)) = retry else { return false };
                (at, p) = (from + 1, after);
                retry = Some((after, from + 1));
            }
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|&sign| sign == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A torrent `t` with these files; one that ends in `~` is padding.
    fn files(paths: &str) -> Vec<FileEntry> {
        let entry = |path: &str| FileEntry {
            path: format!("t/{path}").into(),
            length_bytes: 1,
            padding: path.ends_with('~'),
            ..FileEntry::default()
        };
        paths.split_whitespace().map(entry).collect()
    }

    /// The files that are wanted.
    fn chosen(expressions: &str) -> String {
        let mut files = files("a.mkv a.mkv.pad~ b.srt docs/c.txt docs/old/d.txt [x]/e.mkv");
        let expressions: Vec<Expression> =
            expressions.split(',').map(|text| parse(text).unwrap()).collect();
        choose(&mut files, &expressions);
        let wanted = choosable(&files).filter(|at| files[at.0 as usize].wanted);
        wanted.map(|at| below(&files[at.0 as usize])).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn expressions_choose_what_they_say() {
        for (expressions, expected) in [
            ("1", "a.mkv"),
            ("2", "b.srt"),
            ("2-3", "b.srt docs/c.txt"),
            ("4-", "docs/old/d.txt [x]/e.mkv"),
            ("1,5", "a.mkv [x]/e.mkv"),
            ("*.mkv", "a.mkv [x]/e.mkv"),
            ("*.MKV", ""),
            ("?.mkv", "a.mkv [x]/e.mkv"),
            ("docs/*", "docs/c.txt"),
            ("docs/**", "docs/c.txt docs/old/d.txt"),
            ("docs/", "docs/c.txt docs/old/d.txt"),
            ("**/old/*", "docs/old/d.txt"),
            ("**/*.txt", "docs/c.txt docs/old/d.txt"),
            ("/a.mkv", "a.mkv"),
            ("[x]/*", "[x]/e.mkv"),
            ("docs", ""),
            ("**", "a.mkv b.srt docs/c.txt docs/old/d.txt [x]/e.mkv"),
            ("!*.txt", "a.mkv b.srt [x]/e.mkv"),
            ("!2-", "a.mkv"),
            ("docs/**,!**/old/**", "docs/c.txt"),
            ("docs/**,!*.txt,4", "docs/old/d.txt"),
        ] {
            assert_eq!(chosen(expressions), expected, "{expressions}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in ["", "!", "0", "0-3", "5-2", "a//b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stars_go_back_as_far_as_they_must() {
        for (pattern, name, expected) in [
            ("a*b*c", "abbbc", true),
            ("a*b*c", "abbbcd", false),
            ("*a*a*", "aa", true),
            ("*a*a*", "a", false),
            ("", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_single_file_goes_by_its_name() {
        let mut single =
            [FileEntry { path: "film.mkv".into(), length_bytes: 1, ..FileEntry::default() }];
        assert_eq!(choose(&mut single, &[parse("film.*").unwrap()]), [true]);
        assert!(single[0].wanted);
    }

    #[test]
    fn who_names_a_folder_is_told_how() {
        let files = files("a docs/c");
        let text = nothing_for(&parse("docs").unwrap(), &files).to_string();
        assert!(text.contains("'docs/**'"), "{text}");
        let text = nothing_for(&parse("7").unwrap(), &files).to_string();
        assert!(text.contains("from 1 to 2"), "{text}");
    }
}
