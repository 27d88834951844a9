//! Accounts, their resources, and addresses, as a full node shows them.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::params::{Params, shown};
use super::proto_json::unhex;
use crate::chain::Chain;
use crate::state::Account;

/// `getaccount`.
pub(super) fn get(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(address) = params.address("address")? else { return Ok(json!({})) };
    let account = chain.account(address, params.view)?;
    Ok(account.map_or_else(|| json!({}), |account| account_json(&account, params)))
}

/// An account as the real node shows it, without what this chain has not: stakes, votes, TRC-10.
pub(super) fn account_json(account: &Account, params: &Params) -> Value {
    let form = params.form;
    let mut object = Map::new();
    if account.is_contract {
        object.insert("type".into(), "Contract".into());
    }
    object.insert("address".into(), shown(account.address, form).into());
    for (name, number) in [
        ("balance", account.balance.0),
        ("create_time", account.created_ms),
        ("latest_opration_time", account.latest_operation_ms),
        ("free_net_usage", account.free_net_used),
        ("latest_consume_free_time", account.latest_operation_ms),
    ] {
        if number != 0 {
            let text = form.int64_as_text.then(|| number.to_string().into());
            object.insert(name.into(), text.unwrap_or_else(|| number.into()));
        }
    }
    if !account.is_contract {
        let key = json!([{ "address": shown(account.address, form), "weight": 1 }]);
        let owner = json!({ "permission_name": "owner", "threshold": 1, "keys": key });
        object.insert("owner_permission".into(), owner);
        let active = json!([{
            "type": "Active", "id": 2, "permission_name": "active", "threshold": 1,
            "operations": "7fff1fc0033efb0f000000000000000000000000000000000000000000000000",
            "keys": key,
        }]);
        object.insert("active_permission".into(), active);
    }
    Value::Object(object)
}

/// `getaccountresource`.
pub(super) fn resource(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(address) = params.address("address")? else { return Ok(json!({})) };
    let Some(resources) = chain.resources(address)? else { return Ok(json!({})) };
    let mut object = net(chain, address)?;
    object.insert("TotalEnergyLimit".into(), resources.total_energy_max.into());
    Ok(Value::Object(object))
}

/// `getaccountnet`.
pub(super) fn bandwidth(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(address) = params.address("address")? else { return Ok(json!({})) };
    Ok(Value::Object(net(chain, address)?))
}

fn net(chain: &Chain, address: ledger::Address) -> Result<Map<String, Value>, Fault> {
    let mut object = Map::new();
    let Some(resources) = chain.resources(address)? else { return Ok(object) };
    for (name, number) in [
        ("freeNetUsed", resources.free_net_used),
        ("freeNetLimit", resources.free_net_max),
        ("TotalNetLimit", resources.total_net_max),
    ] {
        if number != 0 {
            object.insert(name.into(), number.into());
        }
    }
    Ok(object)
}

/// `validateaddress`.
pub(super) fn validate(_chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let text = params.text("address");
    let (address, message) = match text.len() {
        42 => (unhex(text).ok(), "Hex string format"),
        34 => (keys::base58check::decode(text, 21).ok(), "Base58check format"),
        _ => return Ok(json!({ "result": false, "message": "Length error" })),
    };
    Ok(match address.as_deref().and_then(super::params::address_in) {
        Some(_) => json!({ "result": true, "message": message }),
        None => json!({ "result": false, "message": "Invalid address" }),
    })
}
