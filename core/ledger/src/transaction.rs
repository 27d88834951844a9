//! Transactions of TRON: built, hashed, signed and verified by us alone.
//!
//! Source: java-tron's `TransactionCapsule` and `Manager` (ids, reference blocks, expiration);
//! TIP-26 (addresses of deployed contracts). A node never makes the bytes that we sign: it is asked only for a recent
//! block's id, and a false one makes a transaction that nobody can use.

use core::fmt;
use core::str::FromStr;

use keys::secp256k1::{SecretKey, Signature, SignatureError};
use keys::{Digest32, keccak256, sha256};
use wire::tron::{self, ContractKind, TYPE_URL_PREFIX, TronError};
use wire::{hex, unhex};

use crate::address::{Address, AddressError};
use crate::amount::Sun;

/// Longest time between now and a transaction's expiration that nodes accept: 24 hours.
pub const EXPIRATION_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// Most sun that a fee limit may be: 15,000 TRX (java-tron's `MAX_FEE_LIMIT` of today).
pub const FEE_LIMIT_MAX: Sun = Sun(15_000_000_000);

/// Most energy of a call that a deployer of ours would pay himself; the network wants it above zero.
const ORIGIN_ENERGY_LIMIT: i64 = 10_000_000;

/// Longest name of a contract, in bytes.
pub const NAME_BYTES_MAX: usize = 32;

/// What a transaction is known by: SHA-256 of what is signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub Digest32);

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A transaction's or block's id has 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 64 hexadecimal digits")]
pub struct IdError;

impl FromStr for TxId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        unhex(text.strip_prefix("0x").unwrap_or(text)).map(Self).ok_or(IdError)
    }
}

/// A block's id: its number in the first 8 bytes, and a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub Digest32);

impl BlockId {
    /// How many blocks were before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// The chain's id, if this is its first block: what `block.chainid` is on TRON.
    #[must_use]
    pub fn chain_id(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlockId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        unhex(text.strip_prefix("0x").unwrap_or(text)).map(Self).ok_or(IdError)
    }
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves TRX.
    Transfer {
        /// To whom.
        to: Address,
        /// How much.
        amount: Sun,
    },
    /// Calls a contract.
    Trigger {
        /// Which.
        contract: Address,
        /// TRX sent along.
        call_value: Sun,
        /// Selector and arguments.
        data: Vec<u8>,
    },
    /// Deploys a contract. Its callers pay all of their energy.
    Deploy {
        /// At most [`NAME_BYTES_MAX`].
        name: String,
        /// With the constructor's arguments.
        bytecode: Vec<u8>,
        /// Its interface, stored on chain for explorers.
        abi: tron::ContractAbi,
        /// TRX that the constructor gets.
        call_value: Sun,
    },
}

/// When and for how much a transaction may be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A block among the last 65,536: on a chain without it, the transaction is worth nothing.
    pub ref_block: BlockId,
    /// Unix time in milliseconds from which it is worth nothing.
    pub expiration_ms: u64,
    /// Unix time in milliseconds. Two transactions that differ in nothing else are one, so vary it.
    pub timestamp_ms: u64,
    /// Most that its energy may cost. Bandwidth and new accounts come on top. Zero for transfers of TRX.
    pub fee_limit: Sun,
}

/// Why a transaction can't be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// TRON counts TRX in 63 bits.
    #[error("{0} TRX are more than a transaction can carry")]
    TooMuch(Sun),
    /// The network refuses it.
    #[error("a fee limit of {0} TRX is above the network's {FEE_LIMIT_MAX} TRX")]
    FeeLimit(Sun),
    /// A time beyond what the format holds.
    #[error("{0} ms is no time of a transaction")]
    Time(u64),
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("a contract's name of {0} bytes is longer than {NAME_BYTES_MAX}")]
    Name(usize),
    /// Longer than [`tron::TRANSACTION_BYTES_MAX`].
    #[error("a transaction of {0} bytes is longer than nodes take")]
    TooLong(usize),
    /// The key is not the owner's.
    #[error("the key is that of {key}, not of {owner}")]
    NotOwner {
        /// Who the key speaks for.
        key: Address,
        /// Who has to sign.
        owner: Address,
    },
}

/// What will be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    owner: Address,
    raw: Vec<u8>,
    id: TxId,
}

