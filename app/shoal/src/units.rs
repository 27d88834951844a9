//! Sizes, rates, times, ratios and addresses as people write and read them.
//!
//! Source: our own rule: k, M and G are powers of 1024, with or without `B`, `iB` and `/s`. Bits
//! are refused, not guessed: a factor of eight is no detail.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Said of a size that is none.
const OUT_OF_RANGE: &str = "must be at least 1 byte, and below 8 PiB";

/// Parses a number of bytes: `1048576`, `1M`, `1.5 MiB`.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 =
        number.parse().map_err(|_bad| "not a number with a unit, as in 500k or 2M".to_owned())?;
    let factor = match unit.trim() {
        "" | "B" => 1.0,
        "k" | "K" | "kB" | "KB" | "kiB" | "KiB" => 1024.0,
        "m" | "M" | "MB" | "MiB" => 1024.0 * 1024.0,
        "g" | "G" | "GB" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        other => return Err(format!("unit is none of B, k, M and G (bytes, not bits): {other}")),
    };
    let bytes = number * factor;
    if !(1.0..9e15).contains(&bytes) {
        return Err(OUT_OF_RANGE.into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok(bytes as u64)
}

/// Parses a rate in bytes per second: a size, with `/s` if wanted.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let size = text.strip_suffix("/s").or_else(|| text.strip_suffix("ps")).unwrap_or(text);
    match parse_size(size) {
        Err(why) if why == OUT_OF_RANGE => {
            Err("must be at least 1 byte per second; leave the option out for no limit".into())
        }
        result => result,
    }
}

/// Parses a time: `90s`, `30m`, `1h`, `2d`, `1h30m`; a plain number is seconds.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time, as in 90s, 30m, 1h or 1h30m".to_owned();
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut seconds, mut number) = (0_u64, String::new());
    for char in text.trim().chars() {
        let factor = match char {
            '0'..='9' => {
                number.push(char);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_bad| wrong())?;
        let more = count.checked_mul(factor).ok_or_else(wrong)?;
        seconds = seconds.checked_add(more).ok_or_else(wrong)?;
        number.clear();
    }
    if number.is_empty() && !text.trim().is_empty() {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(wrong())
    }
}

/// Parses a ratio of uploaded to total bytes into thousandths: `1`, `1.5`.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_ratio(text: &str) -> Result<u64, String> {
    let ratio: f64 = text.trim().parse().map_err(|_bad| "not a number, as in 1.5".to_owned())?;
    if !(0.0..=1_000_000.0).contains(&ratio) {
        return Err("not between 0 and 1000000".into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    Ok((ratio * 1000.0).round() as u64)
}

/// Parses an IP address with a port.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text.trim().parse().map_err(|_bad| {
        "not an IP address with a port, as in 192.0.2.7:6881 or [2001:db8::7]:6881".to_owned()
    })?;
    if addr.ip().is_multicast() || addr.ip() == Ipv4Addr::BROADCAST {
        return Err("not the address of one machine".into());
    }
    Ok(addr)
}

/// Parses the address of a peer.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_peer(text: &str) -> Result<SocketAddr, String> {
    let addr = parse_addr(text)?;
    if addr.port() == 0 {
        return Err("nobody listens on port 0".into());
    }
    if addr.ip().is_unspecified() {
        return Err("not the address of one machine".into());
    }
    Ok(addr)
}

/// A machine by name or address, and a port.
///
/// # Errors
/// What is wrong, for the user.
pub(crate) fn parse_host(text: &str) -> Result<(String, u16), String> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Ok((addr.ip().to_string(), addr.port()));
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing, as in host:6881")?;
    let port = port.parse().map_err(|_bad| "the port is not a number from 1 to 65535")?;
    let named = host.chars().all(|char| char.is_ascii_alphanumeric() || "-._".contains(char));
    match (host.is_empty() || !named, port) {
        (true, _) => Err("not the name or address of a machine".into()),
        (false, 0) => Err("nobody listens on port 0".into()),
        (false, port) => Ok((host.to_owned(), port)),
    }
}

