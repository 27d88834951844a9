//! `shoal wallet export`: a key leaves the wallet.

use keys::keystore_v3::{Chance, Keystore, LOG_N_DEFAULT};
use serde_json::json;
use wire::{hex, keystore_json};
use zeroize::Zeroizing;

use crate::args::wallet::{ExportArgs, KeyForm};
use crate::chance;
use crate::failure::{Exit, Failure, shown};
use crate::wallet::keyfile::{Account, Origin, Secret};
use crate::wallet::{Desk, Opened, passphrase, store};

/// Runs it.
pub(super) fn export(desk: &Desk<'_>, args: &ExportArgs) -> Result<Exit, Failure> {
    let wallet = desk.look()?;
    let account = desk.account(&wallet)?.clone();
    if !account.is_ours() {
        return Err(Failure::new(format!(
            "{} is only watched: the wallet has no key for it",
            account.name
        )));
    }
    let opened = desk.open(wallet)?;
    let (text, warning) = match args.form {
        KeyForm::Keystore => (keystore(desk, args, &opened, &account)?, None),
        KeyForm::Key => {
            let key = key(&opened, &account)?;
            (Zeroizing::new(hex(&key.to_bytes()[..])), Some("these digits"))
        }
        KeyForm::Words => (words(&opened, &account)?, Some("these words")),
    };
    if let Some(what) = warning {
        desk.out
            .warn(&format!("whoever sees {what} can take the money; shoal never asks for them"));
    }
    match &args.out {
        Some(path) => {
            let mut line = Zeroizing::new(String::with_capacity(text.len() + 1));
            line.push_str(&text);
            line.push('\n');
            store::write_new(path, line.as_bytes(), false)
                .map_err(|error| store::writing(path, &error))?;
            desk.out.result(&format!("the key of {} is in {}", account.name, shown(path)))?;
        }
        // A keystore is JSON as it is.
        None if desk.out.json() && args.form != KeyForm::Keystore => {
            let kind = if args.form == KeyForm::Key { "key" } else { "words" };
            let mut event = json!({ "event": "exported", "address": account.address.to_string() });
            if let Some(map) = event.as_object_mut() {
                map.insert(kind.into(), text.as_str().into());
            }
            desk.out.event(&event)?;
        }
        None => desk.out.data(&text)?,
    }
    Ok(Exit::Done)
}

fn key(opened: &Opened, account: &Account) -> Result<keys::secp256k1::SecretKey, Failure> {
    opened.secrets.key(account).ok_or_else(|| {
        Failure::new(format!("the key of {} does not belong to its address", account.name))
    })
}

fn words(opened: &Opened, account: &Account) -> Result<Zeroizing<String>, Failure> {
    let secret = account.secret().and_then(|number| opened.secrets.get(number));
    match (&account.origin, secret) {
        (Origin::Words { .. }, Some(Secret::Words(words))) => Ok(words.clone()),
        (Origin::Words { .. } | Origin::Key { .. } | Origin::Watched, _) => {
            Err(Failure::with_hint(
                format!("{} was imported as a key, and is of no words", account.name),
                "--as key or --as keystore",
            ))
        }
    }
}

fn keystore(
    desk: &Desk<'_>,
    args: &ExportArgs,
    opened: &Opened,
    account: &Account,
) -> Result<Zeroizing<String>, Failure> {
    let key = key(opened, account)?;
    let password = passphrase::new(
        desk.out,
        args.keystore_passphrase_file.as_deref(),
        "the keystore",
        "--keystore-passphrase-file",
    )?;
    let chance = Chance { salt: *chance::bytes()?, iv: *chance::bytes()?, id: *chance::bytes()? };
    let keystore = Keystore::seal(&key, password.as_bytes(), LOG_N_DEFAULT, chance)
        .map_err(|error| Failure::new(format!("cannot make the keystore: {error}")))?;
    Ok(Zeroizing::new(keystore_json::encode(&keystore)))
}
