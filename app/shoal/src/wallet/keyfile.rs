//! The wallet's file: accounts in clear, their secrets under the passphrase.
//!
//! Source: docs/formats.md, "The wallet". Names, addresses and caps can be read without the passphrase,
//! since `shoal wallet list` should not need it. They are bound to what is sealed: if anything but the
//! watched addresses was changed, the passphrase does not open the file.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use keys::mnemonic::{Mnemonic, Path};
use keys::seal::{self, Chance, Cost, SealError, Sealed};
use keys::secp256k1::SecretKey;
use ledger::address::Address;
use ledger::amount::Amount;
use serde_json::{Map, Value, json};
use wire::{hex, unhex};
use zeroize::Zeroizing;

/// What `format` says in each wallet.
const FORMAT: &str = "shoal-wallet";

/// The version that we write.
const VERSION: u64 = 1;

/// Longest file, in bytes: room for [`ACCOUNTS_MAX`].
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;

/// Most accounts in a wallet.
pub(crate) const ACCOUNTS_MAX: usize = 1000;

/// Longest sealed text, in bytes: 24 words for each account.
const SEALED_BYTES_MAX: usize = 300_000;

/// Where an account's key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From words, by a path.
    Words { secret: u32, path: Path },
    /// It was imported as it is.
    Key { secret: u32 },
    /// There is none: the address is only looked at.
    Watched,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) origin: Origin,
}

/// How much of a coin may be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    /// Name of the network.
    pub(crate) network: String,
    /// `TRX`, `BTT`, or the address of a token.
    pub(crate) coin: String,
    /// Digits after the point of that coin.
    pub(crate) decimals: u8,
    /// In one payment, in smallest units.
    pub(crate) per_payment: Option<Amount>,
    /// From midnight to midnight, UTC.
    pub(crate) per_day: Option<Amount>,
}

/// See the [module documentation](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyfile {
    pub(crate) accounts: Vec<Account>,
    /// Name of the account that is used.
    pub(crate) chosen: Option<String>,
    pub(crate) caps: Vec<Cap>,
    /// Nothing, if no account has a key.
    pub(crate) sealed: Option<Sealed>,
}

/// What the passphrase hides.
pub(crate) enum Secret {
    /// Words, with single blanks between them.
    Words(Zeroizing<String>),
    /// A secret key.
    Key(Zeroizing<[u8; 32]>),
}

/// All secrets of a wallet, by number.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<u32, Secret>);

impl Secrets {
    /// Adds one, and says its number.
    pub(crate) fn add(&mut self, secret: Secret) -> u32 {
        let number = self.0.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.0.insert(number, secret);
        number
    }

    /// One of them.
    pub(crate) fn get(&self, number: u32) -> Option<&Secret> {
        self.0.get(&number)
    }

    /// The number of the first words.
    pub(crate) fn first_words(&self) -> Option<u32> {
        let words = |secret: &Secret| matches!(secret, Secret::Words(_));
        self.0.iter().find(|(_, secret)| words(secret)).map(|(number, _)| *number)
    }

    /// The number of words that are the same.
    pub(crate) fn find_words(&self, words: &str) -> Option<u32> {
        let same =
            |secret: &Secret| matches!(secret, Secret::Words(other) if other.as_str() == words);
        self.0.iter().find(|(_, secret)| same(secret)).map(|(number, _)| *number)
    }

    /// Drops those that no account needs.
    pub(crate) fn keep_needed(&mut self, accounts: &[Account]) {
        self.0.retain(|number, _| accounts.iter().any(|account| account.secret() == Some(*number)));
    }

    /// The key of an account. `None`: there is none, or it is another account's.
    pub(crate) fn key(&self, account: &Account) -> Option<SecretKey> {
        let key = match (&account.origin, self.get(account.secret()?)?) {
            (Origin::Words { path, .. }, Secret::Words(words)) => {
                Mnemonic::parse(words).ok()?.key("", path)?
            }
            (Origin::Key { .. }, Secret::Key(bytes)) => SecretKey::from_bytes(bytes)?,
            (Origin::Words { .. }, Secret::Key(_))
            | (Origin::Key { .. }, Secret::Words(_))
            | (Origin::Watched, _) => return None,
        };
        (Address::of_key(&key.public()) == account.address).then_some(key)
    }

