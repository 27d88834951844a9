//! How a chain begins.
//!
//! Source: own. Block 0 gives all play TRX to the faucet and is random, so that no two chains share
//! a genesis hash or a chain id. Block 1 holds two ordinary transactions of the faucet: they deploy
//! the test BTT, all of it the faucet's, and the Vault for it, compiled as everywhere else.

use keys::secp256k1::SecretKey;
use keys::sha256;
use ledger::transaction::{Action, Terms, Unsigned, deployed_at};
use ledger::{Address, BlockId, Sun};
use serde_json::Value;
use wire::tron::{AbiEntry, AbiParam, ContractAbi};
use wire::{abi, unhex_bytes};

use crate::header::Header;
use crate::refusal::ChainError;
use crate::rows::{AccountRow, Changes};
use crate::store::{BlockRow, Store};

/// All TRX that there will ever be: 99 thousand million, about as many as on the real network.
pub const SUPPLY_SUN: u64 = 99_000_000_000_000_000;

/// All test BTT, in its smallest units: as many as on the real network.
pub const BTT_SUPPLY: u128 = 990_000_000_000_000 * 1_000_000_000_000_000_000;

/// Time that the transactions of block 1 had.
const EXPIRATION_MS: u64 = 60 * 60 * 1_000;

/// Sun for one deployment.
const DEPLOY_FEE_LIMIT: Sun = Sun(15_000_000_000);

const BTT: &str = include_str!("../../../contracts/artifacts/Btt.json");
const VAULT: &str = include_str!("../../../contracts/artifacts/Vault.json");

/// The chain's own keys, in its file: they guard play money.
#[derive(Debug)]
pub(crate) struct OwnKeys {
    pub(crate) faucet: SecretKey,
    pub(crate) witness: SecretKey,
}

impl OwnKeys {
    /// From a chain's seed.
    pub(crate) fn derive(seed: &[u8; 32]) -> Result<Self, ChainError> {
        let key = |purpose: &[u8]| {
            // The first hash is a key but for one seed in 2^128.
            SecretKey::from_bytes(&sha256(&[purpose, seed].concat()))
                .ok_or(ChainError::Damaged("seed"))
        };
        Ok(Self { faucet: key(b"shoal chain faucet")?, witness: key(b"shoal chain witness")? })
    }

    pub(crate) fn faucet_address(&self) -> Address {
        Address::of_key(&self.faucet.public())
    }

    pub(crate) fn witness_address(&self) -> Address {
        Address::of_key(&self.witness.public())
    }
}

/// Writes block 0 into an empty database.
pub(crate) fn write(
    store: &Store,
    keys: &OwnKeys,
    seed: &[u8; 32],
    now_ms: u64,
) -> Result<(), ChainError> {
    let transactions_root = sha256(&[&b"shoal chain genesis"[..], seed].concat());
    let header = Header {
        number: 0,
        timestamp_ms: now_ms,
        parent: BlockId([0; 32]),
        transactions_root,
        witness: keys.witness_address(),
    };
    let mut changes = Changes::default();
    let faucet = AccountRow { balance: SUPPLY_SUN, ..AccountRow::new(now_ms) };
    changes.accounts.insert((*keys.faucet_address().bytes()).into(), Some(faucet));
    let block = BlockRow {
        number: 0,
        id: header.id(),
        timestamp_ms: now_ms,
        transactions_root,
        signature: Vec::new(),
        size_bytes: 0,
        energy_used: 0,
        burned: 0,
    };
    store.commit_block(&block, &[], &changes, 0)
}

/// The transactions of block 1.
#[derive(Debug)]
pub(crate) struct Deployments {
    /// Encoded and signed, in order.
    pub(crate) transactions: [Vec<u8>; 2],
    pub(crate) btt: Address,
    pub(crate) vault: Address,
}

/// The transactions of block 1.
pub(crate) fn deployments(
    keys: &OwnKeys,
    genesis: BlockId,
    now_ms: u64,
) -> Result<Deployments, ChainError> {
    let owner = keys.faucet_address();
    let holder = abi::Encoder::new().address(owner.bytes()).uint(BTT_SUPPLY).finish();
    let (btt_bytes, btt) = deployment(keys, genesis, now_ms, (BTT, "Btt", &holder))?;
    let token = abi::Encoder::new().address(btt.bytes()).finish();
    let (vault_bytes, vault) = deployment(keys, genesis, now_ms + 1, (VAULT, "Vault", &token))?;
    Ok(Deployments { transactions: [btt_bytes, vault_bytes], btt, vault })
}

fn deployment(
    keys: &OwnKeys,
    genesis: BlockId,
    now_ms: u64,
    (artifact, name, arguments): (&str, &str, &[u8]),
) -> Result<(Vec<u8>, Address), ChainError> {
    let wrong = || ChainError::Damaged("a contract that comes with this program");
    let artifact: Value = serde_json::from_str(artifact).map_err(|_malformed| wrong())?;
    let code = artifact["bytecode"].as_str().and_then(unhex_bytes).ok_or_else(wrong)?;
    let action = Action::Deploy {
        name: name.to_owned(),
        bytecode: [&code, arguments].concat(),
        abi: interface(&artifact["abi"]),
        call_value: Sun(0),
    };
    let terms = Terms {
        ref_block: genesis,
        expiration_ms: now_ms + EXPIRATION_MS,
        timestamp_ms: now_ms,
        fee_limit: DEPLOY_FEE_LIMIT,
    };
    let owner = keys.faucet_address();
    let unsigned = Unsigned::build(owner, &action, &terms).map_err(|_bounds| wrong())?;
    let address = deployed_at(unsigned.id(), owner);
    let signed = unsigned.sign(&keys.faucet).map_err(|_stranger| wrong())?;
    Ok((signed.to_bytes(), address))
}

/// The compiler's JSON of a contract's interface as TRON keeps it, in protobuf.
pub fn interface_bytes(abi: &Value) -> Vec<u8> {
    wire::tron::encode(&interface(abi))
}

/// The compiler's JSON as TRON keeps interfaces.
fn interface(abi: &Value) -> ContractAbi {
    let entries = abi.as_array().map(Vec::as_slice).unwrap_or_default();
    ContractAbi { entrys: entries.iter().map(interface_entry).collect() }
}

fn interface_entry(entry: &Value) -> AbiEntry {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let params = |value: &Value| -> Vec<AbiParam> {
        let params = value.as_array().map(Vec::as_slice).unwrap_or_default();
        params
            .iter()
            .map(|param| AbiParam {
                indexed: param["indexed"].as_bool().unwrap_or_default(),
                name: text(&param["name"]),
                r#type: text(&param["type"]),
            })
            .collect()
    };
    AbiEntry {
        anonymous: entry["anonymous"].as_bool().unwrap_or_default(),
        name: text(&entry["name"]),
        inputs: params(&entry["inputs"]),
        outputs: params(&entry["outputs"]),
        r#type: match entry["type"].as_str() {
            Some("constructor") => 1,
            Some("function") => 2,
            Some("event") => 3,
            Some("fallback") => 4,
            Some("receive") => 5,
            Some("error") => 6,
            Some(_) | None => 0,
        },
        payable: entry["stateMutability"] == "payable",
        state_mutability: match entry["stateMutability"].as_str() {
            Some("pure") => 1,
            Some("view") => 2,
            Some("nonpayable") => 3,
            Some("payable") => 4,
            Some(_) | None => 0,
        },
        ..AbiEntry::default()
    }
}
