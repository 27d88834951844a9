//! The Vault in plain Rust: predicts the events or the refusal of each call.
//!
//! Written from `docs/vault.md`, with the order of the contract's checks, which is what decides
//! which of several refusals is said. It knows the token too, as far as the Vault sees it.

use std::collections::BTreeMap;

use keys::secp256k1::{SecretKey, Signature};
use keys::{Digest32, keccak256};
use revm::primitives::{Address, U256, hex};

use crate::operation::{Entry, Mandate, Operation};
use crate::statement::{Condition, Domain, Statement, account_of, channel_of};

/// Events in words, or the refusal in words.
pub type Said = Result<Vec<String>, String>;

/// The longest delay of an unlock, in seconds.
pub const DELAY_MAX: u64 = 365 * 24 * 3600;

/// The largest share of a tower, in ten-thousandths.
pub const SHARE_MAX: u16 = 1000;

/// One channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the outputs of the contract's `channel`")]
pub struct Channel {
    pub locked: U256,
    pub redeemed: U256,
    pub delay: u64,
    pub unlock_at: u64,
    pub round: u64,
}

/// The state of one Vault and of its token.
#[derive(Clone, Debug)]
pub struct Model {
    domain: Domain,
    /// Free balances by account.
    pub free: BTreeMap<Digest32, U256>,
    /// Channels by id.
    pub channels: BTreeMap<Digest32, Channel>,
    /// Tokens by holder; whoever is here lets the Vault take all that it has.
    pub tokens: BTreeMap<Address, U256>,
}

impl Model {
    /// An empty Vault, and who holds how much of its token.
    #[must_use]
    pub fn new(domain: Domain, tokens: BTreeMap<Address, U256>) -> Self {
        Self { domain, free: BTreeMap::new(), channels: BTreeMap::new(), tokens }
    }

    /// Makes a call; a refused one changes nothing.
    pub fn run(&mut self, now: u64, sender: Address, operation: &Operation) -> Said {
        let mut next = Call { model: self.clone(), now, sender, events: Vec::new() };
        next.run(operation)?;
        *self = next.model;
        Ok(next.events)
    }

    /// All that accounts and channels hold.
    #[must_use]
    pub fn owed(&self) -> U256 {
        let free: U256 = self.free.values().copied().sum();
        let locked: U256 = self.channels.values().map(|channel| channel.locked).sum();
        free + locked
    }

    /// Tokens of a holder.
    #[must_use]
    pub fn tokens_of(&self, holder: Address) -> U256 {
        self.tokens.get(&holder).copied().unwrap_or_default()
    }
}

struct Call {
    model: Model,
    now: u64,
    sender: Address,
    events: Vec<String>,
}

/// Names of one channel.
#[derive(Clone, Copy)]
struct Place {
    account: Digest32,
    channel: Digest32,
    payee: Address,
}

impl Place {
    fn new(owner: Address, signer: Address, payee: Address) -> Self {
        let channel = channel_of(owner, signer, payee);
        Self { account: account_of(owner, signer), channel, payee }
    }

    fn words(&self) -> String {
        format!("{}, {}, {}", id(&self.channel), id(&self.account), at(self.payee))
    }
}

