//! What the wallet remembers: how far it followed a chain, what was spent today, names and settings.

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::book::coin_text;
use ledger::network::Coin;
use ledger::outbox::{IntentId, NetworkId};
use ledger::transaction::BlockId;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::{Fault, MoneyDb, MoneyError, MoneyRefusal, array, parsed};

/// How far something was followed on a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The chain.
    pub network: NetworkId,
    /// What is followed.
    pub name: String,
    /// The last block that was taken in.
    pub block: u64,
    /// Its id.
    pub block_id: BlockId,
}

/// Something that counts towards the cap of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// What for: it counts once, however often it is tried.
    pub intent: IntentId,
    /// On which chain.
    pub network: NetworkId,
    /// Of what.
    pub coin: Coin,
    /// The day, since 1970.
    pub day: i64,
    /// How much.
    pub amount: Amount,
}

impl MoneyDb {
    /// How far something was followed.
    pub fn cursor(&self, network: NetworkId, name: &str) -> Result<Option<Cursor>, MoneyError> {
        self.read(|connection| {
            let row: Option<(i64, Vec<u8>)> = connection
                .prepare_cached(
                    "SELECT block, block_id FROM cursor WHERE network = ?1 AND name = ?2",
                )?
                .query_row(params![network.0, name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((block, block_id)) = row else { return Ok(None) };
            let block = u64::try_from(block)
                .map_err(|_negative| Fault::Damaged(format!("a block has the number {block}")))?;
            let block_id = BlockId(array(&block_id, "the id of a block")?);
            Ok(Some(Cursor { network, name: name.to_owned(), block, block_id }))
        })
    }

    /// Counts a spend towards its day, unless the sum would exceed `cap`. Durable when this returns.
    /// No other process can spend the same room.
    pub fn reserve(&self, spend: &Spend, cap: Option<Amount>) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| {
            let others = spent(transaction, spend, Some(spend.intent))?;
            let sum = others.plus(spend.amount);
            if let Some(cap) = cap.filter(|cap| !sum.is_ok_and(|sum| sum <= *cap)) {
                let asked = spend.amount;
                return Err(MoneyRefusal::AboveDayCap { asked, spent: others, cap }.into());
            }
            transaction.execute(
                "INSERT OR REPLACE INTO spend (intent, network, coin, day, amount)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    spend.intent.0,
                    spend.network.0,
                    coin_text(spend.coin),
                    spend.day,
                    spend.amount.to_string()
                ],
            )?;
            Ok(())
        })
    }

    /// What was reserved for an intent is not spent: it did not happen.
    pub fn give_back(&self, intent: IntentId) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| {
            transaction.execute("DELETE FROM spend WHERE intent = ?1", params![intent.0])?;
            Ok(())
        })
    }

    /// What was spent of a coin on a day.
    pub fn spent_on(&self, network: NetworkId, coin: Coin, day: i64) -> Result<Amount, MoneyError> {
        let (intent, amount) = (IntentId([0; 16]), Amount::ZERO);
        let day = Spend { intent, network, coin, day, amount };
        self.read(|connection| spent(connection, &day, None))
    }

    /// Names an address; none takes its name away.
    pub fn set_label(&self, address: Address, name: Option<&str>) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| {
            transaction
                .execute("DELETE FROM label WHERE address = ?1", params![address.bytes()])?;
            let Some(name) = name else { return Ok(()) };
            let inserted = transaction.execute(
                "INSERT INTO label (address, name) VALUES (?1, ?2)",
                params![address.bytes(), name],
            );
            match inserted {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    Err(MoneyRefusal::NameTaken { name: name.to_owned() }.into())
                }
                inserted => Ok(inserted.map(drop)?),
            }
        })
    }

    /// All names, in their order.
    pub fn labels(&self) -> Result<Vec<(String, Address)>, MoneyError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT name, address FROM label ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut labels = Vec::new();
            while let Some(row) = rows.next()? {
                let address = array(&row.get::<_, Vec<u8>>(1)?, "an address")?;
                labels.push((row.get(0)?, Address::new(address)));
            }
            Ok(labels)
        })
    }

    /// A setting, as it was set.
    pub fn setting(&self, name: &str) -> Result<Option<String>, MoneyError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
            Ok(statement.query_row(params![name], |row| row.get(0)).optional()?)
        })
    }

    /// Sets a setting, or takes it away.
    pub fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), MoneyError> {
        self.write("commit to", |transaction| {
            match value {
                Some(value) => transaction.execute(
                    "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
                    params![name, value],
                )?,
                None => {
                    transaction.execute("DELETE FROM setting WHERE name = ?1", params![name])?
                }
            };
            Ok(())
        })
    }
}

pub(super) fn store_cursor(connection: &Connection, cursor: &Cursor) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO cursor (network, name, block, block_id) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            cursor.network.0,
            cursor.name,
            i64::try_from(cursor.block).map_err(|_large| Fault::Damaged(
                format!("no block has the number {}", cursor.block)
            ))?,
            cursor.block_id.0
        ])?;
    Ok(())
}

/// What was spent on the day of `like`, without what was spent for `except`.
fn spent(connection: &Connection, like: &Spend, except: Option<IntentId>) -> Result<Amount, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT amount FROM spend WHERE network = ?1 AND coin = ?2 AND day = ?3 AND intent IS NOT ?4",
    )?;
    let except = except.map(|intent| intent.0);
    let mut rows =
        statement.query(params![like.network.0, coin_text(like.coin), like.day, except])?;
    let mut sum = Amount::ZERO;
    while let Some(row) = rows.next()? {
        let amount: Amount = parsed(&row.get::<_, String>(0)?, "what was spent")?;
        // A sum beyond counting is above every cap.
        sum = sum.plus(amount).unwrap_or(Amount::MAX);
    }
    Ok(sum)
}
