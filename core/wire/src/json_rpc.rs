//! Questions to an Ethereum-like node by JSON-RPC, and what it answers.
//!
//! Source: JSON-RPC 2.0; the Ethereum execution API (`eth_…`). Numbers are hexadecimal digits after
//! `0x`; those that don't fit 128 bits are refused, for no coin that we know comes near. `null` is
//! "not known". An answer to another question's id is refused.

use serde_json::{Value, json};

use crate::hex;
pub use crate::json_fields::{ReplyError, TEXT_CHARS_MAX};
use crate::json_fields::{array, array_of, bytes_of, list, parse, text};

/// Longest reply that we read, in bytes: [`LOGS_MAX`] events of common size.
pub const REPLY_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// Most events that we take in one answer. Nodes bound theirs at about 10,000.
pub const LOGS_MAX: usize = 16_384;

/// Which state is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// The newest block.
    Latest,
    /// With what waits for the next block.
    Pending,
    /// The newest block that can't be undone, where the chain has such.
    Finalized,
    /// The block of this number.
    Number(u64),
}

impl At {
    fn value(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Pending => json!("pending"),
            Self::Finalized => json!("finalized"),
            Self::Number(number) => json!(format!("{number:#x}")),
        }
    }
}

/// A call that is executed and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSpec {
    /// Who calls.
    pub from: [u8; 20],
    /// The contract; none: `data` is code to deploy.
    pub to: Option<[u8; 20]>,
    /// The chain's own coin sent along, in its smallest unit.
    pub value: u128,
    /// Selector and arguments.
    pub data: Vec<u8>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `eth_chainId`.
    ChainId,
    /// `eth_getBlockByNumber`, without the transactions.
    Block(At),
    /// `eth_getBalance`.
    Balance([u8; 20], At),
    /// `eth_getTransactionCount`.
    Nonce([u8; 20], At),
    /// `eth_call`.
    Call(CallSpec, At),
    /// `eth_estimateGas`.
    EstimateGas(CallSpec),
    /// `eth_gasPrice`.
    GasPrice,
    /// `eth_sendRawTransaction`.
    SendRaw(Vec<u8>),
    /// `eth_getTransactionReceipt`.
    Receipt([u8; 32]),
    /// `eth_getTransactionByHash`.
    Transaction([u8; 32]),
    /// `eth_getLogs` of one block, by its number.
    Logs {
        /// The block.
        number: u64,
        /// The contracts; at least one.
        contracts: Vec<[u8; 20]>,
    },
}

impl Request {
    fn method(&self) -> &'static str {
        match self {
            Self::ChainId => "eth_chainId",
            Self::Block(_) => "eth_getBlockByNumber",
            Self::Balance(..) => "eth_getBalance",
            Self::Nonce(..) => "eth_getTransactionCount",
            Self::Call(..) => "eth_call",
            Self::EstimateGas(_) => "eth_estimateGas",
            Self::GasPrice => "eth_gasPrice",
            Self::SendRaw(_) => "eth_sendRawTransaction",
            Self::Receipt(_) => "eth_getTransactionReceipt",
            Self::Transaction(_) => "eth_getTransactionByHash",
            Self::Logs { .. } => "eth_getLogs",
        }
    }

    fn params(&self) -> Value {
        match self {
            Self::ChainId | Self::GasPrice => json!([]),
            Self::Block(at) => json!([at.value(), false]),
            Self::Balance(address, at) | Self::Nonce(address, at) => {
                json!([prefixed(address), at.value()])
            }
            Self::Call(call, at) => json!([call_value(call), at.value()]),
            Self::EstimateGas(call) => json!([call_value(call)]),
            Self::SendRaw(bytes) => json!([prefixed(bytes)]),
            Self::Receipt(id) | Self::Transaction(id) => json!([prefixed(id)]),
            Self::Logs { number, contracts } => {
                let at = At::Number(*number).value();
                let contracts: Vec<String> = contracts.iter().map(|one| prefixed(one)).collect();
                json!([{ "fromBlock": at, "toBlock": at, "address": contracts }])
            }
        }
    }

    /// The JSON to send; `id` comes back with the answer, as far as [`ID_MAX`] goes.
    pub fn body(&self, id: u64) -> Vec<u8> {
        json!({ "jsonrpc": "2.0", "id": id & ID_MAX, "method": self.method(), "params": self.params() })
            .to_string()
            .into_bytes()
    }
}

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its hash.
    pub id: [u8; 32],
    /// The hash of the block before.
    pub parent: [u8; 32],
    /// Its number.
    pub number: u64,
    /// When it was made, in seconds since 1970.
    pub time_s: u64,
    /// Price of gas in it that is burnt, if the chain has such (EIP-1559).
    pub base_fee: Option<u128>,
}

