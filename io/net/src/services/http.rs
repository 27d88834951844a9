//! One HTTP GET or POST: resolve, connect, perhaps TLS, ask, read, close.
//!
//! Source: RFC 9110 and RFC 9112 by `hyper`. No redirect is followed, nothing is retried, kept
//! alive or remembered: that is policy, and core has it. Replies in HTTP/1.0, chunked, or ended
//! by the close are all fine; HTTP/0.9 is not.
//! What we do differently: we ask for no content coding and refuse one that comes unasked, since
//! a bound on the body must count the bytes that core gets.

use base::{HttpError, HttpPost, HttpReply, HttpRequest};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, LOCATION,
    USER_AGENT,
};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::{Worker, connect, with_causes};

/// Longest URL that we send, in bytes. Servers refuse beyond 8 KiB or less.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Longest reply head that we read, in bytes: twice what common servers and proxies allow.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Carries out one exchange within its time.
pub(super) async fn exchange(
    worker: &Worker,
    request: &HttpRequest,
) -> Result<HttpReply, HttpError> {
    tokio::time::timeout(request.timeout, exchange_untimed(worker, request))
        .await
        .unwrap_or(Err(HttpError::Timeout))
}

async fn exchange_untimed(worker: &Worker, request: &HttpRequest) -> Result<HttpReply, HttpError> {
    let target = Target::parse(&request.url).ok_or(HttpError::BadUrl)?;
    let addrs = worker.dns.addresses(&target.host, request.family).await;
    if addrs.is_empty() {
        return Err(HttpError::NoAddress);
    }
    let stream = connect::connect_any(&worker.factory, request.purpose, addrs, target.port).await?;
    if target.is_https {
        let stream = worker.tls.wrap(&target.host, stream).await?;
        talk(stream, target, request.post.as_ref(), request.body_bytes_max).await
    } else {
        talk(stream, target, request.post.as_ref(), request.body_bytes_max).await
    }
}

/// A URL taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    is_https: bool,
    host: url::Host<String>,
    port: u16,
    /// The `Host` header: with the port unless it is the scheme's own.
    authority: String,
    /// Path and query.
    path: Uri,
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > URL_BYTES_MAX {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let is_https = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = url.host()?.to_owned();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Some(Self {
            is_https,
            host,
            port: url.port_or_known_default()?,
            authority,
            path: path.parse().ok()?,
        })
    }
}

async fn talk<S>(
    stream: S,
    target: Target,
    post: Option<&HttpPost>,
    body_bytes_max: u32,
) -> Result<HttpReply, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let method = if post.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .uri(target.path)
        .header(HOST, target.authority)
        .header(USER_AGENT, base::client::AGENT)
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    for (name, value) in post.iter().flat_map(|post| &post.headers) {
        request = request.header(*name, value);
    }
    // The length of an empty body is not told with a GET.
    let body = post.map(|post| Bytes::from(post.body.clone())).unwrap_or_default();
    let request =
        request.body(Full::new(body)).map_err(|error| HttpError::Protocol(with_causes(&error)))?;
    // Names of headers in capitals: case is free by RFC 9110, but not to every old tracker.
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(protocol)?;
    let asking = async move {
        let reply = sender.send_request(request).await.map_err(protocol)?;
        read_reply(reply, body_bytes_max).await
    };
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        reply = &mut asking => reply,
        // The connection may end first; why, and what was read of it, `asking` gets from it.
        _ended = connection => asking.await,
    }
}

async fn read_reply(
    reply: Response<Incoming>,
    body_bytes_max: u32,
) -> Result<HttpReply, HttpError> {
    let header = |name: HeaderName| {
        reply
            .headers()
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let status = reply.status();
    let (location, content_type) = (header(LOCATION), header(CONTENT_TYPE));
    if let Some(coding) = header(CONTENT_ENCODING)
        && !coding.eq_ignore_ascii_case("identity")
        && status.is_success()
    {
        return Err(HttpError::Protocol(format!(
            "content coding that we did not ask for: {coding}"
        )));
    }
    let body = read_body(reply.into_body(), u64::from(body_bytes_max)).await?;
    Ok(HttpReply { status: status.as_u16(), location, content_type, body })
}

/// Memory grows with what arrives, not with what is announced.
async fn read_body(mut incoming: Incoming, bytes_max: u64) -> Result<Vec<u8>, HttpError> {
    if incoming.size_hint().lower() > bytes_max {
        return Err(HttpError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        // Trailers are read and forgotten.
        let Ok(data) = frame.map_err(protocol)?.into_data() else { continue };
        if (body.len() + data.len()) as u64 > bytes_max {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&data);
    }
    Ok(body)
}

/// By-value, to stand in `map_err`.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn protocol(error: hyper::Error) -> HttpError {
    HttpError::Protocol(with_causes(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_browsers_do() {
        for (url, authority, port, path) in [
            ("http://a.example", "a.example", 80, "/"),
            ("https://a.example/x?y=%aa%2F", "a.example", 443, "/x?y=%aa%2F"),
            ("http://a.example:6969/announce?", "a.example:6969", 6969, "/announce?"),
            ("http://[2001:db8::1]:81/", "[2001:db8::1]:81", 81, "/"),
            ("http://BÜCHER.example/é", "xn--bcher-kva.example", 80, "/%C3%A9"),
            ("http://u:p@a.example:80/a b#c", "a.example", 80, "/a%20b"),
            ("http://a.example/{a}|^[b]\"'", "a.example", 80, "/%7Ba%7D|^[b]%22'"),
        ] {
            let target = Target::parse(url).expect(url);
            assert_eq!(target.authority, authority, "{url}");
            assert_eq!(target.port, port, "{url}");
            assert_eq!(target.path.to_string(), path, "{url}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for url in ["", "a.example", "udp://a.example:80", "ftp://a.example/", "http://", "http:"] {
            assert_eq!(Target::parse(url), None, "{url}");
        }
        assert_eq!(Target::parse(&format!("http://a/{}", "a".repeat(URL_BYTES_MAX))), None);
    }
}
