//! A disk under the real `SQLite` that loses what was not synced when the power fails.
//!
//! [`PowerDisk`]s are folders of an in-memory file system that all databases of this process are opened on,
//! once the first one is made ([`vfs`] is registered as `SQLite`'s default). They count operations
//! that change something; [`PowerDisk::fail_at`] cuts the power at one of them, and from then on nothing
//! works. [`PowerDisk::restart`] brings back what was synced, and of each later change, page by page, by
//! chance, the new bytes or the old.
//!
//! One connection at a time may use a file: there are no locks.

mod vfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::Rng;

/// What is written in one piece: less than a sector, so that writes are torn.
const PIECE: usize = 512;

static DISKS: Mutex<BTreeMap<String, Disk>> = Mutex::new(BTreeMap::new());

/// Nothing works any more, or there is no such file.
struct Gone;

#[derive(Debug)]
enum Change {
    Made,
    Wrote { at: usize, bytes: Vec<u8> },
    Cut(usize),
    Deleted,
}

#[derive(Debug, Default)]
struct File {
    /// As processes see it. None: there is no such file.
    cached: Option<Vec<u8>>,
    /// As it was when it was synced last.
    durable: Option<Vec<u8>>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<String, File>,
    operations: u64,
    fails_at: Option<u64>,
    is_dead: bool,
    syncs_lie: bool,
}

/// A disk with its own power supply.
#[derive(Debug)]
pub struct PowerDisk {
    folder: String,
}

impl PowerDisk {
    /// An empty disk.
    pub fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        vfs::register();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = format!("shoal-power-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder).to_string_lossy().into_owned();
        disks().insert(folder.clone(), Disk::default());
        Self { folder }
    }

    /// A file on it.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }

    /// The power fails at the change after so many more, for 0 at the next.
    pub fn fail_at(&self, changes: u64) {
        self.with(|disk| disk.fails_at = Some(disk.operations + changes + 1));
    }

    /// From now on a sync does nothing: what a test must find out.
    pub fn lie_about_syncs(&self) {
        self.with(|disk| disk.syncs_lie = true);
    }

    /// Whether the power has failed.
    pub fn is_dead(&self) -> bool {
        self.with(|disk| disk.is_dead)
    }

    /// Changes so far.
    pub fn operations(&self) -> u64 {
        self.with(|disk| disk.operations)
    }

    /// The power fails, if it has not yet, and comes back.
    pub fn restart(&self, rng: &mut Rng) {
        self.with(|disk| {
            for file in disk.files.values_mut() {
                file.lose_power(rng);
            }
            (disk.fails_at, disk.is_dead) = (None, false);
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(disks().get_mut(&self.folder).expect("it lives as long as its handle"))
    }
}

impl Default for PowerDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        disks().remove(&self.folder);
        // The money database makes its file by itself, to give it to its owner only.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn disks() -> MutexGuard<'static, BTreeMap<String, Disk>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// A change takes place. False: the power is off, or goes off with it.
    fn changes(&mut self) -> bool {
        self.operations += 1;
        self.is_dead |= self.fails_at.is_some_and(|at| self.operations >= at);
        !self.is_dead
    }
}

impl File {
    /// That it was made or deleted is durable; what it holds is not.
    fn sync_name(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Made => {
                    self.durable.get_or_insert_default();
                }
                Change::Deleted => {
                    self.durable = None;
                    self.unsynced.clear();
                }
                Change::Wrote { .. } | Change::Cut(_) => self.unsynced.push(change),
            }
        }
    }

    fn lose_power(&mut self, rng: &mut Rng) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Made if rng.chance(1, 2) => {
                    self.durable.get_or_insert_default();
                }
                Change::Deleted if rng.chance(1, 2) => self.durable = None,
                Change::Cut(length) if rng.chance(1, 2) => {
                    self.durable.get_or_insert_default().resize(length, 0);
                }
                Change::Wrote { at, bytes } => {
                    for (index, piece) in bytes.chunks(PIECE).enumerate() {
                        if rng.chance(1, 2) {
                            put(self.durable.get_or_insert_default(), at + index * PIECE, piece);
                        }
                    }
                }
                Change::Made | Change::Deleted | Change::Cut(_) => {}
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Looks at the file at `path`, if its disk has power.
fn with_file<T>(path: &str, work: impl FnOnce(&mut File) -> T) -> Result<T, Gone> {
    with_disk(path, |disk, name| {
        if disk.is_dead {
            return Err(Gone);
        }
        Ok(work(disk.files.entry(name.to_owned()).or_default()))
    })
}

/// Changes the file at `path`. The change that the power fails at may be there afterwards, but is
/// not acknowledged.
fn change_file(path: &str, work: impl FnOnce(&mut File)) -> Result<(), Gone> {
    with_disk(path, |disk, name| {
        if disk.is_dead {
            return Err(Gone);
        }
        let is_alive = disk.changes();
        work(disk.files.entry(name.to_owned()).or_default());
        if is_alive { Ok(()) } else { Err(Gone) }
    })
}

/// Makes the file at `path` durable, and with a new log or journal the names in its folder, too: so does
/// `SQLite`'s own VFS on Unix, when it syncs one for the first time.
fn sync_file(path: &str) -> Result<(), Gone> {
    with_disk(path, |disk, name| {
        if disk.is_dead || !disk.changes() {
            return Err(Gone);
        }
        if disk.syncs_lie {
            return Ok(());
        }
        let file = disk.files.entry(name.to_owned()).or_default();
        let is_new = file.unsynced.iter().any(|change| matches!(change, Change::Made));
        file.durable.clone_from(&file.cached);
        file.unsynced.clear();
        if is_new {
            disk.files.values_mut().for_each(File::sync_name);
        }
        Ok(())
    })
}

fn with_disk<T>(
    path: &str,
    work: impl FnOnce(&mut Disk, &str) -> Result<T, Gone>,
) -> Result<T, Gone> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut disks = disks();
    // Files elsewhere have a disk that never fails.
    let disk = disks.entry(folder.to_owned()).or_default();
    work(disk, name)
}
