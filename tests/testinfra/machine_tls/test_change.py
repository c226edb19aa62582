"""New certificates reach all daemons while users work; switching TLS on or off has to be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from tests.extra_vars import extra_vars
from tests.testinfra.browser import Browser, summary

pytestmark = [pytest.mark.machine_tls, pytest.mark.disruptive, pytest.mark.provisioning]

SERIAL = r"""
import json, socket, ssl, sys
wanted = json.load(sys.stdin)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(wanted["ca"])
context.load_cert_chain(*wanted["pair"])
with socket.create_connection((wanted["address"], wanted["port"]), 5) as link:
    with context.wrap_socket(link, server_hostname=wanted["address"]) as tls:
        json.dump(tls.getpeercert()["serialNumber"], sys.stdout)
"""


def served(lab: Lab) -> dict[str, str]:
    """The serial numbers of the certificates that Redis, Sentinel and Galera show to their own machine."""
    folder, found = lab.vars["tls_folder"], {}
    replicated, clustered = lab.vars["redis_replicated"], lab.vars["mysql_replicated"]
    ports = {"redis": [lab.vars["redis_port"], *([lab.vars["sentinel_port"]] if replicated else [])]}
    ports["mysql"] = [4567] if clustered else []
    for tier, numbers in ports.items():
        for box in lab.tier(tier):
            pair = [f"{folder}/machine.crt", f"{folder}/machine.key"]
            for port in numbers:
                wanted = {"address": box.address, "port": int(port), "ca": f"{folder}/ca.crt", "pair": pair}
                found[f"{box.name}:{port}"] = str(box.python(SERIAL, wanted, root=True))
    return found


def test_a_renewal_fails_no_request(ana: Browser, lab: Lab, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """MariaDB loads its certificate without a restart. Redis restarts, one after the other, and hands its role over."""
    log, databases = tmp_path / "ansible.log", lab.tier("mysql")
    before, processes = served(lab), [box.main_pid(box.service) for box in databases]
    renew = extra_vars(pytestconfig) | {"lab_ca_renew_days": 1825}
    with ana.background_load() as answers:
        tags = "--tags=lab_ca,tls,mysql,redis,sentinel"
        assert run_playbook("site.yml", tags, variables=renew, log=log) == 0, tail(log)
    allowed = {200} if lab.vars["redis_replicated"] else {200, 503}
    assert {answer.status for answer in answers} <= allowed, summary(answers)
    after = served(lab)
    assert not set(after.values()) & set(before.values())
    assert [box.main_pid(box.service) for box in databases] == processes


def test_members_that_serve_do_not_change_one_at_a_time(
    ana: Browser, lab: Lab, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """They would not understand each other. Nothing is touched, and the message says how to change all of them."""
    members: list[Box] = [box for tier in ("redis", "mysql") for box in lab.tier(tier)]
    if not lab.vars["redis_replicated"] or not lab.vars["mysql_replicated"]:
        pytest.skip("single machines have no other members")
    log, since = tmp_path / "ansible.log", [box.main_pid(box.service) for box in members]
    plain: dict[str, Any] = extra_vars(pytestconfig) | {"machine_tls": False}
    assert run_playbook("site.yml", variables=plain, log=log) != 0
    text = log.read_text(encoding="utf-8")
    for member in members:
        assert f"{member.name} serves with TLS, and machine_tls is false" in text
    assert "-e machine_tls_change=true" in text
    assert [box.main_pid(box.service) for box in members] == since
    assert ana.get("/perfil").status == 200
