//! What a full node says of itself and of its network's parameters.

use serde_json::{Value, json};

use super::fault::Fault;
use super::params::{Params, shown};
use super::proto_json::hex;
use crate::chain::Chain;

/// The release of java-tron whose API this is.
pub(super) const CODE_VERSION: &str = "4.8.0";

/// Parameters of the network, by the names that `getchainparameters` has, as far as callers look at
/// them: prices in sun, limits in their own units, switches 1 for what this chain has.
const PARAMETERS: [(&str, i64); 38] = [
    ("getCreateAccountFee", 100_000),
    ("getTransactionFee", 1_000),
    ("getCreateNewAccountFeeInSystemContract", 1_000_000),
    ("getCreateNewAccountBandwidthRate", 1),
    ("getAllowCreationOfContracts", 1),
    ("getEnergyFee", 100),
    ("getMaxCpuTimeOfOneTx", 80),
    ("getAllowSameTokenName", 1),
    ("getAllowDelegateResource", 0),
    ("getTotalEnergyLimit", 180_000_000_000),
    ("getAllowTvmTransferTrc10", 0),
    ("getTotalEnergyCurrentLimit", 180_000_000_000),
    ("getAllowMultiSign", 1),
    ("getAllowAdaptiveEnergy", 0),
    ("getMultiSignFee", 1_000_000),
    ("getAllowTvmConstantinople", 1),
    ("getAllowTvmSolidity059", 1),
    ("getForbidTransferToContract", 1),
    ("getAllowTvmIstanbul", 1),
    ("getMaxFeeLimit", 15_000_000_000),
    ("getAllowTvmFreeze", 0),
    ("getAllowTvmVote", 0),
    ("getAllowTvmLondon", 1),
    ("getAllowTvmCompatibleEvm", 1),
    ("getFreeNetLimit", 600),
    ("getTotalNetLimit", 43_200_000_000),
    ("getAllowHigherLimitForMaxCpuTimeOfOneTx", 1),
    ("getMemoFee", 1_000_000),
    ("getUnfreezeDelayDays", 0),
    ("getAllowOptimizedReturnValueOfChainId", 1),
    ("getAllowDynamicEnergy", 0),
    ("getAllowTvmShangHai", 1),
    ("getAllowCancelAllUnfreezeV2", 0),
    ("getAllowEnergyAdjustment", 1),
    ("getMaxCreateAccountTxSize", 1_000),
    ("getAllowStrictMath", 1),
    ("getAllowTvmCancun", 1),
    ("getAllowTvmBlob", 1),
];

/// `getchainparameters`.
pub(super) fn all(_chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    let entries = PARAMETERS.iter().map(|(key, value)| match value {
        0 => json!({ "key": key }),
        value => json!({ "key": key, "value": value }),
    });
    Ok(json!({ "chainParameter": entries.collect::<Vec<_>>() }))
}

/// `getenergyprices`: since when which price per unit, in sun.
pub(super) fn energy_prices(_: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({ "prices": "0:100" }))
}

/// `getbandwidthprices`.
pub(super) fn bandwidth_prices(_: &mut Chain, _now: u64, _: &Params) -> Result<Value, Fault> {
    Ok(json!({ "prices": "0:1000" }))
}

/// `getmemofee`.
pub(super) fn memo_prices(_: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({ "prices": "0:1000000" }))
}

/// `getburntrx`.
pub(super) fn burned(chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({ "burnTrxAmount": chain.burned().0 }))
}

/// `getnextmaintenancetime`: there is none; the head's time is what comes nearest.
pub(super) fn maintenance(_: &mut Chain, now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({ "num": now }))
}

/// `getnodeinfo`.
pub(super) fn node(chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    let place = |id: ledger::BlockId| format!("Num:{},ID:{}", id.number(), hex(&id.0));
    Ok(json!({
        "activeConnectCount": 0,
        "beginSyncNum": chain.head().number(),
        "block": place(chain.head()),
        "solidityBlock": place(chain.solid()),
        "currentConnectCount": 0,
        "passiveConnectCount": 0,
        "peerList": [],
        "totalFlow": 0,
        "cheatWitnessInfoMap": {},
        "configNodeInfo": {
            "codeVersion": CODE_VERSION,
            "versionName": concat!("shoal-devchain-", env!("CARGO_PKG_VERSION")),
            "supportConstant": true,
        },
        "machineInfo": {},
    }))
}

/// `listwitnesses`.
pub(super) fn witnesses(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let head = chain.head().number();
    let witness = json!({
        "address": shown(chain.genesis().witness, params.form),
        "totalProduced": head,
        "latestBlockNum": head,
        "isJobs": true,
    });
    Ok(json!({ "witnesses": [witness] }))
}

/// What this chain has none of: TRC-10, proposals, exchanges, peers.
pub(super) fn nothing(_: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    Ok(json!({}))
}
