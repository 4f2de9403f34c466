# SPDX-License-Identifier: Apache-2.0
"""What systemd does for a service with a file descriptor store, see sd_pid_notify_with_fds(3) and sd_listen_fds(3)."""

import os
import socket
import sys
import threading

# Gets the descriptors of the store, and becomes the service.
LAUNCH = """
import fcntl, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
names, fds, _, _ = socket.recv_fds(s, 1 << 16, 250)
fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 300) for fd in fds]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(fds), 1000)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names.decode())
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServiceManager:
    def __init__(self, directory):
        self.store = {}  # descriptors by name
        self.told = []
        self.notify = self.bind(directory / "notify", socket.SOCK_DGRAM)
        self.launch = self.bind(directory / "launch", socket.SOCK_STREAM)
        self.launch.listen()
        for serve in (self.serve_notify, self.serve_launch):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def bind(path, kind):
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(str(path))
        path.chmod(0o777)
        return s

    @property
    def env(self):
        return {"NOTIFY_SOCKET": self.notify.getsockname()}

    @property
    def wrapper(self):
        return [sys.executable, "-c", LAUNCH, self.launch.getsockname()]

    def serve_notify(self):
        while True:
            message, fds, _, _ = socket.recv_fds(self.notify, 4096, 16)
            fields = dict(line.split("=", 1) for line in message.decode().splitlines())
            if "FDSTORE" in fields:
                self.store[fields["FDNAME"]] = fds[0]
            elif "FDSTOREREMOVE" in fields:
                fd = self.store.pop(fields["FDNAME"], None)
                if fd is not None:
                    os.close(fd)
            else:
                self.told.append(fields)

    def serve_launch(self):
        while True:
            connection, _ = self.launch.accept()
            # In no particular order.
            names = sorted(self.store, reverse=True)
            socket.send_fds(connection, [":".join(names).encode() or b" "], [self.store[name] for name in names])
            connection.close()
