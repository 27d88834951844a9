//! One transaction: checked, paid for, carried out.
//!
//! Source: java-tron `Manager.processTransaction`, `BandwidthProcessor`, `VMActuator`,
//! `TransferActuator`, `ReceiptCapsule`: order, prices and words. Nobody stakes here, so energy is
//! always paid in TRX, and bandwidth beyond the free allowance.
//!
//! Invariant: what a transaction takes from balances it gives to others or burns.

use ledger::{Address, Sun};
use revm::bytecode::Bytecode;
use revm::primitives::{Bytes, KECCAK_EMPTY};
use wire::tron::{CreateSmartContract, SmartContract, TriggerSmartContract};

use crate::layers::{Layers, inner, outer, word_of};
use crate::receipt::{ContractResult, Log, Receipt};
use crate::received::{Body, Received, invalid};
use crate::refusal::{ChainError, Refused, ResponseCode};
use crate::rows::{AccountRow, Changes};
use crate::store::{At, Store};
use crate::tvm::{self, ENERGY_PRICE_SUN, Entry, Ran, Run, Surroundings};

/// Free bandwidth per account and day, in bytes (`getFreeNetLimit`).
pub const FREE_NET_BYTES: u64 = 600;
/// Sun per byte beyond (`getTransactionFee`).
pub const BANDWIDTH_PRICE_SUN: u64 = 1_000;
/// Bandwidth of a transfer that makes an account (`getCreateAccountFee`).
pub const CREATE_ACCOUNT_FEE_SUN: u64 = 100_000;
/// For the account itself (`getCreateNewAccountFeeInSystemContract`).
pub const NEW_ACCOUNT_FEE_SUN: u64 = 1_000_000;
/// For a memo (`getMemoFee`).
pub const MEMO_FEE_SUN: u64 = 1_000_000;
/// The highest fee limit (`getMaxFeeLimit`).
pub const FEE_LIMIT_MAX_SUN: i64 = 15_000_000_000;

/// Over what time free bandwidth comes back.
const NET_WINDOW_MS: u64 = 24 * 60 * 60 * 1_000;

/// Bytes of a contract's name.
const NAME_BYTES_MAX: usize = 32;

/// What a transaction did.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) receipt: Receipt,
    pub(crate) changes: Changes,
    pub(crate) parties: Vec<Address>,
}

/// A transaction while it is carried out.
struct Work<'a> {
    store: &'a Store,
    block: &'a Changes,
    surroundings: &'a Surroundings,
    received: &'a Received,
    changes: Changes,
    receipt: Receipt,
}

/// Carries `received` out over the state of the block so far, which it does not change.
pub(crate) fn execute(
    store: &Store,
    block: &Changes,
    surroundings: &Surroundings,
    received: &Received,
) -> Result<Executed, Refused> {
    let mut work = Work {
        store,
        block,
        surroundings,
        received,
        changes: Changes::default(),
        receipt: blank(received, surroundings),
    };
    work.pay_bandwidth()?;
    work.pay_memo()?;
    match &received.body {
        Body::Transfer { to, amount } => work.transfer(*to, *amount)?,
        Body::Trigger { contract, call } => work.trigger(*contract, call)?,
        Body::Create(create) => work.create(create)?,
    }
    let mut parties = vec![received.owner];
    match &received.body {
        Body::Transfer { to, .. } => parties.push(*to),
        Body::Trigger { contract, .. } => parties.push(*contract),
        Body::Create(_) => parties.extend(work.receipt.contract),
    }
    parties.dedup();
    Ok(Executed { receipt: work.receipt, changes: work.changes, parties })
}

fn blank(received: &Received, surroundings: &Surroundings) -> Receipt {
    Receipt {
        id: received.id,
        block_number: surroundings.number,
        block_timestamp_ms: surroundings.timestamp_ms,
        fee: Sun(0),
        output: Vec::new(),
        contract: None,
        energy_usage_total: 0,
        energy_fee: Sun(0),
        net_usage: 0,
        net_fee: Sun(0),
        result: ContractResult::Default,
        message: String::new(),
        logs: Vec::new(),
        internal: Vec::new(),
    }
}

/// Free bandwidth in use at `now_ms`: it comes back evenly over a day.
pub(crate) fn net_used_at(row: &AccountRow, now_ms: u64) -> u64 {
    let passed = now_ms.saturating_sub(row.net_at_ms).min(NET_WINDOW_MS);
    let rest = u128::from(row.net_used) * u128::from(NET_WINDOW_MS - passed);
    u64::try_from(rest.div_ceil(NET_WINDOW_MS.into())).unwrap_or(u64::MAX)
}

fn no_resources() -> Refused {
    Refused {
        code: ResponseCode::BandwidthError,
        message: "Account resource insufficient error.".to_owned(),
    }
}

