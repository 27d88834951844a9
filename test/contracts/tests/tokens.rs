//! The Vault with tokens that are not what they should be. What a token takes from its own
//! holders nobody can help; but what the Vault says it holds, it holds.

use contracts::operation::Operation;
use contracts::stage::{Cast, Stage, announce, cast, deposit, redeem, unlock, withdraw};
use contracts::world::World;
use revm::primitives::{Address, U256};

const HONEST: u8 = 0;
const KEEPS_A_FEE: u8 = 1;
const ADDS_A_FEE: u8 = 2;
const SAYS_FALSE: u8 = 3;
const DOES_NOTHING: u8 = 4;
const CALLS_BACK: u8 = 5;

fn stage() -> Stage {
    Stage::with_token(World::revm(199), "EvilToken")
}

fn behave(stage: &mut Stage, mode: u8) {
    call_back(stage, mode, Address::ZERO, Vec::new());
}

fn call_back(stage: &mut Stage, mode: u8, target: Address, message: Vec<u8>) {
    let arguments = [U256::from(mode).to::<u8>().into(), target.into(), message.into()];
    stage.token_call(&cast().stranger, "behave", &arguments);
}

fn number(stage: &mut Stage, function: &str) -> u64 {
    let data = stage.token_code.call(function, &[]);
    let bytes = stage.world.ask(stage.token, data).result.expect("a counter can be asked");
    U256::from_be_slice(&bytes).to()
}

/// What the Vault holds, and what it owes to the cast's account and channel.
fn books(stage: &mut Stage) -> (u128, u128) {
    let Cast { owner, signer, payee, .. } = cast();
    let held = stage.tokens(stage.vault).to();
    let free = stage.free(owner, signer);
    (held, free + stage.channel(owner, signer, payee).locked.to::<u128>())
}

#[test]
fn a_token_that_keeps_a_fee_is_refused_at_the_deposit() {
    let mut stage = stage();
    let Cast { owner, signer, .. } = cast();
    behave(&mut stage, KEEPS_A_FEE);
    stage.refuses(owner, &deposit(owner, signer, 1_000), "TokenMovedAnotherAmount(1000, 990)");
    assert_eq!(books(&mut stage), (0, 0));
}

#[test]
fn a_fee_that_comes_later_is_its_receivers_matter() {
    let mut stage = stage();
    let Cast { payee, .. } = cast();
    stage.open(1_000);
    behave(&mut stage, KEEPS_A_FEE);
    let before = stage.tokens(payee.address);
    stage.accepts(payee, &redeem(&[stage.entry(600)]));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(594));
    assert_eq!(books(&mut stage), (400, 400));
}

#[test]
fn a_token_that_takes_more_from_the_vault_than_was_paid_pays_nobody() {
    let mut stage = stage();
    let Cast { owner, other_owner, signer, payee, .. } = cast();
    stage.open(1_000);
    stage.accepts(owner, &deposit(owner, signer, 1_000));
    stage.accepts(other_owner, &deposit(other_owner, signer, 1_000));
    behave(&mut stage, ADDS_A_FEE);
    let why = "TokenMovedAnotherAmount(1000, 1010)";
    stage.refuses(payee, &redeem(&[stage.entry(1_000)]), why);
    stage.refuses(owner, &withdraw(signer, 1_000), why);
    assert_eq!(books(&mut stage), (3_000, 2_000), "the rest is the other owner's");
    // Nothing is lost: once the token is itself again, the same voucher is paid.
    behave(&mut stage, HONEST);
    stage.accepts(payee, &redeem(&[stage.entry(1_000)]));
    stage.accepts(owner, &withdraw(signer, 1_000));
    stage.accepts(other_owner, &withdraw(signer, 1_000));
    assert_eq!(books(&mut stage), (0, 0));
}

#[test]
fn a_token_that_says_false_when_it_paid_is_believed_by_its_balances() {
    let mut stage = stage();
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(1_000);
    stage.accepts(owner, &deposit(owner, signer, 50));
    behave(&mut stage, SAYS_FALSE);
    let before = stage.tokens(payee.address);
    stage.accepts(payee, &redeem(&[stage.entry(600)]));
    stage.accepts(owner, &withdraw(signer, 50));
    assert_eq!(stage.tokens(payee.address) - before, U256::from(600));
    assert_eq!(books(&mut stage), (400, 400));
}

