//! Locks and how they end.

use revm::primitives::U256;

use crate::model::DELAY_MAX;
use crate::operation::Operation;
use crate::stage::{
    Cast, Stage, TOKENS_OF_EACH, announce, cast, deposit, lock, redeem, unlock, withdraw,
};
use crate::statement::{Statement, channel_of};

/// What is locked is out of the owner's reach until the channel ends.
pub fn a_lock_covers_its_payee_and_cannot_be_withdrawn(stage: &mut Stage) {
    let Cast { owner, signer, payee, other_payee, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, 100));
    stage.accepts(owner, &lock(signer, payee, 60, 60));
    assert_eq!(stage.channel(owner, signer, payee).locked, U256::from(60));
    stage.refuses(owner, &withdraw(signer, 41), "FreeBalanceTooSmall(40, 41)");
    stage.refuses(owner, &lock(signer, other_payee, 41, 60), "FreeBalanceTooSmall(40, 41)");
    stage.accepts(owner, &withdraw(signer, 40));
    stage.accepts(payee, &redeem(&[stage.entry(60)]));
}

/// Nobody's own key takes money out for him.
pub fn owner_signer_and_vault_are_no_payees(stage: &mut Stage) {
    let Cast { owner, signer, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, 10));
    stage.accepts(owner, &deposit(owner, owner, 10));
    let (amount, delay) = (U256::from(1), 60);
    for signer in [signer.address, owner.address] {
        for payee in [owner.address, signer, stage.vault] {
            let operation = Operation::Lock { signer, payee, amount, delay };
            stage.refuses_with(owner, &operation, "PayeeNotAllowed");
        }
    }
    // The signer holds a voucher for itself, but no channel for it can exist.
    let entry = stage.entry_of(owner, signer, signer, 10);
    assert!(stage.accepts(signer, &redeem(&[entry])).is_empty(), "it pays nothing");
}

/// The payee counted on it. Once nothing is locked, nobody counts on it.
pub fn a_delay_never_shrinks_while_anything_is_locked(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, 100));
    stage.accepts(owner, &lock(signer, payee, 10, 60));
    stage.refuses(owner, &lock(signer, payee, 10, 59), "DelayTooShort(59, 60)");
    stage.accepts(owner, &lock(signer, payee, 10, 60));
    stage.accepts(owner, &lock(signer, payee, 10, 61));
    stage.refuses(owner, &lock(signer, payee, 10, 60), "DelayTooShort(60, 61)");
    stage.accepts(payee, &redeem(&[stage.entry(29)]));
    stage.refuses(owner, &lock(signer, payee, 10, 60), "DelayTooShort(60, 61)");
    stage.accepts(payee, &redeem(&[stage.entry(30)]));
    stage.accepts(owner, &lock(signer, payee, 10, 5));
    assert_eq!(stage.channel(owner, signer, payee).delay, 5);
}

/// A slip of the finger does not lock money up for good.
pub fn a_delay_of_more_than_a_year_is_refused(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, 100));
    for delay in [DELAY_MAX + 1, u64::MAX] {
        stage.refuses_with(owner, &lock(signer, payee, 10, delay), "DelayTooLong");
    }
    stage.accepts(owner, &lock(signer, payee, 10, DELAY_MAX));
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(DELAY_MAX);
    stage.accepts(owner, &unlock(owner, signer, payee));
}

/// Whoever locks more means to go on.
pub fn a_new_lock_takes_back_the_announced_unlock(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, 100));
    stage.accepts(owner, &lock(signer, payee, 10, 60));
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(60);
    stage.accepts(owner, &lock(signer, payee, 1, 60));
    stage.refuses_with(owner, &unlock(owner, signer, payee), "UnlockNotAnnounced");
    stage.accepts(owner, &announce(signer, payee));
    stage.refuses_with(owner, &unlock(owner, signer, payee), "UnlockTooEarly");
}

