//! `shoal vault`: the contract that holds money for payees, by hand.
//!
//! Source: docs/vault.md. Clients that pay and earn by themselves use the same contract; this is for
//! whoever wants to see, test or help it.

mod contract;
mod voucher_file;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::address::Address;
use ledger::amount::Amount;
use ledger::network::Worth;
use ledger::outbox::Action;
use ledger::parties::Parties;
use serde_json::{Value, json};
use wire::abi::{Encoder, address_word, uint_word};

use crate::args::vault::{
    Command, DeployArgs, DepositArgs, LockArgs, RedeemArgs, StatusArgs, UnlockArgs, VaultArgs,
    VoucherCommand, WithdrawArgs,
};
use crate::failure::{Exit, Failure};
use crate::money::coin::{Named, address, token_named};
use crate::money::confirm::Summary;
use crate::money::network::NetworkArgs;
use crate::money::send::{Plan, SendTerms, Sender, database, failed};
use crate::money::teller::Teller;
use crate::units;
use crate::vault::contract::ChannelState;
use crate::wallet::keyfile::{Account, Keyfile};
use crate::wallet::{Desk, hygiene};

pub(crate) use crate::vault::contract::name_of_call;

/// Time that a payee has after an unlock is announced.
const DELAY_REAL: Duration = Duration::from_secs(7 * 86_400);

/// The same for play money, so that one can see it end.
const DELAY_PLAY: Duration = Duration::from_secs(60);

/// Most vouchers in one redemption: what fits into a transaction's energy.
const REDEEM_MAX: usize = 50;

/// Runs `shoal vault`.
pub(crate) fn vault(args: &VaultArgs, out: &crate::out::Out) -> Result<Exit, Failure> {
    hygiene::keep_keys_in();
    let desk = Desk { args: &args.money, out };
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?.clone();
    let counter = Counter { desk: &desk, wallet: &wallet, account, given: args.vault };
    match &args.command {
        Command::Deploy(what) => counter.deploy(what),
        Command::Deposit(what) => counter.deposit(what),
        Command::Lock(what) => counter.lock(what),
        Command::Unlock(what) => counter.unlock(what),
        Command::Redeem(what) => counter.redeem(what),
        Command::Withdraw(what) => counter.withdraw(what),
        Command::Status(what) => counter.status(what),
        Command::Voucher(what) => match &what.command {
            VoucherCommand::Sign(what) => voucher_file::sign(&counter, what),
            VoucherCommand::Inspect(what) => voucher_file::inspect(&counter, what),
        },
    }
}

/// Who is at the Vault's counter.
pub(crate) struct Counter<'a> {
    desk: &'a Desk<'a>,
    wallet: &'a Keyfile,
    account: Account,
    given: Option<Address>,
}

/// A Vault that was found, and its token.
pub(crate) struct Found {
    teller: Teller,
    vault: Address,
    token: Named,
    contract: Address,
}

impl Found {
    fn show(&self, of: Address) -> String {
        address(&self.teller.profile, of)
    }
}

