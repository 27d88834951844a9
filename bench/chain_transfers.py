#!/usr/bin/env python3
"""The embedded chain: token transfers a second through its HTTP API, and how soon it is there.

Each transfer is a signed transaction of its own and is answered when it is in a block on the disk. Also: how
often the disk was made to write (fdatasync and fsync, by strace, in a run of its own since that slows it), and the
time from the start of the program until it listens, for a new chain and for the one that all the transfers made.

    cargo build --release -p shoal && cargo build --release -p shoal-devchain --example http_transfers
    bench/chain_transfers.py target/release
"""
import argparse, json, os, shutil, statistics, subprocess, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
CLK = os.sysconf("SC_CLK_TCK")


class Chain:
    def __init__(self, folder, data, trace=None):
        command = [os.path.join(folder, "shoal"), "--json", "chain", "run", "--listen", "127.0.0.1:0", "--data", data]
        if trace:
            command = ["strace", "-f", "-c", "-e", "trace=fdatasync,fsync", "-o", trace] + command
        began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.told = json.loads(self.process.stdout.readline())
        self.start_ms = (time.perf_counter() - began) * 1000
        self.address = self.told["url"].removeprefix("http://")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / CLK

    def stop(self, traced=False):
        pid = self.process.pid
        if traced:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                pid = int(file.read().split()[0])
        os.kill(pid, 15)
        assert self.process.wait(60) == 0, "the chain did not stop in order"


def load(folder, chain, transfers, connections):
    program = os.path.join(folder, "examples/http_transfers")
    output = subprocess.run([program, chain.address, str(transfers), str(connections)],
                            check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", help="where cargo built to, as in target/release")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--transfers", type=int, default=20_000)
    options.add_argument("--connections", default="1,64", help="how many at once, in turn")
    options.add_argument("--place", default=os.path.join(HERE, ".run"), help="a folder on the disk to measure")
    args = options.parse_args()
    os.makedirs(args.place, exist_ok=True)
    place = tempfile.mkdtemp(prefix="chain-", dir=args.place)
    try:
        starts_new, starts_old = [], []
        for connections in map(int, args.connections.split(",")):
            rates, p50, p99, cpu = [], [], [], []
            transfers = args.transfers if connections > 1 else max(args.transfers // 10, 1)
            for run in range(args.runs):
                data = os.path.join(place, f"{connections}-{run}")
                chain = Chain(args.folder, data)
                starts_new.append(chain.start_ms)
                said = load(args.folder, chain, transfers, connections)
                cpu.append(chain.cpu_seconds())
                rates.append(said["per_second"]); p50.append(said["p50_us"]); p99.append(said["p99_us"])
                chain.stop()
                chain = Chain(args.folder, data)
                starts_old.append(chain.start_ms)
                chain.stop()
                print(f"  {connections} at once: {said['per_second']:.0f}/s, {said['blocks']} blocks, "
                      f"p50 {said['p50_us']} us, p99 {said['p99_us']} us", flush=True)
                shutil.rmtree(data)
            median = statistics.median
            print(f"{connections} at once: {median(rates):.0f} transfers/s ({min(rates):.0f}–{max(rates):.0f}), "
                  f"p50 {median(p50) / 1000:.2f} ms, p99 {median(p99) / 1000:.2f} ms, "
                  f"{median(cpu):.2f} s of CPU for {transfers}")
        trace = os.path.join(place, "syncs")
        chain = Chain(args.folder, os.path.join(place, "traced"), trace)
        said = load(args.folder, chain, args.transfers, 64)
        chain.stop(traced=True)
        # Columns of strace: share, seconds, microseconds a call, calls, errors if any, name.
        with open(trace) as file:
            rows = [line.split() for line in file if line.rstrip().endswith(("fsync", "fdatasync"))]
        calls = sum(int(row[3]) for row in rows)
        print(f"syncs: {calls} from the start to the end, for {said['blocks_in_all']} blocks, {said['blocks']} of them of "
              f"{said['transfers']} transfers")
        print(f"start: new chain {statistics.median(starts_new):.0f} ms (at most {max(starts_new):.0f}), "
              f"existing {statistics.median(starts_old):.0f} ms (at most {max(starts_old):.0f})")
    finally:
        shutil.rmtree(place)


main()
