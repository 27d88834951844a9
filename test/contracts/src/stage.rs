//! One Vault with its token on a world, and the model beside it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alloy_dyn_abi::DynSolValue;
use keys::Digest32;
use revm::primitives::{Address, Log, U256};

use crate::artifact::Artifact;
use crate::model::{Channel, Model, Said};
use crate::operation::{Entry, Mandate, Operation};
use crate::party::Party;
use crate::statement::{Condition, Domain, Statement, account_of, channel_of};
use crate::world::{Outcome, World};

/// Who appears on every stage. Owners, payees, tower and stranger hold tokens.
#[derive(Debug)]
#[expect(missing_docs, reason = "roles")]
pub struct Cast {
    pub owner: Party,
    pub other_owner: Party,
    pub signer: Party,
    pub other_signer: Party,
    pub payee: Party,
    pub other_payee: Party,
    pub tower: Party,
    pub stranger: Party,
}

/// The cast: the same in every run.
#[must_use]
pub fn cast() -> &'static Cast {
    static CAST: LazyLock<Cast> = LazyLock::new(|| Cast {
        owner: Party::named("owner"),
        other_owner: Party::named("other owner"),
        signer: Party::named("signer"),
        other_signer: Party::named("other signer"),
        payee: Party::named("payee"),
        other_payee: Party::named("other payee"),
        tower: Party::named("tower"),
        stranger: Party::named("stranger"),
    });
    &CAST
}

impl Cast {
    /// Everybody.
    pub fn all(&self) -> [&Party; 8] {
        let Self { owner, other_owner, signer, other_signer, .. } = self;
        let Self { payee, other_payee, tower, stranger, .. } = self;
        [owner, other_owner, signer, other_signer, payee, other_payee, tower, stranger]
    }
}

/// Smallest units that each of the cast holds at first: BTT's whole supply, so that sums of
/// several come near nothing that is special, and a lock can exceed 2^128.
pub const TOKENS_OF_EACH: u128 = u128::MAX;

/// A Vault, its token, and what the model thinks of them.
#[derive(Debug)]
pub struct Stage {
    /// The chain.
    pub world: World,
    /// The code of the Vault, for calls.
    pub vault_code: Artifact,
    /// The code of the token, for calls.
    pub token_code: Artifact,
    /// Where the Vault is.
    pub vault: Address,
    /// Where the token is.
    pub token: Address,
    /// What should be. `None` for tokens that the model does not know.
    pub model: Option<Model>,
}

impl Stage {
    /// A new Vault for a new BTT that everybody has and lets the Vault take.
    #[must_use]
    pub fn new(world: World) -> Self {
        let mut stage = Self::with_token(world, "Btt");
        let holders = cast().all().map(|party| (party.address, U256::from(TOKENS_OF_EACH)));
        stage.model = Some(Model::new(stage.domain(), BTreeMap::from(holders)));
        stage
    }

    /// The same with another token, and without a model.
    ///
    /// # Panics
    /// If a contract can't be created.
    #[must_use]
    pub fn with_token(mut world: World, token: &'static str) -> Self {
        let token_code = Artifact::load(token);
        let vault_code = Artifact::load("Vault");
        let all = cast().all();
        let [creator, ..] = all;
        let supply = U256::from(TOKENS_OF_EACH) * U256::from(all.len());
        let creation = token_code.creation(&[creator.address.into(), supply.into()]);
        let token = world.create(creator, creation).created.expect("the token is created");
        let creation = vault_code.creation(&[token.into()]);
        let vault = world.create(creator, creation).created.expect("the Vault is created");
        let mut stage = Self { world, vault_code, token_code, vault, token, model: None };
        for party in all {
            let tokens = U256::from(TOKENS_OF_EACH);
            stage.token_call(creator, "transfer", &[party.address.into(), tokens.into()]);
            stage.token_call(party, "approve", &[vault.into(), U256::MAX.into()]);
        }
        stage
    }

