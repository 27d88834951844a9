//! `shoal create`.
//!
//! The outcome depends on the content, its name and the options alone: files are in the order of
//! their paths' bytes, component by component, and no date is written unasked.

mod scan;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base::client::AGENT;
use base::{InfoHash, UnixTime};
use keys::{Digest20, Digest32, Kinds, merkle};
use serde_json::json;
use storage::layout::{FileEntry, Layout};
use url::Url;
use wire::metainfo::{Content, Metainfo, NewFile, NewTorrent, Version, padding};

use self::scan::{Excluded, Found};
use crate::args::CreateArgs;
use crate::failure::{Exit, Failure, reason, shown};
use crate::hashing::Hashing;
use crate::interrupt::Interrupt;
use crate::out::Out;
use crate::{load, redact, show, state_dir, units};

/// Most pieces that we make unasked, the first of each file not counted where every file begins one: the
/// smallest power of two that needs no more gives 1000 to 2000 pieces, a torrent file of some 40 kB.
const PIECES_WANTED_MAX: u64 = 2000;
/// Piece sizes that we choose ourselves.
const PIECE_BYTES_AUTO: (u64, u64) = (16 << 10, 16 << 20);
/// Piece sizes that the user may choose: a block, and what our decoder takes.
const PIECE_BYTES: (u64, u64) = (16 << 10, wire::metainfo::PIECE_BYTES_MAX as u64);

/// Longest URL of a tracker, in bytes: what our own client takes.
const TRACKER_BYTES_MAX: usize = discovery::tracker_client::TRACKER_URL_BYTES_MAX;

/// Runs `shoal create`.
pub(crate) fn create(args: &CreateArgs, out: &Out) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()?;
    args.tracker.iter().try_for_each(|url| judge_tracker(url))?;
    args.piece_size.map_or(Ok(()), judge_piece_size)?;
    let path = args.path.canonicalize().map_err(|error| Failure::reading(&args.path, &error))?;
    let name = scan::name_of(&args.path, &path)?;
    let target = match &args.out {
        Some(target) => target.clone(),
        None => PathBuf::from(format!("{name}.torrent")),
    };
    judge_target(&target, args.force)?;
    let similar = similar(&args.similar)?;

    let version = Version::from(args.format);
    let mut found = scan::scan(&path, &target, args, out)?;
    for pattern in found.excluded.idle(&args.exclude) {
        out.warn(&format!("nothing to leave out for --exclude {}", wire::visible(&pattern.text)));
    }
    if found.files.iter().all(|file| file.length_bytes == 0) {
        let what = if found.single { "the file is empty" } else { "the folder holds no bytes" };
        return Err(Failure::with_hint(
            format!("cannot make a torrent: {what}: {}", shown(&args.path)),
            "a torrent needs at least one byte",
        ));
    }
    let piece_bytes = piece_bytes(args.piece_size, &found.files, version)?;
    let pieces =
        hash(&mut found, piece_bytes, version, &name, out, &interrupt).inspect_err(|failure| {
            if matches!(failure, Failure::Interrupted) {
                out.note("stopped; no torrent file is written");
            }
        })?;
    let Found { single, files, excluded, .. } = found;
    let content = match single {
        true => Content::Single(files.into_iter().next().expect("it was found")),
        false => Content::Multiple(files),
    };
    let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let torrent = NewTorrent {
        version,
        name,
        piece_bytes,
        pieces,
        content,
        private: args.private,
        source: args.source.clone(),
        similar,
        collections: args.collection.clone(),
        trackers: args.tracker.iter().map(|url| vec![url.clone()]).collect(),
        comment: args.comment.clone(),
        created_by: Some(AGENT.into()),
        creation_date: args.date.then(|| UnixTime(i64::try_from(date).unwrap_or(i64::MAX))),
    };
    let bytes = torrent.encode();
    // What we could not use ourselves is not handed to anybody.
    let made = Metainfo::decode(&bytes).map_err(|error| {
        let message = format!("cannot make a torrent of {}: {error}", shown(&args.path));
        Failure::with_hint(message, "rename what it names, or leave it out")
    })?;
    judge_names(&torrent, &made)?;
    write_atomically(&target, &bytes)?;
    advise(args, &torrent, &made, out);
    say(&made, &excluded, &target, out)
}

/// The names of the torrents in files.
fn similar(torrents: &[PathBuf]) -> Result<Vec<InfoHash>, Failure> {
    let mut names = Vec::new();
    for path in torrents {
        names.extend(load::read(path)?.info_hashes.in_swarms());
    }
    Ok(names)
}

