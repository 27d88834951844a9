//! Events and the history of accounts, as `TronGrid` gives them under `/v1`.
//!
//! A full node has none of this: it is a service of its own on the real network, which programs
//! expect all the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::abi::{self, EventShape};
use super::accounts::account_json;
use super::fault::Fault;
use super::params::Params;
use super::proto_json::{Form, hex};
use super::transactions::{ending, with_outcome};
use crate::block::StoredTransaction;
use crate::call::{CallRequest, CallTarget};
use crate::chain::Chain;
use crate::receipt::{LogFilter, LogRecord, Receipt};
use crate::state::View;
use ledger::Sun;
use ledger::{Address, TxId};

/// Entries of a page, unless others are asked for.
const PAGE: usize = 20;
/// Most entries of a page.
const PAGE_MAX: usize = 200;

/// Energy that a token has for saying what it is, or what somebody has: it may be anybody's contract,
/// and a page asks hundreds of times.
const TOKEN_ENERGY_MAX: u64 = 200_000;

/// Whose history.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// Events of a contract.
    Contract(Address),
    /// Events of a transaction.
    Transaction(TxId),
    /// Events of a block; none: the newest.
    Block(Option<u64>),
    /// An account itself.
    Account(Address),
    /// An account's transactions.
    Transactions(Address),
    /// An account's transfers of TRC-20 tokens.
    Transfers(Address),
}

/// What a path below `/v1/` asks for; none if it is nothing.
pub(super) fn of_path(path: &str) -> Option<Result<Of, Fault>> {
    let parts: Vec<&str> = path.split('/').collect();
    let contract = |text: &str, of: fn(Address) -> Of| {
        address(text).map(of).ok_or_else(|| Fault::argument("Invalid address: ".to_owned() + text))
    };
    Some(match parts.as_slice() {
        ["contracts", text, "events"] => contract(text, Of::Contract),
        ["transactions", id, "events"] => wire::unhex(id)
            .map(|id| Of::Transaction(TxId(id)))
            .ok_or_else(|| Fault::argument(format!("Invalid transaction id: {id}"))),
        ["blocks", "latest", "events"] => Ok(Of::Block(None)),
        ["blocks", number, "events"] => number
            .parse()
            .map(|number| Of::Block(Some(number)))
            .map_err(|_not_a_number| Fault::argument(format!("Invalid block number: {number}"))),
        ["accounts", text] => contract(text, Of::Account),
        ["accounts", text, "transactions"] => contract(text, Of::Transactions),
        ["accounts", text, "transactions", "trc20"] => contract(text, Of::Transfers),
        _ => return None,
    })
}

/// An address in base58check or in hexadecimal digits.
pub(super) fn address(text: &str) -> Option<Address> {
    let bytes = match text.len() {
        34 => keys::base58check::decode(text, 21).ok()?,
        _ => super::proto_json::unhex(text).ok()?,
    };
    match bytes.len() {
        20 => bytes.try_into().ok().map(Address::new),
        _ => super::params::address_in(&bytes),
    }
}

/// Answers a question below `/v1/`.
pub(super) fn answer(chain: &mut Chain, now: u64, of: Of, params: &Params) -> Result<Value, Fault> {
    let page = Page::of(params)?;
    let (data, next) = match of {
        Of::Contract(address) => contract_events(chain, address, &page)?,
        Of::Transaction(id) => transaction_events(chain, id, &page)?,
        Of::Block(number) => {
            let number = number.unwrap_or_else(|| chain.head().number());
            let filter =
                LogFilter { from_block: number, to_block: Some(number), ..LogFilter::default() };
            paged_events(chain, filter, &page)?
        }
        Of::Account(address) => (account(chain, address, params)?, None),
        Of::Transactions(address) => transactions(chain, address, &page, params)?,
        Of::Transfers(address) => transfers(chain, address, &page)?,
    };
    let mut meta = json!({ "at": now, "page_size": data.len() });
    if let Some((block, index)) = next {
        let fingerprint = format!("{block:x}-{index:x}");
        meta["links"] = json!({ "next": next_link(params, &fingerprint) });
        meta["fingerprint"] = fingerprint.into();
    }
    Ok(json!({ "success": true, "data": data, "meta": meta }))
}

fn next_link(params: &Params, fingerprint: &str) -> String {
    let fields = params.fields.iter().filter(|(name, _)| *name != "fingerprint" && *name != "path");
    let mut query: String = fields
        .filter_map(|(name, value)| Some(format!("{name}={}&", value.as_str()?)))
        .filter(|field| field.bytes().all(|byte| byte.is_ascii_graphic()))
        .collect();
    query.push_str("fingerprint=");
    format!("{}?{query}{fingerprint}", params.text("path"))
}

