//! What is taken and what it costs.

use crate::{ContractResult, ResponseCode, Sun, View};
use ledger::transaction::{Action, Terms};
use proptest::prelude::*;
use wire::tron;

use super::world::{
    FEE_LIMIT, START_MS, TRX, World, address, btt_transfer, creating, deploy, key, signed,
    transfer, trigger,
};

#[test]
fn a_chain_begins_with_its_token_and_vault() {
    let mut world = World::new();
    let genesis = world.chain.genesis();
    assert_eq!(world.chain.head().number(), 1);
    assert_eq!(genesis.chain_id, genesis.id.chain_id());
    let contract = world.chain.contract(genesis.vault).unwrap().unwrap();
    assert_eq!(contract.name, "Vault");
    assert_eq!(world.btt_of(genesis.faucet, View::Solid), crate::genesis::BTT_SUPPLY);
    let token = world.view(genesis.vault, wire::abi::selector("token()").to_vec(), View::Solid);
    assert_eq!(token.output[12..], genesis.btt.bytes()[..]);
}

#[test]
fn two_chains_share_nothing_that_is_signed() {
    let one = World::new().chain.genesis();
    let config = crate::Config::default();
    let other = crate::Chain::open(None, config, [8; 32], START_MS).unwrap().genesis();
    assert_ne!(one.id, other.id);
    assert_ne!(one.chain_id, other.chain_id);
    assert_ne!(one.faucet, other.faucet);
    assert_ne!(one.vault, other.vault);
}

#[test]
fn a_transfer_uses_free_bandwidth_then_pays_per_byte() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    let first = world.act(1, &transfer(address(2), TRX)).unwrap();
    assert_eq!(first.fee, Sun(0));
    let bytes = first.net_usage;
    assert!((250..300).contains(&bytes), "{bytes}");
    let second = world.act(1, &transfer(address(2), TRX)).unwrap();
    assert_eq!((second.net_usage, second.fee), (bytes, Sun(0)));
    let third = world.act(1, &transfer(address(2), TRX)).unwrap();
    assert_eq!((third.net_usage, third.net_fee), (0, Sun(bytes * 1_000)));
    assert_eq!(third.fee, third.net_fee);
    assert_eq!(world.balance(address(1)), 97 * TRX - third.fee.0);
    assert_eq!(world.balance(address(2)), 4 * TRX);
}

#[test]
fn free_bandwidth_comes_back_within_a_day() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    for _ in 0..2 {
        world.act(1, &transfer(address(2), 1)).unwrap();
    }
    world.now_ms += 12 * 60 * 60 * 1_000;
    assert_eq!(world.act(1, &transfer(address(2), 1)).unwrap().fee, Sun(0));
    world.now_ms += 24 * 60 * 60 * 1_000;
    world.chain.mine(world.now_ms).unwrap();
    assert_eq!(world.chain.resources(address(1)).unwrap().unwrap().free_net_used, 0);
}

#[test]
fn a_transfer_that_makes_an_account_costs_1_1_trx() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    let receipt = world.act(1, &transfer(address(9), 5)).unwrap();
    assert_eq!((receipt.fee, receipt.net_fee), (Sun(1_100_000), Sun(100_000)));
    assert_eq!(receipt.result, ContractResult::Default);
    assert_eq!(world.balance(address(9)), 5);
}

#[test]
fn a_token_transfer_pays_energy_and_logs() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund_btt(address(1), 1_000);
    let btt = world.chain.genesis().btt;
    let receipt = world.act(1, &trigger(btt, btt_transfer(address(2), 400))).unwrap();
    assert_eq!(receipt.result, ContractResult::Success);
    assert_eq!(receipt.energy_fee, Sun(receipt.energy_usage_total * 100));
    assert_eq!(receipt.fee.0, receipt.energy_fee.0 + receipt.net_fee.0);
    let topics = &receipt.logs[0].topics;
    assert_eq!(topics[0], wire::abi::topic("Transfer(address,address,uint256)"));
    assert_eq!(world.btt_of(address(2), View::Head), 400);
    // A word that had a value costs 15,000 less than one that had none.
    let again = world.act(1, &trigger(btt, btt_transfer(address(2), 400))).unwrap();
    assert_eq!(receipt.energy_usage_total - again.energy_usage_total, 15_000);
}

