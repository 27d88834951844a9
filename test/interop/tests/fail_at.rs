//! Every system call by which the real program uses its disk fails once, at each position.
//!
//! Method: `strace` lets the first call of a kind fail with an error, then the second, … until a run
//! has none left to fail (the count is per thread). Each time the download must either be complete
//! in the end, or the program must say why not and fail; the same command again, without a fault,
//! must then complete it. Nothing may appear outside the folder.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use interop::{
    Content, Outcome, Proc, Scene, Shape, Shoal, assert_identical, scene, shoal_command,
};

const LIMIT: Duration = Duration::from_secs(240);
/// Runs under way for each fault.
const LANES: u32 = 3;
/// More calls of a kind than such a download makes.
const AT_MAX: u32 = 200;

/// What fails, and how. The database of the state uses some of these, too.
const FAULTS: [(&str, &str); 10] = [
    ("openat2", "EACCES"),
    ("openat2", "EMFILE"),
    ("mkdirat", "ENOSPC"),
    ("ftruncate", "ENOSPC"),
    ("pwritev", "ENOSPC"),
    ("pwritev", "EIO"),
    ("pread64", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
];

#[test]
fn every_system_call_on_the_disk_may_fail() -> Outcome {
    scene(LIMIT, |scene| {
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let torrent = scene.path("t.torrent");
        let mut create = shoal_command()?;
        create.arg("create").arg(&content.path).arg("-o").arg(&torrent);
        create.args(["--piece-size", "512k"]);
        ensure!(scene.spawn("shoal create", &mut create)?.wait_exit()?.success(), "a torrent file");
        let mut seed = shoal_command()?;
        seed.arg("seed").arg(&torrent).arg("--data").arg(content.parent()?);
        seed.args(["--no-discovery", "--listen", "127.0.0.1:0"]);
        let mut seed = scene.spawn("shoal seed", &mut seed)?;
        let peer = Shoal::listens(&mut seed)?.to_string();
        let case = Case { scene, content: &content, torrent: &torrent, peer: &peer };
        // Most of the time is spent waiting for the program to try again.
        std::thread::scope(|threads| {
            let running: Vec<_> = FAULTS
                .iter()
                .flat_map(|fault| (1..=LANES).map(move |first| (fault, first)))
                .map(|(&(call, error), first)| {
                    threads.spawn(move || case.fail_each(call, error, first))
                })
                .collect();
            running.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(_panic) => bail!("a thread of the test panicked"),
            })
        })
    })
}

#[derive(Clone, Copy)]
struct Case<'a> {
    scene: &'a Scene,
    content: &'a Content,
    torrent: &'a Path,
    peer: &'a str,
}

impl Case<'_> {
    /// Every [`LANES`]th position.
    fn fail_each(self, call: &str, error: &str, first: u32) -> anyhow::Result<()> {
        for at in (first..AT_MAX).step_by(LANES as usize) {
            let name = format!("{call}-{error}-{at}");
            if !self.fail(&name, call, error, at).context(name)? {
                ensure!(at > 1, "{call} is never used");
                return Ok(());
            }
        }
        bail!("{call} never ends");
    }

    /// False if there was nothing left to fail.
    fn fail(self, name: &str, call: &str, error: &str, at: u32) -> anyhow::Result<bool> {
        let folder = self.scene.folder(name)?;
        let log = folder.join("strace");
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o"]).arg(&log).args(["-e", &format!("trace={call}"), "-e"]);
        traced.arg(format!("inject={call}:error={error}:when={at}"));
        let first = self.get(&folder, traced.arg(shoal_command()?.get_program()))?;
        let exit = first.wait_exit()?;
        let injected = fs::read_to_string(&log)?.contains("(INJECTED)");
        if exit.code() == Some(127) && first.count_lines("shared librar") > 0 {
            // The loader reads before the program does.
            fs::remove_dir_all(&folder)?;
            return Ok(true);
        }
        if !exit.success() {
            ensure!(injected, "it failed without a fault: {exit}");
            ensure!(exit.code() == Some(1), "it ended by itself: {exit}");
            ensure!(first.count_lines("error: ") == 1, "it does not say why");
            let again = self.get(&folder, &mut shoal_command()?)?.wait_exit()?;
            ensure!(again.success(), "the same command again: {again}");
        }
        assert_identical(self.content, &folder.join("download"), false)?;
        let mut names = fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        names.retain(|name| !name.starts_with("state.db"));
        names.sort();
        ensure!(names == ["download", "strace"], "something else was written: {names:?}");
        fs::remove_dir_all(&folder)?;
        Ok(injected)
    }

    fn get(self, folder: &Path, command: &mut Command) -> anyhow::Result<Proc> {
        command.arg("get").arg(self.torrent).arg("-o").arg(folder.join("download"));
        command.arg("--state").arg(folder.join("state.db"));
        command.args(["--peer", self.peer, "--no-discovery", "--exit"]);
        self.scene.spawn("shoal get", command.args(["--listen", "127.0.0.1:0"]))
    }
}
