//! Ethereum's JSON-RPC as a TRON full node answers it at `/jsonrpc`.
//!
//! Source: java-tron's service of that name. Like there, addresses have 20 bytes, state is only known
//! as of the newest block, gas is energy, and transactions are not taken: they have another form.

use serde_json::{Map, Value, json};

use super::abi::revert_reason;
use super::contracts::call as run;
use super::parameters::CODE_VERSION;
use super::params::{address_in, sun};
use super::proto_json::{Form, hex, to_json, unhex};
use super::schema::TRANSACTION;
use crate::block::{Block, BlockRef};
use crate::call::{CallRequest, CallTarget};
use crate::chain::Chain;
use crate::receipt::{ContractResult, LogFilter, LogRecord, Receipt};
use crate::state::View;
use ledger::{Address, BlockId, TxId};

/// Most calls in one request.
pub(super) const BATCH_MAX: usize = 100;
/// Most events that one call gives.
const LOGS_MAX: usize = 10_000;
/// Widest range of blocks that events are asked of.
const BLOCKS_MAX: u64 = 5_000;
/// What energy costs, in sun.
const ENERGY_PRICE: u64 = 100;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RpcError {
    code: i32,
    message: String,
    data: String,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: "{}".into() }
    }

    fn params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    fn request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    fn internal(message: impl Into<String>) -> Self {
        Self::new(-32000, message)
    }

    fn no_method(name: &str) -> Self {
        Self::new(-32601, format!("the method {name} does not exist/is not available"))
    }
}

impl From<crate::refusal::ChainError> for RpcError {
    fn from(error: crate::refusal::ChainError) -> Self {
        Self::internal(error.to_string())
    }
}

type Answer = Result<Value, RpcError>;

/// The answer to a batch of none or too many calls.
pub(super) fn batch_of_wrong_size() -> Value {
    let error = RpcError::request(format!("1 to {BATCH_MAX} calls in a batch"));
    failed(&Value::Null, &error)
}

/// The answer to a body that is no JSON.
pub(super) fn not_json() -> Value {
    failed(&Value::Null, &RpcError::new(-32700, "JSON parse error"))
}

fn failed(id: &Value, error: &RpcError) -> Value {
    let RpcError { code, message, data } = error;
    let error = json!({ "code": code, "message": message, "data": data });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

/// Answers one call.
pub(super) fn one(chain: &mut Chain, request: &Value, view: View) -> Value {
    let id = request.get("id").cloned().unwrap_or_default();
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        return failed(&id, &RpcError::request("invalid request"));
    };
    let params = match request.get("params").filter(|params| !params.is_null()) {
        None => &[][..],
        Some(params) => match params.as_array() {
            Some(params) => params.as_slice(),
            None => return failed(&id, &RpcError::params("params are to be a list")),
        },
    };
    match answered(chain, method, params, view) {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => failed(&id, &error),
    }
}

fn answered(chain: &mut Chain, method: &str, params: &[Value], view: View) -> Answer {
    let at = |index: usize| params.get(index).unwrap_or(&Value::Null);
    match method {
        "web3_clientVersion" => Ok(format!("TRON/v{CODE_VERSION}/shoal-devchain").into()),
        "web3_sha3" => Ok(data(&keys::keccak256(&bytes(at(0), "invalid input value")?))),
        "net_version" | "eth_chainId" => Ok(format!("0x{:x}", chain.genesis().chain_id).into()),
        "net_listening" | "eth_mining" => Ok(true.into()),
        "eth_syncing" => Ok(false.into()),
        "eth_gasPrice" => Ok(quantity(ENERGY_PRICE)),
        "net_peerCount"
        | "eth_hashrate"
        | "eth_getUncleCountByBlockHash"
        | "eth_getUncleCountByBlockNumber" => Ok("0x0".into()),
        "eth_getUncleByBlockHashAndIndex" | "eth_getUncleByBlockNumberAndIndex" => Ok(Value::Null),
        "eth_accounts" => Ok(json!([])),
        "eth_coinbase" => Ok(data(chain.genesis().witness.bytes())),
        "eth_call" => call(chain, params, view),
        "eth_estimateGas" => estimate(chain, at(0), view),
        "eth_getLogs" => logs(chain, at(0), view),
        "eth_getTransactionReceipt" => receipt(chain, TxId(hash(at(0))?), view),
        "eth_getBalance" | "eth_getCode" | "eth_getStorageAt" => state(chain, method, params, view),
        other => chain_data(chain, other, params, view),
    }
}

