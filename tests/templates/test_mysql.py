"""The database's address and accounts."""

from __future__ import annotations

import pytest

from tests.templates.rendered import VARIANTS, inventory, machines, text


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_listens_on_its_own_address_only(variant: str) -> None:
    """0.0.0.0 would expose it on every network of the machine."""
    (machine,) = machines("mysql", variant)
    assert f"\nbind_address = {machine.address}\n" in text("mysql", "server.cnf.j2", variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_backends_have_accounts(variant: str) -> None:
    """A leaked password does not work from other machines."""
    backends = [machine.address for machine in inventory(variant).hosts("backends")]
    for account in machines("mysql", variant)[0].vars["mysql_accounts"]:
        assert account["hosts"] == backends, account["name"]


def test_the_app_can_only_read_users_and_update_their_hashes() -> None:
    """It cannot add or remove users, or alter tables."""
    (app, _) = machines("mysql")[0].vars["mysql_accounts"]
    assert app["privileges"] == "revezamento.users:SELECT,UPDATE(senha_hash)"
