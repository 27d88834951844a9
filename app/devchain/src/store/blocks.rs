//! Blocks, transactions with their receipts, and events.

use ledger::{Address, BlockId, Sun, TxId};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use super::{Store, account, digest, signed, unsigned};
use crate::block::StoredTransaction;
use crate::receipt::{ContractResult, InternalCall, Log, LogFilter, LogPage, LogRecord, Receipt};
use crate::refusal::ChainError;
use crate::rows::Changes;

/// Bits of a place that count within the block.
const PLACE_BITS: u32 = 20;

/// Blocks that have places.
const BLOCKS_MAX: u64 = 1 << (63 - PLACE_BITS);

/// Events looked at for one page: a filter that matches little must not hold the chain up.
const LOGS_SCANNED_MAX: usize = 100_000;

/// Bytes of one internal call.
const INTERNAL_BYTES: usize = 50;

/// A block as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockRow {
    pub(crate) number: u64,
    pub(crate) id: BlockId,
    pub(crate) timestamp_ms: u64,
    pub(crate) transactions_root: [u8; 32],
    pub(crate) signature: Vec<u8>,
    pub(crate) size_bytes: u64,
    pub(crate) energy_used: u64,
    pub(crate) burned: u64,
}

/// A transaction of a block with what it did.
#[derive(Debug, Clone)]
pub(crate) struct TransactionRow {
    pub(crate) bytes: Vec<u8>,
    pub(crate) receipt: Receipt,
    /// Who finds it in his list.
    pub(crate) parties: Vec<Address>,
}

fn place(block: u64, index: usize) -> Result<i64, ChainError> {
    let index = u64::try_from(index).map_err(|_large| ChainError::Damaged("place"))?;
    if block >= BLOCKS_MAX {
        return Err(ChainError::Damaged("block number above 43 bits"));
    }
    if index >> PLACE_BITS != 0 {
        return Err(ChainError::Damaged("too many in a block"));
    }
    signed((block << PLACE_BITS) | index)
}

fn block_of(place: i64) -> Result<u64, ChainError> {
    Ok(unsigned(place)? >> PLACE_BITS)
}

fn index_of(place: i64) -> Result<u32, ChainError> {
    u32::try_from(unsigned(place)? & ((1 << PLACE_BITS) - 1))
        .map_err(|_large| ChainError::Damaged("place"))
}

impl Store {
    /// Keeps a block and all that it did, durably when this returns.
    pub(crate) fn commit_block(
        &self,
        block: &BlockRow,
        transactions: &[TransactionRow],
        changes: &Changes,
        solid: u64,
    ) -> Result<(), ChainError> {
        self.begin()?;
        let done = self.write_block(block, transactions, changes, solid);
        self.end(done)?;
        self.cache_changes(changes);
        Ok(())
    }

