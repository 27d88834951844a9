//! Torrent files from paths, folders and URLs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wire::metainfo::{FILE_BYTES_MAX, Metainfo};

use crate::failure::{Failure, reason};

/// Where a torrent file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// On this machine.
    Path(PathBuf),
    /// Behind an `http` or `https` URL.
    Url(String),
}

/// What an argument means; a folder is all the torrent files in it, by name.
///
/// # Errors
/// A folder can't be read or holds no torrent file.
pub(crate) fn sources(arguments: &[OsString]) -> Result<Vec<Source>, Failure> {
    let mut found = Vec::new();
    for argument in arguments {
        match source(argument)? {
            Source::Path(path) if path.is_dir() => {
                found.extend(in_folder(&path)?.into_iter().map(Source::Path));
            }
            other @ (Source::Path(_) | Source::Url(_)) => found.push(other),
        }
    }
    Ok(found)
}

/// What one argument means.
///
/// # Errors
/// It is a link of a kind that we can't follow.
pub(crate) fn source(argument: &OsStr) -> Result<Source, Failure> {
    let text = argument.to_str().unwrap_or_default();
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Ok(Source::Url(text.to_owned()));
    }
    if lower.starts_with("magnet:") {
        return Err(Failure::with_hint(
            "magnet links are not supported yet",
            "give a torrent file or its http(s) URL",
        ));
    }
    Ok(Source::Path(PathBuf::from(argument)))
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(format!("cannot read the folder {}: {}", folder.display(), reason(error)))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("torrent")) && path.is_file()
        {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(format!("no .torrent file in the folder {}", folder.display())));
    }
    Ok(found)
}

/// Reads and decodes a torrent file.
///
/// # Errors
/// It can't be read, or is not a torrent file that we can use.
pub(crate) fn read(path: &Path) -> Result<Metainfo, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(format!("cannot read {}: {}", path.display(), reason(error)))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    decode(&bytes, &path.display().to_string())
}

/// Decodes a torrent file that came from `place`.
///
/// # Errors
/// It is not a torrent file that we can use.
pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Metainfo, Failure> {
    Metainfo::decode(bytes).map_err(|error| {
        let message = format!("cannot use {place}: {error}");
        let page = bytes.trim_ascii_start().first() == Some(&b'<');
        if page {
            Failure::with_hint(message, "this is a web page; take the link of the file itself")
        } else {
            Failure::new(message)
        }
    })
}
