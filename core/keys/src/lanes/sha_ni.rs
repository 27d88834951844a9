//! Two streams in lockstep on the SHA instructions of x86.
//!
//! Source: FIPS 180-4 sections 6.1.2 and 6.2.2 for the rounds; Intel's "SHA Extensions" (2013) for what
//! the instructions compute. They wait for their own results; a second stream fills the gaps.
//!
//! `sha1rnds4` does four rounds on (a, b, c, d); `sha1nexte` makes the `e` of four rounds later out of the
//! `a` of now and adds four message words; `sha1msg1` and `sha1msg2` stretch the message. `sha256rnds2`
//! does two rounds, after which (a, b, e, f) takes the place of (c, d, g, h).

#![expect(unsafe_code, reason = "SIMD loads and stores")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32,
    _mm_sha1rnds4_epu32, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm_xor_si128,
};

use super::prefetch;
use super::rounds::SHA256_K;
use crate::stream::Block;

const LANES: usize = 2;

/// Adds blocks to two states: as many of the second row as the first has.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn sha1(states: &mut [[u32; LANES]; 5], rows: [&[Block]; LANES]) {
    let mut abcd = [_mm_setzero_si128(); LANES];
    let mut e = abcd;
    for lane in 0..LANES {
        let word = |at: usize| states[at][lane].cast_signed();
        abcd[lane] = _mm_set_epi32(word(0), word(1), word(2), word(3));
        e[lane] = _mm_set_epi32(word(4), 0, 0, 0);
    }
    for (first, second) in rows[0].iter().zip(rows[1]) {
        sha1_block(&mut abcd, &mut e, [first, second]);
    }
    for lane in 0..LANES {
        let [d, c, b, a] = words(abcd[lane]);
        let [.., e] = words(e[lane]);
        for (state, word) in states.iter_mut().zip([a, b, c, d, e]) {
            state[lane] = word;
        }
    }
}

/// Adds blocks to two states: as many of the second row as the first has.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn sha256(states: &mut [[u32; LANES]; 8], rows: [&[Block]; LANES]) {
    let mut abef = [_mm_setzero_si128(); LANES];
    let mut cdgh = abef;
    for lane in 0..LANES {
        let word = |at: usize| states[at][lane].cast_signed();
        abef[lane] = _mm_set_epi32(word(0), word(1), word(4), word(5));
        cdgh[lane] = _mm_set_epi32(word(2), word(3), word(6), word(7));
    }
    for (first, second) in rows[0].iter().zip(rows[1]) {
        sha256_block(&mut abef, &mut cdgh, [first, second]);
    }
    for lane in 0..LANES {
        let [f, e, b, a] = words(abef[lane]);
        let [h, g, d, c] = words(cdgh[lane]);
        for (state, word) in states.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            state[lane] = word;
        }
    }
}

/// The four words of a vector, lowest first.
#[inline]
#[target_feature(enable = "sse2")]
fn words(vector: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: 16 bytes are written to an array of 16 bytes; unaligned is allowed.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) };
    words
}

/// A block in four vectors, its bytes in the order of `order`.
#[inline]
#[target_feature(enable = "ssse3")]
fn message(block: &Block, order: __m128i) -> [__m128i; 4] {
    prefetch(block);
    let mut message = [_mm_setzero_si128(); 4];
    for (vector, bytes) in message.iter_mut().zip(block.as_chunks::<16>().0) {
        // SAFETY: 16 bytes are read from an array of 16 bytes; unaligned is allowed.
        let raw = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        *vector = _mm_shuffle_epi8(raw, order);
    }
    message
}

/// One block of each stream. Every step is done for both lanes before the next, which is what
/// lets the CPU work on one while the other waits. `a` is in the highest word of `abcd`, `e` in the
/// highest of `e`.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn sha1_block(abcd: &mut [__m128i; LANES], e: &mut [__m128i; LANES], blocks: [&Block; LANES]) {
    let before = (*abcd, *e);
    // Big-endian words, the first of four in the highest place: all 16 bytes reversed.
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let mut words = [message(blocks[0], reverse), message(blocks[1], reverse)];
    // `e` holds the `a` of four rounds ago, from which `e` is made; before the first rounds, `e` itself.
    macro_rules! rounds {
        ($group:literal, $function:literal) => {
            for lane in 0..LANES {
                let w = &mut words[lane];
                if $group >= 4 {
                    let mixed = _mm_sha1msg1_epu32(w[$group % 4], w[($group + 1) % 4]);
                    let mixed = _mm_xor_si128(mixed, w[($group + 2) % 4]);
                    w[$group % 4] = _mm_sha1msg2_epu32(mixed, w[($group + 3) % 4]);
                }
                let next = if $group == 0 {
                    _mm_add_epi32(e[lane], w[0])
                } else {
                    _mm_sha1nexte_epu32(e[lane], w[$group % 4])
                };
                e[lane] = abcd[lane];
                abcd[lane] = _mm_sha1rnds4_epu32::<$function>(abcd[lane], next);
            }
        };
    }
    rounds!(0, 0);
    rounds!(1, 0);
    rounds!(2, 0);
    rounds!(3, 0);
    rounds!(4, 0);
    rounds!(5, 1);
    rounds!(6, 1);
    rounds!(7, 1);
    rounds!(8, 1);
    rounds!(9, 1);
    rounds!(10, 2);
    rounds!(11, 2);
    rounds!(12, 2);
    rounds!(13, 2);
    rounds!(14, 2);
    rounds!(15, 3);
    rounds!(16, 3);
    rounds!(17, 3);
    rounds!(18, 3);
    rounds!(19, 3);
    for lane in 0..LANES {
        // Adds the rotated `a` of four rounds ago, in the highest word, to the old `e`.
        e[lane] = _mm_sha1nexte_epu32(e[lane], before.1[lane]);
        abcd[lane] = _mm_add_epi32(abcd[lane], before.0[lane]);
    }
}

/// One block of each stream, likewise. `a` and `c` are in the highest words.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn sha256_block(abef: &mut [__m128i; LANES], cdgh: &mut [__m128i; LANES], blocks: [&Block; LANES]) {
    let before = (*abef, *cdgh);
    // Big-endian words, the first of four in the lowest place.
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [message(blocks[0], swap), message(blocks[1], swap)];
    macro_rules! rounds {
        ($($group:literal)*) => {$(
            let k: [i32; 4] = core::array::from_fn(|i| SHA256_K[4 * $group + i].cast_signed());
            let k = _mm_set_epi32(k[3], k[2], k[1], k[0]);
            for lane in 0..LANES {
                let w = &mut words[lane];
                if $group >= 4 {
                    let (last, before_last) = (w[($group + 3) % 4], w[($group + 2) % 4]);
                    let mixed = _mm_sha256msg1_epu32(w[$group % 4], w[($group + 1) % 4]);
                    let mixed = _mm_add_epi32(mixed, _mm_alignr_epi8::<4>(last, before_last));
                    w[$group % 4] = _mm_sha256msg2_epu32(mixed, last);
                }
                let sum = _mm_add_epi32(w[$group % 4], k);
                cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
                let sum = _mm_shuffle_epi32::<0x0e>(sum);
                abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], sum);
            }
        )*};
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    for lane in 0..LANES {
        abef[lane] = _mm_add_epi32(abef[lane], before.0[lane]);
        cdgh[lane] = _mm_add_epi32(cdgh[lane], before.1[lane]);
    }
}