    fn write_block(
        &self,
        block: &BlockRow,
        transactions: &[TransactionRow],
        changes: &Changes,
        solid: u64,
    ) -> Result<(), ChainError> {
        self.connection
            .prepare_cached("INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![
                signed(block.number)?,
                &block.id.0[..],
                signed(block.timestamp_ms)?,
                &block.transactions_root[..],
                block.signature,
                signed(block.size_bytes)?,
                signed(block.energy_used)?,
                signed(block.burned)?,
            ])?;
        let mut log_first = 0;
        for (index, transaction) in transactions.iter().enumerate() {
            self.write_transaction(place(block.number, index)?, transaction, log_first)?;
            log_first =
                self.write_logs(block.number, index, &transaction.receipt.logs, log_first)?;
        }
        self.write_changes(changes, block.number, solid >= block.number)?;
        self.forget_undo(solid)?;
        self.set_meta("solid", &solid.to_le_bytes())
    }

    fn write_transaction(
        &self,
        place: i64,
        transaction: &TransactionRow,
        log_first: usize,
    ) -> Result<(), ChainError> {
        let TransactionRow { bytes, receipt, parties } = transaction;
        self.connection
            .prepare_cached(
                "INSERT INTO tx VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                place,
                &receipt.id.0[..],
                bytes,
                signed(receipt.fee.0)?,
                signed(receipt.energy_usage_total)?,
                signed(receipt.energy_fee.0)?,
                signed(receipt.net_usage)?,
                signed(receipt.net_fee.0)?,
                receipt.result.number(),
                receipt.message,
                receipt.contract.map(|contract| contract.bytes().to_vec()),
                receipt.output,
                encode_internal(&receipt.internal),
                signed(log_first as u64)?,
                signed(receipt.logs.len() as u64)?,
            ])?;
        for party in parties {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO party VALUES (?1, ?2)")?
                .execute((&party.bytes()[..], place))?;
        }
        Ok(())
    }

    /// Returns the place after the last.
    fn write_logs(
        &self,
        block: u64,
        tx_index: usize,
        logs: &[Log],
        first: usize,
    ) -> Result<usize, ChainError> {
        let mut insert =
            self.connection.prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (index, log) in logs.iter().enumerate() {
            insert.execute(params![
                place(block, first + index)?,
                signed(tx_index as u64)?,
                signed(index as u64)?,
                &log.address.bytes()[..],
                log.topics.concat(),
                log.data,
            ])?;
        }
        Ok(first + logs.len())
    }

    /// Throws away all blocks after `block`.
    pub(crate) fn rewind(&self, block: u64) -> Result<(), ChainError> {
        self.begin()?;
        let undone = || -> Result<(), ChainError> {
            self.undo_after(block)?;
            let first = place(block + 1, 0)?;
            for table in ["tx", "log", "party"] {
                self.connection
                    .execute(&format!("DELETE FROM {table} WHERE place >= ?1"), [first])?;
            }
            self.connection.execute("DELETE FROM block WHERE number > ?1", [signed(block)?])?;
            Ok(())
        };
        self.end(undone())?;
        self.forget_cache();
        Ok(())
    }

    /// The number of the newest block; none in a new database.
    pub(crate) fn head_number(&self) -> Result<Option<u64>, ChainError> {
        let number: Option<i64> =
            self.connection.query_row("SELECT max(number) FROM block", [], |row| row.get(0))?;
        number.map(unsigned).transpose()
    }

    pub(crate) fn block(&self, number: u64) -> Result<Option<BlockRow>, ChainError> {
        let Ok(number) = signed(number) else { return Ok(None) };
        let mut statement =
            self.connection.prepare_cached("SELECT * FROM block WHERE number = ?1")?;
        let mut rows = statement.query([number])?;
        rows.next()?.map(read_block).transpose()
    }

    /// Ids of a block's transactions, in order.
    pub(crate) fn transaction_ids(&self, block: u64) -> Result<Vec<TxId>, ChainError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM tx WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
        let mut rows = statement.query((place(block, 0)?, place(block + 1, 0)? - 1))?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(TxId(digest(row.get_ref(0)?.as_blob().unwrap_or_default())?));
        }
        Ok(ids)
    }

    pub(crate) fn transaction(&self, id: TxId) -> Result<Option<StoredTransaction>, ChainError> {
        let mut statement =
            self.connection.prepare_cached("SELECT place, id, bytes FROM tx WHERE id = ?1")?;
        let mut rows = statement.query([&id.0[..]])?;
        rows.next()?.map(read_transaction).transpose()
    }

    pub(crate) fn has_transaction(&self, id: TxId) -> Result<bool, ChainError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM tx WHERE id = ?1")?;
        Ok(statement.exists([&id.0[..]])?)
    }

    pub(crate) fn receipt(&self, id: TxId) -> Result<Option<Receipt>, ChainError> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM tx WHERE id = ?1")?;
        let read =
            statement.query_row([&id.0[..]], |row| Ok(self.read_receipt(id, row))).optional()?;
        read.transpose()
    }

    fn read_receipt(&self, id: TxId, row: &Row<'_>) -> Result<Receipt, ChainError> {
        let block_number = block_of(row.get("place")?)?;
        let block = self.block(block_number)?.ok_or(ChainError::Damaged("block is missing"))?;
        let number = |name: &str| -> Result<u64, ChainError> { unsigned(row.get(name)?) };
        let contract: Option<Vec<u8>> = row.get("contract")?;
        let first = usize::try_from(number("log_first")?)
            .map_err(|_large| ChainError::Damaged("log place"))?;
        let count = row.get::<_, i64>("log_count")?;
        let place = place(block_number, first)?;
        Ok(Receipt {
            id,
            block_number,
            block_timestamp_ms: block.timestamp_ms,
            fee: Sun(number("fee")?),
            output: row.get("output")?,
            contract: contract.map(|bytes| account(&bytes).map(Address::new)).transpose()?,
            energy_usage_total: number("energy")?,
            energy_fee: Sun(number("energy_fee")?),
            net_usage: number("net_usage")?,
            net_fee: Sun(number("net_fee")?),
            result: ContractResult::from_number(row.get("result")?)
                .ok_or(ChainError::Damaged("contract result"))?,
            message: row.get("message")?,
            logs: self.logs_at(place, count)?,
            internal: decode_internal(&row.get::<_, Vec<u8>>("internal")?)?,
        })
    }

    fn logs_at(&self, place: i64, count: i64) -> Result<Vec<Log>, ChainError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT address, topics, data FROM log WHERE place >= ?1 AND place < ?2 ORDER BY place",
        )?;
        let mut rows = statement.query((place, place + count))?;
        let mut logs = Vec::new();
        while let Some(row) = rows.next()? {
            logs.push(read_log(row, 0)?);
        }
        Ok(logs)
    }

    /// Events by `filter`, in blocks up to `last_block`.
    pub(crate) fn logs(
        &self,
        filter: &LogFilter,
        last_block: u64,
        count_max: usize,
    ) -> Result<LogPage, ChainError> {
        let mut page = LogPage::default();
        let Some((from, to)) = self.log_places(filter, last_block)? else { return Ok(page) };
        let (sql, values) = select_logs(filter, from, to);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut scanned, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            if page.records.len() >= count_max || scanned >= LOGS_SCANNED_MAX {
                page.stopped_at = last;
                break;
            }
            scanned += 1;
            let place: i64 = row.get(0)?;
            last = Some((block_of(place)?, index_of(place)?));
            let log = read_log(row, 3)?;
            if !topics_match(&filter.topics, &log.topics) {
                continue;
            }
            let timestamp_ms = unsigned(row.get(7)?)?;
            page.records.push(LogRecord {
                block_number: block_of(place)?,
                block_id: BlockId(digest(&row.get::<_, Vec<u8>>(6)?)?),
                block_timestamp_ms: timestamp_ms,
                transaction: TxId(digest(&row.get::<_, Vec<u8>>(8)?)?),
                transaction_index: row.get(1)?,
                index_in_transaction: row.get(2)?,
                index_in_block: index_of(place)?,
                log,
            });
        }
        Ok(page)
    }

    /// The first and the last place at which an event by `filter` can be; none if there is none.
    fn log_places(
        &self,
        filter: &LogFilter,
        last_block: u64,
    ) -> Result<Option<(i64, i64)>, ChainError> {
        let mut last = filter.to_block.unwrap_or(last_block).min(last_block);
        let mut first = filter.from_block;
        if let Some(min_ms) = filter.min_timestamp_ms {
            first = first.max(self.first_block_at(min_ms, last_block)?);
        }
        if let Some(after_ms) = filter.max_timestamp_ms.and_then(|max_ms| max_ms.checked_add(1)) {
            let Some(before) = self.first_block_at(after_ms, last_block)?.checked_sub(1) else {
                return Ok(None);
            };
            last = last.min(before);
        }
        if first > last {
            return Ok(None);
        }
        let mut from = place(first, 0)?;
        let mut to = place(last + 1, 0)? - 1;
        if let Some(id) = filter.transaction {
            let Some((first, end)) = self.log_places_of(id)? else { return Ok(None) };
            (from, to) = (from.max(first), to.min(end - 1));
        }
        if let Some((block, index)) = filter.after {
            let after = place(block, index as usize)?;
            if filter.newest_first {
                to = to.min(after.saturating_sub(1));
            } else {
                from = from.max(after.saturating_add(1));
            }
        }
        Ok((from <= to).then_some((from, to)))
    }

    /// The first place of a transaction's events, and the place after the last.
    fn log_places_of(&self, id: TxId) -> Result<Option<(i64, i64)>, ChainError> {
        let found: Option<(i64, i64, i64)> = self
            .connection
            .prepare_cached("SELECT place, log_first, log_count FROM tx WHERE id = ?1")?
            .query_row([&id.0[..]], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((at, first, count)) = found else { return Ok(None) };
        let first = usize::try_from(first).map_err(|_large| ChainError::Damaged("log place"))?;
        let first = place(block_of(at)?, first)?;
        Ok(Some((first, first.saturating_add(count))))
    }

    /// The number of the first block that is not older than `time_ms`; the number after `last` if all
    /// are. Each block is later than the one before it.
    fn first_block_at(&self, time_ms: u64, last: u64) -> Result<u64, ChainError> {
        let (mut from, mut to) = (0, last.saturating_add(1));
        while from < to {
            let middle = from.midpoint(to);
            let block = self.block(middle)?.ok_or(ChainError::Damaged("block is missing"))?;
            if block.timestamp_ms < time_ms { from = middle + 1 } else { to = middle }
        }
        Ok(from)
    }

    /// How many transactions of its block come before this one, and what energy they used and events
    /// they logged.
    pub(crate) fn before_in_block(&self, id: TxId) -> Result<Option<(u32, u64, u64)>, ChainError> {
        let found: Option<(i64, i64)> = self
            .connection
            .prepare_cached("SELECT place, log_first FROM tx WHERE id = ?1")?
            .query_row([&id.0[..]], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((at, logs)) = found else { return Ok(None) };
        let energy: i64 = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(energy), 0) FROM tx WHERE place >= ?1 AND place < ?2",
            )?
            .query_row((place(block_of(at)?, 0)?, at), |row| row.get(0))?;
        Ok(Some((index_of(at)?, unsigned(energy)?, unsigned(logs)?)))
    }

    /// Transactions in which `address` takes part, newest first.
    pub(crate) fn transactions_of(
        &self,
        address: Address,
        before: Option<(u64, u32)>,
        count_max: usize,
    ) -> Result<Vec<StoredTransaction>, ChainError> {
        let before = match before {
            Some((block, index)) => place(block, index as usize)?,
            None => i64::MAX,
        };
        let count = i64::try_from(count_max).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(
            "SELECT tx.place, tx.id, tx.bytes FROM party JOIN tx ON tx.place = party.place
             WHERE party.address = ?1 AND party.place < ?2 ORDER BY party.place DESC LIMIT ?3",
        )?;
        let mut rows = statement.query((&address.bytes()[..], before, count))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_transaction(row)?);
        }
        Ok(found)
    }

    /// Bytes of the transactions after `block`, in order.
    pub(crate) fn bytes_after(&self, block: u64) -> Result<Vec<Vec<u8>>, ChainError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT bytes FROM tx WHERE place >= ?1 ORDER BY place")?;
        let rows = statement.query_map([place(block + 1, 0)?], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn select_logs(filter: &LogFilter, from: i64, to: i64) -> (String, Vec<Value>) {
    let mut values = vec![Value::Integer(from), Value::Integer(to)];
    let mut by_address = String::new();
    if !filter.addresses.is_empty() {
        let marks = vec!["?"; filter.addresses.len()].join(", ");
        by_address = format!(" AND log.address IN ({marks})");
        values.extend(filter.addresses.iter().map(|one| Value::Blob(one.bytes().to_vec())));
    }
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT log.place, log.tx_index, log.index_in_tx, log.address, log.topics, log.data,
                block.id, block.timestamp_ms, tx.id
         FROM log JOIN block ON block.number = log.place >> {PLACE_BITS}
              JOIN tx ON tx.place = (log.place >> {PLACE_BITS} << {PLACE_BITS}) + log.tx_index
         WHERE log.place >= ? AND log.place <= ?{by_address} ORDER BY log.place {order}"
    );
    (sql, values)
}