/// An event of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub contract: [u8; 20],
    /// Its name by hash, and what is indexed.
    pub topics: Vec<[u8; 32]>,
    /// The rest.
    pub data: Vec<u8>,
    /// The block.
    pub block_number: u64,
    /// The block's hash.
    pub block_id: [u8; 32],
    /// The transaction.
    pub transaction: [u8; 32],
    /// Its place in the block.
    pub index: u64,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub id: [u8; 32],
    /// The block that holds it.
    pub block_number: u64,
    /// The block's hash.
    pub block_id: [u8; 32],
    /// Who sent it.
    pub from: [u8; 20],
    /// Gas used.
    pub gas_used: u64,
    /// What was paid for each.
    pub gas_price: u128,
    /// The contract that was made.
    pub contract: Option<[u8; 20]>,
    /// It did what it was meant to; else it cost its gas for nothing.
    pub succeeded: bool,
    /// What happened in it.
    pub logs: Vec<Log>,
}

/// What of an id is sent: nodes written in JavaScript read it as a float and round the rest away.
const ID_MAX: u64 = (1 << 53) - 1;

/// The `result` of an answer to the question with this `id`.
fn result(body: &[u8], id: u64) -> Result<Value, ReplyError> {
    let mut value = parse(body)?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(refusal(error));
    }
    if value.get("id").and_then(Value::as_u64) != Some(id & ID_MAX) {
        return Err(ReplyError::Wrong("id"));
    }
    value.get_mut("result").map(Value::take).ok_or(ReplyError::Missing("result"))
}

fn refusal(error: &Value) -> ReplyError {
    // Nodes disagree on where the returned bytes are; these are the common places.
    let data = error.get("data");
    let data = data.and_then(|data| data.as_str().or_else(|| data.get("data")?.as_str()));
    ReplyError::Refused {
        code: error.get("code").and_then(Value::as_i64),
        text: text(error.get("message").and_then(Value::as_str).unwrap_or("no reason given")),
        data: data.and_then(bytes_of).unwrap_or_default(),
    }
}

/// Reads a number: a chain id, a balance, a nonce, an amount or a price of gas.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_number(body: &[u8], id: u64) -> Result<u128, ReplyError> {
    quantity_of(&result(body, id)?).ok_or(ReplyError::Wrong("result"))
}

/// Reads what a call returned.
///
/// # Errors
/// What is wrong with the reply; a revert is a refusal with its data.
pub fn decode_bytes(body: &[u8], id: u64) -> Result<Vec<u8>, ReplyError> {
    let value = result(body, id)?;
    value.as_str().and_then(prefixed_bytes).ok_or(ReplyError::Wrong("result"))
}

/// Reads the hash that a node gives a transaction that it takes.
///
/// # Errors
/// What is wrong with the reply; a transaction not taken is a refusal.
pub fn decode_sent(body: &[u8], id: u64) -> Result<[u8; 32], ReplyError> {
    let value = result(body, id)?;
    value.as_str().and_then(array_of).ok_or(ReplyError::Wrong("result"))
}