    /// Number, kind, length and bytes of each.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // As large as it can get at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(SEALED_BYTES_MAX));
        for (number, secret) in &self.0 {
            let (kind, secret) = match secret {
                Secret::Words(words) => (1, words.as_bytes()),
                Secret::Key(key) => (2, &key[..]),
            };
            bytes.extend_from_slice(&number.to_be_bytes());
            bytes.push(kind);
            let length = u16::try_from(secret.len()).expect("24 words have at most 215 bytes");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(secret);
        }
        bytes
    }

    /// The opposite. `None`: not what `encode` writes.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut secrets = BTreeMap::new();
        while let Some((&[n0, n1, n2, n3, kind, high, low], rest)) = bytes.split_first_chunk() {
            let (secret, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
            let secret = match kind {
                1 => Secret::Words(Zeroizing::new(core::str::from_utf8(secret).ok()?.to_owned())),
                2 => Secret::Key(Zeroizing::new(secret.try_into().ok()?)),
                _ => return None,
            };
            secrets.insert(u32::from_be_bytes([n0, n1, n2, n3]), secret);
            bytes = rest;
        }
        bytes.is_empty().then_some(Self(secrets))
    }
}

impl Account {
    /// Whether there is a key to sign with.
    pub(crate) fn is_ours(&self) -> bool {
        self.secret().is_some()
    }

    /// The number of the secret that its key comes from.
    pub(crate) fn secret(&self) -> Option<u32> {
        match self.origin {
            Origin::Words { secret, .. } | Origin::Key { secret } => Some(secret),
            Origin::Watched => None,
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({ "name": self.name, "address": self.address.to_string() });
        if let (Some(secret), Some(map)) = (self.secret(), value.as_object_mut()) {
            map.insert("secret".into(), secret.into());
            if let Origin::Words { path, .. } = &self.origin {
                map.insert("path".into(), path.to_string().into());
            }
        }
        value
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let secret = match value.get("secret") {
            None => None,
            Some(number) => Some(u32::try_from(number.as_u64()?).ok()?),
        };
        let origin = match (secret, value.get("path")) {
            (None, None) => Origin::Watched,
            (Some(secret), None) => Origin::Key { secret },
            (Some(secret), Some(path)) => {
                Origin::Words { secret, path: path.as_str()?.parse().ok()? }
            }
            (None, Some(_)) => return None,
        };
        Some(Self {
            name: text("name")?.to_owned(),
            address: text("address")?.parse().ok()?,
            origin,
        })
    }
}

impl Cap {
    fn to_json(&self) -> Value {
        json!({
            "network": self.network, "coin": self.coin, "decimals": self.decimals,
            "per_payment": self.per_payment.map(|amount| amount.to_string()),
            "per_day": self.per_day.map(|amount| amount.to_string()),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let amount = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Some(None),
            Some(amount) => amount.as_str()?.parse().ok().map(Some),
        };
        let decimals = u8::try_from(value.get("decimals")?.as_u64()?).ok()?;
        if decimals > ledger::amount::DECIMALS_MAX {
            return None;
        }
        Some(Self {
            network: text("network")?,
            coin: text("coin")?,
            decimals,
            per_payment: amount("per_payment")?,
            per_day: amount("per_day")?,
        })
    }
}

/// Why a file is no wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyfileError {
    /// Something else, or damaged.
    NotAWallet,
    /// Written by a later release.
    Newer { found: u64 },
    /// A key derivation that would take too much memory or time.
    Cost(seal::CostError),
}

impl core::fmt::Display for KeyfileError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAWallet => f.write_str("it is not a wallet of shoal, or damaged"),
            Self::Newer { found } => write!(f, "its version {found} is newer than {VERSION}"),
            Self::Cost(error) => error.fmt(f),
        }
    }
}

impl Keyfile {
    /// Whether this looks as if it were meant to be a wallet of ours.
    pub(crate) fn is_keyfile(bytes: &[u8]) -> bool {
        bytes.len() <= FILE_BYTES_MAX
            && serde_json::from_slice::<Map<String, Value>>(bytes)
                .is_ok_and(|map| map.get("format").and_then(Value::as_str) == Some(FORMAT))
    }

