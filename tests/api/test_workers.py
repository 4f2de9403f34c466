# SPDX-License-Identifier: Apache-2.0
"""Which worker polls which queue: shown, and evened out on request."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from lab.process import BUILD
from rest import Rest

CONFIG = {
    "workers": 2,
    "networks": [{"name": "lan", "ports": [{"name": "a", "type": "vhost-user"}, {"name": "b", "type": "vhost-user"},
                                           {"name": "many", "type": "vhost-user", "queues": 4}]}],
}


@pytest.fixture(scope="module")
def daemon(module_lab):
    return module_lab.daemon(CONFIG)


@pytest.fixture(scope="module")
def rest(daemon):
    return Rest(daemon.run_dir / "api.sock")


def queues(workers):
    return {(q["port"], q["queue"]) for w in workers for q in w["assigned"]}


ALL = {("a", 0), ("b", 0), *(("many", q) for q in range(4))}


def test_new_queues_are_spread(rest):
    workers = rest.get("/api/workers").json["workers"]
    assert queues(workers) == ALL
    assert [len(w["assigned"]) for w in workers] == [w["queues"] for w in workers] == [3, 3]
    assert all(0 <= w["load"] <= 1 for w in workers)


def test_list(daemon):
    assert queues(daemon.cli("worker", "list")) == ALL
    text = daemon.cli("worker", "list", text=True)
    assert len(re.findall(r"^ *[01] +many +[0-3] +\d+\.\d %$", text, re.MULTILINE)) == 4


def test_deleted_queues_are_made_up_for(daemon, rest):
    """The ports that are left are on one worker: rebalance gives the other its part, and says so."""
    place = {(q["port"], q["queue"]): w["idx"] for w in daemon.cli("worker", "list") for q in w["assigned"]}
    for n in range(4):
        daemon.cli("port", "add", f"x{n}", "--network", "lan")
    place = {q["port"]: w["idx"] for w in daemon.cli("worker", "list") for q in w["assigned"]}
    gone = [p for p in ("a", "b", "x0", "x1", "x2", "x3") if place[p] == 1]
    for port in gone:
        daemon.cli("port", "del", port)
    before = [w["queues"] for w in daemon.cli("worker", "list")]
    assert before[0] - before[1] >= 2
    moves = daemon.cli("worker", "rebalance")
    assert moves and all(m["done"] and (m["from"], m["to"]) == (0, 1) for m in moves)
    after = daemon.cli("worker", "list")
    assert abs(after[0]["queues"] - after[1]["queues"]) <= 1
    for m in moves:
        assert (m["port"], m["queue"]) in queues(after[1:])
    assert daemon.cli("worker", "rebalance") == []
    assert daemon.cli("worker", "rebalance", text=True) == "Nothing to move.\n"
    for port in gone:
        daemon.cli("port", "add", port, "--network", "lan")


@pytest.mark.parametrize("body, status, field", [
    ([], 422, None), ("now", 400, None), (b"null", 400, None), (7, 400, None), ({"port": "a"}, 422, "port"),
    ({"x\u20ac": 1}, 422, "x\u20ac"), (b"", 400, None), (b"{", 400, None),
])
def test_bad_requests(rest, body, status, field):
    reply = rest.post("/api/workers/rebalance", body)
    assert reply.status == status
    assert reply.type == "application/problem+json"
    assert reply.json.get("field") == field


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(rest, method):
    reply = rest.call(method, "/api/workers/rebalance", b"{}" if method == "PUT" else None)
    assert reply.status == 405
    assert reply.headers["Allow"] == "POST"


def test_one_worker_has_all(lab):
    daemon = lab.network(["a", "b"])
    worker, = daemon.cli("worker", "list")
    assert len(worker["assigned"]) == 2
    assert daemon.cli("worker", "rebalance") == []


# On which CPUs


def allowed(daemon, worker):
    """The kernel's list of CPUs on which the thread may run."""
    status = pathlib.Path(f"/proc/{daemon.process.pid}/task/{worker['tid']}/status").read_text()
    return re.search(r"^Cpus_allowed_list:\s+(\S+)$", status, re.MULTILINE).group(1)


def test_bound_workers(lab):
    cpus = sorted(os.sched_getaffinity(0))[-2:]
    pinned = [{"cpu": c} for c in reversed(cpus)]
    daemon = lab.daemon({**CONFIG, "workers": pinned})
    workers = daemon.cli("worker", "list")
    assert [w["cpu"] for w in workers] == [p["cpu"] for p in pinned]
    assert [allowed(daemon, w) for w in workers] == [str(p["cpu"]) for p in pinned]
    assert daemon.cli("config", "get")["workers"] == pinned
    rest = Rest(daemon.run_dir / "api.sock")
    config = rest.get("/api/config").json
    assert rest.put("/api/config", config).status == 200
    for other in (len(pinned), pinned[::-1] if len(pinned) > 1 else 2):
        refused = rest.put("/api/config", {**config, "workers": other})
        assert (refused.status, refused.json["field"]) == (409, "workers")


def test_auto_is_one_for_each_cpu(lab):
    daemon = lab.daemon({**CONFIG, "workers": "auto"})
    workers = daemon.cli("worker", "list")
    assert len(workers) == min(64, len(os.sched_getaffinity(0)))
    assert all("cpu" not in w for w in workers)


def test_a_cpu_that_is_not_there(lab):
    with pytest.raises(AssertionError, match=r"workers\[0\]\.cpu: is 1023, on which this daemon may not run"):
        lab.daemon({**CONFIG, "workers": [{"cpu": 1023}]})


@pytest.mark.parametrize("workers, field", [
    ([], "workers"), ([{}], "workers[0].cpu"), ([{"cpu": -1}], "workers[0].cpu"), ([{"cpu": 1024}], "workers[0].cpu"),
    ([{"cpu": "0"}], "workers[0].cpu"), ([{"cpu": 0}, {"cpu": 0}], "workers[1].cpu"), ([{"cpu": 0, "node": 0}], "workers[0].node"),
    ([0], "workers[0]"), ([[]], "workers[0]"), ({"cpu": 0}, "workers"), ("all", "workers"), (0, "workers"),
    ([{"cpu": n} for n in range(65)], "workers"),
])
def test_bad_workers(rest, workers, field):
    refused = rest.put("/api/config", {**rest.get("/api/config").json, "workers": workers})
    assert (refused.status, refused.json["field"]) == (422, field), refused.json


def test_traffic_goes_on(daemon):
    """Queues change their workers as often as the tool can say so, while every buffer is compared."""
    argv = [BUILD / "vhost-loop", "-w", "0", "-k", "1", "-t", "1", daemon.socket("a"), daemon.socket("b")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as loop:
        n = 0
        while loop.poll() is None:
            daemon.cli("worker", "rebalance")
            n += 1
        result = json.loads(loop.stdout.read())
    assert n > 1
    assert result["different"] == 0 and result["frames_per_s"][0] > 0
