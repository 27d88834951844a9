"""Torrent files by libtorrent and torf, for the test that compares ours with them.

    makers.py make TREES OUT    for each TREES/NAME/CONTENT: OUT/NAME.{v1,v2,hybrid,torf}
    makers.py read OUT          what libtorrent reads in each OUT/NAME.shoal-*

Prints one JSON object at the end: {"event": "made" | "read", "files": {…}}.
"""

import json
import os
import sys

import libtorrent as lt
import torf

PIECE_BYTES = 32768
FLAGS = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}


def read(path):
    """The names that libtorrent gives the torrent, or why it takes none."""
    try:
        hashes = lt.load_torrent_file(path).ti.info_hashes()
    except RuntimeError as error:
        return {"error": str(error)}
    return {
        "v1": str(hashes.v1) if hashes.has_v1() else None,
        "v2": str(hashes.v2) if hashes.has_v2() else None,
    }


def by_libtorrent(content, version, out):
    flags = FLAGS[version] | lt.create_torrent.symlinks
    files = lt.list_files(content, flags=flags)
    # It has them as the file system lists them. For version 2 it sorts by itself.
    files.sort(key=lambda file: file.filename.encode().split(b"/"))
    torrent = lt.create_torrent(files, PIECE_BYTES, flags)
    lt.set_piece_hashes(torrent, os.path.dirname(content))
    with open(out, "wb") as file:
        file.write(lt.bencode(torrent.generate()))
    return read(out)


def by_torf(content, out):
    try:
        torrent = torf.Torrent(path=content, piece_size=PIECE_BYTES, private=None)
        torrent.generate()
        torrent.write(out, overwrite=True)
    except (torf.TorfError, OSError) as error:
        return {"error": str(error)}
    return read(out)


def make(trees, out):
    made = {}
    for name in sorted(os.listdir(trees)):
        (content,) = os.listdir(os.path.join(trees, name))
        content = os.path.join(trees, name, content)
        for version in FLAGS:
            made[f"{name}.{version}"] = by_libtorrent(content, version, f"{out}/{name}.{version}")
        made[f"{name}.torf"] = by_torf(content, f"{out}/{name}.torf")
    return made


def main():
    if sys.argv[1] == "make":
        event, files = "made", make(*sys.argv[2:])
    else:
        (out,) = sys.argv[2:]
        names = [name for name in sorted(os.listdir(out)) if ".shoal-" in name]
        event, files = "read", {name: read(os.path.join(out, name)) for name in names}
    print(json.dumps({"event": event, "files": files}), flush=True)


main()
