//! Addresses of new contracts.
//!
//! Source: TIP-26; java-tron `WalletUtil.generateContractAddress`, `TransactionUtil`.

use revm::primitives::{Address, B256, U256, keccak256};

/// What TRON puts before the 20 bytes of an address.
const PREFIX: u8 = 0x41;

/// The address of what `CREATE` makes; `nonce` counts the calls and creations of the transaction
/// so far.
pub(super) fn created_address(transaction: B256, nonce: u64) -> Address {
    let mut bytes = [0; 40];
    bytes[..32].copy_from_slice(transaction.as_slice());
    bytes[32..].copy_from_slice(&nonce.to_be_bytes());
    last_20(keccak256(bytes))
}

/// The address of what `CREATE2` makes.
pub(super) fn salted_address(creator: Address, salt: U256, code_hash: B256) -> Address {
    let mut bytes = [0; 85];
    bytes[0] = PREFIX;
    bytes[1..21].copy_from_slice(creator.as_slice());
    bytes[21..53].copy_from_slice(&salt.to_be_bytes::<32>());
    bytes[53..].copy_from_slice(code_hash.as_slice());
    last_20(keccak256(bytes))
}

fn last_20(hash: B256) -> Address {
    Address::from_word(hash)
}
