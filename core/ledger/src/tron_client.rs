//! Questions to a chain in the language of TRON's full nodes.
//!
//! Source: `wire::tron_http`; java-tron's `BandwidthProcessor` and `EnergyProcessor` for what a
//! transaction costs, `VMActuator` for how a fee limit bounds its energy.
//!
//! Stateless: [`step`] says from the facts so far what to find out next, [`fact`] makes a fact of a
//! reply, after checking that it answers the very question.

use wire::abi::{Decoder, Encoder};
use wire::tron_http::{self, ChainParameters, ConstantCall, Request as Tron, View};

use crate::address::Address;
use crate::amount::{Amount, Sun};
use crate::chain_client::{
    Agreed, Answer, Block, BlockLogs, BroadcastRefusal, ClientError, Context, Executed, Fact, Fate,
    Fault, Log, Network, Place, Placed, Probe, Query, Quote, Receipt, Request, Resources, Revert,
    Spread, Step, Word, known_errors,
};
use crate::network::Coin;
use crate::outbox::{Action, NetworkId, tron_action};
use crate::transaction::{BlockId, FEE_LIMIT_MAX, Terms, TxId, Unsigned};

/// Bytes that every transaction is charged for its result (java-tron: `MAX_RESULT_SIZE_IN_TX`).
const RESULT_BYTES: u64 = 64;

/// Added to an estimate of energy, in percent: what the state may change until it is executed. A
/// token's first transfer to somebody costs 15,000 more than the next, which is most of a transfer.
const MARGIN_PERCENT: u64 = 30;

/// Least margin, in energy: a storage slot that is empty after all.
const MARGIN_MIN: u64 = 16_000;

/// The first question to a node: its first block, whose id names the chain.
pub(crate) fn check() -> Request {
    Request::Tron(Tron::BlockByNumber(0))
}

/// Which chain a node is of, from its answer to [`check`].
pub(crate) fn identity(body: &[u8]) -> Result<(NetworkId, u64), Fault> {
    match tron_http::decode_block(body)? {
        Some(block) if block.number == 0 => {
            Ok((NetworkId(block.id), BlockId(block.id).chain_id().into()))
        }
        Some(_) => Err(Fault::Impossible("that another block is the first")),
        None => Err(Fault::Impossible("that there is no first block")),
    }
}

fn probe(request: Tron, spread: Spread, what: &'static str) -> Step {
    Step::Probe(Probe { request: Request::Tron(request), spread, what })
}

fn done(answer: Answer) -> Step {
    Step::Done(Box::new(answer))
}

fn spread_of(view: View) -> Spread {
    match view {
        View::Head => Spread::One,
        View::Solid => Spread::Agree,
    }
}

/// What to find out next.
pub(crate) fn step(query: &Query, facts: &[Agreed], context: Context<'_>) -> Step {
    match query {
        Query::Network => network(facts, context),
        Query::Balance { of, coin, view } => balance(*of, *coin, *view, facts),
        Query::Resources(of) => match facts {
            [] => probe(Tron::Resources(*of.bytes()), Spread::One, "resources"),
            [Agreed { fact: Fact::Resources(resources), .. }, ..] => {
                done(Answer::Resources(*resources))
            }
            _ => broken(),
        },
        Query::Call { from, contract, data, view } => match facts {
            [] => {
                let call = call_of(*from, Some(*contract), Amount::ZERO, data);
                probe(Tron::Constant(call, *view), spread_of(*view), "the result of a call")
            }
            [Agreed { fact: Fact::Call(executed), .. }, ..] => {
                done(Answer::Returned(executed.result.clone()))
            }
            _ => broken(),
        },
        Query::Quote { from, action } => quote(*from, action, facts),
        Query::SolidBlock => match solid_block(facts) {
            Ok((block, _)) => done(Answer::Block(Some(block))),
            Err(step) => *step,
        },
        Query::HeadBlock => match facts {
            [] => probe(Tron::NowBlock(View::Head), Spread::One, "the newest block"),
            [Agreed { fact: Fact::Block(block), .. }, ..] => done(Answer::Block(*block)),
            _ => broken(),
        },
        Query::Block(number) => match facts {
            [] => probe(Tron::BlockByNumber(*number), Spread::Agree, "a block"),
            [Agreed { fact: Fact::Block(block), .. }, ..] => done(Answer::Block(*block)),
            _ => broken(),
        },
        Query::BlockLogs { number, contracts, view } => {
            block_logs(*number, contracts, *view, facts)
        }
        Query::Fate { id, .. } => fate(*id, facts),
        Query::Nonce(_) => Step::Fail(ClientError::Unsupported("nonces")),
        Query::Broadcast { bytes, .. } => match facts {
            [] => probe(Tron::Broadcast(bytes.clone()), Spread::All, "a transaction"),
            [Agreed { fact: Fact::Words(words), .. }, ..] => done(Answer::Broadcast(words.clone())),
            _ => broken(),
        },
    }
}

