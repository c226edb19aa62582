"""The frontends' configuration, and their answers without a backend."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.inventory import ROLES
from tests.templates.rendered import VARIANTS, files, inventory, machines, text
from tests.workbench import Workbench

# One request in the workbench: status, headers and body as JSON.
ASK = """\
import http.client, json, sys
method, host, path, headers = *sys.argv[1:4], json.loads(sys.argv[4])
link = http.client.HTTPConnection(host, 80, timeout=10)
link.request(method, path, headers=headers)
answer = link.getresponse()
found = {name.lower(): answer.getheader(name) for name, _ in answer.getheaders()}  # joins what is there twice
print(json.dumps([answer.status, found, answer.read().decode()]))
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_upstream_has_every_backend(variant: str) -> None:
    """A backend added to the inventory gets requests; a removed one does not."""
    upstream = text("nginx", "nginx.conf.j2", variant).partition("upstream backends {")[2].partition("}")[0]
    assert re.findall(r"^\s*server (\S+):8000 ", upstream, re.MULTILINE) == [
        b.address for b in inventory(variant).hosts("backends")
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_backend_has_a_status_route(variant: str) -> None:
    """The page shows the state of every backend in the inventory."""
    site = text("nginx", "nginx.conf.j2", variant).partition("        root ")[2]
    found = re.findall(r"location = /status/(\S+) \{\s+proxy_pass http://(\S+):8000/status;", site)
    assert found == [(b.name, b.address) for b in inventory(variant).hosts("backends")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_floating_address_has_a_status_route(variant: str) -> None:
    """The page shows who holds which address. Without such addresses, there is nothing to ask."""
    machine = machines("nginx", variant)[0]
    config = text("nginx", "nginx.conf.j2", variant)
    floating = machine.vars["www_floating_addresses"]
    found = re.findall(r"location = /status/(\S+) \{\s+proxy_pass http://(\S+):80/status/frontend;", config)
    assert found == [(f"www{address.rpartition('.')[2]}", address) for address in floating]
    assert ("location = /status/frontend {" in config) == bool(floating)
    shown = [(one["name"], one["address"]) for one in machine.vars["nginx_map"].get("floating", [])]
    assert shown == found


def test_only_logins_and_logouts_are_retried() -> None:
    """nginx may only retry a POST if repeating it is harmless."""
    config = text("nginx", "nginx.conf.j2")
    assert re.findall(r"location = (\S+) \{[^}]*non_idempotent", config) == ["/login", "/logout"]
    assert config.count("non_idempotent") == 2


def test_a_client_cannot_forge_its_address() -> None:
    """Failed logins are counted by address: the header is overwritten, not appended to."""
    config = text("nginx", "nginx.conf.j2")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in config
    assert "$proxy_add_x_forwarded_for" not in config


@pytest.fixture(scope="module")
def frontend(workbench: Workbench) -> str:
    """The address of an nginx with the configuration of frontend1, without backends."""
    (machine,) = machines("nginx")
    written = {file.dest: file.text for file in files(machine, "nginx")}
    assert workbench.run(["nginx", "-c", "/etc/nginx/nginx.conf"], written).returncode == 0
    return machine.address


@pytest.mark.parametrize(
    ("accept", "language", "words"),
    [
        ("application/json", "pt-BR", '{"erro"'),
        ("text/html", "pt-BR,pt;q=0.9", "Nenhum servidor"),
        ("text/html", "en-GB,en;q=0.9", "No server"),
    ],
)
def test_without_a_backend_the_answer_is_a_readable_503(
    workbench: Workbench, frontend: str, accept: str, language: str, words: str
) -> None:
    """Programs get JSON, people get a page in their language; both get Retry-After."""
    headers = json.dumps({"Accept": accept, "Accept-Language": language})
    run = workbench.run(["python3", "-c", ASK, "GET", frontend, "/perfil", headers])
    status, answer, body = json.loads(run.stdout)
    assert status == 503
    assert int(answer["retry-after"]) > 0
    assert answer["x-frontend"] == "frontend1"
    assert answer["content-type"].startswith(accept)
    assert words in body


def test_a_503_is_logged_with_the_original_request(workbench: Workbench, frontend: str) -> None:
    """The log has neither the path of the error page nor its internal GET."""
    workbench.run(["python3", "-c", ASK, "POST", frontend, "/logout", "{}"])
    lines = workbench.run(["tail", "-n", "1", "/var/log/nginx/access.log"]).stdout.splitlines()
    entry = json.loads(lines[-1])
    assert (entry["method"], entry["uri"], entry["status"]) == ("POST", "/logout", 503)


def test_a_frontend_tells_who_holds_a_floating_address(workbench: Workbench) -> None:
    """The answer is the holder's; its headers, each once, are those of the frontend that was asked."""
    frontend, holder = (f"127.0.0.{last}" for last in (21, 22))
    for name, address in (("frontend1", frontend), ("frontend2", holder)):
        own = {"nginx_addresses": [address], "nginx_floating_addresses": {"www20": holder, "www21": "127.0.0.99"}}
        machine = inventory("ha").machine(name).role("nginx", **own)
        config = machine.render(ROLES / "nginx" / "templates" / "nginx.conf.j2")
        path = f"/bench/floating-{name}"  # several frontends share the container
        config = re.sub(r"(?m)^(pid|error_log) [^ ;]+", rf"\1 {path}.\1", config)
        assert workbench.run(["nginx", "-c", f"{path}.conf"], {f"{path}.conf": config}).returncode == 0
    for path in ("/status/www20", "/conexao-nova/status/www20"):
        run = workbench.run(["python3", "-c", ASK, "GET", frontend, path, '{"Accept": "application/json"}'])
        status, answer, body = json.loads(run.stdout)
        assert (status, json.loads(body)) == (200, {"frontend": "frontend2"})
        assert answer["content-type"].startswith("application/json")
        assert answer["x-frontend"] == "frontend1"
        assert answer["x-content-type-options"] == "nosniff"
    run = workbench.run(["python3", "-c", ASK, "GET", frontend, "/status/www21", "{}"])
    assert json.loads(run.stdout)[0] == 503


def test_each_route_of_the_app_is_exact_or_a_folder() -> None:
    """Other paths are static: a misspelt one does not reach the app."""
    config = text("nginx", "nginx.conf.j2")
    found = re.findall(r"location (.*) \{\s+proxy_pass http://backends;", config)
    assert found == ["= /login", "= /logout", "= /perfil", "= /sessoes", "/sessoes/", "= /status"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sessoes", 503),
        ("DELETE", "/sessoes", 503),
        ("DELETE", "/sessoes/0123abcd", 503),
        ("GET", "/sessoesx", 404),
        ("DELETE", "/sessao/0123abcd", 404),
    ],
)
def test_the_sessions_of_a_user_are_a_matter_of_the_app(
    workbench: Workbench, frontend: str, method: str, path: str, status: int
) -> None:
    """There is no backend here: 503 says that nginx looked for one."""
    run = workbench.run(["python3", "-c", ASK, method, frontend, path, "{}"])
    assert json.loads(run.stdout)[0] == status


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/_error/json", "/../etc/passwd", "/sessoes/../metrics"]
)
def test_internal_routes_are_not_public(workbench: Workbench, frontend: str, path: str) -> None:
    """The health and metrics of the backends are for administrators."""
    status, *_ = json.loads(workbench.run(["python3", "-c", ASK, "GET", frontend, path, "{}"]).stdout)
    assert status in (400, 404)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_may_try_every_backend(variant: str) -> None:
    """One working backend is enough, whatever the number of backends; a deadline limits the tries."""
    tries = re.search(r"proxy_next_upstream_tries (\d+);", text("nginx", "nginx.conf.j2", variant))
    assert tries
    assert int(tries[1]) == len(inventory(variant).groups["backends"])


