//! Ranges of files as memory, to hash what is in the page cache without a copy.
//!
//! Why: a copy takes as long as SHA-1 in sixteen lanes. From mapped pages, 1 GiB took 0.22 s of CPU where it
//! took 0.30 read in chunks that fit the second-level cache.
//!
//! A file that somebody cuts while it is mapped has no pages any more where its end was, and touching
//! one is a signal. [`on_bus_error`] then puts a page of zeros there and notes it: what was hashed is
//! worth nothing ([`Mapping::is_whole`]), and a proper read tells why. A signal that is none of ours goes
//! to who was there before.
//!
//! The bytes may change while they are looked at, as those of any file may. They are hashed and
//! nothing else; nothing branches on them.

#![expect(unsafe_code, reason = "mmap(2) and sigaction(2)")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Most mappings at a time: sixteen for each of 32 threads, twice. Without a place, there is no mapping.
const PLACES: usize = 1024;

/// Where mappings are, for the signal handler.
struct Place {
    /// 0: free. 1: taken, being mapped.
    start: AtomicUsize,
    end: AtomicUsize,
    is_cut: AtomicBool,
}

static TABLE: [Place; PLACES] = [const {
    Place { start: AtomicUsize::new(0), end: AtomicUsize::new(0), is_cut: AtomicBool::new(false) }
}; PLACES];

/// Room for several mappings, which are unmapped together: each time, all threads of the process are
/// interrupted, which was a tenth of the time when it was done for every MiB.
#[derive(Debug)]
struct Room {
    address: *mut c_void,
    length_bytes: usize,
}

/// Makes mappings for one thread, the next beside the last.
#[derive(Debug, Default)]
pub(crate) struct Mapper {
    room: Option<Rc<Room>>,
    /// What is taken of it.
    taken_bytes: usize,
}

/// Address space of a [`Room`]: a window for each of sixteen lanes, with a page more for where it begins.
const ROOM_BYTES: usize = 17 << 20;

/// A range of a file, readable as memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// Where it is; unmapped with the last of its mappings.
    _room: Rc<Room>,
    /// Of the first page.
    address: *mut c_void,
    mapped_bytes: usize,
    /// Where in the first page the range begins.
    skipped_bytes: usize,
    place: usize,
}

impl Mapper {
    /// Maps a range that lies within the file, and is much shorter than [`ROOM_BYTES`].
    pub(crate) fn map(
        &mut self,
        file: &File,
        offset_bytes: u64,
        length_bytes: usize,
    ) -> io::Result<Mapping> {
        let page_bytes = handle_bus_errors()?;
        let skipped = offset_bytes % page_bytes as u64;
        let offset = libc::off_t::try_from(offset_bytes - skipped).map_err(io::Error::other)?;
        let skipped_bytes = usize::try_from(skipped).map_err(io::Error::other)?;
        let mapped_bytes = skipped_bytes + length_bytes;
        let (room, address) = self.take(mapped_bytes.next_multiple_of(page_bytes))?;
        let free = |place: &Place| {
            place.start.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let Some(place) = TABLE.iter().position(free) else {
            return Err(io::Error::other("too many mappings"));
        };
        let (protection, flags) = (libc::PROT_READ, libc::MAP_SHARED | libc::MAP_FIXED);
        let descriptor = file.as_raw_fd();
        // SAFETY: it replaces pages of our room that were not given to anybody yet.
        let mapped =
            unsafe { libc::mmap(address, mapped_bytes, protection, flags, descriptor, offset) };
        if mapped == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            TABLE[place].start.store(0, Ordering::Release);
            return Err(error);
        }
        TABLE[place].is_cut.store(false, Ordering::Relaxed);
        TABLE[place].end.store(address as usize + mapped_bytes, Ordering::Relaxed);
        TABLE[place].start.store(address as usize, Ordering::Release);
        Ok(Mapping { _room: room, address, mapped_bytes, skipped_bytes, place })
    }

    /// So much of the room, or of a new one.
    fn take(&mut self, length_bytes: usize) -> io::Result<(Rc<Room>, *mut c_void)> {
        let fits = |room: &&Rc<Room>| room.length_bytes - self.taken_bytes >= length_bytes;
        let room = match self.room.as_ref().filter(fits) {
            Some(room) => Rc::clone(room),
            None => {
                let room = Rc::new(Room::new(ROOM_BYTES.max(length_bytes))?);
                self.taken_bytes = 0;
                Rc::clone(self.room.insert(room))
            }
        };
        let address = room.address.wrapping_byte_add(self.taken_bytes);
        self.taken_bytes += length_bytes;
        Ok((room, address))
    }

    /// Lets go of the room, once its mappings do.
    pub(crate) fn end(&mut self) {
        self.room = None;
    }
}

