# SPDX-License-Identifier: Apache-2.0
"""The REST API of a running daemon.

    this file --- api.sock --- ringwayd --- vm1.sock, vm2.sock (nobody connects)
"""

import os
import re
import socket
import stat
import threading

import pytest

from lab import eventually
from rest import Rest

VHOST = {"type": "vhost-user"}
CONFIG = {
    "networks": [
        {"name": "lan", "ports": [{"name": "vm1", "queues": 2, **VHOST}, {"name": "vm2", **VHOST}]},
        {"name": "wide", "mtu": 9000},
    ]
}

COUNTERS = {"frames", "bytes", "multicast", "gso_frames", "csum_partial", "coalesced", "sw_csum", "sw_gso_frames", "sw_segments",
            "notifications", "dropped", "drops"}


@pytest.fixture
def daemon(lab):
    return lab.daemon(CONFIG)


@pytest.fixture
def rest(daemon):
    return Rest(daemon.run_dir / "api.sock")


def assert_problem(reply, status, field=None, text=""):
    assert reply.status == status
    assert reply.type == "application/problem+json"
    assert reply.json["status"] == status
    assert reply.json["title"]
    assert reply.json.get("field") == field
    assert re.search(text, reply.json["detail"]), reply.json["detail"]


# What there is


def test_entry_point_leads_everywhere(rest):
    entry = rest.get("/api").json
    assert entry["name"] == "ringway"
    rels = {link["rel"]: link for link in entry["links"]}
    assert {"networks", "ports", "fdb", "stats", "status", "config", "workers"} <= rels.keys()
    for link in rels.values():
        path = link["href"].replace("{name}", "lan" if link["rel"] == "network" else "vm1")
        assert ("{" in link["href"]) == link.get("templated", False)
        assert rest.get(path).status == (405 if "method" in link else 200), path
    assert rels["rebalance"]["method"] == "POST"


def test_status(rest, daemon):
    status = rest.get("/api/status").json
    assert status["pid"] == daemon.process.pid
    assert status["run_dir"] == str(daemon.run_dir)
    assert status["api_socket"] == str(daemon.run_dir / "api.sock")
    assert (status["workers"], status["poll"], status["busy_poll_us"]) == (1, "adaptive", 50)
    assert (status["networks"], status["ports"], status["ports_connected"]) == (2, 2, 0)
    assert status["uptime_s"] >= 0 and status["cpu_ns"] > 0


def test_workers(rest):
    workers = rest.get("/api/workers").json["workers"]
    assert [w["idx"] for w in workers] == [0]
    assert workers[0]["queues"] == 3
    assert workers[0]["tid"] > 0


def test_networks(rest):
    networks = rest.get("/api/networks").json["networks"]
    assert [n["name"] for n in networks] == ["lan", "wide"]
    lan = rest.get("/api/networks/lan").json
    assert lan == networks[0]
    assert lan["mtu"] == 1500 and networks[1]["mtu"] == 9000
    assert lan["ports"] == [{"name": n, "href": f"/api/ports/{n}"} for n in ("vm1", "vm2")]
    assert lan["fdb"] == {"entries": 0, "capacity": 8192, "evictions": 0}


def test_ports(rest, daemon):
    assert [p["name"] for p in rest.get("/api/ports").json["ports"]] == ["vm1", "vm2"]
    assert rest.get("/api/ports?network=wide").json["ports"] == []
    port = rest.get("/api/ports/vm1").json
    expected = {
        "name": "vm1", "network": "lan", "type": "vhost-user", "queues": 2, "queues_active": 0, "mtu": 1500,
        "socket": "vm1.sock", "socket_path": str(daemon.socket("vm1")), "mode": "server", "socket_mode": "0600",
        "connected": False, "features": [], "offloads": [],
    }
    assert {key: port[key] for key in expected} == expected
    assert str(daemon.socket("vm1")) in port["state"]
    assert set(port["rx"]) == set(port["tx"]) == COUNTERS
    for link in port["links"]:
        assert rest.get(link["href"]).status == 200