/// A place in the order of a history: block, and place within it.
type Place = (u64, u32);

/// Which part of a history is asked for.
#[derive(Debug)]
struct Page {
    entries: usize,
    after: Option<Place>,
    oldest_first: bool,
    event_name: Option<String>,
    block: Option<u64>,
    min_timestamp_ms: Option<u64>,
    max_timestamp_ms: Option<u64>,
    only_confirmed: bool,
    only_unconfirmed: bool,
    contract: Option<Address>,
}

impl Page {
    fn of(params: &Params) -> Result<Self, Fault> {
        let number = |name: &str| -> Result<Option<u64>, Fault> {
            let invalid = || Fault::argument(format!("Invalid {name}"));
            match params.text(name) {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_not_a_number| invalid()),
            }
        };
        let after = match params.text("fingerprint") {
            "" => None,
            text => Some(place(text).ok_or_else(|| Fault::argument("Invalid fingerprint"))?),
        };
        let oldest_first = match params.text("order_by") {
            "" | "block_timestamp,desc" | "timestamp,desc" => false,
            "block_timestamp,asc" | "timestamp,asc" => true,
            _ => return Err(Fault::argument("Invalid order_by")),
        };
        let entries = number("limit")?.and_then(|entries| usize::try_from(entries).ok());
        let name = params.text("event_name");
        Ok(Self {
            entries: entries.unwrap_or(PAGE).clamp(1, PAGE_MAX),
            after,
            oldest_first,
            event_name: (!name.is_empty()).then(|| name.to_owned()),
            block: number("block_number")?,
            min_timestamp_ms: number("min_block_timestamp")?.or(number("min_timestamp")?),
            max_timestamp_ms: number("max_block_timestamp")?.or(number("max_timestamp")?),
            only_confirmed: params.flag("only_confirmed"),
            only_unconfirmed: params.flag("only_unconfirmed"),
            contract: match params.text("contract_address") {
                "" => None,
                text => {
                    Some(address(text).ok_or_else(|| Fault::argument("Invalid contract_address"))?)
                }
            },
        })
    }

    /// `filter` and what this page asks for.
    fn narrowed(&self, chain: &Chain, filter: LogFilter) -> LogFilter {
        let mut filter = LogFilter {
            min_timestamp_ms: self.min_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            newest_first: !self.oldest_first,
            after: self.after,
            ..filter
        };
        if let Some(block) = self.block {
            filter.from_block = filter.from_block.max(block);
            filter.to_block = Some(filter.to_block.map_or(block, |to| to.min(block)));
        }
        let solid = chain.solid().number();
        if self.only_confirmed {
            filter.to_block = Some(filter.to_block.map_or(solid, |to| to.min(solid)));
        } else if self.only_unconfirmed {
            filter.from_block = filter.from_block.max(solid.saturating_add(1));
        }
        filter
    }
}

fn place(text: &str) -> Option<Place> {
    let (block, index) = text.split_once('-')?;
    let (block, index) =
        (u64::from_str_radix(block, 16).ok()?, u32::from_str_radix(index, 16).ok()?);
    // No block has a number, or an entry a place, beyond these.
    (block < 1 << 43 && index < 1 << 20).then_some((block, index))
}

fn contract_events(
    chain: &Chain,
    address: Address,
    page: &Page,
) -> Result<(Vec<Value>, Option<Place>), Fault> {
    let mut filter = LogFilter { addresses: vec![address], ..LogFilter::default() };
    if let Some(name) = &page.event_name {
        let abi = chain.contract(address)?.map(|contract| contract.abi).unwrap_or_default();
        let named = abi::events(&abi).into_iter().filter(|shape| shape.name == *name);
        let topics: Vec<[u8; 32]> = named.filter_map(|shape| shape.topic).collect();
        if topics.is_empty() {
            return Ok((Vec::new(), None));
        }
        filter.topics = vec![topics];
    }
    paged_events(chain, filter, page)
}

fn paged_events(
    chain: &Chain,
    filter: LogFilter,
    page: &Page,
) -> Result<(Vec<Value>, Option<Place>), Fault> {
    let filter = page.narrowed(chain, filter);
    let found = chain.logs(&filter, page.entries)?;
    let mut teller = Teller::new(chain);
    let data: Result<Vec<Value>, Fault> =
        found.records.iter().map(|record| teller.tell(record)).collect();
    Ok((data?, found.stopped_at))
}