/// The facts are not those that were asked for: this module is wrong.
fn broken() -> Step {
    Step::Fail(ClientError::Unsupported("such sequence of facts"))
}

/// The newest final block that the nodes agree on, and the facts after it: how far enough of them
/// are, then the id there by agreement.
fn solid_block(facts: &[Agreed]) -> Result<(Block, &[Agreed]), Box<Step>> {
    match facts {
        [] => Err(Box::new(probe(
            Tron::NowBlock(View::Solid),
            Spread::Reached,
            "the newest final block",
        ))),
        [Agreed { fact: Fact::Block(Some(block)), .. }] => {
            Err(Box::new(probe(Tron::BlockByNumber(block.number), Spread::Agree, "a final block")))
        }
        [_, Agreed { fact: Fact::Block(Some(block)), .. }, rest @ ..] => Ok((*block, rest)),
        _ => Err(Box::new(broken())),
    }
}

fn network(facts: &[Agreed], context: Context<'_>) -> Step {
    let (solid, rest) = match solid_block(facts) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    match rest {
        [] => probe(Tron::NowBlock(View::Head), Spread::One, "the newest block"),
        [_] => probe(Tron::ChainParameters, Spread::Agree, "the prices"),
        [
            Agreed { fact: Fact::Block(Some(head)), .. },
            Agreed { fact: Fact::Parameters(parameters), .. },
            ..,
        ] => done(Answer::Network(Network {
            id: context.network,
            chain_id: context.chain_id,
            head: *head,
            solid,
            energy_price: Sun(parameters.energy_price).amount(),
            byte_price: Sun(parameters.byte_price).amount(),
        })),
        _ => broken(),
    }
}

fn balance(of: Address, coin: Coin, view: View, facts: &[Agreed]) -> Step {
    match (coin, facts) {
        (Coin::Native, []) => {
            probe(Tron::Account(*of.bytes(), view), spread_of(view), "the balance")
        }
        (Coin::Token(token), []) => {
            let data = Encoder::call("balanceOf(address)").address(of.bytes()).finish();
            let call = call_of(of, Some(token), Amount::ZERO, &data);
            probe(Tron::Constant(call, view), spread_of(view), "the balance of a token")
        }
        (_, [Agreed { fact: Fact::Account { balance, .. }, .. }, ..]) => {
            done(Answer::Balance(Sun(*balance).amount()))
        }
        (_, [Agreed { fact: Fact::Call(executed), .. }, ..]) => match token_balance(executed) {
            Ok(amount) => done(Answer::Balance(amount)),
            Err(error) => Step::Fail(error),
        },
        _ => broken(),
    }
}

/// A balance from what `balanceOf` returned.
pub(crate) fn token_balance(executed: &Executed) -> Result<Amount, ClientError> {
    let bytes = match &executed.result {
        Ok(bytes) => bytes,
        Err(revert) => return Err(ClientError::NotToken(revert.reason.clone())),
    };
    if bytes.len() != 32 {
        let why = format!("it returns {} bytes for a balance, not 32", bytes.len());
        return Err(ClientError::NotToken(why));
    }
    let units = Decoder::new(bytes).uint();
    units.map(Amount::new).map_err(|error| ClientError::NotToken(error.to_string()))
}

fn call_of(from: Address, contract: Option<Address>, value: Amount, data: &[u8]) -> ConstantCall {
    ConstantCall {
        owner: *from.bytes(),
        contract: contract.map(|contract| *contract.bytes()),
        value: Sun::from_amount(value).unwrap_or(Sun::MAX).0,
        data: data.to_vec(),
    }
}

