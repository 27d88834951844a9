//! [`PowerDisk`](super::PowerDisk)s as `SQLite` sees them.
//!
//! Source: <https://www.sqlite.org/c3ref/vfs.html> and <https://www.sqlite.org/c3ref/io_methods.html>.
//! The parts that have nothing to do with files (sleep, random bytes, the clock) are those of the
//! system's own VFS.

#![expect(unsafe_code, reason = "SQLite asks for its files through C pointers")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;

use super::{Change, Gone, change_file, put, sync_file, with_file};

/// Bytes of the index that `SQLite` shares between connections, in words: that is how it is aligned.
type Shared = Vec<Box<[u64]>>;

/// What `SQLite` keeps of an open file. It begins as `SQLite` wants it.
#[repr(C)]
struct Open {
    base: ffi::sqlite3_file,
    state: *mut State,
}

struct State {
    path: String,
    delete_on_close: bool,
    shared: Shared,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes it the VFS of all databases that are opened from now on.
pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: a null name asks for the default, which always is there and lives for ever.
        let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        // SAFETY: see above; it is copied as plain data.
        let mut vfs = unsafe { *system };
        vfs.iVersion = 2;
        vfs.szOsFile = c_int::try_from(size_of::<Open>()).expect("small");
        vfs.pNext = std::ptr::null_mut();
        vfs.zName = c"shoal-power".as_ptr();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_pathname);
        // SAFETY: it is leaked, so that it lives for ever.
        let result = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1) };
        assert_eq!(result, ffi::SQLITE_OK, "SQLite takes the VFS");
    });
}

/// The path that `name` points to.
///
/// # Safety
/// `name` is null, or ends in a zero byte.
unsafe fn text(name: *const c_char) -> String {
    static TEMPORARY: AtomicU64 = AtomicU64::new(0);
    if name.is_null() {
        return format!("temporary/{}", TEMPORARY.fetch_add(1, Ordering::Relaxed));
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The state of an open file.
///
/// # Safety
/// `file` was opened by [`open`] and not closed.
unsafe fn state<'a>(file: *mut ffi::sqlite3_file) -> &'a mut State {
    // SAFETY: an open file of ours begins with its base.
    let open = unsafe { &*file.cast::<Open>() };
    // SAFETY: it was made by `open`, and `SQLite` uses a file from one thread at a time.
    unsafe { &mut *open.state }
}

fn code(result: Result<(), Gone>, failure: c_int) -> c_int {
    result.map_or_else(|Gone| failure, |()| ffi::SQLITE_OK)
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `SQLite` gives a name or none.
    let path = unsafe { text(name) };
    let opened = Open {
        base: ffi::sqlite3_file { pMethods: std::ptr::null() },
        state: std::ptr::null_mut(),
    };
    // SAFETY: there is room for `szOsFile` bytes.
    unsafe { file.cast::<Open>().write(opened) };
    let Ok(is_there) = with_file(&path, |file| file.cached.is_some()) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if !is_there {
        if flags & ffi::SQLITE_OPEN_CREATE == 0 {
            return ffi::SQLITE_CANTOPEN;
        }
        let made = change_file(&path, |file| {
            file.cached = Some(Vec::new());
            if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
                file.unsynced.push(Change::Made);
            } else {
                // Whoever opens a database has made its file and synced the name before.
                file.durable = Some(Vec::new());
            }
        });
        if made.is_err() {
            return ffi::SQLITE_CANTOPEN;
        }
    }
    let delete_on_close = flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
    let state = Box::into_raw(Box::new(State { path, delete_on_close, shared: Vec::new() }));
    let opened = Open { base: ffi::sqlite3_file { pMethods: &raw const METHODS }, state };
    // SAFETY: as above.
    unsafe { file.cast::<Open>().write(opened) };
    if !out_flags.is_null() {
        // SAFETY: it is not null.
        unsafe { out_flags.write(flags) };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: `SQLite` gives a name.
    let path = unsafe { text(name) };
    match with_file(&path, |file| file.cached.is_some()) {
        Ok(true) => {}
        Ok(false) => return ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(Gone) => return ffi::SQLITE_IOERR_DELETE,
    }
    let deleted = change_file(&path, |file| {
        file.cached = None;
        file.unsynced.push(Change::Deleted);
        if sync_folder != 0 {
            file.sync_name();
        }
    });
    code(deleted, ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: `SQLite` gives a name.
    let path = unsafe { text(name) };
    let is_there = with_file(&path, |file| file.cached.is_some()).unwrap_or(false);
    // SAFETY: `SQLite` waits for the answer there.
    unsafe { out.write(c_int::from(is_there)) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: `SQLite` gives a name.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if bytes.len() > usize::try_from(room).unwrap_or(0) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: there is room for `room` bytes, and the two do not overlap.
    unsafe { out.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: `SQLite` closes what it opened, once.
    let open = unsafe { &*file.cast::<Open>() };
    // SAFETY: it came from a box.
    let state = unsafe { Box::from_raw(open.state) };
    if state.delete_on_close {
        with_file(&state.path, |file| file.cached = None).ok();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    let (length, offset) = (size(length.into()), size(offset));
    // SAFETY: `SQLite` gives room for so many bytes.
    let to = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), length) };
    let read = with_file(&state.path, |file| {
        let bytes = file.cached.as_deref().unwrap_or_default();
        let there = bytes.get(offset..).unwrap_or_default();
        let there = &there[..there.len().min(length)];
        to.fill(0); // As `SQLite` asks for where the file ends early.
        to[..there.len()].copy_from_slice(there);
        there.len()
    });
    match read {
        Ok(read) if read == length => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(Gone) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    // SAFETY: `SQLite` gives so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size(length.into())) };
    let at = size(offset);
    let written = change_file(&state.path, |file| {
        put(file.cached.get_or_insert_default(), at, bytes);
        file.unsynced.push(Change::Wrote { at, bytes: bytes.to_vec() });
    });
    code(written, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    let cut = change_file(&state.path, |file| {
        file.cached.get_or_insert_default().resize(size(to), 0);
        file.unsynced.push(Change::Cut(size(to)));
    });
    code(cut, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    code(sync_file(&state.path), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    let length = with_file(&state.path, |file| file.cached.as_ref().map_or(0, Vec::len));
    let Ok(length) = length else { return ffi::SQLITE_IOERR_FSTAT };
    // SAFETY: `SQLite` waits for the answer there.
    unsafe { out.write(i64::try_from(length).expect("small")) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: `SQLite` waits for the answer there.
    unsafe { out.write(0) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// As on Linux: a write changes no bytes but its own, even when the power fails.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    let page = size(page.into());
    while state.shared.len() <= page && extend != 0 {
        state.shared.push(vec![0; size(bytes.into()).div_ceil(8)].into());
    }
    let memory = state.shared.get_mut(page).map_or(std::ptr::null_mut(), |page| page.as_mut_ptr());
    // SAFETY: `SQLite` waits for the answer there.
    unsafe { out.write(memory.cast()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    _file: *mut ffi::sqlite3_file,
    _offset: c_int,
    _count: c_int,
    _flags: c_int,
) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file.
    let state = unsafe { state(file) };
    state.shared.clear();
    ffi::SQLITE_OK
}

fn size(number: i64) -> usize {
    usize::try_from(number).expect("sizes and offsets are not negative")
}
