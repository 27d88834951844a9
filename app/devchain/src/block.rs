//! Blocks and the transactions in them, as they are kept.

use ledger::{Address, BlockId, TxId};

/// Which block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockRef {
    /// By its place; genesis is 0.
    Number(u64),
    /// By its id.
    Id(BlockId),
    /// The newest.
    Head,
    /// The newest that counts as final.
    Solid,
}

/// A block, without the bytes of its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its id.
    pub id: BlockId,
    /// Its place; genesis is 0.
    pub number: u64,
    /// The block before; zeros before genesis.
    pub parent: BlockId,
    /// Milliseconds since 1970; greater than the parent's.
    pub timestamp_ms: u64,
    /// Merkle root over the transactions, as TRON computes it.
    pub transactions_root: [u8; 32],
    /// Who made it: the chain's one witness.
    pub witness: Address,
    /// The witness's signature over SHA-256 of the raw header; empty for genesis.
    pub witness_signature: Vec<u8>,
    /// Version of the header.
    pub version: u32,
    /// Its transactions, in order.
    pub transactions: Vec<TxId>,
    /// Bytes of the whole block when encoded.
    pub size_bytes: u64,
    /// Energy that its transactions used.
    pub energy_used: u64,
}

/// A transaction in a block or waiting for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransaction {
    /// SHA-256 of its raw data.
    pub id: TxId,
    /// The `Transaction` message (`wire::tron`) exactly as it was sent, signatures included.
    pub bytes: Vec<u8>,
    /// Block number, and place within that block; none while it waits.
    pub place: Option<(u64, u32)>,
}