/// Methods about accounts.
fn state(chain: &Chain, method: &str, params: &[Value], view: View) -> Answer {
    let at = |index: usize| params.get(index).unwrap_or(&Value::Null);
    only_latest(at(if method == "eth_getStorageAt" { 2 } else { 1 }))?;
    let address = address(at(0))?;
    match method {
        "eth_getBalance" => {
            let account = chain.account(address, view)?;
            Ok(quantity(account.map_or(0, |account| account.balance.0)))
        }
        "eth_getCode" => {
            let contract = chain.contract_at(address, view)?;
            Ok(data(&contract.map(|contract| contract.runtime).unwrap_or_default()))
        }
        _storage => {
            let slot = word(at(1), "invalid storage index")?;
            Ok(data(&chain.storage(address, slot, view)?))
        }
    }
}

/// Methods about blocks and the transactions in them.
fn chain_data(chain: &Chain, method: &str, params: &[Value], view: View) -> Answer {
    let at = |index: usize| params.get(index).unwrap_or(&Value::Null);
    let by_hash = || Ok::<_, RpcError>(BlockRef::Id(BlockId(hash(at(0))?)));
    let count = |block: Option<Block>| {
        block.map_or(Value::Null, |block| quantity(block.transactions.len() as u64))
    };
    let full = at(1) == &Value::Bool(true);
    match method {
        "eth_protocolVersion" => {
            let head = chain.block(BlockRef::Head)?;
            Ok(head.map_or(Value::Null, |head| quantity(head.version.into())))
        }
        "eth_blockNumber" => Ok(quantity(newest(chain, view))),
        "eth_getBlockByNumber" => block(chain, seen(chain, tag(chain, at(0), view)?, view)?, full),
        "eth_getBlockByHash" => block(chain, seen(chain, by_hash()?, view)?, full),
        "eth_getBlockTransactionCountByNumber" => {
            Ok(count(seen(chain, tag(chain, at(0), view)?, view)?))
        }
        "eth_getBlockTransactionCountByHash" => Ok(count(seen(chain, by_hash()?, view)?)),
        "eth_getTransactionByHash" => transaction_by_id(chain, TxId(hash(at(0))?), view),
        "eth_getTransactionByBlockNumberAndIndex" => {
            transaction_in(chain, seen(chain, tag(chain, at(0), view)?, view)?, at(1))
        }
        "eth_getTransactionByBlockHashAndIndex" => {
            transaction_in(chain, seen(chain, by_hash()?, view)?, at(1))
        }
        other => Err(RpcError::no_method(other)),
    }
}

fn quantity(number: u64) -> Value {
    format!("0x{number:x}").into()
}

fn data(bytes: &[u8]) -> Value {
    format!("0x{}", hex(bytes)).into()
}

fn bytes(value: &Value, wrong: &str) -> Result<Vec<u8>, RpcError> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let bytes = value.as_str().and_then(|text| unhex(text).ok());
    bytes.ok_or_else(|| RpcError::params(wrong))
}

fn hash(value: &Value) -> Result<[u8; 32], RpcError> {
    let bytes = bytes(value, "invalid hash value")?;
    bytes.try_into().map_err(|_length| RpcError::params("invalid hash value"))
}

/// A number of at most 32 bytes as a word.
fn word(value: &Value, wrong: &str) -> Result<[u8; 32], RpcError> {
    let bytes = bytes(value, wrong)?;
    let mut word = [0; 32];
    let start = 32_usize.checked_sub(bytes.len()).ok_or_else(|| RpcError::params(wrong))?;
    word[start..].copy_from_slice(&bytes);
    Ok(word)
}

/// An address of 20 bytes, or of TRON's 21.
fn address(value: &Value) -> Result<Address, RpcError> {
    let bytes = bytes(value, "invalid address hash value")?;
    match <[u8; 20]>::try_from(bytes.as_slice()) {
        Ok(address) => Ok(Address::new(address)),
        Err(_length) => {
            address_in(&bytes).ok_or_else(|| RpcError::params("invalid address hash value"))
        }
    }
}

