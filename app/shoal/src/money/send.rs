//! One transaction from the wish to the final block: priced, judged by the caps, confirmed, signed, recorded,
//! sent, waited for, booked.
//!
//! What is recorded and not final when we stop goes on with the next command that touches the same
//! network: the same bytes are sent again, and nothing new is made as long as they may enter a block.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use disk::{MoneyDb, MoneyError, MoneyRefusal, Spend};
use keys::secp256k1::{SecretKey, Signature};
use ledger::address::Address;
use ledger::amount::Amount;
use ledger::chain_client::{ClientError, Place, Quote, Receipt, View};
use ledger::network::Coin;
use ledger::outbox::{
    Action, Caps, IntentId, NetworkId, Order, Progress, Record, SendError, Status, ToSign,
};
use net::chain::{Go, Hands};
use serde_json::json;

use crate::failure::{Exit, Failure, words};
use crate::money::booking::{self, Scope};
use crate::money::coin::{Named, address, native};
use crate::money::confirm::{Summary, quote_json};
use crate::money::teller::{Stop, Teller};
use crate::out::Out;
use crate::wallet::keyfile::{Account, Keyfile};
use crate::wallet::{Desk, store};
use crate::{ask, chance};

/// Most that a transaction may cost in fees unless the user says otherwise, in whole coins: twenty times
/// what a transfer of a token costs on TRON without any stake.
const FEE_CAP: u64 = 100;

/// The same for a contract that is deployed.
const FEE_CAP_DEPLOY: u64 = 1000;

/// Time for transactions of an earlier run, before something new is begun.
const RESUME_TIME: Duration = Duration::from_secs(5);

/// How something is sent.
#[derive(Clone, Debug, Args)]
pub(crate) struct SendTerms {
    /// Send without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Most that may be paid in fees, in whole TRX (or BTT on bttc) [default: 100; 1000 to deploy]
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) fee_max: Option<String>,
    /// Don't wait for the block: end when a node has it
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// What is to be sent, and how it is told.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) action: Action,
    pub(crate) summary: Summary,
    /// What leaves the account, fees apart.
    pub(crate) spends: Vec<(Named, Amount)>,
    /// The question.
    pub(crate) question: String,
}

/// Somebody who sends.
pub(crate) struct Sender<'a> {
    pub(crate) desk: &'a Desk<'a>,
    pub(crate) teller: &'a mut Teller,
    pub(crate) wallet: &'a Keyfile,
    pub(crate) account: &'a Account,
    /// The Vault and its token, if it is about them.
    pub(crate) vault: Option<(Address, Address)>,
    /// The account's key, once it was needed: nobody types a passphrase twice.
    pub(crate) key: Option<SecretKey>,
}

/// Where money is remembered: beside the state database.
///
/// # Errors
/// There is no place for it, or it can't be opened.
pub(crate) fn database(desk: &Desk<'_>) -> Result<MoneyDb, Failure> {
    let path: PathBuf = store::path(desk.args)?.with_file_name("money.db");
    MoneyDb::open(Some(&path)).map_err(|error| failed(&error))
}

/// What the database says, for people. It brings its own hint.
pub(crate) fn failed(error: &MoneyError) -> Failure {
    let text = error.to_string();
    match text.split_once("\nhint: ") {
        Some((message, hint)) => Failure::with_hint(words(message), words(hint)),
        None => Failure::new(words(&text)),
    }
}

