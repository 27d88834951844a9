//! What every HTTP service must do, the real one and a simulated one, as a table.
//!
//! A world lends three closures: it plays a [`Peer`] at an address and says on which port, it
//! carries out a request, and it tells what the last peer was asked. The real world is in
//! `services_contract.rs`.

use std::net::IpAddr;
use std::time::Duration;

use base::{ExchangeId, Family, HttpError, HttpReply, HttpRequest, Purpose};

/// What a world must be able to do.
pub(crate) struct World<'w> {
    /// Plays the peer at the address; gives the port.
    pub(crate) listen: &'w dyn Fn(IpAddr, &'static Peer) -> u16,
    /// Carries out one exchange.
    pub(crate) fetch: &'w dyn Fn(HttpRequest) -> Result<HttpReply, HttpError>,
    /// The head of the request that the peer got, if it got one.
    pub(crate) heard: &'w dyn Fn() -> Option<String>,
}

/// The other side of one exchange.
#[derive(Debug)]
pub(crate) enum Peer {
    /// Nobody listens on the port.
    Nobody,
    /// Accepts, reads the request's head, does these steps, closes.
    Does(&'static [Step]),
}

#[derive(Debug)]
pub(crate) enum Step {
    Send(&'static str),
    /// The same bytes many times.
    Repeat(&'static str, usize),
    /// Sends no more and waits until the other side hangs up.
    Stall,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) peer: Peer,
    /// Where the peer is.
    pub(crate) at: &'static str,
    /// `PORT` stands for the peer's port.
    pub(crate) url: &'static str,
    pub(crate) family: Family,
    pub(crate) timeout: Duration,
    pub(crate) body_bytes_max: u32,
    pub(crate) expect: fn(&Result<HttpReply, HttpError>) -> bool,
    /// Lines that the peer must have heard.
    pub(crate) hears: &'static [&'static str],
}

/// What most cases have in common: a patient request to a peer on IPv4 loopback.
const USUAL: Case = Case {
    name: "",
    peer: Peer::Nobody,
    at: "127.0.0.1",
    url: "http://127.0.0.1:PORT/",
    family: Family::Any,
    timeout: Duration::from_secs(20),
    body_bytes_max: 100,
    expect: |_| false,
    hears: &[],
};

/// For cases in which the time has to run out.
const SHORT: Duration = Duration::from_millis(200);

const OK_AND_OPEN: Peer =
    Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), Step::Stall]);

fn is_ok(got: &Result<HttpReply, HttpError>, body: &str) -> bool {
    matches!(got, Ok(reply) if reply.status == 200 && reply.body == body.as_bytes())
}

fn is_protocol(got: &Result<HttpReply, HttpError>) -> bool {
    matches!(got, Err(HttpError::Protocol(_)))
}

