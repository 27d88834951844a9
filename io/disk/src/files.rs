//! Which torrents are open and how their files are found, opened, made and looked at.
//!
//! Descriptors come from the cache or are opened beneath the root's descriptor. Files are looked
//! at again each time they are opened for writing, so that a file deleted behind our back is made
//! anew at its full length rather than forgotten.
//!
//! A new name in a folder is durable when that folder is synced, so each torrent remembers which
//! folders were synced since they last changed. Unknown counts as changed: a process before us may
//! have made the files and died.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use base::{FileIndex, TorrentId};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fchmod, fstat, openat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use storage::job::{DiskError, DiskErrorKind, FileSpec, FileStamp};

use crate::beneath::{FOLDER, Guard};
use crate::descriptors::{Access, Descriptors, Key};
use crate::failure::{failure, found, std_failure};

/// A pipe somebody put in a file's place must not block us; regular files ignore the flag.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);
const WRITE: OFlags = OFlags::RDWR.union(OFlags::NONBLOCK);
/// 0o666, less the umask.
const FILE_MODE: Mode = Mode::RUSR
    .union(Mode::WUSR)
    .union(Mode::RGRP)
    .union(Mode::WGRP)
    .union(Mode::ROTH)
    .union(Mode::WOTH);

/// The root and files of one torrent.
#[derive(Debug)]
pub(crate) struct TorrentFiles {
    id: TorrentId,
    root: PathBuf,
    /// By ascending index.
    files: Vec<FileSpec>,
    create: bool,
    closed: AtomicBool,
    /// Folders synced since we last made something in them: below the root by relative path, the
    /// root's parents by absolute path.
    clean_folders: Mutex<HashSet<PathBuf>>,
    /// Files that had their full length when we last looked. One that has not any more is told
    /// before it is made anew: what we wrote to it is gone.
    whole: Mutex<HashSet<FileIndex>>,
    /// Held during a write. The kernel lets one writer into a file at a time and has the others
    /// spin: on two cores, 5 % of a download's CPU went there. One that waits here sleeps.
    pub(crate) one_writer: Mutex<()>,
    /// Parents of the folders that were made for the root, the root's own parent included.
    above_root: Vec<PathBuf>,
}

impl TorrentFiles {
    /// True once the torrent is forgotten: its descriptors must not be kept any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Every key its descriptors can have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let files = self.files.iter().map(|spec| Some(spec.file));
        files.chain([None]).map(|file| Key { torrent: self.id, file })
    }

    /// Where a file is, for messages.
    pub(crate) fn full_path(&self, file: FileIndex) -> PathBuf {
        self.spec(file).map_or_else(|| self.root.clone(), |spec| self.root.join(&spec.path))
    }

    /// How long a file is when it is whole; 0 for one that the torrent does not have.
    pub(crate) fn length_bytes(&self, file: FileIndex) -> u64 {
        self.spec(file).map_or(0, |spec| spec.length_bytes)
    }

    fn spec(&self, file: FileIndex) -> Option<&FileSpec> {
        let at = self.files.binary_search_by_key(&file, |spec| spec.file).ok()?;
        self.files.get(at)
    }

    fn known(&self, operation: &'static str, file: FileIndex) -> Result<&FileSpec, DiskError> {
        self.spec(file).ok_or_else(|| {
            let message = format!("the torrent has no file {}", file.0);
            found(operation, &self.root, DiskErrorKind::Other, message)
        })
    }

    fn whole(&self) -> MutexGuard<'_, HashSet<FileIndex>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean_folders(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.clean_folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The torrents that are open, and their descriptors.
#[derive(Debug)]
pub(crate) struct FileTable {
    torrents: RwLock<HashMap<TorrentId, Arc<TorrentFiles>>>,
    descriptors: Descriptors,
    guard: Guard,
}

impl FileTable {
    /// An empty table that keeps at most `open_files_max` descriptors.
    pub(crate) fn new(open_files_max: usize, guard: Guard) -> Self {
        let descriptors = Descriptors::new(open_files_max);
        Self { torrents: RwLock::default(), descriptors, guard }
    }

