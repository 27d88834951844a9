//! Torrent files from paths, folders and URLs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use url::Url;
use wire::magnet::{Magnet, MagnetError, is_magnet};
use wire::metainfo::{FILE_BYTES_MAX, Metainfo};

use crate::failure::{Failure, shown};
use crate::redact;
use crate::refusal::refusal;
use crate::units;

/// Where a torrent file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// On this machine.
    Path(PathBuf),
    /// Behind an `http` or `https` URL.
    Url(String),
    /// With peers that know it by this.
    Magnet(Box<Magnet>),
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
            other @ (Source::Path(_) | Source::Url(_) | Source::Magnet(_)) => found.push(other),
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
    if argument.is_empty() {
        return Err(Failure::with_hint(
            "a torrent without a name: the argument is empty",
            "is a variable empty that should name it?",
        ));
    }
    let lower = text.to_ascii_lowercase();
    if is_magnet(text) {
        return magnet(text);
    }
    let path = || Source::Path(PathBuf::from(argument));
    match lower.split_once("://") {
        Some(("http" | "https", _)) => url(text),
        Some(("file", _)) => Err(Failure::with_hint(
            format!("not a link that can be fetched: {}", wire::visible(text)),
            "name the file by its path, without file://",
        )),
        Some((scheme, _)) if is_scheme(scheme) && !Path::new(argument).exists() => {
            Err(Failure::with_hint(
                format!("cannot fetch {scheme}:// links: {}", redact::link(text)),
                "give a torrent file or its http(s) URL",
            ))
        }
        Some(_) | None => Ok(path()),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
}

/// A link that begins with `magnet:`.
fn magnet(text: &str) -> Result<Source, Failure> {
    let magnet = Magnet::decode(text).map_err(|error| {
        // A shell cuts a link at `&`.
        let hint = if matches!(error, MagnetError::NoTopic | MagnetError::NotMagnet) {
            "copy the whole link, and put it in single quotes: its & and ? mean something to a shell"
        } else {
            "copy the link again; it may have been cut"
        };
        Failure::with_hint(format!("the magnet link {error}"), hint)
    })?;
    Ok(Source::Magnet(Box::new(magnet)))
}

/// A link that begins with `http://` or `https://`.
fn url(text: &str) -> Result<Source, Failure> {
    let refused = |why: &str, hint: &str| {
        Failure::with_hint(format!("cannot fetch {}: {why}", redact::link(text)), hint)
    };
    let url = Url::parse(text).map_err(|error| {
        refused(&error.to_string(), "a link is like https://example.org/a.torrent")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::with_hint(
            format!("a user name or password in a link is not supported: {}", redact::link(text)),
            "download the torrent file with a program that can log in, and give the file",
        ));
    }
    if url.port() == Some(0) {
        return Err(refused("there is no port 0", "leave the port out, or name the right one"));
    }
    Ok(Source::Url(text.to_owned()))
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &std::io::Error| Failure::reading(folder, error);
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
        return Err(Failure::with_hint(
            format!("no .torrent file in the folder {}", shown(folder)),
            "name the folder that holds them, or the files themselves",
        ));
    }
    Ok(found)
}

/// Reads and decodes a torrent file.
///
/// # Errors
/// It can't be read, or is not a torrent file that we can use.
pub(crate) fn read(path: &Path) -> Result<Metainfo, Failure> {
    let failed = |error: &std::io::Error| Failure::reading(path, error);
    // A pipe that nobody writes to would otherwise keep us here.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(|error| failed(&error))?;
    let look = file.metadata().map_err(|error| failed(&error))?;
    let place = shown(path);
    if look.is_dir() {
        return Err(Failure::with_hint(
            format!("cannot read {place}: it is a folder"),
            "name one torrent file; `get` and `seed` take folders of them",
        ));
    }
    if !look.is_file() {
        return Err(Failure::with_hint(
            format!("cannot read {place}: it is a pipe or a device"),
            "save the torrent as a file first",
        ));
    }
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Failure::with_hint(
            format!(
                "cannot use {place}: {} are more than a torrent file may have, {}",
                units::size(look.len()),
                units::size(limit)
            ),
            "name the torrent file, not what it is about",
        ));
    }
    decode(&bytes, &place)
}

/// Decodes a torrent file that came from `place`.
///
/// # Errors
/// It is not a torrent file that we can use.
pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Metainfo, Failure> {
    Metainfo::decode(bytes).map_err(|error| refusal(bytes, &wire::visible(place), &error))
}
