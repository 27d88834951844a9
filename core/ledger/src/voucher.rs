//! What is signed beside the chain: vouchers, releases and mandates.
//!
//! Source: EIP-712 and TIP-712; the types are those of `contracts/Vault.sol`. A voucher says how much of
//! a channel its payee may have taken in all, so that only the newest counts. With conditions it
//! promises further amounts, each to whoever shows the scalar behind a lock before its expiry.
//!
//! What came from a stranger is [`Received`]; what a key of the channel signed is [`Verified`]. Only
//! [`Received::verify`], [`Received::recover`] and [`Verified::sign`] make the latter, and the channels
//! take nothing else.

mod codec;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use keys::keccak256;
use keys::secp256k1::{PublicKey, SecretKey, Signature};
use wire::abi::{address_word, uint_word};

use crate::address::Address;
use crate::amount::Amount;
use crate::parties::ChannelId;
use crate::typed_data::Separator;

pub use codec::{DecodeError, VOUCHER_BYTES_MAX};

/// Most conditions that one voucher carries: as many swarms as a hub serves over one channel at a
/// time. Each costs the contract about 5,000 energy when it is shown, and 44 bytes here.
pub const CONDITIONS_MAX: usize = 32;

/// Civil time as the contract sees it, in whole seconds since 1970: the timestamp of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainTime(pub u64);

impl ChainTime {
    /// So many seconds later; stands still at the end of time.
    #[must_use]
    pub fn after_s(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// So many seconds earlier; stands still at zero.
    #[must_use]
    pub fn before_s(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

/// An amount for whoever shows a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// What is paid beyond the cumulative amount.
    pub amount: Amount,
    /// The address of the point `k·G`: whoever knows `k` may claim.
    pub lock: Address,
    /// The last moment at which the contract lets it count.
    pub expiry: ChainTime,
}

/// A cumulative promise within one channel.
///
/// Invariant: at most [`CONDITIONS_MAX`] conditions, no two with the same lock (one scalar would open
/// both), and the sum of all amounts fits an [`Amount`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    channel: ChannelId,
    cumulative: Amount,
    conditions: Vec<Condition>,
    claim_max: Amount,
}

/// Why there is no such voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// More conditions than [`CONDITIONS_MAX`].
    #[error("a voucher carries at most {most} conditions, not {count}")]
    TooManyConditions {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two conditions open by one scalar.
    #[error("two conditions of a voucher have the lock {lock}")]
    SameLock {
        /// The lock that is there twice.
        lock: Address,
    },
    /// A condition for nothing.
    #[error("a condition with the lock {lock} promises nothing")]
    ZeroCondition {
        /// Its lock.
        lock: Address,
    },
    /// The amounts exceed what can be counted.
    #[error("the conditions of a voucher for {cumulative} exceed any balance")]
    Overflow {
        /// The unconditional part, in smallest units.
        cumulative: Amount,
    },
}

impl Voucher {
    /// The promise of `cumulative` in all, and of nothing more.
    pub fn plain(channel: ChannelId, cumulative: Amount) -> Self {
        Self { channel, cumulative, conditions: Vec::new(), claim_max: cumulative }
    }

    /// The promise of `cumulative` in all, and beyond it of what `conditions` say.
    pub fn conditional(
        channel: ChannelId,
        cumulative: Amount,
        conditions: Vec<Condition>,
    ) -> Result<Self, VoucherError> {
        let (count, most) = (conditions.len(), CONDITIONS_MAX);
        if count > most {
            return Err(VoucherError::TooManyConditions { count, most });
        }
        let mut claim_max = cumulative;
        for (index, condition) in conditions.iter().enumerate() {
            let Condition { amount, lock, .. } = *condition;
            if amount.is_zero() {
                return Err(VoucherError::ZeroCondition { lock });
            }
            if conditions[..index].iter().any(|earlier| earlier.lock == lock) {
                return Err(VoucherError::SameLock { lock });
            }
            let sum = claim_max.plus(amount);
            claim_max = sum.map_err(|_error| VoucherError::Overflow { cumulative })?;
        }
        Ok(Self { channel, cumulative, conditions, claim_max })
    }

