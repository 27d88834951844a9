//! Where the resume state lives, and how a path becomes absolute.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use disk::StartError;

use crate::failure::{Failure, reason, shown, words};

/// The state database: `given`, or where the environment says. `None`: nowhere, keep it in memory.
pub(crate) fn database(
    given: Option<&Path>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    if let Some(path) = given {
        return Some(path.to_path_buf());
    }
    let folder = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("SHOAL_STATE_DIR")
        .or_else(|| Some(folder("XDG_STATE_HOME").filter(|path| path.is_absolute())?.join("shoal")))
        .or_else(|| Some(folder("HOME")?.join(".local/state/shoal")))
        .map(|folder| folder.join("state.db"))
}

/// Whether the database may lie at `path`, as far as can be seen before it is opened.
///
/// # Errors
/// Something else is there.
pub(crate) fn judge_database(path: &Path) -> Result<(), Failure> {
    let what = match path.metadata() {
        Ok(look) if look.is_dir() => "a folder",
        Ok(look) if !look.is_file() => "a pipe or a device",
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(Failure::with_hint(
        format!("cannot use the state database {}: it is {what}", shown(path)),
        "--state names a file",
    ))
}

/// Why the disk pool did not start: in nearly all cases, for the database.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Folder { path, source } => Failure::with_hint(
            format!(
                "cannot create the folder of the state database {}: {}",
                shown(path),
                reason(source)
            ),
            "--state takes another place",
        ),
        StartError::Database { path, message } => Failure::with_hint(
            format!("cannot use the state database {}: {}", shown(path), words(message)),
            "--state takes another file; if this one is damaged, move it away, and torrents are \
             checked again",
        ),
        StartError::Newer { path, found, known } => Failure::with_hint(
            format!(
                "cannot use the state database {}: its version {found} is newer than {known}",
                shown(path)
            ),
            "use the release that wrote it, or another file with --state",
        ),
        StartError::Thread(error) => {
            Failure::new(format!("cannot start a disk thread: {}", reason(error)))
        }
    }
}

/// Whether the files of torrents may lie in the folder `path`.
///
/// # Errors
/// It is no folder.
pub(crate) fn judge_data(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    let what = if path.exists() { "not a folder" } else { "no such folder" };
    Err(Failure::with_hint(
        format!("{what}: {}", shown(path)),
        "--data names the folder that holds the torrent's file or folder",
    ))
}

/// `path` as an absolute path without links, `.` and `..`. Its end need not exist.
///
/// # Errors
/// The existing part can't be looked at, or `..` follows what does not exist.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| {
        let message = format!("cannot use the folder {}: {}", shown(path), reason(error));
        Failure::with_hint(message, "name another folder; one that is missing is made")
    };
    let whole = std::path::absolute(path).map_err(|error| failed(&error))?;
    let mut missing = Vec::new();
    let mut at = whole.as_path();
    loop {
        match at.canonicalize() {
            Ok(mut found) => {
                found.extend(missing.iter().rev());
                return Ok(found);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        let (Some(Component::Normal(name)), Some(parent)) =
            (at.components().next_back(), at.parent())
        else {
            return Err(Failure::new(format!("cannot use the folder {}: not found", shown(path))));
        };
        missing.push(name);
        at = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_lies_where_the_environment_says() {
        for (env, expected) in [
            (vec![("SHOAL_STATE_DIR", "/s"), ("HOME", "/h")], Some("/s/state.db")),
            (vec![("XDG_STATE_HOME", "/x"), ("HOME", "/h")], Some("/x/shoal/state.db")),
            (vec![("XDG_STATE_HOME", "x"), ("HOME", "/h")], Some("/h/.local/state/shoal/state.db")),
            (vec![("SHOAL_STATE_DIR", ""), ("HOME", "/h")], Some("/h/.local/state/shoal/state.db")),
            (vec![], None),
        ] {
            let find = |name: &str| {
                env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            };
            assert_eq!(database(None, find), expected.map(PathBuf::from), "{env:?}");
        }
        let given = database(Some(Path::new("f")), |_| Some("/h".into()));
        assert_eq!(given, Some(PathBuf::from("f")));
    }

    #[test]
    fn a_path_that_does_not_exist_yet_becomes_absolute() {
        let base = std::env::temp_dir().canonicalize().unwrap();
        let path = std::env::temp_dir().join("./shoal-none/../shoal-none/a");
        // `..` behind a folder that does not exist can't be resolved.
        assert!(absolute(&path).is_err());
        let path = std::env::temp_dir().join("./shoal-none//a/");
        assert_eq!(absolute(&path).unwrap(), base.join("shoal-none/a"));
    }
}