fn topics_match(wanted: &[Vec<[u8; 32]>], topics: &[[u8; 32]]) -> bool {
    wanted.iter().enumerate().all(|(index, any_of)| {
        topics.get(index).is_some_and(|topic| any_of.is_empty() || any_of.contains(topic))
    })
}

fn read_log(row: &Row<'_>, first_column: usize) -> Result<Log, ChainError> {
    let topics: Vec<u8> = row.get(first_column + 1)?;
    Ok(Log {
        address: Address::new(account(&row.get::<_, Vec<u8>>(first_column)?)?),
        topics: topics.chunks(32).map(digest).collect::<Result<_, _>>()?,
        data: row.get(first_column + 2)?,
    })
}

fn read_transaction(row: &Row<'_>) -> Result<StoredTransaction, ChainError> {
    let place: i64 = row.get(0)?;
    Ok(StoredTransaction {
        id: TxId(digest(&row.get::<_, Vec<u8>>(1)?)?),
        bytes: row.get(2)?,
        place: Some((block_of(place)?, index_of(place)?)),
    })
}

fn read_block(row: &Row<'_>) -> Result<BlockRow, ChainError> {
    Ok(BlockRow {
        number: unsigned(row.get("number")?)?,
        id: BlockId(digest(&row.get::<_, Vec<u8>>("id")?)?),
        timestamp_ms: unsigned(row.get("timestamp_ms")?)?,
        transactions_root: digest(&row.get::<_, Vec<u8>>("transactions_root")?)?,
        signature: row.get("signature")?,
        size_bytes: unsigned(row.get("size_bytes")?)?,
        energy_used: unsigned(row.get("energy_used")?)?,
        burned: unsigned(row.get("burned")?)?,
    })
}

fn encode_internal(calls: &[InternalCall]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(calls.len() * INTERNAL_BYTES);
    for call in calls {
        bytes.extend_from_slice(call.caller.bytes());
        bytes.extend_from_slice(call.to.bytes());
        bytes.extend_from_slice(&call.value.0.to_le_bytes());
        bytes.push(u8::from(call.note == "create"));
        bytes.push(u8::from(call.rejected));
    }
    bytes
}

fn decode_internal(bytes: &[u8]) -> Result<Vec<InternalCall>, ChainError> {
    let damaged = || ChainError::Damaged("internal call");
    let one = |bytes: &[u8]| {
        let (caller, rest) = bytes.split_at_checked(20).ok_or_else(damaged)?;
        let (to, rest) = rest.split_at_checked(20).ok_or_else(damaged)?;
        let (value, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let &[note, rejected] = rest else { return Err(damaged()) };
        Ok(InternalCall {
            caller: Address::new(account(caller)?),
            to: Address::new(account(to)?),
            value: Sun(u64::from_le_bytes(*value)),
            note: if note == 1 { "create" } else { "call" },
            rejected: rejected == 1,
        })
    };
    bytes.chunks(INTERNAL_BYTES).map(one).collect()
}