def test_stats(rest):
    stats = rest.get("/api/stats").json
    assert [p["name"] for p in stats["ports"]] == ["vm1", "vm2"]
    for port in stats["ports"]:
        for side in ("rx", "tx"):
            assert set(port[side]) == COUNTERS
            assert "ring_full" in port[side]["drops"] and "none" not in port[side]["drops"]
            assert port[side]["dropped"] == sum(port[side]["drops"].values()) == 0
    assert rest.get("/api/stats?port=vm2").json["ports"][0]["name"] == "vm2"
    assert rest.get("/api/stats").json["time_ns"] > stats["time_ns"]


def test_fdb_is_empty_at_first(rest):
    assert rest.get("/api/fdb").json == {"fdb": []}
    assert rest.get("/api/fdb?network=lan").json == {"fdb": []}


# Networks and ports come and go


def test_add_and_delete_network(rest):
    made = rest.post("/api/networks", {"name": "new", "mtu": 2000, "ports": [{"name": "vm9", **VHOST}]})
    assert made.status == 201
    assert made.headers["Location"] == "/api/networks/new"
    assert made.json == rest.get("/api/networks/new").json
    assert rest.get("/api/ports/vm9").json["mtu"] == 2000
    gone = rest.delete("/api/networks/new")
    assert gone.status == 204 and gone.body == b""
    assert rest.get("/api/networks/new").status == 404
    assert rest.get("/api/ports/vm9").status == 404


def test_add_and_delete_port(rest, daemon):
    made = rest.post("/api/ports", {"name": "vm3", "network": "wide", "queues": 4, **VHOST})
    assert made.status == 201
    assert made.headers["Location"] == "/api/ports/vm3"
    assert made.json["network"] == "wide"
    assert stat.S_IMODE(os.stat(daemon.socket("vm3")).st_mode) == 0o600
    assert rest.delete("/api/ports/vm3").status == 204
    assert not daemon.socket("vm3").exists()


def test_conflicts(rest, daemon):
    port = {"name": "vm1", "network": "wide", **VHOST}
    assert_problem(rest.post("/api/ports", port), 409, "name", "vm1")
    assert_problem(rest.post("/api/networks", {"name": "lan"}), 409, "name", "lan")
    taken = socket.socket(socket.AF_UNIX)
    taken.bind(str(daemon.run_dir / "taken.sock"))
    os.chmod(daemon.run_dir / "taken.sock", 0o777)
    taken.listen()
    port = {"name": "vm3", "network": "lan", "socket": "taken.sock", **VHOST}
    assert_problem(rest.post("/api/ports", port), 409, "socket", "taken.sock")
    taken.close()
    assert rest.get("/api/ports/vm3").status == 404


@pytest.mark.parametrize("path", ["/api/networks/none", "/api/ports/none", "/api/ports/%00", "/api/ports/vm1%2f"])
def test_what_is_not_there(rest, path):
    assert rest.get(path).status == 404
    assert rest.delete(path).status == 404


def test_not_there_names_the_field(rest):
    assert_problem(rest.get("/api/networks/none"), 404, "name", "no network called 'none'")
    assert_problem(rest.get("/api/fdb?network=none"), 404, "network", "no network called 'none'")
    assert_problem(rest.get("/api/ports?network=none"), 404, "network", "no network called 'none'")
    assert_problem(rest.get("/api/stats?port=none"), 404, "port", "no port called 'none'")


# What is wrong with a request


@pytest.mark.parametrize("body, field, text", [
    ({"name": "x", "queues": 99}, "type", "missing"),
    ({"name": "x", "queues": 99, **VHOST}, "queues", r"is 99, allowed: 1\.\.16"),
    ({"name": "x", "queue": 1, **VHOST}, "queue", "nearest one is: queues"),
    ({"name": "x", "ifname": "a", **VHOST}, "ifname", "not a key of ports of type vhost-user"),
    ({"name": "../x", **VHOST}, "name", "letters"),
    (VHOST, "name", "missing"),
])
def test_bad_ports(rest, body, field, text):
    assert_problem(rest.post("/api/ports", {"network": "lan", **body}), 422, field, text)


def test_port_without_a_network(rest):
    assert_problem(rest.post("/api/ports", {"name": "x", **VHOST}), 422, "network", "missing")
    assert_problem(rest.post("/api/ports", {"name": "x", "network": 1, **VHOST}), 422, "network", "no text")
    assert_problem(rest.post("/api/ports", {"name": "x", "network": "none", **VHOST}), 422, "network", "none")


