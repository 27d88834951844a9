//! Where the wallet's file lies, and how it is changed: wholly or not at all, by one process at a time.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::args::wallet::MoneyArgs;
use crate::failure::{Failure, reason, shown};
use crate::state_dir;
use crate::wallet::keyfile::{FILE_BYTES_MAX, Keyfile, KeyfileError};

/// The wallet's file, held by us alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    _lock: Option<File>,
}

/// Where the wallet lies: beside the state database.
///
/// # Errors
/// The environment does not say.
pub(crate) fn path(args: &MoneyArgs) -> Result<PathBuf, Failure> {
    let database = state_dir::database(args.state.as_deref(), |name| std::env::var_os(name));
    let database = database.ok_or_else(|| {
        Failure::with_hint(
            "there is no place for the wallet: HOME is not set",
            "--state FILE names the state database; the wallet lies beside it",
        )
    })?;
    Ok(database.with_file_name("wallet.json"))
}

impl Store {
    /// To look at only.
    ///
    /// # Errors
    /// See [`path`].
    pub(crate) fn to_read(args: &MoneyArgs) -> Result<Self, Failure> {
        Ok(Self { path: path(args)?, _lock: None })
    }

    /// To change it.
    ///
    /// # Errors
    /// The folder can't be made, or another process changes the wallet.
    pub(crate) fn to_change(args: &MoneyArgs) -> Result<Self, Failure> {
        let path = path(args)?;
        let folder = folder(&path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
            let message = format!("cannot create the folder {}: {}", shown(folder), reason(&error));
            Failure::with_hint(message, "--state FILE takes another place")
        })?;
        let lock = File::open(folder).map_err(|error| Failure::reading(folder, &error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_held| {
            Failure::with_hint(
                format!("another shoal is changing the wallet {}", shown(&path)),
                "wait until it is done",
            )
        })?;
        Ok(Self { path, _lock: Some(lock) })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The wallet, or nothing if there is none.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub(crate) fn load(&self) -> Result<Option<Keyfile>, Failure> {
        let bytes = match read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::reading(&self.path, &error)),
        };
        Keyfile::decode(&bytes).map(Some).map_err(|error| refusal(&self.path, &error))
    }

    /// Puts another in its place.
    ///
    /// # Errors
    /// It can't be written; then the one before is still there.
    pub(crate) fn save(&self, wallet: &Keyfile) -> Result<(), Failure> {
        let next = self.path.with_extension("json.new");
        write_new(&next, wallet.encode().as_bytes(), true)
            .and_then(|()| fs::rename(&next, &self.path))
            .and_then(|()| File::open(folder(&self.path))?.sync_all())
            .map_err(|error| writing(&self.path, &error))
    }
}

/// Why a wallet is refused.
pub(crate) fn refusal(path: &Path, error: &KeyfileError) -> Failure {
    let message = format!("cannot use the wallet {}: {error}", shown(path));
    let hint = match error {
        KeyfileError::Newer { .. } => "use the release that wrote it",
        KeyfileError::Cost(_) => "whoever wrote this wants it to take all your memory",
        KeyfileError::NotAWallet => {
            "move it away, then `shoal wallet import` takes your backup or your words"
        }
    };
    Failure::with_hint(message, hint)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Longest file that is read at once, in bytes.
pub(crate) const READ_BYTES_MAX: usize = FILE_BYTES_MAX;

/// A file of ours, up to the longest, and a byte more if it is longer.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that its owner alone can read, durably.
pub(crate) fn write_new(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    if replace {
        // What an earlier run left there may have other permissions.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Its name is in the folder.
    File::open(folder(path))?.sync_all()
}

/// Why a file can't be written.
pub(crate) fn writing(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write {}: {}", shown(path), reason(error));
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::with_hint(message, "name a file that does not exist yet");
    }
    Failure::new(message)
}
