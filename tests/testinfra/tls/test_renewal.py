"""A new certificate reaches all frontends while users work, and no key is shown on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.playbooks import run_playbook, tail
from tests.certificates import self_signed
from tests.extra_vars import extra_vars
from tests.testinfra.browser import Browser, summary
from tests.testinfra.certificates import served

pytestmark = [pytest.mark.tls, pytest.mark.disruptive, pytest.mark.provisioning]

FRONTENDS = ("--tags=nginx", "--limit=frontends")


@pytest.fixture
def variables(lab: Lab, pytestconfig: pytest.Config) -> dict[str, Any]:
    """What the lab was provisioned with."""
    if lab.ca_file is None:
        pytest.skip("the certificate is not from the lab's authority")
    return extra_vars(pytestconfig)


def test_a_renewal_fails_no_request(
    ana: Browser, client: Box, lab: Lab, variables: dict[str, Any], tmp_path: Path
) -> None:
    """nginx loads the new certificate without a restart, one frontend after the other."""
    log, frontends = tmp_path / "ansible.log", lab.tier("frontends")
    before, processes = served(client, lab), [box.main_pid(box.service) for box in frontends]
    with ana.background_load() as answers:
        renew = variables | {"lab_ca_renew_days": 397}
        assert run_playbook("site.yml", *FRONTENDS, variables=renew, log=log) == 0, tail(log)
    assert {answer.status for answer in answers} == {200}, summary(answers)
    after = served(client, lab)
    assert len(set(after.values())) == 1
    assert not set(after.values()) & set(before.values())
    assert [box.main_pid(box.service) for box in frontends] == processes


def test_a_changed_key_is_not_shown(lab: Lab, variables: dict[str, Any], tmp_path: Path) -> None:
    """Not even by --diff and -vvv, whose output ends up in CI's logs. The new certificate is shown."""
    log, pair = tmp_path / "ansible.log", self_signed([lab.site_name])
    files = {"nginx_tls_certificate_file": tmp_path / "site.crt", "nginx_tls_key_file": tmp_path / "site.key"}
    for file, content in zip(files.values(), pair, strict=True):
        file.write_text(content, encoding="utf-8")
    changed = variables | {name: str(path) for name, path in files.items()}
    code = run_playbook("site.yml", *FRONTENDS, "--check", "--diff", "-vvv", variables=changed, log=log)
    assert code == 0, tail(log)
    text = log.read_text(encoding="utf-8")
    lines = [line for line in pair.certificate.splitlines() if not line.startswith("--")]
    assert all(line in text for line in lines)
    assert "PRIVATE KEY" not in text
    assert not [line for line in pair.key.splitlines()[1:-1] if line in text]
    assert str(lab.vars["secret_tickets"]) not in text
