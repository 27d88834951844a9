//! The real wallet and the real chain, killed at random moments of deposits, locks, redemptions and
//! withdrawals. Afterwards the book agrees with the chain, and nothing was paid twice.
//!
//! Every payment has an amount of its own, so that one made twice would show. `KILL_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base::Rng;
use interop::{Outcome, Proc, Scene, free_port, scene, shoal_command};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(300);
const KILLS: u32 = 100;

/// Smallest units of a whole token.
const TOKEN: i128 = 1_000_000_000_000_000_000;

struct World<'a> {
    scene: &'a Scene,
    listen: String,
    chain: Proc,
    /// The two accounts' addresses: who pays, who is paid.
    owner: String,
    payee: String,
    /// Payments so far: what makes their amounts different.
    payments: u32,
    vouchered: u32,
    rng: Rng,
}

fn start_chain(scene: &Scene, listen: &str) -> anyhow::Result<Proc> {
    let mut command = shoal_command()?;
    command.args(["--json", "chain", "run", "--listen", listen]);
    let mut process = scene.spawn("shoal chain", &mut command)?;
    process.wait_line("the chain's address", |line| line.contains("\"url\"").then_some(()))?;
    Ok(process)
}

/// `shoal`, whose state is in the test's folder, as that of all processes is.
fn shoal(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = shoal_command()?;
    command.arg("--json").args(arguments);
    Ok(command)
}

/// What a command prints that must succeed.
fn run(scene: &Scene, arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let process = scene.spawn(&arguments.join(" "), &mut shoal(arguments)?)?;
    let status = process.wait_exit()?;
    ensure!(status.success(), "{arguments:?} failed");
    Ok(process.said())
}

fn json(lines: &[String]) -> impl Iterator<Item = Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok())
}

/// A number in smallest units, which JSON has as text.
fn units(value: &Value) -> anyhow::Result<i128> {
    Ok(value.as_str().context("a number as text")?.parse()?)
}

impl<'a> World<'a> {
    fn new(scene: &'a Scene, seed: u64) -> anyhow::Result<Self> {
        std::fs::write(scene.path("passphrase"), "correct horse")?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let chain = start_chain(scene, &listen)?;
        let rng = Rng::from_seed(seed);
        let mut world = Self {
            scene,
            listen,
            chain,
            owner: String::new(),
            payee: String::new(),
            payments: 0,
            vouchered: 0,
            rng,
        };
        world.owner = world.account("main")?;
        world.payee = world.account("payee")?;
        let node = world.listen.clone();
        for (address, coin) in [(&world.owner, "trx"), (&world.payee, "trx"), (&world.owner, "btt")]
        {
            run(scene, &["chain", "faucet", address, "--coin", coin, "--node", &node])?;
        }
        // Once undisturbed, so that the book knows what there was at first.
        for kind in 0..4 {
            let arguments = world.payment(kind)?;
            world.wallet(&arguments)?;
        }
        Ok(world)
    }

    fn account(&self, name: &str) -> anyhow::Result<String> {
        let passphrase = self.passphrase();
        let arguments = ["wallet", "new", name, "--no-confirm", "--passphrase-file", &passphrase];
        let said = run(self.scene, &arguments)?;
        let account = json(&said).find(|line| line["event"] == "account").context("an account")?;
        Ok(account["address"].as_str().context("an address")?.to_owned())
    }

    fn passphrase(&self) -> String {
        self.scene.path("passphrase").to_string_lossy().into_owned()
    }

    /// Arguments that every command about money gets.
    fn with_terms(&self, arguments: &[&str]) -> Vec<String> {
        let node = format!("http://{}", self.listen);
        let more = ["--node".to_owned(), node, "--passphrase-file".to_owned(), self.passphrase()];
        arguments.iter().map(|&argument| argument.to_owned()).chain(more).collect()
    }

