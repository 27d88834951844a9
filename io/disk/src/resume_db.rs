//! The `SQLite` database of resume records.
//!
//! WAL with `synchronous=FULL`: a commit that was answered survives a power cut, and readers don't
//! wait for writers. Several processes may use one file at the same time; who commits last about
//! the same torrent in the same folder wins.
//!
//! The layout is versioned by `PRAGMA user_version`. A record that can't be read counts as
//! missing: its torrent is checked again, which is always right.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::{FileIndex, InfoHash};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};
use storage::job::{DiskError, DiskErrorKind, FileStamp, ResumeRecord};

use crate::failure::found;
use crate::known_files::{self, KnownFile};

/// The layout that this program writes.
const SCHEMA_VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE torrent (
        info_hash BLOB NOT NULL,
        root ANY NOT NULL, -- TEXT if it is UTF-8, else BLOB
        have BLOB NOT NULL, -- one bit a piece, most significant first
        stamps BLOB NOT NULL, -- 20 bytes a file, little-endian: u32 index, u64 length, i64 mtime ns
        writing INTEGER NOT NULL,
        checked_to INTEGER NOT NULL,
        downloaded_bytes INTEGER NOT NULL,
        uploaded_bytes INTEGER NOT NULL,
        PRIMARY KEY (info_hash, root)
    ) STRICT;
";

/// Since version 2.
const SCHEMA_PLACE: &str = "
    CREATE TABLE place (
        info_hash BLOB NOT NULL,
        root ANY NOT NULL, -- as in torrent
        name TEXT NOT NULL, -- of the file or folder below the root
        PRIMARY KEY (info_hash, root)
    ) STRICT;
    PRAGMA user_version = 2;
";

/// Tables that an older program of the same version does without.
const BESIDE: &str = "
    CREATE TABLE IF NOT EXISTS completed (info_hash BLOB PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS installation (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        secret BLOB NOT NULL -- 16 random bytes
    ) STRICT;
    INSERT OR IGNORE INTO installation VALUES (0, randomblob(16));
    CREATE TABLE IF NOT EXISTS memory (
        name TEXT PRIMARY KEY,
        at INTEGER NOT NULL, -- seconds since 1970
        value BLOB NOT NULL
    ) STRICT;
";

const LOAD: &str = "SELECT have, stamps, writing, checked_to, downloaded_bytes, uploaded_bytes,
    EXISTS (SELECT 1 FROM completed WHERE completed.info_hash = torrent.info_hash)
    FROM torrent WHERE info_hash = ?1 AND root = ?2";

const COMPLETED: &str = "INSERT OR IGNORE INTO completed VALUES (?1)";

const STORE: &str = "INSERT OR REPLACE INTO torrent
    (info_hash, root, have, stamps, writing, checked_to, downloaded_bytes, uploaded_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const LOAD_PLACE: &str = "SELECT name FROM place WHERE info_hash = ?1 AND root = ?2";

const STORE_PLACE: &str =
    "INSERT OR REPLACE INTO place (info_hash, root, name) VALUES (?1, ?2, ?3)";

/// What is known of the place of a torrent in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// There is a resume record: what is there is ours.
    pub has_record: bool,
    /// The name of its file or folder there, if one was remembered.
    pub name: Option<String>,
}

/// Bytes of one stamp in a record.
const STAMP_BYTES: usize = 20;

/// How long we wait for another process that writes. Its transactions are single commits; only a
/// stuck device makes them this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the disk pool can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder of the database can't be made.
    #[error("cannot create the folder of the state database {}: {source}", path.display())]
    Folder {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database can't be opened, or is damaged.
    #[error("cannot use the state database {}: {message}\nhint: {hint}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What `SQLite` said.
        message: String,
        /// What to try.
        hint: &'static str,
    },
    /// A later release wrote the database.
    #[error(
        "cannot use the state database {}: its version {found} is newer than {known}\n\
         hint: use the release that wrote it, or another state folder",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// No thread to be had.
    #[error("cannot start a disk thread: {0}")]
    Thread(std::io::Error),
}

/// The open database.
#[derive(Debug)]
pub(crate) struct ResumeDb {
    path: PathBuf,
    installation: [u8; 16],
    writer: Mutex<Connection>,
    /// Loads use their own connection, so that they don't wait for a commit's sync. An in-memory
    /// database has only one.
    reader: Option<Mutex<Connection>>,
}

