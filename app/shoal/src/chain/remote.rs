//! Commands that ask a running chain.

use std::net::SocketAddr;
use std::time::Duration;

use base::{ExchangeId, Family, HttpPost, HttpRequest, Purpose};
use crossbeam_channel::bounded;
use ledger::Amount;
use net::factory::SocketFactory;
use net::services::{ServiceDone, Services};
use serde_json::{Value, json};

use crate::args::chain::{Coin, FaucetArgs, NodeArgs};
use crate::failure::{Exit, Failure, words};
use crate::out::Out;

/// How long a chain on this machine may take; one that makes blocks every 3 s answers at once, too.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer, in bytes: those of the faucet and of the status have some hundreds.
const ANSWER_BYTES_MAX: u32 = 64 * 1024;

/// Gives play money to an address: of both coins, if none is named.
pub(super) fn faucet(args: &FaucetArgs, out: &Out) -> Result<Exit, Failure> {
    match args.coin {
        Some(coin) => give(args, coin, out)?,
        None => [Coin::Trx, Coin::Btt].into_iter().try_for_each(|coin| give(args, coin, out))?,
    }
    Ok(Exit::Done)
}

fn give(args: &FaucetArgs, coin: Coin, out: &Out) -> Result<(), Failure> {
    let (coin, name, decimals) = match coin {
        Coin::Trx => ("trx", "TRX", 6),
        Coin::Btt => ("btt", "BTT", 18),
    };
    let mut body = json!({ "address": args.address.to_string(), "coin": coin });
    if let Some(text) = &args.amount {
        let amount = Amount::parse(text, decimals).map_err(|error| {
            Failure::misused(
                format!("not an amount of {name}: {error}"),
                "write it as in 100 or 0.5, with a point and nothing else",
            )
        })?;
        body["amount"] = amount.to_string().into();
    }
    let answer = ask(args.node.node, "/dev/faucet", Some(&body))?;
    let id = answer["txid"].as_str().unwrap_or_default();
    let amount: Option<Amount> = answer["amount"].as_str().and_then(|text| text.parse().ok());
    let amount = amount.map_or_else(String::new, |amount| amount.shown(decimals).to_string());
    if out.json() {
        out.event(&json!({
            "event": "faucet", "address": args.address.to_string(), "coin": coin,
            "amount": answer["amount"], "transaction": id,
        }))?;
    } else {
        out.data(id)?;
    }
    out.note(&format!("{amount} {name} of play money for {}", args.address));
    Ok(())
}

/// Prints what a running chain is.
pub(super) fn status(args: &NodeArgs, out: &Out) -> Result<Exit, Failure> {
    let mut status = ask(args.node, "/dev/status", None)?;
    if out.json() {
        status["event"] = "status".into();
        out.event(&status)?;
        return Ok(Exit::Done);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let block_time = match status["block_time"]["every_ms"].as_u64() {
        Some(ms) => format!("every {}", crate::units::time(Duration::from_millis(ms))),
        None => "on demand".to_owned(),
    };
    let chain_id = status["chain_id"].as_u64().unwrap_or_default();
    for (what, value) in [
        ("head", text(&status["head"]["number"])),
        ("final", text(&status["solid"]["number"])),
        ("blocks", block_time),
        ("waiting", text(&status["pending"])),
        ("chain id", format!("0x{chain_id:x}")),
        ("genesis", text(&status["genesis"])),
        ("BTT token", text(&status["btt"])),
        ("Vault", text(&status["vault"])),
        ("faucet", text(&status["faucet"])),
    ] {
        out.data(&format!("{what:<10} {value}"))?;
    }
    Ok(Exit::Done)
}

/// Asks a chain: a POST if there is a body.
fn ask(node: SocketAddr, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let (answers_in, answers) = bounded(1);
    let completion = move |done| {
        // One exchange, one answer.
        answers_in.send(done).ok();
    };
    let services = Services::start(SocketFactory::default(), Box::new(completion));
    let post = body.map(|body| HttpPost {
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    });
    let request = HttpRequest {
        id: ExchangeId(1),
        purpose: Purpose::Chain,
        url: format!("http://{node}{path}"),
        family: Family::Any,
        timeout: PATIENCE,
        body_bytes_max: ANSWER_BYTES_MAX,
        post,
    };
    if services.http(request).is_err() {
        return Err(Failure::new("cannot start a thread"));
    }
    let reply = match answers.recv() {
        Ok(ServiceDone::Http(_, Ok(reply))) => reply,
        Ok(ServiceDone::Http(_, Err(error))) => {
            return Err(Failure::with_hint(
                format!("no chain answers at {node}: {}", words(&error.to_string())),
                "`shoal chain` runs one; --node says where it listens",
            ));
        }
        Ok(ServiceDone::Resolved(_)) | Err(_) => return Err(Failure::new("the exchange was lost")),
    };
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.status == 200 && answer.is_object() {
        return Ok(answer);
    }
    let why = answer["error"].as_str().or(answer["Error"].as_str());
    Err(match why {
        Some(why) => Failure::new(format!("the chain refused: {}", words(why))),
        None => Failure::with_hint(
            format!("what answers at {node} is not a chain of ours: status {}", reply.status),
            "--node says where the chain listens",
        ),
    })
}
