# SPDX-License-Identifier: Apache-2.0
"""The tool `ringway` against a running daemon, and without one."""

import json
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from lab.process import BUILD, TOP, eventually, lacking

VHOST = {"type": "vhost-user"}
CONFIG = {"networks": [{"name": "lan", "ports": [{"name": "vm1", "queues": 2, **VHOST}, {"name": "vm2", **VHOST}]}]}


@pytest.fixture
def daemon(lab):
    return lab.daemon(CONFIG)


def run(*argv, env=None):
    """Exit status, stdout, stderr of the tool alone."""
    done = subprocess.run([BUILD / "ringway", *map(str, argv)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def tool(daemon, *argv):
    return run("--run-dir", daemon.run_dir, *argv)


def human(daemon, *argv):
    status, out, err = tool(daemon, *argv)
    assert status == 0 and err == "", err
    return out


def failure(daemon, *argv):
    status, out, err = tool(daemon, *argv)
    assert status == 1 and out == ""
    return err


VERBS = ["status", "network list", "network show", "network add", "network del", "port list", "port show", "port add",
         "port del", "daemon handover", "fdb", "stats", "worker list", "worker rebalance", "worker stats", "qemu-args", "libvirt-xml", "config get", "config apply", "config check"]


# Without a daemon


def test_manual_has_every_verb():
    """ringway(1) has a heading for each verb of the usage text, and no other."""
    used = re.findall(r"^  ([a-z]\S*(?: [a-z]\S*)?)(?= )", run("--help")[1], re.M)
    text = (TOP / "man" / "ringway.1").read_text().replace("\\-", "-")
    headings = re.findall(r"^\.SS (.*)$", text, re.M)
    assert sorted(used) == sorted(VERBS)
    assert sorted(re.match("[a-z-]+( [a-z]+)?", h)[0] for h in headings) == sorted(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    status, out, err = run(*verb.split(), "--help")
    assert status == 0 and err == ""
    assert out.startswith(f"usage: ringway {verb}") and "--json" in out
    assert verb in run("--help")[1]


@pytest.mark.parametrize("argv", [
    [], ["nonsense"], ["port"], ["port", "nonsense"], ["port", "show"], ["port", "show", "a", "b"], ["status", "--no"],
    ["--no", "status"], ["stats", "--interval", "x", "--watch"], ["stats", "--count", "0"],
    ["qemu-args", "vm1", "--memory", "1G,x=y"],
])
def test_wrong_usage_is_2(argv):
    status, out, err = run("--run-dir", "/nonexistent", *argv)
    assert status == 2 and out == ""
    assert err


def test_daemon_that_is_not_there(tmp_path):
    status, out, err = run("--run-dir", tmp_path, "status")
    assert status == 1 and out == ""
    assert err == (f"ringway: no daemon answers on {tmp_path}/api.sock: No such file or directory\n"
                   f"Start it with 'ringwayd -c ringway.yaml --run-dir {tmp_path}'.\n")


def test_version():
    status, out, err = run("--version")
    assert (status, err) == (0, "")
    daemon = subprocess.run([BUILD / "ringwayd", "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert out.split() == ["ringway", daemon.stdout.split()[1]]


def test_socket_that_is_named(lab, tmp_path):
    """It is asked there, wherever the run directory is."""
    daemon = lab.daemon(CONFIG)
    socket = daemon.run_dir / "api.sock"
    assert json.loads(run("--api-socket", socket, "--run-dir", tmp_path, "--json", "status")[1])["api_socket"] == str(socket)
    status, out, err = run("status", "--api-socket", tmp_path / "none")
    assert status == 1 and out == ""
    assert err.startswith(f"ringway: no daemon answers on {tmp_path}/none: ") and "api.socket" in err


def test_socket_that_is_configured(lab):
    daemon = lab.daemon({"api": {"socket": "other.sock"}, **CONFIG}, start=False)
    process = lab.process([daemon.dir / "ringwayd", "-c", daemon.config_path, "--run-dir", daemon.run_dir], "other.log",
                          as_nobody=True)
    eventually(lambda: run("--api-socket", daemon.run_dir / "other.sock", "status")[0] == 0, timeout=10, what="it answers")
    assert run("--run-dir", daemon.run_dir, "status")[0] == 1
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


def test_daemon_that_died(lab):
    daemon = lab.daemon(CONFIG)
    daemon.kill()
    assert "Connection refused" in failure(daemon, "status")


def test_config_check(tmp_path):
    file = tmp_path / "ringway.yaml"
    file.write_text(json.dumps(CONFIG))
    assert run("config", "check", file) == (0, f"{file} is good: 1 networks, 2 ports.\n", "")
    file.write_text("poll: always\nnetworks:\n  - name: lan\n    ports:\n      - { name: a, type: tap, queues: 99 }\n")
    status, out, err = run("config", "check", file)
    assert (status, out) == (1, "")
    assert err == f"ringway: {file}:5: networks[0].ports[0].queues: is 99, allowed: 1..16\n"
    status, out, err = run("config", "check", "--json", file)
    assert status == 1
    assert json.loads(out) == {"valid": False, "file": str(file), "line": 5, "field": "networks[0].ports[0].queues",
                               "detail": "is 99, allowed: 1..16"}
    assert run("config", "check", tmp_path / "none")[0] == 1


# With one


@pytest.mark.parametrize("argv", [
    ["status"], ["network", "list"], ["network", "show", "lan"], ["port", "list"], ["port", "show", "vm1"], ["fdb"],
    ["stats"], ["stats", "vm1"], ["qemu-args", "vm1"], ["libvirt-xml", "vm1"], ["config", "get"],
])
def test_json_of_every_verb_that_reads(daemon, argv):
    daemon.cli(*argv)
    assert human(daemon, *argv)


def test_tables_line_up(daemon):
    lines = human(daemon, "port", "list").splitlines()
    assert lines[0].split() == ["PORT", "NETWORK", "TYPE", "QUEUES", "STATE"]
    column = lines[0].index("STATE")
    assert [line[column:].split()[0] for line in lines[1:]] == ["waiting", "waiting"]
    assert not any(line.endswith(" ") for line in lines)


def test_empty_lists_say_so(lab):
    daemon = lab.daemon({})
    assert human(daemon, "network", "list").startswith("There are no networks")
    assert human(daemon, "port", "list").startswith("There are no ports")
    assert human(daemon, "stats").startswith("There are no ports")
    assert human(daemon, "fdb").startswith("No addresses")
    assert failure(daemon, "port", "add", "x").startswith("ringway: there is no network")


def test_networks_come_and_go(daemon):
    assert human(daemon, "network", "add", "wide", "--mtu", "9000") == "Network wide was added.\n"
    assert [n["name"] for n in daemon.cli("network", "list")] == ["lan", "wide"]
    assert daemon.cli("network", "show", "wide")["mtu"] == 9000
    assert failure(daemon, "network", "add", "wide") == "ringway: name: a network called 'wide' exists already\n"
    assert failure(daemon, "network", "add", "x", "--mtu", "9") == "ringway: mtu: is 9, allowed: 68..65535\n"
    assert failure(daemon, "network", "add", "x", "--mtu", "big") == (
        "ringway: mtu: is the text \"big\", allowed: 68..65535\n")
    assert human(daemon, "network", "del", "wide") == "Network wide was deleted.\n"
    assert failure(daemon, "network", "del", "wide") == "ringway: there is no network called 'wide'\n"


def test_ports_come_and_go(daemon):
    out = human(daemon, "port", "add", "vm3", "--queues=4", "--socket-mode", "0660")
    assert out.startswith("Port vm3 was added to network lan: waiting")
    port = daemon.port("vm3")
    assert (port["queues"], port["socket_mode"], port["type"]) == (4, "0660", "vhost-user")
    assert daemon.socket("vm3").stat().st_mode & 0o777 == 0o660
    assert "a port called 'vm3' exists already" in failure(daemon, "port", "add", "vm3")
    assert human(daemon, "port", "del", "vm3") == "Port vm3 was deleted.\n"
    assert failure(daemon, "port", "show", "vm3") == "ringway: there is no port called 'vm3'\n"
    human(daemon, "network", "add", "second")
    assert "say which with --network" in failure(daemon, "port", "add", "vm3")
    assert daemon.cli("port", "add", "vm3", "--network", "second")["network"] == "second"
    assert [p["name"] for p in daemon.cli("port", "list", "--network", "second")] == ["vm3"]


def test_stats_of_one_port(daemon):
    stats = daemon.counters("vm1")
    assert stats["name"] == "vm1" and stats["rx"]["frames"] == stats["tx"]["frames"] == 0
    assert "Nothing was dropped." in human(daemon, "stats", "vm1")


def test_watch(daemon):
    lines = human(daemon, "stats", "--watch", "--interval", "0.1", "--count", "2", "--json").splitlines()
    assert len(lines) == 2
    first, second = map(json.loads, lines)
    assert second["time_ns"] > first["time_ns"]
    assert "bit/s" in human(daemon, "stats", "vm1", "--watch", "--interval", "0.1", "--count", "1")


def test_config_get_is_what_check_and_apply_take(daemon, tmp_path):
    file = tmp_path / "now.yaml"
    for more in ([], ["--defaults"]):
        file.write_text(human(daemon, "config", "get", *more))
        assert run("config", "check", file)[0] == 0
        assert human(daemon, "config", "apply", file) == f"{file} is in effect.\n"
    assert daemon.cli("config", "get")["networks"] == CONFIG["networks"]


def test_config_apply_names_the_line(daemon, tmp_path):
    file = tmp_path / "new.yaml"
    file.write_text("networks:\n  - name: lan\n  - name: lan\n")
    assert failure(daemon, "config", "apply", file) == (
        f"ringway: {file}:3: networks[1].name: is \"lan\", which networks[0].name is already\n")
    file.write_text("networks:\n  - name: lan\nworkers: 7\n")
    assert re.match(f"ringway: {file}:3: workers: is 7, the running daemon has 1", failure(daemon, "config", "apply", file))
    file.write_text("networks: [\n")
    assert failure(daemon, "config", "apply", file).startswith(f"ringway: {file}:2: is not YAML")
    assert len(daemon.cli("port", "list")) == 2


def test_libvirt_xml(daemon):
    daemon.cli("network", "add", "wide", "--mtu", "9000")
    daemon.cli("port", "add", "vm3", "--network", "wide", "--mode", "client")
    domain = ElementTree.fromstring("<domain>" + human(daemon, "libvirt-xml", "vm3") + "</domain>")
    assert domain.find("memoryBacking/access").get("mode") == "shared"
    interface = domain.find("interface")
    assert interface.get("type") == "vhostuser"
    assert interface.find("source").attrib == {"type": "unix", "path": str(daemon.socket("vm3")), "mode": "server"}
    assert interface.find("mtu").get("size") == "9000"
    domain = ElementTree.fromstring("<domain>" + daemon.cli("libvirt-xml", "vm1")["xml"] + "</domain>")
    assert domain.find("interface/source").get("mode") == "client"
    assert domain.find("interface/driver").get("queues") == "2"


def test_guests_attach_to_vhost_user_ports_only(daemon):
    assert failure(daemon, "qemu-args", "none") == "ringway: there is no port called 'none'\n"


@pytest.mark.skipif(lacking("qemu-system-x86_64") is not None, reason="no qemu-system-x86_64")
def test_qemu_takes_the_arguments(lab, daemon):
    """One guest with two ports: two queues and jumbo frames where we listen, and one where QEMU does."""
    daemon.cli("network", "add", "wide", "--mtu", "9000")
    daemon.cli("port", "add", "vm3", "--network", "wide", "--mode", "client")
    args = human(daemon, "qemu-args", "vm1", "vm3", "--memory", "64M")
    assert args.count("\n") == 1
    lab.process(["sh", "-c", f"exec qemu-system-x86_64 -M q35 -accel tcg -display none -nodefaults -S {args}"],
                "qemu.log", as_nobody=True)
    eventually(lambda: daemon.port("vm1")["connected"] and daemon.port("vm3")["connected"], timeout=30,
               what="QEMU attaches to both ports")
    assert args.split() == daemon.cli("qemu-args", "vm1", "vm3", "--memory", "64M")


def test_worker_stats(daemon):
    out = human(daemon, "worker", "stats")
    assert re.match(r"Worker 0: thread \d+, ", out)
    assert "looking at queues without frames" in out
    assert "there is no worker 1" in failure(daemon, "worker", "stats", "1")
    worker, = daemon.cli("worker", "stats", "0")
    stages = worker["account"]["stages"]
    assert list(stages) == ["poll", "rx", "lookup", "fit", "copy", "publish", "retry", "other"]
    assert stages["poll"]["cycles"] > 0 and stages["poll"]["frames"] == worker["empty_polls"]
    assert stages["rx"]["frames"] == worker["frames"] == 0


def test_accounting_can_be_left_out(lab):
    daemon = lab.network(["vm1"], top={"accounting": "none"})
    assert "No account of cycles is kept." in human(daemon, "worker", "stats")
    worker, = daemon.cli("worker", "stats")
    assert {s["cycles"] for s in worker["account"]["stages"].values()} == {0}
    assert worker["empty_polls"] > 0
