//! The JSON of V3 keystores, as wallets exchange them.
//!
//! Source: ethereum.org, "Web3 Secret Storage Definition", version 3. Programs differ in what the
//! definition leaves open, so `Crypto` is read as `crypto`, hexadecimal digits with and without `0x`, and an
//! address may be Ethereum's 20 bytes, TRON's 21 that begin with 41, or Base58. We write what geth writes.
//! Everything in it may be known to all; see `keys::keystore_v3` for what is secret.

use keys::keystore_v3::{Derivation, Keystore, SALT_BYTES_MAX};
use serde_json::{Map, Value, json};

use crate::{hex, unhex};

/// Longest file; usual ones have some 500 bytes.
pub const FILE_BYTES_MAX: usize = 16 * 1024;

/// Why a file is no V3 keystore that we can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreJsonError {
    /// Longer than [`FILE_BYTES_MAX`].
    #[error("it has {found} bytes, at most {FILE_BYTES_MAX} are usual")]
    TooLong {
        /// How many it has.
        found: usize,
    },
    /// Not JSON, or not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field is missing.
    #[error("it has no `{field}`")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field is not of its form.
    #[error("its `{field}` is not what a keystore has there")]
    Malformed {
        /// Its name.
        field: &'static str,
    },
    /// Another version of the format.
    #[error("it is of version {found}, not 3")]
    Version {
        /// Which.
        found: u64,
    },
    /// Another cipher or derivation than those of the definition.
    #[error("its `{field}` is `{found}`, which shoal does not know")]
    Unknown {
        /// What is unknown.
        field: &'static str,
        /// Its name, printable.
        found: String,
    },
}

/// Whether this looks as if it were meant to be a keystore: a JSON object with a version and something
/// enciphered.
pub fn is_keystore(bytes: &[u8]) -> bool {
    bytes.len() <= FILE_BYTES_MAX
        && serde_json::from_slice::<Map<String, Value>>(bytes)
            .is_ok_and(|map| map.contains_key("crypto") || map.contains_key("Crypto"))
}

/// Reads a keystore.
///
/// # Errors
/// See [`KeystoreJsonError`].
pub fn decode(bytes: &[u8]) -> Result<Keystore, KeystoreJsonError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(KeystoreJsonError::TooLong { found: bytes.len() });
    }
    let map: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|_not_json| KeystoreJsonError::NotAnObject)?;
    let version = integer(&map, "version")?;
    if version != 3 {
        return Err(KeystoreJsonError::Version { found: version });
    }
    let crypto = map.get("crypto").or_else(|| map.get("Crypto"));
    let crypto = object(crypto, "crypto")?;
    let cipher = text(crypto, "cipher")?;
    if cipher != "aes-128-ctr" {
        return Err(unknown("cipher", cipher));
    }
    Ok(Keystore {
        derivation: derivation(crypto)?,
        iv: digits(object(crypto.get("cipherparams"), "cipherparams")?, "iv")?,
        cipher_text: digits(crypto, "ciphertext")?,
        mac: digits(crypto, "mac")?,
        address: address(&map)?,
        id: id(&map)?,
    })
}

fn derivation(crypto: &Map<String, Value>) -> Result<Derivation, KeystoreJsonError> {
    let params = object(crypto.get("kdfparams"), "kdfparams")?;
    let salt = salt(params)?;
    if integer(params, "dklen")? != 32 {
        return Err(KeystoreJsonError::Malformed { field: "dklen" });
    }
    match text(crypto, "kdf")? {
        "scrypt" => {
            let n = integer(params, "n")?;
            if !n.is_power_of_two() {
                return Err(KeystoreJsonError::Malformed { field: "n" });
            }
            let log_n = u8::try_from(n.trailing_zeros());
            let log_n = log_n.map_err(|_large| KeystoreJsonError::Malformed { field: "n" })?;
            Ok(Derivation::Scrypt { log_n, r: small(params, "r")?, p: small(params, "p")?, salt })
        }
        "pbkdf2" => {
            let prf = text(params, "prf")?;
            if prf != "hmac-sha256" {
                return Err(unknown("prf", prf));
            }
            Ok(Derivation::Pbkdf2 { rounds: small(params, "c")?, salt })
        }
        other => Err(unknown("kdf", other)),
    }
}

fn unknown(field: &'static str, found: &str) -> KeystoreJsonError {
    KeystoreJsonError::Unknown { field, found: crate::printable(found.as_bytes(), 40) }
}

fn object<'a>(
    value: Option<&'a Value>,
    field: &'static str,
) -> Result<&'a Map<String, Value>, KeystoreJsonError> {
    let value = value.ok_or(KeystoreJsonError::Missing { field })?;
    value.as_object().ok_or(KeystoreJsonError::Malformed { field })
}

