//! Where an HTTP exchange goes next when the reply says "elsewhere".
//!
//! Source: RFC 9110 section 15.4. Exchanges of the HTTP service never follow redirects by
//! themselves, so that each hop passes the policy of core; this function is that policy, shared
//! by tracker announces, scrapes and torrent files fetched by URL.
//!
//! What we do stricter than browsers: only `http` and `https`, never from `https` down to
//! `http` (a passkey must not leave TLS), at most [`HOPS_MAX`] hops, no fragment.

use base::HttpReply;
use url::Url;

/// Most redirects followed in one fetch. Real trackers need one or two; curl's default of 50
/// would let a pair of hosts keep us busy.
pub const HOPS_MAX: u8 = 5;

/// Longest URL that we go to, in bytes: twice the longest tracker URL, since the query of an
/// announce rides along.
pub const HOP_URL_BYTES_MAX: usize = 4 * 1024;

/// Why a redirect is not followed. All are the server's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// A status of redirection without a place to go.
    #[error("redirect with status {status} names no location")]
    NoLocation {
        /// The status code.
        status: u16,
    },
    /// The location is not a URL, not even a relative one.
    #[error("redirect to something that is not a URL")]
    BadLocation,
    /// The location is longer than [`HOP_URL_BYTES_MAX`].
    #[error("redirect to a URL of {length_bytes} bytes, at most {HOP_URL_BYTES_MAX} are allowed")]
    TooLong {
        /// Length of the URL.
        length_bytes: usize,
    },
    /// Another scheme than `http` and `https`.
    #[error("redirect to another scheme than http and https")]
    BadScheme,
    /// To a URL with a user name or password, which we would not send.
    #[error("redirect to a URL with a user name or password")]
    Credentials,
    /// From `https` to `http`.
    #[error("redirect from https down to http")]
    Downgrade,
    /// To the URL that was just asked.
    #[error("redirect to itself")]
    Loop,
    /// One more than [`HOPS_MAX`].
    #[error("more than {HOPS_MAX} redirects")]
    TooMany,
}

/// The URL of the next exchange, or `None` if `reply` is final.
///
/// `from` is the absolute URL that was asked; `hops_so_far` counts the redirects followed before
/// it, 0 at first. A loop over several URLs is ended by the count.
///
/// # Errors
///
/// [`RedirectError`] if the reply wants us to go where we don't.
pub fn next_hop(
    from: &str,
    reply: &HttpReply,
    hops_so_far: u8,
) -> Result<Option<String>, RedirectError> {
    let status = reply.status;
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = reply.location.as_deref().ok_or(RedirectError::NoLocation { status })?;
    if hops_so_far >= HOPS_MAX {
        return Err(RedirectError::TooMany);
    }
    if location.len() > HOP_URL_BYTES_MAX {
        return Err(RedirectError::TooLong { length_bytes: location.len() });
    }
    let (Ok(mut here), Some(mut there)) =
        (Url::parse(from), Url::parse(from).ok().and_then(|base| base.join(location).ok()))
    else {
        return Err(RedirectError::BadLocation);
    };
    here.set_fragment(None);
    there.set_fragment(None);
    match (here.scheme(), there.scheme()) {
        ("https", "http") => return Err(RedirectError::Downgrade),
        (_, "http" | "https") => {}
        (_, _) => return Err(RedirectError::BadScheme),
    }
    let credentials = |url: &Url| (url.username().to_owned(), url.password().map(str::to_owned));
    if credentials(&there) != credentials(&here) && credentials(&there) != (String::new(), None) {
        return Err(RedirectError::Credentials);
    }
    if here == there {
        return Err(RedirectError::Loop);
    }
    // Joining and percent-encoding may lengthen it.
    let next = String::from(there);
    if next.len() > HOP_URL_BYTES_MAX {
        return Err(RedirectError::TooLong { length_bytes: next.len() });
    }
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, status: u16, location: Option<&str>, hops: u8) -> String {
        let reply = HttpReply {
            status,
            location: location.map(str::to_owned),
            content_type: None,
            body: Vec::new(),
        };
        match next_hop(from, &reply, hops) {
            Ok(Some(next)) => next,
            Ok(None) => "final".to_owned(),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn next_hop_by_table() {
        type Case<'a> = (&'a str, u16, Option<&'a str>, u8, &'a str);
        let long = "x".repeat(HOP_URL_BYTES_MAX + 1);
        let swells = " ".repeat(HOP_URL_BYTES_MAX / 2);
        let swells = format!("/{swells}x");
        #[rustfmt::skip]
        let cases: &[Case<'_>] = &[
            ("http://a/x", 200, None, 0, "final"),
            ("http://a/x", 200, Some("http://b/"), 0, "final"),
            ("http://a/x", 304, Some("http://b/"), 0, "final"),
            ("http://a/x", 404, None, 5, "final"),
            ("http://a/x", 301, Some("http://b/y?z=%00"), 0, "http://b/y?z=%00"),
            ("http://a/x", 302, Some("https://a/x"), 0, "https://a/x"),
            ("http://a/x/y?q=1", 303, Some("z"), 0, "http://a/x/z"),
            ("http://a/x/y?q=1", 307, Some("?r=2"), 0, "http://a/x/y?r=2"),
            ("http://a:80/x", 308, Some("//b:8080/"), 4, "http://b:8080/"),
            ("https://a/x", 302, Some("https://b/#top"), 0, "https://b/"),
            ("http://a/x", 302, None, 0, "NoLocation { status: 302 }"),
            ("http://a/x", 302, Some("http://["), 0, "BadLocation"),
            ("nonsense", 302, Some("http://b/"), 0, "BadLocation"),
            ("https://a/x", 302, Some("http://a/x"), 0, "Downgrade"),
            ("https://a/x", 302, Some("HTTP://a/x"), 0, "Downgrade"),
            ("http://a/x", 302, Some("ftp://a/x"), 0, "BadScheme"),
            ("http://a/x", 302, Some("file:///etc/passwd"), 0, "BadScheme"),
            ("http://a/x", 302, Some("udp://a:1/"), 0, "BadScheme"),
            ("http://a/x", 302, Some("data:,d8:intervali1ee"), 0, "BadScheme"),
            ("http://a/x", 302, Some("http://u:p@b/"), 0, "Credentials"),
            ("http://a/x", 302, Some("//u@b/"), 0, "Credentials"),
            ("http://u:p@a/x", 302, Some("http://b/"), 0, "http://b/"),
            ("http://u:p@a/x", 302, Some("/y"), 0, "http://u:p@a/y"),
            ("http://a/x", 302, Some("/x"), 0, "Loop"),
            ("http://a/x#1", 302, Some("http://a:80/x#2"), 0, "Loop"),
            ("http://a/x", 302, Some("http://b/"), 5, "TooMany"),
            ("http://a/x", 302, Some(&long), 0, "TooLong { length_bytes: 4097 }"),
        ];
        for &(from, status, location, hops, want) in cases {
            assert_eq!(hop(from, status, location, hops), want, "{from} {status} {location:?}");
        }
        assert!(hop("http://a/x", 302, Some(&swells), 0).starts_with("TooLong"));
    }

    #[test]
    fn a_circle_ends_by_the_count() {
        let mut at = "http://a/".to_owned();
        let mut hops = 0;
        loop {
            let to = if at == "http://a/" { "http://b/" } else { "http://a/" };
            let next = hop(&at, 302, Some(to), hops);
            if next == "TooMany" {
                break;
            }
            at = next;
            hops += 1;
        }
        assert_eq!(hops, HOPS_MAX);
    }
}