    /// Registers a torrent and looks at its files. After an error it is not registered.
    pub(crate) fn open(
        &self,
        id: TorrentId,
        root: PathBuf,
        mut files: Vec<FileSpec>,
        create: bool,
    ) -> Result<Vec<FileStamp>, DiskError> {
        self.close(id);
        files.sort_by_key(|spec| spec.file);
        let above_root = if create { make_root(&root)? } else { Vec::new() };
        let torrent = Arc::new(TorrentFiles {
            id,
            root,
            files,
            create,
            closed: AtomicBool::new(false),
            clean_folders: Mutex::default(),
            whole: Mutex::default(),
            one_writer: Mutex::default(),
            above_root,
        });
        let stamps = self.first_look(&torrent);
        if stamps.is_ok() {
            let mut torrents = self.torrents.write().unwrap_or_else(PoisonError::into_inner);
            torrents.insert(id, torrent);
        } else {
            // Its root's descriptor must not serve the next try, which may have another root.
            self.close_descriptors(&torrent);
        }
        stamps
    }

    /// Looks at all files; of a torrent that may be written to, empty ones that are missing are made.
    pub(crate) fn first_look(&self, torrent: &TorrentFiles) -> Result<Vec<FileStamp>, DiskError> {
        let stamps = self.stamps(torrent)?;
        let is_missing =
            |spec: &&FileSpec| stamps.binary_search_by_key(&spec.file, |stamp| stamp.file).is_err();
        let empty = torrent.files.iter().filter(|spec| spec.length_bytes == 0 && spec.make);
        let to_make: Vec<_> = empty.filter(|_| torrent.create).filter(is_missing).collect();
        if to_make.is_empty() {
            return Ok(stamps);
        }
        for spec in to_make {
            match &spec.link {
                Some(says) => self.make_link(torrent, spec, says)?,
                None => drop(self.open_file("create", torrent, spec, Access::Write)?),
            }
        }
        self.stamps(torrent)
    }

    /// Forgets a torrent and closes its files.
    pub(crate) fn close(&self, id: TorrentId) {
        let removed = self.torrents.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(torrent) = removed {
            self.close_descriptors(&torrent);
        }
    }

    fn close_descriptors(&self, torrent: &TorrentFiles) {
        torrent.closed.store(true, Ordering::SeqCst);
        self.descriptors.close_torrent(torrent);
    }

    /// An open torrent.
    pub(crate) fn torrent(
        &self,
        operation: &'static str,
        id: TorrentId,
    ) -> Result<Arc<TorrentFiles>, DiskError> {
        let torrents = self.torrents.read().unwrap_or_else(PoisonError::into_inner);
        torrents.get(&id).cloned().ok_or_else(|| {
            let message = format!("torrent {} is not open", id.0);
            found(operation, PathBuf::new(), DiskErrorKind::Other, message)
        })
    }

    /// A descriptor to read from.
    pub(crate) fn for_read(
        &self,
        torrent: &TorrentFiles,
        file: FileIndex,
    ) -> Result<Arc<File>, DiskError> {
        self.descriptor("read", torrent, file, Access::Read)
    }

    /// A descriptor to write to; the file is made and brought to its full length if need be.
    pub(crate) fn for_write(
        &self,
        torrent: &TorrentFiles,
        file: FileIndex,
    ) -> Result<Arc<File>, DiskError> {
        // A seed's files are somebody's own: whatever went wrong above, they are not touched.
        if !torrent.create {
            let why = "the torrent was opened for reading only";
            return Err(found("write", torrent.full_path(file), DiskErrorKind::Denied, why));
        }
        self.descriptor("write", torrent, file, Access::Write)
    }

    /// A descriptor to read from, of the file that has the name now.
    pub(crate) fn for_look(
        &self,
        torrent: &TorrentFiles,
        file: FileIndex,
    ) -> Result<Arc<File>, DiskError> {
        self.look("read", torrent, file, false)
    }

    fn look(
        &self,
        operation: &'static str,
        torrent: &TorrentFiles,
        file: FileIndex,
        thorough: bool,
    ) -> Result<Arc<File>, DiskError> {
        let opened = self.descriptor(operation, torrent, file, Access::Read)?;
        if !self.is_stale(torrent, file, &opened, thorough) {
            return Ok(opened);
        }
        self.descriptors.forget(Key { torrent: torrent.id, file: Some(file) });
        self.descriptor(operation, torrent, file, Access::Read)
    }

