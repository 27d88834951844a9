//! Energy, addresses and precompiled contracts as on TRON.

use crate::{ContractResult, View};
use keys::{keccak256, sha256};
use proptest::prelude::*;

use super::world::{TRX, World, address, creating, key, trigger};

/// Energy of a run of `code` that ends by `STOP`.
fn energy(world: &mut World, code: &[u8]) -> u64 {
    let outcome = world.try_code(code.to_vec());
    assert_eq!(outcome.message, "", "{code:02x?}");
    outcome.energy_used
}

#[test]
fn instructions_cost_what_java_tron_charges() {
    let mut world = World::new();
    // (code, energy), by EnergyCost.java: PUSH0 2, PUSH1 3.
    let cases: [(&[u8], u64); 26] = [
        (&[0x00], 0),
        (&[0x5f, 0x51], 2 + 1 + 3),           // MLOAD, one word of memory
        (&[0x5f, 0x5f, 0x52], 4 + 1 + 3),     // MSTORE
        (&[0x5f, 0x5f, 0x53], 4 + 1 + 3),     // MSTORE8
        (&[0x5f, 0x54], 2 + 50),              // SLOAD
        (&[0x60, 1, 0x5f, 0x55], 5 + 20_000), // SSTORE, a new value
        (&[0x5f, 0x5f, 0x55], 4 + 5_000),     // SSTORE, zero where nothing was
        (&[0x60, 1, 0x5f, 0x55, 0x60, 2, 0x5f, 0x55], 10 + 25_000), // then another
        (&[0x60, 1, 0x5f, 0x55, 0x5f, 0x5f, 0x55], 9 + 25_000), // then zero: no refund
        // A word that was written exists, also with zero in it.
        (&[0x60, 1, 0x5f, 0x55, 0x5f, 0x5f, 0x55, 0x60, 1, 0x5f, 0x55], 14 + 30_000),
        (&[0x5f, 0x5c], 2 + 100),       // TLOAD
        (&[0x5f, 0x5f, 0x5d], 4 + 100), // TSTORE
        (&[0x30, 0x31], 2 + 20),        // BALANCE
        (&[0x30, 0x3b], 2 + 20),        // EXTCODESIZE
        (&[0x30, 0x3f], 2 + 400),       // EXTCODEHASH
        (&[0x60, 32, 0x5f, 0x5f, 0x30, 0x3c], 3 + 4 + 2 + 20 + 3 + 3), // EXTCODECOPY
        (&[0x60, 32, 0x5f, 0x5f, 0x37], 3 + 4 + 3 + 3), // CALLDATACOPY: no base
        (&[0x60, 32, 0x5f, 0x5f, 0x39], 3 + 4 + 3 + 3), // CODECOPY: no base
        (&[0x60, 32, 0x5f, 0x5f, 0x5e], 3 + 4 + 3 + 3 + 3), // MCOPY
        (&[0x61, 1, 0, 0x60, 2, 0x0a], 6 + 10 + 20), // EXP, two bytes
        (&[0x60, 32, 0x5f, 0x20], 5 + 30 + 6 + 3), // SHA3
        (&[0x60, 1, 0x5f, 0xa0], 5 + 375 + 8 + 3), // LOG0
        (&[0x5f, 0x60, 1, 0x5f, 0xa1], 7 + 375 + 375 + 8 + 3), // LOG1
        (&[0x5f, 0x5f, 0x5f, 0xf0], 6 + 32_000), // CREATE of nothing
        (&[0x5f, 0x5f, 0x5f, 0x5f, 0xf5], 8 + 32_000), // CREATE2 of nothing
        (&[0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xfa], 8 + 4 + 40), // STATICCALL of itself, no code yet
    ];
    for (code, expected) in cases {
        assert_eq!(energy(&mut world, code), expected, "{code:02x?}");
    }
}

