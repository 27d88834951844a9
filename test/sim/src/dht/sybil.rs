//! Nodes that work together to be in everybody's way.
//!
//! Each answers pings as it should, and so gets into tables; what it says to other queries is a [`Lie`].

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use base::Rng;
use wire::krpc::{self, Body, Message, NodeId, Query, Reply, Values};

/// Walks that Sybils remember to have led astray, before they begin anew.
const LED_MAX: usize = 100_000;

/// What a Sybil says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nodes anywhere that do not exist.
    Strangers,
    /// It and its like are the nearest to anything. They keep to it when asked.
    Nearest,
    /// Nodes next to the target that do not exist.
    Ghosts,
    /// Live nodes under names that are not theirs, next to the target.
    Misnamed,
    /// An answer to some other query.
    OtherTransaction,
    /// Bytes.
    Noise,
    /// More nodes and peers than fit a usual datagram.
    Flood,
    /// Peers that do not exist, and nodes as they should be: its like.
    FalsePeers,
    /// Nothing.
    Silence,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Strangers,
        Self::Nearest,
        Self::Ghosts,
        Self::Misnamed,
        Self::OtherTransaction,
        Self::Noise,
        Self::Flood,
        Self::FalsePeers,
        Self::Silence,
    ];
}

/// What all of them know.
#[derive(Debug, Default)]
pub struct Gang {
    /// Where its members are.
    pub members: Vec<SocketAddr>,
    /// Where honest nodes are, or were.
    pub others: Vec<SocketAddr>,
    /// Who has been told, on the way to what, that members are next to it.
    led: BTreeSet<(SocketAddr, NodeId)>,
}

/// One of them.
#[derive(Debug)]
pub struct Sybil {
    id: NodeId,
    lie: Lie,
    rng: Rng,
}

impl Sybil {
    /// One at `ip`; every other takes an id that it may have (BEP 42).
    pub fn new(ip: IpAddr, lie: Lie, mut rng: Rng) -> Self {
        let id = if rng.chance(1, 2) { allowed_id(ip, &mut rng) } else { any_id(&mut rng) };
        Self { id, lie, rng }
    }

    /// A query to make itself known.
    pub fn greet(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let transaction = self.rng.next_u64().to_be_bytes();
        let query = Query::FindNode { target: any_id(&mut self.rng), want: krpc::Want::default() };
        krpc::encode_query(&mut bytes, &transaction[..4], self.id, false, &query);
        bytes
    }

    /// What it, at `me`, says to a datagram, if anything.
    pub fn answer(
        &mut self,
        me: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        gang: &mut Gang,
    ) -> Option<Vec<u8>> {
        let Ok(Message { transaction, body: Body::Query { query, .. }, .. }) = krpc::decode(bytes)
        else {
            return None;
        };
        let target = match query {
            Query::FindNode { target, .. }
            | Query::Get { target, .. }
            | Query::Sample { target, .. } => target,
            Query::GetPeers { info_hash, .. } => info_hash.into(),
            Query::Ping | Query::AnnouncePeer { .. } | Query::Put { .. } | Query::Unknown => {
                return Some(encode(transaction, from, &Reply::of(self.id)));
            }
        };
        self.lie(me, (from, transaction), target, gang)
    }

    fn lie(
        &mut self,
        me: SocketAddr,
        (from, transaction): (SocketAddr, &[u8]),
        target: NodeId,
        gang: &mut Gang,
    ) -> Option<Vec<u8>> {
        let (mut nodes, mut values) = (Vec::new(), Vec::new());
        let mut sender = self.id;
        let mut put = |id, addr| krpc::push_node(&mut nodes, id, addr);
        let rng = &mut self.rng;
        match self.lie {
            Lie::Silence => return None,
            Lie::Noise => {
                let noise = (0..rng.below(600)).map(|_| rng.next_u64().to_be_bytes()[0]);
                return Some(b"d1:rd2:id20:".iter().copied().chain(noise).collect());
            }
            Lie::Strangers | Lie::OtherTransaction => {
                (0..8).for_each(|_| put(any_id(rng), nobody(rng)));
            }
            Lie::Ghosts => (0..8).for_each(|_| {
                let addr = nobody(rng);
                put(beside(target, addr), addr);
            }),
            Lie::Misnamed => (0..8).for_each(|_| {
                let addr = any_of(&gang.others, rng);
                put(beside(target, addr), addr);
            }),
            Lie::Nearest => {
                if gang.led.len() >= LED_MAX {
                    gang.led.clear();
                }
                // Who comes because one of us sent it expects the name that was said.
                if !gang.led.insert((from, target)) {
                    sender = beside(target, me);
                }
                (0..16).for_each(|_| {
                    let addr = any_of(&gang.members, rng);
                    put(beside(target, addr), addr);
                });
            }
            Lie::Flood => {
                (0..100).for_each(|_| put(any_id(rng), nobody(rng)));
                (0..130).for_each(|_| krpc::push_peer(&mut values, nobody(rng)));
            }
            Lie::FalsePeers => {
                (0..8).for_each(|_| put(any_id(rng), any_of(&gang.members, rng)));
                (0..50).for_each(|_| krpc::push_peer(&mut values, nobody(rng)));
            }
        }
        let token = rng.next_u64().to_be_bytes();
        // Half of them lie about who asks, too.
        let to = if token[0] < 128 { nobody(rng) } else { from };
        let values = Values::encoded(&values);
        let reply = Reply { nodes_v4: &nodes, values, token: Some(&token), ..Reply::of(sender) };
        let other = [transaction[0] ^ 1];
        let transaction = if self.lie == Lie::OtherTransaction { &other } else { transaction };
        Some(encode(transaction, to, &reply))
    }
}

