//! `shoal wallet history`: what was sent and became of it, and the book.

use ledger::amount::Amount;
use ledger::book::{CSV_HEADER, CoinName, csv_rows};
use ledger::network::{Coin, Profile};
use ledger::outbox::{Action, NetworkId, Record, Status};
use serde_json::json;
use wire::abi::Decoder;

use crate::args::wallet::HistoryArgs;
use crate::ask;
use crate::date::date;
use crate::failure::{Exit, Failure};
use crate::money::coin::{self, Named, address};
use crate::money::known_vaults;
use crate::money::send::{database, failed, settle};
use crate::money::teller::Teller;
use crate::wallet::Desk;

/// Runs it.
pub(super) fn history(desk: &Desk<'_>, args: &HistoryArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let mut teller = Teller::open(&args.network)?;
    let db = database(desk)?;
    let id = match (teller.network(), NetworkId::of_profile(&teller.profile)) {
        (Ok(chain), _) => {
            let scope = known_vaults::scope(&db, (&teller.profile, &chain.id), &wallet)?;
            settle(desk.out, &mut teller, &db, (chain.id, &scope), ask::somebody())?;
            chain.id
        }
        (Err(Failure::Told { message, .. }), Some(id)) => {
            desk.out.warn(&format!("{message}; this is what was known before"));
            id
        }
        (Err(failure), _) => return Err(failure),
    };
    if args.csv {
        let mut text = CSV_HEADER.to_owned();
        for entry in db.entries(id).map_err(|error| failed(&error))? {
            text.push_str(&csv_rows(&entry, |coin| name(&teller.profile, coin)));
        }
        desk.out.document(text.trim_end())?;
        return Ok(Exit::Done);
    }
    let records = db.history(id, args.last).map_err(|error| failed(&error))?;
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
            let of_token = |signature| {
                let mut call = Decoder::of_call(signature, data)?;
                let whom = ledger::Address::new(call.address().ok()?);
                let amount = Amount::new(call.uint().ok()?);
                let amount = match coin::btt(&profile) {
                    Some(btt) if btt.coin == Coin::Token(*contract) => btt.show(amount),
                    Some(_) | None => format!("{amount} smallest units of {shown}"),
                };
                Some((amount, address(&profile, whom)))
            };
            if let Some((amount, to)) = of_token("transfer(address,uint256)") {
                return format!("{amount} to {to}");
            }
            if let Some((amount, spender)) = of_token("approve(address,uint256)") {
                return format!("{amount} approved for {spender}");
            }
            match crate::vault::name_of_call(data) {
                Some(name) => format!("{name} of {shown}"),
                None => format!("a call of {shown}"),
            }
        }
        Action::Deploy { name, .. } => format!("the contract {name} made"),
    }
}
