//! `shoal wallet history`: what was sent and became of it, and the book.

use ledger::amount::Amount;
use ledger::book::{CSV_HEADER, CoinName, csv_rows};
use ledger::network::{Coin, Profile};
use ledger::outbox::{Action, Record, Status};
use serde_json::json;
use wire::abi::Decoder;

use crate::args::wallet::HistoryArgs;
use crate::date::date;
use crate::failure::{Exit, Failure};
use crate::money::booking::Scope;
use crate::money::coin::{self, Named, address};
use crate::money::send::{database, failed, settle};
use crate::money::teller::Teller;
use crate::wallet::Desk;

/// Runs it.
pub(super) fn history(desk: &Desk<'_>, args: &HistoryArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let mut teller = Teller::open(&args.network)?;
    let chain = teller.chain.network().map_err(|error| teller.failure(&error))?;
    let db = database(desk)?;
    let scope = Scope {
        ours: wallet.accounts.iter().map(|account| account.address).collect(),
        vault: teller.profile.vault,
        token: teller.profile.btt,
        before: Vec::new(),
    };
    settle(desk.out, &mut teller, &db, chain.id, &scope)?;
    if args.csv {
        let mut text = CSV_HEADER.to_owned();
        for entry in db.entries(chain.id).map_err(|error| failed(&error))? {
            text.push_str(&csv_rows(&entry, |coin| name(&teller.profile, coin)));
        }
        desk.out.document(text.trim_end())?;
        return Ok(Exit::Done);
    }
    let records = db.history(chain.id, args.last).map_err(|error| failed(&error))?;
    for record in &records {
        say(desk, &mut teller, record)?;
    }
    if records.is_empty() {
        desk.out.note(&format!("nothing was sent on {} yet", teller.profile));
    }
    Ok(Exit::Done)
}

fn name(profile: &Profile, coin: Coin) -> Option<CoinName> {
    let named = match coin {
        Coin::Native => Some(coin::native(profile)),
        Coin::Token(_) => coin::btt(profile).filter(|btt| btt.coin == coin),
    };
    named.map(|Named { symbol, decimals, .. }| CoinName { symbol, decimals })
}

fn say(desk: &Desk<'_>, teller: &mut Teller, record: &Record) -> Result<(), Failure> {
    let what = told(teller, &record.action);
    let state = match &record.status {
        Status::Live => "not final yet".to_owned(),
        Status::Confirmed(settled) => format!("final in block {}", settled.block_number),
        Status::Failed { reason, .. } => format!("failed: {reason}"),
        Status::Expired => "came into no block".to_owned(),
    };
    let seconds = i64::try_from(record.made_ms / 1000).unwrap_or(i64::MAX);
    let time = date(seconds);
    let profile = &teller.profile;
    if desk.out.json() {
        let fee = match &record.status {
            Status::Confirmed(settled) | Status::Failed { settled, .. } => {
                Some(settled.fee.to_string())
            }
            Status::Live | Status::Expired => None,
        };
        return desk.out.event(&json!({
            "event": "transaction", "id": record.id.to_string(), "time": seconds,
            "from": record.from.to_string(), "what": what, "state": state, "fee": fee,
            "final": record.status != Status::Live,
        }));
    }
    let from = address(profile, record.from);
    desk.out.data(&format!("{time}  {}  {what} from {from}: {state}", record.id))
}

/// What a transaction does, in words.
fn told(teller: &mut Teller, action: &Action) -> String {
    let profile = teller.profile.clone();
    match action {
        Action::Transfer { to, amount } => {
            let native = coin::native(&profile);
            format!("{} to {}", native.show(*amount), address(&profile, *to))
        }
        Action::Call { contract, data, .. } => {
            let shown = address(&profile, *contract);
            let transfer =
                Decoder::of_call("transfer(address,uint256)", data).and_then(|mut call| {
                    let to = call.address().ok()?;
                    Some((ledger::Address::new(to), Amount::new(call.uint().ok()?)))
                });
            if let Some((to, amount)) = transfer {
                let amount = match coin::btt(&profile) {
                    Some(btt) if btt.coin == Coin::Token(*contract) => btt.show(amount),
                    Some(_) | None => format!("{amount} smallest units of {shown}"),
                };
                return format!("{amount} to {}", address(&profile, to));
            }
            match crate::vault::name_of_call(data) {
                Some(name) => format!("{name} of {shown}"),
                None => format!("a call of {shown}"),
            }
        }
        Action::Deploy { name, .. } => format!("the contract {name} made"),
    }
}
