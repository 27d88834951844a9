//! What a new torrent is made of: the files below a path.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use wire::metainfo::{FILES_MAX, NewFile};

use crate::args::CreateArgs;
use crate::failure::{Failure, shown};
use crate::out::Out;
use crate::select::Pattern;

/// Names of what is left out that are kept for the user; all are counted.
const EXCLUDED_KEPT_MAX: usize = 1000;

/// The torrent's name: as the user wrote it, or for `.` and the like what it really is.
pub(super) fn name_of(given: &Path, canonical: &Path) -> Result<String, Failure> {
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
pub(super) struct Found {
    /// The folder that the paths start at.
    pub(super) root: PathBuf,
    pub(super) single: bool,
    /// In order.
    pub(super) files: Vec<NewFile>,
    pub(super) excluded: Excluded,
}

/// What `--exclude` left out.
#[derive(Debug, Default)]
pub(super) struct Excluded {
    /// How many files and folders.
    pub(super) count: u64,
    /// The first [`EXCLUDED_KEPT_MAX`] of them by name; folders end in `/`.
    pub(super) paths: BTreeSet<String>,
    /// By pattern: whether it was for any.
    matched: Vec<bool>,
}

impl Excluded {
    /// Whether the file or folder at `path` is left out by itself.
    fn is_for(&mut self, patterns: &[Pattern], path: &[&str]) -> bool {
        self.matched.resize(patterns.len(), false);
        let mut any = false;
        for (pattern, matched) in patterns.iter().zip(&mut self.matched) {
            let is_for = pattern.is_for(path);
            any |= is_for;
            *matched |= is_for;
        }
        any
    }

    fn note(&mut self, path: &[&str], is_folder: bool) {
        self.count += 1;
        self.paths.insert(path.join("/") + if is_folder { "/" } else { "" });
        if self.paths.len() > EXCLUDED_KEPT_MAX {
            self.paths.pop_last();
        }
    }

    /// The patterns that were for nothing.
    pub(super) fn idle<'p>(&self, patterns: &'p [Pattern]) -> impl Iterator<Item = &'p Pattern> {
        let matched = self.matched.iter().copied().chain(std::iter::repeat(false));
        patterns.iter().zip(matched).filter(|(_, matched)| !matched).map(|(pattern, _)| pattern)
    }
}

/// Looks at everything at or below `path`; the torrent file itself, `target`, is none of it.
pub(super) fn scan(
    path: &Path,
    target: &Path,
    args: &CreateArgs,
    out: &Out,
) -> Result<Found, Failure> {
    let look = path.metadata().map_err(|error| Failure::reading(path, &error))?;
    if look.is_file() {
        let parent = path.parent().unwrap_or(path);
        let name = text_of(path.file_name().unwrap_or_default(), path)?;
        let file = file(vec![name], &look);
        let (root, excluded) = (parent.to_path_buf(), Excluded::default());
        return Ok(Found { root, single: true, files: vec![file], excluded });
    }
    if !look.is_dir() {
        return Err(Failure::with_hint(
            format!("cannot make a torrent of a pipe or a device: {}", shown(path)),
            "a torrent holds files and folders",
        ));
    }
    let mut walk = Walk {
        args,
        out,
        target: target.canonicalize().ok(),
        folders: vec![(path.to_path_buf(), Vec::new())],
        files: Vec::new(),
        excluded: Excluded::default(),
    };
    while let Some((folder, components)) = walk.folders.pop() {
        let failed = |error: std::io::Error| Failure::reading(&folder, &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            walk.entry(&entry.map_err(failed)?, &components)?;
        }
        if walk.files.len() > FILES_MAX {
            return Err(Failure::new(format!("more files than a torrent can hold: {FILES_MAX}")));
        }
    }
    let Walk { mut files, excluded, .. } = walk;
    files.sort();
    Ok(Found { root: path.to_path_buf(), single: false, files, excluded })
}

fn file(path: Vec<String>, look: &fs::Metadata) -> NewFile {
    let (length_bytes, executable) = (look.len(), is_executable(look));
    NewFile { path, length_bytes, executable, ..NewFile::default() }
}

struct Walk<'a> {
    args: &'a CreateArgs,
    out: &'a Out,
    target: Option<PathBuf>,
    /// Still to be looked into: where they are, and their paths in the torrent.
    folders: Vec<(PathBuf, Vec<String>)>,
    files: Vec<NewFile>,
    excluded: Excluded,
}

impl Walk<'_> {
    fn entry(&mut self, entry: &fs::DirEntry, folder: &[String]) -> Result<(), Failure> {
        let path = entry.path();
        let failed = |error: std::io::Error| Failure::reading(&path, &error);
        let kind = entry.file_type().map_err(failed)?;
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        let below: Vec<&str> = folder.iter().map(String::as_str).chain([&*lossy]).collect();
        // Before anything is wrong with it: leaving it out may be the way to go on.
        if self.excluded.is_for(&self.args.exclude, &below) {
            self.excluded.note(&below, kind.is_dir());
            return Ok(());
        }
        if kind.is_symlink() && self.args.symlinks {
            let target = fs::read_link(&path).map_err(failed)?;
            return self.link(&path, folder, &below, &target);
        }
        if !kind.is_dir() && !kind.is_file() {
            let what = if kind.is_symlink() { "symbolic link" } else { "special file" };
            self.out.warn(&format!("left out, a {what}: {}", shown(&path)));
            return Ok(());
        }
        let mut components = folder.to_vec();
        components.push(text_of(&name, &path)?);
        if kind.is_dir() {
            self.folders.push((path, components));
        } else if self.target.as_deref() != Some(&*path) {
            let look = entry.metadata().map_err(failed)?;
            self.files.push(file(components, &look));
        }
        Ok(())
    }

    fn link(
        &mut self,
        path: &Path,
        folder: &[String],
        below: &[&str],
        target: &Path,
    ) -> Result<(), Failure> {
        let Some(target) = inside(folder, target) else {
            self.out.warn(&format!(
                "left out, a symbolic link that leads out of the torrent: {}",
                shown(path)
            ));
            return Ok(());
        };
        let way: Vec<&str> = target.iter().map(String::as_str).collect();
        // It would lead to nothing where it is downloaded.
        if (1..=way.len()).any(|upto| self.excluded.is_for(&self.args.exclude, &way[..upto])) {
            self.excluded.note(below, false);
            return Ok(());
        }
        let mut components = folder.to_vec();
        components.push(text_of(path.file_name().unwrap_or_default(), path)?);
        let symlink = Some(target);
        self.files.push(NewFile { path: components, symlink, ..NewFile::default() });
        Ok(())
    }
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
}