impl Unsigned {
    /// Builds it, byte for byte as java-tron would.
    ///
    /// # Errors
    /// Something is out of the network's bounds.
    pub fn build(owner: Address, action: &Action, terms: &Terms) -> Result<Self, BuildError> {
        if terms.fee_limit > FEE_LIMIT_MAX {
            return Err(BuildError::FeeLimit(terms.fee_limit));
        }
        let time = |ms: u64| i64::try_from(ms).map_err(|_large| BuildError::Time(ms));
        let [_, _, _, _, _, _, n0, n1, hash @ ..] = terms.ref_block.0;
        let raw = tron::RawData {
            ref_block_bytes: vec![n0, n1],
            ref_block_hash: hash.split_at(8).0.to_vec(),
            expiration: time(terms.expiration_ms)?,
            timestamp: time(terms.timestamp_ms)?,
            fee_limit: sun(terms.fee_limit)?,
            contract: vec![contract(owner, action)?],
            ..tron::RawData::default()
        };
        let raw = tron::encode(&raw);
        // A signature and the two tags around.
        if raw.len() > tron::TRANSACTION_BYTES_MAX - 80 {
            return Err(BuildError::TooLong(raw.len()));
        }
        Ok(Self { owner, id: TxId(sha256(&raw)), raw })
    }

    /// Who has to sign.
    #[must_use]
    pub fn owner(&self) -> Address {
        self.owner
    }

    /// What it will be known by.
    #[must_use]
    pub fn id(&self) -> TxId {
        self.id
    }

    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Signs it.
    ///
    /// # Errors
    /// With another's key.
    pub fn sign(self, key: &SecretKey) -> Result<Signed, BuildError> {
        let signer = Address::of_key(&key.public());
        if signer != self.owner {
            return Err(BuildError::NotOwner { key: signer, owner: self.owner });
        }
        let signature = key.sign(&self.id.0);
        Ok(Signed { owner: self.owner, raw: self.raw, id: self.id, signature })
    }
}

/// A signed transaction: it holds only what the signature was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    owner: Address,
    raw: Vec<u8>,
    id: TxId,
    signature: Signature,
}

impl Signed {
    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> TxId {
        self.id
    }

    /// Who signed.
    #[must_use]
    pub fn owner(&self) -> Address {
        self.owner
    }

    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Over its id.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        tron::signed(&self.raw, &self.signature.to_bytes())
    }

    /// Reads what [`Signed::to_bytes`] or anybody else wrote, and verifies the signature.
    ///
    /// # Errors
    /// Malformed, of a kind that we don't know, or not signed by its owner alone.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        let raw = tron::raw_data_bytes(bytes)?;
        let transaction: tron::Transaction = tron::decode("transaction", bytes)?;
        let [signature] = transaction.signature.as_slice() else {
            return Err(ReadError::Signatures(transaction.signature.len()));
        };
        let signature = Signature::from_bytes(signature)?;
        let (owner, _, _) = read(&raw)?;
        let id = TxId(sha256(&raw));
        match signature.recover(&id.0).map(|key| Address::of_key(&key)) {
            Some(signer) if signer == owner => Ok(Self { owner, raw, id, signature }),
            signer => Err(ReadError::NotOwner { signer, owner }),
        }
    }
}

/// Why bytes are no transaction that we understand whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No protobuf of this shape.
    #[error(transparent)]
    Wire(#[from] TronError),
    /// A part of it is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The signature can't be one.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Not exactly one.
    #[error("has {0} signatures, not 1")]
    Signatures(usize),
    /// Somebody else's signature.
    #[error("is signed by {signer:?}, not by {owner}")]
    NotOwner {
        /// Whose it is, if anybody's.
        signer: Option<Address>,
        /// Whose it had to be.
        owner: Address,
    },
    /// Not exactly one.
    #[error("does {0} things, not 1")]
    Contracts(usize),
    /// Staking, voting, TRC-10 and the rest.
    #[error("does something of kind {kind} ({name}), which shoal does not do")]
    Kind {
        /// As in the format.
        kind: i32,
        /// As in the format.
        name: String,
    },
    /// It says more than what we show: the confirmation would hide something.
    #[error("has a field that shoal does not know")]
    MoreThanShown,
    /// A negative number where there is none.
    #[error("has the number {0} where none below zero can be")]
    Negative(i64),
}

