//! A connection's bytes: a handshake, then frames, extension handshakes among them. What
//! decodes encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::extended::{
    DONT_HAVE_ID, ExtendedHandshake, HANDSHAKE_ID, decode_dont_have, encode_dont_have,
};
use wire::peer::{
    HANDSHAKE_BYTES, Handshake, Message, PIECE_HEADER_BYTES, decode, decode_piece_header, encode,
    frame_bytes, may_be_handshake, piece_header,
};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    if let Some((first, after)) = rest.split_first_chunk::<HANDSHAKE_BYTES>() {
        assert_eq!(may_be_handshake(first), Handshake::decode(first).is_ok());
        if let Ok(handshake) = Handshake::decode(first) {
            assert_eq!(&handshake.encode(), first);
            assert!(
                handshake
                    .extensions()
                    .reserved()
                    .iter()
                    .zip(handshake.reserved)
                    .all(|(known, all)| known & all == *known)
            );
            rest = after;
        }
    }
    while let Some((prefix, after)) = rest.split_first_chunk() {
        let Ok(frame_bytes) = frame_bytes(*prefix) else {
            return;
        };
        let Some((frame, behind)) = after.split_at_checked(frame_bytes) else {
            return;
        };
        check_frame(&rest[..4 + frame_bytes], frame);
        rest = behind;
    }
});

fn check_frame(with_prefix: &[u8], frame: &[u8]) {
    let Ok(message) = decode(frame) else {
        return;
    };
    let mut out = Vec::new();
    encode(message, &mut out);
    match message {
        Message::Unknown(_) => assert_eq!(out[4], frame[0]),
        _ => assert_eq!(out, with_prefix),
    }
    if let Some(header) = with_prefix.first_chunk::<PIECE_HEADER_BYTES>() {
        let expected = if let Message::Piece { block, .. } = message { Some(block) } else { None };
        assert_eq!(decode_piece_header(header), expected);
        assert!(expected.is_none_or(|block| piece_header(block) == *header));
    }
    if let Message::Extended { id: HANDSHAKE_ID, payload } = message
        && let Ok(handshake) = ExtendedHandshake::decode(payload)
    {
        assert_eq!(ExtendedHandshake::decode(&handshake.encode()), Ok(handshake));
    }
    if let Message::Extended { id: DONT_HAVE_ID, payload } = message
        && let Some(piece) = decode_dont_have(payload)
    {
        assert_eq!(encode_dont_have(piece), payload);
    }
}
