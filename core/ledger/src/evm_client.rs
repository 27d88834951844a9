//! Questions to a chain in the language of Ethereum's nodes.
//!
//! Source: `wire::json_rpc`. What is final is the node's `finalized` block, or a depth where the
//! profile gives one: BTTC's checkpoints are final on other chains, and its nodes don't all say so.
//!
//! Stateless, like `tron_client`. Final state is asked by block number, so that nodes a block apart
//! answer the same.

use wire::abi::Encoder;
use wire::json_rpc::{self, At, CallSpec, ReplyError, Request as Evm};

use crate::address::Address;
use crate::amount::Amount;
use crate::chain_client::{
    Agreed, Answer, Block, BlockLogs, BroadcastRefusal, ClientError, Context, Executed, Fact, Fate,
    Fault, Log, Network, Place, Placed, PlacedLog, Probe, Query, Quote, Receipt, Request, Spread,
    Step, View, Word,
};
use crate::network::Coin;
use crate::outbox::{Action, NetworkId};
use crate::transaction::TxId;
use crate::tron_client::{revert_of, token_balance};

/// Added to an estimate of gas, in percent.
const MARGIN_PERCENT: u64 = 30;

/// Code of JSON-RPC for a call that reverted (EIP-1474 has none; nodes agreed on this one).
const CODE_REVERTED: i64 = 3;

/// The first question to a node.
pub(crate) fn check() -> Request {
    Request::Evm(Evm::ChainId)
}

/// Which chain a node is of, from its answer to [`check`].
pub(crate) fn identity(body: &[u8], exchange: u64) -> Result<(NetworkId, u64), Fault> {
    let number = json_rpc::decode_number(body, exchange)?;
    let chain_id =
        u64::try_from(number).map_err(|_large| Fault::Impossible("a chain id above 64 bits"))?;
    Ok((NetworkId::of_chain_id(chain_id), chain_id))
}

fn probe(request: Evm, spread: Spread, what: &'static str) -> Step {
    Step::Probe(Probe { request: Request::Evm(request), spread, what })
}

fn done(answer: Answer) -> Step {
    Step::Done(Box::new(answer))
}

fn broken() -> Step {
    Step::Fail(ClientError::Unsupported("such sequence of facts"))
}

/// What to find out next.
pub(crate) fn step(query: &Query, facts: &[Agreed], context: Context<'_>) -> Step {
    match query {
        Query::Network => network(facts, context),
        Query::Balance { of, coin, view } => balance(*of, *coin, *view, facts, context),
        Query::Resources(_) => Step::Fail(ClientError::Unsupported("energy and bandwidth")),
        Query::Call { from, contract, data, view } => {
            let call = call_of(*from, Some(*contract), Amount::ZERO, data);
            match at_view(*view, facts, context) {
                Err(step) => *step,
                Ok(((at, spread), [])) => {
                    probe(Evm::Call(call, at), spread, "the result of a call")
                }
                Ok((_, [Agreed { fact: Fact::Call(executed), .. }, ..])) => {
                    done(Answer::Returned(executed.result.clone()))
                }
                Ok(_) => broken(),
            }
        }
        Query::Quote { from, action } => quote(*from, action, facts),
        Query::SolidBlock => match solid_block(facts, context) {
            Ok((block, _)) => done(Answer::Block(Some(block))),
            Err(step) => *step,
        },
        Query::HeadBlock => match facts {
            [] => probe(Evm::Block(At::Latest), Spread::One, "the newest block"),
            [Agreed { fact: Fact::Block(block), .. }, ..] => done(Answer::Block(*block)),
            _ => broken(),
        },
        Query::Block(number) => match facts {
            [] => probe(Evm::Block(At::Number(*number)), Spread::Agree, "a block"),
            [Agreed { fact: Fact::Block(block), .. }, ..] => done(Answer::Block(*block)),
            _ => broken(),
        },
        Query::BlockLogs { number, contracts, view } => {
            block_logs(*number, contracts, *view, facts)
        }
        Query::Fate { id, from } => fate(*id, *from, facts, context),
        Query::Nonce(of) => match facts {
            [] => probe(Evm::Nonce(*of.bytes(), At::Pending), Spread::One, "the nonce"),
            [Agreed { fact: Fact::Number(nonce), .. }, ..] => match u64::try_from(*nonce) {
                Ok(nonce) => done(Answer::Nonce(nonce)),
                Err(_) => broken(),
            },
            _ => broken(),
        },
        Query::Broadcast { bytes, .. } => match facts {
            [] => probe(Evm::SendRaw(bytes.clone()), Spread::All, "a transaction"),
            [Agreed { fact: Fact::Words(words), .. }, ..] => done(Answer::Broadcast(words.clone())),
            _ => broken(),
        },
    }
}

