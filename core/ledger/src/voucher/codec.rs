//! Vouchers, releases and mandates as bytes: between peers, and in the money database.
//!
//! Source: our own; [docs/formats.md](../../../../docs/formats.md) has the layout. All numbers are
//! big-endian and of fixed width, so that a statement has one encoding. Hostile input ends here:
//! nothing panics, and at most [`VOUCHER_BYTES_MAX`] bytes are read.

use keys::secp256k1::{Signature, SignatureError};

use super::{
    CONDITIONS_MAX, ChainTime, Condition, Mandate, Received, Release, SHARE_MAX, Verified, Voucher,
    VoucherError,
};
use crate::address::Address;
use crate::amount::Amount;
use crate::parties::ChannelId;

/// The encoding that this program writes, and the only one so far.
const VERSION: u8 = 1;
const TAG_VOUCHER: u8 = 1;
const TAG_RELEASE: u8 = 2;
const TAG_MANDATE: u8 = 3;

const CONDITION_BYTES: usize = 16 + 20 + 8;
const SIGNATURE_BYTES: usize = 65;

/// Most bytes of an encoded voucher: one with all conditions.
pub const VOUCHER_BYTES_MAX: usize =
    2 + 32 + 16 + 1 + CONDITIONS_MAX * CONDITION_BYTES + SIGNATURE_BYTES;

/// Why bytes are no signed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A later encoding.
    #[error("version {found} of signed statements is not known, only {VERSION}")]
    Version {
        /// Its version.
        found: u8,
    },
    /// A statement of another kind, or none that is known.
    #[error("expected a signed statement of kind {expected}, got {found}")]
    Kind {
        /// What should be there.
        expected: u8,
        /// What is there.
        found: u8,
    },
    /// It ends early.
    #[error("a signed statement ends {missing} bytes early")]
    Short {
        /// How many bytes lack for the next field.
        missing: usize,
    },
    /// It does not end where it should.
    #[error("a signed statement is followed by {extra} bytes")]
    Long {
        /// How many bytes there are behind it.
        extra: usize,
    },
    /// It promises what no voucher can.
    #[error(transparent)]
    Voucher(#[from] VoucherError),
    /// A mandate for more than the contract grants.
    #[error("a share of {share}/10000 is more than {SHARE_MAX}/10000")]
    Share {
        /// What it grants.
        share: u16,
    },
    /// What should be its signature is none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((array, rest)) = self.0.split_first_chunk() else {
            return Err(DecodeError::Short { missing: N.saturating_sub(self.0.len()) });
        };
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn amount(&mut self) -> Result<Amount, DecodeError> {
        Ok(Amount::new(u128::from_be_bytes(self.array()?)))
    }

    fn time(&mut self) -> Result<ChainTime, DecodeError> {
        Ok(ChainTime(u64::from_be_bytes(self.array()?)))
    }

    fn head(&mut self, expected: u8) -> Result<(), DecodeError> {
        let [version, found] = self.array()?;
        match (version, found) {
            (VERSION, found) if found == expected => Ok(()),
            (VERSION, found) => Err(DecodeError::Kind { expected, found }),
            (found, _) => Err(DecodeError::Version { found }),
        }
    }

    fn signature(mut self) -> Result<Signature, DecodeError> {
        let bytes: [u8; SIGNATURE_BYTES] = self.array()?;
        match self.0.len() {
            0 => Ok(Signature::from_bytes(&bytes)?),
            extra => Err(DecodeError::Long { extra }),
        }
    }
}

fn finish(mut bytes: Vec<u8>, signature: Signature) -> Vec<u8> {
    bytes.extend_from_slice(&signature.to_bytes());
    bytes
}

impl Received<Voucher> {
    /// Reads a voucher.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        reader.head(TAG_VOUCHER)?;
        let channel = ChannelId(reader.array()?);
        let cumulative = reader.amount()?;
        let count = usize::from(reader.byte()?);
        if count > CONDITIONS_MAX {
            return Err(VoucherError::TooManyConditions { count, most: CONDITIONS_MAX }.into());
        }
        let mut conditions = Vec::with_capacity(count);
        for _ in 0..count {
            let amount = reader.amount()?;
            let lock = Address::new(reader.array()?);
            conditions.push(Condition { amount, lock, expiry: reader.time()? });
        }
        let statement = Voucher::conditional(channel, cumulative, conditions)?;
        Ok(Self { statement, signature: reader.signature()? })
    }
}

impl Received<Voucher> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let voucher = &self.statement;
        let mut bytes = vec![VERSION, TAG_VOUCHER];
        bytes.extend_from_slice(&voucher.channel.0);
        bytes.extend_from_slice(&voucher.cumulative.units().to_be_bytes());
        let count = u8::try_from(voucher.conditions.len());
        bytes.push(count.expect("a voucher has at most 32 conditions"));
        for condition in &voucher.conditions {
            bytes.extend_from_slice(&condition.amount.units().to_be_bytes());
            bytes.extend_from_slice(condition.lock.bytes());
            bytes.extend_from_slice(&condition.expiry.0.to_be_bytes());
        }
        finish(bytes, self.signature)
    }
}

impl Verified<Voucher> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.to_received().encode()
    }
}

impl Received<Release> {
    /// Reads a release.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        reader.head(TAG_RELEASE)?;
        let channel = ChannelId(reader.array()?);
        let round = u64::from_be_bytes(reader.array()?);
        let statement = Release { channel, round, cumulative: reader.amount()? };
        Ok(Self { statement, signature: reader.signature()? })
    }
}

impl Received<Release> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, TAG_RELEASE];
        bytes.extend_from_slice(&self.statement.channel.0);
        bytes.extend_from_slice(&self.statement.round.to_be_bytes());
        bytes.extend_from_slice(&self.statement.cumulative.units().to_be_bytes());
        finish(bytes, self.signature)
    }
}

impl Verified<Release> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.to_received().encode()
    }
}

impl Received<Mandate> {
    /// Reads a mandate.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader(bytes);
        reader.head(TAG_MANDATE)?;
        let payee = Address::new(reader.array()?);
        let tower = Some(Address::new(reader.array()?)).filter(|tower| *tower.bytes() != [0; 20]);
        let share = u16::from_be_bytes(reader.array()?);
        if share > SHARE_MAX {
            return Err(DecodeError::Share { share });
        }
        let statement = Mandate { payee, tower, share, until: reader.time()? };
        Ok(Self { statement, signature: reader.signature()? })
    }
}

impl Received<Mandate> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, TAG_MANDATE];
        bytes.extend_from_slice(self.statement.payee.bytes());
        bytes.extend_from_slice(&self.statement.tower.map_or([0; 20], |tower| *tower.bytes()));
        bytes.extend_from_slice(&self.statement.share.to_be_bytes());
        bytes.extend_from_slice(&self.statement.until.0.to_be_bytes());
        finish(bytes, self.signature)
    }
}

impl Verified<Mandate> {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.to_received().encode()
    }
}
