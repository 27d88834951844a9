#!/usr/bin/env python3
"""From a magnet link to the first byte of payload, by the DHT alone.

Fifty nodes of libtorrent's DHT, each at an address of its own, each knowing at least eight others, and one
seed that has announced a torrent there. A contestant starts with nothing but the link and one or three of
the nodes. The clock runs from its start to the moment when the seed sends the first block. libtorrent is
driven from Python, whose loading is not its fault: compare others with its time from when it listens.

The table says both: from the start of the process, and from when it says that it listens. rqbit
does not say.

Each run has a network and a torrent of its own: nobody finds what the one before left. Runs are
interleaved. Needs root, and the Python that test/setup/peers.sh makes:

    .local/venv/bin/python bench/dht_cold_start.py --shoal target/release/shoal --rqbit RQBIT
"""
import argparse, json, os, random, shutil, statistics, subprocess, sys, tempfile, threading, time

import libtorrent as lt

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "../test/interop/peers")
sys.path.insert(0, PEERS)
from dht_libtorrent import LABORATORY  # noqa: E402

PORT, SEED, LEECH = 6881, "10.60.0.10", "10.60.0.20"
FIRST_NODE = 100  # 10.60.1.100 and those after it
INSIDE = "SHOAL_BENCH_OWN_NETWORK"
PATIENCE_S = 60


def nodes(count):
    return [f"10.60.1.{FIRST_NODE + i}:{PORT}" for i in range(count)]


def session(listen, bootstrap, mask=0):
    return lt.session({
        "listen_interfaces": listen, "alert_mask": mask, "enable_dht": True, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, **LABORATORY, "dht_bootstrap_nodes": ",".join(bootstrap)})