/// All of them, however many a page has.
fn transaction_events(
    chain: &Chain,
    id: TxId,
    page: &Page,
) -> Result<(Vec<Value>, Option<Place>), Fault> {
    let filter = LogFilter { transaction: Some(id), ..LogFilter::default() };
    let filter = LogFilter { newest_first: false, ..page.narrowed(chain, filter) };
    let mut teller = Teller::new(chain);
    let found = chain.logs(&filter, usize::MAX)?;
    let told: Result<Vec<Value>, Fault> =
        found.records.iter().map(|record| teller.tell(record)).collect();
    Ok((told?, found.stopped_at))
}

/// Tells events, and remembers what it had to look up.
#[derive(Debug)]
struct Teller<'a> {
    chain: &'a Chain,
    solid: u64,
    shapes: BTreeMap<Address, Vec<EventShape>>,
    callers: BTreeMap<TxId, Option<Address>>,
}

impl<'a> Teller<'a> {
    fn new(chain: &'a Chain) -> Self {
        let solid = chain.solid().number();
        Self { chain, solid, shapes: BTreeMap::new(), callers: BTreeMap::new() }
    }

    fn tell(&mut self, record: &LogRecord) -> Result<Value, Fault> {
        let address = record.log.address;
        if !self.shapes.contains_key(&address) {
            let contract = self.chain.contract(address)?;
            let abi = contract.map(|contract| contract.abi).unwrap_or_default();
            self.shapes.insert(address, abi::events(&abi));
        }
        if !self.callers.contains_key(&record.transaction) {
            let receipt = self.chain.receipt(record.transaction, View::Head)?;
            self.callers.insert(record.transaction, receipt.and_then(|receipt| receipt.contract));
        }
        let shapes = self.shapes.get(&address).map(Vec::as_slice).unwrap_or_default();
        let mut told = abi::decoded(shapes, &record.log);
        let caller = self.callers.get(&record.transaction).copied().flatten().unwrap_or(address);
        told.insert("block_number".into(), record.block_number.into());
        told.insert("block_timestamp".into(), record.block_timestamp_ms.into());
        told.insert("caller_contract_address".into(), caller.to_string().into());
        told.insert("contract_address".into(), address.to_string().into());
        told.insert("event_index".into(), record.index_in_transaction.into());
        told.insert("transaction_id".into(), hex(&record.transaction.0).into());
        if record.block_number > self.solid {
            told.insert("_unconfirmed".into(), true.into());
        }
        Ok(Value::Object(told))
    }
}

fn account(chain: &mut Chain, address: Address, params: &Params) -> Result<Vec<Value>, Fault> {
    let view = if params.flag("only_confirmed") { View::Solid } else { View::Head };
    let Some(account) = chain.account(address, view)? else { return Ok(Vec::new()) };
    let mut value = account_json(&account, params);
    let btt = chain.genesis().btt;
    let mut tokens = Vec::new();
    if let Some(balance) = balance_of(chain, btt, address, view) {
        tokens.push(json!({ btt.to_string(): balance }));
    }
    value["trc20"] = tokens.into();
    Ok(vec![value])
}

/// What a token's contract says that somebody has, in decimal digits; none if that is nothing.
fn balance_of(chain: &mut Chain, token: Address, owner: Address, view: View) -> Option<String> {
    let mut data = keys::keccak256(b"balanceOf(address)")[..4].to_vec();
    data.extend_from_slice(&[0; 12]);
    data.extend_from_slice(owner.bytes());
    let word = constant(chain, token, data, view)?;
    let number = alloy_dyn_abi::DynSolType::Uint(256).abi_decode(&word).ok()?;
    let (number, _) = number.as_uint()?;
    (!number.is_zero()).then(|| number.to_string())
}

fn constant(chain: &mut Chain, token: Address, data: Vec<u8>, view: View) -> Option<Vec<u8>> {
    let target = CallTarget::Contract(token, data);
    let owner = Address::new([0; 20]);
    let request = CallRequest { owner, target, call_value: Sun(0) };
    let outcome = chain.call_within(&request, view, TOKEN_ENERGY_MAX).ok()?;
    (!outcome.result.failed()).then_some(outcome.output)
}

fn transactions(
    chain: &Chain,
    address: Address,
    page: &Page,
    params: &Params,
) -> Result<(Vec<Value>, Option<Place>), Fault> {
    let solid = if page.only_confirmed { chain.solid().number() } else { u64::MAX };
    // TronGrid's pages begin at the newest, and so do these, whatever the order asked for.
    let final_end = page.only_confirmed.then(|| (solid.saturating_add(1), 0));
    let before = page.after.into_iter().chain(final_end).min();
    let found = chain.transactions_of(address, before, page.entries)?;
    let next = found.last().filter(|_| found.len() == page.entries).and_then(|last| last.place);
    let form = Form { visible: false, ..params.form };
    let told: Result<Vec<Value>, Fault> =
        found.iter().map(|stored| told_transaction(chain, stored, form)).collect();
    Ok((told?, next))
}

