//! Payer and payee against a naive model of the contract that keeps every voucher it ever saw.

use proptest::prelude::*;

use super::*;

/// The contract, for one channel, in the words of its specification.
#[derive(Debug, Default)]
struct Contract {
    locked: u128,
    redeemed: u128,
    unlock_at: Option<u64>,
    round: u64,
    paid: u128,
}

impl Contract {
    fn claim(&mut self, voucher: &Voucher, scalars: &[[u8; 32]], now: u64) {
        let mut claim = voucher.cumulative().units();
        for (condition, scalar) in voucher.conditions().iter().zip(scalars) {
            if *scalar != [0; 32] && now <= condition.expiry.0 {
                assert_eq!(lock_of(scalar), condition.lock);
                claim += condition.amount.units();
            }
        }
        let pay = claim.saturating_sub(self.redeemed).min(self.locked);
        self.redeemed += pay;
        self.locked -= pay;
        self.paid += pay;
    }

    fn view(&self, now: u64) -> View {
        View {
            locked: units(self.locked),
            redeemed: units(self.redeemed),
            delay_s: 200,
            unlock_at: self.unlock_at.map(ChainTime),
            round: self.round,
            at: ChainTime(now),
        }
    }
}

fn lock_of(scalar: &[u8; 32]) -> Address {
    Address::of_key(&SecretKey::from_bytes(scalar).unwrap().public())
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Lock(u128),
    Announce,
    Unlock,
    Pay(u128),
    Promise {
        amount: u128,
        life_s: u64,
    },
    /// The payee learns a scalar, and the payer does, if he listens.
    Reveal {
        which: usize,
        payer_listens: bool,
    },
    Claim,
    /// Somebody shows an old voucher with all scalars that anybody knows.
    ClaimOld(usize),
    Wait(u64),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..300_u128).prop_map(Step::Lock),
        1 => Just(Step::Announce),
        1 => Just(Step::Unlock),
        5 => (1..30_u128).prop_map(Step::Pay),
        5 => (1..30_u128, 0..250_u64).prop_map(|(amount, life_s)| Step::Promise { amount, life_s }),
        3 => (0..40_usize, any::<bool>())
            .prop_map(|(which, payer_listens)| Step::Reveal { which, payer_listens }),
        2 => Just(Step::Claim),
        3 => (0..60_usize).prop_map(Step::ClaimOld),
        3 => (1..60_u64).prop_map(Step::Wait),
        1 => Just(Step::Crash),
    ]
}

struct World {
    now: u64,
    contract: Contract,
    payer: Payer,
    payee: Payee,
    /// All vouchers that were ever sent, and the last one stored on either side.
    sent: Vec<Verified<Voucher>>,
    taken: Vec<PayeeRecord>,
    scalars: Vec<([u8; 32], u128)>,
    revealed: Vec<[u8; 32]>,
    /// What was meant to be paid: payments, and conditions whose scalars were told.
    meant: u128,
    has_unlocked: bool,
}

impl World {
    fn new() -> Self {
        Self {
            now: 1_000,
            contract: Contract::default(),
            payer: payer(open(0)),
            payee: payee(open(0)),
            sent: Vec::new(),
            taken: Vec::new(),
            scalars: Vec::new(),
            revealed: Vec::new(),
            meant: 0,
            has_unlocked: false,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Lock(amount) => {
                self.contract.round += u64::from(self.contract.locked == 0);
                self.contract.locked += amount;
                self.contract.unlock_at = None;
            }
            Step::Announce if self.contract.locked > 0 => {
                self.contract.unlock_at.get_or_insert(self.now + 200);
            }
            Step::Unlock if self.contract.unlock_at.is_some_and(|at| at <= self.now) => {
                self.contract.locked = 0;
                self.contract.unlock_at = None;
                self.has_unlocked = true;
            }
            Step::Announce | Step::Unlock => {}
            Step::Pay(amount) => {
                if self.payer.pay(units(amount), &key(2)).is_ok() {
                    self.meant += amount;
                }
            }
            Step::Promise { amount, life_s } => {
                let mut scalar = [0; 32];
                scalar[31] = u8::try_from(self.scalars.len() + 1).unwrap();
                let expiry = ChainTime(self.now + life_s);
                let condition = Condition { amount: units(amount), lock: lock_of(&scalar), expiry };
                if self.payer.promise(condition, &key(2)).is_ok() {
                    self.scalars.push((scalar, amount));
                }
            }
            Step::Reveal { which, payer_listens } => {
                let Some(&(scalar, amount)) = self.scalars.get(which % self.scalars.len().max(1))
                else {
                    return;
                };
                if !self.revealed.contains(&scalar) {
                    self.meant += amount;
                    self.revealed.push(scalar);
                }
                self.payee.on_scalar(scalar);
                if payer_listens {
                    self.payer.resolve(&scalar, &key(2)).ok();
                }
            }
            Step::Claim => self.claim(),
            Step::ClaimOld(which) => {
                let Some(voucher) = self.sent.get(which % self.sent.len().max(1)) else { return };
                let shown: Vec<_> = voucher
                    .statement()
                    .conditions()
                    .iter()
                    .map(|condition| {
                        let known =
                            self.revealed.iter().find(|known| lock_of(known) == condition.lock);
                        known.copied().unwrap_or([0; 32])
                    })
                    .collect();
                self.contract.claim(voucher.statement(), &shown, self.now);
            }
            Step::Wait(seconds) => self.wait(seconds),
            Step::Crash => self.restart(),
        }
    }