/// Runs all cases and says which of them failed, and how.
pub(crate) fn run(world: &World<'_>) {
    let mut failures = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let port = (world.listen)(case.at.parse().unwrap(), &case.peer);
        let got = (world.fetch)(HttpRequest {
            id: ExchangeId(number as u64),
            purpose: Purpose::Tracker,
            url: case.url.replace("PORT", &port.to_string()),
            family: case.family,
            timeout: case.timeout,
            body_bytes_max: case.body_bytes_max,
            post: None,
        });
        if !(case.expect)(&got) {
            failures.push(format!("{}: got {got:?}", case.name));
        }
        let heard = (world.heard)().unwrap_or_default();
        for line in case.hears {
            let line = line.replace("PORT", &port.to_string());
            if !heard.lines().any(|heard| heard == line) {
                failures.push(format!("{}: no line {line:?} in {heard:?}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const CASES: &[Case] = &[
    Case {
        name: "a reply with a length ends there, though the peer keeps the line open",
        peer: OK_AND_OPEN,
        url: "http://127.0.0.1:PORT/a?info_hash=%aa%BB~",
        expect: |got| is_ok(got, "hi"),
        hears: &[
            "GET /a?info_hash=%aa%BB~ HTTP/1.1",
            "Host: 127.0.0.1:PORT",
            "Accept-Encoding: identity",
            "Connection: close",
            concat!("User-Agent: shoal/", env!("CARGO_PKG_VERSION")),
        ],
        ..USUAL
    },
    Case {
        name: "a redirect is given back, not followed",
        peer: Peer::Does(&[Step::Send(
            "HTTP/1.1 302 Found\r\nLocation: /else?x\r\nContent-Length: 0\r\n\r\n",
        )]),
        expect: |got| {
            matches!(got, Ok(reply) if reply.status == 302
                && reply.location.as_deref() == Some("/else?x") && reply.body.is_empty())
        },
        ..USUAL
    },
    Case {
        name: "a status that means failure is a reply with its body and type",
        peer: Peer::Does(&[Step::Send(
            "HTTP/1.1 404 No\r\nContent-Type: text/x\r\nContent-Length: 4\r\n\r\nsad!",
        )]),
        expect: |got| {
            matches!(got, Ok(reply) if reply.status == 404
                && reply.content_type.as_deref() == Some("text/x") && reply.body == b"sad!")
        },
        ..USUAL
    },
    Case {
        name: "a status without a body ends after the head",
        peer: Peer::Does(&[Step::Send("HTTP/1.1 204 No Content\r\n\r\n"), Step::Stall]),
        expect: |got| matches!(got, Ok(reply) if reply.status == 204 && reply.body.is_empty()),
        ..USUAL
    },
    Case {
        name: "an interim reply is skipped",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"),
            Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        ]),
        expect: |got| is_ok(got, "hi"),
        ..USUAL
    },
    Case {
        name: "chunks are put together, extensions and trailers dropped",
        peer: Peer::Does(&[Step::Send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n",
        )]),
        expect: |got| is_ok(got, "abcde"),
        ..USUAL
    },
    Case {
        name: "without a length the close ends the body",
        peer: Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\n\r\nuntil the close")]),
        expect: |got| is_ok(got, "until the close"),
        ..USUAL
    },
    Case {
        name: "HTTP/1.0 is fine",
        peer: Peer::Does(&[Step::Send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold")]),
        expect: |got| is_ok(got, "old"),
        ..USUAL
    },
    Case {
        name: "a body of exactly the bound is fine",
        peer: Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\n\r\n"), Step::Repeat("0123456789", 10)]),
        expect: |got| is_ok(got, &"0123456789".repeat(10)),
        ..USUAL
    },
    Case {
        name: "a length over the bound is too large, before any body came",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"),
            Step::Stall,
        ]),
        expect: |got| *got == Err(HttpError::TooLarge),
        ..USUAL
    },
    Case {
        name: "a body that grows over the bound is too large",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 200 OK\r\n\r\n"),
            Step::Repeat("0123456789", 10),
            Step::Send("!"),
            Step::Stall,
        ]),
        expect: |got| *got == Err(HttpError::TooLarge),
        ..USUAL
    },
    Case {
        name: "chunks that add up over the bound are too large",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Step::Repeat("a\r\n0123456789\r\n", 11),
            Step::Stall,
        ]),
        expect: |got| *got == Err(HttpError::TooLarge),
        ..USUAL
    },
    Case {
        name: "silence is a time-out",
        peer: Peer::Does(&[Step::Stall]),
        timeout: SHORT,
        expect: |got| *got == Err(HttpError::Timeout),
        ..USUAL
    },
    Case {
        name: "a body that stops coming is a time-out",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            Step::Stall,
        ]),
        timeout: SHORT,
        expect: |got| *got == Err(HttpError::Timeout),
        ..USUAL
    },
    Case {
        name: "garbage is no HTTP",
        peer: Peer::Does(&[Step::Send("d8:intervali1800e5:peers0:e")]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a hang-up without a word is no HTTP",
        peer: Peer::Does(&[]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a hang-up in the head",
        peer: Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\nContent-")]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a hang-up in the body",
        peer: Peer::Does(&[Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a hang-up between chunks",
        peer: Peer::Does(&[Step::Send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        )]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a head without end is cut off",
        peer: Peer::Does(&[
            Step::Send("HTTP/1.1 200 OK\r\nX: "),
            Step::Repeat("0123456789", 10_000),
            Step::Stall,
        ]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "a content coding that was not asked for",
        peer: Peer::Does(&[Step::Send(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1fx",
        )]),
        expect: is_protocol,
        ..USUAL
    },
    Case {
        name: "nobody listens",
        expect: |got| matches!(got, Err(HttpError::Connect(why)) if why.contains("refused")),
        ..USUAL
    },
    Case {
        name: "another scheme",
        url: "udp://127.0.0.1:PORT/",
        expect: |got| *got == Err(HttpError::BadUrl),
        ..USUAL
    },
    Case {
        name: "no URL at all",
        url: "announce.php",
        expect: |got| *got == Err(HttpError::BadUrl),
        ..USUAL
    },
    Case {
        name: "an IPv6 literal",
        peer: OK_AND_OPEN,
        at: "::1",
        url: "http://[::1]:PORT/",
        expect: |got| is_ok(got, "hi"),
        hears: &["Host: [::1]:PORT"],
        ..USUAL
    },
    Case {
        name: "localhost over IPv6",
        peer: OK_AND_OPEN,
        at: "::1",
        url: "http://localhost:PORT/",
        family: Family::V6,
        expect: |got| is_ok(got, "hi"),
        hears: &["Host: localhost:PORT"],
        ..USUAL
    },
    Case {
        name: "localhost over IPv4",
        peer: OK_AND_OPEN,
        url: "http://localhost:PORT/",
        family: Family::V4,
        expect: |got| is_ok(got, "hi"),
        ..USUAL
    },
    Case {
        name: "of two addresses the one that answers, if the other is IPv6",
        peer: OK_AND_OPEN,
        url: "http://localhost:PORT/",
        expect: |got| is_ok(got, "hi"),
        ..USUAL
    },
    Case {
        name: "of two addresses the one that answers, if the other is IPv4",
        peer: OK_AND_OPEN,
        at: "::1",
        url: "http://localhost:PORT/",
        expect: |got| is_ok(got, "hi"),
        ..USUAL
    },
    Case {
        name: "a family that the peer does not listen on is not replaced by another",
        peer: OK_AND_OPEN,
        url: "http://localhost:PORT/",
        family: Family::V6,
        expect: |got| matches!(got, Err(HttpError::Connect(_))),
        ..USUAL
    },
    Case {
        name: "a literal of the other family",
        peer: OK_AND_OPEN,
        family: Family::V6,
        expect: |got| *got == Err(HttpError::NoAddress),
        ..USUAL
    },
    Case {
        name: "a name that nobody has (RFC 6761)",
        url: "http://nobody.invalid:PORT/",
        expect: |got| *got == Err(HttpError::NoAddress),
        ..USUAL
    },
];