impl Call {
    fn run(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Deposit { owner, signer, amount } => self.deposit(*owner, *signer, *amount),
            Operation::Withdraw { signer, amount } => {
                let account = account_of(self.sender, *signer);
                self.take_free(account, *amount)?;
                self.say(format!("Withdrawn({}, {}, {amount})", id(&account), at(self.sender)));
                self.pay(self.sender, *amount);
                Ok(())
            }
            Operation::Lock { signer, payee, amount, delay } => {
                self.lock(*signer, *payee, *amount, *delay)
            }
            Operation::AnnounceUnlock { signer, payee } => self.announce(*signer, *payee),
            Operation::Unlock { owner, signer, payee } => {
                let place = Place::new(*owner, *signer, *payee);
                let channel = self.locked_channel(place)?;
                refuse(channel.unlock_at == 0, || {
                    format!("UnlockNotAnnounced({})", id(&place.channel))
                })?;
                refuse(self.now < channel.unlock_at, || {
                    format!("UnlockTooEarly({})", channel.unlock_at)
                })?;
                self.end(place);
                Ok(())
            }
            Operation::Close { entry, release } => self.close(entry, release),
            Operation::Redeem { entries } => {
                let mut due = U256::ZERO;
                for (index, entry) in entries.iter().enumerate() {
                    due += self.claim_by_voucher(entry, entry.payee)?;
                    if entries.get(index + 1).is_none_or(|next| next.payee != entry.payee) {
                        self.pay(entry.payee, due);
                        due = U256::ZERO;
                    }
                }
                Ok(())
            }
            Operation::RedeemFor { mandate, entries } => self.redeem_for(mandate, entries),
            Operation::RedeemConditional { entry, conditions, scalars } => {
                self.redeem_conditional(entry, conditions, scalars)
            }
        }
    }

    fn deposit(&mut self, owner: Address, signer: Address, amount: U256) -> Result<(), String> {
        refuse(owner.is_zero() || signer.is_zero(), || "AddressIsZero()".to_owned())?;
        refuse(amount.is_zero(), || "AmountIsZero()".to_owned())?;
        let account = account_of(owner, signer);
        let free = self.model.free.entry(account).or_default();
        *free = free.checked_add(amount).ok_or("Panic(17)")?;
        self.say(format!("Deposited({}, {}, {}, {amount})", id(&account), at(owner), at(signer)));
        let balance = self.model.tokens_of(self.sender);
        refuse(amount > balance, || {
            format!("TRC20InsufficientBalance({}, {balance}, {amount})", at(self.sender))
        })?;
        self.move_tokens(self.sender, self.model.domain.contract, amount);
        Ok(())
    }

    fn lock(
        &mut self,
        signer: Address,
        payee: Address,
        amount: U256,
        delay: u64,
    ) -> Result<(), String> {
        refuse(signer.is_zero() || payee.is_zero(), || "AddressIsZero()".to_owned())?;
        refuse([self.sender, signer, self.model.domain.contract].contains(&payee), || {
            format!("PayeeNotAllowed({})", at(payee))
        })?;
        refuse(delay > DELAY_MAX, || format!("DelayTooLong({delay}, {DELAY_MAX})"))?;
        let place = Place::new(self.sender, signer, payee);
        self.take_free(place.account, amount)?;
        let channel = self.model.channels.entry(place.channel).or_default();
        refuse(!channel.locked.is_zero() && delay < channel.delay, || {
            format!("DelayTooShort({delay}, {})", channel.delay)
        })?;
        let room = U256::from(u128::MAX) - channel.locked - channel.redeemed;
        refuse(amount > room, || format!("LockTooLarge({amount})"))?;
        channel.round += u64::from(channel.locked.is_zero());
        channel.locked += amount;
        channel.delay = delay;
        channel.unlock_at = 0;
        self.say(format!("Locked({}, {amount}, {delay})", place.words()));
        Ok(())
    }

    fn announce(&mut self, signer: Address, payee: Address) -> Result<(), String> {
        let place = Place::new(self.sender, signer, payee);
        let mut channel = self.locked_channel(place)?;
        refuse(channel.unlock_at != 0, || {
            format!("UnlockAlreadyAnnounced({})", channel.unlock_at)
        })?;
        channel.unlock_at = self.now + channel.delay;
        self.model.channels.insert(place.channel, channel);
        self.say(format!("UnlockAnnounced({}, {})", place.words(), channel.unlock_at));
        Ok(())
    }

    fn close(&mut self, entry: &Entry, release: &[u8]) -> Result<(), String> {
        let Entry { owner, signer, payee, cumulative, .. } = *entry;
        let place = Place::new(owner, signer, payee);
        let Channel { round, .. } = self.locked_channel(place)?;
        let voucher = Statement::Voucher { channel: place.channel, cumulative };
        self.require_signed(signer, &voucher, &entry.voucher)?;
        let agreed = Statement::Release { channel: place.channel, round, cumulative };
        self.require_signed(payee, &agreed, release)?;
        let paid = self.claim(place, cumulative);
        self.end(place);
        self.pay(payee, paid);
        Ok(())
    }

    fn redeem_for(&mut self, mandate: &Mandate, entries: &[Entry]) -> Result<(), String> {
        let Mandate { payee, tower, share, until, .. } = *mandate;
        refuse(share > SHARE_MAX, || format!("ShareTooLarge({share}, {SHARE_MAX})"))?;
        refuse(!tower.is_zero() && tower != self.sender, || {
            format!("MandateForAnother({})", at(tower))
        })?;
        refuse(self.now > until, || format!("MandateExpired({until})"))?;
        let statement = Statement::Mandate { payee, tower, share, until };
        self.require_signed(payee, &statement, &mandate.signature)?;
        let mut due = U256::ZERO;
        for entry in entries {
            due += self.claim_by_voucher(entry, payee)?;
        }
        let fee = due * U256::from(share) / U256::from(10_000);
        self.pay(payee, due - fee);
        self.pay(self.sender, fee);
        Ok(())
    }

    fn redeem_conditional(
        &mut self,
        entry: &Entry,
        conditions: &[Condition],
        scalars: &[U256],
    ) -> Result<(), String> {
        refuse(conditions.len() != scalars.len(), || "LengthsDiffer()".to_owned())?;
        let Entry { owner, signer, payee, cumulative, .. } = *entry;
        let place = Place::new(owner, signer, payee);
        let conditions_signed = conditions.to_vec();
        let channel = place.channel;
        let statement =
            Statement::Conditional { channel, cumulative, conditions: conditions_signed };
        self.require_signed(signer, &statement, &entry.voucher)?;
        let mut shown = U256::ZERO;
        for (index, (condition, scalar)) in conditions.iter().zip(scalars).enumerate() {
            if scalar.is_zero() {
                continue;
            }
            refuse(address_of_scalar(*scalar) != Some(condition.lock), || {
                format!("ScalarIsWrong({index}, {scalar})")
            })?;
            if self.now <= condition.expiry {
                shown = shown.checked_add(condition.amount).ok_or("Panic(17)")?;
            }
        }
        let claim = cumulative.checked_add(shown).ok_or("Panic(17)")?;
        let paid = self.claim(place, claim);
        self.pay(payee, paid);
        Ok(())
    }

    fn claim_by_voucher(&mut self, entry: &Entry, payee: Address) -> Result<U256, String> {
        let place = Place::new(entry.owner, entry.signer, payee);
        let statement = Statement::Voucher { channel: place.channel, cumulative: entry.cumulative };
        self.require_signed(entry.signer, &statement, &entry.voucher)?;
        Ok(self.claim(place, entry.cumulative))
    }

    fn claim(&mut self, place: Place, claim: U256) -> U256 {
        let channel = self.model.channels.entry(place.channel).or_default();
        let paid = claim.saturating_sub(channel.redeemed).min(channel.locked);
        if !paid.is_zero() {
            channel.locked -= paid;
            channel.redeemed += paid;
            let redeemed = channel.redeemed;
            self.say(format!("Redeemed({}, {paid}, {redeemed})", place.words()));
        }
        paid
    }

    fn end(&mut self, place: Place) {
        let channel = self.model.channels.entry(place.channel).or_default();
        let rest = channel.locked;
        *channel =
            Channel { redeemed: channel.redeemed, round: channel.round, ..Channel::default() };
        *self.model.free.entry(place.account).or_default() += rest;
        self.say(format!("Unlocked({}, {rest})", place.words()));
    }

    fn locked_channel(&self, place: Place) -> Result<Channel, String> {
        let channel = self.model.channels.get(&place.channel).copied().unwrap_or_default();
        refuse(channel.locked.is_zero(), || format!("NothingLocked({})", id(&place.channel)))?;
        Ok(channel)
    }

    fn take_free(&mut self, account: Digest32, amount: U256) -> Result<(), String> {
        refuse(amount.is_zero(), || "AmountIsZero()".to_owned())?;
        let free = self.model.free.entry(account).or_default();
        refuse(amount > *free, || format!("FreeBalanceTooSmall({free}, {amount})"))?;
        *free -= amount;
        Ok(())
    }

    fn pay(&mut self, to: Address, amount: U256) {
        if !amount.is_zero() {
            self.move_tokens(self.model.domain.contract, to, amount);
        }
    }

    fn move_tokens(&mut self, from: Address, to: Address, amount: U256) {
        *self.model.tokens.get_mut(&from).expect("the caller has checked its balance") -= amount;
        *self.model.tokens.entry(to).or_default() += amount;
        self.say(format!("Transfer({}, {}, {amount})", at(from), at(to)));
    }

    fn require_signed(
        &self,
        expected: Address,
        statement: &Statement,
        signature: &[u8],
    ) -> Result<(), String> {
        let actual = recovered(&statement.digest(self.model.domain), signature)?;
        refuse(actual != expected, || format!("SignedByAnother({}, {})", at(expected), at(actual)))
    }

    fn say(&mut self, event: String) {
        self.events.push(event);
    }
}

