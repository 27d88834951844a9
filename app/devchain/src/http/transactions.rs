//! Transactions and what became of them, as a full node shows them.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::params::{Params, shown};
use super::proto_json::{Form, Malformed, hex, to_json};
use super::schema::{RAW, TRANSACTION};
use crate::block::{BlockRef, StoredTransaction};
use crate::chain::Chain;
use crate::receipt::{ContractResult, InternalCall, Log, Receipt};
use crate::state::View;
use ledger::TxId;

/// `gettransactionbyid`.
pub(super) fn by_id(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(id) = params.id("value")? else { return Ok(json!({})) };
    match chain.transaction(id, params.view)? {
        Some(stored) if stored.place.is_some() => with_outcome(chain, &stored, params.form),
        _ => Ok(json!({})),
    }
}

/// `gettransactionfrompending`.
pub(super) fn pending(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(id) = params.id("value")? else { return Ok(json!({})) };
    match chain.transaction(id, View::Head)? {
        Some(stored) if stored.place.is_none() => Ok(transaction(&stored.bytes, params.form)?),
        _ => Ok(json!({})),
    }
}

/// `gettransactionlistfrompending`.
pub(super) fn pending_ids(chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    let ids: Vec<Value> = chain.pending().iter().map(|id| hex(&id.0).into()).collect();
    Ok(if ids.is_empty() { json!({}) } else { json!({ "txId": ids }) })
}

/// `getpendingsize`.
pub(super) fn pending_size(chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({ "pendingSize": chain.pending().len() }))
}

/// `gettransactioninfobyid`.
pub(super) fn info_by_id(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(id) = params.id("value")? else { return Ok(json!({})) };
    let receipt = chain.receipt(id, params.view)?;
    Ok(receipt.map_or_else(|| json!({}), |receipt| info(&receipt, params.form)))
}

/// `gettransactioninfobyblocknum`.
pub(super) fn infos_of_block(
    chain: &mut Chain,
    _now: u64,
    params: &Params,
) -> Result<Value, Fault> {
    let Ok(number) = u64::try_from(params.int("num")?) else { return Ok(json!([])) };
    let Some(block) = chain.block(BlockRef::Number(number))? else { return Ok(json!([])) };
    let mut infos = Vec::new();
    for id in block.transactions {
        if let Some(receipt) = chain.receipt(id, params.view)? {
            infos.push(info(&receipt, params.form));
        }
    }
    Ok(Value::Array(infos))
}

/// A transaction of a block, with how it ended.
pub(super) fn with_outcome(
    chain: &Chain,
    stored: &StoredTransaction,
    form: Form,
) -> Result<Value, Fault> {
    let mut value = transaction(&stored.bytes, form)?;
    if let Some(receipt) = chain.receipt(stored.id, View::Head)?
        && let Some(object) = value.as_object_mut()
    {
        object.insert("ret".into(), json!([{ "contractRet": ending(receipt.result) }]));
    }
    Ok(value)
}

/// How a transaction ended, by the name that it has within the transaction.
pub(super) fn ending(result: ContractResult) -> &'static str {
    if result == ContractResult::Default { ContractResult::Success.name() } else { result.name() }
}

/// An encoded transaction with its id and the hexadecimal digits of its raw data.
pub(super) fn transaction(bytes: &[u8], form: Form) -> Result<Value, Malformed> {
    let mut value = to_json(&TRANSACTION, bytes, form)?;
    let raw = raw_of(bytes)?;
    let id = keys::sha256(raw);
    if let Some(object) = value.as_object_mut() {
        add_identity(object, raw, TxId(id));
    }
    Ok(value)
}

/// A transaction that somebody is to sign, from its raw data.
pub(super) fn unsigned(raw: &[u8], form: Form) -> Result<Value, Malformed> {
    let mut object = Map::new();
    object.insert("visible".into(), form.visible.into());
    object.insert("raw_data".into(), to_json(&RAW, raw, form)?);
    add_identity(&mut object, raw, TxId(keys::sha256(raw)));
    Ok(Value::Object(object))
}

fn add_identity(object: &mut Map<String, Value>, raw: &[u8], id: TxId) {
    object.insert("txID".into(), hex(&id.0).into());
    object.insert("raw_data_hex".into(), hex(raw).into());
    let contract = object.get("raw_data").and_then(|raw| raw.pointer("/contract/0"));
    if contract.is_some_and(|contract| contract["type"] == "CreateSmartContract")
        && let Some(address) = created_address(raw, id)
    {
        object.insert("contract_address".into(), hex(&address).into());
    }
}