#[test]
fn calls_with_money_cost_as_on_tron() {
    let mut world = World::new();
    world.fund(address(1), 1_000 * TRX);
    // PUSH0 x4, PUSH1 1, PUSH20 to, GAS, CALL
    let paying = |to: crate::Address| {
        [&[0x5f, 0x5f, 0x5f, 0x5f, 0x60, 1, 0x73], &to.bytes()[..], &[0x5a, 0xf1]].concat()
    };
    for (to, extra) in [(address(1), 0), (address(99), 25_000)] {
        let contract = world.deploy(1, &paying(to));
        let action = ledger::transaction::Action::Trigger {
            contract,
            call_value: crate::Sun(1),
            data: Vec::new(),
        };
        let receipt = world.act(1, &action).unwrap();
        assert_eq!(receipt.result, ContractResult::Success);
        // The 2,300 given along come back, for there is no code to use them.
        assert_eq!(receipt.energy_usage_total, 8 + 3 + 3 + 2 + 40 + 9_000 + extra - 2_300);
        assert_eq!(receipt.internal.len(), 1);
    }
    assert_eq!(world.balance(address(99)), 1);
}

/// TRON counts TRX in 63 bits.
#[test]
fn more_money_than_there_can_be_ends_the_frame() {
    let mut world = World::new();
    // PUSH0, PUSH0, PUSH0, NOT, CREATE
    let created = world.try_code(vec![0x5f, 0x5f, 0x5f, 0x19, 0xf0]);
    assert_eq!(created.result, ContractResult::TransferFailed);
    assert_eq!(created.energy_used, crate::chain::CALL_ENERGY_MAX);
    // PUSH0 x4, PUSH0, NOT, PUSH1 9, GAS, CALL
    let called = world.try_code(vec![0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x19, 0x60, 9, 0x5a, 0xf1]);
    assert_eq!(called.result, ContractResult::TransferFailed);
    assert_eq!(called.message, "endowment out of long range");
    assert!(called.energy_used < 100);
}

#[test]
fn code_is_paid_per_byte_and_may_not_begin_with_0xef() {
    let mut world = World::new();
    let plain = energy(&mut world, &creating(&[0; 10]));
    assert_eq!(energy(&mut world, &creating(&[0; 11])) - plain, 200);
    let refused = world.try_code(creating(&[0xef, 1]));
    assert_eq!(refused.result, ContractResult::InvalidCode);
    assert_eq!(refused.message, "invalid code: must not begin with 0xef");
}

/// The word that `code`, which leaves it on the stack, gives.
fn word(world: &mut World, code: &[u8]) -> [u8; 32] {
    // PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN
    let returning = [code, &[0x5f, 0x52, 0x60, 32, 0x5f, 0xf3]].concat();
    world.try_code(returning).output.try_into().unwrap()
}

fn number(value: u64) -> [u8; 32] {
    wire::abi::uint_word(value.into())
}

#[test]
fn code_sees_a_block_of_tron() {
    let mut world = World::new();
    let chain_id = world.chain.genesis().chain_id;
    let head = world.chain.head().number();
    let seconds = world.chain.clock_ms() / 1_000;
    let cases = [
        (0x3a, 100),      // GASPRICE
        (0x48, 100),      // BASEFEE
        (0x44, 0),        // DIFFICULTY
        (0x45, 0),        // GASLIMIT
        (0x4a, 0),        // BLOBBASEFEE
        (0x43, head + 1), // NUMBER
        (0x42, seconds),  // TIMESTAMP
        (0x46, chain_id.into()),
    ];
    for (opcode, expected) in cases {
        assert_eq!(word(&mut world, &[opcode]), number(expected), "{opcode:02x}");
    }
    let hash = world.chain.head().0;
    assert_eq!(word(&mut world, &[0x60, 1, 0x43, 0x03, 0x40]), hash); // BLOCKHASH of NUMBER - 1
}

#[test]
fn instructions_of_tron_alone_are_unknown_here() {
    let mut world = World::new();
    for opcode in 0xd0..=0xdf {
        let outcome = world.try_code(vec![0x5f, 0x5f, 0x5f, opcode]);
        assert_eq!(outcome.result, ContractResult::IllegalOperation, "{opcode:02x}");
    }
}

