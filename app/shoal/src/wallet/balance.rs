//! `shoal wallet balance`: what an account has, as the chain says.

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::chain_client::{ClientError, Resources, View};
use ledger::network::Kind;
use serde_json::json;

use crate::args::wallet::BalanceArgs;
use crate::failure::{Exit, Failure};
use crate::money::coin::{self, Named};
use crate::money::teller::Teller;
use crate::wallet::Desk;

/// Runs it.
pub(super) fn balance(desk: &Desk<'_>, args: &BalanceArgs) -> Result<Exit, Failure> {
    let (name, address) = match args.address {
        Some(address) => (None, address),
        None => {
            let wallet = desk.look()?;
            let account = desk.account(&wallet)?;
            (Some(account.name.clone()), account.address)
        }
    };
    let mut teller = Teller::open(&args.network)?;
    let mut coins = vec![coin::native(&teller.profile)];
    coins.extend(coin::btt(&teller.profile));
    for token in &args.token {
        let named = coin::token_named(&mut teller, *token)?;
        if !coins.iter().any(|other| other.coin == named.coin) {
            coins.push(named);
        }
    }
    let shown = coin::address(&teller.profile, address);
    let who = name.map(|name| format!("{name} {shown}")).unwrap_or(shown);
    desk.out.note(&format!("{who} on {}", teller.profile));
    for named in &coins {
        let both = both(&mut teller, address, named);
        let (head, solid) = both.map_err(|error| teller.failure(&error))?;
        say(desk, &teller, address, named, (head, solid))?;
    }
    if teller.profile.kind == Kind::Tron {
        match teller.chain.resources(address) {
            Ok(resources) => say_resources(desk, &resources)?,
            // Of an account that does not exist yet, some nodes say nothing.
            Err(ClientError::Refused(_)) => {}
            Err(error) => return Err(teller.failure(&error)),
        }
    }
    teller.tell_notices(desk.out);
    Ok(Exit::Done)
}

/// What there is now, and what of it can't be undone any more.
fn both(teller: &mut Teller, of: Address, named: &Named) -> Result<(Amount, Amount), ClientError> {
    let head = teller.chain.balance(of, named.coin, View::Head)?;
    let solid = match teller.chain.balance(of, named.coin, View::Solid) {
        Ok(solid) => solid,
        // A token that is younger than the newest final block.
        Err(ClientError::NotToken(_)) => Amount::ZERO,
        Err(error) => return Err(error),
    };
    Ok((head, solid))
}

fn say(
    desk: &Desk<'_>,
    teller: &Teller,
    address: Address,
    named: &Named,
    (head, solid): (Amount, Amount),
) -> Result<(), Failure> {
    if desk.out.json() {
        let contract = match named.coin {
            ledger::network::Coin::Token(token) => Some(token.to_string()),
            ledger::network::Coin::Native => None,
        };
        return desk.out.event(&json!({
            "event": "balance", "network": teller.profile.name,
            "play_money": teller.profile.worth == ledger::network::Worth::Play,
            "address": address.to_string(), "symbol": named.symbol, "contract": contract,
            "decimals": named.decimals, "amount": head.to_string(), "final": solid.to_string(),
            "shown": head.shown(named.decimals).to_string(),
        }));
    }
    let mut line = named.show(head);
    if head > solid {
        let new = named.show(head.saturating_minus(solid));
        line.push_str(&format!(", {new} of it not final yet"));
    } else if head < solid {
        line.push_str(&format!(
            ", after spending that is not final yet; before, {}",
            named.show(solid)
        ));
    }
    if let (false, ledger::network::Coin::Token(token)) = (named.known, named.coin) {
        line.push_str(&format!(" ({token})"));
    }
    if teller.profile.worth == ledger::network::Worth::Play {
        line.push_str(" (play money)");
    }
    desk.out.data(&line)
}

fn say_resources(desk: &Desk<'_>, resources: &Resources) -> Result<(), Failure> {
    let bandwidth = resources.net_limit.saturating_sub(resources.net_used)
        + resources.free_net_limit.saturating_sub(resources.free_net_used);
    let energy = resources.energy_limit.saturating_sub(resources.energy_used);
    desk.out.event(&json!({
        "event": "resources", "bandwidth": bandwidth, "energy": energy,
    }))?;
    desk.out.note(&format!("{bandwidth} bytes of bandwidth and {energy} energy free today"));
    Ok(())
}
