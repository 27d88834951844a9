//! Streams over the factory's sockets: to one address, or to the first of several that answers.
//!
//! Source: RFC 8305, much reduced: the families alternate, attempts are staggered, the first
//! connection wins. What we do differently: the next attempt waits 2 s instead of 250 ms, since
//! announces are not interactive and trackers should see one SYN from us, not three.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{HttpError, Purpose};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::factory::SocketFactory;

/// How long one attempt has for itself before the next address is tried beside it.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_secs(2);

/// Connects to `addr`.
pub(super) async fn connect(
    factory: &SocketFactory,
    purpose: Purpose,
    addr: SocketAddr,
) -> io::Result<TcpStream> {
    let stream = TcpStream::from_std(factory.tcp_connect_start(purpose, addr)?)?;
    // Readiness may be spurious: without an error and without a peer it is still connecting.
    stream
        .async_io(Interest::WRITABLE, || {
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            match stream.peer_addr() {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        })
        .await?;
    Ok(stream)
}

/// Connects to the first of `addrs` that answers. The next one is tried when the last has
/// failed, or beside it when it takes long.
pub(super) async fn connect_any(
    factory: &SocketFactory,
    purpose: Purpose,
    addrs: Vec<IpAddr>,
    port: u16,
) -> Result<TcpStream, HttpError> {
    let mut waiting = alternate_families(addrs).into_iter();
    // Dropped on return, which aborts the attempts still in it.
    let mut attempts = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        let next = waiting.next();
        let is_last = next.is_none();
        if let Some(ip) = next {
            let (factory, addr) = (factory.clone(), SocketAddr::new(ip, port));
            attempts.spawn(async move { (addr, connect(&factory, purpose, addr).await) });
        } else if attempts.is_empty() {
            return Err(HttpError::Connect(failures.join("; ")));
        }
        let ended = if is_last {
            attempts.join_next().await
        } else {
            tokio::time::timeout(NEXT_ADDRESS_AFTER, attempts.join_next()).await.unwrap_or(None)
        };
        match ended {
            Some(Ok((_, Ok(stream)))) => return Ok(stream),
            Some(Ok((addr, Err(error)))) => failures.push(format!("{addr}: {error}")),
            Some(Err(error)) => failures.push(error.to_string()),
            None => {}
        }
    }
}

/// Keeps the order within each family and begins with the family that came first.
fn alternate_families(addrs: Vec<IpAddr>) -> Vec<IpAddr> {
    let count = addrs.len();
    let first_is_v4 = addrs.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.into_iter().partition(|ip| ip.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::with_capacity(count);
    while mixed.len() < count {
        mixed.extend(first.next());
        mixed.extend(second.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_from_the_first() {
        let ips = |text: &str| -> Vec<IpAddr> {
            text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
        };
        for (given, mixed) in [
            ("", ""),
            ("::1", "::1"),
            ("::1 ::2 ::3 1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2 ::3"),
            ("1.1.1.1 ::1 ::2", "1.1.1.1 ::1 ::2"),
            ("1.1.1.1 2.2.2.2", "1.1.1.1 2.2.2.2"),
        ] {
            assert_eq!(alternate_families(ips(given)), ips(mixed), "{given}");
        }
    }
}