/// A name that every reader changes would not be found again by those who seed.
fn judge_names(torrent: &NewTorrent, made: &Metainfo) -> Result<(), Failure> {
    // A folder that readers see none of has no name.
    let top = (!lost_folder(torrent, made)).then_some(&torrent.name);
    let below = |path: &[String]| top.into_iter().chain(path).collect::<PathBuf>();
    let names = match &torrent.content {
        Content::Single(_) => vec![(below(&[]), None)],
        Content::Multiple(files) => files
            .iter()
            .map(|file| (below(&file.path), file.symlink.as_deref().map(below)))
            .collect(),
    };
    let changed = names.iter().zip(real_files(made)).find_map(|((name, link), file)| {
        if *name == file.path {
            link.as_ref().filter(|_| *link != file.symlink)
        } else {
            Some(name)
        }
    });
    match changed {
        Some(name) => Err(Failure::with_hint(
            format!("cannot use a name with control characters: {}", shown(name)),
            "rename it; who downloads it would get another name",
        )),
        None => Ok(()),
    }
}

/// The files that people see.
fn real_files(made: &Metainfo) -> impl Iterator<Item = &wire::metainfo::File> {
    made.info.files.iter().filter(|file| !file.padding)
}

/// Whether readers take a folder for the only file in it: version 2 alone has no other way to say "one
/// file" (BEP 52).
fn lost_folder(torrent: &NewTorrent, made: &Metainfo) -> bool {
    matches!(torrent.content, Content::Multiple(_)) && made.info.single_file
}

/// What makers of torrents forget.
fn advise(args: &CreateArgs, torrent: &NewTorrent, made: &Metainfo, out: &Out) {
    if lost_folder(torrent, made) {
        out.warn(&format!(
            "in version 2 a folder of one file is that file: who downloads it gets no folder {}\n\
             hint: seed it with --data {}, or take --version hybrid",
            wire::visible(&torrent.name),
            shown(&args.path)
        ));
    }
    if args.private && args.tracker.is_empty() {
        out.warn(
            "a private torrent without a tracker finds nobody\n\
             hint: --tracker names the announce URL that your tracker shows you",
        );
    }
    if args.private && args.source.is_none() {
        out.note(
            "hint: most private trackers want their own --source TEXT: it makes the info-hash another \
             one than on other trackers",
        );
    }
}

fn say(made: &Metainfo, excluded: &Excluded, target: &Path, out: &Out) -> Result<Exit, Failure> {
    let target = state_dir::absolute(target)?;
    let info = &made.info;
    let files = real_files(made).count() as u64;
    if out.json() {
        out.event(&json!({
            "event": "created",
            "version": show::version(made),
            "info_hash": made.info_hashes.first().to_string(),
            "info_hash_v2": made.info_hashes.of_v2().map(|hash| hash.to_string()),
            "path": target.to_string_lossy(),
            "name": info.name,
            "total_bytes": info.total_bytes,
            "piece_bytes": info.piece_bytes,
            "pieces": info.piece_count(),
            "files": files,
            "excluded": excluded.count,
            "excluded_paths": excluded.paths,
        }))?;
    } else {
        if excluded.count > 0 {
            out.note(&left_out(excluded));
        }
        let pieces = u64::from(info.piece_count());
        out.note(&format!(
            "{}: {} in {}, {} of {}",
            info.name,
            units::size(info.content_bytes()),
            units::count(files, "file"),
            units::count(pieces, "piece"),
            units::size(info.piece_bytes.into()),
        ));
        let mut lines = show::info_hashes(made);
        lines.push(("torrent", shown(&target)));
        let width = show::label_width(&lines);
        for (label, value) in lines {
            out.data(&format!("{label:<width$} {value}"))?;
        }
    }
    Ok(Exit::Done)
}

/// `left out by --exclude: a.tmp, cache/ and 7 more`.
fn left_out(excluded: &Excluded) -> String {
    const NAMED_MAX: usize = 3;
    let named: Vec<&str> = excluded.paths.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = match excluded.count - named.len() as u64 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("left out by --exclude: {}{more}", wire::visible(&named.join(", ")))
}

fn judge_tracker(text: &str) -> Result<(), Failure> {
    let refused =
        |hint| Err(Failure::misused(format!("not a tracker: {}", redact::tracker(text)), hint));
    let known = ["http://", "https://", "udp://"].iter().any(|scheme| text.starts_with(scheme));
    if !known {
        return refused("a tracker begins with http://, https:// or udp://");
    }
    let blank = text.contains(|char: char| char.is_whitespace() || char.is_control());
    let Some(url) = Url::parse(text).ok().filter(|_| !blank && text.len() <= TRACKER_BYTES_MAX)
    else {
        return refused("a tracker is like https://example.org/announce or udp://example.org:6969");
    };
    if url.host_str().is_none_or(str::is_empty) {
        return refused("it names no host");
    }
    if url.port_or_known_default().is_none_or(|port| port == 0) {
        return refused("it needs a port, as in udp://example.org:6969");
    }
    Ok(())
}