    /// The channel that it is of.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// What the payee may have taken in all, without showing anything.
    pub fn cumulative(&self) -> Amount {
        self.cumulative
    }

    /// What it promises beyond that.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The most that anybody can claim by it: with every scalar shown.
    pub fn claim_max(&self) -> Amount {
        self.claim_max
    }
}

/// The payee's consent to end a channel at once, at a cumulative amount that a voucher covers.
///
/// The next lock on nothing begins another round, and makes it worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The channel to end.
    pub channel: ChannelId,
    /// The round that the channel is in.
    pub round: u64,
    /// What the payee gets in all.
    pub cumulative: Amount,
}

/// The most that a payee may promise to whoever redeems for him, in 1/10,000.
pub const SHARE_MAX: u16 = 1_000;

/// A payee's leave to redeem for him, for a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mandate {
    /// Whose vouchers.
    pub payee: Address,
    /// Who may; nobody in particular means anybody.
    pub tower: Option<Address>,
    /// His share in 1/10,000; the contract refuses more than [`SHARE_MAX`].
    pub share: u16,
    /// The last moment at which it counts.
    pub until: ChainTime,
}

/// Something that is signed by a type of its own.
pub trait Statement {
    /// Its digest by EIP-712's `hashStruct`.
    fn struct_hash(&self) -> [u8; 32];
}

impl Statement for Voucher {
    /// Without conditions the contract's `Voucher`, with some its `ConditionalVoucher`.
    fn struct_hash(&self) -> [u8; 32] {
        if self.conditions.is_empty() {
            return hash_struct(
                &VOUCHER_TYPE,
                [self.channel.0, uint_word(self.cumulative.units())],
            );
        }
        let hashes: Vec<u8> = self.conditions.iter().flat_map(Condition::struct_hash).collect();
        let list = keccak256(&hashes);
        hash_struct(
            &CONDITIONAL_VOUCHER_TYPE,
            [self.channel.0, uint_word(self.cumulative.units()), list],
        )
    }
}

impl Statement for Condition {
    fn struct_hash(&self) -> [u8; 32] {
        let words = [
            uint_word(self.amount.units()),
            address_word(self.lock.bytes()),
            uint_word(self.expiry.0.into()),
        ];
        hash_struct(&CONDITION_TYPE, words)
    }
}

impl Statement for Release {
    fn struct_hash(&self) -> [u8; 32] {
        let words =
            [self.channel.0, uint_word(self.round.into()), uint_word(self.cumulative.units())];
        hash_struct(&RELEASE_TYPE, words)
    }
}

impl Statement for Mandate {
    fn struct_hash(&self) -> [u8; 32] {
        let tower = self.tower.map_or([0; 32], |tower| address_word(tower.bytes()));
        let until = uint_word(self.until.0.into());
        hash_struct(
            &MANDATE_TYPE,
            [address_word(self.payee.bytes()), tower, uint_word(self.share.into()), until],
        )
    }
}

/// A hash of a type is worth to be kept: it costs as much as that of a voucher.
type TypeHash = LazyLock<[u8; 32]>;

static VOUCHER_TYPE: TypeHash =
    LazyLock::new(|| keccak256(b"Voucher(bytes32 channel,uint256 cumulative)"));
static CONDITIONAL_VOUCHER_TYPE: TypeHash = LazyLock::new(|| {
    keccak256(b"ConditionalVoucher(bytes32 channel,uint256 cumulative,bytes32 conditions)")
});
static CONDITION_TYPE: TypeHash =
    LazyLock::new(|| keccak256(b"Condition(uint256 amount,address lock,uint64 expiry)"));
static RELEASE_TYPE: TypeHash =
    LazyLock::new(|| keccak256(b"Release(bytes32 channel,uint64 round,uint256 cumulative)"));
