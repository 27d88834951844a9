//! Vouchers without conditions.

use alloy_dyn_abi::DynSolValue;
use revm::primitives::{Address, U256};

use crate::model::ORDER;
use crate::operation::{Entry, list};
use crate::stage::{Cast, Stage, announce, cast, deposit, lock, redeem, unlock};
use crate::statement::{Domain, Statement, channel_of};

/// Repeated and older vouchers pay nothing; a newer one pays the difference.
pub fn a_voucher_pays_once_and_only_what_is_new(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    let before = stage.tokens(payee.address);
    for (cumulative, paid_in_all) in [(0, 0), (30, 30), (30, 30), (10, 30), (31, 31), (80, 80)] {
        stage.accepts(payee, &redeem(&[stage.entry(cumulative)]));
        assert_eq!(stage.tokens(payee.address) - before, U256::from(paid_in_all));
    }
    let channel = stage.channel(owner, signer, payee);
    assert_eq!((channel.locked, channel.redeemed), (U256::from(20), U256::from(80)));
}

/// Nothing bounces: what is there is paid, and the rest when more is locked.
pub fn a_voucher_beyond_the_lock_pays_the_lock(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    stage.accepts(owner, &deposit(owner, signer, 1_000));
    let before = stage.tokens(payee.address);
    stage.accepts(payee, &redeem(&[stage.entry(150)]));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(100));
    stage.accepts(payee, &redeem(&[stage.entry(150)]));
    stage.accepts(owner, &lock(signer, payee, 200, 60));
    stage.accepts(payee, &redeem(&[stage.entry(150)]));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(150));
    assert_eq!(stage.free(owner, signer), 800);

    let cumulative = U256::MAX;
    let channel = channel_of(owner.address, signer.address, payee.address);
    let voucher = Statement::Voucher { channel, cumulative }.signed(signer, stage.domain());
    let entry = Entry { cumulative, voucher, ..stage.entry(0) };
    stage.accepts(payee, &redeem(&[entry]));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(300));
}

/// Neighbours of one payee share a transfer: that is what makes a batch cheap.
pub fn a_batch_pays_each_payee_by_one_transfer(stage: &mut Stage) {
    let Cast { owner, other_owner, signer, other_signer, payee, other_payee, stranger, .. } =
        cast();
    let mut entries = Vec::new();
    for payee in [payee, other_payee] {
        for (owner, signer) in [(owner, signer), (other_owner, other_signer), (owner, other_signer)]
        {
            stage.accepts(owner, &deposit(owner, signer, 10));
            stage.accepts(owner, &lock(signer, payee, 10, 60));
            entries.push(stage.entry_of(owner, signer, payee, 4));
        }
    }
    let before = stage.tokens(payee.address);
    let events = stage.accepts(stranger, &redeem(&entries));
    let count = |name| events.iter().filter(|event| event.starts_with(name)).count();
    assert_eq!((count("Redeemed("), count("Transfer(")), (6, 2), "{events:?}");
    assert_eq!(stage.tokens(payee.address) - before, U256::from(12));
    assert!(stage.accepts(stranger, &redeem(&[])).is_empty());
}

/// An entry that pays nothing any more does not spoil those beside it.
pub fn a_batch_survives_duplicates_and_front_runners(stage: &mut Stage) {
    let Cast { owner, signer, payee, other_payee, stranger, .. } = cast();
    stage.open(100);
    stage.accepts(owner, &deposit(owner, signer, 50));
    stage.accepts(owner, &lock(signer, other_payee, 50, 60));
    let before = stage.tokens(payee.address);
    let other = stage.entry_of(owner, signer, other_payee, 7);
    let batch =
        [stage.entry(20), stage.entry(20), other.clone(), stage.entry(15), stage.entry(25), other];
    // Somebody saw the batch coming and sends a part of it first.
    stage.accepts(stranger, &redeem(&[stage.entry(20)]));
    let events = stage.accepts(payee, &redeem(&batch));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(25));
    assert_eq!(events.len(), 4, "two payments, each with its transfer: {events:?}");
}