/// One second too early is refused; then it needs nobody's goodwill.
pub fn an_unlock_waits_for_its_time_and_then_anyone_sends_it(stage: &mut Stage) {
    let Cast { owner, signer, payee, stranger, .. } = cast();
    stage.open(100);
    stage.accepts(payee, &redeem(&[stage.entry(30)]));
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(59);
    for party in [owner, stranger, payee] {
        stage.refuses_with(party, &unlock(owner, signer, payee), "UnlockTooEarly");
    }
    stage.world.wait(1);
    stage.accepts(stranger, &unlock(owner, signer, payee));
    assert_eq!(stage.free(owner, signer), 70);
    let channel = stage.channel(owner, signer, payee);
    assert_eq!((channel.redeemed, channel.round), (U256::from(30), 1));
    assert_eq!((channel.delay, channel.unlock_at), (0, 0));
    stage.refuses_with(stranger, &unlock(owner, signer, payee), "NothingLocked");
}

/// Nothing to end, nothing announced, or announced already.
pub fn an_unlock_needs_an_announcement_and_money(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.refuses_with(owner, &announce(signer, payee), "NothingLocked");
    stage.refuses_with(owner, &unlock(owner, signer, payee), "NothingLocked");
    stage.open(100);
    stage.refuses_with(owner, &unlock(owner, signer, payee), "UnlockNotAnnounced");
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(30);
    stage.refuses_with(owner, &announce(signer, payee), "UnlockAlreadyAnnounced");
    stage.accepts(payee, &redeem(&[stage.entry(100)]));
    stage.world.wait(30);
    stage.refuses_with(owner, &unlock(owner, signer, payee), "NothingLocked");
}

/// A signer's stolen key cannot begin it, nor anyone else's.
pub fn only_the_owner_announces_an_unlock(stage: &mut Stage) {
    let Cast { owner, signer, payee, stranger, .. } = cast();
    stage.open(100);
    for party in [signer, payee, stranger] {
        stage.refuses_with(party, &announce(signer, payee), "NothingLocked");
    }
    assert_eq!(stage.channel(owner, signer, payee).unlock_at, 0);
}

/// So that what was redeemed and what is locked always add up in their types.
pub fn locks_beyond_128_bits_are_refused(stage: &mut Stage) {
    let Cast { owner, other_owner, signer, payee, .. } = cast();
    stage.accepts(owner, &deposit(owner, signer, TOKENS_OF_EACH));
    stage.accepts(other_owner, &deposit(owner, signer, TOKENS_OF_EACH));
    let amount = U256::from(u128::MAX) + U256::from(1);
    let (signer_address, payee_address) = (signer.address, payee.address);
    let operation =
        Operation::Lock { signer: signer_address, payee: payee_address, amount, delay: 60 };
    stage.refuses_with(owner, &operation, "LockTooLarge");
    stage.accepts(owner, &lock(signer, payee, u128::MAX - 5, 60));
    stage.refuses_with(owner, &lock(signer, payee, 6, 60), "LockTooLarge");
    stage.accepts(payee, &redeem(&[stage.entry(u128::MAX - 7)]));
    stage.refuses_with(owner, &lock(signer, payee, 6, 60), "LockTooLarge");
    stage.accepts(owner, &lock(signer, payee, 5, 60));
    let mut entry = stage.entry(u128::MAX);
    stage.accepts(payee, &redeem(&[entry.clone()]));
    assert_eq!(stage.channel(owner, signer, payee).redeemed, U256::from(u128::MAX));
    stage.refuses_with(owner, &lock(signer, payee, 1, 60), "LockTooLarge");
    entry.cumulative = U256::MAX;
    stage.refuses_with(payee, &redeem(&[entry]), "SignedByAnother");
}

fn close(stage: &Stage, cumulative: u128, round: u64) -> Operation {
    Operation::Close { entry: stage.entry(cumulative), release: stage.release(round, cumulative) }
}

