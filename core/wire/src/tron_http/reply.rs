//! What a TRON full node answers, decoded.

use serde_json::Value;

pub use crate::json_fields::{ReplyError, TEXT_CHARS_MAX};
use crate::json_fields::{array, array_of, bytes, bytes_of, list, parse, str_of, text, uint};

/// Most receipts that we take of one block: twice what blocks of the busiest days held.
pub const RECEIPTS_MAX: usize = 4096;

/// Most events that we take of one transaction: its energy would not pay for more.
pub const LOGS_MAX: usize = 4096;

/// Most chain parameters that we look at; nodes give about 90.
const PARAMETERS_MAX: usize = 1024;

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its id, whose first eight bytes are its number.
    pub id: [u8; 32],
    /// The id of the block before.
    pub parent: [u8; 32],
    /// Its number; the genesis block is 0.
    pub number: u64,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
}

/// An account's TRX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose. None: the account does not exist yet.
    pub address: Option<[u8; 20]>,
    /// In sun.
    pub balance: u64,
}

/// What an account may use without paying, and has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Bandwidth that everybody has, a day.
    pub free_net_limit: u64,
    /// Used of it.
    pub free_net_used: u64,
    /// Bandwidth by stake.
    pub net_limit: u64,
    /// Used of it.
    pub net_used: u64,
    /// Energy by stake.
    pub energy_limit: u64,
    /// Used of it.
    pub energy_used: u64,
}

/// Prices and rules of the chain that we need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainParameters {
    /// Sun for one energy.
    pub energy_price: u64,
    /// Sun for one byte of bandwidth.
    pub byte_price: u64,
    /// Sun to make an account by sending to it.
    pub account_fee: u64,
    /// Sun for the same instead of bandwidth.
    pub account_byte_fee: u64,
    /// Most sun that a transaction may allow for energy.
    pub fee_limit_max: u64,
}

/// What a reply says it is the answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Who calls.
    pub owner: [u8; 20],
    /// What is called.
    pub contract: Option<[u8; 20]>,
    /// With what.
    pub data: Vec<u8>,
}

/// The result of a call that was executed and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// What it used.
    pub energy_used: u64,
    /// The part of it that is a penalty of a popular contract.
    pub energy_penalty: u64,
    /// What it returned: values, or the reason of a revert.
    pub output: Vec<u8>,
    /// Set when it failed: the node's words.
    pub failure: Option<String>,
    /// The call that was executed, if the node says.
    pub echo: Option<Echo>,
}

/// What a node says to a transaction that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// The transaction's id, if the node names one.
    pub id: Option<[u8; 32]>,
    /// Taken, or why not.
    pub taken: Result<(), BroadcastRefusal>,
}

/// Why a transaction was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastRefusal {
    /// One of the node's codes, such as `DUP_TRANSACTION_ERROR`; printable.
    pub code: String,
    /// Its words, printable.
    pub text: String,
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
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub id: [u8; 32],
    /// The block that holds it.
    pub block_number: u64,
    /// That block's time, in milliseconds since 1970.
    pub block_time_ms: u64,
    /// Sun paid in all.
    pub fee: u64,
    /// Energy used in all, paid or by stake.
    pub energy_used: u64,
    /// Sun paid for energy.
    pub energy_fee: u64,
    /// Sun paid for bandwidth.
    pub net_fee: u64,
    /// Bandwidth that was not paid for.
    pub net_used: u64,
    /// The contract that was called or made.
    pub contract: Option<[u8; 20]>,
    /// What the call returned: values, or the reason of a revert.
    pub output: Vec<u8>,
    /// Set when it failed: the machine's code and the node's words, printable.
    pub failure: Option<String>,
    /// What happened in it.
    pub logs: Vec<Log>,
}

