//! A peer that only listens: what does a client claim to have?

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, ensure};

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
/// The bit of BEP 6 in the last reserved byte.
const FAST: u8 = 4;
const MESSAGE_BYTES_MAX: u32 = 1 << 17;

/// A connection after the handshake, with the fast extension (BEP 6): a client says
/// what it has by one first message, also when it has nothing, and then piece by piece.
#[derive(Debug)]
pub struct WirePeek {
    stream: TcpStream,
    pieces: BTreeSet<u32>,
}

impl WirePeek {
    /// Dials `address` and shakes hands for `info_hash`, in hexadecimal digits.
    pub fn connect(address: SocketAddr, info_hash: &str, limit: Duration) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let mut hello = PROTOCOL.to_vec();
        hello.extend([0, 0, 0, 0, 0, 0, 0, FAST]);
        for at in (0..info_hash.len()).step_by(2) {
            let digits = info_hash.get(at..at + 2).context("two digits a byte")?;
            hello.push(u8::from_str_radix(digits, 16)?);
        }
        hello.extend(b"-PK0001-aaaaaaaaaaaa");
        stream.write_all(&hello)?;
        let mut reply = [0; 68];
        stream.read_exact(&mut reply).context("the handshake")?;
        ensure!(reply.starts_with(PROTOCOL), "not a handshake: {reply:?}");
        ensure!(reply.get(28..48) == hello.get(28..48), "another info-hash");
        Ok(Self { stream, pieces: BTreeSet::new() })
    }

    /// What the client claims first, of `count` pieces. It may take its time to look.
    pub fn first_claims(&mut self, count: u32, limit: Duration) -> anyhow::Result<BTreeSet<u32>> {
        self.stream.set_read_timeout(Some(limit))?;
        loop {
            match self.message()?.context("no first claim in time")? {
                (BITFIELD, payload) => {
                    for (index, byte) in (0_u32..).zip(&payload) {
                        self.pieces.extend(
                            (0..8)
                                .filter(|bit| byte & (0x80 >> bit) != 0)
                                .map(|bit| index * 8 + bit),
                        );
                    }
                    return Ok(self.pieces.clone());
                }
                (HAVE_ALL, _) => return Ok((0..count).collect()),
                (HAVE_NONE, _) => return Ok(BTreeSet::new()),
                _ => {}
            }
        }
    }

    /// Waits until the client has announced `count` further pieces.
    pub fn wait_haves(&mut self, count: usize, limit: Duration) -> anyhow::Result<()> {
        self.stream.set_read_timeout(Some(limit))?;
        let mut seen = 0;
        while seen < count {
            let (kind, _) = self.message()?.context("no further piece in time")?;
            seen += usize::from(kind == HAVE);
        }
        Ok(())
    }

    /// The next message but keep-alives; nothing when none comes in time.
    fn message(&mut self) -> anyhow::Result<Option<(u8, Vec<u8>)>> {
        loop {
            let mut length = [0; 4];
            match self.stream.read_exact(&mut length) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("a message"),
            }
            let length = u32::from_be_bytes(length);
            ensure!(length <= MESSAGE_BYTES_MAX, "a message of {length} bytes");
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body)?;
            if let Some((kind, payload)) = body.split_first() {
                return Ok(Some((*kind, payload.to_vec())));
            }
        }
    }
}
