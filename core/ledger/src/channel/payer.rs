//! The side of a channel that signs.
//!
//! Invariant: no voucher that was ever signed claims more than `cap`, nor more than the cover at the
//! time; and whatever was signed is in the newest voucher: either paid, or pending until its expiry
//! is past in a solid block. So the newest voucher bounds what all of them can claim together.
//!
//! Drive it: [`Payer::on_view`] with what the chain says, [`Payer::pay`] and its kin, then
//! [`Payer::poll_output`] until it is silent. A voucher is sent after [`Payer::on_stored`].

use std::collections::VecDeque;

use keys::secp256k1::SecretKey;

use super::{View, ViewError};
use crate::address::Address;
use crate::amount::Amount;
use crate::parties::{ChannelId, Parties};
use crate::typed_data::Separator;
use crate::voucher::{ChainTime, Condition, Release, Verified, Voucher, VoucherError};

/// Where a channel stands, for its payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayerState {
    /// Nothing is locked: not yet, or no more.
    Settled,
    /// There may be something to pay with.
    Open,
    /// We announced that we take back the rest.
    Closing {
        /// When it may be taken back.
        unlock_at: ChainTime,
    },
    /// The payee agreed to end the channel at once; whatever is signed now, he would not count.
    Released {
        /// What he gets in all.
        cumulative: Amount,
    },
}

/// Why nothing was signed. A refused call changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayRefusal {
    /// The voucher before is not stored yet.
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
    /// The channel is about to end.
    #[error("an unlock at {} is announced", unlock_at.0)]
    Closing {
        /// When it may happen.
        unlock_at: ChainTime,
    },
    /// The channel is about to end by agreement.
    #[error("the channel is released at {cumulative}")]
    Released {
        /// What the payee gets in all.
        cumulative: Amount,
    },
    /// A payment of nothing.
    #[error("a payment of nothing")]
    Nothing,
    /// Above what the user allows.
    #[error("{asked} on top of {promised} exceed the cap of {cap}")]
    AboveCap {
        /// What should be paid.
        asked: Amount,
        /// What was promised so far, conditions included.
        promised: Amount,
        /// The most that may be promised in all.
        cap: Amount,
    },
    /// Above what is locked.
    #[error("{asked} on top of {promised} exceed the {cover} that are locked or redeemed")]
    NotCovered {
        /// What should be paid.
        asked: Amount,
        /// What was promised so far, conditions included.
        promised: Amount,
        /// The highest claim that the chain pays.
        cover: Amount,
    },
    /// The key signs for another channel.
    #[error("the key is that of {given}, but the channel's signer is {expected}")]
    WrongKey {
        /// The signer of the channel.
        expected: Address,
        /// Whose key it is.
        given: Address,
    },
    /// Conditions were claimed on chain, and we do not know which: raising the unconditional amount
    /// might pay them twice. Their scalars, or their expiry, tell.
    #[error("{redeemed} were redeemed, {cumulative} of it without conditions: scalars are missing")]
    ClaimedUnseen {
        /// What was redeemed in all.
        redeemed: Amount,
        /// What was promised without conditions.
        cumulative: Amount,
    },
    /// No condition opens by that scalar.
    #[error("the scalar is that of the lock {lock}, which no condition has")]
    WrongScalar {
        /// The lock that it opens.
        lock: Address,
    },
    /// The scalar is zero, or not below the group's order.
    #[error("the scalar is no number of the group")]
    NoScalar,
    /// A condition that is past, or would be at once.
    #[error("the condition {lock} expires at {}, and it is {} now", expiry.0, now.0)]
    Expired {
        /// The lock of the condition.
        lock: Address,
        /// Its last moment.
        expiry: ChainTime,
        /// The time of the chain.
        now: ChainTime,
    },
    /// There can be no such voucher.
    #[error(transparent)]
    Voucher(#[from] VoucherError),
    /// The release is of another channel or round, or for more than was promised.
    #[error("a release of round {round} at {cumulative} is not for this channel and round")]
    StrangeRelease {
        /// Its round.
        round: u64,
        /// Its amount.
        cumulative: Amount,
    },
}

/// What the payer wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayerOutput {
    /// Store it durably, then call [`Payer::on_stored`]. Storing it again is harmless.
    Store(Verified<Voucher>),
    /// Send it to the payee. It is durable.
    Send(Verified<Voucher>),
}

