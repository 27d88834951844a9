//! Messages to bytes, appended to a buffer of the caller, keys in their order.

use std::net::{IpAddr, SocketAddr};

use super::{NodeId, PutMutable, Query, Reply, Want};

/// Appends a query. `read_only`: we answer none ourselves (BEP 43).
pub fn encode_query(
    out: &mut Vec<u8>,
    transaction: &[u8],
    sender: NodeId,
    read_only: bool,
    query: &Query<'_>,
) {
    out.extend_from_slice(b"d1:ad");
    let method: &[u8] = match query {
        Query::Ping => {
            id(out, sender);
            b"ping"
        }
        Query::FindNode { target, want } => {
            id(out, sender);
            field(out, b"6:target", &target.0);
            put_want(out, *want);
            b"find_node"
        }
        Query::GetPeers { info_hash, want, no_seeds, scrape } => {
            id(out, sender);
            field(out, b"9:info_hash", &info_hash.0);
            flag(out, b"6:noseed", *no_seeds);
            flag(out, b"6:scrape", *scrape);
            put_want(out, *want);
            b"get_peers"
        }
        Query::AnnouncePeer { info_hash, implied_port, port, seed, token } => {
            id(out, sender);
            flag(out, b"12:implied_port", *implied_port);
            field(out, b"9:info_hash", &info_hash.0);
            int(out, b"4:port", i64::from(*port));
            flag(out, b"4:seed", *seed);
            field(out, b"5:token", token);
            b"announce_peer"
        }
        Query::Get { target, want, newer_than } => {
            id(out, sender);
            if let Some(seq) = newer_than {
                int(out, b"3:seq", *seq);
            }
            field(out, b"6:target", &target.0);
            put_want(out, *want);
            b"get"
        }
        Query::Put { target, token, value, mutable } => {
            put(out, sender, *target, (token, value), mutable.as_ref());
            b"put"
        }
        Query::Sample { target, want } => {
            id(out, sender);
            field(out, b"6:target", &target.0);
            put_want(out, *want);
            b"sample_infohashes"
        }
        Query::Unknown => {
            id(out, sender);
            b"?"
        }
    };
    out.extend_from_slice(b"e1:q");
    string(out, method);
    flag(out, b"2:ro", read_only);
    field(out, b"1:t", transaction);
    out.extend_from_slice(b"1:y1:qe");
}

/// Appends an answer to the node at `to`, who is told its address (BEP 42).
pub fn encode_reply(out: &mut Vec<u8>, transaction: &[u8], to: SocketAddr, reply: &Reply<'_>) {
    out.extend_from_slice(b"d2:ip");
    push_peer(out, to);
    out.extend_from_slice(b"1:rd");
    if let Some(bloom) = reply.bloom_peers {
        field(out, b"4:BFpe", bloom);
    }
    if let Some(bloom) = reply.bloom_seeds {
        field(out, b"4:BFsd", bloom);
    }
    id(out, reply.sender);
    if let Some(interval) = reply.interval {
        int(out, b"8:interval", interval);
    }
    if let Some(key) = reply.key {
        field(out, b"1:k", key);
    }
    if !reply.nodes_v4.is_empty() {
        field(out, b"5:nodes", reply.nodes_v4);
    }
    if !reply.nodes_v6.is_empty() {
        field(out, b"6:nodes6", reply.nodes_v6);
    }
    if let Some(all) = reply.samples_all {
        int(out, b"3:num", all);
    }
    if let Some(samples) = reply.samples {
        field(out, b"7:samples", samples);
    }
    if let Some(seq) = reply.seq {
        int(out, b"3:seq", seq);
    }
    if let Some(signature) = reply.signature {
        field(out, b"3:sig", signature);
    }
    if let Some(token) = reply.token {
        field(out, b"5:token", token);
    }
    if let Some(value) = reply.value {
        out.extend_from_slice(b"1:v");
        out.extend_from_slice(value);
    }
    if !reply.values.is_empty() {
        out.extend_from_slice(b"6:valuesl");
        out.extend_from_slice(reply.values.items);
        out.push(b'e');
    }
    out.push(b'e');
    field(out, b"1:t", transaction);
    out.extend_from_slice(b"1:y1:re");
}

/// Appends a refusal.
pub fn encode_error(out: &mut Vec<u8>, transaction: &[u8], code: i64, text: &str) {
    out.extend_from_slice(b"d1:el");
    int(out, b"", code);
    string(out, text.as_bytes());
    out.push(b'e');
    field(out, b"1:t", transaction);
    out.extend_from_slice(b"1:y1:ee");
}

/// Appends a node in compact form: 26 bytes, or 38 of IPv6 (BEP 5, BEP 32).
pub fn push_node(out: &mut Vec<u8>, node: NodeId, addr: SocketAddr) {
    out.extend_from_slice(&node.0);
    compact(out, addr);
}

/// Appends an address as an item of `values`: a string of 6 bytes, or 18 of IPv6.
pub fn push_peer(out: &mut Vec<u8>, addr: SocketAddr) {
    out.extend_from_slice(if addr.is_ipv4() { b"6:" } else { b"18:" });
    compact(out, addr);
}

fn compact(out: &mut Vec<u8>, addr: SocketAddr) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}

fn put(
    out: &mut Vec<u8>,
    sender: NodeId,
    target: Option<NodeId>,
    (token, value): (&[u8], &[u8]),
    mutable: Option<&PutMutable<'_>>,
) {
    if let Some(cas) = mutable.and_then(|mutable| mutable.cas) {
        int(out, b"3:cas", cas);
    }
    id(out, sender);
    if let Some(mutable) = mutable {
        field(out, b"1:k", mutable.key);
        if !mutable.salt.is_empty() {
            field(out, b"4:salt", mutable.salt);
        }
        int(out, b"3:seq", mutable.seq);
        field(out, b"3:sig", mutable.signature);
    }
    if let Some(target) = target {
        field(out, b"6:target", &target.0);
    }
    field(out, b"5:token", token);
    out.extend_from_slice(b"1:v");
    out.extend_from_slice(value);
}

fn id(out: &mut Vec<u8>, id: NodeId) {
    field(out, b"2:id", &id.0);
}

fn put_want(out: &mut Vec<u8>, want: Want) {
    let items: &[u8] = match (want.v4, want.v6) {
        (false, false) => return,
        (true, false) => b"4:wantl2:n4e",
        (false, true) => b"4:wantl2:n6e",
        (true, true) => b"4:wantl2:n42:n6e",
    };
    out.extend_from_slice(items);
}

fn flag(out: &mut Vec<u8>, key: &[u8], on: bool) {
    if on {
        int(out, key, 1);
    }
}

fn int(out: &mut Vec<u8>, key: &[u8], int: i64) {
    out.extend_from_slice(key);
    out.push(b'i');
    if int < 0 {
        out.push(b'-');
    }
    number(out, int.unsigned_abs());
    out.push(b'e');
}

fn field(out: &mut Vec<u8>, key: &[u8], bytes: &[u8]) {
    out.extend_from_slice(key);
    string(out, bytes);
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Decimal digits, without the allocation of `to_string`.
fn number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' | u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
