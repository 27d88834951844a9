#!/usr/bin/env python3
"""How long does a swarm take to spread one torrent?

One seeder and N leechers, each in a network namespace of its own on one bridge, everybody's upload
limited by the program's own setting. Nobody can be done before the seeder has sent every byte once
(payload / limit), nor before all of them together have sent it N times; the larger of the two is the
ideal. Prints, for each plan and run, when each leecher was done, and the ratio of the last to the ideal.

Usage: swarm.py SHOAL [--plan PLAN]... [--runs N] [--python VENV_PYTHON]

A plan names the seeder and the leechers: s is shoal, l is libtorrent, f is a shoal that gives nothing.
  s:ssssssssss   all shoal        l:llllllllll   all libtorrent        s:slslslslsl   half and half
"""
import argparse, hashlib, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time

MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
LT_PEER = os.path.join(HERE, "../test/interop/peers/lt_peer.py")


def ip(*words, check=True):
    subprocess.run(["ip", *words], check=check, stderr=None if check else subprocess.DEVNULL)


class Net:
    """Namespaces `PREFIX0`.. at 10.77.0.1.. on a bridge in a namespace of its own."""

    def __init__(self, count):
        self.prefix = f"swarm{os.getpid()}-"
        self.names = [f"{self.prefix}{i}" for i in range(count)]
        hub = f"{self.prefix}hub"
        self.all = [hub, *self.names]
        ip("netns", "add", hub)
        ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", hub, "link", "set", "bridge", "up")
        for i, name in enumerate(self.names):
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{i}", "netns", hub)
            ip("-n", hub, "link", "set", f"port{i}", "master", "bridge", "up")
            ip("-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def close(self):
        for name in self.all:
            ip("netns", "del", name, check=False)


class Peer:
    """One process; `done` is set when its download is whole."""

    def __init__(self, net, i, kind, args, root, torrent, peers, data):
        self.ready, self.done, self.kind, self.at, self.why = threading.Event(), threading.Event(), kind, None, None
        self.index, self.downloaded, self.verbose, self.began = i, 0, args.verbose, time.monotonic()
        listen = f"10.77.0.{i + 1}:6881"
        env = dict(os.environ, SHOAL_STATE_DIR=f"{root}/state{i}", PYTHONUNBUFFERED="1")
        folder = data or f"{root}/out{i}"
        os.makedirs(folder, exist_ok=True)
        named = [word for peer in peers for word in ("--peer", peer)]
        if kind == "l":
            words = [args.python, LT_PEER, "run", torrent, "--data", folder, "--listen", listen, "--no-discovery",
                     "--up", str(args.up * MIB), *named]
        else:
            up = "1" if kind == "f" else f"{args.up}M"
            verb = ["seed", torrent, "--data", folder] if data else ["get", torrent, "-o", folder, "--seed-time", "1h"]
            words = [args.shoal, *verb, "--listen", listen, "--no-discovery", "--up", up, "--json", *named]
        self.process = subprocess.Popen(["ip", "netns", "exec", net.names[i], *words], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(f"{root}/err{i}", "w"), text=True)
        self.seeds = bool(data)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "progress":
                self.downloaded = event["have_bytes"]
                if self.verbose:
                    rates = [f"{event[key] / MIB:5.1f}" for key in ("have_bytes", "down_rate", "up_rate")]
                    print(f"{time.monotonic() - self.began:5.1f} s  peer {self.index:2}  have, down, up MiB:", *rates, file=sys.stderr)
            if event["event"] in ("done", "complete") and not self.seeds:
                self.at = time.monotonic()
                self.done.set()
            if event["event"] in ("ready", "complete" if self.seeds else "listening"):
                self.ready.set()

    def cpu(self):
        """Of the program: `ip netns exec` becomes it."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.kill()
        self.process.wait()


def payload(folder, size, piece):
    """Random bytes, and their torrent file, made by nobody under test."""
    os.makedirs(f"{folder}/seed", exist_ok=True)
    digests = []
    with open(f"{folder}/seed/payload", "wb") as f:
        for _ in range(size // piece):
            data = os.urandom(piece)
            digests.append(hashlib.sha1(data).digest())
            f.write(data)
    digests = b"".join(digests)
    info = b"d6:lengthi%de4:name7:payload12:piece lengthi%de6:pieces%d:%se" % (size, piece, len(digests), digests)
    with open(f"{folder}/payload.torrent", "wb") as f:
        f.write(b"d4:info" + info + b"e")
    return f"{folder}/payload.torrent"


def run(args, root, torrent, plan):
    seeder, kinds = plan.split(":")
    net, peers = Net(1 + len(kinds)), []
    try:
        peers.append(Peer(net, 0, seeder, args, root, torrent, [], f"{root}/seed"))
        if not peers[0].ready.wait(60):
            sys.exit("the seeder is not ready")
        began = time.monotonic()
        for i, kind in enumerate(kinds, 1):
            known = [f"10.77.0.{j + 1}:6881" for j in range(i)]
            peers.append(Peer(net, i, kind, args, root, torrent, known, None))
        for peer in peers[1:]:
            if peer.kind != "f" and not peer.done.wait(args.timeout):
                sys.exit(f"{plan}: a leecher was not done after {args.timeout} s")
        times = [(peer.kind, round(peer.at - began, 2)) for peer in peers[1:] if peer.at]
        givers = 1 + sum(kind != "f" for kind in kinds)
        ideal = max(args.size / args.up, len(kinds) * args.size / (givers * args.up))
        last = max(time for _, time in times)
        result = {"plan": plan, "ideal": round(ideal, 2), "last": last, "ratio": round(last / ideal, 3),
                  "cpu": round(sum(peer.cpu() for peer in peers), 1)}
        for kind in sorted(set(kinds)):
            mine = sorted(time for other, time in times if other == kind)
            if mine:
                result[kind] = {"first": mine[0], "median": statistics.median(mine), "last": mine[-1]}
        if "f" in kinds:
            part = [peer.downloaded / (args.size * MIB) for peer in peers[1:] if peer.kind == "f"]
            result["free_riders_have"] = [round(share, 3) for share in part]
        print(json.dumps(result), flush=True)
    finally:
        for peer in peers:
            peer.stop()
        net.close()
        for i in range(len(kinds) + 1):
            shutil.rmtree(f"{root}/out{i}", ignore_errors=True)
            shutil.rmtree(f"{root}/state{i}", ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("--plan", action="append")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--size", type=int, default=256, help="MiB")
    parser.add_argument("--piece", type=int, default=1024, help="KiB")
    parser.add_argument("--up", type=int, default=20, help="MiB/s each")
    parser.add_argument("--timeout", type=int, default=180)
    parser.add_argument("--python", default=os.path.join(HERE, "../.local/venv/bin/python"))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    args.shoal = os.path.abspath(args.shoal)
    plans = args.plan or ["s:ssssssssss", "l:llllllllll", "s:slslslslsl", "l:slslslslsl"]
    where = "/dev/shm" if os.path.isdir("/dev/shm") else None
    root = tempfile.mkdtemp(prefix="shoal-swarm-", dir=where)
    try:
        torrent = payload(root, args.size * MIB, args.piece << 10)
        for _ in range(args.runs):
            for plan in plans:
                run(args, root, torrent, plan)
    finally:
        shutil.rmtree(root, ignore_errors=True)


main()
