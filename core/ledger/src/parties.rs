//! Who deals with whom in the Vault, and the names that follow from it.
//!
//! Source: `contracts/Vault.sol`. An account is the money of one owner that one signer may promise; a
//! channel is what of it is locked for one payee. Both names are digests, so that neither can be
//! occupied by somebody else.

use core::fmt;

use keys::keccak256;
use wire::abi::Encoder;

use crate::address::Address;

/// The name of an account in the Vault: `keccak256(abi.encode(owner, signer))`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub [u8; 32]);

/// The name of a channel in the Vault: `keccak256(abi.encode(account, payee))`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 32]);

/// The three addresses that make a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parties {
    /// Whose money it is; what is not paid out goes back there.
    pub owner: Address,
    /// Whose key signs the vouchers.
    pub signer: Address,
    /// Who is paid.
    pub payee: Address,
}

impl AccountId {
    /// The account of `owner` that `signer` may spend from.
    pub fn of(owner: &Address, signer: &Address) -> Self {
        Self(keccak256(&Encoder::new().address(owner.bytes()).address(signer.bytes()).finish()))
    }
}

impl ChannelId {
    /// The channel from `account` to `payee`.
    pub fn of(account: &AccountId, payee: &Address) -> Self {
        Self(keccak256(&Encoder::new().word(account.0).address(payee.bytes()).finish()))
    }
}

impl Parties {
    /// The account that pays.
    pub fn account(&self) -> AccountId {
        AccountId::of(&self.owner, &self.signer)
    }

    /// The channel between them.
    pub fn channel(&self) -> ChannelId {
        ChannelId::of(&self.account(), &self.payee)
    }
}

macro_rules! shown_as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

shown_as_hex!(AccountId);
shown_as_hex!(ChannelId);