fn number(value: &Value) -> Result<u64, RpcError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| RpcError::params("invalid block number"))
}

/// State is known as of the newest block alone.
fn only_latest(tag: &Value) -> Result<(), RpcError> {
    match tag.as_str() {
        None if tag.is_null() => Ok(()),
        Some(text) if text.eq_ignore_ascii_case("latest") => Ok(()),
        Some("earliest" | "pending" | "finalized") => {
            Err(RpcError::params("TAG [earliest | pending | finalized] not supported"))
        }
        _ => {
            number(tag)?;
            Err(RpcError::params("QUANTITY not supported, just support TAG as latest"))
        }
    }
}

/// The number of a view's newest block.
fn newest(chain: &Chain, view: View) -> u64 {
    match view {
        View::Head => chain.head().number(),
        View::Solid => chain.solid().number(),
    }
}

/// A block, if the view has it.
fn seen(chain: &Chain, which: BlockRef, view: View) -> Result<Option<Block>, RpcError> {
    let last = newest(chain, view);
    Ok(chain.block(which)?.filter(|block| block.number <= last))
}

/// The block that a number or tag names.
fn tag(chain: &Chain, value: &Value, view: View) -> Result<BlockRef, RpcError> {
    match value.as_str() {
        Some("latest") => Ok(match view {
            View::Head => BlockRef::Head,
            View::Solid => BlockRef::Solid,
        }),
        Some("earliest") => Ok(BlockRef::Number(0)),
        Some("finalized") => Ok(BlockRef::Number(chain.solid().number())),
        Some("pending") => Err(RpcError::params("TAG pending not supported")),
        _ => number(value).map(BlockRef::Number),
    }
}

/// What a call is of: its sender, what it runs, and the TRX it sends.
fn request(arguments: &Value) -> Result<CallRequest, RpcError> {
    let Some(object) = arguments.as_object() else {
        return Err(RpcError::request("invalid json request"));
    };
    let given = |name: &str| object.get(name).filter(|value| !value.is_null());
    let owner = given("from").map_or(Ok(Address::new([0; 20])), address)?;
    // Newer callers say `input`.
    let code = given("data").or(given("input")).unwrap_or(&Value::Null);
    let code = bytes(code, "invalid data")?;
    let value = given("value").map_or(Ok(0), |value| {
        number(value).map_err(|_number| RpcError::params("invalid param value: invalid hex number"))
    })?;
    let target = match given("to") {
        Some(to) => CallTarget::Contract(address(to)?, code),
        None if code.is_empty() => return Err(RpcError::request("invalid json request")),
        None => CallTarget::Deploy(code),
    };
    let call_value = sun(value).ok_or_else(|| RpcError::params("invalid param value"))?;
    Ok(CallRequest { owner, target, call_value })
}

/// What a call returns, and the energy it used.
fn execute(
    chain: &mut Chain,
    request: &CallRequest,
    view: View,
) -> Result<(Vec<u8>, u64), RpcError> {
    let outcome = match run(chain, request, view) {
        Ok(Ok(outcome)) => outcome,
        Err(fault) if fault.is_contract() => return Err(RpcError::request(fault.message())),
        Ok(Err(fault)) | Err(fault) => {
            return Err(RpcError::internal(fault.message().replace('"', "'")));
        }
    };
    if !outcome.result.failed() {
        return Ok((outcome.output, outcome.energy_used));
    }
    let reason = revert_reason(&outcome.output).map(|reason| format!(": {reason}"));
    let message = format!("{}{}", outcome.message, reason.unwrap_or_default());
    Err(RpcError { data: format!("0x{}", hex(&outcome.output)), ..RpcError::internal(message) })
}

