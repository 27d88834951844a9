//! Networks that money lives on, and its coins there.
//!
//! Source: `docs/wallet.md`; ids and addresses of TRON's and BTTC's documentation. Play money is
//! never shown without saying so.

use core::fmt;

use crate::address::Address;
use crate::transaction::BlockId;

/// How one talks to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A full node of TRON, by HTTP.
    Tron,
    /// A node like Ethereum's, by JSON-RPC.
    Evm,
}

/// Whether its money can be sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Made by whoever wants it.
    Play,
    /// Bought and sold.
    Real,
}

/// A kind of money on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coin {
    /// What fees are paid in: TRX on TRON (6 digits), BTT on BTTC (18).
    Native,
    /// A token's contract (TRC-20, ERC-20).
    Token(Address),
}

/// What is known of a network before it was asked anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `local`, `nile`, `shasta`, `mainnet`, `bttc`, or a user's own.
    pub name: String,
    /// How one talks to it.
    pub kind: Kind,
    /// Whether its money is real.
    pub worth: Worth,
    /// Base URLs of nodes, in order of preference.
    pub endpoints: Vec<String>,
    /// What signatures are bound to; `None`: whatever the node's first block says (`local`).
    pub chain_id: Option<u64>,
    /// The first block's id; `None`: not known beforehand.
    pub genesis: Option<BlockId>,
    /// The token BTT; `None`: it is the native coin, or unknown.
    pub btt: Option<Address>,
    /// Our Vault for BTT; `None`: not deployed there, or unknown.
    pub vault: Option<Address>,
    /// Blocks after which an EVM network's block counts as final.
    pub confirmations: u32,
}

/// The networks that we know, the default first.
#[must_use]
pub fn built_in() -> Vec<Profile> {
    let tron = |name: &str, worth, endpoint: &str, chain_id| Profile {
        name: name.to_owned(),
        kind: Kind::Tron,
        worth,
        endpoints: vec![endpoint.to_owned()],
        chain_id,
        genesis: None,
        btt: None,
        vault: None,
        confirmations: 0,
    };
    let mainnet_btt = Address::new([
        0x03, 0x20, 0x17, 0x41, 0x1f, 0x46, 0x63, 0xb3, 0x17, 0xfe, 0x77, 0xc2, 0x57, 0xd2, 0x8d,
        0x5c, 0xd1, 0xb2, 0x6e, 0x3d,
    ]);
    vec![
        tron("local", Worth::Play, "http://127.0.0.1:9090", None),
        tron("nile", Worth::Play, "https://nile.trongrid.io", Some(3_448_148_188)),
        tron("shasta", Worth::Play, "https://api.shasta.trongrid.io", Some(2_494_104_990)),
        Profile {
            btt: Some(mainnet_btt),
            ..tron("mainnet", Worth::Real, "https://api.trongrid.io", Some(728_126_428))
        },
        Profile {
            kind: Kind::Evm,
            confirmations: 64,
            endpoints: vec!["https://rpc.bt.io".to_owned(), "https://bttc.trongrid.io".to_owned()],
            ..tron("bttc", Worth::Real, "", Some(199))
        },
    ]
}

impl Profile {
    /// Symbol of the native coin.
    #[must_use]
    pub fn native_symbol(&self) -> &'static str {
        match self.kind {
            Kind::Tron => "TRX",
            Kind::Evm => "BTT",
        }
    }

    /// Whether it is somebody's own chain for development: nothing is known of it beforehand, and its
    /// money is play money. Its node is believed in everything.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.worth == Worth::Play && self.chain_id.is_none() && self.genesis.is_none()
    }

    /// Digits after the point of the native coin.
    #[must_use]
    pub fn native_decimals(&self) -> u8 {
        match self.kind {
            Kind::Tron => 6,
            Kind::Evm => 18,
        }
    }
}

/// With a word on what the money is worth, wherever a person sees an amount.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.worth {
            Worth::Play => write!(f, "{} (play money)", self.name),
            Worth::Real => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_play_money_on_this_machine() {
        let local = &built_in()[0];
        assert_eq!(local.to_string(), "local (play money)");
        assert_eq!(local.endpoints, ["http://127.0.0.1:9090"]);
    }

    #[test]
    fn btt_of_the_main_network_is_the_known_token() {
        let mainnet = built_in().into_iter().find(|profile| profile.name == "mainnet").unwrap();
        assert_eq!(mainnet.btt, "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4".parse().ok());
        assert_eq!(mainnet.to_string(), "mainnet");
    }
}
