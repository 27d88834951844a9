//! A small model of a TRON chain and of an honest full node's HTTP API.
//!
//! It knows TRX, one token, blocks, solidification, expirations and reorganisations: what the rules
//! of money depend on. It executes no contracts; the embedded chain does that.

use std::collections::{BTreeMap, BTreeSet};

use keys::sha256;
use ledger::transaction::{self, Action, Signed};
use ledger::{Address, Amount, Sun, TxId};
use serde_json::{Value, json};
use wire::abi::{Decoder, Encoder, topic};
use wire::{hex, unhex, unhex_bytes};

/// The model's token.
pub const TOKEN: Address = Address::new([0x70; 20]);

/// Blocks after which one can't be undone any more.
pub const SOLID_DEPTH: u64 = 3;

/// Between two blocks, in milliseconds.
pub const BLOCK_MS: u64 = 3000;

/// Energy of a token transfer, and of one that fails.
const TRANSFER_ENERGY: u64 = 14_000;
const FAILED_ENERGY: u64 = 900;

/// Sun an energy and a byte.
const ENERGY_PRICE: u64 = 100;
const BYTE_PRICE: u64 = 1000;

const FIRST_BLOCK_MS: u64 = 1_700_000_000_000;

/// Words of the model token's revert.
pub const TOO_LITTLE: &str = "transfer amount exceeds balance";

/// Money at one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// Sun.
    pub trx: BTreeMap<Address, u64>,
    /// Units of the token.
    pub token: BTreeMap<Address, u128>,
}

/// A transaction that was carried out.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Its id.
    pub id: TxId,
    /// As it was sent.
    pub signed: Signed,
    /// Its fee, in sun.
    pub fee: u64,
    /// Its energy.
    pub energy: u64,
    /// It failed.
    pub failed: bool,
    /// Sender, recipient, amount: the token's event.
    pub event: Option<(Address, Address, u128)>,
}

/// A block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Number and hash.
    pub id: [u8; 32],
    /// That of the block before.
    pub parent: [u8; 32],
    /// Its place.
    pub number: u64,
    /// Its time.
    pub time_ms: u64,
    /// What it carried out.
    pub carried: Vec<Carried>,
    /// Money after it.
    pub money: Money,
}

/// The chain, and what waits for its next block.
#[derive(Clone, Debug)]
pub struct Chain {
    blocks: Vec<Block>,
    waiting: BTreeMap<TxId, Signed>,
    /// Blocks that were undone, so that the same block is never made twice.
    undone: u64,
}

