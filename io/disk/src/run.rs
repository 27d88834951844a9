//! Where the bytes of a write run go: extents, padding, and blocks that end elsewhere than they.
//!
//! A run is a stretch of a piece. Its bytes lie in blocks, one after the other. Each byte belongs
//! to an extent of a file or to padding, which is hashed but never written.

use std::fs::File;
use std::io::IoSlice;

use base::{BufRef, FileIndex};
use keys::{Feed, PieceHash};
use rustix::io::{Errno, pwritev};
use storage::job::Extent;

/// A stretch of the run that goes to one place in one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where in the run it starts, in bytes.
    pub(crate) run_offset_bytes: u64,
    /// Which file.
    pub(crate) file: FileIndex,
    /// Where in the file, in bytes.
    pub(crate) offset_bytes: u64,
    /// How long, in bytes.
    pub(crate) length_bytes: u64,
}

/// The segments of a run of `run_bytes`, in order. None if the numbers don't add up.
pub(crate) fn segments(
    extents: &[Extent],
    skip: &[(u64, u64)],
    run_bytes: u64,
) -> Option<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::with_capacity(extents.len());
    let mut skip = skip.iter().copied().peekable();
    let mut at = 0_u64;
    for extent in extents {
        // The end is checked once here, so that no sum below it can overflow.
        extent.offset_bytes.checked_add(extent.length_bytes)?;
        let mut done = 0;
        while done < extent.length_bytes {
            while let Some((_, length)) = skip.next_if(|&(start, _)| start == at) {
                at = at.checked_add(length)?;
            }
            let rest = extent.length_bytes - done;
            let length_bytes = match skip.peek() {
                Some(&(start, _)) => rest.min(start.checked_sub(at)?),
                None => rest,
            };
            let offset_bytes = extent.offset_bytes + done;
            let next =
                Segment { run_offset_bytes: at, file: extent.file, offset_bytes, length_bytes };
            match segments.last_mut().filter(|last| last.is_followed_by(&next)) {
                Some(last) => last.length_bytes += length_bytes,
                None => segments.push(next),
            }
            done += length_bytes;
            at = at.checked_add(length_bytes)?;
        }
    }
    for (start, length) in skip {
        if start != at {
            return None;
        }
        at = at.checked_add(length)?;
    }
    (at == run_bytes).then_some(segments)
}

impl Segment {
    fn is_followed_by(&self, next: &Self) -> bool {
        self.file == next.file
            && self.offset_bytes + self.length_bytes == next.offset_bytes
            && self.run_offset_bytes + self.length_bytes == next.run_offset_bytes
    }
}

/// How many bytes count in `blocks`. None if a block claims more than it can hold.
pub(crate) fn run_bytes(blocks: &[(BufRef, u32)]) -> Option<u64> {
    blocks.iter().try_fold(0_u64, |sum, (buf, length_bytes)| {
        buf.get(..usize::try_from(*length_bytes).ok()?)?;
        sum.checked_add(u64::from(*length_bytes))
    })
}

/// A run to be hashed.
#[derive(Debug)]
pub(crate) struct HashRun<'a> {
    /// Running digest of the piece.
    pub(crate) hash: &'a mut PieceHash,
    /// The run. Its blocks have passed [`run_bytes`].
    pub(crate) blocks: &'a [(BufRef, u32)],
    /// Padding behind it.
    pub(crate) pad_bytes: u64,
}

/// Hashes all of them, several at once.
pub(crate) fn hash_all(runs: Vec<HashRun<'_>>) {
    let padding: Vec<u64> = runs.iter().map(|run| run.pad_bytes).collect();
    let feed = |run| {
        let HashRun { hash, blocks, .. } = run;
        let mut cursor = Cursor::new(blocks);
        let parts =
            core::iter::from_fn(|| Some(cursor.take(u64::MAX)).filter(|part| !part.is_empty()));
        Feed { parts: parts.collect(), hash }
    };
    let mut feeds: Vec<Feed<'_>> = runs.into_iter().map(feed).collect();
    keys::feed(&mut feeds);
    for (feed, pad_bytes) in feeds.iter_mut().zip(padding) {
        feed.hash.pad(pad_bytes);
    }
}

/// Most buffers of one `pwritev`: `IOV_MAX` of Linux and the BSDs.
const IOV_MAX: usize = 1024;

/// A place in the bytes of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    /// What is left of the current block.
    current: &'a [u8],
    rest: &'a [(BufRef, u32)],
    at: u64,
}

