//! Requests to a TRON full node over HTTP, and what it answers.
//!
//! Source: TRON developer documentation, "HTTP API" (`wallet/…` and `walletsolidity/…`), and replies
//! recorded from nodes. Zero fields are left out by a node and `{}` means "not known"; numbers may
//! come as JSON numbers or as decimal strings (`int64_as_string`); addresses are 21 bytes in
//! hexadecimal digits, `41` first, except in logs, where they are 20; messages are text in
//! hexadecimal digits.
//! What a node says of itself is all that this module judges; whether it answered what was asked is
//! judged by who asked.

mod reply;

pub use reply::{
    Account, Block, Broadcast, BroadcastRefusal, ChainParameters, Constant, Echo, LOGS_MAX, Log,
    RECEIPTS_MAX, Receipt, ReplyError, Resources, TEXT_CHARS_MAX, decode_account, decode_block,
    decode_broadcast, decode_chain_parameters, decode_constant, decode_estimate, decode_is_known,
    decode_receipt, decode_receipts, decode_resources,
};

use serde_json::{Value, json};

use crate::hex;

/// Longest reply that we read, in bytes: the receipts of a full block, with room.
pub const REPLY_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// Which state is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// The newest block; may be undone yet.
    Head,
    /// The newest block that can't be undone.
    Solid,
}

/// A call that is executed and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstantCall {
    /// Who calls.
    pub owner: [u8; 20],
    /// The contract; none: `data` is code to deploy.
    pub contract: Option<[u8; 20]>,
    /// TRX sent along, in sun.
    pub value: u64,
    /// Selector and arguments.
    pub data: Vec<u8>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The newest block.
    NowBlock(View),
    /// A block by its number.
    BlockByNumber(u64),
    /// Prices and rules.
    ChainParameters,
    /// An account's TRX.
    Account([u8; 20], View),
    /// An account's bandwidth and energy.
    Resources([u8; 20]),
    /// What a call returns.
    Constant(ConstantCall, View),
    /// What a call needs, where the node offers that.
    EstimateEnergy(ConstantCall),
    /// A signed transaction to be passed on.
    Broadcast(Vec<u8>),
    /// What became of a transaction.
    Receipt([u8; 32], View),
    /// Whether a transaction is known at all, in a block or waiting.
    Transaction([u8; 32]),
    /// What became of all transactions of a block.
    ReceiptsOfBlock(u64, View),
}

impl Request {
    /// Below the node's base URL.
    pub fn path(&self) -> &'static str {
        match self {
            Self::NowBlock(View::Head) => "wallet/getnowblock",
            Self::NowBlock(View::Solid) => "walletsolidity/getnowblock",
            Self::BlockByNumber(_) => "wallet/getblockbynum",
            Self::ChainParameters => "wallet/getchainparameters",
            Self::Account(_, View::Head) => "wallet/getaccount",
            Self::Account(_, View::Solid) => "walletsolidity/getaccount",
            Self::Resources(_) => "wallet/getaccountresource",
            Self::Constant(_, View::Head) => "wallet/triggerconstantcontract",
            Self::Constant(_, View::Solid) => "walletsolidity/triggerconstantcontract",
            Self::EstimateEnergy(_) => "wallet/estimateenergy",
            Self::Broadcast(_) => "wallet/broadcasthex",
            Self::Receipt(_, View::Head) => "wallet/gettransactioninfobyid",
            Self::Receipt(_, View::Solid) => "walletsolidity/gettransactioninfobyid",
            Self::Transaction(_) => "wallet/gettransactionbyid",
            Self::ReceiptsOfBlock(_, View::Head) => "wallet/gettransactioninfobyblocknum",
            Self::ReceiptsOfBlock(_, View::Solid) => "walletsolidity/gettransactioninfobyblocknum",
        }
    }

    /// The JSON that goes with it. Everything is asked by POST.
    pub fn body(&self) -> Vec<u8> {
        let value = match self {
            Self::NowBlock(_) | Self::ChainParameters => json!({}),
            Self::BlockByNumber(number) | Self::ReceiptsOfBlock(number, _) => {
                json!({ "num": number })
            }
            Self::Account(address, _) | Self::Resources(address) => {
                json!({ "address": address_hex(address) })
            }
            Self::Constant(call, _) | Self::EstimateEnergy(call) => constant_body(call),
            Self::Broadcast(bytes) => json!({ "transaction": hex(bytes) }),
            Self::Receipt(id, _) | Self::Transaction(id) => json!({ "value": hex(id) }),
        };
        value.to_string().into_bytes()
    }
}

fn constant_body(call: &ConstantCall) -> Value {
    let mut body = json!({
        "owner_address": address_hex(&call.owner),
        "data": hex(&call.data),
        "call_value": call.value,
        "visible": false,
    });
    if let (Some(contract), Some(fields)) = (call.contract, body.as_object_mut()) {
        fields.insert("contract_address".to_owned(), Value::String(address_hex(&contract)));
    }
    body
}

/// An address as nodes write it: `41` and twenty bytes.
fn address_hex(address: &[u8; 20]) -> String {
    format!("41{}", hex(address))
}

#[cfg(test)]
mod tests;
