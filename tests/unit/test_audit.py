"""`make audit`: what each scanner's report means.

The samples are from real runs, shortened. That of lynis is put together, in the format of its source.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console

from audit import __main__ as program
from audit import accepted, code, hosts, network, report, web
from audit.accepted import Acceptance, accept
from audit.finding import Finding, Level, ScanError, guarded
from audit.programs import run, run_on
from audit.site import Site
from lab.inventory import ROOT, Inventory
from lab.machines import Lab
from lab.reach import Host, Lists

SAMPLES = Path(__file__).parent / "audit_samples"
NAMES = ["meutrabalho.com.br", "www.meutrabalho.com.br"]
ADDRESSES = ["127.0.0.9", "127.0.0.10"]
OTHERS = {Level.INFO, Level.LOW}


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def failing(findings: Iterable[Finding]) -> list[tuple[str, Level]]:
    return [(one.result, one.level) for one in findings if one.level not in OTHERS]


READERS: dict[str, tuple[Callable[[str], Any], list[tuple[str, Level]]]] = {
    "bandit.json": (
        code.read_bandit,
        [("B108: Probable insecure usage of temp file/directory.", Level.MEDIUM)],
    ),
    "gixy.json": (
        lambda text: code.read_gixy(text, "frontend1"),
        [
            ("host_spoofing: The proxied Host header may be spoofed.", Level.MEDIUM),
            (
                "worker_rlimit_nofile_vs_connections: The worker_rlimit_nofile should be at least twice than "
                "worker_connections.",
                Level.MEDIUM,
            ),
            ("try_files_is_evil_too: The try_files directive is evil without open_file_cache", Level.MEDIUM),
        ],
    ),
    "lynis.dat": (
        lambda text: hosts.read_lynis(text, "frontend1"),
        [
            ("hardening index 67, less than 80", Level.HIGH),
            ("NETW-2705: Couldn't find 2 responsive nameservers", Level.MEDIUM),
        ],
    ),
    "ssh_audit.json": (
        lambda text: hosts.read_ssh_audit(text, "frontend1"),
        [
            ("kex curve25519-sha256: does not provide protection against post-quantum attacks", Level.MEDIUM),
            (
                "kex ecdh-sha2-nistp256: using elliptic curves that are suspected as being backdoored by the U.S. "
                "National Security Agency",
                Level.HIGH,
            ),
            ("kex ecdh-sha2-nistp256: does not provide protection against post-quantum attacks", Level.MEDIUM),
            (
                "key ecdsa-sha2-nistp256: using elliptic curves that are suspected as being backdoored by the U.S. "
                "National Security Agency",
                Level.HIGH,
            ),
            ("key ecdsa-sha2-nistp256: using weak random number generator could reveal the key", Level.MEDIUM),
            ("mac hmac-sha2-256: using encrypt-and-MAC mode", Level.MEDIUM),
            ("mac hmac-sha1: using broken SHA-1 hash algorithm", Level.HIGH),
            ("mac hmac-sha1: using encrypt-and-MAC mode", Level.MEDIUM),
        ],
    ),
    "testssl.json": (
        network.read_testssl,
        [
            ("engine_problem: No engine or GOST support via engine with your /usr/bin/openssl", Level.MEDIUM),
            ("cert_revocation: Neither CRL nor OCSP URI provided", Level.HIGH),
            (
                "BREACH: potentially VULNERABLE, gzip HTTP compression detected - only supplied '/' tested",
                Level.MEDIUM,
            ),
        ],
    ),
    "dnsviz.json": (lambda text: network.read_dnsviz(text, NAMES), []),
    "dnsviz_dead_server.json": (
        lambda text: network.read_dnsviz(text, NAMES[:1]),
        [("NETWORK_ERROR: The UDP connection was refused (ECONNREFUSED).  See RFC 1035, Sec. 4.2.", Level.HIGH)],
    ),
    "schemathesis.json": (lambda text: web.read_schemathesis(text, "anonymous"), []),
    "schemathesis_failure.json": (
        lambda text: web.read_schemathesis(text, "anonymous"),
        [("Undocumented status code: POST /login", Level.MEDIUM)],
    ),
    "observatory.json": (web.read_observatory, []),
    "sqlmap_safe.txt": (lambda text: [web.read_sqlmap(text, "/login")], []),
    "sqlmap_found.txt": (lambda text: [web.read_sqlmap(text, "/login")], [("SQL can be injected", Level.HIGH)]),
}


@pytest.mark.parametrize("name", READERS)
def test_a_report_is_read(name: str) -> None:
    """Besides what fails, each has a line that says that the scanner has worked."""
    read, expected = READERS[name]
    findings = list(read(sample(name)))
    assert failing(findings) == expected
    assert expected or findings[0].level == Level.INFO


INCOMPLETE: dict[str, tuple[Callable[[str], Any], str]] = {
    "bandit without code": (code.read_bandit, '{"errors": [], "metrics": {"_totals": {"loc": 0}}, "results": []}'),
    "bandit, unread": (code.read_bandit, '{"errors": [{"filename": "x.py", "reason": "syntax"}]}'),
    "lynis": (lambda text: hosts.read_lynis(text, "x"), sample("lynis.dat").replace("finish=true\n", "")),
    "ssh-audit": (
        lambda text: hosts.read_ssh_audit(text, "x"),
        json.dumps(json.loads(sample("ssh_audit.json")) | {"mac": []}),
    ),
    "nmap, ended": (
        lambda text: network.read_nmap(text, ADDRESSES),
        sample("nmap.xml").replace('exit="success"', 'exit="error"'),
    ),
    "nmap, slow": (
        lambda text: network.read_nmap(text, ADDRESSES),
        sample("nmap.xml").replace("<host starttime", '<host timedout="true" starttime', 1),
    ),
    "nmap, a machine is missing": (
        lambda text: network.read_nmap(text, [*ADDRESSES, "127.0.0.11"]),
        sample("nmap.xml"),
    ),
    "testssl.sh": (network.read_testssl, sample("testssl.json").replace('"28"', '"Scan interrupted"')),
    "testssl.sh, fatal": (network.read_testssl, sample("testssl_fatal.json")),
    "dnsviz": (lambda text: network.read_dnsviz(text, [*NAMES, "x"]), sample("dnsviz.json")),
    "dnsviz, no answer": (lambda text: network.read_dnsviz(text, NAMES), "{}"),
    "schemathesis": (lambda text: web.read_schemathesis(text, "anonymous"), sample("schemathesis_down.json")),
    "schemathesis, some": (
        lambda text: web.read_schemathesis(text, "anonymous"),
        sample("schemathesis.json").replace('"tested": 10', '"tested": 9'),
    ),
    "schemathesis, session": (lambda text: web.read_schemathesis(text, "logged in"), sample("schemathesis.json")),
    "sqlmap": (lambda text: [web.read_sqlmap(text, "x")], "[CRITICAL] unable to connect to the target URL"),
    "observatory": (web.read_observatory, '{"error": "The site seems to be down."}'),
}


@pytest.mark.parametrize("what", INCOMPLETE)
def test_an_incomplete_report_is_no_pass(what: str) -> None:
    """A scanner that could not look has found nothing, too."""
    read, text = INCOMPLETE[what]
    with pytest.raises(ScanError):
        list(read(text))


def test_a_lower_grade_fails() -> None:
    """The aim is A+."""
    found = json.loads(sample("observatory.json"))
    found["scan"] |= {"grade": "B", "score": 75}
    found["tests"]["strict-transport-security"] |= {"pass": False, "result": "hsts-not-implemented"}
    assert failing(web.read_observatory(json.dumps(found))) == [
        ("grade B, 75 points", Level.HIGH),
        ("strict-transport-security: hsts-not-implemented", Level.MEDIUM),
    ]


def test_a_server_error_is_serious() -> None:
    """Fuzzing must not cause any."""
    found = json.loads(sample("schemathesis_failure.json"))
    found["failures"][0]["type"] = "ServerError"
    assert [level for _, level in failing(web.read_schemathesis(json.dumps(found), "anonymous"))] == [Level.HIGH]


def test_nmap_finds_open_ports_only() -> None:
    """By address, with their protocol."""
    assert network.read_nmap(sample("nmap.xml"), ADDRESSES) == {"127.0.0.9": {"tcp/2222"}, "127.0.0.10": set()}


@pytest.mark.parametrize("policy", ["open", "closed"])
def test_ports_beyond_the_list_are_found(policy: str) -> None:
    """The list counts, also where the policy opens the rest; a rule for others is none for the scanner."""
    rules = [
        {"to": "frontends", "proto": "tcp", "ports": [80], "from": ["anyone"]},
        {"to": "frontends", "proto": "tcp", "ports": [9100], "from": ["192.0.2.8"]},
    ]
    lists = Lists(policy, rules, [])
    client, frontend = Host("192.0.2.100", ["clients"]), Host("192.0.2.20", ["frontends"])
    findings = list(network.compare("frontend1", {"tcp/80", "tcp/9100", "tcp/22"}, client, frontend, lists))
    assert [one.result for one in findings if one.level == Level.INFO] == ["open, as declared: tcp/80"]
    assert failing(findings) == [
        (f"tcp/{port} is open, but no rule of `allow` says so", Level.HIGH) for port in (22, 9100)
    ]


def test_a_fault_is_planted_inside_the_configuration() -> None:
    """Where nginx would read it."""
    assert code.planted("http {\n}\n") == f"http {{\n{code.PLANTED}\n}}\n"


@dataclass
class FakeBox:
    """A machine that answers every command alike, and remembers it."""

    rc: int = 0
    stdout: str = ""
    name: str = "client"
    commands: list[str] = field(default_factory=list)

    def run(self, command: str) -> Any:
        self.commands.append(command)
        return SimpleNamespace(rc=self.rc, stdout=self.stdout, stderr="not found")

    root = run


@pytest.mark.parametrize("rc", [1, 124, 127, 137])
def test_a_scanner_that_ends_badly_is_reported(rc: int) -> None:
    """It is missing, or takes too long, or fails."""
    box: Any = FakeBox(rc)
    with pytest.raises(ScanError):
        run_on(box, "nmap -n", 5)
    assert "timeout --kill-after=10 5 bash -c" in box.commands[0]


def test_a_program_here_has_a_time_limit() -> None:
    """And it has to exist."""
    assert run([sys.executable, "-c", "print(1)"], 20) == "1\n"
    assert run([sys.executable, "-c", "print(1); exit(3)"], 20, (0, 3)) == "1\n"
    for command, seconds, message in (
        ([sys.executable, "-c", "while True: pass"], 0.2, "takes longer"),
        ([sys.executable, "-c", "exit('why')"], 20, "status 1: why"),
        (["no-such-scanner"], 20, "not installed"),
    ):
        with pytest.raises(ScanError, match=message):
            run(command, seconds)


def test_failure_and_silence_are_findings() -> None:
    """Both would look like a pass."""

    def broken() -> list[Finding]:
        raise KeyError("hardening_index")

    for scan in (broken, list):
        (finding,) = guarded("lynis", "redis1", scan)
        assert (finding.tool, finding.target, finding.level) == ("lynis", "redis1", Level.ERROR)
        assert finding.is_failing


WEAK = Finding("ssh-audit", "redis1", "key ecdsa: weak", Level.HIGH)


@pytest.mark.parametrize(
    ("acceptance", "covers"),
    [
        (Acceptance("ssh-audit", "key ecdsa: *", "why"), True),
        (Acceptance("ssh-audit", "key ecdsa: *", "why", target="redis*"), True),
        (Acceptance("ssh-audit", "key ecdsa: *", "why", target="dns*"), False),
        (Acceptance("ssh-audit", "key", "why"), False),
        (Acceptance("lynis", "*", "why"), False),
    ],
)
def test_an_acceptance_covers_what_it_names(acceptance: Acceptance, covers: bool) -> None:
    """Tool, result and target."""
    (finding,), _ = accept([WEAK], [acceptance])
    assert (finding.accepted == "why") == covers
    assert finding.is_failing != covers


def test_a_failed_scanner_is_never_accepted() -> None:
    """Otherwise a broad acceptance would hide it."""
    (finding,), _ = accept([Finding("lynis", "-", "failed: x", Level.ERROR)], [Acceptance("lynis", "*", "why")])
    assert finding.is_failing


def test_an_acceptance_that_nothing_needs_is_reported() -> None:
    """Unless its tool did not run, or it is for another lab."""
    used, unused = Acceptance("ssh-audit", "key *", "why"), Acceptance("ssh-audit", "mac *", "why")
    assert accept([WEAK], [used, unused, Acceptance("nmap", "*", "why")])[1] == [unused]
    assert Acceptance("x", "*", "why", where={"nginx_tls": "off"}).applies({"nginx_tls": "off"})
    assert not Acceptance("x", "*", "why", where={"nginx_tls": "off"}).applies({"nginx_tls": "lab_ca"})


def test_every_acceptance_has_a_reason_and_a_known_scanner() -> None:
    """Only levels that fail need one."""
    for one in accepted.read():
        assert one.tool in program.SCANNERS
        assert len(one.reason) > 5


def test_what_is_accepted_is_documented() -> None:
    """docs/security.md has the whole table: `python -c 'from audit.accepted import *; print(table(read()))'`."""
    assert accepted.table(accepted.read()) in (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def shown(findings: list[Finding], unused: list[Acceptance], everything: bool = False) -> str:
    console = Console(width=200, file=StringIO())
    console.print(report.table(findings, unused, everything))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_the_table_has_one_row_for_a_result() -> None:
    """Of all machines that have it. Text in brackets is text."""
    machines = [Finding("lynis", f"redis{number}", "NAME-1: bad [bold]", Level.MEDIUM) for number in range(1, 6)]
    low = Finding("lynis", "redis1", "a hint", Level.LOW)
    text = shown([*machines, low], [Acceptance("gixy", "old *", "why")])
    assert text.count("NAME-1: bad [bold]") == 1
    assert "redis1, redis2, redis3 and 2 more" in text
    assert "unused" in text
    assert "a hint" not in text
    assert "a hint" in shown([low], [], everything=True)


def test_the_summary_counts() -> None:
    """What is to correct decides the exit status."""
    findings, _ = accept([WEAK, Finding("a", "b", "c", Level.LOW)], [Acceptance("ssh-audit", "*", "why")])
    assert report.summary([*findings, WEAK]) == "1 to correct, 1 accepted, 1 of level low"


def test_real_servers_are_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is installed there, and nothing is scanned."""
    example = Inventory.load("inventory/production.example")
    monkeypatch.setattr("audit.__main__.Inventory.load", lambda **_: example)
    monkeypatch.setattr(program, "tools_on_machines", lambda _: pytest.fail("it installs scanners"))
    monkeypatch.setattr(program, "scan", lambda *_: pytest.fail("it scans"))
    assert program.main([]) == 2
    assert "no lab's" in capsys.readouterr().err


