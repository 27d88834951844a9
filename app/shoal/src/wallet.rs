//! `shoal wallet`: accounts with their keys, and what people do with them.
//!
//! Nothing else in the program pays, asks for payment, or reads this file, until a wallet exists.

mod accounts;
mod backup;
mod balance;
mod caps;
mod export;
mod history;
pub(crate) mod hygiene;
mod import;
pub(crate) mod keyfile;
mod message;
pub(crate) mod passphrase;
mod qr;
mod request;
mod send;
pub(crate) mod store;
mod words;

use keys::seal::{Chance, Cost, SealError};
use keys::secp256k1::SecretKey;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::wallet::{Command, MoneyArgs, WalletArgs};
use crate::chance;
use crate::failure::{Exit, Failure};
use crate::out::Out;
use crate::wallet::keyfile::{Account, Keyfile, Origin, Secrets};
use crate::wallet::store::Store;

/// Runs `shoal wallet`.
pub(crate) fn wallet(args: &WalletArgs, out: &Out) -> Result<Exit, Failure> {
    hygiene::keep_keys_in();
    let desk = Desk { args: &args.money, out };
    match &args.command {
        Command::New(what) => accounts::new(&desk, what),
        Command::Import(what) => import::import(&desk, what),
        Command::Export(what) => export::export(&desk, what),
        Command::List => accounts::list(&desk),
        Command::Use(what) => accounts::choose(&desk, what),
        Command::Forget(what) => accounts::forget(&desk, what),
        Command::Address(what) => accounts::address(&desk, what),
        Command::Balance(what) => balance::balance(&desk, what),
        Command::Send(what) => send::send(&desk, what),
        Command::History(what) => history::history(&desk, what),
        Command::Caps(what) => caps::caps(&desk, what),
        Command::Request(what) => request::request(&desk, what),
        Command::Sign(what) => message::sign(&desk, what),
        Command::Verify(what) => message::verify(&desk, what),
        Command::Backup(what) => backup::backup(&desk, what),
        Command::Passphrase(what) => backup::change_passphrase(&desk, what),
    }
}

/// Where a command finds the wallet and its user.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) args: &'a MoneyArgs,
    pub(crate) out: &'a Out,
}

/// A wallet whose secrets are known.
pub(crate) struct Opened {
    pub(crate) wallet: Keyfile,
    pub(crate) secrets: Secrets,
    passphrase: Zeroizing<String>,
}

impl Opened {
    /// Seals everything anew, and puts it in the place of what was there.
    pub(crate) fn save(&mut self, store: &Store) -> Result<(), Failure> {
        let cost = self.wallet.sealed.as_ref().map_or(Cost::DEFAULT, |sealed| sealed.cost);
        seal(&mut self.wallet, &self.secrets, &self.passphrase, cost)?;
        store.save(&self.wallet)
    }
}

/// Seals the secrets of a wallet by fresh chance.
fn seal(
    wallet: &mut Keyfile,
    secrets: &Secrets,
    passphrase: &str,
    cost: Cost,
) -> Result<(), Failure> {
    let chance = Chance { salt: *chance::bytes()?, nonce: *chance::bytes()? };
    wallet.seal(secrets, passphrase, cost, chance).map_err(|error| locked(&error))
}

/// Why a wallet does not open.
pub(crate) fn locked(error: &SealError) -> Failure {
    match error {
        SealError::Wrong => Failure::with_hint(
            "cannot open the wallet: the passphrase is wrong, or the file was changed",
            "without the passphrase, `shoal wallet import` makes it again from your words",
        ),
        SealError::Memory { .. } => Failure::new(format!("cannot open the wallet: {error}")),
    }
}

impl Desk<'_> {
    /// The wallet, without its secrets.
    pub(crate) fn look(&self) -> Result<Keyfile, Failure> {
        let wallet = Store::to_read(self.args)?.load()?;
        wallet.filter(|wallet| !wallet.accounts.is_empty()).ok_or_else(|| {
            Failure::with_hint(
                "there is no wallet yet",
                "`shoal wallet new` makes one; `shoal wallet import` takes in what you have",
            )
        })
    }

    /// The account that the command is about.
    pub(crate) fn account<'w>(&self, wallet: &'w Keyfile) -> Result<&'w Account, Failure> {
        match &self.args.account {
            Some(name) => find(wallet, name),
            None => wallet.current().ok_or_else(|| Failure::new("the wallet has no account")),
        }
    }

    /// Asks for the passphrase, if there is anything under one.
    pub(crate) fn open(&self, wallet: Keyfile) -> Result<Opened, Failure> {
        let file = self.args.passphrase_file.as_deref();
        let (of, option) = ("the wallet", "--passphrase-file");
        let passphrase = if wallet.sealed.is_some() {
            passphrase::existing(self.out, file, of, option)?
        } else {
            passphrase::new(self.out, file, of, option)?
        };
        let secrets = wallet.open(&passphrase).map_err(|error| locked(&error))?;
        Ok(Opened { wallet, secrets, passphrase })
    }

    /// The key of an account.
    pub(crate) fn key(&self, wallet: &Keyfile, account: &Account) -> Result<SecretKey, Failure> {
        if !account.is_ours() {
            return Err(Failure::with_hint(
                format!("{} is only watched: the wallet has no key for it", account.name),
                "`shoal wallet import` takes in its key, --account names another account",
            ));
        }
        let opened = self.open(wallet.clone())?;
        opened.secrets.key(account).ok_or_else(|| {
            Failure::new(format!("the key of {} does not belong to its address", account.name))
        })
    }
}

/// The account of that name or address.
fn find<'w>(wallet: &'w Keyfile, name: &str) -> Result<&'w Account, Failure> {
    wallet.find(name).ok_or_else(|| {
        let names: Vec<&str> = wallet.accounts.iter().map(|account| &*account.name).collect();
        Failure::with_hint(
            format!("no account of the wallet is called {}", wire::visible(name)),
            format!("there is {}", names.join(", ")),
        )
    })
}

/// An account for programs.
fn event(account: &Account) -> Value {
    let (origin, path) = match &account.origin {
        Origin::Words { path, .. } => ("words", Some(path.to_string())),
        Origin::Key { .. } => ("key", None),
        Origin::Watched => ("watched", None),
    };
    json!({
        "event": "account", "name": account.name, "address": account.address.to_string(),
        "ethereum": account.address.ethereum(), "origin": origin, "path": path,
    })
}
