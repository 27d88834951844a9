//! A magnet link of fifty files, resolved and downloaded from peers that only the DHT tells of.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use interop::{
    Aria2, ByDht, Client, Content, Libtorrent, Outcome, Scene, Shape, Task, Torrent, Transmission,
    assert_identical, create_torrent, dht_network, in_own_network, skip, subject,
};

/// Transmission takes half a minute to know nine nodes.
const LIMIT: Duration = Duration::from_secs(150);
const PIECE_BYTES: u32 = 32_768;
const NODES: u8 = 12;
const SEED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 60, 0, 1));
const LEECH: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 60, 0, 2));

fn content(scene: &Scene) -> anyhow::Result<(Content, Torrent)> {
    let content = Shape::FiftyFiles.write(&scene.folder("content")?)?;
    let torrent = create_torrent(scene, &content, PIECE_BYTES, &[])?;
    Ok((content, torrent))
}

/// `to` downloads from `from`, knowing a magnet link without a tracker and a node of the DHT.
fn transfer(name: &str, from: &dyn Client, to: &dyn Client) -> Outcome {
    if let Some(reason) = from.missing().or_else(|| to.missing()) {
        skip(&reason);
        return Ok(());
    }
    in_own_network(name, LIMIT, |scene| {
        let (content, torrent) = content(scene)?;
        let network = dht_network(scene, SocketAddr::from(([10, 60, 0, 100], 6881)), NODES)?;
        let nodes: Vec<SocketAddr> = (0..NODES)
            .map(|n| SocketAddr::from(([10, 60, 0, 100 + n], network.address().port())))
            .collect();
        let seed = ByDht {
            task: Task::Seed(&torrent.path),
            folder: content.parent()?,
            host: SEED,
            nodes: &nodes,
        };
        let _seed = from.by_dht(scene, &seed)?;
        let link = format!("magnet:?xt=urn:btih:{}&dn={}", torrent.info_hash, content.name()?);
        let download = scene.folder("download")?;
        let fetch = ByDht { task: Task::Fetch(&link), folder: &download, host: LEECH, ..seed };
        to.by_dht(scene, &fetch)?.wait_complete()?;
        assert_identical(&content, &download, to.forgets_empty_files())
    })
}

#[test]
fn a_magnet_downloads_from_libtorrent() -> Outcome {
    transfer("a_magnet_downloads_from_libtorrent", &Libtorrent::default(), subject().as_ref())
}

#[test]
fn a_magnet_downloads_from_transmission() -> Outcome {
    transfer("a_magnet_downloads_from_transmission", &Transmission, subject().as_ref())
}

#[test]
fn a_magnet_downloads_from_aria2() -> Outcome {
    transfer("a_magnet_downloads_from_aria2", &Aria2, subject().as_ref())
}

#[test]
fn libtorrent_downloads_by_magnet() -> Outcome {
    transfer("libtorrent_downloads_by_magnet", subject().as_ref(), &Libtorrent::default())
}

#[test]
fn transmission_downloads_by_magnet() -> Outcome {
    transfer("transmission_downloads_by_magnet", subject().as_ref(), &Transmission)
}

#[test]
fn aria2_downloads_by_magnet() -> Outcome {
    transfer("aria2_downloads_by_magnet", subject().as_ref(), &Aria2)
}
