//! Giving: from a request to a block on its way.
//!
//! Source: BEP 3, BEP 6. Requests are brought into the page cache in runs, by a disk job, before
//! a block is handed to the socket; a bounded amount per peer is on its way at any time, so that
//! a cancel or a choke still means something.

use std::collections::VecDeque;
use std::net::IpAddr;

use base::{BLOCK_BYTES, BlockId, ConnId, Instant, PieceIndex};
use wire::peer::Message;

use super::{Output, Swarm};
use crate::allowed_fast::{SET_PIECES, allowed_fast};

/// Bytes per peer between disk and socket: fills 1 Gbit/s at 16 ms of disk and scheduling.
pub(super) const AHEAD_BYTES: u64 = 2 << 20;

/// Longest run made resident by one job.
const RUN_BYTES_MAX: u32 = 512 * 1024;

/// Blocks being made resident for one peer.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) conn: ConnId,
    pub(super) blocks: Vec<BlockId>,
}

impl Swarm {
    /// Has at most `bytes` bytes per peer, and a block, on their way from the disk, as at first
    /// [`AHEAD_BYTES`]. Under a limit that many take minutes, and a choke must stop them.
    pub fn set_ahead(&mut self, bytes: u64) {
        self.ahead_bytes = bytes.min(AHEAD_BYTES);
    }

    /// Starts as many runs for `conn` as may be on their way.
    pub(super) fn pump_uploads(&mut self, conn: ConnId) {
        while let Some(session) = self.sessions.get_mut(&conn) {
            if session.unsent_bytes >= self.ahead_bytes || session.asked.is_empty() {
                return;
            }
            let (blocks, range) = take_run(&mut session.asked, self.ahead_bytes);
            session.unsent_bytes += u64::from(range.length_bytes);
            let key = self.next_key;
            self.next_key += 1;
            self.residents.insert(key, Run { conn, blocks });
            self.outputs.push_back(Output::MakeResident { key, range });
        }
    }

    /// A range asked for by [`Output::MakeResident`] is ready, or cannot be read.
    pub fn on_resident(&mut self, key: u64, readable: bool) {
        let Some(run) = self.residents.remove(&key) else { return };
        if !readable {
            return self.refuse(&run);
        }
        for block in run.blocks {
            self.outputs.push_back(Output::SendBlock(run.conn, block));
        }
    }

    /// A block is in the kernel's hands.
    pub fn on_sent(&mut self, conn: ConnId, block: BlockId, now: Instant) {
        self.up.add(u64::from(block.length_bytes));
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.up.add(u64::from(block.length_bytes));
            session.unsent_bytes -= u64::from(block.length_bytes);
            session.said_at = now;
            self.collect_debt(conn);
            self.pump_uploads(conn);
            // It may have become complete while this was on its way.
            self.close_if_useless(conn);
        }
    }

    /// Stops answering a peer.
    pub(super) fn choke(&mut self, conn: ConnId) {
        let ticks = self.ticks;
        let session = self.session(conn);
        session.am_choking = true;
        session.choked_at = ticks;
        session.say(Message::Choke);
        let dropped: Vec<BlockId> = session.asked.drain(..).collect();
        if session.fast {
            dropped.into_iter().for_each(|block| session.say(Message::Reject(block)));
        }
        self.touch(conn);
    }

    /// Begins to answer a peer.
    pub(super) fn unchoke(&mut self, conn: ConnId) {
        let ticks = self.ticks;
        let session = self.session(conn);
        session.am_choking = false;
        session.choked_at = ticks;
        session.sent_before_turn = session.up.total();
        session.say(Message::Unchoke);
        self.touch(conn);
    }

    /// Tells a newcomer which pieces it may have though choked (BEP 6).
    pub(super) fn allow_fast(&mut self, conn: ConnId) {
        let shape = &self.shape;
        let session = self.sessions.get_mut(&conn).expect("the caller saw it alive");
        let IpAddr::V4(ip) = session.addr.ip().to_canonical() else { return };
        let gives = self.config.unchoke_slots != Some(0);
        if !session.fast || !self.ready || self.have.count() == 0 || !gives {
            return;
        }
        let set = allowed_fast(ip, shape.info_hashes.first(), shape.sizes.count(), SET_PIECES);
        let allows: Vec<PieceIndex> =
            set.into_iter().filter(|&piece| self.have.has(piece)).collect();
        for &piece in &allows {
            session.say(Message::AllowedFast(piece));
        }
        let blocks = allows.iter().map(|&piece| shape.sizes.of(piece).div_ceil(BLOCK_BYTES));
        session.allowance = blocks.sum::<u32>().saturating_mul(2);
        session.allows = allows;
    }
}

/// The adjacent blocks at the front of `asked`, of `bytes_max` bytes at most, and the range they
/// cover.
fn take_run(asked: &mut VecDeque<BlockId>, bytes_max: u64) -> (Vec<BlockId>, BlockId) {
    let mut range = asked.pop_front().expect("the caller saw one");
    let mut blocks = vec![range];
    while let Some(&next) = asked.front() {
        let adjacent = next.piece == range.piece
            && next.offset_bytes == range.offset_bytes + range.length_bytes;
        let length_bytes = range.length_bytes + next.length_bytes;
        if !adjacent || length_bytes > RUN_BYTES_MAX || u64::from(length_bytes) > bytes_max {
            break;
        }
        range.length_bytes = length_bytes;
        blocks.push(next);
        asked.pop_front();
    }
    (blocks, range)
}
