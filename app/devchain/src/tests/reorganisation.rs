//! What is not final yet, and what happens if it never will be.

use crate::{ChainError, Config, LogFilter, View};

use super::world::{TRX, World, address, btt_transfer, transfer, trigger};

fn delayed(solid_after_blocks: u32) -> World {
    let mut world = World::with(Config { solid_after_blocks, ..Config::default() });
    world.fund(address(1), 1_000 * TRX);
    world.fund_btt(address(1), 1_000);
    for _ in 0..solid_after_blocks {
        world.now_ms += 10;
        world.chain.mine(world.now_ms).unwrap();
    }
    world
}

#[test]
fn the_final_view_lags_by_as_many_blocks() {
    let mut world = delayed(3);
    let btt = world.chain.genesis().btt;
    let receipt = world.act(1, &trigger(btt, btt_transfer(address(2), 5))).unwrap();
    for passed in 0..3 {
        assert_eq!(world.chain.receipt(receipt.id, View::Solid).unwrap(), None, "{passed}");
        assert_eq!(world.chain.transaction(receipt.id, View::Solid).unwrap(), None);
        assert_eq!(world.btt_of(address(2), View::Solid), 0);
        assert_eq!(world.btt_of(address(2), View::Head), 5);
        let before = world.chain.account(address(1), View::Solid).unwrap().unwrap().balance;
        assert!(before.0 > world.balance(address(1)));
        world.now_ms += 10;
        world.chain.mine(world.now_ms).unwrap();
    }
    assert_eq!(world.btt_of(address(2), View::Solid), 5);
    assert!(world.chain.receipt(receipt.id, View::Solid).unwrap().is_some());
    assert_eq!(world.chain.solid().number() + 3, world.chain.head().number());
}

#[test]
fn blocks_thrown_away_leave_no_trace() {
    let mut world = delayed(5);
    let btt = world.chain.genesis().btt;
    let before = (world.chain.head(), world.balance(address(1)), world.chain.burned());
    let mut ids = Vec::new();
    for to in 2..5 {
        ids.push(world.act(1, &trigger(btt, btt_transfer(address(to), 5))).unwrap().id);
        world.act(1, &transfer(address(to), 5)).unwrap();
    }
    world.chain.rewind(6, false).unwrap_err();
    world.chain.rewind(5, false).unwrap();
    world.chain.rewind(0, false).unwrap();
    assert_eq!(world.chain.head().number(), before.0.number() + 1);
    let mut again = delayed(5);
    let first = again.act(1, &trigger(btt, btt_transfer(address(2), 5))).unwrap();
    assert_eq!(ids[0], first.id);
    assert_eq!(world.chain.head(), again.chain.head());
    assert_eq!(world.balance(address(1)), again.balance(address(1)));
    assert_eq!(world.chain.account(address(4), View::Head).unwrap(), None);
    assert_eq!(world.btt_of(address(4), View::Head), 0);
    assert_eq!(world.chain.receipt(ids[2], View::Head).unwrap(), None);
    let logs = world.chain.logs(&LogFilter::default(), 100).unwrap();
    assert_eq!(logs, again.chain.logs(&LogFilter::default(), 100).unwrap());
    assert_eq!(world.chain.burned(), again.chain.burned());
}

#[test]
fn final_blocks_stay() {
    let mut world = delayed(2);
    let refused = world.chain.rewind(3, true);
    assert_eq!(refused, Err(ChainError::RewindTooFar { blocks: 3, unsolid: 2 }));
}

#[test]
fn transactions_put_back_are_in_the_next_block() {
    let mut world = delayed(3);
    let btt = world.chain.genesis().btt;
    let old = world.act(1, &trigger(btt, btt_transfer(address(2), 5))).unwrap();
    let old_head = world.chain.head();
    world.chain.rewind(1, true).unwrap();
    assert_eq!(world.chain.receipt(old.id, View::Head).unwrap(), None);
    assert_eq!(world.chain.pending(), [old.id]);
    world.now_ms += 5_000;
    world.chain.mine(world.now_ms).unwrap();
    let new = world.chain.receipt(old.id, View::Head).unwrap().unwrap();
    assert_eq!(new.block_number, old.block_number);
    assert_ne!(world.chain.head(), old_head);
    assert_eq!(world.btt_of(address(2), View::Head), 5);
}
