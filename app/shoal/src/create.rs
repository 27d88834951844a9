//! `shoal create`.
//!
//! The outcome depends on the content, its name and the options alone: files are in the order of
//! their paths' bytes, component by component, and no date is written unasked.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base::UnixTime;
use base::client::AGENT;
use keys::{Digest20, Kinds};
use serde_json::json;
use storage::layout::{FileEntry, Layout};
use url::Url;
use wire::metainfo::{Content, FILES_MAX, Metainfo, NewFile, NewTorrent};

use crate::args::CreateArgs;
use crate::failure::{Exit, Failure, reason, shown};
use crate::hashing::Hashing;
use crate::interrupt::Interrupt;
use crate::out::Out;
use crate::{redact, state_dir, units};

/// Most pieces that we make unasked: the smallest power of two that needs no more gives 1000 to
/// 2000 pieces, a torrent file of some 40 kB.
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
    let path = args.path.canonicalize().map_err(|error| Failure::reading(&args.path, &error))?;
    let name = name_of(&args.path, &path)?;
    let target = match &args.out {
        Some(target) => target.clone(),
        None => PathBuf::from(format!("{name}.torrent")),
    };
    judge_target(&target, args.force)?;

    let found = scan(&path, &target, args.symlinks, out)?;
    let total = found.files.iter().map(|file| file.length_bytes).sum();
    if total == 0 {
        let what = if found.single { "the file is empty" } else { "the folder holds no bytes" };
        return Err(Failure::with_hint(
            format!("cannot make a torrent: {what}: {}", shown(&args.path)),
            "a torrent needs at least one byte",
        ));
    }
    let piece_bytes = piece_bytes(args.piece_size, total)?;
    let pieces = hash(&found, piece_bytes, &name, out, &interrupt).inspect_err(|failure| {
        if matches!(failure, Failure::Interrupted) {
            out.note("stopped; no torrent file is written");
        }
    })?;
    let content = match &*found.files {
        [NewFile { length_bytes, executable, .. }] if found.single => {
            Content::Single { length_bytes: *length_bytes, executable: *executable }
        }
        _ => Content::Multiple(found.files),
    };
    let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let torrent = NewTorrent {
        name,
        piece_bytes,
        pieces,
        content,
        private: args.private,
        source: args.source.clone(),
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
    drop(torrent);
    write_atomically(&target, &bytes)?;
    advise(args, out);
    say(&made, &target, out)
}

