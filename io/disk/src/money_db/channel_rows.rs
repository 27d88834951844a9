//! Vouchers, releases and scalars of channels.

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::book::Direction;
use ledger::outbox::NetworkId;
use ledger::voucher::{Received, Release, Voucher};
use ledger::{ChannelId, Parties};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Fault, MoneyDb, MoneyError, MoneyRefusal, array, network_of, parsed};

/// The newest voucher of a channel in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVoucher {
    /// On which chain.
    pub network: NetworkId,
    /// From us or to us.
    pub direction: Direction,
    /// Who made the channel.
    pub parties: Parties,
    /// What is signed. It was verified before it was stored.
    pub voucher: Received<Voucher>,
}

/// What else is kept of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStatement {
    /// On which chain.
    pub network: NetworkId,
    /// Which channel.
    pub channel: ChannelId,
    /// A release, or the scalar of a condition.
    pub kept: Kept,
}

/// See [`StoredStatement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Our consent to end the channel.
    Release(Received<Release>),
    /// What opens a condition.
    Scalar([u8; 32]),
}

const COLUMNS: &str =
    "SELECT network, direction, owner, signer, payee, cumulative, raw FROM voucher";

impl MoneyDb {
    /// The newest vouchers of all channels of a network.
    pub fn vouchers(&self, network: NetworkId) -> Result<Vec<StoredVoucher>, MoneyError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{COLUMNS} WHERE network = ?1 ORDER BY channel, direction"
            ))?;
            let mut rows = statement.query(params![network.0])?;
            let mut vouchers = Vec::new();
            while let Some(row) = rows.next()? {
                vouchers.push(read(row)?);
            }
            Ok(vouchers)
        })
    }

    /// The newest voucher of a channel in one direction.
    pub fn voucher(
        &self,
        network: NetworkId,
        channel: ChannelId,
        direction: Direction,
    ) -> Result<Option<StoredVoucher>, MoneyError> {
        self.read(|connection| load(connection, network, channel, direction))
    }

    /// Releases and scalars of a channel.
    pub fn statements(
        &self,
        network: NetworkId,
        channel: ChannelId,
    ) -> Result<Vec<StoredStatement>, MoneyError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT kind, raw FROM statement WHERE network = ?1 AND channel = ?2
                 ORDER BY kind, raw",
            )?;
            let mut rows = statement.query(params![network.0, channel.0])?;
            let mut statements = Vec::new();
            while let Some(row) = rows.next()? {
                let (kind, raw): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let kept = if kind == "scalar" {
                    Kept::Scalar(array(&raw, "a scalar")?)
                } else {
                    let release = Received::<Release>::decode(&raw);
                    Kept::Release(release.map_err(|error| Fault::Damaged(error.to_string()))?)
                };
                statements.push(StoredStatement { network, channel, kept });
            }
            Ok(statements)
        })
    }
}

fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Given => "given",
        Direction::Received => "received",
    }
}

fn load(
    connection: &Connection,
    network: NetworkId,
    channel: ChannelId,
    direction: Direction,
) -> Result<Option<StoredVoucher>, Fault> {
    connection
        .prepare_cached(&format!(
            "{COLUMNS} WHERE network = ?1 AND channel = ?2 AND direction = ?3"
        ))?
        .query_row(params![network.0, channel.0, direction_text(direction)], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

/// Stores a voucher in place of a lower one.
pub(super) fn store_voucher(connection: &Connection, new: &StoredVoucher) -> Result<(), Fault> {
    let channel = new.voucher.statement.channel();
    let offered = new.voucher.statement.cumulative();
    if let Some(known) = load(connection, new.network, channel, new.direction)? {
        let stored = known.voucher.statement.cumulative();
        if offered < stored {
            return Err(MoneyRefusal::LowerVoucher { channel, stored, offered }.into());
        }
    }
    let Parties { owner, signer, payee } = new.parties;
    let (owner, signer, payee) = (owner.bytes(), signer.bytes(), payee.bytes());
    let direction = direction_text(new.direction);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO voucher
             (network, channel, direction, owner, signer, payee, cumulative, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            new.network.0,
            channel.0,
            direction,
            owner,
            signer,
            payee,
            offered.to_string(),
            new.voucher.encode()
        ])?;
    Ok(())
}

pub(super) fn store_statement(connection: &Connection, new: &StoredStatement) -> Result<(), Fault> {
    let (kind, raw) = match &new.kept {
        Kept::Release(release) => ("release", release.encode()),
        Kept::Scalar(scalar) => ("scalar", scalar.to_vec()),
    };
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO statement (network, channel, kind, raw) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![new.network.0, new.channel.0, kind, raw])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<StoredVoucher, Fault> {
    let address = |column, what| -> Result<Address, Fault> {
        array(&row.get::<_, Vec<u8>>(column)?, what).map(Address::new)
    };
    let parties = Parties {
        owner: address(2, "an owner")?,
        signer: address(3, "a signer")?,
        payee: address(4, "a payee")?,
    };
    let direction: String = row.get(1)?;
    let direction = if direction == "given" { Direction::Given } else { Direction::Received };
    let raw: Vec<u8> = row.get(6)?;
    let voucher = Received::<Voucher>::decode(&raw)
        .map_err(|error| Fault::Damaged(format!("a voucher: {error}")))?;
    let cumulative: Amount = parsed(&row.get::<_, String>(5)?, "the amount of a voucher")?;
    let is_of_row = voucher.statement.channel() == parties.channel()
        && voucher.statement.cumulative() == cumulative;
    if !is_of_row {
        return Err(Fault::Damaged("a voucher is not that of its row".to_owned()));
    }
    let network = network_of(&row.get::<_, Vec<u8>>(0)?)?;
    Ok(StoredVoucher { network, direction, parties, voucher })
}
