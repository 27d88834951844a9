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
use ledger::outbox::{Order, SendError, Status};
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

/// What a wallet found when it did everything that it does.
#[derive(Debug, PartialEq)]
struct Seen {
    trx: Option<u128>,
    token: Option<u128>,
    /// A transfer that is fine.
    sent: Option<Result<Status, SendError>>,
    /// One that can only fail.
    failing: Option<Result<Status, SendError>>,
}

/// Follows events, looks at balances, sends tokens, and sends what will fail.
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
    world.follow();
    let order = world.order(true, 500);
    let sent = world.send(order).map(|how| how.map(|record| record.status));
    // A quote that a person confirmed when it was true.
    let quote = world.order(true, 500);
    let quote = world.ask(Query::Quote { from: owner(), action: quote.action });
    let quote = if let Ok(Answer::Quote(quote)) = quote { Some(quote) } else { None };
    let order = Order { quote, ..world.order(true, 1 << 90) };
    let failing = world.send(order).map(|how| how.map(|record| record.status));
    world.run_for(Duration::from_secs(60));
    Seen { trx, token, sent, failing }
}

/// Everything that was said, each thing once.
fn said(world: &World) -> String {
    let mut lines = world.said.clone();
    lines.sort();
    lines.dedup();
    lines.join("\n")
}

fn is_confirmed(sent: &Option<Result<Status, SendError>>) -> bool {
    matches!(sent, Some(Ok(Status::Confirmed(_))))
}

/// Part of what is said of a lie, by a network's only node and by one of three. `None`: nothing can
/// be said, since it is believable, or since it is of no consequence.
type Statements = (Lie, Option<&'static str>, Option<&'static str>);

const ALONE_OF_ANOTHER_CHAIN: &str = "of another chain: its chain id is 3134241488, not 1197538290";