    /// Reads a wallet.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KeyfileError> {
        let wrong = || KeyfileError::NotAWallet;
        if !Self::is_keyfile(bytes) {
            return Err(wrong());
        }
        let map: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_not_json| wrong())?;
        let found = map.get("version").and_then(Value::as_u64).ok_or_else(wrong)?;
        if found > VERSION {
            return Err(KeyfileError::Newer { found });
        }
        let list = |key: &str| map.get(key).and_then(Value::as_array).ok_or_else(wrong);
        let accounts: Option<Vec<Account>> =
            list("accounts")?.iter().take(ACCOUNTS_MAX + 1).map(Account::from_json).collect();
        let caps: Option<Vec<Cap>> =
            list("caps")?.iter().take(ACCOUNTS_MAX).map(Cap::from_json).collect();
        let chosen = map.get("chosen").and_then(Value::as_str).map(str::to_owned);
        let sealed = match map.get("sealed") {
            None | Some(Value::Null) => None,
            Some(value) => Some(sealed_from_json(value)?),
        };
        let accounts = accounts.filter(|list| list.len() <= ACCOUNTS_MAX).ok_or_else(wrong)?;
        Ok(Self { accounts, chosen, caps: caps.ok_or_else(wrong)?, sealed })
    }

    /// The file.
    pub(crate) fn encode(&self) -> String {
        let file = json!({
            "format": FORMAT,
            "version": VERSION,
            "accounts": self.accounts.iter().map(Account::to_json).collect::<Vec<_>>(),
            "chosen": self.chosen,
            "caps": self.caps.iter().map(Cap::to_json).collect::<Vec<_>>(),
            "sealed": self.sealed.as_ref().map(sealed_to_json),
        });
        // Nothing in it has keys that are no text.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// What must not be changed without the passphrase, in one way only: JSON has many.
    fn bound(&self) -> String {
        let mut text = format!("{FORMAT} {VERSION}\n");
        for account in self.accounts.iter().filter(|account| account.is_ours()) {
            let path = match &account.origin {
                Origin::Words { path, .. } => path.to_string(),
                Origin::Key { .. } | Origin::Watched => String::new(),
            };
            let number = account.secret().unwrap_or_default();
            // Writing into a String cannot fail. Names have no blanks.
            writeln!(text, "account {} {} {number} {path}", account.name, account.address).ok();
        }
        for cap in &self.caps {
            let shown = |amount: Option<Amount>| {
                amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string())
            };
            let (payment, day) = (shown(cap.per_payment), shown(cap.per_day));
            let Cap { network, coin, decimals, .. } = cap;
            writeln!(text, "cap {network:?} {coin:?} {decimals} {payment} {day}").ok();
        }
        text
    }

    /// The secrets.
    pub(crate) fn open(&self, passphrase: &str) -> Result<Secrets, SealError> {
        let Some(sealed) = &self.sealed else { return Ok(Secrets::default()) };
        let bytes = sealed.open(self.bound().as_bytes(), passphrase.as_bytes())?;
        Secrets::decode(&bytes).ok_or(SealError::Wrong)
    }

    /// Seals the secrets, as the accounts and caps are now.
    pub(crate) fn seal(
        &mut self,
        secrets: &Secrets,
        passphrase: &str,
        cost: Cost,
        chance: Chance,
    ) -> Result<(), SealError> {
        if secrets.0.is_empty() {
            self.sealed = None;
            return Ok(());
        }
        let (bytes, bound) = (secrets.encode(), self.bound());
        let sealed = seal::seal(&bytes, bound.as_bytes(), passphrase.as_bytes(), cost, chance)?;
        self.sealed = Some(sealed);
        Ok(())
    }

    /// The account of a name or address.
    pub(crate) fn find(&self, name: &str) -> Option<&Account> {
        let address = name.parse::<Address>().ok();
        let is_it = |account: &&Account| account.name == name || Some(account.address) == address;
        self.accounts.iter().find(is_it)
    }

    /// The account that is used if none is named.
    pub(crate) fn current(&self) -> Option<&Account> {
        let chosen = self.chosen.as_deref().and_then(|name| self.find(name));
        chosen.or_else(|| self.accounts.first())
    }
}

fn sealed_to_json(sealed: &Sealed) -> Value {
    json!({
        "kdf": "argon2id",
        "memory_kib": sealed.cost.memory_kib(),
        "passes": sealed.cost.passes(),
        "lanes": sealed.cost.lanes(),
        "salt": hex(&sealed.salt),
        "cipher": "xchacha20-poly1305",
        "nonce": hex(&sealed.nonce),
        "text": hex(&sealed.text),
    })
}

