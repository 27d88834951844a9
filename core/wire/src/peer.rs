//! The handshake and the messages of the peer protocol.
//!
//! Source: BEP 3 ("peer protocol", "peer messages") for the handshake and ids 0 to 8, BEP 5 for
//! id 9, BEP 6 for 13 to 17, BEP 10 for 20, BEP 52 for 21 to 23.
//! A frame is a message without its 4-byte length prefix; an empty frame is a keep-alive. A
//! frame of a known id has exactly the length that its fields need. Unknown ids are not an
//! error of the peer: it may speak extensions that we don't, so they decode to
//! [`Message::Unknown`] and the session skips them.

use base::{BlockId, InfoHash, PeerId, PieceIndex};
use keys::Digest32;

/// Most pieces of a torrent that we take part in: 2 Mi, or 8 TiB at 4 MiB pieces. It bounds the
/// bitfield, and so the longest frame.
pub const PIECES_MAX: u32 = 2 * 1024 * 1024;

/// Longest frame we accept, in bytes: the bitfield of [`PIECES_MAX`] pieces and its id, 256 KiB
/// and 1, or as many digests (BEP 52) with 2 KiB for what says which they are and what proves them. A
/// block of 16 KiB with its 9-byte header is far below. BEP 3 sets no limit.
pub const FRAME_BYTES_MAX: u32 = 1 + PIECES_MAX / 8 + 2048;

/// Length of the prefix of a frame in bytes.
pub const PREFIX_BYTES: usize = 4;

/// Length in bytes of what precedes a block's data on the wire: prefix, id, index, begin.
pub const PIECE_HEADER_BYTES: usize = 13;

/// Length of the handshake in bytes.
pub const HANDSHAKE_BYTES: usize = 68;

/// How every handshake begins: a length byte and the protocol's name.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The first message each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Bits that announce extensions.
    pub reserved: [u8; 8],
    /// The torrent that the connection is about.
    pub info_hash: InfoHash,
    /// Who speaks.
    pub peer_id: PeerId,
}

/// Which extensions a handshake announces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The fast extension (BEP 6).
    pub fast: bool,
    /// The extension protocol (BEP 10).
    pub extended: bool,
    /// A DHT node on the port that a `port` message will name (BEP 5).
    pub dht: bool,
    /// Version 2 of the torrent too, in a handshake with the info-hash of version 1: who answers with
    /// that of version 2 has upgraded the connection (BEP 52).
    pub v2: bool,
}

impl Extensions {
    /// The reserved bytes that announce these extensions and nothing else.
    pub fn reserved(self) -> [u8; 8] {
        let byte_5 = if self.extended { EXTENDED_BIT } else { 0 };
        let fast = if self.fast { FAST_BIT } else { 0 };
        let dht = if self.dht { DHT_BIT } else { 0 };
        let v2 = if self.v2 { V2_BIT } else { 0 };
        [0, 0, 0, 0, 0, byte_5, 0, fast | dht | v2]
    }
}

/// In reserved byte 5 (BEP 10).
const EXTENDED_BIT: u8 = 0x10;
/// In reserved byte 7 (BEP 6).
const FAST_BIT: u8 = 0x04;
/// In reserved byte 7 (BEP 5).
const DHT_BIT: u8 = 0x01;
/// In reserved byte 7, the "4th most significant bit in the last byte" (BEP 52).
const V2_BIT: u8 = 0x10;

/// The peer speaks something else, perhaps encryption. Its fault, or not BitTorrent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("handshake does not begin with the protocol's name")]
pub struct NotBitTorrent;

impl Handshake {
    /// A handshake that announces `extensions`.
    pub fn new(extensions: Extensions, info_hash: InfoHash, peer_id: PeerId) -> Self {
        Self { reserved: extensions.reserved(), info_hash, peer_id }
    }

    /// Decodes the first 68 bytes of a connection.
    ///
    /// # Errors
    ///
    /// [`NotBitTorrent`] if they don't begin with [`PROTOCOL`].
    pub fn decode(bytes: &[u8; HANDSHAKE_BYTES]) -> Result<Self, NotBitTorrent> {
        let rest = bytes.strip_prefix(PROTOCOL).ok_or(NotBitTorrent)?;
        let (reserved, rest) = rest.split_first_chunk().ok_or(NotBitTorrent)?;
        let (info_hash, rest) = rest.split_first_chunk().ok_or(NotBitTorrent)?;
        let (peer_id, _) = rest.split_first_chunk().ok_or(NotBitTorrent)?;
        Ok(Self { reserved: *reserved, info_hash: InfoHash(*info_hash), peer_id: PeerId(*peer_id) })
    }

