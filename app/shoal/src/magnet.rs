//! `shoal magnet`: the link of a torrent.

use serde_json::json;
use wire::magnet::Magnet;
use wire::metainfo::Metainfo;

use crate::args::MagnetArgs;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::out::Out;
use crate::select::{self, choosable};
use crate::{load, node_setup};

/// Runs `shoal magnet`.
pub(crate) fn magnet(args: &MagnetArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    let metainfo = node_setup::load_one(&load::source(&args.torrent)?, &interrupt)?;
    if metainfo.info.private && !args.secrets {
        return Err(Failure::with_hint(
            "the torrent is private: its link would hold your passkey, and is of use to members only",
            "share the page of its tracker instead; --secrets prints the link all the same",
        ));
    }
    let mut magnet = of(&metainfo);
    if args.no_trackers {
        magnet.trackers.clear();
    }
    magnet.peers.clone_from(&args.peer);
    magnet.select = selected(args, &metainfo)?;
    let link = magnet.encode();
    if out.json() {
        out.event(&json!({ "magnet": link, "name": metainfo.info.name }))?;
    } else {
        out.data(&link)?;
    }
    Ok(Exit::Done)
}

/// The link of a torrent, with all that a link can say of it.
pub(crate) fn of(metainfo: &Metainfo) -> Magnet {
    Magnet {
        name: Some(metainfo.info.name.clone()),
        length_bytes: Some(metainfo.info.content_bytes()),
        trackers: metainfo.trackers.iter().flatten().cloned().collect(),
        web_seeds: metainfo.url_list.clone(),
        ..Magnet::new(metainfo.info_hashes)
    }
}

/// Ranges of the files that are chosen; none if all are.
fn selected(args: &MagnetArgs, metainfo: &Metainfo) -> Result<Vec<(u32, u32)>, Failure> {
    if args.select.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = node::spec::TorrentSpec::new(metainfo, "/".into()).files;
    let matched = select::choose(&mut files, &args.select);
    if let Some((expression, _)) = args.select.iter().zip(matched).find(|(_, matched)| !matched) {
        return Err(select::nothing_for(expression, &files));
    }
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for file in choosable(&files).filter(|file| files[file.0 as usize].wanted) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == file.0 => *last = file.0,
            Some(_) | None => ranges.push((file.0, file.0)),
        }
    }
    Ok(ranges)
}
