//! Contracts as a full node shows them, and calls to them.

use serde_json::{Map, Value, json};

use super::abi;
use super::builders::{Around, memo, raw};
use super::fault::Fault;
use super::params::{Params, address_in, shown, sun};
use super::proto_json::{Form, hex, to_bytes, to_json};
use super::schema::{ABI, TRIGGER};
use super::transactions::{log, unsigned};
use crate::call::{CallFailure, CallOutcome, CallRequest, CallTarget};
use crate::chain::Chain;
use crate::receipt::ContractResult;
use crate::state::{Contract, View};
use ledger::Address;
use ledger::Sun;

/// `getcontract`.
pub(super) fn get(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    match find(chain, params)? {
        Some(contract) => smart_contract(&contract, params.form),
        None => Ok(json!({})),
    }
}

/// `getcontractinfo`: with the code that runs.
pub(super) fn info(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Some(contract) = find(chain, params)? else { return Ok(json!({})) };
    Ok(json!({
        "smart_contract": smart_contract(&contract, params.form)?,
        "runtimecode": hex(&contract.runtime),
        "contract_state": {},
    }))
}

fn find(chain: &Chain, params: &Params) -> Result<Option<Contract>, Fault> {
    match params.address("value")? {
        Some(address) => Ok(chain.contract(address)?),
        None => Ok(None),
    }
}

fn smart_contract(contract: &Contract, form: Form) -> Result<Value, Fault> {
    let mut object = Map::new();
    object.insert("origin_address".into(), shown(contract.origin, form).into());
    object.insert("contract_address".into(), shown(contract.address, form).into());
    object.insert("abi".into(), to_json(&ABI, &contract.abi, form)?);
    object.insert("code_hash".into(), hex(&contract.code_hash).into());
    if !contract.bytecode.is_empty() {
        object.insert("bytecode".into(), hex(&contract.bytecode).into());
    }
    if !contract.name.is_empty() {
        object.insert("name".into(), contract.name.clone().into());
    }
    for (name, number) in [
        ("consume_user_resource_percent", contract.consume_user_resource_percent.into()),
        ("origin_energy_limit", contract.origin_energy_limit),
        ("version", contract.version.into()),
    ] {
        if number != 0 {
            let text = (form.int64_as_text && name != "version").then(|| number.to_string().into());
            object.insert(name.into(), text.unwrap_or_else(|| number.into()));
        }
    }
    Ok(Value::Object(object))
}

/// A call as it is asked for.
#[derive(Debug)]
struct Trigger {
    owner: Address,
    contract: Option<Address>,
    call_value: Sun,
    data: Vec<u8>,
    /// As a `TriggerSmartContract` message.
    payload: Vec<u8>,
}

impl Trigger {
    fn of(params: &Params) -> Result<Self, Fault> {
        let mut data = params.bytes("data")?;
        let selector = params.text("function_selector");
        if !selector.is_empty() {
            let hash = keys::keccak256(selector.as_bytes());
            data = hash[..4].to_vec();
            data.extend(params.bytes("parameter")?);
        }
        let mut fields = params.fields.clone();
        fields.insert("data".into(), hex(&data).into());
        let payload = to_bytes(&TRIGGER, &fields, params.form)?;
        let owner = address_in(&params.address_bytes("owner_address")?);
        let contract = params.address_bytes("contract_address")?;
        let unknown = || Fault::contract("Smart contract is not exist.");
        Ok(Self {
            owner: owner.ok_or_else(|| Fault::contract("Invalid ownerAddress!"))?,
            contract: match contract.as_slice() {
                [] => None,
                bytes => Some(address_in(bytes).ok_or_else(unknown)?),
            },
            call_value: u64::try_from(params.int("call_value")?)
                .ok()
                .and_then(sun)
                .ok_or_else(|| Fault::contract("callValue must be >= 0"))?,
            data,
            payload,
        })
    }

    fn request(&self) -> CallRequest {
        CallRequest {
            owner: self.owner,
            target: match self.contract {
                Some(contract) => CallTarget::Contract(contract, self.data.clone()),
                None => CallTarget::Deploy(self.data.clone()),
            },
            call_value: self.call_value,
        }
    }
}

fn require(params: &Params, names: &[&str]) -> Result<(), Fault> {
    match names.iter().find(|name| params.text(name).is_empty()) {
        Some(name) => Err(Fault::parameter(format!("{name} isn't set."))),
        None => Ok(()),
    }
}

/// What may be left out of a constant call.
fn require_for_constant(params: &Params) -> Result<(), Fault> {
    require(params, &["owner_address"])?;
    let is_empty = |name: &str| params.text(name).is_empty();
    if is_empty("contract_address") && is_empty("data") {
        return Err(Fault::parameter("At least one of contract_address and data must be set."));
    }
    if is_empty("contract_address") && !is_empty("function_selector") && !is_empty("data") {
        return Err(Fault::parameter(
            "While trying to deploy, function_selector and data can not be both set.",
        ));
    }
    Ok(())
}

/// `triggerconstantcontract`.
pub(super) fn constant(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    Ok(require_for_constant(params)
        .and_then(|()| Trigger::of(params))
        .and_then(|trigger| run_constant(chain, now, params, &trigger))
        .unwrap_or_else(|fault| refused(&fault, params.form)))
}

/// `triggersmartcontract`: runs what only reads, writes down what does more.
pub(super) fn trigger(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    Ok(trigger_or_fault(chain, now, params).unwrap_or_else(|fault| refused(&fault, params.form)))
}