fn block_logs(number: u64, contracts: &[Address], view: View, facts: &[Agreed]) -> Step {
    match facts {
        [] => probe(Tron::BlockByNumber(number), spread_of(view), "a block"),
        [_] => probe(Tron::ReceiptsOfBlock(number, view), spread_of(view), "the events of a block"),
        [
            Agreed { fact: Fact::Block(Some(block)), .. },
            Agreed { fact: Fact::Receipts(receipts), .. },
            ..,
        ] => {
            let mut logs = Vec::new();
            for receipt in receipts.iter().filter(|receipt| receipt.failure.is_none()) {
                for (index, log) in (0_u32..).zip(&receipt.logs) {
                    if contracts.contains(&log.contract) {
                        logs.push((receipt.id, index, log.clone()));
                    }
                }
            }
            done(Answer::BlockLogs(BlockLogs { block: *block, logs }))
        }
        _ => Step::Fail(ClientError::NoBlock(number)),
    }
}

fn fate(id: TxId, facts: &[Agreed]) -> Step {
    // The block first: what is nowhere after it was final won't be in it.
    let (solid, rest) = match solid_block(facts) {
        Ok(found) => found,
        Err(step) => return *step,
    };
    let fate = |place: &Option<Placed>, is_solid: bool, agreed: &Agreed| {
        let place = match place {
            None => Place::Nowhere,
            Some(placed) if is_solid => Place::Solid(placed.receipt.clone()),
            Some(placed) => Place::Head(placed.receipt.clone()),
        };
        let Agreed { voices, dissent, .. } = *agreed;
        done(Answer::Fate(Fate { solid, place, nonce: None, voices, dissent }))
    };
    match rest {
        [] => probe(Tron::Receipt(id.0, View::Solid), Spread::Agree, "a transaction"),
        [agreed @ Agreed { fact: Fact::Receipt(found @ Some(_)), .. }, ..] => {
            fate(found, true, agreed)
        }
        [Agreed { fact: Fact::Receipt(None), .. }] => {
            probe(Tron::Receipt(id.0, View::Head), Spread::One, "a transaction")
        }
        [agreed, Agreed { fact: Fact::Receipt(found), .. }] => fate(found, false, agreed),
        _ => broken(),
    }
}

fn quote(from: Address, action: &Action, facts: &[Agreed]) -> Step {
    match facts {
        [] => probe(Tron::ChainParameters, Spread::Agree, "the prices"),
        [_] => probe(Tron::Resources(*from.bytes()), Spread::One, "resources"),
        [_, _] => probe(Tron::Account(*from.bytes(), View::Head), Spread::One, "the balance"),
        [_, _, _] => match action {
            Action::Transfer { to, .. } => {
                probe(Tron::Account(*to.bytes(), View::Head), Spread::One, "the recipient")
            }
            Action::Call { contract, value, data } => {
                let call = call_of(from, Some(*contract), *value, data);
                probe(Tron::Constant(call, View::Head), Spread::One, "an estimate")
            }
            Action::Deploy { value, code, .. } => {
                let call = call_of(from, None, *value, code);
                probe(Tron::Constant(call, View::Head), Spread::One, "an estimate")
            }
        },
        [
            Agreed { fact: Fact::Parameters(parameters), .. },
            Agreed { fact: Fact::Resources(resources), .. },
            Agreed { fact: Fact::Account { balance, .. }, .. },
            Agreed { fact: last, .. },
            ..,
        ] => match priced(from, action, parameters, resources, last) {
            Ok(quote) => done(Answer::Quote(Quote { balance: Sun(*balance).amount(), ..quote })),
            Err(error) => Step::Fail(error),
        },
        _ => broken(),
    }
}

