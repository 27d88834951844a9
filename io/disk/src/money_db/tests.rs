use std::os::unix::fs::PermissionsExt as _;

use base::{InfoHash, UnixTime};
use keys::secp256k1::SecretKey;
use ledger::address::Address;
use ledger::book::{Account, Balance, Book, Commit, Direction, Posting, Tags, What};
use ledger::network::Coin;
use ledger::outbox::{Action, Settled, Status, Validity};
use ledger::transaction::BlockId;
use ledger::typed_data::{Domain, Separator};
use ledger::voucher::{ChainTime, Condition, Release, Verified, Voucher};
use ledger::{AccountId, Parties};

use super::*;

const HERE: NetworkId = NetworkId([1; 32]);
const THERE: NetworkId = NetworkId([2; 32]);
const BTT: Coin = Coin::Token(Address::new([9; 20]));
const US: Address = Address::new([1; 20]);
const ACCOUNT: AccountId = AccountId([4; 32]);
const AT: UnixTime = UnixTime(1_800_000_000);

/// A file that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let folder = format!("shoal-money-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        std::fs::remove_dir_all(&path).ok();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state/money.db")
    }

    fn open(&self) -> MoneyDb {
        MoneyDb::open(Some(&self.file())).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn units(units: u128) -> Amount {
    Amount::new(units)
}

fn event(byte: u8) -> What {
    What::Event { tx: TxId([byte; 32]), index: 7 }
}

fn deposit(byte: u8, amount: u128) -> Posting {
    Posting::deposited(event(byte), AT, BTT, units(amount), (US, ACCOUNT)).unwrap()
}

/// Entries as the book makes them.
fn entries(postings: Vec<Posting>) -> Vec<Entry> {
    let mut book = Book::new(HERE);
    for posting in postings {
        book.post(posting).unwrap();
    }
    std::iter::from_fn(|| book.poll_output()).flat_map(|Commit { entries, .. }| entries).collect()
}

fn batch(entries: Vec<Entry>) -> MoneyBatch {
    MoneyBatch { entries, ..MoneyBatch::default() }
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).unwrap()
}

fn parties() -> Parties {
    let address = |byte| Address::of_key(&key(byte).public());
    Parties { owner: address(1), signer: address(2), payee: address(3) }
}

fn domain() -> Separator {
    let contract = Address::new([8; 20]);
    Domain { name: "Shoal Vault", version: "1", chain_id: 1, contract }.separator()
}

fn voucher(cumulative: u128, conditions: Vec<Condition>) -> StoredVoucher {
    let voucher = Voucher::conditional(parties().channel(), units(cumulative), conditions).unwrap();
    let voucher = Verified::sign(voucher, &domain(), &key(2)).to_received();
    StoredVoucher { network: HERE, direction: Direction::Given, parties: parties(), voucher }
}

fn record(intent: u8, attempt: u32) -> Record {
    let byte = u8::try_from(attempt).unwrap();
    Record {
        intent: IntentId([intent; 16]),
        attempt,
        network: HERE,
        from: US,
        action: Action::Transfer { to: Address::new([5; 20]), amount: units(5) },
        fee_max: units(10),
        id: TxId([intent ^ (byte << 4); 32]),
        bytes: vec![1, 2, 3],
        validity: Validity::Until { expiration_ms: 60_000 },
        made_ms: u64::from(attempt),
        status: Status::Live,
    }
}

