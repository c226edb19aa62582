"""HTTPS on the frontends: a real nginx with their configuration, which visitors ask with curl and openssl."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from lab.inventory import ROLES
from lab.waiting import wait_until
from tests.certificates import Pair, self_signed
from tests.templates.rendered import inventory, text
from tests.workbench import Workbench

SITE, FOLDER = "www.meutrabalho.com.br", "/bench/tls"
FRONTENDS = {"frontend1": "127.0.1.1", "frontend2": "127.0.1.2"}
TICKET_KEYS = ROLES / "nginx" / "files" / "ticket_keys.py"
REQUEST = "HEAD / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
OPENSSL = "openssl s_client -connect {address}:443 -servername {site} -CAfile {folder}/ca.crt"


def config(name: str, **variables: Any) -> str:
    """A frontend's nginx.conf, with paths of its own: several share the container."""
    own = {"nginx_tls": "lab_ca", "nginx_addresses": [FRONTENDS[name]], "__nginx_tls_folder": FOLDER, **variables}
    own["nginx_floating_addresses"] = {"www20": FRONTENDS["frontend2"]}
    machine = inventory("ha").machine(name).role("nginx", **own)
    rendered = machine.render(ROLES / "nginx" / "templates" / "nginx.conf.j2")
    return re.sub(r"(?m)^(pid|error_log) [^ ;]+", rf"\1 {FOLDER}/{name}.\1", rendered)


@pytest.fixture(scope="module")
def pair() -> Pair:
    return self_signed([SITE, "frontend1.meutrabalho.com.br", *FRONTENDS.values()])


@pytest.fixture(scope="module")
def bench(workbench: Workbench, pair: Pair) -> Iterator[Workbench]:
    """Two frontends without backends, over HTTP/2 and with HSTS."""
    workbench.write({f"{FOLDER}/site.crt": pair.certificate, f"{FOLDER}/site.key": pair.key})
    workbench.write({f"{FOLDER}/ca.crt": pair.certificate, f"{FOLDER}/ticket_keys.py": TICKET_KEYS.read_text()})
    shell(workbench, f"printf secret | python3 {FOLDER}/ticket_keys.py start {FOLDER} 12")
    version = {"stderr": shell(workbench, "nginx -v 2>&1").strip()}
    for name in FRONTENDS:
        more = {"nginx_http2": True, "nginx_hsts_seconds": 63072000, "__nginx_version": version}
        workbench.write({f"{FOLDER}/{name}.conf": config(name, **more)})
        shell(workbench, f"nginx -c {FOLDER}/{name}.conf")
    yield workbench
    for name in FRONTENDS:
        shell(workbench, f"nginx -c {FOLDER}/{name}.conf -s stop")


def shell(workbench: Workbench, command: str) -> str:
    done = workbench.run(["sh", "-c", command])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def curl(bench: Workbench, url: str, *options: str) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer from frontend1, whatever the name in the URL."""
    command = ["curl", "--silent", "--include", "--cacert", f"{FOLDER}/ca.crt", *options]
    command += ["--connect-to", f"::{FRONTENDS['frontend1']}:", url]
    head, *lines = shell(bench, shlex.join(command)).partition("\r\n\r\n")[0].split("\r\n")
    fields = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return int(head.split()[1]), headers | {"version": head.split()[0]}


def handshake(bench: Workbench, frontend: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One TLS connection to a frontend, which fails unless its certificate is valid for the site's name."""
    command = OPENSSL.format(address=FRONTENDS[frontend], site=SITE, folder=FOLDER)
    verify = f"-verify_return_error -verify_hostname {SITE}"
    # With a request, since the ticket of TLS 1.3 comes after the handshake.
    return bench.run(["sh", "-c", f"printf '{REQUEST}' | {command} {verify} -ign_eof {shlex.join(options)}"])


def test_the_site_speaks_http_2_with_hsts(bench: Workbench) -> None:
    """As where the name is public. An error has all the headers as well."""
    status, headers = curl(bench, f"https://{SITE}/status")
    assert (status, headers["version"], headers["x-frontend"]) == (503, "HTTP/2", "frontend1")
    assert headers["strict-transport-security"] == "max-age=63072000"
    assert headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "host"),
    [
        (SITE, SITE),
        (SITE.upper(), SITE),
        ("frontend1.meutrabalho.com.br", "frontend1.meutrabalho.com.br"),
        ("evil.example", SITE),
        (f"x{SITE}", SITE),
        (f"{SITE.replace('.', 'x')}", SITE),
    ],
)
def test_plain_http_leads_to_https_at_the_same_name(bench: Workbench, asked: str, host: str) -> None:
    """But never to a name that the certificate does not have. The method and the body are kept."""
    for path, method in (("/", "GET"), ("/login?a=b", "POST"), ("/conexao-nova/perfil", "GET"), ("/missing", "GET")):
        status, headers = curl(bench, f"http://{asked}{path}", "--request", method)
        assert (status, headers["location"]) == (308, f"https://{host}{path}")
        assert headers["x-frontend"] == "frontend1"
        assert "strict-transport-security" not in headers, "browsers ignore it over plain HTTP, RFC 6797 forbids it"