impl Chain {
    /// A chain whose first block gives everybody named some money.
    #[must_use]
    pub fn new(name: u64, money: Money) -> Self {
        let mut id = sha256(&name.to_be_bytes());
        id[..8].fill(0);
        let first = Block {
            id,
            parent: [0; 32],
            number: 0,
            time_ms: FIRST_BLOCK_MS,
            carried: Vec::new(),
            money,
        };
        Self { blocks: vec![first], waiting: BTreeMap::new(), undone: 0 }
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> &Block {
        self.blocks.last().expect("the first block is never undone")
    }

    /// The newest block that can't be undone.
    #[must_use]
    pub fn solid(&self) -> &Block {
        let number = self.head().number.saturating_sub(SOLID_DEPTH);
        self.block(number).expect("below the head")
    }

    /// The block of this number.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// Where a transaction was carried out.
    #[must_use]
    pub fn find(&self, id: TxId) -> Option<(&Block, &Carried)> {
        self.blocks.iter().find_map(|block| {
            block.carried.iter().find(|carried| carried.id == id).map(|carried| (block, carried))
        })
    }

    /// Everything carried out in blocks that can't be undone.
    pub fn final_carried(&self) -> impl Iterator<Item = &Carried> {
        let solid = self.solid().number;
        let blocks = self.blocks.iter().filter(move |block| block.number <= solid);
        blocks.flat_map(|block| &block.carried)
    }

    /// What waits for the next block.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets what waits, as nodes do that are restarted.
    pub fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Makes a block of what waits and has not expired.
    pub fn make_block(&mut self) {
        let head = self.head();
        let (parent, number) = (head.id, head.number + 1);
        let time_ms = head.time_ms + BLOCK_MS;
        let mut money = head.money.clone();
        let mut carried = Vec::new();
        for (id, signed) in std::mem::take(&mut self.waiting) {
            let (owner, action, terms) = transaction::read(signed.raw()).expect("was read before");
            if terms.expiration_ms > time_ms {
                carried.extend(carry(&mut money, id, signed, owner, &action, terms.fee_limit));
            }
        }
        let mut seed = parent.to_vec();
        seed.extend_from_slice(&self.undone.to_be_bytes());
        carried.iter().for_each(|carried| seed.extend_from_slice(&carried.id.0));
        let mut id = sha256(&seed);
        id[..8].copy_from_slice(&number.to_be_bytes());
        self.blocks.push(Block { id, parent, number, time_ms, carried, money });
    }

    /// Undoes the newest blocks, never a solid one; what they carried waits again.
    pub fn undo(&mut self, count: u64) {
        for _ in 0..count.min(SOLID_DEPTH - 1) {
            if self.blocks.len() > 1 {
                let block = self.blocks.pop().expect("more than one");
                self.undone += 1;
                for carried in block.carried {
                    self.waiting.insert(carried.id, carried.signed);
                }
            }
        }
    }

    /// Takes a transaction, or says by which code it does not.
    ///
    /// # Errors
    /// The code and words of a node.
    pub fn take(&mut self, bytes: &[u8]) -> Result<TxId, (&'static str, String)> {
        let signed = Signed::from_bytes(bytes).map_err(|why| ("SIGERROR", why.to_string()))?;
        let id = signed.id();
        let (owner, _, terms) = transaction::read(signed.raw())
            .map_err(|why| ("CONTRACT_VALIDATE_ERROR", why.to_string()))?;
        if self.find(id).is_some() || self.waiting.contains_key(&id) {
            return Err(("DUP_TRANSACTION_ERROR", "dup transaction".to_owned()));
        }
        let head = self.head();
        if terms.expiration_ms <= head.time_ms {
            return Err(("TRANSACTION_EXPIRATION_ERROR", "transaction expired".to_owned()));
        }
        let is_ours = |block: &&Block| block.id[6..16] == terms.ref_block.0[6..16];
        if !self.blocks.iter().rev().take(65_536).any(|block| is_ours(&block)) {
            return Err(("TAPOS_ERROR", "tapos failed".to_owned()));
        }
        if !head.money.trx.contains_key(&owner) {
            return Err(("CONTRACT_VALIDATE_ERROR", "account does not exist".to_owned()));
        }
        self.waiting.insert(id, signed);
        Ok(id)
    }
}

fn carry(
    money: &mut Money,
    id: TxId,
    signed: Signed,
    owner: Address,
    action: &Action,
    fee_limit: Sun,
) -> Option<Carried> {
    let bytes_fee = (signed.to_bytes().len() as u64 + 64) * BYTE_PRICE;
    let have = money.trx.get(&owner).copied()?;
    match action {
        Action::Transfer { to, amount } => {
            let spent = amount.0.checked_add(bytes_fee).filter(|spent| *spent <= have)?;
            money.trx.insert(owner, have - spent);
            *money.trx.entry(*to).or_default() += amount.0;
            Some(Carried { id, signed, fee: bytes_fee, energy: 0, failed: false, event: None })
        }
        Action::Trigger { contract, data, .. } => {
            let (to, amount) = transfer_of(*contract, data)?;
            let held = money.token.get(&owner).copied().unwrap_or(0);
            let enough = held >= amount;
            let energy = if enough { TRANSFER_ENERGY } else { FAILED_ENERGY };
            let in_limit = energy * ENERGY_PRICE <= fee_limit.0;
            let fee = bytes_fee + (energy * ENERGY_PRICE).min(fee_limit.0);
            money.trx.insert(owner, have.checked_sub(fee)?);
            let failed = !enough || !in_limit;
            if !failed {
                money.token.insert(owner, held - amount);
                *money.token.entry(to).or_default() += amount;
            }
            let event = (!failed).then_some((owner, to, amount));
            Some(Carried { id, signed, fee, energy, failed, event })
        }
        Action::Deploy { .. } => None,
    }
}

fn transfer_of(contract: Address, data: &[u8]) -> Option<(Address, u128)> {
    let mut arguments = Decoder::of_call("transfer(address,uint256)", data)?;
    let to = Address::new(arguments.address().ok()?);
    let amount = arguments.uint().ok()?;
    (contract == TOKEN).then_some((to, amount))
}

/// A transfer of the model's token.
#[must_use]
pub fn transfer_data(to: Address, amount: Amount) -> Vec<u8> {
    let call = Encoder::call("transfer(address,uint256)");
    call.address(to.bytes()).uint(amount.units()).finish()
}

/// A full node that says what it knows: the chain, of which it may lack the newest blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// So many blocks behind.
    pub behind: u64,
}