/// Reads a block. `{}` is none.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_block(body: &[u8]) -> Result<Option<Block>, ReplyError> {
    let value = object(body)?;
    if is_empty(&value) {
        return Ok(None);
    }
    let header = value.get("block_header").ok_or(ReplyError::Missing("block_header"))?;
    let raw = header.get("raw_data").ok_or(ReplyError::Missing("raw_data"))?;
    let id: [u8; 32] = array(&value, "blockID")?;
    let number = uint(raw, "number")?;
    let (first, _) = id.split_first_chunk::<8>().ok_or(ReplyError::Wrong("blockID"))?;
    if u64::from_be_bytes(*first) != number {
        return Err(ReplyError::Wrong("blockID"));
    }
    // The genesis block's parent may be left out.
    let parent = if number == 0 { [0; 32] } else { array(raw, "parentHash")? };
    Ok(Some(Block { id, parent, number, time_ms: uint(raw, "timestamp")? }))
}

/// Reads an account. `{}` is one that does not exist.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_account(body: &[u8]) -> Result<Account, ReplyError> {
    let value = object(body)?;
    if is_empty(&value) {
        return Ok(Account { address: None, balance: 0 });
    }
    let address = address(&value, "address")?.ok_or(ReplyError::Missing("address"))?;
    Ok(Account { address: Some(address), balance: uint(&value, "balance")? })
}

/// Reads an account's resources.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_resources(body: &[u8]) -> Result<Resources, ReplyError> {
    let value = object(body)?;
    Ok(Resources {
        free_net_limit: uint(&value, "freeNetLimit")?,
        free_net_used: uint(&value, "freeNetUsed")?,
        net_limit: uint(&value, "NetLimit")?,
        net_used: uint(&value, "NetUsed")?,
        energy_limit: uint(&value, "EnergyLimit")?,
        energy_used: uint(&value, "EnergyUsed")?,
    })
}

/// Reads the chain's parameters.
///
/// # Errors
/// What is wrong with the reply, a missing price included.
pub fn decode_chain_parameters(body: &[u8]) -> Result<ChainParameters, ReplyError> {
    let value = object(body)?;
    let all = list(&value, "chainParameter", PARAMETERS_MAX)?;
    let number = |key: &'static str| -> Result<Option<u64>, ReplyError> {
        let named = all.iter().find(|one| one.get("key").and_then(Value::as_str) == Some(key));
        named.map(|one| uint(one, "value").map_err(|_wrong| ReplyError::Wrong(key))).transpose()
    };
    let must = |key| number(key)?.ok_or(ReplyError::Missing(key));
    Ok(ChainParameters {
        energy_price: must("getEnergyFee")?,
        byte_price: must("getTransactionFee")?,
        account_fee: number("getCreateNewAccountFeeInSystemContract")?.unwrap_or(0),
        account_byte_fee: number("getCreateAccountFee")?.unwrap_or(0),
        fee_limit_max: number("getMaxFeeLimit")?.unwrap_or(0),
    })
}

/// Reads the result of a constant call.
///
/// # Errors
/// What is wrong with the reply; a call that the node would not execute is a refusal, one that it
/// executed and that failed is not an error.
pub fn decode_constant(body: &[u8]) -> Result<Constant, ReplyError> {
    let value = object(body)?;
    let result = result_of(&value)?;
    let message = message(result)?;
    if result.get("result") != Some(&Value::Bool(true)) {
        let code = text(str_of(result, "code")?);
        let text = if message.is_empty() { code } else { message };
        return Err(ReplyError::Refused { code: None, text, data: Vec::new() });
    }
    let output = match list(&value, "constant_result", 16)?.first() {
        None => Vec::new(),
        Some(first) => {
            first.as_str().and_then(bytes_of).ok_or(ReplyError::Wrong("constant_result"))?
        }
    };
    let transaction = value.get("transaction").unwrap_or(&Value::Null);
    let failed = list(transaction, "ret", 16)?.iter().any(|ret| {
        !matches!(ret.get("ret").and_then(Value::as_str), None | Some("SUCESS" | "SUCCESS"))
    });
    let failure = match (failed, message.is_empty()) {
        (_, false) => Some(message),
        (true, true) => Some("the call failed".to_owned()),
        (false, true) => None,
    };
    Ok(Constant {
        energy_used: uint(&value, "energy_used")?,
        energy_penalty: uint(&value, "energy_penalty")?,
        output,
        failure,
        echo: echo(transaction)?,
    })
}