class Network:
    """The nodes, ready; they go with their standard input."""

    def __init__(self, count):
        command = [sys.executable, "-W", "ignore", f"{PEERS}/dht_libtorrent.py", nodes(1)[0], "--nodes", str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self.tables = event["nodes"]
                return
        raise RuntimeError("no network")

    def close(self):
        self.process.kill()
        self.process.wait()


class Seed:
    """Has a new torrent and has announced it."""

    def __init__(self, root, bytes_, count):
        name = f"payload-{random.randrange(1 << 60):x}"
        with open(f"{root}/{name}", "wb") as file:
            file.write(random.randbytes(bytes_))
        storage = lt.file_storage()
        lt.add_files(storage, f"{root}/{name}")
        torrent = lt.create_torrent(storage, piece_size=64 << 10, flags=lt.create_torrent.v1_only)
        lt.set_piece_hashes(torrent, root)
        info = lt.torrent_info(torrent.generate())
        self.link = f"magnet:?xt=urn:btih:{info.info_hash()}&dn={name}"
        category = lt.alert.category_t
        self.session = session(f"{SEED}:{PORT}", [], int(category.upload_notification | category.stats_notification))
        for node in nodes(count)[::3]:
            self.session.add_dht_node((node.split(":")[0], PORT))
        params = lt.add_torrent_params()
        params.ti, params.save_path = info, root
        params.flags &= ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
        params.flags |= lt.torrent_flags.seed_mode
        handle = self.session.add_torrent(params)
        announced = 0
        for turn in range(PATIENCE_S * 10):
            if turn % 20 == 5:
                handle.force_dht_announce()
            self.session.post_session_stats()
            self.session.wait_for_alert(100)
            for alert in self.session.pop_alerts():
                if isinstance(alert, lt.session_stats_alert):
                    announced = alert.values["dht.dht_announce_peer_out"]
            if announced >= 8:
                return
            time.sleep(0.1)
        raise RuntimeError("the seed could not announce")

    def first_block(self, process):
        """When it sends the first block, on the monotonic clock."""
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            self.session.wait_for_alert(500)
            now = time.monotonic()
            for alert in self.session.pop_alerts():
                if isinstance(alert, lt.block_uploaded_alert):
                    return now
            if process.poll() is not None and process.returncode:
                raise RuntimeError(f"exited with {process.returncode}")
        return None


def leech(link, folder, bootstrap):
    """libtorrent, in a process of its own."""
    print("listening on", LEECH, flush=True)
    category = lt.alert.category_t
    leecher = session(f"{LEECH}:{PORT}", bootstrap, int(category.dht_notification))
    params = lt.parse_magnet_uri(link)
    params.save_path = folder
    params.flags &= ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
    handle = leecher.add_torrent(params)
    for node in bootstrap:
        # By the routers of its settings alone it begins later.
        leecher.add_dht_node((node.split(":")[0], PORT))
    while True:
        leecher.wait_for_alert(1000)
        if any(isinstance(alert, lt.dht_bootstrap_alert) for alert in leecher.pop_alerts()):
            # In most runs it asks by itself now; in the others not before minutes have passed.
            handle.force_dht_announce()


def command(kind, args, link, folder, bootstrap):
    if kind == "libtorrent":
        return [sys.executable, "-W", "ignore", __file__, "--leech", link, folder, *bootstrap]
    if kind == "rqbit":
        return [args.rqbit, "--dht-bootstrap-addrs", ",".join(bootstrap), "--disable-dht-persistence", "--disable-lsd",
                "--disable-upnp-port-forward", "--listen-ip", LEECH, "--listen-port", str(PORT), "--disable-trackers",
                "download", "-o", folder, "--disable-http-api", link]
    named = [word for node in bootstrap for word in ("--bootstrap", node)]
    return [args.shoal, "get", link, "-o", folder, "--listen", f"{LEECH}:{PORT}", *named, "--no-pex", "--no-lsd",
            "--no-port-mapping"]


def run(kind, args, root):
    network = Network(args.nodes)
    seed = Seed(root, args.bytes, args.nodes)
    folder = f"{root}/out"
    os.mkdir(folder)
    bootstrap = random.sample(nodes(args.nodes), args.bootstrap)
    env = dict(os.environ, HOME=folder, SHOAL_STATE_DIR=f"{folder}/state")
    began = time.monotonic()
    process = subprocess.Popen(command(kind, args, seed.link, folder, bootstrap), env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    listening = []

    def read():
        with open(f"{root}/{kind}.log", "w") as log:
            for line in process.stdout:
                now = time.monotonic()
                if "listening on" in line and kind != "rqbit":
                    listening.append(now)
                log.write(f"{now - began:.4f} {line}")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        at = seed.first_block(process)
    finally:
        process.kill()
        process.wait()
        reader.join()
        network.close()
        shutil.rmtree(folder)
    return {"from_start_s": at and round(at - began, 4),
            "from_listening_s": at and round(at - listening[0], 4) if listening else None}


def measure(args):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", "10.60.0.1/16", "dev", "lo"], check=True)
    kinds = [kind for kind in ("shoal", "libtorrent", "rqbit") if getattr(args, kind, "python") and kind in args.only]
    results = {kind: [] for kind in kinds}
    for turn in range(args.runs):
        for kind in kinds[turn % len(kinds):] + kinds[:turn % len(kinds)]:
            root = tempfile.mkdtemp(prefix="shoal-dht-", dir="/dev/shm")
            try:
                took = run(kind, args, root)
            finally:
                if args.keep_logs:
                    shutil.copy(f"{root}/{kind}.log", args.keep_logs)
                shutil.rmtree(root)
            results[kind].append(took)
            print(json.dumps({"contestant": kind, "bootstrap": args.bootstrap, **took,
                              "load": round(os.getloadavg()[0], 2)}), flush=True)
    print("\n| contestant | runs | from start, s | from listening, s | never |\n|---|---|---|---|---|")
    for kind, all_ in results.items():
        never = sum(took["from_start_s"] is None for took in all_)
        columns = [spread([took[name] for took in all_]) for name in ("from_start_s", "from_listening_s")]
        print(f"| {kind} | {len(all_)} | {columns[0]} | {columns[1]} | {never} |")


def spread(values):
    there = sorted(value for value in values if value is not None)
    if not there:
        return ""
    return f"**{statistics.median(there):.3f}** ({there[0]:.3f} to {there[-1]:.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shoal")
    parser.add_argument("--rqbit")
    parser.add_argument("--only", default="shoal,libtorrent,rqbit", help="of those that are named or there")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--bootstrap", type=int, default=3, help="nodes that a contestant is told")
    parser.add_argument("--bytes", type=int, default=4 << 20)
    parser.add_argument("--keep-logs", metavar="FOLDER", help="of the last run of each")
    parser.add_argument("--leech", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.leech:
        leech(args.leech[0], args.leech[1], args.leech[2:])
    elif os.environ.get(INSIDE):
        measure(args)
    else:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-W", "ignore", *sys.argv])


main()
