//! `shoal wallet import`: whatever people have of a wallet, recognised by what it looks like.

use std::io::{self, Read as _};
use std::path::Path;

use keys::keystore_v3::KeystoreError;
use keys::mnemonic::Mnemonic;
use keys::secp256k1::SecretKey;
use wire::{keystore_json, unhex};
use zeroize::Zeroizing;

use crate::args::wallet::ImportArgs;
use crate::ask::{self, Echo};
use crate::failure::{Exit, Failure, shown};
use crate::wallet::accounts::{derived, name, of_key, path, refuse_twin, tell};
use crate::wallet::keyfile::{Account, FILE_BYTES_MAX, Keyfile, Origin, Secret};
use crate::wallet::store::{self, Store};
use crate::wallet::{Desk, Opened, backup, passphrase, words};

/// What people bring.
enum Source {
    Words(Mnemonic),
    Key(SecretKey),
    Backup(Keyfile),
}

/// Runs it.
pub(super) fn import(desk: &Desk<'_>, args: &ImportArgs) -> Result<Exit, Failure> {
    if let Some(address) = args.watch {
        let store = Store::to_change(desk.args)?;
        let mut wallet = store.load()?.unwrap_or_default();
        refuse_twin(&wallet, address)?;
        let name = name(&wallet, args.name.as_deref())?;
        let account = Account { name, address, origin: Origin::Watched };
        wallet.accounts.push(account.clone());
        store.save(&wallet)?;
        tell(desk, &store, &account)?;
        return Ok(Exit::Done);
    }
    let source = source(desk, args)?;
    let store = Store::to_change(desk.args)?;
    let wallet = store.load()?.unwrap_or_default();
    if let Source::Backup(copy) = source {
        return backup::restore(desk, args, &store, wallet, &copy);
    }
    let name = name(&wallet, args.name.as_deref())?;
    let mut opened = desk.open(wallet)?;
    let account = match source {
        Source::Words(mnemonic) => of_words(&mut opened, &mnemonic, args, name)?,
        Source::Key(key) => of_key(&mut opened.secrets, &key, name),
        Source::Backup(_) => return Err(Failure::new("a backup was restored above")),
    };
    take_in(desk, &store, opened, &account)
}

/// Adds an account whose secret is among those opened. One that was only watched gets its key.
fn take_in(
    desk: &Desk<'_>,
    store: &Store,
    mut opened: Opened,
    account: &Account,
) -> Result<Exit, Failure> {
    let is_watched = |other: &Account| other.address == account.address && !other.is_ours();
    opened.wallet.accounts.retain(|other| !is_watched(other));
    refuse_twin(&opened.wallet, account.address)?;
    opened.wallet.accounts.push(account.clone());
    opened.save(store)?;
    tell(desk, store, account)?;
    Ok(Exit::Done)
}

fn of_words(
    opened: &mut Opened,
    mnemonic: &Mnemonic,
    args: &ImportArgs,
    name: String,
) -> Result<Account, Failure> {
    let path = match &args.path {
        Some(text) => text.parse().map_err(|error: keys::mnemonic::PathError| {
            Failure::misused(error.to_string(), "--path takes such a path, --index is shorter")
        })?,
        None => path(args.index.unwrap_or(0)),
    };
    let text = words::joined(mnemonic);
    let known = opened.secrets.find_words(&text);
    let number = known.unwrap_or_else(|| opened.secrets.add(Secret::Words(text)));
    derived(&opened.secrets, number, path, name)
}

fn source(desk: &Desk<'_>, args: &ImportArgs) -> Result<Source, Failure> {
    let (bytes, place) = match &args.file {
        Some(path) if path == Path::new("-") => {
            let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX + 1));
            let taken = io::stdin().lock().take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
            taken.map_err(|error| Failure::reading(path, &error))?;
            (bytes, "standard input".to_owned())
        }
        Some(path) => {
            let bytes = store::read(path).map_err(|error| Failure::reading(path, &error))?;
            (Zeroizing::new(bytes), shown(path))
        }
        None if ask::somebody() => {
            let question = "words, or the key in hexadecimal digits (not shown): ";
            let answer = ask::line(desk.out, question, Echo::Hidden)?;
            (Zeroizing::new(answer.as_bytes().to_vec()), "what was typed".to_owned())
        }
        None => {
            return Err(Failure::with_hint(
                "there is nothing to import, and this is no terminal to ask on",
                "name a FILE, `-` for standard input, or an address with --watch",
            ));
        }
    };
    recognised(desk, args, &bytes, &place)
}

fn recognised(
    desk: &Desk<'_>,
    args: &ImportArgs,
    bytes: &[u8],
    place: &str,
) -> Result<Source, Failure> {
    if Keyfile::is_keyfile(bytes) {
        return Keyfile::decode(bytes)
            .map(Source::Backup)
            .map_err(|error| store::refusal(Path::new(place), &error));
    }
    if keystore_json::is_keystore(bytes) {
        return keystore(desk, args, bytes, place).map(Source::Key);
    }
    let Ok(text) = core::str::from_utf8(bytes) else {
        return Err(unknown(place, "it is not text"));
    };
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if let Some(digits) = unhex::<32>(digits) {
        let digits = Zeroizing::new(digits);
        let key = SecretKey::from_bytes(&digits);
        return key.map(Source::Key).ok_or_else(|| unknown(place, "these digits are no key"));
    }
    // Not repeated: a word mistyped may still be half a secret.
    Mnemonic::parse(text).map(Source::Words).map_err(|error| unknown(place, &error.to_string()))
}

fn unknown(place: &str, why: &str) -> Failure {
    Failure::with_hint(
        format!("cannot import {place}: {why}"),
        "12 to 24 English words of BIP-39, 64 hexadecimal digits, a V3 keystore, or a backup of shoal \
         can be imported",
    )
}

fn keystore(
    desk: &Desk<'_>,
    args: &ImportArgs,
    bytes: &[u8],
    place: &str,
) -> Result<SecretKey, Failure> {
    let cannot = |error: &dyn core::fmt::Display| {
        Failure::new(format!("cannot import the keystore {place}: {error}"))
    };
    let keystore = keystore_json::decode(bytes).map_err(|error| cannot(&error))?;
    let password = passphrase::existing(
        desk.out,
        args.source_passphrase_file.as_deref(),
        "the keystore",
        "--source-passphrase-file",
    )?;
    keystore.open(password.as_bytes()).map_err(|error| match error {
        KeystoreError::Password => Failure::with_hint(
            format!("cannot import the keystore {place}: {error}"),
            "it is the password of the wallet that wrote it",
        ),
        KeystoreError::Cost { .. }
        | KeystoreError::Parameters
        | KeystoreError::NotAKey
        | KeystoreError::OtherAddress => cannot(&error),
    })
}
