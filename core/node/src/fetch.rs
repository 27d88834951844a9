//! Fetching a torrent file by URL.
//!
//! Source: architecture rule 10: one exchange per effect, redirects hop by hop, by our policy.

use core::time::Duration;

use base::{ExchangeId, Family, HttpError, HttpReply, HttpRequest, Purpose};
use discovery::redirect;

/// Longest torrent file fetched, in bytes: what the decoder accepts.
const FILE_BYTES_MAX: u32 = 64 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

/// One fetch.
#[derive(Debug)]
pub struct Fetch {
    url: String,
    hops: u8,
    exchange: u64,
}

/// How a fetch goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Run this exchange and call [`Fetch::on_http`].
    Http(HttpRequest),
    /// This is the file, not yet looked at.
    Done(Vec<u8>),
    /// There is no file to be had: why.
    Failed(String),
}

impl Fetch {
    /// Starts. `exchange` names its first exchange; each hop takes the next number.
    pub fn new(url: String, exchange: ExchangeId) -> (Self, Step) {
        let fetch = Self { url, hops: 0, exchange: exchange.0 };
        let step = Step::Http(fetch.request());
        (fetch, step)
    }

    fn request(&self) -> HttpRequest {
        HttpRequest {
            id: ExchangeId(self.exchange),
            purpose: Purpose::Metainfo,
            url: self.url.clone(),
            family: Family::Any,
            timeout: TIMEOUT,
            body_bytes_max: FILE_BYTES_MAX,
            post: None,
        }
    }

    /// Whether the end of this exchange is for [`Self::on_http`].
    pub fn awaits(&self, id: ExchangeId) -> bool {
        id.0 == self.exchange
    }

    /// The exchange ended.
    pub fn on_http(&mut self, result: Result<HttpReply, HttpError>) -> Step {
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => return Step::Failed(error.to_string()),
        };
        match redirect::next_hop(&self.url, &reply, self.hops) {
            Err(error) => Step::Failed(error.to_string()),
            Ok(Some(url)) => {
                self.url = url;
                self.hops += 1;
                self.exchange += 1;
                Step::Http(self.request())
            }
            Ok(None) if reply.status == 200 => Step::Done(reply.body),
            Ok(None) => Step::Failed(format!("the server answered with status {}", reply.status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, location: Option<&str>) -> Result<HttpReply, HttpError> {
        Ok(HttpReply {
            status,
            location: location.map(Into::into),
            content_type: None,
            body: b"d4:infoe".to_vec(),
        })
    }

    #[test]
    fn redirects_are_followed_hop_by_hop_and_a_ring_ends() {
        let (mut fetch, Step::Http(first)) = Fetch::new("http://a.example/x".into(), ExchangeId(7))
        else {
            panic!("it starts with an exchange");
        };
        assert_eq!((first.url.as_str(), first.id), ("http://a.example/x", ExchangeId(7)));
        let Step::Http(second) = fetch.on_http(reply(302, Some("/y"))) else { panic!("a hop") };
        assert_eq!((second.url.as_str(), second.id), ("http://a.example/y", ExchangeId(8)));
        assert_eq!(fetch.on_http(reply(200, None)), Step::Done(b"d4:infoe".to_vec()));

        let (mut ring, _) = Fetch::new("http://a.example/0".into(), ExchangeId(0));
        let end = (0..20)
            .map(|n| ring.on_http(reply(302, Some(if n % 2 == 0 { "/1" } else { "/0" }))))
            .find(|step| !matches!(step, Step::Http(_)));
        assert!(matches!(end, Some(Step::Failed(_))), "{end:?}");
    }

    #[test]
    fn an_error_page_is_not_a_torrent() {
        let (mut fetch, _) = Fetch::new("http://a.example/x".into(), ExchangeId(0));
        assert_eq!(
            fetch.on_http(reply(404, None)),
            Step::Failed("the server answered with status 404".into())
        );
    }
}
