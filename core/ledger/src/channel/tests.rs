mod world;

use keys::secp256k1::SecretKey;

use super::*;
use crate::address::Address;
use crate::parties::Parties;
use crate::typed_data::{Domain, Separator};
use crate::voucher::{Condition, Received, Release, Verified, Voucher};

const TERMS: PayeeTerms = PayeeTerms { delay_s_min: 100, margin_s: 10 };
const NOW: ChainTime = ChainTime(1_000);

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn address(byte: u8) -> Address {
    Address::of_key(&key(byte).public())
}

/// Owner 1, signer 2, payee 3.
fn parties() -> Parties {
    Parties { owner: address(1), signer: address(2), payee: address(3) }
}

fn domain() -> Separator {
    Domain { name: "Shoal Vault", version: "1", chain_id: 1, contract: address(9) }.separator()
}

fn units(units: u128) -> Amount {
    Amount::new(units)
}

fn open(locked: u128) -> View {
    View { locked: units(locked), delay_s: 200, at: NOW, ..View::default() }
}

fn closing(locked: u128) -> View {
    View { unlock_at: Some(ChainTime(1_200)), ..open(locked) }
}

/// An amount that scalar `[byte; 32]` opens.
fn condition(amount: u128, byte: u8, expiry: u64) -> Condition {
    Condition { amount: units(amount), lock: address(byte), expiry: ChainTime(expiry) }
}

fn voucher(cumulative: u128, conditions: &[Condition]) -> Received<Voucher> {
    let channel = parties().channel();
    let voucher = Voucher::conditional(channel, units(cumulative), conditions.to_vec()).unwrap();
    Verified::sign(voucher, &domain(), &key(2)).to_received()
}

fn payer(view: View) -> Payer {
    let mut payer = Payer::new(parties(), domain(), units(1_000), None);
    payer.on_view(view).unwrap();
    payer
}

fn payee(view: View) -> Payee {
    let mut payee = Payee::new(parties(), domain(), TERMS);
    payee.on_view(view).unwrap();
    payee
}

fn stored(payer: &mut Payer) -> Verified<Voucher> {
    assert!(matches!(payer.poll_output(), Some(PayerOutput::Store(_))));
    assert_eq!(payer.poll_output(), None, "nothing is sent before it is stored");
    payer.on_stored();
    match payer.poll_output() {
        Some(PayerOutput::Send(voucher)) => voucher,
        other => panic!("{other:?} instead of a voucher"),
    }
}

fn take(payee: &mut Payee, voucher: Received<Voucher>) -> Result<Amount, VoucherRefusal> {
    let counted = payee.counted();
    payee.on_voucher(voucher, NOW)?;
    assert_eq!(payee.counted(), counted, "nothing counts before it is stored");
    assert!(matches!(payee.poll_output(), Some(PayeeOutput::Store(PayeeRecord::Voucher(_)))));
    payee.on_stored();
    match payee.poll_output() {
        Some(PayeeOutput::Credited { amount, .. }) => Ok(amount),
        other => panic!("{other:?} instead of a credit"),
    }
}

