//! Unmodified `tronweb`, the library that programs for TRON are written with, drives `shoal chain` as if
//! it were a full node with TronGrid beside it; and reads transactions that we built.
//!
//! What is checked stands in `peers/tronweb.mjs`.

use std::time::Duration;

use anyhow::ensure;
use interop::{Chain, Outcome, scene};
use ledger::transaction::{Action, Terms, Unsigned};
use ledger::{Address, BlockId, Sun};
use wire::tron::{AbiEntry, AbiParam, ContractAbi};

const LIMIT: Duration = Duration::from_secs(120);

fn check(name: &str, arguments: &[&str]) -> Outcome {
    scene(LIMIT, |scene| {
        let chain = Chain::start(scene, arguments)?;
        chain.tronweb(scene, name, &[])?;
        ensure!(chain.process.stop()?.success(), "the chain did not stop in order");
        Ok(())
    })
}

#[test]
fn transfers_of_trx() -> Outcome {
    check("transfers", &["--memory"])
}

#[test]
fn transfers_of_trx_on_a_chain_that_is_kept() -> Outcome {
    check("transfers", &[])
}

#[test]
fn what_a_node_says_of_itself_and_of_accounts() -> Outcome {
    check("reads", &["--memory"])
}

#[test]
fn tokens_are_deployed_called_and_sent() -> Outcome {
    check("tokens", &["--memory"])
}

#[test]
fn events_by_transaction_block_and_contract_in_pages() -> Outcome {
    check("events", &["--memory"])
}

#[test]
fn vouchers_signed_by_tronweb_are_redeemed_on_chain() -> Outcome {
    check("vouchers", &["--memory"])
}

#[test]
fn refusals_are_worded_as_by_the_real_node() -> Outcome {
    check("errors", &["--memory"])
}

#[test]
fn transactions_are_taken_after_a_long_pause() -> Outcome {
    check("pauses", &["--memory"])
}

#[test]
fn a_result_is_found_when_its_block_is_final() -> Outcome {
    check("patience", &["--memory", "--block-time", "1s", "--solid-after", "2"])
}

/// A transaction of ours, as hexadecimal digits.
fn ours(action: &Action, fee_limit: u64) -> anyhow::Result<Unsigned> {
    let mut id = [0xab; 32];
    id[..8].copy_from_slice(&77_777_u64.to_be_bytes());
    let terms = Terms {
        ref_block: BlockId(id),
        expiration_ms: 1_795_224_510_247,
        timestamp_ms: 1_795_224_450_247,
        fee_limit: Sun(fee_limit),
    };
    Ok(Unsigned::build(Address::new([7; 20]), action, &terms)?)
}

#[test]
fn our_transactions_pass_the_checks_of_tronweb_byte_for_byte() -> Outcome {
    scene(LIMIT, |scene| {
        let to = Address::new([9; 20]);
        let parameter = |name: &str, kind: &str| AbiParam {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            ..AbiParam::default()
        };
        let entry = AbiEntry {
            name: "free".to_owned(),
            inputs: vec![parameter("account", "bytes32")],
            outputs: vec![parameter("", "uint256")],
            r#type: 2,
            state_mutability: 2,
            ..AbiEntry::default()
        };
        let trigger = |call_value, data: &[u8]| Action::Trigger {
            contract: to,
            call_value: Sun(call_value),
            data: data.to_vec(),
        };
        let all = [
            ours(&Action::Transfer { to, amount: Sun(1) }, 0)?,
            // The most that a number of JavaScript holds; tronweb can't read more.
            ours(&Action::Transfer { to, amount: Sun((1 << 53) - 1) }, 0)?,
            ours(&trigger(0, &[0xa9; 68]), 100_000_000)?,
            ours(&trigger(5, &[1]), 15_000_000_000)?,
            ours(
                &Action::Deploy {
                    name: "Vault".to_owned(),
                    bytecode: vec![0x60; 300],
                    abi: ContractAbi { entrys: vec![entry] },
                    call_value: Sun(0),
                },
                1_000_000_000,
            )?,
        ];
        let chain = Chain::start(scene, &["--memory"])?;
        let digits: Vec<String> = all.iter().map(|one| wire::hex(one.raw())).collect();
        let said = chain.tronweb(scene, "ours", &digits)?;
        for one in &all {
            let id = wire::hex(&one.id().0);
            ensure!(said.iter().any(|line| line.contains(&id)), "tronweb has another id for {id}");
        }
        Ok(())
    })
}
