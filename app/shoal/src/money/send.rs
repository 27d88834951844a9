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
    Action, Caps, IntentId, NetworkId, Order, Progress, Record, SendError, Status, ToSign, Validity,
};
use net::chain::{Go, Hands};
use serde_json::json;

use crate::failure::{Exit, Failure, words};
use crate::money::booking::{self, Scope};
use crate::money::coin::{self, Named, address, native};
use crate::money::confirm::{Summary, quote_json};
use crate::money::known_vaults;
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

/// Age of a transaction of Ethereum's kind that is not sent again unasked.
const STALE_AFTER: Duration = Duration::from_secs(600);

const DAY_MS: u64 = 86_400_000;

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
    /// An earlier step of the same wish has counted its tokens towards the caps.
    pub(crate) reserved: bool,
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
        self.carry(plan, terms).map(|_record| Exit::Done)
    }

    /// As [`Self::send`], for who needs what was recorded.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) fn carry(&mut self, plan: Plan, terms: &SendTerms) -> Result<Record, Failure> {
        let out = self.desk.out;
        let chain = self.teller.network()?;
        let db = database(self.desk)?;
        self.settle(&db, chain.id, terms)?;
        for (named, _) in &plan.spends {
            coin::judge_decimals(&db, chain.id, named)?;
        }
        let fee_max = self.fee_max(&plan.action, terms)?;
        // Before the price, as a node says no more than that it would fail.
        let tokens = self.tokens(&plan)?;
        let quote = self.quote(&plan, fee_max)?;
        let outlay = self.outlay(&plan, quote.fee_max);
        let caps = self.caps(&plan, &outlay, fee_max)?;
        let intent = IntentId(*chance::bytes()?);
        let mut summary = plan.summary;
        summary.quote(&self.teller.profile, &quote);
        summary.warnings.extend(self.distant());
        self.teller.tell_notices(out);
        confirm(out, &summary, &plan.question, terms.yes)?;
        // Asked for last: whoever says no need not type it.
        if self.key.is_none() {
            self.key = Some(self.desk.key(self.wallet, self.account)?);
        }
        self.reserve(&db, intent, chain.id, &outlay)?;
        if let Some(vault) = self.vault {
            known_vaults::remember(&db, &chain.id, vault)?;
        }
        let order = Order {
            intent,
            from: self.account.address,
            action: plan.action,
            caps,
            quote: Some(quote.clone()),
            rebuilds_max: 0,
        };
        out.event(&json!({ "event": "quote", "quote": quote_json(&quote) }))?;
        let (key, wait, stop) = (self.key.as_ref(), !terms.no_wait, self.teller.stop());
        let mut clerk = Clerk { out, db: &db, key, wait, stop, is_taken: false };
        let sent = self.teller.chain.send(order, &[], &mut clerk);
        let is_taken = clerk.is_taken;
        match sent {
            Ok(record) if record.status == Status::Live && !is_taken => {
                Err(not_taken(out, &record)?)
            }
            Ok(record) => {
                let mut scope = self.scope(&db, chain.id)?;
                scope.before = [vec![(Coin::Native, quote.balance)], tokens].concat();
                self.finish(&db, &record, &scope)?;
                Ok(record)
            }
            Err(error) => {
                db.give_back(intent).map_err(|error| failed(&error))?;
                Err(self.refusal(&error))
            }
        }
    }

    fn scope(&self, db: &MoneyDb, network: NetworkId) -> Result<Scope, Failure> {
        let mut scope = known_vaults::scope(db, (&self.teller.profile, &network), self.wallet)?;
        scope.vaults.extend(self.vault);
        Ok(scope)
    }

    /// Goes on with what an earlier run left under way.
    fn settle(
        &mut self,
        db: &MoneyDb,
        network: NetworkId,
        terms: &SendTerms,
    ) -> Result<(), Failure> {
        let scope = self.scope(db, network)?;
        let may_ask = !terms.yes && ask::somebody();
        settle(self.desk.out, self.teller, db, (network, &scope), may_ask)
    }

    /// What to say of play money whose node is somewhere else: what is signed for one chain of TRON is
    /// good on each other.
    fn distant(&self) -> Option<String> {
        let profile = &self.teller.profile;
        let is_here = |url: &String| {
            let url = url::Url::parse(url).ok();
            url.is_some_and(|url| match url.host() {
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                Some(url::Host::Domain(name)) => name == "localhost",
                None => false,
            })
        };
        if !profile.is_development() || profile.endpoints.iter().all(is_here) {
            return None;
        }
        Some(format!(
            "the node of {profile} is not on this machine: it could pass on what you sign to the real \
             network. Use an account that has nothing there"
        ))
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

    /// What there is of the tokens; refused if it is too little.
    fn tokens(&mut self, plan: &Plan) -> Result<Vec<(Coin, Amount)>, Failure> {
        let mut before = Vec::new();
        for (named, amount) in plan.spends.iter().filter(|(named, _)| named.coin != Coin::Native) {
            let there = self.teller.chain.balance(self.account.address, named.coin, View::Head);
            let there = there.map_err(|error| self.teller.failure(&error))?;
            if there < *amount {
                let missing = named.show(amount.saturating_minus(there));
                let message = format!(
                    "{missing} is missing: {} has {}",
                    self.account.name,
                    named.show(there)
                );
                return Err(match self.teller.profile.name.as_str() {
                    "local" if named.known => {
                        Failure::with_hint(message, "`shoal chain faucet` gives play money")
                    }
                    _ => Failure::new(message),
                });
            }
            before.push((named.coin, there));
        }
        Ok(before)
    }

    /// What caps bound: what leaves the account, and what that can cost in fees.
    fn outlay(&self, plan: &Plan, fee: Amount) -> Vec<(Named, Amount)> {
        let tokens = plan.spends.iter().filter(|(named, _)| named.coin != Coin::Native);
        let mut outlay: Vec<_> = tokens.filter(|_| !self.reserved).cloned().collect();
        let most = plan.action.value().plus(fee).unwrap_or(Amount::MAX);
        outlay.push((native(&self.teller.profile), most));
        outlay
    }

    /// What the user allows in one payment.
    fn caps(
        &self,
        plan: &Plan,
        outlay: &[(Named, Amount)],
        fee_max: Amount,
    ) -> Result<Caps, Failure> {
        for (named, amount) in outlay {
            let Some(cap) = self.cap(named).and_then(|cap| cap.per_payment) else { continue };
            if *amount > cap {
                let fees = if named.coin == Coin::Native { " with fees" } else { "" };
                return Err(Failure::with_hint(
                    format!(
                        "{}{fees} is more than your cap of {} a payment",
                        named.show(*amount),
                        named.show(cap)
                    ),
                    "`shoal wallet caps` changes it",
                ));
            }
        }
        let spend_max = plan.spends.iter().map(|(named, amount)| (named.coin, *amount)).collect();
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
        let day = i64::try_from(since.as_millis() / u128::from(DAY_MS)).unwrap_or(i64::MAX);
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

    fn finish(&mut self, db: &MoneyDb, record: &Record, scope: &Scope) -> Result<(), Failure> {
        end(self.desk.out, self.teller, db, record, scope)?;
        if !self.desk.out.json() {
            self.desk.out.data(&record.id.to_string())?;
        }
        Ok(())
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
        summary.show(out, false);
        return Ok(());
    }
    if !ask::somebody() {
        return Err(Failure::with_hint(
            "this is no terminal to ask on, and nothing is sent unasked",
            "--yes sends without asking",
        ));
    }
    summary.show(out, true);
    if ask::yes(out, question)? { Ok(()) } else { Err(Failure::new("nothing was sent")) }
}

/// What to say if no node is known to have it. It is recorded, so its money stays counted as spent.
fn not_taken(out: &Out, record: &Record) -> Result<Failure, Failure> {
    let id = record.id;
    out.event(&json!({ "event": "transaction", "state": "recorded", "id": id.to_string() }))?;
    Ok(Failure::with_hint(
        format!("no node has said that it took transaction {id}, which may still go out"),
        "`shoal wallet history` sends it again while it is good, and says what became of it",
    ))
}

/// Whether it is so long ago that nobody expects it to be sent any more. On TRON it can't be.
fn is_stale(record: &Record, now_ms: u64) -> bool {
    let age = Duration::from_millis(now_ms.saturating_sub(record.made_ms));
    matches!(record.validity, Validity::Nonce(_)) && age > STALE_AFTER
}

/// Those that are to go on. What is stale and came into no block is not sent again unasked.
fn wanted(
    out: &Out,
    teller: &mut Teller,
    live: Vec<Record>,
    may_ask: bool,
) -> Result<Vec<Record>, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut wanted = Vec::new();
    for record in live {
        if is_stale(&record, now_ms) {
            let fate = teller.chain.fate(record.id, record.from);
            let is_decided = fate.is_ok_and(|fate| {
                let used = |nonce| fate.nonce.is_some_and(|used| used > nonce);
                let is_over = matches!(record.validity, Validity::Nonce(nonce) if used(nonce));
                is_over || fate.place != Place::Nowhere
            });
            let date = crate::date::date(i64::try_from(record.made_ms / 1000).unwrap_or(i64::MAX));
            let what = format!("transaction {} of {date} is in no block yet", record.id);
            if !is_decided && !may_ask {
                out.warn(&format!(
                    "{what}, and is not sent again unasked; `shoal wallet history` asks on a terminal"
                ));
                continue;
            }
            if !is_decided {
                out.asked(&what);
                if !ask::yes(out, "Send it again?")? {
                    continue;
                }
            }
        }
        wanted.push(record);
    }
    Ok(wanted)
}

