//! What parties sign for the Vault, hashed by hand.
//!
//! Written from the type strings in `contracts/src/Vault.sol` alone, without the product's own
//! typed data, so that the two check each other.

use keys::{Digest32, keccak256};
use revm::primitives::{Address, U256};

use crate::party::Party;

/// Where a signature counts: one contract on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The low four bytes of the chain's id.
    pub chain_id: u64,
    /// The Vault.
    pub contract: Address,
}

/// An amount that counts when the secret of its lock is shown in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How much more the voucher is worth.
    pub amount: U256,
    /// The address of the key whose secret opens it.
    pub lock: Address,
    /// The last second at which it counts.
    pub expiry: u64,
}

/// Something to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the types that are signed")]
pub enum Statement {
    /// The signer: the payee may have that much of the channel in all.
    Voucher { channel: Digest32, cumulative: U256 },
    /// The signer: and so much more, each under its condition.
    Conditional { channel: Digest32, cumulative: U256, conditions: Vec<Condition> },
    /// The payee: that much is all it wants in this round.
    Release { channel: Digest32, round: u64, cumulative: U256 },
    /// The payee: the tower may redeem for it and keep a share.
    Mandate { payee: Address, tower: Address, share: u16, until: u64 },
}

impl Statement {
    /// The digest to sign: EIP-712, and TIP-712, which is the same with the chain's id masked.
    #[must_use]
    pub fn digest(&self, domain: Domain) -> Digest32 {
        let separator = hash(&[
            keccak256(
                b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            ),
            keccak256(b"Shoal Vault"),
            keccak256(b"1"),
            number(U256::from(domain.chain_id)),
            address(domain.contract),
        ]);
        let mut bytes = vec![0x19, 0x01];
        bytes.extend(separator);
        bytes.extend(self.hash());
        keccak256(&bytes)
    }

    /// Signed for a domain.
    #[must_use]
    pub fn signed(&self, party: &Party, domain: Domain) -> Vec<u8> {
        party.sign(&self.digest(domain))
    }

    fn hash(&self) -> Digest32 {
        match self {
            Self::Voucher { channel, cumulative } => hash(&[
                keccak256(b"Voucher(bytes32 channel,uint256 cumulative)"),
                *channel,
                number(*cumulative),
            ]),
            Self::Conditional { channel, cumulative, conditions } => {
                let hashes: Vec<Digest32> = conditions.iter().map(Condition::hash).collect();
                hash(&[
                    keccak256(
                        b"ConditionalVoucher(bytes32 channel,uint256 cumulative,bytes32 conditions)",
                    ),
                    *channel,
                    number(*cumulative),
                    hash(&hashes),
                ])
            }
            Self::Release { channel, round, cumulative } => hash(&[
                keccak256(b"Release(bytes32 channel,uint64 round,uint256 cumulative)"),
                *channel,
                number(U256::from(*round)),
                number(*cumulative),
            ]),
            Self::Mandate { payee, tower, share, until } => hash(&[
                keccak256(b"Mandate(address payee,address tower,uint16 share,uint64 until)"),
                address(*payee),
                address(*tower),
                number(U256::from(*share)),
                number(U256::from(*until)),
            ]),
        }
    }
}

impl Condition {
    fn hash(&self) -> Digest32 {
        hash(&[
            keccak256(b"Condition(uint256 amount,address lock,uint64 expiry)"),
            number(self.amount),
            address(self.lock),
            number(U256::from(self.expiry)),
        ])
    }
}

/// The id of an account.
#[must_use]
pub fn account_of(owner: Address, signer: Address) -> Digest32 {
    hash(&[address(owner), address(signer)])
}

/// The id of a channel.
#[must_use]
pub fn channel_of(owner: Address, signer: Address, payee: Address) -> Digest32 {
    hash(&[account_of(owner, signer), address(payee)])
}

fn hash(words: &[Digest32]) -> Digest32 {
    keccak256(&words.concat())
}

fn number(value: U256) -> Digest32 {
    value.to_be_bytes()
}

fn address(value: Address) -> Digest32 {
    value.into_word().0
}
