//! Pages of events.

use super::world::{START_MS, TRX, World, address, btt_transfer, trigger};
use crate::{LogFilter, TxId};

/// Three transfers of a token in one block, and one in the next.
fn world() -> (World, Vec<TxId>) {
    let mut world = World::new();
    world.fund(address(1), 1_000 * TRX);
    world.fund_btt(address(1), 100);
    let btt = world.chain.genesis().btt;
    let mut ids = Vec::new();
    for units in 1..=4 {
        let bytes = world.signed(1, &trigger(btt, btt_transfer(address(2), units)));
        ids.push(world.send(&bytes).unwrap());
        if units >= 3 {
            world.chain.produce(world.now_ms).unwrap();
        }
    }
    (world, ids)
}

#[test]
fn a_transactions_events_are_found_among_those_of_its_block() {
    let (world, ids) = world();
    for (index, id) in ids.iter().enumerate() {
        let filter = LogFilter { transaction: Some(*id), ..LogFilter::default() };
        let page = world.chain.logs(&filter, 100).unwrap();
        let found: Vec<_> = page.records.iter().map(|record| record.transaction).collect();
        assert_eq!(found, [*id], "{index}");
        assert_eq!(page.stopped_at, None);
    }
    let filter = LogFilter { transaction: Some(TxId([9; 32])), ..LogFilter::default() };
    assert_eq!(world.chain.logs(&filter, 100).unwrap().records, []);
}

#[test]
fn a_page_tells_where_the_next_begins() {
    let (world, _) = world();
    for newest_first in [false, true] {
        let mut filter = LogFilter { newest_first, ..LogFilter::default() };
        let all = world.chain.logs(&filter, 100).unwrap();
        assert_eq!(all.stopped_at, None);
        let mut paged = Vec::new();
        loop {
            let page = world.chain.logs(&filter, 2).unwrap();
            paged.extend(page.records);
            filter.after = page.stopped_at;
            if page.stopped_at.is_none() {
                break;
            }
        }
        assert_eq!(paged, all.records);
        assert!(paged.len() > 4);
    }
}

#[test]
fn places_at_the_end_of_all_numbers_have_nothing_after_them() {
    let (world, _) = world();
    let last = ((1 << 43) - 1, (1 << 20) - 1);
    for newest_first in [false, true] {
        let filter = LogFilter { newest_first, after: Some(last), ..LogFilter::default() };
        let found = world.chain.logs(&filter, 100).unwrap();
        assert_eq!(found.records.is_empty(), !newest_first);
    }
    let filter = LogFilter { after: Some((1 << 44, 0)), ..LogFilter::default() };
    assert!(world.chain.logs(&filter, 100).is_err());
    assert!(world.chain.transactions_of(address(1), Some((1 << 44, 0)), 10).is_err());
    assert_eq!(world.chain.transactions_of(address(1), Some(last), 1).unwrap().len(), 1);
}

#[test]
fn times_choose_the_blocks_that_are_looked_at() {
    let (world, _) = world();
    let all = world.chain.logs(&LogFilter::default(), 100).unwrap().records;
    let times: Vec<u64> = all.iter().map(|record| record.block_timestamp_ms).collect();
    let ends = [0, START_MS, times[0], times[1] + 1, times[times.len() - 1], u64::MAX];
    for min in ends {
        for max in ends {
            let filter = LogFilter {
                min_timestamp_ms: Some(min),
                max_timestamp_ms: Some(max),
                ..LogFilter::default()
            };
            let found = world.chain.logs(&filter, 100).unwrap().records;
            let wanted = times.iter().filter(|time| (min..=max).contains(time)).count();
            assert_eq!(found.len(), wanted, "{min} {max}");
        }
    }
}

#[test]
fn a_place_for_any_topic_must_have_one() {
    let (world, _) = world();
    let all = world.chain.logs(&LogFilter::default(), 100).unwrap().records;
    for places in 0..=4 {
        let filter = LogFilter { topics: vec![Vec::new(); places], ..LogFilter::default() };
        let found = world.chain.logs(&filter, 100).unwrap().records;
        let wanted = all.iter().filter(|record| record.log.topics.len() >= places).count();
        assert_eq!(found.len(), wanted, "{places}");
        assert!(places < 4 || found.is_empty());
    }
}