    fn wallet(&self, arguments: &[String]) -> anyhow::Result<Vec<String>> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(self.scene, &arguments)
    }

    /// The next payment, of one of the four kinds.
    fn payment(&mut self, kind: u32) -> anyhow::Result<Vec<String>> {
        self.payments += 1;
        let (payee, number) = (self.payee.clone(), self.payments);
        let amount = format!("1.{number:06}");
        Ok(match kind {
            // More is put in than is taken out, so that each can succeed.
            0 => self.with_terms(&["vault", "deposit", &format!("3.{number:06}"), "--yes"]),
            1 => self.with_terms(&["vault", "lock", &payee, &amount, "--yes"]),
            2 => {
                self.vouchered += 1;
                let cumulative = format!("0.{:03}{number:06}", self.vouchered);
                let arguments = ["vault", "voucher", "sign", &payee, &cumulative, "--yes"];
                let voucher = self.wallet(&self.with_terms(&arguments))?.join("\n");
                let path = self.scene.path("voucher");
                std::fs::write(&path, voucher)?;
                let path = path.to_string_lossy();
                self.with_terms(&["vault", "redeem", &path, "--account", "payee", "--yes"])
            }
            _ => self.with_terms(&["vault", "withdraw", &amount, "--yes"]),
        })
    }

    /// Begins a payment and kills it, now and then the chain with it, as a power cut would. False:
    /// the payment was done before.
    fn kill_one(&mut self, longest: Duration) -> anyhow::Result<bool> {
        let kind = self.rng.below(4);
        let arguments = self.payment(kind)?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = shoal(&arguments)?;
        let takes_chain = self.rng.chance(1, 5);
        let mut process = self.scene.spawn(&arguments.join(" "), &mut command)?;
        // Half of them at any moment, half when it matters most: around the broadcast.
        let moment = if self.rng.chance(1, 2) {
            longest * self.rng.below(1_000) / 1_000
        } else {
            let recorded = |line: &str| line.contains("\"recorded\"").then_some(());
            process.wait_line("the record", recorded).ok(); // Else it is done, and not killed.
            longest * self.rng.below(250) / 1_000
        };
        std::thread::sleep(moment); // Not to wait for anything: any moment will do.
        let was_killed = process.exited().is_none();
        process.kill()?;
        if takes_chain {
            self.chain.kill()?;
            self.chain = start_chain(self.scene, &self.listen)?;
        }
        Ok(was_killed)
    }

    /// What an address has on the chain, of TRX and of the token.
    fn on_chain(&self, account: &str) -> anyhow::Result<(i128, i128)> {
        let said = self.wallet(&self.with_terms(&["wallet", "balance", "--account", account]))?;
        let amount = |symbol: &str| {
            let of = |line: &Value| line["event"] == "balance" && line["symbol"] == symbol;
            units(&json(&said).find(of).context("a balance")?["final"])
        };
        Ok((amount("TRX")?, amount("BTT")?))
    }

    fn check(&self) -> anyhow::Result<()> {
        let rows = self.wallet(&self.with_terms(&["wallet", "history", "--csv"]))?;
        let book = Book::read(&rows)?;
        for (name, address) in [("main", &self.owner), ("payee", &self.payee)] {
            let (trx, btt) = self.on_chain(name)?;
            let wallet = format!("wallet:{address}");
            ensure!(
                book.of(&wallet, false) == trx,
                "{name}: TRX {} != {trx}",
                book.of(&wallet, false)
            );
            ensure!(
                book.of(&wallet, true) == btt,
                "{name}: BTT {} != {btt}",
                book.of(&wallet, true)
            );
        }
        let status = self.wallet(&self.with_terms(&["vault", "status", &self.payee]))?;
        let find = |event: &str| json(&status).find(|line| line["event"] == event);
        let free = units(&find("vault").context("the Vault")?["free"])?;
        let channel = find("channel").context("the channel")?;
        ensure!(book.sum("vault-free:") == free, "free: {} != {free}", book.sum("vault-free:"));
        let locked = units(&channel["locked"])?;
        ensure!(book.sum("vault-locked:") == locked, "{} != {locked}", book.sum("vault-locked:"));
        let paid_out = units(&channel["redeemed"])?;
        ensure!(
            book.of(&format!("wallet:{}", self.payee), true) == paid_out,
            "redeemed {paid_out}"
        );
        ensure!(paid_out <= TOKEN, "no more than was vouchered");
        // Some of those that were killed had gone out, so that they took place all the same.
        ensure!(
            book.moves > 10,
            "only {} moves: all were killed before they did anything",
            book.moves
        );
        Ok(())
    }
}

/// The exported book: balances in smallest units.
struct Book {
    balances: BTreeMap<(String, bool), i128>,
    /// Into and out of the Vault and between its accounts.
    moves: usize,
}

impl Book {
    fn read(rows: &[String]) -> anyhow::Result<Self> {
        let mut balances = BTreeMap::new();
        let mut amounts = BTreeSet::new();
        for row in rows.iter().skip_while(|row| !row.starts_with("time,")).skip(1) {
            let fields: Vec<&str> = row.trim_end().split(',').collect();
            let [_, _, cause, _, _, account, coin, _, _, debit, credit] = fields[..] else {
                anyhow::bail!("a row of {} fields: {row}", fields.len());
            };
            let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<i128>() };
            let amount = number(debit)? - number(credit)?;
            *balances
                .entry((account.to_owned(), coin != "TRX" && coin != "native"))
                .or_insert(0) += amount;
            // What is redeemed is the difference of two vouchers, which may be that of two others.
            let is_redeemed = account.starts_with("vault-locked:") && amount < 0;
            let is_payment =
                account.starts_with("vault-") && cause.starts_with("event:") && !is_redeemed;
            ensure!(
                !is_payment || amounts.insert((account.to_owned(), amount)),
                "{amount} of {account} twice: {cause}"
            );
        }
        Ok(Self { balances, moves: amounts.len() })
    }

    fn of(&self, account: &str, is_token: bool) -> i128 {
        self.balances.get(&(account.to_owned(), is_token)).copied().unwrap_or(0)
    }

    fn sum(&self, prefix: &str) -> i128 {
        let accounts = self.balances.iter().filter(|((account, _), _)| account.starts_with(prefix));
        accounts.map(|(_, balance)| balance).sum()
    }
}

#[test]
fn nothing_is_paid_twice_and_the_books_balance_however_often_programs_are_killed() -> Outcome {
    scene(LIMIT, |scene| {
        let seed = std::env::var("KILL_SEED").ok().map(|seed| seed.parse()).transpose()?;
        let seed = seed.unwrap_or(0);
        let mut world = World::new(scene, seed)?;
        let begun = Instant::now();
        let arguments = world.payment(0)?;
        world.wallet(&arguments)?;
        let longest = begun.elapsed();
        let (mut kills, mut tries) = (0, 0);
        while kills < KILLS {
            tries += 1;
            ensure!(tries < 4 * KILLS, "seed {seed}: only {kills} of {tries} were killed");
            kills += u32::from(world.kill_one(longest)?);
        }
        // Goes on with what was left under way, and adds one more.
        let arguments = world.payment(0)?;
        world.wallet(&arguments)?;
        world.check().with_context(|| format!("seed {seed}, {kills} kills of {tries}"))?;
        Ok(())
    })
}
