//! The wallet and the Vault on a chain that runs beside the test.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Child;

use super::*;

/// Play money of the faucet, in whole coins.
const TRX: u128 = 10_000;
const BTT: u128 = 1_000_000;

/// The embedded chain, in memory.
struct Chain {
    child: Child,
    url: String,
}

impl Chain {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.shoal();
        command.args(["--json", "chain", "run", "--memory", "--listen", "127.0.0.1:0"]);
        let child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        // From here on it ends with this.
        let mut chain = Self { child, url: String::new() };
        let lines = BufReader::new(chain.child.stdout.take().unwrap()).lines();
        let mut told = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let told = told.find(|told| told["event"] == "chain").unwrap();
        told["url"].as_str().unwrap().clone_into(&mut chain.url);
        chain
    }

    /// A wallet of two accounts, the first with play money.
    fn with_money(folder: &Folder, arguments: &[&str]) -> Self {
        let chain = Self::start(folder, arguments);
        for (account, coin) in [("main", "trx"), ("main", "btt"), ("second", "trx")] {
            chain.faucet(folder, account, coin);
        }
        chain
    }

    fn faucet(&self, folder: &Folder, account: &str, coin: &str) {
        let address = folder.ok(&["address", "--account", account]);
        let host = self.url.trim_start_matches("http://");
        let mut faucet = folder.shoal();
        faucet.args(["chain", "faucet", &address, "--coin", coin, "--node", host]);
        assert_eq!(faucet.output().unwrap().status.code(), Some(0), "{account} {coin}");
    }

    fn wallet(&self, folder: &Folder, arguments: &[&str]) -> String {
        folder.ok(&[arguments, &["--node", &self.url]].concat())
    }

    fn vault(&self, folder: &Folder, arguments: &[&str]) -> Output {
        let mut command = folder.shoal();
        command.arg("vault").args(arguments).args(["--node", &self.url]);
        command.args(["--passphrase-file", "p"]).output().unwrap()
    }

    fn vault_ok(&self, folder: &Folder, arguments: &[&str]) -> String {
        let output = self.vault(folder, arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{stderr}");
        text(&output.stdout)
    }

    /// What an account has of a coin, by the chain: smallest units.
    fn balance(&self, folder: &Folder, account: &str, symbol: &str) -> u128 {
        let output = folder.run(&["balance", "--account", account, "--node", &self.url, "--json"]);
        let events = text(&output.stdout);
        let mut events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let event = events.find(|event| event["symbol"] == symbol).unwrap();
        assert_eq!(event["play_money"], true);
        event["amount"].as_str().unwrap().parse().unwrap()
    }

    /// What accounts of the book have, by their names and coins: smallest units.
    fn book(&self, folder: &Folder) -> BTreeMap<(String, String), i128> {
        let csv = text(&folder.run(&["history", "--csv", "--node", &self.url]).stdout);
        let mut sums = BTreeMap::new();
        for line in csv.lines().skip(1) {
            let fields: Vec<&str> = line.trim_end().split(',').collect();
            let units = |at: usize| fields[at].parse::<i128>().unwrap_or(0);
            let key = (fields[5].to_owned(), fields[6].to_owned());
            *sums.entry(key).or_default() += units(9) - units(10);
        }
        let total: i128 = sums.values().sum();
        assert_eq!(total, 0, "what went into accounts came out of others");
        sums
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn two_accounts() -> Folder {
    let folder = Folder::with_wallet();
    folder.ok(&["new", "second"]);
    folder
}

/// The book agrees with the chain on what the wallet has. It begins with an account's first payment,
/// and so does not know what the second one had of TRX.
fn assert_book_is_right(chain: &Chain, folder: &Folder) {
    let book = chain.book(folder);
    for (account, coin) in [("main", "TRX"), ("main", "BTT"), ("second", "BTT")] {
        let address = folder.ok(&["address", "--account", account]);
        let booked = book.get(&(format!("wallet:{address}"), coin.to_owned())).copied();
        let there = i128::try_from(chain.balance(folder, account, coin)).unwrap();
        assert_eq!(booked, Some(there), "{account} {coin}");
    }
}

#[test]
fn payments_arrive_are_told_and_are_booked() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    let id = chain.wallet(&folder, &["send", "1.5", "BTT", "second", "--yes"]);
    assert_eq!(id.len(), 64, "{id}");
    assert_eq!(chain.balance(&folder, "second", "BTT"), 1_500_000_000_000_000_000);
    let left = (BTT * 10 - 15) * 100_000_000_000_000_000;
    assert_eq!(chain.balance(&folder, "main", "BTT"), left);
    let asked = ["request", "2", "TRX", "--account", "second"];
    let link = folder.ok(&asked);
    chain.wallet(&folder, &["send", &link, "--yes"]);
    assert_eq!(chain.balance(&folder, "second", "TRX"), (TRX + 2) * 1_000_000);
    let history = text(&folder.run(&["history", "--node", &chain.url]).stdout);
    assert_eq!(history.lines().count(), 2, "{history}");
    assert!(history.contains(&id) && history.contains("1.5 BTT to T"), "{history}");
    assert_book_is_right(&chain, &folder);
}

#[test]
fn what_is_above_a_cap_or_a_balance_is_not_sent() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    chain.wallet(&folder, &["caps", "BTT", "--per-payment", "10", "--per-day", "12"]);
    let refused = |arguments: &[&str]| {
        folder.fails(&[&["send"], arguments, &["--node", &chain.url]].concat(), 1)
    };
    let said = refused(&["11", "BTT", "second", "--yes"]);
    assert!(said.contains("11 BTT is more than your cap of 10 BTT a payment"), "{said}");
    chain.wallet(&folder, &["send", "9", "BTT", "second", "--yes"]);
    let said = refused(&["9", "BTT", "second", "--yes"]);
    assert!(said.contains("9 BTT and the 9 BTT of today are more than your cap of 12"), "{said}");
    let said = refused(&["20000", "TRX", "second", "--yes"]);
    assert!(said.contains("TRX is missing: it needs up to 20000"), "{said}");
    let said = refused(&["1", "BTT", "main", "--account", "second", "--yes", "--fee-max", "0.1"]);
    assert!(said.contains("--fee-max AMOUNT allows more"), "{said}");
    let said = refused(&["1", "TRX", "second"]);
    assert!(said.contains("hint: --yes sends without asking"), "{said}");
    assert_eq!(chain.balance(&folder, "second", "BTT"), 9_000_000_000_000_000_000);
}

