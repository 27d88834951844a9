//! Tables, and how the file is opened.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};

use super::{Cache, Store};
use crate::refusal::{ChainError, OpenError};

/// The layout that this program writes.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE undo (
        key BLOB NOT NULL,
        block INTEGER NOT NULL, -- the block that changed it
        old BLOB, -- NULL: there was none
        PRIMARY KEY (key, block)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX undo_block ON undo (block);
    CREATE TABLE code (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE block (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        timestamp_ms INTEGER NOT NULL,
        transactions_root BLOB NOT NULL,
        signature BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        energy_used INTEGER NOT NULL,
        burned INTEGER NOT NULL -- sun, by all blocks so far
    ) STRICT;
    CREATE TABLE tx (
        place INTEGER PRIMARY KEY, -- block * 2^20 + place in the block
        id BLOB NOT NULL UNIQUE,
        bytes BLOB NOT NULL,
        fee INTEGER NOT NULL,
        energy INTEGER NOT NULL,
        energy_fee INTEGER NOT NULL,
        net_usage INTEGER NOT NULL,
        net_fee INTEGER NOT NULL,
        result INTEGER NOT NULL,
        message TEXT NOT NULL,
        contract BLOB, -- NULL: none ran
        output BLOB NOT NULL,
        internal BLOB NOT NULL, -- 50 bytes a call
        log_first INTEGER NOT NULL,
        log_count INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE log (
        place INTEGER PRIMARY KEY, -- block * 2^20 + place in the block
        tx_index INTEGER NOT NULL,
        index_in_tx INTEGER NOT NULL,
        address BLOB NOT NULL,
        topics BLOB NOT NULL, -- 32 bytes each
        data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX log_address ON log (address, place);
    CREATE TABLE party (
        address BLOB NOT NULL,
        place INTEGER NOT NULL, -- of the transaction
        PRIMARY KEY (address, place)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

impl Store {
    /// Opens the file, or memory; makes the tables if there are none.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let opened = match path {
            Some(path) => Connection::open(path),
            None => Connection::open_in_memory(),
        };
        let shown = path.unwrap_or(Path::new("in memory"));
        let connection = opened.map_err(|error| refusal(shown, &error))?;
        Self::prepare(&connection).map_err(|error| refusal(shown, &error))?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| refusal(shown, &error))?;
        if found != FORMAT {
            return Err(OpenError::Format { path: shown.to_owned(), found, known: FORMAT });
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, cache: RefCell::new(Cache::default()) })
    }

    fn prepare(connection: &Connection) -> Result<(), rusqlite::Error> {
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -32768;",
        )?;
        // Takes the lock that is kept, and sees whether there are tables.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let made = if found == 0 { connection.execute_batch(SCHEMA) } else { Ok(()) };
        connection.execute_batch(if made.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        made
    }

    /// A remembered value.
    pub(crate) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, ChainError> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Remembers a value.
    pub(crate) fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), ChainError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
            .execute((name, value))?;
        Ok(())
    }

    /// Has the disk be full at so many pages, or at what it is, or no more.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: Option<u32>) {
        let pages = pages.unwrap_or(u32::MAX - 1);
        self.connection.pragma_update(None, "max_page_count", pages).expect("a pragma");
    }

    /// Begins what is committed as one.
    pub(crate) fn begin(&self) -> Result<(), ChainError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Keeps what was done since [`Self::begin`] if `done` is fine, else undoes it.
    pub(crate) fn end(&self, done: Result<(), ChainError>) -> Result<(), ChainError> {
        let ended = match &done {
            Ok(()) => self.connection.execute_batch("COMMIT"),
            Err(_) => self.connection.execute_batch("ROLLBACK"),
        };
        if done.is_ok() && ended.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        done?;
        Ok(ended?)
    }
}

fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::InUse { path: path.to_owned() }
        }
        Some(_) | None => OpenError::Chain(ChainError::Database(error.to_string())),
    }
}