#[test]
fn a_token_that_says_true_and_does_nothing_costs_no_claim() {
    let mut stage = stage();
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(1_000);
    stage.accepts(owner, &deposit(owner, signer, 50));
    behave(&mut stage, DOES_NOTHING);
    stage.refuses(payee, &redeem(&[stage.entry(600)]), "TokenMovedAnotherAmount(600, 0)");
    stage.refuses(owner, &withdraw(signer, 50), "TokenMovedAnotherAmount(50, 0)");
    behave(&mut stage, HONEST);
    stage.accepts(payee, &redeem(&[stage.entry(600)]));
    stage.accepts(owner, &withdraw(signer, 50));
    assert_eq!(books(&mut stage), (400, 400));
}

#[test]
fn nothing_that_moves_tokens_can_be_called_while_tokens_move() {
    let Cast { owner, signer, other_signer, payee, .. } = cast();
    let message_of = |stage: &Stage, which: usize| {
        let later = stage.entry(700);
        let first = stage.entry(600);
        let release = stage.release(1, 700);
        let mandate = stage.mandate(Address::ZERO, 100, u64::MAX);
        let conditional = stage.conditional(700, &[]);
        let token = stage.token;
        let own = Operation::Deposit {
            owner: token,
            signer: other_signer.address,
            amount: U256::from(1),
        };
        let operations = [
            redeem(std::slice::from_ref(&later)),
            redeem(&[first]),
            redeem(&[]),
            Operation::Close { entry: later.clone(), release },
            Operation::RedeemFor { mandate, entries: vec![later] },
            Operation::RedeemConditional {
                entry: conditional,
                conditions: Vec::new(),
                scalars: Vec::new(),
            },
            own,
            withdraw(other_signer, 1),
        ];
        operations.get(which).map(|operation| operation.encode(&stage.vault_code))
    };
    for which in 0.. {
        let mut stage = stage();
        let Some(message) = message_of(&stage, which) else { break };
        stage.open(1_000);
        let vault = stage.vault;
        call_back(&mut stage, CALLS_BACK, vault, message.clone());
        let before = stage.tokens(payee.address);
        stage.accepts(payee, &redeem(&[stage.entry(600)]));
        stage.accepts(owner, &deposit(owner, signer, 5));
        stage.accepts(owner, &withdraw(signer, 5));
        assert_eq!(number(&mut stage, "callsMade"), 3, "the test does what it says");
        assert_eq!(number(&mut stage, "callsThatWorked"), 0, "message {which}");
        assert_eq!(stage.tokens(payee.address) - before, U256::from(600));
        assert_eq!(books(&mut stage), (400, 400));
    }
}

#[test]
fn an_unlock_while_tokens_move_finds_the_books_in_order() {
    let mut stage = stage();
    let Cast { owner, signer, payee, .. } = cast();
    stage.open(1_000);
    stage.accepts(owner, &announce(signer, payee));
    stage.world.wait(60);
    let message = unlock(owner, signer, payee).encode(&stage.vault_code);
    let vault = stage.vault;
    call_back(&mut stage, CALLS_BACK, vault, message);
    stage.accepts(payee, &redeem(&[stage.entry(600)]));
    assert_eq!(number(&mut stage, "callsThatWorked"), 1);
    assert_eq!(stage.free(owner, signer), 400);
    assert_eq!(books(&mut stage), (400, 400));
}

#[test]
fn a_vault_needs_a_token_and_one_without_code_takes_no_deposit() {
    let mut stage = stage();
    let creator = &cast().owner;
    let creation = stage.vault_code.creation(&[Address::ZERO.into()]);
    let outcome = stage.world.create(creator, creation);
    assert_eq!(stage.said(&outcome), Err("AddressIsZero()".to_owned()));

    // The token is an address without code: it can't be asked for a balance.
    let creation = stage.vault_code.creation(&[cast().stranger.address.into()]);
    let vault = stage.world.create(creator, creation).created.expect("it is created");
    let data = deposit(creator, creator, 5).encode(&stage.vault_code);
    let outcome = stage.world.send(creator, vault, data);
    assert!(outcome.result.is_err(), "{outcome:?}");
}