/// The payer's side of one channel.
#[derive(Debug)]
pub struct Payer {
    parties: Parties,
    channel: ChannelId,
    domain: Separator,
    cap: Amount,
    view: View,
    release: Option<Release>,
    /// What the newest voucher says, whether stored or not.
    cumulative: Amount,
    pending: Vec<Condition>,
    storing: Option<Verified<Voucher>>,
    outputs: VecDeque<PayerOutput>,
}

impl Payer {
    /// The channel between `parties`, of which we sign no more than `cap` in all. `newest` is the
    /// voucher that was stored last.
    pub fn new(
        parties: Parties,
        domain: Separator,
        cap: Amount,
        newest: Option<&Verified<Voucher>>,
    ) -> Self {
        let channel = parties.channel();
        let newest = newest.map(Verified::statement);
        let is_ours = newest.is_none_or(|newest| newest.channel() == channel);
        assert!(is_ours, "the newest voucher is one of this channel");
        Self {
            parties,
            channel,
            domain,
            cap,
            view: View::default(),
            release: None,
            cumulative: newest.map_or(Amount::ZERO, Voucher::cumulative),
            pending: newest.map_or_else(Vec::new, |newest| newest.conditions().to_vec()),
            storing: None,
            outputs: VecDeque::new(),
        }
    }

    /// Where the channel stands.
    pub fn state(&self) -> PayerState {
        let View { locked, unlock_at, round, .. } = self.view;
        let release = self.release.filter(|release| release.round == round);
        match (release, unlock_at) {
            _ if locked.is_zero() => PayerState::Settled,
            (Some(Release { cumulative, .. }), _) => PayerState::Released { cumulative },
            (None, Some(unlock_at)) => PayerState::Closing { unlock_at },
            (None, None) => PayerState::Open,
        }
    }

    /// What was promised in all without conditions.
    pub fn cumulative(&self) -> Amount {
        self.cumulative
    }

    /// The conditions that may still be claimed.
    pub fn pending(&self) -> &[Condition] {
        &self.pending
    }

    /// The highest claim of all vouchers that we have signed.
    pub fn promised(&self) -> Amount {
        let sum = self
            .pending
            .iter()
            .try_fold(self.cumulative, |sum, condition| sum.plus(condition.amount));
        let promised = sum.expect("every voucher's claim fits an amount");
        promised.max(self.view.redeemed)
    }

    /// Changes what the user allows in all. What was promised stays promised.
    pub fn set_cap(&mut self, cap: Amount) {
        self.cap = cap;
    }

    /// The chain says so, as of a solid block. Conditions whose expiry is past are void.
    pub fn on_view(&mut self, view: View) -> Result<(), ViewError> {
        view.follows(&self.view)?;
        let signed = self.promised();
        if view.redeemed > signed {
            return Err(ViewError::MoreThanSigned { redeemed: view.redeemed, signed });
        }
        self.view = view;
        let is_void = |condition: &Condition| condition.expiry < view.at;
        // While something was redeemed that we can't tell apart, any of them may be it.
        if view.redeemed <= self.cumulative || self.pending.iter().all(is_void) {
            self.pending.retain(|condition| !is_void(condition));
        }
        if self.pending.is_empty() {
            // Nothing is left that the difference could be claimed by once more.
            self.cumulative = self.cumulative.max(view.redeemed);
        }
        self.assert_invariants();
        Ok(())
    }

    /// Promises `amount` more.
    pub fn pay(&mut self, amount: Amount, key: &SecretKey) -> Result<(), PayRefusal> {
        self.ready_to_promise(amount, key)?;
        let cumulative = self.cumulative.plus(amount);
        let cumulative = cumulative.expect("it is below the cover");
        self.sign(cumulative, self.pending.clone(), key)
    }

    /// Promises an amount to whoever shows a scalar.
    pub fn promise(&mut self, condition: Condition, key: &SecretKey) -> Result<(), PayRefusal> {
        self.ready_to_promise(condition.amount, key)?;
        let Condition { lock, expiry, .. } = condition;
        if expiry <= self.view.at {
            return Err(PayRefusal::Expired { lock, expiry, now: self.view.at });
        }
        let mut pending = self.pending.clone();
        pending.push(condition);
        self.sign(self.cumulative, pending, key)
    }

