//! Torrent files to bend: a good one, with a few things changed.

use wire::bencode::{self, OwnedValue};

/// The content of every good torrent here.
pub(crate) const CONTENT: &[u8] = b"hello";

/// A torrent file, good at first.
#[derive(Clone)]
pub(crate) struct Torrent(OwnedValue);

/// One file of 5 bytes called `name`.
pub(crate) fn one(name: &str) -> Torrent {
    let info = OwnedValue::dict().with("length", 5_u32);
    torrent(name, info)
}

/// A folder called `name` with the files `a` of 2 bytes and `b/c` of 3.
pub(crate) fn two(name: &str) -> Torrent {
    files(name, &[(2, &["a"]), (3, &["b", "c"])])
}

/// A folder called `name` with these files.
pub(crate) fn files(name: &str, files: &[(i64, &[&str])]) -> Torrent {
    let file = |(length, path): &(i64, &[&str])| {
        OwnedValue::dict().with("length", *length).with("path", strings(path))
    };
    let files: Vec<OwnedValue> = files.iter().map(file).collect();
    torrent(name, OwnedValue::dict().with("files", files))
}

fn torrent(name: &str, info: OwnedValue) -> Torrent {
    let pieces = keys::sha1(CONTENT).to_vec();
    let info = info.with("name", name).with("piece length", 16_384_u32).with("pieces", pieces);
    Torrent(OwnedValue::dict().with("info", info))
}

/// One file of 5 bytes called `name`, in version 2 alone (BEP 52).
pub(crate) fn second(name: &str) -> Torrent {
    hybrid(name).without("info/length").without("info/pieces")
}

/// One file of 5 bytes called `name`, in both versions.
pub(crate) fn hybrid(name: &str) -> Torrent {
    let root = keys::sha256(CONTENT).to_vec();
    let leaf = OwnedValue::dict().with("length", 5_u32).with("pieces root", root);
    let tree = OwnedValue::dict().with(name, OwnedValue::dict().with("", leaf));
    let torrent = one(name).set("info/meta version", int(2)).set("info/file tree", tree);
    torrent.set("piece layers", OwnedValue::dict())
}

/// A list of strings.
pub(crate) fn strings(texts: &[&str]) -> OwnedValue {
    OwnedValue::List(texts.iter().map(|text| OwnedValue::from(*text)).collect())
}

/// A list.
pub(crate) fn list(items: &[OwnedValue]) -> OwnedValue {
    OwnedValue::List(items.to_vec())
}

/// An integer.
pub(crate) fn int(number: i64) -> OwnedValue {
    OwnedValue::Int(number)
}

/// Bytes put there as they are, bencode or not.
pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> OwnedValue {
    OwnedValue::Raw(bytes.as_ref().to_vec())
}

impl Torrent {
    /// A file as it is written here.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(raw(bytes))
    }

    /// Sets what `path` leads to: keys, and positions in lists, between slashes.
    pub(crate) fn set(mut self, path: &str, value: impl Into<OwnedValue>) -> Self {
        let (parent, key) = self.parent(path);
        match parent {
            OwnedValue::Dict(map) => drop(map.insert(key.into(), value.into())),
            OwnedValue::List(items) => items[key.parse::<usize>().unwrap()] = value.into(),
            OwnedValue::Int(_) | OwnedValue::Bytes(_) | OwnedValue::Raw(_) => {
                panic!("{path} leads into no dictionary or list")
            }
        }
        self
    }

    /// Takes out what `path` leads to.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let (parent, key) = self.parent(path);
        let OwnedValue::Dict(map) = parent else { panic!("{path} is in no dictionary") };
        assert!(map.remove(key.as_bytes()).is_some(), "{path}");
        self
    }

    fn parent<'p>(&mut self, path: &'p str) -> (&mut OwnedValue, &'p str) {
        let (above, key) = match path.rsplit_once('/') {
            Some((above, key)) => (Some(above), key),
            None => (None, path),
        };
        let mut at = &mut self.0;
        for step in above.into_iter().flat_map(|above| above.split('/')) {
            at = match at {
                OwnedValue::Dict(map) => map.get_mut(step.as_bytes()).unwrap(),
                OwnedValue::List(items) => &mut items[step.parse::<usize>().unwrap()],
                OwnedValue::Int(_) | OwnedValue::Bytes(_) | OwnedValue::Raw(_) => {
                    panic!("{path} leads into no dictionary or list")
                }
            };
        }
        (at, key)
    }

    /// Its first bytes only.
    pub(crate) fn cut(&self, bytes: usize) -> Vec<u8> {
        self.encode()[..bytes].to_vec()
    }

    /// Something behind its end.
    pub(crate) fn then(&self, tail: &[u8]) -> Vec<u8> {
        [&self.encode(), tail].concat()
    }

    /// The file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        bencode::encode(&self.0)
    }
}

impl From<Torrent> for Vec<u8> {
    fn from(torrent: Torrent) -> Self {
        torrent.encode()
    }
}
