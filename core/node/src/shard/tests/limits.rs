//! Limits in a whole shard: who gets how much, by peers that ask for blocks, or send keep-alives,
//! without end.

use super::*;
use crate::limit::LanLimit;

/// What each peer moved, in bytes.
type Moved = BTreeMap<ConnId, u64>;

struct Load {
    rig: Rig,
    moved: Moved,
    /// Sockets to be read in turn.
    ready: VecDeque<ConnId>,
    /// Peers that don't take what is sent to them.
    clogged: Vec<ConnId>,
    /// Bytes that the hub may still lease, and how many at once.
    budget: u64,
    lease: u64,
}

/// Torrents with so many peers each. Peer `n` is at 10.0.0.`n`, counted from 1.
fn load(limits: Limits, peers: &[u8], complete: bool) -> Load {
    let mut rig = limited_rig(64, 50, limits);
    rig.complete = complete;
    let mut peer = 0;
    for (torrent, &count) in (0..).zip(peers) {
        rig.add(torrent);
        for _ in 0..count {
            peer += 1;
            rig.incoming(torrent, peer);
        }
    }
    let moved = (1..=peer).map(|peer| (conn(peer), 0)).collect();
    let ready = VecDeque::new();
    Load { rig, moved, ready, clogged: Vec::new(), budget: 0, lease: 50_000 }
}

fn up(rates: Rates) -> Limits {
    Limits { up: rates, ..Limits::default() }
}

fn down(rates: Rates) -> Limits {
    Limits { down: rates, ..Limits::default() }
}

fn global(rate: u64) -> Rates {
    Rates { global: Some(rate), ..Rates::default() }
}

impl Load {
    /// Every peer asks for more than it can be sent.
    fn ask(&mut self, peer: ConnId) {
        let mut bytes = Vec::new();
        (0..PIECES).for_each(|piece| peer::encode(Message::Request(block(piece)), &mut bytes));
        self.hears(peer, &bytes);
    }

    fn hears(&mut self, peer: ConnId, mut bytes: &[u8]) {
        let now = self.rig.now;
        let mut plan = self.rig.shard.recv_plan(peer, now).expect("downloads are not limited");
        let count = bytes.len();
        for slot in &mut plan.slots {
            let to = slot.bytes_mut();
            let (here, later) = bytes.split_at(to.len().min(bytes.len()));
            to[..here.len()].copy_from_slice(here);
            bytes = later;
        }
        self.rig.shard.on_received(peer, plan, count, now);
    }

    fn serve(&mut self) {
        let peers: Vec<ConnId> = self.moved.keys().copied().collect();
        let mut interested = Vec::new();
        peer::encode(Message::Interested, &mut interested);
        for &peer in &peers {
            self.hears(peer, &interested);
            self.ask(peer);
        }
        self.work();
    }

    /// Every peer has sent more than can be read.
    fn read_all(&mut self) {
        self.ready.extend(self.moved.keys());
        self.work();
    }

    /// Reads once, as much as the shard takes; there is always more.
    fn read(&mut self, peer: ConnId) {
        let now = self.rig.now;
        let Some(mut plan) = self.rig.shard.recv_plan(peer, now) else { return };
        let (mut count, before) = (0, self.moved[&peer]);
        for slot in &mut plan.slots {
            for byte in slot.bytes_mut() {
                *byte = stream(before + count as u64);
                count += 1;
            }
        }
        self.rig.shard.on_received(peer, plan, count, now);
        *self.moved.get_mut(&peer).unwrap() += count as u64;
        self.ready.push_back(peer);
    }

