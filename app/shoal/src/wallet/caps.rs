//! `shoal wallet caps`: the most that may be spent.
//!
//! Caps guard against scripts and mistakes, and against nothing else: whoever has the passphrase can raise
//! them.

use ledger::amount::Amount;
use serde_json::json;

use crate::args::wallet::CapsArgs;
use crate::failure::{Exit, Failure};
use crate::money::coin;
use crate::money::teller::Teller;
use crate::wallet::Desk;
use crate::wallet::keyfile::Cap;
use crate::wallet::store::Store;

/// Runs it.
pub(super) fn caps(desk: &Desk<'_>, args: &CapsArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let Some(coin) = &args.coin else {
        wallet.caps.iter().try_for_each(|cap| say(desk, cap))?;
        if wallet.caps.is_empty() {
            desk.out.note("there are no caps");
        }
        return Ok(Exit::Done);
    };
    if !args.none && args.per_payment.is_none() && args.per_day.is_none() {
        return Err(Failure::misused(
            "nothing to set",
            "--per-payment and --per-day set a cap, --none takes it away",
        ));
    }
    let mut teller = Teller::open(&args.network)?;
    let named = coin::resolve(&mut teller, coin)?;
    let store = Store::to_change(desk.args)?;
    // Sealed anew: caps are bound to the passphrase.
    let mut opened = desk.open(store.load()?.unwrap_or_default())?;
    let (network, key) = (teller.profile.name.clone(), named.key());
    let parse = |text: &Option<String>| text.as_deref().map(|text| named.parse(text)).transpose();
    let same = |cap: &Cap| cap.network == network && cap.coin == key;
    let before = opened.wallet.caps.iter().find(|cap| same(cap)).cloned();
    opened.wallet.caps.retain(|cap| !same(cap));
    if !args.none {
        let kept = |now: Option<Amount>, before: Option<Amount>| now.or(before);
        let cap = Cap {
            per_payment: kept(
                parse(&args.per_payment)?,
                before.as_ref().and_then(|cap| cap.per_payment),
            ),
            per_day: kept(parse(&args.per_day)?, before.as_ref().and_then(|cap| cap.per_day)),
            network,
            coin: key,
            decimals: named.decimals,
        };
        opened.wallet.caps.push(cap);
    }
    opened.save(&store)?;
    opened.wallet.caps.iter().try_for_each(|cap| say(desk, cap))?;
    Ok(Exit::Done)
}

fn say(desk: &Desk<'_>, cap: &Cap) -> Result<(), Failure> {
    let Cap { network, coin, decimals, per_payment, per_day } = cap;
    if desk.out.json() {
        let text = |amount: &Option<Amount>| amount.map(|amount| amount.to_string());
        return desk.out.event(&json!({
            "event": "cap", "network": network, "coin": coin, "decimals": decimals,
            "per_payment": text(per_payment), "per_day": text(per_day),
        }));
    }
    let part = |amount: &Option<Amount>, of: &str| {
        amount.map(|amount| format!("{} {coin} {of}", amount.shown(*decimals)))
    };
    let parts = [part(per_payment, "a payment"), part(per_day, "a day")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    desk.out.data(&format!("{network}: {}", parts.join(", ")))
}
