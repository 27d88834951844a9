//! The side of a channel that is paid.
//!
//! Invariant: the best voucher claims no more than the cover of the newest view that was taken over,
//! and whatever an earlier one promised is in it: paid, pending, or expired. So the best one is worth
//! at least as much as any other, and only it is kept.
//!
//! Drive it: [`Payee::on_view`] with what the chain says, [`Payee::on_voucher`] with what the payer
//! sends, then [`Payee::poll_output`] until it is silent. A voucher counts after
//! [`Payee::on_stored`]. [`Payee::claim_due`] tells what must be claimed on chain, and when to ask
//! again.

use std::collections::{BTreeMap, VecDeque};

use keys::secp256k1::{PublicKey, SecretKey};

use super::payer::lock_of;
use super::{View, ViewError};
use crate::address::Address;
use crate::amount::Amount;
use crate::parties::{ChannelId, Parties};
use crate::typed_data::Separator;
use crate::voucher::{ChainTime, Condition, Forged, Received, Release, Verified, Voucher};

/// What a payee asks of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayeeTerms {
    /// The shortest delay of an unlock that leaves time to claim.
    pub delay_s_min: u64,
    /// How long before it is too late a claim is sent: a transaction may need several attempts.
    pub margin_s: u64,
}

/// Where a channel stands, for its payee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayeeState {
    /// Nothing is locked: not yet, or no more.
    Settled,
    /// Vouchers count.
    Open,
    /// The payer announced that he takes back the rest. Nothing new counts.
    Closing {
        /// When a claim must have been sent.
        claim_before: ChainTime,
    },
    /// We agreed to end the channel at once. Nothing new counts.
    Released {
        /// What we get in all.
        cumulative: Amount,
    },
}

/// Why a voucher does not count. A refused one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherRefusal {
    /// It is of another channel.
    #[error("the voucher is of channel {got}, not of {expected}")]
    OtherChannel {
        /// This channel.
        expected: ChannelId,
        /// The voucher's.
        got: ChannelId,
    },
    /// The signer has not signed it.
    #[error(transparent)]
    Forged(#[from] Forged),
    /// The voucher before is not stored yet.
    #[error("the voucher for {cumulative} is still being stored")]
    Storing {
        /// Its cumulative amount.
        cumulative: Amount,
    },
    /// Nothing is locked for us.
    #[error("nothing is locked for {payee}")]
    NothingLocked {
        /// The payee.
        payee: Address,
    },
    /// The payer is taking his money back.
    #[error("the payer announced to unlock; claims are sent before {}", claim_before.0)]
    Closing {
        /// When claims must have been sent.
        claim_before: ChainTime,
    },
    /// The channel is about to end by agreement.
    #[error("the channel is released at {cumulative}")]
    Released {
        /// What we get in all.
        cumulative: Amount,
    },
    /// The delay leaves no time to claim.
    #[error("an unlock takes {delay_s} s, at least {delay_s_min} s are needed")]
    ShortDelay {
        /// The delay of the channel.
        delay_s: u64,
        /// What we ask for.
        delay_s_min: u64,
    },
    /// It is not worth more than what we have.
    #[error("the voucher is for {offered}, and {counted} count already")]
    NotNewer {
        /// Its cumulative amount.
        offered: Amount,
        /// What counts or was redeemed.
        counted: Amount,
    },
    /// It claims more than the chain pays.
    #[error("the voucher claims {claim_max}, but only {cover} are locked or redeemed")]
    Overdrawn {
        /// What it claims, conditions included.
        claim_max: Amount,
        /// The highest claim that is paid.
        cover: Amount,
    },
    /// Conditions have gone without being paid.
    #[error("conditions for {gone} have gone, and only {paid} were paid for them")]
    ConditionsGone {
        /// What they promised.
        gone: Amount,
        /// By how much the unconditional amount has grown.
        paid: Amount,
    },
    /// A condition says something else than before.
    #[error("the condition {lock} has changed")]
    ConditionChanged {
        /// Its lock.
        lock: Address,
    },
    /// A new condition leaves no time to show its scalar.
    #[error("the condition {lock} expires at {}, {} is the first that is safe", expiry.0, earliest.0)]
    ExpiresEarly {
        /// Its lock.
        lock: Address,
        /// Its last moment.
        expiry: ChainTime,
        /// The first that we take.
        earliest: ChainTime,
    },
    /// A new condition outlives an unlock that would be announced now, and would not be covered.
    #[error("the condition {lock} expires at {}, {} is the last that is safe", expiry.0, latest.0)]
    ExpiresLate {
        /// Its lock.
        lock: Address,
        /// Its last moment.
        expiry: ChainTime,
        /// The last that we take.
        latest: ChainTime,
    },
}

