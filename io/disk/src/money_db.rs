//! The `SQLite` database of money: the book, vouchers, and transactions under way.
//!
//! WAL with `synchronous=FULL`: what was answered survives a power cut. Several processes may use
//! one file: writers begin their transactions at once and wait for each other, and whatever must
//! be unique is decided in the transaction that writes it. A file is readable for its owner only.
//!
//! A row that can't be read is an error that says so, never a missing one: a voucher or a
//! transaction that we forgot could be paid twice. Amounts are texts, since `SQLite` has no
//! integers of 128 bits.
//!
//! The layout is versioned by `PRAGMA user_version`; see `docs/formats.md`.

mod book_rows;
mod channel_rows;
mod outbox_rows;
#[cfg(test)]
mod tests;
mod wallet_rows;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger::ChannelId;
use ledger::amount::Amount;
use ledger::book::{Cause, Entry};
use ledger::outbox::{IntentId, NetworkId, Record};
use ledger::transaction::TxId;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::resume_db::connect;

pub use channel_rows::{Kept, StoredStatement, StoredVoucher};
pub use wallet_rows::{Cursor, Spend};

/// The layout that this program writes.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY, -- in the order of the book
        network BLOB NOT NULL, -- 32 bytes
        cause TEXT NOT NULL,
        at INTEGER NOT NULL, -- seconds since 1970
        torrent BLOB, -- 20 bytes
        peer BLOB, -- 20 bytes: an address
        UNIQUE (network, cause)
    ) STRICT;
    CREATE TABLE leg (
        entry INTEGER NOT NULL REFERENCES entry (id),
        position INTEGER NOT NULL,
        account TEXT NOT NULL,
        coin TEXT NOT NULL,
        side TEXT NOT NULL CHECK (side IN ('debit', 'credit')),
        amount TEXT NOT NULL,
        PRIMARY KEY (entry, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE voucher (
        network BLOB NOT NULL,
        channel BLOB NOT NULL, -- 32 bytes
        direction TEXT NOT NULL CHECK (direction IN ('given', 'received')),
        owner BLOB NOT NULL,
        signer BLOB NOT NULL,
        payee BLOB NOT NULL,
        cumulative TEXT NOT NULL,
        raw BLOB NOT NULL, -- signed
        PRIMARY KEY (network, channel, direction)
    ) STRICT;
    CREATE TABLE statement (
        network BLOB NOT NULL,
        channel BLOB NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('release', 'scalar')),
        raw BLOB NOT NULL,
        PRIMARY KEY (network, channel, kind, raw)
    ) STRICT;
    CREATE TABLE outbox (
        intent BLOB NOT NULL, -- 16 bytes
        attempt INTEGER NOT NULL,
        network BLOB NOT NULL,
        id BLOB NOT NULL, -- of the transaction
        made_ms INTEGER NOT NULL,
        live INTEGER NOT NULL CHECK (live IN (0, 1)),
        record BLOB NOT NULL,
        PRIMARY KEY (intent, attempt)
    ) STRICT;
    CREATE UNIQUE INDEX outbox_live ON outbox (intent) WHERE live = 1;
    CREATE INDEX outbox_by_time ON outbox (network, made_ms);
    CREATE TABLE cursor (
        network BLOB NOT NULL,
        name TEXT NOT NULL, -- of what is followed
        block INTEGER NOT NULL,
        block_id BLOB NOT NULL,
        PRIMARY KEY (network, name)
    ) STRICT;
    CREATE TABLE spend (
        intent BLOB NOT NULL,
        network BLOB NOT NULL,
        coin TEXT NOT NULL,
        day INTEGER NOT NULL, -- since 1970
        amount TEXT NOT NULL,
        PRIMARY KEY (intent, coin)
    ) STRICT;
    CREATE TABLE label (
        address BLOB PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    PRAGMA user_version = 1;
";

/// Why the money database can't be used, or did not take something.
#[derive(Debug, thiserror::Error)]
pub enum MoneyError {
    /// The file or its folder can't be made.
    #[error("cannot make the money database {}: {source}", path.display())]
    Make {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `SQLite` says no. Whether something was written is not known: do it again.
    #[error("cannot {verb} the money database {}: {message}\nhint: {hint}", path.display())]
    Database {
        /// What should have been done.
        verb: &'static str,
        /// The database.
        path: PathBuf,
        /// What `SQLite` said.
        message: String,
        /// What to try.
        hint: &'static str,
    },
    /// A later release wrote the database.
    #[error(
        "cannot use the money database {}: its version {found} is newer than {known}\n\
         hint: use the release that wrote it",
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
    /// A row means nothing. Nothing is guessed.
    #[error(
        "the money database {} is damaged: {what}\n\
         hint: keep the file, and restore it from a backup",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What can't be read.
        what: String,
    },
    /// What should be stored contradicts what is.
    #[error(transparent)]
    Refused(#[from] MoneyRefusal),
}

/// What should be stored contradicts what is. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyRefusal {
    /// The same cause with another content.
    #[error("{cause} is in the book with another content")]
    Conflict {
        /// The cause.
        cause: Cause,
    },
    /// A voucher may only grow.
    #[error(
        "the voucher of channel {channel} for {stored} cannot be replaced by one for {offered}"
    )]
    LowerVoucher {
        /// The channel.
        channel: ChannelId,
        /// What is stored.
        stored: Amount,
        /// What was to be stored.
        offered: Amount,
    },
    /// A transaction for the same wish may still enter a block, or has done so.
    #[error("transaction {id} is under way or done for the same wish, {intent}")]
    SecondTransaction {
        /// The wish.
        intent: IntentId,
        /// The transaction that is there.
        id: TxId,
    },
    /// The record of a transaction is final, or says something else.
    #[error("the record of transaction {id} cannot be changed so")]
    RecordChanged {
        /// The transaction.
        id: TxId,
    },
    /// More than the user allows in a day.
    #[error("{asked} and the {spent} of today exceed the cap of {cap} a day")]
    AboveDayCap {
        /// What was to be spent.
        asked: Amount,
        /// What was spent today.
        spent: Amount,
        /// The most that may be spent in a day.
        cap: Amount,
    },
    /// The name is that of another address.
    #[error("the name {name:?} is that of another address")]
    NameTaken {
        /// The name.
        name: String,
    },
}

