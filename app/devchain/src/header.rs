//! Headers: how a block gets its id.
//!
//! Source: java-tron `BlockCapsule`, `MerkleTree`; protocol/Tron.proto `BlockHeader.raw`.

use keys::{Digest32, sha256};
use ledger::{Address, BlockId};

/// Version of the headers that we write (java-tron 4.8).
pub(crate) const VERSION: u32 = 32;

/// What is hashed and signed of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) parent: BlockId,
    pub(crate) transactions_root: Digest32,
    pub(crate) witness: Address,
}

impl Header {
    /// Encoded `BlockHeader.raw`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        number_field(&mut bytes, 1, self.timestamp_ms);
        bytes_field(&mut bytes, 2, &self.transactions_root);
        bytes_field(&mut bytes, 3, &self.parent.0);
        number_field(&mut bytes, 7, self.number);
        bytes_field(&mut bytes, 9, &self.witness.prefixed());
        number_field(&mut bytes, 10, VERSION.into());
        bytes
    }

    /// What the witness signs.
    pub(crate) fn digest(&self) -> Digest32 {
        sha256(&self.encode())
    }

    /// The digest with the number over its first 8 bytes.
    pub(crate) fn id(&self) -> BlockId {
        let mut id = self.digest();
        id[..8].copy_from_slice(&self.number.to_be_bytes());
        BlockId(id)
    }
}

/// Root of the tree over the hashes of a block's transactions: pairs are hashed, an odd one rises
/// as it is. Zeros if there are none.
pub(crate) fn transactions_root(mut level: Vec<Digest32>) -> Digest32 {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => sha256(&[*left, *right].concat()),
                [single, ..] => *single,
                [] => [0; 32],
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}

/// A transaction as it stands in a block: as sent, with its outcome.
pub(crate) fn with_outcome(bytes: &[u8], contract_result: i32) -> Vec<u8> {
    let number = u8::try_from(contract_result).unwrap_or_default();
    // Field 5, two bytes: its field 3, the number (below 128: one byte).
    [bytes, &[0x2a, 2, 0x18, number]].concat()
}

fn number_field(bytes: &mut Vec<u8>, field: u8, mut number: u64) {
    if number == 0 {
        return;
    }
    bytes.push(field << 3);
    while number >= 0x80 {
        bytes.push(0x80 | number.to_le_bytes()[0] & 0x7f);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// At most 127 bytes.
fn bytes_field(bytes: &mut Vec<u8>, field: u8, value: &[u8]) {
    bytes.push(field << 3 | 2);
    bytes.push(u8::try_from(value.len()).unwrap_or_default());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_transaction_rises_as_it_is() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let ab = sha256(&[a, b].concat());
        assert_eq!(transactions_root(vec![a, b, c]), sha256(&[ab, c].concat()));
        assert_eq!(transactions_root(vec![a]), a);
        assert_eq!(transactions_root(Vec::new()), [0; 32]);
    }

    #[test]
    fn the_number_is_at_the_front_of_the_id() {
        let header = Header {
            number: 0x0102_0304,
            timestamp_ms: 300,
            parent: BlockId([9; 32]),
            transactions_root: [8; 32],
            witness: Address::new([7; 20]),
        };
        assert_eq!(header.id().number(), 0x0102_0304);
        assert_eq!(header.id().0[8..], header.digest()[8..]);
        assert_eq!(&header.encode()[..5], [0x08, 0xac, 0x02, 0x12, 32]);
    }
}