fn sealed_from_json(value: &Value) -> Result<Sealed, KeyfileError> {
    let wrong = || KeyfileError::NotAWallet;
    let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or_else(wrong);
    let number = |key: &str| {
        let number = value.get(key).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(wrong)
    };
    if text("kdf")? != "argon2id" || text("cipher")? != "xchacha20-poly1305" {
        return Err(wrong());
    }
    let cost = Cost::new(number("memory_kib")?, number("passes")?, number("lanes")?)
        .map_err(KeyfileError::Cost)?;
    let digits = text("text")?;
    if digits.len() > 2 * SEALED_BYTES_MAX {
        return Err(wrong());
    }
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| Some(unhex::<1>(core::str::from_utf8(pair).ok()?)?[0]))
        .collect();
    Ok(Sealed {
        cost,
        salt: unhex(text("salt")?).ok_or_else(wrong)?,
        nonce: unhex(text("nonce")?).ok_or_else(wrong)?,
        text: bytes.ok_or_else(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCE: Chance = Chance { salt: [7; 16], nonce: [9; 24] };

    fn sample() -> (Keyfile, Secrets) {
        let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";
        let mut secrets = Secrets::default();
        let first = secrets.add(Secret::Words(Zeroizing::new(words.to_owned())));
        let second = secrets.add(Secret::Key(Zeroizing::new([1; 32])));
        let account = |name: &str, address: &str, origin| Account {
            name: name.into(),
            address: address.parse().unwrap(),
            origin,
        };
        let path = "m/44'/195'/0'/0/0".parse().unwrap();
        let accounts = vec![
            account(
                "main",
                "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH",
                Origin::Words { secret: first, path },
            ),
            account("key", "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7", Origin::Key { secret: second }),
            account("token", "TAFjULxiVgT4qWk6UZwjqwZXTSaGaqnVp4", Origin::Watched),
        ];
        let caps = vec![Cap {
            network: "mainnet".into(),
            coin: "BTT".into(),
            decimals: 18,
            per_payment: Some(Amount::new(u128::MAX)),
            per_day: None,
        }];
        let mut file = Keyfile { accounts, chosen: Some("key".into()), caps, sealed: None };
        file.seal(&secrets, "passphrase", Cost::new(64, 1, 1).unwrap(), CHANCE).unwrap();
        (file, secrets)
    }

    #[test]
    fn what_was_written_is_read_again_and_opens() {
        let (file, _) = sample();
        let read = Keyfile::decode(file.encode().as_bytes()).unwrap();
        assert_eq!(read, file);
        let secrets = read.open("passphrase").unwrap();
        assert!(secrets.key(&read.accounts[0]).is_some(), "the known words have the known address");
        assert!(secrets.key(&read.accounts[1]).is_some());
        assert!(secrets.key(&read.accounts[2]).is_none(), "watched");
        assert!(read.open("Passphrase").is_err());
        assert_eq!(read.current().unwrap().name, "key");
    }

    #[test]
    fn no_secret_is_in_the_file() {
        let text = sample().0.encode();
        for secret in ["abandon", "about", &"01".repeat(32), "passphrase"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }

    #[test]
    fn whoever_changes_accounts_or_caps_without_the_passphrase_is_noticed() {
        let (file, _) = sample();
        let changes: [fn(&mut Keyfile); 5] = [
            |file| file.accounts[0].address = file.accounts[2].address,
            |file| file.accounts.swap(0, 1),
            |file| file.caps.clear(),
            |file| file.caps[0].per_day = Some(Amount::new(1)),
            |file| file.accounts[2].origin = Origin::Key { secret: 2 },
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut changed = file.clone();
            change(&mut changed);
            assert!(changed.open("passphrase").is_err(), "change {index}");
        }
        let mut watching_more = file;
        watching_more.accounts.remove(2);
        assert!(watching_more.open("passphrase").is_ok());
    }

    #[test]
    fn a_key_that_is_not_of_its_address_is_not_used() {
        let (mut file, secrets) = sample();
        file.accounts[0].address = file.accounts[2].address;
        assert!(secrets.key(&file.accounts[0]).is_none());
    }

    #[test]
    fn what_is_no_wallet_is_refused() {
        let text = sample().0.encode();
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Keyfile::decode(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(changed("\"version\": 1", "\"version\": 2"), KeyfileError::Newer { found: 2 });
        assert!(matches!(
            changed("\"memory_kib\": 64", "\"memory_kib\": 4294967295"),
            KeyfileError::Cost(_)
        ));
        for (from, to) in [
            ("shoal-wallet", "other"),
            ("\"accounts\"", "\"a\""),
            ("TUEZ", "TUEY"),
            ("argon2id", "argon2d"),
            ("\"salt\": \"07", "\"salt\": \"7"),
            ("\"decimals\": 18", "\"decimals\": 39"),
            ("m/44'", "44'"),
        ] {
            assert_eq!(changed(from, to), KeyfileError::NotAWallet, "{to}");
        }
        for bytes in [&b""[..], b"{}", b"[]", b"\xff"] {
            assert_eq!(Keyfile::decode(bytes), Err(KeyfileError::NotAWallet));
        }
    }
}