fn call(chain: &mut Chain, params: &[Value], view: View) -> Answer {
    let which = params.get(1).unwrap_or(&Value::Null);
    if which.is_object() {
        // By EIP-1898: a block that exists, though only the newest state is known.
        let found = match (which.get("blockNumber"), which.get("blockHash")) {
            (Some(number), _) => tag(chain, number, view)?,
            (None, Some(id)) => BlockRef::Id(BlockId(hash(id)?)),
            (None, None) => return Err(RpcError::request("invalid json request")),
        };
        if seen(chain, found, view)?.is_none() {
            return Err(RpcError::internal("header not found"));
        }
    } else {
        only_latest(which)?;
    }
    let request = request(params.first().unwrap_or(&Value::Null))?;
    Ok(data(&execute(chain, &request, view)?.0))
}

fn estimate(chain: &mut Chain, arguments: &Value, view: View) -> Answer {
    let request = request(arguments)?;
    if let CallTarget::Contract(to, _) = &request.target
        && chain.contract_at(*to, view)?.is_none()
    {
        // A transfer takes no energy.
        return Ok("0x0".into());
    }
    Ok(quantity(execute(chain, &request, view)?.1))
}

fn block(chain: &Chain, block: Option<Block>, full: bool) -> Answer {
    let Some(block) = block else { return Ok(Value::Null) };
    let mut limit = 0_u64;
    let mut transactions = Vec::with_capacity(block.transactions.len());
    for (index, id) in block.transactions.iter().enumerate() {
        let Some(told) = transaction(chain, *id, Some((&block, index as u64)))? else { continue };
        limit = limit.saturating_add(told.fee_limit);
        transactions.push(if full { told.value } else { data(&id.0) });
    }
    let zeros = |count: usize| data(&vec![0; count]);
    Ok(json!({
        "number": quantity(block.number),
        "hash": data(&block.id.0),
        "parentHash": data(&block.parent.0),
        "nonce": zeros(8),
        "sha3Uncles": zeros(32),
        "logsBloom": zeros(256),
        "transactionsRoot": data(&block.transactions_root),
        "stateRoot": "0x",
        "receiptsRoot": zeros(32),
        "miner": if block.number == 0 { zeros(20) } else { data(block.witness.bytes()) },
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": "0x",
        "size": quantity(block.size_bytes),
        "gasLimit": quantity(limit),
        "gasUsed": quantity(block.energy_used),
        "timestamp": quantity(block.timestamp_ms / 1000),
        "transactions": transactions,
        "uncles": [],
        "baseFeePerGas": "0x0",
        "mixHash": zeros(32),
    }))
}

/// A transaction in Ethereum's words.
#[derive(Debug)]
struct Told {
    value: Value,
    fee_limit: u64,
}

/// The parts of a transaction that Ethereum has words for.
#[derive(Debug, Default)]
struct Parts {
    from: Value,
    to: Value,
    value: u64,
    input: String,
    fee_limit: u64,
    signature: Vec<u8>,
}

fn parts(bytes: &[u8]) -> Parts {
    let shown = to_json(&TRANSACTION, bytes, Form::default()).unwrap_or_default();
    let payload = &shown["raw_data"]["contract"][0]["parameter"]["value"];
    let party = |name: &str| match payload[name].as_str().and_then(|text| text.get(2..)) {
        Some(twenty) => format!("0x{twenty}").into(),
        None => Value::Null,
    };
    let to = party("to_address");
    let to = if to.is_null() { party("contract_address") } else { to };
    let value = payload["amount"].as_u64().or(payload["call_value"].as_u64());
    Parts {
        from: party("owner_address"),
        to,
        value: value.or(payload["new_contract"]["call_value"].as_u64()).unwrap_or(0),
        input: payload["data"].as_str().unwrap_or_default().to_owned(),
        fee_limit: shown["raw_data"]["fee_limit"].as_u64().unwrap_or(0),
        signature: shown["signature"][0]
            .as_str()
            .and_then(|text| unhex(text).ok())
            .unwrap_or_default(),
    }
}