pub(crate) fn judge_target(target: &Path, force: bool) -> Result<(), Failure> {
    let shown = shown(target);
    if target.is_dir() {
        return Err(Failure::with_hint(
            format!("cannot write to a folder: {shown}"),
            "-o names the torrent file",
        ));
    }
    // A rename would put a file in the place of the device.
    if target.metadata().is_ok_and(|look| !look.is_file()) {
        return Err(Failure::with_hint(
            format!("cannot write to a pipe or a device: {shown}"),
            "-o names the torrent file",
        ));
    }
    if target.symlink_metadata().is_ok() && !force {
        return Err(Failure::with_hint(
            format!("already exists: {shown}"),
            "--force replaces it, -o takes another name",
        ));
    }
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Failure::with_hint(
            format!("cannot write {shown}: its folder does not exist"),
            "make the folder first, or name another with -o",
        ));
    }
    Ok(())
}

fn judge_piece_size(bytes: u64) -> Result<(), Failure> {
    let (least, most) = PIECE_BYTES;
    if bytes.is_power_of_two() && (least..=most).contains(&bytes) {
        return Ok(());
    }
    Err(Failure::misused(
        format!("not a piece size: {bytes}"),
        "a piece size is a power of two from 16k to 256M",
    ))
}

fn piece_bytes(wanted: Option<u64>, files: &[NewFile], version: Version) -> Result<u32, Failure> {
    let bytes = wanted.unwrap_or_else(|| automatic_piece_bytes(files, version));
    let (pieces, _) = pieces(files, bytes, version);
    if pieces > u64::from(wire::peer::PIECES_MAX) {
        return Err(Failure::with_hint(
            format!("too many pieces of {}: {pieces}", units::size(bytes)),
            "take a larger --piece-size, or leave it out",
        ));
    }
    Ok(u32::try_from(bytes).expect("at most 256 MiB"))
}

/// How many pieces there are, and how many more than there must be.
fn pieces(files: &[NewFile], piece_bytes: u64, version: Version) -> (u64, u64) {
    let lengths = files.iter().map(|file| file.length_bytes).filter(|length| *length > 0);
    if version.has_v2() {
        let must_be = lengths.clone().count() as u64;
        let pieces = lengths.map(|length| length.div_ceil(piece_bytes)).sum::<u64>();
        (pieces, pieces + 1 - must_be)
    } else {
        let pieces = lengths.sum::<u64>().div_ceil(piece_bytes);
        (pieces, pieces)
    }
}

/// Where each file begins a piece, larger pieces save none for small files, and cost padding.
fn automatic_piece_bytes(files: &[NewFile], version: Version) -> u64 {
    let (least, most) = PIECE_BYTES_AUTO;
    let mut bytes = least;
    while bytes < most && pieces(files, bytes, version).1 > PIECES_WANTED_MAX {
        bytes *= 2;
    }
    bytes
}

/// The pieces of `found`, with what makes every file but the last begin one where that has to be.
fn layout(found: &Found, piece_bytes: u32, version: Version) -> Layout {
    let aligned = version.has_v2() && found.files.len() > 1;
    let last = found.files.iter().rposition(|file| file.length_bytes > 0);
    let mut entries = Vec::new();
    for (index, file) in found.files.iter().enumerate() {
        if file.symlink.is_some() {
            continue;
        }
        let path = file.path.iter().collect();
        let length_bytes = file.length_bytes;
        entries.push(FileEntry { path, length_bytes, ..FileEntry::default() });
        let length_bytes = padding(file.length_bytes, piece_bytes);
        if aligned && length_bytes > 0 && (version.has_v1() || Some(index) != last) {
            let padding = true;
            entries.push(FileEntry { length_bytes, padding, ..FileEntry::default() });
        }
    }
    let layout = Layout::new(entries, piece_bytes);
    if version.has_v1() { layout } else { layout.with_tight_pieces() }
}

