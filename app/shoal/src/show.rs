//! `shoal show`: what a torrent file says.

use serde_json::{Value, json};
use wire::metainfo::{File, Metainfo, Version};
use wire::printable;

use crate::args::ShowArgs;
use crate::date::date;
use crate::failure::{Exit, Failure, shown};
use crate::interrupt::Interrupt;
use crate::load::Source;
use crate::out::Out;
use crate::{create, load, node_setup, redact, seek, units};

/// Runs `shoal show`.
pub(crate) fn show(args: &ShowArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    if let Some(path) = &args.save {
        create::judge_target(path, args.force)?;
    }
    let mut metainfo = match load::source(&args.torrent)? {
        Source::Magnet(magnet) => seek::metainfo(&magnet, &args.discovery, &interrupt, out)?,
        other @ (Source::Path(_) | Source::Url(_)) => node_setup::load_one(&other, &interrupt)?,
    };
    if let Some(path) = &args.save {
        create::write_atomically(path, &metainfo.encode())?;
        out.note(&format!("saved as {}", shown(path)));
    }
    if metainfo.info.private && !args.secrets {
        hide_secrets(&mut metainfo);
    }
    if out.json() {
        out.event(&as_json(&metainfo))?;
        return Ok(Exit::Done);
    }
    let facts = facts(&metainfo);
    let width = label_width(&facts);
    for (label, value) in facts {
        out.entry(&format!("{label:<width$} {value}"), width + 1)?;
    }
    out.data("")?;
    // Numbers are those of `get --select`.
    let files = || metainfo.info.files.iter().filter(|file| !file.padding);
    let columns = files().count().to_string().len().max(3);
    for (number, file) in (1_usize..).zip(files()) {
        out.entry(&format!("{number:>columns$}{}", file_line(file)), 14 + columns)?;
    }
    Ok(Exit::Done)
}

/// What is shown is also pasted into questions on forums.
fn hide_secrets(metainfo: &mut Metainfo) {
    let urls = metainfo.trackers.iter_mut().flatten().chain(&mut metainfo.url_list);
    urls.for_each(|url| *url = redact::tracker(url));
}

fn file_line(file: &File) -> String {
    let size = units::size(file.length_bytes);
    let mut line = format!("{size:>10}  {}", file.display_path());
    if let Some(target) = &file.symlink {
        let target = printable(target.to_string_lossy().as_bytes(), 2000);
        line = format!("{:>10}  {} -> {target}", "link", file.display_path());
    }
    // A link is made executable by what it leads to.
    if file.executable && file.symlink.is_none() {
        line.push_str("  (executable)");
    }
    if file.hidden {
        line.push_str("  (hidden)");
    }
    line
}

fn facts(metainfo: &Metainfo) -> Vec<(&'static str, String)> {
    let info = &metainfo.info;
    let files = info.files.iter().filter(|file| !file.padding).count();
    let padding = listed_files(metainfo).count() - files;
    let content_bytes = info.content_bytes();
    let mut facts = vec![("name", info.name.clone()), ("version", version(metainfo).to_owned())];
    facts.extend(info_hashes(metainfo));
    facts.extend([
        ("size", format!("{} ({content_bytes} bytes)", units::size(content_bytes))),
        ("pieces", format!("{} of {}", info.piece_count(), units::size(info.piece_bytes.into()))),
        (
            "files",
            match padding {
                0 => files.to_string(),
                _ => format!("{files}, and {padding} for padding"),
            },
        ),
        ("private", if info.private { "yes" } else { "no" }.into()),
    ]);
    let mut add = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    add("source", info.source.clone());
    for (index, name) in metainfo.collections.iter().enumerate() {
        let label = if index == 0 { "belongs to" } else { "" };
        add(label, Some(printable(name.as_bytes(), 200)));
    }
    for (index, name) in metainfo.similar.iter().enumerate() {
        add(if index == 0 { "similar to" } else { "" }, Some(name.to_string()));
    }
    add("comment", metainfo.comment.clone());
    add("created", metainfo.creation_date.map(|time| date(time.0)));
    add("created by", metainfo.created_by.clone());
    for (tier, urls) in metainfo.trackers.iter().enumerate() {
        let label = if tier == 0 { "trackers" } else { "" };
        for (index, url) in urls.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let tier =
                if metainfo.trackers.len() > 1 { format!("{}: ", tier + 1) } else { String::new() };
            add(label, Some(tier + &printable(url.as_bytes(), 4096)));
        }
    }
    for (index, url) in metainfo.url_list.iter().enumerate() {
        add(if index == 0 { "web seeds" } else { "" }, Some(printable(url.as_bytes(), 4096)));
    }
    facts
}

/// What a torrent is for: `1`, `2` or `hybrid`.
pub(crate) fn version(metainfo: &Metainfo) -> &'static str {
    match metainfo.info.version() {
        Version::V1 => "1",
        Version::V2 => "2",
        Version::Hybrid => "hybrid",
    }
}

/// Its names, with their labels.
pub(crate) fn info_hashes(metainfo: &Metainfo) -> Vec<(&'static str, String)> {
    let v1 = metainfo.info_hashes.of_v1().map(|hash| ("info-hash", hash.to_string()));
    let v2 = metainfo.info_hashes.of_v2().map(|hash| ("info-hash v2", hash.to_string()));
    v1.into_iter().chain(v2).collect()
}

/// Columns for the labels of `facts`.
pub(crate) fn label_width(facts: &[(&'static str, String)]) -> usize {
    facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0).max(10)
}

/// The files that the torrent names: padding that version 2 implies is none.
fn listed_files(metainfo: &Metainfo) -> impl Iterator<Item = &File> {
    let implied = !metainfo.info.version().has_v1();
    metainfo.info.files.iter().filter(move |file| !(implied && file.padding))
}

fn as_json(metainfo: &Metainfo) -> Value {
    let info = &metainfo.info;
    let mut numbers = 1_u64..;
    let files = listed_files(metainfo).map(|file| {
        let root = file.pieces_root.map(|root| wire::hex(&root));
        json!({
            "number": if file.padding { None } else { numbers.next() },
            "path": file.display_path(),
            "length_bytes": file.length_bytes,
            "padding": file.padding,
            "executable": file.executable,
            "hidden": file.hidden,
            "symlink": file.symlink.as_ref().map(shown),
            "pieces_root": root,
        })
    });
    json!({
        "name": info.name,
        "version": version(metainfo),
        "info_hash": metainfo.info_hashes.first().to_string(),
        "info_hash_v2": metainfo.info_hashes.of_v2().map(|hash| hash.to_string()),
        "total_bytes": info.total_bytes,
        "piece_bytes": info.piece_bytes,
        "pieces": info.piece_count(),
        "single_file": info.single_file,
        "private": info.private,
        "source": info.source,
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date.map(|date| date.0),
        "encoding": metainfo.encoding,
        "trackers": metainfo.trackers,
        "web_seeds": metainfo.url_list,
        "similar": metainfo.similar.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "collections": metainfo.collections,
        "files": files.collect::<Vec<_>>(),
    })
}
