"""The database's address and accounts."""

from __future__ import annotations

import pytest
from native_password import native_password

from tests.templates.rendered import VARIANTS, inventory, machines, text


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_listens_on_its_own_address_only(variant: str) -> None:
    """0.0.0.0 would expose it on every network of the machine."""
    for machine in machines("mysql", variant):
        assert f"\nbind_address = {machine.address}\n" in text("mysql", "server.cnf.j2", variant, machine.name)


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


def test_hashes_are_those_of_mariadb() -> None:
    """Otherwise each run would change all passwords. SELECT PASSWORD('old')"""
    assert native_password("old") == "*CD02AC33DE7D3D2AFEDF5F2BAB51B07CDB499E79"


def test_a_single_server_knows_nothing_of_clusters() -> None:
    """The lab's database stays as simple as it was."""
    (machine,) = machines("mysql")
    assert "wsrep" not in text("mysql", "server.cnf.j2")
    assert "ExecStart" not in machine.role("mysql").vars["__mysql_drop_in"]


def test_members_tell_each_other_where_clients_reach_them() -> None:
    """Otherwise MariaDB says AUTO, whatever it listens on, and /status could not name the members."""
    for machine in machines("mysql", "ha"):
        config = text("mysql", "server.cnf.j2", "ha", machine.name)
        assert f"\nwsrep_node_incoming_address = {machine.address}:3306\n" in config


def test_each_member_uses_its_own_address_and_knows_all() -> None:
    """Galera would listen on all addresses, and guess which of them the others can reach."""
    addresses = [machine.address for machine in inventory("ha").hosts("mysql")]
    assert len(addresses) == 3
    for machine in inventory("ha").hosts("mysql"):
        lines = text("mysql", "server.cnf.j2", "ha", machine.name).splitlines()
        assert f"wsrep_cluster_address = gcomm://{','.join(addresses)}" in lines
        assert f"wsrep_node_address = {machine.address}" in lines
        (options,) = (line.partition(" = ")[2].strip('"') for line in lines if line.startswith("wsrep_provider_opt"))
        own = dict(option.split(" = ") for option in options.split("; "))
        assert own["gmcast.listen_addr"] == f"tcp://{machine.address}:4567"
        assert own["ist.recv_addr"] == machine.address
        drop_in = machine.role("mysql").vars["__mysql_drop_in"]
        assert f"{machine.address} {' '.join(addresses)}\n" in drop_in


def test_a_commit_of_the_cluster_is_on_the_disk() -> None:
    """Often recommended otherwise for Galera; then a power cut of all members loses acknowledged writes."""
    assert "\ninnodb_flush_log_at_trx_commit = 1\n" in text("mysql", "server.cnf.j2", "ha")


def test_only_one_member_creates_the_schema_and_the_accounts() -> None:
    """The cluster copies them to the others."""
    assert [machine.vars["mysql_elected"] for machine in inventory("ha").hosts("mysql")] == [True, False, False]
