//! What contracts tell, block by block, surviving reorganisations.
//!
//! Source: our own; the rule is that only a final block's events count. Every block that was taken is
//! joined to the one before by its parent's id, so that a gap or a change of history is noticed and not
//! skipped. Events of newer blocks are told as *seen*, for a person to look at, and taken back when their
//! block is undone. The ids of blocks are kept back to the newest final one.
//!
//! Events of a final block come in one output with the cursor after it: whoever counts them stores both
//! in one transaction, and after a restart begins with the cursor that is stored. No event is then counted
//! twice or left out.
//!
//! Final events are those that the nodes agree on (see [`chain_client`](crate::chain_client)); of a network
//! with one node, what that node says: it could leave events out, or make them up.
//!
//! Invariant: `recent` holds consecutive blocks, the first of which follows the cursor.

use core::time::Duration;
use std::collections::VecDeque;

use base::Instant;

use crate::address::Address;
use crate::chain_client::{Answer, Block, BlockLogs, ClientError, Log, Query, View};
use crate::now::Now;
use crate::transaction::TxId;

/// How often we look for new blocks.
pub const POLL: Duration = Duration::from_secs(3);

/// Most blocks between the newest final one and the newest: TRON has about 20. While there are
/// more, only final ones are followed.
pub const RECENT_MAX: usize = 256;

/// The newest final block whose events were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub id: [u8; 32],
}

/// An event of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The block.
    pub block: Block,
    /// The transaction. With `index` it names the event.
    pub transaction: TxId,
    /// Its place.
    pub index: u32,
    /// What was told.
    pub log: Log,
}

/// What is to be done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the chain; the answer goes to [`Follower::on_answer`].
    Ask(Query),
    /// Told in a block that may be undone: to be shown, not counted.
    Seen(Event),
    /// A block whose events were seen is no more.
    Undone(Block),
    /// All events of the next final block. Count them and store the cursor, in one transaction.
    Final {
        /// Where to begin after a restart.
        cursor: Cursor,
        /// What was told in it.
        events: Vec<Event>,
    },
    /// It can't go on now, or not at all.
    Trouble(Trouble),
}

