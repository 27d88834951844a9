//! A swarm that knows its torrent by name alone, and what peers are told who know it so.
//!
//! Source: BEP 9 (metadata), BEP 52 (piece layers). The swarm dials and talks as any other, but asks for `info`
//! instead of pieces. What peers say of their pieces means nothing yet: it is kept, and counts as soon as the
//! torrent is known. The connections stay, so that the first block is asked for in the same moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base::{Bitfield, ConnId, InfoHashes, Instant, PieceIndex, PieceSizes, Rng};
use keys::Digest32;
use wire::metadata::{self, METADATA_ID, Message as Word};
use wire::metainfo::{Info, Version};
use wire::peer::{HashRequest, Message};

use super::{CloseReason, Config, Metadata, Output, Shape, Swarm};
use crate::layers::Layers;
use crate::manners::REJECTED_COST;
use crate::metadata::{Drafts, Step};
use crate::session::ALLOWED_FAST_MAX;

/// What a piece of `info` costs of the budget of talk, beside the message: a peer gets 800 KiB a second.
const PIECE_COST: u32 = 100;

/// With so much to be sent to a peer, it gets no further pieces.
const ANSWERS_BYTES_MAX: usize = 256 << 10;

/// HAVEs of one peer kept until the torrent is known; who says more has said a bitfield before.
const HAVES_MAX: usize = 4096;

/// Seconds that a hybrid waits for layers while nobody gives any: version 1 alone does, too.
const PATIENCE_TICKS: u64 = 5;

/// HAVEs that tell a peer what we have, when the time for a bitfield is over: 180 KB.
const HAVES_SAID_MAX: u32 = 20_000;

/// What is still sought.
#[derive(Debug)]
pub(super) enum Seeking {
    /// `info`.
    Info(Drafts),
    /// The piece layers of an `info` that came.
    Layers {
        /// The bytes of `info`.
        info: Vec<u8>,
        /// What is lacking.
        layers: Layers,
        /// Version 1 would do, too.
        hybrid: bool,
        /// The tick at which a part came last, or the first was asked for.
        since: u64,
    },
    /// Nothing: the torrent is known, and about to be begun.
    Nothing,
}

/// What a peer said of its pieces while their number was unknown.
#[derive(Clone, Debug, Default)]
pub struct Early {
    inventory: Option<Inventory>,
    haves: Vec<PieceIndex>,
    allowed: Vec<PieceIndex>,
}

#[derive(Clone, Debug)]
enum Inventory {
    All,
    None,
    Bits(Vec<u8>),
}

impl Swarm {
    /// A swarm of a torrent with these names, of which nothing else is known.
    pub fn seeking(info_hashes: InfoHashes, config: Config, rng: Rng, now: Instant) -> Self {
        let sizes = PieceSizes::new(1, 0);
        let shape = Shape { info_hashes, sizes, trees: None, info: None };
        let mut swarm = Self::new(shape, config, rng);
        swarm.seeking = Some(Box::new(Seeking::Info(Drafts::new(info_hashes))));
        swarm.start_ticking(now);
        swarm
    }

    /// Whether only its name is known.
    pub fn is_seeking(&self) -> bool {
        self.seeking.is_some()
    }

    /// The torrent is known now. Go on with [`Swarm::choose`] and [`Swarm::on_ready`], as with any other.
    pub fn on_shape(&mut self, shape: Shape) {
        assert!(self.seeking.take().is_some(), "it was known before");
        let pieces = shape.sizes.count();
        self.shape = shape;
        self.have = Bitfield::empty(pieces);
        self.wanted = Bitfield::full(pieces);
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for conn in conns {
            let session = self.session(conn);
            let early = core::mem::take(&mut session.early);
            let is_there = |piece: &PieceIndex| piece.0 < pieces;
            let inventory = match early.inventory {
                Some(Inventory::Bits(bytes)) => Bitfield::from_bytes(&bytes, pieces),
                Some(Inventory::All) => Some(Bitfield::full(pieces)),
                Some(Inventory::None) | None => Some(Bitfield::empty(pieces)),
            };
            let Some(inventory) = inventory.filter(|_| early.haves.iter().all(is_there)) else {
                self.close(conn, CloseReason::OutOfRange);
                continue;
            };
            session.have = inventory;
            for piece in early.haves {
                session.have.set(piece);
            }
            session.allowed = early.allowed.into_iter().filter(is_there).collect();
        }
        self.say_hello_again();
    }

    /// Tells who came while the torrent was unknown what we have.
    pub(super) fn introduce_late(&mut self, conn: ConnId) {
        if self.have.count() > HAVES_SAID_MAX {
            // Next time it gets a bitfield.
            return self.close(conn, CloseReason::Unreadable);
        }
        let ours: Vec<PieceIndex> = self.have.ones().collect();
        self.spread_to(conn, true);
        let session = self.session(conn);
        ours.into_iter().for_each(|piece| session.say(Message::Have(piece)));
        self.touch(conn);
    }