    /// Before and after a write: is the file there, at its full length? One that was removed lives
    /// on as long as we hold it open, and dies with all that we write to it.
    pub(crate) fn check_there(
        &self,
        torrent: &TorrentFiles,
        file: FileIndex,
        written: &File,
    ) -> Result<(), DiskError> {
        let spec = torrent.known("write", file)?;
        let short = fstat(written).is_ok_and(|stat| length_bytes(&stat) < spec.length_bytes);
        if !short && !self.is_stale(torrent, file, written, false) {
            return Ok(());
        }
        self.descriptors.forget(Key { torrent: torrent.id, file: Some(file) });
        torrent.whole().remove(&file);
        let why = "it is gone or cut short";
        Err(found("write", torrent.full_path(file), DiskErrorKind::NotFound, why))
    }

    /// True if the name does not lead to this file any more. A file with links is only looked up by
    /// its name if that is to be `thorough`: it may have been moved. Some file systems count no
    /// links, so for one without it is always done.
    fn is_stale(
        &self,
        torrent: &TorrentFiles,
        file: FileIndex,
        opened: &File,
        thorough: bool,
    ) -> bool {
        let Ok(stat) = fstat(opened) else { return false };
        if stat.st_nlink > 0 && !thorough {
            return false;
        }
        let named = torrent.spec(file).map(|spec| self.beneath(torrent, &spec.path, READ));
        match named {
            Some(Ok(named)) => !fstat(named)
                .is_ok_and(|named| (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino)),
            Some(Err(Errno::NOENT | Errno::NOTDIR)) | None => true,
            // It can't be looked up just now: what we hold open is good enough.
            Some(Err(_)) => false,
        }
    }

    /// Why nothing can be written to a torrent, if the system says so of the folders in which files
    /// are missing, or of all of its file system.
    pub(crate) fn denied(&self, id: TorrentId) -> Option<DiskError> {
        use rustix::fs::{Access as Right, accessat};
        let torrent = self.torrent("write", id).ok()?;
        let refusal = |folder: &Path| {
            let rights = Right::WRITE_OK | Right::EXEC_OK;
            // As whom we act, not as whom we were started.
            match accessat(rustix::fs::CWD, folder, rights, AtFlags::EACCESS) {
                Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => {
                    Some((errno, failure("write to", folder, errno)))
                }
                // Other troubles show when it is used.
                Ok(()) | Err(_) => None,
            }
        };
        if let Some((Errno::ROFS, refused)) = refusal(&torrent.root) {
            return Some(refused);
        }
        let whole = torrent.whole().clone();
        let made = |spec: &&FileSpec| spec.make && spec.link.is_none();
        let missing = torrent.files.iter().filter(made).filter(|spec| !whole.contains(&spec.file));
        let parents: BTreeSet<&Path> = missing.filter_map(|spec| spec.path.parent()).collect();
        parents.into_iter().find_map(|parent| {
            let folder = torrent.root.join(parent);
            // Where the first folder is to be made, or the file itself.
            let there = folder.ancestors().find(|folder| folder.is_dir())?;
            refusal(there).map(|(_, refused)| refused)
        })
    }

    fn descriptor(
        &self,
        operation: &'static str,
        torrent: &TorrentFiles,
        file: FileIndex,
        access: Access,
    ) -> Result<Arc<File>, DiskError> {
        let key = Key { torrent: torrent.id, file: Some(file) };
        if let Some(file) = self.descriptors.get(key, access) {
            return Ok(file);
        }
        let spec = torrent.known(operation, file)?;
        let opened = Arc::new(self.open_file(operation, torrent, spec, access)?);
        self.descriptors.insert(torrent, key, access, &opened);
        Ok(opened)
    }

