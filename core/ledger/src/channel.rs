//! Payment channels of the Vault as state machines: what a payer may sign, and what a payee may
//! count.
//!
//! Source: `contracts/Vault.sol`. A claim is the cumulative amount of a voucher and the amounts of the
//! conditions whose scalars are shown; the contract pays what of it exceeds `redeemed`, as far as
//! `locked` goes. `redeemed` never falls, not even when a channel ends: a voucher that was not
//! claimed can be claimed out of a later lock. Hence both sides count up from the first day of a
//! channel, and the *cover* `redeemed + locked` is the highest claim that is ever paid in full.
//!
//! [`Payer`] and [`Payee`] are fed with [`View`]s of solid blocks only. A voucher is stored durably
//! before it leaves ([`Payer`]) or before it counts ([`Payee`]). Keys are arguments: a machine holds
//! no secret.

mod payee;
mod payer;
#[cfg(test)]
mod tests;

use crate::amount::Amount;
use crate::voucher::ChainTime;

pub use payee::{
    Claim, Payee, PayeeOutput, PayeeRecord, PayeeState, PayeeTerms, ReleaseRefusal, VoucherRefusal,
};
pub use payer::{PayRefusal, Payer, PayerOutput, PayerState};

/// What the contract says of a channel, as of a solid block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What is locked for the payee.
    pub locked: Amount,
    /// What was paid out to him, ever.
    pub redeemed: Amount,
    /// How long an unlock is announced before it happens.
    pub delay_s: u64,
    /// When the rest may be taken back, if that is announced.
    pub unlock_at: Option<ChainTime>,
    /// How often something was locked where nothing was. Consent to an end is for one round.
    pub round: u64,
    /// The time of the block.
    pub at: ChainTime,
}

/// What a node says of a channel can't be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// An older block than one that was solid.
    #[error("the chain was at {} before, and is said to be at {} now", known.0, told.0)]
    TimeWentBack {
        /// The time that we know of.
        known: ChainTime,
        /// The time that we are told.
        told: ChainTime,
    },
    /// Less redeemed than there was.
    #[error("{known} were redeemed before, and {told} are said to be now")]
    RedeemedWentBack {
        /// What we know of.
        known: Amount,
        /// What we are told.
        told: Amount,
    },
    /// An earlier round than there was.
    #[error("the channel was in round {known} before, and is said to be in round {told} now")]
    RoundWentBack {
        /// The round that we know of.
        known: u64,
        /// The round that we are told.
        told: u64,
    },
    /// The sums exceed any balance.
    #[error("{locked} locked and {redeemed} redeemed exceed any balance")]
    Overflow {
        /// What is said to be locked.
        locked: Amount,
        /// What is said to be redeemed.
        redeemed: Amount,
    },
    /// More was redeemed than we have ever signed: the node lies, or somebody else has the key.
    #[error("{redeemed} were redeemed, but only {signed} were ever signed")]
    MoreThanSigned {
        /// What is said to be redeemed.
        redeemed: Amount,
        /// The highest claim of our vouchers.
        signed: Amount,
    },
}

impl View {
    /// The highest claim that is paid in full.
    ///
    /// A view that was taken over has one: [`View::follows`] refuses sums beyond any balance.
    pub fn cover(&self) -> Amount {
        self.redeemed.plus(self.locked).unwrap_or(Amount::MAX)
    }

    /// Whether it may come after `known`.
    fn follows(&self, known: &Self) -> Result<(), ViewError> {
        if self.at < known.at {
            return Err(ViewError::TimeWentBack { known: known.at, told: self.at });
        }
        if self.redeemed < known.redeemed {
            let (known, told) = (known.redeemed, self.redeemed);
            return Err(ViewError::RedeemedWentBack { known, told });
        }
        if self.round < known.round {
            return Err(ViewError::RoundWentBack { known: known.round, told: self.round });
        }
        if self.redeemed.plus(self.locked).is_err() {
            let Self { locked, redeemed, .. } = *self;
            return Err(ViewError::Overflow { locked, redeemed });
        }
        Ok(())
    }
}
