//! Paths that a stranger chose, made safe to join to a folder.
//!
//! Source: our own rules; BEP 3 only says that a path is a list of strings.
//! What could lead out of the folder is refused, never mended: an honest creator makes none of
//! it. What is merely unusual is mended, and always in the same way, so that a torrent finds its
//! files again: bytes that are not UTF-8 become U+FFFD, control characters and marks that write
//! backwards `_`, components longer than a file system takes are cut before their extension. On
//! Windows, so are the characters and device names that it reserves; elsewhere they are names like
//! any other (`aux.c` is in every kernel source). A mended path that collides with another gets a
//! number; paths that collide as they came are an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::printable;

/// Longest component in bytes: the limit of the file systems in use.
pub(super) const COMPONENT_BYTES_MAX: usize = 255;

/// Most components of one path. Bounds the folders that a torrent can make us create.
pub(super) const COMPONENTS_MAX: usize = 64;

/// Longest path in bytes, separators included: `PATH_MAX` of Linux.
pub(super) const PATH_BYTES_MAX: usize = 4096;

/// Longest extension that a cut component keeps, in bytes, the dot included.
const EXTENSION_BYTES_MAX: usize = 17;

/// Room for the number that makes a mended component unique: `~` and ten digits.
const NUMBER_BYTES_MAX: usize = 11;

/// Why a path is refused. Texts go behind what is refused: "the path of file 2".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A path without components.
    #[error("has no components")]
    NoComponents,
    /// A component without characters.
    #[error("has an empty component")]
    EmptyComponent,
    /// `.` or `..`.
    #[error("has the component \"{component}\"")]
    DotComponent {
        /// The component.
        component: &'static str,
    },
    /// `/`, `\` or NUL inside a component.
    #[error("has a slash, a backslash or a zero byte inside the component \"{component}\"")]
    Separator {
        /// The component, printable.
        component: String,
    },
    /// More than 64 components.
    #[error("has {components} components, more than {COMPONENTS_MAX}")]
    TooDeep {
        /// How many it has.
        components: usize,
    },
    /// Longer than 4096 bytes.
    #[error("has {bytes} bytes, more than {PATH_BYTES_MAX}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// Two files of one path.
    #[error("is that of another file, too: \"{path}\"")]
    Duplicate {
        /// The path, printable.
        path: String,
    },
    /// A file where another file needs a folder.
    #[error("needs one name for a file and a folder: \"{path}\"")]
    FileAndFolder {
        /// The path, printable.
        path: String,
    },
}

/// A safe path component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) text: String,
    /// It is not what the torrent says.
    mended: bool,
}

impl Component {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, PathError> {
        Self::with_rules(bytes, cfg!(windows))
    }

    fn with_rules(bytes: &[u8], windows: bool) -> Result<Self, PathError> {
        match bytes {
            b"" => return Err(PathError::EmptyComponent),
            b"." => return Err(PathError::DotComponent { component: "." }),
            b".." => return Err(PathError::DotComponent { component: ".." }),
            _ => {}
        }
        if bytes.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
            return Err(PathError::Separator { component: printable(bytes, 80) });
        }
        let mut text = String::new();
        for char in String::from_utf8_lossy(bytes).chars() {
            let reserved = windows && matches!(char, ':' | '*' | '?' | '"' | '<' | '>' | '|');
            text.push(if reorders(char) || char.is_control() || reserved { '_' } else { char });
        }
        if windows {
            let kept_bytes = text.trim_end_matches(['.', ' ']).len();
            text.truncate(kept_bytes);
            if text.is_empty() || is_device(&text) {
                text.insert(0, '_');
            }
        }
        if text.len() > COMPONENT_BYTES_MAX {
            let (stem, extension) = split_extension(&text);
            let stem = cut(stem, COMPONENT_BYTES_MAX.saturating_sub(extension.len()));
            text = format!("{stem}{extension}");
        }
        let mended = text.as_bytes() != bytes;
        Ok(Self { text, mended })
    }
}

/// Separators of lines, and marks that write what follows backwards: `gpj.exe` ends in `jpg` then.
fn reorders(char: char) -> bool {
    matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether Windows takes `name` for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let digit = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    digit.is_some_and(|rest| {
        let mut chars = rest.chars();
        matches!(chars.next(), Some('0'..='9' | '¹' | '²' | '³')) && chars.next().is_none()
    })
}

/// Stem and extension, the dot with the extension. Short extensions only.
fn split_extension(name: &str) -> (&str, &str) {
    let dot = name
        .rfind('.')
        .filter(|dot| *dot > 0 && name.len().saturating_sub(*dot) <= EXTENSION_BYTES_MAX);
    name.split_at_checked(dot.unwrap_or(name.len())).unwrap_or((name, ""))
}

/// The longest start of `text` within `bytes_max` that ends between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

/// `bytes` if they are UTF-8, else `alternative` if that is, else `bytes` all the same.
pub(super) fn utf8_or<'a>(bytes: &'a [u8], alternative: Option<&'a [u8]>) -> &'a [u8] {
    let is_utf8 = |bytes: &&[u8]| core::str::from_utf8(bytes).is_ok();
    if is_utf8(&bytes) { bytes } else { alternative.filter(is_utf8).unwrap_or(bytes) }
}

pub(super) fn check_depth(components: usize) -> Result<(), PathError> {
    match components {
        0 => Err(PathError::NoComponents),
        1..=COMPONENTS_MAX => Ok(()),
        _ => Err(PathError::TooDeep { components }),
    }
}

pub(super) fn check_length(components: &[Component]) -> Result<(), PathError> {
    let bytes = components
        .iter()
        .fold(0_usize, |sum, component| sum.saturating_add(component.text.len()).saturating_add(1));
    if bytes > PATH_BYTES_MAX { Err(PathError::TooLong { bytes }) } else { Ok(()) }
}

