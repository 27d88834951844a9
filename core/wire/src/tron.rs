//! Transactions of TRON, as protobuf.
//!
//! Source: protocol/Tron.proto, `core/contract/*.proto` of java-tron: field numbers and names. A
//! transaction is known by SHA-256 over the bytes of its [`RawData`], so the bytes that came are
//! what is hashed, never what we would make of them ([`raw_data_bytes`]): a field unknown to us would be lost.
//!
//! Numbers are `i64` as in the format; whoever makes amounts of them refuses negative ones.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Longest transaction, in bytes, that a full node takes (java-tron: `TRANSACTION_MAX_BYTE_SIZE`).
pub const TRANSACTION_BYTES_MAX: usize = 500 * 1024;

/// Prefix of the names of contract parameters inside of [`Any`].
pub const TYPE_URL_PREFIX: &str = "type.googleapis.com/protocol.";

/// A transaction with its signatures.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Transaction {
    /// What is signed.
    #[prost(message, optional, tag = "1")]
    pub raw_data: Option<RawData>,
    /// 65 bytes each: r, s, v, over SHA-256 of the bytes of `raw_data`.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub signature: Vec<Vec<u8>>,
    /// Outcome, once in a block.
    #[prost(message, repeated, tag = "5")]
    pub ret: Vec<TransactionResult>,
}

/// What is signed of a transaction.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RawData {
    /// Low 16 bits of the number of a recent block.
    #[prost(bytes = "vec", tag = "1")]
    pub ref_block_bytes: Vec<u8>,
    /// Unused by nodes of today.
    #[prost(int64, tag = "3")]
    pub ref_block_num: i64,
    /// Bytes 8 to 16 of that block's id.
    #[prost(bytes = "vec", tag = "4")]
    pub ref_block_hash: Vec<u8>,
    /// From this Unix time, in milliseconds, it can't enter a block.
    #[prost(int64, tag = "8")]
    pub expiration: i64,
    /// A memo.
    #[prost(bytes = "vec", tag = "10")]
    pub data: Vec<u8>,
    /// Exactly one in practice.
    #[prost(message, repeated, tag = "11")]
    pub contract: Vec<Contract>,
    /// Unused by nodes of today.
    #[prost(bytes = "vec", tag = "12")]
    pub scripts: Vec<u8>,
    /// When it was made, Unix time in milliseconds. Free to choose.
    #[prost(int64, tag = "14")]
    pub timestamp: i64,
    /// Most sun that its energy may cost.
    #[prost(int64, tag = "18")]
    pub fee_limit: i64,
}

/// One thing that a transaction does.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Contract {
    /// A [`ContractKind`], or one that we don't know.
    #[prost(enumeration = "ContractKind", tag = "1")]
    pub r#type: i32,
    /// A message of that kind.
    #[prost(message, optional, tag = "2")]
    pub parameter: Option<Any>,
    /// Unused by nodes of today.
    #[prost(bytes = "vec", tag = "3")]
    pub provider: Vec<u8>,
    /// Unused by nodes of today.
    #[prost(bytes = "vec", tag = "4")]
    pub contract_name: Vec<u8>,
    /// Which of the account's permissions signs; 0: its owner's.
    #[prost(int32, tag = "5")]
    pub permission_id: i32,
}

/// A message with its name.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Any {
    /// [`TYPE_URL_PREFIX`] and the message's name.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message's bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// The kinds of contract that we know the names of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ContractKind {
    /// Makes an account.
    AccountCreateContract = 0,
    /// Moves TRX.
    TransferContract = 1,
    /// Moves a TRC-10 token.
    TransferAssetContract = 2,
    /// Deploys a contract.
    CreateSmartContract = 30,
    /// Calls a contract.
    TriggerSmartContract = 31,
    /// Stakes TRX.
    FreezeBalanceV2Contract = 54,
    /// Unstakes TRX.
    UnfreezeBalanceV2Contract = 55,
}

/// Outcome of one contract of a transaction.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TransactionResult {
    /// Sun.
    #[prost(int64, tag = "1")]
    pub fee: i64,
    /// 0: done, 1: failed.
    #[prost(int32, tag = "2")]
    pub ret: i32,
    /// How the machine ended: 1 is success (`contractResult` of Tron.proto).
    #[prost(int32, tag = "3")]
    pub contract_ret: i32,
}

