"""Redis, Sentinel, MariaDB and Galera accept TLS alone, and nobody who cannot verify them or be verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.certificates import self_signed
from tests.testinfra.redis_wire import as_admin, run_commands

pytestmark = pytest.mark.machine_tls

PROGRAM = r"""
import json, socket, ssl, sys

wanted = json.load(sys.stdin)
answer = ""
try:
    link = socket.create_connection((wanted["address"], wanted["port"]), 5)
    if wanted["ca"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(wanted["ca"])
        if wanted["pair"]:
            context.load_cert_chain(*wanted["pair"])
        link = context.wrap_socket(link, server_hostname=wanted["address"])
    if wanted["say"]:
        link.sendall(wanted["say"].encode())
    answer = link.recv(100).decode("latin-1")
except OSError as error:
    answer = f"error: {error}"
json.dump(answer, sys.stdout)
"""
"""Connect, by TLS if there is an authority, say something, and return what the server says."""

WATCH = r"""
import http.client, json, socket, sys

wanted = json.load(sys.stdin)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
app = http.client.HTTPConnection(*wanted["app"])
app.request("POST", "/login", json.dumps(wanted["user"]), {"Content-Type": "application/json"})
answer = app.getresponse()
answer.read()
app.request("GET", "/perfil", headers={"Cookie": answer.headers["Set-Cookie"].partition(";")[0]})
statuses = [answer.status, app.getresponse().status]
wire.settimeout(1)
seen = {port: b"" for port in wanted["ports"]}
try:
    while frame := wire.recv(65536):
        if frame[12:14] == b"\x08\x00" and frame[23] == 6:
            tcp = 14 + 4 * (frame[14] & 15)
            ports = {int.from_bytes(frame[tcp + at : tcp + at + 2], "big") for at in (0, 2)}
            for port in ports & set(seen):
                seen[port] += frame[tcp + 4 * (frame[tcp + 12] >> 4) :]
except TimeoutError:
    pass
found = {port: [word for word in wanted["words"] if word.encode() in data] for port, data in seen.items()}
json.dump({"statuses": statuses, "found": found, "bytes": {port: len(data) for port, data in seen.items()}}, sys.stdout)
"""
"""Log in at this backend, and return which words are in the packets of each port."""

OTHER_CA = "/tmp/other-ca.crt"


def connect(source: Box, target: Box, port: int, *, ca: str = "", pair: list[str] | None = None, say: str = "") -> str:
    wanted = {"address": target.address, "port": port, "ca": ca, "pair": pair, "say": say}
    return str(source.python(PROGRAM, wanted, root=True))


@pytest.fixture(scope="module")
def ca(lab: Lab) -> str:
    """The authority's certificate, on machines."""
    return f"{lab.vars['tls_folder']}/ca.crt"


@pytest.fixture(scope="module")
def other_ca(lab: Lab) -> Iterator[str]:
    """Another authority, on machines."""
    boxes = [*lab.tier("backends"), *lab.tier("mysql")]
    content = self_signed(["other"]).certificate
    for box in boxes:
        box.python(f"import json, sys; open({OTHER_CA!r}, 'w').write(json.load(sys.stdin)); print('null')", content)
    yield OTHER_CA
    for box in boxes:
        box.root_output(f"rm -f {OTHER_CA}")


def redis_ports(redis: Box) -> list[int]:
    sentinel = [redis.vars["sentinel_port"]] if redis.vars["redis_replicated"] else []
    return [int(port) for port in (redis.vars["redis_port"], *sentinel)]


def test_redis_and_sentinel_prove_their_address(lab: Lab, redis: Box, ca: str) -> None:
    """By the authority that the backends have."""
    for backend in lab.tier("backends"):
        for port in redis_ports(redis):
            assert connect(backend, redis, port, ca=ca, say="PING\r\n").startswith("-NOAUTH")


def test_redis_and_sentinel_do_not_answer_in_clear(lab: Lab, redis: Box) -> None:
    """There is no other port."""
    for port in redis_ports(redis):
        answer = connect(lab.tier("backends")[0], redis, port, say="PING\r\n")
        assert not answer.startswith(("-", "+")), answer


def test_another_authority_is_not_believed(lab: Lab, redis: Box, other_ca: str) -> None:
    """Shows that the checks above can fail."""
    for port in redis_ports(redis):
        assert "CERTIFICATE_VERIFY_FAILED" in connect(lab.tier("backends")[0], redis, port, ca=other_ca)


def test_replication_uses_tls(lab: Lab, redis: Box) -> None:
    """Redis has no plain port, replicas connect by TLS, and the link is up."""
    asked = [["CONFIG", "GET", name] for name in ("port", "tls-replication")]
    replies = run_commands(lab.tier("backends")[0], redis, as_admin(redis), *asked, ["INFO", "replication"])
    assert replies[1:3] == [["port", "0"], ["tls-replication", "yes"]]
    assert "role:master" in replies[3] or "master_link_status:up" in replies[3]


def test_mysql_takes_no_login_in_clear(lab: Lab, mysql: Box) -> None:
    """Not even with the right password from a backend. Over TLS, the same login works (mysql/test_mysql.py)."""
    app = mysql.vars["mysql_accounts"][0]
    program = (
        "import json, pymysql, sys\n"
        "try:\n    pymysql.connect(**json.load(sys.stdin))\n    print('true')\n"
        "except pymysql.Error as error:\n    print(error.args[0])"
    )
    login = {"host": mysql.address, "user": app["name"], "password": app["passwords"][0]}
    backend = lab.tier("backends")[0]
    python = f"{backend.role('app')['__app_root']}/current/bin/python"
    tls = {"ssl_ca": backend.role("app")["app_ca_file"], "ssl_verify_identity": True}
    assert backend.python(program, login | {"ssl_disabled": True}, python=python) in (1045, 3159)
    assert backend.python(program, login | tls, python=python) is True


def test_every_account_requires_tls(mysql: Box) -> None:
    """Also if somebody turns the server's own setting off."""
    statement = "SELECT User, ssl_type FROM mysql.user WHERE Host <> 'localhost'"
    rows = mysql.root_output("mariadb --batch --skip-column-names --execute=%s", statement).splitlines()
    assert rows
    assert [row for row in rows if row.split("\t")[1:] != ["ANY"]] == []


@pytest.fixture(scope="module")
def peers(lab: Lab) -> list[Box]:
    """The members of the Galera cluster."""
    found = lab.tier("mysql")
    if len(found) < 2:
        pytest.skip("the inventory has a single database")
    return found


def test_galera_speaks_with_members_only(peers: list[Box], mysql: Box, ca: str) -> None:
    """A machine that has the member's address but no certificate is refused."""
    other = next(member for member in peers if member is not mysql)
    folder = ca.rpartition("/")[0]
    pair = [f"{folder}/machine.crt", f"{folder}/machine.key"]
    greeting = connect(other, mysql, 4567, ca=ca, pair=pair)
    assert greeting, "Galera closes the connection"
    assert not greeting.startswith("error:")
    assert connect(other, mysql, 4567, ca=ca).startswith("error:")


def test_galera_proves_its_address(peers: list[Box], mysql: Box, other_ca: str) -> None:
    """By the same authority."""
    other = next(member for member in peers if member is not mysql)
    assert "CERTIFICATE_VERIFY_FAILED" in connect(other, mysql, 4567, ca=other_ca)


@pytest.mark.usefixtures("peers")
def test_the_links_of_the_cluster_are_encrypted(mysql: Box) -> None:
    """As Galera itself says: its own address and, for full copies, the settings that its program reads."""
    options = mysql.root_output("mariadb --batch --skip-column-names --execute='SELECT @@wsrep_provider_options'")
    assert "socket.ssl = YES" in options.replace("socket.ssl = yes", "socket.ssl = YES")
    assert mysql.root_output("my_print_defaults sst").split() == ["--encrypt=3"]


def test_only_root_can_read_the_key(any_machine: Box, lab: Lab) -> None:
    """systemd passes it to the daemons. Other machines than those of Redis and MySQL have none."""
    folder = lab.vars["tls_folder"]
    listed = any_machine.root(f"stat -c '%n %a %U' {folder}/*").stdout.split("\n")
    found = {line.split()[0].rpartition("/")[2]: line.split()[1:] for line in listed if line}
    certificate = {"machine.crt": ["644", "root"], "machine.key": ["600", "root"]}
    authority = {"ca.crt": ["644", "root"]}
    tiers = set(any_machine.tiers)
    expected = authority | certificate if tiers & {"redis", "mysql"} else authority if "backends" in tiers else {}
    assert found == expected


def test_no_password_and_no_session_is_on_the_wire(backend: Box, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """A login and a visit, as seen by somebody who records the packets. What nginx sends to the app is in clear."""
    app, user = backend.role("app"), {name: demo_users[0][name] for name in ("usuario", "senha")}
    redis, mysql, plain = (int(lab.vars[name]) for name in ("redis_port", "mysql_port", "app_port"))
    wanted: dict[str, Any] = {"app": [app["app_address"], app["app_port"]], "user": user}
    words = [user["senha"], user["usuario"], "sess:", "SELECT", "EVALSHA", *lab.secrets.values()]
    seen = backend.python(WATCH, wanted | {"ports": [redis, mysql, plain], "words": words}, root=True)
    assert seen["statuses"] == [200, 200]
    assert user["senha"] in seen["found"][str(plain)], json.dumps(seen["bytes"])
    assert seen["bytes"][str(redis)] > 0
    assert seen["bytes"][str(mysql)] > 0
    assert seen["found"][str(redis)] == seen["found"][str(mysql)] == []