/// Where the contract of a deployment will be: by its transaction and owner.
fn created_address(raw: &[u8], id: TxId) -> Option<[u8; 21]> {
    let owner = to_json(&RAW, raw, Form::default()).ok()?;
    let owner = owner.pointer("/contract/0/parameter/value/owner_address")?.as_str()?.to_owned();
    let mut preimage = id.0.to_vec();
    preimage.extend(super::proto_json::unhex(&owner).ok()?);
    let hash = keys::keccak256(&preimage);
    let (_, last) = hash.split_last_chunk::<20>()?;
    Some(ledger::Address::new(*last).prefixed())
}

/// The raw data within an encoded transaction, as it stands there.
pub(super) fn raw_of(bytes: &[u8]) -> Result<&[u8], Malformed> {
    super::proto_json::field_bytes(bytes, 1)
}

/// A receipt as `TransactionInfo`.
pub(super) fn info(receipt: &Receipt, form: Form) -> Value {
    let mut object = Map::new();
    let int = |number: u64| -> Value {
        if form.int64_as_text { number.to_string().into() } else { number.into() }
    };
    object.insert("id".into(), hex(&receipt.id.0).into());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.into(), value);
        }
    };
    let positive = |number: u64| (number != 0).then(|| int(number));
    put("fee", positive(receipt.fee.0));
    put("blockNumber", positive(receipt.block_number));
    put("blockTimeStamp", positive(receipt.block_timestamp_ms));
    put("contractResult", Some(json!([hex(&receipt.output)])));
    put("contract_address", receipt.contract.map(|address| shown(address, form).into()));
    let mut resources = Map::new();
    for (name, number) in [
        ("energy_fee", receipt.energy_fee.0),
        ("energy_usage_total", receipt.energy_usage_total),
        ("net_usage", receipt.net_usage),
        ("net_fee", receipt.net_fee.0),
    ] {
        if let Some(value) = positive(number) {
            resources.insert(name.into(), value);
        }
    }
    if receipt.result != ContractResult::Default {
        resources.insert("result".into(), receipt.result.name().into());
    }
    put("receipt", Some(Value::Object(resources)));
    let logs: Vec<Value> = receipt.logs.iter().map(|entry| log(entry, form)).collect();
    put("log", (!logs.is_empty()).then_some(Value::Array(logs)));
    if receipt.result.failed() {
        put("result", Some("FAILED".into()));
        let message = receipt.message.as_str();
        let shown = if form.visible { message.to_owned() } else { hex(message.as_bytes()) };
        put("resMessage", Some(shown.into()));
    }
    let calls = receipt.internal.iter().enumerate();
    let calls: Vec<Value> = calls.map(|(at, call)| internal(receipt.id, at, call, form)).collect();
    put("internal_transactions", (!calls.is_empty()).then_some(Value::Array(calls)));
    Value::Object(object)
}

/// An event: by 20 bytes of address, unless it is to be readable.
pub(super) fn log(log: &Log, form: Form) -> Value {
    let address = if form.visible { shown(log.address, form) } else { hex(log.address.bytes()) };
    let mut object = Map::new();
    object.insert("address".into(), address.into());
    let topics: Vec<Value> = log.topics.iter().map(|topic| hex(topic).into()).collect();
    if !topics.is_empty() {
        object.insert("topics".into(), topics.into());
    }
    if !log.data.is_empty() {
        object.insert("data".into(), hex(&log.data).into());
    }
    Value::Object(object)
}

/// A call between contracts. Its hash only tells it from others of the same transaction.
fn internal(id: TxId, at: usize, call: &InternalCall, form: Form) -> Value {
    let mut preimage = id.0.to_vec();
    preimage.extend_from_slice(&(at as u64).to_be_bytes());
    let value = match call.value.0 {
        0 => json!([{}]),
        value => json!([{ "callValue": value }]),
    };
    let mut object = json!({
        "hash": hex(&keys::keccak256(&preimage)),
        "caller_address": shown(call.caller, form),
        "transferTo_address": shown(call.to, form),
        "callValueInfo": value,
        "note": hex(call.note.as_bytes()),
    });
    if call.rejected {
        object["rejected"] = true.into();
    }
    object
}
