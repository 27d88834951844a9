//! `shoal dht get` and `put`: values that the DHT keeps for a while (BEP 44), and torrents that may change (BEP 46).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base::InfoHash;
use discovery::dht::{
    Answer, Item, MutableItem, NodeId, Query, decode_torrent_value, encode_torrent_value,
    item_target, mutable_target, signed_bytes,
};
use keys::ed25519::SigningKey;
use serde_json::json;
use wire::bencode::{self, Limits, OwnedValue, Value};
use wire::magnet::{Magnet, Topic, is_magnet};
use wire::{hex, unhex};
use zeroize::Zeroizing;

use super::{Tool, print};
use crate::args::dht::{GetArgs, PutArgs};
use crate::failure::{Exit, Failure, reason, shown};
use crate::out::Out;

/// What is to be fetched.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    target: NodeId,
    salt: Vec<u8>,
}

/// What the command line says is to be fetched.
pub(super) fn wanted(args: &GetArgs) -> Result<Wanted, Failure> {
    let salt = args.salt.clone().unwrap_or_default().into_bytes();
    if let Some(key) = &args.key {
        let key = unhex(key).ok_or_else(|| bad("public key", key, 64))?;
        return Ok(Wanted { target: mutable_target(&key, &salt), salt });
    }
    let text = args.target.as_deref().unwrap_or_default();
    if is_magnet(text)
        && let Ok(Magnet { topic: Topic::Mutable { public_key, salt }, .. }) = Magnet::decode(text)
    {
        return Ok(Wanted { target: mutable_target(&public_key, &salt), salt });
    }
    let target = unhex(text).ok_or_else(|| bad("target", text, 40))?;
    Ok(Wanted { target: NodeId(target), salt })
}

fn bad(what: &str, text: &str, digits: usize) -> Failure {
    let text = wire::visible(text);
    Failure::with_hint(
        format!("not a {what}: {text}"),
        format!("a {what} has {digits} hexadecimal digits"),
    )
}

/// Fetches a value and prints it.
pub(super) fn get(tool: &Tool<'_>, wanted: &Wanted) -> Result<Exit, Failure> {
    let mut immutable = None;
    let mut newest: Option<MutableItem> = None;
    let query = Query::Get { target: wanted.target, salt: wanted.salt.clone(), newer_than: None };
    let done = tool.ask(query, |answer| {
        if let Answer::Immutable(value) = answer {
            immutable = Some(value);
        } else if let Answer::Mutable(item) = answer {
            newest = Some(item);
        }
        Ok(())
    })?;
    let found = immutable.is_some() || newest.is_some();
    if let Some(value) = newest.as_ref().map(|item| &item.value).or(immutable.as_ref()) {
        let text = text_of(value);
        let mut event = json!({
            "event": "item", "target": wanted.target.to_string(), "value": text,
            "value_hex": hex(value),
        });
        if let (Some(item), Some(map)) = (&newest, event.as_object_mut()) {
            map.insert("seq".into(), item.seq.into());
            map.insert("key".into(), hex(&item.key).into());
            map.insert("signature".into(), hex(&item.signature).into());
        }
        if let (Some(name), Some(map)) = (decode_torrent_value(value), event.as_object_mut()) {
            map.insert("info_hash".into(), name.to_string().into());
        }
        let line = match (&text, decode_torrent_value(value)) {
            (_, Some(name)) => format!("magnet:?xt=urn:btih:{name}"),
            (Some(text), None) => wire::visible(text),
            (None, None) => hex(value),
        };
        print(tool.out, &line, &event)?;
        if let Some(item) = &newest {
            tool.out.note(&format!("version {}", item.seq));
        }
    }
    tool.finish(done, found, "nobody has stored anything there, or it has expired")
}

/// What is to be stored, and the key that signs it.
pub(super) struct ToPut {
    value: Vec<u8>,
    key: Option<SigningKey>,
    salt: Vec<u8>,
    seq: Option<i64>,
    cas: Option<i64>,
    torrent: Option<InfoHash>,
}

/// What the command line says is to be stored.
pub(super) fn to_put(args: &PutArgs, out: &Out) -> Result<ToPut, Failure> {
    let torrent = args.torrent.as_deref().map(super::info_hash).transpose()?;
    let value = match (&args.value, torrent) {
        (_, Some(name)) => encode_torrent_value(name),
        (Some(text), None) if args.bencode => text.clone().into_bytes(),
        (Some(text), None) => bencode::encode(&OwnedValue::from(text.as_str())),
        (None, None) => return Err(Failure::new("there is nothing to store: give a VALUE")),
    };
    if bencode::decode(&value, Limits::NETWORK).is_err() {
        return Err(Failure::with_hint(
            "with --bencode, VALUE must be bencode",
            "as in 5:hello or d2:idi5ee; without --bencode, any text will do",
        ));
    }
    if value.len() > wire::krpc::VALUE_BYTES_MAX {
        return Err(Failure::with_hint(
            format!("too long: {} bytes of bencode", value.len()),
            format!("nodes take {} at most", wire::krpc::VALUE_BYTES_MAX),
        ));
    }
    let salt = args.salt.clone().unwrap_or_default().into_bytes();
    if salt.len() > wire::krpc::SALT_BYTES_MAX {
        let most = wire::krpc::SALT_BYTES_MAX;
        return Err(Failure::new(format!("the salt is longer than {most} bytes")));
    }
    let key = args.key.as_deref().map(|path| signing_key(path, out)).transpose()?;
    Ok(ToPut { value, key, salt, seq: args.seq, cas: args.cas, torrent })
}