#[test]
fn a_revert_charges_what_was_used_and_an_invalid_instruction_all() {
    let mut world = World::new();
    world.fund(address(1), 10_000 * TRX);
    let btt = world.chain.genesis().btt;
    let receipt = world.act(1, &trigger(btt, btt_transfer(address(2), 1))).unwrap();
    assert_eq!(receipt.result, ContractResult::Revert);
    assert_eq!(receipt.message, "REVERT opcode executed");
    assert!(receipt.energy_usage_total < 5_000);
    assert!(!receipt.output.is_empty());
    let invalid = world.deploy(1, &[0xfe]);
    let receipt = world.act(1, &trigger(invalid, Vec::new())).unwrap();
    assert_eq!(receipt.result, ContractResult::IllegalOperation);
    assert_eq!(receipt.message, "Invalid operation code: opCode[fe];");
    assert_eq!(receipt.energy_fee, FEE_LIMIT);
}

#[test]
fn the_balance_bounds_energy_as_the_fee_limit_does() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    // JUMPDEST, PUSH0, JUMP: for ever.
    let endless = world.deploy(1, &[0x5b, 0x5f, 0x56]);
    let before = world.balance(address(1));
    let receipt = world.act(1, &trigger(endless, Vec::new())).unwrap();
    assert_eq!(receipt.result, ContractResult::OutOfEnergy);
    assert!(receipt.message.starts_with("Not enough energy for '"), "{}", receipt.message);
    assert_eq!(receipt.energy_usage_total, (before - receipt.net_fee.0) / 100);
    assert!(world.balance(address(1)) < 100);
}

#[test]
fn running_out_of_energy_is_told_with_the_numbers_of_the_real_node() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    // PUSH1 1, PUSH0, SSTORE
    let contract = world.deploy(1, &[0x60, 1, 0x5f, 0x55]);
    for (energy, words) in [
        (
            20_004,
            "'SSTORE' operation executing: curInvokeEnergyLimit[20004], curOpEnergy[20000], usedEnergy[5]",
        ),
        (4, "'PUSH0' operation executing: curInvokeEnergyLimit[4], curOpEnergy[2], usedEnergy[3]"),
        (0, "'PUSH1' operation executing: curInvokeEnergyLimit[0], curOpEnergy[3], usedEnergy[0]"),
    ] {
        let terms = Terms { fee_limit: Sun(energy * 100), ..world.terms() };
        let id = world.send(&signed(1, &trigger(contract, Vec::new()), &terms)).unwrap();
        world.chain.produce(world.now_ms).unwrap();
        let receipt = world.chain.receipt(id, View::Head).unwrap().unwrap();
        assert_eq!(receipt.result, ContractResult::OutOfEnergy);
        assert_eq!(receipt.message, format!("Not enough energy for {words}"));
        assert_eq!(receipt.energy_usage_total, energy);
    }
}

#[test]
fn code_that_cannot_be_paid_for_is_not_kept() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    let terms = Terms { fee_limit: Sun(100_000), ..world.terms() };
    let id = world.send(&signed(1, &deploy(&creating(&[0; 10])), &terms)).unwrap();
    world.chain.produce(world.now_ms).unwrap();
    let receipt = world.chain.receipt(id, View::Head).unwrap().unwrap();
    assert_eq!((receipt.result, receipt.energy_usage_total), (ContractResult::OutOfEnergy, 1_000));
    let words = "'save just created contract code' executing: needEnergy[2000], leftEnergy[981];";
    assert_eq!(receipt.message, format!("Not enough energy for {words}"));
    assert_eq!(world.chain.contract(receipt.contract.unwrap()).unwrap(), None);
}

