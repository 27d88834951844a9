//! Hashes of files' trees: given to peers, and asked of them to name who spoilt a block.
//!
//! Source: BEP 52 ("hash request", "hashes", "hash reject"). Nodes at and above the piece layer are in
//! memory. Those below it are not kept: storage hashes the piece again, which costs the disk and us
//! far more than it costs the asker, so that it is paid for from the budget of talk and one at a time.
//!
//! A piece that fails has the leaves that came, and the torrent knows its root. Whoever gives the leaves
//! that lead to that root cannot lie, and they tell the bad blocks from the good ones at once.

use core::time::Duration;
use std::sync::Arc;

use base::{ConnId, Instant, PieceIndex};
use keys::Digest32;
use keys::merkle::{PROOF_NODES_MAX, ProofRequest, leaf_count};
use wire::peer::{HashRequest, Message};

use super::{CloseReason, Output, Swarm};
use crate::manners::REJECTED_COST;

/// What a leaf that is hashed again costs of the budget of talk: a peer gets those of 80 MiB a second.
const LEAF_COST: u32 = 2;

/// With so much to be sent to a peer, it gets no further answers.
const ANSWERS_BYTES_MAX: usize = 256 << 10;

/// Requests of all peers for leaves under way at once: one piece each is read and hashed.
const LEAVES_UNDER_WAY_MAX: usize = 4;

/// Files with the same content that are looked at for one that is there.
const SAME_MAX: usize = 64;

/// How long a peer may take for the leaves of a piece.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Peers asked for the leaves of one piece, before its next try has to tell.
const TRIES_MAX: u32 = 4;

/// Leaves of failed pieces asked for at once.
const ASKS_MAX: usize = 64;

/// The leaves of a failed piece, asked of a peer.
#[derive(Debug)]
pub(super) struct LeafAsk {
    conn: ConnId,
    until: Instant,
    tries: u32,
}

/// A peer's request that waits for storage.
#[derive(Debug)]
pub(super) struct LeafDebt {
    conn: ConnId,
    request: HashRequest,
}

impl Swarm {
    /// A peer asks for hashes.
    pub(super) fn on_hash_request(&mut self, conn: ConnId, request: HashRequest, now: Instant) {
        if !self.ready {
            // It has not even our bitfield, which comes first.
            return;
        }
        let session = self.session(conn);
        // A queue of answers that nobody reads is worth no more of them.
        let affordable = session.out.len() < ANSWERS_BYTES_MAX
            && session.budget.afford(request.length.saturating_add(10));
        if !affordable && !session.budget.spend(REJECTED_COST) {
            return self.shun(conn, CloseReason::Flood, now);
        }
        let found = self.shape.trees.as_ref().filter(|_| affordable).map(Arc::clone);
        let mut trees = found.iter().flat_map(|trees| trees.of_root(&request.pieces_root));
        let Some((first_piece, tree)) = trees.next() else {
            return self.reject_hashes(conn, request);
        };
        let within = match tree.leaves_needed(&proof(&request)) {
            Ok(Some(within)) => within,
            Ok(None) => match tree.prove(&proof(&request), &[]) {
                Ok(hashes) => return self.say_hashes(conn, request, &hashes),
                Err(_) => return self.reject_hashes(conn, request),
            },
            Err(_) => return self.reject_hashes(conn, request),
        };
        // Of files with the same content, one may be there and another not.
        let firsts = core::iter::once(first_piece).chain(trees.map(|(first, _)| first));
        let mut pieces = firsts.take(SAME_MAX).map(|first| PieceIndex(first + within));
        let found = pieces.find(|&piece| self.have.has(piece));
        let Some(piece) = found else { return self.reject_hashes(conn, request) };
        let cost = LEAF_COST << tree.piece_level();
        let able =
            self.leaf_debts.len() < LEAVES_UNDER_WAY_MAX && self.session(conn).budget.afford(cost);
        if !able {
            return self.reject_hashes(conn, request);
        }
        let key = self.next_key;
        self.next_key += 1;
        self.leaf_debts.insert(key, LeafDebt { conn, request });
        self.outputs.push_back(Output::HashLeaves { key, piece });
    }

    /// The leaves asked for by [`Output::HashLeaves`]; none if the piece cannot be read.
    pub fn on_leaves(&mut self, key: u64, leaves: &[Digest32]) {
        let Some(LeafDebt { conn, request }) = self.leaf_debts.remove(&key) else { return };
        if !self.sessions.contains_key(&conn) {
            return;
        }
        let found = self.shape.trees.as_ref().filter(|_| !leaves.is_empty());
        let found = found.and_then(|trees| trees.of_root(&request.pieces_root).next());
        match found.and_then(|(_, tree)| tree.prove(&proof(&request), leaves).ok()) {
            Some(hashes) => self.say_hashes(conn, request, &hashes),
            None => self.reject_hashes(conn, request),
        }
    }