/// A payer in each of its states, with 100 locked.
fn payers() -> [(&'static str, Payer); 4] {
    let mut released = payer(open(100));
    released.on_release(&release(0, 0)).unwrap();
    [
        ("settled", payer(open(0))),
        ("open", payer(open(100))),
        ("closing", payer(closing(100))),
        ("released", released),
    ]
}

fn release(round: u64, cumulative: u128) -> Verified<Release> {
    let release = Release { channel: parties().channel(), round, cumulative: units(cumulative) };
    Verified::sign(release, &domain(), &key(3))
}

#[test]
fn a_payer_promises_only_in_an_open_channel() {
    let unlock_at = ChainTime(1_200);
    let refusals = [
        Err(PayRefusal::NothingLocked { payee: address(3) }),
        Ok(()),
        Err(PayRefusal::Closing { unlock_at }),
        Err(PayRefusal::Released { cumulative: units(0) }),
    ];
    for ((state, mut payer), expected) in payers().into_iter().zip(refusals) {
        assert_eq!(payer.pay(units(5), &key(2)), expected, "pay, {state}");
        assert_eq!(payer.poll_output().is_some(), expected.is_ok(), "pay, {state}");
    }
    for ((state, mut payer), expected) in payers().into_iter().zip(refusals) {
        let promised = payer.promise(condition(5, 40, 1_100), &key(2));
        assert_eq!(promised, expected, "promise, {state}");
    }
}

#[test]
fn a_payer_moves_between_all_states_by_what_the_chain_says() {
    let unlock_at = ChainTime(1_200);
    let ended = open(0);
    let relocked = View { round: 1, ..open(50) };
    let after = [
        // After: nothing locked, open, closing, ended, ended and locked again.
        ("settled", ["Settled", "Open", "Closing", "Settled", "Open"]),
        ("open", ["Settled", "Open", "Closing", "Settled", "Open"]),
        ("closing", ["Settled", "Open", "Closing", "Settled", "Open"]),
        ("released", ["Settled", "Released", "Released", "Settled", "Open"]),
    ];
    for (index, (state, expected)) in after.into_iter().enumerate() {
        let views = [open(0), open(100), closing(100), ended, relocked];
        for (view, expected) in views.into_iter().zip(expected) {
            let (name, mut payer) = payers().into_iter().nth(index).unwrap();
            assert_eq!(name, state);
            payer.on_view(view).unwrap();
            let expected = match expected {
                "Settled" => PayerState::Settled,
                "Open" => PayerState::Open,
                "Closing" => PayerState::Closing { unlock_at },
                _ => PayerState::Released { cumulative: units(0) },
            };
            assert_eq!(payer.state(), expected, "{state}, {view:?}");
        }
    }
}

#[test]
fn a_payer_never_signs_above_the_lock_or_the_cap_conditions_included() {
    let mut payer = payer(open(100));
    payer.set_cap(units(90));
    payer.pay(units(40), &key(2)).unwrap();
    stored(&mut payer);
    payer.promise(condition(30, 40, 1_100), &key(2)).unwrap();
    stored(&mut payer);
    let (asked, promised) = (units(21), units(70));
    let cap = units(90);
    assert_eq!(payer.pay(asked, &key(2)), Err(PayRefusal::AboveCap { asked, promised, cap }));
    payer.set_cap(units(1_000));
    let (asked, cover) = (units(31), units(100));
    let refusal = Err(PayRefusal::NotCovered { asked, promised, cover });
    assert_eq!(payer.pay(asked, &key(2)), refusal);
    assert_eq!(payer.promise(condition(31, 41, 1_100), &key(2)), refusal);
    assert_eq!(payer.poll_output(), None);
    payer.pay(units(30), &key(2)).unwrap();
    assert_eq!(stored(&mut payer).statement().claim_max(), units(100));
}

#[test]
fn a_payer_signs_nothing_while_a_voucher_is_being_stored_or_with_another_key() {
    let mut payer = payer(open(100));
    let (expected, given) = (address(2), address(7));
    let refusal = Err(PayRefusal::WrongKey { expected, given });
    assert_eq!(payer.pay(units(1), &key(7)), refusal);
    payer.pay(units(1), &key(2)).unwrap();
    let refusal = Err(PayRefusal::Storing { cumulative: units(1) });
    assert_eq!(payer.pay(units(1), &key(2)), refusal);
    assert_eq!(payer.on_release(&release(0, 1)), refusal);
}

#[test]
fn only_the_right_scalar_resolves_a_condition_and_only_once() {
    let mut payer = payer(open(100));
    payer.promise(condition(30, 40, 1_100), &key(2)).unwrap();
    stored(&mut payer);
    let wrong = Err(PayRefusal::WrongScalar { lock: address(41) });
    assert_eq!(payer.resolve(&[41; 32], &key(2)), wrong);
    assert_eq!(payer.resolve(&[0; 32], &key(2)), Err(PayRefusal::NoScalar));
    payer.resolve(&[40; 32], &key(2)).unwrap();
    let voucher = stored(&mut payer);
    assert_eq!(voucher.statement().cumulative(), units(30));
    assert_eq!(voucher.statement().conditions(), []);
    let again = Err(PayRefusal::WrongScalar { lock: address(40) });
    assert_eq!(payer.resolve(&[40; 32], &key(2)), again);
}

#[test]
fn a_condition_is_void_one_second_after_its_expiry_and_not_before() {
    let mut payer = payer(open(100));
    payer.promise(condition(30, 40, 1_100), &key(2)).unwrap();
    stored(&mut payer);
    payer.on_view(View { at: ChainTime(1_100), ..open(100) }).unwrap();
    assert_eq!(payer.promised(), units(30));
    payer.on_view(View { at: ChainTime(1_101), ..open(100) }).unwrap();
    assert_eq!(payer.promised(), units(0));
    let (lock, expiry, now) = (address(41), ChainTime(1_101), ChainTime(1_101));
    assert_eq!(
        payer.promise(condition(30, 41, 1_101), &key(2)),
        Err(PayRefusal::Expired { lock, expiry, now })
    );
}

#[test]
fn a_condition_that_was_claimed_on_chain_is_not_paid_once_more() {
    let mut payer = payer(open(100));
    payer.promise(condition(5, 40, 1_100), &key(2)).unwrap();
    stored(&mut payer);
    payer.promise(condition(5, 41, 1_300), &key(2)).unwrap();
    stored(&mut payer);
    // One of them was claimed; by the amount it may be either.
    let claimed = View { redeemed: units(5), ..open(95) };
    payer.on_view(claimed).unwrap();
    let unseen = PayRefusal::ClaimedUnseen { redeemed: units(5), cumulative: units(0) };
    assert_eq!(payer.pay(units(1), &key(2)), Err(unseen));
    // The first expires, and may be what was claimed.
    payer.on_view(View { at: ChainTime(1_200), ..claimed }).unwrap();
    let (lock, expiry, now) = (address(40), ChainTime(1_100), ChainTime(1_200));
    let late = Err(PayRefusal::Expired { lock, expiry, now });
    assert_eq!(payer.resolve(&[40; 32], &key(2)), late);
    assert_eq!(payer.pay(units(1), &key(2)), Err(unseen));
    payer.resolve(&[41; 32], &key(2)).unwrap();
    stored(&mut payer);
    payer.on_view(View { at: ChainTime(1_200), ..claimed }).unwrap();
    payer.pay(units(1), &key(2)).unwrap();
    let voucher = stored(&mut payer);
    assert_eq!(voucher.statement().claim_max(), units(6));
}

#[test]
fn more_redeemed_than_signed_is_an_alarm() {
    let mut payer = payer(open(100));
    payer.pay(units(10), &key(2)).unwrap();
    let view = View { redeemed: units(11), ..open(89) };
    let alarm = ViewError::MoreThanSigned { redeemed: units(11), signed: units(10) };
    assert_eq!(payer.on_view(view), Err(alarm));
}

#[test]
fn a_view_that_goes_back_is_refused_and_changes_nothing() {
    let known = View { redeemed: units(5), round: 2, ..open(100) };
    let cases = [
        (
            View { at: ChainTime(999), ..known },
            ViewError::TimeWentBack { known: NOW, told: ChainTime(999) },
        ),
        (
            View { redeemed: units(4), ..known },
            ViewError::RedeemedWentBack { known: units(5), told: units(4) },
        ),
        (View { round: 1, ..known }, ViewError::RoundWentBack { known: 2, told: 1 }),
        (
            View { locked: Amount::MAX, ..known },
            ViewError::Overflow { locked: Amount::MAX, redeemed: units(5) },
        ),
    ];
    for (view, error) in cases {
        let mut payee = payee(known);
        assert_eq!(payee.on_view(view), Err(error));
        assert_eq!(payee.counted(), units(5));
        assert_eq!(payee.state(), PayeeState::Open);
    }
}

#[test]
fn a_payee_counts_only_in_an_open_channel_with_a_long_delay() {
    let mut released = payee(open(100));
    released.release(&key(3), NOW).unwrap();
    let short = View { delay_s: 99, ..open(100) };
    let claim_before = ChainTime(1_190);
    for (mut payee, expected) in [
        (payee(open(0)), Err(VoucherRefusal::NothingLocked { payee: address(3) })),
        (payee(open(100)), Ok(units(5))),
        (payee(closing(100)), Err(VoucherRefusal::Closing { claim_before })),
        (payee(short), Err(VoucherRefusal::ShortDelay { delay_s: 99, delay_s_min: 100 })),
    ] {
        assert_eq!(take(&mut payee, voucher(5, &[])), expected);
    }
    assert_eq!(
        released.on_voucher(voucher(5, &[]), NOW),
        Err(VoucherRefusal::Released { cumulative: units(0) })
    );
}

#[test]
fn a_payee_says_by_numbers_why_a_voucher_does_not_count() {
    let first = [condition(30, 40, 1_100)];
    let ready = || {
        let mut payee = payee(open(100));
        take(&mut payee, voucher(20, &first)).unwrap();
        payee
    };
    let (claim_max, cover) = (units(101), units(100));
    let (earliest, latest) = (ChainTime(1_020), ChainTime(1_190));
    let not_newer = |offered| VoucherRefusal::NotNewer { offered, counted: units(20) };
    let gone = |paid| VoucherRefusal::ConditionsGone { gone: units(30), paid: units(paid) };
    for (offered, expected) in [
        (voucher(71, &first), Err(VoucherRefusal::Overdrawn { claim_max, cover })),
        (voucher(70, &first), Ok(units(50))),
        (voucher(20, &first), Err(not_newer(units(20)))),
        (voucher(19, &first), Err(not_newer(units(19)))),
        (voucher(49, &[]), Err(gone(29))),
        (voucher(20, &[]), Err(gone(0))),
        (voucher(50, &[]), Ok(units(30))),
        (
            voucher(30, &[condition(31, 40, 1_100)]),
            Err(VoucherRefusal::ConditionChanged { lock: address(40) }),
        ),
        (
            voucher(20, &[first[0], condition(1, 41, 1_019)]),
            Err(VoucherRefusal::ExpiresEarly {
                lock: address(41),
                expiry: ChainTime(1_019),
                earliest,
            }),
        ),
        (
            voucher(20, &[first[0], condition(1, 41, 1_191)]),
            Err(VoucherRefusal::ExpiresLate {
                lock: address(41),
                expiry: ChainTime(1_191),
                latest,
            }),
        ),
        (voucher(20, &[first[0], condition(1, 41, 1_190)]), Ok(units(0))),
    ] {
        let mut payee = ready();
        assert_eq!(take(&mut payee, offered.clone()), expected, "{offered:?}");
    }
}

#[test]
fn forged_vouchers_and_those_of_other_channels_do_not_count() {
    let mut payee = payee(open(100));
    let other = Parties { payee: address(4), ..parties() }.channel();
    let elsewhere = Verified::sign(Voucher::plain(other, units(5)), &domain(), &key(2));
    let expected = parties().channel();
    assert_eq!(
        payee.on_voucher(elsewhere.to_received(), NOW),
        Err(VoucherRefusal::OtherChannel { expected, got: other })
    );
    let forged = Verified::sign(Voucher::plain(expected, units(5)), &domain(), &key(7));
    for _ in 0..2 {
        let refused = payee.on_voucher(forged.to_received(), NOW);
        assert!(matches!(refused, Err(VoucherRefusal::Forged(_))), "{refused:?}");
        // The second time the key is known.
        let next = payee.counted().units() + 1;
        take(&mut payee, voucher(next, &[])).unwrap();
    }
}

#[test]
fn an_announced_unlock_is_answered_by_a_claim_at_once() {
    let mut payee = payee(open(100));
    take(&mut payee, voucher(20, &[condition(30, 40, 1_100)])).unwrap();
    assert_eq!(payee.claim_due(NOW), (None, None));
    payee.on_view(closing(100)).unwrap();
    let (claim, _) = payee.claim_due(NOW);
    let claim = claim.unwrap();
    assert_eq!((claim.worth, claim.before), (units(20), Some(ChainTime(1_190))));
    assert_eq!(claim.scalars, [[0; 32]]);
    payee.on_view(View { redeemed: units(20), locked: units(80), ..closing(100) }).unwrap();
    assert_eq!(payee.claim_due(NOW), (None, None));
    assert_eq!(payee.owed(), units(0));
}

#[test]
fn a_known_scalar_is_shown_to_the_payer_and_on_chain_before_it_is_too_late() {
    let mut payee = payee(open(100));
    take(&mut payee, voucher(20, &[condition(30, 40, 1_100)])).unwrap();
    assert!(!payee.on_scalar([41; 32]), "opens nothing");
    assert!(payee.on_scalar([40; 32]));
    assert!(!payee.on_scalar([40; 32]), "known");
    assert_eq!(payee.poll_output(), Some(PayeeOutput::Store(PayeeRecord::Scalar([40; 32]))));
    assert_eq!(payee.poll_output(), None);
    payee.on_stored();
    assert_eq!(payee.poll_output(), Some(PayeeOutput::SendScalar([40; 32])));
    assert_eq!(payee.claim_due(NOW), (None, Some(ChainTime(1_090))));
    let (claim, _) = payee.claim_due(ChainTime(1_090));
    let claim = claim.unwrap();
    assert_eq!((claim.worth, claim.scalars), (units(50), vec![[40; 32]]));
    // Too late for the condition, not for the rest.
    assert_eq!(payee.claim(ChainTime(1_101)).unwrap().worth, units(20));
}

#[test]
fn a_release_waits_for_conditions_and_is_sent_after_it_is_stored() {
    let mut payee = payee(open(100));
    take(&mut payee, voucher(20, &[condition(30, 40, 1_100)])).unwrap();
    let pending = ReleaseRefusal::Pending { lock: address(40), expiry: ChainTime(1_100) };
    assert_eq!(payee.release(&key(3), NOW), Err(pending));
    let wrong = ReleaseRefusal::WrongKey { payee: address(3), given: address(2) };
    assert_eq!(payee.release(&key(2), NOW), Err(wrong));
    payee.release(&key(3), ChainTime(1_101)).unwrap();
    assert!(matches!(payee.poll_output(), Some(PayeeOutput::Store(PayeeRecord::Release(_)))));
    assert_eq!(payee.poll_output(), None);
    payee.on_stored();
    let Some(PayeeOutput::SendRelease(release)) = payee.poll_output() else { panic!("a release") };
    assert_eq!(release.statement().cumulative, units(20));
    assert_eq!(payee.state(), PayeeState::Released { cumulative: units(20) });
}

#[test]
fn after_a_restart_both_sides_go_on_from_what_was_stored() {
    let mut first = payer(open(100));
    first.pay(units(20), &key(2)).unwrap();
    let newest = stored(&mut first);
    let mut again = Payer::new(parties(), domain(), units(1_000), Some(&newest));
    again.on_view(open(100)).unwrap();
    assert_eq!(again.promised(), units(20));
    again.pay(units(1), &key(2)).unwrap();
    let next = stored(&mut again);
    assert_eq!(next.statement().cumulative(), units(21));

    let mut payee = Payee::new(parties(), domain(), TERMS);
    payee.restore(PayeeRecord::Voucher(newest));
    payee.on_view(open(100)).unwrap();
    assert_eq!(take(&mut payee, next.to_received()), Ok(units(1)));
    payee.restore(PayeeRecord::Release(release(0, 21)));
    assert_eq!(payee.state(), PayeeState::Released { cumulative: units(21) });
}

#[test]
fn a_voucher_that_slept_through_an_unlock_draws_on_the_next_lock() {
    let mut payer = payer(open(100));
    payer.pay(units(60), &key(2)).unwrap();
    stored(&mut payer);
    payer.on_view(open(0)).unwrap();
    payer.on_view(View { round: 1, ..open(70) }).unwrap();
    let (asked, promised, cover) = (units(11), units(60), units(70));
    let refusal = Err(PayRefusal::NotCovered { asked, promised, cover });
    assert_eq!(payer.pay(asked, &key(2)), refusal);
    payer.pay(units(10), &key(2)).unwrap();
}
