//! What holds for any numbers.

use contracts::model::address_of_scalar;
use contracts::operation::{Entry, Operation};
use contracts::stage::{Cast, Stage, cast, redeem};
use contracts::statement::{Condition, Domain, Statement, account_of, channel_of};
use contracts::world::World;
use ledger::voucher::{ChainTime, Mandate, Release, Statement as _, Voucher};
use ledger::{AccountId, Amount, ChannelId, Parties, typed_data};
use proptest::prelude::*;
use revm::primitives::{Address, U256};

fn stage() -> Stage {
    Stage::new(World::revm(199))
}

fn product(address: Address) -> ledger::Address {
    ledger::Address::new(address.into_array())
}

fn any_address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn any_condition() -> impl Strategy<Value = Condition> {
    (1..u128::MAX >> 8, any_address(), any::<u64>()).prop_map(|(amount, lock, expiry)| Condition {
        amount: U256::from(amount),
        lock,
        expiry,
    })
}

fn separator(domain: Domain) -> typed_data::Separator {
    let Domain { chain_id, contract } = domain;
    let contract = product(contract);
    typed_data::Domain { name: "Shoal Vault", version: "1", chain_id, contract }.separator()
}

proptest! {
    /// The product hashes what it signs by code of its own; these are the contract's hashes.
    #[test]
    fn the_product_signs_what_the_contract_checks(
        chain_id in any::<u32>(),
        (contract, payee, tower) in (any_address(), any_address(), any_address()),
        channel in any::<[u8; 32]>(),
        cumulative in 0..u128::MAX >> 2,
        (round, share, until) in any::<(u64, u16, u64)>(),
        conditions in prop::collection::vec(any_condition(), 1..5),
    ) {
        let domain = Domain { chain_id: chain_id.into(), contract };
        let ours = |hash: [u8; 32]| separator(domain).digest(&hash);
        let (id, sum) = (ChannelId(channel), Amount::new(cumulative));
        let units = U256::from(cumulative);

        let by_hand = Statement::Voucher { channel, cumulative: units };
        prop_assert_eq!(ours(Voucher::plain(id, sum).struct_hash()), by_hand.digest(domain));

        let list: Vec<_> = conditions
            .iter()
            .map(|condition| ledger::voucher::Condition {
                amount: Amount::new(condition.amount.to()),
                lock: product(condition.lock),
                expiry: ChainTime(condition.expiry),
            })
            .collect();
        let voucher = Voucher::conditional(id, sum, list).expect("within all bounds");
        let by_hand = Statement::Conditional { channel, cumulative: units, conditions };
        prop_assert_eq!(ours(voucher.struct_hash()), by_hand.digest(domain));

        let release = Release { channel: id, round, cumulative: sum };
        let by_hand = Statement::Release { channel, round, cumulative: units };
        prop_assert_eq!(ours(release.struct_hash()), by_hand.digest(domain));

        for tower in [tower, Address::ZERO] {
            let mandate = Mandate {
                payee: product(payee),
                tower: (!tower.is_zero()).then(|| product(tower)),
                share,
                until: ChainTime(until),
            };
            let by_hand = Statement::Mandate { payee, tower, share, until };
            prop_assert_eq!(ours(mandate.struct_hash()), by_hand.digest(domain));
        }
    }

    #[test]
    fn the_product_names_accounts_and_channels_as_the_contract_does(
        (owner, signer, payee) in (any_address(), any_address(), any_address()),
    ) {
        let account = AccountId::of(&product(owner), &product(signer));
        prop_assert_eq!(account.0, account_of(owner, signer));
        let parties = Parties {
            owner: product(owner),
            signer: product(signer),
            payee: product(payee),
        };
        prop_assert_eq!(parties.channel().0, channel_of(owner, signer, payee));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The trick with the recovery of a key computes what the curve's own code computes.
    #[test]
    fn a_scalar_opens_the_lock_of_its_own_key_only(
        secret in any::<[u8; 32]>(),
        other in any::<[u8; 32]>(),
    ) {
        let [secret, other] = [secret, other].map(U256::from_be_bytes);
        let Some(lock) = address_of_scalar(secret) else { return Ok(()) };
        let mut stage = stage();
        stage.open(1_000);
        let expiry = stage.world.now();
        let conditions = vec![Condition { amount: U256::from(70), lock, expiry }];
        let entry = stage.conditional(0, &conditions);
        let show = |scalar| Operation::RedeemConditional {
            entry: entry.clone(),
            conditions: conditions.clone(),
            scalars: vec![scalar],
        };
        if other != secret && !other.is_zero() {
            stage.refuses_with(&cast().payee, &show(other), "ScalarIsWrong");
        }
        let events = stage.accepts(&cast().payee, &show(secret));
        prop_assert!(events.iter().any(|event| event.ends_with(", 70, 70)")), "{:?}", events);
    }

    /// Whatever vouchers are sent in whatever batches, by whomever: the payee ends with the highest,
    /// within the lock, and the owner with the rest.
    #[test]
    fn the_order_of_vouchers_does_not_matter(
        locked in 1..1_000_u128,
        batches in prop::collection::vec(prop::collection::vec(0..1_500_u128, 0..5), 0..5),
    ) {
        let Cast { owner, signer, payee, .. } = cast();
        let mut stage = stage();
        stage.open(locked);
        let before = stage.tokens(payee.address);
        let mut highest = 0;
        for (index, batch) in batches.iter().enumerate() {
            let entries: Vec<Entry> = batch.iter().map(|sum| stage.entry(*sum)).collect();
            let sender = cast().all()[index % 8];
            stage.accepts(sender, &redeem(&entries));
            highest = batch.iter().copied().fold(highest, u128::max);
        }
        let due = highest.min(locked);
        prop_assert_eq!(stage.tokens(payee.address) - before, U256::from(due));
        let rest = stage.channel(owner, signer, payee).locked;
        prop_assert_eq!(rest, U256::from(locked - due));
    }
}

#[test]
fn no_bit_of_a_signature_can_be_changed() {
    let mut stage = stage();
    stage.open(1_000);
    let good = stage.entry(100);
    for bit in 0..good.voucher.len() * 8 {
        let mut bad = good.clone();
        bad.voucher[bit / 8] ^= 1 << (bit % 8);
        let refusal = stage.run(&cast().payee, &redeem(&[bad]));
        assert!(refusal.is_err(), "bit {bit}: {refusal:?}");
    }
    stage.accepts(&cast().payee, &redeem(&[good]));
}