fn transaction(
    chain: &Chain,
    id: TxId,
    place: Option<(&Block, u64)>,
) -> Result<Option<Told>, RpcError> {
    let Some(stored) = chain.transaction(id, View::Head)? else { return Ok(None) };
    let parts = parts(&stored.bytes);
    let energy = chain.receipt(id, View::Head)?.map_or(0, |receipt| receipt.energy_usage_total);
    let part = |range: std::ops::Range<usize>| data(parts.signature.get(range).unwrap_or(&[0; 32]));
    let parity = match parts.signature.get(64) {
        None => 0,
        Some(&parity) if parity < 27 => parity + 27,
        Some(&parity) => parity,
    };
    let (block_hash, block_number, index) = match place {
        Some((block, index)) => (data(&block.id.0), quantity(block.number), quantity(index)),
        None => ("0x".into(), "0x".into(), "0x".into()),
    };
    let value = json!({
        "hash": data(&id.0),
        "nonce": data(&[0; 8]),
        "blockHash": block_hash,
        "blockNumber": block_number,
        "transactionIndex": index,
        "from": parts.from,
        "to": parts.to,
        "gas": quantity(energy),
        "gasPrice": quantity(ENERGY_PRICE),
        "value": quantity(parts.value),
        "input": format!("0x{}", parts.input),
        "type": "0x0",
        "v": data(&[parity]),
        "r": part(0..32),
        "s": part(32..64),
    });
    Ok(Some(Told { value, fee_limit: parts.fee_limit }))
}

fn transaction_by_id(chain: &Chain, id: TxId, view: View) -> Answer {
    let Some(stored) = chain.transaction(id, view)? else { return Ok(Value::Null) };
    let block = match stored.place {
        Some((number, _)) => chain.block(BlockRef::Number(number))?,
        None => None,
    };
    let place = block.as_ref().zip(stored.place).map(|(block, (_, index))| (block, index.into()));
    Ok(transaction(chain, id, place)?.map_or(Value::Null, |told| told.value))
}

fn transaction_in(chain: &Chain, block: Option<Block>, index: &Value) -> Answer {
    let index = number(index).map_err(|_number| RpcError::params("invalid index value"))?;
    let Some(block) = block else { return Ok(Value::Null) };
    let id = usize::try_from(index).ok().and_then(|index| block.transactions.get(index).copied());
    let Some(id) = id else { return Ok(Value::Null) };
    Ok(transaction(chain, id, Some((&block, index)))?.map_or(Value::Null, |told| told.value))
}

fn receipt(chain: &Chain, id: TxId, view: View) -> Answer {
    let Some(receipt) = chain.receipt(id, view)? else { return Ok(Value::Null) };
    let Some(block) = chain.block(BlockRef::Number(receipt.block_number))? else {
        return Ok(Value::Null);
    };
    let (index, energy_before, logs_before) = chain.before_in_block(id)?.unwrap_or_default();
    let cumulative = energy_before.saturating_add(receipt.energy_usage_total);
    let parts = chain.transaction(id, View::Head)?.map(|stored| parts(&stored.bytes));
    let parts = parts.unwrap_or_default();
    let place = Map::from_iter([
        ("blockHash".to_owned(), data(&block.id.0)),
        ("blockNumber".to_owned(), quantity(block.number)),
        ("transactionHash".to_owned(), data(&id.0)),
        ("transactionIndex".to_owned(), quantity(index.into())),
    ]);
    let logs = receipt.logs.iter().zip(logs_before..).map(|(log, index)| {
        let mut entry = place.clone();
        entry.insert("logIndex".into(), quantity(index));
        entry.insert("address".into(), data(log.address.bytes()));
        entry.insert("topics".into(), log.topics.iter().map(|topic| data(topic)).collect());
        entry.insert("data".into(), data(&log.data));
        entry.insert("removed".into(), false.into());
        Value::Object(entry)
    });
    let logs: Vec<Value> = logs.collect();
    let made = parts.to.is_null().then_some(receipt.contract).flatten();
    let mut told = place.clone();
    told.extend(receipt_parts(&receipt, cumulative));
    told.insert("from".into(), parts.from);
    told.insert("to".into(), parts.to);
    told.insert("contractAddress".into(), made.map_or(Value::Null, |made| data(made.bytes())));
    told.insert("logs".into(), logs.into());
    Ok(Value::Object(told))
}

