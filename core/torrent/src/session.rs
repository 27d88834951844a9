//! One peer of one torrent: what each side said and owes.
//!
//! Source: BEP 3 (choke, interest, requests), BEP 6 (fast extension), BEP 10 (extensions),
//! BEP 21 (upload only). The swarm decides; this only keeps the state and writes messages.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use base::{Bitfield, BlockId, Instant, PeerId, PieceIndex};
use wire::peer::{self, Message};

use crate::manners::Budget;
use crate::pipeline::Pipeline;
use crate::receive::Receiver;
use crate::swarm::Early;

/// Requests that we queue for one peer, told as `reqq`: 32 MiB of blocks.
pub const REQUESTS_QUEUED_MAX: usize = 2_000;

/// Blocks given up and still welcome, remembered per peer: two pipelines.
const LATE_MAX: usize = 2 * crate::pipeline::DEPTH_MAX as usize;

/// Pieces remembered that a choking peer allows; more are ignored (BEP 6 suggests 10).
pub const ALLOWED_FAST_MAX: usize = 32;

/// HAVE ALL and HAVE NONE accepted of one peer: BEP 6 allows one of them once, and a peer that had
/// only a magnet link may say another when it knows the torrent.
pub const INVENTORIES_MAX: u32 = 4;

/// A rate in bytes per second, smoothed over a few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    total: u64,
    at_last_tick: u64,
    per_second: u64,
    ticks: u64,
}

impl Rate {
    /// Counts bytes.
    pub fn add(&mut self, bytes: u64) {
        self.total += bytes;
    }

    /// Once a second.
    pub fn tick(&mut self) {
        let new = self.total - self.at_last_tick;
        self.at_last_tick = self.total;
        // The mean of the first ticks, then each new one counts a third.
        self.ticks = (self.ticks + 1).min(3);
        self.per_second = (self.per_second * (self.ticks - 1) + new) / self.ticks;
    }

    /// All bytes counted.
    pub fn total(self) -> u64 {
        self.total
    }

    /// Bytes per second.
    pub fn per_second(self) -> u64 {
        self.per_second
    }
}

/// What was known of a block that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was an open request.
    Open,
    /// It was asked for and given up.
    GivenUp,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Session {
    /// Where it is.
    pub addr: SocketAddr,
    /// We dialled it.
    pub outgoing: bool,
    /// Its name, once its handshake came.
    pub peer_id: Option<PeerId>,
    /// Both sides speak BEP 6.
    pub fast: bool,
    /// Both sides speak BEP 10.
    pub extended: bool,
    /// It is in the swarm of version 2, and may be asked for hashes (BEP 52).
    pub v2: bool,
    /// What its program calls itself (BEP 10), fit to be shown.
    pub client: Option<String>,
    /// Under which id it takes back a HAVE of ours, if it does (BEP 54).
    pub dont_have_id: Option<u8>,
    /// Under which id it takes messages of BEP 9, if it does.
    pub metadata_id: Option<u8>,
    /// How long `info` is by its word (BEP 9).
    pub metadata_size: Option<u32>,
    /// Under which id it takes messages of BEP 11, if it does.
    pub pex_id: Option<u8>,
    /// The port at which it says that it listens (BEP 10).
    pub listen_port: Option<u16>,
    /// The peers that it was told of and that are still here (BEP 11).
    pub pex_told: BTreeSet<SocketAddr>,
    /// The tick from which on it may be told of peers again.
    pub pex_say_at: u64,
    /// The tick at which it last told us of peers.
    pub pex_heard_at: Option<u64>,
    /// How many peers it told us of.
    pub pex_named: u32,
    /// It has said at which port it has a node of the DHT; more than that is not listened to.
    pub has_node: bool,
    /// It was greeted before the torrent was known, as somebody who has nothing.
    pub introduced: bool,
    /// What it said before the torrent was known.
    pub early: Early,
    /// It wants to download nothing (BEP 21).
    pub upload_only: bool,
    /// We answer no requests of it.
    pub am_choking: bool,
    /// The tick at which it was choked or unchoked last.
    pub choked_at: u64,
    /// We are a seed, and it gets much more from us than others do.
    pub dependent: bool,
    /// It had taken without giving when we were complete.
    pub left_debt: bool,
    /// For how many ticks we wanted something that it has.
    pub wanted_ticks: u32,
    /// What it had been sent when it was unchoked last.
    pub sent_before_turn: u64,
    /// We told it that we want something.
    pub am_interested: bool,
    /// It answers no requests of ours.
    pub peer_choking: bool,
    /// It wants something of ours.
    pub peer_interested: bool,
    /// What it has.
    pub have: Bitfield,
    /// How often it said all that it has in one message.
    pub inventories: u32,
    /// How many of the pieces it has we want and lack.
    pub useful: u32,
    /// The incoming stream.
    pub receiver: Receiver,
    /// Messages to be sent.
    pub out: Vec<u8>,
    /// What we asked for, oldest first.
    pub requests: VecDeque<BlockId>,
    /// What we asked for long ago and gave up; welcome all the same.
    pub late: Vec<BlockId>,
    /// How much to ask for.
    pub pipeline: Pipeline,
    /// A request sent when nothing else was open, and when: measures the round trip.
    pub probe: Option<(BlockId, Instant)>,
    /// The piece we asked for last.
    pub last_piece: Option<PieceIndex>,
    /// Pieces we may ask for while choked (BEP 6).
    pub allowed: Vec<PieceIndex>,
    /// Pieces it may ask for while choked (BEP 6).
    pub allows: Vec<PieceIndex>,
    /// It owes us blocks and is silent.
    pub snubbed: bool,
    /// It rejected a request though it does not choke us: it is asked nothing until the next
    /// tick, or the same question would go round as fast as the line allows.
    pub refused: bool,
    /// The pieces that it was told we have, if not all of them (BEP 16).
    pub shown: Option<Bitfield>,
    /// Requests it rejected though it does not choke us, since its last block.
    pub refusals: u32,
    /// The request open for longest, and since when it is the first.
    pub front: Option<(BlockId, Instant)>,
    /// What it asked for and is not yet being fetched from the disk.
    pub asked: VecDeque<BlockId>,
    /// Bytes asked for that are on their way from the disk or in the socket's queue.
    pub unsent_bytes: u64,
    /// Payload received.
    pub down: Rate,
    /// Payload sent.
    pub up: Rate,
    /// Payload it sent that nobody asked for.
    pub unasked_bytes: u64,
    /// We leave its socket alone, for want of buffers or of a lease: what it says meanwhile waits
    /// in the kernel, and its silence is ours.
    pub unread: bool,
    /// What it may still say.
    pub budget: Budget,
    /// Requests of pieces that are allowed to a choked peer which we may still serve.
    pub allowance: u32,
    /// When the message began that is not whole yet.
    pub frame_at: Option<Instant>,
    /// When it came.
    pub since: Instant,
    /// When payload last moved, either way, and how much that was: looked at once a second.
    pub moved_at: Instant,
    moved_bytes: u64,
    /// When it last sent anything.
    pub heard_at: Instant,
    /// When it last sent a block, or when we began to wait for one.
    pub block_at: Instant,
    /// When we last sent anything.
    pub said_at: Instant,
}