/// Something that was found out, with the facts after it; or how to find it out.
type Found<'a, T> = Result<(T, &'a [Agreed]), Box<Step>>;

/// The newest final block that the nodes agree on, and the facts after it.
fn solid_block<'a>(facts: &'a [Agreed], context: Context<'_>) -> Found<'a, Block> {
    let depth = u64::from(context.profile.confirmations);
    match facts {
        [] => {
            let at = if depth == 0 { At::Finalized } else { At::Latest };
            Err(Box::new(probe(Evm::Block(at), Spread::Reached, "the newest final block")))
        }
        [Agreed { fact: Fact::Block(Some(block)), .. }] => {
            let number = block.number.saturating_sub(depth);
            Err(Box::new(probe(Evm::Block(At::Number(number)), Spread::Agree, "a final block")))
        }
        [_, Agreed { fact: Fact::Block(Some(block)), .. }, rest @ ..] => Ok((*block, rest)),
        _ => Err(Box::new(broken())),
    }
}

/// Where a question about the state is asked, of how many, and the facts after that is known.
fn at_view<'a>(view: View, facts: &'a [Agreed], context: Context<'_>) -> Found<'a, (At, Spread)> {
    match view {
        View::Head => Ok(((At::Latest, Spread::One), facts)),
        View::Solid => {
            let (block, rest) = solid_block(facts, context)?;
            Ok(((At::Number(block.number), Spread::Agree), rest))
        }
    }
}

fn network(facts: &[Agreed], context: Context<'_>) -> Step {
    let (solid, rest) = match solid_block(facts, context) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    match rest {
        [] => probe(Evm::Block(At::Latest), Spread::One, "the newest block"),
        [_] => probe(Evm::GasPrice, Spread::One, "the price of gas"),
        [
            Agreed { fact: Fact::Block(Some(head)), .. },
            Agreed { fact: Fact::Number(price), .. },
            ..,
        ] => done(Answer::Network(Network {
            id: context.network,
            chain_id: context.chain_id,
            head: *head,
            solid,
            energy_price: Amount::new(*price),
            byte_price: Amount::ZERO,
        })),
        _ => broken(),
    }
}

fn balance(of: Address, coin: Coin, view: View, facts: &[Agreed], context: Context<'_>) -> Step {
    let ((at, spread), rest) = match at_view(view, facts, context) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    match (coin, rest) {
        (Coin::Native, []) => probe(Evm::Balance(*of.bytes(), at), spread, "the balance"),
        (Coin::Token(token), []) => {
            let data = Encoder::call("balanceOf(address)").address(of.bytes()).finish();
            let call = call_of(of, Some(token), Amount::ZERO, &data);
            probe(Evm::Call(call, at), spread, "the balance of a token")
        }
        (_, [Agreed { fact: Fact::Number(units), .. }, ..]) => {
            done(Answer::Balance(Amount::new(*units)))
        }
        (_, [Agreed { fact: Fact::Call(executed), .. }, ..]) => match token_balance(executed) {
            Ok(amount) => done(Answer::Balance(amount)),
            Err(error) => Step::Fail(error),
        },
        _ => broken(),
    }
}

fn call_of(from: Address, to: Option<Address>, value: Amount, data: &[u8]) -> CallSpec {
    CallSpec {
        from: *from.bytes(),
        to: to.map(|to| *to.bytes()),
        value: value.units(),
        data: data.to_vec(),
    }
}

fn quote(from: Address, action: &Action, facts: &[Agreed]) -> Step {
    match facts {
        [] => probe(Evm::GasPrice, Spread::One, "the price of gas"),
        [_] => probe(Evm::Balance(*from.bytes(), At::Latest), Spread::One, "the balance"),
        [_, _] => {
            let (to, data): (_, &[u8]) = match action {
                Action::Transfer { to, .. } => (Some(*to), &[]),
                Action::Call { contract, data, .. } => (Some(*contract), data),
                Action::Deploy { code, .. } => (None, code),
            };
            let call = call_of(from, to, action.value(), data);
            probe(Evm::EstimateGas(call), Spread::One, "an estimate")
        }
        [
            Agreed { fact: Fact::Number(price), .. },
            Agreed { fact: Fact::Number(balance), .. },
            Agreed { fact: Fact::Call(executed), .. },
            ..,
        ] => {
            let gas = executed.energy;
            let margin = if gas == 21_000 { 0 } else { (gas / 100).saturating_mul(MARGIN_PERCENT) };
            let price = Amount::new(*price);
            let fee = |gas: u64| price.times(gas).unwrap_or(Amount::MAX);
            let fee_limit = fee(gas.saturating_add(margin));
            done(Answer::Quote(Quote {
                energy: gas,
                bandwidth: 0,
                energy_free: 0,
                bandwidth_free: 0,
                energy_price: price,
                byte_price: Amount::ZERO,
                activation: Amount::ZERO,
                fee: fee(gas),
                fee_limit,
                fee_max: fee_limit,
                balance: Amount::new(*balance),
                failure: executed.result.clone().err(),
            }))
        }
        _ => broken(),
    }
}

