//! What core asks of the HTTP and DNS services, and what comes back.
//!
//! One exchange per effect: no redirects followed, no retries, no cookies, no cache. Policy
//! (whom to talk to, how often, which hop next) stays in core; the service opens its sockets
//! through the one factory, with the purpose.

use core::time::Duration;
use std::net::IpAddr;

use crate::ExchangeId;

/// Why a socket is opened. The factory routes by it (interface, proxy, kill switch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Peer connections, in and out.
    Peer,
    /// Announces and scrapes.
    Tracker,
    /// A torrent file fetched by URL.
    Metainfo,
    /// Name resolution for one of the others.
    Dns,
    /// Peers of the local network (BEP 14).
    LocalDiscovery,
    /// The router, asked for a port.
    PortMapping,
    /// Nodes of the chains that money lives on.
    Chain,
}

/// Which address family an exchange is bound to. BEP 7: announce over each one that we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Whichever connects, in the order the resolver gives.
    Any,
}

/// What is sent with a request that is a POST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpPost {
    /// Header fields besides those that every request has, by name and value. Of our own making:
    /// what a stranger chose does not belong here.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// One HTTP GET or POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Names the exchange in the reply and in a cancellation.
    pub id: ExchangeId,
    /// Why.
    pub purpose: Purpose,
    /// Absolute `http://` or `https://` URL, query included.
    pub url: String,
    /// Address family to connect over.
    pub family: Family,
    /// Time for the whole exchange: resolve, connect, TLS, request and body.
    pub timeout: Duration,
    /// Longest body accepted; beyond it the exchange fails with [`HttpError::TooLarge`].
    pub body_bytes_max: u32,
    /// Makes it a POST.
    pub post: Option<HttpPost>,
}

/// A reply with any status, redirects included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// The `Location` header, as sent.
    pub location: Option<String>,
    /// The `Content-Type` header, as sent.
    pub content_type: Option<String>,
    /// The body, after content decoding if any was needed.
    pub body: Vec<u8>,
}

/// Why no reply came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The URL is not one that we can fetch.
    BadUrl,
    /// The name has no address (of this family).
    NoAddress,
    /// Nobody listens there, or the way is closed: what the system said.
    Connect(String),
    /// The TLS handshake failed: what the library said.
    Tls(String),
    /// The other side does not speak HTTP, or hung up in the middle.
    Protocol(String),
    /// The body is longer than the bound.
    TooLarge,
    /// The time is up.
    Timeout,
}

impl core::fmt::Display for HttpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadUrl => f.write_str("not an http or https URL"),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::Connect(why) => write!(f, "cannot connect: {why}"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::Protocol(why) => write!(f, "not a good HTTP reply: {why}"),
            Self::TooLarge => f.write_str("the reply is too large"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}

/// One name to resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveRequest {
    /// Names the query in the answer.
    pub id: ExchangeId,
    /// For whom.
    pub purpose: Purpose,
    /// A host name (never an address literal).
    pub host: String,
    /// Time for the whole query.
    pub timeout: Duration,
}

/// What a name resolved to; empty when it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The query.
    pub id: ExchangeId,
    /// At most 16 addresses, in the resolver's order.
    pub addrs: Vec<IpAddr>,
}
