//! Whether a range of a file is in the page cache, so that a `sendfile` from it will not wait.
//!
//! Source: cachestat(2), Linux 6.5; preadv2(2), `RWF_NOWAIT`.
//! A page counts as cached from the moment its read was *submitted*, so we also ask for the last
//! byte of the range without waiting: read-ahead completes in order, near enough.
//! Everything doubtful (no such call, not allowed, an odd file system) is answered with `false`:
//! the caller then reads through the range, which is always right and costs one copy.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "no safe wrapper of cachestat(2) and sysconf(3) exists")
)]

use std::fs::File;

/// True if all of `length_bytes` (at least 1) from `offset_bytes` on is surely in the page cache.
#[cfg(target_os = "linux")]
pub(crate) fn is_resident(file: &File, offset_bytes: u64, length_bytes: u64) -> bool {
    let Some(last_byte) =
        length_bytes.checked_sub(1).and_then(|more| more.checked_add(offset_bytes))
    else {
        return false;
    };
    let page_bytes = linux::page_bytes();
    let pages = last_byte / page_bytes - offset_bytes / page_bytes + 1;
    linux::cached_pages(file, offset_bytes, length_bytes).is_some_and(|cached| cached >= pages)
        && linux::is_readable_now(file, last_byte)
}

/// We can't ask this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_resident(_file: &File, _offset_bytes: u64, _length_bytes: u64) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::fd::AsRawFd as _;
    use std::sync::OnceLock;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// `__NR_cachestat`, the same on every architecture that we build for (on Alpha it is not).
    const CACHESTAT: libc::c_long = 451;

    /// `struct cachestat_range` of <linux/mman.h>.
    #[repr(C)]
    struct Range {
        offset_bytes: u64,
        length_bytes: u64,
    }

    /// `struct cachestat` of <linux/mman.h>: page counts.
    #[repr(C)]
    #[derive(Default)]
    struct Counts {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }

    /// How many pages that touch the range are in the cache; `None` if we can't know.
    pub(super) fn cached_pages(file: &File, offset_bytes: u64, length_bytes: u64) -> Option<u64> {
        let range = Range { offset_bytes, length_bytes };
        let mut counts = Counts::default();
        let flags: libc::c_uint = 0;
        // SAFETY: `range` and `counts` have the layout of the kernel's structures and live across
        // the call, which reads the first and writes the second and keeps neither. A kernel
        // without the call, or with another `Range`, answers ENOSYS or EINVAL and writes nothing.
        let result = unsafe {
            libc::syscall(CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut counts, flags)
        };
        (result == 0).then_some(counts.cached)
    }

    /// True unless reading the byte would wait for the device.
    pub(super) fn is_readable_now(file: &File, offset_bytes: u64) -> bool {
        let mut byte = [0];
        let mut bufs = [IoSliceMut::new(&mut byte)];
        match preadv2(file, &mut bufs, offset_bytes, ReadWriteFlags::NOWAIT) {
            Ok(count) => count == 1,
            // The file system can't say; it has no device to wait for then (tmpfs), or is rare.
            Err(errno) => errno == Errno::OPNOTSUPP,
        }
    }

    /// Size of a page of the cache.
    pub(super) fn page_bytes() -> u64 {
        static PAGE_BYTES: OnceLock<u64> = OnceLock::new();
        *PAGE_BYTES.get_or_init(|| {
            // SAFETY: takes a number, gives a number, touches no memory of ours.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            u64::try_from(size).ok().filter(|&size| size > 0).unwrap_or(4096)
        })
    }
}
