//! Values that others store with us.
//!
//! Source: BEP 44. Values near our own id are ours to keep; when there are too many the farthest goes.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{InfoHash, Instant};
use keys::{ed25519, sha1};
use wire::bencode::{self, Limits, OwnedValue, Value};
use wire::krpc::{NodeId, PutMutable, SALT_BYTES_MAX, VALUE_BYTES_MAX, code};

use super::id::Distance;
use super::spec::{Item, MutableItem};

/// How long a value is kept after the last time somebody stored it (BEP 44).
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// Where a value is stored: by itself, or by who signs it.
pub fn item_target(item: &Item) -> NodeId {
    match item {
        Item::Immutable { value } => NodeId(sha1(value)),
        Item::Mutable { item, .. } => mutable_target(&item.key, &item.salt),
    }
}

/// Where the owner of `key` stores what it calls `salt` (BEP 44, BEP 46).
pub fn mutable_target(key: &[u8; 32], salt: &[u8]) -> NodeId {
    let mut bytes = key.to_vec();
    bytes.extend_from_slice(salt);
    NodeId(sha1(&bytes))
}

/// What is signed of a version of a mutable item (BEP 44).
pub fn signed_bytes(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + salt.len() + 40);
    if !salt.is_empty() {
        bytes.extend_from_slice(format!("4:salt{}:", salt.len()).as_bytes());
        bytes.extend_from_slice(salt);
    }
    bytes.extend_from_slice(format!("3:seqi{seq}e1:v").as_bytes());
    bytes.extend_from_slice(value);
    bytes
}

impl MutableItem {
    /// Whether it was signed by the owner of its key.
    pub fn is_signed(&self) -> bool {
        let bytes = signed_bytes(&self.salt, self.seq, &self.value);
        ed25519::verify(&self.key, &bytes, &self.signature)
    }
}

/// The value by which a publisher says that its torrent is now this one (BEP 46).
pub fn encode_torrent_value(info_hash: InfoHash) -> Vec<u8> {
    bencode::encode(&OwnedValue::dict().with("ih", &info_hash.0[..]))
}

/// The torrent that a value of BEP 46 names.
pub fn decode_torrent_value(value: &[u8]) -> Option<InfoHash> {
    let value = bencode::decode(value, Limits::NETWORK).ok()?;
    let hash = value.as_dict()?.get(b"ih").and_then(Value::as_bytes)?;
    hash.try_into().ok().map(InfoHash)
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Box<[u8]>,
    pub(crate) mutable: Option<Box<Version>>,
    until: Instant,
}

#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) key: [u8; 32],
    pub(crate) seq: i64,
    pub(crate) signature: [u8; 64],
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct ItemStore {
    own: NodeId,
    items_max: usize,
    items: BTreeMap<Distance, Stored>,
}