    /// The 68 bytes.
    pub fn encode(&self) -> [u8; HANDSHAKE_BYTES] {
        let mut bytes = [0; HANDSHAKE_BYTES];
        let fields =
            PROTOCOL.iter().chain(&self.reserved).chain(&self.info_hash.0).chain(&self.peer_id.0);
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = *field;
        }
        bytes
    }

    /// The extensions it announces, of those that we know.
    pub fn extensions(&self) -> Extensions {
        let [.., byte_5, _, byte_7] = self.reserved;
        Extensions {
            fast: byte_7 & FAST_BIT != 0,
            extended: byte_5 & EXTENDED_BIT != 0,
            dht: byte_7 & DHT_BIT != 0,
            v2: byte_7 & V2_BIT != 0,
        }
    }
}

/// Whether the first bytes of a connection, however few, can become a handshake.
pub fn may_be_handshake(first_bytes: &[u8]) -> bool {
    first_bytes.iter().zip(PROTOCOL).all(|(have, want)| have == want)
}

/// One decoded message. Borrows payloads from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Nothing to say, connection still wanted. Sent every 2 minutes (BEP 3).
    KeepAlive,
    /// The sender will answer no requests.
    Choke,
    /// The sender will answer requests.
    Unchoke,
    /// The sender wants something of ours.
    Interested,
    /// The sender wants nothing of ours.
    NotInterested,
    /// The sender has and has verified this piece.
    Have(PieceIndex),
    /// The pieces that the sender has: the highest bit of the first byte is piece 0. Its
    /// length and spare bits are for the session to judge.
    Bitfield(&'a [u8]),
    /// The sender asks for a block.
    Request(BlockId),
    /// The sender delivers a block.
    Piece {
        /// Which block; its length is `data.len()`.
        block: BlockId,
        /// The block's bytes.
        data: &'a [u8],
    },
    /// The sender no longer wants a block that it asked for.
    Cancel(BlockId),
    /// The sender's DHT node listens on this UDP port (BEP 5).
    Port(u16),
    /// The sender would like to be asked for this piece (BEP 6).
    Suggest(PieceIndex),
    /// The sender has every piece (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// The sender will not answer this request (BEP 6).
    Reject(BlockId),
    /// The sender answers requests for this piece even while choking (BEP 6).
    AllowedFast(PieceIndex),
    /// A message of the extension protocol (BEP 10).
    Extended {
        /// 0 is the extension handshake; others are the receiver's numbers, from its own `m`.
        id: u8,
        /// The rest of the message.
        payload: &'a [u8],
    },
    /// The sender asks for nodes of a file's hash tree (BEP 52).
    HashRequest(HashRequest),
    /// The sender delivers nodes of a file's hash tree (BEP 52).
    Hashes {
        /// What was asked for.
        request: HashRequest,
        /// The nodes of the base layer, then the uncles that prove them, lowest first. Their number is
        /// for the session to judge.
        hashes: &'a [Digest32],
    },
    /// The sender will not answer this request for hashes (BEP 52).
    HashReject(HashRequest),
    /// An id that we don't know; its body is not kept.
    Unknown(u8),
}

/// Nodes of a hash tree, and what proves them (BEP 52). Nothing in it is judged here: layers and
/// positions may be those of no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRequest {
    /// The root of the tree, which names its file.
    pub pieces_root: Digest32,
    /// Layers between the leaves and the nodes asked for; 0 for leaves.
    pub base_layer: u32,
    /// Position of the first node in its layer.
    pub index: u32,
    /// How many nodes; a power of two from 2 to 512 from who follows BEP 52.
    pub length: u32,
    /// How many layers above the base layer to prove the nodes up to.
    pub proof_layers: u32,
}

/// Why a frame is not a message. Every variant is the peer's fault: drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is longer than [`FRAME_BYTES_MAX`].
    #[error("frame of {frame_bytes} bytes exceeds the limit of {FRAME_BYTES_MAX}")]
    Oversized {
        /// Length of the frame.
        frame_bytes: usize,
    },
    /// The frame ends before the fields its id calls for.
    #[error("message id {id} ends inside its field `{field}`")]
    Truncated {
        /// The message id read from the frame.
        id: u8,
        /// The field that is cut short, as the BEP names it.
        field: &'static str,
    },
    /// The frame goes on after its last field.
    #[error("message id {id} has {excess_bytes} bytes too many")]
    Excess {
        /// The message id read from the frame.
        id: u8,
        /// How many bytes follow the last field.
        excess_bytes: usize,
    },
}

