use base::{InfoHash, UnixTime};
use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::parties::AccountId;
use crate::transaction::TxId;

const HERE: NetworkId = NetworkId([1; 32]);
const AT: UnixTime = UnixTime(1_800_000_000);
const BTT: Coin = Coin::Token(Address::new([9; 20]));
const US: Address = Address::new([1; 20]);
const CHANNEL: ChannelId = ChannelId([3; 32]);
const ACCOUNT: AccountId = AccountId([4; 32]);

fn units(units: u128) -> Amount {
    Amount::new(units)
}

fn event(byte: u8) -> What {
    What::Event { tx: TxId([byte; 32]), index: 0 }
}

fn deposit(byte: u8, amount: u128) -> Posting {
    Posting::deposited(event(byte), AT, BTT, units(amount), (US, ACCOUNT)).unwrap()
}

fn voucher(direction: Direction, before: u128, cumulative: u128) -> Posting {
    let amounts = (units(before), units(cumulative));
    Posting::voucher((CHANNEL, direction), AT, BTT, amounts).unwrap()
}

/// Commits all that is staged, and tells what.
fn commit(book: &mut Book) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some(commit) = book.poll_output() {
        entries.extend(commit.entries);
        book.on_committed(commit.id);
    }
    entries
}

#[test]
fn nothing_counts_before_it_is_durable() {
    let mut book = Book::new(HERE);
    let free = Account::VaultFree(ACCOUNT);
    assert_eq!(book.post(deposit(1, 100)), Ok(Posted::Staged(CommitId(1))));
    assert_eq!(book.balance(free, BTT), Balance::Debit(units(0)));
    commit(&mut book);
    assert_eq!(book.balance(free, BTT), Balance::Debit(units(100)));
    assert_eq!(book.balance(Account::Wallet(US), BTT), Balance::Credit(units(100)));
}

#[test]
fn what_is_told_twice_is_booked_once_also_while_it_is_staged() {
    let mut book = Book::new(HERE);
    book.post(deposit(1, 100)).unwrap();
    assert_eq!(book.post(deposit(1, 100)), Ok(Posted::Already));
    let stored = commit(&mut book);
    assert_eq!(book.post(deposit(1, 100)), Ok(Posted::Already));
    assert_eq!(stored.len(), 1);
    let mut again = Book::restore(HERE, stored).unwrap();
    assert_eq!(again.post(deposit(1, 100)), Ok(Posted::Already));
    assert_eq!(again.post(deposit(1, 101)), Err(BookError::Conflict(event(1))));
    assert_eq!(again.post(deposit(2, 101)), Ok(Posted::Staged(CommitId(1))));
}

#[test]
fn an_event_that_was_undone_is_countered_and_can_come_again() {
    let mut book = Book::new(HERE);
    let free = Account::VaultFree(ACCOUNT);
    let mut stored = Vec::new();
    assert_eq!(book.undo(event(1)), Err(BookError::NotBooked(event(1))));
    for round in 1..4 {
        book.post(deposit(1, 100)).unwrap();
        book.undo(event(1)).unwrap();
        assert_eq!(book.undo(event(1)), Ok(Posted::Already));
        stored.extend(commit(&mut book));
        assert_eq!(book.balance(free, BTT), Balance::Debit(units(0)), "{round}");
        book = Book::restore(HERE, stored.clone()).unwrap();
        assert!(!book.is_booked(event(1)));
    }
    book.post(deposit(1, 100)).unwrap();
    stored.extend(commit(&mut book));
    assert_eq!(book.balance(free, BTT), Balance::Debit(units(100)));
    let causes: Vec<String> = stored.iter().map(|entry| entry.cause().to_string()).collect();
    let event = format!("event:{}:0", TxId([1; 32]));
    assert_eq!(causes[..3], [event.clone(), format!("{event}/undone"), format!("{event}#2")]);
    let mut unique = causes.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), causes.len(), "no cause is there twice");
}

