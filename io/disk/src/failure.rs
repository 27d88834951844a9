//! What the system said, as a [`DiskError`].

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use storage::job::{DiskError, DiskErrorKind};

/// The error of `operation` on `path`.
pub(crate) fn failure(
    operation: &'static str,
    path: impl Into<PathBuf>,
    errno: Errno,
) -> DiskError {
    let kind = classify(errno);
    let message = if kind == DiskErrorKind::Escapes {
        "the path leaves the root folder".to_owned()
    } else {
        io::Error::from(errno).to_string()
    };
    DiskError { operation, path: path.into(), kind, message }
}

/// The error of `operation` on `path`, from std.
pub(crate) fn std_failure(
    operation: &'static str,
    path: impl Into<PathBuf>,
    error: &io::Error,
) -> DiskError {
    let kind = Errno::from_io_error(error).map_or(DiskErrorKind::Other, classify);
    DiskError { operation, path: path.into(), kind, message: error.to_string() }
}

/// An error that the system did not report but we found.
pub(crate) fn found(
    operation: &'static str,
    path: impl Into<PathBuf>,
    kind: DiskErrorKind,
    message: impl Into<String>,
) -> DiskError {
    DiskError { operation, path: path.into(), kind, message: message.into() }
}

fn classify(errno: Errno) -> DiskErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT => DiskErrorKind::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => DiskErrorKind::Denied,
        Errno::NOENT => DiskErrorKind::NotFound,
        // What `openat2` says of a path that is not beneath; reads and writes never say it.
        Errno::XDEV => DiskErrorKind::Escapes,
        _ => DiskErrorKind::Other,
    }
}
