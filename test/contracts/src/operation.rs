//! Calls of the Vault as values.

use alloy_dyn_abi::DynSolValue;
use revm::primitives::{Address, U256};

use crate::artifact::Artifact;
use crate::statement::Condition;

/// One voucher in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose account.
    pub owner: Address,
    /// Who signed.
    pub signer: Address,
    /// Who is paid. `redeemFor` does not send it: there it is one for all.
    pub payee: Address,
    /// How much in all.
    pub cumulative: U256,
    /// The signature.
    pub voucher: Vec<u8>,
}

/// One call. Fields are the arguments of the function of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "arguments are explained in contracts/src/Vault.sol")]
pub enum Operation {
    Deposit { owner: Address, signer: Address, amount: U256 },
    Withdraw { signer: Address, amount: U256 },
    Lock { signer: Address, payee: Address, amount: U256, delay: u64 },
    AnnounceUnlock { signer: Address, payee: Address },
    Unlock { owner: Address, signer: Address, payee: Address },
    Close { entry: Entry, release: Vec<u8> },
    Redeem { entries: Vec<Entry> },
    RedeemFor { mandate: Mandate, entries: Vec<Entry> },
    RedeemConditional { entry: Entry, conditions: Vec<Condition>, scalars: Vec<U256> },
}

/// Leave to redeem for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mandate {
    /// Who gave it.
    pub payee: Address,
    /// Who may use it; zero: anyone.
    pub tower: Address,
    /// What it keeps, in ten-thousandths.
    pub share: u16,
    /// The last second at which it holds.
    pub until: u64,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Operation {
    /// The data of the call.
    #[must_use]
    pub fn encode(&self, vault: &Artifact) -> Vec<u8> {
        match self {
            Self::Deposit { owner, signer, amount } => {
                vault.call("deposit", &[(*owner).into(), (*signer).into(), (*amount).into()])
            }
            Self::Withdraw { signer, amount } => {
                vault.call("withdraw", &[(*signer).into(), (*amount).into()])
            }
            Self::Lock { signer, payee, amount, delay } => vault.call(
                "lock",
                &[(*signer).into(), (*payee).into(), (*amount).into(), (*delay).into()],
            ),
            Self::AnnounceUnlock { signer, payee } => {
                vault.call("announceUnlock", &[(*signer).into(), (*payee).into()])
            }
            Self::Unlock { owner, signer, payee } => {
                vault.call("unlock", &[(*owner).into(), (*signer).into(), (*payee).into()])
            }
            Self::Close { entry, release } => {
                let last = [entry.voucher.clone().into(), release.clone().into()];
                vault.call("close", &[entry.head(), last.to_vec()].concat())
            }
            Self::Redeem { entries } => vault.call(
                "redeem",
                &[
                    list(entries, |entry| entry.owner),
                    list(entries, |entry| entry.signer),
                    list(entries, |entry| entry.payee),
                    list(entries, |entry| entry.cumulative),
                    list(entries, |entry| entry.voucher.clone()),
                ],
            ),
            Self::RedeemFor { mandate, entries } => vault.call(
                "redeemFor",
                &[
                    mandate.payee.into(),
                    mandate.tower.into(),
                    mandate.share.into(),
                    mandate.until.into(),
                    mandate.signature.clone().into(),
                    list(entries, |entry| entry.owner),
                    list(entries, |entry| entry.signer),
                    list(entries, |entry| entry.cumulative),
                    list(entries, |entry| entry.voucher.clone()),
                ],
            ),
            Self::RedeemConditional { entry, conditions, scalars } => {
                let rest = [
                    list(conditions, |condition| condition.amount),
                    list(conditions, |condition| condition.lock),
                    list(conditions, |condition| condition.expiry),
                    entry.voucher.clone().into(),
                    list(scalars, |scalar| *scalar),
                ];
                vault.call("redeemConditional", &[entry.head(), rest.to_vec()].concat())
            }
        }
    }
}

impl Entry {
    /// What both functions for a single voucher begin with.
    fn head(&self) -> Vec<DynSolValue> {
        vec![self.owner.into(), self.signer.into(), self.payee.into(), self.cumulative.into()]
    }
}

/// A column of a table, as an array of the ABI.
pub fn list<Row, Cell: Into<DynSolValue>>(
    rows: &[Row],
    cell: impl Fn(&Row) -> Cell,
) -> DynSolValue {
    DynSolValue::Array(rows.iter().map(|row| cell(row).into()).collect())
}
