//! The rounds of both algorithms, for vectors of any width.
//!
//! Source: FIPS 180-4 sections 6.1.2 and 6.2.2. The macros need in scope: a vector type `V` of one
//! word a lane; `load`, `store`, `splat`, `words`; `add`, `rotl`, `rotr`, `shr`; and `choose`, `majority`,
//! `parity`. A macro, because a function cannot be generic over the target features that it is compiled
//! for. All indices are constants, so that the state and the message stay in registers. `words` is generic
//! over the algorithm only to be inlined: it has one caller each.

pub(super) const SHA1_K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

pub(super) const SHA256_K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// Repeats a step for sixteen (SHA-256) or twenty (SHA-1) rounds.
macro_rules! sixteen {
    ($step:ident, $($argument:tt),*; $from:expr) => {
        sixteen!(@ $step, ($($argument),*), $from, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $step:ident, $arguments:tt, $from:expr, $($i:literal)*) => {
        $($step!($arguments, $from + $i);)*
    };
}

macro_rules! twenty {
    ($step:ident, $($argument:tt),*; $from:expr) => {
        sixteen!(@ $step, ($($argument),*), $from, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19)
    };
}

/// One round of SHA-1. Instead of renaming `a` to `b` and so on, their places in `$s` move.
macro_rules! sha1_step {
    (($s:ident, $w:ident, $k:ident, $function:ident), $t:expr) => {{
        const T: usize = $t;
        const A: usize = (80 - T) % 5;
        const B: usize = (81 - T) % 5;
        const C: usize = (82 - T) % 5;
        const D: usize = (83 - T) % 5;
        const E: usize = (84 - T) % 5;
        if T >= 16 {
            let early = parity($w[T % 16], $w[(T + 2) % 16], $w[(T + 8) % 16]);
            $w[T % 16] = rotl::<1>(xor(early, $w[(T + 13) % 16]));
        }
        // `a` is known last; what does not need it is added before.
        let early = add(add($s[E], $k), $w[T % 16]);
        let sum = add(early, $function($s[B], $s[C], $s[D]));
        $s[E] = add(sum, rotl::<5>($s[A]));
        $s[B] = rotl::<30>($s[B]);
    }};
}

/// One round of SHA-256, likewise.
macro_rules! sha256_step {
    (($s:ident, $w:ident), $t:expr) => {{
        const T: usize = $t;
        const A: usize = (64 - T) % 8;
        const B: usize = (65 - T) % 8;
        const C: usize = (66 - T) % 8;
        const D: usize = (67 - T) % 8;
        const E: usize = (68 - T) % 8;
        const F: usize = (69 - T) % 8;
        const G: usize = (70 - T) % 8;
        const H: usize = (71 - T) % 8;
        if T >= 16 {
            let (w15, w2) = ($w[(T + 1) % 16], $w[(T + 14) % 16]);
            let s0 = parity(rotr::<7>(w15), rotr::<18>(w15), shr::<3>(w15));
            let s1 = parity(rotr::<17>(w2), rotr::<19>(w2), shr::<10>(w2));
            $w[T % 16] = add(add(add($w[T % 16], $w[(T + 9) % 16]), s0), s1);
        }
        let early = add(add($s[H], splat(SHA256_K[T])), $w[T % 16]);
        let sum1 = parity(rotr::<6>($s[E]), rotr::<11>($s[E]), rotr::<25>($s[E]));
        let t1 = add(add(early, choose($s[E], $s[F], $s[G])), sum1);
        let sum0 = parity(rotr::<2>($s[A]), rotr::<13>($s[A]), rotr::<22>($s[A]));
        $s[D] = add($s[D], t1);
        $s[H] = add(add(t1, majority($s[A], $s[B], $s[C])), sum0);
    }};
}

/// The functions `sha1` and `sha256`, which add blocks to `$lanes` states at once: as many of each row
/// as the first has.
macro_rules! kernels {
    ($features:literal, $lanes:literal) => {
        #[target_feature(enable = $features)]
        pub(in crate::lanes) fn sha1(states: &mut [[u32; $lanes]; 5], rows: [&[Block]; $lanes]) {
            let blocks = rows[0].len();
            let rows = rows.map(|row| &row[..blocks]);
            let [k0, k1, k2, k3] = [splat(SHA1_K[0]), splat(SHA1_K[1]), splat(SHA1_K[2]), splat(SHA1_K[3])];
            let mut s = [splat(0); 5];
            for (s, state) in s.iter_mut().zip(states.iter()) {
                *s = load(state);
            }
            for block in 0..blocks {
                let before = s;
                let mut w = words::<5>(&rows, block);
                twenty!(sha1_step, s, w, k0, choose; 0);
                twenty!(sha1_step, s, w, k1, parity; 20);
                twenty!(sha1_step, s, w, k2, majority; 40);
                twenty!(sha1_step, s, w, k3, parity; 60);
                for (s, before) in s.iter_mut().zip(before) {
                    *s = add(*s, before);
                }
            }
            for (s, state) in s.iter().zip(states) {
                store(state, *s);
            }
        }

        #[target_feature(enable = $features)]
        pub(in crate::lanes) fn sha256(states: &mut [[u32; $lanes]; 8], rows: [&[Block]; $lanes]) {
            let blocks = rows[0].len();
            let rows = rows.map(|row| &row[..blocks]);
            let mut s = [splat(0); 8];
            for (s, state) in s.iter_mut().zip(states.iter()) {
                *s = load(state);
            }
            for block in 0..blocks {
                let before = s;
                let mut w = words::<8>(&rows, block);
                sixteen!(sha256_step, s, w; 0);
                sixteen!(sha256_step, s, w; 16);
                sixteen!(sha256_step, s, w; 32);
                sixteen!(sha256_step, s, w; 48);
                for (s, before) in s.iter_mut().zip(before) {
                    *s = add(*s, before);
                }
            }
            for (s, state) in s.iter().zip(states) {
                store(state, *s);
            }
        }
    };
}
