//! Which block to ask for next.
//!
//! Source: BEP 3 (rarest first, random first piece, strict piece order within a piece, endgame).
//! Partial pieces come before new ones, so that little memory is bound and pieces can be passed
//! on soon; several peers may fill one piece. Where somebody sends garbage, that ends: a piece
//! that failed, and every piece of a suspect, is fetched from one peer alone (its owner), so that
//! the next failure has one culprit and a crowd of corrupters cannot spoil piece after piece. In
//! order of their numbers instead of their rarity pieces come if the user wants it so.
//!
//! Invariants: a piece is in exactly one [`Piece`] state; `order` holds the `Missing` pieces and
//! no other, sorted by availability, with `bounds[a]` the position of the first one that at
//! least `a` peers have; a block is `Free`, `Requested` by n ≥ 1 peers, or `Received`.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use base::{BLOCK_BYTES, Bitfield, BlockId, ConnId, Instant, PieceIndex, PieceSizes, Rng};

/// A new download takes its first pieces at random, so that it soon has something to offer that
/// others want; after these it goes for the rarest.
const RANDOM_FIRST_PIECES: u32 = 4;

/// At most this many peers are asked for one block in the endgame.
const ENDGAME_COPIES_MAX: u8 = 3;

/// With so many pieces begun, those are finished before rarer ones are begun: each binds memory or
/// has to be read back.
const PARTIALS_MAX: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// At this position of `order`.
    Missing(u32),
    /// In `partials`.
    Partial,
    /// Every block is here; storage is verifying.
    Verifying,
    Have,
    /// Nobody wants it.
    Skipped,
}

/// Which new piece comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one that the fewest peers have, after the first few.
    #[default]
    Rarest,
    /// The one with the lowest number that the peer has.
    Sequential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Free,
    Requested(u8),
    Received,
}

#[derive(Debug)]
struct Partial {
    blocks: Vec<Block>,
    free: u32,
    missing: u32,
    /// Who sent blocks of it, to name a culprit.
    provenance: Provenance,
    /// The only one that may be asked for it, and since when.
    owner: Option<(ConnId, Instant)>,
}

impl Partial {
    /// Nobody was asked for any block of it.
    fn is_idle(&self) -> bool {
        !self.blocks.iter().any(|block| matches!(block, Block::Requested(_)))
    }
}

/// Who sent which block of a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    senders: Vec<SocketAddr>,
    /// Index into `senders` of each block that came.
    blocks: Vec<Option<u16>>,
}

impl Provenance {
    /// Nothing came yet of so many blocks.
    fn new(blocks: u32) -> Self {
        Self { senders: Vec::new(), blocks: vec![None; blocks as usize] }
    }

    fn on_block(&mut self, index: u32, sender: SocketAddr) {
        let known = self.senders.iter().position(|&known| known == sender);
        let at = known.unwrap_or_else(|| {
            self.senders.push(sender);
            self.senders.len() - 1
        });
        self.blocks[index as usize] = u16::try_from(at).ok();
    }

    /// A piece of which each block came from one of `senders`.
    #[cfg(test)]
    pub fn of(senders: impl Iterator<Item = SocketAddr>) -> Self {
        let senders: Vec<SocketAddr> = senders.collect();
        let mut provenance = Self::new(u32::try_from(senders.len()).expect("a few"));
        (0..).zip(senders).for_each(|(index, sender)| provenance.on_block(index, sender));
        provenance
    }

    fn clear(&mut self) {
        self.senders.clear();
        self.blocks.fill(None);
    }

    /// Everybody who sent something, in order of the first block.
    pub fn senders(&self) -> &[SocketAddr] {
        &self.senders
    }

    /// The sender of each block that came.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, SocketAddr)> {
        let of = |at: &Option<u16>| at.map(|at| self.senders[usize::from(at)]);
        (0..).zip(&self.blocks).filter_map(move |(index, at)| Some((index, of(at)?)))
    }
}

/// Who asks to be given blocks, and how far it is trusted.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Its connection.
    pub conn: ConnId,
    /// The time now.
    pub now: Instant,
    /// The piece it was asked for last: it goes on there.
    pub last: Option<PieceIndex>,
    /// It shares no piece with others.
    pub alone: bool,
    /// Of [`Picker::delicate`], the pieces that are left to others.
    pub barred: BTreeSet<PieceIndex>,
}

