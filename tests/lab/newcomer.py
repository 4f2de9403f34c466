# SPDX-License-Identifier: Apache-2.0
"""Stands in the way of a handover: newcomer.py RUN_DIR WAY

A process of the daemon's user that speaks as the new daemon does (src/control/handover_channel.h), up to a point; or that stands between
the two daemons and changes what is said. Prints what it sees, a JSON text per line.
"""

import array
import json
import os
import socket
import struct
import sys

MAGIC = b"ringwayh"
FDS_AT_ONCE = 64


class Channel:
    def __init__(self, sock):
        self.sock = sock

    def receive(self):
        """The document and its descriptors; ConnectionResetError when the other side is gone."""
        magic, length, n_fds = struct.unpack("=8sII", self.exactly(16))
        assert magic == MAGIC
        document, fds = json.loads(self.exactly(length)), array.array("i")
        while len(fds) < n_fds:
            byte, ancillary, _, _ = self.sock.recvmsg(1, socket.CMSG_SPACE(FDS_AT_ONCE * 4))
            for _, _, data in ancillary:
                fds.frombytes(data)
            if not byte:
                raise ConnectionResetError
        return document, list(fds)

    def exactly(self, length):
        data = b""
        while len(data) < length:
            piece = self.sock.recv(length - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def send(self, document, fds=()):
        text = json.dumps(document).encode()
        self.sock.sendall(struct.pack("=8sII", MAGIC, len(text), len(fds)) + text)
        for i in range(0, len(fds), FDS_AT_ONCE):
            some = array.array("i", fds[i:i + FDS_AT_ONCE])
            self.sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, some)])


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return Channel(sock)


def tell(what):
    print(json.dumps(what), flush=True)


def newcomer(daemon, way):
    """Ends, or falls silent until the daemon has had enough, when that has got so far."""
    hello = {"versions": [2, 99] if way == "version" else [1], "program": "9.9.9"}
    if way == "garbage":
        daemon.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    else:
        daemon.send(hello)
    answers = {"state": {"ready": True}, "places": {"taken": True}}
    for step in ("state", "places"):
        document, fds = daemon.receive()
        tell(document if "refused" in document else {step: len(fds)})
        if "refused" in document or way == f"dies after {step}":
            return
        if way == f"silent after {step}":
            daemon.exactly(1)
        if way == f"refuses after {step}":
            daemon.send({"refused": "not today"})
            return
        daemon.send(answers[step])


def add_keys(tree):
    """What a newer version might write as well. Configurations are the API's, and checked as such."""
    if isinstance(tree, dict):
        for key in tree.keys() - {"config", "file"}:
            add_keys(tree[key])
        tree["zz_newer"] = {"more": [1, 2, 3]}
    elif isinstance(tree, list):
        for value in tree:
            add_keys(value)


NEWER_KEYS = {"calls_inband", "n_calls", "speaks_inband"}


def drop_keys(tree):
    """What a program wrote that was before them, and of the same version."""
    if isinstance(tree, dict):
        for key in tree.keys() & NEWER_KEYS:
            del tree[key]
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        drop_keys(value)


def change(document, way):
    if way == "adds keys":
        names = set(document.get("ports", ()))
        add_keys(document)
        for name in set(document.get("ports", ())) - names:  # a port that nobody knows is no key
            del document["ports"][name]
    elif way == "lacks keys":
        drop_keys(document)
    elif way == "another version" and "version" in document:
        document["version"] = 2
    elif way == "other places" and "stopped_ns" in document:
        for port in document["ports"].values():
            for ring in port["device"]["rings"]:
                ring["running"] = not ring["running"]


def between(run_dir, way):
    """Takes the place of the daemon's socket, and lets one newcomer through."""
    path, real = f"{run_dir}/handover.sock", f"{run_dir}/real.sock"
    os.rename(path, real)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    tell("listening")
    new, old = Channel(listener.accept()[0]), connect(real)
    os.unlink(path)
    os.rename(real, path)
    for source, to in ((new, old), (old, new), (new, old), (old, new), (new, old)):
        document, fds = source.receive()
        change(document, way)
        to.send(document, fds)
        for fd in fds:
            os.close(fd)
        if "refused" in document:
            tell(document)
            return


if __name__ == "__main__":
    run_dir, way = sys.argv[1:]
    try:
        if way in ("adds keys", "lacks keys", "another version", "other places"):
            between(run_dir, way)
        else:
            newcomer(connect(f"{run_dir}/handover.sock"), way)
    except (ConnectionResetError, BrokenPipeError):
        tell("gone")
