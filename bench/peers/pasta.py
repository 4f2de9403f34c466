# SPDX-License-Identifier: Apache-2.0
"""pasta: a namespace reaches its host through pasta's sockets. The host is a namespace, too: nothing leaves the machine."""

from .peer import SWITCH_CORE, HostPeer, Unavailable, on_core, wait_for


class Pasta(HostPeer):
    name = "pasta"
    programs = ("pasta",)
    address = "10.78.0.1"  # the gateway stands for the host
    can_ping = False  # answered by pasta itself

    def start(self):
        self.client, self.server = self.lab.netns(), self.lab.netns()
        self.server.run("""
            ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up
            ip addr add 10.78.0.2/24 dev d0 && ip route add default via 10.78.0.1""")
        process = self.lab.process(
            on_core(SWITCH_CORE, "pasta", "--foreground", "--config-net", "-4", "--runas", "0", "--netns-only",
                    "--netns", f"/run/netns/{self.client.name}"), "pasta.log", netns=self.server.name)
        self.pids = [process.pid]
        wait_for(lambda: "10.78" in self.client.run("ip -br addr") or not process.running(), "pasta's address")
        if not process.running():
            raise Unavailable(process.log_tail(1))