pub(super) fn join(root: &Component, below: &[Component]) -> PathBuf {
    core::iter::once(root).chain(below).map(|component| component.text.as_str()).collect()
}

/// The files and folders of a torrent.
///
/// Invariant: a name is in a folder once, as a file or as a folder.
#[derive(Default)]
pub(super) struct Tree {
    /// By number of the folder and name. The root folder has the number 0.
    nodes: BTreeMap<(u32, String), Node>,
    folders: u32,
    /// The last number tried to make a name unique, by folder and what precedes the number, so
    /// that a torrent full of collisions takes no quadratic time.
    numbers: BTreeMap<(u32, String), u32>,
    /// Folders that had to take another name, so that their files stay together.
    renamed: BTreeMap<(u32, String), String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File,
    Folder(u32),
}

impl Tree {
    /// Gives each of `paths` its place. Padding is not placed and keeps the path it came with:
    /// it is never written, and creators use one path for all padding of one length.
    ///
    /// Fails with the position of the path and the reason.
    pub(super) fn place(
        &mut self,
        paths: &[Vec<Component>],
        padding: impl Iterator<Item = bool>,
    ) -> Result<Vec<PathBuf>, (usize, PathError)> {
        let mut placed: Vec<PathBuf> = Vec::with_capacity(paths.len());
        let mut mended = Vec::new();
        for (index, (path, padding)) in paths.iter().zip(padding).enumerate() {
            if !padding && path.iter().any(|component| component.mended) {
                mended.push(index);
            } else if !padding {
                self.place_as_is(path).map_err(|error| (index, error))?;
            }
            placed.push(path.iter().map(|component| component.text.as_str()).collect());
        }
        // Mended paths give way to those that came as they are, wherever they stand.
        for index in mended {
            let Some(path) = paths.get(index) else { continue };
            let place = self.place_mended(path).map_err(|error| (index, error))?;
            if let Some(slot) = placed.get_mut(index) {
                *slot = place;
            }
        }
        Ok(placed)
    }

    fn place_as_is(&mut self, path: &[Component]) -> Result<(), PathError> {
        let Some((last, folders)) = path.split_last() else {
            return Err(PathError::NoComponents);
        };
        let mut parent = 0;
        for (depth, component) in folders.iter().enumerate() {
            parent = self.folder(parent, &component.text).ok_or_else(|| {
                let upto = folders.iter().take(depth.saturating_add(1));
                PathError::FileAndFolder { path: display(upto) }
            })?;
        }
        let key = (parent, last.text.clone());
        match self.nodes.get(&key) {
            None => {
                self.nodes.insert(key, Node::File);
                Ok(())
            }
            Some(Node::File) => Err(PathError::Duplicate { path: display(path.iter()) }),
            Some(Node::Folder(_)) => Err(PathError::FileAndFolder { path: display(path.iter()) }),
        }
    }

    fn place_mended(&mut self, path: &[Component]) -> Result<PathBuf, PathError> {
        let Some((last, folders)) = path.split_last() else {
            return Err(PathError::NoComponents);
        };
        let mut place = PathBuf::new();
        let mut parent = 0;
        for component in folders {
            let name = self.free_folder_name(parent, &component.text);
            parent = self
                .folder(parent, &name)
                .ok_or_else(|| PathError::FileAndFolder { path: display(path.iter()) })?;
            place.push(name);
        }
        let name = self.free_name(parent, &last.text, |node| node.is_none());
        self.nodes.insert((parent, name.clone()), Node::File);
        place.push(name);
        Ok(place)
    }

    /// `name`, or what takes its place where `name` is a file.
    fn free_folder_name(&mut self, parent: u32, name: &str) -> String {
        let key = (parent, name.to_owned());
        if let Some(renamed) = self.renamed.get(&key) {
            return renamed.clone();
        }
        let free = self.free_name(parent, name, |node| node != Some(&Node::File));
        if free != name {
            self.renamed.insert(key, free.clone());
        }
        free
    }

    /// The number of the folder `name` in `parent`, made if need be; `None` if it is a file.
    fn folder(&mut self, parent: u32, name: &str) -> Option<u32> {
        let next = self.folders.saturating_add(1);
        match self.nodes.entry((parent, name.to_owned())).or_insert(Node::Folder(next)) {
            Node::File => None,
            Node::Folder(number) => {
                self.folders = self.folders.max(*number);
                Some(*number)
            }
        }
    }

    /// `name`, with a number before its extension if what is there is not `good`.
    fn free_name(
        &mut self,
        parent: u32,
        name: &str,
        good: impl Fn(Option<&Node>) -> bool,
    ) -> String {
        let mut candidate = (parent, name.to_owned());
        if good(self.nodes.get(&candidate)) {
            return candidate.1;
        }
        let (stem, extension) = split_extension(name);
        let room =
            COMPONENT_BYTES_MAX.saturating_sub(extension.len()).saturating_sub(NUMBER_BYTES_MAX);
        let stem = cut(stem, room);
        let key = (parent, format!("{stem}~{extension}"));
        let number = self.numbers.entry(key).or_default();
        // Ends, because each turn meets another of the finitely many names.
        while !good(self.nodes.get(&candidate)) {
            *number = number.saturating_add(1);
            candidate.1 = format!("{stem}~{number}{extension}");
        }
        candidate.1
    }
}

pub(super) fn display<'a>(path: impl Iterator<Item = &'a Component>) -> String {
    let texts: Vec<&str> = path.map(|component| component.text.as_str()).collect();
    printable(texts.join("/").as_bytes(), 200)
}

#[cfg(test)]
mod tests;
