//! Transactions that we send.
//!
//! Two duties, which `ledger::outbox` relies on: of one intent there is never a second live record,
//! and of a record only the status changes, once, from live to an end.

use ledger::outbox::{IntentId, NetworkId, Record, Status};
use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::{Fault, MoneyDb, MoneyError, MoneyRefusal};

impl MoneyDb {
    /// Stores a record, new or ended. It is durable when this returns.
    pub fn store_record(&self, record: &Record) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| store(transaction, record))
    }

    /// The records of an intent, oldest first.
    pub fn records_of(&self, intent: IntentId) -> Result<Vec<Record>, MoneyError> {
        self.read(|connection| {
            query(connection, "WHERE intent = ?1 ORDER BY attempt", params![intent.0])
        })
    }

    /// The records that are live, oldest first: what is to be resumed after a start.
    pub fn live_records(&self, network: NetworkId) -> Result<Vec<Record>, MoneyError> {
        self.read(|connection| {
            let order = "WHERE network = ?1 AND live = 1 ORDER BY made_ms, intent";
            query(connection, order, params![network.0])
        })
    }

    /// The newest records of a network, newest first.
    pub fn history(&self, network: NetworkId, most: u32) -> Result<Vec<Record>, MoneyError> {
        self.read(|connection| {
            let order = "WHERE network = ?1 ORDER BY made_ms DESC, intent, attempt LIMIT ?2";
            query(connection, order, params![network.0, most])
        })
    }
}

fn query(connection: &Connection, order: &str, params: impl Params) -> Result<Vec<Record>, Fault> {
    let mut statement = connection.prepare_cached(&format!("SELECT record FROM outbox {order}"))?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(&row.get::<_, Vec<u8>>(0)?)?);
    }
    Ok(records)
}

fn read(bytes: &[u8]) -> Result<Record, Fault> {
    Record::from_bytes(bytes)
        .map_err(|error| Fault::Damaged(format!("the record of a transaction: {error}")))
}

pub(super) fn store(connection: &Connection, record: &Record) -> Result<(), Fault> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT record FROM outbox WHERE intent = ?1 AND attempt = ?2")?
        .query_row(params![record.intent.0, record.attempt], |row| row.get(0))
        .optional()?;
    match stored {
        Some(stored) => judge_change(&read(&stored)?, record)?,
        None => judge_new(connection, record)?,
    }
    connection
        .prepare_cached(
            "INSERT INTO outbox (intent, attempt, network, id, made_ms, live, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (intent, attempt) DO UPDATE SET live = ?6, record = ?7",
        )?
        .execute(params![
            record.intent.0,
            record.attempt,
            record.network.0,
            record.id.0,
            // Beyond the year 292,278,994 the order of the history is not kept.
            i64::try_from(record.made_ms).unwrap_or(i64::MAX),
            record.is_live(),
            record.to_bytes()
        ])?;
    Ok(())
}

fn judge_change(stored: &Record, new: &Record) -> Result<(), MoneyRefusal> {
    let same = Record { status: new.status.clone(), ..stored.clone() };
    let may_change = stored.is_live() || stored.status == new.status;
    if same == *new && may_change {
        Ok(())
    } else {
        Err(MoneyRefusal::RecordChanged { id: stored.id })
    }
}

/// A new transaction for a wish is allowed when all before have expired.
fn judge_new(connection: &Connection, record: &Record) -> Result<(), Fault> {
    let intent = record.intent;
    let before = query(connection, "WHERE intent = ?1 ORDER BY attempt", params![intent.0])?;
    match before.iter().find(|other| other.status != Status::Expired) {
        Some(other) => Err(MoneyRefusal::SecondTransaction { intent, id: other.id }.into()),
        None => Ok(()),
    }
}
