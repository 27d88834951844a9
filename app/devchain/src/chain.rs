//! The chain: what it takes, makes and tells.
//!
//! Source: java-tron `Manager`, `Wallet`. A transaction is carried out when it comes, over the
//! state of the block that is being filled; making the block writes it down. So each runs once,
//! and who is told that a transaction was taken knows that it could be carried out.
//!
//! Invariant: `head` is the newest block in the database; `open`, if any, comes next.

mod tell;

pub use self::tell::{CALL_ENERGY_MAX, LOGS_MAX, TRANSACTIONS_OF_MAX};

use std::collections::HashSet;
use std::path::Path;

use ledger::transaction::{Action, EXPIRATION_MS_MAX, Terms, Unsigned};
use ledger::{Address, BlockId, Sun, TxId};
use wire::abi;

use crate::config::{BlockTime, Config};
use crate::execute::{self, Executed};
use crate::genesis::{self, Deployments, OwnKeys};
use crate::header::{self, Header};
use crate::layers::inner;
use crate::received::Received;
use crate::refusal::{ChainError, FaucetError, OpenError, Refused, ResponseCode};
use crate::rows::Changes;
use crate::store::{BlockRow, Store, TransactionRow};
use crate::tvm::Surroundings;

/// Transactions of one block; more wait no longer than a client waits for an answer.
pub const BLOCK_TRANSACTIONS_MAX: usize = 10_000;

/// Bytes of the transactions of one block: 16 of the longest.
pub const BLOCK_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// Events of a block after which it takes no more transactions. With those of one more, which its
/// energy bounds, their number stays below the 2^20 that a block has places for.
const BLOCK_LOGS_MAX: usize = 1 << 19;

/// Bytes of outputs, events and internal calls of a block after which it takes no more.
const BLOCK_EFFECT_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// How far a chain's clock may run ahead: 100 years.
pub const SKIPPED_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;

/// How long the faucet's own transactions are good for.
const FAUCET_EXPIRATION_MS: u64 = 60_000;

/// Energy for the faucet's token transfers: 100 TRX.
const FAUCET_FEE_LIMIT: Sun = Sun(100_000_000);

/// TRX that one call of the faucet gives, in sun: ten million TRX.
pub const FAUCET_SUN_MAX: u64 = 10_000_000_000_000;

/// BTT that one call of the faucet gives: ten thousand million.
pub const FAUCET_BTT_MAX: u128 = 10_000_000_000 * 1_000_000_000_000_000_000;

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
    store: Store,
    keys: OwnKeys,
    genesis: Genesis,
    head: BlockRow,
    /// Number of the newest final block.
    solid: u64,
    solid_id: BlockId,
    open: Option<Open>,
    /// The latest time that a caller told.
    now_ms: u64,
    /// How far the chain's clock runs ahead.
    skipped_ms: u64,
    /// Time of the newest block that was thrown away: what replaces it is another block.
    thrown_ms: u64,
    /// Time of the faucet's last transaction, so that no two are the same.
    faucet_ms: u64,
}

/// The block that is being filled.
#[derive(Debug)]
struct Open {
    surroundings: Surroundings,
    changes: Changes,
    transactions: Vec<TransactionRow>,
    ids: HashSet<TxId>,
    bytes: usize,
    /// Events of all of them.
    logs: usize,
    effect_bytes: usize,
}

