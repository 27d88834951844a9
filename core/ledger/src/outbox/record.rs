//! What is kept of a transaction that we send, from before anybody else hears of it.
//!
//! A database keeps records by `(intent, attempt)` and has two duties: a record is synced before
//! storing it is acknowledged, and of one intent it never takes a second record
//! that is [`Status::Live`]. The rest of a record never changes; its status moves once, from live
//! to an end.
//!
//! As bytes: a version, then the fields in order, numbers big-endian, lengths in 4 bytes.

use crate::address::Address;
use crate::amount::Amount;
use crate::network::{Kind, Profile};
use crate::transaction::TxId;

/// First byte of a record.
pub const VERSION: u8 = 1;

/// Longest record, in bytes: twice the longest transaction, and its surroundings.
pub const RECORD_BYTES_MAX: usize = 2 * wire::tron::TRANSACTION_BYTES_MAX + 4096;

/// Longest text of why something failed, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// Names what somebody wants done, once. Chosen at random by who wants it; the same id is the same
/// wish, however often it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub [u8; 16]);

impl core::fmt::Display for IntentId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(&wire::hex(&self.0))
    }
}

impl core::fmt::Debug for IntentId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// Which chain: the id of its first block on TRON; elsewhere the chain id, big-endian, after zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub [u8; 32]);

impl NetworkId {
    /// A chain like Ethereum's.
    #[must_use]
    pub fn of_chain_id(chain_id: u64) -> Self {
        let mut id = [0; 32];
        let (_, low) = id.split_at_mut(24);
        low.copy_from_slice(&chain_id.to_be_bytes());
        Self(id)
    }

    /// The chain that a profile names, if it can be no other: what was recorded of it can be told
    /// without a node.
    #[must_use]
    pub fn of_profile(profile: &Profile) -> Option<Self> {
        match profile.kind {
            Kind::Tron => profile.genesis.map(|genesis| Self(genesis.0)),
            Kind::Evm => profile.chain_id.map(Self::of_chain_id),
        }
    }
}

impl core::fmt::Display for NetworkId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(&wire::hex(&self.0))
    }
}

impl core::fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves the chain's own coin: TRX, or BTT on BTTC.
    Transfer {
        /// To whom.
        to: Address,
        /// How much, in the coin's smallest unit.
        amount: Amount,
    },
    /// Calls a contract.
    Call {
        /// Which.
        contract: Address,
        /// The chain's own coin sent along.
        value: Amount,
        /// Selector and arguments.
        data: Vec<u8>,
    },
    /// Makes a contract.
    Deploy {
        /// What it is called on the chain (TRON only).
        name: String,
        /// The chain's own coin sent along.
        value: Amount,
        /// Code and the constructor's arguments.
        code: Vec<u8>,
        /// Its interface as protobuf, kept on the chain for explorers (TRON only); may be empty.
        abi: Vec<u8>,
    },
}

/// How long a transaction can enter a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// TRON: before a block of this time, in milliseconds since 1970.
    Until {
        /// That time.
        expiration_ms: u64,
    },
    /// Ethereum: as long as no other of the account has this number.
    Nonce(u64),
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may have been sent, it may enter a block: nothing else may be made for its intent.
    Live,
    /// Done, in a block that can't be undone.
    Confirmed(Settled),
    /// In a block that can't be undone, and it failed: only its fee is gone.
    Failed {
        /// Where and at what price.
        settled: Settled,
        /// Why, printable.
        reason: String,
    },
    /// It can't enter a block any more, and did not.
    Expired,
}

/// Where a transaction ended up, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The block's number.
    pub block_number: u64,
    /// The block's time, in milliseconds since 1970.
    pub block_time_ms: u64,
    /// Paid in the chain's own coin.
    pub fee: Amount,
    /// Energy or gas used.
    pub energy: u64,
    /// The contract that was made.
    pub contract: Option<Address>,
}

