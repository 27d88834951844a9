//! Filling a range of a torrent's file from a file elsewhere on this machine.
//!
//! The kernel copies, or lets both files share the blocks where the file system can
//! (`copy_file_range(2)`); where it cannot, a buffer does. What comes out is compared with the digests like
//! anything else that no record vouches for, so that a source which changed meanwhile does no harm.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use storage::job::Bring;

use crate::files::{FileTable, TorrentFiles};

/// Bytes copied at once.
const STEP_BYTES: usize = 1 << 20;

/// Fills the range from the first source that will do. If none does, or the file cannot be written, nothing
/// is promised: then it is fetched, and what is wrong is told when that is written.
pub(crate) fn bring(table: &FileTable, torrent: &TorrentFiles, bring: &Bring) {
    let length_bytes = torrent.length_bytes(bring.file);
    let mut sources = bring.sources.iter().filter_map(|path| open(path, length_bytes));
    let Some(first) = sources.next() else { return };
    let Ok(target) = table.for_write(torrent, bring.file) else { return };
    core::iter::once(first).chain(sources).any(|source| copy(&source, &target, bring).is_ok());
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

fn copy(source: &File, target: &File, range: &Bring) -> io::Result<()> {
    let end = range.offset_bytes + range.length_bytes;
    let mut at = copy_in_kernel(source, target, range);
    let mut buf = Vec::new();
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        buf.resize(STEP_BYTES.min(left), 0);
        match source.read_at(&mut buf, at) {
            // It was cut meanwhile.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
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
fn copy_in_kernel(source: &File, target: &File, range: &Bring) -> u64 {
    let (mut from, mut to) = (range.offset_bytes, range.offset_bytes);
    let end = range.offset_bytes + range.length_bytes;
    while from < end {
        let left = usize::try_from(end - from).unwrap_or(usize::MAX);
        let copied =
            rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), left);
        if !matches!(copied, Ok(1..)) {
            break;
        }
    }
    from.min(to)
}

#[cfg(not(target_os = "linux"))]
fn copy_in_kernel(_source: &File, _target: &File, range: &Bring) -> u64 {
    range.offset_bytes
}