/// Why there is nothing new.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The chain could not be asked; tried again.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A final block does not follow the one that was counted before: the network's history was
    /// changed, or the nodes lie. Nothing is counted any more.
    #[error(
        "final block {} says that it follows {}, but we counted {}",
        number,
        wire::hex(parent),
        wire::hex(counted)
    )]
    FinalChanged {
        /// The block that can't be.
        number: u64,
        /// What it calls the block before it.
        parent: [u8; 32],
        /// The block before it that was counted.
        counted: [u8; 32],
    },
    /// The node's newest blocks don't follow its final ones, or not each other; looked at again later.
    #[error("the newest blocks do not follow final block {0}, or not each other")]
    HeadApart(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// For the newest final block.
    Solid,
    /// For the next final block's events, up to this number.
    Final {
        to: u64,
    },
    /// For the newest block.
    Head,
    /// For the next block's events, up to this number.
    Newer {
        to: u64,
        /// Blocks that may still be taken back until we look anew: as many as there were.
        undo_left: usize,
    },
    Resting {
        until: Instant,
    },
    /// History was changed.
    Stopped,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Follower {
    contracts: Vec<Address>,
    cursor: Option<Cursor>,
    recent: VecDeque<Block>,
    stage: Stage,
    outputs: VecDeque<Output>,
}

impl Follower {
    /// Follows what these contracts tell, after the cursor; without one, from the newest final
    /// block on.
    #[must_use]
    pub fn new(contracts: Vec<Address>, cursor: Option<Cursor>) -> Self {
        let mut follower = Self {
            contracts,
            cursor,
            recent: VecDeque::new(),
            stage: Stage::Solid,
            outputs: VecDeque::new(),
        };
        follower.ask(Stage::Solid, Query::SolidBlock);
        follower
    }

    /// The answer to the last question.
    pub fn on_answer(&mut self, answer: Result<Answer, ClientError>, now: Now) {
        match (self.stage, answer) {
            (Stage::Stopped | Stage::Resting { .. }, _) => {}
            (_, Err(error)) => {
                // Between two questions a block came or went: that is no trouble.
                if !matches!(error, ClientError::NoBlock(_)) {
                    self.outputs.push_back(Output::Trouble(error.into()));
                }
                self.rest(now);
            }
            (Stage::Solid, Ok(Answer::Block(Some(block)))) => self.on_solid(block),
            (Stage::Final { to }, Ok(Answer::BlockLogs(logs))) => self.on_final(logs, to),
            (Stage::Head, Ok(Answer::Block(Some(block)))) => self.on_head(block, now),
            (Stage::Newer { to, undo_left }, Ok(Answer::BlockLogs(logs))) => {
                self.on_newer(logs, (to, undo_left), now);
            }
            (Stage::Solid | Stage::Final { .. } | Stage::Head | Stage::Newer { .. }, Ok(_)) => {
                self.rest(now);
            }
        }
    }

    /// The time passed to the deadline.
    pub fn on_deadline(&mut self, now: Now) {
        if matches!(self.stage, Stage::Resting { until } if until <= now.instant) {
            self.ask(Stage::Solid, Query::SolidBlock);
        }
    }

    /// When to call [`Self::on_deadline`] if nothing else happens first.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if let Stage::Resting { until } = self.stage { Some(until) } else { None }
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn ask(&mut self, stage: Stage, query: Query) {
        self.stage = stage;
        self.outputs.push_back(Output::Ask(query));
    }

    fn rest(&mut self, now: Now) {
        self.stage = Stage::Resting { until: now.instant.after(POLL) };
    }

    fn ask_logs(&mut self, number: u64, view: View, stage: Stage) {
        let contracts = self.contracts.clone();
        self.ask(stage, Query::BlockLogs { number, contracts, view });
    }

    fn on_solid(&mut self, solid: Block) {
        let Some(cursor) = self.cursor else {
            let cursor = Cursor { number: solid.number, id: solid.id };
            self.cursor = Some(cursor);
            self.outputs.push_back(Output::Final { cursor, events: Vec::new() });
            self.ask(Stage::Head, Query::HeadBlock);
            return;
        };
        if solid.number == cursor.number && solid.id != cursor.id {
            self.stop(solid.number.saturating_add(1), solid.id, cursor.id);
        } else if solid.number > cursor.number {
            self.next_final(cursor, solid.number);
        } else {
            self.ask(Stage::Head, Query::HeadBlock);
        }
    }

    fn next_final(&mut self, cursor: Cursor, to: u64) {
        self.ask_logs(cursor.number.saturating_add(1), View::Solid, Stage::Final { to });
    }

    fn on_final(&mut self, logs: BlockLogs, to: u64) {
        let Some(before) = self.cursor else { return };
        let block = logs.block;
        if block.parent != before.id {
            self.stop(block.number, block.parent, before.id);
            return;
        }
        let is_seen = self.recent.front().is_some_and(|recent| recent.id == block.id);
        if is_seen {
            self.recent.pop_front();
        } else {
            // Another block came to be at this place; those after ours are no more, either.
            self.undo_from(block.number);
        }
        let cursor = Cursor { number: block.number, id: block.id };
        self.cursor = Some(cursor);
        self.outputs.push_back(Output::Final { cursor, events: events(logs) });
        if block.number < to {
            self.next_final(cursor, to);
        } else {
            self.ask(Stage::Head, Query::HeadBlock);
        }
    }

    fn stop(&mut self, number: u64, parent: [u8; 32], counted: [u8; 32]) {
        self.stage = Stage::Stopped;
        let trouble = Trouble::FinalChanged { number, parent, counted };
        self.outputs.push_back(Output::Trouble(trouble));
    }

    /// Takes back what was seen in blocks from this number on, the newest first.
    fn undo_from(&mut self, number: u64) {
        while let Some(last) = self.recent.pop_back() {
            if last.number < number {
                self.recent.push_back(last);
                return;
            }
            self.outputs.push_back(Output::Undone(last));
        }
    }

    /// The newest block that we know.
    fn top(&self) -> Option<Cursor> {
        let newest = self.recent.back().map(|block| Cursor { number: block.number, id: block.id });
        newest.or(self.cursor)
    }

    fn on_head(&mut self, head: Block, now: Now) {
        let Some(cursor) = self.cursor else { return };
        let known = self.recent.iter().find(|recent| recent.number == head.number);
        if known.is_some_and(|recent| recent.id != head.id) {
            self.undo_from(head.number);
        }
        let top = self.top().unwrap_or(cursor);
        let ahead = head.number.saturating_sub(cursor.number);
        let is_far = usize::try_from(ahead).is_ok_and(|ahead| ahead > RECENT_MAX);
        if head.number <= top.number || is_far {
            self.rest(now);
        } else {
            let stage = Stage::Newer { to: head.number, undo_left: self.recent.len() };
            self.ask_logs(top.number.saturating_add(1), View::Head, stage);
        }
    }

    fn on_newer(&mut self, logs: BlockLogs, (to, mut undo_left): (u64, usize), now: Now) {
        let (Some(top), Some(cursor)) = (self.top(), self.cursor) else { return };
        let block = logs.block;
        if block.parent == top.id {
            self.recent.push_back(block);
            self.outputs.extend(events(logs).into_iter().map(Output::Seen));
            if block.number >= to {
                self.rest(now);
                return;
            }
        } else if top.number == cursor.number || undo_left == 0 {
            self.outputs.push_back(Output::Trouble(Trouble::HeadApart(cursor.number)));
            self.rest(now);
            return;
        } else {
            // Our newest block is no more; the one at its place follows perhaps the one before it.
            self.undo_from(top.number);
            undo_left -= 1;
        }
        let next = self.top().unwrap_or(cursor).number.saturating_add(1);
        self.ask_logs(next, View::Head, Stage::Newer { to, undo_left });
    }
}

fn events(logs: BlockLogs) -> Vec<Event> {
    let block = logs.block;
    let event = |(transaction, index, log)| Event { block, transaction, index, log };
    logs.logs.into_iter().map(event).collect()
}

#[cfg(test)]
mod tests;