    fn open_file(
        &self,
        operation: &'static str,
        torrent: &TorrentFiles,
        spec: &FileSpec,
        access: Access,
    ) -> Result<File, DiskError> {
        let path = torrent.root.join(&spec.path);
        let gone = || found(operation, &path, DiskErrorKind::NotFound, "it is gone or cut short");
        let opened = match access {
            Access::Read => self.beneath(torrent, &spec.path, READ),
            Access::Write => match self.beneath(torrent, &spec.path, WRITE) {
                Err(Errno::NOENT) if torrent.whole().remove(&spec.file) => return Err(gone()),
                Err(Errno::NOENT) if torrent.create && spec.make => self.create_file(torrent, spec),
                other => other,
            },
        };
        let opened = opened.map_err(|errno| match (access, errno) {
            // A file where a folder should be: what we look for is not there.
            (Access::Read, Errno::NOTDIR) => failure(operation, &path, Errno::NOENT),
            _ => failure(operation, &path, errno),
        })?;
        let stat = fstat(&opened).map_err(|errno| failure(operation, &path, errno))?;
        check_regular(operation, torrent, spec, &stat)?;
        let file = File::from(opened);
        if access == Access::Write {
            if length_bytes(&stat) < spec.length_bytes && torrent.whole().remove(&spec.file) {
                return Err(gone());
            }
            shape(&file, spec, &stat, &path)?;
            torrent.whole().insert(spec.file);
        }
        Ok(file)
    }

    /// Makes a symbolic link where nothing is yet. What is there stays, whatever it is.
    fn make_link(
        &self,
        torrent: &TorrentFiles,
        spec: &FileSpec,
        says: &Path,
    ) -> Result<(), DiskError> {
        let fail = |errno| failure("create", torrent.root.join(&spec.path), errno);
        let parent = spec.path.parent().unwrap_or(Path::new(""));
        let name = spec.path.file_name().ok_or_else(|| fail(Errno::XDEV))?;
        let folder = match self.beneath(torrent, parent, FOLDER) {
            Err(Errno::NOENT) => {
                self.make_folders(torrent, parent).map_err(fail)?;
                self.beneath(torrent, parent, FOLDER)
            }
            other => other,
        };
        match symlinkat(says, folder.map_err(fail)?, name) {
            Ok(()) => drop(torrent.clean_folders().remove(parent)),
            // A file system without links is no reason to do without the files.
            Err(Errno::EXIST | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => return Err(fail(errno)),
        }
        Ok(())
    }

    /// Deletes a file of the torrent; if it is not there that is as good.
    pub(crate) fn remove(&self, torrent: &TorrentFiles, file: FileIndex) -> Result<(), DiskError> {
        let spec = torrent.known("delete", file)?;
        let fail = |errno| failure("delete", torrent.root.join(&spec.path), errno);
        if !torrent.create {
            return Err(fail(Errno::PERM));
        }
        let parent = spec.path.parent().unwrap_or(Path::new(""));
        let name = spec.path.file_name().ok_or_else(|| fail(Errno::XDEV))?;
        let folder = self.beneath(torrent, parent, FOLDER).map_err(fail)?;
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {
                self.descriptors.forget(Key { torrent: torrent.id, file: Some(file) });
                torrent.whole().remove(&file);
                Ok(())
            }
            Err(errno) => Err(fail(errno)),
        }
    }

    fn make_folders(&self, torrent: &TorrentFiles, folder: &Path) -> Result<(), Errno> {
        let root = self.root(torrent)?;
        let mut changed = Vec::new();
        let made = self.with_room(|| self.guard.make_folders(root.as_fd(), folder, &mut changed));
        let mut clean = torrent.clean_folders();
        for folder in &changed {
            clean.remove(folder);
        }
        made
    }

    fn create_file(&self, torrent: &TorrentFiles, spec: &FileSpec) -> Result<OwnedFd, Errno> {
        let flags = WRITE | OFlags::CREATE;
        let parent = spec.path.parent().unwrap_or(Path::new(""));
        let created = match self.beneath(torrent, &spec.path, flags) {
            Err(Errno::NOENT) => {
                self.make_folders(torrent, parent)?;
                self.beneath(torrent, &spec.path, flags)
            }
            other => other,
        }?;
        // After the name exists: a sync that ran in between did not see it.
        torrent.clean_folders().remove(parent);
        Ok(created)
    }

    fn beneath(
        &self,
        torrent: &TorrentFiles,
        path: &Path,
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        let mode = if flags.contains(OFlags::CREATE) { FILE_MODE } else { Mode::empty() };
        let root = self.root(torrent)?;
        self.with_room(|| self.guard.open(root.as_fd(), path, flags, mode))
    }

