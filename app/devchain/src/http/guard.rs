//! Who may ask: programs of this machine, and the pages that this server gave them.
//!
//! Source: own. A page from elsewhere runs in a browser of this machine and can reach loopback, too. It
//! gives itself away: by an `Origin` that is not ours, by the browser's own `Sec-Fetch-Site`, or, if its
//! name was made to point at this machine (DNS rebinding), by a `Host` that is a name. Programs such as
//! `tronweb` in Node send none of these. Whoever wants a page of his own to be let in names its
//! origin when the server starts.

use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, Uri};

/// The explorer's files, which anybody may be shown.
const PAGES: [&str; 4] = ["/", "/explorer.css", "/explorer.js", "/favicon.svg"];

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// It was sent to a name, not to this machine.
    Host,
    /// A page of another origin sent it.
    Origin,
}

impl Stranger {
    /// What to tell.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Host => {
                "this node answers to localhost and to addresses only, not to names: a name can be \
                 made to point here by anybody"
            }
            Self::Origin => {
                "a page of another origin may not use this node; start it with --allow-origin if it \
                 should"
            }
        }
    }
}

/// What the browser is to be told of a page that was named.
pub(super) fn allowed<'a>(
    headers: &HeaderMap,
    named: &'a [HeaderValue],
) -> Option<&'a HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    named.iter().find(|named| *named == origin)
}

/// Judges a request by its headers.
pub(super) fn judge(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    named: &[HeaderValue],
) -> Result<(), Stranger> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/1.0 has no Host, and a request may carry the whole URL instead.
    let host = host.or(uri.authority().map(Authority::as_str));
    if host.is_some_and(|host| !is_this_machine(host)) {
        return Err(Stranger::Host);
    }
    if allowed(headers, named).is_some() {
        return Ok(());
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let ours = host.is_some_and(|host| {
            origin.split_once("://").is_some_and(|(_, place)| place.eq_ignore_ascii_case(host))
        });
        return if ours { Ok(()) } else { Err(Stranger::Origin) };
    }
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    // A link to the explorer may be followed from anywhere; that only shows it. Anything else that a
    // link can ask for may be work, or a broadcast.
    let is_visit = *method == Method::GET
        && PAGES.contains(&uri.path())
        && headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    match site {
        Some("cross-site" | "same-site") if !is_visit => Err(Stranger::Origin),
        _ => Ok(()),
    }
}

/// Whether a `Host` is an address or a name that no DNS is asked for.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((inner, _port)) = rest.split_once(']') else { return false };
            return inner.parse::<std::net::Ipv6Addr>().is_ok();
        }
        None => host.split_once(':').map_or(host, |(name, _port)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[(&'static str, &'static str)], method: &Method) -> Result<(), Stranger> {
        judged_at("/wallet/getnowblock", lines, method)
    }

    fn judged_at(
        path: &'static str,
        lines: &[(&'static str, &'static str)],
        method: &Method,
    ) -> Result<(), Stranger> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        let named = [HeaderValue::from_static("http://localhost:3000")];
        judge(method, &Uri::from_static(path), &headers, &named)
    }

    #[test]
    fn names_that_anybody_can_point_here_are_refused() {
        for (host, result) in [
            ("127.0.0.1:9090", Ok(())),
            ("localhost", Ok(())),
            ("node.localhost:9090", Ok(())),
            ("[::1]:9090", Ok(())),
            ("192.168.1.2:9090", Ok(())),
            ("evil.example:9090", Err(Stranger::Host)),
            ("localhost.evil.example", Err(Stranger::Host)),
            ("127.0.0.1.evil.example", Err(Stranger::Host)),
            ("[evil]", Err(Stranger::Host)),
            ("", Err(Stranger::Host)),
        ] {
            assert_eq!(judged(&[("host", host)], &Method::POST), result, "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_named() {
        let host = ("host", "127.0.0.1:9090");
        for (origin, result) in [
            ("http://127.0.0.1:9090", Ok(())),
            ("http://localhost:3000", Ok(())),
            ("http://localhost:3001", Err(Stranger::Origin)),
            ("https://evil.example", Err(Stranger::Origin)),
            ("null", Err(Stranger::Origin)),
        ] {
            assert_eq!(judged(&[host, ("origin", origin)], &Method::POST), result, "{origin}");
        }
    }

    #[test]
    fn pages_that_hide_their_origin_are_refused_and_links_to_the_explorer_are_not() {
        let host = ("host", "127.0.0.1:9090");
        let site = ("sec-fetch-site", "cross-site");
        let visit = ("sec-fetch-mode", "navigate");
        assert_eq!(judged(&[host, site], &Method::GET), Err(Stranger::Origin));
        for path in PAGES {
            assert_eq!(judged_at(path, &[host, site, visit], &Method::GET), Ok(()), "{path}");
        }
        for path in ["/wallet/broadcasthex?transaction=00", "/v1/blocks/latest/events", "//"] {
            let judged = judged_at(path, &[host, site, visit], &Method::GET);
            assert_eq!(judged, Err(Stranger::Origin), "{path}");
        }
        assert_eq!(judged(&[host, site, visit], &Method::POST), Err(Stranger::Origin));
        assert_eq!(judged(&[host, ("sec-fetch-site", "same-origin")], &Method::GET), Ok(()));
    }
}
