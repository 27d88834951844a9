//! One piece on its way from blocks to a verified piece on disk.
//!
//! Source: our own design, architecture rule 6: writes go per contiguous run, hashing is
//! incremental over runs with saved state, so a 16 MiB piece never needs 16 MiB of memory.
//!
//! Blocks arrive in any order. A run that continues what was hashed is hashed and written by
//! one job. When memory is short, runs further on are written ahead without hashing, and read
//! back (from the page cache, nearly always) when the digest gets there.
//!
//! Invariant: every byte of the piece is in exactly one of: hashed (below `cursor`), in a job,
//! `ahead` (written, not hashed), `pending` (in memory), or not received.

use std::collections::BTreeMap;

use base::BufRef;
use keys::{Kinds, PieceHash};

/// Blocks of one run, in order, each with its number of bytes that count.
pub type Blocks = Vec<(BufRef, u32)>;

/// What to do next for a piece.
#[derive(Debug)]
pub enum Step {
    /// Write these blocks at `offset_bytes`, hashing them on top of `hash` if there is one.
    Write {
        /// Offset of the run from the start of the piece.
        offset_bytes: u32,
        /// The run.
        blocks: Blocks,
        /// Running digest; `None` for a run written ahead of it.
        hash: Option<PieceHash>,
    },
    /// Read this range back and hash it on top of `hash`.
    Hash {
        /// Offset of the range from the start of the piece.
        offset_bytes: u32,
        /// Its length.
        length_bytes: u32,
        /// Running digest.
        hash: PieceHash,
    },
    /// All bytes are written and hashed: this is the digest of the piece.
    Finished(PieceHash),
}

#[derive(Debug)]
enum Digest {
    Idle(PieceHash),
    /// A job works on it. The state before, in case the job fails.
    Busy(PieceHash),
    Done,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Assembly {
    length_bytes: u32,
    cursor: u32,
    digest: Digest,
    pending: BTreeMap<u32, (BufRef, u32)>,
    /// Sum of the lengths in `pending`.
    pending_bytes: u32,
    ahead: BTreeMap<u32, u32>,
    jobs: u32,
    read_back: bool,
}

impl Assembly {
    /// A piece of `length_bytes` of which nothing has arrived, to be hashed as `kinds` says.
    pub fn new(length_bytes: u32, kinds: Kinds) -> Self {
        Self {
            length_bytes,
            cursor: 0,
            digest: Digest::Idle(PieceHash::new(kinds)),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            ahead: BTreeMap::new(),
            jobs: 0,
            read_back: false,
        }
    }

    /// A block arrived. Gives it back if these bytes are already here.
    pub fn on_block(
        &mut self,
        offset_bytes: u32,
        buf: BufRef,
        length_bytes: u32,
    ) -> Option<BufRef> {
        let known = offset_bytes < self.cursor
            || self.pending.contains_key(&offset_bytes)
            || self
                .ahead
                .range(..=offset_bytes)
                .next_back()
                .is_some_and(|(o, l)| o + l > offset_bytes);
        if known {
            return Some(buf);
        }
        self.pending.insert(offset_bytes, (buf, length_bytes));
        self.pending_bytes += length_bytes;
        None
    }

    /// The next thing to do. A run is written when it has `run_bytes`, cannot grow, or memory
    /// is short (`relieve`). Call until `None`.
    pub fn next_step(&mut self, run_bytes: u32, relieve: bool) -> Option<Step> {
        if let Digest::Idle(hash) = &self.digest {
            if self.cursor == self.length_bytes {
                let hash = hash.clone();
                self.digest = Digest::Done;
                return Some(Step::Finished(hash));
            }
            if let Some(length_bytes) = self.ahead_run() {
                let hash = hash.clone();
                self.digest = Digest::Busy(hash.clone());
                self.jobs += 1;
                return Some(Step::Hash { offset_bytes: self.cursor, length_bytes, hash });
            }
            // Looked at once a block: too little for a run is seen without a walk.
            let enough = self.pending_bytes >= run_bytes.min(self.length_bytes - self.cursor);
            if !enough && !relieve && self.ahead.is_empty() {
                return None;
            }
            let end = run_end(&self.pending, self.cursor);
            let length = end - self.cursor;
            let cannot_grow = end == self.length_bytes || self.ahead.contains_key(&end);
            if length > 0 && (length >= run_bytes || cannot_grow || relieve) {
                let hash = hash.clone();
                self.digest = Digest::Busy(hash.clone());
                let blocks = self.take_run(self.cursor, end);
                return Some(Step::Write { offset_bytes: self.cursor, blocks, hash: Some(hash) });
            }
        }
        // While a job works on the digest, the blocks after it wait for that: written ahead they
        // would have to be read back.
        if relieve && !matches!(self.digest, Digest::Busy(_)) {
            return self.write_ahead();
        }
        None
    }

