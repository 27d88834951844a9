#!/usr/bin/env python3
"""Hashing side by side: `verify` and `create` of one file beside libtorrent and mktorrent.

    bench/hash.py target/release/shoal --python VENV/bin/python

PYTHON must have libtorrent 2.1.1. Each round runs every contestant once and begins with another one. All of it in
memory: 4 GiB in /dev/shm, made if missing and removed afterwards, unless --payload names a file to keep.
The limit reads the same file and hashes it in lanes, and does nothing else: `examples/lanes` of core/keys.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

GIB = 1 << 30
PIECE = 1 << 20
VERSIONS = ("v1", "v2", "hybrid")

# Prints CPU and wall seconds without those of starting Python.
LIBTORRENT = r"""
import libtorrent as lt, json, os, resource, sys, time
what, version, payload, torrent, threads = sys.argv[1:]
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
settings = {"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
            "enable_natpmp": False, "alert_mask": int(lt.alert.category_t.status_notification)}
if int(threads): settings["hashing_threads"] = int(threads)
folder = os.path.dirname(payload)
if what == "create":
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
    begin, used = time.monotonic(), cpu()
    files = lt.file_storage()
    lt.add_files(files, payload)
    made = lt.create_torrent(files, piece_size=%d, flags=flags)
    lt.set_piece_hashes(made, folder)
    open(torrent, "wb").write(lt.bencode(made.generate()))
else:
    session = lt.session(settings)
    adding = lt.add_torrent_params()
    adding.ti, adding.save_path = lt.torrent_info(torrent), folder
    adding.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    begin, used = time.monotonic(), cpu()
    handle, checked = session.add_torrent(adding), False
    while not checked:
        session.wait_for_alert(1000)
        checked = any(type(alert).__name__ == "torrent_checked_alert" for alert in session.pop_alerts())
    assert handle.status().progress == 1, "not complete"
print(json.dumps({"wall": time.monotonic() - begin, "cpu": cpu() - used}), flush=True)
os._exit(0)
""" % PIECE


def busy():
    """CPU seconds that all processes used."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def run(command, environment=None):
    """Wall and CPU seconds of a command; CPU that others used meanwhile, in cores."""
    before, begin = busy(), time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env={**os.environ, **(environment or {})})
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begin
    cpu = used.ru_utime + used.ru_stime
    if process.returncode:
        sys.exit("%s: exit %s" % (" ".join(command), process.returncode))
    other = max(0, busy() - before - cpu) / wall
    if output.startswith(b'{"wall"'):
        told = json.loads(output)
        wall, cpu = told["wall"], told["cpu"]
    return {"wall": wall, "cpu": cpu, "rss": used.ru_maxrss, "other": other}


def contestants(args, what, version, payload, folder):
    """Name, command, environment."""
    torrent = os.path.join(folder, version + ".torrent")
    made = os.path.join(folder, "made.torrent")
    size = {"create": ["create", payload, "--version", version, "--piece-size", str(PIECE), "--force", "-o", made],
            "verify": ["verify", torrent, "--data", os.path.dirname(payload)]}[what]
    for engine in args.engines.split(","):
        name = "shoal" if engine == "auto" else "shoal, " + engine
        yield name, [args.shoal] + size, {"SHOAL_HASH": engine}
    if args.python:
        target = made if what == "create" else torrent
        script = [args.python, "-c", LIBTORRENT, what, version, payload, target]
        yield "libtorrent", script + ["0"], None
        if what == "verify":
            yield "libtorrent, a hashing thread a core", script + [str(os.cpu_count())], None
    if what == "create" and version == "v1" and shutil.which("mktorrent"):
        def mktorrent():
            if os.path.exists(made):
                os.unlink(made)
            return ["mktorrent", "-l", "20", "-a", "http://localhost/", "-o", made, payload]
        yield "mktorrent 1.1", mktorrent, None
    if version != "hybrid":
        for threads in (1, os.cpu_count()):
            name = "limit, %s thread%s" % (threads, "s" * (threads > 1))
            yield name, [args.lanes, payload, version, str(threads)], None


def make_payload(path, length):
    with open(path, "wb") as file, open("/dev/urandom", "rb") as random:
        for _ in range(length >> 20):
            file.write(random.read(1 << 20))


def quiet(runs):
    kept = [run for run in runs if run["other"] < 0.25]
    return kept if len(kept) >= 2 else runs


def cell(values):
    return "**%.2f** (%.2f to %.2f)" % (statistics.median(values), min(values), max(values))


def table(title, results, gib):
    print("\n### %s\n\n| | runs | wall, s | CPU, s/GiB | others, cores |\n|---|---|---|---|---|" % title)
    for name, runs in results.items():
        kept = quiet(runs)
        print("| %s | %s | %s | %s | %.2f |" % (
            name, len(kept), cell([run["wall"] for run in kept]), cell([run["cpu"] / gib for run in kept]),
            statistics.median(run["other"] for run in kept)))
    sys.stdout.flush()


def wait_for_quiet(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = busy()
        time.sleep(0.5)
        if busy() - before < 0.1:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("--python", help="an interpreter that has libtorrent")
    parser.add_argument("--lanes", default="target/release/examples/lanes")
    parser.add_argument("--payload", help="a file whose length is a multiple of 16 MiB")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--what", default="verify,create")
    parser.add_argument("--versions", default=",".join(VERSIONS))
    parser.add_argument("--engines", default="auto,avx2,sha-ni")
    parser.add_argument("--gate", type=float, default=10, help="seconds to wait for a quiet machine before each run")
    parser.add_argument("--records", help="file that gets a line of JSON for each run")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="shoal-hash-")
    payload = args.payload
    own = None
    if not payload:
        own = tempfile.mkdtemp(prefix="shoal-hash-", dir="/dev/shm")
        payload = os.path.join(own, "payload.bin")
        make_payload(payload, 4 * GIB)
    try:
        gib = os.path.getsize(payload) / GIB
        for version in args.versions.split(","):
            torrent = os.path.join(folder, version + ".torrent")
            run([args.shoal, "create", payload, "--version", version, "--piece-size", str(PIECE), "-o", torrent])
            for what in args.what.split(","):
                every = list(contestants(args, what, version, payload, folder))
                results = {name: [] for name, _, _ in every}
                for number in range(args.runs):
                    turn = number % len(every)
                    for name, command, environment in every[turn:] + every[:turn]:
                        wait_for_quiet(args.gate)
                        result = run(command() if callable(command) else command, environment)
                        results[name].append(result)
                        if args.records:
                            with open(args.records, "a") as records:
                                records.write(json.dumps({"what": what, "version": version, "name": name, **result}) + "\n")
                table("%s, %s" % (what, version), results, gib)
    finally:
        shutil.rmtree(folder)
        if own:
            shutil.rmtree(own)


main()