    /// The root's descriptor. The root itself may be a symbolic link: the user chose it.
    fn root(&self, torrent: &TorrentFiles) -> Result<Arc<File>, Errno> {
        let key = Key { torrent: torrent.id, file: None };
        if let Some(root) = self.descriptors.get(key, Access::Read) {
            // Another folder of that name may have come in place of a removed one.
            if fstat(&root)?.st_nlink > 0 {
                return Ok(root);
            }
            self.descriptors.forget(key);
        }
        let opened =
            self.with_room(|| openat(rustix::fs::CWD, &torrent.root, FOLDER, Mode::empty()))?;
        let root = Arc::new(File::from(opened));
        self.descriptors.insert(torrent, key, Access::Read, &root);
        Ok(root)
    }

    /// Out of descriptors: closes some of ours and tries once more.
    fn with_room<T>(&self, mut open: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
        match open() {
            Err(Errno::MFILE | Errno::NFILE) => {
                self.descriptors.make_room();
                open()
            }
            other => other,
        }
    }

    /// Makes the data of `files` durable and the names that lead to them; missing ones are skipped.
    ///
    /// A descriptor may have been closed since the write and is opened again: the sync is of the
    /// file, not of the descriptor, and an error of the writing back that nobody was told yet is
    /// told to the first who asks. Only if the kernel also dropped the inode meanwhile is such an
    /// error lost.
    pub(crate) fn sync(
        &self,
        torrent: &TorrentFiles,
        files: &[FileIndex],
    ) -> Result<(), DiskError> {
        for &file in files {
            let descriptor = match self.look("sync", torrent, file, true) {
                Err(error) if error.kind == DiskErrorKind::NotFound => continue,
                other => other?,
            };
            descriptor
                .sync_data()
                .map_err(|error| std_failure("sync", torrent.full_path(file), &error))?;
            let spec = torrent.known("sync", file)?;
            for folder in spec.path.ancestors().skip(1) {
                self.sync_folder(torrent, folder)?;
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let parent = torrent.root.parent().map(Path::to_path_buf);
        for folder in torrent.above_root.iter().chain(&parent) {
            self.sync_folder(torrent, folder)?;
        }
        Ok(())
    }

    /// Syncs a folder unless nothing was made in it since it was last synced.
    fn sync_folder(&self, torrent: &TorrentFiles, folder: &Path) -> Result<(), DiskError> {
        // Marked first: what is made during the sync takes the mark away again.
        if !torrent.clean_folders().insert(folder.to_path_buf()) {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let synced = if folder.is_absolute() {
            self.with_room(|| openat(rustix::fs::CWD, folder, flags, Mode::empty()))
        } else {
            self.beneath(torrent, folder, flags)
        }
        .and_then(rustix::fs::fsync);
        match synced {
            // Some file systems can't sync a folder, and some folders may be passed through but
            // not opened: nothing better can be done there.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::ACCESS | Errno::PERM) => Ok(()),
            Err(errno) => {
                torrent.clean_folders().remove(folder);
                Err(failure("sync", torrent.root.join(folder), errno))
            }
        }
    }

    /// Looks at all files, in order. Missing ones have no stamp.
    pub(crate) fn stamps(&self, torrent: &TorrentFiles) -> Result<Vec<FileStamp>, DiskError> {
        let root = self.root(torrent).map_err(|errno| failure("open", &torrent.root, errno))?;
        let mut stamps = Vec::with_capacity(torrent.files.len());
        // Files of one folder follow each other: one look-up of the folder serves them all.
        let mut folder: Option<(&Path, Option<OwnedFd>)> = None;
        for spec in torrent.files.iter().filter(|spec| spec.link.is_none()) {
            let fail = |errno| failure("open", torrent.root.join(&spec.path), errno);
            let parent = spec.path.parent().unwrap_or(Path::new(""));
            let Some(name) = spec.path.file_name() else { return Err(fail(Errno::XDEV)) };
            if folder.as_ref().is_none_or(|(path, _)| *path != parent) {
                let opened = match self
                    .with_room(|| self.guard.open(root.as_fd(), parent, FOLDER, Mode::empty()))
                {
                    Err(Errno::NOENT | Errno::NOTDIR) => None,
                    other => Some(other.map_err(fail)?),
                };
                folder = Some((parent, opened));
            }
            let Some((_, Some(at))) = &folder else { continue };
            let mut stat = match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                other => other.map_err(fail)?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                stat = match self.beneath(torrent, &spec.path, READ).and_then(fstat) {
                    Err(Errno::NOENT) => continue,
                    other => other.map_err(fail)?,
                };
            }
            check_regular("open", torrent, spec, &stat)?;
            stamps.push(stamp(spec.file, &stat));
        }
        let whole = |stamp: &&FileStamp| {
            torrent.spec(stamp.file).is_some_and(|spec| stamp.length_bytes >= spec.length_bytes)
        };
        *torrent.whole() = stamps.iter().filter(whole).map(|stamp| stamp.file).collect();
        Ok(stamps)
    }

    /// How many descriptors are kept.
    #[cfg(test)]
    pub(crate) fn open_files(&self) -> usize {
        self.descriptors.len()
    }
}

/// Makes the root where missing. Returns the folders that got a new entry.
fn make_root(root: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let missing = root
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err());
    let changed = missing.filter_map(Path::parent).map(Path::to_path_buf).collect();
    std::fs::create_dir_all(root).map_err(|error| std_failure("create", root, &error))?;
    Ok(changed)
}

fn check_regular(
    operation: &'static str,
    torrent: &TorrentFiles,
    spec: &FileSpec,
    stat: &Stat,
) -> Result<(), DiskError> {
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        return Ok(());
    }
    let path = torrent.root.join(&spec.path);
    Err(found(operation, path, DiskErrorKind::Other, "not a regular file"))
}

