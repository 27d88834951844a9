//! What the disk does to a torrent, in words: what happened, to what, what to try.

use std::path::Path;

use storage::job::{DiskError, DiskErrorKind};
use storage::watch::Doubt;

use crate::failure::{shown, words};
use crate::units;

/// What JSON calls it.
pub(crate) fn kind_name(kind: DiskErrorKind) -> &'static str {
    match kind {
        DiskErrorKind::Full => "full",
        DiskErrorKind::Denied => "denied",
        DiskErrorKind::NotFound => "missing",
        DiskErrorKind::Escapes => "escapes",
        DiskErrorKind::Contradiction => "contradiction",
        DiskErrorKind::Other => "other",
    }
}

/// A trouble that is over when its cause is. `missing_bytes` are still to be written; `free` tells
/// how much room there is beside a path.
pub(crate) fn trouble(
    error: &DiskError,
    missing_bytes: u64,
    free: impl Fn(&Path) -> Option<u64>,
) -> String {
    let why = words(&error.to_string());
    // Of the record alone nobody can say how large it gets, but it is small.
    let record = error.operation == "commit to";
    let what = match error.kind {
        DiskErrorKind::Full if record => "free some room there".into(),
        DiskErrorKind::Full => {
            let more = free(&error.path).map(|free| missing_bytes.saturating_sub(free));
            match more.filter(|&more| more > 0) {
                Some(more) => format!("free {} there", units::size(more)),
                None => "free some room there".into(),
            }
        }
        DiskErrorKind::Denied => "make it writable again".into(),
        DiskErrorKind::NotFound => "put the folder back".into(),
        DiskErrorKind::Escapes => "take the link away".into(),
        DiskErrorKind::Contradiction | DiskErrorKind::Other => {
            return format!("{why}; it is tried again by itself");
        }
    };
    format!("{why}; {what}, it goes on by itself")
}

/// What to try after an error that ended a torrent.
pub(crate) fn hint(error: &DiskError) -> Option<&'static str> {
    match error.kind {
        DiskErrorKind::Denied => Some("make it writable, or name another folder by -o"),
        DiskErrorKind::Full => Some("free some room there, and start it again"),
        DiskErrorKind::Other if error.operation == "sync" => {
            Some("the disk may be failing; start it again to see what is there")
        }
        DiskErrorKind::Escapes => {
            Some("a symbolic link in the folder leads elsewhere; remove it, or name another folder")
        }
        DiskErrorKind::Contradiction => {
            Some("whoever made the torrent made a mistake, or two torrents of one: get another one")
        }
        DiskErrorKind::NotFound | DiskErrorKind::Other => None,
    }
}

/// A file that is not as we left it: what JSON calls that, and the sentence.
pub(crate) fn doubted(path: &Path, doubt: Doubt) -> (&'static str, String) {
    let path = shown(path);
    match doubt {
        Doubt::Gone => ("gone", format!("{path} was removed or cut short")),
        Doubt::Changed => {
            ("changed", format!("{path} was changed by another program; comparing it again"))
        }
        Doubt::Unreadable => ("unreadable", format!("{path} cannot be read in places")),
    }
}

/// Room on the file system where `path` is or would be, in bytes.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_says_what_to_do_and_that_it_goes_on() {
        let missing = 5 << 20;
        for (operation, kind, free, expected) in [
            ("write", DiskErrorKind::Full, Some(1 << 20), "free 4.0 MiB there, it goes on"),
            ("write", DiskErrorKind::Full, Some(9 << 20), "free some room there, it goes on"),
            ("write", DiskErrorKind::Full, None, "free some room there, it goes on"),
            ("commit to", DiskErrorKind::Full, Some(0), "free some room there, it goes on"),
            ("write", DiskErrorKind::Denied, None, "make it writable again, it goes on"),
            ("write", DiskErrorKind::Other, None, "it is tried again"),
        ] {
            let error = DiskError { operation, path: "/x/f".into(), kind, message: "why".into() };
            let text = trouble(&error, missing, |_| free);
            assert_eq!(text, format!("cannot {operation} /x/f: why; {expected} by itself"));
        }
    }
}
