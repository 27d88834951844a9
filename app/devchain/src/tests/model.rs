//! The chain against a model that keeps everything of every block.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{TRX, World, address, btt_transfer, transfer, trigger};
use crate::{Config, View};

const PEOPLE: u8 = 4;

/// Balances of all people, in sun and in BTT.
type Snapshot = Vec<(u64, u128)>;

#[derive(Debug, Clone)]
enum Step {
    Pay(u8, u8),
    PayBtt(u8, u8),
    Mine,
    Rewind(u64, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let person = 1..=PEOPLE;
    prop::collection::vec(
        prop_oneof![
            (person.clone(), person.clone()).prop_map(|(from, to)| Step::Pay(from, to)),
            (person.clone(), person).prop_map(|(from, to)| Step::PayBtt(from, to)),
            Just(Step::Mine),
            Just(Step::Mine),
            (0_u64..4, any::<bool>()).prop_map(|(blocks, back)| Step::Rewind(blocks, back)),
        ],
        1..40,
    )
}

fn snapshot(world: &mut World, view: View) -> Snapshot {
    (1..=PEOPLE)
        .map(|person| {
            let who = address(person);
            let account = world.chain.account(who, view).unwrap();
            (account.map_or(0, |account| account.balance.0), world.btt_of(who, view))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_view_shows_what_its_block_left(steps in steps(), solid_after_blocks in 0_u32..4) {
        let mut world = World::with(Config { solid_after_blocks, ..Config::default() });
        for person in 1..=PEOPLE {
            world.fund(address(person), 100 * TRX);
            world.fund_btt(address(person), 1_000);
        }
        let mut blocks: BTreeMap<u64, Snapshot> = BTreeMap::new();
        for _ in 0..=solid_after_blocks {
            world.now_ms += 1;
            world.chain.mine(world.now_ms).unwrap();
            let now = snapshot(&mut world, View::Head);
            blocks.insert(world.chain.head().number(), now);
        }
        for step in steps {
            let btt = world.chain.genesis().btt;
            let sent = match step {
                Step::Pay(from, to) => Some(world.signed(from, &transfer(address(to), 7))),
                Step::PayBtt(from, to) => {
                    Some(world.signed(from, &trigger(btt, btt_transfer(address(to), 11))))
                }
                Step::Mine => {
                    world.now_ms += 3;
                    world.chain.mine(world.now_ms).unwrap();
                    let now = snapshot(&mut world, View::Head);
                    blocks.insert(world.chain.head().number(), now);
                    None
                }
                Step::Rewind(count, put_back) => {
                    drop(world.chain.rewind(count, put_back));
                    None
                }
            };
            if let Some(bytes) = sent {
                drop(world.send(&bytes));
            }
            let (head, solid) = (world.chain.head().number(), world.chain.solid().number());
            prop_assert!(solid <= head);
            prop_assert_eq!(&snapshot(&mut world, View::Head), &blocks[&head]);
            prop_assert_eq!(&snapshot(&mut world, View::Solid), &blocks[&solid]);
        }
    }
}