fn confirmed(record: &Record) -> Record {
    let (block_number, block_time_ms) = (7, 21_000);
    let settled = Settled { block_number, block_time_ms, fee: units(1), energy: 0, contract: None };
    Record { status: Status::Confirmed(settled), ..record.clone() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, MoneyError>) -> MoneyRefusal {
    match result {
        Err(MoneyError::Refused(refusal)) => refusal,
        other => panic!("{other:?} instead of a refusal"),
    }
}

#[test]
fn the_book_is_read_as_it_was_written_and_an_entry_is_stored_once() {
    let dir = Dir::new("book");
    let tags = Tags { torrent: Some(InfoHash([7; 20])), peer: Some(US) };
    let large = Amount::MAX.saturating_minus(units(1_000)).units();
    let written = entries(vec![deposit(1, 100).tagged(tags), deposit(2, large)]);
    dir.open().commit(&batch(written.clone())).unwrap();
    let db = dir.open();
    db.commit(&batch(written.clone())).unwrap();
    assert_eq!(db.entries(HERE).unwrap(), written);
    assert_eq!(db.entries(THERE).unwrap(), []);
    let book = Book::restore(HERE, db.entries(HERE).unwrap()).unwrap();
    let free = book.balance(Account::VaultFree(ACCOUNT), BTT);
    assert_eq!(free, Balance::Debit(units(large + 100)));
}

#[test]
fn a_batch_that_contradicts_the_book_is_refused_whole() {
    let db = MoneyDb::open(None).unwrap();
    db.commit(&batch(entries(vec![deposit(1, 100)]))).unwrap();
    let mixed = batch(entries(vec![deposit(2, 5), deposit(1, 101)]));
    let cause = Cause { what: event(1), turn: 1, is_undo: false };
    assert_eq!(refused(db.commit(&mixed)), MoneyRefusal::Conflict { cause });
    assert_eq!(db.entries(HERE).unwrap().len(), 1, "nothing of it is there");
}

#[test]
fn the_newest_voucher_is_kept_and_never_a_lower_one() {
    let dir = Dir::new("voucher");
    let lock = Address::new([6; 20]);
    let condition = Condition { amount: units(3), lock, expiry: ChainTime(9) };
    let newest = voucher(20, vec![condition]);
    let vouchers = |voucher: &StoredVoucher| MoneyBatch {
        vouchers: vec![voucher.clone()],
        ..MoneyBatch::default()
    };
    let db = dir.open();
    db.commit(&vouchers(&voucher(10, vec![]))).unwrap();
    db.commit(&vouchers(&newest)).unwrap();
    let channel = parties().channel();
    let (stored, offered) = (units(20), units(19));
    let lower = db.commit(&vouchers(&voucher(19, vec![])));
    assert_eq!(refused(lower), MoneyRefusal::LowerVoucher { channel, stored, offered });
    drop(db);
    let db = dir.open();
    assert_eq!(db.voucher(HERE, channel, Direction::Given).unwrap(), Some(newest.clone()));
    assert_eq!(db.voucher(HERE, channel, Direction::Received).unwrap(), None);
    assert_eq!(db.vouchers(HERE).unwrap(), [newest]);
}

#[test]
fn releases_and_scalars_are_kept() {
    let db = MoneyDb::open(None).unwrap();
    let (network, channel) = (HERE, parties().channel());
    let release = Release { channel, round: 2, cumulative: units(5) };
    let release = Verified::sign(release, &domain(), &key(3)).to_received();
    let statements: Vec<_> = [Kept::Release(release), Kept::Scalar([6; 32])]
        .map(|kept| StoredStatement { network, channel, kept })
        .into();
    let batch = MoneyBatch { statements: statements.clone(), ..MoneyBatch::default() };
    db.commit(&batch).unwrap();
    db.commit(&batch).unwrap();
    assert_eq!(db.statements(HERE, channel).unwrap(), statements);
}

#[test]
fn a_wish_has_never_two_transactions_that_could_both_take_place() {
    let db = MoneyDb::open(None).unwrap();
    let first = record(1, 1);
    db.store_record(&first).unwrap();
    db.store_record(&first).unwrap();
    let (intent, id) = (first.intent, first.id);
    let second = MoneyRefusal::SecondTransaction { intent, id };
    assert_eq!(refused(db.store_record(&record(1, 2))), second);
    db.store_record(&Record { status: Status::Expired, ..first.clone() }).unwrap();
    assert_eq!(
        refused(db.store_record(&first)),
        MoneyRefusal::RecordChanged { id },
        "what has expired does not live again"
    );
    let again = record(1, 2);
    db.store_record(&again).unwrap();
    db.store_record(&record(2, 1)).unwrap();
    assert_eq!(db.live_records(HERE).unwrap(), [record(2, 1), again.clone()]);
    db.store_record(&confirmed(&again)).unwrap();
    let done = MoneyRefusal::SecondTransaction { intent, id: again.id };
    assert_eq!(refused(db.store_record(&record(1, 3))), done);
    assert_eq!(db.records_of(intent).unwrap().len(), 2);
    assert_eq!(db.history(HERE, 1).unwrap(), [confirmed(&again)]);
}

#[test]
fn of_a_record_only_the_status_changes() {
    let db = MoneyDb::open(None).unwrap();
    let first = record(1, 1);
    db.store_record(&first).unwrap();
    let changed = Record { bytes: vec![1, 2, 4], ..confirmed(&first) };
    let refusal = MoneyRefusal::RecordChanged { id: first.id };
    assert_eq!(refused(db.store_record(&changed)), refusal);
    assert_eq!(db.live_records(HERE).unwrap(), [first]);
}

#[test]
fn two_programs_do_not_send_for_one_wish_or_spend_the_same_room() {
    let dir = Dir::new("two");
    let (one, other) = (dir.open(), dir.open());
    one.store_record(&record(1, 1)).unwrap();
    let mut twin = record(1, 1);
    twin.id = TxId([0xee; 32]);
    refused(other.store_record(&twin));
    let spend = |intent, amount| Spend {
        intent: IntentId([intent; 16]),
        network: HERE,
        coin: BTT,
        day: 20_000,
        amount: units(amount),
    };
    let cap = Some(units(100));
    one.reserve(&spend(1, 60), cap).unwrap();
    let (asked, spent, cap_units) = (units(41), units(60), units(100));
    assert_eq!(
        refused(other.reserve(&spend(2, 41), cap)),
        MoneyRefusal::AboveDayCap { asked, spent, cap: cap_units }
    );
    other.reserve(&spend(1, 60), cap).unwrap();
    assert_eq!(other.spent_on(HERE, BTT, 20_000).unwrap(), units(60), "tried again, counted once");
    other.reserve(&spend(2, 40), cap).unwrap();
    one.give_back(IntentId([1; 16])).unwrap();
    assert_eq!(one.spent_on(HERE, BTT, 20_000).unwrap(), units(40));
    assert_eq!(one.spent_on(HERE, BTT, 20_001).unwrap(), units(0));
}

#[test]
fn many_threads_that_book_at_once_all_get_their_turn() {
    let dir = Dir::new("threads");
    let path = dir.file();
    let writers = (0..4_u8).map(|writer| {
        let path = path.clone();
        std::thread::spawn(move || {
            let db = MoneyDb::open(Some(&path)).unwrap();
            for event in 0..10 {
                // Half of them tell the same.
                let event = if writer % 2 == 0 { event } else { event + 20 * writer };
                db.commit(&batch(entries(vec![deposit(event, 1)]))).unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.join().unwrap();
    }
    assert_eq!(dir.open().entries(HERE).unwrap().len(), 30);
}

#[test]
fn cursors_names_and_settings_are_kept() {
    let dir = Dir::new("wallet");
    let db = dir.open();
    let cursor =
        Cursor { network: HERE, name: "vault".to_owned(), block: 77, block_id: BlockId([3; 32]) };
    db.commit(&MoneyBatch { cursors: vec![cursor.clone()], ..MoneyBatch::default() }).unwrap();
    db.set_label(US, Some("me")).unwrap();
    let taken = db.set_label(Address::new([2; 20]), Some("me"));
    assert_eq!(refused(taken), MoneyRefusal::NameTaken { name: "me".to_owned() });
    db.set_label(US, Some("myself")).unwrap();
    db.set_setting("cap", Some("5")).unwrap();
    drop(db);
    let db = dir.open();
    assert_eq!(db.cursor(HERE, "vault").unwrap(), Some(cursor));
    assert_eq!(db.cursor(THERE, "vault").unwrap(), None);
    assert_eq!(db.labels().unwrap(), [("myself".to_owned(), US)]);
    assert_eq!(db.setting("cap").unwrap().as_deref(), Some("5"));
    db.set_setting("cap", None).unwrap();
    assert_eq!(db.setting("cap").unwrap(), None);
}

#[test]
fn a_row_that_means_nothing_is_an_error_and_not_a_missing_row() {
    for (damage, what) in [
        ("UPDATE leg SET amount = '99' WHERE position = 0", "99 go in and 100 come out"),
        ("UPDATE leg SET amount = '1e2'", "the amount of an entry says \"1e2\""),
        ("UPDATE leg SET account = 'walet'", "the account of an entry says \"walet\""),
        ("UPDATE entry SET cause = 'because'", "the cause of an entry says \"because\""),
        ("DELETE FROM leg", "an entry has 2 to 256 legs, not 0"),
        ("UPDATE voucher SET cumulative = '21'", "a voucher is not that of its row"),
        ("UPDATE voucher SET raw = x'0101'", "ends 32 bytes early"),
        ("UPDATE outbox SET record = x'01'", "the record is damaged"),
    ] {
        let db = MoneyDb::open(None).unwrap();
        let all = MoneyBatch {
            vouchers: vec![voucher(20, vec![])],
            records: vec![record(1, 1)],
            ..batch(entries(vec![deposit(1, 100)]))
        };
        db.commit(&all).unwrap();
        db.lock().execute_batch(damage).unwrap();
        let errors = [db.entries(HERE).err(), db.vouchers(HERE).err(), db.live_records(HERE).err()];
        let [error] = errors.into_iter().flatten().collect::<Vec<_>>().try_into().unwrap();
        let text = error.to_string();
        assert!(text.contains("is damaged: ") && text.contains(what), "{damage}: {text}");
    }
}

#[test]
fn the_file_is_for_its_owner_only_and_synced_in_full() {
    let dir = Dir::new("mode");
    let db = dir.open();
    db.set_setting("a", Some("b")).unwrap();
    for file in std::fs::read_dir(dir.0.join("state")).unwrap() {
        let mode = file.as_ref().unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
    }
    let pragma = |name: &str| -> String {
        let connection = db.lock();
        connection
            .query_row(&format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"), [], |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!((pragma("synchronous"), pragma("journal_mode")), ("2".into(), "wal".into()));
}

#[test]
fn a_database_of_a_later_release_is_left_alone() {
    let dir = Dir::new("newer");
    dir.open().lock().execute_batch("PRAGMA user_version = 2").unwrap();
    let error = MoneyDb::open(Some(&dir.file())).unwrap_err().to_string();
    assert!(error.contains("its version 2 is newer than 1"), "{error}");
}

/// What release 1 wrote, as text. It must be read for ever.
const VERSION_1: &str = include_str!("tests/version_1.sql");

#[test]
fn a_database_of_version_1_is_read() {
    let dir = Dir::new("old");
    std::fs::create_dir_all(dir.0.join("state")).unwrap();
    Connection::open(dir.file()).unwrap().execute_batch(VERSION_1).unwrap();
    let db = dir.open();
    let tags = Tags { torrent: Some(InfoHash([7; 20])), peer: Some(US) };
    let given = (parties().channel(), Direction::Given);
    let amounts = (units(0), units(20));
    let voucher_entry = Posting::voucher(given, AT, BTT, amounts).unwrap();
    let expected = entries(vec![deposit(1, 100).tagged(tags), voucher_entry]);
    assert_eq!(db.entries(HERE).unwrap(), expected);
    let lock = Address::new([6; 20]);
    let condition = Condition { amount: units(3), lock, expiry: ChainTime(9) };
    assert_eq!(db.vouchers(HERE).unwrap(), [voucher(20, vec![condition])]);
    assert_eq!(db.live_records(HERE).unwrap(), [record(1, 1)]);
    assert_eq!(db.history(HERE, 10).unwrap(), [confirmed(&record(2, 2)), record(1, 1)]);
    assert_eq!(db.cursor(HERE, "vault").unwrap().unwrap().block, 77);
    assert_eq!(db.spent_on(HERE, BTT, 20_000).unwrap(), units(60));
    assert_eq!(db.labels().unwrap(), [("me".to_owned(), US)]);
    assert_eq!(db.setting("cap").unwrap().as_deref(), Some("5"));
}