impl Sender<'_> {
    /// Sends it, and waits.
    ///
    /// # Errors
    /// Nothing was sent, and why; or it failed in its block.
    pub(crate) fn send(&mut self, plan: Plan, terms: &SendTerms) -> Result<Exit, Failure> {
        let out = self.desk.out;
        let chain = self.teller.chain.network().map_err(|error| self.teller.failure(&error))?;
        let db = database(self.desk)?;
        self.settle(&db, chain.id)?;
        let fee_max = self.fee_max(&plan.action, terms)?;
        let quote = self.quote(&plan, fee_max)?;
        let before = self.before(&plan, &quote)?;
        let intent = IntentId(*chance::bytes()?);
        let caps = self.caps(&plan, fee_max)?;
        let mut summary = plan.summary;
        summary.quote(&self.teller.profile, &quote);
        self.teller.tell_notices(out);
        confirm(out, &summary, &plan.question, terms.yes)?;
        // Asked for last: whoever says no need not type it.
        if self.key.is_none() {
            self.key = Some(self.desk.key(self.wallet, self.account)?);
        }
        self.reserve(&db, intent, chain.id, &plan.spends)?;
        let order = Order {
            intent,
            from: self.account.address,
            action: plan.action,
            caps,
            quote: Some(quote.clone()),
            rebuilds_max: 0,
        };
        out.event(&json!({ "event": "quote", "quote": quote_json(&quote) }))?;
        let mut clerk = Clerk {
            out,
            db: &db,
            key: self.key.as_ref(),
            wait: !terms.no_wait,
            stop: self.teller.stop(),
        };
        let sent = self.teller.chain.send(order, &[], &mut clerk);
        let scope = self.scope(before);
        match sent {
            Ok(record) => self.finish(&db, &record, &scope),
            Err(error) => {
                db.give_back(intent).map_err(|error| failed(&error))?;
                Err(self.refusal(&error))
            }
        }
    }

    fn scope(&self, before: Vec<(Coin, Amount)>) -> Scope {
        let own = self.wallet.accounts.iter().filter(|account| account.is_ours());
        Scope {
            ours: own.map(|account| account.address).collect(),
            vault: self.vault.map(|(vault, _)| vault).or(self.teller.profile.vault),
            token: self.vault.map(|(_, token)| token).or(self.teller.profile.btt),
            before,
        }
    }

    /// Goes on with what an earlier run left under way.
    fn settle(&mut self, db: &MoneyDb, network: NetworkId) -> Result<(), Failure> {
        let scope = self.scope(Vec::new());
        settle(self.desk.out, self.teller, db, network, &scope)
    }

    fn fee_max(&self, action: &Action, terms: &SendTerms) -> Result<Amount, Failure> {
        let native = native(&self.teller.profile);
        let usual = match action {
            Action::Deploy { .. } => FEE_CAP_DEPLOY,
            Action::Transfer { .. } | Action::Call { .. } => FEE_CAP,
        };
        native.parse(&terms.fee_max.clone().unwrap_or_else(|| usual.to_string()))
    }

    /// The price; refused if it would fail, costs too much, or is more than there is.
    fn quote(&mut self, plan: &Plan, fee_max: Amount) -> Result<Quote, Failure> {
        let from = self.account.address;
        let quote = self.teller.chain.quote(from, plan.action.clone());
        let quote = quote.map_err(|error| self.teller.failure(&error))?;
        let native = native(&self.teller.profile);
        if let Some(why) = &quote.failure {
            return Err(Failure::new(format!("it would fail: {}", why.reason)));
        }
        if quote.fee_max > fee_max {
            let (needed, cap) = (native.show(quote.fee_max), native.show(fee_max));
            return Err(Failure::with_hint(
                format!(
                    "it can cost {needed} in fees, more than the {cap} that may be spent on it"
                ),
                "--fee-max AMOUNT allows more",
            ));
        }
        let needed = plan.action.value().plus(quote.fee_max).unwrap_or(Amount::MAX);
        if quote.balance < needed {
            let missing = needed.saturating_minus(quote.balance);
            let hint = if self.teller.profile.name == "local" {
                "`shoal chain faucet` gives play money".to_owned()
            } else {
                let here = address(&self.teller.profile, self.account.address);
                format!("send {} to {here} first", native.symbol)
            };
            return Err(Failure::with_hint(
                format!(
                    "{} is missing: it needs up to {} with fees, and {} has {}",
                    native.show(missing),
                    native.show(needed),
                    self.account.name,
                    native.show(quote.balance)
                ),
                hint,
            ));
        }
        Ok(quote)
    }

    /// What there was of each coin; refused if a token is too little.
    fn before(&mut self, plan: &Plan, quote: &Quote) -> Result<Vec<(Coin, Amount)>, Failure> {
        let mut before = vec![(Coin::Native, quote.balance)];
        for (named, amount) in plan.spends.iter().filter(|(named, _)| named.coin != Coin::Native) {
            let there = self.teller.chain.balance(self.account.address, named.coin, View::Head);
            let there = there.map_err(|error| self.teller.failure(&error))?;
            if there < *amount {
                let missing = named.show(amount.saturating_minus(there));
                return Err(Failure::new(format!(
                    "{missing} is missing: {} has {}",
                    self.account.name,
                    named.show(there)
                )));
            }
            before.push((named.coin, there));
        }
        Ok(before)
    }

    /// What the user allows in one payment.
    fn caps(&self, plan: &Plan, fee_max: Amount) -> Result<Caps, Failure> {
        let mut spend_max = Vec::new();
        for (named, amount) in &plan.spends {
            spend_max.push((named.coin, *amount));
            let Some(cap) = self.cap(named).and_then(|cap| cap.per_payment) else { continue };
            if *amount > cap {
                return Err(Failure::with_hint(
                    format!(
                        "{} is more than your cap of {} a payment",
                        named.show(*amount),
                        named.show(cap)
                    ),
                    "`shoal wallet caps` changes it",
                ));
            }
        }
        Ok(Caps { fee_max, spend_max })
    }

    fn cap(&self, named: &Named) -> Option<&crate::wallet::keyfile::Cap> {
        let (network, coin) = (&self.teller.profile.name, named.key());
        self.wallet.caps.iter().find(|cap| cap.network == *network && cap.coin == coin)
    }

    /// Counts it towards the day, unless that would be too much.
    fn reserve(
        &self,
        db: &MoneyDb,
        intent: IntentId,
        network: NetworkId,
        spends: &[(Named, Amount)],
    ) -> Result<(), Failure> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let day = i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX);
        for (named, amount) in spends {
            let cap = self.cap(named).and_then(|cap| cap.per_day);
            let spend = Spend { intent, network, coin: named.coin, day, amount: *amount };
            db.reserve(&spend, cap).map_err(|error| match error {
                MoneyError::Refused(MoneyRefusal::AboveDayCap { asked, spent, cap }) => {
                    db.give_back(intent).ok();
                    Failure::with_hint(
                        format!(
                            "{} and the {} of today are more than your cap of {} a day",
                            named.show(asked),
                            named.show(spent),
                            named.show(cap)
                        ),
                        "`shoal wallet caps` changes it; a day ends at midnight UTC",
                    )
                }
                error @ (MoneyError::Make { .. }
                | MoneyError::Database { .. }
                | MoneyError::Newer { .. }
                | MoneyError::Damaged { .. }
                | MoneyError::Refused(_)) => failed(&error),
            })?;
        }
        Ok(())
    }

    fn finish(&mut self, db: &MoneyDb, record: &Record, scope: &Scope) -> Result<Exit, Failure> {
        let exit = end(self.desk.out, self.teller, db, record, scope)?;
        if !self.desk.out.json() {
            self.desk.out.data(&record.id.to_string())?;
        }
        Ok(exit)
    }

    fn refusal(&self, error: &SendError) -> Failure {
        let native = native(&self.teller.profile);
        match error {
            SendError::Client(error) => self.teller.failure(error),
            SendError::FeeCap { needed, cap } => Failure::with_hint(
                format!(
                    "it can cost {} in fees, more than {}",
                    native.show(*needed),
                    native.show(*cap)
                ),
                "--fee-max AMOUNT allows more",
            ),
            SendError::Short { needed, there } => Failure::new(format!(
                "it needs {} with fees, and there is {}",
                native.show(*needed),
                native.show(*there)
            )),
            SendError::WouldFail(_)
            | SendError::SpendCap { .. }
            | SendError::Build(_)
            | SendError::UnderWay(_)
            | SendError::Done(_)
            | SendError::NotSigned(_)
            | SendError::Foreign { .. }
            | SendError::NotStored(_)
            | SendError::Busy(_) => Failure::new(words(&error.to_string())),
        }
    }
}

