"""One libtorrent peer, driven by the interop harness.

Prints one JSON object a line: {"event": "listening" | "ready" | "done" | "created" | "alert", ...}.
Runs until its standard input closes.
"""

import argparse
import json
import os
import sys
import threading

import libtorrent as lt
from dht_libtorrent import LABORATORY


def emit(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def create(args):
    storage = lt.file_storage()
    lt.add_files(storage, args.data)
    flags = {
        "v1": lt.create_torrent.v1_only,
        "v2": lt.create_torrent.v2_only,
        "hybrid": 0,
    }[args.version]
    if args.padded:
        flags |= lt.create_torrent.canonical_files
    torrent = lt.create_torrent(storage, piece_size=args.piece_size, flags=flags)
    for tier, tracker in enumerate(args.tracker):
        torrent.add_tracker(tracker, tier)
    lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(args.data)))
    with open(args.torrent, "wb") as file:
        file.write(lt.bencode(torrent.generate()))
    inspect(args)


def inspect(args):
    """What libtorrent reads in a torrent file, whoever wrote it."""
    info = lt.torrent_info(args.torrent)
    files = info.files()
    emit(
        "created",
        info_hash=str(info.info_hashes().get_best() if args.version == "v2" else info.info_hashes().v1),
        name=info.name(),
        private=info.priv(),
        comment=info.comment(),
        piece_length=info.piece_length(),
        trackers=[entry.url for entry in info.trackers()],
        files=[
            [files.file_path(i), files.file_size(i)]
            for i in range(files.num_files())
            if not files.file_flags(i) & lt.file_storage.flag_pad_file
        ],
    )


def settings(args):
    category = lt.alert.category_t
    return {
        "listen_interfaces": args.listen,
        "alert_mask": int(
            category.status_notification
            | category.error_notification
            | category.storage_notification
            | category.tracker_notification
            | category.connect_notification
            | (category.peer_log_notification if args.peer_log else 0)
        ),
        "alert_queue_size": 100000,
        "enable_dht": bool(args.dht_node),
        **LABORATORY,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "in_enc_policy": 2,  # Plain only: what is proven is our plain protocol.
        "out_enc_policy": 2,
        # All peers of a test share 127.0.0.1, and a tracker may return ourselves: libtorrent
        # would ban that address, hence everybody.
        "allow_multiple_connections_per_ip": True,
        "seeding_outgoing_connections": bool(args.peer),
        "ssrf_mitigation": False,
        "min_reconnect_time": 1,
        "user_agent": "libtorrent-interop",
    }


def load(args):
    if not args.without_layers:
        return lt.torrent_info(args.torrent)
    # As after a magnet link: the hashes of the pieces have to come from peers.
    with open(args.torrent, "rb") as file:
        torrent = lt.bdecode(file.read())
    del torrent[b"piece layers"]
    return lt.torrent_info(torrent)


def run(args):
    session = lt.session(settings(args))
    if args.torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(args.torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = load(args)
    params.save_path = args.data
    flags = lt.torrent_flags
    params.flags |= flags.disable_lsd | flags.disable_pex
    if not args.dht_node:
        params.flags |= flags.disable_dht
    for node in args.dht_node:
        host, port = node.rsplit(":", 1)
        session.add_dht_node((host, int(port)))
    params.flags &= ~flags.auto_managed & ~flags.paused
    if args.no_discovery:
        params.trackers = []
        params.flags |= flags.override_trackers
    if args.down:
        params.download_limit = args.down
    if args.up:
        params.upload_limit = args.up
    handle = session.add_torrent(params)
    for peer in args.peer:
        host, port = peer.rsplit(":", 1)
        handle.connect_peer((host, int(port)))
    finished = done = False
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            kind = type(alert).__name__
            if kind == "listen_succeeded_alert" and "TCP" in alert.message():
                emit("listening", port=alert.port)
            elif kind == "torrent_finished_alert":
                # Every piece is hashed; blocks may still wait in memory.
                finished = True
                handle.flush_cache()
            elif kind == "cache_flushed_alert" and finished and not done:
                done = True
                emit("done")
            elif kind == "torrent_checked_alert":
                emit("ready")
            # Every block has several of the others.
            if kind != "peer_log_alert" or "HASH" in alert.message():
                emit("alert", kind=kind, message=alert.message())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["create", "inspect", "run"])
    parser.add_argument("torrent", help="a file, or for `run` a magnet link")
    parser.add_argument("--data")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--dht-node", action="append", default=[], help="a node of the DHT, which is off without")
    parser.add_argument("--tracker", action="append", default=[])
    parser.add_argument("--piece-size", type=int, default=0)
    parser.add_argument("--down", type=int, default=0, help="bytes per second")
    parser.add_argument("--up", type=int, default=0, help="bytes per second")
    parser.add_argument("--padded", action="store_true")
    parser.add_argument("--without-layers", action="store_true")
    parser.add_argument("--peer-log", action="store_true", help="messages about hashes")
    parser.add_argument("--version", choices=["v1", "v2", "hybrid"], default="v1")
    parser.add_argument("--no-discovery", action="store_true")
    args = parser.parse_args()
    if args.mode != "run":
        {"create": create, "inspect": inspect}[args.mode](args)
        return
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    run(args)


main()
