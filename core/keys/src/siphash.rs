//! `SipHash`-2-4: a short keyed hash, for what must not be guessed but is checked a million times a second.
//!
//! Source: Aumasson and Bernstein, 2012.

/// A key of [`siphash`]: whoever lacks it can't tell its results from chance.
#[derive(Clone, Copy)]
pub struct SipKey(u64, u64);

impl core::fmt::Debug for SipKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SipKey")
    }
}

impl SipKey {
    /// A key of 16 secret bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        let number = u128::from_le_bytes(bytes);
        let low = u64::try_from(number & u128::from(u64::MAX)).expect("64 bits");
        let high = u64::try_from(number >> 64).expect("64 bits");
        Self(low, high)
    }
}

/// `SipHash`-2-4 of `bytes`.
pub fn siphash(key: SipKey, bytes: &[u8]) -> u64 {
    let mut v = [
        key.0 ^ 0x736f_6d65_7073_6575,
        key.1 ^ 0x646f_7261_6e64_6f6d,
        key.0 ^ 0x6c79_6765_6e65_7261,
        key.1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = u8::try_from(bytes.len() & 0xff).expect("8 bits");
    for word in words.iter().chain([&last]) {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the authors' reference implementation: key 00…0f, message 00, 01, 02…
    #[test]
    fn vectors_of_the_reference_hold() {
        let key = SipKey::new(core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let bytes: [u8; 15] = core::array::from_fn(|i| u8::try_from(i).unwrap());
        let cases = [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
        ];
        for (length, expected) in cases {
            assert_eq!(siphash(key, &bytes[..length]), expected, "{length} bytes");
        }
    }
}
