//! What is transferred, and the proof that it arrived.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use base::Rng;

/// Folder in which clients that know padding files only by name put them.
const PADDING: &str = ".pad";

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One file that ends inside a block.
    SingleFile,
    /// Odd sizes, an empty file, names beyond ASCII, nested folders, pieces across many files.
    ManyFiles,
    /// Fifty files of odd sizes in one folder.
    FiftyFiles,
    /// The many files with padding files between (BEP 47).
    Padded,
    /// One file that ends inside a block, in a torrent of version 2 (BEP 52).
    SingleV2,
    /// The many files in a torrent of version 2.
    V2,
    /// The many files in a torrent of both versions.
    Hybrid,
}

/// Content on disk.
#[derive(Clone, Debug)]
pub struct Content {
    /// The file or folder that the torrent is named after.
    pub path: PathBuf,
    /// What it is.
    pub shape: Shape,
}

impl Shape {
    /// Files relative to the content's parent, and their sizes.
    fn files(self) -> Vec<(String, u64)> {
        match self {
            Self::SingleFile | Self::SingleV2 => {
                vec![("fílm 01.bin".to_owned(), 6_291_456 + 12_345)]
            }
            Self::FiftyFiles => {
                (0..50).map(|n| (format!("fifty/{n:02}.bin"), 1 + n * 4_001)).collect()
            }
            Self::ManyFiles | Self::Padded | Self::V2 | Self::Hybrid => [
                ("a", 1),
                ("b/leer.txt", 0),
                ("b/ünïcødé ☃ 名前.txt", 40_961),
                ("b/c/tief er/noch tiefer/data.bin", 3_000_017),
                ("b/c/exactly one piece", 32_768),
                ("b/c/d", 16_384),
                ("b/c/zero too", 0),
                ("Ωmega.iso", 2_097_151),
                ("z z.bin", 7),
            ]
            .iter()
            .map(|(name, size)| (format!("Sämmlung 集/{name}"), *size))
            .collect(),
        }
    }

    /// Writes content that is the same for every run below `parent`.
    pub fn write(self, parent: &Path) -> anyhow::Result<Content> {
        let files = self.files();
        let mut rng = Rng::from_seed(2);
        for (name, size) in &files {
            write_random(&parent.join(name), *size, &mut rng)?;
        }
        let first = files.first().context("a shape has files")?;
        let name = first.0.split('/').next().context("a file has a name")?;
        Ok(Content { path: parent.join(name), shape: self })
    }
}

impl Content {
    /// One file of `bytes` random bytes.
    pub fn of_size(parent: &Path, bytes: u64) -> anyhow::Result<Self> {
        let path = parent.join("large.bin");
        write_random(&path, bytes, &mut Rng::from_seed(bytes))?;
        Ok(Self { path, shape: Shape::SingleFile })
    }

    /// Last part of the path: the torrent's name.
    pub fn name(&self) -> anyhow::Result<&str> {
        self.path.file_name().and_then(|name| name.to_str()).context("content has a name")
    }

    /// All bytes of all files.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(sizes_below(&self.path)?.values().sum())
    }

    /// The folder that holds the content: where a seed looks for it.
    pub fn parent(&self) -> anyhow::Result<&Path> {
        self.path.parent().context("content has a parent")
    }
}

fn write_random(path: &Path, bytes: u64, rng: &mut Rng) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = usize::try_from(bytes)?;
    while left > 0 {
        let word = rng.next_u64().to_le_bytes();
        let part = word.get(..left.min(word.len())).unwrap_or(&word);
        file.write_all(part)?;
        left -= part.len();
    }
    file.flush()?;
    Ok(())
}

/// Fails unless `folder` holds exactly `content`. Empty files may lack if `may_lack_empty`.
pub fn assert_identical(
    content: &Content,
    folder: &Path,
    may_lack_empty: bool,
) -> anyhow::Result<()> {
    let got_root = folder.join(content.name()?);
    let wanted = sizes_below(&content.path)?;
    let got = sizes_below(&got_root)?;
    for (name, size) in &wanted {
        match got.get(name) {
            None if *size == 0 && may_lack_empty => {}
            None => anyhow::bail!("{} was not downloaded", name.display()),
            Some(_) => compare_files(&content.path.join(name), &got_root.join(name))?,
        }
    }
    let extra: Vec<_> = got
        .keys()
        .filter(|name| !wanted.contains_key(*name) && !name.starts_with(PADDING))
        .collect();
    ensure!(extra.is_empty(), "files that nobody sent: {extra:?}");
    Ok(())
}

/// Files at or below `root`, by path relative to it (empty for `root` itself).
fn sizes_below(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, u64>> {
    let mut sizes = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(path) = folders.pop() {
        let about =
            std::fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?;
        if about.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                folders.push(entry?.path());
            }
        } else {
            sizes.insert(path.strip_prefix(root)?.to_owned(), about.len());
        }
    }
    Ok(sizes)
}

fn compare_files(wanted: &Path, got: &Path) -> anyhow::Result<()> {
    const CHUNK: usize = 1 << 20;
    // Joining an empty name to a file's path leaves a slash at its end.
    let open = |path: &Path| {
        let path: PathBuf = path.components().collect();
        File::open(&path).with_context(|| format!("open {}", path.display()))
    };
    let (mut wanted_file, mut got_file) = (open(wanted)?, open(got)?);
    let mut at = 0;
    loop {
        let (mut left, mut right) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        std::io::Read::by_ref(&mut wanted_file).take(CHUNK as u64).read_to_end(&mut left)?;
        std::io::Read::by_ref(&mut got_file).take(CHUNK as u64).read_to_end(&mut right)?;
        if left != right {
            let offset = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
            anyhow::bail!("{} differs at byte {}", got.display(), at + offset);
        }
        if left.is_empty() {
            return Ok(());
        }
        at += left.len();
    }
}
