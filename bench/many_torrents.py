#!/usr/bin/env python3
"""Does an event cost more when the process has more torrents?

Seeds one torrent of 256 MiB alone, and again beside 1,000 others, downloads it from there, and
prints what the seeder spent on that: CPU seconds, context switches, and the same for ten idle
seconds. Usage: many_torrents.py SHOAL [COUNT]
"""
import hashlib, json, os, random, shutil, subprocess, sys, tempfile, time

SHOAL = os.path.abspath(sys.argv[1])
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
CLK = os.sysconf("SC_CLK_TCK")


def torrent(folder, name, data, piece):
    digests = b"".join(hashlib.sha1(data[i:i + piece]).digest() for i in range(0, len(data), piece))
    info = b"d6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:%se" % (
        len(data), len(name), name.encode(), piece, len(digests), digests)
    with open(f"{folder}/{name}.torrent", "wb") as f:
        f.write(b"d4:info" + info + b"e")


def spent(pid):
    cpu = switches = 0
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / CLK
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as f:
            switches += sum(int(line.split()[1]) for line in f if "voluntary_ctxt" in line)
    return cpu, switches


def difference(pid, before):
    return [round(after - then, 2) for after, then in zip(spent(pid), before)]


def measure(root, torrents, count):
    env = dict(os.environ, SHOAL_STATE_DIR=f"{root}/state{count}")
    seed = subprocess.Popen([SHOAL, "seed", torrents, "--data", f"{root}/data", "--listen", "127.0.0.1:0",
                             "--no-discovery", "--json"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    addr, complete = None, 0
    for line in seed.stdout:
        event = json.loads(line)
        if event["event"] == "listening":
            addr = event["addr"]
        complete += event["event"] == "complete"
        if addr and complete == count:
            break
    idle = spent(seed.pid)
    time.sleep(10)
    idle = difference(seed.pid, idle)
    busy = spent(seed.pid)
    out = f"{root}/out{count}"
    subprocess.run([SHOAL, "get", f"{root}/big/big.torrent", "-o", out, "--listen", "127.0.0.1:0", "--peer", addr,
                    "--no-discovery", "--exit"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    busy = difference(seed.pid, busy)
    with open(f"/proc/{seed.pid}/status") as f:
        rss = next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS"))
    seed.kill()
    seed.wait()
    print(f"{count:5} torrents: 256 MiB sent for {busy[0]} CPU s and {busy[1]} context switches; "
          f"10 s idle for {idle[0]} CPU s and {idle[1]} switches; {rss} MiB resident", flush=True)


def main():
    root = tempfile.mkdtemp(prefix="shoal-many-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        for folder in ("data", "big", "all"):
            os.makedirs(f"{root}/{folder}")
        rng = random.Random(1)
        big = b"".join(rng.randbytes(1 << 20) for _ in range(256))
        with open(f"{root}/data/big", "wb") as f:
            f.write(big)
        torrent(f"{root}/big", "big", big, 1 << 20)
        shutil.copy(f"{root}/big/big.torrent", f"{root}/all/")
        for n in range(COUNT - 1):
            data = rng.randbytes(64 << 10)
            with open(f"{root}/data/small{n}", "wb") as f:
                f.write(data)
            torrent(f"{root}/all", f"small{n}", data, 16 << 10)
        measure(root, f"{root}/big", 1)
        measure(root, f"{root}/all", COUNT)
    finally:
        shutil.rmtree(root)


main()
