//! The last line: what was done, and how to go on.

use crate::units;

/// How far a session came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Torrents are served from somebody's files: nothing of them is ever missing by our doing.
    pub(crate) serving: bool,
    /// The user stopped it, or nobody reads what it says any more.
    pub(crate) stopped: bool,
    /// It was still looking at the files then.
    pub(crate) checking: bool,
    /// How many there are.
    pub(crate) torrents: usize,
    /// Everything of them is on disk.
    pub(crate) complete: usize,
    /// They cannot go on.
    pub(crate) failed: usize,
    /// On disk of all torrents, and verified.
    pub(crate) have_bytes: u64,
    /// Of all torrents.
    pub(crate) total_bytes: u64,
    /// In this run.
    pub(crate) uploaded_bytes: u64,
}

impl Ending {
    /// The line; `None` if everything is done and was said. `with` is that of [`crate::resume`].
    pub(crate) fn words(self, with: &str) -> Option<String> {
        let Self { torrents, complete, failed, .. } = self;
        let uploaded = format!("{} uploaded", units::size(self.uploaded_bytes));
        let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let of_all = match torrents {
            0 | 1 => String::new(),
            _ => format!(", {complete} of {torrents} complete{failures}"),
        };
        if !self.stopped {
            let some = failed > 0 && torrents > 1;
            return some.then(|| {
                let all = units::count(torrents as u64, "torrent");
                format!("{failed} of {all} failed; try again {with}")
            });
        }
        if self.serving {
            return Some(format!("stopped, {uploaded}{failures}; go on {with}"));
        }
        if complete == torrents {
            return Some(format!("stopped, complete, {uploaded}; seed on {with}"));
        }
        if failed == torrents {
            return Some(format!("stopped; try again {with}"));
        }
        let at = if self.checking {
            " while checking what is there".to_owned()
        } else if self.total_bytes == 0 {
            " before any peer told what it is".to_owned()
        } else {
            format!(" at {}", units::percent(self.have_bytes, self.total_bytes))
        };
        Some(format!("stopped{at}{of_all}; go on {with}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"2/3!1"`: two of three complete, one failed.
    fn ending(notation: &str, stopped: bool) -> Ending {
        let (complete, rest) = notation.split_once('/').unwrap();
        let (torrents, failed) = rest.split_once('!').unwrap_or((rest, "0"));
        Ending {
            stopped,
            torrents: torrents.parse().unwrap(),
            complete: complete.parse().unwrap(),
            failed: failed.parse().unwrap(),
            have_bytes: 431,
            total_bytes: 1000,
            uploaded_bytes: 3 << 20,
            ..Ending::default()
        }
    }

    #[test]
    fn the_last_line_tells_what_is_done_and_how_to_go_on() {
        for (notation, stopped, expected) in [
            ("0/1", true, "stopped at 43.1 %; go on with: CMD"),
            ("1/3", true, "stopped at 43.1 %, 1 of 3 complete; go on with: CMD"),
            ("1/3!1", true, "stopped at 43.1 %, 1 of 3 complete, 1 failed; go on with: CMD"),
            ("1/1", true, "stopped, complete, 3.0 MiB uploaded; seed on with: CMD"),
            ("0/1!1", true, "stopped; try again with: CMD"),
            ("2/3!1", false, "1 of 3 torrents failed; try again with: CMD"),
            ("0/1!1", false, ""),
            ("3/3", false, ""),
        ] {
            let said = ending(notation, stopped).words("with: CMD").unwrap_or_default();
            assert_eq!(said, expected, "{notation}");
        }
        let checking = Ending { checking: true, ..ending("0/1", true) };
        let said = checking.words("with: CMD").unwrap();
        assert_eq!(said, "stopped while checking what is there; go on with: CMD");
        let unknown = Ending { total_bytes: 0, have_bytes: 0, ..ending("0/1", true) };
        let said = unknown.words("with: CMD").unwrap();
        assert_eq!(said, "stopped before any peer told what it is; go on with: CMD");
        let serving = Ending { serving: true, ..ending("1/1", true) };
        assert_eq!(
            serving.words("with: CMD").unwrap(),
            "stopped, 3.0 MiB uploaded; go on with: CMD"
        );
    }
}