    fn say_hashes(&mut self, conn: ConnId, request: HashRequest, hashes: &[Digest32]) {
        self.session(conn).say(Message::Hashes { request, hashes });
        self.touch(conn);
    }

    fn reject_hashes(&mut self, conn: ConnId, request: HashRequest) {
        self.session(conn).say(Message::HashReject(request));
        self.touch(conn);
    }

    /// Asks some peer for the leaves of a piece that failed and has several senders.
    pub(super) fn ask_for_leaves(&mut self, piece: PieceIndex, now: Instant) {
        let Some(request) = self.leaves_of(piece) else { return };
        let (before, tries) = match self.leaf_asks.remove(&piece) {
            Some(ask) if ask.tries >= TRIES_MAX => return,
            Some(ask) => (Some(ask.conn), ask.tries),
            None if self.leaf_asks.len() >= ASKS_MAX => return,
            None => (None, 0),
        };
        let could = self.sessions.iter().filter(|(conn, session)| {
            session.v2 && session.have.has(piece) && Some(**conn) != before
        });
        let could: Vec<ConnId> = could.map(|(&conn, _)| conn).collect();
        let Some(count @ 1..) = u32::try_from(could.len()).ok() else { return };
        let conn = could[self.rng.below(count) as usize];
        let ask = LeafAsk { conn, until: now.after(ANSWER_MAX), tries: tries + 1 };
        self.leaf_asks.insert(piece, ask);
        self.session(conn).say(Message::HashRequest(request));
        self.touch(conn);
    }

    /// The request for all leaves of `piece`. No proof is needed: the torrent knows their root.
    fn leaves_of(&self, piece: PieceIndex) -> Option<HashRequest> {
        let (tree, within) = self.shape.trees.as_ref()?.of_piece(piece.0)?;
        let length = 1_u32.checked_shl(tree.piece_level())?;
        let pieces_root = tree.root();
        let index = within.checked_mul(length)?;
        (2..=PROOF_NODES_MAX).contains(&length).then_some(HashRequest {
            pieces_root,
            base_layer: 0,
            index,
            length,
            proof_layers: 0,
        })
    }

    /// The piece that a peer was asked for by `request`, if it is still of interest.
    fn asked_for(&self, conn: ConnId, request: &HashRequest) -> Option<PieceIndex> {
        let asks = self.leaf_asks.iter().filter(|(_, ask)| ask.conn == conn);
        asks.map(|(&piece, _)| piece).find(|&piece| self.leaves_of(piece) == Some(*request))
    }

    /// A peer gives hashes.
    pub(super) fn on_hashes(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        hashes: &[Digest32],
        now: Instant,
    ) {
        if self.is_seeking() {
            return self.on_layer(conn, request, hashes, now);
        }
        // What was asked for too long ago is of no more use, and nothing else is asked for.
        let Some(piece) = self.asked_for(conn, request) else { return };
        let right = hashes.len() == request.length as usize
            && self.shape.trees.as_ref().is_some_and(|trees| trees.matches(piece.0, hashes));
        if !right {
            self.shun(conn, CloseReason::WrongHashes, now);
            return self.ask_for_leaves(piece, now);
        }
        self.leaf_asks.remove(&piece);
        let leaves = leaf_count(self.shape.sizes.fetched_of(piece).into());
        let leaves = usize::try_from(leaves).expect("the leaves of a piece");
        let leaves: Vec<Option<Digest32>> = hashes.iter().copied().map(Some).take(leaves).collect();
        self.on_piece_examined(piece, &leaves, now);
    }

    /// A peer will not give hashes.
    pub(super) fn on_hash_reject(&mut self, conn: ConnId, request: &HashRequest, now: Instant) {
        if self.is_seeking() {
            return self.on_layer_reject(conn, request, now);
        }
        if let Some(piece) = self.asked_for(conn, request) {
            self.ask_for_leaves(piece, now);
        }
    }

    /// Once a second: who does not answer is not waited for.
    pub(super) fn ask_others_for_leaves(&mut self, now: Instant) {
        let late = |ask: &LeafAsk| ask.until <= now || !self.sessions.contains_key(&ask.conn);
        let late = self.leaf_asks.iter().filter(|(_, ask)| late(ask));
        let late: Vec<PieceIndex> = late.map(|(&piece, _)| piece).collect();
        late.into_iter().for_each(|piece| self.ask_for_leaves(piece, now));
    }
}

fn proof(request: &HashRequest) -> ProofRequest {
    let HashRequest { base_layer, index, length, proof_layers, .. } = *request;
    ProofRequest { base_layer, index, length, proof_layers }
}