fn text<'a>(
    map: &'a Map<String, Value>,
    field: &'static str,
) -> Result<&'a str, KeystoreJsonError> {
    let value = map.get(field).ok_or(KeystoreJsonError::Missing { field })?;
    value.as_str().ok_or(KeystoreJsonError::Malformed { field })
}

fn integer(map: &Map<String, Value>, field: &'static str) -> Result<u64, KeystoreJsonError> {
    let value = map.get(field).ok_or(KeystoreJsonError::Missing { field })?;
    value.as_u64().ok_or(KeystoreJsonError::Malformed { field })
}

fn small(map: &Map<String, Value>, field: &'static str) -> Result<u32, KeystoreJsonError> {
    let number = integer(map, field)?;
    u32::try_from(number).map_err(|_large| KeystoreJsonError::Malformed { field })
}

fn digits<const N: usize>(
    map: &Map<String, Value>,
    field: &'static str,
) -> Result<[u8; N], KeystoreJsonError> {
    unhex(bare(text(map, field)?)).ok_or(KeystoreJsonError::Malformed { field })
}

fn bare(digits: &str) -> &str {
    digits.strip_prefix("0x").unwrap_or(digits)
}

fn salt(params: &Map<String, Value>) -> Result<Vec<u8>, KeystoreJsonError> {
    let field = "salt";
    let pairs = bare(text(params, field)?).as_bytes().chunks(2);
    let salt: Option<Vec<u8>> = pairs.map(hex::byte).collect();
    let salt = salt.filter(|salt| salt.len() <= SALT_BYTES_MAX);
    salt.ok_or(KeystoreJsonError::Malformed { field })
}

fn address(map: &Map<String, Value>) -> Result<Option<[u8; 20]>, KeystoreJsonError> {
    let field = "address";
    let malformed = || KeystoreJsonError::Malformed { field };
    // Some leave it out, some empty, for privacy.
    let text = match map.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().ok_or_else(malformed)?,
    };
    if text.is_empty() {
        return Ok(None);
    }
    crate::address_text::address(text).map(Some).ok_or_else(malformed)
}

fn id(map: &Map<String, Value>) -> Result<[u8; 16], KeystoreJsonError> {
    let field = "id";
    match map.get(field) {
        None | Some(Value::Null) => Ok([0; 16]),
        Some(value) => {
            let text = value.as_str().ok_or(KeystoreJsonError::Malformed { field })?;
            unhex(&text.replace('-', "")).ok_or(KeystoreJsonError::Malformed { field })
        }
    }
}

/// The file of a keystore.
pub fn encode(keystore: &Keystore) -> String {
    let (kdf, params) = match &keystore.derivation {
        Derivation::Scrypt { log_n, r, p, salt } => {
            let n = 1_u64.checked_shl(u32::from(*log_n)).unwrap_or_default();
            ("scrypt", json!({ "dklen": 32, "n": n, "p": p, "r": r, "salt": hex(salt) }))
        }
        Derivation::Pbkdf2 { rounds, salt } => {
            ("pbkdf2", json!({ "c": rounds, "dklen": 32, "prf": "hmac-sha256", "salt": hex(salt) }))
        }
    };
    let mut file = json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": hex(&keystore.iv) },
            "ciphertext": hex(&keystore.cipher_text),
            "kdf": kdf,
            "kdfparams": params,
            "mac": hex(&keystore.mac),
        },
        "id": uuid(&keystore.id),
        "version": 3,
    });
    if let (Some(address), Some(map)) = (&keystore.address, file.as_object_mut()) {
        map.insert("address".into(), hex(address).into());
    }
    file.to_string()
}

