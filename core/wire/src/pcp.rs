//! The Port Control Protocol: datagrams to a router and back.
//!
//! Source: RFC 6887, of which we use MAP and ANNOUNCE without options. Requests and replies use the port
//! of NAT-PMP, [`crate::nat_pmp::PORT`]; a router that knows only that answers with its version, 0.
//! IPv4 addresses travel as IPv4-mapped ones.

use std::net::IpAddr;

use crate::nat_pmp::Protocol;

const VERSION: u8 = 2;
const OPCODE_ANNOUNCE: u8 = 0;
const OPCODE_MAP: u8 = 1;
/// Set in the opcode of replies.
const REPLY: u8 = 128;

/// Names a mapping: who does not know it can neither change nor end that. Draw it at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 12]);

/// A request for a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// The same in every request for this mapping.
    pub nonce: Nonce,
    /// Of what.
    pub protocol: Protocol,
    /// Our address; it must be that from which the datagram is sent.
    pub client: IpAddr,
    /// Our port.
    pub internal: u16,
    /// The port that we would like, or 0.
    pub external: u16,
    /// For how long; 0 ends it.
    pub lifetime_s: u32,
}

impl MapRequest {
    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = header(OPCODE_MAP, self.lifetime_s, self.client);
        out.extend_from_slice(&self.nonce.0);
        out.extend_from_slice(&[number(self.protocol), 0, 0, 0]);
        out.extend_from_slice(&self.internal.to_be_bytes());
        out.extend_from_slice(&self.external.to_be_bytes());
        // No address that we would like, of the family of ours.
        let any: IpAddr = match self.client {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        out.extend_from_slice(&octets(any));
        out
    }
}

/// The datagram that asks whether the router is as it was; the reply has its epoch.
pub fn encode_announce(client: IpAddr) -> Vec<u8> {
    header(OPCODE_ANNOUNCE, 0, client)
}

fn header(opcode: u8, lifetime_s: u32, client: IpAddr) -> Vec<u8> {
    let mut out = vec![VERSION, opcode, 0, 0];
    out.extend_from_slice(&lifetime_s.to_be_bytes());
    out.extend_from_slice(&octets(client));
    out
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// As IANA numbers them.
fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

/// A decoded reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Seconds since the router forgot all mappings.
    pub epoch_s: u32,
    /// How long the mapping, or the refusal, holds.
    pub lifetime_s: u32,
    /// What it says.
    pub body: ReplyBody,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// The router is there.
    Announced,
    /// A mapping is made, or ended (lifetime 0).
    Mapped {
        /// Its name.
        nonce: Nonce,
        /// Of what.
        protocol: Protocol,
        /// Our port.
        internal: u16,
        /// The router's port.
        external: u16,
        /// The router's address.
        address: IpAddr,
    },
    /// A refusal.
    Refused(Refusal),
}

/// Why a router refuses: the codes of RFC 6887, section 7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another version of the protocol is to be used.
    #[error("the router does not speak this version")]
    UnsupportedVersion,
    /// It is switched off.
    #[error("the router does not allow it")]
    NotAuthorized,
    /// It has no address itself.
    #[error("the router has no connection")]
    NetworkFailure,
    /// It, or we, have too many.
    #[error("the router has no room for more")]
    NoResources,
    /// The address in the request is not that of the datagram: there is another NAT on the way.
    #[error("there is another router on the way")]
    AddressMismatch,
    /// Any other code.
    #[error("the router refuses with code {0}")]
    Other(u8),
}

/// Why a datagram is not a reply. The router's fault, or somebody else sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It ends before its fields do.
    #[error("reply of {bytes} bytes ends inside its fields")]
    Truncated {
        /// Its length.
        bytes: usize,
    },
    /// It is of another version: of NAT-PMP, if 0.
    #[error("reply has version {version}, not 2")]
    Version {
        /// The version.
        version: u8,
    },
    /// It is a request, or answers none of ours.
    #[error("reply has opcode {opcode}")]
    Opcode {
        /// The opcode.
        opcode: u8,
    },
    /// It is about neither TCP nor UDP.
    #[error("reply is about protocol {number}")]
    Protocol {
        /// Its number.
        number: u8,
    },
}