def test_addresses_outside_of_the_lab_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lab's inventory may name any address by mistake."""
    lab = Inventory.load("inventory/lab", overrides={"www_floating_addresses": ["192.0.2.20"]})
    monkeypatch.setattr("audit.__main__.Inventory.load", lambda **_: lab)
    monkeypatch.setattr(program, "tools_on_machines", lambda _: pytest.fail("it installs scanners"))
    assert program.main([]) == 2
    assert "192.0.2.20" in capsys.readouterr().err


def test_failed_logins_lock_no_demo_user_out() -> None:
    """The scanners use another name."""
    example = yaml.safe_load(web.OPENAPI.read_text(encoding="utf-8"))["components"]["schemas"]["Login"]["example"]
    users = {user["usuario"] for user in Inventory.load("inventory/lab").machine("backend1").vars["app_demo_users"]}
    assert example["usuario"] not in users
    assert users.isdisjoint(re.findall(r"usuario\W+(\w+)", " ".join(web.INJECTIONS.values())))


@pytest.mark.parametrize(("level", "status"), [(Level.LOW, 0), (Level.MEDIUM, 1), (Level.ERROR, 1)])
def test_the_exit_status_tells_whether_something_is_to_correct(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, level: Level, status: int
) -> None:
    """And the scanners are removed from the machines in any case."""
    states: list[str] = []
    monkeypatch.setattr(program, "STATE", tmp_path)

    def tools_on_machines(state: str) -> list[Finding]:
        states.append(state)
        return []

    monkeypatch.setattr(program, "tools_on_machines", tools_on_machines)
    monkeypatch.setattr(program, "scan", lambda site, tools: [Finding(tools[0], "redis1", "x", level)])
    assert program.main(["--only", "lynis", "--extra-vars", str(ROOT / "audit" / "variables.yml")]) == status
    assert states == ["present", "absent"]
    assert json.loads((tmp_path / "findings.json").read_text())["findings"][0]["level"] == level.name.lower()


