"""The frontends ask every backend, and nobody else."""

from __future__ import annotations

import json
import re

import pytest

from tests.templates.rendered import VARIANTS, files, inventory, machines, text
from tests.workbench import Workbench

# One request in the workbench: status, headers and body as JSON.
ASK = """\
import http.client, json, sys
method, host, path, headers = *sys.argv[1:4], json.loads(sys.argv[4])
link = http.client.HTTPConnection(host, 80, timeout=10)
link.request(method, path, headers=headers)
answer = link.getresponse()
print(json.dumps([answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()]))
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_upstream_is_every_backend(variant: str) -> None:
    """A backend more in the inventory is a backend more in service; none is left over."""
    upstream = text("nginx", "nginx.conf.j2", variant).partition("upstream backends {")[2].partition("}")[0]
    assert re.findall(r"^\s*server (\S+):8000 ", upstream, re.MULTILINE) == [
        b.address for b in inventory(variant).hosts("backends")
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_backend_can_be_asked_how_it_is(variant: str) -> None:
    """The page watches every backend of the inventory, a new one too."""
    asked = re.findall(
        r"location = /status/(\S+) \{\s+proxy_pass http://(\S+):8000/status;", text("nginx", "nginx.conf.j2", variant)
    )
    assert asked == [(b.name, b.address) for b in inventory(variant).hosts("backends")]


def test_only_logins_and_logouts_are_sent_twice() -> None:
    """nginx repeats a POST to the next backend where that does no harm, and nowhere else."""
    config = text("nginx", "nginx.conf.j2")
    assert re.findall(r"location = (\S+) \{[^}]*non_idempotent", config) == ["/login", "/logout"]
    assert config.count("non_idempotent") == 2


def test_a_client_cannot_choose_its_address() -> None:
    """Failed logins are counted by address: the header is overwritten, not appended to."""
    config = text("nginx", "nginx.conf.j2")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in config
    assert "$proxy_add_x_forwarded_for" not in config


@pytest.fixture(scope="module")
def frontend(workbench: Workbench) -> str:
    """nginx with the configuration of frontend1, at its address; no backend is there. The address."""
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
def test_no_backend_is_a_503_that_says_so(
    workbench: Workbench, frontend: str, accept: str, language: str, words: str
) -> None:
    """A program and a person each get what they can read, and when to come back."""
    headers = json.dumps({"Accept": accept, "Accept-Language": language})
    run = workbench.run(["python3", "-c", ASK, "GET", frontend, "/perfil", headers])
    status, answer, body = json.loads(run.stdout)
    assert status == 503
    assert int(answer["retry-after"]) > 0
    assert answer["x-frontend"] == "frontend1"
    assert answer["content-type"].startswith(accept)
    assert words in body


def test_a_refusal_is_logged_as_what_was_asked(workbench: Workbench, frontend: str) -> None:
    """The way to the error page leaves no trace: neither its path nor its GET."""
    workbench.run(["python3", "-c", ASK, "POST", frontend, "/logout", "{}"])
    lines = workbench.run(["tail", "-n", "1", "/var/log/nginx/access.log"]).stdout.splitlines()
    told = json.loads(lines[-1])
    assert (told["method"], told["uri"], told["status"]) == ("POST", "/logout", 503)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/_error/json", "/../etc/passwd"])
def test_what_is_for_the_inside_is_not_found(workbench: Workbench, frontend: str, path: str) -> None:
    """Health and metrics of a backend are nobody's business on the street side."""
    status, *_ = json.loads(workbench.run(["python3", "-c", ASK, "GET", frontend, path, "{}"]).stdout)
    assert status in (400, 404)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_request_may_try_every_backend(variant: str) -> None:
    """The last backend that works serves everybody, however many there are; the deadline bounds the tries."""
    tries = re.search(r"proxy_next_upstream_tries (\d+);", text("nginx", "nginx.conf.j2", variant))
    assert tries
    assert int(tries[1]) == len(inventory(variant).groups["backends"])