/// Why no release was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseRefusal {
    /// A condition may still be claimed.
    #[error("the condition {lock} is pending until {}", expiry.0)]
    Pending {
        /// Its lock.
        lock: Address,
        /// Its last moment.
        expiry: ChainTime,
    },
    /// A voucher is being stored.
    #[error("the voucher for {cumulative} is still being stored")]
    Storing {
        /// Its cumulative amount.
        cumulative: Amount,
    },
    /// Nothing is locked.
    #[error("nothing is locked for {payee}")]
    NothingLocked {
        /// The payee.
        payee: Address,
    },
    /// The key is not the payee's.
    #[error("the key is that of {given}, but the payee is {payee}")]
    WrongKey {
        /// The payee.
        payee: Address,
        /// Whose key it is.
        given: Address,
    },
}

/// What a payee keeps of a channel. Storing it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayeeRecord {
    /// The best voucher.
    Voucher(Verified<Voucher>),
    /// Our consent to end the channel.
    Release(Verified<Release>),
    /// What opens a condition.
    Scalar([u8; 32]),
}

/// What the payee wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayeeOutput {
    /// Store it durably, then call [`Payee::on_stored`].
    Store(PayeeRecord),
    /// A voucher is durable: so much more is ours.
    Credited {
        /// By how much the unconditional amount has grown.
        amount: Amount,
        /// How far it has grown.
        cumulative: Amount,
    },
    /// Send it to the payer. It is durable.
    SendRelease(Verified<Release>),
    /// Show it to the payer, who owes a voucher for it. It is durable.
    SendScalar([u8; 32]),
}

/// What to claim on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// By this.
    pub voucher: Verified<Voucher>,
    /// A scalar for each of its conditions, zero where there is none to show.
    pub scalars: Vec<[u8; 32]>,
    /// What it brings.
    pub worth: Amount,
    /// When it must have been sent, if there is a hurry.
    pub before: Option<ChainTime>,
}

/// The payee's side of one channel.
#[derive(Debug)]
pub struct Payee {
    parties: Parties,
    channel: ChannelId,
    domain: Separator,
    terms: PayeeTerms,
    /// Of the signer, once a voucher has told it.
    key: Option<PublicKey>,
    view: View,
    best: Option<Verified<Voucher>>,
    release: Option<Release>,
    /// Scalars by the lock that they open, of conditions of the best voucher.
    scalars: BTreeMap<Address, [u8; 32]>,
    /// What is being stored, oldest first.
    storing: VecDeque<PayeeRecord>,
    outputs: VecDeque<PayeeOutput>,
}

