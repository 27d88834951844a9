use super::*;

const CHANCE: Chance = Chance { salt: [3; 32], iv: [5; 16], id: [0xff; 16] };

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    assert_eq!(hex.len(), 2 * N);
    core::array::from_fn(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2).unwrap(), 16).unwrap())
}

fn key() -> SecretKey {
    SecretKey::from_bytes(&[1; 32]).unwrap()
}

/// The two vectors of the definition, whose password is `testpassword`.
fn vectors() -> [Keystore; 2] {
    let pbkdf2 = Keystore {
        derivation: Derivation::Pbkdf2 {
            rounds: 262_144,
            salt: bytes::<32>("ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd")
                .to_vec(),
        },
        iv: bytes("6087dab2f9fdbbfaddc31a909735c1e6"),
        cipher_text: bytes("5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46"),
        mac: bytes("517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"),
        address: None,
        id: bytes("3198bc9c66724ab389954942343ae5b6"),
    };
    let scrypt = Keystore {
        derivation: Derivation::Scrypt {
            log_n: 18,
            r: 1,
            p: 8,
            salt: bytes::<32>("ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19")
                .to_vec(),
        },
        iv: bytes("83dbcc02d8ccb40e466191a123791e0e"),
        cipher_text: bytes("d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c"),
        mac: bytes("2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"),
        address: None,
        id: pbkdf2.id,
    };
    [pbkdf2, scrypt]
}

#[test]
fn the_vectors_of_the_definition_open() {
    let expected = bytes::<32>("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
    for keystore in vectors() {
        let key = keystore.open(b"testpassword").unwrap();
        assert_eq!(*key.to_bytes(), expected, "{keystore:?}");
    }
}

#[test]
fn what_was_sealed_opens_by_its_password_only() {
    let keystore = Keystore::seal(&key(), b"password", 4, CHANCE).unwrap();
    assert_eq!(keystore.open(b"password").unwrap().to_bytes(), key().to_bytes());
    assert_eq!(keystore.open(b"Password").unwrap_err(), KeystoreError::Password);
    assert_eq!(keystore.address, Some(key().public().hash20()));
    assert_eq!((keystore.id[6], keystore.id[8]), (0x4f, 0xbf), "a UUID of version 4");
}

#[test]
fn a_changed_file_never_gives_another_key() {
    let keystore = Keystore::seal(&key(), b"p", 4, CHANCE).unwrap();
    let mut changed = keystore.clone();
    changed.cipher_text[31] ^= 1;
    assert_eq!(changed.open(b"p").unwrap_err(), KeystoreError::Password);
    let changed = Keystore { address: Some([9; 20]), ..keystore.clone() };
    assert_eq!(changed.open(b"p").unwrap_err(), KeystoreError::OtherAddress);
    // The proof does not cover where the counter begins; the address does.
    let mut changed = keystore.clone();
    changed.iv[0] ^= 1;
    assert_eq!(changed.open(b"p").unwrap_err(), KeystoreError::OtherAddress);
    let told_nothing = Keystore { address: None, ..keystore };
    assert!(told_nothing.open(b"p").is_ok());
}

#[test]
fn a_derivation_that_would_take_the_machine_is_refused_before_it_begins() {
    let keystore = Keystore::seal(&key(), b"p", 4, CHANCE).unwrap();
    let salt = vec![0; 32];
    for (log_n, r, p) in [
        (63, 8, 1),
        (24, 8, 1),
        (1, u32::MAX, u32::MAX),
        (17, 8, 64),
        (255, 1, 1),
        (0, 8, 1),
        (17, 0, 1),
        (17, 8, 0),
    ] {
        let derivation = Derivation::Scrypt { log_n, r, p, salt: salt.clone() };
        let error = Keystore { derivation, ..keystore.clone() }.open(b"p").unwrap_err();
        let told = matches!(error, KeystoreError::Cost { .. } | KeystoreError::Parameters);
        assert!(told, "{log_n} {r} {p}: {error}");
    }
    for rounds in [0, ROUNDS_MAX + 1, u32::MAX] {
        let derivation = Derivation::Pbkdf2 { rounds, salt: salt.clone() };
        let error = Keystore { derivation, ..keystore.clone() }.open(b"p").unwrap_err();
        let told = matches!(error, KeystoreError::Cost { .. } | KeystoreError::Parameters);
        assert!(told, "{rounds}: {error}");
    }
}