impl ResumeDb {
    /// Opens or makes the database at `path`; none is kept in memory and dies with the process.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, StartError> {
        let shown = path.unwrap_or(Path::new(":memory:")).to_path_buf();
        let fail = |error: &rusqlite::Error| StartError::Database {
            path: shown.clone(),
            message: error.to_string(),
            hint: hint(error),
        };
        let Some(path) = path else {
            let mut writer = Connection::open_in_memory().map_err(|error| fail(&error))?;
            let (_, installation) = migrate(&mut writer).map_err(|error| fail(&error))?;
            let writer = Mutex::new(writer);
            return Ok(Self { path: shown, installation, writer, reader: None });
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| StartError::Folder { path: path.to_path_buf(), source })?;
        }
        let mut writer = connect(path).map_err(|error| fail(&error))?;
        let (version, installation) = migrate(&mut writer).map_err(|error| fail(&error))?;
        if version > SCHEMA_VERSION {
            let path = path.to_path_buf();
            return Err(StartError::Newer { path, found: version, known: SCHEMA_VERSION });
        }
        let reader = connect(path).map_err(|error| fail(&error))?;
        // The whole statement is compiled now: a table of another shape is found at the start.
        reader.prepare_cached(LOAD).map_err(|error| fail(&error))?;
        writer.prepare_cached(STORE).map_err(|error| fail(&error))?;
        let (writer, reader) = (Mutex::new(writer), Some(Mutex::new(reader)));
        Ok(Self { path: shown, installation, writer, reader })
    }

    /// Bytes that nobody else knows, drawn when the database was made.
    pub(crate) fn installation(&self) -> [u8; 16] {
        self.installation
    }

    /// The record of a torrent in a folder. None if there is none, or none that can be read.
    pub(crate) fn load(&self, info_hash: InfoHash, root: &Path) -> Option<Box<ResumeRecord>> {
        let connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        let mut statement = connection.prepare_cached(LOAD).ok()?;
        let row = statement
            .query_row(params![info_hash.0, PathColumn(root)], |row| {
                Ok(ResumeRecord {
                    info_hash,
                    root: root.to_path_buf(),
                    have: row.get(0)?,
                    stamps: decode_stamps(row.get_ref(1)?).ok_or(rusqlite::Error::InvalidQuery)?,
                    writing: row.get(2)?,
                    checked_to: row.get(3)?,
                    downloaded_bytes: count(row, 4)?,
                    uploaded_bytes: count(row, 5)?,
                    was_complete: row.get(6)?,
                })
            })
            .optional();
        row.ok().flatten().map(Box::new)
    }

    /// What is known of the place of a torrent in a folder.
    pub(crate) fn place(&self, info_hash: InfoHash, root: &Path) -> Result<Place, DiskError> {
        let connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        let look = || {
            let key = params![info_hash.0, PathColumn(root)];
            let name = connection.query_row(LOAD_PLACE, key, |row| row.get(0)).optional()?;
            let has_record = connection.prepare_cached(LOAD)?.exists(key)?;
            Ok(Place { has_record, name })
        };
        look().map_err(|error| self.failed("read", &error))
    }

    /// Remembers under which name a torrent lies in a folder. Durable when this returns.
    pub(crate) fn remember_place(
        &self,
        info_hash: InfoHash,
        root: &Path,
        name: &str,
    ) -> Result<(), DiskError> {
        let stored =
            lock(&self.writer).execute(STORE_PLACE, params![info_hash.0, PathColumn(root), name]);
        stored.map(drop).map_err(|error| self.failed("commit to", &error))
    }

    /// Keeps `value` under `name`, in place of what was there.
    pub(crate) fn remember(&self, name: &str, value: &[u8]) -> Result<(), DiskError> {
        let stored = lock(&self.writer).execute(
            "INSERT OR REPLACE INTO memory VALUES (?1, unixepoch(), ?2)",
            params![name, value],
        );
        stored.map(drop).map_err(|error| self.failed("commit to", &error))
    }

    /// What was kept under `name`, and how long ago. None if there is none, or none that can be read.
    pub(crate) fn recall(&self, name: &str) -> Option<(Vec<u8>, Duration)> {
        let connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        let row = connection.query_row(
            "SELECT value, max(unixepoch() - at, 0) FROM memory WHERE name = ?1",
            params![name],
            |row| Ok((row.get(0)?, row.get::<_, u32>(1)?)),
        );
        let (value, seconds) = row.optional().ok().flatten()?;
        Some((value, Duration::from_secs(seconds.into())))
    }

    /// Takes `files` for those of a complete torrent, which belongs to `collections`.
    pub(crate) fn remember_files(
        &self,
        info_hash: InfoHash,
        files: &[KnownFile],
        collections: &[String],
    ) -> Result<(), DiskError> {
        known_files::remember(&mut lock(&self.writer), info_hash, files, collections)
            .map_err(|error| self.failed("commit to", &error))
    }

    /// Files of complete torrents with this content (BEP 52).
    pub(crate) fn files_with_root(&self, root: &[u8; 32]) -> Result<Vec<PathBuf>, DiskError> {
        let connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        known_files::with_root(&connection, root).map_err(|error| self.failed("read", &error))
    }

    /// Files of complete torrents that another names as its relatives (BEP 38).
    pub(crate) fn files_of_relatives(
        &self,
        similar: &[InfoHash],
        collections: &[String],
    ) -> Result<Vec<KnownFile>, DiskError> {
        let connection = lock(self.reader.as_ref().unwrap_or(&self.writer));
        known_files::of_relatives(&connection, similar, collections)
            .map_err(|error| self.failed("read", &error))
    }

    fn failed(&self, operation: &'static str, error: &rusqlite::Error) -> DiskError {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => DiskErrorKind::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => DiskErrorKind::Denied,
            _ => DiskErrorKind::Other,
        };
        found(operation, &self.path, kind, error.to_string())
    }

    /// Replaces the records, all in one transaction. They are durable when this returns.
    pub(crate) fn store(&self, records: &[&ResumeRecord]) -> Result<(), DiskError> {
        self.try_store(records).map_err(|error| self.failed("commit to", &error))
    }

    fn try_store(&self, records: &[&ResumeRecord]) -> rusqlite::Result<()> {
        let mut connection = lock(&self.writer);
        // Immediate: waiting for another process happens here, under the busy timeout.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut statement = transaction.prepare_cached(STORE)?;
            let mut completed = transaction.prepare_cached(COMPLETED)?;
            for record in records {
                statement.execute(params![
                    record.info_hash.0,
                    PathColumn(&record.root),
                    record.have,
                    encode_stamps(&record.stamps),
                    record.writing,
                    record.checked_to,
                    // Beyond 8 EiB the count stands still.
                    i64::try_from(record.downloaded_bytes).unwrap_or(i64::MAX),
                    i64::try_from(record.uploaded_bytes).unwrap_or(i64::MAX),
                ])?;
                if record.was_complete {
                    completed.execute(params![record.info_hash.0])?;
                }
            }
        }
        transaction.commit()
    }
}

