//! Signed transactions on their way to the chain.

use serde_json::{Map, Value, json};

use super::contracts::told;
use super::fault::Fault;
use super::params::Params;
use super::proto_json::{Form, hex, to_bytes};
use super::schema::TRANSACTION;
use super::transactions::{raw_of, transaction};
use crate::node::Handle;
use crate::refusal::{Refused, ResponseCode};
use wire::tron::TRANSACTION_BYTES_MAX;

/// `broadcasttransaction`: a transaction in JSON. As on the real node its `raw_data` counts, whatever
/// `raw_data_hex` and `txID` say.
pub(super) async fn json(handle: &Handle, params: &Params) -> Result<Value, Fault> {
    if params.get("raw_data").is_none() {
        return Err(Fault::argument("raw_data isn't set."));
    }
    let bytes = to_bytes(&TRANSACTION, &params.fields, params.form)?;
    let id = hex(&keys::sha256(raw_of(&bytes)?));
    let mut answer = match handle.broadcast(bytes).await {
        Ok(_id) => json!({ "result": true }),
        Err(Refused { code, message }) => {
            json!({ "code": code.name(), "message": told(&message, params.form) })
        }
    };
    answer["txid"] = id.into();
    Ok(answer)
}

/// `broadcasthex`: the bytes of a transaction as they are.
pub(super) async fn hexadecimal(handle: &Handle, params: &Params) -> Result<Value, Fault> {
    let digits = params.text("transaction").len();
    if digits > 2 * TRANSACTION_BYTES_MAX + 2 {
        return Ok(json!({
            "result": false,
            "code": ResponseCode::TooBigTransactionError.name(),
            "message": format!("{digits} digits, at most {}", 2 * TRANSACTION_BYTES_MAX),
        }));
    }
    let bytes = params.bytes("transaction")?;
    let form = Form { visible: true, ..Form::default() };
    let shown = transaction(&bytes, form)?;
    let id = hex(&keys::sha256(raw_of(&bytes)?));
    let mut answer = Map::new();
    match handle.broadcast(bytes).await {
        Ok(_id) => {
            answer.insert("result".into(), true.into());
            answer.insert("code".into(), "SUCCESS".into());
            answer.insert("message".into(), "".into());
        }
        // Here, and only here, the real node gives its words as they are.
        Err(Refused { code, message }) => {
            answer.insert("result".into(), false.into());
            answer.insert("code".into(), code.name().into());
            answer.insert("message".into(), message.into());
        }
    }
    answer.insert("txid".into(), id.into());
    answer.insert("transaction".into(), shown.to_string().into());
    Ok(Value::Object(answer))
}

/// `getsignweight` and `getapprovedlist`: who has signed, where each account has one key.
pub(super) fn approved(params: &Params, weight: bool) -> Result<Value, Fault> {
    let bytes = to_bytes(&TRANSACTION, &params.fields, params.form)?;
    let digest = keys::sha256(raw_of(&bytes)?);
    let mut shown = transaction(&bytes, params.form)?;
    let owner = shown.pointer("/raw_data/contract/0/parameter/value/owner_address").cloned();
    let signatures = shown["signature"].as_array().cloned().unwrap_or_default();
    let mut signers = Vec::new();
    for signature in signatures {
        let bytes = super::proto_json::unhex(signature.as_str().unwrap_or_default())?;
        let signature = keys::secp256k1::Signature::from_bytes(&bytes).ok();
        let Some(key) = signature.and_then(|signature| signature.recover(&digest)) else {
            return Err(Fault::argument("Signature creation failed"));
        };
        signers.push(super::params::shown(ledger::Address::of_key(&key), params.form));
    }
    let enough = owner.as_ref().and_then(Value::as_str);
    let enough = enough.is_some_and(|owner| signers.iter().any(|signer| signer == owner));
    shown["visible"] = params.form.visible.into();
    let mut answer = json!({
        "result": {},
        "transaction": { "result": { "result": true }, "transaction": shown },
    });
    if !signers.is_empty() {
        answer["approved_list"] = signers.into();
    }
    if weight {
        let owner = owner.unwrap_or_default();
        answer["permission"] = json!({
            "permission_name": "owner", "threshold": 1, "keys": [{ "address": owner, "weight": 1 }],
        });
        if enough {
            answer["current_weight"] = 1.into();
        } else {
            answer["result"] = json!({ "code": "NOT_ENOUGH_PERMISSION" });
        }
    }
    Ok(answer)
}
