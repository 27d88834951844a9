//! The money database on a disk that loses what was not synced, with the power cut at each change.
//!
//! What was acknowledged is there afterwards, whole and in order; what was not is there whole or
//! not at all. The disk is simulated, `SQLite` is the real one.

use base::{Rng, UnixTime};
use disk::{MoneyBatch, MoneyDb, MoneyError};
use ledger::book::{Book, Commit, Direction, Posting};
use ledger::network::Coin;
use ledger::outbox::{Action, IntentId, NetworkId, Record, Settled, Status, Validity};
use ledger::{Address, Amount, ChannelId, TxId};
use sim::power::PowerDisk;

const HERE: NetworkId = NetworkId([1; 32]);
const CHANNEL: ChannelId = ChannelId([3; 32]);

/// Steps of the program under test: as many as fill the log and bring it home now and then.
const STEPS: u32 = 12;

fn record(step: u32, status: Status) -> Record {
    Record {
        intent: IntentId([u8::try_from(step).expect("few steps"); 16]),
        attempt: 1,
        network: HERE,
        from: Address::new([1; 20]),
        action: Action::Transfer { to: Address::new([5; 20]), amount: Amount::new(5) },
        fee_max: Amount::new(10),
        id: TxId([u8::try_from(step).expect("few steps"); 32]),
        bytes: vec![7; 3_000],
        validity: Validity::Until { expiration_ms: 60_000 },
        made_ms: u64::from(step),
        status,
    }
}

fn confirmed() -> Status {
    let (fee, energy) = (Amount::new(1), 0);
    Status::Confirmed(Settled {
        block_number: 7,
        block_time_ms: 21_000,
        fee,
        energy,
        contract: None,
    })
}

/// A voucher is booked and the transaction of the step before ends, together with a new one.
fn batch(step: u32) -> MoneyBatch {
    let mut book = Book::new(HERE);
    let amounts = (Amount::new(step.into()), Amount::new(u128::from(step) + 1));
    let channel = (CHANNEL, Direction::Given);
    let posting =
        Posting::voucher(channel, UnixTime(0), Coin::Native, amounts).expect("it is balanced");
    book.post(posting).expect("it is new");
    let Commit { entries, .. } = book.poll_output().expect("an entry");
    let ended = step.checked_sub(1).map(|before| record(before, confirmed()));
    let records = ended.into_iter().chain([record(step, Status::Live)]).collect();
    MoneyBatch { entries, records, ..MoneyBatch::default() }
}

/// Runs the program until it is done or the power fails. Gives how many steps were acknowledged.
fn run(disk: &PowerDisk, from: u32) -> Result<u32, (u32, MoneyError)> {
    let db = MoneyDb::open(Some(&disk.path("money.db"))).map_err(|error| (from, error))?;
    for step in from..STEPS {
        db.commit(&batch(step)).map_err(|error| (step, error))?;
    }
    Ok(STEPS)
}

/// How many steps are there, all of them whole.
fn there(disk: &PowerDisk) -> Result<u32, MoneyError> {
    let db = MoneyDb::open(Some(&disk.path("money.db")))?;
    let entries = db.entries(HERE)?;
    let steps = u32::try_from(entries.len()).expect("few");
    for (step, entry) in (0..).zip(&entries) {
        assert_eq!(*entry, batch(step).entries[0], "entries are in order");
        let expected = if step + 1 == steps { Status::Live } else { confirmed() };
        let intent = record(step, Status::Live).intent;
        assert_eq!(db.records_of(intent)?, [record(step, expected)], "step {step} is whole");
    }
    assert!(db.live_records(HERE)?.len() <= 1);
    Ok(steps)
}

/// One run with the power cut at change `at`, and, some changes into the recovery, once more.
/// False: the program was done before.
fn survives(at: u64, seed: u64, lying: bool) -> Result<bool, String> {
    let disk = PowerDisk::new();
    if lying {
        disk.lie_about_syncs();
    }
    let mut rng = Rng::from_seed(seed ^ at);
    disk.fail_at(at);
    let acknowledged = match run(&disk, 0) {
        Ok(_) => return Ok(false),
        Err((steps, error)) => {
            assert!(disk.is_dead(), "seed {seed}, change {at}: {error}");
            steps
        }
    };
    disk.restart(&mut rng);
    disk.fail_at(rng.below(12).into());
    there(&disk).ok();
    disk.restart(&mut rng);
    let steps = there(&disk).map_err(|error| error.to_string())?;
    if steps != acknowledged && steps != acknowledged + 1 {
        return Err(format!("{acknowledged} steps were acknowledged, {steps} are there"));
    }
    run(&disk, steps).map_err(|(_, error)| error.to_string())?;
    assert_eq!(there(&disk).map_err(|error| error.to_string())?, STEPS);
    Ok(true)
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_change() {
    let mut cuts = 0;
    for seed in sim::seeds(2) {
        for at in 0.. {
            match survives(at, seed, false) {
                Ok(true) => cuts += 1,
                Ok(false) => break,
                Err(error) => panic!("seed {seed}, change {at}: {error}"),
            }
        }
    }
    assert!(cuts > 100, "only {cuts} cuts: the disk is not used");
}

/// The test above can fail.
#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let lost = (0..200).filter(|&at| {
        let quiet = std::panic::catch_unwind(|| survives(at, 0, true));
        !matches!(quiet, Ok(Ok(_)))
    });
    assert!(lost.count() > 10);
}
