//! What was answered as in a block is there again.

use crate::genesis::OwnKeys;
use crate::store::Store;
use crate::{Chain, ChainError, Config, OpenError, View};

use super::world::{Folder, START_MS, TRX, World, address, btt_transfer, transfer, trigger};

impl World {
    fn at(folder: &Folder, config: Config) -> Self {
        let chain = Chain::open(Some(&folder.file()), config, [7; 32], START_MS).unwrap();
        let head = chain.block(crate::BlockRef::Head).unwrap().unwrap();
        Self { chain, now_ms: head.timestamp_ms }
    }
}

/// Opened anew after each block, a chain is what one is that was never closed.
#[test]
fn a_chain_closed_after_each_block_is_the_same_chain() {
    let folder = Folder::new();
    let mut open = World::new();
    for step in 0..12_u8 {
        let mut world = World::at(&folder, Config::default());
        assert_eq!(world.chain.genesis(), open.chain.genesis());
        for one in [&mut world, &mut open] {
            one.now_ms = START_MS + 1_000 * u64::from(step);
            match step {
                0 => one.fund(address(1), 1_000 * TRX),
                1 => one.fund_btt(address(1), 1_000),
                _ if step % 2 == 0 => {
                    let btt = one.chain.genesis().btt;
                    one.act(1, &trigger(btt, btt_transfer(address(step), 5))).unwrap();
                }
                _ => drop(one.act(1, &transfer(address(step), 5)).unwrap()),
            }
        }
        assert_eq!(world.chain.head(), open.chain.head());
        assert_eq!(world.balance(address(1)), open.balance(address(1)));
        assert_eq!(world.btt_of(address(1), View::Head), open.btt_of(address(1), View::Head));
        assert_eq!(world.chain.burned(), open.chain.burned());
    }
}

#[test]
fn everything_told_of_a_block_is_told_again() {
    let folder = Folder::new();
    let (receipt, block, logs) = {
        let mut world = World::at(&folder, Config::default());
        world.fund(address(1), 1_000 * TRX);
        world.fund_btt(address(1), 1_000);
        let btt = world.chain.genesis().btt;
        let receipt = world.act(1, &trigger(btt, btt_transfer(address(2), 5))).unwrap();
        let block = world.chain.block(crate::BlockRef::Head).unwrap().unwrap();
        (receipt, block, world.chain.logs(&crate::LogFilter::default(), 100).unwrap())
    };
    let world = World::at(&folder, Config::default());
    assert_eq!(world.chain.receipt(receipt.id, View::Solid).unwrap().unwrap(), receipt);
    assert_eq!(world.chain.block(crate::BlockRef::Id(block.id)).unwrap().unwrap(), block);
    assert_eq!(world.chain.logs(&crate::LogFilter::default(), 100).unwrap(), logs);
    assert_eq!(block.transactions, [receipt.id]);
    let found = world.chain.transactions_of(address(1), None, 10).unwrap();
    assert_eq!(found.first().unwrap().id, receipt.id);
}

#[test]
fn what_only_waited_is_gone() {
    let folder = Folder::new();
    let bytes = {
        let mut world = World::at(&folder, Config::default());
        world.fund(address(1), 100 * TRX);
        let bytes = world.signed(1, &transfer(address(2), 5));
        world.send(&bytes).unwrap();
        bytes
    };
    let mut world = World::at(&folder, Config::default());
    assert_eq!(world.chain.pending(), []);
    assert_eq!(world.balance(address(2)), 0);
    world.send(&bytes).unwrap();
}

#[test]
fn one_process_at_a_time_has_a_chain() {
    let folder = Folder::new();
    let world = World::at(&folder, Config::default());
    let second = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS);
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    drop(world);
    World::at(&folder, Config::default());
}

#[test]
fn a_file_of_something_else_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.file(), vec![b'x'; 8_192]).unwrap();
    let opened = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS);
    assert!(matches!(opened, Err(OpenError::Chain(_))), "{opened:?}");
}

#[test]
fn a_beginning_that_was_cut_short_is_finished() {
    let folder = Folder::new();
    let store = Store::open(Some(&folder.file())).unwrap();
    store.set_meta("seed", &[7; 32]).unwrap();
    drop(store);
    let store = Store::open(Some(&folder.file())).unwrap();
    let keys = OwnKeys::derive(&[7; 32]).unwrap();
    crate::genesis::write(&store, &keys, &[7; 32], START_MS).unwrap();
    drop(store);
    // Opened later, and with other entropy, it is the chain that was begun.
    let config = Config::default();
    let chain = Chain::open(Some(&folder.file()), config, [1; 32], START_MS + 5_000).unwrap();
    let whole = Chain::open(None, config, [7; 32], START_MS).unwrap();
    assert_eq!(chain.genesis(), whole.genesis());
    assert_eq!(chain.head().number(), 1);
    assert!(chain.contract(whole.genesis().vault).unwrap().is_some());
}

#[test]
fn a_full_disk_loses_nothing_that_waits() {
    let folder = Folder::new();
    let mut world = World::at(&folder, Config::default());
    world.fund(address(1), 1_000 * TRX);
    let head = world.chain.head();
    let mut ids = Vec::new();
    for number in 2..=200_u8 {
        let bytes = world.signed(1, &transfer(address(number), 5));
        ids.extend(world.send(&bytes));
    }
    world.chain.limit_pages(Some(1));
    assert!(matches!(world.chain.produce(world.now_ms), Err(ChainError::Database(_))));
    assert_eq!(world.chain.head(), head);
    assert_eq!(world.balance(address(2)), 0);
    assert_eq!(world.chain.pending(), ids);
    world.chain.limit_pages(None);
    world.chain.produce(world.now_ms).unwrap();
    assert_eq!(world.balance(address(2)), 5);
    drop(world);
    let world = World::at(&folder, Config::default());
    assert_eq!(world.balance(address(2)), 5);
    assert!(ids.iter().all(|id| world.chain.receipt(*id, View::Solid).unwrap().is_some()));
}

#[test]
fn a_chain_of_a_later_program_is_refused() {
    let folder = Folder::new();
    drop(World::at(&folder, Config::default()));
    let file = rusqlite::Connection::open(folder.file()).unwrap();
    file.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(file);
    let opened = Chain::open(Some(&folder.file()), Config::default(), [7; 32], START_MS);
    assert!(matches!(opened, Err(OpenError::Format { found: 99, .. })), "{opened:?}");
}
