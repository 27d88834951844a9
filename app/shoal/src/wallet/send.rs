//! `shoal wallet send`: a payment, by its parts or by a link.

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::network::Coin;
use ledger::outbox::Action;
use ledger::payment_uri::{Asked, PaymentUri, is_payment_uri};
use wire::abi::Encoder;

use crate::args::wallet::SendArgs;
use crate::failure::{Exit, Failure};
use crate::money::coin::{self, Named, address};
use crate::money::confirm::Summary;
use crate::money::network::{self, NetworkArgs};
use crate::money::send::{Plan, Sender, is_contract};
use crate::money::teller::Teller;
use crate::wallet::Desk;
use crate::wallet::keyfile::{Account, Keyfile};

/// What is to be paid, before the chain is asked.
struct Wish {
    to: Address,
    coin: String,
    amount: String,
    /// The amount is in smallest units.
    in_units: bool,
    memo: Option<String>,
}

/// Runs it.
pub(super) fn send(desk: &Desk<'_>, args: &SendArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?;
    if !account.is_ours() {
        return Err(Failure::with_hint(
            format!("{} is only watched: the wallet has no key for it", account.name),
            "--account names another account",
        ));
    }
    let wish = wish(&wallet, args)?;
    if wish.to == account.address {
        return Err(Failure::with_hint(
            format!("{} would pay itself", account.name),
            "is the address right? --account names another account to pay from",
        ));
    }
    let mut teller = Teller::open(&args.network)?;
    let named = coin::resolve(&mut teller, &wish.coin)?;
    let amount = if wish.in_units {
        wish.amount
            .parse::<Amount>()
            .map_err(|error| Failure::new(format!("the amount {error}")))?
    } else {
        named.parse(&wish.amount)?
    };
    if amount.is_zero() {
        return Err(Failure::misused("nothing would be paid: the amount is 0", "give more than 0"));
    }
    let plan = plan(&mut teller, &wallet, account, &named, (amount, &wish))?;
    let mut sender =
        Sender { desk, teller: &mut teller, wallet: &wallet, account, vault: None, key: None };
    sender.send(plan, &args.terms)
}

fn wish(wallet: &Keyfile, args: &SendArgs) -> Result<Wish, Failure> {
    if is_payment_uri(&args.amount) {
        return of_link(args);
    }
    let (Some(coin), Some(to)) = (&args.coin, &args.to) else {
        return Err(Failure::misused(
            "the coin and the recipient are missing",
            "as in `shoal wallet send 1.5 BTT T…`, or give a link that asks for a payment",
        ));
    };
    let to = match to.parse::<Address>() {
        Ok(address) => address,
        Err(error) => wallet.find(to).map(|account| account.address).ok_or_else(|| {
            Failure::misused(
                format!("not a recipient: {}: {error}", wire::visible(to)),
                "an address, copied as a whole, or the name of an account of this wallet",
            )
        })?,
    };
    let (coin, amount) = (coin.clone(), args.amount.clone());
    Ok(Wish { to, coin, amount, in_units: false, memo: None })
}

fn of_link(args: &SendArgs) -> Result<Wish, Failure> {
    let wrong = |why: &dyn core::fmt::Display| {
        Failure::misused(
            format!("cannot use the request for a payment: {why}"),
            "copy the whole link, and put it in single quotes",
        )
    };
    let uri: PaymentUri = args.amount.parse().map_err(|error| wrong(&error))?;
    // `send LINK 5` has no meaning; `send LINK` takes the amount of the link.
    if args.coin.is_some() || args.to.is_some() {
        return Err(wrong(&"nothing may follow it"));
    }
    let amount = uri.amount.clone().ok_or_else(|| {
        Failure::with_hint(
            "the request leaves the amount to you",
            format!("`shoal wallet send AMOUNT COIN {}`", uri.to),
        )
    })?;
    let profile = network::chosen(&args.network)?;
    judge_network(&uri, &profile.name, profile.chain_id, &args.network)?;
    let (coin, in_units) = match &uri.asked {
        Asked::Trx => ("TRX".to_owned(), false),
        Asked::Btt => ("BTT".to_owned(), false),
        Asked::Token(token) => (token.to_string(), false),
        Asked::Native { .. } => (profile.native_symbol().to_owned(), true),
    };
    Ok(Wish { to: uri.to, coin, amount, in_units, memo: uri.memo })
}

/// A request for real money is not paid with play money, and the other way round.
fn judge_network(
    uri: &PaymentUri,
    name: &str,
    chain_id: Option<u64>,
    args: &NetworkArgs,
) -> Result<(), Failure> {
    let wanted = match (&uri.asked, &uri.network) {
        (Asked::Native { chain_id: wanted }, _) => {
            if chain_id == Some(*wanted) {
                return Ok(());
            }
            format!("the chain of id {wanted}")
        }
        (Asked::Trx | Asked::Btt | Asked::Token(_), wanted) => {
            let wanted = wanted.as_deref().unwrap_or("mainnet");
            if wanted.eq_ignore_ascii_case(name) {
                return Ok(());
            }
            wanted.to_owned()
        }
    };
    Err(Failure::with_hint(
        format!("the request is for {wanted}, not for {}", wire::visible(&args.network)),
        "--network names the network to pay on",
    ))
}

fn plan(
    teller: &mut Teller,
    wallet: &Keyfile,
    account: &Account,
    named: &Named,
    (amount, wish): (Amount, &Wish),
) -> Result<Plan, Failure> {
    let to = wish.to;
    let recipient = address(&teller.profile, to);
    let known = wallet.accounts.iter().find(|account| account.address == to);
    let mut summary = Summary::default();
    summary.line("pay", named.show(amount));
    let from = address(&teller.profile, account.address);
    summary.line("from", format!("{from}, your {}", account.name));
    let yours = known.map(|known| format!(", your {}", known.name)).unwrap_or_default();
    summary.line("to", format!("{recipient}{yours}"));
    if let Some(memo) = &wish.memo {
        summary.line("for", format!("{memo} (says the request; it is not sent)"));
    }
    let action = match named.coin {
        Coin::Native => {
            summary.line("call", format!("none: a transfer of {}", named.symbol));
            Action::Transfer { to, amount }
        }
        Coin::Token(token) => {
            if to == token {
                return Err(Failure::with_hint(
                    format!("{recipient} is the contract of the token itself: nobody gets it back"),
                    "is the recipient right?",
                ));
            }
            let contract = address(&teller.profile, token);
            summary.line("call", format!("transfer({recipient}, {amount})"));
            summary.line("contract", format!("{contract}, {}", named.symbol));
            let data = Encoder::call("transfer(address,uint256)");
            let data = data.address(to.bytes()).uint(amount.units()).finish();
            Action::Call { contract: token, value: Amount::ZERO, data }
        }
    };
    if !named.known {
        summary.warnings.push(format!(
            "the token calls itself {}: any token can call itself so; its address is what counts",
            named.symbol
        ));
    }
    if known.is_none() && is_contract(teller, to)? {
        summary.warnings.push(format!(
            "{recipient} is a contract, not a person: unless it is made to pay out again, the money is lost"
        ));
    }
    let question = format!("Pay {} to {recipient}?", named.show(amount));
    Ok(Plan { action, summary, spends: vec![(named.clone(), amount)], question })
}