fn block_logs(number: u64, contracts: &[Address], view: View, facts: &[Agreed]) -> Step {
    let spread = match view {
        View::Head => Spread::One,
        View::Solid => Spread::Agree,
    };
    match facts {
        [] => probe(Evm::Block(At::Number(number)), spread, "a block"),
        [_] => {
            let contracts = contracts.iter().map(|contract| *contract.bytes()).collect();
            probe(Evm::Logs { number, contracts }, spread, "the events of a block")
        }
        [
            Agreed { fact: Fact::Block(Some(block)), .. },
            Agreed { fact: Fact::Logs(logs), .. },
            ..,
        ] => {
            // The block was replaced between the two questions.
            if logs.iter().any(|log| log.block_id != block.id) {
                return Step::Fail(ClientError::NoBlock(number));
            }
            let logs =
                logs.iter().map(|placed| (placed.transaction, placed.index, placed.log.clone()));
            done(Answer::BlockLogs(BlockLogs { block: *block, logs: logs.collect() }))
        }
        _ => Step::Fail(ClientError::NoBlock(number)),
    }
}

fn fate(id: TxId, from: Address, facts: &[Agreed], context: Context<'_>) -> Step {
    let (solid, rest) = match solid_block(facts, context) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    let told = |place: Place, nonce: Option<u64>, (voices, dissent): (u32, u32)| {
        done(Answer::Fate(Fate { solid, place, nonce, voices, dissent }))
    };
    match rest {
        [] => probe(Evm::Receipt(id.0), Spread::Agree, "a transaction"),
        [Agreed { fact: Fact::Receipt(Some(placed)), voices, dissent }] => {
            if placed.receipt.block_number > solid.number {
                return told(Place::Head(placed.receipt.clone()), None, (*voices, *dissent));
            }
            let at = At::Number(placed.receipt.block_number);
            probe(Evm::Block(at), Spread::Agree, "a block")
        }
        [Agreed { fact: Fact::Receipt(None), .. }] => {
            let at = At::Number(solid.number);
            probe(Evm::Nonce(*from.bytes(), at), Spread::Agree, "the nonce")
        }
        [
            Agreed { fact: Fact::Receipt(Some(placed)), voices, dissent },
            Agreed { fact: Fact::Block(Some(block)), .. },
            ..,
        ] => {
            // It was in a block of this number that is no more.
            if placed.block_id != Some(block.id) {
                return told(Place::Nowhere, None, (*voices, *dissent));
            }
            let receipt = Receipt { block_time_ms: block.time_ms, ..placed.receipt.clone() };
            told(Place::Solid(receipt), None, (*voices, *dissent))
        }
        [
            Agreed { fact: Fact::Receipt(None), voices, dissent },
            Agreed { fact: Fact::Number(nonce), voices: agreeing, dissent: apart },
            ..,
        ] => told(
            Place::Nowhere,
            u64::try_from(*nonce).ok(),
            ((*voices).min(*agreeing), (*dissent).max(*apart)),
        ),
        _ => broken(),
    }
}