/// `docs/lying-nodes.md` shows this table.
const TABLE: [Statements; 43] = [
    (Lie::Genesis, Some(ALONE_OF_ANOTHER_CHAIN), Some(ALONE_OF_ANOTHER_CHAIN)),
    (Lie::BlockNumber, Some("has a \"blockID\" that cannot be"), None),
    (
        Lie::OtherBlock,
        Some("answers for another block: 1, not"),
        Some("answers for another block: 1, not"),
    ),
    (Lie::FalseBlock, Some("TAPOS_ERROR"), Some("says of a final block: block")),
    (Lie::FutureBlock, Some("s later than our clock"), None),
    (Lie::OldBlock, Some("s old: it is behind, or our clock is wrong"), None),
    (
        Lie::Balance,
        None,
        Some("says of the balance: 9000000000000000 sun, but the others say: 10000000000 sun"),
    ),
    (
        Lie::NoAccount,
        Some("it needs"),
        Some("says of the balance: no such account, but the others say:"),
    ),
    (
        Lie::OtherAccount,
        Some("answers for another address: TK"),
        Some("answers for another address: TK"),
    ),
    (
        Lie::TokenBalance,
        None,
        Some(
            "says of the balance of a token: 340282366920938463463374607431768211455, but the others say: 1000000",
        ),
    ),
    (
        Lie::OtherCall,
        Some("answers for another call: a9059cbb"),
        Some("answers for another call: a9059cbb"),
    ),
    (Lie::Energy, Some("above the cap of 20000000"), None),
    (Lie::NoEnergy, None, None),
    (Lie::Prices, Some("above the cap of 20000000"), None),
    (Lie::NoPrices, Some("says that energy or bandwidth is for nothing, which cannot be"), None),
    (Lie::NegativePrice, Some("has a \"getEnergyFee\" that cannot be"), None),
    (
        Lie::CallFails,
        Some("that contract is no token: REVERT"),
        Some("says of the balance of a token: failed"),
    ),
    (Lie::FailureHidden, None, Some("says of a transaction: done in block")),
    (Lie::SuccessHidden, None, Some("failed (REVERT)")),
    (
        Lie::OtherReceipt,
        Some("answers for another transaction: eeee"),
        Some("answers for another transaction: eeee"),
    ),
    (
        Lie::OtherEvents,
        Some("answers for another block: 1, not"),
        Some("answers for another block: 1, not"),
    ),
    (Lie::NoReceipt, None, Some("says of a transaction: not there, but the others say: done")),
    (Lie::FalseReceipt, None, Some("says of a transaction: done in block")),
    (Lie::Fee, None, Some("for 1, 14000 energy, 1 events, but the others say: done")),
    (Lie::EventAmount, None, Some("says of the events of a block")),
    (Lie::FalseEvent, None, Some("says of the events of a block")),
    (Lie::NoEvents, None, Some("says of the events of a block")),
    (Lie::TakenAndDropped, None, None),
    (Lie::RefusedAndSent, Some("refuses it: SIGERROR no, no"), Some("refuses it: SIGERROR no, no")),
    (
        Lie::OtherId,
        Some("answers for another transaction: eeee"),
        Some("answers for another transaction: eeee"),
    ),
    (Lie::PayTwice, None, Some("says of a final block: block")),
    (Lie::Replay, Some("s old: it is behind, or our clock is wrong"), Some("but the others say:")),
    (Lie::Silence, Some("no answer in time"), Some("no answer in time")),
    (Lie::Drip, Some("no answer in time"), Some("no answer in time")),
    (Lie::TooLarge, Some("the reply is too large"), Some("the reply is too large")),
    (Lie::Garbage, Some("the reply is not JSON"), Some("the reply is not JSON")),
    (Lie::OtherShape, Some("the reply lacks \"block_header\""), Some("the reply lacks \"code\"")),
    (Lie::Deep, Some("the reply is not JSON"), Some("the reply is not JSON")),
    (Lie::Huge, Some("the reply has a \"balance\" that cannot be"), None),
    (
        Lie::ServerError,
        Some("it answers with HTTP status 500"),
        Some("it answers with HTTP status 500"),
    ),
    (
        Lie::Redirect,
        Some("it answers with HTTP status 302"),
        Some("it answers with HTTP status 302"),
    ),
    (Lie::CutOff, Some("not a good HTTP reply"), Some("not a good HTTP reply")),
    (Lie::Refusal, Some("refuses: class x : no [2J"), Some("refuses: class x : no [2J")),
];

#[test]
fn the_only_node_of_a_network_is_told_what_is_wrong_with_its_lies() {
    for (lie, statement, _) in TABLE {
        let mut world = World::new(3, &[Some(lie)]);
        let seen = everything(&mut world);
        world.check_nothing_twice();
        let said = said(&world);
        if let Some(statement) = statement {
            assert!(said.contains(statement), "{lie:?}: {statement:?} is not said in:\n{said}");
        }
        assert!(!said.contains('\u{1b}'), "{lie:?}: an escape reaches the terminal");
        // What it says of a receipt is all there is to know; else what fails is never called done.
        let is_believed = matches!(lie, Lie::FailureHidden | Lie::FalseReceipt);
        assert!(!is_confirmed(&seen.failing) || is_believed, "{lie:?}");
    }
}