    /// Time passes in seconds, and the payee looks at each, as his deadline would make him.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1;
            self.look();
            if self.payee.claim_due(ChainTime(self.now)).0.is_some() {
                self.claim();
                self.look();
            }
        }
    }

    fn claim(&mut self) {
        let Some(claim) = self.payee.claim(ChainTime(self.now)) else { return };
        let paid = self.contract.paid;
        self.contract.claim(claim.voucher.statement(), &claim.scalars, self.now);
        assert_eq!(self.contract.paid - paid, claim.worth.units(), "it brings what it says");
    }

    fn look(&mut self) {
        let view = self.contract.view(self.now);
        self.payer.on_view(view).expect("the chain takes no more than was signed");
        self.payee.on_view(view).unwrap();
    }

    fn settle(&mut self) {
        self.look();
        self.payer.on_stored();
        while let Some(output) = self.payer.poll_output() {
            let PayerOutput::Send(voucher) = output else { continue };
            self.sent.push(voucher.clone());
            self.payee.on_voucher(voucher.to_received(), ChainTime(self.now)).ok();
        }
        while let Some(output) = self.payee.poll_output() {
            match output {
                PayeeOutput::Store(record) => {
                    self.taken.push(record);
                    self.payee.on_stored();
                }
                PayeeOutput::Credited { .. }
                | PayeeOutput::SendScalar(_)
                | PayeeOutput::SendRelease(_) => {}
            }
        }
        self.look();
    }

    fn restart(&mut self) {
        self.payer = Payer::new(parties(), domain(), units(1_000), self.sent.last());
        self.payee = Payee::new(parties(), domain(), TERMS);
        for record in &self.taken {
            self.payee.restore(record.clone());
        }
        self.look();
    }

    fn check(&self) {
        let cover = self.contract.redeemed + self.contract.locked;
        let payer = self.payer.promised().units();
        assert!(self.contract.paid <= payer, "the payer loses no more than he promised");
        assert!(self.payee.counted().units() <= payer, "nothing counts that was not promised");
        assert!(payer <= 1_000, "the cap holds");
        assert!(self.contract.paid <= self.meant, "nothing is paid twice");
        for voucher in &self.sent {
            let voucher = voucher.statement();
            let live = voucher.conditions().iter().filter(|open| self.now <= open.expiry.0);
            let live: u128 = live.map(|open| open.amount.units()).sum();
            let claim = voucher.cumulative().units() + live;
            assert!(claim <= payer, "the newest voucher bounds what all can claim");
        }
        if !self.has_unlocked {
            // While no unlock took place, all that counts can be had, whatever the payer does.
            assert!(self.payee.counted().units() <= cover, "what counts is covered");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nobody_pays_more_than_promised_or_counts_more_than_is_covered(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        world.settle();
        for step in steps {
            world.step(step);
            world.settle();
            world.check();
        }
        // At the end the payer leaves, and the payee, awake, gets all that counts.
        let counted = world.payee.counted().units();
        let had_slept = world.has_unlocked;
        world.step(Step::Announce);
        world.settle();
        world.wait(200);
        if !had_slept {
            prop_assert!(world.contract.paid >= counted, "{} of {counted}", world.contract.paid);
        }
    }
}
