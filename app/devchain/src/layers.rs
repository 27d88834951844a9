//! State as somebody sees it: the database, and over it what is not committed yet.

use ledger::TxId;
use revm::bytecode::Bytecode;
use revm::database_interface::Database;
use revm::primitives::{Address, B256, U256};
use revm::state::AccountInfo;
use wire::tron::SmartContract;

use crate::refusal::ChainError;
use crate::rows::{AccountRow, Changes};
use crate::store::{At, Store};
use crate::tvm;

/// State with changes over it, the last on top.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layers<'a> {
    pub(crate) store: &'a Store,
    pub(crate) at: At,
    pub(crate) over: [Option<&'a Changes>; 2],
}

impl<'a> Layers<'a> {
    fn changes(&self) -> impl Iterator<Item = &'a Changes> {
        self.over.into_iter().rev().flatten()
    }

    pub(crate) fn account(&self, address: Address) -> Result<Option<AccountRow>, ChainError> {
        for changes in self.changes() {
            if let Some(row) = changes.accounts.get(&address) {
                return Ok(*row);
            }
        }
        self.store.account(address, self.at)
    }

    pub(crate) fn contract(&self, address: Address) -> Result<Option<SmartContract>, ChainError> {
        for changes in self.changes() {
            if let Some(contract) = changes.contracts.get(&address) {
                return Ok(contract.clone());
            }
        }
        self.store.contract(address, self.at)
    }

    pub(crate) fn word(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        for changes in self.changes() {
            if let Some(value) = changes.storage.get(&(address, slot)) {
                return Ok(*value);
            }
        }
        self.store.storage(address, slot, self.at)
    }

    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, ChainError> {
        for changes in self.changes() {
            if let Some(code) = changes.codes.get(&hash) {
                return Ok(code.clone());
            }
        }
        self.store.code(hash)
    }
}

impl Database for Layers<'_> {
    type Error = ChainError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        Ok(self.account(address)?.map(|row| AccountInfo {
            balance: U256::from(row.balance),
            // An account that exists is never empty, even with nothing on it.
            nonce: if row.is_contract { tvm::NONCE_CONTRACT } else { tvm::NONCE_PERSON },
            code_hash: row.code_hash,
            code: None,
            account_id: None,
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, ChainError> {
        self.code(code_hash)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, ChainError> {
        self.word(address, index)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ChainError> {
        Ok(self.store.block(number)?.map_or(B256::ZERO, |block| block.id.0.into()))
    }
}

/// An address as the machine has it.
pub(crate) fn inner(address: ledger::Address) -> Address {
    Address::from(*address.bytes())
}

/// An address as everybody else has it.
pub(crate) fn outer(address: Address) -> ledger::Address {
    ledger::Address::new(address.into_array())
}

/// An id as the machine has it.
pub(crate) fn word_of(id: TxId) -> B256 {
    id.0.into()
}
