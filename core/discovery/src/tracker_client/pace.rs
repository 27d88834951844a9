//! When a tracker may be asked again.
//!
//! Source: BEP 3 (`interval`, `min interval`), BEP 15 ("do not announce again until interval
//! seconds have passed"), BEP 31 (`retry in`). All functions are pure.

use core::time::Duration;

use base::Rng;

/// Shortest interval we obey, whatever the tracker says: more often than once a minute no
/// tracker's list changes enough to be worth a request.
pub(crate) const INTERVAL_MIN: Duration = Duration::from_secs(60);

/// Longest *regular* interval: trackers forget a peer after about two of their own intervals,
/// and a mistaken one of a year must not make us disappear. A `min interval` above it wins.
pub(crate) const INTERVAL_MAX: Duration = Duration::from_secs(60 * 60);

/// Longest `min interval` and `retry in` that we obey. Beyond a day it is a mistake or malice.
pub(crate) const HOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How soon a torrent that is short of peers may ask again if the tracker named no
/// `min interval`: libtorrent's `min_announce_interval`.
pub(crate) const HUNGRY_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// Shortest wait after a tracker of a private torrent said no: an unknown passkey or a client that
/// is not welcome stays so for a while, and asking at once again looks like an attack.
pub(crate) const REFUSED_HOLD: Duration = Duration::from_secs(5 * 60);

/// Back-off after the first failure; it doubles with each further one in a row.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_secs(15);

/// Longest back-off.
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(60 * 60);

/// The two waits after a good reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Until the next announce if nothing happens.
    pub(crate) regular: Duration,
    /// Until the next announce if the swarm is short of peers. Never above `regular`.
    pub(crate) hungry: Duration,
}

/// What a tracker asked for in a good reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `interval`.
    pub(crate) interval: Duration,
    /// `min interval`.
    pub(crate) min_interval: Option<Duration>,
    /// By BEP 15 the interval is binding; by BEP 3 it is a regular pace.
    pub(crate) binding: bool,
    /// It keeps accounts (private torrents): the interval is obeyed however long, and nothing but
    /// its own `min interval` shortens it.
    pub(crate) strict: bool,
}

/// The waits after a good reply.
pub(crate) fn after_success(asked: Asked) -> Pace {
    let longest = if asked.strict { HOLD_MAX } else { INTERVAL_MAX };
    let interval = asked.interval.clamp(INTERVAL_MIN, longest);
    let least = match asked.min_interval {
        Some(least) => least,
        None if asked.binding || asked.strict => interval,
        None => HUNGRY_DEFAULT.min(interval),
    };
    let hungry = least.clamp(INTERVAL_MIN, HOLD_MAX);
    Pace { regular: interval.max(hungry), hungry }
}

/// The wait after the failure number `failures` (1 for the first) in a row: 15 s · 2ⁿ up to an
/// hour, ± 1/8 so that torrents that failed together don't come back together.
///
/// `retry_in` is what the tracker asked for (BEP 31); the wait is never shorter.
pub(crate) fn after_failure(failures: u32, retry_in: Option<Duration>, rng: &mut Rng) -> Duration {
    assert!(failures > 0, "a back-off follows a failure");
    // 2⁸ · 15 s is above the hour.
    let doubled = BACK_OFF_FIRST * (1 << (failures - 1).min(8));
    let centre = doubled.min(BACK_OFF_MAX);
    let spread_ms = u32::try_from(centre.as_millis() / 4).expect("a quarter of an hour fits");
    let jittered = centre * 7 / 8 + Duration::from_millis(u64::from(rng.below(spread_ms)));
    jittered.min(BACK_OFF_MAX).max(retry_in.unwrap_or_default().min(HOLD_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_after_a_good_reply_by_table() {
        const H: u64 = 3600;
        // (interval, min interval, how it binds) → (regular, hungry), in seconds. `-` is HTTP, `b`
        // is UDP, `s` is a private torrent.
        type Row = (u64, Option<u64>, char, u64, u64);
        #[rustfmt::skip]
        let cases: &[Row] = &[
            (1800, None, '-', 1800, 300),
            (1800, Some(900), '-', 1800, 900),
            (1800, None, 'b', 1800, 1800),
            (120, None, '-', 120, 120),
            (0, None, '-', 60, 60),
            (0, Some(0), '-', 60, 60),
            (5, None, 'b', 60, 60),
            (7200, None, '-', H, 300),
            (7200, Some(7200), '-', 7200, 7200),
            (60, Some(1800), '-', 1800, 1800),
            (u64::MAX, Some(u64::MAX), '-', 24 * H, 24 * H),
            (u64::MAX, None, 'b', H, H),
            (1800, None, 's', 1800, 1800),
            (1800, Some(900), 's', 1800, 900),
            (7200, None, 's', 7200, 7200),
            (7200, Some(300), 's', 7200, 300),
            (5, Some(5), 's', 60, 60),
            (u64::MAX, None, 's', 24 * H, 24 * H),
        ];
        for &(interval, min_interval, how, regular, hungry) in cases {
            let asked = Asked {
                interval: Duration::from_secs(interval),
                min_interval: min_interval.map(Duration::from_secs),
                binding: how == 'b',
                strict: how == 's',
            };
            let pace = after_success(asked);
            assert_eq!(pace.regular, Duration::from_secs(regular), "{asked:?}");
            assert_eq!(pace.hungry, Duration::from_secs(hungry), "{asked:?}");
        }
    }

    #[test]
    fn back_off_doubles_with_jitter_up_to_an_hour() {
        let mut rng = Rng::from_seed(1);
        for failures in 1..100 {
            let centre = (15.0 * 2f64.powi(failures - 1)).min(3600.0);
            let failures = u32::try_from(failures).unwrap();
            for _ in 0..50 {
                let wait = after_failure(failures, None, &mut rng).as_secs_f64();
                assert!(wait >= centre * 0.874, "{failures}: {wait}");
                assert!(wait <= (centre * 1.126).min(3600.0), "{failures}: {wait}");
            }
        }
    }

    #[test]
    fn retry_in_is_a_lower_bound_of_at_most_a_day() {
        let mut rng = Rng::from_seed(2);
        let mut wait =
            |failures, s| after_failure(failures, Some(Duration::from_secs(s)), &mut rng);
        assert_eq!(wait(1, 600), Duration::from_secs(600));
        assert!(wait(9, 600) > Duration::from_secs(3000));
        assert_eq!(wait(1, u64::MAX), HOLD_MAX);
    }
}