#[test]
fn a_voucher_counts_once_and_is_never_taken_back() {
    let mut book = Book::new(HERE);
    book.post(voucher(Direction::Given, 0, 10)).unwrap();
    book.post(voucher(Direction::Given, 10, 25)).unwrap();
    assert_eq!(book.post(voucher(Direction::Given, 0, 10)), Ok(Posted::Already));
    assert_eq!(book.post(voucher(Direction::Given, 10, 25)), Ok(Posted::Already));
    let what = voucher(Direction::Given, 10, 25).what();
    assert_eq!(book.undo(what), Err(BookError::Final(what)));
    commit(&mut book);
    assert_eq!(book.vouchered(CHANNEL, Direction::Given), units(25));
    assert_eq!(book.vouchered(CHANNEL, Direction::Received), units(0));
    assert_eq!(book.balance(Account::OwedByUs(CHANNEL), BTT).owed(), Some(units(25)));
    assert_eq!(book.balance(Account::Spent, BTT).had(), Some(units(25)));
}

#[test]
fn entries_that_do_not_balance_cannot_be_made() {
    let leg = |account, coin, side, amount| Leg { account, coin, side, amount: units(amount) };
    let make = |legs| Posting::new(event(1), AT, Tags::default(), legs).map(drop);
    let into = leg(Account::Fees, BTT, Side::Debit, 5);
    assert_eq!(make(vec![into]), Err(EntryError::Legs(1)));
    assert_eq!(make(vec![into; 257]), Err(EntryError::Legs(257)));
    let out = leg(Account::Wallet(US), BTT, Side::Credit, 4);
    let unbalanced = EntryError::Unbalanced { debits: units(5), credits: units(4) };
    assert_eq!(make(vec![into, out]), Err(unbalanced));
    let other = leg(Account::Wallet(US), Coin::Native, Side::Credit, 5);
    assert!(matches!(make(vec![into, other]), Err(EntryError::Unbalanced { .. })));
    let nothing = leg(Account::Wallet(US), BTT, Side::Credit, 0);
    assert_eq!(make(vec![into, nothing]), Err(EntryError::Zero(Account::Wallet(US))));
    let much = leg(Account::Fees, BTT, Side::Debit, u128::MAX);
    assert_eq!(make(vec![into, much]), Err(EntryError::Overflow));
}

#[test]
fn a_turnover_beyond_counting_is_refused_and_changes_nothing() {
    let mut book = Book::new(HERE);
    book.post(deposit(1, u128::MAX)).unwrap();
    let overflow = Err(BookError::Overflow(Account::VaultFree(ACCOUNT)));
    assert_eq!(book.post(deposit(2, 1)), overflow);
    assert!(!book.is_booked(event(2)));
    assert_eq!(commit(&mut book).len(), 1);
}

#[test]
fn entries_of_other_networks_are_no_part_of_a_book() {
    let mut book = Book::new(NetworkId([2; 32]));
    book.post(deposit(1, 100)).unwrap();
    let stored = commit(&mut book);
    let here = Book::restore(HERE, stored).unwrap();
    assert_eq!(here.balances().count(), 0);
}

#[test]
fn a_stuck_disk_stops_the_book() {
    let mut book = Book::new(HERE);
    for cumulative in 1..=STAGED_MAX as u128 {
        book.post(voucher(Direction::Received, cumulative - 1, cumulative)).unwrap();
    }
    let waiting = STAGED_MAX;
    let next = voucher(Direction::Received, waiting as u128, waiting as u128 + 1);
    assert_eq!(book.post(next.clone()), Err(BookError::Stuck { waiting }));
    commit(&mut book);
    assert!(book.post(next).is_ok());
}

#[test]
fn a_table_has_a_row_for_each_leg() {
    let mut book = Book::new(HERE);
    let torrent = Some(InfoHash([0xab; 20]));
    let tags = Tags { torrent, peer: Some(US) };
    book.post(voucher(Direction::Given, 0, 1_500_000_000_000_000_000).tagged(tags)).unwrap();
    let entries = commit(&mut book);
    let name = |symbol: &str| {
        let symbol = symbol.to_owned();
        move |_| Some(CoinName { symbol: symbol.clone(), decimals: 18 })
    };
    let rows = csv_rows(&entries[0], name("BTT"));
    let common = format!(
        "2027-01-15T08:00:00Z,{HERE},given:{CHANNEL}:1500000000000000000,{},{US}",
        "ab".repeat(20)
    );
    let expected = format!(
        "{common},spent,BTT,1.5,,1500000000000000000,\r\n\
         {common},owed-by-us:{CHANNEL},BTT,,1.5,,1500000000000000000\r\n"
    );
    assert_eq!(rows, expected);
    let columns = |line: &str| line.matches(',').count();
    assert!(rows.lines().all(|row| columns(row) == columns(CSV_HEADER)));
    let hostile = csv_rows(&entries[0], name("=1+1,\""));
    assert!(!hostile.contains('='), "{hostile}");
}

