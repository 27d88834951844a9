//! Accounts made, listed, chosen, forgotten.

use keys::mnemonic::{HARDENED, Mnemonic, Path};
use ledger::address::Address;
use zeroize::Zeroizing;

use crate::args::wallet::{AddressArgs, ForgetArgs, NameArgs, NewArgs, Words};
use crate::ask;
use crate::chance;
use crate::failure::{Exit, Failure, shown};
use crate::wallet::keyfile::{ACCOUNTS_MAX, Account, Keyfile, Origin, Secret, Secrets};
use crate::wallet::store::Store;
use crate::wallet::{Desk, event, find, words};

/// Where wallets look for account number `index` of the words: `TronLink` and Ledger count in the third
/// step, so words that were imported there show the same accounts. The first is everybody's.
pub(super) fn path(index: u32) -> Path {
    assert!(index < HARDENED, "the command line takes no more");
    let text = format!("m/44'/195'/{index}'/0/0");
    text.parse().expect("a path of five steps")
}

/// `shoal wallet new`.
pub(super) fn new(desk: &Desk<'_>, args: &NewArgs) -> Result<Exit, Failure> {
    let store = Store::to_change(desk.args)?;
    let wallet = store.load()?.unwrap_or_default();
    let name = name(&wallet, args.name.as_deref())?;
    let mut opened = desk.open(wallet)?;
    let known = opened.secrets.first_words().filter(|_| !args.fresh);
    let (number, index) = match known {
        Some(number) => {
            let next = next_index(&opened.wallet, number);
            (
                number,
                args.index
                    .or(next)
                    .ok_or_else(|| Failure::new("the words have no more accounts"))?,
            )
        }
        None => (opened.secrets.add(fresh_words(args.words)?), args.index.unwrap_or(0)),
    };
    let account = derived(&opened.secrets, number, path(index), name)?;
    refuse_twin(&opened.wallet, account.address)?;
    if let Some(Secret::Words(words)) = opened.secrets.get(number).filter(|_| known.is_none()) {
        if !args.no_confirm && ask::somebody() {
            words::show_and_confirm(desk.out, words)?;
        } else {
            desk.out.warn(
                "write the words down before money arrives: `shoal wallet export --as words`",
            );
        }
    }
    opened.wallet.accounts.push(account.clone());
    opened.save(&store)?;
    tell(desk, &store, &account)?;
    Ok(Exit::Done)
}

/// Says what account was added.
pub(super) fn tell(desk: &Desk<'_>, store: &Store, account: &Account) -> Result<(), Failure> {
    desk.out.note(&format!("{} is in the wallet {}", account.name, shown(store.path())));
    if desk.out.json() {
        desk.out.event(&event(account))
    } else {
        desk.out.data(&account.address.to_string())
    }
}

fn fresh_words(count: Words) -> Result<Secret, Failure> {
    let chance = chance::bytes::<32>()?;
    let entropy = match count {
        Words::Twelve => chance.split_at(16).0,
        Words::TwentyFour => &chance[..],
    };
    let mnemonic =
        Mnemonic::from_entropy(entropy).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Secret::Words(words::joined(&mnemonic)))
}

/// The account after the last one of these words.
fn next_index(wallet: &Keyfile, number: u32) -> Option<u32> {
    let used = |index: &u32| {
        wallet.accounts.iter().any(|account| match &account.origin {
            Origin::Words { secret, path: other } => *secret == number && *other == path(*index),
            Origin::Key { .. } | Origin::Watched => false,
        })
    };
    (0..=u32::try_from(ACCOUNTS_MAX).unwrap_or(u32::MAX)).find(|index| !used(index))
}

/// The account at a path of words.
pub(super) fn derived(
    secrets: &Secrets,
    secret: u32,
    path: Path,
    name: String,
) -> Result<Account, Failure> {
    let Some(Secret::Words(words)) = secrets.get(secret) else {
        return Err(Failure::new("these words are not in the wallet"));
    };
    let mnemonic = Mnemonic::parse(words).map_err(|error| Failure::new(error.to_string()))?;
    let key = mnemonic.key("", &path).ok_or_else(|| {
        Failure::with_hint(format!("no key lies at {path}"), "--index takes another account")
    })?;
    let address = Address::of_key(&key.public());
    Ok(Account { name, address, origin: Origin::Words { secret, path } })
}