/// A transaction with what it cost, as `TronGrid` tells it.
fn told_transaction(chain: &Chain, stored: &StoredTransaction, form: Form) -> Result<Value, Fault> {
    let mut value = with_outcome(chain, stored, form)?;
    let Some(receipt) = chain.receipt(stored.id, View::Head)? else { return Ok(value) };
    value["ret"] = json!([{ "contractRet": ending(receipt.result), "fee": receipt.fee.0 }]);
    let Receipt { energy_usage_total, net_usage, block_number, block_timestamp_ms, .. } = receipt;
    for (name, number) in [
        ("blockNumber", block_number),
        ("block_timestamp", block_timestamp_ms),
        ("energy_fee", receipt.energy_fee.0),
        ("energy_usage", 0),
        ("energy_usage_total", energy_usage_total),
        ("net_fee", receipt.net_fee.0),
        ("net_usage", net_usage),
    ] {
        value[name] = number.into();
    }
    value["internal_transactions"] = json!([]);
    Ok(value)
}

fn transfers(
    chain: &mut Chain,
    address: Address,
    page: &Page,
) -> Result<(Vec<Value>, Option<Place>), Fault> {
    let transfer = keys::keccak256(b"Transfer(address,address,uint256)");
    let mut word = [0; 32];
    word[12..].copy_from_slice(address.bytes());
    let mut found: BTreeMap<Place, LogRecord> = BTreeMap::new();
    let mut stops: Vec<Place> = Vec::new();
    for topics in [vec![vec![transfer], vec![word]], vec![vec![transfer], Vec::new(), vec![word]]] {
        let addresses = page.contract.into_iter().collect();
        let filter = LogFilter { topics, addresses, ..LogFilter::default() };
        let filter = page.narrowed(chain, filter);
        let some = chain.logs(&filter, page.entries)?;
        stops.extend(some.stopped_at);
        for record in some.records {
            found.insert((record.block_number, record.index_in_block), record);
        }
    }
    // Beyond where the first search stopped, the other knows only half.
    let stop = if page.oldest_first { stops.into_iter().min() } else { stops.into_iter().max() };
    if let Some(stop) = stop {
        found.retain(|place, _| if page.oldest_first { *place <= stop } else { *place >= stop });
    }
    let mut records: Vec<(Place, LogRecord)> = found.into_iter().collect();
    if !page.oldest_first {
        records.reverse();
    }
    let more = records.len() > page.entries;
    records.truncate(page.entries);
    let next = records.last().filter(|_| more).map(|(place, _)| *place).or(stop);
    let mut tokens = BTreeMap::new();
    let told = records.iter().filter_map(|(_, record)| transfer_json(chain, &mut tokens, record));
    Ok((told.collect(), next))
}

fn transfer_json(
    chain: &mut Chain,
    tokens: &mut BTreeMap<Address, Value>,
    record: &LogRecord,
) -> Option<Value> {
    let told = abi::decoded(&abi::events(&[]), &record.log);
    let token = record.log.address;
    let party = |name: &str| {
        told["result"][name].as_str().and_then(address).map(|address| address.to_string())
    };
    Some(json!({
        "transaction_id": hex(&record.transaction.0),
        "token_info": tokens.entry(token).or_insert_with(|| token_json(chain, token)),
        "block_timestamp": record.block_timestamp_ms,
        "from": party("from")?,
        "to": party("to")?,
        "type": "Transfer",
        "value": told["result"]["value"].as_str()?,
    }))
}

/// What a token says of itself.
fn token_json(chain: &mut Chain, token: Address) -> Value {
    use alloy_dyn_abi::{DynSolType, DynSolValue};
    let mut asked = |signature: &str, of: DynSolType| -> Option<DynSolValue> {
        let data = keys::keccak256(signature.as_bytes())[..4].to_vec();
        of.abi_decode(&constant(chain, token, data, View::Head)?).ok()
    };
    let mut object = Map::new();
    object.insert("address".into(), token.to_string().into());
    for (name, signature) in [("symbol", "symbol()"), ("name", "name()")] {
        if let Some(DynSolValue::String(text)) = asked(signature, DynSolType::String) {
            object.insert(name.into(), text.into());
        }
    }
    if let Some(DynSolValue::Uint(number, _)) = asked("decimals()", DynSolType::Uint(8)) {
        object.insert("decimals".into(), number.to_string().parse().unwrap_or(0_u64).into());
    }
    Value::Object(object)
}