impl ItemStore {
    pub(crate) fn new(own: NodeId, items_max: usize) -> Self {
        Self { own, items_max, items: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// We are somewhere else now.
    pub(crate) fn rename(&mut self, own: NodeId) {
        let old = core::mem::replace(&mut self.own, own);
        let items = core::mem::take(&mut self.items);
        let moved =
            |(distance, item): (Distance, _)| (Distance::between(own, distance.from(old)), item);
        self.items = items.into_iter().map(moved).collect();
    }

    pub(crate) fn get(&self, target: NodeId, now: Instant) -> Option<&Stored> {
        self.items.get(&Distance::between(self.own, target)).filter(|item| item.until > now)
    }

    /// Stores a value, or says by which code of BEP 44 not. Whoever sent it has shown a good token.
    pub(crate) fn put(
        &mut self,
        value: &[u8],
        mutable: Option<&PutMutable<'_>>,
        now: Instant,
    ) -> Result<(), i64> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(code::VALUE_TOO_BIG);
        }
        if mutable.is_some_and(|mutable| mutable.salt.len() > SALT_BYTES_MAX) {
            return Err(code::SALT_TOO_BIG);
        }
        if bencode::decode(value, Limits::NETWORK).is_err() {
            return Err(code::PROTOCOL);
        }
        let target = match mutable {
            Some(mutable) => mutable_target(mutable.key, mutable.salt),
            None => NodeId(sha1(value)),
        };
        let place = Distance::between(self.own, target);
        if let Some(mutable) = mutable {
            self.check_version(place, value, mutable, now)?;
        }
        if !self.items.contains_key(&place) && self.items.len() >= self.items_max {
            match self.items.last_key_value() {
                Some((farthest, _)) if *farthest > place => self.items.pop_last(),
                Some(_) | None => return Err(code::SERVER),
            };
        }
        let version = |mutable: &PutMutable<'_>| {
            let (key, signature) = (*mutable.key, *mutable.signature);
            Box::new(Version { key, seq: mutable.seq, signature })
        };
        let stored =
            Stored { value: value.into(), mutable: mutable.map(version), until: now.after(KEPT) };
        self.items.insert(place, stored);
        Ok(())
    }

    fn check_version(
        &self,
        place: Distance,
        value: &[u8],
        mutable: &PutMutable<'_>,
        now: Instant,
    ) -> Result<(), i64> {
        let stored = self.items.get(&place).filter(|stored| stored.until > now);
        if let Some(Stored { value: old, mutable: Some(version), .. }) = stored {
            if mutable.cas.is_some_and(|cas| cas != version.seq) {
                return Err(code::CAS_MISMATCH);
            }
            if mutable.seq < version.seq || mutable.seq == version.seq && **old != *value {
                return Err(code::SEQ_TOO_OLD);
            }
        }
        // Last, because it costs most.
        let bytes = signed_bytes(mutable.salt, mutable.seq, value);
        if ed25519::verify(mutable.key, &bytes, mutable.signature) {
            Ok(())
        } else {
            Err(code::SIGNATURE_BAD)
        }
    }

    /// Drops what nobody has stored again.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.items.retain(|_, item| item.until > now);
    }
}