impl<'a> Cursor<'a> {
    /// The start of the run. The blocks have passed [`run_bytes`].
    pub(crate) fn new(blocks: &'a [(BufRef, u32)]) -> Self {
        Self { current: &[], rest: blocks, at: 0 }
    }

    /// The next contiguous bytes, at most `bytes_max`; empty at the end of the run.
    fn take(&mut self, bytes_max: u64) -> &'a [u8] {
        while self.current.is_empty() {
            let Some(((buf, length_bytes), rest)) = self.rest.split_first() else { return &[] };
            self.current = usize::try_from(*length_bytes)
                .ok()
                .and_then(|length| buf.get(..length))
                .expect("the lengths were checked when the job came");
            self.rest = rest;
        }
        let length = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(self.current.len());
        let (taken, left) = self.current.split_at(length);
        self.current = left;
        self.at += taken.len() as u64;
        taken
    }

    /// Goes forward to `run_offset_bytes`, through `each` stretch of bytes on the way.
    pub(crate) fn advance_to(&mut self, run_offset_bytes: u64, mut each: impl FnMut(&[u8])) {
        while self.at < run_offset_bytes {
            let bytes = self.take(run_offset_bytes - self.at);
            if bytes.is_empty() {
                return;
            }
            each(bytes);
        }
    }

    /// Writes the next `length_bytes` to `file` at `offset_bytes`, in as few calls as it goes.
    pub(crate) fn write(
        &mut self,
        file: &File,
        offset_bytes: u64,
        length_bytes: u64,
    ) -> Result<(), Errno> {
        let end = self.at + length_bytes;
        let mut offset_bytes = offset_bytes;
        let mut slices = Vec::new();
        while self.at < end {
            slices.clear();
            let mut ahead = *self;
            while ahead.at < end && slices.len() < IOV_MAX {
                let bytes = ahead.take(end - ahead.at);
                if bytes.is_empty() {
                    break;
                }
                slices.push(IoSlice::new(bytes));
            }
            let written = match pwritev(file, &slices, offset_bytes) {
                Err(Errno::INTR) => continue,
                // A write of nothing would go on for ever.
                Ok(0) => return Err(Errno::IO),
                result => result? as u64,
            };
            self.advance_to(self.at + written, |_| {});
            offset_bytes += written;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(file: u32, offset_bytes: u64, length_bytes: u64) -> Extent {
        Extent { file: FileIndex(file), offset_bytes, length_bytes }
    }

    /// `file@offset+length<run offset`, joined by blanks.
    fn shown(extents: &[Extent], skip: &[(u64, u64)], run_bytes: u64) -> Option<String> {
        let show = |s: &Segment| {
            format!("{}@{}+{}<{}", s.file.0, s.offset_bytes, s.length_bytes, s.run_offset_bytes)
        };
        let segments = segments(extents, skip, run_bytes)?;
        Some(segments.iter().map(show).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn segments_lie_around_padding_and_join_where_they_touch() {
        type Row<'a> = (&'a [Extent], &'a [(u64, u64)], u64, Option<&'a str>);
        let table: &[Row<'_>] = &[
            (&[], &[], 0, Some("")),
            (&[extent(0, 5, 10)], &[], 10, Some("0@5+10<0")),
            (&[extent(0, 5, 10), extent(0, 15, 2)], &[], 12, Some("0@5+12<0")),
            (&[extent(0, 5, 10), extent(0, 16, 2)], &[], 12, Some("0@5+10<0 0@16+2<10")),
            (&[extent(0, 5, 1), extent(2, 0, 3)], &[(1, 4)], 8, Some("0@5+1<0 2@0+3<5")),
            (&[extent(0, 5, 3)], &[(0, 2), (3, 1)], 6, Some("0@5+1<2 0@6+2<4")),
            (&[extent(0, 5, 3)], &[(3, 2), (5, 1)], 6, Some("0@5+3<0")),
            (&[], &[(0, 7)], 7, Some("")),
            (&[extent(0, 5, 3)], &[], 4, None),
            (&[extent(0, 5, 3)], &[(4, 1)], 4, None),
            (&[extent(0, u64::MAX, 2), extent(0, 1, u64::MAX)], &[], 4, None),
        ];
        for (extents, skip, run_bytes, want) in table {
            assert_eq!(shown(extents, skip, *run_bytes).as_deref(), *want, "{extents:?} {skip:?}");
        }
    }
}
