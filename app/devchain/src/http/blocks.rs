//! Blocks as a full node shows them.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::params::{Params, shown};
use super::proto_json::{Form, hex, unhex};
use super::transactions::with_outcome;
use crate::block::{Block, BlockRef};
use crate::chain::Chain;
use crate::state::View;
use ledger::BlockId;

/// Most blocks that one call shows, as on the real node.
const BLOCKS_MAX: u64 = 100;

/// Blocks of a list end after so many bytes; whoever wants the rest asks from there.
const LIST_BYTES_MAX: u64 = 8 * 1_024 * 1_024;

/// The newest block of a view.
fn newest(view: View) -> BlockRef {
    match view {
        View::Head => BlockRef::Head,
        View::Solid => BlockRef::Solid,
    }
}

/// A block, unless it is not final yet and only final ones are asked for.
fn find(chain: &Chain, which: BlockRef, view: View) -> Result<Option<Block>, Fault> {
    let block = chain.block(which)?;
    let last = match view {
        View::Head => u64::MAX,
        View::Solid => chain.solid().number(),
    };
    Ok(block.filter(|block| block.number <= last))
}

/// `getnowblock`.
pub(super) fn now(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    answer(chain, newest(params.view), params)
}

/// `getblock`: by id or number or none, with its transactions only if asked for.
pub(super) fn get(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let asked = match params.get("id_or_num") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    let which = if asked.is_empty() {
        newest(params.view)
    } else if let Ok(number) = asked.parse::<i64>() {
        let Ok(number) = u64::try_from(number) else {
            return Ok(json!({ "Error": "num must be non-positive number." }));
        };
        BlockRef::Number(number)
    } else if let Some(id) = id(&asked) {
        BlockRef::Id(id)
    } else {
        return Ok(json!({ "Error": "id must be legal block hash." }));
    };
    let Some(block) = find(chain, which, params.view)? else { return Ok(json!({})) };
    block_json(chain, &block, params.form, params.flag("detail"))
}

fn id(text: &str) -> Option<BlockId> {
    unhex(text).ok()?.try_into().ok().map(BlockId)
}

/// `getblockbynum`.
pub(super) fn by_number(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    match u64::try_from(params.int("num")?) {
        Ok(number) => answer(chain, BlockRef::Number(number), params),
        Err(_negative) => Ok(json!({})),
    }
}

/// `getblockbyid`.
pub(super) fn by_id(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    match params.bytes("value")?.try_into() {
        Ok(id) => answer(chain, BlockRef::Id(BlockId(id)), params),
        Err(_length) => Ok(json!({})),
    }
}

/// `getblockbylimitnext`: from one number to before another.
pub(super) fn range(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let ends = (u64::try_from(params.int("startNum")?), u64::try_from(params.int("endNum")?));
    let (Ok(start), Ok(end)) = ends else { return Ok(json!({})) };
    if end <= start || end - start > BLOCKS_MAX {
        return Ok(json!({}));
    }
    list(chain, start..end, params)
}

/// `getblockbylatestnum`: the newest.
pub(super) fn latest(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let Ok(count) = u64::try_from(params.int("num")?) else { return Ok(json!({})) };
    if count == 0 || count >= BLOCKS_MAX {
        return Ok(json!({}));
    }
    let end = match params.view {
        View::Head => chain.head(),
        View::Solid => chain.solid(),
    };
    let end = end.number() + 1;
    list(chain, end.saturating_sub(count)..end, params)
}

/// `gettransactioncountbyblocknum`.
pub(super) fn count(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let number = u64::try_from(params.int("num")?).ok().map(BlockRef::Number);
    let block = number.map(|number| find(chain, number, params.view)).transpose()?.flatten();
    let count = block.map_or(-1, |block| block.transactions.len().try_into().unwrap_or(i64::MAX));
    Ok(json!({ "count": count }))
}

fn list(chain: &Chain, numbers: std::ops::Range<u64>, params: &Params) -> Result<Value, Fault> {
    let mut blocks = Vec::new();
    let mut bytes = 0_u64;
    for number in numbers {
        let Some(block) = find(chain, BlockRef::Number(number), params.view)? else { break };
        bytes = bytes.saturating_add(block.size_bytes);
        if bytes > LIST_BYTES_MAX && !blocks.is_empty() {
            break;
        }
        blocks.push(block_json(chain, &block, params.form, true)?);
    }
    Ok(json!({ "block": blocks }))
}

fn answer(chain: &Chain, which: BlockRef, params: &Params) -> Result<Value, Fault> {
    match find(chain, which, params.view)? {
        Some(block) => block_json(chain, &block, params.form, true),
        None => Ok(json!({})),
    }
}

fn block_json(chain: &Chain, block: &Block, form: Form, detail: bool) -> Result<Value, Fault> {
    let mut raw = Map::new();
    for (name, number) in [
        ("number", block.number),
        ("version", block.version.into()),
        ("timestamp", block.timestamp_ms),
    ] {
        let is_long = name != "version";
        if number != 0 {
            let text = form.int64_as_text && is_long;
            let shown = if text { number.to_string().into() } else { number.into() };
            raw.insert(name.into(), shown);
        }
    }
    raw.insert("txTrieRoot".into(), hex(&block.transactions_root).into());
    raw.insert("parentHash".into(), hex(&block.parent.0).into());
    raw.insert("witness_address".into(), shown(block.witness, form).into());
    let mut header = json!({ "raw_data": raw });
    if !block.witness_signature.is_empty() {
        header["witness_signature"] = hex(&block.witness_signature).into();
    }
    let mut value = json!({ "blockID": hex(&block.id.0), "block_header": header });
    if detail && !block.transactions.is_empty() {
        let mut transactions = Vec::with_capacity(block.transactions.len());
        for id in &block.transactions {
            if let Some(stored) = chain.transaction(*id, View::Head)? {
                transactions.push(with_outcome(chain, &stored, form)?);
            }
        }
        value["transactions"] = transactions.into();
    }
    Ok(value)
}