fn confirm(out: &Out, summary: &Summary, question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        summary.show(out);
        return Ok(());
    }
    if !ask::somebody() {
        return Err(Failure::with_hint(
            "this is no terminal to ask on, and nothing is sent unasked",
            "--yes sends without asking",
        ));
    }
    summary.show(out);
    if ask::yes(out, question)? { Ok(()) } else { Err(Failure::new("nothing was sent")) }
}

/// Goes on with what an earlier run left under way, for a few seconds.
pub(crate) fn settle(
    out: &Out,
    teller: &mut Teller,
    db: &MoneyDb,
    network: NetworkId,
    scope: &Scope,
) -> Result<(), Failure> {
    let live = db.live_records(network).map_err(|error| failed(&error))?;
    if live.is_empty() {
        return Ok(());
    }
    let count = crate::units::count(live.len() as u64, "transaction");
    out.note(&format!("{count} of before not final yet"));
    let stop = teller.stop();
    let mut clerk = Clerk { out, db, key: None, wait: true, stop };
    let ended = teller.within(RESUME_TIME, |chain| chain.resume(live, &mut clerk));
    for record in ended {
        match end(out, teller, db, &record, scope) {
            Ok(_) => {}
            // It failed on the chain: that was then, and is told; what is wished now is another thing.
            Err(failure) => out.warn(&failure.to_string()),
        }
    }
    Ok(())
}

