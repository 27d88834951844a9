//! One peer's socket and what is to be sent over it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::sync::Arc;

use base::{BlockId, FileIndex, TorrentId};
use mio::net::TcpStream;
use node::shard::BlockOut;
use storage::job::HashPart;
use torrent::receive::RecvPlan;

use crate::budget::Slot;

/// Messages waiting for a peer that does not read, beyond which we don't read it either: each
/// request of a choked peer would add a reject.
const QUEUED_BYTES_MAX: usize = 1 << 20;

/// Buffers of one vectored write.
const GATHER_MAX: usize = 16;

/// Where files come from: the descriptor cache of the disk pools.
pub type FileForSend = Box<dyn Fn(TorrentId, FileIndex) -> Option<Arc<File>> + Send>;

#[derive(Debug)]
enum Item {
    Bytes(Vec<u8>),
    Block(BlockOut),
}

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The dial is under way.
    pub(crate) dialing: bool,
    /// There may be something to read.
    pub(crate) readable: bool,
    /// It stands in the loop's list of those to be read.
    pub(crate) listed: bool,
    /// It was not read because it does not read.
    pub(crate) deaf: bool,
    /// Its place among the open sockets.
    _slot: Slot,
    writable: bool,
    queue: VecDeque<Item>,
    /// Bytes of the messages in `queue`, blocks not counted: core bounds those.
    queued_bytes: usize,
    /// Bytes of the front item that are sent.
    sent: usize,
}

/// How a flush ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// All sent, or the socket is full.
    Fine,
    /// The connection is over.
    Broken,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, slot: Slot, dialing: bool) -> Self {
        Self {
            stream,
            dialing,
            readable: false,
            listed: false,
            deaf: false,
            queued_bytes: 0,
            _slot: slot,
            writable: !dialing,
            queue: VecDeque::new(),
            sent: 0,
        }
    }

    /// Reads once, as planned. `Ok(None)`: nothing there.
    pub(crate) fn read(&mut self, plan: &mut RecvPlan) -> io::Result<Option<usize>> {
        let mut wanted = 0;
        let mut slices: Vec<IoSliceMut<'_>> = Vec::with_capacity(plan.slots.len());
        for slot in &mut plan.slots {
            let bytes = slot.bytes_mut();
            wanted += bytes.len();
            slices.push(IoSliceMut::new(bytes));
        }
        loop {
            match self.stream.read_vectored(&mut slices) {
                Ok(read) => {
                    // A short read emptied the socket; whatever comes next makes a new event.
                    self.readable = read == wanted;
                    return Ok(Some(read));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn send(&mut self, bytes: Vec<u8>) {
        self.queued_bytes += bytes.len();
        self.queue.push_back(Item::Bytes(bytes));
    }

    /// Whether so much waits to be sent that no more should be provoked by reading.
    pub(crate) fn is_clogged(&self) -> bool {
        self.queued_bytes > QUEUED_BYTES_MAX
    }

    pub(crate) fn send_block(&mut self, block: BlockOut) {
        self.queue.push_back(Item::Block(block));
    }

    pub(crate) fn on_writable(&mut self) {
        self.writable = true;
    }

    /// Sends what it can; `sent` gets the blocks that are wholly in the kernel's hands.
    pub(crate) fn flush(
        &mut self,
        file: &FileForSend,
        sent: &mut Vec<(TorrentId, BlockId)>,
    ) -> Flushed {
        while self.writable && !self.dialing {
            let step = match self.queue.front() {
                None => return Flushed::Fine,
                Some(Item::Bytes(_)) => self.write_bytes(),
                Some(Item::Block(block)) => send_part(&self.stream, block, self.sent, file),
            };
            match step {
                Ok(bytes) => self.advance(bytes, sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(_) => return Flushed::Broken,
            }
        }
        Flushed::Fine
    }

    fn write_bytes(&mut self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); GATHER_MAX];
        let mut count = 0;
        for (slice, item) in slices.iter_mut().zip(&self.queue) {
            let Item::Bytes(bytes) = item else { break };
            *slice = IoSlice::new(if count == 0 { &bytes[self.sent..] } else { bytes });
            count += 1;
        }
        (&self.stream).write_vectored(&slices[..count])
    }

    fn advance(&mut self, mut bytes: usize, sent: &mut Vec<(TorrentId, BlockId)>) {
        while let Some(item) = self.queue.front() {
            let length = match item {
                Item::Bytes(bytes) => bytes.len(),
                Item::Block(out) => out.header.len() + out.block.length_bytes as usize,
            };
            if self.sent + bytes < length {
                self.sent += bytes;
                return;
            }
            bytes -= length - self.sent;
            self.sent = 0;
            match self.queue.pop_front() {
                Some(Item::Block(out)) => sent.push((out.torrent, out.block)),
                Some(Item::Bytes(bytes)) => self.queued_bytes -= bytes.len(),
                None => {}
            }
            if bytes == 0 {
                return;
            }
        }
    }
}

/// Sends the next stretch of a block of which `sent` bytes, header included, are sent.
fn send_part(
    stream: &TcpStream,
    out: &BlockOut,
    sent: usize,
    file: &FileForSend,
) -> io::Result<usize> {
    if let Some(rest) = out.header.get(sent..).filter(|rest| !rest.is_empty()) {
        return send_more(stream, rest);
    }
    let mut at = (sent - out.header.len()) as u64;
    for part in &out.parts {
        let length = match part {
            HashPart::File(extent) => extent.length_bytes,
            HashPart::Zeros(length) => *length,
        };
        if at >= length {
            at -= length;
            continue;
        }
        let left = usize::try_from(length - at).unwrap_or(usize::MAX);
        return match part {
            HashPart::File(extent) => {
                let file = file(out.torrent, extent.file).ok_or(io::ErrorKind::NotFound)?;
                send_file(stream, &file, extent.offset_bytes + at, left)
            }
            HashPart::Zeros(_) => {
                const ZEROS: [u8; 4096] = [0; 4096];
                let mut stream = stream;
                stream.write(&ZEROS[..left.min(ZEROS.len())])
            }
        };
    }
    unreachable!("the parts are as long as the block")
}

/// Sends a header that its block follows at once.
#[cfg(target_os = "linux")]
fn send_more(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    Ok(rustix::net::send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
fn send_more(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

/// Sends from the page cache without a copy in user space.
#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, file: &File, offset: u64, length: usize) -> io::Result<usize> {
    let mut offset = offset;
    match rustix::fs::sendfile(stream, file, Some(&mut offset), length)? {
        // The file became shorter since it was looked at.
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        sent => Ok(sent),
    }
}

#[cfg(not(target_os = "linux"))]
fn send_file(mut stream: &TcpStream, file: &File, offset: u64, length: usize) -> io::Result<usize> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = [0; 16 * 1024];
    let length = length.min(bytes.len());
    match file.read_at(&mut bytes[..length], offset)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => stream.write(&bytes[..read]),
    }
}