/// A name that every reader changes would not be found again by those who seed.
fn judge_names(torrent: &NewTorrent, made: &Metainfo) -> Result<(), Failure> {
    let below = |path: &[String]| std::iter::once(&torrent.name).chain(path).collect::<PathBuf>();
    let names = match &torrent.content {
        Content::Single { .. } => vec![(below(&[]), None)],
        Content::Multiple(files) => files
            .iter()
            .map(|file| (below(&file.path), file.symlink.as_deref().map(below)))
            .collect(),
    };
    let changed = names.iter().zip(&made.info.files).find_map(|((name, link), file)| {
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

/// What makers of private torrents forget.
fn advise(args: &CreateArgs, out: &Out) {
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

fn say(made: &Metainfo, target: &Path, out: &Out) -> Result<Exit, Failure> {
    let target = state_dir::absolute(target)?;
    let info = &made.info;
    if out.json() {
        out.event(&json!({
            "event": "created",
            "info_hash": made.info_hashes.first().to_string(),
            "path": target.to_string_lossy(),
            "name": info.name,
            "total_bytes": info.total_bytes,
            "piece_bytes": info.piece_bytes,
            "pieces": info.piece_count(),
            "files": info.files.len(),
        }))?;
    } else {
        let (files, pieces) = (info.files.len() as u64, u64::from(info.piece_count()));
        out.note(&format!(
            "{}: {} in {}, {} of {}",
            info.name,
            units::size(info.total_bytes),
            units::count(files, "file"),
            units::count(pieces, "piece"),
            units::size(info.piece_bytes.into()),
        ));
        out.data(&format!("info-hash  {}", made.info_hashes.first()))?;
        out.data(&format!("torrent    {}", shown(&target)))?;
    }
    Ok(Exit::Done)
}

fn judge_tracker(text: &str) -> Result<(), Failure> {
    let refused =
        |hint| Err(Failure::with_hint(format!("not a tracker: {}", redact::tracker(text)), hint));
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

fn judge_target(target: &Path, force: bool) -> Result<(), Failure> {
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

/// The torrent's name: as the user wrote it, or for `.` and the like what it really is.
fn name_of(given: &Path, canonical: &Path) -> Result<String, Failure> {
    let name = given.file_name().or_else(|| canonical.file_name()).ok_or_else(|| {
        Failure::new(format!("cannot make a torrent without a name of {}", shown(given)))
    })?;
    text_of(name, given)
}

fn text_of(name: &std::ffi::OsStr, path: &Path) -> Result<String, Failure> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::with_hint(
            format!("cannot use a name that is not UTF-8: {}", shown(path)),
            "rename it; torrent files hold UTF-8 only",
        )
    })
}

/// What is below a path.
#[derive(Debug)]
struct Found {
    /// The folder that the paths start at.
    root: PathBuf,
    single: bool,
    /// In order.
    files: Vec<NewFile>,
}

fn scan(path: &Path, target: &Path, symlinks: bool, out: &Out) -> Result<Found, Failure> {
    let failed = |path: &Path, error: &std::io::Error| Failure::reading(path, error);
    let look = path.metadata().map_err(|error| failed(path, &error))?;
    if look.is_file() {
        let parent = path.parent().unwrap_or(path);
        let name = text_of(path.file_name().unwrap_or_default(), path)?;
        let file = NewFile {
            path: vec![name],
            length_bytes: look.len(),
            executable: is_executable(&look),
            symlink: None,
        };
        let files = vec![file];
        return Ok(Found { root: parent.to_path_buf(), single: true, files });
    }
    if !look.is_dir() {
        return Err(Failure::with_hint(
            format!("cannot make a torrent of a pipe or a device: {}", shown(path)),
            "a torrent holds files and folders",
        ));
    }
    let target = target.canonicalize().ok();
    let mut files = Vec::new();
    let mut folders = vec![(path.to_path_buf(), Vec::<String>::new())];
    while let Some((folder, components)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
            let entry = entry.map_err(|error| failed(&folder, &error))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            if kind.is_symlink() && symlinks {
                let target = fs::read_link(&path).map_err(|error| failed(&path, &error))?;
                match inside(&components, &target) {
                    Some(target) => {
                        let mut components = components.clone();
                        components.push(text_of(&entry.file_name(), &path)?);
                        let symlink = Some(target);
                        files.push(NewFile { path: components, symlink, ..NewFile::default() });
                    }
                    None => out.warn(&format!(
                        "left out, a symbolic link that leads out of the torrent: {}",
                        shown(&path)
                    )),
                }
                continue;
            }
            if !kind.is_dir() && !kind.is_file() {
                let what = if kind.is_symlink() { "symbolic link" } else { "special file" };
                out.warn(&format!("left out, a {what}: {}", shown(&path)));
                continue;
            }
            let mut components = components.clone();
            components.push(text_of(&entry.file_name(), &path)?);
            if kind.is_dir() {
                folders.push((path, components));
            } else if target.as_deref() != Some(&*path) {
                let look = entry.metadata().map_err(|error| failed(&path, &error))?;
                files.push(NewFile {
                    path: components,
                    length_bytes: look.len(),
                    executable: is_executable(&look),
                    symlink: None,
                });
            }
        }
        if files.len() > FILES_MAX {
            return Err(Failure::new(format!("more files than a torrent can hold: {FILES_MAX}")));
        }
    }
    files.sort();
    Ok(Found { root: path.to_path_buf(), single: false, files })
}

/// Where a link in `folder` leads, below the torrent's folder; `None` if it leads out, or to that
/// folder itself. By the words alone: what a link names need not exist.
fn inside(folder: &[String], target: &Path) -> Option<Vec<String>> {
    let mut at = folder.to_vec();
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(at.pop()?),
            Component::Normal(name) => at.push(name.to_str()?.to_owned()),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!at.is_empty()).then_some(at)
}

/// Its owner may execute it.
fn is_executable(look: &fs::Metadata) -> bool {
    look.permissions().mode() & 0o100 != 0
}

fn piece_bytes(wanted: Option<u64>, total: u64) -> Result<u32, Failure> {
    let bytes = match wanted {
        Some(bytes) => {
            let (least, most) = PIECE_BYTES;
            if !bytes.is_power_of_two() || !(least..=most).contains(&bytes) {
                return Err(Failure::with_hint(
                    format!("not a piece size: {bytes}"),
                    "a piece size is a power of two from 16k to 256M",
                ));
            }
            if total.div_ceil(bytes) > u64::from(wire::peer::PIECES_MAX) {
                return Err(Failure::with_hint(
                    format!("too many pieces of {}: {}", units::size(bytes), total.div_ceil(bytes)),
                    "take a larger --piece-size, or leave it out",
                ));
            }
            bytes
        }
        None => automatic_piece_bytes(total),
    };
    Ok(u32::try_from(bytes).expect("at most 256 MiB"))
}

fn automatic_piece_bytes(total: u64) -> u64 {
    let (least, most) = PIECE_BYTES_AUTO;
    total.div_ceil(PIECES_WANTED_MAX).next_power_of_two().clamp(least, most)
}

fn hash(
    found: &Found,
    piece_bytes: u32,
    name: &str,
    out: &Out,
    interrupt: &Interrupt,
) -> Result<Vec<Digest20>, Failure> {
    let entries = found.files.iter().filter(|file| file.symlink.is_none());
    let entries = entries.map(|file| FileEntry {
        path: file.path.iter().collect(),
        length_bytes: file.length_bytes,
        ..FileEntry::default()
    });
    let layout = Layout::new(entries.collect(), piece_bytes);
    let mut digests = vec![[0; 20]; layout.piece_count() as usize];
    let label = format!("hashing {}", wire::printable(name.as_bytes(), 200));
    let root = &found.root;
    let kinds = Kinds { v1: true, v2: false };
    let hashing =
        Hashing { layout: &layout, kinds, only: None, root, label: &label, out, interrupt };
    hashing.run(|piece, digest| {
        let digest = digest.map_err(|broken| {
            let path = found.root.join(&layout.file(broken.file).path);
            broken.why.failure(&path)
        })?;
        digests[piece.0 as usize] = digest.sha1.expect("it was asked for");
        Ok(())
    })?;
    judge_unchanged(found, &layout)?;
    Ok(digests)
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
fn write_atomically(target: &Path, bytes: &[u8]) -> Result<(), Failure> {
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

    #[test]
    fn links_stay_inside_or_are_left_out() {
        for (folder, target, expected) in [
            ("", "a", Some("a")),
            ("a b", "c", Some("a b c")),
            ("a b", "../c", Some("a c")),
            ("a b", "./../../c/./d", Some("c d")),
            ("a", "..", None),
            ("a", "../..", None),
            ("a", "../../a", None),
            ("a", "/etc", None),
        ] {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let found = inside(&words(folder), Path::new(target));
            assert_eq!(found, expected.map(words), "{folder}: {target}");
        }
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
            assert_eq!(automatic_piece_bytes(total), expected, "{total}");
        }
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
            assert_eq!(piece_bytes(Some(wanted), 1 << 30).is_ok(), good, "{wanted}");
        }
        assert!(piece_bytes(Some(16 << 10), 1 << 50).is_err());
    }
}