impl Open {
    fn new(surroundings: Surroundings) -> Self {
        Self {
            surroundings,
            changes: Changes::default(),
            transactions: Vec::new(),
            ids: HashSet::new(),
            bytes: 0,
            logs: 0,
            effect_bytes: 0,
        }
    }
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
        let store = Store::open(path)?;
        let seed = match store.meta("seed")? {
            Some(seed) => seed.try_into().map_err(|_length| ChainError::Damaged("seed"))?,
            None => {
                store.set_meta("seed", &entropy)?;
                entropy
            }
        };
        let keys = OwnKeys::derive(&seed)?;
        if store.head_number()?.is_none() {
            genesis::write(&store, &keys, &seed, now_ms)?;
        }
        let first = block_of(&store, 0)?;
        let head = block_of(&store, store.head_number()?.unwrap_or_default())?;
        let [btt, vault] = match (store.meta("btt")?, store.meta("vault")?) {
            (Some(btt), Some(vault)) => [address_of(&btt)?, address_of(&vault)?],
            (_, _) => {
                let first = genesis::deployments(&keys, first.id, first.timestamp_ms)?;
                [first.btt, first.vault]
            }
        };
        let genesis = Genesis {
            id: first.id,
            chain_id: first.id.chain_id(),
            faucet: keys.faucet_address(),
            witness: keys.witness_address(),
            btt,
            vault,
        };
        let solid = number_of(store.meta("solid")?)?.min(head.number);
        let skipped_ms = number_of(store.meta("skipped_ms")?)?;
        let solid_id = block_of(&store, solid)?.id;
        let mut chain = Self {
            config,
            store,
            keys,
            genesis,
            head,
            solid,
            solid_id,
            open: None,
            now_ms,
            skipped_ms,
            thrown_ms: 0,
            faucet_ms: now_ms,
        };
        if chain.head.number == 0 {
            chain.deploy()?;
        }
        Ok(chain)
    }

    /// Makes block 1, which counts as final at once.
    fn deploy(&mut self) -> Result<(), ChainError> {
        let first_ms = self.head.timestamp_ms;
        let Deployments { transactions, btt, vault } =
            genesis::deployments(&self.keys, self.genesis.id, first_ms)?;
        self.store.set_meta("btt", btt.bytes())?;
        self.store.set_meta("vault", vault.bytes())?;
        for transaction in transactions {
            self.broadcast(&transaction, first_ms)
                .map_err(|_refused| ChainError::Damaged("genesis transaction"))?;
        }
        self.solid = 1;
        self.mine(first_ms)?;
        for contract in [btt, vault] {
            if self.contract(contract)?.is_none() {
                return Err(ChainError::Damaged("genesis contract"));
            }
        }
        Ok(())
    }

    /// How it paces itself.
    pub fn config(&self) -> Config {
        self.config
    }

    /// What it began with.
    pub fn genesis(&self) -> Genesis {
        self.genesis
    }

    /// Tells what time it is. Everything that takes a time does so too.
    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// The chain's own time: the latest that was told, and what was skipped.
    pub fn clock_ms(&self) -> u64 {
        self.now_ms.saturating_add(self.skipped_ms)
    }

    /// How old the newest block is.
    pub(crate) fn idle_ms(&self) -> u64 {
        self.clock_ms().saturating_sub(self.head.timestamp_ms)
    }

    /// Takes an encoded, signed `Transaction` into the next block if it can be carried out.
    ///
    /// # Errors
    /// In java-tron's order, with its codes and words.
    pub fn broadcast(&mut self, bytes: &[u8], now_ms: u64) -> Result<TxId, Refused> {
        self.accept(Received::parse(bytes.to_vec())?, now_ms)
    }

    /// As [`Self::broadcast`], of what was parsed elsewhere.
    ///
    /// # Errors
    /// As [`Self::broadcast`].
    pub fn accept(&mut self, received: Received, now_ms: u64) -> Result<TxId, Refused> {
        self.tick(now_ms);
        if !self.has_room(&received) {
            return Err(refused(ResponseCode::ServerBusy, "Server busy."));
        }
        self.check_reference(&received)?;
        self.check_expiration(&received)?;
        if self.open.as_ref().is_some_and(|open| open.ids.contains(&received.id))
            || self.store.has_transaction(received.id)?
        {
            return Err(refused(ResponseCode::DupTransactionError, "Dup transaction."));
        }
        let surroundings = self.next_surroundings();
        let empty = Changes::default();
        let (surroundings, changes) = match &self.open {
            Some(open) => (open.surroundings, &open.changes),
            None => (surroundings, &empty),
        };
        let executed = execute::execute(&self.store, changes, &surroundings, &received)?;
        let id = received.id;
        self.include(surroundings, received, executed);
        Ok(id)
    }

    fn include(&mut self, surroundings: Surroundings, received: Received, executed: Executed) {
        let open = self.open.get_or_insert_with(|| Open::new(surroundings));
        open.logs += executed.receipt.logs.len();
        open.effect_bytes += executed.receipt.effect_bytes();
        open.ids.insert(received.id);
        open.bytes += received.bytes.len();
        open.changes.absorb(executed.changes);
        open.transactions.push(TransactionRow {
            bytes: received.bytes,
            receipt: executed.receipt,
            parties: executed.parties,
        });
    }

    /// Whether the block that is being filled can take this one too.
    pub(crate) fn has_room(&self, received: &Received) -> bool {
        self.open.as_ref().is_none_or(|open| {
            open.transactions.len() < BLOCK_TRANSACTIONS_MAX
                && open.bytes + received.bytes.len() <= BLOCK_BYTES_MAX
                && open.logs < BLOCK_LOGS_MAX
                && open.effect_bytes < BLOCK_EFFECT_BYTES_MAX
        })
    }

    /// The block that a transaction names must be on this chain.
    fn check_reference(&self, received: &Received) -> Result<(), Refused> {
        let tapos = || refused(ResponseCode::TaposError, "Tapos check error.");
        let low: [u8; 2] =
            received.raw.ref_block_bytes.as_slice().try_into().map_err(|_length| tapos())?;
        let back =
            (self.head.number & 0xffff).wrapping_sub(u16::from_be_bytes(low).into()) & 0xffff;
        let number = self.head.number.checked_sub(back).ok_or_else(tapos)?;
        let id = if number == self.head.number {
            self.head.id
        } else {
            self.store.block(number)?.ok_or_else(tapos)?.id
        };
        if received.raw.ref_block_hash == id.0[8..16] { Ok(()) } else { Err(tapos()) }
    }

    /// A chain that makes blocks on demand may not have made one for long: what a client takes for
    /// now may be the head's time or the clock's.
    fn check_expiration(&self, received: &Received) -> Result<(), Refused> {
        let head_ms = self.head.timestamp_ms;
        let latest = head_ms.max(self.clock_ms()).saturating_add(EXPIRATION_MS_MAX);
        let expiration = u64::try_from(received.raw.expiration).unwrap_or_default();
        if expiration <= head_ms || expiration > latest {
            return Err(refused(ResponseCode::TransactionExpirationError, "Transaction expired"));
        }
        Ok(())
    }

    /// What code in the next block sees around itself.
    fn next_surroundings(&self) -> Surroundings {
        let earliest = self.clock_ms().max(self.head.timestamp_ms.max(self.thrown_ms) + 1);
        let timestamp_ms = match self.config.block_time {
            BlockTime::OnDemand => earliest,
            BlockTime::Every(interval) => {
                let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
                earliest.div_ceil(interval_ms).saturating_mul(interval_ms)
            }
        };
        Surroundings {
            number: self.head.number + 1,
            timestamp_ms,
            witness: inner(self.genesis.witness),
            chain_id: self.genesis.chain_id,
        }
    }

    /// Makes a block of what waits; none if nothing does. When this returns, it is on the disk.
    ///
    /// # Errors
    /// The database failed: the block does not exist, and the transactions still wait.
    pub fn produce(&mut self, now_ms: u64) -> Result<Option<BlockId>, ChainError> {
        if self.open.is_none() {
            self.tick(now_ms);
            return Ok(None);
        }
        self.mine(now_ms).map(Some)
    }

    /// Makes a block of what waits, even if nothing does.
    ///
    /// # Errors
    /// As [`Self::produce`].
    pub fn mine(&mut self, now_ms: u64) -> Result<BlockId, ChainError> {
        self.tick(now_ms);
        let open = self.open.take().unwrap_or_else(|| Open::new(self.next_surroundings()));
        match self.seal(&open) {
            Ok(block) => {
                let id = block.id;
                self.head = block;
                Ok(id)
            }
            Err(error) => {
                self.open = Some(open);
                Err(error)
            }
        }
    }

    fn seal(&mut self, open: &Open) -> Result<BlockRow, ChainError> {
        let hashes = open
            .transactions
            .iter()
            .map(|one| {
                let outcome = one.receipt.result.in_block().number();
                keys::sha256(&header::with_outcome(&one.bytes, outcome))
            })
            .collect();
        let header = Header {
            number: open.surroundings.number,
            timestamp_ms: open.surroundings.timestamp_ms,
            parent: self.head.id,
            transactions_root: header::transactions_root(hashes),
            witness: self.genesis.witness,
        };
        let signature = self.keys.witness.sign(&header.digest()).to_bytes().to_vec();
        let energy = open.transactions.iter().map(|one| one.receipt.energy_usage_total).sum();
        let block = BlockRow {
            number: header.number,
            id: header.id(),
            timestamp_ms: header.timestamp_ms,
            transactions_root: header.transactions_root,
            signature,
            size_bytes: (open.bytes + header.encode().len()) as u64,
            energy_used: energy,
            burned: self.head.burned + open.changes.burned,
        };
        let delay = u64::from(self.config.solid_after_blocks);
        let solid = self.solid.max(block.number.saturating_sub(delay));
        self.store.commit_block(&block, &open.transactions, &open.changes, solid)?;
        self.solid_id =
            if solid == block.number { block.id } else { block_of(&self.store, solid)?.id };
        self.solid = solid;
        Ok(block)
    }

    /// Forgets what waits for a block: who sent it was told that it failed.
    pub(crate) fn forget_waiting(&mut self) {
        self.open = None;
    }

    /// Throws the newest `blocks` blocks away, as a reorganisation would; their transactions wait
    /// again if `put_back`. What waited before waits no more. Returns the new head.
    ///
    /// # Errors
    /// Final blocks stay: [`ChainError::RewindTooFar`], and nothing changed.
    pub fn rewind(&mut self, blocks: u64, put_back: bool) -> Result<BlockId, ChainError> {
        let unsolid = self.head.number.saturating_sub(self.solid);
        if blocks > unsolid {
            return Err(ChainError::RewindTooFar { blocks, unsolid });
        }
        let to = self.head.number - blocks;
        let mut again = self.store.bytes_after(to)?;
        let head = block_of(&self.store, to)?;
        self.store.rewind(to)?;
        if let Some(open) = self.open.take() {
            again.extend(open.transactions.into_iter().map(|one| one.bytes));
        }
        self.thrown_ms = self.thrown_ms.max(self.head.timestamp_ms);
        self.head = head;
        if put_back {
            for bytes in again {
                // Refused now: its reference block is gone, or somebody was faster.
                drop(self.broadcast(&bytes, self.now_ms));
            }
        }
        Ok(self.head.id)
    }

    /// Lets the chain's clock run ahead of the caller's by `ms` more from now on, for tests of delays.
    ///
    /// # Errors
    /// The database failed, or it would be more than [`SKIPPED_MS_MAX`] in all.
    pub fn skip_time(&mut self, ms: u64) -> Result<(), ChainError> {
        let skipped_ms = self.skipped_ms.saturating_add(ms);
        if skipped_ms > SKIPPED_MS_MAX {
            return Err(ChainError::SkipTooFar { skipped_ms, skipped_ms_max: SKIPPED_MS_MAX });
        }
        self.store.set_meta("skipped_ms", &skipped_ms.to_le_bytes())?;
        self.skipped_ms = skipped_ms;
        Ok(())
    }

    /// Transactions that wait for a block, oldest first.
    pub fn pending(&self) -> Vec<TxId> {
        let open = self.open.iter();
        open.flat_map(|open| open.transactions.iter().map(|one| one.receipt.id)).collect()
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
        self.tick(now_ms);
        let (action, fee_limit) = self.gift(to, token, amount)?;
        let clock_ms = self.clock_ms().max(self.head.timestamp_ms);
        self.faucet_ms = clock_ms.max(self.faucet_ms + 1);
        let terms = Terms {
            ref_block: self.head.id,
            expiration_ms: clock_ms.saturating_add(FAUCET_EXPIRATION_MS),
            timestamp_ms: self.faucet_ms,
            fee_limit,
        };
        let signed = Unsigned::build(self.genesis.faucet, &action, &terms)
            .and_then(|unsigned| unsigned.sign(&self.keys.faucet))
            .map_err(|error| refused(ResponseCode::OtherError, &error.to_string()))?;
        Ok(self.broadcast(&signed.to_bytes(), now_ms)?)
    }

    fn gift(
        &self,
        to: Address,
        token: Option<Address>,
        amount: u128,
    ) -> Result<(Action, Sun), FaucetError> {
        let Some(contract) = token else {
            let sun = u64::try_from(amount).ok().filter(|sun| (1..=FAUCET_SUN_MAX).contains(sun));
            let amount_max = FAUCET_SUN_MAX.into();
            let sun = sun.ok_or(FaucetError::Amount { amount, amount_max })?;
            return Ok((Action::Transfer { to, amount: Sun(sun) }, Sun(0)));
        };
        if contract != self.genesis.btt {
            return Err(FaucetError::Token(contract));
        }
        if !(1..=FAUCET_BTT_MAX).contains(&amount) {
            return Err(FaucetError::Amount { amount, amount_max: FAUCET_BTT_MAX });
        }
        let call = abi::Encoder::call("transfer(address,uint256)").address(to.bytes()).uint(amount);
        let action = Action::Trigger { contract, call_value: Sun(0), data: call.finish() };
        Ok((action, FAUCET_FEE_LIMIT))
    }
}

fn refused(code: ResponseCode, words: &str) -> Refused {
    Refused { code, message: words.to_owned() }
}

fn block_of(store: &Store, number: u64) -> Result<BlockRow, ChainError> {
    store.block(number)?.ok_or(ChainError::Damaged("block is missing"))
}

fn address_of(bytes: &[u8]) -> Result<Address, ChainError> {
    let bytes = bytes.try_into().map_err(|_length| ChainError::Damaged("address"))?;
    Ok(Address::new(bytes))
}

fn number_of(bytes: Option<Vec<u8>>) -> Result<u64, ChainError> {
    let Some(bytes) = bytes else { return Ok(0) };
    let bytes = bytes.try_into().map_err(|_length| ChainError::Damaged("number"))?;
    Ok(u64::from_le_bytes(bytes))
}
