//! What is refused, warned of, or shown before anything is signed.

use std::io::{Read as _, Write as _};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

#[test]
fn what_is_missing_of_a_token_is_said_before_anything_is_signed() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    let before = chain.balance(&folder, "second", "TRX");
    let deposit = chain.vault(&folder, &["deposit", "5", "--account", "second", "--yes"]);
    let said = text(&deposit.stderr);
    assert!(said.contains("5 BTT is missing: second has 0 BTT"), "{said}");
    let pay = ["send", "1", "BTT", "main", "--account", "second", "--yes", "--node", &chain.url];
    let said = folder.fails(&pay, 1);
    assert!(said.contains("1 BTT is missing: second has 0 BTT"), "{said}");
    assert_eq!(chain.balance(&folder, "second", "TRX"), before, "nothing was spent");
}

#[test]
fn a_deposit_counts_once_towards_caps_and_fees_count_too() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    let before = chain.balance(&folder, "main", "TRX");
    chain.wallet(&folder, &["caps", "BTT", "--per-payment", "10", "--per-day", "12"]);
    let said = text(&chain.vault(&folder, &["deposit", "11", "--yes"]).stderr);
    assert!(said.contains("11 BTT is more than your cap of 10 BTT a payment"), "{said}");
    assert_eq!(chain.balance(&folder, "main", "TRX"), before, "not even the approval was sent");
    chain.vault_ok(&folder, &["deposit", "9", "--yes"]);
    chain.wallet(&folder, &["send", "3", "BTT", "second", "--yes"]);
    let pay = ["send", "1", "BTT", "second", "--yes", "--node", &chain.url];
    let said = folder.fails(&pay, 1);
    assert!(said.contains("1 BTT and the 12 BTT of today are more than your cap of 12"), "{said}");
    chain.wallet(&folder, &["caps", "BTT", "--none"]);
    chain.wallet(&folder, &["caps", "TRX", "--per-payment", "0.01"]);
    let said = folder.fails(&pay, 1);
    assert!(said.contains("TRX with fees is more than your cap of 0.01 TRX a payment"), "{said}");
}

#[test]
fn a_vault_that_was_not_deployed_from_here_is_warned_of() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    let deployed = text(&chain.vault(&folder, &["deploy", "--yes"]).stderr);
    let vault = deployed.split("the Vault is ").nth(1).and_then(|rest| rest.split(';').next());
    let vault = vault.unwrap_or_else(|| panic!("{deployed}")).to_owned();
    // Left before its end, so that the history books it: it must know the Vault, too.
    let own = chain.vault(&folder, &["deposit", "1", "--yes", "--no-wait"]);
    assert_eq!(own.status.code(), Some(0), "{}", text(&own.stderr));
    assert!(!text(&own.stderr).contains("was not deployed from here"));
    let free =
        chain.book(&folder).into_iter().filter(|((name, _), _)| name.starts_with("vault-free"));
    assert_eq!(free.map(|(_, units)| units).sum::<i128>(), 1_000_000_000_000_000_000);
    let history = text(&folder.run(&["history", "--node", &chain.url]).stdout);
    assert!(history.contains(&format!("1 BTT approved for {vault}")), "{history}");
    let other = Folder::with_wallet();
    let said = chain.vault(&other, &["deposit", "1", "--vault", &vault, "--yes"]);
    let said = text(&said.stderr);
    assert!(said.contains(&format!("{vault} was not deployed from here")), "{said}");
}

#[test]
fn the_faucet_gives_both_coins_unless_one_is_named() {
    let folder = two_accounts();
    let chain = Chain::start(&folder, &[]);
    let address = folder.ok(&["address"]);
    let host = chain.url.trim_start_matches("http://").to_owned();
    let faucet = |more: &[&str]| {
        let mut faucet = folder.shoal();
        faucet.args(["chain", "faucet", &address, "--node", &host]).args(more);
        faucet.output().unwrap()
    };
    let given = faucet(&[]);
    assert_eq!(text(&given.stdout).lines().count(), 2, "{}", text(&given.stderr));
    assert_eq!(chain.balance(&folder, "main", "TRX"), TRX * 1_000_000);
    assert_eq!(chain.balance(&folder, "main", "BTT"), BTT * 1_000_000_000_000_000_000);
    assert_eq!(faucet(&["5"]).status.code(), Some(2), "of which coin?");
}

/// What a question is about stands above it, whatever standard output is for.
#[test]
fn with_json_too_one_sees_what_one_is_asked_to_sign() {
    let folder = Folder::with_wallet();
    folder.write(
        "typed",
        r#"{"types":{"Note":[{"name":"text","type":"string"}]},"primaryType":"Note",
            "domain":{"name":"n"},"message":{"text":"hello"}}"#,
    );
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = || fs::File::options().read(true).write(true).open(&name).unwrap();
    let mut command = folder.shoal();
    command.args(["--json", "wallet", "sign", "--typed", "typed", "--passphrase-file", "p"]);
    command.stdin(terminal()).stderr(terminal()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut master = fs::File::from(master);
    let mut seen = Vec::new();
    while !seen.ends_with(b"[y/N] ") {
        let mut byte = [0];
        assert_eq!(master.read(&mut byte).unwrap(), 1, "{}", text(&seen));
        seen.extend(byte);
    }
    master.write_all(b"n\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    assert!(text(&seen).contains("text (string): hello"), "{}", text(&seen));
}

#[test]
fn what_was_recorded_of_a_known_network_is_told_without_a_node() {
    let folder = two_accounts();
    // Nobody listens on port 1.
    let asked = ["history", "--network", "mainnet", "--node", "http://127.0.0.1:1"];
    let told = folder.run(&asked);
    let said = text(&told.stderr);
    assert!(told.status.success(), "{said}");
    assert!(said.contains("this is what was known before"), "{said}");
    assert!(said.contains("nothing was sent on mainnet yet"), "{said}");
}