impl Node {
    /// Answers one request of the HTTP API.
    pub fn answer(self, chain: &mut Chain, path: &str, body: &Value) -> Value {
        let is_solid = path.starts_with("walletsolidity/");
        let name = path.rsplit('/').next().unwrap_or_default();
        let top = chain.head().number.saturating_sub(self.behind);
        let top = if is_solid { top.saturating_sub(SOLID_DEPTH) } else { top };
        let at = chain.block(top).expect("below the head").clone();
        match name {
            "getnowblock" => block_json(&at),
            "getblockbynum" => {
                let block = body["num"].as_u64().filter(|number| *number <= top);
                block.and_then(|number| chain.block(number)).map_or(json!({}), block_json)
            }
            "getchainparameters" => json!({ "chainParameter": [
                { "key": "getTransactionFee", "value": BYTE_PRICE },
                { "key": "getEnergyFee", "value": ENERGY_PRICE },
                { "key": "getCreateNewAccountFeeInSystemContract", "value": 1_000_000 },
                { "key": "getCreateAccountFee", "value": 100_000 },
                { "key": "getMaxFeeLimit", "value": 15_000_000_000_u64 },
            ] }),
            "getaccount" => account_json(&at, &body["address"]),
            "getaccountresource" => json!({ "freeNetLimit": 600, "freeNetUsed": 600 }),
            "triggerconstantcontract" => constant_json(&at, body),
            "broadcasthex" => broadcast_json(chain, body),
            "gettransactioninfobyid" => {
                let id = TxId(unhex(body["value"].as_str().unwrap_or_default()).unwrap_or([0; 32]));
                let found = chain.find(id).filter(|(block, _)| block.number <= top);
                found.map_or(json!({}), |(block, carried)| receipt_json(block, carried))
            }
            "gettransactioninfobyblocknum" => {
                let block = body["num"].as_u64().filter(|number| *number <= top);
                let block = block.and_then(|number| chain.block(number));
                let receipts = block.map(|block| {
                    block.carried.iter().map(|carried| receipt_json(block, carried)).collect()
                });
                Value::Array(receipts.unwrap_or_default())
            }
            _ => json!({ "Error": format!("no such method {path}") }),
        }
    }
}

fn address_of(value: &Value) -> Address {
    value.as_str().unwrap_or_default().parse().unwrap_or(Address::new([0; 20]))
}

/// A block as nodes write it.
#[must_use]
pub fn block_json(block: &Block) -> Value {
    json!({ "blockID": hex(&block.id), "block_header": { "raw_data": {
        "number": block.number, "timestamp": block.time_ms, "parentHash": hex(&block.parent),
    } } })
}

