//! What a chain tells.

use keys::sha256;
use ledger::transaction::deployed_at;
use ledger::{Address, BlockId, Sun, TxId};
use revm::primitives::{Bytes, U256};
use wire::tron;

use super::Chain;
use crate::block::{Block, BlockRef, StoredTransaction};
use crate::call::{CallFailure, CallOutcome, CallRequest, CallTarget};
use crate::execute::{FREE_NET_BYTES, code_of, log_of, net_used_at};
use crate::header;
use crate::layers::{Layers, inner};
use crate::receipt::{ContractResult, LogFilter, LogPage, Receipt};
use crate::refusal::ChainError;
use crate::state::{Account, Contract, Resources, View};
use crate::store::{At, BlockRow};
use crate::tvm::{self, Entry, Run, Surroundings};

/// Energy of a call that changes nothing (`vm.maxEnergyLimitForConstant`).
pub const CALL_ENERGY_MAX: u64 = 100_000_000;

/// Bytes of call data or creation code.
const CALL_BYTES_MAX: usize = tron::TRANSACTION_BYTES_MAX;

/// Events of one answer.
pub const LOGS_MAX: usize = 10_000;

/// Transactions of one answer of [`Chain::transactions_of`].
pub const TRANSACTIONS_OF_MAX: usize = 200;

/// Bandwidth and energy of the whole network, for display: the real one's.
const TOTAL_NET_MAX: u64 = 43_200_000_000;
const TOTAL_ENERGY_MAX: u64 = 180_000_000_000;

impl Chain {
    fn at(&self, view: View) -> At {
        match view {
            View::Head => At::Head,
            View::Solid if self.solid == self.head.number => At::Head,
            View::Solid => At::Block(self.solid),
        }
    }