impl Room {
    fn new(length_bytes: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address that the kernel chooses, touches none of ours.
        let address =
            unsafe { libc::mmap(ptr::null_mut(), length_bytes, libc::PROT_NONE, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address, length_bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: all of it was mapped for us, and no mapping within is left to have given a reference.
        unsafe { libc::munmap(self.address, self.length_bytes) };
    }
}

impl Mapping {
    /// The range. Zeros where the file was cut meanwhile.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the pages were mapped, stay mapped as long as we live, and may be read. That the file's
        // owner may change them is argued at the top.
        let all =
            unsafe { std::slice::from_raw_parts(self.address.cast::<u8>(), self.mapped_bytes) };
        &all[self.skipped_bytes..]
    }

    /// Whether all that was looked at so far was of the file.
    pub(crate) fn is_whole(&self) -> bool {
        !TABLE[self.place].is_cut.load(Ordering::Relaxed)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        TABLE[self.place].start.store(0, Ordering::Release);
    }
}

/// Who was asked about bus errors before us, and the size of a page.
static INSTALLED: OnceLock<Option<Installed>> = OnceLock::new();

struct Installed {
    before: libc::sigaction,
    page_bytes: usize,
}

/// Sees to it, once, that a file that is cut does not end the process. Gives the size of a page.
fn handle_bus_errors() -> io::Result<usize> {
    let installed = INSTALLED.get_or_init(|| {
        // SAFETY: takes a number, gives a number, touches no memory of ours.
        let page_bytes = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        // SAFETY: a structure of numbers and a pointer that may be null; all zeros is one.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: as above.
        let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: both live across the call; the handler does only what a signal handler may.
        let result = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) };
        (result == 0 && page_bytes > 0).then_some(Installed { before, page_bytes })
    });
    let installed = installed.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    Ok(installed.page_bytes)
}

/// Puts a page of zeros where a mapped file has none any more.
///
/// It reads and writes atomics and calls mmap(2), nothing else. POSIX does not list mmap(2) among what a signal
/// handler may call; on Linux it is a system call without state of its own.
extern "C" fn on_bus_error(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(Some(Installed { before, page_bytes })) = INSTALLED.get() else { return };
    // SAFETY: the kernel gives a handler with `SA_SIGINFO` a valid structure.
    let info_of_signal = unsafe { &*info };
    // SAFETY: of a fault it is an address, of a signal that was sent some number.
    let address = unsafe { info_of_signal.si_addr() } as usize;
    let is_there = |place: &&Place| {
        let start = place.start.load(Ordering::Acquire);
        let end = place.end.load(Ordering::Acquire);
        // Read again: another thread may have given the place to another mapping in between.
        let same = place.start.load(Ordering::Acquire) == start;
        start > 1 && same && (start..end).contains(&address)
    };
    // One that somebody sent has no address.
    let is_fault = info_of_signal.si_code > 0;
    if let Some(place) = TABLE.iter().find(is_there).filter(|_| is_fault) {
        place.is_cut.store(true, Ordering::Relaxed);
        let page = (address - address % page_bytes) as *mut c_void;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: it replaces a page of a mapping of ours, which may only be read, as this one.
        let zeros = unsafe { libc::mmap(page, *page_bytes, libc::PROT_READ, flags, -1, 0) };
        if zeros == page {
            return;
        }
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);
        // SAFETY: with this flag it is a function of these arguments.
        let handler: Handler = unsafe { std::mem::transmute(before.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // Returning touches the page again, and the process ends as it would have without us.
        // SAFETY: the structure is one that the kernel gave.
        unsafe { libc::sigaction(libc::SIGBUS, &raw const *before, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A file without a name that holds `length` bytes of 7.
    fn file(length: usize) -> File {
        let path =
            std::env::temp_dir().join(format!("shoal-mapped-{}-{length}", std::process::id()));
        let mut options = File::options();
        let mut file =
            options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.write_all(&vec![7; length]).unwrap();
        file
    }

    #[test]
    fn a_range_that_begins_anywhere_is_that_of_the_file() {
        let file = file(100_000);
        for (offset, length) in [(0, 100_000), (1, 5), (4096, 4096), (5000, 50_000)] {
            let mapping = Mapper::default().map(&file, offset, length).unwrap();
            assert_eq!(mapping.bytes(), vec![7; length]);
            assert!(mapping.is_whole());
        }
    }

    #[test]
    fn a_file_that_is_cut_reads_as_zeros_and_is_known_as_cut() {
        let file = file(100_001);
        let mut mapper = Mapper::default();
        let mapping = mapper.map(&file, 0, 100_001).unwrap();
        let other = mapper.map(&file, 0, 4096).unwrap();
        file.set_len(8192).unwrap();
        assert_eq!(mapping.bytes()[8191], 7);
        assert!(mapping.is_whole());
        assert_eq!(mapping.bytes()[8192..].iter().map(|&byte| u64::from(byte)).sum::<u64>(), 0);
        assert!(!mapping.is_whole());
        assert_eq!(other.bytes()[0], 7);
        assert!(other.is_whole());
    }

    #[test]
    fn a_place_is_free_again_afterwards() {
        let file = file(4097);
        let mut mapper = Mapper::default();
        for _ in 0..8 * PLACES {
            assert_eq!(mapper.map(&file, 4096, 1).unwrap().bytes(), [7]);
        }
    }
}
