//! Structured data to be signed, bound to a chain and a contract.
//!
//! Source: EIP-712; TIP-712, which is the same with addresses of 20 bytes and the chain id's low
//! 32 bits. What is encoded here can't be mistaken for a transaction, whose hash has no 0x1901 in
//! front.

use keys::{Digest32, keccak256};
use wire::abi::Encoder;

use crate::address::Address;

/// For whom signatures are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// As the contract calls itself.
    pub name: &'static str,
    /// Version of the contract's types.
    pub version: &'static str,
    /// Which chain. On TRON the low 32 bits.
    pub chain_id: u64,
    /// Who checks.
    pub contract: Address,
}

impl Domain {
    /// The hash that stands for this domain: worth to be kept, as it costs as much as all the rest.
    #[must_use]
    pub fn separator(&self) -> Separator {
        let kind = keccak256(
            b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        );
        let encoded = Encoder::new()
            .word(kind)
            .word(keccak256(self.name.as_bytes()))
            .word(keccak256(self.version.as_bytes()))
            .uint(u128::from(self.chain_id))
            .address(self.contract.bytes())
            .finish();
        Separator(keccak256(&encoded))
    }
}

/// The hash of a [`Domain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separator(pub Digest32);

impl Separator {
    /// What is signed of a struct with this hash.
    #[must_use]
    pub fn digest(&self, struct_hash: &Digest32) -> Digest32 {
        let mut bytes = [0; 66];
        let (prefix, hashes) = bytes.split_at_mut(2);
        prefix.copy_from_slice(&[0x19, 0x01]);
        let (domain, message) = hashes.split_at_mut(32);
        domain.copy_from_slice(&self.0);
        message.copy_from_slice(struct_hash);
        keccak256(&bytes)
    }
}

/// The hash of a text to be signed as a message (TIP-191, version 2): by nothing else that is
/// signed here can a wallet be made to mean this.
#[must_use]
pub fn message_digest(message: &[u8]) -> Digest32 {
    let mut bytes = format!("\x19TRON Signed Message:\n{}", message.len()).into_bytes();
    bytes.extend_from_slice(message);
    keccak256(&bytes)
}

#[cfg(test)]
mod tests {
    use wire::hex;

    use super::*;

    /// The example "Mail" of EIP-712.
    #[test]
    fn the_example_of_eip_712_hashes_as_printed_there() {
        let domain = Domain {
            name: "Ether Mail",
            version: "1",
            chain_id: 1,
            contract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC".parse().unwrap(),
        };
        let separator = domain.separator();
        assert_eq!(
            hex(&separator.0),
            "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
        );
        let person = |name: &[u8], wallet: &str| {
            let wallet: Address = wallet.parse().unwrap();
            let encoded = Encoder::new()
                .word(keccak256(b"Person(string name,address wallet)"))
                .word(keccak256(name))
                .address(wallet.bytes())
                .finish();
            keccak256(&encoded)
        };
        let mail = Encoder::new()
            .word(keccak256(
                b"Mail(Person from,Person to,string contents)Person(string name,address wallet)",
            ))
            .word(person(b"Cow", "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"))
            .word(person(b"Bob", "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"))
            .word(keccak256(b"Hello, Bob!"))
            .finish();
        assert_eq!(
            hex(&separator.digest(&keccak256(&mail))),
            "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
        );
    }
}
