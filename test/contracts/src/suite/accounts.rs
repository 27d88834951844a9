//! Deposits, free balances, withdrawals.

use alloy_dyn_abi::DynSolValue;
use revm::primitives::{Address, U256};

use crate::operation::Operation;
use crate::stage::{Cast, Stage, TOKENS_OF_EACH, announce, cast, deposit, lock, redeem, withdraw};
use crate::statement::{account_of, channel_of};

/// A stranger's deposit is the owner's; the signer and the stranger can't withdraw it.
pub fn anyone_pays_in_and_only_the_owner_takes_out(stage: &mut Stage) {
    let Cast { owner, signer, stranger, .. } = cast();
    stage.accepts(stranger, &deposit(owner, signer, 70));
    stage.accepts(owner, &deposit(owner, signer, 30));
    assert_eq!(stage.free(owner, signer), 100);
    assert_eq!(stage.tokens(stage.vault), U256::from(100));

    for thief in [stranger, signer] {
        stage.refuses(thief, &withdraw(signer, 1), "FreeBalanceTooSmall(0, 1)");
    }
    stage.refuses(owner, &withdraw(signer, 101), "FreeBalanceTooSmall(100, 101)");
    stage.accepts(owner, &withdraw(signer, 100));
    assert_eq!(stage.free(owner, signer), 0);
    assert_eq!(stage.tokens(owner.address), U256::from(TOKENS_OF_EACH) + U256::from(70));
    stage.refuses(owner, &withdraw(signer, 1), "FreeBalanceTooSmall(0, 1)");
}

/// Naming another's signer makes an account of one's own, whatever is in it.
pub fn nobody_can_squat_the_account_of_another(stage: &mut Stage) {
    let Cast { owner, signer, payee, stranger, .. } = cast();
    stage.accepts(stranger, &deposit(stranger, signer, 5));
    stage.accepts(stranger, &lock(signer, payee, 5, 1_000));
    stage.accepts(owner, &deposit(owner, signer, 7));
    assert_eq!(stage.free(owner, signer), 7);
    stage.accepts(owner, &lock(signer, payee, 7, 60));
    assert_eq!(stage.channel(owner, signer, payee).delay, 60);

    // What the signer signs for one of the two is nothing in the other.
    let mut entry = stage.entry_of(owner, signer, payee, 7);
    entry.owner = stranger.address;
    stage.refuses_with(payee, &redeem(&[entry]), "SignedByAnother");
    stage.accepts(stranger, &announce(signer, payee));
    assert_eq!(stage.channel(owner, signer, payee).unlock_at, 0);
}

/// Nothing is never moved, and nobody is never named.
pub fn zero_amounts_and_addresses_are_refused(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    let nobody = Address::ZERO;
    let one = U256::from(1);
    stage.accepts(owner, &deposit(owner, signer, 10));
    let cases = [
        (deposit(owner, signer, 0), "AmountIsZero()"),
        (withdraw(signer, 0), "AmountIsZero()"),
        (lock(signer, payee, 0, 60), "AmountIsZero()"),
        (
            Operation::Deposit { owner: nobody, signer: signer.address, amount: one },
            "AddressIsZero()",
        ),
        (
            Operation::Deposit { owner: owner.address, signer: nobody, amount: one },
            "AddressIsZero()",
        ),
        (
            Operation::Lock { signer: nobody, payee: payee.address, amount: one, delay: 1 },
            "AddressIsZero()",
        ),
        (
            Operation::Lock { signer: signer.address, payee: nobody, amount: one, delay: 1 },
            "AddressIsZero()",
        ),
    ];
    for (operation, why) in cases {
        stage.refuses(owner, &operation, why);
    }
    assert_eq!(stage.free(owner, signer), 10);
}

/// The token's own refusals come through.
pub fn deposits_beyond_tokens_or_allowance_are_refused(stage: &mut Stage) {
    let Cast { owner, signer, stranger, .. } = cast();
    for amount in [U256::from(TOKENS_OF_EACH) + U256::from(1), U256::MAX] {
        let operation = Operation::Deposit { owner: owner.address, signer: signer.address, amount };
        stage.refuses_with(owner, &operation, "TRC20InsufficientBalance");
    }

    stage.token_call(stranger, "approve", &[stage.vault.into(), U256::from(5).into()]);
    let data = deposit(owner, signer, 6).encode(&stage.vault_code);
    let outcome = stage.world.send(stranger, stage.vault, data);
    let refusal = stage.said(&outcome).expect_err("it is refused");
    assert!(refusal.starts_with("TRC20InsufficientAllowance("), "{refusal}");
    assert!(refusal.ends_with(", 5, 6)"), "{refusal}");
    assert_eq!(stage.free(owner, signer), 0);
}

/// Ids, domain and token are as the documents say.
pub fn names_of_accounts_and_channels_are_the_agreed_hashes(stage: &mut Stage) {
    let Cast { owner, signer, payee, .. } = cast();
    let (o, s, p) = (owner.address, signer.address, payee.address);
    let id = |digest: [u8; 32]| vec![DynSolValue::FixedBytes(digest.into(), 32)];
    assert_eq!(stage.view("accountOf", &[o.into(), s.into()]), id(account_of(o, s)));
    let channel = stage.view("channelOf", &[o.into(), s.into(), p.into()]);
    assert_eq!(channel, id(channel_of(o, s, p)));
    assert_eq!(stage.view("token", &[]), vec![stage.token.into()]);

    let domain = stage.domain();
    assert_eq!(
        stage.view("eip712Domain", &[]).get(1..5),
        Some(
            [
                "Shoal Vault".to_owned().into(),
                "1".to_owned().into(),
                U256::from(domain.chain_id).into(),
                domain.contract.into(),
            ]
            .as_slice()
        )
    );
}

/// A slip of the hand by somebody is nobody's gain, and harms no book.
pub fn tokens_sent_without_a_deposit_belong_to_nobody(stage: &mut Stage) {
    let Cast { owner, signer, stranger, .. } = cast();
    stage.token_call(stranger, "transfer", &[stage.vault.into(), U256::from(50).into()]);
    stage.refuses(stranger, &withdraw(signer, 1), "FreeBalanceTooSmall(0, 1)");
    stage.open(10);
    stage.refuses(owner, &withdraw(signer, 1), "FreeBalanceTooSmall(0, 1)");
}