#[test]
fn one_liar_of_three_changes_nothing_and_is_named() {
    for (lie, _, statement) in TABLE {
        for place in 0..3 {
            let mut lies = [None; 3];
            lies[place] = Some(lie);
            let mut world = World::new(3, &lies);
            let seen = everything(&mut world);
            world.check_nothing_twice();
            let said = said(&world);
            assert_eq!(seen.trx, Some(10_000_000_000), "{lie:?} at {place}:\n{said}");
            assert_eq!(seen.token, Some(1_000_000), "{lie:?} at {place}:\n{said}");
            let credited = if is_confirmed(&seen.sent) { 500 } else { 0 };
            assert_eq!(world.credited, credited, "{lie:?} at {place}:\n{said}");
            // What a single node estimates may keep us from sending, never make us send wrongly.
            let refuses = matches!(lie, Lie::Energy | Lie::NoAccount | Lie::CallFails | Lie::Huge);
            assert!(is_confirmed(&seen.sent) || refuses, "{lie:?} at {place}: {seen:?}\n{said}");
            assert!(!is_confirmed(&seen.failing), "{lie:?} at {place}");
            if let Some(statement) = statement.filter(|_| place == 1) {
                assert!(said.contains(statement), "{lie:?}: {statement:?} is not in:\n{said}");
                assert!(said.contains("http://node1"), "{lie:?}: the liar is not named:\n{said}");
            }
            let accused = said.lines().any(|line| {
                let by_name = |honest: usize| line.contains(&format!("node http://node{honest} "));
                (0..3).any(|honest| honest != place && by_name(honest))
            });
            assert!(!accused, "{lie:?} at {place}: an honest node is accused:\n{said}");
        }
    }
}

#[test]
fn of_two_nodes_that_contradict_each_other_neither_is_believed() {
    for lie in [Lie::Balance, Lie::TokenBalance, Lie::FalseBlock, Lie::PayTwice, Lie::Fee] {
        let mut world = World::new(3, &[Some(lie), None]);
        let seen = everything(&mut world);
        world.check_nothing_twice();
        let said = said(&world);
        assert!(said.contains("but node http://node1 says:"), "{lie:?}:\n{said}");
        let true_or_none = |seen: Option<u128>, truth| seen.is_none_or(|seen| seen == truth);
        assert!(true_or_none(seen.trx, 10_000_000_000), "{lie:?}: {seen:?}");
        assert!(true_or_none(seen.token, 1_000_000), "{lie:?}: {seen:?}");
    }
}

/// Lies, delays, reorganisations and crashes by chance: three nodes or more, of which most are honest.
fn run(seed: u64) -> (u32, u32, u32, Vec<String>) {
    let mut rng = Rng::from_seed(seed);
    let count = 3 + rng.below(2) as usize;
    let mut lies = vec![None; count];
    let liar = rng.below(u32::try_from(count).expect("few")) as usize;
    lies[liar] = Some(LIES[rng.below(u32::try_from(LIES.len()).expect("few")) as usize]);
    let mut world = World::new(seed, &lies);
    world.rough = true;
    world.follow();
    for _ in 0..4 {
        let (is_token, units) = (rng.chance(2, 3), 1 + u128::from(rng.below(1000)));
        let order = world.order(is_token, units);
        let (intent, begun) = (order.intent, world.begin(order));
        assert!(begun.is_ok(), "seed {seed} failed: {begun:?}");
        world.run_for(Duration::from_secs(u64::from(rng.below(30))));
        if rng.chance(1, 4) {
            world.chain.forget_waiting();
        }
        if rng.chance(1, 2) {
            world.run_until_ended(intent);
        }
    }
    world.run_for(Duration::from_secs(300));
    world.check_nothing_twice();
    let live = world.stored.values().filter(|record| record.is_live()).count();
    assert!(live == 0, "seed {seed} failed: {live} transactions have come to no end");
    (world.crashes, world.signatures, world.undone, world.said)
}

#[test]
fn nothing_is_paid_twice_or_counted_wrongly_whatever_happens() {
    let (mut crashes, mut signatures, mut undone) = (0, 0, 0);
    for seed in sim::seeds(200) {
        let (crashed, signed, taken_back, _) = run(seed);
        crashes += crashed;
        signatures += signed;
        undone += taken_back;
    }
    // The world is as bad as it is said to be.
    assert!(crashes > 0 && undone > 0, "{crashes} crashes, {undone} blocks taken back");
    assert!(signatures > 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(run(7), run(7), "seed 7");
}