fn encode(transaction: &[u8], to: SocketAddr, reply: &Reply<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    krpc::encode_reply(&mut bytes, transaction, to, reply);
    bytes
}

fn any_of(addrs: &[SocketAddr], rng: &mut Rng) -> SocketAddr {
    let count = u32::try_from(addrs.len()).expect("hosts are few");
    addrs[rng.below(count) as usize]
}

/// An address of the world where nobody is: hosts are below 128.
fn nobody(rng: &mut Rng) -> SocketAddr {
    let [a, b, c, d, ..] = rng.next_u64().to_be_bytes();
    SocketAddr::from(([130 + a % 60, b, c, d], 6881))
}

/// Any key.
pub fn any_id(rng: &mut Rng) -> NodeId {
    let words = [rng.next_u64(), rng.next_u64(), rng.next_u64()].map(u64::to_be_bytes);
    NodeId(core::array::from_fn(|at| words[at / 8][at % 8]))
}

/// The name of who is at `addr`, for those who look for `target`: it shares 128 bits with it.
fn beside(target: NodeId, addr: SocketAddr) -> NodeId {
    let mut id = target;
    let IpAddr::V4(ip) = addr.ip() else { return id };
    let tail = (u32::from(ip) ^ u32::from(addr.port())).to_be_bytes();
    id.0[16..].copy_from_slice(&tail);
    id
}

/// An id that follows from `ip` (BEP 42).
fn allowed_id(ip: IpAddr, rng: &mut Rng) -> NodeId {
    let mut id = any_id(rng);
    let IpAddr::V4(ip) = ip else { return id };
    let salt = id.0[19] & 7;
    let masked = (u32::from(ip) & 0x030f_3fff) | (u32::from(salt) << 29);
    let mut crc = !0_u32;
    for byte in masked.to_be_bytes() {
        crc ^= u32::from(byte);
        (0..8).for_each(|_| crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 });
    }
    let crc = (!crc).to_be_bytes();
    id.0[0] = crc[0];
    id.0[1] = crc[1];
    id.0[2] = (crc[2] & 0xf8) | (id.0[2] & 7);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_ids_are_those_of_bep_42() {
        let mut rng = Rng::from_seed(1);
        // The first vector there: 124.31.75.21 with a last byte of 1 begins with 5fbfb(8..f).
        let ip: IpAddr = "124.31.75.21".parse().unwrap();
        let id = core::iter::repeat_with(|| allowed_id(ip, &mut rng))
            .find(|id| id.0[19] & 7 == 1)
            .unwrap();
        assert_eq!((id.0[0], id.0[1], id.0[2] & 0xf8), (0x5f, 0xbf, 0xb8));
    }

    #[test]
    fn each_answers_a_ping_as_it_should_and_a_lookup_with_its_lie() {
        let [me, from]: [SocketAddr; 2] = [([1, 1, 1, 1], 1).into(), ([1, 1, 1, 2], 1).into()];
        let query = |query: &Query<'_>| {
            let mut bytes = Vec::new();
            krpc::encode_query(&mut bytes, b"tt", NodeId([1; 20]), false, query);
            bytes
        };
        let ping = query(&Query::Ping);
        let target = NodeId([7; 20]);
        let find = query(&Query::FindNode { target, want: krpc::Want::default() });
        for lie in Lie::ALL {
            let mut gang = Gang { members: vec![me], others: vec![from], ..Gang::default() };
            let mut sybil = Sybil::new(me.ip(), lie, Rng::from_seed(1));
            let pong = sybil.answer(me, from, &ping, &mut gang).unwrap();
            let pong = krpc::decode(&pong).unwrap();
            assert_eq!(
                (pong.transaction, pong.body),
                (&b"tt"[..], Body::Reply(Reply::of(sybil.id)))
            );
            let answer = sybil.answer(me, from, &find, &mut gang);
            let decoded = answer.as_deref().map(krpc::decode);
            let is_answer = |message: &Message<'_>| message.transaction == b"tt";
            let fits = decoded.is_some_and(|message| message.as_ref().is_ok_and(is_answer));
            let silent = matches!(lie, Lie::Silence | Lie::Noise | Lie::OtherTransaction);
            assert_eq!(fits, !silent, "{lie:?}");
        }
    }
}
