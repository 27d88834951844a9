//! Keccak-256 as Ethereum and TRON use it: the padding of the submission, not of FIPS 202.

use sha3::{Digest as _, Keccak256};

use crate::Digest32;

/// The digest of `bytes`.
#[must_use]
pub fn keccak256(bytes: &[u8]) -> Digest32 {
    Keccak256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_of_transfer_is_the_one_that_every_token_knows() {
        let digest = keccak256(b"transfer(address,uint256)");
        assert_eq!(digest.get(..4), Some(&[0xa9, 0x05, 0x9c, 0xbb][..]));
    }
}
