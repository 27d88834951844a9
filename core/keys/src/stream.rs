//! One computation in progress, of either algorithm: whole blocks, what is left over, the padding.
//!
//! Source: FIPS 180-4 sections 5.1.1 and 5.3. SHA-1 and SHA-256 share blocks and padding; they
//! differ in the words of their state and in the rounds.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// A block.
pub(crate) type Block = [u8; BLOCK];

/// What is special about the algorithm with a state of `W` words.
pub(crate) trait Rounds {
    /// The state of an empty computation.
    const INITIAL: Self;

    /// Adds blocks, by the crate that has this algorithm.
    fn compress(&mut self, blocks: &[Block]);
}

/// A computation in progress. What `buffer` holds is `length_bytes` modulo a block.
#[derive(Clone)]
pub(crate) struct Stream<const W: usize> {
    pub(crate) state: [u32; W],
    length_bytes: u64,
    buffer: Block,
}

impl<const W: usize> Stream<W>
where
    [u32; W]: Rounds,
{
    pub(crate) fn new() -> Self {
        Self { state: Rounds::INITIAL, length_bytes: 0, buffer: [0; BLOCK] }
    }

    pub(crate) fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let Taken { completed, blocks } = self.take(bytes);
        if let Some(block) = completed {
            self.state.compress(&[block]);
        }
        self.state.compress(blocks);
    }

    /// Takes in `bytes`, except for the rounds: these are owed for a block that they complete, then
    /// for those that they hold.
    pub(crate) fn take<'a>(&mut self, bytes: &'a [u8]) -> Taken<'a> {
        let mut rest = bytes;
        let mut completed = None;
        let buffered = self.buffered();
        self.length_bytes += bytes.len() as u64;
        if buffered > 0 {
            let (head, tail) = bytes.split_at(bytes.len().min(BLOCK - buffered));
            self.buffer[buffered..buffered + head.len()].copy_from_slice(head);
            rest = tail;
            if buffered + head.len() < BLOCK {
                return Taken { completed, blocks: &[] };
            }
            completed = Some(self.buffer);
        }
        let (blocks, rest) = rest.as_chunks();
        self.buffer[..rest.len()].copy_from_slice(rest);
        Taken { completed, blocks }
    }

    /// The blocks that end the computation: one, or two.
    pub(crate) fn padding(&self) -> ([Block; 2], usize) {
        let buffered = self.buffered();
        let mut blocks = [[0; BLOCK]; 2];
        blocks[0][..buffered].copy_from_slice(&self.buffer[..buffered]);
        blocks[0][buffered] = 0x80;
        let count = 1 + usize::from(buffered + 1 > BLOCK - 8);
        blocks[count - 1][BLOCK - 8..].copy_from_slice(&(self.length_bytes * 8).to_be_bytes());
        (blocks, count)
    }

    pub(crate) fn finish(mut self) -> [u32; W] {
        let (blocks, count) = self.padding();
        self.state.compress(&blocks[..count]);
        self.state
    }

    fn buffered(&self) -> usize {
        usize::try_from(self.length_bytes % BLOCK as u64).expect("less than a block")
    }
}

/// What [`Stream::take`] left to be done, in this order.
pub(crate) struct Taken<'a> {
    pub(crate) completed: Option<Block>,
    pub(crate) blocks: &'a [Block],
}

/// The digest that a final state is: its words, big-endian.
pub(crate) fn digest<const W: usize, const BYTES: usize>(state: [u32; W]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}
