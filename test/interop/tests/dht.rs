//! What one DHT stores, the others find: peers, and values of BEP 44, immutable and mutable.
//!
//! In each test one node stays. Everybody stores something there and is gone; then others come and find
//! all of it, so that it can be from nowhere else. Of the ways to combine three programs, those that
//! leave out `shoal` are there to prove the harness.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use interop::{DhtClient, KeyPair, Outcome, Scene, in_own_network};

/// Whoever is gone costs the others time-outs, of up to 15 s.
const LIMIT: Duration = Duration::from_secs(180);

const KEY: KeyPair = KeyPair::RFC_8032_1;

fn at(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 60, 0, host], 6881))
}

/// What `client` stores: the torrent, the port, the value, the salt.
fn stored_by(client: DhtClient) -> (String, u16, String, &'static str) {
    let number = client as u16 + 1;
    (
        format!("{number:02x}").repeat(20),
        7000 + number,
        format!("by {}", client.name()),
        client.name(),
    )
}

/// Lets `clients` act at once, but those later whom others would wait for: the commands of shoal, which are
/// gone at once, and mainline, which does not answer everybody.
fn each<T: Send>(
    clients: &[DhtClient],
    act: impl Fn(DhtClient) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let mut all = Vec::new();
    for group in clients.chunk_by(|_, next| matches!(next, DhtClient::Libtorrent | DhtClient::Npm))
    {
        let ends: Vec<_> = thread::scope(|scope| {
            let act = &act;
            let start = |client: &DhtClient| {
                let client = *client;
                scope.spawn(move || act(client))
            };
            let threads: Vec<_> = group.iter().map(start).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for end in ends {
            all.push(end.unwrap_or_else(|_| Err(anyhow!("a thread panicked")))?);
        }
    }
    Ok(all)
}

fn everybody_finds_what_is_stored_at(scene: &Scene, storer: DhtClient) -> anyhow::Result<()> {
    let storer_node = storer.node(scene, at(1), &[])?;
    let known = storer_node.address();
    let clients = DhtClient::all().into_iter().filter(|client| client.is_answered_by(storer));
    let clients: Vec<DhtClient> = clients.collect();
    let written = each(&clients, |client| {
        let mut asker = client.asker(scene, at(10 + client as u8), known)?;
        let (info_hash, port, value, salt) = stored_by(client);
        asker.announce(scene, &info_hash, port)?;
        asker.sign(scene, KEY, salt, &format!("{value}, signed"))?;
        let target = asker.put(scene, &value)?;
        Ok((target, asker))
    })?;
    // Now they stop.
    let targets: Vec<String> = written.into_iter().map(|(target, _)| target).collect();
    each(&clients, |client| {
        let mut asker = client.asker(scene, at(20 + client as u8), known)?;
        for (writer, target) in clients.iter().zip(&targets) {
            let (info_hash, port, value, salt) = stored_by(*writer);
            let peers = asker.peers(scene, &info_hash)?;
            let wanted = SocketAddr::new(at(10 + *writer as u8).ip(), port);
            ensure!(peers == [wanted], "{client:?} finds {peers:?} of {writer:?} at {storer:?}");
            let found = asker.get(scene, target)?;
            ensure!(found == value, "{client:?} gets {found:?} of {writer:?} at {storer:?}");
            let found = asker.find(scene, KEY, salt)?;
            let wanted = format!("{value}, signed");
            ensure!(found == wanted, "{client:?} finds {found:?} of {writer:?} at {storer:?}");
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn everybody_finds_what_shoal_stores() -> Outcome {
    in_own_network("everybody_finds_what_shoal_stores", LIMIT, |scene| {
        everybody_finds_what_is_stored_at(scene, DhtClient::Shoal)
    })
}

#[test]
fn everybody_finds_what_libtorrent_stores() -> Outcome {
    in_own_network("everybody_finds_what_libtorrent_stores", LIMIT, |scene| {
        everybody_finds_what_is_stored_at(scene, DhtClient::Libtorrent)
    })
}

#[test]
fn everybody_finds_what_npm_stores() -> Outcome {
    in_own_network("everybody_finds_what_npm_stores", LIMIT, |scene| {
        everybody_finds_what_is_stored_at(scene, DhtClient::Npm)
    })
}

#[test]
fn shoal_and_mainline_find_what_mainline_stores() -> Outcome {
    in_own_network("shoal_and_mainline_find_what_mainline_stores", LIMIT, |scene| {
        everybody_finds_what_is_stored_at(scene, DhtClient::Mainline)
    })
}
