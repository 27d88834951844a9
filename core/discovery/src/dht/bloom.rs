//! Sets of addresses that can be united and counted, roughly (BEP 33).

use std::net::IpAddr;

use keys::sha1;
use wire::krpc::{BLOOM_BYTES, ip_octets};

const BITS: usize = 8 * BLOOM_BYTES;

/// A Bloom filter of 2048 bits and two hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bloom(pub(crate) [u8; BLOOM_BYTES]);

impl Bloom {
    pub(crate) const EMPTY: Self = Self([0; BLOOM_BYTES]);

    pub(crate) fn insert(&mut self, ip: IpAddr) {
        let (octets, len) = ip_octets(ip);
        let hash = sha1(&octets[..len]);
        for (low, high) in [(hash[0], hash[1]), (hash[2], hash[3])] {
            let index = usize::from(u16::from_le_bytes([low, high])) % BITS;
            self.0[index / 8] |= 1 << (index % 8);
        }
    }

    pub(crate) fn unite(&mut self, other: &[u8; BLOOM_BYTES]) {
        self.0.iter_mut().zip(other).for_each(|(byte, other)| *byte |= other);
    }

    /// About how many addresses are in it: 0 to some 7800.
    pub(crate) fn estimate(&self) -> f64 {
        let zeros: u32 = self.0.iter().map(|byte| byte.count_zeros()).sum();
        let bits = 2048.0_f64;
        let zeros = f64::from(zeros).clamp(1.0, bits);
        (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln())
    }

    /// [`Self::estimate`] as a whole number.
    pub(crate) fn count(&self) -> u32 {
        let rounded = format!("{:.0}", self.estimate().abs());
        rounded.parse().expect("0 to 7800")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_vector_of_bep_33_holds() {
        let mut bloom = Bloom::EMPTY;
        (0..=255).for_each(|last| bloom.insert(Ipv4Addr::new(192, 0, 2, last).into()));
        let v6 = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        (0..=0x3e7).for_each(|last| bloom.insert(v6(last).into()));
        let expected = "
            F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
            FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
            7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
            D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
            FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
            BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
            62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
            FD8F72EF";
        let expected: String = expected.split_whitespace().collect();
        let found: String = bloom.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(found, expected);
        assert!((bloom.estimate() - 1224.9308).abs() < 0.0001, "{}", bloom.estimate());
        assert_eq!(bloom.count(), 1225);
    }

    #[test]
    fn an_empty_one_counts_nothing_and_a_full_one_what_it_can() {
        assert_eq!(Bloom::EMPTY.count(), 0);
        assert!(Bloom([0xff; BLOOM_BYTES]).count() > 7000);
        let mut one = Bloom::EMPTY;
        one.insert(Ipv4Addr::LOCALHOST.into());
        let mut two = Bloom::EMPTY;
        two.unite(&one.0);
        two.unite(&one.0);
        assert_eq!((two.count(), &two), (1, &one));
    }
}
