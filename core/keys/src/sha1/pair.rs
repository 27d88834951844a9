//! Two SHA-1 streams in lockstep on the SHA instructions of x86.
//!
//! Source: FIPS 180-4 section 6.1.2 for the rounds; Intel's "SHA Extensions" (2013) for what the
//! four instructions compute. `sha1rnds4` does four rounds on (a, b, c, d); `sha1nexte` makes the
//! `e` of four rounds later out of the `a` of now and adds four message words; `sha1msg1` and
//! `sha1msg2` stretch the message.

#![expect(unsafe_code, reason = "SIMD loads and stores, and calls behind a run-time check")]

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_loadu_si128, _mm_set_epi32, _mm_set_epi64x, _mm_setzero_si128,
    _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32,
    _mm_shuffle_epi8, _mm_storeu_si128, _mm_xor_si128,
};

const LANES: usize = 2;

/// Compresses block after block of both streams; false if this CPU cannot.
pub(super) fn compress(
    a: &mut [u32; 5],
    a_blocks: &[[u8; 64]],
    b: &mut [u32; 5],
    b_blocks: &[[u8; 64]],
) -> bool {
    let able = std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("sse4.1")
        && std::arch::is_x86_feature_detected!("ssse3");
    if !able {
        return false;
    }
    let mut lanes = [Lane::new(a), Lane::new(b)];
    for (a_block, b_block) in a_blocks.iter().zip(b_blocks) {
        // SAFETY: the three features were just detected.
        unsafe { block(&mut lanes, [a_block, b_block]) };
    }
    lanes[0].store(a);
    lanes[1].store(b);
    true
}

/// The state of one stream: `a` in the highest word of `abcd`, `e` in the highest of `e`.
#[derive(Clone, Copy)]
struct Lane {
    abcd: __m128i,
    e: __m128i,
}

impl Lane {
    fn new(state: &[u32; 5]) -> Self {
        let [a, b, c, d, e] = state.map(u32::cast_signed);
        // SAFETY: SSE2 is part of x86-64.
        let abcd = unsafe { _mm_set_epi32(a, b, c, d) };
        // SAFETY: as above.
        let e = unsafe { _mm_set_epi32(e, 0, 0, 0) };
        Self { abcd, e }
    }

    fn store(self, state: &mut [u32; 5]) {
        let (mut abcd, mut e) = ([0_u32; 4], [0_u32; 4]);
        // SAFETY: 16 bytes are written to an array of 16 bytes; unaligned is allowed.
        unsafe { _mm_storeu_si128(abcd.as_mut_ptr().cast(), self.abcd) };
        // SAFETY: as above.
        unsafe { _mm_storeu_si128(e.as_mut_ptr().cast(), self.e) };
        *state = [abcd[3], abcd[2], abcd[1], abcd[0], e[3]];
    }
}

/// One block of each stream. Every step is done for both lanes before the next, which is what
/// lets the CPU work on one while the other waits.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn block(lanes: &mut [Lane; LANES], blocks: [&[u8; 64]; LANES]) {
    let before = *lanes;
    let mut words = [[_mm_setzero_si128(); 4]; LANES];
    // Big-endian words, the first of four in the highest place: all 16 bytes reversed.
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    for (words, block) in words.iter_mut().zip(blocks) {
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<16>().0) {
            // SAFETY: 16 bytes are read from an array of 16 bytes; unaligned is allowed.
            let raw = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            *word = _mm_shuffle_epi8(raw, reverse);
        }
    }
    // The `a` of four rounds ago, from which `e` is made; before the first rounds, `e` itself.
    let mut earlier = [lanes[0].e, lanes[1].e];
    macro_rules! rounds {
        ($group:literal, $function:literal) => {
            for lane in 0..LANES {
                let w = &mut words[lane];
                if $group >= 4 {
                    let mixed = _mm_sha1msg1_epu32(w[$group % 4], w[($group + 1) % 4]);
                    let mixed = _mm_xor_si128(mixed, w[($group + 2) % 4]);
                    w[$group % 4] = _mm_sha1msg2_epu32(mixed, w[($group + 3) % 4]);
                }
                let e = if $group == 0 {
                    _mm_add_epi32(earlier[lane], w[0])
                } else {
                    _mm_sha1nexte_epu32(earlier[lane], w[$group % 4])
                };
                earlier[lane] = lanes[lane].abcd;
                lanes[lane].abcd = _mm_sha1rnds4_epu32::<$function>(lanes[lane].abcd, e);
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
        lanes[lane].e = _mm_sha1nexte_epu32(earlier[lane], before[lane].e);
        lanes[lane].abcd = _mm_add_epi32(lanes[lane].abcd, before[lane].abcd);
    }
}