    fn layers(&self, view: View) -> Layers<'_> {
        Layers { store: &self.store, at: self.at(view), over: [None, None] }
    }

    fn view_block(&self, view: View) -> u64 {
        match view {
            View::Head => self.head.number,
            View::Solid => self.solid,
        }
    }

    /// The newest block.
    pub fn head(&self) -> BlockId {
        self.head.id
    }

    /// The newest final block.
    pub fn solid(&self) -> BlockId {
        self.solid_id
    }

    /// All sun burned as fees so far.
    pub fn burned(&self) -> Sun {
        Sun(self.head.burned)
    }

    /// Runs a call and undoes it, with at most [`CALL_ENERGY_MAX`]. One that reads, hashes or checks
    /// far more than transactions do ends with [`ContractResult::OutOfTime`].
    ///
    /// # Errors
    /// See [`CallFailure`]; a revert is an outcome, no error.
    pub fn call(&mut self, request: &CallRequest, view: View) -> Result<CallOutcome, CallFailure> {
        self.call_within(request, view, CALL_ENERGY_MAX)
    }

    /// The same with another bound, of energy as of work that costs little energy.
    pub(crate) fn call_within(
        &mut self,
        request: &CallRequest,
        view: View,
        energy_max: u64,
    ) -> Result<CallOutcome, CallFailure> {
        let layers = self.layers(view);
        let owner = request.owner;
        if request.call_value > Sun(0) {
            let balance = layers.account(inner(owner))?.map_or(0, |row| row.balance);
            if balance < request.call_value.0 {
                let (balance, call_value) = (Sun(balance), request.call_value);
                return Err(CallFailure::Balance { owner, balance, call_value });
            }
        }
        let (CallTarget::Contract(_, data) | CallTarget::Deploy(data)) = &request.target;
        if data.len() > CALL_BYTES_MAX {
            return Err(CallFailure::TooLong { bytes: data.len(), bytes_max: CALL_BYTES_MAX });
        }
        let data = Bytes::copy_from_slice(data);
        let transaction = TxId(sha256(&data));
        let (entry, created) = match &request.target {
            CallTarget::Contract(contract, _) => {
                if layers.contract(inner(*contract))?.is_none() {
                    return Err(CallFailure::NoContract(*contract));
                }
                (Entry::Call { contract: inner(*contract), data }, None)
            }
            CallTarget::Deploy(_) => {
                let address = deployed_at(transaction, owner);
                (Entry::Create { address: inner(address), code: data }, Some(address))
            }
        };
        let run = Run {
            owner: inner(owner),
            value: request.call_value.0,
            energy_max,
            work_max: Some(energy_max),
            entry,
            transaction: transaction.0.into(),
        };
        let ran = tvm::run(layers, &self.call_surroundings(view)?, run)?;
        Ok(CallOutcome {
            energy_used: ran.energy_used,
            output: ran.output.to_vec(),
            result: ran.result,
            message: ran.message,
            logs: ran.logs.into_iter().map(log_of).collect(),
            created: created.filter(|_| ran.result == ContractResult::Success),
        })
    }

    /// A call at the head runs as if in the next block: time passes also while no blocks are made.
    fn call_surroundings(&self, view: View) -> Result<Surroundings, ChainError> {
        let next = self.next_surroundings();
        Ok(match view {
            View::Head => next,
            View::Solid => {
                let block = super::block_of(&self.store, self.solid)?;
                Surroundings { number: block.number, timestamp_ms: block.timestamp_ms, ..next }
            }
        })
    }

    /// A block; none if there is no such.
    ///
    /// # Errors
    /// The database failed.
    pub fn block(&self, which: BlockRef) -> Result<Option<Block>, ChainError> {
        let number = match which {
            BlockRef::Number(number) => number,
            BlockRef::Id(id) => id.number(),
            BlockRef::Head => self.head.number,
            BlockRef::Solid => self.solid,
        };
        let Some(row) = self.store.block(number)? else { return Ok(None) };
        if matches!(which, BlockRef::Id(id) if id != row.id) {
            return Ok(None);
        }
        self.shown(row).map(Some)
    }

    fn shown(&self, row: BlockRow) -> Result<Block, ChainError> {
        let parent = match row.number.checked_sub(1) {
            Some(before) => super::block_of(&self.store, before)?.id,
            None => BlockId([0; 32]),
        };
        Ok(Block {
            id: row.id,
            number: row.number,
            parent,
            timestamp_ms: row.timestamp_ms,
            transactions_root: row.transactions_root,
            witness: self.genesis.witness,
            witness_signature: row.signature,
            version: header::VERSION,
            transactions: self.store.transaction_ids(row.number)?,
            size_bytes: row.size_bytes,
            energy_used: row.energy_used,
        })
    }

    /// A transaction in a block or waiting; with [`View::Solid`] only in a final block.
    ///
    /// # Errors
    /// The database failed.
    pub fn transaction(
        &self,
        id: TxId,
        view: View,
    ) -> Result<Option<StoredTransaction>, ChainError> {
        if let Some(found) = self.store.transaction(id)? {
            let is_seen = found.place.is_some_and(|(block, _)| block <= self.view_block(view));
            return Ok(is_seen.then_some(found));
        }
        let mut waiting = self.open.iter().flat_map(|open| &open.transactions);
        let found = waiting.find(|one| one.receipt.id == id && view == View::Head);
        Ok(found.map(|one| StoredTransaction { id, bytes: one.bytes.clone(), place: None }))
    }

    /// What executing it did; none until it is in a block (in a final one by [`View::Solid`]).
    ///
    /// # Errors
    /// The database failed.
    pub fn receipt(&self, id: TxId, view: View) -> Result<Option<Receipt>, ChainError> {
        let found = self.store.receipt(id)?;
        Ok(found.filter(|receipt| receipt.block_number <= self.view_block(view)))
    }

    /// How many transactions of its block come before this one, and what energy they used and events
    /// they logged; none if it is in no block.
    pub(crate) fn before_in_block(&self, id: TxId) -> Result<Option<(u32, u64, u64)>, ChainError> {
        self.store.before_in_block(id)
    }

    /// An account; none if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub fn account(&self, address: Address, view: View) -> Result<Option<Account>, ChainError> {
        let Some(row) = self.layers(view).account(inner(address))? else { return Ok(None) };
        Ok(Some(Account {
            address,
            balance: Sun(row.balance),
            created_ms: row.created_ms,
            latest_operation_ms: row.latest_operation_ms,
            is_contract: row.is_contract,
            free_net_used: net_used_at(&row, self.clock_ms()),
        }))
    }

    /// A contract; none if none is there.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract(&self, address: Address) -> Result<Option<Contract>, ChainError> {
        self.contract_at(address, View::Head)
    }

    pub(crate) fn contract_at(
        &self,
        address: Address,
        view: View,
    ) -> Result<Option<Contract>, ChainError> {
        let layers = self.layers(view);
        let (Some(contract), Some(row)) =
            (layers.contract(inner(address))?, layers.account(inner(address))?)
        else {
            return Ok(None);
        };
        let damaged = || ChainError::Damaged("contract");
        let origin =
            Address::from_prefixed(&contract.origin_address).map_err(|_malformed| damaged())?;
        let transaction: [u8; 32] =
            contract.trx_hash.as_slice().try_into().map_err(|_length| damaged())?;
        Ok(Some(Contract {
            address,
            origin,
            name: contract.name,
            abi: contract.abi.map(|abi| tron::encode(&abi)).unwrap_or_default(),
            bytecode: contract.bytecode,
            runtime: code_of(&layers, &row)?.original_bytes().to_vec(),
            code_hash: row.code_hash.0,
            consume_user_resource_percent: u32::try_from(contract.consume_user_resource_percent)
                .unwrap_or_default(),
            origin_energy_limit: u64::try_from(contract.origin_energy_limit).unwrap_or_default(),
            transaction: TxId(transaction),
            version: u32::try_from(contract.version).unwrap_or_default(),
        }))
    }

    /// One word of a contract's storage; zero if never written.
    ///
    /// # Errors
    /// The database failed.
    pub fn storage(
        &self,
        address: Address,
        slot: [u8; 32],
        view: View,
    ) -> Result<[u8; 32], ChainError> {
        let word = self.layers(view).word(inner(address), U256::from_be_bytes(slot))?;
        Ok(word.to_be_bytes())
    }

    /// What an account may use without paying; none if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub fn resources(&self, address: Address) -> Result<Option<Resources>, ChainError> {
        let account = self.account(address, View::Head)?;
        Ok(account.map(|account| Resources {
            free_net_used: account.free_net_used,
            free_net_max: FREE_NET_BYTES,
            total_net_max: TOTAL_NET_MAX,
            total_energy_max: TOTAL_ENERGY_MAX,
        }))
    }

    /// At most `count_max` events, itself at most [`LOGS_MAX`]. A filter that matches little over
    /// many blocks may end early: 100,000 events are looked at. [`LogPage::stopped_at`] tells.
    ///
    /// # Errors
    /// The database failed, or no block can have the number in [`LogFilter::after`].
    pub fn logs(&self, filter: &LogFilter, count_max: usize) -> Result<LogPage, ChainError> {
        self.store.logs(filter, self.head.number, count_max.min(LOGS_MAX))
    }

    /// Transactions that an account sent or was sent (owner, or receiver or contract), newest
    /// first, at most `count_max`, itself at most [`TRANSACTIONS_OF_MAX`], before the place given.
    ///
    /// # Errors
    /// The database failed.
    pub fn transactions_of(
        &self,
        address: Address,
        before: Option<(u64, u32)>,
        count_max: usize,
    ) -> Result<Vec<StoredTransaction>, ChainError> {
        self.store.transactions_of(address, before, count_max.min(TRANSACTIONS_OF_MAX))
    }

    /// All that all accounts have, in sun.
    #[cfg(test)]
    pub(crate) fn sum_of_balances(&self) -> Result<u64, ChainError> {
        self.store.sum_of_balances()
    }

    /// Has the disk be full at so many pages, or at what it is, or no more.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: Option<u32>) {
        self.store.limit_pages(pages);
    }
}
