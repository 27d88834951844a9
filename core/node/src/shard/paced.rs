//! What limits hold back in a shard: blocks to be sent, and connections to be read.
//!
//! Source: architecture rules 3, 4 and 7. Without a limit everything passes straight through.
//! Under one, a block or a read is let go only when the driver asks for outputs and has none left,
//! one at a time: what became of the last one decides who is next. A peer whose socket is full, or
//! has nothing to be read, is passed over and uses up nobody's share.
//!
//! Invariant: a connection with blocks is in its lane unless so much of it is on its way to the
//! socket (`UNSENT_MAX`); at most one connection a lane has the turn to be read.

use std::collections::{BTreeMap, VecDeque};

use base::{BLOCK_BYTES, ConnId, Instant, TorrentId};

use super::BlockOut;
use super::fair::{Lane, Turn};
use crate::limit::{Class, Direction, Limits, Rates};

/// Bytes let go for a peer that are not yet in the kernel's hands. More would be paid for by
/// the limit while the peer's socket is full.
const UNSENT_MAX: u64 = 4 * BLOCK_BYTES as u64;

/// Longest turn of a read in bytes, when that much is leased: few large reads cost less CPU than
/// many small ones.
const READ_TURN_BYTES_MAX: u32 = 16 * BLOCK_BYTES;

/// What may be done now.
#[derive(Debug)]
pub(super) enum Go {
    /// This block may be sent.
    Send(BlockOut),
    /// This connection may be read.
    Read(ConnId),
    /// A lease is needed, for so many torrents.
    Ask(Direction, Class, u32),
}

/// Whose bytes are to be moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose {
    pub(super) torrent: TorrentId,
    pub(super) conn: ConnId,
    pub(super) class: Class,
}

#[derive(Debug, Default)]
struct Queue {
    /// By which class it is limited.
    index: usize,
    blocks: VecDeque<BlockOut>,
    unsent_bytes: u64,
}

/// The connection whose turn it is to be read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    turn: Turn,
    /// Bytes that the read under way could give.
    planned: usize,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(super) struct Paced {
    limits: Limits,
    /// Whether there ever was a limit.
    used: bool,
    now: Instant,
    /// By class.
    up: [Lane; 2],
    down: [Lane; 2],
    reading: [Option<Reading>; 2],
    queues: BTreeMap<ConnId, Queue>,
}

const CLASSES: [Class; 2] = [Class::Internet, Class::Lan];

impl Paced {
    pub(super) fn new(limits: Limits) -> Self {
        let lane = |rates: &Rates, class, turn| {
            Lane::new(rates.leased(class).is_some(), rates.per_torrent(class), turn)
        };
        let up = CLASSES.map(|class| lane(&limits.up, class, BLOCK_BYTES));
        let down = CLASSES.map(|class| lane(&limits.down, class, READ_TURN_BYTES_MAX));
        let used = limits != Limits::default();
        let (reading, queues) = ([None; 2], BTreeMap::new());
        Self { limits, used, now: Instant::START, up, down, reading, queues }
    }

    /// Follows other limits from now on.
    pub(super) fn set(&mut self, limits: Limits) {
        self.limits = limits;
        self.used |= limits != Limits::default();
        let now = self.now;
        for (index, class) in CLASSES.into_iter().enumerate() {
            for (lane, rates) in
                [(&mut self.up[index], limits.up), (&mut self.down[index], limits.down)]
            {
                lane.set(rates.leased(class).is_some(), rates.per_torrent(class), now);
            }
        }
    }

    /// Whether blocks may be held back.
    pub(super) fn paces_uploads(&self) -> bool {
        self.used && self.up.iter().any(|lane| !lane.is_open())
    }

    /// It is `now`: torrents whose own limit allows it again go on.
    pub(super) fn on_time(&mut self, now: Instant) {
        if self.used {
            self.now = self.now.max(now);
            self.up.iter_mut().chain(&mut self.down).for_each(|lane| lane.unpark(now));
        }
    }

