//! Sixteen lanes on AVX-512.
//!
//! A rotation and any function of three bits are one instruction each. Rotations run on one port and
//! shuffles on the other, additions and bit functions on both, so that sixteen blocks of SHA-1 take
//! (752 + 80) / 2 = 416 cycles at best, of SHA-256 (1616 + 80) / 2 = 848.

#![expect(unsafe_code, reason = "SIMD loads and stores")]

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_ror_epi32,
    _mm512_set1_epi32, _mm512_set4_epi32, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
    _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use super::prefetch;
use super::rounds::{SHA1_K, SHA256_K};
use crate::stream::Block;

const LANES: usize = 16;

type V = __m512i;

kernels!("avx512f,avx512bw", 16);

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> V {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u32; LANES]) -> V {
    // SAFETY: 64 bytes are read from an array of 64 bytes; unaligned is allowed.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: &mut [u32; LANES], vector: V) {
    // SAFETY: 64 bytes are written to an array of 64 bytes; unaligned is allowed.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: V, b: V) -> V {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: V, b: V) -> V {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotl<const BITS: i32>(a: V) -> V {
    _mm512_rol_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rotr<const BITS: i32>(a: V) -> V {
    _mm512_ror_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn shr<const BITS: u32>(a: V) -> V {
    _mm512_srli_epi32::<BITS>(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<0xca>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn parity(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<0x96>(a, b, c)
}

/// The words of one block of every lane: a transposition of 16 × 16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn words<const W: usize>(rows: &[&[Block]; LANES], block: usize) -> [V; 16] {
    let mut r = [splat(0); 16];
    for (r, row) in r.iter_mut().zip(rows) {
        let bytes = &row[block];
        prefetch(bytes);
        // SAFETY: 64 bytes are read from an array of 64 bytes; unaligned is allowed.
        *r = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
    }
    // Pairs of rows, then fours: afterwards quarter `q` of `fours[4 * g + i]` holds word `4 * q + i`
    // of the rows `4 * g` to `4 * g + 3`.
    let mut fours = [splat(0); 16];
    for g in 0..4 {
        let [a, b, c, d] = [r[4 * g], r[4 * g + 1], r[4 * g + 2], r[4 * g + 3]];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        fours[4 * g] = _mm512_unpacklo_epi64(ab_low, cd_low);
        fours[4 * g + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        fours[4 * g + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        fours[4 * g + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    // Big-endian words.
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut w = [splat(0); 16];
    for i in 0..4 {
        let [a, b, c, d] = [fours[i], fours[4 + i], fours[8 + i], fours[12 + i]];
        // Quarters 0 and 1, then 2 and 3, of two groups each.
        let (ab_low, ab_high) =
            (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
        let (cd_low, cd_high) =
            (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
        for (quarter, merged) in [
            _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low),
            _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
            _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
        ]
        .into_iter()
        .enumerate()
        {
            w[4 * quarter + i] = _mm512_shuffle_epi8(merged, swap);
        }
    }
    w
}
