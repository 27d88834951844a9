"""Nodes of libtorrent's DHT, driven by the interop harness and by bench/.

usage: dht_libtorrent.py ADDRESS:PORT [--nodes N] [--node ADDRESS:PORT]...

Starts N nodes (one without --nodes) at ADDRESS and those that follow it, knowing each other and every
--node. {"event": "listening", "addr": …} says that the first is open, {"event": "ready"} that each knows
another node (or was told of none). Then it reads commands, one a line, bytes in hexadecimal, and obeys
with the first node:

    announce HASH PORT               {"event": "announced", "hash": HASH}
    peers HASH                       {"event": "peers", "hash": HASH, "peers": ["ADDRESS:PORT", …]}
    put VALUE                        {"event": "stored", "target": TARGET}
    sign SEED PUBLIC SALT VALUE      the same; SALT is - for none; the sequence number is the next one
    get TARGET                       {"event": "value", "target": TARGET, "value": VALUE or null}
    find PUBLIC SALT                 {"event": "value", "target": TARGET, "value": VALUE or null, "seq": N}

Runs until its standard input closes.
"""

import argparse
import hashlib
import ipaddress
import json
import os
import queue
import sys
import threading
import time

import libtorrent as lt


def emit(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


# A laboratory is one network with private addresses, all of whose nodes are near.
LABORATORY = {
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_prefer_verified_node_ids": False,
    "dht_enforce_node_id": False,
    "dht_ignore_dark_internet": False,
    # No limits that a comparison would measure instead of the program.
    "dht_upload_rate_limit": 500_000_000,
    "dht_block_ratelimit": 100_000_000,
    "dht_block_timeout": 1,
}


def settings(listen):
    category = lt.alert.category_t
    return {
        "listen_interfaces": listen,
        "alert_mask": int(category.status_notification | category.dht_notification
            | category.dht_operation_notification | category.error_notification),
        "alert_queue_size": 100000,
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        **LABORATORY,
    }


class Nodes:
    def __init__(self, first, count, known):
        host, port = first.rsplit(":", 1)
        self.port = int(port)
        base = ipaddress.ip_address(host)
        self.hosts = [str(base + i) for i in range(count)]
        self.sessions = [lt.session(settings(f"{host}:{port}")) for host in self.hosts]
        self.first = self.sessions[0]
        self.known = known
        self.counters, self.asked = {}, 0
        self.alerts = queue.SimpleQueue()
        self.wants = 8 if count > 8 else 1 if count > 1 or known else 0
        self.rounds = 0

    def pump(self):
        """Takes what the first session says until something is of interest."""
        self.first.wait_for_alert(50)
        now = time.monotonic()
        for alert in self.first.pop_alerts():
            if isinstance(alert, lt.session_stats_alert):
                self.counters = alert.values
            else:
                self.alerts.put(alert)
        if now - self.asked > 0.05:
            self.asked = now
            self.first.post_session_stats()
        while not self.alerts.empty():
            yield self.alerts.get()

    def listening(self):
        while True:
            for alert in self.pump():
                if isinstance(alert, lt.listen_succeeded_alert) and "uTP" in alert.message():
                    emit("listening", addr=f"{self.hosts[0]}:{self.port}")
                    return

    def introduce(self):
        """libtorrent finds few nodes by itself in a network this small: a few are named to each."""
        self.rounds += 1
        for i, session in enumerate(self.sessions):
            for address in self.known:
                session.add_dht_node(address)
            for step in (1, 2, 3, 5, 8, 13, 21, 34)[: 2 + 2 * self.rounds]:
                if step < len(self.hosts):
                    session.add_dht_node((self.hosts[(i + step) % len(self.hosts)], self.port))

    def ready(self):
        self.introduce()
        turns = 0
        while min(self.table_sizes()) < self.wants:
            for _ in self.pump():
                pass
            turns += 1
            if turns % 20 == 0:
                self.introduce()
        emit("ready", nodes=self.table_sizes())

    def table_sizes(self):
        if len(self.sessions) == 1:
            return [self.counters.get("dht.dht_nodes", 0)]
        return [session.status().dht_nodes for session in self.sessions]

    def answer(self, line):
        do, *words = line.split()
        getattr(self, "do_" + do)(*words)

    def wait_for(self, kind, accept=lambda alert: True):
        while True:
            for alert in self.pump():
                if isinstance(alert, kind) and accept(alert):
                    return alert

    def do_announce(self, info_hash, port):
        before = self.counters.get("dht.dht_announce_peer_out", 0)
        self.first.dht_announce(lt.sha1_hash(bytes.fromhex(info_hash)), int(port), 0)
        while self.counters.get("dht.dht_announce_peer_out", 0) == before:
            for _ in self.pump():
                pass
        emit("announced", hash=info_hash)

    def do_peers(self, info_hash):
        wanted = lt.sha1_hash(bytes.fromhex(info_hash))
        self.first.dht_get_peers(wanted)
        found = self.wait_for(lt.dht_get_peers_reply_alert, lambda alert: alert.info_hash == wanted)
        emit("peers", hash=info_hash, peers=[f"{host}:{port}" for host, port in found.peers()])

    def do_put(self, value):
        target = self.first.dht_put_immutable_item(bytes.fromhex(value))
        self.wait_for(lt.dht_put_alert, lambda alert: alert.num_success > 0)
        emit("stored", target=str(target))

    def do_sign(self, seed, public, salt, value):
        secret = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
        secret[0] &= 248
        secret[31] = secret[31] & 63 | 64
        public, salt = bytes.fromhex(public), of(salt)
        self.first.dht_put_mutable_item(bytes(secret), public, bytes.fromhex(value), salt)
        self.wait_for(lt.dht_put_alert, lambda alert: alert.num_success > 0)
        emit("stored", target=hashlib.sha1(public + salt).hexdigest())

    def do_get(self, target):
        wanted = lt.sha1_hash(bytes.fromhex(target))
        self.first.dht_get_immutable_item(wanted)
        found = self.wait_for(lt.dht_immutable_item_alert, lambda alert: alert.target == wanted)
        emit("value", target=target, value=text(found.item))

    def do_find(self, public, salt):
        public, salt = bytes.fromhex(public), of(salt)
        self.first.dht_get_mutable_item(public, salt)
        found = self.wait_for(
            lt.dht_mutable_item_alert, lambda alert: bytes(alert.salt) == salt and (alert.authoritative or text(alert.item))
        )
        target = hashlib.sha1(public + salt).hexdigest()
        emit("value", target=target, value=text(found.item), seq=found.seq)


def of(salt):
    return b"" if salt == "-" else bytes.fromhex(salt)


def text(item):
    value = item.get("value") if isinstance(item, dict) else item
    return value.hex() if isinstance(value, bytes) and value else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("listen")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--node", action="append", default=[])
    args = parser.parse_args()
    known = [(host, int(port)) for host, port in (node.rsplit(":", 1) for node in args.node)]
    nodes = Nodes(args.listen, args.nodes, known)
    lines = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    nodes.listening()
    nodes.ready()
    while True:
        nodes.answer(lines.get())


if __name__ == "__main__":
    main()