/// Reads what a call needs, by the node's own estimate.
///
/// # Errors
/// What is wrong with the reply; nodes that don't estimate refuse.
pub fn decode_estimate(body: &[u8]) -> Result<u64, ReplyError> {
    let value = object(body)?;
    let result = result_of(&value)?;
    if result.get("result") != Some(&Value::Bool(true)) {
        return Err(ReplyError::Refused { code: None, text: message(result)?, data: Vec::new() });
    }
    if value.get("energy_required").is_none() {
        return Err(ReplyError::Missing("energy_required"));
    }
    uint(&value, "energy_required")
}

/// Reads what a node says to a transaction.
///
/// # Errors
/// What is wrong with the reply; a transaction not taken is not an error.
pub fn decode_broadcast(body: &[u8]) -> Result<Broadcast, ReplyError> {
    let value = object(body)?;
    let id = match str_of(&value, "txid")? {
        "" => None,
        digits => Some(array_of(digits).ok_or(ReplyError::Wrong("txid"))?),
    };
    let code = text(str_of(&value, "code")?);
    let is_taken = value.get("result") == Some(&Value::Bool(true));
    if is_taken && matches!(code.as_str(), "" | "SUCCESS") {
        return Ok(Broadcast { id, taken: Ok(()) });
    }
    if code.is_empty() {
        return Err(ReplyError::Missing("code"));
    }
    Ok(Broadcast { id, taken: Err(BroadcastRefusal { code, text: message(&value)? }) })
}

/// Whether a reply about a transaction holds one, and its id.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_is_known(body: &[u8]) -> Result<Option<[u8; 32]>, ReplyError> {
    let value = object(body)?;
    if is_empty(&value) {
        return Ok(None);
    }
    array(&value, "txID").map(Some)
}

/// Reads what became of a transaction. `{}` is none: not in a block yet.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_receipt(body: &[u8]) -> Result<Option<Receipt>, ReplyError> {
    let value = object(body)?;
    if is_empty(&value) { Ok(None) } else { receipt(&value).map(Some) }
}

/// Reads the receipts of a block.
///
/// # Errors
/// What is wrong with the reply.
pub fn decode_receipts(body: &[u8]) -> Result<Vec<Receipt>, ReplyError> {
    let value = parse(body)?;
    match &value {
        Value::Array(all) if all.len() <= RECEIPTS_MAX => all.iter().map(receipt).collect(),
        Value::Array(_) => Err(ReplyError::TooMany { field: "receipts", max: RECEIPTS_MAX }),
        Value::Object(_) => {
            refusal(&value)?;
            // Some nodes answer so for a block without transactions.
            if is_empty(&value) { Ok(Vec::new()) } else { Err(ReplyError::Wrong("receipts")) }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(ReplyError::Wrong("receipts"))
        }
    }
}

/// What came of a call.
fn result_of(value: &Value) -> Result<&Value, ReplyError> {
    let result = value.get("result").ok_or(ReplyError::Missing("result"))?;
    if result.is_object() { Ok(result) } else { Err(ReplyError::Wrong("result")) }
}

fn receipt(value: &Value) -> Result<Receipt, ReplyError> {
    let id = array(value, "id")?;
    let costs = value.get("receipt").unwrap_or(&Value::Null);
    let output = match list(value, "contractResult", 16)?.first() {
        None => Vec::new(),
        Some(first) => {
            first.as_str().and_then(bytes_of).ok_or(ReplyError::Wrong("contractResult"))?
        }
    };
    let logs = list(value, "log", LOGS_MAX)?.iter().map(log).collect::<Result<_, _>>()?;
    if value.get("blockNumber").is_none() {
        return Err(ReplyError::Missing("blockNumber"));
    }
    Ok(Receipt {
        id,
        block_number: uint(value, "blockNumber")?,
        block_time_ms: uint(value, "blockTimeStamp")?,
        fee: uint(value, "fee")?,
        energy_used: uint(costs, "energy_usage_total")?,
        energy_fee: uint(costs, "energy_fee")?,
        net_fee: uint(costs, "net_fee")?,
        net_used: uint(costs, "net_usage")?,
        contract: address(value, "contract_address")?,
        output,
        failure: failure(value, costs)?,
        logs,
    })
}

