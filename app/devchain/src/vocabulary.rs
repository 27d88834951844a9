//! Names that every face of the chain speaks in. Stand-ins until `ledger` has them.

/// The last 20 bytes of an account's address (TRON prefixes 0x41).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Address(pub [u8; 20]);

/// SHA-256 of a transaction's raw data, as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxId(pub [u8; 32]);