/// Brings a file that is to be written to its full length, and gives it its room and its mode.
///
/// Another worker may do the same at once: both come to the same.
fn shape(file: &File, spec: &FileSpec, stat: &Stat, path: &Path) -> Result<(), DiskError> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    // Whoever may read may execute: the umask has had its say about reading.
    let readers = mode.intersection(Mode::RUSR | Mode::RGRP | Mode::ROTH);
    let wanted = mode.union(Mode::from_raw_mode(readers.as_raw_mode() >> 2));
    if spec.executable && wanted != mode {
        match fchmod(file, wanted) {
            // Somebody else's file, or a file system without modes.
            Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(errno) => return Err(failure("make executable", path, errno)),
        }
    }
    // `st_blocks` counts units of 512 bytes, whatever the file system's own blocks are.
    let room_bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if spec.reserve && room_bytes < spec.length_bytes && reserve(file, spec.length_bytes, path)? {
        return Ok(());
    }
    if length_bytes(stat) < spec.length_bytes {
        file.set_len(spec.length_bytes).map_err(|error| std_failure("extend", path, &error))?;
    }
    Ok(())
}

/// Takes the room of the first `length_bytes` of a file. False: the file system can't.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn reserve(file: &File, length_bytes: u64, path: &Path) -> Result<bool, DiskError> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, length_bytes) {
        Ok(()) => Ok(true),
        // Zeros written by hand would cost as much as the download and promise nothing where the
        // file system copies on write.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        Err(errno) => Err(failure("reserve room for", path, errno)),
    }
}

/// Whether files in the folder `root`, or where it will be, can get their room before their data.
/// Tried on a file without a name; where that can't be made, the answer is yes.
#[cfg(target_os = "linux")]
pub fn can_reserve(root: &Path) -> bool {
    let Some(folder) = root.ancestors().find(|folder| folder.is_dir()) else { return true };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(file) = openat(rustix::fs::CWD, folder, flags, Mode::RUSR | Mode::WUSR) else {
        return true;
    };
    !matches!(reserve(&File::from(file), 4096, root), Ok(false))
}

/// We can't try without leaving a trace.
#[cfg(not(target_os = "linux"))]
pub fn can_reserve(_root: &Path) -> bool {
    true
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn reserve(_file: &File, _length_bytes: u64, _path: &Path) -> Result<bool, DiskError> {
    Ok(false)
}

fn length_bytes(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What a file looks like.
pub(crate) fn stamp(file: FileIndex, stat: &Stat) -> FileStamp {
    let modified_ns =
        stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64);
    FileStamp { file, length_bytes: length_bytes(stat), modified_ns }
}