/// Reads a block. `null` is none.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_block(body: &[u8], id: u64) -> Result<Option<Block>, ReplyError> {
    let value = result(body, id)?;
    if value.is_null() {
        return Ok(None);
    }
    let base_fee = match value.get("baseFeePerGas") {
        None | Some(Value::Null) => None,
        Some(fee) => Some(quantity_of(fee).ok_or(ReplyError::Wrong("baseFeePerGas"))?),
    };
    Ok(Some(Block {
        id: array(&value, "hash")?,
        parent: array(&value, "parentHash")?,
        number: small(&value, "number")?,
        time_s: small(&value, "timestamp")?,
        base_fee,
    }))
}

/// Whether a transaction is known, in a block or waiting, and its id. `null` is none.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_is_known(body: &[u8], id: u64) -> Result<Option<[u8; 32]>, ReplyError> {
    let value = result(body, id)?;
    if value.is_null() { Ok(None) } else { array(&value, "hash").map(Some) }
}

/// Reads what became of a transaction. `null` is none: not in a block yet.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_receipt(body: &[u8], id: u64) -> Result<Option<Receipt>, ReplyError> {
    let value = result(body, id)?;
    if value.is_null() {
        return Ok(None);
    }
    let contract = match value.get("contractAddress") {
        None | Some(Value::Null) => None,
        Some(_) => Some(array(&value, "contractAddress")?),
    };
    let status = small(&value, "status")?;
    if status > 1 {
        return Err(ReplyError::Wrong("status"));
    }
    Ok(Some(Receipt {
        id: array(&value, "transactionHash")?,
        block_number: small(&value, "blockNumber")?,
        block_id: array(&value, "blockHash")?,
        from: array(&value, "from")?,
        gas_used: small(&value, "gasUsed")?,
        gas_price: quantity(&value, "effectiveGasPrice")?,
        contract,
        succeeded: status == 1,
        logs: logs(&value, "logs")?,
    }))
}

/// Reads events.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_logs(body: &[u8], id: u64) -> Result<Vec<Log>, ReplyError> {
    logs(&json!({ "result": result(body, id)? }), "result")
}

fn logs(of: &Value, field: &'static str) -> Result<Vec<Log>, ReplyError> {
    list(of, field, LOGS_MAX)?.iter().map(log).collect()
}

fn log(value: &Value) -> Result<Log, ReplyError> {
    let topics = list(value, "topics", 4)?
        .iter()
        .map(|topic| topic.as_str().and_then(array_of).ok_or(ReplyError::Wrong("topics")))
        .collect::<Result<_, _>>()?;
    let data = value.get("data").and_then(Value::as_str).and_then(prefixed_bytes);
    Ok(Log {
        contract: array(value, "address")?,
        topics,
        data: data.ok_or(ReplyError::Wrong("data"))?,
        block_number: small(value, "blockNumber")?,
        block_id: array(value, "blockHash")?,
        transaction: array(value, "transactionHash")?,
        index: small(value, "logIndex")?,
    })
}

fn quantity(of: &Value, field: &'static str) -> Result<u128, ReplyError> {
    let value = of.get(field).ok_or(ReplyError::Missing(field))?;
    quantity_of(value).ok_or(ReplyError::Wrong(field))
}

fn small(of: &Value, field: &'static str) -> Result<u64, ReplyError> {
    u64::try_from(quantity(of, field)?).map_err(|_large| ReplyError::Wrong(field))
}

fn quantity_of(value: &Value) -> Option<u128> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if all_digits { u128::from_str_radix(digits, 16).ok() } else { None }
}

fn prefixed(bytes: &[u8]) -> String {
    format!("0x{}", hex(bytes))
}

fn prefixed_bytes(digits: &str) -> Option<Vec<u8>> {
    digits.strip_prefix("0x").and_then(bytes_of)
}

