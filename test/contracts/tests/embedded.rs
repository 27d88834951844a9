//! Every case of the suite on the product's own chain, whose machine counts as TRON's does.

use contracts::embedded::Embedded;
use contracts::stage::{Stage, cast};
use contracts::world::World;
use contracts::{for_each_case, suite};

macro_rules! on_our_chain {
    ($($case:ident,)*) => {
        $(#[test]
        fn $case() {
            let mut chain = Embedded::new();
            for party in cast().all() {
                chain.fund(party);
            }
            suite::$case(&mut Stage::new(World::Embedded(Box::new(chain))));
        })*
    };
}

for_each_case!(on_our_chain);