/// What it costs, all but the balance.
fn priced(
    from: Address,
    action: &Action,
    parameters: &ChainParameters,
    resources: &Resources,
    last: &Fact,
) -> Result<Quote, ClientError> {
    let bandwidth = bandwidth(from, action)?;
    let (energy, failure, is_new) = match last {
        Fact::Account { exists, .. } => (0, None, !exists),
        Fact::Call(executed) => (executed.energy, executed.result.clone().err(), false),
        Fact::Block(_)
        | Fact::Parameters(_)
        | Fact::Resources(_)
        | Fact::Receipt(_)
        | Fact::Receipts(_)
        | Fact::Logs(_)
        | Fact::Number(_)
        | Fact::Word(_)
        | Fact::Words(_) => return Err(ClientError::Unsupported("such sequence of facts")),
    };
    let amount = |price: u64, count: u64| Amount::new(u128::from(price) * u128::from(count));
    let net_free = resources.net_limit.saturating_sub(resources.net_used);
    let everybodys = resources.free_net_limit.saturating_sub(resources.free_net_used);
    let energy_free = resources.energy_limit.saturating_sub(resources.energy_used);
    // All of a transaction's bandwidth is free or none; making an account has a price of its own.
    let bandwidth_free = net_free.max(if is_new { 0 } else { everybodys });
    let activation = if is_new { amount(parameters.account_fee, 1) } else { Amount::ZERO };
    let bytes_fee = match (bandwidth <= bandwidth_free, is_new) {
        (true, _) => Amount::ZERO,
        (false, true) => amount(parameters.account_byte_fee, 1),
        (false, false) => amount(parameters.byte_price, bandwidth),
    };
    let energy_fee = amount(parameters.energy_price, energy.saturating_sub(energy_free));
    let margin = (energy / 100).saturating_mul(MARGIN_PERCENT).max(MARGIN_MIN);
    // A transfer of TRX runs no code; any call does, whatever a node says that it uses.
    let runs_code = !matches!(action, Action::Transfer { .. });
    let energy_max = if runs_code { energy.saturating_add(margin) } else { 0 };
    let fee_limit = amount(parameters.energy_price, energy_max).min(FEE_LIMIT_MAX.amount());
    let sum = |parts: [Amount; 3]| {
        parts.into_iter().try_fold(Amount::ZERO, Amount::plus).unwrap_or(Amount::MAX)
    };
    let bytes_max = amount(parameters.byte_price, bandwidth);
    Ok(Quote {
        energy,
        bandwidth,
        energy_free,
        bandwidth_free,
        energy_price: Sun(parameters.energy_price).amount(),
        byte_price: Sun(parameters.byte_price).amount(),
        activation,
        fee: sum([energy_fee, bytes_fee, activation]),
        fee_limit,
        fee_max: sum([fee_limit, bytes_max.max(bytes_fee), activation]),
        balance: Amount::ZERO,
        failure,
    })
}

/// Bytes that the signed transaction will be charged for.
fn bandwidth(from: Address, action: &Action) -> Result<u64, ClientError> {
    let unbuildable = |why: String| ClientError::Unbuildable(why);
    // As long as the real ones will be.
    let terms = Terms {
        ref_block: BlockId([0xff; 32]),
        expiration_ms: 1 << 41,
        timestamp_ms: 1 << 41,
        fee_limit: FEE_LIMIT_MAX,
    };
    let action = tron_action(action).map_err(|error| unbuildable(error.to_string()))?;
    let unsigned =
        Unsigned::build(from, &action, &terms).map_err(|error| unbuildable(error.to_string()))?;
    let bytes = wire::tron::signed(unsigned.raw(), &[0; 65]).len();
    Ok(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(RESULT_BYTES))
}

