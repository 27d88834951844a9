//! The real program on volumes that are full, read-only or changed by somebody else.
//!
//! Each test runs in a mount namespace of its own (`unshare`), so that its tmpfs is seen by nobody
//! else and goes with it. That takes root: without it a test fails rather than say nothing.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use interop::{
    Content, Outcome, Proc, Scene, Shape, Shoal, assert_identical, free_port, scene, shoal_command,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
/// Set in the process that has its own mounts.
const INSIDE: &str = "SHOAL_TEST_OWN_MOUNTS";
/// Bytes of the usual content: more than half of the usual volume.
const BYTES: u64 = 3_000_001;
const PIECE: &str = "64k";
/// The program tries a failed write again after 3 s.
const GOES_ON_MAX: Duration = Duration::from_secs(15);

/// Runs `test` with a volume of 4 MiB, in a mount namespace of its own.
fn on_a_volume(name: &str, test: impl FnOnce(&Scene, &Volume) -> anyhow::Result<()>) -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        return scene(LIMIT, |scene| test(scene, &Volume::new(&scene.folder("volume")?)?));
    }
    scene(LIMIT, |_| {
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(std::env::current_exe()?)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(INSIDE, "1")
            .output()
            .context("run unshare")?;
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (said(&output.stdout), said(&output.stderr));
        ensure!(output.status.success(), "in a mount namespace (this takes root):\n{out}{error}");
        ensure!(out.contains("1 passed"), "no test is called {name}:\n{out}");
        Ok(())
    })
}

/// A tmpfs of 4 MiB.
struct Volume(PathBuf);

impl Volume {
    fn new(at: &Path) -> anyhow::Result<Self> {
        mount(&["-t", "tmpfs", "-o", "size=4m", "shoal-test"], at)?;
        Ok(Self(at.to_owned()))
    }

    fn read_only(&self, yes: bool) -> anyhow::Result<()> {
        mount(&["-o", if yes { "remount,ro" } else { "remount,rw" }], &self.0)
    }

    /// Leaves so much room and no more.
    fn fill(&self, free_bytes: u64) -> anyhow::Result<()> {
        let stat = rustix::fs::statvfs(&self.0)?;
        let room = stat.f_bavail * stat.f_frsize;
        let size = usize::try_from(room.saturating_sub(free_bytes))?;
        Ok(fs::write(self.0.join("ballast"), vec![1; size])?)
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.0.join("ballast"))?)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Programs that a failed test left may still have files open there.
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