impl Payee {
    /// The channel between `parties`, of which nothing is known yet.
    pub fn new(parties: Parties, domain: Separator, terms: PayeeTerms) -> Self {
        Self {
            parties,
            channel: parties.channel(),
            domain,
            terms,
            key: None,
            view: View::default(),
            best: None,
            release: None,
            scalars: BTreeMap::new(),
            storing: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// What was stored before the program started.
    pub fn restore(&mut self, record: PayeeRecord) {
        match record {
            PayeeRecord::Voucher(voucher) => {
                assert!(voucher.statement().channel() == self.channel, "a record of this channel");
                self.best = Some(voucher);
            }
            PayeeRecord::Release(release) => self.release = Some(*release.statement()),
            PayeeRecord::Scalar(scalar) => {
                self.scalars.extend(lock_of(&scalar).map(|lock| (lock, scalar)));
            }
        }
    }

    /// Where the channel stands.
    pub fn state(&self) -> PayeeState {
        let View { locked, unlock_at, round, .. } = self.view;
        let release = self.release.filter(|release| release.round == round);
        match (release, unlock_at) {
            _ if locked.is_zero() => PayeeState::Settled,
            (Some(Release { cumulative, .. }), _) => PayeeState::Released { cumulative },
            (None, Some(unlock_at)) => {
                PayeeState::Closing { claim_before: unlock_at.before_s(self.terms.margin_s) }
            }
            (None, None) => PayeeState::Open,
        }
    }

    /// What counts without conditions: vouchered or redeemed.
    pub fn counted(&self) -> Amount {
        let best = self.best.as_ref().map(|best| best.statement().cumulative());
        best.unwrap_or(Amount::ZERO).max(self.view.redeemed)
    }

    /// What counts, is covered and has not been paid out.
    pub fn owed(&self) -> Amount {
        self.counted().min(self.view.cover()).saturating_minus(self.view.redeemed)
    }

    /// The best voucher.
    pub fn best(&self) -> Option<&Verified<Voucher>> {
        self.best.as_ref()
    }

    /// The chain says so, as of a solid block.
    pub fn on_view(&mut self, view: View) -> Result<(), ViewError> {
        view.follows(&self.view)?;
        self.view = view;
        Ok(())
    }

    /// The payer sends a voucher. `now` is the time of the newest block or of our clock, whichever
    /// is later.
    pub fn on_voucher(
        &mut self,
        voucher: Received<Voucher>,
        now: ChainTime,
    ) -> Result<(), VoucherRefusal> {
        if let Some(cumulative) = self.storing_voucher() {
            return Err(VoucherRefusal::Storing { cumulative });
        }
        self.judge(&voucher.statement, now)?;
        // Last, because it costs most.
        let voucher = match &self.key {
            Some(key) => voucher.verify(&self.domain, key)?,
            None => {
                let (voucher, key) = voucher.recover(&self.domain, self.parties.signer)?;
                self.key = Some(key);
                voucher
            }
        };
        self.store(PayeeRecord::Voucher(voucher));
        Ok(())
    }

    /// Somebody told a scalar. False: it opens none of our conditions, or is known.
    pub fn on_scalar(&mut self, scalar: [u8; 32]) -> bool {
        let Some(lock) = lock_of(&scalar) else { return false };
        let pending = self.best.as_ref().map_or(&[][..], |best| best.statement().conditions());
        let is_ours = pending.iter().any(|condition| condition.lock == lock);
        if is_ours && self.scalars.insert(lock, scalar).is_none() {
            self.store(PayeeRecord::Scalar(scalar));
            return true;
        }
        false
    }

    /// Agrees that the payer ends the channel at once, at what counts now.
    pub fn release(&mut self, key: &SecretKey, now: ChainTime) -> Result<(), ReleaseRefusal> {
        let payee = self.parties.payee;
        let given = Address::of_key(&key.public());
        if given != payee {
            return Err(ReleaseRefusal::WrongKey { payee, given });
        }
        if let Some(cumulative) = self.storing_voucher() {
            return Err(ReleaseRefusal::Storing { cumulative });
        }
        if self.view.locked.is_zero() {
            return Err(ReleaseRefusal::NothingLocked { payee });
        }
        if let Some(&Condition { lock, expiry, .. }) = self.pending(now).next() {
            return Err(ReleaseRefusal::Pending { lock, expiry });
        }
        let (round, cumulative) = (self.view.round, self.counted());
        let release = Release { channel: self.channel, round, cumulative };
        self.release = Some(release);
        self.store(PayeeRecord::Release(Verified::sign(release, &self.domain, key)));
        Ok(())
    }

    /// The oldest thing that was to be stored is durable.
    pub fn on_stored(&mut self) {
        let Some(record) = self.storing.pop_front() else { return };
        let output = match record {
            PayeeRecord::Voucher(voucher) => {
                let before = self.counted();
                let cumulative = voucher.statement().cumulative();
                let locks = voucher.statement().conditions();
                self.scalars.retain(|lock, _| locks.iter().any(|open| open.lock == *lock));
                self.best = Some(voucher);
                let amount = self.counted().saturating_minus(before);
                PayeeOutput::Credited { amount, cumulative }
            }
            PayeeRecord::Release(release) => PayeeOutput::SendRelease(release),
            PayeeRecord::Scalar(scalar) => PayeeOutput::SendScalar(scalar),
        };
        self.outputs.push_back(output);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<PayeeOutput> {
        self.outputs.pop_front()
    }

    /// What could be claimed now, if it is worth anything. Where the user may, not must.
    pub fn claim(&self, now: ChainTime) -> Option<Claim> {
        let best = self.best.as_ref()?;
        let conditions = best.statement().conditions();
        let mut claim = best.statement().cumulative();
        let mut before = None;
        let mut scalars = vec![[0; 32]; conditions.len()];
        for (condition, shown) in conditions.iter().zip(&mut scalars) {
            let scalar = self.scalars.get(&condition.lock).filter(|_| now <= condition.expiry);
            let Some(scalar) = scalar else { continue };
            *shown = *scalar;
            claim = claim.plus(condition.amount).expect("a voucher's claim fits an amount");
            let last = condition.expiry.before_s(self.terms.margin_s);
            before = Some(before.map_or(last, |before: ChainTime| before.min(last)));
        }
        if let PayeeState::Closing { claim_before } = self.state() {
            before = Some(before.map_or(claim_before, |before| before.min(claim_before)));
        }
        let worth = claim.min(self.view.cover()).saturating_minus(self.view.redeemed);
        (!worth.is_zero()).then(|| Claim { voucher: best.clone(), scalars, worth, before })
    }

    /// What must be claimed now, or when to ask again. Neither: nothing is in danger.
    ///
    /// An announced unlock is answered at once: nothing is gained by waiting, and the chain may be
    /// busy later. A condition is claimed when the payer has not resolved it a margin before its expiry.
    pub fn claim_due(&self, now: ChainTime) -> (Option<Claim>, Option<ChainTime>) {
        let Some(claim) = self.claim(now) else { return (None, None) };
        match (self.state(), claim.before) {
            (PayeeState::Closing { .. }, _) => (Some(claim), None),
            (_, Some(before)) if before <= now => (Some(claim), None),
            (_, before) => (None, before),
        }
    }

    /// The signature of `voucher` as the contract takes it.
    pub fn redeemable(&self, voucher: &Verified<Voucher>) -> [u8; 65] {
        voucher.redeemable(&self.domain, self.parties.signer)
    }

    fn pending(&self, now: ChainTime) -> impl Iterator<Item = &Condition> {
        let conditions = self.best.as_ref().map_or(&[][..], |best| best.statement().conditions());
        conditions.iter().filter(move |condition| now <= condition.expiry)
    }

    fn judge(&self, voucher: &Voucher, now: ChainTime) -> Result<(), VoucherRefusal> {
        let (expected, got) = (self.channel, voucher.channel());
        if expected != got {
            return Err(VoucherRefusal::OtherChannel { expected, got });
        }
        let payee = self.parties.payee;
        match self.state() {
            PayeeState::Settled => return Err(VoucherRefusal::NothingLocked { payee }),
            PayeeState::Closing { claim_before } => {
                return Err(VoucherRefusal::Closing { claim_before });
            }
            PayeeState::Released { cumulative } => {
                return Err(VoucherRefusal::Released { cumulative });
            }
            PayeeState::Open => {}
        }
        let (delay_s, delay_s_min) = (self.view.delay_s, self.terms.delay_s_min);
        if delay_s < delay_s_min {
            return Err(VoucherRefusal::ShortDelay { delay_s, delay_s_min });
        }
        let (claim_max, cover) = (voucher.claim_max(), self.view.cover());
        if claim_max > cover {
            return Err(VoucherRefusal::Overdrawn { claim_max, cover });
        }
        self.judge_progress(voucher, now)
    }

    /// It must be worth at least what we have, and more than that in one way or another.
    fn judge_progress(&self, voucher: &Voucher, now: ChainTime) -> Result<(), VoucherRefusal> {
        let offered = voucher.cumulative();
        let best = self.best.as_ref().map(Verified::statement);
        let before = best.map_or(Amount::ZERO, Voucher::cumulative);
        let old = best.map_or(&[][..], Voucher::conditions);
        let not_newer = VoucherRefusal::NotNewer { offered, counted: self.counted() };
        if offered < before {
            return Err(not_newer);
        }
        let mut gone = Amount::ZERO;
        for was in self.pending(now) {
            match voucher.conditions().iter().find(|is| is.lock == was.lock) {
                Some(is) if is == was => {}
                Some(_) => return Err(VoucherRefusal::ConditionChanged { lock: was.lock }),
                None => gone = gone.plus(was.amount).expect("a voucher's claim fits an amount"),
            }
        }
        let paid = offered.saturating_minus(before);
        if gone > paid {
            return Err(VoucherRefusal::ConditionsGone { gone, paid });
        }
        let mut is_newer = offered > self.counted();
        let earliest = now.after_s(self.terms.margin_s.saturating_mul(2));
        let latest = now.after_s(self.view.delay_s).before_s(self.terms.margin_s);
        for &Condition { lock, expiry, .. } in
            voucher.conditions().iter().filter(|is| !old.contains(is))
        {
            if expiry < earliest {
                return Err(VoucherRefusal::ExpiresEarly { lock, expiry, earliest });
            }
            if expiry > latest {
                return Err(VoucherRefusal::ExpiresLate { lock, expiry, latest });
            }
            is_newer = true;
        }
        if is_newer { Ok(()) } else { Err(not_newer) }
    }

    fn storing_voucher(&self) -> Option<Amount> {
        self.storing.iter().find_map(|record| match record {
            PayeeRecord::Voucher(voucher) => Some(voucher.statement().cumulative()),
            PayeeRecord::Release(_) | PayeeRecord::Scalar(_) => None,
        })
    }

    fn store(&mut self, record: PayeeRecord) {
        self.outputs.push_back(PayeeOutput::Store(record.clone()));
        self.storing.push_back(record);
    }
}