    /// Where signatures of this stage count.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.world.chain_id() & 0xffff_ffff, contract: self.vault }
    }

    /// Calls the Vault and compares what it said with the model.
    ///
    /// # Panics
    /// If contract and model say different things.
    pub fn run(&mut self, sender: &Party, operation: &Operation) -> Said {
        let now = self.world.now();
        let outcome = self.world.send(sender, self.vault, operation.encode(&self.vault_code));
        let said = self.said(&outcome);
        if let Some(model) = &mut self.model {
            let expected = model.run(now, sender.address, operation);
            assert_eq!(said, expected, "{} at {now}: {operation:?}", sender.name);
        }
        said
    }

    /// Runs an operation that works, and returns its events.
    ///
    /// # Panics
    /// If it is refused.
    pub fn accepts(&mut self, sender: &Party, operation: &Operation) -> Vec<String> {
        let name = &sender.name;
        self.run(sender, operation)
            .unwrap_or_else(|refusal| panic!("{name} is refused with {refusal}: {operation:?}"))
    }

    /// Runs an operation that is refused with these words.
    ///
    /// # Panics
    /// If it is not.
    pub fn refuses(&mut self, sender: &Party, operation: &Operation, why: &str) {
        let said = self.run(sender, operation);
        assert_eq!(said, Err(why.to_owned()), "{}: {operation:?}", sender.name);
    }

    /// The same for a refusal whose arguments don't matter.
    ///
    /// # Panics
    /// If it is not.
    pub fn refuses_with(&mut self, sender: &Party, operation: &Operation, name: &str) {
        let refusal = self.run(sender, operation).expect_err("it is refused");
        assert_eq!(refusal.split('(').next(), Some(name), "{refusal}: {operation:?}");
    }

    /// Events or refusal of an outcome, in words.
    pub fn said(&self, outcome: &Outcome) -> Said {
        match &outcome.result {
            Ok(_) => Ok(outcome.logs.iter().map(|log| self.event(log)).collect()),
            Err(bytes) => Err(self.refusal(bytes)),
        }
    }

    fn event(&self, log: &Log) -> String {
        let code = if log.address == self.vault { &self.vault_code } else { &self.token_code };
        code.event(log)
    }

    fn refusal(&self, bytes: &[u8]) -> String {
        let words = self.vault_code.refusal(bytes);
        let is_unknown = !bytes.is_empty() && !words.contains('(');
        if is_unknown { self.token_code.refusal(bytes) } else { words }
    }

    /// Calls the token by a transaction that works.
    ///
    /// # Panics
    /// If it does not.
    pub fn token_call(&mut self, sender: &Party, function: &str, arguments: &[DynSolValue]) {
        let data = self.token_code.call(function, arguments);
        let outcome = self.world.send(sender, self.token, data);
        if let Err(refusal) = self.said(&outcome) {
            panic!("{function} of the token is refused with {refusal}");
        }
    }

    /// Tokens of a holder.
    pub fn tokens(&mut self, holder: Address) -> U256 {
        let data = self.token_code.call("balanceOf", &[holder.into()]);
        let bytes = self.world.ask(self.token, data).result.expect("balances can be asked");
        U256::from_be_slice(&bytes)
    }

    /// What the Vault's function without side effects returns.
    ///
    /// # Panics
    /// If it is refused.
    pub fn view(&mut self, function: &str, arguments: &[DynSolValue]) -> Vec<DynSolValue> {
        let data = self.vault_code.call(function, arguments);
        let bytes = self.world.ask(self.vault, data).result.expect("views are not refused");
        self.vault_code.returned(function, &bytes)
    }

    /// The free balance of an account.
    pub fn free_of(&mut self, account: Digest32) -> U256 {
        let values = self.view("free", &[DynSolValue::FixedBytes(account.into(), 32)]);
        number(&values, 0)
    }

    /// A channel's state.
    pub fn channel_of(&mut self, channel: Digest32) -> Channel {
        let values = self.view("channel", &[DynSolValue::FixedBytes(channel.into(), 32)]);
        Channel {
            locked: number(&values, 0),
            redeemed: number(&values, 1),
            delay: number(&values, 2).to(),
            unlock_at: number(&values, 3).to(),
            round: number(&values, 4).to(),
        }
    }

    /// The free balance of the account of owner and signer.
    pub fn free(&mut self, owner: &Party, signer: &Party) -> u128 {
        self.free_of(account_of(owner.address, signer.address)).to()
    }

    /// The state of the channel from owner and signer to payee.
    pub fn channel(&mut self, owner: &Party, signer: &Party, payee: &Party) -> Channel {
        self.channel_of(channel_of(owner.address, signer.address, payee.address))
    }

    /// An entry with a good signature: the cast's owner and signer pay the cast's payee.
    #[must_use]
    pub fn entry(&self, cumulative: u128) -> Entry {
        let Cast { owner, signer, payee, .. } = cast();
        self.entry_of(owner, signer, payee, cumulative)
    }

    /// An entry with a good signature.
    #[must_use]
    pub fn entry_of(&self, owner: &Party, signer: &Party, payee: &Party, sum: u128) -> Entry {
        let channel = channel_of(owner.address, signer.address, payee.address);
        let cumulative = U256::from(sum);
        let voucher = Statement::Voucher { channel, cumulative }.signed(signer, self.domain());
        Entry {
            owner: owner.address,
            signer: signer.address,
            payee: payee.address,
            cumulative,
            voucher,
        }
    }

    /// An entry whose signature covers conditions.
    #[must_use]
    pub fn conditional(&self, cumulative: u128, conditions: &[Condition]) -> Entry {
        let Cast { owner, signer, payee, .. } = cast();
        let channel = channel_of(owner.address, signer.address, payee.address);
        let mut entry = self.entry(cumulative);
        let conditions = conditions.to_vec();
        entry.voucher =
            Statement::Conditional { channel, cumulative: entry.cumulative, conditions }
                .signed(signer, self.domain());
        entry
    }

    /// A good release of the cast's channel.
    #[must_use]
    pub fn release(&self, round: u64, cumulative: u128) -> Vec<u8> {
        let Cast { owner, signer, payee, .. } = cast();
        let channel = channel_of(owner.address, signer.address, payee.address);
        let cumulative = U256::from(cumulative);
        Statement::Release { channel, round, cumulative }.signed(payee, self.domain())
    }

    /// A good mandate of the cast's payee.
    #[must_use]
    pub fn mandate(&self, tower: Address, share: u16, until: u64) -> Mandate {
        let payee = cast().payee.address;
        let statement = Statement::Mandate { payee, tower, share, until };
        let signature = statement.signed(&cast().payee, self.domain());
        Mandate { payee, tower, share, until, signature }
    }

    /// The cast's owner deposits and locks for the cast's payee, with a delay of 60 s.
    pub fn open(&mut self, amount: u128) {
        let Cast { owner, signer, payee, .. } = cast();
        self.accepts(owner, &deposit(owner, signer, amount));
        self.accepts(owner, &lock(signer, payee, amount, 60));
    }
}