/// Stores a value.
pub(super) fn put(tool: &Tool<'_>, put: ToPut) -> Result<Exit, Failure> {
    let ToPut { value, key, salt, seq, cas, torrent } = put;
    let item = match &key {
        None => Item::Immutable { value },
        Some(key) => {
            let seq = match seq {
                Some(seq) => seq,
                None => next_seq(tool, key, &salt)?,
            };
            let signature = key.sign(&signed_bytes(&salt, seq, &value));
            let item = MutableItem { key: key.public(), salt: salt.clone(), seq, value, signature };
            Item::Mutable { item, cas }
        }
    };
    let target = item_target(&item);
    let seq = match &item {
        Item::Mutable { item, .. } => Some(item.seq),
        Item::Immutable { .. } => None,
    };
    let done = tool.ask(Query::Put(item), |_| Ok(()))?;
    if done.stored > 0 {
        let public_key = key.as_ref().map(SigningKey::public);
        let link = public_key.filter(|_| torrent.is_some()).map(|public_key| {
            Magnet::of(Topic::Mutable { public_key, salt: salt.clone() }).encode()
        });
        let event = json!({
            "event": "stored", "target": target.to_string(), "nodes": done.stored, "seq": seq,
            "key": public_key.map(|key| hex(&key)), "magnet": link,
        });
        let line = match (&link, public_key) {
            (Some(link), _) => link.clone(),
            (None, Some(key)) => hex(&key),
            (None, None) => target.to_string(),
        };
        print(tool.out, &line, &event)?;
        let version = seq.map(|seq| format!("version {seq}, ")).unwrap_or_default();
        tool.out.note(&format!(
            "{version}stored at {} for about two hours; put it again to keep it",
            crate::units::count(done.stored.into(), "node")
        ));
    }
    let nothing = match done.refusal {
        Some(301) => "not stored: somebody has stored another version since the one of --cas",
        Some(302) => "not stored: a newer version is there; leave --seq out, or give a greater one",
        _ => "no node took it",
    };
    tool.finish(done, done.stored > 0, nothing)
}

/// One more than the version that is there.
fn next_seq(tool: &Tool<'_>, key: &SigningKey, salt: &[u8]) -> Result<i64, Failure> {
    let target = mutable_target(&key.public(), salt);
    let mut newest = 0;
    let query = Query::Get { target, salt: salt.to_vec(), newer_than: None };
    tool.ask(query, |answer| {
        if let Answer::Mutable(item) = answer {
            newest = newest.max(item.seq);
        }
        Ok(())
    })?;
    Ok(newest.saturating_add(1))
}

/// The key in a file of 64 hexadecimal digits, which is made if it is not there.
fn signing_key(path: &Path, out: &Out) -> Result<SigningKey, Failure> {
    let failed = |error: &std::io::Error| {
        Failure::new(format!("cannot use the key {}: {}", shown(path), reason(error)))
    };
    let mut text = Zeroizing::new(Vec::new());
    match File::open(path) {
        Ok(file) => {
            // Anything longer is no key.
            file.take(100).read_to_end(&mut text).map_err(|error| failed(&error))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut seed = Zeroizing::new([0; 32]);
            let mut chance = File::open("/dev/urandom").map_err(|error| failed(&error))?;
            chance.read_exact(&mut *seed).map_err(|error| failed(&error))?;
            text.extend_from_slice(Zeroizing::new(hex(&*seed)).as_bytes());
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| failed(&error))?;
            file.write_all(&text).map_err(|error| failed(&error))?;
            file.sync_all().map_err(|error| failed(&error))?;
            out.note(&format!(
                "made a new key: {}; who has this file can change what it signs",
                shown(path)
            ));
        }
        Err(error) => return Err(failed(&error)),
    }
    let digits = core::str::from_utf8(&text).ok().and_then(|text| unhex(text.trim()));
    let seed = Zeroizing::new(digits.ok_or_else(|| {
        Failure::with_hint(
            format!("not a key: {}", shown(path)),
            "a key file has 64 hexadecimal digits; one that does not exist is made",
        )
    })?);
    Ok(SigningKey::from_seed(&seed))
}

/// The text, if the value is one.
fn text_of(value: &[u8]) -> Option<String> {
    let Ok(Value::Bytes(bytes)) = bencode::decode(value, Limits::NETWORK) else { return None };
    String::from_utf8(bytes.to_vec()).ok()
}