impl Counter<'_> {
    /// Goes to the network, and finds the Vault there.
    fn find(&self, network: &NetworkArgs) -> Result<Found, Failure> {
        let mut teller = Teller::open(network)?;
        let remembered = match self.given {
            Some(vault) => Some(vault),
            None => {
                let chain = teller.chain.network().map_err(|error| teller.failure(&error))?;
                let db = database(self.desk)?;
                let text = db.setting(&setting(&chain.id)).map_err(|error| failed(&error))?;
                text.and_then(|text| text.parse().ok())
            }
        };
        let vault = teller.vault(remembered)?;
        let contract = contract::token(&mut teller, vault)?;
        let token = token_named(&mut teller, contract)?;
        Ok(Found { teller, vault, token, contract })
    }

    fn parties(&self, signer: Option<Address>, payee: Address) -> Parties {
        let owner = self.account.address;
        Parties { owner, signer: signer.unwrap_or(owner), payee }
    }

    fn summary(&self, found: &Found, call: String) -> Summary {
        let mut summary = Summary::default();
        let from = found.show(self.account.address);
        summary.line("from", format!("{from}, your {}", self.account.name));
        summary.line("call", call);
        summary.line(
            "contract",
            format!("{}, the Vault of {}", found.show(found.vault), found.token.symbol),
        );
        summary
    }

    /// Calls the Vault.
    fn call(
        &self,
        found: &mut Found,
        (summary, data): (Summary, Vec<u8>),
        spends: Vec<(Named, Amount)>,
        question: &str,
        terms: &SendTerms,
    ) -> Result<Exit, Failure> {
        let action = Action::Call { contract: found.vault, value: Amount::ZERO, data };
        let plan = Plan { action, summary, spends, question: question.to_owned() };
        self.sender(found).send(plan, terms)
    }

    fn sender<'s>(&'s self, found: &'s mut Found) -> Sender<'s> {
        let vault = Some((found.vault, found.contract));
        Sender {
            desk: self.desk,
            teller: &mut found.teller,
            wallet: self.wallet,
            account: &self.account,
            vault,
            key: None,
        }
    }

    fn deploy(&self, args: &DeployArgs) -> Result<Exit, Failure> {
        let mut teller = Teller::open(&args.network)?;
        let token = args.token.or(teller.profile.btt).ok_or_else(|| {
            Failure::with_hint(
                format!("the address of BTT on {} is not known", teller.profile),
                "--token ADDRESS names the token that the Vault shall hold",
            )
        })?;
        let named = token_named(&mut teller, token)?;
        let action = contract::deployment(token)?;
        let mut summary = Summary::default();
        let from = address(&teller.profile, self.account.address);
        summary.line("from", format!("{from}, your {}", self.account.name));
        summary.line("deploy", "the Vault as it comes with this program: no owner, no upgrade");
        summary.line("token", format!("{}, {}", address(&teller.profile, token), named.symbol));
        let question = format!("Deploy a Vault for {}?", named.symbol);
        let plan = Plan { action, summary, spends: Vec::new(), question };
        let chain = teller.chain.network().map_err(|error| teller.failure(&error))?;
        let mut sender = Sender {
            desk: self.desk,
            teller: &mut teller,
            wallet: self.wallet,
            account: &self.account,
            vault: None,
            key: None,
        };
        let exit = sender.send(plan, &args.terms)?;
        let db = database(self.desk)?;
        let newest = db.history(chain.id, 1).map_err(|error| failed(&error))?;
        let made = newest.first().and_then(|record| match &record.status {
            ledger::outbox::Status::Confirmed(settled) => settled.contract,
            ledger::outbox::Status::Live
            | ledger::outbox::Status::Failed { .. }
            | ledger::outbox::Status::Expired => None,
        });
        if let Some(made) = made {
            let (key, text) = (setting(&chain.id), made.to_string());
            db.set_setting(&key, Some(&text)).map_err(|error| failed(&error))?;
            let shown = address(&teller.profile, made);
            self.desk.out.note(&format!("the Vault is {shown}; it is used from now on"));
        }
        Ok(exit)
    }

    fn deposit(&self, args: &DepositArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        let amount = positive(&found.token, &args.amount)?;
        let owner = args.owner.unwrap_or(self.account.address);
        let signer = args.signer.unwrap_or(owner);
        let mut sender = self.sender(&mut found);
        let key = self.allow(&mut sender, amount, &args.terms)?;
        let (shown, whom) = (found.token.show(amount), found.show(owner));
        let signed_by = found.show(signer);
        let mut summary = self.summary(&found, format!("deposit({whom}, {signed_by}, {amount})"));
        summary.line("deposit", format!("{shown} into the account of {whom}"));
        summary.line("signer", format!("{signed_by}: its vouchers spend what is locked of it"));
        if owner != self.account.address {
            summary.warnings.push(format!("it goes back to {whom} alone, not to you"));
        }
        let data = Encoder::call("deposit(address,address,uint256)")
            .address(owner.bytes())
            .address(signer.bytes())
            .uint(amount.units())
            .finish();
        let action = Action::Call { contract: found.vault, value: Amount::ZERO, data };
        let spends = vec![(found.token.clone(), amount)];
        let plan = Plan { action, summary, spends, question: format!("Deposit {shown}?") };
        let mut sender = self.sender(&mut found);
        sender.key = key;
        sender.send(plan, &args.terms)
    }

    /// Lets the Vault take the tokens, exactly these, if it may not yet. Returns the key, which was
    /// needed for it.
    fn allow(
        &self,
        sender: &mut Sender<'_>,
        amount: Amount,
        terms: &SendTerms,
    ) -> Result<Option<keys::secp256k1::SecretKey>, Failure> {
        let Some((vault, token)) = sender.vault else { return Ok(None) };
        let owner = self.account.address;
        if contract::allowance(sender.teller, token, owner, vault)? >= amount {
            return Ok(None);
        }
        let profile = sender.teller.profile.clone();
        let mut summary = Summary::default();
        let spender = address(&profile, vault);
        let from = address(&profile, owner);
        summary.line("from", format!("{from}, your {}", self.account.name));
        summary.line("call", format!("approve({spender}, {amount})"));
        summary.line("contract", format!("{}, the token", address(&profile, token)));
        summary
            .line("why", "so that the Vault can take these tokens in the next step, and no more");
        let data = Encoder::call("approve(address,uint256)")
            .address(vault.bytes())
            .uint(amount.units())
            .finish();
        let action = Action::Call { contract: token, value: Amount::ZERO, data };
        let question = "Allow it?".to_owned();
        let plan = Plan { action, summary, spends: Vec::new(), question };
        // The next step needs it in a block.
        sender.send(plan, &SendTerms { no_wait: false, ..terms.clone() })?;
        Ok(sender.key.take())
    }

    fn lock(&self, args: &LockArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        let amount = positive(&found.token, &args.amount)?;
        let parties = self.parties(args.signer, args.payee);
        let usual = match found.teller.profile.worth {
            Worth::Real => DELAY_REAL,
            Worth::Play => DELAY_PLAY,
        };
        let state = contract::channel(&mut found.teller, found.vault, &parties)?;
        let delay = args.delay.unwrap_or(usual.max(Duration::from_secs(state.delay_s)));
        let free = contract::free(&mut found.teller, found.vault, &parties)?;
        if free < amount {
            return Err(Failure::with_hint(
                format!(
                    "{} is missing: {} is free in the Vault",
                    found.token.show(amount.saturating_minus(free)),
                    found.token.show(free)
                ),
                "`shoal vault deposit` puts more in",
            ));
        }
        let (payee, shown) = (found.show(args.payee), found.token.show(amount));
        let signer = found.show(parties.signer);
        let seconds = delay.as_secs();
        let call = format!("lock({signer}, {payee}, {amount}, {seconds})");
        let mut summary = self.summary(&found, call);
        summary.line("lock", format!("{shown} for {payee}"));
        summary.line("delay", format!("{} after an unlock is announced", units::time(delay)));
        let data = Encoder::call("lock(address,address,uint256,uint64)")
            .address(parties.signer.bytes())
            .address(args.payee.bytes())
            .uint(amount.units())
            .uint(seconds.into())
            .finish();
        self.call(&mut found, (summary, data), Vec::new(), &format!("Lock {shown}?"), &args.terms)
    }

    fn unlock(&self, args: &UnlockArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        let parties = self.parties(args.signer, args.payee);
        let state = contract::channel(&mut found.teller, found.vault, &parties)?;
        let payee = found.show(args.payee);
        if state.locked.is_zero() && state.unlock_at == 0 {
            return Err(Failure::new(format!("nothing is locked for {payee}")));
        }
        let shown = found.token.show(state.locked);
        let signer = parties.signer;
        if state.unlock_at == 0 {
            let call = format!("announceUnlock({}, {payee})", found.show(signer));
            let mut summary = self.summary(&found, call);
            let delay = units::time(Duration::from_secs(state.delay_s));
            summary
                .line("announce", format!("{shown} are free again in {delay}, but for vouchers"));
            let data = Encoder::call("announceUnlock(address,address)")
                .address(signer.bytes())
                .address(args.payee.bytes())
                .finish();
            let exit =
                self.call(&mut found, (summary, data), Vec::new(), "Announce it?", &args.terms)?;
            self.desk.out.note(&format!("`shoal vault unlock` frees them after {delay}"));
            return Ok(exit);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if state.unlock_at > now {
            let left = units::time(Duration::from_secs(state.unlock_at - now));
            return Err(Failure::with_hint(
                format!("{shown} are locked for {left} more: the payee may still redeem"),
                "the unlock is announced; come back then",
            ));
        }
        let owner = self.account.address;
        let call = format!("unlock({}, {}, {payee})", found.show(owner), found.show(signer));
        let mut summary = self.summary(&found, call);
        summary.line("unlock", format!("{shown} become free in the Vault"));
        let data = Encoder::call("unlock(address,address,address)")
            .address(owner.bytes())
            .address(signer.bytes())
            .address(args.payee.bytes())
            .finish();
        self.call(&mut found, (summary, data), Vec::new(), &format!("Free {shown}?"), &args.terms)
    }

    fn redeem(&self, args: &RedeemArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        if args.files.len() > REDEEM_MAX {
            return Err(Failure::new(format!("at most {REDEEM_MAX} vouchers at once")));
        }
        let mut columns: [Vec<[u8; 32]>; 4] = Default::default();
        let mut signatures = Vec::new();
        let mut total = Amount::ZERO;
        let mut lines = Vec::new();
        for path in &args.files {
            let checked = voucher_file::checked(&mut found, path)?;
            let due = checked.due;
            let (payee, shown) = (found.show(checked.parties.payee), found.token.show(due));
            lines.push(format!("{shown} to {payee}"));
            total = total.plus(due).map_err(|error| Failure::new(error.to_string()))?;
            let Parties { owner, signer, payee } = checked.parties;
            let cells = [owner, signer, payee].map(|address| address_word(address.bytes()));
            let cumulative = uint_word(checked.cumulative.units());
            for (column, cell) in columns.iter_mut().zip(cells.into_iter().chain([cumulative])) {
                column.push(cell);
            }
            signatures.push(checked.signature);
        }
        if total.is_zero() {
            return Err(Failure::with_hint(
                "nothing would be paid: all of it is redeemed already, or nothing is locked",
                "`shoal vault voucher inspect` says what a voucher is worth",
            ));
        }
        let count = units::count(args.files.len() as u64, "voucher");
        let mut summary = self.summary(&found, format!("redeem({count})"));
        for line in lines {
            summary.line("redeem", line);
        }
        let [owners, signers, payees, cumulatives] = &columns;
        let data = Encoder::call("redeem(address[],address[],address[],uint256[],bytes[])")
            .words(owners)
            .words(signers)
            .words(payees)
            .words(cumulatives)
            .bytes_list(&signatures)
            .finish();
        let question = format!("Redeem {}?", found.token.show(total));
        self.call(&mut found, (summary, data), Vec::new(), &question, &args.terms)
    }

    fn withdraw(&self, args: &WithdrawArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        let parties = self.parties(args.signer, self.account.address);
        let free = contract::free(&mut found.teller, found.vault, &parties)?;
        let amount = match args.amount.as_str() {
            "all" => free,
            text => positive(&found.token, text)?,
        };
        if amount.is_zero() || free < amount {
            return Err(Failure::with_hint(
                format!("{} is free in the Vault", found.token.show(free)),
                "`shoal vault unlock` frees what is locked for a payee",
            ));
        }
        let shown = found.token.show(amount);
        let signer = found.show(parties.signer);
        let mut summary = self.summary(&found, format!("withdraw({signer}, {amount})"));
        summary.line("withdraw", format!("{shown} to {}", found.show(self.account.address)));
        let data = Encoder::call("withdraw(address,uint256)")
            .address(parties.signer.bytes())
            .uint(amount.units())
            .finish();
        let question = format!("Withdraw {shown}?");
        self.call(&mut found, (summary, data), Vec::new(), &question, &args.terms)
    }

    fn status(&self, args: &StatusArgs) -> Result<Exit, Failure> {
        let mut found = self.find(&args.network)?;
        let owner = args.owner.unwrap_or(self.account.address);
        let signer = args.signer.unwrap_or(owner);
        let account = Parties { owner, signer, payee: owner };
        let free = contract::free(&mut found.teller, found.vault, &account)?;
        let out = self.desk.out;
        let profile = found.teller.profile.to_string();
        out.note(&format!("Vault {} on {profile}", found.show(found.vault)));
        if out.json() {
            out.event(&json!({
                "event": "vault", "vault": found.vault.to_string(),
                "token": found.contract.to_string(), "symbol": found.token.symbol,
                "decimals": found.token.decimals, "owner": owner.to_string(),
                "signer": signer.to_string(), "free": free.to_string(),
            }))?;
        } else {
            let play = if found.teller.profile.worth == Worth::Play { " (play money)" } else { "" };
            out.data(&format!("free: {}{play}", found.token.show(free)))?;
        }
        for payee in &args.payees {
            let parties = Parties { owner, signer, payee: *payee };
            let state = contract::channel(&mut found.teller, found.vault, &parties)?;
            if out.json() {
                out.event(&channel_json(&parties, &state))?;
            } else {
                out.data(&channel_text(&found, *payee, &state))?;
            }
        }
        found.teller.tell_notices(out);
        Ok(Exit::Done)
    }
}

