//! Filling a file of a torrent from a file elsewhere on this machine.
//!
//! A clone where the file system can share blocks between files (`ioctl_ficlone(2)`), else a copy in the
//! kernel (`copy_file_range(2)`), else through a buffer. What comes out is compared with the digests like
//! anything else that no record vouches for, so that a source which changed meanwhile does no harm.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use storage::job::{Bring, DiskError};

use crate::failure::std_failure;
use crate::files::{FileTable, TorrentFiles};

/// Bytes copied at once.
const STEP_BYTES: usize = 1 << 20;

/// Fills the file from the first source that will do; nothing happens if none does.
///
/// # Errors
/// The file itself cannot be made or written.
pub(crate) fn bring(
    table: &FileTable,
    torrent: &TorrentFiles,
    bring: &Bring,
) -> Result<(), DiskError> {
    let length_bytes = torrent.length_bytes(bring.file);
    let Some(source) = bring.sources.iter().find_map(|path| open(path, length_bytes)) else {
        return Ok(());
    };
    let target = table.for_write(torrent, bring.file)?;
    if clone(&source, &target) {
        return Ok(());
    }
    copy(&source, &target, length_bytes)
        .map_err(|error| std_failure("write", torrent.full_path(bring.file), &error))
}

/// A regular file of this length.
fn open(path: &Path, length_bytes: u64) -> Option<File> {
    // A pipe that nobody writes to would keep us here.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).ok()?;
    let file = File::options().read(true).custom_flags(flags).open(path).ok()?;
    let look = file.metadata().ok()?;
    (look.is_file() && look.len() == length_bytes).then_some(file)
}

#[cfg(target_os = "linux")]
fn clone(source: &File, target: &File) -> bool {
    rustix::fs::ioctl_ficlone(target, source).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn clone(_source: &File, _target: &File) -> bool {
    false
}

fn copy(source: &File, target: &File, length_bytes: u64) -> io::Result<()> {
    let mut at = copy_in_kernel(source, target, length_bytes);
    let mut buf = Vec::new();
    while at < length_bytes {
        buf.resize(STEP_BYTES, 0);
        match source.read_at(&mut buf, at) {
            // It was cut meanwhile: the rest is fetched.
            Ok(0) => return Ok(()),
            Ok(read) => {
                target.write_all_at(buf.get(..read).unwrap_or_default(), at)?;
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How far it got.
#[cfg(target_os = "linux")]
fn copy_in_kernel(source: &File, target: &File, length_bytes: u64) -> u64 {
    let (mut from, mut to) = (0, 0);
    while from < length_bytes {
        let left = usize::try_from(length_bytes - from).unwrap_or(usize::MAX);
        let copied =
            rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), left);
        if !matches!(copied, Ok(1..)) {
            break;
        }
    }
    from.min(to)
}

#[cfg(not(target_os = "linux"))]
fn copy_in_kernel(_source: &File, _target: &File, _length_bytes: u64) -> u64 {
    0
}