/// TIP-26: from the transaction and a count of calls and creations, not from a nonce.
#[test]
fn contracts_that_contracts_make_are_where_tron_puts_them() {
    let mut world = World::new();
    world.fund(address(1), 1_000 * TRX);
    // CREATE twice, with a call of a person between; all in the logs by LOG1 of the address.
    let create = [0x5f, 0x5f, 0x5f, 0xf0, 0x5f, 0x5f, 0xa1];
    let call = [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 77, 0x5a, 0xf1, 0x50];
    let code = [&create[..], &call, &create].concat();
    let contract = world.deploy(1, &code);
    let receipt = world.act(1, &trigger(contract, Vec::new())).unwrap();
    assert_eq!(receipt.result, ContractResult::Success);
    let expected = |nonce: u64| {
        let hash = keccak256(&[&receipt.id.0[..], &nonce.to_be_bytes()].concat());
        hash[12..].to_vec()
    };
    let made: Vec<_> = receipt.logs.iter().map(|log| log.topics[0][12..].to_vec()).collect();
    assert_eq!(made, [expected(0), expected(2)]);
    let notes: Vec<_> = receipt.internal.iter().map(|call| call.note).collect();
    assert_eq!(notes, ["create", "call", "create"]);
    let child = crate::Address::new(made[0].clone().try_into().unwrap());
    assert_eq!(world.chain.contract(child).unwrap().unwrap().origin, contract);
}

