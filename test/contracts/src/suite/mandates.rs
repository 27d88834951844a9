//! Redeeming for somebody else.

use revm::primitives::{Address, U256};

use crate::model::SHARE_MAX;
use crate::operation::{Mandate, Operation};
use crate::stage::{Cast, Stage, cast, deposit, lock};

fn redeem_for(stage: &Stage, mandate: Mandate, cumulative: u128) -> Operation {
    Operation::RedeemFor { mandate, entries: vec![stage.entry(cumulative)] }
}

/// Rounded in the payee's favour, and of the batch as a whole.
pub fn a_tower_keeps_its_share(stage: &mut Stage) {
    let Cast { owner, signer, other_signer, payee, tower, .. } = cast();
    stage.open(10_000);
    stage.accepts(owner, &deposit(owner, other_signer, 10_000));
    stage.accepts(owner, &lock(other_signer, payee, 10_000, 60));
    let until = stage.world.now() + 10;
    for (share, first, second, kept) in
        [(100, 150, 49, 1), (100, 50, 51, 1), (1_000, 9, 0, 0), (1_000, 5, 5, 1), (0, 90, 9, 0)]
    {
        let (of_payee, of_tower) = (stage.tokens(payee.address), stage.tokens(tower.address));
        let sums: Vec<u128> = [signer, other_signer]
            .map(|signer| stage.channel(owner, signer, payee).redeemed.to())
            .to_vec();
        let [old_first, old_second] = sums.try_into().expect("two channels");
        let entries = vec![
            stage.entry_of(owner, signer, payee, old_first + first),
            stage.entry_of(owner, other_signer, payee, old_second + second),
        ];
        let mandate = stage.mandate(tower.address, share, until);
        stage.accepts(tower, &Operation::RedeemFor { mandate, entries });
        assert_eq!(stage.tokens(tower.address) - of_tower, U256::from(kept));
        assert_eq!(stage.tokens(payee.address) - of_payee, U256::from(first + second - kept));
    }
}

/// Not for the payee's other friends, nor a second later.
pub fn a_mandate_is_for_its_tower_until_its_time(stage: &mut Stage) {
    let Cast { tower, stranger, owner, payee, .. } = cast();
    stage.open(1_000);
    let until = stage.world.now() + 10;
    let mandate = stage.mandate(tower.address, 100, until);
    for thief in [stranger, owner, payee] {
        let operation = redeem_for(stage, mandate.clone(), 100);
        stage.refuses_with(thief, &operation, "MandateForAnother");
    }
    stage.world.wait(10);
    stage.accepts(tower, &redeem_for(stage, mandate.clone(), 100));
    stage.world.wait(1);
    stage.refuses_with(tower, &redeem_for(stage, mandate, 200), "MandateExpired");
}

/// Every word of it is signed, and by the payee whose vouchers are paid.
pub fn a_changed_mandate_is_refused(stage: &mut Stage) {
    let Cast { owner, signer, payee, other_payee, tower, .. } = cast();
    stage.open(1_000);
    stage.accepts(owner, &deposit(owner, signer, 1_000));
    stage.accepts(owner, &lock(signer, other_payee, 1_000, 60));
    let until = stage.world.now() + 10;
    let good = stage.mandate(tower.address, 100, until);
    let changed = [
        Mandate { share: 101, ..good.clone() },
        Mandate { share: SHARE_MAX, ..good.clone() },
        Mandate { until: until + 1, ..good.clone() },
        Mandate { tower: Address::ZERO, ..good.clone() },
        Mandate { payee: other_payee.address, ..good.clone() },
        Mandate { signature: stage.entry(100).voucher, ..good.clone() },
    ];
    for mandate in changed {
        stage.refuses_with(tower, &redeem_for(stage, mandate, 100), "SignedByAnother");
    }
    let too_much = stage.mandate(tower.address, SHARE_MAX + 1, until);
    stage.refuses_with(tower, &redeem_for(stage, too_much, 100), "ShareTooLarge");
    // Vouchers of another payee are not paid under it.
    let entries = vec![stage.entry_of(owner, signer, other_payee, 100)];
    let operation = Operation::RedeemFor { mandate: good, entries };
    stage.refuses_with(tower, &operation, "SignedByAnother");
    assert_eq!(stage.channel(owner, signer, payee).redeemed, U256::ZERO);
}

/// The tower's name zero: whoever is there keeps the share.
pub fn a_mandate_without_tower_is_for_anyone(stage: &mut Stage) {
    let Cast { stranger, tower, .. } = cast();
    stage.open(1_000);
    let mandate = stage.mandate(Address::ZERO, SHARE_MAX, u64::MAX);
    for (sum, party) in [(100, stranger), (200, tower)] {
        let before = stage.tokens(party.address);
        stage.accepts(party, &redeem_for(stage, mandate.clone(), sum));
        assert_eq!(stage.tokens(party.address) - before, U256::from(10));
    }
}
