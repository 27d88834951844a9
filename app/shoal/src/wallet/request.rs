//! `shoal wallet request`: a link and a QR code that ask for a payment.

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::network::{Kind, Profile};
use ledger::payment_uri::{Asked, MEMO_CHARS_MAX, PaymentUri};
use serde_json::json;

use crate::args::wallet::RequestArgs;
use crate::failure::{Exit, Failure};
use crate::money::network;
use crate::wallet::Desk;
use crate::wallet::qr::{self, Look};

/// Runs it.
pub(super) fn request(desk: &Desk<'_>, args: &RequestArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?;
    let profile = network::chosen(&args.network)?;
    let uri = uri(&profile, account.address, args)?;
    let text = uri.to_string();
    if desk.out.json() {
        desk.out.event(&json!({
            "event": "request", "uri": text, "address": account.address.to_string(),
            "amount": uri.amount, "network": profile.name,
        }))?;
        return Ok(Exit::Done);
    }
    let (drawn, signs) = (desk.out.on_terminal() && !args.no_qr, desk.out.terminal().signs);
    if drawn {
        let look = Look { unicode: signs.are_unicode(), light: args.light };
        match qr::lines(&text, look) {
            Some(lines) => desk.out.document(&lines.join("\n"))?,
            None => desk.out.warn("the link is too long for a QR code"),
        }
    }
    desk.out.data(&text)?;
    let amount = args.amount.as_deref().unwrap_or("any amount of");
    let memo = uri.memo.as_deref().map(|memo| format!(" for {memo}")).unwrap_or_default();
    desk.out.note(&format!(
        "asks for {amount} {}{memo} to {} on {}",
        wire::visible(&args.coin),
        account.name,
        profile
    ));
    Ok(Exit::Done)
}

fn uri(profile: &Profile, to: Address, args: &RequestArgs) -> Result<PaymentUri, Failure> {
    let wrong = |error: &dyn core::fmt::Display| {
        let text = args.amount.as_deref().unwrap_or_default();
        let message = format!("the amount {error}: {}", wire::visible(text));
        Failure::misused(message, "amounts are whole coins, as in 1.5")
    };
    let parse = |decimals| {
        let amount = args.amount.as_deref().map(|text| Amount::parse(text, decimals)).transpose();
        amount.map_err(|error| wrong(&error))
    };
    let is = |name: &str| args.coin.eq_ignore_ascii_case(name);
    let (asked, amount) = match (profile.kind, args.coin.parse::<Address>()) {
        (Kind::Evm, _) if is(profile.native_symbol()) => {
            let chain_id = profile.chain_id.unwrap_or_default();
            (Asked::Native { chain_id }, parse(18)?.map(|amount| amount.to_string()))
        }
        (Kind::Evm, _) => {
            return Err(Failure::with_hint(
                format!("a request on {profile} asks for its BTT only"),
                "other networks ask for any coin",
            ));
        }
        (Kind::Tron, Ok(token)) => {
            let amount = parse(ledger::amount::DECIMALS_MAX.min(18))?;
            (Asked::Token(token), amount.map(|amount| amount.shown(18).to_string()))
        }
        (Kind::Tron, Err(_)) if is("TRX") => {
            (Asked::Trx, parse(6)?.map(|amount| amount.shown(6).to_string()))
        }
        (Kind::Tron, Err(_)) if is("BTT") => {
            let asked = profile.btt.map_or(Asked::Btt, Asked::Token);
            (asked, parse(18)?.map(|amount| amount.shown(18).to_string()))
        }
        (Kind::Tron, Err(error)) => {
            return Err(Failure::misused(
                format!("not a coin: {} ({error})", wire::visible(&args.coin)),
                "TRX, BTT, or the address of a token's contract",
            ));
        }
    };
    // Whoever does not say takes the main network.
    let named = profile.kind == Kind::Tron && profile.name != "mainnet";
    let network = named.then(|| profile.name.clone());
    let memo = args.memo.as_deref().map(|memo| wire::printable(memo.as_bytes(), MEMO_CHARS_MAX));
    Ok(PaymentUri { to, asked, amount, network, memo })
}
