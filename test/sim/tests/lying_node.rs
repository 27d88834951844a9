//! Does a wallet among lying nodes ever sign what it did not mean, or count what is not there?
//!
//! Method: see `sim::lying`. The table gives each lie to the only node of a network, and to one of
//! three: what is said of it, and that the answer is right where two are honest. Then seeds: lies, delays,
//! reorganisations and crashes by chance.

use std::time::Duration;

use base::Rng;
use ledger::Amount;
use ledger::chain_client::{Answer, Query, View};
use ledger::network::Coin;
use ledger::outbox::{SendError, Status};
use sim::lying::{FRIEND, LIES, Lie, World, owner};
use sim::tron_chain::TOKEN;

#[test]
fn an_honest_node_gets_a_token_transfer_done() {
    let mut world = World::new(1, &[None]);
    let order = world.order(true, 500);
    let record = world.send(order).expect("ends").expect("is sent");
    assert!(matches!(record.status, Status::Confirmed(_)), "{:?}", record.status);
    assert_eq!(world.chain.head().money.token[&FRIEND], 577);
    assert_eq!(world.said, Vec::<String>::new());
    world.check_nothing_twice();
}

#[test]
fn three_honest_nodes_agree_though_a_block_apart() {
    for seed in 0..20 {
        let mut world = World::new(seed, &[None, None, None]);
        let order = world.order(false, 1_000_000);
        let record = world.send(order).expect("ends").expect("is sent");
        assert!(matches!(record.status, Status::Confirmed(_)), "seed {seed}: {:?}", record.status);
        let query = Query::Balance { of: FRIEND, coin: Coin::Native, view: View::Solid };
        assert_eq!(world.ask(query), Ok(Answer::Balance(Amount::new(6_000_000))), "seed {seed}");
        world.check_nothing_twice();
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    trx: Option<u128>,
    token: Option<u128>,
    sent: Option<Result<Status, SendError>>,
    failing: Option<Result<Status, SendError>>,
}

/// Everything that a wallet does: looks at balances, sends tokens, and sends what will fail.
fn everything(world: &mut World) -> Seen {
    let balance = |world: &mut World, coin| match world.ask(Query::Balance {
        of: owner(),
        coin,
        view: View::Solid,
    }) {
        Ok(Answer::Balance(amount)) => Some(amount.units()),
        _ => None,
    };
    let trx = balance(world, Coin::Native);
    let token = balance(world, Coin::Token(TOKEN));
    let order = world.order(true, 500);
    let sent = world.send(order).map(|how| how.map(|record| record.status));
    let order = world.order(true, 1 << 90);
    let failing = world.send(order).map(|how| how.map(|record| record.status));
    Seen { trx, token, sent, failing }
}

#[test]
fn explore() {
    for lie in LIES {
        for lies in [vec![Some(lie)], vec![None, Some(lie), None]] {
            let mut world = World::new(3, &lies);
            let seen = everything(&mut world);
            world.check_nothing_twice();
            let mut said = world.said.clone();
            said.dedup();
            said.truncate(4);
            println!(
                "{lie:?} {} {} {:?}\n     {:?} {:?}\n    {}",
                lies.len(),
                seen.trx == Some(10_000_000_000),
                seen.token,
                seen.sent,
                seen.failing,
                said.join("\n    ")
            );
        }
    }
}
