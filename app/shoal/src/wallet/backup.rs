//! All accounts in one encrypted file, and back; another passphrase.

use keys::seal::Cost;
use serde_json::json;

use crate::args::wallet::{BackupArgs, ImportArgs, PassphraseArgs};
use crate::failure::{Exit, Failure, shown};
use crate::units;
use crate::wallet::keyfile::{Account, Keyfile, Origin, Secret, Secrets};
use crate::wallet::store::{self, Store};
use crate::wallet::{Desk, event, locked, passphrase, seal};

/// `shoal wallet backup`: the file is proven to open before this says so.
pub(super) fn backup(desk: &Desk<'_>, args: &BackupArgs) -> Result<Exit, Failure> {
    let opened = desk.open(desk.look()?)?;
    let mut copy = opened.wallet;
    // A nonce and salt of its own, so that the two files do not tell that they are of one wallet.
    seal(&mut copy, &opened.secrets, &opened.passphrase, Cost::DEFAULT)?;
    store::write_new(&args.file, copy.encode().as_bytes(), false)
        .map_err(|error| store::writing(&args.file, &error))?;
    let bytes = store::read(&args.file).map_err(|error| Failure::reading(&args.file, &error))?;
    let again = Keyfile::decode(&bytes).map_err(|error| store::refusal(&args.file, &error))?;
    let secrets = again.open(&opened.passphrase).map_err(|error| locked(&error))?;
    let ours: Vec<&Account> = again.accounts.iter().filter(|account| account.is_ours()).collect();
    if let Some(bad) = ours.iter().find(|account| secrets.key(account).is_none()) {
        return Err(Failure::new(format!("the backup lacks the key of {}", bad.name)));
    }
    let keys = units::count(ours.len() as u64, "account");
    if desk.out.json() {
        let path = shown(&args.file);
        desk.out.event(&json!({ "event": "backup", "path": path, "accounts": ours.len() }))?;
    } else {
        let path = shown(&args.file);
        desk.out.result(&format!("{keys} with keys written to {path}, and read back"))?;
    }
    desk.out.note("it opens by the wallet's passphrase; `shoal wallet import FILE` restores it");
    Ok(Exit::Done)
}

/// Takes in a backup: what is not in the wallet yet.
pub(super) fn restore(
    desk: &Desk<'_>,
    args: &ImportArgs,
    store: &Store,
    wallet: Keyfile,
    copy: &Keyfile,
) -> Result<Exit, Failure> {
    // Into nothing, a backup goes as it is: with its passphrase, names and caps.
    if wallet.accounts.is_empty() {
        let own = desk.args.passphrase_file.as_deref();
        let file = args.source_passphrase_file.as_deref().or(own);
        let secrets = secrets_of(desk, copy, file)?;
        if let Some(bad) = missing(copy, &secrets) {
            return Err(Failure::new(format!("the backup lacks the key of {}", bad.name)));
        }
        store.save(copy)?;
        return told(desk, copy.accounts.iter());
    }
    let secrets = secrets_of(desk, copy, args.source_passphrase_file.as_deref())?;
    let mut opened = desk.open(wallet)?;
    let mut added = Vec::new();
    for account in &copy.accounts {
        if opened.wallet.accounts.iter().any(|other| other.address == account.address) {
            continue;
        }
        let name = match super::accounts::name(&opened.wallet, Some(&account.name)) {
            Ok(name) => name,
            Err(_taken) => super::accounts::name(&opened.wallet, None)?,
        };
        let account = moved(&mut opened.secrets, &secrets, account, name)?;
        opened.wallet.accounts.push(account.clone());
        added.push(account);
    }
    opened.save(store)?;
    told(desk, added.iter())
}

/// An account of a backup with its secret among ours.
fn moved(
    ours: &mut Secrets,
    theirs: &Secrets,
    account: &Account,
    name: String,
) -> Result<Account, Failure> {
    let lacks = || Failure::new(format!("the backup lacks the key of {}", account.name));
    let origin = match &account.origin {
        Origin::Watched => Origin::Watched,
        Origin::Key { secret } => match theirs.get(*secret) {
            Some(Secret::Key(key)) => Origin::Key { secret: ours.add(Secret::Key(key.clone())) },
            Some(Secret::Words(_)) | None => return Err(lacks()),
        },
        Origin::Words { secret, path } => match theirs.get(*secret) {
            Some(Secret::Words(words)) => {
                let known = ours.find_words(words);
                let secret = known.unwrap_or_else(|| ours.add(Secret::Words(words.clone())));
                Origin::Words { secret, path: path.clone() }
            }
            Some(Secret::Key(_)) | None => return Err(lacks()),
        },
    };
    let account = Account { name, address: account.address, origin };
    if account.is_ours() && ours.key(&account).is_none() {
        return Err(lacks());
    }
    Ok(account)
}

fn missing<'a>(copy: &'a Keyfile, secrets: &Secrets) -> Option<&'a Account> {
    copy.accounts.iter().find(|account| account.is_ours() && secrets.key(account).is_none())
}

fn secrets_of(
    desk: &Desk<'_>,
    copy: &Keyfile,
    file: Option<&std::path::Path>,
) -> Result<Secrets, Failure> {
    if copy.sealed.is_none() {
        return Ok(Secrets::default());
    }
    let option = "--source-passphrase-file";
    let passphrase = passphrase::existing(desk.out, file, "the backup", option)?;
    copy.open(&passphrase).map_err(|error| {
        Failure::with_hint(
            format!("cannot open the backup: {error}"),
            "it is the passphrase that the wallet had when the backup was made",
        )
    })
}

fn told<'a>(desk: &Desk<'_>, accounts: impl Iterator<Item = &'a Account>) -> Result<Exit, Failure> {
    let mut count = 0;
    for account in accounts {
        count += 1;
        if desk.out.json() {
            desk.out.event(&event(account))?;
        } else {
            desk.out.data(&format!("{} {}", account.address, account.name))?;
        }
    }
    desk.out.note(&format!("{} restored", units::count(count, "account")));
    Ok(Exit::Done)
}

/// `shoal wallet passphrase`.
pub(super) fn change_passphrase(desk: &Desk<'_>, args: &PassphraseArgs) -> Result<Exit, Failure> {
    desk.look()?;
    let store = Store::to_change(desk.args)?;
    let wallet = store.load()?.unwrap_or_default();
    if wallet.sealed.is_none() {
        return Err(Failure::new("the wallet has no keys, and so no passphrase"));
    }
    let mut opened = desk.open(wallet)?;
    let (file, option) = (args.new_passphrase_file.as_deref(), "--new-passphrase-file");
    let passphrase = passphrase::new(desk.out, file, "the wallet", option)?;
    seal(&mut opened.wallet, &opened.secrets, &passphrase, Cost::DEFAULT)?;
    store.save(&opened.wallet)?;
    desk.out.note("the wallet has another passphrase; old backups keep the old one");
    Ok(Exit::Done)
}