/// What to try when the database can't be used.
fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => {
            "free some room there, or name another place by --state"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make it writable, or name another place by --state"
        }
        _ => {
            "--state takes another file; if this one is damaged, move it away, and torrents are \
             checked again"
        }
    }
}

/// A count of bytes; a negative one makes the record unreadable.
fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map_err(|_negative| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Two processes that both turn a new database to WAL can get "busy" at once, without waiting.
    let started = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => break result?,
        }
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Brings an older layout to ours. Returns the version, which may be newer than ours (nothing is
/// done then), and the secret of the installation.
fn migrate(connection: &mut Connection) -> rusqlite::Result<(i64, [u8; 16])> {
    // Immediate: two processes that start at once must not both create the table.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Ok((version, [0; 16]));
    }
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    if version < SCHEMA_VERSION {
        transaction.execute_batch(SCHEMA_PLACE)?;
        version = SCHEMA_VERSION;
    }
    transaction.execute_batch(BESIDE)?;
    transaction.execute_batch(known_files::SCHEMA)?;
    let secret = transaction.query_row("SELECT secret FROM installation", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok((version, secret))
}

/// A path as a column: text for people, bytes where it is not text.
pub(crate) struct PathColumn<'a>(pub(crate) &'a Path);

impl rusqlite::ToSql for PathColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let raw: &OsStr = self.0.as_os_str();
        let value = raw
            .to_str()
            .map_or_else(|| ValueRef::Blob(raw.as_bytes()), |text| ValueRef::Text(text.as_bytes()));
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

fn encode_stamps(stamps: &[FileStamp]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(stamps.len() * STAMP_BYTES);
    for stamp in stamps {
        bytes.extend_from_slice(&stamp.file.0.to_le_bytes());
        bytes.extend_from_slice(&stamp.length_bytes.to_le_bytes());
        bytes.extend_from_slice(&stamp.modified_ns.to_le_bytes());
    }
    bytes
}

fn decode_stamps(value: ValueRef<'_>) -> Option<Vec<FileStamp>> {
    let ValueRef::Blob(bytes) = value else { return None };
    let (chunks, []) = bytes.as_chunks::<STAMP_BYTES>() else { return None };
    let stamp = |chunk: &[u8; STAMP_BYTES]| {
        let (file, rest) = chunk.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let modified = rest.first_chunk()?;
        Some(FileStamp {
            file: FileIndex(u32::from_le_bytes(*file)),
            length_bytes: u64::from_le_bytes(*length),
            modified_ns: i64::from_le_bytes(*modified),
        })
    };
    chunks.iter().map(stamp).collect()
}