    /// When to call [`Self::on_time`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.used {
            return None;
        }
        self.up.iter().chain(&self.down).filter_map(Lane::deadline).min()
    }

    /// A lease came.
    pub(super) fn grant(&mut self, direction: Direction, class: Class, bytes: u64) {
        match direction {
            Direction::Up => self.up[class as usize].grant(bytes),
            Direction::Down => self.down[class as usize].grant(bytes),
        }
    }

    /// Takes a block that is to be sent, or gives it back if it may go now.
    pub(super) fn hold(&mut self, block: BlockOut, class: Class) -> Option<BlockOut> {
        let index = self.limits.up.class(class) as usize;
        let lane = &mut self.up[index];
        if lane.is_open() {
            return Some(block);
        }
        let (torrent, conn) = (block.torrent, block.conn);
        let queue = self.queues.entry(conn).or_default();
        queue.index = index;
        queue.blocks.push_back(block);
        if queue.unsent_bytes < UNSENT_MAX {
            lane.join(torrent, conn, self.now);
        }
        None
    }

    /// A block of `bytes` bytes is in the kernel's hands.
    pub(super) fn on_sent(&mut self, whose: Whose, bytes: u32) {
        let Some(queue) = self.queues.get_mut(&whose.conn) else { return };
        queue.unsent_bytes = queue.unsent_bytes.saturating_sub(u64::from(bytes));
        if !queue.blocks.is_empty() && queue.unsent_bytes < UNSENT_MAX {
            self.up[queue.index].join(whose.torrent, whose.conn, self.now);
        }
    }

    /// Bytes that may be read now. `None`: wait for [`Go::Read`].
    pub(super) fn may_read(&mut self, whose: Whose) -> Option<usize> {
        let index = self.limits.down.class(whose.class) as usize;
        if self.down[index].is_open() {
            return Some(usize::MAX);
        }
        let its =
            |reading: &Reading| (reading.turn.conn == whose.conn).then_some(reading.turn.bytes);
        if let Some(bytes) = self.reading[index].as_ref().and_then(its) {
            return Some(bytes);
        }
        // It may have the turn among those that it counted for before limits changed.
        self.pass(whose.conn);
        let lane = &mut self.down[index];
        lane.join(whose.torrent, whose.conn, self.now);
        if self.reading[index].is_some() || !lane.is_one_waiting() {
            return None;
        }
        let turn = lane.next(self.now)?;
        self.reading[index] = Some(Reading { turn, planned: usize::MAX });
        Some(turn.bytes)
    }

    /// The read that is under way can give so many bytes.
    pub(super) fn on_planned(&mut self, whose: Whose, bytes: impl FnOnce() -> usize) {
        let index = self.limits.down.class(whose.class) as usize;
        if let Some(reading) = self.reading[index].as_mut()
            && reading.turn.conn == whose.conn
        {
            reading.planned = bytes();
        }
    }

    /// `bytes` bytes were read.
    pub(super) fn on_read(&mut self, whose: Whose, bytes: usize) {
        let index = self.limits.down.class(whose.class) as usize;
        let lane = &mut self.down[index];
        if !self.used {
            return;
        }
        lane.spend(whose.torrent, whose.conn, bytes as u64);
        let its = self.reading[index].take_if(|reading| reading.turn.conn == whose.conn);
        // A read that was filled left something behind.
        if its.is_some_and(|reading| bytes >= reading.planned) && !lane.is_open() {
            lane.rejoin(whose.torrent, whose.conn, self.now);
        }
    }

    /// There is nothing to be read, or no room for it.
    pub(super) fn pass(&mut self, conn: ConnId) {
        for reading in &mut self.reading {
            reading.take_if(|reading| reading.turn.conn == conn);
        }
    }

    /// A connection is over; blocks for it need not be sent.
    pub(super) fn leave(&mut self, torrent: TorrentId, conn: ConnId) {
        if self.used {
            self.pass(conn);
            self.queues.remove(&conn);
            let lanes = self.up.iter_mut().chain(&mut self.down);
            lanes.for_each(|lane| lane.leave(torrent, conn));
        }
    }

    /// A torrent is over.
    pub(super) fn forget(&mut self, torrent: TorrentId) {
        let lanes = self.up.iter_mut().chain(&mut self.down);
        lanes.for_each(|lane| lane.forget(torrent));
    }

    /// What may be done next.
    pub(super) fn poll(&mut self) -> Option<Go> {
        if !self.used {
            return None;
        }
        for (index, class) in CLASSES.into_iter().enumerate() {
            if let Some(block) = self.next_block(index) {
                return Some(Go::Send(block));
            }
            if let Some(torrents) = self.up[index].must_ask() {
                return Some(Go::Ask(Direction::Up, class, torrents));
            }
            if self.reading[index].is_some() {
                continue;
            }
            let lane = &mut self.down[index];
            if let Some(turn) = lane.next(self.now) {
                self.reading[index] = Some(Reading { turn, planned: usize::MAX });
                return Some(Go::Read(turn.conn));
            }
            if let Some(torrents) = lane.must_ask() {
                return Some(Go::Ask(Direction::Down, class, torrents));
            }
        }
        None
    }

    fn next_block(&mut self, index: usize) -> Option<BlockOut> {
        let lane = &mut self.up[index];
        while let Some(Turn { torrent, conn, .. }) = lane.next(self.now) {
            let Some(queue) = self.queues.get_mut(&conn) else { continue };
            let Some(block) = queue.blocks.pop_front() else { continue };
            let bytes = u64::from(block.block.length_bytes);
            queue.unsent_bytes += bytes;
            lane.spend(torrent, conn, bytes);
            let more = !queue.blocks.is_empty() && queue.index == index;
            if more && queue.unsent_bytes < UNSENT_MAX {
                lane.rejoin(torrent, conn, self.now);
            }
            return Some(block);
        }
        None
    }
}
