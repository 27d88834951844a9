//! URLs without what may be a secret in them.
//!
//! Source: docs/private-trackers.md. The announce URL of a private tracker carries a passkey: who
//! knows it can spend its owner's account. Lines of ours end up in logs and in questions on forums.
//! So no URL of a tracker is ever shown as it is, private torrent or not: many a torrent with a
//! passkey lacks the flag. Trackers also repeat the passkey in their refusals ([`text`]).

use wire::printable;

/// Paths that everybody's tracker has.
const PLAIN_PATHS: [&str; 5] = ["", "/", "/announce", "/announce.php", "/scrape"];

/// What stands for what is left out.
const HIDDEN: &str = "…";

/// Shortest part of a URL that is looked for in texts: shorter ones are words.
const SECRET_CHARS_MIN: usize = 6;

/// Longest result.
const CHARS_MAX: usize = 300;

/// A URL in parts, as they stand there: it may be no URL at all.
struct Parts<'a> {
    /// With `://`; empty if there is none.
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
    /// Without `?` or `#`.
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let (scheme, rest) = match url.find("://") {
            Some(at) => url.split_at(at + 3),
            None => ("", url),
        };
        let (before, query) = match rest.find(['?', '#']) {
            Some(at) => (rest.get(..at), rest.get(at + 1..)),
            None => (Some(rest), None),
        };
        let before = before.unwrap_or_default();
        let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
        // `user:password@` before the host.
        let host = authority.rsplit('@').next().unwrap_or_default();
        Self { scheme, host, path, query }
    }

    fn show(&self, path: &str) -> String {
        let query = if self.query.is_some() { "?…" } else { "" };
        fit(&format!("{}{}{path}{query}", self.scheme, self.host), CHARS_MAX)
    }
}

/// A tracker for people: scheme and host.
pub(crate) fn host(url: &str) -> String {
    let parts = Parts::of(url);
    fit(&format!("{}{}", parts.scheme, parts.host), 100)
}

/// At most so many characters. What would act on a terminal leaves a mark, since links with it are
/// refused for it.
fn fit(url: &str, chars_max: usize) -> String {
    printable(wire::visible(url).as_bytes(), chars_max)
}

/// A text, such as a line of a log, whose URLs are cut down to scheme and host.
pub(crate) fn urls(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, from) = rest.split_at(at);
        let ends = |c: char| c.is_whitespace() || "\"'<>".contains(c);
        let end = from.find(ends).unwrap_or(from.len());
        let url = from.get(..end).unwrap_or_default().trim_end_matches([',', ';', '.', ':']);
        let next = from.get(url.len()..).unwrap_or_default();
        let parts = Parts::of(url);
        let more = parts.path.len() > 1 || parts.query.is_some_and(|query| !query.is_empty());
        let end = if more { "/…" } else { "" };
        kept.extend([before, &host(url), end]);
        rest = next;
    }
    kept + rest
}

/// A tracker for programs: scheme, host, and the path if everybody has it.
pub(crate) fn tracker(url: &str) -> String {
    let parts = Parts::of(url);
    let plain = PLAIN_PATHS.contains(&parts.path);
    parts.show(if plain { parts.path } else { "/…" })
}

/// A link to a file: without its query and whatever in its path looks drawn by lot.
pub(crate) fn link(url: &str) -> String {
    let parts = Parts::of(url);
    let path: Vec<&str> = parts
        .path
        .split('/')
        .map(|part| if part.split(['.', '-', '_']).any(is_random) { HIDDEN } else { part })
        .collect();
    parts.show(&path.join("/"))
}

/// Letters and digits mixed, and many of them: no word.
fn is_random(part: &str) -> bool {
    part.len() >= 12
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A text of the tracker at `url` without what it repeats of the URL.
pub(crate) fn text(text: &str, url: &str) -> String {
    let parts = Parts::of(url);
    let query = parts.query.unwrap_or_default();
    let pieces = parts.path.split(['/', '.']).chain(query.split(['&', '=', ';', '#', '/']));
    let mut secrets: Vec<&str> = pieces
        .filter(|piece| piece.chars().count() >= SECRET_CHARS_MIN)
        .filter(|piece| !["announce", "passkey", "authkey", "torrent_pass"].contains(piece))
        .collect();
    // Of two, the one that holds the other goes first.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trackers_by_table() {
        #[rustfmt::skip]
        let cases = [
            ("http://t.example.org:80/announce?passkey=abc", "http://t.example.org:80", "http://t.example.org:80/announce?…"),
            ("https://t.example.org/0123456789abcdef/announce", "https://t.example.org", "https://t.example.org/…"),
            ("https://t.example.org/announce.php#x", "https://t.example.org", "https://t.example.org/announce.php?…"),
            ("udp://t.example.org:6969", "udp://t.example.org:6969", "udp://t.example.org:6969"),
            ("udp://t.example.org:6969/announce", "udp://t.example.org:6969", "udp://t.example.org:6969/announce"),
            ("http://me:secret@t.example.org/announce", "http://t.example.org", "http://t.example.org/announce"),
            ("http://[2001:db8::1]:81/a?b@c", "http://[2001:db8::1]:81", "http://[2001:db8::1]:81/…?…"),
            ("http://t?passkey=abc/def", "http://t", "http://t?…"),
            ("nonsense", "nonsense", "nonsense"),
            ("htp:/t/secret", "htp:", "htp:/…"),
            ("http://\x1b[31m/", "http://\u{fffd}[31m", "http://\u{fffd}[31m/"),
        ];
        for (url, people, programs) in cases {
            assert_eq!(host(url), people, "{url}");
            assert_eq!(tracker(url), programs, "{url}");
        }
    }

    #[test]
    fn of_urls_in_a_text_only_scheme_and_host_are_kept() {
        for (text, expected) in [
            ("http://t.example.org:80/abc/announce?passkey=s3cret", "http://t.example.org:80/…"),
            ("x http://a/ and https://u:p@b/key, c", "x http://a and https://b/…, c"),
            ("udp://t.example.org:6969", "udp://t.example.org:6969"),
            ("no url: // here ://: x", "no url: // here ://: x"),
            ("cannot fetch http://a/s3cret: refused", "cannot fetch http://a/…: refused"),
            ("\"http://a/secret\" http://b?k", "\"http://a/…\" http://b/…"),
        ] {
            assert_eq!(urls(text), expected);
        }
    }

    #[test]
    fn links_by_table() {
        for (url, expected) in [
            (
                "https://example.org/iso/debian-12.torrent",
                "https://example.org/iso/debian-12.torrent",
            ),
            ("https://example.org/dl.php?id=1&key=a", "https://example.org/dl.php?…"),
            ("https://example.org/get/7.0123456789abcdef", "https://example.org/get/…"),
            ("https://u:p@example.org/x.torrent", "https://example.org/x.torrent"),
        ] {
            assert_eq!(link(url), expected);
        }
    }

    #[test]
    fn a_tracker_that_repeats_the_passkey_is_cut_short() {
        for (url, said, expected) in [
            (
                "http://t/announce?passkey=s3cr3tkey",
                "unknown passkey s3cr3tkey!",
                "unknown passkey …!",
            ),
            ("http://t/s3cr3tkey/announce", "no such user: s3cr3tkey", "no such user: …"),
            (
                "http://t/announce.php?pk=1",
                "announce again in 1 minute",
                "announce again in 1 minute",
            ),
            ("http://t/abcdefgh/abcdefghij", "abcdefghij", "…"),
        ] {
            assert_eq!(text(said, url), expected, "{url}");
        }
    }
}