/// One transaction of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is for.
    pub intent: IntentId,
    /// Which try, from 1: a new one is made only when the one before is [`Status::Expired`].
    pub attempt: u32,
    /// On which chain.
    pub network: NetworkId,
    /// Who signed.
    pub from: Address,
    /// What it does.
    pub action: Action,
    /// Most that it can cost besides what it moves, in the chain's own coin.
    pub fee_max: Amount,
    /// Its id.
    pub id: TxId,
    /// The signed bytes, as every node gets them.
    pub bytes: Vec<u8>,
    /// How long it can enter a block.
    pub validity: Validity,
    /// When it was made, by our clock, in milliseconds since 1970.
    pub made_ms: u64,
    /// How far it is.
    pub status: Status,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A version that this program does not know.
    #[error("the record has version {0}, this program knows {VERSION}")]
    Version(u8),
    /// Cut, or longer than what it holds, or a value that can't be.
    #[error("the record is damaged")]
    Damaged,
}

impl Record {
    /// As bytes for a database.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.intent.0);
        out.extend_from_slice(&self.attempt.to_be_bytes());
        out.extend_from_slice(&self.network.0);
        out.extend_from_slice(self.from.bytes());
        put_action(&mut out, &self.action);
        put_amount(&mut out, self.fee_max);
        out.extend_from_slice(&self.id.0);
        put_bytes(&mut out, &self.bytes);
        let (kind, number) = match self.validity {
            Validity::Until { expiration_ms } => (0, expiration_ms),
            Validity::Nonce(nonce) => (1, nonce),
        };
        out.push(kind);
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&self.made_ms.to_be_bytes());
        put_status(&mut out, &self.status);
        out
    }

    /// From [`Self::to_bytes`].
    ///
    /// # Errors
    /// Another version, or not a record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::Damaged);
        }
        match bytes.split_first() {
            Some((&VERSION, rest)) => read(rest).ok_or(RecordError::Damaged),
            Some((&version, _)) => Err(RecordError::Version(version)),
            None => Err(RecordError::Damaged),
        }
    }

    /// Whether nothing else may be made for its intent.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.status == Status::Live
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("transactions are far shorter than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn put_amount(out: &mut Vec<u8>, amount: Amount) {
    out.extend_from_slice(&amount.units().to_be_bytes());
}

fn put_action(out: &mut Vec<u8>, action: &Action) {
    match action {
        Action::Transfer { to, amount } => {
            out.push(0);
            out.extend_from_slice(to.bytes());
            put_amount(out, *amount);
        }
        Action::Call { contract, value, data } => {
            out.push(1);
            out.extend_from_slice(contract.bytes());
            put_amount(out, *value);
            put_bytes(out, data);
        }
        Action::Deploy { name, value, code, abi } => {
            out.push(2);
            put_bytes(out, name.as_bytes());
            put_amount(out, *value);
            put_bytes(out, code);
            put_bytes(out, abi);
        }
    }
}

fn put_status(out: &mut Vec<u8>, status: &Status) {
    match status {
        Status::Live => out.push(0),
        Status::Confirmed(settled) => {
            out.push(1);
            put_settled(out, settled);
        }
        Status::Failed { settled, reason } => {
            out.push(2);
            put_settled(out, settled);
            let kept = reason.floor_char_boundary(REASON_BYTES_MAX);
            put_bytes(out, reason.as_bytes().split_at(kept).0);
        }
        Status::Expired => out.push(3),
    }
}

fn put_settled(out: &mut Vec<u8>, settled: &Settled) {
    out.extend_from_slice(&settled.block_number.to_be_bytes());
    out.extend_from_slice(&settled.block_time_ms.to_be_bytes());
    put_amount(out, settled.fee);
    out.extend_from_slice(&settled.energy.to_be_bytes());
    match &settled.contract {
        None => out.push(0),
        Some(contract) => {
            out.push(1);
            out.extend_from_slice(contract.bytes());
        }
    }
}

/// Bytes not read yet. `None` everywhere: damaged.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn uint(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn amount(&mut self) -> Option<Amount> {
        self.array().map(u128::from_be_bytes).map(Amount::new)
    }

    fn address(&mut self) -> Option<Address> {
        self.array().map(Address::new)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn action(&mut self) -> Option<Action> {
        Some(match self.byte()? {
            0 => Action::Transfer { to: self.address()?, amount: self.amount()? },
            1 => Action::Call {
                contract: self.address()?,
                value: self.amount()?,
                data: self.bytes()?.to_vec(),
            },
            2 => Action::Deploy {
                name: self.text()?,
                value: self.amount()?,
                code: self.bytes()?.to_vec(),
                abi: self.bytes()?.to_vec(),
            },
            _ => return None,
        })
    }

    fn validity(&mut self) -> Option<Validity> {
        match (self.byte()?, self.uint()?) {
            (0, expiration_ms) => Some(Validity::Until { expiration_ms }),
            (1, nonce) => Some(Validity::Nonce(nonce)),
            _ => None,
        }
    }

    fn status(&mut self) -> Option<Status> {
        Some(match self.byte()? {
            0 => Status::Live,
            1 => Status::Confirmed(self.settled()?),
            2 => Status::Failed { settled: self.settled()?, reason: self.text()? },
            3 => Status::Expired,
            _ => return None,
        })
    }

    fn settled(&mut self) -> Option<Settled> {
        Some(Settled {
            block_number: self.uint()?,
            block_time_ms: self.uint()?,
            fee: self.amount()?,
            energy: self.uint()?,
            contract: match self.byte()? {
                0 => None,
                1 => Some(self.address()?),
                _ => return None,
            },
        })
    }
}