/// Reads what would be signed: owner, action and terms. Exact: what is read, built again, has the
/// same bytes, so nothing is in it that isn't shown. The id of the reference block is known in part
/// only (the other bytes are zero).
///
/// # Errors
/// It is none of [`Action`], or has anything beside.
pub fn read(raw: &[u8]) -> Result<(Address, Action, Terms), ReadError> {
    let data: tron::RawData = tron::decode("transaction", raw)?;
    let [contract] = data.contract.as_slice() else {
        return Err(ReadError::Contracts(data.contract.len()));
    };
    let parameter = contract.parameter.clone().unwrap_or_default();
    let (owner, action) = read_action(contract, &parameter)?;
    let mut ref_block = [0; 32];
    for (to, from) in
        ref_block.iter_mut().skip(6).zip(data.ref_block_bytes.iter().chain(&data.ref_block_hash))
    {
        *to = *from;
    }
    let terms = Terms {
        ref_block: BlockId(ref_block),
        expiration_ms: nonnegative(data.expiration)?,
        timestamp_ms: nonnegative(data.timestamp)?,
        fee_limit: Sun(nonnegative(data.fee_limit)?),
    };
    match Unsigned::build(owner, &action, &terms) {
        Ok(again) if again.raw == raw => Ok((owner, action, terms)),
        Ok(_) | Err(_) => Err(ReadError::MoreThanShown),
    }
}