fn receipt_parts(receipt: &Receipt, cumulative: u64) -> [(String, Value); 6] {
    let good = matches!(receipt.result, ContractResult::Default | ContractResult::Success);
    [
        ("cumulativeGasUsed".to_owned(), quantity(cumulative)),
        ("gasUsed".to_owned(), quantity(receipt.energy_usage_total)),
        ("effectiveGasPrice".to_owned(), quantity(ENERGY_PRICE)),
        ("status".to_owned(), if good { "0x1" } else { "0x0" }.into()),
        ("logsBloom".to_owned(), data(&[0; 256])),
        ("type".to_owned(), "0x0".into()),
    ]
}

fn logs(chain: &Chain, filter: &Value, view: View) -> Answer {
    let filter = log_filter(chain, filter, view)?;
    let found = chain.logs(&filter, LOGS_MAX)?;
    if found.stopped_at.is_some() {
        let message = if found.records.len() >= LOGS_MAX {
            format!("query returned more than {LOGS_MAX} results")
        } else {
            "too many events in these blocks to look through: ask for fewer blocks".to_owned()
        };
        return Err(RpcError::new(-32005, message));
    }
    Ok(found.records.iter().map(log_json).collect())
}

fn log_filter(chain: &Chain, filter: &Value, view: View) -> Result<LogFilter, RpcError> {
    let head = newest(chain, view);
    let given = |name: &str| filter.get(name).filter(|value| !value.is_null());
    let end = |name: &str| -> Result<Option<u64>, RpcError> {
        match given(name) {
            None => Ok(None),
            Some(value) => match tag(chain, value, view)? {
                BlockRef::Number(number) => Ok(Some(number)),
                BlockRef::Head | BlockRef::Solid | BlockRef::Id(_) => Ok(Some(head)),
            },
        }
    };
    let (from_block, to_block) = if let Some(id) = given("blockHash") {
        if given("fromBlock").or(given("toBlock")).is_some() {
            return Err(RpcError::params(
                "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            ));
        }
        let block = seen(chain, BlockRef::Id(BlockId(hash(id)?)), view)?;
        let block = block.ok_or_else(|| RpcError::params("invalid blockHash"))?;
        (block.number, Some(block.number))
    } else {
        let (from, to) = (end("fromBlock")?, end("toBlock")?);
        let from = from.unwrap_or_else(|| to.map_or(head, |to| to.min(head)));
        let to_is_newest = given("toBlock").is_some_and(|to| to == "latest");
        if !to_is_newest && to.is_some_and(|to| from > to) {
            return Err(RpcError::params("please verify: fromBlock <= toBlock"));
        }
        (from, Some(to.map_or(head, |to| to.min(head))))
    };
    if to_block.unwrap_or(head).min(head).saturating_sub(from_block) > BLOCKS_MAX {
        return Err(RpcError::params(format!("exceed max block range: {BLOCKS_MAX}")));
    }
    let addresses = match given("address") {
        None => Vec::new(),
        Some(value) => match value.as_array() {
            Some(list) => list.iter().map(address).collect::<Result<_, _>>()?,
            None => vec![address(value)?],
        },
    };
    let topics = match given("topics").map(Value::as_array) {
        None => Vec::new(),
        Some(Some(list)) if list.len() <= 4 => {
            list.iter().map(topics_at).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(RpcError::params("topics size should be <= 4")),
    };
    Ok(LogFilter { from_block, to_block, addresses, topics, ..LogFilter::default() })
}

/// The topics that are allowed at one place.
fn topics_at(value: &Value) -> Result<Vec<[u8; 32]>, RpcError> {
    let topic = |value| word(value, "invalid topic(s)");
    match value.as_array() {
        Some(list) => list.iter().map(topic).collect(),
        None if value.is_null() => Ok(Vec::new()),
        None => Ok(vec![topic(value)?]),
    }
}

fn log_json(record: &LogRecord) -> Value {
    let topics: Vec<Value> = record.log.topics.iter().map(|topic| data(topic)).collect();
    json!({
        "logIndex": quantity(record.index_in_block.into()),
        "transactionIndex": quantity(record.transaction_index.into()),
        "transactionHash": data(&record.transaction.0),
        "blockHash": data(&record.block_id.0),
        "blockNumber": quantity(record.block_number),
        "address": data(record.log.address.bytes()),
        "data": data(&record.log.data),
        "topics": topics,
        "removed": false,
    })
}
