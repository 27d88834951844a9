//! What one address may make us send.
//!
//! Anybody can write somebody else's address on a query, and have us send the answer there; and an answer is longer than
//! its query. So the bytes that an address gets from us are bounded: a rate, and a burst. Local addresses count with their
//! port, as there many nodes may share one.
//!
//! There is a slot for each address, by a keyed hash that nobody can aim at. Two addresses that meet in a slot
//! make the table grow, up to [`SLOTS_MAX`]; beyond, they share what is left in it. So the memory is bounded
//! and no query costs more than a look at one slot.

use std::net::{IpAddr, SocketAddr};

use base::Instant;
use keys::{SipKey, siphash};

use super::id::is_local;

/// Slots at the start, for a node that hardly anybody asks.
const SLOTS_MIN: usize = 16;

/// Slots at most: 128 KiB.
const SLOTS_MAX: usize = 8192;

/// Seconds of the rate that may come at once.
const BURST_S: u64 = 4;

#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u64,
    /// Up to when the rate has been used up; in the past if there was a pause.
    paid_until_ms: u64,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Sources {
    key: SipKey,
    bytes_per_second: u64,
    slots: Vec<Slot>,
}

/// An address that was admitted; to be charged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted(usize);

impl Sources {
    pub(crate) fn new(key: SipKey, bytes_per_second: u32) -> Self {
        let slots = vec![Slot { tag: 0, paid_until_ms: 0 }; SLOTS_MIN];
        Self { key, bytes_per_second: u64::from(bytes_per_second.max(1)), slots }
    }

    /// Whether `from` may have an answer now.
    pub(crate) fn admit(&mut self, from: SocketAddr, now: Instant) -> Option<Admitted> {
        let tag = self.tag(from);
        let now_ms = millis(now);
        let mut at = self.place(tag);
        while self.slots[at].tag != tag
            && self.slots[at].paid_until_ms > now_ms
            && self.slots.len() < SLOTS_MAX
        {
            self.grow();
            at = self.place(tag);
        }
        let slot = &mut self.slots[at];
        slot.tag = tag;
        (slot.paid_until_ms <= now_ms + BURST_S * 1000).then_some(Admitted(at))
    }

    /// It got so many bytes.
    pub(crate) fn charge(&mut self, Admitted(at): Admitted, bytes: usize, now: Instant) {
        let slot = &mut self.slots[at];
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let cost_ms = bytes.saturating_mul(1000) / self.bytes_per_second;
        slot.paid_until_ms = slot.paid_until_ms.max(millis(now)).saturating_add(cost_ms);
    }

    fn tag(&self, from: SocketAddr) -> u64 {
        let port = if is_local(from.ip()) { from.port() } else { 0 };
        let [high, low] = port.to_be_bytes();
        match from.ip() {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                siphash(self.key, &[a, b, c, d, high, low])
            }
            IpAddr::V6(ip) => {
                // Who has one address of a /64 has all of them.
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                siphash(self.key, &[a, b, c, d, e, f, g, h, high, low])
            }
        }
    }

    fn place(&self, tag: u64) -> usize {
        let mask = self.slots.len() - 1;
        usize::try_from(tag & 0xffff_ffff).expect("32 bits") & mask
    }

    fn grow(&mut self) {
        let empty = Slot { tag: 0, paid_until_ms: 0 };
        let old = core::mem::take(&mut self.slots);
        self.slots = vec![empty; 2 * old.len()];
        for slot in old {
            let at = self.place(slot.tag);
            self.slots[at] = slot;
        }
    }
}

fn millis(now: Instant) -> u64 {
    u64::try_from(now.since(Instant::START).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::START.after(Duration::from_millis(ms))
    }

    fn addr(number: u32) -> SocketAddr {
        SocketAddr::from(((0x0b00_0000 + number).to_be_bytes(), 1))
    }

    fn bytes_in(sources: &mut Sources, from: SocketAddr, ms: core::ops::Range<u64>) -> usize {
        let mut all = 0;
        for ms in ms {
            while let Some(admitted) = sources.admit(from, at(ms)) {
                sources.charge(admitted, 100, at(ms));
                all += 100;
            }
        }
        all
    }

    #[test]
    fn an_address_gets_its_burst_and_then_its_rate() {
        let mut sources = Sources::new(SipKey::new([1; 16]), 1000);
        let burst = bytes_in(&mut sources, addr(1), 10_000..10_001);
        assert!((4000..=4200).contains(&burst), "{burst}");
        let later = bytes_in(&mut sources, addr(1), 10_001..20_001);
        assert!((9900..=10_100).contains(&later), "{later}");
        assert!(sources.admit(addr(2), at(20_001)).is_some(), "another one has its own");
        assert!(sources.admit(SocketAddr::new(addr(1).ip(), 9), at(20_001)).is_none());
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        bytes_in(&mut sources, local(1), 10_000..10_001);
        assert!(sources.admit(local(2), at(10_001)).is_some());
    }

    #[test]
    fn a_million_addresses_need_no_more_memory_and_get_no_more_than_the_slots() {
        let mut sources = Sources::new(SipKey::new([1; 16]), 1000);
        let mut all = 0;
        for number in 0..1_000_000 {
            if let Some(admitted) = sources.admit(addr(number), at(0)) {
                sources.charge(admitted, 1000, at(0));
                all += 1000;
            }
        }
        assert_eq!(sources.slots.len(), SLOTS_MAX);
        assert!(all <= SLOTS_MAX * 5000 + 1_000_000, "{all}");
    }

    #[test]
    fn who_asks_now_and_then_grows_nothing() {
        let mut sources = Sources::new(SipKey::new([1; 16]), 1000);
        for number in 0..10_000 {
            let now = at(1000 * u64::from(number));
            let admitted = sources.admit(addr(number), now).unwrap();
            sources.charge(admitted, 300, now);
        }
        assert_eq!(sources.slots.len(), SLOTS_MIN);
    }
}
