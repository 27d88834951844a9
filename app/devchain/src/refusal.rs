//! Everything the chain says no with.

use std::path::PathBuf;

use ledger::Address;

/// java-tron's codes for a broadcast (`GrpcAPI.Return.response_code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponseCode {
    /// The signature is not the owner's, or none.
    SigError,
    /// The transaction can't be valid now.
    ContractValidateError,
    /// Its execution could not begin.
    ContractExeError,
    /// Neither free bandwidth nor balance for its bytes. The spelling on the wire is TRON's own.
    BandwidthError,
    /// It is in a block, or waits for one.
    DupTransactionError,
    /// Its reference block is not on this chain.
    TaposError,
    /// More than 500 KiB.
    TooBigTransactionError,
    /// Its expiration is past, or too far ahead.
    TransactionExpirationError,
    /// Too many wait.
    ServerBusy,
    /// Anything else.
    OtherError,
}

impl ResponseCode {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SigError => "SIGERROR",
            Self::ContractValidateError => "CONTRACT_VALIDATE_ERROR",
            Self::ContractExeError => "CONTRACT_EXE_ERROR",
            Self::BandwidthError => "BANDWITH_ERROR",
            Self::DupTransactionError => "DUP_TRANSACTION_ERROR",
            Self::TaposError => "TAPOS_ERROR",
            Self::TooBigTransactionError => "TOO_BIG_TRANSACTION_ERROR",
            Self::TransactionExpirationError => "TRANSACTION_EXPIRATION_ERROR",
            Self::ServerBusy => "SERVER_BUSY",
            Self::OtherError => "OTHER_ERROR",
        }
    }
}

/// A transaction that the chain did not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Refused {
    /// What kind of fault.
    pub code: ResponseCode,
    /// java-tron's words (not hex; the HTTP face makes it hex).
    pub message: String,
}

/// The chain's file failed, or is not what we wrote: nothing can be promised any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// `SQLite` says so.
    #[error("chain database: {0}")]
    Database(String),
    /// A row that we did not write so.
    #[error("chain database is damaged: {0}")]
    Damaged(&'static str),
    /// More blocks to be thrown away than are not final.
    #[error("cannot rewind {blocks} blocks: {unsolid} are not final")]
    RewindTooFar {
        /// What was asked.
        blocks: u64,
        /// What can be.
        unsolid: u64,
    },
    /// The clock would run too far ahead.
    #[error("cannot run the clock {skipped_ms} ms ahead in all: at most {skipped_ms_max}")]
    SkipTooFar {
        /// What it would be.
        skipped_ms: u64,
        /// What it may be.
        skipped_ms_max: u64,
    },
    /// The thread of the chain has ended.
    #[error("the chain has stopped")]
    Stopped,
}

impl revm::database_interface::DBErrorMarker for ChainError {}

/// Why a chain could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("chain {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Made by a version of this program that we don't know.
    #[error("chain {} has format {found}, this program knows {known}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Its database failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Why the faucet gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaucetError {
    /// Nothing was asked for, or more than one call gives.
    #[error("faucet amount {amount} is not between 1 and {amount_max}")]
    Amount {
        /// What was asked, in the smallest unit.
        amount: u128,
        /// The most per call.
        amount_max: u128,
    },
    /// Only play TRX and the chain's own tokens.
    #[error("the faucet has no token {0:?}")]
    Token(Address),
    /// The chain refused the faucet's transaction.
    #[error(transparent)]
    Refused(#[from] Refused),
}
