//! Reading and changing accounts, storage, codes and contracts.

use revm::bytecode::Bytecode;
use revm::primitives::{Address, B256, Bytes, U256};
use rusqlite::OptionalExtension as _;
use wire::tron::{self, SmartContract};

use super::{Store, signed};
use crate::refusal::ChainError;
use crate::rows::{AccountRow, Changes};

/// Which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// After the newest block.
    Head,
    /// After this block, which is final or newer.
    Block(u64),
}

fn account_key(address: Address) -> Vec<u8> {
    [b"a", address.as_slice()].concat()
}

fn storage_key(address: Address, slot: U256) -> Vec<u8> {
    [b"s", address.as_slice(), &slot.to_be_bytes::<32>()].concat()
}

fn contract_key(address: Address) -> Vec<u8> {
    [b"c", address.as_slice()].concat()
}

fn decoded(bytes: &[u8]) -> Result<U256, ChainError> {
    U256::try_from_be_slice(bytes).ok_or(ChainError::Damaged("storage"))
}

impl Store {
    pub(crate) fn account(
        &self,
        address: Address,
        at: At,
    ) -> Result<Option<AccountRow>, ChainError> {
        if at == At::Head
            && let Some(row) = self.cache.borrow().accounts.get(&address)
        {
            return Ok(*row);
        }
        let bytes = self.value(&account_key(address), at)?;
        let row = bytes.map(|bytes| AccountRow::decode(&bytes)).transpose()?;
        if at == At::Head {
            let mut cache = self.cache.borrow_mut();
            cache.accounts.insert(address, row);
            cache.bound();
        }
        Ok(row)
    }

    pub(crate) fn storage(&self, address: Address, slot: U256, at: At) -> Result<U256, ChainError> {
        if at == At::Head
            && let Some(value) = self.cache.borrow().storage.get(&(address, slot))
        {
            return Ok(*value);
        }
        let bytes = self.value(&storage_key(address, slot), at)?;
        let value = bytes.map_or(Ok(U256::ZERO), |bytes| decoded(&bytes))?;
        if at == At::Head {
            let mut cache = self.cache.borrow_mut();
            cache.storage.insert((address, slot), value);
            cache.bound();
        }
        Ok(value)
    }

    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, ChainError> {
        if let Some(code) = self.cache.borrow().codes.get(&hash) {
            return Ok(code.clone());
        }
        let bytes: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT bytes FROM code WHERE hash = ?1")?
            .query_row([hash.as_slice()], |row| row.get(0))
            .optional()?;
        let bytes = bytes.ok_or(ChainError::Damaged("code is missing"))?;
        let code = Bytecode::new_legacy(Bytes::from(bytes));
        let mut cache = self.cache.borrow_mut();
        cache.codes.insert(hash, code.clone());
        cache.bound();
        Ok(code)
    }

    pub(crate) fn contract(
        &self,
        address: Address,
        at: At,
    ) -> Result<Option<SmartContract>, ChainError> {
        let bytes = self.value(&contract_key(address), at)?;
        bytes
            .map(|bytes| {
                tron::decode("contract", &bytes)
                    .map_err(|_malformed| ChainError::Damaged("contract"))
            })
            .transpose()
    }

    fn value(&self, key: &[u8], at: At) -> Result<Option<Vec<u8>>, ChainError> {
        if let At::Block(block) = at {
            // The first change after that block noted what was there before.
            let old: Option<Option<Vec<u8>>> = self
                .connection
                .prepare_cached(
                    "SELECT old FROM undo WHERE key = ?1 AND block > ?2 ORDER BY block LIMIT 1",
                )?
                .query_row((key, signed(block)?), |row| row.get(0))
                .optional()?;
            if let Some(old) = old {
                return Ok(old);
            }
        }
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM state WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Writes what `block` changed, within a transaction; with the old values if it is not final.
    pub(super) fn write_changes(
        &self,
        changes: &Changes,
        block: u64,
        is_final: bool,
    ) -> Result<(), ChainError> {
        let write = |key: Vec<u8>, value: Option<Vec<u8>>| -> Result<(), ChainError> {
            if !is_final {
                self.connection
                    .prepare_cached(
                        "INSERT INTO undo VALUES (?1, ?2, (SELECT value FROM state WHERE key = ?1))",
                    )?
                    .execute((&key, signed(block)?))?;
            }
            self.put(&key, value.as_deref())
        };
        for (address, row) in &changes.accounts {
            write(account_key(*address), row.map(|row| row.encode()))?;
        }
        for ((address, slot), value) in &changes.storage {
            let value = (!value.is_zero()).then(|| value.to_be_bytes_trimmed_vec());
            write(storage_key(*address, *slot), value)?;
        }
        for (address, contract) in &changes.contracts {
            write(contract_key(*address), contract.as_ref().map(tron::encode))?;
        }
        for (hash, code) in &changes.codes {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO code VALUES (?1, ?2)")?
                .execute((hash.as_slice(), code.original_byte_slice()))?;
        }
        Ok(())
    }

    fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), ChainError> {
        match value {
            Some(value) => self
                .connection
                .prepare_cached("INSERT OR REPLACE INTO state VALUES (?1, ?2)")?
                .execute((key, value))?,
            None => self
                .connection
                .prepare_cached("DELETE FROM state WHERE key = ?1")?
                .execute([key])?,
        };
        Ok(())
    }

    /// What was written is what is read from now on.
    pub(super) fn cache_changes(&self, changes: &Changes) {
        let mut cache = self.cache.borrow_mut();
        cache.accounts.extend(changes.accounts.iter().map(|(address, row)| (*address, *row)));
        cache.storage.extend(changes.storage.iter().map(|(word, value)| (*word, *value)));
        cache.codes.extend(changes.codes.iter().map(|(hash, code)| (*hash, code.clone())));
        cache.bound();
    }

    /// Puts back what the blocks after `block` changed, within a transaction.
    pub(super) fn undo_after(&self, block: u64) -> Result<(), ChainError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT key, old FROM undo WHERE block > ?1 ORDER BY block DESC")?;
        let mut rows = statement.query([signed(block)?])?;
        while let Some(row) = rows.next()? {
            let key: Vec<u8> = row.get(0)?;
            let old: Option<Vec<u8>> = row.get(1)?;
            self.put(&key, old.as_deref())?;
        }
        self.connection
            .prepare_cached("DELETE FROM undo WHERE block > ?1")?
            .execute([signed(block)?])?;
        Ok(())
    }

    /// Forgets old values that only blocks up to `block` need, within a transaction.
    pub(super) fn forget_undo(&self, block: u64) -> Result<(), ChainError> {
        self.connection
            .prepare_cached("DELETE FROM undo WHERE block <= ?1")?
            .execute([signed(block)?])?;
        Ok(())
    }

    pub(super) fn forget_cache(&self) {
        let mut cache = self.cache.borrow_mut();
        cache.accounts.clear();
        cache.storage.clear();
    }

    /// All that all accounts have, in sun.
    #[cfg(test)]
    pub(crate) fn sum_of_balances(&self) -> Result<u64, ChainError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM state WHERE substr(key, 1, 1) = ?1")?;
        let mut rows = statement.query([&b"a"[..]])?;
        let mut sum = 0;
        while let Some(row) = rows.next()? {
            sum += AccountRow::decode(&row.get::<_, Vec<u8>>(0)?)?.balance;
        }
        Ok(sum)
    }
}