fn channel_json(parties: &Parties, state: &ChannelState) -> Value {
    json!({
        "event": "channel", "channel": parties.channel().to_string(),
        "payee": parties.payee.to_string(), "locked": state.locked.to_string(),
        "redeemed": state.redeemed.to_string(), "delay_s": state.delay_s,
        "unlock_at": state.unlock_at, "round": state.round,
    })
}

fn channel_text(found: &Found, payee: Address, state: &ChannelState) -> String {
    let (locked, redeemed) = (found.token.show(state.locked), found.token.show(state.redeemed));
    let unlock = match state.unlock_at {
        0 => String::new(),
        at => {
            let at = i64::try_from(at).unwrap_or(i64::MAX);
            format!(", unlock announced for {}", crate::date::date(at))
        }
    };
    let delay = units::time(Duration::from_secs(state.delay_s));
    let payee = found.show(payee);
    format!("for {payee}: {locked} locked, {redeemed} redeemed, delay {delay}{unlock}")
}

fn positive(token: &Named, text: &str) -> Result<Amount, Failure> {
    let amount = token.parse(text)?;
    if amount.is_zero() {
        return Err(Failure::misused("the amount is 0", "give more than 0"));
    }
    Ok(amount)
}

/// Where the address of a Vault that was deployed is remembered.
fn setting(network: &ledger::outbox::NetworkId) -> String {
    format!("vault {network}")
}