#[test]
fn refusals_come_in_the_words_of_the_real_node() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    let vault = world.chain.genesis().vault;
    let invalid = ResponseCode::ContractValidateError;
    let short = format!("account [{}] does not exist", address(3));
    let cases = [
        (
            1,
            transfer(address(2), 200 * TRX),
            "Validate TransferContract error, balance is not sufficient.",
        ),
        (1, transfer(address(2), 0), "Amount must be greater than 0."),
        (1, transfer(address(1), 1), "Cannot transfer TRX to yourself."),
        (
            1,
            transfer(vault, 1),
            "Cannot transfer TRX to a smartContract which version is one. Instead please use TriggerSmartContract ",
        ),
        (3, transfer(address(2), 1), short.as_str()),
        (1, trigger(address(2), Vec::new()), "No contract or not a smart contract"),
        (
            1,
            Action::Trigger { contract: vault, call_value: Sun(500 * TRX), data: Vec::new() },
            "Validate InternalTransfer error, balance is not sufficient.",
        ),
    ];
    for (who, action, words) in cases {
        let refused = world.act(who, &action).unwrap_err();
        assert_eq!(
            (refused.code, refused.message),
            (invalid, format!("Contract validate error : {words}"))
        );
    }
    assert_eq!(world.chain.pending(), []);
}

#[test]
fn a_transaction_is_taken_once() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    let bytes = world.signed(1, &transfer(address(2), 1));
    world.send(&bytes).unwrap();
    let dup = (ResponseCode::DupTransactionError, "Dup transaction.".to_owned());
    let waiting = world.send(&bytes).unwrap_err();
    assert_eq!((waiting.code, waiting.message), dup);
    world.chain.produce(world.now_ms).unwrap();
    let made = world.send(&bytes).unwrap_err();
    assert_eq!((made.code, made.message), dup);
}

#[test]
fn only_the_owners_signature_counts() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    let bytes = world.signed(1, &transfer(address(2), 1));
    let raw = tron::raw_data_bytes(&bytes).unwrap();
    let id = keys::sha256(&raw);
    let forged = tron::signed(&raw, &key(2).sign(&id).to_bytes());
    let refused = world.send(&forged).unwrap_err();
    assert_eq!(refused.code, ResponseCode::SigError);
    let words = format!("is signed by {} but it is not contained of permission.", address(2));
    assert!(refused.message.ends_with(&words), "{}", refused.message);
    let none = world.send(&raw_only(&raw)).unwrap_err();
    assert_eq!(none.message, "Validate signature error: miss sig or contract");
    // revm's recovery panics at an id that there is none of.
    for v in [4, 26, 35, 255] {
        let mut odd = key(1).sign(&id).to_bytes();
        odd[64] = v;
        let refused = world.send(&tron::signed(&raw, &odd)).unwrap_err();
        assert_eq!(
            refused.message,
            "Validate signature error: Could not recover public key from signature"
        );
    }
    // The node takes a `v` that begins at 0 too.
    let mut low = key(1).sign(&id).to_bytes();
    low[64] -= 27;
    world.send(&tron::signed(&raw, &low)).unwrap();
}

/// `Transaction` with `raw` and no signature.
fn raw_only(raw: &[u8]) -> Vec<u8> {
    let whole = tron::signed(raw, &[]);
    whole[..whole.len() - 2].to_vec()
}

