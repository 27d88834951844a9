//! Datagrams of the DHT. What decodes survives being written again.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use wire::krpc::{
    Body, DATAGRAM_BYTES_MAX, Message, TOKEN_BYTES_MAX, TRANSACTION_BYTES_MAX, decode,
    encode_error, encode_query, encode_reply,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = decode(bytes) else {
        return;
    };
    assert!((1..=TRANSACTION_BYTES_MAX).contains(&message.transaction.len()));
    let Message { transaction, ip, read_only, body } = message;
    let mut out = Vec::new();
    let expected = match body {
        Body::Query { sender, query } => {
            encode_query(&mut out, transaction, sender, read_only, &query);
            Message { ip: None, ..message }
        }
        Body::Reply(reply) => {
            assert!(reply.nodes().all(|(_, addr)| addr.port() != 0));
            assert!(reply.values.iter().all(|addr| addr.port() != 0));
            assert!(reply.token.is_none_or(|token| token.len() <= TOKEN_BYTES_MAX));
            let to = ip.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
            encode_reply(&mut out, transaction, to, &reply);
            Message { ip: Some(to), read_only: false, ..message }
        }
        Body::Error { code, text } => {
            let Ok(text) = core::str::from_utf8(text) else {
                return;
            };
            encode_error(&mut out, transaction, code, text);
            Message { ip: None, read_only: false, ..message }
        }
        Body::BadQuery { .. } => return,
    };
    // Written in full, some are longer than they came.
    if out.len() <= DATAGRAM_BYTES_MAX {
        assert_eq!(decode(&out), Ok(expected));
    }
});