impl Work<'_> {
    fn layers(&self) -> Layers<'_> {
        Layers { store: self.store, at: At::Head, over: [Some(self.block), Some(&self.changes)] }
    }

    fn account(&self, address: Address) -> Result<Option<AccountRow>, ChainError> {
        self.layers().account(inner(address))
    }

    fn put(&mut self, address: Address, row: AccountRow) {
        self.changes.accounts.insert(inner(address), Some(row));
    }

    /// Burns `fee` out of the owner's balance; whether there was enough.
    fn burn(&mut self, fee: u64) -> Result<bool, Refused> {
        let owner = self.received.owner;
        let Some(mut row) = self.account(owner)? else { return Ok(false) };
        let Some(rest) = row.balance.checked_sub(fee) else { return Ok(false) };
        row.balance = rest;
        self.put(owner, row);
        self.changes.burned += fee;
        self.receipt.fee.0 += fee;
        Ok(true)
    }

    fn pay_bandwidth(&mut self) -> Result<(), Refused> {
        let owner = self.received.owner;
        let Some(mut row) = self.account(owner)? else {
            return Err(invalid(&format!("account [{owner}] does not exist")));
        };
        let now_ms = self.surroundings.timestamp_ms;
        row.latest_operation_ms = now_ms;
        let makes_account = match &self.received.body {
            Body::Transfer { to, .. } => self.account(*to)?.is_none(),
            Body::Trigger { .. } | Body::Create(_) => false,
        };
        let bytes = self.received.bandwidth_bytes();
        let used = net_used_at(&row, now_ms);
        if !makes_account && used + bytes <= FREE_NET_BYTES {
            row.net_used = used + bytes;
            row.net_at_ms = now_ms;
            self.put(owner, row);
            self.receipt.net_usage = bytes;
            return Ok(());
        }
        self.put(owner, row);
        let fee = if makes_account { CREATE_ACCOUNT_FEE_SUN } else { bytes * BANDWIDTH_PRICE_SUN };
        if !self.burn(fee)? {
            return Err(no_resources());
        }
        self.receipt.net_fee = Sun(fee);
        Ok(())
    }

    fn pay_memo(&mut self) -> Result<(), Refused> {
        if !self.received.raw.data.is_empty() && !self.burn(MEMO_FEE_SUN)? {
            return Err(no_resources());
        }
        Ok(())
    }

    fn transfer(&mut self, to: Address, amount: i64) -> Result<(), Refused> {
        let owner = self.received.owner;
        if to == owner {
            return Err(invalid("Cannot transfer TRX to yourself."));
        }
        let Some(owner_row) = self.account(owner)? else {
            return Err(invalid("Validate TransferContract error, no OwnerAccount."));
        };
        let Some(amount) = u64::try_from(amount).ok().filter(|amount| *amount > 0) else {
            return Err(invalid("Amount must be greater than 0."));
        };
        let to_row = self.account(to)?;
        if to_row.is_some_and(|row| row.is_contract) {
            return Err(invalid(
                "Cannot transfer TRX to a smartContract which version is one. \
                 Instead please use TriggerSmartContract ",
            ));
        }
        let fee = if to_row.is_none() { NEW_ACCOUNT_FEE_SUN } else { 0 };
        let needed = amount.checked_add(fee).ok_or_else(|| invalid("long overflow"))?;
        if owner_row.balance < needed {
            return Err(invalid("Validate TransferContract error, balance is not sufficient."));
        }
        if !self.burn(fee)? {
            return Err(invalid("Validate TransferContract error, balance is not sufficient."));
        }
        let mut owner_row = self.account(owner)?.unwrap_or(owner_row);
        owner_row.balance -= amount;
        self.put(owner, owner_row);
        let mut to_row = to_row.unwrap_or_else(|| AccountRow::new(self.surroundings.timestamp_ms));
        to_row.balance = add(to_row.balance, amount)?;
        self.put(to, to_row);
        Ok(())
    }

    /// Energy that balance and fee limit allow.
    fn energy_max(&self, value: u64) -> Result<u64, Refused> {
        let fee_limit = self.received.raw.fee_limit;
        if !(0..=FEE_LIMIT_MAX_SUN).contains(&fee_limit) {
            return Err(invalid(&format!("feeLimit must be >= 0 and <= {FEE_LIMIT_MAX_SUN}")));
        }
        let balance = self.account(self.received.owner)?.map_or(0, |row| row.balance);
        let by_balance = balance.saturating_sub(value) / ENERGY_PRICE_SUN;
        let by_limit = u64::try_from(fee_limit).unwrap_or_default() / ENERGY_PRICE_SUN;
        if balance < value {
            return Err(invalid("Validate InternalTransfer error, balance is not sufficient."));
        }
        Ok(by_balance.min(by_limit))
    }

    fn trigger(&mut self, contract: Address, call: &TriggerSmartContract) -> Result<(), Refused> {
        let found = self.layers().contract(inner(contract))?;
        if found.is_none() {
            return Err(invalid("No contract or not a smart contract"));
        }
        let value = value_of(call.call_value, call.call_token_value, call.token_id)?;
        let entry =
            Entry::Call { contract: inner(contract), data: Bytes::copy_from_slice(&call.data) };
        let ran = self.run(entry, value)?;
        self.receipt.contract = Some(contract);
        self.settle(ran)
    }

    fn create(&mut self, create: &CreateSmartContract) -> Result<(), Refused> {
        let owner = self.received.owner;
        let Some(new) = &create.new_contract else {
            return Err(invalid("Cannot get CreateSmartContract from transaction"));
        };
        if new.origin_address != owner.prefixed() {
            return Err(invalid("OwnerAddress is not equals OriginAddress"));
        }
        if new.name.len() > NAME_BYTES_MAX {
            return Err(invalid("contractName's length cannot be greater than 32"));
        }
        if !(0..=100).contains(&new.consume_user_resource_percent) {
            return Err(invalid("percent must be >= 0 and <= 100"));
        }
        let value = value_of(new.call_value, create.call_token_value, create.token_id)?;
        if new.origin_energy_limit <= 0 {
            return Err(invalid("The originEnergyLimit must be > 0"));
        }
        let address = ledger::transaction::deployed_at(self.received.id, owner);
        if self.account(address)?.is_some() {
            return Err(invalid(&format!(
                "Trying to create a contract with existing contract address: {address}"
            )));
        }
        let code = Bytes::copy_from_slice(&new.bytecode);
        let ran = self.run(Entry::Create { address: inner(address), code }, value)?;
        if ran.result == ContractResult::Success {
            let contract = SmartContract {
                contract_address: address.prefixed().to_vec(),
                trx_hash: self.received.id.0.to_vec(),
                version: 1,
                ..new.clone()
            };
            self.changes.contracts.insert(inner(address), Some(contract));
        }
        self.receipt.contract = Some(address);
        self.settle(ran)
    }

    fn run(&self, entry: Entry, value: u64) -> Result<Ran, Refused> {
        let run = Run {
            owner: inner(self.received.owner),
            value,
            energy_max: self.energy_max(value)?,
            work_max: None,
            entry,
            transaction: word_of(self.received.id),
        };
        Ok(tvm::run(self.layers(), self.surroundings, run)?)
    }

    /// Takes over what a run did, and has the owner pay for its energy.
    fn settle(&mut self, ran: Ran) -> Result<(), Refused> {
        let now_ms = self.surroundings.timestamp_ms;
        let (store, block) = (self.store, self.block);
        self.changes.take_run(ran.changes, now_ms, |changes, address| {
            Layers { store, at: At::Head, over: [Some(block), Some(changes)] }.account(address)
        })?;
        for (address, creator) in ran.created {
            let is_there =
                matches!(self.changes.accounts.get(&address), Some(Some(row)) if row.is_contract);
            if is_there && !self.changes.contracts.contains_key(&address) {
                let contract = made_by_contract(outer(address), outer(creator), self.received);
                self.changes.contracts.insert(address, Some(contract));
            }
        }
        let energy_fee = ran.energy_used * ENERGY_PRICE_SUN;
        if !self.burn(energy_fee)? {
            return Err(Refused {
                code: ResponseCode::OtherError,
                message: format!("Error: {} insufficient balance", self.received.owner),
            });
        }
        self.receipt.energy_usage_total = ran.energy_used;
        self.receipt.energy_fee = Sun(energy_fee);
        self.receipt.result = ran.result;
        self.receipt.message = ran.message;
        self.receipt.output = ran.output.to_vec();
        self.receipt.internal = ran.internal;
        self.receipt.logs = ran.logs.into_iter().map(log_of).collect();
        Ok(())
    }
}