    fn write_ahead(&mut self) -> Option<Step> {
        let (&offset_bytes, _) = self.pending.range(self.cursor + 1..).next()?;
        let end = run_end(&self.pending, offset_bytes);
        let blocks = self.take_run(offset_bytes, end);
        Some(Step::Write { offset_bytes, blocks, hash: None })
    }

    fn take_run(&mut self, start: u32, end: u32) -> Blocks {
        self.jobs += 1;
        let mut run = self.pending.split_off(&start);
        let mut rest = run.split_off(&end);
        self.pending.append(&mut rest);
        self.pending_bytes -= end - start;
        run.into_values().collect()
    }

    fn ahead_run(&self) -> Option<u32> {
        let mut end = self.cursor;
        while let Some(length) = self.ahead.get(&end) {
            end += length;
        }
        (end > self.cursor).then(|| end - self.cursor)
    }

    /// A [`Step::Write`] is done. `hash` is what the job gave back for a hashed run.
    pub fn on_written(&mut self, offset_bytes: u32, length_bytes: u32, hash: Option<PieceHash>) {
        self.jobs -= 1;
        match hash {
            Some(hash) => self.advance(offset_bytes, length_bytes, hash),
            None => {
                self.ahead.insert(offset_bytes, length_bytes);
            }
        }
    }

    /// A [`Step::Write`] failed: the blocks are back in memory, to be tried again.
    pub fn on_write_failed(&mut self, offset_bytes: u32, blocks: Blocks, hashed: bool) {
        self.jobs -= 1;
        let mut at = offset_bytes;
        for (buf, length_bytes) in blocks {
            self.pending.insert(at, (buf, length_bytes));
            self.pending_bytes += length_bytes;
            at += length_bytes;
        }
        if hashed && let Digest::Busy(before) = &self.digest {
            self.digest = Digest::Idle(before.clone());
        }
    }

    /// A [`Step::Hash`] is done.
    pub fn on_hashed(&mut self, offset_bytes: u32, length_bytes: u32, hash: PieceHash) {
        self.jobs -= 1;
        self.read_back = true;
        let end = offset_bytes + length_bytes;
        self.ahead.retain(|&start, _| start < offset_bytes || start >= end);
        self.advance(offset_bytes, length_bytes, hash);
    }

    /// A [`Step::Hash`] could not read: the digest stands where it stood.
    pub fn on_hash_failed(&mut self) {
        self.jobs -= 1;
        if let Digest::Busy(before) = &self.digest {
            self.digest = Digest::Idle(before.clone());
        }
    }

    fn advance(&mut self, offset_bytes: u32, length_bytes: u32, hash: PieceHash) {
        assert_eq!(self.cursor, offset_bytes, "runs are hashed in order");
        self.cursor += length_bytes;
        self.digest = Digest::Idle(hash);
    }

    /// Whether some of the bytes that were hashed came from the disk, where somebody else may have
    /// changed them.
    pub fn was_read_back(&self) -> bool {
        self.read_back
    }

    /// Whether a job of this piece is out.
    pub fn busy(&self) -> bool {
        self.jobs > 0
    }

    /// Whether bytes of this piece are on the disk already.
    pub fn has_written(&self) -> bool {
        self.cursor > 0 || !self.ahead.is_empty()
    }

    /// The buffers still held, for a piece that is given up.
    pub fn into_buffers(self) -> impl Iterator<Item = BufRef> {
        self.pending.into_values().map(|(buf, _)| buf)
    }
}

/// Where the run of adjacent blocks that starts at `start` ends; `start` itself if there is none.
fn run_end(pending: &BTreeMap<u32, (BufRef, u32)>, start: u32) -> u32 {
    let mut end = start;
    for (&offset, &(_, length)) in pending.range(start..) {
        if offset != end {
            break;
        }
        end += length;
    }
    end
}

#[cfg(test)]
mod tests {
    use base::{BLOCK_BYTES, BufPool, Rng};
    use keys::sha1;
    use proptest::prelude::*;

    use super::*;

    const V1: Kinds = Kinds { v1: true, v2: false };

    /// Steps as text: `w0+2` writes and hashes blocks 0 and 1, `a3+1` writes block 3 ahead,
    /// `h3+1` reads it back, `=` finishes.
    fn steps(assembly: &mut Assembly, run_blocks: u32, relieve: bool) -> String {
        let mut shown = Vec::new();
        while let Some(step) = assembly.next_step(run_blocks * BLOCK_BYTES, relieve) {
            match step {
                Step::Write { offset_bytes, blocks, hash } => {
                    let kind = if hash.is_some() { 'w' } else { 'a' };
                    let length = u32::try_from(blocks.len()).unwrap() * BLOCK_BYTES;
                    shown.push(format!("{kind}{}+{}", offset_bytes / BLOCK_BYTES, blocks.len()));
                    assembly.on_written(offset_bytes, length, hash);
                }
                Step::Hash { offset_bytes, length_bytes, hash } => {
                    shown.push(format!(
                        "h{}+{}",
                        offset_bytes / BLOCK_BYTES,
                        length_bytes / BLOCK_BYTES
                    ));
                    assembly.on_hashed(offset_bytes, length_bytes, hash);
                }
                Step::Finished(_) => shown.push("=".into()),
            }
        }
        shown.join(" ")
    }

