//! The scatter path gives what a plain parser would give, whatever the peer sends and however
//! the bytes are cut.

use base::PieceIndex;
use base::Rng;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use wire::peer::Message;

use super::*;

fn block(index: u32, length_bytes: u32) -> BlockId {
    BlockId { piece: PieceIndex(index), offset_bytes: 0, length_bytes }
}

fn content(block: BlockId) -> Vec<u8> {
    let mut rng = Rng::from_seed(u64::from(block.piece.0));
    (0..block.length_bytes).map(|_| u8::try_from(rng.below(256)).unwrap()).collect()
}

/// Feeds `stream` in reads of at most `cut` bytes; returns what came, as text.
fn run(
    stream: &[u8],
    expected: &[BlockId],
    mut cut: impl FnMut() -> usize,
) -> Result<Vec<String>, StreamError> {
    let mut pool = BufPool::new(80);
    let mut receiver = Receiver::new(false);
    let mut expected: Vec<BlockId> = expected.to_vec();
    let mut shown = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        let mut plan =
            receiver.plan(expected.iter(), usize::MAX, &mut pool).expect("buffers enough");
        let mut left = (stream.len() - at).min(cut());
        let before = at;
        for slot in &mut plan.slots {
            let bytes = slot.bytes_mut();
            let n = bytes.len().min(left);
            bytes[..n].copy_from_slice(&stream[at..at + n]);
            at += n;
            left -= n;
        }
        receiver.on_received(plan, at - before, &mut pool);
        loop {
            let asked = expected.clone();
            match receiver.next(|block| asked.contains(&block), &mut pool) {
                Ok(None) => break,
                Ok(Some(Received::Block(block, buf))) => {
                    assert_eq!(buf[..block.length_bytes as usize], content(block), "{block:?}");
                    pool.give_back(buf);
                    expected.retain(|&other| other != block);
                    shown.push(format!("block {}", block.piece.0));
                }
                Ok(Some(other)) => shown.push(format!("{other:?}")),
                Err(error) => {
                    receiver.release(&mut pool);
                    assert_eq!(pool.outstanding(), 0);
                    return Err(error);
                }
            }
        }
    }
    receiver.release(&mut pool);
    assert_eq!(pool.outstanding(), 0, "a buffer leaked");
    Ok(shown)
}

fn piece(out: &mut Vec<u8>, block: BlockId) {
    peer::encode(Message::Piece { block, data: &content(block) }, out);
}

#[test]
fn blocks_as_predicted_are_never_copied_through_control() {
    let blocks: Vec<BlockId> = (0..80).map(|index| block(index, BLOCK_BYTES)).collect();
    let mut stream = Vec::new();
    blocks.iter().for_each(|&block| piece(&mut stream, block));
    let mut pool = BufPool::new(80);
    let mut receiver = Receiver::new(false);
    let mut plan = receiver.plan(blocks.iter(), usize::MAX, &mut pool).unwrap();
    let mut at = 0;
    for slot in &mut plan.slots {
        let bytes = slot.bytes_mut();
        bytes.copy_from_slice(&stream[at..at + bytes.len()]);
        at += bytes.len();
    }
    assert_eq!(at, PLAN_BLOCKS_MAX * (PIECE_HEADER_BYTES + BLOCK_BYTES as usize));
    receiver.on_received(plan, at, &mut pool);
    assert!(receiver.control.is_empty());
    assert_eq!(receiver.blocks.len(), PLAN_BLOCKS_MAX);
}

#[test]
fn without_buffers_nothing_is_planned_but_messages_still_flow() {
    let mut pool = BufPool::new(0);
    let mut receiver = Receiver::new(false);
    assert!(receiver.plan([block(0, 10)].iter(), 1 << 20, &mut pool).is_none());
    assert!(receiver.plan([].iter(), 1 << 20, &mut pool).is_some());
}

#[test]
fn oversized_frame_ends_the_stream() {
    assert!(run(&[0xff; 16], &[], || 3).is_err());
}

proptest! {
    #[test]
    fn any_mix_and_any_cut_gives_what_was_sent(seed: u64, cut_max in 1_u32..60_000) {
        let mut rng = Rng::from_seed(seed);
        let (mut stream, mut sent, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..24 {
            let length = if rng.chance(1, 3) { 1 + rng.below(BLOCK_BYTES) } else { BLOCK_BYTES };
            let block = block(index, length);
            match rng.below(8) {
                0 => {
                    peer::encode(Message::Have(PieceIndex(index)), &mut stream);
                    sent.push(format!("Message(Have(PieceIndex({index})))"));
                }
                1 => {
                    piece(&mut stream, block);
                    sent.push(format!("Unexpected({block:?})"));
                }
                2 => {
                    let bits = vec![7; rng.below(30_000) as usize];
                    peer::encode(Message::Bitfield(&bits), &mut stream);
                    sent.push(format!("Message(Bitfield({bits:?}))"));
                }
                // Asked for, never sent.
                3 => expected.push(block),
                _ => {
                    expected.push(block);
                    piece(&mut stream, block);
                    sent.push(format!("block {index}"));
                }
            }
        }
        let got = run(&stream, &expected, || 1 + rng.below(cut_max) as usize);
        prop_assert_eq!(got, Ok(sent));
    }

    #[test]
    fn any_bytes_are_survived(stream in prop::collection::vec(any::<u8>(), 0..400), asked: bool) {
        let expected = [block(0, 100)];
        drop(run(&stream, if asked { &expected } else { &[] }, || 17));
    }
}
