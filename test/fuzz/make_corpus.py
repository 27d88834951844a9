#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets anew: torrent files of other people's programs, and what
their peers, trackers and DHT nodes really send. Needs libtorrent (PyPI), mktorrent, transmission-create and
opentracker (apt). Run by hand; the seeds are committed.

    make_corpus.py [FOLDER]     default: corpus/ beside this file
"""

import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import libtorrent as lt

CORPUS = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus")
TRACKER_PORT = 17969
SEED_PORT = 17970
DHT_PORT = 17971
METHODS = [b"ping", b"find_node", b"get_peers", b"announce_peer", b"get", b"put", b"sample_infohashes"]
PROTOCOL = b"\x13BitTorrent protocol"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def content(folder):
    """A folder with an empty file, odd sizes, a script, a link and names that are not ASCII."""
    root = folder / "sample"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "empty").write_bytes(b"")
    (root / "a.txt").write_bytes(b"a" * 1000)
    (root / "sub" / "b.bin").write_bytes(bytes(range(256)) * 200)
    (root / "sub" / "deep" / "grüße 世界.txt").write_bytes(b"x" * 20_000)
    script = root / "run.sh"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    (root / "link").symlink_to("a.txt")
    return root


def libtorrent_file(path, piece_bytes, flags, private=False):
    create = lt.create_torrent(lt.list_files(str(path), flags=flags), piece_bytes, flags)
    create.set_creator("libtorrent")
    create.set_comment("made for tests")
    create.add_tracker("http://tracker.test/announce", 0)
    create.add_tracker("udp://tracker.test:6969", 1)
    create.add_url_seed("http://seed.test/")
    create.set_priv(private)
    lt.set_piece_hashes(create, str(path.parent))
    return create.generate()


def metainfo(folder):
    root = content(folder)
    flags = lt.create_torrent
    kinds = {
        "libtorrent_v1_multi": (root, flags.v1_only, False),
        "libtorrent_v1_padding": (root, flags.v1_only | flags.canonical_files, False),
        "libtorrent_v1_links": (root, flags.v1_only | flags.symlinks, True),
        "libtorrent_hybrid": (root, flags.symlinks, False),
        "libtorrent_hybrid_single": (root / "sub" / "b.bin", 0, False),
        "libtorrent_hybrid_tight": (root, flags.symlinks | flags.canonical_files_no_tail_padding, False),
        "libtorrent_v2": (root, flags.v2_only, False),
        "libtorrent_v2_links": (root, flags.v2_only | flags.symlinks, False),
        "libtorrent_v2_single": (root / "sub" / "b.bin", flags.v2_only, False),
        "libtorrent_v1_single": (root / "sub" / "b.bin", flags.v1_only, False),
    }
    for name, (path, flag, private) in kinds.items():
        put("metainfo", name, lt.bencode(libtorrent_file(path, 16384, flag, private)))
    out = folder / "out.torrent"
    subprocess.run(
        ["mktorrent", "-l", "15", "-p", "-s", "SRC", "-a", "http://a.test/announce,http://b.test/a",
         "-a", "udp://c.test:1", "-c", "note", "-w", "http://seed.test/", "-o", out, root],
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if out.exists():
        put("metainfo", "mktorrent_multi", out.read_bytes())
        out.unlink()
    subprocess.run(["transmission-create", "-p", "-o", out, "-t", "http://a.test/announce", root],
                   check=True, stdout=subprocess.DEVNULL)
    put("metainfo", "transmission_multi", out.read_bytes())
    put("metainfo", "unsorted",
        b"d4:infod4:name1:n12:piece lengthi16384e6:lengthi5e6:pieces20:" + b"a" * 20
        + b"e8:announce8:http://xe")
    put("metainfo", "mended",
        b"d4:infod5:filesld6:lengthi1e4:pathl2:\xffa1:beed6:lengthi2e4:pathl2:\xfea1:beed"
        b"4:attr2:xh6:lengthi3e4:pathl3:a\x01beed4:attr1:p6:lengthi4e4:pathl4:.pad1:4eee"
        b"4:name2:\xff\xfe10:name.utf-84:name12:piece lengthi16384e6:pieces20:" + b"a" * 20
        + b"7:privatei1e6:source3:SRCee")
    for name in ("libtorrent_v1_links", "libtorrent_hybrid", "unsorted"):
        shutil.copy(CORPUS / "metainfo" / name, CORPUS / "bencode" / name)
    return root


def bencode():
    for name, data in {
        "int": b"i-42e", "zero": b"i0e", "max": b"i9223372036854775807e", "string": b"4:spam",
        "list": b"l4:spami1eli2eee", "dict": b"d3:bar4:spam3:fooi42e4:listld1:xleeee",
        "ut_metadata": b"d8:msg_typei1e5:piecei0e10:total_sizei34eed4:name1:xe",
    }.items():
        put("bencode", name, data)


def peer(folder, root):
    """What libtorrent says to a leech that asks for one block, framed as it came."""
    path = root / "a.txt"
    info = lt.torrent_info(libtorrent_file(path, 16384, lt.create_torrent.v1_only))
    session = lt.session({"listen_interfaces": f"127.0.0.1:{SEED_PORT}", "enable_dht": False,
                          "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
                          "in_enc_policy": 1, "out_enc_policy": 2})
    session.add_torrent({"ti": info, "save_path": str(path.parent), "flags": lt.torrent_flags.seed_mode})
    time.sleep(1)
    for name, reserved in {"seed_fast_extended": b"\0\0\0\0\0\x10\0\x05", "seed_plain": bytes(8)}.items():
        sock = socket.create_connection(("127.0.0.1", SEED_PORT), timeout=5)
        sock.sendall(PROTOCOL + reserved + info.info_hash().to_bytes() + b"-XX0001-abcdefghijkl")
        sock.sendall(b"\0\0\0\x01\x02" + struct.pack(">IBIII", 13, 6, 0, 0, 1000))
        sock.settimeout(2)
        got = b""
        try:
            while chunk := sock.recv(65536):
                got += chunk
        except TimeoutError:
            pass
        assert got.startswith(PROTOCOL), got[:40]
        put("peer_messages", name, got)
    frames = [b"", b"\0", b"\x01", b"\x02", b"\x03", b"\x04\0\0\0\x01", b"\x05\xff\xe0",
              b"\x06" + struct.pack(">III", 1, 2, 3), b"\x07" + struct.pack(">II", 1, 2) + b"abc",
              b"\x08" + struct.pack(">III", 1, 2, 3), b"\x09\x1a\xe1", b"\x0d\0\0\0\x07", b"\x0e",
              b"\x0f", b"\x10" + struct.pack(">III", 1, 2, 3), b"\x11\0\0\0\x07", b"\x14\x01de",
              b"\x18xyz",
              b"\x14\0d1:md6:ut_pexi1e11:ut_metadatai2ee13:metadata_sizei99e1:pi6881e4:reqqi250e"
              b"11:upload_onlyi1e1:v5:x/1.06:yourip16:" + bytes(15) + b"\x01e"]
    put("peer_messages", "each_message",
        b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))


def peer_v2(folder, root):
    """What libtorrent says to a leech that asks for hashes: leaves with proof, pieces, and of no file."""
    path = root / "sub" / "b.bin"
    torrent = libtorrent_file(path, 32768, lt.create_torrent.v2_only)
    info = lt.torrent_info(torrent)
    tree = torrent[b"info"][b"file tree"][path.name.encode()][b""]
    session = lt.session({"listen_interfaces": f"127.0.0.1:{SEED_PORT + 1}", "enable_dht": False,
                          "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
                          "in_enc_policy": 1, "out_enc_policy": 2})
    session.add_torrent({"ti": info, "save_path": str(path.parent)})
    time.sleep(1)
    sock = socket.create_connection(("127.0.0.1", SEED_PORT + 1), timeout=5)
    name = info.info_hashes().v2.to_bytes()[:20]
    sock.sendall(PROTOCOL + b"\0\0\0\0\0\x10\0\x15" + name + b"-XX0001-abcdefghijkl")
    asked = [(tree[b"pieces root"], 0, 0, 2, 1), (tree[b"pieces root"], 1, 0, 2, 1), (b"x" * 32, 0, 0, 2, 0)]
    for request in asked:
        sock.sendall(struct.pack(">IB32sIIII", 49, 21, *request))
    sock.settimeout(2)
    got = b""
    try:
        while chunk := sock.recv(65536):
            got += chunk
    except TimeoutError:
        pass
    put("peer_messages", "seed_v2_hashes", got)
    put("peer_messages", "hash_messages", b"".join(
        struct.pack(">IB32sIIII", 49 + len(hashes), kind, b"r" * 32, 1, 512, 2, 3) + hashes
        for kind, hashes in ((21, b""), (22, b"h" * 64), (23, b""))))


def piece_layers():
    """Inputs that mean something to the target: kind, number of files, files, damage."""
    files = bytes([3, 1, 5, 0, 0, 2, 9, 2, 0, 0, 0, 1, 7, 0, 5, 4, 1, 1, 1, 0])
    for kind in range(8):
        put("piece_layers", f"files_{kind}", bytes([kind, 5]) + files)
    put("piece_layers", "single", bytes([8, 1, 9, 1, 1, 0]))
    put("piece_layers", "single_hybrid", bytes([9, 1, 9, 1, 1, 0]))
    put("piece_layers", "damaged", bytes([1, 5]) + files + bytes([1, 0, 0, 7, 2, 9, 1, 3, 0, 50, 2, 0, 1, 1, 3, 48]))


def tracker(folder):
    (folder / "wl.txt").write_text("".join((letter * 20).hex() + "\n" for letter in (b"a", b"b")))
    folder.chmod(0o755)
    server = subprocess.Popen(
        ["opentracker", "-i", "127.0.0.1", "-p", str(TRACKER_PORT), "-P", str(TRACKER_PORT),
         "-d", folder, "-u", "nobody", "-w", "wl.txt"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        tracker_http()
        tracker_udp()
    finally:
        server.terminate()
        server.wait()


def tracker_http():
    def get(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{TRACKER_PORT}{path}", timeout=3) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            return error.read()

    for number, letter in enumerate("bab"):
        body = get(f"/announce?info_hash={letter * 20}&peer_id=-XX0001-{str(number) * 12}"
                   f"&port={7000 + number}&uploaded=0&downloaded=0&left={number}&compact=1&event=started")
        put("tracker_http", f"opentracker_announce_{number}", body)
    put("tracker_http", "opentracker_scrape", get(f"/scrape?info_hash={'b' * 20}&info_hash={'a' * 20}"))
    put("tracker_http", "opentracker_refusal", get(f"/announce?info_hash={'c' * 20}&port=1"))
    put("tracker_http", "html", get("/announce?info_hash=short"))
    put("tracker_http", "everything",
        b"d8:completei5e10:downloadedi7e11:external ip4:\x01\x02\x03\x0410:incompletei3e8:intervali"
        b"1800e12:min intervali60e5:peersld2:ip9:127.0.0.14:porti1eed2:ip3:::14:porti2eee6:peers618:"
        + bytes(15) + b"\x01\0\x5010:tracker id3:abc15:warning message7:be nicee")
    put("tracker_http", "retry_in", b"d14:failure reason4:busy8:retry ini5ee")
    put("tracker_http", "retry_never", b"d14:failure reason4:gone8:retry in5:nevere")
    put("tracker_http", "url", b"http://tracker.test:80/x/announce?passkey=0123#f")


def tracker_udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(2)
    sock.connect(("127.0.0.1", TRACKER_PORT))

    def ask(name, datagram):
        sock.send(datagram)
        reply = sock.recv(2048)
        put("tracker_udp", name, b"\0" + reply)
        return reply

    connection = ask("opentracker_connect", struct.pack(">QII", 0x41727101980, 0, 0x1234))[8:16]
    ask("opentracker_announce",
        connection + struct.pack(">II", 1, 5) + b"b" * 20 + b"-XX0001-dddddddddddd"
        + struct.pack(">QQQIIIiH", 0, 5, 0, 2, 0, 99, -1, 7009))
    ask("opentracker_scrape", connection + struct.pack(">II", 2, 6) + b"b" * 20 + b"a" * 20)
    put("tracker_udp", "announce_v6",
        b"\x01" + struct.pack(">IIIII", 1, 7, 1800, 2, 3) + bytes(15) + b"\x01\0\x50"
        + bytes(10) + b"\xff\xff\x0a\0\0\x01\x1a\xe1")
    put("tracker_udp", "error", b"\0" + struct.pack(">II", 3, 7) + b"connection id mismatch")
    put("tracker_udp", "url", b"udp://tracker.test:80/announce?k=v#f")


def bencode_bytes(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l%se" % b"".join(map(bencode_bytes, value))
    pairs = sorted(value.items())
    return b"d%se" % b"".join(bencode_bytes(k) + bencode_bytes(v) for k, v in pairs)


def krpc():
    """A socket that plays a node: what libtorrent asks it, and what it answers."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    session = lt.session({
        "listen_interfaces": f"127.0.0.1:{DHT_PORT}", "enable_dht": True, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, "dht_bootstrap_nodes": "",
        "dht_restrict_routing_ips": False, "dht_ignore_dark_internet": False,
        "dht_prefer_verified_node_ids": False, "dht_block_ratelimit": 1000,
    })
    time.sleep(1)
    session.add_dht_node(("127.0.0.1", sock.getsockname()[1]))
    own, target = b"\x55" * 20, b"\x54" * 20
    sock.settimeout(0.2)

    def serve(seconds):
        """Answers its queries, and keeps one of each kind."""
        end = time.time() + seconds
        while time.time() < end:
            try:
                query, peer = sock.recvfrom(4096)
            except TimeoutError:
                continue
            if b"1:y1:q" not in query:
                continue
            method = query.split(b"1:q", 1)[1].split(b":", 1)[1]
            method = next(m for m in METHODS if method.startswith(m))
            put("krpc", "libtorrent_" + method.decode(), query)
            transaction = lt.bdecode(query)[b"t"]
            reply = {b"id": own, b"nodes": b"", b"token": b"tokn"}
            if method == b"get_peers":
                reply[b"values"] = [b"\x7f\0\0\1\x1a\xe1"]
            sock.sendto(bencode_bytes({b"t": transaction, b"y": b"r", b"r": reply}), peer)

    def ask(method, arguments):
        query = {b"t": b"aa", b"y": b"q", b"q": method, b"a": {b"id": own, **arguments}}
        sock.sendto(bencode_bytes(query), ("127.0.0.1", DHT_PORT))
        end = time.time() + 3
        while time.time() < end:
            try:
                answer, _ = sock.recvfrom(4096)
            except TimeoutError:
                continue
            if b"1:y1:r" in answer or b"1:y1:e" in answer:
                put("krpc", "libtorrent_answer_" + method.decode(), answer)
                return lt.bdecode(answer).get(b"r", {})
        return {}

    serve(3)
    session.dht_get_peers(lt.sha1_hash(target))
    session.dht_announce(lt.sha1_hash(target), 7001, 0)
    session.dht_put_immutable_item("hello")
    session.dht_get_immutable_item(lt.sha1_hash(target))
    serve(5)
    ask(b"ping", {})
    ask(b"find_node", {b"target": target, b"want": [b"n4", b"n6"]})
    token = ask(b"get_peers", {b"info_hash": target}).get(b"token", b"")
    ask(b"announce_peer", {b"info_hash": target, b"port": 7001, b"token": token, b"seed": 1})
    ask(b"get_peers", {b"info_hash": target, b"scrape": 1})
    token = ask(b"get", {b"target": target}).get(b"token", b"")
    ask(b"put", {b"v": b"hello", b"token": token})
    ask(b"get", {b"target": bytes.fromhex("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"), b"seq": 1})
    ask(b"sample_infohashes", {b"target": target})
    ask(b"announce_peer", {b"info_hash": target, b"port": 7001, b"token": b"wrong"})


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bencode()
        root = metainfo(folder)
        peer(folder, root)
        peer_v2(folder, root)
        piece_layers()
        tracker(folder)
        krpc()
    for path in sorted(CORPUS.glob("*/*")):
        print(path.relative_to(CORPUS), path.stat().st_size)


main()
