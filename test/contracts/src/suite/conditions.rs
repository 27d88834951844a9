//! Vouchers with conditions.

use revm::primitives::{Address, U256};

use crate::model::{ORDER, address_of_scalar};
use crate::operation::{Entry, Operation};
use crate::stage::{Cast, Stage, cast, redeem};
use crate::statement::Condition;

fn condition(stage: &Stage, amount: u128, secret: u64) -> Condition {
    let lock = address_of_scalar(U256::from(secret)).expect("small numbers are keys");
    Condition { amount: U256::from(amount), lock, expiry: stage.world.now() + 100 }
}

fn show(entry: Entry, conditions: &[Condition], scalars: &[U256]) -> Operation {
    Operation::RedeemConditional {
        entry,
        conditions: conditions.to_vec(),
        scalars: scalars.to_vec(),
    }
}

fn redeem_showing(
    stage: &Stage,
    sum: u128,
    conditions: &[Condition],
    scalars: &[u64],
) -> Operation {
    let scalars: Vec<U256> = scalars.iter().copied().map(U256::from).collect();
    show(stage.conditional(sum, conditions), conditions, &scalars)
}

fn received(stage: &mut Stage, run: impl FnOnce(&mut Stage)) -> u128 {
    let payee = cast().payee.address;
    let before = stage.tokens(payee);
    run(stage);
    (stage.tokens(payee) - before).to()
}

/// Not shown, it pays the rest of the voucher only.
pub fn a_shown_scalar_pays_its_condition(stage: &mut Stage) {
    let Cast { payee, stranger, .. } = cast();
    stage.open(1_000);
    let conditions = [condition(stage, 50, 7)];
    let hidden = redeem_showing(stage, 10, &conditions, &[0]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &hidden))), 10);
    let shown = redeem_showing(stage, 10, &conditions, &[7]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(stranger, &shown))), 50);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &shown))), 0);
}

/// Any subset, in any order of showing; and a later plain voucher pays only what is new.
pub fn conditions_add_up_and_pay_once(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let conditions = [condition(stage, 1, 11), condition(stage, 20, 12), condition(stage, 300, 13)];
    for (scalars, paid) in [
        ([0, 12, 0], 20),
        ([11, 0, 0], 0), // Below what was paid already.
        ([11, 12, 0], 1),
        ([11, 12, 13], 300),
        ([0, 0, 13], 0),
    ] {
        let operation = redeem_showing(stage, 0, &conditions, &scalars);
        let sum = received(stage, |stage| drop(stage.accepts(payee, &operation)));
        assert_eq!(sum, paid, "{scalars:?}");
    }
    let folded = redeem(&[stage.entry(325)]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &folded))), 4);
    let none = redeem_showing(stage, 330, &[], &[]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &none))), 5);
    let beyond = redeem_showing(stage, 900, &[condition(stage, 200, 5)], &[5]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &beyond))), 670);
}

/// Shown too late it counts nothing, and those beside it still count.
pub fn a_condition_counts_to_its_last_second(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let short = condition(stage, 50, 7);
    let long = Condition { expiry: short.expiry + 1, ..condition(stage, 8, 9) };
    let both = [short, long];
    stage.world.wait(100);
    let operation = redeem_showing(stage, 0, &[short], &[7]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &operation))), 50);
    stage.world.wait(1);
    let operation = redeem_showing(stage, 50, &both, &[7, 9]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &operation))), 8);
    stage.world.wait(1);
    let operation = redeem_showing(stage, 100, &both, &[7, 9]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &operation))), 42);
}

/// Also those that mean the same modulo the order, and a lock that no key has.
pub fn wrong_scalars_are_refused(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let one = U256::from(1);
    let seven = U256::from(7);
    let conditions = [condition(stage, 5, 9), condition(stage, 50, 7)];
    let entry = stage.conditional(0, &conditions);
    let wrong = [
        one,
        U256::from(9),
        ORDER - seven,
        ORDER - one,
        ORDER,
        ORDER + one,
        ORDER + seven,
        U256::MAX,
    ];
    for scalar in wrong {
        let operation = show(entry.clone(), &conditions, &[U256::ZERO, scalar]);
        stage.refuses(payee, &operation, &format!("ScalarIsWrong(1, {scalar})"));
    }
    let nobody = [Condition { lock: Address::ZERO, ..condition(stage, 50, 7) }];
    for scalar in [one, ORDER, ORDER + ORDER.wrapping_neg(), U256::MAX] {
        let operation = show(stage.conditional(0, &nobody), &nobody, &[scalar]);
        if scalar.is_zero() {
            assert!(stage.accepts(payee, &operation).is_empty(), "zero is not shown");
        } else {
            stage.refuses_with(payee, &operation, "ScalarIsWrong");
        }
    }
    let last = [Condition { lock: address_of_scalar(ORDER - one).expect("a key"), ..nobody[0] }];
    let operation = show(stage.conditional(0, &last), &last, &[ORDER - one]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &operation))), 50);
}

/// The whole list is signed: what is in it, and in which order.
pub fn a_changed_condition_is_refused(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let (first, second) = (condition(stage, 5, 7), condition(stage, 50, 9));
    let entry = stage.conditional(0, &[first, second]);
    let more = U256::from(6);
    let lists = [
        vec![Condition { amount: more, ..first }, second],
        vec![Condition { expiry: first.expiry + 1, ..first }, second],
        vec![Condition { lock: second.lock, ..first }, second],
        vec![second, first],
        vec![first],
        vec![first, second, second],
        vec![],
    ];
    for list in lists {
        let operation = show(entry.clone(), &list, &vec![U256::ZERO; list.len()]);
        stage.refuses_with(payee, &operation, "SignedByAnother");
    }
}

/// A voucher with an empty list is not a plain voucher either.
pub fn vouchers_with_and_without_conditions_are_not_one_another(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let with = stage.conditional(10, &[]);
    let without = stage.entry(10);
    stage.refuses_with(payee, &redeem(&[with]), "SignedByAnother");
    stage.refuses_with(payee, &show(without, &[], &[]), "SignedByAnother");
}

/// Sums are checked, so a huge condition does not wrap around to a small claim.
pub fn a_claim_beyond_256_bits_is_refused(stage: &mut Stage) {
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    let huge = Condition { amount: U256::MAX, ..condition(stage, 0, 7) };
    let two = [huge, Condition { amount: U256::from(1), ..huge }];
    let seven = U256::from(7);
    let sum = show(stage.conditional(0, &two), &two, &[seven, seven]);
    stage.refuses(payee, &sum, "Panic(17)");
    let claim = show(stage.conditional(1, &[huge]), &[huge], &[seven]);
    stage.refuses(payee, &claim, "Panic(17)");
    let all = show(stage.conditional(0, &[huge]), &[huge], &[seven]);
    assert_eq!(received(stage, |stage| drop(stage.accepts(payee, &all))), 1_000);
}
