//! A node of crate `mainline`, driven by the interop harness.
//!
//! usage: `dht-mainline ADDRESS:PORT [--node ADDRESS:PORT]...`
//!
//! The commands on standard input and the events are those of `dht_libtorrent.py`; `sign` has the
//! sequence number 1.
// The crate's blocking API is what a program of one thread wants.
#![allow(deprecated)]

use std::error::Error;
use std::io::{BufRead as _, stdin};
use std::net::SocketAddrV4;
use std::time::Duration;

use mainline::{Dht, Id, MutableItem, SigningKey};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let listen: SocketAddrV4 = words.next().ok_or("ADDRESS:PORT")?.parse()?;
    let known: Vec<String> = words.filter(|word| word != "--node").collect();
    let dht = Dht::builder()
        .bind_address(*listen.ip())
        .port(listen.port())
        .bootstrap(&known)
        .server_mode()
        // Nobody is far away, and some are gone.
        .request_timeout(Duration::from_millis(400))
        .build()?;
    println!("{}", json!({ "event": "listening", "addr": listen.to_string() }));
    // It says no as well when whoever answers knows nobody else; asking works all the same.
    dht.bootstrapped();
    println!("{}", json!({ "event": "ready" }));
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", obey(&dht, &words)?);
    }
    Ok(())
}

fn obey(dht: &Dht, words: &[&str]) -> Outcome<Value> {
    Ok(match words {
        ["announce", hash, port] => {
            dht.announce_peer(id(hash)?, Some(port.parse()?))?;
            json!({ "event": "announced", "hash": hash })
        }
        ["peers", hash] => {
            let peers: Vec<String> =
                dht.get_peers(id(hash)?).flatten().map(|peer| peer.to_string()).collect();
            json!({ "event": "peers", "hash": hash, "peers": peers })
        }
        ["put", value] => stored(dht.put_immutable(&bytes(value)?)?),
        ["sign", seed, _public, salt, value] => {
            let key = SigningKey::from_bytes(&array(seed)?);
            let salt = bytes(salt)?;
            let salt = (!salt.is_empty()).then_some(salt.as_slice());
            stored(dht.put_mutable(MutableItem::new(key, &bytes(value)?, 1, salt), None)?)
        }
        ["get", target] => {
            let value = dht.get_immutable(id(target)?);
            json!({ "event": "value", "target": target, "value": value.map(|value| hex(&value)) })
        }
        ["find", public, salt] => {
            let (public, salt) = (array(public)?, bytes(salt)?);
            let salt = (!salt.is_empty()).then_some(salt.as_slice());
            let target = MutableItem::target_from_key(&public, salt);
            let item = dht.get_mutable_most_recent(&public, salt);
            json!({
                "event": "value",
                "target": target.to_string(),
                "value": item.as_ref().map(|item| hex(item.value())),
                "seq": item.as_ref().map(MutableItem::seq),
            })
        }
        _ => return Err(format!("unknown command: {words:?}").into()),
    })
}

fn stored(target: Id) -> Value {
    json!({ "event": "stored", "target": target.to_string() })
}

fn id(hex: &str) -> Outcome<Id> {
    Ok(Id::from_bytes(bytes(hex)?)?)
}

fn array(hex: &str) -> Outcome<[u8; 32]> {
    bytes(hex)?.try_into().map_err(|_| "32 bytes".into())
}

fn bytes(hex: &str) -> Outcome<Vec<u8>> {
    if hex == "-" {
        return Ok(Vec::new());
    }
    let digits: Vec<&[u8]> = hex.as_bytes().chunks(2).collect();
    digits.into_iter().map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