    /// Keeps what can't be understood yet. False if it is to be handled now.
    pub(super) fn is_for_later(&mut self, conn: ConnId, message: &Message<'_>) -> bool {
        if self.seeking.is_none() {
            return false;
        }
        let session = self.session(conn);
        let early = &mut session.early;
        match *message {
            Message::Bitfield(bytes) => early.inventory = Some(Inventory::Bits(bytes.to_vec())),
            Message::HaveAll => early.inventory = Some(Inventory::All),
            Message::HaveNone => early.inventory = Some(Inventory::None),
            Message::Have(piece) if early.haves.len() < HAVES_MAX => early.haves.push(piece),
            Message::AllowedFast(piece) if early.allowed.len() < ALLOWED_FAST_MAX => {
                early.allowed.push(piece);
            }
            Message::Request(block) if session.fast => {
                session.say(Message::Reject(block));
                self.touch(conn);
            }
            Message::HashRequest(request) => {
                session.say(Message::HashReject(request));
                self.touch(conn);
            }
            Message::Have(_)
            | Message::AllowedFast(_)
            | Message::Request(_)
            | Message::Cancel(_)
            | Message::Reject(_)
            | Message::Extended { id: wire::extended::DONT_HAVE_ID, .. } => {}
            Message::KeepAlive
            | Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
            | Message::Piece { .. }
            | Message::Port(_)
            | Message::Suggest(_)
            | Message::Extended { .. }
            | Message::Hashes { .. }
            | Message::HashReject(_)
            | Message::Unknown(_) => return false,
        }
        true
    }

    /// A peer said hello: perhaps it has `info`.
    pub(super) fn on_metadata_size(
        &mut self,
        conn: ConnId,
        total_bytes: Option<u32>,
        now: Instant,
    ) {
        let session = self.session(conn);
        session.metadata_size = total_bytes.or(session.metadata_size);
        if let (Some(Seeking::Info(drafts)), Some(total_bytes)) =
            (self.seeking.as_deref_mut(), total_bytes)
            && self.sessions[&conn].metadata_id.is_some()
            && drafts.on_offer(conn, total_bytes, now)
        {
            self.ask_for_metadata(conn, now);
        }
        self.ask_for_layers(conn, now);
    }

    /// Asks a peer for pieces of `info`.
    fn ask_for_metadata(&mut self, conn: ConnId, now: Instant) {
        let Some(Seeking::Info(drafts)) = self.seeking.as_deref_mut() else { return };
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(id) = session.metadata_id else { return };
        for piece in drafts.ask(conn, now) {
            session.say(Message::Extended { id, payload: &Word::Request(piece).encode() });
        }
        self.touch(conn);
    }

    /// A message of BEP 9.
    pub(super) fn on_metadata(&mut self, conn: ConnId, payload: &[u8], now: Instant) {
        match Word::decode(payload) {
            Some(Word::Request(piece)) => self.give_metadata(conn, piece, now),
            Some(Word::Data { piece, bytes, .. }) => {
                let Some(Seeking::Info(drafts)) = self.seeking.as_deref_mut() else { return };
                match drafts.on_data(conn, piece, bytes) {
                    Step::Unasked => {}
                    Step::More => self.ask_for_metadata(conn, now),
                    Step::Again => self.ask_everybody(now),
                    Step::Done(info) => self.on_info(info, now),
                    Step::Liar(liar) => {
                        self.shun(liar, CloseReason::WrongHashes, now);
                        self.ask_everybody(now);
                    }
                }
            }
            Some(Word::Reject(piece)) => {
                if let Some(Seeking::Info(drafts)) = self.seeking.as_deref_mut()
                    && drafts.on_reject(conn, piece, now)
                {
                    self.ask_everybody(now);
                }
            }
            None => {}
        }
    }

    fn give_metadata(&mut self, conn: ConnId, piece: u32, now: Instant) {
        let info = self.shape.info.as_ref().map(Arc::clone);
        let session = self.session(conn);
        let Some(id) = session.metadata_id else { return };
        let range = info.as_ref().and_then(|info| metadata::piece_range(piece, info.len()));
        let able = session.out.len() < ANSWERS_BYTES_MAX && session.budget.afford(PIECE_COST);
        let payload = match (info, range.filter(|_| able)) {
            (Some(info), Some(range)) => {
                let total_bytes = u32::try_from(info.len()).ok();
                Word::Data { piece, total_bytes, bytes: &info[range] }.encode()
            }
            (Some(_) | None, _) => {
                if !session.budget.spend(REJECTED_COST) {
                    return self.shun(conn, CloseReason::Flood, now);
                }
                Word::Reject(piece).encode()
            }
        };
        session.say(Message::Extended { id, payload: &payload });
        self.touch(conn);
    }

