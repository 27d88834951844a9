use proptest::prelude::*;

use super::*;

fn block(piece: u32, offset_bytes: u32, length_bytes: u32) -> BlockId {
    BlockId { piece: PieceIndex(piece), offset_bytes, length_bytes }
}

#[test]
fn each_message_has_its_bytes() {
    let cases: &[(Message<'_>, &[u8])] = &[
        (Message::KeepAlive, &[0, 0, 0, 0]),
        (Message::Choke, &[0, 0, 0, 1, 0]),
        (Message::Unchoke, &[0, 0, 0, 1, 1]),
        (Message::Interested, &[0, 0, 0, 1, 2]),
        (Message::NotInterested, &[0, 0, 0, 1, 3]),
        (Message::Have(PieceIndex(258)), &[0, 0, 0, 5, 4, 0, 0, 1, 2]),
        (Message::Bitfield(&[0x80, 1]), &[0, 0, 0, 3, 5, 0x80, 1]),
        (Message::Request(block(1, 2, 3)), &[0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        (
            Message::Piece { block: block(1, 2, 3), data: b"abc" },
            &[0, 0, 0, 12, 7, 0, 0, 0, 1, 0, 0, 0, 2, b'a', b'b', b'c'],
        ),
        (Message::Cancel(block(1, 2, 3)), &[0, 0, 0, 13, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        (Message::Port(6881), &[0, 0, 0, 3, 9, 0x1a, 0xe1]),
        (Message::Suggest(PieceIndex(7)), &[0, 0, 0, 5, 13, 0, 0, 0, 7]),
        (Message::HaveAll, &[0, 0, 0, 1, 14]),
        (Message::HaveNone, &[0, 0, 0, 1, 15]),
        (Message::Reject(block(1, 2, 3)), &[0, 0, 0, 13, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        (Message::AllowedFast(PieceIndex(7)), &[0, 0, 0, 5, 17, 0, 0, 0, 7]),
        (Message::Extended { id: 3, payload: b"de" }, &[0, 0, 0, 4, 20, 3, b'd', b'e']),
        (Message::Unknown(99), &[0, 0, 0, 1, 99]),
    ];
    for (message, bytes) in cases {
        check_bytes(*message, bytes);
    }
}

fn check_bytes(message: Message<'_>, bytes: &[u8]) {
    let mut out = Vec::new();
    encode(message, &mut out);
    assert_eq!(out, bytes, "{message:?}");
    assert_eq!(decode(&bytes[4..]), Ok(message), "{message:?}");
    let prefix = *bytes.first_chunk().unwrap();
    assert_eq!(frame_bytes(prefix), Ok(bytes.len() - 4), "{message:?}");
}

#[test]
fn messages_about_hashes_have_their_bytes() {
    let request = HashRequest {
        pieces_root: [7; 32],
        base_layer: 1,
        index: 0x0102,
        length: 2,
        proof_layers: 0x0a00_0000,
    };
    let fields = [[7; 32].as_slice(), &[0, 0, 0, 1, 0, 0, 1, 2, 0, 0, 0, 2, 10, 0, 0, 0]].concat();
    let frame = |id: u8, bytes: u8, rest: &[u8]| {
        [[0, 0, 0, bytes, id].as_slice(), fields.as_slice(), rest].concat()
    };
    check_bytes(Message::HashRequest(request), &frame(21, 49, &[]));
    check_bytes(Message::HashReject(request), &frame(23, 49, &[]));
    check_bytes(Message::Hashes { request, hashes: &[] }, &frame(22, 49, &[]));
    let hashes = [[1; 32], [2; 32]];
    let message = Message::Hashes { request, hashes: &hashes };
    check_bytes(message, &frame(22, 113, hashes.as_flattened()));
}

#[test]
fn messages_about_hashes_of_a_wrong_length_name_the_fault() {
    for id in 21..=23 {
        let fault = |body_bytes: usize| {
            let frame = [vec![id], vec![0; body_bytes]].concat();
            decode(&frame).err()
        };
        let fields = [
            (0, "pieces root"),
            (31, "pieces root"),
            (35, "base layer"),
            (39, "index"),
            (43, "length"),
            (47, "proof layers"),
        ];
        for (body_bytes, field) in fields {
            assert_eq!(fault(body_bytes), Some(DecodeError::Truncated { id, field }));
        }
        assert_eq!(fault(49), Some(DecodeError::Excess { id, excess_bytes: 1 }));
        let excess_bytes = 32;
        let whole_digest = (id != 22).then_some(DecodeError::Excess { id, excess_bytes });
        assert_eq!(fault(48 + 32), whole_digest);
    }
}

#[test]
fn frames_of_a_wrong_length_name_the_fault() {
    let truncated = |id, field| DecodeError::Truncated { id, field };
    let excess = |id, excess_bytes| DecodeError::Excess { id, excess_bytes };
    let cases: &[(&[u8], DecodeError)] = &[
        (&[0, 9], excess(0, 1)),
        (&[1, 9, 9], excess(1, 2)),
        (&[2, 0], excess(2, 1)),
        (&[3, 0], excess(3, 1)),
        (&[4, 0, 0, 0], truncated(4, "index")),
        (&[4, 0, 0, 0, 0, 0], excess(4, 1)),
        (&[6, 0, 0, 0, 1, 0, 0], truncated(6, "begin")),
        (&[6, 0, 0, 0, 1, 0, 0, 0, 0, 0], truncated(6, "length")),
        (&[7, 0, 0, 0], truncated(7, "index")),
        (&[7, 0, 0, 0, 1, 0, 0, 0], truncated(7, "begin")),
        (&[8], truncated(8, "index")),
        (&[9, 1], truncated(9, "port")),
        (&[9, 1, 2, 3], excess(9, 1)),
        (&[13], truncated(13, "index")),
        (&[14, 0], excess(14, 1)),
        (&[15, 0], excess(15, 1)),
        (&[16, 0], truncated(16, "index")),
        (&[17, 0, 0, 0], truncated(17, "index")),
        (&[20], truncated(20, "extended message id")),
    ];
    for (frame, expected) in cases {
        assert_eq!(decode(frame), Err(*expected), "{frame:?}");
    }
}

#[test]
fn bitfield_of_the_most_pieces_and_the_most_hashes_fit_and_no_longer_frame() {
    let mut frame = vec![0xff; 1 + PIECES_MAX as usize / 8];
    frame[0] = 5;
    assert_eq!(decode(&frame), Ok(Message::Bitfield(&frame[1..])));
    // The leaves of 128 MiB, and the uncles of a tree of any height.
    let mut frame = vec![0; 1 + 48 + 32 * (8192 + 60)];
    frame[0] = 22;
    assert!(matches!(decode(&frame), Ok(Message::Hashes { hashes, .. }) if hashes.len() == 8252));
    let longest = FRAME_BYTES_MAX as usize;
    assert_eq!(frame_bytes(FRAME_BYTES_MAX.to_be_bytes()), Ok(longest));
    frame.resize(longest + 1, 0);
    assert_eq!(decode(&frame), Err(DecodeError::Oversized { frame_bytes: frame.len() }));
    let oversized = DecodeError::Oversized { frame_bytes: frame.len() };
    assert_eq!(frame_bytes((FRAME_BYTES_MAX + 1).to_be_bytes()), Err(oversized));
    assert_eq!(oversized.to_string(), "frame of 264194 bytes exceeds the limit of 264193");
}

#[test]
fn body_of_an_unknown_message_is_skipped() {
    assert_eq!(decode(&[24, 1, 2, 3]), Ok(Message::Unknown(24)));
}

#[test]
fn piece_header_is_what_precedes_the_data() {
    let block = block(5, 0x8000, 3);
    let mut out = Vec::new();
    encode(Message::Piece { block, data: b"xyz" }, &mut out);
    let header = piece_header(block);
    assert_eq!(header, out[..PIECE_HEADER_BYTES]);
    assert_eq!(decode_piece_header(&header), Some(block));
}

#[test]
fn other_headers_are_no_piece() {
    let good = piece_header(block(1, 2, 3));
    let mut request = good;
    request[4] = 6;
    let mut short = good;
    short[..4].copy_from_slice(&8_u32.to_be_bytes());
    let mut oversized = good;
    oversized[..4].copy_from_slice(&(FRAME_BYTES_MAX + 1).to_be_bytes());
    for header in [request, short, oversized] {
        assert_eq!(decode_piece_header(&header), None, "{header:?}");
    }
}

#[test]
fn handshake_carries_the_extensions_in_their_bits() {
    let all = Extensions { fast: true, extended: true, dht: true, v2: true };
    let cases = [
        (Extensions::default(), [0; 8]),
        (Extensions { fast: true, ..Extensions::default() }, [0, 0, 0, 0, 0, 0, 0, 4]),
        (Extensions { extended: true, ..Extensions::default() }, [0, 0, 0, 0, 0, 0x10, 0, 0]),
        (Extensions { dht: true, ..Extensions::default() }, [0, 0, 0, 0, 0, 0, 0, 1]),
        (Extensions { v2: true, ..Extensions::default() }, [0, 0, 0, 0, 0, 0, 0, 0x10]),
        (all, [0, 0, 0, 0, 0, 0x10, 0, 0x15]),
    ];
    for (extensions, reserved) in cases {
        let handshake = Handshake::new(extensions, InfoHash([1; 20]), PeerId([2; 20]));
        assert_eq!(handshake.reserved, reserved);
        assert_eq!(handshake.extensions(), extensions);
    }
}

#[test]
fn handshake_of_another_protocol_is_refused_as_early_as_it_shows() {
    let mut bytes = Handshake::new(Extensions::default(), InfoHash([1; 20]), PeerId([2; 20]));
    bytes.reserved[0] = 0xff;
    let mut bytes = bytes.encode();
    for count in 0..bytes.len() {
        assert!(may_be_handshake(&bytes[..count]), "{count}");
    }
    bytes[19] = b'L';
    assert_eq!(Handshake::decode(&bytes), Err(NotBitTorrent));
    assert!(may_be_handshake(&bytes[..19]));
    assert!(!may_be_handshake(&bytes[..20]));
    assert!(!may_be_handshake(b"GET / HTTP/1.1"));
}

/// What libtorrent 2.1.1 sends as a seed to whoever asks it for one block of a small file.
#[test]
fn stream_of_a_real_seed_decodes() {
    let stream =
        include_bytes!("../../../../test/fuzz/corpus/peer_messages/seed_fast_extended").as_slice();
    let (first, mut rest) = stream.split_first_chunk().unwrap();
    let extensions = Handshake::decode(first).unwrap().extensions();
    assert!(extensions.fast && extensions.extended);
    let mut names = Vec::new();
    while let Some((prefix, after)) = rest.split_first_chunk() {
        let (frame, behind) = after.split_at(frame_bytes(*prefix).unwrap());
        rest = behind;
        let message = decode(frame).unwrap();
        if let Message::Extended { id: 0, payload } = message {
            let handshake = crate::extended::ExtendedHandshake::decode(payload).unwrap();
            assert_eq!(handshake.version.as_deref(), Some("libtorrent/2.1.1.0"));
        }
        let name = format!("{message:?}");
        names.push(name.split([' ', '(']).next().unwrap().to_owned());
    }
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    assert_eq!((count("Extended"), count("HaveAll"), count("Piece")), (1, 1, 1), "{names:?}");
    assert_eq!(count("Unknown"), 0, "{names:?}");
}

proptest! {
    #[test]
    fn handshake_survives_encode_then_decode(
        reserved: [u8; 8],
        info_hash: [u8; 20],
        peer_id: [u8; 20],
    ) {
        let handshake =
            Handshake { reserved, info_hash: InfoHash(info_hash), peer_id: PeerId(peer_id) };
        prop_assert_eq!(Handshake::decode(&handshake.encode()), Ok(handshake));
    }

    #[test]
    fn any_bytes_are_no_message_or_encode_to_themselves(frame: Vec<u8>, id in 0..25_u8) {
        for frame in [frame.clone(), [vec![id], frame].concat()] {
            match decode(&frame) {
                Ok(Message::Unknown(_)) | Err(_) => {}
                Ok(message) => {
                    let mut out = Vec::new();
                    encode(message, &mut out);
                    prop_assert_eq!(&out[4..], frame);
                }
            }
        }
    }

    #[test]
    fn any_header_is_a_piece_or_not_just_as_its_frame_is(header: [u8; 13], length in 0..99_u8) {
        let mut near = header;
        near[..5].copy_from_slice(&[0, 0, 0, length, 7]);
        for header in [header, near] {
            if let Some(block) = decode_piece_header(&header) {
                prop_assert_eq!(piece_header(block), header);
            }
        }
    }
}