fn number(values: &[DynSolValue], index: usize) -> U256 {
    values.get(index).and_then(DynSolValue::as_uint).expect("a number").0
}

/// A deposit into the account of owner and signer.
#[must_use]
pub fn deposit(owner: &Party, signer: &Party, amount: u128) -> Operation {
    let amount = U256::from(amount);
    Operation::Deposit { owner: owner.address, signer: signer.address, amount }
}

/// A withdrawal by the owner who sends it.
#[must_use]
pub fn withdraw(signer: &Party, amount: u128) -> Operation {
    Operation::Withdraw { signer: signer.address, amount: U256::from(amount) }
}

/// A lock by the owner who sends it.
#[must_use]
pub fn lock(signer: &Party, payee: &Party, amount: u128, delay: u64) -> Operation {
    let amount = U256::from(amount);
    Operation::Lock { signer: signer.address, payee: payee.address, amount, delay }
}

/// An announcement by the owner who sends it.
#[must_use]
pub fn announce(signer: &Party, payee: &Party) -> Operation {
    Operation::AnnounceUnlock { signer: signer.address, payee: payee.address }
}

/// An unlock, by anyone.
#[must_use]
pub fn unlock(owner: &Party, signer: &Party, payee: &Party) -> Operation {
    Operation::Unlock { owner: owner.address, signer: signer.address, payee: payee.address }
}

/// A batch, by anyone.
#[must_use]
pub fn redeem(entries: &[Entry]) -> Operation {
    Operation::Redeem { entries: entries.to_vec() }
}
