//! The files of complete torrents, so that another torrent with the same content need not fetch it again.
//!
//! Source: BEP 52 (a file has a name of its own, the root of its tree), BEP 38 (a torrent may name others
//! that have files in common with it, or a collection that it belongs to). Nothing here is trusted: files
//! move and change, and whatever is taken is compared with its digests.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use base::InfoHash;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::resume_db::PathColumn;

pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS file (
        info_hash BLOB NOT NULL,
        path ANY NOT NULL, -- absolute; TEXT if it is UTF-8, else BLOB
        length_bytes INTEGER NOT NULL,
        pieces_root BLOB, -- 32 bytes, of version 2 only
        PRIMARY KEY (info_hash, path)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS file_by_root ON file (pieces_root) WHERE pieces_root IS NOT NULL;
    CREATE TABLE IF NOT EXISTS collection (
        info_hash BLOB NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (info_hash, name)
    ) STRICT;
";

/// Most files given back: with more of one content, any will do.
const SAME_MAX: usize = 64;
/// Most files of relatives.
const RELATED_MAX: usize = 100_000;

/// A file of a torrent that was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Where it was, absolute.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// The root of its hash tree, if the torrent is of version 2.
    pub pieces_root: Option<[u8; 32]>,
}

/// Takes `files` for those of a torrent, in place of what was known of it; not again if the first is known.
pub(crate) fn remember(
    connection: &mut Connection,
    info_hash: InfoHash,
    files: &[KnownFile],
    collections: &[String],
) -> rusqlite::Result<()> {
    if let Some(first) = files.first() {
        let known = "SELECT 1 FROM file WHERE info_hash = ?1 AND path = ?2";
        let key = params![info_hash.0, PathColumn(&first.path)];
        if connection.prepare_cached(known)?.exists(key)? {
            return Ok(());
        }
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        for old in
            ["DELETE FROM file WHERE info_hash = ?1", "DELETE FROM collection WHERE info_hash = ?1"]
        {
            transaction.prepare_cached(old)?.execute(params![info_hash.0])?;
        }
        let mut file = transaction.prepare_cached(
            "INSERT OR REPLACE INTO file (info_hash, path, length_bytes, pieces_root)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        for known in files {
            let length_bytes = i64::try_from(known.length_bytes).unwrap_or(i64::MAX);
            let path = PathColumn(&known.path);
            file.execute(params![info_hash.0, path, length_bytes, known.pieces_root])?;
        }
        let mut collection =
            transaction.prepare_cached("INSERT OR REPLACE INTO collection VALUES (?1, ?2)")?;
        for name in collections {
            collection.execute(params![info_hash.0, name])?;
        }
    }
    transaction.commit()
}

/// Files with this content.
pub(crate) fn with_root(
    connection: &Connection,
    root: &[u8; 32],
) -> rusqlite::Result<Vec<PathBuf>> {
    let mut statement =
        connection.prepare_cached("SELECT path FROM file WHERE pieces_root = ?1")?;
    let rows = statement.query_map(params![root], |row| path(row, 0))?;
    rows.take(SAME_MAX).collect()
}

/// Files of these torrents, and of all that belong to one of these collections.
pub(crate) fn of_relatives(
    connection: &Connection,
    similar: &[InfoHash],
    collections: &[String],
) -> rusqlite::Result<Vec<KnownFile>> {
    let mut found = Vec::new();
    let known = |row: &Row<'_>| {
        let length: i64 = row.get(1)?;
        let length_bytes = u64::try_from(length).unwrap_or_default();
        Ok(KnownFile { path: path(row, 0)?, length_bytes, pieces_root: row.get(2)? })
    };
    let mut of_torrent = connection
        .prepare_cached("SELECT path, length_bytes, pieces_root FROM file WHERE info_hash = ?1")?;
    for info_hash in similar {
        let rows = of_torrent.query_map(params![info_hash.0], known)?;
        for row in rows.take(RELATED_MAX - found.len()) {
            found.push(row?);
        }
    }
    let mut of_collection = connection.prepare_cached(
        "SELECT path, length_bytes, pieces_root FROM file JOIN collection USING (info_hash)
         WHERE name = ?1",
    )?;
    for name in collections {
        let rows = of_collection.query_map(params![name], known)?;
        for row in rows.take(RELATED_MAX - found.len()) {
            found.push(row?);
        }
    }
    Ok(found)
}

fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Ok(Path::new(OsStr::from_bytes(bytes)).to_path_buf())
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {
            Err(rusqlite::Error::InvalidQuery)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, length_bytes: u64, root: Option<u8>) -> KnownFile {
        KnownFile { path: path.into(), length_bytes, pieces_root: root.map(|byte| [byte; 32]) }
    }

    fn paths(files: &[KnownFile]) -> Vec<&str> {
        files.iter().map(|file| file.path.to_str().unwrap()).collect()
    }

    #[test]
    fn files_are_found_by_content_and_by_relation_and_old_ones_are_forgotten() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        let (one, two) = (InfoHash([1; 20]), InfoHash([2; 20]));
        let films = ["films".to_owned()];
        remember(&mut db, one, &[file("/a/x", 9, Some(7)), file("/a/y", 8, None)], &films).unwrap();
        remember(&mut db, two, &[file("/b/x", 9, Some(7))], &[]).unwrap();
        let same = with_root(&db, &[7; 32]).unwrap();
        assert_eq!(same, [Path::new("/a/x"), Path::new("/b/x")]);
        assert!(with_root(&db, &[8; 32]).unwrap().is_empty());
        assert_eq!(paths(&of_relatives(&db, &[two], &[]).unwrap()), ["/b/x"]);
        assert_eq!(paths(&of_relatives(&db, &[], &films).unwrap()), ["/a/x", "/a/y"]);
        // The torrent lies elsewhere now.
        remember(&mut db, one, &[file("/c/x", 9, Some(7))], &films).unwrap();
        assert_eq!(paths(&of_relatives(&db, &[], &films).unwrap()), ["/c/x"]);
    }
}