/// All or nothing: what is wrong is shown before anything is paid.
pub fn one_bad_signature_refuses_the_batch(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    let bad = Entry { cumulative: U256::from(99), ..stage.entry(98) };
    stage.refuses_with(payee, &redeem(&[stage.entry(20), bad]), "SignedByAnother");
    assert_eq!(stage.channel(owner, signer, payee).redeemed, U256::ZERO);
}

/// Each function that takes columns looks at all of them.
pub fn columns_of_different_length_are_refused(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(100);
    let entries = [stage.entry(10), stage.entry(20)];
    let columns = |shorter: usize, names: &[&str]| -> Vec<DynSolValue> {
        let rows = |index| entries.get(..if index == shorter { 1 } else { 2 }).expect("two rows");
        let column = |(index, name): (usize, &&str)| match *name {
            "owner" => list(rows(index), |entry| entry.owner),
            "signer" => list(rows(index), |entry| entry.signer),
            "payee" => list(rows(index), |entry| entry.payee),
            "cumulative" => list(rows(index), |entry| entry.cumulative),
            _ => list(rows(index), |entry| entry.voucher.clone()),
        };
        names.iter().enumerate().map(column).collect()
    };
    let all = ["owner", "signer", "payee", "cumulative", "voucher"];
    let for_payee = ["owner", "signer", "cumulative", "voucher"];
    let mandate = stage.mandate(Address::ZERO, 0, u64::MAX);
    let mut calls = Vec::new();
    for shorter in 0..all.len() {
        calls.push(stage.vault_code.call("redeem", &columns(shorter, &all)));
    }
    for shorter in 0..for_payee.len() {
        let head = [
            mandate.payee.into(),
            mandate.tower.into(),
            mandate.share.into(),
            mandate.until.into(),
            mandate.signature.clone().into(),
        ];
        let arguments = [head.to_vec(), columns(shorter, &for_payee)].concat();
        calls.push(stage.vault_code.call("redeemFor", &arguments));
    }
    let entry = stage.conditional(10, &[]);
    for longer in 0..4 {
        let numbers =
            |index| DynSolValue::Array(vec![U256::from(1).into(); (index == longer).into()]);
        let addresses = DynSolValue::Array(vec![Address::ZERO.into(); (longer == 1).into()]);
        let times = DynSolValue::Array(vec![1_u64.into(); (longer == 2).into()]);
        let Entry { owner, signer, payee, cumulative, voucher } = entry.clone();
        let arguments = [
            owner.into(),
            signer.into(),
            payee.into(),
            cumulative.into(),
            numbers(0),
            addresses,
            times,
            voucher.into(),
            numbers(3),
        ];
        calls.push(stage.vault_code.call("redeemConditional", &arguments));
    }
    for call in calls {
        let outcome = stage.world.send(payee, stage.vault, call);
        assert_eq!(stage.said(&outcome), Err("LengthsDiffer()".to_owned()));
    }
}

/// Moved to another channel it is a signature by a stranger.
pub fn a_voucher_counts_in_its_channel_only(stage: &mut Stage) {
    let Cast { owner, other_owner, signer, other_signer, payee, other_payee, .. } = cast();
    stage.open(100);
    for (owner, signer, payee) in
        [(other_owner, signer, payee), (owner, other_signer, payee), (owner, signer, other_payee)]
    {
        stage.accepts(owner, &deposit(owner, signer, 100));
        stage.accepts(owner, &lock(signer, payee, 100, 60));
        let voucher = stage.entry(50).voucher;
        let moved = Entry { voucher, ..stage.entry_of(owner, signer, payee, 50) };
        stage.refuses_with(payee, &redeem(&[moved]), "SignedByAnother");
    }
}

/// The domain names both.
pub fn a_voucher_of_another_contract_or_chain_is_refused(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    let Domain { chain_id, contract } = stage.domain();
    let channel = channel_of(owner.address, signer.address, payee.address);
    let cumulative = U256::from(50);
    for domain in [
        Domain { chain_id: chain_id + 1, contract },
        Domain { chain_id: 0, contract },
        Domain { chain_id: chain_id | 1 << 32, contract },
        Domain { chain_id, contract: stage.token },
        Domain { chain_id, contract: Address::ZERO },
    ] {
        let voucher = Statement::Voucher { channel, cumulative }.signed(signer, domain);
        let entry = Entry { voucher, ..stage.entry(50) };
        stage.refuses_with(payee, &redeem(&[entry]), "SignedByAnother");
    }
}

