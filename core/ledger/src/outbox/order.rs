//! What somebody wants sent, on which terms, and what may be said of it on the way.

use keys::Digest32;
use keys::secp256k1::{SecretKey, Signature};
use wire::abi::Decoder;

use super::record::{Action, IntentId, Record};
use crate::address::Address;
use crate::amount::Amount;
use crate::chain_client::{ClientError, Quote};
use crate::evm_transaction::EvmUnsigned;
use crate::network::Coin;
use crate::transaction::{BuildError, TxId, Unsigned};

/// Something to be sent, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name, chosen at random: the same name is never carried out twice.
    pub intent: IntentId,
    /// Who sends and signs.
    pub from: Address,
    /// What is to happen.
    pub action: Action,
    /// What may be spent at most.
    pub caps: Caps,
    /// The quote that a person confirmed: its fee limit is what is signed. Without one, the chain
    /// is asked.
    pub quote: Option<Quote>,
    /// How often it may be made anew if it expires. Only where several nodes agree that it has,
    /// or on a chain of our own: see [`super`].
    pub rebuilds_max: u32,
}

/// What may be spent at most, whatever a node says that it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Most in fees, in the chain's own coin.
    pub fee_max: Amount,
    /// Most of each coin named; coins not named are not bounded. Seen are the chain's own coin, and
    /// `transfer`, `transferFrom`, `approve` and the like of tokens; not what other contracts do.
    pub spend_max: Vec<(Coin, Amount)>,
}

impl Action {
    /// What it spends, as far as it says so itself: fees come on top.
    #[must_use]
    pub fn spends(&self) -> Vec<(Coin, Amount)> {
        match self {
            Self::Transfer { amount, .. } => vec![(Coin::Native, *amount)],
            Self::Deploy { value, .. } => vec![(Coin::Native, *value)],
            Self::Call { contract, value, data } => {
                let mut spends = Vec::new();
                if !value.is_zero() {
                    spends.push((Coin::Native, *value));
                }
                spends.extend(token_amount(data).map(|amount| (Coin::Token(*contract), amount)));
                spends
            }
        }
    }

    /// The chain's own coin that goes along.
    #[must_use]
    pub fn value(&self) -> Amount {
        match self {
            Self::Transfer { amount, .. } => *amount,
            Self::Call { value, .. } | Self::Deploy { value, .. } => *value,
        }
    }
}

/// The amount of a call that moves or lends out a token. One above 128 bits counts as the most
/// that there is: an allowance without bound is spending without bound.
fn token_amount(data: &[u8]) -> Option<Amount> {
    let skipped = [
        ("transfer(address,uint256)", 1),
        ("approve(address,uint256)", 1),
        ("increaseAllowance(address,uint256)", 1),
        ("transferFrom(address,address,uint256)", 2),
    ];
    skipped.iter().find_map(|(signature, before)| {
        let mut arguments = Decoder::of_call(signature, data)?;
        for _ in 0..*before {
            arguments.word().ok()?;
        }
        Some(arguments.uint().map_or(Amount::MAX, Amount::new))
    })
}

/// A transaction that waits for its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToSign {
    /// For TRON.
    Tron(Unsigned),
    /// For a chain like Ethereum.
    Evm(EvmUnsigned),
}

/// A signed transaction, its id, and its bytes as every node gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedBytes {
    pub(super) id: TxId,
    pub(super) bytes: Vec<u8>,
}

impl ToSign {
    /// Who has to sign.
    #[must_use]
    pub fn signer(&self) -> Address {
        match self {
            Self::Tron(unsigned) => unsigned.owner(),
            Self::Evm(unsigned) => unsigned.from,
        }
    }

    /// What the signature is over.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        match self {
            Self::Tron(unsigned) => unsigned.id().0,
            Self::Evm(unsigned) => unsigned.digest(),
        }
    }

    /// Signs it.
    ///
    /// # Errors
    /// With another's key.
    pub fn sign(&self, key: &SecretKey) -> Result<Signature, BuildError> {
        let signer = Address::of_key(&key.public());
        if signer != self.signer() {
            return Err(BuildError::NotOwner { key: signer, owner: self.signer() });
        }
        Ok(key.sign(&self.digest()))
    }

    /// The transaction with its signature, if that is by whom it must be.
    pub(super) fn complete(&self, signature: &Signature) -> Result<SignedBytes, SendError> {
        let signer = signature.recover(&self.digest()).map(|key| Address::of_key(&key));
        if signer != Some(self.signer()) {
            return Err(SendError::Foreign { signer, expected: self.signer() });
        }
        Ok(match self {
            Self::Tron(unsigned) => SignedBytes {
                id: unsigned.id(),
                bytes: wire::tron::signed(unsigned.raw(), &signature.to_bytes()),
            },
            Self::Evm(unsigned) => {
                let (id, bytes) = unsigned.with_signature(signature);
                SignedBytes { id, bytes }
            }
        })
    }
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// What it will cost.
    Quoted(Quote),
    /// It is signed and recorded, and goes out now.
    Recorded(Record),
    /// So many nodes have it.
    Sent {
        /// Those that took it.
        taken: usize,
        /// Those that were asked.
        of: usize,
    },
    /// It is in a block, which may be undone yet.
    InBlock {
        /// The block.
        number: u64,
        /// It failed there: why.
        failure: Option<String>,
    },
    /// It was in a block that is no more, and waits again.
    Undone,
    /// It can't enter a block any more, and is made anew.
    MadeAnew {
        /// Which try begins now.
        attempt: u32,
    },
    /// Something is not as it should be; it is tried again. What, in words.
    Trouble(String),
}

/// Why nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The chain could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It would fail, so that only its fee would be gone.
    #[error("it would fail: {0}")]
    WouldFail(String),
    /// The estimate is above what may be spent in fees.
    #[error("it can cost {needed} in fees, above the cap of {cap}")]
    FeeCap {
        /// What it can cost at worst.
        needed: Amount,
        /// What may be spent.
        cap: Amount,
    },
    /// It moves more than may be spent.
    #[error("it spends {spent}, above the cap of {cap}")]
    SpendCap {
        /// Of what.
        coin: Coin,
        /// How much it spends.
        spent: Amount,
        /// What may be spent.
        cap: Amount,
    },
    /// There is not enough of the chain's own coin.
    #[error("it needs {needed} of the chain's coin with fees, and there is {there}")]
    Short {
        /// What it moves and may cost.
        needed: Amount,
        /// What there is.
        there: Amount,
    },
    /// The transaction can't be written down.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Another transaction for the same wish may still enter a block.
    #[error("{0} is under way for this already")]
    UnderWay(TxId),
    /// The wish is fulfilled.
    #[error("{0} has done this already")]
    Done(TxId),
    /// Nobody signed.
    #[error("not signed: {0}")]
    NotSigned(String),
    /// The signature is not by whom it must be, or not over what was to be signed.
    #[error("the signature is not that of {expected} over this transaction")]
    Foreign {
        /// Whose it had to be.
        expected: Address,
        /// Whose it is, if anybody's.
        signer: Option<Address>,
    },
    /// Its record failed, so it was not sent. A database that fails while it syncs may have the record all
    /// the same, and who resumes it sends it as long as it is valid.
    #[error(
        "not sent now, as its record failed; it may have been kept and be sent later, so see what became of it before it is asked for again: {0}"
    )]
    NotStored(String),
    /// Too many at once.
    #[error("{0} transactions are under way")]
    Busy(usize),
}
