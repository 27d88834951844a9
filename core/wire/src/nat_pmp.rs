//! The NAT Port Mapping Protocol: datagrams to a router and back.
//!
//! Source: RFC 6886. All requests go to [`PORT`] of the router; replies come from there. Bytes after
//! the fields of a reply are not looked at.

use std::net::Ipv4Addr;

/// Where routers listen, for PCP as well.
pub const PORT: u16 = 5351;

/// What a port is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

const OPCODE_ADDRESS: u8 = 0;
const OPCODE_UDP: u8 = 1;
const OPCODE_TCP: u8 = 2;
/// Set in the opcode of replies.
const REPLY: u8 = 128;

/// The datagram that asks for the external address.
pub fn encode_external_address() -> Vec<u8> {
    vec![0, OPCODE_ADDRESS]
}

/// The datagram that asks for a mapping of our port `internal`, preferably to `external`, for so many
/// seconds; for 0 seconds it ends the mapping, and `external` should be 0 (section 3.4).
pub fn encode_map(protocol: Protocol, internal: u16, external: u16, lifetime_s: u32) -> Vec<u8> {
    let opcode = match protocol {
        Protocol::Udp => OPCODE_UDP,
        Protocol::Tcp => OPCODE_TCP,
    };
    let mut out = vec![0, opcode, 0, 0];
    out.extend_from_slice(&internal.to_be_bytes());
    out.extend_from_slice(&external.to_be_bytes());
    out.extend_from_slice(&lifetime_s.to_be_bytes());
    out
}

/// A decoded reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Seconds since the router forgot all mappings.
    pub epoch_s: u32,
    /// What it says.
    pub body: ReplyBody,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// The external address.
    ExternalAddress(Ipv4Addr),
    /// A mapping is made, or ended (lifetime 0).
    Mapped {
        /// Of what.
        protocol: Protocol,
        /// Our port.
        internal: u16,
        /// The router's port.
        external: u16,
        /// For how long.
        lifetime_s: u32,
    },
    /// A refusal.
    Refused(Refusal),
}

/// Why a router refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not know this version.
    #[error("the router does not speak this version")]
    UnsupportedVersion,
    /// It is switched off.
    #[error("the router does not allow it")]
    NotAuthorized,
    /// It has no address itself.
    #[error("the router has no connection")]
    NetworkFailure,
    /// It has no room.
    #[error("the router has no room for more")]
    OutOfResources,
    /// It does not know this request.
    #[error("the router does not know this request")]
    UnsupportedOpcode,
    /// A code that RFC 6886 does not have.
    #[error("the router refuses with code {0}")]
    Other(u16),
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
    /// It is of another version.
    #[error("reply has version {version}, not 0")]
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
}

/// Decodes a datagram from a router.
///
/// # Errors
///
/// [`DecodeError`] if it is cut short, or something else.
pub fn decode_reply(datagram: &[u8]) -> Result<Reply, DecodeError> {
    let truncated = DecodeError::Truncated { bytes: datagram.len() };
    let &[version, opcode, r0, r1, e0, e1, e2, e3, ref fields @ ..] = datagram else {
        return Err(truncated);
    };
    if version != 0 {
        return Err(DecodeError::Version { version });
    }
    if opcode & REPLY == 0 {
        return Err(DecodeError::Opcode { opcode });
    }
    let refusal = match u16::from_be_bytes([r0, r1]) {
        0 => None,
        1 => Some(Refusal::UnsupportedVersion),
        2 => Some(Refusal::NotAuthorized),
        3 => Some(Refusal::NetworkFailure),
        4 => Some(Refusal::OutOfResources),
        5 => Some(Refusal::UnsupportedOpcode),
        code => Some(Refusal::Other(code)),
    };
    let body = match (refusal, opcode & !REPLY) {
        (Some(refusal), _) => ReplyBody::Refused(refusal),
        (None, OPCODE_ADDRESS) => {
            let address = fields.first_chunk::<4>().ok_or(truncated)?;
            ReplyBody::ExternalAddress(Ipv4Addr::from(*address))
        }
        (None, code @ (OPCODE_UDP | OPCODE_TCP)) => {
            let &[i0, i1, x0, x1, l0, l1, l2, l3] = fields.first_chunk().ok_or(truncated)?;
            ReplyBody::Mapped {
                protocol: if code == OPCODE_UDP { Protocol::Udp } else { Protocol::Tcp },
                internal: u16::from_be_bytes([i0, i1]),
                external: u16::from_be_bytes([x0, x1]),
                lifetime_s: u32::from_be_bytes([l0, l1, l2, l3]),
            }
        }
        (None, _) => return Err(DecodeError::Opcode { opcode }),
    };
    Ok(Reply { epoch_s: u32::from_be_bytes([e0, e1, e2, e3]), body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_as_in_the_rfc() {
        assert_eq!(encode_external_address(), [0, 0]);
        assert_eq!(
            encode_map(Protocol::Tcp, 6881, 51413, 7200),
            [0, 2, 0, 0, 0x1a, 0xe1, 0xc8, 0xd5, 0, 0, 0x1c, 0x20]
        );
        assert_eq!(encode_map(Protocol::Udp, 1, 0, 0), [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn replies_by_table() {
        let address = ReplyBody::ExternalAddress(Ipv4Addr::new(203, 0, 113, 5));
        let mapped = ReplyBody::Mapped {
            protocol: Protocol::Tcp,
            internal: 6881,
            external: 6882,
            lifetime_s: 3600,
        };
        let refused = ReplyBody::Refused(Refusal::NotAuthorized);
        for (bytes, expected) in [
            (&[0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 5][..], Ok((9, address))),
            (
                &[0, 130, 0, 0, 0, 0, 1, 0, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 0x0e, 0x10, 7],
                Ok((256, mapped)),
            ),
            (&[0, 129, 0, 2, 0, 0, 0, 9], Ok((9, refused))),
            (&[0, 129, 0, 0, 0, 0, 0, 9], Err(DecodeError::Truncated { bytes: 8 })),
            (&[0, 128, 0], Err(DecodeError::Truncated { bytes: 3 })),
            (&[2, 129, 0, 0, 0, 0, 0, 9], Err(DecodeError::Version { version: 2 })),
            (&[0, 1, 0, 0, 0, 0, 0, 9], Err(DecodeError::Opcode { opcode: 1 })),
            (&[0, 131, 0, 0, 0, 0, 0, 9], Err(DecodeError::Opcode { opcode: 131 })),
        ] {
            let got = decode_reply(bytes).map(|reply| (reply.epoch_s, reply.body));
            assert_eq!(got, expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            let judged = decode_reply(&bytes);
            prop_assert!(bytes.len() >= 8 || judged.is_err());
        }
    }
}
