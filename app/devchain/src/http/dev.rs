//! What only a chain for development has, all below `/dev/`: play money, and the hands on its clock.

use serde_json::{Value, json};

use super::events::address;
use super::fault::Fault;
use super::params::Params;
use super::proto_json::hex;
use crate::chain::Chain;
use crate::config::BlockTime;

/// What the faucet gives of TRX unless asked for another amount, in sun.
const TRX_UNASKED: u128 = 10_000 * 1_000_000;
/// The same of BTT, in its smallest unit.
const BTT_UNASKED: u128 = 1_000_000 * 1_000_000_000_000_000_000;
/// Most blocks that one call makes.
const MINE_MAX: i64 = 1_000;

/// `status`: what this chain is.
pub(super) fn status(chain: &mut Chain, _now: u64, _params: &Params) -> Result<Value, Fault> {
    let genesis = chain.genesis();
    let config = chain.config();
    let block_time = match config.block_time {
        BlockTime::OnDemand => json!("on-demand"),
        BlockTime::Every(time) => json!({ "every_ms": u64::try_from(time.as_millis()).ok() }),
    };
    Ok(json!({
        "genesis": hex(&genesis.id.0),
        "chain_id": genesis.chain_id,
        "faucet": genesis.faucet.to_string(),
        "witness": genesis.witness.to_string(),
        "btt": genesis.btt.to_string(),
        "vault": genesis.vault.to_string(),
        "head": { "number": chain.head().number(), "id": hex(&chain.head().0) },
        "solid": { "number": chain.solid().number(), "id": hex(&chain.solid().0) },
        "block_time": block_time,
        "solid_after_blocks": config.solid_after_blocks,
        "pending": chain.pending().len(),
        "burned_sun": chain.burned().0.to_string(),
        "now_ms": chain.clock_ms(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// `faucet`: play money for `address`. `coin` is `trx`, `btt` or the address of a token, `amount`
/// text in its smallest unit.
pub(super) fn faucet(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    let text = params.text("address");
    let to = address(text).ok_or_else(|| Fault::argument(format!("no address: {text}")))?;
    let (token, unasked) = match params.text("coin") {
        "" | "trx" | "TRX" => (None, TRX_UNASKED),
        "btt" | "BTT" => (Some(chain.genesis().btt), BTT_UNASKED),
        other => match address(other) {
            Some(token) => (Some(token), BTT_UNASKED),
            None => return Err(Fault::argument(format!("no such coin: {other}"))),
        },
    };
    let amount = match params.get("amount") {
        None => unasked,
        Some(Value::String(text)) => {
            text.parse().map_err(|_not_a_number| Fault::argument(format!("no amount: {text}")))?
        }
        Some(Value::Number(number)) if number.is_u64() => number.as_u64().unwrap_or(0).into(),
        Some(other) => return Err(Fault::argument(format!("no amount: {other}"))),
    };
    let id = chain.faucet(to, token, amount, now);
    let id = id.map_err(|error| Fault::argument(error.to_string()))?;
    if chain.config().block_time == BlockTime::OnDemand {
        // Who is told of it may rely on it.
        if let Err(error) = chain.produce(now) {
            chain.forget_waiting();
            return Err(error.into());
        }
    }
    Ok(json!({ "txid": hex(&id.0), "amount": amount.to_string() }))
}

/// `mine`: blocks of what waits, empty ones if nothing does.
pub(super) fn mine(chain: &mut Chain, now: u64, params: &Params) -> Result<Value, Fault> {
    let blocks = params.get("blocks").map_or(Ok(1), |_| params.int("blocks"))?;
    if !(1..=MINE_MAX).contains(&blocks) {
        return Err(Fault::argument(format!("1 to {MINE_MAX} blocks at once, not {blocks}")));
    }
    for _ in 0..blocks {
        chain.mine(now)?;
    }
    Ok(head(chain))
}

/// `rewind`: throws the newest blocks away, as a reorganisation does.
pub(super) fn rewind(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let blocks = params.int("blocks")?;
    let blocks = u64::try_from(blocks)
        .map_err(|_negative| Fault::argument(format!("cannot rewind {blocks} blocks")))?;
    chain.rewind(blocks, params.flag("put_back"))?;
    Ok(head(chain))
}

/// `skip-time`: lets the chain's clock run ahead by so many `ms` more.
pub(super) fn skip_time(chain: &mut Chain, _now: u64, params: &Params) -> Result<Value, Fault> {
    let ms = params.int("ms")?;
    let ms = u64::try_from(ms).map_err(|_negative| Fault::argument("time runs ahead only"))?;
    chain.skip_time(ms)?;
    Ok(head(chain))
}

fn head(chain: &Chain) -> Value {
    json!({ "number": chain.head().number(), "id": hex(&chain.head().0) })
}
