//! Moments as people write them, in UTC.

/// Year, month, day, hour, minute and second of a moment in seconds since 1970; `None` for years
/// of more than four digits. Source: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
fn parts(seconds: i64) -> Option<[i64; 6]> {
    let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    if !(-719_468..2_932_897).contains(&days) {
        return None;
    }
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some([year, month, day, second / 3600, second / 60 % 60, second % 60])
}

/// `2024-02-29 12:30:05 UTC`.
pub(crate) fn date(seconds: i64) -> String {
    match parts(seconds) {
        Some([year, month, day, hour, minute, second]) => {
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
        }
        // Whoever writes a year of more than four digits means nothing by it.
        None => format!("{seconds} seconds after 1970"),
    }
}

/// `2024-02-29T12:30:05.123Z` (RFC 3339).
pub(crate) fn stamp(seconds: i64, millis: u32) -> String {
    let [year, month, day, hour, minute, second] = parts(seconds).unwrap_or_default();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (i64::MAX, "9223372036854775807 seconds after 1970"),
        ] {
            assert_eq!(date(seconds), expected);
        }
        assert_eq!(stamp(951_827_696, 7), "2000-02-29T12:34:56.007Z");
    }
}
