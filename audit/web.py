"""Scanners of the site: schemathesis sends what openapi.yml allows and forbids, sqlmap tries to inject SQL into logins,
the HTTP Observatory grades the headers.

Each sends few requests. Failed logins have names that nobody has, so they count against no user, and the limit that
they reach at the scanner's address leaves each user one try.
"""

from __future__ import annotations

import http.client
import json
import shlex
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from http.cookies import SimpleCookie

from audit.finding import Finding, Level, ScanError, guarded
from audit.programs import node_package, python_tool, run, run_on
from audit.site import Site
from lab.inventory import ROOT

OPENAPI = ROOT / "app" / "openapi.yml"
EXAMPLES = 25
"""Requests for each route, besides those for the documented limits of each field."""

FUZZ_SECONDS = 480
"""Of one run. Its own limit, --max-time, would make it repeat itself until then."""
FUZZ_CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
KEEP_SESSION = "^(perfil|sessoes|encerrar|encerrar_por_formulario|status)$"
"""The routes for a user who is logged in; the others would end the session."""

FUZZ_LEVELS = {"critical": Level.HIGH, "high": Level.HIGH, "medium": Level.MEDIUM, "low": Level.LOW}

SQLMAP_SECONDS = 300
INJECTIONS = {
    "/login, usuario": "--data 'usuario=ninguem&senha=uma-senha' -p usuario",
    "/login, senha": "--data 'usuario=ninguem&senha=uma-senha*' --randomize usuario",
    "/login, JSON": """--data '{"usuario": "ninguem*", "senha": "uma-senha"}'""",
}
"""Options of sqlmap for each field; * is where it injects."""

SQLMAP_SAFE = "all tested parameters do not appear to be injectable"
SQLMAP_FOUND = "identified the following injection point"

OBSERVATORY_SECONDS = 60
OBSERVATORY_GRADE = "A+"


def schemathesis(site: Site) -> Iterator[Finding]:
    yield from guarded("schemathesis", "anonymous", partial(_fuzz, site, "anonymous", ["--exclude-tag", "backend"]))
    yield from guarded("schemathesis", "logged in", partial(_fuzz_logged_in, site))


def _fuzz_logged_in(site: Site) -> list[Finding]:
    cookie = log_in(site)
    try:
        return list(_fuzz(site, "logged in", ["--include-operation-id-regex", KEEP_SESSION], cookie))
    finally:
        ask(site, "/logout", {}, {"Cookie": cookie})


def _fuzz(site: Site, target: str, chosen: Sequence[str], cookie: str = "") -> Iterator[Finding]:
    settings, report = site.raw / "schemathesis.toml", site.raw / f"schemathesis-{target.replace(' ', '-')}.json"
    # The cookie is in the environment: other users of this computer can read the arguments of a program.
    settings.write_text('headers = { Cookie = "${AUDIT_COOKIE}" }\n' if cookie else "", encoding="utf-8")
    report.unlink(missing_ok=True)
    command: list[object] = [python_tool("schemathesis"), "--config-file", settings, "run", OPENAPI]
    command += ["--url", site.url, *chosen, "--workers", "1", "--max-examples", str(EXAMPLES), "--no-shrink"]
    command += ["--phases", "examples,coverage,fuzzing", "--request-timeout", "15"]
    command += ["--checks", ",".join(FUZZ_CHECKS), "--generation-with-security-parameters", "false"]
    command += ["--generation-database", "none", "--continue-on-failure", "--no-color"]
    command += ["--report", "json", "--report-json-path", report]
    command += ["--tls-verify", site.lab.ca_file] if site.lab.ca_file else []
    out = run(command, FUZZ_SECONDS, (0, 1), cwd=site.raw, environment={"AUDIT_COOKIE": cookie})
    site.keep(report.with_suffix(".txt").name, out)
    if not report.exists():
        raise ScanError("it wrote no report")
    yield from read_schemathesis(report.read_text(encoding="utf-8"), target)