#[test]
fn salted_contracts_are_where_tron_puts_them() {
    let mut world = World::new();
    world.fund(address(1), 1_000 * TRX);
    // PUSH1 9 (salt), PUSH0 x3, CREATE2, PUSH0 x2, LOG1
    let contract = world.deploy(1, &[0x60, 9, 0x5f, 0x5f, 0x5f, 0xf5, 0x5f, 0x5f, 0xa1]);
    let receipt = world.act(1, &trigger(contract, Vec::new())).unwrap();
    let hash = keccak256(&[&contract.prefixed()[..], &number(9), &keccak256(&[])].concat());
    assert_eq!(receipt.logs[0].topics[0][12..], hash[12..]);
    // The same again is taken: all energy is lost but a 64th, and no address comes back.
    let again = world.act(1, &trigger(contract, Vec::new())).unwrap();
    assert_eq!(again.logs[0].topics[0], [0; 32]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_stops_a_precompiled_contract(
        words in prop::collection::vec(prop_oneof![
            any::<[u8; 32]>(), (0_u64..700).prop_map(number), (26_u64..36).prop_map(number)
        ], 0..20),
        cut in 0_usize..32,
    ) {
        let mut world = World::new();
        world.fund(address(1), 10_000 * TRX);
        let input = words.concat();
        let input = &input[..input.len().saturating_sub(cut)];
        for at in (1..=10).chain([0x2_0003, 0x2_0009]) {
            let contract = world.deploy(1, &relay(at));
            drop(world.view(contract, input.to_vec(), View::Head));
        }
    }
}

/// A contract that passes its call data on: CALLDATACOPY, STATICCALL, RETURNDATACOPY, RETURN.
fn relay(at: u32) -> Vec<u8> {
    let [_, a, b, c] = at.to_be_bytes();
    vec![
        0x36, 0x5f, 0x5f, 0x37, // CALLDATASIZE, 0, 0, CALLDATACOPY
        0x5f, 0x5f, 0x36, 0x5f, 0x62, a, b, c, 0x5a, 0xfa, // STATICCALL
        0x50, 0x3d, 0x5f, 0x5f, 0x3e, 0x3d, 0x5f, 0xf3,
    ]
}

/// What the precompiled contract at `at` answers to `input`, and for how much.
fn precompiled(world: &mut World, at: u32, input: &[u8]) -> (Vec<u8>, u64) {
    let contract = world.deploy(1, &relay(at));
    let outcome = world.view(contract, input.to_vec(), View::Head);
    assert_eq!(outcome.message, "");
    let nothing = world.view(contract, Vec::new(), View::Head);
    (outcome.output, outcome.energy_used.saturating_sub(nothing.energy_used))
}

#[test]
fn precompiled_3_is_tron_s_and_ethereum_s_is_elsewhere() {
    let mut world = World::new();
    world.fund(address(1), 10_000 * TRX);
    let (answer, _) = precompiled(&mut world, 3, b"abc");
    assert_eq!(answer, sha256(&sha256(b"abc")[..20]));
    let (answer, _) = precompiled(&mut world, 0x2_0003, b"abc");
    let ripemd = "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc";
    assert_eq!(wire::hex(&answer[12..]), ripemd);
    assert_eq!(precompiled(&mut world, 2, b"abc").0, sha256(b"abc"));
}

#[test]
fn signatures_are_checked_in_batches() {
    let mut world = World::new();
    world.fund(address(1), 10_000 * TRX);
    let hash = sha256(b"what is signed");
    let signatures: Vec<_> = [1, 2, 3].map(|who| key(who).sign(&hash).to_bytes()).to_vec();
    let signers: Vec<_> =
        [1, 9, 3].map(|who| wire::abi::address_word(address(who).bytes())).to_vec();
    let input =
        wire::abi::Encoder::new().word(hash).bytes_list(&signatures).words(&signers).finish();
    let (answer, _) = precompiled(&mut world, 9, &input);
    assert_eq!(answer[..4], [1, 0, 1, 0]);
    for cut in [0, 31, 64, 100, input.len() - 1] {
        let (answer, _) = precompiled(&mut world, 9, &input[..cut]);
        assert_eq!(answer, [0; 32], "{cut}");
    }
}

#[test]
fn an_accounts_own_signature_meets_its_permission() {
    let mut world = World::new();
    world.fund(address(1), 10_000 * TRX);
    let data = [6; 32];
    let account = address(1);
    let signed = [&account.prefixed()[..], &0_u32.to_be_bytes(), &data].concat();
    let hash = sha256(&signed);
    let ask = |world: &mut World, who: u8| {
        let input = wire::abi::Encoder::new()
            .address(account.bytes())
            .uint(0)
            .word(data)
            .bytes_list(&[key(who).sign(&hash).to_bytes()])
            .finish();
        precompiled(world, 10, &input).0
    };
    assert_eq!(ask(&mut world, 1), number(1));
    assert_eq!(ask(&mut world, 2), number(0));
}

#[test]
fn calls_end_64_deep() {
    let mut world = World::new();
    world.fund(address(1), 100_000 * TRX);
    // Counts in word 0 of storage and calls itself: SLOAD(0)+1, SSTORE(0), CALL(ADDRESS).
    let code = [
        0x5f, 0x54, 0x60, 1, 0x01, 0x5f, 0x55, //
        0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1,
    ];
    let contract = world.deploy(1, &code);
    let receipt = world.act(1, &trigger(contract, Vec::new())).unwrap();
    assert_eq!(receipt.result, ContractResult::Success);
    assert_eq!(world.chain.storage(contract, [0; 32], View::Head).unwrap(), number(65));
}

#[test]
fn more_than_3_mib_of_memory_is_too_much() {
    let mut world = World::new();
    let fits = world.try_code(vec![0x62, 0x2f, 0xff, 0xe0, 0x51]); // MLOAD of the last word
    assert_eq!(fits.message, "");
    let outcome = world.try_code(vec![0x62, 0x30, 0x00, 0x00, 0x51]);
    assert_eq!(outcome.result, ContractResult::OutOfMemory);
}

/// Code that does something again and again.
fn again(body: &[u8]) -> Vec<u8> {
    [&[0x5b][..], body, &[0x5f, 0x56]].concat()
}

#[test]
fn calls_that_pay_nothing_may_not_work_for_ever() {
    let mut world = World::new();
    let verify = |at| [&[0x5f, 0x5f, 0x5f, 0x5f, 0x60, at, 0x5a, 0xfa, 0x50][..]].concat();
    for (name, body) in [
        ("BALANCE", vec![0x5a, 0x31, 0x50]),
        ("SLOAD", vec![0x5a, 0x54, 0x50]),
        ("SHA3", vec![0x62, 0x10, 0, 0, 0x5f, 0x20, 0x50]),
        ("STATICCALL", verify(1)),
        ("STATICCALL", verify(9)),
        ("STATICCALL", verify(10)),
    ] {
        let outcome = world.try_code(again(&body));
        assert_eq!(outcome.result, ContractResult::OutOfTime, "{name}");
        assert_eq!(outcome.message, format!("CPU timeout for '{name}' operation executing"));
    }
    let outcome = world.try_code(again(&[]));
    assert_eq!(outcome.result, ContractResult::OutOfEnergy);
}

#[test]
fn a_signature_costs_what_it_costs_under_the_bound_of_work() {
    let mut world = World::new();
    // ECRECOVER with 5,000 energy, and what is left of the rest after it.
    let code =
        [
            &[
                0x5a, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 1, 0x61, 0x13, 0x88, 0xfa, 0x50, 0x5a, 0x90,
                0x03,
            ][..],
            &[0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3],
        ]
        .concat();
    let spent = word(&mut world, &code);
    assert_eq!(spent[..30], [0; 30]);
    let spent = u16::from_be_bytes([spent[30], spent[31]]);
    assert!((3_000..3_100).contains(&spent), "{spent}");
}