/// The length of the frame that `prefix` announces, in bytes.
///
/// # Errors
///
/// [`DecodeError::Oversized`] beyond [`FRAME_BYTES_MAX`]: don't wait for such a frame.
pub fn frame_bytes(prefix: [u8; PREFIX_BYTES]) -> Result<usize, DecodeError> {
    let announced = u32::from_be_bytes(prefix);
    let frame_bytes = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > FRAME_BYTES_MAX {
        return Err(DecodeError::Oversized { frame_bytes });
    }
    Ok(frame_bytes)
}

/// Decodes one frame, without its prefix.
///
/// # Errors
///
/// [`DecodeError`] if the frame is oversized, cut short or too long for its id. Field values
/// are not judged here: a piece index may be out of range for the torrent.
pub fn decode(frame: &[u8]) -> Result<Message<'_>, DecodeError> {
    if u32::try_from(frame.len()).map_or(true, |bytes| bytes > FRAME_BYTES_MAX) {
        return Err(DecodeError::Oversized { frame_bytes: frame.len() });
    }
    let Some((&id, body)) = frame.split_first() else {
        return Ok(Message::KeepAlive);
    };
    let mut fields = Fields { id, rest: body };
    let message = match id {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(PieceIndex(fields.u32("index")?)),
        5 => Message::Bitfield(fields.take_rest()),
        6 => Message::Request(fields.block()?),
        7 => {
            let piece = PieceIndex(fields.u32("index")?);
            let offset_bytes = fields.u32("begin")?;
            let data = fields.take_rest();
            let length_bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            Message::Piece { block: BlockId { piece, offset_bytes, length_bytes }, data }
        }
        8 => Message::Cancel(fields.block()?),
        9 => Message::Port(u16::from_be_bytes(fields.array("port")?)),
        13 => Message::Suggest(PieceIndex(fields.u32("index")?)),
        14 => Message::HaveAll,
        15 => Message::HaveNone,
        16 => Message::Reject(fields.block()?),
        17 => Message::AllowedFast(PieceIndex(fields.u32("index")?)),
        20 => {
            let [id] = fields.array("extended message id")?;
            Message::Extended { id, payload: fields.take_rest() }
        }
        21 => Message::HashRequest(fields.hash_request()?),
        22 => Message::Hashes { request: fields.hash_request()?, hashes: fields.take_digests() },
        23 => Message::HashReject(fields.hash_request()?),
        _ => {
            fields.take_rest();
            Message::Unknown(id)
        }
    };
    match fields.rest.len() {
        0 => Ok(message),
        excess_bytes => Err(DecodeError::Excess { id, excess_bytes }),
    }
}

/// Appends `message` to `out` as a frame with its 4-byte prefix.
///
/// A block's length is that of its data, whatever `block.length_bytes` says. Payloads must keep
/// the frame within [`FRAME_BYTES_MAX`], or the other side will hang up.
pub fn encode(message: Message<'_>, out: &mut Vec<u8>) {
    match message {
        Message::KeepAlive => out.extend_from_slice(&[0; PREFIX_BYTES]),
        Message::Choke => put(out, 0, &[]),
        Message::Unchoke => put(out, 1, &[]),
        Message::Interested => put(out, 2, &[]),
        Message::NotInterested => put(out, 3, &[]),
        Message::Have(piece) => put(out, 4, &[&piece.0.to_be_bytes()]),
        Message::Bitfield(bits) => put(out, 5, &[bits]),
        Message::Request(block) => put_block(out, 6, block),
        Message::Piece { block, data } => {
            let index = block.piece.0.to_be_bytes();
            put(out, 7, &[&index, &block.offset_bytes.to_be_bytes(), data]);
        }
        Message::Cancel(block) => put_block(out, 8, block),
        Message::Port(port) => put(out, 9, &[&port.to_be_bytes()]),
        Message::Suggest(piece) => put(out, 13, &[&piece.0.to_be_bytes()]),
        Message::HaveAll => put(out, 14, &[]),
        Message::HaveNone => put(out, 15, &[]),
        Message::Reject(block) => put_block(out, 16, block),
        Message::AllowedFast(piece) => put(out, 17, &[&piece.0.to_be_bytes()]),
        Message::Extended { id, payload } => put(out, 20, &[&[id], payload]),
        Message::HashRequest(request) => put_hashes(out, 21, request, &[]),
        Message::Hashes { request, hashes } => put_hashes(out, 22, request, hashes),
        Message::HashReject(request) => put_hashes(out, 23, request, &[]),
        Message::Unknown(id) => put(out, id, &[]),
    }
}

