//! Random sequences of calls by several attackers.

use contracts::attackers::{Attack, Tally};
use contracts::embedded::Embedded;
use contracts::stage::{Stage, cast};
use contracts::world::World;

/// Calls of one sequence, before everybody takes out what is his.
const CALLS: u32 = 80;

/// Sequences, if `SIM_SEEDS` says nothing else: a few seconds.
const SEEDS: u64 = 200;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SIM_SEED") {
        return seed..seed + 1;
    }
    let first = number("SIM_FIRST_SEED").unwrap_or(0);
    first..first + number("SIM_SEEDS").unwrap_or(SEEDS)
}

fn run(seed: u64) -> Tally {
    let chain_id = 199 + (seed << 32);
    Attack::new(Stage::new(World::revm(chain_id)), seed).run(CALLS)
}

#[test]
fn nobody_takes_what_was_not_vouchered_to_him_and_nothing_is_lost() {
    let mut tally = Tally::new();
    let seeds = seeds();
    let is_a_sample = seeds.clone().count() >= 100;
    for seed in seeds {
        for (name, count) in run(seed) {
            *tally.entry(name).or_default() += count;
        }
    }
    println!("{tally:#?}");
    // A draw that never meets a check proves nothing about it.
    for name in [
        "Deposited",
        "Withdrawn",
        "Locked",
        "UnlockAnnounced",
        "Unlocked",
        "Redeemed",
        "Transfer",
        "AmountIsZero",
        "AddressIsZero",
        "PayeeNotAllowed",
        "FreeBalanceTooSmall",
        "DelayTooLong",
        "DelayTooShort",
        "NothingLocked",
        "UnlockNotAnnounced",
        "UnlockAlreadyAnnounced",
        "UnlockTooEarly",
        "SignedByAnother",
        "ShareTooLarge",
        "MandateForAnother",
        "MandateExpired",
        "ScalarIsWrong",
        "ECDSAInvalidSignature",
        "ECDSAInvalidSignatureLength",
        "ECDSAInvalidSignatureS",
        "TRC20InsufficientBalance",
        "Panic",
    ] {
        assert!(!is_a_sample || tally.contains_key(name), "no sequence met {name}");
    }
}

#[test]
fn our_own_chain_says_the_same_to_random_calls() {
    for seed in 0..8 {
        let mut chain = Embedded::new();
        for party in cast().all() {
            chain.fund(party);
        }
        let world = World::Embedded(Box::new(chain));
        assert!(!Attack::new(Stage::new(world), seed).run(CALLS).is_empty());
    }
}

#[test]
fn a_sequence_is_a_function_of_its_seed() {
    assert_eq!(run(7), run(7));
}