#[test]
fn a_transaction_names_a_block_of_this_chain_and_does_not_wait_for_ever() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    world.fund(address(2), TRX);
    let terms = world.terms();
    let mut send = |terms: Terms| {
        let bytes = signed(1, &transfer(address(2), 1), &terms);
        world.send(&bytes).map_err(|refused| refused.code)
    };
    let elsewhere = ledger::BlockId([5; 32]);
    assert_eq!(send(Terms { ref_block: elsewhere, ..terms }), Err(ResponseCode::TaposError));
    let expired = Terms { expiration_ms: START_MS, ..terms };
    assert_eq!(send(expired), Err(ResponseCode::TransactionExpirationError));
    let late = Terms { expiration_ms: terms.expiration_ms + 24 * 60 * 60 * 1_000, ..terms };
    assert_eq!(send(late), Err(ResponseCode::TransactionExpirationError));
    let greedy = Terms { fee_limit: Sun(15_000_000_000), ..terms };
    send(greedy).unwrap();
}

#[test]
fn what_is_no_transaction_is_refused() {
    let mut world = World::new();
    for bytes in [&[][..], &[1, 2, 3], &[0xff; 40]] {
        assert_eq!(world.send(bytes).unwrap_err().code, ResponseCode::OtherError);
    }
    let long = vec![0; tron::TRANSACTION_BYTES_MAX + 1];
    assert_eq!(world.send(&long).unwrap_err().code, ResponseCode::TooBigTransactionError);
}

#[test]
fn staking_and_other_tokens_are_refused_clearly() {
    let mut world = World::new();
    world.fund(address(1), 100 * TRX);
    let bytes = world.signed(1, &transfer(address(2), 1));
    let mut raw: tron::RawData =
        tron::decode("raw", &tron::raw_data_bytes(&bytes).unwrap()).unwrap();
    raw.contract[0].r#type = tron::ContractKind::FreezeBalanceV2Contract.into();
    let raw = tron::encode(&raw);
    let signature = key(1).sign(&keys::sha256(&raw)).to_bytes();
    let refused = world.send(&tron::signed(&raw, &signature)).unwrap_err();
    assert!(refused.message.contains("FreezeBalanceV2Contract is not supported"), "{refused}");
}

#[test]
fn a_failed_deployment_leaves_no_contract() {
    let mut world = World::new();
    world.fund(address(1), 10_000 * TRX);
    let receipt = world.act(1, &deploy(&[0x5f, 0x5f, 0xfd])).unwrap();
    assert_eq!(receipt.result, ContractResult::Revert);
    assert_eq!(world.chain.contract(receipt.contract.unwrap()).unwrap(), None);
    assert_eq!(world.chain.account(receipt.contract.unwrap(), View::Head).unwrap(), None);
}

#[test]
fn the_faucet_gives_up_to_its_bounds() {
    let mut world = World::new();
    let now_ms = world.now_ms;
    assert!(world.chain.faucet(address(1), None, 0, now_ms).is_err());
    let over = u128::from(crate::chain::FAUCET_SUN_MAX) + 1;
    assert!(world.chain.faucet(address(1), None, over, now_ms).is_err());
    assert!(world.chain.faucet(address(1), Some(address(2)), 1, now_ms).is_err());
    // The same gift twice at the same time is two gifts.
    for _ in 0..2 {
        world.chain.faucet(address(1), None, 10, now_ms).unwrap();
    }
    world.chain.produce(now_ms).unwrap();
    assert_eq!(world.balance(address(1)), 20);
}