/// Makes a fact of a reply, if it answers this very question.
pub(crate) fn fact(request: &Evm, body: &[u8], exchange: u64) -> Result<Fact, Fault> {
    match request {
        Evm::ChainId | Evm::GasPrice | Evm::Balance(..) | Evm::Nonce(..) => {
            Ok(Fact::Number(json_rpc::decode_number(body, exchange)?))
        }
        Evm::Block(at) => block(*at, body, exchange),
        Evm::Call(..) => executed(json_rpc::decode_bytes(body, exchange).map(|bytes| (0, bytes))),
        Evm::EstimateGas(_) => {
            let gas = json_rpc::decode_number(body, exchange);
            let gas = gas.map(|gas| (u64::try_from(gas).unwrap_or(u64::MAX), Vec::new()));
            executed(gas)
        }
        Evm::SendRaw(bytes) => word(bytes, json_rpc::decode_sent(body, exchange)),
        Evm::Receipt(id) => {
            let receipt = json_rpc::decode_receipt(body, exchange)?;
            if let Some(got) = receipt.as_ref().filter(|receipt| receipt.id != *id) {
                return Err(another("transaction", &TxId(*id), &TxId(got.id)));
            }
            Ok(Fact::Receipt(receipt.map(placed)))
        }
        Evm::Transaction(id) => match json_rpc::decode_is_known(body, exchange)? {
            Some(got) if got != *id => Err(another("transaction", &TxId(*id), &TxId(got))),
            known => Ok(Fact::Number(known.is_some().into())),
        },
        Evm::Logs { number, contracts } => {
            let logs = json_rpc::decode_logs(body, exchange)?;
            if let Some(other) = logs.iter().find(|log| log.block_number != *number) {
                return Err(another("block", number, &other.block_number));
            }
            if let Some(other) = logs.iter().find(|log| !contracts.contains(&log.contract)) {
                let asked = contracts.first().copied().unwrap_or_default();
                return Err(another(
                    "contract",
                    &Address::new(asked),
                    &Address::new(other.contract),
                ));
            }
            Ok(Fact::Logs(logs.into_iter().map(placed_log).collect()))
        }
    }
}

fn another(
    what: &'static str,
    expected: &dyn core::fmt::Display,
    got: &dyn core::fmt::Display,
) -> Fault {
    Fault::Another { what, expected: expected.to_string(), got: got.to_string() }
}

fn block(at: At, body: &[u8], exchange: u64) -> Result<Fact, Fault> {
    let block = json_rpc::decode_block(body, exchange)?;
    match (at, block) {
        (At::Number(number), Some(block)) if block.number != number => {
            Err(another("block", &number, &block.number))
        }
        (At::Latest | At::Finalized | At::Pending, None) => {
            Err(Fault::Impossible("that there is no block at all"))
        }
        (_, block) => Ok(Fact::Block(block.map(|block| Block {
            id: block.id,
            parent: block.parent,
            number: block.number,
            time_ms: block.time_s.saturating_mul(1000),
        }))),
    }
}

/// A revert is a result, other refusals are not.
fn executed(result: Result<(u64, Vec<u8>), ReplyError>) -> Result<Fact, Fault> {
    match result {
        Ok((energy, bytes)) => Ok(Fact::Call(Executed { energy, result: Ok(bytes) })),
        Err(ReplyError::Refused { code, text, data })
            if code == Some(CODE_REVERTED) || !data.is_empty() || text.contains("revert") =>
        {
            Ok(Fact::Call(Executed { energy: 0, result: Err(revert_of(text, data)) }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Nodes have no codes for why they don't take a transaction, only words, which most of them share.
fn word(bytes: &[u8], sent: Result<[u8; 32], ReplyError>) -> Result<Fact, Fault> {
    let id = keys::keccak256(bytes);
    match sent {
        Ok(got) if got == id => Ok(Fact::Word(Word::Taken)),
        Ok(got) => Err(another("transaction", &TxId(id), &TxId(got))),
        Err(ReplyError::Refused { code, text, .. }) => {
            let is_known = ["already known", "known transaction", "already imported"]
                .iter()
                .any(|words| text.to_ascii_lowercase().contains(words));
            if is_known {
                return Ok(Fact::Word(Word::Known));
            }
            let code = code.map(|code| code.to_string()).unwrap_or_default();
            Ok(Fact::Word(Word::Refused(BroadcastRefusal { code, text })))
        }
        Err(error) => Err(error.into()),
    }
}

fn placed(receipt: json_rpc::Receipt) -> Placed {
    let fee = Amount::new(receipt.gas_price).times(receipt.gas_used).unwrap_or(Amount::MAX);
    let failure = (!receipt.succeeded).then(|| revert_of("it was undone".to_owned(), Vec::new()));
    let logs = receipt.logs.into_iter().map(|log| placed_log(log).log);
    Placed {
        block_id: Some(receipt.block_id),
        receipt: Receipt {
            id: TxId(receipt.id),
            block_number: receipt.block_number,
            block_time_ms: 0,
            fee,
            energy: receipt.gas_used,
            contract: receipt.contract.map(Address::new),
            failure,
            logs: logs.collect(),
        },
    }
}

fn placed_log(log: json_rpc::Log) -> PlacedLog {
    PlacedLog {
        transaction: TxId(log.transaction),
        block_id: log.block_id,
        index: u32::try_from(log.index).unwrap_or(u32::MAX),
        log: Log { contract: Address::new(log.contract), topics: log.topics, data: log.data },
    }
}