/// The order of the curve's group.
pub const ORDER: U256 = U256::from_limbs([
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
]);

/// Half of the group's order: the highest `s`.
const S_MAX: U256 = U256::from_limbs([
    0xdfe9_2f46_681b_20a0,
    0x5d57_6e73_57a4_501d,
    0xffff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
]);

fn recovered(digest: &Digest32, signature: &[u8]) -> Result<Address, String> {
    let &[ref r_s @ .., v] = <&[u8; 65]>::try_from(signature)
        .map_err(|_length| format!("ECDSAInvalidSignatureLength({})", signature.len()))?;
    let s = U256::from_be_slice(r_s.get(32..).expect("64 bytes"));
    refuse(s > S_MAX, || format!("ECDSAInvalidSignatureS({})", id(&s.to_be_bytes())))?;
    let key = match (v, Signature::from_bytes(signature)) {
        (27 | 28, Ok(signature)) => signature.recover(digest),
        (_, Ok(_) | Err(_)) => None,
    };
    let key = key.ok_or("ECDSAInvalidSignature()")?;
    Ok(Address::from(key.hash20()))
}

/// The address of the key whose secret is `scalar`, if it is one.
#[must_use]
pub fn address_of_scalar(scalar: U256) -> Option<Address> {
    let key = SecretKey::from_bytes(&scalar.to_be_bytes())?;
    let bytes = key.public().uncompressed();
    let hash = keccak256(bytes.get(1..)?);
    Some(Address::from_slice(hash.get(12..)?))
}

fn refuse(is_refused: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if is_refused { Err(why()) } else { Ok(()) }
}

fn id(digest: &Digest32) -> String {
    format!("0x{}", hex::encode(digest))
}

fn at(address: Address) -> String {
    format!("0x{}", hex::encode(address))
}
