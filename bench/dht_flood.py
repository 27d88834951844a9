#!/usr/bin/env python3
"""One node of the DHT under a flood: how many queries does it answer for a second of CPU?

Queries of all kinds come at a constant rate from thousands of addresses (bench/dht_flood.c), some of them
malformed. The node knows a small network, so that its answers have nodes in them. It has one core and the
flood the other; its CPU time is what the kernel counts for the process. libtorrent's own limits (bytes a
second, queries an address) are lifted; it is driven from Python, which sleeps meanwhile. Contestants take
turns. Needs root, gcc, and the Python that test/setup/peers.sh makes:

    .local/venv/bin/python bench/dht_flood.py --shoal target/release/shoal
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time

import libtorrent as lt

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "../test/interop/peers")
sys.path.insert(0, PEERS)
from dht_libtorrent import LABORATORY  # noqa: E402

PORT, NODE, NETWORK, NETWORK_NODES = 6881, "10.60.0.10", "10.60.1.100", 20
INSIDE = "SHOAL_BENCH_OWN_NETWORK"
CLK = os.sysconf("SC_CLK_TCK")


def serve(known):
    """libtorrent's node, in a process of its own."""
    session = lt.session({
        "listen_interfaces": f"{NODE}:{PORT}", "alert_mask": 0, "enable_dht": True, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, **LABORATORY})
    while session.status().dht_nodes < 8:
        for node in known:
            session.add_dht_node((node.split(":")[0], PORT))
        time.sleep(0.5)
    print("listening on", NODE, flush=True)
    sys.stdin.read()


def command(kind, args, known):
    if kind == "libtorrent":
        return [sys.executable, "-W", "ignore", __file__, "--serve", *known]
    named = [word for node in known for word in ("--bootstrap", node)]
    return [args.shoal, "dht", "run", "--listen", f"{NODE}:{PORT}", *named]


def cpu_s(pid):
    """Of the program itself, and of the kernel for it."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) / CLK, int(fields[12]) / CLK


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def start(kind, args, known, root):
    env = dict(os.environ, HOME=root, SHOAL_STATE_DIR=f"{root}/state")
    process = subprocess.Popen(["taskset", "-c", "0", *command(kind, args, known)], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in process.stdout:
        if "listening on" in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            time.sleep(3)  # It gets to know the network.
            return process
    raise RuntimeError(f"{kind} did not start")


def run(kind, rate, args, known, root):
    node = start(kind, args, known, root)
    try:
        flood = subprocess.Popen(["taskset", "-c", "1", args.flood, NODE, str(PORT), str(rate), str(args.seconds),
                                  str(args.sources), str(args.malformed)], stdout=subprocess.PIPE, text=True)
        before, resident, seconds = cpu_s(node.pid), [resident_kib(node.pid)], []
        for line in flood.stdout:
            seconds.append(json.loads(line))
            resident.append(resident_kib(node.pid))
        flood.wait()
        user, system = (after - then for after, then in zip(cpu_s(node.pid), before))
    finally:
        node.kill()
        node.wait()
    kinds = [name for name in seconds[0] if name not in ("second", "others")]
    sent = {name: sum(second[name][0] for second in seconds) for name in kinds}
    answered = {name: sum(second[name][1] for second in seconds) for name in kinds}
    total = sum(answered.values())
    return {"contestant": kind, "rate": rate, "sent": sum(sent.values()), "answered": total,
            "user_s": round(user, 2), "system_s": round(system, 2), "answered_per_cpu_s": round(total / (user + system)),
            "answered_percent": {name: round(100 * answered[name] / sent[name]) for name in kinds if sent[name]},
            "other_replies": sum(second["others"] for second in seconds),
            "resident_kib": resident[:: max(1, len(resident) // 8)], "load": round(os.getloadavg()[0], 2)}


def measure(args):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for network in ("10.60.0.1/16", "10.70.0.1/16"):
        subprocess.run(["ip", "addr", "add", network, "dev", "lo"], check=True)
    root = tempfile.mkdtemp(prefix="shoal-flood-", dir="/dev/shm")
    args.flood = f"{root}/flood"
    subprocess.run(["gcc", "-O2", "-o", args.flood, f"{HERE}/dht_flood.c"], check=True)
    network = subprocess.Popen([sys.executable, "-W", "ignore", f"{PEERS}/dht_libtorrent.py", f"{NETWORK}:{PORT}",
                                "--nodes", str(NETWORK_NODES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    known = [f"10.60.1.{100 + i}:{PORT}" for i in range(NETWORK_NODES)]
    records = []
    try:
        while json.loads(network.stdout.readline())["event"] != "ready":
            pass
        kinds = [kind for kind in ("shoal", "libtorrent") if getattr(args, kind, "python") and kind in args.only]
        for rate in args.rate or [20_000, 60_000]:
            for turn in range(args.runs):
                for kind in kinds[turn % len(kinds):] + kinds[:turn % len(kinds)]:
                    state = tempfile.mkdtemp(dir=root)
                    records.append(run(kind, rate, args, known, state))
                    print(json.dumps(records[-1]), flush=True)
    finally:
        network.kill()
        shutil.rmtree(root)
    table(records)


def table(records):
    print("\n| queries a second | contestant | runs | answered | answered for a CPU second | resident, MiB |")
    print("|---|---|---|---|---|---|")
    for rate, kind in dict.fromkeys((record["rate"], record["contestant"]) for record in records):
        runs = [record for record in records if (record["rate"], record["contestant"]) == (rate, kind)]
        per_cpu = sorted(record["answered_per_cpu_s"] for record in runs)
        answered = statistics.median(100 * record["answered"] / record["sent"] for record in runs)
        first = statistics.median(record["resident_kib"][0] for record in runs) / 1024
        last = statistics.median(record["resident_kib"][-1] for record in runs) / 1024
        print(f"| {rate} | {kind} | {len(runs)} | {answered:.0f} % | **{statistics.median(per_cpu):,.0f}** "
              f"({per_cpu[0]:,} to {per_cpu[-1]:,}) | {first:.1f} to {last:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shoal")
    parser.add_argument("--only", default="shoal,libtorrent", help="of those that are named or there")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, action="append", help="datagrams a second; repeat for more")
    parser.add_argument("--sources", type=int, default=20_000, help="addresses they come from")
    parser.add_argument("--malformed", type=int, default=20, help="percent")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
    elif os.environ.get(INSIDE):
        measure(args)
    else:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-W", "ignore", *sys.argv])


main()