    fn ask_everybody(&mut self, now: Instant) {
        if let Some(Seeking::Info(drafts)) = self.seeking.as_deref() {
            drafts.peers().into_iter().for_each(|conn| self.ask_for_metadata(conn, now));
        }
    }

    /// `info` came, and has the right name.
    fn on_info(&mut self, info: Vec<u8>, now: Instant) {
        let decoded = Info::decode(&info).ok();
        let lacking = decoded.as_ref().filter(|info| info.version().has_v2()).and_then(Layers::of);
        // What is wrong with an `info` of the right name is said by who reads it next.
        let Some(layers) = lacking else { return self.on_found(info, BTreeMap::new()) };
        let hybrid = decoded.is_some_and(|info| info.version() == Version::Hybrid);
        if hybrid && self.shape.info_hashes.of_v2().is_none() {
            // By a name of version 1 alone nobody speaks version 2 with us.
            return self.on_found(info, BTreeMap::new());
        }
        let since = self.ticks;
        self.seeking = Some(Box::new(Seeking::Layers { info, layers, hybrid, since }));
        self.ask_all_for_layers(now);
    }

    fn on_found(&mut self, info: Vec<u8>, layers: BTreeMap<Digest32, Vec<u8>>) {
        self.seeking = Some(Box::new(Seeking::Nothing));
        self.outputs.push_back(Output::Metadata(Box::new(Metadata { info, layers })));
    }

    fn ask_for_layers(&mut self, conn: ConnId, now: Instant) {
        let Some(Seeking::Layers { layers, .. }) = self.seeking.as_deref_mut() else { return };
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.peer_id.is_none() || !session.v2 {
            return;
        }
        for request in layers.ask(conn, now) {
            session.say(Message::HashRequest(request));
        }
        self.touch(conn);
    }

    fn ask_all_for_layers(&mut self, now: Instant) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.ask_for_layers(conn, now));
    }

    /// Hashes came while the torrent is sought.
    pub(super) fn on_layer(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        hashes: &[Digest32],
        now: Instant,
    ) {
        let ticks = self.ticks;
        let Some(Seeking::Layers { layers, since, info, .. }) = self.seeking.as_deref_mut() else {
            return;
        };
        if !layers.on_hashes(conn, request, hashes) {
            return self.shun(conn, CloseReason::WrongHashes, now);
        }
        *since = ticks;
        match layers.whole() {
            Some(layers) => {
                let info = core::mem::take(info);
                self.on_found(info, layers);
            }
            None => self.ask_for_layers(conn, now),
        }
    }

    /// A peer will not give hashes while the torrent is sought.
    pub(super) fn on_layer_reject(&mut self, conn: ConnId, request: &HashRequest, now: Instant) {
        if let Some(Seeking::Layers { layers, .. }) = self.seeking.as_deref_mut() {
            layers.on_reject(conn, request, now);
            self.ask_all_for_layers(now);
        }
    }

    /// Once a second.
    pub(super) fn tick_seeking(&mut self, now: Instant) {
        let ticks = self.ticks;
        match self.seeking.as_deref_mut() {
            Some(Seeking::Info(drafts)) => {
                drafts.tick(now);
                // There may be room by now for the length that it claims.
                let claims = self.sessions.iter();
                let able = claims.filter(|(_, session)| session.metadata_id.is_some());
                for (&conn, size) in able.filter_map(|(conn, s)| Some((conn, s.metadata_size?))) {
                    drafts.on_offer(conn, size, now);
                }
                self.ask_everybody(now);
            }
            Some(Seeking::Layers { layers, hybrid, since, info }) => {
                layers.tick(now);
                if *hybrid && ticks.saturating_sub(*since) > PATIENCE_TICKS {
                    let info = core::mem::take(info);
                    return self.on_found(info, BTreeMap::new());
                }
                self.ask_all_for_layers(now);
            }
            Some(Seeking::Nothing) | None => {}
        }
    }

    /// A connection of a sought torrent is gone.
    pub(super) fn forget_seeker(&mut self, conn: ConnId) {
        match self.seeking.as_deref_mut() {
            Some(Seeking::Info(drafts)) => drafts.on_gone(conn),
            Some(Seeking::Layers { layers, .. }) => layers.on_gone(conn),
            Some(Seeking::Nothing) | None => {}
        }
    }

    /// A peer has a node of the DHT (BEP 5, "port" message).
    pub(super) fn on_port(&mut self, conn: ConnId, port: u16) {
        let dht = self.config.dht;
        let session = self.session(conn);
        let addr = SocketAddr::new(session.addr.ip(), port);
        if port > 0 && dht && !core::mem::replace(&mut session.has_node, true) {
            self.outputs.push_back(Output::DhtNode(addr));
        }
    }

    /// The id under which we want messages of BEP 9, for our hello.
    pub(super) fn metadata_extension(&self) -> (Vec<u8>, u8) {
        (metadata::METADATA.to_vec(), METADATA_ID)
    }
}
