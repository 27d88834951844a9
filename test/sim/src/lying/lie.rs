//! The lies, one per field that money depends on.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a lie is about one reply; what it leaves alone need not be named"
)]

use base::{HttpError, HttpReply, Rng};
use ledger::Address;
use serde_json::{Value, json};
use wire::hex;

use crate::tron_chain::{Chain, block_json, receipt_json};

/// What a node does to its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Another first block.
    Genesis,
    /// A block's number that is not that of its id.
    BlockNumber,
    /// Another block than the one that was asked for.
    OtherBlock,
    /// Final blocks that are not of this chain.
    FalseBlock,
    /// Final blocks that are not of this chain, an hour in the future.
    FutureBlock,
    /// A newest block of long ago.
    OldBlock,
    /// TRX that are not there.
    Balance,
    /// TRX that are there are not.
    NoAccount,
    /// The balance of somebody else.
    OtherAccount,
    /// Tokens that are not there.
    TokenBalance,
    /// The result of another call.
    OtherCall,
    /// A thousand times the energy.
    Energy,
    /// No energy at all.
    NoEnergy,
    /// A thousand times the price.
    Prices,
    /// Prices of nothing.
    NoPrices,
    /// A negative price.
    NegativePrice,
    /// A call that would succeed is said to fail.
    CallFails,
    /// A failed transaction is said to be done.
    FailureHidden,
    /// One that was done is said to have failed.
    SuccessHidden,
    /// The receipt of another transaction.
    OtherReceipt,
    /// The events of another block.
    OtherEvents,
    /// Transactions are in no block.
    NoReceipt,
    /// Transactions are done that are in no block.
    FalseReceipt,
    /// Another fee.
    Fee,
    /// Events tell of more than there was.
    EventAmount,
    /// Events of nothing.
    FalseEvent,
    /// Events are left out.
    NoEvents,
    /// Transactions are taken and thrown away.
    TakenAndDropped,
    /// Transactions are refused, and passed on all the same.
    RefusedAndSent,
    /// Another id for a transaction that was taken.
    OtherId,
    /// Blocks far beyond any expiration, and no transaction in them: have it made anew, and take both.
    PayTwice,
    /// What it said the first time.
    Replay,
    /// Nothing.
    Silence,
    /// One byte a second.
    Drip,
    /// More than anybody can read.
    TooLarge,
    /// Not JSON.
    Garbage,
    /// JSON of another shape.
    OtherShape,
    /// JSON without an end of brackets.
    Deep,
    /// A numeric field beyond all bounds.
    Huge,
    /// HTTP 500.
    ServerError,
    /// A redirect elsewhere.
    Redirect,
    /// The connection ends in the middle.
    CutOff,
    /// An error in the words of the node.
    Refusal,
}

/// All of them.
pub const ALL: [Lie; 43] = [
    Lie::Genesis,
    Lie::BlockNumber,
    Lie::OtherBlock,
    Lie::FalseBlock,
    Lie::FutureBlock,
    Lie::OldBlock,
    Lie::Balance,
    Lie::NoAccount,
    Lie::OtherAccount,
    Lie::TokenBalance,
    Lie::OtherCall,
    Lie::Energy,
    Lie::NoEnergy,
    Lie::Prices,
    Lie::NoPrices,
    Lie::NegativePrice,
    Lie::CallFails,
    Lie::FailureHidden,
    Lie::SuccessHidden,
    Lie::OtherReceipt,
    Lie::OtherEvents,
    Lie::NoReceipt,
    Lie::FalseReceipt,
    Lie::Fee,
    Lie::EventAmount,
    Lie::FalseEvent,
    Lie::NoEvents,
    Lie::TakenAndDropped,
    Lie::RefusedAndSent,
    Lie::OtherId,
    Lie::PayTwice,
    Lie::Replay,
    Lie::Silence,
    Lie::Drip,
    Lie::TooLarge,
    Lie::Garbage,
    Lie::OtherShape,
    Lie::Deep,
    Lie::Huge,
    Lie::ServerError,
    Lie::Redirect,
    Lie::CutOff,
    Lie::Refusal,
];