/// Moves TRX.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TransferContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub to_address: Vec<u8>,
    /// Sun.
    #[prost(int64, tag = "3")]
    pub amount: i64,
}

/// Moves a TRC-10 token.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TransferAssetContract {
    /// The token's number as decimal digits.
    #[prost(bytes = "vec", tag = "1")]
    pub asset_name: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub owner_address: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub to_address: Vec<u8>,
    /// In the token's smallest units.
    #[prost(int64, tag = "4")]
    pub amount: i64,
}

/// Calls a contract.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TriggerSmartContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub contract_address: Vec<u8>,
    /// Sun sent along.
    #[prost(int64, tag = "3")]
    pub call_value: i64,
    /// Selector and arguments.
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
    /// Units of a TRC-10 token sent along.
    #[prost(int64, tag = "5")]
    pub call_token_value: i64,
    /// Which token.
    #[prost(int64, tag = "6")]
    pub token_id: i64,
}

/// Deploys a contract.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateSmartContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// What.
    #[prost(message, optional, tag = "2")]
    pub new_contract: Option<SmartContract>,
    /// Units of a TRC-10 token sent along.
    #[prost(int64, tag = "3")]
    pub call_token_value: i64,
    /// Which token.
    #[prost(int64, tag = "4")]
    pub token_id: i64,
}

/// A contract as it is stored on chain.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SmartContract {
    /// Who deployed it, 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub origin_address: Vec<u8>,
    /// Its own, 21 bytes; empty while it is deployed.
    #[prost(bytes = "vec", tag = "2")]
    pub contract_address: Vec<u8>,
    /// Its interface.
    #[prost(message, optional, tag = "3")]
    pub abi: Option<ContractAbi>,
    /// Code that deploys it, with the constructor's arguments.
    #[prost(bytes = "vec", tag = "4")]
    pub bytecode: Vec<u8>,
    /// Sun that the constructor gets.
    #[prost(int64, tag = "5")]
    pub call_value: i64,
    /// Percent of its energy that callers pay, 0 to 100.
    #[prost(int64, tag = "6")]
    pub consume_user_resource_percent: i64,
    /// At most 32 bytes.
    #[prost(string, tag = "7")]
    pub name: String,
    /// Most energy that the deployer gives to a call.
    #[prost(int64, tag = "8")]
    pub origin_energy_limit: i64,
    /// Keccak-256 of its code.
    #[prost(bytes = "vec", tag = "9")]
    pub code_hash: Vec<u8>,
    /// What deployed it.
    #[prost(bytes = "vec", tag = "10")]
    pub trx_hash: Vec<u8>,
    /// Rules of which version of the machine it runs by.
    #[prost(int32, tag = "11")]
    pub version: i32,
}

/// The interface of a contract. Tuples can't be expressed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContractAbi {
    /// Functions, events and the rest.
    #[prost(message, repeated, tag = "1")]
    pub entrys: Vec<AbiEntry>,
}

/// A function, event, error or constructor.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AbiEntry {
    /// Of an event: without a topic for its name.
    #[prost(bool, tag = "1")]
    pub anonymous: bool,
    /// Old form of "view".
    #[prost(bool, tag = "2")]
    pub constant: bool,
    /// Empty for constructors.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Arguments.
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<AbiParam>,
    /// What it returns.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<AbiParam>,
    /// 1 constructor, 2 function, 3 event, 4 fallback, 5 receive, 6 error.
    #[prost(int32, tag = "6")]
    pub r#type: i32,
    /// Old form of "payable".
    #[prost(bool, tag = "7")]
    pub payable: bool,
    /// 1 pure, 2 view, 3 nonpayable, 4 payable.
    #[prost(int32, tag = "8")]
    pub state_mutability: i32,
}

/// One argument.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AbiParam {
    /// Of an event: is a topic.
    #[prost(bool, tag = "1")]
    pub indexed: bool,
    /// May be empty.
    #[prost(string, tag = "2")]
    pub name: String,
    /// As Solidity writes it.
    #[prost(string, tag = "3")]
    pub r#type: String,
}

