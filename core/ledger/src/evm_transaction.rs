//! Transactions of chains like Ethereum: built, hashed and signed by us alone.
//!
//! Source: EIP-155 (chain id in the signature), EIP-2718 and EIP-1559 (typed transactions), Yellow
//! Paper appendix B (RLP). The chain's id is part of what is signed, so that no other chain takes it.

use keys::secp256k1::{SecretKey, Signature};
use keys::{Digest32, keccak256};
use wire::rlp::Item;

use crate::address::Address;
use crate::amount::Amount;
use crate::transaction::{BuildError, TxId};

/// First byte of a transaction of EIP-1559.
const TYPE_DYNAMIC_FEE: u8 = 2;

/// What gas is paid at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GasPrice {
    /// One price, all of it paid (EIP-155, chains without a base fee).
    Fixed(Amount),
    /// At most `max`, of which at most `tip` goes to the block's maker (EIP-1559).
    Dynamic {
        /// Most in all.
        max: Amount,
        /// Most on top of the base fee.
        tip: Amount,
    },
}

impl GasPrice {
    /// Most that one gas can cost.
    #[must_use]
    pub fn max(self) -> Amount {
        match self {
            Self::Fixed(price) => price,
            Self::Dynamic { max, .. } => max,
        }
    }
}

/// What will be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmUnsigned {
    /// Which chain.
    pub chain_id: u64,
    /// Who has to sign.
    pub from: Address,
    /// How many the sender has sent before.
    pub nonce: u64,
    /// What gas is paid at.
    pub gas_price: GasPrice,
    /// Most gas.
    pub gas_limit: u64,
    /// To whom; none: makes a contract.
    pub to: Option<Address>,
    /// The chain's own coin that goes along.
    pub value: Amount,
    /// Selector and arguments, or code.
    pub data: Vec<u8>,
}

impl EvmUnsigned {
    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        match self.gas_price {
            GasPrice::Fixed(_) => {
                let mut fields = self.fields();
                fields.push(Item::number(self.chain_id.into()));
                fields.extend([Item::number(0), Item::number(0)]);
                keccak256(&Item::List(fields).encode())
            }
            GasPrice::Dynamic { .. } => keccak256(&typed(self.fields())),
        }
    }

    /// Most that it can cost besides what it moves. `None`: more than can be counted.
    #[must_use]
    pub fn fee_max(&self) -> Option<Amount> {
        self.gas_price.max().times(self.gas_limit)
    }

    /// Signs it: the id that it will be known by, and the bytes to send.
    ///
    /// # Errors
    /// With another's key.
    pub fn sign(&self, key: &SecretKey) -> Result<(TxId, Vec<u8>), BuildError> {
        let signer = Address::of_key(&key.public());
        if signer != self.from {
            return Err(BuildError::NotOwner { key: signer, owner: self.from });
        }
        Ok(self.with_signature(&key.sign(&self.digest())))
    }

    /// The id that it is known by with this signature, and the bytes to send.
    #[must_use]
    pub fn with_signature(&self, signature: &Signature) -> (TxId, Vec<u8>) {
        let bytes = self.signed_bytes(signature);
        (TxId(keccak256(&bytes)), bytes)
    }

    fn signed_bytes(&self, signature: &Signature) -> Vec<u8> {
        let mut fields = self.fields();
        let halves = [Item::trimmed(&signature.r), Item::trimmed(&signature.s)];
        match self.gas_price {
            GasPrice::Fixed(_) => {
                let v = u128::from(self.chain_id) * 2 + 35 + u128::from(signature.parity);
                fields.push(Item::number(v));
                fields.extend(halves);
                Item::List(fields).encode()
            }
            GasPrice::Dynamic { .. } => {
                fields.push(Item::number(signature.parity.into()));
                fields.extend(halves);
                typed(fields)
            }
        }
    }

    fn fields(&self) -> Vec<Item> {
        let to = self.to.map_or(Vec::new(), |to| to.bytes().to_vec());
        let call = [
            Item::number(self.gas_limit.into()),
            Item::Bytes(to),
            Item::number(self.value.units()),
            Item::Bytes(self.data.clone()),
        ];
        let nonce = Item::number(self.nonce.into());
        match self.gas_price {
            GasPrice::Fixed(price) => {
                let mut fields = vec![nonce, Item::number(price.units())];
                fields.extend(call);
                fields
            }
            GasPrice::Dynamic { max, tip } => {
                let mut fields = vec![Item::number(self.chain_id.into()), nonce];
                fields.extend([Item::number(tip.units()), Item::number(max.units())]);
                fields.extend(call);
                // No list of storage that is touched.
                fields.push(Item::List(Vec::new()));
                fields
            }
        }
    }
}