/// A reply with this status.
pub(super) fn reply(status: u16, body: Vec<u8>) -> HttpReply {
    HttpReply { status, location: None, content_type: None, body }
}

fn told(value: &Value) -> Result<HttpReply, HttpError> {
    Ok(reply(200, value.to_string().into_bytes()))
}

impl Lie {
    /// What the node says instead of the truth.
    pub(super) fn tell(
        self,
        path: &str,
        asked: &Value,
        honest: Value,
        chain: &Chain,
        rng: &mut Rng,
    ) -> Result<HttpReply, HttpError> {
        // A node that is of another chain at first sight is not asked anything else.
        let is_check = path.ends_with("getblockbynum") && asked["num"] == 0;
        if is_check && self != Self::Genesis {
            return told(&honest);
        }
        match self {
            Self::Silence | Self::Drip => Err(HttpError::Timeout),
            Self::TooLarge => Err(HttpError::TooLarge),
            Self::CutOff => Err(HttpError::Protocol("end of file before message".to_owned())),
            Self::Garbage => {
                let bytes = (0..40).map(|_| rng.next_u64().to_be_bytes()[0]).collect();
                Ok(reply(200, bytes))
            }
            Self::OtherShape => told(&json!({ "result": [], "blockID": 7, "receipt": "x" })),
            Self::Deep => Ok(reply(200, b"{\"a\":".repeat(100_000))),
            Self::ServerError => Ok(reply(500, b"<html>oops".to_vec())),
            Self::Redirect => {
                let location = Some("http://elsewhere/".to_owned());
                Ok(HttpReply { location, ..reply(302, Vec::new()) })
            }
            Self::Refusal => told(&json!({ "Error": "class x : no \u{1b}[2J" })),
            _ => told(&self.changed(path, asked, honest, chain)),
        }
    }

    /// The honest reply, with one thing changed.
    fn changed(self, path: &str, asked: &Value, honest: Value, chain: &Chain) -> Value {
        let name = path.rsplit('/').next().unwrap_or_default();
        match name {
            "getnowblock" | "getblockbynum" => self.of_block(asked, honest, chain),
            "getaccount" => self.of_account(asked, honest),
            "triggerconstantcontract" => self.of_call(honest),
            "getchainparameters" => self.of_prices(honest),
            "gettransactioninfobyid" => self.of_receipt(asked, honest, chain),
            "gettransactioninfobyblocknum" => self.of_receipts(asked, honest, chain),
            "broadcasthex" => self.of_broadcast(honest),
            _ => honest,
        }
    }

    fn of_block(self, asked: &Value, mut block: Value, chain: &Chain) -> Value {
        let raw = &mut block["block_header"]["raw_data"];
        let number = raw["number"].as_u64().unwrap_or(0);
        let time_ms = raw["timestamp"].as_u64().unwrap_or(0);
        match self {
            Self::Genesis if number == 0 => {
                block["blockID"] = json!(format!("{:016x}{}", 0, "bad0".repeat(12)));
            }
            Self::BlockNumber => raw["number"] = json!(number + 1),
            Self::OtherBlock if asked["num"].is_u64() => {
                return block_json(chain.block(1).unwrap_or(chain.head()));
            }
            Self::FalseBlock | Self::FutureBlock => {
                block["blockID"] = json!(format!("{number:016x}{}", "f0".repeat(24)));
                if self == Self::FutureBlock {
                    block["block_header"]["raw_data"]["timestamp"] = json!(time_ms + 3_600_000);
                }
            }
            Self::OldBlock if asked["num"].is_null() => {
                raw["timestamp"] = json!(time_ms - 3_600_000);
            }
            // Just within what two clocks may differ.
            Self::PayTwice => raw["timestamp"] = json!(time_ms + 59_000),
            Self::Huge => raw["number"] = json!(1e300),
            _ => {}
        }
        block
    }

