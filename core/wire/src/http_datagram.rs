//! HTTP heads in datagrams: a first line, and fields under it.
//!
//! Source: RFC 9112 section 2, of which local discovery (BEP 14) and SSDP (UPnP Device Architecture,
//! section 1.3) use the look. Lines may end in a bare line feed, and the empty line at the end may be
//! missing: programs send both. Bytes that are no UTF-8 make their field unreadable, and only it.

/// Fields looked at; a datagram has no need of more.
const FIELDS_MAX: usize = 64;

/// The first line, and the name and value of each field; without white space around them.
pub(crate) fn head(datagram: &[u8]) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut lines = datagram
        .split(|&byte| byte == b'\n')
        .map(|line| core::str::from_utf8(line).unwrap_or_default().trim_ascii());
    let first = lines.next().unwrap_or_default();
    let fields = lines.take(FIELDS_MAX).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim_ascii(), value.trim_ascii()))
    });
    (first, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_by_table() {
        for (datagram, first, fields) in [
            (&b"A * B\r\nHost: x:1\r\nempty:\r\n\r\n"[..], "A * B", "Host=x:1 empty="),
            (b"A\nb:c\nno field\n: v\n", "A", "b=c =v"),
            (b"A\r\nbad: \xff\r\nc :  d ", "A", "c=d"),
            (b"", "", ""),
        ] {
            let (got, rest) = head(datagram);
            let rest: Vec<String> = rest.map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((got, rest.join(" ").as_str()), (first, fields));
        }
    }

    #[test]
    fn what_has_too_many_fields_is_read_in_part() {
        assert_eq!(head(&b"a:b\n".repeat(10_000)).1.count(), FIELDS_MAX);
    }
}
