//! Vouchers signed and checked, beside a plain loop over the crypto library in the same run.
//!
//! `cargo run --release -p shoal-sim --example voucher_speed`. Rounds alternate, so that both see the same
//! moods of the machine; medians are compared. The plain loop signs and verifies digests that are there
//! already; ours hashes the voucher by EIP-712, and for the check reads it from its bytes.

#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use keys::secp256k1::SecretKey;
use ledger::typed_data::Domain;
use ledger::voucher::{Received, Verified, Voucher};
use ledger::{Address, Amount, ChannelId};
use secp256k1::ecdsa::Signature;
use secp256k1::{Message, Secp256k1};

const VOUCHERS: u32 = 1_000;
const ROUNDS: usize = 41;

/// Microseconds for each of so many calls of `work`.
fn time(mut work: impl FnMut(u32)) -> f64 {
    let start = Instant::now();
    for number in 0..VOUCHERS {
        work(number);
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(VOUCHERS)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn report(what: &str, ours: Vec<f64>, plain: Vec<f64>) {
    let (ours, plain) = (median(ours), median(plain));
    println!("{what}: {ours:.2} µs, plain {plain:.2} µs, {:.3} times", ours / plain);
}

fn main() {
    let key = SecretKey::from_bytes(&[2; 32]).expect("a key");
    let public = key.public();
    let contract = Address::new([8; 20]);
    let domain = Domain { name: "Shoal Vault", version: "1", chain_id: 1, contract }.separator();
    let channel = ChannelId([3; 32]);
    let voucher = |number: u32| Voucher::plain(channel, Amount::new(number.into()));
    let signed: Vec<Vec<u8>> = (0..VOUCHERS)
        .map(|number| Verified::sign(voucher(number), &domain, &key).encode())
        .collect();

    let curve = Secp256k1::new();
    let secret = secp256k1::SecretKey::from_byte_array([2; 32]).expect("a key");
    let point = secret.public_key(&curve);
    let digest = |number: u32| {
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        Message::from_digest(digest)
    };
    let signatures: Vec<[u8; 64]> = (0..VOUCHERS)
        .map(|number| curve.sign_ecdsa(digest(number), &secret).serialize_compact())
        .collect();

    let (mut signing, mut plain_signing) = (Vec::new(), Vec::new());
    let (mut checking, mut plain_checking) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        signing.push(time(|number| {
            black_box(Verified::sign(voucher(number), &domain, &key));
        }));
        plain_signing.push(time(|number| {
            black_box(curve.sign_ecdsa_recoverable(digest(number), &secret));
        }));
        checking.push(time(|number| {
            let received = Received::<Voucher>::decode(&signed[number as usize]).expect("ours");
            black_box(received.verify(&domain, &public)).expect("ours");
        }));
        plain_checking.push(time(|number| {
            let signature = Signature::from_compact(&signatures[number as usize]).expect("ours");
            curve.verify_ecdsa(digest(number), &signature, &point).expect("ours");
        }));
    }
    report("sign", signing, plain_signing);
    report("read and verify", checking, plain_checking);
}