/// Goes on with what an earlier run left under way, for a few seconds.
pub(crate) fn settle(
    out: &Out,
    teller: &mut Teller,
    db: &MoneyDb,
    (network, scope): (NetworkId, &Scope),
    may_ask: bool,
) -> Result<(), Failure> {
    let live = db.live_records(network).map_err(|error| failed(&error))?;
    if live.is_empty() {
        return Ok(());
    }
    let count = crate::units::count(live.len() as u64, "transaction");
    out.note(&format!("{count} of before not final yet"));
    let live = wanted(out, teller, live, may_ask)?;
    let stop = teller.stop();
    let mut clerk = Clerk { out, db, key: None, wait: true, stop, is_taken: false };
    let ended = teller.within(RESUME_TIME, |chain| chain.resume(live, &mut clerk));
    for record in ended {
        match end(out, teller, db, &record, scope) {
            Ok(()) => {}
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
) -> Result<(), Failure> {
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
            Ok(())
        }
        Status::Confirmed(settled) => {
            out.event(&event("final"))?;
            let (block, fee) = (settled.block_number, native.show(settled.fee));
            out.note(&format!("final in block {block}, for a fee of {fee}"));
            counted(db, record, record.action.value(), settled.fee)
        }
        Status::Failed { settled, reason } => {
            db.give_back(intent).map_err(|error| failed(&error))?;
            counted(db, record, Amount::ZERO, settled.fee)?;
            out.event(&event("failed"))?;
            let (block, fee) = (settled.block_number, native.show(settled.fee));
            Err(Failure::new(format!(
                "transaction {id} failed in block {block}: {reason}; only its fee of {fee} is gone"
            )))
        }
        Status::Expired => {
            if let Some(said) = teller.only_voice() {
                // Its money stays counted as spent today.
                out.event(&event("expired"))?;
                return Err(Failure::with_hint(
                    format!(
                        "{said} says that transaction {id} came into no block in time, and no other node was asked"
                    ),
                    "before you pay again, look it up elsewhere: --node takes several nodes, and explorers show it",
                ));
            }
            db.give_back(intent).map_err(|error| failed(&error))?;
            out.event(&event("expired"))?;
            Err(Failure::with_hint(
                format!("transaction {id} came into no block in time, and cannot any more"),
                "nothing was spent; try again",
            ))
        }
    }
}