    /// Does what the shard wants, and reads, like the event loop: first the one, then the other.
    fn work(&mut self) {
        loop {
            self.carry_out();
            let Some(peer) = self.ready.pop_front() else { return };
            self.read(peer);
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.rig.shard.poll_output() {
            let now = self.rig.now;
            match output {
                Output::SendBlock(out) => {
                    let bytes = u64::from(out.block.length_bytes);
                    *self.moved.get_mut(&out.conn).unwrap() += bytes;
                    if !self.clogged.contains(&out.conn) {
                        self.rig.shard.on_sent(out.conn, out.torrent, out.block, now);
                        self.ask(out.conn);
                    }
                }
                Output::ReadAgain(peer) if self.clogged.contains(&peer) => {
                    self.rig.shard.pass(peer);
                }
                Output::ReadAgain(peer) if self.ready.contains(&peer) => {}
                Output::ReadAgain(peer) => self.ready.push_back(peer),
                Output::ToHub(ToHub::LeaseWanted { direction, class, .. }) => {
                    let bytes = self.lease.min(self.budget);
                    if bytes > 0 {
                        self.budget -= bytes;
                        let lease = ToShard::Lease(direction, class, bytes);
                        self.rig.shard.on_message(lease, now);
                    }
                }
                Output::Disk(DiskJob { torrent, id, kind }) => {
                    let done = DiskDone { torrent, id, kind: self.rig.disk(kind) };
                    self.rig.shard.on_disk(done, now);
                }
                Output::Close(conn, reason) => panic!("{conn:?} is closed: {reason:?}"),
                Output::ToHub(_) | Output::Dial(..) | Output::Send(..) => {}
            }
        }
    }

    /// Time passes, and everybody goes on.
    fn pass(&mut self, time: Duration) {
        let end = self.rig.now.after(time);
        while let Some(at) = self.rig.shard.deadline().filter(|&at| at <= end) {
            self.rig.now = self.rig.now.max(at);
            self.rig.shard.on_deadline(self.rig.now);
            self.work();
        }
        self.rig.now = end;
    }

    fn assert_equal(&self, peers: &[u8], each: u64, slack: u64) {
        for &peer in peers {
            let moved = self.moved[&conn(peer)];
            assert!(moved.abs_diff(each) <= slack, "peer {peer}: {moved} instead of {each}");
        }
    }
}

const BLOCK: u64 = BLOCK_BYTES as u64;

/// What a peer sends, for ever: messages of 16 KiB that nobody knows.
fn stream(at: u64) -> u8 {
    match at % BLOCK {
        2 => 0x3f,
        3 => 0xfc,
        4 => 99,
        _ => 0,
    }
}

#[test]
fn uploads_are_shared_by_torrent_and_then_by_peer() {
    let mut load = load(up(global(1)), &[1, 4], true);
    load.budget = 160 * BLOCK;
    load.serve();
    load.assert_equal(&[1], 80 * BLOCK, 2 * BLOCK);
    load.assert_equal(&[2, 3, 4, 5], 20 * BLOCK, 2 * BLOCK);
    let moved: u64 = load.moved.values().sum();
    assert!(moved < 161 * BLOCK, "{moved}: more than a block too many");
}

#[test]
fn a_peer_that_takes_nothing_uses_up_nobodys_share() {
    let mut load = load(up(global(1)), &[2, 1], true);
    load.clogged = vec![conn(1)];
    load.budget = 100 * BLOCK;
    load.serve();
    load.assert_equal(&[1], 4 * BLOCK, 0);
    load.assert_equal(&[2, 3], 48 * BLOCK, 3 * BLOCK);
}

#[test]
fn downloads_are_shared_by_torrent_and_then_by_peer() {
    for lease in [5_000, 50_000, 1_000_000] {
        let mut load = load(down(global(1)), &[1, 4], false);
        load.lease = lease;
        load.budget = 8_000_000;
        load.read_all();
        let slack = 16 * BLOCK;
        load.assert_equal(&[1], 4_000_000, slack);
        load.assert_equal(&[2, 3, 4, 5], 1_000_000, slack);
        let moved: u64 = load.moved.values().sum();
        assert!((8_000_000..8_000_000 + 2 * BLOCK).contains(&moved), "{moved}");
    }
}

#[test]
fn who_has_the_turn_and_nothing_to_be_read_is_in_nobodys_way() {
    let mut load = load(down(global(1)), &[2, 1], false);
    load.clogged = vec![conn(1), conn(3)];
    load.budget = 1_000_000;
    load.read_all();
    load.assert_equal(&[1, 3], 0, 0);
    load.assert_equal(&[2], 1_000_000, 2 * BLOCK);
}

#[test]
fn who_ends_while_it_has_the_turn_is_in_nobodys_way() {
    let mut load = load(down(global(1)), &[2], false);
    load.rig.shard.on_message(ToShard::Lease(Direction::Down, Class::Internet, 1), load.rig.now);
    assert!(load.rig.shard.recv_plan(conn(1), load.rig.now).is_some(), "it is the only one");
    assert!(load.rig.shard.recv_plan(conn(2), load.rig.now).is_none());
    load.rig.shard.on_closed(conn(1), load.rig.now);
    let mut again = Vec::new();
    while let Some(output) = load.rig.shard.poll_output() {
        again.extend(match output {
            Output::ReadAgain(conn) => Some(conn),
            Output::ToHub(_)
            | Output::Dial(..)
            | Output::Close(..)
            | Output::Send(..)
            | Output::SendBlock(_)
            | Output::Disk(_) => None,
        });
    }
    assert_eq!(again, [conn(2)]);
}

#[test]
fn each_torrent_keeps_to_its_own_limit_and_goes_on_by_itself() {
    const RATE: u64 = 200_000;
    let rates = Rates { torrent: Some(RATE), ..Rates::default() };
    for (limits, complete) in [(up(rates), true), (down(rates), false)] {
        let mut load = load(limits, &[1, 3], complete);
        if complete {
            load.serve();
        } else {
            load.read_all();
        }
        load.pass(Duration::from_secs(10));
        load.assert_equal(&[1], 10 * RATE, RATE / 5 + BLOCK);
        load.assert_equal(&[2, 3, 4], 10 * RATE / 3, RATE / 5 + BLOCK);
    }
}

#[test]
fn what_waited_goes_when_limits_are_lifted() {
    let rates = Rates { torrent: Some(1), ..global(1) };
    let mut load = load(up(rates), &[1, 1], true);
    load.serve();
    load.assert_equal(&[1, 2], 0, 0);
    load.clogged = vec![conn(1), conn(2)];
    load.rig.shard.on_message(ToShard::Limits(Limits::default()), load.rig.now);
    load.work();
    load.assert_equal(&[1, 2], u64::from(PIECES) * BLOCK, 4 * BLOCK);

    let mut load = load_down_waiting();
    load.rig.shard.on_message(ToShard::Limits(Limits::default()), load.rig.now);
    let mut again = 0;
    while let Some(output) = load.rig.shard.poll_output() {
        if let Output::ReadAgain(peer) = output {
            again += 1;
            load.read(peer);
        }
    }
    // Without a limit they would be read without end.
    assert_eq!(again, 3, "each that waited is read again");
}

fn load_down_waiting() -> Load {
    let mut load = load(down(global(1)), &[2, 1], false);
    load.read_all();
    load.assert_equal(&[1, 2, 3], 0, 0);
    load
}

#[test]
fn the_local_network_can_be_left_out_of_the_limits() {
    let lan = LanLimit::Apart(None);
    let rates = Rates { lan, torrent: Some(1), ..global(1) };
    // Everybody here is at 10.0.0.0/8.
    let mut load = load(up(rates), &[1], true);
    load.clogged = vec![conn(1)];
    load.serve();
    load.assert_equal(&[1], u64::from(PIECES) * BLOCK, 0);

    let lan = LanLimit::Apart(Some(1));
    let mut load = self::load(down(Rates { lan, ..global(1) }), &[1], false);
    load.read_all();
    load.assert_equal(&[1], 0, 0);
    let mut grant = |class| {
        load.rig.shard.on_message(ToShard::Lease(Direction::Down, class, 1000), load.rig.now);
        load.work();
        load.moved[&conn(1)]
    };
    assert_eq!(grant(Class::Internet), 0, "that lease is not for it");
    assert!(grant(Class::Lan) > 0);
}