/// Why a transaction failed. A node says so in two places; either is enough.
fn failure(value: &Value, costs: &Value) -> Result<Option<String>, ReplyError> {
    let verdict = str_of(value, "result")?;
    let code = str_of(costs, "result")?;
    if matches!(verdict, "" | "SUCESS" | "SUCCESS") && matches!(code, "" | "DEFAULT" | "SUCCESS") {
        return Ok(None);
    }
    let words = match str_of(value, "resMessage")? {
        "" => String::new(),
        digits => {
            let words = bytes_of(digits).ok_or(ReplyError::Wrong("resMessage"))?;
            text(&String::from_utf8_lossy(&words))
        }
    };
    let code = text(if code.is_empty() || code == "SUCCESS" { verdict } else { code });
    Ok(Some(if words.is_empty() { code } else { format!("{code}: {words}") }))
}

fn log(value: &Value) -> Result<Log, ReplyError> {
    let contract =
        contract_of_log(str_of(value, "address")?).ok_or(ReplyError::Wrong("address"))?;
    let topics = list(value, "topics", 4)?
        .iter()
        .map(|topic| topic.as_str().and_then(array_of).ok_or(ReplyError::Wrong("topics")))
        .collect::<Result<_, _>>()?;
    Ok(Log { contract, topics, data: bytes(value, "data")? })
}

/// Twenty bytes; some nodes put `41` before them.
fn contract_of_log(digits: &str) -> Option<[u8; 20]> {
    array_of(digits).or_else(|| tron_address(digits))
}

fn echo(transaction: &Value) -> Result<Option<Echo>, ReplyError> {
    let raw = transaction.get("raw_data").unwrap_or(&Value::Null);
    let Some(contract) = list(raw, "contract", 16)?.first() else { return Ok(None) };
    let Some(value) = contract.get("parameter").and_then(|parameter| parameter.get("value")) else {
        return Ok(None);
    };
    // A deployment is told in another shape.
    let Some(owner) = address(value, "owner_address")? else { return Ok(None) };
    let called = address(value, "contract_address")?;
    Ok(Some(Echo { owner, contract: called, data: bytes(value, "data")? }))
}

/// An address of 21 bytes; absent or empty is none.
fn address(of: &Value, field: &'static str) -> Result<Option<[u8; 20]>, ReplyError> {
    match str_of(of, field)? {
        "" => Ok(None),
        digits => tron_address(digits).map(Some).ok_or(ReplyError::Wrong(field)),
    }
}

fn tron_address(digits: &str) -> Option<[u8; 20]> {
    let bytes: [u8; 21] = array_of(digits)?;
    let (first, rest) = bytes.split_first()?;
    if *first != 0x41 {
        return None;
    }
    rest.try_into().ok()
}

/// Words that come as text in hexadecimal digits, or plainly from some nodes.
fn message(of: &Value) -> Result<String, ReplyError> {
    let words = str_of(of, "message")?;
    let plain = bytes_of(words).and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text(plain.as_deref().unwrap_or(words)))
}

/// A reply that is an object and not a refusal.
fn object(body: &[u8]) -> Result<Value, ReplyError> {
    let value = parse(body)?;
    if !value.is_object() {
        return Err(ReplyError::NotJson);
    }
    refusal(&value)?;
    Ok(value)
}

fn refusal(value: &Value) -> Result<(), ReplyError> {
    match value.get("Error") {
        None | Some(Value::Null) => Ok(()),
        Some(why) => Err(ReplyError::Refused {
            code: None,
            text: text(why.as_str().unwrap_or("for no reason given")),
            data: Vec::new(),
        }),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}