/// Decodes a datagram from a router.
///
/// # Errors
///
/// [`DecodeError`] if it is cut short, or something else.
pub fn decode_reply(datagram: &[u8]) -> Result<Reply, DecodeError> {
    let truncated = DecodeError::Truncated { bytes: datagram.len() };
    let &[version, opcode, ..] = datagram else { return Err(truncated) };
    if version != VERSION {
        return Err(DecodeError::Version { version });
    }
    if opcode & REPLY == 0 {
        return Err(DecodeError::Opcode { opcode });
    }
    let Some((&head, fields)) = datagram.split_first_chunk::<24>() else { return Err(truncated) };
    let [_, _, _, code, l0, l1, l2, l3, e0, e1, e2, e3, ..] = head;
    let refusal = match code {
        0 => None,
        1 => Some(Refusal::UnsupportedVersion),
        2 => Some(Refusal::NotAuthorized),
        7 => Some(Refusal::NetworkFailure),
        8 | 10 => Some(Refusal::NoResources),
        12 => Some(Refusal::AddressMismatch),
        code => Some(Refusal::Other(code)),
    };
    let body = match (refusal, opcode & !REPLY) {
        (Some(refusal), _) => ReplyBody::Refused(refusal),
        (None, OPCODE_ANNOUNCE) => ReplyBody::Announced,
        (None, OPCODE_MAP) => mapped(fields).unwrap_or(Err(truncated))?,
        (None, _) => return Err(DecodeError::Opcode { opcode }),
    };
    Ok(Reply {
        epoch_s: u32::from_be_bytes([e0, e1, e2, e3]),
        lifetime_s: u32::from_be_bytes([l0, l1, l2, l3]),
        body,
    })
}

/// The fields of a MAP reply; `None` if they are cut short.
fn mapped(fields: &[u8]) -> Option<Result<ReplyBody, DecodeError>> {
    let (&nonce, fields) = fields.split_first_chunk::<12>()?;
    let (&[number, _, _, _, i0, i1, x0, x1], fields) = fields.split_first_chunk::<8>()?;
    let address = IpAddr::from(*fields.first_chunk::<16>()?).to_canonical();
    let protocol = match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        number => return Some(Err(DecodeError::Protocol { number })),
    };
    Some(Ok(ReplyBody::Mapped {
        nonce: Nonce(nonce),
        protocol,
        internal: u16::from_be_bytes([i0, i1]),
        external: u16::from_be_bytes([x0, x1]),
        address,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: Nonce = Nonce(*b"abcdefghijkl");

    /// A reply with `code` to the request, as a router makes it.
    fn reply(opcode: u8, code: u8, fields: &[u8]) -> Vec<u8> {
        let mut out = vec![2, REPLY | opcode, 0, code];
        out.extend_from_slice(&[0, 0, 0, 120, 0, 0, 1, 0]);
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(fields);
        out
    }

    #[test]
    fn a_request_is_as_in_the_rfc() {
        let request = MapRequest {
            nonce: NONCE,
            protocol: Protocol::Udp,
            client: "192.0.2.9".parse().unwrap(),
            internal: 6881,
            external: 6882,
            lifetime_s: 120,
        };
        let mapped = |ip: [u8; 4]| [&[0; 10][..], &[255, 255], &ip].concat();
        let expected = [
            &[2, 1, 0, 0, 0, 0, 0, 120][..],
            &mapped([192, 0, 2, 9]),
            &NONCE.0,
            &[17, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2],
            &mapped([0; 4]),
        ];
        assert_eq!(request.encode(), expected.concat());
        assert_eq!(encode_announce("::1".parse().unwrap()).len(), 24);
    }

    #[test]
    fn replies_by_table() {
        let fields = [
            &NONCE.0[..],
            &[6, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2],
            &[0; 10],
            &[255, 255, 203, 0, 113, 5],
        ]
        .concat();
        let body = ReplyBody::Mapped {
            nonce: NONCE,
            protocol: Protocol::Tcp,
            internal: 6881,
            external: 6882,
            address: "203.0.113.5".parse().unwrap(),
        };
        let mut other = fields.clone();
        other[12] = 1;
        for (bytes, expected) in [
            (reply(1, 0, &fields), Ok(body)),
            (reply(0, 0, &[]), Ok(ReplyBody::Announced)),
            (reply(1, 2, &fields), Ok(ReplyBody::Refused(Refusal::NotAuthorized))),
            (reply(1, 12, &[]), Ok(ReplyBody::Refused(Refusal::AddressMismatch))),
            (reply(1, 99, &[]), Ok(ReplyBody::Refused(Refusal::Other(99)))),
            (reply(1, 0, &fields[..35]), Err(DecodeError::Truncated { bytes: 59 })),
            (reply(1, 0, &other), Err(DecodeError::Protocol { number: 1 })),
            (reply(2, 0, &fields), Err(DecodeError::Opcode { opcode: 130 })),
            (vec![0, 128, 0, 1, 0, 0, 0, 9], Err(DecodeError::Version { version: 0 })),
            (vec![2, 1, 0, 0], Err(DecodeError::Opcode { opcode: 1 })),
            (vec![2], Err(DecodeError::Truncated { bytes: 1 })),
        ] {
            let got = decode_reply(&bytes);
            assert_eq!(got.map(|reply| reply.body), expected, "{bytes:?}");
            if let Ok(reply) = got {
                assert_eq!((reply.epoch_s, reply.lifetime_s), (256, 120));
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let judged = decode_reply(&bytes);
            prop_assert!(bytes.len() >= 24 || judged.is_err());
        }
    }
}