/// Gives the digests of version 1, and each file its layer of version 2.
fn hash(
    found: &mut Found,
    piece_bytes: u32,
    version: Version,
    name: &str,
    out: &Out,
    interrupt: &Interrupt,
) -> Result<Vec<Digest20>, Failure> {
    let layout = layout(found, piece_bytes, version);
    let pieces = layout.piece_count() as usize;
    let kinds = Kinds { v1: version.has_v1(), v2: version.has_v2() };
    let levels = if kinds.v2 { levels(&found.files, piece_bytes) } else { Vec::new() };
    let mut digests = vec![[0; 20]; if kinds.v1 { pieces } else { 0 }];
    let mut nodes: Vec<Digest32> = vec![[0; 32]; levels.len()];
    let label = format!("hashing {}", wire::printable(name.as_bytes(), 200));
    let root = &found.root;
    let hashing =
        Hashing { layout: &layout, kinds, only: None, root, label: &label, out, interrupt };
    hashing.run(|piece, digest| {
        let digest = digest.map_err(|broken| {
            let path = root.join(&layout.file(broken.file).path);
            broken.why.failure(&path)
        })?;
        let piece = piece.0 as usize;
        if kinds.v1 {
            digests[piece] = digest.sha1.expect("it was asked for");
        }
        if kinds.v2 {
            nodes[piece] = merkle::root(&digest.leaves, 0, levels[piece]);
        }
        Ok(())
    })?;
    judge_unchanged(found, &layout)?;
    let mut nodes = nodes.into_iter();
    for file in found.files.iter_mut().filter(|_| kinds.v2) {
        let pieces = file.length_bytes.div_ceil(piece_bytes.into());
        file.layer = nodes.by_ref().take(usize::try_from(pieces).expect("few")).collect();
    }
    Ok(digests)
}

/// By piece: the level of its node, which in a file of one piece is the root.
fn levels(files: &[NewFile], piece_bytes: u32) -> Vec<u32> {
    let of_piece = merkle::height(u64::from(piece_bytes / merkle::LEAF_BYTES));
    let mut levels = Vec::new();
    for file in files {
        let level = of_piece.min(merkle::height(merkle::leaf_count(file.length_bytes)));
        let pieces = file.length_bytes.div_ceil(piece_bytes.into());
        levels.extend(std::iter::repeat_n(level, usize::try_from(pieces).expect("few")));
    }
    levels
}

/// A file that grew meanwhile would be cut off silently.
fn judge_unchanged(found: &Found, layout: &Layout) -> Result<(), Failure> {
    for spec in layout.specs() {
        let path = found.root.join(&spec.path);
        if path.metadata().map_or(0, |look| look.len()) != spec.length_bytes {
            return Err(Failure::with_hint(
                format!("changed while it was read: {}", shown(&path)),
                "try again when nobody writes to it",
            ));
        }
    }
    Ok(())
}

/// Nobody ever sees half a torrent file, not even after a power cut.
pub(crate) fn write_atomically(target: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write {}: {}", shown(target), reason(&error)))
    };
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = target.with_file_name(name);
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, target)
    };
    write().map_err(|error| {
        // It may not even be there.
        fs::remove_file(&part).ok();
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(lengths: &[u64]) -> Vec<NewFile> {
        let file = |&length_bytes: &u64| NewFile { length_bytes, ..NewFile::default() };
        lengths.iter().map(file).collect()
    }

    #[test]
    fn piece_sizes_give_one_to_two_thousand_pieces() {
        for (total, expected) in [
            (1, 16 << 10),
            (100 << 20, 64 << 10),
            (4 << 30, 4 << 20),
            (700 << 20, 512 << 10),
            (1 << 40, 16 << 20),
        ] {
            for version in [Version::V1, Version::V2, Version::Hybrid] {
                let bytes = automatic_piece_bytes(&files(&[total]), version);
                assert_eq!(bytes, expected, "{total} {version:?}");
            }
        }
    }

    #[test]
    fn small_files_that_begin_pieces_get_small_ones() {
        let many = files(&[40_000; 100_000]);
        assert_eq!(automatic_piece_bytes(&many, Version::V1), 2 << 20);
        assert_eq!(automatic_piece_bytes(&many, Version::V2), 64 << 10);
        assert_eq!(automatic_piece_bytes(&many, Version::Hybrid), 64 << 10);
        let and_large = files(&[4 << 30, 5, 0, 7]);
        assert_eq!(automatic_piece_bytes(&and_large, Version::Hybrid), 4 << 20);
    }

    #[test]
    fn piece_sizes_of_the_user_are_powers_of_two_in_bounds() {
        for (wanted, good) in [
            (1 << 20, true),
            (16 << 10, true),
            (8 << 10, false),
            (3 << 20, false),
            (1 << 29, false),
        ] {
            assert_eq!(judge_piece_size(wanted).is_ok(), good, "{wanted}");
        }
        assert!(piece_bytes(Some(16 << 10), &files(&[1 << 50]), Version::V1).is_err());
        let many = files(&[1; 1 << 20]);
        assert!(piece_bytes(Some(16 << 10), &many, Version::V2).is_ok());
        assert!(piece_bytes(Some(16 << 10), &[many.clone(), many].concat(), Version::V2).is_ok());
    }
}