    fn of_account(self, asked: &Value, mut account: Value) -> Value {
        match self {
            Self::Balance => {
                account["address"] = asked["address"].clone();
                account["balance"] = json!(9_000_000_000_000_000_u64);
            }
            Self::NoAccount => return json!({}),
            Self::OtherAccount => {
                account["address"] = json!(Address::new([0x66; 20]).tron_hex());
                account["balance"] = json!(1);
            }
            Self::Huge => account["balance"] = json!(-1),
            _ => {}
        }
        account
    }

    fn of_call(self, mut call: Value) -> Value {
        match self {
            Self::TokenBalance => {
                call["constant_result"] = json!([hex(&wire::abi::uint_word(u128::MAX))]);
            }
            Self::OtherCall => {
                call["transaction"]["raw_data"]["contract"][0]["parameter"]["value"]["data"] =
                    json!("a9059cbb");
            }
            Self::Energy => call["energy_used"] = json!(50_000_000),
            Self::NoEnergy => call["energy_used"] = json!(0),
            Self::CallFails => {
                call["result"]["message"] = json!(hex(b"REVERT opcode executed"));
                call["transaction"]["ret"] = json!([{ "ret": "FAILED" }]);
                call["constant_result"] = json!([]);
            }
            Self::Huge => call["energy_used"] = json!(u64::MAX),
            _ => {}
        }
        call
    }

    fn of_prices(self, mut prices: Value) -> Value {
        let price = match self {
            Self::Prices => json!(100_000),
            Self::NoPrices => json!(0),
            Self::NegativePrice => json!(-100),
            Self::Huge => json!(u64::MAX),
            _ => return prices,
        };
        prices["chainParameter"][0]["value"] = price.clone();
        prices["chainParameter"][1]["value"] = price;
        prices
    }

    fn of_receipt(self, asked: &Value, mut receipt: Value, chain: &Chain) -> Value {
        let is_there = receipt["id"].is_string();
        match self {
            Self::NoReceipt | Self::PayTwice => return json!({}),
            Self::OtherReceipt => receipt["id"] = json!("ee".repeat(32)),
            Self::FalseReceipt if !is_there => {
                let solid = chain.solid();
                return json!({
                    "id": asked["value"], "fee": 1, "blockNumber": solid.number,
                    "blockTimeStamp": solid.time_ms, "receipt": { "result": "SUCCESS" },
                });
            }
            Self::FailureHidden if is_there => {
                receipt["receipt"]["result"] = json!("SUCCESS");
                receipt["result"] = Value::Null;
                receipt["contractResult"] = json!([]);
            }
            Self::SuccessHidden if is_there => {
                receipt["receipt"]["result"] = json!("REVERT");
                receipt["result"] = json!("FAILED");
            }
            Self::Fee if is_there => receipt["fee"] = json!(1),
            Self::Huge if is_there => receipt["fee"] = json!(-5),
            _ => {}
        }
        receipt
    }

    fn of_receipts(self, asked: &Value, mut receipts: Value, chain: &Chain) -> Value {
        let Some(all) = receipts.as_array_mut() else { return receipts };
        match self {
            Self::EventAmount => {
                for receipt in all {
                    if receipt["log"].is_array() {
                        receipt["log"][0]["data"] = json!(hex(&wire::abi::uint_word(1 << 100)));
                    }
                }
            }
            Self::NoEvents => all.clear(),
            Self::FalseEvent => {
                let event = chain
                    .final_carried()
                    .find(|carried| carried.event.is_some())
                    .map(|carried| receipt_json(chain.solid(), carried));
                all.extend(event.map(|mut receipt| {
                    receipt["blockNumber"] = asked["num"].clone();
                    receipt
                }));
            }
            Self::OtherEvents => {
                all.iter_mut().for_each(|receipt| receipt["blockNumber"] = json!(1));
            }
            _ => {}
        }
        receipts
    }

    fn of_broadcast(self, mut word: Value) -> Value {
        match self {
            Self::RefusedAndSent => {
                return json!({ "code": "SIGERROR", "message": hex(b"no, no") });
            }
            Self::OtherId => word["txid"] = json!("ee".repeat(32)),
            _ => {}
        }
        word
    }
}