/// Stakes TRX for bandwidth or energy.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FreezeBalanceV2Contract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// Sun.
    #[prost(int64, tag = "2")]
    pub frozen_balance: i64,
    /// 0 bandwidth, 1 energy.
    #[prost(int32, tag = "3")]
    pub resource: i32,
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TronError {
    /// Longer than [`TRANSACTION_BYTES_MAX`].
    #[error("a transaction of {0} bytes is longer than {TRANSACTION_BYTES_MAX}")]
    TooLong(usize),
    /// No protobuf of this shape.
    #[error("not a {message}: {why}")]
    Malformed {
        /// What was looked for.
        message: &'static str,
        /// The library's words.
        why: String,
    },
}

/// Decodes one of the messages above. What it allocates is proportional to `bytes`, and those are
/// bounded by [`TRANSACTION_BYTES_MAX`].
///
/// # Errors
/// Too long, or malformed.
pub fn decode<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, TronError> {
    if bytes.len() > TRANSACTION_BYTES_MAX {
        return Err(TronError::TooLong(bytes.len()));
    }
    M::decode(bytes).map_err(|error| TronError::Malformed { message, why: error.to_string() })
}

/// Encodes one of the messages above: fields in order of their numbers, empty ones left out, as java-tron does.
#[must_use]
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    message.encode_to_vec()
}

/// An encoded [`Transaction`] around the bytes that were signed, unchanged.
#[must_use]
pub fn signed(raw_data: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw_data.len().saturating_add(80));
    for (tag, field) in [(1, raw_data), (2, signature)] {
        encode_key(tag, WireType::LengthDelimited, &mut bytes);
        encode_varint(field.len() as u64, &mut bytes);
        bytes.extend_from_slice(field);
    }
    bytes
}

