//! How many requests to keep open at one peer.
//!
//! Source: BEP 3 asks for several requests in flight and leaves the number open. A fixed number
//! caps the rate at number × 16 KiB / round trip, so the number follows the bandwidth-delay
//! product: while the rate grows, the depth grows with every block (as TCP's slow start does);
//! then it is what the peer delivers in two round trips and [`STANDING`] more, which hides
//! the peer's disk and our own scheduling.
//!
//! BEP 10's `reqq` says how many requests the peer queues; we never exceed it.

use core::time::Duration;

use base::{BLOCK_BYTES, Instant};

/// Depth before anything is known.
const DEPTH_START: u32 = 16;
/// Least depth: two requests keep a slow line busy.
const DEPTH_MIN: u32 = 4;
/// Depth for a peer that does not tell its queue length; libtorrent's default queue.
const DEPTH_UNTOLD_MAX: u32 = 500;
/// Most depth ever: 32 MiB under way, which fills 1 Gbit/s at 250 ms.
pub const DEPTH_MAX: u32 = 2048;
/// Requests queued at the peer beyond two round trips, as time at the current rate.
const STANDING: Duration = Duration::from_millis(500);
/// How often the rate is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Pipeline {
    depth: u32,
    depth_max: u32,
    slow_start: bool,
    window_began: Option<Instant>,
    window_bytes: u64,
    /// Bytes per second in the last window.
    rate: u64,
    rtt: Option<Duration>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            depth: DEPTH_START,
            depth_max: DEPTH_UNTOLD_MAX,
            slow_start: true,
            window_began: None,
            window_bytes: 0,
            rate: 0,
            rtt: None,
        }
    }
}

impl Pipeline {
    /// How many requests may be open.
    pub fn depth(&self) -> u32 {
        self.depth.clamp(1, self.depth_max)
    }

    /// The peer told its queue length.
    pub fn on_reqq(&mut self, reqq: u32) {
        self.depth_max = reqq.clamp(1, DEPTH_MAX);
    }

    /// A request was answered by its first block after `elapsed` with nothing before it in the
    /// peer's queue.
    pub fn on_round_trip(&mut self, elapsed: Duration) {
        self.rtt = Some(self.rtt.map_or(elapsed, |rtt| rtt.min(elapsed)));
    }

    /// A block of `length_bytes` arrived.
    pub fn on_block(&mut self, length_bytes: u32, now: Instant) {
        let began = *self.window_began.get_or_insert(now);
        self.window_bytes += u64::from(length_bytes);
        if self.slow_start {
            self.depth = (self.depth + 1).min(DEPTH_MAX);
        }
        let elapsed = now.saturating_since(began);
        if elapsed >= WINDOW {
            self.end_window(elapsed, now);
        }
    }

    fn end_window(&mut self, elapsed: Duration, now: Instant) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = self.window_bytes.saturating_mul(1000) / millis;
        // Not a tenth faster with a deeper queue: the line is full.
        if self.slow_start && rate < self.rate + self.rate / 10 {
            self.slow_start = false;
        }
        self.rate = rate;
        self.window_began = Some(now);
        self.window_bytes = 0;
        if !self.slow_start {
            self.depth = depth_for(rate, self.rtt.unwrap_or_default());
        }
    }

    /// The peer fell silent: ask little until it answers again.
    pub fn on_snubbed(&mut self) {
        *self = Self { depth_max: self.depth_max, rtt: self.rtt, depth: 1, ..Self::default() };
    }

    /// The peer choked us: nothing is known of its rate when it comes back.
    pub fn on_choked(&mut self) {
        self.window_began = None;
        self.window_bytes = 0;
    }
}

/// Requests that keep a peer of `rate` bytes per second busy.
fn depth_for(rate: u64, rtt: Duration) -> u32 {
    let ahead_ms = u64::try_from((2 * rtt + STANDING).as_millis()).unwrap_or(u64::MAX);
    let blocks = rate.saturating_mul(ahead_ms) / 1000 / u64::from(BLOCK_BYTES);
    u32::try_from(blocks).unwrap_or(DEPTH_MAX).clamp(DEPTH_MIN, DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `rate` bytes/s and `rtt`, driven for `seconds`: bytes delivered in the last one.
    fn last_second(rate: u64, rtt_ms: u64, reqq: Option<u32>, seconds: u64) -> u64 {
        let mut pipeline = Pipeline::default();
        if let Some(reqq) = reqq {
            pipeline.on_reqq(reqq);
        }
        let rtt = Duration::from_millis(rtt_ms);
        let block_time = Duration::from_nanos(u64::from(BLOCK_BYTES) * 1_000_000_000 / rate);
        let mut arrivals = std::collections::VecDeque::new();
        let (mut now, mut line_free, mut delivered) = (Instant::START, Instant::START, 0);
        let end = Instant::START.after(Duration::from_secs(seconds));
        let last = Instant::START.after(Duration::from_secs(seconds - 1));
        loop {
            while arrivals.len() < pipeline.depth() as usize {
                line_free = line_free.max(now.after(rtt)).after(block_time);
                arrivals.push_back((line_free, now));
            }
            let (at, asked) = arrivals.pop_front().unwrap();
            now = at;
            if now >= end {
                return delivered;
            }
            if now >= last {
                delivered += u64::from(BLOCK_BYTES);
            }
            pipeline.on_round_trip(now.since(asked));
            pipeline.on_block(BLOCK_BYTES, now);
        }
    }

    #[test]
    fn a_long_fat_path_is_filled() {
        const MIB: u64 = 1 << 20;
        for (rate, rtt_ms, reqq) in [
            (MIB, 10, None),
            (20 * MIB, 100, None),
            (60 * MIB, 100, None),
            (100 * MIB, 200, Some(2000)),
        ] {
            let got = last_second(rate, rtt_ms, reqq, 8);
            assert!(got * 100 >= rate * 90, "{got} of {rate} bytes/s at {rtt_ms} ms");
        }
    }

    #[test]
    fn depth_never_exceeds_what_the_peer_queues() {
        let mut pipeline = Pipeline::default();
        pipeline.on_reqq(10);
        for _ in 0..1000 {
            pipeline.on_block(BLOCK_BYTES, Instant::START);
        }
        assert_eq!(pipeline.depth(), 10);
    }

    #[test]
    fn a_slow_peer_is_asked_for_half_a_second_at_most() {
        assert_eq!(depth_for(160 * 1024, Duration::ZERO), 5);
        assert_eq!(depth_for(0, Duration::ZERO), DEPTH_MIN);
    }
}