fn call_value(call: &CallSpec) -> Value {
    let mut value = json!({
        "from": prefixed(&call.from),
        "value": format!("{:#x}", call.value),
        "data": prefixed(&call.data),
    });
    if let (Some(to), Some(fields)) = (call.to, value.as_object_mut()) {
        fields.insert("to".to_owned(), Value::String(prefixed(&to)));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_as_nodes_read_them() {
        let text = |request: Request| String::from_utf8(request.body(7)).unwrap();
        assert_eq!(
            text(Request::Balance([0xab; 20], At::Number(16))),
            format!(
                r#"{{"id":7,"jsonrpc":"2.0","method":"eth_getBalance","params":["0x{}","0x10"]}}"#,
                "ab".repeat(20)
            )
        );
        let call = CallSpec { from: [1; 20], to: None, value: 0, data: vec![1, 2] };
        let asked = text(Request::EstimateGas(call));
        assert!(asked.contains(r#""data":"0x0102""#) && !asked.contains("\"to\""), "{asked}");
    }

    fn answer(result: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).into_bytes()
    }

    #[test]
    fn numbers_by_table() {
        for (text, expected) in [
            (r#""0x0""#, Some(0)),
            (r#""0xC7""#, Some(199)),
            (r#""0xffffffffffffffffffffffffffffffff""#, Some(u128::MAX)),
            (r#""0x1ffffffffffffffffffffffffffffffff""#, None),
            (r#""0x""#, None),
            (r#""0x+1""#, None),
            (r#""12""#, None),
            ("12", None),
            ("null", None),
        ] {
            let expected = expected.ok_or(ReplyError::Wrong("result"));
            assert_eq!(decode_number(&answer(text), 1), expected, "{text}");
        }
    }

    #[test]
    fn the_answer_to_another_question_is_refused() {
        assert_eq!(decode_number(&answer(r#""0x1""#), 2), Err(ReplyError::Wrong("id")));
        assert_eq!(decode_number(b"{", 2), Err(ReplyError::NotJson));
        assert_eq!(decode_number(br#"{"id":2}"#, 2), Err(ReplyError::Missing("result")));
    }

    /// Found by hardhat, which answered for 2594073385365406000 when 2594073385365405697 asked.
    #[test]
    fn a_node_that_reads_ids_as_floats_still_answers_for_the_question_that_was_asked() {
        let id = 0x2400_0000_0000_0001;
        let body: Value = serde_json::from_slice(&Request::ChainId.body(id)).unwrap();
        assert_eq!(body["id"], json!(1));
        assert_eq!(decode_number(&answer(r#""0x1""#), id), Ok(1));
    }

    #[test]
    fn a_revert_keeps_its_data() {
        let body =
            br#"{"id":1,"error":{"code":3,"message":"execution reverted\n","data":"0x08c379a0"}}"#;
        let expected = ReplyError::Refused {
            code: Some(3),
            text: "execution reverted".to_owned(),
            data: vec![0x08, 0xc3, 0x79, 0xa0],
        };
        assert_eq!(decode_bytes(body, 1), Err(expected));
    }

    #[test]
    fn a_receipt_says_whether_it_succeeded() {
        let receipt = |status: &str| {
            let (hash, address) = ("ab".repeat(32), "cd".repeat(20));
            answer(&format!(
                r#"{{"transactionHash":"0x{hash}","blockNumber":"0x10","blockHash":"0x{hash}",
                "from":"0x{address}","gasUsed":"0x5208","effectiveGasPrice":"0x1",
                "contractAddress":null,"status":"{status}","logs":[]}}"#
            ))
        };
        assert!(decode_receipt(&receipt("0x1"), 1).unwrap().unwrap().succeeded);
        assert!(!decode_receipt(&receipt("0x0"), 1).unwrap().unwrap().succeeded);
        assert_eq!(decode_receipt(&receipt("0x2"), 1), Err(ReplyError::Wrong("status")));
        assert_eq!(decode_receipt(&answer("null"), 1), Ok(None));
    }
}