/// An address as people know it: IPv4 even if the socket was of both families.
pub(crate) fn addr(addr: SocketAddr) -> String {
    SocketAddr::new(addr.ip().to_canonical(), addr.port()).to_string()
}

/// `1.5 GiB`; three digits or so.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "it is rounded to three digits")]
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    // What would be shown as 1024 or more is shown in the next unit.
    while value >= 999.5 {
        let Some(larger) = units.next() else { break };
        (value, unit) = (value / 1024.0, larger);
    }
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `1.5 MiB/s`.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    size(bytes_per_second) + "/s"
}

/// `0.4s`, `42s`, `3m 20s`, `2h 5m`, `3d 4h`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 if time.subsec_millis() >= 50 => format!("{:.1}s", time.as_secs_f64()),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// As [`time`], without tenths: for what counts down.
pub(crate) fn time_whole(time: Duration) -> String {
    self::time(Duration::from_secs(time.as_secs()))
}

/// Thousandths of `part` in `whole`, rounded down so that 1000 means all.
pub(crate) fn per_mille(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 1000;
    }
    let thousandths = u128::from(part) * 1000 / u128::from(whole);
    u64::try_from(thousandths).unwrap_or(1000)
}

/// `43.1 %`, rounded down: only what is complete is 100 %.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let thousandths = per_mille(part, whole);
    if thousandths == 1000 {
        return "100 %".into();
    }
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// `1 piece`, `2 pieces`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Bytes per second over `time`.
pub(crate) fn mean_rate(bytes: u64, time: Duration) -> u64 {
    let ns = time.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_1024_and_bits_are_refused() {
        for (text, expected) in [
            ("1", Some(1)),
            ("1048576", Some(1 << 20)),
            ("500k", Some(500 << 10)),
            ("1.5M", Some(3 << 19)),
            ("2MiB", Some(2 << 20)),
            ("2 MB", Some(2 << 20)),
            ("1G", Some(1 << 30)),
            ("0", None),
            ("-1", None),
            ("1Mb", None),
            ("1Mbit", None),
            ("k", None),
            ("", None),
            ("1e9", None),
            ("1.2.3", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn rates_may_say_per_second() {
        for (text, expected) in [
            ("100k", Some(100 << 10)),
            ("2MB/s", Some(2 << 20)),
            ("1MiB/s", Some(1 << 20)),
            ("0", None),
        ] {
            assert_eq!(parse_rate(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_numbers_with_units() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("1h", Some(3600)),
            ("1h30m", Some(5400)),
            ("2d", Some(172_800)),
            ("45", Some(45)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("1h30", None),
            ("1.5h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_time(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn peers_have_an_address_that_can_be_dialled() {
        for (text, good) in [
            ("192.0.2.7:6881", true),
            ("[::1]:1", true),
            ("192.0.2.7:0", false),
            ("0.0.0.0:6881", false),
            ("[ff02::1]:6881", false),
            ("224.0.0.1:6881", false),
            ("255.255.255.255:1", false),
        ] {
            assert_eq!(parse_peer(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn ratios_become_thousandths() {
        for (text, expected) in
            [("1", Some(1000)), ("1.5", Some(1500)), ("0", Some(0)), ("-1", None), ("NaN", None)]
        {
            assert_eq!(parse_ratio(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_three_digits_or_so() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (102_400, "100 KiB"),
            (1023 * 1024, "1.0 MiB"),
            (3 << 29, "1.5 GiB"),
            (5 << 50, "5120 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn times_are_shown_with_two_units() {
        for (ms, expected) in [
            (400, "0.4s"),
            (3000, "3s"),
            (42_000, "42s"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 5m"),
            (273_600_000, "3d 4h"),
        ] {
            assert_eq!(time(Duration::from_millis(ms)), expected);
        }
    }

    #[test]
    fn only_what_is_complete_is_100_percent() {
        for (part, whole, expected) in
            [(0, 10, "0.0 %"), (999_999, 1_000_000, "99.9 %"), (5, 5, "100 %"), (0, 0, "100 %")]
        {
            assert_eq!(percent(part, whole), expected);
        }
    }
}
