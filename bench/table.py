#!/usr/bin/env python3
"""Markdown tables of the benchmark driver's records: median (least to most) for each client.

    bench/table.py [RESULTS.jsonl]      bench/.run/results.jsonl unless given
"""
import json
import pathlib
import statistics
import sys

# Cores that other processes may have used meanwhile; beyond, a run is left out.
OTHER_MAX = 0.25
# Runs of a client that must remain for that.
QUIET_MIN = 2

ROLES = {"leech": "Downloading", "seed": "Uploading"}
GIB = {"4g": 4, "1g": 1, "256m": 0.25}


def cell(values, digits):
    values = sorted(values)
    if not values:
        return "-"
    text = "**%.*f**" % (digits, statistics.median(values))
    if len(values) == 1:
        return text
    return "%s (%.*f to %.*f)" % (text, digits, values[0], digits, values[-1])


def quiet(records):
    kept = [record for record in records if (record.get("other") or 0) < OTHER_MAX]
    return kept if len(kept) >= QUIET_MIN else records


def rows(records, size):
    by_client = {}
    for record in records:
        by_client.setdefault(record["client"], []).append(record)
    for client, all_runs in by_client.items():
        runs = quiet(all_runs)

        def of(name, scale, runs=runs):
            return [run[name] * scale for run in runs if run.get(name) is not None]

        wall = of("xfer", 1)
        count = str(len(runs)) if len(runs) == len(all_runs) else "%d of %d" % (len(runs), len(all_runs))
        yield (statistics.median(wall) if wall else float("inf")), [
            client, count, cell(wall, 2), cell(of("cpu", 1 / GIB[size]), 2), cell(of("rss", 1 / 1024), 0)]


def main():
    default = pathlib.Path(__file__).parent / ".run" / "results.jsonl"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        sys.exit("cannot read %s: %s" % (path, error.strerror))
    groups, failed = {}, []
    for record in map(json.loads, filter(None, lines)):
        if record.get("test") in [role + "-failed" for role in ROLES]:
            failed.append(record)
        elif record.get("test") in ROLES and record.get("size") in GIB:
            keys = ("test", "size", "piece", "counter", "store", "utp", "fmt")
            groups.setdefault(tuple(record.get(key) for key in keys), []).append(record)
    for key in sorted(groups, key=str):
        role, size, piece, counter, store, utp, form = key
        title = [ROLES[role], "%s GiB" % GIB[size], "pieces of %s MiB" % piece, "counterpart %s" % counter,
                 "files in memory" if store == "shm" else "files on disk"]
        title += ["uTP"] * bool(utp) + [form] * (form not in (None, "v1"))
        print("\n### %s\n" % ", ".join(title))
        print("| client | runs | wall, s | CPU, s/GiB | resident, MiB |")
        print("|---|---|---|---|---|")
        for _, row in sorted(rows(groups[key], size), key=lambda pair: pair[0]):
            print("| %s |" % " | ".join(row))
    for record in failed:
        print("\n%s, %s, run %s: %s" % (
            record["test"], record["client"], record.get("run"), record.get("error", "no reason")))


main()
