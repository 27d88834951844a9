//! Vouchers in files, for scripts and tests: clients send each other the same in fewer bytes.
//!
//! Source: docs/formats.md, "Vouchers in files".

use std::io::{self, Read as _};
use std::path::Path;

use keys::secp256k1::Signature;
use ledger::address::Address;
use ledger::amount::Amount;
use ledger::parties::Parties;
use ledger::typed_data::{Domain, Separator};
use ledger::voucher::{Received, Verified, Voucher};
use serde_json::{Value, json};
use wire::{hex, unhex};

use super::contract;
use super::{Counter, Found};
use crate::args::vault::{InspectArgs, SignVoucherArgs};
use crate::ask;
use crate::failure::{Exit, Failure, shown};
use crate::wallet::store;

/// A voucher that its signer signed, and what it would pay now.
pub(super) struct Checked {
    pub(super) parties: Parties,
    pub(super) cumulative: Amount,
    pub(super) signature: [u8; 65],
    pub(super) due: Amount,
}

/// What signatures for this Vault are bound to.
fn domain(found: &mut Found) -> Result<Separator, Failure> {
    let chain = found.teller.network()?;
    let chain_id = chain.chain_id & 0xffff_ffff;
    Ok(Domain { name: "Shoal Vault", version: "1", chain_id, contract: found.vault }.separator())
}

/// `shoal vault voucher sign`.
pub(super) fn sign(counter: &Counter<'_>, args: &SignVoucherArgs) -> Result<Exit, Failure> {
    let mut found = counter.find(&args.network)?;
    let (signer, out) = (counter.account.address, counter.desk.out);
    let owner = args.owner.unwrap_or(signer);
    let parties = Parties { owner, signer, payee: args.payee };
    let cumulative = super::positive(&found.token, &args.cumulative)?;
    let state = contract::channel(&mut found.teller, found.vault, &parties)?;
    let payee = found.show(args.payee);
    let (amount, redeemed) = (found.token.show(cumulative), found.token.show(state.redeemed));
    let what = format!("promises {payee} {amount} in all, of which {redeemed} are paid");
    if args.yes {
        out.note(&what);
    } else {
        out.asked(&what);
    }
    let due = cumulative.saturating_minus(state.redeemed);
    if due > state.locked {
        let locked = found.token.show(state.locked);
        out.warn(&format!("only {locked} are locked: the rest of it covers nothing"));
    }
    if !args.yes {
        if !ask::somebody() {
            return Err(Failure::with_hint(
                "a voucher is money, and this is no terminal to ask on",
                "--yes signs it without asking",
            ));
        }
        if !ask::yes(out, "Sign it?")? {
            return Err(Failure::new("nothing was signed"));
        }
    }
    let domain = domain(&mut found)?;
    let key = counter.desk.key(counter.wallet, &counter.account)?;
    let voucher = Verified::sign(Voucher::plain(parties.channel(), cumulative), &domain, &key);
    let text = json!({
        "vault": found.vault.to_string(), "owner": owner.to_string(),
        "signer": signer.to_string(), "payee": args.payee.to_string(),
        "cumulative": cumulative.to_string(),
        "signature": format!("0x{}", hex(&voucher.redeemable(&domain, signer))),
    });
    out.data(&text.to_string())?;
    Ok(Exit::Done)
}

/// `shoal vault voucher inspect`.
pub(super) fn inspect(counter: &Counter<'_>, args: &InspectArgs) -> Result<Exit, Failure> {
    let mut found = counter.find(&args.network)?;
    let checked = checked(&mut found, &args.file)?;
    let out = counter.desk.out;
    let Checked { parties, cumulative, due, .. } = &checked;
    if out.json() {
        out.event(&json!({
            "event": "voucher", "good": true, "channel": parties.channel().to_string(),
            "owner": parties.owner.to_string(), "signer": parties.signer.to_string(),
            "payee": parties.payee.to_string(), "cumulative": cumulative.to_string(),
            "due": due.to_string(),
        }))?;
        return Ok(Exit::Done);
    }
    let (payee, signer) = (found.show(parties.payee), found.show(parties.signer));
    let (due, all) = (found.token.show(*due), found.token.show(*cumulative));
    out.data(&format!("{due} to {payee} now, of {all} in all, signed by {signer}"))?;
    Ok(Exit::Done)
}

/// Reads a voucher, checks its signature, and asks the Vault what it would pay.
pub(super) fn checked(found: &mut Found, path: &Path) -> Result<Checked, Failure> {
    let wrong = |why: &str| {
        Failure::with_hint(
            format!("cannot use the voucher {}: {why}", shown(path)),
            "`shoal vault voucher sign` makes such files",
        )
    };
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        let taken = io::stdin().lock().take(store::READ_BYTES_MAX as u64).read_to_end(&mut bytes);
        taken.map(|_count| bytes)
    } else {
        store::read(path)
    };
    let bytes = bytes.map_err(|error| Failure::reading(path, &error))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|_not_json| wrong("it is not JSON"))?;
    let text = |key: &str| {
        value.get(key).and_then(Value::as_str).ok_or_else(|| wrong(&format!("it has no `{key}`")))
    };
    let address = |key: &str| {
        text(key)?.parse::<Address>().map_err(|error| wrong(&format!("its `{key}`: {error}")))
    };
    if address("vault")? != found.vault {
        return Err(wrong("it is for another Vault"));
    }
    let parties =
        Parties { owner: address("owner")?, signer: address("signer")?, payee: address("payee")? };
    let cumulative: Amount =
        text("cumulative")?.parse().map_err(|error| wrong(&format!("its amount {error}")))?;
    let digits = text("signature")?;
    let signature = unhex::<65>(digits.strip_prefix("0x").unwrap_or(digits))
        .ok_or_else(|| wrong("its signature has not 130 hexadecimal digits"))?;
    let signature = Signature::from_bytes(&signature).map_err(|error| wrong(&error.to_string()))?;
    let domain = domain(found)?;
    let statement = Voucher::plain(parties.channel(), cumulative);
    let (voucher, _key) = Received { statement, signature }
        .recover(&domain, parties.signer)
        .map_err(|error| wrong(&error.to_string()))?;
    let state = contract::channel(&mut found.teller, found.vault, &parties)?;
    let due = cumulative.saturating_minus(state.redeemed).min(state.locked);
    let signature = voucher.redeemable(&domain, parties.signer);
    Ok(Checked { parties, cumulative, signature, due })
}