static MANDATE_TYPE: TypeHash =
    LazyLock::new(|| keccak256(b"Mandate(address payee,address tower,uint16 share,uint64 until)"));

/// A statement with a signature that nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<T> {
    /// What it says.
    pub statement: T,
    /// What is said to be its signature.
    pub signature: Signature,
}

/// A statement that the key of its signer has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    statement: T,
    signature: Signature,
}

/// The signature is not the signer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// Another key made it, or none.
    #[error("the signature is not by {expected}, but by {}", Signer(*.recovered))]
    Signer {
        /// Whose it should be.
        expected: Address,
        /// Whose it is, if it is anybody's.
        recovered: Option<Address>,
    },
    /// It is not by the key that is known.
    #[error("the signature is not by the key of {expected}")]
    Key {
        /// The address of that key.
        expected: Address,
    },
}

struct Signer(Option<Address>);

impl core::fmt::Display for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(address) => core::fmt::Display::fmt(&address, f),
            None => f.write_str("nobody"),
        }
    }
}

impl<T: Statement> Received<T> {
    /// Checks it against the key of the signer, which an earlier one has told.
    ///
    /// The parity byte of the signature has no part in that: see [`Verified::redeemable`].
    pub fn verify(self, domain: &Separator, key: &PublicKey) -> Result<Verified<T>, Forged> {
        let digest = domain.digest(&self.statement.struct_hash());
        if !key.verify(&digest, &self.signature) {
            return Err(Forged::Key { expected: Address::of_key(key) });
        }
        Ok(Verified { statement: self.statement, signature: self.signature })
    }

    /// Checks it against the address of the signer, and finds his key: slower, and needed once only.
    pub fn recover(
        self,
        domain: &Separator,
        signer: Address,
    ) -> Result<(Verified<T>, PublicKey), Forged> {
        let digest = domain.digest(&self.statement.struct_hash());
        let key = self.signature.recover(&digest);
        let recovered = key.as_ref().map(Address::of_key);
        match key {
            Some(key) if recovered == Some(signer) => {
                Ok((Verified { statement: self.statement, signature: self.signature }, key))
            }
            Some(_) | None => Err(Forged::Signer { expected: signer, recovered }),
        }
    }
}

impl<T: Statement> Verified<T> {
    /// Signs a statement of our own.
    pub fn sign(statement: T, domain: &Separator, key: &SecretKey) -> Self {
        let signature = key.sign(&domain.digest(&statement.struct_hash()));
        Self { statement, signature }
    }

    /// What it says.
    pub fn statement(&self) -> &T {
        &self.statement
    }

    /// Its signature as it came.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Its signature as the contract takes it: 65 bytes, with the parity that recovers `signer`.
    ///
    /// The contract recovers the signer, we compare with his key, which is faster but ignores the
    /// parity. A payer who sends the wrong one would have a voucher accepted here that is refused
    /// there. So the parity is put right, once for each redemption.
    pub fn redeemable(&self, domain: &Separator, signer: Address) -> [u8; 65] {
        let digest = domain.digest(&self.statement.struct_hash());
        let mut signature = self.signature;
        let recovered = signature.recover(&digest);
        if recovered.as_ref().map(Address::of_key) != Some(signer) {
            signature.parity ^= 1;
        }
        signature.to_bytes()
    }

    /// The same as something to be checked: for those to whom it is sent.
    pub fn to_received(&self) -> Received<T>
    where
        T: Clone,
    {
        Received { statement: self.statement.clone(), signature: self.signature }
    }
}

fn hash_struct<const N: usize>(type_hash: &[u8; 32], words: [[u8; 32]; N]) -> [u8; 32] {
    let mut encoded = Vec::with_capacity(32 * (N + 1));
    encoded.extend_from_slice(type_hash);
    encoded.extend_from_slice(words.as_flattened());
    keccak256(&encoded)
}