/// What is stored together, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoneyBatch {
    /// Entries of the book, oldest first. Those that are there already are skipped.
    pub entries: Vec<Entry>,
    /// The newest voucher of each channel and direction.
    pub vouchers: Vec<StoredVoucher>,
    /// Releases and scalars.
    pub statements: Vec<StoredStatement>,
    /// Transactions that we send.
    pub records: Vec<Record>,
    /// How far the chain was followed.
    pub cursors: Vec<Cursor>,
}

/// The open database.
#[derive(Debug)]
pub struct MoneyDb {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// Why something inside a transaction went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Damaged(String),
    Refused(MoneyRefusal),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<MoneyRefusal> for Fault {
    fn from(refusal: MoneyRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl MoneyDb {
    /// Opens or makes the database at `path`; none is kept in memory and dies with the process.
    pub fn open(path: Option<&Path>) -> Result<Self, MoneyError> {
        let shown = path.unwrap_or(Path::new(":memory:")).to_path_buf();
        let connection = match path {
            Some(path) => {
                make(path).map_err(|source| MoneyError::Make { path: shown.clone(), source })?;
                connect(path)
            }
            None => Connection::open_in_memory(),
        };
        let mut connection =
            connection.map_err(|error| failed(&shown, "open", Fault::Sqlite(error)))?;
        let found = migrate(&mut connection)
            .map_err(|error| failed(&shown, "open", Fault::Sqlite(error)))?;
        if found > SCHEMA_VERSION {
            return Err(MoneyError::Newer { path: shown, found, known: SCHEMA_VERSION });
        }
        Ok(Self { path: shown, connection: Mutex::new(connection) })
    }

    /// Stores all of `batch`, or nothing. It is durable when this returns. After an error of the
    /// database, the same batch may be stored again.
    pub fn commit(&self, batch: &MoneyBatch) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| {
            for entry in &batch.entries {
                book_rows::store(transaction, entry)?;
            }
            for voucher in &batch.vouchers {
                channel_rows::store_voucher(transaction, voucher)?;
            }
            for statement in &batch.statements {
                channel_rows::store_statement(transaction, statement)?;
            }
            for record in &batch.records {
                outbox_rows::store(transaction, record)?;
            }
            for cursor in &batch.cursors {
                wallet_rows::store_cursor(transaction, cursor)?;
            }
            Ok(())
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write<T>(
        &self,
        verb: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, MoneyError> {
        let mut connection = self.lock();
        // Immediate: waiting for another process happens here, under the busy timeout; and nobody
        // changes what is looked at before it is written.
        let written = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(Fault::from)
            .and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
        written.map_err(|fault| failed(&self.path, verb, fault))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, MoneyError> {
        let connection = self.lock();
        work(&connection).map_err(|fault| failed(&self.path, "read", fault))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file and what leads to it, for its owner only, so that a crash does not lose its name.
fn make(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the tables of a new database. Returns the version, which may be newer than ours (nothing
/// is done then).
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // Immediate: two processes that start at once must not both make the tables.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.commit()?;
    Ok(version)
}

fn failed(path: &Path, verb: &'static str, fault: Fault) -> MoneyError {
    let path = path.to_path_buf();
    match fault {
        Fault::Refused(refusal) => MoneyError::Refused(refusal),
        Fault::Damaged(what) => MoneyError::Damaged { path, what },
        Fault::Sqlite(error) => {
            let (message, hint) = (error.to_string(), hint(&error));
            MoneyError::Database { verb, path, message, hint }
        }
    }
}

fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => "free some room there",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make it writable for you"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program is writing to it; try again"
        }
        _ => "keep the file, and restore it from a backup",
    }
}

/// Bytes of a fixed length out of a column.
fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_length| {
        Fault::Damaged(format!("{what} has {} bytes instead of {N}", bytes.len()))
    })
}

/// A text of the database as what it stands for.
fn parsed<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Fault> {
    text.parse().map_err(|_error| Fault::Damaged(format!("{what} says {text:?}")))
}

fn network_of(bytes: &[u8]) -> Result<NetworkId, Fault> {
    array(bytes, "a network").map(NetworkId)
}