/// Digits in groups of 8, 4, 4, 4 and 12 (RFC 9562, section 4).
fn uuid(id: &[u8; 16]) -> String {
    let mut text = String::new();
    for (at, byte) in id.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&hex(&[*byte]));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The second vector of the definition.
    const SCRYPT: &str = r#"{
        "crypto" : {
            "cipher" : "aes-128-ctr",
            "cipherparams" : { "iv" : "83dbcc02d8ccb40e466191a123791e0e" },
            "ciphertext" : "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf" : "scrypt",
            "kdfparams" : {
                "dklen" : 32, "n" : 262144, "r" : 1, "p" : 8,
                "salt" : "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
            },
            "mac" : "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
        },
        "id" : "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version" : 3
    }"#;

    fn changed(from: &str, to: &str) -> Result<Keystore, KeystoreJsonError> {
        assert!(SCRYPT.contains(from), "{from}");
        decode(SCRYPT.replacen(from, to, 1).as_bytes())
    }

    #[test]
    fn the_vector_of_the_definition_is_read_and_written() {
        let keystore = decode(SCRYPT.as_bytes()).unwrap();
        let Derivation::Scrypt { log_n, r, p, ref salt } = keystore.derivation else {
            panic!("{keystore:?}");
        };
        assert_eq!((log_n, r, p, salt.len()), (18, 1, 8, 32));
        let written: Value = serde_json::from_str(&encode(&keystore)).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(SCRYPT).unwrap());
        assert!(is_keystore(SCRYPT.as_bytes()));
        assert!(!is_keystore(b"{}"));
    }

    #[test]
    fn what_programs_write_differently_means_the_same() {
        let expected = decode(SCRYPT.as_bytes()).unwrap();
        assert_eq!(changed("\"crypto\"", "\"Crypto\""), Ok(expected.clone()));
        assert_eq!(changed("\"83dbcc", "\"0x83dbcc"), Ok(expected.clone()));
        let address = [
            0x1a, 0x64, 0x2f, 0x0e, 0x3c, 0x3a, 0xf5, 0x45, 0xe7, 0xac, 0xbd, 0x38, 0xb0, 0x72,
            0x51, 0xb3, 0x99, 0x09, 0x14, 0xf1,
        ];
        for text in [
            "1a642f0e3c3af545e7acbd38b07251b3990914f1",
            "0x1A642F0E3C3AF545E7ACBD38B07251B3990914F1",
            "411a642f0e3c3af545e7acbd38b07251b3990914f1",
            "TCNkawTmcQgYSU8nP8cHswT1QPjharxJr7",
        ] {
            let keystore = changed("\"id\"", &format!("\"address\": \"{text}\", \"id\""));
            assert_eq!(keystore.map(|keystore| keystore.address), Ok(Some(address)), "{text}");
        }
    }

    #[test]
    fn what_is_no_keystore_of_version_3_is_refused_by_its_field() {
        use KeystoreJsonError::{Malformed, Missing, NotAnObject, TooLong, Unknown, Version};
        let field = |field, found: &str| Unknown { field, found: found.into() };
        for (from, to, expected) in [
            ("\"version\" : 3", "\"version\" : 4", Version { found: 4 }),
            ("\"version\"", "\"v\"", Missing { field: "version" }),
            ("\"crypto\"", "\"c\"", Missing { field: "crypto" }),
            ("aes-128-ctr", "aes-256-gcm\\u001b", field("cipher", "aes-256-gcm")),
            ("\"scrypt\"", "\"bcrypt\"", field("kdf", "bcrypt")),
            ("262144", "262145", Malformed { field: "n" }),
            ("262144", "-1", Malformed { field: "n" }),
            ("262144", "0", Malformed { field: "n" }),
            ("\"r\" : 1", "\"r\" : 4294967296", Malformed { field: "r" }),
            ("\"dklen\" : 32", "\"dklen\" : 64", Malformed { field: "dklen" }),
            ("d172bf", "d172b", Malformed { field: "ciphertext" }),
            ("\"id\"", "\"address\": \"TCNk\", \"id\"", Malformed { field: "address" }),
            ("3198bc9c", "3198bc9", Malformed { field: "id" }),
        ] {
            assert_eq!(changed(from, to), Err(expected), "{to}");
        }
        assert_eq!(decode(b"[]"), Err(NotAnObject));
        assert_eq!(decode(b""), Err(NotAnObject));
        let found = FILE_BYTES_MAX + 1;
        assert_eq!(decode(&vec![b' '; found]), Err(TooLong { found }));
        assert_eq!(decode("[".repeat(FILE_BYTES_MAX).as_bytes()), Err(NotAnObject));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            log_n in 1_u8..60, r: u32, p: u32, salt in prop::collection::vec(any::<u8>(), 0..SALT_BYTES_MAX),
            iv: [u8; 16], cipher_text: [u8; 32], mac: [u8; 32], address: Option<[u8; 20]>, id: [u8; 16],
            rounds: Option<u32>,
        ) {
            let derivation = match rounds {
                Some(rounds) => Derivation::Pbkdf2 { rounds, salt },
                None => Derivation::Scrypt { log_n, r, p, salt },
            };
            let keystore = Keystore { derivation, iv, cipher_text, mac, address, id };
            prop_assert_eq!(decode(encode(&keystore).as_bytes()), Ok(keystore));
        }

        #[test]
        fn any_bytes_are_a_keystore_or_refused(bytes: Vec<u8>) {
            decode(&bytes).ok();
        }
    }
}