impl Asker {
    /// One of whom nothing bad is known.
    pub fn trusted(conn: ConnId, now: Instant) -> Self {
        Self { conn, now, last: None, alone: false, barred: BTreeSet::new() }
    }
}

/// What a received block is.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Wanted; others that were asked for it too need not send it.
    Wanted {
        /// Whether anybody else was asked.
        asked_others: bool,
    },
    /// Already here, or not to be taken from this peer.
    Duplicate,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Picker {
    sizes: PieceSizes,
    pieces: Vec<Piece>,
    availability: Vec<u32>,
    order: Vec<u32>,
    bounds: Vec<u32>,
    partials: BTreeMap<PieceIndex, Partial>,
    verifying: BTreeMap<PieceIndex, Provenance>,
    /// Pieces that failed: the next try has one sender.
    cautious: BTreeSet<PieceIndex>,
    have_count: u32,
    wanted: Bitfield,
    sequence: Order,
    /// No piece before this one is missing.
    first_missing: u32,
}

impl Picker {
    /// A picker for a torrent of which `have` is there and `wanted` is to be had.
    pub fn new(
        have: &Bitfield,
        wanted: &Bitfield,
        sizes: PieceSizes,
        sequence: Order,
        rng: &mut Rng,
    ) -> Self {
        let count = have.len();
        let mut order: Vec<u32> =
            wanted.ones().filter(|&piece| !have.has(piece)).map(|piece| piece.0).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(u32::try_from(i + 1).expect("piece count fits u32")) as usize);
        }
        let mut pieces = vec![Piece::Skipped; count as usize];
        have.ones().for_each(|piece| pieces[piece.0 as usize] = Piece::Have);
        for (position, &piece) in (0..).zip(&order) {
            pieces[piece as usize] = Piece::Missing(position);
        }
        Self {
            sizes,
            pieces,
            availability: vec![0; count as usize],
            bounds: vec![0],
            order,
            partials: BTreeMap::new(),
            verifying: BTreeMap::new(),
            cautious: BTreeSet::new(),
            have_count: have.count(),
            wanted: wanted.clone(),
            sequence,
            first_missing: 0,
        }
    }

    /// Whether every wanted piece is verified.
    pub fn is_complete(&self) -> bool {
        self.order.is_empty() && self.partials.is_empty() && self.verifying.is_empty()
    }

    /// Whether `piece` is wanted and not verified.
    pub fn lacks(&self, piece: PieceIndex) -> bool {
        match self.pieces[piece.0 as usize] {
            Piece::Missing(_) | Piece::Partial | Piece::Verifying => true,
            Piece::Have | Piece::Skipped => false,
        }
    }

    /// Whether `piece` is verified.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.pieces[piece.0 as usize] == Piece::Have
    }

    /// Whether something of `piece` was asked for or is here, and it is not verified.
    pub fn is_begun(&self, piece: PieceIndex) -> bool {
        matches!(self.pieces[piece.0 as usize], Piece::Partial | Piece::Verifying)
    }

    /// Bytes of `piece` that have to be fetched.
    pub fn piece_bytes(&self, piece: PieceIndex) -> u32 {
        self.sizes.fetched_of(piece)
    }

    fn block_id(&self, piece: PieceIndex, block: u32) -> BlockId {
        let offset_bytes = block * BLOCK_BYTES;
        let length_bytes = BLOCK_BYTES.min(self.piece_bytes(piece) - offset_bytes);
        BlockId { piece, offset_bytes, length_bytes }
    }

    /// How many connected peers have `piece`.
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        self.availability[piece.0 as usize]
    }

    /// A peer has one more piece.
    pub fn on_peer_has(&mut self, piece: PieceIndex) {
        let available = self.availability[piece.0 as usize];
        if let Piece::Missing(position) = self.pieces[piece.0 as usize] {
            self.promote(position, available);
        }
        self.availability[piece.0 as usize] = available + 1;
    }

    /// A peer that had `piece` is gone.
    pub fn on_peer_lost(&mut self, piece: PieceIndex) {
        let available = self.availability[piece.0 as usize];
        assert!(available > 0, "{piece:?} was had by nobody");
        if let Piece::Missing(position) = self.pieces[piece.0 as usize] {
            self.demote(position, available);
        }
        self.availability[piece.0 as usize] = available - 1;
    }

    /// Moves the piece at `position` from bucket `available` to the next one.
    fn promote(&mut self, position: u32, available: u32) {
        let next = available as usize + 1;
        if self.bounds.len() <= next {
            self.bounds.push(u32::try_from(self.order.len()).expect("piece count fits u32"));
        }
        self.bounds[next] -= 1;
        self.swap(position, self.bounds[next]);
    }

    /// Moves the piece at `position` from bucket `available` to the one before.
    fn demote(&mut self, position: u32, available: u32) {
        self.swap(position, self.bounds[available as usize]);
        self.bounds[available as usize] += 1;
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.order.swap(a as usize, b as usize);
        for position in [a, b] {
            let piece = self.order[position as usize];
            self.pieces[piece as usize] = Piece::Missing(position);
        }
    }

    /// Takes a missing piece out of `order`, through the buckets above its own.
    fn take_out(&mut self, piece: PieceIndex) {
        let Piece::Missing(mut position) = self.pieces[piece.0 as usize] else {
            unreachable!("only missing pieces are in the order");
        };
        for bucket in self.availability[piece.0 as usize] as usize + 1..self.bounds.len() {
            self.bounds[bucket] -= 1;
            self.swap(position, self.bounds[bucket]);
            position = self.bounds[bucket];
        }
        let last = u32::try_from(self.order.len() - 1).expect("piece count fits u32");
        self.swap(position, last);
        self.order.pop();
    }

    /// Puts a piece into `order`, at the end of its bucket; one that nobody wants stays out.
    fn put_in(&mut self, piece: PieceIndex) {
        if !self.wanted.has(piece) {
            self.pieces[piece.0 as usize] = Piece::Skipped;
            return;
        }
        let mut position = u32::try_from(self.order.len()).expect("piece count fits u32");
        self.order.push(piece.0);
        self.pieces[piece.0 as usize] = Piece::Missing(position);
        self.first_missing = self.first_missing.min(piece.0);
        let available = self.availability[piece.0 as usize] as usize;
        while self.bounds.len() <= available {
            self.bounds.push(position);
        }
        for bucket in (available + 1..self.bounds.len()).rev() {
            self.swap(position, self.bounds[bucket]);
            position = self.bounds[bucket];
            self.bounds[bucket] += 1;
        }
    }

    /// Picks up to `count` blocks that the peer has and nobody was asked for, and marks them as
    /// requested.
    pub fn pick(
        &mut self,
        peer: &Bitfield,
        count: usize,
        asker: &Asker,
        rng: &mut Rng,
        out: &mut Vec<BlockId>,
    ) {
        let end = out.len() + count;
        if let Some(piece) = asker.last.filter(|&piece| peer.has(piece)) {
            self.pick_from(piece, end, asker, out);
        }
        if out.len() == end {
            return;
        }
        let mut open: Vec<(u32, PieceIndex)> = self
            .partials
            .iter()
            .filter(|(piece, partial)| partial.free > 0 && peer.has(**piece))
            .map(|(&piece, _)| (self.rarity(piece), piece))
            .collect();
        open.sort_unstable();
        let mut open = open.into_iter().peekable();
        let mut fresh = self.next_missing(peer, asker, rng);
        while out.len() < end {
            // A piece that others have too must not keep a peer from giving what only it has.
            let rarest = match fresh {
                Some(piece) if self.partials.len() < PARTIALS_MAX => self.rarity(piece),
                Some(_) | None => u32::MAX,
            };
            if let Some((_, piece)) = open.next_if(|&(available, _)| available <= rarest) {
                self.pick_from(piece, end, asker, out);
            } else if let Some(piece) = fresh {
                self.begin(piece);
                self.pick_from(piece, end, asker, out);
                fresh = self.next_missing(peer, asker, rng);
            } else {
                return;
            }
        }
    }

    /// How many peers have the piece; in sequence rarity counts for nothing, and its number decides.
    fn rarity(&self, piece: PieceIndex) -> u32 {
        match self.sequence {
            Order::Rarest => self.availability[piece.0 as usize],
            Order::Sequential => 0,
        }
    }

    /// Picks up to `count` free blocks of one piece, beginning it if need be: for a piece that a
    /// choking peer allows (BEP 6).
    pub fn pick_allowed(
        &mut self,
        piece: PieceIndex,
        count: usize,
        asker: &Asker,
        out: &mut Vec<BlockId>,
    ) {
        if count == 0 || asker.barred.contains(&piece) {
            return;
        }
        if matches!(self.pieces[piece.0 as usize], Piece::Missing(_)) {
            self.begin(piece);
        }
        self.pick_from(piece, out.len() + count, asker, out);
    }

    fn next_missing(
        &mut self,
        peer: &Bitfield,
        asker: &Asker,
        rng: &mut Rng,
    ) -> Option<PieceIndex> {
        let length = u32::try_from(self.order.len()).expect("piece count fits u32");
        if length == 0 {
            return None;
        }
        if self.sequence == Order::Sequential {
            return self.next_in_sequence(peer, asker);
        }
        let started = self.partials.len() + self.verifying.len() + self.have_count as usize;
        if started < RANDOM_FIRST_PIECES as usize {
            return self.find_from(0, length, peer, asker, rng);
        }
        // Within a bucket by chance: the order there is the work of the HAVEs, which all peers of a
        // seeder hear alike. Taken as it is, ten leechers asked one seeder for the same pieces.
        let ends = self.bounds.iter().copied().skip(1).chain([length]);
        self.bounds
            .iter()
            .copied()
            .zip(ends)
            .find_map(|(from, to)| self.find_from(from, to, peer, asker, rng))
    }

    /// The first piece that the peer may be asked for at `from..to` of the order, from a random
    /// place on.
    fn find_from(
        &self,
        from: u32,
        to: u32,
        peer: &Bitfield,
        asker: &Asker,
        rng: &mut Rng,
    ) -> Option<PieceIndex> {
        let bucket = &self.order[from as usize..to as usize];
        if bucket.is_empty() {
            return None;
        }
        let (before, after) = bucket.split_at(rng.below(to - from) as usize);
        let mut order = after.iter().chain(before).copied().map(PieceIndex);
        order.find(|piece| peer.has(*piece) && !asker.barred.contains(piece))
    }

    fn next_in_sequence(&mut self, peer: &Bitfield, asker: &Asker) -> Option<PieceIndex> {
        let is_missing = |piece: &Piece| matches!(piece, Piece::Missing(_));
        let from = self.first_missing as usize;
        let first = from + self.pieces[from..].iter().position(is_missing)?;
        self.first_missing = u32::try_from(first).expect("piece count fits u32");
        let missing = (self.first_missing..).map(PieceIndex).zip(&self.pieces[first..]);
        let mut missing = missing.filter(|(_, piece)| is_missing(piece)).map(|(index, _)| index);
        missing.find(|piece| peer.has(*piece) && !asker.barred.contains(piece))
    }

    fn begin(&mut self, piece: PieceIndex) {
        self.take_out(piece);
        self.pieces[piece.0 as usize] = Piece::Partial;
        let count = self.piece_bytes(piece).div_ceil(BLOCK_BYTES);
        let blocks = vec![Block::Free; count as usize];
        let provenance = Provenance::new(count);
        let partial = Partial { blocks, free: count, missing: count, provenance, owner: None };
        self.partials.insert(piece, partial);
    }

    fn pick_from(&mut self, piece: PieceIndex, end: usize, asker: &Asker, out: &mut Vec<BlockId>) {
        let Some(partial) = self.partials.get_mut(&piece) else { return };
        if partial.free == 0 {
            return;
        }
        let exclusive = asker.alone || self.cautious.contains(&piece);
        match partial.owner {
            Some((owner, _)) if owner != asker.conn => return,
            None if exclusive => {
                if asker.barred.contains(&piece) || !partial.is_idle() {
                    return;
                }
                partial.owner = Some((asker.conn, asker.now));
            }
            Some(_) | None => {}
        }
        let mut picked = Vec::new();
        for (index, block) in (0..).zip(&mut partial.blocks) {
            if out.len() + picked.len() == end {
                break;
            }
            if *block == Block::Free {
                *block = Block::Requested(1);
                partial.free -= 1;
                picked.push(index);
            }
        }
        out.extend(picked.into_iter().map(|index| self.block_id(piece, index)));
    }

    /// Endgame: blocks that others were asked for, when nothing else is left for this peer.
    pub fn pick_again(
        &mut self,
        peer: &Bitfield,
        asked: impl Fn(BlockId) -> bool,
        count: usize,
        out: &mut Vec<BlockId>,
    ) {
        let mut picked: Vec<BlockId> = Vec::new();
        for copies in 1..ENDGAME_COPIES_MAX {
            let shared = |partial: &Partial| partial.owner.is_none();
            let open = self
                .partials
                .iter()
                .filter(|(piece, partial)| peer.has(**piece) && shared(partial));
            let slow: Vec<BlockId> = open
                .flat_map(|(&piece, partial)| (0..).zip(&partial.blocks).map(move |b| (piece, b)))
                .filter(|(_, (_, block))| **block == Block::Requested(copies))
                .map(|(piece, (index, _))| self.block_id(piece, index))
                .filter(|id| !asked(*id) && !picked.contains(id))
                .take(count - picked.len())
                .collect();
            picked.extend(slow);
        }
        for id in &picked {
            let partial = self.partials.get_mut(&id.piece).expect("it was found there");
            let block = &mut partial.blocks[(id.offset_bytes / BLOCK_BYTES) as usize];
            if let Block::Requested(copies) = block {
                *copies += 1;
            }
        }
        out.append(&mut picked);
    }

    /// A block will not come from the peer that was asked for it.
    pub fn give_back(&mut self, block: BlockId) {
        let Some(partial) = self.partials.get_mut(&block.piece) else { return };
        let state = &mut partial.blocks[(block.offset_bytes / BLOCK_BYTES) as usize];
        match *state {
            Block::Requested(1) => {
                *state = Block::Free;
                partial.free += 1;
            }
            Block::Requested(copies) => *state = Block::Requested(copies - 1),
            Block::Free | Block::Received => {}
        }
        // A piece nobody works on and nothing arrived of is missing again, at its rarity.
        if partial.free as usize == partial.blocks.len() {
            self.partials.remove(&block.piece);
            self.put_in(block.piece);
        }
    }

    /// Pieces for which it matters who is asked: those that failed and nobody owns, and those
    /// begun that wait for somebody to go on with them.
    pub fn delicate(&self) -> impl Iterator<Item = PieceIndex> {
        let missing =
            |piece: &PieceIndex| matches!(self.pieces[piece.0 as usize], Piece::Missing(_));
        let failed = self.cautious.iter().copied().filter(missing);
        let begun = self.partials.iter().filter(|(_, partial)| partial.owner.is_none());
        failed.chain(begun.map(|(&piece, _)| piece))
    }

    /// `conn` will not go on with the pieces it owns.
    pub fn release(&mut self, conn: ConnId) {
        for partial in self.partials.values_mut() {
            partial.owner.take_if(|(owner, _)| *owner == conn);
        }
    }

    /// Who owns a piece for longer than `patience` allows for its number of blocks.
    pub fn slow_owners(
        &self,
        now: Instant,
        patience: impl Fn(usize) -> Duration,
    ) -> BTreeSet<ConnId> {
        let slow = |partial: &Partial| {
            let (owner, since) = partial.owner?;
            (now.saturating_since(since) > patience(partial.blocks.len())).then_some(owner)
        };
        self.partials.values().filter_map(slow).collect()
    }

    /// A block arrived from `conn` at `sender`. `on_time`: its request counts as open here; else
    /// it was given back long ago.
    pub fn on_block(
        &mut self,
        block: BlockId,
        conn: ConnId,
        sender: SocketAddr,
        on_time: bool,
    ) -> Accepted {
        match self.pieces[block.piece.0 as usize] {
            // Asked for, given up, and here after all: take it, unless its sender is to be alone.
            Piece::Missing(_) if self.cautious.contains(&block.piece) => {
                return Accepted::Duplicate;
            }
            Piece::Missing(_) => self.begin(block.piece),
            Piece::Partial => {}
            Piece::Verifying | Piece::Have | Piece::Skipped => return Accepted::Duplicate,
        }
        let partial = self.partials.get_mut(&block.piece).expect("it is partial");
        // Somebody else's late block would spoil the proof.
        if !on_time && partial.owner.is_some_and(|(owner, _)| owner != conn) {
            return Accepted::Duplicate;
        }
        let index = block.offset_bytes / BLOCK_BYTES;
        let state = &mut partial.blocks[index as usize];
        let asked_others = match *state {
            Block::Received => return Accepted::Duplicate,
            Block::Free => {
                partial.free -= 1;
                false
            }
            Block::Requested(copies) => copies > u8::from(on_time),
        };
        *state = Block::Received;
        partial.missing -= 1;
        partial.provenance.on_block(index, sender);
        if partial.missing == 0 {
            let partial = self.partials.remove(&block.piece).expect("it is partial");
            self.verifying.insert(block.piece, partial.provenance);
            self.pieces[block.piece.0 as usize] = Piece::Verifying;
        }
        Accepted::Wanted { asked_others }
    }

    /// The piece is verified. Returns who sent it.
    pub fn on_piece_done(&mut self, piece: PieceIndex) -> Provenance {
        self.cautious.remove(&piece);
        let provenance = self.verifying.remove(&piece).expect("it was being verified");
        self.pieces[piece.0 as usize] = Piece::Have;
        self.have_count += 1;
        provenance
    }

    /// The piece is wrong: all of it is wanted again, of one peer alone. Returns who sent it.
    pub fn on_piece_failed(&mut self, piece: PieceIndex) -> Provenance {
        let provenance = self.verifying.remove(&piece).expect("it was being verified");
        self.cautious.insert(piece);
        self.put_in(piece);
        provenance
    }

    /// Storage lost the piece, or part of it before the rest came: all of it is wanted again.
    pub fn on_piece_lost(&mut self, piece: PieceIndex) {
        let Some(partial) = self.partials.get_mut(&piece) else {
            self.verifying.remove(&piece).expect("it was being verified");
            return self.put_in(piece);
        };
        // What storage could not read back before the piece was whole is nobody's fault, and
        // the requests that are open stay so.
        for block in partial.blocks.iter_mut().filter(|block| **block == Block::Received) {
            *block = Block::Free;
            partial.free += 1;
            partial.missing += 1;
        }
        partial.provenance.clear();
        if partial.free as usize == partial.blocks.len() {
            self.partials.remove(&piece);
            self.put_in(piece);
        }
    }

    /// A verified piece is lost: it is missing again, at its rarity.
    pub fn on_piece_gone(&mut self, piece: PieceIndex) {
        assert_eq!(self.pieces[piece.0 as usize], Piece::Have, "only what we had is lost");
        self.have_count -= 1;
        self.put_in(piece);
    }

    /// Whether nothing is left that nobody was asked for, and that has no owner.
    pub fn is_endgame(&self) -> bool {
        let taken = |partial: &Partial| partial.free == 0 || partial.owner.is_some();
        self.order.is_empty() && self.partials.values().all(taken)
    }

    /// Blocks that peers were asked for, and how many peers.
    pub fn requested(&self) -> impl Iterator<Item = (BlockId, u8)> {
        self.partials.iter().flat_map(move |(&piece, partial)| {
            (0..).zip(&partial.blocks).filter_map(move |(index, block)| match *block {
                Block::Requested(copies) => Some((self.block_id(piece, index), copies)),
                Block::Free | Block::Received => None,
            })
        })
    }

    #[cfg(test)]
    fn assert_invariants(&self) {
        for (position, &piece) in (0..).zip(&self.order) {
            assert_eq!(self.pieces[piece as usize], Piece::Missing(position));
            let available = self.availability[piece as usize] as usize;
            assert!(self.bounds[available] <= position, "bucket begins after its piece");
            assert!(self.bounds.get(available + 1).is_none_or(|&bound| position < bound));
        }
        let lowest = self.order.iter().min();
        assert!(lowest.is_none_or(|&lowest| self.first_missing <= lowest), "one is overlooked");
        let missing = self.pieces.iter().filter(|piece| matches!(piece, Piece::Missing(_))).count();
        assert_eq!(missing, self.order.len());
        for partial in self.partials.values() {
            let free = partial.blocks.iter().filter(|block| **block == Block::Free).count();
            assert_eq!(free, partial.free as usize);
        }
    }
}

#[cfg(test)]
mod tests;
