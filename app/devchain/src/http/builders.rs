//! Transactions that a full node writes down for its callers to sign.
//!
//! Wallets had better write their own, as ours does: who signs what a node wrote signs what the node
//! wanted. They are here since the programs of others ask for them.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::params::{Params, address_in};
use super::proto_json::{put_bytes, put_varint_field, to_bytes, unhex};
use super::schema::{
    ANY_URL, ANY_VALUE, CONTRACT_KINDS, CONTRACT_PARAMETER, CONTRACT_PERMISSION, CONTRACT_TYPE,
    CREATE,
};
use super::transactions::unsigned;
use crate::block::BlockRef;
use crate::chain::Chain;
use crate::refusal::ChainError;
use crate::state::View;

/// How long a transaction that we wrote is valid after the head, as on the real node.
const VALID_MS: u64 = 60_000;

/// What a transaction says beside its contract.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around<'a> {
    pub(super) fee_limit: i64,
    pub(super) permission_id: i64,
    pub(super) memo: &'a [u8],
}

/// The raw data of a transaction that refers to the head.
pub(super) fn raw(
    chain: &Chain,
    now: u64,
    kind: &str,
    payload: &[u8],
    around: Around<'_>,
) -> Result<Vec<u8>, Fault> {
    let head = chain.block(BlockRef::Head)?.ok_or(ChainError::Damaged("no head"))?;
    let kind = CONTRACT_KINDS.iter().find(|known| known.name == kind);
    let kind = kind.ok_or_else(|| Fault::argument("no such contract"))?;
    let mut any = Vec::new();
    put_bytes(&mut any, ANY_URL, format!("type.googleapis.com/protocol.{}", kind.name).as_bytes());
    put_bytes(&mut any, ANY_VALUE, payload);
    let mut contract = Vec::new();
    put_varint_field(&mut contract, CONTRACT_TYPE, i64::from(kind.number).cast_unsigned());
    put_bytes(&mut contract, CONTRACT_PARAMETER, &any);
    put_varint_field(&mut contract, CONTRACT_PERMISSION, around.permission_id.cast_unsigned());

    let mut raw = Vec::new();
    put_bytes(&mut raw, 1, &head.number.to_be_bytes()[6..]);
    put_bytes(&mut raw, 4, &head.id.0[8..16]);
    put_varint_field(&mut raw, 8, head.timestamp_ms + VALID_MS);
    if !around.memo.is_empty() {
        put_bytes(&mut raw, 10, around.memo);
    }
    put_bytes(&mut raw, 11, &contract);
    put_varint_field(&mut raw, 14, now);
    put_varint_field(&mut raw, 18, around.fee_limit.cast_unsigned());
    Ok(raw)
}

/// `createtransaction`: a transfer of TRX.
pub(super) fn transfer(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    let owner = params.address_bytes("owner_address")?;
    let to = params.address_bytes("to_address")?;
    let amount = params.int("amount")?;
    let owner = address_in(&owner).ok_or_else(|| Fault::contract("Invalid ownerAddress!"))?;
    let to = address_in(&to).ok_or_else(|| Fault::contract("Invalid toAddress!"))?;
    if owner == to {
        return Err(Fault::contract("Cannot transfer TRX to yourself."));
    }
    let Some(account) = chain.account(owner, View::Head)? else {
        return Err(Fault::contract("Validate TransferContract error, no OwnerAccount."));
    };
    let sent = u64::try_from(amount).unwrap_or(0);
    if sent == 0 {
        return Err(Fault::contract("Amount must be greater than 0."));
    }
    if account.balance.0 < sent {
        return Err(Fault::contract("Validate TransferContract error, balance is not sufficient."));
    }
    written(chain, now, params, "TransferContract", &params.fields)
}

/// Builders of contracts that need nothing but their fields, whatever the chain then says to them.
pub(super) fn plain(
    chain: &Chain,
    now: u64,
    params: &Params,
    kind: &'static str,
) -> Result<Value, Fault> {
    written(chain, now, params, kind, &params.fields)
}

fn written(
    chain: &Chain,
    now: u64,
    params: &Params,
    kind: &str,
    fields: &Map<String, Value>,
) -> Result<Value, Fault> {
    let message = CONTRACT_KINDS.iter().find(|known| known.name == kind);
    let message = message.ok_or_else(|| Fault::argument("no such contract"))?.message;
    let payload = to_bytes(message, fields, params.form)?;
    let memo = memo(params)?;
    let around = Around { permission_id: params.int("Permission_id")?, memo: &memo, fee_limit: 0 };
    let raw = raw(chain, now, kind, &payload, around)?;
    Ok(unsigned(&raw, params.form)?)
}

/// The memo that a caller wants in its transaction.
pub(super) fn memo(params: &Params) -> Result<Vec<u8>, Fault> {
    let text = params.text("extra_data");
    Ok(if params.form.visible { text.as_bytes().to_vec() } else { unhex(text)? })
}

/// `deploycontract`.
pub(super) fn deploy(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    let abi = match params.get("abi") {
        None => Value::Array(Vec::new()),
        // As text, as its callers have it from a compiler's file.
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_err(|error| Fault::json(format!("syntax error, {error}")))?,
        Some(other) => other.clone(),
    };
    let percent = params.int("consume_user_resource_percent")?;
    if !(0..=100).contains(&percent) {
        return Err(Fault::contract("percent must be >= 0 and <= 100"));
    }
    let code = format!("{}{}", params.text("bytecode"), params.text("parameter"));
    let owner = params.get("owner_address").cloned().unwrap_or_default();
    let fields = json!({
        "owner_address": owner,
        "call_token_value": params.int("call_token_value")?,
        "token_id": params.int("token_id")?,
        "new_contract": {
            "origin_address": owner,
            "abi": { "entrys": abi },
            "bytecode": code,
            "call_value": params.int("call_value")?,
            "consume_user_resource_percent": percent,
            "name": params.text("name"),
            "origin_energy_limit": params.int("origin_energy_limit")?,
        },
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    let payload = to_bytes(&CREATE, &fields, params.form)?;
    let around = Around {
        fee_limit: params.int("fee_limit")?,
        permission_id: params.int("Permission_id")?,
        memo: &[],
    };
    let raw = raw(chain, now, "CreateSmartContract", &payload, around)?;
    Ok(unsigned(&raw, params.form)?)
}