fn trigger_or_fault(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    require(params, &["owner_address", "contract_address"])?;
    let trigger = Trigger::of(params)?;
    let contract = match trigger.contract {
        Some(address) => chain.contract(address)?,
        None => None,
    };
    let Some(contract) = contract else {
        return Err(Fault::contract("No contract or not a valid smart contract"));
    };
    if abi::is_constant(&contract.abi, &trigger.data) {
        return run_constant(chain, now, params, &trigger);
    }
    let around = Around {
        fee_limit: params.int("fee_limit")?,
        permission_id: params.int("Permission_id")?,
        memo: &[],
    };
    let raw = raw(chain, now, "TriggerSmartContract", &trigger.payload, around)?;
    let transaction = unsigned(&raw, params.form)?;
    Ok(json!({ "result": { "result": true }, "transaction": transaction }))
}

fn run_constant(
    chain: &mut Chain,
    now: u64,
    params: &Params,
    trigger: &Trigger,
) -> Result<Value, Fault> {
    let outcome = call(chain, &trigger.request(), params.view)??;
    let memo = memo(params)?;
    let permission_id = params.int("Permission_id")?;
    let around = Around { permission_id, memo: &memo, fee_limit: 0 };
    let raw = raw(chain, now, "TriggerSmartContract", &trigger.payload, around)?;
    let mut transaction = unsigned(&raw, params.form)?;
    let mut result = json!({ "result": true });
    transaction["ret"] = json!([{}]);
    if outcome.result.failed() {
        transaction["ret"] = json!([{ "ret": "FAILED" }]);
        result["message"] = told(&outcome.message, params.form).into();
    }
    let mut object = json!({
        "result": result,
        "constant_result": [hex(&outcome.output)],
        "transaction": transaction,
    });
    if outcome.energy_used != 0 {
        object["energy_used"] = outcome.energy_used.into();
    }
    if !outcome.logs.is_empty() {
        object["logs"] = outcome.logs.iter().map(|entry| log(entry, params.form)).collect();
    }
    Ok(object)
}

/// `estimateenergy`.
pub(super) fn estimate(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let estimated = require_for_constant(params)
        .and_then(|()| Trigger::of(params))
        .and_then(|trigger| call(chain, &trigger.request(), params.view));
    Ok(match estimated {
        Err(fault) | Ok(Err(fault)) => refused(&fault, params.form),
        Ok(Ok(outcome)) if outcome.result.failed() => json!({ "result": {
            "code": "CONTRACT_EXE_ERROR", "message": told(&outcome.message, params.form),
        } }),
        Ok(Ok(outcome)) => {
            json!({ "result": { "result": true }, "energy_required": outcome.energy_used })
        }
    })
}

/// Runs a call and undoes it. What fails otherwise than by a revert is a fault, as on the real node.
pub(super) fn call(
    chain: &mut Chain,
    request: &CallRequest,
    view: View,
) -> Result<Result<CallOutcome, Fault>, Fault> {
    match chain.call(request, view) {
        Ok(outcome) if broke(outcome.result) => {
            Ok(Err(Fault::execution(exception(outcome.result), outcome.message)))
        }
        Ok(outcome) => Ok(Ok(outcome)),
        Err(CallFailure::Chain(error)) => Err(error.into()),
        Err(CallFailure::NoContract(_)) => Err(Fault::contract("Smart contract is not exist.")),
        Err(CallFailure::Balance { .. }) => {
            Err(Fault::contract("Validate InternalTransfer error, balance is not sufficient."))
        }
        Err(failure @ CallFailure::TooLong { .. }) => Err(Fault::contract(failure.to_string())),
    }
}

/// Whether it ended by an exception of the machine.
fn broke(result: ContractResult) -> bool {
    !matches!(
        result,
        ContractResult::Default
            | ContractResult::Success
            | ContractResult::Revert
            | ContractResult::TransferFailed
    )
}

fn exception(result: ContractResult) -> &'static str {
    match result {
        ContractResult::OutOfEnergy => "org.tron.core.vm.program.Program$OutOfEnergyException",
        ContractResult::BadJumpDestination => {
            "org.tron.core.vm.program.Program$BadJumpDestinationException"
        }
        ContractResult::IllegalOperation => {
            "org.tron.core.vm.program.Program$IllegalOperationException"
        }
        ContractResult::OutOfMemory => "org.tron.core.vm.program.Program$OutOfMemoryException",
        ContractResult::PrecompiledContract => {
            "org.tron.core.vm.program.Program$PrecompiledContractException"
        }
        ContractResult::StackTooSmall => "org.tron.core.vm.program.Program$StackTooSmallException",
        ContractResult::StackTooLarge => "org.tron.core.vm.program.Program$StackTooLargeException",
        ContractResult::OutOfTime => "org.tron.core.vm.program.Program$OutOfTimeException",
        ContractResult::InvalidCode => "org.tron.core.vm.program.Program$InvalidCodeException",
        ContractResult::Default
        | ContractResult::Success
        | ContractResult::Revert
        | ContractResult::StackOverflow
        | ContractResult::JvmStackOverFlow
        | ContractResult::Unknown
        | ContractResult::TransferFailed => "java.lang.RuntimeException",
    }
}

/// A call that was refused.
fn refused(fault: &Fault, form: Form) -> Value {
    let (code, message) = if fault.is_contract() {
        ("CONTRACT_VALIDATE_ERROR", fault.message().to_owned())
    } else {
        ("OTHER_ERROR", fault.told().replace('"', "'"))
    };
    json!({ "result": { "code": code, "message": told(&message, form) } })
}

/// Words within a result: in hexadecimal digits, unless all is to be readable.
pub(super) fn told(words: &str, form: Form) -> String {
    if form.visible { words.to_owned() } else { hex(words.as_bytes()) }
}
