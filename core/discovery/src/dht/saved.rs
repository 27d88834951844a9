//! What outlives the process: nodes, our ids, and when our torrents were announced.
//!
//! One bencoded dictionary: `ids` and `nodes` by family (`4`, `6`; nodes in compact form of BEP 5), `announces`
//! of 24 bytes each (info-hash, age in seconds). Whatever is wrong with it, what is right is used.

use core::time::Duration;

use base::{InfoHash, Instant};
use wire::bencode::{self, Dict, KeyOrder, Limits, OwnedValue, Value};
use wire::krpc::{self, NodeId, Reply};

use super::Dht;
use super::network::{Hint, Side};
use super::sweep::INTERVAL;

/// Most nodes saved of each family: the first walk asks the nearest 96.
const NODES_MAX: usize = 256;

/// Most announces saved: 24 bytes each.
const ANNOUNCES_MAX: usize = 200_000;

/// Longest that we write, with headroom.
const LIMITS: Limits =
    Limits { bytes_max: 8 << 20, depth_max: 4, values_max: 64, key_order: KeyOrder::Any };

/// A place is kept so long: after it our neighbours have forgotten us anyhow.
const ID_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

impl Dht {
    /// What [`Self::restore`] wants after a restart: at most 5 MiB, 20 KiB without torrents.
    pub fn save(&self, now: Instant) -> Vec<u8> {
        let mut saved = OwnedValue::dict();
        for side in self.sides() {
            let Some(network) = &self.networks[side as usize] else { continue };
            let mut nodes = Vec::new();
            let mut all: Vec<_> = network.table.nodes().filter(|node| node.fails == 0).collect();
            // The longest silent last; those that are cut off are the least sure.
            all.sort_by_key(|node| core::cmp::Reverse(node.seen));
            all.iter()
                .take(NODES_MAX)
                .for_each(|node| krpc::push_node(&mut nodes, node.id, node.addr));
            let of_side =
                OwnedValue::dict().with("id", &network.table.own().0[..]).with("nodes", nodes);
            saved.set(key(side), of_side);
        }
        let mut announces = Vec::new();
        for (info_hash, age) in self.announce_ages(now).take(ANNOUNCES_MAX) {
            announces.extend_from_slice(&info_hash.0);
            let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            announces.extend_from_slice(&age.to_be_bytes());
        }
        bencode::encode(&saved.with("announces", announces))
    }

    /// Goes on where [`Self::save`] left off, `age` ago. Call it before all else; what can't be read is ignored.
    pub fn restore(&mut self, saved: &[u8], age: Duration, now: Instant) {
        let Ok(Value::Dict(dict)) = bencode::decode(saved, LIMITS) else {
            return;
        };
        for side in self.sides() {
            if let Some(of_side) = dict.get(key(side)).and_then(Value::as_dict) {
                self.restore_side(side, of_side, age, now);
            }
        }
        let announces = dict.get(b"announces").and_then(Value::as_bytes).unwrap_or_default();
        for bytes in announces.as_chunks::<24>().0.iter().take(ANNOUNCES_MAX) {
            let (info_hash, seconds) = bytes.split_first_chunk::<20>().expect("24 bytes");
            let seconds = u32::from_be_bytes(seconds.try_into().expect("4 bytes left"));
            let age = age.saturating_add(Duration::from_secs(seconds.into()));
            if age < INTERVAL {
                self.torrents.remember(InfoHash(*info_hash), INTERVAL.saturating_sub(age), now);
            }
        }
    }

    fn restore_side(&mut self, side: Side, saved: &Dict<'_>, age: Duration, now: Instant) {
        let id = saved.get(b"id").and_then(Value::as_bytes).and_then(|id| id.try_into().ok());
        if let Some(id) = id.filter(|_| age < ID_KEPT) {
            self.network(side).rename(NodeId(id));
        }
        let bytes = saved.get(b"nodes").and_then(Value::as_bytes).unwrap_or_default();
        let none = Reply::of(NodeId([0; 20]));
        let reply = match side {
            Side::V4 => Reply { nodes_v4: bytes, ..none },
            Side::V6 => Reply { nodes_v6: bytes, ..none },
        };
        for (id, addr) in reply.nodes().take(NODES_MAX) {
            if self.is_usable(addr, addr.ip()) {
                self.hint(Hint { id: Some(id), addr, router: false }, now);
            }
        }
    }
}

fn key(side: Side) -> &'static [u8] {
    match side {
        Side::V4 => b"4",
        Side::V6 => b"6",
    }
}