fn any_cause() -> impl Strategy<Value = Cause> {
    let direction = prop_oneof![Just(Direction::Given), Just(Direction::Received)];
    let coin = prop_oneof![
        Just(Coin::Native),
        any::<[u8; 20]>().prop_map(|bytes| Coin::Token(Address::new(bytes)))
    ];
    let what = prop_oneof![
        (any::<[u8; 32]>(), any::<u32>())
            .prop_map(|(tx, index)| What::Event { tx: TxId(tx), index }),
        any::<[u8; 32]>().prop_map(|tx| What::Transfer { tx: TxId(tx) }),
        any::<[u8; 32]>().prop_map(|tx| What::Fee { tx: TxId(tx) }),
        (any::<[u8; 32]>(), direction, any::<u128>()).prop_map(|(channel, direction, amount)| {
            let channel = ChannelId(channel);
            What::Voucher { channel, direction, cumulative: Amount::new(amount) }
        }),
        (any::<[u8; 20]>(), coin)
            .prop_map(|(address, coin)| What::Opening { address: Address::new(address), coin }),
    ];
    (what, 1..9_u32, any::<bool>()).prop_map(|(what, turn, is_undo)| Cause { what, turn, is_undo })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Deposit(u8, u128),
    Undo(u8),
    Give(u128),
    Commit,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_u8, 1..100_u128).prop_map(|(event, amount)| Step::Deposit(event, amount)),
        3 => (0..8_u8).prop_map(Step::Undo),
        3 => (1..100_u128).prop_map(Step::Give),
        4 => Just(Step::Commit),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #[test]
    fn causes_accounts_and_coins_survive_their_text(
        cause in any_cause(), digest in any::<[u8; 32]>(), address in any::<[u8; 20]>(),
    ) {
        prop_assert_eq!(cause.to_string().parse(), Ok(cause));
        let address = Address::new(address);
        for account in [
            Account::Wallet(address), Account::External(address), Account::Fees, Account::Spent,
            Account::VaultFree(AccountId(digest)), Account::VaultLocked(ChannelId(digest)),
            Account::OwedByUs(ChannelId(digest)), Account::OwedToUs(ChannelId(digest)),
            Account::Earned, Account::Opening,
        ] {
            prop_assert_eq!(account.to_string().parse(), Ok(account));
        }
        prop_assert_eq!(coin_of_text(&coin_text(Coin::Token(address))), Ok(Coin::Token(address)));
    }

    #[test]
    fn any_text_is_a_cause_or_refused(text in "(event|fee|given|opening|)[:#/0-9a-f]{0,80}") {
        if let Ok(cause) = text.parse::<Cause>() {
            prop_assert_eq!(cause.to_string().parse(), Ok(cause));
        }
    }

    /// The book against a list of what is so, through crashes.
    #[test]
    fn balances_are_those_of_a_naive_list(steps in prop::collection::vec(step(), 1..120)) {
        let mut book = Book::new(HERE);
        let mut stored: Vec<Entry> = Vec::new();
        // What is staged: what it will make of the list.
        let mut deposits: BTreeMap<u8, u128> = BTreeMap::new();
        let mut given = 0;
        let mut durable = (deposits.clone(), given);
        for step in steps {
            match step {
                Step::Deposit(event, amount) => {
                    if book.post(deposit(event, amount)).is_ok() {
                        deposits.entry(event).or_insert(amount);
                    }
                }
                Step::Undo(byte) => {
                    if book.undo(event(byte)).is_ok() {
                        deposits.remove(&byte);
                    }
                }
                Step::Give(amount) => {
                    book.post(voucher(Direction::Given, given, given + amount)).unwrap();
                    given += amount;
                }
                Step::Commit => {
                    stored.extend(commit(&mut book));
                    durable = (deposits.clone(), given);
                }
                Step::Crash => {
                    book = Book::restore(HERE, stored.clone()).unwrap();
                    (deposits, given) = durable.clone();
                }
            }
            let free = book.balance(Account::VaultFree(ACCOUNT), BTT).had();
            prop_assert_eq!(free, Some(units(durable.0.values().sum())));
            let owed = book.balance(Account::OwedByUs(CHANNEL), BTT).owed();
            prop_assert_eq!(owed, Some(units(durable.1)));
        }
    }
}
