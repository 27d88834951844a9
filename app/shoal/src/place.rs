//! Where a torrent's file or folder goes when something of that name is there already.
//!
//! What a download of this torrent into this folder made before is its own, whatever it holds:
//! the state database knows of it. Anything else is a stranger, and the user says what then.

use std::path::Path;

use clap::ValueEnum;
use disk::DiskPool;
use node::spec::TorrentSpec;

use crate::failure::{Failure, shown};
use crate::out::Out;

/// Names tried before giving up.
const NUMBERS_MAX: u32 = 10_000;

/// What to do about something else in the place of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnCollision {
    /// Take it for an earlier download: compare it, keep what is right and overwrite the rest
    #[default]
    Use,
    /// Download beside it, to `NAME (1)`
    Rename,
    /// Do nothing and say so
    Fail,
}

/// Gives a torrent its place, which may be another one than the torrent says.
///
/// # Errors
/// Something is there, and that was to be an error; or the database does not work.
pub(crate) fn settle(
    spec: &mut TorrentSpec,
    on_collision: OnCollision,
    pool: &DiskPool,
    out: &Out,
) -> Result<(), Failure> {
    let told = |error: storage::job::DiskError| Failure::new(error.to_string());
    let known = pool.place(spec.info_hashes.first(), &spec.root).map_err(told)?;
    if let Some(name) = known.name {
        // Of an earlier run: goes on there, whatever is asked for now.
        spec.set_top(&name);
        return Ok(());
    }
    if !spec.writable || on_collision == OnCollision::Use || known.has_record {
        return Ok(());
    }
    let top = spec.top().to_string_lossy().into_owned();
    let is_free = |name: &str| spec.root.join(name).symlink_metadata().is_err();
    let mut name = top.clone();
    if !is_free(&top) {
        let shown = shown(spec.root.join(&top));
        let single = spec.files.iter().all(|file| file.path.components().count() == 1);
        let mut numbered = (1..NUMBERS_MAX).map(|number| numbered(&top, number, single));
        match (on_collision, numbered.find(|name| is_free(name))) {
            (OnCollision::Rename, Some(free)) => name = free,
            (OnCollision::Rename | OnCollision::Fail | OnCollision::Use, _) => {
                return Err(Failure::with_hint(
                    format!("already exists, and is not of this download: {shown}"),
                    "--on-collision rename downloads beside it, --on-collision use compares it \
                     and keeps what is right",
                ));
            }
        }
        out.note(&format!("{shown} exists; downloading to {name}"));
        spec.set_top(&name);
    }
    // Remembered before the first byte: what is there later is ours.
    pool.remember_place(spec.info_hashes.first(), &spec.root, &name).map_err(told)
}

/// `film (1).mkv` for a file, `album (1)` for a folder.
fn numbered(name: &str, number: u32, single: bool) -> String {
    let path = Path::new(name);
    match (path.file_stem(), path.extension()) {
        (Some(stem), Some(extension)) if single => {
            format!("{} ({number}).{}", stem.to_string_lossy(), extension.to_string_lossy())
        }
        _ => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_before_the_extension_of_a_file() {
        for (name, single, expected) in [
            ("film.mkv", true, "film (2).mkv"),
            ("v1.2", false, "v1.2 (2)"),
            ("README", true, "README (2)"),
            (".hidden", true, ".hidden (2)"),
        ] {
            assert_eq!(numbered(name, 2, single), expected);
        }
    }
}
