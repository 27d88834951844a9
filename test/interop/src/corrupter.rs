//! A seed whose first block is wrong: a relay in front of an honest client, at another address.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Context as _;

const HANDSHAKE_BYTES: usize = 68;
/// The bit of the last reserved byte, the 28th, that offers version 2 (BEP 52).
const V2: u8 = 0x10;
const PIECE: u8 = 7;
/// Length, id, index and begin.
const PIECE_HEADER_BYTES: usize = 13;

/// Relays one connection, dialled to it at an address of its own, to `seed`. The first block from the
/// seed has one wrong bit, and after `blocks` blocks nothing comes any more. Version 2 is offered to
/// nobody, so that nobody asks it for hashes. Ends with its threads, when either side hangs up.
pub fn corrupter(seed: SocketAddr, blocks: u32) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let Ok((victim, _)) = listener.accept() else { return };
        // Whoever hangs up ends both.
        relay(victim, seed, blocks).ok();
    });
    Ok(address)
}

fn relay(mut victim: TcpStream, seed: SocketAddr, blocks: u32) -> anyhow::Result<()> {
    let mut upstream = TcpStream::connect(seed)?;
    let mut hello = [0; HANDSHAKE_BYTES];
    victim.read_exact(&mut hello)?;
    hello[27] &= !V2;
    upstream.write_all(&hello)?;
    let (mut from_victim, mut to_seed) = (victim.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from_victim, &mut to_seed).ok());
    upstream.read_exact(&mut hello)?;
    hello[27] &= !V2;
    victim.write_all(&hello)?;
    let mut sent = 0;
    while sent < blocks {
        let mut frame = vec![0; 4];
        upstream.read_exact(&mut frame)?;
        let length = u32::from_be_bytes(*frame.first_chunk().context("four bytes")?);
        frame.resize(4 + usize::try_from(length)?, 0);
        upstream.read_exact(&mut frame[4..])?;
        if frame.get(4) == Some(&PIECE) {
            if sent == 0 {
                frame[PIECE_HEADER_BYTES] ^= 1;
            }
            sent += 1;
        }
        victim.write_all(&frame)?;
    }
    // Silent, but there, until the victim hangs up.
    std::io::copy(&mut upstream, &mut std::io::sink())?;
    Ok(())
}