BALANCER, STRANGER = "127.0.0.41", "127.0.0.42"
CLAIM = """\
import socket, sys
source, port, line, header = sys.argv[1:]
link = socket.create_connection(("127.0.0.31", int(port)), 10, source_address=(source, 0))
link.sendall(f"{line}GET /missing HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n{header}\\r\\n".encode())
print(link.recv(12).decode())
"""


@pytest.fixture(scope="module", params=[False, True], ids=["X-Forwarded-For", "PROXY protocol"])
def balanced(workbench: Workbench, request: pytest.FixtureRequest) -> Iterator[str]:
    """A frontend behind a load balancer; the name of its files."""
    path = f"/bench/balanced-{request.param}"
    own = {
        "nginx_addresses": ["127.0.0.31"],
        "nginx_trusted_proxies": [BALANCER],
        "nginx_proxy_protocol": request.param,
    }
    machine = inventory().machine("frontend1").role("nginx", **own)
    config = machine.render(ROLES / "nginx" / "templates" / "nginx.conf.j2")
    config = re.sub(r"(?m)^(pid|error_log) [^ ;]+", rf"\1 {path}.\1", config)
    config = re.sub(r"access_log [^ ]+", f"access_log {path}.access", config)
    assert workbench.run(["nginx", "-c", f"{path}.conf"], {f"{path}.conf": config}).returncode == 0
    yield path
    workbench.run(["nginx", "-c", f"{path}.conf", "-s", "stop"])


def client(workbench: Workbench, path: str, sender: str, port: int = 80, line: str = "", header: str = "") -> str:
    """Whom the frontend takes for the client of a request; '' if it does not answer."""
    answered = workbench.run(["python3", "-c", CLAIM, sender, str(port), line, header]).stdout.startswith(
        "HTTP/1.1 404"
    )
    log = workbench.run(["tail", "-n", "1", f"{path}.access"]).stdout
    return str(json.loads(log)["client"]) if answered else ""


def test_a_load_balancer_tells_the_address_of_the_user(workbench: Workbench, balanced: str) -> None:
    """Otherwise all users would share the limit of failed logins. Nobody else is believed."""
    if balanced.endswith("True"):
        claim: dict[str, Any] = {"port": 8080, "line": "PROXY TCP4 192.0.2.77 127.0.0.31 5555 80\r\n"}
        assert client(workbench, balanced, BALANCER, 8080) == "", "the port expects the PROXY protocol"
        assert client(workbench, balanced, BALANCER, header="X-Forwarded-For: 192.0.2.77\r\n") == BALANCER
    else:
        claim = {"header": "X-Forwarded-For: 192.0.2.66, 192.0.2.77\r\n"}
    assert client(workbench, balanced, BALANCER, **claim) == "192.0.2.77"
    assert client(workbench, balanced, STRANGER, **claim) == STRANGER
    assert client(workbench, balanced, BALANCER) == BALANCER


def test_without_a_load_balancer_nobody_is_believed() -> None:
    """The lab's frontends are asked by users themselves."""
    assert not re.search("real_ip|proxy_protocol|8080", text("nginx", "nginx.conf.j2"))


def test_a_frontend_listens_on_its_public_addresses_as_well() -> None:
    """With the same certificate and the same redirects."""
    listening = re.findall(r"listen (\S+:\d+)", text("nginx", "nginx.conf.j2", "public", "frontend1"))
    floating = inventory("public").machine("frontend1").vars["nginx_addresses"]
    addresses = [*floating, "203.0.113.20"]
    assert sorted(listening) == sorted(f"{one}:{port}" for one in addresses for port in (80, 443, 8080, 8443))