/// Instructions that do something with money, contracts or storage, often.
fn code() -> impl Strategy<Value = Vec<u8>> {
    let busy = prop::sample::select(vec![
        0x30, 0x31, 0x33, 0x34, 0x35, 0x47, 0x50, 0x51, 0x52, 0x54, 0x55, 0x5a, 0x5b, 0x5f, 0x5f,
        0x5f, 0x60, 0x80, 0x90, 0xa1, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xfa, 0xfd, 0xff,
    ]);
    prop::collection::vec(prop_oneof![3 => busy, 1 => any::<u8>()], 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_code_ends_and_makes_no_money(codes in prop::collection::vec(code(), 1..6), sun in 0..TRX) {
        let mut world = World::new();
        world.fund(address(1), 100_000 * TRX);
        for code in codes {
            let action = Action::Deploy {
                name: String::new(),
                bytecode: creating(&code),
                abi: tron::ContractAbi::default(),
                call_value: Sun(sun),
            };
            drop(world.act(1, &deploy(&code)));
            if let Ok(receipt) = world.act(1, &action) {
                let contract = receipt.contract.unwrap();
                drop(world.act(1, &Action::Trigger { contract, call_value: Sun(sun), data: code }));
            }
        }
        // Nothing was lost either: all accounts that there are, and what was burned.
        prop_assert_eq!(world.chain.sum_of_balances().unwrap() + world.chain.burned().0, crate::genesis::SUPPLY_SUN);
    }

    #[test]
    fn no_bytes_stop_the_chain(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..300, to in any::<u8>()) {
        let mut world = World::new();
        drop(world.send(&bytes));
        world.fund(address(1), 100 * TRX);
        let mut damaged = world.signed(1, &transfer(address(2), TRX));
        let at = at % damaged.len();
        damaged[at] = to;
        drop(world.send(&damaged));
        world.chain.mine(world.now_ms).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What is taken from one goes to another or is burned.
    #[test]
    fn trx_is_conserved_but_for_what_is_burned(
        acts in prop::collection::vec((1_u8..5, 1_u8..8, 0_u64..40 * TRX, 0_u8..4), 1..30)
    ) {
        let mut world = World::new();
        for person in 1..5 {
            world.fund(address(person), 60 * TRX);
        }
        // CALLER gets half of what comes: PUSH0 x4, CALLVALUE, PUSH1 1, SHR, CALLER, GAS, CALL.
        let halving = world.deploy(1, &[0x5f, 0x5f, 0x5f, 0x5f, 0x34, 0x60, 1, 0x1c, 0x33, 0x5a, 0xf1]);
        let invalid = world.deploy(2, &[0xfe]);
        for (from, to, sun, kind) in acts {
            let call = |contract| Action::Trigger { contract, call_value: Sun(sun), data: Vec::new() };
            let action = match kind {
                0 => call(halving),
                1 => call(invalid),
                2 => deploy(&[0x5f, 0x5f, 0xfd]),
                _ => transfer(address(to), sun),
            };
            drop(world.act(from, &action));
        }
        let genesis = world.chain.genesis();
        let people = (1..8).map(address).chain([genesis.faucet, genesis.btt, genesis.vault, halving, invalid]);
        let sum: u64 = people.map(|one| world.balance(one)).sum();
        prop_assert_eq!(sum + world.chain.burned().0, crate::genesis::SUPPLY_SUN);
    }
}

#[test]
fn a_block_takes_no_more_than_can_be_kept() {
    let mut world = World::new();
    world.fund(address(1), 100_000 * TRX);
    // 16 events of a MiB each.
    let loud = world.deploy(1, &[0x62, 0x10, 0, 0, 0x5f, 0xa0].repeat(16));
    for expected in [Ok(()), Ok(()), Err(ResponseCode::ServerBusy)] {
        let terms = Terms { fee_limit: Sun(15_000 * TRX), ..world.terms() };
        let sent = world.send(&signed(1, &trigger(loud, Vec::new()), &terms));
        assert_eq!(sent.map(|_id| ()).map_err(|refused| refused.code), expected);
    }
    world.chain.produce(world.now_ms).unwrap();
    let bytes = world.signed(1, &transfer(address(2), 5));
    world.send(&bytes).unwrap();
}

#[test]
fn the_clock_runs_ahead_a_hundred_years_and_no_more() {
    let mut world = World::new();
    world.chain.skip_time(crate::SKIPPED_MS_MAX - 1).unwrap();
    for ms in [2, u64::MAX] {
        let refused = world.chain.skip_time(ms).unwrap_err();
        assert!(matches!(refused, crate::ChainError::SkipTooFar { .. }), "{refused}");
    }
    world.fund(address(1), TRX);
    assert_eq!(world.balance(address(1)), TRX);
}