/// The payee gets what is due, the account the rest, without any delay.
pub fn both_signatures_close_at_once(stage: &mut Stage) {
    let Cast { owner, signer, payee, stranger, .. } = cast();
    stage.open(100);
    stage.accepts(payee, &redeem(&[stage.entry(10)]));
    let before = stage.tokens(payee.address);
    stage.accepts(stranger, &close(stage, 40, 1));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(30));
    assert_eq!(stage.free(owner, signer), 60);
    let channel = stage.channel(owner, signer, payee);
    assert_eq!((channel.locked, channel.round), (U256::ZERO, 1));
    // Less than was redeemed: all the rest goes back.
    stage.accepts(owner, &lock(signer, payee, 60, 60));
    stage.accepts(owner, &close(stage, 40, 2));
    assert_eq!(stage.free(owner, signer), 60);
    // More than is locked: the payee gets all.
    stage.accepts(owner, &lock(signer, payee, 60, 60));
    stage.accepts(owner, &close(stage, 1_000, 3));
    assert_eq!((stage.free(owner, signer), stage.channel(owner, signer, payee).round), (0, 3));
}

/// An old release does not end a channel that was opened again, however it ended before: by a
/// close, an unlock, or vouchers that took all.
pub fn a_release_counts_in_its_round_only(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    for round in [0, 2] {
        stage.refuses_with(owner, &close(stage, 40, round), "SignedByAnother");
    }
    stage.accepts(owner, &close(stage, 40, 1));
    stage.accepts(owner, &lock(signer, payee, 30, 60));
    stage.refuses_with(owner, &close(stage, 40, 1), "SignedByAnother");
    stage.accepts(owner, &lock(signer, payee, 30, 60));
    assert_eq!(stage.channel(owner, signer, payee).round, 2, "more of a lock is the same round");
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(60);
    stage.accepts(owner, &unlock(owner, signer, payee));
    stage.accepts(owner, &lock(signer, payee, 10, 60));
    stage.accepts(payee, &redeem(&[stage.entry(50)]));
    stage.accepts(owner, &lock(signer, payee, 10, 60));
    for round in [1, 2, 3] {
        stage.refuses_with(owner, &close(stage, 50, round), "SignedByAnother");
    }
    stage.accepts(owner, &close(stage, 50, 4));
}

/// Either side's signature for something else, or by somebody else, closes nothing.
pub fn a_close_needs_exactly_what_both_signed(stage: &mut Stage) {
    let Cast { owner, signer, payee, other_payee, stranger, .. } = cast();
    stage.open(100);
    let channel = channel_of(owner.address, signer.address, payee.address);
    let cumulative = U256::from(40);
    let statement = Statement::Release { channel, round: 1, cumulative };
    let releases = [
        stage.release(1, 41),
        statement.signed(signer, stage.domain()),
        statement.signed(other_payee, stage.domain()),
        statement.signed(stranger, stage.domain()),
        stage.entry(40).voucher,
    ];
    for release in releases {
        let operation = Operation::Close { entry: stage.entry(40), release };
        stage.refuses_with(stranger, &operation, "SignedByAnother");
    }
    for (voucher, why) in [
        (stage.entry(41).voucher, "SignedByAnother"),
        (stage.release(1, 40), "SignedByAnother"),
        (Vec::new(), "ECDSAInvalidSignatureLength"),
    ] {
        let mut entry = stage.entry(40);
        entry.voucher = voucher;
        let operation = Operation::Close { entry, release: stage.release(1, 40) };
        stage.refuses_with(payee, &operation, why);
    }
    assert_eq!(stage.channel(owner, signer, payee).locked, U256::from(100));
}

/// There is nothing to end, and the round stays.
pub fn an_empty_channel_is_not_closed(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.refuses_with(owner, &close(stage, 0, 0), "NothingLocked");
    stage.open(10);
    stage.accepts(payee, &redeem(&[stage.entry(10)]));
    stage.refuses_with(owner, &close(stage, 10, 1), "NothingLocked");
    assert_eq!(stage.channel(owner, signer, payee).round, 1);
}
