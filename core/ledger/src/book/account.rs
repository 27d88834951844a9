//! Where money is, or where it came from and went.

use core::fmt;
use core::str::FromStr;

use wire::{hex, unhex};

use crate::address::Address;
use crate::network::Coin;
use crate::parties::{AccountId, ChannelId};

/// An account of the book. The first four are of things on a chain, and agree with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What an address of ours has.
    Wallet(Address),
    /// What is free in an account of ours in the Vault.
    VaultFree(AccountId),
    /// What we have locked for a payee.
    VaultLocked(ChannelId),
    /// What the world outside has sent or got.
    External(Address),
    /// What we have vouchered and was not redeemed.
    OwedByUs(ChannelId),
    /// What was vouchered to us and was not redeemed.
    OwedToUs(ChannelId),
    /// What the chain took for its work.
    Fees,
    /// What vouchers of ours paid for.
    Spent,
    /// What vouchers to us paid for.
    Earned,
    /// What was there when the book was opened.
    Opening,
}

/// A text from the database means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text means no account, coin or cause")]
pub struct TextError;

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(address) => write!(f, "wallet:{address}"),
            Self::VaultFree(account) => write!(f, "vault-free:{account}"),
            Self::VaultLocked(channel) => write!(f, "vault-locked:{channel}"),
            Self::External(address) => write!(f, "external:{address}"),
            Self::OwedByUs(channel) => write!(f, "owed-by-us:{channel}"),
            Self::OwedToUs(channel) => write!(f, "owed-to-us:{channel}"),
            Self::Fees => f.write_str("fees"),
            Self::Spent => f.write_str("spent"),
            Self::Earned => f.write_str("earned"),
            Self::Opening => f.write_str("opening"),
        }
    }
}

impl FromStr for Account {
    type Err = TextError;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let Some((kind, of)) = text.split_once(':') else {
            return match text {
                "fees" => Ok(Self::Fees),
                "spent" => Ok(Self::Spent),
                "earned" => Ok(Self::Earned),
                "opening" => Ok(Self::Opening),
                _ => Err(TextError),
            };
        };
        let address = || of.parse().map_err(|_error| TextError);
        let digest = || unhex(of).ok_or(TextError);
        match kind {
            "wallet" => Ok(Self::Wallet(address()?)),
            "external" => Ok(Self::External(address()?)),
            "vault-free" => Ok(Self::VaultFree(AccountId(digest()?))),
            "vault-locked" => Ok(Self::VaultLocked(ChannelId(digest()?))),
            "owed-by-us" => Ok(Self::OwedByUs(ChannelId(digest()?))),
            "owed-to-us" => Ok(Self::OwedToUs(ChannelId(digest()?))),
            _ => Err(TextError),
        }
    }
}

/// A coin as the database and exports name it: `native`, or the token's address in hexadecimal.
pub fn coin_text(coin: Coin) -> String {
    match coin {
        Coin::Native => "native".to_owned(),
        Coin::Token(contract) => hex(contract.bytes()),
    }
}

/// The coin that [`coin_text`] named so.
pub fn coin_of_text(text: &str) -> Result<Coin, TextError> {
    match text {
        "native" => Ok(Coin::Native),
        digits => unhex(digits).map(|bytes| Coin::Token(Address::new(bytes))).ok_or(TextError),
    }
}