/// The other signatures that anybody can make of a good one.
#[must_use]
pub fn other_forms(good: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (r_s, v) = good.split_at(64);
    let (r, s) = r_s.split_at(32);
    let v = v.first().copied().expect("65 bytes");
    let s_number = U256::from_be_slice(s);
    let high_s = (ORDER - s_number).to_be_bytes::<32>();
    let twin = [r, &high_s, &[55 - v]].concat();
    // The short form of EIP-2098: the parity in the top bit of s.
    let mut short = r_s.to_vec();
    short[32] |= (v - 27) << 7;
    let with_v = |v: u8| [r_s, &[v]].concat();
    vec![
        ("high s", twin, "ECDSAInvalidSignatureS"),
        ("v 0 or 1", with_v(v - 27), "ECDSAInvalidSignature"),
        ("v of EIP-155", with_v(v + 8), "ECDSAInvalidSignature"),
        ("v 29 or 30", with_v(v + 2), "ECDSAInvalidSignature"),
        ("64 bytes", r_s.to_vec(), "ECDSAInvalidSignatureLength"),
        ("short form", short, "ECDSAInvalidSignatureLength"),
        ("66 bytes", [good, &[0]].concat(), "ECDSAInvalidSignatureLength"),
        ("no bytes", Vec::new(), "ECDSAInvalidSignatureLength"),
        ("zeros", vec![0; 65], "ECDSAInvalidSignature"),
        ("r zero", [&[0; 32], s, &[v]].concat(), "ECDSAInvalidSignature"),
        ("s zero", [r, &[0; 32], &[v]].concat(), "ECDSAInvalidSignature"),
        ("r beyond the order", [&[0xff; 32], s, &[v]].concat(), "ECDSAInvalidSignature"),
    ]
}

/// One signature has one form, so that whoever compares bytes is not fooled.
pub fn other_forms_of_a_signature_are_refused(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(100);
    let good = stage.entry(50);
    for (what, voucher, why) in other_forms(&good.voucher) {
        let refusal = stage.run(payee, &redeem(&[Entry { voucher, ..good.clone() }]));
        let refusal = refusal.expect_err(what);
        assert_eq!(refusal.split('(').next(), Some(why), "{what}: {refusal}");
    }
    stage.accepts(payee, &redeem(&[good]));
}

/// Also after the announced time; and what is still owed is paid out of a later lock.
pub fn a_payee_redeems_until_the_unlock_is_sent(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(100);
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(59);
    let before = stage.tokens(payee.address);
    stage.accepts(payee, &redeem(&[stage.entry(10)]));
    stage.world.wait(1_000);
    stage.accepts(payee, &redeem(&[stage.entry(20)]));
    stage.accepts(owner, &unlock(owner, signer, payee));
    assert!(stage.accepts(payee, &redeem(&[stage.entry(30)])).is_empty());
    assert_eq!(stage.tokens(payee.address) - before, U256::from(20));
    stage.accepts(owner, &lock(signer, payee, 80, 60));
    stage.accepts(payee, &redeem(&[stage.entry(30)]));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(30));
}

/// Whoever sends a voucher, its payee is paid.
pub fn a_stranger_gains_nothing_by_redeeming(stage: &mut Stage) {
    let Cast { payee, stranger, .. } = cast();
    stage.open(100);
    let (of_payee, of_stranger) = (stage.tokens(payee.address), stage.tokens(stranger.address));
    stage.accepts(stranger, &redeem(&[stage.entry(40)]));
    assert_eq!(stage.tokens(payee.address) - of_payee, U256::from(40));
    assert_eq!(stage.tokens(stranger.address), of_stranger);
    let stolen = Entry { payee: stranger.address, ..stage.entry(60) };
    stage.refuses_with(stranger, &redeem(&[stolen]), "SignedByAnother");
}