def read_schemathesis(text: str, target: str) -> Iterator[Finding]:
    report = json.loads(text)
    operations = report["operations"]
    if report["errors"]:
        raise ScanError("; ".join(error["title"] for error in report["errors"]))
    if not report["complete"] or not 0 < operations["tested"] == operations["selected"]:
        raise ScanError(f"it tested {operations['tested']} of {operations['selected']} routes")
    if target == "logged in" and report["warnings"]["missing_auth"]:
        raise ScanError(f"its session ended: {', '.join(report['warnings']['missing_auth'])}")
    requests = report["test_cases"]["generated"]
    yield Finding("schemathesis", target, f"{requests} requests to {operations['tested']} routes")
    for failure in report["failures"]:
        level = Level.HIGH if failure["type"] == "ServerError" else FUZZ_LEVELS[failure["severity"]]
        yield Finding("schemathesis", target, f"{failure['title']}: {', '.join(failure['operations'])}", level)


def log_in(site: Site) -> str:
    """Log in as a demo user; return the Cookie header of the session."""
    user = site.lab.tier("backends")[0].role("app")["app_demo_users"][0]
    status, set_cookies = ask(site, "/login", {"usuario": user["usuario"], "senha": user["senha"]})
    name, cookies = str(site.lab.vars["app_cookie_name"]), SimpleCookie()
    for text in set_cookies:
        cookies.load(text)
    if status != http.client.OK or name not in cookies:
        raise ScanError(f"the login of {user['usuario']} was answered {status}")
    return f"{name}={cookies[name].value}"


def ask(
    site: Site, path: str, body: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """POST JSON to the site; return the status and the cookies that it sets."""
    port = site.lab.site_port
    context = ssl.create_default_context(cafile=site.lab.ca_file) if site.is_https else None
    link = (
        http.client.HTTPSConnection(site.address, port, timeout=15, context=context)
        if context
        else http.client.HTTPConnection(site.address, port, timeout=15)
    )
    with closing(link):
        link.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
        answer = link.getresponse()
        return answer.status, answer.headers.get_all("Set-Cookie") or []


def sqlmap(site: Site) -> Iterator[Finding]:
    """Try the fields of a login, the only route that asks the database. Every request has another user's name."""
    url = f"{site.lab.site_url}/login"
    for target, options in INJECTIONS.items():
        yield from guarded("sqlmap", target, partial(_sqlmap, site, url, target, options))


def _sqlmap(site: Site, url: str, target: str, options: str) -> list[Finding]:
    how = "--batch --level 2 --risk 1 --dbms mysql --technique BEUST --time-sec 2 --timeout 10 --retries 1 --threads 1"
    plain = "--flush-session --disable-coloring --ignore-code 401,429"
    script = (
        f"export TMPDIR=$(mktemp -d); sqlmap -u {shlex.quote(url)} {options} {how} {plain} "
        "--output-dir $TMPDIR </dev/null; rm -r $TMPDIR"
    )
    name = f"sqlmap-{target.rpartition(' ')[2]}.txt"
    return [read_sqlmap(site.keep(name, run_on(site.client, script, SQLMAP_SECONDS)), target)]


def read_sqlmap(text: str, target: str) -> Finding:
    if SQLMAP_FOUND in text:
        return Finding("sqlmap", target, "SQL can be injected", Level.HIGH)
    if SQLMAP_SAFE in text:
        return Finding("sqlmap", target, "no SQL can be injected")
    raise ScanError("it came to no result")


def observatory(site: Site) -> Iterator[Finding]:
    if not site.is_https:
        yield Finding("observatory", "site", "not run: the site speaks plain HTTP", Level.HIGH)
        return
    package = node_package("@mdn/mdn-http-observatory")
    # Its installation would download the browsers' list of HSTS sites; ours is not in it.
    (package / "conf" / "hsts-preload.json").write_text("{}", encoding="utf-8")
    trusted = {"NODE_EXTRA_CA_CERTS": str(site.lab.ca_file)} if site.lab.ca_file else {}
    command = ["node", package / "src" / "scan.js", site.address]
    text = run(command, OBSERVATORY_SECONDS, (0, 1), environment=trusted)
    yield from read_observatory(site.keep("observatory.json", text))


def read_observatory(text: str) -> Iterator[Finding]:
    report = json.loads(text)
    if "error" in report:
        raise ScanError(report["error"])
    grade, score = report["scan"]["grade"], report["scan"]["score"]
    level = Level.INFO if grade == OBSERVATORY_GRADE else Level.HIGH
    yield Finding("observatory", "site", f"grade {grade}, {score} points", level)
    for name, test in report["tests"].items():
        if not test["pass"]:
            yield Finding("observatory", "site", f"{name}: {test['result']}", Level.MEDIUM)
