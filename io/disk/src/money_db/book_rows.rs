//! Entries of the book and their legs.

use base::{InfoHash, UnixTime};
use ledger::address::Address;
use ledger::book::{Cause, Entry, Leg, Side, Tags, coin_of_text, coin_text};
use ledger::outbox::NetworkId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Fault, MoneyDb, MoneyError, MoneyRefusal, array, network_of, parsed};

const COLUMNS: &str = "SELECT id, network, cause, at, torrent, peer FROM entry";

impl MoneyDb {
    /// All entries of a network, in the order of the book.
    pub fn entries(&self, network: NetworkId) -> Result<Vec<Entry>, MoneyError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{COLUMNS} WHERE network = ?1 ORDER BY id"))?;
            let mut rows = statement.query(params![network.0])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(read(connection, row)?);
            }
            Ok(entries)
        })
    }
}

/// Stores an entry, unless it is there.
pub(super) fn store(connection: &Connection, entry: &Entry) -> Result<(), Fault> {
    let cause = entry.cause();
    let text = cause.to_string();
    let stored = connection
        .prepare_cached(&format!("{COLUMNS} WHERE network = ?1 AND cause = ?2"))?
        .query_row(params![entry.network().0, text], |row| Ok(read(connection, row)))
        .optional()?;
    if let Some(stored) = stored {
        return if stored?.legs() == entry.legs() {
            Ok(())
        } else {
            Err(MoneyRefusal::Conflict { cause }.into())
        };
    }
    let Tags { torrent, peer } = entry.tags();
    let (torrent, peer) = (torrent.map(|hash| hash.0), peer.map(|peer| *peer.bytes()));
    connection
        .prepare_cached(
            "INSERT INTO entry (network, cause, at, torrent, peer) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![entry.network().0, text, entry.at().0, torrent, peer])?;
    let id = connection.last_insert_rowid();
    let mut insert = connection.prepare_cached(
        "INSERT INTO leg (entry, position, account, coin, side, amount)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, leg) in (0_i64..).zip(entry.legs()) {
        let side = match leg.side {
            Side::Debit => "debit",
            Side::Credit => "credit",
        };
        let (account, coin) = (leg.account.to_string(), coin_text(leg.coin));
        insert.execute(params![id, position, account, coin, side, leg.amount.to_string()])?;
    }
    Ok(())
}

fn read(connection: &Connection, row: &Row<'_>) -> Result<Entry, Fault> {
    let id: i64 = row.get(0)?;
    let network = network_of(&row.get::<_, Vec<u8>>(1)?)?;
    let cause: Cause = parsed(&row.get::<_, String>(2)?, "the cause of an entry")?;
    let at = UnixTime(row.get(3)?);
    let torrent = optional(row, 4, "a torrent")?.map(InfoHash);
    let peer = optional(row, 5, "a peer")?.map(Address::new);
    let legs = legs(connection, id)?;
    let entry = Entry::new(network, cause, at, Tags { torrent, peer }, legs);
    entry.map_err(|error| Fault::Damaged(format!("the entry {cause}: {error}")))
}

fn optional<const N: usize>(
    row: &Row<'_>,
    column: usize,
    what: &str,
) -> Result<Option<[u8; N]>, Fault> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    bytes.map(|bytes| array(&bytes, what)).transpose()
}

fn legs(connection: &Connection, entry: i64) -> Result<Vec<Leg>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT account, coin, side, amount FROM leg WHERE entry = ?1 ORDER BY position",
    )?;
    let mut rows = statement.query(params![entry])?;
    let mut legs = Vec::new();
    while let Some(row) = rows.next()? {
        let coin: String = row.get(1)?;
        let side: String = row.get(2)?;
        legs.push(Leg {
            account: parsed(&row.get::<_, String>(0)?, "the account of an entry")?,
            coin: coin_of_text(&coin)
                .map_err(|_error| Fault::Damaged(format!("the coin of an entry says {coin:?}")))?,
            side: if side == "debit" { Side::Debit } else { Side::Credit },
            amount: parsed(&row.get::<_, String>(3)?, "the amount of an entry")?,
        });
    }
    Ok(legs)
}
