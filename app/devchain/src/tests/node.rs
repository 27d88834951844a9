//! Many who ask one chain at the same time.

use core::time::Duration;

use super::world::{Folder, START_MS, TRX, World, address, deploy, signed, transfer};
use crate::{BlockTime, Chain, Config, Node, ResponseCode, View};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn who_is_answered_finds_his_transaction_on_the_disk() {
    let folder = Folder::new();
    let mut world = World::new();
    world.chain = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS).unwrap();
    world.fund(address(1), 1_000 * TRX);
    world.fund(address(2), TRX);
    let terms = world.terms();
    let transfers = (1..=50).map(|sun| signed(1, &transfer(address(2), sun), &terms));
    let transfers: Vec<_> = transfers.collect();
    let first_block = world.chain.head().number();
    let (node, handle) = Node::start(world.chain).unwrap();
    let ids = runtime().block_on(async {
        let tasks: Vec<_> = transfers
            .into_iter()
            .map(|bytes| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.broadcast(bytes).await })
            })
            .collect();
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.unwrap().unwrap());
        }
        ids
    });
    node.stop().unwrap();
    let again = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS).unwrap();
    for id in ids {
        assert!(again.receipt(id, View::Head).unwrap().is_some());
    }
    assert!(again.head().number() - first_block < 50, "no two shared a block");
    let balance = again.account(address(2), View::Head).unwrap().unwrap().balance.0;
    assert_eq!(balance, TRX + 50 * 51 / 2);
}

#[test]
fn a_question_sees_what_was_answered_before() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    let bytes = world.signed(1, &transfer(address(2), 5));
    let (_node, handle) = Node::start(world.chain).unwrap();
    runtime().block_on(async {
        let id = handle.broadcast(bytes.clone()).await.unwrap();
        let receipt = handle.ask(move |chain, _now| chain.receipt(id, View::Solid)).await.unwrap();
        assert_eq!(receipt.unwrap().unwrap().id, id);
        let dup = handle.broadcast(bytes).await.unwrap_err();
        assert_eq!(dup.code, ResponseCode::DupTransactionError);
    });
}

#[test]
fn blocks_on_a_schedule_come_without_being_asked_for() {
    let block_time = BlockTime::Every(Duration::from_millis(5));
    let world = World::with(Config { block_time, ..Config::default() });
    let (_node, handle) = Node::start(world.chain).unwrap();
    runtime().block_on(async {
        while handle.ask(|chain, _now| chain.head().number()).await.unwrap() < 4 {}
        let times = handle.ask(|chain, _now| {
            (2..4)
                .map(|number| {
                    chain.block(crate::BlockRef::Number(number)).unwrap().unwrap().timestamp_ms
                })
                .collect::<Vec<_>>()
        });
        let times = times.await.unwrap();
        assert!(times.iter().all(|time| time % 5 == 0), "{times:?}");
        assert!(times[0] < times[1]);
    });
}

/// A wallet that waits for a final block after a transaction's expiration must see one come.
#[test]
fn time_passes_for_who_looks_at_an_idle_chain() {
    let long_ago_ms = 1_000_000_000_000;
    let chain = Chain::open(None, Config::default(), [7; 32], long_ago_ms).unwrap();
    let (_node, handle) = Node::start(chain).unwrap();
    runtime().block_on(async {
        for _ in 0..3 {
            let head = handle.ask(|chain, _now| {
                (chain.block(crate::BlockRef::Solid).unwrap().unwrap(), chain.clock_ms())
            });
            let (block, clock_ms) = head.await.unwrap();
            assert_eq!(block.number, 2);
            assert!(clock_ms - block.timestamp_ms < 30_000);
        }
    });
}

#[test]
fn hands_on_an_idle_chain_find_it_as_it_is() {
    let long_ago_ms = 1_000_000_000_000;
    let config = Config { solid_after_blocks: 5, ..Config::default() };
    let chain = Chain::open(None, config, [7; 32], long_ago_ms).unwrap();
    let (_node, handle) = Node::start(chain).unwrap();
    runtime().block_on(async {
        let head = handle.handle(|chain, _now| chain.head().number()).await.unwrap();
        assert_eq!(head, 1);
        handle.handle(Chain::mine).await.unwrap().unwrap();
        let head = handle.handle(|chain, _now| chain.rewind(1, false)).await.unwrap().unwrap();
        assert_eq!(head.number(), 1);
    });
}

#[test]
fn what_waits_when_the_chain_stops_is_kept() {
    let folder = Folder::new();
    let config =
        Config { block_time: BlockTime::Every(Duration::from_hours(1)), solid_after_blocks: 0 };
    let mut world = World::new();
    world.chain = Chain::open(Some(&folder.file()), config, [7; 32], START_MS).unwrap();
    world.fund(address(1), 100 * TRX);
    world.now_ms += 3 * 60 * 60 * 1_000; // Blocks bear the time of the next whole hour.
    let bytes = world.signed(1, &transfer(address(2), 5));
    let (node, handle) = Node::start(world.chain).unwrap();
    let id = runtime().block_on(handle.broadcast(bytes)).unwrap();
    node.stop().unwrap();
    let again = Chain::open(Some(&folder.file()), config, [7; 32], START_MS).unwrap();
    assert!(again.receipt(id, View::Head).unwrap().is_some());
}

#[test]
fn what_was_answered_with_an_error_is_not_done_later() {
    let folder = Folder::new();
    let mut world = World::new();
    world.chain = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS).unwrap();
    world.fund(address(1), 2_000 * TRX);
    let long = world.signed(1, &deploy(&[0xfe; 100_000]));
    let (_node, handle) = Node::start(world.chain).unwrap();
    runtime().block_on(async {
        handle.ask(|chain, _now| chain.limit_pages(Some(1))).await.unwrap();
        let refused = handle.broadcast(long).await.unwrap_err();
        assert_eq!(refused.code, ResponseCode::OtherError);
        let waiting = handle.ask(|chain, now| {
            chain.limit_pages(None);
            let waiting = chain.pending();
            chain.produce(now).unwrap();
            waiting
        });
        assert_eq!(waiting.await.unwrap(), []);
    });
}

#[test]
fn a_chain_that_has_stopped_says_so() {
    let world = World::new();
    let (node, handle) = Node::start(world.chain).unwrap();
    node.stop().unwrap();
    runtime().block_on(async {
        let asked = handle.ask(|chain, _now| chain.head()).await;
        assert_eq!(asked, Err(crate::ChainError::Stopped));
    });
}