    /// Turns the condition that `scalar` opens into money, as the payee could do on chain.
    pub fn resolve(&mut self, scalar: &[u8; 32], key: &SecretKey) -> Result<(), PayRefusal> {
        self.ready_to_sign(key)?;
        let lock = lock_of(scalar).ok_or(PayRefusal::NoScalar)?;
        let at = self.pending.iter().position(|condition| condition.lock == lock);
        let mut pending = self.pending.clone();
        let open = pending.remove(at.ok_or(PayRefusal::WrongScalar { lock })?);
        if open.expiry < self.view.at {
            return Err(PayRefusal::Expired { lock, expiry: open.expiry, now: self.view.at });
        }
        let cumulative = self.cumulative.plus(open.amount);
        let cumulative = cumulative.expect("the sum of all conditions fits an amount");
        self.sign(cumulative, pending, key)
    }

    /// The payee agrees to end the channel at once. From now on nothing is signed in this round.
    pub fn on_release(&mut self, release: &Verified<Release>) -> Result<(), PayRefusal> {
        let release = *release.statement();
        let Release { channel, round, cumulative } = release;
        if let Some(storing) = &self.storing {
            return Err(PayRefusal::Storing { cumulative: storing.statement().cumulative() });
        }
        let is_ours = channel == self.channel && round == self.view.round;
        if !is_ours || cumulative > self.cumulative.max(self.view.redeemed) {
            return Err(PayRefusal::StrangeRelease { round, cumulative });
        }
        self.release = Some(release);
        Ok(())
    }

    /// What was to be stored is durable.
    pub fn on_stored(&mut self) {
        if let Some(voucher) = self.storing.take() {
            self.outputs.push_back(PayerOutput::Send(voucher));
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<PayerOutput> {
        self.outputs.pop_front()
    }

    fn ready_to_promise(&self, asked: Amount, key: &SecretKey) -> Result<(), PayRefusal> {
        self.ready_to_sign(key)?;
        let payee = self.parties.payee;
        match self.state() {
            PayerState::Settled => return Err(PayRefusal::NothingLocked { payee }),
            PayerState::Closing { unlock_at } => return Err(PayRefusal::Closing { unlock_at }),
            PayerState::Released { cumulative } => return Err(PayRefusal::Released { cumulative }),
            PayerState::Open => {}
        }
        let (redeemed, cumulative) = (self.view.redeemed, self.cumulative);
        if redeemed > cumulative {
            return Err(PayRefusal::ClaimedUnseen { redeemed, cumulative });
        }
        if asked.is_zero() {
            return Err(PayRefusal::Nothing);
        }
        let (promised, cap, cover) = (self.promised(), self.cap, self.view.cover());
        let sum = promised.plus(asked);
        if !sum.is_ok_and(|sum| sum <= cap) {
            return Err(PayRefusal::AboveCap { asked, promised, cap });
        }
        if !sum.is_ok_and(|sum| sum <= cover) {
            return Err(PayRefusal::NotCovered { asked, promised, cover });
        }
        Ok(())
    }

    fn ready_to_sign(&self, key: &SecretKey) -> Result<(), PayRefusal> {
        if let Some(storing) = &self.storing {
            return Err(PayRefusal::Storing { cumulative: storing.statement().cumulative() });
        }
        let (expected, given) = (self.parties.signer, Address::of_key(&key.public()));
        if expected != given {
            return Err(PayRefusal::WrongKey { expected, given });
        }
        Ok(())
    }

    fn sign(
        &mut self,
        cumulative: Amount,
        pending: Vec<Condition>,
        key: &SecretKey,
    ) -> Result<(), PayRefusal> {
        let voucher = Voucher::conditional(self.channel, cumulative, pending.clone())?;
        let voucher = Verified::sign(voucher, &self.domain, key);
        (self.cumulative, self.pending) = (cumulative, pending);
        self.outputs.push_back(PayerOutput::Store(voucher.clone()));
        self.storing = Some(voucher);
        self.assert_invariants();
        Ok(())
    }

    fn assert_invariants(&self) {
        let promised = self.promised();
        assert!(self.cumulative <= promised, "conditions add to what is promised");
        assert!(self.view.redeemed <= promised, "nothing is redeemed that was not promised");
    }
}

/// The lock that `scalar` opens: the address of the point `scalar·G`.
pub(super) fn lock_of(scalar: &[u8; 32]) -> Option<Address> {
    SecretKey::from_bytes(scalar).map(|key| Address::of_key(&key.public()))
}
