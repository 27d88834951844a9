//! Eight lanes on AVX2, and on AVX-512VL, which has rotations and functions of three bits.

#![expect(unsafe_code, reason = "SIMD loads and stores")]

use core::arch::x86_64::{
    __m256i, _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_set_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_storeu_si256, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
};

use super::prefetch;
use crate::stream::Block;

const LANES: usize = 8;

type V = __m256i;

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; LANES]) -> V {
    // SAFETY: 32 bytes are read from an array of 32 bytes; unaligned is allowed.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u32; LANES], vector: V) {
    // SAFETY: 32 bytes are written to an array of 32 bytes; unaligned is allowed.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
}

/// The words of one block of every lane: two transpositions of 8 × 8.
#[inline]
#[target_feature(enable = "avx2")]
fn words<const W: usize>(rows: &[&[Block]; LANES], block: usize) -> [V; 16] {
    let mut w = [_mm256_setzero_si256(); 16];
    // Big-endian words.
    let swap = _mm256_set_epi64x(
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
    );
    for half in 0..2 {
        let mut r = [_mm256_setzero_si256(); LANES];
        for (r, row) in r.iter_mut().zip(rows) {
            if half == 0 {
                prefetch(&row[block]);
            }
            let bytes = &row[block].as_chunks::<32>().0[half];
            // SAFETY: 32 bytes are read from an array of 32 bytes; unaligned is allowed.
            *r = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        }
        // Pairs of rows, then fours: afterwards half `h` of `fours[4 * g + i]` holds word `4 * h + i`
        // of the rows `4 * g` to `4 * g + 3`.
        let mut fours = [_mm256_setzero_si256(); LANES];
        for g in 0..2 {
            let [a, b, c, d] = [r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]];
            let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            fours[4 * g] = _mm256_unpacklo_epi64(ab_low, cd_low);
            fours[4 * g + 1] = _mm256_unpackhi_epi64(ab_low, cd_low);
            fours[4 * g + 2] = _mm256_unpacklo_epi64(ab_high, cd_high);
            fours[4 * g + 3] = _mm256_unpackhi_epi64(ab_high, cd_high);
        }
        for i in 0..4 {
            let low = _mm256_permute2x128_si256::<0x20>(fours[i], fours[4 + i]);
            let high = _mm256_permute2x128_si256::<0x31>(fours[i], fours[4 + i]);
            w[8 * half + i] = _mm256_shuffle_epi8(low, swap);
            w[8 * half + 4 + i] = _mm256_shuffle_epi8(high, swap);
        }
    }
    w
}

/// Without AVX-512.
pub(super) mod plain {
    use core::arch::x86_64::{
        _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256, _mm256_set1_epi32, _mm256_sll_epi32,
        _mm256_srl_epi32, _mm256_srli_epi32, _mm256_xor_si256,
    };

    use super::super::rounds::{SHA1_K, SHA256_K};
    use super::{Block, V, load, store, words};

    kernels!("avx2", 8);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(word: u32) -> V {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: V, b: V) -> V {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor(a: V, b: V) -> V {
        _mm256_xor_si256(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotl<const BITS: i32>(a: V) -> V {
        let right = core::arch::x86_64::_mm_cvtsi32_si128(32 - BITS);
        let left = core::arch::x86_64::_mm_cvtsi32_si128(BITS);
        _mm256_or_si256(_mm256_sll_epi32(a, left), _mm256_srl_epi32(a, right))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotr<const BITS: i32>(a: V) -> V {
        let right = core::arch::x86_64::_mm_cvtsi32_si128(BITS);
        let left = core::arch::x86_64::_mm_cvtsi32_si128(32 - BITS);
        _mm256_or_si256(_mm256_sll_epi32(a, left), _mm256_srl_epi32(a, right))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shr<const BITS: i32>(a: V) -> V {
        _mm256_srli_epi32::<BITS>(a)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn choose(a: V, b: V, c: V) -> V {
        _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn majority(a: V, b: V, c: V) -> V {
        _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn parity(a: V, b: V, c: V) -> V {
        _mm256_xor_si256(_mm256_xor_si256(a, b), c)
    }
}

/// With AVX-512VL.
pub(super) mod ternary {
    use core::arch::x86_64::{
        _mm256_add_epi32, _mm256_rol_epi32, _mm256_ror_epi32, _mm256_set1_epi32, _mm256_srli_epi32,
        _mm256_ternarylogic_epi32, _mm256_xor_si256,
    };

    use super::super::rounds::{SHA1_K, SHA256_K};
    use super::{Block, V, load, store, words};

    kernels!("avx2,avx512f,avx512vl", 8);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(word: u32) -> V {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: V, b: V) -> V {
        _mm256_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn xor(a: V, b: V) -> V {
        _mm256_xor_si256(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn rotl<const BITS: i32>(a: V) -> V {
        _mm256_rol_epi32::<BITS>(a)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn rotr<const BITS: i32>(a: V) -> V {
        _mm256_ror_epi32::<BITS>(a)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn shr<const BITS: i32>(a: V) -> V {
        _mm256_srli_epi32::<BITS>(a)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn choose(a: V, b: V, c: V) -> V {
        _mm256_ternarylogic_epi32::<0xca>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn majority(a: V, b: V, c: V) -> V {
        _mm256_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn parity(a: V, b: V, c: V) -> V {
        _mm256_ternarylogic_epi32::<0x96>(a, b, c)
    }
}