fn put(out: &mut Vec<u8>, id: u8, parts: &[&[u8]]) {
    let frame_bytes = parts.iter().fold(1_usize, |sum, part| sum.saturating_add(part.len()));
    let prefix = u32::try_from(frame_bytes).unwrap_or(u32::MAX);
    out.reserve(frame_bytes.saturating_add(PREFIX_BYTES));
    out.extend_from_slice(&prefix.to_be_bytes());
    out.push(id);
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn put_block(out: &mut Vec<u8>, id: u8, block: BlockId) {
    let BlockId { piece, offset_bytes, length_bytes } = block;
    let parts = [piece.0.to_be_bytes(), offset_bytes.to_be_bytes(), length_bytes.to_be_bytes()];
    put(out, id, &[parts.as_flattened()]);
}

fn put_hashes(out: &mut Vec<u8>, id: u8, request: HashRequest, hashes: &[Digest32]) {
    let HashRequest { pieces_root, base_layer, index, length, proof_layers } = request;
    let numbers = [base_layer, index, length, proof_layers].map(u32::to_be_bytes);
    put(out, id, &[&pieces_root, numbers.as_flattened(), hashes.as_flattened()]);
}

/// What precedes the data of `block` on the wire, so that the data itself can be sent from
/// where it lies.
pub fn piece_header(block: BlockId) -> [u8; PIECE_HEADER_BYTES] {
    let [l0, l1, l2, l3] = block.length_bytes.saturating_add(PIECE_FIELD_BYTES).to_be_bytes();
    let [i0, i1, i2, i3] = block.piece.0.to_be_bytes();
    let [b0, b1, b2, b3] = block.offset_bytes.to_be_bytes();
    [l0, l1, l2, l3, 7, i0, i1, i2, i3, b0, b1, b2, b3]
}

/// The block whose header this is, so that its data can be read to where it belongs. `None` if
/// it is another message, or a frame that [`decode`] would refuse.
pub fn decode_piece_header(header: &[u8; PIECE_HEADER_BYTES]) -> Option<BlockId> {
    let &[l0, l1, l2, l3, id, i0, i1, i2, i3, b0, b1, b2, b3] = header;
    let frame_bytes = u32::from_be_bytes([l0, l1, l2, l3]);
    if id != 7 || frame_bytes > FRAME_BYTES_MAX {
        return None;
    }
    Some(BlockId {
        piece: PieceIndex(u32::from_be_bytes([i0, i1, i2, i3])),
        offset_bytes: u32::from_be_bytes([b0, b1, b2, b3]),
        length_bytes: frame_bytes.checked_sub(PIECE_FIELD_BYTES)?,
    })
}

/// Id, index and begin of a `piece` message: what its frame has besides data, in bytes.
const PIECE_FIELD_BYTES: u32 = 9;

/// The part of a frame not yet read.
struct Fields<'a> {
    id: u8,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeError::Truncated { id: self.id, field });
        };
        self.rest = rest;
        Ok(*bytes)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    fn block(&mut self) -> Result<BlockId, DecodeError> {
        Ok(BlockId {
            piece: PieceIndex(self.u32("index")?),
            offset_bytes: self.u32("begin")?,
            length_bytes: self.u32("length")?,
        })
    }

    fn hash_request(&mut self) -> Result<HashRequest, DecodeError> {
        Ok(HashRequest {
            pieces_root: self.array("pieces root")?,
            base_layer: self.u32("base layer")?,
            index: self.u32("index")?,
            length: self.u32("length")?,
            proof_layers: self.u32("proof layers")?,
        })
    }

    /// All whole digests; what is left of one stays.
    fn take_digests(&mut self) -> &'a [Digest32] {
        let (digests, rest) = self.rest.as_chunks();
        self.rest = rest;
        digests
    }

    fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }
}

#[cfg(test)]
mod tests;