def test_a_list_is_no_port(rest):
    assert_problem(rest.post("/api/ports", []), 422, None, "a list, allowed: a mapping")


@pytest.mark.parametrize("body, line, column", [
    (b"", 1, 0),
    (b'{"name": "x",\n "queues": }', 2, 12),
    (b'{"name": "x", "name": "y"}', 1, 20),
    (b'{"name": "\xff"}', 1, 10),
    pytest.param(b"[" * 5000, 1, 2049, id="deep"),
    (b'"x"', 1, 3),
])
def test_bad_json_says_where(rest, body, line, column):
    reply = rest.post("/api/networks", body)
    assert_problem(reply, 400, None, "not JSON: line")
    assert (reply.json["line"], reply.json["column"]) == (line, column)


@pytest.mark.parametrize("path", ["/", "/apix", "/api/", "/api/ports/", "/api/ports/vm1/x", "/api//ports", "//", "/api/nothing"])
def test_unknown_paths(rest, path):
    assert_problem(rest.get(path), 404, None, "nothing at this path")


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/api/networks", "GET, HEAD, POST"),
    ("PUT", "/api/ports/vm1", "GET, HEAD, DELETE"),
    ("PATCH", "/api/config", "GET, HEAD, PUT"),
    ("POST", "/api/status", "GET, HEAD"),
    ("BREW", "/api", "GET, HEAD"),
])
def test_wrong_methods(rest, method, path, allow):
    reply = rest.call(method, path, b"{}")
    assert_problem(reply, 405, None, "not possible here")
    assert reply.headers["Allow"] == allow


def test_head(rest):
    reply = rest.call("HEAD", "/api/networks/lan")
    assert reply.status == 200 and reply.body == b"" and reply.headers["ETag"]


def test_bodies_are_bounded(rest):
    pad = b'{"name": "%s"}'
    most = 1 << 20
    body = pad % (b"x" * (most - len(pad) + 2))
    assert len(body) == most
    assert rest.post("/api/networks", body).status == 422
    assert_problem(rest.post("/api/networks", body + b" "), 413, None, "1048576")
    assert_problem(rest.post("/api/networks", b" " * (8 << 20)), 413, None, "1048576")


def test_chunked_body(rest):
    connection = rest.connection()
    connection.request("POST", "/api/networks", iter([b'{"na', b'me": ', b'"chunked"}']), encode_chunked=True)
    assert connection.getresponse().status == 201
    connection.close()


# Entity tags


def test_etag_of_a_port_follows_its_configuration(rest):
    port = {"name": "vm3", "network": "lan", **VHOST}
    rest.post("/api/ports", port)
    old = rest.get("/api/ports/vm3").headers["ETag"]
    assert re.fullmatch('"[0-9a-f]{16}"', old)
    assert rest.get("/api/ports/vm3").headers["ETag"] == old
    rest.delete("/api/ports/vm3")
    rest.post("/api/ports", port)
    assert rest.get("/api/ports/vm3").headers["ETag"] != old
    assert_problem(rest.delete("/api/ports/vm3", headers={"If-Match": old}), 412, "If-Match", "changed")
    assert_problem(rest.delete("/api/ports/vm3", headers={"If-Match": "W/" + old}), 412, "If-Match")
    tag = rest.get("/api/ports/vm3").headers["ETag"]
    assert rest.delete("/api/ports/vm3", headers={"If-Match": f'"x", {tag}'}).status == 204


def test_if_match_of_a_network_sees_its_ports(rest):
    tag = rest.get("/api/networks/wide").headers["ETag"]
    rest.post("/api/ports", {"name": "vm3", "network": "wide", **VHOST})
    assert_problem(rest.delete("/api/networks/wide", headers={"If-Match": tag}), 412, "If-Match")
    assert rest.delete("/api/networks/wide", headers={"If-Match": "*"}).status == 204


# Configuration


def test_config_is_what_was_read(rest):
    config = rest.get("/api/config").json
    assert config["networks"][0] == CONFIG["networks"][0]
    assert config["networks"][1] == {**CONFIG["networks"][1], "ports": []}
    assert "workers" not in config
    full = rest.get("/api/config?defaults").json
    assert full["workers"] == 1 and full["api"] == {"socket": "api.sock"}
    assert full["networks"][0]["ports"][1]["socket"] == "vm2.sock"


