"""The database listens where it should, to whom it should."""

from __future__ import annotations

import pytest

from tests.templates.rendered import VARIANTS, inventory, machines, text


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_listens_on_its_own_address_only(variant: str) -> None:
    """0.0.0.0 would offer it on every network that the machine has."""
    (machine,) = machines("mysql", variant)
    assert f"\nbind_address = {machine.address}\n" in text("mysql", "server.cnf.j2", variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_accounts_are_for_the_backends_alone(variant: str) -> None:
    """The passwords are of no use elsewhere."""
    backends = [machine.address for machine in inventory(variant).hosts("backends")]
    for account in machines("mysql", variant)[0].vars["mysql_accounts"]:
        assert account["hosts"] == backends, account["name"]


def test_the_app_can_read_users_and_renew_a_hash() -> None:
    """It makes no users, removes none and changes no table."""
    (app, _) = machines("mysql")[0].vars["mysql_accounts"]
    assert app["privileges"] == "revezamento.users:SELECT,UPDATE(senha_hash)"
