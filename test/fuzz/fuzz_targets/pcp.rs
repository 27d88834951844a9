//! Replies of routers by PCP. What decodes survives being written again as a router would.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use wire::nat_pmp::Protocol;
use wire::pcp::{Refusal, Reply, ReplyBody, decode_reply};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = decode_reply(bytes) {
        assert_eq!(decode_reply(&encode_reply(&reply)), Ok(reply));
    }
});

fn encode_reply(reply: &Reply) -> Vec<u8> {
    let (opcode, code) = match reply.body {
        ReplyBody::Announced => (128, 0),
        ReplyBody::Mapped { .. } => (129, 0),
        ReplyBody::Refused(refusal) => (129, code(refusal)),
    };
    let mut out = vec![2, opcode, 0, code];
    out.extend_from_slice(&reply.lifetime_s.to_be_bytes());
    out.extend_from_slice(&reply.epoch_s.to_be_bytes());
    out.extend_from_slice(&[0; 12]);
    if let ReplyBody::Mapped { nonce, protocol, internal, external, address } = reply.body {
        out.extend_from_slice(&nonce.0);
        out.extend_from_slice(&[if protocol == Protocol::Tcp { 6 } else { 17 }, 0, 0, 0]);
        out.extend_from_slice(&internal.to_be_bytes());
        out.extend_from_slice(&external.to_be_bytes());
        let address = match address {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        out.extend_from_slice(&address.octets());
    }
    out
}

fn code(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::UnsupportedVersion => 1,
        Refusal::NotAuthorized => 2,
        Refusal::NetworkFailure => 7,
        Refusal::NoResources => 8,
        Refusal::AddressMismatch => 12,
        Refusal::Other(code) => code,
    }
}