/// The name for a new account: as wished, if it is free.
pub(super) fn name(wallet: &Keyfile, wished: Option<&str>) -> Result<String, Failure> {
    if wallet.accounts.len() >= ACCOUNTS_MAX {
        return Err(Failure::new(format!("a wallet has at most {ACCOUNTS_MAX} accounts")));
    }
    let is_free = |name: &str| wallet.accounts.iter().all(|account| account.name != name);
    match wished {
        Some(name) if is_free(name) => Ok(name.to_owned()),
        Some(name) => Err(Failure::with_hint(
            format!("there is an account of that name: {name}"),
            "choose another one; `shoal wallet list` shows all",
        )),
        None if wallet.accounts.is_empty() => Ok("main".to_owned()),
        None => {
            let names = (2..).map(|number: usize| format!("account-{number}"));
            names
                .into_iter()
                .find(|name| is_free(name))
                .ok_or_else(|| Failure::new("no name is left"))
        }
    }
}

/// Refuses an address that is in the wallet with its key.
pub(super) fn refuse_twin(wallet: &Keyfile, address: Address) -> Result<(), Failure> {
    match wallet.accounts.iter().find(|account| account.address == address) {
        Some(twin) => Err(Failure::with_hint(
            format!("{address} is in the wallet: {}", twin.name),
            "`shoal wallet forget` takes it out; `shoal wallet list` shows all",
        )),
        None => Ok(()),
    }
}

/// `shoal wallet list`.
pub(super) fn list(desk: &Desk<'_>) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let current = wallet.current().map(|account| &account.name);
    let widest = wallet.accounts.iter().map(|account| account.name.chars().count()).max();
    for account in &wallet.accounts {
        let is_current = Some(&account.name) == current;
        if desk.out.json() {
            let mut event = event(account);
            if let Some(map) = event.as_object_mut() {
                map.insert("used".into(), is_current.into());
            }
            desk.out.event(&event)?;
            continue;
        }
        let origin = match &account.origin {
            Origin::Words { path, .. } => path.to_string(),
            Origin::Key { .. } => "imported key".to_owned(),
            Origin::Watched => "watched only".to_owned(),
        };
        let mark = if is_current { '*' } else { ' ' };
        let (name, columns) = (&account.name, widest.unwrap_or(0));
        desk.out.data(&format!("{mark} {name:columns$}  {}  {origin}", account.address))?;
    }
    Ok(Exit::Done)
}

/// `shoal wallet use`.
pub(super) fn choose(desk: &Desk<'_>, args: &NameArgs) -> Result<Exit, Failure> {
    desk.look()?;
    let store = Store::to_change(desk.args)?;
    let mut wallet = store.load()?.unwrap_or_default();
    let account = find(&wallet, &args.name)?.clone();
    wallet.chosen = Some(account.name.clone());
    store.save(&wallet)?;
    if desk.out.json() {
        desk.out.event(&event(&account))?;
    }
    desk.out.note(&format!("{} {} is used from now on", account.name, account.address));
    Ok(Exit::Done)
}

/// `shoal wallet forget`.
pub(super) fn forget(desk: &Desk<'_>, args: &ForgetArgs) -> Result<Exit, Failure> {
    desk.look()?;
    let store = Store::to_change(desk.args)?;
    let wallet = store.load()?.unwrap_or_default();
    let account = find(&wallet, &args.name)?.clone();
    if account.is_ours() && !args.yes {
        let question = format!(
            "forget {} {}? Without a backup or its words, its money is lost.",
            account.name, account.address
        );
        if !ask::somebody() {
            return Err(Failure::with_hint(
                format!("{} has a key, which would be lost", account.name),
                "--yes forgets it nevertheless",
            ));
        }
        if !ask::yes(desk.out, &question)? {
            return Err(Failure::Interrupted);
        }
    }
    let remains = |wallet: &mut Keyfile| {
        wallet.accounts.retain(|other| other.name != account.name);
        wallet.chosen = wallet.chosen.take().filter(|name| *name != account.name);
    };
    if account.is_ours() {
        let mut opened = desk.open(wallet)?;
        remains(&mut opened.wallet);
        opened.secrets.keep_needed(&opened.wallet.accounts);
        opened.save(&store)?;
    } else {
        let mut wallet = wallet;
        remains(&mut wallet);
        store.save(&wallet)?;
    }
    desk.out.note(&format!("{} is no longer in the wallet", account.name));
    Ok(Exit::Done)
}

/// `shoal wallet address`.
pub(super) fn address(desk: &Desk<'_>, args: &AddressArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?;
    if desk.out.json() {
        desk.out.event(&event(account))?;
    } else if args.hex {
        desk.out.data(&account.address.tron_hex())?;
    } else if args.ethereum {
        desk.out.data(&account.address.ethereum())?;
    } else {
        desk.out.data(&account.address.to_string())?;
    }
    Ok(Exit::Done)
}

/// An account for a key that was imported.
pub(super) fn of_key(
    secrets: &mut Secrets,
    key: &keys::secp256k1::SecretKey,
    name: String,
) -> Account {
    let secret = secrets.add(Secret::Key(Zeroizing::new(*key.to_bytes())));
    Account { name, address: Address::of_key(&key.public()), origin: Origin::Key { secret } }
}