/// An event as everybody else has it.
pub(crate) fn log_of(log: revm::primitives::Log) -> Log {
    let (topics, data) = log.data.split();
    Log {
        address: outer(log.address),
        topics: topics.into_iter().map(|topic| topic.0).collect(),
        data: data.to_vec(),
    }
}

fn made_by_contract(address: Address, creator: Address, received: &Received) -> SmartContract {
    SmartContract {
        origin_address: creator.prefixed().to_vec(),
        contract_address: address.prefixed().to_vec(),
        consume_user_resource_percent: 100,
        trx_hash: received.id.0.to_vec(),
        version: 1,
        ..SmartContract::default()
    }
}

fn value_of(call_value: i64, token_value: i64, token_id: i64) -> Result<u64, Refused> {
    let value = u64::try_from(call_value).map_err(|_negative| invalid("callValue must be >= 0"))?;
    if token_value < 0 {
        return Err(invalid("tokenValue must be >= 0"));
    }
    if token_value > 0 || token_id != 0 {
        return Err(invalid("this development chain has no TRC-10 tokens"));
    }
    Ok(value)
}

fn add(balance: u64, amount: u64) -> Result<u64, Refused> {
    balance
        .checked_add(amount)
        .filter(|sum| i64::try_from(*sum).is_ok())
        .ok_or_else(|| invalid("long overflow"))
}

impl From<ChainError> for Refused {
    fn from(error: ChainError) -> Self {
        Self { code: ResponseCode::OtherError, message: format!("Error: {error}") }
    }
}

/// The code that an account has; empty for those of people.
pub(crate) fn code_of(layers: &Layers<'_>, row: &AccountRow) -> Result<Bytecode, ChainError> {
    if row.code_hash == KECCAK_EMPTY { Ok(Bytecode::default()) } else { layers.code(row.code_hash) }
}
