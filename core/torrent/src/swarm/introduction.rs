//! What a peer is told of us at the start, and again when that changes.
//!
//! Source: BEP 3 (bitfield), BEP 6 (have all, have none), BEP 10, BEP 21.

use base::ConnId;
use wire::extended::ExtendedHandshake;
use wire::peer::Message;

use super::Swarm;
use crate::session::{REQUESTS_QUEUED_MAX, Session};

impl Swarm {
    /// Tells a newcomer what we have and who we are.
    pub(super) fn introduce(&mut self, conn: ConnId) {
        let shown_little = self.is_shown_little();
        if shown_little {
            self.show_little(conn);
        }
        self.spread_to(conn, !shown_little);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        match (session.fast, self.have.count()) {
            (true | false, _) if shown_little => {}
            (true, 0) => session.say(Message::HaveNone),
            (true, count) if count == self.have.len() => session.say(Message::HaveAll),
            (false, 0) => {}
            (true | false, _) => session.say(Message::Bitfield(self.have.as_bytes())),
        }
        self.say_hello(conn);
        if shown_little {
            self.show_more();
        } else {
            self.allow_fast(conn);
        }
        self.touch(conn);
    }

    /// Tells a newcomer who we are while nobody knows what we have.
    pub(super) fn introduce_early(&mut self, conn: ConnId) {
        let session = self.session(conn);
        session.introduced = true;
        if session.fast {
            session.say(Message::HaveNone);
        }
        self.say_hello(conn);
        self.touch(conn);
    }

    /// Says what BEP 10 has to say. Again when we begin to want nothing more without having
    /// everything (BEP 21; of the complete that is known), and when we want something again.
    pub(super) fn say_hello(&mut self, conn: ConnId) {
        let complete = self.is_complete();
        let dont_have = (wire::extended::DONT_HAVE.to_vec(), wire::extended::DONT_HAVE_ID);
        let extensions = [Some(dont_have), Some(self.metadata_extension()), self.pex_extension()];
        let extensions = extensions.into_iter().flatten().collect();
        let metadata_size =
            self.shape.info.as_ref().and_then(|info| u32::try_from(info.len()).ok());
        let Some(session) = self.sessions.get_mut(&conn).filter(|session| session.extended) else {
            return;
        };
        // Of who is shown piece after piece, nobody is to guess that there are more.
        let upload_only = complete && session.shown.is_none();
        let hello = ExtendedHandshake {
            m: extensions,
            metadata_size,
            version: Some(self.config.client.clone()),
            port: self.config.listen_port,
            reqq: Some(u32::try_from(REQUESTS_QUEUED_MAX).expect("a small constant")),
            upload_only,
            your_ip: Some(session.addr.ip()),
        };
        session
            .say(Message::Extended { id: wire::extended::HANDSHAKE_ID, payload: &hello.encode() });
    }

    /// To everybody, since something of it changed.
    pub(super) fn say_hello_again(&mut self) {
        let known = |(&conn, session): (&ConnId, &Session)| session.peer_id.map(|_| conn);
        let conns: Vec<ConnId> = self.sessions.iter().filter_map(known).collect();
        for conn in conns {
            self.say_hello(conn);
            self.touch(conn);
        }
    }
}
