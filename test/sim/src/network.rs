//! Streams between nodes: delayed, stalled where a packet was lost, bounded by a window, reset.

use std::collections::{BTreeMap, VecDeque};

use base::{ConnId, Instant};
use node::shard::BlockOut;

/// One end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndId(pub u64);

/// Which machine of a node holds an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The hub, until the handshake is read.
    Hub,
    /// On its way from hub to shard: nobody reads it.
    Moving,
    /// A shard.
    Shard(usize),
    /// A hostile peer: it is no node and reads at once.
    Hostile,
}

/// Something to be sent.
#[derive(Debug)]
pub enum Item {
    /// Bytes, of which so many are gone.
    Bytes(Vec<u8>, usize),
    /// A block that is read from the disk when its turn comes.
    Block(BlockOut),
}

/// The state of one end.
#[derive(Debug)]
pub struct End {
    /// Whose.
    pub node: usize,
    /// Its name there.
    pub conn: ConnId,
    /// Who holds it.
    pub owner: Owner,
    /// The other end.
    pub peer: EndId,
    /// This end dialled.
    pub dialled: bool,
    /// Whose the other end is.
    pub peer_node: usize,
    /// Arrived, not read.
    pub inbox: VecDeque<u8>,
    /// Sent to this end, not arrived.
    pub in_flight: usize,
    /// Nothing arrives before what was sent before it.
    pub last_arrival: Instant,
    /// The other side closed; reads end after the inbox.
    pub eof: bool,
    /// To be sent from here.
    pub queue: VecDeque<Item>,
    /// Left alone since then, until the shard says so.
    pub starved: Option<Instant>,
}

/// All ends.
#[derive(Debug, Default)]
pub struct Network {
    ends: BTreeMap<EndId, End>,
    by_conn: BTreeMap<(usize, ConnId), EndId>,
    next: u64,
}

impl Network {
    /// Joins two nodes' connections; the first one dialled.
    pub fn join(
        &mut self,
        a: (usize, ConnId, Owner),
        b: (usize, ConnId, Owner),
        now: Instant,
    ) -> (EndId, EndId) {
        let (left, right) = (EndId(self.next), EndId(self.next + 1));
        self.next += 2;
        for (id, peer, (node, conn, owner), (peer_node, ..)) in
            [(left, right, a, b), (right, left, b, a)]
        {
            let end = End {
                node,
                conn,
                owner,
                peer,
                dialled: id == left,
                peer_node,
                inbox: VecDeque::new(),
                in_flight: 0,
                last_arrival: now,
                eof: false,
                queue: VecDeque::new(),
                starved: None,
            };
            self.ends.insert(id, end);
            self.by_conn.insert((node, conn), id);
        }
        (left, right)
    }

    /// The end that a node calls `conn`.
    pub fn find(&self, node: usize, conn: ConnId) -> Option<EndId> {
        self.by_conn.get(&(node, conn)).copied()
    }

    /// An end, if it is open.
    pub fn get(&mut self, id: EndId) -> Option<&mut End> {
        self.ends.get_mut(&id)
    }

    /// Removes an end. Its peer, if still there, is to see an end of stream.
    pub fn remove(&mut self, id: EndId) -> Option<End> {
        let end = self.ends.remove(&id)?;
        self.by_conn.remove(&(end.node, end.conn));
        Some(end)
    }

    /// The ends of a node.
    pub fn of_node(&self, node: usize) -> Vec<EndId> {
        self.ends.iter().filter(|(_, end)| end.node == node).map(|(&id, _)| id).collect()
    }

    /// The ends that shards have left alone, with shard and since when.
    pub fn starved(&self) -> impl Iterator<Item = (&End, usize, Instant)> {
        self.ends.values().filter_map(|end| match (end.owner, end.starved) {
            (Owner::Shard(shard), Some(since)) => Some((end, shard, since)),
            (Owner::Hub | Owner::Moving | Owner::Hostile | Owner::Shard(_), _) => None,
        })
    }

    /// All ends.
    pub fn all(&self) -> Vec<EndId> {
        self.ends.keys().copied().collect()
    }

    /// Bytes that may still be sent towards `id`.
    pub fn room(&mut self, id: EndId, window: usize) -> usize {
        self.ends.get(&id).map_or(0, |end| window.saturating_sub(end.in_flight + end.inbox.len()))
    }
}
