//! Replies of routers by NAT-PMP. What decodes survives being written again as a router would.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::nat_pmp::{Protocol, Refusal, Reply, ReplyBody, decode_reply};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reply) = decode_reply(bytes) {
        assert_eq!(decode_reply(&encode_reply(&reply)), Ok(reply));
    }
});

fn encode_reply(reply: &Reply) -> Vec<u8> {
    let (opcode, code) = match reply.body {
        ReplyBody::ExternalAddress(_) => (128, 0),
        ReplyBody::Mapped { protocol: Protocol::Udp, .. } => (129, 0),
        ReplyBody::Mapped { protocol: Protocol::Tcp, .. } => (130, 0),
        ReplyBody::Refused(refusal) => (128, code(refusal)),
    };
    let mut out = vec![0, opcode];
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&reply.epoch_s.to_be_bytes());
    match reply.body {
        ReplyBody::ExternalAddress(address) => out.extend_from_slice(&address.octets()),
        ReplyBody::Mapped { internal, external, lifetime_s, .. } => {
            out.extend_from_slice(&internal.to_be_bytes());
            out.extend_from_slice(&external.to_be_bytes());
            out.extend_from_slice(&lifetime_s.to_be_bytes());
        }
        ReplyBody::Refused(_) => {}
    }
    out
}

fn code(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::UnsupportedVersion => 1,
        Refusal::NotAuthorized => 2,
        Refusal::NetworkFailure => 3,
        Refusal::OutOfResources => 4,
        Refusal::UnsupportedOpcode => 5,
        Refusal::Other(code) => code,
    }
}