/// What was reserved for fees becomes what they were.
fn counted(db: &MoneyDb, record: &Record, value: Amount, fee: Amount) -> Result<(), Failure> {
    let Record { intent, network, .. } = *record;
    let day = i64::try_from(record.made_ms / DAY_MS).unwrap_or(i64::MAX);
    let amount = value.plus(fee).unwrap_or(Amount::MAX);
    let spend = Spend { intent, network, coin: Coin::Native, day, amount };
    db.reserve(&spend, None).map_err(|error| failed(&error))
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
    /// Whether a node has it.
    is_taken: bool,
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
            // Why follows; it is tried again.
            Progress::Sent { taken: 0, .. } => self.out.note("no node took it yet"),
            Progress::Sent { taken, of } => {
                self.is_taken = true;
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
                self.is_taken = true;
                self.out.note(&format!("in block {number}, which may be undone yet"));
                if !self.wait {
                    return Go::Stop;
                }
            }
            Progress::InBlock { number, failure: Some(why) } => {
                self.is_taken = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_node_took_is_not_said_to_be_sent() {
        let (out, db) = (Out::new(true, clap::ColorChoice::Never), MoneyDb::open(None).unwrap());
        let stop = Arc::new(Stop::default());
        let mut clerk = Clerk { out: &out, db: &db, key: None, wait: false, stop, is_taken: false };
        assert_eq!(clerk.progress(&Progress::Sent { taken: 0, of: 2 }), Go::On);
        assert!(!clerk.is_taken);
        assert_eq!(clerk.progress(&Progress::Sent { taken: 1, of: 2 }), Go::Stop);
        assert!(clerk.is_taken);
    }

    #[test]
    fn only_what_never_expires_by_itself_gets_stale() {
        let mut record = Record {
            intent: IntentId([1; 16]),
            attempt: 1,
            network: NetworkId([2; 32]),
            from: Address::new([3; 20]),
            action: Action::Transfer { to: Address::new([4; 20]), amount: Amount::new(1) },
            fee_max: Amount::ZERO,
            id: ledger::TxId([5; 32]),
            bytes: Vec::new(),
            validity: Validity::Nonce(7),
            made_ms: 1_000_000,
            status: Status::Live,
        };
        assert!(!is_stale(&record, 0));
        assert!(!is_stale(&record, 1_600_000));
        assert!(is_stale(&record, 1_600_001));
        record.validity = Validity::Until { expiration_ms: 0 };
        assert!(!is_stale(&record, u64::MAX));
    }
}
