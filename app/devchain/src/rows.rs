//! Accounts and contracts as they are kept, and changes to them that are not kept yet.
//!
//! Source: own. An account exists if it has a row, also with a balance of zero, as on TRON.

use std::collections::BTreeMap;

use revm::bytecode::Bytecode;
use revm::primitives::{Address, B256, KECCAK_EMPTY, U256};
use revm::state::{Account as EvmAccount, EvmState};
use wire::tron::SmartContract;

use crate::refusal::ChainError;

/// Bytes of an encoded account.
const ACCOUNT_BYTES: usize = 8 * 5 + 1 + 32;

/// An account as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccountRow {
    /// Sun.
    pub(crate) balance: u64,
    pub(crate) created_ms: u64,
    pub(crate) latest_operation_ms: u64,
    /// Free bandwidth in use as of `net_at_ms`.
    pub(crate) net_used: u64,
    pub(crate) net_at_ms: u64,
    pub(crate) is_contract: bool,
    pub(crate) code_hash: B256,
}

impl AccountRow {
    /// A new account with nothing.
    pub(crate) fn new(created_ms: u64) -> Self {
        Self {
            balance: 0,
            created_ms,
            latest_operation_ms: 0,
            net_used: 0,
            net_at_ms: 0,
            is_contract: false,
            code_hash: KECCAK_EMPTY,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ACCOUNT_BYTES);
        for number in
            [self.balance, self.created_ms, self.latest_operation_ms, self.net_used, self.net_at_ms]
        {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(self.is_contract.into());
        bytes.extend_from_slice(self.code_hash.as_slice());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let (numbers, rest) = bytes.split_at_checked(40).ok_or(ChainError::Damaged("account"))?;
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        let mut number = || numbers.next().ok_or(ChainError::Damaged("account"));
        let [is_contract, code_hash @ ..] = rest else {
            return Err(ChainError::Damaged("account"));
        };
        let code_hash: [u8; 32] =
            code_hash.try_into().map_err(|_length| ChainError::Damaged("account"))?;
        Ok(Self {
            balance: number()?,
            created_ms: number()?,
            latest_operation_ms: number()?,
            net_used: number()?,
            net_at_ms: number()?,
            is_contract: *is_contract != 0,
            code_hash: code_hash.into(),
        })
    }
}

/// What differs from the state below.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// None: there is no such account any more.
    pub(crate) accounts: BTreeMap<Address, Option<AccountRow>>,
    pub(crate) storage: BTreeMap<(Address, U256), U256>,
    pub(crate) codes: BTreeMap<B256, Bytecode>,
    /// None: there is no such contract any more.
    pub(crate) contracts: BTreeMap<Address, Option<SmartContract>>,
    /// Sun burned.
    pub(crate) burned: u64,
}

impl Changes {
    /// Lays `later` over these.
    pub(crate) fn absorb(&mut self, later: Self) {
        self.accounts.extend(later.accounts);
        self.storage.extend(later.storage);
        self.codes.extend(later.codes);
        self.contracts.extend(later.contracts);
        self.burned += later.burned;
    }

    /// Takes over what a run left behind. `before` gives an account as it was.
    ///
    /// # Errors
    /// The database failed, or the run made money out of nothing.
    pub(crate) fn take_run(
        &mut self,
        state: EvmState,
        now_ms: u64,
        before: impl Fn(&Self, Address) -> Result<Option<AccountRow>, ChainError>,
    ) -> Result<(), ChainError> {
        let mut touched: Vec<_> =
            state.into_iter().filter(|(_, account)| account.is_touched()).collect();
        touched.sort_unstable_by_key(|(address, _)| *address);
        let (mut sum_before, mut sum_after) = (0_u128, 0_u128);
        for (address, account) in touched {
            let old = before(self, address)?;
            sum_before += old.map_or(0, |row| u128::from(row.balance));
            if account.is_selfdestructed() {
                self.accounts.insert(address, None);
                self.contracts.insert(address, None);
                continue;
            }
            let balance = u64::try_from(account.info.balance)
                .map_err(|_large| ChainError::Damaged("balance above 64 bits"))?;
            sum_after += u128::from(balance);
            self.take_account(address, old, balance, now_ms, account);
        }
        // A contract that destroys itself in favour of itself burns what it has.
        let burned = sum_before
            .checked_sub(sum_after)
            .and_then(|burned| u64::try_from(burned).ok())
            .ok_or(ChainError::Damaged("a run made money out of nothing"))?;
        self.burned += burned;
        Ok(())
    }

    fn take_account(
        &mut self,
        address: Address,
        old: Option<AccountRow>,
        balance: u64,
        now_ms: u64,
        account: EvmAccount,
    ) {
        let is_nothing = balance == 0 && account.info.code_hash == KECCAK_EMPTY;
        if old.is_none() && is_nothing && !account.is_created() {
            return;
        }
        let mut row = old.unwrap_or_else(|| AccountRow::new(now_ms));
        row.balance = balance;
        if account.is_created() {
            row.is_contract = true;
            row.code_hash = account.info.code_hash;
            if let Some(code) = account.info.code {
                self.codes.insert(row.code_hash, code);
            }
        }
        self.accounts.insert(address, Some(row));
        let changed = account.storage.into_iter().filter(|(_, value)| value.is_changed());
        self.storage.extend(changed.map(|(slot, value)| ((address, slot), value.present_value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_as_they_were_written() {
        let row = AccountRow {
            balance: 1,
            created_ms: 2,
            latest_operation_ms: 3,
            net_used: 4,
            net_at_ms: 5,
            is_contract: true,
            code_hash: B256::repeat_byte(6),
        };
        assert_eq!(AccountRow::decode(&row.encode()), Ok(row));
        assert_eq!(AccountRow::decode(&row.encode()[1..]), Err(ChainError::Damaged("account")));
    }
}
