use proptest::prelude::*;
use wire::hex;

use super::*;
use crate::parties::Parties;
use crate::typed_data::Domain;

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn address(byte: u8) -> Address {
    Address::of_key(&key(byte).public())
}

fn separator() -> Separator {
    let contract = "0x00112233445566778899aabbccddeeff00112233".parse().unwrap();
    Domain { name: "Shoal Vault", version: "1", chain_id: 3_448_148_188, contract }.separator()
}

fn parties() -> Parties {
    Parties { owner: address(1), signer: address(2), payee: address(3) }
}

const CUMULATIVE: Amount = Amount::new(1_234_567_890_123_456_789_012);

fn conditions() -> Vec<Condition> {
    vec![
        Condition { amount: Amount::new(7), lock: address(4), expiry: ChainTime(1_800_000_000) },
        Condition {
            amount: Amount::new(1_000_000_000_000_000_000),
            lock: address(5),
            expiry: ChainTime(1_800_000_600),
        },
    ]
}

/// All of these are what ethers 6 computes and signs of the same values.
#[test]
fn accounts_and_channels_have_the_names_that_ethers_computes() {
    assert_eq!(
        parties().account().to_string(),
        "3bc1383fb61f7edbfc2a54f0ef18a031a5de4376cc2f812add73988705a984a8"
    );
    assert_eq!(
        parties().channel().to_string(),
        "e918b4cbcb1f1dbe2fafd991ee53ee2475e83b7a250ad8f08b6e74711c13ba72"
    );
}

#[track_caller]
fn agrees_with_ethers<T: Statement>(statement: T, signer: u8, digest: &str, signature: &str) {
    assert_eq!(hex(&separator().digest(&statement.struct_hash())), digest);
    let signed = Verified::sign(statement, &separator(), &key(signer));
    assert_eq!(hex(&signed.signature().to_bytes()), signature);
}

#[test]
fn a_plain_voucher_is_signed_as_ethers_signs_it() {
    agrees_with_ethers(
        Voucher::plain(parties().channel(), CUMULATIVE),
        2,
        "1a8a9c215f4d8910d0a68aa04231101ed978531ef0910fea1574adce4c7182ef",
        "c75671240656f2252798e267391812b084bce345dd41e8e5ac1a94aceccfa750425ee8791484a101340ccb98\
         e7d534dfba534be49dbc0a8381a894baf21405971c",
    );
}

#[test]
fn a_conditional_voucher_is_signed_as_ethers_signs_it() {
    agrees_with_ethers(
        Voucher::conditional(parties().channel(), CUMULATIVE, conditions()).unwrap(),
        2,
        "b99002100753b3f7bebe70ece70a9468e60091ac2c6ba53aa858f7491df5bfb2",
        "fe0e2b9796ecc15020ca46dd0d1a04936d8ab2b240e72dc04f91bc18d3ba3ffa0d3864e80b120f9fdd9f1dd7\
         ef895201a10aaeeb4079b53f9ce9275bb79bda021b",
    );
}

#[test]
fn releases_and_mandates_are_signed_as_ethers_signs_them() {
    agrees_with_ethers(
        Release { channel: parties().channel(), round: 5, cumulative: CUMULATIVE },
        3,
        "23b8d084e706732d9497122a3dde057bdfbb70267430fc5ae3f359d8fade200b",
        "f590d4d00ae6e713a47c73f20cb55e872055b7d3c94345bc161213c94782c5ac1fd771655ea9b63a374dfe85\
         89fc66bbd55c44935c31ad98c3c650f3f13c1ed31c",
    );
    let until = ChainTime(1_800_000_000);
    agrees_with_ethers(
        Mandate { payee: address(3), tower: Some(address(6)), share: 250, until },
        3,
        "a6ef0bf833890e0d4a1537bc47471409c625a14b316633d259f6dbbb5d631f80",
        "269827979b69e4f851800518ead687e6b5776bfcefe2f482e2cef6ce8e0e37f17f43625fe7196b982e30bc7c\
         b9864cc62ec294f8faaddeec3431122e267cfbaf1b",
    );
    agrees_with_ethers(
        Mandate { payee: address(3), tower: None, share: 1_000, until: ChainTime(1) },
        3,
        "1ea3b6fc25b794c858accf96aa08983d156ed9af281296d8293042751d0500ab",
        "44ce6269f796301ab599731d5433349a9d8283754c76f4b9290a5b4b626a579c2b9eef70028d9b882523cada\
         3c2d55267408aa3c1e71727efdd9187c3f6a6a491b",
    );
}

fn received() -> Received<Voucher> {
    let voucher = Voucher::conditional(parties().channel(), CUMULATIVE, conditions()).unwrap();
    Verified::sign(voucher, &separator(), &key(2)).to_received()
}

#[test]
fn a_voucher_of_another_key_is_refused_both_ways() {
    let expected = address(7);
    assert_eq!(received().verify(&separator(), &key(7).public()), Err(Forged::Key { expected }));
    let recovered = Some(address(2));
    assert_eq!(
        received().recover(&separator(), expected),
        Err(Forged::Signer { expected, recovered })
    );
    let (verified, known) = received().recover(&separator(), address(2)).unwrap();
    assert_eq!(received().verify(&separator(), &known), Ok(verified));
}

