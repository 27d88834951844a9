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

/// First blocks of TRON's networks, as every node of them answers for block 0.
const MAINNET_GENESIS: &str = "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc";
const NILE_GENESIS: &str = "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc";
/// BTTC has no genesis that its nodes would show alike.
const BTTC_CHAIN_ID: u64 = 199;
/// Ethereum, Optimism, BNB, Polygon, BTTC, Base, Arbitrum: where a key like ours may hold money.
const REAL_CHAIN_IDS: [u64; 7] = [1, 10, 56, 137, BTTC_CHAIN_ID, 8_453, 42_161];
const SHASTA_GENESIS: &str = "0000000000000000de1aa88295e1fcf982742f773e0419c5a9c134c994a9059e";

/// The networks that we know, the default first.
#[must_use]
pub fn built_in() -> Vec<Profile> {
    let tron = |name: &str, worth, endpoints: &[&str], genesis: &str| Profile {
        name: name.to_owned(),
        kind: Kind::Tron,
        worth,
        endpoints: endpoints.iter().map(|&endpoint| endpoint.to_owned()).collect(),
        chain_id: genesis.parse().ok().map(|id: BlockId| u64::from(id.chain_id())),
        genesis: genesis.parse().ok(),
        btt: None,
        vault: None,
        confirmations: 0,
    };
    let mainnet_btt = Address::new([
        0x03, 0x20, 0x17, 0x41, 0x1f, 0x46, 0x63, 0xb3, 0x17, 0xfe, 0x77, 0xc2, 0x57, 0xd2, 0x8d,
        0x5c, 0xd1, 0xb2, 0x6e, 0x3d,
    ]);
    vec![
        tron("local", Worth::Play, &["http://127.0.0.1:9090"], ""),
        tron("nile", Worth::Play, &["https://nile.trongrid.io"], NILE_GENESIS),
        tron("shasta", Worth::Play, &["https://api.shasta.trongrid.io"], SHASTA_GENESIS),
        Profile {
            btt: Some(mainnet_btt),
            ..tron("mainnet", Worth::Real, &["https://api.trongrid.io"], MAINNET_GENESIS)
        },
        Profile {
            kind: Kind::Evm,
            confirmations: 64,
            chain_id: Some(BTTC_CHAIN_ID),
            ..tron("bttc", Worth::Real, &["https://rpc.bt.io", "https://bttc.trongrid.io"], "")
        },
    ]
}

/// Whether a chain's money is bought and sold, whatever a profile calls it. A transaction of TRON is
/// bound to its chain by a block alone that the node names: what is signed as play money must not be worth
/// anything there.
#[must_use]
pub fn is_known_as_real(kind: Kind, chain_id: u64) -> bool {
    match kind {
        Kind::Tron => {
            MAINNET_GENESIS.parse().is_ok_and(|id: BlockId| u64::from(id.chain_id()) == chain_id)
        }
        Kind::Evm => REAL_CHAIN_IDS.contains(&chain_id),
    }
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
    fn chain_ids_are_the_low_bits_of_the_first_blocks() {
        let chain_ids: Vec<_> =
            built_in().into_iter().map(|profile| (profile.name, profile.chain_id)).collect();
        let expected = [
            ("local", None),
            ("nile", Some(3_448_148_188)),
            ("shasta", Some(2_494_104_990)),
            ("mainnet", Some(728_126_428)),
            ("bttc", Some(199)),
        ];
        assert_eq!(chain_ids, expected.map(|(name, id)| (name.to_owned(), id)));
        assert!(is_known_as_real(Kind::Tron, 728_126_428));
        assert!(!is_known_as_real(Kind::Tron, 3_448_148_188));
    }

    #[test]
    fn btt_of_the_main_network_is_the_known_token() {
        let mainnet = built_in().into_iter().find(|profile| profile.name == "mainnet").unwrap();
        assert_eq!(mainnet.btt, "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4".parse().ok());
        assert_eq!(mainnet.to_string(), "mainnet");
    }
}
