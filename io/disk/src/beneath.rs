//! Opening and making paths that can't leave a root folder.
//!
//! Source: openat2(2), `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`.
//! Symbolic links that stay beneath the root are followed. Where the kernel has no `openat2`, or a
//! seccomp filter forbids it, we walk the path one component at a time and refuse every symbolic
//! link instead, since following them safely needs the kernel.
//!
//! A path that would leave the root fails with [`Errno::XDEV`], in both ways.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::{Errno, Result};

/// How to open a folder only to resolve names below it: needs no permission to list it.
#[cfg(target_os = "linux")]
pub(crate) const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// How to open a folder only to resolve names below it.
#[cfg(not(target_os = "linux"))]
pub(crate) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Who keeps paths beneath the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// The kernel, by `openat2`.
    Kernel,
    /// We, component by component.
    Walk,
}

impl Guard {
    /// The best one that works here.
    #[cfg(target_os = "linux")]
    pub(crate) fn detect() -> Self {
        let probe = open_by_kernel(rustix::fs::CWD, Path::new("."), FOLDER, Mode::empty());
        if probe.is_ok() { Self::Kernel } else { Self::Walk }
    }

    /// The best one that works here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn detect() -> Self {
        Self::Walk
    }

    /// Opens `path` below `root`; an empty path is the root.
    pub(crate) fn open(
        self,
        root: BorrowedFd<'_>,
        path: &Path,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd> {
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Errno::XDEV);
        }
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::CLOEXEC;
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel => open_by_kernel(root, path, flags, mode),
            #[cfg(not(target_os = "linux"))]
            Self::Kernel => open_by_walk(root, path, flags, mode),
            Self::Walk => open_by_walk(root, path, flags, mode),
        }
    }

    /// Makes `folder` and its parents below `root` where missing. The folders that got a new entry
    /// are added to `changed`, also when it fails on the way.
    pub(crate) fn make_folders(
        self,
        root: BorrowedFd<'_>,
        folder: &Path,
        changed: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let mut parent_path = PathBuf::new();
        let mut parent: Option<OwnedFd> = None;
        for part in folder.components() {
            let Component::Normal(name) = part else { return Err(Errno::XDEV) };
            let path = parent_path.join(name);
            let opened = match self.open(root, &path, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => {
                    let at = parent.as_ref().map_or(root, |folder| folder.as_fd());
                    match mkdirat(at, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
                        // Another worker was faster.
                        Ok(()) | Err(Errno::EXIST) => changed.push(parent_path),
                        Err(errno) => return Err(errno),
                    }
                    self.open(root, &path, FOLDER, Mode::empty())?
                }
                other => other?,
            };
            parent = Some(opened);
            parent_path = path;
        }
        Ok(())
    }
}

/// How often a resolution that raced with a rename is tried again. The kernel's manual says to
/// retry and gives no number; each try can only fail if another rename hits its window.
#[cfg(target_os = "linux")]
const RESOLVE_ATTEMPTS_MAX: u32 = 32;

#[cfg(target_os = "linux")]
fn open_by_kernel(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut attempt = 0;
    loop {
        attempt += 1;
        match openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) if attempt < RESOLVE_ATTEMPTS_MAX => {}
            result => return result,
        }
    }
}

fn open_by_walk(root: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut folder: Option<OwnedFd> = None;
    let mut parts = path.iter().peekable();
    while let Some(name) = parts.next() {
        let at = folder.as_ref().map_or(root, |folder| folder.as_fd());
        if parts.peek().is_none() {
            return open_no_link(at, name, flags, mode);
        }
        folder = Some(open_no_link(at, name, FOLDER, Mode::empty())?);
    }
    Err(Errno::NOENT)
}

/// Opens one name, refusing a symbolic link.
///
/// `flags` must not be path-only without `DIRECTORY`: that opens the link itself.
fn open_no_link(at: BorrowedFd<'_>, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let opened = openat(at, name, flags | OFlags::NOFOLLOW, mode);
    // Which of these a link gives differs by system and flags.
    if let Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) = opened {
        let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(Errno::XDEV);
        }
    }
    opened
}
