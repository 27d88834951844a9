//! The chain: what it takes, makes and tells.

use std::path::Path;

use crate::block::{Block, BlockRef, StoredTransaction};
use crate::call::{CallFailure, CallOutcome, CallRequest};
use crate::config::Config;
use crate::receipt::{LogFilter, LogRecord, Receipt};
use crate::refusal::{ChainError, FaucetError, OpenError, Refused};
use crate::state::{Account, Contract, Resources, View};
use ledger::{Address, BlockId, Sun, TxId};

/// What a chain began with. Random per chain, then fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genesis {
    /// Id of block 0, the "genesis hash" that peers name.
    pub id: BlockId,
    /// What `CHAINID` gives and typed data is signed for: the last 4 bytes of the id.
    pub chain_id: u32,
    /// The account that the faucet pays from.
    pub faucet: Address,
    /// The account that makes blocks.
    pub witness: Address,
    /// The test BTT token.
    pub btt: Address,
    /// The Vault for that token.
    pub vault: Address,
}

/// A chain. One owner at a time; `Send`. See [`crate::Handle`] for many askers.
#[derive(Debug)]
pub struct Chain {
    config: Config,
}

impl Chain {
    /// Opens the chain in the file at `path`, or a chain in memory. A new one is made from
    /// `entropy`, which has no effect on one that exists.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: Option<&Path>,
        config: Config,
        entropy: [u8; 32],
        now_ms: u64,
    ) -> Result<Self, OpenError> {
        let _ = (path, entropy, now_ms);
        Ok(Self { config })
    }

    /// How it paces itself.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Takes an encoded, signed `Transaction` into the queue if it would execute now.
    ///
    /// # Errors
    /// In java-tron's order, with its codes and words.
    pub fn broadcast(&mut self, bytes: &[u8], now_ms: u64) -> Result<TxId, Refused> {
        let _ = (bytes, now_ms);
        Err(not_yet())
    }

    /// Makes a block of what waits; none if nothing does. When this returns, it is on the disk.
    ///
    /// # Errors
    /// The database failed: the block does not exist, and the transactions still wait.
    pub fn produce(&mut self, now_ms: u64) -> Result<Option<BlockId>, ChainError> {
        let _ = now_ms;
        Ok(None)
    }

    /// Makes a block of what waits, even if nothing does.
    ///
    /// # Errors
    /// As [`Self::produce`].
    pub fn mine(&mut self, now_ms: u64) -> Result<BlockId, ChainError> {
        let _ = now_ms;
        Err(ChainError::Stopped)
    }

    /// Throws the newest `blocks` blocks away, as a reorganisation would; their transactions wait
    /// again if `put_back`. Returns the new head.
    ///
    /// # Errors
    /// Final blocks stay: [`ChainError::RewindTooFar`], and nothing changed.
    pub fn rewind(&mut self, blocks: u64, put_back: bool) -> Result<BlockId, ChainError> {
        let _ = (blocks, put_back);
        Err(ChainError::Stopped)
    }

    /// Lets the chain's clock run ahead of the caller's by `ms` more from now on, for tests of delays.
    ///
    /// # Errors
    /// The database failed.
    pub fn skip_time(&mut self, ms: u64) -> Result<(), ChainError> {
        let _ = ms;
        Ok(())
    }

    /// Transactions that wait for a block, oldest first.
    pub fn pending(&self) -> Vec<TxId> {
        Vec::new()
    }

    /// Runs a call and undoes it. `energy_max` bounds it; java-tron's is 100,000,000.
    ///
    /// # Errors
    /// See [`CallFailure`]; a revert is an outcome, no error.
    pub fn call(&mut self, request: &CallRequest, view: View) -> Result<CallOutcome, CallFailure> {
        let _ = (request, view);
        Err(ChainError::Stopped.into())
    }

    /// What it began with.
    pub fn genesis(&self) -> Genesis {
        let zero = Address::new([0; 20]);
        Genesis {
            id: BlockId([0; 32]),
            chain_id: 0,
            faucet: zero,
            witness: zero,
            btt: zero,
            vault: zero,
        }
    }

    /// Number of the newest block.
    pub fn head(&self) -> BlockId {
        BlockId([0; 32])
    }

    /// The newest final block.
    pub fn solid(&self) -> BlockId {
        BlockId([0; 32])
    }

    /// A block; none if there is no such.
    ///
    /// # Errors
    /// The database failed.
    pub fn block(&self, which: BlockRef) -> Result<Option<Block>, ChainError> {
        let _ = which;
        Ok(None)
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
        let _ = (id, view);
        Ok(None)
    }

    /// What executing it did; none until it is in a block (in a final one by [`View::Solid`]).
    ///
    /// # Errors
    /// The database failed.
    pub fn receipt(&self, id: TxId, view: View) -> Result<Option<Receipt>, ChainError> {
        let _ = (id, view);
        Ok(None)
    }

    /// An account; none if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub fn account(&self, address: Address, view: View) -> Result<Option<Account>, ChainError> {
        let _ = (address, view);
        Ok(None)
    }

    /// A contract; none if none is there.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract(&self, address: Address) -> Result<Option<Contract>, ChainError> {
        let _ = address;
        Ok(None)
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
        let _ = (address, slot, view);
        Ok([0; 32])
    }

    /// What an account may use without paying; none if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub fn resources(&self, address: Address) -> Result<Option<Resources>, ChainError> {
        let _ = address;
        Ok(None)
    }

    /// At most `count_max` events, itself at most 10,000.
    ///
    /// # Errors
    /// The database failed.
    pub fn logs(&self, filter: &LogFilter, count_max: usize) -> Result<Vec<LogRecord>, ChainError> {
        let _ = (filter, count_max);
        Ok(Vec::new())
    }

    /// Transactions that an account sent or was sent (owner, or receiver or contract), newest
    /// first, at most `count_max`, itself at most 200, before the place given.
    ///
    /// # Errors
    /// The database failed.
    pub fn transactions_of(
        &self,
        address: Address,
        before: Option<(u64, u32)>,
        count_max: usize,
    ) -> Result<Vec<StoredTransaction>, ChainError> {
        let _ = (address, before, count_max);
        Ok(Vec::new())
    }

    /// Sends play TRX (`token` none, `amount` in sun) or test BTT to `to` by an ordinary
    /// transaction of the faucet's account, which then waits for its block.
    ///
    /// # Errors
    /// See [`FaucetError`].
    pub fn faucet(
        &mut self,
        to: Address,
        token: Option<Address>,
        amount: u128,
        now_ms: u64,
    ) -> Result<TxId, FaucetError> {
        let _ = (to, token, amount, now_ms);
        Err(not_yet().into())
    }

    /// All sun burned as fees so far.
    pub fn burned(&self) -> Sun {
        Sun(0)
    }
}

fn not_yet() -> Refused {
    Refused { code: crate::refusal::ResponseCode::OtherError, message: String::new() }
}