def test_put_config_touches_what_differs(rest):
    before = rest.get("/api/ports/vm1").json["id"]
    config = rest.get("/api/config?defaults").json
    config["networks"][0]["ports"][1]["queues"] = 3
    config["networks"][1] = {"name": "third", "ports": [{"name": "vm3", **VHOST}]}
    reply = rest.put("/api/config", config)
    assert reply.status == 200
    assert [n["name"] for n in reply.json["networks"]] == ["lan", "third"]
    assert rest.get("/api/ports/vm1").json["id"] == before
    assert rest.get("/api/ports/vm2").json["queues"] == 3
    assert rest.get("/api/networks/wide").status == 404


def test_put_config_twice_changes_nothing(rest):
    config = rest.get("/api/config").json
    tag = rest.get("/api/config").headers["ETag"]
    reply = rest.put("/api/config", config, headers={"If-Match": tag})
    assert reply.status == 200
    assert reply.headers["ETag"] == tag
    rest.delete("/api/networks/wide")
    assert_problem(rest.put("/api/config", config, headers={"If-Match": tag}), 412, "If-Match")


@pytest.mark.parametrize("config, status, field", [
    ({"networks": [{"name": "lan", "mtu": 1}]}, 422, "networks[0].mtu"),
    ({"networks": [{"name": "lan"}, {"name": "lan"}]}, 422, "networks[1].name"),
    ({"workers": 2}, 409, "workers"),
    ({"api": {"socket": "other.sock"}}, 409, "api.socket"),
    ([], 422, None),
])
def test_put_bad_config_changes_nothing(rest, config, status, field):
    before = rest.get("/api/config").json
    assert_problem(rest.put("/api/config", config), status, field)
    assert rest.get("/api/config").json == before


# The socket, and clients that do not behave


def test_socket_is_the_owners(daemon):
    assert stat.S_IMODE(os.stat(daemon.run_dir / "api.sock").st_mode) == 0o600


def test_stale_socket_is_replaced(lab):
    daemon = lab.daemon(CONFIG)
    daemon.kill()
    assert (daemon.run_dir / "api.sock").exists()
    daemon.start()
    assert Rest(daemon.run_dir / "api.sock").get("/api").status == 200
    daemon.stop()
    assert not (daemon.run_dir / "api.sock").exists()


def test_live_socket_is_refused(lab, daemon, rest):
    second = lab.process([daemon.dir / "ringwayd", "--run-dir", daemon.run_dir], "second.log", as_nobody=True)
    assert second.wait() == 1
    assert "another process listens" in second.log()
    assert rest.get("/api").status == 200


def test_clients_that_do_not_behave(rest, daemon):
    for data in (b"", b"GET", b"\0\xff\r\n\r\n", b"GET /api HTTP/9.9\r\n\r\n", b"POST /api/ports HTTP/1.1\r\n"
                 b"Content-Length: 99999999999999999999\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"POST /api/ports HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(rest.path))
        try:
            client.sendall(data)
        except BrokenPipeError:
            pass
        client.close()
    assert rest.get("/api").status == 200


def test_a_connection_serves_many_requests(rest):
    connection = rest.connection()
    for _ in range(20):
        connection.request("GET", "/api/stats")
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()


def test_many_clients_at_once(rest):
    results = []

    def client(n):
        for i in range(10):
            name = f"n{n}x{i}"
            results.append(rest.post("/api/networks", {"name": name}).status)
            results.append(rest.delete(f"/api/networks/{name}").status)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(results)) == [201, 204] and len(results) == 160
    assert len(rest.get("/api/networks").json["networks"]) == 2


def test_no_descriptor_is_left(rest, daemon):
    def cycle(n):
        for _ in range(n):
            rest.post("/api/networks", {"name": "x", "ports": [{"name": "vmx", **VHOST}]})
            rest.post("/api/networks", b"{")
            rest.delete("/api/networks/x")

    cycle(3)
    before = daemon.process.open_fds()
    cycle(20)
    # One more may be a connection whose end the daemon has not seen yet.
    eventually(lambda: daemon.process.open_fds() <= before, what=f"the daemon is back at {before} open descriptors")