#[test]
fn money_goes_through_the_vault_and_the_book_follows() {
    let folder = two_accounts();
    let chain = Chain::with_money(&folder, &[]);
    let payee = folder.ok(&["address", "--account", "second"]);
    chain.vault_ok(&folder, &["deposit", "100", "--yes"]);
    chain.vault_ok(&folder, &["lock", &payee, "10", "--yes"]);
    let voucher = chain.vault_ok(&folder, &["voucher", "sign", &payee, "2.5", "--yes"]);
    folder.write("voucher", &voucher);
    let worth = chain.vault_ok(&folder, &["voucher", "inspect", "voucher"]);
    assert!(worth.starts_with("2.5 BTT to "), "{worth}");
    chain.vault_ok(&folder, &["redeem", "voucher", "--account", "second", "--yes"]);
    let again = chain.vault(&folder, &["redeem", "voucher", "--account", "second", "--yes"]);
    assert!(text(&again.stderr).contains("nothing would be paid"), "{}", text(&again.stderr));
    chain.vault_ok(&folder, &["withdraw", "50", "--yes"]);
    let status = chain.vault_ok(&folder, &["status", &payee]);
    assert!(status.contains("free: 40 BTT (play money)"), "{status}");
    assert!(status.contains("7.5 BTT locked, 2.5 BTT redeemed"), "{status}");
    let book = chain.book(&folder);
    let of = |kind: &str| -> i128 {
        let accounts = book.iter().filter(|((account, _), _)| account.starts_with(kind));
        accounts.map(|(_, units)| units).sum()
    };
    assert_eq!(of("vault-free:"), 40_000_000_000_000_000_000);
    assert_eq!(of("vault-locked:"), 7_500_000_000_000_000_000);
    assert_book_is_right(&chain, &folder);
    folder.write("voucher", &voucher.replace("2500000000000000000", "9500000000000000000"));
    let forged = chain.vault(&folder, &["redeem", "voucher", "--yes"]);
    assert!(text(&forged.stderr).contains("the signature is not by"), "{}", text(&forged.stderr));
}

#[test]
fn what_was_not_final_when_we_left_is_finished_by_the_next_command() {
    let folder = two_accounts();
    // Every transaction is a block of its own, which is final when two more are there.
    let chain = Chain::with_money(&folder, &["--solid-after", "2"]);
    chain.faucet(&folder, "second", "trx");
    chain.faucet(&folder, "second", "trx");
    let id = chain.wallet(&folder, &["send", "1", "TRX", "second", "--yes", "--no-wait"]);
    let history = || text(&folder.run(&["history", "--node", &chain.url]).stdout);
    let before = history();
    assert!(before.contains(&id) && before.contains("not final yet"), "{before}");
    assert!(chain.book(&folder).is_empty(), "what may be undone is not booked");
    chain.faucet(&folder, "second", "trx");
    chain.faucet(&folder, "second", "trx");
    let after = history();
    assert!(after.contains(&id) && after.contains("final in block"), "{after}");
    assert_eq!(after.lines().count(), 1, "one payment: {after}");
    let sent = chain.book(&folder).values().filter(|units| **units == 1_000_000).count();
    assert_eq!(sent, 1, "booked once");
}