    #[test]
    fn runs_are_written_as_the_notation_says() {
        // Blocks in order of arrival, `!` when memory is short; a piece of 4 blocks, runs of 2.
        for (arrivals, expected) in [
            ("0123", "w0+2 w2+2 ="),
            ("1032", "w0+2 w2+2 ="),
            ("3210", "w0+4 ="),
            ("0!123", "w0+1 w1+2 w3+1 ="),
            ("3!0!12", "a3+1 w0+1 w1+2 h3+1 ="),
            ("2!3!01", "a2+1 a3+1 w0+2 h2+2 ="),
            ("13!02", "a1+1 a3+1 w0+1 h1+1 w2+1 h3+1 ="),
        ] {
            let mut pool = BufPool::new(8);
            let mut assembly = Assembly::new(4 * BLOCK_BYTES, V1);
            let mut shown = Vec::new();
            for symbol in arrivals.chars() {
                let relieve = symbol == '!';
                if let Some(block) = symbol.to_digit(10) {
                    assert!(
                        assembly.on_block(block * BLOCK_BYTES, pool.take(), BLOCK_BYTES).is_none()
                    );
                }
                shown.push(steps(&mut assembly, 2, relieve));
            }
            shown.retain(|text| !text.is_empty());
            assert_eq!(shown.join(" "), expected, "{arrivals}");
        }
    }

    #[test]
    fn a_failed_write_is_tried_again_with_the_digest_from_before() {
        let mut pool = BufPool::new(1);
        let mut assembly = Assembly::new(5, V1);
        let mut buf = pool.take();
        buf[..5].copy_from_slice(b"hello");
        assembly.on_block(0, buf, 5);
        let Some(Step::Write { blocks, hash: Some(mut hash), .. }) = assembly.next_step(1, false)
        else {
            panic!("a whole piece is written");
        };
        hash.update(b"garbage");
        assembly.on_write_failed(0, blocks, true);
        let Some(Step::Write { blocks, hash: Some(mut hash), .. }) = assembly.next_step(1, false)
        else {
            panic!("it is written again");
        };
        hash.update(&blocks[0].0[..5]);
        assert_eq!(hash.finish().sha1, Some(sha1(b"hello")));
    }

    proptest! {
        #[test]
        fn any_order_and_pressure_gives_the_digest_of_the_whole(seed: u64, blocks in 1_u32..20) {
            let mut rng = Rng::from_seed(seed);
            let mut pool = BufPool::new(64);
            let length = blocks * BLOCK_BYTES - rng.below(BLOCK_BYTES);
            let data: Vec<u8> = (0..length).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
            let mut disk = vec![0; data.len()];
            let mut assembly = Assembly::new(length, V1);
            let mut order: Vec<u32> = (0..blocks).collect();
            for i in (1..order.len()).rev() {
                order.swap(i, rng.below(u32::try_from(i + 1).unwrap()) as usize);
            }
            let mut digest = None;
            for block in order {
                let at = (block * BLOCK_BYTES) as usize;
                let end = data.len().min(at + BLOCK_BYTES as usize);
                let mut buf = pool.take();
                buf[..end - at].copy_from_slice(&data[at..end]);
                let length = u32::try_from(end - at).unwrap();
                prop_assert!(assembly.on_block(block * BLOCK_BYTES, buf, length).is_none());
                let relieve = rng.chance(1, 4);
                while let Some(step) = assembly.next_step(4 * BLOCK_BYTES, relieve) {
                    match step {
                        Step::Write { offset_bytes, blocks, mut hash } => {
                            if rng.chance(1, 5) {
                                assembly.on_write_failed(offset_bytes, blocks, hash.is_some());
                                continue;
                            }
                            let mut at = offset_bytes as usize;
                            for (buf, length) in blocks {
                                let bytes = &buf[..length as usize];
                                disk[at..at + bytes.len()].copy_from_slice(bytes);
                                if let Some(hash) = &mut hash { hash.update(bytes); }
                                at += bytes.len();
                                pool.give_back(buf);
                            }
                            let run = u32::try_from(at).unwrap() - offset_bytes;
                            assembly.on_written(offset_bytes, run, hash);
                        }
                        Step::Hash { offset_bytes, length_bytes, mut hash } => {
                            let start = offset_bytes as usize;
                            hash.update(&disk[start..start + length_bytes as usize]);
                            assembly.on_hashed(offset_bytes, length_bytes, hash);
                        }
                        Step::Finished(hash) => digest = hash.finish().sha1,
                    }
                }
            }
            prop_assert_eq!(&disk, &data);
            prop_assert_eq!(digest, Some(sha1(&data)));
            prop_assert_eq!(pool.outstanding(), 0);
        }
    }
}