/// Books a transaction that has come to its end, and says how it ended.
fn end(
    out: &Out,
    teller: &mut Teller,
    db: &MoneyDb,
    record: &Record,
    scope: &Scope,
) -> Result<Exit, Failure> {
    let receipt = match &record.status {
        Status::Confirmed(_) => receipt(teller, record),
        Status::Live | Status::Failed { .. } | Status::Expired => None,
    };
    if record.status != Status::Live {
        booking::book(db, record, receipt.as_ref(), scope).map_err(|error| failed(&error))?;
    }
    let native = native(&teller.profile);
    let (id, intent) = (record.id, record.intent);
    let event = |state: &str| {
        let (fee, energy, block, contract) = match &record.status {
            Status::Confirmed(settled) | Status::Failed { settled, .. } => (
                Some(settled.fee.to_string()),
                Some(settled.energy),
                Some(settled.block_number),
                settled.contract.map(|contract| contract.to_string()),
            ),
            Status::Live | Status::Expired => (None, None, None, None),
        };
        json!({
            "event": "transaction", "state": state, "id": id.to_string(), "fee": fee,
            "energy": energy, "block": block, "contract": contract,
        })
    };
    match &record.status {
        Status::Live => {
            out.event(&event("sent"))?;
            out.note("it is on its way; `shoal wallet history` says what became of it");
            Ok(Exit::Done)
        }
        Status::Confirmed(settled) => {
            out.event(&event("final"))?;
            let (block, fee) = (settled.block_number, native.show(settled.fee));
            out.note(&format!("final in block {block}, for a fee of {fee}"));
            Ok(Exit::Done)
        }
        Status::Failed { settled, reason } => {
            db.give_back(intent).map_err(|error| failed(&error))?;
            out.event(&event("failed"))?;
            let (block, fee) = (settled.block_number, native.show(settled.fee));
            Err(Failure::new(format!(
                "transaction {id} failed in block {block}: {reason}; only its fee of {fee} is gone"
            )))
        }
        Status::Expired => {
            db.give_back(intent).map_err(|error| failed(&error))?;
            out.event(&event("expired"))?;
            Err(Failure::with_hint(
                format!("transaction {id} came into no block in time, and cannot any more"),
                "nothing was spent; try again",
            ))
        }
    }
}

/// What a final transaction did. Without it only its fee is booked.
fn receipt(teller: &mut Teller, record: &Record) -> Option<Receipt> {
    match teller.chain.fate(record.id, record.from).ok()?.place {
        Place::Solid(receipt) | Place::Head(receipt) => Some(receipt),
        Place::Nowhere => None,
    }
}

/// Signs, stores and shows.
struct Clerk<'a> {
    out: &'a Out,
    db: &'a MoneyDb,
    /// None: nothing new may be signed.
    key: Option<&'a SecretKey>,
    wait: bool,
    stop: Arc<Stop>,
}

impl Hands for Clerk<'_> {
    fn sign(&mut self, to_sign: &ToSign) -> Result<Signature, String> {
        let key = self.key.ok_or("the wallet is locked")?;
        to_sign.sign(key).map_err(|error| error.to_string())
    }

    fn store(&mut self, record: &Record) -> Result<(), String> {
        if record.status != Status::Live {
            // `end` stores it together with its entries: until then the next run finds it live.
            return Ok(());
        }
        self.db.store_record(record).map_err(|error| words(&error.to_string()))
    }

    fn progress(&mut self, progress: &Progress) -> Go {
        let native = |record: &Record| record.id.to_string();
        match progress {
            Progress::Quoted(_) => {}
            Progress::Recorded(record) => {
                let id = native(record);
                self.out.event(&json!({ "event": "recorded", "id": id })).ok();
            }
            Progress::Sent { taken, of } => {
                if *of > 1 {
                    self.out.note(&format!("{taken} of {of} nodes took it"));
                } else {
                    self.out.note("the node took it");
                }
                if !self.wait {
                    return Go::Stop;
                }
            }
            Progress::InBlock { number, failure: None } => {
                self.out.note(&format!("in block {number}, which may be undone yet"));
            }
            Progress::InBlock { number, failure: Some(why) } => {
                self.out.note(&format!("in block {number}, where it failed: {why}"));
            }
            Progress::Undone => self.out.note("its block was undone; it waits again"),
            Progress::MadeAnew { attempt } => {
                self.out.note(&format!("it expired and is made anew, try {attempt}"));
            }
            Progress::Trouble(what) => {
                self.out.warn(&crate::redact::urls(what));
            }
        }
        if self.stop.is_asked() { Go::Stop } else { Go::On }
    }
}

/// Whether an address has code: it is asked for something that no contract has, which only a contract
/// can refuse.
pub(crate) fn is_contract(teller: &mut Teller, address: Address) -> Result<bool, Failure> {
    let data = wire::abi::Encoder::call("symbol()").finish();
    match teller.chain.call(address, address, data, View::Head) {
        Ok(Ok(returned)) => Ok(!returned.is_empty()),
        Ok(Err(_revert)) => Ok(true),
        Err(ClientError::Refused(_)) => Ok(false),
        Err(error) => Err(teller.failure(&error)),
    }
}