#[cfg(test)]
mod tests {
    use keys::ed25519::SigningKey;

    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let byte = |at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        core::array::from_fn(|i| byte(2 * i))
    }

    fn at(s: u64) -> Instant {
        Instant::START.after(Duration::from_secs(s))
    }

    #[test]
    fn vectors_of_bep_44_and_46_hold() {
        let key = bytes("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
        let target = |hex| NodeId(bytes(hex));
        assert_eq!(mutable_target(&key, b""), target("4a533d47ec9c7d95b1ad75f576cffc641853b750"));
        let salted = target("411eba73b6f087ca51a3795d9c8c938d365e32c1");
        assert_eq!(mutable_target(&key, b"foobar"), salted);
        let value = b"12:Hello World!".to_vec();
        assert_eq!(signed_bytes(b"", 1, &value), b"3:seqi1e1:v12:Hello World!");
        let signed = signed_bytes(b"foobar", 1, &value);
        assert_eq!(signed, b"4:salt6:foobar3:seqi1e1:v12:Hello World!");
        let immutable = target("e5f96f6f38320f0f33959cb4d3d656452117aadb");
        assert_eq!(item_target(&Item::Immutable { value }), immutable);

        let key = bytes("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e");
        assert_eq!(mutable_target(&key, b""), target("cc3f9d90b572172053626f9980ce261a850d050b"));
        assert_eq!(mutable_target(&key, b"n"), target("59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f"));
    }

    #[test]
    fn a_torrent_value_names_its_torrent() {
        let value = encode_torrent_value(InfoHash([7; 20]));
        assert_eq!(decode_torrent_value(&value), Some(InfoHash([7; 20])));
        for bad in [&b"de"[..], b"d2:ih3:abce", b"d2:ihi1ee", b"le", b"x"] {
            assert_eq!(decode_torrent_value(bad), None);
        }
    }

    struct Writer {
        key: SigningKey,
        public: [u8; 32],
    }

    impl Writer {
        fn new() -> Self {
            let key = SigningKey::from_seed(&[1; 32]);
            Self { public: key.public(), key }
        }

        fn put(
            &self,
            store: &mut ItemStore,
            (salt, seq, value, cas): (&[u8], i64, &[u8], Option<i64>),
            now: Instant,
        ) -> Result<(), i64> {
            let signature = self.key.sign(&signed_bytes(salt, seq, value));
            let mutable = PutMutable { key: &self.public, salt, seq, signature: &signature, cas };
            store.put(value, Some(&mutable), now)
        }
    }

    #[test]
    fn versions_only_go_up_and_cas_compares() {
        let mut store = ItemStore::new(NodeId([0; 20]), 10);
        let writer = Writer::new();
        // Number, value, cas; what comes of it.
        type Case<'a> = ((i64, &'a [u8], Option<i64>), Result<(), i64>);
        let cases: [Case<'_>; 8] = [
            ((3, b"1:a", Some(99)), Ok(())), // Nothing is there to compare with.
            ((3, b"1:a", None), Ok(())),
            ((3, b"1:b", None), Err(code::SEQ_TOO_OLD)),
            ((2, b"1:b", None), Err(code::SEQ_TOO_OLD)),
            ((4, b"1:b", Some(2)), Err(code::CAS_MISMATCH)),
            ((4, b"1:b", Some(3)), Ok(())),
            ((5, b"1:", None), Err(code::PROTOCOL)),
            ((5, b"d1:bi1e1:ai1ee", None), Err(code::PROTOCOL)),
        ];
        for ((seq, value, cas), expected) in cases {
            let result = writer.put(&mut store, (b"", seq, value, cas), at(0));
            assert_eq!(result, expected, "{seq} {value:?} {cas:?}");
        }
        let target = mutable_target(&writer.public, b"");
        let stored = store.get(target, at(1)).unwrap();
        assert_eq!((&*stored.value, stored.mutable.as_ref().unwrap().seq), (&b"1:b"[..], 4));
        assert_eq!(writer.put(&mut store, (b"s", 1, b"1:c", None), at(0)), Ok(()));
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn what_is_too_long_or_not_signed_is_refused() {
        let mut store = ItemStore::new(NodeId([0; 20]), 10);
        let writer = Writer::new();
        let long = |bytes: usize| format!("{bytes}:{}", "x".repeat(bytes)).into_bytes();
        assert_eq!(store.put(&long(997), None, at(0)), Err(code::VALUE_TOO_BIG));
        assert_eq!(store.put(&long(996), None, at(0)), Ok(()));
        let salt = [0; 65];
        let put = writer.put(&mut store, (&salt, 1, b"le", None), at(0));
        assert_eq!(put, Err(code::SALT_TOO_BIG));
        assert_eq!(writer.put(&mut store, (&salt[1..], 1, b"le", None), at(0)), Ok(()));
        let mutable =
            PutMutable { key: &writer.public, salt: b"", seq: 1, signature: &[3; 64], cas: None };
        assert_eq!(store.put(b"le", Some(&mutable), at(0)), Err(code::SIGNATURE_BAD));
    }

    #[test]
    fn a_full_store_gives_up_the_farthest_and_what_is_old() {
        let mut store = ItemStore::new(NodeId([0; 20]), 4);
        let mut targets = Vec::new();
        for number in 0..20 {
            let value = format!("i{number}e").into_bytes();
            let _refused_if_far = store.put(&value, None, at(0));
            targets.push(NodeId(sha1(&value)));
        }
        targets.sort();
        let kept: Vec<bool> = targets.iter().map(|t| store.get(*t, at(1)).is_some()).collect();
        assert_eq!(kept[..6], [true, true, true, true, false, false]);
        assert!(store.get(targets[0], at(2 * 60 * 60)).is_none());
        store.rename(NodeId([9; 20]));
        assert!(store.get(targets[0], at(1)).is_some());
        store.expire(at(2 * 60 * 60));
        assert_eq!(store.len(), 0);
    }
}