def test_without_scanners_on_the_machines_nothing_is_scanned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And it is an error."""
    problem = Finding("scanners", "machines", "failed", Level.ERROR)
    monkeypatch.setattr(program, "STATE", tmp_path)
    monkeypatch.setattr(program, "tools_on_machines", lambda state: [problem] if state == "present" else [])
    monkeypatch.setattr(program, "scan", lambda *_: pytest.fail("it scans"))
    assert program.main([]) == 1


@pytest.mark.parametrize("tls", ["off", "lab_ca"])
def test_https_is_audited_where_there_is_some(tmp_path: Path, tls: str) -> None:
    """Otherwise the table says that it was not, which has to be accepted."""
    lab = Lab(Inventory.load("inventory/lab", overrides={"nginx_tls": tls}))
    site = Site(lab, tmp_path)
    if tls == "off":
        assert failing(network.testssl(site)) == [("not run: the site speaks plain HTTP", Level.HIGH)]
        assert failing(web.observatory(site)) == [("not run: the site speaks plain HTTP", Level.HIGH)]
    else:
        script = network.testssl_script(site)
        assert "--ip 172.20.0.20 " in script
        assert "--add-ca /usr/local/share/ca-certificates/revezamento.crt" in script
        assert "https://www.meutrabalho.com.br:443/" in script
    lab.close()


def test_dnsviz_asks_the_labs_servers_only() -> None:
    """`+` keeps it from the servers of the domains above."""
    lab = Lab(Inventory.load("inventory/ha"))
    script = network.dnsviz_script(NAMES, lab.tier("dns"))
    given = ",".join(f"{box.name}.{NAMES[0]}={box.address}" for box in lab.tier("dns"))
    assert f"-A -x {NAMES[0]}+:{given} {' '.join(NAMES)} |" in script
    lab.close()


def test_the_playbook_installs_what_the_scanners_run() -> None:
    """Those of Debian; the others are locked in audit/."""
    (play,) = yaml.safe_load((ROOT / "ansible" / "audit.yml").read_text(encoding="utf-8"))
    for tool in program.ON_MACHINES:
        assert f"'{tool}'" in play["vars"]["audit_packages"]