/// Where a contract will be that a transaction deploys: by its sender and nonce alone (Yellow Paper,
/// section 7).
#[must_use]
pub fn deployed_at(from: Address, nonce: u64) -> Address {
    let fields = [Item::Bytes(from.bytes().to_vec()), Item::number(nonce.into())];
    let hash = keccak256(&Item::List(fields.to_vec()).encode());
    let [_, _, _, _, _, _, _, _, _, _, _, _, bytes @ ..] = hash;
    Address::new(bytes)
}

fn typed(fields: Vec<Item>) -> Vec<u8> {
    let mut bytes = vec![TYPE_DYNAMIC_FEE];
    bytes.extend(Item::List(fields).encode());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[0x46; 32]).unwrap()
    }

    /// The example of EIP-155, whole: digest and signed bytes.
    #[test]
    fn the_example_of_eip_155_comes_out_byte_for_byte() {
        let unsigned = EvmUnsigned {
            chain_id: 1,
            from: Address::of_key(&key().public()),
            nonce: 9,
            gas_price: GasPrice::Fixed(Amount::new(20_000_000_000)),
            gas_limit: 21_000,
            to: Some(Address::new([0x35; 20])),
            value: Amount::new(1_000_000_000_000_000_000),
            data: Vec::new(),
        };
        let digest = "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53";
        assert_eq!(wire::hex(&unsigned.digest()), digest);
        let signed = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a\
            76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d89\
            97f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
        let (_, bytes) = unsigned.sign(&key()).unwrap();
        assert_eq!(wire::hex(&bytes), signed);
    }

    /// The first contracts of an account that is often shown as the example.
    #[test]
    fn a_contract_lies_where_its_senders_nonce_says() {
        let from = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0".parse().unwrap();
        for (nonce, expected) in [
            (0, "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
            (1, "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        ] {
            assert_eq!(Some(deployed_at(from, nonce)), expected.parse().ok(), "{nonce}");
        }
    }

    #[test]
    fn only_the_senders_key_signs() {
        let unsigned = EvmUnsigned {
            chain_id: 199,
            from: Address::new([1; 20]),
            nonce: 0,
            gas_price: GasPrice::Dynamic { max: Amount::new(2), tip: Amount::new(1) },
            gas_limit: 1,
            to: None,
            value: Amount::ZERO,
            data: vec![1],
        };
        assert!(matches!(unsigned.sign(&key()), Err(BuildError::NotOwner { .. })));
        assert_eq!(unsigned.fee_max(), Some(Amount::new(2)));
    }

    #[test]
    fn a_typed_transaction_binds_the_chain() {
        let on = |chain_id| EvmUnsigned {
            chain_id,
            from: Address::of_key(&key().public()),
            nonce: 0,
            gas_price: GasPrice::Dynamic { max: Amount::new(2), tip: Amount::new(1) },
            gas_limit: 21_000,
            to: Some(Address::new([2; 20])),
            value: Amount::new(5),
            data: Vec::new(),
        };
        assert_ne!(on(199).digest(), on(1029).digest());
        let (id, bytes) = on(199).sign(&key()).unwrap();
        assert_eq!(bytes[0], 2);
        assert_eq!(id.0, keccak256(&bytes));
    }
}