/// Makes a fact of a reply, if it answers this very question.
pub(crate) fn fact(request: &Tron, body: &[u8]) -> Result<Fact, Fault> {
    match request {
        Tron::NowBlock(_) => {
            let block = tron_http::decode_block(body)?;
            let block = block.ok_or(Fault::Impossible("that there is no block at all"))?;
            Ok(Fact::Block(Some(block_of(block))))
        }
        Tron::BlockByNumber(number) => {
            let block = tron_http::decode_block(body)?;
            if let Some(block) = block.filter(|block| block.number != *number) {
                return Err(another("block", number, &block.number));
            }
            Ok(Fact::Block(block.map(block_of)))
        }
        Tron::ChainParameters => Ok(Fact::Parameters(tron_http::decode_chain_parameters(body)?)),
        Tron::Account(address, _) => {
            let account = tron_http::decode_account(body)?;
            if let Some(got) = account.address.filter(|got| got != address) {
                return Err(another("address", &Address::new(*address), &Address::new(got)));
            }
            Ok(Fact::Account { exists: account.address.is_some(), balance: account.balance })
        }
        Tron::Resources(_) => Ok(Fact::Resources(tron_http::decode_resources(body)?)),
        Tron::Constant(call, _) => executed(call, body),
        Tron::EstimateEnergy(_) => Ok(Fact::Number(tron_http::decode_estimate(body)?.into())),
        Tron::Broadcast(bytes) => broadcast_word(bytes, body),
        Tron::Receipt(id, _) => {
            let receipt = tron_http::decode_receipt(body)?;
            if let Some(got) = receipt.as_ref().filter(|receipt| receipt.id != *id) {
                return Err(another("transaction", &TxId(*id), &TxId(got.id)));
            }
            let placed = |receipt| Placed { receipt: receipt_of(receipt), block_id: None };
            Ok(Fact::Receipt(receipt.map(placed)))
        }
        Tron::Transaction(id) => match tron_http::decode_is_known(body)? {
            Some(got) if got != *id => Err(another("transaction", &TxId(*id), &TxId(got))),
            known => Ok(Fact::Number(known.is_some().into())),
        },
        Tron::ReceiptsOfBlock(number, _) => {
            let receipts = tron_http::decode_receipts(body)?;
            if let Some(other) = receipts.iter().find(|receipt| receipt.block_number != *number) {
                return Err(another("block", number, &other.block_number));
            }
            Ok(Fact::Receipts(receipts.into_iter().map(receipt_of).collect()))
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

fn block_of(block: tron_http::Block) -> Block {
    let tron_http::Block { id, parent, number, time_ms } = block;
    Block { id, parent, number, time_ms }
}

fn executed(call: &ConstantCall, body: &[u8]) -> Result<Fact, Fault> {
    let constant = tron_http::decode_constant(body)?;
    if let Some(echo) = &constant.echo {
        let asked = (call.owner, call.contract.unwrap_or_default(), &call.data);
        // A deployment is echoed without a contract and, by some nodes, without its code.
        let told = (echo.owner, echo.contract.unwrap_or_default(), &echo.data);
        if call.contract.is_some() && asked != told {
            let show = |(owner, contract, data): ([u8; 20], [u8; 20], &Vec<u8>)| {
                let start = wire::hex(data.split_at(data.len().min(36)).0);
                format!("{start} at {} by {}", Address::new(contract), Address::new(owner))
            };
            return Err(another("call", &show(asked), &show(told)));
        }
    }
    let result = match constant.failure {
        None => Ok(constant.output),
        Some(words) => Err(revert_of(words, constant.output)),
    };
    Ok(Fact::Call(Executed { energy: constant.energy_used, result }))
}

/// The contract's reason if it gave one in the common ways, else the node's words.
pub(crate) fn revert_of(words: String, data: Vec<u8>) -> Revert {
    let text = Decoder::of_call("Error(string)", &data)
        .and_then(|mut arguments| arguments.text().ok().map(str::to_owned));
    let panic = Decoder::of_call("Panic(uint256)", &data)
        .and_then(|mut arguments| arguments.uint().ok())
        .map(|code| format!("the contract panicked with code {code:#x}"));
    let reason = match text.or(panic) {
        Some(reason) => wire::printable(reason.as_bytes(), tron_http::TEXT_CHARS_MAX),
        None if data.len() >= 4 => match known_errors::in_words(&data) {
            Some(meaning) => meaning,
            None => format!("{words} (error {})", wire::hex(data.split_at(4).0)),
        },
        None => words,
    };
    Revert { reason, data }
}

fn broadcast_word(bytes: &[u8], body: &[u8]) -> Result<Fact, Fault> {
    let broadcast = tron_http::decode_broadcast(body)?;
    let raw = wire::tron::raw_data_bytes(bytes).unwrap_or_default();
    let id = keys::sha256(&raw);
    if let Some(got) = broadcast.id.filter(|got| *got != id) {
        return Err(another("transaction", &TxId(id), &TxId(got)));
    }
    let word = match broadcast.taken {
        Ok(()) => Word::Taken,
        Err(BroadcastRefusal { code, text }) => match code.as_str() {
            "DUP_TRANSACTION_ERROR" => Word::Known,
            "SERVER_BUSY"
            | "NO_CONNECTION"
            | "NOT_ENOUGH_EFFECTIVE_CONNECTION"
            | "BLOCK_UNSOLIDIFIED" => Word::NotNow(format!("{code} {text}")),
            _ => Word::Refused(BroadcastRefusal { code, text }),
        },
    };
    Ok(Fact::Word(word))
}

fn receipt_of(receipt: tron_http::Receipt) -> Receipt {
    let logs = receipt.logs.into_iter().map(|log| Log {
        contract: Address::new(log.contract),
        topics: log.topics,
        data: log.data,
    });
    Receipt {
        id: TxId(receipt.id),
        block_number: receipt.block_number,
        block_time_ms: receipt.block_time_ms,
        fee: Sun(receipt.fee).amount(),
        energy: receipt.energy_used,
        contract: receipt.contract.map(Address::new),
        failure: receipt.failure.map(|words| revert_of(words, receipt.output)),
        logs: logs.collect(),
    }
}
