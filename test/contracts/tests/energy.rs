//! What the Vault's operations cost on TRON, as `docs/vault.md` says it.
//!
//! `UPDATE_DOCS=1 cargo test -p shoal-contracts --test energy` writes the table anew.

use contracts::artifact::{Artifact, repository};
use contracts::embedded::Embedded;
use contracts::model::address_of_scalar;
use contracts::operation::{Entry, Operation};
use contracts::party::Party;
use contracts::stage::{Cast, Stage, announce, cast, deposit, lock, redeem, unlock, withdraw};
use contracts::statement::Condition;
use contracts::world::{Outcome, World};
use revm::primitives::{Address, U256};

const BEGIN: &str = "<!-- energy: begin -->\n";
const END: &str = "<!-- energy: end -->\n";

/// Prices of the network, in sun.
const SUN_PER_ENERGY: u64 = 100;
const SUN_PER_BYTE: u64 = 1_000;

struct Table {
    stage: Stage,
    rows: Vec<(String, u64, u64)>,
}

impl Table {
    fn new() -> Self {
        let mut chain = Embedded::new();
        for party in cast().all() {
            chain.fund(party);
        }
        let mut world = World::Embedded(Box::new(chain));
        let mut rows = Vec::new();
        let creator = &cast().owner;
        let token = Artifact::load("Btt").creation(&[creator.address.into(), U256::MAX.into()]);
        let outcome = world.create(creator, token);
        rows.push(("deploy a BTT for tests".to_owned(), outcome.gas, outcome.bytes));
        let token = outcome.created.expect("it is created");
        let outcome = world.create(creator, Artifact::load("Vault").creation(&[token.into()]));
        rows.push(("deploy the Vault".to_owned(), outcome.gas, outcome.bytes));
        Self { stage: Stage::new(world), rows }
    }

    fn row(&mut self, name: &str, outcome: &Outcome) {
        assert!(outcome.result.is_ok(), "{name}: {:?}", self.stage.said(outcome));
        self.rows.push((name.to_owned(), outcome.gas, outcome.bytes));
    }

    fn operation(&mut self, name: &str, sender: &Party, operation: &Operation) {
        let data = operation.encode(&self.stage.vault_code);
        let outcome = self.stage.world.send(sender, self.stage.vault, data);
        self.row(name, &outcome);
    }

    fn quiet(&mut self, sender: &Party, operation: &Operation) {
        self.operation("", sender, operation);
        self.rows.pop();
    }

    fn token(&mut self, name: &str, sender: &Party, function: &str, to: Address) {
        let arguments = [to.into(), U256::from(1_000).into()];
        let data = self.stage.token_code.call(function, &arguments);
        let outcome = self.stage.world.send(sender, self.stage.token, data);
        self.row(name, &outcome);
    }

    fn of_the_owner(&mut self) {
        let Cast { owner, signer, other_signer, payee, other_payee, stranger, .. } = cast();
        let newcomer = Party::named("somebody without tokens");
        self.token("token: transfer to a new holder", owner, "transfer", newcomer.address);
        self.token("token: transfer to a holder", owner, "transfer", newcomer.address);
        self.token("token: approve, first", owner, "approve", newcomer.address);
        // The Vault's own first tokens cost more; that is once for all.
        self.quiet(stranger, &deposit(stranger, signer, 1_000));
        self.operation("deposit, first into an account", owner, &deposit(owner, signer, 1_000));
        self.operation("deposit, more", owner, &deposit(owner, signer, 1_000_000));
        self.operation("withdraw a part", owner, &withdraw(signer, 10));
        self.operation("lock, first for a payee", owner, &lock(signer, payee, 1_000, 60));
        self.operation("lock, more", owner, &lock(signer, payee, 1_000, 60));
        self.operation("announce an unlock", owner, &announce(signer, payee));
        self.stage.world.wait(60);
        self.operation("unlock", stranger, &unlock(owner, signer, payee));
        self.operation("lock again after an unlock", owner, &lock(signer, payee, 1_000, 60));
        self.quiet(owner, &lock(signer, other_payee, 1_000, 60));
        self.quiet(owner, &deposit(owner, other_signer, 1_000));
    }

    fn of_the_payee(&mut self) {
        let Cast { owner, signer, payee, tower, .. } = cast();
        let new = Party::named("a payee without tokens");
        self.quiet(owner, &lock(signer, &new, 1_000, 60));
        let entry = |table: &Self, sum| table.stage.entry_of(owner, signer, &new, sum);
        let first = redeem(&[entry(self, 10)]);
        self.operation("redeem, payee's first tokens", &cast().stranger, &first);
        let again = redeem(&[entry(self, 20)]);
        self.operation("redeem, again", &cast().stranger, &again);
        for count in [2_usize, 10] {
            let mut entries = Vec::new();
            for index in 0..count {
                let signer = Party::named(&format!("signer {index} of {count}"));
                self.quiet(owner, &deposit(owner, &signer, 100));
                self.quiet(owner, &lock(&signer, payee, 100, 60));
                entries.push(self.stage.entry_of(owner, &signer, payee, 10));
            }
            self.operation(&format!("redeem {count} channels at once"), payee, &redeem(&entries));
        }
        let mandate = self.stage.mandate(tower.address, 100, u64::MAX);
        let entries: Vec<Entry> = vec![self.stage.entry(200)];
        self.operation("redeem for a payee", tower, &Operation::RedeemFor { mandate, entries });
        for count in [1_u64, 8, 32] {
            let expiry = self.stage.world.now() + 60;
            let scalars: Vec<U256> = (1..=count).map(U256::from).collect();
            let conditions: Vec<Condition> = scalars
                .iter()
                .map(|scalar| Condition {
                    amount: U256::from(1),
                    lock: address_of_scalar(*scalar).expect("small numbers are keys"),
                    expiry,
                })
                .collect();
            let entry = self.stage.conditional(200 + u128::from(count), &conditions);
            let operation = Operation::RedeemConditional { entry, conditions, scalars };
            let plural = if count == 1 { "" } else { "s" };
            let name = format!("redeem with {count} condition{plural} shown");
            self.operation(&name, payee, &operation);
        }
        let close =
            Operation::Close { entry: self.stage.entry(500), release: self.stage.release(2, 500) };
        self.operation("close, both signed", payee, &close);
    }

    fn text(&self) -> String {
        let mut text = "\n| operation | energy | bytes | TRX |\n|---|---:|---:|---:|\n".to_owned();
        for (name, energy, bytes) in &self.rows {
            // Rounded up to the tenth.
            let tenths = (energy * SUN_PER_ENERGY + bytes * SUN_PER_BYTE).div_ceil(100_000);
            let (trx, tenth) = (tenths / 10, tenths % 10);
            let energy = thousands(*energy);
            text += &format!("| {name} | {energy} | {} | {trx}.{tenth} |\n", thousands(*bytes));
        }
        text + "\n"
    }
}

fn thousands(number: u64) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", thousands(number / 1_000), number % 1_000)
    }
}

#[test]
fn the_table_of_costs_is_what_our_chain_counts() {
    let mut table = Table::new();
    table.of_the_owner();
    table.of_the_payee();
    let path = repository().join("docs/vault.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (head, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (old, tail) = rest.split_once(END).expect("the table has an end");
    let new = table.text();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, [head, BEGIN, &new, END, tail].concat()).expect("it is writable");
    } else {
        assert!(
            old == new,
            "docs/vault.md is stale\nhint: run this test with UPDATE_DOCS=1\n{new}"
        );
    }
}