fn account_json(at: &Block, address: &Value) -> Value {
    let address = address_of(address);
    match at.money.trx.get(&address) {
        None => json!({}),
        Some(balance) => json!({ "address": address.tron_hex(), "balance": balance }),
    }
}

fn constant_json(at: &Block, body: &Value) -> Value {
    let data = unhex_bytes(body["data"].as_str().unwrap_or_default()).unwrap_or_default();
    let owner = address_of(&body["owner_address"]);
    let contract = address_of(&body["contract_address"]);
    let tokens = |of: Address| at.money.token.get(&of).copied().unwrap_or(0);
    let echo = json!({ "raw_data": { "contract": [{ "parameter": { "value": {
        "data": hex(&data), "owner_address": owner.tron_hex(),
        "contract_address": contract.tron_hex(),
    } } }] }, "ret": [{}] });
    let (energy, output) = if let Some(mut of) = Decoder::of_call("balanceOf(address)", &data) {
        (600, Ok(tokens(Address::new(of.address().unwrap_or_default()))))
    } else if let Some((_, amount)) = transfer_of(contract, &data) {
        if tokens(owner) >= amount { (TRANSFER_ENERGY, Ok(1)) } else { (FAILED_ENERGY, Err(())) }
    } else {
        (FAILED_ENERGY, Err(()))
    };
    match output {
        Ok(number) => json!({
            "result": { "result": true }, "energy_used": energy, "transaction": echo,
            "constant_result": [hex(&wire::abi::uint_word(number))],
        }),
        Err(()) => {
            let mut echo = echo;
            echo["ret"] = json!([{ "ret": "FAILED" }]);
            let reason = Encoder::call("Error(string)").bytes(TOO_LITTLE.as_bytes()).finish();
            json!({
                "result": { "result": true, "message": hex(b"REVERT opcode executed") },
                "energy_used": energy, "transaction": echo, "constant_result": [hex(&reason)],
            })
        }
    }
}

fn broadcast_json(chain: &mut Chain, body: &Value) -> Value {
    let bytes = unhex_bytes(body["transaction"].as_str().unwrap_or_default()).unwrap_or_default();
    match chain.take(&bytes) {
        Ok(id) => {
            json!({ "result": true, "code": "SUCCESS", "message": "", "txid": id.to_string() })
        }
        Err((code, words)) => {
            json!({ "result": false, "code": code, "message": hex(words.as_bytes()) })
        }
    }
}

/// A receipt as nodes write it.
#[must_use]
pub fn receipt_json(block: &Block, carried: &Carried) -> Value {
    let mut receipt = json!({
        "id": carried.id.to_string(), "fee": carried.fee, "blockNumber": block.number,
        "blockTimeStamp": block.time_ms,
        "receipt": { "net_fee": BYTE_PRICE, "energy_usage_total": carried.energy },
    });
    if carried.energy > 0 {
        let verdict = if carried.failed { "REVERT" } else { "SUCCESS" };
        receipt["receipt"]["result"] = json!(verdict);
        receipt["contract_address"] = json!(TOKEN.tron_hex());
    }
    if carried.failed {
        let reason = Encoder::call("Error(string)").bytes(TOO_LITTLE.as_bytes()).finish();
        receipt["result"] = json!("FAILED");
        receipt["resMessage"] = json!(hex(b"REVERT opcode executed"));
        receipt["contractResult"] = json!([hex(&reason)]);
    }
    if let Some((from, to, amount)) = carried.event {
        let topics = [
            hex(&topic("Transfer(address,address,uint256)")),
            hex(&wire::abi::address_word(from.bytes())),
            hex(&wire::abi::address_word(to.bytes())),
        ];
        receipt["log"] = json!([{
            "address": hex(TOKEN.bytes()), "topics": topics,
            "data": hex(&wire::abi::uint_word(amount)),
        }]);
    }
    receipt
}

/// Everybody whose money two states hold differently.
#[must_use]
pub fn holders(money: &Money) -> BTreeSet<Address> {
    money.trx.keys().chain(money.token.keys()).copied().collect()
}