def test_machines_may_ask_a_frontend_in_plain_http(bench: Workbench) -> None:
    """Other frontends ask who holds an address, and deployments whether it reaches a backend. Here it reaches none."""
    assert curl(bench, f"http://{SITE}/status/frontend")[0] == 200
    assert curl(bench, f"http://{SITE}/status/backend1")[0] in (502, 504)


def test_a_frontend_tells_who_holds_a_floating_address(bench: Workbench) -> None:
    """It asks the holder in plain HTTP, which knows no certificate, and answers over HTTPS."""
    answer = shell(bench, f"curl -s --cacert {FOLDER}/ca.crt --connect-to ::127.0.1.1: https://{SITE}/status/www20")
    assert answer == '{"frontend":"frontend2"}'


def test_plain_http_to_the_port_of_https_is_a_bad_request(bench: Workbench) -> None:
    """It is answered like every other error."""
    status, headers = curl(bench, f"http://{SITE}:443/")
    assert (status, headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_continues_at_another_frontend(bench: Workbench, version: str) -> None:
    """Both know the keys of its ticket; otherwise each move between frontends would cost a full handshake."""
    assert "\nNew, " in handshake(bench, "frontend1", version, "-sess_out", f"{FOLDER}/session").stdout
    assert "\nReused, " in handshake(bench, "frontend2", version, "-sess_in", f"{FOLDER}/session").stdout


def test_a_session_outlives_one_change_of_the_keys_and_no_more(bench: Workbench) -> None:
    """The former key still opens tickets. The one before it is gone."""
    handshake(bench, "frontend1", "-tls1_2", "-sess_out", f"{FOLDER}/session")
    for expected in ("\nReused, ", "\nNew, "):
        next_keys(bench, "frontend2")
        assert expected in handshake(bench, "frontend2", "-tls1_2", "-sess_in", f"{FOLDER}/session").stdout


def next_keys(bench: Workbench, frontend: str) -> None:
    """Change the keys as if a period had passed, and wait until no worker has the former ones."""
    chain = f"{FOLDER}/tickets.chain"
    shell(bench, f'period=$(cut -d" " -f1 {chain}) && sed -i "s/^$period/$((period - 1))/" {chain}')
    assert shell(bench, f"python3 {FOLDER}/ticket_keys.py next {FOLDER} 12") == "changed\n"
    workers = f"pgrep --parent $(cat {FOLDER}/{frontend}.pid)"
    before = set(shell(bench, workers).split())
    shell(bench, f"nginx -c {FOLDER}/{frontend}.conf -s reload")
    wait_until(lambda: not before & set(shell(bench, workers).split()), "the former workers have ended")


@pytest.mark.parametrize(
    ("options", "works"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"], False),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
    ],
)
def test_only_mozillas_intermediate_profile_is_accepted(bench: Workbench, options: list[str], works: bool) -> None:
    """Old versions and ciphers have known attacks."""
    done = handshake(bench, "frontend1", *options)
    assert (done.returncode == 0) == works, done.stdout + done.stderr


def test_http_2_follows_the_version_of_nginx() -> None:
    """Debian 12 has nginx 1.22, where it is an option of `listen`; later versions call that deprecated."""
    old, new = (
        config("frontend1", nginx_http2=True, __nginx_version={"stderr": f"nginx version: nginx/{version}"})
        for version in ("1.22.1", "1.26.3")
    )
    assert "listen 127.0.1.1:443 ssl http2 default_server;" in old
    assert "http2 on;" not in old
    assert "listen 127.0.1.1:443 ssl default_server;\n        http2 on;" in new


def test_without_tls_nothing_of_it_is_configured() -> None:
    """The lab's default is plain HTTP, to watch the traffic."""
    plain = text("nginx", "nginx.conf.j2")
    assert not re.search(r"ssl|443|308|https|Strict-Transport", plain)


@pytest.mark.parametrize(("variant", "scheme", "port"), [("lab", "http", 80), ("tls", "https", 443)])
def test_everything_follows_from_one_variable(variant: str, scheme: str, port: int) -> None:
    """The URL, the cookie, and the port in the firewall."""
    machine = inventory(variant).machine("frontend1")
    assert machine.vars["site_url"] == f"{scheme}://{SITE}"
    assert machine.vars["site_port"] == port
    assert (443 in machine.vars["nftables_rules"][0]["ports"]) == (port == 443)
    app = inventory(variant).machine("backend1").role("app").vars
    assert (app["app_cookie_name"], app["app_cookie_secure"]) == (
        ("__Host-sessao", True) if port == 443 else ("sessao", False)
    )


@pytest.mark.parametrize("variant", ["lab", "ha"])
def test_the_certificate_has_all_names_and_addresses(variant: str) -> None:
    """Users find the site by its name; whoever looks at one frontend uses that one's name or address."""
    machine = inventory(variant).machine("frontend1").role("lab_ca", nginx_tls="lab_ca").vars
    names = machine["lab_ca_certificates"]["site"]
    frontends = inventory(variant).hosts("frontends")
    assert names[0] == f"DNS:{SITE}"
    assert set(names[1:]) == {
        *(f"DNS:{one.name}.meutrabalho.com.br" for one in frontends),
        *(f"IP:{address}" for address in [*machine["www_addresses"], *(one.address for one in frontends)]),
    }
    assert machine["lab_ca_permitted"] == ["DNS:meutrabalho.com.br", "IP:172.20.0.0/24"]
