//! The chain in `SQLite`.
//!
//! Source: own. WAL with `synchronous=FULL`: a block whose commit was answered survives a power
//! cut. One process at a time: the file is locked as long as it is open.
//!
//! State is a table of keys and values. What a block that is not final changed, it also notes the
//! old value of (`undo`): to take the block back, and to answer as of the newest final block.
//! Codes are kept by their hash and never taken back.

mod blocks;
mod schema;
mod state;

use std::cell::RefCell;
use std::collections::HashMap;

use revm::bytecode::Bytecode;
use revm::primitives::{Address, B256, U256};
use rusqlite::Connection;

use crate::refusal::ChainError;
use crate::rows::AccountRow;

pub(crate) use self::blocks::{BlockRow, TransactionRow};
pub(crate) use self::state::At;

/// Entries of the cache of one kind; above, it is emptied.
const CACHE_ENTRIES_MAX: usize = 200_000;

/// The open database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    cache: RefCell<Cache>,
}

/// State at the head as it is in the database.
#[derive(Debug, Default)]
struct Cache {
    accounts: HashMap<Address, Option<AccountRow>>,
    storage: HashMap<(Address, U256), U256>,
    codes: HashMap<B256, Bytecode>,
}

impl Cache {
    fn bound(&mut self) {
        if self.accounts.len() > CACHE_ENTRIES_MAX {
            self.accounts.clear();
        }
        if self.storage.len() > CACHE_ENTRIES_MAX {
            self.storage.clear();
        }
        if self.codes.len() > CACHE_ENTRIES_MAX / 100 {
            self.codes.clear();
        }
    }
}

impl From<rusqlite::Error> for ChainError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// A number as `SQLite` keeps it.
fn signed(number: u64) -> Result<i64, ChainError> {
    i64::try_from(number).map_err(|_large| ChainError::Damaged("number above 63 bits"))
}

/// A number that `SQLite` kept.
fn unsigned(number: i64) -> Result<u64, ChainError> {
    u64::try_from(number).map_err(|_negative| ChainError::Damaged("negative number"))
}

/// 32 bytes that `SQLite` kept.
fn digest(bytes: &[u8]) -> Result<[u8; 32], ChainError> {
    bytes.try_into().map_err(|_length| ChainError::Damaged("digest"))
}

/// 20 bytes that `SQLite` kept.
fn account(bytes: &[u8]) -> Result<[u8; 20], ChainError> {
    bytes.try_into().map_err(|_length| ChainError::Damaged("address"))
}