fn read(bytes: &[u8]) -> Option<Record> {
    let mut reader = Reader(bytes);
    let record = Record {
        intent: IntentId(reader.array()?),
        attempt: u32::from_be_bytes(reader.array()?),
        network: NetworkId(reader.array()?),
        from: reader.address()?,
        action: reader.action()?,
        fee_max: reader.amount()?,
        id: TxId(reader.array()?),
        bytes: reader.bytes()?.to_vec(),
        validity: reader.validity()?,
        made_ms: reader.uint()?,
        status: reader.status()?,
    };
    reader.0.is_empty().then_some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settled() -> impl Strategy<Value = Settled> {
        (any::<u64>(), any::<u64>(), any::<u128>(), any::<u64>(), any::<Option<[u8; 20]>>())
            .prop_map(|(block_number, block_time_ms, fee, energy, contract)| Settled {
                block_number,
                block_time_ms,
                fee: Amount::new(fee),
                energy,
                contract: contract.map(Address::new),
            })
    }

    fn status() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::Live),
            Just(Status::Expired),
            settled().prop_map(Status::Confirmed),
            (settled(), ".{0,40}").prop_map(|(settled, reason)| Status::Failed { settled, reason }),
        ]
    }

    fn action() -> impl Strategy<Value = Action> {
        let data = || prop::collection::vec(any::<u8>(), 0..50);
        prop_oneof![
            (any::<[u8; 20]>(), any::<u128>()).prop_map(|(to, amount)| Action::Transfer {
                to: Address::new(to),
                amount: Amount::new(amount)
            }),
            (any::<[u8; 20]>(), any::<u128>(), data()).prop_map(|(contract, value, data)| {
                Action::Call { contract: Address::new(contract), value: Amount::new(value), data }
            }),
            (".{0,9}", any::<u128>(), data(), data()).prop_map(|(name, value, code, abi)| {
                Action::Deploy { name, value: Amount::new(value), code, abi }
            }),
        ]
    }

    prop_compose! {
        fn record()(
            (intent, attempt, network, from) in any::<([u8; 16], u32, [u8; 32], [u8; 20])>(),
            action in action(),
            (fee_max, id, bytes) in any::<(u128, [u8; 32], Vec<u8>)>(),
            (is_nonce, number, made_ms) in any::<(bool, u64, u64)>(),
            status in status(),
        ) -> Record {
            Record {
                intent: IntentId(intent),
                attempt,
                network: NetworkId(network),
                from: Address::new(from),
                action,
                fee_max: Amount::new(fee_max),
                id: TxId(id),
                bytes,
                validity: if is_nonce {
                    Validity::Nonce(number)
                } else {
                    Validity::Until { expiration_ms: number }
                },
                made_ms,
                status,
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(record in record()) {
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
        }

        #[test]
        fn a_cut_record_is_refused(record in record(), at in any::<prop::sample::Index>()) {
            let bytes = record.to_bytes();
            let cut = &bytes[..at.index(bytes.len())];
            prop_assert_eq!(Record::from_bytes(cut), Err(RecordError::Damaged));
            let mut longer = bytes;
            longer.push(0);
            prop_assert_eq!(Record::from_bytes(&longer), Err(RecordError::Damaged));
        }

        #[test]
        fn any_bytes_are_a_record_or_refused(mut bytes: Vec<u8>) {
            bytes.insert(0, VERSION);
            if let Ok(record) = Record::from_bytes(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        assert_eq!(Record::from_bytes(&[9, 1]), Err(RecordError::Version(9)));
    }
}