/// The bytes of field 1 of an encoded [`Transaction`], as they were sent: what its id is the hash of.
///
/// # Errors
/// Malformed, or without that field, or with two of it, whose meanings would have to be merged.
pub fn raw_data_bytes(transaction: &[u8]) -> Result<Vec<u8>, TronError> {
    /// The same message with its first field left as it is.
    #[derive(Clone, PartialEq, Message)]
    struct Opaque {
        #[prost(bytes = "vec", repeated, tag = "1")]
        raw_data: Vec<Vec<u8>>,
    }
    let mut opaque: Opaque = decode("transaction", transaction)?;
    match (opaque.raw_data.pop(), opaque.raw_data.is_empty()) {
        (Some(raw), true) => Ok(raw),
        (_, _) => Err(TronError::Malformed {
            message: "transaction",
            why: "it must have raw data once".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_transaction_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(transaction) = decode::<Transaction>("transaction", &bytes) {
                let again = transaction.encode_to_vec();
                prop_assert_eq!(decode::<Transaction>("transaction", &again), Ok(transaction));
            }
        }
    }

    /// Real transactions of the Nile test network, made anew from their fields as JSON has them.
    #[test]
    fn recorded_transactions_are_made_again_byte_for_byte_and_hash_to_their_ids() {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/nile-transactions.json")).unwrap();
        let captures = recorded["captures"].as_array().unwrap();
        assert_eq!(captures.len(), 6);
        for capture in captures {
            let transaction = &capture["transaction"];
            let sent = bytes(&transaction["raw_data_hex"]);
            let id = bytes(&transaction["txID"]);
            assert_eq!(keys::sha256(&sent).as_slice(), id, "{}", capture["endpoint"]);
            let mut made = from_json(&transaction["raw_data"]);
            if capture["endpoint"] == "wallet/triggersmartcontract" {
                // The documentation's JSON of this one has another call in it than its bytes.
                let data: RawData = decode("raw data", &sent).unwrap();
                let value = &data.contract[0].parameter.as_ref().unwrap().value;
                let call: TriggerSmartContract = decode("call", value).unwrap();
                let parameter = made.contract[0].parameter.as_mut().unwrap();
                let mut ours: TriggerSmartContract = decode("call", &parameter.value).unwrap();
                assert_ne!(ours.data, call.data);
                ours.data = call.data;
                parameter.value = encode(&ours);
            }
            assert_eq!(crate::hex(&encode(&made)), crate::hex(&sent), "{}", capture["endpoint"]);
            let whole = signed(&sent, &[7; 65]);
            assert_eq!(raw_data_bytes(&whole).unwrap(), sent);
            let decoded: Transaction = decode("transaction", &whole).unwrap();
            assert_eq!(decoded.raw_data, Some(made));
            assert_eq!(decoded.signature, [[7; 65]]);
        }
    }

    fn bytes(json: &serde_json::Value) -> Vec<u8> {
        let text = json.as_str().unwrap_or_default();
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2).unwrap(), 16).unwrap())
            .collect()
    }

    fn number(json: &serde_json::Value) -> i64 {
        json.as_i64().unwrap_or_default()
    }

    fn from_json(raw: &serde_json::Value) -> RawData {
        let contract = &raw["contract"][0];
        let value = &contract["parameter"]["value"];
        let name = contract["type"].as_str().unwrap();
        let owner_address = bytes(&value["owner_address"]);
        let to_address = bytes(&value["to_address"]);
        let (kind, value) = match name {
            "TransferContract" => (
                ContractKind::TransferContract,
                encode(&TransferContract {
                    owner_address,
                    to_address,
                    amount: number(&value["amount"]),
                }),
            ),
            "TransferAssetContract" => (
                ContractKind::TransferAssetContract,
                encode(&TransferAssetContract {
                    asset_name: bytes(&value["asset_name"]),
                    owner_address,
                    to_address,
                    amount: number(&value["amount"]),
                }),
            ),
            "FreezeBalanceV2Contract" => (
                ContractKind::FreezeBalanceV2Contract,
                encode(&FreezeBalanceV2Contract {
                    owner_address,
                    frozen_balance: number(&value["frozen_balance"]),
                    resource: i32::from(value["resource"] == "ENERGY"),
                }),
            ),
            "TriggerSmartContract" => (
                ContractKind::TriggerSmartContract,
                encode(&TriggerSmartContract {
                    owner_address,
                    contract_address: bytes(&value["contract_address"]),
                    data: bytes(&value["data"]),
                    ..TriggerSmartContract::default()
                }),
            ),
            "CreateSmartContract" => {
                (ContractKind::CreateSmartContract, deployment(owner_address, value))
            }
            other => panic!("no such kind here: {other}"),
        };
        let parameter = Any { type_url: format!("{TYPE_URL_PREFIX}{name}"), value };
        RawData {
            ref_block_bytes: bytes(&raw["ref_block_bytes"]),
            ref_block_hash: bytes(&raw["ref_block_hash"]),
            expiration: number(&raw["expiration"]),
            timestamp: number(&raw["timestamp"]),
            fee_limit: number(&raw["fee_limit"]),
            contract: vec![Contract {
                r#type: kind.into(),
                parameter: Some(parameter),
                ..Contract::default()
            }],
            ..RawData::default()
        }
    }

    fn deployment(owner_address: Vec<u8>, value: &serde_json::Value) -> Vec<u8> {
        let new = &value["new_contract"];
        encode(&CreateSmartContract {
            owner_address,
            new_contract: Some(SmartContract {
                origin_address: bytes(&new["origin_address"]),
                abi: Some(ContractAbi::default()),
                bytecode: bytes(&new["bytecode"]),
                consume_user_resource_percent: number(&new["consume_user_resource_percent"]),
                name: new["name"].as_str().unwrap().to_owned(),
                origin_energy_limit: number(&new["origin_energy_limit"]),
                ..SmartContract::default()
            }),
            ..CreateSmartContract::default()
        })
    }

    #[test]
    fn what_is_hashed_is_what_came_with_fields_that_we_do_not_know() {
        // raw_data { 99: 1, expiration: 5 }, in an order that we would not write.
        let bytes = [0x0a, 0x05, 0x98, 0x06, 0x01, 0x40, 0x05];
        assert_eq!(raw_data_bytes(&bytes).unwrap(), &bytes[2..]);
        let twice = [&bytes[..], &bytes[..]].concat();
        assert!(raw_data_bytes(&twice).is_err());
    }
}
