//! Hostile peers among the nodes: how they get in, and whether the right ones are blamed.

use super::*;

/// The first number of a hostile peer where a node is expected.
pub(super) const FIRST: usize = 1_000;

/// How often a hostile peer says something of its own.
const PESTER_EVERY: Duration = Duration::from_millis(250);

/// Whoever spoilt so many pieces of a node must be named by it: fewer may have been duplicates,
/// or pieces that were never finished with its blocks.
const SPOILT_MAX: usize = 4;

/// After everybody is done: the last pieces are examined, and the news of it arrive.
const JUSTICE_TIME: Duration = Duration::from_secs(20);

impl World {
    /// Everybody is done: whether it is so for long enough that the culprits are known.
    pub(super) fn justice_had_time(&mut self) -> bool {
        if self.hostiles.is_empty() {
            return true;
        }
        let since = *self.done_at.get_or_insert(self.now);
        self.now.saturating_since(since) >= JUSTICE_TIME
    }

    /// Hostile peers come within the first seconds.
    pub(super) fn let_loose(&mut self, hostiles: &[(SocketAddr, Malice)]) {
        for (index, &(addr, malice)) in hostiles.iter().enumerate() {
            let hostile = Hostile::new(addr, malice, &self.content, &mut self.rng);
            self.hostiles.push(hostile);
            let start = self.millis(4000);
            self.at(start, FIRST + index, Event::Prowl(index));
            self.at(start, FIRST + index, Event::Pester(index));
        }
    }

    pub(super) fn ip_of(&self, node: usize) -> IpAddr {
        match node.checked_sub(FIRST) {
            Some(hostile) => self.hostiles[hostile].addr.ip(),
            None => self.nodes[node].addr.ip(),
        }
    }

    /// Dials a node, if there is one that it has no connection with.
    pub(super) fn prowl(&mut self, index: usize) {
        if self.finishing {
            return;
        }
        let (me, now) = (FIRST + index, self.now);
        let mut met: BTreeSet<usize> = BTreeSet::new();
        for id in self.network.of_node(me) {
            met.extend(self.network.get(id).map(|end| end.peer_node));
        }
        let up = |node: &usize| self.nodes[*node].machines.is_some() && !met.contains(node);
        let targets: Vec<usize> = (0..self.nodes.len()).filter(up).collect();
        let ip = self.ip_of(me);
        if !targets.is_empty() {
            let choice = self.rng.below(u32::try_from(targets.len()).expect("few"));
            let node = targets[choice as usize];
            if let Some(theirs) = self.hub(node).on_accepted(ip, now) {
                let (conn, bytes) = self.hostiles[index].open(true);
                let ours = (me, conn, Owner::Hostile);
                let (end, _) = self.network.join(ours, (node, theirs, Owner::Hub), now);
                self.say(end, bytes);
            }
        }
        let again = Duration::from_secs(1) + self.millis(9000);
        self.at(again, me, Event::Prowl(index));
    }

    /// A node dials a hostile peer, which takes everybody.
    pub(super) fn dialled_hostile(
        &mut self,
        from: usize,
        conn: ConnId,
        shard: usize,
        index: usize,
    ) {
        let (theirs, _) = self.hostiles[index].open(false);
        let hostile = (FIRST + index, theirs, Owner::Hostile);
        self.network.join((from, conn, Owner::Shard(shard)), hostile, self.now);
    }

    fn say(&mut self, end: EndId, bytes: Vec<u8>) {
        if let Some(open) = self.network.get(end).filter(|_| !bytes.is_empty()) {
            open.queue.push_back(Item::Bytes(bytes, 0));
            self.flush(end);
        }
    }

    /// A hostile peer takes in all that came.
    pub(super) fn read_hostile(&mut self, id: EndId) {
        let Some(end) = self.network.get(id) else { return };
        let bytes: Vec<u8> = end.inbox.drain(..).collect();
        let (eof, dialled, peer) = (end.eof, end.dialled, end.peer);
        let (index, conn, node) = (end.node - FIRST, end.conn, end.peer_node);
        let hostile = &mut self.hostiles[index];
        let reply = hostile.on_bytes(conn, &bytes, dialled, &self.content, &mut self.rng);
        for block in reply.blocks {
            self.nodes[node].tally.on_sent_here(block);
        }
        if let Some(spoilt) = hostile.spoilt.get_mut(&node) {
            spoilt.retain(|piece| !reply.cancelled.contains(piece));
        }
        self.say(id, reply.bytes);
        // What was read makes room.
        self.flush(peer);
        if eof {
            self.on_gone(id);
        }
    }

    /// A node read from this end.
    pub(super) fn on_read(&mut self, id: EndId, bytes: usize) {
        let Some(end) = self.network.get(id) else { return };
        let (node, peer_node, peer) = (end.node, end.peer_node, end.peer);
        if let Some(index) = peer_node.checked_sub(FIRST)
            && let Some(theirs) = self.network.get(peer)
        {
            self.hostiles[index].on_read(theirs.conn, node, bytes);
        }
    }

    pub(super) fn pester(&mut self, index: usize) {
        if self.finishing {
            return;
        }
        for (conn, bytes) in self.hostiles[index].on_tick() {
            if let Some(end) = self.network.find(FIRST + index, conn) {
                // Somebody who does not read is not sent ever more.
                let waiting = self.network.get(end).is_some_and(|end| end.queue.len() > 4);
                if !waiting {
                    self.say(end, bytes);
                }
            }
        }
        self.at(PESTER_EVERY, FIRST + index, Event::Pester(index));
    }

    /// A node that boots remembers nothing.
    pub(super) fn forgive(&mut self, node: usize) {
        self.hostiles.iter_mut().for_each(|hostile| drop(hostile.spoilt.remove(&node)));
    }

    pub(super) fn on_banned(&mut self, node: usize, addr: SocketAddr) {
        let hostile = self.hostiles.iter().find(|hostile| hostile.addr.ip() == addr.ip());
        let just = hostile.is_some_and(|hostile| hostile.lied);
        assert!(just, "seed {}: node {node} banned {addr}, which is innocent", self.seed);
        self.nodes[node].banned.insert(addr.ip());
    }

    /// Who did harm was named by those it harmed.
    pub(super) fn check_justice(&self) {
        let total = self.content.layout.total_bytes();
        for (index, node) in self.nodes.iter().enumerate() {
            let wasted = node.tally.wasted_bytes();
            // Each may cost everything once; 0.83 of it was the most in 150 seeds. Honest peers send
            // some blocks twice.
            let bound = total * (self.hostiles.len() as u64 + 1) + (1 << 20);
            let seed = self.seed;
            assert!(wasted <= bound, "seed {seed}: node {index} wasted {wasted} of {total}");
        }
        for hostile in &self.hostiles {
            for (&node, pieces) in &hostile.spoilt {
                let named = self.nodes[node].banned.contains(&hostile.addr.ip());
                assert!(
                    named || pieces.len() <= SPOILT_MAX,
                    "seed {}: node {node} did not find out that {:?} at {} spoilt {pieces:?}\n{}",
                    self.seed,
                    hostile.malice,
                    hostile.addr,
                    self.report()
                );
            }
        }
    }
}
