//! Every case of the suite on revm, and what only a chain in this process can be made to do.

use contracts::stage::{Stage, cast, redeem};
use contracts::world::World;
use contracts::{for_each_case, suite};

/// As wide as TRON's: its Vault sees more bytes than wallets sign.
const CHAIN_ID: u64 = 0x0012_3456_cd8b_7ea1;

fn stage() -> Stage {
    Stage::new(World::revm(CHAIN_ID))
}

macro_rules! on_revm {
    ($($case:ident,)*) => {
        $(#[test]
        fn $case() {
            suite::$case(&mut stage());
        })*
    };
}

for_each_case!(on_revm);

#[test]
fn after_a_fork_of_the_chain_vouchers_count_on_their_own_side_only() {
    let mut stage = stage();
    stage.open(100);
    let old = stage.entry(10);
    become_chain(&mut stage, CHAIN_ID + 1);
    let new = stage.entry(10);
    stage.model = None;
    stage.refuses_with(&cast().payee, &redeem(std::slice::from_ref(&old)), "SignedByAnother");
    stage.accepts(&cast().payee, &redeem(std::slice::from_ref(&new)));
    become_chain(&mut stage, CHAIN_ID);
    stage.refuses_with(&cast().payee, &redeem(&[new]), "SignedByAnother");
    stage.accepts(&cast().payee, &redeem(&[old]));
}

fn become_chain(stage: &mut Stage, chain_id: u64) {
    let World::Revm(chain) = &mut stage.world else { unreachable!("the stage is on revm") };
    chain.become_chain(chain_id);
}