impl Session {
    /// A connection that has just been made. `receiver` knows whether a handshake is to come.
    pub fn new(
        addr: SocketAddr,
        outgoing: bool,
        pieces: u32,
        receiver: Receiver,
        now: Instant,
    ) -> Self {
        Self {
            addr,
            outgoing,
            peer_id: None,
            fast: false,
            extended: false,
            v2: false,
            client: None,
            dont_have_id: None,
            metadata_id: None,
            metadata_size: None,
            pex_id: None,
            listen_port: None,
            pex_told: BTreeSet::new(),
            pex_say_at: 0,
            pex_heard_at: None,
            pex_named: 0,
            has_node: false,
            introduced: false,
            early: Early::default(),
            upload_only: false,
            am_choking: true,
            choked_at: 0,
            dependent: false,
            left_debt: false,
            wanted_ticks: 0,
            sent_before_turn: 0,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            have: Bitfield::empty(pieces),
            inventories: 0,
            useful: 0,
            receiver,
            out: Vec::new(),
            requests: VecDeque::new(),
            late: Vec::new(),
            pipeline: Pipeline::default(),
            probe: None,
            last_piece: None,
            allowed: Vec::new(),
            allows: Vec::new(),
            snubbed: false,
            refused: false,
            shown: None,
            refusals: 0,
            front: None,
            asked: VecDeque::new(),
            unsent_bytes: 0,
            down: Rate::default(),
            up: Rate::default(),
            unasked_bytes: 0,
            unread: false,
            budget: Budget::default(),
            allowance: 0,
            frame_at: None,
            since: now,
            moved_at: now,
            moved_bytes: 0,
            heard_at: now,
            block_at: now,
            said_at: now,
        }
    }

    /// Queues a message.
    pub fn say(&mut self, message: Message<'_>) {
        peer::encode(message, &mut self.out);
    }

    /// Whether a block was asked of this peer.
    pub fn expects(&self, block: BlockId) -> bool {
        self.requests.front() == Some(&block)
            || self.requests.contains(&block)
            || self.late.contains(&block)
    }

    /// Blocks given up may come all the same; the oldest are forgotten at last.
    pub fn expect_late(&mut self, blocks: &[BlockId]) {
        self.late.retain(|block| !blocks.contains(block));
        self.late.extend_from_slice(blocks);
        let excess = self.late.len().saturating_sub(LATE_MAX);
        self.late.drain(..excess);
    }

    /// Takes a block off the open requests, or else off those given up.
    pub fn forget_request(&mut self, block: BlockId) -> Option<Asked> {
        if let Some(at) = self.requests.iter().position(|&open| open == block) {
            self.requests.remove(at);
            return Some(Asked::Open);
        }
        let at = self.late.iter().position(|&late| late == block)?;
        self.late.remove(at);
        Some(Asked::GivenUp)
    }

    /// Once a second.
    pub fn tick(&mut self, now: Instant) {
        self.down.tick();
        self.up.tick();
        self.budget.tick();
        let moved_bytes = self.down.total() + self.up.total();
        if moved_bytes != self.moved_bytes {
            (self.moved_at, self.moved_bytes) = (now, moved_bytes);
        }
    }

    /// Since when the same request is the oldest one; looked at once a second.
    pub fn watch_front(&mut self, now: Instant) -> Instant {
        let front = self.requests.front().copied();
        match (front, self.front) {
            (Some(block), Some((known, since))) if block == known => since,
            (front, _) => {
                self.front = front.map(|block| (block, now));
                now
            }
        }
    }

    /// Writes requests for `blocks` and keeps them as open.
    pub fn request(&mut self, blocks: &[BlockId], now: Instant) {
        let Some(&last) = blocks.last() else { return };
        if self.requests.is_empty() {
            self.probe = Some((blocks[0], now));
            self.block_at = now;
        }
        for &block in blocks {
            self.say(Message::Request(block));
            self.requests.push_back(block);
        }
        self.last_piece = Some(last.piece);
    }
}