#[test]
fn a_voucher_for_another_contract_or_chain_is_refused() {
    let contract = address(9);
    let here = Domain { name: "Shoal Vault", version: "1", chain_id: 3_448_148_188, contract };
    let there = Domain { chain_id: 728_126_428, ..here.clone() };
    for domain in [here, there] {
        assert!(received().verify(&domain.separator(), &key(2).public()).is_err());
    }
}

#[test]
fn a_wrong_parity_is_put_right_before_the_contract_sees_it() {
    let honest = received();
    let mut twisted = received();
    twisted.signature.parity ^= 1;
    let verified = twisted.verify(&separator(), &key(2).public()).unwrap();
    assert_ne!(verified.signature(), honest.signature);
    assert_eq!(verified.redeemable(&separator(), address(2)), honest.signature.to_bytes());
}

#[test]
fn vouchers_that_mean_two_things_or_nothing_cannot_be_made() {
    let channel = parties().channel();
    let make = |cumulative, conditions| Voucher::conditional(channel, cumulative, conditions);
    let condition = conditions()[0];
    let lock = condition.lock;
    let most = CONDITIONS_MAX;
    let many = (1..=33).map(|byte| Condition { lock: address(byte), ..condition }).collect();
    assert_eq!(make(CUMULATIVE, many), Err(VoucherError::TooManyConditions { count: 33, most }));
    let twice = vec![condition, Condition { amount: Amount::new(8), ..condition }];
    assert_eq!(make(CUMULATIVE, twice), Err(VoucherError::SameLock { lock }));
    let nothing = vec![Condition { amount: Amount::ZERO, ..condition }];
    assert_eq!(make(CUMULATIVE, nothing), Err(VoucherError::ZeroCondition { lock }));
    let cumulative = Amount::new(u128::MAX - 6);
    assert_eq!(make(cumulative, vec![condition]), Err(VoucherError::Overflow { cumulative }));
}

fn any_voucher() -> impl Strategy<Value = Voucher> {
    let condition =
        (1..1_000_000_u128, any::<[u8; 20]>(), any::<u64>()).prop_map(|(amount, lock, expiry)| {
            Condition {
                amount: Amount::new(amount),
                lock: Address::new(lock),
                expiry: ChainTime(expiry),
            }
        });
    (any::<[u8; 32]>(), any::<u64>(), prop::collection::vec(condition, 0..=CONDITIONS_MAX))
        .prop_filter_map("same locks", |(channel, cumulative, conditions)| {
            let cumulative = Amount::new(cumulative.into());
            Voucher::conditional(ChannelId(channel), cumulative, conditions).ok()
        })
}

proptest! {
    #[test]
    fn a_voucher_survives_its_bytes(voucher in any_voucher()) {
        let signed = Verified::sign(voucher, &separator(), &key(2));
        let bytes = signed.encode();
        prop_assert!(bytes.len() <= VOUCHER_BYTES_MAX);
        prop_assert_eq!(Received::<Voucher>::decode(&bytes), Ok(signed.to_received()));
        for length in 0..bytes.len() {
            prop_assert!(Received::<Voucher>::decode(&bytes[..length]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(Received::<Voucher>::decode(&longer), Err(DecodeError::Long { extra: 1 }));
    }

    #[test]
    fn any_changed_bit_is_refused_or_harmless(bit in 0..(2 + 32 + 16 + 1 + 2 * 44 + 65) * 8_usize) {
        let signed = Verified::sign(received().statement, &separator(), &key(2));
        let mut bytes = signed.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = Received::<Voucher>::decode(&bytes) {
            match changed.verify(&separator(), &key(2).public()) {
                Ok(same) => prop_assert_eq!(same.statement(), signed.statement()),
                Err(forged) => prop_assert_eq!(forged, Forged::Key { expected: address(2) }),
            }
        }
    }

    #[test]
    fn releases_and_mandates_survive_their_bytes(
        channel in any::<[u8; 32]>(), round in any::<u64>(), cumulative in any::<u128>(),
        tower in any::<Option<[u8; 20]>>(), share in 0..=SHARE_MAX, until in any::<u64>(),
    ) {
        let release = Release {
            channel: ChannelId(channel), round, cumulative: Amount::new(cumulative),
        };
        let release = Verified::sign(release, &separator(), &key(3));
        prop_assert_eq!(Received::<Release>::decode(&release.encode()), Ok(release.to_received()));
        let mandate = Mandate {
            payee: address(3), tower: tower.map(Address::new), share, until: ChainTime(until),
        };
        let mandate = Verified::sign(mandate, &separator(), &key(3));
        prop_assert_eq!(Received::<Mandate>::decode(&mandate.encode()), Ok(mandate.to_received()));
        prop_assert_eq!(
            Received::<Mandate>::decode(&release.encode()),
            Err(DecodeError::Kind { expected: 3, found: 2 })
        );
    }

    #[test]
    fn any_bytes_are_a_statement_or_refused(
        tag in 0..5_u8, rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [&[1, tag], &rest[..]].concat();
        prop_assert_eq!(Received::<Voucher>::decode(&bytes), Received::<Voucher>::decode(&bytes));
        prop_assert_eq!(Received::<Release>::decode(&bytes), Received::<Release>::decode(&bytes));
        prop_assert_eq!(Received::<Mandate>::decode(&bytes), Received::<Mandate>::decode(&bytes));
    }
}