fn mount(options: &[&str], at: &Path) -> anyhow::Result<()> {
    let output = Command::new("mount").args(options).arg(at).output()?;
    ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// One file and its torrent file.
fn content(scene: &Scene) -> anyhow::Result<(Content, PathBuf)> {
    let content = Content::of_size(&scene.folder("content")?, BYTES)?;
    let torrent = create(scene, &content)?;
    Ok((content, torrent))
}

fn create(scene: &Scene, content: &Content) -> anyhow::Result<PathBuf> {
    let torrent = scene.path("t.torrent");
    let mut command = shoal_command()?;
    command.arg("create").arg(&content.path).arg("-o").arg(&torrent).args(["--piece-size", PIECE]);
    let exit = scene.spawn("shoal create", &mut command)?.wait_exit()?;
    ensure!(exit.success(), "shoal create: {exit}");
    Ok(torrent)
}

/// `shoal VERB TORRENT … --no-discovery`, waiting for what `arguments` say.
fn shoal(scene: &Scene, verb: &str, torrent: &Path, arguments: &[&str]) -> anyhow::Result<Proc> {
    let mut command = shoal_command()?;
    command.arg(verb).arg(torrent).args(["--no-discovery"]).args(arguments);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    scene.spawn(&format!("shoal {verb}"), &mut command)
}

/// Seeds from `folder`; gives the address, too.
fn seed(scene: &Scene, torrent: &Path, folder: &Path) -> anyhow::Result<(Proc, String)> {
    let mut process = shoal(scene, "seed", torrent, &["--data", text(folder)?])?;
    let address = Shoal::listens(&mut process)?.to_string();
    line(&mut process, "complete")?;
    Ok((process, address))
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("our own paths are UTF-8")
}

/// The first line from here on that holds `part`.
fn line(process: &mut Proc, part: &str) -> anyhow::Result<String> {
    process.wait_line(part, |line| line.contains(part).then(|| line.to_owned()))
}

/// The first line of JSON from here on that is `event` and passes.
fn event(
    process: &mut Proc,
    event: &str,
    passes: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    process.wait_line(event, |line| {
        let value: Value = serde_json::from_str(line.get(line.find('{')?..)?).ok()?;
        (value["event"] == event && passes(&value)).then_some(value)
    })
}

#[test]
fn a_download_waits_for_room_and_goes_on_by_itself() -> Outcome {
    on_a_volume("a_download_waits_for_room_and_goes_on_by_itself", |scene, volume| {
        let (content, torrent) = content(scene)?;
        let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
        volume.fill(1 << 20)?;
        let arguments = ["-o", text(&volume.0)?, "--peer", &address, "--exit"];
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        let said = line(&mut get, "No space left")?;
        ensure!(said.contains("; free ") && said.contains("it goes on by itself"), "{said}");
        volume.make_room()?;
        let since = Instant::now();
        line(&mut get, "goes on, the disk works again")?;
        ensure!(get.wait_exit()?.success(), "the download is complete");
        ensure!(since.elapsed() < GOES_ON_MAX, "it went on after {:?}", since.elapsed());
        ensure!(get.count_lines("No space left") == 1, "said once");
        assert_identical(&content, &volume.0, false)
    })
}

#[test]
fn a_download_on_a_full_disk_can_be_stopped_and_keeps_what_it_has() -> Outcome {
    on_a_volume(
        "a_download_on_a_full_disk_can_be_stopped_and_keeps_what_it_has",
        |scene, volume| {
            let (content, torrent) = content(scene)?;
            let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
            volume.fill(1 << 20)?;
            let arguments = ["-o", text(&volume.0)?, "--peer", &address, "--exit", "--json"];
            let mut get = shoal(scene, "get", &torrent, &arguments)?;
            let trouble = event(&mut get, "trouble", |_| true)?;
            ensure!(trouble["kind"] == "full", "{trouble}");
            let since = Instant::now();
            let exit = get.stop()?;
            ensure!(exit.code() == Some(130), "stopped before it was done: {exit}");
            ensure!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
            volume.make_room()?;
            let mut get = shoal(scene, "get", &torrent, &arguments)?;
            let complete = event(&mut get, "complete", |_| true)?;
            ensure!(get.wait_exit()?.success(), "the download is complete");
            let downloaded = complete["downloaded_bytes"].as_u64().context("a number")?;
            ensure!(downloaded < BYTES, "all was fetched again: {complete}");
            assert_identical(&content, &volume.0, false)
        },
    )
}

#[test]
fn where_nothing_can_be_written_nothing_is_fetched() -> Outcome {
    on_a_volume("where_nothing_can_be_written_nothing_is_fetched", |scene, volume| {
        let (content, torrent) = content(scene)?;
        let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
        let refused = |mut command: Command, options: &[&str], why: &str| {
            command.arg("get").arg(&torrent).arg("-o").arg(&volume.0).args(options);
            command.args(["--peer", &address, "--no-discovery", "--exit"]);
            let mut get = scene.spawn("shoal get", &mut command)?;
            let said = line(&mut get, "cannot write to")?;
            ensure!(said.contains(why) && said.contains(text(&volume.0)?), "{said}");
            line(&mut get, "hint: make it writable, or name another folder")?;
            let exit = get.wait_exit()?;
            ensure!(exit.code() == Some(1), "{exit}");
            ensure!(fs::read_dir(&volume.0)?.next().is_none(), "something was written");
            Ok(())
        };
        // Somebody else's folder: as nobody, who must be able to reach the program.
        let program = scene.path("shoal");
        fs::copy(shoal_command()?.get_program(), &program)?;
        let state = scene.folder("state")?;
        fs::set_permissions(&state, fs::Permissions::from_mode(0o777))?;
        fs::set_permissions(&volume.0, fs::Permissions::from_mode(0o755))?;
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid", "65534", "--clear-groups"]).arg(&program);
        let state = state.join("state.db");
        refused(nobody, &["--state", text(&state)?], "Permission denied")?;
        volume.read_only(true)?;
        refused(shoal_command()?, &[], "Read-only file system")
    })
}

#[test]
fn a_volume_that_turns_read_only_is_waited_for() -> Outcome {
    on_a_volume("a_volume_that_turns_read_only_is_waited_for", |scene, volume| {
        let (content, torrent) = content(scene)?;
        // Half of it is there already. While nothing writes, the volume may be turned.
        let half = fs::read(&content.path)?.split_at(1 << 20).0.to_vec();
        let part = fs::File::create(volume.0.join(content.name()?))?;
        part.write_all_at(&half, 0)?;
        part.set_len(BYTES)?;
        drop(part);
        let address = format!("127.0.0.1:{}", free_port()?);
        let arguments = ["-o", text(&volume.0)?, "--peer", &address, "--exit", "--json"];
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        event(&mut get, "progress", |value| value["phase"] == "downloading")?;
        volume.read_only(true)?;
        let serve = ["--data", text(content.parent()?)?, "--listen", &address];
        let _seed = shoal(scene, "seed", &torrent, &serve)?;
        let trouble = event(&mut get, "trouble", |_| true)?;
        ensure!(trouble["kind"] == "denied", "{trouble}");
        volume.read_only(false)?;
        event(&mut get, "trouble_over", |_| true)?;
        ensure!(get.wait_exit()?.success(), "the download is complete");
        assert_identical(&content, &volume.0, false)
    })
}

/// Many files, seeded from the volume; one of them is long.
fn seed_of_many(scene: &Scene, volume: &Volume) -> anyhow::Result<(PathBuf, PathBuf)> {
    mount(&["-o", "remount,size=16m"], &volume.0)?;
    let content = Shape::ManyFiles.write(&volume.0)?;
    let torrent = create(scene, &content)?;
    let long = content.path.join("b/c/tief er/noch tiefer/data.bin");
    Ok((torrent, long))
}

/// Waits until a download has so many bytes.
fn have(get: &mut Proc, bytes: u64) -> anyhow::Result<Value> {
    event(get, "progress", |value| value["have_bytes"].as_u64() >= Some(bytes))
}

#[test]
fn a_seed_whose_file_is_removed_says_so_and_serves_the_others() -> Outcome {
    on_a_volume("a_seed_whose_file_is_removed_says_so_and_serves_the_others", |scene, volume| {
        let (torrent, long) = seed_of_many(scene, volume)?;
        let (mut seed, address) = seed(scene, &torrent, &volume.0)?;
        fs::remove_file(&long)?;
        let target = scene.folder("download")?;
        let arguments = ["-o", text(&target)?, "--peer", &address, "--exit", "--json"];
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        let said = line(&mut seed, "was removed or cut short")?;
        ensure!(said.contains("data.bin"), "{said}");
        let said = line(&mut seed, "lost; only the other")?;
        ensure!(said.contains("47 pieces"), "{said}");
        // 3,000,017 bytes are gone, and what shares a piece with them.
        let last = have(&mut get, 2_040_000)?;
        ensure!(last["peers"] == 1, "the peer was left: {last}");
        ensure!(seed.exited().is_none(), "it goes on serving");
        Ok(())
    })
}

#[test]
fn a_seed_whose_file_is_rewritten_gives_nothing_wrong_away() -> Outcome {
    on_a_volume("a_seed_whose_file_is_rewritten_gives_nothing_wrong_away", |scene, volume| {
        let (torrent, long) = seed_of_many(scene, volume)?;
        let (mut seed, address) = seed(scene, &torrent, &volume.0)?;
        let file = fs::OpenOptions::new().write(true).open(&long)?;
        file.write_all_at(b"somebody else's", 1_000_000)?;
        drop(file);
        let target = scene.folder("download")?;
        let arguments = ["-o", text(&target)?, "--peer", &address, "--exit", "--json"];
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        line(&mut seed, "was changed by another program")?;
        line(&mut seed, "1 piece lost; only the other")?;
        // All but one piece of 64 KiB.
        let last = have(&mut get, 5_187_289 - (64 << 10))?;
        ensure!(last["peers"] == 1, "the seed was banned: {last}");
        ensure!(seed.exited().is_none(), "it goes on serving");
        Ok(())
    })
}

#[test]
fn a_seed_whose_only_file_is_truncated_ends_with_a_word() -> Outcome {
    on_a_volume("a_seed_whose_only_file_is_truncated_ends_with_a_word", |scene, volume| {
        let content = Content::of_size(&volume.0, BYTES)?;
        let torrent = create(scene, &content)?;
        let (mut seed, address) = seed(scene, &torrent, &volume.0)?;
        fs::OpenOptions::new().write(true).open(&content.path)?.set_len(0)?;
        let target = scene.folder("download")?;
        let arguments = ["-o", text(&target)?, "--peer", &address, "--exit"];
        let _get = shoal(scene, "get", &torrent, &arguments)?;
        line(&mut seed, "was removed or cut short")?;
        line(&mut seed, "nothing of it is left in")?;
        let exit = seed.wait_exit()?;
        ensure!(exit.code() == Some(1), "{exit}");
        Ok(())
    })
}

#[test]
fn a_file_removed_under_a_download_is_fetched_again() -> Outcome {
    on_a_volume("a_file_removed_under_a_download_is_fetched_again", |scene, volume| {
        let (content, torrent) = content(scene)?;
        let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
        let slow = ["--down", "500k", "--exit", "--json"];
        let arguments = [&["-o", text(&volume.0)?, "--peer", &address][..], &slow].concat();
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        have(&mut get, 1_000_000)?;
        fs::remove_file(volume.0.join(content.name()?))?;
        let changed = event(&mut get, "file_changed", |_| true)?;
        ensure!(changed["state"] == "gone", "{changed}");
        event(&mut get, "pieces_lost", |_| true)?;
        ensure!(get.wait_exit()?.success(), "the download is complete");
        assert_identical(&content, &volume.0, false)
    })
}

#[test]
fn a_complete_download_that_loses_its_file_fetches_it_again() -> Outcome {
    on_a_volume("a_complete_download_that_loses_its_file_fetches_it_again", |scene, volume| {
        let (content, torrent) = content(scene)?;
        let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
        let arguments = ["-o", text(&volume.0)?, "--peer", &address, "--seed-time", "10m"];
        let mut get = shoal(scene, "get", &torrent, &[&arguments[..], &["--json"]].concat())?;
        let listening = event(&mut get, "listening", |_| true)?;
        event(&mut get, "complete", |_| true)?;
        fs::remove_file(volume.0.join(content.name()?))?;
        // Somebody asks for it, which tells that it is gone.
        let other = scene.folder("other")?;
        let peer = listening["addr"].as_str().context("an address")?;
        let arguments = ["-o", text(&other)?, "--peer", peer, "--exit"];
        let asks = shoal(scene, "get", &torrent, &arguments)?;
        event(&mut get, "pieces_lost", |_| true)?;
        event(&mut get, "complete", |_| true)?;
        ensure!(asks.wait_exit()?.success(), "and is served in the end");
        assert_identical(&content, &volume.0, false)?;
        assert_identical(&content, &other, false)
    })
}

#[test]
fn a_folder_removed_under_a_download_is_waited_for() -> Outcome {
    on_a_volume("a_folder_removed_under_a_download_is_waited_for", |scene, volume| {
        mount(&["-o", "remount,size=16m"], &volume.0)?;
        let content = Shape::ManyFiles.write(&scene.folder("content")?)?;
        let torrent = create(scene, &content)?;
        let (_seed, address) = seed(scene, &torrent, content.parent()?)?;
        let target = volume.0.join("target");
        let slow = ["--down", "1M", "--exit"];
        let arguments = [&["-o", text(&target)?, "--peer", &address][..], &slow].concat();
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        line(&mut get, " % of ")?;
        fs::remove_dir_all(&target)?;
        line(&mut get, "put the folder back, it goes on by itself")?;
        ensure!(!target.exists(), "it was made again behind our back");
        fs::create_dir(&target)?;
        line(&mut get, "goes on, the disk works again")?;
        ensure!(get.wait_exit()?.success(), "the download is complete");
        let files = 9;
        ensure!(get.count_lines("removed or cut short") <= files, "it is said again and again");
        assert_identical(&content, &target, false)
    })
}

#[test]
fn a_state_database_without_room_holds_up_no_data() -> Outcome {
    on_a_volume("a_state_database_without_room_holds_up_no_data", |scene, volume| {
        let (content, torrent) = content(scene)?;
        let target = scene.folder("download")?;
        let state = volume.0.join("state.db");
        let arguments = ["-o", text(&target)?, "--state", text(&state)?, "--exit"];
        // It cannot even be made.
        volume.fill(0)?;
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        line(&mut get, "cannot use the state database")?;
        line(&mut get, "hint: free some room there, or name another place by --state")?;
        ensure!(get.wait_exit()?.code() == Some(1), "it cannot start");
        volume.make_room()?;
        // It is there, and then there is no room for more.
        let serve = format!("127.0.0.1:{}", free_port()?);
        let arguments = [&arguments[..], &["--peer", &serve, "--json"]].concat();
        let mut get = shoal(scene, "get", &torrent, &arguments)?;
        event(&mut get, "progress", |value| value["phase"] == "downloading")?;
        volume.fill(0)?;
        let peer = ["--data", text(content.parent()?)?, "--listen", &serve];
        let _seed = shoal(scene, "seed", &torrent, &peer)?;
        let trouble = event(&mut get, "trouble", |_| true)?;
        ensure!(trouble["kind"] == "full" && trouble["path"] == text(&state)?, "{trouble}");
        have(&mut get, BYTES)?;
        volume.make_room()?;
        event(&mut get, "complete", |_| true)?;
        ensure!(get.wait_exit()?.success(), "the download is complete");
        assert_identical(&content, &target, false)
    })
}

#[test]
fn a_torrent_file_that_finds_no_room_leaves_nothing_behind() -> Outcome {
    on_a_volume("a_torrent_file_that_finds_no_room_leaves_nothing_behind", |scene, volume| {
        let (content, _) = content(scene)?;
        let create = |why: &str| {
            let mut command = shoal_command()?;
            command.arg("create").arg(&content.path).arg("-o").arg(volume.0.join("t.torrent"));
            let mut process = scene.spawn("shoal create", command.args(["--piece-size", "16k"]))?;
            let said = line(&mut process, "cannot write")?;
            ensure!(said.contains(why), "{said}");
            let exit = process.wait_exit()?;
            ensure!(exit.code() == Some(1), "{exit}");
            Ok(())
        };
        volume.fill(0)?;
        create("no space left")?;
        ensure!(fs::read_dir(&volume.0)?.count() == 1, "only the ballast is there");
        volume.make_room()?;
        volume.read_only(true)?;
        create("read-only file system")?;
        ensure!(fs::read_dir(&volume.0)?.next().is_none(), "something was written");
        Ok(())
    })
}