fn read_action(
    contract: &tron::Contract,
    parameter: &tron::Any,
) -> Result<(Address, Action), ReadError> {
    let sun = |field: i64| nonnegative(field).map(Sun);
    match ContractKind::try_from(contract.r#type) {
        Ok(ContractKind::TransferContract) => {
            let transfer: tron::TransferContract = tron::decode("transfer", &parameter.value)?;
            let to = Address::from_prefixed(&transfer.to_address)?;
            let action = Action::Transfer { to, amount: sun(transfer.amount)? };
            Ok((Address::from_prefixed(&transfer.owner_address)?, action))
        }
        Ok(ContractKind::TriggerSmartContract) => {
            let trigger: tron::TriggerSmartContract = tron::decode("call", &parameter.value)?;
            let action = Action::Trigger {
                contract: Address::from_prefixed(&trigger.contract_address)?,
                call_value: sun(trigger.call_value)?,
                data: trigger.data,
            };
            Ok((Address::from_prefixed(&trigger.owner_address)?, action))
        }
        Ok(ContractKind::CreateSmartContract) => {
            let create: tron::CreateSmartContract = tron::decode("deployment", &parameter.value)?;
            let new = create.new_contract.unwrap_or_default();
            let action = Action::Deploy {
                call_value: sun(new.call_value)?,
                name: new.name,
                bytecode: new.bytecode,
                abi: new.abi.unwrap_or_default(),
            };
            Ok((Address::from_prefixed(&create.owner_address)?, action))
        }
        Ok(
            ContractKind::AccountCreateContract
            | ContractKind::TransferAssetContract
            | ContractKind::FreezeBalanceV2Contract
            | ContractKind::UnfreezeBalanceV2Contract,
        )
        | Err(_) => {
            let name = parameter.type_url.rsplit('.').next().unwrap_or_default();
            Err(ReadError::Kind { kind: contract.r#type, name: wire::visible(name).to_string() })
        }
    }
}

/// Where a contract will be that a transaction deploys (TIP-26).
#[must_use]
pub fn deployed_at(id: TxId, owner: Address) -> Address {
    let hash = keccak256(&[&id.0[..], &owner.prefixed()].concat());
    let [_, _, _, _, _, _, _, _, _, _, _, _, bytes @ ..] = hash;
    Address::new(bytes)
}

fn contract(owner: Address, action: &Action) -> Result<tron::Contract, BuildError> {
    let owner_address = owner.prefixed().to_vec();
    let (kind, name, value) = match action {
        Action::Transfer { to, amount } => {
            let transfer = tron::TransferContract {
                owner_address,
                to_address: to.prefixed().to_vec(),
                amount: sun(*amount)?,
            };
            (ContractKind::TransferContract, "TransferContract", tron::encode(&transfer))
        }
        Action::Trigger { contract, call_value, data } => {
            let trigger = tron::TriggerSmartContract {
                owner_address,
                contract_address: contract.prefixed().to_vec(),
                call_value: sun(*call_value)?,
                data: data.clone(),
                ..tron::TriggerSmartContract::default()
            };
            (ContractKind::TriggerSmartContract, "TriggerSmartContract", tron::encode(&trigger))
        }
        Action::Deploy { name, bytecode, abi, call_value } => {
            if name.len() > NAME_BYTES_MAX {
                return Err(BuildError::Name(name.len()));
            }
            let new_contract = tron::SmartContract {
                origin_address: owner_address.clone(),
                abi: Some(abi.clone()),
                bytecode: bytecode.clone(),
                call_value: sun(*call_value)?,
                consume_user_resource_percent: 100,
                name: name.clone(),
                origin_energy_limit: ORIGIN_ENERGY_LIMIT,
                ..tron::SmartContract::default()
            };
            let create = tron::CreateSmartContract {
                owner_address,
                new_contract: Some(new_contract),
                ..tron::CreateSmartContract::default()
            };
            (ContractKind::CreateSmartContract, "CreateSmartContract", tron::encode(&create))
        }
    };
    let parameter = tron::Any { type_url: format!("{TYPE_URL_PREFIX}{name}"), value };
    Ok(tron::Contract {
        r#type: kind.into(),
        parameter: Some(parameter),
        ..tron::Contract::default()
    })
}

fn sun(amount: Sun) -> Result<i64, BuildError> {
    amount.to_field().ok_or(BuildError::TooMuch(amount))
}

fn nonnegative(field: i64) -> Result<u64, ReadError> {
    u64::try_from(field).map_err(|_negative| ReadError::Negative(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn owner(byte: u8) -> Address {
        Address::of_key(&key(byte).public())
    }

    const TERMS: Terms = Terms {
        ref_block: BlockId([0x28; 32]),
        expiration_ms: 1_777_447_227_000,
        timestamp_ms: 1_777_447_168_009,
        fee_limit: Sun(100_000_000),
    };

    fn transfer(amount: u64) -> Action {
        Action::Transfer { to: owner(2), amount: Sun(amount) }
    }

    /// A transfer and a call of the Nile test network (`core/wire/testdata` has them all).
    const RECORDED: [(&str, &str); 2] = [
        (
            "6303c7639f591407ef9f34a7ac8c9c9a21151f5a6af21924502515734fc267ab",
            "0a0229272208939ece39d08a7abe40d8c483c1dd335a67080112630a2d747970652e676f6f676c65617069732e636f6d2f70726f746f636f6c2e5472616e73666572436f6e747261637412320a1541dd791d6b49e190062d650e6a23c575510d35f2f912154192ad11c1bf16b3b14b0bd6b5c7e2db73a0b5e83a18c0843d70d68780c1dd33",
        ),
        (
            "cff6488e738ce77f7325572fe0aa2470f87dbf1c95eeeb2c25feec59d5afa35c",
            "0a0228c022089eabbe133123b34c40d0d6f0c0dd335a8e01081f1289010a31747970652e676f6f676c65617069732e636f6d2f70726f746f636f6c2e54726967676572536d617274436f6e747261637412540a1541dd791d6b49e190062d650e6a23c575510d35f2f9121541eca9bc828a3005b9a3b909f2cc5c2a54794de05f222470a08231000000000000000000000000dd791d6b49e190062d650e6a23c575510d35f2f970cb97edc0dd33",
        ),
    ];

    #[test]
    fn recorded_transactions_are_read_whole_and_built_again() {
        for (id, raw) in RECORDED {
            let raw: Vec<u8> = (0..raw.len() / 2)
                .map(|i| u8::from_str_radix(raw.get(2 * i..2 * i + 2).unwrap(), 16).unwrap())
                .collect();
            let (owner, action, terms) = read(&raw).unwrap();
            let built = Unsigned::build(owner, &action, &terms).unwrap();
            assert_eq!(built.raw(), raw);
            assert_eq!(built.id(), id.parse().unwrap());
        }
    }

    #[test]
    fn only_the_owners_key_signs() {
        let unsigned = Unsigned::build(owner(1), &transfer(1), &TERMS).unwrap();
        let refused = BuildError::NotOwner { key: owner(2), owner: owner(1) };
        assert_eq!(unsigned.clone().sign(&key(2)), Err(refused));
        assert!(unsigned.sign(&key(1)).is_ok());
    }

    #[test]
    fn what_is_out_of_bounds_is_not_built() {
        let over = Sun(i64::MAX as u64 + 1);
        let build = |action: &Action, terms: &Terms| Unsigned::build(owner(1), action, terms);
        assert_eq!(build(&transfer(over.0), &TERMS), Err(BuildError::TooMuch(over)));
        let fee_limit = Sun(FEE_LIMIT_MAX.0 + 1);
        let greedy = Terms { fee_limit, ..TERMS };
        assert_eq!(build(&transfer(1), &greedy), Err(BuildError::FeeLimit(fee_limit)));
        let never = Terms { expiration_ms: u64::MAX, ..TERMS };
        assert_eq!(build(&transfer(1), &never), Err(BuildError::Time(u64::MAX)));
        let huge = Action::Trigger {
            contract: owner(3),
            call_value: Sun(0),
            data: vec![0; tron::TRANSACTION_BYTES_MAX],
        };
        assert!(matches!(build(&huge, &TERMS), Err(BuildError::TooLong(_))));
    }

    /// A memo, a second thing done, or a permission would not be in what a person confirms.
    #[test]
    fn a_transaction_that_says_more_than_is_shown_is_refused() {
        let unsigned = Unsigned::build(owner(1), &transfer(1), &TERMS).unwrap();
        let data: tron::RawData = tron::decode("raw", unsigned.raw()).unwrap();
        let memo = tron::RawData { data: b"memo".to_vec(), ..data.clone() };
        assert_eq!(read(&tron::encode(&memo)), Err(ReadError::MoreThanShown));
        let mut two = data.clone();
        two.contract.push(two.contract[0].clone());
        assert_eq!(read(&tron::encode(&two)), Err(ReadError::Contracts(2)));
        let mut permitted = data.clone();
        permitted.contract[0].permission_id = 2;
        assert_eq!(read(&tron::encode(&permitted)), Err(ReadError::MoreThanShown));
        let mut other = data.clone();
        other.contract[0].r#type = 54;
        assert!(matches!(read(&tron::encode(&other)), Err(ReadError::Kind { kind: 54, .. })));
        let mut negative = data;
        negative.fee_limit = -1;
        assert_eq!(read(&tron::encode(&negative)), Err(ReadError::Negative(-1)));
    }

    #[test]
    fn a_forged_signature_is_refused() {
        let signed =
            Unsigned::build(owner(1), &transfer(1), &TERMS).unwrap().sign(&key(1)).unwrap();
        let forged = tron::signed(signed.raw(), &key(2).sign(&signed.id().0).to_bytes());
        assert!(matches!(
            Signed::from_bytes(&forged),
            Err(ReadError::NotOwner { signer: Some(signer), .. }) if signer == owner(2)
        ));
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read_again(
            amount in 0..=i64::MAX as u64, expiration_ms in 0..=i64::MAX as u64, fee in 0..=FEE_LIMIT_MAX.0,
            data in prop::collection::vec(any::<u8>(), 0..200), block in any::<[u8; 32]>(), kind in 0..3,
        ) {
            let action = match kind {
                0 => Action::Transfer { to: owner(2), amount: Sun(amount) },
                1 => Action::Trigger { contract: owner(3), call_value: Sun(amount), data },
                _ => Action::Deploy {
                    name: "Vault".to_owned(), bytecode: data, abi: tron::ContractAbi::default(), call_value: Sun(amount),
                },
            };
            let terms = Terms { ref_block: BlockId(block), expiration_ms, fee_limit: Sun(fee), ..TERMS };
            let signed = Unsigned::build(owner(1), &action, &terms).unwrap().sign(&key(1)).unwrap();
            prop_assert_eq!(Signed::from_bytes(&signed.to_bytes()), Ok(signed.clone()));
            let (who, what, when) = read(signed.raw()).unwrap();
            prop_assert_eq!((who, what), (owner(1), action));
            prop_assert_eq!((when.expiration_ms, when.fee_limit), (terms.expiration_ms, terms.fee_limit));
        }

        #[test]
        fn a_changed_byte_is_noticed(at in 0_usize..300, to in any::<u8>()) {
            let signed = Unsigned::build(owner(1), &transfer(7), &TERMS).unwrap().sign(&key(1)).unwrap();
            let mut bytes = signed.to_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            prop_assert_ne!(Signed::from_bytes(&bytes), Ok(signed));
        }
    }
}
